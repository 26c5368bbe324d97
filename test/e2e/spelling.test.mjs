// One path and one host in many spellings: whatever a client writes, the rule that guards it
// answers, the routine reads a serialised URL, the origin gets what was matched, and `er route
// test` says the same beforehand.
import test from 'node:test'
import assert from 'node:assert/strict'
import { connect } from './lib/raw.mjs'
import { startOrigin } from './lib/origin.mjs'
import { startStore } from './lib/deploy.mjs'
import { tool } from './lib/tool.mjs'

const guard = `addEventListener('fetch', event => {
	const { url } = event.request
	event.respondWith(new Response(url, { headers: { 'x-guard': String(url === new URL(url).href) } }))
})`

let origin, node
test.before(async () => {
	origin = await startOrigin((req, res) => res.end(`origin ${req.url}`))
	node = await startStore({
		config: {
			origin: origin.url,
			routines: [{ name: 'guard', main: 'guard.js', routes: ['guard.test/admin*', '*.sub.test/admin*', 'bücher.test/*', '127.0.0.1/admin*', '[::1]/admin*'] }],
		},
		files: { 'guard.js': guard },
	})
})
test.after(async () => {
	await node?.stop()
	node?.forget()
	origin?.close()
})

/** What the node does with a request line and a Host: "guard URL", "origin TARGET" (as the origin
 * got it), or the status. */
async function did(target, host = 'guard.test', version = 'HTTP/1.1') {
	const c = await connect(node.port)
	try {
		const seen = origin.requests.length
		c.send(`GET ${target} ${version}\r\n${host === null ? '' : `host: ${host}\r\n`}connection: close\r\n\r\n`)
		const res = await c.response()
		if (res.headers['x-guard'] !== undefined) {
			assert.equal(res.headers['x-guard'], 'true', `${target}: request.url is a serialised URL: ${res.text}`)
			assert.equal(origin.requests.length, seen, `${target}: the origin heard of it`)
			return `guard ${res.text}`
		}
		return res.status === 200 ? res.text : String(res.status)
	} finally {
		c.close()
	}
}

/** The same in the words of er route test. */
async function said(url) {
	const { code, out, err } = await tool(['route', 'test', url, '--json'], { env: { ER_NODE: `${node.data}/admin.sock` } })
	assert.equal(code, 0, `er route test ${url}: ${out}${err}`)
	const found = JSON.parse(out)
	return found.refused ? '400' : found.matched ? found.routine : 'origin'
}

const guarded = ['/admin', '/admin/', '/admin/x', '/x/../admin', '/./admin', '//admin', '///admin', '/%61dmin', '/%61%64%6d%69%6E', '/x/%2e%2e/admin', '/x/.%2E/admin', '/\\admin', '/x\\..\\admin',
	'/%2e/admin', '/.//admin', '/x/..//admin', '/admin;x', '/;/admin', '/;a=b/admin', '/%2Fadmin', '/%5cadmin', '/admin%2fx', '/admin?x=/../y', '/x/y/../../admin', '/admin/x/..', '/%2f%61dmin']
const open = ['/', '/x', '/Admin', '/%41dmin', '/admi', '/x/admin', '/admin/../x', '/%2561dmin', '/%%361dmin', '/x//admin', '/x%2fadmin', '/fetch/https://x/admin', "/q?a='b'&c=\\..\\%2e"]
const refused = ['/x%2f..%2fadmin', '/x/..%2fadmin', '/..%5cadmin', '/x/..;/admin', '/%2e%2e%2fadmin', '/admin%00']

