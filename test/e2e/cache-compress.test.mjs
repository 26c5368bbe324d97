// Compression in the cache: which answers are compressed for whom, once, and kept beside what the
// origin said; and which are left as they came.
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import test from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { startNode, tempDir } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const KB = 1024
const text = (size, word = 'again and again') => Buffer.from(Array.from({ length: Math.ceil(size / 20) }, (_, i) => `${word} ${i}\n`).join('').slice(0, size))

/** What a client makes of the bytes. Debian's Node has no Zstandard yet: its tool has. */
function decoded(res) {
	switch (res.headers['content-encoding']) {
		case undefined: return res.body
		case 'gzip': return zlib.gunzipSync(res.body)
		case 'br': return zlib.brotliDecompressSync(res.body)
		case 'zstd': {
			const out = spawnSync('zstd', ['-dc'], { input: res.body, maxBuffer: 64 * KB * KB })
			assert.equal(out.status, 0, String(out.stderr))
			return out.stdout
		}
		default: throw new Error(`coded with ${res.headers['content-encoding']}`)
	}
}
/** A node with an origin whose pages `answer(req)` gives: { body, headers, status }. */
async function place(t, answer, { disk, cache, site, routines } = {}) {
	const dir = tempDir('er-cache-compress-')
	const origin = await startOrigin((req, res) => {
		const { body = text(20 * KB), status = 200, headers = {} } = answer(req) ?? {}
		if (req.headers['if-none-match'] !== undefined && req.headers['if-none-match'] === headers.etag) {
			res.writeHead(304, { 'cache-control': 'max-age=1000', ...headers })
			return res.end()
		}
		res.writeHead(status, { 'content-type': 'text/html', 'cache-control': 'max-age=1000', 'content-length': body.length, ...headers })
		res.end(body)
	})
	const nodes = []
	const start = async () => {
		const files = disk ? { disk: [{ path: path.join(dir, 'cache'), sizeMb: 64 }] } : {}
		const config = site ? { sites: [{ name: 'shop', hosts: ['site.example'], origin: origin.url, ...site }] } : { origin: origin.url }
		const node = await startNode({ routines, config: { ...config, threads: 2, cache: { memoryMb: 64, ...files, ...cache } } })
		nodes.push(node)
		node.get = (url, accepts, { headers, ...options } = {}) =>
			raw.request(node.port, url, { host: 'site.example', headers: { ...(accepts !== undefined && { 'accept-encoding': accepts }), ...headers }, ...options })
		/** The answer once it comes in that coding. */
		node.coded = (url, coding, accepts = coding) => raw.until(async () => {
			const res = await node.get(url, accepts)
			return res.headers['content-encoding'] === coding && res
		}, { what: `${url} in ${coding}` })
		node.made = coding => node.metric('er_cache_compressions_total', { coding })
		return node
	}
	t.after(async () => {
		for (const node of nodes) node.kill()
		await origin.close()
		fs.rmSync(dir, { recursive: true, force: true })
		for (const node of nodes) assert.doesNotMatch(node.log, /(Address|Thread)Sanitizer|runtime error|internal error/)
	})
	return { origin, start, node: await start() }
}

/** Nothing is being compressed any more. */
const settled = node => raw.until(async () => (await node.metric('er_cache_compressions_waiting')) === 0, { what: 'the end of all compressions' })

test('a page is compressed once in each coding, and every later client gets it so from the store', async t => {
	const page = text(300 * KB)
	const { origin, node } = await place(t, () => ({ body: page, headers: { etag: '"v1"', 'last-modified': 'Mon, 02 Nov 2026 10:00:00 GMT' } }))
	const first = await node.get('/page', 'gzip, br')
	assert.equal(first.headers['content-encoding'], undefined, 'nobody waits for a compression')
	assert.ok(first.body.equals(page))
	for (const coding of ['br', 'gzip', 'zstd']) {
		const res = await node.coded('/page', coding)
		assert.ok(decoded(res).equals(page), coding)
		assert.equal(Number(res.headers['content-length']), res.body.length, coding)
		assert.ok(res.body.length < page.length / 3, `${coding}: ${res.body.length} bytes`)
		assert.equal(res.headers.etag, 'W/"v1"', coding)
		assert.equal(res.headers.vary, 'accept-encoding', coding)
		assert.match(res.headers['cache-status'], /^EdgeRoutine; hit; ttl=\d+$/, coding)
		assert.equal(res.headers['content-type'], 'text/html', coding)
		const head = await node.get('/page', coding, { method: 'HEAD' })
		for (const name of ['content-encoding', 'content-length', 'etag', 'vary', 'content-type']) assert.equal(head.headers[name], res.headers[name], `${coding}, HEAD: ${name}`)
	}
	for (let i = 0; i < 20; i++) for (const coding of ['br', 'gzip', 'zstd']) assert.equal((await node.get('/page', coding)).headers['content-encoding'], coding)
	for (const coding of ['br', 'gzip', 'zstd']) assert.equal(await node.made(coding), 1, coding)
	assert.equal(await node.metric('er_cache_compression_in_bytes_total'), 3 * page.length)
	assert.ok((await node.metric('er_cache_compression_out_bytes_total')) < page.length)
	assert.ok((await node.metric('er_cache_bytes')) > page.length + (await node.metric('er_cache_compression_out_bytes_total')), 'forms count as memory')
	assert.equal(await node.metric('er_cache_objects'), 1)
	assert.equal(origin.requests.length, 1)
})

