// Headers (WHATWG Fetch 5.1). The list is flat, [name, value, name, value, ...], names in lower case, in order of arrival;
// one that came from the node stays an unparsed block until somebody looks.
import * as er from './natives.js';
import {
	TypeErr, RangeErr, arraySort, isArray, keys, listOf, lower, newMap, ownKeys, propertyIsEnumerable, regexp, strSplit, symIterator,
} from './primordials.js';
import { INTERNAL, brand, callback, domString, finish, isObject, iteratorClass, need } from './webidl.js';

/** What all names and values of one object may add up to; the node's limit for a head is the same. */
export const HEADERS_MAX = 32 * 1024;

/** Hop-by-hop and connection matters are the node's: messages neither show them nor let them be set. By length: most names are none of these. */
function forbidden(name) {
	switch (name.length) {
		case 2: return name === 'te';
		case 4: return name === 'host';
		case 6: return name === 'expect';
		case 7: return name === 'trailer' || name === 'upgrade';
		case 10: return name === 'connection' || name === 'keep-alive';
		case 16: return name === 'proxy-connection';
		case 17: return name === 'transfer-encoding';
		default: return false;
	}
}

export const GUARD_NONE = 0;
export const GUARD_MESSAGE = 1; // of a Request or Response: forbidden names vanish
export const GUARD_IMMUTABLE = 2;

const BAD_NAME = regexp(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/);
/** Either not a value, or one with white space around it. */
const ODD_VALUE = regexp(/[^\t\x20-\x7e\x80-\xff]|^[\t ]|[\t ]$/);
const WIDE = regexp(/[^\x00-\xff]/);
const BAD_VALUE = regexp(/[\0\r\n]|[^\x00-\xff]/);
const EDGES = regexp(/^[\t\n\r ]*([^]*?)[\t\n\r ]*$/);

/** Names seen before, checked and in lower case. Bounded: names come from clients too. */
const names = newMap();
let namesN = 0;
export function headerName(name) {
	const known = names.get(name);
	return known !== undefined ? known : learn(name);
}
function learn(name) {
	if (typeof name !== 'string') return headerName(domString(name));
	if (name === '' || BAD_NAME.exec(name) !== null) throw new TypeErr(`Invalid header name: ${quote(name)}`);
	const low = lower(name);
	if (namesN < 512 && name.length <= 64) {
		namesN++;
		names.set(name, low);
	}
	return low;
}
const quote = (s) => JSON_(s.length > 60 ? s.slice(0, 60) + '...' : s);
const JSON_ = JSON.stringify;

export function headerValue(value) {
	const v = typeof value === 'string' ? value : domString(value);
	return ODD_VALUE.exec(v) === null ? v : normalize(v);
}
function normalize(v) {
	v = EDGES.exec(v)[1];
	if (BAD_VALUE.exec(v) !== null) throw new TypeErr(`Invalid header value: ${quote(v)}`);
	return v;
}
function byteString(v) {
	const s = domString(v);
	if (WIDE.exec(s) !== null) throw new TypeErr(`Header names and values hold no characters above 255: ${quote(s)}`);
	return s;
}
const tooLarge = () => new RangeErr(`Headers hold at most ${HEADERS_MAX} bytes of names and values`);

// The fields of the last such object and the block they made: a handler's answers tend to have the same ones.
let lastNames = [], lastValues = [], lastType = null, lastBlock = '';

/** Straight from an object to a block, for a message whose Headers nobody has asked for. `type` is added if no content-type is given. Undefined: the long way. */
export function blockOf(init, type) {
	// Of a plain object without symbols or hidden properties these are the fields; of a proxy every look can be seen.
	if (!er.isPlain(init)) return undefined;
	const ks = keys(init);
	const n = ks.length;
	if (ownKeys(init).length !== n) return undefined;
	const values = [];
	// A getter may make other messages: all is read before anything is compared.
	for (let i = 0; i < n; i++) {
		const v = init[ks[i]];
		values[i] = typeof v === 'string' ? v : domString(v);
	}
	let known = n === lastNames.length && type === lastType;
	for (let i = 0; known && i < n; i++) known = ks[i] === lastNames[i] && values[i] === lastValues[i];
	if (known) return lastBlock;
	const block = join(ks, values, type);
	if (block !== undefined) {
		lastNames = ks;
		lastValues = values;
		lastType = type;
		lastBlock = block;
	}
	return block;
}
function join(ks, values, type) {
	let block = '';
	let typed = type === null;
	const seen = [];
	for (let i = 0; i < ks.length; i++) {
		const name = headerName(ks[i]);
		const value = headerValue(values[i]);
		if (forbidden(name)) continue;
		if (!typed && name === 'content-type') typed = true;
		for (let j = 0; j < seen.length; j++) if (seen[j] === name) return undefined; // two spellings of one name combine: the long way
		seen[seen.length] = name;
		block += name + '\n' + value + '\n';
	}
	if (!typed) block += 'content-type\n' + type + '\n';
	if (block.length > HEADERS_MAX) throw tooLarge();
	return block;
}

