// The built-ins that the prelude itself leans on, captured before any routine code runs: a routine
// may patch String.prototype or Promise and neither break the prelude nor look into it.
//
// `uncurry` is spelled with rest parameters and Reflect.apply: JavaScriptCore inlines that (about 5
// ns), while Function.prototype.call.bind(f) costs ten times as much, and `f.call` would look
// `call` up in what the routine may have patched. The hot ones are spelled out one by one, so that
// each has a call site of its own.

export const apply = Reflect.apply;
export const construct = Reflect.construct;
export const ownKeys = Reflect.ownKeys;
export const uncurry = (f) => (self, ...args) => apply(f, self, args);
const { defineProperty: define, getOwnPropertyDescriptor: descriptor, setPrototypeOf } = Object;
const getter = (proto, name) => uncurry(descriptor(proto, name).get);

// Strings
const { slice, indexOf, charCodeAt, toLowerCase, split } = String.prototype;
export const strSlice = (s, ...a) => apply(slice, s, a);
export const strIndexOf = (s, ...a) => apply(indexOf, s, a);
export const charCode = (s, ...a) => apply(charCodeAt, s, a);
export const lower = (s, ...a) => apply(toLowerCase, s, a);
export const strSplit = (s, ...a) => apply(split, s, a);
export const upper = uncurry(String.prototype.toUpperCase);
export const strLastIndexOf = uncurry(String.prototype.lastIndexOf);
export const startsWith = uncurry(String.prototype.startsWith);
export const endsWith = uncurry(String.prototype.endsWith);
export const includes = uncurry(String.prototype.includes);
export const codePointAt = uncurry(String.prototype.codePointAt);
const wellFormed = String.prototype.toWellFormed;
export const toWellFormed = (s, ...a) => apply(wellFormed, s, a);
export const padStart = uncurry(String.prototype.padStart);
export const padEnd = uncurry(String.prototype.padEnd);
export const repeat = uncurry(String.prototype.repeat);
export const trim = uncurry(String.prototype.trim);
export const fromCharCode = String.fromCharCode;
export const toStr = String;

// A regular expression of the prelude's own: `exec` as an own property is found before anything
// patched. Never give it the g or y flag.
const regExpExec = RegExp.prototype.exec;
export const regexp = (re) => {
	define(re, 'exec', { value: regExpExec });
	return re;
};
export const RegExpCtor = RegExp;
export const replaceAllOf = (s, from, to) => join(strSplit(s, from), to);

// Arrays
export const arrayFrom = Array.from;
export const isArray = Array.isArray;
export const join = uncurry(Array.prototype.join);
export const arraySlice = uncurry(Array.prototype.slice);
export const splice = uncurry(Array.prototype.splice);
export const arraySort = uncurry(Array.prototype.sort);
export const shift = uncurry(Array.prototype.shift);
export const arrayIndexOf = uncurry(Array.prototype.indexOf);
export const arrayIncludes = uncurry(Array.prototype.includes);

// Maps and sets of the prelude's own have a prototype of the prelude's, for the same reason.
export const MapCtor = Map; // without methods of its own: for the routine
const SetCtor = Set;
const WeakMapCtor = WeakMap;
const madeWith = (o, methods) => {
	setPrototypeOf(o, methods);
	return o;
};
const methodsOf = (proto, names) => {
	const methods = { __proto__: null };
	for (let i = 0; i < names.length; i++) define(methods, names[i], { value: proto[names[i]] });
	return methods;
};
const mapMethods = methodsOf(Map.prototype, ['get', 'set', 'has', 'delete', 'clear', 'forEach']);
const setMethods = methodsOf(Set.prototype, ['add', 'has', 'delete', 'clear', 'forEach']);
const weakMethods = methodsOf(WeakMap.prototype, ['get', 'set', 'has', 'delete']);
export const newMap = () => madeWith(new MapCtor(), mapMethods);
export const newSet = () => madeWith(new SetCtor(), setMethods);
export const newWeakMap = () => madeWith(new WeakMapCtor(), weakMethods);
export const mapSize = getter(Map.prototype, 'size');
export const setSize = getter(Set.prototype, 'size');
export const mapForEach = uncurry(Map.prototype.forEach);
export const setForEach = uncurry(Set.prototype.forEach);
export const mapSet = uncurry(Map.prototype.set);
export const setAdd = uncurry(Set.prototype.add);

// Objects
export const {
	keys, entries: objectEntries, freeze, isFrozen, create, assign, is, fromEntries,
	defineProperty, defineProperties, getPrototypeOf,
	getOwnPropertyDescriptor, getOwnPropertyNames, getOwnPropertySymbols,
} = Object;
export const WeakRefCtor = WeakRef;
export const deref = uncurry(WeakRef.prototype.deref);
export const hasOwn = Object.hasOwn;
export const ObjectProto = Object.prototype;
export const objToString = uncurry(Object.prototype.toString);
const enumerable = Object.prototype.propertyIsEnumerable;
export const propertyIsEnumerable = (o, ...a) => apply(enumerable, o, a);
export const hasInstance = uncurry(Function.prototype[Symbol.hasInstance]);
export const fnToString = uncurry(Function.prototype.toString);

export { setPrototypeOf };
/** An array of ours. It has no prototype: a routine's setters on Array.prototype would be called
 * for places that are not there yet. */
