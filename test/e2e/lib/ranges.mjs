// What a client does with the answer to a request with Range, and what the answer has to be: both
// written from RFC 9110 14, and not from the node.
import assert from 'node:assert/strict'

/** The parts of a multipart/byteranges answer: [{type, from, last, length, bytes}]. */
export function partsOf(res) {
	const boundary = /^multipart\/byteranges; boundary=([0-9a-zA-Z'()+_,./:=?-]{1,70})$/.exec(res.headers['content-type'])?.[1]
	assert.ok(boundary, res.headers['content-type'])
	assert.equal(res.headers['content-range'], undefined)
	assert.equal(Number(res.headers['content-length']), res.body.length)
	const parts = []
	let rest = res.body
	const take = text => {
		assert.equal(rest.subarray(0, text.length).toString('latin1'), text)
		rest = rest.subarray(text.length)
	}
	take(`--${boundary}`)
	while (rest.subarray(0, 2).toString() !== '--') {
		take('\r\n')
		const end = rest.indexOf('\r\n\r\n')
		const fields = Object.fromEntries(rest.subarray(0, end).toString('latin1').split('\r\n').map(l => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]))
		rest = rest.subarray(end + 4)
		const [, from, last, length] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(fields['content-range']).map(Number)
		parts.push({ type: fields['content-type'], from, last, length, bytes: rest.subarray(0, last - from + 1) })
		rest = rest.subarray(last - from + 1)
		take(`\r\n--${boundary}`)
	}
	take('--\r\n')
	assert.equal(rest.length, 0)
	return parts
}

/** What bytes of `length` the value of Range asks for: 'whole', 'beyond' or [[from, last]] as it
 * was written. */
export function wanted(value, length) {
	const list = /^bytes=(.*)$/i.exec(value)?.[1]
	if (list === undefined) return 'whole'
	const specs = list.split(',').map(s => s.replace(/^[ \t]+|[ \t]+$/g, '')).filter(Boolean)
	const out = []
	for (const spec of specs) {
		const [, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? []
		if (first === undefined || (first === '' && last === '')) return 'whole'
		const [a, b] = [first, last].map(t => (t === '' ? undefined : BigInt(t)))
		const n = BigInt(length)
		if (a === undefined) {
			if (b > 0n && n > 0n) out.push([Number(b < n ? n - b : 0n), length - 1])
		} else if (b !== undefined && b < a) return 'whole'
		else if (a < n) out.push([Number(a), Number(b === undefined || b >= n ? n - 1n : b)])
	}
	return specs.length === 0 ? 'whole' : out.length === 0 ? 'beyond' : out
}

/** The answer is right for this value of Range: nothing but bytes that were asked for, all of them,
 * none of them twice; or the whole. */
export function check(res, value, body) {
	const want = wanted(value, body.length)
	if (res.status === 200) { // always right, and always more than was asked for
		assert.ok(res.body.equals(body), value)
		return
	}
	if (want === 'beyond') {
		assert.equal(res.status, 416, value)
		assert.equal(res.headers['content-range'], `bytes */${body.length}`)
		assert.equal(res.body.length, 0)
		return
	}
	assert.equal(res.status, 206, value)
	assert.notEqual(want, 'whole', value)
	const single = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(res.headers['content-range'] ?? '')?.map(Number)
	const parts = single ? [{ from: single[1], last: single[2], length: single[3], bytes: res.body }] : partsOf(res)
	if (!single) assert.ok(parts.length > 1, value)
	const marks = Buffer.alloc(body.length)
	for (const [from, last] of want) marks.fill(1, from, last + 1)
	for (const { from, last, length, bytes } of parts) {
		assert.equal(length, body.length)
		assert.equal(bytes.length, last - from + 1)
		assert.ok(bytes.equals(body.subarray(from, last + 1)), `${value}: bytes ${from}-${last}`)
		assert.equal(marks.subarray(from, last + 1).indexOf(0), -1, `${value}: of ${from}-${last} some was not asked for, or came twice`)
		marks.fill(0, from, last + 1)
	}
	assert.ok(!marks.includes(1), `${value}: not all of it came`)
}
