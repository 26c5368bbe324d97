// Examples that choose, merge, race and watch origins: with origins that fail, dawdle and flood.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { folder, withExample } from './lib/examples.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

let origin
/** What the origin does with a request: {path, or its first segment: (req, res, body)}. */
let does = {}
before(async () => {
	origin = await startOrigin(async (req, res) => {
		const body = (await bodyOf(req)).toString()
		const handler = does[req.url] ?? does[`/${req.url.split('/')[1]}`]
		if (handler) return handler(req, res, body)
		res.writeHead(200, { 'content-type': 'text/plain', server: 'secret/1.0', 'x-powered-by': 'magic' })
		res.end(`origin ${req.method} ${req.url} ${body}`)
	})
})
after(() => origin.close())

const last = () => origin.requests.at(-1)
const since = n => origin.requests.slice(n).map(r => r.url)
function example(name, handlers, run, { replace = [], ...options } = {}) {
	does = handlers
	return withExample(name, { origin: origin.url, replace: [...(options.own ? [] : [['http://127.0.0.1:3000', origin.url]]), ...replace], ...options }, run)
}
const json = value => (_, res) => res.end(JSON.stringify(value))
const status = code => (_, res) => res.writeHead(code).end()
const cut = (_, res) => res.destroy()

test('relay rewrites heads both ways and relays bodies', () =>
	example('relay', {}, async dev => {
		const res = await dev.get('/a?b', { method: 'PUT', body: 'x'.repeat(100000) })
		assert.equal(res.text, `origin PUT /a?b ${'x'.repeat(100000)}`)
		assert.deepEqual([res.headers.server, res.headers['x-powered-by'], res.headers['x-content-type-options']], [undefined, undefined, 'nosniff'])
		assert.equal(last().headers['x-forwarded-for'], '127.0.0.1')
	}))

test('origins-by-rule asks the origin of the first rule that fits, and the next one when it is down', () =>
	example('origins-by-rule', { '/api-one': status(503) }, async dev => {
		const text = async (...args) => (await dev.get(...args)).text
		assert.equal(await text('/page'), 'origin GET /page ')
		assert.equal(await text('/page', { headers: { cookie: 'a=b; beta=1' } }), 'origin GET /beta/page ')
		assert.equal(await text('/page', { headers: { cookie: 'beta=10; xbeta=1' } }), 'origin GET /page ')
		assert.equal(await text('/upload/x', { method: 'POST', body: 'data' }), 'origin POST /uploads/upload/x data')
		assert.equal(await text('/upload/x'), 'origin GET /upload/x ')
		let n = origin.requests.length
		const res = await dev.get('/api/users?page=2')
		assert.deepEqual([res.text, res.headers['x-rule']], ['origin GET /api-two/users?page=2 ', 'api'])
		assert.deepEqual(since(n), ['/api-one/users?page=2', '/api-two/users?page=2'])
		assert.equal(last().headers['x-forwarded-host'], 'localhost')
		for (const failing of [cut, () => {}]) {
			does['/api-one'] = failing
			assert.equal(await text('/api/users'), 'origin GET /api-two/users ')
		}
		does['/api-one'] = cut
		n = origin.requests.length
		const order = await dev.get('/api/orders', { method: 'POST', body: 'one kettle' })
		assert.deepEqual([order.status, since(n)], [502, ['/api-one/orders']], 'an order is not placed twice')
		does['/api-two'] = cut
		assert.equal((await dev.get('/api/users')).status, 502)
		does['/api-one'] = status(404)
		assert.equal((await dev.get('/api/users')).status, 404)
	}, { replace: [['"TIMEOUT_MS": 3000', '"TIMEOUT_MS": 1000']] }))

