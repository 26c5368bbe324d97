// The comments of a source text, and the rule for them: a comment keeps to 100 columns (a tab has
// 4), while code may be wider. find() gives the comments of C, JavaScript or a script of `#`
// comments; tooLong() the lines that break the rule; tokens() the text without comments, which
// --fix of prose-lint.mjs compares before and after. Pure functions on text: no file is read here.

export const most = 100;

// clang-tidy and the like read these, and they must stay on their line; a heading is one line.
const directive = /\bNOLINT|clang-format o(n|ff)|eslint-|@ts-|LCOV_|shellcheck |c8 ignore|^\/\/#|^#!/;
const heading = /^(\/[/*]|#) ?-{3}/;
// After these words a slash in JavaScript begins a regular expression.
const beforeRegex = /(^|[^\w$.])(return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/;

export const columnsOf = (text) => {
	let n = 0;
	for (const c of text) n = c === "\t" ? n + 4 - (n % 4) : n + 1;
	return n;
};

export const languageOf = (file) =>
	/\.[ch]$/.test(file) ? "c" : /\.(m?js|ts)$/.test(file) ? "js" : /\.sh$|(^|\/)(Makefile|CMakeLists\.txt|\.ci\/run)$/.test(file) ? "hash" : null;

// Where a string that begins at i ends, one past its closing quote or at the end of its line.
function stringEnd(text, i) {
	const quote = text[i++];
	while (i < text.length && text[i] !== quote && text[i] !== "\n") i += text[i] === "\\" ? 2 : 1;
	return i + 1;
}

function regexEnd(text, i) {
	let set = false;
	for (i++; i < text.length && text[i] !== "\n"; i++) {
		if (text[i] === "\\") i++;
		else if (text[i] === "[") set = true;
		else if (text[i] === "]") set = false;
		else if (text[i] === "/" && !set) return i + 1;
	}
	return i;
}

// Comments as {from, to} offsets, in their order. A template's text is no code, but what stands in
// its ${} is.
function findSlash(text, js) {
	const found = [];
	const braces = []; // for each open `{`: whether a template goes on behind its `}`
	let before = ""; // the last character that is code
	const template = (i) => {
		for (; i < text.length; i++) {
			if (text[i] === "\\") i++;
			else if (text[i] === "`") return i + 1;
			else if (text.startsWith("${", i)) {
				braces.push(true);
				return i + 2;
			}
		}
		return i;
	};
	for (let i = 0; i < text.length; ) {
		const c = text[i];
		if (text.startsWith("//", i) || text.startsWith("/*", i)) {
			const end = text[i + 1] === "/" ? text.indexOf("\n", i) : text.indexOf("*/", i + 2) + 2;
			const to = end < i + 2 ? text.length : end;
			found.push({ from: i, to });
			i = to;
			continue;
		}
		const value = /[\w$)\]}"'`]/.test(before) && !beforeRegex.test(text.slice(Math.max(0, i - 30), i).trimEnd());
		if (c === '"' || c === "'") i = stringEnd(text, i);
		else if (js && c === "`") i = template(i + 1);
		else if (js && c === "/" && !value) i = regexEnd(text, i);
		else if (js && c === "}" && braces.pop()) i = template(i + 1);
		else {
			if (js && c === "{") braces.push(false);
			i++;
		}
		if (!/\s/.test(c)) before = c;
	}
	return found;
}

