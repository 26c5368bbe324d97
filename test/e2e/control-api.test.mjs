// The control API of a real node: what it answers is what docs/openapi.json says, who has too small
// a role gets nowhere, and what a routine says is seen.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startStore } from './lib/deploy.mjs'
import { check, description } from './lib/openapi.mjs'
import { sanitized } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'

let node
before(async () => {
	node = await startStore()
})
after(async () => {
	await node?.stop()
	node?.forget()
})

const body = v => (v === undefined ? undefined : typeof v === 'string' || Buffer.isBuffer(v) ? v : JSON.stringify(v))
/** One request over the socket; the answer is checked against the description. */
async function ask(method, target, value, more = {}) {
	const res = await raw.request(more.to ?? { path: node.ready.socket }, target, { method, body: body(value), timeout: 30000, ...more })
	check(method, target, res)
	return { ...res, json: res.headers['content-type'] === 'application/json' ? JSON.parse(res.text) : undefined }
}
async function ok(method, target, value, more) {
	const res = await ask(method, target, value, more)
	assert.ok(res.status < 300, `${method} ${target}: ${res.status} ${res.text}`)
	return res.json
}
const R = '/v1/routines/shop'
const code = text => `addEventListener("fetch", e => { console.log("asked", e.request.url); e.respondWith(new Response("${text}")) })`

test('everything that is described answers as described', async () => {
	const first = await ok('POST', `${R}/deploy`, { code: code('one'), settings: { main: 'src/index.ts', routes: ['shop.example/*'], vars: { A: 1 } }, description: 'first' })
	assert.equal(first.version, 1)
	assert.ok(first.probe.cpu_us > 0 && first.probe.memory_kb > 0, JSON.stringify(first.probe))
	assert.equal((await node.get('shop.example')).text, 'one')
	await ok('POST', `${R}/versions`, { code: code('two'), source_map: '{"version":3,"sources":[],"mappings":""}' })
	await ok('PUT', `${R}/environments/staging`, { version: 2 })
	await ok('POST', `${R}/publish`, { guard: { watch_s: 60 } })
	assert.equal((await node.get('shop.example')).text, 'two')
	await ok('POST', `${R}/rollback`)
	assert.equal((await node.get('shop.example')).text, 'one')
	await ok('PUT', `${R}/environments/production/vars/GREETING`, { value: { a: [1, null] } })
	await ok('PUT', `${R}/environments/production/secrets/KEY`, { value: 'a-long-secret' })
	await ok('POST', `${R}/environments/production/secrets`, { OTHER: 'another-secret' })
	await ok('POST', '/v1/routes', { pattern: 'x.example', routine: 'shop' })
	await ok('PUT', '/v1/routes?environment=staging', { rules: [{ pattern: 'y.example', routine: 'shop' }] })
	await ok('PUT', '/v1/kv/things')
	await ok('PUT', '/v1/kv/things/values/a%2Fb?expiration_ttl=1000', Buffer.from([0xff, 0]), { headers: { 'er-metadata': '{"n":1}' } })
	await ok('POST', '/v1/kv/things/bulk', '{"key":"b","value":"text"}\n')
	await ok('POST', '/v1/tokens', { name: 'ann', role: 'read', routines: ['shop'] })
	await ok('PUT', '/v1/sites/shop.example', { hosts: ['shop.example'], origin: { servers: ['http://192.0.2.1'] } })
	await ok('POST', '/v1/purge', { urls: ['shop.example/a'], tags: ['a'], soft: true })
	const { job } = await ok('POST', '/v1/prefetch', { urls: ['https://shop.example/a'], headers: { 'accept-language': 'de' } })
	await ok('POST', '/v1/reload')
	await ok('POST', '/v1/backup', { dir: `${node.data}-copy` })
	const parameters = { routine: 'shop', environment: 'production', version: '2', name: 'GREETING', namespace: 'things', key: 'a%2Fb', token: 'ann', site: 'shop.example', job }
	for (const [path, operations] of Object.entries(description.paths)) {
		// the site's server is nowhere: prefetch.test.mjs reads content
		if (!operations.get || path === '/v1/tail' || path === '/v1/content') continue
		const target = path.replace(/\{(\w+)\}/g, (m, name) => parameters[name]) + (/\/(test|explain)$/.test(path) ? '?url=https://shop.example/' : path.endsWith('/value') ? '?key=a/b' : '')
		const res = await ask('GET', target)
		assert.equal(res.status, 200, `${target}: ${res.text}`)
		assert.ok(!/a-long-secret|another-secret/.test(res.text), target)
	}
	assert.equal((await ask('GET', '/v1/kv/things/values/a%2Fb')).headers['er-metadata'], '{"n":1}')
	await ok('PUT', '/v1/kv/things/value?key=..', Buffer.from('dots'))
	assert.equal((await ask('GET', '/v1/kv/things/value?key=..')).text, 'dots')
	await ok('DELETE', '/v1/kv/things/value?key=..')
	await ok('DELETE', '/v1/kv/things/values/a%2Fb')
	await ok('DELETE', '/v1/kv/things')
	await ok('DELETE', `${R}/environments/production/vars/GREETING`)
	await ok('DELETE', '/v1/routes?pattern=x.example')
	await ok('DELETE', `/v1/prefetch/${job}`)
	await ok('DELETE', '/v1/sites/shop.example')
	await ok('DELETE', '/v1/tokens/ann')
})

