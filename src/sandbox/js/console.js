// console (WHATWG Console). Text goes to the node's log for the request whose turn it is.
import * as er from './natives.js';
import { CONSOLE_DEBUG as DEBUG, CONSOLE_ERROR as ERROR, CONSOLE_INFO as INFO, CONSOLE_LOG as LOG, CONSOLE_WARN as WARN } from './contract.js';
import {
	arraySlice, defineProperty, floor, isArray, jsonStringify, keys, newMap, padEnd, parseFloat_, parseInt_, repeat, replaceAllOf, strIndexOf, strSlice, symTag, toStr,
	mapSize, Err, splice,
} from './primordials.js';
import { isObject, domString } from './webidl.js';
import { inspect } from './inspect.js';
import { cleanStack } from './report.js';

let indent = '';
const counts = newMap();
const times = newMap();
const MAX_LABELS = 1000;

function out(level, text) {
	if (indent !== '') text = indent + replaceAllOf(text, '\n', `\n${indent}`);
	er.log(level, text);
}
const plain = (v) => (typeof v === 'string' ? v : inspect(v));

export function format(args) {
	const n = args.length;
	if (n === 0) return '';
	let text;
	let used = 1;
	if (typeof args[0] === 'string') {
		text = args[0];
		if (n > 1 && strIndexOf(text, '%') >= 0) {
			const r = substitute(text, args);
			text = r.text;
			used = r.used;
		}
	} else text = inspect(args[0]);
	for (let i = used; i < n; i++) text += ' ' + plain(args[i]);
	return text;
}
function substitute(f, args) {
	let text = '';
	let used = 1;
	let from = 0;
	for (;;) {
		const at = strIndexOf(f, '%', from);
		if (at < 0 || at + 1 >= f.length) break;
		text += strSlice(f, from, at);
		const d = f[at + 1];
		from = at + 2;
		if (d === '%') {
			text += '%';
			continue;
		}
		if (used >= args.length || strIndexOf('sdifjoOc', d) < 0) {
			text += '%' + d;
			continue;
		}
		text += directive(d, args[used++]);
	}
	return { text: text + strSlice(f, from), used };
}
function directive(d, v) {
	switch (d) {
		case 's':
			if (typeof v === 'string') return v;
			return isObject(v) ? inspect(v, { depth: 0 }) : typeof v === 'bigint' || Object_is(v, -0) ? inspect(v) : toStr(v);
		case 'd':
		case 'i':
			if (typeof v === 'bigint') return `${v}n`;
			if (typeof v === 'symbol' || (isObject(v) && d === 'd')) return 'NaN';
			return d === 'i' ? toStr(parseInt_(isObject(v) ? inspect(v) : v, 10)) : toStr(+v);
		case 'f':
			return typeof v === 'symbol' ? 'NaN' : toStr(parseFloat_(isObject(v) ? inspect(v) : v));
		case 'j':
			try {
				return jsonStringify(v) ?? 'undefined';
			} catch {
				return '[Circular]';
			}
		case 'o':
			return inspect(v, { depth: 4, showHidden: true });
		case 'O':
			return inspect(v, { depth: 4 });
		default:
			return ''; // %c: there are no colours in a log
	}
}
const Object_is = Object.is;
const label = (v) => (v === undefined ? 'default' : domString(v));
function took(name) {
	const from = times.get(name);
	if (from === undefined) return undefined;
	const ms = er.perf() - from;
	return ms >= 1000 ? `${floor(ms) / 1000}s` : `${floor(ms * 1000) / 1000}ms`;
}

