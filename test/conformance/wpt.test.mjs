// What docs/conformance.md says of the web platform stays true: no subtest of web-platform-tests
// fails that wpt-expected.json does not name. ER_WPT is a whole checkout; without one nothing runs.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { FOLDERS, filesIn, run, score, unexpected } from './wpt.mjs'

const checkout = process.env.ER_WPT ?? ''
const there = checkout !== '' && fs.existsSync(path.join(checkout, 'resources/testharness.js'))

test('web-platform-tests pass but for what wpt-expected.json names', { timeout: 3600000, skip: !there && 'no checkout: ER_WPT=FOLDER names one' }, async t => {
	const results = await run(checkout, filesIn(checkout, FOLDERS))
	for (const [folder, { passed, of }] of Object.entries(score(results))) t.diagnostic(`${folder}: ${passed} of ${of}`)
	assert.ok(results.length > 300, `${results.length} files`)
	assert.deepEqual(unexpected(results), [])
})
