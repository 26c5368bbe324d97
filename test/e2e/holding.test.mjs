// What a stranger can make the node hold: the rows of docs/threat-model.md, each tried at
// its bound.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { startNode, sanitized } from './lib/node.mjs'
import { startOrigin, startRawOrigin } from './lib/origin.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

/** A node, what is done with it, and its end. */
async function withNode(options, use) {
	const node = await startNode(options)
	try {
		await use(node)
	} catch (e) {
		node.kill()
		throw e
	}
	await node.stop()
	assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
}

const loopback = { allowAddresses: ['127.0.0.0/8'] }

/** An origin that holds every request until `release` is called, and counts those it
 * has at once. */
async function startSlow() {
	const held = new Set()
	let most = 0
	const origin = await startOrigin((req, res) => {
		if (req.url.startsWith('/now')) return res.end('now')
		held.add(res)
		most = Math.max(most, held.size)
		res.on('close', () => held.delete(res))
	})
	const release = (body = 'done') => held.forEach(r => r.end(body))
	/** From now until the test's end, whatever comes is released. */
	const releaseAll = (t, body) => {
		const every = setInterval(() => release(body), 20)
		t.after(() => clearInterval(every))
	}
	return Object.assign(origin, { held, most: () => most, release, releaseAll })
}

// /begin?n=N: leaves N subrequests to waitUntil and answers at once. /one: one subrequest, and
// its answer.
const leaver = url => `
	let seen = [], failed = []
	const ask = path => fetch("${url}" + path).then(r => r.text())
	addEventListener("fetch", e => {
		const u = new URL(e.request.url)
		if (u.pathname === "/begin") {
			for (let i = 0; i < Number(u.searchParams.get("n")); i++)
				e.waitUntil(ask("/slow" + i).then(() => seen.push(i), x => failed.push(x.code + ": " + x.message)))
			e.respondWith(new Response("begun"))
		} else if (u.pathname === "/one") e.respondWith(ask("/now").then(t => new Response(t)))
		else e.respondWith(Response.json({ seen, failed }))
	})`

test('subrequests left to waitUntil are bounded: the rest waits in the sandbox, in order, and begins as others end', { timeout: 60000 }, async t => {
	const origin = await startSlow()
	t.after(() => origin.close())
	await withNode({
		config: { sandbox: { pool: 1, maxSubrequests: 32 }, routineLimits: { subrequests: 100 } },
		routines: { leaver: { source: leaver(origin.url), limits: { subrequests: 100 }, ...loopback } },
	}, async node => {
		assert.equal((await node.get('leaver', '/begin?n=40')).text, 'begun')
		await raw.until(() => origin.held.size === 8, { what: 'a quarter of 32 at the origin' })
		await new Promise(f => setTimeout(f, 300))
		assert.equal(origin.most(), 8)
		origin.releaseAll(t)
		const all = await raw.until(async () => {
			const state = JSON.parse((await node.get('leaver', '/state')).text)
			return state.seen.length === 40 && state
		}, { timeout: 20000, what: 'the end of all forty' })
		assert.deepEqual(all.failed, [])
		assert.ok(origin.most() <= 8, `${origin.most()} at once`)
		// In the order in which they were asked for: each batch of eight before the next.
		const urls = origin.requests.map(r => Number(r.url.slice(5)))
		urls.forEach((n, at) => assert.ok(Math.abs(n - at) < 8, `${n} came at place ${at}: ${urls}`))
		assert.equal((await node.get('leaver', '/one')).text, 'now')
	})
})

