// What is deployed is served: at once, whole, and still after the node was killed.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import { er, root, sanitized, startNode, tempDir } from './lib/node.mjs'
import { bytesOf, connect, request, sleep, until } from './lib/raw.mjs'
import { api, flips, load, says, startStore, untimely } from './lib/deploy.mjs'
import * as proc from './lib/proc.mjs'

const text = t => `addEventListener("fetch", e => e.respondWith(new Response(${JSON.stringify(t)})))`

test('a deploy is what the next request gets, on a node that knew no routine', async () => {
	const node = await startStore()
	try {
		assert.equal((await node.get('shop')).status, 404)
		const first = await node.deploy('shop', text('one'))
		assert.equal(first.version, 1)
		assert.equal((await node.get('shop')).text, 'one')
		const kept = await node.connect()
		kept.send(bytesOf('/', { host: 'shop.localhost' }))
		assert.equal((await kept.response()).text, 'one')
		await node.deploy('shop', text('two'))
		kept.send(bytesOf('/', { host: 'shop.localhost' }))
		assert.equal((await kept.response()).text, 'two', 'a connection that was open already')
		kept.close()
		await until(() => node.access.length >= 4)
		const record = node.access.at(-1)
		assert.deepEqual([record.routine, record.environment, record.version], ['shop', 'production', '2'])
	} finally {
		await node.stop()
		node.forget()
	}
})

test('staging and production are apart: by listener, by host, and in what they count', async () => {
	const node = await startStore({ config: { staging: { listen: ['127.0.0.1:0'], hosts: ['*.staging.test'] } } })
	try {
		await node.deploy('shop', text('live'))
		await node.deploy('shop', text('next'), { environment: 'staging' })
		await node.deploy('new', text('new'), { environment: 'staging' })
		for (const env of ['production', 'staging']) await node.ok('PUT', `/v1/routes?environment=${env}`, { rules: [{ pattern: 'shop.test/*', routine: 'shop' }] })
		const staging = Number(/:(\d+)$/.exec(node.ready.staging[0])[1])
		const at = (port, host) => request(port, '/', { host }).then(r => (r.status === 200 ? r.text : r.status))
		assert.equal(await at(node.port, 'shop.localhost'), 'live')
		assert.equal(await at(node.port, 'shop.staging.localhost'), 'next')
		assert.equal(await at(node.port, 'shop.test'), 'live')
		assert.equal(await at(node.port, 'shop.test.staging.test'), 'next')
		assert.equal(await at(staging, 'shop.localhost'), 'next')
		assert.equal(await at(staging, 'shop.test'), 'next')
		assert.equal(await at(node.port, 'new.localhost'), 404)
		assert.equal(await at(staging, 'new.localhost'), 'new')
		assert.equal(await node.metric('er_requests_total', { routine: 'shop', environment: 'production', status: '2xx' }), 2)
		assert.equal(await node.metric('er_requests_total', { routine: 'shop', environment: 'staging', status: '2xx' }), 4)
		assert.equal(await node.metric('er_version_requests_total', { routine: 'shop', environment: 'staging', version: '2' }), 4)
		const found = await node.ok('GET', '/v1/routes/test?environment=staging&url=http://shop.test/x')
		assert.deepEqual([found.matched, found.routine, found.source], [true, 'shop', 'store'])
	} finally {
		await node.stop()
		node.forget()
	}
})

