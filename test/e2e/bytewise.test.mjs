// Nobody who talks to the node in single bytes holds up a loop thread: while each of them sends as
// fast as it can, a neighbour's requests on the same thread are answered, and timers run. With one
// write a byte a neighbour waited for seconds.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { startNode, sanitized, tempDir } from './lib/node.mjs'
import { connect, request, sleep } from './lib/raw.mjs'
import { dribbles, many, pour, startDribblers } from './lib/dribble.mjs'
import { certificate } from './lib/scripted.mjs'

// A fault makes a neighbour wait for as long as the flood lasts; without one the client of an
// origin that floods leaves sooner.
const FLOOD_MS = 2500
const DRINK_MS = 600
const MOST_MS = sanitized ? 2000 : 1000

let dir, secure, node
let origins

before(async () => {
	dir = tempDir()
	secure = certificate(dir)
	origins = await startDribblers(secure, FLOOD_MS)
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		const [, how, scheme, ...rest] = new URL(e.request.url).pathname.split("/")
		if (how === "bytes") {
			let n = 0
			return new Response(new ReadableStream({ pull(c) { for (let i = 0; i < 100; i++) c.enqueue(Uint8Array.of(120)); if (++n > 2000) c.close() } }))
		}
		if (how === "count") { let n = 0; for (const r = e.request.body.getReader(); !(await r.read()).done;) n++; return new Response(String(n)) }
		const at = { http: "${origins.http}", https: "${origins.https}" }[scheme]
		const res = await fetch(at + "/" + rest.join("/"), how === "post" ? { method: "POST", body: "x" } : {})
		if (how === "relay" || how === "post") return res
		const from = res.body.getReader()
		if (how === "whole") { while (!(await from.read()).done); return new Response("whole") }
		return new Response(new ReadableStream({ async pull(c) { const r = await from.read(); r.done ? c.close() : c.enqueue(r.value) } }))
	})().catch(x => new Response(x.message, { status: 502 }))))`
	const slow = { cpuMs: 1000, responseMs: 60000 }
	node = await startNode({
		routines: {
			r: { source, allowAddresses: ['127.0.0.0/8'], limits: slow },
			soon: { source, allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 1000, responseMs: 700 } },
			neighbour: 'addEventListener("fetch", e => e.respondWith(new Response("hi")))',
		},
		config: { origin: origins.http },
		env: { SSL_CERT_FILE: secure.file },
	})
	await node.get('neighbour', '/')
	for (const scheme of ['http', 'https']) await node.get('r', `/relay/${scheme}/warm`)
	await request(node.port, '/warm', { host: 'site.example' })
})

after(async () => {
	await node?.stop()
	await origins?.close()
	fs.rmSync(dir, { recursive: true, force: true })
})

/** Answered by the loop thread itself, with 400: no sandbox has to be scheduled on a machine
 * that is busy. */
async function askLoop() {
	const c = await connect(node.port)
	c.send('GET / HTTP/1.1\r\n\r\n')
	assert.equal((await c.response()).status, 400)
	c.close()
}

/** How long a neighbour waits while `flood` runs: all but the longest 2 %, for a machine that is
 * busy makes anybody wait now and then. */
async function neighbour(flood, what) {
	let over = false
	const done = flood().finally(() => (over = true))
	const waits = []
	const began = performance.now()
	while (!over && performance.now() - began < FLOOD_MS + 3000) {
		const t = performance.now()
		await askLoop()
		waits.push(performance.now() - t)
		await sleep(5)
	}
	await done
	assert.equal((await node.get('neighbour', '/')).text, 'hi')
	const worst = waits.sort((a, b) => b - a)[Math.floor(waits.length / 50)]
	assert.ok(worst < MOST_MS, `a neighbour waited ${worst.toFixed(0)} ms while ${what}`)
}

/** Reads an answer as fast as it comes, until it ends or the time is over. */
async function drink(host, path, method = 'GET') {
	const c = await connect(node.port)
	c.socket.removeAllListeners('data')
	c.socket.on('data', () => {})
	c.send(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${method === 'POST' ? 'Content-Length: 1\r\n\r\nx' : '\r\n'}`)
	await Promise.race([c.closed().catch(() => {}), sleep(DRINK_MS)])
	c.close()
}

