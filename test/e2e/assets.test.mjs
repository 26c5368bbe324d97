// Static files as clients get them: a folder is deployed, and every way to ask for its files is
// answered as a good web server answers it, with no sandbox for it.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { project } from './lib/desk.mjs'
import { partsOf } from './lib/ranges.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane } from './lib/tool.mjs'

const css = 'body { color: red }\n'.repeat(300)
const big = Buffer.alloc(3_000_000, 0)
for (let i = 0; i < big.length; i++) big[i] = (i * 31 + (i >> 8)) & 255

const headers = `
# everything
/*
  X-Site: one
/*.css
  Cache-Control: public, max-age=31536000, immutable
  X-Site: two
/plain/*
  ! Cache-Control
  X-Splat: <:splat>
`
const redirects = `
/old /about 301
/blog/:year/* https://blog.example/:year?p=:splat 308
/app/* /app.html 200
/out/* /:splat
/twice/* /:splat/:splat/:splat
`
const files = {
	'er.jsonc': JSON.stringify({ name: 'site', assets: { directory: 'public', notFound: '404-page' } }),
	'public/index.html': '<h1>home</h1>',
	'public/about.html': '<h1>about</h1>',
	'public/app.html': '<h1>app</h1>',
	'public/app/there.txt': 'there',
	'public/blog/index.html': '<h1>blog</h1>',
	'public/404.html': '<h1>nothing</h1>',
	'public/blog/404.html': '<h1>nothing in the blog</h1>',
	'public/a.css': css,
	'public/big.bin': big,
	'public/empty.txt': '',
	'public/plain/a b;ä.txt': 'spaces',
	'public/plain/50%.txt': 'per cent',
	'public/_headers': headers,
	'public/_redirects': redirects,
	'public/.secret/key': 'hidden',
	'public/.well-known/security.txt': 'Contact: x',
	'public/node_modules/x.js': 'x',
}

let plane
before(async () => {
	plane = await startPlane()
	await plane.ok(['deploy'], { cwd: project(files) })
})
after(() => plane?.stop())
const get = (target, options) => plane.get('site', target, options)

test('files have their type, a strong tag, and their bytes, and no sandbox runs for them', async () => {
	const page = await get('/')
	assert.equal(page.status, 200)
	assert.equal(page.text, files['public/index.html'])
	assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
	assert.match(page.headers.etag, /^"[0-9a-f]{32}"$/)
	assert.equal(page.headers['cache-control'], 'public, max-age=0, must-revalidate')
	assert.equal(page.headers['accept-ranges'], 'bytes')
	assert.equal((await get('/a.css')).text, css)
	assert.equal((await get('/empty.txt')).text, '')
	assert.deepEqual((await get('/big.bin')).body, big)
	assert.equal((await get('/plain/a%20b;%C3%A4.txt')).text, 'spaces')
	assert.equal((await get('/plain/50%25.txt')).text, 'per cent')
	assert.equal((await get('/.well-known/security.txt')).text, 'Contact: x')
	const used = proc.sandboxes(plane.node.pid).filter(pid => proc.cmdline(pid).join(' ').includes('site'))
	assert.deepEqual(used, [])
	assert.equal(await plane.node.metric('er_instances', {}), 0)
	const misses = await plane.node.metric('er_files_memory_requests_total', { result: 'miss' })
	const hits = await plane.node.metric('er_files_memory_requests_total', { result: 'hit' })
	for (let i = 0; i < 5; i++) await get('/a.css')
	assert.equal(await plane.node.metric('er_files_memory_requests_total', { result: 'miss' }), misses)
	assert.equal(await plane.node.metric('er_files_memory_requests_total', { result: 'hit' }), hits + 5)
})

test('pages have one address, and the others lead there with their query', async () => {
	for (const [from, to] of [
		['/index.html', '/'],
		['/about.html', '/about'],
		['/about/?a=1&b', '/about?a=1&b'],
		['/blog', '/blog/'],
		['/blog/index.html', '/blog/'],
	]) {
		const res = await get(from)
		assert.deepEqual([res.status, res.headers.location], [307, to], from)
	}
	assert.equal((await get('/about')).text, '<h1>about</h1>')
	assert.equal((await get('/blog/')).text, '<h1>blog</h1>')
})

test('what is not there is answered by the nearest 404 page, hidden files and rules among it', async () => {
	for (const target of ['/nothing', '/_headers', '/_redirects', '/.secret/key', '/node_modules/x.js', '/er.jsonc', '/a.css/', '/A.CSS']) {
		const res = await get(target)
		assert.deepEqual([res.status, res.text], [404, '<h1>nothing</h1>'], target)
		assert.equal(res.headers.etag, undefined)
	}
	assert.equal((await get('/blog/x')).text, '<h1>nothing in the blog</h1>')
})

