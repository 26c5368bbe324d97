// A client that says exactly the bytes it is given and reads responses itself, so that a test sees
// what is on the wire.
import net from 'node:net'

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

export class Gone extends Error {}

/** One connection. Bytes go out with send(), responses come back with response(), in order. */
export class Raw {
	constructor(socket, timeout) {
		this.socket = socket
		this.timeout = timeout
		this.bytes = Buffer.alloc(0)
		this.ended = false
		this.error = undefined
		this.wake = () => {}
		socket.on('data', d => {
			this.bytes = this.bytes.length ? Buffer.concat([this.bytes, d]) : d
			this.wake()
		})
		socket.on('end', () => this.#end())
		socket.on('close', () => this.#end())
		socket.on('error', e => {
			this.error = e
			this.#end()
		})
	}

	#end() {
		this.ended = true
		this.wake()
	}

	/** Text is sent as Latin-1: a character is a byte. */
	send(bytes) {
		this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
		return this
	}

	/** Waits for a change; throws after the time-out. */
	async more(what) {
		if (this.ended) throw new Gone(`the connection ended while waiting for ${what}; there was ${JSON.stringify(this.bytes.toString('latin1').slice(0, 300))}`)
		let timer
		await new Promise((resolve, reject) => {
			this.wake = resolve
			timer = setTimeout(() => reject(new Error(`no ${what} within ${this.timeout} ms; there was ${JSON.stringify(this.bytes.toString('latin1').slice(0, 300))}`)), this.timeout)
		}).finally(() => clearTimeout(timer))
	}

	take(n) {
		const out = this.bytes.subarray(0, n)
		this.bytes = this.bytes.subarray(n)
		return out
	}

	async exactly(n, what = `${n} bytes`) {
		while (this.bytes.length < n) await this.more(what)
		return this.take(n)
	}

	async line(what = 'a line') {
		let at
		while ((at = this.bytes.indexOf('\r\n')) < 0) await this.more(what)
		return this.take(at + 2).toString('latin1').slice(0, -2)
	}

	/** Status line and fields: {version, status, reason, headers (lower-case, joined by ", "), raw:
	 * [[name, value]]}. */
	async head() {
		const [, version, status, reason] = /^HTTP\/(\d\.\d) (\d{3}) ?(.*)$/.exec(await this.line('a status line')) ?? []
		if (!status) throw new Error('not a status line')
		const raw = []
		const headers = {}
		for (let line; (line = await this.line('a header')) !== '';) {
			const at = line.indexOf(':')
			const name = line.slice(0, at)
			const value = line.slice(at + 1).trim()
			raw.push([name, value])
			const key = name.toLowerCase()
			headers[key] = key in headers ? `${headers[key]}, ${value}` : value
		}
		return { version, status: Number(status), reason, headers, raw }
	}

	/** A whole final response: head and {body: Buffer, text, interim: [heads]}. `method` HEAD
	 * has no body. */
	async response({ method = 'GET' } = {}) {
		const interim = []
		let head
		while ((head = await this.head()).status < 200 && head.status !== 101) interim.push(head)
		let body = Buffer.alloc(0)
		let trailers = {}
		if (method !== 'HEAD' && head.status !== 204 && head.status !== 304 && head.status !== 101) {
			if (/chunked/i.test(head.headers['transfer-encoding'] ?? '')) [body, trailers] = await this.chunks()
			else if (head.headers['content-length'] !== undefined) body = Buffer.from(await this.exactly(Number(head.headers['content-length']), 'the body'))
			else body = await this.rest()
		}
		return { ...head, interim, body, text: body.toString(), trailers }
	}

	async chunks() {
		const parts = []
		for (;;) {
			const n = parseInt(await this.line('a chunk size'), 16)
			if (!(n >= 0)) throw new Error('not a chunk size')
			if (n === 0) break
			parts.push(Buffer.from(await this.exactly(n, 'a chunk')))
			await this.exactly(2)
		}
		const trailers = {}
		for (let line; (line = await this.line('a trailer')) !== '';) trailers[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 1).trim()
		return [Buffer.concat(parts), trailers]
	}

	/** All bytes until the other side closes. */
	async rest() {
		while (!this.ended) await this.more('the end of the connection')
		return this.take(this.bytes.length)
	}

	/** True when the other side closes within the time-out. */
	async closed() {
		while (!this.ended) await this.more('the end of the connection')
		return true
	}

	close() {
		this.socket.destroy()
	}
}

/** Connects; `to` is a port on 127.0.0.1 or {host, port, path}. */
export function connect(to, { timeout = 30000 } = {}) {
	return new Promise((resolve, reject) => {
		const socket = net.connect(typeof to === 'object' ? to : { host: '127.0.0.1', port: to })
		socket.setNoDelay(true)
		socket.once('error', reject)
		socket.once('connect', () => {
			socket.off('error', reject)
			resolve(new Raw(socket, timeout))
		})
	})
}

/** The bytes of a request. */
export function bytesOf(path, { method = 'GET', host = 'localhost', headers = {}, body, keepAlive = true } = {}) {
	const fields = Object.entries(headers).flatMap(([k, v]) => (Array.isArray(v) ? v : [v]).map(one => `${k}: ${one}\r\n`))
	const payload = body === undefined ? Buffer.alloc(0) : Buffer.from(body)
	if (body !== undefined && !/^(content-length|transfer-encoding):/im.test(fields.join(''))) fields.push(`content-length: ${payload.length}\r\n`)
	if (!keepAlive) fields.push('connection: close\r\n')
	return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${fields.join('')}\r\n`, 'latin1'), payload])
}

/** One request on a connection of its own. */
export async function request(to, path = '/', options = {}) {
	const c = await connect(to, options)
	try {
		c.send(bytesOf(path, { keepAlive: false, ...options }))
		return await c.response(options)
	} finally {
		c.close()
	}
}

/** Several requests written in one go on one connection; their responses in order. */
export async function pipeline(to, requests, options = {}) {
	const c = await connect(to, options)
	try {
		c.send(Buffer.concat(requests.map(([path, o]) => bytesOf(path, { ...options, ...o }))))
		const out = []
		for (const [, o] of requests) out.push(await c.response({ ...options, ...o }))
		return out
	} finally {
		c.close()
	}
}

/** Repeats until `check` returns something true; its value. */
export async function until(check, { timeout = 20000, every = 20, what = 'the condition' } = {}) {
	const end = Date.now() + timeout
	for (;;) {
		const value = await check()
		if (value) return value
		if (Date.now() > end) throw new Error(`${what} did not come true within ${timeout} ms`)
		await sleep(every)
	}
}