test('a client gets the coding that it wants most, and none that it refuses', async t => {
	const { node } = await place(t, () => ({}))
	await node.get('/page', 'br')
	for (const coding of ['br', 'gzip', 'zstd']) await node.coded('/page', coding)
	const table = [
		['gzip, deflate, br, zstd', 'br'],
		['zstd, gzip', 'zstd'],
		['gzip', 'gzip'],
		['GZIP', 'gzip'],
		['x-gzip', 'gzip'],
		['gzip;q=1.0, br;q=0.5', 'gzip'],
		['br;q=0, gzip', 'gzip'],
		['br;q=0.000, zstd;q=0, gzip;q=0.001', 'gzip'],
		['*', 'br'],
		['*;q=0.5, br;q=0', 'zstd'],
		['*;q=0, gzip', 'gzip'],
		['identity;q=0, gzip', 'gzip'],
		['identity;q=0.5, gzip;q=0.4', undefined],
		['identity', undefined],
		['deflate', undefined],
		['gzip;q=0', undefined],
		['gzip;q=2', undefined],
		['gzipped', undefined],
		['', undefined],
		[undefined, undefined],
	]
	for (const [accepts, coding] of table) {
		const res = await node.get('/page', accepts)
		assert.equal(res.headers['content-encoding'], coding, `Accept-Encoding: ${accepts}`)
		assert.equal(res.headers.vary, 'accept-encoding', `Accept-Encoding: ${accepts}`)
		assert.ok(decoded(res).equals(text(20 * KB)))
	}
	const asIs = await node.get('/page', 'br', { headers: { 'cache-control': 'no-transform' } })
	assert.equal(asIs.headers['content-encoding'], undefined, 'the client wants nothing transformed')
})

test('who refuses a body without a coding gets it so until there is a form, and never a refusal', async t => {
	const { origin, node } = await place(t, req => (req.url === '/picture' ? { headers: { 'content-type': 'image/png' } } : {}))
	for (const accepts of ['gzip, identity;q=0', 'br, *;q=0', 'identity;q=0']) {
		const res = await node.get(`/page?${accepts.length}`, accepts)
		assert.deepEqual([res.status, res.headers['content-encoding']], [200, undefined], accepts)
		assert.ok(res.body.equals(text(20 * KB)), accepts)
	}
	assert.deepEqual(origin.requests.map(r => r.headers['accept-encoding']), ['gzip, identity;q=0', 'br, identity;q=0', 'identity;q=0'], 'the origin may have a form')
	assert.equal((await node.coded('/page?18', 'gzip', 'gzip, identity;q=0')).headers['content-encoding'], 'gzip')
	// What is not compressed at all, and what nobody can give: as it is.
	for (const [target, accepts] of [['/picture', 'gzip, identity;q=0'], ['/picture', 'gzip, identity;q=0'], ['/page?12', 'identity;q=0']]) {
		const res = await node.get(target, accepts)
		assert.deepEqual([res.status, res.headers['content-encoding']], [200, undefined], target)
	}
})

