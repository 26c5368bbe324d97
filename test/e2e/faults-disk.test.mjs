// A whole node above a disk that is slow, fails, is full or damaged, and under a clock that jumps:
// no wrong byte is served, nobody waits who need not, and nothing that was purged or is old comes
// back. The faults come from a library below the node (test/tools/faulty.c).
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { startNode, tempDir } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { startOrigin } from './lib/origin.mjs'
import { faults, skip } from './lib/faulty.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

const MB = 1024 * 1024
const DAY = 24 * 3600
const status = res => res.headers['cache-status'] ?? ''
const hit = res => /^EdgeRoutine; hit/.test(status(res))

/** What page /NAME/BYTES has, in a version. */
const bodyOf = (url, version) => Buffer.alloc(Number(/\/(\d+)$/.exec(url)[1]), `${url} in version ${version}; `)

/** An origin, a folder with a cache file, and what is wrong with the disk and the clock. */
async function place(t, { life = 'max-age=1000', store = false } = {}) {
	const dir = tempDir('er-faults-disk-')
	const self = { dir, file: path.join(dir, 'disk/cache'), version: 1, life, asked: [] }
	const wrong = faults(dir)
	const origin = await startOrigin((req, res) => {
		self.asked.push(req.url)
		const etag = `"${self.version}"`
		const head = { 'cache-control': self.life, etag, 'x-version': self.version }
		if (req.headers['if-none-match'] === etag) return res.writeHead(304, head).end()
		const body = bodyOf(req.url, self.version)
		res.writeHead(200, { ...head, 'content-length': body.length })
		res.end(body)
	})
	const nodes = []
	const begin = store ? startStore : startNode
	const start = async ({ memoryMb = 4, config = {} } = {}) => {
		const node = await begin({
			env: wrong.env,
			...(store && { data: path.join(dir, 'data') }),
			config: { origin: origin.url, threads: 2, cache: { memoryMb, disk: [{ path: self.file, sizeMb: 64 }] }, limits: { perAddress: 0 }, sandbox: { pool: 0 }, ...config },
		})
		nodes.push(node)
		/** A page: its bytes are looked at. undefined: the answer was cut. */
		node.page = async (url, options = {}) => {
			let res
			try {
				res = await raw.request(node.port, url, { host: 'shop.example', ...options })
			} catch (e) {
				if (e instanceof raw.Gone) return undefined
				throw e
			}
			assert.ok(res.status === 200 || res.status === 206, `${url}: ${res.status} ${res.text.slice(0, 300)}`)
			assert.ok(res.body.equals(bodyOf(url, Number(res.headers['x-version']))), `the bytes of ${url}`)
			return res
		}
		return node
	}
	t.after(async () => {
		for (const node of nodes) node.kill()
		await origin.close()
		wrong.end()
		fs.rmSync(dir, { recursive: true, force: true })
		for (const node of nodes) assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return Object.assign(self, { wrong, origin, start })
}

const written = node => raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
const known = node => raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0 && (await node.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })

/** The delay of the node's loops: {"0.005": how many were not later, ..., count}, all threads. */
async function delays(node) {
	const out = { count: 0 }
	for (const [key, value] of await node.metrics()) {
		const le = /^er_loop_delay_seconds_bucket\{.*le="([^"]+)"\}$/.exec(key)?.[1]
		if (le) out[le] = (out[le] ?? 0) + value
		if (/^er_loop_delay_seconds_count/.test(key)) out.count += value
	}
	return out
}

/** Pages that memory has, asked for until the end by `n` clients. → how many */
function meanwhile(node, urls, n = 2) {
	let over = false, count = 0
	const all = Promise.all(Array.from({ length: n }, async () => {
		for (; !over; await raw.sleep(3)) {
			assert.ok(await node.page(urls[count % urls.length]))
			count++
		}
	}))
	all.catch(() => {})
	return async () => {
		over = true
		await all
		return count
	}
}

