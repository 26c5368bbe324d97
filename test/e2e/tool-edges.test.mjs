// Values, keys, ports and pipes at their edges: what a person would lose without a word.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { project } from './lib/desk.mjs'
import { er, tempDir } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane, tool } from './lib/tool.mjs'

const env = `export default { fetch: (request, env) => { if (request.url.endsWith('/log')) console.log('value', env.PIN, env.LONG); return Response.json(env) } }\n`
const folder = name => project({ 'er.jsonc': JSON.stringify({ name }), 'src/index.js': env })
let plane, cwd
before(async () => {
	plane = await startPlane()
	cwd = folder('shop')
	await plane.ok(['deploy', '--no-ask'], { cwd })
})
after(() => plane?.stop())
const seen = async () => JSON.parse((await plane.get('shop.localhost')).body)

test('secret bulk takes a key of several lines whole', async () => {
	const pem = '-----BEGIN KEY-----\nMIIEow==\nabc=\n-----END KEY-----\n'
	const text = `# keys\nexport PEM="${pem}"\nSINGLE='one $HOME \\n\nline # two "x"' # why\nESCAPED="a\\nb\\t\\"c\\" \\\\ \\d"\r\nPLAIN =  x=y \nBACK=\`b'"k\`\nEMPTY_NOT = "=" # yes\n`
	assert.equal((await plane.ok(['secret', 'bulk'], { cwd, input: text })).out, 'set 6 secrets for shop in production\n')
	assert.deepEqual(await seen(), { PEM: pem, SINGLE: 'one $HOME \\n\nline # two "x"', ESCAPED: 'a\nb\t"c" \\ \\d', PLAIN: 'x=y', BACK: `b'"k`, EMPTY_NOT: '=' })
	await plane.ok(['secret', 'bulk', '-'], { cwd, input: JSON.stringify({ PEM: `${pem}2` }) })
	assert.equal((await seen()).PEM, `${pem}2`)
})

test('secret bulk refuses with its line what it does not understand, and sets nothing', async () => {
	const before = (await plane.ok(['secret', '--json'], { cwd })).json.items.length
	for (const [text, line, what] of [
		['A1=1\nPEM=-----BEGIN KEY-----\nMIIE==\n-----END KEY-----\n', 2, /in quotes/],
		['A1=1\nMIIE+/w==\n', 2, /NAME=value is expected/],
		['A1="open\nB=2\n\n', 1, /has no end/],
		["A1='a'b\n", 1, /behind the closing quote/],
		['A1=1\n\nA1=2\n', 3, /second time/],
		['A1=\n', 1, /no value/],
		['A1=""\n', 1, /no value/],
		['A1=value # a comment?\n', 1, /part of the value/],
		['just words\n', 1, /NAME=value/],
		['1A=x\n', 1, /NAME=value/],
		['A1="x"\nB B=1\n', 2, /NAME=value/],
	]) {
		const bad = await plane.er(['secret', 'bulk', '--json'], { cwd, input: text })
		assert.equal(bad.code, 2, text)
		assert.match(bad.json.error.message, new RegExp(`^line ${line}: `), text)
		assert.match(bad.json.error.message, what)
		assert.doesNotMatch(bad.json.error.message, /MIIE/, 'a line may be a piece of a secret')
	}
	assert.equal((await plane.ok(['secret', '--json'], { cwd })).json.items.length, before)
})

test('secret bulk refuses JSON with its line, and takes it as it is otherwise', async () => {
	for (const [text, line] of [['{"A1":"x",\n"A2":}', 2], ['{\n"A1":"x",\n"A1":"y"}', 3], ['{"A1":"x",}', 1], ['{"A1":"x"} // why', 1]]) {
		const bad = await plane.er(['secret', 'bulk', '--json'], { cwd, input: text })
		assert.equal(bad.code, 2, text)
		assert.match(bad.json.error.message, new RegExp(`^line ${line}: `), text)
	}
	const other = await plane.er(['secret', 'bulk'], { cwd, input: '{"A1":"x","A2":5}' })
	assert.match(other.err, /"A2": a string is expected/)
	await plane.ok(['secret', 'bulk'], { cwd, input: ' \n{ "FROM_JSON": "a\\u0001\\n\\ud83d\\ude00é" }\n' })
	assert.equal((await seen()).FROM_JSON, 'a\u0001\n\u{1f600}é')
	await plane.ok(['secret', 'rm', 'FROM_JSON'], { cwd })
})

