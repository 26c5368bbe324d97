import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText, run } from './mock-er.mjs';

const answering = (code) => `addEventListener('fetch', (event) => event.respondWith((async () => { const { request } = event; ${code} })()))`;
const feed = (i, owner, key, text, fin) => i.turn(owner, () => i.hooks.bodyData(key, text === undefined ? undefined : i.u8(Buffer.from(text)), fin));

test('an upload that came with the head is read without asking for bytes and without the streams script', () => {
	const i = new Instance().load(answering(`const a = await request.json(); return new Response(JSON.stringify([a.x, request.bodyUsed]))`));
	const r = i.request({ method: 'POST', body: Buffer.from('{"x":1}'), inline: true });
	assert.equal(bodyText(r), '[1,true]');
	assert.deepEqual(i.told('pull'), []);
	assert.deepEqual(i.lazyLoaded, []);
});
test('a body can be read once', () => {
	assert.match(run(`await request.text(); try { await request.text() } catch (e) { return e.name + e.message }`, { method: 'POST', body: Buffer.from('x'), inline: true }), /TypeError.*already been used/);
});
test('a long upload is pulled through a window and text spans chunks', () => {
	const i = new Instance().load(answering(`return new Response(await request.text())`));
	const r = i.request({ method: 'POST', body: Buffer.alloc(0) });
	assert.deepEqual(i.told('pull'), [['pull', 2, 65536]]);
	const bytes = Buffer.from('x'.repeat(40000) + 'é');
	i.turn(1, () => i.hooks.bodyData(2, i.u8(bytes.subarray(0, 40001)), false));
	assert.equal(i.told('pull').length, 2);
	i.turn(1, () => i.hooks.bodyData(2, i.u8(bytes.subarray(40001)), true));
	assert.equal(bodyText(r), bytes.toString());
	assert.ok(r.over);
});
test('an upload that breaks off rejects the read with the reason', () => {
	const i = new Instance().load(answering(`try { await request.text() } catch (e) { return new Response(e.message) }`));
	const r = i.request({ method: 'POST', body: Buffer.alloc(0) });
	i.turn(1, () => i.hooks.bodyFail(2, 'client-gone'));
	assert.match(bodyText(r), /broke off: the client went away/);
});
test('request.body is a byte stream with back-pressure: nothing is asked for until somebody reads', () => {
	const i = new Instance().load(answering(`const out = []; for await (const c of request.body) out.push(new TextDecoder().decode(c)); return new Response(out.join('|'))`));
	const r = i.request({ method: 'POST', body: Buffer.alloc(0) });
	feed(i, 1, 2, 'ab', false);
	feed(i, 1, 2, 'cd', false);
	feed(i, 1, 2, undefined, true);
	assert.equal(bodyText(r), 'ab|cd');
});
test('a BYOB reader reads the upload', () => {
	const i = new Instance().load(answering(`const reader = request.body.getReader({ mode: 'byob' }); const { value } = await reader.read(new Uint8Array(3)); return new Response(value)`));
	const r = i.request({ method: 'POST', body: Buffer.alloc(0) });
	feed(i, 1, 2, 'abcdef', true);
	assert.equal(bodyText(r), 'abc');
});

for (const [name, code] of Object.entries({
	'the answer of a fetch returned as it is': `return fetch('http://origin.example/')`,
	'new Response(res.body, res)': `const res = await fetch('http://origin.example/'); const copy = new Response(res.body, res); copy.headers.set('x-added', '1'); return copy`,
	'new Response(res.body, {headers})': `const res = await fetch('http://origin.example/'); return new Response(res.body, { headers: res.headers, status: res.status })`,
}))
	test(`relayed natively, no byte and no streams script in the engine: ${name}`, () => {
		const i = new Instance().load(answering(code));
		const r = i.request();
		const [, fid, owner, method, url] = i.told('fetch')[0];
		assert.deepEqual([owner, method, url], [1, 'GET', 'http://origin.example/']);
		i.turn(1, () => i.hooks.subHead(fid, 203, 'Fine', 'content-type\ntext/html\nx-a\nb\n', url, true, -1));
		assert.equal(r.response.status, 203);
		// the node may know the head of what nobody made anew
		assert.equal(r.response.flags, name.startsWith('new') ? 4 | 64 : 4 | 32 | 64);
		assert.equal(r.response.key, fid * 2 + 1);
		assert.match(r.response.block, /^content-type\ntext\/html\nx-a\nb\n/);
		assert.deepEqual(i.told('pull'), []);
		assert.deepEqual(i.lazyLoaded, []);
		assert.ok(r.over);
	});
