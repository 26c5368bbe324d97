// What a routine does with requests, bodies and subrequests, as its author and its clients see it.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import { startNode, sanitized } from './lib/node.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

const loopback = { allowAddresses: ['127.0.0.0/8'] }
const MB = 1024 * 1024
let node, origin, bigSent = 0, uploadHash
const held = []

before(async () => {
	origin = await startOrigin(async (req, res) => {
		const url = new URL(req.url, 'http://x')
		if (url.pathname === '/echo') {
			const body = await bodyOf(req)
			res.writeHead(200, { 'content-type': req.headers['content-type'] ?? 'application/octet-stream', 'x-method': req.method, 'x-seen': req.headers['x-test'] ?? '' })
			res.end(body)
		} else if (url.pathname === '/hash') {
			const hash = crypto.createHash('sha256')
			for await (const part of req) hash.update(part)
			uploadHash = hash.digest('hex')
			res.end(uploadHash)
		} else if (url.pathname === '/big') {
			const size = Number(url.searchParams.get('n'))
			res.writeHead(200, { 'content-length': size })
			const block = Buffer.alloc(64 * 1024, 'x')
			let left = size
			const more = () => {
				while (left > 0 && !res.destroyed) {
					const part = left < block.length ? block.subarray(0, left) : block
					left -= part.length
					bigSent += part.length
					if (!res.write(part)) return void res.once('drain', more)
				}
				res.end()
			}
			more()
		} else if (url.pathname === '/redirect') {
			res.writeHead(302, { location: '/echo?redirected' })
			res.end()
		} else if (url.pathname === '/caps') {
			res.writeHead(200, ['X-A', '1', 'Content-Length', '0', 'x-a', '2', 'Host', 'x', 'Expect', 'y', 'SET-COOKIE', 'c=d'])
			res.end()
		} else if (url.pathname === '/wide') {
			res.writeHead(200, { 'content-length': '0', ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`X-${i}`, 'v'.repeat(1000)])) })
			res.end()
		} else if (url.pathname === '/slow') {
			setTimeout(() => res.end('slow'), 300)
		} else if (url.pathname === '/never') {
			held.push(req)
			req.socket.on('close', () => (req.wasClosed = true))
		} else {
			res.end('origin ' + req.url)
		}
	})
	const O = origin.url
	const routines = {
		text: `addEventListener("fetch", e => e.respondWith(new Response("hi " + e.request.method)))`,
		string: `addEventListener("fetch", e => e.respondWith("just a string"))`,
		echo: `addEventListener("fetch", e => e.respondWith((async () => {
			const text = await e.request.text()
			return new Response(text.length + ":" + text.slice(0, 20), { status: 201, headers: { "x-a": "1", "set-cookie": "a=b" } }) })()))`,
		json: `addEventListener("fetch", e => e.respondWith(e.request.json().then(o => Response.json({ sum: o.a + o.b }))))`,
		relay: { source: `addEventListener("fetch", e => { const u = new URL(e.request.url)
			e.respondWith(fetch("${O}" + u.pathname + u.search, { method: e.request.method, headers: e.request.headers, body: e.request.body }).then(r => {
				r = new Response(r.body, r); r.headers.set("x-by", "edge"); return r })) })`, ...loopback },
		upload: { source: `addEventListener("fetch", e => e.respondWith(fetch("${O}/hash", { method: "POST", body: e.request.body })))`, ...loopback },
		read: { source: `addEventListener("fetch", e => e.respondWith((async () => { let n = 0; const reader = e.request.body.getReader()
			for (;;) { const { done, value } = await reader.read(); if (done) break; n += value.length } return new Response(String(n)) })()))`, limits: { cpuMs: 5000 } },
		caps: { source: `addEventListener("fetch", e => e.respondWith(fetch("${O}/caps").then(r => new Response([...r.headers.keys()] + " " + r.headers.get("X-a") + r.headers.has("HOST"), { headers: new Headers(r.headers) }))))`, ...loopback },
		wide: { source: `addEventListener("fetch", e => e.respondWith(fetch("${O}/wide").then(r => {
			const copy = new Headers(r.headers), n = new Response("ok", r)
			n.headers.delete("absent")
			for (let i = 0; i < 20; i++) n.headers.delete("x-" + i)
			return new Response([...copy].length + " " + [...n.headers].length, n) })))`, ...loopback },
		marks: `addEventListener("fetch", e => e.respondWith((async () => { const { request: r } = e; const t = r.headers.has("x-json") ? JSON.stringify(await r.json()) : await r.text(); return new Response(t.length + ":" + t) })()))`,
		slowread: { source: `addEventListener("fetch", e => e.respondWith((async () => { const reader = e.request.body.getReader(); let n = 0
			for (let i = 0; i < 3; i++) { const r = await reader.read(); n += r.value.length; await new Promise(f => setTimeout(f, 100)) }
			await new Promise(f => setTimeout(f, 700)); return new Response("read " + n) })()))` },
		stream: `addEventListener("fetch", e => { let i = 0
			e.respondWith(new Response(new ReadableStream({ async pull(c) { await new Promise(f => setTimeout(f, 20)); c.enqueue(new TextEncoder().encode("part" + i + ";")); if (++i === 5) c.close() } }))) })`,
		endless: { source: `const block = new Uint8Array(16384); addEventListener("fetch", e => e.respondWith(new Response(new ReadableStream({ pull(c) { c.enqueue(block) } }))))`, limits: { cpuMs: 10000 } },
		cut: `addEventListener("fetch", e => e.respondWith(new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("begun")); setTimeout(() => c.error(new Error("broken")), 50) } }))))`,
		later: { source: `let done = 0; addEventListener("fetch", e => { if (new URL(e.request.url).pathname === "/done") return e.respondWith(new Response(String(done)))
			e.waitUntil((async () => { await new Promise(f => setTimeout(f, 150)); await fetch("${O}/beacon"); done++ })()); e.respondWith(new Response("now")) })`, ...loopback },
		notlater: `let ran = 0; addEventListener("fetch", e => { if (new URL(e.request.url).pathname === "/ran") return e.respondWith(new Response(String(ran)))
			setTimeout(() => ran++, 50); e.respondWith(new Response("now")) })`,
		throws: `addEventListener("fetch", e => { throw new TypeError("my mistake") })`,
		rejects: `addEventListener("fetch", e => e.respondWith(Promise.reject(new Error("later mistake"))))`,
		wrong: `addEventListener("fetch", e => e.respondWith(42))`,
		top: `throw new Error("at the top")`,
		syntax: `addEventListener("fetch", e => {`,
		nothing: `console.log("no handler")`,
		passes: `addEventListener("fetch", e => {})`,
		chain: `addEventListener("fetch", e => { if (e.request.url.includes("one")) e.respondWith(new Response("first")) })
			addEventListener("fetch", e => e.respondWith(new Response("second")))`,
		info: `addEventListener("fetch", e => e.respondWith(Response.json({ event: e.info, request: e.request.info, url: e.request.url, method: e.request.method })))`,
		vars: { source: `addEventListener("fetch", e => e.respondWith(Response.json(e.env ?? null)))`, vars: { GREETING: 'hello', N: 3 } },
		headers: `addEventListener("fetch", e => e.respondWith(new Response([...e.request.headers].map(([k, v]) => k + "=" + v).join("\\n"))))`,
		inject: `addEventListener("fetch", e => { try { e.respondWith(new Response("x", { headers: { "x-a": "b\\r\\nx-evil: 1" } })) } catch (err) { e.respondWith(new Response("refused " + err.name)) } })`,
		redirect: { source: `addEventListener("fetch", e => e.respondWith((async () => { const r = await fetch("${O}/redirect", { redirect: new URL(e.request.url).pathname.slice(1) })
			return Response.json({ status: r.status, url: r.url, redirected: r.redirected, list: r.urlList }) })().catch(x => new Response(String(x), { status: 500 }))))`, ...loopback },
		guard: `addEventListener("fetch", e => e.respondWith(fetch("${O}/x").then(r => r.text()).then(t => new Response(t), x => new Response(x.name + ": " + x.message, { status: 502 }))))`,
		abort: { source: `addEventListener("fetch", e => e.respondWith((async () => { try { await fetch("${O}/never", { signal: AbortSignal.timeout(100) }); return new Response("no") }
			catch (x) { return new Response(x.name) } })()))`, ...loopback },
		hang: { source: `let aborted = 0; addEventListener("fetch", e => { if (new URL(e.request.url).pathname === "/aborted") return e.respondWith(new Response(String(aborted)))
			e.request.signal.addEventListener("abort", () => aborted++); e.respondWith(fetch("${O}/never")) })`, ...loopback },
		subs: { source: `addEventListener("fetch", e => e.respondWith((async () => { let ok = 0, bad = ""; for (let i = 0; i < 40; i++) try { const r = await fetch("${O}/x"); await r.text(); ok++ } catch (x) { bad = x.message } return new Response(ok + " " + bad) })()))`, ...loopback, limits: { cpuMs: 500 } },
		gzip: { source: `addEventListener("fetch", e => e.respondWith(fetch("${O}/echo", {method: "POST", body: "x".repeat(1000)}).then(r => r.text()).then(t => new Response(String(t.length)))))`, ...loopback },
		other: { source: `let kept; addEventListener("fetch", e => { const p = new URL(e.request.url).pathname
			if (p === "/keep") { kept = e.request; e.respondWith(new Response("kept")) } else e.respondWith((async () => { try { await kept.text(); return new Response("read it") } catch (x) { return new Response(x.name) } })()) })` },
		noeval: `addEventListener("fetch", e => { const out = []; for (const f of [() => eval("1"), () => new Function("return 1")(), () => setTimeout("1")]) try { f(); out.push("ran") } catch (x) { out.push(x.name) } e.respondWith(new Response(out.join())) })`,
		clock: `addEventListener("fetch", e => { const a = Date.now(), p = performance.now(); let n = 0; for (let i = 0; i < 3e6; i++) n += i; e.respondWith(new Response(String(Date.now() - a) + " " + (performance.now() - p))) })`,
		clock2: `addEventListener("fetch", e => e.respondWith((async () => { const a = Date.now(); await new Promise(f => setTimeout(f, 120)); return new Response(String(Date.now() - a)) })()))`,
		short: `const waits = []
			addEventListener("fetch", e => { const u = new URL(e.request.url), q = u.searchParams
			const make = () => new Response(q.has("null") ? null : (q.get("body") ?? "x").repeat(q.get("n") ?? 1), { status: Number(q.get("status") ?? 200), statusText: q.get("reason") ?? "", headers: { "x-name": q.get("name") ?? "plain" } })
			if (u.pathname === "/patched") { const was = String.prototype.charCodeAt; String.prototype.charCodeAt = () => 65; try { return e.respondWith(make()) } finally { String.prototype.charCodeAt = was } }
			if (u.pathname === "/wait") return e.respondWith(new Promise(f => { waits.push(() => f(make())); setTimeout(f, 20000) }))
			if (u.pathname === "/all") for (const w of waits.splice(0)) w()
			if (u.pathname === "/after") e.waitUntil(new Promise(f => setTimeout(f, 10)))
			e.respondWith(make()) })`,
		logs: `console.log("from the top %d", 1); addEventListener("fetch", e => { console.warn({ a: [1, 2, { b: 3 }] }); e.respondWith(new Response("ok")) })`,
	}
	node = await startNode({ routines, config: { routineLimits: { cpuMs: 10000 } } })
})

