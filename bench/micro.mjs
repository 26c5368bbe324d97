// What single operations cost, side by side: node bench/micro.mjs [--rounds N] [--only er,node,...]
// [OPERATION...]
//
// One script of JavaScript runs an operation n times in a request, in er, Node, Deno, Bun and
// workerd. The clock of a routine stands still within a turn, and workerd's does, so time is taken
// from outside: of requests with 2n operations minus those with n, so that the request itself
// cancels out. n is such that 2n operations take 40 ms of CPU time. All servers run at once on core
// 0 and take turns, this program on core 1; figures are medians of the rounds. Wall time says what
// a client sees, and on a machine that others use, too, CPU time of the server (its compilers and
// collectors included) says more. Prints a Markdown table and keeps it in build/bench-micro.json.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { install, peers, builds, startEr, startRuntime, wrapEr } from './peers.mjs'
import { LOAD_CORE, cpuMs, file, freePort, median, root, start, stop, up } from './lib.mjs'
import * as proc from '../test/e2e/lib/proc.mjs'

const args = process.argv.slice(2)
const option = (name, otherwise) => {
	const at = args.indexOf(`--${name}`)
	return at < 0 ? otherwise : args.splice(at, 2)[1]
}
const rounds = Number(option('rounds', 9))
const only = option('only', '').split(',').filter(Boolean)

/** {name: [what is there before, the operation]}; the operation gives a number. */
const ascii = n => `"The quick brown fox jumps over the lazy dog. ".repeat(2000).slice(0, ${n})`
const mixed = n => `"Größe 12,5 € für 東京 und Łódź, 🦊 quick brown fox. ".repeat(2000)`.replace(/$/, `.slice(0, ${Math.round(n * 0.78)})`)
const text = (of, n) => [`const bytes = new TextEncoder().encode(${of(n)}); const decoder = new TextDecoder()`, 'decoder.decode(bytes).length']
const encode = (of, n) => [`const text = ${of(n)}; const encoder = new TextEncoder()`, 'encoder.encode(text).length']
const binary = n => `const text = Array.from({ length: ${n} }, (_, i) => String.fromCharCode(i * 37 & 255)).join(""); const coded = btoa(text)`
const order = '{ id: "o-20931", customer: "c-771", lines: Array.from({ length: 24 }, (_, i) => ({ sku: "sku-" + (1000 + i), title: "article number " + i + " of the order", quantity: 1 + i % 5, cents: 199 + i * 37 })) }'
const form = '["name", "town", "text"].map((name, i) => `--XyZ\\r\\nContent-Disposition: form-data; name="${name}"\\r\\n\\r\\n${"value ".repeat(50 * (i + 1))}\\r\\n`).join("") + `--XyZ\\r\\nContent-Disposition: form-data; name="file"; filename="a.bin"\\r\\nContent-Type: application/octet-stream\\r\\n\\r\\n${"bytes ".repeat(1500)}\\r\\n--XyZ--\\r\\n`'
const operations = {
	'decode-ascii-1k': text(ascii, 1024),
	'decode-ascii-64k': text(ascii, 65536),
	'decode-mixed-1k': text(mixed, 1024),
	'decode-mixed-64k': text(mixed, 65536),
	'encode-ascii-64k': encode(ascii, 65536),
	'encode-mixed-64k': encode(mixed, 65536),
	'btoa-1k': [binary(1024), 'btoa(text).length'],
	'btoa-64k': [binary(65536), 'btoa(text).length'],
	'atob-1k': [binary(1024), 'atob(coded).length'],
	'atob-64k': [binary(65536), 'atob(coded).length'],
	url: ['let k = 0', 'new URL("https://shop.example:8443/a/./b/../c" + k++ % 100 + "?x=1&y=%20z#part").pathname.length'],
	'url-search': ['', 'Number(new URL("https://shop.example/a?x=1&y=22&z=%20q").searchParams.get("y"))'],
	'digest-64k': ['const bytes = new Uint8Array(65536).fill(7)', '(await crypto.subtle.digest("SHA-256", bytes)).byteLength'],
	'hmac-1k': ['const bytes = new Uint8Array(1024).fill(7); let key', '(await crypto.subtle.sign("HMAC", key ??= await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]), bytes)).byteLength'],
	'html-100k': ['const page = "<div class=item><h2>title</h2><p>text of it, <a href=/x?y=1>more</a></p></div>".repeat(1250)', '(await new HTMLRewriter().on("a[href]", { element(e) { e.setAttribute("rel", "next") } }).transform(new Response(page, { headers: { "content-type": "text/html" } })).text()).length', 'HTMLRewriter'],
	'json-2k': [`const text = JSON.stringify(${order})`, '(await Response.json(await new Response(text).json()).text()).length'],
	'form-10k': [`const bytes = new TextEncoder().encode(${form}); const headers = { "content-type": "multipart/form-data; boundary=XyZ" }`, '(await new Response(bytes, { headers }).formData()).get("text").length'],
	'clone-2k': [`const value = { ...${order}, when: new Date(0), map: new Map([[1, "a"], [2, "b"]]) }`, 'structuredClone(value).lines.length'],
	headers: ['', 'new Headers({ "content-type": "text/html", "x-a": "1", "x-b": "2", "cache-control": "max-age=60" }).get("x-b").length'],
}

const chosen = args.length ? args : Object.keys(operations)
for (const name of chosen) if (!operations[name]) throw new Error(`no such operation: ${name} (there are ${Object.keys(operations).join(', ')})`)

