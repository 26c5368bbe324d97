// Headers (WHATWG Fetch 5.1). The fields are one string, the block that goes to the node and comes
// from it (NATIVES.md): "name\nvalue\n" for each, names in lower case, in order of arrival. It is
// searched and changed by natives; only who iterates has it taken apart.
import * as er from './natives.js';
import { BLOCK_MAX } from './contract.js';
import {
	TypeErr, RangeErr, arraySort, isArray, keys, listOf, lower, newMap, ownKeys, propertyIsEnumerable, regexp, strSlice, strSplit, symIterator,
} from './primordials.js';
import { INTERNAL, brand, callback, domString, finish, isObject, iteratorClass, need } from './webidl.js';

// One object's block takes no more than a routine's head may have (BLOCK_MAX); an origin's may be
// longer, and is kept.

/** Hop-by-hop and connection matters are the node's: messages neither show them nor let them be set
 * (but see GUARD_REQUEST). By length: most names are none of these. */
function forbidden(name) {
	switch (name.length) {
		case 2: return name === 'te';
		case 4: return name === 'host';
		case 6: return name === 'expect';
		case 7: return name === 'trailer'; // upgrade asks for a WebSocket
		case 10: return name === 'connection' || name === 'keep-alive';
		case 16: return name === 'proxy-connection';
		case 17: return name === 'transfer-encoding';
		default: return false;
	}
}

export const GUARD_NONE = 0;
export const GUARD_MESSAGE = 1; // of a Request or Response: forbidden names vanish
export const GUARD_IMMUTABLE = 2;
// of a Request that code made: as GUARD_MESSAGE, but Host stays, and fetch says whether it
// can be sent
export const GUARD_REQUEST = 3;

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
const quote = (s) => JSON_(s.length > 60 ? strSlice(s, 0, 60) + '...' : s);
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
function fits(n) {
	if (n > BLOCK_MAX) throw new RangeErr(`Headers hold at most ${BLOCK_MAX} bytes: names, values and two for each field`);
}

// The fields of the last such object and the block they made: a handler's answers tend to have the
// same ones.
let lastNames = [], lastValues = [], lastType = null, lastRequest = false, lastBlock = '', lastHosted = false;

/** What blockOf found besides the block: whether Host is in it. */
export let blockHosted = false;
/** Straight from an object to a block, for a message whose Headers nobody has asked for. `type` is
 * added if no content-type is given; `request`: Host stays. Undefined: the long way. */
export function blockOf(init, type, request) {
	// Of a plain object without symbols or hidden properties these are the fields; of a proxy every
	// look can be seen.
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
	let known = n === lastNames.length && type === lastType && request === lastRequest;
	for (let i = 0; known && i < n; i++) known = ks[i] === lastNames[i] && values[i] === lastValues[i];
	blockHosted = lastHosted;
	if (known) return lastBlock;
	blockHosted = false;
	const block = join(ks, values, type, request);
	if (block !== undefined) {
		lastNames = ks;
		lastValues = values;
		lastType = type;
		lastRequest = request;
		lastHosted = blockHosted;
		lastBlock = block;
	}
	return block;
}
function join(ks, values, type, request) {
	let block = '';
	let typed = type === null;
	const seen = [];
	for (let i = 0; i < ks.length; i++) {
		const name = headerName(ks[i]);
		const value = headerValue(values[i]);
		if (forbidden(name)) {
			if (!request || name !== 'host') continue;
			blockHosted = true;
		}
		if (!typed && name === 'content-type') typed = true;
		// two spellings of one name combine: the long way
		for (let j = 0; j < seen.length; j++) if (seen[j] === name) return undefined;
		seen[seen.length] = name;
		block += name + '\n' + value + '\n';
	}
	if (!typed) block += 'content-type\n' + type + '\n';
	fits(block.length);
	return block;
}

/** [name, value, name, value, ..., ''] */
const linesOf = (block) => strSplit(block, '\n');
function withoutForbidden(block, request) {
	const list = linesOf(block);
	let out = '';
	for (let i = 0; i + 1 < list.length; i += 2) if (!forbidden(list[i]) || (request && list[i] === 'host')) out += list[i] + '\n' + list[i + 1] + '\n';
	return out;
}

let sorted;
let nodeSays; // (request, name) -> the value of a field that the node knows, or null
export function nodeFieldsThrough(fn) {
	nodeSays = fn;
}
const HeadersIterator = iteratorClass('Headers', (h, at) => sorted(h)[at]);

export let isHeaders;
// (block, guard, of, open): `of` is the node's request whose fields they are, or null; `open`: Host
// is in the block
export let headersFromBlock;
// what a message with these fields says: without what is the node's business
export let blockOfHeaders;
export let requestBlock; // the same of a Request: Host stays
export let headersOpen; // names may be in it that a message does not show
export let headersHas;
export let headersGet;
export let headersPut; // without guard: for the prelude
export let fillHeaders;

export class Headers {
	#block = '';
	#guard = GUARD_NONE;
	#open = false; // names may be in it that a message does not show
	// the node's request whose fields these are: Host is its URL's, Content-Length its body's
	#of = null;
	#sorted = null;

