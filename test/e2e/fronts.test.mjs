// Load balancers and CDNs in front of a node: whose request it is, and who may say so. The front is
// 127.0.0.1; other addresses of the loopback network are strangers.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import { startStore, says } from './lib/deploy.mjs'
import { current, end, upgrade } from './lib/lineage.mjs'
import { er, startNode, tempDir, writeConfig } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import { bytesOf, connect, request, sleep, until } from './lib/raw.mjs'

const STRANGER = '127.0.0.2'
const whoami = `addEventListener("fetch", e => e.respondWith(handle(e.request)))
async function handle(request) {
	const path = new URL(request.url).pathname
	if (path === "/never") return new Promise(r => setTimeout(r, 1e8))
	if (path === "/own") return fetch("http://who.localhost/behind", { cdnProxy: true })
	const { remote_addr, scheme } = request.info
	return Response.json({ client: remote_addr, scheme, url: request.url, headers: [...request.headers] })
}`
const host = 'who.localhost'

const startWho = ({ config = {}, ...options } = {}) => startNode({ routines: { who: whoami }, config: { trustedProxies: ['127.0.0.1'], ...config }, ...options })
const to = (node, from = '127.0.0.1') => ({ host: '127.0.0.1', port: node.port ?? node, localAddress: from })
const ask = async (node, headers = {}, { from, path = '/' } = {}) => {
	const res = await request(to(node, from), path, { host, headers })
	assert.equal(res.status, 200, res.text)
	return JSON.parse(res.text)
}
const field = (said, name) => said.headers.filter(([k]) => k === name).map(([, v]) => v).join(' | ') || undefined
const logOf = node => fs.readFileSync(path.join(node.dir, 'access.log'), 'utf8').split('\n').slice(0, -1).map(l => JSON.parse(l))
async function reload(node, change) {
	const config = JSON.parse(fs.readFileSync(node.configFile, 'utf8'))
	writeConfig(node.configFile, { ...config, ...change })
	const n = node.err.filter(l => /reloaded/.test(l)).length
	node.signal('SIGHUP')
	await until(() => node.err.filter(l => /reloaded/.test(l)).length > n, { what: `a reload; ${node.err.slice(-3).join('\n')}` })
}

test('what a stranger says of itself reaches neither routine nor origin, in any spelling', async () => {
	const origin = await startOrigin((req, res) => req.resume().on('end', () => res.end('ok')))
	const node = await startWho({ config: { origin: origin.url } })
	const lies = {
		'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil', 'X-Forwarded-Port': '1', 'X-Forwarded': 'x', Forwarded: 'for=6.6.6.6;proto=https',
		'X-Real-IP': '6.6.6.6', 'X-Client-IP': '6.6.6.6', 'True-Client-IP': '6.6.6.6', 'CF-Connecting-IP': '6.6.6.6', 'Fastly-Client-IP': '6.6.6.6', 'X-Cluster-Client-IP': '6.6.6.6',
		X_Forwarded_For: '6.6.6.6', 'x-forwarded_proto': 'https', X_FORWARDED_HOST: 'evil', x_real_ip: '6.6.6.6', 'True_Client-IP': '6.6.6.6', Cf_Connecting_Ip: '6.6.6.6',
		Content_Length: '3', Transfer_Encoding: 'chunked', Er_Error: 'x', CDN_Loop: 'other', Keep_Alive: '1', Accept_Encoding: 'br',
	}
	try {
		const said = await ask(node, lies, { from: STRANGER })
		assert.equal(said.client, STRANGER)
		assert.equal(said.scheme, 'http')
		assert.equal(said.url, `http://${host}/`)
		assert.deepEqual(said.headers.map(([k]) => k).filter(k => !['host', 'connection'].includes(k)), [])
		// and with a body and trailers
		const c = await connect(to(node, STRANGER))
		c.send(`POST /p HTTP/1.1\r\nhost: www.example.com\r\n${Object.entries(lies).map(([k, v]) => `${k}: ${v}\r\n`).join('')}transfer-encoding: chunked\r\ntrailer: x-forwarded-for\r\n\r\n3\r\nabc\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\n\r\n`)
		assert.equal((await c.response()).status, 200)
		c.close()
		const seen = origin.requests[0].headers
		assert.equal(seen['x-forwarded-for'], STRANGER)
		assert.equal(seen['x-forwarded-proto'], 'http')
		assert.equal(seen['x-forwarded-host'], 'www.example.com')
		assert.deepEqual(Object.keys(seen).filter(k => /_|real|client-ip|connecting|^forwarded|^x-forwarded$|port/.test(k)), [])
		assert.doesNotMatch(JSON.stringify(origin.requests[0].rawHeaders), /6\.6\.6\.6|evil/)
	} finally {
		await node.stop()
		await origin.close()
	}
})

