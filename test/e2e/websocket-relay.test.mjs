// WebSockets that go through the node unread: from a client to the origin of its site, with and
// without a routine in between.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sanitized, startNode } from './lib/node.mjs'
import { sleep, until } from './lib/raw.mjs'
import { BINARY, TEXT, echo, frame, open, startSocketOrigin } from './lib/websocket.mjs'

let origin, node
const routines = {
	natively: { source: 'addEventListener("fetch", e => e.respondWith(fetch(e.request)))', routes: ['natively.example/*'] },
	later: { source: '__er_module = { default: { async fetch(request) { const r = await fetch(request); return r } } }', routes: ['later.example/*'] },
	elsewhere: { source: '__er_module = { default: { fetch: (request, env) => fetch(`${env.TO}/other`, { headers: { upgrade: "websocket" } }) } }', routes: ['elsewhere.example/*'] },
	refuses: { source: '__er_module = { default: { fetch: () => new Response("no", { status: 403 }) } }', routes: ['refuses.example/*'] },
}

before(async () => {
	origin = await startSocketOrigin(echo)
	routines.elsewhere.vars = { TO: origin.url }
	routines.elsewhere.allowAddresses = ["127.0.0.1/32"]
	node = await startNode({
		routines,
		config: { origin: origin.url, routineAddresses: ["127.0.0.1/32"], limits: { socketIdleMs: 2000 } },
	})
})
after(async () => {
	await node.stop()
	await origin.close()
})

for (const host of ['site.example', 'natively.example', 'later.example', 'elsewhere.example'])
	test(`a socket through ${host.split('.')[0]} carries bytes both ways, and its close`, async () => {
		const c = await open(node.port, '/chat?room=1', { host, headers: { 'sec-websocket-protocol': 'chat' } })
		assert.equal(c.head.status, 101)
		assert.ok(c.accepted, 'the accept is that of this client')
		assert.equal(c.head.headers.upgrade, 'websocket')
		assert.equal(c.head.headers['content-length'], undefined)
		c.send('hello')
		assert.equal(await c.message(), 'hello')
		const large = Buffer.alloc(3_000_000, 'abcdefg')
		c.send(large)
		assert.ok(large.equals(await c.message()))
		assert.deepEqual(await c.close(1000, 'bye'), { code: 1000, reason: 'bye' })
	})

test('the origin sees a handshake, and who asks', async () => {
	const c = await open(node.port, '/seen', { host: 'site.example', headers: { 'sec-websocket-protocol': 'a, b', origin: 'https://page.example' } })
	c.end()
	const head = origin.heads.find(h => h.startsWith('GET /seen '))
	assert.match(head, /^connection: upgrade\r$/im)
	assert.match(head, /^upgrade: websocket\r$/im)
	assert.match(head, /^sec-websocket-version: 13\r$/im)
	assert.match(head, /^sec-websocket-protocol: a, b\r$/im)
	assert.match(head, /^origin: https:\/\/page\.example\r$/im)
	assert.match(head, /^x-forwarded-for: 127\.0\.0\.1\r$/im)
	assert.equal(head.match(/^upgrade:/gim).length, 1)
})

test('bytes that come with the handshake are not lost', async () => {
	const c = await open(node.port, '/', { host: 'site.example', early: Buffer.concat([frame(TEXT, 'one'), frame(BINARY, 'two')]) })
	assert.equal(await c.message(), 'one')
	assert.equal((await c.message()).toString(), 'two')
	await c.close()
})

test('a handshake that is refused leaves a connection for the next request', async () => {
	const c = await open(node.port, '/', { host: 'refuses.example', early: 'GET /next HTTP/1.1\r\nhost: refuses.example\r\n\r\n' })
	assert.equal(c.head.status, 403)
	assert.equal((await c.raw.response()).text, 'no')
	c.end()
})

test('what is no handshake is not taken for one', async () => {
	const ask = (headers, method = 'GET') => open(node.port, '/', { host: 'refuses.example', headers, method })
	const status = async headers => {
		const c = await ask(headers)
		c.end()
		return c.head.status
	}
	assert.equal(await status({ 'sec-websocket-version': '8' }), 426)
	assert.equal(await status({ 'sec-websocket-version': undefined }), 426)
	assert.equal(await status({ 'sec-websocket-key': undefined }), 400)
	assert.equal(await status({ 'sec-websocket-key': 'c2hvcnQ=' }), 400)
	assert.equal(await status({ 'sec-websocket-key': '!!!!!!!!!!!!!!!!!!!!!!==' }), 400)
	assert.equal(await status({ connection: 'keep-alive' }), 403, 'no switch is asked for')
	assert.equal(await status({ upgrade: 'h2c' }), 403)
	const old = await ask({ 'sec-websocket-version': '8' })
	assert.equal(old.head.headers['sec-websocket-version'], '13')
	assert.equal(old.head.headers.upgrade, 'websocket')
	old.end()
})

