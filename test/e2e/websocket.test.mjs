// WebSockets that a routine ends: the protocol as a client sees it, byte by byte, and what the
// routine's code sees.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import zlib from 'node:zlib'
import { startStore } from './lib/deploy.mjs'
import { startNode } from './lib/node.mjs'
import { sandboxes } from './lib/proc.mjs'
import { until } from './lib/raw.mjs'
import { BINARY, CLOSE, PING, PONG, TEXT, closeFrame, echo, frame, open, startSocketOrigin } from './lib/websocket.mjs'

// One routine for all: the path says what it does with a socket.
const source = `
const pair = (on) => {
	const [client, server] = Object.values(new WebSocketPair())
	on(server)
	return new Response(null, { status: 101, webSocket: client, headers: { "x-said": "yes" } })
}
const log = []
const room = new Set()
const note = (server) => {
	server.addEventListener("message", ({ data }) => log.push(typeof data === "string" ? data : "bytes " + data.byteLength))
	server.addEventListener("error", (e) => log.push("error " + e.message))
	server.addEventListener("close", (e) => log.push("close " + e.code + " " + e.reason + " " + e.wasClean + " " + server.readyState))
}
const kinds = {
	echo: (server) => {
		server.accept()
		server.addEventListener("message", (e) => server.send(e.data))
	},
	note: (server) => {
		server.accept()
		note(server)
	},
	"later": async (server) => {
		note(server)
		await new Promise((done) => setTimeout(done, 200))
		server.accept()
		server.send("now")
	},
	greet: (server) => {
		server.accept()
		server.send("one")
		server.send(new Uint8Array([1, 2, 3]).subarray(1))
		server.send(new Blob(["blob"]))
		server.send({ toString: () => "object" })
		server.send("lone \\ud800")
		server.close(4001, "done")
		server.send("never")
	},
	chat: (server) => {
		server.accept()
		room.add(server)
		server.addEventListener("message", ({ data }) => { for (const other of room) other.send(data) })
		server.addEventListener("close", () => room.delete(server))
	},
	flood: (server) => {
		server.accept()
		server.addEventListener("error", (e) => log.push("flood " + e.message))
		server.addEventListener("close", (e) => log.push("flood " + e.code))
		const part = "x".repeat(100000)
		server.addEventListener("message", () => { for (let i = 0; i < 400; i++) server.send(part) ; log.push("buffered " + (server.bufferedAmount > 0)) })
	},
	spin: (server) => {
		server.accept()
		server.addEventListener("message", ({ data }) => { const end = Date.now() ; let n = 0; for (let i = 0; i < +data; i++) n = Math.sin(n + i); server.send(String(n > 2)) })
	},
	throws: (server) => {
		server.accept()
		server.addEventListener("message", ({ data }) => { if (data === "throw") throw new Error("thrown") ; server.send("after " + data) })
	},
}
__er_module = { default: { async fetch(request, env) {
	const url = new URL(request.url), kind = url.pathname.slice(1)
	if (kind === "log") return Response.json(log.splice(0))
	if (kind === "size") return new Response(String(room.size))
	if (kind === "wrong") {
		const seen = []
		const attempt = (f) => { try { f(); seen.push("passed") } catch (e) { seen.push(e.name + ": " + e.message) } }
		const { 0: client, 1: server } = new WebSocketPair()
		attempt(() => server.send("x"))
		attempt(() => new Response(null, { status: 101 }))
		attempt(() => new Response(null, { status: 101, webSocket: {} }))
		attempt(() => new Response("body", { status: 101, webSocket: client }))
		attempt(() => client.accept())
		attempt(() => new WebSocket("ftp://example.com"))
		attempt(() => new WebSocket("ws://example.com/#fragment"))
		attempt(() => new WebSocket("ws://example.com/", ["a", "A"]))
		attempt(() => new WebSocket("ws://example.com/", "a b"))
		server.accept()
		attempt(() => server.accept())
		attempt(() => server.close(1005))
		attempt(() => server.close(1000, "x".repeat(124)))
		attempt(() => WebSocket())
		return Response.json(seen)
	}
	if (kind === "inside") {
		const [one, two] = Object.values(new WebSocketPair()), seen = []
		one.accept()
		one.send("early")
		two.addEventListener("message", ({ data }) => { seen.push(data); two.send(data + " back") })
		const over = new Promise((done) => two.addEventListener("close", (e) => done(seen.push("two " + e.code + e.reason))))
		one.onmessage = ({ data }) => { seen.push(data); one.close(3000, "bye") }
		const closed = new Promise((done) => one.addEventListener("close", (e) => done(seen.push("one " + e.code))))
		two.accept()
		await over; await closed
		return Response.json([seen, one.readyState, two.readyState])
	}
	if (kind === "client") {
		const seen = []
		const socket = new WebSocket(env.TO.replace("//", "//me:p%40ss@") + "/c" , ["chat", "other"])
		seen.push(socket.readyState, socket.url, socket.binaryType)
		await new Promise((done) => {
			socket.onopen = () => { seen.push("open " + socket.readyState + " " + socket.protocol); socket.send("text"); socket.send(new Uint8Array(3)); seen.push("buffered " + socket.bufferedAmount) }
			socket.onerror = (e) => seen.push("error " + e.message)
			socket.onmessage = async ({ data, origin }) => { seen.push(typeof data === "string" ? data + " " + origin : data.constructor.name + data.size); if (typeof data !== "string") { seen.push("buffered " + socket.bufferedAmount); socket.close(4000, "enough") } }
			socket.onclose = (e) => done(seen.push("close " + e.code + " " + e.reason + " " + e.wasClean + " " + socket.readyState))
		})
		return Response.json(seen)
	}
	if (kind === "fetched") {
		const response = await fetch(env.TO.replace("ws:", "http:") + "/f", { headers: { Upgrade: "websocket" } })
		const socket = response.webSocket
		socket.accept()
		socket.send("hello")
		const { data } = await new Promise((done) => socket.addEventListener("message", done))
		socket.close()
		return Response.json([response.status, response.body, data, socket === response.webSocket])
	}
	if (request.headers.get("upgrade") !== "websocket" && kind !== "lies") return new Response("no socket", { status: 426 })
	let waits
	const response = pair((server) => { waits = (kinds[kind] ?? kinds.echo)(server) })
	return response
} } }`

