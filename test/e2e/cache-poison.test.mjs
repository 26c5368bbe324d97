// One client must not have stored, for everybody, an answer that its own request has chosen: by a
// body, by a condition or a range, by a parameter that is not in the key, or by a field that some
// frameworks take for the URL or the method.
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { bodyOf, startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

const CAN_BE_STORED = { 'cache-control': 'public, max-age=600', etag: '"1"' }

/** An origin that does what it is asked for, and lets everything be stored. */
async function place(t, config = {}) {
	const origin = await startOrigin(async (req, res) => {
		const body = (await bodyOf(req)).toString()
		const url = new URL(req.url, 'http://o')
		if (req.headers['if-match']) return res.writeHead(412, CAN_BE_STORED).end('precondition failed')
		if (req.headers['if-unmodified-since']) return res.writeHead(412, CAN_BE_STORED).end('precondition failed')
		if (req.headers.range === 'bytes=999-') return res.writeHead(416, { ...CAN_BE_STORED, 'content-range': 'bytes */4' }).end('no such range')
		const other = ['x-original-url', 'x-rewrite-url', 'x-host', 'x-http-method-override'].map(name => req.headers[name]).find(value => value)
		if (other) return res.writeHead(200, CAN_BE_STORED).end(`another page: ${other}`)
		res.writeHead(200, CAN_BE_STORED).end(`page${body}${url.searchParams.get('utm_x') ?? ''}`)
	})
	const node = await startNode({ config: { threads: 2, sites: [{ hosts: ['site.example'], origin: origin.url, cache: { query: { except: ['utm_*'] }, ...config } }] } })
	t.after(async () => {
		await node.stop()
		await origin.close()
		assert.doesNotMatch(node.log, /AddressSanitizer|runtime error|internal error/)
	})
	return { origin, get: (target, options) => raw.request(node.port, target, { host: 'site.example', ...options }) }
}

const attacks = {
	'a body': ['', { body: ' of mine' }],
	'a condition': ['', { headers: { 'if-match': '"none"' } }],
	'a date': ['', { headers: { 'if-unmodified-since': 'Mon, 01 Jan 1990 00:00:00 GMT' } }],
	'a range that is not there': ['', { headers: { range: 'bytes=999-' } }],
	'a range, and a parameter that is not in the key': ['?utm_x=mine', { headers: { range: 'bytes=0-100' } }],
	'a condition, and a parameter that is not in the key': ['?utm_x=mine', { headers: { 'if-none-match': '"none"', 'if-match': '"none"' } }],
	'a field that names another URL': ['', { headers: { 'x-original-url': '/mine', 'x-rewrite-url': '/mine' } }],
	'a field that names another host': ['', { headers: { 'x-host': 'mine' } }],
	'a field that names another method': ['', { headers: { 'x-http-method-override': 'POST' } }],
	'a body, and a range': ['', { body: ' of mine', headers: { range: 'bytes=0-100' } }],
}

for (const [what, [query, options]] of Object.entries(attacks)) {
	test(`nobody gets what another client had chosen by ${what}`, async t => {
		const { get } = await place(t)
		for (let i = 0; i < 3; i++) await get(`/a${query}`, options)
		const res = await get('/a')
		assert.equal(res.status, 200)
		assert.equal(res.text, 'page')
		const part = await get('/a', { headers: { range: 'bytes=1-2' } })
		assert.equal(part.status, 206)
		assert.equal(part.text, 'ag')
	})
}
