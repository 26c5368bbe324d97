// What goes over the wire when a routine passes messages on, changes them or makes its own:
// lengths, codings, redirects, fields.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import zlib from 'node:zlib'
import { startNode } from './lib/node.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const loopback = { allowAddresses: ['127.0.0.0/8'] }
const OWN_DATE = 'Sat, 05 Nov 1994 07:00:00 GMT'
let node, origin, other, standard

/** What an origin saw of a request. */
const seen = async req => ({
	method: req.method, url: req.url, host: req.headers.host, length: req.headers['content-length'], coding: req.headers['transfer-encoding'], accepts: req.headers['accept-encoding'],
	type: req.headers['content-type'], authorization: req.headers.authorization, cookie: req.headers.cookie, body: (await bodyOf(req)).toString('latin1'),
})

const answer = (req, res) => said(req, res).catch(() => res.destroy()) // an upload that breaks off
async function said(req, res) {
	const url = new URL(req.url, 'http://x')
	if (url.pathname === '/text') {
		res.writeHead(200, { 'content-length': 10, 'content-type': 'text/plain', etag: '"1"' })
		res.end(req.method === 'HEAD' ? undefined : '0123456789')
	} else if (url.pathname === '/br') {
		const body = zlib.brotliCompressSync('plain text, coded')
		res.writeHead(200, { 'content-encoding': 'br', 'content-length': body.length })
		res.end(body)
	} else if (url.pathname === '/gzip') {
		res.writeHead(200, { 'content-encoding': 'gzip' })
		res.end(zlib.gzipSync('plain text, coded'))
	} else if (url.pathname === '/not-modified') {
		res.writeHead(304, { 'content-length': 77, etag: '"1"' })
		res.end()
	} else if (url.pathname === '/dated') {
		res.writeHead(200, ['Date', OWN_DATE, 'Date', 'Fri, 04 Nov 1994 07:00:00 GMT', 'Content-Length', '0'])
		res.end()
	} else if (url.pathname === '/fields') {
		res.writeHead(200, { ...Object.fromEntries(Array.from({ length: Number(url.searchParams.get('n')) }, (_, i) => [`x-${i}`, 'v'])), 'content-length': 2 })
		res.end('ok')
	} else if (url.pathname.startsWith('/to/')) {
		await bodyOf(req)
		res.writeHead(Number(url.pathname.slice(4)), { location: url.searchParams.get('l') ?? '/seen?after#fragment', 'content-length': 0 })
		res.end()
	} else if (url.pathname === '/bare-redirect') {
		res.writeHead(302, { 'content-length': 0 })
		res.end()
	} else {
		res.end(JSON.stringify(await seen(req)))
	}
}

