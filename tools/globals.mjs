// Which names a bundle uses without defining them, and where: for er check, which asks a sandbox
// which of them exist there. esbuild knows scopes: `define` replaces only what is free. So every
// word of the bundle is defined as another one, and what was replaced is free.

const WORD = /[A-Za-z_$][\w$]*/g;
// What `define` does not take, or what is no variable.
const RESERVED = new Set(`arguments async await break case catch class const continue debugger default delete do else enum eval export extends false finally
	for function get if implements import in instanceof interface let new null of package private protected public return set static super switch this throw
	true try typeof undefined var void while with yield NaN Infinity __proto__`.split(/\s+/));
const INSTEAD = {
	process: "variables are in env, the handler's second argument; \"compat\": { \"nodejs\": true } makes it exist", Buffer: "\"compat\": { \"nodejs\": true } makes it exist, or use Uint8Array",
	require: "use import; the bundle is one script", module: "use export", exports: "use export", __dirname: "there are no files", __filename: "there are no files",
	XMLHttpRequest: "use fetch()", window: "use globalThis; there is no page",
	document: "there is no page", location: "use request.url", localStorage: "an instance's memory is not kept",
	sessionStorage: "an instance's memory is not kept", Deno: "this is no Deno", Bun: "this is no Bun", alert: "use console.log",
	Worker: "a routine is one thread",
};

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
// The lines of a source map, each a list of [column, source, line, column].
export function decode(map) {
	let source = 0, line = 0, column = 0;
	return map.mappings.split(";").map((text) => {
		let at = 0;
		return text.split(",").filter(Boolean).map((segment) => {
			const fields = [];
			for (let i = 0, value = 0, shift = 0; i < segment.length; i++) {
				const digit = DIGITS.indexOf(segment[i]);
				value += (digit & 31) << shift;
				shift += 5;
				if (digit & 32) continue;
				fields.push(value & 1 ? -(value >> 1) : value >> 1);
				value = shift = 0;
			}
			at += fields[0];
			if (fields.length < 4) return [at];
			source += fields[1];
			line += fields[2];
			column += fields[3];
			return [at, source, line, column];
		});
	});
}

export function find(lines, line, column) {
	const segments = lines[line] ?? [];
	let low = 0, high = segments.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (segments[middle][0] <= column) low = middle + 1;
		else high = middle;
	}
	const found = segments[low - 1];
	return found?.length > 1 ? found : undefined;
}

