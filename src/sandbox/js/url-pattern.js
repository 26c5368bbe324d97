/* global shared */
// URLPattern (WHATWG URLPattern), the lazy script "patterns". A pattern is eight components, each
// compiled by url-pattern-parts.js. This file takes apart what the constructor, test and exec are
// given, and canonicalizes pieces of it with the URL parser: each piece becomes a part of a URL
// that is nobody's, and is read from there.
import { urlParse, urlParts, urlSet } from './natives.js';
import { ObjectProto, TypeErr, defineProperty, endsWith, includes, lower, setPrototypeOf, startsWith, strLastIndexOf, strSlice, toStr } from './primordials.js';
import { brand, dictionary, finish, isObject, usvString } from './webidl.js';
import { HOST, compile, escapePattern, path, plain } from './url-pattern-parts.js';
import { parseConstructorString } from './url-pattern-string.js';

const NAMES = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
const PORTS = { http: '80', https: '443', ws: '80', wss: '443', ftp: '21', file: '' };
setPrototypeOf(PORTS, null);
const ABSENT = 0xffffffff;
const DUMMY = 'https://dummy.invalid/', OTHER = 'https://other.invalid/';

// ---- pieces of a URL ----

/** The pieces of the URL that the engine has parsed or changed last; without ":", "?" and "#". */
function pieces(href) {
	const parts = urlParts;
	const at = (i) => parts[i];
	const end = at(7) === ABSENT ? href.length : at(7), pathEnd = at(6) === ABSENT ? end : at(6);
	return {
		protocol: strSlice(href, 0, at(0) - 1),
		username: at(0) + 2 < at(1) ? strSlice(href, at(0) + 2, at(1)) : '',
		password: at(2) > at(1) ? strSlice(href, at(1) + 1, at(2)) : '',
		hostname: strSlice(href, href[at(2)] === '@' ? at(2) + 1 : at(2), at(3)),
		port: at(4) === ABSENT ? '' : toStr(at(4)),
		pathname: strSlice(href, at(5), pathEnd),
		search: at(6) === ABSENT ? '' : strSlice(href, at(6) + 1, end),
		hash: at(7) === ABSENT ? '' : strSlice(href, at(7) + 1),
		opaque: href[at(5)] !== '/' && at(5) < pathEnd,
	};
}
function piecesOf(url, base = undefined) {
	const href = urlParse(url, base);
	return href === undefined ? null : pieces(href);
}
const changed = (url, part, value) => pieces(urlSet(url, part, value))[part];
const wrong = (part, value) => new TypeErr(`'${value}' cannot be the ${part} of a URL`);

/** Each throws if the value cannot be that piece. */
const canonical = {
	protocol(value) {
		if (value === '') return '';
		const p = piecesOf(`${value}://dummy.invalid/`);
		if (p === null) throw wrong('protocol', value);
		return p.protocol;
	},
	username: (value) => (value === '' ? '' : changed(DUMMY, 'username', value)),
	password: (value) => (value === '' ? '' : changed(DUMMY, 'password', value)),
	// What a setter of URL refuses, it leaves as it was: both hosts, both ports.
	hostname(value) {
		if (value === '') return '';
		const host = changed(DUMMY, 'hostname', value);
		if (host === 'dummy.invalid' && changed(OTHER, 'hostname', value) === 'other.invalid') throw wrong('hostname', value);
		return host;
	},
	port(value, protocol = '') {
		if (value === '') return '';
		const scheme = protocol === '' ? 'x' : protocol; // no default port without one
		const port = changed(`${scheme}://dummy.invalid:1/`, 'port', value);
		if (port === '1' && changed(`${scheme}://dummy.invalid:2/`, 'port', value) === '2') throw wrong('port', value);
		return port;
	},
	// The parser puts a "/" before a path that has none. The "-" behind ours keeps a leading dot
	// from being a "/." with it.
	pathname(value) {
		if (value === '') return '';
		return value[0] === '/' ? changed(DUMMY, 'pathname', value) : strSlice(changed(DUMMY, 'pathname', `/-${value}`), 2);
	},
	opaque(value) {
		if (value === '') return '';
		const p = piecesOf(`x:-${value}`);
		if (p === null) throw wrong('pathname', value);
		return strSlice(p.pathname, 1);
	},
	search: (value) => (value === '' ? '' : changed(DUMMY, 'search', `?${value}`)),
	hash: (value) => (value === '' ? '' : changed(DUMMY, 'hash', `#${value}`)),
};