test('a disk that takes half a second for each read holds up nobody but those who want what is on it', { skip, timeout: 120000 }, async t => {
	const { wrong, asked, start } = await place(t)
	const small = Array.from({ length: 60 }, (_, i) => `/small/${i}/${1000 + i}`)
	const large = Array.from({ length: 8 }, (_, i) => `/large/${i}/${300000 + i * 1000}`)
	const hot = ['/hot/1/500', '/hot/2/40000']
	let node = await start()
	for (const url of [...small, ...large]) await node.page(url)
	await written(node)
	await node.stop()
	node = await start()
	await known(node)
	for (const url of hot) await node.page(url)
	await written(node)
	// A machine that has no CPU to give makes a loop late, too: where threads had to wait for one,
	// only what a wait for the disk would exceed is a fault.
	let best = 0, quiet = 0
	for (let round = 0; round < 3 && best < 0.99 && round - quiet < 2; round++) {
		wrong.set({ readMs: 500 })
		const reads = wrong.reads
		const before = await delays(node)
		const [began, waited] = [performance.now(), proc.waited(node.pid, /^er-gateway/)]
		const stop = meanwhile(node, hot)
		const urls = [...small.slice(round * 20, round * 20 + 20), ...large]
		const got = await Promise.all(urls.flatMap(url => [node.page(url), node.page(url)]))
		assert.ok(got.every(Boolean), 'whole')
		await raw.sleep(2000)
		assert.ok((await stop()) > 200)
		assert.ok(wrong.reads > reads, 'the disk was asked')
		const after = await delays(node)
		const share = (proc.waited(node.pid, /^er-gateway/) - waited) / (performance.now() - began)
		const within = le => (after[le] - before[le]) / (after.count - before.count)
		assert.ok(within('0.2') >= 0.99, `${within('0.2') * 100} % of the looks at the loops were less than 200 ms late: none waits for the disk`)
		if (share < 0.01) {
			quiet++
			best = Math.max(best, within('0.005'))
		} else t.diagnostic(`the threads waited ${(share * 100).toFixed(1)} % of the time for a CPU; ${(within('0.005') * 100).toFixed(1)} % within 5 ms`)
		wrong.clear()
	}
	if (quiet) assert.ok(best >= 0.99, `${best * 100} % of the looks at the loops were less than 5 ms late`)
	// It is fast again, and nothing was lost.
	const n = asked.length
	for (const url of large) assert.ok(hit(await node.page(url)))
	assert.equal(asked.length, n)
	await node.stop()
})

test('a disk that cannot be read any more costs questions to the origin, and is let go of', { skip }, async t => {
	const { wrong, start } = await place(t)
	const urls = Array.from({ length: 40 }, (_, i) => `/page/${i}/${i % 4 === 0 ? 300000 + i : 2000 + i}`)
	let node = await start()
	for (const url of urls) await node.page(url)
	await written(node)
	await node.stop()
	node = await start()
	await known(node)
	// One that is on its way out when the disk fails: the client sees that it is cut.
	const slow = await node.connect()
	slow.socket.pause()
	slow.send(raw.bytesOf('/page/0/300000', { host: 'shop.example', keepAlive: false }))
	await raw.sleep(100)
	wrong.set({ readErrno: 5 })
	const held = []
	for (let round = 0; round < 3; round++) {
		const got = await Promise.all(urls.map(url => node.page(url)))
		for (const [i, res] of got.entries()) if (!res) assert.ok(await node.page(urls[i]), 'what was cut is whole when it is asked for again')
		held.push(proc.fds(node.pid).length)
	}
	assert.ok(held[2] <= held[1] + 16, `${held} descriptors`)
	await node.logged(/disk\/cache is out of service: it cannot be read: Input\/output error. The node serves without it/)
	assert.equal(await node.metric('er_cache_disk_files_failed'), 1)
	assert.ok((await node.metric('er_cache_disk_errors_total')) >= 16)
	slow.socket.resume()
	const rest = (await slow.rest()).toString('latin1')
	const body = rest.slice(rest.indexOf('\r\n\r\n') + 4)
	assert.ok(bodyOf('/page/0/300000', 1).toString('latin1').startsWith(body), 'what came is right')
	assert.ok(await node.page('/new/1/5000'))
	assert.ok(hit(await node.page('/new/1/5000')), 'memory stores on')
	await node.stop()
	// The disk was repaired: what it has is used.
	wrong.clear()
	node = await start()
	await known(node)
	let hits = 0
	for (const url of urls) hits += hit(await node.page(url))
	assert.ok(hits > 30, `${hits}`)
	await node.stop()
})

