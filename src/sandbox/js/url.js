// URL (WHATWG URL 6.1) over the native parser. An object is its href and eight offsets into it;
// getters cut strings when asked.
import * as er from './natives.js';
import { TypeErr, strSlice, toStr } from './primordials.js';
import { brand, finish, isObject, need, usvString } from './webidl.js';
import { detachedParams, refillParams } from './url-search-params.js';
import { createObjectURL, revokeObjectURL } from './blob-url.js';

const ABSENT = 0xffffffff;
const parts = er.urlParts;

export let isURL;
export let hrefOf;
export let namesUser; // (URL) -> it holds credentials
let setSearch;

export class URL {
	#href;
	#protocolEnd = 0;
	#usernameEnd = 0;
	#hostStart = 0;
	#hostEnd = 0;
	#port = 0;
	#pathStart = 0;
	#searchStart = 0;
	#hashStart = 0;
	#params = null;

	constructor(url, base = undefined) {
		need(arguments.length, 1, "'constructor' on 'URL'");
		const href = parse(url, base);
		if (href === undefined) throw new TypeErr(`Invalid URL: ${short(url)}${base === undefined ? '' : ` (base ${short(base)})`}`);
		this.#take(href);
	}
	#take(href) {
		this.#href = href;
		this.#protocolEnd = parts[0];
		this.#usernameEnd = parts[1];
		this.#hostStart = parts[2];
		this.#hostEnd = parts[3];
		this.#port = parts[4];
		this.#pathStart = parts[5];
		this.#searchStart = parts[6];
		this.#hashStart = parts[7];
	}
	#set(part, value) {
		const href = er.urlSet(this.#href, part, usvString(value));
		if (href === undefined) throw new TypeErr(`Invalid URL: ${short(value)}`);
		this.#take(href);
	}

	static canParse(url, base = undefined) {
		need(arguments.length, 1, "'canParse' on 'URL'");
		return parse(url, base) !== undefined;
	}
	static parse(url, base = undefined) {
		need(arguments.length, 1, "'parse' on 'URL'");
		return parse(url, base) === undefined ? null : new URL(url, base);
	}
	static createObjectURL(object) {
		need(arguments.length, 1, "'createObjectURL' on 'URL'");
		return createObjectURL(object);
	}
	static revokeObjectURL(url) {
		need(arguments.length, 1, "'revokeObjectURL' on 'URL'");
		revokeObjectURL(usvString(url));
	}

	get href() {
		return this.#href;
	}
	set href(v) {
		this.#set('href', v);
		this.#refresh();
	}
	get origin() {
		return er.urlOrigin(this.#href);
	}
	get protocol() {
		return strSlice(this.#href, 0, this.#protocolEnd);
	}
	set protocol(v) {
		this.#set('protocol', v);
	}
	get username() {
		return this.#protocolEnd + 2 < this.#usernameEnd ? strSlice(this.#href, this.#protocolEnd + 2, this.#usernameEnd) : '';
	}
	set username(v) {
		this.#set('username', v);
	}
	get password() {
		return this.#hostStart - this.#usernameEnd > 0 ? strSlice(this.#href, this.#usernameEnd + 1, this.#hostStart) : '';
	}
	set password(v) {
		this.#set('password', v);
	}
	get host() {
		return strSlice(this.#href, this.#hostFrom(), this.#hostTo());
	}
	set host(v) {
		this.#set('host', v);
	}
	get hostname() {
		return strSlice(this.#href, this.#hostFrom(), this.#hostEnd);
	}
	set hostname(v) {
		this.#set('hostname', v);
	}
	get port() {
		return this.#port === ABSENT ? '' : toStr(this.#port);
	}
	set port(v) {
		this.#set('port', v);
	}
	get pathname() {
		return strSlice(this.#href, this.#pathStart, this.#searchStart !== ABSENT ? this.#searchStart : this.#hashStart !== ABSENT ? this.#hashStart : this.#href.length);
	}
	set pathname(v) {
		this.#set('pathname', v);
	}
	get search() {
		if (this.#searchStart === ABSENT) return '';
		const end = this.#hashStart !== ABSENT ? this.#hashStart : this.#href.length;
		return end - this.#searchStart <= 1 ? '' : strSlice(this.#href, this.#searchStart, end);
	}
	set search(v) {
		this.#set('search', v);
		this.#refresh();
	}
	get searchParams() {
		if (this.#params === null) this.#params = detachedParams(this.search, this, setSearch);
		return this.#params;
	}
	get hash() {
		return this.#hashStart === ABSENT || this.#href.length - this.#hashStart <= 1 ? '' : strSlice(this.#href, this.#hashStart);
	}
	set hash(v) {
		this.#set('hash', v);
	}
	toString() {
		if (!(#href in this)) throw brand('URL', 'toString');
		return this.#href;
	}
	toJSON() {
		if (!(#href in this)) throw brand('URL', 'toJSON');
		return this.#href;
	}

	/** With credentials, host_start is the place of the "@". */
	#hostFrom() {
		return this.#href[this.#hostStart] === '@' ? this.#hostStart + 1 : this.#hostStart;
	}
	#hostTo() {
		return this.#port === ABSENT ? this.#hostEnd : this.#hostEnd + 1 + toStr(this.#port).length;
	}
	#refresh() {
		if (this.#params !== null) refillParams(this.#params, this.search);
	}
	static {
		isURL = (u) => isObject(u) && #href in u;
		hrefOf = (u) => u.#href;
		namesUser = (u) => u.#hostStart > u.#protocolEnd + 2;
		setSearch = (u, query) => u.#set('search', query);
	}
}
function parse(url, base) {
	const input = typeof url === 'string' ? url : isURL(url) && url.toString === URL.prototype.toString ? hrefOf(url) : usvString(url);
	return er.urlParse(input, base === undefined ? undefined : usvString(base));
}
function short(v) {
	const s = toStr(v);
	return s.length > 200 ? strSlice(s, 0, 200) + '...' : s;
}
finish(URL, 'URL', 1);
/** The href of an absolute URL, or undefined. */
export const parseHref = (s) => er.urlParse(s, undefined);
/** Of the URL parsed last: it holds credentials. */
export const parsedNamesUser = () => parts[2] > parts[0] + 2;
/** Of an href: http: or https:. */
export const isHttp = (href) => (href[4] === ':' || (href[5] === ':' && href[4] === 's')) && strSlice(href, 0, 4) === 'http';
