// CryptoKey: what a key is stands in slots that code cannot reach; the objects that its accessors
// give are made once, and changing them changes nothing about the key.
import * as er from './natives.js';
import { TypeErr, U8, copyBytes } from './primordials.js';
import { INTERNAL, brand, finish, illegal } from './webidl.js';
import { DOMException } from './dom-exception.js';
import { AS_JWK, AS_RAW, KEY_SECRET } from './contract.js';
import { USAGES } from './subtle-webidl.js';

/** The slots of a CryptoKey, undefined if it is none: handle (C's), type, extractable, usages (a
 * list of ours), info {name, hash, length, namedCurve, modulusLength, publicExponent}. */
export let slotsOf;

/** KeyAlgorithm and what derives from it, as an object of the routine's. */
function algorithmOf({ name, hash, length, namedCurve, modulusLength, publicExponent }) {
	const out = { name };
	if (modulusLength !== undefined) {
		out.modulusLength = modulusLength;
		out.publicExponent = copyBytes(publicExponent);
	}
	if (hash !== undefined) out.hash = { name: hash };
	if (length !== undefined) out.length = length;
	if (namedCurve !== undefined) out.namedCurve = namedCurve;
	return out;
}
function copyList(list) {
	const out = [];
	for (let i = 0; i < list.length; i++) out[i] = list[i];
	return out;
}

export class CryptoKey {
	#slots;
	#algorithm = null;
	#usages = null;
	constructor(token = undefined, slots = undefined) {
		if (token !== INTERNAL) throw illegal('CryptoKey');
		this.#slots = slots;
	}
	get type() {
		if (!(#slots in this)) throw brand('CryptoKey', 'type');
		return this.#slots.type;
	}
	get extractable() {
		if (!(#slots in this)) throw brand('CryptoKey', 'extractable');
		return this.#slots.extractable;
	}
	get algorithm() {
		if (!(#slots in this)) throw brand('CryptoKey', 'algorithm');
		return (this.#algorithm ??= algorithmOf(this.#slots.info));
	}
	get usages() {
		if (!(#slots in this)) throw brand('CryptoKey', 'usages');
		return (this.#usages ??= copyList(this.#slots.usages));
	}
	static {
		slotsOf = (v) => (typeof v === 'object' && v !== null && #slots in v ? v.#slots : undefined);
	}
}
finish(CryptoKey, 'CryptoKey', 0);

/** A CryptoKey in a dictionary. */
export function cryptoKeyMember(v, what) {
	if (slotsOf(v) === undefined) throw new TypeErr(`${what} must be a CryptoKey`);
	return v;
}
/** Those of `usages` that are also in `allowed`, each once, in the standard's order. */
export function intersect(usages, allowed) {
	const out = [];
	for (let i = 0; i < USAGES.length; i++) if (has(usages, USAGES[i]) && has(allowed, USAGES[i])) out[out.length] = USAGES[i];
	return out;
}
export function has(list, what) {
	for (let i = 0; i < list.length; i++) if (list[i] === what) return true;
	return false;
}
/** Throws if one of `usages` is none that this kind of key can have. */
export function onlyUsages(usages, allowed, name) {
	for (let i = 0; i < usages.length; i++)
		if (!has(allowed, usages[i])) throw new DOMException(`${name}: a key of this kind cannot have the usage '${usages[i]}'`, 'SyntaxError');
}
export function makeKey(handle, type, info, extractable, usages) {
	return new CryptoKey(INTERNAL, { handle, type, extractable, usages: intersect(usages, USAGES), info });
}
/** The same key as another object, for structuredClone. */
export const cloneKey = (key) => new CryptoKey(INTERNAL, slotsOf(key));
export const data = (message) => new DOMException(message, 'DataError');
export const operation = (message) => new DOMException(message, 'OperationError');
export const access = (message) => new DOMException(message, 'InvalidAccessError');
export const unsupported = (message) => new DOMException(message, 'NotSupportedError');
export const syntax = (message) => new DOMException(message, 'SyntaxError');
/** What a native gave, unless it could not do it. */
export function done(v, message) {
	if (v === undefined) throw operation(message);
	return v;
}
export const EMPTY = new U8(0);
/** A secret of these bytes, and of what a JWK has as `k`. */
export const secretOf = (bytes) => er.keyRead(/* kind */ KEY_SECRET, /* form */ AS_RAW, /* isPrivate */ true, /* source */ bytes);
export function secretOfJwk(jwk) {
	if (jwk.k === undefined) throw data('The JWK has no "k"');
	const handle = er.keyRead(/* kind */ KEY_SECRET, /* form */ AS_JWK, /* isPrivate */ true, /* source */ jwk.k);
	if (handle === undefined) throw data('The JWK\'s "k" is not base64url');
	return handle;
}
