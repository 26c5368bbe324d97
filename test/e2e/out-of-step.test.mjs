// A connection to an origin that is out of step gives one client's answer to another. Origins here
// do everything that brings a connection out of step: whatever they do, each client gets the answer
// to its own request, over http and https, by GET (the node's own short way, once it knows the
// address) and by POST (libcurl).
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http2 from 'node:http2'
import { startNode, tempDir } from './lib/node.mjs'
import { request, connect, sleep, until } from './lib/raw.mjs'
import { certificate, startScripted } from './lib/scripted.mjs'

const own = req => `HTTP/1.1 200 OK\r\nContent-Length: ${req.path.length}\r\n\r\n${req.path}`
const stray = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSTRAY'

// What is a complete answer, and to which method.
const complete = {
	204: ['POST', 'HTTP/1.1 204 No Content\r\n\r\n'],
	'204 to a GET': ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
	304: ['GET', 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'],
	HEAD: ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n'],
	'a length': ['POST', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
	'a length, to a GET': ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
	'no length': ['POST', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
	'the last chunk': ['POST', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
	'the last chunk, to a GET': ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
}
// What comes behind it, unasked.
const extras = { 'a second answer': stray, 'early hints': 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 'a line end': '\r\n', 'much of it': stray + 'x'.repeat(300000) }
const bodyless = name => /^(204|304|HEAD)/.test(name)

let dir, secure, node
const origins = {}
let now // {answer, extra, when}: what /a does

async function script(req, socket) {
	await req.whole
	if (req.path !== '/a') {
		// Slow enough that what is late on a connection still comes before this answer.
		if (now?.when === 'late') await sleep(250)
		return socket.write(own(req))
	}
	if (now.when === 'at once') return socket.write(now.answer + now.extra)
	socket.write(now.answer)
	await sleep(now.when === 'late' ? 100 : 5)
	socket.write(now.extra)
}

before(async () => {
	dir = tempDir()
	secure = certificate(dir)
	origins.http = await startScripted(script)
	origins.https = await startScripted(script, secure)
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		const [, kind, ...path] = new URL(e.request.url).pathname.split("/")
		const at = { http: "${origins.http.url}", https: "${origins.https.url}" }[kind]
		try {
			return await fetch(at + "/" + path.join("/"), { method: e.request.method, body: e.request.body })
		} catch (x) { return new Response(x.message, { status: 599 }) }
	})()))`
	const routine = { source, allowAddresses: ['127.0.0.0/8'] }
	node = await startNode({ routines: { r: routine }, env: { SSL_CERT_FILE: secure.file } })
})

after(async () => {
	await node?.stop()
	for (const o of Object.values(origins)) await o.close()
	fs.rmSync(dir, { recursive: true, force: true })
})

// Each on a client connection of its own.
const ask = (scheme, path, method = 'POST') => request(node.port, `/${scheme}${path}`, { host: 'r.localhost', method, body: method === 'POST' ? 'x' : undefined })

async function ownAnswers(scheme, why, paths = ['/1', '/2', '/3']) {
	for (const method of ['POST', 'GET'])
		for (const path of paths) {
			const res = await ask(scheme, path, method)
			assert.equal(`${res.status} ${res.text}`, `200 ${path}`, `${method} ${path} ${why}`)
		}
}

for (const scheme of ['http', 'https'])
	for (const when of ['at once', 'soon', 'late'])
		test(`${scheme}: an answer that nobody asked for (${when}) is nobody's answer`, { timeout: 120000 }, async () => {
			for (const [name, [method, answer]] of Object.entries(complete))
				for (const [what, extra] of Object.entries(extras)) {
					// Behind a body that is whole, what is late cannot be told from the next answer
					// by anybody.
					if (when === 'late' && (!bodyless(name) || what !== 'a second answer')) continue
					now = { answer, extra, when }
					await ask(scheme, '/a', method)
					if (when === 'soon') await sleep(30)
					await ownAnswers(scheme, `behind ${name} and ${what}`, when === 'late' ? ['/1'] : undefined)
				}
			now = undefined
		})

