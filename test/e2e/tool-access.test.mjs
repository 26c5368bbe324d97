// Which node, as whom, and what is said when it does not work: profiles, tokens, roles, exit
// statuses. The situations that a real node does not make on demand (silence, a cut connection,
// 429, somebody else's server) come from a small server here.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { project } from './lib/desk.mjs'
import { er, tempDir } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'
import { atTerminal, programAtTerminal, startPlane, tool } from './lib/tool.mjs'

const answer = text => `export default { fetch() { return new Response(${JSON.stringify(text)}) } }\n`
let plane
before(async () => (plane = await startPlane()))
after(() => plane?.stop())

const token = async (...args) => (await plane.ok(['token', 'add', ...args])).out.trim()

test('er login remembers nodes as profiles in a file that is ours alone', async () => {
	const home = tempDir()
	const env = { XDG_CONFIG_HOME: home }
	const secret = await token('alice', '--role', 'admin')
	assert.match(secret, /^er_[\w-]+$/)
	const first = await tool(['login', plane.url], { env, input: `${secret}\n` })
	assert.equal(first.code, 0, first.err)
	assert.match(first.out, /^logged in to http:\/\/127\.0\.0\.1:\d+ as alice \(admin\); profile "default" is the current one\n$/)
	const file = path.join(home, 'edgeroutine/profiles.json')
	assert.equal(fs.statSync(file).mode & 0o777, 0o600)
	assert.equal(fs.statSync(path.dirname(file)).mode & 0o777, 0o700)
	assert.match((await tool(['whoami'], { env })).out, /^alice \(admin\) at http:.*, profile "default"\n$/)

	// A second one, by its socket; paths are remembered whole.
	const second = await tool(['login', './admin.sock', '--profile', 'here'], { env, cwd: plane.data })
	assert.equal(second.code, 0, second.err)
	assert.match((await tool(['whoami'], { env })).out, /^socket \(admin\) at \/.*admin\.sock, profile "here"\n$/)
	assert.match((await tool(['whoami', '-p', 'default'], { env })).out, /^alice/)
	assert.match((await tool(['whoami'], { env: { ...env, ER_PROFILE: 'default' } })).out, /^alice/)
	// Or by ER_NODE, with ./ and without.
	const cwd = path.dirname(plane.data), folder = path.basename(plane.data)
	for (const ER_NODE of [`${folder}/admin.sock`, `./${folder}/admin.sock`, `unix:${folder}/admin.sock`]) {
		const there = await tool(['whoami'], { cwd, env: { ER_NODE } })
		assert.match(there.out, /^socket \(admin\) at /, `${ER_NODE}: ${there.err}`)
	}
	const bare = await tool(['whoami'], { env: { ...env, ER_NODE: 'admin.sock' }, cwd: plane.data })
	assert.equal(bare.code, 0, bare.err)
	assert.match(bare.out, /^socket \(admin\) at admin\.sock/)
	const list = await tool(['login', '--list'], { env })
	assert.match(list.out, /^ +PROFILE +NODE +TOKEN\n +default +http:\S+ +stored\n\* +here +\/\S+ +-\n$/)
	assert.doesNotMatch(list.out, new RegExp(secret))
	assert.deepEqual((await tool(['login', '--list', '--json'], { env })).json.items.map(p => [p.profile, p.current]), [['default', false], ['here', true]])

	assert.equal((await tool(['logout', 'default'], { env })).out, 'forgot the profile "default"\n')
	assert.equal((await tool(['whoami', '-p', 'default'], { env })).code, 5)
	assert.equal((await tool(['logout', 'default'], { env })).code, 5)
	assert.equal((await tool(['logout'], { env })).code, 0)
	assert.doesNotMatch(fs.readFileSync(file, 'utf8'), new RegExp(secret))

	// A file that others could read is closed to them.
	fs.chmodSync(file, 0o644)
	await tool(['login', '--list'], { env })
	assert.equal(fs.statSync(file).mode & 0o777, 0o600)
	fs.writeFileSync(file, '{ "profiles": [] }')
	assert.match((await tool(['whoami'], { env })).err, /profiles\.json is no list of profiles/)
	fs.writeFileSync(file, '{\n  "profiles": {},\n}\n')
	assert.match((await tool(['whoami'], { env })).err, /profiles\.json:3:1: .*; repair or delete it/)

	// What another version of the tool wrote stays.
	const theirs = { profiles: { old: { node: 'http://127.0.0.1:1', note: 5 } }, theme: [1, {}] }
	fs.writeFileSync(file, JSON.stringify(theirs))
	assert.equal((await tool(['login', plane.url, '--profile', 'new'], { env, input: secret })).code, 0)
	const text = fs.readFileSync(file, 'utf8'), now = JSON.parse(text)
	assert.deepEqual(now, { ...theirs, profiles: { ...theirs.profiles, new: { node: plane.url, token: secret } }, current: 'new' })
	assert.equal(text, `${JSON.stringify(now, null, 2)}\n`)
	assert.equal((await tool(['logout', 'new'], { env })).code, 0)
	assert.deepEqual(JSON.parse(fs.readFileSync(file, 'utf8')), theirs)
})

