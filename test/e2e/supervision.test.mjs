// What the node does to instances by itself: whose CPU is whose, who is tried again, what ends
// when, and what all of that leaves behind.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { startNode, sanitized, er } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

/** A node, what is done with it, and its end. */
async function withNode(options, use) {
	const node = await startNode({ cpuMs: 0, ...options })
	try {
		await use(node)
	} catch (e) {
		node.kill()
		throw e
	}
	await node.stop()
	assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
}

const reload = async node => {
	const n = node.err.filter(l => /reloaded/.test(l)).length
	node.signal('SIGHUP')
	await raw.until(() => node.err.filter(l => /reloaded/.test(l)).length > n, { what: 'the reload' })
}

const neighbour = 'addEventListener("fetch", e => e.respondWith(new Response("well")))'

// ?turns=T&n=N: N rounds of work in each of T turns, with a short rest between; ?wait=MS:
// rests only.
const burner = `
	let x = 0
	const burn = n => { for (let i = 0; i < n; i++) x = (x * 31 + i) | 0 }
	const rest = ms => new Promise(r => setTimeout(r, ms))
	let ran = 0
	addEventListener("fetch", e => e.respondWith((async () => {
		const q = new URL(e.request.url).searchParams
		if (q.get("kill")) for (;;) ;
		if (q.get("wait")) await rest(Number(q.get("wait")))
		for (let t = 0; t < Number(q.get("turns") ?? 0); t++) { burn(Number(q.get("n"))); await rest(4) }
		return new Response(String(++ran))
	})()))`

/** Rounds of burner's work that take so many milliseconds here and now, measured by the node. */
async function roundsOf(node, ms) {
	const n = 4e6
	for (let i = 0; i < 3; i++) assert.equal((await node.get('measure', `/?turns=2&n=${n}`)).status, 200)
	const records = await raw.until(() => {
		const r = node.access.filter(a => a.routine === 'measure')
		return r.length >= 3 && r
	}, { what: 'the access log' })
	const best = Math.min(...records.slice(1).map(r => r.cpu_us ?? r.cpu_ms * 1000))
	assert.ok(best > 0, JSON.stringify(records[0]))
	return Math.round((ms * 1000 * 2 * n) / best)
}

test('each request pays for its own turns: two within their limit end well side by side, a third beyond it ends alone', { timeout: 60000 }, async () => {
	const routines = { burner: { source: burner, limits: { cpuMs: 200 } }, measure: { source: burner, limits: { cpuMs: 1000 } } }
	await withNode({ routines, config: { sandbox: { pool: 3 } } }, async node => {
		const part = await roundsOf(node, 15)
		const pair = await Promise.all([1, 2].map(() => node.get('burner', `/?turns=8&n=${part}`)))
		assert.deepEqual(pair.map(r => [r.status, r.headers['er-error']]), [[200, undefined], [200, undefined]], '120 ms each, 240 together, limit 200')
		assert.deepEqual(pair.map(r => r.text).sort(), ['1', '2'], 'in one instance')
		const [third, ...others] = await Promise.all([
			node.get('burner', `/?turns=60&n=${part}`),
			node.get('burner', '/?wait=30&turns=2&n=1000'),
			node.get('burner', '/?wait=2500'),
		])
		assert.equal(third.status, 599)
		const [, used, limit] = /^cpu; used=(\d+)ms; limit=(\d+)ms; budget=request$/.exec(third.headers['er-error'])
		assert.equal(limit, '200')
		assert.ok(used >= 200 && used < 1000, `charged ${used} ms`)
		assert.deepEqual(others.map(r => r.status), [200, 200], 'the others were answered, before or by another instance')
	})
})

