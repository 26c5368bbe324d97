import assert from 'node:assert/strict';
import test from 'node:test';
import vm from 'node:vm';
import { Instance, bodyText, sources } from './mock-er.mjs';

// Replaces every method of the built-in prototypes by one that throws (and would leak its
// arguments), then does ordinary things.
const VANDAL = `
	globalThis.stolen = [];
	const protos = [Object.prototype, Array.prototype, String.prototype, Map.prototype, Set.prototype, WeakMap.prototype, RegExp.prototype, Promise.prototype,
		Object.getPrototypeOf(Uint8Array.prototype), ArrayBuffer.prototype, Number.prototype, Object, Array, Reflect, JSON, Math, Promise,
		Object.getPrototypeOf(new Map()[Symbol.iterator]())]; // not the arrays' iterator: where the standard takes an iterable, it is the routine's to define
	const keep = new Set(['constructor', '__proto__', 'resolve', '__defineGetter__', '__defineSetter__', '__lookupGetter__', '__lookupSetter__']);
	const { defineProperty, getOwnPropertyNames, getOwnPropertyDescriptor } = Object;
	const names = protos.map((p) => getOwnPropertyNames(p).filter((n) => !keep.has(n) && typeof getOwnPropertyDescriptor(p, n).value === 'function' && getOwnPropertyDescriptor(p, n).configurable));
	for (let i = 0; i < protos.length; i++)
		for (let j = 0; j < names[i].length; j++) {
			const n = names[i][j];
			defineProperty(protos[i], n, { value: function () { stolen[stolen.length] = n; throw new Error('vandal: ' + n) }, configurable: true });
		}
	defineProperty(Function.prototype, 'call', { value() { stolen[stolen.length] = 'call'; throw new Error('vandal: call') } });
	defineProperty(Function.prototype, 'apply', { value() { stolen[stolen.length] = 'apply'; throw new Error('vandal: apply') } });
	defineProperty(Function.prototype, 'bind', { value() { stolen[stolen.length] = 'bind'; throw new Error('vandal: bind') } });
`;
const cases = {
	hello: `return new Response('ok')`,
	headers: `return new Response(request.headers.get('x-a'), { headers: { 'X-B': 'c' } })`,
	'headers object': `const h = new Headers(request.headers); h.append('q', '1'); h.set('q', '2'); h.delete('x-a'); return new Response(h.get('q'), { headers: h })`,
	json: `return Response.json({ a: (await request.json()).x })`,
	url: `const u = new URL(request.url); u.searchParams.append('a', 'b c'); return new Response(u.href + u.pathname + u.searchParams.get('a'))`,
	text: `return new Response(new TextDecoder().decode(new TextEncoder().encode('x')))`,
	abort: `const c = new AbortController(); let n = 0; c.signal.addEventListener('abort', () => n++); c.abort(); return new Response('' + n)`,
	timer: `await new Promise((f) => setTimeout(f, 1)); return new Response('t')`,
	console: `console.log('%s', 'x', 1); return new Response('c')`,
	blob: `return new Response(await new Blob(['a', 'b']).text())`,
	base64: `return new Response(atob(btoa('q')))`,
	redirect: `return Response.redirect('http://a.example/', 301)`,
	clone: `return new Response(structuredClone({ a: 'z' }).a)`,
	echo: `return new Response(request.body)`,
	error: `throw new TypeError('mine')`,
};
for (const [name, code] of Object.entries(cases))
	test(`a routine that breaks every built-in still gets: ${name}`, () => {
		const i = new Instance().load(`${VANDAL} addEventListener('fetch', (event) => event.respondWith((async () => { const { request } = event; ${code} })()))`);
		const r = i.request({ method: 'POST', headers: 'X-A\nva\n', body: Buffer.from('{"x":1}'), inline: true });
		i.runTimers();
		if (name === 'error') return assert.equal(r.failed.message, 'mine');
		assert.ok(r.response, `${r.failed?.message} ${r.failed?.stack}`);
	});