after(async () => {
	await origin?.close()
	await node?.stop()
	if (node) assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
})

const get = (name, path = '/', o = {}) => node.get(name, path, o)
const is = async (name, path, status, text, o) => {
	const res = await get(name, path, o)
	assert.deepEqual([res.status, res.text], [status, text])
	return res
}

test('a short answer keeps its status, reason, fields and every character', async () => {
	const short = async (query, path = '/') => {
		const res = await get('short', `${path}?${new URLSearchParams(query)}`)
		return [res.status, res.headers['x-name'], res.text]
	}
	for (const n of [1, 20, 599, 600, 601, 2000, 20000])
		for (const body of ['x', 'é', '€', '😀']) assert.deepEqual(await short({ body, n }), [200, 'plain', body.repeat(n)])
	assert.deepEqual(await short({ status: 404, body: 'no' }), [404, 'plain', 'no'])
	assert.deepEqual(await short({ null: 1, status: 204 }), [204, 'plain', ''])
	assert.deepEqual(await short({ body: '' }), [200, 'plain', ''])
	assert.deepEqual(await short({ name: 'y'.repeat(280) }), [200, 'y'.repeat(280), 'x'])
	assert.deepEqual(await short({ name: 'z'.repeat(4000) }), [200, 'z'.repeat(4000), 'x'])
	assert.deepEqual(await short({ name: 'caf\u00e9' }), [200, 'caf\u00e9', 'x'])
	assert.deepEqual(await short({ body: 'abc' }, '/patched'), [200, 'plain', 'abc'])
	assert.deepEqual(await short({ body: 'abc' }, '/after'), [200, 'plain', 'abc'])
	const res = await raw.request(node.port, '/?reason=Fine+so+far', { host: 'short.localhost' })
	assert.deepEqual([res.status, res.reason], [200, 'Fine so far'])
})

