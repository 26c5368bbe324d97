import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText } from './mock-er.mjs';

const answering = (code) => `addEventListener('fetch', (event) => event.respondWith((async () => { const { request } = event; ${code} })()))`;
const head = (i, fid, { status = 200, reason = 'OK', block = '', urls = 'http://o.example/', body = false, length = -1 } = {}) =>
	i.turn(i.calls.find((c) => /^fetch(Request)?$/.test(c[0]) && c[1] === fid)[2], () => i.hooks.subHead(fid, status, reason, block, urls ?? undefined, body, length));

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
	const r = i.request({ headers: 'accept\n*/*\n' });
	assert.deepEqual(i.told('fetchRequest'), [['fetchRequest', 1, 1, 1 | 8]]);
	head(i, 1, { block: 'x-a\nb\n', urls: null });
	assert.match(r.response.block, /^x-a\nb\n/);
});
test('a request that is not as it came any more is told to the node in full', () => {
	for (const [code, body] of [['request.body; return fetch(request)', true], ['return fetch(new Request(request))'], ['return fetch(request, { headers: { a: "b" } })'], ['event.respondWith = 0; event.waitUntil(0); return fetch(request.clone())']]) {
		const i = new Instance().load(answering(code));
		i.request(body ? { method: 'POST', body: Buffer.alloc(0) } : {});
		assert.equal(i.told('fetchRequest').length, 0, code);
		assert.equal(i.told('fetch')[0][6] & 8, 8, code);
	}
});
test('what fetch(event.request) gave knows its URL, and the body that went along is used', () => {
	const i = new Instance().load(answering(`const r = await fetch(request); return Response.json([r.url, r.urlList, r.redirected, request.bodyUsed, request.url])`));
	const r = i.request({ method: 'POST', url: 'http://a.example/b?c', body: Buffer.alloc(0) });
	head(i, 1, { urls: null });
	assert.deepEqual(JSON.parse(bodyText(r)), ['http://a.example/b?c', ['http://a.example/b?c'], false, true, 'http://a.example/b?c']);
});
/** A handler that gives what `code` returns, itself and not a promise of it. */
const handing = (code) => `addEventListener('fetch', (event) => { const { request } = event; event.respondWith((() => { ${code} })()) })`;
test('a fetch that nobody waits for answers its request in the node; who came to wait sees it behind the answer', () => {
	let i = new Instance().load(handing(`return fetch(request)`));
	i.bare = true;
	let r = i.request();
	assert.deepEqual(i.told('answer'), [['answer', 1, 1]]);
	assert.equal(i.turn(1, () => i.hooks.subAnswered(1)), false);
	assert.ok(r.over && r.response === undefined);

	i = new Instance().load(handing(`const p = fetch(request); globalThis.later = () => p.then((r) => console.log(r.status, r.bodyUsed, r.url)); return p`));
	i.bare = true;
	r = i.request({ url: 'http://a.example/b' });
	i.turn(1, () => i.context.later());
	i.bare = false;
	assert.equal(i.turn(1, () => i.hooks.subAnswered(1)), true);
	assert.ok(!r.over);
	head(i, 1, { urls: null, body: true });
	assert.deepEqual(i.told('log').map((c) => c[2]), ['200 true http://a.example/b']);
	assert.ok(r.over && r.response === undefined);
});
test('a fetch that answers its request and fails, or is cancelled, says so as any other does', () => {
	let i = new Instance().load(handing(`return fetch(request)`));
	i.bare = true;
	let r = i.request();
	i.turn(1, () => i.hooks.subFail(1, 'connect', 'o.example refused the connection'));
	assert.equal(r.failed.message, 'fetch failed: o.example refused the connection');
	assert.equal(i.told('exception').length, 0, 'no rejection is left unhandled');
	i = new Instance().load(handing(`event.passThroughOnException(); return fetch(request)`));
	i.bare = true;
	r = i.request();
	i.turn(1, () => i.hooks.subFail(1, 'connect', 'o.example refused the connection'));
	assert.ok(r.passed);
	i = new Instance().load(handing(`return fetch(request)`));
	i.bare = true;
	r = i.request();
	i.turn(1, () => i.hooks.cancel(1, 'client-gone'));
	assert.equal(i.turn(1, () => i.hooks.subAnswered(1)), false);
	assert.equal(r.response, undefined);
});
test('an answer that was on its way already is sent by the routine', () => {
	const i = new Instance().load(handing(`return fetch(request)`));
	i.bare = true;
	const r = i.request();
	head(i, 1, { status: 203, body: true });
	assert.deepEqual([r.response.status, r.response.flags], [203, 4 | 32 | 64]);
});
test('the promise of another fetch than the last, or of one that can be aborted, is waited for', () => {
	for (const code of [`const p = fetch(request.url); fetch('http://o.example/'); return p`, `return fetch(request.url, { signal: new AbortController().signal })`, `return fetch(request).then((r) => r)`]) {
		const i = new Instance().load(handing(code));
		i.bare = true;
		i.request();
		assert.deepEqual(i.told('answer'), [], code);
	}
});
test('what a request may ask counts fetch(event.request) as well', () => {
	const i = new Instance({ subrequests: 1 }).load(answering(`await fetch(request); try { await fetch(request) } catch (e) { return new Response(e.message) }`));
	const r = i.request();
	head(i, 1);
	assert.match(bodyText(r), /Too many subrequests/);
});
test('status, headers and the chain of URLs are in the response', () => {
	const i = new Instance().load(answering(`const r = await fetch('http://o.example/'); return Response.json([r.status, r.statusText, r.ok, r.url, r.redirected, r.urlList, r.headers.get('X-A'), r.headers.getSetCookie(), r.type])`));
	const r = i.request();
	head(i, 1, { status: 404, reason: 'Nope', block: 'x-a\n1\nx-a\n2\nset-cookie\na=1\nset-cookie\nb=2\n', urls: 'http://o.example/\nhttp://o.example/b#f' });
	assert.deepEqual(JSON.parse(bodyText(r)), [404, 'Nope', false, 'http://o.example/b', true, ['http://o.example/', 'http://o.example/b#f'], '1, 2', ['a=1', 'b=2'], 'basic']);
});
test('what is the node\'s business stays in Headers of the routine\'s own and leaves with no message', () => {
	const i = new Instance().load(answering(`const h = new Headers({ Upgrade: 'a', 'X-A': 'b' }); h.append('Connection', 'close'); const names = [...h.keys()].join(); await fetch('http://o.example/', { headers: h }); return new Response(names, { headers: new Headers(h) })`));
	const r = i.request();
	assert.equal(i.told('fetch')[0][5], 'upgrade\na\nx-a\nb\n');
	head(i, 1);
	assert.equal(bodyText(r), 'connection,upgrade,x-a');
	assert.equal(r.response.block, 'upgrade\na\nx-a\nb\ncontent-type\ntext/plain;charset=UTF-8\n');
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
	assert.deepEqual(i.told('fetch')[0].slice(7), [2, -1]);
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

test('an upload says how long it is wherever that is known', () => {
	const length = (body) => {
		const i = new Instance().load(answering(`const text = 'x'.repeat(9000); const feed = new ReadableStream({ start(c) { c.enqueue(new Uint8Array(7)); c.close() } }); await fetch('http://o.example/', { method: 'POST', body: ${body}, duplex: 'half' })`));
		i.request({ method: 'POST', body: Buffer.from('hello'), headers: '' });
		return i.told('fetch')[0].slice(7);
	};
	assert.deepEqual(length('feed'), [2, -1]);
	assert.deepEqual(length('new FixedLengthStream(70).readable'), [2, 70]);
	assert.deepEqual(length('new FixedLengthStream(70n).readable'), [2, 70]);
	assert.deepEqual(length('new Response(new FixedLengthStream(70).readable).clone().body'), [2, 70]);
	assert.deepEqual(length('new Request("http://o.example/", { method: "PUT", body: new FixedLengthStream(70).readable, duplex: "half" }).clone().body'), [2, 70]);
	assert.deepEqual(length('feed.pipeThrough(new FixedLengthStream(7))'), [2, 7]);
	assert.deepEqual(length('new FixedLengthStream(70).readable.pipeThrough(new IdentityTransformStream())'), [2, -1]);
	assert.equal(length('new Blob([text]).stream()')[0], 1);
	assert.equal(length('new URLSearchParams({ text })')[0], 1);
});
test('a stream of a fixed length takes bytes, all of them and no more', () => {
	const i = new Instance().load(answering(`const out = [];
		for (const [n, parts] of [[3, [1, 2]], [3, [1]], [3, [2, 2]], [0, []], [0, [1]], [3, [3, 1]], [2, ['text']]]) {
			const s = new FixedLengthStream(n); let got = 0;
			const read = (async () => { const r = s.readable.getReader(); for (;;) { const { done, value } = await r.read(); if (done) return 'whole'; got += value.length } })().catch((e) => e.message);
			const w = s.writable.getWriter(); w.closed.catch(() => {});
			for (const p of parts) w.write(typeof p === 'string' ? p : new Uint8Array(p)).catch(() => {});
			w.close().catch(() => {});
			out.push([got, await read, got]);
		}
		for (const n of [-1, 1.5, NaN, undefined, Infinity]) try { new FixedLengthStream(n); out.push('made') } catch (e) { out.push(e.name) }
		out.push(new FixedLengthStream(1) instanceof IdentityTransformStream, new FixedLengthStream(1) instanceof TransformStream, String(new FixedLengthStream(1)), FixedLengthStream.length, IdentityTransformStream.length);
		return Response.json(out)`));
	const o = JSON.parse(bodyText(i.request()));
	assert.deepEqual(o.slice(0, 7).map(([, how, got]) => [how, got]), [
		['whole', 3], ['A FixedLengthStream of 3 bytes was closed 2 short', 1], ['A FixedLengthStream of 3 bytes was given more', 2], ['whole', 0],
		['A FixedLengthStream of 0 bytes was given more', 0], ['A FixedLengthStream of 3 bytes was given more', 0], ['A chunk of this stream must be an ArrayBuffer or a view of one', 0],
	]);
	assert.deepEqual(o.slice(7), ['TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError', true, true, '[object FixedLengthStream]', 1, 0]);
});
test('Host is read from a request, listed nowhere, copied nowhere', () => {
	for (const [url, host] of [['http://example.com/a?b=//c', 'example.com'], ['https://[::1]:8443/', '[::1]:8443'], ['http://a.example:81/', 'a.example:81']]) {
		const i = new Instance().load(answering(`const h = request.headers; let set; try { h.set('host', 'x') } catch (e) { set = e.name }
			return Response.json([h.get('host'), h.get('HOST'), h.has('Host'), [...h].length, new Headers(h).has('host'), new Request('http://o.example/', request).headers.get('host'), new Request(request).headers.get('host'), request.clone().headers.get('host'), new Request(request, { headers: {} }).headers.get('host'), h.get('x-a'), new Response('', { headers: h }).headers.get('host'), set])`));
		assert.deepEqual(JSON.parse(bodyText(i.request({ url, headers: 'x-a\n1\n' }))), [host, host, true, 1, false, null, host, host, null, '1', null, 'TypeError']);
	}
});
test('Content-Length of a request is its body\'s, listed nowhere, copied nowhere', () => {
	const i = new Instance().load(answering(`const h = request.headers; const of = (r) => r.headers.get('content-length')
		return Response.json([h.get('content-length'), h.has('Content-Length'), [...h].length, new Headers(h).has('content-length'), of(new Request('http://o.example/', { method: 'POST', headers: h, body: 'ab' })), of(request.clone()), h.get('content-length')])`));
	const seen = (request) => JSON.parse(bodyText(i.request({ method: 'POST', inline: request.body !== null, ...request })));
	assert.deepEqual(seen({ body: Buffer.from('hello') }), ['5', true, 0, false, null, '5', '5']);
	assert.deepEqual(seen({ body: null }), [null, false, 0, false, null, null, null]);
});
test('Host of a subrequest is its URL\'s, in whatever way it is said', () => {
	const ways = {
		object: `fetch(U, { headers: { HOST: V } })`, pairs: `fetch(U, { headers: [['host', V]] })`, headers: `fetch(U, { headers: new Headers({ host: V }) })`,
		set: `(() => { const r = new Request(U); r.headers.set('Host', V); return fetch(r) })()`, append: `(() => { const r = new Request(U); r.headers.append('Host', V); return fetch(r) })()`,
		copied: `fetch(new Request(new Request(U, { headers: { host: V } })))`, init: `fetch(new Request(U, { headers: { host: V } }), { method: 'POST' })`, cloned: `fetch(new Request(U, { headers: { host: V } }).clone())`,
		taken: `fetch(U, { headers: new Request(U, { headers: { host: V } }).headers })`,
	};
	for (const way in ways) {
		const run = (U, V) => {
			const i = new Instance().load(answering(`const U = ${JSON.stringify(U)}, V = ${JSON.stringify(V)}; new Request('http://warm.example/', { headers: { HOST: V } }); return ${ways[way]}.then(() => new Response('sent'), (e) => new Response(e.name + ' ' + e.message))`));
			const r = i.request();
			if (i.told('fetch').length) {
				assert.equal(i.told('fetch')[0][5].includes('host'), false);
				head(i, 1);
			}
			return bodyText(r);
		};
		for (const v of ['o.example', 'O.Example', 'o.example:80']) assert.equal(run('http://o.example/', v), 'sent', way);
		assert.equal(run('https://o.example:8443/x', 'o.example:8443'), 'sent', way);
		for (const [u, v] of [['http://o.example/', 'other.example'], ['http://o.example/', 'o.example:443'], ['https://o.example/', 'o.example:80'], ['http://o.example/', '']])
			assert.match(run(u, v), /^TypeError The header Host of a subrequest is the host of its URL \(o\.example\) and cannot be/, way);
	}
	// The standard process takes another one; Host of an answer means nothing.
	const copied = new Instance().load(answering(`return fetch(new Request(new Request(request)).clone())`));
	copied.request({ headers: 'x-a\n1\n' });
	assert.equal(copied.told('fetch')[0][5], 'x-a\n1\n');
	const i = new Instance().load(answering(`const r = new Request(request, { headers: { host: 'v.example', 'x-a': '1' } }); const out = new Response('', { headers: { host: 'v.example', 'x-a': '1' } }); await fetch(r); return out`));
	const r = i.request();
	assert.equal(i.told('fetch')[0][5], 'host\nv.example\nx-a\n1\n');
	head(i, 1);
	assert.equal(r.response.block, 'x-a\n1\ncontent-type\ntext/plain;charset=UTF-8\n');
});
test('a head that the engine refuses fails the request instead of leaving it without an answer', () => {
	for (const body of [`'text'`, `null`, `new Uint8Array(3)`, `new ReadableStream({ start(c) { c.close() } })`]) {
		const i = new Instance().load(answering(`event.waitUntil(new Promise(() => {})); return new Response(${body})`));
		i.refusal = 'too many fields';
		const r = i.request();
		assert.equal(r.failed?.message, 'too many fields', body);
	}
});
test('text of a body whose coding nobody has undone is an error, its bytes are not', () => {
	const ask = (coding, init, how) => {
		const i = new Instance().load(answering(`const r = await fetch('http://o.example/'${init}); try { return new Response('read ' + (await r.${how}()).length) } catch (e) { return new Response(e.message) }`));
		const r = i.request();
		head(i, 1, { block: `content-encoding\n${coding}\n`, body: true, length: 3 });
		if (i.told('pull').length) i.turn(1, () => i.hooks.bodyData(3, i.u8([34, 97, 34]), true));
		return bodyText(r);
	};
	for (const coding of ['br', 'gzip, br', 'ZSTD']) for (const how of ['text', 'json']) assert.match(ask(coding, '', how), new RegExp(`^The body is coded with ${coding}, which ${how}\\(\\) cannot read`));
	assert.equal(ask('br', `, { decompress: 'manual' }`, 'text'), 'read 3');
	assert.equal(ask('br', '', 'bytes'), 'read 3');
	for (const coding of ['identity', 'utf-8', 'none']) assert.equal(ask(coding, '', 'text'), 'read 3');
});
test('what is wished of the cache reaches the node as lines, of er and of cf, with the request as it came too', () => {
	const wishes = `{ cacheKey: 'k ü', cacheTtl: 60.7, cacheTtlByStatus: { '200-299': 86400, 404: -5 }, cacheTags: ['a', ' b c '], cacheEverything: 1, resolveOverride: 'eu.example' }`;
	const lines = 'key\nk ü\nttl\n60\nstatus\n200-299=86400\nstatus\n404-404=-1\ntag\na\ntag\n b c \neverything\n1\nresolve\neu.example\n';
	const unordered = (text) => text.split('\n').sort().join();
	for (const name of ['er', 'cf']) {
		let i = new Instance().load(answering(`return fetch('http://o.example/', { ${name}: ${wishes} })`));
		i.request();
		assert.equal(unordered(i.told('fetch')[0][9]), unordered(lines));
		i = new Instance().load(answering(`return fetch(request, { ${name}: ${wishes} })`));
		i.request();
		assert.equal(i.told('fetchRequest').length, 1, 'nothing of the request is copied');
		assert.equal(unordered(i.told('fetchRequest')[0][4]), unordered(lines));
	}
	const i = new Instance().load(answering(`return fetch(new Request('http://o.example/', { er: { cacheTtl: 1 }, cf: { cacheTtl: 2, cacheKey: 'x' } }))`));
	i.request();
	assert.equal(i.told('fetch')[0][9], 'key\nx\nttl\n1\n');
	for (const nothing of ['{}', '{ er: {} }', '{ cf: { minify: {} } }', '{ er: { cacheEverything: false } }', '{ er: null, cf: undefined }']) {
		const n = new Instance().load(answering(`return fetch('http://o.example/', ${nothing})`));
		n.request();
		assert.equal(n.told('fetch')[0].length, 9, nothing);
	}
});
test('a wish that cannot be meant is refused before anything is asked', () => {
	const wrong = ["{ cacheKey: '' }", "{ cacheKey: 'a\\nb' }", "{ cacheKey: 'x'.repeat(5000) }", "{ cacheTtl: 'soon' }", '{ cacheTtlByStatus: 5 }', "{ cacheTtlByStatus: { '2xx': 1 } }", "{ cacheTtlByStatus: { '300-200': 1 } }", "{ cacheTags: 'a' }", "{ cacheTags: ['a,b'] }", "{ cacheTags: ['a\\r\\nx: y'] }", "{ cacheTags: Array(101).fill('a') }", "{ resolveOverride: '' }", '7'];
	for (const wishes of wrong) {
		const i = new Instance().load(answering(`try { await fetch('http://o.example/', { er: ${wishes} }) } catch (e) { return new Response(e.name) } return new Response('asked')`));
		const r = i.request();
		assert.equal(bodyText(r), 'TypeError', wishes);
		assert.equal(i.told('fetch').length, 0);
	}
});
test('response.info says what the cache did, of answers of the standard process alone', () => {
	const look = (code, block) => {
		const i = new Instance().load(answering(`const r = await ${code}; return Response.json(r.info?.cache ?? null)`));
		const r = i.request({ url: 'http://a.example/p' });
		head(i, 1, { urls: null, block });
		return JSON.parse(bodyText(r));
	};
	const hit = 'age\n7\ncache-status\nother; hit, EdgeRoutine; hit; ttl=53\n';
	assert.deepEqual(look('fetch(request)', hit), { hit: true, age: 7, ttl: 53, key: 'http://a.example/p', stored: false, collapsed: false, forwarded: null, why: null });
	assert.deepEqual(look("fetch(request, { er: { cacheKey: 'mine' } })", 'cache-status\nEdgeRoutine; fwd=uri-miss; fwd-status=200; stored; collapsed; ttl=9\n'), { hit: false, age: 0, ttl: 9, key: 'mine', stored: true, collapsed: true, forwarded: 'uri-miss', why: null });
	assert.equal(look('fetch(request)', 'cache-status\nEdgeRoutine; fwd=uri-miss; fwd-status=200; detail=private\n').why, 'private');
	assert.equal(look("fetch('http://o.example/')", hit), null, 'another server may say what it likes');
	const made = new Instance().load(answering('return new Response(String(new Response("x").info))'));
	assert.equal(bodyText(made.request()), 'undefined');
});
test('classic: headers of a fetched response can be changed, and a changed head is said again', () => {
	for (const [compat, code, expected] of [[4, `r.headers.set('x-a', '2')`, [200, 4 | 64, 'x-a\n2\n']], [4, `r.headers.get('x-a')`, [200, 4 | 32 | 64, 'x-a\n1\n']], [4, `r.headers.set('x-a', '1')`, [200, 4 | 32 | 64, 'x-a\n1\n']]]) {
		const i = new Instance({ compat }).load(answering(`const r = await fetch('http://o.example/'); ${code}; return r`));
		const r = i.request();
		head(i, 1, { status: 200, block: 'x-a\n1\n', body: true });
		assert.deepEqual([r.response.status, r.response.flags, r.response.block], expected, code);
	}
	const i = new Instance().load(answering(`const r = await fetch('http://o.example/'); try { r.headers.set('x-a', '2') } catch (e) { return new Response(e.message) }`));
	const r = i.request();
	head(i, 1);
	assert.match(bodyText(r), /immutable/);
});
test('classic: a copy of a response whose headers were changed is not taken for the fetched one', () => {
	const i = new Instance({ compat: 4 }).load(answering(`const r = await fetch('http://o.example/'); r.headers.set('x-a', '2'); return r.clone()`));
	const r = i.request();
	head(i, 1, { status: 200, block: 'x-a\n1\n' });
	assert.deepEqual([r.response.block, r.response.flags & 32], ['x-a\n2\n', 0]);
});
test('classic: GET and HEAD have a body that is not sent; without the switch they have none', () => {
	const code = `const q = new Request('http://o.example/', { method: M, body: 'x', headers: { 'content-length': '1', 'x-a': '1' } }); const p = fetch(q); return new Response(String(q.bodyUsed))`;
	for (const method of ['GET', 'HEAD', 'POST']) {
		const i = new Instance({ compat: 4 }).load(`const M = '${method}';${answering(code)}`);
		assert.equal(bodyText(i.request()), 'true');
		const [, , , said, , block, , flags, body] = i.told('fetch')[0];
		assert.deepEqual([said, flags, body === undefined, /content-length/.test(block), /x-a/.test(block)], method === 'POST' ? ['POST', 1, false, true, true] : [method, 0, true, false, true]);
	}
	const i = new Instance().load(answering(`try { new Request('http://o.example/', { body: 'x' }) } catch (e) { return new Response(e.message) }`));
	assert.match(bodyText(i.request()), /A request with method GET cannot have a body/);
});
test('classic: a TransformStream holds an eighth of the memory', () => {
	for (const [compat, expected] of [[4, `${16384 * 128 - 5}`], [0, '-1']]) {
		const i = new Instance({ compat, memoryKb: 16384 }).load(answering(`let c; const t = new TransformStream({ start(controller) { c = controller } }); const n = compat => c.desiredSize; t.writable.getWriter().write(new Uint8Array(5)).catch(() => {}); if (c.desiredSize <= 0) c.enqueue(new Uint8Array(5)); await 0; await 0; await 0; await 0; await 0; await 0; await 0; await 0; return new Response(String(c.desiredSize))`));
		assert.equal(bodyText(i.request()), expected);
	}
});