before(async () => {
	origin = await startOrigin(answer)
	other = await startOrigin(answer)
	standard = await startOrigin(answer)
	const O = origin.url
	const listen = code => `addEventListener("fetch", event => event.respondWith((async () => { const { request } = event; const url = new URL(request.url); ${code} })()))`
	const module = code => `globalThis.__er_module = { default: { async fetch(request, env, ctx) { const url = new URL(request.url); ${code} } } }`
	const transformed = `
		const answer = await fetch("${O}/text", { method: request.method })
		const change = { longer: c => [...c, ...c, ...c], shorter: c => c.slice(0, 3), nothing: () => [], same: c => c }[url.pathname.slice(1)]
		const t = new TransformStream({ transform(chunk, controller) { const out = change(chunk); if (out.length) controller.enqueue(Uint8Array.from(out)) } })
		return new Response(answer.body ? answer.body.pipeThrough(t) : null, answer)`
	const both = `
		const t = await fetch("${O}" + (url.searchParams.get("u") ?? "/seen"), { method: url.searchParams.get("m") ?? "GET", redirect: "follow", duplex: "half", headers: { authorization: "mine", cookie: "a=b", "content-type": "text/x-own" },
			...(url.searchParams.has("b") ? { body: url.searchParams.get("b") === "stream" ? new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("streamed")); c.close() } }) : url.searchParams.get("b").repeat(Number(url.searchParams.get("n") ?? 1)) } : {}) }).catch(e => e)
		return t instanceof Error ? new Response(t.name + ": " + t.message, { status: 500 }) : Response.json({ status: t.status, redirected: t.redirected, url: t.url, text: await t.text() })`
	const routines = {
		transformed: { source: listen(transformed), ...loopback },
		'transformed-module': { source: module(transformed), ...loopback },
		relay: { source: listen(`const r = await fetch("${O}" + url.pathname + url.search, { method: request.method, headers: request.headers }); return new Response(r.body, r)`), ...loopback },
		'relay-classic': { source: listen(`const r = await fetch("${O}" + url.pathname, { headers: request.headers, redirect: "follow" }); return new Response(r.body, r)`), ...loopback, compat: { classic: true } },
		reads: { source: listen(`const r = await fetch("${O}" + url.pathname, { headers: request.headers }); try { return new Response(await r.text(), { headers: { "x-coding": String(r.headers.get("content-encoding")) } }) } catch (e) { return new Response(e.name + ": " + e.message, { status: 500 }) }`), ...loopback },
		cloned: { source: listen(`const r = await fetch("${O}/text"); const text = await r.clone().text(); const out = new Response(r.body, r); out.headers.set("x-read", text); return out`), ...loopback },
		'head-for-get': { source: listen(`const r = await fetch("${O}/text", { method: "HEAD" }); const out = new Response(r.body, r); out.headers.set("x-length", r.headers.get("content-length")); return out`), ...loopback },
		hand: listen(`
			const body = { string: "0123456789", empty: "", null: null, big: "x".repeat(20000), bytes: new Uint8Array(30000), stream: new ReadableStream({ start(c) { c.enqueue(new Uint8Array(10)); c.close() } }) }[url.pathname.slice(1)]
			return new Response(body, { headers: { "content-length": url.searchParams.get("n"), "Transfer-Encoding": "gzip, chunked", Connection: "close" } })`),
		fixed: { source: listen(`
			const { readable, writable } = new FixedLengthStream(Number(url.searchParams.get("n")))
			const parts = JSON.parse(url.searchParams.get("parts"))
			event.waitUntil((async () => { const w = writable.getWriter(); for (const n of parts) { await w.write(new Uint8Array(n).fill(65)); await new Promise(f => setTimeout(f, 20)) } await w.close() })().catch(e => console.log("writer: " + e.message)))
			return new Response(readable, { headers: { "content-length": "5" } })`) },
		upload: { source: listen(`
			const n = Number(url.searchParams.get("n")), text = "x".repeat(n), fixed = new FixedLengthStream(n)
			const form = new FormData(); form.append("field", text)
			const feed = new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode(text)); c.close() } })
			const kinds = {
				string: () => text, bytes: () => new TextEncoder().encode(text), buffer: () => new TextEncoder().encode(text).buffer, blob: () => new Blob([text]), form: () => form, params: () => new URLSearchParams({ a: text }),
				"blob-stream": () => new Blob([text]).stream(), "response-body": () => new Response(text).body, fixed: () => { feed.pipeTo(fixed.writable).catch(() => {}); return fixed.readable },
				request: () => request.body, clone: () => request.clone().body, stream: () => feed, answer: async () => (await fetch("${O}/text")).body, cloned: async () => (await fetch("${O}/text")).clone().body,
			}
			const headers = url.searchParams.has("said") ? { "content-length": url.searchParams.get("said") } : {}
			if (url.pathname === "/made") return fetch(new Request(new Request("${O}/seen", { method: "PUT", body: text, headers }), { headers }))
			return fetch("${O}/seen", { method: "PUT", body: await kinds[url.pathname.slice(1)](), duplex: "half", headers })`), ...loopback },
		bodyless: { source: listen(`return fetch("${O}/seen", { method: url.pathname.slice(1), headers: { "content-length": "7" } })`), ...loopback },
		redirects: { source: listen(both), ...loopback },
		'redirects-module': { source: module(both), ...loopback },
		classic: { source: listen(both), ...loopback, compat: { classic: true } },
		hosts: { source: listen(`
			const say = async p => { try { const r = await p(); return r.status + " " + JSON.parse(await r.text()).host } catch (e) { return e.name + ": " + e.message } }
			const own = new URL("${O}").host, h = new Headers(request.headers); h.set("host", "named.example")
			const set = new Request(request); set.headers.set("host", "set.example:8080")
			const appended = new Request("${O}/seen"); appended.headers.append("host", "x.example")
			return Response.json({
				get: request.headers.get("Host"), has: request.headers.has("host"), listed: [...request.headers.keys()].includes("host"), answer: (await fetch("${O}/text")).headers.has("host"),
				same: await say(() => fetch("${O}/seen", { headers: { host: own.toUpperCase() } })),
				other: await say(() => fetch("${O}/seen", { headers: { host: "victim.example" } })),
				pairs: await say(() => fetch("${O}/seen", { headers: [["Host", "victim.example"]] })),
				headers: await say(() => fetch("${O}/seen", { headers: h })),
				appended: await say(() => fetch(appended)),
				copied: await say(() => fetch("${O}/seen", { headers: { ...Object.fromEntries(request.headers), "x-a": "1" } })),
				plain: await say(() => fetch(request)),
				standard: await say(() => fetch(new Request(request, { headers: { host: "named.example" } }))),
				set: await say(() => fetch(set)),
				bad: await say(() => fetch(new Request(request, { headers: { host: "a b/c" } }))),
			})`), ...loopback },
		length: { source: listen(`
			const h = request.headers, got = [h.get("content-length"), [...h.keys()].includes("content-length"), new Headers(h).has("content-length")]
			const sent = await (await fetch("${O}/seen", { method: "POST", headers: h, body: "abc" })).json()
			return Response.json([...got, sent.length, (await request.text()).length, h.get("content-length")])`), ...loopback },
		fields: listen(`return new Response("ok", { headers: Object.fromEntries(Array.from({ length: Number(url.searchParams.get("n")) }, (_, i) => ["x-" + i, "v".repeat(Number(url.searchParams.get("v") ?? 1))])), statusText: "r".repeat(Number(url.searchParams.get("r") ?? 0)) })`),
		'fields-later': listen(`event.waitUntil(new Promise(f => setTimeout(f, 5))); return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)); c.close() } }), { headers: Array.from({ length: 300 }, (_, i) => ["x-" + i, "v"]) })`),
		dates: listen(`return new Response("ok", { headers: url.pathname === "/own" ? { date: "${OWN_DATE}" } : url.pathname === "/bad" ? { date: "yesterday" } : {} })`),
	}
	// Nothing here is about CPU, of which a busy machine's first stream may take much.
	for (const name in routines) routines[name] = { ...(typeof routines[name] === 'string' ? { source: routines[name] } : routines[name]), limits: { cpuMs: 5000 } }
	node = await startNode({ routines, config: { origin: standard.url, routineLimits: { cpuMs: 10000 } } })
})

