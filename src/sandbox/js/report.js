// Exceptions on their way to the log: name, message and stack, without the prelude's own frames.
import * as er from './natives.js';
import { includes, join, strSplit, toStr } from './primordials.js';
import { isObject } from './webidl.js';

const text = (v) => {
	try {
		return v === undefined ? '' : toStr(v);
	} catch {
		return '';
	}
};
/** Frames of the routine only. JavaScriptCore's stacks are lines of `function@source:line:column`. */
export function cleanStack(stack) {
	const lines = strSplit(stack, '\n');
	const out = [];
	for (let i = 0; i < lines.length; i++) if (!includes(lines[i], 'er:')) out[out.length] = lines[i];
	return join(out, '\n');
}
export function describeError(e) {
	try {
		if (isObject(e) && ('message' in e || 'stack' in e)) {
			let stack = text(e.stack);
			const name = text(e.name) || 'Error';
			const message = text(e.message);
			stack = cleanStack(stack);
			let { cause } = e;
			for (let depth = 0; cause !== undefined && cause !== null && depth < 5; depth++) {
				if (!isObject(cause)) {
					stack += `\ncaused by ${text(cause)}`;
					break;
				}
				stack += `\ncaused by ${text(cause.name)}: ${text(cause.message)}\n${cleanStack(text(cause.stack))}`;
				cause = cause.cause;
			}
			return { name, message, stack };
		}
	} catch {
		// a getter that throws: fall through
	}
	let message;
	if (isObject(e)) {
		try {
			message = inspect_(e);
		} catch {
			message = 'an object';
		}
	} else message = typeof e === 'symbol' ? 'a symbol' : text(e);
	return { name: 'Thrown', message, stack: '' };
}
let inspect_ = () => 'an object';
export function inspectThrough(fn) {
	inspect_ = fn;
}
export function reportException(id, e, fatal) {
	const { name, message, stack } = describeError(e);
	er.exception(id, name, message, stack, fatal);
}
/** The place an error came from, for ErrorEvent. */
export function placeOf(e) {
	const none = { filename: '', lineno: 0, colno: 0 };
	try {
		if (!isObject(e)) return none;
		return { filename: text(e.sourceURL), lineno: e.line >>> 0, colno: e.column >>> 0 };
	} catch {
		return none;
	}
}
