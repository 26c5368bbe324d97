// Code of the first generation: what the switch "classic" gives it, what it does not give others,
// and the API that its public samples use.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import zlib from 'node:zlib'
import { project, run, startDev } from './lib/desk.mjs'
import { startNode } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import { request, until } from './lib/raw.mjs'

/** The same code with the switch and without: node.old(path), node.new(path). */
async function both(code, { limits, handler = echo, ...more } = {}) {
	const origin = await startOrigin(handler)
	const source = `const O = "${origin.url}"\naddEventListener("fetch", event => event.respondWith(handle(event, event.request, new URL(event.request.url).pathname)))\n${code}`
	const routine = classic => ({ source, allowAddresses: ['127.0.0.0/8'], ...(classic && { compat: { classic: true } }), ...(limits && { limits: typeof limits === 'function' ? limits(classic) : limits }) })
	const node = await startNode({ routines: { old: routine(true), new: routine(false) }, config: { origin: origin.url }, ...more })
	const ask = name => (path = '/', options = {}) => request(node.port, path, { host: `${name}.localhost`, ...options })
	return { origin, node, old: ask('old'), new: ask('new'), stop: async () => { await node.stop(); await origin.close() } }
}
function echo(req, res) {
	const chunks = []
	req.on('data', c => chunks.push(c)).on('end', () => {
		if (req.url === '/moved') return res.writeHead(302, { location: '/there' }).end()
		if (req.url === '/br') return res.writeHead(200, { 'content-encoding': 'br' }).end(zlib.brotliCompressSync('brotli'))
		res.setHeader('x-origin', '1')
		res.end(JSON.stringify({ method: req.method, url: req.url, body: Buffer.concat(chunks).toString(), length: req.headers['content-length'] ?? null }))
	})
}

test('classic code changes the headers of a fetched response in place', async () => {
	const s = await both(`async function handle(event, request, path) {
		const response = await fetch(O + path)
		if (path === "/clone") { response.headers.set("x-a", "changed"); return response.clone() }
		if (path === "/read") return new Response(response.headers.get("x-origin"))
		if (path !== "/same") { response.headers.set("x-a", "changed"); response.headers.append("x-b", "2"); response.headers.delete("x-origin") }
		else response.headers.get("x-origin")
		return response
	}`)
	try {
		let res = await s.old('/page')
		assert.deepEqual([res.status, res.headers['x-a'], res.headers['x-b'], res.headers['x-origin'], JSON.parse(res.text).url], [200, 'changed', '2', undefined, '/page'])
		res = await s.old('/clone')
		assert.deepEqual([res.headers['x-a'], res.headers['x-origin'], JSON.parse(res.text).url], ['changed', '1', '/clone'])
		for (const ask of [s.old, s.new]) {
			res = await ask('/same')
			assert.deepEqual([res.headers['x-origin'], JSON.parse(res.text).url], ['1', '/same'])
			assert.equal((await ask('/read')).text, '1')
		}
		assert.equal((await s.new('/page')).status, 599)
		await until(() => s.node.err.some(l => /These headers are immutable/.test(l)))
	} finally { await s.stop() }
})

test('classic code changes the headers of the request it has in place', async () => {
	const s = await both(`async function handle(event, request, path) {
		if (path === "/as-it-came") { request.headers.get("x-own"); return fetch(request) }
		request.headers.set("x-new", "1")
		request.headers.delete("x-own")
		request.headers.delete("content-length")
		if (path === "/copied") return fetch(O + path, { method: request.method, headers: request.headers, body: "another body" })
		return fetch(request)
	}`, { handler: (req, res) => {
		let body = ''
		req.on('data', d => (body += d)).on('end', () => res.end(JSON.stringify([req.headers['x-own'] ?? null, req.headers['x-new'] ?? null, body])))
	} })
	try {
		const asked = { method: 'POST', headers: { 'x-own': 'mine' }, body: 'payload' }
		for (const ask of [s.old, s.new]) assert.deepEqual(JSON.parse((await ask('/as-it-came', asked)).text), ['mine', null, 'payload'])
		assert.deepEqual(JSON.parse((await s.old('/changed', asked)).text), [null, '1', 'payload'])
		assert.deepEqual(JSON.parse((await s.old('/copied', asked)).text), [null, '1', 'another body'])
		assert.equal((await s.new('/changed', asked)).status, 599)
	} finally { await s.stop() }
})