test('a split gives each client one version, and both their share', async () => {
	const node = await startStore({ config: { threads: 2 } })
	try {
		for (const v of [1, 2]) await node.deploy('shop', says(v))
		await node.split('shop', [
			{ version: 1, percent: 70 },
			{ version: 2, percent: 30 },
		])
		const of = async client => (await request({ host: '127.0.0.1', port: node.port, localAddress: client }, '/', { host: 'shop.localhost' })).text
		const clients = Array.from({ length: 200 }, (_, i) => `127.0.${1 + (i >> 6)}.${1 + (i % 64)}`)
		const seen = new Map()
		for (const c of clients) seen.set(c, await of(c))
		for (const c of clients.slice(0, 40)) assert.equal(await of(c), seen.get(c), `${c} again`)
		const first = [...seen.values()].filter(v => v === '1').length
		assert.ok(first > 110 && first < 170, `${first} of 200 clients have the version with 70 %`)
		const versions = async () => (await node.ok('GET', '/v1/status')).routines[0].environments.production.versions
		await until(async () => (await versions()).reduce((n, v) => n + v.requests, 0) === 240, { what: '240 counted requests' })
		const counted = await versions()
		assert.ok(counted[0].requests >= first && counted[1].requests >= 200 - first)
	} finally {
		await node.stop()
		node.forget()
	}
})

test('a changed split replaces no instance: versions keep what they have in memory; a changed variable starts them anew', async () => {
	const node = await startStore({ config: { threads: 1 } })
	// Each instance counts its requests.
	const counts = v => `let n = 0; this.__er_module = { default: { fetch: (request, env) => new Response("${v} " + ++n + " " + env.V) } }`
	const put = value => node.ok('PUT', '/v1/routines/shop/environments/production/vars/V', { value })
	const split = (a, b) => node.split('shop', [{ version: 1, percent: a }, { version: 2, percent: b }])
	const clients = Array.from({ length: 60 }, (_, i) => `127.0.1.${1 + i}`)
	const highest = { 1: 0, 2: 0 }
	/** Asks as all clients: how many got which version; no instance begins at 1 again unless
	 * it is said. */
	const ask = async ({ anew = [], value }) => {
		const got = { 1: 0, 2: 0 }
		for (const v of anew) highest[v] = 0
		for (const localAddress of clients) {
			const [v, n, seen] = (await request({ host: '127.0.0.1', port: node.port, localAddress }, '/', { host: 'shop.localhost' })).text.split(' ')
			assert.equal(Number(n), highest[v] + 1, `the counter of version ${v}`)
			assert.equal(seen, String(value))
			highest[v]++
			got[v]++
		}
		return got
	}
	try {
		await node.deploy('shop', counts(1))
		await put('a')
		assert.equal((await ask({ anew: [1], value: 'a' }))[1], 60)
		// A canary, which grows, and takes all.
		await node.deploy('shop', counts(2), { percent: 20 })
		const few = await ask({ anew: [2], value: 'a' })
		assert.ok(few[1] > few[2] && few[2] > 0, JSON.stringify(few))
		await split(50, 50)
		await ask({ value: 'a' })
		await split(10, 90)
		const most = await ask({ value: 'a' })
		assert.ok(most[2] > most[1] && most[1] > 0, JSON.stringify(most))
		await node.ok('PUT', '/v1/routines/shop/environments/production', { version: 2, guard: { watch_s: 60 } })
		assert.equal((await ask({ value: 'a' }))[2], 60)
		await put('a') // which it is already
		await ask({ value: 'a' })
		await put('b')
		await ask({ anew: [2], value: 'b' })
		// Back with new variables: an instance of version 1 that would still have the old ones must
		// not come back.
		await node.ok('POST', '/v1/routines/shop/rollback', { version: 1 })
		await ask({ anew: [1], value: 'b' })
		await node.ok('PUT', '/v1/routines/shop/environments/production/secrets/S', { value: 'secret' })
		await ask({ anew: [1], value: 'b' })
	} finally {
		await node.stop()
		node.forget()
	}
})

