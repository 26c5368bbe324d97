// The tool on a real node, as its user meets it: deploying, going back, splitting, environments,
// routes, variables, secrets.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project, write } from './lib/desk.mjs'
import { sanitized } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'
import { atTerminal, startPlane } from './lib/tool.mjs'

const answer = text => `export default { fetch(request, env) { return new Response(${JSON.stringify(text)}) } }\n`
let plane
before(async () => (plane = await startPlane()))
after(() => plane?.stop())

/** A project of that name whose routine answers that text. */
const shop = (name, text = 'one', more = {}) => project({ 'er.jsonc': JSON.stringify({ name, ...more }), 'src/index.js': answer(text) })

test('a first deploy makes the routine, shows its steps, and the new code answers', async () => {
	const cwd = shop('first', 'hello from the first')
	const { out, err } = await plane.ok(['deploy'], { cwd })
	for (const step of [/^built +\d+ B from 1 file  \d/m, /^uploaded +first version 1  /m, /^checked +top-level code used [\d.]+ ms CPU, an instance has [\d.]+ MB  /m, /^live +version 1 in production  /m, /^answered +200 from http:\/\/first\.localhost:\d+\/  [\d.]+ ms/m, /^total +[\d.]+ m?s$/m])
		assert.match(out, step)
	assert.match(err, /^warning: no route leads to first in production/m)
	assert.equal((await plane.get('first')).text, 'hello from the first')
})

test('a deploy says how long each step took, from the keyboard to the first byte of new code', async () => {
	const cwd = shop('quick')
	for (let i = 0; i < 3; i++) {
		write(cwd, { 'src/index.js': answer(`take ${i}`) })
		const { json } = await plane.ok(['deploy', '--json'], { cwd })
		assert.equal(json.version, i + 1)
		assert.deepEqual(Object.keys(json.timings), ['build_ms', 'upload_ms', 'check_ms', 'live_ms', 'first_byte_ms', 'total_ms'])
		assert.equal(json.answered.status, 200)
		assert.equal((await plane.get('quick')).text, `take ${i}`)
		const { total_ms: total, ...steps } = json.timings
		const all = Object.values(steps)
		assert.ok(all.every(ms => ms >= 0 && ms <= total) && all.some(ms => ms > 0), JSON.stringify(json.timings))
	}
})

test('code that does not load, has a mistake, or asks for too much is refused, and what ran goes on', async () => {
	const cwd = shop('strict', 'good')
	await plane.ok(['deploy'], { cwd })
	write(cwd, { 'src/index.js': 'export const boom = () => {\n\tthrow new TypeError("at the top")\n}\nboom()\naddEventListener("fetch", () => {})\n' })
	const thrown = await plane.er(['deploy'], { cwd })
	assert.equal(thrown.code, 1)
	assert.match(thrown.err, /error: .*TypeError: at the top[\s\S]*src\/index\.js:2:/)
	assert.equal((await plane.er(['deploy', '--json'], { cwd })).json.error.code, 'invalid')

	write(cwd, { 'src/index.js': 'export default {' })
	const broken = await plane.er(['deploy'], { cwd })
	assert.equal(broken.code, 1)
	assert.match(broken.err, /^src\/index\.js:1:\d+: error: /)

	write(cwd, { 'src/index.js': answer('x'), 'er.jsonc': '{ "name": "strict", "limits": { "cpuMs": 50000 } }' })
	const greedy = await plane.er(['deploy'], { cwd })
	assert.equal(greedy.code, 1)
	assert.match(greedy.err, /cpuMs/)
	assert.equal((await plane.get('strict')).text, 'good')
	assert.deepEqual((await plane.ok(['versions', '--json'], { cwd })).json.items.map(v => v.version), [1])
})

