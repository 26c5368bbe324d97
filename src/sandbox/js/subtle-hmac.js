// HMAC (Web Crypto 29).
import * as er from './natives.js';
import { TypeErr, copyBytes, taByteLength, taLength, u8Fill } from './primordials.js';
import { AS_JWK, AS_RAW, KEY_SECRET } from './contract.js';
import { hashOf, register } from './subtle-algorithms.js';
import { checkAlg, checkJwk } from './subtle-jwk.js';
import { data, done, makeKey, onlyUsages, operation, secretOf, secretOfJwk, syntax, unsupported } from './subtle-key.js';
import { algorithmIdentifier, unsignedLong } from './subtle-webidl.js';

const USED = ['sign', 'verify'];
const PARAMS = [['hash', algorithmIdentifier, true], ['length', unsignedLong, false]];

function generate(p, extractable, usages) {
	onlyUsages(usages, USED, 'HMAC');
	const length = p.length ?? p.hash.block;
	if (length === 0) throw operation('The length of a key must not be 0');
	if (usages.length === 0) throw syntax('A secret key needs a usage');
	const handle = done(er.keyGenerate(KEY_SECRET, length, undefined), 'There can be no key of this length');
	return makeKey(handle, 'secret', { name: 'HMAC', hash: p.hash.name, length }, extractable, usages);
}

/** The key's bytes: without the bits beyond `length`, which there may be up to 7 of. */
function cut(bytes, bits) {
	if (bits % 8 === 0) return bytes;
	const out = copyBytes(bytes);
	out[taLength(out) - 1] &= 0xff00 >> bits % 8;
	return out;
}
function importKey(p, format, keyData, extractable, usages) {
	onlyUsages(usages, USED, 'HMAC');
	let bytes;
	if (format === 'raw') bytes = keyData;
	else if (format === 'jwk') {
		checkJwk(keyData, 'oct', 'sig', extractable, usages);
		bytes = er.keyWrite(secretOfJwk(keyData), AS_RAW);
		checkAlg(keyData, `HS${p.hash.jose}`);
	} else throw unsupported(`HMAC keys have no format '${format}'`);
	const bits = taByteLength(bytes) * 8;
	if (bits === 0) throw data('An HMAC key must not be empty');
	const length = p.length ?? bits;
	if (length > bits || length <= bits - 8) throw data(`An HMAC key of ${bits} bits has no length of ${length} bits`);
	const handle = secretOf(cut(bytes, length));
	if (format === 'jwk') u8Fill(bytes, 0); // a copy of ours
	return makeKey(handle, 'secret', { name: 'HMAC', hash: p.hash.name, length }, extractable, usages);
}
function exportKey(key, format) {
	if (format === 'raw') return er.keyWrite(key.handle, AS_RAW);
	if (format !== 'jwk') throw unsupported(`HMAC keys have no format '${format}'`);
	return { kty: 'oct', k: er.keyWrite(key.handle, AS_JWK), alg: `HS${hashOf(key.info.hash).jose}` };
}
function lengthOf(p) {
	if (p.length === 0) throw new TypeErr('The length of a key must not be 0');
	return p.length ?? p.hash.block;
}

register('HMAC', {
	generateKey: { shape: PARAMS, run: generate },
	importKey: { shape: PARAMS, run: importKey },
	exportKey: { run: exportKey },
	'get key length': { shape: PARAMS, run: lengthOf },
	sign: { run: (p, key, bytes) => done(er.mac(hashOf(key.info.hash).number, key.handle, bytes), 'The message could not be signed') },
	verify: {
		run: (p, key, signature, bytes) => er.macVerify(/* hash */ hashOf(key.info.hash).number, /* key */ key.handle, bytes, /* mac */ signature),
	},
});
