// Services at private addresses that an operator allows to a routine: by network and port, and
// nothing beside them, whatever names, redirects and spellings say.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { startNode, writeConfig } from './lib/node.mjs'
import { startOrigin } from './lib/origin.mjs'
import { startNames } from './lib/names.mjs'
import * as raw from './lib/raw.mjs'

const fetcher = `addEventListener('fetch', e => e.respondWith((async () => {
	const to = new URL(e.request.url).searchParams.get('to')
	try { const answer = await fetch(to); return new Response(answer.status + ' ' + await answer.text()) } catch (x) { return new Response('refused: ' + x.message) }
})()))`
let service, other, names, node

before(async () => {
	names = await startNames()
	service = await startOrigin((req, res) => {
		const to = new URL(req.url, 'http://x/').searchParams.get('redirect')
		if (to) return res.writeHead(302, { location: to }).end()
		res.setHeader('connection', 'close').end('the service')
	})
	other = await startOrigin((req, res) => res.end('what nobody may reach'))
	const port = service.port
	node = await startNode({
		config: { resolver: { servers: [names.server] } },
		routines: {
			one: { source: fetcher, allowAddresses: [`127.0.0.1:${port}`, `[::1]:${port}`, '10.0.0.0/8:443'] },
			wide: { source: fetcher, allowAddresses: ['127.0.0.0/8', '::1'] },
		},
	})
})

after(async () => {
	await node?.stop()
	names?.close()
	await service?.close()
	await other?.close()
	assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
})

const ask = async (to, routine = 'one') => (await raw.request(node.port, `/?to=${encodeURIComponent(to)}`, { host: `${routine}.localhost` })).text

test('a routine reaches the port that is allowed, and no other port and no other address there', async () => {
	assert.equal(await ask(service.url), '200 the service')
	assert.equal(await ask(`http://[::ffff:127.0.0.1]:${service.port}/`), '200 the service')
	const shut = [other.url, `http://127.0.0.2:${service.port}/`, `http://[::ffff:127.0.0.2]:${service.port}/`, `http://[::ffff:7f00:1]:${other.port}/`, `http://0.0.0.0:${service.port}/`, 'http://10.1.2.3/', 'http://169.254.169.254/', `http://localhost:${other.port}/`]
	for (const to of shut) assert.match(await ask(to), /^refused: .*"allowAddresses" of one in node\.jsonc/, to)
	assert.equal(other.requests.length, 0)
})

test('a name that leads to the service now and elsewhere later leads nowhere then', async () => {
	const url = port => `http://flips.rebind.test:${port}/`
	names.flips = '127.0.0.1'
	assert.equal(await ask(url(service.port)), '200 the service')
	assert.match(await ask(url(other.port)), /^refused: /, 'the same address, another port')
	for (const elsewhere of ['127.0.0.2', '10.1.2.3', '169.254.169.254']) {
		names.flips = elsewhere
		await raw.until(async () => /^refused: /.test(await ask(url(service.port))), { what: `the refusal of ${elsewhere}` })
	}
	names.flips = '127.0.0.1'
	await raw.until(async () => (await ask(url(service.port))) === '200 the service', { what: 'the service again' })
})

test('a redirect of the service leads to nothing that is not allowed', async () => {
	const by = to => ask(`${service.url}/?redirect=${encodeURIComponent(to)}`)
	assert.equal(await by(`${service.url}/there`), '200 the service')
	for (const to of [`${other.url}/`, `http://[::ffff:127.0.0.1]:${other.port}/`, `http://private.rebind.test:${other.port}/`, 'http://169.254.169.254/latest', `http://127.0.0.1:${node.adminPort}/health`, `http://127.1:${other.port}/`])
		assert.match(await by(to), /^refused: /, to)
	assert.equal(other.requests.length, 0)
})

test('the node\'s admin address is no service, however much of this machine is allowed, unless it is named with its port', async () => {
	const admin = `http://127.0.0.1:${node.adminPort}/health`
	assert.equal(await ask(`${other.url}/`, 'wide'), '200 what nobody may reach')
	for (const to of [admin, `http://localhost:${node.adminPort}/health`, `http://[::ffff:127.0.0.1]:${node.adminPort}/health`, `http://private.rebind.test:${node.adminPort}/health`])
		assert.match(await ask(to, 'wide'), /^refused: .*its own admin address only with the port/, to)
	const config = JSON.parse(fs.readFileSync(node.configFile, 'utf8'))
	config.routines.find(r => r.name === 'wide').allowAddresses.push(`127.0.0.1:${node.adminPort}`)
	writeConfig(node.configFile, config)
	node.signal('SIGHUP')
	await raw.until(async () => /^200 \{"status"/.test(await ask(admin, 'wide')), { what: 'the admin address, as it is named' })
	assert.match(await ask(admin), /^refused: /)
})
