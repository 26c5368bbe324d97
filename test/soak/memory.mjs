// What does a node hold after 100,000 requests of one kind? `make soak`, or `node
// test/soak/memory.mjs [--requests N] [KIND...]`. Each kind has a node and one sandbox of its own,
// whose private memory (/proc/PID/smaps_rollup) is read after a fifth, three fifths and all of the
// requests, each time at rest, when the sandbox has collected its garbage. A heap that finds its
// size stops growing, and a leak does not: where the line through what was read still rises, more
// requests follow. Ends with status 1 if it rises in the end, if a request failed, or if the
// routine that leaks was not found out.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { er, startNode, tempDir } from '../e2e/lib/node.mjs'
import * as proc from '../e2e/lib/proc.mjs'

const median = values => {
	const s = [...values].sort((a, b) => a - b)
	return (s[(s.length - 1) >> 1] + s[s.length >> 1]) / 2
}
const args = process.argv.slice(2)
const at = args.indexOf('--requests')
const total = at < 0 ? 100_000 : Number(args.splice(at, 2)[1])
const LEAK = 48 // bytes a request: an object in a table takes more
const REST = 3500 // ms; a sandbox collects garbage after two seconds of rest
const MORE = 4
const CONNECTIONS = 16
const ORIGIN = 'http://127.0.0.1:PORT/'

