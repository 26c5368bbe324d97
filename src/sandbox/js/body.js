// Body (WHATWG Fetch 5.2), shared by Request and Response. What a message holds, `raw`, is one of
//   null · string (sent as UTF-8) · Uint8Array (ours, never changed) · NodeBody · a stream · SPENT
// Only a stream that JavaScript really reads costs the streams script.
import * as er from './natives.js';
import { LENGTH_UNKNOWN } from './contract.js';
import {
	bareList, TypeErr, U8, getOwnPropertyDescriptor, toWellFormed, abSlice, concatBytes, copyBytes, defineProperty, isArrayBuffer, isView, jsonParse, lower, quiet, regexp, rejected, resolved, strSlice, strSplit, taBuffer,
	newWeakMap, taByteLength, taByteOffset, taLength, taTag, then, uncurry,
} from './primordials.js';
import { NodeBody } from './node-body.js';
import { newFid } from './sub-ids.js';
import { structuredClone } from './structured-clone.js';
import { LazyStream, isDisturbed, isLocked, isStream, nextChunk, sourceOf, streams, takeSource } from './streams-lazy.js';
import { blobBytes, blobType, isBlob, makeBlob } from './blob.js';
import { isParams, paramsText } from './url-search-params.js';
import { encodeFormData, isFormData, parseFormData } from './form-data.js';
import { usvString } from './webidl.js';
import { isBufferStream, takeBufferStream } from './buffer-stream.js';

export const SPENT = Object.freeze({});
export const TEXT_TYPE = 'text/plain;charset=UTF-8';

/** What extractBody found besides the raw body: the content type it implies, or null. */
export let extractedType = null;
/** BodyInit to raw (Fetch 5.2.3 "extract"). */
export function extract(body) {
	if (typeof body === 'string') {
		extractedType = TEXT_TYPE;
		return toWellFormed(body);
	}
	extractedType = null;
	if (typeof body === 'object' && body !== null) {
		if (isStream(body)) {
			if (isLocked(body)) throw new TypeErr('The stream is locked: it cannot become a body');
			if (isDisturbed(body)) throw new TypeErr('The stream has been read from: it cannot become a body');
			return body;
		}
		// An ArrayBuffer tells itself only by an exception that does not come: nothing frequent is
		// asked after it.
		if (isView(body)) return copyBytes(body);
		if (isParams(body)) {
			extractedType = 'application/x-www-form-urlencoded;charset=UTF-8';
			return paramsText(body);
		}
		if (isBlob(body)) {
			const type = blobType(body);
			if (type !== '') extractedType = type;
			return blobBytes(body);
		}
		if (isFormData(body)) {
			const { bytes, type } = encodeFormData(body);
			extractedType = type;
			return bytes;
		}
		if (isBufferStream(body)) return takeBufferStream(body);
		if (isArrayBuffer(body)) return copyBytes(body);
	}
	extractedType = TEXT_TYPE;
	return usvString(body);
}

export function isUsed(raw) {
	if (raw === null || typeof raw === 'string') return false;
	if (raw === SPENT) return true;
	if (raw instanceof NodeBody) return raw.used;
	return isView(raw) ? false : isDisturbed(raw);
}
/** Throws unless the body may be read now. */
export function usable(raw, what) {
	if (raw === null || typeof raw === 'string') return;
	if (isUsed(raw)) throw new TypeErr(`The body of this ${what} has already been used`);
	if (isStreamRaw(raw) && isLocked(raw)) throw new TypeErr(`The body of this ${what} is locked by a reader`);
}
export const isStreamRaw = (raw) => raw !== null && typeof raw === 'object' && raw !== SPENT && !(raw instanceof NodeBody) && !isView(raw);

/** The simplest form of a raw body that is about to be taken whole: an untouched stream over
 * something gives that something. */
export function simplest(raw) {
	if (!isStreamRaw(raw)) return raw;
	const source = isLazy(raw) ? takeSource(raw) : undefined;
	return source === undefined ? raw : source;
}
/** Nothing has been taken of the stream, and what it gives lies whole in the node or here. */
export const isLazy = (s) => {
	try {
		return sourceOf(s) !== undefined;
	} catch {
		return false; // a stream of the routine's own
	}
};
/** The NodeBody under an untouched body, or undefined. */
export function nodeBodyOf(raw) {
	if (raw === null || typeof raw !== 'object') return undefined;
	if (raw instanceof NodeBody) return raw.untouched ? raw : undefined;
	if (!isStreamRaw(raw) || !isLazy(raw)) return undefined;
	const source = sourceOf(raw);
	return source instanceof NodeBody && source.untouched ? source : undefined;
}

