// The key-value store of the node: EdgeKV, and the namespaces that are members of env. Arguments
// are checked here, where an exception has the caller's stack; what a key may be and who may open a
// namespace, the node decides (data/kv.h says what is asked and answered). The classes are made
// when somebody touches them.
import * as er from './natives.js';
import {
	MapCtor, TypeErr, abByteLength, isArray, isArrayBuffer, isInteger, isView, jsonParse, jsonStringify, mapSet, rejected, replaceAllOf, strSlice, taBuffer, taLength, then,
	toWellFormed, u8Slice, u8Subarray,
} from './primordials.js';
import { INTERNAL, brand, dictionary, finish, illegal, isObject, need } from './webidl.js';
import { KV, READS, ask } from './data.js';
import { SPENT, extract, usable } from './body.js';
import { isResponse, rawOfResponse, spendResponse } from './response.js';
import { LazyStream, isStream } from './streams-lazy.js';
import { isBufferStream } from './buffer-stream.js';

const KEY_MAX = 512, METADATA_MAX = 1024, LIST_MAX = 1000, MANY_MAX = 100;

// ---- arguments ----

function keyOf(key, what) {
	if (typeof key !== 'string') throw new TypeErr(`${what}: a key is a string`);
	const k = toWellFormed(key);
	const n = er.utf8Length(k);
	if (n === 0) throw new TypeErr(`${what}: a key cannot be empty`);
	if (n > KEY_MAX) throw new TypeErr(`${what}: the key has ${n} bytes as UTF-8; ${KEY_MAX} is the most`);
	return k;
}
function typeOf(options, what) {
	const type = typeof options === 'string' ? options : dictionary(options, `The options of ${what}`).type;
	if (type === undefined || type === 'text') return 'text';
	if (type === 'json' || type === 'arrayBuffer' || type === 'stream') return type;
	throw new TypeErr(`${what}: the type is 'text', 'json', 'arrayBuffer' or 'stream'`);
}
/** The raw body that a value is, not used up yet. */
function rawOf(value, what) {
	if (typeof value === 'string' || isStream(value) || isBufferStream(value) || isView(value) || isArrayBuffer(value)) return extract(value);
	if (isResponse(value)) {
		const raw = rawOfResponse(value);
		usable(raw, 'Response');
		return raw ?? '';
	}
	throw new TypeErr(`${what}: a value is a string, an ArrayBuffer or a view of one, a ReadableStream or a Response`);
}
function seconds(v, name, what) {
	if (v === undefined || v === null) return '';
	const n = +v;
	if (!isInteger(n) || n < 1 || n > 2 ** 40) throw new TypeErr(`${what}: ${name} is a whole number of seconds, 1 or more`);
	return `${n}`;
}
/** The fields of a put. */
function fieldsOf(options, what) {
	const { expiration, expirationTtl, metadata } = dictionary(options, `The options of ${what}`);
	const at = seconds(expiration, 'expiration', what), ttl = seconds(expirationTtl, 'expirationTtl', what);
	let block = '';
	if (ttl !== '') block += `expiration-ttl\n${ttl}\n`;
	else if (at !== '') block += `expiration\n${at}\n`;
	if (metadata === undefined || metadata === null) return block;
	const json = jsonStringify(metadata);
	if (json === undefined) throw new TypeErr(`${what}: no JSON can be made of the metadata`);
	const bytes = er.utf8Encode(json);
	if (taLength(bytes) > METADATA_MAX) throw new TypeErr(`${what}: the metadata has ${taLength(bytes)} bytes as JSON; ${METADATA_MAX} is the most`);
	return `${block}metadata\n${replaceAllOf(er.latin1(bytes), '\x7f', '\\u007f')}\n`;
}

// ---- what is asked ----

const textOf = (bytes) => er.utf8Decode(bytes, false, false);
const bufferOf = (bytes) => {
	const all = taBuffer(bytes);
	return taLength(bytes) === abByteLength(all) ? all : taBuffer(u8Slice(bytes));
};
/** Of a text that may begin with a byte order mark. */
const withoutMark = (text) => (text[0] === '\ufeff' ? strSlice(text, 1) : text);
const makers = { text: textOf, json: (bytes) => jsonParse(textOf(bytes)), arrayBuffer: bufferOf };

