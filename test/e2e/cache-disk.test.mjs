// The cache's files: what survives a restart and a kill, what large answers and ranges are served
// from, and what a damaged, missing or full disk costs.
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import assert from 'node:assert/strict'
import { er, startNode, tempDir, sanitized } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { startOrigin } from './lib/origin.mjs'
import { killWhileFilling } from './lib/cache-kill.mjs'
import { end, upgrade } from './lib/lineage.mjs'
import { spawnSync } from 'node:child_process'
import * as raw from './lib/raw.mjs'

const MB = 1024 * 1024
const bodyOf = (url, size) => Buffer.alloc(size, `${url} again and again; `)
const hit = res => /; hit/.test(res.headers['cache-status'])

/** An origin whose page /NAME/BYTES has so many bytes, and a folder for cache files. `start` makes
 * a node of them: one after the other they have the same origin and the same files. */
async function place(t) {
	const dir = tempDir('er-cache-disk-')
	const origin = await startOrigin((req, res) => {
		const size = Number(/\/(\d+)$/.exec(req.url)?.[1] ?? 100)
		res.writeHead(200, { 'cache-control': 'max-age=1000', etag: `"${req.url}"`, 'content-length': size })
		res.end(bodyOf(req.url, size))
	})
	const nodes = []
	const start = async ({ disk = [{ path: path.join(dir, 'cache'), sizeMb: 64 }], memoryMb = 4, config = {}, ...options } = {}) => {
		const node = await startNode({ config: { origin: origin.url, threads: 2, cache: { memoryMb, ...(disk && { disk }) }, ...config }, ...options })
		nodes.push(node)
		node.page = (url, options = {}) => raw.request(node.port, url, { host: 'site.example', ...options })
		return node
	}
	t.after(async () => {
		for (const node of nodes) node.kill()
		await origin.close()
		fs.rmSync(dir, { recursive: true, force: true })
		for (const node of nodes) assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return { dir, file: path.join(dir, 'cache'), origin, start }
}

/** All that was stored is in the file. */
const written = node => raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })

/** The file is open, and what is in it is known. */
const known = node => raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0 && (await node.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })

function check(res, url, size, [from, to] = [0, size - 1]) {
	assert.ok(res.body.equals(bodyOf(url, size).subarray(from, to + 1)), `the bytes of ${url}`)
}

test('answers survive a restart, and a kill', async t => {
	const { origin, start } = await place(t)
	const urls = Array.from({ length: 40 }, (_, i) => [`/${i}/${i * 5000 + 10}`, i * 5000 + 10])
	let node = await start()
	for (const [url, size] of urls) check(await node.page(url), url, size)
	await written(node)
	for (const how of ['SIGTERM', 'SIGKILL']) {
		node.signal(how)
		await node.exited
		const asked = origin.requests.length
		node = await start()
		await known(node)
		for (const [url, size] of urls) {
			const res = await node.page(url)
			assert.ok(hit(res), `${url} after ${how}`)
			check(res, url, size)
		}
		assert.equal(origin.requests.length, asked, 'the origin is not asked')
		assert.ok((await node.metric('er_cache_disk_requests_total', { result: 'hit' })) >= urls.length)
		assert.equal(await node.metric('er_cache_requests_total', { result: 'hit' }), urls.length)
	}
})

test('an answer larger than the memory is stored, and any part of it is served', async t => {
	const { origin, start } = await place(t)
	const size = 5 * MB + 12345
	const url = `/large/${size}`
	let node = await start({ memoryMb: 4 })
	check(await node.page(url), url, size)
	await written(node)
	for (let round = 0; round < 2; round++) {
		const asked = origin.requests.length
		const whole = await node.page(url)
		assert.ok(hit(whole))
		check(whole, url, size)
		for (const [from, to] of [[0, 0], [131071, 131072], [1000000, 2500000], [size - 10, size - 1]]) {
			const res = await node.page(url, { headers: { range: `bytes=${from}-${to}` } })
			assert.equal(res.status, 206)
			assert.equal(res.headers['content-range'], `bytes ${from}-${to}/${size}`)
			check(res, url, size, [from, to])
		}
		const head = await node.page(url, { method: 'HEAD' })
		assert.equal(head.headers['content-length'], String(size))
		assert.equal((await node.page(url, { headers: { 'if-none-match': `"${url}"` } })).status, 304)
		assert.equal(origin.requests.length, asked)
		await node.stop()
		node = await start({ memoryMb: 4 })
		await known(node)
	}
})

