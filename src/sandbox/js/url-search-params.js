// URLSearchParams (WHATWG URL 6.2) and application/x-www-form-urlencoded. Flat list: [name,
// value, ...].
import * as er from './natives.js';
import {
	TypeErr, apply, arraySort, charCode, fromCharCode, getOwnPropertyDescriptor, includes, isArray, listOf, newMap, ownKeys, regexp, replaceAllOf, strIndexOf, strSlice,
	symIterator, U8, taLength, u8Subarray,
} from './primordials.js';
import { INTERNAL, brand, callback, finish, isObject, iteratorClass, need, usvString } from './webidl.js';

const PLAIN = regexp(/[^*\-._0-9A-Za-z]/);
const hex = (c) => (c >= 48 && c <= 57 ? c - 48 : c >= 65 && c <= 70 ? c - 55 : c >= 97 && c <= 102 ? c - 87 : -1);

export function decodeForm(s) {
	if (includes(s, '+')) s = replaceAllOf(s, '+', ' ');
	let out = '', from = 0;
	for (let at = strIndexOf(s, '%'); at >= 0; at = strIndexOf(s, '%', from > at ? from : at + 1)) {
		const a = hex(charCode(s, at + 1)), b = hex(charCode(s, at + 2));
		if (a < 0 || b < 0) continue;
		if (a >= 8) return decodeBytes(s); // a part of a character
		out += strSlice(s, from, at) + fromCharCode(a * 16 + b);
		from = at + 3;
	}
	return from === 0 ? s : out + strSlice(s, from);
}
function decodeBytes(s) {
	const from = er.utf8Encode(s);
	const n = taLength(from);
	const to = new U8(n);
	let k = 0;
	for (let i = 0; i < n; i++) {
		if (from[i] === 37 && i + 2 < n) {
			const a = hex(from[i + 1]), b = hex(from[i + 2]);
			if (a >= 0 && b >= 0) {
				to[k++] = a * 16 + b;
				i += 2;
				continue;
			}
		}
		to[k++] = from[i];
	}
	return er.utf8Decode(u8Subarray(to, 0, k), false, true);
}
const HEX = '0123456789ABCDEF';
export function encodeForm(s) {
	if (PLAIN.exec(s) === null) return s;
	const bytes = er.utf8Encode(s);
	let out = '';
	for (let i = 0, n = taLength(bytes); i < n; i++) {
		const c = bytes[i];
		if (c === 32) out += '+';
		else if (c === 42 || c === 45 || c === 46 || c === 95 || (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)) out += fromCharCode(c);
		else out += '%' + HEX[c >> 4] + HEX[c & 15];
	}
	return out;
}
export function parseForm(text) {
	const list = [], coded = includes(text, '%') || includes(text, '+');
	const next = (c, at) => {
		const found = strIndexOf(text, c, at);
		return found < 0 ? text.length : found;
	};
	for (let at = 0, end, eq = -1; at < text.length; at = end + 1) {
		end = next('&', at);
		if (end === at) continue;
		if (eq < at) eq = next('=', at);
		const name = strSlice(text, at, eq < end ? eq : end), value = eq < end ? strSlice(text, eq + 1, end) : '';
		list[list.length] = coded ? decodeForm(name) : name;
		list[list.length] = coded ? decodeForm(value) : value;
	}
	return list;
}
export function serializeForm(list) {
	let out = '';
	for (let i = 0; i < list.length; i += 2) out += (i ? '&' : '') + encodeForm(list[i]) + '=' + encodeForm(list[i + 1]);
	return out;
}

export let isParams;
export let paramsText;
export let detachedParams; // (query with or without "?", owner, setter)
export let refillParams;
let pairAt;
const ParamsIterator = iteratorClass('URLSearchParams', (p, at) => pairAt(p, at));
const unquestioned = (s) => (s[0] === '?' ? strSlice(s, 1) : s);

export class URLSearchParams {
	#list = [];
	#owner = null;
	#update = null;

