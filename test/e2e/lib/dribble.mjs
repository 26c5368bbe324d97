// Origins that send single bytes as fast as they are taken, in a thread of their own, so that what
// they do is not what a test measures.
import { parentPort, Worker, workerData, isMainThread } from 'node:worker_threads'
import { sleep } from './raw.mjs'
import { startScripted } from './scripted.mjs'

const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
export const many = (text, bytes = 1 << 20) => Buffer.from(text.repeat(Math.ceil(bytes / text.length)))
// [what comes first, what comes again and again]
export const dribbles = {
	'one byte a chunk': [head, many('1\r\nx\r\n')],
	'one byte a chunk, with extensions': [head, many('1;abcd\r\nx\r\n')],
	'endless extensions': [`${head}1;`, many('x')],
	'endless trailers': [`${head}1\r\nx\r\n0\r\n`, many('a: b\r\n')],
	'endless early hints': ['', many('HTTP/1.1 103 Early Hints\r\n\r\n')],
	'endless fields': ['HTTP/1.1 200 OK\r\n', many('a: b\r\n')],
	'one field without end': ['HTTP/1.1 200 OK\r\na: ', many('b')],
}

/** Writes `bytes` again and again as fast as they are taken, for a while. */
export async function pour(socket, bytes, until) {
	let wake = () => {}
	for (const event of ['drain', 'close']) socket.on(event, () => wake())
	while (!socket.destroyed && performance.now() < until) {
		if (!socket.write(bytes)) await Promise.race([new Promise(r => (wake = r)), sleep(100)])
		else await sleep(0)
	}
	socket.destroy()
}

async function run({ secure, floodMs }) {
	const answer = async (req, socket) => {
		await req.whole
		const what = decodeURIComponent(req.path.slice(1))
		if (what === 'warm') return socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
		const [first, again] = dribbles[what]
		socket.write(first)
		await pour(socket, again, performance.now() + floodMs)
	}
	const origins = [await startScripted(answer), await startScripted(answer, { key: Buffer.from(secure.key), cert: Buffer.from(secure.cert) })]
	parentPort.postMessage({ http: origins[0].url, https: origins[1].url })
}
if (!isMainThread) await run(workerData)

/** {http, https: their URLs, close()} */
export function startDribblers(secure, floodMs) {
	const worker = new Worker(new URL(import.meta.url), { workerData: { secure, floodMs } })
	return new Promise((resolve, reject) => {
		worker.once('error', reject)
		worker.once('message', urls => resolve({ ...urls, close: () => worker.terminate() }))
	})
}
