// Whether two values are equal, as toEqual, toStrictEqual and toMatchObject mean it.

const isObject = (v) => v !== null && typeof v === "object";
const isAsymmetric = (v) => isObject(v) && typeof v.asymmetricMatch === "function";
const keysOf = (v) => [...Object.keys(v), ...Object.getOwnPropertySymbols(v).filter((s) => Object.prototype.propertyIsEnumerable.call(v, s))];
const has = (v, key) => Object.prototype.hasOwnProperty.call(v, key);
const tagOf = (v) => Object.prototype.toString.call(v);
const ENTRIES = [Headers, URLSearchParams, FormData];

// A pair that is being compared already counts as equal: what makes it unequal is found elsewhere.
class Comparison {
	constructor(strict) {
		this.strict = strict;
		this.open = [];
	}
	same(a, b) {
		const left = isAsymmetric(a), right = isAsymmetric(b);
		if (right && !left) return b.asymmetricMatch(a);
		if (left && !right) return a.asymmetricMatch(b);
		if (Object.is(a, b)) return true;
		if (!isObject(a) || !isObject(b)) return false;
		if (this.open.some(([x, y]) => x === a && y === b)) return true;
		this.open.push([a, b]);
		try {
			return this.objects(a, b);
		} finally {
			this.open.pop();
		}
	}
	objects(a, b) {
		if (tagOf(a) !== tagOf(b)) return false;
		if (this.strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
		if (a instanceof Error && b instanceof Error) return a.name === b.name && a.message === b.message && this.same(a.cause, b.cause) && (!this.strict || this.members(a, b));
		if (a instanceof Date) return Object.is(a.getTime(), b.getTime());
		if (a instanceof RegExp) return a.source === b.source && a.flags === b.flags;
		if (a instanceof URL) return a.href === b.href;
		if (a instanceof String || a instanceof Number || a instanceof Boolean) return Object.is(a.valueOf(), b.valueOf());
		if (a instanceof ArrayBuffer) return this.bytes(new Uint8Array(a), new Uint8Array(b));
		if (ArrayBuffer.isView(a)) return a instanceof DataView ? this.bytes(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), new Uint8Array(b.buffer, b.byteOffset, b.byteLength)) : this.bytes(a, b);
		if (a instanceof Map) return a.size === b.size && this.unordered([...a], [...b]);
		if (a instanceof Set) return a.size === b.size && this.unordered([...a], [...b]);
		for (const type of ENTRIES) if (a instanceof type) return this.same([...a], [...b]);
		// What cannot be looked into is equal to itself alone.
		if (a instanceof Promise || a instanceof Response || a instanceof Request || a instanceof ReadableStream || a instanceof WeakMap || a instanceof WeakSet) return false;
		if (Array.isArray(a) && a.length !== b.length) return false;
		return this.members(a, b);
	}
	bytes(a, b) {
		return a.length === b.length && a.every((v, i) => Object.is(v, b[i]));
	}
	unordered(a, b) {
		const left = [...b];
		return a.every((v) => {
			const i = left.findIndex((other) => this.same(v, other));
			if (i >= 0) left.splice(i, 1);
			return i >= 0;
		});
	}
	members(a, b) {
		const counts = (v) => keysOf(v).filter((key) => this.strict || v[key] !== undefined);
		const keys = counts(a);
		if (keys.length !== counts(b).length) return false;
		if (this.strict && Array.isArray(a) && keysOf(a).length !== keysOf(b).length) return false;
		return keys.every((key) => has(b, key) && this.same(a[key], b[key]));
	}
}

export function equals(a, b, strict = false) {
	return new Comparison(strict).same(a, b);
}

/** Everything of `wanted` is in `actual`. */
export function contains(actual, wanted, open = []) {
	if (isAsymmetric(wanted)) return wanted.asymmetricMatch(actual);
	if (!isObject(wanted) || !isObject(actual)) return equals(actual, wanted);
	if (Array.isArray(wanted)) return Array.isArray(actual) && actual.length === wanted.length && wanted.every((v, i) => contains(actual[i], v, open));
	const proto = Object.getPrototypeOf(wanted);
	if (proto !== Object.prototype && proto !== null && !(wanted instanceof Error) && keysOf(wanted).length === 0) return equals(actual, wanted);
	if (open.includes(wanted)) return true;
	return keysOf(wanted).every((key) => key in actual && contains(actual[key], wanted[key], [...open, wanted]));
}

/** What of `actual` toMatchObject looks at: for the diff. */
export function part(actual, wanted) {
	if (!isObject(actual) || !isObject(wanted) || isAsymmetric(wanted)) return actual;
	if (Array.isArray(actual) || Array.isArray(wanted)) return Array.isArray(actual) && Array.isArray(wanted) ? actual.map((v, i) => part(v, wanted[i])) : actual;
	const proto = Object.getPrototypeOf(wanted);
	if (proto !== Object.prototype && proto !== null) return actual;
	return Object.fromEntries(keysOf(wanted).filter((key) => key in actual).map((key) => [key, part(actual[key], wanted[key])]));
}