	constructor(init = undefined, block = undefined, guard = GUARD_NONE, of = null, open = false) {
		if (init === INTERNAL) {
			this.#block = block;
			this.#guard = guard;
			this.#of = of;
			this.#open = open;
			return;
		}
		if (init !== undefined) Headers.#fill(this, init);
	}

	append(name, value) {
		Headers.#check(this, 'append');
		need(arguments.length, 2, "'append' on 'Headers'");
		this.#add(name, value);
	}
	delete(name) {
		Headers.#check(this, 'delete');
		need(arguments.length, 1, "'delete' on 'Headers'");
		name = headerName(name);
		if (!this.#refused(name)) this.#take(er.fieldsDelete(this.#block, name));
	}
	get(name) {
		Headers.#check(this, 'get');
		need(arguments.length, 1, "'get' on 'Headers'");
		return this.#value(headerName(name));
	}
	getSetCookie() {
		Headers.#check(this, 'getSetCookie');
		const list = linesOf(this.#block), out = [];
		for (let i = 0; i + 1 < list.length; i += 2) if (list[i] === 'set-cookie') out[out.length] = list[i + 1];
		return out;
	}
	has(name) {
		Headers.#check(this, 'has');
		need(arguments.length, 1, "'has' on 'Headers'");
		return this.#value(headerName(name)) !== null;
	}
	set(name, value) {
		Headers.#check(this, 'set');
		need(arguments.length, 2, "'set' on 'Headers'");
		name = headerName(name);
		value = headerValue(value);
		if (this.#refused(name)) return;
		fits(name.length + value.length);
		this.#take(er.fieldsSet(this.#block, name, value));
	}
	entries() {
		Headers.#check(this, 'entries');
		return new HeadersIterator(this, 'entry');
	}
	keys() {
		Headers.#check(this, 'keys');
		return new HeadersIterator(this, 'key');
	}
	values() {
		Headers.#check(this, 'values');
		return new HeadersIterator(this, 'value');
	}
	forEach(callbackFn, thisArg = undefined) {
		Headers.#check(this, 'forEach');
		need(arguments.length, 1, "'forEach' on 'Headers'");
		callback(callbackFn, "The callback of 'forEach'");
		for (let i = 0; ; i++) {
			const pair = sorted(this)[i];
			if (pair === undefined) return;
			Reflect_apply(callbackFn, thisArg, [pair[1], pair[0], this]);
		}
	}

	/** Host and Content-Length are not among the fields, so that a copy of them carries them to no
	 * other host and no other body. */
	#value(name) {
		const value = er.fieldsGet(this.#block, name);
		return value === null && this.#of !== null ? nodeSays(this.#of, name) : value;
	}
	#add(name, value) {
		name = headerName(name);
		value = headerValue(value);
		if (!this.#refused(name)) this.#take(this.#block + name + '\n' + value + '\n');
	}
	#refused(name) {
		if (this.#guard === GUARD_IMMUTABLE) throw new TypeErr('These headers are immutable; make a copy: new Response(body, response) or new Request(request)');
		if (!forbidden(name)) return false;
		if (this.#guard !== GUARD_NONE && (this.#guard !== GUARD_REQUEST || name !== 'host')) return true;
		this.#open = true;
		return false;
	}
	#take(block) {
		if (block.length > this.#block.length) fits(block.length);
		this.#block = block;
		this.#sorted = null;
	}

	static #check(h, member) {
		if (typeof h !== 'object' || h === null || !(#block in h)) throw brand('Headers', member);
	}
	/** What is in another Headers was checked when it came there. */
	static #copy(h, from) {
		const given = h.#guard === GUARD_NONE ? from.#block : h.#guard === GUARD_REQUEST ? requestBlock(from) : blockOfHeaders(from);
		if (h.#block === '') h.#block = given;
		else h.#take(h.#block + given);
		h.#open ||= from.#open;
	}
	/** Fetch 5.1 "fill": a sequence of pairs, a record, or another Headers. */
	static #fill(h, init) {
		if (!isObject(init)) throw new TypeErr('Headers are made of an object, an array of pairs or other Headers');
		if (#block in init && init[symIterator] === Headers.prototype[symIterator]) {
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
			for (let i = 0; i < flat.length; i += 2) h.#add(flat[i], flat[i + 1]);
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
		for (let i = 0; i < flat.length; i += 2) h.#add(flat[i], flat[i + 1]);
	}

	static {
		isHeaders = (h) => typeof h === 'object' && h !== null && #block in h;
		headersFromBlock = (block, guard, of = null, open = false) => new Headers(INTERNAL, block, guard, of, open);
		headersGet = (h, name) => er.fieldsGet(h.#block, name);
		headersHas = (h, name) => er.fieldsGet(h.#block, name) !== null;
		headersPut = (h, name, value) => h.#take(er.fieldsSet(h.#block, name, value));
		fillHeaders = (h, init) => Headers.#fill(h, init);
		blockOfHeaders = (h) => (h.#open ? withoutForbidden(h.#block, false) : h.#block);
		requestBlock = (h) => (h.#open ? withoutForbidden(h.#block, true) : h.#block);
		headersOpen = (h) => h.#open;
		sorted = (h) => {
			if (h.#sorted === null) h.#sorted = sortAndCombine(linesOf(h.#block));
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
	for (let i = 0; i + 1 < list.length; i += 2) {
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