let node, origin
before(async () => {
	origin = await startSocketOrigin(echo, (head, key) => `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n${/sec-websocket-protocol/i.test(head) ? 'Sec-WebSocket-Protocol: chat\r\n' : ''}\r\n`)
	node = await startNode({
		routines: { r: { source, vars: { TO: origin.url.replace('http:', 'ws:') }, allowAddresses: ['127.0.0.1/32'], limits: { messageBytes: 1000000, sockets: 8, cpuMs: 1000 } } },
	})
})
after(async () => {
	await node.stop()
	await origin.close()
})

const host = 'r.localhost'
const socket = (kind, options) => open(node.port, `/${kind}`, { host, ...options })
/** Sockets of tests before may be open yet. */
const socketWhenFree = () => until(async () => {
	const c = await socket('echo')
	return c.head.status === 101 && c
})
const log = async () => JSON.parse((await node.get('r', '/log')).text)
const logged = async re => until(async () => {
	heard.push(...(await log()))
	const at = heard.findIndex(l => re.test(l))
	return at >= 0 && heard.splice(at, 1)[0]
}, { what: `${re} in ${JSON.stringify(heard)}` })
const heard = []
/** Sends what breaks the rules; the code of the Close that comes back. */
async function refused(...parts) {
	const c = await socket('note')
	c.bytes(...parts)
	const { code } = await c.message()
	await c.raw.closed()
	return code
}

test('text and bytes of every length come back', async () => {
	const c = await socket('echo')
	assert.equal(c.head.status, 101)
	assert.ok(c.accepted)
	assert.equal(c.head.headers['x-said'], 'yes')
	for (const n of [0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 300000]) {
		const data = Buffer.alloc(n, 'abcdefg')
		c.send(data)
		assert.ok(data.equals(await c.message()), `${n} bytes`)
		c.send(data.toString())
		assert.equal(await c.message(), data.toString(), `${n} characters`)
	}
	c.send('κόσμε ✓ 🎈')
	const f = await c.frame()
	assert.deepEqual([f.opcode, f.masked, f.fin, f.payload.toString()], [TEXT, false, true, 'κόσμε ✓ 🎈'])
	assert.deepEqual(await c.close(1000, 'bye'), { code: 1000, reason: '' })
})

