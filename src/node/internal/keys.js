// KeyObject, and keys in all the ways in which Node takes and gives them. A key is one of the
// sandbox (OpenSSL's); what it is, is read out of its DER.
import { Buffer } from '../buffer.js';
import { BITS, INTEGER, OCTETS, SEQUENCE, fromPem, oid, parts, read, toPem, write } from './der.js';
import { ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, coded } from './errors.js';
import { isAnyArrayBuffer, isView, validateObject, validateOneOf, validateString } from './validators.js';
import { isKeyObject } from './types.js';
import { asNamed } from './named.js';

const er = globalThis.__er_node ?? {};

const RSA = '2a864886f70d010101', RSA_PSS = '2a864886f70d01010a', EC = '2a8648ce3d0201';
const CURVES = [
	{ node: 'prime256v1', jwk: 'P-256', oid: '2a8648ce3d030107', kind: er.KEY_P256, size: 32 }, { node: 'secp384r1', jwk: 'P-384', oid: '2b81040022', kind: er.KEY_P384, size: 48 },
	{ node: 'secp521r1', jwk: 'P-521', oid: '2b81040023', kind: er.KEY_P521, size: 66 },
];
const OKP = [
	{ node: 'ed25519', jwk: 'Ed25519', oid: '2b6570', kind: er.KEY_ED25519 }, { node: 'x25519', jwk: 'X25519', oid: '2b656e', kind: er.KEY_X25519 },
	{ node: 'ed448', jwk: 'Ed448', oid: '2b6571', kind: er.KEY_ED448 }, { node: 'x448', jwk: 'X448', oid: '2b656f', kind: er.KEY_X448 },
];
export const curveOf = (name) => CURVES.find((c) => c.node === name || c.jwk === name || (name === 'secp256r1' && c.kind === er.KEY_P256));
export const curveOfKind = (kind) => CURVES.find((c) => c.kind === kind);
export const okpOf = (name) => OKP.find((c) => c.node === name || c.jwk === name);
const okpOfKind = (kind) => OKP.find((c) => c.kind === kind);
const unsupported = (why = 'DECODER routines::unsupported') => coded(new Error(`error:1E08010C:${why}`), 'ERR_OSSL_UNSUPPORTED');