test('a guard on a path is not passed by any spelling of it, and er route test says so', async () => {
	for (const path of guarded) {
		assert.match(await did(path), /^guard http:\/\/guard\.test\//, path)
		assert.equal(await said(`http://guard.test${path}`), 'guard', path)
	}
})

test('paths that are no spelling of the guarded one reach the origin, as er route test says', async () => {
	for (const path of open) {
		assert.match(await did(path), /^origin \//, path)
		assert.equal(await said(`http://guard.test${path}`), 'origin', path)
	}
})

test('a path that servers read in different ways is refused, and er route test says so', async () => {
	for (const path of refused) {
		assert.equal(await did(path), '400', path)
		assert.equal(await said(`http://guard.test${path}`), '400', path)
	}
	const c = await connect(node.port)
	c.send('GET /x/..%2fadmin HTTP/1.1\r\nhost: guard.test\r\n\r\n')
	const res = await c.response()
	assert.match(res.text, /hides a "\.\."/)
	assert.match(res.headers['er-error'], /^invalid/)
	c.close()
})

test('the origin gets the path that was matched, in one spelling', async () => {
	for (const [sent, got] of [['/a/../b', '/b'], ['/%7euser/%c3%bc', '/~user/%C3%BC'], ['/a\\b', '/a/b'], ['/x//y', '/x//y'], ['/100%', '/100%25'], ['/a%2fb', '/a%2Fb'], ['/%25%36%31', '/%2561'],
		['/%%36%31', '/%2561'], ["/?q='\"<>", '/?q=%27%22%3C%3E'], ['/?q=%61\\%zz', '/?q=%61\\%zz'], ['/fetch/https://x/../y', '/fetch/https://y'], ['/{a}|^', '/%7Ba%7D|%5E'], ['/..', '/'], ['/a/%2e', '/a/']])
		assert.equal(await did(sent), `origin ${got}`)
})

test('a path with empty segments reaches the routine as it is', async () => {
	assert.equal(await did('/admin/https://x//y'), 'guard http://guard.test/admin/https://x//y')
	assert.equal(await did('//admin'), 'guard http://guard.test//admin')
})

test('a guard is not passed by the absolute form, whatever Host says beside it', async () => {
	for (const target of ['http://guard.test/admin', 'HTTP://GUARD.test/admin', 'http://guard.test:80/%61dmin', 'http://guard.test./x/../admin', 'http://guard.test:4711/admin'])
		for (const host of ['guard.test', 'other.test']) assert.match(await did(target, host), /^guard /, `${target} beside ${host}`)
	assert.match(await did('http://other.test/admin', 'guard.test'), /^origin \/admin$/)
	for (const target of ['http://u@guard.test/admin', 'http://guard.test\\admin', 'http:/guard.test/admin', 'http:guard.test/admin', 'ftp://guard.test/admin', 'guard.test:80', '*', '/admin#x', 'http://guard.test/admin#x', 'http:///admin', '/adm\u00efn'])
		assert.equal(await did(target), '400', target)
	assert.equal(await did('https://guard.test/admin'), '421')
})

test('a guard is not passed by another spelling of its host, and er route test says so', async () => {
	for (const host of ['guard.test', 'GUARD.Test', 'guard.test.', 'guard.test:80', 'guard.test:080', 'guard.test:8080', 'guard.test:', 'a.sub.test', 'a.b.sub.test.', '127.0.0.1', '127.1', '0x7f.0.0.1', '2130706433', '0177.1:90', '[::1]', '[0::1]:80',
		'[0:0:0:0:0:0:0:1]', 'xn--bcher-kva.test', 'XN--Bcher-KVA.test.']) {
		assert.match(await did('/admin', host), /^guard /, host)
		assert.equal(await said(`http://${host}/admin`), 'guard', host)
	}
	assert.equal(await said('http://bücher.test/admin'), 'guard')
	assert.equal(await said('HTTP://BÜCHER.test/x'), 'guard')
	for (const host of ['guard.test..', '.guard.test', 'guard..test', '1.2.3.256']) assert.equal(await did('/admin', host), '400', host)
	assert.equal(await said('http://guard.test../admin'), '400')
})

test('a request without a host is one for the address that it came to', async () => {
	assert.equal(await did('/admin', null, 'HTTP/1.0'), `guard http://127.0.0.1:${node.port}/admin`)
})

test('a rule in another spelling is stored, shown, found and removed as the one that it means', async () => {
	const er = (...args) => tool(args, { env: { ER_NODE: `${node.data}/admin.sock` } })
	await node.deploy('stored', guard)
	for (const [written, means] of [['Käse.test/%61*', 'xn--kse-qla.test/a*'], ['UPPER.test./x/../b', 'upper.test/b'], ['[0:0::2]/*', '[::2]/*']]) {
		const added = await er('route', 'add', written, 'stored')
		assert.equal(added.code, 0, added.err)
		assert.ok(added.out.includes(means), added.out)
		assert.ok((await er('route', 'list')).out.includes(means))
		assert.equal((await er('route', 'add', means, 'stored')).code === 0, false, 'the same rule twice')
		assert.equal((await er('route', 'rm', written)).code, 0)
		assert.ok(!(await er('route', 'list')).out.includes(means))
	}
	const { routes_added } = await node.deploy('stored', guard, { settings: { routes: ['Straße.test/%7Ea*'] } })
	assert.deepEqual(routes_added, ['xn--strae-oqa.test/~a*'])
	assert.match(await did('/~ab', 'xn--strae-oqa.test'), /^guard /)
})
