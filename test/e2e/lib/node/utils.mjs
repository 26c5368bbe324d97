import util from 'node:util'
import assert from 'node:assert'
import process from 'node:process'
import { list, shown } from './record.mjs'

class A { constructor() { this.x = 1 } get y() { return 2 } }
class B extends Map {}
class C { #p = 1; static s = 1 }
const circular = { a: 1 }; circular.self = circular; circular.list = [circular]
const sym = Symbol('s')
const values = [
	1, -0, 'a', "it's", `"both" 'q'`, 'line\nbreak', true, null, undefined, 10n, sym, [], {}, [1, 2, 3], { a: 1, 'b-c': 2, [sym]: 3 }, [undefined, null], [, 1], [1, , , 2], new A(), new B([[1, 2]]), C, A, () => {}, function named() {}, async () => {}, function* gen() {},
	new Map([['a', { b: 1 }]]), new Set([1, 'x']), new Date(0), new Date(NaN), /a/gi, Buffer.from('hi'), new Uint8Array(3), new Float64Array([1.5]), new ArrayBuffer(2), new DataView(new ArrayBuffer(2)), circular, { a: { b: { c: { d: 1 } } } }, Object.create(null), Object.create({ a: 1 }),
	Promise.resolve(5), Promise.resolve({ a: 1 }).constructor, new WeakMap(), Symbol.iterator, new Number(3), new String('abc'), new Boolean(false), Object(sym), Object(1n), [['a', 'b'], ['c']], 'x'.repeat(200), Array.from({ length: 120 }, (_, i) => i), Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`key${i}`, i])),
	{ get a() { return 1 }, set a(v) {}, get b() { return 1 }, set c(v) {} }, { f() {}, g: class X {}, h: Symbol('q') }, new (class extends Array {})(3), Object.assign(() => {}, { p: 1 }), { a: 'x\ny', b: ['it\'s'] }, [[[[[]]]]], { a: [{ b: { c: {} } }] }, new Map([[{ k: 1 }, new Set([[1]])]]), [1.0, 1e21, 1e-7], { [Symbol.toStringTag]: 'Tag', a: 1 },
	Object.assign(Object.create({ constructor: null }), { z: 1 }), 'a\u0000\u001b\u007f', '\ud83d', ['a'.repeat(20), 'b'.repeat(20), 'c'.repeat(20), 'd'.repeat(20)], { long: 'y'.repeat(80), other: 1 }, Math, JSON, globalThis.undefinedThing, new Proxy({ a: 1 }, {}), [function () {}, class {}], Array.from({ length: 10 }, (_, i) => ({ i })), Array.from({ length: 30 }, (_, i) => 'item ' + i), [new Date(1e12)], { d: new Date(1e12), r: /x/ },
]
const options = [undefined, { depth: 0 }, { depth: null }, { compact: false }, { showHidden: true }, { colors: true }, { breakLength: 20 }, { sorted: true }, { maxArrayLength: 2 }, { maxStringLength: 3 }, { getters: true }, { compact: 1 }, { numericSeparator: true }]
const stackless = new Set([undefined])
const formats = [['%s', 'a'], ['%s', 1], ['%s', -0], ['%s', 10n], ['%s', { a: 1 }], ['%s', [1]], ['%s', null], ['%s', sym], ['%s', () => 1], ['%s', new A()], ['%s', { toString() { return 'own' } }], ['%d', '42'], ['%d', 'x'], ['%d', 5n], ['%d', {}], ['%i', 42.9], ['%i', 'x'], ['%f', '1.5x'], ['%f', sym], ['%j', { a: 1 }], ['%j', circular], ['%j', undefined], ['%o', { a: [1] }], ['%O', { a: { b: { c: {} } } }], ['%c', 'css'], ['%%'], ['%% %s', 1], ['%s'], ['%x', 1], ['a', 'b', 1, { c: 2 }], [1, 2], ['%s %s', 'a'], ['%s', 'a', 'b', { c: 1 }], [{ a: 1 }, 'x'], ['%'], ['100%', 1], [], [null], ['%s', undefined], ['%d', ''], ['%i', 5n], ['%s', new Date(0)], ['%s', 'x\ny', 'z\nw']]
const pairs = [
	[1, 1], [1, '1'], [1, 2], [NaN, NaN], [0, -0], [null, undefined], [{ a: 1 }, { a: 1 }], [{ a: 1 }, { a: '1' }], [{ a: 1 }, { b: 1 }], [{ a: 1, b: 2 }, { a: 1 }], [[1, 2], [1, 2]], [[1, 2], [2, 1]], [[1], { 0: 1 }], [[], {}], [[1, , 3], [1, undefined, 3]], [new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]])], [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 1]])], [new Map([['1', 1]]), new Map([[1, 1]])], [new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])], [new Set([1]), new Set([2])], [new Set(['1']), new Set([1])],
	[new Date(1), new Date(1)], [new Date(1), new Date(2)], [new Date(1), {}], [/a/g, /a/g], [/a/, /a/i], [new Error('a'), new Error('a')], [new Error('a'), new Error('b')], [new TypeError('a'), new Error('a')], [Buffer.from('a'), Buffer.from('a')], [Buffer.from('a'), new Uint8Array([97])], [new Float32Array([-0]), new Float32Array([0])], [circular, circular], [{ [sym]: 1 }, { [sym]: 1 }], [{ [sym]: 1 }, {}], [Object.create(null), {}], [new A(), { x: 1 }], ['a', 'a'], ['a', new String('a')], [new Number(1), new Number(1)], [new Number(1), new Number(2)], [Object(1n), Object(1n)], [1n, 1n], [1n, 1], [() => {}, () => {}], [[[[1]]], [[[1]]]], [{ a: undefined }, {}], [new ArrayBuffer(2), new ArrayBuffer(2)], [new URL('http://a/'), new URL('http://a/')], [[NaN], [NaN]], [{ a: NaN }, { a: NaN }], [true, 1], ['', 0], [[1, 2, 3], [1, 2, 4]],
]
const thrown = (fn) => { try { fn(); return 'nothing' } catch (e) { return [e.name, e.code, e.operator, e.generatedMessage, e.message] } }
export const cases = {
	...list('inspect', values.flatMap((v, i) => options.map((o, j) => [v, o, i, j])), (v, o) => util.inspect(v, o)),
	'inspect custom': () => util.inspect({ [util.inspect.custom](depth, opts) { return `<${depth} ${typeof opts.stylize}>` } }),
	'inspect custom nested': () => util.inspect({ a: { [util.inspect.custom]: () => ({ b: 1 }) } }),
	'inspect error': () => { const e = new Error('msg'); e.stack = 'Error: msg\n    at x'; return [util.inspect(e), util.inspect({ e }), util.inspect(Object.assign(e, { code: 'X' }))] },
	'inspect cause': () => { const e = new Error('msg', { cause: 'why' }); e.stack = 'Error: msg\n    at x'; return util.inspect(e) },
	'inspect args': () => util.inspect((function () { return arguments })(1, 2)),
	'inspect iterators': () => [util.inspect(new Map([[1, 2]]).entries()).length > 0],
	'inspect buffers': () => [util.inspect(Buffer.alloc(60)), util.inspect(Object.assign(Buffer.from('a'), { x: 1 })), util.inspect({ b: Buffer.from('abc') })],
	...list('format', formats, (...a) => util.format(...a)),
	...list('deep', pairs, (a, b) => [util.isDeepStrictEqual(a, b), thrown(() => assert.deepEqual(a, b)) === 'nothing', thrown(() => assert.notDeepStrictEqual(a, b)) === 'nothing']),
	...list('types', values.map((v) => [v]), (v) => Object.keys(util.types).filter((n) => n.startsWith('is') && n !== 'isProxy' && n !== 'isExternal' && n !== 'isEventTarget' && util.types[n](v)).sort()),
	promisify: async () => { const f = util.promisify((a, cb) => cb(null, a + 1)); return [await f(1), f.length, typeof f[util.promisify.custom]] },
	'promisify rejects': () => util.promisify((cb) => cb(new Error('no')))(),
	'promisify this': async () => { const o = { v: 3, m(cb) { cb(null, this.v) } }; o.p = util.promisify(o.m); return o.p() },
	'promisify bad': () => util.promisify(5),
	'promisify custom': () => { const f = () => {}, g = async () => 7; f[util.promisify.custom] = g; return util.promisify(f)() },
	'promisify setTimeout': async () => { const { setTimeout } = await import('node:timers'); return util.promisify(setTimeout)(1, 'v') },
	callbackify: async () => new Promise((r) => util.callbackify(async (a) => a * 2)(21, (...x) => r(x))),
	'callbackify rejects': async () => new Promise((r) => util.callbackify(async () => { throw null })((e) => r([e.code, e.message, e.reason]))),
	'callbackify bad': () => util.callbackify(async () => {})(5),
	inherits: () => { function P() {} P.prototype.m = () => 1; function K() {} util.inherits(K, P); return [new K() instanceof P, K.super_ === P, new K().m()] },
	...list('inherits bad', [[null, class {}], [class {}, null], [class {}, () => {}]], (a, b) => util.inherits(a, b)),
	...list('old tests', values.map((v) => [v]), (v) => ['isArray', 'isBoolean', 'isNull', 'isNullOrUndefined', 'isNumber', 'isString', 'isSymbol', 'isUndefined', 'isRegExp', 'isObject', 'isDate', 'isError', 'isFunction', 'isPrimitive'].map((n) => util[n](v))),
	strip: () => util.stripVTControlCharacters('\u001b[31mred\u001b[39m \u001b]8;;http://a\u0007link\u001b]8;;\u0007'),
	styleText: () => [util.styleText('red', 'x'), util.styleText(['bold', 'underline'], 'y')],
	toUSVString: () => util.toUSVString('a\ud800b'),
	errnos: () => [util.getSystemErrorName(-2), util.getSystemErrorMap().get(-13)],
	...list('parseArgs', [[{ args: ['-f', '--bar', 'b'], options: { foo: { type: 'boolean', short: 'f' }, bar: { type: 'string' } } }], [{ args: ['--foo=1', 'x'], options: { foo: { type: 'string' } }, allowPositionals: true }], [{ args: ['--nope'] }], [{ args: ['x'] }], [{ args: ['--nope', 'x'], strict: false }], [{ args: ['-abc', 'v'], options: { a: { type: 'boolean', short: 'a' }, b: { type: 'boolean', short: 'b' }, c: { type: 'string', short: 'c' } } }], [{ args: ['--a', '1', '--a', '2'], options: { a: { type: 'string', multiple: true } } }], [{ args: ['--', '-x'], allowPositionals: true, tokens: true }], [{ args: ['--a'], options: { a: { type: 'string' } } }], [{ args: ['--a=1'], options: { a: { type: 'boolean' } } }], [{ args: [], options: { a: { type: 'string', default: 'd' } } }], [{ args: ['--a', '-x'], options: { a: { type: 'string' } } }], [{ args: 5 }]], (c) => util.parseArgs(c)),
	...list('MIMEType', [['text/html; charset=UTF-8; q="a\\"b"'], ['TEXT/HTML'], ['x'], ['a/b;c=d;c=e'], ['a/b; c = d ; =x']], (t) => { const m = new util.MIMEType(t); return [String(m), m.type, m.subtype, m.essence, [...m.params]] }),
	debuglog: () => [typeof util.debuglog('x'), util.debuglog('x').enabled],
	deprecate: () => [util.deprecate((a) => a + 1, 'old', 'DEP_X')(1)],
	...list('assert', [
		() => assert(0), () => assert(false, 'message'), () => assert.ok(null, 'm'), () => assert.ok(), () => assert.equal(1, 2), () => assert.equal(1, 2, 'm'), () => assert.equal(1), () => assert.strictEqual(1, 2), () => assert.strictEqual('a', 'b'), () => assert.strictEqual('a'.repeat(10), 'b'.repeat(10)), () => assert.strictEqual(1, '1'), () => assert.strictEqual({}, {}), () => assert.notStrictEqual(1, 1), () => assert.notEqual(1, 1),
		() => assert.deepStrictEqual({ a: 1 }, { a: 2 }), () => assert.deepStrictEqual([1, 2, 3], [1, 2, 4]), () => assert.deepEqual({ a: 1 }, { a: 2 }), () => assert.notDeepStrictEqual({ a: 1 }, { a: 1 }), () => assert.notDeepEqual([1], [1]), () => assert.fail(), () => assert.fail('why'), () => assert.fail(new TypeError('own')), () => assert.ifError(new Error('e')), () => assert.ifError(null), () => assert.ifError('s'),
		() => assert.throws(() => {}), () => assert.throws(() => { throw new Error('x') }, /y/), () => assert.throws(() => { throw new Error('x') }, /x/), () => assert.throws(() => { throw new Error('x') }, { message: 'x' }), () => assert.throws(() => { throw new Error('x') }, TypeError), () => assert.throws(() => { throw new TypeError('x') }, TypeError), () => assert.throws(() => { throw new Error('x') }, (e) => e.message === 'x'), () => assert.throws(() => { throw new Error('x') }, () => false), () => assert.throws('no function'), () => assert.throws(() => { throw new Error('x') }, 'x'),
		() => assert.doesNotThrow(() => {}), () => assert.doesNotThrow(() => { throw new Error('x') }), () => assert.doesNotThrow(() => { throw new Error('x') }, 'msg'), () => assert.match('abc', /x/), () => assert.match('abc', /b/), () => assert.match(5, /b/), () => assert.doesNotMatch('abc', /b/), () => assert.match('abc', 'b'), () => assert.strict.equal(1, 2), () => assert.equal(NaN, NaN), () => assert.deepStrictEqual(new Set([1]), new Set([2])), () => assert.deepStrictEqual('a', 'b'), () => assert.strictEqual(undefined, null), () => new assert.AssertionError({ actual: 1, expected: 2, operator: 'strictEqual' }).message,
	].map((f) => [f]), (f) => thrown(f)),
	'assert rejects': async () => [await assert.rejects(Promise.reject(new Error('x')), /x/), await assert.doesNotReject(Promise.resolve(1))],
	'assert rejects not': () => assert.rejects(Promise.resolve(1)),
	'assert rejects bad': () => assert.rejects(5),
	'assert rejects of no promise': () => assert.rejects(() => 5),
	'assert doesNotReject': () => assert.doesNotReject(Promise.reject(new Error('x'))),
	'own error': () => { try { assert.ok(false, new TypeError('own')) } catch (e) { return e } },
	nextTick: async () => { const out = []; await new Promise((r) => { process.nextTick((a, b) => out.push(a + b), 1, 2); process.nextTick(() => out.push('second')); queueMicrotask(() => setTimeout(r, 1)) }); return out },
	'nextTick bad': () => process.nextTick(5),
	process: () => [typeof process.version, process.platform, typeof process.env, Array.isArray(process.argv), typeof process.cwd(), Array.isArray(process.hrtime()), typeof process.hrtime.bigint(), process.browser, typeof process.on, String(process), typeof process.versions.node],
	env: () => { process.env.X_TEST = 5; const v = process.env.X_TEST; delete process.env.X_TEST; return [v, process.env.X_TEST, 'X_TEST' in process.env] },
	'text encoders': () => [util.TextEncoder === TextEncoder, util.TextDecoder === TextDecoder],
}
void shown
void stackless
