// The scenarios of data on the node, and the peers that only they have: a stored answer (the Cache
// API), key-value stores, static files. A script answers GET with what is measured, and POST N by
// writing the N-th tenth of the keys that GET needs.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { here, temp, file, freePort, ask, start, up, which } from './lib.mjs'

export const isData = scenario => ['cache-match', 'kv-get', 'kv-put', 'kv-list'].includes(scenario)
export const isAssets = scenario => scenario.startsWith('assets-')

const kilobyte = '"x".repeat(1024)'
/** What a store has to do: seed(n), and the answer of a GET, over `store`: {get, put, list}. */
const does = {
	'cache-match': { seed: `put("https://bench.example/k", ${kilobyte})`, get: 'return new Response(await get("https://bench.example/k"))' },
	'kv-get': { seed: `put("k", ${kilobyte})`, get: 'return new Response(await get("k"))' },
	'kv-put': { seed: '0', get: 'await put("k" + (count++ % 10000), value); return new Response("stored")' },
	'kv-list': { seed: 'Promise.all(Array.from({ length: 100 }, (_, i) => put("key-" + String(n * 100 + i).padStart(4, "0"), "value")))', get: 'return new Response(String((await list()).length))' },
}
const SEEDS = { 'cache-match': 1, 'kv-get': 1, 'kv-put': 0, 'kv-list': 10 }

/** The script of a scenario; `store` declares get, put and list (of `environment`, once a request
 * is there). */
const script = (scenario, store) => `let count = 0
const value = "x".repeat(100)
${store}
async function handle(request, environment) {
	open(environment)
	if (request.method === "POST") {
		const n = Number(await request.text())
		await ${does[scenario].seed}
		return new Response("seeded")
	}
	${does[scenario].get}
}
`
const ofCache = cache => `let cache
const open = () => {}
const get = async key => (await (await opened()).match(key)).text()
const put = async (key, text) => (await opened()).put(key, new Response(text, { headers: { "cache-control": "max-age=3600" } }))
const opened = async () => (cache ??= await ${cache})
`

