// Checks of arguments, with the errors that Node throws.
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, inspected } from './errors.js';

export function validateString(value, name) {
	if (typeof value !== 'string') throw new ERR_INVALID_ARG_TYPE(name, 'string', value);
}
export function validateBoolean(value, name) {
	if (typeof value !== 'boolean') throw new ERR_INVALID_ARG_TYPE(name, 'boolean', value);
}
export function validateFunction(value, name) {
	if (typeof value !== 'function') throw new ERR_INVALID_ARG_TYPE(name, 'Function', value);
}
export function validateNumber(value, name, min = undefined, max = undefined) {
	if (typeof value !== 'number') throw new ERR_INVALID_ARG_TYPE(name, 'number', value);
	if ((min != null && value < min) || (max != null && value > max) || ((min != null || max != null) && Number.isNaN(value))) {
		const range = [min != null && `>= ${min}`, max != null && `<= ${max}`].filter(Boolean).join(' && ');
		throw new ERR_OUT_OF_RANGE(name, range, value);
	}
}
export function validateInteger(value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
	if (typeof value !== 'number') throw new ERR_INVALID_ARG_TYPE(name, 'number', value);
	if (!Number.isInteger(value)) throw new ERR_OUT_OF_RANGE(name, 'an integer', value);
	if (value < min || value > max) throw new ERR_OUT_OF_RANGE(name, `>= ${min} && <= ${max}`, value);
}
export const validateInt32 = (value, name, min = -2147483648, max = 2147483647) => validateInteger(value, name, min, max);
export const validateUint32 = (value, name, positive = false) => validateInteger(value, name, positive ? 1 : 0, 4294967295);
export function validateObject(value, name, { nullable = false, array = false, fn = false } = {}) {
	if ((value === null && !nullable) || (Array.isArray(value) && !array) || (typeof value !== 'object' && !(fn && typeof value === 'function'))) throw new ERR_INVALID_ARG_TYPE(name, 'Object', value);
}
export function validateArray(value, name, minLength = 0) {
	if (!Array.isArray(value)) throw new ERR_INVALID_ARG_TYPE(name, 'Array', value);
	if (value.length < minLength) throw new ERR_INVALID_ARG_VALUE(name, value, `must be longer than ${minLength}`);
}
export function validateOneOf(value, name, choices) {
	if (!choices.includes(value)) throw new ERR_INVALID_ARG_VALUE(name, value, `must be one of: ${choices.map(inspected).join(', ')}`);
}
export function validateAbortSignal(signal, name) {
	if (signal !== undefined && (signal === null || typeof signal !== 'object' || !('aborted' in signal))) throw new ERR_INVALID_ARG_TYPE(name, 'AbortSignal', signal);
}
export const isView = ArrayBuffer.isView;
export const isAnyArrayBuffer = (value) => value instanceof ArrayBuffer || (typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer);
export function validateBuffer(value, name = 'buffer') {
	if (!isView(value)) throw new ERR_INVALID_ARG_TYPE(name, ['Buffer', 'TypedArray', 'DataView'], value);
}
