// Long answers of the control API: clients that read slowly, or not at all, make the node hold a
// bounded amount, and an export of long values holds one part at a time.
import net from 'node:net'
import test from 'node:test'
import assert from 'node:assert/strict'
import { startStore } from './lib/deploy.mjs'
import { sanitized } from './lib/node.mjs'
import * as proc from './lib/proc.mjs'
import { sleep, until } from './lib/raw.mjs'

const MB = 1024 * 1024
const skip = sanitized ? 'a sanitizer keeps freed memory' : false

async function withStore(t) {
	const node = await startStore({ config: { threads: 1 } })
	t.after(async () => {
		await node.stop()
		node.forget()
	})
	await node.ok('PUT', '/v1/kv/big')
	return node
}

/** Asks, and reads nothing behind the head. */
function slow(node, target) {
	const socket = net.connect({ path: node.ready.socket })
	const self = { socket, head: '' }
	socket.on('error', () => {})
	socket.write(`GET ${target} HTTP/1.1\r\nhost: admin\r\n\r\n`)
	socket.once('data', d => {
		self.head = d.toString('latin1').slice(0, 2000)
		socket.pause()
	})
	return self
}

test('downloads that nobody reads have a bound together; what comes above is told to try again', { skip, timeout: 120000 }, async t => {
	const node = await withStore(t)
	await node.ok('PUT', '/v1/kv/big/value?key=k', 'x'.repeat(25 * MB))
	await node.ok('PUT', '/v1/kv/big/value?key=small', 'y')
	const before = proc.memory(node.pid).rss
	const clients = Array.from({ length: 24 }, () => slow(node, '/v1/kv/big/value?key=k'))
	await until(() => clients.every(c => c.head !== ''), { what: 'all heads' })
	const served = clients.filter(c => c.head.startsWith('HTTP/1.1 200 ')).length
	assert.ok(served >= 1 && served <= 6, `${served} of 24 are served`)
	const refused = clients.filter(c => c.head.startsWith('HTTP/1.1 503 '))
	assert.equal(served + refused.length, 24)
	for (const c of refused) assert.match(c.head, /too many long answers are still being read.*try again/s)
	const more = proc.memory(node.pid).rss - before
	assert.ok(more < 300 * MB, `${Math.round(more / MB)} MB more; 24 values are 600`)
	assert.equal((await node.api('GET', '/v1/kv/big/value?key=small')).text, 'y', 'a short answer is given meanwhile')
	for (const c of clients) c.socket.destroy()
	const again = await until(async () => {
		const res = await node.api('GET', '/v1/kv/big/value?key=k')
		return res.status === 200 && res
	}, { what: 'room for a download' })
	assert.equal(again.text.length, 25 * MB)
	// exports count as well, however little they hold
	const exports = Array.from({ length: 80 }, () => slow(node, '/v1/kv/big/bulk'))
	await until(() => exports.every(c => c.head !== ''), { what: 'all heads' })
	assert.equal(exports.filter(c => c.head.startsWith('HTTP/1.1 503 ')).length, 80 - 64)
	for (const c of exports) c.socket.destroy()
})

test('an export of long values does not hold a page of them', { skip, timeout: 120000 }, async t => {
	const node = await withStore(t)
	const length = 20 * MB + 1
	for (let i = 0; i < 12; i++) await node.ok('PUT', `/v1/kv/big/value?key=${i}`, Buffer.alloc(length, 65 + i).toString())
	const before = proc.memory(node.pid).rss
	let most = 0, over = false
	const watch = (async () => {
		for (; !over; await sleep(5)) most = Math.max(most, proc.memory(node.pid).rss)
	})()
	const lines = (await node.api('GET', '/v1/kv/big/bulk')).text.trim().split('\n')
	over = true
	await watch
	assert.equal(lines.length, 12)
	for (const line of lines) {
		const { key, base64 } = JSON.parse(line)
		const value = Buffer.from(base64, 'base64')
		assert.ok(value.equals(Buffer.alloc(length, 65 + Number(key))), `the value of ${key}`)
	}
	const more = most - before
	assert.ok(more < 60 * MB, `${Math.round(more / MB)} MB more for 240 MB of values`)
})
