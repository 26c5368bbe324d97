// A node changes its configuration and ends without dropping anybody.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import { startStore } from './lib/deploy.mjs'
import { project, start } from './lib/desk.mjs'
import { startNode, writeConfig, er, tempDir } from './lib/node.mjs'
import { bytesOf, request, sleep, until } from './lib/raw.mjs'
import { probe } from './lib/stats.mjs'
import { tool } from './lib/tool.mjs'

const says = text => `addEventListener("fetch", e => e.respondWith(new Response(${JSON.stringify(text)})))`
const slow = `addEventListener("fetch", e => e.respondWith(new Promise(r => setTimeout(() => r(new Response("slow")), 700))))`

const config = (routines, more = {}) => ({ listen: ['127.0.0.1:0'], admin: '127.0.0.1:0', threads: 1, routines, ...more })

test('SIGHUP swaps routines under load without one failed request or closed connection', async () => {
	const node = await startNode({ routines: { a: says('one'), b: says('b') } })
	const p = probe(node.port, 'a.localhost')
	try {
		await until(() => p.latencies.length > 20)
		fs.writeFileSync(path.join(node.dir, 'a.js'), says('two'))
		for (let i = 0; i < 3; i++) {
			const n = node.err.filter(l => /reloaded/.test(l)).length
			node.signal('SIGHUP')
			await until(() => node.err.filter(l => /reloaded/.test(l)).length > n, { what: 'reload' })
			await sleep(100)
		}
		assert.equal((await node.get('a')).text, 'two')
		assert.equal((await node.get('b')).text, 'b')
	} finally {
		const r = await p.stop()
		await node.stop()
		assert.deepEqual(r.errors, [])
		assert.deepEqual([...r.statuses.keys()], [200])
	}
})

test('a routine that did not change keeps its instance over a reload', async () => {
	const counter = 'let n = 0; addEventListener("fetch", e => e.respondWith(new Response(String(++n))))'
	const node = await startNode({ routines: { counter, other: says('x') } })
	try {
		assert.equal((await node.get('counter')).text, '1')
		fs.writeFileSync(path.join(node.dir, 'other.js'), says('y'))
		node.signal('SIGHUP')
		await node.logged(/reloaded/)
		assert.equal((await node.get('counter')).text, '2')
		assert.equal((await node.get('other')).text, 'y')
	} finally {
		await node.stop()
	}
})

test('a bad configuration keeps the old one and says where the mistake is', async () => {
	const node = await startNode({ routines: { a: says('one') } })
	try {
		fs.writeFileSync(node.configFile, '{\n\t"listen": ["127.0.0.1:0"],\n\t"rutines": []\n}\n')
		node.signal('SIGHUP')
		const line = await node.logged(/not reloaded/)
		assert.match(line, /node\.jsonc:3:2: \\?"rutines\\?" .*did you mean \\?"routines\\?"/)
		assert.equal((await node.get('a')).text, 'one')
	} finally {
		await node.stop()
	}
})

test('a new listen address opens before the old one closes', async () => {
	const node = await startNode({ routines: { a: says('one') } })
	try {
		const kept = await node.connect()
		kept.send(bytesOf('/', { host: 'a.localhost' }))
		await kept.response()
		const free = 20000 + (process.pid % 20000)
		writeConfig(node.configFile, config([{ name: 'a', main: 'a.js' }], { listen: [`127.0.0.1:${free}`] }))
		node.signal('SIGHUP')
		await node.logged(/reloaded/)
		await until(() => request(free, '/', { host: 'a.localhost' }).then(r => r.text === 'one', () => false), { what: 'the new address' })
		await until(() => request(node.port, '/', { host: 'a.localhost' }).then(() => false, () => true), { what: 'the end of the old address' })
		kept.send(bytesOf('/', { host: 'a.localhost' }))
		assert.equal((await kept.response()).text, 'one')
		kept.close()
	} finally {
		await node.stop()
	}
})

test('SIGTERM lets what runs finish, closes what is idle, and leaves no process', async () => {
	const node = await startNode({ routines: { slow } })
	const idle = await node.connect()
	idle.send(bytesOf('/', { host: 'slow.localhost' }))
	await idle.response()
	const busy = await node.connect()
	busy.send(bytesOf('/', { host: 'slow.localhost' }))
	await sleep(150)
	const stopping = node.stop()
	assert.ok(await idle.closed())
	const res = await busy.response()
	assert.equal(res.text, 'slow')
	assert.equal(res.headers.connection, 'close')
	await stopping
})

test('a second SIGTERM ends at once', async () => {
	const node = await startNode({ routines: { never: 'addEventListener("fetch", e => e.respondWith(new Promise(r => setTimeout(r, 1e8))))' } })
	const c = await node.connect()
	c.send(bytesOf('/', { host: 'never.localhost' }))
	await sleep(150)
	node.signal('SIGTERM')
	await sleep(300)
	assert.equal(node.child.exitCode, null)
	const t = Date.now()
	await node.stop()
	assert.ok(Date.now() - t < 10000)
})

test('signals that go on coming until the last moment do not change the status with which a node or er dev ends', async () => {
	const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']
	const rain = (child, all) => setInterval(() => all.forEach(s => child.kill(s)), 1).unref()
	for (let i = 0; i < 3; i++) {
		const node = await startNode({ routines: { a: says('one') } })
		node.signal('SIGTERM')
		const falls = rain(node.child, signals)
		assert.deepEqual(await node.exited, { code: 0, signal: null })
		clearInterval(falls)
	}
	const dir = project({ 'a.js': says('one') })
	for (let i = 0; i < 3; i++) {
		const { child, out, exited } = start(['dev', 'a.js', '--port', '0'], { cwd: dir })
		await until(() => /^ready/m.test(out()), { what: 'ready' })
		child.kill('SIGTERM')
		const falls = rain(child, signals.slice(0, 3))
		assert.equal(await exited, 0, out())
		clearInterval(falls)
	}
})