test('fragments, with control frames between them, are one message', async () => {
	const c = await socket('echo')
	c.bytes(frame(TEXT, 'frag', { fin: false }), frame(PING, 'ping'), frame(0, '', { fin: false }), frame(0, 'ment', { fin: true }))
	assert.deepEqual(await c.message(), { opcode: PONG, payload: 'ping' })
	assert.equal(await c.message(), 'fragment')
	c.bytes(frame(PONG, 'unasked'))
	const many = Buffer.concat([frame(TEXT, 'a', { fin: false }), ...Array.from({ length: 5000 }, () => frame(0, 'b', { fin: false })), frame(0, 'c')])
	c.bytes(many)
	assert.equal(await c.message(), `a${'b'.repeat(5000)}c`)
	for (const byte of Buffer.concat([frame(TEXT, 'κ', { fin: false }), frame(0, 'bytewise')])) c.bytes(Buffer.from([byte]))
	assert.equal(await c.message(), 'κbytewise')
	const half = Buffer.from('κ')
	c.bytes(frame(TEXT, half.subarray(0, 1), { fin: false }), frame(0, half.subarray(1)))
	assert.equal(await c.message(), 'κ', 'a character may be cut by fragments')
	await c.close()
})

test('what breaks the rules of the protocol is answered with the code for it', async () => {
	const cases = [
		[1002, frame(TEXT, 'x', { mask: false })],
		[1002, frame(3, 'x')],
		[1002, frame(11, 'x')],
		[1002, frame(TEXT, 'x', { rsv: 4 })],
		[1002, frame(TEXT, 'x', { rsv: 1 })],
		[1002, frame(PING, 'x', { fin: false })],
		[1002, frame(PING, 'x'.repeat(126))],
		[1002, frame(0, 'x')],
		[1002, frame(TEXT, 'x', { fin: false }), frame(TEXT, 'y')],
		[1002, frame(TEXT, 'x', { wide: 2 })],
		[1002, frame(TEXT, 'x'.repeat(300), { wide: 8 })],
		[1002, Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])],
		[1002, frame(CLOSE, 'x')],
		...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535].map(code => [1002, closeFrame(code)]),
		[1007, closeFrame(1000, Buffer.from([0xff]))],
		[1007, frame(TEXT, Buffer.from([0xc0, 0xaf]))],
		[1007, frame(TEXT, Buffer.from([0xed, 0xa0, 0x80]))],
		[1007, frame(TEXT, Buffer.from([0xf4, 0x90, 0x80, 0x80]))],
		[1007, frame(TEXT, Buffer.from([0xe2, 0x82]))],
		[1007, frame(TEXT, Buffer.from('abc\xff', 'latin1'), { length: 1000 })],
		[1009, frame(BINARY, '', { length: 1000001 })],
		[1009, frame(BINARY, Buffer.alloc(600000), { fin: false }), frame(0, '', { length: 500000 })],
	]
	for (const [code, ...bytes] of cases) assert.equal(await refused(...bytes), code, bytes[0].subarray(0, 20).toString('hex'))
	await logged(/^error WebSocket: a frame of the client is not masked/)
	await logged(/^close 1006  false 3/)
})

