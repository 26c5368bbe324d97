// assert.AssertionError, with a message that shows what differs.
import { inspect } from 'node-inspect-extracted';
import { ERR_MISSING_ARGS } from './errors.js';
import { validateObject } from './validators.js';

const MANY_LINES = 50;
const HEADS = {
	deepStrictEqual: 'Expected values to be strictly deep-equal:', strictEqual: 'Expected values to be strictly equal:', strictEqualObject: 'Expected "actual" to be reference-equal to "expected":',
	deepEqual: 'Expected values to be loosely deep-equal:', notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:', notStrictEqual: 'Expected "actual" to be strictly unequal to:',
	notStrictEqualObject: 'Expected "actual" not to be reference-equal to "expected":', notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
	notIdentical: 'Values have same structure but are not reference-equal:', notDeepEqualUnequal: 'Expected values not to be loosely deep-equal:',
};
const shown = (value) => inspect(value, { compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false, showProxy: false, sorted: true, getters: true, breakLength: Infinity });
const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

/** Lines of both, with + and - at what only one has: the longest common subsequence. */
function differences(a, b) {
	const n = a.length, m = b.length;
	if (n * m > 4e6) return [...a.map((line) => ['+', line]), ...b.map((line) => ['-', line])];
	const table = Array.from({ length: n + 1 }, () => new Uint32Array(m + 1));
	const same = (x, y) => x === y || (x.endsWith(',') ? x.slice(0, -1) : x) === (y.endsWith(',') ? y.slice(0, -1) : y);
	for (let i = n - 1; i >= 0; i--) for (let j = m - 1; j >= 0; j--) table[i][j] = same(a[i], b[j]) ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
	const out = [];
	let i = 0, j = 0;
	while (i < n || j < m) {
		if (i < n && j < m && same(a[i], b[j])) {
			out.push([' ', a[i++]]);
			j++;
		} else if (i < n && (j >= m || table[i + 1][j] >= table[i][j + 1])) out.push(['+', a[i++]]);
		else out.push(['-', b[j++]]);
	}
	return out;
}
function diff(actual, expected, operator) {
	const a = shown(actual).split('\n'), b = shown(expected).split('\n');
	if (operator === 'strictEqual' && isObject(actual) && isObject(expected)) operator = 'strictEqualObject';
	if (a.length === 1 && b.length === 1 && a[0] !== b[0]) {
		const long = a[0].length + b[0].length;
		if (long <= 12 && !isObject(actual) && !isObject(expected) && (actual !== 0 || expected !== 0)) return `${HEADS[operator]}\n\n${a[0]} !== ${b[0]}\n`;
		if (operator !== 'strictEqualObject' && long < 80) {
			let at = 0;
			while (a[0][at] === b[0][at]) at++;
			const mark = at > 2 ? `\n  ${' '.repeat(at)}^` : '';
			return `${HEADS[operator]}\n+ actual - expected\n\n+ ${a[0]}\n- ${b[0]}${mark}`;
		}
	}
	const lines = differences(a, b);
	if (lines.every(([sign]) => sign === ' ')) {
		const text = a.length > MANY_LINES ? [...a.slice(0, 46), '...'] : a;
		return `${HEADS.notIdentical}\n\n${text.join('\n')}\n`;
	}
	const out = [];
	let skipped = false;
	for (let i = 0; i < lines.length; i++) {
		const near = lines.slice(Math.max(0, i - 2), i + 3).some(([sign]) => sign !== ' ');
		if (near || lines.length < 8) out.push(lines[i][0] === ' ' ? `  ${lines[i][1]}` : `${lines[i][0]} ${lines[i][1]}`);
		else if (out.at(-1) !== '...') {
			out.push('...');
			skipped = true;
		}
	}
	return `${HEADS[operator]}\n+ actual - expected${skipped ? ' ... Lines skipped' : ''}\n\n${out.join('\n')}`;
}
const cut = (text, most) => (text.length > most ? `${text.slice(0, most)}...` : text);
function worded({ actual, expected, operator }) {
	if (operator === 'deepStrictEqual' || operator === 'strictEqual') return diff(actual, expected, operator);
	if (operator === 'notDeepStrictEqual' || operator === 'notStrictEqual') {
		const head = operator === 'notStrictEqual' && isObject(actual) ? HEADS.notStrictEqualObject : HEADS[operator];
		let lines = shown(actual).split('\n');
		if (lines.length > MANY_LINES) lines = [...lines.slice(0, 46), '...'];
		return lines.length === 1 ? `${head}${lines[0].length > 5 ? '\n\n' : ' '}${lines[0]}` : `${head}\n\n${lines.join('\n')}\n`;
	}
	let a = shown(actual), b = shown(expected);
	if (operator === 'notDeepEqual' && a === b) {
		a = `${HEADS.notDeepEqual}\n\n${a}`;
		return cut(a, 1024);
	}
	a = cut(a, 512);
	b = cut(b, 512);
	if (operator === 'deepEqual') return `${HEADS.deepEqual}\n\n${a}\n\nshould loosely deep-equal\n\n${b}`;
	if (operator === 'notDeepEqual') return `${HEADS.notDeepEqualUnequal}\n\n${a}\n\nshould not loosely deep-equal\n\n${b}`;
	return `${a} ${operator} ${b}`;
}

export class AssertionError extends Error {
	constructor(options) {
		if (options === undefined) throw new ERR_MISSING_ARGS('options');
		validateObject(options, 'options');
		const { message, operator, stackStartFn } = options;
		const { actual, expected } = options;
		super(message != null ? String(message) : worded({ actual, expected, operator }));
		this.generatedMessage = !message;
		Object.defineProperty(this, 'name', { value: 'AssertionError [ERR_ASSERTION]', enumerable: false, writable: true, configurable: true });
		this.code = 'ERR_ASSERTION';
		this.actual = actual;
		this.expected = expected;
		this.operator = operator;
		Error.captureStackTrace?.(this, stackStartFn);
		this.name = 'AssertionError';
	}
	toString() {
		return `${this.name} [${this.code}]: ${this.message}`;
	}
}