function valueOf(body, type) {
	if (type === 'stream') return new LazyStream(body ?? '');
	if (body === null) return makers[type](er.utf8Encode(''));
	if (type !== 'arrayBuffer') {
		const text = body.inlineText();
		if (text !== undefined) return type === 'json' ? jsonParse(withoutMark(text)) : withoutMark(text);
	}
	return then(body.bytes(), makers[type]);
}
function get(what, ns, key, options, none) {
	if (isArray(key)) return getMany(what, ns, key, options, false);
	const type = typeOf(options, what);
	const target = `${ns}/${keyOf(key, what)}`;
	return ask(what, type === 'stream' ? KV : KV | READS, 'GET', target, '', null, (status, block, body) => (status === 404 ? none : valueOf(body, type)));
}
function getWithMetadata(what, ns, key, options) {
	if (isArray(key)) return getMany(what, ns, key, options, true);
	const type = typeOf(options, what);
	const target = `${ns}/${keyOf(key, what)}`;
	return ask(what, type === 'stream' ? KV : KV | READS, 'GET', target, '', null, async (status, block, body) => {
		if (status === 404) return { value: null, metadata: null, cacheStatus: null };
		const metadata = er.fieldsGet(block, 'metadata');
		const value = await valueOf(body, type);
		return { value, metadata: metadata === null ? null : jsonParse(metadata), cacheStatus: null };
	});
}
const u32 = (bytes, at) => (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
/** data/kv.h has the form of the answer. */
async function getMany(what, ns, keys, options, withMetadata) {
	const type = typeOf(options, what);
	if (type !== 'text' && type !== 'json') throw new TypeErr(`${what}: values of many keys are 'text' or 'json'`);
	if (keys.length === 0 || keys.length > MANY_MAX) throw new TypeErr(`${what}: an array of 1 to ${MANY_MAX} keys is expected, not of ${keys.length}`);
	const names = [];
	for (let i = 0; i < keys.length; i++) names[i] = keyOf(keys[i], what);
	const bytes = await ask(what, KV | READS, 'MANY', `${ns}/`, '', jsonStringify(names), (status, block, body) => body.bytes());
	const found = new MapCtor();
	for (let i = 0, at = 0; i < names.length; i++) {
		const there = u32(bytes, at) === 1, metadataN = u32(bytes, at + 4), n = u32(bytes, at + 8);
		const metadata = u8Subarray(bytes, at + 16, at + 16 + metadataN);
		const value = there ? makers[type](u8Subarray(bytes, at + 16 + metadataN, at + 16 + metadataN + n)) : null;
		mapSet(found, names[i], withMetadata ? { value, metadata: metadataN > 0 ? jsonParse(textOf(metadata)) : null, cacheStatus: null } : value);
		at += 16 + metadataN + n;
	}
	return found;
}
function put(what, ns, key, value, options) {
	const target = `${ns}/${keyOf(key, what)}`;
	const block = fieldsOf(options, what);
	const raw = rawOf(value, what);
	const stored = ask(what, KV, 'PUT', target, block, raw, () => undefined);
	if (isResponse(value) && (typeof raw === 'string' || isView(raw))) spendResponse(value, SPENT);
	return stored;
}
const remove = (what, ns, key) => ask(what, KV, 'DELETE', `${ns}/${keyOf(key, what)}`, '', null, (status) => status !== 404);

function list(what, ns, options) {
	const { prefix, limit, cursor } = dictionary(options, `The options of ${what}`);
	let block = '';
	let begin = '';
	if (prefix !== undefined && prefix !== null) {
		if (typeof prefix !== 'string') throw new TypeErr(`${what}: the prefix is a string`);
		begin = toWellFormed(prefix);
		if (er.utf8Length(begin) > KEY_MAX) throw new TypeErr(`${what}: the prefix has more than ${KEY_MAX} bytes as UTF-8`);
	}
	if (limit !== undefined && limit !== null) {
		if (!isInteger(limit) || limit < 1 || limit > LIST_MAX) throw new TypeErr(`${what}: the limit is a whole number from 1 to ${LIST_MAX}`);
		block += `limit\n${limit}\n`;
	}
	if (cursor !== undefined && cursor !== null && cursor !== '') {
		if (typeof cursor !== 'string' || !isHex(cursor)) throw new TypeErr(`${what}: the cursor is what the list before gave`);
		block += `cursor\n${cursor}\n`;
	}
	return ask(what, KV | READS, 'LIST', `${ns}/${begin}`, block, null, async (status, fields, body) => {
		const answer = jsonParse(textOf(await body.bytes()));
		return { ...answer, cacheStatus: null };
	});
}
function isHex(s) {
	if (s.length > 2 * KEY_MAX || s.length % 2 !== 0) return false;
	for (let i = 0; i < s.length; i++) {
		const c = s[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
	}
	return true;
}

/** A method's promise: what is wrong with its arguments rejects it. */
function attempt(fn, what, ns, given, wanted, a, b, c) {
	try {
		need(given, wanted, what);
		return fn(what, ns, a, b, c);
	} catch (e) {
		return rejected(e);
	}
}

// ---- the classes ----

let made = null;
function make() {
	class EdgeKV {
		#ns;
		constructor(options) {
			const ns = isObject(options) ? options.namespace ?? options.namespaceId : undefined;
			if (typeof ns !== 'string' || ns === '')
				throw new TypeErr('The argument to `EdgeKV` must be an object with a `namespace` or `namespaceId` field');
			this.#ns = toWellFormed(ns);
			if (nameOf(this.#ns) !== this.#ns) throw new TypeErr('The name of a namespace has a to z, 0 to 9 and -, at most 63');
		}
		get(key, options = undefined) {
			return attempt(get, "'get' on 'EdgeKV'", EdgeKV.#of(this, 'get'), arguments.length, 1, key, options, undefined);
		}
		getWithMetadata(key, options = undefined) {
			return attempt(getWithMetadata, "'getWithMetadata' on 'EdgeKV'", EdgeKV.#of(this, 'getWithMetadata'), arguments.length, 1, key, options);
		}
		put(key, value, options = undefined) {
			return attempt(put, "'put' on 'EdgeKV'", EdgeKV.#of(this, 'put'), arguments.length, 2, key, value, options);
		}
		delete(key) {
			return attempt(remove, "'delete' on 'EdgeKV'", EdgeKV.#of(this, 'delete'), arguments.length, 1, key);
		}
		list(options = undefined) {
			return attempt(list, "'list' on 'EdgeKV'", EdgeKV.#of(this, 'list'), 0, 0, options);
		}
		static #of(kv, member) {
			if (!isObject(kv) || !(#ns in kv)) throw brand('EdgeKV', member);
			return kv.#ns;
		}
	}
	finish(EdgeKV, 'EdgeKV', 1);
	class KVNamespace {
		#ns;
		constructor(token = undefined, ns = undefined) {
			if (token !== INTERNAL) throw illegal('KVNamespace');
			this.#ns = ns;
		}
		get(key, options = undefined) {
			return attempt(get, "'get' on 'KVNamespace'", KVNamespace.#of(this, 'get'), arguments.length, 1, key, options, null);
		}
		getWithMetadata(key, options = undefined) {
			return attempt(getWithMetadata, "'getWithMetadata' on 'KVNamespace'", KVNamespace.#of(this, 'getWithMetadata'), arguments.length, 1, key, options);
		}
		put(key, value, options = undefined) {
			return attempt(put, "'put' on 'KVNamespace'", KVNamespace.#of(this, 'put'), arguments.length, 2, key, value, options);
		}
		async delete(key) {
			await attempt(remove, "'delete' on 'KVNamespace'", KVNamespace.#of(this, 'delete'), arguments.length, 1, key);
		}
		list(options = undefined) {
			return attempt(list, "'list' on 'KVNamespace'", KVNamespace.#of(this, 'list'), 0, 0, options);
		}
		static #of(kv, member) {
			if (!isObject(kv) || !(#ns in kv)) throw brand('KVNamespace', member);
			return kv.#ns;
		}
	}
	finish(KVNamespace, 'KVNamespace', 0);
	return { EdgeKV, KVNamespace };
}
const classes = () => (made ??= make());
export const edgeKV = () => classes().EdgeKV;
export const namespaceOf = (ns) => new (classes().KVNamespace)(INTERNAL, ns);

/** The longest start of a text that can be a namespace's name. */
function nameOf(text) {
	for (let i = 0; i < text.length; i++) {
		const c = text[i];
		const alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (i === 63 || !(alnum || (c === '-' && i > 0))) return strSlice(text, 0, i);
	}
	return text;
}
