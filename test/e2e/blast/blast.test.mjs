// The blast radius of a routine: whatever it does, its own request gets the documented answer, and
// a neighbour on the same gateway thread does not notice. ER_BLAST_ROUNDS (default 2): how often
// each attack is made; `make blast` makes 100 and looks for leaks over them.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from '../lib/node.mjs'
import * as raw from '../lib/raw.mjs'
import * as proc from '../lib/proc.mjs'
import { probeApart } from '../lib/probe-apart.mjs'
import { attacks, idOf, routineOf, neighbour } from './attacks.mjs'

const rounds = Number(process.env.ER_BLAST_ROUNDS ?? 2)
// p99 may be three times the quiet one. With few rounds p99 is the second longest of about 130
// requests, which the kernel's own work on a busy machine (starting and ending processes) makes
// longer than that; a neighbour who waits for an attacker waits for a CPU limit of 50 ms, so it is
// seen all the same below this many ms. With a hundred rounds 2 ms are enough.
const floorMs = Number(process.env.ER_BLAST_FLOOR_MS ?? (rounds >= 100 ? 2 : 20))
// What something else on the machine did in between does not happen three times running; what the
// attack does, does.
const tries = 3
const only = process.env.ER_BLAST_ONLY

let node
const probe = probeApart()
const report = []

before(async () => {
	const routines = { neighbour }
	for (const [name, a] of Object.entries(attacks)) routines[idOf(name)] = routineOf(a)
	// One thread: attacker and neighbour share gateway, loop and core.
	node = await startNode({ cpuMs: 0, routines, logFile: true, config: { threads: 1, sandbox: { pool: 4 } }, env: { ER_ATTACK_HOOKS: '1' } })
	assert.equal((await node.get('neighbour')).status, 200)
	// The probe's own code is not compiled yet either.
	probe.start(node.port, 'neighbour.localhost', '/', { every: 1 })
	await raw.sleep(500)
	await probe.stop()
})

after(async () => {
	await probe.end()
	if (!node) return
	await node.stop()
	console.log(`neighbour's p99 in ms, quiet → during the attack (requests):\n${report.map(r => `  ${r}`).join('\n')}`)
})

/** One attack from the client's side: {status, error} or {status, cut: true}. */
async function attack(id, a) {
	const c = await raw.connect(node.port, { timeout: 20000 })
	try {
		c.send(raw.bytesOf('/', { host: `${id}.localhost`, keepAlive: false }))
		const head = await c.head()
		if (head.status !== 200 || !a.cut) return { status: head.status, error: head.headers['er-error'] ?? '' }
		// reads all of it, keeps none of it
		let bytes = 0
		while (!c.ended) {
			bytes += c.take(c.bytes.length).length
			const tail = c.bytes
			await c.more('the body to be cut')
			if (c.bytes.length === 5 && c.bytes.toString('latin1') === '0\r\n\r\n' && !tail.length) return { status: 200, cut: false }
		}
		return { status: 200, cut: true, bytes }
	} finally {
		c.close()
	}
}

function judge(name, a, got) {
	const text = `${name}: ${JSON.stringify(got)}`
	if (got.status === 598) {
		assert.match(got.error, /^suspended; retry-in=\d+ms/, text)
		return
	}
	if (got.cut !== undefined) {
		assert.ok(got.cut, `${name}: the body was cut`)
		return
	}
	assert.ok(a.status.includes(got.status), text)
	if (got.status >= 500) assert.ok(a.errors.some(e => got.error === e || got.error.startsWith(`${e};`)), text)
	if (/^(cpu|timeout);/.test(got.error)) assert.match(got.error, /^(cpu|timeout); used=\d+ms; limit=\d+ms(; budget=(request|top-level|background|engine|instance))?$/)
	if (/^memory;/.test(got.error)) assert.match(got.error, /^memory; (used=\d+MB; )?limit=\d+MB(; asked=\d+MB)?$/)
}

