// .dev.vars: values of this machine for er dev and er test, which stay on it.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project, run, startDev, write } from './lib/desk.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane } from './lib/tool.mjs'

const files = {
	'er.jsonc': '{ "name": "vars", "vars": { "A": "of er.jsonc", "N": { "deep": [1] } }, "kv": ["notes"] }',
	'src/index.js': 'export default { fetch: (request, env) => Response.json({ A: env.A, N: env.N, TOKEN: env.TOKEN ?? null }) }',
	'.dev.vars': '# of this machine\nA="of .dev.vars"\nexport TOKEN=\'a b\'\n',
}

test('er dev lays .dev.vars over the variables of er.jsonc, and again after it is saved', async () => {
	const cwd = project(files)
	const dev = await startDev([], { cwd })
	assert.deepEqual(JSON.parse((await dev.get()).text), { A: 'of .dev.vars', N: { deep: [1] }, TOKEN: 'a b' })
	await dev.event('note', e => /2 variables of \.dev\.vars/.test(e.text))
	write(cwd, { '.dev.vars': 'A=again' })
	await raw.until(async () => JSON.parse((await dev.get()).text).A === 'again', { what: 'the new value' })
	assert.equal(JSON.parse((await dev.get()).text).TOKEN, null)
	// a mistake names its line, shows no value, and what ran goes on
	write(cwd, { '.dev.vars': 'A=1\nTOKEN="no end of the secret\n' })
	const { errors: [error] } = await dev.event('build', e => !e.ok)
	assert.deepEqual([error.path, error.line], ['.dev.vars', 2])
	assert.match(error.text, /^the quote \("\) before the value of TOKEN has no end/)
	assert.equal(JSON.parse((await dev.get()).text).A, 'again')
	fs.rmSync(path.join(cwd, '.dev.vars'))
	await raw.until(async () => JSON.parse((await dev.get()).text).A === 'of er.jsonc', { what: 'the value of er.jsonc' })
	assert.equal(await dev.stop(), 0)
})

test('a line that is none, a name twice and a name of something else are refused at their place', async () => {
	const cwd = project({ ...files, 'a.test.js': 'import { test } from "er:test"; test("a", () => {});' })
	for (const [text, said] of [
		['A=1\nwhat is this\n', /^\.dev\.vars:2:1: error: NAME=value is expected/],
		['A=1\nA=2\n', /^\.dev\.vars:2:1: error: A stands here for the second time/],
		['A=\n', /^\.dev\.vars:1:1: error: A has no value/],
		['notes=1\n', /^\.dev\.vars: error: notes is a key-value namespace of er\.jsonc/],
	]) {
		write(cwd, { '.dev.vars': text })
		const { code, err } = await run(['test'], { cwd })
		assert.equal(code, 9)
		assert.match(err, said)
	}
})

test('a deploy takes nothing of .dev.vars along, and new projects keep it out of git', async () => {
	const plane = await startPlane()
	try {
		const cwd = project({ ...files, 'er.jsonc': '{ "name": "vars", "vars": { "A": "of er.jsonc" }, "assets": "." }', 'page.txt': 'a page' })
		await plane.ok(['deploy'], { cwd })
		assert.deepEqual(JSON.parse((await plane.get('vars', '/x')).text), { A: 'of er.jsonc', TOKEN: null })
		assert.doesNotMatch((await plane.get('vars', '/.dev.vars')).text, /of \.dev\.vars/)
		assert.doesNotMatch((await plane.ok(['versions', 'show', '1', '--code'], { cwd })).out, /of \.dev\.vars/)
		assert.doesNotMatch((await plane.ok(['versions', 'show', '1', '--json'], { cwd })).out, /dev\.vars|TOKEN/)
	} finally {
		await plane.stop()
	}
	const cwd = project({})
	assert.equal((await run(['init', 'fresh'], { cwd })).code, 0)
	assert.match(fs.readFileSync(path.join(cwd, 'fresh/.gitignore'), 'utf8'), /^\.dev\.vars$/m)
})
