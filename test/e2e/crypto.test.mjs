// Web Crypto in real sandboxes, under the filter of system calls: what is computed is what the RFCs
// say, whatever a routine passes is refused or computed and harms nobody, and keys cost no memory
// once nobody has them.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { sanitized, startNode } from './lib/node.mjs'
import { pipeline } from './lib/raw.mjs'
import { memory as memoryOf, sandboxes } from './lib/proc.mjs'

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

// ---- what must not be had ----

gives('a key that was wrapped in nothing is no key', `
	const k = await subtle.generateKey({ name: "AES-KW", length: 128 }, false, ["wrapKey", "unwrapKey"])
	const out = []
	for (const n of [0, 8, 16, 23]) for (const to of ["HKDF", "PBKDF2"]) out.push(await why(() => subtle.unwrapKey("raw", new Uint8Array(n), k, "AES-KW", to, false, ["deriveBits"])))
	return [...new Set(out)]`, ['OperationError'])

gives('what two keys agree on is not seen by a getter of the code', `
	const mine = await subtle.generateKey({ name: "X25519" }, false, ["deriveKey"]), other = await subtle.generateKey({ name: "X25519" }, false, ["deriveKey"])
	const own = Object.getOwnPropertyDescriptor(Uint8Array.prototype, "constructor"), seen = []
	Object.defineProperty(Uint8Array.prototype, "constructor", { configurable: true, get() { seen.push(hex(this)); return own.value } })
	try {
		await subtle.deriveKey({ name: "X25519", public: other.publicKey }, mine.privateKey, { name: "AES-GCM", length: 128 }, false, ["encrypt"])
	} finally {
		Object.defineProperty(Uint8Array.prototype, "constructor", own)
	}
	return seen`, [])

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

// ---- what other RFCs and NIST say ----

gives('AES-KW as in RFC 3394 4.6, AES-CTR as in SP 800-38A F.5.5, AES-GCM as in test case 16 of its specification', `
	const kw = await subtle.importKey("raw", unhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"), "AES-KW", false, ["wrapKey", "unwrapKey"])
	const inner = await subtle.importKey("raw", unhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"), { name: "HMAC", hash: "SHA-256" }, true, ["sign"])
	const wrapped = await subtle.wrapKey("raw", inner, kw, "AES-KW")
	const back = await subtle.unwrapKey("raw", wrapped, kw, "AES-KW", { name: "HMAC", hash: "SHA-256" }, true, ["sign"])
	const ctr = await subtle.importKey("raw", unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"), "AES-CTR", false, ["encrypt"])
	const gcm = await subtle.importKey("raw", unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"), "AES-GCM", false, ["encrypt", "decrypt"])
	const how = { name: "AES-GCM", iv: unhex("cafebabefacedbaddecaf888"), additionalData: unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2") }
	const sealed = await subtle.encrypt(how, gcm, unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"))
	const broken = new Uint8Array(sealed.slice(0)); broken[0] ^= 1
	return [hex(wrapped), hex(await subtle.exportKey("raw", back)), hex(await subtle.encrypt({ name: "AES-CTR", counter: unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), length: 64 }, ctr, unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"))), hex(sealed), (await subtle.decrypt(how, gcm, sealed)).byteLength, await why(() => subtle.decrypt(how, gcm, broken))]`,
['28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21', '00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f',
	'601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5',
	'522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b', 60, 'OperationError'])