test('what a version answers wrongly is counted for it, and a new deployment begins anew', async () => {
	const node = await startStore()
	try {
		await node.deploy('bad', 'addEventListener("fetch", e => { if (e.request.url.endsWith("/bad")) throw new Error("no"); e.respondWith(new Response("ok")) })')
		for (let i = 0; i < 3; i++) assert.equal((await node.get('bad', '/bad')).status, 599)
		assert.equal((await node.get('bad', '/good')).status, 200)
		const versions = async () => (await node.ok('GET', '/v1/status')).routines[0].environments.production.versions
		// An answer is counted once it is out, which its client may know first.
		const counted = n => until(async () => (await versions())[0].requests === n, { what: `${n} counted requests` })
		await counted(4)
		let [v] = await versions()
		assert.deepEqual([v.requests, v.errors], [4, 3])
		assert.ok(v.p99_ms > 0)
		await node.deploy('bad', text('well'))
		;[v] = await versions()
		assert.deepEqual([v.version, v.requests, v.errors], [2, 0, 0])
		await node.get('bad')
		await counted(1)
		;[v] = await versions()
		assert.deepEqual([v.requests, v.errors], [1, 0])
	} finally {
		await node.stop()
		node.forget()
	}
})

test('versions flip under load: every answer is 200 and of a version that was live', async () => {
	const node = await startStore({ config: { threads: 2 } })
	try {
		await node.deploy('shop', says(1, { wait: 1 }))
		const f = flips(node, 'shop', { every: 200, first: 2, wait: 1 })
		f.live.set(1, [0, 0])
		const l = load(node.port, 'shop.localhost', { connections: 48 })
		await sleep(10000)
		const deploys = await f.stop()
		const r = await l.stop()
		assert.deepEqual(r.errors.slice(0, 5), [])
		assert.deepEqual(deploys.failures, [])
		assert.ok(deploys.took.length > 5, `${deploys.took.length} deploys`)
		assert.ok(r.n > 500, `${r.n} requests`)
		assert.deepEqual(untimely(r.answers, deploys.live).slice(0, 5), [])
		assert.equal(await node.metric('er_kills_total'), 0)
	} finally {
		await node.stop()
		node.forget()
	}
})

test('a request that is under way is finished by the version that it came to', async () => {
	const node = await startStore()
	const slow = v => `addEventListener("fetch", e => { const { readable, writable } = new TransformStream(); const w = writable.getWriter(), t = new TextEncoder()
		;(async () => { for (let i = 0; i < 5; i++) { await w.write(t.encode("${v}")); await new Promise(r => setTimeout(r, 100)) } await w.close() })()
		e.respondWith(new Response(readable)) })`
	try {
		await node.deploy('slow', slow('a'))
		await node.get('slow')
		const c = await node.connect()
		c.send(bytesOf('/', { host: 'slow.localhost' }))
		await c.more('the first bytes')
		await node.deploy('slow', slow('b'))
		assert.equal((await node.get('slow')).text, 'bbbbb')
		assert.equal((await c.response()).text, 'aaaaa')
		c.close()
		await until(async () => (await node.metric('er_instances')) === 1, { what: 'the end of the old version' })
	} finally {
		await node.stop()
		node.forget()
	}
})

test('forty deploys leave nothing behind', { timeout: 180000 }, async () => {
	const node = await startStore({ config: { threads: 2, sandbox: { pool: 2 } } })
	const settled = async () => {
		await until(async () => (await node.metric('er_instances')) <= 2 && (await node.metric('er_pool_ready')) === 4, { timeout: 30000, what: 'rest' })
		return node.holdings()
	}
	try {
		let v = 0
		const one = async () => {
			await node.deploy('shop', says(++v))
			await node.get('shop')
			if (v % 20 === 0) await node.ok('POST', '/v1/routines/shop/prune', { keep: 3 })
		}
		for (let i = 0; i < 20; i++) await one()
		const before = await settled()
		const series = (await node.metrics()).size
		for (let i = 0; i < 40; i++) await one()
		const after = await settled()
		assert.equal(after.processes, before.processes)
		assert.equal(after.sandboxes, before.sandboxes)
		// A client's connection or two; and the store keeps up to four connections for reading, of
		// two descriptors each.
		assert.ok(after.fds <= before.fds + 2 + 6, `${before.fds} descriptors, then ${after.fds}`)
		assert.equal(after.spawnerFds, before.spawnerFds)
		assert.ok(sanitized || after.anonymous - before.anonymous < 3e6, `${before.anonymous} bytes, then ${after.anonymous}`)
		assert.ok((await node.metrics()).size <= series, 'series of metrics')
	} finally {
		await node.stop()
		node.forget()
	}
})

