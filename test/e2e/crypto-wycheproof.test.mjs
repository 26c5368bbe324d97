// Project Wycheproof's vectors for Web Crypto (11,139 in the shape of the folder's README), each in
// a real sandbox: what is valid comes out byte for byte, in both directions where there are two;
// what is invalid is refused, at import or at use; what is called acceptable may be either. The
// vectors are no part of this tree: ER_WYCHEPROOF names their folder (default: ../shared/wycheproof
// beside the source tree). Without them these tests are skipped.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { root, sanitized, startNode } from './lib/node.mjs'

const folder = process.env.ER_WYCHEPROOF ?? path.join(root, '../shared/wycheproof')
const files = fs.existsSync(folder) ? fs.readdirSync(folder).filter(f => f.endsWith('.json')).sort() : []
const skip = files.length === 0 && 'the vectors are not here (ER_WYCHEPROOF)'
/** Vectors in one request: an upload of them stays small, and so does its time. */
const AT_ONCE = 40

/** The routine: takes {op, group, tests}, answers with the tests that went wrong. It runs as text,
 * so it stands on nothing out here. */
function routine() {
	const { subtle } = crypto
	const bytes = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0))
	const utf8 = text => new TextEncoder().encode(text)
	const same = (a, b) => {
		const [x, y] = [new Uint8Array(a), new Uint8Array(b)]
		return x.length === y.length && x.every((v, i) => v === y[i])
	}
	const aes = (name, t, usages) => subtle.importKey('raw', bytes(t.k), name, false, usages)
	const both = async (t, key, alg) => {
		if (!same(await subtle.decrypt(alg, key, bytes(t.ct)), bytes(t.m))) return false
		return same(await subtle.encrypt(alg, key, bytes(t.m)), bytes(t.ct))
	}
	/** Verifies with the key as SPKI and as JWK, which must agree. */
	const verifies = async (g, t, alg, use) => {
		const out = []
		for (const form of ['spki', 'jwk']) {
			if (g[form] === undefined) continue
			const key = await subtle.importKey(form, form === 'spki' ? bytes(g.spki) : g.jwk, alg, true, ['verify'])
			out.push(await subtle.verify(use, key, bytes(t.s), bytes(t.m)))
		}
		if (new Set(out).size !== 1) throw new Error(`the forms of the key disagree: ${out}`)
		return out[0]
	}
	const agrees = async (alg, prv, pub, o) => {
		const secret = await subtle.deriveBits({ name: alg.name, public: pub }, prv, null)
		return o === undefined || same(secret, bytes(o))
	}
	/** Compact JWS with one of the keys, as a careful program verifies it. */
	const jws = async (keys, text) => {
		const parts = text.split('.')
		if (parts.length !== 3 || parts.some(part => !/^[A-Za-z0-9_-]*$/.test(part)) || new Set(keys.map(k => k.kid)).size !== keys.length) return false
		const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes(parts[0])))
		const jwk = keys.length === 1 && header.kid === undefined ? keys[0] : keys.find(k => k.kid === header.kid)
		if (header.crit !== undefined || jwk === undefined || jwk.alg !== header.alg) return false
		const hash = `SHA-${header.alg.slice(2)}`
		const alg = { HS: { name: 'HMAC', hash }, RS: { name: 'RSASSA-PKCS1-v1_5', hash }, PS: { name: 'RSA-PSS', hash, saltLength: +header.alg.slice(2) / 8 }, ES: { name: 'ECDSA', hash, namedCurve: jwk.crv } }[header.alg.slice(0, 2)]
		const { d, p, q, dp, dq, qi, ...half } = jwk
		const key = await subtle.importKey('jwk', half, alg, false, ['verify'])
		return subtle.verify(alg, key, bytes(parts[2]), utf8(`${parts[0]}.${parts[1]}`))
	}
	const ops = {
		cbc: async (g, t) => both(t, await aes('AES-CBC', t, ['encrypt', 'decrypt']), { name: 'AES-CBC', iv: bytes(t.iv) }),
		gcm: async (g, t) => both(t, await aes('AES-GCM', t, ['encrypt', 'decrypt']), { name: 'AES-GCM', iv: bytes(t.iv), additionalData: bytes(t.ad), tagLength: g.tag }),
		async kw(g, t) {
			const kw = await aes('AES-KW', t, ['wrapKey', 'unwrapKey']), hmac = { name: 'HMAC', hash: 'SHA-256' }
			const key = await subtle.unwrapKey('raw', bytes(t.ct), kw, 'AES-KW', hmac, true, ['sign'])
			if (!same(await subtle.exportKey('raw', key), bytes(t.m))) return false
			return same(await subtle.wrapKey('raw', await subtle.importKey('raw', bytes(t.m), hmac, true, ['sign']), kw, 'AES-KW'), bytes(t.ct))
		},
		async hmac(g, t) {
			const key = await subtle.importKey('raw', bytes(t.k), { name: 'HMAC', hash: g.h }, false, ['sign', 'verify'])
			const mac = await subtle.sign('HMAC', key, bytes(t.m)), whole = mac.byteLength * 8 === g.tag
			if (whole && (await subtle.verify('HMAC', key, bytes(t.s), bytes(t.m))) !== same(mac, bytes(t.s))) throw new Error('sign and verify disagree')
			return same(mac.slice(0, g.tag / 8), bytes(t.s))
		},
		async hkdf(g, t) {
			const key = await subtle.importKey('raw', bytes(t.k), 'HKDF', false, ['deriveBits'])
			return same(await subtle.deriveBits({ name: 'HKDF', hash: g.h, salt: bytes(t.salt), info: bytes(t.info) }, key, t.n * 8), bytes(t.o))
		},
		async pbkdf2(g, t) {
			const key = await subtle.importKey('raw', bytes(t.k), 'PBKDF2', false, ['deriveBits'])
			return same(await subtle.deriveBits({ name: 'PBKDF2', hash: g.h, salt: bytes(t.salt), iterations: t.it }, key, t.n * 8), bytes(t.o))
		},
		ecdsa: (g, t) => verifies(g, t, { name: 'ECDSA', namedCurve: g.crv }, { name: 'ECDSA', hash: g.h }),
		ed25519: (g, t) => verifies(g, t, 'Ed25519', 'Ed25519'),
		pss: (g, t) => verifies(g, t, { name: 'RSA-PSS', hash: g.h }, { name: 'RSA-PSS', saltLength: g.salt }),
		v15: (g, t) => verifies(g, t, { name: 'RSASSA-PKCS1-v1_5', hash: g.h }, 'RSASSA-PKCS1-v1_5'),
		async v15sign(g, t) {
			const key = await subtle.importKey('pkcs8', bytes(g.pkcs8), { name: 'RSASSA-PKCS1-v1_5', hash: g.h }, false, ['sign'])
			return same(await subtle.sign('RSASSA-PKCS1-v1_5', key, bytes(t.m)), bytes(t.s))
		},
		async oaep(g, t) {
			const key = await subtle.importKey('pkcs8', bytes(g.pkcs8), { name: 'RSA-OAEP', hash: g.h }, false, ['decrypt'])
			return same(await subtle.decrypt({ name: 'RSA-OAEP', label: bytes(t.l) }, key, bytes(t.ct)), bytes(t.m))
		},
		async ecdh(g, t) {
			const alg = { name: 'ECDH', namedCurve: g.crv }
			return agrees(alg, await subtle.importKey('jwk', t.prv, alg, false, ['deriveBits']), await subtle.importKey('jwk', t.pub, alg, true, []), t.o)
		},
		async ecpub(g, t) {
			const alg = { name: 'ECDH', namedCurve: g.crv }
			return agrees(alg, await subtle.importKey('jwk', g.prv, alg, false, ['deriveBits']), await subtle.importKey(g.fmt, bytes(t.pub), alg, true, []))
		},
		async x25519(g, t) {
			const jwk = g.fmt === undefined, alg = { name: 'X25519' }
			return agrees(alg, await subtle.importKey(jwk ? 'jwk' : 'pkcs8', jwk ? t.prv : bytes(t.prv), alg, false, ['deriveBits']), await subtle.importKey(jwk ? 'jwk' : 'raw', jwk ? t.pub : bytes(t.pub), alg, true, []), t.o)
		},
		jws: (g, t) => jws(g.keys, t.jws),
	}
	const wrong = []
	const run = async (op, group, t) => {
		let got, why
		try {
			got = await ops[op](group, t)
		} catch (e) {
			got = false
			why = `${e.name}: ${e.message}`
			// a mistake of this test
			if (e.name === 'Error' || e.name === 'ReferenceError') got = why
		}
		const want = { v: true, i: false }[t.r]
		if (typeof got !== 'boolean' || (want !== undefined && got !== want)) wrong.push({ i: t.i, r: t.r, c: t.c, got, why })
	}
	addEventListener('fetch', event => event.respondWith((async () => {
		const { op, group, tests } = await event.request.json()
		wrong.length = 0
		for (const t of tests) await run(op, group, t)
		return Response.json(wrong)
	})()))
}

let node
before(async () => {
	if (skip !== false) return
	// a sanitizer keeps what was freed
	const limits = { cpuMs: 60000, responseMs: 60000, ...(sanitized && { memoryMb: 4096 }) }
	node = await startNode({ routines: { r: { source: `(${routine})()`, limits } }, config: { routineLimits: limits } })
})
after(() => node?.stop())

test('the vectors are where they should be', { skip }, () => assert.ok(files.length > 0))
for (const file of files)
	test(`vectors of ${file}`, { timeout: sanitized ? 600000 : 120000 }, async () => {
		const { op, groups } = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'))
		const wrong = []
		let n = 0
		for (const { tests, ...group } of groups)
			for (let at = 0; at < tests.length; at += AT_ONCE) {
				const some = tests.slice(at, at + AT_ONCE)
				const res = await node.get('r', '/', { method: 'POST', body: JSON.stringify({ op, group, tests: some }), timeout: 110000 })
				assert.equal(res.status, 200, `${res.text}\n${node.err.slice(-3).join('\n')}`)
				wrong.push(...JSON.parse(res.text))
				n += some.length
			}
		assert.deepEqual(wrong, [])
		assert.ok(n > 0)
	})