test('a login that the node refuses is not remembered', async () => {
	const home = tempDir()
	const env = { XDG_CONFIG_HOME: home }
	const wrong = await tool(['login', plane.url], { env, input: 'er_wrong\n' })
	assert.equal(wrong.code, 4)
	assert.match(wrong.err, /er login http/)
	assert.ok(!fs.existsSync(path.join(home, 'edgeroutine')))
	assert.match((await tool(['login', plane.url], { env, input: '' })).err, /a token is missing/)
	assert.equal((await tool(['login', plane.url, '--token', 'two words'], { env })).code, 2)
	assert.equal((await tool(['login'], { env })).code, 2)
	assert.equal((await tool(['login', 'ftp://x'], { env })).code, 2)
	// a name beyond ASCII is asked for as name servers know it
	const beyond = await tool(['login', 'http://BÜCHER.invalid:1', '-t', 'er_x'], { env })
	assert.equal(beyond.code, 3)
	assert.match(beyond.err, /http:\/\/xn--bcher-kva\.invalid:1/)
	for (const bad of ['http://b\u{fc} x', 'http://b\u{fc}@x', 'http://\u{fdd0}']) assert.equal((await tool(['login', bad, '-t', 'er_x'], { env })).code, 2, bad)
	assert.equal((await tool(['login', plane.url, '-p', 'a/b', '-t', 'er_x'], { env })).code, 2)
})

test('a token typed at a terminal is not shown', async () => {
	const secret = await token('typist', '--role', 'read')
	const t = atTerminal(['login', plane.url], { env: { XDG_CONFIG_HOME: tempDir() } })
	await t.shows(/Token for http:\S+ \(not shown\): /)
	await raw.sleep(100)
	t.type(`${secret}\n`)
	await t.shows(/logged in to/)
	assert.equal(await t.ended, 0)
	assert.doesNotMatch(t.out(), new RegExp(secret))
})

