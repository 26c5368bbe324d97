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
		kinds: `addEventListener("fetch", e => {
			const disguised = [new Date(5), new Map([[1, 2]]), new Set([3]), /x/g, new Error("e"), Object(1), Object("s"), new Uint8Array(2), new ArrayBuffer(3)]
			const tag = v => v instanceof Date ? "Date" + +v : v instanceof Map ? "Map" + [...v] : v instanceof Set ? "Set" + [...v] : v instanceof RegExp ? String(v) : Object.prototype.toString.call(v) + (v.byteLength ?? v.message ?? v)
			e.respondWith(Response.json(disguised.map(v => tag(structuredClone(Object.setPrototypeOf(v, Object.prototype)))).concat([new WeakMap(), new WeakRef({}), Object(Symbol())].map(v => {
				try { return tag(structuredClone(Object.setPrototypeOf(v, Object.prototype))) } catch (e) { return e.name } })))) })`,
		properties: `addEventListener("fetch", e => {
			const seen = []
			Object.defineProperty(Object.prototype, "trap", { set(v) { seen.push(v) }, configurable: true })
			Object.defineProperty(Array.prototype, "1", { set(v) { seen.push(v) }, configurable: true })
			const list = ["a", "b", , "d"]; list.extra = [1]
			const hidden = [1, 2]; Object.defineProperty(hidden, "0", { enumerable: false }); hidden.more = 3
			const taken = { get a() { delete this.b; return 1 }, b: 2, c: 3 }
			const c = structuredClone({ trap: 1, ["__proto__"]: { p: 1 }, list, hidden, taken, big: new Array(4e9), none: Object.create(null, { x: { value: 1, enumerable: true } }) })
			delete Object.prototype.trap; delete Array.prototype[1]
			e.respondWith(Response.json([seen, Object.keys(c), Object.getPrototypeOf(c) === Object.prototype, c["__proto__"], Object.keys(c.list), c.list.length, c.list.extra, Object.keys(c.hidden), c.taken, c.big.length, c.none])) })`,
		// a message a turn, for ever
		loop: `addEventListener("fetch", e => { const { port1, port2 } = new MessageChannel(); let n = 0
			port2.onmessage = () => { for (let i = 0; i < 1000; i++) n += i; port1.postMessage(n) }; port1.postMessage(0)
			e.respondWith(new Promise(r => setTimeout(r, 1e8))) })`,
	}
	node = await startNode({ routines })
})
after(() => node.stop())

test('a buffer that is transferred is gone here, and views that follow it follow it there', async () => {
	assert.deepEqual(JSON.parse((await node.get('views')).text), [[32, 28, 12, 32, 32, 16], 7, 0, 0])
	assert.deepEqual(JSON.parse((await node.get('port')).text), [8, 0, true])
})

test('a clone is of the kind of its original, whatever prototype that has, and what has no clone has none', async () => {
	const kinds = ['Date5', 'Map1,2', 'Set3', '/x/g', '[object Error]e', '[object Number]1', '[object String]s', '[object Uint8Array]2', '[object ArrayBuffer]3']
	assert.deepEqual(JSON.parse((await node.get('kinds')).text), [...kinds, ...Array(3).fill('DataCloneError')])
})

test('a clone has the properties of its original, and no setter of a prototype sees them', async () => {
	assert.deepEqual(JSON.parse((await node.get('properties')).text), [
		[], ['trap', '__proto__', 'list', 'hidden', 'taken', 'big', 'none'], true, { p: 1 },
		['0', '1', '3', 'extra'], 4, [1], ['1', 'more'], { a: 1, c: 3 }, 4e9, { x: 1 },
	])
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
