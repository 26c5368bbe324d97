// The HTTP/1.1 server as clients meet it: framing, order, streaming, limits, patience. Raw sockets
// against a real node.
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode, sanitized } from './lib/node.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import { bytesOf, pipeline, request, sleep, until } from './lib/raw.mjs'
import * as proc from './lib/proc.mjs'

const echo = `addEventListener("fetch", e => e.respondWith(handle(e.request)))
async function handle(request) {
	const path = new URL(request.url).pathname
	if (path === "/text") return new Response(await request.text())
	if (path === "/relay") return new Response(request.body)
	if (path === "/early") return new Response("no thanks", { status: 403 })
	if (path === "/slow") { await new Promise(r => setTimeout(r, 400)); return new Response("late") }
	if (path === "/never") return new Promise(r => setTimeout(r, 1e8))
	if (path === "/big") return new Response("x".repeat(300000))
	if (path === "/stream") {
		let n = 0
		return new Response(new ReadableStream({ async pull(c) { if (n++ === 5) return c.close(); await new Promise(r => setTimeout(r, 10)); c.enqueue(new TextEncoder().encode("part" + n + ";")) } }))
	}
	if (path === "/empty") return new Response(null, { status: 204 })
	return new Response(request.method + " " + path, { headers: { "x-er": request.headers.get("er-secret") ?? "none" } })
}`

let node
test.before(async () => {
	node = await startNode({ routines: { echo } })
})
test.after(() => node?.stop())

const host = 'echo.localhost'
const ask = (path, options) => request(node.port, path, { host, ...options })