test('versions, rollback, a split, and what ran when', async () => {
	const cwd = shop('wheel', 'v1')
	await plane.ok(['deploy', '-m', 'the first'], { cwd })
	write(cwd, { 'src/index.js': answer('v2') })
	await plane.ok(['deploy', '--message', 'the second'], { cwd })
	assert.equal((await plane.get('wheel')).text, 'v2')

	const list = await plane.ok(['versions'], { cwd })
	assert.match(list.out, /^VERSION +RUNS IN +SIZE +AT +BY +MESSAGE\n +2 +production +\d+ B +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +socket +the second\n +1 +\d+ B .* the first\n$/)
	assert.match((await plane.ok(['versions', 'show', '1'], { cwd })).out, /^version +1\nruns in +-\n[\s\S]*sha256 +[0-9a-f]{64}\n[\s\S]*message +the first\n/)
	assert.match((await plane.ok(['versions', 'show', '1', '--code'], { cwd })).out, /v1/)
	assert.ok((await plane.ok(['versions', 'show', '1', '--source-map'], { cwd })).json.sources.includes('src/index.js'))

	assert.match((await plane.ok(['rollback'], { cwd })).out, /^rolled back wheel: production runs version 1\n$/)
	assert.equal((await plane.get('wheel')).text, 'v1')
	await plane.ok(['rollback', '2', '-m', 'it was right'], { cwd })
	assert.equal((await plane.get('wheel')).text, 'v2')
	await plane.ok(['deploy', '--versions', '1:90,2:10'], { cwd })
	const status = await plane.ok(['status', 'wheel'])
	assert.match(status.out, /^wheel +production +1 \(90 %\)/m)
	assert.match(status.out, /^wheel +production +2 \(10 %\)/m)
	assert.match((await plane.ok(['status'])).out, /^node +\S+: ok for \d+ s, process \d+\nversion [\s\S]*\nload +\d+ connections, .*\nmemory +[\d.]+ MB .*\nstore +\d+ routines, change \d+, [\d.]+ .B\n\nROUTINE /)
	const { json } = await plane.ok(['deployments', '--json'], { cwd })
	assert.deepEqual(json.items.map(d => d.versions.map(v => [v.version, v.percent])), [[[1, 90], [2, 10]], [[2, 100]], [[1, 100]], [[2, 100]], [[1, 100]]])
	assert.match((await plane.ok(['deployments'], { cwd })).out, /^\d{4}-\S+ \S+ +production +1 \(90 %\), 2 \(10 %\) +socket +deploy/m)

	assert.equal((await plane.er(['versions', 'rm', '1'], { cwd })).code, 1)
	await plane.ok(['deploy', '--versions', '2'], { cwd })
	await plane.ok(['versions', 'rm', '1'], { cwd })
	assert.match((await plane.er(['rollback'], { cwd })).err, /is version 1, and that is deleted/)
	assert.equal((await plane.er(['rollback', '1'], { cwd })).code, 5)
	assert.equal((await plane.er(['rollback', 'one'], { cwd })).code, 2)
})

test('old versions are pruned, what runs stays', async () => {
	const cwd = shop('pruned', 'v0')
	for (let i = 1; i <= 5; i++) {
		write(cwd, { 'src/index.js': answer(`v${i}`) })
		await plane.ok(['deploy', '--no-ask'], { cwd })
	}
	await plane.ok(['rollback', '1'], { cwd })
	assert.equal((await plane.ok(['versions', 'prune', '--keep', '2'], { cwd })).out, 'removed 2 versions of pruned\n')
	assert.deepEqual((await plane.ok(['versions', '--json'], { cwd })).json.items.map(v => v.version), [5, 4, 1])
	assert.deepEqual((await plane.ok(['versions', '--limit', '1', '--json'], { cwd })).json.items.map(v => v.version), [5])
})

test('a canary gets its share, the same client always the same version, and a guard is told of', async () => {
	const cwd = shop('bird', 'old')
	assert.match((await plane.er(['deploy', '--canary', '10%'], { cwd })).err, /first deployment|nothing runs/)
	await plane.ok(['deploy'], { cwd })
	write(cwd, { 'src/index.js': answer('new') })
	const { out } = await plane.ok(['deploy', '--canary', '30%', '--guard', 'errors=5,p99=50,requests=1000,watch=10m'], { cwd })
	assert.match(out, /^live +version 1 for 70 % of clients, version 2 for 30 % of clients in production, instead of version 1/m)
	assert.match((await plane.ok(['status', 'bird'])).out, /2 \(30 %\).*watching/)
	const seen = new Set()
	for (let i = 0; i < 10; i++) seen.add((await plane.get('bird')).text)
	assert.equal(seen.size, 1)
	for (const [flags, expected] of [[['--canary', '0'], /--canary: a share/], [['--versions', '1:50,2:40'], /shares that make 100/], [['--guard', 'error=1'], /--guard: "on", or/], [['--versions', '1', '--canary', '5'], /neither ENTRY nor --canary/]]) {
		const wrong = await plane.er(['deploy', ...flags], { cwd })
		assert.equal(wrong.code, 2, wrong.out + wrong.err)
		assert.match(wrong.err, expected)
	}
})

