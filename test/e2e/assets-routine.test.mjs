// Static files and the routine of the same version: who answers what, and files that the routine
// asks for (env.ASSETS).
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { project, startDev, write } from './lib/desk.mjs'
import { partsOf } from './lib/ranges.mjs'
import { startPlane } from './lib/tool.mjs'

const big = Buffer.alloc(3_000_000)
for (let i = 0; i < big.length; i++) big[i] = (i * 17 + (i >> 9)) & 255

const code = `
export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url)
		if (url.pathname === '/api/read') {
			const r = await env.ASSETS.fetch(new URL('/a.txt', request.url))
			return new Response('read: ' + await r.text() + ' ' + r.headers.get('content-type'))
		}
		if (url.pathname === '/api/many') {
			const all = await Promise.all(['/a.txt', '/about', '/nothing', '/about.html', '/big.bin'].map(p => env.ASSETS.fetch('https://x.example' + p)))
			return Response.json(all.map(r => [r.status, r.headers.get('location')]))
		}
		if (url.pathname === '/api/changed') {
			const r = await env.ASSETS.fetch('https://x.example/a.txt')
			return new Response(r.body, { status: 201, headers: { 'x-by': 'routine' } })
		}
		if (url.pathname === '/api/method') {
			const r = await env.ASSETS.fetch('https://x.example/a.txt', { method: 'POST', body: 'x' })
			const h = await env.ASSETS.fetch('https://x.example/a.txt', { method: 'HEAD' })
			return Response.json([r.status, r.headers.get('allow'), h.status, (await h.text()).length])
		}
		if (url.pathname === '/api/late') {
			ctx.waitUntil((async () => {
				await new Promise(r => setTimeout(r, 50))
				console.log('late: ' + await (await env.ASSETS.fetch('https://x.example/a.txt')).text())
			})())
			return new Response('later')
		}
		if (url.pathname === '/api/version') return new Response('routine ' + VERSION)
		if (url.pathname.startsWith('/api/')) return env.ASSETS.fetch(new Request('https://x.example' + url.pathname.slice(4), request))
		return new Response('routine: ' + request.method + ' ' + url.pathname)
	},
}
`
const files = {
	'er.jsonc': JSON.stringify({ name: 'both', assets: { directory: 'public', notFound: '404-page', runRoutineFirst: ['/api/*'] } }),
	'src/index.js': code.replace('VERSION', "'1'"),
	'public/a.txt': 'the file',
	'public/about.html': 'about',
	'public/404.html': 'no page',
	'public/api/hidden.txt': 'never seen',
	'public/big.bin': big,
	'public/_headers': '/a.txt\n  X-Rule: 1\n',
}
let plane
before(async () => {
	plane = await startPlane()
	const { err } = await plane.ok(['deploy'], { cwd: project(files) })
	assert.doesNotMatch(err, /env\.ASSETS/)
})
after(() => plane?.stop())
const get = (target, options) => plane.get('both', target, options)

test('files answer first, the routine what is no file, and where it is first, it decides', async () => {
	assert.equal((await get('/a.txt')).text, 'the file')
	assert.equal((await get('/other')).text, 'routine: GET /other')
	assert.equal((await get('/a.txt', { method: 'POST' })).text, 'routine: POST /a.txt')
	assert.equal((await get('/about.html')).headers.location, '/about')
	const lost = await get('/other', { headers: { 'sec-fetch-mode': 'navigate' } })
	assert.deepEqual([lost.status, lost.text], [404, 'no page'])
	assert.equal((await get('/api/hidden.txt')).status, 404)
})

test('env.ASSETS.fetch gives files to read, to change and to hand on, with everything that a client would get', async () => {
	assert.equal((await get('/api/read')).text, 'read: the file text/plain; charset=utf-8')
	assert.deepEqual(JSON.parse((await get('/api/many')).text), [[200, null], [200, null], [404, null], [307, '/about'], [200, null]])
	const changed = await get('/api/changed')
	assert.deepEqual([changed.status, changed.text, changed.headers['x-by'], changed.headers['x-rule']], [201, 'the file', 'routine', undefined])
	assert.deepEqual(JSON.parse((await get('/api/method')).text), [405, 'GET, HEAD', 200, 0])
	const handed = await get('/api/a.txt')
	assert.deepEqual([handed.status, handed.text, handed.headers['x-rule']], [200, 'the file', '1'])
	assert.match(handed.headers.etag, /^"[0-9a-f]{32}"$/)
	assert.equal((await get('/api/a.txt', { headers: { 'if-none-match': handed.headers.etag } })).status, 304)
	assert.deepEqual((await get('/api/big.bin')).body, big)
	const part = await get('/api/big.bin', { headers: { range: 'bytes=5-9,2999990-' } })
	assert.equal(part.status, 206)
	assert.deepEqual(partsOf(part).map(p => p.body ?? p.bytes), [big.subarray(5, 10), big.subarray(2999990)])
	const none = await get('/api/nothing')
	assert.deepEqual([none.status, none.text], [404, 'no page'])
})

test('twenty long files at once come whole, and work behind the answer may ask for files', async () => {
	const all = await Promise.all(Array.from({ length: 20 }, () => get('/api/big.bin')))
	for (const one of all) assert.equal(one.body.compare(big), 0)
	assert.equal((await get('/api/late')).text, 'later')
	await plane.node.logged(/late: the file/)
})

test('every version asks for its own files, also while both have a share', async () => {
	const cwd = project({ ...files, 'src/index.js': code.replace('VERSION', "'2'"), 'public/a.txt': 'the second file' })
	await plane.ok(['deploy', '--no-ask'], { cwd })
	assert.deepEqual([(await get('/api/version')).text, (await get('/api/a.txt')).text, (await get('/a.txt')).text], ['routine 2', 'the second file', 'the second file'])
	await plane.ok(['rollback'], { cwd })
	assert.deepEqual([(await get('/api/version')).text, (await get('/api/a.txt')).text, (await get('/a.txt')).text], ['routine 1', 'the file', 'the file'])
})

test('er dev has env.ASSETS, and what is saved is what it gives', async () => {
	const cwd = project(files)
	const dev = await startDev([], { cwd })
	assert.equal((await dev.get('/api/a.txt')).text, 'the file')
	write(cwd, { 'public/a.txt': 'saved' })
	const at = Date.now()
	while ((await dev.get('/api/a.txt')).text !== 'saved') assert.ok(Date.now() - at < 20000)
	assert.equal((await dev.get('/a.txt')).text, 'saved')
	assert.equal(await dev.stop(), 0)
})
