// Examples that make their answers on the edge.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import zlib from 'node:zlib'
import jsQR from 'jsqr'
import { browse, skip } from './lib/chromium.mjs'
import { withDeployed, withExample } from './lib/examples.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

let origin
/** What the origin does with a path: (req, res, body). */
let does = {}
before(async () => {
	origin = await startOrigin(async (req, res) => {
		const body = (await bodyOf(req)).toString()
		const handler = does[req.url] ?? does['*']
		handler ? handler(req, res, body) : res.writeHead(404).end('{}')
	})
})
after(() => origin.close())

const example = (name, run, options = {}, handlers = {}) => {
	does = handlers
	return withExample(name, options, run)
}
const services = () => ({ replace: [['http://127.0.0.1:3000', origin.url]] })
const json = value => (_, res) => res.end(JSON.stringify(value))
const status = code => (_, res) => res.writeHead(code).end()
const cut = (_, res) => res.destroy()
const html = (text, headers = {}) => (_, res) => res.writeHead(200, { 'content-type': 'text/html', ...headers }).end(text)
const since = n => origin.requests.slice(n).map(r => r.url)

test('hello answers by itself', () =>
	example('hello', async dev => {
		assert.equal((await dev.get('/?name=you')).text, 'Hello, you, from the edge!\n')
	}))

test('ts answers with a page, and what a visitor wrote is escaped', () =>
	example('ts', async dev => {
		const res = await dev.get('/?name=%3Cscript%3E')
		assert.match(res.headers['content-type'], /text\/html/)
		assert.match(res.text, /<h1>Hello, &lt;script&gt;!<\/h1>/)
	}))

test('api keeps notes, and says what is wrong with a request', () =>
	example('api', async dev => {
		const post = body => dev.get('/notes', { method: 'POST', body })
		const made = await post('{"text":"milk"}')
		assert.equal(made.status, 201)
		const note = JSON.parse(made.text)
		assert.equal(made.headers.location, `/notes/${note.id}`)
		assert.deepEqual(JSON.parse((await dev.get('/notes')).text), [note])
		assert.equal((await post('{"text":""}')).status, 400)
		assert.equal((await post('nonsense')).status, 400)
		assert.equal((await post(JSON.stringify({ text: 'x'.repeat(9000) }))).status, 400)
		assert.equal((await dev.get('/nowhere')).status, 404)
		const wrong = await dev.get('/notes', { method: 'PUT' })
		assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET, POST'])
		assert.equal((await dev.get(`/notes/${note.id}`, { method: 'DELETE' })).status, 204)
		assert.equal((await dev.get(`/notes/${note.id}`)).status, 404)
	}))

test('static-bundle serves its files with validators, and each at one address', () =>
	example('static-bundle', async dev => {
		const { headers } = await dev.get('/')
		assert.match(headers.etag, /^"[A-Za-z0-9+/]{16}"$/)
		for (const tag of [headers.etag, `"x", W/${headers.etag}`, '*']) {
			const res = await dev.get('/', { headers: { 'if-none-match': tag } })
			assert.deepEqual([res.status, res.text, res.headers.etag], [304, '', headers.etag])
		}
		assert.equal((await dev.get('/', { headers: { 'if-none-match': '"x"' } })).status, 200)
		const head = await dev.get('/about', { method: 'HEAD' })
		assert.ok(Number(head.headers['content-length']) > 100)
		for (const [target, type, cache] of [['/style.css?v=1', 'text/css; charset=utf-8', /immutable/], ['/logo.svg', 'image/svg+xml', /immutable/], ['/about', 'text/html; charset=utf-8', /max-age=60/]]) {
			const res = await dev.get(target)
			assert.deepEqual([res.status, res.headers['content-type'], res.headers['x-content-type-options']], [200, type, 'nosniff'])
			assert.match(res.headers['cache-control'], cache)
		}
		for (const [target, to] of [['/about/', '/about'], ['/about.html', '/about'], ['/index.html', '/'], ['//', '/']]) assert.deepEqual([(await dev.get(target)).status, (await dev.get(target)).headers.location], [308, to], target)
		for (const target of ['/nowhere', '/toString', '//about', '/site/index.html', '/src/index.js']) {
			const res = await dev.get(target)
			assert.equal(res.status, 404, target)
			assert.match(res.text, /There is no such page/)
		}
		assert.equal((await dev.get('/', { method: 'POST', body: '' })).headers.allow, 'GET, HEAD')
	}))

