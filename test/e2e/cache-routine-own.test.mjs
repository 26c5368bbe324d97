// A routine's own caches: cache, caches.default and caches.open, on the store of the node.
import test from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { startNode, sanitized } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

/** The body of a POST is the code of the request. */
const source = `addEventListener("fetch", e => {
	const at = new URL(e.request.url)
	if (code[at.pathname] !== undefined) e.respondWith(code[at.pathname](e.request, e))
})
const code = {`
const routine = code => `${source}${Object.entries(code).map(([path, body]) => `${JSON.stringify(path)}: async (request, event) => { ${body} },`).join('\n')}}`

async function withRoutines(t, routines, { start = startNode, ...options } = {}) {
	const node = await start({ routines, config: { threads: 1, ...options.config }, ...options })
	t.after(async () => {
		await node.stop()
		node.forget?.()
		assert.doesNotMatch(node.log, /ERROR: AddressSanitizer|runtime error|internal error/)
	})
	return node
}
const said = async (node, name, target, options) => {
	const res = await node.get(name, target, options)
	assert.equal(res.status, 200, `${target}: ${res.status} ${res.headers['er-error'] ?? ''} ${res.text}`)
	return JSON.parse(res.text)
}

const basics = routine({
	'/classic': `
		const key = "http://any.example/a?b=1"
		const before = await cache.get(key)
		const put = await cache.put(key, new Response("kept", { status: 201, statusText: "Made", headers: { "cache-control": "max-age=60", "x-a": "b", "set-cookie2": "no" } }))
		const r = await cache.get(new Request(key + "#part"))
		const text = await r.text()
		return Response.json([before === undefined, put === undefined, r.status, r.statusText, r.headers.get("x-a"), r.headers.get("age"), r.headers.get("cache-status"), text, await cache.delete(key), await cache.delete(key), (await cache.get(key)) === undefined])`,
	'/errors': `
		const tries = { args: () => cache.put("http://a.example/"), scheme: () => cache.put("ftp://a.example/", new Response()), relative: () => caches.default.match("/a"),
			method: () => cache.put(new Request("http://a.example/", { method: "POST" }), new Response()), part: () => cache.put("http://a.example/", new Response("x", { status: 206 })),
			vary: () => cache.put("http://a.example/", new Response("x", { headers: { vary: "a, *" } })), none: () => cache.put("http://a.example/", "text"),
			used: async () => { const r = new Response("x"); await r.text(); await cache.put("http://a.example/", r) }, made: () => new Cache() }
		const out = {}
		for (const [name, f] of Object.entries(tries)) { try { await f(); out[name] = "went well" } catch (x) { out[name] = x.name + ": " + x.message } }
		return Response.json(out)`,
	'/lifetimes': `
		const out = {}
		for (const [name, headers] of Object.entries({ says: { "cache-control": "max-age=60" }, nothing: {}, none: { "cache-control": "no-store" }, mine: { "cache-control": "private" }, old: { "cache-control": "max-age=0" },
			past: { expires: "Thu, 01 Jan 1970 00:00:00 GMT" }, aged: { "cache-control": "max-age=60", age: "61" }, cookie: { "set-cookie": "a=b", "cache-control": "max-age=60" }, share: { "set-cookie": "a=b", "cache-control": "private=Set-Cookie" } })) {
			await caches.default.put("http://l.example/" + name, new Response("before"))
			await caches.default.put("http://l.example/" + name, new Response(name, { headers }))
			const r = await caches.default.match("http://l.example/" + name)
			out[name] = r === undefined ? "none" : await r.text() + (r.headers.get("set-cookie") ?? "")
		}
		return Response.json(out)`,
	'/short': `
		await caches.default.put("http://s.example/", new Response("short", { headers: { "cache-control": "max-age=1" } }))
		return Response.json(await (await caches.default.match("http://s.example/")).text())`,
	'/short-after': 'return Response.json((await caches.default.match("http://s.example/")) === undefined)',
	'/ranges': `
		await caches.default.put("http://r.example/", new Response("0123456789", { headers: { etag: '"v1"', "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT" } }))
		const get = async headers => { const r = await caches.default.match(new Request("http://r.example/", { headers })); return [r.status, r.headers.get("content-range"), await r.text()] }
		return Response.json([await get({ range: "bytes=2-4" }), await get({ range: "bytes=-3" }), await get({ range: "bytes=20-" }), await get({ "if-none-match": '"v1"' }), await get({ "if-none-match": '"v2"' }), await get({ "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT" })])`,
	'/vary': `
		const put = (lang, text) => caches.default.put(new Request("http://v.example/", { headers: { "accept-language": lang } }), new Response(text, { headers: { vary: "Accept-Language" } }))
		await put("de", "deutsch"); await put("fr", "french")
		const get = async (lang, options) => { const r = await caches.default.match(new Request("http://v.example/", { headers: lang ? { "accept-language": lang } : {} }), options); return r === undefined ? null : r.text() }
		const all = (await caches.default.matchAll("http://v.example/", { ignoreVary: true })).length
		return Response.json([await get("de"), await get("fr"), await get("it"), await get(""), typeof await get("it", { ignoreVary: true }), all])`,
	'/options': `
		const c = await caches.open("options")
		await c.put("http://o.example/p?a=1", new Response("one")); await c.put("http://o.example/p?a=2", new Response("two")); await c.put("http://o.example/q", new Response("q"))
		const text = async r => r === undefined ? null : (await r).text()
		const post = new Request("http://o.example/q", { method: "POST" })
		return Response.json([
			await text(await c.match("http://o.example/p")), await text(await c.match("http://o.example/p", { ignoreSearch: true })), (await c.matchAll("http://o.example/p?x", { ignoreSearch: true })).length,
			await text(await c.match(post)), await text(await c.match(post, { ignoreMethod: true })), (await c.keys()).map(r => r.url), (await c.matchAll()).length,
			await c.delete("http://o.example/p", { ignoreSearch: true }), (await c.keys()).map(r => r.url), await caches.delete("options")])`,
	'/names': `
		const before = [await caches.has("one"), (await caches.keys()).length]
		const one = await caches.open("one"), same = await caches.open("one"), two = await caches.open("zwei \\u00fc \\ud83d")
		await one.put("http://n.example/", new Response("in one")); await two.put("http://n.example/", new Response("in two"))
		const text = async (c, o) => { const r = await c.match("http://n.example/", o); return r === undefined ? null : r.text() }
		const out = [before, await caches.has("one"), (await caches.keys()).length, await text(same), await text(two), await text(caches.default), await text(caches, { cacheName: "zwei \\u00fc \\ud83d" }), await text(caches, { cacheName: "three" }), await text(caches)]
		out.push(await caches.delete("one"), await caches.delete("one"), await caches.has("one"), await text(await caches.open("one")), await text(two))
		await caches.delete("one"); await caches.delete("zwei \\u00fc \\ud83d")
		return Response.json(out)`,
	'/add': `
		const at = new URL(request.url).searchParams.get("at")
		const c = await caches.open("added")
		await c.addAll([at + "/1", at + "/2"]); await c.add(at + "/3")
		const out = [await (await c.match(at + "/2")).text(), (await c.match(at + "/3")).url === at + "/3", (await c.match(at + "/3")).type]
		for (const f of [() => c.add(at + "/missing"), () => c.addAll([at + "/4", at + "/missing"]), () => c.addAll([at + "/5", at + "/5"]), () => c.add(new Request(at, { method: "POST" }))]) try { await f(); out.push("went well") } catch (x) { out.push(x.name) }
		out.push((await c.match(at + "/4")) === undefined)
		return Response.json(out)`,
	'/tags': `
		const kept = await caches.default.match("http://t.example/tagged")
		if (kept !== undefined) return Response.json({ hit: true, tag: kept.headers.get("cache-tag") })
		await caches.default.put("http://t.example/tagged", new Response("x", { headers: { "cache-tag": "red, blue" } }))
		return Response.json({ hit: false })`,
})

