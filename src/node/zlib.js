// node:zlib, over the sandbox's coders (globalThis.__er_node). Levels and windows are the sandbox's
// own: what is packed is right and may be of another length than Node's.
import { Buffer } from './buffer.js';
import { Transform } from './stream.js';
import { ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, coded } from './internal/errors.js';
import { isAnyArrayBuffer, isView, validateFunction } from './internal/validators.js';
import { asNamed } from './internal/named.js';

const er = globalThis.__er_node ?? {};
const EMPTY = new Uint8Array(0);
const bytesOf = (data) => {
	if (typeof data === 'string') return Buffer.from(data);
	if (isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
	if (isAnyArrayBuffer(data)) return new Uint8Array(data);
	throw new ERR_INVALID_ARG_TYPE('buffer', ['string', 'Buffer', 'TypedArray', 'DataView', 'ArrayBuffer'], data);
};
function failure(e, format) {
	if (!(e instanceof TypeError)) return e;
	const cut = /cut/.test(e.message);
	if (format === 'brotli') return Object.assign(new Error(cut ? 'unexpected end of file' : 'Decompression failed'), { errno: cut ? -5 : -2, code: cut ? 'Z_BUF_ERROR' : 'ERR__ERROR_FORMAT_PADDING_1' });
	return Object.assign(new Error(cut ? 'unexpected end of file' : format === 'deflate-raw' ? 'invalid stored block lengths' : 'incorrect header check'), { errno: cut ? -5 : -3, code: cut ? 'Z_BUF_ERROR' : 'Z_DATA_ERROR' });
}
class Coder {
	#handle;
	constructor(format, decode) {
		this.format = format;
		this.#handle = er.coderNew(format, decode);
	}
	/** What these bytes become, piece by piece. */
	*run(bytes, finish) {
		for (;;) {
			let out;
			try {
				out = er.code(this.#handle, bytes, finish);
			} catch (e) {
				throw failure(e, this.format);
			}
			if (out === undefined) break;
			yield Buffer.from(out.buffer, out.byteOffset, out.byteLength);
		}
	}
	free() {
		er.coderFree(this.#handle);
	}
}
/** "unzip" takes what comes by its first bytes. */
const guess = (bytes) => (bytes[0] === 0x1f && bytes[1] === 0x8b ? 'gzip' : 'deflate');
function whole(format, decode, data, options) {
	const bytes = bytesOf(data), coder = new Coder(format === 'unzip' ? guess(bytes) : format, decode), out = [];
	const most = options?.maxOutputLength ?? Infinity;
	let n = 0;
	try {
		for (const piece of coder.run(bytes, true)) {
			out.push(piece);
			n += piece.length;
			if (n > most) throw coded(new RangeError(`Cannot create a Buffer larger than ${most} bytes`), 'ERR_BUFFER_TOO_LARGE');
		}
	} finally {
		coder.free();
	}
	return Buffer.concat(out);
}
class ZlibBase extends Transform {
	#coder;
	#format;
	#decode;
	constructor(format, decode, options) {
		super({ ...options, decodeStrings: true });
		this.#format = format;
		this.#decode = decode;
		this.bytesWritten = 0;
	}
	#run(bytes, finish, callback) {
		try {
			this.#coder ??= new Coder(this.#format === 'unzip' ? guess(bytes) : this.#format, this.#decode);
			for (const piece of this.#coder.run(bytes, finish)) this.push(piece);
		} catch (e) {
			return callback(e);
		}
		return callback();
	}
	_transform(chunk, encoding, callback) {
		this.bytesWritten += chunk.length;
		this.#run(bytesOf(chunk), false, callback);
	}
	_flush(callback) {
		this.#run(EMPTY, true, callback);
	}
	_destroy(error, callback) {
		this.#coder?.free();
		callback(error);
	}
	close(callback) {
		if (callback) this.once('close', callback);
		this.destroy();
	}
	flush(kind, callback = kind) {
		if (typeof callback === 'function') queueMicrotask(callback);
	}
	params(level, strategy, callback) {
		queueMicrotask(() => callback(null));
	}
	reset() {}
}
const made = {}, exports_ = {};
for (const [Name, format, decode] of [['Gzip', 'gzip', false], ['Gunzip', 'gzip', true], ['Deflate', 'deflate', false], ['Inflate', 'deflate', true], ['DeflateRaw', 'deflate-raw', false], ['InflateRaw', 'deflate-raw', true], ['Unzip', 'unzip', true], ['BrotliCompress', 'brotli', false], ['BrotliDecompress', 'brotli', true], ['ZstdCompress', 'zstd', false], ['ZstdDecompress', 'zstd', true]]) {
	const lower = Name[0].toLowerCase() + Name.slice(1);
	const Class = class extends ZlibBase {
		constructor(options) {
			super(format, decode, options);
		}
	};
	// Node's can be called without `new`
	made[Name] = asNamed(Name, new Proxy(Class, { apply: (target, self, [options]) => new target(options) }));
	exports_[Name] = made[Name];
	exports_[`create${Name}`] = (options) => new Class(options);
	exports_[`${lower}Sync`] = (data, options) => whole(format, decode, data, options);
	exports_[lower] = (data, options, callback) => {
		if (typeof options === 'function') [callback, options] = [options, undefined];
		validateFunction(callback, 'callback');
		let out;
		bytesOf(data);
		try {
			out = whole(format, decode, data, options);
		} catch (e) {
			queueMicrotask(() => callback(e));
			return;
		}
		queueMicrotask(() => callback(null, out));
	};
}
let table;
export function crc32(data, value = 0) {
	if (typeof data !== 'string' && !isView(data)) throw new ERR_INVALID_ARG_TYPE('data', ['string', 'Buffer', 'TypedArray', 'DataView'], data);
	if (!(Number.isInteger(value) && value >= 0 && value <= 4294967295)) throw new ERR_OUT_OF_RANGE('value', '>= 0 && <= 4294967295', value);
	table ??= Uint32Array.from({ length: 256 }, (_, n) => {
		for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
		return n;
	});
	let crc = ~value;
	for (const byte of bytesOf(data)) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
	return ~crc >>> 0;
}
export const constants = Object.freeze({
	__proto__: null, Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5, Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
	Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1, Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2, Z_RLE: 3, Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0, DEFLATE: 1, INFLATE: 2, GZIP: 3, GUNZIP: 4, DEFLATERAW: 5, INFLATERAW: 6, UNZIP: 7, BROTLI_DECODE: 8, BROTLI_ENCODE: 9,
	Z_MIN_WINDOWBITS: 8, Z_MAX_WINDOWBITS: 15, Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_MAX_CHUNK: Infinity, Z_DEFAULT_CHUNK: 16384, Z_MIN_MEMLEVEL: 1, Z_MAX_MEMLEVEL: 9, Z_DEFAULT_MEMLEVEL: 8, Z_MIN_LEVEL: -1, Z_MAX_LEVEL: 9, Z_DEFAULT_LEVEL: -1,
	BROTLI_OPERATION_PROCESS: 0, BROTLI_OPERATION_FLUSH: 1, BROTLI_OPERATION_FINISH: 2, BROTLI_PARAM_MODE: 0, BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1, BROTLI_PARAM_QUALITY: 1, BROTLI_MIN_QUALITY: 0, BROTLI_MAX_QUALITY: 11, BROTLI_DEFAULT_QUALITY: 11, BROTLI_PARAM_LGWIN: 2, BROTLI_PARAM_SIZE_HINT: 5,
});
export const codes = Object.freeze({ Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6 });
Object.assign(exports_, { crc32, constants, codes });
export const {
	Gzip, Gunzip, Deflate, Inflate, DeflateRaw, InflateRaw, Unzip, BrotliCompress, BrotliDecompress, ZstdCompress, ZstdDecompress, createGzip, createGunzip, createDeflate, createInflate, createDeflateRaw, createInflateRaw, createUnzip, createBrotliCompress, createBrotliDecompress,
	createZstdCompress, createZstdDecompress, gzip, gunzip, deflate, inflate, deflateRaw, inflateRaw, unzip, brotliCompress, brotliDecompress, zstdCompress, zstdDecompress, gzipSync, gunzipSync, deflateSync, inflateSync, deflateRawSync, inflateRawSync, unzipSync, brotliCompressSync, brotliDecompressSync,
	zstdCompressSync, zstdDecompressSync,
} = exports_;
export default exports_;