test('kill -9 in the middle of deploys: the next start serves the last one that was acknowledged, or the one that was not yet', { timeout: 120000 }, async () => {
	const data = path.join(tempDir('er-data-'), 'd')
	let acknowledged = 0, asked = 0
	for (let round = 0; round < 5; round++) {
		const node = await startStore({ data })
		if (acknowledged > 0) {
			const now = Number((await node.get('shop')).text)
			assert.ok(now >= acknowledged && now <= asked, `${now} is served; ${acknowledged} was acknowledged, ${asked} was asked for`)
		}
		const loop = (async () => {
			for (;;) {
				asked++
				await node.deploy('shop', says(asked))
				acknowledged = asked
			}
		})().catch(() => {})
		await sleep(150 + round * 70)
		node.kill()
		await loop
	}
	assert.ok(acknowledged > 5)
	fs.rmSync(path.dirname(data), { recursive: true, force: true })
})

test('after a restart code is read when it is asked for, with its variables, and none is kept for who does not ask', async () => {
	const data = path.join(tempDir('er-data-'), 'd')
	const code = 'this.__er_module = { default: { fetch: (request, env) => new Response(env.GREETING + " " + env.SECRET) } }'
	const before = await startStore({ data })
	try {
		await before.deploy('shop', code)
		await before.ok('PUT', '/v1/routines/shop/environments/production/vars/GREETING', { value: 'hello' })
		await before.ok('PUT', '/v1/routines/shop/environments/production/secrets/SECRET', { value: 'quiet' })
		assert.equal((await before.get('shop')).text, 'hello quiet')
	} finally {
		await before.stop()
	}
	const node = await startStore({ data })
	try {
		assert.equal(await node.metric('er_instances'), 0)
		const first = await node.get('shop')
		assert.equal(first.text, 'hello quiet')
		await node.ok('PUT', '/v1/routines/shop/environments/production/vars/GREETING', { value: 'bye' })
		assert.equal((await node.get('shop')).text, 'bye quiet', 'a variable is there for the next request')
	} finally {
		await node.stop()
		node.forget()
	}
})

test('a version that does not start is refused with its place, and the old one goes on', async () => {
	const node = await startStore()
	try {
		await node.deploy('shop', text('well'))
		const res = await node.api('POST', '/v1/routines/shop/deploy', { code: 'const a = 1\nthrow new TypeError("not today")', environment: 'production' })
		assert.equal(res.status, 400)
		assert.match(res.json.error.message, /TypeError: not today/)
		assert.match(JSON.stringify(res.json.error), /routine\.js:2/)
		const slow = await node.api('POST', '/v1/routines/shop/deploy', { code: 'for (;;);', environment: 'production' })
		assert.equal(slow.status, 400)
		assert.match(slow.json.error.message, /CPU/)
		assert.equal((await node.get('shop')).text, 'well')
		assert.equal(await node.metric('er_exceptions_total', { routine: 'shop' }), 0, 'nobody was served by it')
		assert.equal(await node.metric('er_kills_total'), 0)
	} finally {
		await node.stop()
		node.forget()
	}
})

test('a routine of node.jsonc and one of the store live side by side; the file comes first', async () => {
	const node = await startStore({ routines: { both: text('file'), file: text('file') } })
	try {
		await node.deploy('stored', text('stored'))
		const hidden = await node.api('POST', '/v1/routines/both/deploy', { code: text('stored'), environment: 'production' })
		assert.ok(hidden.status < 500)
		assert.equal((await node.get('both')).text, 'file')
		assert.equal((await node.get('stored')).text, 'stored')
		assert.equal((await node.get('file.staging.localhost')).text, 'file')
		node.signal('SIGHUP')
		await node.logged(/reloaded/)
		assert.equal((await node.get('stored')).text, 'stored')
		const list = await node.ok('GET', '/v1/routes?environment=production')
		assert.ok(Array.isArray(list.items))
	} finally {
		await node.stop()
		node.forget()
	}
})