// Defined by the code itself: globalThis.name = ..., or an assignment that makes a global in code
// that is not strict.
function made(code, replaced, words) {
	const names = new Set();
	for (const [, name] of code.matchAll(/\b(?:globalThis|self)\s*\.\s*([A-Za-z_$][\w$]*)\s*(?:=(?!=)|\?\?=|\|\|=)/g)) names.add(name);
	for (const [, name] of code.matchAll(/\b(?:globalThis|self)\s*\[\s*["']([\w$]+)["']\s*\]\s*(?:=(?!=)|\?\?=|\|\|=)/g)) names.add(name);
	for (const [, name] of code.matchAll(/\bdefineProperty\(\s*(?:globalThis|self)\s*,\s*["']([\w$]+)["']/g)) names.add(name);
	if (!code.startsWith('"use strict"')) for (const [, i] of replaced.matchAll(/__er_free_(\d+)__ = /g)) names.add(words[i]);
	return names;
}

// Code that asks first whether there is such a thing does not count on it.
const asked = (text, name) => new RegExp(`\\btypeof\\s*\\(?\\s*${name.replaceAll("$", "\\$")}(?![\\w$])|\\b(?:globalThis|self|window|global)\\s*\\??\\.\\s*${name.replaceAll("$", "\\$")}(?![\\w$])|["']${name.replaceAll("$", "\\$")}["']\\s+in\\b`).test(text);

// [{ name, text, path, line, column, length, lineText }], a name once, at the first place in each
// order of the bundle.
export async function freeNames(esbuild, code, map) {
	const words = [...new Set(code.match(WORD))].filter((word) => !RESERVED.has(word) && !word.startsWith("__er_"));
	let out;
	try {
		const define = Object.fromEntries(words.map((word, i) => [word, `__er_free_${i}__`]));
		out = await esbuild.transform(code, { define, charset: "utf8", sourcemap: "external", logLevel: "silent", logLimit: 0 });
	} catch {
		return []; // it is only for warnings
	}
	const back = decode(JSON.parse(out.map)), sources = decode(map), found = new Map();
	const own = made(code, out.code, words);
	for (const [y, text] of out.code.split("\n").entries())
		for (const match of text.matchAll(/__er_free_(\d+)__/g)) {
			const name = words[match[1]];
			if (found.has(name) || own.has(name)) continue;
			const inBundle = find(back, y, match.index);
			const place = inBundle && find(sources, inBundle[2], inBundle[3]);
			const source = place && map.sourcesContent[place[1]];
			if (!source || map.sources[place[1]].startsWith("node:") || asked(source, name)) continue;
			const lineText = source.split("\n")[place[2]]?.replace(/\r$/, "") ?? "";
			const at = lineText.indexOf(name, place[3]) >= 0 ? lineText.indexOf(name, place[3]) : place[3];
			found.set(name, {
				name,
				text: `"${name}" does not exist on the edge; reading it throws a ReferenceError${Object.hasOwn(INSTEAD, name) ? `: ${INSTEAD[name]}` : ""}`,
				path: map.sources[place[1]], line: place[2] + 1, column: [...lineText.slice(0, at)].length + 1, length: name.length, lineText, notes: [],
			});
		}
	return [...found.values()];
}

// Code that is made of strings, which throws an EvalError when it runs: [{ name, and a message }],
// once a file. `Function("return this")` is how old code finds the global where it has no other
// way, and is left alone. esbuild says it itself of an eval in the author's own files.
const MADE = /\b(?:Function|eval)\b/;
export async function evaluations(esbuild, code, map) {
	if (!MADE.test(code)) return [];
	let out;
	try {
		out = await esbuild.transform(code, { define: { Function: "__er_made_Function__", eval: "__er_made_eval__" }, charset: "utf8", sourcemap: "external", logLevel: "silent", logLimit: 0 });
	} catch {
		return [];
	}
	const back = decode(JSON.parse(out.map)), sources = decode(map), found = new Map();
	for (const [y, text] of out.code.split("\n").entries())
		for (const match of text.matchAll(/(?:\bnew\s+)?__er_made_(Function|eval)__\s*\)?\s*\((?!\s*["'`]return this["'`]\s*\))/g)) {
			const [, name] = match;
			const inBundle = find(back, y, match.index);
			const place = inBundle && find(sources, inBundle[2], inBundle[3]);
			const file = place && map.sources[place[1]];
			const dependency = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file ?? "")?.[1];
			if (!file || file.startsWith("node:") || found.has(file) || (name === "eval" && !dependency)) continue;
			const lineText = map.sourcesContent[place[1]]?.split("\n")[place[2]]?.replace(/\r$/, "") ?? "";
			const at = Math.max(lineText.indexOf(name, place[3]), place[3]);
			const shown = name === "eval" ? "eval" : "new Function";
			found.set(file, {
				text: `${dependency ? `the package "${dependency}" makes` : "this makes"} code of a string (${shown}), which is switched off on the edge: this call throws an EvalError when it runs${dependency ? "; many packages have a build or an option that does without (precompiled, standalone, \"CSP\")" : ""}`,
				path: file, line: place[2] + 1, column: [...lineText.slice(0, at)].length + 1, length: name.length, lineText: lineText.length > 200 ? "" : lineText, notes: [],
			});
		}
	return [...found.values()];
}