test('what is compressed already, or may not be compressed, or is not worth it, is left as it came', async t => {
	const page = text(20 * KB)
	const zipped = zlib.gzipSync(page)
	const noise = Buffer.concat(Array.from({ length: 640 }, (_, i) => crypto.createHash('sha256').update(`${i}`).digest()))
	const pages = {
		'/zipped': { body: zipped, headers: { 'content-encoding': 'gzip' } },
		'/image': { headers: { 'content-type': 'image/png' } },
		'/font': { headers: { 'content-type': 'font/woff2' } },
		'/events': { headers: { 'content-type': 'text/event-stream' } },
		'/untyped': { headers: { 'content-type': '' } },
		'/small': { body: text(1000) },
		'/no-transform': { headers: { 'cache-control': 'max-age=1000, no-transform' } },
		'/digest': { headers: { 'repr-digest': 'sha-256=:AAAA:' } },
		'/long': { body: Buffer.concat([text(9 * KB * KB)]) },
	}
	const { node } = await place(t, req => (req.url === '/noise' ? { body: noise } : pages[req.url]))
	for (const [url, { body = page }] of Object.entries(pages))
		for (let i = 0; i < 3; i++) {
			const res = await node.get(url, 'br, gzip')
			assert.ok(res.body.equals(body), url)
			assert.equal(res.headers['content-encoding'], pages[url].headers?.['content-encoding'], url)
			assert.equal(res.headers.vary, undefined, url)
		}
	await node.get('/noise', 'gzip')
	await raw.until(async () => (await node.metric('er_cache_compressions_worthless_total')) === 1, { what: 'a form that is not kept' })
	for (let i = 0; i < 3; i++) assert.equal((await node.get('/noise', 'gzip')).headers['content-encoding'], undefined)
	await settled(node)
	assert.equal(await node.metric('er_cache_compressions_worthless_total'), 1, 'tried once')
	for (const coding of ['br', 'gzip', 'zstd']) assert.equal(await node.made(coding), 0)
})

test('every type that compresses is compressed, an error page too', async t => {
	const types = ['text/css; charset=utf-8', 'application/json', 'APPLICATION/JAVASCRIPT', 'image/svg+xml', 'application/ld+json', 'application/wasm', 'font/ttf']
	const { node } = await place(t, req => (req.url === '/gone' ? { status: 404 } : { headers: { 'content-type': types[Number(req.url.slice(1))] } }))
	for (const url of [...types.keys()].map(i => `/${i}`).concat('/gone')) {
		await node.get(url, 'gzip')
		const res = await node.coded(url, 'gzip')
		assert.equal(res.status, url === '/gone' ? 404 : 200)
		assert.ok(decoded(res).equals(text(20 * KB)), url)
	}
})

test('a client that has a compressed page hears 304 by its tag; ranges and If-Range never mix two representations', async t => {
	const page = text(20 * KB)
	const { node, origin } = await place(t, req => ({ body: page, headers: { ...(req.url === '/dated' ? { 'last-modified': 'Mon, 02 Nov 2026 10:00:00 GMT' } : { etag: '"v1"' }), 'accept-ranges': 'bytes', vary: req.url === '/varied' ? 'Accept-Encoding, Origin' : 'Origin' } }))
	await node.get('/page', 'br')
	const coded = await node.coded('/page', 'br')
	assert.equal(coded.headers.etag, 'W/"v1"')
	assert.equal(coded.headers['accept-ranges'], undefined, 'ranges are of the other representation')
	assert.deepEqual(coded.headers.vary.split(/, */), ['Origin', 'accept-encoding'])
	for (const tag of ['W/"v1"', '"v1"', '"other", W/"v1"', '*']) {
		const same = await node.get('/page', 'br', { headers: { 'if-none-match': tag } })
		assert.equal(same.status, 304, tag)
		assert.equal(same.headers.etag, 'W/"v1"', tag)
		assert.match(same.headers.vary, /accept-encoding/, tag)
		assert.equal(same.headers['content-encoding'], undefined, tag)
		assert.equal(same.body.length, 0)
	}
	const plain = await node.get('/page', undefined, { headers: { 'if-none-match': 'W/"v1"' } })
	assert.equal(plain.status, 304)
	assert.equal(plain.headers.etag, '"v1"')
	assert.equal((await node.get('/page', 'br', { headers: { 'if-none-match': '"v2"' } })).status, 200)

	const part = await node.get('/page', 'br', { headers: { range: 'bytes=5-14' } })
	assert.equal(part.status, 206)
	assert.equal(part.headers['content-encoding'], undefined)
	assert.equal(part.headers.etag, '"v1"', 'a part is of what the origin said')
	assert.equal(part.headers['content-range'], `bytes 5-14/${page.length}`)
	assert.ok(part.body.equals(page.subarray(5, 15)))
	const resumed = await node.get('/page', 'br', { headers: { range: 'bytes=5-14', 'if-range': 'W/"v1"' } })
	assert.equal(resumed.status, 200, 'a weak tag makes no promise of bytes')
	assert.equal(resumed.headers['content-encoding'], 'br')
	assert.ok(decoded(resumed).equals(page))
	const own = await node.get('/page', 'br', { headers: { range: 'bytes=5-14', 'if-range': '"v1"' } })
	assert.equal(own.status, 206)
	assert.ok(own.body.equals(page.subarray(5, 15)))

	// Without a tag a date is all that a client has, and it is the date of both representations.
	await node.get('/dated', 'br')
	const dated = await node.coded('/dated', 'br')
	const since = { range: 'bytes=5-14', 'if-range': dated.headers['last-modified'] }
	assert.equal(dated.headers.etag, undefined)
	assert.ok(decoded(await node.get('/dated', 'br', { headers: since })).equals(page), 'who may have the compressed one gets all of it')
	assert.ok((await node.get('/dated', undefined, { headers: since })).body.equals(page.subarray(5, 15)), 'who cannot have it gets its part')

	await node.get('/varied', 'gzip')
	const varied = await node.coded('/varied', 'gzip')
	assert.equal(varied.headers.vary, 'Accept-Encoding, Origin', 'said once')
	assert.ok(origin.requests.every(r => r.headers['if-none-match'] === undefined))
})

