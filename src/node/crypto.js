// node:crypto, over the sandbox's OpenSSL (globalThis.__er_node). Everything is done when the call
// returns: a callback only comes later.
import { Buffer } from './buffer.js';
import {
	ERR_CRYPTO_HASH_FINALIZED, ERR_CRYPTO_INVALID_DIGEST, ERR_CRYPTO_INVALID_IV, ERR_CRYPTO_INVALID_KEYLEN, ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE, ERR_CRYPTO_SIGN_KEY_REQUIRED, ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH,
	ERR_CRYPTO_UNKNOWN_CIPHER, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, coded,
} from './internal/errors.js';
import { isAnyArrayBuffer, isView, validateFunction, validateInteger, validateNumber, validateObject, validateOneOf, validateString } from './internal/validators.js';
import {
	KeyObject, bytesOfArgument, createPrivateKey, createPublicKey, createSecretKey, curveOf, curveOfKind, generateKeyPairSync, generateKeySync, insideOf, privateFromScalar, publicFromPoint, secretBytes, wanted,
} from './internal/keys.js';
import { signatureFromDer, signatureToDer } from './internal/der.js';
import { Sink } from './internal/sink.js';
import { missing } from './internal/missing.js';
import { asNamed } from './internal/named.js';

const er = globalThis.__er_node ?? {};
export const webcrypto = globalThis.crypto;
export const { subtle } = webcrypto;
export const getRandomValues = (array) => webcrypto.getRandomValues(array);

const output = (bytes, encoding) => {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	return encoding === undefined || encoding === null || !Buffer.isEncoding(encoding) ? buffer : buffer.toString(encoding);
};
/** What update() takes. */
function input(data, encoding, name = 'data') {
	if (typeof data === 'string') return Buffer.from(data, Buffer.isEncoding(encoding) ? encoding : 'utf8');
	if (isView(data)) return data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
	throw new ERR_INVALID_ARG_TYPE(name, ['string', 'Buffer', 'TypedArray', 'DataView'], data);
}
/** A callback gets what the function gives; it comes later, as Node's does. */
function later(callback, run, none_ = undefined) {
	let result;
	try {
		result = run();
	} catch (e) {
		queueMicrotask(() => callback(e));
		return;
	}
	queueMicrotask(() => callback(none_ === undefined ? null : none_.error, result));
}

// ---- hashes ----

const HASHES = { md5: 64, sha1: 64, sha224: 64, sha256: 64, sha384: 128, sha512: 128, 'sha512-224': 128, 'sha512-256': 128, 'sha3-224': 144, 'sha3-256': 136, 'sha3-384': 104, 'sha3-512': 72, ripemd160: 64, blake2b512: 128, blake2s256: 64, sm3: 64 };
/** "RSA-SHA256", "SHA-256" and "sha256" are one; undefined: no such hash. */
function hashName(name) {
	const short = name.toLowerCase().replace(/^rsa-/, '').replace(/^sha-?2?-?(1|224|256|384|512)(?:[-/](224|256))?$/, (_, a, b) => `sha${a}${b ? `-${b}` : ''}`).replace(/^(?:ripemd|rmd160|ripemd-160)$/, 'ripemd160').replace(/^blake2(b-512|s-256)$/, (t) => t.replace('-', ''));
	return short in HASHES ? short : undefined;
}
export const getHashes = () => ['RSA-MD5', 'RSA-RIPEMD160', 'RSA-SHA1', 'RSA-SHA224', 'RSA-SHA256', 'RSA-SHA3-224', 'RSA-SHA3-256', 'RSA-SHA3-384', 'RSA-SHA3-512', 'RSA-SHA384', 'RSA-SHA512', 'RSA-SHA512/224', 'RSA-SHA512/256', ...Object.keys(HASHES)];
/** The four of the sandbox's signatures and derivations, by number. */
const NUMBERS = { sha1: er.HASH_SHA1, sha256: er.HASH_SHA256, sha384: er.HASH_SHA384, sha512: er.HASH_SHA512, md5: er.HASH_MD5 };
const digestOf = (name, bytes) => {
	const h = er.hashNew(name);
	er.hashUpdate(h, bytes);
	return er.hashFinal(h);
};

