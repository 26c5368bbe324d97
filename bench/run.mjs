// Side-by-side benchmarks, one command: node bench/run.mjs [--quick] [--rounds N] [--seconds N]
// [--only er,deno,...] [SCENARIO...]
//
// Scenarios: hello json relay cache-1k cache-32k cache-1m cache-miss disk-1k disk-32k disk-1m
// cache-match kv-get kv-put kv-list assets-1k assets-100k service latency cold memory. Every server
// is pinned to core 0 (er: gateway and sandbox together), load and origin to core 1; 64
// connections; each server is warmed up; rounds alternate between the servers, so that what else
// the machine does hits all of them; figures are medians of the rounds. Prints Markdown tables and
// keeps everything in build/bench.json. ER_BEFORE=PATH adds another build of er (its path, with its
// er-sandbox beside it) as "er before", in the same rounds.
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { isAssets, isData, seed } from './data.mjs'
import { install, isDisk, peers, builds, startOrigin, startEr, helloEr, HELLO, workerdMany, order, GET } from './peers.mjs'
import { root, LOAD_CORE, ask, cpuMs, cpuOf, cpuPerRequest, file, load, median, privateMemory, sleep, stop, up, wrk } from './lib.mjs'
import * as proc from '../test/e2e/lib/proc.mjs'

const args = process.argv.slice(2)
const option = (name, otherwise) => {
	const at = args.indexOf(`--${name}`)
	return at < 0 ? otherwise : args.splice(at, 2)[1]
}
const flag = name => {
	const at = args.indexOf(`--${name}`)
	if (at >= 0) args.splice(at, 1)
	return at >= 0
}
const quick = flag('quick')
const rounds = Number(option('rounds', quick ? 1 : 5))
const seconds = Number(option('seconds', quick ? 2 : 5))
const only = option('only', '')?.split(',').filter(Boolean)
const all = ['hello', 'json', 'relay', 'cache-1k', 'cache-32k', 'cache-1m', 'cache-miss', 'disk-1k', 'disk-32k', 'disk-1m', 'cache-match', 'kv-get', 'kv-put', 'kv-list', 'assets-1k', 'assets-100k', 'service', 'latency', 'cold', 'memory']
const scenarios = args.length ? args : all
for (const s of scenarios) if (!all.includes(s)) throw new Error(`no such scenario: ${s} (there are ${all.join(', ')})`)

install()
const here = peers.filter(p => p.exists() && (!only.length || only.includes(p.name)))
const results = { machine: `${os.cpus()[0].model}, ${os.cpus().length} cores`, kernel: os.release(), date: new Date().toISOString(), rounds, seconds }
const round1 = x => (x >= 100 ? Math.round(x) : Math.round(x * 10) / 10)
const table = (head, rows) => console.log(`\n| ${head.join(' | ')} |\n|${head.map((_, i) => (i ? '--:' : '---')).join('|')}|\n${rows.map(r => `| ${r.join(' | ')} |`).join('\n')}\n`)
const requestOf = s => `GET ${s.target ?? '/'} HTTP/1.1\r\nhost: ${s.host ?? 'localhost'}\r\n\r\n`
const keep = () => {
	fs.mkdirSync(path.join(root, 'build'), { recursive: true })
	fs.writeFileSync(path.join(root, 'build/bench.json'), JSON.stringify(results, null, '\t'))
}

/** Starts every peer that can do it; a peer that fails to start is reported and left out. */
async function startAll(scenario, context, list = here) {
	const servers = []
	for (const peer of list) {
		if (scenario === 'service' && !/^er\b/.test(peer.name)) continue
		try {
			const s = await peer.start(scenario, context)
			if (!s) continue
			if (isData(scenario) && peer.name !== HELLO) await seed(s, scenario)
			const text = await up(s.child, s.port, scenario === 'json' ? postOf(s) : requestOf(s), 30000)
			if (!/^HTTP\/1\.1 200/.test(text)) {
				await stop(s.child)
				throw new Error(text.slice(0, 300))
			}
			servers.push({ name: peer.name, ...s })
		} catch (e) {
			console.error(`${peer.name} cannot do ${scenario}: ${e.message}`)
		}
	}
	return servers
}
const postOf = s => `POST / HTTP/1.1\r\nhost: ${s.host ?? 'localhost'}\r\ncontent-type: application/json\r\ncontent-length: ${order.length}\r\n\r\n${order}`