test('merge-origins gives what there is, and does not let one service hold or flood the others', () =>
	example('merge-origins', { '/catalogue': json({ id: 7, name: 'kettle' }), '/stock': json({ left: 3 }), '/reviews': json([1]) }, async dev => {
		const get = async () => {
			const res = await dev.get('/products/7')
			return { status: res.status, cache: res.headers['cache-control'], ...JSON.parse(res.text) }
		}
		const whole = { status: 200, cache: 'public, max-age=30', id: 7, name: 'kettle', stock: { left: 3 }, reviews: [1], missing: [] }
		assert.deepEqual(await get(), whole)
		const flood = (_, res) => res.end(JSON.stringify('x'.repeat(300 * 1024)))
		for (const failing of [status(500), status(404), cut, () => {}, flood, (_, res) => res.end('{"half":'), (_, res) => void res.writeHead(200).write('[')]) {
			does['/reviews'] = failing
			assert.deepEqual(await get(), { ...whole, cache: 'no-store', reviews: null, missing: ['reviews'] })
		}
		does['/stock'] = cut
		assert.deepEqual((await get()).missing, ['stock', 'reviews'])
		does['/catalogue'] = status(404)
		assert.equal((await get()).status, 404)
		for (const failing of [status(500), cut, () => {}]) {
			does['/catalogue'] = failing
			assert.equal((await get()).status, 502)
		}
		for (const target of ['/products/7/../../stock/7', '/products/', '/products/7x', '/products/1234567890123', '/']) assert.equal((await dev.get(target)).status, 404, target)
		assert.equal((await dev.get('/products/7', { method: 'DELETE' })).headers.allow, 'GET, HEAD')
	}))

test('fastest-origin answers with the first good head, and ends what the losers still do', () => {
	const ended = []
	const slow = (req, res) => {
		res.on('close', () => ended.push([req.url, res.writableFinished]))
	}
	return example('fastest-origin', { '/slow': slow }, async dev => {
		const res = await dev.get('/file?v=1')
		assert.deepEqual([res.text, res.headers['x-origin']], ['origin GET /fast/file?v=1 ', `${origin.url}/fast`])
		await raw.until(() => ended.length === 1, { what: 'the end of the question to the slow one' })
		assert.deepEqual(ended[0], ['/slow/file?v=1', false])
		// Fast and wrong does not win.
		does = { '/fast': status(500), '/slow': (_, res) => setTimeout(() => res.end('slow and right'), 50) }
		assert.equal((await dev.get('/')).text, 'slow and right')
		does['/fast'] = cut
		assert.equal((await dev.get('/')).text, 'slow and right')
		// A large body of the winner is not cut when the race is over.
		does = { '/slow': slow, '/fast': (_, res) => res.end('x'.repeat(3_000_000)) }
		assert.equal((await dev.get('/')).text.length, 3_000_000)
		const n = origin.requests.length
		does = {}
		assert.equal((await dev.get('/form', { method: 'POST', body: 'once' })).text, 'origin POST /slow/form once')
		assert.equal(origin.requests.length, n + 1)
		does = { '/fast': cut, '/slow': () => {} }
		assert.equal((await dev.get('/')).status, 502, 'none of them in time')
	}, { replace: [['"TIMEOUT_MS": 5000', '"TIMEOUT_MS": 1000']] })
})

test('origin-time counts what the origin took, and not what the cache answered', () =>
	example('origin-time', {
		'/slow': (_, res) => setTimeout(() => res.writeHead(200, { 'cache-control': 'max-age=60' }).end('late'), 60),
		'/gone': cut,
	}, async dev => {
		const authorization = 'Bearer change-me'
		const figures = async () => Object.fromEntries((await dev.get('/.origin-time', { headers: { authorization } })).text.split('\n').filter(l => /^[a-z]/.test(l)).map(l => l.split(' ')))
		const first = await dev.get('/slow')
		const took = Number(/^origin;dur=([\d.]+)$/.exec(first.headers['server-timing'])[1])
		assert.ok(took >= 50, `${took}`)
		assert.equal((await dev.get('/slow')).headers['server-timing'], 'cache;desc=hit')
		const now = await figures()
		assert.deepEqual([now.origin_ms_count, now['origin_ms_bucket{le="50"}'], now['origin_ms_bucket{le="+Inf"}'], now.from_cache_total], ['1', '0', '1', '1'])
		await dev.event('console', e => /the origin took \d+ ms for status 200/.test(JSON.stringify(e)))
		const gone = await dev.get('/gone')
		assert.equal(gone.status, 502)
		const then = await figures()
		assert.equal(Number(then.origin_ms_count) + Number(then.origin_failed_total), 2)
		for (const wrong of ['', 'Bearer', 'Bearer change-m', 'change-me', 'Bearer change-mee']) assert.equal((await dev.get('/.origin-time', { headers: { authorization: wrong } })).status, 401, wrong)
	}, { own: true, replace: [['"SLOW_MS": 500', '"SLOW_MS": 40']] }))

