// `er` as a person at a desk runs it: commands to their end, and `er dev --json` with its events.
import { spawn } from 'node:child_process'
import { afterEach } from 'node:test'
import fs from 'node:fs'
import path from 'node:path'
import { er, tempDir } from './node.mjs'
import * as proc from './proc.mjs'
import * as raw from './raw.mjs'

const running = new Set()
const ended = child => child.exitCode !== null || child.signalCode !== null
process.on('exit', () => running.forEach(p => ended(p) || p.kill('SIGKILL')))
// A test that failed must not leave its `er dev` running: node:test would wait for it for ever.
afterEach(() => {
	for (const child of running) {
		if (!ended(child)) child.kill('SIGKILL')
		for (const stream of child.stdio) stream?.destroy()
	}
	running.clear()
})

/** Ends with the test at the latest. */
export function track(child) {
	running.add(child)
	return child
}

/** Starts `er ARGS` as a person would, without --json: {child, out(), exited}; `group`: as a
 * terminal's process group of its own. */
export function start(args, { cwd, env, group = false } = {}) {
	const child = track(spawn(er, args, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'], detached: group }))
	let out = ''
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', d => (out += d))
	const exited = new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal)))
	return { child, out: () => out, exited }
}

const environment = env => ({ ...process.env, NO_COLOR: '', ...env })

/** A folder with these files; {relative path: text}. */
export function project(files) {
	const dir = fs.realpathSync(tempDir('er-desk-'))
	write(dir, files)
	return dir
}

export function write(dir, files) {
	for (const [name, content] of Object.entries(files)) {
		fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
		fs.writeFileSync(path.join(dir, name), content)
	}
}

/** Runs a command to its end: {code, out, err}. */
export async function run(args, { cwd, env, timeout = 60000 } = {}) {
	const child = track(spawn(er, args, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] }))
	let out = '', err = ''
	child.stdout.setEncoding('utf8').on('data', d => (out += d))
	child.stderr.setEncoding('utf8').on('data', d => (err += d))
	const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
	const code = await new Promise((resolve, reject) => {
		child.on('error', reject)
		child.on('close', (c, signal) => resolve(c ?? signal))
	})
	clearTimeout(timer)
	running.delete(child)
	return { code, out, err }
}

class Dev {
	constructor(child) {
		this.child = child
		this.pid = child.pid
		this.events = []
		this.err = ''
		this.exited = new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal)))
		let rest = ''
		child.stdout.setEncoding('utf8').on('data', text => {
			const lines = (rest + text).split('\n')
			rest = lines.pop()
			for (const line of lines) this.events.push(JSON.parse(line))
		})
		child.stderr.setEncoding('utf8').on('data', d => (this.err += d))
	}

	/** The first event of that kind that the test accepts, among those after `from`. */
	event(kind, accept = () => true, { from = 0, timeout = 20000 } = {}) {
		const find = () => this.events.slice(from).find(e => e.event === kind && accept(e))
		return raw.until(find, { timeout, what: `the event ${kind}; there was ${JSON.stringify(this.events.slice(-8))} ${this.err}` })
	}

	get(target = '/', options = {}) {
		return raw.request(this.port, target, options)
	}

	/** Ctrl-C; throws when it does not end well or leaves a process behind. */
	async stop(signal = 'SIGINT') {
		const below = proc.descendants(this.pid)
		this.child.kill(signal)
		const timer = setTimeout(() => this.child.kill('SIGKILL'), 15000)
		const code = await this.exited
		clearTimeout(timer)
		running.delete(this.child)
		await raw.until(() => !below.some(proc.alive), { timeout: 5000, what: 'the end of all its processes' })
		return code
	}
}

/** `er dev ARGS --json` on a free port; resolves when it said that it is ready. */
export async function startDev(args = [], { cwd, env } = {}) {
	const child = track(spawn(er, ['dev', ...args, '--json', '--port', '0'], { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] }))
	const dev = new Dev(child)
	const ready = await Promise.race([
		dev.event('ready', undefined, { timeout: 30000 }),
		dev.exited.then(code => {
			throw new Error(`er dev ended with ${code}: ${dev.err}${JSON.stringify(dev.events)}`)
		}),
	])
	dev.ready = ready
	dev.port = Number(new URL(ready.url).port)
	return dev
}
