// er node check, and the schemas of node.jsonc and er.jsonc: what they say is what the
// readers take.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { execFileSync, spawn } from 'node:child_process'
import { er, root, tempDir } from './lib/node.mjs'
import { jsonc, mistakes, resolve } from './lib/schema.mjs'

const schemaOf = name => JSON.parse(fs.readFileSync(path.join(root, `docs/schema/${name}.schema.json`), 'utf8'))
const hello = 'addEventListener("fetch", e => e.respondWith(new Response("hello")))'
const UNKNOWN = 'zzzzqqqq'

function run(args, cwd) {
	return new Promise(done => {
		const child = spawn(er, args, { cwd, env: { ...process.env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
		let out = '',
			err = ''
		child.stdout.setEncoding('utf8').on('data', d => (out += d))
		child.stderr.setEncoding('utf8').on('data', d => (err += d))
		child.on('close', status => done({ status, out, err }))
	})
}

function folder() {
	const dir = tempDir('er-check-')
	for (const name of ['a.js', 'x']) fs.writeFileSync(path.join(dir, name), hello)
	fs.writeFileSync(path.join(dir, 'broken.js'), 'this is no script')
	return dir
}

async function check(dir, text, ...more) {
	fs.writeFileSync(path.join(dir, 'node.jsonc'), typeof text === 'string' ? text : JSON.stringify(text))
	const r = await run(['node', 'check', '--json', ...more], dir)
	return { ...r, json: JSON.parse(r.out) }
}

test('a good configuration: exit status 0, and what the node would do', async () => {
	const dir = folder()
	const config = { listen: ['127.0.0.1:0'], threads: 2, routines: [{ name: 'a', main: 'a.js', routes: ['a.example/*'], limits: { cpuMs: 20 } }] }
	const r = await check(dir, config)
	assert.equal(r.status, 0, r.err)
	assert.equal(r.json.ok, true)
	assert.deepEqual(r.json.listen, [{ address: '127.0.0.1:0', environment: 'production' }])
	assert.equal(r.json.routines[0].limits.cpu_ms, 20)
	assert.deepEqual(r.json.routes, [{ pattern: 'a.example/*', routine: 'a' }])
	assert.deepEqual(r.json.warnings, [])
	const text = await run(['node', 'check'], dir)
	assert.equal(text.status, 0)
	assert.match(text.out, /^ok node\.jsonc\n {2}listen +127\.0\.0\.1:0\n/)
	assert.match(text.out, /a\.example\/\* -> a/)
	assert.deepEqual(fs.readdirSync(dir).sort(), ['a.js', 'broken.js', 'node.jsonc', 'x'])
	fs.rmSync(dir, { recursive: true })
})

test('a mistake: exit status 1, its place, the line and a caret', async () => {
	const dir = folder()
	const text = '{\n\t"listen": "127.0.0.1:0",\n\t"limits": { "header": "much" },\n}\n'
	const r = await check(dir, text)
	assert.equal(r.status, 1)
	const [e] = r.json.errors
	assert.deepEqual([e.path, e.line, e.column, e.length], ['node.jsonc', 3, 24, 6])
	assert.equal(e.text, '"limits.header": a whole number from 256 to 262144 is expected, not a string')
	const plain = await run(['node', 'check'], dir)
	assert.match(plain.err, /^node\.jsonc:3:24: error: "limits\.header": .*\n {6}"limits": \{ "header": "much" \},\n {28}\^{6}\n/)
	assert.equal(plain.out, '')
	fs.rmSync(dir, { recursive: true })
})

test('files that it names: missing code, a project without a build, a log that cannot be written', async () => {
	const dir = folder()
	fs.mkdirSync(path.join(dir, 'shop'))
	fs.writeFileSync(path.join(dir, 'shop/er.jsonc'), '{ "name": "shop", "limits": { "cpuMs": "x" } }')
	const errorOf = async config => {
		const r = await check(dir, { listen: '127.0.0.1:0', ...config })
		assert.equal(r.status, 1, r.out)
		return r.json.errors[0]
	}
	assert.match((await errorOf({ routines: [{ name: 'a', main: 'none.js' }] })).text, /cannot read none\.js/)
	const inProject = await errorOf({ routines: [{ main: 'shop' }] })
	assert.deepEqual([inProject.path, inProject.line, inProject.line_text], ['shop/er.jsonc', 1, '{ "name": "shop", "limits": { "cpuMs": "x" } }'])
	fs.writeFileSync(path.join(dir, 'shop/er.jsonc'), '{ "name": "shop", "routes": { "production": ["shop.example"] } }')
	assert.match((await errorOf({ routines: [{ main: 'shop' }] })).text, /a project is built with: er build/)
	fs.mkdirSync(path.join(dir, 'shop/dist'))
	fs.writeFileSync(path.join(dir, 'shop/dist/shop.js'), hello)
	assert.deepEqual((await check(dir, { listen: '127.0.0.1:0', routines: [{ main: 'shop' }] })).json.routes, [{ pattern: 'shop.example', routine: 'shop' }])
	assert.match((await errorOf({ accessLog: 'no/such/access.log' })).text, /accessLog: the folder no\/such cannot be written to/)
	assert.match((await errorOf({ data: 'a.js' })).text, /data: a\.js is no folder/)
	fs.rmSync(dir, { recursive: true })
})

test('what is allowed and probably not meant is a warning', async () => {
	const dir = folder()
	const r = await check(dir, {
		listen: ['127.0.0.1:0', '192.0.2.77:80'],
		admin: ':9180',
		sandbox: { minLevel: 'seccomp-only' },
		routines: [
			{ name: 'a', main: 'a.js', routes: ['*.example.com/*', '*/x'] },
			{ name: 'b', main: 'a.js', routes: ['shop.example.com/b*', '*/x'] },
			{ name: 'c', main: 'a.js' },
		],
	})
	assert.equal(r.status, 0, r.out)
	const text = r.json.warnings.map(w => w.text).join('\n')
	assert.match(text, /192\.0\.2\.77:80: this machine does not have that address/)
	assert.match(text, /admin :9180 is not on this machine alone/)
	assert.match(text, /minLevel is "seccomp-only"/)
	assert.match(text, /routine c has no route/)
	assert.match(text, /route "shop\.example\.com\/b\*" \(b\) is never reached: "\*\.example\.com\/\*" \(a\)/)
	assert.match(text, /route "\*\/x" \(b\) is never reached/)
	fs.rmSync(dir, { recursive: true })
})

test('--probe runs the top-level code of every routine', async () => {
	const dir = folder()
	const routines = [
		{ name: 'a', main: 'a.js', routes: ['a/*'] },
		{ name: 'b', main: 'broken.js', routes: ['b/*'] },
	]
	assert.equal((await check(dir, { listen: '127.0.0.1:0', routines })).status, 0)
	const r = await check(dir, { listen: '127.0.0.1:0', routines }, '--probe')
	assert.equal(r.status, 1)
	assert.match(r.json.errors[0].text, /routine b does not load \(exception\): SyntaxError/)
	fs.rmSync(dir, { recursive: true })
})

test('wrong usage is 2', async () => {
	const dir = folder()
	assert.equal((await run(['node', 'check', '--frobnicate'], dir)).status, 2)
	assert.equal((await run(['node', 'chekc'], dir)).status, 2)
	fs.rmSync(dir, { recursive: true })
})

// ---- schemas ----

/** What the reader of node.jsonc, or of er.jsonc, says of each of these in that folder: '' if it is
 * right. */
function readAll(kind, dir, all) {
	const out = execFileSync(path.join(path.dirname(er), 'test/read-settings'), [kind, dir + path.sep], { input: all.map(one => JSON.stringify(one) + '\n').join(''), encoding: 'utf8', maxBuffer: 1 << 26 })
	const said = out.split('\n').slice(0, -1)
	assert.equal(said.length, all.length)
	return said
}

/** Every object of a schema that has named members: [{path, schema}]. */
function* objects(schema, whole, at = []) {
	if (schema.$ref) return yield* objects(resolve(schema.$ref, whole), whole, at)
	for (const one of schema.anyOf ?? []) yield* objects(one, whole, at)
	if (schema.items) yield* objects(schema.items, whole, [...at, 0])
	if (!schema.properties) return
	yield { at, schema }
	for (const [k, s] of Object.entries(schema.properties)) yield* objects(s, whole, [...at, k])
}

/** Values of all sorts, and those at the edges of what the schema says. */
function samples(schema, whole) {
	if (schema.$ref) schema = resolve(schema.$ref, whole)
	const out = [true, 1, 1.5, -1, '', 'x', 'a b', null, [], {}, [1], ['x'], [''], { x: 1 }, [{}], [[]]]
	if (schema.minimum !== undefined) out.push(schema.minimum, schema.minimum - 1)
	if (schema.maximum !== undefined) out.push(schema.maximum, schema.maximum + 1)
	out.push(...(schema.enum ?? []), ...(schema.examples ?? []), ...(schema.default !== undefined ? [schema.default] : []))
	for (const one of schema.anyOf ?? []) out.push(...samples(one, whole))
	if (schema.items) for (const one of samples(schema.items, whole)) out.push([one])
	return out
}

const asMembers = list => list.split(',').map(s => s.trim()).sort()

/** The same of a site. */
function siteWith(at, value) {
	const site = { hosts: ['shop.example'], origin: 'http://a.example' }
	if (at.length === 0) return { ...site, ...value }
	const [first, inner, ...rest] = at
	if (first === 'cache') return { ...site, cache: inner === 'ttl' ? { ttl: [{ seconds: 1, ...value }] } : inner ? { [inner]: value } : value }
	if (inner === 'servers') return { ...site, origin: { servers: [rest.length ? { url: 'http://a.example', ...value } : value, 'http://b.example'] } }
	return { ...site, origin: { servers: ['http://a.example'], ...(inner ? { [inner]: { path: '/', ...value } } : value) } }
}

/** node.jsonc with `value` at that place, and what it needs there to be right otherwise. */
function nodeWith(at, value) {
	if (at.length === 0) return { listen: '127.0.0.1:0', ...value }
	const most = { cpuMs: 60000, loadCpuMs: 60000, memoryMb: 4096, responseMs: 3600000, subrequests: 10000, timers: 100000, idleSeconds: 86400, codeBytes: 16777216, sockets: 16000, messageBytes: 1073741824 }
	const [first, ...rest] = at
	if (first === 'routines') {
		const inner = rest.slice(1).reduceRight((v, k) => ({ [k]: v }), value)
		return { listen: '127.0.0.1:0', routineLimits: most, routines: [{ name: 'r', main: 'a.js', ...inner }] }
	}
	if (first === 'sites') return { listen: '127.0.0.1:0', sites: [siteWith(rest.slice(1), value)] }
	if (first === 'routes') return { listen: '127.0.0.1:0', routines: [{ name: 'x', main: 'a.js' }], routes: [{ pattern: 'p', routine: 'x', ...value }] }
	if (first === 'cache' && rest[0] === 'disk') return { listen: '127.0.0.1:0', cache: { disk: [{ path: 'cache', sizeMb: 64, ...value }] } }
	return { listen: '127.0.0.1:0', [first]: rest.reduceRight((v, k) => ({ [k]: v }), value) }
}

test('node.schema.json has exactly the settings that the node reads', async () => {
	const schema = schemaOf('node')
	const dir = folder()
	let n = 0
	for (const { at, schema: object } of objects(schema, schema)) {
		const r = await check(dir, nodeWith(at, { [UNKNOWN]: 1 }))
		const known = /known(?: are|:) (.*)$/.exec(r.json.errors[0]?.text ?? '')?.[1]
		assert.ok(known, `${at.join('.')}: ${r.out}`)
		assert.deepEqual(asMembers(known), Object.keys(object.properties).sort(), `members of ${at.join('.') || 'node.jsonc'}`)
		n++
	}
	assert.ok(n >= 8, `${n} objects`)
	fs.rmSync(dir, { recursive: true })
})

test('node.schema.json and the node agree on every value', () => {
	const schema = schemaOf('node')
	const dir = folder()
	const different = []
	const all = []
	for (const { at, schema: object } of objects(schema, schema))
		for (const [key, s] of Object.entries(object.properties)) {
			// What is there and what is not, the schema cannot say: a routine of that name, a
			// script, a folder.
			const known = value => !((key === 'routine' || key === 'main') && value === 'a b') && !(key === 'data' && value === 'x') && !(key === 'headers' && value?.x === 1)
			for (const value of samples(s, schema).filter(known)) all.push({ place: [...at, key].join('.'), value, config: nodeWith(at, { [key]: value }) })
		}
	const said = readAll('node', dir, all.map(({ config }) => config))
	all.forEach(({ place, value, config }, i) => {
		const should = mistakes(schema, config).length === 0
		if ((said[i] === '') !== should) different.push(`${place} = ${JSON.stringify(value)}: schema ${should ? 'takes' : 'refuses'} it, the node ${said[i] === '' ? 'takes it' : `refuses: ${said[i]}`}`)
	})
	fs.rmSync(dir, { recursive: true })
	assert.deepEqual(different, [])
	assert.ok(all.length > 500, `${all.length} values`)
})

const GONE = 'gone.js'

/** er.jsonc with `value` at that place, and what it needs there to be right otherwise. A source
 * that is not there ends the reading after all of it. */
function project(at, value) {
	const needed = at[0] === 'assets' ? { directory: 'public', ...value } : value
	return { main: GONE, ...at.reduceRight((v, k) => ({ [k]: v }), needed) }
}

test('er.schema.json has exactly what er reads, and agrees with it on every value', () => {
	const schema = schemaOf('er')
	const dir = folder()
	const different = []
	const all = []
	for (const { at, schema: object } of objects(schema, schema)) {
		const [text] = readAll('project', dir, [project(at, { [UNKNOWN]: 1 })])
		const known = /known: (.*)$/.exec(text)?.[1]
		assert.deepEqual(asMembers(known), Object.keys(object.properties).sort(), `members of ${at.join('.') || 'er.jsonc'}`)
		for (const [key, s] of Object.entries(object.properties))
			for (const value of samples(s, schema)) {
				// Whether a main is there is not the schema's business.
				if (key === 'main' && typeof value === 'string' && value !== '') continue
				all.push({ place: [...at, key].join('.'), value, should: mistakes(s, value, schema).length === 0, config: project(at, { [key]: value }) })
			}
	}
	const said = readAll('project', dir, all.map(({ config }) => config))
	all.forEach(({ place, value, should }, i) => {
		if (said[i].includes('"main": No such file') !== should) different.push(`${place} = ${JSON.stringify(value)}: schema ${should ? 'takes' : 'refuses'} it, er says ${said[i]}`)
	})
	assert.deepEqual(different, [])
	assert.ok(all.length > 300, `${all.length} values`)
	fs.rmSync(dir, { recursive: true })
})

test('examples, templates and the documentation are right by the schemas', () => {
	const schema = schemaOf('er')
	const files = [...fs.globSync?.('examples/*/er.jsonc', { cwd: root }) ?? fs.readdirSync(path.join(root, 'examples')).map(d => `examples/${d}/er.jsonc`)]
	assert.ok(files.length >= 7)
	for (const file of files) if (fs.existsSync(path.join(root, file))) assert.deepEqual(mistakes(schema, jsonc(fs.readFileSync(path.join(root, file), 'utf8'))), [], file)
	const docs = fs.readFileSync(path.join(root, 'docs/operators.md'), 'utf8')
	const blocks = [...docs.matchAll(/```jsonc\n([\s\S]*?)```/g)].map(m => jsonc(m[1]))
	assert.ok(blocks.length >= 1)
	for (const block of blocks) assert.deepEqual(mistakes(schemaOf('node'), block), [])
})