// ---- URLPatternInit ----

/** The members of a dictionary, read in the order of Web IDL. */
function initOf(input) {
	const init = {};
	setPrototypeOf(init, null);
	if (input === undefined || input === null) return init;
	const members = ['baseURL', 'hash', 'hostname', 'password', 'pathname', 'port', 'protocol', 'search', 'username'];
	for (let i = 0; i < members.length; i++) {
		const value = input[members[i]];
		if (value !== undefined) init[members[i]] = usvString(value);
	}
	return init;
}
const ORDER = ['protocol', 'hostname', 'port', 'pathname', 'search', 'hash'], USER = ['protocol', 'hostname', 'port', 'username', 'password'];
/** None of the first members up to this one is given: the base URL may say it. */
function open(init, order, name) {
	for (let i = 0; i < order.length; i++) {
		if (init[order[i]] !== undefined) return false;
		if (order[i] === name) return true;
	}
	return false;
}
function inherit(result, init, base, pattern) {
	for (let i = 0; i < ORDER.length; i++) {
		const name = ORDER[i];
		if (open(init, ORDER, name)) result[name] = pattern && name !== 'port' ? escapePattern(base[name]) : base[name];
	}
	if (pattern) return;
	if (open(init, USER, 'username')) result.username = base.username;
	if (open(init, USER, 'password')) result.password = base.password;
}
const isAbsolute = (pathname, pattern) => pathname[0] === '/' || (pattern && pathname[1] === '/' && (pathname[0] === '\\' || pathname[0] === '{'));
function pathnameOf(result, init, base, pattern) {
	let { pathname } = init;
	if (base !== null && !base.opaque && !isAbsolute(pathname, pattern)) {
		const from = pattern ? escapePattern(base.pathname) : base.pathname;
		const slash = strLastIndexOf(from, '/');
		if (slash >= 0) pathname = strSlice(from, 0, slash + 1) + pathname;
	}
	if (pattern) return pathname;
	const protocol = result.protocol ?? '';
	return protocol === '' || PORTS[protocol] !== undefined ? canonical.pathname(pathname) : canonical.opaque(pathname);
}
const withoutFirst = (value, mark) => (startsWith(value, mark) ? strSlice(value, 1) : value);
const withoutLast = (value, mark) => (endsWith(value, mark) ? strSlice(value, 0, -1) : value);
/** "Process a URLPatternInit": the components of a pattern, or of a URL into `result`. */
function process(init, pattern, result) {
	let base = null;
	if (init.baseURL !== undefined) {
		base = piecesOf(init.baseURL);
		if (base === null) throw new TypeErr(`The baseURL '${init.baseURL}' is not a URL`);
		inherit(result, init, base, pattern);
	}
	const put = (name, value) => {
		result[name] = pattern ? value : canonical[name](value, result.protocol);
	};
	if (init.protocol !== undefined) put('protocol', withoutLast(init.protocol, ':'));
	if (init.username !== undefined) put('username', init.username);
	if (init.password !== undefined) put('password', init.password);
	if (init.hostname !== undefined) put('hostname', init.hostname);
	if (init.port !== undefined) put('port', init.port);
	if (init.pathname !== undefined) result.pathname = pathnameOf(result, init, base, pattern);
	if (init.search !== undefined) put('search', withoutFirst(init.search, '?'));
	if (init.hash !== undefined) put('hash', withoutFirst(init.hash, '#'));
	return result;
}

// ---- the pattern ----

