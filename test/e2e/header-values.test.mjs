// Control characters in header values, from whoever: refused by a word of their own that names the
// header, never by "too large".
import test from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'
import { startRawOrigin } from './lib/origin.mjs'
import { connect } from './lib/raw.mjs'

const routine = url => `addEventListener('fetch', event => event.respondWith(answer(event.request)))
async function answer(request) {
	const { pathname, searchParams } = new URL(request.url)
	const value = 'a' + String.fromCharCode(Number(searchParams.get('c'))) + 'b'
	if (pathname === '/answer') return new Response('x', { headers: { 'x-odd': value } })
	try {
		return new Response('got ' + (await fetch('${url}' + pathname + '?c=' + searchParams.get('c'), { headers: pathname === '/send' ? { 'x-odd': value } : {} })).status)
	} catch (e) {
		return new Response(String(e))
	}
}`
const controls = [0, 1, 8, 11, 12, 13, 14, 27, 31, 127]

let origin, node
test.before(async () => {
	origin = await startRawOrigin(socket => {
		let text = ''
		socket.on('data', d => {
			text += d.toString('latin1')
			if (!text.includes('\r\n\r\n')) return
			const c = Number(/c=(\d+)/.exec(text)?.[1])
			text = ''
			socket.write(Buffer.from(`HTTP/1.1 200 OK\r\nx-odd: a${Number.isNaN(c) ? '' : String.fromCharCode(c)}b\r\ncontent-length: 2\r\n\r\nhi`, 'latin1'))
		})
	})
	node = await startNode({ config: { origin: origin.url }, routines: { odd: { source: routine(origin.url), allowAddresses: ['127.0.0.0/8'] } } })
})
test.after(async () => {
	await node?.stop()
	await origin?.close()
})

test('a client that sends a control character in a header value is told so', async () => {
	for (const host of ['odd.localhost', 'origin.test'])
		for (const c of controls) {
			const client = await connect(node.port)
			client.send(`GET / HTTP/1.1\r\nhost: ${host}\r\nx-odd: a${String.fromCharCode(c)}b\r\n\r\n`)
			const res = await client.response()
			assert.equal(res.status, 400, String(c))
			assert.match(res.text, /control character/, String(c))
			assert.equal(res.headers['er-error'], 'invalid')
			client.close()
		}
})

test('a routine that answers with a control character in a header value fails by its own word, and the header is named', async () => {
	for (const c of controls.filter(c => c !== 0 && c !== 13)) {
		const res = await node.get('odd', `/answer?c=${c}`)
		assert.equal(res.status, 599, String(c))
		assert.equal(res.headers['er-error'], 'bad-header', String(c))
		assert.match(res.text, /control character.*"x-odd"/)
	}
	assert.equal((await node.get('odd', '/answer?c=233')).headers['x-odd'], 'a\u00e9b')
})

test('a routine that sends a control character in a header value gets an error that says so', async () => {
	for (const c of controls.filter(c => c !== 0 && c !== 13)) assert.match((await node.get('odd', `/send?c=${c}`)).text, /Error: .*control character/, String(c))
})

test('an origin that answers with a control character in a header value is a bad answer, not a large one', async () => {
	for (const c of controls) {
		const passed = await node.get('origin.test', `/?c=${c}`)
		assert.equal(passed.status, 502, String(c))
		assert.match(passed.headers['er-error'], /^bad-response/, String(c))
		assert.doesNotMatch(passed.text, /too large/)
		assert.match((await node.get('odd', `/fetch?c=${c}`)).text, /Error: /, String(c))
	}
})
