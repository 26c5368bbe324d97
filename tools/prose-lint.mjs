// node tools/prose-lint.mjs FILE...: a line of prose in Markdown has at most 100 columns. Tables, code and the target of a link
// do not count, and neither does a line that is one word, such as an address.
import fs from "node:fs";

const most = 100;
let bad = 0;
for (const file of process.argv.slice(2)) {
	let fence = false, indented = false, blank = true;
	for (const [i, line] of fs.readFileSync(file, "utf8").split("\n").entries()) {
		const ticks = /^\s*```/.test(line);
		if (ticks) fence = !fence;
		// Indented code begins behind an empty line; elsewhere such a line goes on with an item of a list.
		indented = /^( {4}|\t)/.test(line) && (indented || blank);
		blank = /^\s*$/.test(line);
		if (ticks || fence || indented || /^\s*\|/.test(line) || /^\s*([-*] |\d+\. )?\S+$/.test(line)) continue;
		const columns = [...line.replace(/\]\([^)]*\)/g, "]")].length;
		if (columns <= most) continue;
		console.log(`${file}:${i + 1}: ${columns} columns of prose; ${most} is the most`);
		bad = 1;
	}
}
process.exit(bad);