for (const [name, code] of Object.entries({
	'fetch(request)': `return fetch(request)`,
	'fetch(url, {body: request.body})': `return fetch('http://o.example/', { method: 'POST', body: request.body })`,
	'fetch(new Request(request))': `return fetch(new Request(request, { headers: { a: 'b' } }))`,
}))
	test(`an upload is relayed natively: ${name}`, () => {
		const i = new Instance().load(answering(code));
		i.request({ method: 'POST', body: Buffer.alloc(0), headers: 'x-a\nb\n' });
		if (name === 'fetch(request)') assert.deepEqual(i.told('fetchRequest').map(c => c.slice(1)), [[1, 1, 9]]);
		else assert.deepEqual(i.told('fetch')[0].slice(7), [4, 2]);
		assert.deepEqual(i.told('pull'), []);
	});
test('new Response(request.body) echoes natively', () => {
	const i = new Instance().load(answering(`return new Response(request.body)`));
	const r = i.request({ method: 'POST', body: Buffer.alloc(0) });
	assert.deepEqual([r.response.flags, r.response.key], [68, 2]);
	assert.deepEqual(i.lazyLoaded, []);
});
/** An instance whose handler has the answer `r` of a fetch: the mock's node has said its head. */
function withAnswer(code, more = {}) {
	const i = new Instance().load(answering(`const r = await fetch('http://origin.example/'); ${code}`));
	const r = i.request(more);
	const fid = i.told('fetch')[0][1];
	i.turn(1, () => i.hooks.subHead(fid, 200, 'OK', 'content-type\ntext/plain\n', 'http://origin.example/', true, 10));
	return { i, r, fid };
}
test('a clone of an unread answer is made in the node, and the answer is relayed without a byte in the engine', () => {
	const { i, r, fid } = withAnswer(`const copy = r.clone(); event.waitUntil(copy.text().then((t) => console.log(t))); return r`);
	assert.deepEqual(i.told('clone'), [['clone', fid + 1, 1, fid * 2 + 1]]);
	assert.deepEqual([r.response.flags, r.response.key], [4 | 32, fid * 2 + 1]);
	assert.deepEqual(i.told('pull'), [['pull', (fid + 1) * 2 + 1, 65536]]);
	assert.deepEqual(i.lazyLoaded, []);
	feed(i, 1, (fid + 1) * 2 + 1, 'copied', true);
	assert.deepEqual(i.told('log').map((c) => c[2]), ['copied']);
	assert.ok(r.over);
});
test('clones of clones, and of a body whose stream was looked at, are made in the node as well', () => {
	const { i, r, fid } = withAnswer(`const b = r.body, one = r.clone(), two = one.clone(); return new Response(JSON.stringify([b.locked, r.body === b, r.bodyUsed, await two.text(), await one.text(), await r.text()]))`);
	assert.deepEqual(i.told('clone').map((c) => c.slice(1)), [[fid + 1, 1, fid * 2 + 1], [fid + 2, 1, (fid + 1) * 2 + 1]]);
	for (const n of [fid + 2, fid + 1, fid]) feed(i, 1, n * 2 + 1, `${n - fid}`, true);
	assert.equal(bodyText(r), JSON.stringify([true, false, false, '2', '1', '0']));
});
test('the clone of an upload is made in the node, unless all of it came with the head', () => {
	const code = `const copy = request.clone(); return new Response(copy.body)`;
	const i = new Instance().load(answering(code));
	const r = i.request({ method: 'POST', body: Buffer.alloc(0) });
	assert.deepEqual(i.told('clone'), [['clone', 1, 1, 2]]);
	assert.deepEqual([r.response.flags & 4, r.response.key], [4, 3]);
	const inline = new Instance().load(answering(code));
	assert.equal(bodyText(inline.request({ method: 'POST', body: Buffer.from('all'), inline: true })), 'all');
	assert.deepEqual(inline.told('clone'), []);
});
test('a clone that the node cannot make fails where it is read, whenever the node says so', () => {
	const { i, r, fid } = withAnswer(`const copy = r.clone(); await new Promise((f) => setTimeout(f, 1)); const said = await copy.text().catch((e) => e.name + ': ' + e.message); const again = await copy.text().catch((e) => e.name); return new Response(said + again)`);
	i.turn(1, () => i.hooks.bodyFail((fid + 1) * 2 + 1, 'behind'));
	i.runTimers();
	assert.match(bodyText(r), /^TypeError: The body of the response broke off: it is a copy, .*TypeError$/);
	assert.deepEqual(i.told('pull'), []);
});
test('a clone of what has been read from stays in JavaScript', () => {
	const { i, r } = withAnswer(`const piped = new Response(r.body.pipeThrough(new TransformStream())), copy = piped.clone(); return new Response(JSON.stringify([await piped.text(), await copy.text()]))`);
	feed(i, 1, 3, 'ab', true);
	assert.equal(bodyText(r), '["ab","ab"]');
	assert.deepEqual(i.told('clone'), []);
});
test('an abort of the fetch ends its clones that are unread or being read, and no other', () => {
	const i = new Instance().load(answering(`const c = new AbortController(), r = await fetch('http://origin.example/', { signal: c.signal }), a = r.clone(), b = a.clone(), d = b.clone(); fetch('http://other.example/', { method: 'PUT', body: d.body }); const all = [r.text(), a.text()].map((p) => p.catch((e) => e.name)); c.abort(); all.push(b.text().catch((e) => e.name)); return new Response(JSON.stringify(await Promise.all(all)))`));
	const r = i.request();
	i.turn(1, () => i.hooks.subHead(1, 200, 'OK', '', 'http://origin.example/', true, -1));
	assert.equal(bodyText(r), JSON.stringify(Array(3).fill('AbortError')));
	assert.deepEqual(i.told('bodyCancel').map((c) => c[1]).sort(), [5, 7]);
	assert.deepEqual(i.told('fetchCancel').map((c) => c[1]), [1]);
});
test('what is left of clones when the request ends holds nothing', () => {
	const { i, r } = withAnswer(`globalThis.kept = r.clone(); return r`);
	assert.ok(r.over);
	i.turn(1, () => i.hooks.bodyFail(5, 'cancelled')); // late: nobody is there
	assert.equal(i.told('exception').length, 0);
});
test('a body somebody has begun to read is not relayed but streamed on', () => {
	const i = new Instance().load(answering(`const res = await fetch('http://o.example/'); const [a, b] = res.body.tee(); a.cancel(); return new Response(b)`));
	const r = i.request();
	i.turn(1, () => i.hooks.subHead(1, 200, '', '', 'http://o.example/', true, -1));
	assert.equal(r.response.flags, 2);
	feed(i, 1, 3, 'abc', true);
	assert.deepEqual(i.told('write').map((c) => c[2].toString()), ['abc']);
	assert.equal(i.told('end').length, 1);
	assert.ok(r.over);
});
test('a streamed answer keeps within the credit the node gave, and is over at its end', () => {
	const i = new Instance().load(answering(`return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(100000)); c.close() } }))`));
	const r = i.request();
	assert.equal(r.response.flags, 2);
	const sent = () => i.told('write').reduce((n, c) => n + c[2].length, 0);
	assert.equal(sent(), 65536);
	i.turn(1, () => i.hooks.credit(2, 10));
	assert.equal(sent(), 65546);
	i.turn(1, () => i.hooks.credit(2, 100000));
	assert.equal(sent(), 100000);
	assert.deepEqual(i.told('end'), [['end', 2]]);
	assert.ok(r.over);
});
test('a reader that goes away cancels the routine\'s stream', () => {
	const i = new Instance().load(answering(`return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(40000)) }, cancel(e) { console.log('cancelled', e.message) } }))`));
	const r = i.request();
	i.turn(1, () => i.hooks.bodyCancel(2, 'client-gone'));
	assert.match(i.told('log')[0][2], /^cancelled .*client-gone/);
	assert.ok(r.over);
});
test('a stream that fails in the middle aborts the body and reports the error', () => {
	const i = new Instance().load(answering(`let n = 0; return new Response(new ReadableStream({ pull(c) { if (n++) throw new Error('mid'); c.enqueue(new Uint8Array(3)) } }))`));
	const r = i.request();
	assert.equal(i.told('abort').length, 1);
	assert.equal(i.told('exception')[0][3], 'mid');
	assert.ok(r.over);
});
test('a stream of something other than bytes is refused', () => {
	const i = new Instance().load(answering(`return new Response(new ReadableStream({ start(c) { c.enqueue('text'); c.close() } }))`));
	i.request();
	assert.match(i.told('exception')[0][3], /must be a Uint8Array/);
});
test('ignore drains natively', () => {
	const i = new Instance().load(answering(`const res = await fetch('http://o.example/'); await res.ignore(); return new Response(String(res.bodyUsed))`));
	const r = i.request();
	i.turn(1, () => i.hooks.subHead(1, 200, '', '', 'http://o.example/', true, 5));
	assert.equal(bodyText(r), 'true');
	assert.deepEqual(i.told('drain'), [['drain', 3]]);
});
test('bodies of every kind give their bytes and their content type', () => {
	assert.deepEqual(
		run(`const out = [];
		for (const b of ['é', new Uint8Array([65, 66]).buffer, new DataView(new ArrayBuffer(2), 1), new Blob(['x', new Uint8Array([121])], { type: 'A/B' }), new URLSearchParams('a=b c'), new BufferStream('buf'), 5]) {
			const r = new Response(b); out.push([r.headers.get('content-type'), await r.text()]);
		} return out`),
		[['text/plain;charset=UTF-8', 'é'], [null, 'AB'], [null, '\0'], ['a/b', 'xy'], ['application/x-www-form-urlencoded;charset=UTF-8', 'a=b+c'], [null, 'buf'], ['text/plain;charset=UTF-8', '5']],
	);
});
test('form data goes through multipart and back, files with names and types', () => {
	assert.deepEqual(
		run(`const f = new FormData(); f.append('a', 'x\\r\\ny'); f.append('q"', 'é'); f.append('file', new File(['\\u0000bin'], 'n"a.bin', { type: 'image/png' })); f.append('a', '2');
		const g = await new Response(f).formData(); const file = g.get('file');
		return [g.getAll('a'), g.get('q"'), file.name, file.type, await file.text(), file instanceof File, [...g.keys()]]`),
		[['x\r\ny', '2'], 'é', 'n"a.bin', 'image/png', '\0bin', true, ['a', 'q"', 'file', 'a']],
	);
});
test('an urlencoded form is parsed', () => {
	assert.deepEqual(run(`const f = await request.formData(); return [...f]`, { method: 'POST', body: Buffer.from('a=1&b=%C3%A9+x&a=2'), inline: true, headers: 'content-type\napplication/x-www-form-urlencoded\n' }), [['a', '1'], ['b', 'é x'], ['a', '2']]);
});
test('a malformed form is an error, not a crash', () => {
	for (const body of ['', '--x', '--x\r\n', '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n', 'garbage', '--x\r\n\r\n\r\n--x--', '--x--'])
		assert.match(run(`try { return (await request.formData()) && 'ok' } catch (e) { return e.name }`, { method: 'POST', body: Buffer.from(body), inline: true, headers: 'content-type\nmultipart/form-data; boundary=x\n' }), /TypeError|ok/);
});
test('clones can both be read', () => {
	assert.deepEqual(run(`const c = request.clone(); const r = new Response('r'); const rc = r.clone(); return [await c.text(), await request.text(), await rc.text(), await r.text()]`, { method: 'POST', body: Buffer.from('q'), inline: true }), ['q', 'q', 'r', 'r']);
});
test('a null body stays null and its reads are empty', () => {
	assert.deepEqual(run(`const r = new Response(null); return [r.body, await r.text(), r.bodyUsed, (await new Response().arrayBuffer()).byteLength]`), [null, '', false, 0]);
});
test('statuses without a body refuse one', () => {
	assert.equal(run(`try { new Response('x', { status: 204 }) } catch (e) { return e.name }`), 'TypeError');
	assert.equal(run(`try { new Response('', { status: 700 }) } catch (e) { return e.name }`), 'RangeError');
});
test('lone surrogates become U+FFFD and cut nothing off', () => {
	const i = new Instance().load(answering(`console.log('a\\ud800b', new TextEncoder().encode('\\ud800x').length, await new Response('q\\udc00r').text()); return new Response('x\\ud800y')`));
	const r = i.request();
	assert.equal(bodyText(r), 'x\ufffdy');
	assert.equal(i.told('log')[0][2], 'a\ufffdb 4 q\ufffdr');
});