const lengths = newWeakMap(); // stream -> how many bytes it has
/** The stream has exactly n bytes, or fails; n below zero: nobody knows. Returns the stream. */
export function lengthIs(stream, n) {
	if (n >= 0) lengths.set(stream, n);
	return stream;
}
/** How many bytes a raw body has, or LENGTH_UNKNOWN. */
export function lengthOf(raw) {
	if (raw === null) return 0;
	if (typeof raw === 'string') return er.utf8Length(raw);
	if (raw instanceof NodeBody) return raw.length;
	if (isView(raw)) return taLength(raw);
	const source = isLazy(raw) ? sourceOf(raw) : undefined;
	return source !== undefined ? lengthOf(source) : lengths.get(raw) ?? LENGTH_UNKNOWN;
}

const getReader = (s) => s.getReader();
/** All bytes of a stream, as { bytes }: a promise of bytes themselves would ask them for a `then`,
 * which routine code may have given to all objects. Chunks must be Uint8Arrays. */
async function drainStream(stream) {
	const reader = getReader(stream);
	const list = bareList();
	let total = 0;
	for (;;) {
		const { done, value } = await nextChunk(reader);
		if (done) break;
		if (!isView(value) || taTag(value) !== 'Uint8Array') {
			const e = new TypeErr('A chunk of a body stream must be a Uint8Array');
			quiet(reader.cancel(e));
			throw e;
		}
		list[list.length] = value;
		total += taLength(value);
	}
	return { __proto__: null, bytes: list.length === 0 ? new U8(0) : concatBytes(list, total) };
}
/** A promise of fresh bytes (not shared with anybody). */
export function rawBytes(raw) {
	if (raw === null) return resolved(new U8(0));
	if (typeof raw === 'string') return resolved(er.utf8Encode(raw));
	if (raw instanceof NodeBody) return raw.bytes();
	if (isView(raw)) return resolved(copyBytes(raw));
	return then(drainStream(raw), ({ bytes }) => bytes);
}
async function rawText(raw) {
	const bytes = isView(raw) ? raw : isStreamRaw(raw) ? (await drainStream(raw)).bytes : await rawBytes(raw);
	return er.utf8Decode(bytes, false, false);
}

/** Installs the members of Body. `io`: raw(self, member) checks the brand; put(self, raw);
 * type(self) → content type or null; name; whole(self, read), if there is a shorter way to all of
 * a body: what `read` makes of it, and it is spent, or undefined. */
