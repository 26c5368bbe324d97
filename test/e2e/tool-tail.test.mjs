// Watching a node by the tool: live and from its history, by the same filters.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import http from 'node:http'
import { project } from './lib/desk.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane, tool } from './lib/tool.mjs'

const source = `addEventListener("fetch", (event) => event.respondWith(handle(event.request)))
async function handle(request) {
	const { pathname } = new URL(request.url)
	console.warn("seen %s", pathname)
	if (pathname === "/throw") fail()
	if (pathname === "/none") return new Response("no", { status: 404 })
	if (pathname === "/loop") for (;;);
	return new Response("fine")
}
function fail() { throw new RangeError("on purpose") }
`
let plane
before(async () => {
	plane = await startPlane()
	await plane.ok(['deploy', '--no-ask'], { cwd: project({ 'er.jsonc': '{ "name": "seen" }', 'src/index.js': source }) })
	await plane.ok(['deploy', '--no-ask'], { cwd: project({ 'er.jsonc': '{ "name": "other" }', 'src/index.js': source }) })
})
after(() => plane?.stop())

/** A tail that listens already. */
async function tail(...args) {
	const t = plane.going(['tail', ...args])
	await raw.until(() => /watching/.test(t.err()), { what: `the word that it watches; there was ${t.err()}` })
	t.sees = re => raw.until(() => t.lines().find(l => re.test(l)), { what: `${re}; there was ${t.out()}${t.err()}` })
	t.events = () => t.lines().map(l => JSON.parse(l))
	t.end = async () => {
		t.child.kill('SIGINT')
		return t.ended
	}
	return t
}

test('requests, console, exceptions with their place and limits are shown as they come', async () => {
	const t = await tail('seen')
	await plane.get('seen', '/a?x=1')
	await plane.get('seen', '/throw')
	await plane.get('seen', '/loop')
	await plane.get('other', '/not-mine')
	await t.sees(/^\d\d:\d\d:\d\d @1 200 GET \/a\?x=1 {2}[\d.]+ ms, cpu [\d.]+ ms, 4 B/)
	await t.sees(/^\d\d:\d\d:\d\d @1 GET \/a\?x=1 warn: seen \/a$/)
	await t.sees(/^\d\d:\d\d:\d\d @1 GET \/throw exception: RangeError: on purpose$/)
	await t.sees(/^ {4}at fail \(src\/index\.js:10:\d+\)$/)
	await t.sees(/^\d\d:\d\d:\d\d @1 599 GET \/throw .* exception/)
	await t.sees(/ @1 GET \/loop sandbox killed: cpu, used \d+ ms of 50 ms, budget request; a fresh one takes over$/)
	assert.doesNotMatch(t.out(), /not-mine/)
	assert.equal(await t.end(), 0)
})

test('filters: status, method, path, text, kind; --json gives what the node says, --count ends it', async () => {
	const bad = await tail('--status', '5xx,404', '--json')
	const posts = await tail('--method', 'POST', '--kind', 'request', '--json')
	const paths = await tail('--path', '/api', '--json')
	const text = await tail('--search', 'needle', '--json')
	const two = await tail('--kind', 'request', '--count', '2')
	await plane.get('seen', '/ok')
	await plane.get('seen', '/none')
	await plane.get('seen', '/throw')
	await plane.get('seen', '/form', { method: 'POST', body: 'x' })
	await plane.get('other', '/api/needle')
	assert.equal(await two.ended, 0)
	assert.equal(two.lines().length, 2)
	await bad.sees(/"status":599/)
	assert.deepEqual(bad.events().map(e => [e.kind, e.status]), [['request', 404], ['request', 599]])
	await posts.sees(/\/form/)
	assert.deepEqual(posts.events().map(e => e.path), ['/form'])
	await paths.sees(/"kind":"request"/)
	assert.ok(paths.events().every(e => e.path.startsWith('/api') && e.routine === 'other'))
	await text.sees(/"kind":"console"/)
	assert.ok(text.events().some(e => e.text === 'seen /api/needle'))
	for (const t of [bad, posts, paths, text]) assert.equal(await t.end(), 0)
	for (const args of [['--sampling', '2'], ['--env', 'x'], ['--count', '0'], ['No Name']]) assert.equal((await plane.er(['tail', ...args])).code, 2, args.join(' '))
	assert.equal((await plane.er(['tail', '--kind', 'nonsense'])).code, 1)
})

test('a deployment is seen by whoever watches', async () => {
	const t = await tail('--kind', 'deployment')
	await plane.ok(['deploy', '--no-ask'], { cwd: project({ 'er.jsonc': '{ "name": "changing" }', 'src/index.js': source }) })
	await t.sees(/^\S+ changing@1 production runs version 1 now \(deploy\)$/)
	assert.equal(await t.end(), 0)
})

test('er logs shows what has been, by the same filters', async () => {
	await plane.get('seen', '/history/1')
	await plane.get('seen', '/throw')
	await raw.until(async () => /history\/1/.test((await plane.ok(['logs', 'seen'])).out), { what: 'the history' })
	assert.match((await plane.ok(['logs', 'seen', '--search', 'on purpose', '--since', '10m'])).out, /exception: RangeError: on purpose\n {4}at fail/)
	const { json } = await plane.ok(['logs', '--path', '/history', '--kind', 'console', '--json', '--limit', '1'])
	assert.deepEqual(json.items.map(e => e.text), ['seen /history/1'])
	const later = new Date(Date.now() + 60000).toISOString()
	assert.match((await plane.ok(['logs', 'seen', '--since', later])).err, /nothing that fits/)
	assert.equal((await plane.er(['logs', '--since', 'yesterday'])).code, 2)
})

test('a tail waits for a node that restarts, and goes on', async () => {
	const t = await tail('seen', '--kind', 'request')
	await plane.get('seen', '/before')
	await t.sees(/\/before/)
	await plane.restart()
	await raw.until(() => /waiting for it/.test(t.err()), { what: 'the word that it waits' })
	await raw.until(async () => {
		await plane.get('seen', '/after')
		return /\/after/.test(t.out())
	}, { timeout: 20000, every: 200, what: 'a request after the restart' })
	assert.equal(await t.end(), 0)
})

test('a tail that is refused or has no node says so and ends', async () => {
	assert.equal((await tool(['tail'], { env: { XDG_CONFIG_HOME: plane.home, ER_NODE: '127.0.0.1:9' } })).code, 3)
	assert.equal((await tool(['tail'], { env: { XDG_CONFIG_HOME: plane.home, ER_NODE: plane.url, ER_TOKEN: 'er_wrong' } })).code, 4)
})

test('lines that were lost on the way are said, and control characters of strangers do nothing', async () => {
	const server = http.createServer((req, res) => {
		res.writeHead(200, { 'content-type': 'application/x-ndjson' })
		res.write('{}\n{"dropped":17}\n{"kind":"console","at":"2026-01-31T12:00:00.000Z","routine":"r","version":"3","method":"GET","path":"/\\u001b]0;x\\u0007","level":"info","text":"a\\u001b[2Jb"}\n')
	})
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
	const result = await tool(['tail', '--count', '1'], { env: { XDG_CONFIG_HOME: plane.home, ER_NODE: `127.0.0.1:${server.address().port}` } })
	server.closeAllConnections()
	server.close()
	assert.equal(result.code, 0)
	assert.match(result.err, /17 events were left out/)
	assert.equal(result.out, '12:00:00 r@3 GET /\\x1b]0;x\\x07 info: a\\x1b[2Jb\n')
})
