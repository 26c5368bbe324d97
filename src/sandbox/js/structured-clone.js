// structuredClone (HTML 2.7): cycles, the built-in classes, transfer; platform objects are Blob,
// File, DOMException and CryptoKey.
import {
	bareList, Err, RangeErr, SyntaxErr, TypeErr, abByteLength, abSlice, abTransfer, arrayIncludes, defineProperty, dvBuffer, dvByteLength,
	dvByteOffset, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, isArray, isArrayBuffer, isView, keys, listOf, mapForEach, mapSet, newMap, setAdd,
	setForEach, taBuffer, taByteLength, taByteOffset, taLength, taTag, toStr, u8Set, u8Slice, uncurry,
} from './primordials.js';
import * as er from './natives.js';
import { dictionary, isObject, need } from './webidl.js';
import { DOMException, isDOMException } from './dom-exception.js';
import { keySlots, subtle } from './crypto.js';
import { blobBytes, blobType, isBlob, isFile, makeBlob, File } from './blob.js';

const fail = (what) => new DOMException(`${what} could not be cloned.`, 'DataCloneError');
const attempt = (f) => (v) => {
	try {
		return { value: f(v) };
	} catch {
		return undefined;
	}
};
// Internal slots show themselves only by a method of the class not throwing.
const asBoolean = attempt(uncurry(Boolean.prototype.valueOf));
const asNumber = attempt(uncurry(Number.prototype.valueOf));
const asString = attempt(uncurry(String.prototype.valueOf));
const asBigInt = attempt(uncurry(BigInt.prototype.valueOf));
const asSymbol = attempt(uncurry(Symbol.prototype.valueOf));
const asDate = attempt(uncurry(Date.prototype.getTime));
const getterOf = (p, n) => uncurry(getOwnPropertyDescriptor(p, n).get);
const regProto = RegExp.prototype;
const regSource = getterOf(RegExp.prototype, 'source');
const regFlags = ['hasIndices', 'global', 'ignoreCase', 'multiline', 'dotAll', 'unicode', 'unicodeSets', 'sticky'].map((n) => {
	const d = getOwnPropertyDescriptor(regProto, n);
	return { isOn: d === undefined ? () => false : uncurry(d.get), letter: { hasIndices: 'd', global: 'g', ignoreCase: 'i', multiline: 'm', dotAll: 's', unicode: 'u', unicodeSets: 'v', sticky: 'y' }[n] };
});
const regHas = attempt(getterOf(RegExp.prototype, 'global'));
const mapSizeOf = attempt(getterOf(Map.prototype, 'size'));
const setSizeOf = attempt(getterOf(Set.prototype, 'size'));
const MapCtor = Map, SetCtor = Set, DateCtor = Date, RegExpCtor = RegExp, ObjectCtor = Object, DataViewCtor = DataView, ArrayCtor = Array;
const weak = [attempt(uncurry(WeakMap.prototype.has)), attempt(uncurry(WeakSet.prototype.has)), attempt(uncurry(WeakRef.prototype.deref))];
const PromiseCtor = Promise;
const mapProto = Map.prototype, setProto = Set.prototype, arrayProto = Array.prototype, objectProto = Object.prototype;
const isErrorObject = typeof Error.isError === 'function' ? Error.isError : (v) => v instanceof Err;
const views = {};
for (const n of ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float16Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'])
	if (typeof globalThis[n] === 'function') views[n] = globalThis[n];
Object.setPrototypeOf(views, null);
const errors = { Error: Err, EvalError, RangeError: RangeErr, ReferenceError, SyntaxError: SyntaxErr, TypeError: TypeErr, URIError };
Object.setPrototypeOf(errors, null);
const typedAt = uncurry(Object.getPrototypeOf(Uint8Array.prototype).at);
const inBounds = attempt((v) => (taTag(v) === undefined ? dvByteLength(v) : typedAt(v, 0)));
const sharedLength = typeof SharedArrayBuffer === 'undefined' ? () => undefined : attempt(getterOf(SharedArrayBuffer.prototype, 'byteLength'));
const isShared = (v) => sharedLength(v) !== undefined;
const resizable = ArrayBuffer.prototype.resize ? getterOf(ArrayBuffer.prototype, 'resizable') : () => false;
const maxByteLength = ArrayBuffer.prototype.resize ? getterOf(ArrayBuffer.prototype, 'maxByteLength') : null;
const detached = getOwnPropertyDescriptor(ArrayBuffer.prototype, 'detached') ? getterOf(ArrayBuffer.prototype, 'detached') : () => false;
const resize = ArrayBuffer.prototype.resize ? uncurry(ArrayBuffer.prototype.resize) : null;
const elementSize = (v) => (taTag(v) === undefined ? 1 : views[taTag(v)].BYTES_PER_ELEMENT);
const ArrayBufferCtor = ArrayBuffer;
const U8 = Uint8Array;

/** What can be transferred besides ArrayBuffers: {is(v), why(v), move(v)}. why: undefined, or why
 * it cannot be transferred now. */
const transferables = bareList();
export function transferable(kind) {
	transferables[transferables.length] = kind;
}
function kindOf(v) {
	for (let i = 0; i < transferables.length; i++) if (transferables[i].is(v)) return transferables[i];
	return undefined;
}
function detach(v) {
	if (isArrayBuffer(v)) {
		if (detached(v)) throw new DOMException('An ArrayBuffer of the transfer list is detached', 'DataCloneError');
		return abTransfer === null ? abSlice(v, 0) : abTransfer(v);
	}
	const kind = kindOf(v);
	const why = kind.why(v);
	if (why !== undefined) throw new DOMException(why, 'DataCloneError');
	return kind.move(v);
}
/** The clone of a value, and what has become of the list's objects, in its order. */
export function cloneAndMove(value, transfer) {
	const seen = newMap();
	for (let i = 0; i < transfer.length; i++) {
		const t = transfer[i];
		if (!isArrayBuffer(t) && kindOf(t) === undefined) throw new DOMException('Only ArrayBuffers, MessagePorts and streams can be transferred', 'DataCloneError');
		if (seen.has(t)) throw new DOMException('An object is in the transfer list twice', 'DataCloneError');
		if (isArrayBuffer(t) && detached(t)) throw new DOMException('An ArrayBuffer of the transfer list is detached', 'DataCloneError');
		seen.set(t, t); // stands for itself until everything else has been cloned
	}
	// Transfer comes last, so that a failure leaves the objects as they were: clone to memory of
	// which they are the placeholders.
	const later = bareList(), moved = bareList();
	const out = clone(value, { seen, transfer, later, stands: bareList() });
	if (transfer.length === 0) return { out, moved };
	const places = newMap();
	for (let i = 0; i < transfer.length; i++) {
		moved[i] = detach(transfer[i]);
		places.set(transfer[i], moved[i]);
	}
	for (let i = 0; i < later.length; i++) later[i](places);
	return { out: places.get(out) ?? out, moved };
}
export function structuredClone(value, options = undefined) {
	need(arguments.length, 1, "'structuredClone'");
	const { transfer } = dictionary(options, 'The options of structuredClone');
	return cloneAndMove(value, transfer === undefined ? [] : listOf(transfer)).out;
}

/** A clone has got its place; if it is a buffer to be transferred, `set` puts it there again when
 * that has happened. */
function placed(c, v, set) {
	c.later[c.later.length] = (moved) => set(moved.get(v));
}
const isMoving = (c, v) => c.transfer.length > 0 && isObject(v) && (arrayIncludes(c.transfer, v) || arrayIncludes(c.stands, v));
function clone(v, c) {
	if (typeof v === 'symbol') throw fail(toStr(v));
	if (!isObject(v)) return v;
	const known = c.seen.get(v);
	if (known !== undefined) return known;
	if (typeof v === 'function') throw fail('A function');
	return cloneObject(v, c);
}
function keep(c, v, out) {
	c.seen.set(v, out);
	return out;
}
function cloneObject(v, c) {
	if (isArray(v)) {
		const out = new ArrayCtor(v.length);
		keep(c, v, out);
		return properties(v, out, c);
	}
	// An object as a literal makes it has none of the engine's slots. To ask for one that is not
	// there is an exception, which costs more than the rest of the clone.
	if (er.isPlain(v)) return clonePlain(v, c);
	if (isView(v)) return cloneView(v, c);
	if (isArrayBuffer(v)) return keep(c, v, cloneBuffer(v));
	const proto = getPrototypeOf(v); // where it is no proxy's, the likely answer comes first
	if (proto === mapProto && mapSizeOf(v) !== undefined) return cloneMap(v, c);
	if (proto === setProto && setSizeOf(v) !== undefined) return cloneSet(v, c);
	if (isShared(v)) throw fail('A SharedArrayBuffer');
	let slot;
	if ((slot = asDate(v)) !== undefined) return keep(c, v, new DateCtor(slot.value));
	if (v !== regProto && regHas(v) !== undefined) {
		let flags = '';
		for (let i = 0; i < regFlags.length; i++) if (regFlags[i].isOn(v)) flags += regFlags[i].letter;
		return keep(c, v, new RegExpCtor(regSource(v), flags));
	}
	if (mapSizeOf(v) !== undefined) return cloneMap(v, c);
	if (setSizeOf(v) !== undefined) return cloneSet(v, c);
	if ((slot = asBoolean(v) ?? asNumber(v) ?? asString(v) ?? asBigInt(v)) !== undefined) return keep(c, v, ObjectCtor(slot.value));
	if (asSymbol(v) !== undefined) throw fail('A Symbol object');
	if (isDOMException(v)) return keep(c, v, cloneDOMException(v));
	if (isErrorObject(v)) return cloneError(v, c);
	for (let i = 0; i < weak.length; i++) if (weak[i](v) !== undefined) throw fail('A weak collection or reference');
	if (v instanceof PromiseCtor) throw fail('A promise');
	return clonePlain(v, c);
}
function clonePlain(v, c) {
	if (isFile(v)) return keep(c, v, new File([v], v.name, { type: blobType(v), lastModified: v.lastModified }));
	if (isBlob(v)) return keep(c, v, makeBlob(blobBytes(v), blobType(v)));
	if (keySlots(v) !== undefined) return keep(c, v, subtle().cloneKey(v));
	for (let i = 0; i < platform.length; i++) if (platform[i](v)) throw fail('An object of this kind');
	const out = {};
	keep(c, v, out);
	return properties(v, out, c);
}
const platform = bareList();
/** Classes of the platform that cannot be cloned. */
export function uncloneable(test) {
	platform[platform.length] = test;
}
function properties(from, to, c) {
	const ks = keys(from);
	let i = 0;
	// Whole numbers come first: where they are all there, nobody needs them as text.
	if (isArray(from)) {
		const n = from.length;
		if (n > 0 && ks.length >= n && ks[n - 1] === toStr(n - 1)) for (; i < n; i++) property(from, to, i, c);
	}
	for (; i < ks.length; i++) property(from, to, ks[i], c);
	return to;
}
function property(from, to, k, c) {
	if (!hasOwn(from, k)) return; // a getter took it away
	const v = clone(from[k], c);
	define(to, k, v);
	if (isMoving(c, v)) placed(c, v, (x) => define(to, k, x));
}
/** A setter that the routine has put on a prototype is passed by. */
function define(to, k, value) {
	if (k in (isArray(to) ? arrayProto : objectProto)) defineProperty(to, k, { value, writable: true, enumerable: true, configurable: true });
	else to[k] = value;
}
function cloneBuffer(b) {
	if (detached(b)) throw fail('A detached ArrayBuffer');
	if (!resizable(b)) return abSlice(b, 0);
	const out = new ArrayBufferCtor(abByteLength(b), { maxByteLength: maxByteLength(b) });
	u8Set(new U8(out), new U8(b));
	return out;
}
/** Does a view grow and shrink with its buffer? Nobody says so: one that ends where its buffer ends
 * is looked at while the buffer is cut short of it. One of fixed length is out of bounds then. */
function tracks(v, buffer, offset) {
	if (!isArrayBuffer(buffer) || !resizable(buffer)) return false;
	const size = abByteLength(buffer), length = taTag(v) === undefined ? dvByteLength(v) : taByteLength(v), end = offset + length;
	if (length === 0 || size - end >= elementSize(v)) return false;
	const all = new U8(buffer), tail = u8Slice(all, end - 1);
	resize(buffer, end - 1);
	const still = inBounds(v) !== undefined;
	resize(buffer, size);
	u8Set(all, tail, end - 1);
	return still;
}
function cloneView(v, c) {
	const tag = taTag(v);
	if (inBounds(v) === undefined) throw fail('A view beyond the end of its buffer');
	const buffer = tag === undefined ? dvBuffer(v) : taBuffer(v);
	const offset = tag === undefined ? dvByteOffset(v) : taByteOffset(v);
	const length = tracks(v, buffer, offset) ? undefined : tag === undefined ? dvByteLength(v) : taLength(v);
	const make = (b) => (tag === undefined ? new DataViewCtor(b, offset, length) : new views[tag](b, offset, length));
	if (arrayIncludes(c.transfer, buffer)) {
		const index = c.later.length;
		// The view exists only once its buffer has moved; whoever holds it is fixed up through
		// a stand-in.
		const stand = {};
		c.later[index] = (moved) => moved.set(stand, make(moved.get(buffer)));
		c.stands[c.stands.length] = stand;
		return keep(c, v, stand);
	}
	return keep(c, v, make(clone(buffer, c)));
}
function cloneMap(v, c) {
	const out = new MapCtor();
	keep(c, v, out);
	const list = bareList();
	mapForEach(v, (value, key) => {
		list[list.length] = key;
		list[list.length] = value;
	});
	for (let i = 0; i < list.length; i += 2) {
		const k = clone(list[i], c);
		const value = clone(list[i + 1], c);
		mapSet(out, k, value);
		if (isMoving(c, value)) placed(c, value, (x) => mapSet(out, k, x));
	}
	return out;
}
function cloneSet(v, c) {
	const out = new SetCtor();
	keep(c, v, out);
	const list = bareList();
	setForEach(v, (value) => {
		list[list.length] = value;
	});
	for (let i = 0; i < list.length; i++) setAdd(out, clone(list[i], c));
	return out;
}
function cloneDOMException(v) {
	const out = new DOMException(v.message, v.name);
	if (typeof v.stack === 'string') defineProperty(out, 'stack', { value: v.stack, writable: true, configurable: true });
	return out;
}
function cloneError(v, c) {
	const name = v.name === undefined ? 'Error' : toStr(v.name);
	const C = errors[name] ?? Err;
	const out = new C();
	keep(c, v, out);
	delete out.stack;
	const m = getOwnPropertyDescriptor(v, 'message');
	if (m !== undefined && 'value' in m) defineProperty(out, 'message', { value: toStr(m.value), writable: true, configurable: true });
	if (typeof v.stack === 'string') defineProperty(out, 'stack', { value: v.stack, writable: true, configurable: true });
	const cause = getOwnPropertyDescriptor(v, 'cause');
	if (cause === undefined || !('value' in cause)) return out;
	const set = (x) => defineProperty(out, 'cause', { value: x, writable: true, configurable: true });
	const value = clone(cause.value, c);
	set(value);
	if (isMoving(c, value)) placed(c, value, set);
	return out;
}
