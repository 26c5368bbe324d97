// structuredClone and postMessage with transfer, where the engine really moves buffers.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'

let node
before(async () => {
	const routines = {
		views: `addEventListener("fetch", e => {
			const b = new ArrayBuffer(16, { maxByteLength: 32 })
			const views = [new Uint8Array(b), new Uint8Array(b, 4), new Uint8Array(b, 4, 12), new Uint32Array(b), new DataView(b), new DataView(b, 0, 16)]
			views[0].fill(7)
			const c = structuredClone(views, { transfer: [b] })
			c[0].buffer.resize(32)
			e.respondWith(Response.json([c.map(v => v.byteLength), c[0][15], b.byteLength, views[0].length])) })`,
		port: `addEventListener("fetch", e => e.respondWith((async () => {
			const { port1, port2 } = new MessageChannel(), b = new ArrayBuffer(8)
			const got = await new Promise(resolve => { port2.onmessage = resolve; port1.postMessage({ b }, [b]) })
			return Response.json([got.data.b.byteLength, b.byteLength, got.isTrusted]) })()))`,
		body: `addEventListener("fetch", e => e.respondWith((async () => {
			const { body } = e.request, moved = structuredClone(body, { transfer: [body] })
			return new Response(moved.pipeThrough(new TransformStream()), { headers: { "x-locked": String(body.locked) } }) })()))`,
		// a message a turn, for ever
		loop: `addEventListener("fetch", e => { const { port1, port2 } = new MessageChannel(); let n = 0
			port2.onmessage = () => { for (let i = 0; i < 1000; i++) n += i; port1.postMessage(n) }; port1.postMessage(0)
			e.respondWith(new Promise(() => {})) })`,
	}
	node = await startNode({ routines })
})
after(() => node.stop())

test('a buffer that is transferred is gone here, and views that follow it follow it there', async () => {
	assert.deepEqual(JSON.parse((await node.get('views')).text), [[32, 28, 12, 32, 32, 16], 7, 0, 0])
	assert.deepEqual(JSON.parse((await node.get('port')).text), [8, 0, true])
})

test('the body of a request can be transferred', async () => {
	const body = 'x'.repeat(200000)
	const res = await node.get('body', '/', { method: 'POST', body })
	assert.equal(res.headers['x-locked'], 'true')
	assert.equal(res.text, body)
})

test('a request that posts messages for ever is ended by its CPU limit', async () => {
	const res = await node.get('loop')
	assert.equal(res.status, 599)
	assert.match(res.headers['er-error'], /^cpu/)
	assert.equal((await node.get('port')).status, 200)
})
