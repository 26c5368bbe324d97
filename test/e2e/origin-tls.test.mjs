// TLS towards the servers of a site: whom a site believes, who it is, and what is said when a
// handshake goes wrong. The servers are node's own, with certificates that the test makes.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import https from 'node:https'
import path from 'node:path'
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { makeCerts, startTls } from './lib/certs.mjs'
import { startRawOrigin } from './lib/origin.mjs'
import { tool } from './lib/tool.mjs'
import * as raw from './lib/raw.mjs'

const loopback = ['127.0.0.0/8']

function ends(t, node) {
	t.after(async () => {
		await node.stop()
		node.forget?.()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
		assert.doesNotMatch(node.log, /PRIVATE KEY/)
	})
	return node
}

const get = (node, host, target = '/', more = {}) => raw.request(node.port, target, { host, ...more })
/** A site without a cache, with a server that is named by its certificate. */
const site = (url, tls, more = {}) => ({ cache: false, origin: { servers: [url], sni: 'origin.test', private: true, ...(tls ? { tls } : {}), ...more } })

test('a site believes the authority that it names instead of the system\'s, and no other site does', async t => {
	const certs = makeCerts(t)
	const a = certs.ca('Authority-A'), b = certs.ca('Authority-B')
	const serverA = await startTls(t, 'A', certs.leaf('a', { by: a, names: ['origin.test'] }))
	const serverB = await startTls(t, 'B', certs.leaf('b', { by: b, names: ['origin.test'] }))
	const node = ends(t, await startStore({ config: { threads: 1, routineAddresses: loopback, log: 'text' }, env: { SSL_CERT_FILE: b.certFile } }))
	const put = (name, s) => node.ok('PUT', `/v1/sites/${name}`, { hosts: [`${name}.example`], ...s })
	await put('one', site(serverA.url, { ca: a.cert }))
	await put('two', site(serverA.url)) // the system's authorities: B
	await put('three', site(serverB.url, { ca: a.cert }))
	await put('four', site(serverB.url))
	await put('both', site(serverB.url, { ca: `# a bundle\n${a.cert}\nfor people\n${b.cert}` }))
	for (let i = 0; i < 2; i++) {
		assert.equal((await get(node, 'one.example')).text, 'A origin.test -')
		for (const [host, word] of [['two.example', 'certificate-unknown'], ['three.example', 'certificate-unknown']]) {
			const res = await get(node, host)
			assert.equal(res.status, 502)
			assert.match(res.headers['er-error'], new RegExp(`^tls; host=.*; reason=${word}$`))
			assert.match(res.text, /origin\.test: its certificate is signed by an authority that is not believed/)
		}
		assert.equal((await get(node, 'four.example')).text, 'B origin.test -')
		assert.equal((await get(node, 'both.example')).text, 'B origin.test -')
	}
	assert.equal(serverA.connections, 1, 'the connection of site one was used again, and never by another')
	const shown = await node.ok('GET', '/v1/sites/both')
	assert.deepEqual(shown.tls.ca.map(c => c.subject), ['CN=Authority-A', 'CN=Authority-B'])
	assert.match(shown.tls.ca[0].until, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

test('a certificate that is wrong is told by its reason, to the client, in the log and of the server', async t => {
	const certs = makeCerts(t)
	const a = certs.ca('Authority-A')
	const own = certs.selfSigned('self', ['origin.test'])
	const servers = {
		'certificate-expired': await startTls(t, 'x', certs.leaf('old', { by: a, names: ['origin.test'], ends: '20210101000000Z' })),
		'certificate-name': await startTls(t, 'x', certs.leaf('other', { by: a, names: ['other.test'] })),
		'certificate-self-signed': await startTls(t, 'x', own),
		// What a server of TLS 1.1 says: the alert protocol_version.
		protocol: await startRawOrigin(s => s.once('data', () => s.end(Buffer.from('15030100020246', 'hex')))),
		handshake: await startRawOrigin(s => s.once('data', () => s.destroy())),
	}
	t.after(() => Promise.all([servers.protocol.close(), servers.handshake.close()]))
	for (const s of Object.values(servers)) s.url = s.url.replace('http:', 'https:')
	// An HTTP server without TLS.
	const plain = await startRawOrigin(s => s.once('data', () => s.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
	t.after(() => plain.close())
	servers['protocol '] = { url: plain.url.replace('http:', 'https:') }
	const sites = Object.entries(servers).map(([word, s], i) => ({ name: `s${i}`, hosts: [`s${i}.example`], ...site(s.url, { ca: a.cert }) }))
	const node = ends(t, await startStore({ config: { threads: 1, sites } }))
	const texts = [/has expired/, /is not for this name/, /signed by itself; if it is the right one, name it as the site's "ca"/, /speaks no version of TLS from 1\.2 on/, /broke off the TLS handshake/, /does not speak TLS on this port/]
	for (const [i, word] of Object.keys(servers).entries()) {
		const res = await get(node, `s${i}.example`)
		assert.deepEqual([res.status, res.headers['er-error'].split('; ')], [502, ['tls', 'host=origin.test', `reason=${word.trim()}`]], res.text)
		assert.match(res.text, texts[i])
		assert.doesNotMatch(res.text, /error:0A|SSL routines/)
		const [server] = (await node.ok('GET', `/v1/sites/s${i}`)).servers
		assert.equal(server.failed, 1)
		assert.match(server.lastFailure.text, texts[i])
		assert.equal(server.lastFailure.kind, 'tls')
	}
	assert.match(node.log, /127\.0\.0\.1:\d+ failed \(tls, request [0-9a-f]+\): origin\.test: its certificate, or one above it, has expired/)
	const explained = await node.ok('GET', '/v1/explain?url=https://s1.example/')
	assert.match(explained.servers[0].lastFailure.text, texts[1])
	// The certificate itself may be named, and then is believed.
	await node.ok('PUT', '/v1/sites/pinned', { hosts: ['pinned.example'], ...site(servers['certificate-self-signed'].url, { ca: own.cert }) })
	const res = await get(node, 'pinned.example')
	assert.equal(res.status, 502)
	assert.match(res.text, /has a private address/)
})

test('a self-signed certificate that a site names is believed', async t => {
	const certs = makeCerts(t)
	const own = certs.selfSigned('self', ['origin.test']), stranger = certs.selfSigned('stranger', ['origin.test'])
	const good = await startTls(t, 'good', own), bad = await startTls(t, 'bad', stranger)
	const node = ends(t, await startNode({ config: { threads: 1, sites: [{ hosts: ['a.example'], ...site(good.url, { ca: own.cert }) }, { hosts: ['b.example'], ...site(bad.url, { ca: own.cert }) }] } }))
	assert.equal((await get(node, 'a.example')).text, 'good origin.test -')
	assert.match((await get(node, 'b.example')).headers['er-error'], /reason=certificate-self-signed/)
})

test('an authority between is enough for a site that names it, and a chain that the server does not send is missed', async t => {
	const certs = makeCerts(t)
	const root = certs.ca('Root'), between = certs.leaf('Between', { by: root, authority: true })
	const leaf = certs.leaf('leaf', { by: between, names: ['origin.test'] })
	const bare = await startTls(t, 'bare', leaf), chained = await startTls(t, 'chained', { cert: leaf.cert + between.cert, key: leaf.key })
	const sites = [[bare, between], [chained, root], [bare, root]].map(([server, ca], i) => ({ hosts: [`s${i}.example`], ...site(server.url, { ca: ca.certFile }) }))
	const node = ends(t, await startNode({ config: { threads: 1, sites } }))
	assert.equal((await get(node, 's0.example')).text, 'bare origin.test -')
	assert.equal((await get(node, 's1.example')).text, 'chained origin.test -')
	const res = await get(node, 's2.example')
	assert.match(res.headers['er-error'], /reason=certificate-unknown/)
	assert.match(res.text, /or the server does not send the certificates between/)
})

test('a server of TLS 1.2 that asks for a certificate says in the handshake that it does not take what it got', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority'), clients = certs.ca('Clients'), me = certs.leaf('me', { by: clients })
	const server = await startTls(t, 'S', certs.leaf('s', { by: ca, names: ['origin.test'] }), { ca: clients.cert, requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' })
	const sites = [{}, { certificate: me.certFile, key: me.keyFile }].map((tls, i) => ({ hosts: [`s${i}.example`], ...site(server.url, { ca: ca.certFile, ...tls }) }))
	const node = ends(t, await startNode({ config: { threads: 1, sites } }))
	for (let i = 0; i < 2; i++) {
		assert.equal((await get(node, 's1.example')).text, 'S origin.test me')
		const res = await get(node, 's0.example')
		assert.deepEqual([res.status, res.headers['er-error'].split(';')[0]], [502, 'tls'], res.text)
		assert.match(res.headers['er-error'], /reason=(client-certificate|handshake)$/)
	}
	assert.deepEqual([...new Set(server.requests.map(r => r.client))], ['me'])
})

test('a server that asks for a certificate again, on connections that were used before, ends nothing but them', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority')
	const leaf = certs.leaf('s', { by: ca, names: ['origin.test'] })
	let asks = false, asked = 0
	const server = https.createServer({ key: leaf.key, cert: leaf.cert, maxVersion: 'TLSv1.2' }, (req, res) => {
		if (!asks) return setTimeout(() => res.end('good'), 50)
		asked++
		req.socket.renegotiate({ requestCert: true, rejectUnauthorized: false }, () => {})
		setTimeout(() => res.end('late'), 200)
	})
	server.on('tlsClientError', () => {})
	server.on('connection', s => s.on('error', () => {}))
	await new Promise(f => server.listen(0, '127.0.0.1', f))
	t.after(() => (server.closeAllConnections(), server.close()))
	const node = ends(t, await startNode({ config: { threads: 1, sites: [{ hosts: ['a.example'], ...site(`https://127.0.0.1:${server.address().port}`, { ca: ca.cert }) }] } }))
	for (let round = 0; round < 5; round++) {
		asks = false
		for (const res of await Promise.all([1, 2, 3].map(() => get(node, 'a.example')))) assert.equal(res.text, 'good')
		asks = true
		for (const res of await Promise.all([1, 2, 3].map(() => get(node, 'a.example')))) assert.ok([200, 502].includes(res.status), `${res.status}`)
	}
	assert.ok(asked > 0)
	asks = false
	assert.equal((await get(node, 'a.example')).text, 'good')
})

for (const h2 of [false, true]) {
	test(`a server that asks for a certificate gets the site's, and no other site has its connection (${h2 ? 'HTTP/2' : 'HTTP/1.1'})`, async t => {
		const certs = makeCerts(t)
		const ca = certs.ca('Authority'), clients = certs.ca('Clients'), others = certs.ca('Others')
		const server = await startTls(t, 'S', certs.leaf('s', { by: ca, names: ['origin.test'] }), { http2: h2, ca: clients.cert, requestCert: true, rejectUnauthorized: true })
		const alice = certs.leaf('alice', { by: clients }), bob = certs.leaf('bob', { by: clients }), mallory = certs.leaf('mallory', { by: others })
		const node = ends(t, await startStore({ config: { threads: 1, routineAddresses: loopback } }))
		const put = (name, tls) => node.ok('PUT', `/v1/sites/${name}`, { hosts: [`${name}.example`], ...site(server.url, { ca: ca.cert, ...tls }) })
		await put('alice', { certificate: alice.cert, key: alice.key })
		await put('bob', { certificate: bob.cert, key: bob.key })
		await put('mallory', { certificate: mallory.cert, key: mallory.key })
		await put('nobody', {})
		for (let i = 0; i < 3; i++) {
			assert.equal((await get(node, 'alice.example')).text, 'S origin.test alice')
			assert.equal((await get(node, 'bob.example')).text, 'S origin.test bob')
			for (const name of ['nobody', 'mallory']) {
				const res = await get(node, `${name}.example`)
				assert.equal(res.status, 502, `${name}: ${res.text}`)
				assert.match(res.headers['er-error'], /^tls; .*reason=(client-certificate|handshake)$/, res.text)
			}
		}
		if (h2) assert.ok(server.requests.every(r => r.version === '2.0'))
		assert.equal(server.requests.filter(r => r.client === 'alice').length, 3)
		// The key is nowhere but in the store, encrypted.
		const secret = alice.key.split('\n')[1]
		for (const target of ['/v1/sites', '/v1/sites/alice', '/v1/audit?after=0', '/v1/explain?url=http://alice.example/']) {
			const res = await node.api('GET', target)
			assert.equal(res.status, 200)
			assert.doesNotMatch(res.text, /PRIVATE KEY/)
			assert.ok(!res.text.includes(secret), target)
		}
		const shown = await node.ok('GET', '/v1/sites/alice')
		assert.deepEqual(shown.tls.certificate.map(c => c.subject), ['CN=alice'])
		assert.equal(shown.settings.origin.tls.certificate, alice.cert)
		assert.equal(shown.settings.origin.tls.key, undefined)
		// What was shown can be sent back: the site keeps its key.
		await node.ok('PUT', '/v1/sites/alice', shown.settings)
		assert.equal((await get(node, 'alice.example')).text, 'S origin.test alice')
		for (const file of fs.readdirSync(node.data)) {
			// the cache's file is gigabytes
			const stat = fs.statSync(path.join(node.data, file))
			if (!stat.isFile() || stat.size > 64 * 1024 * 1024) continue
			const bytes = fs.readFileSync(path.join(node.data, file))
			assert.ok(!bytes.includes(secret) && !bytes.includes('PRIVATE KEY'), file)
		}
	})
}

test('a site\'s certificate outlives the node, a new key of the secrets, and is another one from the moment on that it is set', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority'), clients = certs.ca('Clients'), second = certs.ca('Second')
	const names = ['origin.test']
	const server = await startTls(t, 'S', certs.leaf('s', { by: ca, names }), { ca: clients.cert, requestCert: true, rejectUnauthorized: false })
	const one = certs.leaf('one', { by: clients }), two = certs.leaf('two', { by: clients })
	const config = { threads: 1, routineAddresses: loopback }
	let node = await startStore({ config })
	const data = node.data
	const put = tls => node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], ...site(server.url, { ca: ca.cert, ...tls }) })
	await put({ certificate: one.cert, key: one.key })
	assert.equal((await get(node, 'shop.example')).text, 'S origin.test one')
	await node.stop()
	node = await startStore({ config, data })
	assert.equal((await get(node, 'shop.example')).text, 'S origin.test one')
	assert.equal((await node.ok('POST', '/v1/rotate-key', {})).secrets, 1)
	await node.stop()
	node = ends(t, await startStore({ config, data }))
	assert.equal((await get(node, 'shop.example')).text, 'S origin.test one')
	const before = server.connections
	await put({ certificate: two.cert, key: two.key })
	assert.equal((await get(node, 'shop.example')).text, 'S origin.test two')
	await put({})
	assert.equal((await get(node, 'shop.example')).text, 'S origin.test -')
	assert.equal(server.connections - before, 2)
	// An authority that is not believed any more: the open connection is no way round.
	await put({ ca: second.cert })
	assert.match((await get(node, 'shop.example')).headers['er-error'], /reason=certificate-unknown/)
	await put({ certificate: one.cert, key: one.key })
	assert.equal((await get(node, 'shop.example')).text, 'S origin.test one')
})

test('what is no certificate, no key, or not its key is refused with what is wrong, and nothing of a key is repeated', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority'), one = certs.leaf('one', { by: ca }), two = certs.leaf('two', { by: ca })
	const old = certs.leaf('old', { by: ca, ends: '20210101000000Z' })
	const encrypted = execFileSync('openssl', ['pkey', '-in', one.keyFile, '-aes256', '-passout', 'pass:x'], { encoding: 'utf8' })
	execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-days', '9', '-subj', '/CN=short', '-keyout', path.join(certs.dir, 'short.key'), '-out', path.join(certs.dir, 'short.pem')], { stdio: 'ignore' })
	const short = { certificate: fs.readFileSync(path.join(certs.dir, 'short.pem'), 'utf8'), key: fs.readFileSync(path.join(certs.dir, 'short.key'), 'utf8') }
	const damaged = ca.cert.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA')
	const node = ends(t, await startStore({}))
	const pair = { certificate: one.cert, key: one.key }
	const bad = [
		[{ ca: 'hello' }, 'origin.tls.ca', /there is no certificate in it/],
		[{ ca: '' }, 'origin.tls.ca', /./],
		[{ ca: 5 }, 'origin.tls.ca', /./],
		[{ ca: `${ca.cert}${damaged}` }, 'origin.tls.ca', /block 2 \(CERTIFICATE\) cannot be read/],
		[{ ca: `${ca.cert}${ca.cert.slice(0, 300)}` }, 'origin.tls.ca', /block 2 \(unfinished\)/],
		[{ ca: `${ca.cert}${one.key}` }, 'origin.tls.ca', /block 2 \(PRIVATE KEY\) is no certificate: only certificates belong here/],
		[{ ca: ca.cert.repeat(101) }, 'origin.tls.ca', /./],
		[{ ca: `${ca.cert}\n${'x'.repeat(70000)}` }, 'origin.tls.ca', /./],
		[{ ca: old.cert }, 'origin.tls.ca', /certificate 1 \(CN=old\) has expired: it was good until 2021-01-01T00:00:00Z/],
		[{ certificate: old.cert, key: old.key }, 'origin.tls.certificate', /certificate 1 \(CN=old\) has expired/],
		[{ certificate: one.cert }, 'origin.tls.key', /belong together, and this one is missing/],
		[{ key: one.key }, 'origin.tls.certificate', /belong together, and this one is missing/],
		[{ certificate: one.cert, key: two.key }, 'origin.tls.key', /the key is not that of the certificate/],
		[{ certificate: one.cert, key: encrypted }, 'origin.tls.key', /the key is encrypted: decrypt it first/],
		[{ certificate: one.cert, key: one.cert }, 'origin.tls.key', /there is no private key in it/],
		[{ certificate: one.cert, key: 5 }, 'origin.tls.key', /./],
		[{ certificate: one.key, key: one.cert }, 'origin.tls.certificate', /block 1 \(PRIVATE KEY\) is no certificate/],
		[short, 'origin.tls.certificate', /too small/],
		[{ ...pair, verify: false }, 'origin.tls.verify', /always verified\. .*name that certificate as "ca"/],
		[{ ...pair, password: 'x' }, 'origin.tls.password', /not known here/],
	]
	for (const [tls, field, expected] of bad) {
		const res = await node.api('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: { servers: ['https://a.example'], tls } })
		assert.equal(res.status, 400, `${field} ${expected}: ${res.text}`)
		assert.equal(res.json.error.field, field, res.text)
		assert.match(res.json.error.message, expected)
		assert.doesNotMatch(res.text, /MII|MIG|MHc/)
	}
	assert.deepEqual((await node.ok('GET', '/v1/sites')).items, [])
	await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: { servers: ['https://a.example'], tls: { ...pair, verify: true } } })
	// Another certificate without its key: the one that the site has does not fit.
	const res = await node.api('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: { servers: ['https://a.example'], tls: { certificate: two.cert } } })
	assert.match(res.json.error.message, /this one is missing/)
})

test('node.jsonc names files beside it, a reload reads them again, and a certificate that has expired does not stop the node', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority'), clients = certs.ca('Clients')
	const server = await startTls(t, 'S', certs.leaf('s', { by: ca, names: ['origin.test'] }), { ca: clients.cert, requestCert: true })
	const one = certs.leaf('one', { by: clients }), two = certs.leaf('two', { by: clients }), old = certs.leaf('old', { by: clients, ends: '20210101000000Z' })
	const use = c => (fs.copyFileSync(c.certFile, path.join(certs.dir, 'now.pem')), fs.copyFileSync(c.keyFile, path.join(certs.dir, 'now.key')))
	use(one)
	const tls = { ca: ca.certFile, certificate: path.join(certs.dir, 'now.pem'), key: path.join(certs.dir, 'now.key') }
	const node = ends(t, await startStore({ config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], ...site(server.url, tls) }] } }))
	assert.equal((await get(node, 'shop.example')).text, 'S origin.test one')
	fs.writeFileSync(path.join(certs.dir, 'node.jsonc'), JSON.stringify({ sites: [{ hosts: ['shop.example'], origin: { servers: [server.url], tls: { ca: 'Authority.cert.pem', certificate: 'now.pem', key: 'now.key' } } }] }))
	const checked = await tool(['node', 'check', '--config', path.join(certs.dir, 'node.jsonc')])
	assert.equal(checked.code, 0, checked.err)
	assert.doesNotMatch(checked.out + checked.err, /warning|PRIVATE KEY/)
	const shown = await node.api('GET', '/v1/sites/shop')
	assert.doesNotMatch(shown.text, /PRIVATE KEY/)
	use(two)
	node.signal('SIGHUP')
	await raw.until(async () => (await get(node, 'shop.example')).text === 'S origin.test two', { what: 'the new certificate' })
	use(old)
	node.signal('SIGHUP')
	await node.logged(/site shop: .*origin\.tls\.certificate.*: certificate 1 \(CN=old\) has expired/)
	fs.rmSync(path.join(certs.dir, 'now.key'))
	node.signal('SIGHUP')
	await node.logged(/node\.jsonc:\d+:\d+: .*origin\.tls\.key.*: .*now\.key: cannot be read: No such file/)
})