test('setters on indices of Array.prototype see nothing of the prelude', () => {
	const i = new Instance().load(`
		globalThis.seen = [];
		addEventListener('fetch', (event) => {
			for (let n = 0; n < 512; n++) Object.defineProperty(Array.prototype, n, { set(v) { seen.push = 1; globalThis.leaked = v ?? this; }, configurable: true });
			let last;
			for (let n = 0; n < 200; n++) last = setTimeout(() => {}, 1000);
			clearTimeout(last);
			const r = event.respondWith(new Response('kept'));
			for (let n = 0; n < 512; n++) delete Array.prototype[n];
		})`);
	const r = i.request();
	assert.equal(bodyText(r), 'kept');
	assert.equal(i.parse(vm.runInContext('JSON.stringify(typeof leaked)', i.context)), 'undefined');
});
// Every name that the prelude and its lazy scripts write anywhere, but those of property
// descriptors, whose setters would break every defineProperty. The polyfill of streams keeps its
// own in objects that the routine has anyway.
const NAMES = [...new Set(['prelude', 'messages', 'caches', 'subtle', 'patterns', 'html'].flatMap((name) => sources[name].match(/[A-Za-z_$][\w$]*/g)))].filter(
	(name) => !['get', 'set', 'value', 'writable', 'enumerable', 'configurable', '__proto__', 'constructor', 'toString', 'valueOf', 'globalThis'].includes(name) && name[0] !== '_',
);
const OBJECTS = {
	messages: `const { port1, port2 } = new MessageChannel(); const got = new Promise((f) => { port2.addEventListener('message', f); port2.start(); }); port1.postMessage({ a: [1] }); return new Response(JSON.stringify((await got).data));`,
	signals: `const c = new AbortController(), s = AbortSignal.any([c.signal]); let n = 0; s.addEventListener('abort', () => n++, { once: true }); const r = new Request('http://o.example/', { signal: s, method: 'POST', body: 'x' }); c.abort(); await fetch(r).catch(() => n++); return new Response('' + n);`,
	bodies: `const a = request.clone(), b = new Response(request.body); return new Response(await a.text() + (await b.blob()).size);`,
	streams: `const t = new TransformStream(), w = t.writable.getWriter(); w.write(new Uint8Array(3)); w.close(); return new Response(t.readable);`,
	timers: `let n = 0; const i = setInterval(() => n++, 1); await new Promise((f) => setTimeout(f, 5)); clearInterval(i); return new Response('t');`,
	forms: `const f = new FormData(); f.append('a', 'b'); f.set('c', new Blob(['x'])); const r = new Response(f); return new Response((await r.formData()).get('a'));`,
	urls: `const u = new URL('http://a.example/?q=1'); u.searchParams.set('z', '2'); return new Response(u.href + new URLPattern('/:a/b?x', 'http://a.example').exec('http://a.example/1/b?x').pathname.groups.a);`,
	keys: `const k = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); await crypto.subtle.exportKey('jwk', k); return new Response('k');`,
	errors: `const e = new ErrorEvent('error', { message: 'm' }), m = new MessageEvent('x', { data: 1 }); console.log({ e, m }, new Map([[1, 2]])); return new Response('e');`,
	fetches: `fetch('http://o.example/', { er: { cacheTtl: 1 }, headers: { a: 'b' }, method: 'PUT', body: 'x' }).catch(() => {}); fetch(request).catch(() => {}); return new Response('f', { headers: [['a', 'b']], status: 201 });`,
	clone: `return new Response(JSON.stringify(structuredClone({ a: new Map([[1, new Date(0)]]), b: [/x/g], c: new Error('e') })));`,
	html: `const rewriter = new HTMLRewriter().on('a', { element() {} }).onDocument({ end() {} }); return rewriter.transform(new Response('<a></a>', { headers: { a: 'b' } }));`,
	rejections: `addEventListener('rejectionhandled', () => {}); const p = Promise.reject(new Error('late')); await new Promise((f) => setTimeout(f, 1)); p.catch(() => {}); return new Response('r');`,
};
/** The routine that runs `code` behind setters that `set` gives, and what these were given. */
function setters(set, code, wanted) {
	const i = new Instance().load(`
		globalThis.fired = [];
		const { defineProperty } = Object, note = (it) => defineProperty(fired, fired.length, { value: it, writable: true, enumerable: true, configurable: true });
		const setter = (name, of) => defineProperty(of, name, { get() {}, set(v) { if (${wanted}) note(name); defineProperty(this, name, { value: v, writable: true, enumerable: true, configurable: true }) }, configurable: true });
		addEventListener('fetch', (event) => {
			${set}
			event.respondWith((async () => { const { request } = event; ${code} })());
		})`);
	const r = i.request({ method: 'POST', headers: 'X-A\nva\n', body: Buffer.from('{"x":1}'), inline: true });
	i.runTimers();
	if (code !== cases.error) assert.ok(r.response, `${r.failed?.message} ${r.failed?.stack}`);
	return vm.runInContext('[...new Set(fired)].join()', i.context);
}
for (const [name, code] of Object.entries({ ...cases, ...OBJECTS })) {
	test(`setters on Object.prototype for every name of the prelude are never called: ${name}`, () => {
		assert.equal(setters(`const names = ${JSON.stringify(NAMES)}; for (let i = 0; i < names.length; i++) if (!(names[i] in {})) setter(names[i], Object.prototype);`, code, 'true'), '');
	});
	// The streams of the polyfill are the routine's to break, and so are lists of its own values.
	if (name !== 'streams' && name !== 'html' && name !== 'signals' && name !== 'fetches')
		test(`setters on indices of Array.prototype are given no object of the prelude: ${name}`, () => {
			const set = 'for (let n = 0; n < 64; n++) setter(n, Array.prototype); for (let n = 0; n < 64; n++) setter(n, Object.prototype);';
			assert.equal(setters(set, code, "(typeof v === 'object' && v !== null) || typeof v === 'function'"), '');
		});
}
test('the native object is nowhere to be found', () => {
	const i = new Instance().load(`
		const seen = new Set(); const found = []; const todo = [['globalThis', globalThis]];
		while (todo.length) {
			const [path, o] = todo.pop();
			if (o === null || (typeof o !== 'object' && typeof o !== 'function') || seen.has(o)) continue;
			seen.add(o);
			for (const k of Reflect.ownKeys(o)) {
				const d = Object.getOwnPropertyDescriptor(o, k);
				if (k === 'utf8Encode' || k === 'respond' && d.value?.length === 7 || k === 'urlParts' || k === 'reqBlock') found.push(path + '.' + String(k));
				for (const v of [d.value, d.get, d.set]) todo.push([path + '.' + String(k), v]);
			}
			todo.push([path + '.__proto__', Object.getPrototypeOf(o)]);
		}
		addEventListener('fetch', (e) => e.respondWith(Response.json(found)))`);
	assert.equal(bodyText(i.request()), '[]');
});
test('constructors that are not the routine\'s to call say so', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(Response.json([AbortSignal, Crypto, Performance, Navigator, FetchEvent, ExecutionContext].map((C) => { try { new C('fetch'); return 'made' } catch (x) { return x.name } }))))`);
	assert.deepEqual(JSON.parse(bodyText(i.request())), Array(6).fill('TypeError'));
});
test('methods called on something else say so', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(Response.json([() => Headers.prototype.get.call({}, 'a'), () => URL.prototype.toString.call({}), () => Response.prototype.clone.call({}), () => Request.prototype.method, () => Blob.prototype.slice.call(1), () => FormData.prototype.get.call({}, 'a')].map((f) => { try { f(); return 'did' } catch (x) { return x.name } }))))`);
	assert.deepEqual(JSON.parse(bodyText(i.request())), Array(6).fill('TypeError'));
});
test('interfaces have the surface the web gives them', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(Response.json([
		Object.prototype.toString.call(new Headers()), Headers.length, Headers.name, Response.length, Request.length, URL.length, fetch.name, fetch.length, setTimeout.name,
		Object.keys(Headers.prototype).includes('append'), Object.getOwnPropertyDescriptor(globalThis, 'Headers').enumerable, Object.getOwnPropertyDescriptor(globalThis, 'fetch').enumerable,
		Object.prototype.toString.call(new Headers().entries()), navigator.userAgent, self === globalThis, TextDecoder.name, atob.name, structuredClone.length])))`);
	assert.deepEqual(JSON.parse(bodyText(i.request())), ['[object Headers]', 0, 'Headers', 0, 1, 1, 'fetch', 1, 'setTimeout', true, false, true, '[object Headers Iterator]', 'EdgeRoutine', true, 'TextDecoder', 'atob', 1]);
});