test('a client that reads slowly gets every byte, and does not fill the memory', async t => {
	const { start } = await place(t)
	const size = 5 * MB
	const url = `/large/${size}`
	const node = await start()
	await node.page(url)
	await written(node)
	const before = node.holdings().anonymous
	const clients = await Promise.all(Array.from({ length: 20 }, async () => {
		const c = await node.connect()
		c.socket.pause()
		c.send(`GET ${url} HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n`)
		return c
	}))
	await raw.sleep(500)
	// Each may hold some parts, and sockets hold some more.
	if (!sanitized) assert.ok(node.holdings().anonymous - before < 40 * MB, `${(node.holdings().anonymous - before) / MB} MB`)
	for (const c of clients) {
		c.socket.resume()
		const all = await c.rest()
		assert.ok(all.subarray(-size).equals(bodyOf(url, size)))
	}
})

test('what a request made void does not come back', async t => {
	const { start } = await place(t)
	let node = await start()
	await node.page('/a/100')
	await node.page('/b/100')
	assert.equal((await node.page('/a/100', { method: 'POST', body: 'x' })).status, 200)
	await written(node)
	node.signal('SIGKILL')
	await node.exited
	node = await start()
	await known(node)
	assert.ok(!hit(await node.page('/a/100')))
	assert.ok(hit(await node.page('/b/100')))
})

test('a damaged file costs questions to the origin, and never a wrong byte', async t => {
	const { file, start } = await place(t)
	const urls = Array.from({ length: 60 }, (_, i) => [`/${i}/${i * 9000 + 10}`, i * 9000 + 10])
	let node = await start()
	for (const [url] of urls) await node.page(url)
	await node.stop()
	const fd = fs.openSync(file, 'r+')
	for (let at = 9000; at < 20 * MB; at += 70001) fs.writeSync(fd, Buffer.from('damage'), 0, 6, at)
	fs.closeSync(fd)
	node = await start()
	let hits = 0
	for (let round = 0; round < 2; round++) {
		for (const [url, size] of urls) {
			// An answer that has begun may be cut; then it is asked for again.
			let res
			for (let tries = 0; res === undefined && tries < 3; tries++) res = await node.page(url).catch(() => undefined)
			check(res, url, size)
			hits += hit(res)
		}
	}
	assert.ok(hits > urls.length && hits < 2 * urls.length, `${hits} hits`)
	assert.ok((await node.metric('er_cache_disk_damaged_total')) > 0)
	await node.stop()
	// Of another version, of another size, and empty.
	for (const spoil of [() => fs.writeSync(fs.openSync(file, 'r+'), Buffer.from([9]), 0, 1, 8), () => fs.truncateSync(file, 3 * MB), () => fs.truncateSync(file, 0)]) {
		spoil()
		node = await start()
		for (const [url, size] of urls.slice(0, 9)) check(await node.page(url).catch(() => node.page(url)), url, size)
		await node.stop()
	}
})

test('a file that cannot be had does not keep the node from serving', async t => {
	const { dir, start } = await place(t)
	const letter = path.join(dir, 'letter')
	fs.writeFileSync(letter, 'a letter to somebody')
	const node = await start({
		disk: [
			{ path: path.join(dir, 'no/such/folder/cache'), sizeMb: 64 },
			{ path: letter, sizeMb: 64 },
			{ path: path.join(dir, 'huge'), sizeMb: 8 * 1024 * 1024 },
		],
	})
	await raw.until(async () => (await node.metric('er_cache_disk_files_failed')) === 3, { what: 'three files out of service' })
	check(await node.page('/a/1000'), '/a/1000', 1000)
	assert.ok(hit(await node.page('/a/1000')))
	assert.match(node.log, /no\/such\/folder\/cache is out of service: it cannot be opened: No such file or directory/)
	assert.match(node.log, /letter is out of service: it is no cache file, and is left as it is/)
	assert.match(node.log, /huge is out of service: there is no room for it: /)
	assert.equal(fs.readFileSync(letter, 'utf8'), 'a letter to somebody')
	await node.stop()
})

test('er cache status tells what the files have, and which one is out of service', async t => {
	const { dir, origin } = await place(t)
	const good = path.join(dir, 'good'), bad = path.join(dir, 'no/such/folder/cache')
	const node = await startStore({ config: { origin: origin.url, cache: { memoryMb: 4, disk: [{ path: good, sizeMb: 64 }, { path: bad, sizeMb: 64 }] } } })
	t.after(() => node.kill())
	await raw.until(async () => (await node.metric('er_cache_disk_files_failed')) === 1, { what: 'a file out of service' })
	for (let i = 0; i < 20; i++) await raw.request(node.port, `/${i}/100`, { host: 'site.example' })
	await written(node)
	const { disk } = await node.ok('GET', '/v1/cache')
	assert.ok(disk.records > 0)
	assert.deepEqual(disk.files.map(f => [f.path, f.state]), [[good, 'serving'], [bad, 'failed']])
	assert.equal(disk.files[0].records, disk.records)
	const said = spawnSync(er, ['cache', 'status'], { env: { ER_NODE: node.ready.socket, HOME: dir }, encoding: 'utf8' }).stdout
	assert.match(said, new RegExp(`^disk      ${disk.records} records, .* in 2 files; \\d+ requests answered from it$`, 'm'))
	assert.match(said, new RegExp(`^          ${bad}: failed, 0 records, `, 'm'))
	await node.stop()
})