test('a subrequest that waits for its turn is ended by abort, by the end of its request and by its time', { timeout: 60000 }, async t => {
	const origin = await startSlow()
	t.after(() => origin.close())
	const source = `
		let cancelled = []
		const stream = name => new ReadableStream({ pull(c) { c.enqueue(new TextEncoder().encode(name)); c.close() }, cancel(r) { cancelled.push(name + " " + r.name) } }, { highWaterMark: 0 })
		const wait = ms => new Promise(f => setTimeout(f, ms))
		addEventListener("fetch", e => e.respondWith((async () => {
			const u = new URL(e.request.url)
			if (u.pathname === "/full") { e.waitUntil(fetch("${origin.url}/slow").catch(() => {})); return new Response("full") }
			if (u.pathname === "/abort") {
				const a = new AbortController()
				const p = fetch("${origin.url}/never", { method: "POST", body: stream("aborted"), duplex: "half", signal: a.signal }).then(() => "answered", x => x.name)
				await wait(50)
				a.abort()
				return new Response(await p)
			}
			if (u.pathname === "/over") { fetch("${origin.url}/never", { method: "POST", body: stream("over"), duplex: "half" }); return new Response("over") }
			if (u.pathname === "/timeout") return fetch("${origin.url}/never", { signal: AbortSignal.timeout(50) }).then(() => new Response("answered"), x => new Response(x.name))
			if (u.pathname === "/body") { const r = await fetch("${origin.url}/slow", { method: "POST", body: stream("streamed"), duplex: "half" }); return new Response(await r.text()) }
			if (u.pathname === "/large") { const r = await fetch("${origin.url}/slow", { method: "POST", body: "x".repeat(100000) }); return new Response(await r.text()) }
			if (u.pathname === "/relay") { const r = await fetch("${origin.url}/slow", { method: "POST", body: e.request.body }); return new Response(await r.text()) }
			return Response.json(cancelled)
		})()))`
	await withNode({ config: { sandbox: { pool: 1, maxSubrequests: 4 } }, routines: { one: { source, ...loopback } } }, async node => {
		await node.get('one', '/full')
		await raw.until(() => origin.held.size === 1, { what: 'the one that it may have' })
		assert.equal((await node.get('one', '/abort')).text, 'AbortError')
		assert.equal((await node.get('one', '/over')).text, 'over')
		assert.equal((await node.get('one', '/timeout')).text, 'TimeoutError')
		assert.deepEqual(JSON.parse((await node.get('one', '/')).text).slice(0, 1), ['aborted AbortError'])
		// Bodies of every kind wait with their subrequest, and come whole.
		const waiting = [node.get('one', '/body'), node.get('one', '/large'), node.get('one', '/relay', { method: 'POST', body: 'y'.repeat(200000) })]
		await new Promise(f => setTimeout(f, 200))
		assert.equal(origin.most(), 1)
		origin.releaseAll(t, 'took it')
		for (const res of await Promise.all(waiting)) assert.equal(res.text, 'took it')
		assert.equal(origin.most(), 1)
		assert.ok(!origin.requests.some(r => r.url === '/never'), 'one that was ended before its turn was asked for')
	})
})

test('bodies that go on to clients, drained and aborted ones give their place back', { timeout: 60000 }, async () => {
	const origin = await startOrigin((req, res) => {
		if (req.method === 'POST') return req.on('data', () => {}).on('end', () => res.end('posted'))
		res.end(req.url === '/large' ? 'z'.repeat(300000) : 'small')
	})
	const source = `
		addEventListener("fetch", e => e.respondWith((async () => {
			const kind = new URL(e.request.url).pathname.slice(1)
			const a = new AbortController()
			const r = kind === "failed" ? await fetch("http://127.0.0.1:1/").catch(x => new Response(x.code)) : await fetch("${origin.url}/" + (kind === "small" || kind === "head" || kind === "posted" ? "small" : "large"), { signal: a.signal, method: kind === "head" ? "HEAD" : kind === "posted" ? "POST" : "GET", body: kind === "posted" ? "p".repeat(20000) : undefined })
			if (kind === "cancelled") { await r.body.cancel(); return new Response("cancelled") }
			if (kind === "aborted") { const p = r.text().catch(x => x.name); a.abort(); return new Response(await p) }
			if (kind === "ignored") { await r.ignore(); return new Response("ignored") }
			if (kind === "unread") return new Response("unread")
			if (kind === "read") return new Response(String((await r.text()).length))
			return r
		})()))`
	await withNode({ config: { sandbox: { pool: 1, maxSubrequests: 4 } }, routines: { one: { source, ...loopback } } }, async node => {
		for (const kind of ['relayed', 'small', 'head', 'posted', 'cancelled', 'aborted', 'ignored', 'unread', 'read', 'failed'])
			for (let i = 0; i < 3; i++) {
				const res = await node.get('one', `/${kind}`, { timeout: 5000, method: kind === 'head' ? 'HEAD' : 'GET' })
				assert.equal(res.status, 200, `${kind}: ${res.text.slice(0, 200)}`)
			}
		// A client that leaves in the middle of what is relayed to it.
		for (let i = 0; i < 3; i++) {
			const c = await node.connect()
			c.send('GET /relayed HTTP/1.1\r\nHost: one.localhost\r\n\r\n')
			await new Promise(f => setTimeout(f, 50))
			c.close()
		}
		assert.equal((await node.get('one', '/read', { timeout: 5000 })).text, '300000')
	})
	await origin.close()
})