const stopAll = servers => Promise.all(servers.map(s => stop(s.child)))

// ---- throughput
async function throughput(scenario) {
	const bytes = isAssets(scenario) ? 0 : { relay: 10 * 1024, '1k': 1024, '32k': 32 * 1024, '1m': 1024 * 1024, miss: 1024 }[scenario.replace(/^(cache|disk)-/, '')]
	const origin = bytes ? await startOrigin(LOAD_CORE, bytes, isDisk(scenario) || scenario === 'cache-miss') : undefined
	const servers = await startAll(scenario, { origin: origin?.url })
	const script = scenario === 'json' ? file('post.lua', postScript) : isDisk(scenario) ? file(`${scenario}.lua`, pagesScript(PAGES[scenario])) : scenario === 'cache-miss' ? file('miss.lua', missScript) : undefined
	const runs = new Map(servers.map(s => [s.name, []]))
	if (isDisk(scenario)) {
		for (const s of servers) await askPages(s, PAGES[scenario])
		await stop(origin.child) // what is no hit is an error from now on
	}
	const ask = (s, seconds) => wrk(s.port, s.target ?? '/', { seconds, host: s.host, script, connections: scenario === 'kv-list' ? 1 : 64 })
	for (const s of servers) await ask(s, quick ? 1 : 2)
	for (let r = 0; r < rounds; r++)
		for (const s of servers) {
			const before = cpuOf(s.child)
			const run = await ask(s, seconds)
			runs.get(s.name).push({ ...run, cpu: cpuPerRequest(before, cpuOf(s.child), run.requests) })
		}
	await stopAll(servers)
	if (origin) await stop(origin.child)
	const rows = servers.map(s => {
		const r = runs.get(s.name)
		return { name: s.name, rps: median(r.map(x => x.rps)), least: Math.min(...r.map(x => x.rps)), most: Math.max(...r.map(x => x.rps)), cpu: cpuOfRuns(r), p50: median(r.map(x => x.p50)), p99: median(r.map(x => x.p99)), errors: r.reduce((n, x) => n + x.errors, 0) }
	})
	rows.sort((a, b) => b.rps - a.rps)
	results[scenario] = rows
	const hello = rows.find(r => r.name === HELLO)?.rps
	table(
		[scenario, 'requests/s', ...(hello ? ['of hello'] : []), 'least … most', 'CPU us a request', 'gateway user + kernel', 'sandbox user + kernel', 'p50 ms', 'p99 ms', 'errors'],
		rows.map(r => [r.name, Math.round(r.rps), ...(hello ? [(r.rps / hello).toFixed(2)] : []), `${Math.round(r.least)} … ${Math.round(r.most)}`, round1(r.cpu.all), ...['gateway', 'sandbox'].map(part => modes(r.cpu[part])), r.p50.toFixed(2), round1(r.p99), r.errors]),
	)
}

const postScript = `wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[${order}]==]\n`

// ---- pages that lie in files: far more than the memory of er's cache has room for
const PAGES = { 'disk-1k': 12000, 'disk-32k': 5000, 'disk-1m': 500 }
/** Any of the pages, each as likely as every other. */
const pagesScript = n => `local pages = {}
function init() for i = 1, ${n} do pages[i] = wrk.format("GET", "/" .. i) end end
function request() return pages[math.random(${n})] end
`

/** Pages that nobody has asked for before, also not in an earlier run. */
const missScript = `local n, run = 0, ""
function init() math.randomseed(os.time()) run = os.time() .. "-" .. math.random(1000000) end
function request() n = n + 1 return wrk.format("GET", "/" .. run .. "/" .. n) end
`

/** Every page once, on eight connections; then once more those that are not stored: a disk that
 * cannot follow leaves some out. */
async function askPages(s, n) {
	let pages = Array.from({ length: n }, (_, i) => i + 1)
	for (let tries = 0; pages.length; tries++) {
		if (tries === 10) throw new Error(`${s.name} does not store ${pages.length} of ${n} pages`)
		let next = 0
		const missed = []
		await Promise.all(Array.from({ length: 8 }, async () => {
			const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
			while (next < pages.length) {
				const page = pages[next++]
				if (!(await isHit(s, agent, page))) missed.push(page)
			}
			agent.destroy()
		}))
		pages = missed
		await sleep(1000)
	}
}

