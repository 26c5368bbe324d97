// Names that subrequests and the origin have: slow and hostile name servers hurt nobody but those
// who ask for such names; ports and addresses that are refused; and descriptors, of which no
// routine takes what others need.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import net from 'node:net'
import { startNode, writeConfig } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import { startNames } from './lib/names.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

const loopback = { allowAddresses: ['127.0.0.0/8'] }
const one = 'addEventListener("fetch", e => e.respondWith(fetch(decodeURIComponent(new URL(e.request.url).search.slice(1))).catch(x => new Response("failed: " + x.message, { status: 502 }))))'
let names, origin, node

before(async () => {
	names = await startNames()
	origin = await startOrigin((req, res) => res.end(`${req.headers.host} ${req.url}`))
	node = await startNode({
		config: {
			threads: 2,
			resolver: { servers: [names.server] },
			origin: `http://origin.example:${origin.port}`,
			limits: { perAddress: 0 },
		},
		routines: {
			neighbour: 'addEventListener("fetch", e => e.respondWith(new Response("ok")))',
			one: { source: one, ...loopback },
			strict: one,
			greedy: {
				source: 'let n = 0; addEventListener("fetch", e => e.respondWith(Promise.allSettled(Array.from({ length: 32 }, () => fetch(`http://silent.n${n++}.example/`))).then(all => new Response(all.map(r => r.reason?.message).join("\\n")))))',
				...loopback,
			},
		},
	})
})

after(async () => {
	names?.close()
	await origin?.close()
	await node?.stop({ timeout: 60000 })
})

const ask = (routine, url, options) => node.get(routine, `/?${encodeURIComponent(url)}`, options)

test('a name is looked up at the name servers of node.jsonc, once for all who ask', async () => {
	const all = await Promise.all(Array.from({ length: 20 }, () => ask('one', `http://late.example:${origin.port}/x`)))
	for (const res of all) assert.equal(res.text, `late.example:${origin.port} /x`)
	assert.ok(names.asked['late.example'] <= 2, 'once a thread')
})

test('what is wrong with a name is said to the routine', async () => {
	assert.match((await ask('one', 'http://nx.example/')).text, /failed: .*nx\.example: there is no such name/)
	assert.equal(names.asked['nx.example'] <= 2, true)
	assert.match((await ask('one', 'http://silent.example/')).text, /failed: .*silent\.example: no name server answered in time/)
})

test('a public name that leads to an address of the node is refused, whatever the name server says', async () => {
	const res = await ask('strict', `http://private.example:${origin.port}/`)
	assert.match(res.text, /failed: .*private\.example.* may not reach/)
	assert.match((await ask('strict', `http://localhost:${origin.port}/`)).text, /failed: .*may not reach/)
	assert.match((await ask('strict', `http://shop.localhost:${origin.port}/`)).text, /failed: .*may not reach/)
})

test('ports of other protocols are refused and named', async () => {
	for (const port of [25, 6000, 10080]) assert.match((await ask('one', `http://www.example:${port}/`)).text, new RegExp(`failed: .*port ${port} `))
})

test('300 requests with 32 silent names each: no threads, few descriptors, and everybody else is served', async () => {
	const quiet = proc.threads(node.pid).length
	const files = proc.fds(node.pid).length
	const clients = []
	for (let i = 0; i < 300; i++) {
		const c = net.connect(node.port, '127.0.0.1')
		c.on('error', () => {})
		c.write('GET / HTTP/1.1\r\nhost: greedy.localhost\r\n\r\n')
		clients.push(c)
	}
	try {
		for (let i = 0; i < 8; i++) {
			await raw.sleep(250)
			assert.ok(proc.threads(node.pid).length <= quiet + 1, `${proc.threads(node.pid).length} threads, ${quiet} before`)
			assert.ok(proc.fds(node.pid).length <= files + 300 + 150, `${proc.fds(node.pid).length} descriptors, ${files} before`)
			assert.equal((await node.get('neighbour', '/')).text, 'ok')
			// names that nobody has asked for yet
			assert.equal((await ask('one', `http://fresh${i}.example:${origin.port}/y`)).text, `fresh${i}.example:${origin.port} /y`)
			assert.equal((await raw.request(node.port, `/z${i}`, { host: 'shop.example' })).text, `origin.example:${origin.port} /z${i}`)
		}
	} finally {
		for (const c of clients) c.destroy()
	}
})