test('one routine cannot use up the node: others have room, and beyond the bound of the node a subrequest fails with its name', { timeout: 60000 }, async t => {
	const origin = await startSlow()
	t.after(() => origin.close())
	const routines = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map(n => [n, { source: leaver(origin.url), limits: { subrequests: 50 }, ...loopback }]))
	await withNode({ config: { sandbox: { pool: 2, maxSubrequests: 16 }, routineLimits: { subrequests: 50 } }, routines }, async node => {
		for (const name of ['a', 'b', 'c']) await node.get(name, '/begin?n=20')
		await raw.until(() => origin.held.size === 12, { what: 'three quarters' })
		assert.equal((await node.get('e', '/one')).text, 'now', 'a neighbour has its own share')
		await node.get('d', '/begin?n=20')
		await raw.until(() => origin.held.size === 16, { what: 'the node to be full' })
		await node.get('e', '/begin?n=2')
		const { failed } = await raw.until(async () => {
			const state = JSON.parse((await node.get('e', '/state')).text)
			return state.failed.length === 2 && state
		}, { what: 'the refusals' })
		for (const text of failed) assert.match(text, /^unavailable: .*sandbox\.maxSubrequests/)
		// Whoever waits in a sandbox takes what gets free as well.
		origin.releaseAll(t)
		await raw.until(async () => (await node.get('e', '/one')).text === 'now', { what: 'room again' })
		assert.ok(origin.most() <= 16, `${origin.most()}`)
		// Each has its share. For what waits there is what is free, and a routine may be refused
		// when others were faster; nothing is lost without a word.
		for (const name of ['a', 'b', 'c', 'd']) {
			const state = await raw.until(async () => {
				const s = JSON.parse((await node.get(name, '/state')).text)
				return s.seen.length + s.failed.length === 20 && s
			}, { timeout: 20000, what: `an end of all that ${name} began` })
			assert.ok(state.seen.length >= 4, `${name}: ${state.seen.length} answers, ${state.failed}`)
			for (const text of state.failed) assert.match(text, /^unavailable: .*sandbox\.maxSubrequests/)
		}
	})
})

test('pending subrequests by the thousand hold a bounded amount of memory', { skip: sanitized, timeout: 120000 }, async () => {
	const sockets = await startRawOrigin(() => {})
	await withNode({
		config: { sandbox: { pool: 1 } },
		routines: { leaver: { source: leaver(sockets.url), limits: { cpuMs: 1000 }, ...loopback } },
	}, async node => {
		await node.get('leaver', '/state')
		const before = node.holdings().anonymous
		for (let i = 0; i < 200; i++) await node.get('leaver', '/begin?n=32')
		const held = node.holdings().anonymous - before
		assert.ok(sockets.sockets.size <= 1024, `${sockets.sockets.size} connections`)
		assert.ok(held < 64 * 1024 * 1024, `${held >> 20} MB for ${sockets.sockets.size} connections`)
		await sockets.close()
	})
})