test('numbers, characters and depth of what is stored come back as they were written', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'exact'])
	const metadata = '{"big":9007199254740993,"cents":1.10,"text":"é\u{1f600}\\u0000\\t"}'
	await plane.ok(['kv', 'put', 'exact', 'k', 'v', '--metadata', metadata])
	const { out, json } = await plane.ok(['kv', 'list', 'exact', '--json'])
	assert.match(out, /"big":9007199254740993,"cents":1\.10,/)
	assert.equal(json.items[0].metadata.text, 'é\u{1f600}\0\t')
	assert.match((await plane.ok(['kv', 'get', 'exact', 'k', '--json'])).out, /"big":9007199254740993,"cents":1\.10,/)
	const deep = '['.repeat(60) + '18446744073709551615' + ']'.repeat(60)
	await plane.ok(['env', 'set', 'DEEP', deep, '--parse'], { cwd })
	assert.ok((await plane.ok(['env', '--json'], { cwd })).out.includes(deep))
	assert.ok((await plane.ok(['env'], { cwd })).out.includes(deep))
	await plane.ok(['env', 'rm', 'DEEP'], { cwd })
	const repeated = await plane.er(['env', 'set', 'TWICE', '{"a":1,"a":2}', '--parse'], { cwd })
	assert.equal(repeated.code, 2)
})

test('whoever sets a secret that is too short to be hidden in logs is told', async () => {
	const short = await plane.ok(['secret', 'put', 'PIN'], { cwd, input: '12345' })
	assert.match(short.err, /warning: the secret PIN has less than 6 bytes: too short to be replaced by \*\*\*/)
	const json = await plane.ok(['secret', 'bulk', '--json'], { cwd, input: 'PIN=12345\nLONG=123456\n' })
	assert.equal(json.json.warnings.length, 1)
	assert.match(json.json.warnings[0], /PIN/)
	assert.equal((await plane.ok(['secret', 'put', 'LONG'], { cwd, input: '123456' })).err, '')
	await plane.get('shop.localhost', '/log')
	const logged = await raw.until(async () => (await plane.ok(['logs', 'shop', '--search', 'value'])).out, { what: 'the line' })
	assert.match(logged, /value 12345 \*\*\*/)
})

test('every key of KV is kept under its own name', async () => {
	await plane.ok(['kv', 'namespace', 'add', 'odd'])
	const keys = ['.', '..', '...', '../..', 'a/../b', './x', '/', '//', 'a/b', '%', '%2E', '%2e%2e', '%2F', '?', 'a?b=c', '#', 'a#b', '&', 'key=x&y', '+', ' ', ' a ', '\t', 'ä', '😀', '\\', '"', "'", '*', 'x'.repeat(512), '%'.repeat(512), '-', '--x', 'null']
	for (const key of keys) {
		await plane.ok(['kv', 'put', 'odd', '--', key, `of ${key}`])
		assert.equal((await plane.ok(['kv', 'get', 'odd', '--', key])).out, `of ${key}`, key)
	}
	const listed = (await plane.ok(['kv', 'list', 'odd', '--json'])).json.items.map(i => i.key)
	assert.deepEqual(listed.sort(), [...keys].sort())
	const socket = plane.node.ready.socket
	for (const target of ['/v1/kv/odd/value?key=..', '/v1/kv/odd/value?key=%2E%2E', '/v1/kv/odd/values/%2E%2E']) assert.equal((await raw.request({ path: socket }, target)).body.toString(), 'of ..', target)
	for (const key of keys) assert.deepEqual((await plane.ok(['kv', 'delete', 'odd', '--json', '--', key])).json, { existed: true }, key)
	for (const [args, code] of [[['kv', 'put', 'odd', '', 'v'], 1], [['kv', 'get', 'odd', 'x'.repeat(513)], 1], [['kv', 'get', 'odd', '']], [['kv', 'namespace', 'rm', '..', '--yes']], [['kv', 'namespace', 'rm', '.', '--yes']], [['token', 'rm', '..']], [['secret', 'rm', '..', '-n', 'shop']], [['env', 'rm', '.', '-n', 'shop']], [['kv', 'list', '..']], [['kv', 'export', '..']]]) {
		const bad = await plane.er(args)
		assert.ok(bad.code === (code ?? bad.code) && bad.code !== 0, `${args.join(' ')} ended with ${bad.code}: ${bad.out}`)
	}
	assert.match((await plane.er(['kv', 'get', 'odd', ''])).err, /a key has 1 to 512 bytes/)
	await plane.ok(['kv', 'namespace', 'list'])
})

