// node:assert.
import { inspect } from 'node-inspect-extracted';
import { AssertionError } from './internal/assertion-error.js';
import { isDeepEqual, isDeepStrictEqual } from './internal/equal.js';
import { ERR_AMBIGUOUS_ARGUMENT, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_INVALID_RETURN_VALUE, ERR_MISSING_ARGS } from './internal/errors.js';
import { isNativeError, isPromise, isRegExp } from './internal/types.js';
import { asNamed } from './internal/named.js';
import { validateFunction } from './internal/validators.js';

function fails({ message, ...rest }) {
	if (message instanceof Error) throw message;
	throw new AssertionError({ message, ...rest });
}
function needTwo(args) {
	if (args.length < 2) throw new ERR_MISSING_ARGS('actual', 'expected');
}
function truthy(fn, args, value, message) {
	if (value) return;
	let generated = false;
	if (args === 0) {
		generated = true;
		message = 'No value argument passed to `assert.ok()`';
	} else if (message == null) {
		generated = true;
		message = undefined; // the source is not there to be quoted
	} else if (message instanceof Error) throw message;
	const error = new AssertionError({ actual: value, expected: true, message, operator: '==', stackStartFn: fn });
	error.generatedMessage = generated;
	throw error;
}
export function ok(...args) {
	truthy(ok, args.length, ...args);
}
function assert(...args) {
	truthy(assert, args.length, ...args);
}
/** One that compares two values. */
const compare = (operator, test) => {
	const fn = {
		[operator](actual, expected, message) {
			needTwo(arguments);
			if (!test(actual, expected)) fails({ actual, expected, message, operator: OPERATORS[operator] ?? operator, stackStartFn: fn });
		},
	}[operator];
	return fn;
};
const OPERATORS = { equal: '==', notEqual: '!=' };
export const equal = compare('equal', (a, b) => a == b || (a !== a && b !== b));
export const notEqual = compare('notEqual', (a, b) => !(a == b || (a !== a && b !== b)));
export const deepEqual = compare('deepEqual', isDeepEqual);
export const notDeepEqual = compare('notDeepEqual', (a, b) => !isDeepEqual(a, b));
export const deepStrictEqual = compare('deepStrictEqual', isDeepStrictEqual);
export const notDeepStrictEqual = compare('notDeepStrictEqual', (a, b) => !isDeepStrictEqual(a, b));
export const strictEqual = compare('strictEqual', Object.is);
export const notStrictEqual = compare('notStrictEqual', (a, b) => !Object.is(a, b));
export function fail(actual, expected, message, operator, stackStartFn) {
	const n = arguments.length;
	let generated = false;
	if (actual == null && n <= 1) {
		generated = true;
		message = 'Failed';
	} else if (n === 1) {
		message = actual;
		actual = undefined;
	} else if (n === 2) operator = '!=';
	if (message instanceof Error) throw message;
	const options = { actual, expected, operator: operator === undefined ? 'fail' : operator, stackStartFn: stackStartFn || fail };
	if (message !== undefined) options.message = message;
	const error = new AssertionError(options);
	if (generated) error.generatedMessage = true;
	throw error;
}
export function ifError(error) {
	if (error === null || error === undefined) return;
	let message = 'ifError got unwanted exception: ';
	if (typeof error === 'object' && typeof error.message === 'string') message += error.message.length === 0 && error.constructor ? error.constructor.name : error.message;
	else message += inspect(error);
	const made = new AssertionError({ actual: error, expected: null, operator: 'ifError', message, stackStartFn: ifError });
	throw made;
}

// ---- what throws and what is rejected ----

