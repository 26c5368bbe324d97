// A whole node in front of an origin that is slow, lies, breaks off, or is not there: each fault
// has its documented answer (docs/operators.md, "When an origin fails"), nobody gets a wrong byte
// or half an answer for a whole one, nothing of it is stored or leaks, and everybody else is served
// meanwhile.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { spawn } from 'node:child_process'
import http2 from 'node:http2'
import net from 'node:net'
import { startNode, tempDir, sanitized } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { startRawOrigin } from './lib/origin.mjs'
import { startNames } from './lib/names.mjs'
import { certificateOf, startScripted } from './lib/scripted.mjs'
import { bodyOf, faults, startBad } from './lib/bad-origin.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

const MB = 1024 * 1024
const CLIENTS = 4
/** Of all faults; make soak has more. */
const ROUNDS = Number(process.env.ER_FAULTS_ROUNDS ?? 8)
const status = res => res.headers['cache-status'] ?? ''
const hit = res => /^EdgeRoutine; hit/.test(status(res))

/** One request, to its visible end: a response, with `cut` true if its body broke off. */
export async function ask(port, target, { host = 'shop.example', timeout = 20000, ...more } = {}) {
	const c = await raw.connect(port, { timeout })
	try {
		c.send(raw.bytesOf(target, { host, keepAlive: false, ...more }))
		let head
		do head = await c.head()
		while (head.status < 200)
		let body, cut = false
		try {
			if (/chunked/.test(head.headers['transfer-encoding'] ?? '')) [body] = await c.chunks()
			else if (head.headers['content-length'] !== undefined) body = await c.exactly(Number(head.headers['content-length']))
			else throw new Error(`neither a length nor chunks: ${JSON.stringify(head)}`)
		} catch (e) {
			if (!(e instanceof raw.Gone)) throw e
			cut = true
		}
		return { ...head, cut, text: body?.toString() ?? '' }
	} finally {
		c.close()
	}
}

const every = (n, one) => Promise.all(Array.from({ length: n }, (_, i) => one(i)))

/** What a client got is what is documented of that fault. */
function expected(name, res, want, target) {
	const what = `${name}: ${res.status} ${res.headers['er-error'] ?? ''} ${status(res)} ${res.text.slice(0, 200)}`
	assert.equal(res.status, want.status ?? 200, what)
	assert.equal(res.cut, want.cut ?? false, what)
	if (want.error) {
		assert.match(res.headers['er-error'], new RegExp(`^${want.error}(;|$)`), what)
		assert.match(res.text, want.text, what)
	} else if (!want.cut) {
		assert.equal(res.text, bodyOf(target), what)
	}
	if (!want.any) assert.match(status(res), /^EdgeRoutine; fwd=/, what)
	if (want.error) assert.doesNotMatch(status(res), /stored|fwd-status/, what)
}

/** The answers to many who asked at once: one went on to the origin. Who asked when the head of
 * its answer was there already had a hit. */
function expectedOfAll(name, all, want, target) {
	for (const res of all) expected(name, res, hit(res) && !want.error ? { ...want, any: true } : want, target)
	assert.ok(all.some(res => /^EdgeRoutine; fwd=/.test(status(res))), name)
}

/** Asks for pages that have nothing to do with it, until the end, which says how many
 * there were. */
function healthy(node, path = '/well') {
	let over = false, n = 0
	const one = async i => {
		for (; !over; await raw.sleep(5)) {
			const target = `${path}/${i}/${n % 7 === 0 ? n : 0}`
			const res = await ask(node.port, target)
			assert.equal(res.status, 200, res.text)
			assert.equal(res.text, bodyOf(target))
			n++
		}
	}
	const all = every(2, one)
	all.catch(() => {})
	return async () => {
		over = true
		await all
		return n
	}
}

