// The key-value store from a routine: what users of EdgeKV and of env.NAMESPACE expect, what the
// tool sees of it, who gets at which namespace, values of 25 MB, lists, expiry, and memory.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { startStore } from './lib/deploy.mjs'
import { op, ops, script } from './lib/kv.mjs'
import { sanitized } from './lib/node.mjs'
import * as proc from './lib/proc.mjs'
import { request, until } from './lib/raw.mjs'
import { tool } from './lib/tool.mjs'

let node
before(async () => {
	node = await startStore({
		config: { threads: 2, limits: { kvNamespaceMb: 60 }, routineLimits: { cpuMs: 20000 } },
		routines: {
			r: { source: script, kv: { A: 'a', small: 'b' }, limits: { cpuMs: 20000, subrequests: 1000 } },
			list: { source: script, kv: ['b'], limits: { cpuMs: 5000 } },
			none: { source: script },
			counted: { source: script, kv: ['b'], limits: { cpuMs: 5000 } },
			few: { source: script, kv: ['a'], limits: { subrequests: 3 } },
		},
	})
	for (const name of ['a', 'b']) await node.ok('PUT', `/v1/kv/${name}`)
})
after(async () => {
	await node?.stop()
	node?.forget()
})

const values = async list => (await ops(node, 'r', list)).map(({ ok, error }) => (error ? error.join(': ') : ok))

test('every kind of value goes in, and comes out as every type', async () => {
	const kinds = { $bytes: [0, 255, 10], $view: [1, 2, 3], $data: [7, 8], $buffer: [1, 2], $response: [...Buffer.from('from a response')], $empty: [], $stream: [...Buffer.from('a stream')], 'text é': [...Buffer.from('text é')], $long: null }
	for (const [value, bytes] of Object.entries(kinds)) {
		const [stored, got] = await values([['kv:a', 'put', 'kinds', value], ['kv:a', 'get', 'kinds', { type: 'arrayBuffer' }]])
		assert.deepEqual(stored, { undefined: true }, value)
		if (bytes) assert.deepEqual(got, { bytes }, value)
		else assert.equal(got.bytes.length, 300000)
	}
	await op(node, 'r', 'A', 'put', 'json', '{"a":[1]}')
	assert.deepEqual(await values([['A', 'get', 'json'], ['A', 'get', 'json', 'json'], ['A', 'get', 'json', { type: 'stream' }], ['kv:a', 'get', 'none', 'json'], ['A', 'get', 'none', 'stream']]), ['{"a":[1]}', { a: [1] }, { stream: '{"a":[1]}' }, { undefined: true }, null])
	assert.deepEqual(await values([['kv:a', 'delete', 'json'], ['kv:a', 'delete', 'json'], ['A', 'delete', 'json'], ['A', 'get', 'json']]), [true, false, { undefined: true }, null])
})

test('what a routine stores the tool reads, and what the tool stores a routine reads at once', async () => {
	await op(node, 'r', 'A', 'put', 'shared', 'by the routine', { metadata: { by: 'ä\u007f' }, expirationTtl: 1000 })
	let res = await node.api('GET', '/v1/kv/a/value?key=shared')
	assert.equal(res.text, 'by the routine')
	assert.deepEqual(JSON.parse(Buffer.from(res.headers['er-metadata'], 'latin1').toString()), { by: 'ä\u007f' })
	for (let i = 0; i < 20; i++) {
		assert.equal(await op(node, 'r', 'A', 'get', 'shared'), i === 0 ? 'by the routine' : `tool ${i - 1}`)
		await node.ok('PUT', `/v1/kv/a/value?key=shared`, `tool ${i}`)
	}
	await node.ok('DELETE', '/v1/kv/a/value?key=shared')
	assert.equal(await op(node, 'r', 'A', 'get', 'shared'), null)
	await node.ok('POST', '/v1/kv/a/bulk', '{"key":"shared","value":"in bulk","metadata":{"m":1}}\n')
	assert.deepEqual(await op(node, 'r', 'A', 'getWithMetadata', 'shared'), { value: 'in bulk', metadata: { m: 1 }, cacheStatus: null })
})