test('static-site serves its files, and those of members to members only', () =>
	example('static-site', async dev => {
		const home = await dev.get('/')
		assert.match(home.text, /A site without an origin/)
		assert.equal(home.headers['x-content-type-options'], 'nosniff')
		assert.equal((await dev.get('/', { headers: { 'if-none-match': home.headers.etag } })).status, 304)
		assert.match((await dev.get('/static/style.css')).headers['cache-control'], /immutable/)
		const moved = await dev.get('/old-about')
		assert.deepEqual([moved.status, moved.headers.location], [301, '/about'])
		for (const target of ['/nowhere', '/_headers', '/_redirects', '/er.jsonc', '/src/index.js']) {
			const res = await dev.get(target)
			assert.equal(res.status, 404, target)
			assert.match(res.text, /There is no such page/, target)
		}
		assert.match((await dev.get('/api/time')).text, /^\{"now":"20/)
		for (const cookie of ['', 'member=', 'member=change-m', 'member=change-mee', 'xmember=change-me', 'member=toString'])
			for (const target of ['/members/news', '/members/news.html', '/members/../members/news', '/%6dembers/news']) {
				const res = await dev.get(target, { headers: { cookie } })
				assert.equal(res.status, 403, `${target} ${cookie}`)
				assert.doesNotMatch(res.text, /kettle/)
			}
		for (const target of ['//members/news', '/members//news', '/Members/news']) assert.doesNotMatch((await dev.get(target)).text, /kettle/, target)
		const news = await dev.get('/members/news', { headers: { cookie: 'a=b; member=change-me' } })
		assert.match(news.text, /The kettle is here/)
		assert.equal(news.headers['cache-control'], 'private, no-store')
	}))

test('graphql answers queries, and refuses what costs too much before anything is asked', () =>
	example('graphql', async dev => {
		const ask = async (body, headers = {}) => {
			const res = await dev.get('/graphql', { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })
			return { status: res.status, cache: res.headers['cache-control'], ...JSON.parse(res.text) }
		}
		const whole = await ask({ query: 'query Q($id: ID!) { product(id: $id) { name reviews(first: 1) { stars } } }', variables: { id: '7' } })
		assert.deepEqual(whole.data, { product: { name: 'Kettle', reviews: [{ stars: 5 }] } })
		let n = origin.requests.length
		const twice = await ask({ query: '{ a: product(id: 7) { name } b: product(id: 7) { price } products(search: "e&x=1") { id } none: product(id: 99) { id } odd: product(id: "../7") { id } }' })
		assert.deepEqual([twice.data.a.name, twice.data.b.price, twice.data.none, twice.data.odd], ['Kettle', 29, null, null])
		assert.deepEqual(since(n).sort(), ['/products/7', '/products/99', '/products?search=e%26x%3D1'], 'each question once')
		const get = await dev.get(`/graphql?query=${encodeURIComponent('{product(id:7){id}}')}`)
		assert.deepEqual([get.text, get.headers['cache-control']], ['{"data":{"product":{"id":"7"}}}\n', 'public, max-age=10'])

		n = origin.requests.length
		const deep = `{ product(id: 7) { ...a } } fragment a on Product { reviews { ...b } } fragment b on Review { stars }`
		assert.equal((await ask({ query: deep })).status, 200)
		n = origin.requests.length
		const f = Array.from({ length: 12 }, (_, i) => `fragment f${i} on Product { ...f${i + 1} ...f${i + 1} }`).join(' ')
		for (const [query, why] of [
			[`{ ${Array.from({ length: 100 }, (_, i) => `p${i}: product(id: ${i}) { name reviews { stars } }`).join(' ')} }`, /more than 500 values|token/],
			['{ products(first: 50) { reviews(first: 50) { stars } } }', /more than 500 values/],
			['query($n: Int) { products(first: $n) { reviews(first: $n) { stars } } }', /more than 500 values/],
			[`{ product(id: 7) { ...f0 } } ${f} fragment f12 on Product { id }`, /more than 500 values/],
			['{ product(id: 7) { ...x } } fragment x on Product { ...x }', /Cannot spread fragment/],
			[`{ ${'{'.repeat(5000)}`, /token|Expected Name/],
			['{ __schema { types { name } } }', /introspection/],
			['{ product(id: 7) { secret } }', /Cannot query field/],
			['{ product { name } }', /argument "id"/],
			['mutation { drop }', /not configured/],
			['{', /Syntax Error/],
			['x'.repeat(9000), /at most 8192/],
			[7, /a text/],
		]) {
			const answer = await ask({ query })
			assert.equal(answer.status, 400, String(query).slice(0, 60))
			assert.match(answer.errors.map(e => e.message).join(), why)
		}
		assert.equal((await ask({ query: '{ product(id: 7) { id } }', variables: [1] })).status, 400)
		assert.equal((await ask({ query: 'query A { product(id: 7) { id } } query B { product(id: 8) { id } }' })).status, 400)
		assert.equal((await ask({ query: '{ product(id: 7) { id } }' }, { 'content-type': 'text/plain' })).status, 415)
		assert.equal((await dev.get('/graphql', { method: 'PUT' })).status, 405)
		assert.equal((await dev.get('/other')).status, 404)
		assert.deepEqual(since(n), [])

		does['/reviews?product=7'] = (_, res) => res.writeHead(500).end('password of the database')
		const half = await ask({ query: '{ product(id: 7) { name reviews { stars } } }' })
		assert.deepEqual([half.status, half.errors[0].message, half.cache], [200, 'a service does not answer', 'no-store'])
		assert.doesNotMatch(JSON.stringify(half), /password|500|127\.0\.0\.1/)
	}, services(), {
		'/products/7': json({ id: 7, name: 'Kettle', price: 29 }),
		'/products/8': json({ id: 8, name: 'Teapot', price: 35 }),
		'/reviews?product=7': json([{ stars: 5, text: 'x', author: 'y' }, { stars: 1, text: 'x', author: 'y' }]),
		'/products?search=e%26x%3D1': json([{ id: 7, name: 'Kettle', price: 29 }]),
	}))

test('react-ssr sends the page before its slow part is there, and goes on without it', () => {
	let reviews
	return example('react-ssr', async dev => {
		const c = await raw.connect(dev.port)
		c.send(raw.bytesOf('/product/7', { keepAlive: false }))
		const text = () => c.bytes.toString()
		await raw.until(() => text().includes('Reviews are coming.'), { what: 'the page' })
		assert.doesNotMatch(text(), /★/)
		reviews([{ by: 'Eve', stars: 3, text: '</script><script>alert(1)</script>' }])
		await raw.until(() => text().includes('</html>'), { what: 'the end' })
		c.close()
		assert.match(text(), /★★★.*&lt;\/script&gt;&lt;script&gt;alert/)
		assert.match(text(), /<h1>&lt;b&gt;Kettle<\/h1>/)
		const nonce = /script-src 'nonce-([^']+)'/.exec(text())[1]
		for (const [, attributes] of text().matchAll(/<script([^>]*)>/g)) assert.match(attributes, new RegExp(`nonce="${nonce}"`))
		for (const failing of [status(500), cut, () => {}, (_, res) => res.end('{"half')]) {
			does['/reviews/7'] = failing
			const res = await dev.get('/product/7')
			assert.match(res.text, /Nobody has said anything yet[\s\S]*<\/html>/)
		}
		assert.equal((await dev.get('/product/8')).status, 404)
		does['/product/7'] = cut
		assert.equal((await dev.get('/product/7')).status, 502)
		assert.equal((await dev.get('/product/x')).status, 404)
		assert.equal((await dev.get('/product/7', { method: 'POST', body: '' })).status, 405)
	}, { replace: [['http://127.0.0.1:3000', origin.url], ['"TIMEOUT_MS": 3000', '"TIMEOUT_MS": 1500']] }, {
		'/product/7': json({ name: '<b>Kettle', price: 29, about: 'x' }),
		'/reviews/7': (_, res) => (reviews = list => res.end(JSON.stringify(list))),
	})
})