test('a disk that is full, or cannot be written, takes nothing from what is served', { skip }, async t => {
	for (const [writeErrno, says] of [[28, 'No space left on device'], [5, 'Input/output error']]) {
		const { wrong, asked, start } = await place(t)
		let node = await start()
		for (let i = 0; i < 20; i++) await node.page(`/before/${i}/3000`)
		await written(node)
		wrong.set({ writeErrno })
		const large = await Promise.all(Array.from({ length: 20 }, (_, i) => node.page(`/page/${i}/${200000 + i}`)))
		assert.ok(large.every(Boolean))
		// Too long for the memory: it goes to the file as it passes by, and to the client
		// all the same.
		assert.ok(await node.page(`/long/1/${5 * MB}`))
		await node.logged(new RegExp(`disk/cache is out of service: .*${says}\\. The node serves without it`))
		for (let i = 0; i < 20; i++) assert.ok(await node.page(`/page/${i}/${200000 + i}`))
		await node.stop()
		wrong.clear()
		node = await start()
		await known(node)
		const n = asked.length
		for (let i = 0; i < 20; i++) assert.ok(hit(await node.page(`/before/${i}/3000`)))
		assert.equal(asked.length, n)
		for (let i = 0; i < 20; i++) assert.ok(await node.page(`/page/${i}/${200000 + i}`))
		assert.ok(await node.page(`/long/1/${5 * MB}`))
		assert.equal(await node.metric('er_cache_disk_damaged_total'), 0, 'nothing half was taken for written')
		await node.stop()
	}
})

test('a disk that hangs, or takes writes slowly, costs what is on it and nothing else, and the node ends when it is told to', { skip, timeout: 120000 }, async t => {
	const { wrong, start } = await place(t)
	const urls = Array.from({ length: 40 }, (_, i) => `/page/${i}/${i % 4 ? 3000 + i : 200000 + i}`)
	let node = await start()
	for (const url of urls) await node.page(url)
	await written(node)
	await node.stop()
	node = await start()
	await known(node)
	// Reads hang: the origin is asked instead, for all who wait.
	wrong.set({ readMs: 8000 })
	let began = performance.now()
	const got = await Promise.all(urls.flatMap(url => [node.page(url), node.page(url)]))
	assert.ok(got.every(Boolean))
	assert.ok(performance.now() - began < 7500, 'nobody has waited for the disk')
	began = performance.now()
	await node.stop({ timeout: 60000 })
	t.diagnostic(`ended ${Math.round(performance.now() - began)} ms after it was told to, with reads that hang`)
	wrong.clear()
	// Writes take 300 ms each: what cannot be written in time is not stored, and does not pile up.
	node = await start()
	await known(node)
	const before = proc.memory(node.pid).anonymous
	wrong.set({ writeMs: 300 })
	for (let i = 0; i < 30; i++) await Promise.all(Array.from({ length: 20 }, (_, j) => node.page(`/new/${i}/${j}/200000`)))
	assert.ok((await node.metric('er_cache_disk_skipped_total')) > 0)
	assert.ok(proc.memory(node.pid).anonymous - before < 80 * MB, `${(proc.memory(node.pid).anonymous - before) / MB} MB for 120 MB of answers`)
	assert.equal(await node.metric('er_cache_disk_files_failed'), 0)
	await node.stop({ timeout: 60000 })
	wrong.clear()
	node = await start()
	await known(node)
	for (let i = 0; i < 30; i++) assert.ok(await node.page(`/new/${i}/1/200000`))
	assert.equal(await node.metric('er_cache_disk_damaged_total'), 0)
	await node.stop()
})

