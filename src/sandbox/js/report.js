// Exceptions on their way to the log: name, message and stack, without the prelude's own frames.
import * as er from './natives.js';
import { Err, getOwnPropertyDescriptor, getPrototypeOf, includes, isArray, join, replaceAllOf, strSplit, toStr, toWellFormed } from './primordials.js';
import { isObject } from './webidl.js';
import { isDOMException } from './dom-exception.js';

const text = (v) => {
	try {
		return v === undefined ? '' : toStr(v);
	} catch {
		return '';
	}
};
/** Frames of the routine only. JavaScriptCore's stacks are lines of
 * `function@source:line:column`. */
export function cleanStack(stack) {
	const lines = strSplit(stack, '\n');
	const out = [];
	for (let i = 0; i < lines.length; i++) if (!includes(lines[i], 'er:')) out[out.length] = lines[i];
	return join(out, '\n');
}
// A stack is frames, a line each; a line that begins with a tab is text between two stacks
// (isolate/sourcemap.h).
const DEPTH = 8, ERRORS = 10, TEXT = 12 * 1024;
const textLine = (s) => `\t${replaceAllOf(s, '\n', '\n\t')}`;
const isErrorObject = typeof Error.isError === 'function' ? Error.isError : (v) => v instanceof Err;
/** Errors, and what has all that an error has. */
function isErrorLike(e) {
	return isObject(e) && (isErrorObject(e) || isDOMException(e) || (typeof dataOf(e, 'message') === 'string' && typeof dataOf(e, 'stack') === 'string'));
}
/** A member of any object, unless a getter has it. */
function dataOf(o, key) {
	for (let i = 0; o !== null && i < 8; i++) {
		const d = getOwnPropertyDescriptor(o, key);
		if (d !== undefined) return d.value;
		o = getPrototypeOf(o);
	}
	return undefined;
}
/** What was thrown that is no error. */
function thrown(e) {
	try {
		return shown_(e);
	} catch {
		return isObject(e) ? 'an object that cannot be shown' : text(e);
	}
}
const headOf = (e) => {
	if (!isErrorLike(e)) return thrown(e);
	const name = text(e.name) || 'Error';
	const message = text(e.message);
	return message ? `${name}: ${message}` : name;
};
/** The stack of `e`, then those of what it was caused by and consists of. */
function stackOf(e, seen) {
	let stack = cleanStack(text(e.stack));
	const add = (label, other) => {
		if (stack.length > TEXT) return;
		for (let i = 0; i < seen.length; i++)
			if (seen[i] === other) {
				stack += `\n${textLine(`${label} [circular: ${headOf(other)}]`)}`;
				return;
			}
		stack += `\n${textLine(`${label} ${headOf(other)}`)}`;
		if (!isErrorLike(other) || seen.length >= DEPTH) return;
		seen[seen.length] = other;
		const inner = stackOf(other, seen);
		seen.length--;
		if (inner !== '') stack += `\n${inner}`;
	};
	const { errors } = e;
	if (isArray(errors)) {
		for (let i = 0; i < errors.length && i < ERRORS; i++) add(`error ${i + 1} of ${errors.length}:`, errors[i]);
		if (errors.length > ERRORS) stack += `\n${textLine(`and ${errors.length - ERRORS} more`)}`;
	}
	if ('cause' in e && e.cause !== undefined) add('caused by', e.cause);
	return stack;
}
/** hooks.describe: for C, whose conversion to UTF-8 stops at a lone surrogate. */
export function describe(e) {
	const { name, message, stack } = describeError(e);
	return { name: toWellFormed(name), message: toWellFormed(message), stack: toWellFormed(stack) };
}
/** In a line: for ErrorEvent. */
export const headLine = (e) => {
	try {
		return isObject(e) ? headOf(e) : toStr(e);
	} catch {
		return 'Uncaught exception';
	}
};
/** Name, message and stack of whatever was thrown. */
export function describeError(e) {
	try {
		if (isErrorLike(e)) {
			const name = text(e.name) || 'Error';
			const message = text(e.message);
			return { name, message, stack: stackOf(e, [e]) };
		}
	} catch {
		// a getter that throws: fall through
	}
	return { name: 'Thrown', message: thrown(e), stack: '' };
}
let shown_ = text;
/** How a value is shown that is no error. */
export function showThrown(fn) {
	shown_ = fn;
}
export function reportException(id, e, fatal) {
	const { name, message, stack } = describeError(e);
	er.exception(id, name, message, stack, fatal);
}
/** The place an error came from, for ErrorEvent. */
export function placeOf(e) {
	const none = { filename: '', lineno: 0, colno: 0 };
	try {
		if (!isErrorLike(e)) return none;
		return { filename: text(e.sourceURL), lineno: e.line >>> 0, colno: e.column >>> 0 };
	} catch {
		return none;
	}
}
