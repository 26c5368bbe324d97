// The small print of web interfaces: orders of conversion, prototypes, brands, getters that nobody
// may run.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, run } from './mock-er.mjs';

test('a Blob converts all of its parts before it takes bytes, and reads the iterator once', () => {
	assert.deepEqual(run(`
		const log = [], bytes = new Uint8Array([65, 65]);
		const parts = { get [Symbol.iterator]() { log.push('iterator'); return function* () { yield bytes; yield { toString() { bytes.fill(66); log.push('text'); return 'c'; } }; }; } };
		const blob = new Blob(parts, { get endings() { log.push('endings'); return 'native'; }, get type() { log.push('type'); return 'a/b'; } });
		return [await blob.text(), log.join()];`), ['BBc', 'iterator,text,endings,type']);
	assert.deepEqual(run(`
		const out = [];
		for (const parts of [undefined, null, 'text', 7, {}]) try { new File(parts, 'n'); out.push('made'); } catch (e) { out.push(e.name); }
		return out;`), Array(5).fill('TypeError'));
});

test('DOMException inherits from Error on the side of its instances only', () => {
	assert.deepEqual(run(`
		const e = new DOMException('m', 'AbortError');
		class Mine extends DOMException {}
		const out = [Object.getPrototypeOf(DOMException) === Function.prototype, e instanceof Error, Object.getPrototypeOf(DOMException.prototype) === Error.prototype, e.code, Object.keys(e).length, new Mine('x') instanceof Mine, new Mine('x').message];
		for (const get of ['name', 'message', 'code']) try { DOMException.prototype[get]; out.push('read'); } catch (x) { out.push(x.name); }
		return out;`), [true, true, true, 20, 0, true, 'x', 'TypeError', 'TypeError', 'TypeError']);
});

test('an event has isTrusted itself, and nobody can forge it', () => {
	assert.deepEqual(run(`
		const e = new Event('x'), d = Object.getOwnPropertyDescriptor(e, 'isTrusted');
		try { Object.defineProperty(e, 'isTrusted', { value: true }); } catch {}
		return [typeof d.get, d.configurable, d.enumerable, e.isTrusted, d.get === Object.getOwnPropertyDescriptor(new Event('y'), 'isTrusted').get];`), ['function', false, true, false, true]);
});

test('performance.toJSON is for Performance only', () => {
	assert.equal(run(`try { performance.toJSON.call({ timeOrigin: 1 }); return 'went'; } catch (e) { return e.name; }`), 'TypeError');
});

test('reportError runs no getters of what it is given, and tells the listener all the same', () => {
	const i = new Instance();
	i.load(`const seen = []; let ran = false;
		addEventListener('error', (e) => { seen.push([e.message, e.error === undefined ? 'undefined' : typeof e.error]); e.preventDefault(); });
		addEventListener('fetch', (event) => {
			const evil = {};
			for (const k of ['name', 'message', 'stack', 'line', 'sourceURL', 'fileName', 'cause', 'errors']) Object.defineProperty(evil, k, { get() { ran = true; } });
			reportError(evil); reportError('text'); reportError(undefined); reportError(new TypeError('bad'));
			event.respondWith(new Response(JSON.stringify([ran, seen.length, ...seen.slice(1)])));
		});`);
	const r = i.request();
	assert.deepEqual(JSON.parse(r.response.body), [false, 4, ['text', 'string'], ['undefined', 'undefined'], ['TypeError: bad', 'object']]);
	assert.equal(i.told('exception').length, 0);
});

test('console.log of a long array looks at what it shows only', () => {
	assert.equal(run(`
		let looks = 0;
		const long = new Proxy(new Array(5000000).fill('x'), { getOwnPropertyDescriptor(t, k) { looks++; return Reflect.getOwnPropertyDescriptor(t, k); }, ownKeys() { throw new Error('all names'); } });
		console.log(long);
		return looks;`) < 300, true);
});

test('a rejection that is handled late is told once, in the turn after', () => {
	const i = new Instance();
	i.load(`const seen = [];
		globalThis.late = Promise.reject('why');
		late.catch(() => {}); // for Node, which runs this
		addEventListener('unhandledrejection', (e) => { seen.push('unhandled ' + e.reason); e.preventDefault(); });
		onrejectionhandled = (e) => seen.push(e.type + ' ' + e.reason + ' ' + (e.promise === globalThis.late) + ' ' + e.isTrusted);
		addEventListener('fetch', (event) => event.respondWith(new Response(seen.join())));`);
	i.turn(0, () => i.hooks.rejection(i.context.late, 'why'));
	assert.deepEqual(i.told('watchTurns').map(([, on]) => on), [true]);
	i.turn(0, () => i.hooks.turnOver());
	i.handled.add(i.context.late);
	i.turn(0, () => i.hooks.turnOver());
	i.turn(0, () => i.hooks.turnOver());
	assert.deepEqual(i.told('watchTurns').map(([, on]) => on), [true, false, false]);
	assert.equal(i.request().response.body, 'unhandled why,rejectionhandled why true true');
});

test('the global is an EventTarget, and listens as one', () => {
	assert.deepEqual(run(`
		class Mine extends EventTarget {}
		let heard = 0;
		const on = () => heard++;
		EventTarget.prototype.addEventListener.call(globalThis, 'mine', on);
		dispatchEvent(new Event('mine'));
		EventTarget.prototype.dispatchEvent.call(self, new Event('mine'));
		EventTarget.prototype.removeEventListener.call(globalThis, 'mine', on);
		dispatchEvent(new Event('mine'));
		let late;
		try { EventTarget.prototype.addEventListener.call(globalThis, 'fetch', on); } catch (e) { late = e.name; }
		return [globalThis instanceof EventTarget, self instanceof AbortSignal, globalThis instanceof Mine, new Mine() instanceof EventTarget, new Mine() instanceof Mine, {} instanceof EventTarget, new AbortController().signal instanceof EventTarget, heard, late];`),
		[true, false, false, true, true, false, true, 2, 'TypeError']);
});
