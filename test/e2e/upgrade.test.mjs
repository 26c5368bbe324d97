// Another process of the same program takes over, and no client notices.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { startNode, writeConfig, er, sanitized } from './lib/node.mjs'
import { bytesOf, connect, request, sleep, until } from './lib/raw.mjs'
import { current, end, generations, refusedUpgrade, upgrade } from './lib/lineage.mjs'
import * as proc from './lib/proc.mjs'
import { probe } from './lib/stats.mjs'

const says = text => `addEventListener("fetch", e => e.respondWith(new Response(${JSON.stringify(text)})))`
const late = ms => `addEventListener("fetch", e => e.respondWith(new Promise(r => setTimeout(() => r(new Response("late")), ${ms}))))`

/** A new connection for each request, again and again. */
function strangers(port, host) {
	const errors = []
	let n = 0
	let stopped = false
	const loop = (async () => {
		while (!stopped) {
			try {
				const res = await request(port, '/', { host, timeout: 20000 })
				if (res.status === 200) n++
				else errors.push(`status ${res.status}`)
			} catch (e) {
				errors.push(String(e.message ?? e))
			}
		}
	})()
	return {
		async stop() {
			stopped = true
			await loop
			return { errors, n }
		},
	}
}

/** Kept connections and new ones at once; stop() throws when one request failed. →
 * requests answered */
function load(port, host) {
	const all = [...Array.from({ length: 6 }, (_, i) => probe(port, host, '/', { every: i * 2 })), ...Array.from({ length: 6 }, () => strangers(port, host))]
	return {
		async stop() {
			const results = await Promise.all(all.map(p => p.stop()))
			assert.deepEqual(results.flatMap(r => r.errors), [])
			for (const r of results) for (const s of r.statuses?.keys() ?? []) assert.equal(s, 200)
			return results.reduce((sum, r) => sum + r.n, 0)
		},
	}
}

const holdings = pid => ({
	fds: proc.fds(pid).length,
	sockets: proc.fds(pid).filter(f => f.target.startsWith('socket:')).length,
	threads: proc.threads(pid).length,
	sandboxes: proc.sandboxes(pid).length,
})

test('upgrades in a row under load: not one request fails, each generation ends, nothing piles up', async () => {
	const node = await startNode({ routines: { a: says('one') }, config: { threads: 2 } })
	try {
		await sleep(500)
		const before = holdings(node.pid)
		const l = load(node.port, 'a.localhost')
		const pids = new Set([node.pid])
		for (let i = 0; i < 5; i++) {
			await sleep(200)
			const next = await upgrade(node, { gone: i % 2 === 0 })
			assert.ok(!pids.has(next.pid))
			pids.add(next.pid)
			assert.deepEqual(next.listen, node.ready.listen)
			assert.equal(next.admin, node.ready.admin)
		}
		await sleep(300)
		const n = await l.stop()
		assert.ok(n > 500, `${n} requests`)
		await until(() => [...pids].filter(proc.alive).length === 1, { timeout: 20000, what: 'the end of all old ones' })
		const health = JSON.parse((await request(node.adminPort, '/health')).text)
		assert.equal(health.status, 'ok')
		await until(async () => (await node.metric('er_connections')) === 0)
		await sleep(500)
		const after = holdings(current(node))
		assert.ok(after.fds <= before.fds + 4, JSON.stringify({ before, after }))
		assert.ok(after.sockets <= before.sockets + 1, JSON.stringify({ before, after }))
		assert.equal(after.threads, before.threads)
	} finally {
		await end(node)
	}
})