/** A node whose cache is in memory and in a file, and the origin's times are short. */
async function place(t, { origin, config = {}, ...options } = {}) {
	const dir = tempDir('er-faults-')
	const o = origin ?? (await startBad())
	const start = () =>
		startNode({
			...options,
			config: {
				threads: 2,
				sites: [{ name: 'shop', hosts: ['shop.example'], origin: { servers: [o.url], connectMs: 1000, headMs: 1000, idleMs: 700 } }],
				cache: { memoryMb: 16, disk: [{ path: path.join(dir, 'disk/cache'), sizeMb: 64 }] },
				limits: { perAddress: 0 },
				sandbox: { pool: 0 },
				...config,
			},
		})
	const nodes = []
	const self = { dir, origin: o, start: async () => nodes[nodes.push(await start()) - 1] }
	t.after(async () => {
		for (const node of nodes) node.kill()
		await o.close()
		fs.rmSync(dir, { recursive: true, force: true })
		for (const node of nodes) assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return self
}

const written = node => raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
const known = node => raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0 && (await node.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })

/** What a node holds when nobody asks for anything, beside what it has stored. */
async function held(node) {
	await raw.until(async () => (await node.metric('er_connections')) === 0, { what: 'the end of all connections' })
	return { fds: proc.fds(node.pid).length, anonymous: proc.memory(node.pid).anonymous - (await node.metric('er_cache_bytes')), threads: proc.threads(node.pid).length }
}

test('whatever an origin does wrong, clients get the documented answer, nothing of it is stored, and the rest is served', async t => {
	const { origin, start } = await place(t)
	let node = await start()
	const names = Object.keys(faults)
	const asked = target => origin.asked.filter(a => a.endsWith(` GET ${target}`)).length
	// What is stored before the origin falls ill.
	origin.ill = false
	for (const name of names) expected(name, await ask(node.port, `/${name}/stale`), {}, `/${name}/stale`)
	origin.ill = true
	const stop = healthy(node)
	await Promise.all(names.map(async name => {
		const [, want] = faults[name]
		// Many at once, of one page that nobody has: one question, and one answer for all.
		const target = `/${name}/cold`
		const all = await every(CLIENTS, () => ask(node.port, target))
		expectedOfAll(name, all, want, target)
		if (want.error) {
			assert.equal(all.filter(res => /; collapsed/.test(status(res))).length, CLIENTS - 1, name)
			assert.ok(asked(target) <= 2, `${name}: asked ${asked(target)} times`)
		}
		// Of a page that is stored: what is stale is used, if the origin allowed that and no head
		// came. A body that breaks off is seen to.
		const old = `/${name}/stale`
		const stale = await ask(node.port, old)
		expected(name, stale, want.error && !want.voids ? {} : want, old)
		if (want.error && !want.voids) assert.match(status(stale), /; fwd=stale; ttl=-?\d+$/, name)
	}))
	assert.ok((await stop()) > 50)
	// The origin is well again: everything is to be had, whole, and only now it is stored.
	origin.ill = false
	for (const name of names) {
		const [, want] = faults[name]
		const target = `/${name}/cold`
		const first = await ask(node.port, target)
		expected(name, first, hit(first) ? { any: true } : {}, target)
		assert.equal(hit(first), !want.error && !want.cut, `${name}: ${status(first)}`)
		assert.ok(hit(await ask(node.port, target)), name)
	}
	// The same from the file, by another process, and nothing that is half.
	await written(node)
	await node.stop()
	node = await start()
	await known(node)
	for (const name of names) {
		const res = await ask(node.port, `/${name}/cold`)
		assert.equal(res.text, bodyOf(`/${name}/cold`))
		assert.ok(hit(res), `${name}: ${status(res)}`)
	}
	await node.stop()
})

test('faults that come again and again leave nothing behind: no descriptor, no memory, no connection', { timeout: 60000 + ROUNDS * 10000 }, async t => {
	const { origin, start } = await place(t)
	const node = await start()
	const names = Object.keys(faults)
	const round = i => Promise.all(names.map(name => every(2, () => ask(node.port, `/${name}/${i}`))))
	const stop = healthy(node)
	for (let i = 0; i < 4; i++) await round(i)
	await stop()
	const before = await held(node)
	const again = healthy(node)
	for (let i = 4; i < 4 + ROUNDS; i++) await round(i)
	// Clients that leave while the origin does not answer, and while it does.
	await every(60, async i => {
		const c = await node.connect()
		c.send(raw.bytesOf(`/${names[i % names.length]}/left/${i}`, { host: 'shop.example' }))
		await raw.sleep(10 + i)
		c.close()
	})
	await again()
	await raw.sleep(1500) // questions that nobody waits for any more have their time as well
	const after = await held(node)
	// Connections to the origin are kept, as many as before, about.
	assert.ok(after.fds <= before.fds + 16, `${after.fds} descriptors, ${before.fds} before`)
	assert.equal(after.threads, before.threads)
	if (!sanitized) assert.ok(after.anonymous - before.anonymous < 12 * MB, `${(after.anonymous - before.anonymous) / MB} MB more`)
	await raw.until(async () => (await node.metric('er_cache_fills')) === 0, { timeout: 5000, what: 'the end of all fills' })
	// The operator reads what is wrong, how often, and what to do: not a line for each.
	const lines = node.err.filter(l => /failed \(/.test(l))
	assert.ok(lines.length >= 1 && lines.length <= 20 + 2 * ROUNDS, `${lines.length} lines`)
	assert.match(lines[0], new RegExp(`127\\.0\\.0\\.1:${origin.port} failed \\([a-z-]+, request [0-9a-f]{16}\\): .+\\. .+`))
	await node.stop()
})

test('what is stored and stale outlives a body that breaks off', async t => {
	const { origin, start } = await place(t, { config: { cache: { memoryMb: 16 } } })
	const node = await start()
	const target = '/resets-in-body/stale/1'
	origin.ill = false
	await ask(node.port, target)
	origin.ill = true
	const cut = await ask(node.port, target)
	assert.ok(cut.cut)
	await origin.close()
	const spared = await ask(node.port, target)
	assert.ok(spared.status === 200 && !spared.cut && spared.text === bodyOf(target), `${spared.status} ${status(spared)}`)
	await node.stop()
})

/** What many clients of each host get, at once and beside a healthy one; `want` as in
 * bad-origin.mjs, by host. What the log says is looked at, too. */
async function refusals(node, want) {
	const stop = healthy(node)
	await Promise.all(Object.entries(want).map(async ([host, { status: code, error, text, log }]) => {
		for (const res of await every(CLIENTS, () => ask(node.port, '/page', { host }))) {
			const what = `${host}: ${res.status} ${res.headers['er-error']} ${res.text}`
			assert.equal(res.status, code, what)
			assert.match(res.headers['er-error'], new RegExp(`^${error}(;|$)`), what)
			assert.match(res.text, text, what)
			assert.match(status(res), /^EdgeRoutine; fwd=uri-miss(; collapsed)?$/, what)
		}
		await node.logged(new RegExp(`failed \\(${error}, request [0-9a-f]{16}.*${log}`))
	}))
	await stop()
	const fds = proc.fds(node.pid).length
	for (let i = 0; i < 5; i++) await Promise.all(Object.keys(want).map(host => every(CLIENTS, j => ask(node.port, `/page/${i}/${j}`, { host }))))
	await held(node)
	assert.ok(proc.fds(node.pid).length <= fds + 8, `${proc.fds(node.pid).length} descriptors, ${fds} before`)
}

const site = (name, url, more = {}) => ({ name, hosts: [`${name}.test`], origin: { servers: [url], connectMs: 600, headMs: 600, idleMs: 600, ...more } })

test('TLS that is wrong, and servers that cannot be connected to, are answered with what is wrong', async t => {
	const dir = tempDir('er-faults-tls-')
	const ok = (request, socket) => socket.write('HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 2\r\n\r\nok')
	const certificates = { expired: certificateOf(dir, 'expired.test', -1), right: certificateOf(dir, 'right.test'), other: certificateOf(dir, 'other.test'), unknown: certificateOf(dir, 'unknown.test') }
	const servers = {}
	for (const [name, c] of Object.entries(certificates)) servers[name] = await startScripted(ok, c)
	const plain = await startRawOrigin(socket => socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')))
	const silent = await startScripted(() => {})
	// Its queue of connections is full, and it takes none.
	const full = spawn(process.execPath, ['-e', 'require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port); setTimeout(() => process.kill(process.pid, "SIGSTOP"), 50) })'], { stdio: ['ignore', 'pipe', 'inherit'] })
	const fullPort = Number(await new Promise(f => full.stdout.once('data', d => f(String(d)))))
	await raw.until(() => /^State:\s+T/m.test(fs.readFileSync(`/proc/${full.pid}/status`, 'utf8')), { what: 'the stop of the server' })
	const waiting = Array.from({ length: 6 }, () => net.connect(fullPort, '127.0.0.1').on('error', () => {}))
	const closed = await startScripted(ok)
	await closed.close()
	const ca = path.join(dir, 'ca.pem')
	fs.writeFileSync(ca, ['expired', 'right', 'other'].map(name => certificates[name].cert).join('\n'))
	const url = (o, scheme = 'https') => `${scheme}://127.0.0.1:${o.port}`
	const origin = await startBad()
	const { start } = await place(t, {
		origin,
		env: { SSL_CERT_FILE: ca },
		config: {
			sites: [
				site('right', url(servers.right)), site('expired', url(servers.expired)), site('unknown', url(servers.unknown)),
				site('wrongname', url(servers.other)), site('plain', url(plain)), site('hangs', url(silent)),
				site('full', url({ port: fullPort }, 'http')), site('closed', url(closed, 'http')),
				{ name: 'shop', hosts: ['shop.example'], origin: origin.url },
			],
		},
	})
	t.after(async () => {
		for (const s of waiting) s.destroy()
		full.kill('SIGKILL')
		for (const o of [...Object.values(servers), plain, silent]) await o.close()
		fs.rmSync(dir, { recursive: true, force: true })
	})
	origin.ill = false
	const node = await start()
	assert.equal((await ask(node.port, '/', { host: 'right.test' })).text, 'ok')
	await refusals(node, {
		'expired.test': { status: 502, error: 'tls', text: /its certificate, or one above it, has expired/, log: 'has expired.*authorities and clock' },
		'wrongname.test': { status: 502, error: 'tls', text: /its certificate is not for this name/, log: 'not for this name.*origin\\.sni' },
		'unknown.test': { status: 502, error: 'tls', text: /signed by itself/, log: 'signed by itself' },
		'plain.test': { status: 502, error: 'tls', text: /plain\.test/, log: 'Check the server.s certificate' },
		'hangs.test': { status: 504, error: 'timeout', text: /could not be connected to within 600 ms|did not end the TLS handshake (in time|within 600 ms)/, log: 'connectMs' },
		'full.test': { status: 504, error: 'timeout', text: /could not be connected to within 600 ms/, log: `127\\.0\\.0\\.1:${fullPort}|connectMs` },
		'closed.test': { status: 502, error: 'connect', text: /connect/i, log: 'Check that the server runs' },
	})
	await node.stop()
})

test('names that do not exist, are not answered for, or come late: the documented answer, and others go on', async t => {
	const names = await startNames()
	const good = await startBad()
	good.ill = false
	const at = name => `http://${name}.example:${good.port}`
	const { start } = await place(t, {
		origin: good,
		config: {
			resolver: { servers: [names.server] },
			sites: [
				{ name: 'shop', hosts: ['shop.example'], origin: good.url },
				site('nx', at('nx'), { connectMs: 10000 }), site('servfail', at('servfail'), { connectMs: 10000 }), site('silent', at('silent'), { connectMs: 1500 }),
				site('slow', at('slow'), { connectMs: 10000 }), site('tooslow', at('slow.too'), { connectMs: 1000 }),
			],
		},
	})
	t.after(() => names.close())
	const node = await start()
	const slow = every(CLIENTS, () => ask(node.port, '/page', { host: 'slow.test' }))
	await refusals(node, {
		'nx.test': { status: 502, error: 'dns', text: /there is no such name/, log: 'resolver\\.servers' },
		'servfail.test': { status: 502, error: 'dns', text: /servfail/, log: 'resolver\\.servers' },
		'silent.test': { status: 504, error: 'timeout', text: /within 1500 ms/, log: 'connectMs' },
		'tooslow.test': { status: 504, error: 'timeout', text: /within 1000 ms/, log: 'connectMs' },
	})
	for (const res of await slow) assert.ok(res.status === 200 && res.text === bodyOf('/page'), 'a name that takes 3 s is waited for')
	assert.ok(hit(await ask(node.port, '/page', { host: 'slow.test' })))
	await node.stop()
})

test('a name that leads to an address that a site may not have is refused as soon as it does, and stale answers are used', async t => {
	const names = await startNames()
	const good = await startBad()
	good.ill = false
	good.closes = true
	const node = await startStore({ config: { threads: 1, cache: { memoryMb: 16, disk: [] }, resolver: { servers: [names.server] }, routineAddresses: ['127.0.0.1/32'], sandbox: { pool: 0 } } })
	t.after(async () => {
		node.kill()
		node.forget()
		names.close()
		await good.close()
	})
	await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: { servers: [`http://flips.example:${good.port}`], private: true, idleMs: 2000, connectMs: 2000 } })
	assert.equal((await ask(node.port, '/page/stale')).text, bodyOf('/page/stale'))
	for (const address of ['127.0.0.2', '169.254.169.254']) {
		names.flips = address
		const res = await raw.until(async () => {
			const one = await ask(node.port, `/page/${Math.random()}`)
			return one.status !== 200 && one
		}, { what: `the refusal of ${address}` })
		assert.deepEqual([res.status, res.headers['er-error'].split(';')[0]], [502, 'refused-address'], `${address}: ${res.text}`)
		const stale = await ask(node.port, '/page/stale')
		assert.ok(stale.status === 200 && stale.text === bodyOf('/page/stale'), status(stale))
		names.flips = '127.0.0.1'
		await raw.until(async () => (await ask(node.port, `/page/${Math.random()}`)).status === 200, { what: 'the address that is allowed' })
	}
	await node.stop()
})

test('a kept connection that is closed just as it is used again costs a second question, and no POST is sent twice', async t => {
	let closing = true
	const posts = []
	const origin = await startScripted((request, socket, number) => {
		if (request.method === 'POST') posts.push(number)
		// Every connection answers once.
		if (socket.asked && closing) return request.path.startsWith('/reset') ? socket.resetAndDestroy() : socket.end()
		socket.asked = true
		socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
	})
	const { start } = await place(t, { origin })
	const node = await start()
	for (const how of ['/closed', '/reset']) {
		for (let i = 0; i < 20; i++) {
			const res = await ask(node.port, `${how}/${i}`)
			assert.deepEqual([res.status, res.text], [200, 'ok'], `${how} ${i}: ${res.text}`)
		}
	}
	for (let i = 0; i < 6; i++) {
		await ask(node.port, `/warm/${i}`)
		const n = posts.length
		const res = await ask(node.port, '/closed/post', { method: 'POST', body: 'order' })
		assert.ok(res.status === 200 || (res.status === 502 && posts.length <= n + 1), `${res.status}: sent ${posts.length - n} times`)
		assert.ok(posts.length <= n + 1, 'sent once')
	}
	closing = false
	await node.stop()
})

test('an answer that comes before the request is whole is handed on, and the rest of the upload hurts nobody', async t => {
	const origin = await startScripted((request, socket) => {
		if (request.method !== 'POST') return socket.write('HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 4\r\n\r\nwell')
		socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno')
		if (request.path === '/closes') setTimeout(() => socket.destroy(), 50)
	})
	const { start } = await place(t, { origin })
	const node = await start()
	await Promise.all(['/closes', '/stays'].flatMap(target => Array.from({ length: 4 }, async () => {
		const c = await node.connect({ timeout: 10000 })
		c.socket.on('error', () => {})
		c.send(`POST ${target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 50000000\r\n\r\n${'x'.repeat(100000)}`)
		const res = await c.response()
		assert.deepEqual([res.status, res.text], [413, 'no'])
		c.close()
		assert.equal((await ask(node.port, `/well${target}`)).text, 'well')
	})))
	await held(node)
	await node.stop()
})

/** RST_STREAM and nothing else: the stream's own close() ends the answer well before. */
function resetStream(stream, code) {
	const handle = Object.getOwnPropertySymbols(stream).map(k => stream[k]).find(v => typeof v?.rstStream === 'function')
	handle.rstStream(code)
}

/** FAULT: [what an origin does on a stream of HTTP/2, what a client gets]. */
const h2 = {
	'resets-stream': [stream => resetStream(stream, 2), { status: 502, error: 'bad-response', text: /./ }],
	'never-answers': [() => {}, { status: 504, error: 'timeout', text: /did not go on within/ }],
	'ends-session': [stream => stream.session.destroy(), { status: 502, error: 'bad-response', text: /./ }],
	'says-goaway': [stream => stream.session.goaway(2), { status: 504, error: 'timeout', text: /did not go on within/ }],
	'1000-fields': [stream => stream.respond({ ':status': 200, ...Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`x-${i}`, 'b'])) }), { status: 502, error: 'bad-response', text: /more than \d+ fields/ }],
	'less-than-the-length': [(stream, path) => begins(stream, path, bodyOf(path).length, s => s.end()), { cut: true }],
	'more-than-the-length': [(stream, path) => begins(stream, path, 3500, s => s.end(bodyOf(path).slice(3000))), { cut: true }],
	'resets-in-body': [(stream, path) => begins(stream, path, bodyOf(path).length, s => resetStream(s, 2)), { cut: true }],
	'resets-in-body-without-length': [(stream, path) => begins(stream, path, undefined, s => resetStream(s, 2)), { cut: true }],
	'cancels-in-body': [(stream, path) => begins(stream, path, undefined, s => resetStream(s, 8)), { cut: true }],
	'no-error-in-body': [(stream, path) => begins(stream, path, bodyOf(path).length, s => resetStream(s, 0)), { cut: true }],
	'ends-session-in-body': [(stream, path) => begins(stream, path, undefined, s => s.session.destroy()), { cut: true }],
	'stops-in-body': [(stream, path) => begins(stream, path, bodyOf(path).length, () => {}), { cut: true }],
}