test('several files share the answers; one that is lost costs its own', async t => {
	const { dir, start } = await place(t)
	const disk = ['one', 'two', 'three'].map(name => ({ path: path.join(dir, name), sizeMb: 64 }))
	const urls = Array.from({ length: 90 }, (_, i) => [`/${i}/2000`, 2000])
	let node = await start({ disk })
	for (const [url] of urls) await node.page(url)
	await node.stop()
	fs.rmSync(disk[1].path)
	node = await start({ disk })
	await known(node)
	await raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 170 * MB, { what: 'three files' })
	await raw.sleep(100)
	let hits = 0
	for (const [url, size] of urls) {
		const res = await node.page(url)
		check(res, url, size)
		hits += hit(res)
	}
	assert.ok(hits >= 40 && hits <= 80, `${hits} of ${urls.length}`)
	for (const [url] of urls) assert.ok(hit(await node.page(url)))
	await node.stop()
})

test('a node with a data folder has a file in it, and what the configuration says is checked', async t => {
	const { dir, origin, start } = await place(t)
	const data = path.join(dir, 'data')
	let node = await start({ disk: null, args: ['--data', data] })
	await raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0, { what: 'a file' })
	await node.page('/a/100')
	await node.stop()
	const size = fs.statSync(path.join(data, 'cache')).size
	assert.ok(size <= 10 * 1024 * MB)
	node = await start({ disk: null, args: ['--data', data] })
	await known(node)
	assert.ok(hit(await node.page('/a/100')))
	await node.stop()
	assert.equal(fs.statSync(path.join(data, 'cache')).size, size, 'it keeps its size')
	node = await start({ disk: [], args: ['--data', data] })
	assert.equal(await node.metric('er_cache_disk_files'), 0)
	await node.stop()
	const say = disk => {
		fs.writeFileSync(path.join(dir, 'node.jsonc'), `{\n\t"origin": "${origin.url}",\n\t"cache": { "disk": ${disk} }\n}\n`)
		const r = spawnSync(er, ['node', 'check'], { cwd: dir, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
		return { status: r.status, text: r.stdout + r.stderr }
	}
	const good = say('[{ "path": "c", "sizeMb": 100 }]')
	assert.equal(good.status, 0)
	assert.match(good.text, /cache +\d+ MB of memory, .*c \(100 MB\)/)
	for (const [disk, re] of [
		['[{ "path": "c", "sizeMb": 63 }]', /node\.jsonc:3:\d+: .*sizeMb/],
		['[{ "path": "c" }]', /node\.jsonc:3:\d+: .*sizeMb/],
		['[{ "path": "c", "sizeMb": 64 }, { "path": "c", "sizeMb": 64 }]', /node\.jsonc:3:\d+: .*named twice/],
		['[{ "path": "data", "sizeMb": 64 }]', /node\.jsonc:3:\d+: .*a file is expected, and this is a folder: name a file in it, as data\/cache/],
		['[{ "path": "c", "size": 64 }]', /node\.jsonc:3:\d+: .*sizeMb/],
	]) {
		const bad = say(disk)
		assert.equal(bad.status, 1)
		assert.match(bad.text, re)
	}
})

test('a reload changes size and number of the files while clients are served', async t => {
	const { dir, file, origin, start } = await place(t)
	const node = await start()
	const urls = Array.from({ length: 60 }, (_, i) => `/${i}/3000`)
	for (const url of urls) check(await node.page(url), url, 3000)
	await written(node)
	const reload = async (disk, max) => {
		const config = JSON.parse(fs.readFileSync(node.configFile, 'utf8'))
		fs.writeFileSync(node.configFile, JSON.stringify({ ...config, cache: { ...config.cache, memoryMb: 1, disk } }))
		node.signal('SIGHUP')
		await raw.until(async () => Math.abs((await node.metric('er_cache_disk_max_bytes') ?? 0) - max) < 10 * MB, { what: `files of ${max / MB} MB` })
	}
	await reload([{ path: file, sizeMb: 128 }], 128 * MB)
	const asked = origin.requests.length
	for (const url of urls) check(await node.page(url), url, 3000)
	assert.equal(origin.requests.length, asked, 'what was in the file is in it')
	assert.equal(fs.statSync(file).size > 120 * MB, true)
	await reload([{ path: file, sizeMb: 128 }, { path: path.join(dir, 'second'), sizeMb: 128 }], 256 * MB)
	assert.equal(await node.metric('er_cache_disk_files'), 2)
	for (let i = 0; i < 2; i++) for (const url of urls) check(await node.page(url), url, 3000)
	await reload([{ path: file, sizeMb: 64 }], 64 * MB)
	for (const url of urls) check(await node.page(url), url, 3000)
	assert.equal(await node.metric('er_cache_disk_files'), 1)
	assert.equal(await node.metric('er_cache_disk_files_failed'), 0)
})

test('a node without an origin has its file as soon as a site is added', async t => {
	const origin = await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=600').end('page'))
	const dir = tempDir('er-cache-site-')
	const config = { threads: 1, cache: { memoryMb: 4, disk: [{ path: path.join(dir, 'file'), sizeMb: 64 }] }, routineAddresses: ['127.0.0.0/8'] }
	let node = await startStore({ config })
	t.after(async () => {
		node.kill()
		await origin.close()
		node.forget()
		fs.rmSync(dir, { recursive: true, force: true })
	})
	assert.equal(await node.metric('er_cache_disk_files'), 0)
	await node.ok('PUT', '/v1/sites/shop', { hosts: ['shop.example'], origin: { servers: [origin.url], private: true } })
	await raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0, { what: 'the file' })
	assert.equal((await raw.request(node.port, '/a', { host: 'shop.example' })).text, 'page')
	await raw.until(async () => (await node.metric('er_cache_disk_records')) === 1, { what: 'the answer on the disk' })
	const data = node.data
	await node.stop()
	node = await startStore({ config, data })
	await known(node)
	assert.match((await raw.request(node.port, '/a', { host: 'shop.example' })).headers['cache-status'], /; hit/)
})