test('no spelling of a path leaves the folder', async () => {
	const up = '../../../../etc/passwd'
	for (const target of [`/${up}`, `/%2e%2e/${up}`, '/..%2f..%2fetc%2fpasswd', '/%2e%2e%2fetc', '/..;/etc', '/..%5c..%5cetc', '/\\..\\etc', '/%252e%252e/etc', '/a.css%00.html', '/a%2ecss%2f..%2f_headers', `/${'a/'.repeat(4000)}`, `/${'%41'.repeat(2000)}`, '//etc/passwd', '/./_headers', '/%5Fheaders', '/_headers?', '/_Headers', '/plain/..%2f_headers', '/%c0%ae%c0%ae/etc']) {
		const res = await get(target)
		assert.ok([400, 404, 307].includes(res.status), `${target}: ${res.status}`)
		assert.doesNotMatch(res.text, /root:|X-Site|Contact/)
	}
})

test('only reading is for files', async () => {
	for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
		const res = await get('/a.css', { method })
		assert.deepEqual([res.status, res.headers.allow], [405, 'GET, HEAD'], method)
	}
	const head = await get('/a.css', { method: 'HEAD' })
	assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, String(css.length), ''])
})

test('a client that has the file gets no bytes, and one that expects another is told', async () => {
	const { etag } = (await get('/a.css')).headers
	for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
		const res = await get('/a.css', { headers: { 'if-none-match': value } })
		assert.deepEqual([res.status, res.text, res.headers.etag], [304, '', etag], value)
		assert.equal(res.headers['content-type'], undefined)
		assert.match(res.headers['cache-control'], /immutable/)
	}
	assert.equal((await get('/a.css', { headers: { 'if-none-match': '"x"' } })).status, 200)
	assert.equal((await get('/a.css', { headers: { 'if-match': '"x"' } })).status, 412)
	assert.equal((await get('/a.css', { headers: { 'if-match': etag } })).status, 200)
	assert.equal((await get('/a.css', { headers: { 'if-modified-since': 'Thu, 01 Jan 2099 00:00:00 GMT' } })).status, 200)
	assert.equal((await get('/nothing', { headers: { 'if-none-match': '*' } })).status, 404)
})