test('a role allows what it says, and a confined token sees only its routines', async () => {
	const cwd = project({ 'er.jsonc': '{ "name": "mine" }', 'index.js': answer('mine') })
	const other = project({ 'er.jsonc': '{ "name": "theirs" }', 'index.js': answer('theirs') })
	await plane.ok(['deploy'], { cwd })
	await plane.ok(['deploy'], { cwd: other })
	const as = (secret, args, options = {}) => tool(args, { ...options, env: { XDG_CONFIG_HOME: plane.home, ER_NODE: plane.url, ER_TOKEN: secret } })
	const read = await token('reader', '--role', 'read')
	const deploy = await token('deployer', '--role', 'deploy', '--routines', 'mine')

	assert.match((await as(read, ['status'])).out, /mine +production/)
	const refused = await as(read, ['deploy'], { cwd })
	assert.equal(refused.code, 4)
	assert.match(refused.err, /er token add NAME --role deploy/)
	for (const args of [['audit'], ['token'], ['secret', 'list', '-n', 'mine']]) assert.equal((await as(read, args)).code, 4, args.join(' '))

	assert.equal((await as(deploy, ['deploy'], { cwd })).code, 0)
	assert.notEqual((await as(deploy, ['deploy'], { cwd: other })).code, 0)
	assert.match((await as(deploy, ['whoami'])).out, /^deployer \(deploy\) at .*; only mine\n$/)
	assert.doesNotMatch((await as(deploy, ['routine'])).out, /theirs/)

	assert.match((await plane.ok(['token'])).out, /^deployer +deploy +mine +unused +none +\d{4}-/m)
	await plane.ok(['token', 'rm', 'deployer'])
	const ended = await as(deploy, ['whoami'])
	assert.equal(ended.code, 4)
	assert.equal((await plane.er(['token', 'rm', 'deployer'])).code, 5)
	assert.equal((await plane.er(['token', 'add', 'x', '--role', 'god'])).code, 1)
	const once = await plane.ok(['token', 'add', 'json', '--json'])
	assert.match(once.json.token, /^er_/)
})

test('a confined token does not take the traffic of another routine, whatever it deploys or adds', async () => {
	const file = routes => JSON.stringify({ name: 'taker', routes })
	const taker = routes => project({ 'er.jsonc': file(routes), 'index.js': answer('taker') })
	const victim = project({ 'er.jsonc': '{ "name": "victim", "routes": ["victim.example/shop*"] }', 'index.js': answer('victim') })
	await plane.ok(['deploy'], { cwd: victim })
	const secret = await token('taker', '--role', 'deploy', '--routines', 'taker')
	const as = (args, options = {}) => tool(args, { ...options, env: { XDG_CONFIG_HOME: plane.home, ER_NODE: plane.url, ER_TOKEN: secret } })
	assert.equal((await as(['deploy'], { cwd: taker(['taker.example/*']) })).code, 0)
	for (const pattern of ['*', '*.localhost', '*.localhost/*', 'victim.localhost/*', 'VICTIM.localhost./*', '*.com/*', '*.example', 'localhost', '127.0.0.1/*', 'victim.example/*', 'victim.example/x', 'VICTIM.EXAMPLE./%73hop/deep*', '*.victim.localhost', 'victim.staging.localhost/*'])
		for (const args of [['route', 'add', pattern, 'taker'], ['deploy'], ['deploy', '--no-routes'], ['deploy', '--env', 'staging']]) {
			const cwd = taker([pattern])
			const refused = await as(args, { cwd })
			assert.equal(refused.code, 4, `${args.join(' ')} with ${pattern}: ${refused.out}${refused.err}`)
		}
	assert.equal((await plane.get('victim.localhost')).text, 'victim')
	assert.equal((await plane.get('victim.example', '/shop/x')).text, 'victim')
	assert.equal((await plane.get('taker.example')).text, 'taker')
	assert.equal((await plane.get('victim.example', '/')).status, 404)
})