test('a full disk costs lines of the access log, which are counted, and never half a line', { skip }, async t => {
	const { dir, wrong, start } = await place(t)
	const file = path.join(dir, 'disk/access.log')
	fs.mkdirSync(path.dirname(file))
	const node = await start({ config: { accessLog: file } })
	const lines = () => fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)
	const all = async (from, n) => {
		for (let i = from; i < from + n; i++) await node.page(`/page/${i}/100`)
	}
	await all(0, 5)
	await raw.until(() => lines().length === 5, { what: 'lines' })
	// The disk has room for a part of what is written next.
	wrong.set({ writeErrno: 28, room: 1 })
	await all(5, 200)
	await node.logged(/cannot write the access log: No space left on device\. Its lines are dropped until/)
	await raw.until(async () => (await node.metric('er_access_log_dropped_total')) > 0 && node.access, { what: 'a count' })
	await raw.sleep(1500)
	wrong.clear()
	await all(205, 5)
	await node.logged(/the access log is written again; \d+ lines were dropped/)
	await raw.until(() => lines().some(l => l.includes('/page/209/')), { what: 'the last line' })
	const dropped = await node.metric('er_access_log_dropped_total')
	const good = lines().filter(l => l.startsWith('{') && l.endsWith('}'))
	for (const l of good) JSON.parse(l)
	assert.ok(lines().length - good.length <= 1, 'one line is cut, and joined with none')
	assert.equal(good.length + dropped, 210, `${good.length} and ${dropped}`)
	assert.equal(node.err.filter(l => /cannot write the access log/.test(l)).length, 1)
	await node.stop()
})

test('bits that flip on the disk, while the node runs and while it does not: no wrong byte, and no end of service', { skip }, async t => {
	const { file, wrong, start } = await place(t)
	const urls = Array.from({ length: 60 }, (_, i) => `/page/${i}/${i % 3 === 0 ? 150000 + i * 5000 : 500 + i * 300}`)
	const flip = (n, used) => {
		const fd = fs.openSync(file, 'r+')
		const byte = Buffer.alloc(1)
		for (let i = 0; i < n; i++) {
			// The beginning of the file, where its label is, and what was written. Not the label's
			// first word: a file without it is no cache file, and refused.
			const at = 8 + Math.floor(Math.random() * (i % 40 === 0 ? 16384 : used))
			fs.readSync(fd, byte, 0, 1, at)
			byte[0] ^= 1 << Math.floor(Math.random() * 8)
			fs.writeSync(fd, byte, 0, 1, at)
		}
		fs.closeSync(fd)
	}
	let cut = 0, damaged = 0, hits = 0
	for (let round = 0; round < 6; round++) {
		const node = await start()
		const look = async () => {
			for (const url of urls) {
				let res
				for (let tries = 0; !res && tries < 4; tries++) {
					res = await node.page(url)
					if (!res) cut++
				}
				assert.ok(res, 'whole in the end')
				hits += hit(res)
			}
		}
		await raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0, { what: 'the file' })
		await look()
		await written(node)
		flip(300, 14 * MB)
		// the kernel's memory is believed: all of it comes from the disk again
		wrong.set({ readMs: 1 })
		await look()
		wrong.clear()
		damaged += await node.metric('er_cache_disk_damaged_total')
		assert.equal(await node.metric('er_cache_disk_files_failed'), 0)
		await written(node)
		await node.stop()
		flip(300, 14 * MB)
	}
	assert.ok(damaged > 10 && hits > urls.length, `${damaged} damaged, ${hits} hits, ${cut} cut`)
})

test('a clock that is set back by a day brings nothing back that was purged, also after a restart', { skip }, async t => {
	const p = await place(t, { store: true })
	let node = await p.start()
	const urls = Array.from({ length: 10 }, (_, i) => `/page/${i}/${i % 2 ? 100000 : 900}`)
	for (const url of urls) await node.page(url)
	await written(node)
	await node.ok('POST', '/v1/purge', { urls: ['http://shop.example/page/1/100000'], prefixes: ['shop.example/page/2/'] })
	p.version = 2
	p.wrong.set({ clockS: -DAY })
	await node.ok('POST', '/v1/purge', { urls: ['http://shop.example/page/3/100000'] })
	const old = res => res.headers['x-version'] === '1'
	for (const i of [1, 2, 3]) assert.ok(!old(await node.page(urls[i])), `page ${i} in the same process`)
	await node.stop()
	node = await p.start()
	await known(node)
	for (const i of [1, 2, 3]) assert.ok(!old(await node.page(urls[i])), `page ${i} after a restart`)
	await node.ok('POST', '/v1/purge', { urls: ['http://shop.example/page/5/100000'] })
	assert.ok(!old(await node.page(urls[5])), 'a purge under the wrong clock holds')
	await node.stop()
	// And when it is right again, and a year too far.
	for (const clockS of [0, 365 * DAY]) {
		p.wrong.set({ clockS })
		node = await p.start()
		await known(node)
		for (const i of [1, 2, 3, 5]) assert.ok(!old(await node.page(urls[i])), `page ${i}, clock at ${clockS} s`)
		await node.stop()
	}
})

