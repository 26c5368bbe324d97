// A node's data folder has secrets and their key: the node says so when a git work tree
// would take it.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { startNode, tempDir } from './lib/node.mjs'

const warning = /the data folder .* is in the git work tree .*, which does not ignore it/

/** Starts a node with its data there; was it warned? */
async function warned(data) {
	const node = await startNode({ config: { data, sandbox: { pool: 0 } } })
	await node.get('localhost').catch(() => {})
	await node.stop()
	return warning.test(node.log)
}

test('a data folder that a git work tree would take is warned of at start, one that it ignores or that is elsewhere is not', async () => {
	const root = fs.realpathSync(tempDir('er-tree-'))
	const data = path.join(root, 'shop/node/data')
	execFileSync('git', ['init', '-q', root])
	fs.mkdirSync(data, { recursive: true })
	const cases = [
		['', '', true], ['.gitignore', 'data/\n', false], ['.gitignore', 'data', false], ['.gitignore', '/data/\n', true], ['.gitignore', '/shop/node/data/\n', false],
		['.gitignore', 'shop/*/data/\r\n', false], ['.gitignore', '**/data\n', false], ['.gitignore', '# data/\n*.js\ndatab\n', true], ['.gitignore', 'd?ta\n!data\n', true],
		['.gitignore', 'shop/\n', false], ['shop/.gitignore', '/node/data\n', false], ['shop/node/.gitignore', '*\n', false], ['shop/node/data/.gitignore', '*\n', false], ['.git/info/exclude', 'data/\n', false],
	]
	for (const [file, text, expected] of cases) {
		if (file) fs.writeFileSync(path.join(root, file), text)
		// As git itself sees it.
		const git = spawnSync('git', ['-C', root, 'check-ignore', '-q', 'shop/node/data/control.db']).status !== 0
		assert.equal(git, expected, `git: ${file} ${JSON.stringify(text)}`)
		assert.equal(await warned(data), expected, `${file} ${JSON.stringify(text)}`)
		if (file) fs.writeFileSync(path.join(root, file), '')
	}
	const apart = tempDir('er-apart-')
	assert.equal(await warned(path.join(apart, 'data')), false)
	for (const dir of [root, apart]) fs.rmSync(dir, { recursive: true })
})
