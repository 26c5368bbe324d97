// A real `er node` in a folder of its own under the system's temporary folder, on free ports of
// 127.0.0.1.
//
//   const node = await startNode({ routines: { hello: 'addEventListener("fetch", e =>
//   e.respondWith(new Response("hi")))' } })
//   await node.get('hello', '/path')        // through NAME.localhost
//   await node.stop()                       // gracefully; checks that nothing is left behind
//
// Environment: ER (the program, default build/er), ER_SANDBOX (read by er itself), ER_SANITIZED=1
// when er is built with a sanitizer.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as raw from './raw.mjs'
import * as proc from './proc.mjs'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..')
export const er = process.env.ER ?? path.join(root, 'build/er')
/** Timing and memory are not what they are in a release build. */
export const sanitized = process.env.ER_SANITIZED === '1'

const running = new Set()
// A test that fails between start and stop must not leave a node behind.
process.on('exit', () => running.forEach(p => p.exitCode === null && p.kill('SIGKILL')))

export function tempDir(prefix = 'er-test-') {
	return fs.mkdtempSync(path.join(os.tmpdir(), prefix))
}

export class Node {
	constructor(child, dir) {
		this.child = child
		this.pid = child.pid
		this.dir = dir
		this.out = []
		this.err = []
		this.exited = new Promise(resolve => child.on('exit', (code, signal) => resolve({ code, signal })))
		for (const [stream, lines] of [
			[child.stdout, this.out],
			[child.stderr, this.err],
		]) {
			if (stream === null) continue
			let rest = ''
			stream.setEncoding('utf8')
			stream.on('data', text => {
				const parts = (rest + text).split('\n')
				rest = parts.pop()
				lines.push(...parts)
				this.onLine?.()
			})
		}
	}

	/** Everything it logged so far, as text. */
	get log() {
		return this.err.join('\n')
	}

	/** The first log line that matches; waits for it. */
	logged(re, options = {}) {
		return raw.until(() => this.err.find(l => re.test(l)), { what: `a log line ${re}\n${this.err.slice(-20).join('\n')}\n`, ...options })
	}

	/** Records of the access log (JSON lines). */
	get access() {
		const file = path.join(this.dir, 'access.log')
		if (!fs.existsSync(file)) return []
		return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map(l => JSON.parse(l))
	}

	/** One request on a connection of its own to routine NAME (or, with a dot or colon in it, to
	 * that host). */
	get(name, target = '/', options = {}) {
		const host = options.host ?? (/[.:]/.test(name) ? name : `${name}.localhost`)
		return raw.request(this.port, target, { ...options, host })
	}

	connect(options) {
		return raw.connect(this.port, options)
	}

	/** /metrics as a map from "name{labels}" to number. */
	async metrics() {
		const res = await raw.request(this.adminPort, '/metrics')
		const out = new Map()
		for (const line of res.text.split('\n')) {
			const m = /^([a-zA-Z_:][^ ]*(?:\{.*\})?) ([-+0-9.eEInfNa]+)$/.exec(line)
			if (m) out.set(m[1], Number(m[2]))
		}
		return out
	}

	/** Sum of the samples of `name` whose labels match all of `labels`. */
	async metric(name, labels = {}) {
		let sum = 0
		for (const [key, value] of await this.metrics()) {
			if (key !== name && !key.startsWith(`${name}{`)) continue
			if (Object.entries(labels).every(([k, v]) => key.includes(`${k}="${v}"`))) sum += value
		}
		return sum
	}

	/** {processes, sandboxes, fds, memory}: what it holds now, everything below it included. */
	holdings() {
		const below = proc.descendants(this.pid).filter(proc.alive)
		return {
			processes: below.length,
			sandboxes: proc.sandboxes(this.pid).length,
			fds: proc.fds(this.pid).length,
			spawnerFds: proc.fds(below[0] ?? 0).length,
			anonymous: proc.memory(this.pid).anonymous,
		}
	}

	signal(name) {
		this.child.kill(name)
	}

	/** Ends it gracefully; throws when it does not end well or leaves a process behind. */
	async stop({ timeout = 40000 } = {}) {
		const below = proc.descendants(this.pid)
		if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM')
		let timer
		const late = new Promise((_, reject) => {
			timer = setTimeout(() => reject(new Error(`the node did not end within ${timeout} ms of SIGTERM\n${this.err.slice(-30).join('\n')}`)), timeout)
		})
		try {
			const { code, signal } = await Promise.race([this.exited, late])
			if (code !== 0) throw new Error(`the node ended with ${signal ?? code}\n${this.err.slice(-60).join('\n')}`)
			await raw.until(() => !below.some(proc.alive), { timeout: 5000, what: 'the end of all its processes' })
		} finally {
			clearTimeout(timer)
			this.kill()
		}
	}

