// An answer that breaks off is passed on as one that breaks off, in whatever packets it comes and
// on every way through the node: the standard process, a relay through a routine, a body that
// JavaScript reads and streams, gzip that is undone, HTTP and HTTPS, uploads too. A client that
// took it for whole would keep half a page.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import zlib from 'node:zlib'
import { startNode, tempDir } from './lib/node.mjs'
import { connect, Gone, sleep } from './lib/raw.mjs'
import { certificate, startScripted } from './lib/scripted.mjs'

const gz = zlib.gzipSync(Buffer.from('hello '.repeat(2000)))
const hex = n => n.toString(16)
const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n'
const gzip = 'Content-Encoding: gzip\r\n'

// [head, what follows (bytes)]: none is a whole answer.
const broken = {
	'a bad size': [chunked, '5\r\nhello\r\nzz\r\n'],
	'a bad size and more': [chunked, '5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n'],
	'a chunk longer than its size': [chunked, '5\r\nhello!\r\n0\r\n\r\n'],
	'no last chunk': [chunked, '5\r\nhello\r\n'],
	'half a chunk': [chunked, '5\r\nhello\r\n50\r\nhel'],
	'no end of the trailers': [chunked, '5\r\nhello\r\n0\r\nx: 1\r\n'],
	'a broken trailer': [chunked, '5\r\nhello\r\n0\r\nbad trailer\r\n\r\n'],
	'a last chunk only begun': [chunked, '5\r\nhello\r\n0\r\n'],
	'endless trailers': [chunked, '5\r\nhello\r\n0\r\n' + 'x: 1\r\n'.repeat(20000)],
	'a length too long': ['HTTP/1.1 200 OK\r\nContent-Length: 50\r\n', 'hello'],
	'gzip cut': [`${chunked}${gzip}`, Buffer.concat([Buffer.from(`${hex(gz.length - 9)}\r\n`), gz.subarray(0, -9), Buffer.from('\r\n0\r\n\r\n')])],
	'gzip cut with a length': [`HTTP/1.1 200 OK\r\n${gzip}Content-Length: ${gz.length - 9}\r\n`, gz.subarray(0, -9)],
	'gzip in a bad chunk': [`${chunked}${gzip}`, Buffer.concat([Buffer.from(`${hex(gz.length - 9)}\r\n`), gz.subarray(0, -9), Buffer.from('\r\nzz\r\n')])],
	'whole gzip, then a bad size': [`${chunked}${gzip}`, Buffer.concat([Buffer.from(`${hex(gz.length)}\r\n`), gz, Buffer.from('\r\nzz\r\n')])],
	'whole gzip, and no last chunk': [`${chunked}${gzip}`, Buffer.concat([Buffer.from(`${hex(gz.length)}\r\n`), gz, Buffer.from('\r\n')])],
}
// How it comes: [pause after the head, pause before the end, how it ends].
const orders = { 'all at once': [-1, 0, 'end'], 'head first': [30, 0, 'end'], 'a pause before the end': [30, 30, 'end'], 'a reset at once': [30, 0, 'reset'], 'bytes one by one': [30, 0, 'bytes'] }

let dir, secure, node
const origins = {}

async function answer(req, socket) {
	await req.whole
	const [, name, order] = decodeURIComponent(req.path).split('/')
	if (name === 'warm') return socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
	const [head, body] = broken[name]
	const [between, before, how] = orders[order]
	const bytes = Buffer.from(body)
	if (between < 0) socket.write(Buffer.concat([Buffer.from(`${head}\r\n`), bytes]))
	else {
		socket.write(`${head}\r\n`)
		await sleep(between)
		if (how === 'bytes' && bytes.length < 200) for (const b of bytes) socket.write(Buffer.of(b)) && (await sleep(0))
		else socket.write(bytes)
	}
	if (before) await sleep(before)
	if (how === 'reset') socket.encrypted ? socket.destroy() : socket.resetAndDestroy()
	else socket.end()
}

before(async () => {
	dir = tempDir()
	secure = certificate(dir)
	origins.http = await startScripted(answer)
	origins.https = await startScripted(answer, secure)
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		const [, how, scheme, ...rest] = new URL(e.request.url).pathname.split("/")
		const at = { http: "${origins.http.url}", https: "${origins.https.url}" }[scheme]
		const post = how === "post"
		let res
		try { res = await fetch(at + "/" + rest.join("/"), post ? { method: "POST", body: "x" } : {}) } catch (x) { return new Response(x.message, { status: 502 }) }
		if (how !== "stream" && how !== "read") return res
		if (how === "read") try { return new Response(await res.text()) } catch (x) { return new Response(x.message, { status: 502 }) }
		const { readable, writable } = new TransformStream()
		e.waitUntil((async () => {
			const to = writable.getWriter(), from = res.body.getReader()
			try {
				for (let r; !(r = await from.read()).done;) await to.write(r.value)
				await to.close()
			} catch (x) { await to.abort(x) }
		})())
		return new Response(readable)
	})()))`
	node = await startNode({ routines: { r: { source, allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 1000 } } }, config: { origin: origins.http.url }, env: { SSL_CERT_FILE: secure.file } })
})

after(async () => {
	await node?.stop()
	for (const o of Object.values(origins)) await o.close()
	fs.rmSync(dir, { recursive: true, force: true })
})

/** undefined: it broke off, or was refused; else what looked like a whole answer. */
async function whole(host, path, method = 'GET') {
	const c = await connect(node.port, { timeout: 4000 })
	try {
		c.send(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${method === 'POST' ? 'Content-Length: 1\r\n\r\nx' : '\r\n'}`)
		const res = await c.response()
		return res.status === 502 ? undefined : `${res.status} ${res.text.slice(0, 100)}`
	} catch (e) {
		return e instanceof Gone ? undefined : `(neither whole nor cut: ${e.message})`
	} finally {
		c.close()
	}
}

const ways = {
	'the standard process': async path => whole('site.example', path),
	'the standard process, an upload': async path => whole('site.example', path, 'POST'),
	'a relay': path => whole('r.localhost', `/relay/http${path}`),
	'a relay of an upload\'s answer': path => whole('r.localhost', `/post/http${path}`),
	'a body that is streamed': path => whole('r.localhost', `/stream/http${path}`),
	'a body that is read': path => whole('r.localhost', `/read/http${path}`),
	'a relay over https': path => whole('r.localhost', `/relay/https${path}`),
	'a body that is streamed over https': path => whole('r.localhost', `/stream/https${path}`),
}

for (const [way, ask] of Object.entries(ways))
	test(`a cut answer is cut for the client: ${way}`, { timeout: 120000 }, async () => {
		// The node's own short way is taken once it knows the address.
		for (const scheme of ['http', 'https']) await whole('r.localhost', `/relay/${scheme}/warm`)
		await whole('site.example', '/warm')
		for (const name of Object.keys(broken)) {
			// What the standard process hands on as it came is cut by the client.
			if (name.startsWith('gzip cut') && way.startsWith('the standard')) continue
			for (const order of Object.keys(orders)) {
				const got = await ask(encodeURI(`/${name}/${order}`))
				assert.equal(got, undefined, `${name}, ${order}: looks whole: ${got}`)
			}
		}
	})
