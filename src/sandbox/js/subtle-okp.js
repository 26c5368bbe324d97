// Ed25519 and X25519 (Web Crypto 30 and 31), and their longer sisters Ed448 and X448.
import * as er from './natives.js';
import { taByteLength } from './primordials.js';
import { KEY_ED25519, KEY_ED448, KEY_X25519, KEY_X448, SIGN_EDDSA } from './contract.js';
import { register } from './subtle-algorithms.js';
import { PUBLIC_KEY, agree } from './subtle-ec.js';
import { checkJwk } from './subtle-jwk.js';
import { access, data, done, makeKey, onlyUsages, operation } from './subtle-key.js';
import { makePair, needPrivate, readJwk, readPkcs8, readRaw, readSpki, writeBytes, writeJwk } from './subtle-pair.js';
import { bufferSource } from './subtle-webidl.js';

const SIGNS = { public: ['verify'], private: ['sign'], all: ['sign', 'verify'], use: 'sig' };
const DERIVES = { public: [], private: ['deriveKey', 'deriveBits'], all: ['deriveKey', 'deriveBits'], use: 'enc' };
const PUBLIC = ['x'], PRIVATE = ['x', 'd'];

const generate = (name, kind, of) => (p, extractable, usages) => {
	onlyUsages(usages, of.all, name);
	needPrivate(usages, of);
	return makePair(done(er.keyGenerate(kind, 0, undefined), 'There is no key'), { name }, extractable, usages, of);
};
const importKey = (name, kind, of) => (p, format, keyData, extractable, usages) => {
	const isPrivate = format === 'pkcs8' || (format === 'jwk' && keyData.d !== undefined);
	onlyUsages(usages, isPrivate ? of.private : of.public, name);
	let handle;
	if (format === 'spki') handle = readSpki(kind, keyData);
	else if (format === 'pkcs8') handle = readPkcs8(kind, keyData);
	else if (format === 'raw') handle = readRaw(kind, keyData);
	else {
		checkJwk(keyData, 'OKP', of.use, extractable, usages);
		if (keyData.crv !== name) throw data(`The JWK's "crv" must be "${name}"`);
		handle = readJwk(kind, isPrivate, keyData, isPrivate ? PRIVATE : PUBLIC);
	}
	return makeKey(handle, isPrivate ? 'private' : 'public', { name }, extractable, usages);
};
const exportKey = (key, format) => (format === 'jwk' ? writeJwk(key, { kty: 'OKP', crv: key.info.name }, key.type === 'private' ? PRIVATE : PUBLIC) : writeBytes(key, format, true));
const common = (name, kind, of) => ({
	generateKey: { run: generate(name, kind, of) },
	importKey: { run: importKey(name, kind, of) },
	exportKey: { run: exportKey },
});
const check = (p) => {
	if (p.context !== undefined && taByteLength(p.context) > 0) throw operation('A context is not supported');
};
const signs = (shape) => ({
	sign: {
		shape,
		run(p, key, bytes) {
			if (key.type !== 'private') throw access('A private key signs');
			check(p);
			return done(er.sign(/* scheme */ SIGN_EDDSA, /* key */ key.handle, /* hash */ undefined, /* salt */ 0, bytes), 'The message could not be signed');
		},
	},
	verify: {
		shape,
		run(p, key, signature, bytes) {
			if (key.type !== 'public') throw access('A public key verifies');
			check(p);
			return er.verify(/* scheme */ SIGN_EDDSA, /* key */ key.handle, /* hash */ undefined, /* salt */ 0, signature, bytes);
		},
	},
});
register('Ed25519', { ...common('Ed25519', KEY_ED25519, SIGNS), ...signs([]) });
register('Ed448', { ...common('Ed448', KEY_ED448, SIGNS), ...signs([['context', bufferSource, false]]) });
register('X25519', { ...common('X25519', KEY_X25519, DERIVES), deriveBits: { shape: PUBLIC_KEY, run: agree } });
register('X448', { ...common('X448', KEY_X448, DERIVES), deriveBits: { shape: PUBLIC_KEY, run: agree } });