test('classic code gives GET and HEAD a body, which no server sees', async () => {
	const s = await both(`async function handle(event, request, path) {
		const made = new Request(O + path, { method: path.slice(1), body: "payload", headers: { "content-length": "7" } })
		if (path === "/GET") { const res = await fetch(made); return new Response(await res.text() + made.bodyUsed) }
		const res = await fetch(made)
		return new Response(res.status + " " + await new Request(O, { body: "kept" }).text() + " " + await (await fetch(O + "/init", { method: "GET", body: "x" })).text())
	}`)
	try {
		assert.equal((await s.old('/GET')).text, '{"method":"GET","url":"/GET","body":"","length":null}true')
		assert.equal((await s.old('/HEAD')).text, '200 kept {"method":"GET","url":"/init","body":"","length":null}')
		assert.match((await s.old('/POST')).text, /^200 kept/)
		assert.deepEqual(s.origin.requests.map(r => [r.method, r.headers['content-length']]), [['GET', undefined], ['HEAD', undefined], ['GET', undefined], ['POST', '7'], ['GET', undefined]])
		assert.equal((await s.new('/GET')).status, 599)
		assert.equal(s.origin.requests.length, 5)
		await until(() => s.node.err.some(l => /A request with method GET cannot have a body/.test(l)))
	} finally { await s.stop() }
})

const MERGE = `async function handle(event, request, path) {
	const { readable, writable } = new TransformStream()
	if (path === "/shape") return Response.json([TransformStream.name, TransformStream.length, readable instanceof ReadableStream, new TransformStream() instanceof TransformStream, Object.prototype.toString.call(new TransformStream())])
	if (path === "/strategy") {
		const t = new TransformStream({}, undefined, { highWaterMark: 0 })
		return Response.json([await Promise.race([t.writable.getWriter().write("x").then(() => "written"), new Promise(r => setTimeout(r, 50, "held"))])])
	}
	if (path === "/upper") {
		const t = new TransformStream({ transform(chunk, controller) { controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase())) } })
		await (await fetch(O + "/upper")).body.pipeTo(t.writable)
		return new Response(t.readable)
	}
	for (const part of ["/1", "/2"]) {
		const response = await fetch(O + path + part)
		await response.body.pipeTo(writable, { preventClose: true })
	}
	const writer = writable.getWriter()
	await writer.write(new TextEncoder().encode("the end"))
	await writer.close()
	return new Response(readable)
}`

test('classic code awaits what it writes before it returns the readable side', async () => {
	const s = await both(MERGE, { limits: classic => (classic ? {} : { responseMs: 4000 }) })
	try {
		assert.equal((await s.old('/merge')).text, '{"method":"GET","url":"/merge/1","body":"","length":null}{"method":"GET","url":"/merge/2","body":"","length":null}the end')
		assert.equal((await s.old('/upper')).text, '{"METHOD":"GET","URL":"/UPPER","BODY":"","LENGTH":NULL}')
		for (const ask of [s.old, s.new]) {
			assert.deepEqual(JSON.parse((await ask('/shape')).text), ['TransformStream', 0, true, true, '[object TransformStream]'])
			assert.deepEqual(JSON.parse((await ask('/strategy')).text), ['held'])
		}
		const { status, headers } = await s.new('/merge')
		assert.deepEqual([status, headers['er-error']], [599, 'hung'], 'the standard says so: nobody reads')
	} finally { await s.stop() }
})

test('a classic TransformStream holds an eighth of the memory, and more goes through it as it is read', async () => {
	const big = 24 << 20
	const s = await both(`async function handle(event, request, path) {
		const { readable, writable } = new TransformStream()
		const done = (await fetch(O + path)).body.pipeTo(writable)
		if (path === "/awaited") await done
		else event.waitUntil(done)
		return new Response(readable)
	}`, { limits: { responseMs: 5000, memoryMb: 64, cpuMs: 3000 }, handler: (req, res) => res.end(Buffer.alloc(req.url === '/small' ? 6 << 20 : big, 'x')), config: { routineLimits: { cpuMs: 5000 } } })
	try {
		const held = await s.old('/awaited')
		assert.deepEqual([held.status, held.headers['er-error']], [599, 'hung'], 'more than it holds, and nobody reads')
		const res = await s.old('/read')
		assert.deepEqual([res.status, res.body.length], [200, big])
		assert.equal(await s.node.metric('er_kills_total', { routine: 'old', limit: 'memory' }) ?? 0, 0)
	} finally { await s.stop() }
})

