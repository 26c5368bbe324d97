// Servers that a routine's WebSocket is connected to, and that break the rules: what the routine
// hears, and what the server is told.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import zlib from 'node:zlib'
import { startNode } from './lib/node.mjs'
import { BINARY, CLOSE, PING, PONG, TEXT, closeFrame, frame, startSocketOrigin } from './lib/websocket.mjs'

const MOST = 100000 // limits.messageBytes
const source = `__er_module = { default: { async fetch(request, env) {
	const seen = []
	const socket = new WebSocket(env.TO + new URL(request.url).pathname)
	socket.binaryType = "arraybuffer"
	await new Promise((done) => {
		socket.onopen = () => seen.push("open")
		socket.onerror = (e) => seen.push("error " + e.message)
		socket.onmessage = ({ data }) => { seen.push(typeof data === "string" ? data : "bytes " + data.byteLength); if (seen.length > 100) seen.length = 50 }
		socket.onclose = (e) => done(seen.push("close " + e.code + " " + e.reason + " " + e.wasClean))
	})
	return Response.json(seen)
} } }`

const plain = { mask: false }
const server = (opcode, data, options) => frame(opcode, data, { ...plain, ...options })
const squeeze = data => zlib.deflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4)
const DEFLATE = 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n'

/** path: [what the server sends, the code that it is closed with, what the routine hears between
 * "open" and the end, fields of the head]. */
const breaks = {
	'a masked frame': [server(TEXT, 'x', { mask: true }), 1002],
	'a reserved opcode': [server(3, 'x'), 1002],
	'a reserved bit': [server(TEXT, 'x', { rsv: 2 }), 1002],
	'compression that was not agreed on': [server(TEXT, 'x', { rsv: 4 }), 1002],
	'a control frame in fragments': [server(PING, 'x', { fin: false }), 1002],
	'a long control frame': [server(PING, 'x'.repeat(126)), 1002],
	'a continuation of nothing': [server(0, 'x'), 1002],
	'a message inside another': [Buffer.concat([server(TEXT, 'x', { fin: false }), server(TEXT, 'y')]), 1002],
	'a length that is not the shortest': [server(TEXT, 'x', { wide: 8 }), 1002],
	'a length of 63 bits': [server(BINARY, '', { length: 2 ** 52 }), 1009],
	'text that is no UTF-8': [server(TEXT, Buffer.from([0xc3, 0x28])), 1007],
	'a message above the limit': [server(BINARY, Buffer.alloc(MOST + 1)), 1009],
	'fragments above the limit': [Buffer.concat([server(BINARY, Buffer.alloc(MOST), { fin: false }), server(0, 'xx')]), 1009],
	'a bomb': [server(BINARY, squeeze(Buffer.alloc(20_000_000)), { rsv: 4 }), 1009, [], DEFLATE],
	'rubbish that says it is compressed': [server(BINARY, 'rubbish of no kind', { rsv: 4 }), 1007, [], DEFLATE],
	'a Close of one byte': [server(CLOSE, 'x'), 1002],
	'a Close with a code that is nobody’s': [closeFrame(1005, '', plain), 1002],
	'good messages before a bad one': [Buffer.concat([server(TEXT, 'one'), server(BINARY, 'two'), server(11, '')]), 1002, ['one', 'bytes 3']],
}
const at = name => `/${Buffer.from(name).toString('hex')}`
const byPath = Object.fromEntries(Object.entries(breaks).map(([name, v]) => [at(name), v]))
const told = {}
const pathOf = head => head.split(' ')[1]

let origin, node
before(async () => {
	origin = await startSocketOrigin(
		async (s, head) => {
			const path = pathOf(head)
			if (path === '/pings') {
				s.socket.write(Buffer.concat(Array.from({ length: 2000 }, (_, i) => server(PING, `${i}`))))
				s.send('after the pings')
				let pongs = 0
				for (;;) {
					const f = await s.frame()
					assert.equal(f.masked, true)
					if (f.opcode === PONG) pongs++
					if (pongs === 1) s.socket.write(closeFrame(4001, 'enough', plain))
					if (f.opcode === CLOSE) return
				}
			}
			if (path === '/gone') return s.socket.destroy()
			if (path === '/at-once') return
			if (path === '/half') {
				s.socket.write(Buffer.concat([server(TEXT, 'whole'), server(TEXT, 'half a frame').subarray(0, 5)]))
				return
			}
			s.socket.write(byPath[path][0])
			for (let f; (f = await s.frame());)
				if (f.opcode === CLOSE) {
					told[path] = f.payload.readUInt16BE()
					return
				}
		},
		(head, accept) => {
			const path = pathOf(head)
			const said = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${byPath[path]?.[3] ?? ''}Sec-WebSocket-Accept: ${accept}\r\n\r\n`
			return path === '/at-once' ? Buffer.concat([Buffer.from(said), server(TEXT, 'first'), closeFrame(4002, 'bye', plain)]) : said
		},
	)
	node = await startNode({ routines: { r: { source, vars: { TO: origin.url.replace('http:', 'ws:') }, allowAddresses: ['127.0.0.1/32'], limits: { messageBytes: MOST } } } })
})
after(async () => {
	await node.stop()
	await origin.close()
	assert.doesNotMatch(node.log, /AddressSanitizer|runtime error/)
})
const hears = async path => JSON.parse((await node.get('r', path)).text)

for (const [name, [, code, between = []]] of Object.entries(breaks))
	test(`a server that sends ${name} is told ${code}, and the routine hears of it`, async () => {
		const seen = await hears(at(name))
		assert.deepEqual(seen.slice(0, 1 + between.length), ['open', ...between])
		assert.match(seen.at(-2), /^error WebSocket: ./)
		assert.equal(seen.at(-1), 'close 1006  false')
		assert.equal(told[at(name)], code)
	})

test('a server that pings without end costs no memory, and is heard', async () => {
	assert.deepEqual(await hears('/pings'), ['open', 'after the pings', 'close 4001 enough true'])
})

test('what a server says at once, and leaves, is heard', async () => {
	for (let i = 0; i < 20; i++) assert.deepEqual(await hears('/at-once'), ['open', 'first', 'close 4002 bye true'])
})

test('a server that goes without a word, or in the middle of a frame, is closed with 1006', async () => {
	assert.equal((await hears('/gone')).at(-1), 'close 1006  false')
	assert.deepEqual((await hears('/half')).filter(s => !s.startsWith('error')), ['open', 'whole', 'close 1006  false'])
})