test('an origin that has not understood the handshake is not believed', async () => {
	for (const [bad, answer] of [
		['a wrong accept', () => 'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n'],
		['no accept', () => 'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
		['another protocol', (_, a) => `HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${a}\r\n\r\n`],
		['no Connection', (_, a) => `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${a}\r\n\r\n`],
	]) {
		const wrong = await startSocketOrigin(() => sleep(5000), answer)
		const other = await startNode({ config: { origin: wrong.url } })
		const c = await open(other.port)
		assert.equal(c.head.status, 502, bad)
		c.end()
		await other.stop()
		await wrong.close()
	}
})

test('101 is no answer to a request that did not ask for it', async () => {
	const wrong = await startSocketOrigin(() => sleep(5000), () => 'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
	const other = await startNode({ config: { origin: wrong.url } })
	assert.equal((await other.get('site.example')).status, 502)
	await other.stop()
	await wrong.close()
	const c = await node.get('elsewhere.example')
	assert.equal(c.status, 599, 'a socket of the routine is no answer to a plain request')
})

test('a client that leaves ends the socket at the origin, and the other way round', async () => {
	let gone
	const other = await startSocketOrigin(async (server, head) => {
		if (head.startsWith('GET /drop')) {
			await server.frame()
			server.socket.destroy()
			return
		}
		gone = server.frame().catch(e => e)
		await gone
	})
	const of = await startNode({ config: { origin: other.url } })
	const c = await open(of.port, '/stay')
	await until(() => gone !== undefined)
	c.end()
	assert.ok((await gone) instanceof Error)
	const d = await open(of.port, '/drop')
	d.send('now')
	await d.raw.closed()
	await of.stop()
	await other.close()
})

test('a half-closed client still gets what the origin says', async () => {
	const other = await startSocketOrigin(async server => {
		const first = await server.message()
		await server.frame().catch(() => {})
		server.send(`${first} to the end`)
	})
	const of = await startNode({ config: { origin: other.url } })
	const c = await open(of.port)
	c.send('heard')
	c.raw.socket.end()
	assert.equal(await c.message(), 'heard to the end')
	await c.raw.closed()
	await of.stop()
	await other.close()
})

test('a slow reader on either side stops the other, and the node holds little', async () => {
	let sent = 0
	const other = await startSocketOrigin(async server => {
		const part = Buffer.alloc(65536, 1)
		while (sent < 200e6) {
			sent += part.length
			if (!server.send(part)) await new Promise((resolve, reject) => {
				server.socket.once('drain', resolve)
				server.socket.once('close', reject)
			})
		}
	})
	const of = await startNode({ config: { origin: other.url } })
	const before = of.holdings().anonymous
	const c = await open(of.port)
	c.raw.socket.pause()
	let last = -1
	await until(() => {
		const still = sent === last
		last = sent
		return still && sent > 0
	}, { every: 300 })
	assert.ok(sent < 100e6, `${sent} bytes were taken from the origin`)
	// a sanitizer keeps what was freed
	assert.ok(sanitized || of.holdings().anonymous - before < 4e6)
	c.end()
	await of.stop()
	await other.close()
})

test('a socket without a byte ends when its time is over', async () => {
	const c = await open(node.port, '/', { host: 'site.example' })
	await sleep(1200)
	c.send('still here')
	assert.equal(await c.message(), 'still here')
	await sleep(1200)
	assert.equal(c.raw.ended, false, 'a byte began the time anew')
	await c.raw.closed()
})

test('sockets in one access log line each, with status 101', async () => {
	const c = await open(node.port, '/logged', { host: 'site.example' })
	c.send('x')
	await c.message()
	await c.close(1000)
	const line = await until(() => node.access.find(l => l.path === '/logged' || l.target === '/logged' || JSON.stringify(l).includes('/logged')))
	assert.equal(line.status, 101)
})
