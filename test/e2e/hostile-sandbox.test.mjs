// The node against a sandbox that was taken over: test/tools/fake_sandbox.c in er-sandbox's place.
// Whatever it writes, the node stays, other routines answer, and the client gets an answer or a
// closed connection.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import path from 'node:path'
import fs from 'node:fs'
import { startNode, er } from './lib/node.mjs'
import { startRawOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const fake = process.env.ER_FAKE_SANDBOX ?? path.join(path.dirname(er), 'test/fake-sandbox')
const skip = fs.existsSync(fake) ? false : `${fake} was not built`
const rounds = Number(process.env.ER_HOSTILE_ROUNDS ?? 4)

function node(modes, responseMs = 1500) {
	const routines = {}
	for (const [name, vars] of Object.entries(modes)) routines[name] = { source: '// run by the fake sandbox', vars, limits: { responseMs } }
	return startNode({ cpuMs: 0, routines, env: { ER_SANDBOX: fake } })
}

async function answerOf(n, name) {
	try {
		return (await n.get(name, '/', { timeout: 15000 })).status
	} catch (e) {
		return `closed: ${e.message}`
	}
}

const attacks = ['random', 'frames', 'mutate', 'indices', 'flood', 'silent', 'spin', 'liar', 'deaf', 'overdraw', 'twice', 'fetches', 'ready', 'reload', 'drain', 'exit']

for (const mode of attacks) {
	test(`a sandbox taken over (${mode}) harms nobody but its own routine`, { skip, timeout: 120000 }, async () => {
		const modes = { good: { mode: 'echo', seed: '1' } }
		for (let i = 0; i < rounds; i++) modes[`bad${i}`] = { mode, seed: String(1000 + i * 77) }
		const n = await node(modes, 400)
		try {
			assert.equal(await answerOf(n, 'good'), 200)
			for (let i = 0; i < rounds; i++) {
				const [bad, again, good] = await Promise.all([answerOf(n, `bad${i}`), answerOf(n, `bad${i}`), answerOf(n, 'good')])
				for (const got of [bad, again])
					assert.ok(typeof got === 'string' || (got >= 200 && got <= 599), `an answer or a closed connection, not ${got}`)
				assert.equal(good, 200, 'the neighbour answers')
			}
			assert.equal(n.child.exitCode, null, 'the node is alive')
		} finally {
			await n.stop()
		}
		assert.doesNotMatch(n.log, /AddressSanitizer|runtime error|internal error/)
	})
}

test('a sandbox that begins more subrequests than it was allowed is ended', { skip, timeout: 60000 }, async () => {
	const origin = await startRawOrigin(() => {})
	const bad = { source: '// run by the fake sandbox', vars: { mode: 'greedy', url: origin.url }, limits: { subrequests: 1000 }, allowAddresses: ['127.0.0.0/8'] }
	const n = await startNode({ cpuMs: 0, routines: { bad }, config: { sandbox: { maxSubrequests: 64 } }, env: { ER_SANDBOX: fake } })
	try {
		const res = await n.get('bad', '/', { timeout: 15000 })
		assert.equal(res.status, 599)
		assert.equal(res.headers['er-error'], 'protocol')
		assert.ok(origin.sockets.size <= 16, `${origin.sockets.size} connections`)
	} finally {
		await n.stop()
		await origin.close()
	}
})

test('a request that a silent sandbox keeps is answered 504 in time, and its sandbox is replaced', { skip, timeout: 60000 }, async () => {
	const n = await node({ bad: { mode: 'silent', seed: '1' } })
	try {
		const res = await n.get('bad', '/', { timeout: 15000 })
		assert.equal(res.status, 504)
		assert.match(res.headers['er-error'] ?? '', /^timeout; used=1\d\d\dms; limit=1500ms/)
	} finally {
		await n.stop()
	}
})

test('CPU burnt behind a lie is found by the node itself', { skip, timeout: 120000 }, async () => {
	for (const mode of ['spin', 'liar']) {
		const n = await node({ bad: { mode, seed: '1' } }, 30000)
		try {
			const res = await n.get('bad', '/', { timeout: 40000 })
			assert.equal(res.status, 599, mode)
			assert.match(res.headers['er-error'] ?? '', /^cpu; used=\d+ms; limit=\d+ms/)
			await raw.until(async () => (await n.metric('er_kills_total', { limit: 'cpu' })) >= 1, { what: 'the counter of CPU kills' })
		} finally {
			await n.stop()
		}
	}
})

test('memory taken past the limit without a word is found by the node itself', { skip, timeout: 60000 }, async () => {
	// Nothing in the fake sandbox sets RLIMIT_DATA, so only the node's own look at its memory
	// can end it.
	const vars = { mode: 'hoard', seed: '1' }
	const n = await startNode({ cpuMs: 0, routines: { bad: { source: '// run by the fake sandbox', vars, limits: { memoryMb: 16, responseMs: 20000 } } }, env: { ER_SANDBOX: fake } })
	try {
		const res = await n.get('bad', '/', { timeout: 15000 })
		assert.equal(res.status, 599)
		const [, used] = /^memory; used=(\d+)MB; limit=16MB$/.exec(res.headers['er-error'] ?? '') ?? []
		assert.ok(used > 16 && used < 140, res.headers['er-error'])
		await raw.until(async () => (await n.metric('er_kills_total', { limit: 'memory', routine: 'bad' })) >= 1, { what: 'the counter of memory kills' })
		await n.logged(/bad .*limit: memory/)
	} finally {
		await n.stop()
	}
})

test('READY said again is a broken rule, and its sandbox is replaced', { skip, timeout: 60000 }, async () => {
	const n = await node({ bad: { mode: 'ready', seed: '1' } })
	try {
		const res = await n.get('bad', '/', { timeout: 15000 })
		assert.equal(res.status, 599)
		assert.match(res.headers['er-error'] ?? '', /^protocol/)
	} finally {
		await n.stop()
	}
})

test('a sandbox that copies its uploads without end, and reads and ends the copies in any order, harms nobody', { skip, timeout: 120000 }, async () => {
	const modes = { good: { mode: 'echo', seed: '1' } }
	for (let i = 0; i < 2 * rounds; i++) modes[`bad${i}`] = { mode: 'clones', seed: String(5000 + i * 91) }
	const n = await node(modes, 3000)
	const body = Buffer.alloc(2 << 20, 'x')
	try {
		for (let i = 0; i < 2 * rounds; i++) {
			const ask = () => n.get(`bad${i}`, '/', { method: 'POST', body, timeout: 15000 }).then(r => r.status, e => `closed: ${e.message}`)
			const [one, two, good] = await Promise.all([ask(), ask(), answerOf(n, 'good')])
			for (const got of [one, two]) assert.ok(typeof got === 'string' || (got >= 200 && got <= 599), `an answer or a closed connection, not ${got}`)
			assert.equal(good, 200, 'the neighbour answers')
		}
		assert.equal(n.child.exitCode, null, 'the node is alive')
	} finally {
		await n.stop()
	}
	assert.doesNotMatch(n.log, /AddressSanitizer|runtime error|internal error/)
})

test('a client that leaves while its upload is drained leaks nothing', { skip, timeout: 60000 }, async () => {
	const n = await node({ bad: { mode: 'drain', seed: '1' } })
	try {
		for (let i = 0; i < 5; i++) {
			const c = await n.connect()
			c.send('POST / HTTP/1.1\r\nhost: bad.localhost\r\ncontent-length: 1000000\r\n\r\n' + 'x'.repeat(300000))
			await raw.sleep(150)
			c.close()
		}
	} finally {
		await n.stop() // the sanitizer of a build that has one speaks at the end
	}
})
