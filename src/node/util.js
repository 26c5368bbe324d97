// node:util. inspect and format are Node's own, as the package node-inspect-extracted brings them.
import { format, formatWithOptions, inspect } from 'node-inspect-extracted';
import * as types_ from './internal/types.js';
import { isDeepStrictEqual } from './internal/equal.js';
import { ERR_FALSY_VALUE_REJECTION, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, inspectWith } from './internal/errors.js';
import { validateAbortSignal, validateFunction, validateNumber, validateOneOf, validateString } from './internal/validators.js';
import { parseArgs } from './internal/parse-args.js';
import { MIMEParams, MIMEType } from './internal/mime.js';
import { errnoName, ERRNO } from './internal/errno.js';
import { Buffer } from './buffer.js';

inspectWith((value) => inspect(value, { colors: false }));
export const types = { ...types_ };
export { format, formatWithOptions, inspect, isDeepStrictEqual, parseArgs, MIMEParams, MIMEType };

export const TextEncoder = globalThis.TextEncoder, TextDecoder = globalThis.TextDecoder;

const kCustom = Symbol.for('nodejs.util.promisify.custom');
export function promisify(original) {
	validateFunction(original, 'original');
	if (original[kCustom]) {
		const fn = original[kCustom];
		validateFunction(fn, 'util.promisify.custom');
		return Object.defineProperty(fn, kCustom, { value: fn, enumerable: false, writable: false, configurable: true });
	}
	const names = original[kPromisifyArgs];
	function fn(...args) {
		return new Promise((resolve, reject) => {
			original.call(this, ...args, (error, ...values) => {
				if (error) return reject(error);
				if (names !== undefined && values.length > 1) return resolve(Object.fromEntries(names.map((name, i) => [name, values[i]])));
				return resolve(values[0]);
			});
		});
	}
	Object.setPrototypeOf(fn, Object.getPrototypeOf(original));
	Object.defineProperty(fn, kCustom, { value: fn, enumerable: false, writable: false, configurable: true });
	return Object.defineProperties(fn, Object.getOwnPropertyDescriptors(original));
}
const kPromisifyArgs = Symbol('customPromisifyArgs');
promisify.custom = kCustom;

export function callbackify(original) {
	validateFunction(original, 'original');
	function callbackified(...args) {
		const callback = args.pop();
		validateFunction(callback, 'last argument');
		const bound = callback.bind(this);
		original.apply(this, args).then(
			(value) => queueMicrotask(() => bound(null, value)),
			(reason) => {
				if (!reason) {
					const error = new ERR_FALSY_VALUE_REJECTION();
					error.reason = reason;
					reason = error;
				}
				queueMicrotask(() => bound(reason));
			});
	}
	const described = Object.getOwnPropertyDescriptors(original);
	if (typeof described.length.value === 'number') described.length.value++;
	if (typeof described.name.value === 'string') described.name.value += 'Callbackified';
	for (const name of Reflect.ownKeys(described)) described[name] = { __proto__: null, ...described[name] };
	return Object.defineProperties(callbackified, described);
}

export function inherits(ctor, superCtor) {
	if (ctor === undefined || ctor === null) throw new ERR_INVALID_ARG_TYPE('ctor', 'Function', ctor);
	if (superCtor === undefined || superCtor === null) throw new ERR_INVALID_ARG_TYPE('superCtor', 'Function', superCtor);
	if (superCtor.prototype === undefined) throw new ERR_INVALID_ARG_TYPE('superCtor.prototype', 'Object', superCtor.prototype);
	Object.defineProperty(ctor, 'super_', { value: superCtor, writable: true, configurable: true });
	Object.setPrototypeOf(ctor.prototype, superCtor.prototype);
}
export function _extend(target, source) {
	if (source === null || typeof source !== 'object') return target;
	return Object.assign(target, source);
}

const warned = new Set();
export function deprecate(fn, message, code) {
	if (code !== undefined) validateString(code, 'code');
	let said = false;
	function deprecated(...args) {
		if (!said) {
			said = true;
			if (code === undefined || !warned.has(code)) {
				if (code !== undefined) warned.add(code);
				console.warn(`${code ? `[${code}] ` : ''}DeprecationWarning: ${message}`);
			}
		}
		return new.target ? Reflect.construct(fn, args, new.target) : Reflect.apply(fn, this, args);
	}
	Object.setPrototypeOf(deprecated, fn);
	if (fn.prototype) deprecated.prototype = fn.prototype;
	return Object.defineProperty(deprecated, 'length', { value: fn.length, configurable: true });
}