test('a second node on the same address is told so', async () => {
	const node = await startNode({ routines: { a: says('one') } })
	try {
		const r = spawnSync(er, ['node', '--config', node.configFile, '--listen', `127.0.0.1:${node.port}`, '--admin', '127.0.0.1:0'], { encoding: 'utf8', timeout: 20000, env: process.env })
		assert.equal(r.status, 1)
		assert.match(r.stderr, /another process/)
	} finally {
		await node.stop()
	}
})

test('mistakes in node.jsonc: each at its line and column, with what was expected', () => {
	const dir = tempDir()
	const file = path.join(dir, 'node.jsonc')
	fs.writeFileSync(path.join(dir, 'ok.js'), says('x'))
	fs.writeFileSync(path.join(dir, 'big.js'), `/*${'x'.repeat(1 << 20)}*/`)
	const cases = [
		['{"listen": "nowhere"}', /:1:12: "listen": .*address/],
		['{"threads": "two"}', /:1:13: "threads": a whole number from 1 to 256 is expected, not a string/],
		['{"threads": 0}', /"threads" is 0: a whole number from 1 to 256/],
		['{"origin": "ftp://x"}', /"origin": .*http:\/\/HOST/],
		['{"sandbox": {"minLevel": "none"}}', /"minLevel": "full", "no-userns" or "seccomp-only"/],
		['{\n  // comment\n  "limits": {"keepAlive": 5},\n}', /:3:14: "limits\.keepAlive" .*did you mean "keepAliveMs"/],
		['{"routines": [{"name": "a"}]}', /a routine needs "main"/],
		['{"routines": [{"name": "a", "main": "missing.js"}]}', /missing\.js: No such file/],
		['{"routines": [{"name": "a", "main": "big.js"}]}', /has 1048580 bytes; code must have less than 1048576/],
		['{"routines": [{"name": "A_b", "main": "ok.js"}]}', /:1:24: "name": a to z/],
		['{"routines": [{"name": "a", "main": "ok.js", "limits": {"cpuMs": 5000}}]}', /cpuMs is 5000.*at most 1000/],
		['{"routines": [{"name": "a", "main": "ok.js"}], "routes": [{"pattern": "a.*.b/", "routine": "a"}]}', /cannot be in a host/],
		['{"routines": [{"name": "a", "main": "ok.js"}], "routes": [{"pattern": "a/", "routine": "b"}]}', /there is no routine b/],
		['{"routines": [], }}', /:1:\d+: nothing more is expected/],
	]
	for (const [text, re] of cases) {
		fs.writeFileSync(file, text)
		const r = spawnSync(er, ['node', '--config', file], { encoding: 'utf8', timeout: 20000 })
		assert.equal(r.status, 1, text)
		assert.match(r.stderr, re, text)
	}
	fs.rmSync(dir, { recursive: true })
})

test('history in node.jsonc bounds what the store keeps, also after a HUP, and er audit says from where', async () => {
	const node = await startStore({ config: { history: { changes: 20, deployments: 3 } } })
	try {
		const change = async (from, to) => {
			for (let i = from; i < to; i++) await node.ok('PUT', '/v1/routines/shop/environments/production/vars/N', { value: i })
		}
		for (let i = 1; i <= 6; i++) await node.deploy('shop', says(`v${i}`))
		assert.deepEqual((await node.ok('GET', '/v1/routines/shop/deployments')).items.map(d => d.versions[0].version), [6, 5, 4])
		await node.ok('POST', '/v1/routines/shop/rollback')
		assert.equal((await node.get('shop')).text, 'v5')
		await change(0, 30)
		const { sequence, first_sequence: first } = await node.ok('GET', '/v1')
		assert.equal(first, sequence - 19)
		const late = await node.api('GET', `/v1/audit?after=${first - 2}`)
		assert.equal(late.status, 410)
		assert.deepEqual([late.json.error.code, late.json.error.first_sequence], ['trimmed', first])
		// The tool without --after asks for no more than there is; with it, it says what is
		// the matter.
		const audit = args => tool(args, { env: { ER_NODE: node.ready.socket } })
		assert.deepEqual((await audit(['audit', '--limit', '1000', '--json'])).json.items.map(c => c.sequence), Array.from({ length: 20 }, (_, i) => first + i))
		const told = await audit(['audit', '--after', '1'])
		assert.equal(told.code, 1)
		assert.match(told.err, new RegExp(`begins with ${first} now`))
		// More from now on; what is gone stays gone.
		const config = JSON.parse(fs.readFileSync(node.configFile, 'utf8'))
		writeConfig(node.configFile, { ...config, history: { changes: 25 } })
		node.signal('SIGHUP')
		await node.logged(/reloaded/)
		await change(30, 40)
		assert.deepEqual(await node.ok('GET', '/v1').then(r => [r.sequence, r.first_sequence]), [sequence + 10, sequence + 10 - 24])
		// What runs is still there after a new start.
		await node.stop()
		const again = await startStore({ data: node.data })
		try {
			assert.equal((await again.get('shop')).text, 'v5')
			await again.ok('POST', '/v1/routines/shop/rollback')
			assert.equal((await again.get('shop')).text, 'v4')
		} finally {
			await again.stop()
		}
	} finally {
		node.kill()
		node.forget()
	}
})