// More URLs of one host are purged than are remembered one by one: 131072 of all hosts.
test('a host with very many purges pays for them, no other loses its cache, and a kill changes nothing of it', async t => {
	let version = 1
	const origin = await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=600').setHeader('cache-tag', 'page').end(`version ${version}`))
	const dir = tempDir('er-cache-crowd-')
	const config = { origin: origin.url, threads: 1, cache: { memoryMb: 4, disk: [{ path: path.join(dir, 'file'), sizeMb: 64 }] } }
	let node = await startStore({ config })
	t.after(async () => {
		node.kill()
		await origin.close()
		node.forget()
		fs.rmSync(dir, { recursive: true, force: true })
	})
	const get = (host, target) => raw.request(node.port, target, { host })
	await raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0, { what: 'the file' })
	const calm = ['/a', '/b', '/purged']
	for (const target of calm) await get('calm.example', target)
	for (const target of ['/0', '/other']) await get('busy.example', target)
	await written(node)
	version = 2
	await node.ok('POST', '/v1/purge', { urls: ['calm.example/purged'] })
	const stored = async () => (await node.ok('GET', '/v1/cache')).purges
	let n = 0, last
	for (let most = 0; n < 140 && (await stored()) >= most; n++) {
		most = await stored()
		const port = n === 0 ? '' : `:${8000 + n}`
		last = await node.ok('POST', '/v1/purge', { urls: Array.from({ length: 1000 }, (_, i) => `busy.example${port}/${i}`) })
	}
	assert.ok(n > 130, 'many are remembered one by one')
	assert.ok((await stored()) < 10000, 'and not for ever')
	for (const again of [false, true]) {
		if (again) {
			const { data } = node
			node.signal('SIGKILL')
			await node.exited
			node = await startStore({ config, data })
			await known(node)
			assert.ok((await stored()) < 10000)
		}
		assert.match((await get('calm.example', '/a')).text, /version 1/)
		assert.match((await get('calm.example', '/b')).text, /version 1/)
		for (const [host, target] of [['calm.example', '/purged'], ['busy.example', '/0'], ['busy.example', '/other']])
			assert.match((await get(host, target)).text, /version 2/, `${host}${target}`)
	}
	const audit = (await node.ok('GET', `/v1/audit?after=${last.sequence}`)).items
	assert.deepEqual(audit.map(r => [r.kind, r.by, r.data]), [['purge', 'node', { scope: 'host', value: 'busy.example', soft: false }]])
})

test('a process that takes over has the file as soon as the one before lets go of it', async t => {
	const { start } = await place(t)
	const node = await start()
	try {
		await node.page('/a/100000')
		await written(node)
		await upgrade(node)
		await raw.until(async () => (await node.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })
		const res = await node.page('/a/100000')
		assert.ok(hit(res))
		check(res, '/a/100000', 100000)
	} finally {
		await end(node)
	}
})

test('nodes that are killed while they fill their file: no wrong byte, and nothing that is void', async () => {
	const seen = await killWhileFilling({ rounds: sanitized ? 6 : 14 })
	assert.ok(seen.found > 0 && seen.hits > 0, JSON.stringify(seen))
	assert.equal(seen.damaged, 0)
})
