// docs/tool.md is true: its commands are run in their order on a real node, and print what is
// written below them.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { project } from './lib/desk.mjs'
import { er, root } from './lib/node.mjs'
import { startPlane, tool } from './lib/tool.mjs'

const doc = fs.readFileSync(path.join(root, 'docs/tool.md'), 'utf8')
const steps = [...doc.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => {
	const out = []
	for (const line of block.trimEnd().split('\n')) {
		if (line.startsWith('$ ')) out.push({ command: line.slice(2), expected: [] })
		else out.at(-1).expected.push(line)
	}
	return out
})

// Columns may be wider than in the document, and … is anything.
const pattern = line => new RegExp(`^${line.trim().split(/\s+/).map(word => word.split('…').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*').replace(/^ms$/, 'm?s')).join('\\s*')}$`)

let plane, cwd
before(async () => {
	plane = await startPlane()
	cwd = project({})
	fs.symlinkSync(plane.data, path.join(cwd, 'data'))
})
after(() => plane?.stop())

test('every command of the document prints what is written below it', () => {
	assert.ok(steps.length > 40)
	// The folder that the commands before went to, and a data folder of the document's own place.
	let at = cwd
	for (const { command, expected } of steps) {
		const env = { ...process.env, PATH: `${path.dirname(er)}:${process.env.PATH}`, NO_COLOR: '1', XDG_CONFIG_HOME: plane.home, ADMIN_URL: plane.url, CLIENTS_URL: `http://127.0.0.1:${plane.node.port}` }
		for (const name of ['ER_NODE', 'ER_TOKEN', 'ER_PROFILE']) delete env[name]
		if (at !== cwd) env.ER_NODE = plane.socket
		const { stdout, stderr } = spawnSync('bash', ['-c', `${command}\nprintf '\\n%s' "$PWD" >&3`], { cwd: at, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe', fs.openSync(path.join(cwd, '.pwd'), 'w')] })
		at = fs.readFileSync(path.join(cwd, '.pwd'), 'utf8').trim()
		const lines = `${stdout}\n${stderr}`.split('\n').map(l => l.trimEnd()).filter(Boolean)
		let found = 0
		for (const line of expected.filter(Boolean)) {
			const where = lines.findIndex((l, i) => i >= found && pattern(line).test(l.trim()))
			assert.ok(where >= 0, `$ ${command}\nshould print: ${line}\nprinted:\n${stdout}${stderr}`)
			found = where + 1
		}
		if (expected.length === 0) assert.equal(stderr, '', command)
	}
})

test('every command to a node is in the document', async () => {
	const { out } = await tool(['--help'])
	for (const [, name] of out.matchAll(/^ {2}([a-z]+) {2,}\S/gm)) assert.match(doc, new RegExp(`\`?er ${name}\\b`), name)
})