test('a deploy whose first answer is a failure ends with a status of its own, and stays live', async () => {
	const cwd = shop('failing', 'fine')
	const well = await plane.ok(['deploy', '--json'], { cwd })
	assert.deepEqual([well.json.answered.status, well.json.answered.ok], [200, true])
	for (const [source, status] of [['export default { fetch() { return new Response("no", { status: 503 }) } }\n', 503], ['export default { fetch() { throw new Error("boom") } }\n', 599], ['export default { fetch() { return new Response("who?", { status: 404 }) } }\n', 404]]) {
		write(cwd, { 'src/index.js': source })
		const { code, json, err } = await plane.er(['deploy', '--json'], { cwd })
		assert.equal(code, status < 500 ? 0 : 6, err)
		assert.deepEqual([json.answered.status, json.answered.ok], [status, status < 500])
		assert.equal((await plane.get('failing')).status, status)
	}
	write(cwd, { 'src/index.js': 'export default { fetch() { throw new Error("bang") } }\n' })
	const { code, out } = await plane.er(['deploy'], { cwd })
	assert.equal(code, 6)
	assert.match(out, /^answered +599 from http:\/\/failing\.localhost:\d+\/: exception/m)
	write(cwd, { 'src/index.js': 'export default { fetch() { throw new Error("again") } }\n' })
	await plane.ok(['deploy', '--no-ask'], { cwd })
})

test('--wait-guard ends with what the guard decided, and er status shows when, from where and why it went back', async () => {
	const cwd = shop('watched', 'old')
	await plane.ok(['deploy'], { cwd })
	for (const args of [['deploy', '--wait-guard'], ['publish', '--wait-guard']]) {
		const alone = await plane.er(args, { cwd })
		assert.equal(alone.code, 2)
		assert.match(alone.err, /--wait-guard waits for a guard: it goes with --guard/)
	}
	write(cwd, { 'src/index.js': 'export default { fetch() { return new Response("new") } }\n' })
	const passed = await plane.ok(['deploy', '--guard', 'watch=2s', '--wait-guard'], { cwd })
	assert.match(passed.out, /^answered +200 [^]*^guard +passed: it was not worse than the guard allows$/m)

	/** Requests that fail, until the command has ended. */
	const failing = async args => {
		write(cwd, { 'src/index.js': `export default { fetch(r) { if (r.url.endsWith("/fail")) throw new Error("worse"); return new Response("newer ${args}") } }\n` })
		let over = false
		const done = plane.er(args, { cwd, timeout: 90000 }).finally(() => (over = true))
		while (!over) {
			await plane.get('watched', '/fail').catch(() => {})
			await raw.sleep(20)
		}
		return done
	}
	const back = await failing(['deploy', '--guard', 'errors=5,requests=10,watch=60', '--wait-guard'])
	assert.equal(back.code, 7, back.out + back.err)
	assert.match(back.out, /^guard +went back: error rate \d+\.\d% against \d+\.\d%$/m)
	const told = await plane.ok(['status', 'watched'])
	assert.match(told.out, /^watched +production +2 \(100 %\) .* went back$/m)
	assert.match(told.out, /^watched in production: the guard went back at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d from version 3 to version 2: error rate .*%$/m)
	const env = (await plane.ok(['status', '--json'])).json.routines.find(r => r.name === 'watched').environments.production
	assert.deepEqual([env.guard, env.by, env.went_back_from], ['went-back', 'guard', [{ version: 3, percent: 100 }]])

	const again = await failing(['deploy', '--canary', '99%', '--json', '--guard', 'errors=5,requests=10,watch=60', '--wait-guard'])
	assert.equal(again.code, 7, again.out + again.err)
	assert.equal(again.json.guard.state, 'went-back')
	assert.match(again.json.guard.why, /^error rate/)
	assert.deepEqual(again.json.guard.versions, [{ version: 2, percent: 100 }])
	assert.match((await plane.ok(['status'])).out, /^watched in production: the guard went back at .* from version 4 \(for 99 % of clients\) to version 2: /m)

	// Somebody deploys meanwhile: the guard has nothing to decide any more.
	write(cwd, { 'src/index.js': answer('waited for') })
	const waiting = plane.er(['deploy', '--guard', 'watch=60s', '--wait-guard'], { cwd })
	await raw.until(async () => (await plane.get('watched')).text === 'waited for', { what: 'the new version' })
	await plane.ok(['deploy', '--versions', '1', '--name', 'watched'])
	const replaced = await waiting
	assert.equal(replaced.code, 1)
	assert.match(replaced.out, /^guard +replaced: something else was deployed before the guard had decided$/m)
	assert.doesNotMatch((await plane.ok(['status', 'watched'])).out, /went back/)
})