after(async () => {
	for (const o of [origin, other, standard]) await o?.close()
	await node?.stop()
	if (node) assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
})

const get = (name, target = '/', o = {}) => node.get(name, target, o)
const json = async (...args) => {
	const res = await get(...args)
	assert.equal(res.status, 200, res.text)
	return JSON.parse(res.text)
}

// ---- lengths of answers ----

test('an answer that a routine transforms arrives whole, longer or shorter than the origin said', async () => {
	const texts = { longer: '0123456789'.repeat(3), shorter: '012', nothing: '', same: '0123456789' }
	for (const name of ['transformed', 'transformed-module']) {
		const c = await node.connect()
		for (const [kind, text] of Object.entries(texts)) {
			c.send(raw.bytesOf(`/${kind}`, { host: `${name}.localhost` }))
			const res = await c.response()
			assert.deepEqual([kind, res.status, res.text, res.headers['content-length'], res.headers['transfer-encoding'], res.headers.etag], [kind, 200, text, undefined, 'chunked', '"1"'])
		}
		c.close()
	}
})

test('an answer that passes by unread keeps its length, and so does one whose copy was read', async () => {
	for (const name of ['relay', 'cloned']) {
		const res = await get(name, '/text')
		assert.deepEqual([res.text, res.headers['content-length'], res.headers['transfer-encoding']], ['0123456789', '10', undefined])
	}
})

test('a length that an author wrote by hand gives way to the truth', async () => {
	const sizes = { string: 10, empty: 0, null: 0, big: 20000, bytes: 30000 }
	for (const [kind, size] of Object.entries(sizes))
		for (const n of ['5', '100', '999999', 'nonsense']) {
			const res = await get('hand', `/${kind}?n=${n}`)
			assert.deepEqual([kind, res.status, res.body.length, res.headers['content-length'], res.headers['transfer-encoding']], [kind, 200, size, String(size), undefined])
		}
	for (const n of ['5', '100']) {
		const res = await get('hand', `/stream?n=${n}`)
		assert.deepEqual([res.body.length, res.headers['content-length'], res.headers['transfer-encoding']], [10, undefined, 'chunked'])
	}
})

