// Data on the node by the tool: namespaces, single values, whole namespaces in and out.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project } from './lib/desk.mjs'
import { atTerminal, startPlane } from './lib/tool.mjs'

let plane
before(async () => (plane = await startPlane()))
after(() => plane?.stop())

test('values go in as they are and come out as they are', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'things'])
	assert.match((await plane.ok(['kv', 'put', 'things', 'a/b c', 'hello'])).out, /^stored a\/b c in things, 5 bytes\n$/)
	assert.equal((await plane.ok(['kv', 'get', 'things', 'a/b c'])).out, 'hello')
	const bytes = Buffer.from([0, 255, 10, 13, 128])
	await plane.ok(['kv', 'put', 'things', 'bin'], { input: bytes })
	assert.deepEqual((await plane.ok(['kv', 'get', 'things', 'bin'])).bytes, bytes)
	assert.equal((await plane.ok(['kv', 'get', 'things', 'bin', '--json'])).json.base64, bytes.toString('base64'))
	const cwd = project({})
	fs.writeFileSync(path.join(cwd, 'in'), bytes)
	await plane.ok(['kv', 'put', 'things', 'file', '--file', 'in', '--metadata', '{"type":\n"é"}', '--ttl', '3600'], { cwd })
	await plane.ok(['kv', 'get', 'things', 'file', '--out', 'out'], { cwd })
	assert.deepEqual(fs.readFileSync(path.join(cwd, 'out')), bytes)
	const { json } = await plane.ok(['kv', 'get', 'things', 'file', '--json'])
	assert.deepEqual(json.metadata, { type: 'é' })
	assert.ok(Math.abs(json.expiration - Date.now() / 1000 - 3600) < 60)
	await plane.ok(['kv', 'put', 'things', 'empty', ''])
	assert.equal((await plane.ok(['kv', 'get', 'things', 'empty'])).out, '')

	assert.match((await plane.ok(['kv', 'list', 'things'])).out, /^a\/b c +- +-\nbin +- +-\nempty +- +-\nfile +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\{"type":"é"\}\n/m)
	assert.deepEqual((await plane.ok(['kv', 'list', 'things', '--prefix', 'b', '--json'])).json.items.map(k => k.key), ['bin'])
	await plane.ok(['kv', 'delete', 'things', 'bin'])
	assert.equal((await plane.er(['kv', 'get', 'things', 'bin'])).code, 5)
	assert.match((await plane.ok(['kv', 'delete', 'things', 'bin'])).out, /was not in/)
})

test('a value of 25 MB goes in and out, and through an export and an import', async () => {
	for (const name of ['large', 'large-too']) await plane.ok(['kv', 'namespace', 'add', name])
	const cwd = project({})
	const bytes = Buffer.alloc(25 * 1024 * 1024, "some bytes")
	for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i)
	await plane.ok(['kv', 'put', 'large', 'k'], { input: bytes })
	assert.ok((await plane.ok(['kv', 'get', 'large', 'k'])).bytes.equals(bytes))
	await plane.ok(['kv', 'export', 'large', 'all.ndjson'], { cwd })
	await plane.ok(['kv', 'import', 'large-too', 'all.ndjson'], { cwd })
	assert.ok((await plane.ok(['kv', 'get', 'large-too', 'k'])).bytes.equals(bytes))
	for (const name of ['large', 'large-too']) await plane.ok(['kv', 'namespace', 'rm', name, '--yes'])
})

test('what does not fit is said before or by the node', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'small'])
	const big = await plane.er(['kv', 'put', 'small', 'k'], { input: Buffer.alloc(25 * 1024 * 1024 + 1) })
	assert.equal(big.code, 1)
	assert.match(big.err, /more than 26214400 bytes/)
	assert.equal((await plane.er(['kv', 'put', 'small', 'k'.repeat(600), 'v'])).code, 1)
	assert.equal((await plane.er(['kv', 'put', 'small', 'k', 'v', '--ttl', 'soon'])).code, 2)
	assert.equal((await plane.er(['kv', 'put', 'small', 'k', 'v', '--metadata', '{'])).code, 2)
	assert.equal((await plane.er(['kv', 'put', 'small', 'k', 'v', '--file', 'x'])).code, 2)
	assert.equal((await plane.er(['kv', 'get', 'nowhere', 'k'])).code, 5)
	assert.equal((await plane.er(['kv', 'namespace', 'add', 'Not Good'])).code, 1)
})