test('cache.put, get and delete are those of the first generation', async t => {
	const node = await withRoutines(t, { one: basics })
	assert.deepEqual(await said(node, 'one', '/classic'), [true, true, 201, 'Made', 'b', null, null, 'kept', true, false, true])
	const errors = await said(node, 'one', '/errors')
	assert.equal(errors.args, "TypeError: Failed to execute 'put' on 'cache': 2 arguments required, but only 1 present.")
	for (const [name, what] of Object.entries(errors)) assert.match(what, /^TypeError: ./, name)
})

test('a response is good for as long as it says, and one that sets a cookie is not kept', async t => {
	const node = await withRoutines(t, { one: basics })
	assert.deepEqual(await said(node, 'one', '/lifetimes'), { says: 'says', nothing: 'nothing', none: 'none', mine: 'none', old: 'none', past: 'none', aged: 'none', cookie: 'none', share: 'share' })
	assert.equal(await said(node, 'one', '/short'), 'short')
	await raw.until(() => said(node, 'one', '/short-after'), { what: 'the end of one second' })
})

test('match gives ranges, 304 and the variant that the request selects', async t => {
	const node = await withRoutines(t, { one: basics })
	assert.deepEqual(await said(node, 'one', '/ranges'), [[206, 'bytes 2-4/10', '234'], [206, 'bytes 7-9/10', '789'], [416, 'bytes */10', ''], [304, null, ''], [200, null, '0123456789'], [304, null, '']])
	assert.deepEqual(await said(node, 'one', '/vary'), ['deutsch', 'french', null, null, 'string', 2])
})

