// The public test suite for HTTP caches (github.com/http-tests/cache-tests) against this build.
//
//   node test/conformance/cache-tests.mjs [--json] [FOLDER]
//
// FOLDER is a checkout of the suite with what it needs installed (npm install --omit=dev). Without
// one, the suite's npm package is installed into build/conformance; it is older than the
// repository. The suite's own server is the origin, its own client asks the node. Nothing of it is
// in this tree.
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..')
const PACKAGE = 'http-cache-tests@0.4.5'

/** The folder of the npm package, installed if need be. */
export function installed() {
	const under = path.join(root, 'build/conformance')
	const dir = path.join(under, 'node_modules/http-cache-tests')
	if (!fs.existsSync(path.join(dir, 'package.json'))) {
		fs.mkdirSync(under, { recursive: true })
		execFileSync('npm', ['install', '--prefix', under, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', PACKAGE], { stdio: 'pipe' })
	}
	return dir
}

async function freePort() {
	const server = net.createServer()
	await new Promise(done => server.listen(0, '127.0.0.1', done))
	const { port } = server.address()
	await new Promise(done => server.close(done))
	return port
}

async function listening(port, what, ms = 15000) {
	for (const end = Date.now() + ms; Date.now() < end; await new Promise(f => setTimeout(f, 50))) {
		const open = await new Promise(done => {
			const socket = net.connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false))
			socket.on('connect', () => socket.destroy())
		})
		if (open) return
	}
	throw new Error(`${what} does not listen on port ${port} after ${ms} ms`)
}

/** npm gives a package's configuration to its scripts by the environment, by names that
 * have changed. */
const configured = values =>
	Object.fromEntries(Object.entries(values).flatMap(([k, v]) => [[`npm_config_${k}`, v], [`npm_package_config_${k}`, v]]))

/** Runs the suite: {tests: [{id, suite, name, kind}], results: {id: true | [what, why]}}. */
export async function run(dir, { er = process.env.ER ?? path.join(root, 'build/er') } = {}) {
	const engine = fs.existsSync(path.join(dir, 'test-engine')) ? path.join(dir, 'test-engine') : dir
	const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'er-cache-tests-'))
	const port = await freePort()
	const edge = await freePort()
	const children = []
	const start = (command, args, env) => {
		const child = spawn(command, args, { cwd: dir, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
		child.stderr.resume()
		children.push(child)
		return child
	}
	try {
		start(process.execPath, [path.join(engine, 'server/server.mjs')], configured({ protocol: 'http', port: String(port), pidfile: path.join(scratch, 'pid') })).stdout.resume()
		await listening(port, "the suite's server")
		start(er, ['node', '--listen', `127.0.0.1:${edge}`, '--origin', `http://127.0.0.1:${port}`], {}).stdout.resume()
		await listening(edge, 'er node')
		const client = start(process.execPath, ['--no-warnings', path.join(engine, 'cli.mjs')], configured({ base: `http://127.0.0.1:${edge}`, id: '' }))
		let text = ''
		client.stdout.on('data', d => (text += d))
		await new Promise(done => client.on('close', done))
		const results = JSON.parse(text.slice(text.indexOf('{\n')))
		const suites = (await import(pathToFileURL(path.join(dir, 'tests/index.mjs')))).default
		const tests = suites.flatMap(s => s.tests.filter(t => !t.browser_only).map(t => ({ id: t.id, suite: s.id, name: t.name, kind: t.kind ?? 'required' })))
		return { tests, results }
	} finally {
		for (const child of children) child.kill()
		fs.rmSync(scratch, { recursive: true })
	}
}

/** By kind: how many passed, of how many; and what did not pass. */
export function score({ tests, results }) {
	const kinds = {}
	const failed = []
	for (const t of tests) {
		const kind = (kinds[t.kind] ??= { passed: 0, of: 0 })
		kind.of++
		if (results[t.id] === true) kind.passed++
		else failed.push({ ...t, why: results[t.id] ?? ['Setup', 'no result'] })
	}
	return { kinds, failed }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const args = process.argv.slice(2).filter(a => a !== '--json')
	const { kinds, failed } = score(await run(path.resolve(args[0] ?? installed())))
	if (process.argv.includes('--json')) console.log(JSON.stringify({ kinds, failed }))
	else {
		for (const [kind, { passed, of }] of Object.entries(kinds)) console.log(`${kind.padEnd(9)} ${passed} of ${of}`)
		for (const f of failed.filter(f => f.kind !== 'check')) console.log(`  ${f.kind.padEnd(9)} ${f.suite}: ${f.id}: ${f.why.join(': ')}`)
	}
}
