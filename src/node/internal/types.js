// util.types: what a value is, whatever its prototype or Symbol.toStringTag says. A built-in getter
// that throws for others is asked, where there is one.
const getter = (prototype, key) => Object.getOwnPropertyDescriptor(prototype, key).get;
const asked = (fn, ...args) => (value) => {
	if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
	try {
		fn.call(value, ...args);
		return true;
	} catch {
		return false;
	}
};
const tagged = (tag) => (value) => typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === `[object ${tag}]`;
const typedTag = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const typed = (name) => (value) => ArrayBuffer.isView(value) && typedTag.call(value) === name;
const kindOf = (sample) => {
	const prototype = Object.getPrototypeOf(sample);
	// Written as another kind of function, for node:async_hooks.
	if (prototype === Function.prototype) return () => false;
	return (value) => typeof value === 'function' && (Object.getPrototypeOf(value) === prototype || Object.prototype.toString.call(value) === `[object ${prototype[Symbol.toStringTag]}]`);
};

export const isDate = asked(Date.prototype.getTime);
export const isRegExp = (value) => typeof value === 'object' && value !== null && value !== RegExp.prototype && asked(getter(RegExp.prototype, 'source'))(value);
export const isMap = asked(getter(Map.prototype, 'size'));
export const isSet = asked(getter(Set.prototype, 'size'));
export const isWeakMap = asked(WeakMap.prototype.has, {});
export const isWeakSet = asked(WeakSet.prototype.has, {});
export const isArrayBuffer = asked(getter(ArrayBuffer.prototype, 'byteLength'));
export const isSharedArrayBuffer = (value) => typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer;
export const isAnyArrayBuffer = (value) => isArrayBuffer(value) || isSharedArrayBuffer(value);
export const isArrayBufferView = ArrayBuffer.isView;
export const isDataView = asked(getter(DataView.prototype, 'byteLength'));
export const isTypedArray = (value) => ArrayBuffer.isView(value) && typedTag.call(value) !== undefined;
export const isUint8Array = typed('Uint8Array');
export const isUint8ClampedArray = typed('Uint8ClampedArray');
export const isUint16Array = typed('Uint16Array');
export const isUint32Array = typed('Uint32Array');
export const isInt8Array = typed('Int8Array');
export const isInt16Array = typed('Int16Array');
export const isInt32Array = typed('Int32Array');
export const isFloat32Array = typed('Float32Array');
export const isFloat64Array = typed('Float64Array');
export const isBigInt64Array = typed('BigInt64Array');
export const isBigUint64Array = typed('BigUint64Array');
export const isNumberObject = (value) => typeof value === 'object' && asked(Number.prototype.valueOf)(value);
export const isStringObject = (value) => typeof value === 'object' && asked(String.prototype.valueOf)(value);
export const isBooleanObject = (value) => typeof value === 'object' && asked(Boolean.prototype.valueOf)(value);
export const isBigIntObject = (value) => typeof value === 'object' && asked(BigInt.prototype.valueOf)(value);
export const isSymbolObject = (value) => typeof value === 'object' && asked(Symbol.prototype.valueOf)(value);
export const isBoxedPrimitive = (value) => isNumberObject(value) || isStringObject(value) || isBooleanObject(value) || isBigIntObject(value) || isSymbolObject(value);
const promiseThen = Promise.prototype.then;
export const isPromise = (value) => value instanceof Promise || (tagged('Promise')(value) && value.then === promiseThen);
export const isNativeError = (value) => value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
export const isGeneratorFunction = (value) => typeof value === 'function' && (kindOf(function* () {})(value) || kindOf(async function* () {})(value));
export const isAsyncFunction = (value) => typeof value === 'function' && (kindOf(async () => {})(value) || kindOf(async function* () {})(value));
export const isGeneratorObject = (value) => tagged('Generator')(value) || tagged('AsyncGenerator')(value);
export const isMapIterator = tagged('Map Iterator');
export const isSetIterator = tagged('Set Iterator');
export const isArgumentsObject = (value) => tagged('Arguments')(value) && !(Symbol.toStringTag in value);
export const isModuleNamespaceObject = (value) => tagged('Module')(value) && !Object.isExtensible(value);
export const isProxy = () => false; // nothing of the engine tells
export const isExternal = () => false;
export const isKeyObject = (value) => isKeyObject.of?.(value) ?? false;
export const isCryptoKey = (value) => typeof value === 'object' && value !== null && value instanceof globalThis.CryptoKey;