test('several short answers of one turn all arrive, each its own', async () => {
	const waiting = Array.from({ length: 12 }, (_, i) => get('short', `/wait?body=${i}-&n=3&name=n${i}`))
	await new Promise(f => setTimeout(f, 200))
	await get('short', '/all?body=last')
	for (const [i, res] of (await Promise.all(waiting)).entries())
		assert.deepEqual([res.status, res.headers['x-name'], res.text], [200, `n${i}`, `${i}-`.repeat(3)])
})

test('a routine answers by itself', async () => {
	const res = await is('text', '/', 200, 'hi GET')
	assert.equal(res.headers['content-type'], 'text/plain;charset=UTF-8')
	await is('string', '/', 200, 'just a string')
	const head = await get('text', '/', { method: 'HEAD' })
	assert.equal(head.headers['content-length'], '7')
	assert.equal(head.body.length, 0)
})

test('a body small or large, whole or chunked, arrives as it was sent', async () => {
	for (const n of [0, 1, 5000, 9000, 70000, 300000]) {
		const body = 'y'.repeat(n)
		const res = await get('echo', '/', { method: 'POST', body })
		assert.deepEqual([res.status, res.text], [201, `${n}:${body.slice(0, 20)}`], `${n} bytes`)
		assert.equal(res.headers['x-a'], '1')
		assert.equal(res.headers['set-cookie'], 'a=b')
	}
	const c = await node.connect()
	c.send('POST / HTTP/1.1\r\nhost: echo.localhost\r\ntransfer-encoding: chunked\r\n\r\n')
	for (const part of ['3\r\nabc\r\n', '4;x=y\r\ndefg\r\n']) {
		await raw.sleep(20)
		c.send(part)
	}
	c.send('0\r\n\r\n')
	assert.equal((await c.response()).text, '7:abcdefg')
	c.close()
	await is('json', '/', 200, '{"sum":3}', { method: 'POST', body: '{"a":1,"b":2}' })
})