gives('HKDF as in RFC 5869 A.1, PBKDF2 as in RFC 7914 11, and as much info as anybody likes', `
	const hkdf = await subtle.importKey("raw", unhex("0b".repeat(22)), "HKDF", false, ["deriveBits", "deriveKey"])
	const pbkdf2 = await subtle.importKey("raw", bytes("passwd"), "PBKDF2", false, ["deriveBits"])
	const long = await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: new Uint8Array(100000) }, hkdf, 256)
	const aes = await subtle.deriveKey({ name: "HKDF", hash: "SHA-256", salt: unhex("000102030405060708090a0b0c"), info: unhex("f0f1f2f3f4f5f6f7f8f9") }, hkdf, { name: "AES-GCM", length: 256 }, true, ["encrypt"])
	return [hex(await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: unhex("000102030405060708090a0b0c"), info: unhex("f0f1f2f3f4f5f6f7f8f9") }, hkdf, 336)), hex(await subtle.exportKey("raw", aes)),
		hex(await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: bytes("salt"), iterations: 1 }, pbkdf2, 512)), hex(long)]`,
() => ['3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865', '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf',
	'55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783', hkdf('sha256', Buffer.from('0b'.repeat(22), 'hex'), Buffer.alloc(0), Buffer.alloc(100000), 32)])

/** RFC 5869 by hand: Node's own bounds `info`. */
function hkdf(hash, secret, salt, info, n) {
	const mac = (key, data) => crypto.createHmac(hash, key).update(data).digest()
	const prk = mac(salt, secret)
	let t = Buffer.alloc(0), out = Buffer.alloc(0)
	for (let i = 1; out.length < n; i++) out = Buffer.concat([out, (t = mac(prk, Buffer.concat([t, info, Buffer.of(i)])))])
	return out.subarray(0, n).toString('hex')
}

