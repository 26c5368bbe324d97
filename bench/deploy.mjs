// Deployments, measured: versions that flip under load, a thousand deploys in a row, ten thousand
// routines on one node. A section of README.md has figures.
//
//   node bench/deploy.mjs [flips] [thousand] [many] [--rate N] [--seconds N] [--every MS]
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { startStore, says } from '../test/e2e/lib/deploy.mjs'
import { tempDir } from '../test/e2e/lib/node.mjs'
import { connect, sleep, until } from '../test/e2e/lib/raw.mjs'
import { load, median, root } from './lib.mjs'

const args = process.argv.slice(2)
const option = (name, otherwise) => (args.includes(`--${name}`) ? Number(args[args.indexOf(`--${name}`) + 1]) : otherwise)
const rate = option('rate', 20000), seconds = option('seconds', 15), every = option('every', 200)
const sections = args.filter(a => /^[a-z]/.test(a))
const wanted = name => sections.length === 0 || sections.includes(name)
const config = { threads: 2, accessLog: undefined, limits: { requests: 0 } }
const at = (values, part) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]
const ms = values => `median ${median(values).toFixed(1)} ms, p99 ${at(values, 0.99).toFixed(1)} ms, most ${Math.max(...values).toFixed(1)} ms`
const say = (what, text) => console.log(`${what.padEnd(34)} ${text}`)

/** How long from the call of a deploy until it was answered, and until a client that asks all the
 * time had the new version. */
async function deploys(node, over) {
	const took = [], first = []
	const c = await connect(node.port)
	const ask = async () => {
		c.send('GET / HTTP/1.1\r\nhost: shop.localhost\r\n\r\n')
		return Number((await c.response()).text)
	}
	let version = 1, failed = 0
	while (!over()) {
		const began = performance.now()
		const wanted = ++version
		let answered
		const done = node.deploy('shop', says(wanted)).then(() => (answered = performance.now()), () => failed++)
		while ((await ask()) < wanted && !failed) await sleep(0.2)
		first.push(performance.now() - began)
		await done
		took.push(answered - began)
		// the acknowledged one and no other
		if ((await ask()) !== wanted) failed++
		if (version % 50 === 0) await node.ok('POST', '/v1/routines/shop/prune', { keep: 5 })
		await sleep(Math.max(0, every - (performance.now() - began)))
	}
	c.close()
	return { took, first, failed }
}

async function flips() {
	const node = await startStore({ config })
	await node.deploy('shop', says(1))
	for (const [what, hz, flip] of [['load alone', rate, false], ['deploys alone', 0, true], [`load and a deploy each ${every} ms`, rate, true]]) {
		let over = false
		const wait = hz ? load(node.port, { rate: hz, seconds, host: 'shop.localhost', same: true, connections: 64 }) : sleep(seconds * 1000)
		const flipping = flip ? deploys(node, () => over) : undefined
		const r = await wait
		over = true
		const d = await flipping
		if (hz) say(`${what}: requests`, `${r.asked} asked, ${r.errors} failed, ${r.mixed} mixed, ${r.unsent} unsent; p50 ${r.p50} ms, p99 ${r.p99} ms, p99.9 ${r.p999} ms, most ${r.max} ms`)
		if (d) say(`${what}: deploys`, `${d.took.length}, ${d.failed} failed; answered: ${ms(d.took)}; first new response: ${ms(d.first)}`)
		await node.deploy('shop', says(1))
	}
	await node.stop()
	node.forget()
}

const files = dir => Object.fromEntries(fs.readdirSync(dir).map(f => [f, Math.ceil(fs.statSync(path.join(dir, f)).size / 1024)]))

async function thousand() {
	const node = await startStore({ config })
	const code = n => says(n) + `//${'x'.repeat(20000)}${n}`
	let n = 0, refused
	while (!refused) {
		const res = await node.api('POST', '/v1/routines/shop/deploy', { code: code(++n), environment: 'production' })
		if (res.status >= 300) refused = res
	}
	say('the quota', `at version ${n}: ${refused.status} ${refused.json.error.code}: ${refused.json.error.message}`)
	const look = async () => {
		await node.get('shop')
		await sleep(1500)
		const { processes, sandboxes, fds, spawnerFds, anonymous } = node.holdings()
		const rss = (await node.metric('process_resident_memory_bytes')) / 1048576
		return `${processes} processes (${sandboxes} sandboxes), ${fds} + ${spawnerFds} descriptors, ${(anonymous / 1048576).toFixed(1)} MB own, ${rss.toFixed(1)} MB resident; KB: ${JSON.stringify(files(node.data))}`
	}
	await node.ok('POST', '/v1/routines/shop/prune', { keep: 5 })
	say('before', await look())
	const took = []
	for (let i = 0; i < 1000; i++) {
		const began = performance.now()
		await node.deploy('shop', code(++n))
		took.push(performance.now() - began)
		if (i % 20 === 0) await node.get('shop')
		if (i % 50 === 49) await node.ok('POST', '/v1/routines/shop/prune', { keep: 5 })
	}
	say('after 1000 deploys', await look())
	say('a deploy', ms(took))
	await node.stop()
	node.forget()
}

const cpu = pid => {
	const f = fs.readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')
	return Number(f[0]) / 1000 + fs.readdirSync(`/proc/${pid}/task`).filter(t => Number(t) !== pid).reduce((n, t) => n + Number(fs.readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8').split(' ')[0]) / 1000, 0)
}

async function many() {
	const dir = tempDir('er-many-')
	const nodes = {}
	for (const n of [10, 10000]) {
		const data = path.join(dir, String(n))
		const filled = spawnSync(path.join(root, 'build/test/fill-store'), [data, String(n), '3'], { encoding: 'utf8' })
		if (filled.status !== 0) throw new Error(filled.stderr)
		const began = performance.now()
		const node = (nodes[n] = await startStore({ data, config }))
		node.took = performance.now() - began
		await until(async () => (await node.metric('er_pool_ready')) === 8)
		node.own = node.holdings().anonymous
		await node.stop()
	}
	for (const n of [10, 10000]) say(`start with ${n} x 3 versions`, `${nodes[n].took.toFixed(0)} ms to the ready line, ${(nodes[n].own / 1048576).toFixed(1)} MB own`)
	say('an idle routine', `${Math.round((nodes[10000].own - nodes[10].own) / 9990)} bytes`)
	const costs = { 10: [], 10000: [] }
	for (let round = 0; round < 3; round++)
		for (const n of [10, 10000]) {
			const node = await startStore({ data: path.join(dir, String(n)), config })
			const host = `r${n - 1}.example`
			await node.get(host)
			await until(async () => (await node.metric('er_pool_ready')) === 8)
			const before = cpu(node.pid)
			const r = await load(node.port, { rate: rate / 2, seconds: 3, host, connections: 32 })
			costs[n].push([(cpu(node.pid) - before) / r.asked, r.p50, r.errors])
			await node.stop()
		}
	for (const n of [10, 10000]) say(`a request among ${n} routines`, `${median(costs[n].map(c => c[0])).toFixed(2)} us of the node's CPU, p50 ${median(costs[n].map(c => c[1])).toFixed(2)} ms, ${costs[n].reduce((s, c) => s + c[2], 0)} failed (3 rounds of 4 s at ${rate / 2}/s)`)
	fs.rmSync(dir, { recursive: true })
}

for (const [name, run] of Object.entries({ flips, thousand, many })) if (wanted(name)) await run()
