// The letter of the Fetch standard, over the network: what goes out with a fetch, and what comes
// back.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { bodyOf, startOrigin } from './lib/origin.mjs'

let node, origin, other
const LOOPBACK = ['127.0.0.0/8']

before(async () => {
	const asked = new Map() // how often a path was asked for
	const connections = new Set()
	other = await startOrigin((req, res) => res.end(`other ${req.headers.authorization ?? '-'}`))
	origin = await startOrigin(async (req, res) => {
		const url = new URL(req.url, 'http://o.example')
		const n = (asked.get(req.url) ?? 0) + 1
		asked.set(req.url, n)
		const body = (await bodyOf(req)).toString()
		connections.add(req.socket)
		if (url.pathname === '/headers') return res.end(JSON.stringify(req.rawHeaders))
		if (url.pathname === '/status') return res.writeHead(+url.searchParams.get('s'), { 'content-type': 'text/plain', etag: '"1"' }).end()
		if (url.pathname === '/421') return res.writeHead(n <= +url.searchParams.get('times') ? 421 : 200).end(`${n} ${connections.size} ${body}`)
		if (url.pathname === '/to') return res.writeHead(+(url.searchParams.get('s') ?? 302), { location: url.searchParams.get('l') }).end()
		if (url.pathname === '/loop') {
			const left = +url.searchParams.get('n')
			return left === 0 ? res.end('end') : res.writeHead(302, { location: `/loop?n=${left - 1}` }).end()
		}
		if (url.pathname === '/echo') return res.end(`${req.method} ${body}`)
		if (url.pathname === '/cut') {
			res.writeHead(200, { 'content-length': 100 })
			res.write('begun')
			setTimeout(() => res.destroy(), 100)
			return
		}
		if (url.pathname === '/slow') {
			res.write('begun')
			return
		}
		res.end('ok')
	})
	/** A routine whose request is answered with what `code` gives, as JSON. */
	const gives = code => `addEventListener("fetch", event => event.respondWith((async () => {
		const { request } = event, origin = "${origin.url}", other = "${other.url}", url = new URL(request.url)
		const failing = async (input, init) => { try { return (await fetch(input, init)).status } catch (e) { return e.name + ": " + e.message } }
		return Response.json(await (async () => { ${code} })() ?? null)
	})()))`
	const routine = code => ({ source: gives(code), allowAddresses: LOOPBACK })
	node = await startNode({
		config: { origin: origin.url, routineLimits: { subrequests: 100 } },
		routines: {
			plain: routine('return (await fetch(origin + "/headers")).json()'),
			said: routine('const headers = new Headers({ accept: "text/x", "user-agent": "mine/1" }); headers.append("x-a", "1"); headers.append("b", "2"); headers.append("X-A", "3"); headers.append("cookie", "a=1"); headers.append("cookie", "b=2"); headers.set("content-length", "7"); return (await fetch(origin + "/headers", { headers, referrer: "https://r.example/page" })).json()'),
			relayed: { source: 'addEventListener("fetch", event => event.respondWith(fetch(new Request(event.request, { headers: event.request.headers }))))', allowAddresses: LOOPBACK },
			bodies: routine(`const out = {};
				for (const [method, s] of [["HEAD", 200], ["GET", 204], ["GET", 205], ["GET", 304], ["GET", 200]]) { const r = await fetch(origin + "/status?s=" + s, { method }); out[method + s] = [r.status, r.body === null, await r.text()] }
				return out`),
			misdirected: routine(`await (await fetch(origin + "/echo")).text();
				const stream = new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("s")); c.close() } });
				const ask = async (path, init) => { const r = await fetch(origin + "/421?" + path, init); return [r.status, (await r.text()).replace(/ \\d+ /, " ")] };
				return [await ask("times=1&get"), await ask("times=1&post", { method: "POST", body: "text" }), await ask("times=9&always"), await ask("times=9&stream", { method: "POST", body: stream, duplex: "half" })]`),
			redirects: routine(`const to = (l, s = 302) => origin + "/to?s=" + s + "&l=" + encodeURIComponent(l), post = { method: "POST", body: "text" };
				const stream = () => ({ method: "POST", duplex: "half", body: new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("s")); c.close() } }) });
				const text = async (...a) => (await fetch(...a)).text();
				return {
					user: await failing(to(other.replace("//", "//u:p@") + "/x")), userHere: await text(to(origin.replace("//", "//u:p@") + "/echo")),
					sameOrigin: await failing(to(other + "/x"), { mode: "same-origin" }), sameOriginHere: await text(to("/echo"), { mode: "same-origin" }), cors: await text(to(other + "/x")),
					repeated: [await text(to("/echo", 307), post), await text(to("/echo", 308), { method: "PUT", body: "text" })], streams: [await failing(to("/echo", 307), stream()), await failing(to("/echo", 308), stream())],
				}`),
			loop: { ...routine('return [await (await fetch(origin + "/loop?n=20")).text(), await failing(origin + "/loop?n=21")]'), limits: { subrequests: 100 } },
			opens: routine(`const names = await Promise.all([1, 2, 3, 4].map(() => caches.open("one")));
				await names[0].put("http://a.example/", new Response("kept"));
				return Promise.all(names.map(async c => (await c.match("http://a.example/"))?.text()))`),
			broken: routine(`const r = await fetch(origin + "/cut"), reader = r.body.getReader();
				const closed = reader.closed.then(() => "closed", e => e.name);
				try { for (;;) if ((await reader.read()).done) return "whole" } catch (e) { return [e.name, await closed] }`),
			aborted: routine(`const c = new AbortController(), r = await fetch(origin + "/slow", { signal: c.signal }), copy = r.clone(), text = r.text(), of = copy.body.getReader();
				await of.read();
				c.abort(); let at = 0; const first = text.catch(e => { at++; return e.name });
				const next = of.read().catch(e => e.name), closed = of.closed.catch(e => e.name);
				return [await first, await next, await closed, r.bodyUsed]`),
		},
	})
})
after(async () => {
	await node.stop()
	await origin.close()
	await other.close()
})
const of = async (name, options) => JSON.parse((await node.get(name, '/headers', options)).text)
/** Pairs of a list of names and values. */
const pairs = list => list.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), list[i + 1]]] : []))

