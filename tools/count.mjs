// How many tests passed and failed, as "P F": of a ctest run (cmocka programs count by their
// tests), or of node:test's TAP output. A status that is not zero never goes with zero failures.
import fs from 'node:fs'

const [, , kind, where, status] = process.argv
let passed = 0
let failed = 0

function ctest(dir) {
	const log = `${dir}/Testing/Temporary/LastTest.log`
	if (!fs.existsSync(log)) return
	for (const block of fs.readFileSync(log, 'utf8').split(/^\d+\/\d+ Testing: /m).slice(1)) {
		const ok = /^Test Passed\.$/m.test(block)
		const sum = re => [...block.matchAll(re)].reduce((n, m) => n + Number(m[1]), 0)
		const p = sum(/^\[ {2}PASSED {2}\] (\d+) test/gm)
		const f = sum(/^\[ {2}FAILED {2}\] (\d+) test/gm)
		passed += ok ? Math.max(p, 1) : p
		failed += ok ? 0 : Math.max(f, 1)
		if (!ok) process.stderr.write(`${block.slice(-6000)}\n`)
	}
}

function tap(file) {
	if (!fs.existsSync(file)) return
	const text = fs.readFileSync(file, 'utf8')
	const sums = [...text.matchAll(/^# (pass|fail|cancelled) (\d+)$/gm)]
	for (const [, what, n] of sums) {
		if (what === 'pass') passed += Number(n)
		else failed += Number(n)
	}
	// A run that was ended by force, or by its time, has no sums.
	if (sums.length > 0) return
	for (const [, not, skipped] of text.matchAll(/^(not )?ok \d+ - .*?( # SKIP.*)?$/gm)) {
		if (not) failed++
		else if (!skipped) passed++
	}
}

if (kind === 'ctest') ctest(where)
else tap(where)
if (status !== '0' && failed === 0) failed = 1
console.log(passed, failed)
