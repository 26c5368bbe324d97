// Web Crypto in real sandboxes, under the filter of system calls: what is computed is what the RFCs
// say, whatever a routine passes is refused or computed and harms nobody, and keys cost no memory
// once nobody has them.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { startNode } from './lib/node.mjs'

const HELPERS = `
	const { subtle } = crypto
	const bytes = text => new TextEncoder().encode(text)
	const hex = buffer => [...new Uint8Array(buffer)].map(b => b.toString(16).padStart(2, "0")).join("")
	const unhex = text => Uint8Array.from(text.match(/../g) ?? [], b => parseInt(b, 16))
	const why = async f => { try { const p = f(); if (!(p instanceof Promise)) return "no promise"; await p; return "did" } catch (e) { return e.name } }
`
/** Each case is a path; its code runs in a request and its value is the answer as JSON. */
const cases = {}
/** What a routine's code gives, and what it should. */
function gives(name, code, want) {
	const path = `c${Object.keys(cases).length}`
	cases[path] = code
	test(name, async () => {
		const res = await node.get('r', `/${path}`)
		assert.equal(res.status, 200, `${res.text}\n${node.err.slice(-3).join('\n')}`)
		assert.deepEqual(JSON.parse(res.text), typeof want === 'function' ? want() : want)
	})
}

let node

const HASHES = { 'SHA-1': 'sha1', 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512', MD5: 'md5' }

// ---- digests ----

gives('digests of nothing, of a word and of a megabyte', `
	const big = new Uint8Array(1 << 20).fill(97), out = {}
	for (const name of ${JSON.stringify(Object.keys(HASHES))}) out[name] = [hex(await subtle.digest(name, new Uint8Array())), hex(await subtle.digest({ name }, bytes("abc"))), hex(await subtle.digest(name, big.buffer))]
	return out`,
() => Object.fromEntries(Object.entries(HASHES).map(([name, node]) => [name, ['', 'abc', Buffer.alloc(1 << 20, 97)].map(data => crypto.createHash(node).update(data).digest('hex'))])))

gives('what a getter detached is empty, and a part of a buffer is that part', `
	const gone = bytes("abc")
	const detached = await subtle.digest({ get name() { gone.buffer.transfer(); return "SHA-1" } }, gone)
	const whole = bytes("xxabcyyy")
	return [hex(detached), hex(await subtle.digest("SHA-1", whole.subarray(2, 5))), hex(await subtle.digest("SHA-1", new DataView(whole.buffer, 2, 3))), hex(await subtle.digest("SHA-1", new Float64Array(whole.buffer)))]`,
() => ['', 'abc', 'abc', 'xxabcyyy'].map(text => crypto.createHash('sha1').update(text).digest('hex')))

// ---- HMAC: RFC 4231 ----

const RFC4231 = [
	['0b'.repeat(20), '4869205468657265', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
	['4a656665', '7768617420646f2079612077616e7420666f72206e6f7468696e673f', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
	['aa'.repeat(20), 'dd'.repeat(50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
	['aa'.repeat(131), '54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374', '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'],
]
gives('HMAC as in RFC 4231, again with the same key, and a wrong one is noticed', `
	const out = []
	for (const [k, m, mac] of ${JSON.stringify(RFC4231)}) {
		const key = await subtle.importKey("raw", unhex(k), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"])
		const first = await subtle.sign("HMAC", key, unhex(m))
		const other = await subtle.sign("HMAC", key, bytes("something else"))
		const again = await subtle.sign("HMAC", key, unhex(m))
		const wrong = unhex(mac); wrong[31] ^= 1
		out.push([hex(first) === mac, hex(again) === mac, hex(other) !== mac, await subtle.verify("HMAC", key, unhex(mac), unhex(m)), await subtle.verify("HMAC", key, wrong, unhex(m)), await subtle.verify("HMAC", key, unhex(mac).slice(0, 31), unhex(m))])
	}
	return out`,
RFC4231.map(() => [true, true, true, true, false, false]))

gives('a JWS with HS256 as in RFC 7515 A.1', `
	const key = await subtle.importKey("jwk", { kty: "oct", k: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }, { name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"])
	return hex(await subtle.sign("HMAC", key, bytes("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ")))`,
Buffer.from('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk', 'base64url').toString('hex'))

gives('generated HMAC keys have the length that was asked for, or the hash\'s block', `
	const length = async more => { const k = await subtle.generateKey({ name: "HMAC", hash: "SHA-384", ...more }, true, ["sign"]); return [k.algorithm.length, (await subtle.exportKey("raw", k)).byteLength] }
	return [await length({}), await length({ length: 8 }), await length({ length: 12 }), await length({ length: 4096 })]`,
[[1024, 128], [8, 1], [12, 2], [4096, 512]])

// Last: the first test begins as soon as it is registered.
before(async () => {
	const source = `${HELPERS}
		const cases = {${Object.entries(cases).map(([path, code]) => `${path}: async () => { ${code} }`).join(',\n')}}
		addEventListener("fetch", e => e.respondWith((async () => { try { return Response.json(await cases[new URL(e.request.url).pathname.slice(1)]()) } catch (x) { return new Response(x.stack, { status: 500 }) } })()))`
	node = await startNode({ routines: { r: { source, limits: { cpuMs: 10000, responseMs: 30000 } } }, config: { routineLimits: { cpuMs: 10000, responseMs: 30000 } } })
})
after(() => node?.stop())
