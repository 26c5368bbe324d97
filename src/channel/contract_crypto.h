/* The part of the contract (contract.h) that Web Crypto and node:crypto have: numbers that go
 * between api/crypto*.c and the prelude, and their natives. Written and read as the rest is. */
#ifndef ER_CHANNEL_CONTRACT_CRYPTO_H
#define ER_CHANNEL_CONTRACT_CRYPTO_H

#define ER_HASH_TABLE(X) \
	X(HASH_SHA1, 0) \
	X(HASH_SHA256, 1) \
	X(HASH_SHA384, 2) \
	X(HASH_SHA512, 3) \
	X(HASH_MD5, 4)

/* What a key is of. SECRET: bytes, for HMAC, AES and what derives keys. */
#define ER_KEY_TABLE(X) \
	X(KEY_SECRET, 0) \
	X(KEY_RSA, 1) \
	X(KEY_P256, 2) \
	X(KEY_P384, 3) \
	X(KEY_P521, 4) \
	X(KEY_ED25519, 5) \
	X(KEY_X25519, 6) \
	X(KEY_ED448, 7) \
	X(KEY_X448, 8)

/* How a key is written down. */
#define ER_KEY_FORM_TABLE(X) \
	X(AS_RAW, 0) \
	X(AS_SPKI, 1) \
	X(AS_PKCS8, 2) \
	X(AS_JWK, 3)

#define ER_CIPHER_TABLE(X) \
	X(AES_CBC, 0) \
	X(AES_CTR, 1) \
	X(AES_GCM, 2) \
	X(AES_KW, 3)

#define ER_SIGNATURE_TABLE(X) \
	X(SIGN_PKCS1, 0) \
	X(SIGN_PSS, 1) \
	X(SIGN_ECDSA, 2) \
	X(SIGN_EDDSA, 3)

/* Rows of ER_NATIVE_TABLE. */
#define ER_CRYPTO_NATIVE_TABLE(X) \
	/* api/crypto.c */ \
	X(digest, (hash, bytes)) \
	X(equal, (one, other)) \
	/* api/crypto_key.c */ \
	X(keyGenerate, (kind, bits, exponent)) \
	X(keyRead, (kind, form, isPrivate, source)) \
	X(keyWrite, (key, form)) \
	X(keyPublic, (key)) \
	X(keyBits, (key)) \
	X(keyExponent, (key)) \
	/* api/crypto_mac.c */ \
	X(mac, (hash, key, bytes)) \
	X(macVerify, (hash, key, bytes, mac)) \
	/* api/crypto_cipher.c */ \
	X(encrypt, (mode, key, iv, extra, bits, bytes)) \
	X(decrypt, (mode, key, iv, extra, bits, bytes)) \
	/* api/crypto_sign.c */ \
	X(sign, (scheme, key, hash, salt, bytes)) \
	X(verify, (scheme, key, hash, salt, signature, bytes)) \
	X(rsaEncrypt, (key, hash, label, bytes)) \
	X(rsaDecrypt, (key, hash, label, bytes)) \
	/* api/crypto_derive.c */ \
	X(agree, (key, other)) \
	X(hkdf, (hash, key, salt, info, length)) \
	X(pbkdf2, (hash, key, salt, iterations, length)) \
	/* api/crypto_hash.c */ \
	X(hashNew, (name)) \
	X(hashUpdate, (handle, bytes)) \
	X(hashFinal, (handle)) \
	X(hashCopy, (handle)) \
	X(scrypt, (password, salt, cost, block, parallel, memory, length)) \
	/* api/crypto_stream.c */ \
	X(cipherNew, (name, encrypt, key, iv, tag)) \
	X(cipherRun, (handle, bytes, extra)) \
	X(cipherFinal, (handle)) \
	X(cipherTag, (handle, tag)) \
	X(cipherPadding, (handle, on))

#endif
