// unhandledrejection and rejectionhandled in a real sandbox, whose engine knows who handles what.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'

let node
before(async () => {
	const routines = {
		late: `const seen = []
			addEventListener("unhandledrejection", e => { seen.push("unhandled " + e.reason); e.preventDefault() })
			addEventListener("rejectionhandled", e => seen.push("handled " + e.reason + " " + (e.promise instanceof Promise)))
			addEventListener("fetch", e => e.respondWith((async () => {
				const late = Promise.reject("late"), never = Promise.reject("never")
				await new Promise(resolve => setTimeout(resolve, 2))
				late.catch(() => {})
				await new Promise(resolve => setTimeout(resolve, 2))
				return new Response(seen.join("; ")) })()))`,
	}
	node = await startNode({ routines })
})
after(() => node.stop())

test('a rejection that is handled late is told as such, one that never is not', async () => {
	assert.equal((await node.get('late')).text, 'unhandled late; unhandled never; handled late true')
})