test('caches.open keeps caches apart by name; keys, matchAll and the options of match work on them', async t => {
	const node = await withRoutines(t, { one: basics })
	for (let i = 0; i < 2; i++) {
		assert.deepEqual(await said(node, 'one', '/names'), [[false, 0], true, 2, 'in one', 'in two', null, 'in two', null, 'in one', true, false, false, null, 'in two'])
		assert.deepEqual(await said(node, 'one', '/options'), [null, 'one', 2, null, 'q', ['http://o.example/p?a=1', 'http://o.example/p?a=2', 'http://o.example/q'], 3, true, ['http://o.example/q'], true])
	}
	const origin = await startOrigin((req, res) => {
		res.statusCode = req.url === '/missing' ? 404 : 200
		res.end(`origin ${req.url}`)
	})
	t.after(() => origin.close())
	const adding = await withRoutines(t, { one: { source: basics, allowAddresses: ['127.0.0.0/8'] } })
	assert.deepEqual(await said(adding, 'one', `/add?at=${encodeURIComponent(origin.url)}`), ['origin /2', true, 'basic', 'TypeError', 'TypeError', 'InvalidStateError', 'TypeError', true])
})

test('two routines with the same keys and names share nothing, and no client reaches either', async t => {
	const share = routine({
		'/put': `const text = new URL(request.url).search; await caches.default.put("http://site.example/page", new Response(text)); await (await caches.open("same")).put("http://site.example/page", new Response("named" + text)); return new Response("put")`,
		'/get': `const of = async c => { const r = await c.match("http://site.example/page"); return r === undefined ? null : r.text() }; return Response.json([await of(caches.default), await of(await caches.open("same"))])`,
		'/empty': `await caches.delete("same"); return Response.json(await caches.default.delete("http://site.example/page"))`,
	})
	const origin = await startOrigin((req, res) => res.end('origin'))
	t.after(() => origin.close())
	const node = await withRoutines(t, { one: share, two: share }, { config: { threads: 1, origin: origin.url } })
	await node.get('one', '/put?1')
	assert.deepEqual(await said(node, 'one', '/get'), ['?1', 'named?1'])
	assert.deepEqual(await said(node, 'two', '/get'), [null, null])
	await node.get('two', '/put?2')
	assert.deepEqual(await said(node, 'one', '/get'), ['?1', 'named?1'])
	assert.equal(await said(node, 'two', '/empty'), true)
	assert.deepEqual(await said(node, 'one', '/get'), ['?1', 'named?1'])
	assert.equal((await node.get('site.example', '/page')).text, 'origin')
	for (const target of ['/page', '/routine:one:cache:default:http', '/%20routine:one']) assert.equal((await node.get('site.example', target)).text, 'origin')
})