for (const [name, a] of Object.entries(attacks)) {
	if (only && !name.includes(only)) continue
	test(`${name}: the right answer, a calm neighbour, a sandbox replaced`, { timeout: 60000 + rounds * 5000 }, async t => {
		const id = idOf(name)
		let last
		let worst
		for (let attempt = 1; ; attempt++) {
			probe.start(node.port, 'neighbour.localhost', '/', { every: 1 })
			await raw.sleep(250)
			const quiet = await probe.stop()
			probe.start(node.port, 'neighbour.localhost', '/', { every: 1 })
			for (let i = 0; i < Math.max(Math.min(rounds, 5), a.times ?? 1); i++) {
				last = await attack(id, a)
				judge(name, a, last)
				if (last.status !== 200 && last.status !== 598) worst = last
			}
			await raw.sleep(30)
			const loud = await probe.stop()
			const line = `${quiet.p99.toFixed(1)} → ${loud.p99.toFixed(1)} (${loud.n})  ${name}: ${worst ? `${worst.status} ${worst.error}` : JSON.stringify(last)}`
			t.diagnostic(line)
			report.push(line)

			assert.equal(node.child.exitCode, null, 'the node is alive')
			assert.deepEqual(loud.errors, [], 'the neighbour was never cut off')
			assert.deepEqual([...loud.statuses.keys()], [200], 'the neighbour always got its answer')
			const most = Math.max(3 * quiet.p99, a.floorMs ?? 0, floorMs)
			if (loud.p99 <= most) break
			assert.ok(attempt < tries, `the neighbour's p99 went from ${quiet.p99.toFixed(1)} to ${loud.p99.toFixed(1)} ms, ${tries} times running`)
			await raw.until(async () => (await node.get(id, '/ok')).status !== 598, { timeout: 20000, every: 200, what: `an end of the suspension of ${name}` })
		}

		const kind = worst && /^[a-z-]+/.exec(worst.error)?.[0]
		if (kind) {
			assert.ok((await node.metric('er_errors_total', { routine: id, kind })) >= 1, `er_errors_total counts ${kind}`)
			await node.logged(new RegExp(`${id} .*(${kind}|exception|Error)`), { timeout: 2000 })
		}
		if (!a.top) {
			const ok = await raw.until(async () => (await node.get(id, '/ok')).status === 200, { timeout: 20000, every: 100, what: `an answer of ${name} after the attack` })
			assert.ok(ok)
		}
	})
}

test('nothing is leaked by attack after attack: descriptors, processes, memory', { skip: only && !only.includes('leak') ? 'not asked for' : false, timeout: 60000 + rounds * 30000 }, async t => {
	// A routine that fails too often is suspended, so each round attacks with another.
	const names = ['endless loop', 'ArrayBuffer bomb', 'native crash: segmentation fault', 'a handler that throws', 'a response body that never ends', 'endless microtask chain', 'object bomb', 'throwing at top level']
	const round = async () => {
		for (const name of names) await attack(idOf(name), attacks[name])
	}
	const settle = async () => {
		// what is dying dies, what is missing from the pool comes
		let before
		await raw.until(async () => {
			const h = node.holdings()
			const same = before && before.processes === h.processes && before.fds === h.fds && before.spawnerFds === h.spawnerFds
			before = h
			await raw.sleep(300)
			return same
		}, { timeout: 15000, what: 'a node at rest' })
		return node.holdings()
	}
	await round()
	await round()
	const start = await settle()
	for (let i = 0; i < rounds; i++) await round()
	const end = await settle()
	t.diagnostic(`after ${rounds} rounds of ${names.length}: ${JSON.stringify(start)} → ${JSON.stringify(end)}`)
	assert.ok(end.processes <= start.processes + 2 * names.length, 'no processes pile up')
	// a sandbox that lives holds two eventfds; attackers that were suspended at the start
	// may live now
	assert.ok(end.fds <= start.fds + 3 * (end.sandboxes - start.sandboxes) + 8, `descriptors of the node: ${start.fds} → ${end.fds}`)
	assert.ok(end.spawnerFds <= start.spawnerFds + 2, 'descriptors of the spawner')
	assert.ok(end.anonymous <= start.anonymous + 24e6 + 2e6 * Math.max(0, end.sandboxes - start.sandboxes), `memory of the node: ${start.anonymous} → ${end.anonymous}`)
	for (const pid of proc.descendants(node.pid)) assert.ok(proc.alive(pid), 'no zombie is left')
})