test('a request that had nothing to do with the end of its instance is tried again; one whose upload was read is told so', { timeout: 60000 }, async () => {
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		const u = new URL(e.request.url)
		if (u.pathname === "/kill") for (;;) ;
		if (u.pathname === "/read") await e.request.text()
		await new Promise(r => setTimeout(r, 400))
		return new Response("fine") })()))`
	await withNode({ routines: { a: source }, config: { sandbox: { pool: 3 } } }, async node => {
		await node.get('a', '/')
		const innocent = node.get('a', '/')
		const reader = node.get('a', '/read', { method: 'POST', body: 'x'.repeat(20000) })
		await raw.sleep(100)
		const killer = await node.get('a', '/kill')
		assert.equal(killer.status, 599)
		assert.match(killer.headers['er-error'], /^cpu;/)
		assert.deepEqual([(await innocent).status, (await innocent).text], [200, 'fine'])
		assert.equal((await reader).status, 599)
		assert.match((await reader).text, /another request/)
	})
})

test('a death for want of memory is called that, however it ends; a crash is a crash, also of one that was refused memory before', { skip: sanitized, timeout: 60000 }, async () => {
	const source = 'addEventListener("fetch", e => { const a = new URL(e.request.url).searchParams.get("attack"); if (a) __er_attack(a); e.respondWith(new Response("alive")) })'
	const grow = 'addEventListener("fetch", e => { const a = []; for (;;) a.push(new Array(1e4).fill(a.length)) })'
	const names = ['memory-ours', 'memory-library', 'segv', 'abort', 'illegal', 'refused-before']
	const routines = Object.fromEntries(names.map(n => [n, { source, limits: { memoryMb: 32 } }]))
	await withNode({ routines: { ...routines, grow: { source: grow, limits: { memoryMb: 32, cpuMs: 1000 } } }, env: { ER_ATTACK_HOOKS: '1' } }, async node => {
		for (const n of ['memory-ours', 'memory-library']) {
			const res = await node.get(n, `/?attack=${n}`)
			assert.match(res.headers['er-error'], /^memory; limit=32MB; asked=\d+MB$/, n)
		}
		for (const n of ['segv', 'abort', 'illegal']) assert.match((await node.get(n, `/?attack=${n}`)).headers['er-error'], /^crash/, n)
		assert.equal((await node.get('refused-before', '/?attack=memory-refused')).text, 'alive')
		assert.match((await node.get('refused-before', '/?attack=abort')).headers['er-error'], /^crash/)
		assert.match((await node.get('grow')).headers['er-error'], /^memory;/)
		await raw.until(async () => (await node.metric('er_kills_total', { limit: 'memory' })) === 3, { what: 'three kills for memory' })
		assert.equal(await node.metric('er_kills_total', { limit: 'crash' }), 4)
	})
})

test('when one request runs out of memory the one beside it, older, is not blamed', { timeout: 60000 }, async () => {
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		if (new URL(e.request.url).pathname === "/memory") { const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)) }
		await new Promise(r => setTimeout(r, 700))
		return new Response("fine") })()))`
	await withNode({ routines: { a: { source, limits: { cpuMs: 1000, memoryMb: 64 } } }, config: { sandbox: { pool: 3 } } }, async node => {
		await node.get('a', '/')
		const older = node.get('a', '/')
		await raw.sleep(60)
		const hungry = await node.get('a', '/memory')
		assert.equal(hungry.status, 599)
		assert.match(hungry.headers['er-error'], /^memory; (used=\d+MB; )?limit=64MB(; asked=\d+MB)?$/)
		assert.deepEqual([(await older).status, (await older).text], [200, 'fine'])
		assert.equal(await node.metric('er_kills_total', { limit: 'memory', routine: 'a' }) > 0, true)
	})
})

test('who asks for one buffer that is too large reads how large it was', { timeout: 60000, skip: sanitized && 'the sanitizer gets its memory in other ways' }, async () => {
	const source = 'addEventListener("fetch", e => e.respondWith(new Response(String(new Uint8Array(2000 * 1024 * 1024).length))))'
	await withNode({ routines: { a: { source, limits: { memoryMb: 128 } } } }, async node => {
		const res = await node.get('a', '/')
		assert.equal(res.status, 599)
		assert.match(res.headers['er-error'], /^memory; limit=128MB; asked=20\d\dMB$/)
		await node.logged(/a [0-9a-f]{16} limit: memory; used=0KB; limit=131072KB; asked=20\d{5}KB/)
	})
})

