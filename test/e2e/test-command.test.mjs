// er test, as an author uses it: what passes and fails, where a failure is shown, what a sandbox
// of a test is, and what the reports say.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { project, run, track, write } from './lib/desk.mjs'
import { er, root } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'

const routine = `export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url);
		if (url.pathname === "/who") return new Response(request.info.remote_addr + " " + (request.cf.country ?? "-") + " " + env.NAME);
		if (url.pathname === "/upstream") return fetch("https://api.example.com/items?n=" + url.searchParams.get("n"));
		if (url.pathname === "/later") { ctx.waitUntil(env.notes.put("k", "stored later")); return new Response("ok"); }
		if (url.pathname === "/broken") throw new TypeError("the routine's own");
		if (url.pathname === "/pass") { ctx.passThroughOnException(); throw new Error("never mind"); }
		if (url.pathname === "/asks") return env.AUTH.fetch("https://auth/check", { method: "POST", body: "who" });
		if (url.pathname === "/file") return env.ASSETS.fetch(request);
		return new Response("hello " + env.NAME);
	},
	async scheduled(controller, env) { await env.notes.put("cron", controller.cron); },
};
`
const settings = JSON.stringify({ name: 'shop', vars: { NAME: 'er' }, kv: ['notes'], services: { AUTH: 'auth' }, assets: 'public' })
const json = async (cwd, args = [], options = {}) => {
	const out = await run(['test', '--json', ...args], { cwd, ...options })
	return { ...out, json: JSON.parse(out.out) }
}
const named = (result, name) => result.files.flatMap(f => f.tests).find(t => t.name === name)
const leftovers = () => fs.readdirSync(os.tmpdir()).filter(name => /^er-tests-/.test(name))