test('a namespace is exported and imported whole, in parts', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'from'])
	await plane.ok(['kv', 'namespace', 'add', 'to'])
	const cwd = project({})
	const n = 12345
	const lines = Array.from({ length: n }, (_, i) => JSON.stringify({ key: `key-${String(i).padStart(6, '0')}`, value: `value ${i} é` }))
	lines.push(JSON.stringify({ key: 'zz', base64: Buffer.from([1, 0, 254]).toString('base64'), metadata: { m: 1 }, expiration: 2000000000 }), '')
	fs.writeFileSync(path.join(cwd, 'all.ndjson'), lines.join('\n'))
	const imported = await plane.ok(['kv', 'import', 'from', 'all.ndjson', '--json'], { cwd })
	assert.equal(imported.json.keys, n + 1)
	assert.match((await plane.ok(['kv', 'namespace'])).out, new RegExp(`^from +${n + 1} +\\d`, 'm'))
	assert.equal((await plane.ok(['kv', 'list', 'from', '--limit', '0', '--json'])).json.items.length, n + 1)

	assert.match((await plane.ok(['kv', 'export', 'from', 'out.ndjson'], { cwd })).out, new RegExp(`^exported ${n + 1} keys to out\\.ndjson, `))
	assert.equal(fs.statSync(path.join(cwd, 'out.ndjson')).mode & 0o077, 0)
	const quoted = await plane.ok(['kv', 'export', 'from', 'a"b.ndjson', '--json'], { cwd })
	assert.equal(JSON.parse(quoted.out).file, 'a"b.ndjson')
	const piped = await plane.ok(['kv', 'export', 'from', '--prefix', 'key-00000'])
	assert.equal(piped.out.trim().split('\n').length, 10)
	await plane.ok(['kv', 'import', 'to'], { input: fs.readFileSync(path.join(cwd, 'out.ndjson')) })
	const again = await plane.ok(['kv', 'export', 'to'])
	assert.equal(again.out, fs.readFileSync(path.join(cwd, 'out.ndjson'), 'utf8'))
	assert.ok(again.err === '', 'progress is for terminals')
})

test('long work shows its progress at a terminal, and values that would steer it are made harmless', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'seen'])
	const cwd = project({ 'in.ndjson': `${JSON.stringify({ key: 'esc', value: 'a\u001b[2Jb' })}\n` })
	const env = { ER_NODE: plane.socket, XDG_CONFIG_HOME: plane.home }
	const t = atTerminal(['kv', 'import', 'seen', 'in.ndjson'], { cwd, env })
	assert.equal(await t.ended, 0)
	assert.match(t.out(), /importing 1, \d+ B, 100 %/)
	const shown = atTerminal(['kv', 'get', 'seen', 'esc'], { cwd, env })
	await shown.ended
	assert.match(shown.out(), /a\\x1b\[2Jb/)
})

test('a mistake in a line stops the import there, and says how far it came', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'broken'])
	const good = Array.from({ length: 5000 }, (_, i) => `{"key":"k${i}","value":"v"}\n`).join('')
	const result = await plane.er(['kv', 'import', 'broken'], { input: `${good}{"key":"x","value":"y"}\n{"key":"z"}\n` })
	assert.equal(result.code, 1)
	assert.match(result.err, /5000 keys of the lines before 5001 are stored; lines are counted from there:\n.*line\[2\]/)
	assert.match((await plane.ok(['kv', 'namespace'])).out, /^broken +5000 /m)
	assert.equal((await plane.er(['kv', 'import', 'broken', '/no/such/file'])).code, 1)
	assert.equal((await plane.er(['kv', 'import', 'nowhere'], { input: '{"key":"a","value":"b"}\n' })).code, 5)
})

test('a namespace is deleted only with a yes', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'gone'])
	assert.equal((await plane.er(['kv', 'namespace', 'rm', 'gone'])).code, 2)
	await plane.ok(['kv', 'namespace', 'rm', 'gone', '-y'])
	assert.equal((await plane.er(['kv', 'namespace', 'rm', 'gone', '-y'])).code, 5)
})