test('a fetch that says nothing of it accepts everything and names the product', async () => {
	const fields = pairs(await of('plain'))
	assert.deepEqual(fields.filter(([name]) => name === 'accept' || name === 'user-agent'), [['accept', '*/*'], ['user-agent', 'EdgeRoutine']])
	assert.ok(!fields.some(([name]) => name === 'referer' || name === 'accept-language'))
})

test('what the code says goes out as it is, fields of one name as one, and no length of a body that is not there', async () => {
	const fields = pairs(await of('said'))
	const values = name => fields.filter(([n]) => n === name).map(([, value]) => value)
	assert.deepEqual(['accept', 'user-agent', 'x-a', 'b', 'cookie', 'content-length', 'referer'].map(values), [['text/x'], ['mine/1'], ['1, 3'], ['2'], ['a=1; b=2'], [], []])
})

test("a client's request that is handed on says what the client said, and nothing more", async () => {
	const fields = pairs(JSON.parse((await node.get('relayed', '/headers', { headers: { 'x-mine': ['a', 'b'] } })).text))
	assert.ok(!fields.some(([name]) => name === 'accept' || name === 'user-agent'), JSON.stringify(fields))
	assert.deepEqual(fields.filter(([name]) => name === 'x-mine').map(([, value]) => value).join(', '), 'a, b')
})

test('an answer to HEAD, and one of a status without a body, has a body of null', async () => {
	assert.deepEqual(await of('bodies'), { HEAD200: [200, true, ''], GET204: [204, true, ''], GET205: [205, true, ''], GET304: [304, true, ''], GET200: [200, false, ''] })
})

test('a 421 is asked once more on a new connection, if its body can be sent again', async () => {
	assert.deepEqual(await of('misdirected'), [[200, '2 '], [200, '2 text'], [421, '2 '], [421, '1 s']])
	const of421 = origin.requests.filter(r => r.url === '/421?times=9&always')
	assert.equal(of421.length, 2)
})

test('a redirect carries no credentials elsewhere, keeps to its origin if told so, and repeats what can be repeated', async () => {
	const r = await of('redirects')
	assert.match(r.user, /^TypeError: .*user or a password/)
	assert.equal(r.userHere, 'GET ')
	assert.match(r.sameOrigin, /^TypeError: .*same-origin/)
	assert.equal(r.sameOriginHere, 'GET ')
	assert.equal(r.cors, 'other -')
	assert.deepEqual(r.repeated, ['POST text', 'PUT text'])
	for (const one of r.streams) assert.match(one, /^TypeError: .*cannot be sent again/)
})

test('twenty redirects are followed, and no more', async () => {
	const [most, more] = await of('loop')
	assert.equal(most, 'end')
	assert.match(more, /^TypeError: .*more than 20 redirects/)
})

test('a cache that is opened several times at once is one cache', async () => {
	assert.deepEqual(await of('opens'), ['kept', 'kept', 'kept', 'kept'])
})

test('a body that breaks off rejects its reader, and what the reader says of its end', async () => {
	assert.deepEqual(await of('broken'), ['TypeError', 'TypeError'])
})

test('an abort reaches a body method, a copy and its reader at once', async () => {
	assert.deepEqual(await of('aborted'), ['AbortError', 'AbortError', 'AbortError', true])
})
