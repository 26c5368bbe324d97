// /metrics and /health: their form, what they promise, and that strangers cannot make them grow.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { root, startNode } from './lib/node.mjs'
import { bytesOf, connect, request, sleep, until } from './lib/raw.mjs'
import * as proc from './lib/proc.mjs'
import { berlin, mmdb } from './lib/mmdb.mjs'
import { startOrigin } from './lib/origin.mjs'

const hello = 'addEventListener("fetch", e => e.respondWith(new Response("hello")))'
const text = node => request(node.adminPort, '/metrics').then(r => r.text)

/** What promtool check metrics looks at, and a little more. → Map name → {type, help, samples:
 * [{name, labels, value}]} */
function parse(body) {
	const families = new Map()
	let current
	assert.ok(body.endsWith('\n'))
	const seen = new Set()
	for (const line of body.split('\n').slice(0, -1)) {
		let m
		if ((m = /^# HELP ([a-z_]+) (\S.*)$/.exec(line))) {
			assert.ok(!families.has(m[1]), `${m[1]} twice`)
			assert.match(m[2], /^[^a-z].*[.)]$/, `help of ${m[1]} is a sentence`)
			families.set(m[1], (current = { help: m[2], samples: [] }))
			current.name = m[1]
		} else if ((m = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line))) {
			assert.equal(m[1], current.name)
			assert.equal(current.type, undefined)
			current.type = m[2]
		} else {
			m = /^([a-z_]+)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)$/.exec(line)
			assert.ok(m, `not a sample: ${line}`)
			const [, name, inside = '', value] = m
			assert.ok(current.type, line)
			assert.ok(current.type === 'histogram' ? [`${current.name}_bucket`, `${current.name}_sum`, `${current.name}_count`].includes(name) : name === current.name, `${name} among ${current.name}`)
			const labels = Object.fromEntries([...inside.matchAll(/([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/g)].map(l => [l[1], l[2]]))
			assert.equal(Object.entries(labels).map(([k, v]) => `${k}="${v}"`).join(','), inside, line)
			const key = `${name}{${Object.entries(labels).sort().join()}}`
			assert.ok(!seen.has(key), `${key} twice`)
			seen.add(key)
			current.samples.push({ name, labels, value: Number(value) })
		}
	}
	for (const [name, f] of families) {
		if (f.type === 'counter') assert.match(name, /_total$/, `${name} is a counter`)
		else assert.doesNotMatch(name, /_total$/)
		if (f.type === 'histogram') histogram(name, f)
		assert.doesNotMatch(name, /_(ms|us|kb|mb|milliseconds)(_|$)/, 'base units')
	}
	return families
}

function histogram(name, f) {
	const series = new Map()
	for (const s of f.samples) {
		const { le, ...labels } = s.labels
		const key = JSON.stringify(labels)
		if (!series.has(key)) series.set(key, { buckets: [] })
		const one = series.get(key)
		if (s.name.endsWith('_bucket')) one.buckets.push([le === '+Inf' ? Infinity : Number(le), s.value])
		else one[s.name.slice(name.length + 1)] = s.value
	}
	for (const [key, one] of series) {
		const { buckets, sum, count } = one
		assert.equal(buckets.at(-1)[0], Infinity, key)
		assert.equal(buckets.at(-1)[1], count, key)
		assert.ok(sum >= 0)
		for (let i = 1; i < buckets.length; i++) assert.ok(buckets[i][0] > buckets[i - 1][0] && buckets[i][1] >= buckets[i - 1][1], `${name}${key}`)
	}
}

const value = (families, name, labels = {}) => families.get(name)?.samples.find(s => Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.value

test('the text is what Prometheus reads, and everything in it is documented', async () => {
	const data = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'er-data-'))
	const origin = await startOrigin((req, res) => res.setHeader('cache-control', 'max-age=60').end('page'))
	const sites = ['one', 'two'].map(name => ({ name, hosts: [`${name}.example`], origin: origin.url }))
	const database = `${data}.mmdb`
	fs.writeFileSync(database, mmdb({ '203.0.113.0/24': berlin }))
	const node = await startNode({ routines: { a: hello }, config: { data, sites, geo: { database } } })
	try {
		const code = 'addEventListener("fetch", e => { if (e.request.url.endsWith("/throw")) throw new Error("x"); e.respondWith(new Response("stored")) })'
		const r = await request({ path: path.join(data, 'admin.sock') }, '/v1/routines/b/deploy', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code, settings: {} }) })
		assert.equal(r.status, 200, r.text)
		for (const [name, target] of [['a', '/'], ['b', '/'], ['b', '/throw']]) await node.get(name, target)
		await until(async () => (await node.metric('er_requests_total', { routine: 'b' })) === 2)
		for (const [host, times] of [['one', 3], ['two', 1]]) for (let i = 0; i < times; i++) assert.equal((await request(node.port, '/', { host: `${host}.example` })).text, 'page')
		const families = parse(await text(node))
		for (const [site, hits] of [['one', 2], ['two', 0]]) {
			assert.equal(value(families, 'er_cache_site_requests_total', { site, result: 'hit' }), hits)
			assert.equal(value(families, 'er_cache_site_requests_total', { site, result: 'miss' }), 1)
		}
		assert.equal(value(families, 'er_cache_requests_total', { result: 'hit' }), 2)
		assert.equal(families.get('er_cache_site_requests_total').samples.length, 2 * families.get('er_cache_requests_total').samples.length, 'no label but of sites that were asked for')
		assert.equal(value(families, 'er_build_info', { level: 'full' }) ?? value(families, 'er_build_info'), 1)
		assert.equal(value(families, 'er_routines', { environment: 'production' }), 2)
		assert.equal(value(families, 'er_deployments_total'), 1)
		assert.ok(value(families, 'er_store_sequence') >= 2)
		assert.ok(value(families, 'er_store_bytes', { database: 'control' }) > 4096)
		assert.ok(Math.abs(value(families, 'process_start_time_seconds') - Date.now() / 1000) < 60)
		assert.ok(value(families, 'process_cpu_seconds_total') > 0)
		assert.ok(value(families, 'process_resident_memory_bytes') > 1e6)
		const fds = value(families, 'process_open_fds')
		assert.ok(Math.abs(fds - proc.fds(node.pid).length) <= 3, `${fds}`)
		assert.ok(value(families, 'process_max_fds') >= fds)
		assert.ok(value(families, 'er_listen_queue_max') >= 128)
		assert.equal(value(families, 'er_errors_total', { kind: 'exception', routine: 'b' }), 1)

		const docs = fs.readFileSync(path.join(root, 'docs/operators.md'), 'utf8')
		for (const name of families.keys()) assert.ok(docs.includes(`\`${name}\``), `docs/operators.md names ${name}`)

		const dashboard = JSON.parse(fs.readFileSync(path.join(root, 'packaging/grafana/edgeroutine.json'), 'utf8'))
		const exprs = JSON.stringify(dashboard).match(/(?<![a-z_])(er|process)_[a-z_]+(?=[{,\[) ]|\\")/g)
		assert.ok(dashboard.panels.length > 20 && exprs.length > 40)
		for (const name of new Set(exprs)) assert.ok(families.has(name.replace(/_(bucket|sum|count)$/, '')) || families.has(name), `the dashboard's ${name}`)
		for (const p of dashboard.panels) for (const t of p.targets ?? []) assert.equal((t.expr.match(/[({[]/g) ?? []).length, (t.expr.match(/[)}\]]/g) ?? []).length, t.expr)
		const ids = dashboard.panels.map(p => p.id)
		assert.equal(new Set(ids).size, ids.length)
	} finally {
		await node.stop()
		await origin.close()
		fs.rmSync(data, { recursive: true })
		fs.rmSync(database)
	}
})

