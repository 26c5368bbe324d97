// The errors that Node's modules throw: a built-in error with Node's `code` and Node's words. What
// packages compare is the code; what people read is the message.

/** A primitive as util.inspect shows it. */
function primitive(value) {
	switch (typeof value) {
		case 'string': {
			const quote = !value.includes("'") ? "'" : !value.includes('"') ? '"' : !value.includes('`') && !value.includes('${') ? '`' : "'";
			const text = value.replace(/[\x00-\x1f\x7f-\x9f\\]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (c) => {
				const known = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\' }[c];
				if (known) return known;
				const code = c.charCodeAt(0);
				return code > 0xff ? `\\u${code.toString(16).toUpperCase()}` : `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
			});
			return quote + (quote === "'" ? text.replaceAll("'", "\\'") : text) + quote;
		}
		case 'bigint':
			return `${value}n`;
		case 'number':
			return Object.is(value, -0) ? '-0' : String(value);
		default:
			return String(value);
	}
}
let inspector = (value) => {
	const own = value[Symbol.for('nodejs.util.inspect.custom')];
	if (typeof own === 'function') return own.call(value);
	if (typeof value === 'function') return value.name ? `[Function: ${value.name}]` : '[Function (anonymous)]';
	if (Array.isArray(value)) return `[ ${value.map(inspected).join(', ')} ]`;
	if (value.constructor === Object) {
		const members = Object.keys(value).map((key) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : primitive(key)}: ${typeof value[key] === 'object' && value[key] !== null ? '[Object]' : inspected(value[key])}`);
		return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
	}
	return `${value.constructor?.name ?? '[Object: null prototype]'} {}`;
};
/** util brings its inspect along; without util nobody pays for it. */
export const inspectWith = (fn) => void (inspector = fn);
export const inspected = (value) => ((typeof value === 'object' && value !== null) || typeof value === 'function' ? inspector(value) : primitive(value));

/** "type number (5)", "an instance of Map", ... */
function received(value) {
	if (value == null) return String(value);
	if (typeof value === 'function') return `function ${value.name}`;
	if (typeof value === 'object') {
		if (value.constructor?.name) return `an instance of ${value.constructor.name}`;
		return '[Object: null prototype] {}';
	}
	let text = primitive(value);
	if (text.length > 28) text = `${text.slice(0, 25)}...`;
	return `type ${typeof value} (${text})`;
}

export function listed(items, word) {
	if (items.length <= 2) return items.join(` ${word} `);
	return `${items.slice(0, -1).join(', ')}, ${word} ${items.at(-1)}`;
}

const TYPES = ['string', 'function', 'number', 'object', 'Function', 'Object', 'boolean', 'bigint', 'symbol'];
function wrongType(name, expected, actual) {
	const types = [], instances = [], other = [];
	for (const one of Array.isArray(expected) ? expected : [expected]) {
		if (TYPES.includes(one)) types.push(one.toLowerCase());
		else if (/^([A-Z][a-z0-9]*)+$/.test(one)) instances.push(one);
		else other.push(one);
	}
	if (instances.length > 0 && types.includes('object')) {
		types.splice(types.indexOf('object'), 1);
		instances.push('Object');
	}
	const parts = [];
	if (types.length > 0) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${listed(types, 'or')}`);
	if (instances.length > 0) parts.push(`an instance of ${listed(instances, 'or')}`);
	if (other.length > 1) parts.push(`one of ${listed(other, 'or')}`);
	else if (other.length === 1) parts.push((other[0].toLowerCase() !== other[0] ? 'an ' : '') + other[0]);
	const what = name.endsWith(' argument') ? `The ${name}` : `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`;
	return `${what} must be ${parts.join(' or ')}. Received ${received(actual)}`;
}

/** 1234567 → 1_234_567 */
const grouped = (text) => text.replace(/\B(?=(\d{3})+$)/g, '_');
function outOfRange(name, range, input) {
	let shown;
	if (Number.isInteger(input) && Math.abs(input) > 2 ** 32) shown = grouped(String(input));
	else if (typeof input === 'bigint') shown = `${input > 2n ** 32n || input < -(2n ** 32n) ? grouped(String(input)) : input}n`;
	else shown = inspected(input);
	return `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`;
}
function wrongValue(name, value, reason = 'is invalid') {
	let text = inspected(value);
	if (text.length > 128) text = `${text.slice(0, 128)}...`;
	return `The ${name.includes('.') ? 'property' : 'argument'} '${name}' ${reason}. Received ${text}`;
}

/** Does its stack name the code, as Node's does? */
export function coded(error, code) {
	Object.defineProperty(error, 'toString', {
		value() {
			return `${this.name} [${code}]: ${this.message}`;
		},
		enumerable: false, writable: true, configurable: true,
	});
	error.code = code;
	return error;
}
const kind = (Base, code, say) => {
	const make = function (...args) {
		return coded(new Base(typeof say === 'function' ? say(...args) : say), code);
	};
	Object.defineProperty(make, 'name', { value: code });
	return make;
};

export const ERR_INVALID_ARG_TYPE = /* @__PURE__ */ kind(TypeError, 'ERR_INVALID_ARG_TYPE', wrongType);
export const ERR_INVALID_ARG_VALUE = /* @__PURE__ */ kind(TypeError, 'ERR_INVALID_ARG_VALUE', wrongValue);
export const ERR_OUT_OF_RANGE = /* @__PURE__ */ kind(RangeError, 'ERR_OUT_OF_RANGE', outOfRange);
export const ERR_UNKNOWN_ENCODING = /* @__PURE__ */ kind(TypeError, 'ERR_UNKNOWN_ENCODING', (name) => `Unknown encoding: ${name}`);
export const ERR_BUFFER_OUT_OF_BOUNDS = /* @__PURE__ */ kind(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', (name) => (name ? `"${name}" is outside of buffer bounds` : 'Attempt to access memory outside buffer bounds'));
export const ERR_INVALID_BUFFER_SIZE = /* @__PURE__ */ kind(RangeError, 'ERR_INVALID_BUFFER_SIZE', (bits) => `Buffer size must be a multiple of ${bits}`);
export const ERR_MISSING_ARGS = /* @__PURE__ */ kind(TypeError, 'ERR_MISSING_ARGS', (...args) => {
	const names = args.map((one) => (Array.isArray(one) ? one.map((a) => `"${a}"`).join(' or ') : `"${one}"`));
	return `The ${listed(names, 'and')} argument${names.length > 1 ? 's' : ''} must be specified`;
});
export const ERR_INVALID_THIS = /* @__PURE__ */ kind(TypeError, 'ERR_INVALID_THIS', (type) => `Value of "this" must be of type ${type}`);
export const ERR_UNHANDLED_ERROR = /* @__PURE__ */ kind(Error, 'ERR_UNHANDLED_ERROR', (err) => (err === undefined ? 'Unhandled error.' : `Unhandled error. (${err})`));
export const ERR_INVALID_URI = /* @__PURE__ */ kind(URIError, 'ERR_INVALID_URI', 'URI malformed');
export const ERR_INVALID_RETURN_VALUE = /* @__PURE__ */ kind(TypeError, 'ERR_INVALID_RETURN_VALUE', (input, name, value) => {
	const type = received(value);
	return `Expected ${input} to be returned from the "${name}" function but got ${type}.`;
});
export const ERR_AMBIGUOUS_ARGUMENT = /* @__PURE__ */ kind(TypeError, 'ERR_AMBIGUOUS_ARGUMENT', (x, y) => `The "${x}" argument is ambiguous. ${y}`);
export const ERR_FALSY_VALUE_REJECTION = /* @__PURE__ */ kind(Error, 'ERR_FALSY_VALUE_REJECTION', () => 'Promise was rejected with falsy value');
export const ERR_INVALID_FILE_URL_HOST = /* @__PURE__ */ kind(TypeError, 'ERR_INVALID_FILE_URL_HOST', (platform) => `File URL host must be "localhost" or empty on ${platform}`);
export const ERR_INVALID_FILE_URL_PATH = /* @__PURE__ */ kind(TypeError, 'ERR_INVALID_FILE_URL_PATH', (why) => `File URL path ${why}`);
export const ERR_INVALID_URL_SCHEME = /* @__PURE__ */ kind(TypeError, 'ERR_INVALID_URL_SCHEME', (expected) => `The URL must be of scheme ${expected}`);
export const ERR_PARSE_ARGS_UNKNOWN_OPTION = /* @__PURE__ */ kind(TypeError, 'ERR_PARSE_ARGS_UNKNOWN_OPTION', (option, positionals) => {
	const more = positionals ? `. To specify a positional argument starting with a '-', place it at the end of the command after '--', as in '-- ${JSON.stringify(option)}` : '';
	return `Unknown option '${option}'${more}`;
});
export const ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL = /* @__PURE__ */ kind(TypeError, 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL', (what) => `Unexpected argument '${what}'. This command does not take positional arguments`);
export const ERR_PARSE_ARGS_INVALID_OPTION_VALUE = /* @__PURE__ */ kind(TypeError, 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE', (text) => text);
export const ERR_CRYPTO_INVALID_DIGEST = /* @__PURE__ */ kind(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', (name) => `Invalid digest: ${name}`);
export const ERR_CRYPTO_HASH_FINALIZED = /* @__PURE__ */ kind(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
export const ERR_CRYPTO_HASH_UPDATE_FAILED = /* @__PURE__ */ kind(Error, 'ERR_CRYPTO_HASH_UPDATE_FAILED', 'Hash update failed');
export const ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH = /* @__PURE__ */ kind(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
export const ERR_CRYPTO_INVALID_KEYLEN = /* @__PURE__ */ kind(RangeError, 'ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length');
export const ERR_CRYPTO_INVALID_IV = /* @__PURE__ */ kind(TypeError, 'ERR_CRYPTO_INVALID_IV', 'Invalid initialization vector');
export const ERR_CRYPTO_UNKNOWN_CIPHER = /* @__PURE__ */ kind(Error, 'ERR_CRYPTO_UNKNOWN_CIPHER', 'Unknown cipher');
export const ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE = /* @__PURE__ */ kind(TypeError, 'ERR_CRYPTO_INVALID_KEY_OBJECT_TYPE', (type, expected) => `Invalid key object type ${type}, expected ${expected}.`);
export const ERR_CRYPTO_SIGN_KEY_REQUIRED = /* @__PURE__ */ kind(Error, 'ERR_CRYPTO_SIGN_KEY_REQUIRED', 'No key provided to sign');
export const ERR_CRYPTO_INVALID_STATE = /* @__PURE__ */ kind(Error, 'ERR_CRYPTO_INVALID_STATE', (what) => `Invalid state for operation ${what}`);
export const ERR_CRYPTO_SCRYPT_INVALID_PARAMETER = /* @__PURE__ */ kind(Error, 'ERR_CRYPTO_SCRYPT_INVALID_PARAMETER', (why = 'Invalid scrypt parameter') => why);
export const ERR_OPERATION_FAILED = /* @__PURE__ */ kind(Error, 'ERR_OPERATION_FAILED', (what) => `Operation failed: ${what}`);
export const ERR_INVALID_ASYNC_ID = /* @__PURE__ */ kind(RangeError, 'ERR_INVALID_ASYNC_ID', (name, value) => `Invalid ${name} value: ${value}`);
export const ERR_STRING_TOO_LONG = /* @__PURE__ */ kind(Error, 'ERR_STRING_TOO_LONG', 'Cannot create a string longer than 0x1fffffe8 characters');
export const ERR_ASSERTION_MISSING = /* @__PURE__ */ kind(TypeError, 'ERR_MISSING_ARGS', 'The "actual" and "expected" arguments must be specified');
export const ERR_SOCKET_BAD_PORT = /* @__PURE__ */ kind(RangeError, 'ERR_SOCKET_BAD_PORT', (name, port) => `${name} should be >= 0 and < 65536. Received ${received(port)}.`);
/** What the edge has not: says so, and what to use instead. */
export const ERR_FEATURE_UNAVAILABLE = /* @__PURE__ */ kind(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', (what, instead) => `${what} is part of Node.js and not of the edge: ${instead}`);

/** As Node's: name "AbortError", code "ABORT_ERR". */
export class AbortError extends Error {
	constructor(message = 'The operation was aborted', options = undefined) {
		if (options !== undefined && typeof options !== 'object') throw new ERR_INVALID_ARG_TYPE('options', 'Object', options);
		super(message, options);
		this.code = 'ABORT_ERR';
		this.name = 'AbortError';
	}
}
Object.defineProperty(AbortError, 'name', { value: 'AbortError' });
export const ERR_ASYNC_TYPE = /* @__PURE__ */ kind(TypeError, 'ERR_ASYNC_TYPE', (type) => `Invalid name for async "type": ${type}`);
export const ERR_METHOD_NOT_IMPLEMENTED = /* @__PURE__ */ kind(Error, 'ERR_METHOD_NOT_IMPLEMENTED', (name) => `The ${name} method is not implemented`);