const ED25519 = [ // RFC 8032 7.1
	['9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '', 'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'],
	['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72', '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'],
]
gives('Ed25519 as in RFC 8032 7.1, X25519 as in RFC 7748 5.2; keys of small order prove nothing', `
	const out = []
	const url = h => btoa(String.fromCharCode(...unhex(h))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
	for (const [d, x, m, s] of ${JSON.stringify(ED25519)}) {
		const key = await subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", d: url(d), x: url(x) }, "Ed25519", true, ["sign"])
		const half = await subtle.importKey("raw", unhex(x), "Ed25519", true, ["verify"])
		out.push(hex(await subtle.sign("Ed25519", key, unhex(m))) === s, await subtle.verify("Ed25519", half, unhex(s), unhex(m)), await subtle.verify("Ed25519", half, unhex(s), bytes("else")))
	}
	const small = await subtle.importKey("raw", unhex("01" + "00".repeat(31)), "Ed25519", true, ["verify"])
	out.push(await subtle.verify("Ed25519", small, unhex("01" + "00".repeat(63)), bytes("anything")))
	const scalar = "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"
	const alice = await subtle.importKey("pkcs8", unhex("302e020100300506032b656e04220420" + scalar), "X25519", false, ["deriveBits"])
	const bob = await subtle.importKey("raw", unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"), "X25519", true, [])
	const zero = await subtle.importKey("raw", new Uint8Array(32), "X25519", true, [])
	out.push(hex(await subtle.deriveBits({ name: "X25519", public: bob }, alice, 256)), await why(() => subtle.deriveBits({ name: "X25519", public: zero }, alice, 256)))
	return out`,
[true, true, false, true, true, false, false, 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552', 'OperationError'])

// ---- keys that others understand ----

const PAIRS = [
	{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024 },
	{ name: 'RSA-PSS', hash: 'SHA-512', modulusLength: 2048, saltLength: 20 },
	...['P-256', 'P-384', 'P-521'].map(namedCurve => ({ name: 'ECDSA', namedCurve, hash: 'SHA-384' })),
	{ name: 'Ed25519' },
]
test('what a sandbox signs, and its keys in every format, are understood by another program, and back', async () => {
	const res = await node.get('r', '/pairs')
	assert.equal(res.status, 200, res.text)
	const pairs = JSON.parse(res.text)
	const { subtle } = crypto.webcrypto
	const bytes = text => Buffer.from(text, 'hex')
	for (const [i, alg] of PAIRS.entries()) {
		const { spki, pkcs8, jwk, raw, signature } = pairs[i]
		const message = Buffer.from('signed in a sandbox')
		for (const [format, key] of [['spki', bytes(spki)], ['jwk', jwk.publicKey], ...(raw ? [['raw', bytes(raw)]] : [])]) {
			const half = await subtle.importKey(format, key, alg, true, ['verify'])
			assert.equal(await subtle.verify(alg, half, bytes(signature), message), true, `${alg.name} ${format}`)
		}
		for (const [format, key] of [['pkcs8', bytes(pkcs8)], ['jwk', jwk.privateKey]]) {
			const half = await subtle.importKey(format, key, alg, true, ['sign'])
			assert.equal(Buffer.from(await subtle.exportKey('pkcs8', half)).toString('hex'), pkcs8, `${alg.name} ${format}`)
		}
		const theirs = await subtle.generateKey({ ...alg, publicExponent: Uint8Array.of(1, 0, 1) }, true, ['sign', 'verify'])
		const back = { i, signature: Buffer.from(await subtle.sign(alg, theirs.privateKey, message)).toString('hex'), pkcs8: Buffer.from(await subtle.exportKey('pkcs8', theirs.privateKey)).toString('hex'), spki: Buffer.from(await subtle.exportKey('spki', theirs.publicKey)).toString('hex') }
		const answer = await node.get('r', '/pairBack', { method: 'POST', body: JSON.stringify(back) })
		assert.deepEqual(JSON.parse(answer.text), [true, back.spki, back.pkcs8], alg.name)
	}
})
cases.pairs = `
	const out = []
	for (const alg of ${JSON.stringify(PAIRS)}) {
		const { privateKey, publicKey } = await subtle.generateKey({ ...alg, publicExponent: Uint8Array.of(1, 0, 1) }, true, ["sign", "verify"])
		const as = async (format, key) => hex(await subtle.exportKey(format, key))
		out.push({ spki: await as("spki", publicKey), pkcs8: await as("pkcs8", privateKey), raw: alg.modulusLength ? undefined : await as("raw", publicKey), jwk: { publicKey: await subtle.exportKey("jwk", publicKey), privateKey: await subtle.exportKey("jwk", privateKey) }, signature: hex(await subtle.sign(alg, privateKey, bytes("signed in a sandbox"))) })
	}
	return out`
cases.pairBack = `
	const { i, signature, pkcs8, spki } = await request.json()
	const alg = ${JSON.stringify(PAIRS)}[i]
	const half = await subtle.importKey("spki", unhex(spki), alg, true, ["verify"]), other = await subtle.importKey("pkcs8", unhex(pkcs8), alg, true, ["sign"])
	const again = await subtle.importKey("jwk", await subtle.exportKey("jwk", other), alg, true, ["sign"])
	return [await subtle.verify(alg, half, unhex(signature), bytes("signed in a sandbox")), hex(await subtle.exportKey("spki", half)), hex(await subtle.exportKey("pkcs8", again))]`

// ---- what a routine may throw at it ----

gives('hostile arguments are refused by name, each of them, and the sandbox goes on', `
	const rsa = { name: "RSA-OAEP", hash: "SHA-1" }, gcm = await subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"])
	const cbc = await subtle.generateKey({ name: "AES-CBC", length: 128 }, true, ["encrypt", "decrypt"]), ctr = await subtle.generateKey({ name: "AES-CTR", length: 128 }, true, ["encrypt"])
	const pair = await subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]), other = await subtle.generateKey({ name: "ECDH", namedCurve: "P-384" }, true, ["deriveBits"])
	const pss = await subtle.generateKey({ name: "RSA-PSS", hash: "SHA-256", modulusLength: 1024, publicExponent: Uint8Array.of(1, 0, 1) }, true, ["sign", "verify"])
	const spki = new Uint8Array(await subtle.exportKey("spki", pair.publicKey)), jwk = await subtle.exportKey("jwk", pair.privateKey)
	const off = spki.slice(); off[off.length - 1] ^= 1
	const pbkdf2 = await subtle.importKey("raw", bytes("x"), "PBKDF2", false, ["deriveBits"])
	const flip = s => (s[0] === "A" ? "B" : "A") + s.slice(1)
	const ec = { name: "ECDH", namedCurve: "P-256" }
	const tries = {
		OperationError: [
			() => subtle.encrypt({ name: "AES-GCM", iv: new Uint8Array() }, gcm, bytes("x")), () => subtle.encrypt({ name: "AES-GCM", iv: new Uint8Array(12), tagLength: 40 }, gcm, bytes("x")),
			() => subtle.decrypt({ name: "AES-GCM", iv: new Uint8Array(12) }, gcm, bytes("x")), () => subtle.decrypt({ name: "AES-GCM", iv: new Uint8Array(500) }, gcm, new Uint8Array(40)),
			() => subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(15) }, cbc, bytes("x")), () => subtle.decrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, cbc, bytes("x")),
			() => subtle.encrypt({ name: "AES-CTR", counter: new Uint8Array(16), length: 0 }, ctr, bytes("x")), () => subtle.encrypt({ name: "AES-CTR", counter: new Uint8Array(16), length: 129 }, ctr, bytes("x")),
			() => subtle.encrypt({ name: "AES-CTR", counter: new Uint8Array(16), length: 1 }, ctr, new Uint8Array(33)), () => subtle.generateKey({ name: "AES-GCM", length: 129 }, true, ["encrypt"]),
			() => subtle.sign({ name: "RSA-PSS", saltLength: 4294967295 }, pss.privateKey, bytes("x")), () => subtle.sign({ name: "RSA-PSS", saltLength: 95 }, pss.privateKey, bytes("x")),
			() => subtle.generateKey({ ...rsa, modulusLength: 4294967295, publicExponent: Uint8Array.of(3) }, true, ["decrypt"]), () => subtle.generateKey({ ...rsa, modulusLength: 1024, publicExponent: Uint8Array.of(2) }, true, ["decrypt"]),
			() => subtle.generateKey({ ...rsa, modulusLength: 0, publicExponent: Uint8Array.of(3) }, true, ["decrypt"]), () => subtle.generateKey({ ...rsa, modulusLength: 1024, publicExponent: new Uint8Array() }, true, ["decrypt"]),
			() => subtle.deriveBits({ name: "ECDH", public: pair.publicKey }, pair.privateKey, 257), () => subtle.deriveBits({ name: "PBKDF2", hash: "SHA-1", salt: bytes(""), iterations: 0 }, pbkdf2, 8),
			() => subtle.deriveBits({ name: "PBKDF2", hash: "SHA-1", salt: bytes(""), iterations: 1 }, pbkdf2, 7), () => subtle.generateKey({ name: "HMAC", hash: "SHA-1", length: 4294967295 }, true, ["sign"]),
		],
		InvalidAccessError: [
			() => subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, gcm, bytes("x")), () => subtle.deriveBits({ name: "ECDH", public: other.publicKey }, pair.privateKey, null),
			() => subtle.deriveBits({ name: "ECDH", public: pair.privateKey }, pair.privateKey, null), () => subtle.sign({ name: "RSA-PSS", saltLength: 0 }, pss.publicKey, bytes("x")),
			() => subtle.exportKey("spki", pair.privateKey), () => subtle.exportKey("pkcs8", pair.publicKey), () => subtle.exportKey("raw", pair.privateKey),
		],
		DataError: [
			() => subtle.importKey("spki", off, ec, true, []), () => subtle.importKey("spki", spki.slice(0, -1), ec, true, []), () => subtle.importKey("spki", new Uint8Array([...spki, 0]), ec, true, []),
			() => subtle.importKey("spki", spki, { name: "ECDH", namedCurve: "P-384" }, true, []), () => subtle.importKey("spki", spki, rsa, true, ["encrypt"]), () => subtle.importKey("spki", spki, "X25519", true, []),
			() => subtle.importKey("pkcs8", spki, ec, true, ["deriveBits"]), () => subtle.importKey("raw", new Uint8Array(65), ec, true, []), () => subtle.importKey("raw", new Uint8Array(1), ec, true, []),
			() => subtle.importKey("jwk", { ...jwk, d: flip(jwk.d) }, ec, true, ["deriveBits"]), () => subtle.importKey("jwk", { ...jwk, x: flip(jwk.x) }, ec, true, ["deriveBits"]),
			() => subtle.importKey("jwk", { ...jwk, x: jwk.x + "\\nAAAA" }, ec, true, ["deriveBits"]), () => subtle.importKey("jwk", { ...jwk, y: "" }, ec, true, ["deriveBits"]),
			() => subtle.importKey("jwk", { ...jwk, d: jwk.d + "AAAA" }, ec, true, ["deriveBits"]), () => subtle.importKey("jwk", { kty: "RSA", n: "AQAB", e: "AQAB" }, rsa, true, ["encrypt"]),
			() => subtle.importKey("jwk", { kty: "RSA", n: "", e: "" }, rsa, true, ["encrypt"]), () => subtle.importKey("spki", new Uint8Array(1 << 20), ec, true, []), () => subtle.importKey("raw", new Uint8Array(17), "AES-CBC", true, ["encrypt"]),
			() => subtle.importKey("raw", new Uint8Array(31), "Ed25519", true, ["verify"]), () => subtle.importKey("pkcs8", new Uint8Array(), "Ed25519", true, ["sign"]),
		],
		TypeError: [
			() => subtle.encrypt({ name: "AES-GCM" }, gcm, bytes("x")), () => subtle.encrypt({ name: "AES-CTR", counter: new Uint8Array(16), length: 256 }, ctr, bytes("x")), () => subtle.deriveBits({ name: "ECDH", public: {} }, pair.privateKey, null),
			() => subtle.generateKey({ ...rsa, modulusLength: 2048, publicExponent: [1, 0, 1] }, true, ["decrypt"]), () => subtle.generateKey({ ...rsa, modulusLength: 2 ** 32, publicExponent: Uint8Array.of(3) }, true, ["decrypt"]),
			() => subtle.importKey("jwk", 7, ec, true, []), () => subtle.encrypt({ name: "AES-GCM", iv: new Uint8Array(new ArrayBuffer(12, { maxByteLength: 24 })) }, gcm, bytes("x")),
		],
		SyntaxError: [() => subtle.importKey("pkcs8", bytes("x"), ec, true, ["sign"]), () => subtle.generateKey(ec, true, []), () => subtle.importKey("raw", bytes("x"), "HKDF", true, ["deriveBits"])],
		NotSupportedError: [() => subtle.importKey("raw", bytes("x"), rsa, true, ["encrypt"]), () => subtle.generateKey({ name: "ECDSA", namedCurve: "P-255" }, true, ["sign"]), () => subtle.digest("SHA-3", bytes("x")), () => subtle.generateKey("PBKDF2", false, ["deriveBits"])],
	}
	const wrong = []
	for (const name in tries) for (const f of tries[name]) { const got = await why(f); if (got !== name) wrong.push([name, got, String(f)]) }
	return wrong`, [])

gives('a getter that runs meanwhile changes neither the key nor the parameters that were read already', `
	const key = await subtle.importKey("raw", new Uint8Array(16), "AES-CBC", true, ["encrypt"])
	const iv = new Uint8Array(16), seen = []
	const p = subtle.encrypt({ get name() { seen.push("name"); return "AES-CBC" }, get iv() { seen.push("iv"); return iv } }, key, bytes("text"))
	iv.fill(9)
	const pbkdf2 = await subtle.importKey("raw", bytes("passwd"), "PBKDF2", false, ["deriveBits"]), salt = bytes("salt")
	const bits = await subtle.deriveBits({ name: "PBKDF2", salt, iterations: 1, hash: { get name() { salt.fill(0); return "SHA-256" } } }, pbkdf2, 64)
	return [hex(await p), seen.join(), hex(bits)]`,
() => {
	const c = crypto.createCipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16))
	return [Buffer.concat([c.update('text'), c.final()]).toString('hex'), 'name,iv', '55ac046e56e3089f']
})

test('the hardened profile, without code of its own making, computes the same', async () => {
	for (const path of Object.keys(cases).filter(path => /^c\d+$/.test(path))) {
		const [one, other] = [await node.get('r', `/${path}`), await node.get('hard', `/${path}`)]
		assert.equal(other.status, 200, other.text)
		assert.equal(other.text, one.text)
	}
})

cases.keep = `globalThis.kept ??= await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]); globalThis.signed ??= await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, kept.privateKey, bytes("x")); return true`
cases.kept = `return subtle.verify({ name: "ECDSA", hash: "SHA-256" }, kept.publicKey, signed, bytes("x"))`
test('a key that a routine keeps works in its later requests', async () => {
	assert.equal((await node.get('r', '/keep')).text, 'true')
	for (let i = 0; i < 3; i++) assert.equal((await node.get('r', '/kept')).text, 'true')
})

for (const [what, code] of Object.entries({
	'PBKDF2 with a thousand million iterations': `const k = await subtle.importKey("raw", new Uint8Array(8), "PBKDF2", false, ["deriveBits"]); return (await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: 1e9 }, k, 256)).byteLength`,
	'an RSA key of 16384 bits': `return Object.keys(await subtle.generateKey({ name: "RSA-PSS", hash: "SHA-256", modulusLength: 16384, publicExponent: Uint8Array.of(1, 0, 1) }, true, ["sign"]))`,
})) {
	const path = `slow${Object.keys(cases).length}`
	cases[path] = code
	// Under a sanitizer the handler of a signal cannot end the process as it should.
	test(`the CPU limit ends ${what}`, { skip: sanitized }, async () => {
		const res = await node.get('short', `/${path}`)
		assert.equal(res.status, 599)
		assert.match(res.text, /CPU time/)
		assert.equal((await node.get('short', '/keep')).status, 200)
	})
}

cases.churn = `
	const pair = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
	const spki = await subtle.exportKey("spki", pair.publicKey)
	await subtle.importKey("spki", spki, { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"])
	const hmac = await subtle.importKey("raw", new Uint8Array(64), { name: "HMAC", hash: "SHA-256" }, true, ["sign"])
	const aes = await subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"])
	await subtle.encrypt({ name: "AES-GCM", iv: new Uint8Array(12) }, aes, await subtle.sign("HMAC", hmac, await subtle.digest("SHA-256", new Uint8Array(1000))))
	return 1`
const AT_ONCE = 50
// A leak of one of the five keys would be 12 MB. A sanitizer keeps what was freed.
test('keys that nobody has any more cost no memory', { skip: sanitized, timeout: 300000 }, async () => {
	const [warm, rounds] = [2000, Number(process.env.ER_CHURN ?? 3000)]
	const memory = () => Math.max(...sandboxes(node.pid).map(pid => memoryOf(pid).anonymous))
	const go = async n => {
		for (let i = 0; i < n; i += AT_ONCE) {
			const answers = await pipeline(node.port, Array(AT_ONCE).fill(['/churn', {}]), { host: 'r.localhost' })
			assert.ok(answers.every(res => res.status === 200))
		}
	}
	await go(warm)
	const before = memory()
	await go(rounds)
	const grown = memory() - before
	assert.ok(grown < 8 << 20, `${rounds} requests left ${grown} bytes behind`)
})

// Last: the first test begins as soon as it is registered.
before(async () => {
	const source = `${HELPERS}
		const cases = {${Object.entries(cases).map(([path, code]) => `${path}: async request => { ${code} }`).join(',\n')}}
		addEventListener("fetch", e => e.respondWith((async () => {
			try { return Response.json(await cases[new URL(e.request.url).pathname.slice(1)](e.request)) } catch (x) { return new Response(x.name + ": " + x.message + "\\n" + x.stack, { status: 500 }) }
		})()))`
	const limits = { cpuMs: 10000, responseMs: 30000 }
	node = await startNode({ routines: { r: { source, limits }, short: { source, limits: { cpuMs: 50, responseMs: 30000 } }, hard: { source, limits, profile: 'hardened' } }, config: { routineLimits: limits } })
})
after(() => node?.stop())
