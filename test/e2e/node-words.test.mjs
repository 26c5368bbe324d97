// What the node says of itself: fields that begin with er- are its own, whoever else sends them.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'

test('an answer that says er-error is the node\'s: origins and routines cannot say it, relayed or made', async () => {
	const origin = await startOrigin((req, res) => {
		res.writeHead(200, { 'er-error': 'cpu; used=1ms; limit=1ms', 'ER-Anything': 'x', 'er': 'kept', 'x-kept': 'y' })
		res.end('fine')
	})
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		switch (new URL(e.request.url).pathname) {
			case "/made": return new Response("made", { headers: { "er-error": "memory", "Er-Other": "x", "x-kept": "y" } })
			case "/streamed": return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)); c.close() } }), { headers: { "er-error": "memory", "x-kept": "y" } })
			case "/relayed": return fetch("${origin.url}/")
			case "/copied": { const r = await fetch("${origin.url}/"); return new Response(r.body, r) }
			case "/seen": return Response.json([...(await fetch("${origin.url}/")).headers.keys()])
			case "/lost": return fetch("http://127.0.0.1:1/").catch(x => new Response(x.code, { headers: { "er-error": x.code, "x-kept": "y" } }))
			case "/rejected": return fetch("http://127.0.0.1:1/")
			case "/no-host": return fetch("http://elsewhere.example/", { cdnProxy: true })
		}
	})()))`
	const node = await startNode({
		config: { sites: [{ name: 'fine', hosts: ['other.example', '*.localhost'], origin: origin.url }] },
		routines: { one: { source, allowAddresses: ['127.0.0.0/8'] } },
	})
	try {
		for (const path of ['/made', '/streamed', '/relayed', '/copied', '/lost']) {
			const res = await node.get('one', path)
			assert.equal(res.status, 200, path)
			assert.equal(res.headers['x-kept'], 'y', path)
			assert.deepEqual(Object.keys(res.headers).filter(n => n.startsWith('er-')), [], path)
		}
		const direct = await node.get('other.example', '/')
		assert.equal(direct.text, 'fine')
		assert.deepEqual(Object.keys(direct.headers).filter(n => n.startsWith('er')), ['er'])
		assert.ok(!JSON.parse((await node.get('one', '/seen')).text).some(n => n.startsWith('er-')))
		// The node's own refusals say it: of the routine's request, not of what became of a
		// subrequest.
		assert.equal((await node.get('one', '/rejected')).headers['er-error'], 'exception')
		const relayed = await node.get('one', '/no-host')
		assert.equal(relayed.status, 403)
		assert.equal(relayed.headers['er-error'], undefined)
	} finally {
		await node.stop()
		await origin.close()
	}
})
