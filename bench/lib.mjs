// Processes, ports, pinning, load: what all scenarios share. Servers run on core 0, load and
// origins on core 1.
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as proc from '../test/e2e/lib/proc.mjs'

export const here = path.dirname(fileURLToPath(import.meta.url))
export const root = path.resolve(here, '..')
export const SERVER_CORE = '0'
export const LOAD_CORE = '1'
export const temp = fs.mkdtempSync(path.join(os.tmpdir(), 'er-bench-'))
fs.chmodSync(temp, 0o755) // nginx's worker is another user

const running = new Set()
process.on('exit', () => {
	for (const child of running) stopNow(child)
	fs.rmSync(temp, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
export const median = values => {
	const s = [...values].sort((a, b) => a - b)
	return s.length % 2 ? s[(s.length - 1) / 2] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2
}

export function which(name) {
	try {
		return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
	} catch {
		return undefined
	}
}

/** n ports that nobody has now, all different. */
export async function freePorts(n) {
	const servers = await Promise.all(
		Array.from({ length: n }, () => new Promise(resolve => {
			const server = net.createServer()
			server.listen(0, '127.0.0.1', () => resolve(server))
		})),
	)
	const ports = servers.map(s => s.address().port)
	await Promise.all(servers.map(s => new Promise(resolve => s.close(resolve))))
	return ports
}
export const freePort = async () => (await freePorts(1))[0]

export function file(name, content) {
	const p = path.join(temp, name)
	fs.mkdirSync(path.dirname(p), { recursive: true })
	fs.writeFileSync(p, content)
	return p
}

/** Starts a program on a core. Its standard error is kept for when it does not start. */
export function start(command, { core = SERVER_CORE, env = {} } = {}) {
	const log = path.join(temp, `${path.basename(command[0])}-${running.size}-${Date.now()}.log`)
	const fd = fs.openSync(log, 'w')
	const child = spawn('taskset', ['-c', core, ...command], { stdio: ['ignore', fd, fd], cwd: temp, env: { PATH: process.env.PATH, HOME: temp, ...env } })
	fs.closeSync(fd)
	child.log = log
	running.add(child)
	child.on('exit', () => running.delete(child))
	return child
}

function stopNow(child) {
	for (const pid of [...proc.descendants(child.pid), child.pid]) {
		try {
			process.kill(pid, 'SIGKILL')
		} catch {}
	}
}

export async function stop(child) {
	if (child.exitCode !== null || child.signalCode !== null) return
	const gone = new Promise(resolve => child.once('exit', resolve))
	const below = proc.descendants(child.pid)
	child.kill('SIGTERM')
	const timer = setTimeout(() => stopNow(child), 3000)
	await gone
	clearTimeout(timer)
	for (const pid of below) if (proc.alive(pid)) try { process.kill(pid, 'SIGKILL') } catch {}
}

/** One request on a connection of its own with nothing in between; resolves with the whole answer,
 * undefined if nobody listens yet. */
export function ask(port, bytes) {
	return new Promise(resolve => {
		const socket = net.connect({ port, host: '127.0.0.1' })
		let text = ''
		socket.setNoDelay(true)
		socket.on('connect', () => socket.write(bytes))
		socket.on('data', d => {
			text += d.toString('latin1')
			if (complete(text)) socket.destroy()
		})
		socket.on('error', () => {})
		socket.on('close', () => resolve(text || undefined))
	})
}

function complete(text) {
	const end = text.indexOf('\r\n\r\n')
	if (end < 0) return false
	const length = /^content-length: *(\d+)/im.exec(text.slice(0, end))
	if (length) return text.length >= end + 4 + Number(length[1])
	return /^transfer-encoding: *chunked/im.test(text.slice(0, end)) && text.endsWith('0\r\n\r\n')
}

/** Asks until there is an answer. */
export async function up(child, port, bytes, ms = 15000) {
	const end = Date.now() + ms
	while (Date.now() < end && child.exitCode === null) {
		const text = await ask(port, bytes)
		if (text) return text
		await new Promise(setImmediate)
	}
	throw new Error(`no answer from ${child.spawnargs.join(' ')}: ${fs.readFileSync(child.log, 'utf8').slice(-1000)}`)
}

/** CPU time that a server has used so far, in ms: {user, kernel} of its sandboxes, and of
 * everything else below it (the gateway). */
export function cpuOf(child) {
	const sum = { gateway: { user: 0, kernel: 0 }, sandbox: { user: 0, kernel: 0 } }
	for (const pid of [child.pid, ...proc.descendants(child.pid)]) {
		const part = proc.cmdline(pid)[0]?.includes('er-sandbox') ? sum.sandbox : sum.gateway
		const { user, kernel } = proc.cpuModes(pid)
		part.user += user
		part.kernel += kernel
	}
	return sum
}

/** CPU time of one process so far in ms, exactly: the clock of cpuOf has steps of 10 ms. */
export const cpuMs = pid =>
	proc.threads(pid).reduce((ms, tid) => {
		try {
			return ms + Number(fs.readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
		} catch {
			return ms
		}
	}, 0)

/** CPU time a request in us, between two of the above. */
export function cpuPerRequest(before, after, requests) {
	const each = (part, mode) => ((after[part][mode] - before[part][mode]) * 1000) / requests
	const of = part => ({ user: each(part, 'user'), kernel: each(part, 'kernel') })
	const parts = { gateway: of('gateway'), sandbox: of('sandbox') }
	return { ...parts, all: parts.gateway.user + parts.gateway.kernel + parts.sandbox.user + parts.sandbox.kernel }
}

/** wrk on the load core; {rps, requests, p50, p99 in ms, errors}. */
export function wrk(port, target, { seconds, connections = 64, host = 'localhost', script } = {}) {
	return new Promise((resolve, reject) => {
		const args = ['-c', LOAD_CORE, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${host}`]
		if (script) args.push('-s', script)
		const child = spawn('taskset', [...args, `http://127.0.0.1:${port}${target}`], { stdio: ['ignore', 'pipe', 'inherit'] })
		let text = ''
		child.stdout.on('data', d => (text += d))
		child.on('error', reject)
		child.on('exit', () => {
			const rps = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? NaN)
			const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0)
			const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1).reduce((n, x) => n + Number(x), 0) ?? 0
			const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? NaN)
			resolve({ rps, requests, p50: time(/50%\s+([\d.]+)(\w+)/.exec(text)), p99: time(/99%\s+([\d.]+)(\w+)/.exec(text)), errors: bad + socket })
		})
	})
}
const time = m => (m ? Number(m[1]) * { us: 0.001, ms: 1, s: 1000 }[m[2]] : NaN)

/** The program of bench/NAME.c, built when it is older than its source. */
export function compiled(name) {
	const program = path.join(root, 'build', `er-${name}`)
	const source = path.join(here, `${name}.c`)
	if (!fs.existsSync(program) || fs.statSync(program).mtimeMs < fs.statSync(source).mtimeMs) {
		fs.mkdirSync(path.dirname(program), { recursive: true })
		execFileSync('gcc', ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-o', program, source])
	}
	return program
}

/** The open-loop generator (bench/load.c): a fixed rate, latency from the moment a request was due.
 * `core` null: wherever the kernel puts it. */
export function load(port, { rate, seconds, host = 'localhost', connections = 64, target = '/', core = LOAD_CORE, same = false }) {
	const program = compiled('load')
	return new Promise((resolve, reject) => {
		const command = [program, String(port), host, target, String(rate), String(seconds), String(connections), ...(same ? ['same'] : [])]
		if (core !== null) command.unshift('taskset', '-c', core)
		const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
		let text = ''
		child.stdout.on('data', d => (text += d))
		child.on('error', reject)
		child.on('exit', code => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`er-load ended with ${code}`))))
	})
}

/** Private memory that was written to; pages of program files, which the kernel can drop and other
 * processes may share, do not count. */
export const privateMemory = pid => [pid, ...proc.descendants(pid)].reduce((n, p) => n + proc.memory(p).dirty, 0)