const order = JSON.stringify({ id: 'o-1', lines: Array.from({ length: 24 }, (_, i) => ({ sku: `sku-${i}`, title: `article number ${i}`, quantity: i, cents: 199 + i })) })
const boundary = '----soak'
const form = [['name', 'Ada'], ['file"; filename="a.txt', 'text '.repeat(200)]].map(([name, text]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`).join('') + `--${boundary}--\r\n`

/** What a kind needs: `top` and the body of `handle(request, env, n)`, n counting requests; `post`:
 * what the client sends; `needs`: what has to be there. */
const kinds = {
	hello: { does: 'return new Response("Hello, world!\\n")' },
	json: { post: ['application/json', order], does: 'const o = await request.json(); return Response.json({ id: o.id, lines: o.lines.map(l => ({ ...l, sum: l.quantity * l.cents })) })' },
	relay: { does: `const r = await fetch("${ORIGIN}"); return new Response(r.body, { status: r.status, headers: r.headers })` },
	'fetch-read': { does: `return new Response(await (await fetch("${ORIGIN}" + n % 100)).text())` },
	'fetch-unread': { does: `const r = await fetch("${ORIGIN}"); return new Response(String(r.status))` },
	clone: { does: `const r = await fetch("${ORIGIN}"); const c = r.clone(); return new Response((await c.text()).length + " " + (await r.text()).length)` },
	'cache-match': { does: 'const key = "https://soak.example/" + n % 50; const kept = await caches.default.match(key); if (kept) return kept; await caches.default.put(key, new Response("x".repeat(1024), { headers: { "cache-control": "max-age=3600" } })); return new Response("put")' },
	'cache-put': { does: 'await caches.default.put("https://soak.example/" + n % 200, new Response("x".repeat(1024), { headers: { "cache-control": "max-age=3600" } })); return new Response("put")' },
	'kv-get': { kv: true, does: 'if (n < 100) await kv.put("k" + n % 100, "x".repeat(1024)); return new Response((await kv.get("k" + n % 100)) ?? "none yet")' },
	'kv-put': { kv: true, does: 'await kv.put("k" + n % 1000, "x".repeat(100)); return new Response("stored")' },
	'kv-list': { kv: true, does: 'if (n < 100) await kv.put("k" + n % 100, "x"); return new Response(String((await kv.list()).keys.length))' },
	assets: { assets: true },
	'assets-fetch': { assets: true, routine: true, does: 'return env.ASSETS.fetch("https://soak.example/page.txt")' },
	digest: { does: 'return new Response(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode("text " + n))).join())', top: 'const encoder = new TextEncoder()' },
	sign: { does: 'key ??= await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]); const data = encoder.encode("text " + n); const mac = await crypto.subtle.sign("HMAC", key, data); return new Response(String(await crypto.subtle.verify("HMAC", key, mac, data)))', top: 'const encoder = new TextEncoder(); let key' },
	'import-key': { does: 'const key = await crypto.subtle.importKey("raw", encoder.encode("0123456789abcdef"), "AES-GCM", false, ["encrypt"]); const out = await crypto.subtle.encrypt({ name: "AES-GCM", iv: encoder.encode("0123456789ab") }, key, encoder.encode("text " + n)); return new Response(String(out.byteLength))', top: 'const encoder = new TextEncoder()' },
	compression: { does: 'const there = new Response("text ".repeat(200)).body.pipeThrough(new CompressionStream("gzip")); return new Response(await new Response(there.pipeThrough(new DecompressionStream("gzip"))).text())' },
	streams: { does: 'const { readable, writable } = new TransformStream(); const w = writable.getWriter(); w.write(encoder.encode("text " + n)); w.close(); return new Response(readable)', top: 'const encoder = new TextEncoder()' },
	'url-pattern': { does: 'const p = new URLPattern({ pathname: "/books/:id" }); return new Response(p.exec("https://soak.example/books/" + n).pathname.groups.id)' },
	'message-channel': { does: 'const { port1, port2 } = new MessageChannel(); const got = new Promise(resolve => (port2.onmessage = e => resolve(e.data.n))); port1.postMessage({ n, text: "text" }); const v = await got; port1.close(); return new Response(String(v))' },
	'message-channel-open': { does: 'const { port1, port2 } = new MessageChannel(); const got = new Promise(resolve => (port2.onmessage = e => resolve(e.data.n))); port1.postMessage({ n, text: "text" }); return new Response(String(await got))' },
	'structured-clone': { does: 'const v = structuredClone({ n, map: new Map([[1, new Date()]]), bytes: new Uint8Array(100), list: [1, 2, { a: "b" }] }); return new Response(String(v.n))' },
	'form-data': { post: [`multipart/form-data; boundary=${boundary}`, form], does: 'const f = await request.formData(); return new Response(f.get("name"))' },
	'form-answer': { does: 'const f = new FormData(); f.set("n", String(n)); f.set("file", new Blob(["text"]), "a.txt"); return new Response(f)' },
	html: { has: 'HTMLRewriter', does: 'return new HTMLRewriter().on("a", { element(e) { e.setAttribute("rel", "next") } }).transform(new Response(page, { headers: { "content-type": "text/html" } }))', top: 'const page = "<p>text <a href=x>y</a></p>".repeat(20)' },
	timers: { does: 'await new Promise(resolve => setTimeout(resolve, 1)); return new Response("late")' },
	late: { does: 'ctx.waitUntil(new Promise(resolve => setTimeout(resolve, 1))); return new Response("soon")' },
	url: { does: 'const u = new URL("https://soak.example/a/b?c=d&n=" + n); u.searchParams.set("x", "y z"); return new Response(u.href)' },
	abort: { does: `const a = new AbortController(); const r = fetch("${ORIGIN}", { signal: a.signal }); a.abort(); try { await r } catch (e) { return new Response(e.name) } return new Response("there", { status: 500 })` },
	throwing: { does: 'try { await fetch("http://127.0.0.1:1/") } catch (e) { return new Response(e.name + new Error("of " + n).stack.length) } return new Response("there", { status: 500 })' },
}
/** What the soak must find out. */
const leaks = { top: 'const kept = new Map()', does: 'kept.set(n, { text: "text " + n, at: [n, n] }); return new Response("kept")' }

const script = ({ kv, top = '', does }, origin) => `${top}
let n = 0${kv ? '\nlet kv' : ''}
globalThis.__er_module = { default: { async fetch(request, env, ctx) {
	n++
	${kv ? 'kv ??= new EdgeKV({ namespace: "soak" })' : ''}
	${does.replaceAll(ORIGIN, origin)}
} } }
`

async function start(kind, origin) {
	const data = kind.kv || kind.assets ? tempDir('er-soak-') : undefined
	const deployed = kind.assets === true
	const routines = deployed ? {} : { soak: { source: script(kind, origin), kv: kind.kv ? ['soak'] : [], allowAddresses: ['127.0.0.0/8'], limits: { subrequests: 200 } } }
	const node = await startNode({ routines, cpuMs: 1000, config: { ...(data && { data }), limits: { requests: 0 }, sandbox: { pool: 0 }, accessLog: undefined }, logFile: true })
	const end = async () => {
		await node.stop()
		if (data) fs.rmSync(data, { recursive: true, force: true })
	}
	try {
		const socketPath = data && path.join(data, 'admin.sock')
		if (kind.kv) await new Promise((resolve, reject) => http.request({ socketPath, method: 'PUT', path: '/v1/kv/soak' }, res => resolve(res.resume())).on('error', reject).end())
		if (deployed) deploy(kind, origin, data, socketPath)
	} catch (e) {
		await end()
		throw e
	}
	return { node, end }
}

function deploy(kind, origin, data, socket) {
	const dir = path.join(data, 'project')
	fs.mkdirSync(path.join(dir, 'public'), { recursive: true })
	fs.writeFileSync(path.join(dir, 'public/page.txt'), 'page '.repeat(1000))
	const assets = { directory: 'public', runRoutineFirst: kind.routine === true }
	fs.writeFileSync(path.join(dir, 'er.jsonc'), JSON.stringify({ name: 'soak', assets, ...(kind.routine && { main: 'main.js' }) }))
	if (kind.routine) fs.writeFileSync(path.join(dir, 'main.js'), script(kind, origin).replace('globalThis.__er_module = { default: {', 'export default {').replace(/\} \}\s*$/, '}\n'))
	execFileSync(er, ['deploy'], { cwd: dir, env: { PATH: process.env.PATH, HOME: data, ER_NODE: socket }, stdio: 'pipe' })
}

/** Answers every GET with 10 KB, with keep-alive. */
function startOrigin() {
	const body = Buffer.alloc(10240, 'edge ')
	const server = http.createServer({ keepAliveTimeout: 60000 }, (req, res) => res.end(body))
	return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

/** Sends n requests over all connections, the next one of each after its answer. */
class Client {
	constructor(port, target, post) {
		this.port = port
		const head = `host: soak.localhost\r\n`
		this.request = post ? `POST ${target} HTTP/1.1\r\n${head}content-type: ${post[0]}\r\ncontent-length: ${Buffer.byteLength(post[1])}\r\n\r\n${post[1]}` : `GET ${target} HTTP/1.1\r\n${head}\r\n`
		this.idle = []
	}

	async send(n) {
		let sent = 0
		await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
			const c = this.idle.pop() ?? (await this.connect())
			while (sent < n) {
				sent++
				await this.ask(c)
			}
			this.idle.push(c)
		}))
	}

	connect() {
		return new Promise((resolve, reject) => {
			const c = net.connect({ port: this.port, host: '127.0.0.1', noDelay: true }, () => resolve(c))
			c.on('error', reject)
			c.on('close', () => c.fail?.(new Error('the node closed a connection')))
			c.on('data', d => c.take?.(d))
		})
	}

	ask(c) {
		return new Promise((resolve, reject) => {
			let text = ''
			c.fail = reject
			c.take = d => {
				text += d.toString('latin1')
				const end = text.indexOf('\r\n\r\n')
				if (end < 0) return
				const length = /^content-length: *(\d+)/im.exec(text.slice(0, end))
				if (length ? text.length < end + 4 + Number(length[1]) : !text.endsWith('\r\n0\r\n\r\n')) return
				if (text.startsWith('HTTP/1.1 200')) resolve(text.slice(end + 4))
				else reject(new Error(`an answer was ${text.slice(0, 400)}`))
			}
			c.write(this.request)
		})
	}

	close() {
		for (const c of this.idle) c.destroy()
	}
}

const held = node => {
	const box = proc.sandboxes(node.pid)
	return { node: proc.memory(node.pid).dirty, sandbox: box.length ? Math.max(...box.map(pid => proc.memory(pid).dirty)) : 0 }
}

/** n requests; then the least memory that is seen while nobody asks for anything. */
async function part(client, node, n) {
	await client.send(n)
	const least = { node: Infinity, sandbox: Infinity }
	const end = Date.now() + REST
	while (Date.now() < end) {
		const now = held(node)
		for (const who of ['node', 'sandbox']) least[who] = Math.min(least[who], now[who])
		await new Promise(resolve => setTimeout(resolve, 200))
	}
	return least
}

/** {marks: [{at, node, sandbox}], grows}: memory after each part, and who still grows. */
async function soak(kind, origin) {
	const { node, end } = await start(kind, origin)
	const client = new Client(node.port, kind.assets ? '/page.txt' : '/', kind.post)
	try {
		const marks = []
		const go = async share => marks.push({ ...(await part(client, node, total * share)), at: (marks.at(-1)?.at ?? 0) + total * share })
		for (const share of [0.2, 0.4, 0.4]) await go(share)
		const boxes = proc.sandboxes(node.pid)
		for (let more = 0; growing(marks).length && more < MORE; more++) await go(0.4)
		if (boxes.join() !== proc.sandboxes(node.pid).join()) throw new Error('another sandbox took over')
		return { marks, grows: growing(marks) }
	} finally {
		client.close()
		await end()
	}
}
/** The first mark is of a time when the engine still compiles. */
const growing = marks => ['node', 'sandbox'].filter(who => slope(marks.slice(1).map(m => [m.at, m[who]])) > LEAK)

/** How steeply points rise: the median of the slopes of all pairs (Theil and Sen), which one point
 * that lies apart does not change much. */
const slope = points => median(points.flatMap(([x, y], i) => points.slice(i + 1).map(([x2, y2]) => (y2 - y) / (x2 - x))))

/** Has the engine's room the class? */
async function has(name) {
	const node = await startNode({ routines: { soak: `addEventListener("fetch", e => e.respondWith(new Response(typeof ${name})))` } })
	const there = (await node.get('soak')).text === 'function'
	await node.stop()
	return there
}

const chosen = args.length ? args : [...Object.keys(kinds), 'leaks']
for (const name of chosen) if (name !== 'leaks' && !kinds[name]) throw new Error(`no such kind: ${name} (there are ${Object.keys(kinds).join(', ')}, leaks)`)
const server = await startOrigin()
const origin = `http://127.0.0.1:${server.address().port}/`
const MB = x => (x / 1e6).toFixed(1)
let bad = 0
console.log(`Private memory, MB, after ${[0.2, 0.6, 1].map(x => Math.round(total * x)).join(', ')} requests (and each ${total * 0.4} more)\n\n| kind | node | sandbox | |\n|---|---|---|---|`)
for (const name of chosen) {
	const kind = kinds[name] ?? leaks
	if (kind.has && !(await has(kind.has))) continue
	const row = (marks, word) => console.log(`| ${name} | ${marks.map(m => MB(m.node)).join(', ')} | ${marks.map(m => MB(m.sandbox)).join(', ')} | ${word} |`)
	try {
		const { marks, grows } = await soak(kind, origin)
		const wrong = kind === leaks ? !grows.includes('sandbox') : grows.length > 0
		row(marks, wrong ? (kind === leaks ? 'NOT FOUND OUT' : `GROWS: ${grows.join(' and ')}`) : kind === leaks ? 'found out' : 'flat')
		if (wrong) bad++
	} catch (e) {
		bad++
		console.log(`| ${name} | | | FAILED: ${e.message} |`)
	}
}
server.close()
server.closeAllConnections()
process.exit(bad ? 1 : 0)
