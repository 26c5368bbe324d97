// Readable text of any value for the console, in the manner of Node's util.inspect. Never runs
// getters, bounded in depth and size.
import {
	bareList, Err, apply, arraySlice, dvByteLength, dvByteOffset, fnToString, getOwnPropertyDescriptor, getOwnPropertyNames, getOwnPropertySymbols, getPrototypeOf, includes, isArray,
	isArrayBuffer, isView, join, jsonStringify, mapForEach, regexp, repeat, replaceAllOf, setForEach, startsWith, strSlice, strSplit, symTag, taLength, taTag,
	toStr, uncurry, viewBytes, abByteLength, hasOwn,
} from './primordials.js';
import { CONSOLE_MAX } from './contract.js';
import { isObject } from './webidl.js';
import { cleanStack } from './report.js';

const MAX = (CONSOLE_MAX * 3) / 4; // characters, some of which take more than a byte
const ITEMS = 100;
const STRING = 4000;
const LOOK = 1000;
const attempt = (f) => (v) => {
	try {
		return { value: f(v) };
	} catch {
		return undefined;
	}
};
const asDate = attempt(uncurry(Date.prototype.getTime));
const toISO = uncurry(Date.prototype.toISOString);
const regText = attempt(uncurry(RegExp.prototype.toString));
const isReg = attempt(uncurry(getOwnPropertyDescriptor(RegExp.prototype, 'global').get));
const regProto = RegExp.prototype;
const mapSizeOf = attempt(uncurry(getOwnPropertyDescriptor(Map.prototype, 'size').get));
const setSizeOf = attempt(uncurry(getOwnPropertyDescriptor(Set.prototype, 'size').get));
const boxed = [
	['Boolean', attempt(uncurry(Boolean.prototype.valueOf))], ['Number', attempt(uncurry(Number.prototype.valueOf))],
	['String', attempt(uncurry(String.prototype.valueOf))], ['BigInt', attempt(uncurry(BigInt.prototype.valueOf))],
	['Symbol', attempt(uncurry(Symbol.prototype.valueOf))],
];
const weakMapHas = uncurry(WeakMap.prototype.has), weakSetHas = uncurry(WeakSet.prototype.has);
const weakMap = attempt((v) => weakMapHas(v, {}));
const weakSet = attempt((v) => weakSetHas(v, {}));
const PromiseCtor = Promise;
const symbolText = uncurry(Symbol.prototype.toString);
const isErrorObject = typeof Error.isError === 'function' ? Error.isError : (v) => v instanceof Err;
const IDENT = regexp(/^[A-Za-z_$][\w$]*$/);
const CLASS = regexp(/^class[\s{]/);
const CONTROL = regexp(/[\u0000-\u001f\u007f'\\]/);

/** Platform objects say what to show: `describe` (value) → { name, fields } or undefined. */
const shows = bareList();
export function show(is, describe) {
	shows[shows.length] = { is, describe };
}

export function quote(s) {
	if (CONTROL.exec(s) === null) return `'${s}'`;
	if (!includes(s, "'") || includes(s, '"')) return `'${replaceAllOf(replaceAllOf(strSlice(jsonStringify(s), 1, -1), '\\"', '"'), "'", "\\'")}'`;
	return jsonStringify(s);
}
function primitive(v) {
	switch (typeof v) {
		case 'string': {
			const cut = v.length > STRING ? strSlice(v, 0, STRING) : v;
			const more = cut.length < v.length ? `... ${v.length - cut.length} more characters` : '';
			return quote(cut) + more;
		}
		case 'number':
			return v === 0 && 1 / v < 0 ? '-0' : toStr(v);
		case 'bigint':
			return `${v}n`;
		case 'symbol':
			return symbolText(v);
		default:
			return toStr(v);
	}
}
function nameOf(v) {
	for (let p = v, i = 0; p !== null && i < 8; p = getPrototypeOf(p), i++) {
		const d = getOwnPropertyDescriptor(p, 'constructor');
		if (d !== undefined && typeof d.value === 'function') {
			const n = getOwnPropertyDescriptor(d.value, 'name');
			if (n !== undefined && typeof n.value === 'string' && n.value !== '') return n.value;
		}
	}
	return null;
}
function tagOf(v) {
	for (let p = v, i = 0; p !== null && i < 8; p = getPrototypeOf(p), i++) {
		const d = getOwnPropertyDescriptor(p, symTag);
		if (d !== undefined) return typeof d.value === 'string' ? d.value : null;
	}
	return null;
}
const keyText = (k) => (typeof k === 'symbol' ? `[${symbolText(k)}]` : IDENT.exec(k) !== null ? k : quote(k));

export function inspect(value, options = undefined) {
	const ctx = { depth: options?.depth === null ? Infinity : (options?.depth ?? 2), seen: bareList(), circular: bareList(), left: MAX, hidden: !!options?.showHidden };
	return format(value, ctx, 0, 0);
}
function format(v, ctx, depth, indent) {
	if (!isObject(v)) return spend(ctx, primitive(v));
	if (ctx.left <= 0) return '...';
	for (let i = 0; i < ctx.seen.length; i++)
		if (ctx.seen[i] === v) {
			let n = 0;
			while (n < ctx.circular.length && ctx.circular[n] !== v) n++;
			ctx.circular[n] = v;
			return `[Circular *${n + 1}]`;
		}
	ctx.seen[ctx.seen.length] = v;
	let text;
	try {
		text = object(v, ctx, depth, indent);
	} catch {
		text = '[object that cannot be shown]';
	}
	ctx.seen.length--;
	for (let n = 0; n < ctx.circular.length; n++) if (ctx.circular[n] === v) text = `<ref *${n + 1}> ${text}`;
	return text;
}
function spend(ctx, s) {
	ctx.left -= s.length;
	return s;
}
function object(v, ctx, depth, indent) {
	for (let i = 0; i < shows.length; i++) {
		if (!shows[i].is(v)) continue;
		const s = shows[i].describe(v);
		if (s === undefined) break;
		if (typeof s === 'string') return spend(ctx, s);
		if (depth > ctx.depth) return `[${s.name}]`;
		const parts = bareList();
		for (const k in s.fields) parts[parts.length] = `${keyText(k)}: ${format(s.fields[k], ctx, depth + 1, indent + 2)}`;
		return wrap(`${s.name} `, '{', '}', parts, indent);
	}
	const name = nameOf(v);
	if (typeof v === 'function') return withProperties(functionText(v, name), v, ctx, depth, indent, ['length', 'name', 'prototype', 'arguments', 'caller']);
	if (isErrorObject(v)) return errorText(v, ctx, depth, indent);
	let s;
	if ((s = asDate(v)) !== undefined) return withProperties(s.value !== s.value ? 'Invalid Date' : toISO(v), v, ctx, depth, indent);
	if (v !== regProto && isReg(v) !== undefined) return withProperties(regText(v)?.value ?? '/?/', v, ctx, depth, indent, ['lastIndex']);
	for (let i = 0; i < boxed.length; i++) {
		const b = boxed[i][1](v);
		if (b === undefined) continue;
		const skip = bareList();
		if (boxed[i][0] === 'String') for (let k = 0; k < b.value.length; k++) skip[k] = toStr(k);
		skip[skip.length] = 'length';
		return withProperties(`[${boxed[i][0]}: ${primitive(b.value)}]`, v, ctx, depth, indent, skip);
	}
	if (depth > ctx.depth) return spend(ctx, isArray(v) ? '[Array]' : `[${name ?? 'Object: null prototype'}]`);
	if (isArray(v)) return list(v, name === 'Array' ? '' : `${name}(${v.length}) `, v.length, (i) => v[i], ctx, depth, indent, true);
	if (isView(v) && taTag(v) !== undefined) {
		const n = taLength(v);
		return list(v, `${name ?? taTag(v)}(${n}) `, n, (i) => v[i], ctx, depth, indent, false);
	}
	if (isArrayBuffer(v)) return bufferText(v);
	if (isView(v)) return `DataView { byteLength: ${dvByteLength(v)}, byteOffset: ${dvByteOffset(v)} }`;
	if ((s = mapSizeOf(v)) !== undefined) {
		const parts = bareList();
		mapForEach(v, (value, key) => {
			if (parts.length < ITEMS && ctx.left > 0) parts[parts.length] = `${format(key, ctx, depth + 1, indent + 2)} => ${format(value, ctx, depth + 1, indent + 2)}`;
		});
		return wrap(`${name ?? 'Map'}(${s.value}) `, '{', '}', more(properties(v, parts, ctx, depth, indent), s.value - parts.length), indent);
	}
	if ((s = setSizeOf(v)) !== undefined) {
		const parts = bareList();
		setForEach(v, (value) => {
			if (parts.length < ITEMS && ctx.left > 0) parts[parts.length] = format(value, ctx, depth + 1, indent + 2);
		});
		return wrap(`${name ?? 'Set'}(${s.value}) `, '{', '}', more(properties(v, parts, ctx, depth, indent), s.value - parts.length), indent);
	}
	if (v instanceof PromiseCtor) return wrap('Promise ', '{', '}', properties(v, [], ctx, depth, indent), indent);
	if (weakMap(v) !== undefined) return 'WeakMap { <items unknown> }';
	if (weakSet(v) !== undefined) return 'WeakSet { <items unknown> }';
	const tag = tagOf(v);
	let prefix = name === null ? '[Object: null prototype] ' : name === 'Object' ? '' : `${name} `;
	if (tag !== null && tag !== name) prefix = `${name ?? 'Object'} [${tag}] `;
	return wrap(prefix, '{', '}', properties(v, [], ctx, depth, indent), indent);
}
function more(parts, n) {
	if (n > 0 && parts.length >= ITEMS) parts[parts.length] = `... ${n} more item${n > 1 ? 's' : ''}`;
	return parts;
}
function list(v, prefix, n, at, ctx, depth, indent, holes) {
	const parts = bareList();
	let i = 0;
	for (; i < n && parts.length < ITEMS && ctx.left > 0; i++) {
		if (holes && !hasOwn(v, i)) {
			const from = i;
			while (i + 1 < n && !hasOwn(v, i + 1) && i - from < 100000) i++;
			parts[parts.length] = `<${i - from + 1} empty item${i > from ? 's' : ''}>`;
			continue;
		}
		parts[parts.length] = format(at(i), ctx, depth + 1, indent + 2);
	}
	if (i < n) parts[parts.length] = `... ${n - i} more item${n - i > 1 ? 's' : ''}`;
	// Whether an array has other members, only a look at all its names would say. A long one is not
	// looked at so.
	if (holes && n <= LOOK) properties(v, parts, ctx, depth, indent, (k) => typeof k === 'string' && toStr(k >>> 0) === k);
	return wrap(prefix, '[', ']', parts, indent, n > 6 && !holes ? 12 : n > 6 ? 8 : 0);
}
function properties(v, parts, ctx, depth, indent, skip = undefined) {
	const names = getOwnPropertyNames(v);
	const symbols = getOwnPropertySymbols(v);
	let shown = 0;
	for (let i = 0; i < names.length + symbols.length; i++) {
		const k = i < names.length ? names[i] : symbols[i - names.length];
		if (skip !== undefined && skip(k)) continue;
		const d = getOwnPropertyDescriptor(v, k);
		if (d === undefined || (!d.enumerable && !ctx.hidden)) continue;
		if (shown >= ITEMS || ctx.left <= 0) {
			parts[parts.length] = '...';
			break;
		}
		shown++;
		const key = d.enumerable ? keyText(k) : `[${keyText(k)}]`;
		let text;
		if ('value' in d) text = format(d.value, ctx, depth + 1, indent + 2);
		else text = d.get ? (d.set ? '[Getter/Setter]' : '[Getter]') : '[Setter]';
		parts[parts.length] = spend(ctx, `${key}: `) + text;
	}
	return parts;
}
function withProperties(base, v, ctx, depth, indent, skip = []) {
	spend(ctx, base);
	if (depth > ctx.depth) return base;
	const parts = properties(v, [], ctx, depth, indent, (k) => inList(skip, k));
	return parts.length === 0 ? base : wrap(`${base} `, '{', '}', parts, indent);
}
function inList(list, k) {
	for (let i = 0; i < list.length; i++) if (list[i] === k) return true;
	return false;
}
function functionText(f, ctor) {
	const d = getOwnPropertyDescriptor(f, 'name');
	const name = d !== undefined && typeof d.value === 'string' ? d.value : '';
	let source = '';
	try {
		source = fnToString(f);
	} catch {
		// a callable proxy
	}
	if (CLASS.exec(source) !== null) {
		const parent = getPrototypeOf(f);
		const pn = typeof parent === 'function' ? getOwnPropertyDescriptor(parent, 'name')?.value : '';
		return `[class ${name || '(anonymous)'}${pn ? ` extends ${pn}` : ''}]`;
	}
	return `[${ctor ?? 'Function'}${name ? `: ${name}` : ' (anonymous)'}]`;
}
function errorText(e, ctx, depth, indent) {
	const name = readable(e, 'name') || 'Error';
	const message = readable(e, 'message');
	const stack = readable(e, 'stack');
	let head = message ? `${name}: ${message}` : name;
	if (stack) {
		// JavaScriptCore's stack does not begin with the message
		const frames = cleanStack(startsWith(stack, head) ? strSlice(stack, head.length + 1) : stack);
		const lines = frames === '' ? [] : strSplit(frames, '\n');
		for (let i = 0; i < lines.length && i < 20; i++) head += `\n${repeat(' ', indent + 4)}${startsWith(lines[i], ' ') ? strSlice(lines[i], 4) : `at ${lines[i]}`}`;
	}
	if (!includes(head, '\n')) head = depth > 0 ? `[${head}]` : head;
	spend(ctx, head);
	const inner = bareList();
	hiddenPart(e, 'errors', inner, ctx, depth, indent);
	hiddenPart(e, 'cause', inner, ctx, depth, indent);
	if (depth <= ctx.depth) properties(e, inner, ctx, depth, indent, (k) => inList(OF_ERRORS, k));
	return inner.length === 0 ? head : wrap(`${head} `, '{', '}', inner, indent);
}
const OF_ERRORS = ['stack', 'message', 'line', 'column', 'sourceURL', 'name'];
/** `[cause]` and `[errors]`, which are no enumerable properties. */
function hiddenPart(e, key, parts, ctx, depth, indent) {
	const d = getOwnPropertyDescriptor(e, key);
	if (d === undefined || !('value' in d) || d.enumerable) return;
	parts[parts.length] = `[${key}]: ${format(d.value, ctx, depth + 1, indent + 2)}`;
}
function readable(e, key) {
	try {
		const v = e[key];
		return typeof v === 'string' ? v : '';
	} catch {
		return '';
	}
}
function bufferText(b) {
	const u8 = viewBytes(b);
	let hex = '';
	const n = taLength(u8);
	for (let i = 0; i < n && i < 50; i++) hex += (i ? ' ' : '') + (u8[i] < 16 ? '0' : '') + apply(numberToString, u8[i], [16]);
	return `ArrayBuffer { [Uint8Contents]: <${hex}${n > 50 ? ` ... ${n - 50} more bytes` : ''}>, byteLength: ${abByteLength(b)} }`;
}
const numberToString = Number.prototype.toString;
/** One line if it is short, else one item a line (`group` items when they are numbers). */
function wrap(prefix, open, close, parts, indent, group = 0) {
	if (parts.length === 0) return `${prefix}${open}${close}`;
	let total = prefix.length + parts.length;
	let multi = false;
	for (let i = 0; i < parts.length; i++) {
		total += parts[i].length;
		if (includes(parts[i], '\n')) multi = true;
	}
	if (!multi && total + indent <= 72) return `${prefix}${open} ${join(parts, ', ')} ${close}`;
	const pad = repeat(' ', indent + 2);
	let body = '';
	if (group > 0 && !multi && total / parts.length <= 6 + 1)
		for (let i = 0; i < parts.length; i += group) body += `${i ? ',\n' : ''}${pad}${join(arraySlice(parts, i, i + group), ', ')}`;
	else body = pad + join(parts, `,\n${pad}`);
	return `${prefix}${open}\n${body}\n${repeat(' ', indent)}${close}`;
}