test('the access log has the CPU that a streamed response took after its head', { timeout: 60000 }, async () => {
	const source = `${burner.replace('return new Response(String(++ran))', `let i = 0
		return new Response(new ReadableStream({ async pull(c) {
			if (i++ === 5) return c.close()
			await rest(5); burn(Number(q.get("later"))); c.enqueue(new TextEncoder().encode("part"))
		} }))`)}`
	await withNode({ routines: { streams: { source, limits: { cpuMs: 1000 } }, measure: { source: burner, limits: { cpuMs: 1000 } } } }, async node => {
		const later = await roundsOf(node, 20)
		const c = await node.connect()
		for (let i = 0; i < 2; i++) assert.equal((await c.send(raw.bytesOf(`/?later=${later}`, { host: 'streams.localhost' })).response()).text, 'part'.repeat(5))
		const record = await raw.until(() => node.access.filter(a => a.routine === 'streams')[1], { what: 'the access log' })
		assert.ok(record.cpu_us > 50000, JSON.stringify(record))
	})
})

test('what a request costs in all is in access log and metrics, also what comes after the answer and what a failing one used', { skip: sanitized, timeout: 120000 }, async () => {
	const burn = 'let x = 0\nconst burn = n => { for (let i = 0; i < n; i++) x = (x * 31 + i) | 0 }\nconst rest = ms => new Promise(r => setTimeout(r, ms))\n'
	const after = burn + 'addEventListener("fetch", e => { e.waitUntil((async () => { for (let t = 0; t < 20; t++) { await rest(5); burn(1e6) } })()); e.respondWith(new Response("ok")) })'
	const gone = burn + 'addEventListener("fetch", e => { e.waitUntil((async () => { for (let t = 0; t < 20; t++) { await rest(20); burn(1e6) } })()); e.respondWith(new Promise(r => setTimeout(r, 1e8))) })'
	const thrower = burn + 'addEventListener("fetch", e => e.respondWith((async () => { for (let t = 0; t < 10; t++) { burn(1e6); await rest(2) } throw new Error("late") })()))'
	const killed = burn + 'addEventListener("fetch", e => { e.waitUntil((async () => { await rest(20); for (;;) ; })()); e.respondWith(new Response("ok")) })'
	const bomb = 'addEventListener("fetch", e => { const a = []; for (let i = 0; ; i++) a.push({ i, b: { c: i } }) })'
	const crash = burn + 'addEventListener("fetch", e => { burn(1e7); __er_attack("abort") })'
	const top = burn + 'burn(1e7); throw new Error("top")'
	const cpuMs = 200
	const sources = { after, gone, thrower, killed, bomb, crash, top }
	// A routine that computes for long gets little of a busy machine's time: so each computes for
	// some 50 ms in all, and only the limit of CPU ends one.
	const limits = name => ({ cpuMs, loadCpuMs: 1000, memoryMb: 64, responseMs: name === 'gone' ? 5000 : 100000 })
	const routines = Object.fromEntries(Object.entries(sources).map(([n, source]) => [n, { source, limits: limits(n) }]))
	await withNode({ routines, config: { sandbox: { pool: 2 } }, env: { ER_ATTACK_HOOKS: '1' } }, async node => {
		for (const name of Object.keys(sources)) {
			if (name === 'gone') {
				const c = await node.connect()
				c.send('GET / HTTP/1.1\r\nHost: gone.localhost\r\n\r\n')
				await raw.sleep(100)
				c.close()
			} else await node.get(name)
			const line = await raw.until(() => node.access.find(a => a.routine === name), { timeout: 60000, what: `the access log's line of ${name}` })
			// A line that was written too early has next to none of it.
			const least = name === 'gone' ? 0 : name === 'killed' ? cpuMs * 900 : 10000
			assert.ok(line.cpu_us >= least, `${name}: ${JSON.stringify(line)}`)
			assert.equal(line.running, undefined, name)
			assert.equal(node.access.filter(a => a.routine === name).length, 1, `one line for ${name}`)
			const counted = await node.metric('er_cpu_seconds_sum', { routine: name })
			assert.ok(Math.abs(counted * 1e6 - line.cpu_us) < 2000, `${name}: ${counted} s counted, ${line.cpu_us} us logged`)
		}
	})
})