test('malformed JSON is the routine\'s exception and tells the client nothing of it', async () => {
	const res = await get('json', '/', { method: 'POST', body: '{"a":' })
	assert.equal(res.status, 599)
	assert.match(res.headers['er-error'], /^exception/)
	assert.doesNotMatch(res.text, /JSON/)
})

test('a relay passes method, headers and bodies both ways and can rewrite them', async () => {
	const res = await get('relay', '/echo?x=1', { method: 'PUT', body: 'abc', headers: { 'x-test': 'seen', 'content-type': 'text/x' } })
	assert.deepEqual([res.status, res.text, res.headers['x-by'], res.headers['x-method'], res.headers['x-seen'], res.headers['content-type']], [200, 'abc', 'edge', 'PUT', 'seen', 'text/x'])
	await is('relay', '/plain', 200, 'origin /plain')
})

test('an upload is relayed to the origin byte by byte', async () => {
	const body = crypto.randomBytes(3 * MB)
	const res = await get('upload', '/', { method: 'POST', body, timeout: 30000 })
	assert.equal(res.text, crypto.createHash('sha256').update(body).digest('hex'))
})

test('a gigabyte is relayed without entering the sandbox: its CPU and memory stay flat', async () => {
	const size = sanitized ? 64 * MB : 1024 * MB
	await get('relay', '/plain')
	await raw.sleep(1500) // what the pool does for itself after that start is not the relay's
	const boxes = proc.sandboxes(node.pid)
	const sum = () => boxes.reduce((a, p) => a + proc.cpu(p), 0)
	const memory = () => Math.max(...boxes.map(p => proc.memory(p).anonymous))
	const cpu0 = sum(), memory0 = memory(), node0 = proc.memory(node.pid).anonymous
	let most = 0
	const c = await node.connect({ timeout: 60000 })
	c.send(raw.bytesOf(`/big?n=${size}`, { host: 'relay.localhost' }))
	const head = await c.head()
	assert.equal(Number(head.headers['content-length']), size)
	let left = size
	while (left > 0) {
		if (c.bytes.length === 0) await c.more('body bytes')
		left -= c.take(c.bytes.length).length
		if (Math.random() < 0.01) most = Math.max(most, proc.memory(node.pid).anonymous)
	}
	c.close()
	assert.equal(left, 0)
	// Through JavaScript it would be more than a second; the clock has steps of 10 ms a process.
	assert.ok(sum() - cpu0 <= 700, `the sandboxes used ${sum() - cpu0} ms of CPU for ${size} bytes`)
	assert.ok(memory() - memory0 < 4 * MB, `the sandbox grew by ${memory() - memory0} bytes`)
	if (!sanitized) assert.ok(most - node0 < 16 * MB, `the node grew by ${most - node0} bytes`)
})

