// node:querystring.
import { Buffer } from './buffer.js';
import { ERR_INVALID_URI } from './internal/errors.js';

const SAFE = /^[A-Za-z0-9\-._~!'()*]*$/;
export function escape(value) {
	if (typeof value !== 'string') value = typeof value === 'object' ? String(value) : `${value}`;
	if (SAFE.test(value)) return value;
	try {
		return encodeURIComponent(value);
	} catch {
		throw new ERR_INVALID_URI();
	}
}
/** Escapes that are no escapes stay as they are. */
export function unescapeBuffer(s, decodeSpaces) {
	const out = Buffer.allocUnsafe(s.length);
	let n = 0;
	for (let i = 0; i < s.length; i++) {
		let c = s.charCodeAt(i);
		if (c === 37 && /^[0-9A-Fa-f]{2}$/.test(s.slice(i + 1, i + 3))) {
			c = parseInt(s.slice(i + 1, i + 3), 16);
			i += 2;
		} else if (c === 43 && decodeSpaces) c = 32;
		out[n++] = c;
	}
	return n === s.length ? out : out.slice(0, n);
}
export function unescape(s, decodeSpaces) {
	try {
		return decodeURIComponent(s);
	} catch {
		return exports_.unescapeBuffer(s, decodeSpaces).toString();
	}
}
const primitive = (v) => (typeof v === 'string' ? v : typeof v === 'number' && Number.isFinite(v) ? `${v}` : typeof v === 'bigint' || typeof v === 'boolean' ? `${v}` : '');
export function stringify(object, separator, equals, options) {
	separator ||= '&';
	equals ||= '=';
	let encode = exports_.escape;
	if (typeof options?.encodeURIComponent === 'function') encode = options.encodeURIComponent;
	// the own encoder is asked for strings alone, as Node asks it
	const coded = (v) => (encode === escape ? (typeof v === 'string' ? (v.length ? escape(v) : '') : primitive(v)) : encode(primitive(v)));
	if (object === null || typeof object !== 'object') return '';
	const parts = [];
	for (const key of Object.keys(object)) {
		const value = object[key], name = coded(key) + equals;
		if (Array.isArray(value)) for (const one of value) parts.push(name + coded(one));
		else parts.push(name + coded(value));
	}
	return parts.join(separator);
}
export function parse(text, separator, equals, options) {
	const out = { __proto__: null };
	if (typeof text !== 'string' || text.length === 0) return out;
	separator = separator ? `${separator}` : '&';
	equals = equals ? `${equals}` : '=';
	let most = 1000;
	if (options && typeof options.maxKeys === 'number') most = options.maxKeys > 0 ? options.maxKeys : Infinity;
	const own = typeof options?.decodeURIComponent === 'function' ? options.decodeURIComponent : exports_.unescape;
	const decoded = (s) => {
		try {
			return own(s);
		} catch {
			return exports_.unescape(s, true);
		}
	};
	const text_ = (s) => {
		s = s.replaceAll('+', own === unescape ? ' ' : '%20');
		return own !== unescape || s.includes('%') ? decoded(s) : s;
	};
	for (const part of text.split(separator)) {
		if (part === '') continue;
		if (most-- <= 0) break;
		const at = part.indexOf(equals);
		const key = text_(at >= 0 ? part.slice(0, at) : part), value = at >= 0 ? text_(part.slice(at + equals.length)) : '';
		if (!(key in out)) out[key] = value;
		else if (Array.isArray(out[key])) out[key].push(value);
		else out[key] = [out[key], value];
	}
	return out;
}
export { stringify as encode, parse as decode };
// escape and unescape may be replaced: stringify and parse call what is there.
const exports_ = { unescapeBuffer, unescape, escape, stringify, encode: stringify, parse, decode: parse };
export default exports_;
