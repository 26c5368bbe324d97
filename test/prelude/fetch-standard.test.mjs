// What the Fetch standard says of signals, bodies and options, where a careless prelude is seen
// through.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { Instance, bodyText, run } from './mock-er.mjs';

test("a request's signal is its own and follows the one it was given", () => {
	assert.deepEqual(run(`
		const c = new AbortController(), r = new Request('https://x.example/', { signal: c.signal });
		const clone = r.clone(), copy = new Request(r), none = new Request(r, { signal: null });
		const late = new Request(r);
		const out = [r.signal !== c.signal, clone.signal !== r.signal, copy.signal !== r.signal, r.signal === r.signal];
		c.abort('why');
		return [...out, r.signal.aborted, clone.signal.reason, copy.signal.aborted, late.signal.reason, none.signal.aborted];`), [true, true, true, true, true, 'why', true, 'why', false]);
});

test('a fetch of a request whose signal follows an aborted one fails, and its body is used', () => {
	assert.deepEqual(run(`
		const c = new AbortController();
		c.abort(new Error('early'));
		let cancelled;
		const body = new ReadableStream({ cancel(reason) { cancelled = reason.message; } });
		const a = new Request('https://x.example/', { method: 'POST', body: 'text', signal: c.signal }), b = new Request('https://x.example/', { method: 'POST', body, duplex: 'half', signal: c.signal });
		const out = [];
		const failing = [fetch(a), fetch(b)];
		out.push(cancelled, a.bodyUsed);
		for (const p of failing) out.push(await p.catch((e) => e.message));
		return out;`), ['early', true, 'early', 'early']);
});

test('options that go ill together are a TypeError', () => {
	assert.deepEqual(run(`
		const out = [];
		for (const init of [{ mode: 'no-cors', method: 'PUT' }, { keepalive: true, method: 'POST', body: new ReadableStream(), duplex: 'half' }, { keepalive: true, method: 'POST', body: new Response('x').body }, { mode: 'no-cors', method: 'POST' }, { keepalive: true, method: 'POST', body: 'x' }])
			try { new Request('https://x.example/', init); out.push('made'); } catch (e) { out.push(e.name); }
		return out;`), ['TypeError', 'TypeError', 'TypeError', 'made', 'made']);
});

const ODD_STREAM = "addEventListener('fetch', (event) => { const said = []; for (const body of [new ReadableStream(), event.request.body, new Response('x').body, new Blob(['x']).stream()]) for (const duplex of [undefined, 'half']) try { new Request('https://x.example/', { method: 'POST', body, duplex }); said.push('made'); break; } catch (e) { said.push(e.name); } event.respondWith(Response.json(said)); })";
test("a stream that only JavaScript knows needs duplex: 'half' to be uploaded; a body that is passed on does not", () => {
	const ask = (compat) => JSON.parse(bodyText(new Instance({ compat }).load(ODD_STREAM).request({ method: 'POST', body: Buffer.from('hello') })));
	assert.deepEqual(ask(0), ['TypeError', 'made', 'made', 'made', 'made']);
	// the first generation knew no such option
	assert.deepEqual(ask(4), ['made', 'made', 'made', 'made']);
});

test('a subclass answers for its members and not for what is sent', () => {
	const i = new Instance().load(`class Odd extends Request { get url() { return 'https://odd.example/'; } get method() { return 'ODD'; } get headers() { return new Headers({ odd: '1' }); } get redirect() { return 'error'; } get integrity() { return 'sha256-odd'; } }
		addEventListener('fetch', (event) => {
			const odd = new Odd('https://x.example/', { method: 'POST', headers: { a: 'b' }, body: 'x' });
			fetch(new Request(odd)).catch(() => {});
			fetch(new Odd('https://x.example/', { method: 'PUT', headers: { a: 'b' } })).catch(() => {});
			event.respondWith((async () => new Response((await new Odd('https://x.example/', { method: 'PUT', body: new Blob([], { type: 'text/x' }) }).blob()).type))());
		})`);
	const r = i.request();
	assert.equal(bodyText(r), 'text/x');
	assert.deepEqual(i.told('fetch').map((c) => c.slice(3, 6)), [['POST', 'https://x.example/', 'a\nb\ncontent-type\ntext/plain;charset=UTF-8\n'], ['PUT', 'https://x.example/', 'a\nb\n']]);
});

