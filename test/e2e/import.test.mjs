// er init --from: projects of other tools become projects of ours, and the report says what became
// of everything.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { literal, LiteralError } from '../../tools/import/literal.mjs'
import { project, run, startDev } from './lib/desk.mjs'

test('a configuration in JavaScript is read, never run', () => {
	for (const [text, value] of [
		['{a: 1, "b": [true, null, -2.5e3, 0x1f, 1_000,], \'c\': `d`, }', { a: 1, b: [true, null, -2500, 31, 1000], c: 'd' }],
		['// head\n{ /* in */ x: "\\u00e9\\x41\\u{1F600}\\n", __proto__: { y: 1 } } // end', Object.defineProperty({ x: 'éA😀\n' }, '__proto__', { value: { y: 1 }, enumerable: true })],
		['\ufeff[]', []], ['"a\\\nb"', 'ab'],
	]) assert.deepEqual(literal(text), value)
	for (const text of ['{a: b}', '{a: f()}', '{a: 1 + 1}', '`${x}`', '{a: 1', '{a 1}', '"open', '"line\nbreak"', '{} {}', '', '{[x]: 1}', '{...x}'])
		assert.throws(() => literal(text), { name: 'Error', constructor: LiteralError }, text)
})

/** er.jsonc without its comment, parsed. */
const configOf = (dir, name) => JSON.parse(fs.readFileSync(path.join(dir, name, 'er.jsonc'), 'utf8').replace(/^\/\/.*\n/, ''))
const what = list => list.map(one => one.what)

const classicConfig = `var config = {
    // @alicloud api version
    apiVersion: '2018-05-10',
    endpoint: 'https://cdn.example.com',
    domain: 'www.shop.example',
    jsConfig: {
        "path": "edge.js", // the script
        "pos": "head",
        "jsmode": "redirect",
        "jsttl": 900
    },
    "jsSession": ["remote_addr", "ip_country"],
    accessKeyID: "AKIAEXAMPLE",
    accessKeySecret: 'very-secret',
    buildTime: null,
};
module.exports = config;
`
const edge = 'addEventListener("fetch", (event) => event.respondWith(new Response("the old routine: " + new URL(event.request.url).pathname)))\n'

test('a first-generation project runs as it is', async () => {
	const dir = project({ 'old/config.js': classicConfig, 'old/edge.js': edge, 'old/node_modules/x/index.js': 'x', 'old/.git/config': 'x' })
	const { code, out, err } = await run(['init', 'shop', '--from', 'old'], { cwd: dir })
	assert.equal(code, 0, out + err)
	assert.deepEqual(configOf(dir, 'shop'), { name: 'shop', main: 'edge.js', routes: ['www.shop.example/*'], limits: { idleSeconds: 900 }, compat: { classic: true } })
	assert.deepEqual(fs.readdirSync(path.join(dir, 'shop')).sort(), ['edge.js', 'er.jsonc'])
	for (const expected of [/^imported into shop what config\.js says, with 1 file$/m, /^ {2}jsConfig\.path +"main": "edge\.js"$/m, /^ {2}accessKeyID, accessKeySecret +access keys are not copied/m, /^ {2}jsSession /m, /^to do\n/m])
		assert.match(out, expected)
	assert.doesNotMatch(out + fs.readFileSync(path.join(dir, 'shop/er.jsonc'), 'utf8'), /AKIAEXAMPLE|very-secret/)
	assert.equal((await run(['check'], { cwd: path.join(dir, 'shop') })).code, 0)
	const dev = await startDev([], { cwd: path.join(dir, 'shop') })
	assert.equal((await dev.get('/x')).text, 'the old routine: /x')
	assert.equal(await dev.stop(), 0)
})

test('edge.js alone, a JSON configuration, and Serverless Devs are understood too', async () => {
	const alone = project({ 'old/edge.js': edge })
	assert.equal((await run(['init', 'a', '--from', 'old'], { cwd: alone })).code, 0)
	assert.deepEqual(configOf(alone, 'a'), { name: 'a', main: 'edge.js', compat: { classic: true } })

	const json = project({ 'old/.edgeroutine': '{ "name": "Named", "path": "./src/edge.js", "domain": ["a.example", "b.example"], "envConf": { "production": "100ms", "staging": "5ms" } }', 'old/src/edge.js': edge })
	const report = JSON.parse((await run(['init', '--from', 'old', '--json'], { cwd: json })).out)
	assert.deepEqual([report.ok, report.name, report.folder, report.files], [true, 'named', 'named', 1])
	assert.deepEqual(configOf(json, 'named'), { name: 'named', main: 'src/edge.js', routes: ['a.example/*', 'b.example/*'], limits: { cpuMs: 100 }, compat: { classic: true } })

	const yaml = project({ 'old/s.yaml': "services:\n  dcdn:\n    component: edgeroutine\n    props:\n      erName: my-er # it\n      code: './edge.js'\n      envConf:\n        staging: '50ms'\n        production: '100ms'\n      envs:\n        - production\n", 'old/edge.js': edge })
	await run(['init', '--from', 'old'], { cwd: yaml })
	assert.deepEqual(configOf(yaml, 'my-er'), { name: 'my-er', main: 'edge.js', limits: { cpuMs: 100 }, compat: { classic: true } })
})

