// The access log is rotated without losing or cutting a line, and no URL makes a log line grow
// without bound.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { execFileSync, spawnSync } from 'node:child_process'
import { root, startNode, tempDir } from './lib/node.mjs'
import { bytesOf, connect, request, sleep, until } from './lib/raw.mjs'
import { current, end, upgrade } from './lib/lineage.mjs'
import { probe } from './lib/stats.mjs'

const hello = 'addEventListener("fetch", e => e.respondWith(new Response("hello")))'

/** Requests with numbers of their own in the path, on four connections; stop() → how many
 * were answered. */
function numbered(port) {
	let n = 0
	let stopped = false
	const answered = []
	const one = async () => {
		let c
		while (!stopped) {
			const id = n++
			c ??= await connect(port)
			c.send(bytesOf(`/n/${id}`, { host: 'a.localhost' }))
			const r = await c.response()
			assert.equal(r.status, 200)
			answered.push(id)
			if (/close/i.test(r.headers.connection ?? '')) {
				c.close()
				c = undefined
			}
		}
		c?.close()
	}
	const all = Promise.all([one(), one(), one(), one()])
	return {
		get n() {
			return answered.length
		},
		async stop() {
			stopped = true
			await all
			return answered
		},
	}
}

/** Every line of these files, parsed; a line that is cut throws. */
const records = files => files.flatMap(f => fs.readFileSync(f, 'utf8').split(/(?<=\n)/).filter(Boolean).map(l => (assert.ok(l.endsWith('\n'), `cut: ${l}`), JSON.parse(l))))

function complete(files, answered) {
	const seen = records(files)
		.map(r => /^\/n\/(\d+)$/.exec(r.path)?.[1])
		.filter(Boolean)
		.map(Number)
		.sort((a, b) => a - b)
	assert.deepEqual(seen, answered.sort((a, b) => a - b))
}

for (const signal of ['SIGHUP', 'SIGUSR1'])
	test(`renaming the access log and ${signal}, under load: every request once, no line cut`, async () => {
		const node = await startNode({ routines: { a: hello }, config: { threads: 2 } })
		const log = path.join(node.dir, 'access.log')
		const files = [log]
		try {
			const load = numbered(node.port)
			for (let i = 1; i <= 5; i++) {
				const n = load.n
				await until(() => load.n > n + 100)
				const to = `${log}.${i}`
				fs.renameSync(log, to)
				files.push(to)
				node.signal(signal)
				await until(() => fs.existsSync(log), { what: 'the new log' })
			}
			const answered = await load.stop()
			await sleep(400)
			complete(files, answered)
			assert.equal(await node.metric('er_access_log_dropped_total'), 0)
			// What was renamed is let go: the disk's space comes back when it is deleted.
			const open = fs.readdirSync(`/proc/${node.pid}/fd`).map(fd => {
				try {
					return fs.readlinkSync(`/proc/${node.pid}/fd/${fd}`)
				} catch {
					return ''
				}
			})
			assert.deepEqual(open.filter(t => t.includes('access.log')), [log])
		} finally {
			await node.stop()
		}
	})

test('a configuration that is wrong does not keep the log from being rotated', async () => {
	const node = await startNode({ routines: { a: hello } })
	const log = path.join(node.dir, 'access.log')
	try {
		fs.writeFileSync(node.configFile, '{')
		fs.renameSync(log, `${log}.1`)
		node.signal('SIGHUP')
		await node.logged(/not reloaded/)
		await until(() => fs.existsSync(log))
	} finally {
		await node.stop()
	}
})

test('over an upgrade, with both processes writing: every request once', async () => {
	const node = await startNode({ routines: { a: hello }, config: { threads: 2 } })
	const log = path.join(node.dir, 'access.log')
	try {
		const load = numbered(node.port)
		await until(() => load.n > 100)
		await upgrade(node, { gone: false })
		fs.renameSync(log, `${log}.1`)
		process.kill(current(node), 'SIGUSR1')
		await until(() => fs.existsSync(log))
		const n = load.n
		await until(() => load.n > n + 200)
		const answered = await load.stop()
		await sleep(400)
		complete([log, `${log}.1`], answered)
	} finally {
		await end(node)
	}
})