test('the number of threads may grow and shrink: every socket of the predecessor is served', async () => {
	const node = await startNode({ routines: { a: says('one') }, config: { threads: 1 } })
	try {
		const l = load(node.port, 'a.localhost')
		for (const threads of [3, 2, 1]) {
			const config = JSON.parse(fs.readFileSync(node.configFile, 'utf8'))
			writeConfig(node.configFile, { ...config, threads })
			const next = await upgrade(node)
			assert.equal(next.threads, threads)
			await sleep(200)
		}
		assert.ok((await l.stop()) > 200)
		// Three sockets share the port by now; the kernel picks one by the client's port.
		const answers = await Promise.all(Array.from({ length: 100 }, () => node.get('a')))
		assert.ok(answers.every(r => r.text === 'one'))
	} finally {
		await end(node)
	}
})

test('the predecessor finishes what it has: late answers, idle clients, half a request', async () => {
	const node = await startNode({ routines: { a: says('one'), late: late(1500) } })
	try {
		const idle = await node.connect()
		idle.send(bytesOf('/', { host: 'a.localhost' }))
		await idle.response()
		const busy = await node.connect()
		busy.send(bytesOf('/', { host: 'late.localhost' }))
		const half = await node.connect()
		half.send('GET / HTTP/1.1\r\nhost: a.loc')
		await sleep(100)
		const next = await upgrade(node, { gone: false })
		assert.equal((await request(node.adminPort, '/health')).status, 200)
		half.send('alhost\r\n\r\n')
		assert.equal((await half.response()).text, 'one')
		// The successor is ready a moment before the threads of the predecessor know.
		await until(async () => {
			idle.send(bytesOf('/', { host: 'a.localhost' }))
			const last = await idle.response()
			assert.equal(last.text, 'one')
			return last.headers.connection === 'close'
		}, { what: 'the answer that ends the idle connection' })
		assert.equal((await busy.response()).text, 'late')
		await until(() => !proc.alive(node.pid), { what: 'the end of the predecessor' })
		assert.equal((await node.exited).code, 0)
		assert.equal(current(node), next.pid)
	} finally {
		await end(node)
	}
})

test('a configuration that is wrong leaves the old process serving, and says where the mistake is', async () => {
	const node = await startNode({ routines: { a: says('one') } })
	try {
		const good = fs.readFileSync(node.configFile, 'utf8')
		fs.writeFileSync(node.configFile, '{\n\t"thread": 2\n}\n')
		const line = await refusedUpgrade(node)
		assert.match(line, /node\.jsonc:2:2: \\?"thread\\?" .*did you mean/)
		assert.equal(current(node), node.pid)
		assert.equal((await node.get('a')).text, 'one')
		fs.writeFileSync(node.configFile, good)
		assert.notEqual((await upgrade(node)).pid, node.pid)
		assert.equal((await node.get('a')).text, 'one')
	} finally {
		await end(node)
	}
})

test('the configuration of the successor may have other addresses: dropped ones end, new ones open', async () => {
	const node = await startNode({ routines: { a: says('one') }, config: { listen: ['127.0.0.1:0', '127.0.0.2:0'] } })
	try {
		const config = JSON.parse(fs.readFileSync(node.configFile, 'utf8'))
		writeConfig(node.configFile, { ...config, listen: ['127.0.0.1:0', '127.0.0.3:0'] })
		const next = await upgrade(node)
		assert.equal(next.listen[0], node.ready.listen[0])
		assert.equal((await node.get('a')).text, 'one')
		const third = { host: '127.0.0.3', port: Number(new URL(next.listen[1]).port) }
		assert.equal((await request(third, '/', { host: 'a.localhost' })).text, 'one')
		await assert.rejects(request({ host: '127.0.0.2', port: node.ports[1] }, '/', { host: 'a.localhost' }))
	} finally {
		await end(node)
	}
})