test('HEAD and 304 say the length of what they stand for, and of nothing else', async () => {
	const head = async (name, target) => (await get(name, target, { method: 'HEAD' })).headers['content-length']
	assert.equal(await head('relay', '/text'), '10')
	assert.equal(await head('hand', '/null?n=1000'), '1000')
	assert.equal(await head('hand', '/string?n=1000'), '10')
	assert.equal(await head('hand', '/stream?n=1000'), undefined)
	const res = await get('relay', '/not-modified')
	assert.deepEqual([res.status, res.headers['content-length'], res.body.length], [304, '77', 0])
	const c = await node.connect()
	c.send(raw.bytesOf('/', { host: 'head-for-get.localhost' }))
	const empty = await c.response()
	assert.deepEqual([empty.status, empty.headers['content-length'], empty.headers['x-length']], [200, '0', '10'])
	c.send(raw.bytesOf('/own', { host: 'dates.localhost' }))
	assert.equal((await c.response()).text, 'ok')
	c.close()
})

test('a stream of a fixed length says so', async () => {
	for (const [n, parts] of [[0, []], [10, [4, 6]], [100000, [99999, 0, 1]]]) {
		const res = await get('fixed', `/?n=${n}&parts=${JSON.stringify(parts)}`)
		assert.deepEqual([res.status, res.body.length, res.headers['content-length'], res.headers['transfer-encoding']], [200, n, String(n), undefined])
	}
})

test('a stream that ends short or long of its length never looks whole, and the log says why', async () => {
	for (const [n, parts, why] of [[10, [4, 5], /FixedLengthStream of 10 bytes was closed 1 short/], [11, [4, 8], /FixedLengthStream of 11 bytes was given more/], [12, [4, 8, 1], /FixedLengthStream of 12 bytes was given more/], [13, [], /FixedLengthStream of 13 bytes was closed 13 short/]]) {
		const c = await node.connect()
		c.send(raw.bytesOf(`/?n=${n}&parts=${JSON.stringify(parts)}`, { host: 'fixed.localhost' }))
		const head = await c.head()
		assert.equal(head.headers['content-length'], String(n))
		const body = await c.rest()
		assert.ok(body.length < n, `${body.length} of ${n}`)
		await node.logged(why)
	}
})

// ---- lengths of uploads ----

test('an upload whose length is known says it, whatever it was made of', async () => {
	for (const n of [10, 8192, 8193, 200000])
		for (const kind of ['string', 'bytes', 'buffer', 'blob', 'form', 'params', 'blob-stream', 'response-body', 'fixed', 'made']) {
			const o = await json('upload', `/${kind}?n=${n}`)
			assert.deepEqual([kind, o.coding, o.length], [kind, undefined, String(o.body.length)])
			assert.ok(o.body.length >= n)
		}
	for (const kind of ['request', 'clone'])
		for (const n of [100, 8193, 300000]) {
			const o = await json('upload', `/${kind}?n=0`, { method: 'POST', body: 'y'.repeat(n) })
			assert.deepEqual([kind, o.coding, o.length, o.body.length], [kind, undefined, String(n), n])
		}
	for (const kind of ['answer', 'cloned']) {
		const o = await json('upload', `/${kind}?n=0`)
		assert.deepEqual([kind, o.coding, o.length, o.body], [kind, undefined, '10', '0123456789'])
	}
	const o = await json('upload', '/stream?n=20000')
	assert.deepEqual([o.coding, o.length, o.body.length], ['chunked', undefined, 20000])
})

test('a length that an author wrote by hand is the truth about an upload, or the fetch fails', async () => {
	for (const kind of ['string', 'bytes', 'blob', 'fixed', 'made'])
		for (const said of ['5', '30000']) {
			const o = await json('upload', `/${kind}?n=20000&said=${said}`)
			assert.deepEqual([kind, o.length, o.body.length], [kind, '20000', 20000])
		}
	const o = await json('upload', '/stream?n=20000&said=20000')
	assert.deepEqual([o.coding, o.length, o.body.length], [undefined, '20000', 20000])
	for (const said of ['19999', '20001']) assert.equal((await get('upload', `/stream?n=20000&said=${said}`)).status, 599)
	for (const [method, length] of [['GET', undefined], ['POST', '0'], ['DELETE', undefined]]) {
		const o = await json('bodyless', `/${method}`)
		assert.deepEqual([o.method, o.length, o.body], [method, length, ''])
	}
})

