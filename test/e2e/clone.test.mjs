// clone() of bodies that lie in the node: the copy is made there, and each reader gets every byte
// whatever the others do, as far as the routine's memory for copies goes (an eighth of its limit:
// here 8 MB).
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import http from 'node:http'
import { startNode, sanitized } from './lib/node.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const MB = 1 << 20
const big = crypto.randomBytes(12 * MB)
const hash = bytes => crypto.createHash('sha1').update(bytes).digest('hex')
let origin, standard, node

const listen = code => `
	globalThis.seen ??= {}
	const count = async (body, slow = 0) => { let n = 0; for await (const chunk of body) { n += chunk.length; seen.count = n; if (slow) await new Promise(f => setTimeout(f, slow)) } return n }
	const sleep = ms => new Promise(f => setTimeout(f, ms))
	const why = e => e.name + ": " + e.message
	addEventListener("fetch", event => {
		const { request } = event, url = new URL(request.url), n = url.searchParams.get("n"), O = ORIGIN + "/big?n=" + n
		if (url.pathname === "/seen") return event.respondWith(Response.json(seen))
		if (url.pathname === "/go") return event.respondWith(new Response(String(seen.go = true)))
		if (url.pathname === "/clear") return event.respondWith(new Response(String(delete globalThis.seen && (globalThis.seen = {}))))
		event.respondWith((async () => { ${code} })().catch(e => new Response(why(e), { status: 500 })))
	})`

before(async () => {
	origin = await startOrigin(async (req, res) => {
		if (req.url.startsWith('/big')) return res.end(big.subarray(0, Number(new URL(req.url, 'http://o').searchParams.get('n'))))
		if (req.url.startsWith('/hang')) {
			res.writeHead(200)
			return res.write('begun')
		}
		res.end(hash(await bodyOf(req)))
	})
	standard = await startOrigin(async (req, res) => res.end('standard ' + hash(await bodyOf(req))))
	const sources = {
		relayed: `const r = await fetch(O); const copy = r.clone(); event.waitUntil(count(copy.body).then(n => { seen.whole = n }, e => { seen.why = why(e) })); return r`,
		behind: `const r = await fetch(O); const copy = r.clone(); event.waitUntil(count(copy.body, 1).then(n => { seen.whole = n }, e => { seen.why = why(e) })); return r`,
		unread: `const r = await fetch(O); const copy = r.clone(); event.waitUntil((async () => { while (!seen.go) await sleep(20); return copy.arrayBuffer() })().then(b => { seen.whole = b.byteLength }, e => { seen.why = why(e) })); return r`,
		sniffs: `const r = await fetch(O); const reader = r.clone().body.getReader(); const { value } = await reader.read(); const out = new Response(r.body, r); out.headers.set("x-first", value[0]); return out`,
		forgets: `const r = await fetch(O); await (async () => { const reader = r.clone().body.getReader(); await reader.read() })(); event.waitUntil((async () => { while (!seen.go) await sleep(50) })()); return r`,
		first: `const r = await fetch(O); const all = await r.clone().arrayBuffer(); const out = new Response(r.body, r); out.headers.set("x-read", all.byteLength); return out`,
		cancels: `const r = await fetch(O), copy = r.clone(); await (url.pathname === "/mine" ? r : copy).body.cancel(); return url.pathname === "/mine" ? copy : r`,
		ignores: `const r = await fetch(O), copy = r.clone(); await copy.ignore(); return r`,
		twice: `const r = await fetch(O), a = r.clone(), b = a.clone(), c = r.clone(); const all = await Promise.all([a, b, c].map(x => x.arrayBuffer())); const out = new Response(r.body, r); out.headers.set("x-read", all.map(x => x.byteLength + "/" + [new Uint8Array(x).reduce((s, v) => (s * 31 + v) >>> 0, 7)])); return out`,
		partly: `const r = await fetch(O), reader = r.body.getReader(), { value } = await reader.read(); reader.releaseLock(); let said; try { r.clone() } catch (e) { said = why(e) }
			const s = await fetch(O), piped = new Response(s.body.pipeThrough(new TransformStream())), other = piped.clone(); return Response.json([said, (await piped.arrayBuffer()).byteLength, (await other.arrayBuffer()).byteLength])`,
		streams: `const r = await fetch(O), body = r.body, copy = r.clone(); return Response.json([body.locked, r.body === body, r.bodyUsed, copy.bodyUsed, (await r.arrayBuffer()).byteLength, r.bodyUsed, (await copy.arrayBuffer()).byteLength, copy.headers.get("content-length")])`,
		uploads: `const sent = fetch(ORIGIN + "/seen", { method: "POST", body: request.clone().body }).then(r => r.text()); event.waitUntil(sent.then(h => { seen.hash = h })); return new Response(request.body)`,
		'upload-first': `const all = await request.clone().arrayBuffer(); const r = await fetch(ORIGIN + "/seen", { method: "POST", body: request.body }); return new Response(all.byteLength + " " + await r.text())`,
		'upload-only': `return new Response(request.clone().body)`,
		passes: `event.passThroughOnException(); const copy = request.clone(); if (url.pathname === "/reads") await copy.arrayBuffer(); event.waitUntil(sleep(50)); passing; `,
		aborts: `const c = new AbortController(), r = await fetch(ORIGIN + "/hang", { signal: c.signal }), copy = r.clone(), more = copy.clone(); const all = [r, copy, more].map(x => x.text().catch(why)); await sleep(20); c.abort(); return Response.json(await Promise.all(all))`,
		many: `const r = await fetch(O), copies = []; for (let i = 0; i < Number(url.searchParams.get("copies")); i++) copies.push(r.clone()); if (url.pathname === "/drop") return r; let whole = 0, failed = 0, said; for (const c of copies) await c.arrayBuffer().then(b => { whole += b.byteLength === Number(n) }, e => { failed++; said = why(e) }); seen.many = [whole, failed, said]; return r`,
	}
	const routines = {}
	for (const [name, code] of Object.entries(sources)) {
		const wrapped = name === 'passes' ? listen(code).replace(/\.catch\(e => new Response[^]*?\)\)\n/, ')\n') : listen(code)
		routines[name] = { source: wrapped.replaceAll('ORIGIN', JSON.stringify(origin.url)), allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 9000, responseMs: 60000, memoryMb: name !== 'many' ? 64 : sanitized ? 512 : 128 } }
	}
	node = await startNode({ routines, config: { origin: standard.url, routineLimits: { cpuMs: 10000, responseMs: 60000 } } })
})
after(async () => {
	await node?.stop()
	await origin?.close()
	await standard?.close()
	assert.doesNotMatch(node?.log ?? '', /AddressSanitizer|runtime error|internal error/)
})

