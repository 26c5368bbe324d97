// Cache, CacheStorage and cache, without a node behind them: what is asked of it, and what is
// refused before anything is asked.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText } from './mock-er.mjs';

const answering = (code) => `addEventListener('fetch', (event) => event.respondWith((async () => { const { request } = event; ${code} })()))`;
const CACHE = 2 << 12, PULL = 512;
/** The node answers the question with this number. */
const head = (i, fid, { status = 200, block = '', body = false } = {}) => i.turn(1, () => i.hooks.subHead(fid, status, undefined, block, undefined, body, body ? 0 : -1));
const asked = (i) => i.told('fetch').map(([, fid, , method, target, block, options, flags, body]) => ({ fid, method, target, block, options, flags, body }));

test('the script of caches is loaded when somebody touches it, and not before', () => {
	const i = new Instance().load(answering('return new Response(typeof caches + typeof Cache + (caches.default === caches.default) + Object.prototype.toString.call(caches))'));
	assert.deepEqual(i.lazyLoaded, []);
	assert.equal(bodyText(i.request()), 'objectfunctiontrue[object CacheStorage]');
	assert.deepEqual(i.lazyLoaded, ['caches']);
});
test('put says the response, the URLs it came from, and those fields of the request that it varies on', () => {
	const i = new Instance().load(answering(`await caches.default.put(new Request('http://a.example/p?q#h', { headers: { 'x-a': '1', 'x-b': '2', 'x-c': '3' } }), new Response('text', { status: 201, statusText: 'Made', headers: { vary: 'X-A, x-b, x-d', 'x-e': 'f' } })); return new Response('done')`));
	const r = i.request();
	const [q] = asked(i);
	assert.deepEqual({ method: q.method, target: q.target, options: q.options, flags: q.flags, body: q.body }, { method: 'PUT', target: 'default\nhttp://a.example/p?q', options: CACHE, flags: 1, body: 'text' });
	assert.equal(q.block, 'er-status\n201\ner-reason\nMade\ner-ask-x-a\n1\ner-ask-x-b\n2\nvary\nX-A, x-b, x-d\nx-e\nf\ncontent-type\ntext/plain;charset=UTF-8\n');
	head(i, q.fid, { status: 201 });
	assert.equal(bodyText(r), 'done');
});
test('match hands the request over and gives what the node has, or undefined', () => {
	for (const [block, status, said] of [['er-miss\n1\n', 404, 'undefined'], ['x-a\nb\ner-kept\nhttp://o.example/ http://o.example/2\n', 404, '404 http://o.example/2 basic b null'], ['x-a\nc\n', 200, '200  default c null'], ['er-kept\nerror\n', 200, '0  error null null']]) {
		const i = new Instance().load(answering(`const r = await caches.default.match(new Request('http://a.example/', { headers: { range: 'bytes=0-1' } })); return new Response(r === undefined ? 'undefined' : [r.status, r.url, r.type, r.headers.get('x-a'), r.headers.get('er-kept')].map(String).join(' '))`));
		const r = i.request();
		const [q] = asked(i);
		assert.deepEqual([q.method, q.target, q.block, q.options], ['GET', 'default\nhttp://a.example/', 'range\nbytes=0-1\n', CACHE]);
		head(i, q.fid, { status, block });
		assert.equal(bodyText(r), said);
	}
});
test('a matched response that is returned is relayed with the head that the node has', () => {
	const i = new Instance().load(answering(`return caches.default.match('http://a.example/')`));
	const r = i.request();
	head(i, 1, { block: 'x-a\nb\n', body: true });
	assert.equal(r.response.flags & (4 | 32), 4 | 32);
	assert.equal(i.told('pull').length, 0);
});
test('a body that came with its head is read without a question, and let go of in the node', () => {
	for (const [read, said] of [['r.text()', 'h\u00e9'], ['r.bytes().then(b => b.length)', '3'], ['new Response(r.body).text()', 'h\u00e9'], ['r.arrayBuffer().then(b => b.byteLength)', '3'], ['r.clone().text().catch(e => e.name)', undefined]]) {
		const i = new Instance().load(answering(`const r = await caches.default.match('http://a.example/'); return new Response(await ${read})`));
		const r = i.request();
		i.headWith(1, 1, 'h\u00e9');
		if (said === undefined) {
			assert.deepEqual([i.told('clone').length, i.told('drain').length], [1, 0], 'a copy is made in the node');
			continue;
		}
		assert.equal(bodyText(r), said, read);
		assert.deepEqual([i.told('pull').length, i.told('drain')], [0, [['drain', 3]]], read);
	}
});
test('a body that came with its head and is not read in that turn is pulled later, or relayed', () => {
	const late = new Instance().load(answering(`const r = await caches.default.match('http://a.example/'); await new Promise(f => setTimeout(f, 1)); return new Response(await r.text())`));
	const r = late.request();
	late.headWith(1, 1, 'later');
	for (const [tid] of [...late.timers]) late.timerDue(tid);
	assert.deepEqual(late.told('pull').map(c => c[1]), [3]);
	late.turn(1, () => late.hooks.bodyData(3, late.u8(Buffer.from('later')), true));
	assert.equal(bodyText(r), 'later');
	const relays = new Instance().load(answering(`return caches.default.match('http://a.example/')`));
	const sent = relays.request();
	relays.headWith(1, 1, 'on');
	assert.equal(sent.response.flags & (4 | 32), 4 | 32);
	assert.equal(relays.told('drain').length, 0);
});
test('caches.open asks for the word of the name, and makes one if there is none', () => {
	const i = new Instance().load(answering(`const c = await caches.open('a\\u00fc'); await c.delete('http://x.example/'); return new Response('ok')`));
	i.request();
	const [q] = asked(i);
	assert.deepEqual([q.method, q.target, q.options], ['GET', 'names\nhttp://name.invalid/006100fc', CACHE | PULL]);
	head(i, q.fid, { status: 404, block: 'er-miss\n1\n' });
	const made = asked(i)[1];
	assert.deepEqual([made.method, made.target, made.block], ['PUT', q.target, 'er-status\n200\ner-absent\n1\n']);
	assert.match(made.body, /^n\.[0-9a-f-]{36}$/);
	head(i, made.fid, { status: 201 });
	// somebody else's, perhaps
	assert.deepEqual([asked(i)[2].method, asked(i)[2].target], ['GET', q.target]);
	head(i, asked(i)[2].fid, { status: 404, block: 'er-miss\n1\n' });
	assert.deepEqual([asked(i)[3].method, asked(i)[3].target], ['DELETE', `${made.body}\nhttp://x.example/`]);
});
test('what cannot be meant is refused before the node is asked', () => {
	const tries = ["cache.put('http://a.example/')", "cache.put('http://a.example/', 'text')", "cache.put('ftp://a.example/', new Response())", "cache.put('/relative', new Response())", "cache.put(new Request('http://a.example/', { method: 'POST' }), new Response())",
		"cache.put('http://a.example/', new Response('', { status: 206 }))", "cache.put('http://a.example/', new Response('', { headers: { vary: 'a, *' } }))", 'cache.get()', 'caches.default.match()', 'caches.open()', 'new Cache()', 'new CacheStorage()', 'Cache.prototype.match.call({}, "http://a.example/")',
		'cache.purge()', 'cache.purge({})', "cache.purge({ tags: ['a\\nb'] })", "cache.purge({ soft: true })", 'cache.purge(5)'];
	for (const code of tries) {
		const i = new Instance().load(answering(`try { await ${code} } catch (e) { return new Response(e.name) } return new Response('went well')`));
		assert.equal(bodyText(i.request()), 'TypeError', code);
		assert.equal(i.told('fetch').length, 0, code);
	}
});
test('who aborts a fetch ends the put of its body, and not what the put of another was', () => {
	const i = new Instance().load(answering(`const c = new AbortController(); const r = await fetch('http://o.example/', { signal: c.signal }); const put = caches.default.put('http://a.example/', r); c.abort(); try { await put } catch (e) { return new Response(e.name) } return new Response('put')`));
	const r = i.request();
	head(i, 1, { body: true });
	assert.equal(bodyText(r), 'AbortError');
	assert.deepEqual(i.told('fetchCancel').map((c) => c[1]), [asked(i)[1].fid]);
});
