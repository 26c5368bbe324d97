// Static files at the desk: er dev serves the folder as a node does, and a saved file is there at
// once.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project, run, startDev, write } from './lib/desk.mjs'
import * as raw from './lib/raw.mjs'

const soon = (dev, target, text) => raw.until(async () => (await dev.get(target)).text === text, { what: `${target} to be ${JSON.stringify(text)}` })

test('a folder without code is served, and what is saved, added and deleted is seen at once', async () => {
	const cwd = project({
		'er.jsonc': '{ "name": "site", "assets": { "directory": "public", "notFound": "404-page" } }',
		'public/index.html': 'one',
		'public/404.html': 'nothing',
		'public/_headers': '/*\n  X-A: 1\n',
		'public/big.bin': Buffer.alloc(3_000_000, 1),
	})
	const dev = await startDev([], { cwd })
	const first = await dev.get('/')
	assert.deepEqual([first.status, first.text, first.headers['x-a']], [200, 'one', '1'])
	assert.equal((await dev.get('/big.bin')).body.length, 3_000_000)
	assert.deepEqual([(await dev.get('/nope')).status, (await dev.get('/index.html')).headers.location], [404, '/'])
	write(cwd, { 'public/index.html': 'two' })
	await soon(dev, '/', 'two')
	assert.notEqual((await dev.get('/')).headers.etag, first.headers.etag)
	write(cwd, { 'public/new/page.html': 'new' })
	await soon(dev, '/new/page', 'new')
	write(cwd, { 'public/new/page.html': 'newer' })
	await soon(dev, '/new/page', 'newer')
	fs.rmSync(path.join(cwd, 'public/new/page.html'))
	await soon(dev, '/new/page', 'nothing')
	/* a mistake is shown, and what was served goes on */
	const from = dev.events.length
	write(cwd, { 'public/_redirects': '/a\n' })
	const failed = await dev.event('build', e => !e.ok, { from })
	assert.match(failed.errors[0].text, /_redirects, line 1/)
	assert.equal((await dev.get('/')).text, 'two')
	write(cwd, { 'public/_redirects': '/a /b\n' })
	await raw.until(async () => (await dev.get('/a')).status === 302, { what: 'the redirect' })
	assert.equal(await dev.stop(), 0)
})

test('files before the routine, or behind it; a save of a file leaves the instance alone', async () => {
	const settings = more => JSON.stringify({ name: 'both', assets: { directory: 'public', ...more } })
	const cwd = project({
		'er.jsonc': settings({}),
		'src/index.js': 'let n = 0; export default { fetch: r => new Response(`routine ${++n} ${r.method} ${new URL(r.url).pathname}`) }',
		'public/index.html': 'page',
		'public/api/file.txt': 'file',
	})
	const dev = await startDev([], { cwd })
	assert.equal((await dev.get('/')).text, 'page')
	assert.equal((await dev.get('/other')).text, 'routine 1 GET /other')
	assert.equal((await dev.get('/', { method: 'POST' })).text, 'routine 2 POST /')
	write(cwd, { 'public/index.html': 'page two' })
	await soon(dev, '/', 'page two')
	assert.equal((await dev.get('/other')).text, 'routine 3 GET /other')
	write(cwd, { 'er.jsonc': settings({ runRoutineFirst: ['/api/*'], notFound: 'single-page' }) })
	await raw.until(async () => /^routine/.test((await dev.get('/api/file.txt')).text), { what: 'the routine to be first' })
	assert.equal((await dev.get('/')).text, 'page two')
	assert.match((await dev.get('/somewhere')).text, /^routine/)
	assert.equal((await dev.get('/somewhere', { headers: { 'sec-fetch-mode': 'navigate' } })).text, 'page two')
	write(cwd, { 'er.jsonc': settings({ runRoutineFirst: true }) })
	await raw.until(async () => /^routine/.test((await dev.get('/')).text), { what: 'the routine to be first everywhere' })
	assert.equal(await dev.stop(), 0)
})

test('er check says what a deploy would refuse, and er build that there is nothing to build', async () => {
	const cwd = project({ 'er.jsonc': '{ "name": "site", "assets": "public" }', 'public/index.html': 'x' })
	assert.deepEqual(await run(['check'], { cwd }), { code: 0, out: 'ok site: static files alone\n', err: '' })
	const built = await run(['build'], { cwd })
	assert.equal(built.code, 1)
	assert.match(built.err, /nothing to build/)
	write(cwd, { 'public/_headers': '/a\n  Host: x\n' })
	const checked = await run(['check'], { cwd })
	assert.equal(checked.code, 1)
	assert.match(checked.err, /_headers, line 2: the node says this field itself: Host/)
})
