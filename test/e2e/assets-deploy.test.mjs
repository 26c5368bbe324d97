// Static files on their way to the node: only what is new goes, each version keeps its own, and
// what was broken off, or sent by somebody who lies, harms nothing.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { project, write } from './lib/desk.mjs'
import { sanitized, tempDir } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane, tool } from './lib/tool.mjs'

let plane
before(async () => (plane = await startPlane()))
after(() => plane?.stop())

const site = (name, files, more = {}) =>
	project({ 'er.jsonc': JSON.stringify({ name, assets: 'public', ...more }), ...Object.fromEntries(Object.entries(files).map(([k, v]) => [`public/${k}`, v])) })
const sha = bytes => crypto.createHash('sha256').update(bytes).digest('hex')
const api = (method, target, body, more) => raw.request({ path: plane.socket }, target, { method, body: typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body, ...more })

test('a second deploy sends only what has changed, and an unchanged one nothing', async () => {
	const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}.txt`, `file ${i}`]))
	const cwd = site('twice', { 'index.html': 'one', 'copy.html': 'one', ...many })
	const first = (await plane.ok(['deploy', '--json'], { cwd })).json
	assert.deepEqual(first.assets, { files: 52, bytes: 6 + Object.values(many).join('').length })
	assert.equal(first.sent.files, 51) /* the same bytes go once */
	assert.equal(first.probe, undefined)
	write(cwd, { 'public/f7.txt': 'changed', 'public/new.txt': 'new' })
	fs.rmSync(path.join(cwd, 'public/f8.txt'))
	const second = (await plane.ok(['deploy', '--json'], { cwd })).json
	assert.deepEqual([second.version, second.sent], [2, { files: 2, bytes: 10 }])
	assert.equal((await plane.get('twice', '/f7.txt')).text, 'changed')
	assert.equal((await plane.get('twice', '/f8.txt')).status, 404)
	const third = (await plane.ok(['deploy', '--json'], { cwd })).json
	assert.deepEqual([third.version, third.existed, third.sent.files], [2, true, 0])
	const { out } = await plane.ok(['deploy'], { cwd })
	assert.match(out, /^files +52, [\d.]+ B; 0 of them sent, 0 B/m)
	assert.match(out, /^checked +no code to run/m)
})

test('going back, a share of the clients, staging: every version keeps its own files', async () => {
	const cwd = site('many', { 'index.html': 'one', 'only-one.txt': '1' })
	await plane.ok(['deploy'], { cwd })
	write(cwd, { 'public/index.html': 'two' })
	fs.rmSync(path.join(cwd, 'public/only-one.txt'))
	await plane.ok(['deploy', '--env', 'staging'], { cwd })
	assert.equal((await plane.get('many', '/')).text, 'one')
	assert.equal((await plane.get('many.staging.localhost', '/')).text, 'two')
	await plane.ok(['publish'], { cwd })
	assert.deepEqual([(await plane.get('many', '/')).text, (await plane.get('many', '/only-one.txt')).status], ['two', 404])
	await plane.ok(['rollback'], { cwd })
	assert.deepEqual([(await plane.get('many', '/')).text, (await plane.get('many', '/only-one.txt')).text], ['one', '1'])
	await plane.ok(['deploy', '--versions', '1:50,2:50'], { cwd })
	const seen = new Set()
	for (let i = 1; i < 60 && seen.size < 2; i++) seen.add((await plane.node.get('many', '/', { from: `127.0.0.${i}` })).text)
	assert.ok(seen.size >= 1 && [...seen].every(t => t === 'one' || t === 'two'))
	await plane.restart()
	assert.ok(['one', 'two'].includes((await plane.get('many', '/')).text))
	const versions = (await plane.ok(['versions', '--json'], { cwd })).json
	assert.deepEqual(versions.items.map(v => v.assets), [{ files: 1, bytes: 3 }, { files: 2, bytes: 4 }])
})

test('a backup has the files, and a node that is restored from it serves them', async () => {
	const cwd = site('kept', { 'index.html': 'kept', 'big.bin': Buffer.alloc(2_000_000, 7) })
	await plane.ok(['deploy'], { cwd })
	const dir = tempDir('er-assets-')
	await plane.ok(['node', 'backup', path.join(dir, 'copy'), '--node', plane.socket])
	const restored = await tool(['node', 'restore', path.join(dir, 'copy'), path.join(dir, 'back')], {})
	assert.equal(restored.code, 0, restored.err)
	const other = await startPlane({ data: path.join(dir, 'back') })
	try {
		assert.equal((await other.get('kept', '/')).text, 'kept')
		assert.equal((await other.get('kept', '/big.bin')).body.length, 2_000_000)
	} finally {
		await other.stop()
		fs.rmSync(dir, { recursive: true, force: true })
	}
})

test('kill -9 while files are sent: what was answered is there, and the next deploy sends the rest', async () => {
	const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}.bin`, crypto.randomBytes(500_000)]))
	const hashes = Object.values(many).map(sha)
	// The tool may be done before the kill comes: then the next name has its turn.
	for (let i = 0, cut = false; !cut; i++) {
		assert.ok(i < 10, 'a deploy that is cut')
		const name = `cut-${i}`
		const cwd = site(name, { 'index.html': 'whole', ...many })
		const going = plane.going(['deploy', '--json'], { cwd })
		const missing = async () => JSON.parse((await api('POST', `/v1/routines/${name}/assets/missing`, { hashes })).text).missing.length
		await raw.until(async () => (await missing()) < 40, { every: 5, what: 'the first files on the disk' })
		await plane.crash()
		cut = (await going.ended) !== 0
		if (!cut) continue
		assert.equal((await plane.get(name, '/')).status, 404)
		const { json } = await plane.ok(['deploy', '--json'], { cwd })
		assert.equal(json.assets.files, 41)
		assert.ok(json.sent.files < 41, `${json.sent.files} files were sent again`)
		assert.equal((await plane.get(name, '/f39.bin')).body.compare(many['f39.bin']), 0)
	}
})