export const bareList = () => setPrototypeOf([], null);
/** For a class that routines do not see. What its constructor assigns is its own from then on,
 * whatever setters a routine has given Object.prototype. Before anything is made of it. */
export const apart = (ctor) => {
	setPrototypeOf(ctor.prototype, null);
};

// Promises. `await` does not look `then` up on a native promise; `then` here is the captured one.
export const PromiseCtor = Promise;
const { then: promiseThen } = Promise.prototype;
export const then = (p, ...a) => apply(promiseThen, p, a);
const { resolve: promiseResolve, reject: promiseReject } = Promise;
export const resolved = (v) => apply(promiseResolve, PromiseCtor, [v]);
export const rejected = (e) => apply(promiseReject, PromiseCtor, [e]);
const promiseProto = Promise.prototype;
export const isPromise = (v) =>
	typeof v === 'object' && v !== null && (hasInstance(PromiseCtor, v) || (getPrototypeOf(v) !== promiseProto && typeof v.then === 'function'));
const ignore = () => {};
/** A promise whose rejection is nobody's business but its reader's. */
export const quiet = (p) => {
	then(p, undefined, ignore);
	return p;
};
let resolve_, reject_;
const keep = (resolve, reject) => {
	resolve_ = resolve;
	reject_ = reject;
};
export class Deferred {
	constructor() {
		this.promise = new PromiseCtor(keep);
		this.resolve = resolve_;
		this.reject = reject_;
	}
}
apart(Deferred);

// Bytes
export const U8 = Uint8Array;
export const ArrayBufferCtor = ArrayBuffer;
export const TypedArrayProto = getPrototypeOf(Uint8Array.prototype);
export const u8Set = uncurry(TypedArrayProto.set);
export const u8Subarray = uncurry(TypedArrayProto.subarray);
export const u8Slice = uncurry(TypedArrayProto.slice);
export const u8Fill = uncurry(TypedArrayProto.fill);
export const taBuffer = getter(TypedArrayProto, 'buffer');
export const taByteLength = getter(TypedArrayProto, 'byteLength');
export const taByteOffset = getter(TypedArrayProto, 'byteOffset');
export const taLength = getter(TypedArrayProto, 'length');
export const taTag = getter(TypedArrayProto, Symbol.toStringTag);
export const dvBuffer = getter(DataView.prototype, 'buffer');
export const dvByteLength = getter(DataView.prototype, 'byteLength');
export const dvByteOffset = getter(DataView.prototype, 'byteOffset');
export const abByteLength = getter(ArrayBuffer.prototype, 'byteLength');
export const abSlice = uncurry(ArrayBuffer.prototype.slice);
export const abTransfer = ArrayBuffer.prototype.transfer ? uncurry(ArrayBuffer.prototype.transfer) : null;
const without = () => false;
export const abResizable = ArrayBuffer.prototype.resize ? getter(ArrayBuffer.prototype, 'resizable') : without;
export const abDetached = descriptor(ArrayBuffer.prototype, 'detached') ? getter(ArrayBuffer.prototype, 'detached') : without;
export const isView = ArrayBuffer.isView;
export const isArrayBuffer = (v) => {
	if (typeof v !== 'object' || v === null) return false;
	try {
		abByteLength(v);
		return true;
	} catch {
		return false;
	}
};
/** The bytes of a view or a buffer, not copied. */
export const viewBytes = (v) => {
	if (!isView(v)) return new U8(v);
	if (taTag(v) === undefined) return new U8(dvBuffer(v), dvByteOffset(v), dvByteLength(v));
	return new U8(taBuffer(v), taByteOffset(v), taByteLength(v));
};
export const copyBytes = (v) => {
	const from = viewBytes(v);
	const to = new U8(taLength(from));
	u8Set(to, from);
	return to;
};
export const concatBytes = (chunks, total) => {
	if (chunks.length === 1) return chunks[0];
	const out = new U8(total);
	let at = 0;
	for (let i = 0; i < chunks.length; i++) {
		u8Set(out, chunks[i], at);
		at += taLength(chunks[i]);
	}
	return out;
};

// The rest
export const jsonParse = JSON.parse;
export const jsonStringify = JSON.stringify;
export const { floor, min, max, trunc } = Math;
export const { isInteger, isFinite, isNaN } = Number;
export const parseInt_ = parseInt;
export const parseFloat_ = parseFloat;
export const encodeComponent = encodeURIComponent;
export const TypeErr = TypeError;
export const RangeErr = RangeError;
export const Err = Error;
export const SyntaxErr = SyntaxError;
export const symIterator = Symbol.iterator;
export const symAsyncIterator = Symbol.asyncIterator;
export const symTag = Symbol.toStringTag;

/** Walks an iterable, whose Symbol.iterator is `begin`, as the language would. */
export const walk = (iterable, begin, fn) => {
	const it = apply(begin, iterable, []);
	const { next } = it;
	for (;;) {
		const r = apply(next, it, []);
		if (r.done) return;
		fn(r.value);
	}
};
/** Any iterable, into an array that is ours. */
export const listOf = (iterable) => {
	const out = [];
	walk(iterable, iterable[symIterator], (v) => {
		out[out.length] = v;
	});
	return out;
};
