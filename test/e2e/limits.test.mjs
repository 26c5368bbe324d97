// Every limit of a routine: the status and header a client sees, the log line, the counter; that it
// can be set per routine, within the node's maximum.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { startNode, sanitized } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const spin = 'function spin(n) { let x = 0; for (let i = 0; i < n * 1e5; i++) x = (x * 31 + i) | 0; return x }\n'
const big = 'x'.repeat(1024)
let node, origin

before(async () => {
	origin = await startOrigin((req, res) => {
		const hop = Number(/^\/hop(\d+)/.exec(req.url)?.[1] ?? 0)
		if (hop > 0) res.writeHead(302, { location: `/hop${hop - 1}` })
		res.end('ok')
	})
	const loopback = { allowAddresses: ['127.0.0.0/8'] }
	node = await startNode({
		cpuMs: 0,
		config: { threads: 1, routineLimits: { cpuMs: 2000 } },
		routines: {
			quiet: 'addEventListener("fetch", e => e.respondWith(new Response("ok")))',
			cpu: 'addEventListener("fetch", e => { for (;;); })',
			cpu200: { source: 'addEventListener("fetch", e => { for (;;); })', limits: { cpuMs: 200 } },
			// Many short turns: each far below the limit, their sum above it.
			turns: spin + 'addEventListener("fetch", e => e.respondWith((async () => { for (let i = 0; i < 400; i++) { spin(5); await new Promise(f => setTimeout(f, 1)) } return new Response("done") })()))',
			load: spin + 'for (;;);',
			load200: { source: 'for (;;);', limits: { loadCpuMs: 200 } },
			late: { source: 'addEventListener("fetch", e => e.respondWith(new Promise(r => setTimeout(r, 1e8))))', limits: { responseMs: 400 } },
			cut: { source: 'addEventListener("fetch", e => e.respondWith(new Response(new ReadableStream({ n: 0, async pull(c) { await new Promise(f => setTimeout(f, this.n++ < 3 ? 20 : 1e6)); c.enqueue(new Uint8Array(10)) } }))))', limits: { responseMs: 500 } },
			memory: 'addEventListener("fetch", e => { const a = []; for (;;) a.push(new Array(1e4).fill(a.length)) })',
			memory32: { source: 'addEventListener("fetch", e => e.respondWith(e.request.text().then(n => { const b = new Uint8Array(n * 1048576).fill(1); return new Response(String(b.length)) })))', limits: { memoryMb: 32, cpuMs: 1000 } },
			subs: { source: `addEventListener("fetch", e => e.respondWith((async () => { let ok = 0; for (let i = 0; i < 10; i++) try { await (await fetch("${origin.url}/")).text(); ok++ } catch (x) { return new Response(ok + " " + x.message) } return new Response("all") })()))`, limits: { subrequests: 4, cpuMs: 1000 }, ...loopback },
			hops: { source: `addEventListener("fetch", e => e.respondWith((async () => { const out = []; for (const n of [2, 0, 0]) try { out.push((await fetch("${origin.url}/hop" + n, { redirect: "follow" })).status) } catch (x) { out.push("refused") } return new Response(out.join()) })()))`, limits: { subrequests: 4, cpuMs: 1000 }, ...loopback },
			timers: { source: 'addEventListener("fetch", e => e.respondWith((async () => { let n = 0; try { for (;;) { setTimeout(() => {}, 100); n++ } } catch (x) { return new Response(n + " " + x.name) } })()))', limits: { cpuMs: 500 } },
			fallback: { source: 'addEventListener("fetch", e => { throw new Error("no") })', fallback: true },
			pass: 'addEventListener("fetch", e => { e.passThroughOnException(); throw new Error("no") })',
		},
	})
})

after(async () => {
	await origin?.close()
	await node?.stop()
})

const get = (name, path = '/', o) => node.get(name, path, o)
const kills = limit => node.metric('er_kills_total', { limit })
const failed = (res, status, error) => {
	assert.equal(res.status, status, res.text)
	assert.match(res.headers['er-error'] ?? '', error)
}

