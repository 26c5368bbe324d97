// Pattern strings (URLPattern 2), of the lazy script "patterns": what `new URLPattern` is given for
// one component, as tokens, as parts, as a regular expression, and as a string again.
//
//   "/shop/:id(\\d+)?"  ─ tokenize ─►  tokens  ─ parse ─►  parts  ─►  /^\/shop(?:\/(\d+))?$/v
//
// Positions count code points. A part is {type, value, modifier, name, prefix, suffix}, a modifier
// is "", "?", "*" or "+".
import { bareList, RegExpCtor, TypeErr, arraySlice, charCode, codePointAt, includes, join, regexp, setPrototypeOf, strSlice, toStr } from './primordials.js';

const FIXED = 'fixed-text', REGEXP = 'regexp', SEGMENT = 'segment-wildcard', FULL = 'full-wildcard';
const ANYTHING = '.*';

/** How a component's pattern is read: what a `:name` stops at, and what belongs to the group that
 * follows it. */
export const plain = (anyCase) => ({ delimiter: '', prefix: '', anyCase });
export const HOST = { delimiter: '.', prefix: '', anyCase: false };
export const path = (anyCase) => ({ delimiter: '/', prefix: '/', anyCase });

/** The code points of a string, each as a string. */
export function stringPoints(s) {
	const out = bareList();
	for (let i = 0; i < s.length; ) {
		const n = codePointAt(s, i) > 0xffff ? 2 : 1;
		out[out.length] = strSlice(s, i, i + n);
		i += n;
	}
	return out;
}
// The engine needs milliseconds to make these two; most names are ASCII.
const FIRST = regexp(/^\p{ID_Start}$/u), OTHER = regexp(/^[\u200C\u200D\p{ID_Continue}]$/u);
function isName(point, first) {
	if (point === undefined) return false;
	const c = codePointAt(point, 0);
	if (c >= 0x80) return (first ? FIRST : OTHER).exec(point) !== null;
	return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c === 36 || (!first && c >= 48 && c <= 57);
}
const isAscii = (point) => point !== undefined && codePointAt(point, 0) < 0x80;
const isDigit = (s) => charCode(s, 0) >= 48 && charCode(s, 0) <= 57;

// ---- tokens ----

const SINGLE = { '*': 'asterisk', '+': 'other-modifier', '?': 'other-modifier', '{': 'open', '}': 'close' };
setPrototypeOf(SINGLE, null);

/** The end of the group's regular expression that begins at `start`, behind its ")"; -1: it is
 * none. */
function regexpEnd(points, start) {
	let depth = 1;
	for (let at = start; at < points.length; at++) {
		const point = points[at];
		if (!isAscii(point) || (at === start && point === '?')) return -1;
		if (point === '\\') {
			at++;
			if (!isAscii(points[at])) return -1;
		} else if (point === ')') {
			depth--;
			if (depth === 0) return at === start ? -1 : at + 1;
		} else if (point === '(') {
			depth++;
			if (points[at + 1] !== '?') return -1;
		}
	}
	return -1;
}
/** Lenient: what is wrong becomes a token of its own, as the constructor's string needs it. */
export function tokenize(points, lenient) {
	const tokens = bareList();
	let at = 0;
	const add = (type, next, from, to) => {
		tokens[tokens.length] = { type, index: at, value: join(arraySlice(points, from, to), '') };
		at = next;
	};
	const wrong = (next, from) => {
		if (!lenient) throw new TypeErr(`The pattern '${join(points, '')}' is not valid at character ${at + 1}`);
		add('invalid-char', next, from, next);
	};
	while (at < points.length) {
		const point = points[at];
		if (SINGLE[point] !== undefined) add(SINGLE[point], at + 1, at, at + 1);
		else if (point === '\\') {
			if (at === points.length - 1) wrong(at + 1, at);
			else add('escaped-char', at + 2, at + 1, at + 2);
		} else if (point === ':') {
			let end = at + 1;
			while (end < points.length && isName(points[end], end === at + 1)) end++;
			if (end === at + 1) wrong(at + 1, at);
			else add('name', end, at + 1, end);
		} else if (point === '(') {
			const end = regexpEnd(points, at + 1);
			if (end < 0) wrong(at + 1, at);
			else add('regexp', end, at + 1, end - 1);
		} else add('char', at + 1, at, at + 1);
	}
	add('end', at, at, at);
	return tokens;
}

// ---- parts ----

const segment = (options) => `[^${escapeRegexp(options.delimiter)}]+?`;