function begins(stream, path, length, goOn) {
	stream.respond({ ':status': 200, 'cache-control': 'max-age=1000', etag: '"one"', ...(length && { 'content-length': length }) })
	stream.write(bodyOf(path).slice(0, 3000))
	setTimeout(() => stream.destroyed || goOn(stream), 100)
}

test('an origin of HTTP/2 that resets streams, ends sessions or lies about lengths is seen through as well', async t => {
	const dir = tempDir('er-faults-h2-')
	const { key, cert, file } = certificateOf(dir, 'h2.test')
	let ill = true
	const server = http2.createSecureServer({ key, cert, maxSendHeaderBlockLength: 1 << 24 })
	const sessions = new Set()
	server.on('session', s => sessions.add(s.on('error', () => {}).on('close', () => sessions.delete(s))))
	server.on('sessionError', () => {})
	server.on('stream', (stream, headers) => {
		stream.on('error', () => {})
		const path = headers[':path']
		const fault = h2[path.split('/')[1]]
		if (ill && fault) return fault[0](stream, path)
		stream.respond({ ':status': 200, 'cache-control': 'max-age=1000', 'content-length': bodyOf(path).length })
		stream.end(bodyOf(path))
	})
	await new Promise(f => server.listen(0, '127.0.0.1', f))
	const well = await startBad()
	well.ill = false
	const { start } = await place(t, {
		origin: well,
		env: { SSL_CERT_FILE: file },
		config: { sites: [site('h2', `https://127.0.0.1:${server.address().port}`, { connectMs: 3000, headMs: 1500 }), { name: 'shop', hosts: ['shop.example'], origin: well.url }] },
	})
	t.after(() => {
		for (const s of sessions) s.destroy()
		server.close()
		fs.rmSync(dir, { recursive: true, force: true })
	})
	const node = await start()
	const host = 'h2.test'
	const stop = healthy(node)
	// One after the other: the end of a session is the end of all its streams.
	for (const [name, [, want]] of Object.entries(h2)) {
		const target = `/${name}/cold`
		expectedOfAll(name, await every(CLIENTS, () => ask(node.port, target, { host })), want, target)
	}
	await stop()
	// A fill that is asked again by itself would find the origin well.
	await raw.until(async () => (await node.metric('er_cache_fills')) === 0, { timeout: 5000, what: 'the end of all fills' })
	ill = false
	for (const name of Object.keys(h2)) {
		const target = `/${name}/cold`
		const first = await ask(node.port, target, { host })
		// What a slow node asked again by itself may be there already: whole, or this would tell.
		expected(name, first, { any: true }, target)
		assert.ok(hit(await ask(node.port, target, { host })), name)
	}
	await raw.until(async () => (await node.metric('er_cache_fills')) === 0, { timeout: 5000, what: 'the end of all fills' })
	await node.stop()
})
