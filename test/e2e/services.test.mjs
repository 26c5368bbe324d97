// Routines that call each other: env.NAME.fetch() on a node with a store.
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { startStore } from './lib/deploy.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const settings = (services, more = {}) => ({ services, limits: { cpuMs: 500, ...more } })
/** Calls env.OTHER as the path says. */
const caller = `export default { async fetch(request, env, ctx) {
	const url = new URL(request.url), to = url.searchParams.get('to') ?? 'https://other/'
	const words = e => new Response(e.name + ': ' + e.message + ' [' + e.code + ']')
	try {
		switch (url.pathname) {
			case '/pass': return await env.OTHER.fetch(request)
			case '/url': return await env.OTHER.fetch(to, { headers: { 'x-from': 'caller' } })
			case '/many': {
				const all = await Promise.all(Array.from({ length: +url.searchParams.get('n') }, () => env.OTHER.fetch(to).then(r => r.text(), e => e.code)))
				return Response.json(all)
			}
			case '/later': ctx.waitUntil(env.OTHER.fetch('https://other/later').then(r => r.text()).then(t => console.log('later ' + t))); return new Response('at once')
			case '/read': return new Response((await (await env.OTHER.fetch(request)).text()).length)
		}
	} catch (e) { return words(e) }
} }`
const module = code => `globalThis.__er_module = { default: (() => { ${code.replace('export default', 'return')} })() }`
const callee = says => module(`export default { async fetch(request, env) {
	const { pathname, searchParams } = new URL(request.url)
	if (pathname === '/busy') for (;;);
	if (pathname === '/throw') throw new Error('a secret of its own')
	if (pathname === '/echo' || request.method === 'POST') return new Response(request.body)
	if (pathname === '/big') return new Response('x'.repeat(3000000))
	return new Response(['${says}', request.method, request.url, request.headers.get('x-from'), request.info.remote_addr].join(' '), { headers: { 'x-other': '1' } })
} }`)

