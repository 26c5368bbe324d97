// An origin that misbehaves as the path of a request says: /FAULT/... meets that fault as long as
// `ill` is true, and gets a whole answer when it is false. What a client ought to get of each fault
// is beside it, as docs/operators.md ("When an origin fails") has it.
import { sleep } from './raw.mjs'
import { startScripted } from './scripted.mjs'

/** The body of a whole answer of this path: no two are alike. */
export const bodyOf = path => `${path} again and again, `.repeat(400)

const fields = 'Cache-Control: max-age=1000\r\nETag: "one"\r\n'
const withLength = path => `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${bodyOf(path).length}\r\n\r\n`
const chunked = `HTTP/1.1 200 OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n`
const chunk = text => `${text.length.toString(16)}\r\n${text}\r\n`
const half = path => bodyOf(path).slice(0, 3000)

/** Sends text one byte a write, with a rest after every `each` of them. */
async function dribble(socket, text, { each = 1, ms = 1 } = {}) {
	for (let i = 0; i < text.length && !socket.destroyed; i++) {
		socket.write(text[i], 'latin1')
		if (i % each === 0) await sleep(ms)
	}
}

const bad = re => ({ status: 502, error: 'bad-response', text: re })
const timeout = re => ({ status: 504, error: 'timeout', text: re })
const cut = { cut: true }
const whole = {}
const says = bytes => (socket, path) => socket.write(typeof bytes === 'function' ? bytes(path) : bytes, 'latin1')
const ends = bytes => (socket, path) => socket.end(typeof bytes === 'function' ? bytes(path) : bytes, 'latin1')
/** The first part, and the end when clients have that. */
const late = (first, rest = () => '') => async (socket, path) => {
	socket.write(first(path), 'latin1')
	await sleep(80)
	socket.end(rest(path), 'latin1')
}
const resets = (bytes, ms = 50) => async (socket, path) => {
	if (bytes) socket.write(bytes(path), 'latin1')
	await sleep(ms)
	socket.resetAndDestroy()
}

/** FAULT: [what the origin does, what a client gets]. {}: the whole answer. `cut`: its head, and
 * a body that visibly breaks off. `voids`: what is stored is void by it. */