test('reloading the file and deploying at the same time lose nothing of either', async () => {
	const node = await startStore({ routines: { file: text('0') } })
	try {
		await node.deploy('shop', says(1))
		const f = flips(node, 'shop', { every: 10, first: 2 })
		for (let i = 1; i <= 20; i++) {
			fs.writeFileSync(path.join(node.dir, 'file.js'), text(String(i)))
			const n = node.err.filter(l => /reloaded/.test(l)).length
			node.signal('SIGHUP')
			await until(() => node.err.filter(l => /reloaded/.test(l)).length > n, { what: 'the reload' })
			assert.equal((await node.get('file')).text, String(i))
		}
		const r = await f.stop()
		assert.deepEqual(r.failures, [])
		assert.equal((await node.get('shop')).text, String(1 + r.took.length))
	} finally {
		await node.stop()
		node.forget()
	}
})

test('the admin socket is the user’s alone, a stale one is replaced, and TCP wants a token', async () => {
	const data = path.join(tempDir('er-data-'), 'd')
	const first = await startStore({ data })
	const socket = first.ready.socket
	assert.equal(socket, path.join(data, 'admin.sock'))
	assert.equal(fs.statSync(socket).mode & 0o777, 0o600)
	first.kill()
	await first.exited
	assert.ok(fs.existsSync(socket), 'killed: it is left')
	const node = await startStore({ data })
	try {
		assert.equal((await node.api('GET', '/v1/whoami')).status, 200)
		assert.equal((await node.api('GET', '/health')).json.status, 'ok')
		assert.equal((await api(node.adminPort, 'GET', '/v1/whoami')).status, 401)
		assert.equal((await api(node.adminPort, 'GET', '/health')).status, 200)
		const second = spawnSync(er, ['node', '--config', node.configFile, '--data', data, '--admin', '127.0.0.1:0'], { encoding: 'utf8', timeout: 20000, env: process.env })
		assert.equal(second.status, 1)
		assert.match(second.stderr, /another node|in use/)
	} finally {
		await node.stop()
	}
	assert.equal(fs.existsSync(socket), false)
	fs.rmSync(path.dirname(data), { recursive: true, force: true })
})

test('without a data folder there is no store: /v1 says what to do', async () => {
	const node = await startNode({ routines: { a: text('a') } })
	try {
		const res = await api(node.adminPort, 'GET', '/v1/routines')
		assert.equal(res.status, 404)
		assert.match(res.text, /--data DIR/)
		assert.equal(node.ready.socket, undefined)
	} finally {
		await node.stop()
	}
})

test('a store that cannot be opened keeps the node from starting, and says so', () => {
	const dir = tempDir()
	fs.writeFileSync(path.join(dir, 'node.jsonc'), '{"listen": ["127.0.0.1:0"]}')
	fs.mkdirSync(path.join(dir, 'd'))
	fs.writeFileSync(path.join(dir, 'd', 'control.db'), 'this is no database, and long enough to be looked at as one. '.repeat(40))
	const r = spawnSync(er, ['node', '--config', path.join(dir, 'node.jsonc'), '--data', path.join(dir, 'd')], { encoding: 'utf8', timeout: 20000 })
	assert.equal(r.status, 1)
	assert.match(r.stderr, /control\.db/)
	fs.rmSync(dir, { recursive: true })
})

