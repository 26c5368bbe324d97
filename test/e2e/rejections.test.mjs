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
	// A setter of the code gets what the prelude keeps, and puts what is no promise into it.
	routines.odd = `onrejectionhandled = () => {}
		addEventListener("unhandledrejection", e => e.preventDefault())
		addEventListener("fetch", e => e.respondWith((async () => {
			let list
			Object.defineProperty(Array.prototype, 0, { configurable: true, set() { list = this } })
			Promise.reject(1)
			await new Promise(resolve => setTimeout(resolve, 2))
			delete Array.prototype[0]
			for (const promise of [1.5, undefined, "x", {}, Symbol()]) list?.push({ promise, reason: 0 })
			Promise.reject(2)
			await new Promise(resolve => setTimeout(resolve, 2))
			return new Response("alive") })()))`
	node = await startNode({ routines })
})
after(() => node.stop())

test('what a routine takes for promises brings down no sandbox', async () => {
	for (let i = 0; i < 3; i++) assert.equal((await node.get('odd')).text, 'alive')
	assert.doesNotMatch(node.log, /crashed/)
})

test('a rejection that is handled late is told as such, one that never is not', async () => {
	assert.equal((await node.get('late')).text, 'unhandled late; unhandled never; handled late true')
})
