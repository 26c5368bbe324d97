// CompressionStream and DecompressionStream in a real sandbox: what they make is what other
// programs read, what they are given may be hostile.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import zlib from 'node:zlib'
import { execFileSync } from 'node:child_process'
import { startNode } from './lib/node.mjs'

let node
before(async () => {
	const routines = {
		// ?format= of the upload
		pack: `addEventListener("fetch", e => e.respondWith(new Response(e.request.body.pipeThrough(new CompressionStream(new URL(e.request.url).searchParams.get("format"))))))`,
		unpack: `addEventListener("fetch", e => e.respondWith((async () => {
			try {
				const stream = e.request.body.pipeThrough(new DecompressionStream(new URL(e.request.url).searchParams.get("format")))
				return new Response(await new Response(stream).arrayBuffer())
			} catch (error) { return new Response(error.name + ": " + error.message, { status: 400 }) } })()))`,
		// reads 100 KB of what the upload stands for, then lets go
		sip: `addEventListener("fetch", e => e.respondWith((async () => {
			const reader = e.request.body.pipeThrough(new DecompressionStream(new URL(e.request.url).searchParams.get("format"))).getReader()
			let n = 0
			while (n < 100 * 1024) n += (await reader.read()).value.length
			await reader.cancel("enough")
			return new Response(String(n)) })()))`,
		drink: { source: `addEventListener("fetch", e => e.respondWith((async () => {
			let n = 0
			for await (const part of e.request.body.pipeThrough(new DecompressionStream(new URL(e.request.url).searchParams.get("format")))) n += part.length
			return new Response(String(n)) })()))`, limits: { cpuMs: 20000 } },
		// many at a time that nobody reads
		heap: { source: `addEventListener("fetch", e => e.respondWith((async () => {
			const data = new Uint8Array(await e.request.arrayBuffer())
			for (let i = 0; i < 200; i++) {
				const d = new DecompressionStream("gzip"), w = d.writable.getWriter(), r = d.readable.getReader()
				w.write(data).catch(() => {})
				await r.read()
			}
			return new Response("ok") })()))`, limits: { cpuMs: 5000, memoryMb: 64 } },
	}
	node = await startNode({ routines, config: { routineLimits: { cpuMs: 20000 } } })
})
after(() => node.stop())

const zstd = { compress: b => execFileSync('zstd', ['-c', '-q'], { input: b, maxBuffer: 1 << 28 }), decompress: b => execFileSync('zstd', ['-dc'], { input: b, maxBuffer: 1 << 28 }) }
const FORMATS = {
	gzip: [zlib.gzipSync, zlib.gunzipSync],
	deflate: [zlib.deflateSync, zlib.inflateSync],
	'deflate-raw': [zlib.deflateRawSync, zlib.inflateRawSync],
	brotli: [b => zlib.brotliCompressSync(b, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }), zlib.brotliDecompressSync],
	zstd: [zstd.compress, zstd.decompress],
}
const text = Buffer.from(Array.from({ length: 40000 }, (_, i) => `line ${i * 7919} of a text\n`).join(''))

for (const [format, [compress, decompress]] of Object.entries(FORMATS)) {
	test(`${format}: what a routine compresses others read, and the other way round`, async () => {
		const packed = await node.get('pack', `/?format=${format}`, { method: 'POST', body: text })
		assert.equal(packed.status, 200)
		assert.ok(packed.body.length < text.length / 2, `${packed.body.length} of ${text.length}`)
		assert.ok(decompress(packed.body).equals(text))
		const unpacked = await node.get('unpack', `/?format=${format}`, { method: 'POST', body: compress(text) })
		assert.equal(unpacked.status, 200)
		assert.ok(unpacked.body.equals(text))
	})

	test(`${format}: data that is bad, cut or goes on behind its end is a TypeError`, async () => {
		const good = compress(text.subarray(0, 5000))
		const bad = { cut: good.subarray(0, good.length - 5), junk: Buffer.concat([good, Buffer.from('x'.repeat(20))]), noise: Buffer.alloc(5000, 0xff) }
		for (const [what, body] of Object.entries(bad)) {
			const res = await node.get('unpack', `/?format=${format}`, { method: 'POST', body })
			assert.equal(res.status, 400, `${what}: ${res.status}`)
			assert.match(res.text, /^TypeError: /, what)
		}
	})

	test(`${format}: a bomb costs what is read of it`, async () => {
		const bomb = compress(Buffer.alloc(64 * 1024 * 1024))
		const sip = await node.get('sip', `/?format=${format}`, { method: 'POST', body: bomb })
		assert.equal(sip.status, 200, sip.headers['er-error'])
		assert.ok(Number(sip.text) < 300 * 1024, sip.text)
		const drink = await node.get('drink', `/?format=${format}`, { method: 'POST', body: bomb })
		assert.equal(drink.text, String(64 * 1024 * 1024), drink.headers['er-error'])
	})
}

test('coders that nobody reads any more are collected', async () => {
	const res = await node.get('heap', '/', { method: 'POST', body: zlib.gzipSync(Buffer.alloc(4 * 1024 * 1024)) })
	assert.equal(res.status, 200, res.headers['er-error'])
})
