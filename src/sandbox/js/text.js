// TextEncoder and TextDecoder (WHATWG Encoding). The tables are the engine's (ICU); utf-8 in one
// piece never makes a decoder.
import * as er from './natives.js';
import { RangeErr, TypeErr, U8, abDetached, isView, isArrayBuffer, taTag, trim, viewBytes } from './primordials.js';
import { brand, dictionary, domString, finish, usvString } from './webidl.js';

export class TextEncoder {
	#brand;
	get encoding() {
		if (!(#brand in this)) throw brand('TextEncoder', 'encoding');
		return 'utf-8';
	}
	encode(input = '') {
		if (!(#brand in this)) throw brand('TextEncoder', 'encode');
		return er.utf8Encode(typeof input === 'string' ? input : usvString(input));
	}
	encodeInto(source, destination) {
		if (!(#brand in this)) throw brand('TextEncoder', 'encodeInto');
		source = domString(source);
		if (!isView(destination) || taTag(destination) !== 'Uint8Array') throw new TypeErr("The destination of 'encodeInto' must be a Uint8Array");
		const n = er.utf8EncodeInto(source, destination);
		const written = n % 2 ** 32;
		return { read: (n - written) / 2 ** 32, written };
	}
}
finish(TextEncoder, 'TextEncoder');

export function bytesOf(v, what) {
	if (v === undefined) return undefined;
	if (isView(v)) return taTag(v) === 'Uint8Array' ? v : viewBytes(v);
	// A buffer that a native gets is pinned by the engine.
	if (isArrayBuffer(v)) return abDetached(v) ? EMPTY : new U8(v);
	if (er_isShared(v)) return v;
	throw new TypeErr(`${what} must be an ArrayBuffer or a view of one`);
}
const sharedLength = typeof SharedArrayBuffer === 'undefined' ? null : Object.getOwnPropertyDescriptor(SharedArrayBuffer.prototype, 'byteLength').get;
const Reflect_apply = Reflect.apply;
function er_isShared(v) {
	if (sharedLength === null || typeof v !== 'object' || v === null) return false;
	try {
		Reflect_apply(sharedLength, v, []);
		return true;
	} catch {
		return false;
	}
}

export class TextDecoder {
	#encoding = 'utf-8';
	#label = 'utf-8';
	#fatal = false;
	#ignoreBOM = false;
	#handle = 0;

	constructor(label = 'utf-8', options = undefined) {
		if (label !== 'utf-8') {
			const text = domString(label);
			const name = er.decoderName(text);
			if (name === undefined || name === 'replacement') throw new RangeErr(`The encoding '${trim(text)}' is not known`);
			this.#encoding = name;
			this.#label = text;
		}
		if (options !== undefined) {
			options = dictionary(options, 'The options of TextDecoder');
			this.#fatal = !!options.fatal;
			this.#ignoreBOM = !!options.ignoreBOM;
		}
	}
	get encoding() {
		return this.#encoding;
	}
	get fatal() {
		return this.#fatal;
	}
	get ignoreBOM() {
		return this.#ignoreBOM;
	}
	decode(input = undefined, options = undefined) {
		if (!(#handle in this)) throw brand('TextDecoder', 'decode');
		const bytes = bytesOf(input, "The input of 'decode'");
		const stream = options !== undefined && !!dictionary(options, "The options of 'decode'").stream;
		let text;
		if (this.#handle === 0 && !stream && this.#encoding === 'utf-8') {
			if (bytes === undefined) return '';
			text = er.utf8Decode(bytes, this.#fatal, this.#ignoreBOM);
		} else {
			if (this.#handle === 0) this.#handle = er.decoderNew(this.#label, this.#fatal, this.#ignoreBOM);
			text = er.decode(this.#handle, bytes === undefined ? EMPTY : bytes, !stream);
			if (!stream || text === undefined) {
				er.decoderFree(this.#handle);
				this.#handle = 0;
			}
		}
		if (text === undefined) throw new TypeErr(`The encoded data is not valid ${this.#encoding}`);
		return text;
	}
}
const EMPTY = new Uint8Array(0);
finish(TextDecoder, 'TextDecoder', 0);

/** The helpers of classic EdgeRoutine. */
export function utf8ToString(buffer) {
	return er.utf8Decode(bytesOf(buffer, "The argument of 'utf8ToString'"), false, false);
}
export function utf16ToString(buffer) {
	return new TextDecoder('utf-16le').decode(bytesOf(buffer, "The argument of 'utf16ToString'"));
}