test('er site add reads the files, and er site show says whom the site believes and who it is', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority'), clients = certs.ca('Clients'), one = certs.leaf('one', { by: clients })
	const server = await startTls(t, 'S', certs.leaf('s', { by: ca, names: ['127.0.0.1'] }), { ca: clients.cert, requestCert: true })
	const node = ends(t, await startStore({ config: { routineAddresses: loopback } }))
	const er = (...args) => tool([...args, '--node', node.ready.socket], { cwd: certs.dir })
	const added = await er('site', 'add', 'shop.example', '--origin', server.url, '--private', '--no-cache', '--host', 'server', '--ca', 'Authority.cert.pem', '--certificate', one.certFile, '--key', 'one.key.pem')
	assert.equal(added.code, 0, added.err)
	assert.equal((await get(node, 'shop.example')).text, 'S - one')
	const shown = (await er('site', 'show', 'shop.example')).out
	assert.match(shown, /believes CN=Authority \(until 20.*Z\)\n +is +CN=one \(until/)
	assert.doesNotMatch(shown, /BEGIN/)
	const json = await er('site', 'show', 'shop.example', '--json')
	assert.match(json.json.settings.origin.tls.ca, /BEGIN CERTIFICATE/)
	assert.doesNotMatch(json.out, /PRIVATE KEY/)
	fs.mkdirSync(path.join(certs.dir, 'sub'))
	fs.writeFileSync(path.join(certs.dir, 'sub/site.jsonc'), JSON.stringify({ hosts: ['two.example'], cache: false, origin: { servers: [server.url], private: true, host: 'server', tls: { ca: '../Authority.cert.pem', certificate: '../one.cert.pem', key: one.keyFile } } }))
	assert.equal((await er('site', 'add', 'two', '--settings', 'sub/site.jsonc')).code, 0)
	assert.equal((await get(node, 'two.example')).text, 'S - one')
	for (const [message, ...args] of [
		[/--ca: cannot read nowhere\.pem/, '--ca', 'nowhere.pem'],
		[/this one is missing/, '--certificate', 'one.cert.pem'],
		[/the key is not that of the certificate/, '--certificate', 'one.cert.pem', '--key', 'Authority.key.pem'],
	]) {
		const res = await er('site', 'add', 'x.example', '--origin', server.url, ...args)
		assert.notEqual(res.code, 0)
		assert.match(res.err, message)
	}
})