test('staging is tried first and published exactly as it is', async () => {
	const cwd = shop('stage', 'v1')
	assert.match((await plane.ok(['deploy', '--env', 'staging'], { cwd })).out, /^answered +200 from http:\/\/stage\.staging\.localhost:/m)
	assert.equal((await plane.get('stage.staging.localhost')).text, 'v1')
	assert.notEqual((await plane.get('stage')).text, 'v1')
	assert.equal((await plane.ok(['publish'], { cwd })).out, 'published stage: production runs version 1\n')
	assert.equal((await plane.get('stage')).text, 'v1')
	write(cwd, { 'src/index.js': answer('v2') })
	await plane.ok(['deploy', '-e', 'staging'], { cwd })
	assert.equal((await plane.get('stage')).text, 'v1')
	assert.equal((await plane.get('stage.staging.localhost')).text, 'v2')
	await plane.ok(['publish', '-n', 'stage', '-m', 'looks good'])
	assert.equal((await plane.get('stage')).text, 'v2')
	assert.match((await plane.ok(['deployments', '-n', 'stage'])).out, /publish: looks good/)
	assert.equal((await plane.er(['publish', '-n', 'nowhere'])).code, 5)
	assert.match((await plane.er(['deploy', '--env', 'test'], { cwd })).err, /there are production and staging/)
})

test('a dry run says what would be and changes nothing', async () => {
	const cwd = shop('maybe')
	assert.match((await plane.ok(['deploy', '--dry-run'], { cwd })).out, /^dry run +would make the routine maybe/m)
	assert.equal((await plane.er(['versions'], { cwd })).code, 5)
	await plane.ok(['deploy'], { cwd })
	const { json } = await plane.ok(['deploy', '--dry-run', '--json'], { cwd })
	assert.deepEqual([json.dry_run, json.new, json.newest], [true, false, 1])
	assert.equal((await plane.ok(['versions', '--json'], { cwd })).json.items.length, 1)
})

test('a single file is deployed by its name, and a routine can be named or found', async () => {
	const cwd = project({ 'one.js': answer('a file') })
	await plane.ok(['deploy', 'one.js'], { cwd })
	assert.equal((await plane.get('one')).text, 'a file')
	await plane.ok(['deploy', 'one.js', '--name', 'two'], { cwd })
	assert.equal((await plane.get('two')).text, 'a file')
	const nobody = await plane.er(['versions'], { cwd })
	assert.equal(nobody.code, 2)
	assert.match(nobody.err, /which routine\?/)
	assert.equal((await plane.er(['versions', '-n', 'No Such'], { cwd })).code, 2)
	// From below the project's folder it is the project's.
	const deep = shop('deep')
	fs.mkdirSync(path.join(deep, 'src/a/b'), { recursive: true })
	await plane.ok(['deploy'], { cwd: path.join(deep, 'src/a/b') })
	assert.match((await plane.ok(['versions'], { cwd: path.join(deep, 'src') })).out, /production/)
})

