#!/usr/bin/env node
// er test: finds the files of tests, runs them (test/run.mjs), several at a time, and reports
// (test/report.mjs). Started by `er test`, which hands over what it knows as one JSON argument:
//
//   { er, root, prefix, main, name, words, pattern, reporter, json, watch, timeout_ms, jobs }
//
// Everything that a run makes lies in one temporary folder, which is gone at the end however the
// end comes; the nodes end when their standard input does.
import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { findTests } from "./test/find.mjs";
import { Human, junit, summary, tap } from "./test/report.mjs";
import { FileRun } from "./test/run.mjs";

const PASSED = 0, FAILED = 1, USAGE = 2, BROKEN = 9;
const SETTLE = 60; // milliseconds without a change before a save counts as whole

const project = JSON.parse(process.argv[2]);
const options = { ...project, words: project.words };
const running = new Set();
let folder;

function leave() {
	for (const run of running) run.kill();
	if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]])
	process.on(signal, () => {
		leave();
		process.exit(128 + number);
	});
process.stdout.on("error", () => {
	leave();
	process.exit(FAILED);
});

/** Nothing could be run. */
function refuse(code, text, status) {
	if (options.json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message: text } })}\n`);
	else process.stderr.write(`error: ${text}\n`);
	return status;
}

// ---- a run ----

async function runAll(esbuild, files, human) {
	const began = performance.now();
	const results = new Array(files.length);
	const queue = files.map((file, i) => [file, i]);
	const ways = new Map(); // by file: what it was made of
	const worker = async () => {
		for (let next; (next = queue.shift()) !== undefined; ) {
			const [file, i] = next;
			const run = new FileRun(project, options, esbuild, file, path.join(folder, `${runAll.count++}`));
			running.add(run);
			results[i] = await run.run();
			running.delete(run);
			rmSync(run.folder, { recursive: true, force: true });
			ways.set(file, run.inputs ?? [file]);
			human?.file(results[i]);
		}
	};
	await Promise.all(Array.from({ length: Math.min(options.jobs, files.length) }, worker));
	return { run: summary(results, performance.now() - began), ways };
}
runAll.count = 0;

const statusOf = (run) => (run.failed > 0 ? FAILED : run.broken > 0 ? BROKEN : PASSED);

function report(run, human) {
	const [kind, ...rest] = (options.reporter ?? "human").split("=");
	const text = kind === "tap" ? tap(run) : kind === "junit" ? junit(run) : undefined;
	if (rest.length > 0) writeFileSync(rest.join("="), text);
	else if (text !== undefined) process.stdout.write(text);
	if (options.json) process.stdout.write(`${JSON.stringify(run)}\n`);
	else human?.end(run);
}

// ---- watching ----

/** Resolves with the files that were touched, once they rest. */
class Saves {
	constructor() {
		this.folders = new Map();
		this.touched = new Set();
		this.wake = () => {};
	}
	follow(dir) {
		if (this.folders.has(dir) || dir.includes(`${path.sep}node_modules${path.sep}`) || this.folders.size >= 512) return;
		try {
			const watcher = watch(dir, { persistent: true }, (kind, name) => {
				if (name === null || /^\.#|~$|\.tmp$/.test(name)) return;
				this.touched.add(path.join(dir, name));
				clearTimeout(this.timer);
				this.timer = setTimeout(() => this.wake(), SETTLE);
			});
			watcher.on("error", () => this.folders.delete(dir));
			this.folders.set(dir, watcher);
		} catch {
			// there is no such folder any more
		}
	}
	async next() {
		while (this.touched.size === 0) await new Promise((resolve) => (this.wake = resolve));
		const touched = this.touched;
		this.touched = new Set();
		return touched;
	}
}

/** er.jsonc was touched: what it says now. */
function describeAgain() {
	try {
		const text = execFileSync(project.er, ["test", "--describe"], { cwd: process.cwd(), encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
		Object.assign(project, { main: undefined }, JSON.parse(text));
		return true;
	} catch (error) {
		let said = {};
		try {
			said = JSON.parse(error.stdout);
		} catch {
			// it said nothing that can be read
		}
		const [first] = said.errors ?? [];
		refuse("invalid", `${first?.path ? `${first.path}${first.line ? `:${first.line}:${first.column}` : ""}: ` : ""}${first?.text ?? said.error?.message ?? error.message}`, 0);
		return false;
	}
}

const exists = (file) => {
	try {
		return statSync(file).isFile();
	} catch {
		return false;
	}
};

async function watchAll(esbuild, human) {
	const saves = new Saves();
	const made = new Map();
	let first = true;
	saves.follow(project.root);
	for (;;) {
		let all = [];
		try {
			all = findTests(project.root, options.words);
		} catch (error) {
			refuse("no-tests", error.message, 0);
		}
		const due = first ? all : all.filter((file) => !made.has(file) || made.get(file).some((input) => watchAll.touched.has(input)) || watchAll.everything);
		if (due.length > 0) {
			const { run, ways } = await runAll(esbuild, due, human);
			for (const [file, inputs] of ways) made.set(file, inputs);
			report(run, human);
		} else if (first) refuse("no-tests", nothing(), 0);
		for (const file of made.keys()) if (!exists(file)) made.delete(file);
		for (const inputs of made.values()) for (const input of inputs) saves.follow(path.dirname(input));
		for (const file of all) saves.follow(path.dirname(file));
		if (human !== undefined && (first || due.length > 0)) human.print(["waiting for a save; Ctrl-C ends it"]);
		first = false;
		watchAll.touched = await saves.next();
		const settings = ["er.jsonc", ".dev.vars"].some((name) => watchAll.touched.has(path.join(project.root, name)));
		watchAll.everything = settings && describeAgain();
	}
}

const nothing = () => `there are no tests here: write one into a file NAME.test.ts (or .js, .mjs), beginning with import { test, expect, SELF } from "er:test"`;

async function main() {
	if (options.pattern !== undefined)
		try {
			options.pattern = new RegExp(options.pattern, "i");
		} catch (error) {
			return refuse("invalid", `--name: ${error.message}`, USAGE);
		}
	let esbuild;
	try {
		esbuild = await import("esbuild");
	} catch {
		return refuse("failed", `the bundler esbuild is not installed beside ${import.meta.dirname}: run "npm ci" in the folder above`, BROKEN);
	}
	folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), "er-tests-")));
	const human = options.json || /^(tap|junit)$/.test(options.reporter ?? "") ? undefined : new Human(process.stdout);
	if (options.watch) return watchAll(esbuild, human);
	let files;
	try {
		files = findTests(project.root, options.words);
	} catch (error) {
		return refuse("no-tests", error.message, BROKEN);
	}
	if (files.length === 0) return refuse("no-tests", nothing(), BROKEN);
	const { run } = await runAll(esbuild, files, human);
	if (options.pattern !== undefined && run.files.every((f) => f.tests.length === 0 && f.errors.length === 0)) return refuse("no-tests", `no test has a name with ${options.pattern}`, BROKEN);
	report(run, human);
	return statusOf(run);
}

try {
	process.exitCode = await main();
} catch (error) {
	process.exitCode = refuse("failed", error?.stack ?? String(error), BROKEN);
} finally {
	leave();
}