test('edge-log sends every record in batches behind the answers, and keeps them while the collector is down', () => {
	const records = []
	let batches = 0, down = false
	const collect = (_, res, body) => {
		if (down) return res.writeHead(500).end()
		batches++
		records.push(...body.trim().split('\n').map(l => JSON.parse(l)))
		res.end()
	}
	return example('edge-log', { '/collect': collect, '/broken': status(404) }, async dev => {
		await Promise.all(Array.from({ length: 25 }, (_, i) => dev.get(`/page-${i}?token=s3cret`, { headers: { cookie: 'session=s3cret', 'user-agent': `"},{"evil":"` } })))
		await raw.until(() => records.length === 25, { what: 'all records' })
		assert.ok(batches >= 3 && batches <= 25, `${batches}`)
		assert.deepEqual(new Set(records.map(r => r.path)), new Set(Array.from({ length: 25 }, (_, i) => `/page-${i}`)))
		assert.doesNotMatch(JSON.stringify(records), /s3cret/)
		const [{ client, method, status: answered, agent }] = records
		assert.deepEqual([client, method, answered, agent], ['127.0.0.1', 'GET', 200, '"},{"evil":"'])
		down = true
		assert.equal((await dev.get('/broken')).status, 404)
		await dev.event('console', e => /the collector failed: it answered 500/.test(JSON.stringify(e)))
		down = false
		await dev.get('/again')
		await raw.until(() => records.length === 27, { what: 'the record that had to wait' })
		assert.deepEqual(records.slice(25).map(r => [r.path, r.status]), [['/broken', 404], ['/again', 200]])
	}, { replace: [['"BATCH": 100', '"BATCH": 10'], ['"WAIT_MS": 1000', '"WAIT_MS": 100']] })
})

test('prefetch has the next parts of a film in the cache before the player asks, each of them once', () => {
	const film = Array.from({ length: 8 }, (_, i) => `part-${i + 1}.ts`)
	const playlist = `#EXTM3U\n${film.map(p => `#EXTINF:6,\n${p}\n`).join('')}http://other.example/part.ts\nhttp://[bad\n`
	const part = (_, res) => res.writeHead(200, { 'cache-control': 'max-age=600', 'content-type': 'video/mp2t' }).end('x'.repeat(50_000))
	return example('prefetch', {
		'/film.m3u8': (_, res) => res.writeHead(200, { 'cache-control': 'no-store' }).end(playlist),
		'/broken.m3u8': (_, res) => res.end('#EXTM3U\nmissing-1.ts\n'),
		'/missing-1.ts': status(500),
		'/endless.m3u8': (_, res) => res.end(`#EXTM3U\n${'part-9.ts\n'.repeat(100_000)}`),
		...Object.fromEntries(film.map(p => [`/${p}`, part])),
	}, async dev => {
		let n = origin.requests.length
		assert.equal((await dev.get('/film.m3u8')).text, playlist)
		const fetched = ['/film.m3u8', '/part-1.ts', '/part-2.ts', '/part-3.ts', '/part-4.ts']
		await raw.until(() => since(n).length === 5, { what: 'four parts' })
		assert.deepEqual(since(n).sort(), fetched)
		await raw.until(async () => /; hit/.test((await dev.get('/part-1.ts')).headers['cache-status']), { what: 'a hit' })
		await raw.until(() => since(n).length === 6, { what: 'the part behind the four' })
		assert.equal(since(n).at(-1), '/part-5.ts')
		for (let i = 0; i < 3; i++) await dev.get('/film.m3u8')
		await raw.sleep(100)
		assert.deepEqual(since(n).filter(u => u !== '/film.m3u8').sort(), film.slice(0, 5).map(p => `/${p}`), 'each of them once')
		n = origin.requests.length
		await dev.get('/broken.m3u8')
		await dev.event('console', e => /missing-1\.ts was not fetched ahead: status 500/.test(JSON.stringify(e)))
		assert.equal((await dev.get('/endless.m3u8')).status, 200)
		await raw.sleep(100)
		assert.ok(!since(n).includes('/part-9.ts'), 'no playlist of a megabyte is believed')
	}, { own: true })
})

