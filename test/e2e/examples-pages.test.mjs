// Examples that make their answers on the edge.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { withExample } from './lib/examples.mjs'

const example = (name, run, options = {}) => withExample(name, options, run)

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