test('a query is read as the URL standard says, whatever it is made of', () => {
	const pieces = ['a', 'b', '=', '&', '+', '%', '%20', '%2', '%zz', '%41', '%26', '%3D', '%C3%A9', '%c3', '%e2%82%ac', '%ff', '%00', 'é', '🦊', '?', '#', ';'];
	let state = 1;
	const random = (n) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % n;
	const queries = Array.from({ length: 3000 }, () => Array.from({ length: random(12) }, () => pieces[random(pieces.length)]).join(''));
	const there = run(`return ${JSON.stringify(queries)}.map((q) => [...new URLSearchParams(q)])`);
	const decode = (s) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(Buffer.from(s.replaceAll('+', ' ')).toString('latin1').replace(/%([0-9a-f]{2})/gi, (all, digits) => String.fromCharCode(parseInt(digits, 16))), 'latin1'));
	const pair = (piece) => (piece.includes('=') ? [piece.slice(0, piece.indexOf('=')), piece.slice(piece.indexOf('=') + 1)] : [piece, '']).map(decode);
	queries.forEach((q, i) => assert.deepEqual(there[i], q.replace(/^\?/, '').split('&').filter((piece) => piece !== '').map(pair), q));
});

test('a query of very many names without a value is read in one pass', () => {
	assert.equal(run(`return new URLSearchParams('a&'.repeat(200000)).size`), 200000);
});