const seen = async name => JSON.parse((await ask(name, '/seen')).text)
/** {status, headers, n, hash, broken}: of the body no more is kept, for a megabyte costs a busy
 * machine much to put together. `began(res)` sees its beginning. */
const ask = (name, target, { body, began = () => {} } = {}) => new Promise((resolve, reject) => {
	const req = http.request({ port: node.port, host: '127.0.0.1', path: target, method: body === undefined ? 'GET' : 'POST', headers: { host: `${name}.localhost` }, agent: false }, res => {
		const sum = crypto.createHash('sha1'), out = { status: res.statusCode, headers: res.headers, n: 0, text: '' }
		res.on('data', part => {
			out.n += part.length
			sum.update(part)
			if (out.n < 1000) out.text += part
		})
		res.on('error', e => { out.broken = e })
		res.on('close', () => resolve({ ...out, hash: sum.digest('hex') }))
		began(res)
	})
	req.on('error', reject)
	req.end(body)
})
const get = async (name, target, options) => {
	await ask(name, '/clear')
	return ask(name, target, options)
}
const whole = (res, n) => {
	assert.equal(res.status, 200, `${res.headers['er-error']} ${res.text}`)
	assert.equal(res.n, n)
	assert.equal(res.hash, hash(big.subarray(0, n)))
}

test('a copy that is read waits for a client that is slow, and both get everything', async () => {
	const n = 12 * MB
	let client
	const answer = get('relayed', `/?n=${n}`, { began: res => { client = res.pause() } })
	await raw.until(() => client, { what: 'the head of the answer' })
	let before = -1, now = 0
	while (now === 0 || now !== before) { // until the copy gets no further
		await raw.sleep(500)
		before = now
		now = (await seen('relayed')).count ?? 0
	}
	// What the kernel's buffers have taken for the client comes on top of a megabyte.
	assert.ok(now < n - 2 * MB, `${now} bytes read of ${n} while the client took none`)
	assert.equal((await seen('relayed')).whole, undefined)
	client.resume()
	whole(await answer, n)
	await raw.until(async () => (await seen('relayed')).whole === n, { what: 'the whole copy' })
})

test('a client that is fast waits for a copy that is being read slowly', async () => {
	whole(await get('behind', `/?n=${4 * MB}`), 4 * MB)
	const { count } = await seen('behind')
	assert.ok(count > 2 * MB, `the copy was at ${count} when the client had all`)
	await raw.until(async () => (await seen('behind')).whole === 4 * MB, { what: 'the whole copy' })
})

test('a client that leaves takes the copies along', async () => {
	let client
	const answer = get('relayed', `/?n=${12 * MB}`, { began: res => { client = res.pause() } })
	await raw.until(() => client, { what: 'the head of the answer' })
	client.destroy()
	assert.notEqual((await answer).n, 12 * MB)
	whole(await get('relayed', `/?n=${MB}`), MB)
})

