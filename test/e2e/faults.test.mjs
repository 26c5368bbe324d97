// A whole node in front of an origin that is slow, lies, breaks off, or is not there: each fault
// has its documented answer (docs/operators.md, "When an origin fails"), nobody gets a wrong byte
// or half an answer for a whole one, nothing of it is stored or leaks, and everybody else is served
// meanwhile.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { startNode, tempDir, sanitized } from './lib/node.mjs'
import { bodyOf, faults, startBad } from './lib/bad-origin.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

const MB = 1024 * 1024
const CLIENTS = 4
const status = res => res.headers['cache-status'] ?? ''
const hit = res => /^EdgeRoutine; hit/.test(status(res))

/** One request, to its visible end: a response, with `cut` true if its body broke off. */
export async function ask(port, target, { host = 'shop.example', timeout = 20000, ...more } = {}) {
	const c = await raw.connect(port, { timeout })
	try {
		c.send(raw.bytesOf(target, { host, keepAlive: false, ...more }))
		let head
		do head = await c.head()
		while (head.status < 200)
		let body, cut = false
		try {
			if (/chunked/.test(head.headers['transfer-encoding'] ?? '')) [body] = await c.chunks()
			else if (head.headers['content-length'] !== undefined) body = await c.exactly(Number(head.headers['content-length']))
			else throw new Error(`neither a length nor chunks: ${JSON.stringify(head)}`)
		} catch (e) {
			if (!(e instanceof raw.Gone)) throw e
			cut = true
		}
		return { ...head, cut, text: body?.toString() ?? '' }
	} finally {
		c.close()
	}
}

const every = (n, one) => Promise.all(Array.from({ length: n }, (_, i) => one(i)))

/** What a client got is what is documented of that fault. */
function expected(name, res, want, target) {
	const what = `${name}: ${res.status} ${res.headers['er-error'] ?? ''} ${status(res)} ${res.text.slice(0, 200)}`
	assert.equal(res.status, want.status ?? 200, what)
	assert.equal(res.cut, want.cut ?? false, what)
	if (want.error) {
		assert.match(res.headers['er-error'], new RegExp(`^${want.error}(;|$)`), what)
		assert.match(res.text, want.text, what)
	} else if (!want.cut) {
		assert.equal(res.text, bodyOf(target), what)
	}
	if (!want.any) assert.match(status(res), /^EdgeRoutine; fwd=/, what)
	if (want.error) assert.doesNotMatch(status(res), /stored|fwd-status/, what)
}

/** Asks for pages that have nothing to do with it, until the end, which says how many
 * there were. */
function healthy(node, path = '/well') {
	let over = false, n = 0
	const one = async i => {
		for (; !over; await raw.sleep(5)) {
			const target = `${path}/${i}/${n % 7 === 0 ? n : 0}`
			const res = await ask(node.port, target)
			assert.equal(res.status, 200, res.text)
			assert.equal(res.text, bodyOf(target))
			n++
		}
	}
	const all = every(2, one)
	all.catch(() => {})
	return async () => {
		over = true
		await all
		return n
	}
}