const TOKEN = Symbol('KeyObject');
export class KeyObject {
	#type;
	#handle;
	#kind;
	#bytes;
	constructor(token, type, handle, kind, bytes) {
		if (token !== TOKEN) {
			if (token !== 'secret' && token !== 'public' && token !== 'private') throw new ERR_INVALID_ARG_VALUE('type', token);
			throw new ERR_INVALID_ARG_TYPE('handle', 'object', type);
		}
		this.#type = type;
		this.#handle = handle;
		this.#kind = kind;
		this.#bytes = bytes;
	}
	static from(key) {
		if (!(key instanceof globalThis.CryptoKey)) throw new ERR_INVALID_ARG_TYPE('key', 'CryptoKey', key);
		throw coded(new Error('KeyObject.from() is not there: export the CryptoKey with subtle.exportKey() and give what it says to createPublicKey() or createPrivateKey()'), 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM');
	}
	static is = (value) => typeof value === 'object' && value !== null && #handle in value;
	static inside = (key) => ({ type: key.#type, handle: key.#handle, kind: key.#kind, bytes: key.#bytes });
	get type() {
		return this.#type;
	}
	get symmetricKeySize() {
		return this.#type === 'secret' ? this.#bytes.length : undefined;
	}
	get asymmetricKeyType() {
		if (this.#type === 'secret') return undefined;
		return this.#kind === er.KEY_RSA ? 'rsa' : curveOfKind(this.#kind) ? 'ec' : okpOfKind(this.#kind).node;
	}
	get asymmetricKeyDetails() {
		if (this.#type === 'secret') return undefined;
		if (this.#kind === er.KEY_RSA) {
			const { n, e } = jwkOf(this);
			return { modulusLength: bits(Buffer.from(n, 'base64url')), publicExponent: BigInt(`0x${Buffer.from(e, 'base64url').toString('hex')}`) };
		}
		const curve = curveOfKind(this.#kind);
		return curve ? { namedCurve: curve.node } : {};
	}
	equals(other) {
		if (!KeyObject.is(other)) throw new ERR_INVALID_ARG_TYPE('otherKeyObject', 'KeyObject', other);
		if (other.type !== this.#type) return false;
		const bytes = (key) => (key.type === 'secret' ? KeyObject.inside(key).bytes : exported(key, key.type === 'public' ? er.AS_SPKI : er.AS_PKCS8));
		return er.equal(bytes(this), bytes(other));
	}
	export(options) {
		if (this.#type === 'secret') {
			if (options !== undefined) {
				validateObject(options, 'options');
				validateOneOf(options.format, 'options.format', [undefined, 'buffer', 'jwk']);
				if (options.format === 'jwk') return { kty: 'oct', k: this.#bytes.toString('base64url') };
			}
			return Buffer.from(this.#bytes);
		}
		return exportKey(this, options);
	}
	get [Symbol.toStringTag]() {
		return 'KeyObject';
	}
}
asNamed('KeyObject', KeyObject);
isKeyObject.of = KeyObject.is;
export class SecretKeyObject extends KeyObject {}
export class PublicKeyObject extends KeyObject {}
export class PrivateKeyObject extends KeyObject {}
for (const [name, Class] of Object.entries({ SecretKeyObject, PublicKeyObject, PrivateKeyObject })) asNamed(name, Class);
export const insideOf = KeyObject.inside;
const bits = (bytes) => {
	let at = 0;
	while (bytes[at] === 0) at++;
	return (bytes.length - at) * 8 - Math.clz32(bytes[at]) + 24;
};
const publicKey = (kind, handle) => new PublicKeyObject(TOKEN, 'public', handle, kind);
const privateKey = (kind, handle) => new PrivateKeyObject(TOKEN, 'private', handle, kind);
export const secretKey = (bytes) => new SecretKeyObject(TOKEN, 'secret', undefined, er.KEY_SECRET, bytes);
export const pairOf = (kind, handle) => ({ publicKey: publicKey(kind, er.keyPublic(handle)), privateKey: privateKey(kind, handle) });

// ---- writing ----

const exported = (key, form) => Buffer.from(er.keyWrite(insideOf(key).handle, form));
function jwkOf(key) {
	const { kind, handle, type } = insideOf(key);
	const lines = er.keyWrite(handle, er.AS_JWK).split('\n');
	const name = (names) => Object.fromEntries(names.map((one, i) => [one, lines[i]]));
	if (kind === er.KEY_RSA) return { kty: 'RSA', ...name(type === 'private' ? ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] : ['n', 'e']) };
	const curve = curveOfKind(kind);
	if (curve) return { kty: 'EC', ...name(type === 'private' ? ['x', 'y', 'd'] : ['x', 'y']), crv: curve.jwk };
	return { crv: okpOfKind(kind).jwk, ...name(type === 'private' ? ['x', 'd'] : ['x']), kty: 'OKP' };
}
function exportKey(key, options) {
	validateObject(options, 'options');
	const { format, type } = options, isPrivate = key.type === 'private', { kind } = insideOf(key);
	if (format === 'jwk') return jwkOf(key);
	validateOneOf(format, 'options.format', ['pem', 'der', 'jwk']);
	if (options.cipher !== undefined || options.passphrase !== undefined) throw coded(new Error('keys are not encrypted on the edge: keep them as secrets (er secret put)'), 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM');
	let der, label;
	if (!isPrivate && type === 'pkcs1' && kind === er.KEY_RSA) [label, der] = ['RSA PUBLIC KEY', parts(read(exported(key, er.AS_SPKI)).body)[1].body.subarray(1)];
	else if (!isPrivate && type === 'spki') [label, der] = ['PUBLIC KEY', exported(key, er.AS_SPKI)];
	else if (isPrivate && type === 'pkcs8') [label, der] = ['PRIVATE KEY', exported(key, er.AS_PKCS8)];
	else if (isPrivate && type === 'pkcs1' && kind === er.KEY_RSA) [label, der] = ['RSA PRIVATE KEY', parts(read(exported(key, er.AS_PKCS8)).body)[2].body];
	else if (isPrivate && type === 'sec1' && curveOfKind(kind)) {
		const inner = parts(read(parts(read(exported(key, er.AS_PKCS8)).body)[2].body).body).filter((part) => part.tag !== 0xa0).map((part) => part.all);
		[label, der] = ['EC PRIVATE KEY', write(SEQUENCE, ...inner.slice(0, 2), write(0xa0, oid(curveOfKind(kind).oid)), ...inner.slice(2))];
	} else if (type === 'pkcs1' || (isPrivate && type === 'sec1')) throw coded(new Error(`The selected key encoding ${type} can only be used for ${type === 'pkcs1' ? 'RSA' : 'EC'} keys.`), 'ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS');
	else throw new ERR_INVALID_ARG_VALUE('options.type', type);
	return format === 'pem' ? toPem(label, der) : Buffer.from(der);
}

// ---- reading ----

const algorithm = (curve) => write(SEQUENCE, oid(EC), oid(curve.oid));
const RSA_ALGORITHM = () => write(SEQUENCE, oid(RSA), Buffer.from([5, 0]));
function kindOf(identifier) {
	const [first, second] = parts(identifier.body), name = Buffer.from(first.body).toString('hex');
	if (name === RSA || name === RSA_PSS) return er.KEY_RSA;
	const curve = name === EC ? CURVES.find((c) => c.oid === Buffer.from(second.body).toString('hex')) : OKP.find((c) => c.oid === name);
	if (curve === undefined) throw unsupported();
	return curve.kind;
}
function take(kind, form, isPrivate, source) {
	const handle = er.keyRead(kind, form, isPrivate, source);
	if (handle === undefined) throw unsupported();
	return isPrivate ? privateKey(kind, handle) : publicKey(kind, handle);
}
const fromSpki = (der) => take(kindOf(parts(read(der).body)[0]), er.AS_SPKI, false, read(der).all);
const fromPkcs8 = (der) => take(kindOf(parts(read(der).body)[1]), er.AS_PKCS8, true, read(der).all);
const pkcs8 = (identifier, inner) => write(SEQUENCE, Buffer.from([INTEGER, 1, 0]), identifier, write(OCTETS, inner));
const READERS = {
	'PUBLIC KEY': fromSpki,
	'PRIVATE KEY': fromPkcs8,
	'RSA PUBLIC KEY': (der) => fromSpki(write(SEQUENCE, RSA_ALGORITHM(), write(BITS, Buffer.from([0]), der))),
	'RSA PRIVATE KEY': (der) => fromPkcs8(pkcs8(RSA_ALGORITHM(), der)),
	'EC PRIVATE KEY'(der) {
		const named = parts(read(der).body).find((part) => part.tag === 0xa0);
		const curve = named && CURVES.find((c) => c.oid === Buffer.from(read(named.body).body).toString('hex'));
		if (!curve) throw unsupported();
		return fromPkcs8(pkcs8(algorithm(curve), der));
	},
	CERTIFICATE(der) {
		const fields = parts(parts(read(der).body)[0].body);
		return fromSpki(fields[fields[0].tag === 0xa0 ? 6 : 5].all);
	},
};
READERS['X509 CERTIFICATE'] = READERS['TRUSTED CERTIFICATE'] = READERS.CERTIFICATE;
export function privateFromScalar(curve, scalar) {
	return fromPkcs8(pkcs8(algorithm(curve), write(SEQUENCE, Buffer.from([INTEGER, 1, 1]), write(OCTETS, scalar))));
}
export const publicFromPoint = (curve, point) => take(curve.kind, er.AS_RAW, false, point);

function fromJwk(jwk, isPrivate) {
	validateObject(jwk, 'key.key');
	validateString(jwk.kty, 'key.kty');
	const lines = (names) => names.map((name) => {
		validateString(jwk[name], `key.${name}`);
		return `${jwk[name]}\n`;
	}).join('');
	const made = (kind, names, secrets) => {
		const wanted = isPrivate && jwk.d !== undefined;
		if (isPrivate && !wanted) throw new ERR_INVALID_ARG_TYPE('key.d', 'string', jwk.d);
		return take(kind, er.AS_JWK, wanted, lines(wanted ? [...names, ...secrets] : names));
	};
	const { kty, crv } = jwk;
	validateOneOf(kty, 'key.kty', ['RSA', 'EC', 'OKP']);
	if (kty === 'RSA') return made(er.KEY_RSA, ['n', 'e'], ['d', 'p', 'q', 'dp', 'dq', 'qi']);
	const curve = kty === 'EC' ? curveOf(crv) : okpOf(crv);
	if (curve === undefined) throw coded(new Error('Invalid JWK data'), 'ERR_CRYPTO_INVALID_JWK');
	return made(curve.kind, kty === 'EC' ? ['x', 'y'] : ['x'], ['d']);
}
function fromText(text) {
	const pem = fromPem(text);
	if (pem === undefined) throw unsupported();
	if (pem.encrypted) throw coded(new TypeError('Passphrase required for encrypted key'), 'ERR_MISSING_PASSPHRASE');
	const reader = READERS[pem.label];
	if (reader === undefined) throw unsupported();
	try {
		return reader(pem.der);
	} catch (e) {
		throw e.code === undefined ? unsupported() : e;
	}
}
function fromDer(der, type, isPrivate) {
	const reader = { spki: 'PUBLIC KEY', pkcs8: 'PRIVATE KEY', sec1: 'EC PRIVATE KEY', pkcs1: isPrivate ? 'RSA PRIVATE KEY' : 'RSA PUBLIC KEY' }[type];
	if (reader === undefined) throw new ERR_INVALID_ARG_VALUE('options.type', type);
	try {
		return READERS[reader](der);
	} catch (e) {
		throw e.code === undefined ? unsupported() : e;
	}
}
export const bytesOfArgument = (value, name, encoding) => {
	if (typeof value === 'string') return Buffer.from(value, encoding === 'buffer' ? 'utf8' : encoding);
	if (isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
	if (isAnyArrayBuffer(value)) return Buffer.from(value);
	throw new ERR_INVALID_ARG_TYPE(name, ['string', 'ArrayBuffer', 'Buffer', 'TypedArray', 'DataView'], value);
};
const EXPECTED = ['string', 'ArrayBuffer', 'Buffer', 'TypedArray', 'DataView', 'KeyObject', 'CryptoKey'];
function anyKey(key, isPrivate) {
	if (KeyObject.is(key)) return key;
	if (typeof key === 'string') return fromText(key);
	if (isView(key) || isAnyArrayBuffer(key)) return fromText(bytesOfArgument(key, 'key').toString('latin1'));
	if (typeof key !== 'object' || key === null) throw new ERR_INVALID_ARG_TYPE('key', EXPECTED, key);
	const { key: data, format } = key;
	if (KeyObject.is(data)) return data;
	if (format === 'jwk') return fromJwk(data, isPrivate);
	if (typeof data !== 'string' && !isView(data) && !isAnyArrayBuffer(data)) throw new ERR_INVALID_ARG_TYPE('key.key', EXPECTED, data);
	if (format !== undefined) validateOneOf(format, 'key.format', ['pem', 'der', 'jwk']);
	if (format === 'der') return fromDer(bytesOfArgument(data, 'key.key', key.encoding), key.type, isPrivate);
	return fromText(bytesOfArgument(data, 'key.key', key.encoding).toString('latin1'));
}
export function createPrivateKey(key) {
	if (KeyObject.is(key)) throw new ERR_INVALID_ARG_TYPE('key', EXPECTED.slice(0, 5), key);
	const made = anyKey(key, true);
	if (made.type !== 'private') throw unsupported();
	return made;
}
export function toPublic(key) {
	if (key.type === 'public') return key;
	const { kind, handle } = insideOf(key);
	return publicKey(kind, er.keyPublic(handle));
}
export function createPublicKey(key) {
	if (KeyObject.is(key) && key.type !== 'private') throw new ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE(key.type, 'private');
	const inner = key?.key;
	if (key?.format === 'jwk') return fromJwk(inner, false);
	return toPublic(anyKey(key, key?.type === 'pkcs8' || key?.type === 'sec1'));
}
export function createSecretKey(key, encoding) {
	const bytes = Buffer.from(bytesOfArgument(key, 'key', encoding));
	return secretKey(bytes);
}
/** For signing or decrypting, and for the other way. */
export function wanted(key, isPrivate) {
	const made = anyKey(key, isPrivate);
	if (made.type === 'secret') throw new ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE('secret', isPrivate ? 'private' : 'private or public');
	if (isPrivate && made.type !== 'private' && !KeyObject.is(key)) throw unsupported();
	if (isPrivate && made.type !== 'private') throw new ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE(made.type, 'private');
	return isPrivate ? made : toPublic(made);
}
/** Of a MAC or a cipher: the bytes of a secret. */
export function secretBytes(key, name, encoding) {
	if (KeyObject.is(key)) {
		if (key.type !== 'secret') throw new ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE(key.type, 'secret');
		return insideOf(key).bytes;
	}
	if (typeof key !== 'string' && !isView(key) && !isAnyArrayBuffer(key)) throw new ERR_INVALID_ARG_TYPE(name, ['ArrayBuffer', 'Buffer', 'TypedArray', 'DataView', 'string', 'KeyObject', 'CryptoKey'], key);
	return bytesOfArgument(key, name, encoding);
}

// ---- making ----

export function generateKeyPairSync(type, options = {}) {
	validateString(type, 'type');
	let pair;
	if (type === 'rsa' || type === 'rsa-pss') {
		const { modulusLength, publicExponent = 0x10001 } = options;
		if (typeof modulusLength !== 'number') throw new ERR_INVALID_ARG_TYPE('options.modulusLength', 'number', modulusLength);
		const hex = publicExponent.toString(16);
		pair = make(er.KEY_RSA, modulusLength, Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex'));
	} else if (type === 'ec') {
		validateString(options.namedCurve, 'options.namedCurve');
		const curve = curveOf(options.namedCurve);
		if (curve === undefined) throw coded(new TypeError('Invalid EC curve name'), 'ERR_CRYPTO_INVALID_CURVE');
		pair = make(curve.kind, 0, Buffer.alloc(0));
	} else {
		const curve = OKP.find((c) => c.node === type);
		if (curve === undefined) throw new ERR_INVALID_ARG_VALUE('type', type, 'must be a supported key type');
		pair = make(curve.kind, 0, Buffer.alloc(0));
	}
	const { publicKeyEncoding, privateKeyEncoding } = options;
	return { publicKey: publicKeyEncoding ? pair.publicKey.export(publicKeyEncoding) : pair.publicKey, privateKey: privateKeyEncoding ? pair.privateKey.export(privateKeyEncoding) : pair.privateKey };
}
function make(kind, size, exponent) {
	const handle = er.keyGenerate(kind, size, exponent);
	if (handle === undefined) throw coded(new Error('Key generation failed'), 'ERR_OSSL_RSA_KEY_SIZE_TOO_SMALL');
	return pairOf(kind, handle);
}
export function generateKeySync(type, { length }) {
	validateOneOf(type, 'type', ['hmac', 'aes']);
	if (type === 'aes') validateOneOf(length, 'options.length', [128, 192, 256]);
	else if (!(length >= 8 && length <= 2147483647)) throw new ERR_OUT_OF_RANGE('options.length', '>= 8 && <= 2147483647', length);
	const bytes = Buffer.alloc(Math.floor(length / 8));
	er.randomFill(bytes);
	return secretKey(bytes);
}
