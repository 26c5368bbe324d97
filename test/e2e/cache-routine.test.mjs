// What a routine wishes of the cache with its fetches: key, lifetimes, tags, another server; and
// whose ground it may wish that on.
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

/** The client says in x-url what to fetch and in x-options how; the answer comes with what the
 * routine was told of the cache. */
const source = `addEventListener("fetch", e => {
	const asked = e.request.headers.get("x-url"), options = e.request.headers.get("x-options")
	if (asked === null) return
	e.respondWith((async () => {
		const res = await fetch(asked === "request" ? e.request : asked, options === null ? undefined : JSON.parse(options))
		const out = new Response(res.body, res)
		out.headers.set("x-info", JSON.stringify(res.info?.cache ?? null))
		return out
	})())
})`

const allow = ['127.0.0.0/8']

/** Two sites, each with a routine and an origin of its own, and a third site without a routine. */
async function twoSites(t, handler, { start = startNode, config = {} } = {}) {
	const origins = {}
	for (const name of ['shop', 'blog', 'plain']) origins[name] = await startOrigin((req, res) => handler(req, res, name))
	const node = await start({
		routines: {
			shop: { source, routes: ['shop.example/*'], allowAddresses: allow },
			blog: { source, routes: ['blog.example/*'], allowAddresses: allow },
		},
		config: {
			threads: 1,
			sites: [
				{ name: 'shop', hosts: ['shop.example', 'img.shop.example'], origin: origins.shop.url },
				{ name: 'blog', hosts: ['blog.example'], origin: origins.blog.url },
				{ name: 'plain', hosts: ['plain.example'], origin: origins.plain.url },
			],
			...config,
		},
	})
	t.after(async () => {
		await node.stop()
		for (const o of Object.values(origins)) await o.close()
		node.forget?.()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	/** The routine of `host` fetches `url` with `options`. */
	const ask = async (host, url, options, { target = '/', headers = {} } = {}) => {
		const res = await raw.request(node.port, target, { host, headers: { ...headers, 'x-url': url, ...(options === undefined ? {} : { 'x-options': JSON.stringify(options) }) } })
		return { ...res, cache: JSON.parse(res.headers['x-info'] ?? 'null') }
	}
	const get = (host, target = '/', headers = {}) => raw.request(node.port, target, { host, headers })
	return { origins, node, ask, get }
}
const counting = () => {
	let n = 0
	return (req, res, name) => res.end(`${name} ${req.url} ${++n}`)
}

test('cacheTtl has an answer stored that says nothing, or no-store; the routine is told what the cache did', async t => {
	let n = 0
	const { ask } = await twoSites(t, (req, res) => {
		if (req.url.startsWith('/never')) res.setHeader('cache-control', 'no-store')
		if (req.url.startsWith('/mine')) res.setHeader('cache-control', 'private, max-age=5')
		if (req.url.startsWith('/cookie')) res.setHeader('set-cookie', 'a=b')
		if (req.url.startsWith('/gone')) res.statusCode = 404
		if (req.url.startsWith('/broken')) res.statusCode = 500
		res.end(`${++n}`)
	})
	for (const path of ['/page', '/never', '/mine', '/gone']) {
		const plain = await ask('shop.example', 'request', undefined, { target: `${path}?plain` })
		assert.equal(plain.cache.stored, false, path)
		const first = await ask('shop.example', 'request', { cf: { cacheTtl: 60 } }, { target: path })
		assert.deepEqual({ ...first.cache, ttl: 0 }, { hit: false, age: 0, ttl: 0, key: `http://shop.example${path}`, stored: true, collapsed: false, forwarded: 'uri-miss', why: null }, path)
		assert.ok(first.cache.ttl >= 59 && first.cache.ttl <= 60)
		const second = await ask('shop.example', 'request', { er: { cacheTtl: 60 } }, { target: path })
		assert.equal(second.cache.hit, true, path)
		assert.equal(second.text, first.text)
		const through = await ask('shop.example', 'request', undefined, { target: path })
		assert.equal(through.text, first.text, 'on its own ground it is stored for all')
	}
	for (const [path, why] of [['/cookie', 'no-lifetime'], ['/broken', 'status']]) {
		await ask('shop.example', 'request', { cf: { cacheTtl: 60 } }, { target: path })
		const again = await ask('shop.example', 'request', { cf: { cacheTtl: 60 } }, { target: path })
		assert.equal(again.cache.hit, false, path)
		assert.equal(again.cache.why, path === '/cookie' ? 'set-cookie' : why)
	}
	const off = await ask('shop.example', 'request', { cf: { cacheTtl: -1 } }, { target: '/off' })
	assert.deepEqual([off.cache.stored, off.cache.why], [false, 'no-store'])
})

test('cacheTtlByStatus goes over cacheTtl, and cacheEverything gives a lifetime to what says none', async t => {
	const { ask } = await twoSites(t, (req, res) => {
		res.statusCode = Number(req.url.slice(1, 4))
		if (req.url.includes('says')) res.setHeader('cache-control', 'max-age=7')
		if (req.url.includes('private')) res.setHeader('cache-control', 'private')
		res.end('x')
	})
	const ttl = async (target, er) => {
		const { cache } = await ask('shop.example', 'request', { er }, { target })
		return cache.stored ? Math.ceil(cache.ttl / 5) * 5 : cache.why
	}
	const byStatus = { '200-299': 100, 404: 20, '500-599': -1, 403: 30 }
	assert.equal(await ttl('/200', { cacheTtl: 50, cacheTtlByStatus: byStatus }), 100)
	assert.equal(await ttl('/404', { cacheTtl: 50, cacheTtlByStatus: byStatus }), 20)
	assert.equal(await ttl('/403', { cacheTtlByStatus: byStatus }), 30)
	assert.equal(await ttl('/301', { cacheTtl: 50, cacheTtlByStatus: byStatus }), 50)
	assert.equal(await ttl('/500', { cacheTtl: 50, cacheTtlByStatus: byStatus }), 'no-store')
	assert.equal(await ttl('/503', { cacheTtl: 50 }), 'status')
	assert.equal(await ttl('/200?everything', { cacheEverything: true }), 7200)
	assert.equal(await ttl('/302?everything', { cacheEverything: true }), 1200)
	assert.equal(await ttl('/404?everything', { cacheEverything: true }), 180)
	assert.equal(await ttl('/500?everything', { cacheEverything: true }), 'status')
	assert.equal(await ttl('/200?says', { cacheEverything: true }), 10, 'what says its lifetime keeps it')
	assert.equal(await ttl('/200?private', { cacheEverything: true }), 'private')
})

test('one cacheKey is one answer, whatever the URL; nobody else has it: no client, no other routine', async t => {
	const { ask, get, origins } = await twoSites(t, counting())
	const key = { er: { cacheKey: 'the page', cacheTtl: 60 } }
	const first = await ask('shop.example', 'request', key, { target: '/a?session=1' })
	assert.match(first.text, /^shop \/a\?session=1 \d/, 'the origin is asked for what was asked')
	assert.equal(first.cache.key, 'the page')
	assert.equal((await ask('shop.example', 'request', key, { target: '/b' })).text, first.text)
	assert.notEqual((await get('shop.example', '/a?session=1')).text, first.text)
	assert.notEqual((await get('shop.example', '/the%20page')).text, first.text)
	for (const options of [key, { er: { cacheKey: 'http://shop.example/x', cacheTtl: 60 } }]) {
		const mine = await ask('shop.example', 'request', options, { target: '/c' })
		const theirs = await ask('blog.example', 'request', options, { target: '/c' })
		assert.match(theirs.text, /^blog /, 'a key that another routine uses, or that names its site')
		assert.notEqual(mine.text, theirs.text)
	}
	assert.equal((await ask('shop.example', 'request', { er: { cacheKey: 'a b', cacheTtl: 60 } }, { target: '/1' })).cache.hit, false)
	assert.equal((await ask('shop.example', 'request', { er: { cacheKey: 'a%20b', cacheTtl: 60 } }, { target: '/2' })).cache.hit, false, 'two keys are two')
	assert.ok(origins.shop.requests.length > 4)
})

test('cacheTags and the site purge what a routine stored, under its own keys too', async t => {
	const { node, ask } = await twoSites(t, counting(), { start: startStore })
	const wishes = { er: { cacheTtl: 600, cacheTags: ['red', 'a tag'] } }
	const keyed = { er: { cacheTtl: 600, cacheTags: ['red'], cacheKey: 'https://shop.example/keyed' } }
	const look = async () => [(await ask('shop.example', 'request', wishes, { target: '/page' })).cache.hit, (await ask('shop.example', 'request', keyed, { target: '/page' })).cache.hit]
	await look()
	assert.deepEqual(await look(), [true, true])
	for (const [purge, hits] of [
		[{ tags: ['blue'] }, [true, true]],
		[{ tags: ['a tag'] }, [false, true]],
		[{ tags: ['red'] }, [false, false]],
		[{ tags: ['red'], site: 'blog' }, [true, true]],
		[{ urls: ['https://shop.example/keyed'] }, [true, false]],
		[{ prefixes: ['shop.example/pa'] }, [false, true]],
		[{ hosts: ['shop.example'] }, [false, false]],
		[{ site: 'shop' }, [false, false]],
	]) {
		await node.ok('POST', '/v1/purge', purge)
		assert.deepEqual(await look(), hits, JSON.stringify(purge))
		await look()
	}
})

test('what a routine wishes on another one\'s ground holds for itself alone', async t => {
	const { ask, get } = await twoSites(t, counting())
	const wishes = { cdnProxy: true, er: { cacheTtl: 600 } }
	const own = await ask('shop.example', 'http://plain.example/page', wishes)
	assert.match(own.text, /^plain /)
	assert.equal((await ask('shop.example', 'http://plain.example/page', wishes)).text, own.text)
	const client = await get('plain.example', '/page')
	assert.notEqual(client.text, own.text, 'the clients of that site get what its origin lets be stored')
	assert.match(client.headers['cache-status'], /detail=no-lifetime/)
	assert.notEqual((await ask('blog.example', 'http://plain.example/page', wishes)).text, own.text)
	const onItsSite = await ask('shop.example', 'http://img.shop.example/page', wishes)
	assert.equal((await get('img.shop.example', '/page')).text, onItsSite.text, 'another host of its own site is its ground')
})

test('cdnProxy reaches every host that the node serves, and passes by nobody\'s routine', async t => {
	const { ask } = await twoSites(t, counting())
	assert.match((await ask('shop.example', 'http://plain.example/a', { cdnProxy: true })).text, /^plain \/a/)
	assert.match((await ask('shop.example', 'http://shop.example/a', { cdnProxy: true })).text, /^shop \/a/)
	const theirs = await ask('shop.example', 'http://blog.example/a', { cdnProxy: true })
	assert.equal(theirs.status, 403)
	assert.match(theirs.text, /another routine answers for blog\.example/)
	assert.equal(theirs.headers['er-error'], undefined)
	const nobodys = await ask('shop.example', 'http://nobody.example/a', { cdnProxy: true })
	assert.equal(nobodys.status, 403)
	assert.match(nobodys.text, /does not serve the host nobody\.example/)
})

test('resolveOverride asks another server that the routine may reach, and stores that apart', async t => {
	const other = await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=60').end(`other ${req.headers.host}${req.url}`))
	t.after(() => other.close())
	const { ask, get } = await twoSites(t, (req, res, name) => res.setHeader('cache-control', 'max-age=60').end(`${name} ${req.url}`))
	const at = { er: { resolveOverride: `127.0.0.1:${other.port}` } }
	assert.equal((await ask('shop.example', 'request', at, { target: '/p' })).text, 'other shop.example/p')
	assert.equal((await ask('shop.example', 'request', at, { target: '/p' })).cache.hit, true)
	assert.equal((await get('shop.example', '/p')).text, 'shop /p', 'no client gets it')
	assert.equal((await ask('shop.example', 'request', { er: { resolveOverride: 'plain.example' } }, { target: '/p' })).text, 'plain /p')
	const guarded = await ask('shop.example', 'request', { er: { resolveOverride: 'blog.example' } }, { target: '/p' })
	assert.equal(guarded.status, 403)
	assert.match(guarded.text, /another routine/)
	for (const hidden of ['/x/..;/p', '/x/..%2fp']) {
		const dots = await ask('shop.example', `http://shop.example${hidden}`, { cdnProxy: true, er: { resolveOverride: 'plain.example' } })
		assert.equal(dots.status, 403, hidden)
		assert.match(dots.text, /servers read in different ways/)
	}
	const inside = await ask('shop.example', 'request', { er: { resolveOverride: '10.0.0.1' } }, { target: '/q' })
	assert.ok(inside.status >= 500, 'the guard of addresses holds')
	assert.equal((await ask('shop.example', `http://elsewhere.example:${other.port}/x`, at)).text, `other elsewhere.example:${other.port}/x`, 'for servers elsewhere, too')
	for (const bad of ['a b', 'x.example/p', 'user@x.example', 'x.example:99999']) assert.equal((await ask('shop.example', 'request', { er: { resolveOverride: bad } })).status, 599, bad)
})

test('an answer from elsewhere is stored if the routine wishes it, for that routine alone', async t => {
	let n = 0
	const elsewhere = await startOrigin((req, res) => {
		n++
		if (req.url === '/moved') res.writeHead(302, { location: '/there' }).end()
		else res.end(`${req.url} ${n}`)
	})
	t.after(() => elsewhere.close())
	const { ask } = await twoSites(t, counting())
	const api = path => `${elsewhere.url}${path}`
	const keep = { cf: { cacheTtl: 60 } }
	const plain = await ask('shop.example', api('/data'))
	assert.equal(plain.cache, null)
	assert.notEqual((await ask('shop.example', api('/data'))).text, plain.text, 'without a wish nothing is stored')
	const first = await ask('shop.example', api('/data'), keep)
	assert.equal(first.cache.stored, true)
	const second = await ask('shop.example', api('/data'), keep)
	assert.equal(second.text, first.text)
	assert.equal(second.cache.hit, true)
	assert.notEqual((await ask('blog.example', api('/data'), keep)).text, first.text)
	const moved = await ask('shop.example', api('/moved'), keep)
	assert.match(moved.text, /^\/there /)
	assert.equal((await ask('shop.example', api('/moved'), keep)).text, moved.text)
	const posted = await ask('shop.example', api('/data'), { ...keep, method: 'POST', body: 'x' })
	assert.equal(posted.cache.hit, false)
	assert.notEqual((await ask('shop.example', api('/data'), keep)).text, first.text, 'a POST makes void what is stored of its URL')
	assert.ok((await ask('shop.example', 'http://10.0.0.1/x', keep)).status === 599, 'the guard of addresses holds')
})

test('tags, keys and hosts carry no header further, and too much of them is refused', async t => {
	const { ask, origins } = await twoSites(t, counting())
	for (const er of [
		{ cacheKey: 'a\r\nx-evil: 1' }, { cacheTags: ['a\r\nx-evil: 1'] }, { cacheTags: ['a,b'] }, { cacheTags: Array(101).fill('t') }, { cacheKey: 'x'.repeat(5000) },
		{ resolveOverride: 'a\nb' }, { cacheTtlByStatus: { '2xx': 1 } },
	])
		assert.equal((await ask('shop.example', 'request', { er })).status, 599, JSON.stringify(er).slice(0, 60))
	assert.equal(origins.shop.requests.length, 0)
	const tagged = await ask('shop.example', 'request', { er: { cacheTags: ['t'], cacheTtl: 5 } })
	assert.equal(tagged.headers['cache-tag'], undefined)
	assert.equal(origins.shop.requests[0].headers['cache-tag'], undefined)
})

/** An origin whose /from redirects to /to; what both say of their lifetimes is set by the test. */
async function redirecting(t, config) {
	const says = { from: 'max-age=600', to: 'max-age=600' }
	const there = await startOrigin((req, res) => {
		res.setHeader('cache-control', says[req.url.slice(1, 3) === 'fr' ? 'from' : 'to'])
		if (req.url.startsWith('/from')) res.writeHead(302, { location: req.url.replace('from', 'to') }).end()
		else res.end(`at ${req.url} ${there.requests.length}`)
	})
	t.after(() => there.close())
	return { ...await twoSites(t, counting(), config), there, says, url: path => `${there.url}${path}` }
}

test('what a fetch that follows redirects stores is no answer to one that does not', async t => {
	const { ask, url, there } = await redirecting(t)
	const er = { cacheTtl: 600 }
	for (const keyed of [{}, { cacheKey: 'one' }]) {
		const path = keyed.cacheKey === undefined ? '/from' : '/from?keyed'
		const asks = redirect => ask('shop.example', url(path), { redirect, er: { ...er, ...keyed } })
		for (const again of [false, true]) {
			const before = there.requests.length
			assert.match((await asks('follow')).text, /^at \/to/)
			const manual = await asks('manual')
			assert.deepEqual([manual.status, new URL(manual.headers.location, url('/')).pathname], [302, '/to'])
			assert.equal((await asks('error')).status, 599)
			if (again) assert.equal(there.requests.filter((r, i) => i >= before && r.url.startsWith('/to')).length, 0, 'and each has its own in the store')
		}
	}
})

test('an answer that redirects led to is no fresher than they are', async t => {
	const { ask, url, there, says } = await redirecting(t)
	const stored = async (path, er) => {
		const first = (await ask('shop.example', url(path), { er })).text
		return (await ask('shop.example', url(path), { er })).text === first
	}
	assert.equal(await stored('/from?a', { cacheKey: 'a' }), true)
	for (const [from, to, kept] of [['no-store', 'max-age=600', false], ['private', 'max-age=600', false], ['max-age=0', 'max-age=600', false], ['max-age=600', 'max-age=0', false], ['max-age=600', 'max-age=600', true]]) {
		Object.assign(says, { from, to })
		assert.equal(await stored(`/from?${from}${to}`, { cacheKey: `${from} ${to}` }), kept, `${from}, ${to}`)
	}
	Object.assign(says, { from: 'max-age=0', to: 'max-age=0' })
	assert.equal(await stored('/from?w', { cacheTtl: 600 }), true, 'a wish goes over both')
	assert.equal(await stored('/from?x', { cacheTtlByStatus: { 200: 600 } }), true)
	assert.equal(await stored('/from?y', { cacheTtlByStatus: { 200: 600, 302: -1 } }), false, 'unless it says otherwise of the redirect')
	assert.ok(there.requests.length > 0)
})

test('redirects that a wished fetch follows are subrequests of the request', async t => {
	const there = await startOrigin((req, res) => {
		const left = Number(req.url.slice(1))
		if (left > 0) res.writeHead(302, { location: `/${left - 1}` }).end()
		else res.end('there')
	})
	t.after(() => there.close())
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		const out = []
		for (let i = 0; i < 5; i++) out.push(await fetch("${there.url}/9", { er: { cacheTtl: 60, cacheKey: "k" + i } }).then(r => r.text(), x => "refused"))
		return Response.json(out)
	})()))`
	const node = await startNode({ routines: { shop: { source, routes: ['shop.example/*'], allowAddresses: allow } }, config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], origin: there.url }] } })
	t.after(() => node.stop())
	const res = await raw.request(node.port, '/', { host: 'shop.example' })
	assert.deepEqual(JSON.parse(res.text), ['there', 'there', 'there', 'refused', 'refused'], '32 of a request, each with nine redirects')
})

const purging = `const page = request => fetch(request)
addEventListener("fetch", e => {
	const said = e.request.headers.get("x-purge"), ahead = e.request.headers.get("x-prefetch")
	if (said !== null) e.respondWith(cache.purge(JSON.parse(said)).then(done => Response.json(done), x => new Response(x.name + ": " + x.message, { status: 500 })))
	if (ahead !== null) e.respondWith(cache.prefetch(ahead).then(done => Response.json(done), x => new Response(x.name + ": " + x.message, { status: 500 })))
})`

test('cache.purge takes what it names of the site of the request, durably, and nothing of another site', async t => {
	let n = 0
	const origins = []
	for (const name of ['shop', 'blog']) origins.push(await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=600').setHeader('cache-tag', 'red, all').end(`${name} ${++n}`)))
	const options = {
		routines: { shop: { source: purging, routes: ['shop.example/*'] } },
		config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example', 'www.shop.example'], origin: origins[0].url }, { name: 'blog', hosts: ['blog.example'], origin: origins[1].url }] },
	}
	let node = await startStore(options)
	const { data } = node
	t.after(async () => {
		await node.stop()
		for (const o of origins) await o.close()
		node.forget()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	const pages = [['shop.example', '/a/1?x=1'], ['shop.example', '/b'], ['www.shop.example', '/a/1'], ['blog.example', '/a/1']]
	const look = async () => {
		const gone = []
		for (const [host, target] of pages) if (!/; hit;/.test((await raw.request(node.port, target, { host })).headers['cache-status'])) gone.push(host + target)
		return gone
	}
	const purge = what => raw.request(node.port, '/', { host: 'shop.example', headers: { 'x-purge': JSON.stringify(what) } })
	await look()
	for (const [what, gone] of [
		[{ url: 'http://shop.example/a/1?x=1' }, ['shop.example/a/1?x=1']],
		[{ urls: ['http://shop.example/b', 'https://www.shop.example/a/1'] }, ['shop.example/b', 'www.shop.example/a/1']],
		[{ prefixes: ['http://shop.example/a*'] }, ['shop.example/a/1?x=1']],
		[{ hosts: ['www.shop.example'] }, ['www.shop.example/a/1']],
		[{ tag: 'red' }, ['shop.example/a/1?x=1', 'shop.example/b', 'www.shop.example/a/1']],
		[{ tags: ['all', 'none'] }, ['shop.example/a/1?x=1', 'shop.example/b', 'www.shop.example/a/1']],
		[{ everything: true }, ['shop.example/a/1?x=1', 'shop.example/b', 'www.shop.example/a/1']],
	]) {
		assert.deepEqual(await look(), [], 'all is stored')
		const done = await purge(what)
		assert.equal(done.status, 200, done.text)
		assert.equal(JSON.parse(done.text).purged, Object.values(what).flat().length)
		assert.deepEqual(await look(), gone, JSON.stringify(what))
	}
	for (const [what, why] of [
		[{ url: 'http://blog.example/a/1' }, /of the site of its request/], [{ hosts: ['blog.example'] }, /of the site of its request/], [{ prefix: 'http://blog.example/' }, /of the site/], [{ prefix: 'http://b' }, /of the site/],
		[{ url: 'http://' }, /a URL is expected/], [{ tags: ['a,b'] }, /no comma/], [{ tags: Array(31).fill('x') }, /30 things/], [{}, /What is to be purged/], [{ tags: ['a\r\nx: y'] }, /printable/],
	])
		assert.match((await purge(what)).text, why, JSON.stringify(what))
	assert.deepEqual(await look(), [], 'nothing was purged by what was refused')
	const audit = await raw.until(async () => {
		const { items } = await node.ok('GET', '/v1/audit')
		return items.filter(i => i.kind === 'purge').length >= 9 && items
	}, { what: 'the store' })
	assert.ok(audit.filter(i => i.kind === 'purge').every(i => i.by === 'routine shop'))
	assert.ok(audit.filter(i => i.kind === 'purge').every(i => (i.data.scope === 'site' ? i.data.value : i.data.site) === 'shop'), 'each is of its site alone')
	await purge({ tag: 'red' })
	await node.stop()
	node = await startStore({ ...options, data })
	assert.deepEqual((await look()).filter(u => u.startsWith('shop')), ['shop.example/a/1?x=1', 'shop.example/b'], 'what the disk has of it is purged, too')
	let refused = 0
	for (let i = 0; i < 40 && refused === 0; i++) if (/too much/.test((await purge({ tags: Array(30).fill('flood') })).text)) refused++
	assert.equal(refused, 1, 'a routine does not flood the table of purges')
})

test('cache.prefetch fills the cache of a site for clients', async t => {
	const origin = await startOrigin((req, res) => {
		if (req.url !== '/private') res.setHeader('cache-control', 'max-age=600')
		if (req.url === '/gone') res.statusCode = 404
		res.end(Buffer.alloc(req.url === '/large' ? 3e6 : 10, 'x'))
	})
	const node = await startNode({ routines: { shop: { source: purging, routes: ['shop.example/*'] } }, config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], origin: origin.url }] } })
	t.after(async () => {
		await node.stop()
		await origin.close()
	})
	const ahead = async url => {
		const res = await raw.request(node.port, '/', { host: 'shop.example', headers: { 'x-prefetch': url } })
		return res.status === 200 ? JSON.parse(res.text) : res.text
	}
	assert.deepEqual(await ahead('http://shop.example/page'), { status: 200, hit: false, stored: true, why: null })
	assert.deepEqual(await ahead('http://shop.example/page'), { status: 200, hit: true, stored: true, why: null })
	assert.deepEqual(await ahead('http://shop.example/large'), { status: 200, hit: false, stored: true, why: null })
	assert.deepEqual(await ahead('http://shop.example/private'), { status: 200, hit: false, stored: false, why: 'no-lifetime' })
	assert.equal((await ahead('http://shop.example/gone')).status, 404)
	assert.equal((await ahead('http://elsewhere.example/')).status, 403)
	for (const target of ['/page', '/large']) assert.match((await raw.request(node.port, target, { host: 'shop.example' })).headers['cache-status'], /; hit;/)
})
