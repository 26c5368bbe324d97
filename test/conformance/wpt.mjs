// The web platform's public test suite, web-platform-tests, against routines in real sandboxes.
//
//   node test/conformance/wpt.mjs CHECKOUT [FOLDER or FILE ...]
//     --failed       name each subtest that fails
//     --json FILE    write every result
//     --unexpected   name what fails and is not named in wpt-expected.json
//
// Every `.any.js` file (and each of its variants) is a routine in a sandbox of a real `er node`.
// Its one request runs the file and answers with the results. The suite's own server, wptserve
// (Python 3), answers what tests fetch. What needs a document, a worker or a browser's origin model
// is left out: wpt-skip.json says what and why. wpt-expected.json names each subtest that fails,
// and why.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startNode, tempDir } from '../e2e/lib/node.mjs'
import { certificate } from '../e2e/lib/scripted.mjs'
import { until } from '../e2e/lib/raw.mjs'

const here = import.meta.dirname
export const FOLDERS = [
	'url', 'urlpattern', 'fetch/api', 'streams', 'encoding', 'WebCryptoAPI', 'compression', 'dom/abort', 'dom/events', 'html/webappapis', 'webmessaging', 'FileAPI',
	'xhr/formdata', 'hr-time', 'console', 'webidl', 'wasm/jsapi', 'service-workers/cache-storage', 'websockets',
]
const BATCH = 8 // sandboxes of one node
const PATIENCE = { normal: 30, long: 100 } // seconds for a file

const patience = meta => (meta.long ? PATIENCE.long : PATIENCE.normal)
const load = name => JSON.parse(fs.readFileSync(path.join(here, name), 'utf8'))
const skips = load('wpt-skip.json')
export const reasonToSkip = file => skips.find(s => s.paths.some(p => file === p || file.startsWith(p.endsWith('/') ? p : `${p}/`)))?.reason

/** The `.any.js` files below some paths of a checkout, as paths in it. */
export function filesIn(checkout, paths) {
	const out = []
	const walk = at => {
		const full = path.join(checkout, at)
		if (!fs.existsSync(full)) return
		if (fs.statSync(full).isFile()) return void (at.endsWith('.any.js') && out.push(at))
		for (const name of fs.readdirSync(full).sort()) walk(`${at}/${name}`)
	}
	for (const p of paths) walk(p.replace(/\/+$/, ''))
	return out.filter(f => reasonToSkip(f) === undefined)
}

/** What a file says of itself in its `// META:` lines. */
function metaOf(source) {
	const meta = { scripts: [], variants: [], long: false, title: undefined }
	for (const line of source.split('\n')) {
		const m = /^\/\/\s*META:\s*(\w+)=(.*)$/.exec(line)
		if (m === null) {
			if (/^\s*(\/\/.*)?$/.test(line)) continue
			break
		}
		const value = m[2].trim()
		if (m[1] === 'script') meta.scripts.push(value)
		if (m[1] === 'variant') meta.variants.push(value)
		if (m[1] === 'timeout') meta.long = value === 'long'
		if (m[1] === 'title') meta.title = value
	}
	return meta
}

const scriptPath = (file, script) => (script.startsWith('/') ? script : `/${path.posix.join(path.posix.dirname(file), script)}`)

/** What a worker has and a routine has not: an address of its own. Relative URLs are taken from
 * there, those of caches too. */