for (const scheme of ['http', 'https']) {
	test(`${scheme}: a connection that behaves is used again`, { timeout: 60000 }, async () => {
		const o = origins[scheme]
		await ownAnswers(scheme, 'to begin with')
		const had = o.connections
		for (let i = 0; i < 5; i++) await ownAnswers(scheme, 'again')
		assert.equal(o.connections, had, `${scheme} made ${o.connections - had} connections more`)
	})

	test(`${scheme}: a connection is used again after an answer without a body, once it is proved clean`, { timeout: 60000 }, async () => {
		const o = origins[scheme]
		now = { answer: complete[204][1], extra: '', when: 'soon' }
		await ask(scheme, '/a')
		await ask(scheme, '/a')
		await sleep(1300)
		const had = o.connections
		await ask(scheme, '/1')
		assert.equal(o.connections, had)
		now = undefined
	})

	test(`${scheme}: an origin that closes idle connections costs no request`, { timeout: 60000 }, async () => {
		const closing = await startScripted(async (req, socket) => {
			await req.whole
			socket.write(own(req))
			setTimeout(() => socket.end(), 50)
		}, scheme === 'https' ? secure : undefined)
		const was = origins[scheme]
		const source = `addEventListener("fetch", e => e.respondWith(fetch("${closing.url}" + new URL(e.request.url).pathname, { method: e.request.method, body: e.request.body })))`
		const other = await startNode({ routines: { r: { source, allowAddresses: ['127.0.0.0/8'] } }, env: { SSL_CERT_FILE: secure.file } })
		try {
			for (let i = 0; i < 30; i++) {
				// What crosses the end on its way may be asked twice if it is a GET, and only then.
				const pause = [0, 48, 100, 49, 150, 50][i % 6]
				const method = i % 2 ? 'POST' : 'GET'
				const res = await request(other.port, `/n${i}`, { host: 'r.localhost', method, body: method === 'POST' ? 'x' : undefined })
				assert.equal(`${res.status} ${res.text}`, `200 /n${i}`)
				await sleep(i % 2 ? pause : 200)
			}
		} finally {
			await other.stop()
			await closing.close()
		}
		assert.equal(origins[scheme], was)
	})
}

test('an answer before the upload is there, and an upload that breaks off, leave no connection out of step', { timeout: 60000 }, async () => {
	const early = await startScripted(async (req, socket) => {
		if (req.path.startsWith('/early')) return socket.write(`HTTP/1.1 ${req.path.slice(7)} Early\r\nContent-Length: 5\r\n\r\nearly`)
		await req.whole
		socket.write(own(req))
	})
	const source = `addEventListener("fetch", e => e.respondWith(fetch("${early.url}" + new URL(e.request.url).pathname, { method: e.request.method, body: e.request.body }).catch(x => new Response(x.message, { status: 599 }))))`
	const other = await startNode({ routines: { r: { source, allowAddresses: ['127.0.0.0/8'] } }, config: { origin: early.url } })
	try {
		for (const host of ['r.localhost', 'site.example'])
			for (const status of [200, 204, 413, 500])
				for (const leave of [false, true]) {
					const c = await connect(other.port)
					c.send(`POST /early/${status} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000\r\n\r\n${'u'.repeat(1000)}`)
					if (leave) await sleep(50)
					else if (status >= 300) assert.equal((await c.response()).status, status)
					else c.send('u'.repeat(99000)) && assert.equal((await c.response()).status, status)
					c.close()
					for (const path of ['/1', '/2', '/3'])
						for (const method of ['POST', 'GET']) {
							const res = await request(other.port, path, { host, method, body: method === 'POST' ? 'x' : undefined })
							assert.equal(`${res.status} ${res.text}`, `200 ${path}`, `behind an early ${status}${leave ? ' and a client that left' : ''}`)
						}
				}
		// Chunked, and cut by the client in the middle of a chunk.
		for (let i = 0; i < 3; i++) {
			const c = await connect(other.port)
			c.send('POST /cut HTTP/1.1\r\nHost: r.localhost\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nhalf')
			await until(() => early.asked.some(a => a.endsWith('/cut')))
			c.close()
			const res = await request(other.port, `/after${i}`, { host: 'r.localhost', method: 'POST', body: 'x' })
			assert.equal(res.text, `/after${i}`)
		}
	} finally {
		await other.stop()
		await early.close()
	}
})

