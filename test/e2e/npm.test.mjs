// Programs made of npm's packages, unmodified: each of lib/npm is built, all of them run on one
// node, and each answers what its handler answers in Node.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'node:test'
import Ajv from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'
import Handlebars from 'handlebars'
import { run } from './lib/desk.mjs'
import { root, startNode, tempDir } from './lib/node.mjs'

const lib = path.join(root, 'test/e2e/lib/npm')
const names = process.env.ER_PROGRAMS?.split(',') ?? fs.readdirSync(lib).map(file => path.basename(file, '.mjs')).sort()

/** What is made of strings is made before the build, as the packages' own tools do it. */
function made() {
	const schema = { type: 'object', properties: { name: { type: 'string', minLength: 2 }, age: { type: 'integer', minimum: 0 }, email: { type: 'string', pattern: '^[^@]+@' }, tags: { type: 'array', items: { enum: ['a', 'b'] }, uniqueItems: true } }, required: ['name', 'age'], additionalProperties: false }
	const ajv = new Ajv.default({ allErrors: true, code: { source: true, esm: true } })
	const template = Handlebars.precompile('<p class="{{#if on}}on{{else}}off{{/if}}">{{loud who}} {{{who}}}</p>{{#each list}}<i>{{@index}}:{{this}}</i>{{/each}}')
	// ajv writes require() of its own helpers, also into a module
	const validator = standalone.default(ajv, ajv.compile(schema)).replace(/const (\w+) = require\("([^"]+)"\)\.default;/g, 'import $1_ from "$2.js"; const $1 = $1_.default ?? $1_;')
	return { 'validator.mjs': validator, 'precompiled.mjs': `export default ${template}\n` }
}
function folders() {
	const dir = fs.realpathSync(tempDir()), generated = Object.entries(made())
	fs.symlinkSync(path.join(root, 'node_modules'), path.join(dir, 'node_modules'))
	for (const name of names) {
		fs.mkdirSync(path.join(dir, name))
		fs.writeFileSync(path.join(dir, name, 'er.jsonc'), JSON.stringify({ name, main: 'index.mjs', compat: { nodejs: true } }))
		fs.copyFileSync(path.join(lib, `${name}.mjs`), path.join(dir, name, 'index.mjs'))
		for (const [file, text] of generated) fs.writeFileSync(path.join(dir, name, file), text)
	}
	return dir
}
/** What axios, openid-client and stripe ask. */
async function startOrigin() {
	const origin = http.createServer((req, res) => {
		const say = (status, body, type = 'application/json') => res.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body))
		const base = `http://127.0.0.1:${origin.address().port}`
		let text = ''
		req.on('data', chunk => (text += chunk)).on('end', () => {
			if (req.url.startsWith('/echo')) return say(200, { url: req.url, type: req.headers['content-type'], a: req.headers['x-a'], text: /multipart/.test(req.headers['content-type']) ? text.length > 50 : text })
			if (req.url === '/text') return say(200, 'some text', 'text/plain')
			if (req.url === '/.well-known/openid-configuration') return say(200, { issuer: base, token_endpoint: `${base}/token`, authorization_endpoint: `${base}/authorize`, jwks_uri: `${base}/jwks` })
			if (req.url === '/token') return say(200, { access_token: `for ${text}`, token_type: 'bearer', expires_in: 60 })
			if (req.url === '/v1/customers') return say(200, { id: 'cus_1', object: 'customer', asked: text })
			return say(Number(/\d+$/.exec(req.url)?.[0] ?? 404), { none: req.url })
		})
	})
	await new Promise(resolve => origin.listen(0, '127.0.0.1', resolve))
	return origin
}
/** What the build says of packages that go on without what they ask for. */
const WARNED = {
	// asks whether it runs on a platform; reads migrations from a folder; loads modules
	// in a browser
	hono: /import\(\) of a computed name/, queries: /kysely.*import\(\) of a computed name/, 'react-router': /import\(\) of a computed name/,
}
const SEEN = ['content-type', 'location', 'set-cookie', 'etag', 'www-authenticate', 'access-control-allow-origin', 'access-control-allow-methods', 'vary']

test("programs made of npm's packages answer on the edge what they answer in Node", async t => {
	const dir = folders(), queue = [...names], origin = await startOrigin(), sizes = {}
	t.after(() => origin.close())
	const build = async () => {
		for (let name; (name = queue.shift()) !== undefined; ) {
			const { code, out, err } = await run(['build', name, '--json'], { cwd: dir })
			assert.equal(code, 0, `${name}: ${err}${out}`)
			const result = JSON.parse(out)
			sizes[name] = result.bytes
			assert.deepEqual(result.errors, [])
			assert.deepEqual(result.warnings.map(w => `${w.path}: ${w.text}`).filter(text => !(WARNED[name] ?? /^$/).test(text)), [], name)
		}
	}
	await Promise.all([build(), build()])
	const node = await startNode({ cpuMs: 10000, config: { routineLimits: { cpuMs: 10000, loadCpuMs: 10000, memoryMb: 256 }, routines: names.map(name => ({ name, main: path.join(dir, name), routes: [`${name}.test/*`], allowAddresses: ['127.0.0.1'], limits: { cpuMs: 10000, loadCpuMs: 10000, memoryMb: 256 } })) } })
	t.after(() => node.kill())
	const wrong = []
	for (const name of names) {
		const program = await import(pathToFileURL(path.join(dir, name, 'index.mjs')))
		for (const [target, init = {}] of program.requests) {
			const where = `${target}${name === 'clients' ? `?origin=http://127.0.0.1:${origin.address().port}` : ''}`
			const expected = await program.default.fetch(new Request(`http://${name}.test${where}`, init), {}, { waitUntil() {}, passThroughOnException() {} })
			const text = await expected.text()
			const got = await node.get(`${name}.test`, where, init)
			if (got.status !== expected.status || got.text !== text) wrong.push(`${name} ${target}: ${got.status} ${got.text.slice(0, 600)}\n  and in Node ${expected.status} ${text.slice(0, 600)}\n${node.err.slice(-3).join('\n')}`)
			for (const field of SEEN) if ((got.headers[field] ?? null)?.toString() !== (expected.headers.get(field) ?? undefined)?.toString() && expected.headers.has(field)) wrong.push(`${name} ${target}: ${field}: ${got.headers[field]}\n  and in Node ${expected.headers.get(field)}`)
		}
	}
	assert.deepEqual(wrong, [], wrong.join('\n'))
})
