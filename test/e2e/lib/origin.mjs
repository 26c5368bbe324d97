// Origins to relay from: an HTTP server, or one that says raw bytes. Both count what they saw.
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'

/** handler(req, res) of node:http. {port, url, requests: [{method, url, headers}], close()} */
export function startOrigin(handler) {
	const requests = []
	const server = http.createServer({ keepAliveTimeout: 60000 }, (req, res) => {
		requests.push({ method: req.method, url: req.url, headers: req.headers, rawHeaders: req.rawHeaders })
		res.on('error', () => {})
		handler(req, res)
	})
	server.on('clientError', (_, socket) => socket.destroy())
	return listen(server, { requests, close: () => server.closeAllConnections() })
}

/** onConnection(socket) sees bytes as they come. `options`: of net.createServer, or with a `key` of
 * tls.createServer. */
export function startRawOrigin(onConnection, options = {}) {
	const sockets = new Set()
	const server = (options.key ? tls : net).createServer(options, socket => {
		sockets.add(socket)
		socket.on('close', () => sockets.delete(socket))
		socket.on('error', () => {})
		onConnection(socket)
	})
	server.on('tlsClientError', () => {})
	return listen(server, { sockets, close: () => sockets.forEach(s => s.destroy()) }, options.key ? 'https' : 'http')
}

function listen(server, extra, scheme = 'http') {
	return new Promise((resolve, reject) => {
		server.once('error', reject)
		server.listen(0, '127.0.0.1', () => {
			const { port } = server.address()
			const closeConnections = extra.close
			resolve({
				...extra,
				server,
				port,
				url: `${scheme}://127.0.0.1:${port}`,
				close: () =>
					new Promise(done => {
						server.close(() => done())
						closeConnections()
					}),
			})
		})
	})
}

/** The whole body of a node:http request. */
export async function bodyOf(req) {
	const parts = []
	for await (const part of req) parts.push(part)
	return Buffer.concat(parts)
}
