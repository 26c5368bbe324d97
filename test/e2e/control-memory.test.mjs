// What an API call has sent is not left in the node's memory, whatever its size and whether it was
// taken or refused: a core dump or a later fault must not tell a key or a secret.
import fs from 'node:fs'
import test from 'node:test'
import assert from 'node:assert/strict'
import { startStore } from './lib/deploy.mjs'
import { sanitized } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'

/** How often the text stands in the process's writable memory. */
function found(pid, text) {
	const mem = fs.openSync(`/proc/${pid}/mem`, 'r')
	let n = 0
	for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
		const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
		const size = from ? Number(BigInt(`0x${to}`) - BigInt(`0x${from}`)) : 0
		if (size === 0 || size > 256 * 1024 * 1024) continue
		const bytes = Buffer.alloc(size)
		try {
			fs.readSync(mem, bytes, 0, size, BigInt(`0x${from}`))
		} catch {
			continue // a guard page
		}
		for (let at = -1; (at = bytes.indexOf(text, at + 1)) >= 0; ) n++
	}
	fs.closeSync(mem)
	return n
}

const skip = sanitized ? 'a sanitizer keeps freed memory as it was' : false

test('keys and secrets of large and small calls, taken or refused, are not left in memory', { skip }, async t => {
	const node = await startStore({ config: { threads: 1 } })
	t.after(async () => {
		await node.stop()
		node.forget()
	})
	const pad = ' '.repeat(300 * 1024)
	const marker = i => `MARKER-${i}-${'0123456789abcdef'.repeat(4)}`
	const key = i => `-----BEGIN PRIVATE KEY-----\n${marker(i)}\n-----END PRIVATE KEY-----\n`
	const site = i => JSON.stringify({ hosts: ['a.example'], origin: { servers: ['https://192.0.2.1'], tls: { certificate: 'none', key: key(i) } } })
	const bodies = [
		['PUT', '/v1/sites/a', `${pad}${site(0)}`, 400],
		['PUT', '/v1/sites/a', `${site(1)}${pad}x`, 400],
		['PUT', '/v1/sites/a', site(2), 400],
		['PUT', '/v1/routines/r/secrets/S', `${pad}${JSON.stringify({ value: marker(3) })}x`, 400],
	]
	assert.ok(found(node.pid, 'node.jsonc') > 0, 'its memory can be read')
	for (const [i, [method, target, body, status]] of bodies.entries()) {
		const res = await node.api(method, target, body)
		assert.ok(res.status >= status && res.status < 500, `${target}: ${res.status} ${res.text}`)
		// The answer may be here before the node has done with what it read.
		await raw.until(() => found(node.pid, marker(i)) === 0, { what: `the end of what ${method} ${target} (${i}) has sent` })
	}
})