test('an answer that goes on for longer than responseMs is not cut, and one that falls silent is', { timeout: 60000 }, async () => {
	const source = `const rest = ms => new Promise(r => setTimeout(r, ms))
	addEventListener("fetch", e => {
		const parts = Number(new URL(e.request.url).searchParams.get("parts"))
		let n = 0
		e.respondWith(new Response(new ReadableStream({ async pull(c) {
			if (n++ === parts) return parts === 3 ? new Promise(() => {}) : c.close()
			await rest(300)
			c.enqueue(new TextEncoder().encode("part"))
		} })))
	})`
	await withNode({ routines: { a: { source, limits: { responseMs: 2000, cpuMs: 1000 } } } }, async node => {
		assert.equal((await node.get('a', '/?parts=12', { timeout: 30000 })).text, 'part'.repeat(12))
		const c = await node.connect()
		c.send(raw.bytesOf('/?parts=3', { host: 'a.localhost' }))
		const text = (await c.rest()).toString()
		assert.equal(text.split('part').length, 4)
		assert.doesNotMatch(text, /\r\n0\r\n\r\n$/, 'the client learns that this was not all')
		const lines = await raw.until(() => node.access.filter(a => a.routine === 'a')[1] && node.access.filter(a => a.routine === 'a'), { what: 'the access log' })
		assert.deepEqual([lines[0].cut, lines[1].cut], [undefined, true])
	})
})

test('a routine that goes on computing after its time was up is ended, and the log tells both times in milliseconds', { timeout: 60000 }, async () => {
	const source = 'addEventListener("fetch", e => { for (;;) ; })'
	await withNode({ routines: { a: { source, limits: { cpuMs: 60000, responseMs: 300 } } }, config: { routineLimits: { cpuMs: 60000 } } }, async node => {
		assert.equal((await node.get('a')).status, 504)
		const told = await raw.until(() => node.log.match(/limit: timeout; used=\d+ms; limit=\d+ms/g)?.[1], { timeout: 30000, what: 'the log to tell of the end of the sandbox' })
		assert.match(told, /used=\d{4,5}ms; limit=300ms$/)
	})
})

test('a dozen CPU kills in a few seconds suspend a routine', { timeout: 60000 }, async () => {
	const source = 'addEventListener("fetch", e => { for (;;) ; })'
	await withNode({ routines: { a: { source, limits: { cpuMs: 5 } }, neighbour }, config: { sandbox: { pool: 4 } } }, async node => {
		const statuses = []
		for (let i = 0; i < 30 && statuses.at(-1) !== 598; i++) statuses.push((await node.get('a')).status)
		assert.equal(statuses.at(-1), 598, statuses.join())
		assert.ok(statuses.length >= 12, 'not before')
		assert.equal((await node.get('neighbour')).status, 200)
	})
})

test('an instance without requests ends after idleSeconds, and a new one takes its place', { timeout: 60000 }, async () => {
	const counter = 'let n = 0; addEventListener("fetch", e => e.respondWith(new Response(String(++n))))'
	await withNode({ routines: { idle: { source: counter, limits: { idleSeconds: 1 } }, busy: { source: counter, limits: { idleSeconds: 1 } } } }, async node => {
		await node.get('idle')
		let n = 0
		await raw.until(async () => {
			await node.get('busy')
			n++
			return (await node.metric('er_instances')) === 1
		}, { every: 200, what: 'the end of the idle instance' })
		assert.equal((await node.get('idle')).text, '1')
		assert.equal((await node.get('busy')).text, String(n + 1), 'one with requests stays')
		assert.doesNotMatch(node.log, /crash|suspended/)
	})
})