test('a hundred clients at once compress a page once', async t => {
	const page = text(3 * KB * KB)
	const { node } = await place(t, () => ({ body: page }))
	await node.get('/page')
	const all = await Promise.all(Array.from({ length: 100 }, () => node.get('/page', 'gzip', { timeout: 60000 })))
	for (const res of all) assert.ok(decoded(res).equals(page))
	assert.ok(decoded(await node.coded('/page', 'gzip')).equals(page))
	await settled(node)
	assert.equal(await node.made('gzip'), 1)
})

test('a purge, a change and a validation are of all representations', async t => {
	let version = 1
	const { origin, node } = await place(t, () => ({ body: text(20 * KB, `version ${version}`), headers: { etag: `"v${version}"`, 'cache-control': 'max-age=1', 'cache-tag': 'pages' } }))
	const check = async (url, coding) => {
		const res = await node.coded(url, coding)
		assert.ok(decoded(res).equals(text(20 * KB, `version ${version}`)), `version ${version} in ${coding}`)
		assert.equal(res.headers.etag, `W/"v${version}"`)
	}
	await node.get('/page', 'br')
	await check('/page', 'br')
	const validations = () => origin.requests.filter(r => r.headers['if-none-match'] !== undefined)
	await raw.until(async () => validations().length > 0 || !(await node.get('/page', 'br')), { what: 'a validation' })
	assert.equal(validations()[0].headers['if-none-match'], '"v1"', 'the origin is asked by its own tag')
	const renewed = await node.get('/page', 'br')
	assert.equal(renewed.headers['content-encoding'], 'br', 'what is good still is compressed still')
	assert.equal(await node.made('br'), 1)
	version = 2
	await raw.until(async () => decoded(await node.get('/page', 'br')).toString().startsWith('version 2'), { what: 'the new version' })
	await check('/page', 'br')
	assert.equal(await node.made('br'), 2)
	version = 3
	await node.get('/page', 'br', { method: 'POST' })
	for (const coding of ['br', 'gzip']) assert.match(decoded(await node.get('/page', coding)).toString(), /^version 3/, `after a POST, in ${coding}`)
})

test('compressed pages are on the disk, too, and a restart compresses nothing again', async t => {
	const pages = { '/short': text(20 * KB), '/long': text(500 * KB) }
	const { origin, start, node } = await place(t, req => ({ body: pages[req.url], headers: { etag: '"v1"', vary: req.url === '/long' ? 'Origin' : 'X' } }), { disk: true })
	for (const url of Object.keys(pages)) {
		await node.get(url, 'br')
		for (const coding of ['br', 'gzip', 'zstd']) await node.coded(url, coding)
	}
	await settled(node)
	await raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
	node.signal('SIGTERM')
	await node.exited
	const asked = origin.requests.length
	const again = await start()
	await raw.until(async () => (await again.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })
	for (const url of Object.keys(pages))
		for (const coding of ['br', 'gzip', 'zstd']) {
			const res = await again.get(url, coding)
			assert.equal(res.headers['content-encoding'], coding, `${url} in ${coding}, at once: ${res.headers['cache-status']}`)
			assert.ok(decoded(res).equals(pages[url]), `${url} in ${coding}`)
			assert.equal(res.headers.etag, 'W/"v1"')
		}
	for (const coding of ['br', 'gzip', 'zstd']) assert.equal(await again.made(coding), 0)
	assert.equal(origin.requests.length, asked, 'the origin is not asked')
})

