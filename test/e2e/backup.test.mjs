// A backup of a node that runs and is being deployed to; a new node from it serves the same.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { er, startNode, tempDir } from './lib/node.mjs'
import { request, until } from './lib/raw.mjs'

const says = text => `addEventListener("fetch", e => e.respondWith(new Response(${JSON.stringify(text)})))`
const secretly = 'this.__er_module = { default: { fetch: (request, env) => new Response(env.TOKEN + " " + env.GREETING) } }'

function run(args, cwd, env = {}) {
	return new Promise(done => {
		const child = spawn(er, args, { cwd, env: { PATH: process.env.PATH, HOME: cwd, NO_COLOR: '1', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
		let out = '',
			err = ''
		child.stdout.setEncoding('utf8').on('data', d => (out += d))
		child.stderr.setEncoding('utf8').on('data', d => (err += d))
		child.on('close', status => done({ status, out, err }))
	})
}

const api = (data, method, target, body) =>
	request({ path: path.join(data, 'admin.sock') }, target, { method, body: body && JSON.stringify(body), headers: body ? { 'content-type': 'application/json' } : {}, timeout: 30000 })

async function deploy(data, name, code) {
	const r = await api(data, 'POST', `/v1/routines/${name}/deploy`, { code, settings: {} })
	assert.equal(r.status, 200, r.text)
}

test('backup under load of deployments, restore, start: the same routines, variables, secrets, routes and KV', async () => {
	const dir = tempDir('er-backup-')
	const data = path.join(dir, 'data')
	const node = await startNode({ config: { data } })
	let copy
	try {
		for (let i = 0; i < 10; i++) await deploy(data, `r${i}`, says(`r${i} v0`))
		await deploy(data, 'secretive', secretly)
		const done = async promise => {
			const r = await promise
			assert.ok(r.status < 300, r.text)
		}
		await done(api(data, 'PUT', '/v1/routines/secretive/environments/production/secrets/TOKEN', { value: 's3cret' }))
		await done(api(data, 'PUT', '/v1/routines/secretive/environments/production/vars/GREETING', { value: 'hello' }))
		await done(api(data, 'PUT', '/v1/kv/things'))
		await done(request({ path: path.join(data, 'admin.sock') }, '/v1/kv/things/values/colour', { method: 'PUT', body: 'blue' }))
		await done(api(data, 'PUT', '/v1/routes?environment=production', { rules: [{ pattern: 'shop.example/*', routine: 'r3' }] }))
		assert.equal((await node.get('secretive')).text, 's3cret hello')

		let stopped = false
		let made = 0
		const load = (async () => {
			while (!stopped) {
				await deploy(data, 'busy', says(`busy ${made + 1}`))
				made++
			}
		})()
		await until(() => made > 3)
		const before = made
		const r = await run(['node', 'backup', 'copy', '--node', path.join(data, 'admin.sock')], dir)
		assert.equal(r.status, 0, r.err)
		assert.match(r.out, /^backup of change \d+ in /)
		const after = made
		stopped = true
		await load
		assert.deepEqual(fs.readdirSync(path.join(dir, 'copy')).sort(), ['assets.db', 'control.db', 'kv.db'])

		const again = await run(['node', 'backup', 'copy', '--node', path.join(data, 'admin.sock'), '--json'], dir)
		assert.equal(again.status, 1)
		assert.match(JSON.parse(again.out).error.message, /exists already/)

		const restored = await run(['node', 'restore', 'copy', 'data2', '--key', path.join(data, 'key'), '--json'], dir)
		assert.equal(restored.status, 0, restored.out + restored.err)
		assert.ok(JSON.parse(restored.out).routines >= 12)
		assert.equal(fs.statSync(path.join(dir, 'data2/key')).mode & 0o777, 0o600)

		copy = await startNode({ config: { data: path.join(dir, 'data2') } })
		for (let i = 0; i < 10; i++) assert.equal((await copy.get(`r${i}`)).text, `r${i} v0`)
		assert.equal((await copy.get('shop.example', '/x')).text, 'r3 v0')
		const busy = Number(/busy (\d+)/.exec((await copy.get('busy')).text)[1])
		assert.ok(busy >= before && busy <= after + 1, `${before} <= ${busy} <= ${after + 1}`)
		assert.equal((await request({ path: path.join(dir, 'data2/admin.sock') }, '/v1/kv/things/values/colour')).text, 'blue')
		assert.equal((await copy.get('secretive')).text, 's3cret hello')
		await deploy(path.join(dir, 'data2'), 'r0', says('on'))
		assert.equal((await copy.get('r0')).text, 'on')
	} finally {
		await copy?.stop()
		await node.stop()
		fs.rmSync(dir, { recursive: true })
	}
})

test('a new key for the secrets: routines that start meanwhile see their secrets, kill -9 loses none, and the log says who', async () => {
	const dir = tempDir('er-key-')
	const data = path.join(dir, 'data')
	const socket = path.join(data, 'admin.sock')
	const key = () => fs.readFileSync(path.join(data, 'key'), 'utf8')
	const rotate = async (...more) => {
		const r = await run(['node', 'rotate-key', '--node', socket, ...more], dir)
		assert.equal(r.status, 0, r.out + r.err)
		return r.out
	}
	let node = await startNode({ config: { data } })
	try {
		await deploy(data, 'secretive', secretly)
		const put = (kind, name, value) => api(data, 'PUT', `/v1/routines/secretive/environments/production/${kind}/${name}`, { value })
		assert.equal((await put('secrets', 'TOKEN', 's3cret')).status, 200)
		assert.equal((await put('vars', 'GREETING', 0)).status, 200)
		const first = key()
		const backup = path.join(dir, 'before')
		assert.equal((await run(['node', 'backup', backup, '--node', socket], dir)).status, 0)
		assert.match(await rotate(), /^the secrets have a new key; 1 is encrypted anew \(change \d+\)\nKeep a copy/)
		assert.notEqual(key(), first)
		assert.equal(fs.statSync(path.join(data, 'key')).mode & 0o777, 0o600)
		assert.ok(!fs.existsSync(path.join(data, 'key.next')))
		assert.equal((await node.get('secretive')).text, 's3cret 0')
		// Each new variable starts instances anew, and these read their secrets, while the key
		// changes all the time.
		let stopped = false
		const rotating = (async () => {
			let n = 0
			for (; !stopped; n++) assert.equal(JSON.parse(await rotate('--json')).secrets, 1)
			return n
		})()
		for (let i = 1; i <= 25; i++) {
			assert.equal((await put('vars', 'GREETING', i)).status, 200)
			assert.equal((await node.get('secretive')).text, `s3cret ${i}`)
		}
		stopped = true
		assert.ok((await rotating) > 3)
		const log = JSON.parse((await run(['audit', '--json', '--limit', '1000', '--node', socket], dir)).out).items
		assert.deepEqual([...new Set(log.filter(c => c.kind === 'key-rotate').map(c => c.by))], ['socket'])
		// The machine dies while it does that.
		for (let i = 0; i < 4; i++) {
			const dying = run(['node', 'rotate-key', '--node', socket], dir)
			await new Promise(r => setTimeout(r, 5 + 12 * i))
			node.kill()
			await Promise.all([node.exited, dying])
			node = await startNode({ config: { data } })
			assert.equal((await node.get('secretive')).text, 's3cret 25')
		}
		// The backup from before belongs to the key from before.
		await node.stop()
		fs.writeFileSync(path.join(dir, 'old.key'), first, { mode: 0o600 })
		assert.equal((await run(['node', 'restore', backup, 'again', '--key', 'old.key'], dir)).status, 0)
		node = await startNode({ config: { data: path.join(dir, 'again') } })
		assert.equal((await node.get('secretive')).text, 's3cret 0')
		assert.equal((await run(['node', 'rotate-key', 'x'], dir)).status, 2)
	} finally {
		await node.stop()
		fs.rmSync(dir, { recursive: true })
	}
})

test('restore refuses what is no backup, and a folder that is in use; nothing is left behind', async () => {
	const dir = tempDir('er-backup-')
	fs.mkdirSync(path.join(dir, 'nothing'))
	let r = await run(['node', 'restore', 'nothing', 'data'], dir)
	assert.equal(r.status, 1)
	assert.match(r.err, /is not a backup of a node/)
	assert.ok(!fs.existsSync(path.join(dir, 'data')))
	fs.mkdirSync(path.join(dir, 'full'))
	fs.writeFileSync(path.join(dir, 'full/file'), '')
	r = await run(['node', 'restore', 'nothing', 'full', '--json'], dir)
	assert.equal(r.status, 1)
	assert.match(JSON.parse(r.out).error.message, /is not empty/)
	assert.equal((await run(['node', 'restore', 'nothing'], dir)).status, 2)
	assert.equal((await run(['node', 'backup', 'x', '--node', './no.sock'], dir)).status, 3)
	fs.rmSync(dir, { recursive: true })
})