/** Sections that NODE_DEBUG names, as with Node. */
export function debuglog(section, callback) {
	let on;
	const name = `${section}`.toUpperCase();
	const enabled = () => {
		if (on === undefined) {
			const wanted = globalThis.__er_env?.NODE_DEBUG ?? '';
			on = String(wanted).split(',').some((one) => new RegExp(`^${one.trim().replace(/[|\\{}()[\]^$+?.]/g, '\\$&').replaceAll('*', '.*')}$`, 'i').test(name) && one.trim() !== '');
			callback?.(log);
		}
		return on;
	};
	const log = (...args) => {
		if (enabled()) console.error(`${name} 0: ${format(...args)}`);
	};
	Object.defineProperty(log, 'enabled', { get: enabled, configurable: true, enumerable: true });
	return log;
}
export { debuglog as debug };

export function stripVTControlCharacters(text) {
	validateString(text, 'str');
	return text.replace(/[\u001B\u009B][[\]()#;?]*(?:(?:(?:(?:;[-a-zA-Z\d/\#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/\#&.:=?%@~_]*)*)?(?:\u0007|\u001B\u005C|\u009C))|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]))/g, '');
}
export function styleText(style, text, options = {}) {
	validateString(text, 'text');
	void options;
	let before = '', after = '';
	for (const key of Array.isArray(style) ? style : [style]) {
		const codes = inspect.colors[key];
		if (codes === undefined || codes === null) validateOneOf(key, 'format', Object.keys(inspect.colors));
		before += `\u001b[${codes[0]}m`;
		after = `\u001b[${codes[1]}m${after}`;
	}
	return `${before}${text}${after}`;
}
export const toUSVString = (text) => `${text}`.toWellFormed();

export function getSystemErrorName(err) {
	validateNumber(err, 'err');
	if (err >= 0 || !Number.isSafeInteger(err)) throw new ERR_OUT_OF_RANGE('err', 'a negative integer', err);
	return errnoName(err);
}
export const getSystemErrorMap = () => new Map(Object.entries(ERRNO).map(([name, [number, text]]) => [number, [name, text]]));
export const getSystemErrorMessage = (err) => getSystemErrorMap().get(err)?.[1];

export async function aborted(signal, resource) {
	if (signal === undefined) throw new ERR_INVALID_ARG_TYPE('signal', 'AbortSignal', signal);
	validateAbortSignal(signal, 'signal');
	if (resource === null || (typeof resource !== 'object' && typeof resource !== 'function')) throw new ERR_INVALID_ARG_TYPE('resource', 'Object', resource);
	if (signal.aborted) return;
	await new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
export const transferableAbortController = () => new AbortController();
export const transferableAbortSignal = (signal) => signal;
export function getCallSites() {
	return [];
}
export function parseEnv(content) {
	validateString(content, 'content');
	const out = {};
	const line = /^\s*(?:export\s+)?([\w.-]+)\s*=[ \t]*('[^']*'|"(?:[^"\\]|\\.)*"|`[^`]*`|[^\n\r#]*)?/gm;
	for (const [, name, raw = ''] of content.matchAll(line)) {
		const value = raw.trim();
		const quote = /^(['"`])([^]*)\1$/.exec(value);
		out[name] = quote ? (quote[1] === '"' ? quote[2].replaceAll('\\n', '\n') : quote[2]) : value;
	}
	return out;
}

// ---- old tests of types ----
export const isArray = Array.isArray;
export const isBoolean = (v) => typeof v === 'boolean';
export const isBuffer = Buffer.isBuffer;
export const isNull = (v) => v === null;
export const isNullOrUndefined = (v) => v === null || v === undefined;
export const isNumber = (v) => typeof v === 'number';
export const isString = (v) => typeof v === 'string';
export const isSymbol = (v) => typeof v === 'symbol';
export const isUndefined = (v) => v === undefined;
export const isRegExp = types_.isRegExp;
export const isObject = (v) => v !== null && typeof v === 'object';
export const isDate = types_.isDate;
export const isError = (v) => types_.isNativeError(v) || v instanceof Error;
export const isFunction = (v) => typeof v === 'function';
export const isPrimitive = (v) => v === null || (typeof v !== 'object' && typeof v !== 'function');
export const log = (...args) => console.log(`${new Date().toISOString()} - ${format(...args)}`);

export default {
	types, format, formatWithOptions, inspect, isDeepStrictEqual, parseArgs, MIMEParams, MIMEType, TextEncoder, TextDecoder, promisify, callbackify, inherits, _extend, deprecate, debuglog, debug: debuglog,
	stripVTControlCharacters, styleText, toUSVString, getSystemErrorName, getSystemErrorMap, getSystemErrorMessage, aborted, transferableAbortController, transferableAbortSignal, getCallSites, parseEnv, isArray, isBoolean,
	isBuffer, isNull, isNullOrUndefined, isNumber, isString, isSymbol, isUndefined, isRegExp, isObject, isDate, isError, isFunction, isPrimitive, log,
	_errnoException: (err, syscall) => Object.assign(new Error(`${syscall} ${errnoName(err)}`), { errno: err, code: errnoName(err), syscall }),
};
