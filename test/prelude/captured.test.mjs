// tools/prelude-lint.mjs: the prelude keeps to captured built-ins, and a file that does not is
// found out.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Instance, bodyText } from './mock-er.mjs';

const LINT = fileURLToPath(new URL('../../tools/prelude-lint.mjs', import.meta.url));
const lint = (...args) => spawnSync(process.execPath, ['--expose-internals', LINT, ...args], { encoding: 'utf8' });
/** What is said of a folder with these files: `file:line rule what`, a line each. */
function said(files) {
	const folder = mkdtempSync(join(tmpdir(), 'er-prelude-lint-'));
	for (const name in files) writeFileSync(join(folder, name), files[name]);
	const { status, stdout, stderr } = lint(folder);
	rmSync(folder, { recursive: true });
	assert.equal(stderr, '');
	const lines = stdout.trim().split('\n').slice(0, -1).map((line) => line.replace(/^([^:]+:\d+):\d+: (\w+ [^:]+): .*/, '$1 $2'));
	assert.equal(status, lines.length > 0 ? 1 : 0);
	return lines;
}

test('the prelude looks nothing up that a routine may have changed', () => {
	const { status, stdout } = lint();
	assert.equal(status, 0, stdout);
});
for (const [what, code, found] of [
	['a method of an array', 'list.push(1)', 'method push'],
	['a method of a string', 'return s.slice(1)', 'method slice'],
	['a method of a map', 'return new Map().get(1)', 'method get'],
	['a method of a promise', 'return p.then(f)', 'method then'],
	['a method of a function', 'return f.call(null)', 'method call'],
	['a method by a name in quotes', `return s?.['trim']()`, 'method trim'],
	['a method of a regular expression', 'return /x/.exec(s)', 'method exec'],
	['a getter of bytes', 'return bytes.byteLength', 'getter byteLength'],
	['for-of', 'for (const x of list) f(x)', 'iterator for-of'],
	['an array taken apart', 'const [a] = list; return a', 'iterator pattern'],
	['spread', 'return f(...list)', 'iterator spread'],
])
	test(`found out: ${what}`, () => assert.deepEqual(said({ 'a.js': `\nexport function g(list, s, p, f, bytes) { ${code}; }\n` }).filter((line) => !line.includes('global')), [`a.js:2 ${found}`]));
test('found out: a global, in a function and not where the prelude starts', () => {
	assert.deepEqual(said({ 'a.js': 'const U8 = Uint8Array;\nexport const make = () => new Uint8Array(U8 ? 1 : 2);\nclass A { x = Object; static y = Object; }\n' }), ['a.js:2 global Uint8Array', 'a.js:3 global Object']);
});
test('found out: a method that what the prelude made does not have as its own', () => {
	const files = (code) => ({
		'primordials.js': 'export const newMap = () => 0, regexp = (re) => re;\n',
		'map.js': 'export class IdMap { get() {} }\nexport class Shown { get() {} }\nfinish(Shown, 1);\nexport const live = new IdMap();\n',
		'a.js': `import { newMap, regexp } from './primordials.js';\nimport { IdMap, Shown, live } from './map.js';\nconst m = newMap(), re = regexp(/x/), ids = new IdMap(), shown = new Shown();\nlet either = newMap();\nexport function g(other) {\n\t${code}\n}\n`,
	});
	assert.deepEqual(said(files('m.get(1); re.exec(1); ids.get(1); live.get(1); either.get(1);')), []);
	assert.deepEqual(said(files('m.keys(); re.test(1); ids.has(1); live.has(1); shown.get(1);')), ['keys', 'test', 'has', 'has', 'get'].map((name) => `a.js:6 method ${name}`));
	assert.deepEqual(said(files('either = other; either.get(1);')), ['a.js:6 method get']);
});

test('found out: a field that is not declared, of a class that is not set apart', () => {
	const made = 'constructor(a) { this.a = a; this.#p = a; this.late = a; }';
	assert.deepEqual(said({ 'a.js': `class A {\n\t#p;\n\tlate;\n\tset other(v) {}\n\t${made}\n\tf() { this.other = 1; }\n}\nclass B { constructor() { this.b = 1; } }\napart(B);\n` }), ['a.js:5 setter a']);
});

test('found out: a native that is called with other arguments than the contract says', () => {
	const said_ = (code) => said({ 'a.js': `import * as er from './natives.js';\nimport { pull as ask } from './contract-natives.js';\nexport const f = (key, n, s, status, reason, block, body, flags) => ${code};\n` });
	assert.deepEqual(said_('[er.pull(key, n), ask(key, n), er.respond(s.id, status, reason, block, body, flags, /* number */ key)]'), []);
	for (const code of ['er.pull(key)', 'er.pull(key, n, 1)', 'ask(key)']) assert.deepEqual(said_(code), ['a.js:3 native takes (key, n)'], code);
	assert.deepEqual(said_('er.respond(s.id, reason, /* reason */ status, block, body, flags, key)'), ["a.js:3 native is 'status' and does not say so", "a.js:3 native is 'number' and does not say so"]);
});

// What the lint found when it was new.
const spied = (spy, code) => {
	const i = new Instance().load(`globalThis.seen = []; ${spy} addEventListener('fetch', (event) => event.respondWith((async () => { ${code} })()))`);
	const r = i.request({ method: 'POST', body: Buffer.from('secret'), inline: true });
	i.runTimers();
	assert.ok(r.response, r.failed?.stack);
	return bodyText(r);
};
test('clone shows no body to an iterator of the routine', () => {
	const spy = 'const { iterator } = Symbol; Array.prototype[iterator] = function () { seen[seen.length] = this; throw new Error("spied"); };';
	assert.equal(spied(spy, 'const r = event.request.clone(); const s = new Response("x").clone(); return new Response(`${await r.text()}${await s.text()}${seen.length}`);'), 'secretx0');
});
test('a name of a header that is refused is quoted without the routine', () => {
	const spy = 'String.prototype.slice = function () { seen[seen.length] = this; return "spied"; };';
	assert.match(spied(spy, 'try { new Headers([["\\n".repeat(80), "1"]]); } catch (e) { return new Response(`${e.message}${seen.length}`); }'), /^Invalid header name: "(\\n)+\.\.\."0$/);
});
test('console.assert, console.log of a WeakMap and structuredClone of a resizable buffer do without the routine', () => {
	const spy = 'Array.prototype[Symbol.iterator] = WeakMap.prototype.has = Object.getPrototypeOf(Uint8Array.prototype).set = function () { seen[seen.length] = this; throw new Error("spied"); };';
	assert.equal(spied(spy, 'console.assert(false, {}); console.log(new WeakMap()); structuredClone(new ArrayBuffer(1, { maxByteLength: 2 })); return new Response(`${seen.length}`);'), '0');
});