test('beyond maxInstances the one idle longest makes room; when all are busy the answer is 503', { timeout: 60000 }, async () => {
	const source = `let n = 0; addEventListener("fetch", e => e.respondWith((async () => {
		n++
		if (e.request.url.includes("slow")) await new Promise(r => setTimeout(r, 1500))
		return new Response(String(n)) })()))`
	await withNode({ routines: { a: source, b: source, c: source }, config: { sandbox: { pool: 2, maxInstances: 2 } } }, async node => {
		for (const name of ['a', 'b', 'a', 'c']) assert.equal((await node.get(name)).status, 200)
		assert.equal((await node.get('a')).text, '3', 'a was used later than b and stayed')
		assert.equal((await node.get('c')).text, '2')
		assert.equal((await node.get('b')).text, '1', 'b had made room')
		const slow = [node.get('b', '/slow'), node.get('c', '/slow')]
		await raw.sleep(300)
		const full = await node.get('a')
		assert.equal(full.status, 503)
		assert.match(full.headers['er-error'], /^unavailable; instances/)
		assert.deepEqual((await Promise.all(slow)).map(r => r.status), [200, 200])
		assert.equal((await node.get('a')).status, 200)
	})
})

test('with one instance allowed, requests beside a killed one find the next instance, not "busy"', { timeout: 60000 }, async () => {
	await withNode({ routines: { burner }, config: { sandbox: { pool: 1, maxInstances: 1 } } }, async node => {
		for (let i = 0; i < 3; i++) {
			const waiting = [node.get('burner', '/?wait=300'), node.get('burner', '/?wait=300')]
			await raw.sleep(100)
			assert.equal((await node.get('burner', '/?kill=1')).status, 599)
			assert.deepEqual((await Promise.all(waiting)).map(r => r.status), [200, 200])
		}
	})
})

const streamer = text => `addEventListener("fetch", e => {
	const enc = new TextEncoder()
	const u = new URL(e.request.url)
	if (u.pathname === "/later") {
		e.waitUntil(new Promise(r => setTimeout(r, 1200)).then(() => fetch(u.searchParams.get("to"))))
		return e.respondWith(new Response("accepted"))
	}
	if (u.pathname !== "/stream") return e.respondWith(new Response("${text}"))
	let i = 0
	e.respondWith(new Response(new ReadableStream({ async pull(c) {
		if (i++ === 10) return c.close()
		await new Promise(r => setTimeout(r, 100))
		c.enqueue(enc.encode("${text}"))
	} })))
})`

test('a reload lets a stream and waitUntil work of the old version end, then the old version ends', { timeout: 60000 }, async () => {
	const origin = await startOrigin((req, res) => res.end('noted'))
	try {
		const routine = source => ({ source, allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 300 } })
		await withNode({ routines: { a: routine(streamer('one')) } }, async node => {
			const stream = node.get('a', '/stream')
			assert.equal((await node.get('a', `/later?to=${encodeURIComponent(origin.url + '/old')}`)).text, 'accepted')
			fs.writeFileSync(path.join(node.dir, 'a.js'), streamer('two'))
			await reload(node)
			assert.equal((await node.get('a')).text, 'two')
			assert.equal((await stream).text, 'one'.repeat(10))
			await raw.until(() => origin.requests.some(r => r.url === '/old'), { what: "the old version's waitUntil" })
			await raw.until(async () => (await node.metric('er_instances')) === 1, { what: 'the end of the old version' })
			assert.equal((await node.get('a')).text, 'two')
		})
	} finally {
		await origin.close()
	}
})

test('a node that is told to stop lets waitUntil work end', { timeout: 60000 }, async () => {
	const origin = await startOrigin((req, res) => res.end('noted'))
	try {
		await withNode({ routines: { a: { source: streamer('one'), allowAddresses: ['127.0.0.0/8'] } } }, async node => {
			assert.equal((await node.get('a', `/later?to=${encodeURIComponent(origin.url + '/last')}`)).text, 'accepted')
			await node.stop()
			assert.ok(origin.requests.some(r => r.url === '/last'), 'it was done before the node ended')
		})
	} finally {
		await origin.close()
	}
})