test('qr makes pictures that a reader of QR codes reads', () =>
	example('qr', async dev => {
		const read = bytes => {
			assert.equal(bytes.subarray(1, 4).toString(), 'PNG')
			const chunks = {}
			for (let at = 8; at < bytes.length; ) {
				const length = bytes.readUInt32BE(at), type = bytes.toString('latin1', at + 4, at + 8)
				if (zlib.crc32) assert.equal(bytes.readUInt32BE(at + 8 + length), zlib.crc32(bytes.subarray(at + 4, at + 8 + length)), type)
				chunks[type] = bytes.subarray(at + 8, at + 8 + length)
				at += 12 + length
			}
			const side = chunks.IHDR.readUInt32BE(0), lines = zlib.inflateSync(chunks.IDAT), stride = 1 + Math.ceil(side / 8)
			const pixels = new Uint8ClampedArray(side * side * 4)
			for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) pixels.fill(lines[y * stride + 1 + (x >> 3)] & (0x80 >> (x & 7)) ? 255 : 0, (y * side + x) * 4, (y * side + x) * 4 + 4)
			return jsQR.default ? jsQR.default(pixels, side, side) : jsQR(pixels, side, side)
		}
		for (const text of ['https://example.com/?a=1&b=2', 'Straße 漢字 🎈', 'x'.repeat(900)])
			for (const more of ['', '&level=L&scale=3']) {
				const res = await dev.get(`/qr.png?text=${encodeURIComponent(text)}${more}`)
				assert.deepEqual([res.status, res.headers['content-type']], [200, 'image/png'])
				assert.equal(read(res.body)?.data, text)
			}
		const svg = await dev.get('/qr.svg?text=%3Cscript%3Ealert(1)%3C/script%3E')
		assert.equal(svg.headers['content-type'], 'image/svg+xml')
		assert.match(svg.text, /^<svg [^<>]*><path [^<>]*\/><path [^<>]*\/><\/svg>\n$/)
		for (const [target, code] of [['/qr.png', 400], [`/qr.svg?text=${'x'.repeat(1201)}`, 400], ['/qr.svg?text=a&scale=1e9', 400], ['/qr.svg?text=a&scale=0', 400], ['/qr.svg?text=a&level=X', 400], ['/qr.gif?text=a', 404]])
			assert.equal((await dev.get(target)).status, code, target)
		assert.equal((await dev.get('/qr.svg?text=a', { method: 'POST', body: '' })).status, 405)
	}))

