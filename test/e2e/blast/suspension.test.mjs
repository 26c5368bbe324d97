// A routine that fails again and again is suspended: 598 with when to come back, longer each time;
// and it returns.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from '../lib/node.mjs'
import * as raw from '../lib/raw.mjs'
import { neighbour } from './attacks.mjs'

const source = `addEventListener("fetch", e => {
	const path = new URL(e.request.url).pathname
	if (path === "/crash") __er_attack("abort")
	if (path === "/memory") { const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)) }
	if (path === "/throw") throw new Error("a bug")
	e.respondWith(new Response("ok"))
})`

/** Attacks until the routine is suspended; the 598. */
async function suspend(node, path, most) {
	for (let i = 0; i < most; i++) {
		const res = await node.get('bad', path)
		if (res.status === 598) return res
		assert.equal(res.status, 599)
	}
	throw new Error(`not suspended after ${most} times ${path}`)
}

// The sandbox that refused memory is ended a little after its answer, so requests in between
// may still be answered.
for (const [path, most] of [['/memory', 40], ['/crash', 8]])
	test(`a routine that keeps failing (${path}) is suspended for a while, says for how long, and returns`, { timeout: 60000 }, async () => {
		const node = await startNode({ cpuMs: 0, routines: { bad: { source, limits: { cpuMs: 10000 } }, neighbour }, config: { routineLimits: { cpuMs: 10000 } }, env: { ER_ATTACK_HOOKS: '1' } })
		try {
			const first = await suspend(node, path, most)
			const wait = Number(/^suspended; retry-in=(\d+)ms/.exec(first.headers['er-error'])[1])
			assert.ok(wait > 0 && wait <= 60000)
			assert.ok(Number(first.headers['retry-after']) >= 1)
			assert.equal((await node.get('bad', '/')).status, 598, 'every path of it')
			assert.equal((await node.get('neighbour')).status, 200, 'and nobody else')
			assert.ok((await node.metric('er_suspensions_total')) >= 1)
			await node.logged(/routine bad is suspended/)
			await raw.until(async () => (await node.get('bad', '/')).status === 200, { timeout: 10000, what: 'its return' })
			const second = await suspend(node, path, most)
			const longer = Number(/retry-in=(\d+)ms/.exec(second.headers['er-error'])[1])
			assert.ok(longer > wait, `backs off longer: ${wait} then ${longer} ms`)
		} finally {
			await node.stop()
		}
	})

test('exceptions of a handler are answered, not punished', { timeout: 60000 }, async () => {
	const node = await startNode({ cpuMs: 0, routines: { bad: source } })
	try {
		for (let i = 0; i < 40; i++) assert.equal((await node.get('bad', '/throw')).status, 599)
		assert.equal((await node.get('bad', '/')).status, 200)
	} finally {
		await node.stop()
	}
})
