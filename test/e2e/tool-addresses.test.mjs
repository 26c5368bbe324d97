// Private addresses of deployed routines: who may open them, what stays shut, and what the
// refusal says.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { project, startDev } from './lib/desk.mjs'
import { writeConfig } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane, tool } from './lib/tool.mjs'

const fetcher = `export default { async fetch(request, env) {
	const to = new URL(request.url).searchParams.get('to')
	try { const answer = await fetch(to); return new Response(answer.status + ' ' + await answer.text()) } catch (e) { return new Response('refused: ' + e.message) }
} }\n`
const shop = (config = {}) => project({ 'er.jsonc': JSON.stringify({ name: 'shop', ...config }), 'src/index.js': fetcher })
let plane, origin
before(async () => {
	plane = await startPlane({ routineAddresses: ['127.0.0.0/8', '0.0.0.0/0', '169.254.169.254'] })
	origin = await startOrigin((req, res) => res.end('the database'))
	await plane.ok(['deploy'], { cwd: shop() })
})
after(async () => {
	await plane?.stop()
	await origin?.close()
})

const ask = async (to, host = 'shop') => (await plane.get(`${host}.localhost`, `/?to=${encodeURIComponent(to)}`)).body.toString()
const token = async (...args) => (await plane.ok(['token', 'add', ...args])).out.trim()

test('a deployed routine reaches a private address once an administrator allows it, at once, and not any more once it is denied', async () => {
	assert.match(await ask(origin.url), /^refused: .*er routine allow shop ADDRESS, within "routineAddresses" of node\.jsonc/)
	assert.equal((await plane.ok(['routine', 'allow', 'shop', '127.0.0.0/8'])).out, 'shop may reach 127.0.0.0/8\n')
	assert.equal(await ask(origin.url), '200 the database')
	assert.match((await plane.ok(['routine', 'addresses', 'shop'])).out, /^ADDRESS +IN FORCE .*\n127\.0\.0\.0\/8 +yes +\S+ \S+ +socket\n$/)
	assert.equal((await plane.er(['routine', 'deny', 'shop', '127.0.0.1'])).code, 5, 'only what was allowed can be denied')
	await plane.ok(['routine', 'deny', 'shop', '127.0.0.9/8'])
	assert.match(await ask(origin.url), /^refused: /)
	const kinds = (await plane.ok(['audit', '--json', '--limit', '2'])).json.items.map(c => [c.kind, c.routine, c.data])
	assert.deepEqual(kinds, [['address-allow', 'shop', { address: '127.0.0.0/8' }], ['address-deny', 'shop', { address: '127.0.0.0/8' }]])
})

test('neither a token that may deploy nor an er.jsonc opens a private address', async () => {
	const deployer = await token('deployer', '--role', 'deploy'), confined = await token('confined', '--role', 'deploy', '--routines', 'shop')
	for (const secret of [deployer, confined]) {
		const env = { ER_NODE: plane.url, ER_TOKEN: secret }
		const refused = await plane.er(['routine', 'allow', 'shop', '127.0.0.1'], { env })
		assert.equal(refused.code, 4, refused.err)
	}
	for (const name of ['allowAddresses', 'routineAddresses']) {
		const cwd = shop({ [name]: ['127.0.0.1'] })
		const deployed = await plane.er(['deploy'], { cwd })
		assert.equal(deployed.code, 1, deployed.out + deployed.err)
		if (name === 'allowAddresses') assert.match(deployed.err, /er routine allow/)
	}
	assert.match(await ask(origin.url), /^refused: /)
	assert.deepEqual((await plane.ok(['routine', 'addresses', 'shop', '--json'])).json, { items: [] })
})

test('a permission for one port opens that port and no other', async () => {
	const other = await startOrigin((req, res) => res.end('another service'))
	try {
		assert.equal((await plane.ok(['routine', 'allow', 'shop', `127.0.0.1:${origin.port}`])).out, `shop may reach 127.0.0.1:${origin.port}\n`)
		assert.equal(await ask(origin.url), '200 the database')
		assert.match(await ask(other.url), /^refused: .*er routine allow shop ADDRESS/)
		const shown = (await plane.ok(['routine', 'addresses', 'shop', '--json'])).json.items
		assert.deepEqual(shown.map(a => [a.address, a.in_force]), [[`127.0.0.1:${origin.port}`, true]])
		assert.equal((await plane.er(['routine', 'deny', 'shop', '127.0.0.1'])).code, 5, 'it is another permission')
		await plane.ok(['routine', 'deny', 'shop', `127.0.0.1:${origin.port}`])
		assert.match(await ask(origin.url), /^refused: /)
	} finally {
		await other.close()
	}
})

