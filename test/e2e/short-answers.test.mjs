// Answers of subrequests that are short come into the sandbox with their head. Whatever a routine
// does with them, and whenever, is as with every other answer: read, relayed, copied, left alone.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'

const LENGTHS = [0, 1, 8191, 8192, 8193]
const listen = `addEventListener("fetch", event => event.respondWith((async () => {
	const url = new URL(event.request.url), n = url.searchParams.get("n"), way = url.pathname.slice(1)
	const tick = () => new Promise(f => setTimeout(f, 1))
	const r = await fetch(ORIGIN + "/" + n)
	if (way === "text") return new Response(await r.text())
	if (way === "bytes") return new Response(await r.bytes())
	if (way === "json") return Response.json((await fetch(ORIGIN + "/json").then(r => r.json())).n + +n)
	if (way === "late") { await tick(); return new Response(await r.text()) }
	if (way === "late-relay") { await tick(); return r }
	if (way === "relay") return r
	if (way === "new-head") return new Response(r.body, { headers: { "x-n": n } })
	if (way === "piece") { const reader = r.body.getReader(); let all = ""; for (;;) { const { done, value } = await reader.read(); if (done) return new Response(all); all += new TextDecoder().decode(value) } }
	if (way === "copies") { const c = r.clone(); return new Response(await c.text() === await r.text() ? "x".repeat(n) : "differ") }
	if (way === "copy-relayed") { const c = r.clone(); await c.text(); return r }
	if (way === "twice") { await r.text(); return new Response(await r.text().catch(e => "x".repeat(e instanceof TypeError ? n : n + 1))) }
	if (way === "unread") return new Response("x".repeat(n))
	if (way === "cancelled") { await r.body?.cancel(); return new Response("x".repeat(n)) }
	if (way === "sent-on") return fetch(ORIGIN + "/echo", { method: "POST", body: r.body })
	if (way === "many") { const all = await Promise.all(Array.from({ length: 20 }, () => fetch(ORIGIN + "/" + n).then(r => r.text()))); return new Response(all.every(t => t === all[0]) ? all[0] : "differ") }
})().catch(e => new Response(String(e), { status: 500 }))))`

let origin, node
before(async () => {
	origin = await startOrigin((req, res) => {
		if (req.url === '/echo') return req.pipe(res)
		if (req.url === '/json') return res.end('\ufeff{"n":1}')
		const n = Number(req.url.slice(1))
		res.writeHead(200, { 'content-length': n }).end('x'.repeat(n))
	})
	node = await startNode({ routines: { short: { source: `const ORIGIN = ${JSON.stringify(origin.url)}; ${listen}`, allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 1000, subrequests: 100 } } } })
})
after(async () => {
	await node?.stop()
	await origin?.close()
})

for (const way of ['text', 'bytes', 'late', 'late-relay', 'relay', 'new-head', 'piece', 'copies', 'copy-relayed', 'twice', 'unread', 'cancelled', 'sent-on', 'many'])
	test(`every length around the bound comes whole: ${way}`, async () => {
		for (const n of LENGTHS) {
			const res = await node.get('short', `/${way}?n=${n}`)
			assert.deepEqual([res.status, res.text.length, res.text.replaceAll('x', '')], [200, n, ''], `${n}: ${res.text.slice(0, 100)}`)
		}
	})
test('JSON with a byte order mark is read', async () => assert.equal((await node.get('short', '/json?n=2')).text, '3'))
test('nothing of it stays behind', async () => {
	const res = await Promise.all(Array.from({ length: 40 }, (_, i) => node.get('short', `/${['text', 'late', 'relay', 'unread', 'copies'][i % 5]}?n=8192`)))
	assert.ok(res.every(r => r.text.length === 8192))
	assert.equal(await node.metric('er_kills_total'), 0)
})
