// WebSockets to servers that speak TLS, or have several addresses: as a routine's client, and
// passed on unread.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { sanitized, startNode, tempDir } from './lib/node.mjs'
import { until } from './lib/raw.mjs'
import { certificate } from './lib/scripted.mjs'
import { TEXT, echo, frame, open, startSocketOrigin } from './lib/websocket.mjs'

const source = `__er_module = { default: { async fetch(request, env) {
	const url = new URL(request.url)
	const to = url.searchParams.get("to") ?? env.TO
	if (url.pathname === "/relay") return fetch(to + "/relayed", { headers: { upgrade: "websocket" } })
	const seen = []
	const socket = new WebSocket(to.replace("http", "ws") + "/client")
	socket.binaryType = "arraybuffer"
	await new Promise((done) => {
		socket.onopen = () => { socket.send("text"); socket.send(new Uint8Array(900000).fill(7)) }
		socket.onerror = () => seen.push("error")
		socket.onmessage = ({ data }) => {
			seen.push(typeof data === "string" ? data : data.byteLength + " of " + new Uint8Array(data)[899999])
			if (typeof data !== "string") socket.close(4000, "enough")
		}
		socket.onclose = (e) => done(seen.push("close " + e.code + " " + e.wasClean))
	})
	return Response.json(seen)
} } }`

const dir = tempDir('er-wss-')
const secure = certificate(dir)
const unknown = (fs.mkdirSync(`${dir}/unknown`), certificate(`${dir}/unknown`))
let origin, node
const startSecure = (onOpen, answer, { key, cert } = secure) => startSocketOrigin(onOpen, answer, { key, cert })
const startSite = (url, config) => startNode({ config: { threads: 1, sites: [{ hosts: ['localhost'], cache: false, origin: { servers: [url], private: true, tls: { ca: secure.file } } }], limits: { drainMs: 500 }, ...config } })

before(async () => {
	origin = await startSecure(echo)
	node = await startNode({
		routines: { r: { source, vars: { TO: origin.url }, allowAddresses: ['127.0.0.0/8', '::1/128'], limits: { messageBytes: 1000000 } } },
		env: { SSL_CERT_FILE: secure.file },
	})
})
after(async () => {
	await node.stop()
	await origin.close()
	fs.rmSync(dir, { recursive: true, force: true })
})

const client = async to => JSON.parse((await node.get('r', `/client${to ? `?to=${encodeURIComponent(to)}` : ''}`)).text)

test('a routine is the client of a wss server', async () => {
	assert.deepEqual(await client(), ['text', '900000 of 7', 'close 4000 true'])
	assert.match(origin.heads.at(-1), /^GET \/client HTTP\/1\.1\r\nHost: 127\.0\.0\.1:/)
})

test('many sockets to one wss server are each their own', async () => {
	const all = await Promise.all(Array.from({ length: 20 }, () => client()))
	for (const one of all) assert.deepEqual(one, ['text', '900000 of 7', 'close 4000 true'])
})

test('a server with two addresses is found at the one that answers', async () => {
	const plain = await startSocketOrigin(echo)
	try {
		for (const it of [plain, origin]) assert.deepEqual(await client(it.url.replace('127.0.0.1', 'localhost')), ['text', '900000 of 7', 'close 4000 true'])
		assert.equal(plain.heads.length, 1)
	} finally {
		await plain.close()
	}
})

test('a certificate that nobody vouches for fails the socket, and nothing was asked', async () => {
	const other = await startSecure(echo, undefined, unknown)
	try {
		assert.deepEqual(await client(other.url), ['error', 'close 1006 false'])
		const c = await open(node.port, `/relay?to=${encodeURIComponent(other.url)}`, { host: 'r.localhost' })
		assert.notEqual(c.head.status, 101)
		c.end()
		assert.equal(other.heads.length, 0)
	} finally {
		await other.close()
	}
})

test('an address that the routine may not reach is refused before it is connected to', async () => {
	const other = await startNode({ routines: { r: { source, vars: { TO: origin.url } } }, env: { SSL_CERT_FILE: secure.file } })
	const before = origin.heads.length
	assert.deepEqual(JSON.parse((await other.get('r', '/client')).text), ['error', 'close 1006 false'])
	assert.equal(origin.heads.length, before)
	await other.stop()
})