test('code that does not start is refused with its error', async () => {
	for (const [source, message] of [
		['let x = ;', /SyntaxError/],
		['undefined_thing()', /ReferenceError/],
		// a sanitized sandbox does not survive the interrupt well enough to say why
		['for (;;);', sanitized ? /./ : /CPU|cpu/],
	]) {
		const res = await ask('POST', `${R}/deploy`, { code: source })
		assert.equal(res.status, 400, res.text)
		assert.equal(res.json.error.field, 'code')
		assert.match(res.json.error.message, message)
	}
	assert.equal((await node.get('shop.example')).text, 'one')
})

test('large uploads arrive, too large ones are refused early', async () => {
	const padding = `// ${'x'.repeat(1020)}\n`.repeat(900)
	await ok('POST', '/v1/routines/large/deploy', { code: code('large') + '\n' + padding, source_map: JSON.stringify({ version: 3, sources: ['a.ts'], sourcesContent: ['y'.repeat(9 << 20)], mappings: '' }) })
	assert.equal((await node.get('large')).text, 'large')
	const res = await ask('POST', '/v1/routines/large/deploy', { code: code('larger') + '\n' + padding + padding })
	assert.equal(res.status, 413)
	const c = await raw.connect({ path: node.ready.socket })
	c.send('POST /v1/routines/large/deploy HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n')
	assert.equal((await c.response()).status, 413)
	c.close()
	await ok('DELETE', '/v1/routines/large')
})

test('a token may what its role may', async () => {
	const { token } = await ok('POST', '/v1/tokens', { name: 'reader', role: 'read' })
	const as = (t, method, target, value) => ask(method, target, value, { to: node.adminPort, headers: t ? { authorization: `Bearer ${t}` } : {} })
	for (const [path, operations] of Object.entries(description.paths))
		for (const [method, operation] of Object.entries(operations)) {
			if (operation['x-er-role'] === 'read') continue
			const target = path.replace(/\{version\}/, '1').replace(/\{environment\}/, 'staging').replace(/\{job\}/, '0'.repeat(16)).replace(/\{\w+\}/g, 'shop')
			const res = await as(token, method.toUpperCase(), target, operation.requestBody ? {} : undefined)
			assert.equal(res.status, 403, `${method} ${target}: ${res.status} ${res.text}`)
		}
	assert.equal((await as(token, 'GET', '/v1/whoami')).json.name, 'reader')
	const texts = new Set()
	for (let i = 0; i < 10; i++) {
		const res = await as(i % 2 ? `er_${'A'.repeat(43)}` : undefined, 'GET', i % 3 ? '/v1/routines/shop' : '/v1/none')
		assert.equal(res.status, 401)
		texts.add(res.text)
	}
	assert.equal(texts.size, 1)
	assert.equal((await as(token, 'GET', '/v1/whoami')).status, 429)
	assert.equal((await ask('GET', '/v1/whoami')).status, 200)
})

test('a tail shows requests and lines as they come, without secrets', async () => {
	await ok('POST', `${R}/deploy`, { code: code('tail') })
	const c = await raw.connect({ path: node.ready.socket })
	c.send('GET /v1/tail?routine=shop HTTP/1.1\r\nhost: x\r\n\r\n')
	assert.match(await c.line('a status line'), /^HTTP\/1.1 200/)
	while ((await c.line('a header')) !== '');
	const events = []
	let rest = ''
	const next = async want => {
		for (;;) {
			const found = events.find(want)
			if (found) return found
			const n = parseInt(await c.line('a chunk size'), 16)
			rest += Buffer.from(await c.exactly(n, 'a chunk')).toString()
			await c.exactly(2)
			const lines = rest.split('\n')
			rest = lines.pop()
			for (const line of lines) {
				check('GET', '/v1/tail', { status: 200, headers: { 'content-type': 'application/x-ndjson' }, text: line })
				events.push(JSON.parse(line))
			}
		}
	}
	await next(() => events.length > 0)
	await node.get('shop.example', '/hello?key=a-long-secret')
	const request = await next(e => e.kind === 'request')
	assert.equal(request.path, '/hello?key=***')
	assert.equal(request.status, 200)
	const printed = await next(e => e.kind === 'console')
	assert.equal(printed.id, request.id)
	assert.equal(printed.text, 'asked http://shop.example/hello?key=***')
	c.close()
	const { items } = await ok('GET', '/v1/logs?routine=shop&kinds=request&path=/hello')
	assert.equal(items.at(-1).path, '/hello?key=***')
})