test('esi puts pages together however their bytes arrive, and fetches from nowhere else', () => {
	const ESI = { 'surrogate-control': 'content="ESI/1.0"', etag: '"template"', 'cache-control': 'max-age=60' }
	const page = 'a<esi:include src="/f/one"/>b<esi:remove>no<b></esi:remove>c<!--esi <i>edge</i>-->d<esi:comment text="x > y"/><!-- stays -->e<esi:include src=\'/f/two?a=1&amp;b=2\'></esi:include>f<esi:x'
	const whole = 'aONEbc <i>edge</i>d y"/><!-- stays -->eTWOf<esi:x'
	let cuts = []
	return example('esi', async dev => {
		const text = async target => (await dev.get(target)).text
		const res = await dev.get('/page', { headers: { cookie: 'session=1' } })
		assert.equal(res.text, whole)
		assert.deepEqual([res.headers.etag, res.headers['surrogate-control'], res.headers['cache-control']], [undefined, undefined, 'no-store'])
		assert.equal(origin.requests.findLast(r => r.url === '/f/one').headers.cookie, 'session=1')
		for (let at = 1; at < page.length; at += 7) {
			cuts = [page.slice(0, at), page.slice(at)]
			assert.equal(await text(`/cut?${at}`), whole, `cut at ${at}: ${cuts[0].slice(-20)}|`)
		}
		assert.equal(await text('/not-esi'), '<esi:include src="/f/one"/>')
		assert.equal(await text('/alt'), '[ONE][][<!-- a fragment is missing -->]')
		const n = origin.requests.length
		assert.equal(await text('/foreign'), '[][][]')
		assert.deepEqual(since(n), ['/foreign'])
		assert.match(await text('/loop'), /^(\(){4}<!-- a fragment is missing -->(\)){4}$/)
		assert.equal((await text('/many')).match(/ONE/g).length, 16)
		assert.equal(await text('/large'), '[][]')
		// What is there goes out while a fragment keeps it waiting.
		const c = await raw.connect(dev.port)
		c.send(raw.bytesOf('/slow', { keepAlive: false }))
		await raw.until(() => c.bytes.includes('the beginning'), { what: 'the beginning' })
		assert.ok(!c.bytes.includes('the end'))
		await raw.until(() => c.bytes.includes('the end'), { what: 'the end' })
		c.close()
		assert.equal(await text('/open'), 'x')
	}, { origin: origin.url, replace: [['"TIMEOUT_MS": 2000', '"TIMEOUT_MS": 1000'], ['http://127.0.0.1:3000', 'http://fragments.example']] }, {
		'/page': html(page, ESI),
		'*': (req, res) => {
			if (!req.url.startsWith('/cut?')) return res.writeHead(404).end()
			res.writeHead(200, { ...ESI, 'cache-control': 'no-store' })
			res.write(cuts[0])
			setTimeout(() => res.end(cuts[1]), 5)
		},
		'/f/one': html('ONE'),
		'/f/two?a=1&b=2': html('TWO', { 'cache-control': 'max-age=60' }),
		'/f/broken': status(500),
		'/f/slow': () => {},
		'/f/large': html('x'.repeat(300_000)),
		'/not-esi': html('<esi:include src="/f/one"/>'),
		'/alt': html('[<esi:include src="/f/broken" alt="/f/one"/>][<esi:include src="/f/broken" onerror="continue"/>][<esi:include src="/f/broken"/>]', ESI),
		'/foreign': html(`[<esi:include src="http://169.254.169.254/latest" onerror="continue"/>][<esi:include src="//evil.example/" onerror="continue"/>][<esi:include src="file:///etc/passwd" onerror="continue"/>]`, ESI),
		'/loop': html('(<esi:include src="/loop"/>)', ESI),
		'/many': html('<esi:include src="/f/one" onerror="continue"/>'.repeat(40), ESI),
		'/large': html('[<esi:include src="/f/large" onerror="continue"/>][<esi:include src="/f/slow" onerror="continue"/>]', ESI),
		'/slow': html('the beginning<esi:include src="/f/slow" onerror="continue"/>the end', ESI),
		'/open': html('x<esi:remove>never closed', ESI),
	})
})