function parseBlock(block) {
	const list = strSplit(block, '\n');
	const n = list.length - 1;
	const out = [];
	for (let i = 0; i + 1 <= n; i += 2) {
		const name = lower(list[i]);
		if (forbidden(name)) continue;
		out[out.length] = name;
		out[out.length] = list[i + 1];
	}
	return out;
}

let sorted;
const HeadersIterator = iteratorClass('Headers', (h, at) => sorted(h)[at]);

export let isHeaders;
export let headersFromBlock; // (block, guard)
export let blockOfHeaders;
export let sendableBlock; // the same without what concerns the connection
export let setGuard;
export let headersHas;
export let headersGet;
export let headersPut; // without guard: for the prelude
export let fillHeaders;

export class Headers {
	#list = null;
	#block = '';
	#guard = GUARD_NONE;
	#size = 0;
	#sorted = null;

	constructor(init = undefined, block = undefined, guard = GUARD_NONE) {
		if (init === INTERNAL) {
			this.#block = block;
			this.#guard = guard;
			return;
		}
		this.#list = [];
		if (init !== undefined) Headers.#fill(this, init);
	}

	append(name, value) {
		const list = Headers.#of(this, 'append');
		need(arguments.length, 2, "'append' on 'Headers'");
		name = headerName(name);
		value = headerValue(value);
		if (this.#refused(name)) return;
		this.#grow(name.length + value.length);
		list[list.length] = name;
		list[list.length] = value;
	}
	delete(name) {
		const list = Headers.#of(this, 'delete');
		need(arguments.length, 1, "'delete' on 'Headers'");
		name = headerName(name);
		if (this.#refused(name)) return;
		Headers.#remove(this, list, name);
	}
	get(name) {
		const list = Headers.#of(this, 'get');
		need(arguments.length, 1, "'get' on 'Headers'");
		return Headers.#lookUp(list, headerName(name));
	}
	getSetCookie() {
		const list = Headers.#of(this, 'getSetCookie');
		const out = [];
		for (let i = 0; i < list.length; i += 2) if (list[i] === 'set-cookie') out[out.length] = list[i + 1];
		return out;
	}
	has(name) {
		const list = Headers.#of(this, 'has');
		need(arguments.length, 1, "'has' on 'Headers'");
		name = headerName(name);
		for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
		return false;
	}
	set(name, value) {
		const list = Headers.#of(this, 'set');
		need(arguments.length, 2, "'set' on 'Headers'");
		name = headerName(name);
		value = headerValue(value);
		if (this.#refused(name)) return;
		Headers.#put(this, list, name, value);
	}
	entries() {
		Headers.#of(this, 'entries');
		return new HeadersIterator(this, 'entry');
	}
	keys() {
		Headers.#of(this, 'keys');
		return new HeadersIterator(this, 'key');
	}
	values() {
		Headers.#of(this, 'values');
		return new HeadersIterator(this, 'value');
	}
	forEach(callbackFn, thisArg = undefined) {
		Headers.#of(this, 'forEach');
		need(arguments.length, 1, "'forEach' on 'Headers'");
		callback(callbackFn, "The callback of 'forEach'");
		for (let i = 0; ; i++) {
			const pair = sorted(this)[i];
			if (pair === undefined) return;
			Reflect_apply(callbackFn, thisArg, [pair[1], pair[0], this]);
		}
	}

	#refused(name) {
		if (this.#guard === GUARD_NONE) return false;
		if (this.#guard === GUARD_IMMUTABLE) throw new TypeErr('These headers are immutable; make a copy: new Response(body, response) or new Request(request)');
		return forbidden(name);
	}
	#grow(by) {
		if (this.#size + by > HEADERS_MAX) throw tooLarge();
		this.#size += by;
		this.#sorted = null;
	}

	static #of(h, member) {
		if (typeof h !== 'object' || h === null || !(#list in h)) throw brand('Headers', member);
		if (h.#list === null) {
			h.#list = parseBlock(h.#block);
			h.#size = h.#block.length;
		}
		return h.#list;
	}
	static #lookUp(list, name) {
		let found = null;
		for (let i = 0; i < list.length; i += 2) if (list[i] === name) found = found === null ? list[i + 1] : found + (name === 'cookie' ? '; ' : ', ') + list[i + 1];
		return found;
	}
	static #remove(h, list, name) {
		let to = 0;
		for (let i = 0; i < list.length; i += 2) {
			if (list[i] === name) {
				h.#size -= name.length + list[i + 1].length;
				continue;
			}
			list[to] = list[i];
			list[to + 1] = list[i + 1];
			to += 2;
		}
		list.length = to;
		h.#sorted = null;
	}
	static #put(h, list, name, value) {
		for (let i = 0; i < list.length; i += 2) {
			if (list[i] !== name) continue;
			h.#grow(value.length - list[i + 1].length);
			list[i + 1] = value;
			let to = i + 2;
			for (let j = i + 2; j < list.length; j += 2) {
				if (list[j] === name) continue;
				list[to] = list[j];
				list[to + 1] = list[j + 1];
				to += 2;
			}
			list.length = to;
			return;
		}
		h.#grow(name.length + value.length);
		list[list.length] = name;
		list[list.length] = value;
	}
	/** What is in another Headers was checked when it came there. */
	static #copy(h, from) {
		if (from.#list === null && h.#guard === GUARD_NONE && h.#list.length === 0) {
			h.#list = null; // it is parsed when somebody looks, once and not twice
			h.#block = from.#block;
			return;
		}
		const list = Headers.#of(from), to = h.#list, filter = h.#guard !== GUARD_NONE;
		let size = 0, n = to.length;
		for (let i = 0; i < list.length; i += 2) {
			const name = list[i], value = list[i + 1];
			if (filter && forbidden(name)) continue;
			to[n++] = name;
			to[n++] = value;
			size += name.length + value.length;
		}
		h.#grow(size);
	}
	/** Fetch 5.1 "fill": a sequence of pairs, a record, or another Headers. */
	static #fill(h, init) {
		if (!isObject(init)) throw new TypeErr('Headers are made of an object, an array of pairs or other Headers');
		if (#list in init && init[symIterator] === Headers.prototype[symIterator]) {
			Headers.#copy(h, init);
			return;
		}
		const method = init[symIterator];
		if (method !== undefined && method !== null) {
			const pairs = listOf({ [symIterator]: () => Reflect_apply(callback(method, 'Symbol.iterator of headers'), init, []) });
			const flat = [];
			for (let i = 0; i < pairs.length; i++) {
				if (!isObject(pairs[i])) throw new TypeErr('Each pair of headers must be an array of a name and a value');
				const pair = isArray(pairs[i]) ? pairs[i] : listOf(pairs[i]);
				if (pair.length !== 2) throw new TypeErr('Each pair of headers must have exactly a name and a value');
				flat[flat.length] = domString(pair[0]);
				flat[flat.length] = domString(pair[1]);
			}
			for (let i = 0; i < flat.length; i += 2) h.append(flat[i], flat[i + 1]);
			return;
		}
		const ks = ownKeys(init);
		const flat = [];
		for (let i = 0; i < ks.length; i++) {
			if (!propertyIsEnumerable(init, ks[i])) continue;
			const k = byteString(ks[i]);
			flat[flat.length] = k;
			flat[flat.length] = byteString(init[k]);
		}
		for (let i = 0; i < flat.length; i += 2) h.append(flat[i], flat[i + 1]);
	}

