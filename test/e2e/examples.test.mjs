// Every example is listed, and its README is true: the commands there run it, and print what is
// written below them. What each of them does is tested in examples-*.test.mjs.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project, run, startDev } from './lib/desk.mjs'
import { copyOf, folder, names, ownOrigin, readme, shell } from './lib/examples.mjs'
import { root } from './lib/node.mjs'
import { startPlane } from './lib/tool.mjs'

const table = new Map(
	[...fs.readFileSync(path.join(root, 'docs/scenarios.md'), 'utf8').matchAll(/^\| (.*?) \| \[([a-z-]+)\]\(\.\.\/examples\/([a-z-]+)\/?\) \| ([0-9 ]+) \|/gm)].map(([, scenario, shown, name, way]) => {
		assert.equal(shown, name)
		return [name, { scenario, way }]
	}),
)

test('docs/scenarios.md lists every example with its way, and nothing else', () => {
	assert.deepEqual([...table.keys()].sort(), names)
	for (const name of names) assert.equal(readme(name).way, table.get(name).way, `the README of ${name}`)
})

test('what an example needs from npm is pinned to what the tests run', () => {
	const whole = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages
	for (const name of names) {
		const file = path.join(folder, name, 'package.json')
		if (!fs.existsSync(file)) continue
		const text = fs.readFileSync(path.join(folder, name, 'package-lock.json'), 'utf8')
		assert.doesNotMatch(text, /"resolved"|https?:\/\/[^"]*npm/, `${name}: no host names in a lock file`)
		const lock = JSON.parse(text).packages
		assert.deepEqual(lock[''].dependencies, JSON.parse(fs.readFileSync(file, 'utf8')).dependencies, name)
		for (const [place, { version }] of Object.entries(lock)) if (place !== '') assert.equal(version, whole[place]?.version, `${name}: ${place}`)
	}
})

const escaped = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*')

for (const name of names) {
	test(`${name}: a newcomer who types what the README says sees what it says`, async () => {
		const { commands, output, text } = readme(name)
		assert.ok(commands, 'a block of commands, and one of what they print')
		assert.match(text, new RegExp(`^# ${name}: \\S`))
		const dir = copyOf(name)
		const file = path.join(dir, 'er.jsonc')
		let origin, dev, plane, printed = ''
		const here = line => line.replaceAll('127.0.0.1:3000', new URL(origin?.url ?? 'http://127.0.0.1:3000').host).replace(/(127\.0\.0\.1|localhost):8787/g, `$1:${plane ? plane.node.port : dev?.port}`)
		for (const line of commands) {
			if (line === 'npm ci') continue // the tree has the packages
			if (line === 'node origin.mjs &') {
				origin = await ownOrigin(dir)
				fs.writeFileSync(file, here(fs.readFileSync(file, 'utf8')))
			} else if (/^er dev\b.* &$/.test(line)) dev = await startDev([dir, ...here(line).split(' ').slice(2, -1)])
			else if (line === 'er node --data ~/er-data &') plane = await startPlane({ routineLimits: { cpuMs: 300, loadCpuMs: 2000 } })
			else printed += await shell(here(line).replaceAll('~/er-data', plane?.data), dir)
		}
		if (dev) assert.equal(await dev.stop(), 0)
		await plane?.stop()
		await origin?.stop()
		const lines = printed.split('\n')
		for (const wanted of output) {
			const at = lines.findIndex(l => new RegExp(`^${escaped(here(wanted).trim())}$`, 'i').test(l.trim()))
			assert.ok(at >= 0, `"${wanted}" is not there, or not in its place:\n${printed}`)
			lines.splice(0, at + 1)
		}
		fs.rmSync(dir, { recursive: true })
	})
}

test('er init makes a project of an example: under a name of its own, without what others left there', async () => {
	const dir = project({})
	const { code, out, err } = await run(['init', 'my-shop', '--template', 'validate'], { cwd: dir })
	assert.equal(code, 0, out + err)
	assert.match(out, /cd my-shop\n  npm ci +install the packages/)
	const read = name => fs.readFileSync(path.join(dir, 'my-shop', name), 'utf8')
	for (const name of ['er.jsonc', 'package.json', 'package-lock.json']) assert.match(read(name), /"name": "my-shop"/)
	assert.match(read('README.md'), /^# my-shop: /)
	assert.equal(read('src/index.ts'), fs.readFileSync(path.join(folder, 'validate/src/index.ts'), 'utf8'))
	assert.equal(read('.gitignore'), 'dist/\nnode_modules/\ndata/\n.er/\n.dev.vars\n')
	const wrong = await run(['init', 'x', '--template', 'validat'], { cwd: dir })
	assert.equal(wrong.code, 2)
	assert.match(wrong.err, /there is no template "validat" \(did you mean validate\?\); er init --list/)
	const escape = await run(['init', 'x', '--template', '../src'], { cwd: dir })
	assert.equal(escape.code, 2)
	fs.rmSync(dir, { recursive: true })
})