test('a purge by tag, URL, host and site reaches what a routine put', async t => {
	const origin = await startOrigin((req, res) => res.end('origin'))
	t.after(() => origin.close())
	const node = await withRoutines(t, { one: basics }, { start: startStore, config: { threads: 1, sites: [{ name: 'shop', hosts: ['one.localhost'], origin: origin.url }] } })
	for (const purge of [{ tags: ['blue'] }, { urls: ['http://t.example/tagged'] }, { prefixes: ['t.example/'] }, { hosts: ['t.example'] }, { site: 'shop' }, { everything: true }, { tags: ['red'], site: 'shop' }]) {
		assert.equal((await said(node, 'one', '/tags')).hit, false, JSON.stringify(purge))
		assert.deepEqual(await said(node, 'one', '/tags'), { hit: true, tag: null })
		await node.ok('POST', '/v1/purge', { tags: ['other'] })
		assert.equal((await said(node, 'one', '/tags')).hit, true)
		await node.ok('POST', '/v1/purge', purge)
	}
})

const SIZE = 3 * 1024 * 1024
const large = routine({
	'/fill': `
		const at = new URL(request.url).searchParams.get("at")
		await cache.put("http://large.example/", await fetch(at))
		return new Response("filled")`,
	'/made': `
		let left = ${SIZE}
		const body = new ReadableStream({ pull(c) { const n = Math.min(left, 65536); if (n === 0) return c.close(); left -= n; c.enqueue(new Uint8Array(n).fill(97)) } })
		await cache.put("http://large.example/", new Response(body))
		return new Response("made")`,
	'/get': 'return (await cache.get("http://large.example/")) ?? new Response("none", { status: 404 })',
	'/wrapped': 'const r = await cache.get("http://large.example/"); const w = new Response(r.body, r); w.headers.set("x-wrapped", "1"); return w',
	'/break': `
		const body = new ReadableStream({ start(c) { c.enqueue(new Uint8Array(100000)); setTimeout(() => c.error(new Error("broke")), 20) } })
		try { await cache.put("http://large.example/", new Response(body)) } catch (x) { return new Response(x.message, { status: 500 }) }
		return new Response("put")`,
	'/die': `
		let n = 0
		const body = new ReadableStream({ async pull(c) { c.enqueue(new Uint8Array(65536)); if (++n === 20) for (;;); await new Promise(r => setTimeout(r, 1)) } })
		event.waitUntil(cache.put("http://large.example/", new Response(body)))
		return new Response("dies")`,
	'/forget': 'return Response.json(await cache.delete("http://large.example/"))',
})

test('a large body is streamed in, and goes out unread, to slow readers too', async t => {
	const origin = await startOrigin((req, res) => res.end(Buffer.alloc(SIZE, 'b')))
	t.after(() => origin.close())
	const node = await withRoutines(t, { one: { source: large, allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 300 } } })
	for (const [path, byte] of [[`/fill?at=${encodeURIComponent(origin.url)}`, 98], ['/made', 97]]) {
		assert.equal((await node.get('one', path)).status, 200)
		for (const get of ['/get', '/wrapped']) {
			const res = await node.get('one', get)
			assert.equal(res.headers['content-length'], `${SIZE}`)
			assert.equal(res.body.length, SIZE)
			assert.ok(res.body.every(b => b === byte))
			assert.equal(res.headers['x-wrapped'], get === '/wrapped' ? '1' : undefined)
		}
		const slow = http.get({ port: node.port, path: '/get', headers: { host: 'one.localhost' } })
		const [res] = await once(slow, 'response')
		let n = 0
		res.on('data', chunk => {
			n += chunk.length
			res.pause()
			setTimeout(() => res.resume(), 1)
		})
		await once(res, 'end')
		assert.equal(n, SIZE)
	}
})

