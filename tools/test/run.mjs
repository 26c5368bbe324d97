// Runs one file of tests: bundles it, starts a node for it, asks for one test after the other, and
// makes of what comes back what the reports show.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bundle } from "./build.mjs";
import { Stage } from "./stage.mjs";
import { Sources } from "./stack.mjs";

const PREFIX = "/.er-test/";
const SPARE = 20000; // beyond the time of a test, for a machine that is busy
const EVENTS = 3000; // how long the node's record of a request is waited for
const CONSOLE = 200; // lines of one test

const unit = (text) => /^(\d+)(\w+)$/.exec(text ?? "");
/** What ended a sandbox, as a sentence about the test. */
function ending(error, ms) {
	const kind = error.split(";")[0];
	const of = Object.fromEntries(error.split(";").slice(1).map((part) => part.trim().split("=")));
	if (kind === "cpu") return `the sandbox was ended: ${of.budget === "top-level" ? "the file's top-level code" : "the test"} used up its processor time (${unit(of.limit)?.[0] ?? `${ms}ms`}). Is there an endless loop?`;
	if (kind === "memory") return `the sandbox was ended: it had more memory than the routine may have (limit ${of.limit ?? "unknown"}${of.asked ? `, asked for ${of.asked} at once` : ""})`;
	if (kind === "timeout") return `no answer came within the time of the test, ${ms} ms`;
	return `the sandbox ended: ${error || "it said nothing"}`;
}

export class FileRun {
	constructor(project, options, esbuild, file, folder) {
		Object.assign(this, { project, options, esbuild, file, folder });
		this.path = path.relative(project.root, file).split(path.sep).join("/");
		this.stages = new Set();
		this.requests = 0;
	}
	shown(relative) {
		return this.project.prefix + relative;
	}
	async run() {
		const began = performance.now();
		const result = { path: this.shown(this.path), ok: true, wall_ms: 0, errors: [], warnings: [], console: [], tests: [] };
		try {
			await this.all(result);
		} catch (error) {
			result.errors.push({ text: error.message });
		}
		for (const stage of this.stages) await stage.stop();
		result.wall_ms = Math.round(performance.now() - began);
		result.ok = result.errors.length === 0 && result.tests.every((t) => t.state !== "failed");
		return result;
	}
	kill() {
		for (const stage of this.stages) stage.kill();
	}
	async all(result) {
		const built = await bundle(this.esbuild, this.project, this.file);
		this.inputs = built.inputs;
		const placed = (m) => ({ ...m, path: m.path === undefined ? undefined : this.shown(m.path), notes: undefined, ...(m.notes?.length ? { notes: m.notes } : {}) });
		result.warnings = built.warnings.filter((m) => !m.path?.includes("er-test-entry")).map(placed);
		if (!built.ok) {
			result.errors = built.errors.map(placed);
			return;
		}
		this.sources = new Sources(this.project.root, built.map);
		mkdirSync(this.folder, { recursive: true });
		this.files = { code: path.join(this.folder, "routine.js"), map: path.join(this.folder, "routine.js.map"), data: path.join(this.folder, "data") };
		writeFileSync(this.files.code, built.code);
		writeFileSync(this.files.map, built.map);
		await this.start();
		const list = await this.list(result);
		if (list === undefined) return;
		const chosen = this.choose(list);
		for (const one of chosen) result.tests.push(one.mode === "run" ? await this.test(one) : this.left(one));
	}
	async start() {
		for (const stage of this.stages) await stage.stop();
		this.stages.clear();
		this.stage = new Stage(this.project.er, this.project.root, this.files, this.options.timeout_ms);
		this.stages.add(this.stage);
		await this.stage.ready();
	}

	// ---- what there is ----

	async list(result) {
		const answer = await this.stage.request(`${PREFIX}list`, {}, 60000);
		if (answer.status === 200) {
			result.console = this.lines((e) => e.path === undefined || e.path === `${PREFIX}list`);
			return JSON.parse(answer.text);
		}
		const thrown = await this.stage.event((e) => e.event === "exception", 1000);
		result.console = this.lines(() => true);
		if (thrown !== undefined && /^exception/.test(answer.error)) result.errors.push(this.error({ name: "", message: `the file does not load: ${thrown.text}`, stack: thrown.stack }));
		else result.errors.push({ text: `the file does not load: ${ending(answer.error, this.options.timeout_ms)}` });
		return undefined;
	}
	lines(accept) {
		return this.stage.events.filter((e) => e.event === "console" && accept(e)).slice(0, CONSOLE).map(({ level, text }) => ({ level, text }));
	}
	/** With the names that were asked for, and with what ends with each. */
	choose(list) {
		const fits = this.options.pattern === undefined ? () => true : (t) => this.options.pattern.test([...t.path, t.name].join(" "));
		const chosen = list.filter(fits);
		const last = new Map();
		for (const one of chosen) if (one.mode === "run") for (const suite of one.suites) last.set(suite, one);
		for (const one of chosen) one.last = one.suites.filter((suite) => last.get(suite) === one);
		return chosen;
	}
	named(one, state) {
		const at = this.sources.frames(one.stack)[0];
		return { name: one.name, describes: one.path, state, ...(at ? { path: this.shown(at.path), line: at.line } : {}) };
	}
	left(one) {
		return { ...this.named(one, one.mode === "todo" ? "todo" : "skipped"), wall_ms: 0, cpu_us: 0, errors: [], console: [] };
	}

