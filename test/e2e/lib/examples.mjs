// An example of examples/ at the desk: a copy of its folder, so that its variables can be changed,
// under `er dev`. What packages it needs come from the node_modules of the whole tree.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { project, startDev, track } from './desk.mjs'
import { er, root } from './node.mjs'
import { startPlane } from './tool.mjs'
import * as raw from './raw.mjs'

export const folder = path.join(root, 'examples')
export const names = fs.readdirSync(folder).filter(name => fs.existsSync(path.join(folder, name, 'er.jsonc'))).sort()

/** A copy of the example; `replace`: [[what, by what]] in its er.jsonc. */
export function copyOf(name, replace = []) {
	const dir = project({})
	fs.cpSync(path.join(folder, name), dir, { recursive: true, filter: from => !/\/(node_modules|dist|data|\.er)$/.test(from) })
	fs.symlinkSync(path.join(root, 'node_modules'), path.join(dir, 'node_modules'))
	const file = path.join(dir, 'er.jsonc')
	let text = fs.readFileSync(file, 'utf8')
	for (const [from, to] of replace) {
		if (!text.includes(from)) throw new Error(`${name}/er.jsonc has no ${from}`)
		text = text.replaceAll(from, to)
	}
	// The examples are not about slow machines.
	if (!text.includes('"limits"')) text = text.replace('{', '{ "limits": { "cpuMs": 300, "loadCpuMs": 2000 },')
	fs.writeFileSync(file, text)
	return dir
}

/** Runs `use(dev)` with the example; `origin`: URL of what is behind it. */
export async function withExample(name, { origin, replace, args = [] }, use) {
	const dir = copyOf(name, replace)
	const dev = await startDev([dir, ...(origin ? ['--origin', origin] : []), ...args])
	try {
		await use(dev)
	} finally {
		const code = await dev.stop()
		fs.rmSync(dir, { recursive: true })
		if (code !== 0) throw new Error(`er dev ended with ${code}: ${dev.err}`)
	}
}

/** The same on a node with a data folder and these namespaces, deployed as a person would. */
export async function withDeployed(name, { replace, kv = [] } = {}, use) {
	const dir = copyOf(name, replace)
	const plane = await startPlane({ routineLimits: { cpuMs: 300, loadCpuMs: 2000 } })
	try {
		for (const namespace of kv) await plane.ok(['kv', 'namespace', 'add', namespace])
		await plane.ok(['deploy'], { cwd: dir })
		await use({ port: plane.node.port, host: `${name}.localhost`, logs: () => plane.node.err, get: (target, options) => plane.get(`${name}.localhost`, target, options) })
	} finally {
		await plane.stop()
		fs.rmSync(dir, { recursive: true })
	}
}

/** What the README shows: its way, the commands that run the example, and what they print. */
export function readme(name) {
	const text = fs.readFileSync(path.join(folder, name, 'README.md'), 'utf8')
	const [, way] = /^Way ([0-9 ]+[0-9])\b/m.exec(text) ?? []
	const [, commands, output] = /^```sh\n([\s\S]*?)^```\n```\n([\s\S]*?)^```$/m.exec(text) ?? []
	return { text, way, commands: commands?.trim().replaceAll(/ \\\n\s*/g, ' ').split('\n'), output: output?.trim().split('\n') }
}

/** Starts `node origin.mjs` of an example on a free port: {url, stop()}. */
export async function ownOrigin(dir) {
	const child = track(spawn(process.execPath, ['origin.mjs'], { cwd: dir, env: { ...process.env, PORT: '0' }, stdio: ['ignore', 'pipe', 'pipe'] }))
	let out = ''
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', d => (out += d))
	const url = await raw.until(() => /http:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0], { what: `the origin; it said ${out}` })
	return {
		url,
		async stop() {
			child.kill()
			await new Promise(resolve => (child.exitCode === null && child.signalCode === null ? child.on('exit', resolve) : resolve()))
		},
	}
}

/** What a line of a README prints, run in this folder with `er` at hand. */
export async function shell(line, cwd, env = {}) {
	const child = track(spawn('sh', ['-c', line], { cwd, env: { ...process.env, NO_COLOR: '1', PATH: `${path.dirname(er)}:${process.env.PATH}`, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }))
	let out = ''
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', d => (out += d))
	await new Promise(resolve => child.on('close', resolve))
	return out
}