test('a routine opens the namespaces that it names, and no others', async () => {
	const refused = async (routine, ...one) => assert.rejects(op(node, routine, ...one), /does not open the KV namespace "\w+": name it in "kv" of er\.jsonc/)
	await op(node, 'r', 'small', 'put', 'k', 'of b')
	assert.equal(await op(node, 'list', 'b', 'get', 'k'), 'of b')
	for (const [method, argument] of [['get', 'k'], ['getWithMetadata', 'k'], ['delete', 'k'], ['list', {}]]) {
		await refused('list', 'kv:a', method, argument)
		await refused('none', 'kv:a', method, argument)
	}
	await refused('none', 'kv:b', 'put', 'k', 'v')
	await refused('none', 'kv:b', 'get', ['k'])
	assert.equal((await node.api('GET', '/v1/kv/b/value?key=k')).text, 'of b')
})

test('a namespace that is made anew has nothing of the one before: short and long values, those in memory, and lists', async () => {
	await node.ok('PUT', '/v1/kv/again')
	await node.deploy('again', script, { settings: { kv: ['again'], limits: { cpuMs: 5000 } } })
	for (const key of ['short', 'read']) await op(node, 'again', 'again', 'put', key, 'secret')
	await op(node, 'again', 'again', 'put', 'long', '$long')
	assert.equal(await op(node, 'again', 'again', 'get', 'read'), 'secret', 'it is in memory')
	await node.ok('DELETE', '/v1/kv/again')
	await assert.rejects(op(node, 'again', 'again', 'get', 'read'), /no KV namespace/)
	await node.ok('PUT', '/v1/kv/again')
	for (const key of ['short', 'read', 'long']) assert.equal(await op(node, 'again', 'again', 'get', key), null, key)
	assert.deepEqual((await op(node, 'again', 'again', 'list', {})).keys, [])
})

test('keys are any text, and one key is never another one', async () => {
	const keys = ['a', 'A', 'a/b', '../a', '.', '..', 'a?b=c#d', 'ä', 'a\u0308', '%61', ' a', 'a ', 'a\nb', '\u0000', '\u{1f600}', 'x'.repeat(512), 'constructor', '__proto__']
	for (const key of keys) await op(node, 'r', 'small', 'put', key, `value of ${key}`)
	for (const key of keys) assert.equal(await op(node, 'r', 'small', 'get', key), `value of ${key}`)
	const many = await op(node, 'r', 'small', 'get', [...keys, 'absent'])
	assert.deepEqual(many.map, [...keys.map(k => [k, `value of ${k}`]), ['absent', null]])
	for (const key of keys) await op(node, 'r', 'small', 'delete', key)
})

test('what cannot be stored is refused with a sentence, and nothing of it is there', async () => {
	const bad = [
		['get', '$undefined'], ['get', '$number'], ['get', '$symbol'], ['get', ''], ['get', 'k'.repeat(513)], ['get', 'é'.repeat(257)], ['get', 'k', 'blob'], ['put', 'bad'], ['put', 'bad', '$undefined'], ['put', 'bad', '$null'],
		['put', 'bad', '$number'], ['put', 'bad', '$object'], ['put', 'bad', '$function'], ['put', 'bad', '$detached'], ['put', 'bad', '$detachedView'], ['put', 'bad', '$used'], ['put', 'bad', '$locked'], ['put', 'bad', '$broken'],
		['put', 'bad', 'v', '$circle'], ['put', 'bad', 'v', '$nan'], ['put', 'bad', 'v', { expiration: 1000 }], ['put', 'bad', 'v', { expirationTtl: -1 }], ['put', 'bad', 'v', { metadata: 'x'.repeat(1023) }], ['list', { limit: 0 }], ['list', { limit: 1e9 }],
		['list', { cursor: 'zz' }], ['list', { prefix: 'x'.repeat(513) }], ['get', []], ['get', Array(101).fill('k')], ['get', ['k', '']],
	]
	const out = await ops(node, 'r', bad.map(one => ['A', ...one]))
	out.forEach(({ error }, i) => assert.ok(error && error[1].length > 4, `${JSON.stringify(bad[i])} went through`))
	assert.equal(await op(node, 'r', 'A', 'get', 'bad'), null)
	await assert.rejects(op(node, 'r', 'kv:A b', 'get', 'k'), /a to z/)
})

