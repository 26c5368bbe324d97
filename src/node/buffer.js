// node:buffer. A Buffer is a Uint8Array with Node's methods. UTF-8, Latin-1 and base64 are the
// sandbox's own natives. There is no pool: each Buffer made of a string or an array has its memory
// to itself, at byteOffset 0.
import {
	ERR_BUFFER_OUT_OF_BOUNDS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_INVALID_BUFFER_SIZE, ERR_MISSING_ARGS, ERR_OUT_OF_RANGE, ERR_UNKNOWN_ENCODING, coded,
} from './internal/errors.js';
import { isAnyArrayBuffer, isView, validateArray, validateInteger, validateNumber, validateString } from './internal/validators.js';
import { asNamed } from './internal/named.js';
import { fromBase64, latin1Of, toBase64 } from './internal/bytes.js';

export const kMaxLength = 2 ** 32;
export const kStringMaxLength = 536870888;
export const constants = { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength };
export const INSPECT_MAX_BYTES = 50;
let inspectMax = INSPECT_MAX_BYTES;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

class FastBuffer extends Uint8Array {
	// A constructor of its own: Uint8Array's methods make what they return with it.
	constructor(a, b, c) {
		super(a, b, c);
	}
}

/** Bytes of anything that is bytes, without a copy. */
const bytesOf = (value) => (value instanceof Uint8Array ? value : isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value));
const asBuffer = (u8) => {
	if (u8.constructor === Uint8Array) return new FastBuffer(u8.buffer, u8.byteOffset, u8.byteLength);
	return u8;
};

// ---- encodings ----

const NAMES = {
	__proto__: null, utf8: 'utf8', 'utf-8': 'utf8', ucs2: 'utf16le', 'ucs-2': 'utf16le', utf16le: 'utf16le', 'utf-16le': 'utf16le', latin1: 'latin1', binary: 'latin1', base64: 'base64',
	base64url: 'base64url', hex: 'hex', ascii: 'ascii',
};
/** The encoding's canonical name, or undefined. */
export const normalized = (name) => NAMES[name] ?? NAMES[`${name}`.toLowerCase()];

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
const digit = (c) => (c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : c >= 65 && c <= 70 ? c - 55 : -1);