export const faults = {
	// No answer.
	'never-answers': [() => {}, timeout(/did not go on within \d+ ms/)],
	'closes-before-head': [socket => socket.end(), bad(/closed the connection without an answer/)],
	'resets-before-head': [resets(), bad(/closed the connection|reset|broke off/)],
	'half-a-head': [ends('HTTP/1.1 200 OK\r\nCache-Con'), bad(/broke off its answer/)],
	'resets-in-head': [resets(() => 'HTTP/1.1 200 OK\r\nCache-Con'), bad(/broke off its answer|reset/)],
	'stops-in-head': [says('HTTP/1.1 200 OK\r\nCache-Con'), timeout(/did not go on within/)],
	'dribbles-head-for-ever': [socket => dribble(socket, `HTTP/1.1 200 OK\r\n${'X-Field: value\r\n'.repeat(400)}`, { ms: 20 }), timeout(/did not go on within/)],
	'interim-for-ever': [async socket => {
		for (; !socket.destroyed; await sleep(100)) socket.write('HTTP/1.1 102 Processing\r\n\r\n')
	}, timeout(/did not go on within/)],
	'interim-flood': [says('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'.repeat(5000)), bad(/informational answers without end/)],
	// No HTTP.
	'http-0.9': [ends('<html>hello</html>'), bad(/did not answer in HTTP/)],
	'http-2.0': [ends('HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'), bad(/HTTP\/2\.0 where only/)],
	'status-099': [ends('HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok'), bad(/status 99, which cannot/)],
	'status-1000': [ends('HTTP/1.1 1000 High\r\nContent-Length: 2\r\n\r\nok'), bad(/did not answer in HTTP/)],
	'status-101': [ends('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'), bad(/status 101, which cannot/)],
	'bare-lf': [ends('HTTP/1.1 200 OK\nContent-Length: 2\n\nok'), bad(/does not end with CR LF/)],
	'nul-in-field': [ends('HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok'), bad(/control character/)],
	'nul-in-name': [ends('HTTP/1.1 200 OK\r\nX\0A: b\r\nContent-Length: 2\r\n\r\nok'), bad(/no token as its name/)],
	'folded-field': [ends('HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok'), bad(/folded/)],
	'head-of-1-mb': [ends(`HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(1 << 20)}\r\n\r\n`), bad(/line of more than|is larger than/)],
	'head-of-1-mb-in-fields': [ends(`HTTP/1.1 200 OK\r\n${`X-A: ${'a'.repeat(8000)}\r\n`.repeat(130)}\r\n`), bad(/is larger than/)],
	'1000-fields': [ends(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(1000)}Content-Length: 2\r\n\r\nok`), bad(/more than \d+ fields/)],
	'unasked-304': [ends('HTTP/1.1 304 Not Modified\r\nETag: "two"\r\nCache-Control: max-age=9\r\n\r\n'), { ...bad(/304 \(not modified\) to a request without/), voids: true }],
	'unasked-206': [ends('HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nCache-Control: max-age=9\r\nContent-Length: 2\r\n\r\nok'), bad(/206 \(partial content\) to a request without/)],
	// Framing that says two things.
	'two-lengths': [ends('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk'), bad(/not one number/)],
	'negative-length': [ends('HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok'), bad(/not one number/)],
	'huge-length': [ends('HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok'), bad(/not one number/)],
	'length-and-chunked': [ends(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('ok')}0\r\n\r\n`), bad(/Transfer-Encoding and Content-Length/)],
	'other-coding': [ends('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'), bad(/only "chunked" is understood/)],
	'chunked-in-1.0': [ends(`HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('ok')}0\r\n\r\n`), bad(/in HTTP\/1\.0/)],
	'broken-at-once': [ends(`${chunked}zz\r\nmore\r\n0\r\n\r\n`), bad(/not a hexadecimal number/)],
	// Bodies that are not whole.
	'half-of-the-length': [late(path => withLength(path) + half(path)), cut],
	'stops-in-body': [says(path => withLength(path) + half(path)), cut],
	'resets-in-body': [resets(path => withLength(path) + half(path)), cut],
	'half-of-the-chunks': [late(path => chunked + chunk(half(path))), cut],
	'half-a-chunk': [late(path => chunked + chunk(bodyOf(path)).slice(0, 3000)), cut],
	'stops-in-chunks': [says(path => chunked + chunk(half(path))), cut],
	'resets-in-chunks': [resets(path => chunked + chunk(half(path))), cut],
	'broken-chunk-size': [late(path => chunked + chunk(half(path)), () => 'zz\r\nmore\r\n0\r\n\r\n'), cut],
	'huge-chunk-size': [late(path => chunked + chunk(half(path)), () => 'fffffffffffffffff\r\nmore\r\n0\r\n\r\n'), cut],
	'chunk-too-long': [late(path => chunked + chunk(half(path)), () => '2\r\nmore\r\n0\r\n\r\n'), cut],
	'no-end-of-trailers': [late(path => chunked + chunk(bodyOf(path)), () => '0\r\nX-A: b\r\n'), cut],
	'endless-trailers': [late(path => chunked + chunk(bodyOf(path)), () => `0\r\n${'X-A: b\r\n'.repeat(20000)}`), cut],
	'resets-without-length': [resets(path => `HTTP/1.1 200 OK\r\n${fields}\r\n${half(path)}`), cut],
	// Slow, odd, and whole.
	'dribbles-head': [async (socket, path) => {
		await dribble(socket, withLength(path), { each: 4 })
		socket.write(bodyOf(path))
	}, whole],
	'dribbles-body': [async (socket, path) => {
		socket.write(withLength(path))
		await dribble(socket, bodyOf(path), { each: 40 })
	}, whole],
	'single-byte-chunks': [(socket, path) => {
		socket.write(chunked)
		for (const c of bodyOf(path)) socket.write(chunk(c))
		socket.write('0\r\n\r\n')
	}, whole],
	'more-than-the-length': [says(path => `${withLength(path)}${bodyOf(path)}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`), whole],
	'more-behind-the-chunks': [says(path => `${chunked}${chunk(bodyOf(path))}0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`), whole],
	'one-length-twice': [says(path => withLength(path).replace('\r\n\r\n', `\r\nContent-Length: ${bodyOf(path).length}\r\n\r\n`) + bodyOf(path)), whole],
	'ends-with-the-connection': [ends(path => `HTTP/1.1 200 OK\r\n${fields}\r\n${bodyOf(path)}`), whole],
	'closes-each-time': [ends(path => withLength(path) + bodyOf(path)), whole],
}

/** {port, url, asked, ill, closes, close()}: `closes`, each connection after one answer. A path
 * that has /stale in it has an answer that is stale at once, and may be used if the origin
 * fails. */
export async function startBad(secure) {
	const origin = await startScripted((request, socket) => {
		const [, fault] = request.path.split('/')
		if (origin.ill && faults[fault]) return faults[fault][0](socket, request.path)
		const stale = /\/stale/.test(request.path)
		const head = withLength(request.path).replace('max-age=1000', stale ? 'max-age=0, stale-if-error=1000' : 'max-age=1000')
		socket.write(head.replace('ETag', origin.closes ? 'Connection: close\r\nETag' : 'ETag') + bodyOf(request.path))
		if (origin.closes) socket.end()
	}, secure)
	origin.ill = true
	return origin
}