test('a request is answered by the routine of its host', async () => {
	const res = await ask('/hello')
	assert.equal(res.status, 200)
	assert.equal(res.text, 'GET /hello')
	assert.match(res.headers.date, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
})

test('pipelined requests are answered in order, each with its own answer', async () => {
	const paths = ['/a', '/slow', '/b', '/big', '/c', '/text', '/d']
	const out = await pipeline(node.port, paths.map(p => [p, p === '/text' ? { method: 'POST', body: 'hi' } : {}]), { host })
	assert.deepEqual(out.map(r => (r.text.length > 20 ? r.text.length : r.text)), ['GET /a', 'late', 'GET /b', 300000, 'GET /c', 'hi', 'GET /d'])
})

test('two hundred pipelined requests in one write all get their answer', async () => {
	const out = await pipeline(node.port, Array.from({ length: 200 }, (_, i) => [`/${i}`, {}]), { host })
	out.forEach((r, i) => assert.equal(r.text, `GET /${i}`))
})

test('a request that comes byte by byte is understood', async () => {
	const c = await node.connect()
	for (const b of bytesOf('/bytes', { host, method: 'POST', body: 'abc' })) {
		c.send(Buffer.from([b]))
		await sleep(1)
	}
	assert.equal((await c.response()).text, 'POST /bytes')
	c.close()
})

test('uploads of every framing arrive whole', async () => {
	assert.equal((await ask('/text', { method: 'POST', body: 'x'.repeat(70000) })).text.length, 70000)
	const c = await node.connect()
	c.send(`POST /text HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n`)
	await sleep(30)
	c.send('4\r\ndefg\r\n0\r\ntrailer: x\r\n\r\n')
	assert.equal((await c.response()).text, 'abcdefg')
	c.send(bytesOf('/next', { host }))
	assert.equal((await c.response()).text, 'GET /next')
	c.close()
})

test('a body of unknown length goes out chunked, and until the end for HTTP/1.0', async () => {
	const one = await ask('/stream')
	assert.equal(one.headers['transfer-encoding'], 'chunked')
	assert.equal(one.text, 'part1;part2;part3;part4;part5;')
	const c = await node.connect()
	c.send(`GET /stream HTTP/1.0\r\nhost: ${host}\r\n\r\n`)
	const old = await c.response()
	assert.equal(old.headers['transfer-encoding'], undefined)
	assert.equal(old.headers.connection, 'close')
	assert.equal(old.text, 'part1;part2;part3;part4;part5;')
})

test('HTTP/1.0 keeps the connection only when asked to', async () => {
	const c = await node.connect()
	c.send(`GET /a HTTP/1.0\r\nhost: ${host}\r\nconnection: keep-alive\r\n\r\n`)
	const first = await c.response()
	assert.equal(first.headers.connection, 'keep-alive')
	c.send(`GET /b HTTP/1.0\r\nhost: ${host}\r\n\r\n`)
	assert.equal((await c.response()).text, 'GET /b')
	assert.ok(await c.closed())
})

test('HEAD says the length and sends no body; the next answer is not confused by it', async () => {
	const c = await node.connect()
	c.send(Buffer.concat([bytesOf('/big', { host, method: 'HEAD' }), bytesOf('/after', { host })]))
	const head = await c.response({ method: 'HEAD' })
	assert.equal(head.status, 200)
	assert.equal((await c.response()).text, 'GET /after')
	c.close()
})

test('204 has neither body nor length', async () => {
	const res = await ask('/empty')
	assert.equal(res.status, 204)
	assert.equal(res.headers['content-length'], undefined)
	assert.equal(res.headers['transfer-encoding'], undefined)
})

test('Expect: 100-continue is answered before the body is sent', async () => {
	const c = await node.connect()
	c.send(`POST /text HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n`)
	assert.equal((await c.head()).status, 100)
	c.send('hello')
	assert.equal((await c.response()).text, 'hello')
	c.close()
})

test('an upload that is refused before it was invited is not waited for', async () => {
	const c = await node.connect()
	c.send('POST /x HTTP/1.1\r\nhost: unknown.example\r\ncontent-length: 500000000\r\nexpect: 100-continue\r\n\r\n')
	const res = await c.response()
	assert.equal(res.status, 404)
	assert.equal(res.interim.length, 0)
	assert.equal(res.headers.connection, 'close')
	assert.ok(await c.closed())
})

test('the answer to an unread upload reaches a client that goes on sending, and the connection survives a small one', async () => {
	const c = await node.connect()
	c.send(bytesOf('/early', { host, method: 'POST', body: 'y'.repeat(100000) }))
	assert.equal((await c.response()).status, 403)
	c.send(bytesOf('/again', { host }))
	assert.equal((await c.response()).text, 'GET /again')
	c.close()
	const big = await node.connect()
	big.send(`POST /early HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 50000000\r\n\r\n`)
	for (let i = 0; i < 100; i++) big.send(Buffer.alloc(10000))
	assert.equal((await big.response()).status, 403)
	await big.closed()
})

test('a body is relayed from upload to answer while it comes', async () => {
	const c = await node.connect()
	c.send(`POST /relay HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n`)
	const head = await c.head()
	assert.equal(head.status, 200)
	assert.equal(await c.line(), '5')
	assert.equal((await c.exactly(7)).toString(), 'first\r\n')
	c.send('6\r\nsecond\r\n0\r\n\r\n')
	assert.equal((await c.chunks())[0].toString(), 'second')
	c.close()
})

test('a malformed request gets 400 and the connection ends; the node goes on', async () => {
	const bad = [
		'GET / HTTP/1.1\r\n\r\n',
		'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n',
		'GET / HTTP/1.1\r\nhost : a\r\n\r\n',
		`POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
		`POST /text HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
		'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
	]
	for (const bytes of bad) {
		const c = await node.connect()
		c.send(bytes)
		const res = await c.response()
		assert.equal(res.status, 400, JSON.stringify(bytes))
		assert.equal(res.headers.connection, 'close')
		assert.ok(await c.closed())
	}
	assert.equal((await ask('/alive')).status, 200)
})

test('limits of a head have their own statuses', async () => {
	const status = async bytes => {
		const c = await node.connect()
		c.send(bytes)
		const s = (await c.response()).status
		c.close()
		return s
	}
	assert.equal(await status(`GET /${'a'.repeat(9000)} HTTP/1.1\r\nhost: ${host}\r\n\r\n`), 414)
	assert.equal(await status(`GET / HTTP/1.1\r\nhost: ${host}\r\nx: ${'a'.repeat(9000)}\r\n\r\n`), 431)
	assert.equal(await status(`GET / HTTP/1.1\r\nhost: ${host}\r\n${'x: y\r\n'.repeat(101)}\r\n`), 431)
	assert.equal(await status(`CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n`), 405)
	const trace = await node.connect()
	assert.match((await trace.send('TRACE / HTTP/1.1\r\nhost: a\r\n\r\n').response()).headers.allow ?? '', /GET, HEAD/, 'a 405 says what is allowed')
})

test('internal headers of a client do not come in', async () => {
	assert.equal((await ask('/', { headers: { 'er-secret': 'forged' } })).headers['x-er'], 'none')
})

test('a request that goes in circles is refused', async () => {
	const res = await ask('/', { headers: { 'cdn-loop': Array(17).fill('edgeroutine').join(', ') } })
	assert.equal(res.status, 508)
	assert.equal((await ask('/', { headers: { 'cdn-loop': Array(16).fill('edgeroutine').join(', ') } })).status, 200)
})

test('a client that shuts down its side after the request still gets its answer', async () => {
	const c = await node.connect()
	c.send(bytesOf('/slow', { host }))
	c.socket.end()
	assert.equal((await c.response()).text, 'late')
	assert.ok(await c.closed())
})

test('a client that leaves ends its request, and the log says so', async () => {
	const c = await node.connect()
	c.send(bytesOf('/never', { host }))
	await sleep(100)
	c.close()
	const record = await until(() => node.access.find(r => r.path === '/never'), { what: 'the record of the client that left' })
	assert.equal(record.status, 0)
	assert.equal(record.error, 'client-gone')
	assert.equal((await ask('/alive')).status, 200)
})

test('the record of a request says what was asked, by whom, and what it cost', async () => {
	await ask('/record?secret=1', { method: 'POST', body: 'abc' })
	const record = await until(() => node.access.find(r => r.path === '/record'))
	assert.equal(record.routine, 'echo')
	assert.equal(record.method, 'POST')
	assert.equal(record.host, host)
	assert.equal(record.client, '127.0.0.1')
	assert.equal(record.status, 200)
	assert.equal(record.bytes, 'POST /record'.length)
	assert.match(record.id, /^[0-9a-f]{16}$/)
	assert.ok(record.cpu_us > 0 && record.wall_ms > 0)
	assert.ok(record.version.length > 0)
})

test('no route: a 404 that says what to do', async () => {
	const res = await request(node.port, '/x', { host: 'nobody.example' })
	assert.equal(res.status, 404)
	assert.equal(res.headers['er-error'], 'no-route')
	assert.match(res.text, /node\.jsonc/)
})

test('health and metrics are on the admin address, and only there', async () => {
	const health = await request(node.adminPort, '/health')
	assert.equal(health.status, 200)
	const said = JSON.parse(health.text)
	assert.equal(said.status, 'ok')
	assert.equal(said.routines, 1)
	const before = await node.metric('er_requests_total', { routine: 'echo', status: '2xx' })
	await ask('/counted')
	// Counted when its last byte is out, which the client may have a moment before.
	await until(async () => (await node.metric('er_requests_total', { routine: 'echo', status: '2xx' })) === before + 1, { what: 'the request in the metrics' })
	assert.ok((await node.metric('er_cpu_seconds_count', { routine: 'echo' })) > 0)
	assert.equal((await request(node.port, '/metrics', { host: 'x.example' })).status, 404)
	assert.equal((await request(node.adminPort, '/other')).status, 404)
})

test('slow clients: a head that never ends, an upload that stalls, an idle connection', async () => {
	const slow = await startNode({ routines: { echo }, config: { limits: { headerMs: 600, keepAliveMs: 700, minBodyRate: 100000 } } })
	try {
		const head = await slow.connect()
		head.send('GET / HTTP/1.1\r\nho')
		assert.equal((await head.response()).status, 408)
		const upload = await slow.connect()
		upload.send(`POST /text HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 100\r\n\r\nabc`)
		assert.equal((await upload.response()).status, 408)
		const idle = await slow.connect()
		idle.send(bytesOf('/a', { host }))
		await idle.response()
		const t = Date.now()
		assert.ok(await idle.closed())
		assert.ok(Date.now() - t < 3000)
	} finally {
		await slow.stop()
	}
})

test('requests of a connection and connections of an address are bounded', async () => {
	const small = await startNode({ routines: { echo }, config: { limits: { requests: 3, perAddress: 2 } } })
	try {
		const c = await small.connect()
		for (let i = 0; i < 3; i++) c.send(bytesOf(`/${i}`, { host }))
		assert.equal((await c.response()).headers.connection, undefined)
		await c.response()
		assert.equal((await c.response()).headers.connection, 'close')
		assert.ok(await c.closed())
		c.close()
		await until(async () => (await small.metric('er_connections')) === 0)
		const two = [await small.connect(), await small.connect()]
		for (const k of two) {
			k.send(bytesOf('/a', { host }))
			await k.response()
		}
		const third = await small.connect()
		assert.ok(await third.closed())
		two.forEach(k => k.close())
	} finally {
		await small.stop()
	}
})

test('er node --origin: a site without a routine, identity set by the node, bodies both ways', async () => {
	const origin = await startOrigin(async (req, res) => {
		if (req.url === '/echo') return res.end(await bodyOf(req))
		res.setHeader('x-host', req.headers.host)
		res.end(JSON.stringify(req.headers))
	})
	const site = await startNode({ config: { origin: origin.url } })
	try {
		const res = await request(site.port, '/path?q=1', { host: 'www.example.com', headers: { 'x-forwarded-for': '6.6.6.6', via: '1.0 other', 'er-x': 'y', connection: 'x-drop', 'x-drop': '1' } })
		assert.equal(res.status, 200)
		const seen = JSON.parse(res.text)
		assert.equal(seen.host, 'www.example.com')
		assert.equal(seen['x-forwarded-for'], '127.0.0.1')
		assert.equal(seen['x-forwarded-proto'], 'http')
		assert.equal(seen['x-forwarded-host'], 'www.example.com')
		assert.equal(seen.via, '1.0 other, 1.1 edgeroutine')
		assert.equal(seen['cdn-loop'], 'edgeroutine')
		assert.equal(seen['er-x'], undefined)
		assert.equal(seen['x-drop'], undefined)
		const body = 'z'.repeat(1000000)
		assert.equal((await request(site.port, '/echo', { host: 'a.example', method: 'POST', body })).text, body)
	} finally {
		await site.stop()
		await origin.close()
	}
})

test('what a routine asks others carries the client and the way so far, and the routine cannot forge it', async () => {
	const origin = await startOrigin((req, res) => res.end(JSON.stringify(req.headers)))
	const source = `addEventListener("fetch", e => e.respondWith(fetch("http://127.0.0.1:${origin.port}/", { headers: { "x-forwarded-for": "6.6.6.6", via: "none", "cdn-loop": "none", "x-own": "1" } })))`
	const self = 'addEventListener("fetch", e => e.respondWith(fetch(e.request)))'
	const relay = await startNode({ routines: { relay: { source, allowAddresses: ['127.0.0.1'] }, self }, config: { origin: origin.url } })
	try {
		for (const name of ['relay', 'self']) {
			const res = await relay.get(name, '/', { headers: { 'cdn-loop': 'first', via: '1.0 far' } })
			assert.equal(res.status, 200, res.text)
			const seen = JSON.parse(res.text)
			assert.equal(seen['x-forwarded-for'], '127.0.0.1')
			assert.equal(seen['x-forwarded-host'].split(':')[0], `${name}.localhost`)
			assert.equal(seen['cdn-loop'], 'first, edgeroutine')
			assert.equal(seen.via, '1.0 far, 1.1 edgeroutine')
			assert.equal(seen['x-own'], name === 'relay' ? '1' : undefined)
		}
	} finally {
		await relay.stop()
		await origin.close()
	}
})

test('several threads share an address, and each answers', async () => {
	const many = await startNode({ routines: { echo }, config: { threads: 3 } })
	try {
		const out = await Promise.all(Array.from({ length: 60 }, (_, i) => request(many.port, `/${i}`, { host })))
		out.forEach((r, i) => assert.equal(r.text, `GET /${i}`))
		assert.ok((await many.metric('er_instances')) > 1)
		assert.equal(await many.metric('er_requests_total', { routine: 'echo', status: '2xx' }), 60)
	} finally {
		await many.stop()
	}
})

test('a client that does not read holds no memory', { skip: sanitized }, async () => {
	const origin = await startOrigin((req, res) => {
		res.writeHead(200, { 'content-length': 400 << 20 })
		const block = Buffer.alloc(1 << 16)
		let left = 400 << 20
		const go = () => {
			while (left > 0) {
				left -= block.length
				if (!res.write(block)) return res.once('drain', go)
			}
			res.end()
		}
		go()
	})
	const site = await startNode({ config: { origin: origin.url } })
	try {
		const c = await site.connect()
		c.socket.pause()
		const before = proc.memory(site.pid).anonymous
		c.send(bytesOf('/', { host: 'a.example' }))
		await sleep(1500)
		const after = proc.memory(site.pid).anonymous
		assert.ok(after - before < 8 << 20, `grew by ${after - before}`)
		c.close()
	} finally {
		await site.stop()
		await origin.close()
	}
})

test('er node --trace prints each step of a connection to that host, and of no other', async () => {
	const traced = await startNode({ routines: { echo, other: echo }, args: ['--trace', 'echo.localhost'] })
	try {
		const c = await traced.connect()
		assert.equal((await c.send(bytesOf('/', { host: 'echo.localhost' })).response()).status, 200)
		c.close()
		assert.equal((await traced.get('other')).status, 200)
		const steps = await until(() => {
			const all = traced.err.map(l => JSON.parse(l)).filter(l => l.room === 'trace').map(l => l.message)
			return all.some(m => /^session .* -> closed$/.test(m)) && all
		}, { what: 'the trace' })
		const of = kind => steps.filter(m => m.startsWith(`${kind} `)).map(m => m.slice(m.indexOf(': ') + 2))
		assert.deepEqual(of('stream'), ['head, empty -> asked', 'start, asked -> open', 'answer, open -> answered', 'all, answered -> sent', 'over, sent -> empty'])
		assert.deepEqual(of('session'), ['close, open -> closed'])
	} finally {
		await traced.stop()
	}
})

test('a listener names its transport, and one that is not known is refused with those that are', async () => {
	const named = await startNode({ routines: { echo }, config: { listen: [{ address: '127.0.0.1:0', transport: 'tcp' }] } })
	try {
		assert.equal((await named.get('echo')).status, 200)
	} finally {
		await named.stop()
	}
	await assert.rejects(startNode({ routines: { echo }, config: { listen: [{ address: '127.0.0.1:0', transport: 'pigeon' }] } }), /transport\\?": a transport is expected: tcp/)
	await assert.rejects(startNode({ routines: { echo }, config: { listen: [{ transport: 'tcp' }] } }), /address.{1,3}is missing/)
})

test('trailers of an upload reach the origin, also through a routine that hands the body on', async () => {
	const seen = []
	const origin = await startOrigin((req, res) => {
		let text = ''
		req.on('data', d => (text += d)).on('end', () => {
			seen.push({ text, trailers: req.trailers })
			res.end('taken')
		})
	})
	const relay = `addEventListener("fetch", e => e.respondWith(fetch(${JSON.stringify(origin.url)} + "/relay", { method: "POST", body: e.request.body })))`
	const site = await startNode({ routines: { relay: { source: relay, allowAddresses: ['127.0.0.0/8'] } }, config: { origin: origin.url } })
	try {
		for (const host of ['site.example', 'relay.localhost'])
			for (const slow of [false, true])
				for (const extra of ['', 'x-empty:\r\n']) {
					const c = await site.connect()
					const end = `9\r\npart two.\r\n0\r\nx-sum: 42\r\n${extra}content-length: 7\r\n\r\n`
					c.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\npart one,\r\n${slow ? '' : end}`)
					if (slow) {
						await sleep(50)
						c.send(end)
					}
					assert.match((await c.rest()).toString(), /taken/)
					const want = extra ? { 'x-sum': '42', 'x-empty': '' } : { 'x-sum': '42' }
					assert.deepEqual(seen.pop(), { text: 'part one,part two.', trailers: want }, `${host} ${slow} ${extra}`)
				}
	} finally {
		await site.stop()
		await origin.close()
	}
})

test('trailers of an origin reach a client that takes them, also through a routine that hands the body on', async () => {
	const origin = await startOrigin((req, res) => {
		res.writeHead(200, { trailer: 'x-sum' })
		res.write('part one, ')
		setTimeout(() => {
			res.write('part two')
			res.addTrailers({ 'x-sum': '42', 'content-length': '7' })
			res.end()
		}, req.url === '/slow' ? 50 : 0)
	})
	const relay = `addEventListener("fetch", e => e.respondWith(fetch(${JSON.stringify(origin.url)} + new URL(e.request.url).pathname)))`
	const site = await startNode({ routines: { relay: { source: relay, allowAddresses: ['127.0.0.0/8'] } }, config: { origin: origin.url } })
	try {
		for (const host of ['site.example', 'relay.localhost'])
			for (const path of ['/fast', '/slow']) {
				const c = await site.connect()
				c.send(bytesOf(path, { host, headers: { te: 'trailers', connection: 'close' } }))
				const text = (await c.rest()).toString()
				assert.match(text, /part one, .*part two\r\n0\r\nx-sum: 42\r\n\r\n$/s, `${host}${path}`)
				const plain = await site.connect()
				plain.send(bytesOf(path, { host, headers: { connection: 'close' } }))
				assert.match((await plain.rest()).toString(), path === '/slow' ? /part two\r\n0\r\n\r\n$/ : /part one, .*part two(\r\n0\r\n\r\n)?$/s)
			}
	} finally {
		await site.stop()
		await origin.close()
	}
})

test('an OPTIONS goes as many nodes far as its Max-Forwards allows', async () => {
	const origin = await startOrigin((req, res) => res.end(req.headers['max-forwards'] ?? 'none'))
	const cdn = await startNode({ config: { origin: origin.url } })
	try {
		const options = (most, method = 'OPTIONS') => request(cdn.port, '/x', { host: 'cdn.test', method, headers: most === undefined ? {} : { 'max-forwards': most } })
		const last = await options('0')
		assert.equal(last.status, 204)
		assert.match(last.headers.allow, /GET/)
		assert.equal(origin.requests.length, 0)
		for (const [said, left] of [['2', '1'], ['1', '0'], ['many', 'many'], ['99999999999999999999999', '99999999999999999999999'], [undefined, 'none']]) assert.equal((await options(said)).text, left)
		assert.equal((await options('0', 'GET')).text, '0')
	} finally {
		await cdn.stop()
		await origin.close()
	}
})