for (const [name, whole] of [
	['/a.css', Buffer.from(css)],
	['/big.bin', big],
])
	test(`ranges of ${name}: one, several, none that is there, and only while it is the same file`, async () => {
		const range = (value, more) => get(name, { headers: { range: value, ...more } })
		const one = await range('bytes=10-19')
		assert.equal(one.status, 206)
		assert.equal(one.headers['content-range'], `bytes 10-19/${whole.length}`)
		assert.deepEqual(one.body, whole.subarray(10, 20))
		assert.deepEqual((await range('bytes=-5')).body, whole.subarray(-5))
		const several = await range(`bytes=0-1,100-200,${whole.length - 3}-`)
		assert.match(several.headers['content-type'], /^multipart\/byteranges; boundary=/)
		const parts = partsOf(several)
		assert.deepEqual(parts.map(p => p.body ?? p.bytes), [whole.subarray(0, 2), whole.subarray(100, 201), whole.subarray(-3)])
		const beyond = await range('bytes=99999999-')
		assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${whole.length}`])
		const { etag } = (await get(name)).headers
		assert.equal((await range('bytes=0-1', { 'if-range': etag })).status, 206)
		assert.equal((await range('bytes=0-1', { 'if-range': '"other"' })).status, 200)
		const abuse = await range(`bytes=${Array.from({ length: 200 }, (_, i) => `${2 * i}-${2 * i}`).join(',')}`)
		assert.equal(abuse.status, 200)
		assert.deepEqual(abuse.body, whole)
	})

test('text is compressed once, and then sent in the coding that a client likes best', async () => {
	const undo = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync }
	const plain = (await get('/a.css')).headers
	for (const coding of ['br', 'gzip', ...(zlib.zstdDecompressSync ? ['zstd'] : [])]) {
		const res = await raw.until(async () => {
			const r = await get('/a.css', { headers: { 'accept-encoding': coding } })
			assert.equal(r.headers.vary, 'accept-encoding')
			return r.headers['content-encoding'] === coding && r
		}, { what: `the answer in ${coding}` })
		assert.equal(undo[coding](res.body).toString(), css)
		assert.equal(res.headers.etag, `W/${plain.etag}`)
		assert.equal((await get('/a.css', { headers: { 'accept-encoding': coding, 'if-none-match': res.headers.etag } })).status, 304)
	}
	assert.equal((await get('/a.css', { headers: { 'accept-encoding': 'br', range: 'bytes=0-1' } })).status, 206)
	assert.equal((await get('/a.css')).headers['content-encoding'], undefined)
	assert.equal((await get('/big.bin', { headers: { 'accept-encoding': 'br' } })).headers.vary, undefined)
	const made = await plane.ok(['cache', '--json'])
	assert.ok(made.json.compression.br >= 1)
})

test('_headers: all rules of a path, in their order, for files, pages and 304s', async () => {
	const sheet = await get('/a.css')
	assert.equal(sheet.headers['x-site'], 'one, two')
	assert.equal(sheet.headers['cache-control'], 'public, max-age=31536000, immutable')
	assert.equal((await get('/about')).headers['x-site'], 'one')
	assert.equal((await get('/nothing')).headers['x-site'], 'one')
	const spaces = await get('/plain/a%20b;%C3%A4.txt')
	assert.equal(spaces.headers['cache-control'], undefined)
	assert.equal(spaces.headers['x-splat'], '<a%20b;%C3%A4.txt>')
})

test('_redirects: permanent ones, placeholders, other files, and never another host by a path', async () => {
	const leads = async target => {
		const res = await get(target)
		return [res.status, res.headers.location]
	}
	assert.deepEqual(await leads('/old?x=1'), [301, '/about?x=1'])
	assert.deepEqual(await leads('/blog/2020/a/b'), [308, 'https://blog.example/2020?p=a/b'])
	assert.deepEqual(await leads('/out//evil.example/'), [302, '/evil.example/'])
	assert.deepEqual(await leads('/out/%5cevil.example'), [404, undefined])
	const injected = await leads('/out/a%0d%0aX-Evil:%201')
	assert.ok(injected[1] === undefined || !/[\r\n]/.test(injected[1]))
	// What would lead too far away is not there, and is answered as that.
	assert.deepEqual(await leads('/twice/a'), [302, '/a/a/a'])
	const far = await get(`/twice/${'a'.repeat(4000)}`)
	assert.deepEqual([far.status, far.headers.location, far.text], [404, undefined, '<h1>nothing</h1>'])
	const app = await get('/app/some/where')
	assert.deepEqual([app.status, app.text], [200, '<h1>app</h1>'])
	assert.equal((await get('/app/there.txt')).text, 'there')
})

test('a folder with a mistake is refused, with the file and the line, and nothing changes', async () => {
	const broken = async (more, settings = {}) => {
		const cwd = project({ 'er.jsonc': JSON.stringify({ name: 'site', assets: { directory: 'public', ...settings } }), 'public/index.html': 'x', ...more })
		const { code, err } = await plane.er(['deploy'], { cwd })
		assert.equal(code, 1, err)
		return err
	}
	assert.match(await broken({ 'public/_headers': '/a\n  X-A: 1\n  Content-Length: 3\n' }), /_headers, line 3: the node says this field itself/)
	assert.match(await broken({ 'public/_redirects': '# x\n/a /b 999\n' }), /_redirects, line 2: .*308 is expected/)
	assert.match(await broken({ 'public/back\\slash': 'x' }), /back\\slash cannot be served: a backslash/)
	assert.match(await broken({ 'public/film.bin': Buffer.alloc(25 * 1024 * 1024 + 1) }), /film\.bin has more than 26214400 bytes/)
	assert.match(await broken({}, { directory: 'nowhere' }), /the folder of static files .*nowhere: No such file/)
	assert.match(await broken({}, { notFound: '404' }), /er\.jsonc:1:\d+: error: .*"none", "404-page" or "single-page"/)
	assert.match(await broken({}, { runRoutineFirst: ['api/*'] }), /"\/path" or "!\/path"/)
	assert.match(await broken({}, { runFirst: true }), /runRoutineFirst/)
	const dir = project({ 'er.jsonc': '{ "name": "site", "assets": "public" }', 'public/index.html': 'x' })
	fs.symlinkSync('/etc/passwd', path.join(dir, 'public/passwd'))
	assert.match((await plane.er(['deploy'], { cwd: dir })).err, /passwd leads out of the folder, to \/etc\/passwd/)
	fs.rmSync(path.join(dir, 'public/passwd'))
	fs.symlinkSync('index.html', path.join(dir, 'public/same.html'))
	fs.writeFileSync(path.join(dir, 'public/.erignore'), '*.map\n/drafts/\n!keep.map\n')
	fs.mkdirSync(path.join(dir, 'public/drafts'))
	for (const name of ['drafts/x.txt', 'a.map', 'keep.map']) fs.writeFileSync(path.join(dir, 'public', name), name)
	const { json } = await plane.ok(['deploy', '--dry-run', '--json'], { cwd: dir })
	assert.equal(json.assets.files, 3)
	assert.equal((await get('/')).text, files['public/index.html'])
})
