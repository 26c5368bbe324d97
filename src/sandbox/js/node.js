/* global shared */
// The lazy script "node": what the modules of src/node, which are routine code, ask of the sandbox
// beyond the web's interfaces. It is globalThis.__er_node, which nobody else is to use. Every one
// of these checks its arguments itself, as all natives do.
import * as er from './natives.js';
import { freeze } from './primordials.js';
import {
	AS_JWK, AS_PKCS8, AS_RAW, AS_SPKI, HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512, KEY_ED25519, KEY_ED448, KEY_P256, KEY_P384, KEY_P521, KEY_RSA, KEY_SECRET, KEY_X25519, KEY_X448, SIGN_ECDSA, SIGN_EDDSA, SIGN_PKCS1, SIGN_PSS,
} from './contract.js';

shared.made = freeze({
	__proto__: null,
	hashNew: er.hashNew, hashUpdate: er.hashUpdate, hashFinal: er.hashFinal, hashCopy: er.hashCopy, scrypt: er.scrypt, pbkdf2: er.pbkdf2, equal: er.equal, randomFill: er.randomFill,
	cipherNew: er.cipherNew, cipherRun: er.cipherRun, cipherFinal: er.cipherFinal, cipherTag: er.cipherTag, cipherPadding: er.cipherPadding,
	keyGenerate: er.keyGenerate, keyRead: er.keyRead, keyWrite: er.keyWrite, keyPublic: er.keyPublic, keyBits: er.keyBits, keyExponent: er.keyExponent,
	sign: er.sign, verify: er.verify, rsaEncrypt: er.rsaEncrypt, rsaDecrypt: er.rsaDecrypt, agree: er.agree,
	coderNew: er.coderNew, code: er.code, coderFree: er.coderFree,
	AS_JWK, AS_PKCS8, AS_RAW, AS_SPKI, HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512, KEY_ED25519, KEY_ED448, KEY_P256, KEY_P384, KEY_P521, KEY_RSA, KEY_SECRET, KEY_X25519, KEY_X448, SIGN_ECDSA, SIGN_EDDSA, SIGN_PKCS1, SIGN_PSS,
});