test('a server that is not there, or no WebSocket server, fails the socket', async () => {
	const rude = await startSecure(() => {}, () => 'HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno')
	const garbage = await startSecure(() => {}, () => '\x16\x03\x01garbage\r\n\r\n')
	try {
		for (const to of [rude.url, garbage.url, 'https://127.0.0.1:1', `https://127.0.0.1:${node.port}`])
			assert.deepEqual(await client(to), ['error', 'close 1006 false'], to)
	} finally {
		await rude.close()
		await garbage.close()
	}
})

for (const kind of ['a site', 'a routine'])
	test(`a socket through ${kind} to a TLS origin carries bytes both ways, and its close`, async () => {
		const of = kind === 'a site' ? await startSite(origin.url) : node
		const c = await open(of.port, '/relay', { host: of === node ? 'r.localhost' : 'localhost', early: frame(TEXT, 'early') })
		assert.equal(c.head.status, 101)
		assert.ok(c.accepted, 'the accept is that of this client')
		assert.equal(await c.message(), 'early')
		for (let i = 0; i < 3; i++) {
			const large = Buffer.alloc(3_000_000, `abcdefg${i}`)
			c.send(large)
			assert.ok(large.equals(await c.message()))
		}
		c.send('small')
		assert.equal(await c.message(), 'small')
		assert.deepEqual(await c.close(1000, 'bye'), { code: 1000, reason: 'bye' })
		if (of !== node) await of.stop()
	})

test('what a TLS origin says with its 101, before anybody asks, is not lost', async () => {
	const says = await startSecure(async server => {
		await server.message()
	}, (_, accept) => Buffer.concat([Buffer.from(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`), frame(TEXT, 'hello', { mask: false }), frame(TEXT, 'x'.repeat(100000), { mask: false })]))
	const of = await startSite(says.url)
	const c = await open(of.port)
	assert.equal(await c.message(), 'hello')
	assert.equal((await c.message()).length, 100000)
	c.end()
	await of.stop()
	await says.close()
})

test('a client that leaves ends the socket at the TLS origin, and the other way round', async () => {
	let gone
	const other = await startSecure(async (server, head) => {
		if (head.startsWith('GET /drop')) {
			await server.frame()
			server.socket.destroy()
			return
		}
		gone = server.frame().catch(e => e)
		await gone
	})
	const of = await startSite(other.url)
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

test('a slow reader on either side of a TLS origin stops the other, and the node holds little', async () => {
	let sent = 0, taken = 0
	const other = await startSecure(async (server, head) => {
		if (head.startsWith('GET /deaf')) {
			server.socket.pause()
			return new Promise(resolve => server.socket.once('close', resolve))
		}
		const part = Buffer.alloc(65536, 1)
		while (sent < 200e6) {
			sent += part.length
			if (!server.send(part)) await new Promise((resolve, reject) => {
				server.socket.once('drain', resolve)
				server.socket.once('close', reject)
			})
		}
	})
	const of = await startSite(other.url)
	const still = async read => {
		let last = -1
		await until(() => {
			const same = read() === last
			last = read()
			return same && last > 0
		}, { every: 300 })
	}
	const before = of.holdings().anonymous
	const c = await open(of.port)
	c.raw.socket.pause()
	await still(() => sent)
	assert.ok(sent < 100e6, `${sent} bytes were taken from the origin`)
	const d = await open(of.port, '/deaf')
	const part = frame(2, Buffer.alloc(65536))
	d.raw.socket.on('error', () => {})
	const push = () => {
		while (taken < 200e6 && d.raw.socket.write(part, () => (taken += part.length)));
		d.raw.socket.once('drain', push)
	}
	push()
	await still(() => taken)
	assert.ok(taken < 100e6, `${taken} bytes were taken from the client`)
	// a sanitizer keeps what was freed
	assert.ok(sanitized || of.holdings().anonymous - before < 6e6)
	c.end()
	d.raw.socket.destroy()
	await of.stop()
	await other.close()
})

test('the end of the node ends sockets to TLS origins', async () => {
	const of = await startSite(origin.url)
	const c = await open(of.port)
	c.send('x')
	assert.equal(await c.message(), 'x')
	const stopped = of.stop()
	await c.raw.closed().catch(() => {})
	await stopped
	assert.doesNotMatch(of.log, /assert|Sanitizer/i)
})