test('a long page that came back from the disk is compressed from there', async t => {
	const page = text(700 * KB)
	const { origin, start, node } = await place(t, () => ({ body: page }), { disk: true })
	await node.get('/page')
	let now = node
	for (let times = 0; times < 2; times++) {
		await settled(now)
		await raw.until(async () => (await now.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
		now.signal('SIGTERM')
		await now.exited
		now = await start()
		await raw.until(async () => (await now.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })
		const res = times === 0 ? await now.coded('/page', 'br') : await now.get('/page', 'br')
		assert.equal(res.headers['content-encoding'], 'br')
		assert.ok(decoded(res).equals(page))
		assert.equal(await now.made('br'), times === 0 ? 1 : 0)
	}
	assert.equal(origin.requests.length, 1)
})

test('an origin that compresses is asked once for each set of codings, however clients spell it', async t => {
	const page = text(20 * KB)
	const { origin, node } = await place(t, req => {
		const zip = /gzip/.test(req.headers['accept-encoding'] ?? '')
		return { body: zip ? zlib.gzipSync(page) : page, headers: { vary: 'Accept-Encoding', ...(zip && { 'content-encoding': 'gzip' }) } }
	})
	const spellings = ['gzip', 'GZIP', 'gzip;q=0.8', 'gzip, deflate', 'deflate , gzip;q=1.0', 'gzip, exi, compress', ' gzip,']
	for (const accepts of spellings) {
		const res = await node.get('/page', accepts)
		assert.equal(res.headers['content-encoding'], 'gzip', accepts)
		assert.ok(decoded(res).equals(page))
		assert.equal(res.headers.vary, 'Accept-Encoding')
	}
	assert.deepEqual(origin.requests.map(r => r.headers['accept-encoding']), ['gzip'])
	for (const accepts of ['deflate', 'identity', 'compress, deflate;q=0.5']) assert.ok((await node.get('/page', accepts)).body.equals(page))
	assert.deepEqual(origin.requests.map(r => r.headers['accept-encoding']), ['gzip', 'identity'])
	const res = await node.coded('/page', 'br')
	assert.ok(decoded(res).equals(page), 'for a client that does not accept what the origin compresses')
	assert.equal(res.headers.vary, 'Accept-Encoding')
})

test('a site says whether it compresses, and in which codings', async t => {
	for (const [compress, expected] of [[false, undefined], [['zstd', 'gzip'], 'zstd'], [true, 'br']]) {
		const { node } = await place(t, () => ({}), { site: { cache: { compress } } })
		await node.get('/page', 'br, zstd, gzip')
		if (expected !== undefined) await node.coded('/page', expected, 'br, zstd, gzip')
		await settled(node)
		const res = await node.get('/page', 'br, zstd, gzip')
		assert.equal(res.headers['content-encoding'], expected)
		assert.equal(res.headers.vary, expected && 'accept-encoding')
		assert.ok(decoded(res).equals(text(20 * KB)))
	}
})

test('a routine that gives the promise of a fetch for an answer takes no coding away from its client', async t => {
	const source = 'addEventListener("fetch", e => e.respondWith(fetch(e.request)))'
	const { node } = await place(t, () => ({}), { routines: { front: { source, routes: ['site.example/*'] } } })
	await node.get('/page', 'br')
	assert.ok(decoded(await node.coded('/page', 'br')).equals(text(20 * KB)))
	assert.ok((await node.get('/page', 'identity')).body.equals(text(20 * KB)))
})

test('a routine reads a page as text whatever its client accepts, and passes it on compressed if it says so', async t => {
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		const path = new URL(e.request.url).pathname
		if (path === "/read") return new Response((await (await fetch(e.request)).text()).toUpperCase())
		return fetch(e.request, path === "/manual" ? { decompress: "manual" } : {})
	})()))`
	const { node } = await place(t, () => ({}), { routines: { front: { source, routes: ['site.example/*'] } } })
	for (const url of ['/read', '/manual', '/plain']) await node.get(url, 'br')
	assert.ok(decoded(await node.coded('/manual', 'br')).equals(text(20 * KB)))
	for (let i = 0; i < 3; i++) {
		assert.equal((await node.get('/read', 'br')).text, text(20 * KB).toString().toUpperCase())
		assert.ok((await node.get('/plain', 'br')).body.equals(text(20 * KB)))
	}
})