test('api-cache asks the API once for all spellings of a question, and keeps no failure', () => {
	let asked = 0
	return example('api-cache', {
		'/weather?city=berlin&unit=c': (_, res) => (asked++, setTimeout(() => res.writeHead(200, { 'cache-control': 'no-store', 'x-internal': 'host-7', 'content-type': 'application/json' }).end('{"degrees":21}'), 50)),
		'/weather?city=atlantis': (_, res) => (asked++, res.writeHead(404).end('{}')),
		'/weather?city=moved': (_, res) => res.writeHead(302, { location: '/weather?city=berlin' }).end(),
		'/weather?city=broken': (_, res) => (asked++, res.writeHead(500).end('stack trace')),
		'/weather?city=cookie': (_, res) => res.writeHead(200, { 'set-cookie': 'session=of-the-edge' }).end('{}'),
		'/weather?city=silent': () => {},
		'/weather?city=cut': cut,
	}, async dev => {
		const spellings = ['?city=Berlin&unit=C', '?unit=c&city=berlin', '?utm_source=x&city=BERLIN%20&unit=c&_=12345']
		const all = await Promise.all(Array.from({ length: 30 }, (_, i) => dev.get(`/api/weather${spellings[i % 3]}`)))
		assert.deepEqual(new Set(all.map(r => r.text)), new Set(['{"degrees":21}']))
		assert.deepEqual(since(origin.requests.length - 1), ['/weather?city=berlin&unit=c'])
		const kept = await dev.get('/api/weather?city=berlin&unit=c')
		assert.deepEqual([asked, kept.headers['x-answer'], kept.headers['x-internal']], [1, 'stored', undefined])
		assert.match(kept.headers['cache-control'], /^public, max-age=([0-9]|[12][0-9]|30)$/)
		assert.equal(last().headers['x-api-key'], 'change-me')
		assert.doesNotMatch(JSON.stringify(kept.headers), /change-me/)
		asked = 0
		for (let i = 0; i < 3; i++) assert.equal((await dev.get('/api/weather?city=atlantis')).status, 404)
		assert.equal(asked, 1)
		for (let i = 0; i < 3; i++) {
			const res = await dev.get('/api/weather?city=broken')
			assert.deepEqual([res.status, res.text], [502, '{"error":"the API does not answer"}\n'])
		}
		assert.equal(asked, 4)
		const cookie = await dev.get('/api/weather?city=cookie')
		assert.deepEqual([cookie.status, cookie.headers['set-cookie'], cookie.headers['x-answer']], [200, undefined, 'new'])
		assert.equal((await dev.get('/api/weather?city=moved')).status, 502)
		assert.equal((await dev.get('/api/weather?city=cut')).status, 502)
		assert.equal((await dev.get('/api/weather?city=silent')).status, 504)
		for (const [target, code] of [['/api/weather?city=a&city=b', 400], [`/api/weather?city=${'x'.repeat(101)}`, 400], ['/api/secret', 404], ['/api/toString', 404], ['/api/weather/../secret', 404], ['/weather', 404]]) assert.equal((await dev.get(target)).status, code, target)
		assert.equal((await dev.get('/api/weather?city=a', { method: 'POST', body: '' })).status, 405)
	}, { replace: [['"TIMEOUT_MS": 3000', '"TIMEOUT_MS": 1000']] })
})