test('CPU: 599, used and limit in the header, a log line, a counter, and the routine answers again', async () => {
	const before = await kills('cpu')
	const res = await get('cpu')
	failed(res, 599, /^cpu; used=\d+ms; limit=50ms; budget=request$/)
	const used = Number(/used=(\d+)/.exec(res.headers['er-error'])[1])
	assert.ok(used >= 50 && (sanitized || used < 500), `${used} ms`)
	await node.logged(/cpu.*cpu|routine: cpu .*limit: cpu/)
	await raw.until(async () => (await kills('cpu')) > before)
	assert.equal((await get('quiet')).status, 200)
})

test('CPU can be set per routine', async () => {
	failed(await get('cpu200'), 599, /^cpu; used=[2-9]\d\dms; limit=200ms; budget=request$/)
})

test('CPU is summed over all turns of a request', async () => {
	failed(await get('turns', '/', { timeout: 30000 }), 599, /^cpu; used=\d+ms; limit=50ms; budget=request$/)
})

test('top-level code has a CPU limit of its own', async () => {
	failed(await get('load'), 599, /^cpu; used=[4-9]\d\dms; limit=400ms; budget=top-level$/)
	failed(await get('load200'), 599, /^cpu; used=[2-9]\d\dms; limit=200ms; budget=top-level$/)
	await node.logged(/load 0+ limit: cpu; used=\d+us; limit=400000us; budget=top-level/)
})

test('response time: 504 before an answer began, a cut body after', async () => {
	const t0 = Date.now()
	failed(await get('late'), 504, /^timeout; used=\d+ms; limit=400ms$/)
	assert.ok(Date.now() - t0 < 3000)
	await assert.rejects(get('cut'), /ended while waiting/)
	await raw.until(async () => (await kills('timeout')) >= 2)
})

test('memory: 599, and the sandbox is replaced', async () => {
	const before = await kills('memory')
	const res = await get('memory')
	assert.equal(res.status, 599)
	assert.match(res.headers['er-error'], /^(memory; .*limit=128MB|cpu; )/)
	assert.equal((await get('quiet')).status, 200)
	if (/^memory/.test(res.headers['er-error'])) await raw.until(async () => (await kills('memory')) > before)
})

test('memory can be set per routine: what fits is answered, what does not is refused', async () => {
	const ask = n => get('memory32', '/', { method: 'POST', body: String(n) })
	assert.equal((await ask(8)).text, String(8 * 1048576))
	failed(await ask(60), 599, /^(memory|exception)/)
	await raw.until(async () => (await ask(4)).status === 200, { what: 'its return' })
})

test('subrequests, redirect hops among them, are counted by the node', async () => {
	assert.match((await get('subs')).text, /^4 .*subrequest/i)
	// Two hops and their start are three; the fourth is the last.
	assert.equal((await get('hops')).text, '200,200,refused')
})

test('live timers are bounded', async () => {
	const res = await get('timers')
	assert.match(res.text, /^1000 \w+/)
})

test('a routine that fails can leave the request to the standard process', async () => {
	for (const name of ['fallback', 'pass']) {
		const res = await get(name)
		failed(res, 404, /^no-route/)
	}
})

test('code of a megabyte is refused with its size and the limit', async () => {
	await assert.rejects(
		startNode({ routines: { huge: `/*${big.repeat(1024)}*/` } }),
		e => /huge/.test(e.message) && /1 MB|1048576|1,048,576/.test(e.message),
	)
})

test('a routine that asks for nothing gets what the node allows, also where that is less than the default', async () => {
	const lean = await startNode({ cpuMs: 0, config: { routineLimits: { loadCpuMs: 100, cpuMs: 20 } }, routines: { load: 'for (;;);', cpu: 'addEventListener("fetch", e => { for (;;); })' } })
	try {
		failed(await lean.get('load'), 599, /^cpu; used=[1-9]\d\dms; limit=100ms; budget=top-level$/)
		failed(await lean.get('cpu'), 599, /^cpu; used=\d+ms; limit=20ms; budget=request$/)
	} finally {
		await lean.stop()
	}
})

test('a limit above the node\'s maximum is refused when the node starts', async () => {
	await assert.rejects(startNode({ routines: { r: { source: '1', limits: { memoryMb: 100000 } } } }), /memoryMb/)
})
