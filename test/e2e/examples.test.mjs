// The examples do what their first lines say.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import path from 'node:path'
import { startDev, project, write } from './lib/desk.mjs'
import { root } from './lib/node.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import fs from 'node:fs'

let origin
before(async () => {
	origin = await startOrigin(async (req, res) => {
		const body = await bodyOf(req)
		res.writeHead(200, { 'content-type': 'text/plain', server: 'secret/1.0', 'x-powered-by': 'magic' })
		res.end(`origin ${req.method} ${req.url} ${body}`)
	})
})
after(() => origin.close())

const last = () => origin.requests.at(-1)
async function example(name, run, args = ['--origin', origin.url]) {
	const dev = await startDev([path.join(root, 'examples', name), ...args])
	try {
		await run(dev)
	} finally {
		assert.equal(await dev.stop(), 0)
	}
}

test('hello answers by itself', () =>
	example('hello', async dev => {
		assert.equal((await dev.get('/?name=you')).text, 'Hello, you, from the edge!\n')
	}))

test('ts answers with a page, and what a visitor wrote is escaped', () =>
	example('ts', async dev => {
		const res = await dev.get('/?name=%3Cscript%3E')
		assert.match(res.headers['content-type'], /text\/html/)
		assert.match(res.text, /<h1>Hello, &lt;script&gt;!<\/h1>/)
	}))

test('api keeps notes, and says what is wrong with a request', () =>
	example('api', async dev => {
		const post = body => dev.get('/notes', { method: 'POST', body })
		const made = await post('{"text":"milk"}')
		assert.equal(made.status, 201)
		const note = JSON.parse(made.text)
		assert.equal(made.headers.location, `/notes/${note.id}`)
		assert.deepEqual(JSON.parse((await dev.get('/notes')).text), [note])
		assert.equal((await post('{"text":""}')).status, 400)
		assert.equal((await post('nonsense')).status, 400)
		assert.equal((await post(JSON.stringify({ text: 'x'.repeat(9000) }))).status, 400)
		assert.equal((await dev.get('/nowhere')).status, 404)
		const wrong = await dev.get('/notes', { method: 'PUT' })
		assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET, POST'])
		assert.equal((await dev.get(`/notes/${note.id}`, { method: 'DELETE' })).status, 204)
		assert.equal((await dev.get(`/notes/${note.id}`)).status, 404)
	}))

test('auth lets only valid tokens through, and keeps them from the origin', () =>
	example('auth', async dev => {
		const before = origin.requests.length
		for (const authorization of [undefined, 'Bearer', 'Bearer wrong', 'Basic s3cret', 'Bearer s3cre', 'Bearer s3crett']) {
			const res = await dev.get('/members', { headers: authorization ? { authorization } : {} })
			assert.equal(res.status, 401)
			assert.match(res.headers['www-authenticate'], /^Bearer/)
		}
		assert.equal(origin.requests.length, before)
		const res = await dev.get('/members?a=1', { headers: { authorization: 'Bearer s3cret', 'x-other': 'stays' } })
		assert.equal(res.text, 'origin GET /members?a=1 ')
		assert.equal(last().headers.authorization, undefined)
		assert.equal(last().headers['x-other'], 'stays')
		assert.equal((await dev.get('/members', { method: 'POST', body: 'data', headers: { authorization: 'bearer other' } })).text, 'origin POST /members data')
	}))

test('ab-test puts a visitor into a variant once', () =>
	example('ab-test', async dev => {
		const first = await dev.get('/page')
		const variant = /^variant=([ab]);/.exec(first.headers['set-cookie'])[1]
		assert.equal(last().headers['x-variant'], variant)
		assert.equal(first.text, 'origin GET /page ')
		const second = await dev.get('/page', { headers: { cookie: 'x=1; variant=b' } })
		assert.equal(second.headers['set-cookie'], undefined)
		assert.equal(last().headers['x-variant'], 'b')
		assert.match((await dev.get('/page', { headers: { cookie: 'variant=toString' } })).headers['set-cookie'], /^variant=[ab];/)
	}))

test('waf refuses what its rules name, and passes on the rest', () =>
	example('waf', async dev => {
		const before = origin.requests.length
		for (const [target, rule, options] of [
			['/?id=1%20UNION%20SELECT%20x', 'sql-in-query'],
			['/?q=%3Cscript%3E', 'script-in-query'],
			['/.git/config', 'hidden-file'],
			['/', 'method', { method: 'PROPFIND' }],
			['/', 'scanner', { headers: { 'user-agent': 'sqlmap/1.7' } }],
			['/', 'sql-in-form', { method: 'POST', body: 'a=1+or+1=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
		]) {
			const res = await dev.get(target, options)
			assert.deepEqual([res.status, res.headers['x-waf-rule']], [403, rule])
		}
		assert.equal(origin.requests.length, before)
		assert.equal((await dev.get('/?id=1%')).text, 'origin GET /?id=1% ')
		const form = { method: 'POST', body: 'name=union+station', headers: { 'content-type': 'application/x-www-form-urlencoded' } }
		assert.equal((await dev.get('/f', form)).text, 'origin POST /f name=union+station')
		assert.equal((await dev.get('/upload', { method: 'POST', body: 'raw or 1=1' })).text, 'origin POST /upload raw or 1=1')
	}))

test('relay rewrites heads both ways and relays bodies', async () => {
	const dir = project({})
	fs.cpSync(path.join(root, 'examples/relay'), dir, { recursive: true })
	write(dir, { 'er.jsonc': JSON.stringify({ name: 'relay', main: 'src/index.js', vars: { UPSTREAM: origin.url } }) })
	const dev = await startDev([dir])
	const res = await dev.get('/a?b', { method: 'PUT', body: 'x'.repeat(100000) })
	assert.equal(res.text, `origin PUT /a?b ${'x'.repeat(100000)}`)
	assert.deepEqual([res.headers.server, res.headers['x-powered-by'], res.headers['x-content-type-options']], [undefined, undefined, 'nosniff'])
	assert.equal(last().headers['x-forwarded-for'], '127.0.0.1')
	assert.equal(await dev.stop(), 0)
})

// A template must stand alone, and so must an example: the same files lie in both places.
test('templates and the examples of the same name have the same sources', () => {
	// a name to fill in, or a name; how to run it
	const own = new Set(['README.md', 'er.jsonc', '_gitignore'])
	const files = dir => fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter(f => f.isFile()).map(f => path.relative(dir, path.join(f.parentPath ?? f.path, f.name))).filter(f => !own.has(f)).sort()
	for (const name of fs.readdirSync(path.join(root, 'tools/templates'))) {
		const [template, example] = [path.join(root, 'tools/templates', name), path.join(root, 'examples', name)]
		assert.deepEqual(files(template), files(example), name)
		for (const f of files(template)) assert.equal(fs.readFileSync(path.join(template, f), 'utf8'), fs.readFileSync(path.join(example, f), 'utf8'), `${name}/${f}`)
	}
})