	constructor(init = '', owner = undefined, update = undefined) {
		if (owner === INTERNAL) {
			this.#list = parseForm(unquestioned(init));
			this.#owner = update[0];
			this.#update = update[1];
			return;
		}
		if (isObject(init)) this.#fill(init);
		else this.#list = parseForm(unquestioned(usvString(init)));
	}
	#fill(init) {
		const list = this.#list;
		const method = init[symIterator];
		if (method !== undefined && method !== null) {
			callback(method, 'Symbol.iterator of the argument of URLSearchParams');
			const pairs = listOf({ [symIterator]: () => apply(method, init, []) });
			for (let i = 0; i < pairs.length; i++) {
				if (!isObject(pairs[i])) throw new TypeErr('Each pair of URLSearchParams must be an array of a name and a value');
				const pair = isArray(pairs[i]) ? pairs[i] : listOf(pairs[i]);
				if (pair.length !== 2) throw new TypeErr('Each pair of URLSearchParams must have exactly a name and a value');
				list[list.length] = usvString(pair[0]);
				list[list.length] = usvString(pair[1]);
			}
			return;
		}
		const seen = newMap();
		const ks = ownKeys(init);
		for (let i = 0; i < ks.length; i++) {
			const d = getOwnPropertyDescriptor(init, ks[i]);
			if (d === undefined || !d.enumerable) continue;
			const name = usvString(ks[i]);
			const value = usvString(init[ks[i]]);
			const at = seen.get(name);
			if (at !== undefined) list[at + 1] = value;
			else {
				seen.set(name, list.length);
				list[list.length] = name;
				list[list.length] = value;
			}
		}
	}
	#changed() {
		if (this.#owner !== null) this.#update(this.#owner, serializeForm(this.#list));
	}
	get size() {
		return this.#list.length / 2;
	}
	append(name, value) {
		URLSearchParams.#check(this, 'append');
		need(arguments.length, 2, "'append' on 'URLSearchParams'");
		name = usvString(name);
		value = usvString(value);
		const list = this.#list;
		list[list.length] = name;
		list[list.length] = value;
		this.#changed();
	}
	delete(name, value = undefined) {
		URLSearchParams.#check(this, 'delete');
		need(arguments.length, 1, "'delete' on 'URLSearchParams'");
		name = usvString(name);
		if (value !== undefined) value = usvString(value);
		const list = this.#list;
		let to = 0;
		for (let i = 0; i < list.length; i += 2) {
			if (list[i] === name && (value === undefined || list[i + 1] === value)) continue;
			list[to] = list[i];
			list[to + 1] = list[i + 1];
			to += 2;
		}
		list.length = to;
		this.#changed();
	}
	get(name) {
		URLSearchParams.#check(this, 'get');
		need(arguments.length, 1, "'get' on 'URLSearchParams'");
		name = usvString(name);
		const list = this.#list;
		for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
		return null;
	}
	getAll(name) {
		URLSearchParams.#check(this, 'getAll');
		need(arguments.length, 1, "'getAll' on 'URLSearchParams'");
		name = usvString(name);
		const list = this.#list;
		const out = [];
		for (let i = 0; i < list.length; i += 2) if (list[i] === name) out[out.length] = list[i + 1];
		return out;
	}
	has(name, value = undefined) {
		URLSearchParams.#check(this, 'has');
		need(arguments.length, 1, "'has' on 'URLSearchParams'");
		name = usvString(name);
		if (value !== undefined) value = usvString(value);
		const list = this.#list;
		for (let i = 0; i < list.length; i += 2) if (list[i] === name && (value === undefined || list[i + 1] === value)) return true;
		return false;
	}
	set(name, value) {
		URLSearchParams.#check(this, 'set');
		need(arguments.length, 2, "'set' on 'URLSearchParams'");
		name = usvString(name);
		value = usvString(value);
		const list = this.#list;
		let to = 0;
		let done = false;
		for (let i = 0; i < list.length; i += 2) {
			if (list[i] === name && done) continue;
			list[to] = list[i];
			list[to + 1] = list[i] === name ? value : list[i + 1];
			if (list[i] === name) done = true;
			to += 2;
		}
		list.length = to;
		if (!done) {
			list[to] = name;
			list[to + 1] = value;
		}
		this.#changed();
	}
	sort() {
		URLSearchParams.#check(this, 'sort');
		const pairs = [];
		for (let i = 0; i < this.#list.length; i += 2) pairs[pairs.length] = [this.#list[i], this.#list[i + 1]];
		arraySort(pairs, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); // code units, stable
		for (let i = 0; i < pairs.length; i++) {
			this.#list[i * 2] = pairs[i][0];
			this.#list[i * 2 + 1] = pairs[i][1];
		}
		this.#changed();
	}
	entries() {
		URLSearchParams.#check(this, 'entries');
		return new ParamsIterator(this, 'entry');
	}
	keys() {
		URLSearchParams.#check(this, 'keys');
		return new ParamsIterator(this, 'key');
	}
	values() {
		URLSearchParams.#check(this, 'values');
		return new ParamsIterator(this, 'value');
	}
	forEach(callbackFn, thisArg = undefined) {
		URLSearchParams.#check(this, 'forEach');
		need(arguments.length, 1, "'forEach' on 'URLSearchParams'");
		callback(callbackFn, "The callback of 'forEach'");
		for (let i = 0; i < this.#list.length; i += 2) apply(callbackFn, thisArg, [this.#list[i + 1], this.#list[i], this]);
	}
	toString() {
		URLSearchParams.#check(this, 'toString');
		return serializeForm(this.#list);
	}
	static #check(p, member) {
		if (!isObject(p) || !(#list in p)) throw brand('URLSearchParams', member);
	}
	static {
		isParams = (p) => isObject(p) && #list in p;
		paramsText = (p) => serializeForm(p.#list);
		pairAt = (p, at) => (at * 2 < p.#list.length ? [p.#list[at * 2], p.#list[at * 2 + 1]] : undefined);
		detachedParams = (query, owner, update) => new URLSearchParams(query, INTERNAL, [owner, update]);
		refillParams = (p, query) => {
			p.#list = parseForm(unquestioned(query));
		};
		Object.defineProperty(URLSearchParams.prototype, symIterator, { value: URLSearchParams.prototype.entries, writable: true, configurable: true });
	}
}
finish(URLSearchParams, 'URLSearchParams', 0);
