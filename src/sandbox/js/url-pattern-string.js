// The string that `new URLPattern` may be given (URLPattern 1.6, "parse a constructor string"), of
// the lazy script "patterns": it is cut into components at the tokens that a URL is cut at, before
// any piece of it is canonicalized.
//
//   init ─► protocol ─► authority ─► username ─► password ─► hostname ─► port ─► pathname ─► search ─► hash
import { apart, arraySlice, join } from './primordials.js';
import { stringPoints, tokenize } from './url-pattern-parts.js';

/** The components in their order, with "init" and "authority", which are none. */
const INIT = 0, PROTOCOL = 1, AUTHORITY = 2, USERNAME = 3, PASSWORD = 4, HOSTNAME = 5, PORT = 6, PATHNAME = 7, SEARCH = 8, HASH = 9, DONE = 10;
const NAMES = ['', 'protocol', '', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash', ''];

class Parser {
	constructor(text, isSpecial) {
		this.points = stringPoints(text);
		this.tokens = tokenize(this.points, true);
		this.isSpecial = isSpecial;
		this.special = false;
		this.init = { __proto__: null };
		this.state = INIT;
		this.start = 0; // of the component, in tokens
		this.at = 0;
		this.step = 1; // to the next token
	}
	/** Is the token there this character, and no syntax of patterns? */
	is(char, at = this.at) {
		const { type, value } = this.tokens[at < this.tokens.length ? at : this.tokens.length - 1];
		return value === char && (type === 'char' || type === 'escaped-char' || type === 'invalid-char');
	}
	/** A "?" that is no modifier of what stands before it. */
	isSearch() {
		if (this.is('?')) return true;
		if (this.tokens[this.at].value !== '?') return false;
		if (this.at === 0) return true;
		const { type } = this.tokens[this.at - 1];
		return type !== 'name' && type !== 'regexp' && type !== 'close' && type !== 'asterisk';
	}
	component() {
		return join(arraySlice(this.points, this.tokens[this.start].index, this.tokens[this.at].index), '');
	}
	/** The component ends here; the next one begins `skip` tokens on. What is left out between the
	 * two is empty. */
	change(next, skip) {
		const { state, init } = this;
		if (NAMES[state] !== '') init[NAMES[state]] = this.component();
		if (state !== INIT && next !== DONE) {
			if (state < HOSTNAME && next > HOSTNAME) init.hostname ??= '';
			if (state < PATHNAME && next > PATHNAME) init.pathname ??= this.special ? '/' : '';
			if (state < SEARCH && next > SEARCH) init.search ??= '';
		}
		this.state = next;
		this.at += skip;
		this.start = this.at;
		this.step = 0;
	}
	rewind(state) {
		this.at = this.start;
		this.step = 0;
		this.state = state;
	}
	/** Behind the hostname; each state asks only for what may follow it. */
	rest(least) {
		if (least < PATHNAME && this.is('/')) this.change(PATHNAME, 0);
		else if (least < SEARCH && this.isSearch()) this.change(SEARCH, 1);
		else if (least < HASH && this.is('#')) this.change(HASH, 1);
	}
	/** False: that was all. */
	end() {
		if (this.state === AUTHORITY) this.rewind(HOSTNAME);
		else if (this.state !== INIT) {
			this.change(DONE, 0);
			return false;
		} else {
			// no protocol: a relative one
			this.rewind(INIT);
			if (this.is('#')) this.change(HASH, 1);
			else if (this.isSearch()) this.change(SEARCH, 1);
			else this.change(PATHNAME, 0);
		}
		return true;
	}
	protocol() {
		if (!this.is(':')) return;
		this.special = this.isSpecial(this.component());
		if (this.is('/', this.at + 1) && this.is('/', this.at + 2)) this.change(AUTHORITY, 3);
		else this.change(this.special ? AUTHORITY : PATHNAME, 1);
	}
	hostname() {
		if (this.is('[')) this.brackets++;
		else if (this.is(']')) this.brackets--;
		else if (this.is(':') && this.brackets === 0) this.change(PORT, 1);
		else this.rest(HOSTNAME);
	}
	brackets = 0;
	one() {
		switch (this.state) {
			case INIT:
				if (this.is(':')) this.rewind(PROTOCOL);
				break;
			case PROTOCOL:
				this.protocol();
				break;
			case AUTHORITY:
				if (this.is('@')) this.rewind(USERNAME);
				else if (this.is('/') || this.isSearch() || this.is('#')) this.rewind(HOSTNAME);
				break;
			case USERNAME:
				if (this.is(':')) this.change(PASSWORD, 1);
				else if (this.is('@')) this.change(HOSTNAME, 1);
				break;
			case PASSWORD:
				if (this.is('@')) this.change(HOSTNAME, 1);
				break;
			case HOSTNAME:
				this.hostname();
				break;
			default:
				this.rest(this.state);
		}
	}
	run() {
		let depth = 0; // of "{": no component ends inside
		for (let on = true; on; this.at += this.step) {
			this.step = 1;
			const { type } = this.tokens[this.at];
			if (type === 'end') on = this.end();
			else if (type === 'open') depth++;
			else if (depth > 0 && type !== 'close') continue;
			else {
				if (depth > 0) depth--;
				this.one();
			}
		}
		// who names a host means its default port
		if (this.init.hostname !== undefined) this.init.port ??= '';
		return this.init;
	}
}
apart(Parser);

/** A URLPatternInit. isSpecial: does a pattern for the protocol match a special scheme? It
 * throws if that is no pattern. */
export const parseConstructorString = (text, isSpecial) => new Parser(text, isSpecial).run();