test('routes of er.jsonc are added by a deploy, each environment its own; er route shows and changes them', async () => {
	const cwd = shop('roads', 'here', { routes: { production: ['roads.example/*'], staging: ['try.example/*'] } })
	assert.match((await plane.ok(['deploy'], { cwd })).out, /^routed +roads\.example\/\*$/m)
	assert.doesNotMatch((await plane.ok(['deploy'], { cwd })).out, /^routed/m)
	assert.equal((await plane.get('roads.example', '/x')).text, 'here')
	await plane.ok(['deploy', '--env', 'staging'], { cwd })
	assert.match((await plane.ok(['route', 'list', '--env', 'staging'])).out, /try\.example\/\* +roads +store/)

	assert.match((await plane.ok(['route', 'add', 'other.example/shop/*', 'roads'])).out, /^other\.example\/shop\/\* goes to roads in production/)
	assert.equal((await plane.get('other.example', '/shop/1')).text, 'here')
	assert.match((await plane.ok(['route', 'test', 'https://other.example/shop/1?x=1'])).out, /goes to roads by the rule other\.example\/shop\/\* \(position \d+, source store\)/)
	assert.match((await plane.ok(['route', 'test', 'roads.localhost/'])).out, /goes to roads by its name/)
	assert.match((await plane.ok(['route', 'test', 'unknown.example/'])).out, /^no rule takes/)
	assert.equal((await plane.ok(['route', 'test', 'roads.example/', '--json'])).json.routine, 'roads')
	await plane.ok(['route', 'rm', 'other.example/shop/*'])
	assert.equal((await plane.er(['route', 'rm', 'other.example/shop/*'])).code, 5)
	assert.match((await plane.ok(['route', 'add', 'roads.example/a/*', 'roads'])).err, /^warning: it is never reached/)
	const bad = await plane.er(['route', 'add', 'a*b.example/', 'roads'])
	assert.equal(bad.code, 1)
	assert.match(bad.err, /pattern|star|\*/)

	const quiet = shop('quiet-roads', 'x', { routes: ['quiet.example/*'] })
	await plane.ok(['deploy', '--no-routes'], { cwd: quiet })
	assert.doesNotMatch((await plane.ok(['route'])).out, /quiet\.example/)
})

test('variables belong to an environment and are there at once', async () => {
	const cwd = project({ 'er.jsonc': '{ "name": "vars", "vars": { "A": "file", "B": "file" } }', 'src/index.js': 'export default { fetch(r, env) { return Response.json(env) } }\n' })
	await plane.ok(['deploy'], { cwd })
	await plane.ok(['deploy', '--env', 'staging'], { cwd })
	await plane.ok(['env', 'set', 'A', 'node'], { cwd })
	await plane.ok(['env', 'set', 'N', '{"deep": [1, true]}', '--parse'], { cwd })
	assert.deepEqual(JSON.parse((await plane.get('vars')).text), { A: 'node', B: 'file', N: { deep: [1, true] } })
	assert.deepEqual(JSON.parse((await plane.get('vars.staging.localhost')).text), { A: 'file', B: 'file' })
	const { out } = await plane.ok(['env'], { cwd })
	assert.match(out, /^A +node +\d{4}-/m)
	assert.match(out, /^N +\{"deep":\[1,true\]\}/m)
	await plane.ok(['env', 'rm', 'A'], { cwd })
	assert.equal(JSON.parse((await plane.get('vars')).text).A, 'file')
	assert.equal((await plane.er(['env', 'set', '1x', 'y'], { cwd })).code, 1)
	assert.equal((await plane.er(['env', 'set', 'X', 'y', '--parse'], { cwd })).code, 2)
	assert.equal((await plane.er(['env', 'rm', 'NEVER'], { cwd })).code, 5)
})