export class Hash extends Sink {
	#handle;
	#length;
	#done = false;
	constructor(algorithm, options = undefined, handle = undefined) {
		super();
		if (handle === undefined) {
			validateString(algorithm, 'algorithm');
			const name = hashName(algorithm);
			handle = name && er.hashNew(name);
			if (handle === undefined) throw new Error('Digest method not supported');
		}
		this.#handle = handle;
		this.#length = options?.outputLength;
		if (this.#length !== undefined) {
			validateInteger(this.#length, 'options.outputLength', 0, 4294967295);
			if (this.#length !== er.hashFinal(er.hashCopy(handle)).length) throw coded(new Error('error:030000B2:digital envelope routines::not XOF or invalid length'), 'ERR_OSSL_EVP_NOT_XOF_OR_INVALID_LENGTH');
		}
	}
	update(data, encoding) {
		if (this.#done) throw new ERR_CRYPTO_HASH_FINALIZED();
		er.hashUpdate(this.#handle, input(data, encoding));
		return this;
	}
	digest(encoding) {
		if (this.#done) throw new ERR_CRYPTO_HASH_FINALIZED();
		this.#done = true;
		return output(er.hashFinal(this.#handle), encoding);
	}
	copy(options = undefined) {
		if (this.#done) throw new ERR_CRYPTO_HASH_FINALIZED();
		return new Hash('', options, er.hashCopy(this.#handle));
	}
	take(chunk, encoding) {
		this.update(chunk, encoding);
	}
	finish() {
		return this.digest();
	}
}
export const createHash = (algorithm, options) => new Hash(algorithm, options);
export function hash(algorithm, data, outputEncoding = 'hex') {
	validateString(algorithm, 'algorithm');
	if (typeof data !== 'string' && !isView(data)) throw new ERR_INVALID_ARG_TYPE('input', ['Buffer', 'TypedArray', 'DataView', 'string'], data);
	return createHash(algorithm).update(data).digest(outputEncoding);
}

/** RFC 2104, over two hashes. */
class Mac {
	#inner;
	#outer;
	constructor(name, key) {
		const block = HASHES[name];
		if (key.length > block) key = digestOf(name, key);
		const pad = (byte) => {
			const bytes = new Uint8Array(block).fill(byte);
			for (let i = 0; i < key.length; i++) bytes[i] ^= key[i];
			const handle = er.hashNew(name);
			er.hashUpdate(handle, bytes);
			return handle;
		};
		this.#inner = pad(0x36);
		this.#outer = pad(0x5c);
	}
	update(bytes) {
		er.hashUpdate(this.#inner, bytes);
		return this;
	}
	digest() {
		er.hashUpdate(this.#outer, er.hashFinal(this.#inner));
		return er.hashFinal(this.#outer);
	}
}
export class Hmac extends Sink {
	#mac;
	#done = false;
	constructor(algorithm, key, options = undefined) {
		super();
		validateString(algorithm, 'hmac');
		const bytes = secretBytes(key, 'key', options?.encoding);
		const name = hashName(algorithm);
		if (name === undefined) throw new ERR_CRYPTO_INVALID_DIGEST(algorithm);
		this.#mac = new Mac(name, bytes);
	}
	update(data, encoding) {
		if (this.#done) throw new ERR_CRYPTO_HASH_FINALIZED();
		this.#mac.update(input(data, encoding));
		return this;
	}
	digest(encoding) {
		// Node gives nothing for the second time, and no error
		if (this.#done) return output(new Uint8Array(0), encoding);
		this.#done = true;
		return output(this.#mac.digest(), encoding);
	}
	take(chunk, encoding) {
		this.update(chunk, encoding);
	}
	finish() {
		return this.digest();
	}
}
export const createHmac = (algorithm, key, options) => new Hmac(algorithm, key, options);

// ---- random ----

export function randomFillSync(buffer, offset = 0, size = undefined) {
	if (!isView(buffer) && !isAnyArrayBuffer(buffer)) throw new ERR_INVALID_ARG_TYPE('buf', ['ArrayBuffer', 'ArrayBufferView'], buffer);
	const unit = buffer.BYTES_PER_ELEMENT ?? 1, n = buffer.byteLength;
	validateNumber(offset, 'offset');
	offset *= unit;
	if (!(offset >= 0 && offset <= n)) throw new ERR_OUT_OF_RANGE('offset', `>= 0 && <= ${n}`, offset);
	if (size === undefined) size = n - offset;
	else {
		validateNumber(size, 'size');
		size *= unit;
	}
	if (!(size >= 0 && size <= 2147483647)) throw new ERR_OUT_OF_RANGE('size', '>= 0 && <= 2147483647', size);
	if (size + offset > n) throw new ERR_OUT_OF_RANGE('size + offset', `<= ${n}`, size + offset);
	if (size > 0) er.randomFill(new Uint8Array(buffer.buffer ?? buffer, (buffer.byteOffset ?? 0) + offset, size));
	return buffer;
}
export function randomFill(buffer, offset, size, callback) {
	if (typeof offset === 'function') [callback, offset, size] = [offset, 0, undefined];
	else if (typeof size === 'function') [callback, size] = [size, undefined];
	validateFunction(callback, 'callback');
	later(callback, () => randomFillSync(buffer, offset, size));
}
export function randomBytes(size, callback) {
	validateNumber(size, 'size', 0, 2147483647);
	if (callback !== undefined) validateFunction(callback, 'callback');
	const make = () => randomFillSync(Buffer.alloc(size));
	return callback === undefined ? make() : later(callback, make);
}
export { randomBytes as pseudoRandomBytes, randomBytes as rng, randomBytes as prng };
export function randomInt(min, max, callback) {
	const one = max === undefined || typeof max === 'function';
	if (one) [min, max, callback] = [0, min, max];
	const whole = (value, name) => {
		if (!Number.isSafeInteger(value)) throw new ERR_INVALID_ARG_TYPE(name, 'a safe integer', value);
	};
	whole(min, 'min');
	whole(max, 'max');
	if (max <= min) throw new ERR_OUT_OF_RANGE('max', `greater than the value of "min" (${min})`, max);
	const range = max - min, most = 2 ** 48;
	if (range >= most) throw new ERR_OUT_OF_RANGE(one ? 'max' : 'max - min', `<= ${most - 1}`, range);
	if (callback !== undefined) validateFunction(callback, 'callback');
	const make = () => {
		const limit = most - (most % range), six = Buffer.alloc(6);
		for (;;) {
			er.randomFill(six);
			const value = six.readUIntBE(0, 6);
			if (value < limit) return (value % range) + min;
		}
	};
	return callback === undefined ? make() : later(callback, make, { error: undefined });
}
export function randomUUID(options) {
	if (options !== undefined) validateObject(options, 'options');
	return webcrypto.randomUUID();
}
export function timingSafeEqual(a, b) {
	const bytes = (value, name) => {
		if (isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
		if (isAnyArrayBuffer(value)) return new Uint8Array(value);
		throw coded(new TypeError(`The "${name}" argument must be an instance of ArrayBuffer, Buffer, TypedArray, or DataView.`), 'ERR_INVALID_ARG_TYPE');
	};
	const [x, y] = [bytes(a, 'buf1'), bytes(b, 'buf2')];
	if (x.length !== y.length) throw new ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH();
	return er.equal(x, y);
}

// ---- keys of passwords and of secrets ----

export function pbkdf2Sync(password, salt, iterations, keylen, digest) {
	validateString(digest, 'digest');
	const secret = bytesOfArgument(password, 'password'), grain = bytesOfArgument(salt, 'salt');
	validateInteger(iterations, 'iterations', 1, 2147483647);
	validateInteger(keylen, 'keylen', 0, 2147483647);
	const name = hashName(digest);
	if (name === undefined) throw new ERR_CRYPTO_INVALID_DIGEST(digest);
	if (keylen === 0) return Buffer.alloc(0);
	if (name in NUMBERS) return output(er.pbkdf2(NUMBERS[name], er.keyRead(er.KEY_SECRET, er.AS_RAW, true, secret), grain, iterations, keylen));
	const out = Buffer.alloc(keylen);
	for (let at = 0, block = 1; at < keylen; block++) {
		const number = Buffer.alloc(4);
		number.writeUInt32BE(block);
		let u = new Mac(name, secret).update(grain).update(number).digest();
		const t = u.slice();
		for (let i = 1; i < iterations; i++) {
			u = new Mac(name, secret).update(u).digest();
			for (let j = 0; j < t.length; j++) t[j] ^= u[j];
		}
		out.set(t.subarray(0, Math.min(t.length, keylen - at)), at);
		at += t.length;
	}
	return out;
}
export function pbkdf2(password, salt, iterations, keylen, digest, callback) {
	if (typeof digest === 'function') [callback, digest] = [digest, undefined];
	validateFunction(callback, 'callback');
	const key = pbkdf2Sync(password, salt, iterations, keylen, digest);
	queueMicrotask(() => callback(null, key));
}
function scryptOptions(options) {
	let { N = 16384, r = 8, p = 1, maxmem = 32 * 1024 * 1024 } = options ?? {};
	const twice = (a, b) => {
		if (options?.[a] !== undefined && options[b] !== undefined) throw coded(new Error('Invalid scrypt parameter'), 'ERR_CRYPTO_SCRYPT_INVALID_PARAMETER');
		return options?.[b];
	};
	N = twice('N', 'cost') ?? N;
	r = twice('r', 'blockSize') ?? r;
	p = twice('p', 'parallelization') ?? p;
	validateInteger(N, 'N', 0, 4294967295);
	validateInteger(r, 'r', 0, 4294967295);
	validateInteger(p, 'p', 0, 4294967295);
	validateInteger(maxmem, 'maxmem', 0);
	return { N, r, p, maxmem };
}
export function scryptSync(password, salt, keylen, options) {
	const secret = bytesOfArgument(password, 'password'), grain = bytesOfArgument(salt, 'salt');
	validateInteger(keylen, 'keylen', 0, 2147483647);
	const { N, r, p, maxmem } = scryptOptions(options);
	const invalid = (why = '') => coded(new RangeError(`Invalid scrypt params${why}`), 'ERR_CRYPTO_INVALID_SCRYPT_PARAMS');
	if (N < 2 || (N & (N - 1)) !== 0 || r === 0 || p === 0) throw invalid();
	if (128 * r * (N + p + 2) > maxmem) throw invalid(': error:030000AC:digital envelope routines::memory limit exceeded');
	if (keylen === 0) return Buffer.alloc(0);
	const key = er.scrypt(secret, grain, N, r, p, Math.min(maxmem, 4294967295), keylen);
	if (key === undefined) throw invalid();
	return output(key);
}
export function scrypt(password, salt, keylen, options, callback) {
	if (typeof options === 'function') [callback, options] = [options, undefined];
	validateFunction(callback, 'callback');
	const key = scryptSync(password, salt, keylen, options);
	queueMicrotask(() => callback(null, key));
}
export function hkdfSync(digest, ikm, salt, info, length) {
	validateString(digest, 'digest');
	const secret = KeyObject.is(ikm) ? insideOf(ikm).bytes : bytesOfArgument(ikm, 'ikm'), grain = bytesOfArgument(salt, 'salt'), context = bytesOfArgument(info, 'info');
	validateInteger(length, 'length', 0, 2147483647);
	if (context.length > 1024) throw new ERR_OUT_OF_RANGE('info', 'must not contain more than 1024 bytes', context.length);
	const name = hashName(digest);
	if (name === undefined) throw new ERR_CRYPTO_INVALID_DIGEST(digest);
	const prk = new Mac(name, grain).update(secret).digest();
	if (length > 255 * prk.length) throw new ERR_CRYPTO_INVALID_KEYLEN();
	const out = new Uint8Array(length);
	for (let at = 0, i = 1, t = new Uint8Array(0); at < length; i++) {
		t = new Mac(name, prk).update(t).update(context).update(new Uint8Array([i])).digest();
		out.set(t.subarray(0, Math.min(t.length, length - at)), at);
		at += t.length;
	}
	return out.buffer;
}
export function hkdf(digest, ikm, salt, info, length, callback) {
	validateFunction(callback, 'callback');
	const key = hkdfSync(digest, ikm, salt, info, length);
	queueMicrotask(() => callback(null, key));
}

// ---- ciphers ----

const CIPHERS = {};
for (const bits of [128, 192, 256]) {
	for (const mode of ['cbc', 'ctr', 'cfb', 'ofb']) CIPHERS[`aes-${bits}-${mode}`] = { mode, keyLength: bits / 8, ivLength: 16, blockSize: mode === 'cbc' ? 16 : 1 };
	CIPHERS[`aes-${bits}-ecb`] = { mode: 'ecb', keyLength: bits / 8, ivLength: 0, blockSize: 16 };
	for (const mode of ['gcm', 'ocb']) CIPHERS[`aes-${bits}-${mode}`] = { mode, keyLength: bits / 8, ivLength: 12, blockSize: mode === 'ocb' ? 16 : 1 };
}
Object.assign(CIPHERS, { chacha20: { mode: 'stream', keyLength: 32, ivLength: 16 }, 'chacha20-poly1305': { mode: 'stream', keyLength: 32, ivLength: 12 }, 'des-ede3-cbc': { mode: 'cbc', keyLength: 24, ivLength: 8, blockSize: 8 } });
const SAME = { aes128: 'aes-128-cbc', aes192: 'aes-192-cbc', aes256: 'aes-256-cbc', 'id-aes128-gcm': 'aes-128-gcm', 'id-aes192-gcm': 'aes-192-gcm', 'id-aes256-gcm': 'aes-256-gcm', des3: 'des-ede3-cbc' };
const cipherName = (name) => {
	const lower = name.toLowerCase();
	return SAME[lower] ?? lower;
};
const authenticated = (name) => /-(?:gcm|ocb|poly1305)$/.test(name);
export const getCiphers = () => [...Object.keys(CIPHERS), ...Object.keys(SAME)].sort();
export function getCipherInfo(name, options = {}) {
	if (typeof name !== 'string') throw new ERR_INVALID_ARG_TYPE('nameOrNid', ['string', 'number'], name);
	const found = CIPHERS[cipherName(name)];
	if (found === undefined || (options.keyLength !== undefined && options.keyLength !== found.keyLength)) return undefined;
	const { mode, keyLength, ivLength, blockSize } = found;
	return { mode, name: mode === 'gcm' ? cipherName(name).replace('aes-', 'id-aes') : cipherName(name), ...(blockSize ? { blockSize } : {}), ...(ivLength ? { ivLength: options.ivLength ?? ivLength } : {}), keyLength };
}
class Cipher_ extends Sink {
	#handle;
	#name;
	#encrypts;
	#tag;
	#tagLength;
	#done = false;
	#fed = 0;
	constructor(encrypts, algorithm, key, iv, options) {
		super();
		validateString(algorithm, 'cipher');
		const bytes = secretBytes(key, 'key', options?.encoding);
		if (iv !== null && typeof iv !== 'string' && !isView(iv) && !isAnyArrayBuffer(iv)) throw new ERR_INVALID_ARG_TYPE('iv', ['string', 'ArrayBuffer', 'Buffer', 'TypedArray', 'DataView'], iv);
		const start = iv === null ? Buffer.alloc(0) : bytesOfArgument(iv, 'iv'), name = cipherName(algorithm), known = CIPHERS[name];
		if (known === undefined) throw new ERR_CRYPTO_UNKNOWN_CIPHER();
		if (known.ivLength === 0 ? start.length > 0 : authenticated(name) ? start.length === 0 || (name === 'chacha20-poly1305' && start.length > 12) : start.length !== known.ivLength) throw new ERR_CRYPTO_INVALID_IV();
		this.#name = name;
		this.#encrypts = encrypts;
		this.#tagLength = options?.authTagLength ?? 16;
		if (name.endsWith('ocb') && options?.authTagLength === undefined) throw coded(new Error(`authTagLength required for ${algorithm}`), undefined);
		try {
			this.#handle = er.cipherNew(name, encrypts, bytes, start, this.#tagLength);
		} catch (e) {
			throw e.message === 'key' ? new ERR_CRYPTO_INVALID_KEYLEN() : e.message === 'iv' ? new ERR_CRYPTO_INVALID_IV() : e;
		}
		if (this.#handle === undefined) throw new ERR_CRYPTO_UNKNOWN_CIPHER();
	}
	update(data, inputEncoding, outputEncoding) {
		const bytes = input(data, inputEncoding);
		const out = this.#done ? undefined : er.cipherRun(this.#handle, bytes, false);
		if (out === undefined) throw new Error('Trying to add data in unsupported state');
		this.#fed += bytes.length;
		return output(out, outputEncoding);
	}
	final(outputEncoding) {
		if (this.#done) throw coded(new Error('Invalid state'), 'ERR_CRYPTO_INVALID_STATE');
		if (!this.#encrypts && authenticated(this.#name) && this.#tag === undefined) throw new Error('Unsupported state or unable to authenticate data');
		this.#done = true;
		const out = er.cipherFinal(this.#handle);
		if (out !== undefined) return output(out, outputEncoding);
		if (authenticated(this.#name)) throw new Error('Unsupported state or unable to authenticate data');
		const block = CIPHERS[this.#name].blockSize;
		if (this.#fed % block !== 0 || (!this.#encrypts && this.#fed === 0)) throw coded(new Error('error:1C80006B:Provider routines::wrong final block length'), 'ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH');
		throw coded(new Error('error:1C800064:Provider routines::bad decrypt'), 'ERR_OSSL_BAD_DECRYPT');
	}
	setAutoPadding(on = true) {
		if (this.#done || !er.cipherPadding(this.#handle, Boolean(on))) throw coded(new Error('Invalid state for operation setAutoPadding'), 'ERR_CRYPTO_INVALID_STATE');
		return this;
	}
	setAAD(data, options = undefined) {
		const bytes = bytesOfArgument(data, 'buffer', options?.encoding);
		if (this.#done || er.cipherRun(this.#handle, bytes, true) === undefined) throw coded(new Error('Invalid state for operation setAAD'), 'ERR_CRYPTO_INVALID_STATE');
		return this;
	}
	getAuthTag() {
		const tag = this.#done && this.#encrypts && authenticated(this.#name) ? er.cipherTag(this.#handle, this.#tagLength) : undefined;
		if (tag === undefined) throw coded(new Error('Invalid state for operation getAuthTag'), 'ERR_CRYPTO_INVALID_STATE');
		return output(tag);
	}
	setAuthTag(tag, encoding) {
		const bytes = bytesOfArgument(tag, 'buffer', encoding);
		const fits = this.#name.endsWith('gcm') ? [4, 8, 12, 13, 14, 15, 16].includes(bytes.length) : bytes.length === this.#tagLength;
		if (!fits) throw coded(new TypeError(`Invalid authentication tag length: ${bytes.length}`), 'ERR_CRYPTO_INVALID_AUTH_TAG');
		if (this.#done || this.#encrypts || this.#tag !== undefined || !authenticated(this.#name) || !er.cipherTag(this.#handle, bytes)) throw coded(new Error('Invalid state for operation setAuthTag'), 'ERR_CRYPTO_INVALID_STATE');
		this.#tag = bytes;
		return this;
	}
	take(chunk, encoding) {
		return this.update(chunk, encoding);
	}
	finish() {
		return this.final();
	}
}
export class Cipheriv extends Cipher_ {
	constructor(algorithm, key, iv, options) {
		super(true, algorithm, key, iv, options);
	}
}
export class Decipheriv extends Cipher_ {
	constructor(algorithm, key, iv, options) {
		super(false, algorithm, key, iv, options);
	}
}
export const createCipheriv = (algorithm, key, iv, options) => new Cipheriv(algorithm, key, iv, options);
export const createDecipheriv = (algorithm, key, iv, options) => new Decipheriv(algorithm, key, iv, options);

// ---- signatures ----

const PKCS1 = 1, OAEP = 4, PSS = 6;
/** How a key signs: { scheme, hash, salts, size }. */
function signing(key, name, options) {
	const { kind, handle } = insideOf(key), type = key.asymmetricKeyType;
	if (type === 'ed25519' || type === 'ed448') return { scheme: er.SIGN_EDDSA, hash: er.HASH_SHA512, salts: [0] };
	const hash = NUMBERS[name];
	if (hash === undefined) throw coded(new Error(`the digest ${name} is not there for signatures on the edge: use sha1, sha256, sha384 or sha512`), 'ERR_CRYPTO_INVALID_DIGEST');
	if (type === 'ec') return { scheme: er.SIGN_ECDSA, hash, salts: [0], size: curveOfKind(kind).size };
	if (type !== 'rsa') throw coded(new Error('operation not supported for this keytype'), 'ERR_OSSL_EVP_OPERATION_NOT_SUPPORTED_FOR_THIS_KEYTYPE');
	const { padding = PKCS1, saltLength } = options;
	if (padding === PKCS1) return { scheme: er.SIGN_PKCS1, hash, salts: [0] };
	if (padding !== PSS) throw coded(new Error('illegal or unsupported padding mode'), 'ERR_OSSL_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE');
	const size = digestOf(name, new Uint8Array(0)).length, most = Math.ceil((er.keyBits(handle) - 1) / 8) - size - 2;
	const salts = saltLength === -1 ? [size] : saltLength === undefined || saltLength === -2 ? [most, size] : [saltLength];
	return { scheme: er.SIGN_PSS, hash, salts };
}
function optionsOf(key) {
	if (typeof key !== 'object' || key === null || isView(key) || isAnyArrayBuffer(key) || KeyObject.is(key)) return {};
	if (key.dsaEncoding !== undefined) validateOneOf(key.dsaEncoding, 'options.dsaEncoding', ['der', 'ieee-p1363']);
	return key;
}
function signed(name, bytes, key) {
	const options = optionsOf(key), made = wanted(key, true), { scheme, hash, salts, size } = signing(made, name, options);
	const raw = er.sign(scheme, insideOf(made).handle, hash, salts[0], bytes);
	if (raw === undefined) throw coded(new Error('the key cannot make this signature'), 'ERR_OSSL_EVP_SIGN');
	const buffer = output(raw);
	return size !== undefined && options.dsaEncoding !== 'ieee-p1363' ? signatureToDer(buffer) : buffer;
}
function verified(name, bytes, key, signature) {
	const options = optionsOf(key), made = wanted(key, false), { scheme, hash, salts, size } = signing(made, name, options);
	if (size !== undefined && options.dsaEncoding !== 'ieee-p1363') {
		try {
			signature = signatureFromDer(signature, size);
		} catch {
			return false;
		}
	}
	const all = scheme === er.SIGN_PSS && (options.saltLength === undefined || options.saltLength === -2) ? [...new Set([salts[1], salts[0], ...Array.from({ length: salts[0] + 1 }, (_, i) => i)])] : salts;
	return all.some((salt) => er.verify(scheme, insideOf(made).handle, hash, salt, signature, bytes) === true);
}
class Signer extends Sink {
	parts = [];
	constructor(algorithm) {
		super();
		validateString(algorithm, 'algorithm');
		this.name = hashName(algorithm);
		if (this.name === undefined) throw coded(new TypeError('Invalid digest'), 'ERR_CRYPTO_INVALID_DIGEST');
		for (const name of ['parts', 'name']) Object.defineProperty(this, name, { enumerable: false });
	}
	update(data, encoding) {
		this.parts.push(Buffer.from(input(data, encoding)));
		return this;
	}
	take(chunk, encoding) {
		this.update(chunk, encoding);
	}
}
export class Sign extends Signer {
	sign(key, encoding) {
		if (!key) throw new ERR_CRYPTO_SIGN_KEY_REQUIRED();
		return output(signed(this.name, Buffer.concat(this.parts), key), encoding);
	}
}
export class Verify extends Signer {
	verify(key, signature, encoding) {
		return verified(this.name, Buffer.concat(this.parts), key, bytesOfArgument(signature, 'signature', encoding));
	}
}
export const createSign = (algorithm) => new Sign(algorithm);
export const createVerify = (algorithm) => new Verify(algorithm);
function algorithmName(algorithm) {
	if (algorithm === null || algorithm === undefined) return 'sha256';
	validateString(algorithm, 'algorithm');
	const name = hashName(algorithm);
	if (name === undefined) throw new ERR_CRYPTO_INVALID_DIGEST(algorithm);
	return name;
}
export function sign(algorithm, data, key, callback) {
	if (callback !== undefined) validateFunction(callback, 'callback');
	const bytes = bytesOfArgument(data, 'data');
	if (!key) throw new ERR_CRYPTO_SIGN_KEY_REQUIRED();
	const make = () => signed(algorithmName(algorithm), bytes, key);
	return callback === undefined ? make() : later(callback, make);
}
export function verify(algorithm, data, key, signature, callback) {
	if (callback !== undefined) validateFunction(callback, 'callback');
	const bytes = bytesOfArgument(data, 'data');
	if (!isView(signature) && !isAnyArrayBuffer(signature)) throw new ERR_INVALID_ARG_TYPE('signature', ['ArrayBuffer', 'Buffer', 'TypedArray', 'DataView'], signature);
	const make = () => verified(algorithmName(algorithm), bytes, key, bytesOfArgument(signature, 'signature'));
	return callback === undefined ? make() : later(callback, make);
}

// ---- RSA, and agreements ----

function oaep(key, isPrivate) {
	const options = optionsOf(key), { padding = OAEP, oaepHash = 'sha1', oaepLabel } = options;
	if (padding !== OAEP) throw coded(new Error('only RSA_PKCS1_OAEP_PADDING is there on the edge: PKCS #1 v1.5 leaks what it decrypts'), 'ERR_OSSL_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE');
	const hash = NUMBERS[hashName(oaepHash) ?? ''];
	if (hash === undefined) throw coded(new Error('Invalid digest'), 'ERR_OSSL_EVP_INVALID_DIGEST');
	return { key: insideOf(wanted(key, isPrivate)).handle, hash, label: oaepLabel === undefined ? new Uint8Array(0) : bytesOfArgument(oaepLabel, 'key.oaepLabel') };
}
export function publicEncrypt(key, buffer) {
	const { key: handle, hash, label } = oaep(key, false);
	const out = er.rsaEncrypt(handle, hash, label, bytesOfArgument(buffer, 'buffer', key?.encoding));
	if (out === undefined) throw coded(new Error('error:0200006E:rsa routines::data too large for key size'), 'ERR_OSSL_RSA_DATA_TOO_LARGE_FOR_KEY_SIZE');
	return output(out);
}
export function privateDecrypt(key, buffer) {
	const { key: handle, hash, label } = oaep(key, true);
	const out = er.rsaDecrypt(handle, hash, label, bytesOfArgument(buffer, 'buffer', key?.encoding));
	if (out === undefined) throw coded(new Error('error:02000079:rsa routines::oaep decoding error'), 'ERR_OSSL_RSA_OAEP_DECODING_ERROR');
	return output(out);
}
function agreed(mine, other) {
	const bytes = er.agree(mine, other);
	if (bytes === undefined) throw coded(new Error('error:05000066:Diffie-Hellman routines::invalid public key'), 'ERR_OSSL_DH_INVALID_PUBLIC_KEY');
	return output(bytes);
}
export function diffieHellman(options) {
	validateObject(options, 'options');
	const { privateKey, publicKey } = options;
	if (!KeyObject.is(privateKey)) throw new ERR_INVALID_ARG_VALUE('options.privateKey', privateKey);
	if (!KeyObject.is(publicKey)) throw new ERR_INVALID_ARG_VALUE('options.publicKey', publicKey);
	if (privateKey.type !== 'private') throw new ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE(privateKey.type, 'private');
	if (privateKey.asymmetricKeyType !== publicKey.asymmetricKeyType) throw coded(new Error('Incompatible key types for Diffie-Hellman'), 'ERR_CRYPTO_INCOMPATIBLE_KEY');
	return agreed(insideOf(privateKey).handle, insideOf(publicKey.type === 'private' ? createPublicKey(publicKey) : publicKey).handle);
}
export class ECDH {
	#curve;
	#private;
	#public;
	constructor(curve) {
		validateString(curve, 'curve');
		this.#curve = curveOf(curve);
		if (this.#curve === undefined) throw coded(new TypeError('Invalid EC curve name'), 'ERR_CRYPTO_INVALID_CURVE');
	}
	generateKeys(encoding, format) {
		this.#private = er.keyGenerate(this.#curve.kind, 0, new Uint8Array(0));
		this.#public = er.keyPublic(this.#private);
		return this.getPublicKey(encoding, format);
	}
	getPublicKey(encoding, format = 'uncompressed') {
		if (this.#public === undefined) throw coded(new Error('Failed to get ECDH public key'), 'ERR_CRYPTO_OPERATION_FAILED');
		validateOneOf(format, 'format', ['compressed', 'uncompressed', 'hybrid']);
		const point = Buffer.from(er.keyWrite(this.#public, er.AS_RAW)), { size } = this.#curve, odd = point[2 * size] & 1;
		if (format === 'compressed') return output(Buffer.concat([Buffer.from([2 + odd]), point.subarray(1, size + 1)]), encoding);
		if (format === 'hybrid') point[0] = 6 + odd;
		return output(point, encoding);
	}
	getPrivateKey(encoding) {
		if (this.#private === undefined) throw coded(new Error('Failed to get ECDH private key'), 'ERR_CRYPTO_OPERATION_FAILED');
		return output(Buffer.from(er.keyWrite(this.#private, er.AS_JWK).split('\n')[2], 'base64url'), encoding);
	}
	setPrivateKey(key, encoding) {
		const scalar = bytesOfArgument(key, 'key', encoding), padded = Buffer.alloc(this.#curve.size);
		if (scalar.length > padded.length) throw coded(new Error('Private key is not valid for specified curve.'), 'ERR_CRYPTO_INVALID_KEYPAIR');
		padded.set(scalar, padded.length - scalar.length);
		this.#private = insideOf(privateFromScalar(this.#curve, padded)).handle;
		this.#public = er.keyPublic(this.#private);
	}
	computeSecret(other, inputEncoding, outputEncoding) {
		let key;
		if (this.#private === undefined) throw coded(new RangeError('Invalid key pair'), 'ERR_CRYPTO_INVALID_KEYPAIR');
		try {
			key = insideOf(publicFromPoint(this.#curve, bytesOfArgument(other, 'otherPublicKey', inputEncoding))).handle;
		} catch (e) {
			if (e.code === 'ERR_INVALID_ARG_TYPE') throw e;
			throw coded(new Error('Public key is not valid for specified curve'), 'ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY');
		}
		return output(agreed(this.#private, key), outputEncoding);
	}
}
export const createECDH = (curve) => new ECDH(curve);
export const getCurves = () => ['prime256v1', 'secp384r1', 'secp521r1'];

// ---- keys ----

export { KeyObject, createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, generateKeySync };
const kPromisify = Symbol.for('nodejs.util.promisify.custom');
export function generateKeyPair(type, options, callback) {
	if (typeof options === 'function') [callback, options] = [options, undefined];
	validateFunction(callback, 'callback');
	const { publicKey, privateKey } = generateKeyPairSync(type, options);
	queueMicrotask(() => callback(null, publicKey, privateKey));
}
Object.defineProperty(generateKeyPair, kPromisify, { value: async (type, options) => generateKeyPairSync(type, options), enumerable: false });
export function generateKey(type, options, callback) {
	validateFunction(callback, 'callback');
	const key = generateKeySync(type, options);
	queueMicrotask(() => callback(null, key));
}
const none = (name, instead) => missing(`crypto.${name}`, instead);
const DH = 'use createECDH() or X25519 (diffieHellman with generateKeyPairSync("x25519"))', PRIMES = 'primes are not made on the edge', RAW = 'use sign(), verify(), publicEncrypt() and privateDecrypt()';
export const createDiffieHellman = none('createDiffieHellman', DH), createDiffieHellmanGroup = none('createDiffieHellmanGroup', DH), getDiffieHellman = none('getDiffieHellman', DH), DiffieHellman = none('DiffieHellman', DH), DiffieHellmanGroup = none('DiffieHellmanGroup', DH);
export const checkPrime = none('checkPrime', PRIMES), checkPrimeSync = none('checkPrimeSync', PRIMES), generatePrime = none('generatePrime', PRIMES), generatePrimeSync = none('generatePrimeSync', PRIMES);
export const privateEncrypt = none('privateEncrypt', RAW), publicDecrypt = none('publicDecrypt', RAW), Certificate = none('Certificate', 'SPKAC is not there'), X509Certificate = none('X509Certificate', 'createPublicKey() reads the key of a certificate');
export const setEngine = none('setEngine', 'there are no engines'), getFips = () => 0, setFips = none('setFips', 'there is no such mode'), secureHeapUsed = () => ({ total: 0, used: 0, utilization: 0, min: 0 });
export const constants = { RSA_PKCS1_PADDING: PKCS1, RSA_NO_PADDING: 3, RSA_PKCS1_OAEP_PADDING: OAEP, RSA_X931_PADDING: 5, RSA_PKCS1_PSS_PADDING: PSS, RSA_PSS_SALTLEN_DIGEST: -1, RSA_PSS_SALTLEN_MAX_SIGN: -2, RSA_PSS_SALTLEN_AUTO: -2, POINT_CONVERSION_COMPRESSED: 2, POINT_CONVERSION_UNCOMPRESSED: 4, POINT_CONVERSION_HYBRID: 6, TLS1_VERSION: 769, TLS1_1_VERSION: 770, TLS1_2_VERSION: 771, TLS1_3_VERSION: 772, ENGINE_METHOD_ALL: 65535, ENGINE_METHOD_NONE: 0 };
for (const [name, Class] of Object.entries({ Hash, Hmac, Cipheriv, Decipheriv, Sign, Verify, ECDH })) asNamed(name, Class);

export default {
	webcrypto, subtle, getRandomValues, getHashes, Hash, createHash, hash, Hmac, createHmac, randomFillSync, randomFill, randomBytes, pseudoRandomBytes: randomBytes, rng: randomBytes, prng: randomBytes, randomInt, randomUUID, timingSafeEqual,
	pbkdf2Sync, pbkdf2, scryptSync, scrypt, hkdfSync, hkdf, getCiphers, getCipherInfo, Cipheriv, Decipheriv, createCipheriv, createDecipheriv, Sign, Verify, createSign, createVerify, sign, verify, publicEncrypt, privateDecrypt, diffieHellman, ECDH,
	createECDH, getCurves, KeyObject, createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, generateKeySync, generateKeyPair, generateKey, createDiffieHellman, createDiffieHellmanGroup, getDiffieHellman, DiffieHellman,
	DiffieHellmanGroup, checkPrime, checkPrimeSync, generatePrime, generatePrimeSync, privateEncrypt, publicDecrypt, Certificate, X509Certificate, setEngine, getFips, setFips, secureHeapUsed, constants,
};
