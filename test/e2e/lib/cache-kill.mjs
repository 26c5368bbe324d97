// Nodes with a cache file that are killed while they fill it, again and again. Every answer is
// looked at to its last byte: it must be what the origin says of that page, in a version that no
// request had made void before.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { startNode, tempDir } from './node.mjs'
import { startOrigin } from './origin.mjs'
import { connect, bytesOf, request, sleep, until } from './raw.mjs'

const PAGES = 400
const CLIENTS = 6

/** Body of a page in a version. Its period is no divisor of anything that a file is cut into. */
const bodyOf = (page, version) => Buffer.alloc(sizeOf(page), `page ${page} in version ${version}, again and again. `)
const sizeOf = page => (page % 9 === 0 ? 300000 + page * 1999 : page % 3 === 0 ? 60000 + page * 100 : 50 + page * 7)

/** Everything the test knows of its pages: the version that the origin gives, and the oldest that
 * may be served. */
class Pages {
	now = new Array(PAGES).fill(1)
	least = new Array(PAGES).fill(1)
	hits = 0
	answers = 0
	cut = 0

	serve(req, res) {
		const page = Number(/^\/(\d+)$/.exec(req.url)[1])
		if (req.method === 'POST') {
			this.now[page]++
			res.end('done')
			return
		}
		const version = this.now[page]
		res.writeHead(200, { 'cache-control': 'max-age=1000', etag: `"${page}-${version}"`, 'x-version': version, 'content-length': sizeOf(page) })
		res.end(bodyOf(page, version))
	}

	/** One request, on a connection that may be cut by a kill. */
	async get(port, page, range) {
		const least = this.least[page]
		const headers = range ? { range: `bytes=${range[0]}-${range[1]}` } : {}
		const res = await request(port, `/${page}`, { host: 'site.example', headers })
		this.answers++
		const version = Number(res.headers['x-version'])
		assert.ok(version >= least, `page ${page}: version ${version} was void before, the oldest that is not is ${least}`)
		const whole = bodyOf(page, version)
		// What is not stored whole yet is given whole, as the origin gives it.
		const expected = res.status === 206 ? whole.subarray(range[0], range[1] + 1) : whole
		assert.ok(res.status === 200 || (range && res.status === 206), `status ${res.status}`)
		assert.ok(res.body.equals(expected), `page ${page}: not the bytes of version ${version}`)
		if (/; hit/.test(res.headers['cache-status'])) this.hits++
	}

	/** The page changes; what was stored of it is void as soon as this is answered. `sure`: also
	 * after a kill. */
	async change(port, page, sure) {
		const c = await connect(port)
		try {
			c.send(bytesOf(`/${page}`, { method: 'POST', host: 'site.example', body: 'x', keepAlive: false }))
			await c.response({ method: 'POST' })
			this.least[page] = this.now[page]
			sure.push(page)
		} finally {
			c.close()
		}
	}
}

const random = n => Math.floor(Math.random() * n)

/** Asks for pages, and changes some, until `over()`. What a kill cuts is not an error. */
async function client(pages, node, over, changed) {
	while (!over()) {
		const page = random(PAGES)
		const from = random(sizeOf(page) - 1)
		try {
			if (random(12) === 0) await pages.change(node.port, page, changed)
			else if (random(5) === 0) await pages.get(node.port, page, [from, Math.min(sizeOf(page) - 1, from + random(200000))])
			else await pages.get(node.port, page)
		} catch (e) {
			if (e instanceof assert.AssertionError) throw e
			pages.cut++
			if (!over()) await sleep(5)
		}
	}
}

/** Fills a cache file and kills the node, `rounds` times. → what was seen */
export async function killWhileFilling({ rounds, onRound = () => {} }) {
	const dir = tempDir('er-cache-kill-')
	const pages = new Pages()
	const origin = await startOrigin((req, res) => pages.serve(req, res))
	const config = { origin: origin.url, threads: 2, cache: { memoryMb: 4, disk: [{ path: path.join(dir, 'cache'), sizeMb: 64 }] } }
	const seen = { damaged: 0, found: 0 }
	try {
		for (let round = 0; round < rounds; round++) {
			const node = await startNode({ config })
			let over = false
			const changed = []
			const before = [...pages.least]
			const clients = Array.from({ length: CLIENTS }, () => client(pages, node, () => over, changed))
			const working = Promise.all(clients)
			working.catch(() => (over = true))
			await sleep(random(600))
			if (round % 2 === 0) {
				// In good order: what was made void is so for good.
				over = true
				await working
				await until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
			}
			seen.damaged += await node.metric('er_cache_disk_damaged_total')
			seen.found += await node.metric('er_cache_disk_requests_total', { result: 'hit' })
			over = true
			node.signal('SIGKILL')
			await node.exited
			await working
			// The last drops may not have been written: of these pages the version before may come
			// back.
			if (round % 2 === 1) for (const page of changed) pages.least[page] = before[page]
			assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error|out of service|begins empty/)
			node.kill()
			onRound(round, pages)
		}
	} finally {
		await origin.close()
		fs.rmSync(dir, { recursive: true, force: true })
	}
	return { ...seen, hits: pages.hits, answers: pages.answers, cut: pages.cut }
}