test('bypass and foot are not silently dropped', async () => {
	const dir = project({ 'old/config.js': 'module.exports = { domain: "x.example", jsConfig: { path: "edge.js", pos: "foot", jsmode: "bypass" } }', 'old/edge.js': edge })
	const report = JSON.parse((await run(['init', 'b', '--from', 'old', '--json'], { cwd: dir })).out)
	assert.deepEqual(what(report.left), ['jsConfig.pos "foot"', 'jsConfig.jsmode "bypass"'])
	assert.ok(report.todo.some(t => /bypass\(request\)/.test(t)))
})

test('the successor\'s project keeps its order of arguments', async () => {
	const dir = project({ 'old/esa.jsonc': '{ // their file\n "name": "esa", "entry": "./src/index.js", "description": "a \\"shop\\"", "assets": { "directory": "./dist" }, "installCommand": "npm ci", }', 'old/src/index.js': 'export default { fetch(request, context, env) { return new Response(typeof context.waitUntil + typeof env) } }\n' })
	const { out } = await run(['init', '--from', 'old'], { cwd: dir })
	assert.match(out, /^ {2}assets +copy the folder beside er\.jsonc/m)
	assert.deepEqual(configOf(dir, 'esa'), { name: 'esa', main: 'src/index.js', compat: { envLast: true } })
	const dev = await startDev([], { cwd: path.join(dir, 'esa') })
	assert.equal((await dev.get('/')).text, 'functionobject')
	assert.equal(await dev.stop(), 0)
})

const wrangler = `name = "My_Shop"
main = "./src/index.ts"
compatibility_date = "2024-09-01"
compatibility_flags = ["nodejs_compat"]
account_id = "abc"
routes = [{ pattern = "shop.example/api/*", zone_name = "shop.example" }, "https://*example.org/*", "a*b.example/*", { pattern = "own.example", custom_domain = true }]

[vars]
GREETING = "hi"
RETRIES = 3
API_TOKEN = "x"

[[kv_namespaces]]
binding = "USER_SESSIONS"
id = "abc"

[limits]
cpu_ms = 2000

[[rules]]
type = "Text"
globs = ["**/*.html"]
[[rules]]
type = "Data"
globs = ["**/*.exe"]

[[d1_databases]]
binding = "DB"
[[r2_buckets]]
binding = "B"
[[queues.producers]]
queue = "q"
binding = "Q"
[[services]]
binding = "S"
service = "s"
[durable_objects]
bindings = [{ name = "D", class_name = "D" }]
[triggers]
crons = ["* * * * *"]
[assets]
directory = "public"
[future_thing]
x = 1

[env.staging]
route = "staging.example/*"
[env.staging.vars]
GREETING = "it's"
LIST = [1, 2]
[env.staging.limits]
cpu_ms = 1
[env.preview]
name = "x"
`
const worker = `import { env as all } from "cloudflare:workers";
type Env = { GREETING: string; RETRIES: number };
export default {
	async fetch(request: Request, env: Env) {
		const country = request.cf?.country;
		return new Response(env.GREETING + env.RETRIES + (all as Env).GREETING + country);
	},
	async scheduled(event, env) {},
};
`

