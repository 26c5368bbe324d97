import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText } from './mock-er.mjs';

const answering = (code) => `addEventListener('fetch', (event) => event.respondWith((async () => { const { request } = event; ${code} })()))`;
const head = (i, fid, { status = 200, reason = 'OK', block = '', urls = 'http://o.example/', body = false, length = -1 } = {}) =>
	i.turn(i.told('fetch').find((c) => c[1] === fid)[2], () => i.hooks.subHead(fid, status, reason, block, urls, body, length));

test('method, headers, body and options reach the node', () => {
	const i = new Instance().load(answering(`return fetch('http://o.example/p?q#h', { method: 'put', headers: { 'X-A': '1', Connection: 'close' }, body: 'hi', redirect: 'error', decompress: 'manual', cdnProxy: true })`));
	i.request();
	assert.deepEqual(i.told('fetch')[0].slice(2), [1, 'PUT', 'http://o.example/p?q#h', 'x-a\n1\ncontent-type\ntext/plain;charset=UTF-8\n', 2 | 4 | (2 << 4), 1, 'hi']);
});
test('redirects are followed by default, with the compat flag they are the routine\'s', () => {
	for (const [compat, redirect] of [[0, 0], [2, 1]]) {
		const i = new Instance({ compat }).load(answering(`return fetch('http://o.example/')`));
		i.request();
		assert.equal(i.told('fetch')[0][6] & 3, redirect);
	}
});
test('fetch(event.request) asks for the standard process of the own host', () => {
	const i = new Instance().load(answering(`return fetch(request)`));
	i.request({ headers: 'accept\n*/*\n' });
	assert.equal(i.told('fetch')[0][6] & 8, 8);
	assert.equal(i.told('fetch')[0][5], 'accept\n*/*\n');
});
test('status, headers and the chain of URLs are in the response', () => {
	const i = new Instance().load(answering(`const r = await fetch('http://o.example/'); return Response.json([r.status, r.statusText, r.ok, r.url, r.redirected, r.urlList, r.headers.get('X-A'), r.headers.getSetCookie(), r.type])`));
	const r = i.request();
	head(i, 1, { status: 404, reason: 'Nope', block: 'x-a\n1\nx-a\n2\nset-cookie\na=1\nset-cookie\nb=2\n', urls: 'http://o.example/\nhttp://o.example/b#f' });
	assert.deepEqual(JSON.parse(bodyText(r)), [404, 'Nope', false, 'http://o.example/b', true, ['http://o.example/', 'http://o.example/b#f'], '1, 2', ['a=1', 'b=2'], 'basic']);
});
test('what is the node\'s business stays in Headers of the routine\'s own and leaves with no message', () => {
	const i = new Instance().load(answering(`const h = new Headers({ Host: 'a', 'X-A': 'b' }); h.append('Connection', 'close'); const names = [...h.keys()].join(); await fetch('http://o.example/', { headers: h }); return new Response(names, { headers: new Headers(h) })`));
	const r = i.request();
	assert.equal(i.told('fetch')[0][5], 'x-a\nb\n');
	head(i, 1);
	assert.equal(bodyText(r), 'connection,host,x-a');
	assert.equal(r.response.block, 'x-a\nb\ncontent-type\ntext/plain;charset=UTF-8\n');
});
test('fields are changed in place: set keeps the first one\'s, delete takes all, append adds', () => {
	const i = new Instance().load(answering(`const h = new Headers([['a', '1'], ['b', '2'], ['a', '3'], ['a', '4']]); h.set('A', '5'); h.append('b', '6'); h.set('c', 'b'); h.delete('none'); const one = h.get('b') + h.get('a') + h.get('none') + h.has('c'); h.delete('B'); return new Response(one, { headers: h })`));
	const r = i.request();
	assert.equal(bodyText(r), '2, 65nulltrue');
	assert.match(r.response.block, /^a\n5\nc\nb\n/);
});
test('a failure of the node becomes a TypeError that says what happened', () => {
	const i = new Instance().load(answering(`try { await fetch('http://o.example/') } catch (e) { return new Response(e.name + ' ' + e.message) }`));
	const r = i.request();
	i.turn(1, () => i.hooks.subFail(1, 'connect', 'o.example refused the connection'));
	assert.equal(bodyText(r), 'TypeError fetch failed: o.example refused the connection');
});
test('abort before, during and after the head', () => {
	let i = new Instance().load(answering(`const c = new AbortController(); c.abort(); try { await fetch('http://o.example/', { signal: c.signal }) } catch (e) { return new Response(e.name) }`));
	assert.equal(bodyText(i.request()), 'AbortError');
	assert.equal(i.told('fetch').length, 0);
	i = new Instance().load(answering(`try { await fetch('http://o.example/', { signal: AbortSignal.timeout(10) }) } catch (e) { return new Response(e.name) }`));
	let r = i.request();
	i.runTimers();
	assert.equal(bodyText(r), 'TimeoutError');
	assert.equal(i.told('fetchCancel').length, 1);
	i = new Instance().load(answering(`const c = new AbortController(); const res = await fetch('http://o.example/', { signal: c.signal }); setTimeout(() => c.abort(), 5); try { await res.text() } catch (e) { return new Response(e.name) }`));
	r = i.request();
	head(i, 1, { body: true });
	i.runTimers();
	assert.equal(bodyText(r), 'AbortError');
	assert.equal(i.told('fetchCancel').length, 1);
});
test('a stream as upload is written within its credit', () => {
	const i = new Instance().load(answering(`return fetch('http://o.example/', { method: 'POST', duplex: 'half', body: new ReadableStream({ start(c) { c.enqueue(new Uint8Array(70000)); c.close() } }) })`));
	i.request();
	assert.deepEqual(i.told('fetch')[0].slice(7), [2, 3]);
	assert.equal(i.told('write').reduce((n, c) => n + c[2].length, 0), 65536);
	i.turn(1, () => i.hooks.credit(3, 70000));
	assert.deepEqual(i.told('end'), [['end', 3]]);
});
test('at top level fetch and timers are refused with an error that says so', async () => {
	const i = new Instance();
	i.load(`addEventListener('fetch', (e) => e.respondWith(new Response(m))); let m = ''; fetch('http://o.example/').catch((e) => { m += e.message }); try { setTimeout(() => {}, 1) } catch (e) { m += e.message }`);
	assert.match(bodyText(i.request()), /Timers cannot be set at top level.*fetch cannot be called at top level/s);
});
test('the number of subrequests is limited', () => {
	const i = new Instance({ subrequests: 2 }).load(answering(`try { for (let n = 0; n < 3; n++) { const p = fetch('http://o.example/'); if (n === 2) await p } } catch (e) { return new Response(e.message) }`));
	assert.match(bodyText(i.request()), /Too many subrequests: a request may make 2/);
});
test('credentials in a URL, other schemes and bodies on GET are refused', () => {
	for (const c of [`fetch('http://u:p@o.example/')`, `fetch('ftp://o.example/')`, `fetch('http://o.example/', { body: 'x' })`, `fetch('/relative')`, `fetch('http://o.example/', { method: 'TRACE' })`, `fetch('http://o.example/', { method: 'a b' })`, `fetch()`]) {
		const i = new Instance().load(answering(`try { await ${c} } catch (e) { return new Response(e.name) }`));
		assert.equal(bodyText(i.request()), 'TypeError', c);
		assert.equal(i.told('fetch').length, 0);
	}
});
test('a fetch that nobody waits for ends with its request', () => {
	const i = new Instance().load(answering(`fetch('http://o.example/').catch((e) => console.log(e.name)); return new Response('x')`));
	assert.ok(i.request().over);
});
test('timers are limited and belong to their request', () => {
	const i = new Instance({ timers: 3 }).load(answering(`try { for (;;) setTimeout(() => {}, 1000) } catch (e) { return new Response(e.message) }`));
	assert.match(bodyText(i.request()), /Too many timers: a request may have at most 3/);
	assert.equal(i.timers.size, 0);
});
