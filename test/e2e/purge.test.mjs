// Purging the cache of a running node: what is named is gone or stale when the answer comes,
// nothing else is, and who may not is refused.
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import assert from 'node:assert/strict'
import { startStore } from './lib/deploy.mjs'
import { startOrigin } from './lib/origin.mjs'
import { tempDir } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'

async function withStore(t, handler) {
	const origin = await startOrigin(handler)
	const node = await startStore({ config: { origin: origin.url, threads: 2 } })
	t.after(async () => {
		await node.stop()
		await origin.close()
		node.forget()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	const get = (target, { host = 'shop.example', ...more } = {}) => raw.request(node.port, target, { host, ...more })
	return { origin, node, get }
}

const status = res => res.headers['cache-status'] ?? ''

test('a purge by URL, prefix, host, tag or of everything takes what it names, and only that', async t => {
	let n = 0
	const { node, get } = await withStore(t, (req, res) => {
		res.setHeader('cache-control', 'max-age=600').setHeader('cache-tag', `page, ${req.url.includes('red') ? 'red' : 'blue'}`)
		res.end(String(++n))
	})
	const pages = [['shop.example', '/red/1?a=1'], ['shop.example', '/red/2'], ['shop.example', '/b/1'], ['other.example', '/red/1?a=1']]
	const look = async () => {
		const gone = []
		for (const [host, target] of pages) {
			const res = await get(target, { host })
			assert.equal(res.headers['cache-tag'], undefined)
			if (!/; hit;/.test(status(res))) gone.push(host + target)
		}
		return gone
	}
	assert.equal((await look()).length, 4)
	assert.deepEqual(await look(), [])
	const cases = [
		[{ urls: ['https://SHOP.example/x/../red/1?a=1#top'] }, ['shop.example/red/1?a=1']],
		[{ urls: ['shop.example/red/1'] }, []],
		[{ prefixes: ['http://shop.example/red/*'] }, ['shop.example/red/1?a=1', 'shop.example/red/2']],
		[{ prefixes: ['shop.example/'], soft: false }, ['shop.example/red/1?a=1', 'shop.example/red/2', 'shop.example/b/1']],
		[{ hosts: ['other.example'] }, ['other.example/red/1?a=1']],
		[{ tags: ['blue'] }, ['shop.example/b/1']],
		[{ tags: ['red', 'blue'] }, pages.map(p => p.join(''))],
		[{ tags: ['green'], urls: ['shop.example/red/2'] }, ['shop.example/red/2']],
		[{ everything: true }, pages.map(p => p.join(''))],
	]
	let sequence = 0
	for (const [body, gone] of cases) {
		const done = await node.ok('POST', '/v1/purge', body)
		assert.equal(done.purged, (body.urls?.length ?? 0) + (body.prefixes?.length ?? 0) + (body.hosts?.length ?? 0) + (body.tags?.length ?? 0) + (body.everything ? 1 : 0))
		assert.ok(done.sequence > sequence)
		sequence = done.sequence
		assert.deepEqual(await look(), gone, JSON.stringify(body))
		assert.deepEqual(await look(), [])
	}
	const audit = (await node.ok('GET', '/v1/audit?after=0')).items.filter(r => r.kind === 'purge')
	assert.equal(audit.length, 11)
	assert.deepEqual(audit[0].data, { scope: 'url', value: 'shop.example/red/1?a=1', soft: false })
	assert.deepEqual(audit.at(-1).data, { scope: 'everything', soft: false })
})

test('a soft purge lets an origin that is down be spared, and asks it as soon as it is up', async t => {
	let up = true, version = 1
	const { node, get, origin } = await withStore(t, (req, res) => {
		if (!up) return res.writeHead(503).end('down')
		const etag = `"${version}"`
		res.setHeader('cache-control', 'max-age=600, stale-if-error=600').setHeader('etag', etag)
		if (req.headers['if-none-match'] === etag) return res.writeHead(304).end()
		res.end(`version ${version}`)
	})
	await get('/a')
	await node.ok('POST', '/v1/purge', { urls: ['shop.example/a'], soft: true })
	up = false
	assert.equal((await get('/a')).text, 'version 1')
	up = true
	const same = await get('/a')
	assert.equal(same.text, 'version 1')
	assert.match(status(same), /fwd=stale; fwd-status=304; stored/)
	assert.match(status(await get('/a')), /; hit;/)
	version = 2
	await node.ok('POST', '/v1/purge', { hosts: ['shop.example'], soft: true })
	assert.equal((await get('/a')).text, 'version 2')
	assert.equal(origin.requests.length, 4)
})

test('an answer that was on its way when its page was purged is given to nobody who asks later', async t => {
	const waiting = []
	const { node, get } = await withStore(t, (req, res) => {
		res.setHeader('cache-control', 'max-age=600').setHeader('surrogate-key', 'page')
		waiting.push(res)
	})
	const before = get('/a')
	await raw.until(() => waiting.length === 1, { what: 'the first question' })
	await node.ok('POST', '/v1/purge', { tags: ['page'] })
	const after = get('/a')
	await raw.until(() => waiting.length === 2, { what: 'the second question' })
	waiting[1].end('new')
	assert.equal((await after).text, 'new')
	waiting[0].end('old')
	assert.equal((await before).text, 'old')
	assert.equal((await get('/a')).text, 'new')
})

test('a purge that names nothing, or something that is none, says what is expected and purges nothing', async t => {
	const { node, get } = await withStore(t, (req, res) => res.setHeader('cache-control', 'max-age=600').end('page'))
	await get('/a')
	const bad = [
		[{}, /what is to be purged/],
		[{ urls: [] }, /what is to be purged/],
		[{ urls: ['shop.example/a', '://'] }, /":\/\/" is none: a URL, as/],
		[{ urls: ['https://shop.example/a/..%2fb'] }, /a URL, as/],
		[{ urls: [7] }, /string/],
		[{ hosts: ['shop.example/a'] }, /a host, as/],
		[{ tags: ['a,b'] }, /is no tag/],
		[{ tags: [' '] }, /is no tag/],
		[{ url: ['shop.example/a'] }, /did you mean "urls"/],
		[{ urls: Array.from({ length: 600 }, (_, i) => `a.example/${i}`), tags: Array.from({ length: 600 }, (_, i) => `t${i}`) }, /1000 at a time/],
	]
	for (const [body, expected] of bad) {
		const res = await node.api('POST', '/v1/purge', body)
		assert.equal(res.status, body.tags?.length > 1 ? 413 : 400, JSON.stringify(body))
		assert.match(res.json.error.message, expected)
	}
	assert.match(status(await get('/a')), /; hit;/)
})

test('the cache says what it has, what it was not given and why, and what a URL has', async t => {
	const { node, get } = await withStore(t, (req, res) => {
		if (req.url === '/private') return res.setHeader('cache-control', 'private').end('mine')
		res.setHeader('cache-control', 'max-age=600').setHeader('vary', 'accept-language').setHeader('cache-tag', 'a,b').end('page')
	})
	for (let i = 0; i < 3; i++) await get('/a', { headers: { 'accept-language': 'de' } })
	await get('/a', { headers: { 'accept-language': 'en' } })
	await get('/private')
	const all = await node.ok('GET', '/v1/cache')
	assert.equal(all.on, true)
	assert.equal(all.memory.objects, 2)
	assert.deepEqual(all.requests, { hits: 2, stale: 0, validated: 0, misses: 3, passed: 0, collapsed: 0 })
	assert.equal(all.hit_ratio, 0.4)
	assert.deepEqual(all.not_stored.map(r => [r.reason, r.answers]), [['private', 1]])
	assert.deepEqual(all.sites, [{ name: 'default', requests: all.requests, hit_ratio: 0.4, not_stored: all.not_stored }])
	assert.deepEqual(all.top, [{ url: 'shop.example/a', hits: 2, bytes: 4 }])
	const a = await node.ok('GET', '/v1/explain?url=http%3A%2F%2Fshop.example%2Fx%2F..%2Fa')
	assert.equal(a.url, 'http://shop.example/a')
	assert.deepEqual(a.cache.stored.map(s => [s.status, s.state, s.lifetime_s, s.tags, s.vary]), ['en', 'de'].map(value => [200, 'fresh', 600, 2, [{ field: 'accept-language', value }]]))
	const mine = await node.ok('GET', '/v1/explain?url=shop.example/private')
	assert.deepEqual([mine.cache.stored, mine.cache.refused_because], [[], 'private'])
	assert.match(mine.cache.refused_text, /for one client/)
	assert.match((await node.ok('GET', '/v1/explain?url=shop.example/a%252f..%252fb')).refused, /./)
	assert.equal((await node.api('GET', '/v1/explain?url=')).status, 400)
	assert.equal(await node.metric('er_cache_not_stored_total', { reason: 'private' }), 1)
})

test('a purge takes the parts that are stored by themselves, and explain shows them', async t => {
	const { node, get } = await withStore(t, (req, res) => {
		const [, from, last] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range).map(Number)
		res.writeHead(206, { 'cache-control': 'max-age=600', etag: '"1"', 'cache-tag': 'films', 'content-range': `bytes ${from}-${last}/1000`, 'content-length': last - from + 1 })
		res.end(Buffer.alloc(last - from + 1, 'x'))
	})
	const ranges = ['bytes=0-99', 'bytes=500-599']
	const look = async () => (await Promise.all(ranges.map(range => get('/film', { headers: { range } })))).map(res => /; hit;/.test(status(res)))
	await look()
	assert.deepEqual(await look(), [true, true])
	const { cache } = await node.ok('GET', '/v1/explain?url=http%3A%2F%2Fshop.example%2Ffilm')
	assert.deepEqual(cache.stored.map(s => [s.status, s.bytes, s.parts, s.vary[0].value]).sort(), ranges.map(value => [206, 100, [], value]))
	for (const what of [{ urls: ['http://shop.example/film'] }, { prefixes: ['shop.example/fi'] }, { tags: ['films'] }, { hosts: ['shop.example'] }, { everything: true }]) {
		await node.ok('POST', '/v1/purge', what)
		assert.deepEqual(await look(), [false, false], JSON.stringify(what))
		assert.deepEqual(await look(), [true, true])
	}
	await node.ok('POST', '/v1/purge', { urls: ['http://shop.example/film'], soft: true })
	assert.deepEqual(await look(), [false, false], 'what is stale of them is asked for again')
})

test('a token that may only read, or only deploy a routine of its own, cannot purge', async t => {
	const { node } = await withStore(t, (req, res) => res.end())
	const refused = []
	for (const body of [{ name: 'reader', role: 'read' }, { name: 'confined', role: 'deploy', routines: ['shop'] }]) {
		const { token } = await node.ok('POST', '/v1/tokens', body)
		const res = await raw.request(node.adminPort, '/v1/purge', { method: 'POST', body: '{"everything": true}', headers: { authorization: `Bearer ${token}` } })
		refused.push(res.status)
	}
	assert.deepEqual(refused, [403, 403])
})

test('what was purged stays purged over a restart and a kill, and the rest is there', async t => {
	let n = 0
	const origin = await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=6000').setHeader('cache-tag', req.url.slice(1, 4)).end(`${++n}`))
	t.after(() => origin.close())
	const dir = tempDir('er-purge-')
	t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
	const config = { origin: origin.url, threads: 1, cache: { disk: [{ path: path.join(dir, 'file'), sizeMb: 64 }] } }
	let node = await startStore({ config })
	t.after(() => node.child.kill('SIGKILL'))
	const data = node.data
	const get = target => raw.request(node.port, target, { host: 'shop.example' })
	for (const target of ['/red/1', '/red/2', '/sky/1', '/sky/2']) await get(target)
	await raw.until(async () => (await node.metric('er_cache_disk_records')) >= 4, { what: 'all on the disk' })
	await node.ok('POST', '/v1/purge', { tags: ['red'] })
	await node.ok('POST', '/v1/purge', { urls: ['shop.example/sky/2'] })
	for (const end of ['stop', 'kill']) {
		if (end === 'stop') await node.stop()
		else {
			node.signal('SIGKILL')
			await node.exited
		}
		node = await startStore({ config, data })
		await raw.until(async () => (await node.metric('er_cache_disk_files')) >= 1, { what: 'the file' })
		await raw.until(async () => /; hit;/.test(status(await get('/sky/1'))), { what: 'what was not purged' })
		if (end === 'stop') for (const target of ['/red/1', '/red/2', '/sky/2']) assert.doesNotMatch(status(await get(target)), /; hit;/, target)
		else for (const target of ['/red/1', '/red/2', '/sky/2']) assert.ok(Number((await get(target)).text) > 4, 'never the old one')
	}
	await node.stop()
	node.forget()
})

test('what was purged stays purged when its file was not configured for a while', async t => {
	let n = 0
	const origin = await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=6000').end(`${++n}`))
	t.after(() => origin.close())
	const dir = tempDir('er-purge-')
	t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
	const common = { origin: origin.url, threads: 1 }
	const config = { ...common, cache: { disk: [{ path: path.join(dir, 'file'), sizeMb: 64 }] } }
	let node = await startStore({ config })
	t.after(() => node.child.kill('SIGKILL'))
	const data = node.data
	const get = target => raw.request(node.port, target, { host: 'shop.example' })
	for (const target of ['/old', '/kept']) await get(target)
	await raw.until(async () => (await node.metric('er_cache_disk_records')) >= 2, { what: 'all on the disk' })
	await node.ok('POST', '/v1/purge', { urls: ['shop.example/old'] })
	await node.stop()
	node = await startStore({ config: { ...common, cache: { disk: [] } }, data })
	assert.equal(await node.metric('er_cache_disk_files'), 0)
	await node.stop()
	node = await startStore({ config, data })
	await raw.until(async () => (await node.metric('er_cache_disk_files')) >= 1, { what: 'the file' })
	await raw.until(async () => /; hit;/.test(status(await get('/kept'))), { what: 'what was not purged' })
	assert.doesNotMatch(status(await get('/old')), /; hit;/)
	await node.stop()
	node.forget()
})