// ---- codings ----

test('a browser gets what the origin coded, and the origin is offered only what can be undone', async () => {
	const browser = { 'accept-encoding': 'gzip, deflate, br, zstd' }
	assert.equal((await json('relay', '/seen', { headers: browser })).accepts, 'gzip')
	assert.equal((await json('relay', '/seen', { headers: { 'accept-encoding': 'br' } })).accepts, 'identity')
	assert.equal((await json('relay', '/seen', { headers: { ...browser, range: 'bytes=0-1' } })).accepts, 'identity')
	let res = await get('relay', '/br', { headers: browser })
	assert.deepEqual([res.status, res.headers['content-encoding'], Number(res.headers['content-length'])], [200, 'br', res.body.length])
	assert.equal(zlib.brotliDecompressSync(res.body).toString(), 'plain text, coded')
	res = await get('relay', '/gzip', { headers: browser })
	assert.deepEqual([res.status, res.headers['content-encoding'], res.text], [200, undefined, 'plain text, coded'])
	res = await get('relay-classic', '/br', { headers: browser })
	assert.equal(res.status, 599)
	await node.logged(/content coding other than gzip/)
})

test('text is never made of bytes that are still coded', async () => {
	let res = await get('reads', '/gzip')
	assert.deepEqual([res.status, res.text, res.headers['x-coding']], [200, 'plain text, coded', 'null'])
	res = await get('reads', '/br')
	assert.equal(res.status, 500)
	assert.match(res.text, /^TypeError: The body is coded with br, which text\(\) cannot read/)
})

// ---- redirects ----

const sent = async (name, query) => {
	const o = await json(name, `/?${new URLSearchParams(query)}`)
	return { ...JSON.parse(o.text), ...o }
}

test('redirects keep or drop method and body as the Fetch standard says', async () => {
	const kept = { POST: [307, 308], PUT: [301, 302, 307, 308], PATCH: [301, 302, 307, 308], DELETE: [301, 302, 307, 308] }
	for (const name of ['redirects', 'redirects-module'])
		for (const m of name === 'redirects' ? Object.keys(kept) : ['POST'])
			for (const status of [301, 302, 303, 307, 308]) {
				const o = await sent(name, { m, u: `/to/${status}`, b: 'the body' })
				const keeps = kept[m].includes(status)
				assert.deepEqual([m, status, o.method, o.body, o.length, o.type], [m, status, keeps ? m : 'GET', keeps ? 'the body' : '', keeps ? '8' : undefined, keeps ? 'text/x-own' : undefined])
				assert.deepEqual([o.redirected, o.url, o.authorization], [true, `${origin.url}/seen?after`, 'mine'])
			}
	const long = await sent('redirects', { m: 'POST', u: '/to/307', b: 'b', n: 500000 })
	assert.deepEqual([long.method, long.length, long.body.length], ['POST', '500000', 500000])
	for (const status of [301, 307]) assert.equal((await sent('redirects', { u: `/to/${status}` })).url, `${origin.url}/seen?after`)
	assert.equal((await json('redirects', '/?u=/bare-redirect')).status, 302)
})

test('a stream is not sent twice, and the error says that it is one', async () => {
	for (const status of [307, 308]) {
		const res = await get('redirects', `/?m=POST&b=stream&u=/to/${status}`)
		assert.match(res.text, new RegExp(`^TypeError: fetch failed: .* redirects with ${status}, and the body of the POST cannot be sent again: it is a stream`))
	}
	const o = await sent('redirects', { m: 'POST', b: 'stream', u: '/to/303' })
	assert.deepEqual([o.method, o.body], ['GET', ''])
})

test('credentials do not follow to another origin, and none come back from there', async () => {
	const away = `${other.url}/seen`
	let o = await sent('redirects', { m: 'POST', b: 'the body', u: `/to/307?l=${encodeURIComponent(away)}` })
	assert.deepEqual([o.method, o.body, o.type, o.authorization, o.cookie], ['POST', 'the body', 'text/x-own', undefined, undefined])
	const back = `${other.url}/to/302?l=${encodeURIComponent(`${origin.url}/seen`)}`
	o = await sent('redirects', { u: `/to/302?l=${encodeURIComponent(back)}` })
	assert.deepEqual([o.host, o.authorization, o.cookie], [new URL(origin.url).host, undefined, undefined])
})

