/* global shared */
// The lazy script "subtle": SubtleCrypto and CryptoKey (Web Crypto 14). A method converts its
// arguments, then normalizes the algorithm, then does the work at once: natives run on this thread,
// and their time is the request's. So a buffer's bytes are taken where they lie, and what the
// routine does to the buffer after the call comes too late. What goes wrong rejects the promise.
import * as er from './natives.js';
import { TypeErr, isArray, jsonParse, jsonStringify, rejected, resolved, setPrototypeOf, taBuffer, taByteLength, u8Fill } from './primordials.js';
import { INTERNAL, brand, finish, illegal, need } from './webidl.js';
import { normalize } from './subtle-algorithms.js';
import { jwkFromJson, ordered } from './subtle-jwk.js';
import { CryptoKey, access, cloneKey, data as dataError, done, has, intersect, slotsOf, syntax } from './subtle-key.js';
import { algorithmIdentifier, bufferSource, bytesOf, isBuffer, jsonWebKey, keyFormat, keyUsages } from './subtle-webidl.js';
import './subtle-hmac.js';
import './subtle-aes.js';
import './subtle-rsa.js';
import './subtle-ec.js';
import './subtle-okp.js';
import './subtle-kdf.js';

/** The key may be used so, with this algorithm. */
function allow(p, key, usage) {
	if (p.name !== key.info.name) throw access(`The key is for ${key.info.name}, not for ${p.name}`);
	if (!has(key.usages, usage)) throw access(`The key cannot be used for '${usage}'`);
}

// ---- what the methods do, with converted arguments; a key is its slots ----

function crypt(usage, algorithm, key, source) {
	const p = normalize(algorithm, usage);
	allow(p, key, usage);
	return taBuffer(p.operation.run(p, key, bytesOf(source)));
}
function verify(algorithm, key, signature, source) {
	const p = normalize(algorithm, 'verify');
	allow(p, key, 'verify');
	return p.operation.run(p, key, bytesOf(signature), bytesOf(source));
}
function digest(algorithm, source) {
	const p = normalize(algorithm, 'digest');
	return taBuffer(done(er.digest(p.algorithm.number, bytesOf(source)), 'There is no digest'));
}
function importKey(format, keyData, algorithm, extractable, usages) {
	const p = normalize(algorithm, 'importKey');
	const bytes = isBuffer(keyData);
	if ((format === 'jwk') === bytes) throw new TypeErr(bytes ? 'A key as jwk is a JsonWebKey, not a buffer' : `A key as ${format} is a buffer`);
	return importAs(p, format, bytes ? bytesOf(keyData) : keyData, extractable, usages);
}
function importAs(p, format, keyData, extractable, usages) {
	const key = p.operation.run(p, format, keyData, extractable, usages);
	const slots = slotsOf(key);
	if (slots.type !== 'public' && slots.usages.length === 0) throw syntax(`A ${slots.type} key needs a usage`);
	return key;
}
/** Bytes, or a JsonWebKey; `plain`: one that inherits nothing. */
function written(key, format, plain) {
	const p = normalize(key.info.name, 'exportKey');
	if (!key.extractable) throw access('The key is not extractable');
	const out = p.operation.run(key, format);
	if (format !== 'jwk') return out;
	return ordered({ __proto__: null, ...out, ext: true, key_ops: intersect(key.usages, key.usages) }, plain);
}
function exportKey(format, key) {
	const out = written(key, format, false);
	return format === 'jwk' ? out : taBuffer(out);
}
function deriveBits(algorithm, key, length) {
	const p = normalize(algorithm, 'deriveBits');
	allow(p, key, 'deriveBits');
	return taBuffer(p.operation.run(p, key, length));
}
function deriveKey(algorithm, key, type, extractable, usages) {
	const p = normalize(algorithm, 'deriveBits');
	const to = normalize(type, 'importKey');
	const measure = normalize(type, 'get key length');
	allow(p, key, 'deriveKey');
	const length = measure.operation.run(measure);
	return wiped(p.operation.run(p, key, length), (secret) => importAs(to, 'raw', secret, extractable, usages));
}
/** What `use` makes of secret bytes, which nobody needs then. */
function wiped(bytes, use) {
	try {
		return use(bytes);
	} finally {
		u8Fill(bytes, 0);
	}
}
function wrapKey(format, key, wrappingKey, algorithm) {
	const p = normalize(algorithm, 'wrapKey', 'encrypt');
	allow(p, wrappingKey, 'wrapKey');
	const out = written(key, format, true);
	return taBuffer(wiped(format === 'jwk' ? jwkBytes(out, p.name) : out, (bytes) => p.operation.run(p, wrappingKey, bytes)));
}
/** AES-KW takes blocks of 8 bytes: JSON may have white space at its end. */
function jwkBytes(jwk, name) {
	setPrototypeOf(jwk.key_ops, null);
	let json = jsonStringify(jwk);
	if (name === 'AES-KW') while (json.length % 8 !== 0) json += ' ';
	return er.utf8Encode(json);
}
function unwrapKey(format, wrapped, unwrappingKey, algorithm, keyAlgorithm, extractable, usages) {
	const p = normalize(algorithm, 'unwrapKey', 'decrypt');
	const to = normalize(keyAlgorithm, 'importKey');
	allow(p, unwrappingKey, 'unwrapKey');
	return wiped(p.operation.run(p, unwrappingKey, bytesOf(wrapped)), (bytes) => importAs(to, format, format === 'jwk' ? jwkFromBytes(bytes) : bytes, extractable, usages));
}
function jwkFromBytes(bytes) {
	let v;
	try {
		v = jwkFromJson(jsonParse(er.utf8Decode(bytes, false, false)));
	} catch {}
	if (v === undefined) throw dataError('What was unwrapped is no JsonWebKey');
	return v;
}