test('hosts are granted to a token, which then has these and no others', async () => {
	const secret = await token('granted', '--role', 'deploy', '--routines', 'granted', '--hosts', 'www.granted.test, *.Bücher.test')
	const as = (args, options = {}) => tool(args, { ...options, env: { XDG_CONFIG_HOME: plane.home, ER_NODE: plane.url, ER_TOKEN: secret } })
	const cwd = project({ 'er.jsonc': '{ "name": "granted", "routes": ["www.granted.test/*"] }', 'index.js': answer('granted') })
	assert.equal((await as(['deploy'], { cwd })).code, 0)
	assert.equal((await plane.get('www.granted.test')).text, 'granted')
	assert.match((await as(['whoami'])).out, /; only granted on \*\.xn--bcher-kva\.test, www\.granted\.test\n$/)
	assert.match((await plane.ok(['token'])).out, /^granted +deploy +granted +\*\.xn--bcher-kva\.test, www\.granted\.test +none +\d{4}-/m)
	assert.equal((await as(['route', 'add', 'x.bücher.test', 'granted'])).code, 0)
	assert.equal((await as(['route', 'add', 'granted.localhost/*', 'granted'])).code, 0)
	const refused = await as(['route', 'add', 'free.test', 'granted'])
	assert.equal(refused.code, 4)
	assert.match(refused.err, /not among those that were granted/)
	for (const hosts of ['*', '*.com', '*.localhost', 'mine.localhost', 'a.test/x']) assert.equal((await plane.er(['token', 'add', 'bad', '--routines', 'granted', '--hosts', hosts])).code, 1, hosts)
	assert.equal((await plane.er(['token', 'add', 'bad', '--hosts', 'a.test'])).code, 1)
	await plane.restart()
	assert.match((await as(['whoami'])).out, /www\.granted\.test/)
})

test('namespaces of the KV are granted to a token, to read or to write, and hold after a restart', async () => {
	for (const name of ['carts', 'prices', 'payroll']) await plane.ok(['kv', 'namespace', 'add', name])
	await plane.ok(['kv', 'put', 'prices', 'tea', '3'])
	const secret = await token('kv-team', '--role', 'deploy', '--routines', 'kv-team', '--kv', 'carts,prices:ro')
	const as = (args, options = {}) => tool(args, { ...options, env: { XDG_CONFIG_HOME: plane.home, ER_NODE: plane.url, ER_TOKEN: secret } })
	const code = name => project({ 'er.jsonc': `{ "name": "kv-team", "kv": ["${name}"] }`, 'index.js': answer('kv-team') })
	assert.match((await as(['whoami'])).out, /; only kv-team; KV carts, prices:ro\n$/)
	assert.match((await plane.ok(['token'])).out, /^kv-team +deploy +kv-team +unused +carts, prices:ro +\d{4}-/m)
	assert.equal((await as(['kv', 'put', 'carts', 'a', '1'])).code, 0)
	await plane.restart()
	assert.equal((await as(['kv', 'get', 'carts', 'a'])).out, '1')
	assert.equal((await as(['kv', 'get', 'prices', 'tea'])).out, '3')
	assert.deepEqual((await as(['kv', 'namespace', '--json'])).json.items.map(n => n.name), ['carts', 'prices'])
	for (const [args, why] of [[['kv', 'put', 'prices', 'tea', '0'], /may only read the KV namespace prices: .*er token add --kv prices/], [['kv', 'get', 'payroll', 'boss'], /KV namespace payroll was not granted to it: .*er token add --kv payroll/], [['kv', 'namespace', 'rm', 'carts', '--yes'], /neither makes nor deletes KV namespaces/]]) {
		const refused = await as(args)
		assert.equal(refused.code, 4, args.join(' '))
		assert.match(refused.err, why)
	}
	assert.equal((await as(['deploy'], { cwd: code('carts') })).code, 0)
	for (const name of ['prices', 'payroll']) {
		const refused = await as(['deploy'], { cwd: code(name) })
		assert.equal(refused.code, 4)
		assert.match(refused.err, new RegExp(`opens the KV namespace ${name}, .*er token add --kv ${name}`))
	}
	assert.equal((await plane.er(['token', 'add', 'bad', '--kv', 'carts'])).code, 1)
})

test('a profile\'s token goes to its own node only', async () => {
	const home = tempDir()
	const secret = await token('traveller', '--role', 'read')
	await tool(['login', plane.url, '-t', secret], { env: { XDG_CONFIG_HOME: home } })
	let heard
	const stranger = http.createServer((req, res) => {
		heard = req.headers.authorization
		res.writeHead(200, { 'content-type': 'application/json' }).end('{"name":"x","role":"read"}')
	})
	await new Promise(resolve => stranger.listen(0, '127.0.0.1', resolve))
	const node = `http://127.0.0.1:${stranger.address().port}`
	assert.equal((await tool(['whoami', '--node', node], { env: { XDG_CONFIG_HOME: home } })).code, 0)
	assert.equal(heard, undefined)
	await tool(['whoami'], { env: { XDG_CONFIG_HOME: home, ER_NODE: node, ER_TOKEN: 'er_given' } })
	assert.equal(heard, 'Bearer er_given')
	stranger.close()
})

