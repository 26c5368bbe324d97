// A node that is killed while routines write to the key-value store: what was answered is there.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { startStore } from './lib/deploy.mjs'
import { script } from './lib/kv.mjs'
import { until } from './lib/raw.mjs'

test('kill -9 during puts: no acknowledged write is lost, and no value is a part of another', { timeout: 180000 }, async () => {
	let data
	const written = new Map() // key -> the last number that was answered
	let n = 0
	try {
		for (let life = 0; life < 5; life++) {
			const node = await startStore({ ...(data && { data }), routines: { r: { source: script, kv: ['a'] } } })
			data = node.data
			if (life === 0) await node.ok('PUT', '/v1/kv/a')
			for (const [key, number] of written) {
				const { text } = await node.get('r', `/text?key=${key}`)
				const [, got, rest] = /^(\d+) (x*)$/.exec(text) ?? []
				assert.ok(Number(got) >= number, `${key}: ${text.slice(0, 40)}, and ${number} was answered`)
				assert.equal(rest.length, Number(got) % 4 === 0 ? 300000 : Number(got) % 50, key)
			}
			let stopped = false, stored = 0
			const writers = Array.from({ length: 24 }, async (_, w) => {
				for (let i = 0; !stopped; i = (i + 1) % 3) {
					const number = ++n
					const key = `k${w}-${i}`
					const body = `${number} ${'x'.repeat(number % 4 === 0 ? 300000 : number % 50)}`
					try {
						if ((await node.get('r', `/put?key=${key}`, { method: 'POST', body })).text === 'stored') written.set(key, number), stored++
					} catch {
						return // the node is gone
					}
				}
			})
			const enough = 20 + Math.random() * 100
			await until(() => stored > enough, { every: 1, what: 'some puts' })
			process.kill(node.pid, 'SIGKILL')
			stopped = true
			await Promise.all(writers)
			await node.exited
			node.kill()
		}
		assert.ok(written.size > 0)
	} finally {
		if (data) fs.rmSync(data.replace(/\/d$/, ''), { recursive: true, force: true })
	}
})
