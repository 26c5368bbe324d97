// What a request holds while it lives, and that nothing of it stays afterwards.
import assert from 'node:assert/strict';
import test from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import { IdMap } from '../../src/sandbox/js/id-map.js';
import { Instance, bodyText } from './mock-er.mjs';

v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');

test('whatever comes and goes in whatever order, a number finds what it was given', () => {
	let seed = 7;
	const random = (n) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
	const ours = new IdMap(), theirs = new Map();
	let last = 0;
	for (let i = 0; i < 200000; i++) {
		if (random(100) < (i % 20000 < 10000 ? 55 : 45)) {
			last += 1 + random(3) * 64; // in order, and many with the same low bits
			const value = { last };
			ours.set(last, value);
			theirs.set(last, value);
		} else if (theirs.size > 0) {
			const all = [...theirs.keys()];
			const id = all[random(Math.min(all.length, 50))];
			ours.delete(id);
			theirs.delete(id);
			assert.equal(ours.get(id), undefined);
			ours.delete(id); // again
		}
		assert.equal(ours.n, theirs.size);
		if (i % 1000 === 0) for (const [id, value] of theirs) assert.equal(ours.get(id), value);
	}
	const seen = new Set();
	ours.each((v) => seen.add(v));
	assert.deepEqual(seen, new Set(theirs.values()));
	for (const strange of [0, -1, NaN, 1.5, Infinity, 2 ** 40 + 1]) {
		assert.equal(ours.get(strange), undefined);
		ours.delete(strange);
	}
	const big = 2 ** 40 + 3;
	ours.set(big, 'big');
	assert.equal(ours.get(big), 'big');
	ours.set(big, 'other');
	assert.equal(ours.get(big), 'other');
});

test('request.body that was looked at and never read is not kept after its request', async () => {
	const i = new Instance().load(`addEventListener('fetch', (event) => {
		globalThis.seen = new WeakRef(event.request.body);
		event.respondWith(new Response('x'));
	})`);
	for (let n = 0; n < 3; n++) i.request({ method: 'POST', body: Buffer.from('abc') });
	// a WeakRef keeps its object for the rest of the job
	await new Promise((r) => setTimeout(r, 10));
	gc();
	assert.equal(vm.runInContext('seen.deref()', i.context), undefined);
});

test('a body made before the first use of streams can be given to a reader that is constructed', async () => {
	const i = new Instance().load(`addEventListener('fetch', (event) => event.respondWith((async () => {
		const a = new Response('ab').body, b = event.request.body;
		const one = await new ReadableStreamDefaultReader(a).read(), two = await new ReadableStreamDefaultReader(b).read();
		return new Response(new TextDecoder().decode(one.value) + new TextDecoder().decode(two.value));
	})()))`);
	const r = i.request({ method: 'POST', body: Buffer.from('cd'), inline: true });
	assert.equal(bodyText(r), 'abcd');
});

test('a client that leaves ends the fetches of its request in the order they were made, and its timers', () => {
	const i = new Instance().load(`globalThis.log = []; addEventListener('fetch', (event) => {
		for (const n of [1, 2, 3]) fetch('http://o.example/' + n).catch(() => log.push(n));
		for (let t = 0; t < 5; t++) setTimeout(() => log.push('timer'), 10);
		clearTimeout(3);
		event.respondWith(new Promise(() => {}));
	})`);
	i.request();
	i.turn(2, () => i.hooks.cancel(1, 'client-gone'));
	i.runTimers();
	assert.deepEqual([...vm.runInContext('log', i.context)], [1, 2, 3]);
});

test('a timer that was cleared does not count against the limit, in whatever order they end', () => {
	const i = new Instance({ timers: 3 }).load(`addEventListener('fetch', (event) => {
		const ids = [setTimeout(() => {}, 1), setTimeout(() => {}, 2), setTimeout(() => {}, 3)];
		clearTimeout(ids[1]); clearTimeout(ids[1]);
		setTimeout(() => {}, 4);
		let refused = 0;
		try { setTimeout(() => {}, 5); } catch { refused++; }
		clearTimeout(ids[2]); clearTimeout(ids[0]);
		setTimeout(() => {}, 6); setTimeout(() => event.respondWith, 7);
		event.respondWith(new Response(String(refused)));
	})`);
	assert.equal(bodyText(i.request()), '1');
});