const script = `const operations = {
${Object.entries(operations).map(([name, [top, one, needs]]) => `	${JSON.stringify(name)}() {
		if (${needs ? `typeof ${needs} === "undefined"` : 'false'}) return undefined
		${top}
		return async n => { let sum = 0; for (let i = 0; i < n; i++) sum += ${one}; return sum }
	},`).join('\n')}
}
const made = {}
async function handle(request) {
	const { searchParams } = new URL(request.url)
	const name = searchParams.get("name")
	if (!(name in made)) made[name] = operations[name]()
	if (made[name] === undefined) return new Response("missing")
	return new Response(String(await made[name](Number(searchParams.get("n")))))
}
`

async function startAll() {
	const servers = []
	const add = async (name, run) => {
		if (only.length && !only.includes(name)) return
		const s = await run()
		await up(s.child, s.port, `GET /?name=headers&n=1 HTTP/1.1\r\nhost: ${s.host ?? 'localhost'}\r\n\r\n`, 30000)
		servers.push({ name, ...s })
	}
	for (const { name, program } of builds)
		await add(name, async () => ({ ...(await startEr({ micro: { source: wrapEr(script), routes: ['*'], limits: { cpuMs: 1000 } } }, { limits: { requests: 0 } }, program)), host: 'micro.localhost' }))
	for (const name of ['deno', 'bun', 'workerd']) if (peers.some(p => p.name === name && p.exists())) await add(name, () => startRuntime(name, script))
	await add('node', async () => {
		const port = await freePort()
		const program = file(`node-micro-${port}.mjs`, `import http from "node:http"
${script}
http.createServer(async (req, res) => res.end(await (await handle(new Request("http://localhost" + req.url))).text())).listen(${port}, "127.0.0.1")
`)
		return { child: start([process.execPath, program]), port }
	})
	return servers
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const cpu = s => [s.child.pid, ...proc.descendants(s.child.pid)].reduce((ms, pid) => ms + cpuMs(pid), 0)

/** One request with n operations: {wall, cpu} in ms; undefined if the server has no such thing. */
async function request(s, name, n) {
	const before = cpu(s), begun = performance.now()
	const text = await new Promise((resolve, reject) => {
		http.get({ port: s.port, host: '127.0.0.1', path: `/?name=${name}&n=${n}`, headers: { host: s.host ?? 'localhost' }, agent }, res => {
			let all = ''
			res.on('data', d => (all += d))
			res.on('end', () => (res.statusCode === 200 ? resolve(all) : reject(new Error(`${s.name}, ${name}: ${res.statusCode} ${res.headers['er-error'] ?? ''} ${all.slice(0, 300)}`))))
		}).on('error', reject)
	})
	const wall = performance.now() - begun
	if (text === 'missing') return undefined
	if (!(Number(text) > 0)) throw new Error(`${s.name}, ${name}: the sum is ${text.slice(0, 300)}`)
	return { wall, cpu: cpu(s) - before }
}

/** As many operations as take 20 ms, warm: the compilers have seen them a few times. */
async function calibrate(s, name) {
	let n = 1, spent = 0
	for (let tries = 0; tries < 200; tries++) {
		const took = await request(s, name, n)
		if (took === undefined) return undefined
		spent += took.cpu
		if (took.cpu < 15) n *= 2
		else if (took.cpu > 40) n = Math.max(1, n >> 1)
		else if (spent > 400) return n
	}
	return n
}

async function measure(servers, name) {
	const runs = []
	for (const s of servers) {
		const n = await calibrate(s, name)
		if (n !== undefined) runs.push({ s, n, wall: [], cpu: [] })
	}
	for (let r = 0; r < rounds; r++)
		for (const run of runs) {
			const one = await request(run.s, name, run.n), two = await request(run.s, name, run.n * 2)
			for (const clock of ['wall', 'cpu']) run[clock].push([one[clock], two[clock]])
		}
	/** Microseconds an operation: the median of those with 2n minus the median of those with n. */
	const each = (run, clock) => ((median(run[clock].map(x => x[1])) - median(run[clock].map(x => x[0]))) * 1000) / run.n
	return Object.fromEntries(runs.map(run => [run.s.name, { wall: each(run, 'wall'), cpu: each(run, 'cpu'), n: run.n }]))
}

install()
execFileSync('taskset', ['-pc', LOAD_CORE, String(process.pid)], { stdio: 'ignore' })
const servers = await startAll()
const shown = x => (x === undefined ? '' : x <= 0 ? '?' : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2))
console.log(`${os.cpus()[0].model}, ${os.cpus().length} cores, Linux ${os.release()}; ${rounds} rounds; load average ${os.loadavg()[0].toFixed(1)} at the start\n`)
const names = servers.map(s => s.name)
console.log(`| CPU us an operation (wall us) | ${names.join(' | ')} | er is ahead of |\n|---|${names.map(() => '--:|').join('')}---|`)
const results = {}
for (const name of chosen) {
	const row = await measure(servers, name)
	results[name] = row
	const ours = row.er?.cpu
	const ahead = Object.keys(row).filter(other => !other.startsWith('er') && ours > 0 && ours < row[other].cpu)
	console.log(`| ${name} | ${names.map(n => (row[n] ? `${shown(row[n].cpu)} (${shown(row[n].wall)})` : '')).join(' | ')} | ${ahead.join(', ')} |`)
}
fs.mkdirSync(path.join(root, 'build'), { recursive: true })
fs.writeFileSync(path.join(root, 'build/bench-micro.json'), JSON.stringify(results, null, '\t'))
await Promise.all(servers.map(s => stop(s.child)))
process.exit(0)
