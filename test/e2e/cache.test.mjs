// The cache of a node in front of a real origin: what is stored, for whom, for how long, and what
// happens when many ask at once.
import fs from 'node:fs'
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode, sanitized } from './lib/node.mjs'
import { startOrigin, startRawOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

/** A node with an origin whose answers `handler` gives; both end with the test. */
async function withCache(t, handler, options = {}) {
	const origin = await startOrigin(handler)
	const node = await startNode({ ...options, config: { origin: origin.url, threads: 2, ...options.config } })
	t.after(async () => {
		await node.stop()
		await origin.close()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	const get = (target, { headers, method = 'GET', host = 'site.example', body } = {}) => raw.request(node.port, target, { headers, method, host, body })
	return { origin, node, get }
}

const status = res => res.headers['cache-status'] ?? ''

test('what may be stored is asked for once, and says so; what may not is asked for each time', async t => {
	let n = 0
	const { origin, node, get } = await withCache(t, (req, res) => {
		n++
		const kind = req.url.slice(1).split('?')[0]
		if (kind === 'kept') res.setHeader('cache-control', 'max-age=60')
		if (kind === 'private') res.setHeader('cache-control', 'private, max-age=60')
		if (kind === 'no-store') res.setHeader('cache-control', 'no-store')
		if (kind === 'cookie') res.setHeader('cache-control', 'max-age=60').setHeader('set-cookie', 'a=b')
		if (kind === 'auth') res.setHeader('cache-control', 'max-age=60')
		res.end(`${kind} ${n}`)
	})
	const first = await get('/kept')
	assert.match(status(first), /^EdgeRoutine; fwd=uri-miss; fwd-status=200; stored; ttl=(60|59)$/)
	const second = await get('/kept')
	assert.equal(second.text, first.text)
	assert.match(status(second), /^EdgeRoutine; hit; ttl=(60|59)$/)
	assert.match(second.headers.age, /^[01]$/)
	for (const [kind, why] of [['plain', 'no-lifetime'], ['private', 'private'], ['no-store', 'no-store'], ['cookie', 'set-cookie']]) {
		const a = await get(`/${kind}`)
		const b = await get(`/${kind}`)
		assert.notEqual(a.text, b.text, kind)
		assert.match(status(a), new RegExp(`fwd=uri-miss; fwd-status=200; detail=${why}$`))
	}
	const mine = await get('/auth', { headers: { authorization: 'Bearer me' } })
	assert.match(status(mine), /detail=authorization/)
	assert.notEqual((await get('/auth')).text, mine.text)
	assert.notEqual((await get('/kept?a=1')).text, first.text, 'the query is part of the key')
	assert.notEqual((await get('/kept', { host: 'other.example' })).text, first.text, 'and so is the host')
	assert.equal(origin.requests.filter(r => r.url === '/kept').length, 2)
	assert.equal(await node.metric('er_cache_requests_total', { result: 'hit' }), 1)
	assert.equal(await node.metric('er_cache_objects'), 4, 'three of /kept, and /auth without a token')
	assert.ok((await node.metric('er_cache_bytes')) > 100)
	const lines = await raw.until(() => node.access.length >= 14 && node.access, { what: 'the access log' })
	assert.equal(lines.filter(l => l.cache === 'hit').length, 1)
	assert.ok(lines.every(l => l.cache === 'hit' || l.cache === 'uri-miss'))
})

test('one client cannot keep a page out of the store for the others', async t => {
	const { origin, get } = await withCache(t, (req, res) => {
		const own = req.headers.cookie !== undefined || req.headers.range !== undefined
		res.setHeader('cache-control', own ? 'private' : 'max-age=60')
		res.end('page')
	})
	const spoil = [{ authorization: 'Bearer me' }, { 'cache-control': 'no-store' }, { cookie: 'session=me' }, { range: 'bytes=0-1' }]
	for (const [i, headers] of spoil.entries()) {
		await get(`/${i}`, { headers })
		await get(`/${i}`)
		const third = await get(`/${i}`)
		assert.match(status(third), /; hit;/, JSON.stringify(headers))
	}
	assert.equal(origin.requests.length, 2 * spoil.length)
})

test('what a client\'s body, range or condition is answered with is given to nobody else', async t => {
	const { get } = await withCache(t, (req, res) => {
		let body = ''
		req.on('data', d => (body += d)).on('end', () => {
			res.setHeader('cache-control', 'max-age=60').setHeader('etag', '"one"')
			if (/^bytes=9/.test(req.headers.range)) res.writeHead(416, { 'content-range': 'bytes */4' })
			else if (req.headers['if-match'] ?? req.headers['if-unmodified-since']) res.writeHead(412)
			res.end(body || 'page')
		})
	})
	const spoil = [
		[{ body: 'evil' }, 200, 'request-body'],
		[{ headers: { range: 'bytes=99-' } }, 416, 'partial'],
		[{ headers: { 'if-match': '"two"' } }, 412, 'partial'],
		[{ headers: { 'if-unmodified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' } }, 412, 'partial'],
	]
	for (const [i, [options, code, why]] of spoil.entries()) {
		const mine = await get(`/${i}`, options)
		assert.equal(mine.status, code)
		assert.match(status(mine), new RegExp(`; detail=${why}$`))
		const first = await get(`/${i}`)
		assert.deepEqual([first.status, first.text], [200, 'page'], JSON.stringify(options))
		assert.match(status(first), /; stored;/)
		assert.match(status(await get(`/${i}`)), /; hit;/)
	}
})

test('a hundred clients of one cold page are one question to the origin, and all stream while it comes', async t => {
	let answer
	const { origin, node } = await withCache(t, (req, res) => {
		res.setHeader('cache-control', 'max-age=60')
		res.write('first half, ')
		answer = res
	})
	const clients = await Promise.all(Array.from({ length: 100 }, async () => {
		const c = await node.connect()
		c.send('GET /page HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n')
		return c
	}))
	await Promise.all(clients.map(c => raw.until(async () => {
		if (!/first half/.test(c.bytes.toString('latin1'))) await c.more('the first half')
		return /first half/.test(c.bytes.toString('latin1'))
	}, { what: 'the first half, before the second is there' })))
	assert.equal(origin.requests.length, 1)
	answer.end('second half')
	for (const c of clients) assert.match((await c.rest()).toString(), /second half/)
	assert.equal(origin.requests.length, 1)
})

test('a page that turns out to be for one client alone is given to nobody who waited with it', async t => {
	let n = 0
	const held = []
	const { origin, node, get } = await withCache(t, (req, res) => {
		res.setHeader('cache-control', 'private')
		if (req.url === '/held' && held.length < 1) held.push(() => res.end(`client ${++n}`))
		else res.end(`client ${++n}`)
	})
	const waiting = Array.from({ length: 20 }, () => get('/held'))
	await raw.until(() => held.length === 1, { what: 'the first question' })
	await raw.sleep(100)
	assert.equal(origin.requests.length, 1, 'the others wait')
	held[0]()
	const texts = (await Promise.all(waiting)).map(r => r.text)
	assert.equal(new Set(texts).size, 20, texts.join())
	assert.equal(node.child.exitCode, null)
})

test('an answer that breaks off is cut for everybody who reads it, and not stored', async t => {
	let n = 0
	const { origin, node } = await withCache(t, (req, res) => {
		res.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': 20 })
		res.write('0123456789')
		if (++n === 1) setTimeout(() => res.destroy(), 200)
		else res.end('9876543210')
	})
	const ask = async () => {
		const c = await node.connect()
		c.send('GET /cut HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n')
		return (await c.rest()).toString()
	}
	for (const text of await Promise.all([ask(), ask(), ask()])) assert.match(text, /content-length: 20\r\n[^]*\r\n\r\n0123456789$/i)
	assert.match(await ask(), /01234567899876543210$/)
	assert.match(await ask(), /01234567899876543210$/)
	assert.equal(origin.requests.length, 2)
})

test('an unsafe request makes what is stored of its URL void, also what is on its way', async t => {
	let version = 1
	let late
	const { get } = await withCache(t, (req, res) => {
		if (req.method === 'POST') {
			version++
			res.writeHead(204)
			return res.end()
		}
		res.setHeader('cache-control', 'max-age=60')
		const text = `version ${version}`
		if (req.url === '/slow' && !late) late = () => res.end(text)
		else res.end(text)
	})
	assert.equal((await get('/page')).text, 'version 1')
	assert.equal((await get('/page')).text, 'version 1')
	await get('/page', { method: 'POST' })
	assert.equal((await get('/page')).text, 'version 2')
	const old = get('/slow')
	await raw.until(() => late, { what: 'the question for /slow' })
	await get('/slow', { method: 'POST' })
	late()
	assert.equal((await old).text, 'version 2')
	assert.equal((await get('/slow')).text, 'version 3', 'the answer that was asked for before the POST is not kept')
})

test('an unsafe request makes a URL void for everybody, whatever else is in the keys of its site', async t => {
	let version = 1
	const origin = await startOrigin((req, res) => {
		if (req.method !== 'GET') {
			version++
			return res.writeHead(204).end()
		}
		res.setHeader('cache-control', 'max-age=600').end(`version ${version} for ${req.headers.cookie ?? 'nobody'} on ${req.headers['er-device']}`)
	})
	const node = await startNode({ config: { threads: 2, sites: [{ hosts: ['shop.example'], origin: origin.url, cache: { cookies: ['currency'], device: true } }] } })
	t.after(async () => {
		await node.stop()
		await origin.close()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	const classes = [{}, { cookie: 'currency=EUR' }, { cookie: 'currency=USD' }, { 'user-agent': 'iPhone' }, { 'user-agent': 'iPhone', cookie: 'currency=EUR' }]
	const ask = (method, target, headers) => raw.request(node.port, target, { method, headers, host: 'shop.example' })
	for (let round = 1; round <= 3; round++) {
		for (const target of ['/cart', '/other']) {
			for (const headers of classes) await ask('GET', target, headers)
			for (const headers of classes) {
				const res = await ask('GET', target, headers)
				assert.match(status(res), /; hit;/)
				assert.match(res.text, target === '/cart' ? new RegExp(`^version ${round} `) : /^version 1 /)
			}
		}
		assert.equal((await ask('POST', '/cart', classes[1])).status, 204)
	}
})

test('conditions and ranges of clients are answered from what is stored', async t => {
	const text = 'abcdefghij'.repeat(1000)
	const { origin, get } = await withCache(t, (req, res) => {
		res.writeHead(200, { 'cache-control': 'max-age=60', etag: '"one"', 'content-type': 'text/plain' })
		res.end(text)
	})
	assert.equal((await get('/file', { headers: { 'if-none-match': '"one"' } })).status, 304, 'also when it was not stored yet')
	assert.equal(origin.requests[0].headers['if-none-match'], undefined)
	const not = await get('/file', { headers: { 'if-none-match': 'W/"one", "two"' } })
	assert.equal(not.status, 304)
	assert.equal(not.headers.etag, '"one"')
	assert.equal(not.text, '')
	const part = await get('/file', { headers: { range: 'bytes=9995-' } })
	assert.equal(part.status, 206)
	assert.equal(part.text, 'fghij')
	assert.equal(part.headers['content-range'], 'bytes 9995-9999/10000')
	assert.equal((await get('/file', { headers: { range: 'bytes=-3' } })).text, 'hij')
	assert.equal((await get('/file', { headers: { range: 'bytes=10000-' } })).status, 416)
	assert.equal((await get('/file', { headers: { range: 'bytes=0-3', 'if-range': '"two"' } })).text.length, 10000)
	const head = await get('/file', { method: 'HEAD' })
	assert.equal(head.headers['content-length'], '10000')
	assert.match(status(head), /hit/)
	assert.equal(origin.requests.length, 1)
})

test('what is stale is validated: 304 renews it, and an origin that fails is spared as far as it allowed', async t => {
	let mode = 'first'
	const { origin, get } = await withCache(t, (req, res) => {
		if (mode === 'down') return req.socket.destroy()
		if (mode === 'same' && req.headers['if-none-match'] === '"v1"') {
			res.writeHead(304, { 'cache-control': 'max-age=60', 'x-renewed': 'yes' })
			return res.end()
		}
		const life = req.url === '/spared' ? 'max-age=0, stale-if-error=60' : req.url === '/behind' ? 'max-age=0, stale-while-revalidate=60' : 'max-age=0'
		res.writeHead(200, { 'cache-control': life, etag: '"v1"' })
		res.end(`${mode} ${req.url}`)
	})
	for (const path of ['/page', '/spared', '/behind']) await get(path)
	mode = 'same'
	const renewed = await get('/page')
	assert.equal(renewed.text, 'first /page')
	assert.equal(renewed.headers['x-renewed'], 'yes')
	assert.match(status(renewed), /fwd=stale; fwd-status=304/)
	assert.match(status(await get('/page')), /; hit;/)
	mode = 'second'
	const behind = await get('/behind')
	assert.equal(behind.text, 'first /behind')
	await raw.until(async () => (await get('/behind')).text === 'second /behind', { what: 'what was fetched behind it' })
	mode = 'down'
	const spared = await get('/spared')
	assert.equal(spared.status, 200)
	assert.equal(spared.text, 'first /spared')
	assert.equal((await get('/nothing')).status, 502)
	assert.ok(origin.requests.length > 4)
})

test('a 304 of something else is not believed, and one that nobody asked for is a bad gateway', async t => {
	let version = 1
	const { origin, get } = await withCache(t, (req, res) => {
		const conditional = req.headers['if-none-match'] !== undefined
		res.setHeader('etag', `"${version}"`).setHeader('cache-control', 'no-cache')
		if (req.url === '/confused' ? conditional : req.url === '/always') return res.writeHead(304).end()
		res.end(`version ${version}`)
	})
	assert.equal((await get('/confused')).text, 'version 1')
	assert.equal((await get('/confused')).text, 'version 1')
	version = 2
	const res = await get('/confused')
	assert.equal(res.text, 'version 2')
	assert.equal(res.headers.etag, '"2"')
	assert.deepEqual(origin.requests.map(r => r.headers['if-none-match']), [undefined, '"1"', '"1"', undefined])
	const bad = await get('/always')
	assert.equal(bad.status, 502)
	assert.match(bad.text, /304/)
	assert.equal(origin.requests.length, 5)
})

test('a client that is slow, or leaves, takes nothing from the others', async t => {
	const size = 3 * 1024 * 1024
	const { origin, node, get } = await withCache(t, (req, res) => {
		res.setHeader('cache-control', 'max-age=60')
		const part = Buffer.alloc(65536, 'x')
		let left = size
		const more = () => {
			while (left > 0) {
				left -= part.length
				if (!res.write(part)) return res.once('drain', more)
			}
			res.end()
		}
		more()
	})
	const slow = await node.connect()
	slow.send('GET /big HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n')
	await slow.head()
	slow.socket.pause()
	const leaves = await node.connect()
	leaves.send('GET /big HTTP/1.1\r\nHost: site.example\r\n\r\n')
	await leaves.head()
	leaves.close()
	assert.equal((await get('/big')).text.length, size)
	assert.equal((await get('/big')).text.length, size)
	slow.socket.resume()
	assert.ok((await slow.rest()).length >= size - 65536)
	assert.equal(origin.requests.length, 1)
})

test('behind a routine the cache answers as well: handed on, or asked by fetch', async t => {
	const source = `addEventListener("fetch", e => {
		if (new URL(e.request.url).pathname === "/handed") return
		e.respondWith((async () => {
			const r = await fetch(e.request)
			return new Response(r.body, { status: r.status, headers: [...r.headers, ["x-by", "routine"]] })
		})())
	})`
	const { origin, get } = await withCache(t, (req, res) => {
		res.setHeader('cache-control', 'max-age=600')
		res.end(req.url)
	}, { routines: { front: { source, routes: ['site.example/*'] } } })
	for (const path of ['/handed', '/asked']) {
		assert.match(status(await get(path)), /stored/, path)
		const hit = await get(path)
		assert.match(status(hit), /; hit;/, path)
		assert.equal(hit.text, path)
		assert.equal(hit.headers['x-by'], path === '/asked' ? 'routine' : undefined)
	}
	assert.equal(origin.requests.length, 2)
})

test('another origin by a reload: nothing of the old one is answered any more', async t => {
	const { node, get } = await withCache(t, (req, res) => {
		res.setHeader('cache-control', 'max-age=600')
		res.end('old')
	})
	const other = await startOrigin((req, res) => {
		res.setHeader('cache-control', 'max-age=600')
		res.end('new')
	})
	t.after(() => other.close())
	assert.equal((await get('/page')).text, 'old')
	assert.match(status(await get('/page')), /; hit;/)
	fs.writeFileSync(node.configFile, JSON.stringify({ ...JSON.parse(fs.readFileSync(node.configFile, 'utf8')), origin: other.url }))
	node.signal('SIGHUP')
	await node.logged(/reloaded/)
	assert.equal((await get('/page')).text, 'new')
	assert.match(status(await get('/page')), /; hit;/)
	// And without a cache nothing is stored, nor said of it.
	const n = node.err.filter(l => /reloaded/.test(l)).length
	fs.writeFileSync(node.configFile, JSON.stringify({ ...JSON.parse(fs.readFileSync(node.configFile, 'utf8')), cache: { memoryMb: 0 } }))
	node.signal('SIGHUP')
	await raw.until(() => node.err.filter(l => /reloaded/.test(l)).length > n, { what: 'the second reload' })
	assert.equal(status(await get('/page')), '')
	assert.equal(await node.metric('er_cache_objects'), 0)
})

test('more than the memory that was given is never kept, and what is used often stays', async t => {
	const { node, get } = await withCache(t, (req, res) => {
		res.setHeader('cache-control', 'max-age=600')
		res.end('y'.repeat(64 * 1024))
	}, { config: { threads: 1, cache: { memoryMb: 8 } } })
	await get('/often')
	const before = node.holdings().anonymous
	for (let i = 0; i < 1000; i++) {
		await get(`/${i}`)
		if (i % 10 === 0) assert.match(status(await get('/often')), i < 50 ? /hit|stored/ : /hit/)
	}
	const held = node.holdings().anonymous - before
	// A sanitizer keeps what was freed.
	if (!sanitized) assert.ok(held < 40e6, `${held >> 20} MB`)
})

test('informational answers reach the client before the answer, and not one of HTTP/1.0', async t => {
	const origin = await startRawOrigin(socket => socket.on('data', () => {
		socket.write('HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: close\r\n\r\n')
		setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok'), 100)
	}))
	const node = await startNode({ config: { origin: origin.url } })
	t.after(async () => {
		await node.stop()
		await origin.close()
	})
	const c = await node.connect()
	c.send('GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n')
	assert.match((await c.rest()).toString(), /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/style\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/i)
	const old = await node.connect()
	old.send('GET /old HTTP/1.0\r\nHost: site.example\r\n\r\n')
	assert.match((await old.rest()).toString(), /^HTTP\/1\.1 200 OK\r\n/)
	const hit = await node.connect()
	hit.send('GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n')
	assert.match((await hit.rest()).toString(), /^HTTP\/1\.1 200 OK\r\n/)
})