test('the tail gets requests, console lines and exceptions while somebody listens', async () => {
	const node = await startStore()
	try {
		await node.deploy('shop', 'addEventListener("fetch", e => { console.log("asked for", new URL(e.request.url).pathname); if (e.request.url.endsWith("/bad")) throw new Error("no"); e.respondWith(new Response("ok")) })')
		const tail = await connect({ path: node.ready.socket })
		tail.send(bytesOf('/v1/tail?routine=shop', { host: 'localhost' }))
		assert.equal((await tail.head()).status, 200)
		await node.get('shop', '/one?q=1')
		await node.get('shop', '/bad')
		await until(() => /"\/bad/.test(tail.bytes.toString()) && /Error/.test(tail.bytes.toString()), { what: `the events; there was ${tail.bytes}` })
		const lines = tail.bytes.toString()
		assert.match(lines, /asked for \/one/)
		assert.match(lines, /\/one\?q=1/)
		tail.close()
	} finally {
		await node.stop()
		node.forget()
	}
})

test('ten thousand routines with three versions each: the node starts quickly, an idle one costs less than 2 KB', { timeout: 120000 }, async () => {
	const dir = tempDir('er-data-')
	const fill = (name, n) => {
		const r = spawnSync(path.join(root, 'build/test/fill-store'), [path.join(dir, name), String(n), '3'], { encoding: 'utf8' })
		assert.equal(r.status, 0, r.stderr)
	}
	const start = async name => {
		const t = performance.now()
		const node = await startStore({ data: path.join(dir, name), config: { threads: 2 } })
		return [node, performance.now() - t]
	}
	try {
		fill('few', 10)
		fill('many', 10000)
		const [few] = await start('few')
		await until(async () => (await few.metric('er_pool_ready')) === 8)
		const empty = few.holdings().anonymous
		await few.stop()
		const [node, took] = await start('many')
		try {
			assert.ok(sanitized || took < 10000, `${took} ms`)
			assert.equal(node.ready.routines, 10000)
			await until(async () => (await node.metric('er_pool_ready')) === 8)
			const each = (node.holdings().anonymous - empty) / 10000
			assert.ok(sanitized || each < 2048, `${each} bytes a routine`)
			assert.equal((await node.get('r9999')).text, 'routine 9999, version 3')
			assert.equal((await node.get('r0.example')).text, 'routine 0, version 3')
			assert.equal((await node.get('r10.staging.localhost')).text, 'routine 10, version 3')
			assert.equal((await node.get('r11.staging.localhost')).status, 404)
			await node.deploy('r5', text('new'))
			assert.equal((await node.get('r5')).text, 'new')
			assert.equal((await node.get('r6')).text, 'routine 6, version 3')
		} finally {
			await node.stop()
		}
	} finally {
		fs.rmSync(dir, { recursive: true, force: true })
	}
})

test('no process is left when a node with a store is ended', async () => {
	const node = await startStore()
	await node.deploy('shop', text('x'))
	const below = proc.descendants(node.pid)
	await node.stop()
	assert.deepEqual(below.filter(proc.alive), [])
	node.forget()
})

test('a node that ends finishes what it has, and takes no changes meanwhile', async () => {
	const node = await startStore()
	try {
		await node.deploy('slow', says('1', { wait: 1500 }))
		await node.get('slow')
		const before = await node.api('GET', '/v1')
		const answer = node.get('slow')
		await sleep(300)
		node.signal('SIGTERM')
		await until(async () => (await node.api('GET', '/v1/status')).json.node.status === 'stopping', { what: 'its ending' })
		for (const [method, target, body] of [['POST', '/v1/routines/slow/deploy', { code: text('2') }], ['PUT', '/v1/routines/slow/environments/production/vars/A', { value: 1 }], ['DELETE', '/v1/routines/slow']]) {
			const refused = await node.api(method, target, body)
			assert.equal(refused.status, 503, `${method} ${target}: ${refused.text}`)
			assert.equal(refused.json.error.code, 'unavailable')
		}
		assert.equal((await node.api('GET', '/v1')).json.sequence, before.json.sequence)
		assert.equal((await answer).text, '1')
	} finally {
		await node.stop()
		node.forget()
	}
})