test('search-cache keeps answers to POST, apart by question, and gives an old one while the service is down', () => {
	let asked = 0, down
	return example('search-cache', {
		'/search': (_, res, body) => {
			asked++
			down ? down(_, res) : res.end(JSON.stringify({ for: JSON.parse(body), asked }))
		},
	}, async dev => {
		const post = (body, headers = {}) => dev.get('/search', { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
		const ask = async (...args) => {
			const res = await post(...args)
			return [res.headers['x-answer'], JSON.parse(res.text).asked]
		}
		assert.deepEqual(await ask({ query: 'tea', page: { from: 1, to: 2 } }, { cookie: 'session=1', authorization: 'Bearer x' }), ['new', 1])
		assert.deepEqual([last().headers.cookie, last().headers.authorization], [undefined, undefined])
		await raw.until(async () => (await ask('{"page":{"to":2,"from":1}, "query":"tea"}'))[0] === 'stored', { what: 'a stored answer' })
		const before = asked
		assert.deepEqual((await ask({ query: 'tea', page: { from: 1, to: 2 } }))[0], 'stored')
		assert.equal(asked, before)
		assert.deepEqual((await ask({ query: 'coffee' }))[0], 'new')
		assert.deepEqual((await ask({ query: 'tea', page: { from: 12, to: 2 } }))[0], 'new')
		assert.deepEqual((await ask(['query', 'coffee']))[0], 'new')
		await raw.sleep(3200) // they are good for three seconds
		for (const failing of [status(500), cut, () => {}, (_, res) => res.end('{"half":')]) {
			down = failing
			assert.equal((await ask({ query: 'coffee' }))[0], 'old')
		}
		assert.equal((await post({ query: 'milk' })).status, 502)
		down = undefined
		assert.equal((await ask({ query: 'coffee' }))[0], 'new')
		for (const [code, target, options] of [
			[400, '/search', { method: 'POST', body: '{"query":' }],
			[413, '/search', { method: 'POST', body: JSON.stringify('x'.repeat(9000)) }],
			[405, '/search', {}],
			[404, '/old/x', { method: 'POST', body: '{}' }],
		]) assert.equal((await dev.get(target, options)).status, code)
	}, { replace: [['"TIMEOUT_MS": 3000', '"TIMEOUT_MS": 1000'], ['"SECONDS": 60', '"SECONDS": 3']] })
})

// What is wrong is the origin and not the routine: 502, and no exception that a node would count.
const DOWN = {
	'ab-test': {},
	'anti-bot': { target: '/robots.txt' },
	auth: { headers: { authorization: 'Bearer change-me' } },
	'auth-remote': { headers: { authorization: 'Bearer any' } },
	'edge-log': {},
	esi: {},
	'fastest-origin': { method: 'POST', body: 'x' },
	hints: {},
	'origin-time': {},
	'origins-by-rule': {},
	prefetch: { target: '/film.m3u8' },
	redirects: { target: '/shop' },
	relay: {},
	render: {},
	'signed-url': { target: '/free' },
	throttle: {},
	validate: { target: '/items?category=books' },
	waf: {},
}
test('an origin that is down is a 502 behind every example that asks one, and no exception of the routine', async () => {
	const dead = await startOrigin(() => {})
	await dead.close()
	const left = Object.entries(DOWN)
	const take = async () => {
		for (let one; (one = left.shift()) !== undefined; ) {
			const [name, { target = '/', ...options }] = one
			const live = name === 'auth-remote'
			if (live) does = { '/auth': json({ user: 'ann' }) }
			const replace = fs.readFileSync(path.join(folder, name, 'er.jsonc'), 'utf8').includes('http://127.0.0.1:3000') ? [['http://127.0.0.1:3000', live ? origin.url : dead.url]] : []
			await withExample(name, { origin: dead.url, replace }, async dev => {
				const res = await dev.get(target, options)
				assert.equal(res.status, 502, `${name}: ${res.text}`)
				assert.doesNotMatch(res.headers['er-error'] ?? '', /exception/, name)
			})
		}
	}
	await Promise.all([take(), take()])
})
