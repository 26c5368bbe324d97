// URLPattern in a real sandbox, by the data of web-platform-tests: urlpatterntestdata.json in
// ER_WPT_DATA, or in ../shared/wpt-data beside the tree.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { root, startNode } from './lib/node.mjs'

const NAMES = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash']
const file = path.join(process.env.ER_WPT_DATA ?? path.join(root, '../shared/wpt-data'), 'urlpatterntestdata.json')

// What one entry of the data comes to.
const source = `
const plain = r => (r === null ? null : JSON.parse(JSON.stringify(r, (k, v) => (v === undefined ? null : v))))
function seen(entry) {
	let pattern
	try { pattern = new URLPattern(...entry.pattern) } catch (e) { return { obj: 'error', name: e.name } }
	const obj = Object.fromEntries(${JSON.stringify(NAMES)}.map(n => [n, pattern[n]]))
	if (!('inputs' in entry) && !('expected_match' in entry)) return { obj }
	try { return { obj, test: pattern.test(...(entry.inputs ?? [])), match: plain(pattern.exec(...(entry.inputs ?? []))) } } catch (e) { return { obj, match: 'error', name: e.name } }
}
addEventListener('fetch', event => event.respondWith(event.request.json().then(data => Response.json(data.map(seen)))))`

/** What a component is where the data does not say it (as the suite's own test has it). */
function normal(entry, name) {
	if (entry.exactly_empty_components?.includes(name)) return ''
	if (typeof entry.expected_obj === 'object' && name in entry.expected_obj) return entry.expected_obj[name]
	const [first] = entry.pattern
	const base = typeof first === 'object' && first !== null && first.baseURL !== undefined ? new URL(first.baseURL) : typeof entry.pattern[1] === 'string' ? new URL(entry.pattern[1]) : undefined
	if (typeof first === 'object' && first !== null && name in first) return first[name]
	const ORDER = ['protocol', 'hostname', 'port', 'pathname', 'search', 'hash']
	const more = ORDER.slice(0, ORDER.indexOf(name) + 1)
	if (base !== undefined && name !== 'username' && name !== 'password' && (typeof first === 'string' || !more.some(n => n in first))) {
		const value = base[name]
		return name === 'protocol' ? value.slice(0, -1) : name === 'search' || name === 'hash' ? value.slice(1) : value
	}
	return '*'
}

const sorted = v => (v === null || typeof v !== 'object' || Array.isArray(v) ? v : Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))))

test('patterns are made and match as the public data for URLPattern says', { skip: !fs.existsSync(file) && `${file} is not there` }, async t => {
	const data = JSON.parse(fs.readFileSync(file, 'utf8')).filter(entry => typeof entry === 'object')
	const node = await startNode({ routines: { exam: { source, limits: { cpuMs: 10000 } } }, config: { routineLimits: { cpuMs: 10000 } } })
	t.after(() => node.stop())
	const answer = await node.get('exam', '/', { method: 'POST', body: JSON.stringify(data) })
	assert.equal(answer.status, 200, answer.headers['er-error'])
	const results = JSON.parse(answer.text)
	const wrong = []
	data.forEach((entry, n) => {
		const got = results[n]
		const check = (what, a, b) => JSON.stringify(a) === JSON.stringify(b) || wrong.push(`${JSON.stringify(entry.pattern)} ${JSON.stringify(entry.inputs)}: ${what}: ${JSON.stringify(a)}, not ${JSON.stringify(b)}`)
		if (entry.expected_obj === 'error' || got.obj === 'error') return check('made', [got.obj, got.name], [entry.expected_obj, 'TypeError'])
		for (const name of NAMES) check(name, got.obj[name], normal(entry, name))
		if (entry.expected_match === 'error' || got.match === 'error') return check('match', got.match, entry.expected_match)
		if (got.test === undefined) return
		const expected = entry.expected_match
		check('test', got.test, expected !== null && typeof expected === 'object')
		if (expected === null || typeof expected !== 'object' || got.match === null) return check('exec', got.match, expected ?? null)
		check('inputs', got.match.inputs.map(sorted), (expected.inputs ?? entry.inputs).map(sorted))
		for (const name of NAMES) {
			const want = expected[name] ?? { input: '', groups: entry.exactly_empty_components?.includes(name) ? {} : { 0: '' } }
			check(name, [got.match[name].input, sorted(got.match[name].groups)], [want.input, sorted(want.groups)])
		}
	})
	assert.deepEqual(wrong, [])
	assert.ok(data.length > 300)
	t.diagnostic(`${data.length} entries`)
})