test('render makes pages of Markdown in which no author can run anything', () =>
	example('render', async dev => {
		const page = async path => (await dev.get(path)).text
		const good = await dev.get('/good')
		assert.equal(good.headers['content-type'], 'text/html; charset=utf-8')
		assert.equal(good.headers.etag, undefined)
		assert.match(good.text, /<title>A &amp; B · The Manual<\/title>/)
		assert.match(good.text, /<li><a href="#one">One<\/a><\/li><li><a href="#one-1">One<\/a><\/li>/)
		assert.match(good.text, /<table>[\s\S]*<td>1<\/td>/)
		const evil = await page('/evil')
		assert.doesNotMatch(evil.replace(/&lt;.*?&gt;/g, ''), /<script|<img[^>]*onerror|javascript:|<iframe|<a [^>]*onclick/i)
		assert.match(evil, /<a href="https:\/\/example\.com\/\?a=1&amp;b=2">good<\/a>/)
		assert.equal(await page('/plain'), '# not Markdown')
		assert.equal((await dev.get('/large')).status, 502)
		assert.equal((await dev.get('/nowhere')).status, 404)
		assert.match(await page('/%7B%7Bsite%7D%7D'), /<footer>\/%7B%7Bsite%7D%7D<\/footer>/)
	}, { origin: origin.url }, {
		'/good': (_, res) => res.writeHead(200, { 'content-type': 'text/markdown', etag: '"1"' }).end('# A & B\n\n## One\n\n## One\n\n|a|\n|-|\n|1|\n'),
		'/evil': (_, res) => res.writeHead(200, { 'content-type': 'Text/Markdown; charset=utf-8' }).end([
			'# <script>alert(1)</script>', '<img src=x onerror=alert(1)>', '[a](javascript:alert(1))', '[b](JaVa\tScript:alert(1))', '[c](data:text/html,<script>)', '![d](javascript:alert(1))',
			'[e](https://x.example/" onclick="alert(1))', '<iframe src="https://x.example">', '[good](https://example.com/?a=1&b=2)', '{{#contents}}{{{html}}}{{/contents}}', '<javascript:alert(1)>',
		].join('\n\n').replaceAll('javascript:alert(1)>', 'script:x>')),
		'/plain': (_, res) => res.writeHead(200, { 'content-type': 'text/plain' }).end('# not Markdown'),
		'/large': (_, res) => res.writeHead(200, { 'content-type': 'text/markdown' }).end('x'.repeat(300 * 1024)),
		'/%7B%7Bsite%7D%7D': (_, res) => res.writeHead(200, { 'content-type': 'text/markdown' }).end('x'),
	}))