test('a range that reaches over loopback or metadata addresses does not open them; their own does', async () => {
	await plane.ok(['routine', 'allow', 'shop', '0.0.0.0/0'])
	for (const to of [origin.url, 'http://169.254.169.254/', `http://0.0.0.0:${origin.port}/`, `http://[::ffff:127.0.0.1]:${origin.port}/`]) assert.match(await ask(to), /^refused: /, to)
	await plane.ok(['routine', 'allow', 'shop', '127.0.0.1'])
	assert.equal(await ask(origin.url), '200 the database')
	await plane.ok(['routine', 'deny', 'shop', '127.0.0.1/32'])
	await plane.ok(['routine', 'deny', 'shop', '0.0.0.0/0'])
})

test('what the operator does not name cannot be allowed, and what is named no more is refused from the reload on', async () => {
	const bad = await plane.er(['routine', 'allow', 'shop', 'fd00::/8', '--json'])
	assert.equal(bad.code, 1)
	assert.equal(bad.json.error.code, 'invalid')
	assert.match(bad.json.error.message, /this node lets no deployed routine reach fd00::\/8: .*"routineAddresses" of node\.jsonc \(now: 127\.0\.0\.0\/8, 0\.0\.0\.0\/0, 169\.254\.169\.254\)/)
	for (const wrong of ['ten', '10.0.0.0/33', '', '10.0.0', '127.0.0.1:0', '10.0.0.0/8/8', '10.0.0.0/']) assert.equal((await plane.er(['routine', 'allow', 'shop', wrong])).code, 1, wrong)
	assert.equal((await plane.er(['routine', 'allow', 'nobody', '127.0.0.1'])).code, 5)
	await plane.ok(['routine', 'allow', 'shop', '127.0.0.1'])
	assert.equal(await ask(origin.url), '200 the database')
	const config = JSON.parse(fs.readFileSync(plane.node.configFile, 'utf8'))
	writeConfig(plane.node.configFile, { ...config, routineAddresses: [] })
	plane.node.signal('SIGHUP')
	await raw.until(async () => /^refused/.test(await ask(origin.url)), { what: 'the address is refused' })
	assert.match((await plane.ok(['routine', 'addresses', 'shop'])).out, /127\.0\.0\.1 +no: not in routineAddresses/)
	writeConfig(plane.node.configFile, config)
	plane.node.signal('SIGHUP')
	await raw.until(async () => /^200/.test(await ask(origin.url)), { what: 'the address is reached' })
})

test('allowed addresses stay over a restart, belong to one routine, and go with it', async () => {
	await plane.restart()
	assert.match(await ask(origin.url), /^refused/, 'the operator of this node allows none')
	assert.equal((await plane.ok(['routine', 'addresses', 'shop', '--json'])).json.items.length, 1)
	await plane.ok(['routine', 'rm', 'shop', '--yes'])
	await plane.ok(['deploy'], { cwd: shop() })
	assert.equal((await plane.ok(['routine', 'addresses', 'shop', '--json'])).json.items.length, 0)
})

test('er dev reaches this machine, and other private addresses with --allow; its refusal says so', async () => {
	const cwd = shop()
	const dev = await startDev(['--allow', '10.255.255.1, 192.168.0.0/16'], { cwd })
	try {
		const body = async to => (await dev.get(`/?to=${encodeURIComponent(to)}`)).body.toString()
		assert.equal(await body(origin.url), '200 the database')
		assert.match(await body('http://172.16.0.1/'), /^refused: .*er dev --allow ADDRESS/)
	} finally {
		await dev.stop()
	}
	const wrong = await tool(['dev', '--allow', 'home'], { cwd })
	assert.equal(wrong.code, 2)
	assert.match(wrong.err, /--allow/)
})
