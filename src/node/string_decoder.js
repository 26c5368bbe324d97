// node:string_decoder: bytes to text, where a character may be cut between two pieces.
import { Buffer, codecNamed, normalized } from './buffer.js';
import { ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_ENCODING } from './internal/errors.js';
import { asNamed } from './internal/named.js';
import { isView } from './internal/validators.js';

/** How many bytes at the end of `u8` begin a character of UTF-8 that may still be completed. */
function cutUtf8(u8) {
	for (let back = 1; back <= 3 && back <= u8.length; back++) {
		const b = u8[u8.length - back];
		if ((b & 0xc0) === 0x80) continue;
		const needs = b >= 0xc2 && b < 0xe0 ? 2 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xf0 && b < 0xf5 ? 4 : 1;
		if (needs <= back) return 0;
		return back;
	}
	return 0;
}
function cutUtf16(u8) {
	const odd = u8.length % 2;
	const high = u8.length - odd >= 2 && (u8[u8.length - odd - 1] & 0xfc) === 0xd8;
	return odd + (high ? 2 : 0);
}
const CUT = { __proto__: null, utf8: cutUtf8, utf16le: cutUtf16, base64: (u8) => u8.length % 3, base64url: (u8) => u8.length % 3 };

export function StringDecoder(encoding) {
	const name = encoding === undefined || encoding === null || encoding === '' ? 'utf8' : normalized(encoding);
	if (name === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
	this.encoding = name;
	Object.defineProperty(this, 'held', { value: new Uint8Array(0), writable: true, enumerable: false });
}
StringDecoder.prototype.write = function (buf) {
	if (typeof buf === 'string') return buf;
	if (!isView(buf)) throw new ERR_INVALID_ARG_TYPE('buf', ['Buffer', 'TypedArray', 'DataView'], buf);
	let u8 = new Uint8Array(buf.buffer, buf.byteOffset, buf.byteLength);
	if (this.held.length > 0) {
		const joined = new Uint8Array(this.held.length + u8.length);
		joined.set(this.held);
		joined.set(u8, this.held.length);
		u8 = joined;
	}
	const cut = CUT[this.encoding]?.(u8) ?? 0;
	this.held = u8.slice(u8.length - cut);
	return cut === u8.length ? '' : codecNamed(this.encoding).text(u8.subarray(0, u8.length - cut));
};
StringDecoder.prototype.end = function (buf) {
	const text = buf === undefined ? '' : this.write(buf);
	const held = this.held;
	this.held = new Uint8Array(0);
	return held.length === 0 ? text : text + codecNamed(this.encoding).text(held);
};
StringDecoder.prototype.text = function (buf, offset) {
	this.held = new Uint8Array(0);
	return this.write(buf.slice(offset));
};
Object.defineProperties(StringDecoder.prototype, {
	lastChar: { configurable: true, enumerable: true, get() { return Buffer.from(this.held); } },
	lastNeed: {
		configurable: true, enumerable: true,
		get() {
			const [first] = this.held, n = this.held.length;
			if (n === 0) return 0;
			if (this.encoding === 'utf8') return (first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4) - n;
			if (this.encoding === 'utf16le') return n % 2 === 1 ? 1 : 2;
			return 3 - n;
		},
	},
	lastTotal: {
		configurable: true, enumerable: true,
		get() {
			return this.held.length === 0 ? 0 : this.held.length + this.lastNeed;
		},
	},
});
asNamed('StringDecoder', StringDecoder);
export default { StringDecoder };