const SHOP = {
	'/': html('<!doctype html><link rel="icon" href="data:,"><script type="module" src="/app.js"></script><h1>Shop</h1>'),
	'/app.js': (_, res) => res.writeHead(200, { 'content-type': 'text/javascript' }).end('import "./start.js"'),
	'/start.js': (_, res) => res.writeHead(200, { 'content-type': 'text/javascript' }).end(`
		const css = document.createElement("link"); css.rel = "stylesheet"; css.href = "/shop.css"
		const styled = new Promise(resolve => css.onload = resolve)
		document.head.append(css)
		await (await fetch("/data.json")).json(); await styled
		fetch("/ready?ms=" + Math.round(performance.now() - performance.getEntriesByType("navigation")[0].responseStart), { method: "POST" })`),
	'/shop.css': (_, res) => res.writeHead(200, { 'content-type': 'text/css' }).end('h1 { color: teal }'),
	'/data.json': json({}),
	'/product/7': html('<h1>Kettle</h1>'),
}
const late = ms => Object.fromEntries(Object.entries(SHOP).map(([path, handler]) => [path, (...args) => setTimeout(() => handler(...args), ms)]))

test('hints names what a page needs in its head, for pages only', () =>
	example('hints', async dev => {
		assert.match((await dev.get('/')).headers.link, /^<\/shop\.css>; rel=preload; as=style, .*<\/product\/7>; rel=prefetch$/)
		assert.equal((await dev.get('/app.js')).headers.link, undefined)
		does['/'] = (_, res) => res.writeHead(500, { 'content-type': 'text/html' }).end()
		assert.equal((await dev.get('/', { method: 'POST', body: '' })).headers.link, undefined)
	}, { origin: origin.url }, { ...SHOP }))

test('hints make the page ready earlier in a real browser', { skip }, async () => {
	const DELAY = 300
	const ready = async name => {
		let ms
		await example(name, async dev => {
			does['/ready'] = undefined
			does['*'] = (req, res) => {
				ms = Number(/^\/ready\?ms=(\d+)$/.exec(req.url)?.[1])
				res.end()
			}
			const n = origin.requests.length
			await browse(`http://127.0.0.1:${dev.port}/`, () => raw.until(() => ms > 0 && (name !== 'hints' || since(n).includes('/product/7')), { timeout: 60000, what: 'the page in the browser' }))
			if (name === 'hints') assert.equal(since(n).filter(url => url === '/data.json').length, 1, 'what was hinted at is used, and not fetched twice')
		}, { origin: origin.url }, late(DELAY))
		return ms
	}
	// The same site behind a routine that gives no hints.
	const [without, with_] = [await ready('ab-test'), await ready('hints')]
	assert.ok(without - with_ >= DELAY, `ready after ${without} ms without hints, ${with_} ms with them`)
})