// `#` comments that have a line of their own; the text of a here-document has none.
function findHash(text) {
	const found = [];
	let at = 0, word = null;
	for (const line of text.split("\n")) {
		if (word !== null) word = line.trim() === word ? null : word;
		else if (/^\s*#/.test(line)) found.push({ from: at + line.indexOf("#"), to: at + line.length });
		else word = /<<-?\s*['"]?(\w+)/.exec(line)?.[1] ?? null;
		at += line.length + 1;
	}
	return found;
}

// Each comment: its text, first and last line (from 0), what stands before it on its first line and
// behind it on its last. `kind` is "block", "line" or "hash". `fixed` says that it must stay where
// and as it is.
export function find(text, language) {
	const starts = [0];
	for (let i = text.indexOf("\n"); i !== -1; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
	const lines = text.split("\n");
	let line = 0;
	return (language === "hash" ? findHash(text) : findSlash(text, language === "js")).map(({ from, to }) => {
		while (line + 1 < starts.length && starts[line + 1] <= from) line++;
		let last = line;
		while (last + 1 < starts.length && starts[last + 1] < to) last++;
		const said = text.slice(from, to);
		const macro = language === "c" && (lines[last].endsWith("\\") || (line > 0 && lines[line - 1].endsWith("\\")));
		return {
			text: said,
			first: line,
			last,
			before: text.slice(starts[line], from),
			behind: lines[last].slice(to - starts[last]),
			kind: language === "hash" ? "hash" : said.startsWith("/*") ? "block" : "line",
			fixed: directive.test(said) || heading.test(said) || macro,
			directive: directive.test(said),
		};
	});
}

// What a comment's line says, without the comment's own signs; the indentation that the text has of
// its own stays.
export const said = (line) => line.replace(/^\s*(\/\*+|\*(?!\/)|\/\/|#+)? ?/, "").replace(/\s*\*\/$/, "").replace(/\s+$/, "");

// Tables, drawings and samples of code do not count, as in Markdown: a drawing has its own signs, a
// sample is indented by three and stands behind an empty line or a line that ends in a colon.
export function drawn(lines) {
	let sample = false;
	return lines.map((line, i) => {
		const open = i === 0 || lines[i - 1] === "" || lines[i - 1].endsWith(":");
		sample = /^( {3}|\t)/.test(line) && (sample || open);
		return sample || /^\s*\|/.test(line) || /[─-╿▲▼►◄]/.test(line);
	});
}

// Lines (from 0) on which a comment goes beyond the columns, each with how far it goes.
export function tooLong(text, language) {
	const lines = text.split("\n");
	const bad = [];
	const blocks = [];
	for (const c of find(text, language)) {
		const whole = c.before.trim() === "";
		const group = blocks.at(-1);
		if (c.kind !== "block" && whole && group && group.last + 1 === c.first && group.before === c.before && group.kind === c.kind) {
			group.last = c.last;
			group.exempt.push(c.directive);
		} else blocks.push({ ...c, exempt: [c.directive] });
	}
	for (const b of blocks) {
		if (/[^\s\\]/.test(b.behind)) continue;
		const shown = lines.slice(b.first, b.last + 1);
		shown[0] = shown[0].slice(b.before.length);
		const skip = drawn(shown.map(said));
		for (let i = b.first; i <= b.last; i++) {
			const line = lines[i].replace(/\s*\\?$/, "");
			const whole = i > b.first || b.before.trim() === "";
			const word = whole && !/\s/.test(said(line).replace(/^[-*] /, ""));
			if (skip[i - b.first] || word || b.exempt[b.kind === "block" ? 0 : i - b.first]) continue;
			if (columnsOf(line) > most) bad.push({ line: i, columns: columnsOf(line) });
		}
	}
	return bad;
}

// Words, strings and signs of the code; two texts with the same tokens differ in comments and white
// space only.
export function tokens(text, language) {
	let code = "", at = 0;
	if (language === "hash") return text.split("\n").filter((l) => !/^\s*#/.test(l));
	for (const { from, to } of findSlash(text, language === "js")) {
		code += `${text.slice(at, from)} `;
		at = to;
	}
	code += text.slice(at);
	// A line's end is a token for the preprocessor, and may be one in JavaScript; a line without
	// code is none.
	const ends = language === "js" ? /\n\s*/g : /\n\s*(?=#)|(?<=\n\s*#[^\n]*[^\\\n])\n\s*/g;
	code = code.replace(/[ \t]+$/gm, "").replace(ends, "\u0001");
	return code.match(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[\w$]+|\u0001+|[^\s\w]/gu) ?? [];
}
