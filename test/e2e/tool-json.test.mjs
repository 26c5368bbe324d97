// JSON of the tool has one dialect, whatever the command, and comes also when a command is
// called wrongly.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { project, startDev } from './lib/desk.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane, tool } from './lib/tool.mjs'

const code = `export default { async fetch(request) {
	console.log('seen')
	if (request.url.endsWith('/throw')) throw new Error('on purpose')
	if (request.url.endsWith('/loop')) for (;;);
	return new Response('fine')
} }\n`
const shop = () => project({ 'er.jsonc': '{ "name": "shop", "limits": { "cpuMs": 40 }, "vars": { "camelCase": 1 } }', 'src/index.js': code })
let plane, cwd
before(async () => {
	plane = await startPlane()
	cwd = shop()
	await plane.ok(['deploy', '--no-ask'], { cwd })
})
after(() => plane?.stop())

// What a person wrote is quoted as it was written: settings of er.jsonc, variables, metadata,
// details of a change, the OpenAPI description.
const quoted = new Set(['settings', 'metadata', 'vars', 'value'])
// A duration or a size that says no unit.
const bare = /^(duration|elapsed|time_taken|wall|cpu|memory|latency|timeout|ttl|size|used_time|p50|p99|uptime|limit_time|ms|us|kb|mb|used|limit)$/

function walk(v, at, wrong) {
	if (Array.isArray(v)) for (const [i, e] of v.entries()) walk(e, `${at}[${i}]`, wrong)
	else if (v && typeof v === 'object')
		for (const [name, e] of Object.entries(v)) {
			if (!/^[a-z0-9]+(_[a-z0-9]+)*$/.test(name)) wrong.push(`${at}.${name} is not snake_case`)
			if (typeof e === 'number' && bare.test(name)) wrong.push(`${at}.${name} has no unit`)
			if (!quoted.has(name)) walk(e, `${at}.${name}`, wrong)
		}
}

const lines = text => text.split('\n').filter(Boolean).map(l => JSON.parse(l))

test('every --json is snake_case with units in the names: commands to a node, at the desk, events and logs', async () => {
	const wrong = []
	for (const target of ['/', '/throw', '/loop']) await plane.get('shop.localhost', target)
	await plane.ok(['kv', 'namespace', 'add', 'data'])
	await plane.ok(['kv', 'put', 'data', 'k', 'v', '--ttl', '1000', '--metadata', '{"camelCase":1}'])
	const remote = [
		'status', 'status shop', 'versions', 'versions show 1', 'deployments', 'routine', 'routine addresses shop', 'route', 'route test http://shop.localhost/', 'env set A b', 'env', 'secret put KEY --value short', 'secret',
		'kv namespace', 'kv list data', 'kv get data k', 'kv put data l v', 'kv delete data l', 'kv export data', 'logs shop --limit 1000', 'token add reader --role read', 'token', 'audit --limit 0', 'whoami', 'login --list', 'deploy --no-ask',
		'deploy --dry-run', 'publish', 'rollback', 'versions prune', 'versions show 99', 'check', 'build', 'init fresh', 'init --list', `node check --config ${plane.node.configFile}`, 'tail shop --count 1',
	]
	for (const words of remote) {
		const busy = words.startsWith('tail') ? setInterval(() => plane.get('shop.localhost', '/').catch(() => {}), 200).unref() : undefined
		const { out, err } = await plane.er([...words.split(' '), '--json'], { cwd })
		clearInterval(busy)
		assert.ok(out.length > 1, `er ${words} --json printed nothing: ${err}`)
		for (const json of lines(out)) walk(json, `er ${words}`, wrong)
	}
	const dev = await startDev([], { cwd: shop() })
	try {
		for (const target of ['/', '/throw', '/loop']) await raw.request(dev.port, target)
		await dev.event('request', e => e.path === '/loop')
		for (const e of dev.events) walk(e, `er dev ${e.event}`, wrong)
		const request = dev.events.find(e => e.event === 'request')
		for (const name of ['id', 'method', 'path', 'status', 'bytes', 'cpu_us', 'wall_ms', 'cold_start']) assert.ok(name in request, name)
	} finally {
		await dev.stop()
	}
	for (const record of plane.node.access) walk(record, 'access log', wrong)
	assert.ok(plane.node.access.length > 0)
	for (const name of ['id', 'method', 'path', 'status', 'bytes', 'cpu_us', 'wall_ms']) assert.ok(name in plane.node.access[0], name)
	walk(plane.node.ready, 'er node', wrong)
	walk(JSON.parse((await raw.request(plane.node.adminPort, '/health')).body), '/health', wrong)
	assert.deepEqual(wrong, [])
})