test('without trustedProxies nobody is believed, this machine neither', async () => {
	const node = await startWho({ config: { trustedProxies: [] } })
	try {
		const said = await ask(node, { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6', 'x-forwarded-proto': 'https' })
		assert.equal(said.client, '127.0.0.1')
		assert.equal(said.scheme, 'http')
	} finally {
		await node.stop()
	}
})

test('a trusted front names its client: chains, IPv6, ports, nonsense, scheme', async () => {
	const node = await startWho({ config: { listen: [':0'], trustedProxies: ['127.0.0.1', '10.0.0.0/8'] } })
	const cases = [
		[{ 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7', '198.51.100.7, 127.0.0.1'],
		[{ 'x-forwarded-for': '6.6.6.6, 198.51.100.7, 10.0.0.3' }, '198.51.100.7', '198.51.100.7, 10.0.0.3, 127.0.0.1'],
		[{ 'x-forwarded-for': ['6.6.6.6', '198.51.100.7', '10.0.0.3'] }, '198.51.100.7', '198.51.100.7, 10.0.0.3, 127.0.0.1'],
		[{ 'x-forwarded-for': '[2001:DB8::7]:443' }, '2001:db8::7', '2001:db8::7, 127.0.0.1'],
		[{ forwarded: 'for="[2001:db8::7]:1";proto=https' }, '2001:db8::7', '2001:db8::7, 127.0.0.1', 'https'],
		[{ forwarded: 'for=_hidden' }, '127.0.0.1', undefined],
		[{ 'x-forwarded-for': 'nonsense' }, '127.0.0.1', undefined],
		[{ 'x-forwarded-for': 'nonsense, 10.0.0.3' }, '10.0.0.3', '10.0.0.3, 127.0.0.1'],
		[{ 'x-forwarded-for': `198.51.100.7${', 10.0.0.3'.repeat(300)}` }, '10.0.0.3', `${'10.0.0.3, '.repeat(32)}127.0.0.1`],
		[{ 'x-forwarded-for': '198.51.100.7', 'x-forwarded-proto': 'https' }, '198.51.100.7', '198.51.100.7, 127.0.0.1', 'https'],
		[{ 'x-forwarded-for': '198.51.100.7', 'x-forwarded-proto': 'gopher' }, '198.51.100.7', '198.51.100.7, 127.0.0.1'],
		[{ 'x-forwarded-for': '198.51.100.7', forwarded: 'for=6.6.6.6;proto=https' }, '127.0.0.1', undefined],
		[{ 'x-real-ip': '6.6.6.6', x_forwarded_for: '6.6.6.6' }, '127.0.0.1', undefined],
	]
	try {
		for (const [headers, client, way, scheme = 'http'] of cases) {
			const said = await ask(node, headers)
			assert.equal(said.client, client, JSON.stringify(headers))
			assert.equal(said.scheme, scheme, JSON.stringify(headers))
			assert.equal(said.url, `${scheme}://${host}/`)
			assert.equal(field(said, 'x-forwarded-for'), way, JSON.stringify(headers))
			assert.equal(field(said, 'x-forwarded-proto'), undefined)
			assert.equal(field(said, 'forwarded'), undefined)
		}
		assert.equal((await ask(node, { 'x-forwarded-for': '6.6.6.6' }, { from: STRANGER })).client, STRANGER)
	} finally {
		await node.stop()
	}
})

test('one connection of a front has many clients: the origin and the access log tell them apart', async () => {
	const origin = await startOrigin((req, res) => res.end('ok'))
	const node = await startWho({ config: { origin: origin.url } })
	try {
		const c = await connect(to(node))
		const clients = ['198.51.100.1', '198.51.100.2', '2001:db8::3']
		for (const client of clients) {
			c.send(bytesOf('/x', { host: 'www.example.com', headers: { 'x-forwarded-for': `6.6.6.6, ${client}`, 'x-forwarded-proto': 'https' } }))
			assert.equal((await c.response()).text, 'ok')
		}
		// a routine's own question goes out in the same name
		c.send(bytesOf('/own', { host, headers: { 'x-forwarded-for': '198.51.100.4' } }))
		assert.equal((await c.response()).status, 200)
		c.close()
		assert.deepEqual(origin.requests.map(r => r.headers['x-forwarded-for']), [...clients, '198.51.100.4'].map(a => `${a}, 127.0.0.1`))
		assert.deepEqual(origin.requests.map(r => r.headers['x-forwarded-proto']), ['https', 'https', 'https', 'http'])
		assert.deepEqual(origin.requests.map(r => r.headers['x-forwarded-host']), ['www.example.com', 'www.example.com', 'www.example.com', host])
		await node.stop()
	} finally {
		await origin.close()
	}
})

test('the access log has the client, and for what was no request the connection', async () => {
	const node = await startWho()
	try {
		await ask(node, { 'x-forwarded-for': '198.51.100.7' })
		assert.equal((await request(to(node), '/', { host, headers: { 'x-forwarded-for': '198.51.100.8', 'content-length': 'x' } })).status, 400)
		await until(() => logOf(node).length === 2, { what: 'two lines of the access log' })
		assert.deepEqual(logOf(node).map(l => [l.client, l.status]), [['198.51.100.7', 200], ['127.0.0.1', 400]])
	} finally {
		await node.stop()
	}
})

test('a reload of trustedProxies holds for the next request of a connection that is open', async () => {
	const node = await startWho({ config: { trustedProxies: [] } })
	const c = await connect(to(node))
	const next = async () => {
		c.send(bytesOf('/', { host, headers: { 'x-forwarded-for': '198.51.100.7' } }))
		return JSON.parse((await c.response()).text).client
	}
	try {
		assert.equal(await next(), '127.0.0.1')
		await reload(node, { trustedProxies: ['127.0.0.0/8'] })
		assert.equal(await next(), '198.51.100.7')
		await reload(node, { trustedProxies: ['10.0.0.0/8'] })
		assert.equal(await next(), '127.0.0.1')
		await reload(node, { trustedProxies: ['127.0.0.1/32'] })
		assert.equal(await next(), '198.51.100.7')
	} finally {
		c.close()
		await node.stop()
	}
})

test('a mistake in trustedProxies is shown at its place, and trusting everybody is warned of', async () => {
	await assert.rejects(startWho({ config: { trustedProxies: ['10.0.0.0/33'] } }), /node\.jsonc:\d+:\d+: .*an address or a range is expected/)
	await assert.rejects(startWho({ config: { trustedProxies: 'all' } }), /trustedProxies.*: an array of addresses is expected/)
	await assert.rejects(startWho({ config: { listen: [{ address: '127.0.0.1:0', proxyProtocol: 'on' }] } }), /proxyProtocol/)
	const dir = tempDir()
	const warnings = config => {
		writeConfig(path.join(dir, 'node.jsonc'), config)
		const run = spawnSync(er, ['node', 'check', '--json'], { cwd: dir, encoding: 'utf8' })
		return JSON.parse(run.stdout).warnings.map(w => w.text).join('\n')
	}
	const fronted = { address: ':0', proxyProtocol: true }
	assert.match(warnings({ trustedProxies: ['10.0.0.0/8', '0.0.0.0/0'] }), /trustedProxies has every address/)
	assert.match(warnings({ trustedProxies: ['::/0'] }), /trustedProxies has every address/)
	assert.match(warnings({ listen: [fronted] }), /proxyProtocol without trustedProxies/)
	assert.doesNotMatch(warnings({ listen: [fronted], trustedProxies: ['10.0.0.0/8', '2001:db8::/32'] }), /trustedProxies/)
	fs.rmSync(dir, { recursive: true })
})

test('a split gives each client behind the front its version, and the same one again', async () => {
	const node = await startStore({ config: { threads: 2, trustedProxies: ['127.0.0.1'] } })
	try {
		for (const v of [1, 2]) await node.deploy('shop', says(v))
		await node.split('shop', [{ version: 1, percent: 50 }, { version: 2, percent: 50 }])
		const of = async client => (await request(to(node), '/', { host: 'shop.localhost', headers: { 'x-forwarded-for': client } })).text
		const clients = Array.from({ length: 100 }, (_, i) => `198.51.100.${i}`)
		const seen = new Map()
		for (const c of clients) seen.set(c, await of(c))
		const first = [...seen.values()].filter(v => v === '1').length
		assert.ok(first > 20 && first < 80, `${first} of 100 clients have the version with 50 %`)
		for (const c of clients) assert.equal(await of(c), seen.get(c), `${c} again`)
	} finally {
		await node.stop()
		node.forget()
	}
})

test('perAddress: a front is not one client, and its clients have their share of requests under way', async () => {
	const node = await startWho({ config: { limits: { perAddress: 2 } } })
	const open = async (client, path = '/never') => {
		const c = await connect(to(node))
		c.send(bytesOf(path, { host, headers: { 'x-forwarded-for': client } }))
		return c
	}
	const status = async (...args) => {
		const c = await open(...args)
		const res = await c.response()
		c.close()
		return res
	}
	const held = []
	try {
		for (const client of ['198.51.100.1', '198.51.100.1', '198.51.100.2', '198.51.100.2']) held.push(await open(client))
		await until(async () => (await status('198.51.100.1', '/')).status === 429, { what: 'a client over its share' })
		const over = await status('198.51.100.1', '/')
		assert.equal(over.headers['er-error'], 'unavailable; per-address')
		assert.equal(over.headers['retry-after'], '1')
		await until(async () => (await status('198.51.100.2', '/')).status === 429, { what: 'another client over its share' })
		assert.equal((await status('198.51.100.3', '/')).status, 200)
		// a connection of the client's own is one more of it; strangers are counted as before
		const own = [await connect(to(node, STRANGER)), await connect(to(node, STRANGER))]
		for (const c of own) {
			c.send(bytesOf('/', { host }))
			assert.equal((await c.response()).status, 200)
		}
		assert.equal((await status(STRANGER, '/')).status, 429)
		assert.ok(await (await connect(to(node, STRANGER))).closed())
		own.forEach(c => c.close())
		// what is over makes room
		held[0].close()
		await until(async () => (await status('198.51.100.1', '/')).status === 200, { what: 'room for the client again' })
	} finally {
		held.forEach(c => c.close())
		await node.stop()
	}
})

// ---- the PROXY protocol ----

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const line = (client, family = 'TCP4') => `PROXY ${family} ${client} ${family === 'TCP4' ? '192.0.2.1' : '::1'} 51234 443\r\n`
function binary(command, family, body) {
	const head = Buffer.from([command, family, body.length >> 8, body.length & 255])
	return Buffer.concat([signature, head, body])
}
const v4 = client => Buffer.concat([Buffer.from(client.split('.').map(Number)), Buffer.from([192, 0, 2, 1, 200, 34, 1, 187])])
const v6 = Buffer.concat([Buffer.from('20010db8000000000000000000000007', 'hex'), Buffer.alloc(15), Buffer.from([1, 200, 34, 1, 187])])
const record = (type, value) => Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value])

const startFronted = ({ config = {}, ...options } = {}) => startWho({ config: { listen: [{ address: '127.0.0.1:0', proxyProtocol: true }], ...config }, ...options })

async function behind(node, header, { headers, from, path = '/', times = 1, each } = {}) {
	const c = await connect(to(node, from))
	const bytes = Buffer.concat([Buffer.from(header), bytesOf(path, { host, headers })])
	if (each) {
		for (const b of bytes) {
			c.send(Buffer.from([b]))
			await sleep(1)
		}
	} else {
		c.send(bytes)
	}
	let said = JSON.parse((await c.response()).text)
	for (let i = 1; i < times; i++) {
		c.send(bytesOf(path, { host, headers }))
		const again = JSON.parse((await c.response()).text)
		assert.equal(again.client, said.client)
		said = again
	}
	c.close()
	return said
}

test('PROXY protocol: the header says whose connection it is, whole and byte by byte', async () => {
	const node = await startFronted()
	const good = [
		[line('198.51.100.7'), '198.51.100.7'],
		[line('2001:db8::7', 'TCP6'), '2001:db8::7'],
		['PROXY UNKNOWN\r\n', '127.0.0.1'],
		[binary(0x21, 0x11, v4('198.51.100.9')), '198.51.100.9'],
		[binary(0x21, 0x21, v6), '2001:db8::7'],
		[binary(0x20, 0x00, Buffer.alloc(0)), '127.0.0.1'],
		[binary(0x21, 0x11, Buffer.concat([v4('198.51.100.9'), record(2, Buffer.from('example.com')), record(4, Buffer.alloc(3000))])), '198.51.100.9'],
	]
	try {
		for (const [header, client] of good) {
			assert.equal((await behind(node, header, { times: 3 })).client, client)
			if (header.length < 200) assert.equal((await behind(node, header, { each: true })).client, client)
		}
		// what a client says itself is as little believed as ever
		const said = await behind(node, line('198.51.100.7'), { headers: { 'x-forwarded-for': '6.6.6.6', x_forwarded_for: '6.6.6.6' } })
		assert.equal(said.client, '198.51.100.7')
		assert.equal(field(said, 'x-forwarded-for'), undefined)
		// a client that is a trusted proxy itself is believed
		assert.equal((await behind(node, line('127.0.0.1'), { headers: { 'x-forwarded-for': '198.51.100.8' } })).client, '198.51.100.8')
		assert.equal(await node.metric('er_proxy_headers_refused_total'), 0)
	} finally {
		await node.stop()
	}
})

test('PROXY protocol: anything else closes the connection without an answer, and is counted', async () => {
	const node = await startFronted({ config: { limits: { headerMs: 300 } } })
	const summed = binary(0x21, 0x11, Buffer.concat([v4('198.51.100.9'), record(3, Buffer.from([1, 2, 3, 4]))]))
	const bad = [
		bytesOf('/', { host }), '\r\n\r\n', `proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n`, `PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n`, `PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n`, `PROXY TCP4 ::1 ::1 1 1\r\n`,
		`PROXY UNKNOWN ${'x'.repeat(600)}`, binary(0x11, 0x11, v4('1.1.1.1')), binary(0x21, 0x12, v4('1.1.1.1')), binary(0x21, 0x11, v4('1.1.1.1').subarray(1)), binary(0x21, 0x31, Buffer.alloc(216)),
		binary(0x21, 0x11, Buffer.concat([v4('1.1.1.1'), Buffer.from([4, 0, 9, 1])])), binary(0x21, 0x11, Buffer.concat([v4('1.1.1.1'), record(4, Buffer.alloc(5000))])), summed,
		// what does not come to its end
		'', 'PROXY ', signature.subarray(0, 5), binary(0x21, 0x11, v4('1.1.1.1')).subarray(0, 20),
	]
	try {
		for (const bytes of bad) {
			const c = await connect(to(node))
			if (bytes.length > 0) c.send(bytes)
			assert.ok(await c.closed())
			assert.equal(c.bytes.length, 0, String(bytes))
		}
		assert.equal(await node.metric('er_proxy_headers_refused_total'), bad.length)
		// one that only looks whether the node listens
		const look = await connect(to(node))
		look.socket.end()
		assert.ok(await look.closed())
		assert.equal(await node.metric('er_proxy_headers_refused_total'), bad.length)
		await until(async () => (await node.metric('er_connections')) === 0)
		assert.equal((await behind(node, line('198.51.100.7'))).client, '198.51.100.7')
	} finally {
		await node.stop()
	}
})

test('PROXY protocol: only trusted fronts may come, if there are any', async () => {
	const node = await startFronted()
	try {
		const c = await connect(to(node, STRANGER))
		c.send(line('198.51.100.7'))
		assert.ok(await c.closed())
		assert.equal(await node.metric('er_proxy_headers_refused_total'), 1)
		await reload(node, { trustedProxies: [] })
		assert.equal((await behind(node, line('198.51.100.7'), { from: STRANGER })).client, '198.51.100.7')
	} finally {
		await node.stop()
	}
})

test('PROXY protocol: a connection counts for the client that its header names', async () => {
	const node = await startFronted({ config: { limits: { perAddress: 2, headerMs: 60000 } } })
	const open = async header => {
		const c = await connect(to(node))
		c.send(header)
		return c
	}
	const held = []
	const serves = async client => {
		const c = await open(Buffer.concat([Buffer.from(line(client)), bytesOf('/', { host })]))
		held.push(c)
		return c.response().then(r => r.status, () => 'closed')
	}
	try {
		for (let i = 0; i < 5; i++) held.push(await open('PROXY '))
		assert.equal(await serves('198.51.100.1'), 200)
		assert.equal(await serves('198.51.100.1'), 200)
		assert.equal(await serves('198.51.100.1'), 'closed')
		assert.equal(await serves('198.51.100.2'), 200)
		assert.equal(await node.metric('er_connections_refused_total'), 1)
		assert.equal(await node.metric('er_connections'), 8)
		held.splice(5).forEach(c => c.close())
		await until(async () => (await serves('198.51.100.1')) === 200, { what: 'room for the client again' })
	} finally {
		held.forEach(c => c.close())
		await node.stop()
	}
})

test('PROXY protocol: a successor takes over, and who was in the middle of a header is served', async () => {
	const port = await new Promise(resolve => {
		const server = net.createServer().listen(0, '127.0.0.1', () => {
			const { port: free } = server.address()
			server.close(() => resolve(free))
		})
	})
	const node = await startFronted({ config: { listen: [{ address: `127.0.0.1:${port}`, proxyProtocol: true }] } })
	try {
		const half = await connect(to(port))
		half.send(line('198.51.100.7').slice(0, 20))
		await until(async () => (await node.metric('er_connections')) === 1)
		const old = current(node)
		await upgrade(node, { gone: false })
		half.send(Buffer.concat([Buffer.from(line('198.51.100.7').slice(20)), bytesOf('/', { host })]))
		const res = await half.response()
		assert.equal(JSON.parse(res.text).client, '198.51.100.7')
		assert.equal(res.headers.connection, 'close')
		half.close()
		assert.notEqual(current(node), old)
		assert.equal((await behind(port, line('198.51.100.8'))).client, '198.51.100.8')
	} finally {
		await end(node)
	}
})

test('PROXY protocol: a reload gives it to an address and takes it away, and open connections stay', async () => {
	const node = await startWho()
	const plain = { listen: ['127.0.0.1:0'] }
	const fronted = { listen: [{ address: '127.0.0.1:0', proxyProtocol: true }] }
	const c = await connect(to(node))
	const next = async () => {
		c.send(bytesOf('/', { host }))
		return JSON.parse((await c.response()).text).client
	}
	try {
		assert.equal(await next(), '127.0.0.1')
		await reload(node, fronted)
		await until(async () => (await behind(node, line('198.51.100.7')).catch(() => ({}))).client === '198.51.100.7')
		assert.equal(await next(), '127.0.0.1')
		await reload(node, plain)
		await until(async () => (await ask(node).catch(() => ({}))).client === '127.0.0.1')
		await reload(node, fronted)
		await reload(node, { ...fronted, trustedProxies: [] })
		assert.equal((await behind(node, line('198.51.100.7'), { from: STRANGER })).client, '198.51.100.7')
		assert.equal(await next(), '127.0.0.1')
	} finally {
		c.close()
		await node.stop()
	}
})