test('compressed messages of every size come back, whatever windows a client offers', async () => {
	const squeeze = data => zlib.deflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4)
	const spread = data => zlib.inflateRawSync(Buffer.concat([data, Buffer.from([0, 0, 255, 255])]), { finishFlush: zlib.constants.Z_SYNC_FLUSH })
	for (const [offer, agreed] of [
		['permessage-deflate', /^permessage-deflate/],
		['permessage-deflate; client_max_window_bits', /^permessage-deflate/],
		['permessage-deflate; server_max_window_bits=9', /server_max_window_bits=9/],
		['permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10', /server_no_context_takeover/],
		['permessage-deflate; unheard_of, permessage-deflate', /^permessage-deflate/],
		['permessage-deflate; server_max_window_bits=7', undefined],
		['permessage-deflate; server_no_context_takeover; server_no_context_takeover', undefined],
		['x-webkit-deflate-frame', undefined],
	]) {
		const c = await socket('echo', { headers: { 'sec-websocket-extensions': offer } })
		const said = c.head.headers['sec-websocket-extensions']
		if (agreed) assert.match(said, agreed, offer)
		else assert.equal(said, undefined, offer)
		for (const n of agreed ? [0, 16, 64, 256, 1000, 40000, 131072, 900000] : [16, 1000]) {
			const text = Array.from({ length: Math.ceil(n / 10) }, (_, i) => String(i * 7919).padStart(10, '.')).join('').slice(0, n)
			const bytes = agreed ? squeeze(text) : Buffer.from(text)
			const cut = bytes.length >> 1
			c.bytes(frame(TEXT, bytes.subarray(0, cut), { rsv: agreed ? 4 : 0, fin: false }), frame(PING, ''), frame(0, bytes.subarray(cut)))
			assert.equal((await c.frame()).opcode, PONG)
			const back = await c.frame()
			assert.equal(back.rsv, agreed && n >= 512 ? 4 : 0, `${n} bytes: what is short is not compressed`)
			assert.equal((back.rsv ? spread(back.payload) : back.payload).toString(), text)
			c.bytes(frame(TEXT, text))
			const plain = await c.frame()
			assert.equal((plain.rsv ? spread(plain.payload) : plain.payload).toString(), text, 'what the client does not compress is taken as well')
		}
		await c.close()
	}
	const bomb = await socket('note', { headers: { 'sec-websocket-extensions': 'permessage-deflate' } })
	bomb.bytes(frame(TEXT, squeeze(Buffer.alloc(50_000_000, 'a')), { rsv: 4 }))
	assert.equal((await bomb.message()).code, 1009, 'what unfolds above messageBytes is refused')
	await bomb.raw.closed()
	const broken = await socket('note', { headers: { 'sec-websocket-extensions': 'permessage-deflate' } })
	broken.bytes(frame(TEXT, 'no deflate at all', { rsv: 4 }))
	assert.ok([1002, 1007].includes((await broken.message()).code))
	await broken.raw.closed()
})

test('a close is answered with its code, and the code is told', async () => {
	for (const code of [1000, 1001, 1003, 1007, 1011, 1012, 3000, 4999]) {
		const c = await socket('note')
		assert.deepEqual(await c.close(code, 'why'), { code, reason: '' })
		await logged(new RegExp(`^close ${code} why true 3`))
	}
	const c = await socket('note')
	c.bytes(frame(CLOSE))
	assert.deepEqual(await c.message(), { code: undefined, reason: '' })
	await logged(/^close 1005  true 3/)
})

test('a client that goes without a word is closed with 1006', async () => {
	const c = await socket('note')
	c.send('here')
	await logged(/^here/)
	c.end()
	await logged(/^close 1006  false 3/)
})

test('what a routine says comes in its order, and its close ends the socket', async () => {
	const c = await socket('greet')
	assert.equal(await c.message(), 'one')
	assert.deepEqual([...(await c.message())], [2, 3])
	assert.equal((await c.message()).toString(), 'blob')
	assert.equal(await c.message(), 'object')
	assert.equal(await c.message(), 'lone \ufffd')
	assert.deepEqual(await c.message(), { code: 4001, reason: 'done' })
	c.bytes(closeFrame(4001))
	await c.raw.closed()
})

test('messages wait until the routine accepts', async () => {
	const c = await socket('later')
	c.send('early')
	assert.equal(await c.message(), 'now')
	await logged(/^early/)
	await c.close()
})

test('sockets of different requests can talk to each other', async () => {
	const a = await socket('chat'), b = await socket('chat')
	a.send('hello')
	assert.equal(await b.message(), 'hello')
	assert.equal(await a.message(), 'hello')
	await a.close()
	await until(async () => (await node.get('r', '/size')).text === '1')
	b.send('alone')
	assert.equal(await b.message(), 'alone')
	await b.close()
})

test('an exception in a listener harms no socket', async () => {
	const c = await socket('throws')
	c.send('throw')
	c.send('that')
	assert.equal(await c.message(), 'after that')
	await c.close()
})

test('each message has its own CPU limit, and the connection has none', async () => {
	const own = await startNode({ cpuMs: 0, routines: { r: { source, limits: { cpuMs: 200 } } } })
	const c = await open(own.port, '/spin', { host })
	let sum = 0
	for (let i = 0; i < 30; i++) {
		const began = process.hrtime.bigint()
		c.send('800000')
		assert.equal(await c.message(), 'false')
		sum += Number(process.hrtime.bigint() - began) / 1e6
	}
	assert.ok(sum > 200, `all together took ${sum} ms`)
	c.send('2000000000')
	await c.raw.closed()
	await until(() => /"reason":"cpu"|cpu/.test(own.log))
	await own.stop()
})