test('a slow client holds memory constant: the origin waits', async () => {
	bigSent = 0
	const c = await node.connect()
	c.send(raw.bytesOf(`/big?n=${256 * MB}`, { host: 'relay.localhost' }))
	await c.head()
	c.socket.pause()
	const before = proc.memory(node.pid).anonymous
	await raw.sleep(800)
	const first = bigSent
	await raw.sleep(500)
	assert.equal(bigSent, first, 'the origin could not go on sending')
	// Beyond the node, two connections hold what the kernel grants a buffer of each side.
	const most = name => Number(fs.readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2])
	const held = 2 * (most('tcp_rmem') + most('tcp_wmem')) + 8 * MB
	assert.ok(bigSent < Math.min(held, 200 * MB), `the origin sent ${bigSent} bytes, and the kernel holds ${held} at most`)
	assert.ok(proc.memory(node.pid).anonymous - before < 8 * MB)
	c.close()
})

test('a byte order mark is no part of a text, a second one is', async () => {
	const ask = async (body, headers) => (await get('marks', '/', { method: 'POST', body: Buffer.from(body), headers })).text
	assert.equal(await ask('\ufeffab'), '2:ab')
	assert.equal(await ask('\ufeff\ufeffab'), '3:\ufeffab')
	assert.equal(await ask('\ufeff"ä"', { 'x-json': '1' }), '3:"ä"')
})

test('JavaScript reads an upload of many megabytes piece by piece', async () => {
	const n = sanitized ? 2 * MB : 24 * MB
	const res = await get('read', '/', { method: 'POST', body: Buffer.alloc(n), timeout: 60000 })
	assert.deepEqual([res.status, res.text], [200, String(n)])
})

test('a slow reader in JavaScript holds the client back', async () => {
	const c = await node.connect()
	c.send(`POST / HTTP/1.1\r\nhost: slowread.localhost\r\ncontent-length: ${64 * MB}\r\n\r\n`)
	const block = Buffer.alloc(MB)
	let sent = 0
	const writer = (async () => {
		for (let i = 0; i < 64 && !c.ended; i++) {
			if (!c.socket.write(block)) await Promise.race([new Promise(f => c.socket.once('drain', f)), raw.sleep(2500)])
			sent += block.length
		}
	})()
	await raw.sleep(700)
	assert.ok(c.socket.writableLength > 0 || sent < 64 * MB, 'the client could not send all of it')
	assert.ok(c.socket.bytesWritten - c.socket.writableLength < 24 * MB)
	const res = await c.response()
	assert.match(res.text, /^read \d+$/)
	c.close()
	await writer
})

test('a streamed response reaches the client while it is made', async () => {
	const c = await node.connect()
	c.send(raw.bytesOf('/', { host: 'stream.localhost' }))
	const head = await c.head()
	assert.equal(head.headers['transfer-encoding'], 'chunked')
	const t0 = Date.now()
	await c.line('the first chunk size')
	assert.equal((await c.exactly(6)).toString(), 'part0;')
	assert.ok(Date.now() - t0 < 1000)
	c.close()
	const res = await get('stream')
	assert.equal(res.text, 'part0;part1;part2;part3;part4;')
})

test('a response without end is held back by its client and ends with him', async () => {
	const c = await node.connect()
	c.send(raw.bytesOf('/', { host: 'endless.localhost' }))
	await c.head()
	c.socket.pause()
	const boxes = proc.sandboxes(node.pid)
	const cpu = () => boxes.reduce((a, p) => a + proc.cpu(p), 0)
	// The engine compiles behind what has run; a routine that goes on takes all of each 500 ms.
	let took
	await raw.until(async () => {
		const before = cpu()
		await raw.sleep(500)
		return (took = cpu() - before) <= 100
	}, { what: 'rest of a routine whose client does not read' }).catch(e => assert.fail(`${e.message}: ${took} ms in the last 500`))
	c.close()
	await is('text', '/', 200, 'hi GET')
})

