// AES-CTR, AES-CBC, AES-GCM and AES-KW (Web Crypto 25 to 28).
import * as er from './natives.js';
import { taByteLength } from './primordials.js';
import { AES_CBC, AES_CTR, AES_GCM, AES_KW, AS_JWK, AS_RAW, KEY_SECRET } from './contract.js';
import { register } from './subtle-algorithms.js';
import { checkAlg, checkJwk } from './subtle-jwk.js';
import { EMPTY, data, done, makeKey, onlyUsages, operation, secretOf, secretOfJwk, syntax, unsupported } from './subtle-key.js';
import { bufferSource, octet, unsignedShort } from './subtle-webidl.js';

const CRYPTS = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'], WRAPS = ['wrapKey', 'unwrapKey'];
const LENGTH = [['length', unsignedShort, true]];
const fits = (bits) => bits === 128 || bits === 192 || bits === 256;

const generate = (name, allowed) => (p, extractable, usages) => {
	onlyUsages(usages, allowed, name);
	if (!fits(p.length)) throw operation('An AES key has 128, 192 or 256 bits');
	if (usages.length === 0) throw syntax('A secret key needs a usage');
	const handle = done(er.keyGenerate(KEY_SECRET, p.length, undefined), 'There is no key');
	return makeKey(handle, 'secret', { name, length: p.length }, extractable, usages);
};
const jose = (name, bits) => `A${bits}${name === 'AES-KW' ? 'KW' : name === 'AES-GCM' ? 'GCM' : name === 'AES-CBC' ? 'CBC' : 'CTR'}`;
const importKey = (name, allowed) => (p, format, keyData, extractable, usages) => {
	onlyUsages(usages, allowed, name);
	let handle;
	if (format === 'raw') {
		if (!fits(taByteLength(keyData) * 8)) throw data('An AES key has 128, 192 or 256 bits');
		handle = secretOf(keyData);
	} else if (format === 'jwk') {
		checkJwk(keyData, 'oct', 'enc', extractable, usages);
		handle = secretOfJwk(keyData);
		if (!fits(er.keyBits(handle))) throw data('An AES key has 128, 192 or 256 bits');
		checkAlg(keyData, jose(name, er.keyBits(handle)));
	} else throw unsupported(`AES keys have no format '${format}'`);
	return makeKey(handle, 'secret', { name, length: er.keyBits(handle) }, extractable, usages);
};
function exportKey(key, format) {
	if (format === 'raw') return er.keyWrite(key.handle, AS_RAW);
	if (format !== 'jwk') throw unsupported(`AES keys have no format '${format}'`);
	return { kty: 'oct', k: er.keyWrite(key.handle, AS_JWK), alg: jose(key.info.name, key.info.length) };
}
function lengthOf(p) {
	if (!fits(p.length)) throw operation('An AES key has 128, 192 or 256 bits');
	return p.length;
}
const FAILED = 'The data could not be encrypted', REFUSED = 'The data could not be decrypted';
/** The operations of one of them; `way`: (p) → [mode, iv, extra, bits], checked. */
const common = (name, allowed) => ({
	generateKey: { shape: LENGTH, run: generate(name, allowed) },
	importKey: { run: importKey(name, allowed) },
	exportKey: { run: exportKey },
	'get key length': { shape: LENGTH, run: lengthOf },
});

/** encrypt and decrypt; `check` throws, `ivOf`, `extraOf` and `bitsOf` say what goes
 * with `mode`. */
const crypts = (shape, mode, check, ivOf, extraOf, bitsOf) => ({
	encrypt: {
		shape,
		run(p, key, bytes) {
			check(p);
			return done(er.encrypt(/* mode */ mode, /* key */ key.handle, /* iv */ ivOf(p), /* extra */ extraOf(p), /* bits */ bitsOf(p), bytes), FAILED);
		},
	},
	decrypt: {
		shape,
		run(p, key, bytes) {
			check(p);
			return done(er.decrypt(/* mode */ mode, /* key */ key.handle, /* iv */ ivOf(p), /* extra */ extraOf(p), /* bits */ bitsOf(p), bytes), REFUSED);
		},
	},
});
const nothing = () => EMPTY, zero = () => 0;
const block = (bytes, what) => {
	if (taByteLength(bytes) !== 16) throw operation(`The ${what} must have 16 bytes`);
};

register('AES-CTR', {
	...common('AES-CTR', CRYPTS),
	...crypts([['counter', bufferSource, true], ['length', octet, true]], AES_CTR, (p) => {
		block(p.counter, 'counter');
		if (p.length === 0 || p.length > 128) throw operation('The length of the counter must be from 1 to 128 bits');
	}, (p) => p.counter, nothing, (p) => p.length),
});
register('AES-CBC', {
	...common('AES-CBC', CRYPTS),
	...crypts([['iv', bufferSource, true]], AES_CBC, (p) => block(p.iv, 'iv'), (p) => p.iv, nothing, zero),
});
const TAGS = [32, 64, 96, 104, 112, 120, 128];
register('AES-GCM', {
	...common('AES-GCM', CRYPTS),
	...crypts([['additionalData', bufferSource, false], ['iv', bufferSource, true], ['tagLength', octet, false]], AES_GCM, (p) => {
		let ok = p.tagLength === undefined;
		for (let i = 0; i < TAGS.length; i++) ok ||= p.tagLength === TAGS[i];
		if (!ok) throw operation('The length of the tag must be 32, 64, 96, 104, 112, 120 or 128 bits');
	}, (p) => p.iv, (p) => p.additionalData ?? EMPTY, (p) => p.tagLength ?? 128),
});
register('AES-KW', {
	...common('AES-KW', WRAPS),
	wrapKey: {
		run(p, key, bytes) {
			if (taByteLength(bytes) % 8 !== 0) throw operation('AES-KW wraps whole blocks of 8 bytes');
			return done(er.encrypt(/* mode */ AES_KW, /* key */ key.handle, /* iv */ EMPTY, /* extra */ EMPTY, /* bits */ 0, bytes), 'The key could not be wrapped');
		},
	},
	unwrapKey: {
		run: (p, key, bytes) => done(er.decrypt(/* mode */ AES_KW, /* key */ key.handle, /* iv */ EMPTY, /* extra */ EMPTY, /* bits */ 0, bytes), 'The key could not be unwrapped'),
	},
});
