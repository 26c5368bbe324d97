// HTMLRewriter and HTMLStream over a mock of the rewriter: demand, handlers, objects, ends.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, run } from './mock-er.mjs';

const SOURCE = `
	const pulled = [];
	const source = (chunks, more = {}) => new ReadableStream({ pull(c) { const chunk = chunks.shift(); pulled.push(chunk); if (chunk === undefined) c.close(); else c.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk); }, ...more }, { highWaterMark: 0 });
	const thrown = (f) => { try { f(); return 'nothing'; } catch (e) { return e.name; } };`;
const inside = (code) => run(SOURCE + code);

test('nothing is read of a page before somebody reads what becomes of it, and no more than that', () => {
	assert.deepEqual(inside(`
		const reader = new HTMLStream(source(['a', 'b', 'c']), []).getReader();
		const counts = [pulled.length];
		await new Promise((r) => setTimeout(r, 1));
		counts.push(pulled.length);
		for (let i = 0; i < 2; i++) { await reader.read(); await new Promise((r) => setTimeout(r, 1)); counts.push(pulled.length); }
		return counts;`), [0, 0, 1, 2]);
});
test('a reader that leaves cancels the page, also while a handler takes its time', () => {
	assert.deepEqual(inside(`
		const out = [];
		const one = new HTMLStream(source(['a'], { cancel: (r) => out.push(r) }), []);
		await one.cancel('early');
		let go, piece;
		const two = new HTMLStream(source(['a', 'b'], { cancel: (r) => out.push(r) }), [['p', { element: (e) => { piece = e; return new Promise((r) => (go = r)); } }]]).getReader();
		two.read();
		await new Promise((r) => setTimeout(r, 1));
		await two.cancel('late');
		go();
		await new Promise((r) => setTimeout(r, 1));
		out.push(thrown(() => piece.tagName), pulled.length);
		return out;`), ['early', 'late', 'TypeError', 1]);
});
test('what a handler gets is dead after it: at once, or when its promise is settled', () => {
	assert.deepEqual(inside(`
		const out = [];
		let kept;
		const rules = (element) => [['p', { element }]];
		await new Response(new HTMLStream(source(['a']), rules((e) => { kept = e; out.push(e.tagName); }))).text();
		out.push(thrown(() => kept.tagName), thrown(() => kept.before('x')), thrown(() => [...kept.attributes]));
		await new Response(new HTMLStream(source(['a']), rules(async (e) => { kept = e; await null; out.push(e.tagName); }))).text();
		out.push(thrown(() => kept.tagName));
		await new Response(new HTMLStream(source(['a']), rules((e) => { kept = e; throw new Error('x'); }))).text().catch((e) => out.push(e.message));
		out.push(thrown(() => kept.tagName));
		return out;`), ['name', 'TypeError', 'TypeError', 'TypeError', 'name', 'TypeError', 'x', 'TypeError']);
});
test('arguments that are no handlers, selectors, streams or responses are TypeErrors at once', () => {
	assert.deepEqual(new Set(inside(`
		const rewriter = new HTMLRewriter();
		return [
			() => rewriter.on('+', {}), () => rewriter.on('p'), () => rewriter.on('p', null), () => rewriter.on('p', { element: 1 }), () => rewriter.on(Symbol(), {}),
			() => rewriter.onDocument(), () => rewriter.onDocument({ end: 'x' }), () => rewriter.transform('x'), () => rewriter.transform(new ReadableStream()),
			() => HTMLRewriter(), () => HTMLRewriter.prototype.on.call({}, 'p', {}), () => rewriter.transform.call(null, new Response('')),
			() => new HTMLStream(source([])), () => new HTMLStream('x', []), () => new HTMLStream(source([]), 1), () => new HTMLStream(source([]), [1]),
			() => new HTMLStream(source([]), [['+', {}]]), () => { const s = source([]); s.getReader(); new HTMLStream(s, []); },
		].map(thrown);`)), new Set(['TypeError']));
});
test('a getter of the handlers that throws, or a content that cannot be a string, is the routine\'s own error', () => {
	const said = inside(`
		const out = [];
		try { new HTMLRewriter().on('p', { get element() { throw new Error('mine'); } }); } catch (e) { out.push(e.message); }
		const page = (element) => new Response(new HTMLStream(source(['a']), [['p', { element }]])).text().catch((e) => e.message);
		out.push(await page((e) => e.before({ toString() { throw new Error('content'); } })));
		out.push(await page((e) => e.before('x', { get html() { throw new Error('options'); } })));
		out.push(await page((e) => e.before(new Response('x'))), await page((e) => e.before(source([]))));
		out.push(await page((e) => Object.getPrototypeOf(e).before.call({}, 'x')));
		out.push(await page((e) => new e.constructor()));
		return out;`);
	assert.deepEqual(said.slice(0, 3), ['mine', 'content', 'options']);
	for (const [i, re] of [/must be a string/, /must be a string/, /Illegal invocation/, /Illegal constructor/].entries()) assert.match(said[3 + i], re);
});
test('a chunk of a page that is no bytes fails the stream', () => {
	assert.match(inside(`return await new HTMLStream(new ReadableStream({ start(c) { c.enqueue('text'); } }), []).getReader().read().catch((e) => e.message);`), /must be bytes/);
});
test('the interfaces have the shapes that web interfaces have, and cost nothing before they are touched', () => {
	assert.deepEqual(inside(`
		const names = [];
		await new Response(new HTMLStream(source(['a']), [['p', { element: (e) => { names.push(Object.prototype.toString.call(e), e instanceof Object); } }]])).text();
		const s = new HTMLStream(source([]), []);
		const d = Object.getOwnPropertyDescriptor(globalThis, 'HTMLRewriter');
		return [...names, String(s), s instanceof ReadableStream, String(new HTMLRewriter()), HTMLRewriter.length, HTMLStream.length, HTMLRewriter.name, HTMLRewriter.prototype.on.length, d.enumerable, d.configurable];`),
	['[object Element]', true, '[object HTMLStream]', true, '[object HTMLRewriter]', 0, 2, 'HTMLRewriter', 2, false, true]);
	const i = new Instance().load('addEventListener("fetch", (e) => e.respondWith(new Response("x")))');
	i.request({});
	assert.ok(!i.lazyLoaded.includes('html'), i.lazyLoaded.join());
});