test('options whose getters read the request leave nothing of it to be handed on', () => {
	const said = (code) => {
		const i = new Instance().load(`addEventListener('fetch', (event) => { const { request } = event; event.respondWith((async () => { try { await ${code}; return new Response('went'); } catch (e) { return new Response(e.name); } })()); })`);
		const r = i.request({ method: 'POST', body: Buffer.from('hello') });
		return [r.response && bodyText(r), i.told('fetchRequest').length, i.told('fetch').length];
	};
	assert.deepEqual(said('fetch(request, { get er() { request.text(); return { cacheTtl: 1 }; } })'), ['TypeError', 0, 0]);
	assert.deepEqual(said('fetch(request, { cf: { cacheTags: [{ toString() { request.text(); return "a"; } }] } })'), ['TypeError', 0, 0]);
	assert.deepEqual(said('fetch(request, { get er() { request.body; return { cacheTtl: 1 }; } })'), [undefined, 0, 1]);
	assert.deepEqual(said('fetch(request, { er: { cacheTtl: 1 } })'), [undefined, 1, 0]);
});

test('a then on Object.prototype does not get hold of a body', () => {
	assert.deepEqual(run(`
		const bytes = (text) => new TextEncoder().encode(text), bye = bytes('bye');
		const stream = () => new ReadableStream({ start(c) { c.enqueue(bytes('hello')); c.close(); } });
		const response = new Response(stream());
		let asked = 0;
		Object.defineProperty(Object.prototype, 'then', { configurable: true, get() { asked++; return undefined; } });
		const text = await response.text();
		delete Object.prototype.then;
		return [text, asked];`), ['hello', 0]);
});

test('an upload whose stream yields an ArrayBuffer fails, an answer may have one', () => {
	const i = new Instance();
	i.load(`let failed; addEventListener('fetch', (event) => {
		const stream = () => new ReadableStream({ start(c) { c.enqueue(new ArrayBuffer(3)); c.close(); } });
		fetch('https://x.example/', { method: 'POST', body: stream(), duplex: 'half' }).catch((e) => (failed = e.name));
		event.respondWith(new Promise((resolve) => setTimeout(() => resolve(new Response(stream(), { headers: { 'x-failed': String(failed) } })), 5)));
	});`);
	const r = i.request();
	i.runTimers();
	assert.match(r.response.block, /x-failed\nTypeError/);
	assert.deepEqual(i.told('write').map(([, , bytes]) => bytes.length), [3]);
});

test('an answer is held to its integrity', () => {
	const ask = (integrity, body) => {
		const i = new Instance();
		i.load(`addEventListener('fetch', (event) => event.respondWith(fetch('https://x.example/', { integrity: ${JSON.stringify(integrity)} }).then(async (r) => new Response(await r.text() + ' ' + r.status), (e) => new Response(e.name))));`);
		const r = i.request();
		const [, fid] = i.told('fetch')[0];
		i.turn(r.id, () => i.hooks.subHead(fid, 200, 'OK', 'content-type\ntext/plain\n', undefined, true, body.length));
		i.turn(r.id, () => i.hooks.bodyData(fid * 2 + 1, i.u8(Buffer.from(body)), true));
		return bodyText(r);
	};
	const of = (hash, text) => `${hash}-${createHash(hash).update(text).digest('base64')}`;
	assert.equal(ask(of('sha256', 'hello'), 'hello'), 'hello 200');
	assert.equal(ask(of('sha256', 'hello'), 'hullo'), 'TypeError');
	assert.equal(ask(`${of('sha256', 'other')} ${of('sha512', 'hello')}?option`, 'hello'), 'hello 200');
	assert.equal(ask(`${of('sha256', 'hello')} ${of('sha512', 'other')}`, 'hello'), 'TypeError');
	assert.equal(ask(`${of('sha384', 'a')}\t${of('sha384', 'hello')}`, 'hello'), 'hello 200');
	assert.equal(ask('md5-abc nonsense', 'hello'), 'hello 200');
	assert.equal(ask(of('sha512', 'hello').replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_'), 'hello'), 'hello 200');
});

test('a data: URL asked by HEAD has no body', () => {
	assert.deepEqual(run(`const r = await fetch('data:text/plain,hello', { method: 'HEAD' }); return [r.body, await r.text(), r.headers.get('content-type')];`), [null, '', 'text/plain']);
});