export function mixBody(ctor, io) {
	const take = (self, member) => {
		const raw = io.raw(self, member);
		if (raw === null) return null;
		if (typeof raw === 'string') {
			io.put(self, SPENT);
			return raw;
		}
		usable(raw, io.name);
		if (raw instanceof NodeBody) {
			raw.check();
			if (raw.failed) throw raw.flow.error;
			return raw; // its own state says that it is used
		}
		if (isView(raw)) {
			io.put(self, SPENT);
			return raw;
		}
		return simplest(raw);
	};
	const whole = io.whole ?? (() => undefined);
	const text = (self, member) => {
		const raw = take(self, member);
		if (raw === null) return '';
		if (typeof raw === 'string') return raw;
		if (raw instanceof NodeBody) {
			raw.plain(member);
			const t = raw.inlineText();
			if (t !== undefined) return t;
		}
		return raw;
	};
	const members = {
		get body() {
			const raw = io.raw(this, 'body');
			if (raw === null || isStreamRaw(raw)) return raw;
			const stream = new LazyStream(raw === SPENT ? '' : raw);
			if (raw === SPENT || isUsed(raw)) takeSource(stream);
			io.put(this, stream);
			return stream;
		},
		get bodyUsed() {
			return isUsed(io.raw(this, 'bodyUsed'));
		},
		text() {
			try {
				const t = whole(this, er.reqInlineText) ?? text(this, 'text');
				return typeof t === 'string' ? resolved(wellFormedBOM(t)) : rawText(t);
			} catch (e) {
				return rejected(e);
			}
		},
		json() {
			try {
				const v = whole(this, er.reqInlineJSON);
				if (v !== undefined) return resolved(v);
				const t = text(this, 'json');
				return typeof t === 'string' ? resolved(jsonParse(wellFormedBOM(t))) : jsonOf(t);
			} catch (e) {
				return rejected(e);
			}
		},
		arrayBuffer() {
			try {
				return bufferOf(rawBytes(take(this, 'arrayBuffer')));
			} catch (e) {
				return rejected(e);
			}
		},
		bytes() {
			try {
				return rawBytes(take(this, 'bytes'));
			} catch (e) {
				return rejected(e);
			}
		},
		async blob() {
			const raw = take(this, 'blob');
			const type = io.type(this);
			return makeBlob(await rawBytes(raw), mimeType(type));
		},
		async formData() {
			const type = io.type(this, 'formData');
			return parseFormData(await rawBytes(take(this, 'formData')), type);
		},
		ignore() {
			try {
				const raw = take(this, 'ignore');
				if (raw instanceof NodeBody) raw.drain();
				else if (isStreamRaw(raw)) return raw.cancel();
				return resolved();
			} catch (e) {
				return rejected(e);
			}
		},
	};
	for (const name in members) defineProperty(ctor.prototype, name, getOwnPropertyDescriptor(members, name));
}
const MIME = regexp(/^[\t ]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)[\t ]*(;.*)?$/);
/** Fetch "extract a MIME type", near enough: the last of several that is one, its essence in
 * lower case. */
function mimeType(type) {
	if (type === null) return '';
	const list = strSplit(type, ',');
	for (let i = list.length - 1; i >= 0; i--) {
		const m = MIME.exec(list[i]);
		if (m !== null) return lower(m[1]) + (m[2] ?? '');
	}
	return '';
}
async function jsonOf(raw) {
	return jsonParse(await rawText(raw));
}
async function bufferOf(p) {
	const u8 = await p;
	const b = taBuffer(u8);
	return taByteLength(u8) === abLen(b) ? b : abSlice(b, taByteOffset(u8), taByteOffset(u8) + taByteLength(u8));
}
const abLen = uncurry(Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength').get);
/** A string body is what its UTF-8 decodes to: lone surrogates become U+FFFD, a
 * leading BOM goes. */
function wellFormedBOM(s) {
	const w = usvString(s);
	return w[0] === '\ufeff' ? strSlice(w, 1) : w;
}

/** The other branch of a tee: its chunks are copies, so that neither reader can change what the
 * other sees. */
function copyingStream(stream) {
	const { ReadableStream } = streams();
	const reader = stream.getReader();
	return new ReadableStream(
		{
			async pull(c) {
				const { done, value } = await reader.read();
				if (done) c.close();
				else c.enqueue(structuredClone(value));
			},
			cancel: (reason) => reader.cancel(reason),
		},
		{ highWaterMark: 0 },
	);
}

/** Splits a raw body in two (clone). Returns { mine, theirs }: an array would be taken apart by an
 * iterator, which a routine can change. */
export function teeRaw(raw, what) {
	usable(raw, what);
	if (raw === null || typeof raw === 'string') return { mine: raw, theirs: raw };
	const node = nodeBodyOf(raw);
	if (node !== undefined) {
		node.check();
		const all = node.inline && node.key % 2 === 0 ? er.reqInline(node.key / 2) : undefined;
		const halves = all === undefined ? { mine: node, theirs: node.copy(newFid()) } : { mine: all, theirs: all };
		// the stream that somebody has seen is locked, as a tee locks it
		if (isStreamRaw(raw)) takeSource(raw);
		if (all !== undefined) node.handOff();
		return halves;
	}
	if (isView(raw)) return { mine: raw, theirs: raw };
	const n = lengthOf(raw);
	if (raw instanceof NodeBody) {
		const halves = new LazyStream(raw).tee();
		return { mine: lengthIs(halves[0], n), theirs: lengthIs(halves[1], n) };
	}
	const halves = raw.tee();
	return { mine: lengthIs(halves[0], n), theirs: lengthIs(copyingStream(halves[1]), n) };
}
