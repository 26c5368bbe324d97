// node tools/prose-lint.mjs [--code] [--fix] FILE...: a line of prose has at most 100 columns.
//
// Of Markdown: tables, code and the target of a link do not count, and neither does a line that is
// one word, such as an address. Of a source file (with --code): comments count, code does not
// (comments.mjs). --fix wraps the comments of source files anew (rewrap.mjs), has clang-format
// align what moved, and changes nothing else; what it leaves is to be mended by hand.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { languageOf, most, tokens, tooLong } from "./comments.mjs";
import { rewrap } from "./rewrap.mjs";

let bad = 0;
const complain = (file, line, columns) => {
	console.log(`${file}:${line + 1}: ${columns} columns of prose; ${most} is the most`);
	bad = 1;
};

function markdown(file) {
	let fence = false, indented = false, blank = true;
	for (const [i, line] of fs.readFileSync(file, "utf8").split("\n").entries()) {
		const ticks = /^\s*```/.test(line);
		if (ticks) fence = !fence;
		// Indented code begins behind an empty line; elsewhere such a line goes on with an item
		// of a list.
		indented = /^( {4}|\t)/.test(line) && (indented || blank);
		blank = /^\s*$/.test(line);
		if (ticks || fence || indented || /^\s*\|/.test(line) || /^\s*([-*] |\d+\. )?\S+$/.test(line)) continue;
		const columns = [...line.replace(/\]\([^)]*\)/g, "]")].length;
		if (columns > most) complain(file, i, columns);
	}
}

// clang-format aligns trailing comments anew when one has gone, so wrapping and formatting take
// turns until nothing moves.
function mended(file, text, language) {
	for (let turn = 0; turn < 6; turn++) {
		let next = rewrap(text, language);
		if (next === text) return text;
		if (language === "c") next = execFileSync("clang-format", [`--assume-filename=${file}`], { input: next, encoding: "utf8" });
		if (JSON.stringify(tokens(next, language)) !== JSON.stringify(tokens(text, language)))
			throw new Error(`${file}: wrapping would change code; left as it is`);
		text = next;
	}
	throw new Error(`${file}: wrapping finds no end; left as it is`);
}

const args = process.argv.slice(2);
const options = new Set(args.filter((a) => a.startsWith("--")));
for (const file of args.filter((a) => !a.startsWith("--"))) {
	const language = languageOf(file);
	if (file.endsWith(".md")) markdown(file);
	if (!language || !options.has("--code")) continue;
	let text = fs.readFileSync(file, "utf8");
	if (options.has("--fix")) {
		try {
			const next = mended(file, text, language);
			if (next !== text) fs.writeFileSync(file, next);
			text = next;
		} catch (e) {
			console.log(e.message);
			bad = 1;
		}
	}
	for (const { line, columns } of tooLong(text, language)) complain(file, line, columns);
}
process.exit(bad);