test('reloads and failed upgrades are counted, and the last result shown', async () => {
	const node = await startNode({ routines: { a: hello } })
	try {
		const good = fs.readFileSync(node.configFile, 'utf8')
		node.signal('SIGHUP')
		await until(async () => (await node.metric('er_config_reloads_total', { result: 'ok' })) === 1)
		fs.writeFileSync(node.configFile, '{')
		node.signal('SIGHUP')
		await until(async () => (await node.metric('er_config_reloads_total', { result: 'failed' })) === 1)
		assert.equal(await node.metric('er_config_last_reload_successful'), 0)
		assert.equal(JSON.parse((await request(node.adminPort, '/health')).text).last_reload, 'failed')
		node.signal('SIGUSR2')
		await until(async () => (await node.metric('er_upgrades_failed_total')) === 1)
		fs.writeFileSync(node.configFile, good)
		node.signal('SIGHUP')
		await until(async () => (await node.metric('er_config_last_reload_successful')) === 1)
		assert.ok((await node.metric('er_config_activations_total')) >= 2)
	} finally {
		await node.stop()
	}
})

test('/health says what it is, and is a JSON object of plain values', async () => {
	const node = await startNode({ routines: { a: hello } })
	try {
		const r = await request(node.adminPort, '/health')
		assert.equal(r.status, 200)
		const health = JSON.parse(r.text)
		for (const key of ['status', 'version', 'engine', 'level', 'threads', 'routines', 'connections', 'instances', 'pool', 'sandbox_failures', 'uptime_s', 'pid', 'started_s', 'cpu_s', 'resident_bytes', 'fds', 'last_reload', 'last_reload_s']) assert.notEqual(typeof health[key], 'undefined', key)
		assert.equal(health.pid, node.pid)
		assert.ok(Object.values(health).every(v => typeof v !== 'object'))
	} finally {
		await node.stop()
	}
})

test('the queue of the listening sockets is shown while clients wait in it', async () => {
	const node = await startNode({ routines: { a: hello }, config: { limits: { connections: 1 } } })
	try {
		const first = await node.connect()
		first.send(bytesOf('/', { host: 'a.localhost' }))
		await first.response()
		const waiting = await Promise.all([node.connect(), node.connect(), node.connect()])
		await until(async () => (await node.metric('er_listen_queue')) === 3)
		first.close()
		waiting.forEach(c => c.close())
	} finally {
		await node.stop()
	}
})

test('10,000 URLs and hosts do not grow /metrics', async () => {
	const node = await startNode({ routines: { a: { source: hello, routes: ['*.example.com/*'] } } })
	try {
		const c = await connect(node.port)
		c.send(bytesOf('/', { host: 'x.example.com' }))
		await c.response()
		c.close()
		await sleep(100)
		const names = body => body.replace(/ [-0-9.e+]+$/gm, '')
		const lines = () => text(node).then(names)
		const get = async (target, host) => {
			const one = await connect(node.port)
			one.send(Buffer.concat(Array.from({ length: 500 }, (_, i) => bytesOf(`${target}${i}?q=${i}`, { host: `h${i}-${host}` }))))
			for (let i = 0; i < 500; i++) await one.response()
			one.close()
		}
		await get('/warm/', 'warm.example.com')
		await get('/warm/', 'nobody.example.org')
		const before = await lines()
		for (let k = 0; k < 10; k++) {
			await get(`/path-${k}/`, `${k}.example.com`)
			await get(`/path-${k}/`, `${k}.example.org`)
		}
		assert.equal(await lines(), before)
		assert.equal(await node.metric('er_requests_total', { routine: 'a' }), 1 + 500 + 5000)
	} finally {
		await node.stop()
	}
})