test('a handshake that does not end is over in time, and says so', async t => {
	const silent = await startRawOrigin(() => {})
	t.after(() => silent.close())
	const url = silent.url.replace('http:', 'https:')
	const node = ends(t, await startStore({ config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], ...site(url, null, { connectMs: 300 }) }] } }))
	const res = await get(node, 'shop.example')
	assert.equal(res.status, 504)
	assert.match(res.headers['er-error'], /^timeout; .*reason=handshake$/)
	assert.match(res.text, /did not end the TLS handshake/)
	assert.match((await node.ok('GET', '/v1/sites/shop')).servers[0].lastFailure.text, /did not end the TLS handshake/)
})

test('a handshake that drips is over in time as well', async t => {
	const timers = new Set()
	const drips = await startRawOrigin(s => {
		// The head of a handshake's record, and then its bytes, one after the other.
		s.once('data', () => {
			s.write(Buffer.from('1603032000', 'hex'))
			const timer = setInterval(() => s.write(Buffer.from([2])), 50)
			timers.add(timer)
			s.on('close', () => clearInterval(timer))
		})
	})
	t.after(() => (timers.forEach(clearInterval), drips.close()))
	const node = ends(t, await startNode({ config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], ...site(drips.url.replace('http:', 'https:'), null, { connectMs: 500 }) }] } }))
	const res = await get(node, 'shop.example')
	assert.deepEqual([res.status, /reason=handshake$/.test(res.headers['er-error'])], [504, true], res.text)
})