function surroundings(base) {
	const here = new URL(base)
	globalThis.location = here
	globalThis.GLOBAL = { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false }
	// Tests of Blobs read them so; routines do it by the Blob's own methods.
	globalThis.FileReader = class extends EventTarget {
		result = null
		#read = async promise => {
			this.result = await promise
			for (const type of ['load', 'loadend']) {
				const on = this[`on${type}`]
				if (on) this.addEventListener(type, on, { once: true })
				this.dispatchEvent(new Event(type))
			}
		}
		readAsText = blob => void this.#read(blob.text())
		readAsArrayBuffer = blob => void this.#read(blob.arrayBuffer())
	}
	const whole = url => {
		if (typeof url !== 'string' && !(url instanceof URL)) return url
		try {
			return new URL(url, here).href
		} catch {
			return url
		}
	}
	const { fetch, Request, Response } = globalThis
	const wholeFirst = (f, self) => new Proxy(f, { apply: (target, _, args) => target.apply(self, args.length ? [whole(args[0]), ...args.slice(1)] : []) })
	globalThis.fetch = wholeFirst(fetch, undefined)
	globalThis.Request = new Proxy(Request, { construct: (target, args, self) => Reflect.construct(target, args.length ? [whole(args[0]), ...args.slice(1)] : args, self) })
	const { WebSocket } = globalThis
	const socketUrl = url => (typeof url !== 'object' || url === null ? (/^[a-z]+:/i.test(url) ? url : whole(String(url))) : url)
	globalThis.WebSocket = new Proxy(WebSocket, { construct: (target, args, self) => Reflect.construct(target, args.length ? [socketUrl(args[0]), ...args.slice(1)] : args, self) })
	Object.defineProperty(WebSocket.prototype, 'constructor', { value: globalThis.WebSocket, writable: true, configurable: true })
	Object.defineProperty(Request.prototype, 'constructor', { value: globalThis.Request, writable: true, configurable: true })
	const { redirect } = Response
	Response.redirect = wholeFirst(redirect, Response)
	for (const [prototype, names] of [[Cache.prototype, ['match', 'matchAll', 'add', 'put', 'delete', 'keys']], [CacheStorage.prototype, ['match']]])
		for (const name of names) {
			const method = prototype[name]
			prototype[name] = { [name](...args) { return method.apply(this, args.length ? [whole(args[0]), ...args.slice(1)] : args) } }[name]
		}
	const { addAll } = Cache.prototype
	Cache.prototype.addAll = { addAll(...args) { return addAll.apply(this, Array.isArray(args[0]) ? [args[0].map(whole)] : args) } }.addAll
}

/** A routine has no eval, which idlharness asks for the objects that a file names by expressions:
 * those expressions, as functions. */
