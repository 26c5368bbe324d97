// What docs/conformance.md says of the cache stays true: no test of the public suite fails that is
// not named there.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { installed, run, score } from './cache-tests.mjs'

test('the public suite for HTTP caches passes but for what docs/conformance.md names', { timeout: 300000 }, async t => {
	const named = fs.readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8')
	const { kinds, failed } = score(await run(installed()))
	t.diagnostic(JSON.stringify(kinds))
	assert.ok(kinds.required.of > 150 && kinds.optimal.of > 80, JSON.stringify(kinds))
	const unknown = failed.filter(f => f.kind !== 'check' && !named.includes(`\`${f.id}\``))
	assert.deepEqual(unknown.map(f => `${f.id}: ${f.why.join(': ')}`), [])
})
