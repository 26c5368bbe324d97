// er prefetch on a real node, before a real origin: what is named is stored, once, before clients
// ask; what cannot be is told with its reason; and nothing that a list or a sitemap says makes the
// node ask anybody but the sites' own servers.
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import zlib from 'node:zlib'
import assert from 'node:assert/strict'
import { startStore } from './lib/deploy.mjs'
import { tempDir } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import { end, upgrade } from './lib/lineage.mjs'
import { atTerminal, going, tool } from './lib/tool.mjs'
import * as raw from './lib/raw.mjs'

const H = 'http://shop.example'
const hit = res => /; hit;/.test(res.headers['cache-status'] ?? '')
const keep = res => res.setHeader('cache-control', 'max-age=600')
const NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
const pages = urls => `<?xml version="1.0" encoding="UTF-8"?>\n<urlset ${NS}>${urls.map(u => `<url><loc>${u}</loc></url>`).join('\n')}</urlset>`
const index = urls => `<sitemapindex ${NS}>${urls.map(u => `<sitemap><loc>${u}</loc></sitemap>`).join('')}</sitemapindex>`

async function shop(t, handler, { config = {}, site = {} } = {}) {
	const origin = await startOrigin(handler)
	const options = { config: { threads: 2, sites: [{ name: 'shop', hosts: ['shop.example'], origin: origin.url, ...site }], ...config } }
	const place = {
		origin,
		node: await startStore(options),
		er: (args, more) => tool(args, { env: { ER_NODE: place.node.ready.socket }, ...more }),
		going: args => going(args, { env: { ER_NODE: place.node.ready.socket } }),
		get: (target, more = {}) => raw.request(place.node.port, target, { host: 'shop.example', ...more }),
		asked: () => origin.requests.map(r => r.url),
		again: async () => (place.node = await startStore({ ...options, data: place.node.data })),
	}
	t.after(async () => {
		await place.node.stop()
		await origin.close()
		place.node.forget()
		assert.doesNotMatch(place.node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return place
}

test('what words, a file and a pipe name is stored before a client asks', async t => {
	const { er, get, asked, node } = await shop(t, (req, res) => keep(res).end(req.url))
	const dir = tempDir('er-urls-')
	t.after(() => fs.rmSync(dir, { recursive: true }))
	fs.writeFileSync(path.join(dir, 'urls.txt'), `\ufeff# pages\r\n${H}/c\r\n/d?x=1\r\n\r\n  ${H}/c#again  \r\n`)
	let r = await er(['prefetch', `${H}/a`, '/b', path.join(dir, 'urls.txt')])
	assert.equal(r.code, 0, r.out + r.err)
	assert.match(r.out, /^prefetched 4 URLs: 4 stored now, 12 B; 0 stored already; 0 not stored; 0 failed\n$/)
	r = await er(['prefetch', '-', '--json'], { input: `${H}/a\n${H}/e\n` })
	assert.equal(r.code, 0)
	assert.deepEqual([r.json.state, r.json.total, r.json.hits, r.json.stored, r.json.failed, r.json.urls], ['done', 2, 1, 1, 0, []])
	assert.deepEqual(asked().sort(), ['/a', '/b', '/c', '/d?x=1', '/e'])
	for (const target of ['/a', '/b', '/c', '/d?x=1', '/e']) {
		const res = await get(target)
		assert.ok(hit(res), target)
		assert.equal(res.text, target)
	}
	assert.equal(asked().length, 5)
	assert.match((await er(['cache', 'explain', `${H}/a`])).out, /stored: status 200, 2 B/)
	// the ratio is the clients'
	const cache = await node.ok('GET', '/v1/cache')
	assert.deepEqual([cache.requests.hits, cache.requests.misses, cache.hit_ratio], [5, 0, 1])
	assert.deepEqual([cache.prefetches.hits, cache.prefetches.misses], [1, 5])
	assert.equal(await node.metric('er_cache_prefetches_total', { result: 'miss' }), 5)
	assert.equal(await node.metric('er_cache_requests_total', { result: 'hit' }), 5)
})

test('what is not stored is told with its reason, and the status says so', async t => {
	const { er, origin } = await shop(t, (req, res) => {
		if (req.url === '/private') return res.setHeader('cache-control', 'private').end('mine')
		if (req.url === '/gone') return res.writeHead(404).end()
		if (req.url === '/cut') return res.writeHead(200, { 'content-length': 100, 'cache-control': 'max-age=9' }).write('x', () => res.destroy())
		if (req.url === '/reset') return req.socket.destroy()
		keep(res).end()
	})
	const r = await er(['prefetch', '-', '--json'], { input: ['/private', '/gone', '/cut', '/reset', '/good'].map(u => H + u).join('\n') + '\nhttp://other.example/\nnonsense\nftp://shop.example/\n' })
	assert.equal(r.code, 8)
	assert.deepEqual([r.json.total, r.json.stored, r.json.not_stored, r.json.failed], [8, 1, 1, 6])
	const by = Object.fromEntries(r.json.urls.map(u => [u.url.replace(H, ''), u]))
	assert.deepEqual([by['/private'].result, by['/private'].reason], ['not-stored', 'private'])
	assert.deepEqual([by['/gone'].result, by['/gone'].status], ['failed', 404])
	assert.match(by['/cut'].text, /broke off after 1 bytes/)
	assert.equal(by['/reset'].result, 'failed')
	assert.ok(by['/reset'].text.length > 5)
	assert.equal(by['http://other.example/'].reason, 'no-site')
	assert.equal(by.nonsense.reason, 'no-url')
	assert.ok(origin.requests.every(q => q.headers.host === 'shop.example' && q.headers['user-agent'] === 'EdgeRoutine-Prefetch' && !q.headers['x-forwarded-for']))
	const said = await er(['prefetch', `${H}/gone`])
	assert.equal(said.code, 8)
	assert.match(said.out, /0 not stored; 1 failed\nRESULT +URL +WHY\nfailed +http:\/\/shop\.example\/gone +its answer has the status 404\n/)
})

test('a site without a cache, and an object that is too large, are not said to be stored', async t => {
	const { er, asked } = await shop(t, (req, res) => keep(res).end(Buffer.alloc(3 << 20)), { config: { cache: { memoryMb: 8, disk: [] } } })
	let r = await er(['prefetch', `${H}/large`, '--json'])
	assert.deepEqual([r.code, r.json.urls[0]?.reason], [8, 'too-large'], r.out)
	await er(['site', 'add', 'off', '--settings', '-'], { input: JSON.stringify({ hosts: ['off.example'], cache: false, origin: 'http://a.example' }) })
	const before = asked().length
	r = await er(['prefetch', 'http://off.example/', '--json'])
	assert.deepEqual([r.code, r.json.urls[0]?.reason], [8, 'off'], r.out)
	assert.equal(asked().length, before)
})

test('what a sitemap names is stored: an index, gzip, text, of its own host alone', async t => {
	const { er, asked, get } = await shop(t, (req, res) => {
		if (req.url === '/sitemap.xml') return res.end(index([`${H}/pages.xml`, `${H}/more.xml.gz`, 'http://other.example/evil.xml', `${H}/list.txt`]))
		if (req.url === '/pages.xml') return res.end(pages([`${H}/p1?a=1&amp;b=2`, `${H}/p2`, 'http://other.example/', 'http://169.254.169.254/latest', '/relative']))
		if (req.url === '/more.xml.gz') return res.end(zlib.gzipSync(pages([`${H}/p2`, `${H}/p3`])))
		if (req.url === '/list.txt') return res.end(`${H}/p4\n`)
		keep(res).end('page')
	})
	const r = await er(['prefetch', `${H}/sitemap.xml`, '--sitemap', '--json'])
	assert.equal(r.code, 8, r.out + r.err)
	assert.deepEqual([r.json.total, r.json.stored, r.json.sitemaps, r.json.other_hosts, r.json.twice], [5, 4, 4, 3, 1])
	assert.deepEqual(r.json.urls.map(u => [u.url, u.reason]), [['/relative', 'no-url']])
	assert.deepEqual(asked().filter(u => u.startsWith('/p') && !u.endsWith('.xml')).sort(), ['/p1?a=1&b=2', '/p2', '/p3', '/p4'])
	for (const target of ['/p1?a=1&b=2', '/p2', '/p3', '/p4']) assert.ok(hit(await get(target)), target)
	// a file of one's own is known by its first byte
	const piped = await er(['prefetch', '-'], { input: zlib.gzipSync(pages([`${H}/p5`])) })
	assert.match(piped.out, /prefetched 1 URL: 1 stored now/)
	assert.equal(piped.code, 0)
})

test('a hostile sitemap ends with its reason, and costs nobody anything', async t => {
	const laughs = `<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY a "ha">${Array.from({ length: 9 }, (_, i) => `<!ENTITY ${'bcdefghij'[i]} "${`&${'abcdefghi'[i]};`.repeat(10)}">`).join('')}]><urlset><url><loc>${H}/&j;</loc></url></urlset>`
	const bomb = zlib.gzipSync(Buffer.alloc(60 << 20, '\n'))
	let served = 0
	const { er, asked, get, node } = await shop(t, (req, res) => {
		if (req.url === '/laughs') return res.end(laughs)
		if (req.url === '/bomb') return res.end(bomb)
		if (req.url === '/circle') return res.end(index([`${H}/circle`]))
		if (req.url === '/many') return res.end(index(Array.from({ length: 1500 }, (_, i) => `${H}/m${i}`)))
		if (req.url === '/html') return res.end('<html><body>no</body></html>')
		if (req.url === '/moved') return res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
		if (req.url === '/deep') return res.end('<urlset>' + '<a>'.repeat(100000))
		if (req.url === '/endless') {
			const more = () => {
				while (!res.destroyed && res.write(Buffer.alloc(1 << 20, 'x'))) served++
			}
			res.on('drain', more)
			return more()
		}
		keep(res).end('page')
	})
	for (const [target, code, why] of [
		['/laughs', 1, /document type/],
		['/bomb', 1, /more than 50 MB/],
		['/circle', 1, /not followed/],
		['/many', 1, /more than 1000 sitemaps/],
		['/html', 1, /line 1: this is no sitemap/],
		['/deep', 1, /deeper than 16/],
		['/moved', 5, /status 302/],
		['/endless', 5, /more than 50 MB/],
	]) {
		const r = await er(['prefetch', H + target, '--sitemap'])
		assert.match(r.err, why, target)
		assert.equal(r.code, code, target + r.out + r.err)
	}
	assert.ok(served < 120)
	assert.ok(!asked().some(u => /^\/m\d/.test(u)))
	assert.equal((await get('/page')).status, 200)
	const refused = await node.api('GET', `/v1/content?url=${encodeURIComponent('http://169.254.169.254/')}`)
	assert.equal(refused.status, 404)
})

test('a thousand URLs are asked once each, four at a time, also while clients ask', async t => {
	let now = 0, most = 0
	const { er, asked, get } = await shop(t, (req, res) => {
		most = Math.max(most, ++now)
		setTimeout(() => (now--, keep(res).end(req.url)), 2)
	})
	const list = (from, n) => Array.from({ length: n }, (_, i) => `${H}/u${from + i}`).join('\n')
	const r = await er(['prefetch', '-', '--json'], { input: list(0, 1000) })
	assert.deepEqual([r.code, r.json.stored], [0, 1000])
	assert.ok(most >= 2 && most <= 4, `${most} at once`)
	most = 0
	assert.equal((await er(['prefetch', '-', '--parallel', '1', '--refresh'], { input: list(0, 20) })).code, 0)
	assert.equal(most, 1)
	assert.equal(new Set(asked()).size, 1000)
	assert.equal(asked().length, 1020)
	// clients and prefetch of the same
	const both = er(['prefetch', '-', '--json'], { input: list(1000, 300) })
	for (let i = 0; i < 300; i += 20) await Promise.all(Array.from({ length: 20 }, (_, k) => get(`/u${1299 - i - k}`).then(res => assert.equal(res.text, `/u${1299 - i - k}`))))
	const second = await both
	assert.deepEqual([second.code, second.json.hits + second.json.stored], [0, 300])
	assert.equal(asked().length, 1320)
})

test('Ctrl-C cancels what is not done, on the node as well', async t => {
	const { going, node, origin } = await shop(t, (req, res) => {
		if (req.url !== '/u0') return // never answers
		keep(res).end()
	})
	const file = path.join(tempDir('er-urls-'), 'urls')
	t.after(() => fs.rmSync(path.dirname(file), { recursive: true }))
	fs.writeFileSync(file, Array.from({ length: 500 }, (_, i) => `${H}/u${i}`).join('\n'))
	const p = going(['prefetch', file, '--json'])
	await raw.until(() => origin.requests.length >= 5, { what: 'four under way' })
	p.child.kill('SIGINT')
	assert.equal(await p.ended, 1)
	const said = JSON.parse(p.out())
	assert.deepEqual([said.state, said.stored, said.failed], ['cancelled', 1, 0])
	const { items } = await node.ok('GET', '/v1/prefetch')
	assert.deepEqual([items.length, items[0].state, items[0].under_way], [1, 'cancelled', 0])
	const asked = origin.requests.length
	assert.ok(asked <= 6)
	await new Promise(done => setTimeout(done, 100))
	assert.equal(origin.requests.length, asked)
})

test('a node that ends half-way forgets the job and keeps what it has stored', async t => {
	const place = await shop(t, (req, res) => {
		const n = Number(req.url.slice(2))
		if (n >= 20 && place.origin.holds) return
		keep(res).end(req.url)
	})
	place.origin.holds = true
	const file = path.join(tempDir('er-urls-'), 'urls')
	t.after(() => fs.rmSync(path.dirname(file), { recursive: true }))
	fs.writeFileSync(file, Array.from({ length: 40 }, (_, i) => `${H}/u${i}`).join('\n'))
	const p = place.going(['prefetch', file])
	await raw.until(() => place.origin.requests.length >= 24, { what: 'it hangs' })
	const { job } = (await place.node.ok('GET', '/v1/prefetch')).items[0]
	await place.node.stop()
	assert.ok([3, 5].includes(await p.ended), p.err())
	assert.match(p.err(), /error: /)
	await place.again()
	const gone = await place.node.api('GET', `/v1/prefetch/${job}`)
	assert.equal(gone.status, 404)
	assert.match(gone.text, /send it again/)
	place.origin.holds = false
	const r = await place.er(['prefetch', file, '--json'])
	assert.deepEqual([r.code, r.json.hits + r.json.stored], [0, 40], r.out + r.err)
})

test('a node that is upgraded half-way waits for no origin, and says that the job is to be sent again', async t => {
	const origin = await startOrigin((req, res) => req.url === '/u0' && keep(res).end('page'))
	const node = await startStore({ config: { threads: 2, sites: [{ name: 'shop', hosts: ['shop.example'], origin: origin.url }] } })
	t.after(async () => {
		await end(node)
		await origin.close()
		node.forget()
	})
	const p = going(['prefetch', `${H}/u0`, '/u1', '/u2'], { env: { ER_NODE: node.ready.socket } })
	await raw.until(() => origin.requests.length === 3, { what: 'two hang' })
	await upgrade(node)
	assert.ok([3, 5].includes(await p.ended), p.err())
	const again = await tool(['prefetch', `${H}/u0`, '--json'], { env: { ER_NODE: node.ready.socket } })
	assert.equal(again.code, 0, again.out + again.err)
})

test('a terminal shows how far it is, in one line that is gone at the end', async t => {
	const { node } = await shop(t, (req, res) => setTimeout(() => keep(res).end('page'), 20))
	const file = path.join(tempDir('er-urls-'), 'urls')
	t.after(() => fs.rmSync(path.dirname(file), { recursive: true }))
	fs.writeFileSync(file, Array.from({ length: 200 }, (_, i) => `${H}/u${i}`).join('\n'))
	const p = atTerminal(['prefetch', file], { env: { ER_NODE: node.ready.socket } })
	assert.equal(await p.ended, 0)
	assert.match(p.out(), /\r\x1b\[Kprefetching \d+ of 200 URLs, \d+ %: \d+ stored, 0 already, 0 not stored, 0 failed/)
	assert.match(p.out(), /\r\x1b\[Kprefetched 200 URLs: 200 stored now/)
})

test('variants are stored for whom they are asked', async t => {
	const { er, get, asked } = await shop(
		t,
		(req, res) => keep(res).setHeader('vary', 'accept-language').end(`${req.headers['accept-language']} ${req.headers['er-device']}`),
		{ site: { cache: { device: true } } },
	)
	const r = await er(['prefetch', `${H}/`, '--header', 'Accept-Language: de', '--device', 'mobile'])
	assert.equal(r.code, 0, r.out + r.err)
	const phone = { 'accept-language': 'de', 'user-agent': 'Mozilla/5.0 (iPhone) Mobile' }
	const res = await get('/', { headers: phone })
	assert.ok(hit(res))
	assert.equal(res.text, 'de mobile')
	assert.ok(!hit(await get('/', { headers: { ...phone, 'accept-language': 'fr' } })))
	assert.equal(asked().length, 2)
	for (const [code, why, ...args] of [
		[2, /--device: desktop, mobile or tablet/, '--device', 'watch'],
		[2, /"name: value"/, '--header', 'nonsense'],
		[2, /--parallel/, '--parallel', '17'],
		[1, /not for prefetches/, '--header', 'Range: bytes=0-1'],
	]) {
		const bad = await er(['prefetch', `${H}/`, ...args])
		assert.match(bad.err, why)
		assert.equal(bad.code, code)
	}
})

test('a refresh asks the origin for what is fresh, and brings the new page', async t => {
	let version = 1
	const { er, get, origin } = await shop(t, (req, res) => {
		const tag = `"${version}"`
		keep(res).setHeader('etag', tag)
		if (req.headers['if-none-match'] === tag) return res.writeHead(304).end()
		res.end(`version ${version}`)
	})
	await er(['prefetch', `${H}/`])
	assert.equal((await er(['prefetch', `${H}/`, '--json'])).json.hits, 1)
	assert.equal(origin.requests.length, 1)
	assert.equal((await er(['prefetch', `${H}/`, '--refresh', '--json'])).json.stored, 1)
	assert.equal(origin.requests[1].headers['if-none-match'], '"1"')
	version = 2
	assert.equal((await er(['prefetch', `${H}/`, '--refresh'])).code, 0)
	const res = await get('/')
	assert.ok(hit(res))
	assert.equal(res.text, 'version 2')
})