test('subrequests of the store count, and the limit says so', async () => {
	const out = await ops(node, 'few', [['kv:a', 'put', 'few', '1'], ['kv:a', 'get', 'few'], ['kv:a', 'get', 'few'], ['kv:a', 'get', 'few']])
	assert.deepEqual(out.map(o => o.ok ?? o.error[1].slice(0, 20)), [{ undefined: true }, '1', '1', 'Too many subrequests'])
})

test('what a request asked of the store is in its log line, and by namespace in the metrics and the status', async () => {
	const label = { routine: 'counted', environment: 'production', namespace: 'b' }
	const value = async (name, more) => node.metric(name, { ...label, ...more })
	await ops(node, 'counted', [['kv:b', 'put', 'counted', '12345'], ['kv:b', 'get', 'counted'], ['kv:b', 'get', 'counted'], ['kv:b', 'get', 'none'], ['kv:b', 'list'], ['kv:a', 'get', 'not opened']])
	const line = await until(() => node.access.find(l => l.routine === 'counted'))
	assert.deepEqual(line.kv, { reads: 4, writes: 1 })
	assert.ok(line.subrequests >= 6)
	assert.equal(await value('er_kv_requests_total', { method: 'put', result: 'ok' }), 1)
	assert.equal(await value('er_kv_requests_total', { method: 'get', result: 'ok' }), 2)
	assert.equal(await value('er_kv_requests_total', { method: 'get', result: 'none' }), 1)
	assert.equal(await value('er_kv_requests_total', { method: 'list', result: 'ok' }), 1)
	assert.equal(await value('er_kv_keys_total', { from: 'memory' }), 1)
	assert.equal(await value('er_kv_keys_total', { from: 'disk' }), 2)
	assert.equal(await value('er_kv_written_bytes_total'), 5)
	assert.ok((await value('er_kv_read_bytes_total')) > 10)
	assert.equal(await value('er_kv_seconds_count', { method: 'get' }), 3)
	assert.equal(await node.metric('er_kv_requests_total', { routine: 'counted', namespace: 'a' }), 0, 'a namespace that is not opened is no label')
	const said = (await node.ok('GET', '/v1/status')).node
	assert.ok(said.kv_reads >= 3 && said.kv_writes >= 1 && said.kv_lists >= 1 && said.kv_keys_from_memory >= 1 && said.kv_read_bytes > 10, JSON.stringify(said))
	assert.match((await tool(['status', '--node', node.ready.socket])).out, /^kv +\d+ reads \(\d+ % of the keys from memory\), \d+ writes, \d+ deletes, \d+ lists/m)
})

test('a value expires, and is in no list any more', async () => {
	await op(node, 'r', 'small', 'put', 'soon', 'x', { expirationTtl: 1 })
	await op(node, 'r', 'small', 'put', 'later', 'x', { expiration: Math.floor(Date.now() / 1000) + 1000 })
	assert.equal(await op(node, 'r', 'small', 'get', 'soon'), 'x')
	await until(async () => (await op(node, 'r', 'small', 'get', 'soon')) === null, { what: 'the end of a value' })
	const { keys } = await op(node, 'r', 'small', 'list', { prefix: '' })
	assert.ok(keys.some(k => k.name === 'later' && k.expiration > Date.now() / 1000) && !keys.some(k => k.name === 'soon'))
})

test('a list of 5000 keys comes in pages, each key once and in order', async () => {
	const lines = Array.from({ length: 5000 }, (_, i) => JSON.stringify({ key: `many/${String(i).padStart(5, '0')}`, value: 'v', ...(i % 7 === 0 && { metadata: { i } }) }))
	await node.ok('POST', '/v1/kv/a/bulk', lines.join('\n') + '\n')
	const seen = []
	let cursor, pages = 0
	do {
		const page = await op(node, 'r', 'A', 'list', { prefix: 'many/', limit: 700, ...(cursor && { cursor }) })
		seen.push(...page.keys)
		cursor = page.cursor
		pages++
		assert.equal(page.list_complete, cursor === undefined)
	} while (cursor)
	assert.equal(pages, 8)
	assert.deepEqual(seen.map(k => k.name), lines.map(l => JSON.parse(l).key))
	assert.deepEqual(seen[14], { name: 'many/00014', metadata: { i: 14 } })
	assert.equal((await op(node, 'r', 'A', 'list', { prefix: 'many/' })).keys.length, 1000)
})