test('--json gives JSON with the same exit status also when a command is called wrongly', async () => {
	const calls = [
		['nonsense'], ['kv'], ['kv', 'nonsense'], ['kv', 'namespace', 'nonsense'], ['status', '--nonsense'], ['status', 'a', 'b'], ['status', '--timeout'], ['status', '--timeout', 'soon'], ['status', '--node', 'http://'], ['env', 'set'], ['env', 'set', 'A'],
		['secret', 'put'], ['secret', 'put', 'A', '--env', 'moon'], ['route', 'add'], ['deploy', '--canary', 'some'], ['deploy', '--guard', 'x=1'], ['versions', 'show', 'two'], ['versions', 'rm'], ['versions', 'prune', '--keep', 'few'], ['audit', '--limit', 'x'],
		['audit', '--after', '-1'], ['logs', '--since', 'then'], ['logs', '--limit', '0'], ['tail', '--sampling', '7'], ['tail', '--count', 'x'], ['kv', 'list', 'data', '--limit', 'x'], ['kv', 'put', 'data', 'k', 'v', '--metadata', '{'], ['init', 'Bad Name'], ['init'],
		['check', 'a', 'b'], ['build', '--nonsense'], ['dev', '--port', 'x'], ['dev', '--origin', 'x'], ['dev', '--allow', 'x'], ['node', '--nonsense'], ['node', 'check', 'x'], ['node', 'restore'], ['node', 'backup'], ['completion'], ['completion', 'sh'], ['login'],
		['token', 'add'], ['routine', 'rm'], ['routine', 'rm', 'Bad'], ['routine', 'allow', 'shop'], ['publish', 'x', 'y'], ['rollback', 'x'], ['whoami', 'x'],
	]
	for (const args of calls) {
		const text = await plane.er(args, { cwd }), { code, json, out } = await plane.er([...args, '--json'], { cwd })
		const what = `er ${args.join(' ')}`
		assert.equal(code, text.code, `${what}: ${out} ${text.err}`)
		assert.equal(code, 2, `${what}: ${text.err}`)
		assert.equal(typeof json?.error?.message, 'string', `${what}: ${out}`)
		assert.match(json.error.code, /^[a-z-]+$/, what)
	}
	const hint = await plane.er(['staus', '--json'])
	assert.match(hint.json.error.message, /did you mean "er status"/)
	assert.match((await plane.er(['status', '--jsno', '--json'])).json.error.message, /did you mean --json/)
})

test('what is not there fails with --json as it does without', async () => {
	for (const args of [['status', 'nope'], ['versions', '--name', 'nope'], ['versions', 'show', '99'], ['logout', 'nobody'], ['kv', 'get', 'none', 'k'], ['route', 'rm', 'none.example/*'], ['secret', 'rm', 'NONE'], ['routine', 'addresses', 'nope']]) {
		const text = await plane.er(args, { cwd }), { code, json, out } = await plane.er([...args, '--json'], { cwd })
		assert.equal(code, text.code, args.join(' '))
		assert.equal(code, 5, args.join(' ') + text.err)
		assert.equal(json?.error?.code, 'not-found', out)
	}
	assert.deepEqual((await plane.ok(['status', 'shop', '--json'])).json.routines.map(r => r.name), ['shop'])
	const unreachable = await tool(['status', '--json', '--node', 'http://127.0.0.1:1'])
	assert.deepEqual([unreachable.code, unreachable.json.error.code], [3, 'unreachable'])
	const broken = project({ 'er.jsonc': '{ "name": 5 }' })
	const mistake = await plane.er(['versions', '--json'], { cwd: broken })
	assert.equal(mistake.code, 1)
	assert.match(mistake.json.error.message, /er\.jsonc:1:\d+: /)
})

test('a refusal says whose fault it is: the token is confined to a, or its role is too small', async () => {
	const token = async (...args) => (await plane.ok(['token', 'add', ...args])).out.trim()
	const as = (secret, args) => plane.er(args, { cwd, env: { ER_NODE: plane.url, ER_TOKEN: secret } })
	const confined = await token('confined-a', '--role', 'deploy', '--routines', 'a'), reader = await token('just-reads', '--role', 'read'), deployer = await token('deploys', '--role', 'deploy')
	const other = await as(confined, ['deploy', '--no-ask'])
	assert.equal(other.code, 4)
	assert.match(other.err, /this token is confined to a\b/)
	assert.doesNotMatch(other.err, /role does not allow/)
	const kv = await as(confined, ['kv', 'list', 'data'])
	assert.match(kv.err, /this token is confined to a, and the KV namespace data was not granted to it/)
	assert.match(kv.err, /er whoami shows which routines it is for/)
	assert.match((await as(confined, ['tail', 'shop'])).err, /this token is confined to a\b/)
	const role = await as(reader, ['deploy', '--no-ask'])
	assert.match(role.err, /needs the role "deploy", and the token has "read"[^]*er token add NAME --role deploy/)
	const admin = await as(deployer, ['audit'])
	assert.match(admin.err, /needs the role "admin", and the token has "deploy"[^]*--role admin/)
	assert.doesNotMatch(admin.err, /--role deploy/)
	const error = async (secret, args) => JSON.parse((await as(secret, [...args, '--json'])).out).error
	const { code, role: needed, confined: within } = await error(deployer, ['audit'])
	assert.deepEqual([code, needed, within], ['forbidden', 'admin', undefined])
	const { role: none, confined: is } = await error(confined, ['kv', 'list', 'data'])
	assert.deepEqual([none, is], [undefined, true])
})