test('the API takes no version without its files, no file with another hash, and no manifest without bounds', async () => {
	const R = '/v1/routines/liar'
	const file = Buffer.from('hello')
	const manifest = (path, more = {}) => ({ assets: [{ path, sha256: sha(file), bytes: 5, ...more }] })
	const refused = async (promise, status, re) => {
		const res = await promise
		assert.equal(res.status, status, res.text)
		assert.match(JSON.parse(res.text).error.message, re)
	}
	await refused(api('POST', `${R}/deploy`, manifest('/a')), 409, /1 of the files are not on the node, \/a among them/)
	await refused(api('POST', `${R}/assets`, Buffer.from(`${sha(Buffer.from('x'))} 5\nhello`)), 400, /another hash/)
	await refused(api('POST', `${R}/assets`, Buffer.from(`${sha(file)} 50\nhello`)), 400, /ends within the file/)
	await refused(api('POST', `${R}/assets`, Buffer.from('rubbish')), 400, /no sequence of files/)
	assert.deepEqual(JSON.parse((await api('POST', `${R}/assets/missing`, { hashes: [sha(file)] })).text), { missing: [sha(file)] })
	assert.deepEqual(JSON.parse((await api('POST', `${R}/assets`, Buffer.from(`${sha(file)} 5\nhello`))).text), { stored: 1, bytes: 5 })
	assert.deepEqual(JSON.parse((await api('POST', `${R}/assets/missing`, { hashes: [sha(file)] })).text), { missing: [] })
	for (const bad of ['/../x', 'a', '/a//b', '/a\\b', '/a\nb', '/'])
		await refused(api('POST', `${R}/deploy`, manifest(bad)), 400, /cannot be served/)
	await refused(api('POST', `${R}/deploy`, { assets: [manifest('/a').assets[0], manifest('/a').assets[0]] }), 400, /is there twice/)
	await refused(api('POST', `${R}/deploy`, { settings: { assets: 'x' } }), 400, /"code" is missing/)
	await refused(api('POST', `${R}/deploy`, { code: 'x', settings: { assets: 'x' } }), 400, /"assets" names none/)
	await refused(api('POST', `${R}/deploy`, { assets: [] }), 400, /assets/)
	await refused(api('POST', `${R}/deploy`, manifest('/a', { bytes: 26214401 })), 400, /bytes/)
	/* another routine's file is not there, whoever knows its hash */
	assert.deepEqual(JSON.parse((await api('POST', '/v1/routines/spy/assets/missing', { hashes: [sha(file)] })).text), { missing: [sha(file)] })
	await refused(api('POST', '/v1/routines/spy/deploy', manifest('/a')), 409, /not on the node/)
	/* the length in the manifest is not the file's */
	await refused(api('POST', `${R}/deploy`, manifest('/a', { bytes: 4 })), 409, /not on the node/)
	assert.equal((await api('POST', `${R}/deploy`, manifest('/a'))).status, 200)
	assert.equal((await plane.get('liar', '/a')).text, 'hello')
})

test('a token that is confined to a routine sends files of that routine alone', async () => {
	const token = (await plane.ok(['token', 'add', 'confined', '--role', 'deploy', '--routines', 'mine', '--json'])).json.token
	const env = { ER_NODE: plane.url, ER_TOKEN: token }
	const cwd = site('mine', { 'index.html': 'mine' })
	await plane.ok(['deploy'], { cwd, env })
	const other = await plane.er(['deploy'], { cwd: site('theirs', { 'index.html': 'x' }), env })
	assert.equal(other.code, 4)
})

test('a site of 10,000 files is deployed twice: the second time sends one', { skip: sanitized }, async () => {
	const files = {}
	for (let i = 0; i < 10_000; i++) files[`d${i % 100}/f${i}.html`] = `<p>${i}</p>`.repeat(20)
	const cwd = site('large', files)
	const first = (await plane.ok(['deploy', '--json'], { cwd })).json
	assert.deepEqual([first.assets.files, first.sent.files], [10_000, 10_000])
	write(cwd, { 'public/d1/f1.html': 'other' })
	const second = (await plane.ok(['deploy', '--json'], { cwd })).json
	assert.equal(second.sent.files, 1)
	assert.equal((await plane.get('large', '/d99/f9999')).text, '<p>9999</p>'.repeat(20))
	assert.equal((await plane.get('large', '/d1/f1')).text, 'other')
	console.log(`# 10,000 files: ${Math.round(first.timings.total_ms)} ms, then ${Math.round(second.timings.total_ms)} ms`)
})