/** A copy of the program that a test may replace. */
async function installed(options) {
	const dir = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'er-upgrade-'))
	const bin = path.join(dir, 'er')
	const sandbox = process.env.ER_SANDBOX ?? path.join(path.dirname(er), 'er-sandbox')
	fs.copyFileSync(er, bin)
	fs.copyFileSync(sandbox, path.join(dir, 'er-sandbox'))
	const node = await startNode({ ...options, program: bin })
	const replace = content => {
		if (content === null) fs.copyFileSync(er, bin + '.new')
		else fs.writeFileSync(bin + '.new', content)
		fs.chmodSync(bin + '.new', 0o755)
		fs.renameSync(bin + '.new', bin)
	}
	return { node, dir, bin, replace, remove: () => fs.rmSync(dir, { recursive: true, force: true }) }
}

test('a new program that fails, crashes, says nothing or is missing: the old process goes on', async () => {
	const { node, bin, replace, remove } = await installed({ routines: { a: says('one') }, config: { limits: { upgradeMs: 1500 } } })
	try {
		const l = load(node.port, 'a.localhost')
		replace('#!/bin/sh\nexit 3\n')
		assert.match(await refusedUpgrade(node), /it ended with status 3/)
		replace('#!/bin/sh\nkill -SEGV $$\n')
		assert.match(await refusedUpgrade(node), /killed by signal 11/)
		replace('#!/bin/sh\nexec sleep 60\n')
		assert.match(await refusedUpgrade(node), /not ready within 1500 ms/)
		replace('#!/bin/sh\nprintf hello >&${ER_UPGRADE_TEST:-$(echo "$ER_UPGRADE" | sed -n "s/^channel \\([0-9]*\\) .*/\\1/p")}; exec sleep 60\n')
		assert.match(await refusedUpgrade(node), /not ready|no node says/)
		fs.unlinkSync(bin)
		assert.match(await refusedUpgrade(node), /is not there any more/)
		await l.stop()
		assert.equal(current(node), node.pid)
		assert.deepEqual(proc.children(node.pid).length, 1)
		// The file was replaced several times: what runs is "deleted", and what is there now
		// is started.
		replace(null)
		assert.match(fs.readlinkSync(`/proc/${node.pid}/exe`), /deleted/)
		const next = await upgrade(node)
		assert.equal(fs.readlinkSync(`/proc/${next.pid}/exe`), bin)
		assert.equal((await node.get('a')).text, 'one')
	} finally {
		await end(node)
		remove()
	}
})

test('asked twice, told to end or to reload while it runs', async () => {
	const { node, replace, remove } = await installed({ routines: { a: says('one') } })
	try {
		replace('#!/bin/sh\nexec sleep 60\n')
		process.kill(node.pid, 'SIGUSR2')
		await node.logged(/upgrading/)
		process.kill(node.pid, 'SIGUSR2')
		await node.logged(/an upgrade runs already/)
		fs.writeFileSync(path.join(node.dir, 'a.js'), says('two'))
		process.kill(node.pid, 'SIGHUP')
		await node.logged(/after the upgrade/)
		assert.equal((await node.get('a')).text, 'one')
		const child = await until(() => proc.children(node.pid).find(p => proc.cmdline(p)[0] === 'sleep'))
		process.kill(child, 'SIGKILL')
		await node.logged(/reloaded/)
		assert.equal((await node.get('a')).text, 'two')
		process.kill(node.pid, 'SIGUSR2')
		const second = await until(() => proc.children(node.pid).find(p => proc.cmdline(p)[0] === 'sleep'))
		await end(node)
		assert.ok(!proc.alive(second))
	} finally {
		node.kill()
		remove()
	}
})

test('the predecessor dies while its successor starts: the successor serves', { skip: sanitized }, async () => {
	const { node, replace, bin, remove } = await installed({ routines: { a: says('one') } })
	try {
		fs.copyFileSync(er, bin + '-real')
		fs.chmodSync(bin + '-real', 0o755)
		fs.copyFileSync(bin.replace(/er$/, 'er-sandbox'), bin + '-real-sandbox')
		replace(`#!/bin/sh\nsleep 0.7\nexec ${bin}-real "$@"\n`)
		process.kill(node.pid, 'SIGUSR2')
		await node.logged(/upgrading/)
		await sleep(200)
		process.kill(node.pid, 'SIGKILL')
		await until(() => generations(node).length === 2, { what: 'the successor' })
		assert.equal((await node.get('a')).text, 'one')
	} finally {
		await end(node)
		remove()
	}
})