	/** Ends it at once, whatever state it is in. For clean-up. */
	kill() {
		const below = proc.descendants(this.pid)
		if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
		// The spawner ends with its parent and takes its sandboxes along; be sure even when that is
		// what is broken.
		for (const pid of below) {
			try {
				if (/^er(-|$)/.test(proc.comm(pid))) process.kill(pid, 'SIGKILL')
			} catch {}
		}
		running.delete(this.child)
		if (this.dir && !process.env.ER_KEEP) fs.rmSync(this.dir, { recursive: true, force: true })
	}
}

/**
 * Starts a node.
 *   routines  {name: source, or {source, limits, env, profile, routes, ...}}: a script (no
 *             imports) each
 *   cpuMs     of a request, where a routine says nothing: above the product's own limit, since a
 *             slow machine is not what most tests are about; 0: the product's
 *   files     {relative path: content} put beside
 *   config    further members of node.jsonc
 *   args      further arguments
 *   env       further environment
 *   program   another copy of er
 *   stderr    a descriptor for its log; `logFile` true: a file, read when somebody asks (a flood
 *             of lines does not keep the test busy)
 * Resolves when it said that it is ready; rejects with its output when it ends before.
 */
export async function startNode({ routines = {}, cpuMs = 300, files = {}, config = {}, args = [], env = {}, timeout = 30000, program = er, stderr = 'pipe', logFile = false } = {}) {
	const dir = tempDir()
	for (const [name, content] of Object.entries(files)) {
		fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
		fs.writeFileSync(path.join(dir, name), content)
	}
	const list = Object.entries(routines).map(([name, what]) => {
		const { source, ...rest } = typeof what === 'string' ? { source: what } : what
		if (source !== undefined) fs.writeFileSync(path.join(dir, `${name}.js`), source)
		const limits = cpuMs > 0 ? { cpuMs: Math.min(cpuMs, config.routineLimits?.cpuMs ?? cpuMs), ...rest.limits } : rest.limits
		return { name, main: `${name}.js`, ...rest, ...(limits && { limits }) }
	})
	const file = path.join(dir, 'node.jsonc')
	writeConfig(file, { listen: ['127.0.0.1:0'], admin: '127.0.0.1:0', threads: 1, accessLog: 'access.log', routines: list, ...config })
	const child = spawn(program, ['node', '--config', file, '--json', ...args], {
		env: { PATH: process.env.PATH, HOME: dir, ...pick(process.env, /^(ER_SANDBOX|ASAN_|UBSAN_|LSAN_|TSAN_)/), ...env },
		stdio: ['ignore', 'pipe', logFile ? fs.openSync(path.join(dir, 'node.log'), 'a') : stderr],
	})
	running.add(child)
	const node = new Node(child, dir)
	if (logFile) Object.defineProperty(node, 'err', { get: () => fs.readFileSync(path.join(dir, 'node.log'), 'utf8').split('\n') })
	node.configFile = file
	child.on('error', e => node.err.push(String(e)))
	child.on('exit', () => running.delete(child))
	const ready = await new Promise((resolve, reject) => {
		const fail = why => {
			if (!node.onLine) return // it was ready: its end is the test's business
			clearTimeout(timer)
			node.kill()
			reject(Object.assign(new Error(`${why}\n${node.err.slice(-40).join('\n')}\n${node.out.slice(-10).join('\n')}`), { log: node.err, out: node.out }))
		}
		const timer = setTimeout(() => fail(`er node was not ready within ${timeout} ms`), timeout)
		node.exited.then(({ code, signal }) => setTimeout(() => fail(`er node ended with ${signal ?? code} before it was ready`), 50))
		child.on('error', () => fail('er node could not be started'))
		node.onLine = () => {
			const line = node.out.find(l => l.startsWith('{') && l.includes('"listen"'))
			if (!line) return
			clearTimeout(timer)
			node.onLine = undefined
			resolve(JSON.parse(line))
		}
	})
	node.ready = ready
	const portOf = address => Number(/:(\d+)\/?$/.exec(address)?.[1] ?? 0)
	node.ports = [ready.listen].flat().map(portOf)
	node.port = node.ports[0]
	node.adminPort = portOf(ready.admin ?? '')
	return node
}

export function writeConfig(file, config) {
	fs.writeFileSync(file, JSON.stringify(config, null, '\t'))
}

const pick = (object, re) => Object.fromEntries(Object.entries(object).filter(([k]) => re.test(k)))
