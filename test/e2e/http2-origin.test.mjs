// Subrequests to an origin that speaks HTTP/2 over TLS: node's own http2 server with a certificate
// that this test makes, and that the node is told to trust.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http2 from 'node:http2'
import path from 'node:path'
import { startNode, tempDir } from './lib/node.mjs'

let dir
let server
let node
const seen = { versions: new Set(), sessions: 0, uploads: [] }
const big = Buffer.alloc(3 << 20, 'h2')

before(async () => {
	dir = tempDir()
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', path.join(dir, 'key.pem'), '-out', path.join(dir, 'cert.pem')], { stdio: 'ignore' })
	const cert = fs.readFileSync(path.join(dir, 'cert.pem'))
	server = http2.createSecureServer({ key: fs.readFileSync(path.join(dir, 'key.pem')), cert, allowHTTP1: true }, async (req, res) => {
		seen.versions.add(req.httpVersion)
		if (req.url === '/big') return res.end(big)
		if (req.url === '/upload') {
			let bytes = 0
			for await (const part of req) bytes += part.length
			seen.uploads.push(bytes)
			return res.end(String(bytes))
		}
		if (req.url === '/reset') return req.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
		if (req.url === '/turns-back') {
			/* Over HTTP/2 an answer that stops in its middle with "use HTTP/1.1"; then over
			 * HTTP/1.1 a body that looks like one more answer. */
			if (req.httpVersion !== '2.0') return res.end('HTTP/1.1 200 OK\r\nx: y\r\n\r\nagain')
			req.stream.respond({ ':status': 200 })
			req.stream.write('first')
			/* stream.close would end the answer well before. */
			const handle = Object.getOwnPropertySymbols(req.stream).map(k => req.stream[k]).find(v => typeof v?.rstStream === 'function')
			return setTimeout(() => handle.rstStream(http2.constants.NGHTTP2_HTTP_1_1_REQUIRED), 50)
		}
		if (req.url === '/wait') return setTimeout(() => res.end('waited'), 300)
		res.writeHead(201, { 'x-version': req.httpVersion, 'x-host': req.headers[':authority'] ?? req.headers.host, 'content-type': 'text/plain' })
		res.end(`${req.method} ${req.url}`)
	})
	server.on('session', () => seen.sessions++)
	server.on('sessionError', () => {})
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
	const at = `https://127.0.0.1:${server.address().port}`
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		const u = new URL(e.request.url)
		if (u.pathname === "/upload") return fetch("${at}/upload", { method: "POST", body: e.request.body })
		if (u.pathname === "/many") return new Response(JSON.stringify((await Promise.all(Array.from({ length: 20 }, () => fetch("${at}/wait").then(r => r.text()))))))
		if (u.pathname === "/read") return new Response(String((await (await fetch("${at}/big")).arrayBuffer()).byteLength))
		try { return u.pathname === "/turns-back-read" ? new Response(await (await fetch("${at}/turns-back")).text()) : await fetch("${at}" + u.pathname) } catch (x) { return new Response(x.name + ": " + x.message, { status: 500 }) }
	})()))`
	node = await startNode({ routines: { a: { source, allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 1000 } } }, env: { SSL_CERT_FILE: path.join(dir, 'cert.pem') } })
})

after(async () => {
	await node?.stop()
	await new Promise(resolve => (server ? server.close(resolve) : resolve()))
	fs.rmSync(dir, { recursive: true, force: true })
})

test('HTTP/2 is spoken where the origin can, and an answer is like any other', { timeout: 30000 }, async () => {
	const res = await node.get('a', '/hello')
	assert.equal(res.status, 201)
	assert.equal(res.text, 'GET /hello')
	assert.equal(res.headers['x-version'], '2.0')
	assert.equal(res.headers['x-host'], `127.0.0.1:${server.address().port}`)
	assert.deepEqual([...seen.versions], ['2.0'])
})

test('large bodies both ways: relayed, read, uploaded', { timeout: 60000 }, async () => {
	const relayed = await node.get('a', '/big')
	assert.equal(relayed.body.length, big.length)
	assert.ok(relayed.body.equals(big))
	assert.equal((await node.get('a', '/read')).text, String(big.length))
	assert.equal((await node.get('a', '/upload', { method: 'POST', body: 'u'.repeat(2 << 20) })).text, String(2 << 20))
	assert.deepEqual(seen.uploads, [2 << 20])
})

test('twenty subrequests at once are answered, in little more than the time of one', { timeout: 30000 }, async () => {
	const t = performance.now()
	const res = await node.get('a', '/many')
	assert.deepEqual(JSON.parse(res.text), Array(20).fill('waited'))
	assert.ok(performance.now() - t < 3000)
})

test('a stream that the origin resets is that subrequest\'s failure, and the next is answered', { timeout: 30000 }, async () => {
	const res = await node.get('a', '/reset')
	assert.equal(res.status, 500)
	assert.match(res.text, /TypeError/)
	assert.equal((await node.get('a', '/after')).text, 'GET /after')
})

test('an origin that answers and then wants HTTP/1.1 breaks that answer off, and nothing else', { timeout: 30000 }, async () => {
	assert.match((await node.get('a', '/turns-back-read')).text, /^TypeError: /)
	await assert.rejects(node.get('a', '/turns-back'), /chunk size/)
	assert.equal((await node.get('a', '/after')).text, 'GET /after')
})
