// Requests with Range: parts of what is stored in memory and on disk, of what is coming, and what
// people write into the field who mean no good.
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode, tempDir } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import { check, partsOf } from './lib/ranges.mjs'
import * as raw from './lib/raw.mjs'

const bytes = n => Buffer.from(Array.from({ length: n }, (_, i) => 97 + (i * 7 + (i >> 8)) % 23))
const FIELDS = { 'cache-control': 'max-age=600', etag: '"one"', 'content-type': 'text/plain; charset=utf-8', 'accept-ranges': 'bytes' }

/** A node with an origin whose answers `handler` gives; both end with the test. */
async function place(t, handler, config = {}) {
	const origin = await startOrigin(handler)
	const node = await startNode({ config: { origin: origin.url, threads: 2, ...config } })
	t.after(async () => {
		node.kill()
		await origin.close()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	const get = (target, range, { headers = {}, ...options } = {}) =>
		raw.request(node.port, target, { host: 'site.example', headers: { ...(range && { range }), ...headers }, ...options })
	return { origin, node, get }
}

const pages = bodies => (req, res) => {
	const body = bodies[req.url]
	res.writeHead(200, { ...FIELDS, 'content-length': body.length })
	res.end(body)
}

test('several ranges are answered with the bytes that were asked for, in their order', async t => {
	const body = bytes(100000)
	const { origin, get } = await place(t, pages({ '/a': body }))
	await get('/a')
	const res = await get('/a', 'bytes=500-509,0-9,-1,200000-')
	assert.equal(res.status, 206)
	assert.match(res.headers['cache-status'], /; hit;/)
	assert.equal(res.headers.etag, '"one"')
	const parts = partsOf(res)
	assert.deepEqual(parts.map(p => [p.from, p.last, p.length]), [[500, 509, 100000], [0, 9, 100000], [99999, 99999, 100000]])
	assert.ok(parts.every(p => p.type === FIELDS['content-type']))
	check(res, 'bytes=500-509,0-9,-1,200000-', body)
	const one = await get('/a', 'bytes=5-9,7-20')
	assert.equal(one.headers['content-range'], 'bytes 5-20/100000')
	assert.equal(one.headers['content-type'], FIELDS['content-type'])
	assert.equal((await get('/a', 'bytes=100000-,200000-,-0')).status, 416)
	const head = await get('/a', 'bytes=0-9,20-29', { method: 'HEAD' })
	assert.equal(head.status, 200)
	assert.equal(head.headers['content-length'], '100000')
	assert.equal((await get('/a', 'bytes=0-1,5-6', { headers: { 'if-range': '"two"' } })).status, 200)
	assert.equal(partsOf(await get('/a', 'bytes=0-1,5-6', { headers: { 'if-range': '"one"' } })).length, 2)
	assert.equal((await get('/a', 'bytes=0-1,5-6', { headers: { 'if-range': 'W/"one"' } })).status, 200)
	assert.equal((await get('/a', 'bytes=0-1,5-6', { headers: { 'if-none-match': '"one"' } })).status, 304)
	assert.equal(origin.requests.length, 1)
})

test('several parts of a body that is too long for the memory come from the disk, also after a restart', async t => {
	const dir = tempDir('er-ranges-')
	t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
	const body = bytes(6000000)
	const origin = await startOrigin(pages({ '/long': body }))
	t.after(() => origin.close())
	const values = ['bytes=0-0,5999999-', 'bytes=5000000-5500000,131071-131073,1000000-1000009', 'bytes=-10,0-2999999', 'bytes=6000000-,-0']
	for (let round = 0; round < 2; round++) {
		const node = await startNode({ config: { origin: origin.url, threads: 2, cache: { memoryMb: 4, disk: [{ path: path.join(dir, 'cache'), sizeMb: 64 }] } } })
		try {
			const get = range => raw.request(node.port, '/long', { host: 'site.example', headers: range ? { range } : {} })
			if (round === 0) assert.ok((await get()).body.equals(body))
			else await raw.until(async () => (await node.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })
			await raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
			for (const value of values) {
				const res = await get(value)
				assert.match(res.headers['cache-status'], /; hit;/)
				check(res, value, body)
			}
			assert.equal(partsOf(await get(values[1])).length, 3)
			assert.equal(origin.requests.length, 1)
		} finally {
			await node.stop()
		}
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	}
})

test('a part of what is coming is there before the rest, and one that never comes is cut', async t => {
	const body = bytes(300000)
	const held = {}
	const { origin, node, get } = await place(t, (req, res) => {
		res.writeHead(200, { ...FIELDS, 'content-length': body.length })
		res.write(body.subarray(0, 100000))
		held[req.url] = res
	})
	for (const url of ['/good', '/broken']) {
		const first = await node.connect()
		first.send(raw.bytesOf(url, { host: 'site.example', keepAlive: false }))
		await raw.until(() => held[url], { what: 'the question' })
		await first.head()
		check(await get(url, 'bytes=10-19'), 'bytes=10-19', body)
		const part = await get(url, 'bytes=50000-59999')
		assert.equal(part.status, 206)
		assert.match(part.headers['cache-status'], /; hit;/)
		check(await get(url, 'bytes=300000-'), 'bytes=300000-', body)
		const later = await node.connect()
		later.send(raw.bytesOf(url, { host: 'site.example', keepAlive: false, headers: { range: 'bytes=99990-150000' } }))
		const head = await later.head()
		assert.equal(head.headers['content-range'], 'bytes 99990-150000/300000')
		await later.exactly(10, 'what has come')
		if (url === '/good') held[url].end(body.subarray(100000))
		else held[url].destroy()
		const rest = await later.rest()
		if (url === '/good') assert.ok(rest.equals(body.subarray(100000, 150001)))
		else assert.equal(rest.length, 0)
		first.close()
		later.close()
	}
	assert.equal(origin.requests.length, 2)
})

test('whatever stands in Range, the answer is right and the connection goes on', async t => {
	const body = bytes(5000)
	const { origin, node } = await place(t, pages({ '/a': body, '/empty': Buffer.alloc(0) }))
	const c = await node.connect()
	t.after(() => c.close())
	const ask = async (target, fields, method = 'GET') => {
		c.send(`${method} ${target} HTTP/1.1\r\nHost: site.example\r\n${fields}\r\n`)
		return c.response({ method })
	}
	for (const url of ['/a', '/empty']) await ask(url, '')
	const many = (n, at) => `bytes=${Array.from({ length: n }, (_, i) => at(i)).join(',')}`
	const values = [
		'bytes=--5', 'bytes=5-2', 'bytes= 0-1', 'bytes=0 - 1', 'bytes =0-1', 'bytes=0-0,-1', 'bytes=-1,0-0', 'bytes=', 'bytes', '', '=0-1', 'bytes=,',
		'bytes=0-18446744073709551615', 'bytes=0-18446744073709551616', 'bytes=18446744073709551615-', 'bytes=18446744073709551615-18446744073709551616',
		'bytes=9999999999999999999999999999999999-', 'bytes=-9999999999999999999999999999999999', 'bytes=-18446744073709551615', 'bytes=-0', 'bytes=-0,-0',
		'bytes=4999-4999', 'bytes=5000-5000', 'bytes=4999-5000', 'bytes=0-4999', 'bytes=0-,1-', 'bytes=1-,0-', 'bytes=0x0-0x9', 'bytes=1e1-20', 'bytes=+1-2', 'bytes=0-1-2',
		'bytes=0-1;2-3', 'bytes=0-1 4-5', 'bytes=\t0-1\t,\t4-5', 'bytes=0-1,,,,4-5', 'bytes=,0-1', 'BYTES=0-1', 'octets=0-1', 'seconds=1-2', 'none', 'bytes=0-1, lines=2-3', 'bytes=*', 'bytes=0-*', 'bytes 0-1/10',
		'bytes=0-1,4-5,x', 'bytes=6000-,x', 'bytes=2-1,0-', 'bytes=\xb2-\xb3', 'bytes="0-1"',
		many(16, i => `${i * 2}-${i * 2}`), many(17, i => `${i * 2}-${i * 2}`), many(100, i => `${i * 2}-${i * 2}`), many(1000, i => `${i}-${i}`), many(1000, () => '0-'), many(1000, i => `${i}-`),
		many(128, i => `${4000 - i * 3}-${4000 - i * 3 + 5}`), many(500, () => ''), many(60, i => (i % 2 ? `-${i}` : `${i}-`)), many(300, () => '9999999-'),
	]
	for (let i = 0; i < 300; i++) { // lists of random ranges, half of them near each other
		const at = () => Math.floor(Math.random() * (i % 2 ? 60 : 6000))
		values.push(many(1 + i % 20, () => {
			const from = at()
			return [`${from}-${from + i % 9}`, `${from}-${from + at()}`, `${from}-`, `-${from}`, `${from}-${at()}`][i % 7 > 1 ? 0 : Math.floor(Math.random() * 5)]
		}))
	}
	const seen = { 200: 0, 206: 0, 416: 0, multipart: 0 }
	for (const value of values) {
		const res = await ask('/a', `Range: ${value}\r\n`)
		try {
			check(res, value, body)
		} catch (e) {
			throw new Error(`Range: ${value}`, { cause: e })
		}
		seen[res.status]++
		if (/^multipart/.test(res.headers['content-type'])) seen.multipart++
		const none = await ask('/empty', `Range: ${value}\r\n`)
		assert.ok([200, 416].includes(none.status), value)
		assert.equal(none.body.length, 0)
	}
	assert.ok(seen[416] >= 5 && seen.multipart >= 50 && seen[206] >= seen.multipart + 20, JSON.stringify(seen))
	for (const [fields, status] of [
		['Range: bytes=0-1\r\nRange: bytes=4-5\r\n', 200],
		['Range: bytes=0-1\r\nIf-Range: W/"one"\r\n', 200],
		['Range: bytes=0-1\r\nIf-Range: one\r\n', 200],
		['Range: bytes=0-1\r\nIf-Range: "one", "two"\r\n', 200],
		['Range: bytes=0-1\r\nIf-Range: "two"\r\nIf-Range: "one"\r\n', 200],
		['Range: bytes=0-1\r\nIf-Range: \r\n', 200],
		['Range: bytes=0-1\r\nIf-Range: Mon, 01 Jan 1990 00:00:00 GMT\r\n', 200],
		['Range: bytes=9999-\r\nIf-Range: "two"\r\n', 200],
		['If-Range: "one"\r\n', 200],
		['Range: bytes=0-1\r\nIf-Range: "one"\r\n', 206],
	]) assert.equal((await ask('/a', fields)).status, status, fields)
	assert.equal(origin.requests.length, 2, 'all of it came from the store')
	assert.ok((await node.metric('er_cache_requests_total', { result: 'hit' })) > values.length)
})

test('a part of what is not stored comes without the whole, and is stored as a part', async t => {
	const dir = tempDir('er-pieces-')
	t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
	const body = bytes(3000000)
	let etag = '"one"'
	const origin = await startOrigin((req, res) => {
		if (req.method === 'POST') return res.writeHead(204).end()
		const [, from, last] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '')?.map(Number) ?? []
		if (from === undefined) return res.writeHead(200, { ...FIELDS, etag, 'content-length': body.length }).end(body)
		res.writeHead(206, { ...FIELDS, etag, 'content-range': `bytes ${from}-${last}/${body.length}`, 'content-length': last - from + 1 })
		res.end(body.subarray(from, last + 1))
	})
	t.after(() => origin.close())
	const config = { origin: origin.url, threads: 2, cache: { memoryMb: 16, disk: [{ path: path.join(dir, 'cache'), sizeMb: 64 }] } }
	let node
	const get = async (range, options = {}) => {
		const res = await raw.request(node.port, '/film', { host: 'site.example', ...options, headers: { ...(range && { range }), ...options.headers } })
		if (range) check(res, range, body)
		return res
	}
	const hit = res => /; hit;/.test(res.headers['cache-status'])
	const ranges = ['bytes=1000-1999', 'bytes=500000-1499999', 'bytes=2000000-2999999']
	for (let round = 0; round < 2; round++) {
		node = await startNode({ config })
		if (round === 0) {
			for (const range of ranges) assert.match((await get(range)).headers['cache-status'], /fwd=uri-miss; fwd-status=206; stored/)
		} else await raw.until(async () => (await node.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })
		for (const range of ranges) assert.ok(hit(await get(range)), range)
		if (round === 0) { // of what is in memory: any part
			for (const range of ['bytes=1500-1509', 'bytes=600000-600009,500000-500009', 'bytes=-5', 'bytes=2999999-']) assert.ok(hit(await get(range)), range)
			assert.equal((await raw.request(node.port, '/film', { host: 'site.example', headers: { range: 'bytes=1000-1999', 'if-none-match': '"one"' } })).status, 304)
			assert.ok(hit(await get('bytes=1000-1999', { headers: { 'if-range': '"one"' } })))
		}
		assert.deepEqual(origin.requests.map(r => r.headers.range), ranges)
		await raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
		if (round === 0) await node.stop()
	}
	// What makes the URL void, or another version, makes its parts void.
	assert.equal((await get(undefined, { method: 'POST', body: 'x' })).status, 204)
	for (const range of ranges) assert.ok(!hit(await get(range)), range)
	for (const range of ranges) assert.ok(hit(await get(range)), range)
	etag = '"two"'
	assert.ok(!hit(await get('bytes=5-9')))
	for (const range of ranges) assert.equal((await get(range)).headers.etag, '"two"', range)
	// The whole is not made of parts, and answers for all of them from then on.
	assert.ok((await get()).body.equals(body))
	assert.ok(hit(await get('bytes=5-2500000')))
	await node.stop()
	assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
})

test('a part of one URL is never given for another', async t => {
	const bodies = Object.fromEntries(['/a', '/b', '/a?b', '/c/d'].map((url, i) => [url, Buffer.alloc(1000, url)]))
	const { origin, get } = await place(t, (req, res) => {
		const [, from, last] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range).map(Number)
		res.writeHead(206, { ...FIELDS, 'content-range': `bytes ${from}-${last}/1000`, 'content-length': last - from + 1 })
		res.end(bodies[req.url].subarray(from, last + 1))
	})
	for (let round = 0; round < 2; round++)
		for (const [url, body] of Object.entries(bodies)) {
			const res = await get(url, 'bytes=100-199')
			assert.equal(/; hit;/.test(res.headers['cache-status']), round === 1, url)
			check(res, 'bytes=100-199', body)
		}
	assert.equal(origin.requests.length, 4)
})