/** Asks for the page: each server says in its own way whether it had it. */
const isHit = (s, agent, page) => new Promise((resolve, reject) => {
	http.get({ port: s.port, host: '127.0.0.1', path: `/${page}`, headers: { host: s.host ?? 'localhost' }, agent }, res => {
		if (res.statusCode !== 200) reject(new Error(`${s.name}: page ${page} has status ${res.statusCode}`))
		const { 'cache-status': ours, 'x-cache': nginx, 'x-varnish': varnish } = res.headers
		res.resume()
		res.on('end', () => resolve(/; hit/.test(ours) || nginx === 'HIT' || / /.test(varnish)))
	}).on('error', reject)
})

/** Medians of the rounds. A server that is one process has all of its CPU under "gateway". */
function cpuOfRuns(runs) {
	const of = pick => median(runs.map(r => pick(r.cpu)))
	const part = name => ({ user: of(c => c[name].user), kernel: of(c => c[name].kernel) })
	return { all: of(c => c.all), gateway: part('gateway'), sandbox: part('sandbox') }
}
const modes = ({ user, kernel }) => (user + kernel > 0 ? `${user.toFixed(1)} + ${kernel.toFixed(1)}` : '')

// ---- latency at a fixed rate, half of what Deno can do
async function latency() {
	const list = here.filter(p => ['er', 'er before', 'deno', 'bun', 'nginx'].includes(p.name))
	const servers = await startAll('hello', {}, list)
	const yardstick = servers.find(s => s.name === 'deno') ?? servers[0]
	for (const s of servers) await wrk(s.port, '/', { seconds: quick ? 1 : 2, host: s.host })
	const most = results.hello?.find(r => r.name === yardstick.name)?.rps ?? (await wrk(yardstick.port, '/', { seconds: 2 })).rps
	const rate = Math.round(most / 2 / 1000) * 1000
	const runs = new Map(servers.map(s => [s.name, []]))
	for (let r = 0; r < rounds; r++) for (const s of servers) runs.get(s.name).push(await load(s.port, { rate, seconds, host: s.host }))
	await stopAll(servers)
	const rows = servers.map(s => {
		const r = runs.get(s.name)
		const of = key => median(r.map(x => x[key]))
		return { name: s.name, rate, p50: of('p50'), p99: of('p99'), p999: of('p999'), max: of('max'), errors: r.reduce((n, x) => n + x.errors + x.unsent, 0) }
	})
	rows.sort((a, b) => a.p99 - b.p99)
	results.latency = rows
	table([`latency at ${rate} requests/s`, 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'errors'], rows.map(r => [r.name, ...[r.p50, r.p99, r.p999, r.max].map(x => x.toFixed(2)), r.errors]))
}

// ---- cold start
/** The first request to each of n routines: how long it takes in ms, and how much CPU time the
 * sandbox has used that it started, if there is no pool. */
async function firstRequests(program, pool, n) {
	const routines = Object.fromEntries(Array.from({ length: n }, (_, i) => [`r${i}`, { source: helloEr }]))
	const s = await startEr(routines, { sandbox: { pool, maxInstances: n + 10 } }, program)
	try {
		await up(s.child, s.port, GET)
		await sleep(1500)
		const ms = []
		const cpu = []
		const seen = new Set()
		for (let i = 0; i < n; i++) {
			const t = performance.now()
			const text = await ask(s.port, `GET / HTTP/1.1\r\nhost: r${i}.localhost\r\n\r\n`)
			ms.push(performance.now() - t)
			if (!/^HTTP\/1\.1 200/.test(text)) throw new Error(`r${i}: ${text?.slice(0, 200)}`)
			const begun = pool ? [] : proc.sandboxes(s.child.pid).filter(pid => !seen.has(pid))
			for (const pid of begun) {
				seen.add(pid)
				cpu.push(cpuMs(pid))
			}
			await sleep(60) // the pool fills up again
		}
		return { ms, cpu }
	} finally {
		await stop(s.child)
	}
}

/** Every other round the other way round: nobody always comes after the same one. */
const inTurns = (list, round) => (round % 2 ? [...list].reverse() : list)