test('25 MB go in as a stream and out as a stream, by every way; one byte more is refused', async () => {
	const bytes = Buffer.alloc(25 * 1024 * 1024, 'some bytes ')
	for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i)
	for (const way of ['/put', '/put-response']) {
		const res = await node.get('r', `${way}?ns=b&key=big`, { method: 'POST', body: bytes, timeout: 60000 })
		assert.equal(res.text, 'stored')
		const got = await node.get('r', '/get?ns=b&key=big', { timeout: 60000 })
		assert.equal(got.headers['content-length'], String(bytes.length))
		assert.ok(got.body.equals(bytes), way)
		assert.equal((await node.api('GET', '/v1/kv/b/value?key=big')).text.length > 0, true)
	}
	const more = await node.get('r', '/put?ns=b&key=big', { method: 'POST', body: Buffer.concat([bytes, Buffer.from('x')]), timeout: 60000 })
	assert.equal(more.status, 599)
	await node.logged(/a value has at most 26214400 bytes/)
	assert.ok((await node.get('r', '/get?ns=b&key=big', { timeout: 60000 })).body.equals(bytes))
})

test('a namespace has no more than its limit, which the error names', async () => {
	const bytes = Buffer.alloc(20 * 1024 * 1024, 'x')
	await op(node, 'r', 'small', 'delete', 'big')
	for (const key of ['one', 'two']) assert.equal((await node.get('r', `/put?ns=b&key=${key}`, { method: 'POST', body: bytes, timeout: 60000 })).status, 200)
	assert.equal((await node.get('r', '/put?ns=b&key=three', { method: 'POST', body: bytes, timeout: 60000 })).status, 599)
	await node.logged(/namespace b is full: its keys and values may have 60 MB \(limits\.kvNamespaceMb of node\.jsonc\)/)
	for (const key of ['one', 'two']) await op(node, 'r', 'small', 'delete', key)
	assert.equal((await node.get('r', '/put?ns=b&key=three', { method: 'POST', body: bytes, timeout: 60000 })).status, 200)
})

test('a client that leaves in the middle of an upload leaves the old value', async () => {
	await op(node, 'r', 'small', 'put', 'kept', 'old')
	for (let i = 0; i < 5; i++) {
		const c = await node.connect()
		c.send(`POST /put?ns=b&key=kept HTTP/1.1\r\nhost: r.localhost\r\ncontent-length: 5000000\r\n\r\n${'x'.repeat(100000 * (i + 1))}`)
		await new Promise(resolve => setTimeout(resolve, 30))
		c.close()
	}
	assert.equal(await op(node, 'r', 'small', 'get', 'kept'), 'old')
})

test('work behind the answer is stored all the same', async () => {
	assert.equal((await node.get('r', '/late?key=late')).text, 'soon')
	await until(async () => (await op(node, 'r', 'A', 'get', 'late')) === 'late', { what: 'a put behind the answer' })
})

test('memory of the node and of the sandbox stays as it is over 20,000 requests', { skip: sanitized ? 'a sanitizer keeps memory' : false }, async () => {
	const body = JSON.stringify([['A', 'put', 'flat', 'x'.repeat(1000)], ['A', 'get', 'flat'], ['A', 'get', 'none'], ['A', 'list', { limit: 5 }]])
	const round = async n => {
		let left = n
		await Promise.all(Array.from({ length: 16 }, async () => {
			while (left-- > 0) {
				const res = await request(node.port, '/', { host: 'r.localhost', method: 'POST', body })
				if (res.status !== 200) throw new Error(`${res.status} ${res.text}`)
			}
		}))
	}
	const memory = () => [node.pid, ...proc.sandboxes(node.pid)].map(pid => proc.memory(pid).anonymous).reduce((a, b) => a + b)
	await round(2500)
	const before = memory()
	await round(2500) // of four operations each
	assert.ok(memory() < before + 40 * 1024 * 1024, `${before} became ${memory()}`)
})