test('a player that begins with all of it as a range has it stored', async t => {
	const body = bytes(400000)
	const { origin, get } = await place(t, pages({ '/film': body }))
	const players = await Promise.all(Array.from({ length: 10 }, () => get('/film', 'bytes=0-')))
	for (const res of players) {
		assert.equal(res.status, 206)
		check(res, 'bytes=0-', body)
	}
	assert.equal(origin.requests.length, 1)
	assert.equal(origin.requests[0].headers.range, undefined)
	check(await get('/film', 'bytes=100000-100010'), 'bytes=100000-100010', body)
	assert.equal(origin.requests.length, 1)
})

test('Range is nothing to what is no 200, and to what is no GET', async t => {
	const { get, origin } = await place(t, (req, res) => {
		if (req.method === 'POST') return res.writeHead(200, { 'content-length': 4 }).end('post')
		res.writeHead(Number(req.url.slice(1)), { ...FIELDS, 'content-length': 9, ...(req.url === '/301' && { location: '/x' }) })
		res.end('not found')
	})
	for (const code of [404, 301, 410]) {
		await get(`/${code}`)
		for (const range of ['bytes=0-1', 'bytes=0-1,4-5', 'bytes=100-']) {
			const res = await get(`/${code}`, range)
			assert.equal(res.status, code)
			assert.equal(res.text, 'not found')
			assert.equal(res.headers['content-range'], undefined)
		}
	}
	assert.equal(origin.requests.length, 3)
	assert.equal((await get('/404', 'bytes=0-1', { method: 'POST', body: 'x' })).text, 'post')
})