for (const h2 of [false, true]) {
	test(`behind the handshake the time-outs are those of any server (${h2 ? 'HTTP/2' : 'HTTP/1.1'})`, async t => {
		const certs = makeCerts(t)
		const ca = certs.ca('Authority')
		const server = await startTls(t, 'S', certs.leaf('s', { by: ca, names: ['origin.test'] }), { http2: h2 }, (req, res) => {
			if (req.url === '/head') return
			if (req.url === '/cut') {
				res.writeHead(200, { 'content-length': 100 })
				res.write('half')
				return
			}
			res.end(req.httpVersion)
		})
		const node = ends(t, await startNode({ config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], ...site(server.url, { ca: ca.certFile }, { headMs: 300, idleMs: 400 }) }] } }))
		assert.equal((await get(node, 'shop.example')).text, h2 ? '2.0' : '1.1')
		const res = await get(node, 'shop.example', '/head')
		assert.deepEqual([res.status, res.headers['er-error']], [504, 'timeout; host=origin.test'])
		assert.match(res.text, /did not go on within 300 ms/)
		await assert.rejects(get(node, 'shop.example', '/cut'), raw.Gone)
		assert.equal((await get(node, 'shop.example')).status, 200)
	})
}

test('the name that one site says in TLS is never said for another, and is what the certificate is checked for', async t => {
	const certs = makeCerts(t)
	const ca = certs.ca('Authority')
	const server = await startTls(t, 'S', certs.leaf('s', { by: ca, names: ['a.test', 'b.test', '127.0.0.1'] }))
	const named = sni => ({ name: sni ?? 'none', hosts: [`${sni ?? 'none'}.example`], cache: false, origin: { servers: [server.url], host: sni === 'c.test' ? 'a.test' : 'server', ...(sni ? { sni } : {}) } })
	const node = ends(t, await startNode({ config: { threads: 1, sites: [named('a.test'), named('b.test'), named('c.test'), named()] }, env: { SSL_CERT_FILE: ca.certFile } }))
	for (let i = 0; i < 3; i++) {
		assert.equal((await get(node, 'a.test.example')).text, 'S a.test -')
		assert.equal((await get(node, 'b.test.example')).text, 'S b.test -')
		assert.match((await get(node, 'c.test.example')).headers['er-error'], /host=c\.test; reason=certificate-name/)
		assert.equal((await get(node, 'none.example')).text, 'S - -')
	}
	assert.ok(server.requests.every(r => r.headers.host === `127.0.0.1:${server.port}`), 'Host is another matter')
	assert.ok(server.requests.every(r => r.sni === false || r.sni !== 'c.test'))
})

