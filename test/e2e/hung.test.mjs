// A handler that waits for what can never come is told so at once. What can still come is waited
// for, whoever brings it.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { project, startDev } from './lib/desk.mjs'
import { startNode } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const source = `
let shared, resolve;
const never = () => new Promise(() => {});
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const ways = {
	never,
	async fetched(url) { await fetch(url.searchParams.get('origin')); return never(); },
	async read(url) { await (await fetch(url.searchParams.get('origin'))).text(); return never(); },
	async timer() { await sleep(5); return never(); },
	async uploaded(url, request) { await request.text(); return never(); },
	aborts(url, request) { return new Promise((r) => request.signal.addEventListener('abort', r)); },
	pass(url, request, ctx) { ctx.passThroughOnException(); return never(); },
	background(url, request, ctx) { ctx.waitUntil(never()); return 'answered'; },

	async slow(url) { return 'slow ' + await (await fetch(url.searchParams.get('origin') + '/slow')).text(); },
	async upload(url, request) { return 'read ' + (await request.text()).length; },
	async later() { await sleep(300); return 'later'; },
	async first() { shared = new Promise((r) => (resolve = r)); await sleep(400); resolve('both'); return shared; },
	second() { return shared; },
	async fetches(url) { shared = fetch(url.searchParams.get('origin') + '/slow').then((r) => r.text()); return shared; },
	message() { const { port1, port2 } = new MessageChannel(); return new Promise((r) => { port2.onmessage = (e) => r('got ' + e.data); port1.postMessage(7); }); },
	async compiled() { return 'wasm ' + (await WebAssembly.instantiate(wasm)).instance; },
	stream() {
		const { readable, writable } = new TransformStream();
		(async () => { const w = writable.getWriter(); for (let i = 0; i < 40; i++) await w.write(new Uint8Array(10000)); await w.close(); })();
		return new Response(readable);
	},
	async relayed(url) { const { readable, writable } = new TransformStream(); const r = await fetch(url.searchParams.get('origin') + '/large'); r.body.pipeTo(writable); return new Response(readable); },
	async copies(url) { const r = await fetch(url.searchParams.get('origin') + '/slow'), copy = r.clone(); return await r.text() + await copy.text(); },
	async sends(url) { const body = new ReadableStream({ async pull(c) { await sleep(100); c.enqueue(new TextEncoder().encode('x')); c.close(); } }); return (await fetch(url.searchParams.get('origin') + '/echo', { method: 'POST', body, duplex: 'half' })).text(); },
	timeout() { return new Promise((r) => AbortSignal.timeout(200).addEventListener('abort', () => r('timed out'))); },
};
globalThis.__er_module = { default: {
	async fetch(request, env, ctx) {
		const url = new URL(request.url);
		const answer = await ways[url.pathname.slice(1)](url, request, ctx);
		return answer instanceof Response ? answer : new Response(answer);
	},
} };
`

const origin = () => startOrigin((req, res) => {
	if (req.url === '/slow') setTimeout(() => res.end('text'), 300)
	else if (req.url === '/large') res.end('y'.repeat(500000))
	else if (req.url === '/echo') req.pipe(res)
	else res.end('from the origin')
})
const config = o => ({ routines: { ways: { source, allowAddresses: ['127.0.0.0/8'] } }, config: { origin: o.url } })

test('a handler that can never answer is told so at once, whatever it did before', { timeout: 60000 }, async () => {
	const o = await origin()
	const node = await startNode(config(o))
	for (const way of ['never', 'fetched', 'read', 'timer', 'aborts']) {
		const res = await node.get('ways', `/${way}?origin=${o.url}`, { timeout: 20000 })
		assert.equal(res.status, 599, way)
		assert.equal(res.headers['er-error'], 'hung', way)
		assert.match(res.text, /can never answer: it waits for a promise that nothing under way can settle/)
	}
	const uploaded = await node.get('ways', '/uploaded', { method: 'POST', body: 'z'.repeat(100000), timeout: 20000 })
	assert.equal(uploaded.headers['er-error'], 'hung')
	await node.logged(/The handler can never answer/)
	const passed = await node.get('ways', '/pass', { timeout: 20000 })
	assert.equal(passed.text, 'from the origin')
	// what is left to waitUntil is given up, and the request is over
	assert.equal((await node.get('ways', '/background')).text, 'answered')
	await node.logged(/A promise given to waitUntil can never settle/)
	await raw.until(() => node.access.length === 8, { what: 'a record of every request' })
	await node.stop()
	await o.close()
})

test('what a timer, a fetch, a read, a stream or another request brings is waited for', { timeout: 60000 }, async () => {
	const o = await origin()
	const node = await startNode(config(o))
	const get = (way, options) => node.get('ways', `/${way}?origin=${o.url}`, { timeout: 20000, ...options })
	const expected = { slow: 'slow text', later: 'later', message: 'got 7', compiled: 'wasm [object WebAssembly.Instance]', copies: 'texttext', sends: 'x', timeout: 'timed out' }
	for (const [way, text] of Object.entries(expected)) assert.equal((await get(way)).text, text, way)
	assert.equal((await get('stream')).body.length, 400000)
	assert.equal((await get('relayed')).body.length, 500000)
	// a promise of another request: of its timer, and of its fetch
	for (const [one, text] of [['first', 'both'], ['fetches', 'text']]) {
		const first = get(one)
		await raw.sleep(100)
		assert.equal((await get('second')).text, text)
		assert.equal((await first).text, text)
	}
	// an upload that comes slowly
	const c = await node.connect()
	c.send('POST /upload HTTP/1.1\r\nHost: ways.localhost\r\nContent-Length: 20000\r\n\r\n')
	c.send('a'.repeat(9000))
	await raw.sleep(300)
	c.send('b'.repeat(11000))
	assert.equal((await c.response()).text, 'read 20000')
	c.close()
	await node.stop()
	await o.close()
})

test('at the desk the answer of a request that failed shows where in the sources', { timeout: 60000 }, async () => {
	const dev = await startDev([], { cwd: project({
		'er.jsonc': '{ "name": "shows", "main": "src/index.ts" }',
		'src/index.ts': 'function inner(): never {\n\tthrow new TypeError("inner");\n}\nexport default { fetch(request: Request) { if (new URL(request.url).pathname === "/never") return new Promise(() => {}); try { inner(); } catch (cause) { throw new Error("outer", { cause }); } } };\n',
	}) })
	const res = await dev.get('/')
	assert.equal(res.status, 599)
	assert.match(res.text, /^The routine threw: Error: outer\n {4}at fetch \(src\/index\.ts:4:\d+\)\n {2}caused by TypeError: inner\n {4}at inner \(src\/index\.ts:2:\d+\)\n/)
	assert.equal((await dev.event('request', e => e.path === '/')).text, 'The routine threw: Error: outer')
	assert.match((await dev.get('/never')).text, /can never answer/)
	assert.match((await dev.event('exception', e => e.path === '/never')).text, /^Error: The handler can never answer/)
	await dev.stop()
})
