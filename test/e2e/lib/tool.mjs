// The tool as a person uses it on a node: a real `er node` with a data folder, and `er` with
// profiles of its own.
//
//   const plane = await startPlane()
//   await plane.er(['deploy'], { cwd })      // through the node's socket; {code, out, err, json}
//   await plane.stop()
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { track } from './desk.mjs'
import { er, startNode, tempDir } from './node.mjs'
import * as raw from './raw.mjs'

/** Runs `er ARGS`: {code, out, err, json}. `input`: standard input. `json` is out parsed, if
 * it is JSON. */
export async function tool(args, { cwd, env, input = '', timeout = 60000 } = {}) {
	const child = track(spawn(er, args, { cwd, env: { ...clean(), ...env }, stdio: ['pipe', 'pipe', 'pipe'] }))
	const parts = []
	let err = ''
	child.stdout.on('data', d => parts.push(d))
	child.stderr.setEncoding('utf8').on('data', d => (err += d))
	child.stdin.on('error', () => {})
	child.stdin.end(input)
	const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
	const code = await new Promise((resolve, reject) => {
		child.on('error', reject)
		child.on('close', (c, signal) => resolve(c ?? signal))
	})
	clearTimeout(timer)
	const out = Buffer.concat(parts)
	const text = out.toString()
	let json
	try {
		json = JSON.parse(text)
	} catch {}
	return { code, out: text, bytes: out, err, json }
}

/** What a command runs in: nothing of whoever runs the tests. */
function clean() {
	const env = { ...process.env, NO_COLOR: '1' }
	for (const name of ['ER_NODE', 'ER_TOKEN', 'ER_PROFILE', 'ER_CA']) delete env[name]
	return env
}

/** A command that goes on: {child, out(), lines(), ended}. */
export function going(args, { cwd, env } = {}) {
	const child = track(spawn(er, args, { cwd, env: { ...clean(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] }))
	let out = '', err = ''
	child.stdout.setEncoding('utf8').on('data', d => (out += d))
	child.stderr.setEncoding('utf8').on('data', d => (err += d))
	const ended = new Promise(resolve => child.on('close', (c, signal) => resolve(c ?? signal)))
	return { child, out: () => out, err: () => err, lines: () => out.split('\n').filter(Boolean), ended }
}

/** The same at a terminal of its own (util-linux's script): what is typed with type() is echoed
 * unless the program asks otherwise. */
export function atTerminal(args, options) {
	return programAtTerminal([er, ...args], options)
}

export function programAtTerminal(words, { cwd, env } = {}) {
	const quoted = words.map(a => `'${a.replaceAll("'", "'\\''")}'`).join(' ')
	const child = track(spawn('script', ['-qec', quoted, '/dev/null'], { cwd, env: { ...clean(), TERM: 'xterm', ...env }, stdio: ['pipe', 'pipe', 'pipe'] }))
	let out = ''
	child.stdout.setEncoding('utf8').on('data', d => (out += d))
	const ended = new Promise(resolve => child.on('close', (c, signal) => resolve(c ?? signal)))
	return { child, out: () => out, ended, type: text => child.stdin.write(text), shows: re => raw.until(() => re.test(out), { what: `${re} at the terminal; there was ${JSON.stringify(out)}` }) }
}

export class Plane {
	constructor(node, data, home) {
		this.node = node
		this.data = data
		this.home = home
		this.socket = path.join(data, 'admin.sock')
		this.url = `http://127.0.0.1:${node.adminPort}`
	}

	/** `er ARGS` through the socket. */
	er(args, options = {}) {
		return tool(args, { ...options, env: { XDG_CONFIG_HOME: this.home, ER_NODE: this.socket, ...options.env } })
	}

	/** The same, which must succeed. */
	async ok(args, options) {
		const result = await this.er(args, options)
		if (result.code !== 0) throw new Error(`er ${args.join(' ')} ended with ${result.code}: ${result.out}${result.err}`)
		return result
	}

	/** `er ARGS` without an environment that names a node: profiles count. */
	bare(args, options = {}) {
		return tool(args, { ...options, env: { XDG_CONFIG_HOME: this.home, ...options.env } })
	}

	going(args, options = {}) {
		return going(args, { ...options, env: { XDG_CONFIG_HOME: this.home, ER_NODE: this.socket, ...options.env } })
	}

	get(host, target = '/', options = {}) {
		return this.node.get(host, target, options)
	}

	/** Ends the node and starts another one on the same data. */
	async restart() {
		await this.node.stop()
		this.node = await start(this.data)
		this.url = `http://127.0.0.1:${this.node.adminPort}`
	}

	/** kill -9, and another node on the same data. */
	async crash() {
		this.node.kill()
		await this.node.exited
		this.node = await start(this.data)
		this.url = `http://127.0.0.1:${this.node.adminPort}`
	}

	async stop() {
		await this.node.stop()
		for (const dir of [this.data, this.home]) fs.rmSync(dir, { recursive: true, force: true })
	}
}

const start = (data, config = {}) => startNode({ config: { data, ...config } })

export async function startPlane(config) {
	const data = tempDir('er-data-')
	return new Plane(await start(data, config), data, tempDir('er-home-'))
}
