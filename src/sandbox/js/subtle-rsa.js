// RSASSA-PKCS1-v1_5, RSA-PSS and RSA-OAEP (Web Crypto 20 to 22).
import * as er from './natives.js';
import { taLength } from './primordials.js';
import { KEY_RSA, SIGN_PKCS1, SIGN_PSS } from './contract.js';
import { hashOf, register } from './subtle-algorithms.js';
import { checkAlg, checkJwk } from './subtle-jwk.js';
import { EMPTY, access, data, done, makeKey, onlyUsages, operation, unsupported } from './subtle-key.js';
import { makePair, needPrivate, readJwk, readPkcs8, readSpki, writeBytes, writeJwk } from './subtle-pair.js';
import { algorithmIdentifier, bigInteger, bufferSource, unsignedLong } from './subtle-webidl.js';

const SIGNS = { public: ['verify'], private: ['sign'], all: ['sign', 'verify'], use: 'sig' };
const CRYPTS = { public: ['encrypt', 'wrapKey'], private: ['decrypt', 'unwrapKey'], all: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'], use: 'enc' };
const GENERATE = [['modulusLength', unsignedLong, true], ['publicExponent', bigInteger, true], ['hash', algorithmIdentifier, true]];
const IMPORT = [['hash', algorithmIdentifier, true]];
const PUBLIC = ['n', 'e'], PRIVATE = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'];

const infoOf = (name, handle, hash) => ({ name, hash, modulusLength: er.keyBits(handle), publicExponent: er.keyExponent(handle) });
/** Is it odd, above 1 and of 8 bytes at most? Asked before anything that takes long. */
function isExponent(bytes) {
	let at = 0;
	const n = taLength(bytes);
	while (at < n && bytes[at] === 0) at++;
	return at < n && n - at <= 8 && bytes[n - 1] % 2 === 1 && !(at === n - 1 && bytes[at] === 1);
}
const generate = (name, of) => (p, extractable, usages) => {
	onlyUsages(usages, of.all, name);
	if (!isExponent(p.publicExponent)) throw operation('The public exponent must be odd, above 1, and of 8 bytes at most');
	needPrivate(usages, of);
	const handle = done(er.keyGenerate(KEY_RSA, p.modulusLength, p.publicExponent), 'There is no RSA key of this length with this exponent');
	return makePair(handle, infoOf(name, handle, p.hash.name), extractable, usages, of);
};
const importKey = (name, of, algOf) => (p, format, keyData, extractable, usages) => {
	let handle;
	const isPrivate = format === 'pkcs8' || (format === 'jwk' && keyData.d !== undefined);
	onlyUsages(usages, isPrivate ? of.private : of.public, name);
	if (format === 'spki') handle = readSpki(KEY_RSA, keyData);
	else if (format === 'pkcs8') handle = readPkcs8(KEY_RSA, keyData);
	else if (format === 'jwk') {
		checkJwk(keyData, 'RSA', of.use, extractable, usages);
		checkAlg(keyData, algOf(p.hash));
		if (keyData.oth !== undefined) throw data('RSA keys of more than two primes are not supported');
		handle = readJwk(KEY_RSA, isPrivate, keyData, isPrivate ? PRIVATE : PUBLIC);
	} else throw unsupported(`${name} keys have no format '${format}'`);
	return makeKey(handle, isPrivate ? 'private' : 'public', infoOf(name, handle, p.hash.name), extractable, usages);
};
const exportKey = (algOf) => (key, format) => {
	if (format !== 'jwk') return writeBytes(key, format, false);
	return writeJwk(key, { kty: 'RSA', alg: algOf(hashOf(key.info.hash)) }, key.type === 'private' ? PRIVATE : PUBLIC);
};
const common = (name, of, algOf) => ({
	generateKey: { shape: GENERATE, run: generate(name, of) },
	importKey: { shape: IMPORT, run: importKey(name, of, algOf) },
	exportKey: { run: exportKey(algOf) },
});
function need(key, type) {
	if (key.type !== type) throw access(`That takes a ${type} key`);
}
const numberOf = (key) => hashOf(key.info.hash).number;
const signs = (shape, scheme) => ({
	sign: {
		shape,
		run(p, key, bytes) {
			need(key, 'private');
			return done(er.sign(scheme, /* key */ key.handle, /* hash */ numberOf(key), /* salt */ p.saltLength ?? 0, bytes), 'The message could not be signed');
		},
	},
	verify: {
		shape,
		run(p, key, signature, bytes) {
			need(key, 'public');
			return er.verify(scheme, /* key */ key.handle, /* hash */ numberOf(key), /* salt */ p.saltLength ?? 0, signature, bytes);
		},
	},
});

register('RSASSA-PKCS1-v1_5', { ...common('RSASSA-PKCS1-v1_5', SIGNS, (hash) => `RS${hash.jose}`), ...signs([], SIGN_PKCS1) });
register('RSA-PSS', { ...common('RSA-PSS', SIGNS, (hash) => `PS${hash.jose}`), ...signs([['saltLength', unsignedLong, true]], SIGN_PSS) });

const LABEL = [['label', bufferSource, false]];
register('RSA-OAEP', {
	...common('RSA-OAEP', CRYPTS, (hash) => (hash.jose === '1' ? 'RSA-OAEP' : `RSA-OAEP-${hash.jose}`)),
	encrypt: {
		shape: LABEL,
		run(p, key, bytes) {
			need(key, 'public');
			return done(er.rsaEncrypt(/* key */ key.handle, /* hash */ numberOf(key), /* label */ p.label ?? EMPTY, bytes), 'The data could not be encrypted');
		},
	},
	decrypt: {
		shape: LABEL,
		run(p, key, bytes) {
			need(key, 'private');
			return done(er.rsaDecrypt(/* key */ key.handle, /* hash */ numberOf(key), /* label */ p.label ?? EMPTY, bytes), 'The data could not be decrypted');
		},
	},
});