	static {
		isHeaders = (h) => typeof h === 'object' && h !== null && #list in h;
		headersFromBlock = (block, guard) => new Headers(INTERNAL, block, guard);
		headersGet = (h, name) => Headers.#lookUp(Headers.#of(h), name);
		headersHas = (h, name) => Headers.#lookUp(Headers.#of(h), name) !== null;
		headersPut = (h, name, value) => Headers.#put(h, Headers.#of(h), name, value);
		fillHeaders = (h, init) => {
			Headers.#of(h);
			Headers.#fill(h, init);
		};
		setGuard = (h, guard) => {
			h.#guard = guard;
		};
		sendableBlock = (h) => {
			const list = Headers.#of(h);
			let out = '';
			for (let i = 0; i < list.length; i += 2) if (!forbidden(list[i])) out += list[i] + '\n' + list[i + 1] + '\n';
			return out;
		};
		blockOfHeaders = (h) => {
			if (h.#list === null) return h.#block;
			const list = h.#list;
			let out = '';
			for (let i = 0; i < list.length; i += 2) out += list[i] + '\n' + list[i + 1] + '\n';
			return out;
		};
		sorted = (h) => {
			const list = Headers.#of(h);
			if (h.#sorted === null) h.#sorted = sortAndCombine(list);
			return h.#sorted;
		};
		const { prototype } = Headers;
		Object.defineProperty(prototype, symIterator, { value: prototype.entries, writable: true, configurable: true });
	}
}
const Reflect_apply = Reflect.apply;
finish(Headers, 'Headers', 0);

/** Fetch "sort and combine": set-cookie stays apart. */
function sortAndCombine(list) {
	const at = newMap();
	const pairs = [];
	for (let i = 0; i < list.length; i += 2) {
		const name = list[i];
		if (name === 'set-cookie') {
			pairs[pairs.length] = [name, list[i + 1]];
			continue;
		}
		const seen = at.get(name);
		if (seen === undefined) {
			const pair = [name, list[i + 1]];
			at.set(name, pair);
			pairs[pairs.length] = pair;
		} else seen[1] += (name === 'cookie' ? '; ' : ', ') + list[i + 1];
	}
	return arraySort(pairs, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
}
