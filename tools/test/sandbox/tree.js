// The tests of a file, as test and describe name them, and how one of them is run.
//
// Each test is a request of its own to this sandbox: it has a request's limits and its own time,
// and what breaks it (an endless loop, too much memory) ends the sandbox, after which the next test
// runs in a new one. So the hooks that a describe runs once run again there: beforeAll runs with
// the first test of its describe in each sandbox, afterAll with the last one.
import { AssertionError, beginCounting, checkCounting } from "./expect.js";
import { brief } from "./show.js";
import { beginFetches, realClearTimeout, realSetTimeout, refusedFetches } from "./mock.js";
import { settle } from "./routine.js";
import { enterScope, undo } from "./scope.js";

let suites = 0;
const suite = (name, parent, more) => ({ id: suites++, name, parent, tests: [], hooks: { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] }, ran: false, undo: [], left: 0, failure: undefined, ...more });
const root = suite("", null, {});
let open = root;
let closed = false; // the file has been read
const tests = [];

// ---- naming ----

function place() {
	return new Error().stack;
}
function addTest(name, fn, options, mode) {
	if (closed) throw new Error(`test("${name}"): tests are named when the file is read, not while a test runs`);
	if (typeof name === "function") name = name.name;
	const { timeout } = typeof options === "number" ? { timeout: options } : (options ?? {});
	if (timeout !== undefined && !(Number(timeout) > 0)) throw new TypeError(`test("${name}"): the timeout is a number of milliseconds above 0`);
	if (fn === undefined && mode !== "todo" && mode !== "skip") mode = "todo";
	const one = { id: tests.length, name: String(name), fn, timeout: timeout === undefined ? undefined : Number(timeout), mode, suite: open, stack: place() };
	tests.push(one);
	open.tests.push(one);
}
function addSuite(name, fn, mode) {
	if (closed) throw new Error(`describe("${name}"): it stands outside of tests`);
	const made = suite(String(name), open, { mode });
	open = made;
	try {
		const result = fn?.();
		if (typeof result?.then === "function") throw new TypeError(`describe("${name}"): its function is not async; await in tests and hooks`);
	} finally {
		open = made.parent;
	}
}

/** Arguments may come as (name, fn, options) or (name, options, fn). */
const ordered = (fn, options) => (typeof options === "function" ? [options, fn] : [fn, options]);

