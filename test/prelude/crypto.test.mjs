// The layer of Web Crypto that is JavaScript: in which order things are read, what is refused, and
// that nothing a routine does meanwhile changes what was asked for. What it computes is tested with
// the engine (test/e2e/crypto.test.mjs).
import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText, run } from './mock-er.mjs';

const HELPERS = `
	const { subtle } = crypto;
	const bytes = (text) => new TextEncoder().encode(text);
	const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, '0')).join('');
	const why = async (f) => { try { const p = f(); if (!(p instanceof Promise)) return 'no promise'; await p; return 'did' } catch (e) { return e.name } };
	const hmac = (usages = ['sign', 'verify'], extractable = true) => subtle.importKey('raw', new Uint8Array(20).fill(11), { name: 'HMAC', hash: 'SHA-256' }, extractable, usages);
`;
const js = (code) => run(HELPERS + code);

test('digests and HMACs are what they should be, and are ArrayBuffers', () => {
	assert.deepEqual(js(`const d = await subtle.digest('sha-1', bytes('abc')); const key = await hmac(); const mac = await subtle.sign('HMAC', key, bytes('Hi There'));
		return [hex(d), d instanceof ArrayBuffer, hex(mac), await subtle.verify('HMAC', key, mac, bytes('Hi There')), await subtle.verify('HMAC', key, mac.slice(1), bytes('Hi There'))]`),
	['a9993e364706816aba3e25717850c26c9cd0d89d', true, 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7', true, false]);
});
test('the lazy script is not loaded before somebody asks for subtle', () => {
	const i = new Instance().load(`crypto.randomUUID(); addEventListener('fetch', (e) => e.respondWith(new Response(typeof crypto.subtle.digest)))`);
	assert.deepEqual(i.lazyLoaded, []);
	assert.equal(bodyText(i.request()), 'function');
	assert.deepEqual(i.lazyLoaded, ['subtle']);
});
test('interfaces have the surface that Web IDL gives them', () => {
	assert.deepEqual(js(`return [
		Object.prototype.toString.call(subtle), SubtleCrypto.name, SubtleCrypto.length, Object.getOwnPropertyNames(SubtleCrypto.prototype).filter((n) => n !== 'constructor').map((n) => n + '/' + SubtleCrypto.prototype[n].length).join(' '),
		Object.keys(CryptoKey.prototype).join(), crypto.subtle === crypto.subtle, Object.keys(Crypto.prototype).includes('subtle'),
		await why(async () => new SubtleCrypto()), await why(async () => new CryptoKey())]`), [
		'[object SubtleCrypto]', 'SubtleCrypto', 0,
		'encrypt/3 decrypt/3 sign/3 verify/4 digest/2 generateKey/3 deriveKey/5 deriveBits/2 importKey/5 exportKey/2 wrapKey/4 unwrapKey/7 timingSafeEqual/2',
		'type,extractable,algorithm,usages', true, true, 'TypeError', 'TypeError']);
});
test('whatever is wrong rejects a promise and is not thrown', () => {
	assert.deepEqual(js(`const key = await hmac(); return Promise.all([
		() => subtle.digest(), () => subtle.digest('SHA-256'), () => subtle.digest('SHA-256', 'text'), () => subtle.digest('SHA-3', bytes('')), () => subtle.digest({}, bytes('')),
		() => subtle.digest(Symbol(), bytes('')), () => subtle.digest({ get name() { throw new RangeError('mine') } }, bytes('')),
		() => SubtleCrypto.prototype.digest.call({}, 'SHA-1', bytes('')), () => subtle.sign('HMAC', {}, bytes('')), () => subtle.sign('SHA-1', key, bytes('')),
		() => subtle.importKey('pem', bytes('x'), 'HMAC', true, []), () => subtle.importKey('raw', bytes('x'), 'HMAC', true, ['sign']),
		() => subtle.importKey('raw', bytes('x'), { name: 'HMAC', hash: 'MD5' }, true, ['sign']), () => subtle.importKey('raw', bytes('x'), { name: 'HMAC', hash: 'SHA-1' }, true, ['fly']),
		() => subtle.importKey('raw', bytes('x'), { name: 'HMAC', hash: 'SHA-1' }, true, 'sign'), () => subtle.importKey('raw', bytes('x'), { name: 'HMAC', hash: 'SHA-1' }, true, []),
		() => subtle.importKey('raw', bytes('x'), { name: 'HMAC', hash: 'SHA-1' }, true, ['encrypt']), () => subtle.importKey('raw', bytes(''), { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']),
		() => subtle.importKey('raw', bytes('x'), { name: 'HMAC', hash: 'SHA-1', length: 9 }, true, ['sign']), () => subtle.importKey('raw', bytes('x'), { name: 'HMAC', hash: 'SHA-1', length: -1 }, true, ['sign']),
		() => subtle.importKey('raw', {}, { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']), () => subtle.importKey('jwk', bytes('x'), { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']),
		() => subtle.importKey('spki', bytes('x'), { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']), () => subtle.importKey('jwk', { kty: 'RSA' }, { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']),
		() => subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 0 }, true, ['sign']), () => subtle.generateKey({ name: 'HMAC', hash: 'SHA-1' }, true, []),
	].map(why))`), [
		'TypeError', 'TypeError', 'TypeError', 'NotSupportedError', 'TypeError',
		'TypeError', 'RangeError', 'TypeError', 'TypeError', 'NotSupportedError',
		'TypeError', 'TypeError', 'NotSupportedError', 'TypeError', 'TypeError', 'SyntaxError', 'SyntaxError', 'DataError', 'DataError', 'TypeError',
		'TypeError', 'TypeError', 'NotSupportedError', 'DataError', 'OperationError', 'SyntaxError']);
});
test('a name is matched by ASCII letters alone', () => {
	assert.deepEqual(js(`return Promise.all(['sHa-1', 'ſha-1', 'SHA-1 ', 'sha-1\\0'].map((n) => why(() => subtle.digest(n, bytes('')))))`), ['did', 'NotSupportedError', 'NotSupportedError', 'NotSupportedError']);
});
test('members of an algorithm are read once, in the order of Web IDL, arguments before them', () => {
	assert.deepEqual(js(`
		const seen = [];
		const watch = (what, o) => new Proxy(o, { get(t, k) { seen.push(what + '.' + String(k)); return t[k] } });
		await subtle.importKey({ toString() { seen.push('format'); return 'raw' } }, bytes('key'), watch('alg', { name: 'HMAC', hash: watch('hash', { name: 'SHA-256' }), length: 24 }), true, { [Symbol.iterator]: () => (seen.push('usages'), ['sign'][Symbol.iterator]()) });
		return seen`), ['format', 'usages', 'alg.name', 'alg.hash', 'alg.length', 'hash.name']);
});
test('a JsonWebKey is read in the order of Web IDL', () => {
	assert.deepEqual(js(`
		const seen = [];
		await subtle.importKey('jwk', new Proxy({ kty: 'oct', k: 'AAAA' }, { get(t, k) { seen.push(k); return t[k] } }), { name: 'HMAC', get hash() { seen.push('hash'); return 'SHA-1' } }, true, ['sign']);
		return seen.join()`), 'alg,crv,d,dp,dq,e,ext,k,key_ops,kty,n,oth,p,q,qi,use,x,y,hash');
});
test('the bytes are those after the algorithm was read, and before anything that comes later', () => {
	assert.deepEqual(js(`
		const changed = bytes('abd');
		const during = await subtle.digest({ get name() { changed[2] = 99; return 'SHA-1' } }, changed);
		const pending = subtle.digest('SHA-1', changed); changed[0] = 0;
		return [hex(during), hex(await pending)]`),
	['a9993e364706816aba3e25717850c26c9cd0d89d', 'a9993e364706816aba3e25717850c26c9cd0d89d']);
});
test('every view is taken as the part of its buffer that it shows; one of a resizable buffer is refused', () => {
	assert.deepEqual(js(`
		const whole = bytes('xxabcyyy'); const want = await subtle.digest('SHA-1', bytes('abc'));
		const same = async (v) => hex(await subtle.digest('SHA-1', v)) === hex(want);
		return [await same(whole.subarray(2, 5)), await same(new DataView(whole.buffer, 2, 3)), await same(new Int8Array(whole.buffer, 2, 3)), await same(whole.buffer.slice(2, 5)),
			await why(() => subtle.digest('SHA-1', new ArrayBuffer(3, { maxByteLength: 8 }))), await why(() => subtle.digest('SHA-1', new Uint8Array(new ArrayBuffer(3, { maxByteLength: 8 }))))]`),
	[true, true, true, true, 'TypeError', 'TypeError']);
});
test('what a key may do is checked, whatever the routine makes of its objects', () => {
	assert.deepEqual(js(`
		const key = await hmac(['verify'], false);
		key.usages.push('sign'); key.algorithm.name = 'AES-CBC'; key.algorithm.hash.name = 'SHA-1';
		Object.defineProperty(key, 'extractable', { value: true });
		return [await why(() => subtle.sign('HMAC', key, bytes(''))), await why(() => subtle.exportKey('raw', key)), await why(() => subtle.verify('HMAC', key, bytes(''), bytes(''))),
			key.usages === key.usages, key.algorithm === key.algorithm, await why(async () => CryptoKey.prototype.type), await why(() => subtle.sign('HMAC', Object.create(key), bytes('')))]`),
	['InvalidAccessError', 'InvalidAccessError', 'did', true, true, 'TypeError', 'TypeError']);
});
test('usages are each listed once, in the order of the standard', () => {
	assert.deepEqual(js(`return (await hmac(['verify', 'sign', 'verify'])).usages`), ['sign', 'verify']);
});
test('a key as JWK comes back as the same key; what it says about itself must fit', () => {
	assert.deepEqual(js(`
		const alg = { name: 'HMAC', hash: 'SHA-256' };
		const jwk = await subtle.exportKey('jwk', await hmac());
		const back = await subtle.importKey('jwk', jwk, alg, true, ['sign']);
		const no = (more, usages = ['sign'], ext = true) => why(() => subtle.importKey('jwk', { ...jwk, ...more }, alg, ext, usages));
		return [jwk, hex(await subtle.exportKey('raw', back)), await Promise.all([no({ alg: 'HS1' }), no({ kty: 'EC' }), no({ k: undefined }), no({ ext: false }), no({ ext: false }, ['sign'], false), no({ use: 'enc' }),
			no({ key_ops: ['verify'] }), no({ key_ops: ['sign', 'sign'] }), no({ key_ops: ['sign', 'x'] }), no({ key_ops: 1 })])]`),
	[{ alg: 'HS256', ext: true, k: 'CwsLCwsLCwsLCwsLCwsLCwsLCws', key_ops: ['sign', 'verify'], kty: 'oct' }, '0b'.repeat(20),
		['DataError', 'DataError', 'DataError', 'DataError', 'did', 'DataError', 'DataError', 'DataError', 'did', 'TypeError']]);
});
test('a length of bits that are no whole bytes cuts the last one', () => {
	assert.deepEqual(js(`const key = await subtle.importKey('raw', new Uint8Array([255, 255]), { name: 'HMAC', hash: 'SHA-1', length: 12 }, true, ['sign']); return [hex(await subtle.exportKey('raw', key)), key.algorithm.length]`), ['fff0', 12]);
});
test('timingSafeEqual compares buffers, and refuses those of different lengths', () => {
	assert.deepEqual(js(`return [subtle.timingSafeEqual(bytes('abc'), bytes('abc').buffer), subtle.timingSafeEqual(bytes('abc'), bytes('abd')), await why(async () => subtle.timingSafeEqual(bytes('a'), bytes('ab'))), await why(async () => subtle.timingSafeEqual('a', 'a'))]`),
		[true, false, 'TypeError', 'TypeError']);
});
test('structuredClone makes another object of the same key', () => {
	assert.deepEqual(js(`const key = await hmac(); const { other } = structuredClone({ other: key }); return [other !== key, other instanceof CryptoKey, other.usages, hex(await subtle.exportKey('raw', other))]`), [true, true, ['sign', 'verify'], '0b'.repeat(20)]);
});
test('what a routine has done to built-ins before the script is loaded neither breaks it nor shows it anything', () => {
	const i = new Instance().load(`
		const enc = new TextEncoder(), seen = [];
		const RA = Reflect.apply;
		for (const C of [Array, String, Map, Set, WeakMap, Uint8Array, Object.getPrototypeOf(Uint8Array), ArrayBuffer, DataView, Function, Promise])
			for (const k of Reflect.ownKeys(C.prototype)) {
				const d = Object.getOwnPropertyDescriptor(C.prototype, k);
				if (k === 'constructor' || typeof d.value !== 'function' || !d.configurable) continue;
				const f = d.value;
				C.prototype[k] = function (...args) { seen[seen.length] = C.name + '.' + String(k); return RA(f, this, args) };
			}
		for (const k of ['defineProperty', 'create', 'getOwnPropertyNames', 'setPrototypeOf']) { const f = Object[k]; Object[k] = (...a) => { seen[seen.length] = k; return RA(f, Object, a) } }
		addEventListener('fetch', (e) => e.respondWith((async () => {
			seen.length = 0;
			const { subtle } = crypto;
			const key = await subtle.importKey('raw', new Uint8Array(9), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']);
			const mac = await subtle.sign('HMAC', key, new Uint8Array(1));
			await subtle.verify('HMAC', key, mac, new Uint8Array(1));
			await subtle.exportKey('jwk', key);
			await subtle.digest('SHA-256', new Uint8Array(2));
			const all = seen.slice().filter((s) => !/Symbol.iterator|slice|filter/.test(s));
			return Response.json(all);
		})()))`);
	assert.deepEqual(JSON.parse(bodyText(i.request())), []);
});