test('health checks believe whom the site believes, and a backup with another certificate is not asked', async t => {
	const certs = makeCerts(t)
	const a = certs.ca('Authority-A'), b = certs.ca('Authority-B'), clients = certs.ca('Clients'), me = certs.leaf('me', { by: clients })
	const asks = { ca: clients.cert, requestCert: true, rejectUnauthorized: true }
	const good = await startTls(t, 'good', certs.leaf('good', { by: a, names: ['origin.test'] }), asks)
	const backup = await startTls(t, 'backup', certs.leaf('backup', { by: b, names: ['origin.test'] }), asks)
	const tls = { ca: a.cert, certificate: me.cert, key: me.key }
	const node = ends(t, await startStore({
		config: {
			threads: 1,
			sites: [{ name: 'shop', hosts: ['shop.example'], cache: false, origin: { servers: [good.url, { url: backup.url, backup: true }], sni: 'origin.test', failures: 1, outMs: 60000, tls, health: { path: '/health', everyMs: 100, unhealthy: 1, healthy: 1 } } }],
		},
	}))
	const states = async () => (await node.ok('GET', '/v1/sites/shop')).servers.map(s => s.state)
	await raw.until(async () => (await states()).join() === 'up,sick', { what: 'the verdict of the checks' })
	assert.ok(good.requests.some(r => r.url === '/health' && r.client === 'me'))
	assert.equal((await get(node, 'shop.example')).text, 'good origin.test me')
	await good.close()
	const res = await get(node, 'shop.example')
	assert.equal(res.status, 502)
	assert.equal(backup.requests.length, 0)
})