test('a node whose port is taken names the address and leaves no data folder', async () => {
	const taken = net.createServer().listen(0, '127.0.0.1')
	await new Promise(resolve => taken.once('listening', resolve))
	const address = `127.0.0.1:${taken.address().port}`, dir = tempDir()
	for (const args of [['--listen', address], ['--listen', '127.0.0.1:0', '--admin', address], ['--listen', '127.0.0.1:0', '--listen', address]]) {
		const data = path.join(dir, 'data')
		const failed = await tool(['node', '--data', data, ...args, '--threads', '1', '--json'], { cwd: dir })
		assert.equal(failed.code, 1)
		assert.match(failed.json.error.message, new RegExp(`cannot listen on ${address}: another process does already`))
		assert.deepEqual(fs.readdirSync(dir), [], args.join(' '))
	}
	taken.close()
})

test('er audit gives a pipe everything, also behind a slow reader, and ends quietly when the reader does', async () => {
	const long = 'x'.repeat(4000)
	for (let i = 0; i < 3; i++) await plane.ok(['env', 'set', 'LONG_ONE', `${long}${i}`], { cwd })
	for (let i = 0; i < 60; i++) await plane.ok(['kv', 'namespace', 'add', `n${i}`])
	const whole = await plane.ok(['audit'])
	assert.equal(whole.out.split('\n').length - 2, 50)
	const all = await plane.ok(['audit', '--limit', '0'])
	const sequence = (await plane.ok(['audit', '--limit', '1', '--json'])).json.items[0].sequence
	assert.equal(all.out.split('\n').length - 2, sequence)
	for (let i = 0; i < 3; i++) assert.ok(all.out.includes(`${long}${i}`), 'a value is cut')
	// A pipe that is read a little at a time.
	const environment = { ...process.env, ER_NODE: plane.socket, NO_COLOR: '1' }
	const slow = spawn('sh', ['-c', '"$0" audit --limit 0 | (while dd bs=997 count=1 2>/dev/null | grep -q .; do :; done; cat) | wc -c; "$0" audit --limit 0 | (sleep 0.5; cat) | wc -c', er], { env: environment })
	let out = ''
	for await (const piece of slow.stdout) out += piece
	assert.equal(Number(out.trim().split('\n').at(-1)), Buffer.byteLength(all.out))
	const cut = spawn('bash', ['-c', '"$0" audit --limit 0 | head -1; echo "${PIPESTATUS[0]}"', er], { env: environment })
	let text = '', err = ''
	cut.stderr.on('data', d => (err += d))
	for await (const piece of cut.stdout) text += piece
	assert.match(text, /^ *CHANGE .*\n0\n$/)
	assert.equal(err, '')
})

test('er tail ends when nobody reads it any more', async () => {
	const pipe = spawn('bash', ['-c', '"$0" tail shop --json | head -1 >/dev/null; echo "${PIPESTATUS[0]}"', er], { cwd, env: { ...process.env, ER_NODE: plane.socket } })
	let out = ''
	pipe.stdout.on('data', d => (out += d))
	const busy = setInterval(() => plane.get('shop.localhost').catch(() => {}), 100)
	try {
		await raw.until(() => out, { what: 'the end of er tail' })
		assert.equal(out, '0\n')
	} finally {
		clearInterval(busy)
		pipe.kill()
	}
})

test('er logs in a project is about that project, with dates', async () => {
	const other = folder('other')
	await plane.ok(['deploy', '--no-ask'], { cwd: other })
	for (const host of ['shop.localhost', 'other.localhost']) await plane.get(host, '/log')
	const routines = async (args, where) => new Set((await plane.ok(['logs', '--json', ...args], { cwd: where })).json.items.map(e => e.routine))
	await raw.until(async () => (await routines([], tempDir())).size === 2, { what: 'both' })
	assert.deepEqual(await routines([], other), new Set(['other']))
	assert.deepEqual(await routines(['shop'], other), new Set(['shop']))
	assert.deepEqual(await routines(['--all'], other), new Set(['shop', 'other']))
	const text = await plane.ok(['logs'], { cwd: other })
	for (const line of text.out.trim().split('\n')) assert.match(line, /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} @1 /)
	assert.match(text.err, /^only other, because of the er\.jsonc here; --all shows every routine\n$/)
})
