// Sites: which servers answer for a host, what happens when one is down or comes back, and who may
// say so.
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode, sanitized } from './lib/node.mjs'
import { api, startStore } from './lib/deploy.mjs'
import { startOrigin, startRawOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

/** Origins that say their name, the Host that they heard, and the target. */
async function origins(t, ...names) {
	const list = []
	for (const name of names) {
		const o = await startOrigin((req, res) => (o.handler ?? ((q, r) => r.end(`${name} ${q.headers.host} ${q.url}`)))(req, res))
		list.push(o)
		t.after(() => o.close())
	}
	return list
}

function ends(t, node) {
	t.after(async () => {
		await node.stop()
		node.forget?.()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return node
}

const get = (node, host, target = '/', more = {}) => raw.request(node.port, target, { host, ...more })

test('each host is answered by its own site: by its name before a wildcard, a longer wildcard before a shorter one, and what no site has by the node\'s origin', async t => {
	const [a, b, c, d] = await origins(t, 'a', 'b', 'c', 'd')
	const node = ends(t, await startNode({
		config: {
			origin: d.url,
			sites: [
				{ name: 'all', hosts: ['*.example'], origin: a.url },
				{ name: 'shops', hosts: ['*.shop.example', 'b\u00fccher.example'], origin: b.url },
				{ hosts: ['www.shop.example'], origin: { servers: [{ url: c.url }], host: 'inside.example', headers: { 'X-Key': 's3cret' } } },
			],
		},
	}))
	const says = async host => (await get(node, host, '/p?q')).text
	assert.equal(await says('x.example'), 'a x.example /p?q')
	assert.equal(await says('shop.example'), 'a shop.example /p?q')
	assert.equal(await says('x.shop.example'), 'b x.shop.example /p?q')
	assert.equal(await says('xn--bcher-kva.example'), 'b xn--bcher-kva.example /p?q')
	assert.equal(await says('WWW.shop.example.'), 'c inside.example /p?q')
	assert.equal(await says('other.test'), 'd other.test /p?q')
	assert.equal(c.requests[0].headers['x-key'], 's3cret')
	assert.equal(c.requests[0].headers['x-forwarded-host'], 'www.shop.example.')
})

test('a request that can be sent again is answered although a server is down, and that one is left alone until it is back', async t => {
	const [a, b] = await origins(t, 'a', 'b')
	const node = ends(t, await startStore({ config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], cache: false, origin: { servers: [a.url, b.url], failures: 3, outMs: 400, host: 'server' } }] } }))
	const server = async () => (await node.ok('GET', '/v1/sites/shop')).servers
	a.handler = (req, res) => res.writeHead(503).end('down')
	for (let i = 0; i < 30; i++) {
		const res = await get(node, 'shop.example')
		assert.equal(res.status, 200)
		assert.match(res.text, /^b /)
	}
	assert.equal((await server())[0].state, 'left alone')
	assert.ok(a.requests.length <= 5, `${a.requests.length} requests for a server that is down`)
	assert.match(node.log, /site shop: 127\.0\.0\.1:\d+ failed 3 times in a row and is left alone for 400 ms/)
	a.handler = undefined
	await raw.until(async () => /^a /.test((await get(node, 'shop.example')).text), { what: 'the server that is back' })
	await raw.until(() => /answers again/.test(node.log), { what: 'a word of it' })
	assert.equal((await server())[0].state, 'up')
	// What cannot be sent again is told of the failure.
	a.handler = b.handler = (req, res) => res.writeHead(503).end('down')
	const before = a.requests.length + b.requests.length
	assert.equal((await get(node, 'shop.example', '/', { method: 'POST', body: 'order' })).status, 503)
	assert.equal(a.requests.length + b.requests.length - before, 1)
})

test('a backup answers when no other server can, and weights share the requests', async t => {
	const [a, b, c] = await origins(t, 'a', 'b', 'c')
	const node = ends(t, await startNode({ config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], cache: false, origin: { servers: [{ url: a.url, weight: 3 }, b.url, { url: c.url, backup: true }], failures: 1, outMs: 60000, retries: 2 } }] } }))
	for (let i = 0; i < 40; i++) await get(node, 'shop.example')
	assert.ok(Math.abs(a.requests.length - 30) <= 2 && Math.abs(b.requests.length - 10) <= 2 && c.requests.length === 0, `${[a, b, c].map(o => o.requests.length)}`)
	await a.close()
	await b.close()
	for (let i = 0; i < 10; i++) assert.match((await get(node, 'shop.example')).text, /^c /)
})