async function cold() {
	const rows = []
	const ours = builds.filter(b => here.some(p => p.name === b.name))
	const row = (name, values) => rows.push({ name, median: median(values), most: Math.max(...values) })
	for (const pool of [8, 0]) {
		// a node of each build a round, so that a slow minute hits both
		const runs = new Map(ours.map(b => [b, []]))
		for (let r = 0; r < rounds; r++) for (const b of inTurns(ours, r)) runs.get(b).push(await firstRequests(b.program, pool, quick ? 15 : 20))
		for (const b of ours) row(`${b.name}: first request to a routine, ${pool ? 'from the pool' : 'no pool'}`, runs.get(b).flatMap(r => r.ms))
		for (const b of pool ? [] : ours) row(`${b.name}: CPU of a sandbox from its start to that answer`, runs.get(b).flatMap(r => r.cpu))
	}
	const starters = here.filter(p => ['er', 'er before', 'deno', 'bun', 'node', 'workerd', 'nginx'].includes(p.name))
	const starts = new Map(starters.map(p => [p, []]))
	for (let i = 0; i < (quick ? 5 : 11); i++)
		for (const peer of inTurns(starters, i)) {
			const t = performance.now()
			const s = await peer.start('hello', {})
			await up(s.child, s.port, requestOf(s))
			starts.get(peer).push(performance.now() - t)
			await stop(s.child)
		}
	for (const peer of starters) row(`${peer.name}: start of the process to the first response`, starts.get(peer))
	results.cold = rows
	table(['cold start', 'median ms', 'most ms'], rows.map(r => [r.name, round1(r.median), round1(r.most)]))
}

// ---- memory
async function memory() {
	const rows = []
	const MB = x => Math.round(x / 1e4) / 100
	for (const { name, program } of builds.filter(b => here.some(p => p.name === b.name))) {
		const n = quick ? 50 : 500
		const routines = Object.fromEntries(Array.from({ length: n }, (_, i) => [`r${i}`, { source: helloEr }]))
		const s = await startEr(routines, { sandbox: { pool: 2, maxInstances: n + 10 } }, program)
		try {
			await up(s.child, s.port, GET)
			const t = performance.now()
			let answered = 0
			for (let i = 0; i < n; i++) answered += /^HTTP\/1\.1 200/.test((await ask(s.port, `GET / HTTP/1.1\r\nhost: r${i}.localhost\r\n\r\n`)) ?? '')
			const first = performance.now() - t
			let again = 0
			for (let i = 0; i < n; i++) again += /^HTTP\/1\.1 200/.test((await ask(s.port, `GET / HTTP/1.1\r\nhost: r${i}.localhost\r\n\r\n`)) ?? '')
			await sleep(2000)
			const boxes = proc.sandboxes(s.child.pid)
			const each = boxes.map(pid => proc.memory(pid).dirty)
			rows.push([`${name}: private memory of an idle routine, median of ${boxes.length} sandboxes`, `${MB(median(each))} MB`])
			rows.push([`${name}: node and all sandboxes together, private (${n} routines)`, `${MB(privateMemory(s.child.pid))} MB`])
			rows.push([`${name}: ${n} routines at once, answered the first time / again`, `${answered} in ${(first / 1000).toFixed(1)} s / ${again}`])
		} finally {
			await stop(s.child)
		}
	}
	for (const peer of here.filter(p => ['deno', 'bun', 'node', 'workerd'].includes(p.name))) {
		const s = await peer.start('hello', {})
		for (let i = 0; i < 5; i++) await up(s.child, s.port, GET)
		await sleep(500)
		rows.push([`${peer.name}: the process, private`, `${MB(privateMemory(s.child.pid))} MB`])
		await stop(s.child)
	}
	if (here.some(p => p.name === 'workerd')) {
		const held = []
		for (const n of [1, 101]) {
			const s = await workerdMany(n)
			for (const port of s.ports) await up(s.child, port, GET)
			await sleep(500)
			held.push(privateMemory(s.child.pid))
			await stop(s.child)
		}
		rows.push(['workerd: private memory of one worker more in the same process', `${MB((held[1] - held[0]) / 100)} MB`])
	}
	results.memory = rows
	table(['memory', ''], rows)
}

console.log(`${results.machine}, Linux ${results.kernel}; ${rounds} rounds of ${seconds} s, medians; load average ${os.loadavg()[0].toFixed(1)} at the start`)
for (const scenario of scenarios) {
	if (scenario === 'latency') await latency()
	else if (scenario === 'cold') await cold()
	else if (scenario === 'memory') await memory()
	else await throughput(scenario)
	keep()
}
process.exit(0)
