// Redirects that the node follows for a site: where to, what goes there, and what is stored.
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { makeCerts, startTls } from './lib/certs.mjs'
import { startOrigin, startRawOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const loopback = ['127.0.0.0/8']

/** A server of routes: {path: [status, fields] or text or a function}. */
async function origin(t, routes) {
	const o = await startOrigin((req, res) => {
		const it = routes[req.url] ?? [404, {}]
		if (typeof it === 'function') return it(req, res)
		if (typeof it === 'string') return res.writeHead(200, { 'cache-control': 'max-age=60' }).end(it)
		res.writeHead(...it).end('moved')
	})
	t.after(() => o.close())
	o.routes = routes
	return o
}

const to = (location, fields = {}, status = 302) => [status, { location, ...fields }]

function ends(t, node) {
	t.after(async () => {
		await node.stop()
		node.forget?.()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return node
}

const get = (node, target, more = {}) => raw.request(node.port, target, { host: 'shop.example', ...more })
const shop = (o, more = {}) => ({ name: 'shop', hosts: ['shop.example', '*.shop.example'], origin: { servers: [o.url], followRedirects: true, ...more } })

test('a redirect within the site is followed if the site says so, and the answer at its end is stored under the first URL', async t => {
	const o = await origin(t, { '/old': to('/b/new', { 'cache-control': 'max-age=60' }), '/b/new': to('../c?d', {}, 308), '/c?d': 'page', '/www': to('https://www.shop.example/host'), '/host': (req, res) => res.end(req.headers.host) })
	const node = ends(t, await startNode({ config: { threads: 1, sites: [shop(o), { hosts: ['plain.example'], origin: { servers: [o.url] } }] } }))
	for (let i = 0; i < 3; i++) {
		const res = await get(node, '/old')
		assert.deepEqual([res.status, res.text, res.headers.location], [200, 'page', undefined])
	}
	assert.deepEqual(o.requests.map(r => r.url), ['/old', '/b/new', '/c?d'])
	assert.match((await get(node, '/old')).headers['cache-status'] ?? 'hit', /hit/)
	assert.equal((await get(node, '/www')).text, 'www.shop.example')
	const head = await get(node, '/old', { method: 'HEAD' })
	assert.equal(head.status, 200)
	const res = await get(node, '/old', { host: 'plain.example' })
	assert.deepEqual([res.status, res.headers.location], [302, '/b/new'])
})

test('what is not safe, sets a cookie or only changes the scheme is the client\'s to follow', async t => {
	const o = await origin(t, { '/post': to('/x', {}, 307), '/cookie': to('/x', { 'set-cookie': 'a=b' }), '/tls': to('https://shop.example/tls', {}, 301), '/x': 'x', '/ftp': to('ftp://other.example/'), '/far': to('/rel/ftp'), '/rel/ftp': to('x', { 'set-cookie': 'a=b' }) })
	const node = ends(t, await startNode({ config: { threads: 1, sites: [shop(o)] } }))
	const says = async (target, more) => {
		const res = await get(node, target, more)
		return [res.status, res.headers.location]
	}
	assert.deepEqual(await says('/post', { method: 'POST', body: 'order' }), [307, '/x'])
	assert.deepEqual(await says('/cookie'), [302, '/x'])
	assert.deepEqual(await says('/tls'), [301, 'https://shop.example/tls'])
	assert.deepEqual(await says('/ftp'), [302, 'ftp://other.example/'])
	// The client knows its own URL alone.
	assert.deepEqual(await says('/far'), [302, 'http://shop.example/rel/x'])
	assert.ok(!o.requests.some(r => r.url === '/x'))
})

test('a foreign host is asked if the guard lets it, and gets nothing that is the site\'s', async t => {
	const foreign = await origin(t, { '/f': (req, res) => res.writeHead(200, { 'set-cookie': 'evil=1', 'cache-control': 'max-age=60' }).end('foreign'), '/back': to('http://shop.example/end') })
	const o = await origin(t, { '/a': to(`http://user:pw@127.0.0.1:${foreign.port}/f`, { 'cache-control': 'max-age=60' }), '/b': to(`//127.0.0.1:${foreign.port}/back`), '/end': (req, res) => res.setHeader('cache-control', 'no-store').end(JSON.stringify([req.headers.cookie ?? '-', req.headers['x-key']])) })
	const site = { ...shop(o, { headers: { 'X-Key': 's3cret' }, private: true }) }
	const node = ends(t, await startNode({ config: { threads: 1, routineAddresses: loopback, sites: [site, { ...site, name: 'strict', hosts: ['strict.example'], origin: { ...site.origin, private: false } }] } }))
	const headers = { cookie: 'session=1', authorization: 'Bearer x' }
	for (let i = 0; i < 2; i++) {
		const res = await get(node, '/a')
		assert.deepEqual([res.status, res.text, res.headers['set-cookie']], [200, 'foreign', undefined])
	}
	assert.equal(foreign.requests.length, 1, 'what a foreign host says is stored as well')
	assert.equal((await get(node, '/b', { headers })).text, '["-","s3cret"]')
	for (const r of foreign.requests) {
		for (const name of ['cookie', 'authorization', 'x-key', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']) assert.equal(r.headers[name], undefined, name)
		assert.equal(r.headers.host, `127.0.0.1:${foreign.port}`)
		assert.match(r.headers.via, /edgeroutine/)
	}
	assert.equal(o.requests[0].headers['x-key'], 's3cret')
	const res = await get(node, '/a', { host: 'strict.example' })
	assert.equal(res.status, 502)
	assert.match(res.headers['er-error'], /^refused-address/)
	assert.match(res.text, /The origin of the site strict redirects there\. If that is meant/)
})

test('an origin cannot send the node where only the node may go', async t => {
	const node = ends(t, await startStore({ config: { threads: 1, sites: [] } }))
	const places = ['http://169.254.169.254/latest/meta-data/', `http://127.0.0.1:${node.adminPort}/metrics`, `http://localhost:${node.adminPort}/metrics`, `http://[::ffff:127.0.0.1]:${node.adminPort}/metrics`, `http://0x7f000001:${node.adminPort}/`, 'http://10.0.0.1/', 'http://[fd00::1]/', `http://127.0.0.1:${node.port}/`, 'http://93.184.216.34:25/']
	const o = await origin(t, Object.fromEntries(places.map((p, i) => [`/${i}`, to(p)])))
	o.routes['/unix'] = to(`unix:${node.ready.socket}`)
	const other = ends(t, await startNode({ config: { threads: 1, sites: [shop(o)] } }))
	for (const [i, place] of places.entries()) {
		const res = await get(other, `/${i}`)
		assert.equal(res.status, 502, place)
		assert.match(res.headers['er-error'], /^refused-(address|port)/, `${place}: ${res.text}`)
		assert.doesNotMatch(res.text, /er_requests/)
	}
	assert.equal((await get(other, '/unix')).status, 302)
})

test('a way without an end has one: so many redirects, and then an answer that says so', async t => {
	const foreign = await origin(t, {})
	const o = await origin(t, { '/loop': to('/loop'), '/ping': to(`http://127.0.0.1:${foreign.port}/pong`), '/two': to('/one'), '/one': to('/end'), '/end': 'end' })
	foreign.routes['/pong'] = to('http://shop.example/ping')
	const node = ends(t, await startNode({ config: { threads: 1, routineAddresses: loopback, sites: [shop(o, { private: true }), { name: 'few', hosts: ['few.example'], cache: false, origin: { servers: [o.url], followRedirects: 1 } }] } }))
	for (const [target, asked] of [['/loop', 6], ['/ping', 6]]) {
		o.requests.length = foreign.requests.length = 0
		const res = await get(node, target)
		assert.equal(res.status, 502)
		assert.match(res.headers['er-error'], /^bad-response/)
		assert.match(res.text, /The origin of the site shop redirects more than 5 times/)
		assert.equal(o.requests.length + foreign.requests.length, asked)
	}
	assert.equal((await get(node, '/one', { host: 'few.example' })).text, 'end')
	assert.match((await get(node, '/two', { host: 'few.example' })).text, /more than 1 times/)
})

test('where a redirect leads may fail, and the server that redirects is not to blame', async t => {
	const resets = await startRawOrigin(s => s.once('data', () => s.resetAndDestroy()))
	t.after(() => resets.close())
	const o = await origin(t, { '/gone': to(`http://127.0.0.1:${resets.port}/`), '/fine': 'fine' })
	const node = ends(t, await startStore({ config: { threads: 1, routineAddresses: loopback, sites: [shop(o, { private: true, failures: 1, outMs: 60000 })] } }))
	for (let i = 0; i < 3; i++) {
		const res = await get(node, '/gone')
		assert.equal(res.status, 502)
		assert.match(res.text, /The origin of the site shop redirects there/)
	}
	const [server] = (await node.ok('GET', '/v1/sites/shop')).servers
	assert.deepEqual([server.state, server.failed], ['up', 0])
	assert.equal((await get(node, '/fine')).text, 'fine')
})

test('a redirect whose body comes late costs no connection, and one without an end does', async t => {
	const late = (req, res) => {
		res.writeHead(302, { location: '/end', 'content-type': 'text/html' })
		res.write('mo')
		setTimeout(() => res.end('ved'), 20)
	}
	const endless = (req, res) => {
		res.writeHead(302, { location: '/end' })
		const timer = setInterval(() => res.write('x'.repeat(16384)), 5)
		res.on('close', () => clearInterval(timer))
	}
	const o = await origin(t, { '/late': late, '/endless': endless, '/end': 'end' })
	let connections = 0, open = 0
	o.server.on('connection', s => (connections++, open++, s.on('close', () => open--)))
	const node = ends(t, await startNode({ config: { threads: 1, sites: [{ ...shop(o), cache: false }] } }))
	for (let i = 0; i < 10; i++) {
		assert.equal((await get(node, '/late')).text, 'end')
		await raw.sleep(40)
	}
	assert.ok(connections <= 3, `${connections} connections for ten redirects`)
	for (let i = 0; i < 3; i++) assert.equal((await get(node, '/endless')).text, 'end')
	await raw.until(() => open <= 3, { what: 'the end of bodies that nobody wants' })
})

test('an answer behind a redirect is stored no more freely than the redirect', async t => {
	const page = (req, res) => res.writeHead(200, { 'cache-control': 'max-age=60', 'cdn-cache-control': 'max-age=60' }).end(`${req.url} ${req.headers['accept-language'] ?? '-'}`)
	const o = await origin(t, { '/mine': to('/page', { 'cache-control': 'private' }), '/page': page, '/de': page, '/en': page, '/lang': (req, res) => res.writeHead(302, { location: req.headers['accept-language'] === 'de' ? '/de' : '/en', vary: 'accept-language', 'cache-control': 'max-age=60' }).end() })
	const node = ends(t, await startNode({ config: { threads: 1, sites: [shop(o)] } }))
	for (let i = 0; i < 2; i++) assert.equal((await get(node, '/mine')).headers['cache-control'], 'max-age=0, no-store')
	assert.equal(o.requests.filter(r => r.url === '/mine').length, 2)
	for (let i = 0; i < 2; i++) for (const lang of ['de', 'en']) assert.match((await get(node, '/lang', { headers: { 'accept-language': lang } })).text, new RegExp(`^/${lang} `))
	assert.equal(o.requests.filter(r => r.url === '/lang').length, 2)
})

test('an answer behind a redirect is fresh no longer than the redirect, and one without a lifetime is asked each time', async t => {
	let version = 1
	const o = await origin(t, {
		'/latest': (req, res) => res.writeHead(302, { location: `/v${version}` }).end(),
		'/brief': (req, res) => res.writeHead(302, { location: `/v${version}`, 'cache-control': 'max-age=2' }).end(),
		'/moved': (req, res) => res.writeHead(301, { location: `/v${version}` }).end(),
		...Object.fromEntries([1, 2].map(v => [`/v${v}`, (req, res) => {
			res.setHeader('cache-control', 'public, max-age=31536000, immutable').setHeader('etag', `"${v}"`)
			if (req.headers['if-none-match'] === `"${v}"`) return res.writeHead(304).end()
			res.end(`version ${v}`)
		}])),
	})
	const node = ends(t, await startNode({ config: { threads: 1, sites: [shop(o)] } }))
	const says = async target => {
		const res = await get(node, target)
		return [res.text, res.headers['cache-control'], /; hit/.test(res.headers['cache-status'])]
	}
	const life = { '/latest': 0, '/brief': 2, '/moved': 31536000 }
	for (const [target, seconds] of Object.entries(life)) {
		const [text, control, hit] = await says(target)
		assert.deepEqual([text, hit], ['version 1', false], target)
		assert.match(control, new RegExp(`max-age=${seconds}\\b`), target)
		assert.match(control, /public.*immutable/)
	}
	assert.equal((await says('/moved'))[2], true)
	// It is stored all the same: its bytes are not sent again.
	const before = o.requests.length
	assert.equal((await says('/latest'))[0], 'version 1')
	assert.deepEqual(o.requests.slice(before).map(r => [r.url, r.headers['if-none-match']]), [['/latest', '"1"'], ['/v1', '"1"']])
	version = 2
	assert.equal((await says('/latest'))[0], 'version 2')
	await raw.until(async () => (await says('/brief'))[0] === 'version 2', { what: 'the end of a lifetime of two seconds' })
	assert.equal((await says('/moved'))[0], 'version 1')
})

test('a stored answer behind a redirect is validated where it lies, and parts of it are asked for there', async t => {
	const o = await origin(t, {
		'/old': to('/page', { 'cache-control': 'max-age=60' }),
		'/page': (req, res) => {
			res.setHeader('cache-control', 'max-age=0').setHeader('etag', '"1"')
			if (req.headers['if-none-match'] === '"1"') return res.writeHead(304).end()
			if (req.headers.range === 'bytes=1-2') return res.writeHead(206, { 'content-range': 'bytes 1-2/4' }).end('ag')
			res.end('page')
		},
	})
	const node = ends(t, await startNode({ config: { threads: 1, sites: [shop(o)] } }))
	const part = await get(node, '/old', { headers: { range: 'bytes=1-2' } })
	assert.deepEqual([part.status, part.text], [206, 'ag'])
	for (let i = 0; i < 3; i++) {
		const res = await get(node, '/old')
		assert.deepEqual([res.status, res.text], [200, 'page'])
	}
	const asked = o.requests.slice(-4).map(r => [r.url, r.headers['if-none-match']])
	assert.deepEqual(asked, [['/old', '"1"'], ['/page', '"1"'], ['/old', '"1"'], ['/page', '"1"']])
})

test('a foreign host over TLS is believed by the system\'s authorities, and is not shown the site\'s certificate; nothing of TLS goes on in the clear', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority'), clients = certs.ca('Clients'), system = certs.ca('System'), me = certs.leaf('me', { by: clients })
	const asks = { ca: clients.cert, requestCert: true, rejectUnauthorized: false }
	const foreign = await startTls(t, 'foreign', certs.leaf('foreign', { by: system, names: ['127.0.0.1'] }), asks)
	const stranger = await startTls(t, 'stranger', certs.leaf('stranger', { by: ca, names: ['127.0.0.1'] }), asks)
	const plain = await origin(t, { '/': 'plain' })
	const places = { '/foreign': `${foreign.url}/`, '/stranger': `${stranger.url}/`, '/plain': `${plain.url}/` }
	const o = await startTls(t, 'own', certs.leaf('own', { by: ca, names: ['127.0.0.1'] }), { ...asks, rejectUnauthorized: true }, (req, res) => (places[req.url] ? res.writeHead(302, { location: places[req.url] }).end() : res.end(`own ${req.socket.getPeerCertificate().subject.CN}`)))
	const node = ends(t, await startNode({ config: { threads: 1, routineAddresses: loopback, sites: [{ ...shop(o, { private: true, host: 'server', tls: { ca: ca.certFile, certificate: me.certFile, key: me.keyFile } }), cache: false }] }, env: { SSL_CERT_FILE: system.certFile } }))
	for (let i = 0; i < 2; i++) {
		assert.equal((await get(node, '/')).text, 'own me')
		assert.equal((await get(node, '/foreign')).text, 'foreign - -')
		const res = await get(node, '/stranger')
		assert.match(res.headers['er-error'], /^tls/)
		const clear = await get(node, '/plain')
		assert.deepEqual([clear.status, clear.headers.location], [302, `${plain.url}/`])
	}
	assert.equal(plain.requests.length, 0)
	assert.ok(foreign.requests.every(r => r.client === '-'))
})

test('how many redirects are followed is true, false or a number up to 10', async t => {
	const node = ends(t, await startStore({}))
	for (const [followRedirects, status] of [[true, 200], [false, 200], [0, 200], [10, 200], [11, 400], [-1, 400], [1.5, 400], ['5', 400], [null, 400]]) {
		const res = await node.api('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: { servers: ['http://a.example'], followRedirects } })
		assert.equal(res.status, status, String(followRedirects))
		if (status === 400) assert.equal(res.json.error.field, 'origin.followRedirects')
	}
})
