// Reports: for a person, as TAP (version 14), as JUnit's XML, and as JSON.
import process from "node:process";
import { diff } from "./diff.mjs";
import { codeFrame } from "./stack.mjs";

const STATES = ["passed", "failed", "skipped", "todo"];
const FRAMES = 8;

/** The whole of a run: { ok, passed, failed, skipped, todo, broken, wall_ms, files }. */
export function summary(files, wall_ms) {
	const tests = files.flatMap((f) => f.tests);
	const out = { ok: false };
	for (const state of STATES) out[state] = tests.filter((t) => t.state === state).length;
	out.broken = files.filter((f) => f.errors.length > 0).length;
	out.ok = out.failed === 0 && out.broken === 0;
	return { ...out, wall_ms: Math.round(wall_ms), files };
}

const title = (t) => [...t.describes, t.name].join(" > ");
const time = (ms) => (ms < 1000 ? `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
const counts = (of) => {
	const said = STATES.filter((state) => of[state] > 0).map((state) => `${of[state]} ${state}`);
	return said.length > 0 ? said.join(", ") : "no tests";
};
// Control characters of strangers' text do nothing to the terminal.
const safe = (text) => String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (c) => (c === "\r" ? "" : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`));
const indented = (text, by) => safe(text).split("\n").map((line) => by + line);

// ---- an error, in lines ----

function place(error) {
	return error.path === undefined ? undefined : `${error.path}${error.line === undefined ? "" : `:${error.line}:${error.column}`}`;
}
function errorLines(error, paint, by) {
	const out = indented(error.text, by).map((line, i) => (i === 0 ? paint("red", line) : line));
	if (place(error) !== undefined) out.push(`${by}  ${paint("dim", `at ${place(error)}`)}`);
	const code = error.at === undefined ? [] : codeFrame(error.sources, error.at);
	if (code.length > 0) out.push(...code.map((line) => `${by}  ${line.startsWith(">") ? safe(line) : paint("dim", safe(line))}`));
	else if (error.line_text) out.push(`${by}    ${safe(error.line_text)}`, `${by}    ${" ".repeat(Math.max(0, (error.column ?? 1) - 1))}${"^".repeat(Math.max(1, error.length ?? 1))}`);
	if (error.expected !== undefined && (error.expected.includes("\n") || error.actual.includes("\n") || error.expected.length + error.actual.length > 60)) {
		out.push(`${by}  ${paint("green", "- expected")}  ${paint("red", "+ actual")}`);
		for (const line of diff(error.expected, error.actual)) out.push(`${by}  ${line.startsWith("-") ? paint("green", safe(line)) : line.startsWith("+") ? paint("red", safe(line)) : safe(line)}`);
	}
	for (const frame of (error.stack ?? []).slice(1, FRAMES)) out.push(`${by}  ${paint("dim", safe(frame))}`);
	for (const note of error.notes ?? []) out.push(...indented(note.text, `${by}  `));
	if (error.cause) out.push(`${by}caused by:`, ...errorLines(error.cause, paint, `${by}  `));
	(error.errors ?? []).forEach((inner, i) => out.push(`${by}error ${i + 1} of ${error.errors.length}:`, ...errorLines(inner, paint, `${by}  `)));
	return out;
}
const plain = (style, text) => text;
function consoleLines(list, by) {
	return list.flatMap(({ level, text }) => indented(text, "").map((line, i) => `${by}${i === 0 ? `${level}: ` : "  "}${line}`));
}

// ---- for a person ----

const STYLES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 };

