// er dev with a key-value store: a folder of the project's own, and the same commands.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project, startDev } from './lib/desk.mjs'
import { request } from './lib/raw.mjs'
import { tool } from './lib/tool.mjs'

test('what the project names is there, outlives er dev, and is what er kv shows', async () => {
	const cwd = project({
		'er.jsonc': '{ "name": "desk", "kv": { "VISITS": "visits" } }',
		'src/index.js': `export default { async fetch(request, env) {
			const n = Number(await env.VISITS.get('n')) + 1
			await env.VISITS.put('n', String(n))
			return new Response('visit ' + n)
		} }`,
	})
	const node = path.join(cwd, '.er/dev/admin.sock')
	const kv = async (...args) => (await tool(['kv', ...args, '--node', node], { cwd })).out
	for (let life = 0; life < 2; life++) {
		const dev = await startDev([], { cwd })
		try {
			assert.equal((await request(dev.port, '/', { host: 'localhost' })).text, life === 0 ? 'visit 1' : 'visit 12')
			assert.equal(await kv('get', 'visits', 'n'), life === 0 ? '1' : '12')
			await kv('put', 'visits', 'n', '10')
			assert.equal((await request(dev.port, '/', { host: 'localhost' })).text, 'visit 11')
		} finally {
			await dev.stop()
		}
	}
	assert.equal(fs.readFileSync(path.join(cwd, '.er/.gitignore'), 'utf8'), '*\n')
})

test('a project that names no namespace gets no folder', async () => {
	const cwd = project({ 'er.jsonc': '{ "name": "desk" }', 'src/index.js': 'export default { fetch: () => new Response("ok") }' })
	const dev = await startDev([], { cwd })
	await dev.stop()
	assert.ok(!fs.existsSync(path.join(cwd, '.er')))
})
