// A client of the Chrome DevTools protocol over a WebSocket of its own (RFC 6455): what a debugger
// says and hears, nothing else.
import crypto from 'node:crypto'
import http from 'node:http'
import * as raw from './raw.mjs'

/** GET of the debugger's door: {status, text}. */
export function ask(port, path, headers = {}) {
	return new Promise((resolve, reject) => {
		const req = http.get({ port, host: '127.0.0.1', path, headers, agent: false }, res => {
			let text = ''
			res.setEncoding('utf8').on('data', d => (text += d)).on('end', () => resolve({ status: res.statusCode, text }))
		})
		req.on('error', reject)
		req.on('upgrade', (res, socket) => {
			socket.destroy()
			resolve({ status: res.statusCode, text: '' })
		})
	})
}

const upgradeFields = () => ({ Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64') })
/** The status of an attempt to attach. */
export const knock = async (port, path, headers = {}) => (await ask(port, path, { ...upgradeFields(), ...headers })).status

export class Devtools {
	events = []
	ended = false
	#socket
	#next = 0
	#open = new Map()
	#rest = Buffer.alloc(0)

	/** Attaches to what /json/list names first. */
	static async attach(port) {
		const [{ webSocketDebuggerUrl }] = JSON.parse((await ask(port, '/json/list')).text)
		return new Devtools().connect(webSocketDebuggerUrl)
	}

	connect(url) {
		const { hostname, port, pathname } = new URL(url)
		return new Promise((resolve, reject) => {
			const req = http.get({ host: hostname, port, path: pathname, agent: false, headers: upgradeFields() })
			req.on('error', reject)
			req.on('response', res => reject(new Error(`no upgrade: ${res.statusCode}`)))
			req.on('upgrade', (res, socket, head) => {
				this.#socket = socket
				socket.on('error', () => {}).on('close', () => (this.ended = true))
				socket.on('data', d => this.#read(d))
				if (head.length) this.#read(head)
				resolve(this)
			})
		})
	}

	#read(data) {
		this.#rest = Buffer.concat([this.#rest, data])
		for (;;) {
			const b = this.#rest
			if (b.length < 2) return
			let n = b[1] & 127, at = 2
			if (n === 126) [n, at] = [b.length >= 4 ? b.readUInt16BE(2) : Infinity, 4]
			else if (n === 127) [n, at] = [b.length >= 10 ? Number(b.readBigUInt64BE(2)) : Infinity, 10]
			if (b.length < at + n) return
			const opcode = b[0] & 15, text = b.subarray(at, at + n).toString()
			this.#rest = b.subarray(at + n)
			if (opcode === 1) this.#message(JSON.parse(text))
		}
	}

	#message(m) {
		if (m.id === undefined) this.events.push(m)
		else {
			this.#open.get(m.id)?.(m)
			this.#open.delete(m.id)
		}
	}

	/** The result of a command; throws what it says it failed with. */
	async send(method, params = {}) {
		const id = ++this.#next
		const body = Buffer.from(JSON.stringify({ id, method, params })), mask = crypto.randomBytes(4)
		const head = body.length < 126 ? Buffer.from([0x81, 0x80 | body.length]) : Buffer.from([0x81, 0xfe, body.length >> 8, body.length & 255])
		for (let i = 0; i < body.length; i++) body[i] ^= mask[i % 4]
		let timer
		const answer = await new Promise((resolve, reject) => {
			this.#open.set(id, resolve)
			timer = setTimeout(() => reject(new Error(`${method} was not answered; ${JSON.stringify(this.events.slice(-3)).slice(0, 2000)}`)), 20000)
			this.#socket.write(Buffer.concat([head, mask, body]))
		})
		clearTimeout(timer)
		if (answer.error) throw new Error(`${method}: ${answer.error.message}`)
		return answer.result
	}

	/** The params of the next event of that kind which `accept` takes, from the n-th event on. */
	async event(method, { from = 0, accept = () => true } = {}) {
		const e = await raw.until(() => this.events.slice(from).find(m => m.method === method && accept(m.params)), { what: `${method}; there was ${this.events.map(m => m.method)}` })
		return e.params
	}

	/** Bytes as they are. */
	write(bytes) {
		this.#socket.write(bytes)
	}

	close() {
		this.#socket.destroy()
	}
}

/** Reads a source map enough to find where a line of a source begins in the script: [line, column]
 * from 0. */
export function generatedOf(map, source, line) {
	const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
	const wanted = map.sources.findIndex(s => s.endsWith(source))
	const sums = [0, 0, 0, 0]
	for (const [at, text] of map.mappings.split(';').entries()) {
		sums[0] = 0
		for (const segment of text.split(',').filter(Boolean)) {
			const v = []
			for (let i = 0, value = 0, shift = 0; i < segment.length; i++) {
				const d = digits.indexOf(segment[i])
				value |= (d & 31) << shift
				if (d & 32) shift += 5
				else {
					v.push(value & 1 ? -(value >> 1) : value >> 1)
					value = shift = 0
				}
			}
			for (let i = 0; i < Math.min(v.length, 4); i++) sums[i] += v[i]
			if (v.length >= 4 && sums[1] === wanted && sums[2] === line) return [at, sums[0]]
		}
	}
	throw new Error(`line ${line} of ${source} is not in the map`)
}