test('what is known is served while the name servers are silent', async () => {
	const known = () => Promise.all(Array.from({ length: 30 }, () => ask('one', `http://known.example:${origin.port}/k`)))
	await known() // both threads have it
	names.silent = true
	try {
		for (const res of await known()) assert.equal(res.text, `known.example:${origin.port} /k`)
		assert.equal((await raw.request(node.port, '/', { host: 'shop.example' })).status, 200)
	} finally {
		names.silent = false
	}
})

test('other name servers come into force by a reload', async () => {
	const second = await startNames({ address: '127.0.0.2' })
	const own = await startNode({ config: { resolver: { servers: [names.server] } }, routines: { one: { source: one, ...loopback } } })
	try {
		assert.match((await own.get('one', `/?${encodeURIComponent('http://silent.reload.example/')}`)).text, /in time/)
		writeConfig(own.configFile, { listen: ['127.0.0.1:0'], resolver: { servers: [second.server] }, routines: [{ name: 'one', main: 'one.js', ...loopback }] })
		own.signal('SIGHUP')
		await own.logged(/reloaded/)
		await own.get('one', `/?${encodeURIComponent('http://a.reload.example:1025/')}`)
		assert.equal(second.asked['a.reload.example'], 1)
	} finally {
		second.close()
		await own.stop()
	}
})

// Servers that accept and never answer: every fetch holds a connection for as long as it waits.
async function startSilent() {
	const sockets = new Set()
	const server = net.createServer(s => {
		sockets.add(s)
		s.on('error', () => {})
	})
	await new Promise(f => server.listen(0, '127.0.0.1', f))
	return {
		port: server.address().port,
		get connections() {
			return sockets.size
		},
		close() {
			for (const s of sockets) s.destroy()
			server.close()
		},
	}
}

test('one routine cannot have all connections: others and the origin get theirs, and who waits is served in the end', async () => {
	const silent = await startSilent()
	const own = await startNode({
		config: { threads: 1, limits: { perAddress: 0, originConnections: 64 }, origin: `http://127.0.0.1:${origin.port}` },
		routines: {
			one: { source: one, ...loopback },
			slow: { source: `addEventListener("fetch", e => e.respondWith(Promise.allSettled(Array.from({ length: 32 }, () => fetch("http://127.0.0.1:${silent.port}/"))).then(all => new Response(all.map(r => r.reason?.message).join("\\n")))))`, ...loopback },
		},
	})
	try {
		const greedy = Array.from({ length: 10 }, () => own.get('slow', '/', { timeout: 60000 }).catch(() => {}))
		await raw.until(() => silent.connections >= 8, { what: 'the greedy routine to have connections' })
		await raw.sleep(300)
		assert.ok(silent.connections <= 32, `${silent.connections} connections of 64`)
		for (let i = 0; i < 5; i++) {
			assert.equal((await own.get('one', `/?${encodeURIComponent(`http://127.0.0.1:${origin.port}/q`)}`)).text, `127.0.0.1:${origin.port} /q`)
			assert.equal((await raw.request(own.port, '/o', { host: 'shop.example' })).status, 200)
		}
		// Those that wait are told why when their time for connecting is over.
		silent.close()
		const texts = (await Promise.all(greedy)).map(r => r?.text ?? '').join('\n')
		assert.match(texts, /closed the connection|got no connection|could not be connected|refused|broke off/i)
	} finally {
		silent.close()
		await own.stop()
	}
})