test('a test calls the routine with its variables, data, files and clients, and answers for the network', async () => {
	const cwd = project({
		'er.jsonc': settings,
		'src/index.js': routine,
		'public/file': 'a file',
		'src/shop.test.ts': `import { test, describe, expect, mock, SELF, env, beforeAll, beforeEach, afterEach, afterAll } from "er:test";
const text = async (path: string, init?: RequestInit): Promise<string> => (await SELF.fetch("https://shop.example" + path, init)).text();
const log: string[] = [];
test("variables", async () => expect(await text("/")).toBe("hello er"));
test("clients", async () => expect(await (await SELF.with({ cf: { country: "DE" }, info: { remote_addr: "203.0.113.9" }, env: { NAME: "other" } }).fetch("/who")).text()).toBe("203.0.113.9 DE other"));
test("data and waitUntil", async () => {
	await text("/later");
	await SELF.settled();
	expect(await env.notes.get("k")).toBe("stored later");
	await SELF.scheduled({ cron: "5 4 * * *" });
	expect(await env.notes.get("cron")).toBe("5 4 * * *");
});
test("files", async () => expect(await text("/file")).toBe("a file"));
test("caches", async () => {
	await caches.default.put("https://a.example/", new Response("kept"));
	expect(await (await caches.default.match("https://a.example/"))!.text()).toBe("kept");
});
describe("network", () => {
	beforeEach(() => { mock.fetch("https://api.example.com/items", Response.json([1])); });
	test("answered", async () => {
		const items = mock.fetch("https://api.example.com/items?n=7", (request: Request) => Response.json({ asked: request.url }, { status: 203 }));
		const answer = await SELF.fetch("https://shop.example/upstream?n=7");
		expect(answer.status).toBe(203);
		expect(await answer.json()).toEqual({ asked: expect.stringContaining("n=7") });
		expect(items.calls).toHaveLength(1);
	});
	test("undone", async () => expect(await text("/upstream?n=7")).toBe("[1]"));
	test("kinds of answers", async () => {
		mock.fetch("POST https://a.example/*", { made: true }).once();
		mock.fetch({ url: /b\\.example/, method: "delete" }, new TypeError("down"));
		mock.fetch(new URLPattern({ hostname: "c.example" }), "text");
		mock.fetch("https://old.example/", new Response(null, { status: 302, headers: { location: "https://c.example/x" } }));
		expect(await (await fetch("https://a.example/q", { method: "POST", body: "x" })).json()).toEqual({ made: true });
		await expect(fetch("https://a.example/q", { method: "POST", body: "x" })).rejects.toThrow(/no mock answers POST https:\\/\\/a\\.example\\/q/);
		await expect(fetch("https://b.example/", { method: "DELETE" })).rejects.toThrow("down");
		const followed = await fetch("https://old.example/");
		expect([await followed.text(), followed.url, followed.redirected]).toEqual(["text", "https://c.example/x", true]);
	});
	test("handed on", async () => {
		mock.fetch("https://shop.example/*", "the origin");
		expect(await text("/pass")).toBe("the origin");
	});
});
test("other routines", async () => {
	const auth = mock.service(env.AUTH, (request: Request) => new Response("said " + request.method, { status: 202 }));
	expect(await text("/asks")).toBe("said POST");
	expect(auth.calls).toMatchObject([{ url: "https://auth/check", body: "who" }]);
	auth.remove();
	await expect(SELF.fetch("/asks")).rejects.toThrow("mock.service(env.AUTH, answer)");
});
test("the routine's exceptions", async () => {
	await expect(SELF.fetch("/broken")).rejects.toThrow("the routine's own");
});
test("clocks", async () => {
	mock.timers.enable({ now: "2030-01-01" });
	const done = mock.fn();
	setTimeout(done, 60_000, "a");
	await mock.timers.tick(59_999);
	expect(done).not.toHaveBeenCalled();
	await mock.timers.tick(1);
	expect(done).toHaveBeenCalledWith("a");
	expect(new Date().toISOString()).toBe("2030-01-01T00:01:00.000Z");
});
test("clocks are undone", () => expect(new Date().getFullYear()).not.toBe(2030));
test("functions", async () => {
	const spy = mock.spyOn(Math, "random").mockReturnValueOnce(0.5);
	expect(Math.random()).toBe(0.5);
	expect(spy).toHaveBeenCalledTimes(1);
	const later = mock.fn().mockResolvedValue(3);
	await expect(later()).resolves.toBe(3);
});
test("functions are undone", () => expect((Math.random as any).mock).toBeUndefined());
test.each([[1, 2, 3], [2, 2, 4]])("%d + %d", (a: number, b: number, sum: number) => expect(a + b).toBe(sum));
describe("hooks", () => {
	beforeAll(() => void log.push("beforeAll"));
	beforeEach(() => void log.push("beforeEach"));
	afterEach(() => void log.push("afterEach"));
	afterAll(() => void log.push("afterAll"));
	test("one", () => void log.push("one"));
	test("two", () => void log.push("two"));
});
test("hooks ran in order", () => expect(log.join()).toBe("beforeAll,beforeEach,one,afterEach,beforeEach,two,afterEach,afterAll"));
`,
		'src/events/listener.js': 'addEventListener("fetch", (event) => event.respondWith(new Response("by " + event.type)));',
		'src/other.test.mjs': 'import { test, expect, env } from "er:test";\ntest("data of its own", async () => expect(await env.notes.get("k")).toBeNull());\n',
	})
	const before = leftovers()
	const { code, json: result, err } = await json(cwd)
	assert.deepEqual(result.files.flatMap(f => [...f.errors, ...f.tests.filter(t => t.state !== 'passed').map(t => [t.name, t.errors])]), [], err)
	assert.deepEqual([code, result.ok, result.passed, result.files.map(f => f.path)], [0, true, 21, ['src/other.test.mjs', 'src/shop.test.ts']])
	assert.deepEqual(leftovers(), before)
	// the form with listeners
	write(cwd, { 'er.jsonc': '{ "main": "src/events/listener.js" }', 'src/shop.test.ts': 'import { test, expect, SELF } from "er:test"; test("a", async () => expect(await (await SELF.fetch("/")).text()).toBe("by fetch"));' })
	assert.equal((await run(['test', 'shop'], { cwd })).code, 0)
})

