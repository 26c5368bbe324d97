// What a routine that is being misused does to its neighbour: node bench/neighbour.mjs
// [--seconds N] [--attackers N] [--rate N] [KIND...]
//
// `er-load` (load.c) asks one routine at a fixed rate, first in quiet, then while attackers do the
// same kind of harm to others, one after the other, again and again. A routine is suspended after
// some kills, so there are sixteen of each kind. One gateway thread, no pinning: everything shares
// the machine's cores, the load as well. Kinds are names of test/e2e/blast/attacks.mjs. Prints a
// Markdown table.
import os from 'node:os'
import { startNode } from '../test/e2e/lib/node.mjs'
import * as raw from '../test/e2e/lib/raw.mjs'
import { attacks, idOf, routineOf, neighbour } from '../test/e2e/blast/attacks.mjs'
import { load, median } from './lib.mjs'

const args = process.argv.slice(2)
const option = (name, otherwise) => {
	const at = args.indexOf(`--${name}`)
	return at < 0 ? otherwise : Number(args.splice(at, 2)[1])
}
const seconds = option('seconds', 4)
const attackers = option('attackers', 1)
const rate = option('rate', 1000)
const rounds = option('rounds', 1)
const COPIES = 16
const kinds = args.length
	? args
	: ['endless loop', 'endless microtask chain', 'native string search', 'ArrayBuffer bomb', 'object bomb', 'native crash: abort', 'throwing at top level', 'a handler that throws', 'a response body that never ends']
for (const kind of kinds) if (!attacks[kind]) throw new Error(`no such kind of attack: ${kind}`)

async function attack(port, id) {
	const c = await raw.connect(port, { timeout: 20000 })
	try {
		c.send(raw.bytesOf('/', { host: `${id}.localhost`, keepAlive: false }))
		const head = await c.head()
		while (head.status === 200 && !c.ended) {
			c.take(c.bytes.length)
			await c.more('the end')
		}
		return head.status
	} catch {
		return 0
	} finally {
		c.close()
	}
}

async function measure(kind) {
	const routines = { neighbour }
	for (let i = 0; i < COPIES; i++) routines[`${idOf(kind)}-${i}`] = routineOf(attacks[kind])
	const node = await startNode({ routines, logFile: true, config: { threads: 1, sandbox: { pool: 4 } }, env: { ER_ATTACK_HOOKS: '1' } })
	try {
		const one = n => load(node.port, { rate, seconds: n, host: 'neighbour.localhost', connections: 16, core: null })
		await one(1)
		const quiet = await one(seconds)
		let done = 0
		let stopped = false
		let next = 0
		const work = Array.from({ length: attackers }, async () => {
			while (!stopped) {
				const status = await attack(node.port, `${idOf(kind)}-${next++ % COPIES}`)
				if (status === 598) await raw.sleep(20)
				else done++
			}
		})
		const t = performance.now()
		const loud = await one(seconds)
		stopped = true
		await Promise.all(work)
		return { quiet, loud, perSecond: (done / (performance.now() - t)) * 1000, kills: await node.metric('er_kills_total') }
	} finally {
		await node.stop()
	}
}

console.log(`${os.cpus()[0].model}, ${os.cpus().length} cores, Linux ${os.release()}; ${rate} requests/s, ${attackers} attackers, ${rounds} × ${seconds} s; load average ${os.loadavg()[0].toFixed(1)}\n`)
console.log('| attack | a second | quiet p50 / p90 / p99 ms | during the attack | p99 ratio | lost |\n|---|--:|--:|--:|--:|--:|')
for (const kind of kinds) {
	const runs = []
	for (let i = 0; i < rounds; i++) runs.push(await measure(kind))
	const of = pick => median(runs.map(pick))
	const line = part => ['p50', 'p90', 'p99'].map(p => of(r => r[part][p]).toFixed(2)).join(' / ')
	const lost = runs.reduce((n, r) => n + r.loud.errors + r.loud.unsent, 0)
	console.log(`| ${kind} | ${of(r => r.perSecond).toFixed(0)} | ${line('quiet')} | ${line('loud')} | ${of(r => r.loud.p99 / r.quiet.p99).toFixed(1)} | ${lost} |`)
}
process.exit(0)