test('secrets come from a pipe, a file or many at once, reach the code, and never come back', async () => {
	const cwd = project({ 'er.jsonc': '{ "name": "safe" }', 'src/index.js': 'export default { fetch(r, env) { console.log("key is", env.KEY); return new Response(Object.keys(env).sort().map(k => k + "=" + env[k]).join(",")) } }\n', value: 'from a file\n' })
	await plane.ok(['deploy'], { cwd })
	await plane.ok(['secret', 'put', 'KEY'], { cwd, input: 'piped-and-secret\n' })
	await plane.ok(['secret', 'put', 'FILE', '--file', 'value'], { cwd })
	const open = await plane.ok(['secret', 'put', 'OPEN', '--value', 'in-the-open'], { cwd })
	assert.match(open.err, /^warning: a secret in an argument/)
	assert.equal((await plane.get('safe')).text, 'FILE=from a file,KEY=piped-and-secret,OPEN=in-the-open')

	write(cwd, { '.env': '# comment\nexport ONE="1 = one"\nTWO=\'2\'\n\nTHREE=3\r\n', 'many.json': '{ "FOUR": "4" }' })
	await plane.ok(['secret', 'bulk', '.env'], { cwd })
	await plane.ok(['secret', 'bulk', 'many.json'], { cwd })
	assert.equal((await plane.get('safe')).text, 'FILE=from a file,FOUR=4,KEY=piped-and-secret,ONE=1 = one,OPEN=in-the-open,THREE=3,TWO=2')
	await plane.ok(['secret', 'rm', 'OPEN'], { cwd })

	const list = await plane.ok(['secret'], { cwd })
	assert.match(list.out, /^KEY +\d{4}-/m)
	assert.doesNotMatch(list.out, /OPEN/)
	const told = [list.out, (await plane.ok(['secret', '--json'], { cwd })).out, (await plane.ok(['audit'])).out, (await plane.ok(['env'], { cwd })).out, (await plane.ok(['logs', 'safe'])).out, (await plane.ok(['status', '--json'])).out]
	for (const text of told) assert.doesNotMatch(text, /piped-and-secret|in-the-open/)
	assert.match(told[4], /key is \*\*\*/)

	assert.equal((await plane.er(['secret', 'put', 'EMPTY'], { cwd, input: '' })).code, 2)
	const bad = await plane.er(['secret', 'bulk'], { cwd, input: 'A=1\nnonsense\n' })
	assert.equal(bad.code, 2)
	assert.match(bad.err, /line 2: NAME=value/)
})

test('a secret typed at a terminal is not shown', async () => {
	const cwd = shop('typed')
	await plane.ok(['deploy'], { cwd })
	write(cwd, { 'src/index.js': 'export default { fetch(r, env) { return new Response(env.PIN) } }\n' })
	await plane.ok(['deploy'], { cwd })
	const t = atTerminal(['secret', 'put', 'PIN'], { cwd, env: { ER_NODE: plane.socket, XDG_CONFIG_HOME: plane.home } })
	await t.shows(/Value of PIN \(not shown\): /)
	await raw.sleep(100)
	t.type('hidden-1234\n')
	await t.shows(/set the secret PIN/)
	assert.equal(await t.ended, 0)
	assert.doesNotMatch(t.out(), /hidden-1234/)
	assert.equal((await plane.get('typed')).text, 'hidden-1234')
})

test('a routine is deleted only with a yes', async () => {
	await plane.ok(['deploy'], { cwd: shop('doomed') })
	const asked = await plane.er(['routine', 'rm', 'doomed'])
	assert.equal(asked.code, 2)
	assert.match(asked.err, /Say --yes/)
	assert.match((await plane.ok(['routine'])).out, /^doomed +1 +1 +1 +-$/m)
	await plane.ok(['routine', 'rm', 'doomed', '--yes'])
	assert.doesNotMatch((await plane.ok(['routine', 'list'])).out, /doomed/)
	assert.equal((await plane.er(['status', 'doomed'])).code, 5)
})

test('the log of changes says who did what', async () => {
	const { json } = await plane.ok(['audit', '--limit', '1000', '--json'])
	assert.ok(json.items.some(c => c.kind === 'deploy' && c.routine === 'first' && c.by === 'socket'))
	const last = await plane.ok(['audit', '--limit', '3'])
	assert.equal(last.out.trim().split('\n').length, 4)
	const after = await plane.ok(['audit', '--after', '1', '--limit', '2', '--json'])
	assert.deepEqual(after.json.items.map(c => c.sequence), [2, 3])
})
