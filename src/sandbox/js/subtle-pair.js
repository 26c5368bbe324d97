// What RSA, EC and the curves of RFC 7748 and 8032 have in common: pairs of keys, and the formats
// spki, pkcs8, raw and jwk.
import * as er from './natives.js';
import { strSplit } from './primordials.js';
import { AS_JWK, AS_PKCS8, AS_RAW, AS_SPKI } from './contract.js';
import { access, data, done, intersect, makeKey, syntax, unsupported } from './subtle-key.js';
import { member } from './subtle-jwk.js';

/** CryptoKeyPair. `of`: usages that the public and the private half can have. */
export function makePair(handle, info, extractable, usages, of) {
	const publicKey = makeKey(done(er.keyPublic(handle), 'There is no key'), 'public', info, true, intersect(usages, of.public));
	return { privateKey: makeKey(handle, 'private', info, extractable, intersect(usages, of.private)), publicKey };
}
export function needPrivate(usages, of) {
	if (intersect(usages, of.private).length === 0) throw syntax('A private key needs a usage');
}

const read = (kind, form, isPrivate, source) => {
	const handle = er.keyRead(kind, form, isPrivate, source);
	if (handle === undefined) throw data('That is no such key');
	return handle;
};
export const readSpki = (kind, bytes) => read(kind, AS_SPKI, false, bytes);
export const readPkcs8 = (kind, bytes) => read(kind, AS_PKCS8, true, bytes);
export const readRaw = (kind, bytes) => read(kind, AS_RAW, false, bytes);
/** `names`: the members of a JWK that the native takes, in its order. */
export function readJwk(kind, isPrivate, jwk, names) {
	let text = '';
	for (let i = 0; i < names.length; i++) text += `${member(jwk, names[i])}\n`;
	return read(kind, AS_JWK, isPrivate, text);
}
export function writeJwk(key, out, names) {
	const parts = strSplit(er.keyWrite(key.handle, AS_JWK), '\n');
	for (let i = 0; i < names.length; i++) out[names[i]] = parts[i];
	return out;
}
function want(key, type, format) {
	if (key.type !== type) throw access(`A ${key.type} key has no format '${format}'`);
}
/** raw only where there is such a format. */
export function writeBytes(key, format, hasRaw) {
	if (format === 'spki' || (format === 'raw' && hasRaw)) {
		want(key, 'public', format);
		return done(er.keyWrite(key.handle, format === 'raw' ? AS_RAW : AS_SPKI), 'The key could not be written');
	}
	if (format !== 'pkcs8') throw unsupported(`${key.info.name} keys have no format '${format}'`);
	want(key, 'private', format);
	return done(er.keyWrite(key.handle, AS_PKCS8), 'The key could not be written');
}