test('a POST that an origin took without an answer is not sent again by the node', { timeout: 60000 }, async () => {
	let taken = 0
	const origin = await startScripted(async (req, socket) => {
		await req.whole
		if (req.path !== '/once') return socket.write(own(req))
		taken++
		socket.destroy()
	})
	const source = `addEventListener("fetch", e => e.respondWith(fetch("${origin.url}" + new URL(e.request.url).pathname, { method: "POST" }).catch(x => new Response(x.message, { status: 599 }))))`
	const other = await startNode({ routines: { r: { source, allowAddresses: ['127.0.0.0/8'] } } })
	try {
		assert.equal((await request(other.port, '/1', { host: 'r.localhost' })).text, '/1')
		assert.equal((await request(other.port, '/once', { host: 'r.localhost' })).status, 599)
		assert.equal(taken, 1)
		assert.equal((await request(other.port, '/2', { host: 'r.localhost' })).text, '/2')
	} finally {
		await other.stop()
		await origin.close()
	}
})

test('HTTP/2: resets and GOAWAY end the streams that they concern, and no other answer', { timeout: 60000 }, async () => {
	const { constants } = http2
	const server = http2.createSecureServer({ key: secure.key, cert: secure.cert }, async (req, res) => {
		try {
			for await (const part of req) assert.equal(String(part), 'x')
		} catch (e) {
			if (e.code === 'ERR_STREAM_PREMATURE_CLOSE') return // the node has given it up
			throw e
		}
		const [, what] = req.url.split('/')
		const { session } = req.stream
		if (what === 'reset') return req.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
		if (what === 'reset-later') {
			res.write('half')
			return setTimeout(() => req.stream.close(constants.NGHTTP2_INTERNAL_ERROR), 20)
		}
		if (what === 'goaway') session.goaway(constants.NGHTTP2_NO_ERROR, req.stream.id)
		if (what === 'goaway-later') setTimeout(() => session.goaway(), 10)
		if (what === 'close-later') setTimeout(() => session.close(), 10)
		res.end(req.url)
	})
	server.on('sessionError', () => {})
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
	const source = `addEventListener("fetch", e => e.respondWith(fetch("https://127.0.0.1:${server.address().port}" + new URL(e.request.url).pathname, { method: e.request.method, body: e.request.body }).catch(x => new Response(x.message, { status: 599 }))))`
	const other = await startNode({ routines: { r: { source, allowAddresses: ['127.0.0.0/8'] } }, env: { SSL_CERT_FILE: secure.file } })
	try {
		const get = (path, method = 'GET') => request(other.port, path, { host: 'r.localhost', method, body: method === 'POST' ? 'x' : undefined })
		let n = 0
		for (const what of ['reset', 'reset-later', 'goaway', 'goaway-later', 'close-later'])
			for (const pause of [0, 30])
				for (const method of ['GET', 'POST']) {
					const res = await get(`/${what}/${++n}`, method).catch(e => e)
					// It may cross the GOAWAY that the one before has asked for.
					const crosses = pause === 0 && method === 'POST' && what.endsWith('-later')
					if (what === 'reset') assert.equal(res.status, 599)
					else if (what === 'reset-later') assert.ok(res instanceof Error, `a stream that was reset looks whole: ${res.text}`)
					else if (!crosses || res.status !== 599) assert.equal(res.text, `/${what}/${n}`)
					await sleep(pause)
					for (let k = 0; k < 3; k++) {
						const path = `/own/${++n}`
						// A request that crosses a GOAWAY may be asked again if it is a GET, and
						// only then.
						const own = await get(path, k % 2 && pause ? 'POST' : 'GET').catch(e => ({ text: String(e) }))
						assert.equal(own.text, path, `behind ${what} ${pause} ${method} ${k}`)
					}
				}
	} finally {
		await other.stop()
		server.close()
	}
})
