// An origin that says exactly the bytes a test gives it, over TCP or TLS, when the test wants. It
// reads requests itself, so that it can answer before an upload is there, answer twice, or answer
// what nobody asked.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import tls from 'node:tls'

/** {key, cert, file}: a certificate for 127.0.0.1 and localhost that a node trusts with
 * SSL_CERT_FILE=file. */
export function certificate(dir) {
	const key = path.join(dir, 'key.pem')
	const file = path.join(dir, 'cert.pem')
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', file], { stdio: 'ignore' })
	return { key: fs.readFileSync(key), cert: fs.readFileSync(file), file }
}

/** The same for one name; `days` below zero: it is expired. */
export function certificateOf(dir, name, days = 2) {
	const at = end => path.join(dir, `${name}.${end}`)
	const run = args => execFileSync('openssl', args, { stdio: 'ignore' })
	run(['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', at('key'), '-out', at('csr')])
	run(['x509', '-req', '-in', at('csr'), '-signkey', at('key'), '-days', String(days), '-copy_extensions', 'copyall', '-out', at('pem')])
	return { key: fs.readFileSync(at('key')), cert: fs.readFileSync(at('pem')), file: at('pem') }
}

/** Takes requests out of a socket's bytes. */
class Reader {
	constructor(socket, onRequest) {
		this.bytes = Buffer.alloc(0)
		this.onRequest = onRequest
		socket.on('data', d => {
			this.bytes = Buffer.concat([this.bytes, d])
			while (this.#step());
		})
	}

	#step() {
		if (this.request) return this.#body()
		const end = this.bytes.indexOf('\r\n\r\n')
		if (end < 0) return false
		const head = this.bytes.subarray(0, end).toString('latin1')
		this.bytes = this.bytes.subarray(end + 4)
		const [method, target] = head.split(' ')
		const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
		let whole
		const request = { method, path: target, head, body: '', whole: new Promise(resolve => (whole = resolve)) }
		this.request = { request, whole, chunked: /\r\ntransfer-encoding: *chunked/i.test(head), left: length }
		this.onRequest(request)
		return true
	}

	#body() {
		const r = this.request
		if (r.chunked) {
			const line = this.bytes.indexOf('\r\n')
			if (line < 0) return false
			const n = parseInt(this.bytes.subarray(0, line).toString(), 16)
			if (this.bytes.length < line + 2 + n + 2) return false
			r.request.body += this.bytes.subarray(line + 2, line + 2 + n).toString('latin1')
			this.bytes = this.bytes.subarray(line + 2 + n + 2)
			if (n > 0) return true
		} else {
			if (this.bytes.length < r.left) return false
			r.request.body = this.bytes.subarray(0, r.left).toString('latin1')
			this.bytes = this.bytes.subarray(r.left)
		}
		this.request = undefined
		r.whole(r.request)
		return true
	}
}

/**
 * answer(request, socket, connection): request is {method, path, head, body, whole: a promise of
 * itself with its body}; it is called when the head is there. Resolves to {port, url, connections
 * (how many so far), asked: ["1 GET /path", ...] (number of the connection first), close()}.
 */
export function startScripted(answer, secure) {
	const sockets = new Set()
	const origin = { connections: 0, asked: [] }
	const onConnection = socket => {
		const number = ++origin.connections
		sockets.add(socket)
		socket.on('close', () => sockets.delete(socket))
		socket.on('error', () => {})
		socket.setNoDelay(true)
		new Reader(socket, request => {
			origin.asked.push(`${number} ${request.method} ${request.path}`)
			answer(request, socket, number)
		})
	}
	const server = secure ? tls.createServer({ key: secure.key, cert: secure.cert, ...secure.options }, onConnection) : net.createServer(onConnection)
	server.on('tlsClientError', () => {})
	return new Promise(resolve =>
		server.listen(0, '127.0.0.1', () => {
			const { port } = server.address()
			resolve(
				Object.assign(origin, {
					port,
					url: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
					close: () =>
						new Promise(done => {
							server.close(() => done())
							sockets.forEach(s => s.destroy())
						}),
				}),
			)
		}),
	)
}