/** A node whose cache is in memory and in a file, and the origin's times are short. */
async function place(t, { origin, config = {}, ...options } = {}) {
	const dir = tempDir('er-faults-')
	const o = origin ?? (await startBad())
	const start = () =>
		startNode({
			...options,
			config: {
				threads: 2,
				sites: [{ name: 'shop', hosts: ['shop.example'], origin: { servers: [o.url], connectMs: 1000, headMs: 1000, idleMs: 700 } }],
				cache: { memoryMb: 16, disk: [{ path: path.join(dir, 'disk/cache'), sizeMb: 64 }] },
				limits: { perAddress: 0 },
				sandbox: { pool: 0 },
				...config,
			},
		})
	const nodes = []
	const self = { dir, origin: o, start: async () => nodes[nodes.push(await start()) - 1] }
	t.after(async () => {
		for (const node of nodes) node.kill()
		await o.close()
		fs.rmSync(dir, { recursive: true, force: true })
		for (const node of nodes) assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return self
}

const written = node => raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes' })
const known = node => raw.until(async () => (await node.metric('er_cache_disk_max_bytes')) > 0 && (await node.metric('er_cache_disk_records')) > 0, { what: 'the records of the file' })

/** What a node holds when nobody asks for anything. */
async function held(node) {
	await raw.until(async () => (await node.metric('er_connections')) === 0, { what: 'the end of all connections' })
	return { fds: proc.fds(node.pid).length, anonymous: proc.memory(node.pid).anonymous, threads: proc.threads(node.pid).length }
}

test('whatever an origin does wrong, clients get the documented answer, nothing of it is stored, and the rest is served', async t => {
	const { origin, start } = await place(t)
	let node = await start()
	const names = Object.keys(faults)
	const asked = target => origin.asked.filter(a => a.endsWith(` GET ${target}`)).length
	// What is stored before the origin falls ill.
	origin.ill = false
	for (const name of names) expected(name, await ask(node.port, `/${name}/stale`), {}, `/${name}/stale`)
	origin.ill = true
	const stop = healthy(node)
	await Promise.all(names.map(async name => {
		const [, want] = faults[name]
		// Many at once, of one page that nobody has: one question, and one answer for all.
		const target = `/${name}/cold`
		const all = await every(CLIENTS, () => ask(node.port, target))
		for (const res of all) expected(name, res, want, target)
		if (want.error) {
			assert.equal(all.filter(res => /; collapsed/.test(status(res))).length, CLIENTS - 1, name)
			assert.ok(asked(target) <= 2, `${name}: asked ${asked(target)} times`)
		}
		// Of a page that is stored: what is stale is used, if the origin allowed that and no head
		// came. A body that breaks off is seen to.
		const old = `/${name}/stale`
		const stale = await ask(node.port, old)
		expected(name, stale, want.error ? {} : want, old)
		if (want.error) assert.match(status(stale), /; fwd=stale; ttl=-?\d+$/, name)
	}))
	assert.ok((await stop()) > 50)
	// The origin is well again: everything is to be had, whole, and only now it is stored.
	origin.ill = false
	for (const name of names) {
		const [, want] = faults[name]
		const target = `/${name}/cold`
		const first = await ask(node.port, target)
		expected(name, first, hit(first) ? { any: true } : {}, target)
		assert.equal(hit(first), !want.error && !want.cut, `${name}: ${status(first)}`)
		assert.ok(hit(await ask(node.port, target)), name)
	}
	// The same from the file, by another process, and nothing that is half.
	await written(node)
	await node.stop()
	node = await start()
	await known(node)
	for (const name of names) {
		const res = await ask(node.port, `/${name}/cold`)
		assert.equal(res.text, bodyOf(`/${name}/cold`))
		assert.ok(hit(res), `${name}: ${status(res)}`)
	}
	await node.stop()
})

test('faults that come again and again leave nothing behind: no descriptor, no memory, no connection', { timeout: 120000 }, async t => {
	const { origin, start } = await place(t)
	const node = await start()
	const names = Object.keys(faults)
	const round = i => Promise.all(names.map(name => every(2, () => ask(node.port, `/${name}/${i}`))))
	const stop = healthy(node)
	for (let i = 0; i < 4; i++) await round(i)
	await stop()
	const before = await held(node)
	const again = healthy(node)
	for (let i = 4; i < 12; i++) await round(i)
	// Clients that leave while the origin does not answer, and while it does.
	await every(60, async i => {
		const c = await node.connect()
		c.send(raw.bytesOf(`/${names[i % names.length]}/left/${i}`, { host: 'shop.example' }))
		await raw.sleep(10 + i)
		c.close()
	})
	await again()
	await raw.sleep(1500) // questions that nobody waits for any more have their time as well
	const after = await held(node)
	// Connections to the origin are kept, as many as before, about.
	assert.ok(after.fds <= before.fds + 16, `${after.fds} descriptors, ${before.fds} before`)
	assert.equal(after.threads, before.threads)
	if (!sanitized) assert.ok(after.anonymous - before.anonymous < 12 * MB, `${(after.anonymous - before.anonymous) / MB} MB more`)
	assert.equal(origin.ill, true)
	// The operator reads what is wrong, how often, and what to do: not a line for each.
	const lines = node.err.filter(l => /failed \(/.test(l))
	assert.ok(lines.length >= 1 && lines.length <= 20, `${lines.length} lines`)
	assert.match(lines[0], new RegExp(`127\\.0\\.0\\.1:${origin.port} failed \\([a-z-]+, request [0-9a-f]{16}\\): .+\\. .+`))
	await node.stop()
})

test('what is stored and stale outlives a body that breaks off', async t => {
	const { origin, start } = await place(t, { config: { cache: { memoryMb: 16 } } })
	const node = await start()
	const target = '/resets-in-body/stale/1'
	origin.ill = false
	await ask(node.port, target)
	origin.ill = true
	const cut = await ask(node.port, target)
	assert.ok(cut.cut)
	await origin.close()
	const spared = await ask(node.port, target)
	assert.ok(spared.status === 200 && !spared.cut && spared.text === bodyOf(target), `${spared.status} ${status(spared)}`)
	await node.stop()
})
