// URLPattern: what the public data does not ask (test/e2e/url-pattern.test.mjs runs that).
import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText, run } from './mock-er.mjs';

test('a pattern finds the groups of a path', () => {
	assert.deepEqual(run(`
		const p = new URLPattern({ pathname: '/shop/:id(\\\\d+)/*' });
		const m = p.exec('https://example.com/shop/17/a/b?x');
		return [m.pathname.groups, m.search.groups, p.test('https://example.com/shop/x/'), p.hasRegExpGroups, p.pathname];`), [{ id: '17', 0: 'a/b' }, { 0: 'x' }, false, true, '/shop/:id(\\d+)/*']);
});

test('case counts unless it is told otherwise, and a base goes with a string only', () => {
	assert.deepEqual(run(`
		const out = [new URLPattern({ pathname: '/A' }).test({ pathname: '/a' }), new URLPattern({ pathname: '/A' }, { ignoreCase: true }).test({ pathname: '/a' })];
		out.push(new URLPattern('/a/:b', 'https://example.com/').test('https://example.com/a/c'));
		for (const make of [() => new URLPattern({}, 'https://x'), () => new URLPattern('/a'), () => new URLPattern('/:a/:a', 'https://x'), () => new URLPattern({ pathname: '(' }), () => new URLPattern(), () => new URLPattern({}).test({}, 'https://x')])
			try { make(); out.push('made'); } catch (e) { out.push(e.name); }
		return out;`), [false, true, true, 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'made', 'TypeError']);
});

test('a group may be called as anything of Object.prototype', () => {
	assert.deepEqual(run(`
		const { groups } = new URLPattern({ pathname: '/:__proto__/:constructor' }).exec({ pathname: '/a/b' }).pathname;
		return [Object.keys(groups), groups.constructor, Object.getPrototypeOf(groups) === Object.prototype];`), [['__proto__', 'constructor'], 'b', true]);
});

test('the script comes with the first pattern, and a routine that breaks built-ins does not break it', () => {
	const i = new Instance();
	i.load(`Array.prototype.push = String.prototype.slice = RegExp.prototype.exec = Object.defineProperty = Object.getOwnPropertyNames = () => { throw new Error('looked up') };
		addEventListener('fetch', (event) => event.respondWith(new Response(new URLPattern({ pathname: '/:a' }).exec({ pathname: '/x' }).pathname.groups.a)))`);
	assert.deepEqual(i.lazyLoaded, []);
	const r = i.request();
	assert.equal(r.failed, undefined, r.failed?.stack);
	assert.equal(bodyText(r), 'x');
	assert.deepEqual(i.lazyLoaded, ['patterns']);
});
