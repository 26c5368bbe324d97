// The node's power is cut, its disk is full, its database is damaged: what was acknowledged is
// there, nothing is there by halves, and the message says what to do.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { startStore } from './lib/deploy.mjs'
import { project, write } from './lib/desk.mjs'
import { er, startNode, tempDir } from './lib/node.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'
import { tool } from './lib/tool.mjs'

/** Code, variable and size of a version belong together: an answer that mixes two is visible. */
const source = n => `const N = ${n}, PAD = "${'p'.repeat((n * 7919) % 60000)}"\nexport default { fetch: (request, env) => new Response([N, env.N, PAD.length === (N * 7919) % 60000].join(" ")) }\n`
const script = n => source(n).replace('export default', 'this.__er_module = { default:').replace(/\n$/, ' }\n')
const whole = n => `${n} ${n} true`

/** kill -9 of the node's process alone; what is below it must end by itself. */
async function cut(node) {
	const below = proc.descendants(node.pid)
	process.kill(node.pid, 'SIGKILL')
	await node.exited
	await raw.until(() => !below.some(proc.alive), { timeout: 10000, what: 'the end of its sandboxes' })
	node.kill()
}

async function check(node, name, state) {
	if (state.acknowledged === 0) return
	const { status, text } = await node.get(name)
	assert.equal(status, 200, text)
	const n = Number(text.split(' ')[0])
	assert.equal(text, whole(n), 'a half deploy is served')
	assert.ok(n >= state.acknowledged && n <= state.asked, `${name}: ${n} is served, ${state.acknowledged} was acknowledged, ${state.asked} was asked for`)
	// the numbers have no holes, and the newest is the one that was written last
	const { items } = await node.ok('GET', `/v1/routines/${name}/versions?limit=100`)
	items.forEach((v, i) => assert.equal(v.version, items[0].version - i))
}

test('er deploy in a loop while the node is killed at random moments: what ended with 0 is served', { timeout: 140000 }, async () => {
	const cwd = project({ 'er.jsonc': '', 'src/index.js': '' })
	const folders = ['a', 'b', 'c'].map(() => ({ data: path.join(tempDir('er-data-'), 'd'), tool: { asked: 0, acknowledged: 0 }, api: { asked: 0, acknowledged: 0 } }))
	const statuses = new Set()
	for (let round = 0; round < 9; round++) {
		const f = folders[round % folders.length]
		const node = await startStore({ data: f.data, config: { threads: 2 } })
		await check(node, 'shop', f.tool)
		await check(node, 'direct', f.api)
		let over = false
		const byTool = (async () => {
			while (!over) {
				const n = f.tool.asked + 1
				write(cwd, { 'er.jsonc': JSON.stringify({ name: 'shop', limits: { cpuMs: 300 }, vars: { N: n }, routes: [`shop-${n}.example/*`] }), 'src/index.js': source(n) })
				f.tool.asked = n
				const { code } = await tool(['deploy', '--no-ask'], { cwd, env: { ER_NODE: node.ready.socket, XDG_CONFIG_HOME: cwd } })
				statuses.add(code)
				if (code !== 0) return
				f.tool.acknowledged = n
			}
		})()
		const byApi = (async () => {
			while (!over) {
				const n = ++f.api.asked
				await node.deploy('direct', script(n), { settings: { vars: { N: n } } })
				f.api.acknowledged = n
				if (n % 50 === 0) await node.ok('POST', '/v1/routines/direct/prune', { keep: 5 })
			}
		})().catch(() => {})
		await raw.sleep(200 + Math.random() * 2300)
		await cut(node)
		over = true
		await Promise.all([byTool, byApi])
	}
	assert.ok(folders.reduce((n, f) => n + f.api.acknowledged + f.tool.acknowledged, 0) > 10, JSON.stringify(folders))
	assert.ok(!statuses.has('SIGKILL') && !statuses.has(2), [...statuses].join())
	for (const f of folders) {
		const node = await startStore({ data: f.data })
		await check(node, 'shop', f.tool)
		await check(node, 'direct', f.api)
		// the deploys go on where they were, and back
		await node.deploy('direct', script(f.api.asked + 1), { settings: { vars: { N: f.api.asked + 1 } } })
		assert.equal((await node.get('direct')).text, whole(f.api.asked + 1))
		await node.ok('POST', '/v1/routines/direct/rollback', {})
		// restore reads every page and every hash
		await node.ok('POST', '/v1/backup', { dir: `${f.data}-copy` })
		await node.stop()
		execFileSync(er, ['node', 'restore', `${f.data}-copy`, `${f.data}-again`], { stdio: 'pipe' })
		fs.rmSync(path.dirname(f.data), { recursive: true })
	}
})