test('a line is bounded, whatever a client sends', async () => {
	const node = await startNode({ routines: { a: hello } })
	try {
		await request(node.port, '/' + 'x'.repeat(7000), { host: 'a.localhost', method: 'M'.repeat(500) }).catch(() => {})
		await request(node.port, '/' + '"\\'.repeat(3000), { host: `${'h'.repeat(3000)}.example` }).catch(() => {})
		await until(() => node.access.length >= 1)
		await sleep(300)
		for (const l of fs.readFileSync(path.join(node.dir, 'access.log'), 'utf8').split('\n')) assert.ok(l.length < 8000, `${l.length} characters`)
	} finally {
		await node.stop()
	}
})

test('the snippet for logrotate is one that logrotate takes', t => {
	const file = path.join(root, 'packaging/edgeroutine.logrotate')
	const text = fs.readFileSync(file, 'utf8')
	assert.match(text, /USR1/)
	const r = spawnSync('logrotate', ['--debug', '--state', '/dev/null', file], { encoding: 'utf8' })
	if (r.error) return t.skip('logrotate is not installed')
	assert.equal(r.status, 0, r.stderr)
	assert.doesNotMatch(r.stderr, /error/i)
})

test('a reader of the log that stops does not stop the node: other routines answer, what was dropped is said when it goes on', async () => {
	const dir = tempDir()
	const fifo = path.join(dir, 'log')
	execFileSync('mkfifo', [fifo])
	// both ends: nobody has to read
	const fd = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
	const out = fs.openSync(fifo, fs.constants.O_WRONLY)
	const node = await startNode({
		stderr: out,
		routines: {
			loud: { source: 'addEventListener("fetch", e => { for (let i = 0; i < 900; i++) console.log("x".repeat(1000)); e.respondWith(new Response("said")) })', limits: { cpuMs: 1000 } },
			quiet: 'addEventListener("fetch", e => e.respondWith(new Response("here")))',
		},
	})
	fs.closeSync(out)
	let text = '', reading
	const chunk = Buffer.alloc(1 << 20)
	const read = () => {
		try {
			for (;;) text += chunk.latin1Slice(0, fs.readSync(fd, chunk))
		} catch (e) {
			if (e.code !== 'EAGAIN') throw e
		}
	}
	try {
		for (let i = 0; i < 8; i++) assert.equal((await node.get('loud')).text, 'said')
		assert.equal((await node.get('quiet')).text, 'here')
		reading = setInterval(read, 5).unref()
		await until(() => /\d+ lines were dropped here/.test(text), { timeout: 10000, what: 'word of what was dropped' })
		assert.ok(text.split('\n').filter(l => /console/.test(l)).every(l => l === '' || l.endsWith('}')), 'every line is whole')
	} finally {
		await node.stop()
		clearInterval(reading)
		fs.closeSync(fd)
		fs.rmSync(dir, { recursive: true })
	}
})

test('the access log says which program asked, from which page, and by which protocol, bounded and in one line', async () => {
	const node = await startNode({ routines: { a: hello } })
	try {
		const log = path.join(node.dir, 'access.log')
		const send = async (head, close = true) => {
			const c = await connect(node.port)
			c.send(Buffer.from(head, 'latin1'))
			const r = await c.response()
			if (close) c.close()
			return r
		}
		await send('GET /one HTTP/1.1\r\nhost: a.localhost\r\nuser-agent: curl/8 "x" \\ \t{}\xff\r\nreferer: https://shop.example/cart?token=secret#part\r\n\r\n')
		await send('GET /two HTTP/1.0\r\nhost: a.localhost\r\n\r\n')
		await send(`GET /three HTTP/1.1\r\nhost: a.localhost\r\nuser-agent: ${'u'.repeat(8000)}\r\nreferer: http://${'r'.repeat(8000)}\r\n\r\n`)
		await until(() => node.access.length === 3, { what: 'three records' })
		const [one, two, three] = ['/one', '/two', '/three'].map(p => node.access.find(r => r.path === p))
		assert.deepEqual([one.protocol, one.user_agent, one.referer], ['HTTP/1.1', 'curl/8 "x" \\ \t{}\ufffd', 'https://shop.example/cart'])
		assert.deepEqual([two.protocol, two.user_agent, two.referer], ['HTTP/1.0', undefined, undefined])
		assert.deepEqual([three.user_agent.length, three.referer.length], [512, 2048])
		assert.equal(fs.readFileSync(log, 'utf8').split('\n').length, 4)
	} finally {
		await node.stop()
	}
})