test('a copy that nobody reads does not hold up the client, and can be read later if it is not too large', async () => {
	whole(await get('unread', `/?n=${6 * MB}`), 6 * MB)
	await ask('unread', '/go')
	await raw.until(async () => (await seen('unread')).whole === 6 * MB, { what: 'the whole copy' })
	whole(await get('unread', `/?n=${12 * MB}`), 12 * MB)
	await ask('unread', '/go')
	const { why } = await raw.until(async () => { const s = await seen('unread'); return s.why && s }, { what: 'the end of the copy' })
	assert.match(why, /^TypeError: The body of the response broke off: it is a copy, and the copies that nobody has read yet take more memory/)
})

test('a copy of which only the beginning is read ends with the answer', async () => {
	const res = await get('sniffs', `/?n=${12 * MB}`)
	whole(res, 12 * MB)
	assert.equal(res.headers['x-first'], String(big[0]))
})

test('a copy of which only the beginning is read ends when nobody has its reader, though waitUntil keeps the request', async () => {
	whole(await get('forgets', `/?n=${12 * MB}`), 12 * MB)
	await ask('forgets', '/go')
})

test('one can be read to its end before the other begins, within the bound', async () => {
	const res = await get('first', `/?n=${6 * MB}`)
	whole(res, 6 * MB)
	assert.equal(res.headers['x-read'], String(6 * MB))
	const cut = await get('first', `/?n=${12 * MB}`).catch(e => ({ broken: e }))
	assert.ok(cut.status === 502 || cut.broken !== undefined, `an error or a cut answer, not ${cut.status} with ${cut.n} bytes`)
})

test('one that is cancelled or ignored does not keep the other', async () => {
	for (const [name, target] of [['cancels', '/mine'], ['cancels', '/theirs'], ['ignores', '/']]) whole(await get(name, `${target}?n=${3 * MB}`), 3 * MB)
})

test('copies of copies', async () => {
	const n = 2 * MB
	const res = await get('twice', `/?n=${n}`)
	whole(res, n)
	let sum = 7
	for (let i = 0; i < n; i++) sum = (sum * 31 + big[i]) >>> 0
	assert.equal(res.headers['x-read'], Array(3).fill(`${n}/${sum}`).join(','))
})

test('what has been read in part cannot be copied, and a stream is copied in JavaScript', async () => {
	assert.deepEqual(JSON.parse((await get('partly', `/?n=${MB}`)).text), ['TypeError: The body of this Response has already been used', MB, MB])
})

test('a stream that somebody has taken from the body is locked by clone(), and both messages have one of their own', async () => {
	assert.deepEqual(JSON.parse((await get('streams', `/?n=${MB}`)).text), [true, false, false, false, MB, true, MB, String(MB)])
})

test('an upload and its copy', async () => {
	for (const n of [100, 20000, 3 * MB]) {
		const body = big.subarray(0, n)
		assert.equal((await get('uploads', '/', { body })).hash, hash(body))
		await raw.until(async () => (await seen('uploads')).hash === hash(body), { what: 'the copy at the origin' })
		assert.equal((await get('upload-first', '/', { body })).text, `${n} ${hash(body)}`)
		assert.equal((await get('upload-only', '/', { body })).hash, hash(body))
	}
})

test('an upload of which only a copy was read still goes to the rest of the chain', async () => {
	for (const target of ['/reads', '/leaves'])
		for (const n of [100, 20000, 3 * MB]) {
			const body = big.subarray(0, n)
			assert.equal((await get('passes', target, { body })).text, `standard ${hash(body)}`)
		}
})

test('an abort of the fetch reaches all copies', async () => {
	const said = JSON.parse((await get('aborts', '/')).text)
	assert.equal(said.length, 3)
	for (const s of said) assert.match(s, /^AbortError/)
})

test('a thousand copies are bounded, and what they held is free afterwards', { timeout: 120000 }, async () => {
	whole(await get('many', `/?n=${20000}&copies=1000`), 20000)
	const before = node.holdings().anonymous
	assert.deepEqual((await seen('many')).many.slice(0, 2), [1000, 0])
	whole(await get('many', `/?n=${20000}&copies=4000`), 20000)
	const [ok, failed, said] = (await seen('many')).many
	assert.ok(ok > 1000 && failed > 1000 && ok + failed === 4000, `${ok} whole, ${failed} failed`)
	assert.match(said, /it is a copy/)
	for (let i = 0; i < 3; i++) whole(await get('many', `/drop?n=${20000}&copies=1500`), 20000)
	whole(await get('many', `/?n=${20000}&copies=1000`), 20000)
	assert.equal((await seen('many')).many[0], 1000)
	if (!sanitized) assert.ok(node.holdings().anonymous - before < 24 * MB, `${node.holdings().anonymous - before} bytes more`)
})
