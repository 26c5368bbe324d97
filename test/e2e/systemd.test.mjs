// What a service manager hears of a node and gives to it, with one of a few lines in systemd's
// place (test/tools/supervisor.c).
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { er, root, tempDir, writeConfig } from './lib/node.mjs'
import { request, sleep, until } from './lib/raw.mjs'
import * as proc from './lib/proc.mjs'

const tools = process.env.ER_TOOLS ?? path.join(root, 'build/test')
const hello = 'addEventListener("fetch", e => e.respondWith(new Response("hello")))'

const freePort = () =>
	new Promise(resolve => {
		const server = net.createServer().listen(0, '127.0.0.1', () => {
			const { port } = server.address()
			server.close(() => resolve(port))
		})
	})

/** A node under the supervisor. */
class Service {
	constructor(config, flags) {
		this.dir = tempDir()
		this.file = path.join(this.dir, 'node.jsonc')
		fs.writeFileSync(path.join(this.dir, 'a.js'), hello)
		writeConfig(this.file, { listen: ['127.0.0.1:0'], admin: '127.0.0.1:0', threads: 1, routines: [{ name: 'a', main: 'a.js' }], ...config })
		this.child = spawn(path.join(tools, 'supervisor'), [...flags, er, 'node', '--config', this.file, '--json'], { stdio: ['pipe', 'pipe', 'pipe'] })
		this.exited = new Promise(resolve => this.child.on('exit', resolve))
		this.lines = []
		this.err = ''
		let rest = ''
		this.child.stdout.setEncoding('utf8').on('data', d => {
			const parts = (rest + d).split('\n')
			rest = parts.pop()
			this.lines.push(...parts.map(l => JSON.parse(l)))
		})
		this.child.stderr.setEncoding('utf8').on('data', d => (this.err += d))
	}

	/** Messages as {pid, READY: '1', ...}. */
	get messages() {
		return this.lines.filter(l => l.message).map(l => ({ pid: l.pid, ...Object.fromEntries(l.message.split('\n').map(s => [s.slice(0, s.indexOf('=')), s.slice(s.indexOf('=') + 1)])) }))
	}

	get readies() {
		return this.lines.filter(l => l.event === 'ready')
	}

	message(accept, { from = 0, ...options } = {}) {
		return until(() => this.messages.slice(from).find(accept), { what: `a message; there was ${JSON.stringify(this.messages)} ${this.err}`, ...options })
	}

	get started() {
		return this.lines.find(l => l.started)?.started
	}

	async up() {
		await until(() => this.readies.length > 0, { timeout: 20000 }).catch(e => {
			throw new Error(`${e.message}: ${this.err}`)
		})
		this.port = Number(new URL(this.readies[0].listen[0]).port)
		return this
	}

	async end() {
		for (const pid of new Set([this.started, ...this.readies.map(r => r.pid)])) if (pid && proc.alive(pid)) process.kill(pid, 'SIGTERM')
		await until(() => !this.readies.some(r => proc.alive(r.pid)), { timeout: 20000, what: 'the end' }).catch(e => {
			for (const r of this.readies) if (proc.alive(r.pid)) process.kill(r.pid, 'SIGKILL')
			throw e
		})
		this.child.stdin.end()
		await this.exited
		fs.rmSync(this.dir, { recursive: true, force: true })
	}
}

const service = (config = {}, flags = []) => new Service(config, flags).up()

for (const flags of [[], ['--abstract']])
	test(`ready, reloading, stopping ${flags.join('')}`, async () => {
		const s = await service({}, flags)
		try {
			const ready = await s.message(m => m.READY === '1')
			assert.equal(ready.pid, s.started)
			assert.match(ready.STATUS, /serves 1 routines with 1 threads/)
			let n = s.messages.length
			process.kill(s.started, 'SIGHUP')
			const reloading = await s.message(m => m.RELOADING === '1', { from: n })
			assert.ok(Number(reloading.MONOTONIC_USEC) > 0)
			await s.message(m => m.READY === '1', { from: n })
			n = s.messages.length
			fs.writeFileSync(s.file, '{')
			process.kill(s.started, 'SIGHUP')
			await s.message(m => m.READY === '1' && /reload failed/.test(m.STATUS), { from: n })
			process.kill(s.started, 'SIGTERM')
			await s.message(m => m.STOPPING === '1')
			await until(() => s.lines.some(l => l.ended === 0))
		} finally {
			await s.end()
		}
	})