async function two(t, more = {}) {
	const node = await startStore({ config: { threads: 1, ...more } })
	t.after(async () => {
		await node.stop()
		node.forget()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return node
}

test('a routine calls another one: its answers, bodies, limits and failures, and who pays', async t => {
	const node = await two(t)
	const first = await node.deploy('front', module(caller), { settings: settings({ OTHER: 'back' }) })
	assert.match(JSON.stringify(first.warnings), /no routine back in production yet: env\.OTHER\.fetch fails/)
	const get = (target, options) => node.get('front', target, options)
	assert.match((await get('/url')).text, /^Error: env\.OTHER\.fetch failed: there is no routine back in production: deploy it \(er deploy\) \[no-route\]$/)

	await node.deploy('back', callee('one'), { settings: { limits: { cpuMs: 300 } } })
	assert.equal((await get('/url?to=https://any.example/a/../b%253Fc%3Fd')).text, 'one GET https://any.example/b%3Fc?d caller 127.0.0.1')
	const passed = await get('/pass?x=1')
	assert.equal(passed.text, 'one GET http://front.localhost/pass?x=1  127.0.0.1')
	assert.equal(passed.headers['x-other'], '1')
	const headed = await get('/pass', { method: 'HEAD' })
	assert.deepEqual([headed.status, headed.text], [200, ''])
	assert.equal((await get('/url?to=https://other/redirect')).status, 200)

	// Bodies both ways, unread and read; far more than any window.
	const big = 'y'.repeat(2000000)
	assert.equal((await get('/pass', { method: 'POST', body: big })).text.length, big.length)
	assert.equal((await get('/read', { method: 'POST', body: big })).text, String(big.length))
	assert.equal((await get('/url?to=https://other/big')).text.length, 3000000)

	// What goes wrong there is an error here, without what the other's author may not want told.
	assert.match((await get('/url?to=https://other/throw')).text, /^Error: env\.OTHER\.fetch failed: the routine back: .*exception.* \[exception\]$/)
	assert.doesNotMatch((await get('/url?to=https://other/throw')).text, /secret/)
	assert.match((await get('/url?to=https://other/busy')).text, /the routine back: The routine used more CPU time .* \[cpu\]$/)
	assert.match((await get('/url?to=ftp://other/')).text, /^TypeError: fetch takes http and https/)
	assert.equal((await get('/url')).text.slice(0, 3), 'one', 'the sandbox that was killed is replaced')

	assert.equal((await get('/later')).text, 'at once')
	await raw.until(async () => (await node.api('GET', '/v1/logs?routine=front&kinds=console')).text.includes('later one GET https://other/later'), { what: 'what went on behind the answer' })

	// The other's CPU and failures are its own; a call is a subrequest of the caller.
	const before = await node.metrics()
	const of = (map, name, routine, more = '') => [...map].filter(([k]) => k.startsWith(`${name}{`) && k.includes(`routine="${routine}"`) && k.includes(more)).reduce((n, [, v]) => n + v, 0)
	assert.ok(of(before, 'er_requests_total', 'back') >= 10, 'its calls are its requests')
	assert.ok(of(before, 'er_subrequests_total', 'front') >= 10)
	assert.equal(of(before, 'er_subrequests_total', 'back'), 0)
	const tail = (await node.api('GET', '/v1/logs?routine=back&kinds=request')).text
	assert.match(tail, /"host":"any\.example"/)
})

test('calls follow deployments and shares of the other, and stay in their environment', async t => {
	const node = await two(t)
	await node.deploy('front', module(caller), { settings: settings({ OTHER: 'back' }) })
	await node.deploy('front', module(caller), { settings: settings({ OTHER: 'back' }), environment: 'staging' })
	await node.deploy('back', callee('production'))
	const stagingAsks = async () => (await node.get('front.staging.localhost', '/url')).text.split(' ')[0]
	const asks = async () => (await node.get('front', '/url')).text.split(' ')[0]
	assert.match((await node.get('front.staging.localhost', '/url')).text, /no routine back in staging: deploy it \(er deploy --env staging\)/)
	await node.deploy('back', callee('staging'), { environment: 'staging' })
	assert.deepEqual([await asks(), await stagingAsks()], ['production', 'staging'])
	await node.deploy('back', callee('newer'))
	assert.equal(await asks(), 'newer', 'the next request sees the next version')
	await node.split('back', [{ version: 1, percent: 100 }])
	assert.equal(await asks(), 'production')
})

test('routines that call each other in a circle end, and one request cannot set a crowd to work', async t => {
	const node = await two(t)
	const again = module(`export default { async fetch(request, env) {
		const n = Number(new URL(request.url).searchParams.get('n'))
		const all = await Promise.all(Array.from({ length: n }, () => env.ME.fetch(request.url).then(r => r.json(), e => [e.code, e.message])))
		return Response.json(all)
	} }`)
	await node.deploy('circle', again, { settings: settings({ ME: 'circle' }) })
	let deep = (await node.get('circle', '/?n=1', { timeout: 20000 })).json ?? JSON.parse((await node.get('circle', '/?n=1')).text)
	let depth = 0
	while (Array.isArray(deep[0])) {
		deep = deep[0]
		depth++
	}
	assert.ok(depth >= 8, `${depth}`)
	assert.match(deep[1], /nested more than 8 deep/)
	const wide = (await node.get('circle', '/?n=3', { timeout: 20000 })).text
	assert.match(wide, /have made all calls that one request may cause/)
	assert.ok(wide.split('"subrequests"').length > 3)
	const asked = [...await node.metrics()].filter(([k]) => /^er_requests_total\{.*routine="circle"/.test(k)).reduce((n, [, v]) => n + v, 0)
	assert.ok(asked <= 2 * 10 + 33 + 1, `${asked} runs for three requests of clients`)
})

test('a call leads past nobody who guards a host: what the other leaves to the chain is admitted first', async t => {
	const origin = await startOrigin((req, res) => res.end(`origin ${req.headers.host} ${req.url}`))
	t.after(() => origin.close())
	const passes = `addEventListener('fetch', e => { const { pathname } = new URL(e.request.url); if (pathname === '/own') e.respondWith(fetch(e.request)) })`
	const node = await startNode({
		routines: {
			front: { source: module(caller), services: { OTHER: 'passing' }, routes: ['front.example/*'] },
			passing: { source: passes, routes: ['mine.example/*'] },
			guard: { source: `addEventListener('fetch', e => e.respondWith(new Response('guarded', { status: 403 })))`, routes: ['guarded.example/*'] },
		},
		config: { threads: 1, sites: ['front', 'mine', 'guarded', 'open'].map(name => ({ name, hosts: [`${name}.example`], origin: origin.url })) },
	})
	t.after(async () => {
		await node.stop()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	const to = async url => {
		const res = await raw.request(node.port, `/url?to=${encodeURIComponent(url)}`, { host: 'front.example' })
		return `${res.status} ${res.text}`
	}
	for (const path of ['', 'own']) {
		assert.match(await to(`http://guarded.example/${path}`), /403.*another routine answers for guarded\.example/s, path)
		assert.match(await to(`http://nowhere.example/${path}`), /403.*does not serve the host/s, path)
		assert.equal(await to(`http://mine.example/${path}`), `200 origin mine.example /${path}`)
		assert.equal(await to(`http://open.example/${path}`), `200 origin open.example /${path}`)
	}
	assert.equal(origin.requests.some(r => r.headers?.host === 'guarded.example'), false)
})