test('with the classic setting redirects are those of the first generation', async () => {
	for (const status of [301, 302, 303, 308])
		for (const m of ['POST', 'PUT']) {
			const o = await sent('classic', { m, u: `/to/${status}`, b: 'the body' })
			assert.deepEqual([m, status, o.method, o.body, o.type], [m, status, 'GET', '', undefined])
		}
	assert.match((await get('classic', '/?m=POST&b=x&u=/to/307')).text, /^TypeError: fetch failed: .* redirects with 307, which cannot be followed with POST/)
	assert.equal((await sent('classic', { u: '/to/307' })).redirected, true)
})

// ---- fields ----

test('an answer has one Date: its own, or the node\'s', async () => {
	const dates = async (name, target) => (await get(name, target)).raw.filter(([k]) => /^date$/i.test(k)).map(([, v]) => v)
	assert.deepEqual(await dates('dates', '/own'), [OWN_DATE])
	assert.deepEqual(await dates('relay', '/dated'), [OWN_DATE])
	for (const target of ['/bad', '/none']) {
		const all = await dates('dates', target)
		assert.equal(all.length, 1)
		assert.ok(Math.abs(Date.parse(all[0]) - Date.now()) < 60000)
	}
})

test('an answer of many fields arrives, or says which bound it passed', async () => {
	for (const n of [99, 150, 250]) {
		for (const [name, target] of [['fields', `/?n=${n}`], ['relay', `/fields?n=${n}`]]) {
			const res = await get(name, target)
			assert.deepEqual([name, res.status, res.text, res.raw.filter(([k]) => k.startsWith('x-')).length], [name, 200, 'ok', n])
		}
	}
	const refused = async (name, target, status, why) => {
		const res = await get(name, target)
		assert.equal(res.status, status)
		assert.match(res.headers['er-error'], /^(exception|bad-response)/)
		await node.logged(why)
	}
	await refused('fields', '/?n=300', 599, /routine.*RangeError: the response cannot be sent: it has more than 256 header fields/)
	await refused('fields-later', '/', 599, /it has more than 256 header fields/)
	await refused('fields', '/?n=1&r=5000', 599, /its statusText has more than 1024 characters/)
	await refused('fields', '/?n=40&v=2000', 599, /Headers hold at most 65536 bytes/)
	await refused('relay', '/fields?n=300', 599, /is larger than 65536 bytes or has more than 256 fields/)
	assert.doesNotMatch(node.log, /without a response/)
})

test('the length of an upload is read, and copied to no other body', async () => {
	const at = { port: node.port }
	const asked = async body => {
		const res = await raw.request(at, '/', { method: 'POST', host: `length.localhost:${node.port}`, ...body })
		assert.equal(res.status, 200, `${res.headers['er-error']} ${res.text} ${node.log}`)
		return JSON.parse(res.text)
	}
	for (const n of [5, 100000]) assert.deepEqual(await asked({ body: 'x'.repeat(n) }), [`${n}`, false, false, '3', n, `${n}`])
	const chunked = await asked({ headers: { 'transfer-encoding': 'chunked' }, body: '5\r\nhello\r\n0\r\n\r\n' })
	assert.deepEqual(chunked, [null, false, false, '3', 5, null])
	assert.deepEqual(await asked({}), [null, false, false, '3', 0, null])
})

test('Host is the URL\'s: it is read, and another one is refused with a word', async () => {
	const host = `hosts.localhost:${node.port}`
	const o = await json('hosts', '/seen', { host })
	assert.deepEqual([o.get, o.has, o.listed, o.answer], [host, true, false, false])
	const own = `200 ${new URL(origin.url).host}`
	assert.deepEqual([o.same, o.copied], [own, own])
	for (const kind of ['other', 'pairs', 'headers', 'appended']) assert.match(o[kind], /^TypeError: The header Host of a subrequest is the host of its URL \(127\.0\.0\.1:\d+\) and cannot be '/, kind)
	assert.deepEqual([o.plain, o.standard, o.set], [`200 ${host}`, '200 named.example', '200 set.example:8080'])
	assert.match(o.bad, /^TypeError: fetch failed: the header Host is not a host/)
})