test('a clock that jumps makes nothing fresh for ever, neither in memory nor on disk', { skip }, async t => {
	for (const [first, then] of [[0, -DAY], [365 * DAY, 0], [0, 365 * DAY]]) {
		const p = await place(t, { life: 'max-age=3' })
		p.wrong.set({ clockS: first })
		const node = await p.start()
		const urls = ['/page/1/900', '/page/2/300000']
		// Written to the file although they are short-lived, since they have a validator.
		for (const url of urls) await node.page(url)
		await written(node)
		p.wrong.set({ clockS: then })
		// Out of the memory, so that it is read from the file.
		for (let i = 0; i < 200; i++) await node.page(`/other/${i}/60000`)
		p.version = 2
		await raw.sleep(3500)
		const found = await node.metric('er_cache_disk_requests_total', { result: 'hit' })
		for (const url of urls) assert.equal((await node.page(url)).headers['x-version'], '2', `${url}, from ${first} s to ${then} s`)
		assert.equal(await node.metric('er_cache_disk_requests_total', { result: 'hit' }), found + 2, 'from the file')
		await node.stop()
	}
})

const keeper = `addEventListener("fetch", e => e.respondWith(answer(e.request)))
async function answer(request) {
	const at = new URL(request.url), key = "http://own.example/" + at.search
	switch (at.pathname) {
		case "/put": await caches.default.put(key, new Response("kept " + at.search)); return Response.json(true)
		case "/none": await caches.default.put(key, new Response("", { headers: { "cache-control": "no-store" } })); return Response.json(true)
		case "/get": { const r = await caches.default.match(key); return Response.json(r === undefined ? null : await r.text()) }
		case "/delete": return Response.json(await caches.default.delete(key))
		case "/purge": return Response.json(await cache.purge({ urls: ["http://shop.example" + at.search.slice(1)] }))
		default: return fetch(request)
	}
}`

test('what a routine was told is deleted or purged does not come back when the node is killed at that moment', { skip, timeout: 120000 }, async t => {
	const dir = tempDir('er-told-')
	const origin = await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=1000').end(`page ${req.url}`))
	// both the data folder and the cache's file are below the faults
	const wrong = faults(dir)
	const start = () => startStore({
		env: wrong.env,
		data: path.join(dir, 'disk/data'),
		routines: { shop: { source: keeper, routes: ['shop.example/*'] } },
		config: { threads: 1, sites: [{ name: 'shop', hosts: ['shop.example'], origin: origin.url }], cache: { memoryMb: 16, disk: [{ path: path.join(dir, 'disk/cache'), sizeMb: 64 }] } },
	})
	fs.mkdirSync(path.join(dir, 'disk'))
	let node = await start()
	t.after(async () => {
		node.kill()
		await origin.close()
		wrong.end()
		fs.rmSync(dir, { recursive: true, force: true })
	})
	const ask = async target => {
		const res = await raw.request(node.port, target, { host: 'shop.example', timeout: 60000 })
		assert.equal(res.status, 200, res.text)
		return res
	}
	const said = async target => JSON.parse((await ask(target)).text)
	for (const key of ['a', 'b', 'c']) await said(`/put?${key}`)
	for (const page of ['/p', '/q']) await ask(page)
	for (const page of ['/p', '/q']) assert.ok(hit(await ask(page)))
	await written(node)
	const killed = async target => {
		wrong.set({ writeMs: 300 })
		const out = await said(target)
		node.kill()
		await node.exited
		wrong.clear()
		node = await start()
		await known(node)
		return out
	}
	assert.equal(await killed('/delete?a'), true)
	assert.deepEqual([await said('/get?a'), await said('/get?b')], [null, 'kept ?b'])
	assert.equal(await killed('/none?c'), true)
	assert.deepEqual([await said('/get?c'), await said('/get?b')], [null, 'kept ?b'])
	assert.deepEqual(await killed('/purge?/p'), { purged: 1 })
	assert.ok(hit(await ask('/q')), 'what was not purged is there')
	assert.ok(!hit(await ask('/p')))
})
