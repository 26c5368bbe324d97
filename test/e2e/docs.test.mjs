// Every routine in docs/routines.md and docs/npm.md answers what is written below it.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project, startDev } from './lib/desk.mjs'
import { root } from './lib/node.mjs'

const doc = ['routines', 'npm'].map(name => fs.readFileSync(path.join(root, `docs/${name}.md`), 'utf8')).join('\n')
const pairs = [...doc.matchAll(/^```js routine\n([\s\S]*?)^```\n```http\n([\s\S]*?)^```$/gm)]

test('every routine of the document is followed by what it answers', () => {
	assert.ok(pairs.length >= 8)
	assert.equal(pairs.length, doc.match(/^```js routine$/gm).length)
})

for (const [, source, exchange] of pairs) {
	const heading = [...doc.slice(0, doc.indexOf(source)).matchAll(/^## (.*)$/gm)].at(-1)[1]
	test(`"${heading}": ${source.split('\n').find(l => /fetch|bypass|listener/.test(l)).trim()}`, async () => {
		// The document is not about slow machines.
		const dev = await startDev([], { cwd: project({ 'er.jsonc': `{ "main": "example.js", "limits": { "cpuMs": 300 }${/env\.notes/.test(source) ? ', "kv": ["notes"]' : ''} }`, 'example.js': source }) })
		for (const [, method, target, body, status, text] of exchange.matchAll(/^([A-Z]+) (\S+) ?(.*)\n-> (\d+) ?(.*)$/gm)) {
			const res = await dev.get(target, { method, ...(body ? { body } : {}) })
			assert.equal(res.status, Number(status), `${target}: ${res.text}`)
			if (text) assert.equal(res.text.trim(), text)
		}
		assert.equal(await dev.stop(), 0)
	})
}