const DIRECTIVE = /%([sdifjoO#%])/g;
function titleOf(name, row, index) {
	const args = Array.isArray(row) ? [...row] : [row];
	let text = String(name).replace(DIRECTIVE, (all, d) => {
		if (d === "%") return "%";
		if (d === "#") return String(index);
		if (args.length === 0) return all;
		const value = args.shift();
		return d === "s" || d === "d" || d === "i" || d === "f" ? String(value) : brief(value);
	});
	if (row !== null && typeof row === "object" && !Array.isArray(row)) text = text.replace(/\$([\w.]+)/g, (all, path) => {
		const value = path.split(".").reduce((v, key) => v?.[key], row);
		return value === undefined ? all : typeof value === "string" ? value : brief(value);
	});
	return text;
}
function each(add) {
	return (rows) => (name, fn, options) => {
		[fn, options] = ordered(fn, options);
		[...rows].forEach((row, index) => add(titleOf(name, row, index), () => (Array.isArray(row) ? fn(...row) : fn(row)), options));
	};
}

function withModes(add) {
	const named = (mode) => (name, fn, options) => {
		[fn, options] = ordered(fn, options);
		add(name, fn, options, mode);
	};
	const api = named("run");
	for (const mode of ["skip", "only", "todo"]) {
		api[mode] = named(mode);
		api[mode].each = each((name, fn, options) => add(name, fn, options, mode));
	}
	api.each = each((name, fn, options) => add(name, fn, options, "run"));
	api.skipIf = (condition) => (condition ? api.skip : api);
	api.runIf = (condition) => (condition ? api : api.skip);
	return api;
}
export const test = withModes(addTest);
test.fails = (name, fn, options) => addTest(name, async () => {
	try {
		await fn();
	} catch {
		return;
	}
	throw new AssertionError("the test was expected to fail, and it passed");
}, options, "run");
export const it = test;
export const describe = withModes((name, fn, options, mode) => addSuite(name, fn, mode));

function hook(kind) {
	return (fn, timeout) => {
		if (closed) throw new Error(`${kind}: it stands outside of tests`);
		if (typeof fn !== "function") throw new TypeError(`${kind}: a function is expected`);
		open.hooks[kind].push({ fn, timeout });
	};
}
export const beforeAll = hook("beforeAll"), beforeEach = hook("beforeEach"), afterEach = hook("afterEach"), afterAll = hook("afterAll");

// ---- what there is ----

const suitesOf = (one) => {
	const path = [];
	for (let s = one.suite; s !== null; s = s.parent) path.unshift(s);
	return path;
};
function modeOf(one, only) {
	const modes = [...suitesOf(one).map((s) => s.mode), one.mode];
	if (modes.includes("todo")) return "todo";
	if (modes.includes("skip")) return "skip";
	return only && !modes.includes("only") ? "skip" : "run";
}
/** For the one who asks: [{ id, name, path, suites, mode, timeout_ms, stack }]; `path` and `suites`
 * are the names and the numbers of the describes around it, of the latter also the file's own, 0. */
export function listTests() {
	closed = true;
	const only = tests.some((one) => one.mode === "only" || suitesOf(one).some((s) => s.mode === "only"));
	return tests.map((one) => ({ id: one.id, name: one.name, path: suitesOf(one).slice(1).map((s) => s.name), suites: suitesOf(one).map((s) => s.id), mode: modeOf(one, only), timeout_ms: one.timeout, stack: one.stack }));
}

// ---- running ----

let running = false;
export const isRunning = () => running;

const text = (make, otherwise) => {
	try {
		return String(make());
	} catch {
		return otherwise;
	}
};
/** An error as the report needs it: causes and parts beneath it. */
function told(error, depth = 0) {
	const isError = error !== null && typeof error === "object" && ("message" in error || "stack" in error);
	if (!isError) return { name: "", message: `${text(() => brief(error, 2000), "what cannot be shown")} was thrown`, stack: "" };
	const out = { name: text(() => error.name, "Error"), message: text(() => error.message, ""), stack: text(() => error.stack ?? "", "") };
	if (error instanceof AssertionError && error.expected !== undefined) Object.assign(out, { expected: error.expected, actual: error.actual });
	if (depth < 4) {
		if (error.cause !== undefined) out.cause = told(error.cause, depth + 1);
		if (Array.isArray(error.errors)) out.errors = error.errors.slice(0, 10).map((e) => told(e, depth + 1));
	}
	return out;
}

async function timed(fn, ms, what) {
	let timer;
	const late = new Promise((resolve, reject) => {
		timer = realSetTimeout(() => reject(new AssertionError(`${what} did not end within ${ms} ms`)), ms);
	});
	try {
		await Promise.race([Promise.resolve().then(fn), late]);
	} finally {
		realClearTimeout(timer);
	}
}

/** Hooks that run once in a sandbox; what failed there fails every test below. */
async function enterSuite(s, ms) {
	if (s.ran) {
		if (s.failure !== undefined) throw s.failure.error;
		return;
	}
	s.ran = true;
	const before = enterScope(s === root ? null : s.undo);
	try {
		for (const one of s.hooks.beforeAll) await timed(one.fn, one.timeout ?? ms, "beforeAll");
	} catch (error) {
		s.failure = { error };
		throw error;
	} finally {
		enterScope(before);
	}
}
async function leaveSuite(s, ms, errors) {
	for (const one of [...s.hooks.afterAll].reverse())
		try {
			await timed(one.fn, one.timeout ?? ms, "afterAll");
		} catch (error) {
			errors.push(error);
		}
	undo(s.undo);
}

async function body(one, path, ms, errors) {
	const attempt = async (fn, limit, what) => {
		try {
			await timed(fn, limit, what);
			return true;
		} catch (error) {
			errors.push(error);
			return false;
		}
	};
	let ok = true;
	for (const s of path) for (const h of s.hooks.beforeEach) ok = ok && (await attempt(h.fn, h.timeout ?? ms, "beforeEach"));
	ok = ok && (await attempt(() => one.fn({ name: one.name }), ms, "the test"));
	await settle(Math.min(ms, 1000));
	if (ok) await attempt(async () => checkCounting(), ms, "");
	for (const s of [...path].reverse()) for (const h of [...s.hooks.afterEach].reverse()) await attempt(h.fn, h.timeout ?? ms, "afterEach");
}

/** `last`: the numbers of the describes that end with this test, inner ones first. */
export async function runTest(id, ms, last) {
	const one = tests[id];
	const path = suitesOf(one), errors = [], undone = [];
	const limit = one.timeout ?? ms;
	beginCounting();
	beginFetches();
	running = true;
	let before = null;
	try {
		for (const s of path) await enterSuite(s, limit);
		before = enterScope(undone);
		await body(one, path, limit, errors);
	} catch (error) {
		errors.push(error);
	}
	enterScope(before);
	undo(undone);
	// A rejection that nobody handled is told at the end of a turn, and then of this request.
	await new Promise((resolve) => realSetTimeout(resolve, 0));
	for (const s of [...path].reverse()) if (last.includes(s.id) && s.ran) await leaveSuite(s, limit, errors);
	running = false;
	return { errors: errors.map((error) => told(error)), refused: [...new Set(refusedFetches())].slice(0, 10) };
}