for (const [way, host, prefix, method] of [
	['the standard process', 'site.example', '', 'GET'],
	['the standard process, uploads', 'site.example', '', 'POST'],
	['a relay', 'r.localhost', '/relay/http', 'GET'],
	['a relay over https', 'r.localhost', '/relay/https', 'GET'],
	['a body that is streamed', 'r.localhost', '/stream/http', 'GET'],
])
	test(`an origin that sends single bytes holds nobody up: ${way}`, { timeout: 180000 }, async () => {
		for (const what of Object.keys(dribbles)) await neighbour(() => Promise.all([1, 2].map(() => drink(host, `${prefix}/${encodeURIComponent(what)}`, method))), `an origin sent ${what} by ${way}`)
	})

test('a routine\'s time is up while its origin sends single bytes', { timeout: 60000 }, async () => {
	for (const scheme of ['http', 'https']) {
		const c = await connect(node.port)
		c.socket.removeAllListeners('data')
		c.socket.on('data', () => {})
		const t = performance.now()
		c.send(`GET /whole/${scheme}/${encodeURIComponent('one byte a chunk')} HTTP/1.1\r\nHost: soon.localhost\r\nConnection: close\r\n\r\n`)
		await c.closed()
		assert.ok(performance.now() - t < FLOOD_MS - 200, 'the answer went on for as long as the origin did')
	}
})

test('clients that send single bytes hold nobody up', { timeout: 180000 }, async () => {
	const floods = {
		'an upload of one byte a chunk, to a routine': ['POST /count HTTP/1.1\r\nHost: r.localhost\r\nTransfer-Encoding: chunked\r\n\r\n', many('1\r\nx\r\n')],
		'an upload of one byte a chunk, to an origin': ['POST /warm HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n', many('1\r\nx\r\n')],
		'an upload of one byte a chunk, to a relay': ['POST /post/http/warm HTTP/1.1\r\nHost: r.localhost\r\nTransfer-Encoding: chunked\r\n\r\n', many('1\r\nx\r\n')],
		'pipelined requests of a few bytes': ['', many('GET / HTTP/1.1\r\nHost: neighbour.localhost\r\n\r\n')],
		'pipelined requests to nowhere': ['', many('GET / HTTP/1.1\r\nHost: nowhere.localhost\r\n\r\n')],
		'empty lines': ['GET / HTTP/1.1\r\nHost: neighbour.localhost\r\n', many('a: b\r\n')],
	}
	for (const [what, [first, again]] of Object.entries(floods))
		await neighbour(async () => {
			const all = await Promise.all([1, 2, 3].map(() => connect(node.port)))
			await Promise.all(
				all.map(async c => {
					c.socket.removeAllListeners('data')
					c.socket.on('data', () => {})
					c.send(first)
					await pour(c.socket, again, performance.now() + FLOOD_MS)
				}),
			)
		}, `clients sent ${what}`)
})

test('a sandbox that streams single bytes holds nobody up', { timeout: 60000 }, async () => {
	await neighbour(() => Promise.all([1, 2, 3].map(() => drink('r.localhost', '/bytes'))), 'sandboxes streamed single bytes')
})

test('a control client that sends single bytes holds up no request and no other control client', { timeout: 60000 }, async () => {
	let over = false
	const floods = [
		['POST /v1/routes HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n', many('1\r\nx\r\n')],
		['', many('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')],
		['', many('GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')],
	].map(async ([first, again]) => {
		const c = await connect(node.adminPort)
		c.socket.removeAllListeners('data')
		c.socket.on('data', () => {})
		c.send(first)
		await pour(c.socket, again, performance.now() + FLOOD_MS)
	})
	const all = Promise.all(floods).finally(() => (over = true))
	const waits = []
	while (!over) {
		const t = performance.now()
		assert.equal((await request(node.adminPort, '/health')).status, 200)
		await askLoop()
		waits.push(performance.now() - t)
		await sleep(5)
	}
	await all
	const worst = waits.sort((a, b) => b - a)[Math.floor(waits.length / 50)]
	assert.ok(worst < 2 * MOST_MS, `another waited ${worst.toFixed(0)} ms`)
})