const methods = {
	assert(condition = false, ...data) {
		if (condition) return;
		if (data.length > 0 && typeof data[0] === 'string') data[0] = `Assertion failed: ${data[0]}`;
		else splice(data, 0, 0, 'Assertion failed');
		out(ERROR, format(data));
	},
	// of the first generation
	alert(...data) {
		out(ERROR, format(data));
	},
	clear() {},
	debug(...data) {
		out(DEBUG, format(data));
	},
	error(...data) {
		out(ERROR, format(data));
	},
	info(...data) {
		out(INFO, format(data));
	},
	log(...data) {
		out(LOG, format(data));
	},
	table(data = undefined, columns = undefined) {
		out(LOG, table(data, columns) ?? format([data]));
	},
	trace(...data) {
		const e = new Err();
		const stack = cleanStack(toStr(e.stack ?? ''));
		out(LOG, `Trace${data.length ? `: ${format(data)}` : ''}${stack ? `\n    at ${replaceAllOf(stack, '\n', '\n    at ')}` : ''}`);
	},
	warn(...data) {
		out(WARN, format(data));
	},
	dir(item = undefined, options = undefined) {
		out(LOG, inspect(item, isObject(options) ? { depth: options.depth, showHidden: options.showHidden } : undefined));
	},
	dirxml(...data) {
		out(LOG, format(data));
	},
	count(name = 'default') {
		const l = label(name);
		const n = (counts.get(l) ?? 0) + 1;
		if (mapSize(counts) < MAX_LABELS || n > 1) counts.set(l, n);
		out(LOG, `${l}: ${n}`);
	},
	countReset(name = 'default') {
		const l = label(name);
		if (!counts.delete(l)) out(WARN, `Count for '${l}' does not exist`);
	},
	group(...data) {
		if (data.length) out(LOG, format(data));
		if (indent.length < 80) indent += '  ';
	},
	groupCollapsed(...data) {
		if (data.length) out(LOG, format(data));
		if (indent.length < 80) indent += '  ';
	},
	groupEnd() {
		indent = strSlice(indent, 0, -2);
	},
	time(name = 'default') {
		const l = label(name);
		if (times.has(l)) out(WARN, `Timer '${l}' already exists`);
		else if (mapSize(times) < MAX_LABELS) times.set(l, er.perf());
	},
	timeLog(name = 'default', ...data) {
		const l = label(name);
		const t = took(l);
		if (t === undefined) out(WARN, `Timer '${l}' does not exist`);
		else out(LOG, `${l}: ${t}${data.length ? ` ${format(data)}` : ''}`);
	},
	timeEnd(name = 'default') {
		const l = label(name);
		const t = took(l);
		if (t === undefined) out(WARN, `Timer '${l}' does not exist`);
		else {
			times.delete(l);
			out(LOG, `${l}: ${t}`);
		}
	},
};

function table(data, columns) {
	if (!isObject(data)) return undefined;
	const rows = [];
	const index = isArray(data) ? undefined : keys(data);
	const n = index === undefined ? data.length : index.length;
	const cols = isArray(columns) ? arraySlice(columns) : [];
	let values = false;
	for (let i = 0; i < n && i < 1000; i++) {
		const k = index === undefined ? toStr(i) : index[i];
		const v = data[k];
		const row = newMap();
		if (isObject(v)) {
			const ks = keys(v);
			for (let j = 0; j < ks.length; j++) {
				if (columns === undefined && !inList(cols, ks[j]) && cols.length < 50) cols[cols.length] = ks[j];
				row.set(ks[j], inspect(v[ks[j]], { depth: 0 }));
			}
		} else {
			values = true;
			row.set(VALUES, inspect(v));
		}
		rows[i] = { name: k, cells: row };
	}
	const head = ['(index)'];
	for (let i = 0; i < cols.length; i++) head[head.length] = toStr(cols[i]);
	if (values) head[head.length] = 'Values';
	const lines = [head];
	for (let i = 0; i < rows.length; i++) {
		const line = [rows[i].name];
		for (let j = 0; j < cols.length; j++) line[line.length] = rows[i].cells.get(cols[j]) ?? '';
		if (values) line[line.length] = rows[i].cells.get(VALUES) ?? '';
		lines[lines.length] = line;
	}
	return box(lines);
}
const VALUES = Symbol('values');
function inList(list, v) {
	for (let i = 0; i < list.length; i++) if (list[i] === v) return true;
	return false;
}
function box(lines) {
	const width = [];
	for (let i = 0; i < lines.length; i++)
		for (let j = 0; j < lines[i].length; j++) if (!(width[j] >= lines[i][j].length)) width[j] = lines[i][j].length;
	const rule = (l, m, r) => {
		let s = l;
		for (let j = 0; j < width.length; j++) s += (j ? m : '') + repeat('─', width[j] + 2);
		return s + r;
	};
	let text = rule('┌', '┬', '┐');
	for (let i = 0; i < lines.length; i++) {
		text += '\n│';
		for (let j = 0; j < width.length; j++) text += ` ${padEnd(lines[i][j], width[j])} │`;
		if (i === 0) text += '\n' + rule('├', '┼', '┤');
	}
	return `${text}\n${rule('└', '┴', '┘')}`;
}

/** A namespace object: its prototype is an empty object, its members are writable. */
export const console = Object.create({});
for (const name in methods) defineProperty(console, name, { value: methods[name], writable: true, enumerable: true, configurable: true });
defineProperty(console, symTag, { value: 'console', configurable: true });
