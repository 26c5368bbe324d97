// What --fix of prose-lint.mjs does to comments, and what it leaves alone. Run by tools/lint.sh.
import assert from "node:assert/strict";
import { test } from "node:test";
import { find, most, tokens, tooLong } from "./comments.mjs";
import { rewrap } from "./rewrap.mjs";

const head = "a reason that goes on and on, so that it says more than one line of a hundred";
const rest = "columns can hold";
const long = `${head} ${rest}`;
const becomes = (language, before, after) => {
	const made = rewrap(before, language);
	assert.equal(made, after);
	assert.equal(rewrap(made, language), made);
	assert.deepEqual(tooLong(made, language), []);
	assert.deepEqual(tokens(made, language), tokens(before, language));
};
const stays = (language, text) => assert.equal(rewrap(text, language), text);

test("a comment that is too wide is wrapped; a paragraph that fits is left", () => {
	becomes("c", `/* Short\n * lines.\n *\n * Then ${long}. */\n`, `/* Short\n * lines.\n *\n * Then ${head}\n * ${rest}. */\n`);
	becomes("js", `\t// Since ${long}\n\tf()\n`, `\t// Since ${head}\n\t// ${rest}\n\tf()\n`);
});

test("items and rows keep their form", () => {
	const made = rewrap(`/* Words:\n *  - one: ${long}\n *  - two\n *\n *   cell     ${long}\n *   other    row */\n`, "c");
	assert.match(made, /^ \*  - one: .*\n \*    \S.*\n \*  - two$/m);
	assert.match(made, /^ \*   cell     .*\n \*            \S.*\n \*   other    row \*\/$/m);
});

test("a trailing comment that is too wide moves above its statement", () => {
	becomes("c", `\tint a = f(1,\n\t\t2); /* ${long} */\n`, `\t/* ${head}\n\t * ${rest} */\n\tint a = f(1,\n\t\t2);\n`);
	becomes("c", `enum {\n\tA,\n\tB, /* ${long} */\n};\n`, `enum {\n\tA,\n\t/* ${head}\n\t * ${rest} */\n\tB,\n};\n`);
	becomes("js", `if (a) {\n} else { // ${long}\n}\n`, `if (a) {\n} else {\n\t// ${head}\n\t// ${rest}\n}\n`);
});

test("what is no comment, or must stay on its line, is left", () => {
	stays("c", `const char *s = "/* ${long} */", *t = "// ${long}";\n`);
	stays("c", `\tcall(); /* NOLINT(${long}) */\n`);
	stays("c", `#define X(a) \\\n\ta /* ${long} */ \\\n\tb\n`);
	stays("js", `const s = \`\n// ${long} \${a /* b */}\n// ${long}\`\nconst r = /\\/\\/ ${long}/\n`);
	stays("hash", `cat <<EOF\n# ${long} ${long}\nEOF\n`);
	stays("c", `/* A sample:\n *\n *     call(1); // ${long} */\n`);
	assert.equal(find("f('//'); g(\"/*\"); // one", "js").length, 1);
});

test("the rule counts a tab as four, and only what the comment makes wide", () => {
	assert.equal(tooLong(`\t/* ${"x ".repeat(45)}*/\n`, "c").length, 0);
	assert.equal(tooLong(`\t/* ${"x ".repeat(46)}*/\n`, "c").length, 1);
	assert.equal(tooLong(`int ${"x".repeat(most)};\n/* https://${"x".repeat(most)} */\n`, "c").length, 0);
});
