// ECDSA and ECDH over the curves of NIST (Web Crypto 23 and 24).
import * as er from './natives.js';
import { KEY_P256, KEY_P384, KEY_P521, SIGN_ECDSA } from './contract.js';
import { register } from './subtle-algorithms.js';
import { firstBits } from './subtle-derived.js';
import { checkAlg, checkJwk } from './subtle-jwk.js';
import { access, cryptoKeyMember, data, done, makeKey, onlyUsages, slotsOf, unsupported } from './subtle-key.js';
import { makePair, needPrivate, readJwk, readPkcs8, readRaw, readSpki, writeBytes, writeJwk } from './subtle-pair.js';
import { algorithmIdentifier, text } from './subtle-webidl.js';

const CURVES = { __proto__: null, 'P-256': KEY_P256, 'P-384': KEY_P384, 'P-521': KEY_P521 };
const ALGS = { __proto__: null, 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const SIGNS = { public: ['verify'], private: ['sign'], all: ['sign', 'verify'], use: 'sig' };
const DERIVES = { public: [], private: ['deriveKey', 'deriveBits'], all: ['deriveKey', 'deriveBits'], use: 'enc' };
const CURVE = [['namedCurve', text, true]];
const PUBLIC = ['x', 'y'], PRIVATE = ['x', 'y', 'd'];

const unknown = (curve) => unsupported(`'${curve}' is no curve that is known here`);
const generate = (name, of) => (p, extractable, usages) => {
	onlyUsages(usages, of.all, name);
	const kind = CURVES[p.namedCurve];
	if (kind === undefined) throw unknown(p.namedCurve);
	needPrivate(usages, of);
	const handle = done(er.keyGenerate(kind, 0, undefined), 'There is no key');
	return makePair(handle, { name, namedCurve: p.namedCurve }, extractable, usages, of);
};
const importKey = (name, of) => (p, format, keyData, extractable, usages) => {
	const isPrivate = format === 'pkcs8' || (format === 'jwk' && keyData.d !== undefined);
	const kind = CURVES[p.namedCurve];
	if (kind === undefined) throw unknown(p.namedCurve);
	onlyUsages(usages, isPrivate ? of.private : of.public, name);
	let handle;
	if (format === 'spki') handle = readSpki(kind, keyData);
	else if (format === 'pkcs8') handle = readPkcs8(kind, keyData);
	else if (format === 'raw') handle = readRaw(kind, keyData);
	else {
		checkJwk(keyData, 'EC', of.use, extractable, usages);
		if (keyData.crv !== p.namedCurve) throw data(`The JWK's "crv" must be "${p.namedCurve}"`);
		if (name === 'ECDSA') checkAlg(keyData, ALGS[p.namedCurve]);
		handle = readJwk(kind, isPrivate, keyData, isPrivate ? PRIVATE : PUBLIC);
	}
	return makeKey(handle, isPrivate ? 'private' : 'public', { name, namedCurve: p.namedCurve }, extractable, usages);
};
function exportKey(key, format) {
	if (format !== 'jwk') return writeBytes(key, format, true);
	return writeJwk(key, { kty: 'EC', crv: key.info.namedCurve }, key.type === 'private' ? PRIVATE : PUBLIC);
}
const common = (name, of) => ({
	generateKey: { shape: CURVE, run: generate(name, of) },
	importKey: { shape: CURVE, run: importKey(name, of) },
	exportKey: { run: exportKey },
});
const HASH = [['hash', algorithmIdentifier, true]];
register('ECDSA', {
	...common('ECDSA', SIGNS),
	sign: {
		shape: HASH,
		run(p, key, bytes) {
			if (key.type !== 'private') throw access('A private key signs');
			return done(er.sign(/* scheme */ SIGN_ECDSA, /* key */ key.handle, /* hash */ p.hash.number, /* salt */ 0, bytes), 'The message could not be signed');
		},
	},
	verify: {
		shape: HASH,
		run(p, key, signature, bytes) {
			if (key.type !== 'public') throw access('A public key verifies');
			return er.verify(/* scheme */ SIGN_ECDSA, /* key */ key.handle, /* hash */ p.hash.number, /* salt */ 0, signature, bytes);
		},
	},
});

export const PUBLIC_KEY = [['public', cryptoKeyMember, true]];
/** deriveBits of two keys: of ECDH, and of X25519 and X448. */
export function agree(p, key, bits) {
	const other = slotsOf(p.public);
	if (key.type !== 'private') throw access('A private key derives');
	if (other.type !== 'public') throw access('The key of the other side must be a public one');
	if (other.info.name !== key.info.name || other.info.namedCurve !== key.info.namedCurve) throw access('The keys are not of one algorithm and curve');
	return firstBits(done(er.agree(key.handle, other.handle), 'The keys have no secret in common'), bits);
}
register('ECDH', { ...common('ECDH', DERIVES), deriveBits: { shape: PUBLIC_KEY, run: agree } });
