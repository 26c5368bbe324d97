// TextDecoder's legacy encodings in a real sandbox, where ICU's tables are not the Encoding
// Standard's; base64, and UTF-8 of long texts.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { startNode } from './lib/node.mjs'

let node
before(async () => {
	const source = `addEventListener("fetch", e => e.respondWith(e.request.json().then(list => Response.json(list.map(([label, bytes, ...options]) => {
		const decoder = new TextDecoder(label, { fatal: options.includes("fatal") })
		if (!options.includes("bytewise")) try { return decoder.decode(new Uint8Array(bytes)) } catch (error) { return error.name }
		return bytes.map(b => decoder.decode(new Uint8Array([b]), { stream: true })).join("") + decoder.decode()
	})))))`
	const base64 = `addEventListener("fetch", e => e.respondWith(e.request.json().then(list => Response.json(list.map(([f, text]) => {
		try { return globalThis[f](text) } catch (error) { return error.name }
	})))))`
	const long = `addEventListener("fetch", e => e.respondWith(e.request.json().then(list => Response.json(list.map(text => {
		const bytes = new TextEncoder().encode(text)
		return [bytes.length, new TextDecoder().decode(bytes) === text.toWellFormed()]
	})))))`
	node = await startNode({ routines: { decode: { source, limits: { cpuMs: 3000 } }, base64, long }, config: { routineLimits: { cpuMs: 3000 } } })
})
after(() => node.stop())

async function decode(list) {
	const res = await node.get('decode', '/', { method: 'POST', body: JSON.stringify(list) })
	assert.equal(res.status, 200, res.headers['er-error'])
	return JSON.parse(res.text)
}
const check = async cases => assert.deepEqual(await decode(cases.map(([label, bytes, , ...options]) => [label, bytes, ...options])), cases.map(c => c[2]))

test('gb18030 is that of 2022, and 80 is the euro sign', () =>
	check([
		['gb18030', [0x80, 0x41], '€A'], ['gbk', [0x80], '€'], ['gb18030', [0x80], '€', 'fatal'],
		['gb18030', [0xa6, 0xd9, 0xa6, 0xda, 0xa6, 0xdb, 0xfe, 0x59, 0xfe, 0xa0], '︐︒︑龴龻'],
		['gb18030', [0x82, 0x35, 0x90, 0x37], '\ue81e'], ['gb18030', [0x84, 0x31, 0x82, 0x36], '\ue78d'],
		['gb18030', [0x81, 0x30], '�'], ['gb18030', [0x81, 0x20], '� '], ['gb18030', [0xff], 'TypeError', 'fatal'],
	]))

test('iso-2022-jp escapes fail and end as the standard says, also in pieces', async () => {
	const cases = [
		['iso-2022-jp', [0x1b, 0x24], '�$'], ['iso-2022-jp', [0x50, 0x1b, 0x24], 'P�$'], ['iso-2022-jp', [0x1b, 0x28, 0x49, 0x0d, 0x0e, 0x0f, 0x10], '����'],
		['iso-2022-jp', [0x1b, 0x24, 0x42, 0x50, 0x50, 0x1b, 0x28, 0x42, 0x41], '佩A'], ['iso-2022-jp', [0x1b, 0x28, 0x4a, 0x5c, 0x7e], '¥‾'],
		['iso-2022-jp', [0x1b, 0x24, 0x40, 0x1b, 0x24, 0x50, 0x50], '�ば�'], ['iso-2022-jp', [0x1b, 0x28, 0x42, 0x1b, 0x28, 0x42, 0x50], '�P'],
		['iso-2022-jp', [0x1b, 0x24, 0x42, 0x50], '�'], ['iso-2022-jp', [0x1b], '�'], ['iso-2022-jp', [0xff, 0x41], '�A'],
	]
	await check(cases)
	await check(cases.map(([label, bytes, text]) => [label, bytes, text, 'bytewise']))
	await check([['iso-2022-jp', [0x1b, 0x24], 'TypeError', 'fatal'], ['iso-2022-jp', [0x1b, 0x28, 0x42, 0x41], 'A', 'fatal']])
})

test('bytes that mean nothing are U+FFFD or an error', () =>
	check([
		['windows-874', [0xdb, 0xa1, 0xff], '�ก�'], ['windows-874', [0xdb], 'TypeError', 'fatal'], ['windows-1253', [0xaa, 0xe1], '�α'],
		['windows-1253', [0xaa], 'TypeError', 'fatal'], ['windows-1255', [0xca], '\u05ba', 'fatal'], ['windows-1255', [0xd9], 'TypeError', 'fatal'],
		['euc-kr', [0xc9, 0xa1], '�'], ['euc-kr', [0xc9, 0xa1], 'TypeError', 'fatal'], ['big5', [0x87, 0xfe], 'TypeError', 'fatal'],
	]))

test('the ASCII behind a bad first byte stays', () =>
	check([
		['shift_jis', [0xff], '�'], ['shift_jis', [0x85, 0x40], '�@'], ['shift_jis', [0x81, 0x22], '�"'], ['euc-jp', [0xa1, 0x3c], '�<'], ['euc-kr', [0x81, 0x3c], '�<'],
		['big5', [0x87, 0x3c], '�<'], ['shift_jis', [0x82, 0xa0], 'あ'], ['shift_jis', [0x82], '�', 'bytewise'],
	]))

test('atob and btoa do what they do elsewhere, with white space, padding and mistakes at every place', async () => {
	const bytes = n => Array.from({ length: n }, (_, i) => String.fromCharCode((i * 167 + n) & 255)).join('')
	const whole = [0, 1, 2, 3, 47, 48, 49, 50, 63, 64, 95, 96, 97, 1000].map(bytes)
	const coded = whole.map(w => btoa(w))
	const odd = ['', ' ', '=', '==', 'A', 'AA', 'AAA', 'AB=', 'AB==', 'ABC=', 'ABC==', 'A===', 'AB= =', ' A B\t=\n=\f\r', 'YQ==YQ==', 'YR==', 'A\u00a0==', 'A\u0100==', 'AAAA\v', 'AA-_', '\0AAA']
	const broken = coded.flatMap(c => [c + '=', c.slice(0, -1), ` ${c} `, `${c.slice(0, 5)}\n${c.slice(5)}`, `${c.slice(0, -3)}*${c.slice(-3)}`, `!${c}`])
	const list = [...whole.map(w => ['btoa', w]), ['btoa', 'a\u0100'], ...[...coded, ...odd, ...broken].map(c => ['atob', c])]
	const here = list.map(([f, text]) => {
		try {
			return globalThis[f](text)
		} catch (e) {
			return e.name
		}
	})
	const res = await node.get('base64', '/', { method: 'POST', body: JSON.stringify(list) })
	JSON.parse(res.text).forEach((there, i) => assert.equal(there, here[i], JSON.stringify(list[i])))
})

test('long texts go to UTF-8 and back, with halves of characters, too', async () => {
	const texts = ['é', '€', '🦊', '\ud800', '\udc00', '\udc00\ud800', 'ÿ'].flatMap(c => [c.repeat(300), 'ascii '.repeat(100) + c, c + 'ascii '.repeat(100), ('a' + c).repeat(5000)])
	const res = await node.get('long', '/', { method: 'POST', body: JSON.stringify(texts) })
	assert.deepEqual(JSON.parse(res.text), texts.map(text => [Buffer.byteLength(text), true]))
})
