// JsonWebKey (RFC 7517, and Web Crypto 14.3): what is the same for every kind of key.
import { defineProperty, hasOwn, isArray } from './primordials.js';
import { isObject } from './webidl.js';
import { data, has, unsupported } from './subtle-key.js';
import { JWK, USAGES, text } from './subtle-webidl.js';

/** Checks what every JWK may say about its use. `use`: what the member `use` must be. */
export function checkJwk(jwk, kty, use, extractable, usages) {
	if (jwk.kty !== kty) throw data(`The JWK's "kty" must be "${kty}"`);
	if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) throw data(`The JWK's "use" must be "${use}"`);
	if (jwk.key_ops !== undefined) checkOperations(jwk.key_ops, jwk.use, usages);
	if (jwk.ext === false && extractable) throw data('The JWK\'s "ext" forbids an extractable key');
}
function checkOperations(ops, use, usages) {
	for (let i = 0; i < ops.length; i++) {
		for (let j = 0; j < i; j++) if (ops[i] === ops[j]) throw data('The JWK\'s "key_ops" has a value twice');
		// RFC 7517 4.3: `use` and `key_ops` must not contradict each other
		const signs = ops[i] === 'sign' || ops[i] === 'verify';
		if (has(USAGES, ops[i]) && ((use === 'sig' && !signs) || (use === 'enc' && signs))) throw data('The JWK\'s "use" and "key_ops" contradict each other');
	}
	for (let i = 0; i < usages.length; i++) if (!has(ops, usages[i])) throw data(`The JWK's "key_ops" has no '${usages[i]}'`);
}
export function member(jwk, name) {
	const v = jwk[name];
	if (v === undefined) throw data(`The JWK has no "${name}"`);
	return v;
}
export function checkAlg(jwk, wanted) {
	if (jwk.alg !== undefined && jwk.alg !== wanted) throw data(`The JWK's "alg" must be "${wanted}"`);
}

const ORDER = ['alg', 'crv', 'd', 'dp', 'dq', 'e', 'ext', 'k', 'key_ops', 'kty', 'n', 'p', 'q', 'qi', 'x', 'y'];
/** A JsonWebKey as the routine gets it: the members that are there, in order. */
export function ordered(jwk, plain) {
	const out = plain ? { __proto__: null } : {};
	for (let i = 0; i < ORDER.length; i++)
		if (jwk[ORDER[i]] !== undefined) defineProperty(out, ORDER[i], { value: jwk[ORDER[i]], writable: true, enumerable: true, configurable: true });
	return out;
}
/** Of what JSON.parse made: only its own members count, whatever the routine has hung on
 * Object.prototype. Undefined: it is no JsonWebKey. */
export function jwkFromJson(v) {
	if (!isObject(v) || isArray(v) || !hasOwn(v, 'kty')) return undefined;
	const out = { __proto__: null };
	for (let i = 0; i < JWK.length; i++) {
		const key = JWK[i][0];
		if (!hasOwn(v, key)) continue;
		if (key === 'oth') throw unsupported('RSA keys of more than two primes');
		out[key] = key === 'key_ops' ? stringsOf(v[key]) : JWK[i][1](v[key], key);
	}
	return out;
}
function stringsOf(list) {
	if (!isArray(list)) throw data('The JWK\'s "key_ops" must be an array');
	const out = [];
	for (let i = 0; i < list.length; i++) out[i] = text(list[i]);
	return out;
}