test('a server that fails its health check is asked for nothing else, and comes back when it passes', async t => {
	const [a, b] = await origins(t, 'a', 'b')
	let well = true
	const health = name => (req, res) => (req.url === '/health' ? res.writeHead(name === 'a' && !well ? 500 : 204).end() : res.end(name))
	a.handler = health('a')
	b.handler = health('b')
	const node = ends(t, await startStore({ config: { sites: [{ name: 'shop', hosts: ['shop.example'], cache: false, origin: { servers: [a.url, b.url], health: { path: '/health', everyMs: 100, unhealthy: 2, healthy: 2 } } }] } }))
	const state = async () => (await node.ok('GET', '/v1/sites/shop')).servers.map(s => s.state)
	await raw.until(() => a.requests.some(r => r.url === '/health' && r.headers['user-agent'] === 'EdgeRoutine-health-check'), { what: 'the first check' })
	well = false
	await raw.until(async () => (await state())[0] === 'sick', { what: 'sickness' })
	for (let i = 0; i < 10; i++) assert.equal((await get(node, 'shop.example')).text, 'b')
	// A reload that changes nothing of the site keeps what is known of its servers.
	node.signal('SIGHUP')
	await raw.until(() => /reloaded/.test(node.log), { what: 'the reload' })
	assert.deepEqual(await state(), ['sick', 'up'])
	well = true
	await raw.until(async () => (await state())[0] === 'up', { what: 'health' })
	await raw.until(async () => (await get(node, 'shop.example')).text === 'a', { what: 'an answer of it' })
})

test('a server that does not answer in time is not waited for', async t => {
	const hangs = await startRawOrigin(() => {})
	t.after(() => hangs.close())
	const [b] = await origins(t, 'b')
	const node = ends(t, await startNode({ config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], origin: { servers: [hangs.url, { url: b.url, backup: true }], headMs: 200 } }, { name: 'alone', hosts: ['alone.example'], origin: { servers: [hangs.url], headMs: 200 } }] } }))
	assert.match((await get(node, 'shop.example')).text, /^b /)
	const res = await get(node, 'alone.example')
	assert.equal(res.status, 504)
	assert.match(res.text, /did not go on within 200 ms/)
})

test('sites are set, shown and removed by the control API while the node runs, and outlive it', async t => {
	const [a, b] = await origins(t, 'a', 'b')
	const config = { routineAddresses: ['127.0.0.0/8'], sites: [{ name: 'fixed', hosts: ['fixed.example'], origin: a.url }] }
	let node = await startStore({ config })
	const data = node.data
	const origin = url => ({ servers: [url], private: true })
	await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example', '*.shop.example'], origin: origin(a.url) })
	assert.equal((await get(node, 'www.shop.example')).text, 'a www.shop.example /')
	await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: origin(b.url) })
	assert.equal((await get(node, 'shop.example', '/2')).text, 'b shop.example /2')
	assert.equal((await get(node, 'www.shop.example')).status, 404)
	const all = (await node.ok('GET', '/v1/sites')).items
	assert.deepEqual(all.map(s => [s.name, s.source, s.hosts, s.servers[0].url]), [['fixed', 'file', ['fixed.example'], a.url], ['shop', 'store', ['shop.example'], b.url]])
	const explained = await node.ok('GET', '/v1/explain?url=https://shop.example/2')
	assert.deepEqual([explained.site, explained.servers.map(s => s.url), explained.routine], ['shop', [b.url], undefined])
	assert.equal(explained.cache.key, 'shop https  shop.example/2')
	await node.stop()
	node = ends(t, await startStore({ config, data }))
	assert.equal((await get(node, 'shop.example', '/3')).text, 'b shop.example /3')
	await node.ok('DELETE', '/v1/sites/shop')
	assert.equal((await get(node, 'shop.example')).status, 404)
	assert.equal((await node.api('DELETE', '/v1/sites/shop')).status, 404)
	assert.deepEqual((await node.ok('GET', '/v1/audit?after=0')).items.map(r => r.kind), ['site-set', 'site-set', 'site-delete'])
})

