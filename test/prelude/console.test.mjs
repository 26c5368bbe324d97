import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance } from './mock-er.mjs';

const logged = (code) => {
	const i = new Instance().load(`addEventListener('fetch', (e) => { ${code}; e.respondWith(new Response('')) })`);
	const r = i.request();
	if (r.failed) throw new Error(r.failed.message + r.failed.stack);
	return i.told('log').map((c) => c.slice(1));
};
const line = (code) => logged(`console.log(${code})`)[0][1];

test('every level has its number', () => {
	assert.deepEqual(logged(`console.debug('a'); console.log('b'); console.info('c'); console.warn('d'); console.error('e')`), [[0, 'a'], [1, 'b'], [2, 'c'], [3, 'd'], [4, 'e']]);
});
test('format strings are filled in', () => {
	assert.equal(line(`'%s is %d years, %i, %f, %j %% %c.', 'Bob', 42.5, 42.9, '1.5', { a: [1] }, 'color: red', 'more', 7`), 'Bob is 42.5 years, 42, 1.5, {"a":[1]} % . more 7');
	assert.equal(line(`'100%', 'x'`), '100% x');
	assert.equal(line(`'%s'`), '%s');
	assert.equal(line(`'%o %O', { a: 1 }, { b: 2 }`), '{ a: 1 } { b: 2 }');
});
test('objects are shown readably', () => {
	assert.equal(line(`{ a: 1, b: 'x', c: [1, , 3], d: null, e: undefined, 'f-g': true, [Symbol('s')]: 1n }`), `{\n  a: 1,\n  b: 'x',\n  c: [ 1, <1 empty item>, 3 ],\n  d: null,\n  e: undefined,\n  'f-g': true,\n  [Symbol(s)]: 1n\n}`);
	assert.equal(line(`new Map([['a', { b: 1 }]]), new Set([1, 'x'])`), `Map(1) { 'a' => { b: 1 } } Set(2) { 1, 'x' }`);
	assert.equal(line(`{ a: { b: { c: { d: 1 } } } }`), '{ a: { b: { c: [Object] } } }');
	assert.equal(line(`(() => { const o = { n: 1 }; o.self = o; return o })()`), '<ref *1> { n: 1, self: [Circular *1] }');
	assert.equal(line(`class A {}, new (class Foo { x = 1 })(), function f() {}, () => {}`), '[class A] Foo { x: 1 } [Function: f] [Function (anonymous)]');
	assert.equal(line(`new Uint8Array([1, 2]), new Uint8Array([255]).buffer, new Date(0), /x/g, -0, [-0]`), 'Uint8Array(2) [ 1, 2 ] ArrayBuffer { [Uint8Contents]: <ff>, byteLength: 1 } 1970-01-01T00:00:00.000Z /x/g -0 [ -0 ]');
	assert.equal(line(`Object.create(null), { get a() { throw 1 }, set b(v) {} }, ["it's"], Symbol('q')`), `[Object: null prototype] {} { a: [Getter], b: [Setter] } [ "it's" ] Symbol(q)`);
	assert.match(line(`new TypeError('boom', { cause: new Error('why') })`), /^TypeError: boom\n +at .*cause/s);
	assert.match(line(`new Headers({ a: 'b' })`), /^Headers \{ a: 'b' \}$/);
	assert.match(line(`new Response('x', { status: 404 })`), /^Response \{\n  status: 404,/);
});
test('a huge or hostile object costs a bounded line, not the request', () => {
	assert.ok(line(`Array.from({ length: 100000 }, (_, i) => 'item ' + i)`).length < 16384);
	assert.ok(line(`'x'.repeat(100), Array.from({ length: 100 }, () => 'y'.repeat(5000))`).length < 40000);
	assert.match(line(`new Proxy({}, { ownKeys() { throw new Error('no') } })`), /cannot be shown/);
	assert.match(line(`(() => { let o = {}; for (let i = 0; i < 10000; i++) o = { o }; return o })()`), /\[Object\]/);
});
test('count, time, group, table and assert', () => {
	assert.deepEqual(logged(`console.count(); console.count('x'); console.count(); console.countReset(); console.count()`).map((l) => l[1]), ['default: 1', 'x: 1', 'default: 2', 'default: 1']);
	assert.deepEqual(logged(`console.group('g'); console.log('a\\nb'); console.groupEnd(); console.log('c')`).map((l) => l[1]), ['g', '  a\n  b', 'c']);
	assert.deepEqual(logged(`console.assert(true); console.assert(false, 'is %s', 'x'); console.assert(false)`), [[4, 'Assertion failed: is x'], [4, 'Assertion failed']]);
	assert.equal(logged(`console.table([{ a: 1, b: 'x' }, { a: 2 }])`)[0][1].split('\n').length, 6);
	assert.match(logged(`console.time('t'); console.timeEnd('t')`)[0][1], /^t: 0ms$/);
});