	// ---- a test ----

	async test(one) {
		const ms = one.timeout_ms ?? this.options.timeout_ms;
		for (let again = 0; ; again++) {
			const target = `${PREFIX}run/${one.id}/${this.requests++}`;
			const from = this.stage.events.length;
			const began = performance.now();
			let answer;
			try {
				answer = await this.stage.request(target, { id: one.id, timeout_ms: ms, last: one.last }, ms * 4 + SPARE);
			} catch (error) {
				answer = { status: 0, error: "", text: error.message };
			}
			const wall_ms = Math.round((performance.now() - began) * 10) / 10;
			// Too many sandboxes have ended for this node to start another one at once.
			if (answer.status === 598 && again < 2) {
				await this.start();
				continue;
			}
			const record = answer.status === 0 ? undefined : await this.stage.event((e) => e.event === "request" && e.path === target, EVENTS, from);
			const told = this.stage.events.slice(from).filter((e) => e.path === target);
			const errors = this.errors(answer, told, ms).map((error) => this.somewhere(error, one));
			const refused = answer.status === 200 ? JSON.parse(answer.text).refused : [];
			const out = { ...this.named(one, errors.length === 0 ? "passed" : "failed"), wall_ms, cpu_us: record?.cpu_us ?? 0, errors, console: told.filter((e) => e.event === "console").slice(0, CONSOLE).map(({ level, text }) => ({ level, text })) };
			if (refused.length > 0) out.refused = refused;
			if (answer.status === 0) await this.start();
			return out;
		}
	}
	errors(answer, told, ms) {
		const out = [];
		if (answer.status === 200) out.push(...JSON.parse(answer.text).errors.map((error) => this.error(error)));
		else if (answer.status === 0) out.push({ text: `the node for the tests gave no answer: ${answer.text}` });
		else if (!/^exception/.test(answer.error)) out.push({ text: ending(answer.error, ms) });
		// What nobody awaited and nobody caught.
		for (const e of told) if (e.event === "exception") out.push(this.error({ name: "", message: answer.status === 200 ? `nobody handled it: ${e.text}` : e.text, stack: e.stack }));
		return out.length === 0 && answer.status !== 200 ? [{ text: `the sandbox failed: ${answer.error || answer.status}` }] : out;
	}
	/** What happened nowhere in particular happened to the test. */
	somewhere(error, one) {
		const at = this.sources.frames(one.stack)[0];
		if (error.path !== undefined || at === undefined) return error;
		const out = { ...error, path: this.shown(at.path), line: at.line, column: at.column, line_text: this.sources.text(at.path, at.line) };
		return Object.defineProperties(out, { at: { value: at }, sources: { value: this.sources } });
	}
	/** An error of the sandbox, with its place in the sources. */
	error({ name, message, stack, expected, actual, cause, errors }) {
		const frames = this.sources.frames(stack ?? "");
		const at = frames.find((f) => !f.path.includes("node_modules/")) ?? frames[0];
		const out = { text: name && !/^AssertionError$/.test(name) ? `${name}: ${message}` : message };
		if (at !== undefined) Object.assign(out, { path: this.shown(at.path), line: at.line, column: at.column, line_text: this.sources.text(at.path, at.line) });
		Object.defineProperty(out, "at", { value: at });
		Object.defineProperty(out, "sources", { value: this.sources });
		if (frames.length > 0) out.stack = frames.map((f) => `at ${f.name ? `${f.name} ` : ""}(${this.shown(f.path)}:${f.line}:${f.column})`);
		if (expected !== undefined) Object.assign(out, { expected, actual });
		if (cause !== undefined) out.cause = this.error(cause);
		if (errors?.length > 0) out.errors = errors.map((e) => this.error(e));
		return out;
	}
}