test('a matched response that nobody reads goes out although the sandbox stands still', async t => {
	const big = 7.5e6 // more than two sockets take
	const hold = routine({
		'/put': `let left = ${big}; await cache.put("http://still.example/", new Response(new ReadableStream({ pull(c) { const n = Math.min(left, 65536); if (n === 0) return c.close(); left -= n; c.enqueue(new Uint8Array(n)) } }))); return new Response("")`,
		'/get': 'return cache.get("http://still.example/")',
		'/wrapped': 'const r = await cache.get("http://still.example/"); return new Response(r.body, r)',
	})
	const node = await withRoutines(t, { one: { source: hold, limits: { cpuMs: 300 } } }, { config: { threads: 1, cache: { memoryMb: 1024, disk: [] } } })
	assert.equal((await node.get('one', '/put')).status, 200)
	for (const path of ['/get', '/wrapped']) {
		const asked = http.get({ port: node.port, path, headers: { host: 'one.localhost' } })
		const [res] = await once(asked, 'response')
		assert.equal(res.headers['content-length'], `${big}`)
		const sandboxes = proc.sandboxes(node.pid)
		assert.ok(sandboxes.length > 0)
		sandboxes.forEach(pid => process.kill(pid, 'SIGSTOP'))
		try {
			let n = 0
			for await (const chunk of res) n += chunk.length
			assert.equal(n, big)
		} finally {
			sandboxes.forEach(pid => process.kill(pid, 'SIGCONT'))
		}
	}
})

test('what breaks off while it is put was never there: a broken stream, a sandbox that is killed', async t => {
	const node = await withRoutines(t, { one: { source: large, limits: { cpuMs: 100 } } })
	const broken = await node.get('one', '/break')
	assert.deepEqual([broken.status, broken.text], [500, 'broke'])
	assert.equal((await node.get('one', '/get')).status, 404)
	assert.equal((await node.get('one', '/made')).status, 200)
	await node.get('one', '/die')
	await raw.until(async () => (await node.metric('er_kills_total')) > 0, { what: 'the end of the sandbox' })
	const kept = await raw.until(async () => {
		const res = await node.get('one', '/get')
		return res.status === 200 && res
	}, { what: 'an answer of a new sandbox' })
	assert.ok(kept.body.length === SIZE && kept.body.every(b => b === 97), 'what was there before is still there')
})

test('a routine keeps no more than its quota, the oldest goes first, and others keep theirs', async t => {
	const hoard = routine({
		'/put': `const n = new URL(request.url).searchParams.get("n"); await cache.put("http://q.example/" + n, new Response(new Uint8Array(100000))); return new Response("")`,
		'/have': `const out = []; for (let i = 0; i < 30; i++) out.push((await cache.get("http://q.example/" + (Number(new URL(request.url).searchParams.get("from")) + i))) !== undefined); return Response.json(out)`,
		'/huge': `try { await cache.put("http://q.example/huge", new Response(new Uint8Array(9e6))); return new Response("put") } catch (x) { return new Response(x.name) }`,
	})
	// a quota of 4 MB; 9 MB at once take more CPU time than others
	const node = await withRoutines(t, { one: { source: hoard, limits: { cpuMs: 1000 } }, two: hoard }, { config: { threads: 1, cache: { memoryMb: 32, disk: [] } } })
	await node.get('two', '/put?n=0')
	for (let n = 0; n < 120; n++) assert.equal((await node.get('one', `/put?n=${n}`)).status, 200)
	const have = [...(await said(node, 'one', '/have?from=0')), ...(await said(node, 'one', '/have?from=30')), ...(await said(node, 'one', '/have?from=60')), ...(await said(node, 'one', '/have?from=90'))]
	const kept = have.filter(Boolean).length
	assert.ok(kept >= 35 && kept <= 42, `${kept} of 100 KB in 4 MB`)
	assert.ok(have.slice(-30).every(Boolean) && !have.slice(0, 60).some(Boolean))
	assert.equal((await said(node, 'two', '/have?from=0'))[0], true)
	assert.equal((await node.get('one', '/huge')).text, 'QuotaExceededError')
	assert.ok((await said(node, 'one', '/have?from=90')).filter(Boolean).length > 0)
})