function compareException(actual, expected, key, message, operator, fn) {
	if (key in actual && (isDeepStrictEqual(actual[key], expected[key]) || (isRegExp(expected[key]) && typeof actual[key] === 'string' && expected[key].test(actual[key])))) return;
	if (message) fails({ actual, expected, message, operator, stackStartFn: fn });
	const keys = Object.keys(expected);
	if (isNativeError(expected)) keys.push('name', 'message');
	const pick = (value) => Object.fromEntries(keys.filter((k) => k in value).map((k) => [k, isRegExp(expected[k]) && typeof value[k] === 'string' && expected[k].test(value[k]) ? expected[k] : value[k]]));
	const error = new AssertionError({ actual: pick(actual), expected: pick(expected), operator: 'deepStrictEqual', stackStartFn: fn });
	error.actual = actual;
	error.expected = expected;
	error.operator = operator;
	throw error;
}
function matches(actual, expected, message, fn) {
	let generated = false, wrong = false;
	if (typeof expected !== 'function') {
		if (isRegExp(expected)) {
			const text = String(actual);
			if (expected.test(text)) return;
			if (!message) {
				generated = true;
				message = `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(text)}\n`;
			}
			wrong = true;
		} else if (typeof actual !== 'object' || actual === null) {
			const error = new AssertionError({ actual, expected, message, operator: 'deepStrictEqual', stackStartFn: fn });
			error.operator = fn.name;
			throw error;
		} else {
			const keys = Object.keys(expected);
			if (isNativeError(expected)) keys.push('name', 'message');
			else if (keys.length === 0) throw new ERR_INVALID_ARG_VALUE('error', expected, 'may not be an empty object');
			for (const key of keys) compareException(actual, expected, key, message, fn.name, fn);
			return;
		}
	} else if (expected.prototype !== undefined && actual instanceof expected) return;
	else if (Object.prototype.isPrototypeOf.call(Error, expected)) {
		if (!message) {
			generated = true;
			message = `The error is expected to be an instance of "${expected.name}". Received ${isNativeError(actual) ? `"${actual.constructor?.name ?? actual.name}"` : `"${inspect(actual, { depth: -1 })}"`}${isNativeError(actual) ? `\n\nError message:\n\n${actual.message}` : ''}`;
		}
		wrong = true;
	} else {
		const result = Reflect.apply(expected, {}, [actual]);
		if (result !== true) {
			if (!message) {
				generated = true;
				const name = expected.name ? `"${expected.name}" ` : '';
				message = `The ${name}validation function is expected to return "true". Received ${inspect(result)}${isNativeError(actual) ? `\n\nCaught error:\n\n${actual}` : ''}`;
			}
			wrong = true;
		}
	}
	if (!wrong) return;
	const error = new AssertionError({ actual, expected, message, operator: fn.name, stackStartFn: fn });
	error.generatedMessage = generated;
	throw error;
}
const NOTHING = Symbol('nothing was thrown');
function caught(fn) {
	validateFunction(fn, 'fn');
	try {
		fn();
	} catch (e) {
		return e;
	}
	return NOTHING;
}
async function settled(promise) {
	let result;
	if (typeof promise === 'function') {
		result = promise();
		if (!isPromise(result) && typeof result?.then !== 'function') throw new ERR_INVALID_RETURN_VALUE('instance of Promise', 'promiseFn', result);
	} else if (isPromise(promise) || (typeof promise === 'object' && promise !== null && typeof promise.then === 'function' && typeof promise.catch === 'function')) result = promise;
	else throw new ERR_INVALID_ARG_TYPE('promiseFn', ['Function', 'Promise'], promise);
	try {
		await result;
	} catch (e) {
		return e;
	}
	return NOTHING;
}
function expectsError(fn, actual, error, message) {
	if (typeof error === 'string') {
		if (arguments.length === 4 && message !== undefined) throw new ERR_INVALID_ARG_TYPE('error', ['Object', 'Error', 'Function', 'RegExp'], error);
		if (typeof actual === 'object' && actual !== null) {
			if (actual.message === error) throw new ERR_AMBIGUOUS_ARGUMENT('error/message', `The error message "${actual.message}" is identical to the message.`);
		} else if (actual === error) throw new ERR_AMBIGUOUS_ARGUMENT('error/message', `The error "${actual}" is identical to the message.`);
		message = error;
		error = undefined;
	} else if (error != null && typeof error !== 'object' && typeof error !== 'function') throw new ERR_INVALID_ARG_TYPE('error', ['Object', 'Error', 'Function', 'RegExp'], error);
	if (actual === NOTHING) {
		let details = error?.name ? ` (${error.name})` : '';
		details += message ? `: ${message}` : '.';
		fails({ actual: undefined, expected: error, operator: fn.name, message: `Missing expected ${fn === rejects ? 'rejection' : 'exception'}${details}`, stackStartFn: fn });
	}
	if (error) matches(actual, error, message, fn);
}
function hasMatch(actual, expected) {
	if (typeof expected !== 'function') {
		if (isRegExp(expected)) return expected.test(String(actual));
		throw new ERR_INVALID_ARG_TYPE('expected', ['Function', 'RegExp'], expected);
	}
	if (expected.prototype !== undefined && actual instanceof expected) return true;
	if (Object.prototype.isPrototypeOf.call(Error, expected)) return false;
	return Reflect.apply(expected, {}, [actual]) === true;
}
function expectsNoError(fn, actual, error, message) {
	if (actual === NOTHING) return;
	if (typeof error === 'string') {
		message = error;
		error = undefined;
	}
	if (!error || hasMatch(actual, error)) {
		const details = message ? `: ${message}` : '.';
		fails({ actual, expected: error, operator: fn.name, message: `Got unwanted ${fn === doesNotReject ? 'rejection' : 'exception'}${details}\nActual message: "${actual?.message}"`, stackStartFn: fn });
	}
	throw actual;
}
export function throws(fn, ...args) {
	expectsError(throws, caught(fn), ...args);
}
export async function rejects(promise, ...args) {
	expectsError(rejects, await settled(promise), ...args);
}
export function doesNotThrow(fn, ...args) {
	expectsNoError(doesNotThrow, caught(fn), ...args);
}
export async function doesNotReject(promise, ...args) {
	expectsNoError(doesNotReject, await settled(promise), ...args);
}
function matching(text, regexp, message, fn, wanted) {
	if (!isRegExp(regexp)) throw new ERR_INVALID_ARG_TYPE('regexp', 'RegExp', regexp);
	if (typeof text === 'string' && regexp.test(text) === wanted) return;
	if (message instanceof Error) throw message;
	const generated = !message;
	message ||= typeof text !== 'string'
		? `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})`
		: `${wanted ? 'The input did not match the regular expression ' : 'The input was expected to not match the regular expression '}${inspect(regexp)}. Input:\n\n${inspect(text)}\n`;
	const error = new AssertionError({ actual: text, expected: regexp, message, operator: fn.name, stackStartFn: fn });
	error.generatedMessage = generated;
	throw error;
}
export function match(string, regexp, message) {
	matching(string, regexp, message, match, true);
}
export function doesNotMatch(string, regexp, message) {
	matching(string, regexp, message, doesNotMatch, false);
}
export const strict = Object.assign(function strict(...args) {
	truthy(strict, args.length, ...args);
}, { AssertionError, ok, equal: strictEqual, notEqual: notStrictEqual, deepEqual: deepStrictEqual, notDeepEqual: notDeepStrictEqual, deepStrictEqual, notDeepStrictEqual, strictEqual, notStrictEqual, fail, ifError, throws, rejects, doesNotThrow, doesNotReject, match, doesNotMatch });
strict.strict = strict;
Object.assign(assert, { AssertionError, ok, equal, notEqual, deepEqual, notDeepEqual, deepStrictEqual, notDeepStrictEqual, strictEqual, notStrictEqual, fail, ifError, throws, rejects, doesNotThrow, doesNotReject, match, doesNotMatch, strict });
asNamed('AssertionError', AssertionError);
export { AssertionError };
export default assert;