function matchesSpecial(protocol) {
	for (const scheme in PORTS) if (protocol.expression.exec(scheme) !== null) return true;
	return false;
}
const protocolOf = (text) => compile(text, canonical.protocol, plain(false));
const isIPv6 = (text) => text.length >= 2 && (text[0] === '[' || ((text[0] === '{' || text[0] === '\\') && text[1] === '['));
function ipv6(value) {
	for (let i = 0; i < value.length; i++) if (!includes('0123456789abcdefABCDEF[]:', value[i])) throw wrong('hostname', value);
	return lower(value);
}
/** name → component (compile). */
function componentsOf(init, ignoreCase) {
	const text = process(init, true, { __proto__: null });
	for (let i = 0; i < NAMES.length; i++) text[NAMES[i]] ??= '*';
	if (text.port !== '' && PORTS[text.protocol] === text.port) text.port = '';
	const bare = plain(false), rest = plain(ignoreCase);
	const protocol = protocolOf(text.protocol);
	const username = compile(text.username, canonical.username, bare), password = compile(text.password, canonical.password, bare);
	const hostname = compile(text.hostname, isIPv6(text.hostname) ? ipv6 : canonical.hostname, HOST);
	const port = compile(text.port, (value) => canonical.port(value), bare);
	const pathname = matchesSpecial(protocol) ? compile(text.pathname, canonical.pathname, path(ignoreCase)) : compile(text.pathname, canonical.opaque, rest);
	const search = compile(text.search, canonical.search, rest), hash = compile(text.hash, canonical.hash, rest);
	return { protocol, username, password, hostname, port, pathname, search, hash };
}

/** What is to be matched: {url (its pieces), inputs}; null: it is no URL. */
function subject(input, base) {
	if (input === undefined || input === null || isObject(input)) {
		const init = initOf(input);
		if (base !== undefined) throw new TypeErr('A base URL goes with a string only: put it into the object as baseURL');
		const url = { protocol: '', username: '', password: '', hostname: '', port: '', pathname: '', search: '', hash: '' };
		try {
			return { url: process(init, false, url), inputs: [setPrototypeOf(init, ObjectProto)] };
		} catch {
			return null;
		}
	}
	const text = usvString(input);
	if (base === undefined) return found(piecesOf(text), [text]);
	const from = usvString(base);
	return found(piecesOf(text, from), [text, from]);
}
const found = (url, inputs) => (url === null ? null : { url, inputs });
function groupsOf(component, match) {
	const groups = {};
	for (let i = 0; i < component.names.length; i++) defineProperty(groups, component.names[i], { value: match[i + 1], writable: true, enumerable: true, configurable: true });
	return groups;
}
function match(components, input, base) {
	const what = subject(input, base);
	if (what === null) return null;
	const result = { inputs: what.inputs };
	for (let i = 0; i < NAMES.length; i++) {
		const name = NAMES[i], text = what.url[name], m = components[name].expression.exec(text);
		if (m === null) return null;
		defineProperty(result, name, { value: { input: text, groups: groupsOf(components[name], m) }, writable: true, enumerable: true, configurable: true });
	}
	return result;
}

class URLPattern {
	#components;
	constructor(input = undefined, baseURL = undefined, options = undefined) {
		let base = baseURL;
		if (arguments.length < 3 && (baseURL === undefined || baseURL === null || isObject(baseURL))) {
			options = baseURL;
			base = undefined;
		} else base = usvString(baseURL);
		let init;
		if (input === undefined || input === null || isObject(input)) {
			init = initOf(input);
			if (base !== undefined) throw new TypeErr('A base URL goes with a string only: put it into the object as baseURL');
		} else {
			const text = usvString(input);
			init = parseConstructorString(text, (protocol) => matchesSpecial(protocolOf(protocol)));
			if (base === undefined && init.protocol === undefined) throw new TypeErr(`The pattern '${text}' has no protocol: it needs a base URL`);
			if (base !== undefined) init.baseURL = base;
		}
		const { ignoreCase } = dictionary(options, 'The options of URLPattern');
		this.#components = componentsOf(init, !!ignoreCase);
	}
	get protocol() {
		return this.#components.protocol.text;
	}
	get username() {
		return this.#components.username.text;
	}
	get password() {
		return this.#components.password.text;
	}
	get hostname() {
		return this.#components.hostname.text;
	}
	get port() {
		return this.#components.port.text;
	}
	get pathname() {
		return this.#components.pathname.text;
	}
	get search() {
		return this.#components.search.text;
	}
	get hash() {
		return this.#components.hash.text;
	}
	get hasRegExpGroups() {
		for (let i = 0; i < NAMES.length; i++) if (this.#components[NAMES[i]].custom) return true;
		return false;
	}
	test(input = undefined, baseURL = undefined) {
		if (!(#components in this)) throw brand('URLPattern', 'test');
		return match(this.#components, input, baseURL) !== null;
	}
	exec(input = undefined, baseURL = undefined) {
		if (!(#components in this)) throw brand('URLPattern', 'exec');
		return match(this.#components, input, baseURL);
	}
}
finish(URLPattern, 'URLPattern', 0);
shared.made = URLPattern;
