// The manners of web interfaces: enumerable members, toStringTag, conversions, brand errors,
// classes nobody may construct.
import {
	TypeErr, defineProperty, defineProperties, getOwnPropertyDescriptor, getOwnPropertyNames, setPrototypeOf, symTag, symIterator, toStr, toWellFormed, isFinite,
	isNaN, trunc,
} from './primordials.js';

/** Passed by the prelude to constructors that are illegal for everyone else. */
export const INTERNAL = Symbol('internal');

/** Finishes a class as an interface: members enumerable, toStringTag, `length` of the
 * constructor. */
export function finish(ctor, name, length = ctor.length) {
	const { prototype } = ctor;
	const members = getOwnPropertyNames(prototype), statics = getOwnPropertyNames(ctor);
	for (let i = 0; i < members.length; i++) if (members[i] !== 'constructor') defineProperty(prototype, members[i], { enumerable: true });
	for (let i = 0; i < statics.length; i++) {
		const key = statics[i];
		const d = getOwnPropertyDescriptor(ctor, key);
		if (key !== 'prototype' && key !== 'name' && key !== 'length' && d.configurable) defineProperty(ctor, key, { enumerable: true });
	}
	defineProperty(prototype, symTag, { value: name, configurable: true });
	defineProperties(ctor, { name: { value: name, configurable: true }, length: { value: length, configurable: true } });
	return ctor;
}
export function constants(ctor, map) {
	for (const key in map) {
		const d = { value: map[key], enumerable: true, writable: false, configurable: false };
		defineProperty(ctor, key, d);
		defineProperty(ctor.prototype, key, d);
	}
}
/** Methods that are ordinary functions, so that `f.length` and `f.name` are what the
 * interface says. */
export function illegal(name) {
	return new TypeErr(`Illegal constructor: ${name} cannot be made with new`);
}
export function brand(name, member) {
	return new TypeErr(`Illegal invocation: ${member} was called on something that is not a ${name}`);
}
export function need(given, wanted, what) {
	if (given < wanted)
		throw new TypeErr(`Failed to execute ${what}: ${wanted} argument${wanted > 1 ? 's' : ''} required, but only ${given} present.`);
}
export const usvString = (v) => (typeof v === 'string' ? toWellFormed(v) : toWellFormed(domString(v)));
export function domString(v) {
	if (typeof v === 'string') return v;
	if (typeof v === 'symbol') throw new TypeErr('Cannot convert a symbol to a string');
	return toStr(v);
}
/** unsigned long long / long conversions clamp to what JavaScript's integers hold. */
export function toInteger(v) {
	v = +v;
	return isFinite(v) && !isNaN(v) ? trunc(v) : 0;
}
export function isObject(v) {
	return (typeof v === 'object' && v !== null) || typeof v === 'function';
}
export function dictionary(v, what) {
	if (v === undefined || v === null) return { __proto__: null };
	if (!isObject(v)) throw new TypeErr(`${what} must be an object`);
	return v;
}
export function callback(v, what) {
	if (typeof v !== 'function') throw new TypeErr(`${what} must be a function`);
	return v;
}

const IteratorProto = Object.getPrototypeOf(Object.getPrototypeOf([][symIterator]()));
/** The iterator class of an interface: `next(state)` gives [key, value] or undefined. */
export function iteratorClass(name, step) {
	class Iter {
		#target;
		#kind;
		#at = 0;
		constructor(target, kind) {
			this.#target = target;
			this.#kind = kind;
		}
		next() {
			if (!(#target in this)) throw brand(name, 'next');
			const pair = step(this.#target, this.#at);
			if (pair === undefined) return { value: undefined, done: true };
			this.#at++;
			return { value: this.#kind === 'key' ? pair[0] : this.#kind === 'value' ? pair[1] : [pair[0], pair[1]], done: false };
		}
	}
	const proto = Iter.prototype;
	setPrototypeOf(proto, IteratorProto);
	defineProperty(proto, 'next', { enumerable: true });
	defineProperty(proto, symTag, { value: `${name} Iterator`, configurable: true });
	delete proto.constructor;
	return Iter;
}