test('redirects go to classic code, and codings that it does not know are errors', async () => {
	const s = await both(`async function handle(event, request, path) {
		try {
			const res = await fetch(O + path)
			return Response.json([res.status, path === "/br" ? "read" : (await res.text()).length > 0, res.urlList.length])
		} catch (e) { return Response.json([e.name]) }
	}`)
	try {
		assert.deepEqual(JSON.parse((await s.old('/moved')).text), [302, false, 1])
		assert.deepEqual(JSON.parse((await s.new('/moved')).text), [200, true, 2])
		assert.deepEqual(JSON.parse((await s.old('/br')).text), ['TypeError'])
		assert.deepEqual(JSON.parse((await s.new('/br')).text).slice(0, 2), [200, 'read'])
	} finally { await s.stop() }
})

test('the helpers of the first generation are there for everybody', async () => {
	const s = await both(`async function handle(event, request, path) {
	switch (path) {
	case "/string": return "a plain string"
	case "/promise": return Promise.resolve("ä string")
	case "/ignore": {
		const res = await fetch(O + "/ignored")
		const nothing = await res.ignore()
		return Response.json([res.status, res.bodyUsed, nothing === undefined, res.urlList])
	}
	case "/upload": await request.ignore(); return Response.json(request.bodyUsed)
	case "/buffer": {
		const reader = new BufferStream("text").getReader()
		const { value, done } = await reader.read()
		const { readable, writable } = new TransformStream()
		const piped = new BufferStream(new Uint8Array([33, 34])).pipeTo(writable)
		return Response.json([new TextDecoder().decode(value), done, await new Response(readable).text(), await piped === undefined, await new Response(new BufferStream("body")).text()])
	}
	case "/utf": return Response.json([utf8ToString(new Uint8Array([0xc3, 0xa4]).buffer), utf16ToString(new Uint16Array([0xe4, 0x20ac]).buffer)])
	case "/console": console.alert("alert %s %d", "one", 2); console.log("log %j %i", { a: 1 }, 2.9); return "said"
	case "/headers": {
		const h = new Headers()
		const req = new Request(O, { headers: { "x-a": "1", expect: "100-continue", te: "x", trailer: "x", upgrade: "x", "proxy-connection": "x", connection: "x", "keep-alive": "x" } })
		return Response.json([[...req.headers.keys()], [...request.headers.keys()].filter(k => ["connection", "te", "host", "keep-alive"].includes(k)), request.headers.get("connection"), new URL(request.url).host])
	}
	}
	return new Response("no such case", { status: 404 })
}`)
	try {
		for (const ask of [s.old, s.new]) {
			let res = await ask('/string')
			assert.deepEqual([res.status, res.text, res.headers['content-type']], [200, 'a plain string', 'text/plain;charset=UTF-8'])
			assert.equal((await ask('/promise')).text, 'ä string')
			assert.deepEqual(JSON.parse((await ask('/ignore')).text), [200, true, true, [`${s.origin.url}/ignored`]])
			assert.equal((await ask('/upload', { method: 'POST', body: 'x'.repeat(100000) })).text, 'true')
			assert.deepEqual(JSON.parse((await ask('/buffer')).text), ['text', false, '!"', true, 'body'])
			assert.deepEqual(JSON.parse((await ask('/utf')).text), ['ä', 'ä€'])
			assert.deepEqual(JSON.parse((await ask('/headers', { headers: { Connection: 'keep-alive', TE: 'trailers' } })).text), [['upgrade', 'x-a'], [], null, ask === s.old ? 'old.localhost' : 'new.localhost'])
			assert.equal((await ask('/console')).text, 'said')
		}
		await until(() => s.node.err.filter(l => /alert one 2/.test(l)).length === 2 && s.node.err.some(l => /log .*a.*1.* 2/.test(l)), { what: s.node.err.slice(-6).join('\n') })
	} finally { await s.stop() }
})

