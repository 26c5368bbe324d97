// How --fix of prose-lint.mjs mends comments: rewrap() gives a text with every comment that is too
// wide wrapped anew, and with every trailing comment that is too wide moved above its statement or
// member. Only comments change, and of these only the paragraphs that have a line beyond the
// columns. Lists, tables, samples and drawings keep their form. What needs a person (a comment in a
// macro of several lines, a wide drawing) stays as it is. Pure functions on text.
import { columnsOf, drawn, find, most, said } from "./comments.mjs";

const sizeOf = (s) => [...s].length;
const indentOf = (s) => /^\s*/.exec(s)[0].length;

// Words that stay together: a sign at the beginning of a line would look like an item of a list; a
// number would lose what it counts; an option in brackets is one thing.
function words(text) {
	const out = [];
	for (const w of text.trim().split(/\s+/)) {
		const glued = out.length > 0 && (/^\[-[^\]]*$/.test(out.at(-1)) || /^([-*+|#=→←–]|\.{3}|\d+[.)])$/.test(w) || /^(RFC|section)$/i.test(out.at(-1)));
		if (glued) out.push(`${out.pop()} ${w}`);
		else out.push(w);
	}
	return out;
}

function filled(list, width) {
	const lines = [];
	for (const w of list) {
		if (lines.length > 0 && sizeOf(lines.at(-1)) + 1 + sizeOf(w) <= width) lines.push(`${lines.pop()} ${w}`);
		else lines.push(w);
	}
	return lines;
}

// Fills lines of at most `width`; `tail` stays with the last word. A last line of a word or two is
// made longer.
export function fill(text, width, tail = "") {
	const list = words(text);
	if (tail) list.push(list.pop() + tail);
	const lines = filled(list, width);
	const lone = (l) => sizeOf(l.at(-1)) - tail.length < 10;
	for (let w = width - 1; lines.length > 1 && lone(lines) && w > width * 0.85; w--) {
		const other = filled(list, w);
		if (other.length > lines.length) break;
		if (!lone(other)) return other;
	}
	return lines;
}

const item = /^\s*([-*+•]|\d+[.)]|\([a-z0-9]\))\s+(?=\S)/;
// One of several lines that say what each of some things is or does.
const term = /^\s*[\w-]{1,16}: /;
// The column of the last cell of a row whose cells stand apart by two spaces or more; 0:
// no such row.
function cellOf(line) {
	const m = /^(.*\S( {2,}|\t+))\S/.exec(line);
	if (!m || /[.?!:]"?\)? {2}$/.test(m[1])) return 0;
	return sizeOf(m[1]);
}

// Whether the writer broke the line behind `a` on purpose: the next word had ample room.
const meant = (a, b, widest) => sizeOf(a) + 1 + sizeOf(/^\S*/.exec(b.trim())[0]) <= widest - 25;

// The paragraphs of a comment: {lines, first, hang, verbatim}; `first` begins the first line,
// `hang` all others.
function paragraphs(lines) {
	const skip = drawn(lines);
	const out = [];
	const terms = lines.filter((l) => term.test(l)).length > 1;
	for (let i = 0; i < lines.length; ) {
		const from = i++;
		const line = lines[from];
		const cell = cellOf(line);
		const mark = item.exec(line)?.[0];
		if (line === "" || skip[from]) {
			out.push({ lines: [line], verbatim: true });
			continue;
		}
		let hang = cell || (mark ? mark.length : indentOf(line));
		const goesOn = (k) => k < lines.length && lines[k] !== "" && !skip[k] && !item.test(lines[k]) && !cellOf(lines[k]) && !(terms && term.test(lines[k]));
		const flush = goesOn(i) && indentOf(lines[i]) === indentOf(line);
		if (terms && term.test(line) && !cell && !mark && !flush) hang = term.exec(line)[0].length;
		// The second line says how far the others hang.
		else if (!cell && !mark && goesOn(i) && indentOf(lines[i]) > hang) hang = indentOf(lines[i]);
		const widest = () => Math.max(...lines.slice(from, i).map(sizeOf), goesOn(i) ? sizeOf(lines[i]) : 0);
		while (goesOn(i) && indentOf(lines[i]) === hang && (cell || mark || !meant(lines[i - 1], lines[i], widest()))) i++;
		const first = cell ? [...line].slice(0, cell).join("") : (mark ?? " ".repeat(indentOf(line)));
		out.push({ lines: lines.slice(from, i), first, hang: " ".repeat(hang), cell });
	}
	return out;
}

// `lines` is what a comment says; gives it within `width`, with `tail` behind the last word, and
// whether it does not all fit.
function layout(lines, width, tail) {
	const out = [];
	const all = paragraphs(lines);
	all.forEach((p, k) => {
		const end = k === all.length - 1 ? tail : "";
		const wide = p.lines.some((l, i) => sizeOf(l) + (i === p.lines.length - 1 ? end.length : 0) > width);
		if (p.verbatim || !wide || sizeOf(p.hang) > width / 2) {
			out.push(...p.lines.slice(0, -1), p.lines.at(-1) + end);
			return;
		}
		const text = [[...p.lines[0]].slice(sizeOf(p.first)).join(""), ...p.lines.slice(1)].map((l) => l.trim()).join(" ");
		const room = width - Math.max(sizeOf(p.hang), sizeOf(p.first));
		fill(text, room, end).forEach((l, i) => out.push((i ? p.hang : p.first) + l));
	});
	return out;
}

const trimmed = (line) => line.replace(/\s+$/, "");

// A block comment that has its lines to itself.
function wrapBlock(c, lines) {
	const old = lines.slice(c.first, c.last + 1);
	if (old.slice(1).some((l) => !/^\s*\*/.test(l))) return null;
	const opener = /^\s*\/\*+/.exec(old[0])[0];
	const own = trimmed(old[0]) === opener && old.length > 1;
	const closes = old.length > 1 && /^\s*\*+\/$/.test(trimmed(old.at(-1)));
	const body = old.slice(own ? 1 : 0, closes ? -1 : undefined).map(said);
	const width = most - columnsOf(opener) - 1;
	const text = layout(body, width, closes ? "" : " */").map((l, i) =>
		trimmed(!own && i === 0 ? `${opener} ${l}` : `${c.before} *${l === "" ? "" : ` ${l}`}`),
	);
	return [...(own ? [opener] : []), ...text, ...(closes ? [old.at(-1)] : [])];
}

// `//` or `#` comments on lines that follow each other.
function wrapLines(first, last, lines, sign, before) {
	const body = lines.slice(first, last + 1).map(said);
	return layout(body, most - columnsOf(before) - sign.length - 1, "").map((l) => trimmed(`${before}${sign} ${l}`));
}

// A moved comment, above a line that is indented by `before`.
function above(text, before, kind) {
	const width = most - columnsOf(before) - 3;
	if (kind === "line") return fill(text, width).map((l) => `${before}// ${l}`);
	return fill(text, width, " */").map((l, i) => before + (i ? " * " : "/* ") + l);
}

// The line at which the statement or member of line `at` begins. `code` has the lines
// without comments.
function beginning(code, at, js) {
	for (let i = at; i > 0; i--) {
		const line = code[i].trim(), up = code[i - 1].trim();
		if (up === "" || up.startsWith("#")) return i;
		if (/[;{}]$/.test(up) || /^(case\b.*|default|\w+):$/.test(up)) return i;
		// An argument or an element of its own; the end of a call speaks of the whole call.
		const ends = js ? /^[^([{]*[)\]}]+[;,]?$/ : /\)\s*[;{]$/;
		if (/[,(]$/.test(up) && (!ends.test(line) || balanced(line))) return i;
		if (/^(\} )?(if|for|while|switch|else|do|[A-Z_]+_EACH\w*)\b/.test(up) && balanced(up) && !/^(&&|\|\||[?:+.])/.test(line)) return i;
		if (js && !/([=+\-*&|?:<>(,.[]|=>)$/.test(up) && !/^([.?:+*&|)\]]|=>)/.test(line)) return i;
		if (js && /[[]$/.test(up)) return i;
	}
	return 0;
}
const balanced = (line) => (line.match(/\(/g) ?? []).length === (line.match(/\)/g) ?? []).length;

// The edits that one text needs, {from, to, lines}: lines from..to-1 become `lines`.
function edits(text, language) {
	const lines = text.split("\n");
	const all = find(text, language);
	const code = lines.slice();
	const out = [];
	for (const c of [...all].reverse()) {
		if (c.first === c.last) code[c.first] = code[c.first].slice(0, c.before.length) + c.behind;
		else {
			for (let i = c.first + 1; i < c.last; i++) code[i] = "";
			code[c.first] = c.before;
			code[c.last] = c.behind;
		}
	}
	for (let k = 0; k < all.length; k++) {
		const c = all[k];
		const wide = () => lines.slice(c.first, c.last + 1).some((l) => columnsOf(l) > most);
		if (c.fixed || c.behind.trim() !== "") continue;
		if (c.before.trim() === "") {
			let made;
			let last = c.last;
			if (c.kind === "block") made = wide() ? wrapBlock(c, lines) : null;
			else {
				while (all[k + 1] && !all[k + 1].fixed && all[k + 1].first === last + 1 && all[k + 1].before === c.before && all[k + 1].kind === c.kind) {
					last++;
					k++;
				}
				const group = lines.slice(c.first, last + 1);
				made = group.some((l) => columnsOf(l) > most) ? wrapLines(c.first, last, lines, c.kind === "hash" ? "#" : "//", c.before) : null;
			}
			if (made) out.push({ from: c.first, to: last + 1, lines: made });
			continue;
		}
		if (!wide() || /^\s*#\s*(endif|else)/.test(c.before)) continue;
		const bare = trimmed(c.before);
		const indent = /^\s*/.exec(bare)[0];
		const spoken = lines.slice(c.first, c.last + 1);
		spoken[0] = spoken[0].slice(c.before.length);
		const what = spoken.map(said).map((l) => l.trim()).join(" ");
		if (/^\s*\}/.test(bare)) {
			// Above it would belong to the block that ends here.
			if (bare.endsWith("{")) out.push({ from: c.first, to: c.last + 1, lines: [bare, ...above(what, `${indent}\t`, c.kind)] });
			continue;
		}
		const at = beginning(code, c.first, language === "js");
		const place = /^\s*/.exec(code[at])[0];
		// One edit for the whole statement, so that no two edits meet.
		const before = out.at(-1);
		const kept = lines.slice(at, c.first);
		if (before && before.to > at) continue;
		out.push({ from: at, to: c.last + 1, lines: [...above(what, place, c.kind), ...kept, bare] });
	}
	return out;
}

export function rewrap(text, language) {
	const lines = text.split("\n");
	for (const e of edits(text, language).reverse()) lines.splice(e.from, e.to - e.from, ...e.lines);
	return lines.join("\n");
}