// ---- with a store ----

const api = (node, method, target, body) =>
	request({ path: path.join(node.data, 'admin.sock') }, target, { method, body: body && JSON.stringify(body), headers: body ? { 'content-type': 'application/json' } : {}, timeout: 30000 }).then(r => ({
		status: r.status,
		headers: r.headers,
		body: r.text ? JSON.parse(r.text) : undefined,
	}))

async function withStore(options = {}) {
	const data = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'er-data-'))
	const node = await startNode({ ...options, config: { data, ...options.config } })
	return Object.assign(node, { data })
}

const deploy = (node, name, code) => api(node, 'POST', `/v1/routines/${name}/deploy`, { code, settings: {}, environment: 'production' })

test('the store goes along: what was deployed is served, the API answers, the socket stays', async () => {
	const node = await withStore()
	try {
		assert.equal((await deploy(node, 'stored', says('v1'))).status, 200)
		assert.equal((await node.get('stored')).text, 'v1')
		const done = await api(node, 'POST', '/v1/upgrade')
		assert.equal(done.status, 200, JSON.stringify(done))
		await until(() => generations(node).length === 2)
		assert.equal((await node.get('stored')).text, 'v1')
		assert.equal((await deploy(node, 'stored', says('v2'))).status, 200)
		assert.equal((await node.get('stored')).text, 'v2')
		await until(() => !proc.alive(node.pid), { timeout: 20000 })
		assert.equal((await api(node, 'GET', '/v1/status')).body.node.pid, current(node))
		await upgrade(node)
		assert.equal((await node.get('stored')).text, 'v2')
	} finally {
		await end(node)
		assert.ok(!fs.existsSync(path.join(node.data, 'admin.sock')))
		fs.rmSync(node.data, { recursive: true })
	}
})

test('deployments while it is upgraded: each is refused or served by the successor, never lost', async () => {
	const node = await withStore()
	try {
		assert.equal((await deploy(node, 'x', says('0'))).status, 200)
		let stopped = false
		let acknowledged = '0'
		let refused = 0
		const loop = (async () => {
			for (let i = 1; !stopped; i++) {
				const r = await deploy(node, 'x', says(String(i)))
				if (r.status === 200) {
					acknowledged = String(i)
					assert.equal((await node.get('x')).text, acknowledged)
				} else {
					assert.equal(r.status, 503, JSON.stringify(r))
					assert.equal(r.headers['retry-after'], '1')
					refused++
					await sleep(20)
				}
			}
		})()
		for (let i = 0; i < 3; i++) {
			await sleep(300)
			await upgrade(node, { gone: false })
		}
		await sleep(300)
		stopped = true
		await loop
		assert.ok(refused > 0)
		assert.ok(Number(acknowledged) > 5)
		assert.equal((await node.get('x')).text, acknowledged)
	} finally {
		await end(node)
		fs.rmSync(node.data, { recursive: true })
	}
})

test('an upgrade that fails says so by the API, and the API takes changes again', async () => {
	const node = await withStore()
	try {
		const good = fs.readFileSync(node.configFile, 'utf8')
		fs.writeFileSync(node.configFile, '{"data": 5}')
		const r = await api(node, 'POST', '/v1/upgrade')
		assert.equal(r.status, 503, JSON.stringify(r))
		assert.match(r.body.error.message, /did not take over: .*node\.jsonc:1:10: "data": a string of 1 to 4096 bytes is expected/)
		fs.writeFileSync(node.configFile, good)
		assert.equal((await deploy(node, 'x', says('0'))).status, 200)
	} finally {
		await end(node)
		fs.rmSync(node.data, { recursive: true })
	}
})