test('a put outlives a restart on the disk, and a delete does too', async t => {
	const keep = routine({
		'/put': 'await cache.put("http://d.example/" + new URL(request.url).search, new Response("x".repeat(200000), { headers: { etag: "\\"1\\"" } })); await (await caches.open("named")).put("http://d.example/", new Response("named")); return new Response("")',
		'/get': 'const r = await cache.get("http://d.example/" + new URL(request.url).search); const n = await (await caches.open("named")).match("http://d.example/"); return Response.json([r === undefined ? null : (await r.text()).length, n === undefined ? null : await n.text()])',
		'/delete': 'return Response.json(await cache.delete("http://d.example/" + new URL(request.url).search))',
	})
	const origin = await startOrigin((req, res) => res.end('origin'))
	t.after(() => origin.close())
	const options = { routines: { one: keep }, config: { threads: 1, origin: origin.url } }
	let node = await startStore(options)
	const { data } = node
	try {
		for (const key of ['a', 'b', 'c']) await node.get('one', `/put?${key}`)
		assert.equal(await said(node, 'one', '/delete?b'), true)
		await node.stop()
		node = await startStore({ ...options, data })
		await raw.until(async () => (await said(node, 'one', '/get?a'))[0] === 200000, { what: 'the file' })
		assert.deepEqual(await said(node, 'one', '/get?a'), [200000, 'named'])
		assert.deepEqual(await said(node, 'one', '/get?b'), [null, 'named'])
		assert.equal(await said(node, 'one', '/delete?c'), true, 'what is on the disk alone is found')
		assert.deepEqual(await said(node, 'one', '/get?c'), [null, 'named'])
	} finally {
		await node.stop()
		node.forget()
	}
})

const generations = routine({
	'/put': 'await caches.default.put("http://g.example/", new Response("secret")); await (await caches.open("named")).put("http://g.example/", new Response("secret")); return Response.json(true)',
	'/get': `
		const text = async r => (r === undefined ? null : r.text()), named = await caches.open("named")
		return Response.json([await text(await caches.default.match("http://g.example/")), await text(await named.match("http://g.example/")), (await named.keys()).length, await caches.default.delete("http://g.example/"), await caches.has("named")])`,
	'/fetch': 'const r = await fetch(new URL("/thing?" + new URL(request.url).search.slice(1), request.url), { cdnProxy: true, cf: { cacheKey: "mine", cacheTtl: 600 } }); return Response.json(await r.text())',
})

test('who deploys under the name of a deleted routine finds nothing that it kept, also after a kill', async t => {
	let asked = 0
	const origin = await startOrigin((req, res) => res.end(`answer ${++asked}`))
	t.after(() => origin.close())
	const options = { config: { threads: 1, origin: origin.url } }
	let node = await startStore(options)
	const { data } = node
	const nothing = [null, null, 0, false, true]
	try {
		await node.deploy('one', generations)
		await node.deploy('two', generations)
		for (const name of ['one', 'two']) await said(node, name, '/put')
		const first = await said(node, 'one', '/fetch')
		assert.equal(await said(node, 'one', '/fetch'), first, 'kept under a key of its own')
		await node.ok('DELETE', '/v1/routines/one')
		await node.deploy('one', generations)
		assert.deepEqual(await said(node, 'one', '/get'), nothing)
		assert.notEqual(await said(node, 'one', '/fetch'), first)
		await said(node, 'one', '/put')
		await node.ok('DELETE', '/v1/routines/one')
		// the cache's file has it all before the node is killed
		await node.stop()
		node = await startStore({ ...options, data })
		await node.deploy('one', generations)
		await raw.until(async () => (await said(node, 'two', '/get'))[0] === 'secret', { what: 'the file' })
		assert.deepEqual(await said(node, 'one', '/get'), nothing)
		await said(node, 'one', '/put')
		await node.ok('DELETE', '/v1/routines/one')
		node.kill()
		await node.exited
		node = await startStore({ ...options, data })
		await node.deploy('one', generations)
		assert.deepEqual(await said(node, 'one', '/get'), nothing)
	} finally {
		await node.stop()
		node.forget()
	}
})

test('on a node that stores nothing, what is put is not found, and nothing fails', async t => {
	const code = routine({
		'/all': `
			await cache.put("http://off.example/", new Response("x")); const c = await caches.open("named"); await c.put("http://off.example/", new Response(new Uint8Array(100000)))
			return Response.json([(await cache.get("http://off.example/")) === undefined, (await c.match("http://off.example/")) === undefined, await cache.delete("http://off.example/"), (await caches.keys()).length])`,
	})
	const node = await withRoutines(t, { one: code }, { config: { threads: 1, cache: { memoryMb: 0 } } })
	assert.deepEqual(await said(node, 'one', '/all'), [true, true, false, 0])
})
