// WebIDL for Web Crypto: conversions of arguments and dictionaries, in the order that WebIDL gives
// them, and buffers as bytes.
import {
	TypeErr, abDetached, abResizable, U8, apply, arrayIncludes, copyBytes, dvBuffer, isArrayBuffer, isFinite, isView, symIterator, taBuffer, taTag, trunc,
	viewBytes,
} from './primordials.js';
import { domString, isObject } from './webidl.js';

export const isBuffer = (v) => isView(v) || isArrayBuffer(v);
/** BufferSource: the value as it is. Its bytes are taken when everything has been converted. */
export function bufferSource(v, what) {
	const view = isView(v);
	if (!view && !isArrayBuffer(v)) throw new TypeErr(`${what} must be an ArrayBuffer or a view of one`);
	const buffer = !view ? v : taTag(v) === undefined ? dvBuffer(v) : taBuffer(v);
	if (!isArrayBuffer(buffer)) throw new TypeErr(`${what} must not be shared`);
	if (abResizable(buffer)) throw new TypeErr(`${what} must not be resizable`);
	return v;
}
/** The bytes of a BufferSource where they lie, for a native that runs at once: between this and its
 * end no code of the routine runs. A detached one has none. */
export function bytesOf(v) {
	if (isView(v) && taTag(v) === 'Uint8Array') return v;
	const buffer = !isView(v) ? v : taTag(v) === undefined ? dvBuffer(v) : taBuffer(v);
	return abDetached(buffer) ? new U8(0) : viewBytes(v);
}
/** The same as a copy. */
export const copyOf = (v) => copyBytes(bytesOf(v));

function integer(v, what, most) {
	const n = +v;
	if (!isFinite(n)) throw new TypeErr(`${what} must be a number`);
	const whole = trunc(n);
	if (whole < 0 || whole > most) throw new TypeErr(`${what} must be from 0 to ${most}`);
	return whole + 0;
}
export const octet = (v, what) => integer(v, what, 255);
export const unsignedShort = (v, what) => integer(v, what, 65535);
export const unsignedLong = (v, what) => integer(v, what, 4294967295);
export const text = (v) => domString(v);
/** (object or DOMString) */
export const algorithmIdentifier = (v) => (isObject(v) ? v : domString(v));
export function bigInteger(v, what) {
	if (!isView(v) || taTag(v) !== 'Uint8Array') throw new TypeErr(`${what} must be a Uint8Array`);
	return bufferSource(v, what);
}

/** A dictionary's members: `shape` is a list of [key, convert, required], each inherited dictionary
 * before what derives from it, in each the keys in order. */
export function members(out, v, shape, what) {
	for (let i = 0; i < shape.length; i++) {
		const key = shape[i][0];
		const value = v[key];
		if (value !== undefined) out[key] = shape[i][1](value, `${what}: ${key}`);
		else if (shape[i][2]) throw new TypeErr(`${what}: ${key} is missing`);
	}
	return out;
}

/** sequence<T> */
export function sequence(v, convert, what) {
	if (!isObject(v)) throw new TypeErr(`${what} must be a sequence`);
	const begin = v[symIterator];
	if (typeof begin !== 'function') throw new TypeErr(`${what} must be a sequence`);
	const it = apply(begin, v, []);
	if (!isObject(it)) throw new TypeErr(`${what} must be a sequence`);
	const { next } = it;
	const out = [];
	for (;;) {
		const step = apply(next, it, []);
		if (!isObject(step)) throw new TypeErr(`${what} must be a sequence`);
		if (step.done) return out;
		out[out.length] = convert(step.value, what);
	}
}
/** An enumeration. */
export const oneOf = (values) => (v, what) => {
	const s = domString(v);
	if (!arrayIncludes(values, s)) throw new TypeErr(`${what}: '${s}' is not one of its values`);
	return s;
};

export const keyFormat = oneOf(['raw', 'spki', 'pkcs8', 'jwk']);
export const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];
const usage = oneOf(USAGES);
export const keyUsages = (v) => sequence(v, usage, 'The usages of a key');

const otherPrime = (v, what) => {
	if (v !== undefined && v !== null && !isObject(v)) throw new TypeErr(`${what} must hold objects`);
	return v === undefined || v === null ? {} : members({ __proto__: null }, v, [['d', text], ['r', text], ['t', text]], what);
};
const strings = (v, what) => sequence(v, text, what);
/** The members of a JsonWebKey. */
export const JWK = [
	['alg', text], ['crv', text], ['d', text], ['dp', text], ['dq', text], ['e', text], ['ext', (v) => !!v], ['k', text], ['key_ops', strings],
	['kty', text], ['n', text], ['oth', (v, what) => sequence(v, otherPrime, what)], ['p', text], ['q', text], ['qi', text], ['use', text],
	['x', text], ['y', text],
];
export function jsonWebKey(v) {
	if (v === undefined || v === null) return { __proto__: null };
	if (!isObject(v)) throw new TypeErr('A key must be a buffer or a JsonWebKey');
	return members({ __proto__: null }, v, JWK, 'A JsonWebKey');
}