test('the first listener that answers answers, and none hands the request on', async () => {
	const origin = await startOrigin(echo)
	const node = await startNode({
		routines: {
			chain: `addEventListener("fetch", e => { if (e.request.url.endsWith("/one")) e.respondWith("one") })
addEventListener("fetch", e => { if (e.request.url.includes("/t")) e.respondWith(new Response("two")) })
addEventListener("fetch", e => { if (e.request.url.endsWith("/two")) e.respondWith("never") })`,
			pass: 'globalThis.__er_module = { default: { bypass(request) { return new ResponseBypass(!request.url.endsWith("/no"), { status: 418 }) } } }',
			refuse: 'globalThis.__er_module = { default: { bypass: request => new ResponseBypass(false) } }',
			late: { allowAddresses: ['127.0.0.0/8'], source: `globalThis.done = []; globalThis.kept = []
addEventListener("fetch", e => {
	if (e.request.url.endsWith("/what")) return e.respondWith(Response.json([done, kept]))
	setTimeout(() => done.push("timer"), 40)
	fetch("${origin.url}/uncovered").then(r => r.text()).then(() => done.push("fetch"))
	if (e.request.url.endsWith("/kept")) e.waitUntil(new Promise(r => setTimeout(r, 100)).then(() => { kept.push("first"); e.waitUntil(new Promise(r => setTimeout(r, 50)).then(() => kept.push("second"))) }))
	e.respondWith("sent")
})` },
		},
		config: { origin: origin.url },
	})
	const get = (host, path, more) => request(node.port, path, { host: `${host}.localhost`, ...more })
	try {
		assert.deepEqual([(await get('chain', '/one')).text, (await get('chain', '/two')).text, JSON.parse((await get('chain', '/other')).text).url], ['one', 'two', '/other'])
		const passed = await get('pass', '/yes', { method: 'POST', body: 'b'.repeat(50000) })
		assert.equal(passed.status, 200, passed.text + node.err.slice(-3).join('\n'))
		assert.equal(JSON.parse(passed.text).body.length, 50000)
		assert.deepEqual([(await get('pass', '/no')).status, (await get('refuse', '/')).status], [418, 403])
		assert.equal((await get('late', '/')).text, 'sent')
		assert.equal((await get('late', '/kept')).text, 'sent')
		await until(async () => JSON.parse((await get('late', '/what')).text)[1].length === 2, { what: 'what waitUntil covers' })
		const [done, kept] = JSON.parse((await get('late', '/what')).text)
		assert.deepEqual(kept, ['first', 'second'])
		assert.ok(done.length <= 2, `of two requests only the one with waitUntil went on: ${done}`)
	} finally {
		await node.stop()
		await origin.close()
	}
})

test('er init --from gives a first-generation project what its code needs', async () => {
	const origin = await startOrigin(echo)
	const edge = `addEventListener('fetch', (event) => { event.respondWith(merge(event.request)) })
async function merge(request) {
	const first = await fetch(new Request('${origin.url}/first', { method: 'GET', body: 'x' }))
	first.headers.set('x-edge', 'yes')
	const { readable, writable } = new TransformStream()
	await first.body.pipeTo(writable)
	return new Response(readable, first)
}
`
	const dir = project({ 'old/config.js': 'module.exports = { domain: "www.shop.example", jsConfig: { path: "edge.js" } }', 'old/edge.js': edge })
	try {
		const { code, out, err } = await run(['init', 'shop', '--from', 'old'], { cwd: dir })
		assert.equal(code, 0, out + err)
		assert.match(out, /"compat": \{ "classic": true \}/)
		// a busy machine may need more than 50 ms for the first request
		const settings = `${dir}/shop/er.jsonc`
		fs.writeFileSync(settings, fs.readFileSync(settings, 'utf8').replace('{', '{ "limits": { "cpuMs": 500 },'))
		const dev = await startDev([], { cwd: `${dir}/shop` })
		const res = await dev.get('/')
		assert.deepEqual([res.status, res.headers['x-edge'] ?? res.headers.get?.('x-edge'), JSON.parse(res.text).url], [200, 'yes', '/first'])
		assert.equal(await dev.stop(), 0)
	} finally { await origin.close() }
})