test('a body that breaks off is cut, not ended as if it were whole', async () => {
	await assert.rejects(get('cut'), /ended while waiting/)
})

test('waitUntil goes on after the response; what it does not cover is cancelled', async () => {
	const n = origin.requests.length
	await is('later', '/', 200, 'now')
	assert.ok(!origin.requests.slice(n).some(r => r.url === '/beacon'))
	await raw.until(() => origin.requests.slice(n).some(r => r.url === '/beacon'), { what: 'the beacon' })
	await raw.until(async () => (await get('later', '/done')).text === '1')
	await is('notlater', '/', 200, 'now')
	await raw.sleep(200)
	await is('notlater', '/ran', 200, '0')
})

test('an exception is 599 with its kind, in the log with its stack, and never in the answer', async () => {
	for (const [name, re] of [['throws', /TypeError: my mistake/], ['rejects', /Error: later mistake/], ['top', /at the top/], ['wrong', /must return a Response/], ['syntax', /SyntaxError/], ['nothing', /no handler/]]) {
		const res = await get(name)
		assert.equal(res.status, 599, name)
		assert.match(res.headers['er-error'], /^exception/, name)
		assert.doesNotMatch(res.text, /mistake|at the top/, name)
		await node.logged(re)
	}
	await is('text', '/', 200, 'hi GET')
})

test('without respondWith the standard process answers; listeners form a chain', async () => {
	assert.equal((await get('passes')).status, 404)
	await is('chain', '/one', 200, 'first')
	await is('chain', '/two', 200, 'second')
})

test('the routine sees who asks, and its variables', async () => {
	const res = JSON.parse((await get('info', '/a%20b?c=d')).text)
	assert.equal(res.event.remote_addr, '127.0.0.1')
	assert.equal(res.request.scheme, 'http')
	assert.equal(res.url, 'http://info.localhost/a%20b?c=d')
	assert.deepEqual(JSON.parse((await get('vars')).text), { GREETING: 'hello', N: 3 })
	const headers = (await get('headers', '/', { headers: { 'X-One': 'caf\xe9', 'X-Two': ['a', 'b'], 'Keep-Alive': '1' } })).text
	assert.match(headers, /x-one=caf\u00e9/)
	assert.match(headers, /x-two=a, b/)
	assert.doesNotMatch(headers, /keep-alive|connection/)
})

test('an origin may spell names as it likes, and what concerns the connection to it stays there', async () => {
	const res = await get('caps')
	assert.match(res.text, /set-cookie,x-a 1, 2false$/)
	assert.doesNotMatch(res.text, /host|expect/)
	assert.equal(res.headers['x-a'], '1, 2')
	assert.deepEqual([res.headers.host, res.headers.expect], [undefined, undefined])
})

test('a head larger than a routine may make can be copied and made smaller', async () => {
	const res = await get('wide')
	assert.equal(res.status, 200, res.text)
	const [copied, left] = res.text.split(' ').map(Number)
	assert.equal(copied - left, 19, 'twenty went, and a content-type came')
	assert.equal(res.headers['x-39'], 'v'.repeat(1000))
	assert.equal(res.headers['x-19'], undefined)
})

test('a header value cannot carry a line break', async () => {
	await is('inject', '/', 200, 'refused TypeError')
})

test('redirects: followed, handed over or refused, as asked', async () => {
	const follow = JSON.parse((await get('redirect', '/follow')).text)
	assert.deepEqual([follow.status, follow.url, follow.redirected, follow.list], [200, `${origin.url}/echo?redirected`, true, [`${origin.url}/redirect`, `${origin.url}/echo?redirected`]])
	assert.equal(JSON.parse((await get('redirect', '/manual')).text).status, 302)
	assert.equal((await get('redirect', '/error')).status, 500)
})

test('loopback and private addresses are out of reach unless the operator allows them', async () => {
	const res = await get('guard')
	assert.equal(res.status, 502)
	assert.match(res.text, /^TypeError: /)
})

test('an aborted fetch ends at once, and so does its connection to the origin', async () => {
	await is('abort', '/', 200, 'TimeoutError')
	await raw.until(() => held.at(-1)?.wasClosed, { what: 'the end of the subrequest' })
})

