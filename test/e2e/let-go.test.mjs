// What an instance holds no longer once its requests are over, or the garbage collector has come:
// each routine here leaves some megabytes behind with every request, many times its memory in all.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import zlib from 'node:zlib'
import { startNode } from './lib/node.mjs'

const REQUESTS = 40
let node
before(async () => {
	const limits = { memoryMb: 128, cpuMs: 20000 }
	const routine = source => ({ source: `const big = () => new Uint8Array(8 << 20).fill(1)\n${source}`, limits })
	const coded = zlib.brotliCompressSync(Buffer.alloc(16 << 20), { params: { [zlib.constants.BROTLI_PARAM_LGWIN]: 24, [zlib.constants.BROTLI_PARAM_QUALITY]: 9 } })
	node = await startNode({
		config: { threads: 1, routineLimits: { cpuMs: 20000 } },
		routines: {
			signals: routine(`const top = new AbortController()
				addEventListener("fetch", e => { const s = AbortSignal.any([top.signal]), r = new Request("http://o.example/", { signal: top.signal }); s.big = big(); r.signal.big = big(); e.respondWith(new Response("ok")) })`),
			fetches: routine(`const top = new AbortController()
				addEventListener("fetch", e => e.respondWith((async () => { e.request.signal.big = big(); fetch("http://192.0.2.1/", { signal: top.signal }).catch(() => {}); return new Response("ok") })()))`),
			rejections: routine(`addEventListener("rejectionhandled", () => {}); addEventListener("unhandledrejection", e => e.preventDefault())
				addEventListener("fetch", e => e.respondWith((async () => { Promise.reject(big()); await new Promise(f => setTimeout(f, 1)); return new Response("ok") })()))`),
			coders: routine(`const coded = Uint8Array.from(atob("${coded.toString('base64')}"), c => c.charCodeAt(0))
				addEventListener("fetch", e => e.respondWith((async () => { for (let i = 0; i < ${REQUESTS}; i++) { const d = new DecompressionStream("brotli"), w = d.writable.getWriter(); w.write(coded).catch(() => {}); await d.readable.getReader().read() } return new Response("ok") })()))`),
		},
	})
})
after(() => node.stop())

for (const [name, what] of Object.entries({ signals: 'signals that follow one of top level', fetches: 'fetches that follow a signal of top level', rejections: 'rejections that nobody handled', coders: 'decoders that were not read to their end' }))
	test(`an instance does not fill up with ${what}`, async () => {
		for (let i = 0; i < (name === 'coders' ? 3 : REQUESTS); i++) {
			const res = await node.get(name)
			assert.deepEqual([res.status, res.text, res.headers['er-error']], [200, 'ok', undefined], `request ${i}`)
		}
	})

test('a signal that is heard stays until then, also if nobody else has it', async () => {
	const listens = await startNode({ routines: { top: `const top = new AbortController(); let heard = 0, kept
		addEventListener("fetch", e => { const { pathname } = new URL(e.request.url)
			if (pathname === "/listen") AbortSignal.any([top.signal]).onabort = () => heard++
			if (pathname === "/fill") for (let i = 0; i < 200; i++) kept = new Array(1e4).fill(i)
			if (pathname === "/abort") top.abort()
			e.respondWith(new Response(String(heard))) })` } })
	try {
		for (let i = 0; i < 40; i++) await listens.get('top', '/listen')
		for (let i = 0; i < 20; i++) await listens.get('top', '/fill')
		assert.equal((await listens.get('top', '/abort')).text, '40')
	} finally {
		await listens.stop()
	}
})
