// Nodes with a data folder and a cache file that are killed while they fill the file and purge it,
// again and again: bodies of any size that come in parts or break off, purges by URL, prefix, tag,
// host and site, and files that have another size after each start. Every answer is looked at to
// its last byte. What a purge has answered for is gone for good, whatever happens afterwards.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { tempDir } from './node.mjs'
import { startStore } from './deploy.mjs'
import { startOrigin } from './origin.mjs'
import { Gone, connect, bytesOf, request, sleep, until } from './raw.mjs'

const PAGES = 300
const HOST = 'shop.example'
const random = n => Math.floor(Math.random() * n)
const pick = list => list[random(list.length)]

const urlOf = page => `/p${page % 7}/${page}`
const sizes = Array.from({ length: PAGES }, (_, page) => (page % 11 === 0 ? 1_000_000 + random(6_000_000) : page % 3 === 0 ? random(400_000) : random(20_000)))
const bodyOf = (page, version) => Buffer.alloc(sizes[page], `page ${page} in version ${version}, again and again. `)

class World {
	now = new Array(PAGES).fill(1)
	/** The oldest version that may be served: by what a node that lives has answered for, and by
	 * what purges have, for good. */
	least = new Array(PAGES).fill(1)
	purged = new Array(PAGES).fill(1)
	/** What made the page void last, for people. */
	why = new Array(PAGES).fill('')
	seen = { answers: 0, hits: 0, cut: 0, purges: 0, changes: 0, damaged: 0, found: 0 }

	async serve(req, res) {
		const page = Number(/(\d+)$/.exec(req.url)[1])
		if (req.method === 'POST') return void res.writeHead(200, { 'x-version': ++this.now[page] }).end('done')
		const version = this.now[page]
		const body = bodyOf(page, version)
		const head = { 'cache-control': 'max-age=1000, stale-if-error=1000', 'cache-tag': `t${page % 10}, all`, 'x-version': version }
		if (page % 2) head.etag = `"${page}-${version}"`
		if (page % 5) head['content-length'] = body.length
		res.writeHead(200, head)
		const breaks = random(15) === 0 ? random(body.length + 1) : -1
		for (let at = 0; at < body.length && !res.destroyed;) {
			const n = 1 + random(300_000)
			if (breaks >= 0 && at >= breaks) return void res.destroy()
			if (!res.write(body.subarray(at, at + n))) await Promise.race([new Promise(f => res.once('drain', f)), sleep(50)])
			if (random(4) === 0) await sleep(random(5))
			at += n
		}
		res.end()
	}

	async get(port, page, range) {
		const least = this.least[page]
		let res
		try {
			res = await request(port, urlOf(page), { host: HOST, headers: range ? { range: `bytes=${range[0]}-${range[1]}` } : {} })
		} catch (e) {
			if (!(e instanceof Gone)) throw e
			this.seen.cut++
			return
		}
		this.seen.answers++
		if (res.status === 502) return
		const version = Number(res.headers['x-version'])
		assert.ok(version >= least, `page ${page}: version ${version} was void, the oldest that is not is ${least} (${this.why[page]}; asked ${range ?? 'for all'}, in round ${this.round} got ${res.status} ${JSON.stringify(res.headers)})`)
		const whole = bodyOf(page, version)
		assert.ok(res.status === 200 || (range && res.status === 206), `status ${res.status}`)
		assert.ok(res.body.equals(res.status === 206 ? whole.subarray(range[0], range[1] + 1) : whole), `page ${page}: not the bytes of version ${version}`)
		if (/; hit/.test(res.headers['cache-status'])) this.seen.hits++
	}

	async change(port, page) {
		const c = await connect(port)
		try {
			c.send(bytesOf(urlOf(page), { method: 'POST', host: HOST, body: 'x', keepAlive: false }))
			const res = await c.response({ method: 'POST' })
			this.least[page] = Math.max(this.least[page], Number(res.headers['x-version']))
			this.why[page] = `POST in round ${this.round}`
			this.seen.changes++
		} finally {
			c.close()
		}
	}

	/** A purge, and the pages that it is of. */
	async purge(node) {
		const page = random(PAGES)
		const all = Array.from({ length: PAGES }, (_, i) => i)
		const [body, pages] = pick([
			[{ urls: [`http://${HOST}${urlOf(page)}`] }, [page]],
			[{ urls: [`http://${HOST}${urlOf(page)}`] }, [page]],
			[{ prefixes: [`${HOST}/p${page % 7}/`] }, all.filter(i => i % 7 === page % 7)],
			[{ tags: [`t${page % 10}`] }, all.filter(i => i % 10 === page % 10)],
			[{ hosts: [HOST] }, all],
			[{ sites: ['shop'] }, all],
		])
		const versions = pages.map(i => ++this.now[i])
		await node.ok('POST', '/v1/purge', body)
		for (const [i, p] of pages.entries()) {
			this.least[p] = Math.max(this.least[p], versions[i])
			this.purged[p] = Math.max(this.purged[p], versions[i])
			this.why[p] = `purge of ${Object.keys(body)} in round ${this.round}`
		}
		this.seen.purges++
	}
}

/** Does things until `over()`. What a kill cuts is not an error. */
async function client(world, node, over) {
	while (!over()) {
		const page = random(PAGES)
		const from = random(Math.max(1, sizes[page] - 1))
		try {
			const what = random(40)
			if (what === 0) await world.purge(node)
			else if (what < 3) await world.change(node.port, page)
			else if (what < 10 && sizes[page] > 1) await world.get(node.port, page, [from, Math.min(sizes[page] - 1, from + random(200_000))])
			else await world.get(node.port, page)
		} catch (e) {
			if (e instanceof assert.AssertionError) throw e
			world.seen.cut++
			if (!over()) await sleep(5)
		}
	}
}

/** Kills a node `rounds` times. → what was seen */
export async function killWhilePurging({ rounds, onRound = () => {} }) {
	const dir = tempDir('er-cache-mixed-')
	const world = new World()
	const second = random(2) === 0
	const origin = await startOrigin((req, res) => void world.serve(req, res).catch(() => res.destroy()))
	try {
		for (let round = 0; round < rounds; round++) {
			const disk = [{ path: path.join(dir, 'cache'), sizeMb: pick([64, 64, 96, 128]) }]
			if (second) disk.push({ path: path.join(dir, 'second'), sizeMb: 64 })
			const node = await startStore({
				data: path.join(dir, 'data'),
				config: { threads: 2, limits: { perAddress: 0 }, sandbox: { pool: 0 }, cache: { memoryMb: pick([4, 8]), disk }, sites: [{ name: 'shop', hosts: [HOST], origin: origin.url }] },
			})
			const before = [...world.least]
			world.round = round
			let over = false
			const working = Promise.all(Array.from({ length: 6 }, () => client(world, node, () => over)))
			working.catch(() => (over = true))
			await sleep(random(700))
			const orderly = round % 3 === 0
			if (orderly) {
				over = true
				await working
				await until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
			}
			world.seen.damaged += await node.metric('er_cache_disk_damaged_total')
			world.seen.found += await node.metric('er_cache_disk_requests_total', { result: 'hit' })
			over = true
			node.signal('SIGKILL')
			await node.exited
			await working
			// What a POST made void may come back if it was not on the disk yet; what was purged
			// does not.
			if (!orderly) for (let i = 0; i < PAGES; i++) world.least[i] = Math.max(before[i], world.purged[i])
			assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error|out of service/)
			node.kill()
			onRound(round, world.seen)
		}
	} finally {
		await origin.close()
		fs.rmSync(dir, { recursive: true, force: true })
	}
	return world.seen
}
