import * as jose from 'jose'

const secret = new TextEncoder().encode('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef')
const signing = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const wrapping = ['RSA-OAEP', 'RSA-OAEP-256', 'RSA-OAEP-384', 'RSA-OAEP-512', 'ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW', 'A128KW', 'A192KW', 'A256KW', 'A128GCMKW', 'A256GCMKW', 'PBES2-HS256+A128KW', 'dir']
const sealing = ['A128CBC-HS256', 'A192CBC-HS384', 'A256CBC-HS512', 'A128GCM', 'A192GCM', 'A256GCM']
async function sign(alg) {
	const { publicKey, privateKey } = alg.startsWith('HS') ? { publicKey: secret, privateKey: secret } : await jose.generateKeyPair(alg, { extractable: true })
	const token = await new jose.SignJWT({ n: 1 }).setProtectedHeader({ alg }).setSubject('ada').setIssuer('er').setAudience('you').setExpirationTime(4e9).sign(privateKey)
	const { payload, protectedHeader } = await jose.jwtVerify(token, publicKey, { issuer: 'er', audience: 'you' })
	const jwk = alg.startsWith('HS') ? await jose.exportJWK(secret) : await jose.exportJWK(publicKey)
	const again = await jose.jwtVerify(token, await jose.importJWK(jwk, alg))
	const bad = await jose.jwtVerify(`${token.slice(0, -8)}AAAAAAAA`, publicKey).catch((e) => e.code)
	return [payload, protectedHeader, Object.keys(jwk).sort(), again.payload.sub, bad]
}
async function seal(alg, enc) {
	const size = { A128KW: 16, A192KW: 24, A256KW: 32, A128GCMKW: 16, A256GCMKW: 32 }[alg] ?? { A128GCM: 16, A192GCM: 24, A256GCM: 32, 'A128CBC-HS256': 32, 'A192CBC-HS384': 48, 'A256CBC-HS512': 64 }[enc]
	const { publicKey, privateKey } = /^(?:A|PBES2|dir)/.test(alg) ? { publicKey: secret.subarray(0, size), privateKey: secret.subarray(0, size) } : await jose.generateKeyPair(alg)
	const token = await new jose.EncryptJWT({ n: 2 }).setProtectedHeader({ alg, enc }).encrypt(publicKey)
	const { payload } = await jose.jwtDecrypt(token, privateKey, { keyManagementAlgorithms: [alg] })
	return [payload, token.split('.').length]
}
const fixed = 'eyJhbGciOiJFUzI1NiJ9.eyJ1cm46ZXhhbXBsZTpjbGFpbSI6dHJ1ZX0'
export default {
	async fetch(request) {
		const [, what, alg, enc] = new URL(request.url).pathname.split('/').map(decodeURIComponent)
		if (what === 'sign') return Response.json(await sign(alg))
		if (what === 'seal') return Response.json(await seal(alg, enc))
		const { publicKey } = await jose.generateKeyPair('ES256', { extractable: true })
		const jwk = await jose.exportJWK(publicKey), pem = await jose.exportSPKI(publicKey), back = await jose.importSPKI(pem, 'ES256')
		const thumb = await jose.calculateJwkThumbprint({ kty: 'EC', crv: 'P-256', x: 'jJ6Flys3zK9jUhnOHf6G49Dyp5hah6CNP84-gY-n9eo', y: 'nhI6iD5eFXgBTLt_1p3aip-5VbZeMhxeFSpjfEAf7Ww' })
		const none = await jose.jwtVerify(`${fixed}.`, publicKey).catch((e) => e.code), local = jose.createLocalJWKSet({ keys: [{ ...jwk, alg: 'ES256', kid: 'k' }] })
		return Response.json([Object.keys(jwk).sort(), back.type, thumb, none, jose.decodeProtectedHeader(`${fixed}.x`), (await local({ alg: 'ES256', kid: 'k' })).type])
	},
}
export const requests = [['/'], ...signing.map((alg) => [`/sign/${alg}`]), ...wrapping.map((alg) => [`/seal/${alg}/A128GCM`]), ...sealing.map((enc) => [`/seal/dir/${enc}`])]