export class Human {
	constructor(out) {
		this.out = out;
		const colour = out.isTTY && !process.env.NO_COLOR && process.env.TERM !== "dumb";
		this.paint = colour ? (style, text) => `\x1b[${STYLES[style]}m${text}\x1b[0m` : plain;
	}
	print(lines) {
		this.out.write(lines.map((line) => `${line}\n`).join(""));
	}
	/** As soon as a file is through. */
	file(file) {
		const of = summary([file], file.wall_ms);
		const word = file.errors.length > 0 ? this.paint("red", "BROKEN") : of.ok ? this.paint("green", "ok    ") : this.paint("red", "FAILED");
		const lines = [`${word} ${safe(file.path)}  ${file.errors.length > 0 ? "it could not be run" : counts(of)}  ${this.paint("dim", time(file.wall_ms))}`];
		for (const warning of file.warnings) lines.push(`  ${this.paint("yellow", "warning:")} ${safe(warning.text)}${place(warning) ? ` (${place(warning)})` : ""}`);
		for (const error of file.errors) lines.push("", ...errorLines(error, this.paint, "  "));
		if (file.errors.length > 0 && file.console.length > 0) lines.push("", "  console:", ...consoleLines(file.console, "    "));
		for (const t of file.tests.filter((one) => one.state === "failed")) lines.push("", ...this.failed(t));
		if (!file.ok) lines.push("");
		this.print(lines);
	}
	failed(t) {
		const lines = [`  ${this.paint("bold", safe(title(t)))}  ${this.paint("dim", time(t.wall_ms))}`];
		for (const error of t.errors) lines.push(...errorLines(error, this.paint, "    "));
		for (const asked of (t.refused ?? []).filter((one) => !t.errors.some((e) => e.text.includes(one)))) lines.push(`    ${this.paint("yellow", "no mock answered")} ${safe(asked)}`);
		if (t.console.length > 0) lines.push("    console:", ...consoleLines(t.console, "      "));
		return lines;
	}
	end(run) {
		const files = `${run.files.length} file${run.files.length === 1 ? "" : "s"}`;
		const broken = run.broken > 0 ? `, ${run.broken} could not be run` : "";
		this.print([`${this.paint(run.ok ? "green" : "red", counts(run))} in ${files}${broken}  ${this.paint("dim", time(run.wall_ms))}`]);
	}
}

// ---- TAP ----

const escapedTap = (text) => safe(text).replace(/[\\#]/g, "\\$&").replace(/\n/g, " ");
function tapOf(n, { name, ok, directive, ms, lines }) {
	const out = [`${ok ? "ok" : "not ok"} ${n} - ${escapedTap(name)}${directive ? ` # ${directive}` : ""}`, "  ---", `  duration_ms: ${ms}`];
	if (lines.length > 0) out.push("  message: |-", ...lines.map((line) => `    ${line}`));
	return [...out, "  ..."];
}
export function tap(run) {
	const points = [];
	for (const file of run.files) {
		if (file.errors.length > 0) points.push({ name: file.path, ok: false, ms: file.wall_ms, lines: file.errors.flatMap((e) => errorLines(e, plain, "")) });
		for (const t of file.tests) {
			const lines = t.errors.flatMap((e) => errorLines(e, plain, ""));
			points.push({ name: `${file.path} > ${title(t)}`, ok: t.state !== "failed", ms: t.wall_ms, lines, directive: t.state === "skipped" ? "SKIP" : t.state === "todo" ? "TODO" : "" });
		}
	}
	return ["TAP version 14", `1..${points.length}`, ...points.flatMap((point, i) => tapOf(i + 1, point))].map((line) => `${line}\n`).join("");
}

// ---- JUnit ----

const xml = (text) => safe(text).replace(/[\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
const seconds = (ms) => (ms / 1000).toFixed(3);
function junitCase(file, t) {
	const lines = [];
	for (const error of t.errors) lines.push(`      <failure message="${xml(error.text.split("\n")[0])}" type="failure">${xml(errorLines(error, plain, "").join("\n"))}</failure>`);
	if (t.state === "skipped" || t.state === "todo") lines.push(`      <skipped${t.state === "todo" ? ' message="todo"' : ""}/>`);
	if (t.console.length > 0) lines.push(`      <system-out>${xml(consoleLines(t.console, "").join("\n"))}</system-out>`);
	const head = `    <testcase name="${xml(title(t))}" classname="${xml(file.path)}" time="${seconds(t.wall_ms)}"${t.line ? ` file="${xml(t.path)}" line="${t.line}"` : ""}`;
	return lines.length === 0 ? [`${head}/>`] : [`${head}>`, ...lines, "    </testcase>"];
}
export function junit(run) {
	const tests = run.passed + run.failed + run.skipped + run.todo;
	const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites tests="${tests + run.broken}" failures="${run.failed}" errors="${run.broken}" skipped="${run.skipped + run.todo}" time="${seconds(run.wall_ms)}">`];
	for (const file of run.files) {
		const of = summary([file], file.wall_ms);
		lines.push(`  <testsuite name="${xml(file.path)}" tests="${file.tests.length + of.broken}" failures="${of.failed}" errors="${of.broken}" skipped="${of.skipped + of.todo}" time="${seconds(file.wall_ms)}">`);
		if (of.broken > 0) lines.push(`    <testcase name="${xml(file.path)}" classname="${xml(file.path)}" time="0.000">`, ...file.errors.map((error) => `      <error message="${xml(error.text.split("\n")[0])}" type="broken">${xml(errorLines(error, plain, "").join("\n"))}</error>`), "    </testcase>");
		for (const t of file.tests) lines.push(...junitCase(file, t));
		lines.push("  </testsuite>");
	}
	return [...lines, "</testsuites>", ""].join("\n");
}
