// WebSocket (RFC 6455) by hand, for both ends: a client that can do everything right and wrong, and
// an origin that answers handshakes. Frames are read as they are on the wire.
import { createHash, randomBytes } from 'node:crypto'
import { connect } from './raw.mjs'
import { startRawOrigin } from './origin.mjs'

export const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10

const accept = key => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** The bytes of one frame. `mask`: true for a client's; `length`: what the head says in place of
 * the truth; `wide`: the head's length has so many bytes, 2 or 8. */
export function frame(opcode, payload = '', { fin = true, mask = true, rsv = 0, length, wide } = {}) {
	const data = Buffer.from(payload)
	const n = length ?? data.length
	const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode]
	const m = mask ? 0x80 : 0
	if (wide === 8 || (wide === undefined && n > 65535)) {
		const b = Buffer.alloc(8)
		b.writeBigUInt64BE(BigInt(n))
		head.push(m | 127, ...b)
	} else if (wide === 2 || n > 125) head.push(m | 126, n >> 8, n & 255)
	else head.push(m | n)
	if (!mask) return Buffer.concat([Buffer.from(head), data])
	const key = randomBytes(4)
	const masked = Buffer.from(data)
	for (let i = 0; i < masked.length; i++) masked[i] ^= key[i & 3]
	return Buffer.concat([Buffer.from(head), key, masked])
}

export const closeFrame = (code, reason = '', options) => frame(CLOSE, code === undefined ? '' : Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]), options)

/** Reads frames from a Raw. */
export class Frames {
	constructor(raw) {
		this.raw = raw
	}

	/** One frame: {fin, rsv, opcode, masked, payload}. */
	async frame() {
		const [a, b] = await this.raw.exactly(2, 'a frame')
		let n = b & 127
		if (n === 126) n = (await this.raw.exactly(2)).readUInt16BE()
		else if (n === 127) n = Number((await this.raw.exactly(8)).readBigUInt64BE())
		const key = b & 128 ? Buffer.from(await this.raw.exactly(4)) : undefined
		const payload = Buffer.from(await this.raw.exactly(n, 'the payload of a frame'))
		if (key) for (let i = 0; i < n; i++) payload[i] ^= key[i & 3]
		return { fin: (a & 128) !== 0, rsv: (a >> 4) & 7, opcode: a & 15, masked: key !== undefined, payload }
	}

	/** The next message as a string or a Buffer; a close as {code, reason}. */
	async message() {
		const f = await this.frame()
		if (f.opcode === CLOSE) return { code: f.payload.length ? f.payload.readUInt16BE() : undefined, reason: f.payload.subarray(2).toString() }
		if (f.opcode === PING || f.opcode === PONG) return { opcode: f.opcode, payload: f.payload.toString() }
		const parts = [f.payload]
		for (let last = f; !last.fin;) parts.push((last = await this.frame()).payload)
		const all = Buffer.concat(parts)
		return f.opcode === TEXT ? all.toString() : all
	}
}

/** A client. `to` is a port; {host, path, headers, early} of the handshake. Its `head` is the
 * answer's; with any status but 101 there is no socket. */
export async function open(to, path = '/', { host = 'localhost', headers = {}, early = '', timeout } = {}) {
	const raw = await connect(to, { timeout })
	const key = randomBytes(16).toString('base64')
	const fields = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key, ...headers }
	const lines = Object.entries(fields).filter(([, v]) => v !== undefined).map(([k, v]) => `${k}: ${v}\r\n`)
	raw.send(Buffer.concat([Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}\r\n`, 'latin1'), Buffer.from(early)]))
	const head = await raw.response()
	return new Client(raw, head, accept(key))
}

export class Client extends Frames {
	constructor(raw, head, expected) {
		super(raw)
		this.head = head
		this.accepted = head.status === 101 && head.headers['sec-websocket-accept'] === expected
	}
	send(data, options) {
		this.raw.send(frame(typeof data === 'string' ? TEXT : BINARY, data, options))
		return this
	}
	bytes(...parts) {
		this.raw.send(Buffer.concat(parts))
		return this
	}
	/** Sends the close, and waits for the other one and for the end of the connection. */
	async close(code = 1000, reason = '') {
		this.raw.send(closeFrame(code, reason))
		const answer = await this.message()
		await this.raw.closed()
		return answer
	}
	end() {
		this.raw.close()
	}
}

/** An origin that takes every handshake. onOpen(server, head) has a Frames with send(bytes) and the
 * request's head; what it returns is waited for before the connection ends. `answer(head, key)`
 * gives another head than the right one; `options` are startRawOrigin's. */
export async function startSocketOrigin(onOpen, answer, options = {}) {
	const heads = []
	const origin = await startRawOrigin(async socket => {
		let wake = () => {}
		const raw = { bytes: Buffer.alloc(0), ended: false }
		socket.on('data', d => {
			raw.bytes = Buffer.concat([raw.bytes, d])
			wake()
		})
		for (const event of ['end', 'close'])
			socket.on(event, () => {
				raw.ended = true
				wake()
			})
		raw.more = () => (raw.ended ? Promise.reject(new Error('the node ended the connection')) : new Promise(resolve => (wake = resolve)))
		raw.exactly = async n => {
			while (raw.bytes.length < n) await raw.more()
			const out = raw.bytes.subarray(0, n)
			raw.bytes = raw.bytes.subarray(n)
			return out
		}
		raw.send = b => socket.write(b)
		let at
		while ((at = raw.bytes.indexOf('\r\n\r\n')) < 0) await raw.more()
		const head = (await raw.exactly(at + 4)).toString('latin1')
		heads.push(head)
		const key = /^sec-websocket-key: (.*)$/im.exec(head)?.[1]
		socket.write(answer ? answer(head, key && accept(key)) : `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(key)}\r\n\r\n`)
		const server = new Frames(raw)
		server.socket = socket
		server.send = (data, options) => socket.write(frame(typeof data === 'string' ? TEXT : BINARY, data, { mask: false, ...options }))
		try {
			await onOpen(server, head)
			socket.end()
		} catch {
			socket.destroy()
		}
	}, { allowHalfOpen: true, ...options })
	return Object.assign(origin, { heads })
}

/** For startSocketOrigin: sends every message back, and answers a close. */
export async function echo(server) {
	for (;;) {
		const f = await server.frame()
		server.socket.write(frame(f.opcode, f.payload, { mask: false, fin: f.fin }))
		if (f.opcode === CLOSE) return
	}
}