function expressions(source) {
	const found = new Set()
	for (const [, block] of source.matchAll(/add_objects\(\s*\{((?:(?!\n[\t ]*\}\s*\)).)*|[^]*?\n[\t ]*)\}\s*\)/g)) for (const [, , text] of block.matchAll(/(['"`])((?:(?!\1)[^\\\n])+)\1/g)) found.add(text)
	const known = [...found].filter(text => {
		try {
			new Function(`return (${text})`)
			return true
		} catch {
			return false
		}
	})
	return `globalThis.eval = (known => text => { if (typeof text !== 'string') return text; if (known[text] === undefined) throw new EvalError(text + " is not known"); return known[text]() })({ __proto__: null, ${known.map(text => `${JSON.stringify(text)}: () => (${text})`).join(', ')} });`
}

/** The harness is in, the file not yet: answers what the tests said, when they are through. */
function resultsOf(run, milliseconds) {
	return new Promise(resolve => {
		// for idlharness, which asks where it is; the harness itself takes this for a shell
		globalThis.DedicatedWorkerGlobalScope = { [Symbol.hasInstance]: v => v === globalThis }
		globalThis.setup({ explicit_timeout: true, explicit_done: true })
		globalThis.add_completion_callback((tests, status) => {
			resolve({ status: status.status, message: status.message, tests: tests.map(t => ({ name: t.name, status: t.status, message: t.message })) })
		})
		setTimeout(() => globalThis.timeout(), milliseconds)
		try {
			run()
		} catch (e) {
			globalThis.test(() => {
				throw e
			}, 'the file runs')
		}
		globalThis.done()
	})
}

/** idlharness.js asks by this what is exposed; testharness.js, which runs before it, would take it
 * for more. */
const worker = 'globalThis.DedicatedWorkerGlobalScope = class { static [Symbol.hasInstance](v) { return v === globalThis } }'

/** The scripts that a file loads see what it declares. One that says it is strict has a function of
 * its own, and they are not. */
function beside(text) {
	const strict = /^(?:\s|\/\/.*\n|\/\*[^]*?\*\/)*(['"])use strict\1/.test(text)
	return strict ? `(function () {\n${text}\n}).call(globalThis);` : text
}

/** A routine that runs one file. */
function routine(checkout, file, variant, meta, server) {
	const read = name => {
		const text = fs.readFileSync(path.join(checkout, name), 'utf8')
		return name.includes('.sub.') ? server.fill(text) : text
	}
	const seconds = patience(meta)
	const parts = meta.scripts.map(s => server.scripts.get(scriptPath(file, s)))
	const title = JSON.stringify(meta.title ?? path.posix.basename(file, '.any.js'))
	return `${surroundings}
${resultsOf}
addEventListener('fetch', event => event.respondWith((async () => {
	surroundings(${JSON.stringify(`${server.url}/${file.replace(/\.js$/, '.worker.html')}${variant}`)})
	globalThis.META_TITLE = ${title};
	(function () {
${read('resources/testharness.js')}
	}).call(globalThis)
	${file.includes('idlharness') ? worker : ''}
	return Response.json(await resultsOf(function () {
${expressions(read(file))}
${parts.join('\n;\n')}
;
${beside(read(file))}
	}, ${(seconds - 2) * 1000}))
})()))`
}

/** A port that nobody has now. */
const freePort = () =>
	new Promise(resolve => {
		const server = net.createServer().listen(0, '127.0.0.1', () => {
			const { port } = server.address()
			server.close(() => resolve(port))
		})
	})

/** wptserve on ports of its own. */
async function startServer(checkout) {
	const dir = tempDir('er-wpt-')
	const secure = certificate(dir)
	const sockets = { ws: await freePort(), wss: await freePort() }
	const ports = { ws: [sockets.ws], wss: [sockets.wss], h2: [], https: [], 'http-private': [], 'http-public': [], 'https-private': [], 'https-public': [], 'http-local': [], 'https-local': [], 'webtransport-h3': [] }
	const config = { browser_host: '127.0.0.1', alternate_hosts: { alt: '127.0.0.1' }, check_subdomains: false, ssl: { type: 'pregenerated', pregenerated: { host_key_path: path.join(dir, 'key.pem'), host_cert_path: secure.file, ca_cert_path: secure.file } }, ports: { http: [0, 0], ...ports } }
	fs.writeFileSync(path.join(dir, 'config.json'), JSON.stringify(config))
	const child = spawn('python3', ['./wpt', '--skip-venv-setup', 'serve', '--no-h2', '--config', path.join(dir, 'config.json')], { cwd: checkout, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
	let text = ''
	for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', t => (text += t))
	const stop = () => {
		try {
			process.kill(-child.pid, 'SIGTERM') // its servers are processes of this group
		} catch {}
		fs.rmSync(dir, { recursive: true, force: true })
	}
	process.on('exit', stop)
	const urls = () => [...text.matchAll(/Starting http server on (http:\/\/[\d.:]+)/g)].map(m => m[1])
	await until(() => urls().length >= 2 || child.exitCode !== null, { timeout: 30000, what: 'wptserve' })
	if (child.exitCode !== null) throw new Error(`wptserve ended:\n${text}`)
	const url = urls()[0]
	await until(async () => (await fetch(`${url}/resources/testharness.js`).catch(() => null))?.ok, { timeout: 30000, what: 'an answer of wptserve' })
	// The server would fill these in too, if it spoke every protocol that they name.
	const value = name => {
		const port = /^ports\[http\]\[(\d)\]$/.exec(name), socket = /^ports\[(wss?)\]\[0\]$/.exec(name)
		if (port !== null) return new URL(urls()[port[1]]).port
		if (socket !== null) return sockets[socket[1]]
		return name.startsWith('ports') ? '1' : name.startsWith('host') || name.startsWith('domains') ? '127.0.0.1' : ''
	}
	const fill = script => script.replace(/\{\{([^}]+)\}\}/g, (_, name) => value(name.trim()))
	return { url, file: secure.file, scripts: new Map(), fill, stop }
}

const STATUS = ['pass', 'fail', 'timeout', 'notrun', 'precondition']

/** Runs files and gives {file, passed, failed: [{name, why}], whole: why it gave no results}. */
export async function run(checkout, files, { onFile = () => {} } = {}) {
	const server = await startServer(checkout)
	const jobs = []
	for (const file of files) {
		const meta = metaOf(fs.readFileSync(path.join(checkout, file), 'utf8'))
		for (const s of meta.scripts) {
			// from the server, which has other names for some
			const at = scriptPath(file, s)
			if (!server.scripts.has(at)) server.scripts.set(at, at.includes('.sub.') ? server.fill(fs.readFileSync(path.join(checkout, at), 'utf8')) : await (await fetch(server.url + at)).text())
		}
		// wptserve's WebSockets over HTTP/2 want a browser of Google's
		const variants = meta.variants.filter(v => !(v.includes('wpt_flags=h2') && file.startsWith('websockets/')))
		for (const variant of variants.length > 0 ? variants : ['']) jobs.push({ file, variant, meta })
	}
	const results = []
	for (let i = 0; i < jobs.length; i += BATCH) {
		const batch = jobs.slice(i, i + BATCH)
		const limits = { cpuMs: 60000, loadCpuMs: 5000, memoryMb: 1024, responseMs: 120000, subrequests: 10000, timers: 10000, codeBytes: 16 * 1024 * 1024 }
		const routines = Object.fromEntries(batch.map((job, n) => [`t${n}`, { source: routine(checkout, job.file, job.variant, job.meta, server), limits, allowAddresses: ['127.0.0.0/8'] }]))
		const node = await startNode({ routines, cpuMs: 0, config: { routineLimits: limits }, env: { SSL_CERT_FILE: server.file } })
		try {
			for (let n = 0; n < batch.length; n++) {
				const r = await one(node, `t${n}`, batch[n])
				results.push(r)
				onFile(r)
			}
		} finally {
			await node.stop().catch(() => node.kill())
		}
	}
	server.stop()
	return results
}
async function one(node, name, { file, variant, meta }) {
	const id = file + variant
	const answer = await node.get(name, '/', { timeout: patience(meta) * 1000 + 20000 }).catch(e => ({ status: 0, headers: {}, text: String(e) }))
	if (answer.status !== 200) {
		return { file: id, passed: 0, failed: [], whole: `${answer.status} ${answer.headers?.['er-error'] ?? ''}`.trim() }
	}
	const { tests, status, message } = JSON.parse(answer.text)
	// ports and tokens differ from run to run
	const plain = text => text.replace(/(127\.0\.0\.1|localhost):\d+/g, '$1:PORT').replace(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, 'TOKEN')
	const failed = tests.filter(t => t.status !== 0).map(t => ({ name: plain(t.name), why: `${STATUS[t.status]}: ${t.message ?? ''}` }))
	return { file: id, passed: tests.length - failed.length, failed, whole: status === 0 ? undefined : `${['ok', 'error', 'timeout', 'precondition'][status]}: ${message}` }
}

/** Sums by folder: {folder: {passed, of}}. */
export function score(results, folders = FOLDERS) {
	const out = {}
	for (const r of results) {
		const folder = folders.find(f => r.file.startsWith(`${f}/`)) ?? path.posix.dirname(r.file)
		const sum = (out[folder] ??= { passed: 0, of: 0 })
		sum.passed += r.passed
		sum.of += r.passed + r.failed.length
	}
	return out
}

/** What fails and is not named in wpt-expected.json: a list of { reason, fails: { file: names of
 * subtests, or "*" for whatever fails there } }. */
export function unexpected(results, expected = load('wpt-expected.json')) {
	const out = []
	for (const r of results) {
		const known = expected.map(e => e.fails[r.file]).filter(Boolean)
		if (known.includes('*')) continue
		const names = new Set(known.flat())
		if (r.whole !== undefined && known.length === 0) out.push(`${r.file}: ${r.whole}`)
		for (const f of r.failed) if (!names.has(f.name)) out.push(`${r.file}: ${f.name}: ${f.why}`)
	}
	return out
}

if (process.argv[1] === import.meta.filename) {
	const { values, positionals } = parseArgs({ allowPositionals: true, options: { failed: { type: 'boolean' }, json: { type: 'string' }, unexpected: { type: 'boolean' } } })
	const [checkout, ...paths] = positionals
	if (checkout === undefined || !fs.existsSync(path.join(checkout, 'resources/testharness.js'))) {
		console.error('usage: node test/conformance/wpt.mjs CHECKOUT [FOLDER or FILE ...] [--failed] [--unexpected] [--json FILE]\nCHECKOUT is a checkout of web-platform-tests.')
		process.exit(2)
	}
	const results = await run(checkout, filesIn(checkout, paths.length > 0 ? paths : FOLDERS), {
		onFile: r => {
			console.log(`${String(r.passed).padStart(5)}/${r.passed + r.failed.length} ${r.file}${r.whole ? `  (${r.whole})` : ''}`)
			if (values.failed) for (const f of r.failed) console.log(`        ${f.name}\n            ${f.why}`)
		},
	})
	for (const [folder, { passed, of }] of Object.entries(score(results))) console.log(`${folder}: ${passed} of ${of}`)
	if (values.json) fs.writeFileSync(values.json, JSON.stringify(results, null, '\t'))
	if (values.unexpected) for (const line of unexpected(results)) console.log(line)
	process.exit(0)
}