test('a site of the API reaches private addresses only with both consents, and the refusal names the remedy', async t => {
	const [a] = await origins(t, 'a')
	const node = ends(t, await startStore({}))
	await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: a.url })
	for (const site of [{ origin: a.url }, { origin: { servers: [a.url], private: true } }]) {
		await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], ...site })
		const res = await get(node, 'shop.example')
		assert.equal(res.status, 502)
		assert.match(res.text, /origin 127\.0\.0\.1:\d+ of the site shop has a private address\. If that is meant, say "private": true in the site's origin, and name the address in "routineAddresses" of node\.jsonc/)
	}
	assert.equal(a.requests.length, 0)
})

test('what is no site is refused with the field and what was expected, in the API and in node.jsonc', async t => {
	const node = ends(t, await startStore({ config: { sites: [{ name: 'fixed', hosts: ['fixed.example'], origin: 'http://a.example' }] } }))
	await node.ok('PUT', '/v1/sites/other', { hosts: ['other.example'], origin: 'http://a.example' })
	const ok = { hosts: ['shop.example'], origin: 'http://a.example' }
	const bad = [
		[{ origin: 'http://a.example' }, /"hosts" is missing/],
		[{ hosts: ['shop.example'] }, /"origin" is missing/],
		[{ ...ok, hosts: [] }, /"hosts" has 0 elements/],
		[{ ...ok, hosts: ['shop.example/a'] }, /"hosts\[0\]": a host, "\*\." and a host, or "\*" is expected/],
		[{ ...ok, hosts: ['a.*.b'] }, /hosts\[0\]/],
		[{ ...ok, origin: 'ftp://a.example' }, /"origin": "ftp:..a.example" is not an origin/],
		[{ ...ok, origin: 'http://a.example/path' }, /without a path/],
		[{ ...ok, origin: { servers: [] } }, /"origin.servers" has 0 elements/],
		[{ ...ok, origin: { servers: [{ url: 'http://a.example', backup: true }] } }, /at least one server that is not a backup/],
		[{ ...ok, origin: { servers: ['http://a.example'], weights: 3 } }, /"origin.weights" is not known here/],
		[{ ...ok, origin: { servers: ['http://a.example'], headers: { Host: 'x' } } }, /origin.headers.Host/],
		[{ ...ok, origin: { servers: ['http://a.example'], headers: { 'x-a': 'a\nb' } } }, /origin.headers.x-a/],
		[{ ...ok, origin: { servers: ['http://a.example'], health: { path: 'health' } } }, /"origin.health.path": a path/],
		[{ ...ok, origin: { servers: ['http://a.example'], host: 'a b' } }, /"client", "server" or a host/],
		[{ ...ok, cache: { compress: 'gzip' } }, /"cache.compress": true, false, or a list of "br", "zstd" and "gzip" is expected/],
		[{ ...ok, cache: { compress: [] } }, /"cache.compress"/],
		[{ ...ok, cache: { compress: ['br', 'deflate'] } }, /"cache.compress\[1\]": "br", "zstd" or "gzip" is expected/],
		[{ ...ok, name: 'x' }, /"name" is not "shop"/],
		[{ ...ok, hosts: ['fixed.example'] }, /host fixed.example is the site fixed's already/],
		[{ ...ok, hosts: ['shop.example', 'OTHER.example'] }, /host other.example is the site other's already/],
	]
	for (const [body, expected] of bad) {
		const res = await node.api('PUT', '/v1/sites/shop', body)
		assert.match(res.json?.error?.message ?? '', expected, JSON.stringify(body))
		assert.equal(res.status, 400)
	}
	assert.match((await node.api('PUT', '/v1/sites/fixed', ok)).json.error.message, /node\.jsonc's: it is changed there/)
	assert.equal((await node.api('PUT', '/v1/sites/A_b', ok)).status, 400)
	assert.deepEqual((await node.ok('GET', '/v1/sites')).items.map(s => s.name), ['fixed', 'other'])
	// In the file: at its line and column, and the old configuration stays.
	const file = path.join(node.dir, 'node.jsonc')
	const config = JSON.parse(fs.readFileSync(file))
	config.sites.push({ name: 'two', hosts: ['fixed.example'], origin: 'http://a.example' })
	fs.writeFileSync(file, JSON.stringify(config))
	node.signal('SIGHUP')
	await raw.until(() => /not reloaded/.test(node.log), { what: 'the refusal' })
	assert.match(node.log, /node\.jsonc:1:\d+: site two: the host fixed\.example is the site fixed's already/)
})

test('one tag of one site is purged, and the same tag of another site stays', async t => {
	const [a, b] = await origins(t, 'a', 'b')
	for (const o of [a, b]) o.handler = (req, res) => res.setHeader('cache-control', 'max-age=600').setHeader('cache-tag', 'page').end('page')
	const node = ends(t, await startStore({ config: { sites: [{ name: 'one', hosts: ['one.example'], origin: a.url }, { name: 'two', hosts: ['two.example'], origin: b.url }] } }))
	const both = async () => {
		const hits = []
		for (const host of ['one.example', 'two.example']) hits.push(/; hit;/.test((await get(node, host)).headers['cache-status']))
		return hits
	}
	await both()
	assert.deepEqual(await both(), [true, true])
	await node.ok('POST', '/v1/purge', { tags: ['page'], site: 'one' })
	assert.deepEqual(await both(), [false, true])
	await node.ok('POST', '/v1/purge', { site: 'two' })
	assert.deepEqual(await both(), [true, false])
	await node.ok('POST', '/v1/purge', { tags: ['page'] })
	assert.deepEqual(await both(), [false, false])
})

test('requests under way end well while their site is changed and removed', { skip: sanitized && 'timing' }, async t => {
	const waiting = []
	const [a] = await origins(t, 'a')
	a.handler = (req, res) => waiting.push(res)
	const node = ends(t, await startStore({ config: { routineAddresses: ['127.0.0.0/8'], threads: 2 } }))
	const site = more => node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], cache: false, origin: { servers: [a.url], private: true, ...more } })
	await site({})
	const asked = Array.from({ length: 8 }, (_, i) => get(node, 'shop.example', `/${i}`))
	await raw.until(() => waiting.length === 8, { what: 'all questions' })
	for (let i = 1; i <= 5; i++) await site({ retries: i % 3 })
	await node.ok('DELETE', '/v1/sites/shop')
	for (const res of waiting) res.end('well')
	for (const res of await Promise.all(asked)) assert.equal(res.text, 'well')
})

test('the rules of a site say what is in the key, for how long answers are good and what passes by; a URL is purged in all its keys', async t => {
	const [a] = await origins(t, 'a')
	a.handler = (req, res) => res.setHeader('x-device', req.headers['er-device'] ?? '').end(`${req.url} ${a.requests.length}`)
	const node = ends(t, await startStore({
		config: {
			threads: 2,
			sites: [{
				name: 'shop',
				hosts: ['shop.example'],
				origin: a.url,
				cache: { query: { except: ['utm_*'] }, sortQuery: true, cookies: ['currency'], device: true, ttl: [{ path: '/static/*', seconds: 600 }], bypassCookies: ['session*'] },
			}],
		},
	}))
	const look = async (target, headers) => {
		const res = await get(node, 'shop.example', target, { headers })
		return { word: /hit|bypass|uri-miss/.exec(res.headers['cache-status'])[0], text: res.text, device: res.headers['x-device'] }
	}
	assert.deepEqual(await look('/static/a?b=2&utm_source=x&a=1'), { word: 'uri-miss', text: '/static/a?a=1&b=2 1', device: 'desktop' })
	assert.equal((await look('/static/a?a=1&b=2&utm_medium=y', { cookie: 'other=1' })).word, 'hit')
	assert.equal((await look('/static/a?a=1&b=2', { cookie: 'currency=eur' })).word, 'uri-miss')
	assert.equal((await look('/static/a?b=2&a=1', { cookie: 'x=1; currency=eur' })).word, 'hit')
	assert.equal((await look('/static/a?a=1&b=2', { 'user-agent': 'iPhone' })).device, 'mobile')
	assert.equal((await look('/static/a?a=1&b=2', { cookie: 'session_id=1' })).word, 'bypass')
	assert.equal((await look('/page')).word, 'uri-miss')
	assert.equal((await look('/page')).word, 'uri-miss', 'no lifetime, no rule')
	assert.equal((await look('/static/a?a=1', { 'er-device': 'tablet' })).device, 'desktop', 'a client does not say it')
	const explained = await node.ok('GET', `/v1/explain?url=${encodeURIComponent('http://shop.example/static/a?utm_x=1&b=2&a=1')}`)
	assert.deepEqual(explained.cache.stored.map(s => s.parts).sort(), [['device=desktop'], ['device=mobile'], ['cookie currency=eur', 'device=desktop']].sort())
	await node.ok('POST', '/v1/purge', { urls: ['https://shop.example/static/a?utm_source=zzz&b=2&a=1'] })
	assert.equal((await look('/static/a?a=1&b=2')).word, 'uri-miss')
	assert.equal((await look('/static/a?a=1&b=2', { cookie: 'currency=eur' })).word, 'uri-miss')
})

test('what a site sends to its servers is shown to who may change it, and to nobody else', async t => {
	const [o] = await origins(t, 'one')
	const node = ends(t, await startStore({ config: { threads: 1, routineAddresses: ['127.0.0.0/8'], sites: [{ name: 'file', hosts: ['file.example'], origin: { servers: [o.url], headers: { 'X-Key': 'of-the-file' } } }] } }))
	const settings = { hosts: ['shop.example'], origin: { servers: [o.url], private: true, headers: { Authorization: 'Bearer s3cret', 'X-Empty': '' }, retries: 2 } }
	await node.ok('PUT', '/v1/sites/shop', settings)
	await node.ok('PUT', '/v1/sites/plain', { hosts: ['plain.example'], origin: 'https://origin.example' })
	const tokens = {}
	for (const role of ['read', 'deploy', 'admin']) tokens[role] = (await node.ok('POST', '/v1/tokens', { name: role, role })).token
	for (const [role, token] of Object.entries(tokens)) {
		const get = target => api(node.adminPort, 'GET', target, undefined, { headers: { authorization: `Bearer ${token}` } })
		for (const target of ['/v1/sites', '/v1/sites/shop', '/v1/sites/file', '/v1/explain?url=http://shop.example/', '/v1/status']) {
			const res = await get(target)
			assert.equal(res.status, 200)
			if (role !== 'admin') assert.doesNotMatch(res.text, /s3cret|of-the-file/, `${role} ${target}`)
		}
		const shown = (await get('/v1/sites/shop')).json.settings
		assert.deepEqual(shown, role === 'admin' ? settings : { ...settings, origin: { ...settings.origin, headers: { Authorization: null, 'X-Empty': null } } })
		assert.deepEqual((await get('/v1/sites/plain')).json.settings, { hosts: ['plain.example'], origin: 'https://origin.example' })
		// What an administrator was shown can be sent back; what was hidden is no value.
		const back = await node.api('PUT', '/v1/sites/shop', shown)
		assert.equal(back.status, role === 'admin' ? 200 : 400)
		if (role !== 'admin') assert.match(back.json.error.message, /value of a field, as a string/)
	}
	assert.deepEqual((await node.ok('GET', '/v1/sites/shop')).settings, settings)
})

test('a site that is made anew under the name of one before has nothing of what that stored, in memory and in a file, also after restarts', async t => {
	const [a, b] = await origins(t, 'a', 'b')
	for (const [name, o] of [['a', a], ['b', b]]) o.handler = (req, res) => res.setHeader('cache-control', 'max-age=1000').end(`${name} ${req.url}`)
	const disk = fs.mkdtempSync('/tmp/er-site-cache-')
	t.after(() => fs.rmSync(disk, { recursive: true }))
	// memory has room for a few of these: the others lie in the file
	const config = { threads: 1, routineAddresses: ['127.0.0.0/8'], cache: { memoryMb: 1, disk: [{ path: path.join(disk, 'cache'), sizeMb: 64 }] } }
	let node = await startStore({ config })
	t.after(async () => {
		await node.stop()
		node.forget()
	})
	const restart = async () => {
		await node.stop()
		node = await startStore({ config, data: node.data })
	}
	const set = o => node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: { servers: [o.url], private: true } })
	const says = async () => [...new Set(await Promise.all(Array.from({ length: 20 }, async (_, i) => (await get(node, 'shop.example', `/${i}`)).text[0])))]
	await set(a)
	assert.deepEqual(await says(), ['a'])
	await set(a) // the same once more, and other settings, leave what is stored
	await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example', 'more.example'], origin: { servers: [a.url], private: true } })
	const asked = a.requests.length
	assert.deepEqual(await says(), ['a'])
	assert.equal(a.requests.length, asked)
	await node.ok('DELETE', '/v1/sites/shop')
	await set(b)
	assert.deepEqual(await says(), ['b'])
	await node.ok('DELETE', '/v1/sites/shop')
	await restart()
	await set(a)
	assert.deepEqual(await says(), ['a'])
	await restart()
	const before = a.requests.length
	assert.deepEqual(await says(), ['a'])
	assert.ok(a.requests.length <= before + 20)
})