test('an upgrade names the new process; it alone speaks then, and keeps the watchdog quiet', async () => {
	const s = await service({}, ['--watchdog', '400000'])
	try {
		await s.message(m => m.WATCHDOG === '1')
		process.kill(s.started, 'SIGUSR2')
		const named = await s.message(m => m.MAINPID)
		assert.equal(named.pid, s.started)
		const next = Number(named.MAINPID)
		await s.message(m => m.READY === '1' && m.pid === next)
		await until(() => s.lines.some(l => l.ended === 0), { timeout: 15000 })
		const n = s.messages.length
		await sleep(900)
		const since = s.messages.slice(n)
		assert.ok(since.filter(m => m.WATCHDOG === '1').length >= 3, JSON.stringify(since))
		assert.ok(since.every(m => m.pid === next))
		const order = s.messages.map(m => (m.MAINPID ? 'named' : m.pid === next ? 'new' : 'old'))
		assert.ok(order.indexOf('named') < order.indexOf('new'))
		assert.ok(order.lastIndexOf('old') < order.indexOf('new'))
		assert.ok(!s.messages.some(m => m.STOPPING))
	} finally {
		await s.end()
	}
})

test('the watchdog hears nothing while one gateway thread is stuck, and again afterwards', async t => {
	const s = await service({ threads: 2 }, ['--watchdog', '300000'])
	try {
		await s.message(m => m.WATCHDOG === '1')
		const tid = proc.threads(s.started).find(id => /er-gateway-1/.test(fs.readFileSync(`/proc/${s.started}/task/${id}/comm`, 'utf8')))
		const holder = spawn(path.join(tools, 'hold-thread'), [String(tid)], { stdio: ['pipe', 'pipe', 'inherit'] })
		const held = await new Promise(resolve => {
			holder.stdout.once('data', () => resolve(true))
			holder.once('exit', () => resolve(false))
		})
		if (!held) return t.skip('ptrace is not allowed here')
		await sleep(400)
		const n = s.messages.length
		await sleep(800)
		assert.deepEqual(s.messages.slice(n), [])
		assert.match(s.err, /gateway thread 1 has not answered/)
		holder.stdin.end()
		await s.message(m => m.WATCHDOG === '1', { from: n })
	} finally {
		await s.end()
	}
})

for (const reuse of [false, true])
	test(`sockets of the service manager are taken, for every thread${reuse ? '; with ReusePort= each has its own' : ''}`, async () => {
		const port = await freePort()
		const s = await service({ listen: [`127.0.0.1:${port}`], threads: 2 }, [...(reuse ? ['--reuse-port'] : []), '--listen', String(port)])
		try {
			assert.equal(s.port, port)
			const ask = async () => assert.equal((await request(port, '/', { host: 'a.localhost' })).text, 'hello')
			for (let i = 0; i < 40; i++) await ask()
			process.kill(s.started, 'SIGUSR2')
			await until(() => s.readies.length === 2, { timeout: 15000, what: s.err })
			for (let i = 0; i < 40; i++) await ask()
		} finally {
			await s.end()
		}
	})

test('a socket that the configuration does not name is an error, not a socket without an answer', async () => {
	const s = new Service({}, ['--listen', '0'])
	try {
		await until(() => s.lines.some(l => l.ended === 1), { timeout: 20000, what: s.err })
		assert.match(s.lines.find(l => l.error).error.message, /the socket unit listens on 127\.0\.0\.1:\d+, and neither "listen" nor "admin"/)
	} finally {
		await s.end()
	}
})

test('a node without a service manager and with one that is gone runs all the same', async () => {
	process.env.NOTIFY_SOCKET = '/nonexistent/notify'
	const dir = tempDir()
	fs.writeFileSync(path.join(dir, 'a.js'), hello)
	writeConfig(path.join(dir, 'node.jsonc'), { listen: ['127.0.0.1:0'], threads: 1, routines: [{ name: 'a', main: 'a.js' }] })
	const child = spawn(er, ['node', '--config', path.join(dir, 'node.jsonc'), '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
	delete process.env.NOTIFY_SOCKET
	let out = '',
		err = ''
	child.stdout.setEncoding('utf8').on('data', d => (out += d))
	child.stderr.setEncoding('utf8').on('data', d => (err += d))
	try {
		await until(() => out.includes('"ready"'), { timeout: 20000 })
		assert.equal((await request(Number(new URL(JSON.parse(out).listen[0]).port), '/', { host: 'a.localhost' })).text, 'hello')
		assert.match(err, /cannot tell the service manager/)
	} finally {
		child.kill('SIGTERM')
		const code = await new Promise(r => child.on('exit', r))
		fs.rmSync(dir, { recursive: true, force: true })
		assert.equal(code, 0)
	}
})