// ---- the interface ----

const promised = (f) => {
	try {
		return resolved(f());
	} catch (e) {
		return rejected(e);
	}
};
const cryptoKey = (v, what) => {
	const slots = slotsOf(v);
	if (slots === undefined) throw new TypeErr(`The ${what} must be a CryptoKey`);
	return slots;
};
const keyOrBuffer = (v) => (isBuffer(v) ? bufferSource(v, 'The key') : jsonWebKey(v));
/** unsigned long? */
const bits = (v) => (v === undefined || v === null ? null : v >>> 0);

let isSubtle;
function check(self, name, given, wanted) {
	if (!isSubtle(self)) throw brand('SubtleCrypto', name);
	need(given, wanted, `'${name}' on 'SubtleCrypto'`);
}

class SubtleCrypto {
	#brand;
	constructor(token = undefined) {
		if (token !== INTERNAL) throw illegal('SubtleCrypto');
	}
	encrypt(algorithm, key, data) {
		return promised(() => {
			check(this, 'encrypt', arguments.length, 3);
			return crypt('encrypt', algorithmIdentifier(algorithm), cryptoKey(key, 'key'), bufferSource(data, 'The data'));
		});
	}
	decrypt(algorithm, key, data) {
		return promised(() => {
			check(this, 'decrypt', arguments.length, 3);
			return crypt('decrypt', algorithmIdentifier(algorithm), cryptoKey(key, 'key'), bufferSource(data, 'The data'));
		});
	}
	sign(algorithm, key, data) {
		return promised(() => {
			check(this, 'sign', arguments.length, 3);
			return crypt('sign', algorithmIdentifier(algorithm), cryptoKey(key, 'key'), bufferSource(data, 'The data'));
		});
	}
	verify(algorithm, key, signature, data) {
		return promised(() => {
			check(this, 'verify', arguments.length, 4);
			return verify(algorithmIdentifier(algorithm), cryptoKey(key, 'key'), bufferSource(signature, 'The signature'), bufferSource(data, 'The data'));
		});
	}
	digest(algorithm, data) {
		return promised(() => {
			check(this, 'digest', arguments.length, 2);
			return digest(algorithmIdentifier(algorithm), bufferSource(data, 'The data'));
		});
	}
	generateKey(algorithm, extractable, keyUsages_) {
		return promised(() => {
			check(this, 'generateKey', arguments.length, 3);
			const alg = algorithmIdentifier(algorithm), may = !!extractable, usages = keyUsages(keyUsages_);
			const p = normalize(alg, 'generateKey');
			return p.operation.run(p, may, usages);
		});
	}
	deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages_) {
		return promised(() => {
			check(this, 'deriveKey', arguments.length, 5);
			const alg = algorithmIdentifier(algorithm), key = cryptoKey(baseKey, 'base key'), type = algorithmIdentifier(derivedKeyType);
			return deriveKey(alg, key, type, !!extractable, keyUsages(keyUsages_));
		});
	}
	deriveBits(algorithm, baseKey, length = null) {
		return promised(() => {
			check(this, 'deriveBits', arguments.length, 2);
			return deriveBits(algorithmIdentifier(algorithm), cryptoKey(baseKey, 'base key'), bits(length));
		});
	}
	importKey(format, keyData, algorithm, extractable, keyUsages_) {
		return promised(() => {
			check(this, 'importKey', arguments.length, 5);
			const as = keyFormat(format, 'The format'), source = keyOrBuffer(keyData), alg = algorithmIdentifier(algorithm);
			return importKey(as, source, alg, !!extractable, keyUsages(keyUsages_));
		});
	}
	exportKey(format, key) {
		return promised(() => {
			check(this, 'exportKey', arguments.length, 2);
			return exportKey(keyFormat(format, 'The format'), cryptoKey(key, 'key'));
		});
	}
	wrapKey(format, key, wrappingKey, wrapAlgorithm) {
		return promised(() => {
			check(this, 'wrapKey', arguments.length, 4);
			return wrapKey(keyFormat(format, 'The format'), cryptoKey(key, 'key'), cryptoKey(wrappingKey, 'wrapping key'), algorithmIdentifier(wrapAlgorithm));
		});
	}
	unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages_) {
		return promised(() => {
			check(this, 'unwrapKey', arguments.length, 7);
			const as = keyFormat(format, 'The format'), wrapped = bufferSource(wrappedKey, 'The wrapped key');
			const key = cryptoKey(unwrappingKey, 'unwrapping key'), alg = algorithmIdentifier(unwrapAlgorithm), to = algorithmIdentifier(unwrappedKeyAlgorithm);
			return unwrapKey(as, wrapped, key, alg, to, !!extractable, keyUsages(keyUsages_));
		});
	}
	/** Not of the standard: whether two buffers of one length hold the same, in a time that does
	 * not say where they differ. */
	timingSafeEqual(a, b) {
		check(this, 'timingSafeEqual', arguments.length, 2);
		const one = bytesOf(bufferSource(a, 'The first argument')), other = bytesOf(bufferSource(b, 'The second argument'));
		if (taByteLength(one) !== taByteLength(other)) throw new TypeErr('timingSafeEqual compares buffers of the same length');
		return er.equal(one, other);
	}
	static {
		isSubtle = (v) => typeof v === 'object' && v !== null && #brand in v;
	}
}
finish(SubtleCrypto, 'SubtleCrypto', 0);

shared.made = { SubtleCrypto, CryptoKey, subtle: new SubtleCrypto(INTERNAL), slotsOf, cloneKey };