function utf16Of(u8) {
	let text = '';
	const n = u8.length & ~1;
	for (let at = 0; at < n; ) {
		const units = [];
		for (const end = Math.min(n, at + 8192); at < end; at += 2) units.push(u8[at] | (u8[at + 1] << 8));
		text += String.fromCharCode(...units);
	}
	return text;
}
/** What a codec does: text of bytes, bytes of text, and how many. */
const CODECS = {
	__proto__: null,
	utf8: { text: (u8) => decoder.decode(u8), bytes: (s) => encoder.encode(s), length: utf8Length },
	utf16le: {
		text: utf16Of,
		bytes(s) {
			const u8 = new Uint8Array(s.length * 2);
			for (let i = 0; i < s.length; i++) {
				const c = s.charCodeAt(i);
				u8[2 * i] = c;
				u8[2 * i + 1] = c >> 8;
			}
			return u8;
		},
		length: (s) => s.length * 2,
		unit: 2,
	},
	latin1: {
		text: latin1Of,
		bytes(s) {
			const u8 = new Uint8Array(s.length);
			for (let i = 0; i < s.length; i++) u8[i] = s.charCodeAt(i);
			return u8;
		},
		length: (s) => s.length,
	},
	ascii: {
		text: (u8) => latin1Of(u8.map((b) => b & 127)),
		bytes: (s) => CODECS.latin1.bytes(s),
		length: (s) => s.length,
	},
	base64: { text: (u8) => toBase64(u8, false), bytes: fromBase64, length: base64Length },
	base64url: { text: (u8) => toBase64(u8, true), bytes: fromBase64, length: base64Length },
	hex: {
		text(u8) {
			let text = '';
			for (let i = 0; i < u8.length; i++) text += HEX[u8[i]];
			return text;
		},
		bytes(s) {
			const u8 = new Uint8Array(s.length >>> 1);
			for (let i = 0; i < u8.length; i++) {
				const high = digit(s.charCodeAt(2 * i)), low = digit(s.charCodeAt(2 * i + 1));
				if (high < 0 || low < 0) return u8.subarray(0, i);
				u8[i] = (high << 4) | low;
			}
			return u8;
		},
		length: (s) => s.length >>> 1,
	},
};
function utf8Length(s) {
	let n = s.length;
	for (let i = 0; i < s.length; i++) {
		const c = s.charCodeAt(i);
		if (c < 0x80) continue;
		if (c < 0x800) n++;
		else if (c >= 0xd800 && c < 0xdc00 && i + 1 < s.length && (s.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
			n += 2;
			i++;
		} else n += 2;
	}
	return n;
}
/** As Node says it: from the length and the padding alone. */
function base64Length(s) {
	let n = s.length;
	if (n > 0 && s.charCodeAt(n - 1) === 61) n--;
	if (n > 1 && s.charCodeAt(n - 1) === 61) n--;
	return (n * 3) >>> 2;
}
/** The codec of an argument that may be missing; throws if it is not known. */
function codecOf(encoding) {
	if (encoding === undefined || encoding === null || encoding === '') return CODECS.utf8;
	const codec = CODECS[normalized(encoding)];
	if (codec === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
	return codec;
}
export const codecNamed = (name) => CODECS[name];

// ---- making Buffers ----

function checkSize(size) {
	validateNumber(size, 'size', 0, kMaxLength);
}
/** Of the deprecated `Buffer(...)`. */
export function Buffer(arg, encodingOrOffset, length) {
	if (typeof arg === 'number') {
		if (typeof encodingOrOffset === 'string') throw new ERR_INVALID_ARG_TYPE('string', 'string', arg);
		return alloc(arg);
	}
	return from(arg, encodingOrOffset, length);
}
asNamed('Buffer', Buffer);
Object.setPrototypeOf(Buffer, Uint8Array);
Buffer.prototype = FastBuffer.prototype;
Object.defineProperty(Buffer.prototype, 'constructor', { value: Buffer, writable: true, enumerable: false, configurable: true });
Object.defineProperty(Buffer, Symbol.species, { configurable: true, enumerable: true, get: () => FastBuffer });
Buffer.poolSize = 8192;

function fromString(string, encoding) {
	const name = typeof encoding === 'string' && encoding.length > 0 ? normalized(encoding) : 'utf8';
	if (name === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
	return new FastBuffer(CODECS[name].bytes(string).slice().buffer);
}
function fromArrayBuffer(buffer, byteOffset, length) {
	if (byteOffset === undefined) byteOffset = 0;
	else {
		byteOffset = +byteOffset;
		if (Number.isNaN(byteOffset)) byteOffset = 0;
	}
	const most = buffer.byteLength - byteOffset;
	if (most < 0) throw new ERR_BUFFER_OUT_OF_BOUNDS('offset');
	if (length === undefined) return new FastBuffer(buffer, byteOffset, most);
	length = +length;
	if (!(length > 0)) length = 0;
	else if (length > most) throw new ERR_BUFFER_OUT_OF_BOUNDS('length');
	return new FastBuffer(buffer, byteOffset, length);
}
const fromArrayLike = (list) => {
	if (!(list.length > 0)) return new FastBuffer();
	const made = new FastBuffer(list.length);
	if (list instanceof Uint8Array) made.set(list);
	else for (let i = 0; i < made.length; i++) made[i] = list[i];
	return made;
};
function fromObject(value) {
	if (value.length !== undefined || isAnyArrayBuffer(value.buffer)) return typeof value.length !== 'number' ? new FastBuffer() : fromArrayLike(value);
	if (value.type === 'Buffer' && Array.isArray(value.data)) return fromArrayLike(value.data);
	return undefined;
}
function from(value, encodingOrOffset, length) {
	if (typeof value === 'string') return fromString(value, encodingOrOffset);
	if (typeof value === 'object' && value !== null) {
		if (isAnyArrayBuffer(value)) return fromArrayBuffer(value, encodingOrOffset, length);
		const primitive = value.valueOf && value.valueOf();
		if (primitive != null && primitive !== value && (typeof primitive === 'string' || typeof primitive === 'object')) return from(primitive, encodingOrOffset, length);
		const made = fromObject(value);
		if (made) return made;
		if (typeof value[Symbol.toPrimitive] === 'function') {
			const text = value[Symbol.toPrimitive]('string');
			if (typeof text === 'string') return fromString(text, encodingOrOffset);
		}
	}
	throw new ERR_INVALID_ARG_TYPE('first argument', ['string', 'Buffer', 'ArrayBuffer', 'Array', 'Array-like Object'], value);
}
function alloc(size, fill, encoding) {
	checkSize(size);
	const made = new FastBuffer(size);
	if (fill !== undefined && fill !== 0 && size > 0) {
		if (encoding !== undefined && typeof encoding !== 'string') throw new ERR_INVALID_ARG_TYPE('encoding', 'string', encoding);
		return filled(made, fill, 0, made.length, encoding);
	}
	return made;
}
const isBuffer = (value) => value instanceof Buffer;

/** A static or prototype method, as Node's: writable and, of the statics, enumerable. */
const put = (target, methods) => {
	for (const name of Object.keys(methods)) Object.defineProperty(target, name, { value: methods[name], writable: true, enumerable: true, configurable: true });
};
put(Buffer, {
	copyBytesFrom(view, offset, length) {
		if (!isView(view) || view instanceof DataView) throw new ERR_INVALID_ARG_TYPE('view', ['TypedArray'], view);
		const n = view.length;
		if (n === 0) return alloc(0);
		if (offset !== undefined || length !== undefined) {
			if (offset !== undefined) {
				validateInteger(offset, 'offset', 0);
				if (offset >= n) return alloc(0);
			} else offset = 0;
			let end = n;
			if (length !== undefined) {
				validateInteger(length, 'length', 0);
				end = offset + length;
			}
			view = view.slice(offset, end);
		}
		return fromArrayLike(bytesOf(view));
	},
	from,
	of(...items) {
		return fromArrayLike(items);
	},
	alloc,
	allocUnsafe(size) {
		checkSize(size);
		return new FastBuffer(size);
	},
	allocUnsafeSlow(size) {
		checkSize(size);
		return new FastBuffer(size);
	},
	isBuffer,
	compare(a, b) {
		if (!(a instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('buf1', ['Buffer', 'Uint8Array'], a);
		if (!(b instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('buf2', ['Buffer', 'Uint8Array'], b);
		return compared(a, b);
	},
	isEncoding: (name) => typeof name === 'string' && name.length !== 0 && normalized(name) !== undefined,
	concat(list, length) {
		validateArray(list, 'list');
		if (list.length === 0) return new FastBuffer();
		if (length === undefined) {
			length = 0;
			for (let i = 0; i < list.length; i++) if (list[i].length) length += list[i].length;
		} else validateInteger(length, 'length', 0, kMaxLength);
		const made = new FastBuffer(length);
		let at = 0;
		for (let i = 0; i < list.length; i++) {
			const one = list[i];
			if (!(one instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE(`list[${i}]`, ['Buffer', 'Uint8Array'], one);
			if (at < length) made.set(one.length > length - at ? one.subarray(0, length - at) : one, at);
			at += one.length;
		}
		return made;
	},
	byteLength(value, encoding) {
		if (typeof value !== 'string') {
			if (isView(value) || isAnyArrayBuffer(value)) return value.byteLength;
			throw new ERR_INVALID_ARG_TYPE('string', ['string', 'Buffer', 'ArrayBuffer'], value);
		}
		return (CODECS[normalized(encoding ?? 'utf8')] ?? CODECS.utf8).length(value);
	},
});

// ---- comparing and finding ----

function compared(a, b) {
	const n = Math.min(a.length, b.length);
	for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
	return a.length < b.length ? -1 : a.length > b.length ? 1 : 0;
}
/** Where `needle` stands in `u8`, in steps of `unit`; -1 */
function search(u8, needle, start, forward, unit) {
	const step = forward ? unit : -unit;
	for (let at = start; at >= 0 && at + needle.length <= u8.length; at += step) {
		let i = 0;
		while (i < needle.length && u8[at + i] === needle[i]) i++;
		if (i === needle.length) return at;
	}
	return -1;
}
function find(buf, value, offset, encoding, forward) {
	if (typeof offset === 'string') {
		encoding = offset;
		offset = undefined;
	} else if (offset > 0x7fffffff) offset = 0x7fffffff;
	else if (offset < -0x80000000) offset = -0x80000000;
	offset = +offset;
	if (Number.isNaN(offset)) offset = forward ? 0 : buf.length || buf.byteLength;
	offset = Math.trunc(offset);
	let needle, unit = 1;
	if (typeof value === 'number') {
		needle = new Uint8Array([value & 255]);
		if (forward) return Uint8Array.prototype.indexOf.call(buf, value & 255, offset);
	} else if (typeof value === 'string') {
		const name = encoding === undefined ? 'utf8' : normalized(encoding);
		if (name === undefined) throw new ERR_UNKNOWN_ENCODING(encoding);
		needle = CODECS[name].bytes(value);
		unit = CODECS[name].unit ?? 1;
	} else if (value instanceof Uint8Array) {
		needle = value;
		if (encoding !== undefined) unit = CODECS[normalized(encoding)]?.unit ?? 1;
	} else throw new ERR_INVALID_ARG_TYPE('value', ['number', 'string', 'Buffer', 'Uint8Array'], value);
	const n = buf.length;
	if (offset < 0) offset += n;
	if (offset < 0) {
		if (!forward) return -1;
		offset = 0;
	}
	if (needle.length === 0) return Math.min(offset, n);
	if (n === 0 || needle.length > n) return -1;
	if (!forward && offset > n - needle.length) offset = n - needle.length;
	if (unit === 2 && offset % 2 !== 0) offset = forward ? offset + 1 : offset - 1;
	return search(buf, needle, offset, forward, unit);
}

// ---- filling, writing, reading text ----

function filled(buf, value, offset, end, encoding) {
	if (typeof value === 'string') {
		if (offset === undefined || typeof offset === 'string') {
			encoding = offset;
			offset = 0;
			end = buf.length;
		} else if (typeof end === 'string') {
			encoding = end;
			end = buf.length;
		}
		const name = normalized(encoding ?? 'utf8');
		if (name === undefined) {
			if (typeof encoding !== 'string') throw new ERR_INVALID_ARG_TYPE('encoding', 'string', encoding);
			throw new ERR_UNKNOWN_ENCODING(encoding);
		}
		const bytes = CODECS[name].bytes(value);
		if (value.length === 0) value = 0;
		else if (bytes.length === 0) throw new ERR_INVALID_ARG_VALUE('value', value);
		else value = bytes;
	} else if (typeof value === 'boolean') value = +value;
	else if (isView(value)) {
		value = bytesOf(value);
		if (value.length === 0) throw new ERR_INVALID_ARG_VALUE('value', value);
	} else value = value & 255;
	if (offset === undefined) {
		offset = 0;
		end = buf.length;
	} else {
		validateNumber(offset, 'offset', 0, kMaxLength);
		if (end === undefined) end = buf.length;
		else validateNumber(end, 'end', 0, buf.length);
		if (offset >= end) return buf;
	}
	if (typeof value === 'number') Uint8Array.prototype.fill.call(buf, value, offset, end);
	else
		for (let at = Math.trunc(offset); at < end; at += value.length) {
			const room = Math.trunc(end) - at;
			buf.set(room < value.length ? value.subarray(0, room) : value, at);
		}
	return buf;
}
/** Whole characters only, as many as there is room for. */
function written(buf, string, codec, offset, length) {
	if (typeof string !== 'string') throw coded(new TypeError('argument must be a string'), 'ERR_INVALID_ARG_TYPE');
	const room = Math.min(length ?? buf.length - offset, buf.length - offset);
	if (codec === CODECS.utf8) return encoder.encodeInto(string, new Uint8Array(buf.buffer, buf.byteOffset + offset, room)).written;
	let bytes = codec.bytes(string);
	if (bytes.length > room) bytes = bytes.subarray(0, room - (room % (codec.unit ?? 1)));
	buf.set(bytes, offset);
	return bytes.length;
}
const clamp = (value, missing, n) => {
	if (value === undefined) return missing;
	value = Math.trunc(value) || 0;
	return value < 0 ? 0 : value > n ? n : value;
};
const part = (buf, start, end) => new Uint8Array(buf.buffer, buf.byteOffset + start, end - start);
const methods = {
	copy(target, targetStart, sourceStart, sourceEnd) {
		if (!isView(target)) throw new ERR_INVALID_ARG_TYPE('target', ['Buffer', 'Uint8Array'], target);
		const to = target instanceof Uint8Array ? target : bytesOf(target);
		const whole = (value, missing, name, most) => {
			if (value === undefined) return missing;
			value = Number.isInteger(value) ? value : Math.trunc(+value) || 0;
			if (value < 0 || value > most) throw new ERR_OUT_OF_RANGE(name, most === Infinity ? '>= 0' : `>= 0 && <= ${most}`, value);
			return value;
		};
		targetStart = whole(targetStart, 0, 'targetStart', Infinity);
		sourceStart = whole(sourceStart, 0, 'sourceStart', this.length);
		sourceEnd = whole(sourceEnd, this.length, 'sourceEnd', Infinity);
		if (targetStart >= to.length || sourceStart >= sourceEnd) return 0;
		const n = Math.min(sourceEnd, this.length) - sourceStart;
		const bytes = part(this, sourceStart, sourceStart + Math.min(n, to.length - targetStart));
		to.set(bytes, targetStart);
		return bytes.length;
	},
	toString(encoding, start, end) {
		if (arguments.length === 0) return decoder.decode(this);
		const n = this.length;
		if (start <= 0) start = 0;
		else if (start >= n) return '';
		else start = Math.trunc(start) || 0;
		if (end === undefined || end > n) end = n;
		else end = Math.trunc(end) || 0;
		if (end <= start) return '';
		return codecOf(encoding === null ? 'null' : encoding === '' ? undefined : encoding).text(part(this, start, end));
	},
	equals(other) {
		if (!(other instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('otherBuffer', ['Buffer', 'Uint8Array'], other);
		return this === other || (this.byteLength === other.byteLength && compared(this, other) === 0);
	},
	compare(target, targetStart, targetEnd, sourceStart, sourceEnd) {
		if (!(target instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('target', ['Buffer', 'Uint8Array'], target);
		if (arguments.length === 1) return compared(this, target);
		const checked = (value, missing, name, most = kMaxLength) => {
			if (value === undefined) return missing;
			validateInteger(value, name, 0, most);
			return value;
		};
		targetStart = checked(targetStart, 0, 'targetStart');
		targetEnd = checked(targetEnd, target.length, 'targetEnd', target.length);
		sourceStart = checked(sourceStart, 0, 'sourceStart');
		sourceEnd = checked(sourceEnd, this.length, 'sourceEnd', this.length);
		if (sourceStart >= sourceEnd) return targetStart >= targetEnd ? 0 : -1;
		if (targetStart >= targetEnd) return 1;
		return compared(this.subarray(sourceStart, sourceEnd), target.subarray(targetStart, targetEnd));
	},
	indexOf(value, offset, encoding) {
		return find(this, value, offset, encoding, true);
	},
	lastIndexOf(value, offset, encoding) {
		return find(this, value, offset, encoding, false);
	},
	includes(value, offset, encoding) {
		return find(this, value, offset, encoding, true) !== -1;
	},
	fill(value, offset, end, encoding) {
		return filled(this, value, offset, end, encoding);
	},
	write(string, offset, length, encoding) {
		if (offset === undefined) return written(this, string, CODECS.utf8, 0, undefined);
		if (length === undefined && typeof offset === 'string') {
			encoding = offset;
			length = this.length;
			offset = 0;
		} else {
			validateInteger(offset, 'offset', 0, this.length);
			const left = this.length - offset;
			if (length === undefined) length = left;
			else if (typeof length === 'string') {
				encoding = length;
				length = left;
			} else {
				validateInteger(length, 'length', 0, this.length);
				if (length > left) length = left;
			}
		}
		return written(this, string, codecOf(encoding || undefined), offset, length);
	},
	toJSON() {
		return { type: 'Buffer', data: this.length > 0 ? Array.from(this) : [] };
	},
	subarray(start, end) {
		const n = this.length;
		const at = (value, missing) => {
			value = value === undefined ? missing : Math.trunc(value) || 0;
			return value < 0 ? Math.max(0, value + n) : Math.min(value, n);
		};
		const from_ = at(start, 0), to = at(end, n);
		return new FastBuffer(this.buffer, this.byteOffset + from_, Math.max(0, to - from_));
	},
	slice(start, end) {
		return this.subarray(start, end);
	},
	swap16: swapper(2),
	swap32: swapper(4),
	swap64: swapper(8),
};
function swapper(size) {
	return function () {
		if (this.length % size !== 0) throw new ERR_INVALID_BUFFER_SIZE(`${size * 8}-bits`);
		for (let at = 0; at < this.length; at += size) Uint8Array.prototype.reverse.call(part(this, at, at + size));
		return this;
	};
}
for (const [name, encoding] of [['utf8', 'utf8'], ['ucs2', 'utf16le'], ['utf16le', 'utf16le'], ['latin1', 'latin1'], ['ascii', 'ascii'], ['base64', 'base64'], ['base64url', 'base64url'], ['hex', 'hex']]) {
	const codec = CODECS[encoding];
	methods[`${name}Slice`] = function (start, end) {
		const n = this.length;
		const from_ = clamp(start, 0, n);
		return codec.text(part(this, from_, Math.max(from_, clamp(end, n, n))));
	};
	methods[`${name}Write`] = function (string, offset = 0, length = undefined) {
		validateString(string, 'argument');
		if (offset < 0 || offset > this.length) throw new ERR_BUFFER_OUT_OF_BOUNDS('offset');
		return written(this, string, codec, offset, length);
	};
}
methods.toLocaleString = methods.toString;

// ---- numbers ----

function outside(buf, offset, bytes, given) {
	if (Math.floor(given) !== given) {
		validateNumber(given, 'offset');
		throw new ERR_OUT_OF_RANGE('offset', 'an integer', given);
	}
	if (buf.length < bytes) throw new ERR_BUFFER_OUT_OF_BOUNDS();
	throw new ERR_OUT_OF_RANGE('offset', `>= 0 and <= ${buf.length - bytes}`, given);
}
/** The offset, if so many bytes are there. */
function at(buf, offset, bytes) {
	if (offset === undefined && arguments.length > 1) throw new ERR_INVALID_ARG_TYPE('offset', 'number', offset);
	validateNumber(offset, 'offset');
	if (buf[offset] === undefined || buf[offset + bytes - 1] === undefined) outside(buf, offset, bytes, offset);
	return offset;
}
function uint(buf, offset, bytes, little) {
	let value = 0;
	if (little) for (let i = bytes - 1; i >= 0; i--) value = value * 256 + buf[offset + i];
	else for (let i = 0; i < bytes; i++) value = value * 256 + buf[offset + i];
	return value;
}
function int(buf, offset, bytes, little) {
	const value = uint(buf, offset, bytes, little);
	return value >= 2 ** (8 * bytes - 1) ? value - 2 ** (8 * bytes) : value;
}
function putNumber(buf, value, offset, bytes, little) {
	for (let i = 0; i < bytes; i++) {
		buf[little ? offset + i : offset + bytes - 1 - i] = value;
		value = Math.floor(value / 256);
	}
	return offset + bytes;
}
function checkValue(value, min, max, bytes) {
	if (value >= min && value <= max) return;
	if (!(value > max || value < min)) return; // NaN: nothing is written of it
	const n = typeof min === 'bigint' ? 'n' : '';
	let range;
	if (bytes > 4) {
		const bits = bytes * 8;
		range = min == 0 ? `>= 0${n} and < 2${n} ** ${bits}${n}` : `>= -(2${n} ** ${bits - 1}${n}) and < 2${n} ** ${bits - 1}${n}`;
	} else range = `>= ${min}${n} and <= ${max}${n}`;
	throw new ERR_OUT_OF_RANGE('value', range, value);
}
const checkBytes = (bytes) => {
	if (bytes === undefined) throw new ERR_INVALID_ARG_TYPE('byteLength', 'number', bytes);
	if (bytes >= 1 && bytes <= 6 && Number.isInteger(bytes)) return;
	validateNumber(bytes, 'byteLength');
	if (!Number.isInteger(bytes)) throw new ERR_OUT_OF_RANGE('byteLength', 'an integer', bytes);
	throw new ERR_OUT_OF_RANGE('byteLength', '>= 1 and <= 6', bytes);
};
function writeNumber(buf, value, offset, bytes, little, min, max) {
	value = +value;
	validateNumber(offset, 'offset');
	checkValue(value, min, max, bytes);
	if (buf[offset] === undefined || buf[offset + bytes - 1] === undefined) outside(buf, offset, bytes, offset);
	return putNumber(buf, value, offset, bytes, little);
}
const both = (names, method) => {
	for (const name of names) methods[name] = method;
};
for (const little of [true, false]) {
	const end = little ? 'LE' : 'BE';
	for (const bits of [8, 16, 32]) {
		const bytes = bits / 8, suffix = bits === 8 ? '' : end;
		if (bits === 8 && !little) continue;
		both([`readUInt${bits}${suffix}`, `readUint${bits}${suffix}`], function (offset = 0) {
			return uint(this, at(this, offset, bytes), bytes, little);
		});
		both([`readInt${bits}${suffix}`], function (offset = 0) {
			return int(this, at(this, offset, bytes), bytes, little);
		});
		both([`writeUInt${bits}${suffix}`, `writeUint${bits}${suffix}`], function (value, offset = 0) {
			return writeNumber(this, value, offset, bytes, little, 0, 2 ** bits - 1);
		});
		both([`writeInt${bits}${suffix}`], function (value, offset = 0) {
			return writeNumber(this, value, offset, bytes, little, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1);
		});
	}
	both([`readUInt${end}`, `readUint${end}`], function (offset, bytes) {
		if (offset === undefined) throw new ERR_INVALID_ARG_TYPE('offset', 'number', offset);
		checkBytes(bytes);
		return uint(this, at(this, offset, bytes), bytes, little);
	});
	both([`readInt${end}`], function (offset, bytes) {
		if (offset === undefined) throw new ERR_INVALID_ARG_TYPE('offset', 'number', offset);
		checkBytes(bytes);
		return int(this, at(this, offset, bytes), bytes, little);
	});
	both([`writeUInt${end}`, `writeUint${end}`], function (value, offset, bytes) {
		checkBytes(bytes);
		return writeNumber(this, value, offset, bytes, little, 0, 2 ** (8 * bytes) - 1);
	});
	both([`writeInt${end}`], function (value, offset, bytes) {
		checkBytes(bytes);
		return writeNumber(this, value, offset, bytes, little, -(2 ** (8 * bytes - 1)), 2 ** (8 * bytes - 1) - 1);
	});
	for (const signed of [true, false]) {
		const name = signed ? 'Int' : 'UInt';
		const read = function (offset = 0) {
			at(this, offset, 8);
			const low = BigInt(uint(this, little ? offset : offset + 4, 4, little)), high = BigInt(uint(this, little ? offset + 4 : offset, 4, little));
			const value = (high << 32n) + low;
			return signed ? BigInt.asIntN(64, value) : value;
		};
		const min = signed ? -(2n ** 63n) : 0n, max = signed ? 2n ** 63n - 1n : 2n ** 64n - 1n;
		const write = function (value, offset = 0) {
			if (typeof value !== 'bigint') throw new TypeError(`Cannot mix BigInt and other types, use explicit conversions`);
			checkValue(value, min, max, 8);
			at(this, offset, 8);
			const bits = BigInt.asUintN(64, value);
			putNumber(this, Number(bits & 0xffffffffn), little ? offset : offset + 4, 4, little);
			putNumber(this, Number(bits >> 32n), little ? offset + 4 : offset, 4, little);
			return offset + 8;
		};
		both([`readBig${name}64${end}`, `readBig${name.replace('UI', 'Ui')}64${end}`], read);
		both([`writeBig${name}64${end}`, `writeBig${name.replace('UI', 'Ui')}64${end}`], write);
	}
	for (const [name, bytes, scratch] of [['Float', 4, new Float32Array(1)], ['Double', 8, new Float64Array(1)]]) {
		const raw = new Uint8Array(scratch.buffer);
		methods[`read${name}${end}`] = function (offset = 0) {
			at(this, offset, bytes);
			for (let i = 0; i < bytes; i++) raw[i] = this[offset + (little ? i : bytes - 1 - i)];
			return scratch[0];
		};
		methods[`write${name}${end}`] = function (value, offset = 0) {
			value = +value;
			at(this, offset, bytes);
			scratch[0] = value;
			for (let i = 0; i < bytes; i++) this[offset + (little ? i : bytes - 1 - i)] = raw[i];
			return offset + bytes;
		};
	}
}
for (const name of Object.keys(methods)) Object.defineProperty(methods[name], 'name', { value: name });
put(Buffer.prototype, methods);
Object.defineProperty(Buffer.prototype, 'parent', {
	enumerable: true,
	get() {
		return this instanceof Buffer ? this.buffer : undefined;
	},
});
Object.defineProperty(Buffer.prototype, 'offset', {
	enumerable: true,
	get() {
		return this instanceof Buffer ? this.byteOffset : undefined;
	},
});
/** `<Buffer 68 69>` */
Buffer.prototype[Symbol.for('nodejs.util.inspect.custom')] = function (depth, context, inspect) {
	const most = Math.min(inspectMax, this.length);
	let text = CODECS.hex.text(part(this, 0, most)).replace(/(.{2})/g, '$1 ').trim();
	const more = this.length - most;
	if (more > 0) text += ` ... ${more} more byte${more > 1 ? 's' : ''}`;
	if (context && inspect) {
		const own = Object.keys(this).filter((key) => !/^\d+$/.test(key));
		if (own.length > 0) {
			const extra = { __proto__: null };
			for (const key of own) extra[key] = this[key];
			const inner = inspect(extra, { ...context, breakLength: Infinity, compact: true });
			text += `${this.length > 0 ? ', ' : ''}${inner.slice('[Object: null prototype] { '.length, -2)}`;
		}
	}
	return `<${this.constructor.name} ${text}>`;
};
Object.defineProperty(Buffer.prototype, 'inspect', { value: Buffer.prototype[Symbol.for('nodejs.util.inspect.custom')], writable: true, enumerable: false, configurable: true });

export function SlowBuffer(size) {
	checkSize(size);
	return new FastBuffer(size);
}
Object.setPrototypeOf(SlowBuffer.prototype, Uint8Array.prototype);
Object.setPrototypeOf(SlowBuffer, Uint8Array);

// ---- the rest of the module ----

function bytesArgument(input) {
	if (isView(input) || isAnyArrayBuffer(input)) return bytesOf(input);
	throw new ERR_INVALID_ARG_TYPE('input', ['ArrayBuffer', 'Buffer', 'TypedArray'], input);
}
export const isAscii = (input) => bytesArgument(input).every((b) => b < 128);
export function isUtf8(input) {
	try {
		new TextDecoder('utf-8', { fatal: true }).decode(bytesArgument(input));
		return true;
	} catch (e) {
		if (e.code === 'ERR_INVALID_ARG_TYPE') throw e;
		return false;
	}
}
export function transcode(source, fromEncoding, toEncoding) {
	if (!(source instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('source', ['Buffer', 'Uint8Array'], source);
	const names = ['utf8', 'utf16le', 'latin1', 'ascii'];
	const from_ = normalized(fromEncoding), to = normalized(toEncoding);
	if (!names.includes(from_) || !names.includes(to)) {
		const error = new Error('Unable to transcode Buffer [U_ILLEGAL_ARGUMENT_ERROR]');
		error.code = 'U_ILLEGAL_ARGUMENT_ERROR';
		error.errno = 1;
		throw error;
	}
	const text = from_ === 'ascii' ? latin1Of(source) : CODECS[from_].text(source);
	const most = to === 'latin1' ? 255 : to === 'ascii' ? 127 : Infinity;
	return from(most === Infinity ? text : [...text].map((c) => (c.codePointAt(0) > most ? '?' : c)).join(''), to);
}
export function resolveObjectURL() {
	return undefined; // URL.createObjectURL is not there, so no URL names a Blob
}
const asText = (input) => {
	if (arguments_(input)) return `${input}`;
	return input;
};
function arguments_(input) {
	if (input === undefined) throw new ERR_MISSING_ARGS('input');
	return true;
}
export const atob = (input) => globalThis.atob(asText(input));
export const btoa = (input) => globalThis.btoa(asText(input));
export const Blob = globalThis.Blob;
export const File = globalThis.File;
export { asBuffer, bytesOf };
const module_ = {
	Buffer, SlowBuffer, transcode, isUtf8, isAscii, kMaxLength, kStringMaxLength, btoa, atob, constants, Blob, File, resolveObjectURL,
	get INSPECT_MAX_BYTES() {
		return inspectMax;
	},
	set INSPECT_MAX_BYTES(value) {
		validateNumber(value, 'INSPECT_MAX_BYTES', 0);
		inspectMax = value;
	},
};
export default module_;