/** A small disk of its own, or undefined where that is not allowed. */
function smallDisk(t, kb) {
	const dir = tempDir('er-disk-')
	t.after(() => {
		try {
			execFileSync('umount', ['-l', dir], { stdio: 'pipe' })
		} catch {}
		fs.rmSync(dir, { recursive: true, force: true })
	})
	try {
		execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kb}k`, 'er-test', dir], { stdio: 'pipe' })
		return dir
	} catch {}
}

test('a full disk is said, changes nothing, and is over when there is space again', { timeout: 120000 }, async t => {
	const disk = smallDisk(t, 5120)
	if (!disk) return t.skip('no small disk can be mounted here')
	const data = path.join(disk, 'd')
	const config = { accessLog: '-' }
	const big = n => `const N = ${n}, PAD = "${randomBytes(60000).toString('hex')}"\nthis.__er_module = { default: { fetch: (request, env) => new Response([N, env.N, PAD.length === 120000].join(" ")) } }\n`
	let node = await startStore({ data, config })
	const deploy = n => node.api('POST', '/v1/routines/shop/deploy', { code: big(n), environment: 'production', settings: { vars: { N: n } } })
	// what somebody else has on this disk, and will remove
	fs.writeFileSync(path.join(disk, 'log'), Buffer.alloc(1 << 20))
	let live = 0, refused
	for (let n = 1; n < 60 && !refused; n++) {
		const res = await deploy(n)
		if (res.status < 300) live = n
		else refused = res
	}
	assert.ok(live > 3, `${live}`)
	assert.equal(refused.status, 503, refused.text)
	assert.match(refused.json.error.message, /disk is full.*free some space/)
	// to the last byte
	const fd = fs.openSync(path.join(disk, 'ballast'), 'w')
	try {
		for (;;) fs.writeSync(fd, Buffer.alloc(4096))
	} catch (e) {
		assert.equal(e.code, 'ENOSPC')
	}
	fs.closeSync(fd)
	for (const [method, target, body] of [
		['POST', '/v1/routines/shop/deploy', { code: big(998), environment: 'production' }],
		['PUT', '/v1/routines/shop/environments/production/vars/X', { value: 'x'.repeat(20000) }],
		['PUT', '/v1/kv/fresh', undefined],
		['POST', '/v1/routines/shop/rollback', {}],
	]) {
		const res = await node.api(method, target, body)
		if (res.status < 300) continue // there was room in what is allocated already
		assert.equal(res.status, 503, `${method} ${target}: ${res.text}`)
		assert.match(res.json.error.message, /disk is full/, `${method} ${target}`)
	}
	const serves = async what => assert.match((await node.get('shop')).text, /^(\d+) \1 true$/, what)
	await serves('while the disk is full')
	assert.equal((await node.api('GET', '/v1/status')).status, 200)
	assert.equal((await raw.request(node.adminPort, '/health')).status, 200)
	// the power goes as well
	const before = (await node.get('shop')).text
	await cut(node)
	node = await startStore({ data, config })
	assert.equal((await node.get('shop')).text, before, 'after a start on a full disk')
	fs.rmSync(path.join(disk, 'ballast'))
	fs.rmSync(path.join(disk, 'log'))
	await node.ok('POST', '/v1/routines/shop/prune', { keep: 1 })
	const res = await deploy(999)
	assert.equal(res.status, 200, res.text)
	assert.equal((await node.get('shop')).text, '999 999 true')
	await node.stop()
	node = await startStore({ data, config })
	assert.equal((await node.get('shop')).text, '999 999 true')
	await node.stop()
})

test('a damaged, cut or emptied control.db keeps the node from starting, and the message says what to do', { timeout: 120000 }, async () => {
	const dir = tempDir('er-data-')
	const data = path.join(dir, 'd')
	const node = await startStore({ data })
	for (let n = 1; n < 8; n++) await node.deploy('shop', script(n), { settings: { vars: { N: n } } })
	await node.ok('POST', '/v1/backup', { dir: path.join(dir, 'backup') })
	await node.stop()
	const file = path.join(data, 'control.db')
	const good = fs.readFileSync(file)
	const damages = {
		'no database': Buffer.from('this was never a database\n'.repeat(1000)),
		empty: Buffer.alloc(0),
		'cut in the middle': good.subarray(0, good.length / 2),
		'cut in the first page': good.subarray(0, 100),
		'zeroed from the third page': Buffer.concat([good.subarray(0, 8192), Buffer.alloc(good.length - 8192)]),
	}
	for (const [what, content] of Object.entries(damages)) {
		fs.writeFileSync(file, content)
		const why = await startNode({ args: ['--data', data] }).then(
			async n => (await n.stop(), undefined),
			e => e,
		)
		assert.ok(why, `${what}: the node started`)
		assert.match(String(why), /control\.db.*(er node restore|backup)/s, what)
		assert.ok(!/Assert|Sanitizer|SIG/.test(String(why)), String(why))
		assert.deepEqual(fs.readFileSync(file), content, `${what}: the evidence was changed`)
	}
	fs.rmSync(data, { recursive: true })
	execFileSync(er, ['node', 'restore', path.join(dir, 'backup'), data], { stdio: 'pipe' })
	const again = await startStore({ data })
	assert.equal((await again.get('shop')).text, whole(7))
	await again.stop()
	fs.rmSync(dir, { recursive: true })
})