test('a client that leaves aborts request.signal and the subrequests', async () => {
	const n = held.length
	const c = await node.connect()
	c.send(raw.bytesOf('/', { host: 'hang.localhost' }))
	await raw.until(() => held.length > n)
	c.close()
	await raw.until(() => held.at(-1).wasClosed, { what: 'the end of the subrequest' })
	await raw.until(async () => (await get('hang', '/aborted')).text === '1', { what: 'the abort event' })
})

test('the thirty-third subrequest is refused with an error that says so', async () => {
	const res = await get('subs')
	assert.match(res.text, /^32 .*subrequest/i)
})

test('what belongs to one request cannot be used from another', async () => {
	await is('other', '/keep', 200, 'kept', { method: 'POST', body: 'secret' })
	const res = await get('other', '/use')
	assert.match(res.text, /Error$/)
})

test('strings are never run as code', async () => {
	const names = (await get('noeval')).text.split(',')
	assert.deepEqual(names.map(n => n !== 'ran'), [true, true, true], names.join())
})

test('clocks stand still while code runs and go on between events', async () => {
	await is('clock', '/', 200, '0 0')
	const ms = Number((await get('clock2')).text)
	assert.ok(ms >= 115, `${ms} ms`)
})

test('console output is in the log, readable', async () => {
	await get('logs')
	await node.logged(/from the top 1/)
	await node.logged(/a: \[ ?1, 2, \{ b: 3 \} ?\]/)
})

test('a thousand interleaved requests are each answered with their own body', { timeout: 60000 }, async () => {
	const all = await Promise.all(
		Array.from({ length: 20 }, async (_, k) => {
			const c = await node.connect()
			for (let i = 0; i < 50; i++) {
				const body = `${k}-${i}-` + 'z'.repeat((k * 37 + i * 101) % 12000)
				c.send(raw.bytesOf('/', { method: 'POST', host: 'echo.localhost', body }))
				const res = await c.response()
				if (res.text !== `${body.length}:${body.slice(0, 20)}`) return res.text
			}
			c.close()
			return true
		}),
	)
	assert.deepEqual(all.filter(x => x !== true), [])
})

// (module (func (export "f") (result i32) (i32.const 42)))
const wasm = 'const B = new Uint8Array([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,7,5,1,1,102,0,0,10,6,1,4,0,65,42,11]);'

test('a WebAssembly module that one request compiles reaches the others that wait for it, whatever becomes of the first', async t => {
	const own = await startNode({
		routines: {
			shared: `${wasm} let module; addEventListener('fetch', e => e.respondWith((async () => {
				module ??= WebAssembly.compile(B);
				const i = await WebAssembly.instantiate(await module);
				return new Response('got ' + i.exports.f());
			})()))`,
			bytes: `${wasm} let module; addEventListener('fetch', e => e.respondWith((async () => {
				await (module ??= WebAssembly.compile(B));
				return new Response('got ' + (await WebAssembly.instantiate(B)).instance.exports.f());
			})()))`,
			lazy: `${wasm} let init; const get = () => (init ??= WebAssembly.instantiate(B).then(r => r.instance.exports.f()));
			addEventListener('fetch', e => {
				if (e.request.url.endsWith('/first')) { get(); return e.respondWith(new Response('at once')); }
				e.respondWith(get().then(v => new Response('got ' + v)));
			})`,
			top: `${wasm} const ready = WebAssembly.compile(B).then(m => WebAssembly.instantiate(m)).then(i => i.exports.f());
			addEventListener('fetch', e => e.respondWith(ready.then(v => new Response('got ' + v))))`,
			clear: `${wasm} addEventListener('fetch', e => e.respondWith((async () => {
				const all = [WebAssembly.compile(B), WebAssembly.compile(B), WebAssembly.compile(B)];
				await all[0];
				for (let i = 0; i < 10000; i++) clearTimeout(i);
				await Promise.all(all);
				return new Response('got ' + all.length);
			})()))`,
		},
	})
	t.after(() => own.stop())
	const text = async (name, target = '/') => (await own.get(name, target, { timeout: 5000 })).text
	for (const name of ['shared', 'bytes']) {
		const all = await Promise.all(Array.from({ length: 6 }, () => text(name)))
		assert.deepEqual(all, Array(6).fill('got 42'), name)
	}
	assert.equal(await text('lazy', '/first'), 'at once')
	assert.equal(await text('lazy'), 'got 42')
	assert.equal(await text('top'), 'got 42')
	assert.equal(await text('clear'), 'got 3')
})
