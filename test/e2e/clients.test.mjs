// Clients that do everything wrong at once: cut requests, half-closed and reset connections,
// uploads that nobody wants, answers that nobody reads. Afterwards the node answers, nothing is
// left open, and the routine was not punished for its clients.
import test from 'node:test'
import assert from 'node:assert/strict'
import net from 'node:net'
import { startNode } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import { bytesOf, request, sleep, until } from './lib/raw.mjs'

const echo = `addEventListener("fetch", e => e.respondWith(handle(e)))
async function handle(e) {
	const request = e.request
	const path = new URL(request.url).pathname
	if (path === "/text") return new Response(await request.text())
	if (path === "/relay") return new Response(request.body)
	if (path === "/early") return new Response("no thanks", { status: 403 })
	if (path === "/wait") { e.waitUntil(request.text().then(t => t.length)); return new Response("ok") }
	if (path === "/cancel") { await request.body?.cancel(); return new Response("ok") }
	if (path === "/slow") { await new Promise(r => setTimeout(r, 50)); return new Response("late") }
	if (path === "/never") return new Promise(r => setTimeout(r, 1e8))
	if (path === "/throw") throw new Error("x")
	if (path === "/big") return new Response("x".repeat(300000))
	if (path === "/std") return fetch(request)
	if (path === "/stream") { let n = 0; return new Response(new ReadableStream({ async pull(c) { if (n++ === 50) return c.close(); await new Promise(r => setTimeout(r, 1)); c.enqueue(new Uint8Array(5000)) } })) }
	if (path === "/late") { await new Promise(r => setTimeout(r, 30)); return new Response(new ReadableStream({ start(c) { for (let i = 0; i < 4; i++) c.enqueue(new Uint8Array(9000)); c.close() } })) }
	return new Response(request.method + " " + path)
}`

const paths = ['/a', '/text', '/relay', '/early', '/wait', '/cancel', '/slow', '/never', '/throw', '/big', '/std', '/stream', '/late']
const rnd = n => Math.floor(Math.random() * n)

async function one(port) {
	const s = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
	s.on('error', () => {})
	let closed = false
	s.on('close', () => (closed = true))
	if (rnd(4)) s.resume(); else s.pause()
	const n = 1 + rnd(4)
	for (let i = 0; i < n && !closed; i++) {
		const path = paths[rnd(paths.length)]
		const host = rnd(4) ? 'echo.localhost' : 'other'
		let bytes
		const body = 'z'.repeat(rnd(3) ? rnd(100) : rnd(600000))
		const kind = rnd(6)
		if (kind === 0) bytes = bytesOf(path, { host })
		else if (kind === 1) bytes = bytesOf(path, { host, method: 'POST', body })
		else if (kind === 2) bytes = Buffer.from(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\n${body.length ? body.length.toString(16) + '\r\n' + body + '\r\n' : ''}${rnd(4) ? '0\r\n\r\n' : 'zz\r\n'}`)
		else if (kind === 3) bytes = Buffer.from(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n${rnd(2) ? body : ''}`)
		else if (kind === 4) bytes = Buffer.from(`GET ${path} HTTP/1.0\r\nhost: ${host}\r\n\r\n`)
		else bytes = Buffer.from(`HEAD ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
		if (rnd(3) === 0) bytes = bytes.subarray(0, rnd(bytes.length))
		for (let at = 0; at < bytes.length; ) {
			const k = rnd(3) ? bytes.length - at : 1 + rnd(20000)
			s.write(bytes.subarray(at, at + k))
			at += k
			if (rnd(5) === 0) await sleep(rnd(5))
		}
		if (rnd(3) === 0) await sleep(rnd(60))
	}
	const end = rnd(4)
	if (end === 0) s.destroy()
	else if (end === 1) s.end()
	else if (end === 2) s.resetAndDestroy()
	await sleep(rnd(300))
	s.destroy()
}

test('a storm of broken clients harms nobody', async () => {
	const origin = await startOrigin((req, res) => {
		if (rnd(5) === 0) return res.destroy()
		req.resume()
		res.write('abc')
		setTimeout(() => res.end('def'), rnd(20))
	})
	const limits = { headerMs: 500, keepAliveMs: 800, minBodyRate: 1000, drainMs: 3000 }
	const node = await startNode({ routines: { echo: { source: echo, limits: { responseMs: 5000, cpuMs: 500 } } }, config: { threads: 2, origin: origin.url, limits } })
	try {
		const stopAt = Date.now() + 4000
		await Promise.all(
			Array.from({ length: 24 }, async () => {
				while (Date.now() < stopAt) await one(node.port)
			}),
		)
		await until(async () => (await node.metric('er_connections')) === 0, { what: 'the end of all connections', timeout: 30000 })
		assert.equal((await request(node.port, '/a', { host: 'echo.localhost' })).text, 'GET /a')
		assert.equal(await node.metric('er_kills_total', { limit: 'protocol' }), 0)
		assert.equal(await node.metric('er_kills_total', { limit: 'crash' }), 0)
		assert.equal(await node.metric('er_suspensions_total'), 0)
	} finally {
		await node.stop()
		await origin.close()
	}
})