test('a Workers-style project (TOML): what is taken, changed, left and to do', async () => {
	const dir = project({ 'old/wrangler.toml': wrangler, 'old/src/index.ts': worker, 'old/.dev.vars': 'SECRET=1', 'old/package.json': '{}', 'old/test/x.test.ts': 'request.cf' })
	const { code, out, err } = await run(['init', '--from', 'old', '--json'], { cwd: dir })
	assert.equal(code, 0, out + err)
	const report = JSON.parse(out)
	assert.deepEqual(configOf(dir, 'my-shop'), {
		name: 'my-shop', main: 'src/index.ts',
		routes: { production: ['shop.example/api/*', 'example.org/*', '*.example.org/*', 'own.example/*'], staging: ['staging.example/*'] },
		kv: { USER_SESSIONS: 'user-sessions' }, services: { S: 's' }, crons: ['* * * * *'], compat: { nodejs: true }, vars: { GREETING: 'hi', RETRIES: 3, API_TOKEN: 'x' }, limits: { cpuMs: 2000 },
	})
	assert.deepEqual(what(report.changed), ['name', 'route "https://*example.org/*"', 'route "own.example"', 'kv_namespaces.USER_SESSIONS', 'env.staging.vars.GREETING', 'env.staging.vars.LIST'])
	for (const left of ['compatibility_date 2024-09-01', 'route "a*b.example/*"', 'd1_databases', 'r2_buckets', 'queues', 'durable_objects', 'assets', 'future_thing', 'rules Data **/*.exe', 'env.staging.limits', 'env.preview', '.dev.vars', 'request.cf (src/index.ts:5)'])
		assert.ok(what(report.left).includes(left), `${left} is not among ${what(report.left).join(', ')}`)
	assert.ok(report.left.every(one => one.why.length > 10))
	assert.ok(report.changed.some(c => c.to === "er env set GREETING 'it'\\''s' --env staging"))
	assert.ok(report.changed.some(c => c.to === "er env set LIST '[1,2]' --parse --env staging"))
	for (const todo of [/API_TOKEN looks like a secret/, /^er kv namespace add user-sessions$/, /routineLimits\.cpuMs/, /er secret bulk old\/\.dev\.vars/, /npm install/])
		assert.ok(report.todo.some(t => todo.test(t)), `${todo} is not among ${report.todo.join('\n')}`)
	assert.ok(!fs.existsSync(path.join(dir, 'my-shop/.dev.vars')))
	assert.ok(!what(report.left).includes('account_id'))
	const dev = await startDev([], { cwd: path.join(dir, 'my-shop') })
	assert.equal((await dev.get('/')).text, 'hi3hiundefined')
	assert.equal(await dev.stop(), 0)
})

test('wrangler.jsonc and wrangler.json are read like the TOML', async () => {
	const text = '{\n\t// a comment\n\t"name": "j", "main": "src/a.js", "route": "j.example/*", "vars": { "A": { "deep": [1] } },\n}'
	for (const name of ['wrangler.jsonc', 'wrangler.json']) {
		const dir = project({ [`old/${name}`]: text, 'old/src/a.js': 'export default { fetch() { return new Response("j") } }' })
		assert.equal((await run(['init', '--from', 'old'], { cwd: dir })).code, 0)
		assert.deepEqual(configOf(dir, 'j'), { name: 'j', main: 'src/a.js', routes: { production: ['j.example/*'] }, vars: { A: { deep: [1] } } })
	}
})

test('in place only er.jsonc is added', async () => {
	const dir = project({ 'wrangler.toml': 'name = "here"\nmain = "index.js"\n', 'index.js': 'export default { fetch() { return new Response("x") } }' })
	const { code, out } = await run(['init', '--from', '.'], { cwd: dir })
	assert.equal(code, 0, out)
	assert.deepEqual(fs.readdirSync(dir).sort(), ['er.jsonc', 'index.js', 'wrangler.toml'])
	assert.equal((await run(['check'], { cwd: dir })).code, 0)
	const again = await run(['init', '--from', '.'], { cwd: dir })
	assert.equal(again.code, 1)
	assert.match(again.err, /er\.jsonc is there already; nothing was touched/)
})

test('what cannot be read or would be overwritten is refused whole', async () => {
	const dir = project({
		'empty/readme.md': 'x', 'bad/wrangler.toml': 'name = ', 'computed/config.js': 'var config = { jsConfig: { path: process.env.X } }; module.exports = config', 'computed/edge.js': edge,
		'taken/wrangler.toml': 'name = "taken"', 'old/wrangler.toml': 'name = "taken"\nmain = "index.js"', 'old/index.js': 'x', 'other/config.js': 'module.exports = { port: 1 }', 'gone/wrangler.toml': 'name = "gone"\nmain = "build/worker.js"',
	})
	for (const [from, expected] of [
		['nowhere', /nowhere is no folder/], ['empty', /there is nothing to import in .*wrangler\.toml/], ['bad', /wrangler\.toml: /],
		['computed', /config\.js: line 1: a value that is written down is expected, nothing that is computed/], ['old', /taken is there already; nothing was touched/], ['other', /nothing to import/],
	]) {
		const { code, err } = await run(['init', '--from', from], { cwd: dir })
		assert.equal(code, 1, from)
		assert.match(err, expected)
	}
	const json = await run(['init', '--from', 'empty', '--json'], { cwd: dir })
	assert.equal(JSON.parse(json.out).ok, false)
	assert.deepEqual(fs.readdirSync(path.join(dir, 'taken')), ['wrangler.toml'])
	assert.equal((await run(['init', 'Bad Name', '--from', 'old'], { cwd: dir })).code, 2)
	// An entry that a build makes is not there yet.
	const inside = await run(['init', 'old/new', '--from', 'old'], { cwd: dir })
	assert.equal(inside.code, 2)
	const gone = JSON.parse((await run(['init', 'late', '--from', 'gone', '--json'], { cwd: dir })).out)
	assert.ok(gone.todo.some(t => /"main" was build\/worker\.js, which is not among the sources/.test(t)))
})