test('a version that is replaced before it got a sandbox, and whose client waits until the end, does not harm the node', { timeout: 60000 }, async () => {
	await withNode({ routines: { a: { source: streamer('one'), limits: { responseMs: 700 } }, neighbour }, config: { sandbox: { pool: 0 } } }, async node => {
		const spawner = proc.children(node.pid)[0]
		process.kill(spawner, 'SIGSTOP')
		try {
			const waits = node.get('a')
			await raw.sleep(100)
			fs.writeFileSync(path.join(node.dir, 'a.js'), streamer('two'))
			await reload(node)
			assert.equal((await waits).status, 504)
			const leaves = await node.connect()
			leaves.send(raw.bytesOf('/', { host: 'a.localhost' }))
			await raw.sleep(50)
			fs.writeFileSync(path.join(node.dir, 'a.js'), streamer('three'))
			await reload(node)
			leaves.close()
			await raw.sleep(1200)
		} finally {
			process.kill(spawner, 'SIGCONT')
		}
		assert.equal((await node.get('a')).text, 'three')
		assert.equal((await node.get('neighbour')).text, 'well')
		await raw.until(async () => (await node.metric('er_instances')) === 2, { what: 'the end of the versions that never ran' })
	})
})

test('a node whose spawner dies says so, answers what it can and ends with status 1, so that its supervisor starts another', { timeout: 60000 }, async () => {
	const origin = await startOrigin((req, res) => {
		if (req.url === '/slow') setTimeout(() => res.end('from the origin'), 1500)
		else res.end('quick')
	})
	const node = await startNode({ cpuMs: 0, routines: { burner, neighbour }, config: { origin: origin.url } })
	try {
		await node.get('neighbour')
		const runs = node.get('burner', '/?wait=10000')
		const passes = node.get('other.example', '/slow')
		const admin = await raw.connect(node.adminPort)
		admin.send('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
		assert.equal((await admin.response()).status, 200)
		await raw.sleep(200)
		process.kill(proc.children(node.pid)[0], 'SIGKILL')
		const lost = await runs
		assert.equal(lost.status, 503)
		assert.match(lost.headers['er-error'], /^unavailable/)
		await node.logged(/spawner is gone/)
		await node.logged(/no routine can run here any more/)
		admin.send('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
		const health = await admin.response()
		assert.equal(health.status, 503)
		assert.equal(JSON.parse(health.text).status, 'broken')
		assert.equal((await passes).text, 'from the origin', 'what needs no sandbox is finished')
		assert.deepEqual(await node.exited, { code: 1, signal: null })
		assert.deepEqual(proc.descendants(node.pid).filter(proc.alive), [])
	} finally {
		node.kill()
		await origin.close()
	}
})

test('an upload that turns out malformed while the routine reads it is refused, and the node lives', { timeout: 60000 }, async () => {
	const source = `addEventListener("fetch", e => e.respondWith((async () => {
		await new Promise(r => setTimeout(r, 200))
		return new Response(String((await e.request.text()).length)) })()))`
	await withNode({ routines: { a: source } }, async node => {
		for (const chunks of [114, 116, 118, 122, 130]) {
			const c = await node.connect()
			c.send('POST / HTTP/1.1\r\nhost: a.localhost\r\ntransfer-encoding: chunked\r\n\r\n' + `400\r\n${'x'.repeat(1024)}\r\n`.repeat(chunks) + 'zz\r\n')
			assert.equal((await c.response()).status, 400)
			c.close()
		}
		assert.equal((await node.get('a', '/', { method: 'POST', body: 'x'.repeat(300000) })).text, '300000')
	})
})

test('a head that the gateway takes but no routine can get is 431, and the next request is answered', { timeout: 60000 }, async () => {
	await withNode({ routines: { neighbour }, config: { limits: { header: 200000, field: 65536 } } }, async node => {
		const headers = Object.fromEntries([1, 2, 3].map(i => [`x-${i}`, 'v'.repeat(50000)]))
		for (let i = 0; i < 3; i++) assert.equal((await node.get('neighbour', '/', { headers })).status, 431)
		delete headers['x-3']
		headers['x-5'] = 'v'.repeat(26000)
		const near = await node.get('neighbour', '/', { headers, method: 'POST', body: 'x'.repeat(8000) })
		assert.equal(near.status, 200, 'near the limit a small body goes on its own way')
		assert.equal((await node.get('neighbour')).text, 'well')
	})
})

test('an instance that collects garbage or ticks in the background while it is idle is no offender', { timeout: 60000 }, async () => {
	const source = `const keep = []; for (let i = 0; i < 20000; i++) keep.push({ i, s: "x" + i })
		addEventListener("fetch", e => { for (let i = 0; i < 20000; i++) keep[i] = { i, s: "y" + i }; e.respondWith(new Response("ok")) })`
	await withNode({ routines: { a: { source, limits: { cpuMs: 500, loadCpuMs: 500 } } } }, async node => {
		for (let round = 0; round < 3; round++) {
			const all = await Promise.all(Array.from({ length: 30 }, () => node.get('a')))
			assert.deepEqual([...new Set(all.map(r => r.status))], [200])
			await raw.sleep(2300)
		}
		assert.equal(await node.metric('er_kills_total'), 0)
	})
})

test('a hundred kills leave no process, descriptor or memory behind, and neighbours do not notice', { timeout: 180000 }, async () => {
	const kills = sanitized ? 40 : 100
	const routines = { neighbour }
	// Several, so that none is suspended before the hundred are full.
	for (let i = 0; i < 10; i++) routines[`bad${i}`] = { source: 'addEventListener("fetch", e => { if (e.request.url.endsWith("kill")) for (;;) ; e.respondWith(new Response("ok")) })', limits: { cpuMs: 10 } }
	await withNode({ routines, config: { sandbox: { pool: 3 } } }, async node => {
		const c = await node.connect()
		const latencies = []
		const round = async n => {
			for (let i = 0; i < n; i++) {
				const res = await node.get(`bad${i % 10}`, '/kill')
				assert.ok([599, 598].includes(res.status))
				const at = performance.now()
				assert.equal((await c.send(raw.bytesOf('/', { host: 'neighbour.localhost' })).response()).text, 'well')
				latencies.push(performance.now() - at)
			}
		}
		const settled = async () => {
			await raw.sleep(1500)
			await raw.until(async () => (await node.metric('er_pool_ready')) === 3, { what: 'a full pool' })
			return node.holdings()
		}
		await round(20)
		const before = await settled()
		await round(kills)
		const after = await settled()
		assert.ok(after.fds <= before.fds + 4, `descriptors ${before.fds} then ${after.fds}`)
		assert.ok(after.spawnerFds <= before.spawnerFds + 4, `the spawner's ${before.spawnerFds} then ${after.spawnerFds}`)
		assert.ok(after.sandboxes <= before.sandboxes + 1, `sandboxes ${before.sandboxes} then ${after.sandboxes}`)
		if (!sanitized) assert.ok(after.anonymous <= before.anonymous + 2048 * 1024, `memory ${before.anonymous} then ${after.anonymous}`)
		latencies.sort((x, y) => x - y)
		assert.ok(latencies[latencies.length >> 1] < 500, `the neighbour's median was ${latencies[latencies.length >> 1]} ms`)
		assert.equal((await node.get('neighbour')).text, 'well')
	})
})

test('a node whose spawner dies while it starts says so and ends', async () => {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'er-spawner-'))
	try {
		fs.writeFileSync(path.join(dir, 'a.js'), neighbour)
		fs.writeFileSync(path.join(dir, 'node.jsonc'), JSON.stringify({ listen: ['127.0.0.1:0'], admin: '127.0.0.1:0', routines: [{ name: 'a', main: 'a.js', routes: ['*'] }] }))
		for (let round = 0; round < 3; round++) {
			const child = spawn(er, ['node', '--config', path.join(dir, 'node.jsonc')], { stdio: ['ignore', 'ignore', 'pipe'] })
			let said = ''
			child.stderr.on('data', d => (said += d))
			const ended = new Promise(resolve => child.on('close', (code, signal) => resolve({ code, signal })))
			const spawner = await raw.until(() => proc.children(child.pid)[0], { what: 'the spawner' })
			process.kill(spawner, 'SIGKILL')
			assert.deepEqual(await ended, { code: 1, signal: null }, said)
			assert.match(said, /error: the spawner of sandboxes ended/)
		}
	} finally {
		fs.rmSync(dir, { recursive: true, force: true })
	}
})