test('a client that does not read is not kept in memory without bound', async () => {
	const c = await socket('flood')
	c.raw.socket.pause()
	c.send('go')
	await logged(/^buffered true/)
	await logged(/^flood WebSocket: more than 16 MB/)
	await logged(/^flood 1006/)
	c.end()
})

test('mistakes of the code are told in words', async () => {
	const seen = JSON.parse((await node.get('r', '/wrong')).text)
	assert.match(seen[0], /accept\(\) has to be called/)
	assert.match(seen[1], /RangeError/)
	assert.match(seen[2], /WebSocketPair/)
	assert.match(seen[3], /cannot have a body/)
	assert.match(seen[4], /given to a Response/)
	for (const i of [5, 6, 7, 8]) assert.match(seen[i], /^SyntaxError/)
	assert.match(seen[9], /accepted already/)
	assert.match(seen[10], /^InvalidAccessError/)
	assert.match(seen[11], /^SyntaxError/)
	assert.match(seen[12], /^TypeError/)
	const lies = await node.get('r', '/lies')
	assert.equal(lies.status, 599, 'a socket for a client that did not ask')
})

test('both ends of a pair may stay in the routine', async () => {
	assert.deepEqual(JSON.parse((await node.get('r', '/inside')).text), [['early', 'early back', 'two 3000bye', 'one 3000'], 3, 3])
})

test('a routine is a client, too: new WebSocket', async () => {
	const at = origin.url.replace('http:', 'ws:')
	assert.deepEqual(JSON.parse((await node.get('r', '/client')).text), [0, `${at.replace('//', '//me:p%40ss@')}/c`, 'blob', 'open 1 chat', 'buffered 7', `text ${at}`, 'Blob3', 'buffered 0', 'close 4000 enough true 3'])
	const head = origin.heads.find(h => h.startsWith('GET /c '))
	assert.match(head, /^sec-websocket-protocol: chat, other\r$/im)
	assert.match(head, /^sec-websocket-extensions: permessage-deflate/im)
	assert.match(head, /^authorization: Basic bWU6cEBzcw==\r$/im)
})

test('a routine is a client, too: fetch with Upgrade', async () => {
	assert.deepEqual(JSON.parse((await node.get('r', '/fetched')).text), [101, null, 'hello', true])
})

test('more sockets than the routine may have are refused', async () => {
	const all = []
	for (let i = 0; i < 8; i++) all.push(await socket('echo'))
	const more = await socket('echo')
	assert.equal(more.head.status, 503)
	assert.match(more.head.text, /8 WebSockets open .*limits\.sockets/)
	more.end()
	await all[0].close()
	const again = await socketWhenFree()
	again.end()
	all.forEach(c => c.end())
	await socketWhenFree().then(c => c.close())
})

test('the end of the node says 1001 to everybody', async () => {
	const own = await startNode({ routines: { r: { source } } })
	const c = await open(own.port, '/echo', { host })
	c.send('x')
	assert.equal(await c.message(), 'x')
	const stopped = own.stop()
	assert.equal((await c.message()).code, 1001)
	await c.raw.closed()
	await stopped
})

test('a new version says 1001 to the sockets of the one before, and takes those that come', async () => {
	const own = await startStore({ config: { threads: 1 } })
	const version = v => `__er_module = { default: { fetch() {
		const { 0: client, 1: server } = new WebSocketPair()
		server.accept()
		server.addEventListener("message", () => server.send("${v}"))
		return new Response(null, { status: 101, webSocket: client })
	} } }`
	await own.deploy('r', version('one'))
	const old = await open(own.port, '/', { host })
	old.send('which?')
	assert.equal(await old.message(), 'one')
	await own.deploy('r', version('two'))
	const { code } = await old.message()
	assert.equal(code, 1001)
	old.bytes(closeFrame(code))
	await old.raw.closed()
	const next = await open(own.port, '/', { host })
	next.send('which?')
	assert.equal(await next.message(), 'two')
	await next.close()
	await own.stop()
	own.forget()
})

test('a sandbox that is killed takes its sockets along, and the next one works', async () => {
	const c = await socketWhenFree()
	c.send('x')
	assert.equal(await c.message(), 'x')
	for (const pid of sandboxes(node.pid)) process.kill(pid, 'SIGKILL')
	await c.raw.closed()
	const d = await socketWhenFree()
	d.send('y')
	assert.equal(await d.message(), 'y')
	await d.close()
})