/** Writes what GET needs; the server is up by then. */
export async function seed(s, scenario) {
	const host = s.host ?? 'localhost'
	for (let n = 0; n < (SEEDS[scenario] ?? 0); n++) {
		const text = await up(s.child, s.port, `POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-type: text/plain\r\ncontent-length: ${String(n).length}\r\n\r\n${n}`)
		if (!/^HTTP\/1\.1 200/.test(text)) throw new Error(text.slice(0, 300))
	}
	if (scenario !== 'kv-list') return
	const text = await ask(s.port, `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
	if (!text.includes('1000')) throw new Error(`lists ${text.slice(-20)} and not 1000 keys`)
}

// ---- er
/** A script with a namespace that the node makes; `startEr` is peers.mjs's. */
export async function startErData(startEr, wrapEr, scenario, program) {
	const data = path.join(temp, `er-data-${await freePort()}`)
	const kv = `let kv
const open = () => (kv ??= new EdgeKV({ namespace: "bench" }))
const get = key => kv.get(key), put = (key, text) => kv.put(key, text), list = async () => (await kv.list({ limit: 1000 })).keys
`
	const source = script(scenario, scenario === 'cache-match' ? ofCache('caches.default') : kv)
	const s = await startEr({ [scenario]: { source: wrapEr(source), routes: ['*'], kv: ['bench'], limits: { subrequests: 200 } } }, { data, limits: { requests: 0 } }, program)
	const socketPath = path.join(data, 'admin.sock')
	await tries(s, () => new Promise(resolve => http.request({ socketPath, method: 'PUT', path: '/v1/kv/bench' }, res => resolve(res.resume().statusCode === 200)).on('error', () => resolve(false)).end()))
	return { ...s, host: `${scenario}.localhost` }
}

async function tries(s, act) {
	for (let n = 0; n < 500 && s.child.exitCode === null; n++) {
		if (await act()) return
		await new Promise(resolve => setTimeout(resolve, 50))
	}
	throw new Error(`not to be reached: ${fs.readFileSync(s.child.log, 'utf8').slice(-500)}`)
}

/** A project of static files, deployed to a node of its own. */
export async function startErAssets(startEr, scenario, program) {
	const data = path.join(temp, `er-data-${await freePort()}`)
	const s = await startEr({}, { data, limits: { requests: 0 } }, program)
	const project = path.dirname(file(`assets-${s.port}/er.jsonc`, JSON.stringify({ name: 'files', assets: 'public' })))
	fs.mkdirSync(path.join(project, 'public'))
	fs.copyFileSync(page(scenario), path.join(project, 'public/page.txt'))
	const env = { PATH: process.env.PATH, HOME: project, ER_NODE: path.join(data, 'admin.sock') }
	await tries(s, () => fs.existsSync(env.ER_NODE))
	execFileSync(program, ['deploy'], { cwd: project, env, stdio: ['ignore', 'ignore', 'pipe'] })
	return { ...s, host: 'files.localhost', target: '/page.txt' }
}

/** The file of a static scenario: text of its size. */
export function page(scenario) {
	const bytes = Number(/(\d+)k$/.exec(scenario)[1]) * 1024
	const words = Array.from({ length: bytes / 8 }, (_, i) => ((i * 2654435761) >>> 0).toString(36).padStart(7, 'e') + ' ')
	return file(`page-${scenario}/page.txt`, words.join('').slice(0, bytes))
}

// ---- Deno: its Cache API and its key-value store, both SQLite
export const denoData = scenario => {
	if (scenario === 'cache-match') return script(scenario, ofCache('caches.open("bench")'))
	return script(scenario, `const kv = await Deno.openKv(${JSON.stringify(path.join(temp, `deno-kv-${Math.random().toString(36).slice(2)}`))})
const open = () => {}
const get = async key => (await kv.get([key])).value, put = (key, text) => kv.set([key], text), list = () => Array.fromAsync(kv.list({ prefix: [] }, { limit: 1000, batchSize: 1000 }))
`)
}

// ---- workerd with miniflare's Cache API and KV, kept in files
export const miniflare = {
	name: 'workerd, miniflare',
	exists: () => fs.existsSync(path.join(here, 'node_modules/miniflare')),
	async start(scenario) {
		if (!isData(scenario)) return undefined
		const kv = `let kv
const open = environment => (kv ??= environment.KV)
const get = key => kv.get(key), put = (key, text) => kv.put(key, text), list = async () => (await kv.list({ limit: 1000 })).keys
`
		const port = await freePort()
		const worker = `${script(scenario, scenario === 'cache-match' ? ofCache('caches.default') : kv)}\nexport default { fetch: handle }\n`
		const program = file(`miniflare-${port}.mjs`, `import { createRequire } from "node:module"
const { Miniflare } = createRequire(${JSON.stringify(path.join(here, 'run.mjs'))})("miniflare")
const folder = ${JSON.stringify(path.join(temp, `miniflare-${port}`))}
const server = new Miniflare({ modules: true, script: ${JSON.stringify(worker)}, host: "127.0.0.1", port: ${port}, compatibilityDate: "2025-01-01", kvNamespaces: ["KV"], kvPersist: folder + "/kv", cachePersist: folder + "/cache" })
await server.ready
`)
		return { child: start([process.execPath, program]), port }
	},
}

// ---- Node's HTTP server with Redis, which is its child on the same core
/** `fsync`: when Redis's log is on the disk. A put of the others is there when it is answered. */
export const redis = {
	name: 'Node + Redis',
	exists: () => !!which('redis-server') && fs.existsSync(path.join(here, 'node_modules/ioredis')),
	async start(scenario) {
		const get = {
			'kv-get': 'res.end(await redis.get("k"))',
			'kv-put': 'await redis.set("k" + (count++ % 10000), value); res.end("stored")',
			'kv-list': 'res.end(String((await list()).length))',
		}[scenario]
		if (!get) return undefined
		const port = await freePort()
		const folder = path.dirname(file(`redis-${port}/none`, ''))
		const fsync = scenario === 'kv-put' ? 'always' : 'everysec'
		const program = file(`redis-${port}.mjs`, `import { spawn } from "node:child_process"
import http from "node:http"
import { createRequire } from "node:module"
const Redis = createRequire(${JSON.stringify(path.join(here, 'run.mjs'))})("ioredis").Redis
const path = ${JSON.stringify(`${folder}/socket`)}
spawn("redis-server", ["--port", "0", "--unixsocket", path, "--dir", ${JSON.stringify(folder)}, "--save", "", "--appendonly", "yes", "--appendfsync", "${fsync}"], { stdio: "ignore" })
const redis = new Redis({ path, enableAutoPipelining: true, retryStrategy: () => 50 })
redis.on("error", () => {}) // until it listens
const put = (key, text) => redis.set(key, text)
async function list() {
	const keys = []
	let cursor = "0"
	do {
		const [next, part] = await redis.scan(cursor, "COUNT", 1000)
		cursor = next
		keys.push(...part)
	} while (cursor !== "0")
	return keys
}
let count = 0
const value = "x".repeat(100)
http.createServer(async (req, res) => {
	if (req.method === "POST") {
		let text = ""
		for await (const part of req) text += part
		const n = Number(text)
		await ${does[scenario].seed}
		res.end("seeded")
		return
	}
	${get}
}).listen(${port}, "127.0.0.1")
`)
		return { child: start([process.execPath, program]), port }
	},
}
