// What an author sees of errors, wherever they come out: frames of the sources, causes, what was
// thrown as what it is, and the request it belongs to.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { project, startDev } from './lib/desk.mjs'
import { startNode } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'

const files = {
	'er.jsonc': '{ "name": "stacks", "main": "src/index.ts" }',
	'src/fail.ts': `type T = { a: number };
export function inner(t: T): never {
	throw new TypeError("inner " + t.a);
}
export function outer(): never {
	try { inner({ a: 1 }); } catch (e) { throw new Error("outer", { cause: e }); }
}
`,
	'src/index.ts': `import { inner, outer } from "./fail";
const caught = (f: () => void): any => { try { f(); } catch (e) { return e; } };
const ways: Record<string, (request: Request, ctx: any) => unknown> = {
	console() { console.error(caught(outer)); },
	stack() { console.log(caught(inner.bind(null, { a: 2 })).stack); },
	prefix() { console.log("see: " + caught(outer).stack); },
	json() { console.log(JSON.stringify({ s: caught(outer).stack })); },
	trace() { console.trace("here"); },
	cyclic() { const a: any = new Error("a"); a.cause = a; console.log(a); throw new Error("b", { cause: a }); },
	aggregate() { const e = new AggregateError([caught(outer), "two"], "many"); console.log(e); throw e; },
	object() { throw { code: 7, why: "because" }; },
	string() { throw "x y"; },
	nothing() { throw null; },
	missing() { throw undefined; },
	empty() { throw new Error(); },
	hostile() { throw { get message() { throw 1; }, get stack() { throw 2; } }; },
	response() { throw new Response("no", { status: 418 }); },
	promise() { return Promise.reject(new Response("no", { status: 404 })); },
	late(request, ctx) { ctx.waitUntil(new Promise((r) => setTimeout(r, 30)).then(() => { console.log("late line"); throw new Error("late"); })); },
	abort(request) { request.signal.addEventListener("abort", () => console.log("abort line")); return new Promise((r) => setTimeout(r, 5000)); },
};
export default {
	async fetch(request: Request, env: unknown, ctx: any) {
		await ways[new URL(request.url).pathname.slice(1)](request, ctx);
		return new Response("ok");
	},
};
`,
}

const requestOf = e => `${e.method} ${e.path}`

test('errors in the console and uncaught ones have frames of the sources, with everything that caused them', { timeout: 60000 }, async () => {
	const dev = await startDev([], { cwd: project(files) })
	const console_ = async way => {
		await dev.get(`/${way}`)
		return (await dev.event('console', e => requestOf(e) === `GET /${way}`)).text
	}
	const exception = async way => {
		assert.equal((await dev.get(`/${way}`)).status, 599)
		return dev.event('exception', e => requestOf(e) === `GET /${way}`)
	}
	const shown = await console_('console')
	assert.match(shown, /^Error: outer\n {4}at outer \(src\/fail\.ts:6:\d+\)\n {4}at caught \(src\/index\.ts:2:\d+\)\n/)
	assert.match(shown, /\[cause\]: TypeError: inner 1\n {6}at inner \(src\/fail\.ts:3:\d+\)\n/)
	assert.match(await console_('stack'), /^ {4}at inner \(src\/fail\.ts:3:\d+\)\n/)
	assert.match(await console_('prefix'), /^see: outer \(src\/fail\.ts:6:\d+\)\n {4}at caught \(src\/index\.ts:2:\d+\)\n/)
	assert.match(JSON.parse(await console_('json')).s, /^outer \(src\/fail\.ts:6:\d+\)\ncaught \(src\/index\.ts:2:\d+\)\n/)
	assert.match(await console_('trace'), /^Trace: here\n {4}at trace \(src\/index\.ts:8:\d+\)\n/)
	for (const way of ['console', 'stack', 'prefix', 'trace']) assert.doesNotMatch(await console_(way), /routine\.js|er:prelude/)

	const cyclic = await exception('cyclic')
	assert.equal(cyclic.text, 'Error: b')
	assert.match(cyclic.stack, /\n {2}caused by Error: a\n {4}at cyclic \(src\/index\.ts:9:\d+\)\n[^]* {2}caused by \[circular: Error: a\]\n$/)
	const many = await exception('aggregate')
	assert.equal(many.text, 'AggregateError: many')
	assert.match(many.stack, /\n {2}error 1 of 2: Error: outer\n {4}at outer \(src\/fail\.ts:6:\d+\)\n[^]* {2}caused by TypeError: inner 1\n[^]* {2}error 2 of 2: 'two'\n$/)
	assert.match((await dev.event('console', e => requestOf(e) === 'GET /aggregate')).text, /\[errors\]: \[\n {4}Error: outer\n {8}at outer \(src\/fail\.ts:6:\d+\)/)
	await dev.stop()
})

test('what was thrown is shown as what it is', { timeout: 60000 }, async () => {
	const dev = await startDev([], { cwd: project(files) })
	const expected = {
		object: /^Thrown: \{ code: 7, why: 'because' \}$/,
		string: /^Thrown: 'x y'$/,
		nothing: /^Thrown: null$/,
		missing: /^Thrown: undefined$/,
		empty: /^Error$/,
		hostile: /^Thrown: \{.*\[Getter\]/s,
		response: /^Thrown: a Response with status 418: /,
		promise: /^Thrown: a Response with status 404: /,
	}
	for (const [way, text] of Object.entries(expected)) {
		assert.equal((await dev.get(`/${way}`)).status, 599, way)
		assert.match((await dev.event('exception', e => requestOf(e) === `GET /${way}`)).text, text)
	}
	await dev.stop()
})

test('lines printed in waitUntil and in abort listeners, and what is thrown there, name their request', { timeout: 60000 }, async () => {
	const dev = await startDev([], { cwd: project(files) })
	assert.equal((await dev.get('/late')).status, 200)
	assert.equal(requestOf(await dev.event('console', e => e.text === 'late line')), 'GET /late')
	assert.equal(requestOf(await dev.event('exception', e => e.text === 'Error: late')), 'GET /late')
	await assert.rejects(dev.get('/abort', { timeout: 300 }))
	assert.equal(requestOf(await dev.event('console', e => e.text === 'abort line')), 'GET /abort')
	await dev.stop()
})

test("the node's log has the request's id on lines that come after the answer", { timeout: 60000 }, async () => {
	const source = 'addEventListener("fetch", e => { e.waitUntil(new Promise(r => setTimeout(r, 30)).then(() => console.log("late line"))); e.respondWith(new Response("ok")) })'
	const node = await startNode({ routines: { late: source } })
	await node.get('late')
	await node.get('late')
	await raw.until(() => node.err.filter(l => /late line/.test(l)).length === 2, { what: 'both lines' })
	const ids = node.err.filter(l => /late line/.test(l)).map(l => /late ([0-9a-f]{16}) log: late line/.exec(l)?.[1])
	assert.equal(new Set(ids).size, 2)
	assert.ok(!ids.includes('0'.repeat(16)), ids.join())
	await node.stop()
})