test('beacon counts what pages say, writes it once, and shows it to who has the password', () =>
	withDeployed('beacon', { kv: ['beacon'], replace: [['http://127.0.0.1:8787', 'http://shop.example'], ['"WAIT_MS": 2000', '"WAIT_MS": 100']] }, async dev => {
		const site = 'http://shop.example'
		const send = (body, headers = { origin: site }) => dev.get('/beacon', { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
		const figures = (password = 'change-me') => dev.get('/', { headers: { authorization: `Basic ${btoa(`me:${password}`)}` } })
		for (const password of ['', 'change-m', 'change-mee']) assert.equal((await figures(password)).status, 401)
		assert.equal((await dev.get('/', { headers: { authorization: 'Basic %%%' } })).status, 401)
		const script = await dev.get('/beacon.js')
		assert.match(script.text, /sendBeacon/)

		const sent = await Promise.all(Array.from({ length: 40 }, (_, i) => send({ page: `${site}/page-${i % 4}?secret=1`, ms: i * 100 })))
		assert.deepEqual(new Set(sent.map(r => `${r.status} ${r.headers['access-control-allow-origin']}`)), new Set([`204 ${site}`]))
		assert.equal((await send({ page: `${site}/%3Cscript%3E<b>"`, ms: null })).status, 204)
		assert.equal((await dev.get('/beacon.gif', { headers: { referer: `${site}/plain` } })).headers['content-type'], 'image/gif')
		for (const [status, body, headers] of [
			[403, { page: `${site}/`, ms: 1 }, {}],
			[403, { page: 'http://evil.example/', ms: 1 }, { origin: 'http://evil.example' }],
			[400, { page: 'http://evil.example/', ms: 1 }],
			[400, { page: `${site}/`, ms: 1e9 }],
			[400, { page: `${site}/`, ms: -1 }],
			[400, { page: `${site}/`, ms: '1' }],
			[400, { ms: 1 }],
			[400, 'null'],
			[400, '{"page":'],
			[400, { page: `${site}/${'x'.repeat(3000)}`, ms: 1 }],
		]) assert.equal((await send(body, headers)).status, status, JSON.stringify(body).slice(0, 80))
		await dev.get('/beacon.gif', { headers: { referer: 'http://evil.example/' } })
		const text = async () => (await figures()).text
		await raw.until(async () => /<h1>42 views/.test(await text()), { what: 'all views' })
		assert.match(await text(), /<tr><td>10<td>\/page-0\n/)
		assert.match(await text(), /<tr><td>1<td>\/plain\n/)
		assert.doesNotMatch(await text(), /secret|evil|<b>|<script/)
		assert.equal((await text()).match(/<rect /g).length, 60 + 8)

		// A flood of made-up pages stays small.
		await Promise.all(Array.from({ length: 60 }, (_, i) => send({ page: `${site}/${'y'.repeat(80)}${i}-${'漢'.repeat(20)}`, ms: 5 })))
		await Promise.all(Array.from({ length: 60 }, (_, i) => send({ page: `${site}/n${i}${'%E6%BC%A2'.repeat(9)}`, ms: 5 })))
		await raw.until(async () => /<h1>162 views/.test(await text()), { what: 'the flood' })
		assert.match(await text(), /\(others\)/)
	}))

test('beacon is told by a real browser', { skip }, () =>
	withDeployed('beacon', { kv: ['beacon'], replace: [['http://127.0.0.1:8787', origin.url], ['"WAIT_MS": 2000', '"WAIT_MS": 50']] }, async dev => {
		does['/with-beacon'] = html(`<script src="http://${dev.host}:${dev.port}/beacon.js"></script>`)
		const text = async () => (await dev.get('/', { headers: { authorization: `Basic ${btoa('me:change-me')}` } })).text
		await browse(`${origin.url}/with-beacon`, () => raw.until(async () => /<td>\/with-beacon/.test(await text()), { timeout: 15000, every: 100, what: "the beacon" }))
	}))