/** encode: canonicalizes a piece of fixed text, or throws. */
function parse(text, options, encode) {
	const tokens = tokenize(stringPoints(text), false), parts = bareList();
	let at = 0, pending = '', numbered = 0;
	const take = (type) => (tokens[at].type === type ? tokens[at++] : null);
	const takeGroup = (name) => take('regexp') ?? (name === null ? take('asterisk') : null);
	const takeModifier = () => (take('other-modifier') ?? take('asterisk'))?.value ?? '';
	const must = (type) => {
		if (take(type) === null) throw new TypeErr(`The pattern '${text}' is not valid at character ${tokens[at].index + 1}`);
	};
	const takeText = () => {
		let out = '';
		for (let token; (token = take('char') ?? take('escaped-char')) !== null; ) out += token.value;
		return out;
	};
	const put = (type, value, modifier, name = '', prefix = '', suffix = '') => {
		parts[parts.length] = { type, value, modifier, name, prefix, suffix };
	};
	const flush = () => {
		if (pending === '') return;
		const value = encode(pending);
		pending = '';
		put(FIXED, value, '');
	};
	const group = (prefix, name, custom, suffix, modifier) => {
		if (name === null && custom === null && modifier === '') {
			pending += prefix;
			return;
		}
		flush();
		if (name === null && custom === null) {
			if (prefix !== '') put(FIXED, encode(prefix), modifier);
			return;
		}
		let value = custom === null ? segment(options) : custom.type === 'asterisk' ? ANYTHING : custom.value, type = REGEXP;
		if (value === segment(options)) type = SEGMENT;
		else if (value === ANYTHING) type = FULL;
		if (type !== REGEXP) value = '';
		const called = name !== null ? name.value : toStr(numbered++);
		for (let i = 0; i < parts.length; i++) if (parts[i].name === called) throw new TypeErr(`The pattern '${text}' has two groups of the name '${called}'`);
		put(type, value, modifier, called, encode(prefix), encode(suffix));
	};
	while (at < tokens.length) {
		const char = take('char'), name = take('name'), custom = takeGroup(name);
		if (name !== null || custom !== null) {
			let prefix = char?.value ?? '';
			if (prefix !== options.prefix) {
				pending += prefix;
				prefix = '';
			}
			flush();
			group(prefix, name, custom, '', takeModifier());
			continue;
		}
		const fixed = char ?? take('escaped-char');
		if (fixed !== null) {
			pending += fixed.value;
			continue;
		}
		if (take('open') !== null) {
			const prefix = takeText(), inner = take('name'), what = takeGroup(inner), suffix = takeText();
			must('close');
			group(prefix, inner, what, suffix, takeModifier());
			continue;
		}
		flush();
		must('end');
	}
	return parts;
}

// ---- what becomes of parts ----

const escaped = (text, special) => {
	let out = '';
	for (let i = 0; i < text.length; i++) out += includes(special, text[i]) ? `\\${text[i]}` : text[i];
	return out;
};
const escapeRegexp = (text) => escaped(text, '.+*?^${}()[]|/\\');
export const escapePattern = (text) => escaped(text, '+*?:{}()\\');

function expression(parts, options) {
	let out = '^';
	for (let i = 0; i < parts.length; i++) {
		const { type, modifier } = parts[i];
		const prefix = escapeRegexp(parts[i].prefix), suffix = escapeRegexp(parts[i].suffix);
		if (type === FIXED) {
			const value = escapeRegexp(parts[i].value);
			out += modifier === '' ? value : `(?:${value})${modifier}`;
			continue;
		}
		// \s\S: engines know no `[^]` with the flag v
		const value = type === SEGMENT ? (options.delimiter === '' ? '[\\s\\S]+?' : segment(options)) : type === FULL ? ANYTHING : parts[i].value;
		const once = modifier === '' || modifier === '?';
		if (prefix === '' && suffix === '') out += once ? `(${value})${modifier}` : `((?:${value})${modifier})`;
		else if (once) out += `(?:${prefix}(${value})${suffix})${modifier}`;
		else out += `(?:${prefix}((?:${value})(?:${suffix}${prefix}(?:${value}))*)${suffix})${modifier === '*' ? '?' : ''}`;
	}
	return `${out}$`;
}

/** Must a group stand in braces, so that the string is read as these parts again? */
function needsBraces(parts, i, options) {
	const part = parts[i], before = parts[i - 1], after = parts[i + 1], named = !isDigit(part.name);
	if (part.suffix !== '' || (part.prefix !== '' && part.prefix !== options.prefix)) return true;
	if (named && part.type === SEGMENT && part.modifier === '' && after !== undefined && after.prefix === '' && after.suffix === '') {
		if (after.type === FIXED ? isName(stringPoints(after.value)[0], false) : isDigit(after.name)) return true;
	}
	if (part.prefix !== '' || before?.type !== FIXED || options.prefix === '') return false;
	return before.value[before.value.length - 1] === options.prefix;
}
function groupText(parts, i, options) {
	const part = parts[i], before = parts[i - 1], named = !isDigit(part.name), braces = needsBraces(parts, i, options);
	let out = (braces ? '{' : '') + escapePattern(part.prefix) + (named ? `:${part.name}` : '');
	if (part.type === REGEXP) out += `(${part.value})`;
	else if (part.type === SEGMENT && !named) out += `(${segment(options)})`;
	else if (part.type === FULL) {
		const star = !named && (before === undefined || before.type === FIXED || before.modifier !== '' || braces || part.prefix !== '');
		out += star ? '*' : `(${ANYTHING})`;
	}
	if (part.type === SEGMENT && named && part.suffix !== '' && isName(stringPoints(part.suffix)[0], false)) out += '\\';
	return out + escapePattern(part.suffix) + (braces ? '}' : '') + part.modifier;
}
function patternText(parts, options) {
	let out = '';
	for (let i = 0; i < parts.length; i++) {
		const { type, value, modifier } = parts[i];
		if (type !== FIXED) out += groupText(parts, i, options);
		else out += modifier === '' ? escapePattern(value) : `{${escapePattern(value)}}${modifier}`;
	}
	return out;
}

/** A component: {text, expression, names, custom (it has a regular expression of its author)}. */
export function compile(text, encode, options) {
	const parts = parse(text, options, encode), names = bareList();
	let custom = false, made;
	for (let i = 0; i < parts.length; i++) {
		if (parts[i].type !== FIXED) names[names.length] = parts[i].name;
		if (parts[i].type === REGEXP) custom = true;
	}
	try {
		made = regexp(new RegExpCtor(expression(parts, options), options.anyCase ? 'vi' : 'v'));
	} catch {
		throw new TypeErr(`The pattern '${text}' has a regular expression that is not valid`);
	}
	return { text: patternText(parts, options), expression: made, names, custom };
}
