// The control API in the hands of who means it harm: nothing crashes, hangs, leaks or answers 500,
// and no token reaches further than its own.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startStore } from './lib/deploy.mjs'
import { sanitized, tempDir } from './lib/node.mjs'
import { description } from './lib/openapi.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

let node
const SECRET = 'the-secret-of-this-test'
const code = text => `addEventListener("fetch", e => { console.log(${JSON.stringify(text)}, e.request.url); e.respondWith(new Response("${text}")) })`
const socket = () => ({ path: node.ready.socket })

/** One request of bytes as they are; the status, or why there is none. Never a 500. */
async function bytes(to, text, { timeout = 60000 } = {}) {
	const c = await raw.connect(to, { timeout })
	try {
		c.send(text)
		const res = await c.response()
		assert.notEqual(res.status, 500, `${JSON.stringify(String(text).slice(0, 200))}: ${res.text}`)
		assert.ok(!res.text.includes(SECRET), res.text)
		return res
	} finally {
		c.close()
	}
}
const ask = (to, method, target, body = '', fields = '') => bytes(to, Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\nhost: x\r\n${fields}content-length: ${Buffer.byteLength(body)}\r\n\r\n`, 'latin1'), Buffer.from(body)]))
const as = (token, method, target, body) => ask(node.adminPort, method, target, body, `authorization: Bearer ${token}\r\n`)
const sequence = async () => (await node.ok('GET', '/v1')).sequence
const fill = target => target.replace(/\{version\}/, '1').replace(/\{environment\}/, 'production').replace(/\{name\}/, 'A').replace(/\{\w+\}/g, 'other')

before(async () => {
	node = await startStore()
	for (const name of ['mine', 'other']) {
		await node.deploy(name, code(name), { settings: { routes: [`${name}.example/*`] } })
		await node.ok('PUT', `/v1/routines/${name}/environments/production/secrets/KEY`, { value: SECRET })
	}
	await node.ok('PUT', '/v1/kv/things')
})
after(async () => {
	await node?.stop()
	node?.forget()
})

test('no path in any spelling gets more than it says', async () => {
	const before = await sequence()
	const spellings = ['/v1/../v1/status', '/v1/routines/..%2f..%2fetc%2fpasswd', '/v1/routines/%2e%2e/versions', '/v1/routines/mine%2Fversions', '/v1/routines/mine/versions/1/code/../../..', '//v1/status', '/v1//status', '/v1/status/',
		'/V1/status', '/v1/%73tatus', '/v1/routines/mine%00', '/v1/routines/%ff%fe', '/v1/routines/m%C3%AFne', '/v1/routines/mine/versions/%31', '/v1/routines/mine/versions/-1', '/v1/routines/mine/versions/0', '/v1/routines/mine/versions/1e3',
		'/v1/routines/mine/versions/99999999999999999999', '/v1/routines/mine/versions/1%20', '/v1/routines/mine/versions/%', '/v1/routines/mine/versions/%4', '/v1/routines/mine/versions/%zz', '/v1/kv/..', '/v1/kv/things/values/', '/v1/kv/things/values/..%2f..%2fkey',
		`/v1/routines/${'a'.repeat(7000)}`, `/v1${'/a'.repeat(3000)}`, `/v1/kv/things/values/${'%41'.repeat(600)}`, '/v1/routines?limit=-1', '/v1/routines?limit=0', '/v1/routines?limit=1e9', '/v1/routines?limit=99999999999999999999', '/v1/routines?cursor=%00', `/v1/routines?cursor=${"'%20OR%201=1--"}`,
		'/v1/routines?cursor=%', '/v1/audit?after=-1', '/v1/audit?after=18446744073709551616', '/v1/audit?limit=9223372036854775807', '/v1/logs?limit=-5', '/v1/logs?since=yesterday', '/v1/logs?since=2026-13-45T99:99:99Z', '/v1/logs?since=-1', '/v1/logs?sampling=-1', '/v1/logs?sampling=nan', '/v1/logs?sampling=1e999',
		'/v1/logs?search=(a%2B)%2B%24', `/v1/logs?search=${'(a*)*'.repeat(1000)}`, '/v1/logs?search=%00', '/v1/logs?status=x', '/v1/logs?status=5xx,4xx,3xx,2xx,1xx,404,405,406,407,408', '/v1/logs?kinds=,,,', '/v1/logs?routine=%2e%2e', '/v1/logs?method=%0d%0aX', '/v1/routes/test?url=%00', '/v1/routes/test?url=', '/v1/routes/test?url=http://[::1', `/v1/routes/test?url=http://${'a.'.repeat(3000)}`,
		'/v1/routes/test?url=javascript:alert(1)', '/v1/kv/things/keys?prefix=%ff%00', '/v1/kv/things/keys?limit=-1', '/v1/kv/things/keys?cursor=%00%00', '/v1/kv/things/keys?cursor=AAAA', '/v1?', '/v1?&&&', '/v1?a', '/v1?%61=1', '*', 'http://x/v1/status', 'http://x@y/v1']
	for (const target of spellings)
		for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'get', 'CONNECT']) {
			if (method === 'HEAD') continue
			const res = await ask(socket(), method, target)
			assert.ok(res.status < 500 || res.status === 501, `${method} ${target.slice(0, 100)}: ${res.status} ${res.text}`)
			if (res.status >= 400 && res.headers['content-type'] === 'application/json') assert.ok(JSON.parse(res.text).error.message, `${method} ${target}`)
		}
	assert.equal(await sequence(), before, 'something was changed')
	assert.equal((await node.get('mine')).text, 'mine')
})

test('bodies that are no request of ours are refused, and change nothing', async () => {
	const before = await sequence()
	const deep = n => '['.repeat(n) + ']'.repeat(n)
	const deepObject = n => '{"a":'.repeat(n) + '1' + '}'.repeat(n)
	const bodies = ['', ' ', 'null', '1', '"x"', '[]', '{}{}', '{', '{"code":', '\0', '{"code":"\0"}', '{"code":"\\u0000"}', Buffer.from([0xff, 0xfe, 0x7b, 0x7d]), Buffer.from('{"code":"\xed\xa0\x80"}', 'latin1'), '{"code":"\\ud800"}', '{"code":1e999}', '{"version":-1}', '{"version":1.5}', '{"version":1e10}', '{"version":18446744073709551617}',
		'{"version":"1"}', '{"version":{}}', '{"versions":[]}', '{"versions":[{}]}', '{"versions":[{"version":1,"percent":-10},{"version":1,"percent":110}]}', '{"versions":[{"version":1,"percent":50},{"version":1,"percent":50}]}', `{"versions":[${'{"version":1,"percent":1},'.repeat(99)}{"version":1,"percent":1}]}`, deep(100000), deepObject(50000), `{"settings":${deepObject(20000)},"code":"x"}`, `{"code":"x","vars":${deep(30000)}}`, '{"version":1,"version":2}', '{"__proto__":1}',
		'{"version":1,"guard":{"error_percent":-1}}', '{"version":1,"guard":{"watch_s":1e300}}', '{"version":1,"guard":[]}', '{"version":1,"reason":"a\\r\\nset-cookie: x"}x', `{"version":1,"reason":"${'x'.repeat(5000)}"}`, '{"keep":-1}', '{"keep":1e99}', '{"value":NaN}', '{"dir":"\\u0000"}', '{"dir":""}', '{"dir":"/proc/self/mem/x"}', '{"rules":[{}]}', '{"rules":{}}',
		'{"rules":[{"pattern":"a.example","routine":"nope"}]}', '{"pattern":"\\u0000","routine":"mine"}', '{"pattern":"a\\r\\nb/*","routine":"mine"}', '{"pattern":"a.example","routine":"mine","position":-1}', '{"pattern":"a.example","routine":"mine","position":1e18}', '{"name":"x","role":"root"}', '{"name":"../x","role":"read"}', '{"name":"x","role":"read","routines":[""]}', `{"name":"x","role":"read","routines":[${'"a",'.repeat(5000)}"a"]}`, '{"A B":"x"}', '{"":"x"}', '{"key":1}\n', '{"key":"","value":""}\n']
	for (const [target, operations] of Object.entries(description.paths))
		for (const method of ['post', 'put'])
			if (operations[method]?.requestBody && !target.includes('{key}'))
				for (const body of bodies) {
					const res = await ask(socket(), method.toUpperCase(), fill(target), body)
					assert.ok(res.status < 500, `${method} ${target} ${String(body).slice(0, 100)}: ${res.status} ${res.text}`)
					// a secret of any name and text is one; nothing is pruned where there is
					// nothing to prune
					if (/secrets$|prune$/.test(target)) continue
					assert.ok(res.status >= 400, `${method} ${target} ${String(body).slice(0, 100)}: ${res.status} ${res.text}`)
				}
	const changes = (await node.ok('GET', `/v1/audit?after=${before}&limit=100`)).items
	assert.ok(changes.every(c => /^secret/.test(c.kind ?? c.what)), JSON.stringify(changes))
	assert.equal((await node.get('mine')).text, 'mine')
})

test('framing that two readers could read differently ends the connection', async () => {
	const status = async text => (await bytes(socket(), text)).status
	const head = 'POST /v1/routines/mine/prune HTTP/1.1\r\nhost: x\r\n'
	for (const text of [`${head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`, `${head}content-length: -1\r\n\r\n`, `${head}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`, `${head}content-length: 0x2\r\n\r\n{}`, `${head}transfer-encoding: chunked\r\n\r\nzz\r\n`,
		`${head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n`, `${head}content-length: 99999999999999999999999\r\n\r\n`, `${head}x\0y: 1\r\n\r\n`, `${head}x: \0\r\n\r\n`, `${head}${'x: y\r\n'.repeat(5000)}\r\n`, `${head}x: ${'y'.repeat(200000)}\r\n\r\n`, 'GET /v1/status HTTP/9.9\r\n\r\n', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n'])
		assert.match(String(await status(text)), /^(400|413|414|431|505)$/, JSON.stringify(text.slice(0, 120)))
	assert.equal(await status(`${head}transfer-encoding: chunked\r\n\r\n1\r\n{\r\nb\r\n"keep": 100\r\n1\r\n}\r\n0\r\n\r\n`), 200)
})

test('a token that is confined to one routine neither sees nor touches another', async () => {
	const mine = { deploy: (await node.ok('POST', '/v1/tokens', { name: 'deployer', role: 'deploy', routines: ['mine'] })).token, read: (await node.ok('POST', '/v1/tokens', { name: 'reader', role: 'read', routines: ['mine'] })).token }
	await node.ok('PUT', '/v1/kv/other')
	await node.get('other')
	const before = await sequence()
	for (const token of Object.values(mine))
		for (const [target, operations] of Object.entries(description.paths))
			for (const [method, operation] of Object.entries(operations)) {
				if (target === '/v1/tail' || target.includes('/upgrade')) continue
				const res = await as(token, method.toUpperCase(), fill(target) + (target.endsWith('/test') ? '?url=http://other.example/' : ''), operation.requestBody ? '{"pattern":"other.example/x","routine":"other"}' : '')
				const free = /^\/v1(|\/openapi.json|\/whoami|\/status|\/routines|\/routes|\/routes\/test|\/kv|\/crons|\/logs)$/.test(target) && method === 'get'
				if (free) assert.equal(res.status, 200, `${method} ${target}`)
				else assert.ok([400, 403, 404].includes(res.status), `${method} ${target}: ${res.status} ${res.text}`)
				if (target !== '/v1/openapi.json' && res.status < 300) assert.ok(!res.text.replace('"host":"other.example"', '').includes('other'), `${target}: ${res.text}`)
			}
	assert.equal(await sequence(), before)
	// by another door: filters, rules, rollback to and settings that name others
	assert.ok(!(await as(mine.read, 'GET', '/v1/logs?routine=other')).text.includes('other.example'))
	assert.notEqual((await as(mine.deploy, 'POST', '/v1/routes', JSON.stringify({ environment: 'production', pattern: '*', routine: 'mine' }))).status, 201)
	assert.notEqual((await as(mine.deploy, 'POST', '/v1/routes', JSON.stringify({ environment: 'production', pattern: 'other.example/*', routine: 'mine', position: 0 }))).status, 201)
	const taking = await as(mine.deploy, 'POST', '/v1/routines/mine/deploy', JSON.stringify({ code: code('mine'), settings: { routes: ['*', 'other.localhost/*', 'other.example/deep/*'] } }))
	assert.equal((await node.get('other')).text, 'other')
	assert.equal((await node.get('other.example', '/deep/x')).text, 'other', taking.text)
	assert.equal((await node.get('nobody.example')).status, 404, taking.text)
	assert.ok((await as(mine.deploy, 'DELETE', '/v1/routes?environment=production&pattern=other.example/*')).status >= 400)
	// a tail of everything is a tail of what is theirs
	const c = await raw.connect(node.adminPort)
	c.send(`GET /v1/tail HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${mine.read}\r\n\r\n`)
	assert.equal((await c.head()).status, 200)
	await node.get('other')
	await node.get('mine')
	let seen = ''
	while (!seen.includes('"mine"')) {
		await c.more('an event')
		seen += c.take(c.bytes.length).toString()
	}
	assert.ok(!seen.includes('other'), seen)
	c.close()
	for (const name of ['deployer', 'reader']) await node.ok('DELETE', `/v1/tokens/${name}`)
	assert.equal((await as(mine.read, 'GET', '/v1')).status, 401)
})

test('a token that ends while its tail runs takes the tail with it', async () => {
	const { token } = await node.ok('POST', '/v1/tokens', { name: 'leaver', role: 'read' })
	const c = await raw.connect(node.adminPort)
	c.send(`GET /v1/tail HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
	assert.equal((await c.head()).status, 200)
	await node.ok('DELETE', '/v1/tokens/leaver')
	await node.get('mine')
	await raw.sleep(300)
	await node.get('mine', '/after-the-end')
	await raw.sleep(300)
	assert.ok(!c.bytes.toString().includes('/after-the-end'), c.bytes.toString())
	assert.ok(c.bytes.toString().endsWith('0\r\n\r\n'), c.bytes.toString())
	c.close()
})

test('one token takes no more than its share of tails and deployments', async () => {
	const { token } = await node.ok('POST', '/v1/tokens', { name: 'greedy', role: 'deploy', routines: ['mine'] })
	const open = () => raw.connect(node.adminPort).then(async c => {
		c.send(`GET /v1/tail HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
		return { c, status: (await c.head()).status }
	})
	const tails = await Promise.all(Array.from({ length: 20 }, open))
	assert.equal(tails.filter(t => t.status === 200).length, 16)
	assert.equal(tails.filter(t => t.status === 503).length, 4)
	const own = await raw.connect(socket())
	own.send('GET /v1/tail HTTP/1.1\r\nhost: x\r\n\r\n')
	assert.equal((await own.head()).status, 200)
	for (const { c } of [...tails, { c: own }]) c.close()

	let over = false
	const flood = Promise.all(Array.from({ length: 60 }, (_, i) => as(token, 'POST', '/v1/routines/mine/deploy', JSON.stringify({ code: `/* ${i} */ for (;;);` }))))
	flood.then(() => (over = true))
	await raw.sleep(50)
	const held = await node.deploy('other', code('other2'))
	assert.ok(held.version > 1)
	const statuses = (await flood).map(r => r.status)
	assert.ok(over && statuses.every(s => s === 400 || s === 503), statuses.join())
	assert.ok(statuses.includes(503) && statuses.includes(400), statuses.join())
	assert.equal((await node.get('mine')).text, 'mine')
	await node.deploy('other', code('other'))
	await node.ok('DELETE', '/v1/tokens/greedy')
})

test('texts of strangers stay texts: descriptions, keys, metadata, names', async () => {
	const evil = 'a\r\nset-cookie: x=1\r\n\r\n<script>\u0000\u001b[31m\u202e'
	const res = await ask(socket(), 'POST', '/v1/routines/mine/deploy', JSON.stringify({ code: code('mine'), description: evil, settings: { vars: { T: evil } } }))
	assert.ok(res.status < 300 || (res.status === 400 && /description|vars|T/.test(res.text)), res.text)
	assert.equal(res.headers['set-cookie'], undefined)
	for (const key of ['a/b', '../../key', '.', '..', 'with space', 'ünïcode', '\u0000', 'a\u0000b', '%2F', '%', '?x=1', '#', "'; DROP TABLE kv; --", '\r\n\r\n', 'x'.repeat(512)]) {
		const target = `/v1/kv/things/values/${encodeURIComponent(key).replace(/\./g, '%2e')}`
		const put = await ask(socket(), 'PUT', target, `value of ${key}`)
		if (put.status === 400) {
			assert.ok(JSON.parse(put.text).error.message, key)
			continue
		}
		assert.ok(put.status < 300, `${JSON.stringify(key)}: ${put.text}`)
		assert.equal((await ask(socket(), 'GET', target)).text, `value of ${key}`)
	}
	const keys = JSON.parse((await ask(socket(), 'GET', '/v1/kv/things/keys')).text).items.map(k => k.name ?? k.key)
	for (const key of ['a/b', '../../key', '%2F']) assert.ok(keys.includes(key), JSON.stringify(keys))
	for (const metadata of ['{"a":"b\\r\\nset-cookie: x"}', '"\\u0000"', '[1', 'x', `"${'m'.repeat(5000)}"`, '"\xff"']) {
		const put = await ask(socket(), 'PUT', '/v1/kv/things/values/m', 'v', `er-metadata: ${metadata}\r\n`)
		assert.ok(put.status < 500, put.text)
		const got = await ask(socket(), 'GET', '/v1/kv/things/values/m')
		assert.equal(got.headers['set-cookie'], undefined)
	}
	for (const target of ['/v1/kv/things/values/m?expiration_ttl=-1', '/v1/kv/things/values/m?expiration_ttl=1e400', '/v1/kv/things/values/m?expiration=99999999999999999999', '/v1/kv/things/values/m?expiration=1', '/v1/kv/things/values/m?expiration_ttl=18446744073709551615'])
		assert.equal((await ask(socket(), 'PUT', target, 'v')).status, 400, target)
	assert.equal((await node.get('other')).text, 'other')
})

test('bodies that are slow, endless or given up leave no memory behind', { skip: sanitized }, async () => {
	const round = async () => {
		await Promise.all(
			Array.from({ length: 20 }, async (_, i) => {
				const c = await raw.connect(socket())
				c.send(`POST /v1/routines/mine/deploy HTTP/1.1\r\nhost: x\r\n${i % 2 ? 'content-length: 8000000' : 'transfer-encoding: chunked'}\r\n\r\n`)
				for (let n = 0; n < 30; n++) c.send(i % 2 ? Buffer.alloc(65536, 0x20) : Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65536, 0x20), Buffer.from('\r\n')]))
				await raw.sleep(100)
				c.close()
			}),
		)
		await raw.until(async () => (await node.ok('GET', '/v1/status')).node.status === 'ok')
	}
	for (let i = 0; i < 3; i++) await round()
	const before = node.holdings()
	for (let i = 0; i < 6; i++) await round()
	// The last ones are let go of in their own time; a thread keeps up to 32 MB for what comes next
	// (base/mem.c), and a leak would be 200 MB.
	// The store keeps up to four connections for reading, of two descriptors each.
	let after
	await raw.until(() => {
		after = node.holdings()
		return after.fds <= before.fds + 2 + 6 && after.anonymous - before.anonymous < 48 << 20
	}, { what: 'the node to hold no more than before' }).catch(e => assert.fail(`${e.message}: ${JSON.stringify([before, after])}`))
})

test('the socket and what lies in the data folder are the user\u2019s alone, through a link as well', async () => {
	const dir = tempDir('er-link-')
	fs.mkdirSync(path.join(dir, 'real'), { mode: 0o777 })
	fs.symlinkSync('real', path.join(dir, 'link'))
	const linked = await startStore({ data: path.join(dir, 'link') })
	try {
		await linked.deploy('mine', code('linked'))
		await linked.ok('PUT', '/v1/routines/mine/environments/production/secrets/KEY', { value: SECRET })
		assert.equal((await linked.get('mine')).text, 'linked')
		for (const name of fs.readdirSync(path.join(dir, 'real'))) assert.equal(fs.statSync(path.join(dir, 'real', name)).mode & 0o077, 0, name)
		// by another name it is the same folder, and in use
		await assert.rejects(startStore({ data: path.join(dir, 'real') }), /in use by another node/)
	} finally {
		await linked.stop()
	}
	fs.rmSync(dir, { recursive: true })
})

test('without a token nothing is read, kept or told, and a guesser waits', async () => {
	const port = node.adminPort
	const c = await raw.connect(port)
	// the answer comes before the body does
	c.send('POST /v1/routines/mine/deploy HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n')
	assert.equal((await c.response()).status, 401)
	c.close()
	const texts = new Set()
	for (const token of ['', 'er_', 'er_\0', 'er_%', "er_' OR 1=1 --", `er_${'A'.repeat(43)}`, `er_${'A'.repeat(5000)}`, 'socket', '*']) {
		const res = await as(token, 'DELETE', '/v1/routines/mine').catch(e => assert.fail(`${token}: ${e}`))
		assert.ok([400, 401].includes(res.status), `${token.slice(0, 20)} ${res.status}`)
		if (res.status === 401) texts.add(res.text)
	}
	assert.equal(texts.size, 1)
	for (let i = 0; i < 4; i++) await as('er_no', 'GET', '/v1')
	assert.equal((await as('er_no', 'GET', '/v1')).status, 429)
	assert.equal((await ask(port, 'GET', '/health')).status, 200)
	assert.equal((await ask(socket(), 'GET', '/v1/whoami')).status, 200)
	// many connections that say nothing, or half of something, keep nobody out who uses the socket
	const idle = await Promise.all(Array.from({ length: 200 }, () => raw.connect(port)))
	idle.forEach((one, i) => i % 2 && one.send('POST /v1/routines/mine/deploy HTTP/1.1\r\nhost: x\r\ncontent-len'))
	assert.equal((await ask(socket(), 'GET', '/v1/whoami')).status, 200)
	assert.equal((await node.get('mine')).text, 'mine')
	idle.forEach(one => one.close())
})
