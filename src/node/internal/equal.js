// Deep equality, as assert.deepEqual (loose) and assert.deepStrictEqual (strict) mean it.
import * as types from './types.js';

const tag = (value) => Object.prototype.toString.call(value);
const ownEnumerable = (value) => Object.keys(value);
const enumerableSymbols = (value) => Object.getOwnPropertySymbols(value).filter((s) => Object.prototype.propertyIsEnumerable.call(value, s));
const indexed = (key) => /^(0|[1-9]\d*)$/.test(key) && Number(key) < 2 ** 32 - 1;
const sameBytes = (a, b) => {
	if (a.byteLength !== b.byteLength) return false;
	const x = new Uint8Array(a.buffer ?? a, a.byteOffset ?? 0, a.byteLength), y = new Uint8Array(b.buffer ?? b, b.byteOffset ?? 0, b.byteLength);
	for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
	return true;
};

export const isDeepEqual = (a, b) => equal(a, b, false, new Map());
export const isDeepStrictEqual = (a, b) => equal(a, b, true, new Map());

function equal(a, b, strict, seen) {
	if (a === b) return a !== 0 || !strict || Object.is(a, b);
	if (strict) {
		if (typeof a !== 'object') return typeof a === 'number' && Number.isNaN(a) && Number.isNaN(b);
		if (typeof b !== 'object' || a === null || b === null) return false;
		if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
	} else {
		if (a === null || typeof a !== 'object') return (b === null || typeof b !== 'object') && (a == b || (a !== a && b !== b));
		if (b === null || typeof b !== 'object') return false;
	}
	if (tag(a) !== tag(b)) return false;
	if (Array.isArray(a)) {
		if (!Array.isArray(b) || a.length !== b.length) return false;
		const keysA = Object.keys(a).filter((k) => !indexed(k)), keysB = Object.keys(b).filter((k) => !indexed(k));
		if (keysA.length !== keysB.length) return false;
		return structure(a, b, strict, seen, keysA, () => {
			for (let i = 0; i < a.length; i++) {
				if (Object.hasOwn(a, i) !== Object.hasOwn(b, i)) return false;
				if ((Object.hasOwn(a, i) || Object.hasOwn(b, i)) && !equal(a[i], b[i], strict, seen)) return false;
			}
			return true;
		});
	}
	if (Array.isArray(b)) return false;
	if (tag(a) === '[object Object]') return structure(a, b, strict, seen);
	if (types.isDate(a)) {
		if (!types.isDate(b)) return false;
		const x = Date.prototype.getTime.call(a), y = Date.prototype.getTime.call(b);
		if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) return false;
	} else if (types.isRegExp(a)) {
		if (!types.isRegExp(b) || a.source !== b.source || a.flags !== b.flags || a.lastIndex !== b.lastIndex) return false;
	} else if (types.isNativeError(a)) {
		if (!types.isNativeError(b) || a.message !== b.message || a.name !== b.name) return false;
		for (const key of ['cause', 'errors']) {
			if (Object.hasOwn(a, key) !== Object.hasOwn(b, key)) return false;
			if (Object.hasOwn(a, key) && !equal(a[key], b[key], strict, seen)) return false;
		}
	} else if (ArrayBuffer.isView(a)) {
		if (!ArrayBuffer.isView(b)) return false;
		if (!strict && (types.isFloat32Array(a) || types.isFloat64Array(a))) {
			if (a.length !== b.length || a.some((x, i) => x !== b[i] && !(Number.isNaN(x) && Number.isNaN(b[i])))) return false;
		} else if (!sameBytes(a, b)) return false;
		const keysA = Object.keys(a).filter((k) => !indexed(k)), keysB = Object.keys(b).filter((k) => !indexed(k));
		return keysA.length === keysB.length && structure(a, b, strict, seen, keysA);
	} else if (types.isSet(a)) {
		if (!types.isSet(b) || a.size !== b.size) return false;
		return structure(a, b, strict, seen, undefined, () => equalSets(a, b, strict, seen));
	} else if (types.isMap(a)) {
		if (!types.isMap(b) || a.size !== b.size) return false;
		return structure(a, b, strict, seen, undefined, () => equalMaps(a, b, strict, seen));
	} else if (types.isAnyArrayBuffer(a)) {
		if (!types.isAnyArrayBuffer(b) || !sameBytes(a, b)) return false;
	} else if (types.isBoxedPrimitive(a)) {
		if (!types.isBoxedPrimitive(b) || tag(a) !== tag(b)) return false;
		const x = a.valueOf(), y = b.valueOf();
		if (!Object.is(x, y)) return false;
	} else if (Array.isArray(b) || ArrayBuffer.isView(b) || types.isSet(b) || types.isMap(b) || types.isDate(b) || types.isRegExp(b) || types.isAnyArrayBuffer(b) || types.isBoxedPrimitive(b) || types.isNativeError(b)) return false;
	if (types.isWeakMap(a) || types.isWeakSet(a) || types.isPromise(a)) return false;
	if (typeof URL !== 'undefined' && a instanceof URL) return b instanceof URL && a.href === b.href;
	return structure(a, b, strict, seen);
}
function structure(a, b, strict, seen, keys = undefined, more = undefined) {
	if (keys === undefined) {
		keys = ownEnumerable(a);
		if (keys.length !== ownEnumerable(b).length) return false;
	}
	for (const key of keys) if (!Object.prototype.propertyIsEnumerable.call(b, key)) return false;
	if (strict) {
		const symbols = enumerableSymbols(a);
		if (symbols.length !== enumerableSymbols(b).length) return false;
		for (const key of symbols) if (!Object.prototype.propertyIsEnumerable.call(b, key)) return false;
		keys = [...keys, ...symbols];
	}
	// what is compared already, further out, is taken to be equal
	const before = seen.get(a);
	if (before !== undefined) return before === b;
	seen.set(a, b);
	let same = true;
	for (const key of keys)
		if (!equal(a[key], b[key], strict, seen)) {
			same = false;
			break;
		}
	if (same && more !== undefined) same = more();
	seen.delete(a);
	return same;
}
const simple = (value, strict) => (strict ? typeof value !== 'object' || value === null : false);
function equalSets(a, b, strict, seen) {
	const left = [];
	for (const value of a) {
		if (b.has(value)) continue;
		if (simple(value, strict)) return false;
		left.push(value);
	}
	if (left.length === 0) return true;
	const others = [...b].filter((value) => !a.has(value));
	for (const value of left) {
		const at = others.findIndex((one) => equal(value, one, strict, seen));
		if (at < 0) return false;
		others.splice(at, 1);
	}
	return true;
}
function equalMaps(a, b, strict, seen) {
	const left = [];
	for (const [key, value] of a) {
		if (b.has(key)) {
			if (equal(value, b.get(key), strict, seen)) continue;
			if (strict || simple(key, true)) return false;
		} else if (simple(key, strict)) return false;
		left.push([key, value]);
	}
	if (left.length === 0) return true;
	const others = [...b].filter(([key]) => !a.has(key) || left.some(([k]) => k === key));
	for (const [key, value] of left) {
		const at = others.findIndex(([k, v]) => equal(key, k, strict, seen) && equal(value, v, strict, seen));
		if (at < 0) return false;
		others.splice(at, 1);
	}
	return true;
}