test('a failure is shown at its place in the source, with what was expected and what was printed', async () => {
	const cwd = project({
		'er.jsonc': settings, 'src/index.js': routine, 'public/x': '',
		'src/help.ts': 'export function half(n: number): number {\n\tif (n % 2) throw new RangeError("odd: " + n);\n\treturn n / 2;\n}\n',
		'src/fail.test.ts': `import { test, describe, expect, SELF } from "er:test";
import { half } from "./help";
interface Only { types: true }
describe("math", () => {
	test("differs", () => {
		console.log("printed %d", 1);
		expect({ a: 1, list: [1, 2], more: "x".repeat(40) }).toEqual({ a: 1, list: [1, 3], more: "x".repeat(40) });
	});
	test("throws", () => { half(3); });
});
test("promise", async () => { await expect(Promise.resolve(1)).rejects.toThrow("no"); });
test("refused", async () => { await SELF.fetch("/upstream?n=1"); });
test("unhandled", () => { Promise.reject(new Error("nobody cares")); });
test("slow", () => new Promise(() => {}), 100);
test("string", () => { throw "a string"; });
test.fails("fails", () => { throw new Error("as it should"); });
test.skip("skipped", () => {});
test.todo("todo");
`,
	})
	const { code, json: result } = await json(cwd)
	assert.deepEqual([code, result.ok, result.passed, result.failed, result.skipped, result.todo], [1, false, 1, 7, 1, 1])
	const of = name => named(result, name)
	const [error] = of('differs').errors
	assert.deepEqual([error.path, error.line, error.line_text.trim().slice(0, 9)], ['src/fail.test.ts', 7, 'expect({ '])
	assert.match(error.expected, /3,/)
	assert.deepEqual([of('differs').describes, of('differs').console], [['math'], [{ level: 'log', text: 'printed 1' }]])
	assert.deepEqual([of('throws').errors[0].text, of('throws').errors[0].path, of('throws').errors[0].line], ['RangeError: odd: 3', 'src/help.ts', 2])
	assert.match(of('throws').errors[0].stack.join('\n'), /^at half \(src\/help\.ts:2:\d+\)\nat .*\(src\/fail\.test\.ts:9:\d+\)/)
	assert.match(of('promise').errors[0].text, /expected the promise to be rejected, and it was fulfilled with 1/)
	assert.equal(of('promise').errors[0].line, 11)
	assert.deepEqual(of('refused').refused, ['GET https://api.example.com/items?n=1'])
	assert.match(of('refused').errors[0].text, /mock\.fetch\("https:\/\/api/)
	assert.match(of('unhandled').errors[0].text, /nobody handled it: Error: nobody cares/)
	assert.deepEqual([of('slow').errors[0].text, of('slow').errors[0].line], ['the test did not end within 100 ms', 14])
	assert.match(of('string').errors[0].text, /"a string" was thrown/)

	const { out } = await run(['test', '-t', 'math differs'], { cwd })
	assert.match(out, /^FAILED src\/fail\.test\.ts {2}1 failed {2}/)
	assert.match(out, / > 7 \| +expect\(\{ a: 1[^\n]*\n +\| +\^\n/)
	assert.match(out, /- expected {2}\+ actual\n[\s\S]*\n {6}- {5}3,\n {6}\+ {5}2,\n/)
	assert.match(out, /console:\n +log: printed 1\n/)
	assert.match(out, /\n1 failed in 1 file {2}/)
})

test('what breaks a sandbox fails its test, and the rest goes on', async () => {
	const cwd = project({
		'er.jsonc': '{ "name": "hard", "limits": { "memoryMb": 64 } }',
		'src/index.js': 'export default { fetch: () => new Response("ok") }',
		'src/a.test.js': `import { test, expect, beforeAll, SELF } from "er:test";
let ready = false;
beforeAll(() => { ready = true; });
test("before", () => expect(ready).toBe(true));
test("loop", () => { console.log("into it"); for (;;); });
test("after", async () => { expect(ready).toBe(true); expect((await SELF.fetch("/")).status).toBe(200); });
test("loop again", async () => { await null; for (;;); });
test("hog", () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); });
test("eval is off", () => { expect(() => new Function("return 1")).toThrow(); });
test("last", () => expect(ready).toBe(true));
`,
		'src/b.test.js': 'import { test } from "er:test"; test("elsewhere", () => {});',
	})
	const { code, json: result } = await json(cwd, ['--timeout', '300'])
	const state = Object.fromEntries(result.files.flatMap(f => f.tests).map(t => [t.name, t.state]))
	assert.deepEqual([code, state], [1, { before: 'passed', loop: 'failed', after: 'passed', 'loop again': 'failed', hog: 'failed', 'eval is off': 'passed', last: 'passed', elsewhere: 'passed' }])
	assert.match(named(result, 'loop').errors[0].text, /processor time \(300ms\)\. Is there an endless loop\?/)
	assert.deepEqual(named(result, 'loop').console, [{ level: 'log', text: 'into it' }])
	assert.match(named(result, 'hog').errors[0].text, /more memory than the routine may have|processor time|within the time of the test/)
})

test('tests that cannot be run have a status of their own, and say why', async () => {
	const cwd = project({ 'er.jsonc': '{}', 'index.js': 'export default { fetch: () => new Response("ok") }' })
	const none = await run(['test'], { cwd })
	assert.deepEqual([none.code, none.out], [9, ''])
	assert.match(none.err, /^error: there are no tests here: .*NAME\.test\.ts/)
	assert.equal((await json(cwd)).json.error.code, 'no-tests')

	write(cwd, { 'good.test.js': 'import { test } from "er:test"; test("good", () => {});', 'syntax.test.js': 'import { test } from "er:test";\ntest("x", () => {;\n', 'top.test.js': 'import { test } from "er:test";\ntest("x", () => {});\nundefined.x;\n' })
	const broken = await run(['test'], { cwd })
	assert.equal(broken.code, 9)
	assert.match(broken.out, /BROKEN syntax\.test\.js[\s\S]*at syntax\.test\.js:\d+:\d+/)
	assert.match(broken.out, /BROKEN top\.test\.js[\s\S]*the file does not load: TypeError[\s\S]*at top\.test\.js:3:/)
	assert.match(broken.out, /1 passed in 3 files, 2 could not be run/)
	assert.equal((await run(['test', 'good'], { cwd })).code, 0)
	assert.equal((await run(['test', 'nothing-like-it'], { cwd })).code, 9)
	assert.equal((await run(['test', 'good', '-t', 'bad'], { cwd })).code, 9)
	assert.equal((await run(['test', '--timeout', 'x'], { cwd })).code, 2)
	assert.equal((await run(['test', '--reporter', 'spec'], { cwd })).code, 2)
	assert.equal((await run(['test', '-t', '('], { cwd })).code, 2)
	write(cwd, { 'er.jsonc': '{ "name": 1 }' })
	const wrong = await run(['test'], { cwd })
	assert.equal(wrong.code, 9)
	assert.match(wrong.err, /er\.jsonc:1:\d+/)
})

test('TAP and JUnit say the same as the report for a person', async () => {
	const cwd = project({ 'er.jsonc': '{}', 'index.js': 'export default { fetch: () => new Response("ok") }', 'a.test.js': 'import { test, expect } from "er:test";\ntest("good", () => {});\ntest("bad <&>", () => { expect("a").toBe("b"); });\ntest.skip("left", () => {});\n' })
	const tap = await run(['test', '--reporter', 'tap'], { cwd })
	assert.equal(tap.code, 1)
	assert.match(tap.out, /^TAP version 14\n1\.\.3\nok 1 - a\.test\.js > good\n {2}---\n[\s\S]*not ok 2 - a\.test\.js > bad <&>\n[\s\S]*message: \|-\n {4}expected "a" to be "b"\n[\s\S]*ok 3 - a\.test\.js > left \\?# SKIP\n/)
	const both = await run(['test', '--reporter', 'junit=report.xml'], { cwd })
	assert.match(both.out, /^FAILED a\.test\.js/)
	const xml = fs.readFileSync(path.join(cwd, 'report.xml'), 'utf8')
	assert.match(xml, /<testsuites tests="3" failures="1" errors="0" skipped="1"/)
	assert.match(xml, /<testcase name="bad &lt;&amp;&gt;" classname="a\.test\.js" time="[\d.]+" file="a\.test\.js" line="3">\n +<failure message="expected &quot;a&quot; to be &quot;b&quot;"/)
})

test('with --watch a save runs what it touches again, and Ctrl-C leaves nothing behind', async () => {
	const cwd = project({ 'er.jsonc': '{ "vars": { "A": "1" } }', 'src/index.js': 'export default { fetch: () => new Response("ok") }', 'src/part.js': 'export const n = 1;', 'src/a.test.js': 'import { test, expect } from "er:test"; import { n } from "./part.js"; test("n", () => expect(n).toBe(2));', 'src/b.test.js': 'import { test } from "er:test"; test("b", () => {});' })
	const before = leftovers()
	const child = track(spawn(er, ['test', '--watch', '--json'], { cwd, stdio: ['ignore', 'pipe', 'pipe'] }))
	const runs = []
	let rest = ''
	child.stdout.setEncoding('utf8').on('data', d => {
		const lines = (rest + d).split('\n')
		rest = lines.pop()
		runs.push(...lines.map(line => JSON.parse(line)))
	})
	const nth = n => raw.until(() => runs[n], { timeout: 30000, what: `run ${n}; there was ${JSON.stringify(runs)}` })
	assert.deepEqual([(await nth(0)).passed, runs[0].failed], [1, 1])
	write(cwd, { 'src/part.js': 'export const n = 2;' })
	assert.deepEqual([(await nth(1)).passed, runs[1].files.map(f => f.path)], [1, ['src/a.test.js']])
	write(cwd, { 'src/c.test.js': 'import { test, env, expect } from "er:test"; test("c", () => expect(env.A).toBe("2"));' })
	assert.deepEqual([(await nth(2)).failed, runs[2].files.map(f => f.path)], [1, ['src/c.test.js']])
	write(cwd, { 'er.jsonc': '{ "vars": { "A": "2" } }' })
	assert.deepEqual([(await nth(3)).passed, runs[3].failed], [3, 0], JSON.stringify(runs[3].files.map(f => f.errors)))
	child.kill('SIGINT')
	assert.equal(await new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal))), 130)
	assert.deepEqual(leftovers(), before)
})

test('the examples of docs/testing.md pass, and print what stands below them', async () => {
	const doc = fs.readFileSync(path.join(root, 'docs/testing.md'), 'utf8')
	const files = Object.fromEntries([...doc.matchAll(/^```js file (\S+)\n([\s\S]*?)^```$/gm)].map(([, name, text]) => [name, text]))
	assert.equal(Object.keys(files).length, 4)
	const cwd = project({ 'er.jsonc': '{ "vars": { "SHOP": "Corner" }, "kv": ["orders"] }', ...files })
	const [, command, expected] = /^```console\n\$ er (.*)\n([\s\S]*?)^```$/m.exec(doc)
	const line = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/… ms/g, '[\\d.]+ m?s')
	const { out } = await run([...command.split(' '), 'price'], { cwd })
	assert.match(out, new RegExp(`^${line(expected)}$`))
	const all = await json(cwd)
	assert.deepEqual([all.code, all.json.passed], [0, 5])
	const expectations = /^## Expectations\n([\s\S]*?)\.not/m.exec(doc)[1].match(/`to\w+`/g).map(name => name.slice(1, -1))
	const { matchers } = await import('../../tools/test/sandbox/expect.js')
	assert.deepEqual(expectations.sort(), Object.keys(matchers).filter(name => name !== 'toThrowError').sort())
})