test('without a profile a node of this folder is found, if its socket is ours', async () => {
	const cwd = project({})
	const env = { XDG_CONFIG_HOME: tempDir() }
	const nowhere = await tool(['whoami'], { cwd, env })
	assert.equal(nowhere.code, 3)
	assert.match(nowhere.err, /which node\? .*er node --data data; or name one: er login URL/)
	fs.symlinkSync(plane.data, path.join(cwd, 'data'))
	assert.match((await tool(['whoami'], { cwd, env })).out, /^socket \(admin\) at data\/admin\.sock\n$/)
})

test('what is not reachable, refused or not there has an exit status and a way out', async () => {
	const env = { XDG_CONFIG_HOME: tempDir() }
	const run = (node, args = ['status'], options = {}) => tool(args, { ...options, env: { ...env, ER_NODE: node } })
	const closed = await run('127.0.0.1:9')
	assert.equal(closed.code, 3)
	assert.match(closed.err, /^error: nobody answers at http:\/\/127\.0\.0\.1:9 \(Connection refused\)\. Is the node running/)
	assert.match((await run('/tmp/not/there.sock')).err, /there is no node at \/tmp\/not\/there\.sock: No such file or directory\. Is it running\? er node --data/)
	assert.equal((await run('http://name.invalid')).code, 3)
	assert.deepEqual((await run('127.0.0.1:9', ['status', '--json'])).json.error.code, 'unreachable')

	const unknown = await run(plane.socket, ['versions', '-n', 'nope'])
	assert.equal(unknown.code, 5)
	assert.match(unknown.err, /there is no routine "nope"/)
	assert.equal((await run(plane.socket, ['versions', '-n', 'nope', '--json'])).json.error.code, 'not-found')
	// The address of clients is not that of the administrator.
	const clients = await run(`http://127.0.0.1:${plane.node.port}`)
	assert.notEqual(clients.code, 0)
	assert.match(clients.err, /not as a node's admin API does/)
	assert.equal((await run(plane.socket, ['statsu'])).code, 2)
	assert.match((await run(plane.socket, ['kv', 'gett'])).err, /did you mean "er kv get"\?/)
	assert.match((await run(plane.socket, ['env', 'set', 'A'])).err, /an argument is missing: VALUE/)
	assert.match((await run(plane.socket, ['deploy', '--canry', '1'])).err, /did you mean --canary\?/)
})

/** A server that does as it is told; `behave(req, res, socket)`. */
async function fake(behave) {
	const server = http.createServer((req, res) => behave(req, res))
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
	return { url: `http://127.0.0.1:${server.address().port}`, close: () => (server.closeAllConnections(), server.close()) }
}
const json = (res, status, body, headers = {}) => res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

test('a cut connection, too many attempts, a busy node and somebody else\'s server are told apart', async () => {
	const cases = [
		[(req, res) => res.socket.destroy(), 1, /broke the connection off/],
		[(req, res) => (res.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }), res.write('{"na'), setTimeout(() => res.socket.destroy(), 20)), 1, /broke the connection off/],
		[(req, res) => json(res, 429, { error: { code: 'rate-limited', message: 'too many failed attempts' } }, { 'retry-after': '17' }), 4, /too many failed attempts\n.*again in 17 s/],
		[(req, res) => json(res, 503, { error: { code: 'unavailable', message: 'the node is stopping' } }), 1, /the node is stopping\n.*try again/],
		[(req, res) => json(res, 409, { error: { code: 'quota', message: '100 versions is the most' } }), 1, /100 versions is the most\ner versions prune/],
		[(req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>'), 1, /answered 200 with text\/html, and not as a node's admin API does/],
		[(req, res) => res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 1, /answered 302/],
		[(req, res) => json(res, 400, { error: { code: 'invalid', message: 'wrong', field: 'limits.cpuMs', expected: 'a number' } }), 1, /error: limits\.cpuMs: wrong; expected: a number/],
		[(req, res) => json(res, 400, { error: { code: 'invalid', message: '"n": a number is expected', field: 'n', expected: 'number' } }), 1, /is expected$/m],
		[(req, res) => json(res, 500, { error: { code: 'internal', message: '\u001b[31mred\u0007' } }), 1, /\\x1b\[31mred\\x07/],
	]
	for (const [behave, code, expected] of cases) {
		const server = await fake(behave)
		const result = await tool(['whoami'], { env: { XDG_CONFIG_HOME: plane.home, ER_NODE: server.url } })
		server.close()
		assert.match(result.err, expected)
		assert.equal(result.code, code, result.err)
	}
	// Silence.
	const silent = await fake(() => {})
	const late = await tool(['whoami', '--timeout', '1'], { env: { XDG_CONFIG_HOME: plane.home, ER_NODE: silent.url } })
	silent.close()
	assert.equal(late.code, 3)
	assert.match(late.err, /did not answer in time .*er status shows it/)
	// What speaks no HTTP at all.
	const echo = net.createServer(s => s.end('220 mail ready\r\n'))
	await new Promise(resolve => echo.listen(0, '127.0.0.1', resolve))
	const mail = await tool(['whoami'], { env: { XDG_CONFIG_HOME: plane.home, ER_NODE: `127.0.0.1:${echo.address().port}` } })
	echo.close()
	assert.notEqual(mail.code, 0)
	assert.match(mail.err, /does not speak HTTP|broke the connection off/)
})

test('completion knows every command and option of the tables', async () => {
	const bash = (await tool(['completion', 'bash'])).out
	const script = path.join(tempDir(), 'c.bash')
	fs.writeFileSync(script, `${bash}\nt() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _er 2>/dev/null; echo "\${COMPREPLY[*]}"; }\nt er ''\nt er kv namespace ''\nt er deploy --can\nt er route add x --pos\nt er secret b\n`)
	const { execFileSync } = await import('node:child_process')
	const lines = execFileSync('bash', [script], { encoding: 'utf8' }).trim().split('\n')
	const commands = [...(await tool(['--help'])).out.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(m => m[1])
	assert.ok(commands.length > 20)
	for (const c of commands) assert.ok(lines[0].split(' ').includes(c), c)
	assert.match(lines[1], /^list add rm --node=/)
	assert.deepEqual(lines.slice(2), ['--canary=', '--position=', 'bulk'])
	assert.equal((await tool(['completion', 'tcsh'])).code, 2)
})

/** Commands and options as the help says them: [[words, names]]. */
async function tree(words = []) {
	const { out } = await tool([...words, '--help'])
	const subs = /^usage: .* COMMAND/m.test(out) ? [...out.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(m => m[1]) : []
	const options = [...out.matchAll(/^ {2}(--[a-z0-9-]+)/gm)].map(m => m[1])
	const below = []
	for (const sub of subs) below.push(...(await tree([...words, sub])))
	return [[words, subs, options], ...below]
}

const installed = shell => process.env.PATH.split(':').some(dir => fs.existsSync(path.join(dir, shell)))
const without = shell => !installed(shell) && `${shell} is not installed (tools/deps.sh test)`
const withEr = { PATH: `${path.dirname(er)}:${process.env.PATH}` }

test('fish offers every command and option, where they belong', { skip: without('fish') }, async () => {
	const all = await tree()
	const lines = all.flatMap(([words]) => [['er', ...words, ''].join(' '), ['er', ...words, '--'].join(' ')])
	const script = `er completion fish | source; or exit 9\n${lines.map(l => `echo "== ${l}"; complete -C "${l}"`).join('\n')}\n`
	const { execFileSync } = await import('node:child_process')
	const out = execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8', env: { ...process.env, ...withEr, HOME: tempDir() } })
	const offered = new Map(out.split('== ').slice(1).map(part => [part.split('\n')[0], part.split('\n').slice(1).map(l => l.split('\t')[0]).filter(Boolean)]))
	for (const [words, subs, options] of all) {
		const [plain, dashes] = [['er', ...words, ''].join(' '), ['er', ...words, '--'].join(' ')].map(l => offered.get(l))
		if (subs.length) assert.deepEqual(plain.sort(), subs.sort(), words.join(' '))
		for (const o of options.filter(o => o !== '--version')) assert.ok(dashes.includes(o), `${words.join(' ')} ${o}: ${dashes}`)
	}
	assert.ok(all.length > 50)
})

test('zsh offers commands, then options, and a file where a value is to come', { skip: without('zsh') }, async () => {
	const cwd = tempDir()
	fs.writeFileSync(path.join(cwd, 'a-file.jsonc'), '{}')
	const typed = async (line, re, not) => {
		const shell = programAtTerminal(['zsh', '-f', '-i'], { cwd, env: { ...withEr, HOME: cwd, COLUMNS: '200' } })
		shell.type("PROMPT='@ '; stty columns 200; autoload -U compinit; compinit -D -u; source <(er completion zsh); print REA''DY\n")
		await shell.shows(/READY[\s\S]*@ .{0,20}$/)
		const before = shell.out().length
		shell.type(`${line}\t\t`)
		await shell.shows(re)
		const shown = shell.out().slice(before).replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r/g, '')
		if (not) assert.doesNotMatch(shown, not, line)
		assert.doesNotMatch(shown, /_er\b|_er_words|parse error|command not found/, line)
		shell.child.kill('SIGKILL')
		await shell.ended
	}
	await typed('er dep', /deploy +-- build, check[\s\S]*deployments +-- what ran/)
	await typed('er kv namespace ', /add +-- make one[\s\S]*rm +-- delete/, /--node/)
	await typed('er deploy --', /--dry-run +-- build[\s\S]*--node +-- the node: http/)
	await typed('er deploy --env staging --no-', /--no-ask +--[\s\S]*--no-routes +-- leave the node's routes/)
	await typed('er node check --con', /--config[\s\S]*=[\s\S]*a-file\.jsonc/)
	await typed('er node check --config ', /a-file\.jsonc/)
	await typed('er deploy ', /a-file\.jsonc/, /--canary/)
	// As a file of $fpath it works the same.
	fs.mkdirSync(path.join(cwd, 'functions'))
	fs.writeFileSync(path.join(cwd, 'functions/_er'), (await tool(['completion', 'zsh'])).out)
	const shell = programAtTerminal(['zsh', '-f', '-i'], { cwd, env: { ...withEr, HOME: cwd } })
	shell.type("PROMPT='@ '; fpath=($PWD/functions $fpath); autoload -U compinit; compinit -D -u; print REA''DY\n")
	await shell.shows(/READY[\s\S]*@ .{0,20}$/)
	shell.type('er kv na\t')
	await shell.shows(/namespace/)
	shell.child.kill('SIGKILL')
	await shell.ended
})

test('every command has a help that names its exit statuses', async () => {
	const walk = async words => {
		const { code, out } = await tool([...words, '--help'])
		assert.equal(code, 0, words.join(' '))
		const subs = /^usage: .* COMMAND/m.test(out) ? [...out.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(m => m[1]) : []
		if (subs.length === 0) assert.match(out, /Exit status: 0/, words.join(' '))
		for (const line of out.split('\n')) assert.ok(line.length <= 112, `${words.join(' ')}: ${line}`)
		for (const sub of subs) await walk([...words, sub])
	}
	await walk([])
})
