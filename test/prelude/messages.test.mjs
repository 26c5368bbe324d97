// MessageChannel, and what can be transferred.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText, run } from './mock-er.mjs';

test('messages arrive in order, each in a turn of its own, after start', () => {
	assert.deepEqual(run(`
		const { port1, port2 } = new MessageChannel();
		const seen = [];
		port1.postMessage('early');
		const all = new Promise((resolve) => {
			port2.onmessage = (e) => { seen.push(e.data); Promise.resolve().then(() => seen.push('micro ' + e.data)); if (e.data === 3) setTimeout(resolve, 1); };
		});
		for (const n of [1, 2, 3]) port1.postMessage(n);
		seen.push('sync');
		await all;
		return seen;`), ['sync', 'early', 'micro early', 1, 'micro 1', 2, 'micro 2', 3, 'micro 3']);
});

test('a message has its data, its ports, and is trusted', () => {
	assert.deepEqual(run(`
		const a = new MessageChannel(), b = new MessageChannel(), buffer = new ArrayBuffer(8);
		const e = await new Promise((resolve) => { a.port2.onmessage = resolve; a.port1.postMessage({ buffer, port: b.port1 }, [buffer, b.port1]); });
		const answer = await new Promise((resolve) => { b.port2.onmessage = resolve; e.data.port.postMessage('through'); });
		return [e.isTrusted, e.constructor.name, e.data.buffer.byteLength, e.ports.length, e.data.port === e.ports[0], Object.isFrozen(e.ports), answer.data, e.origin, e.source];`),
	[true, 'MessageEvent', 8, 1, true, true, 'through', '', null]);
});

test('a port that is transferred takes along what waits in it', () => {
	assert.deepEqual(run(`
		const { port1, port2 } = new MessageChannel();
		port1.postMessage('waits');
		const moved = structuredClone(port2, { transfer: [port2] });
		const first = await new Promise((resolve) => { moved.onmessage = (e) => resolve(e.data); });
		port2.postMessage('nowhere');
		let again; try { structuredClone(port2, { transfer: [port2] }); again = 'moved'; } catch (e) { again = e.name; }
		return [first, moved instanceof MessagePort, again];`), ['waits', true, 'DataCloneError']);
});

test('a closed port gets nothing and its other end hears of it', () => {
	assert.deepEqual(run(`
		const { port1, port2 } = new MessageChannel();
		const seen = [];
		port1.onmessage = (e) => seen.push(e.data);
		port1.onclose = () => seen.push('closed');
		port2.postMessage('on its way');
		port2.close();
		port2.postMessage('late');
		port1.postMessage('nobody');
		await new Promise((resolve) => setTimeout(resolve, 5));
		return seen;`), ['on its way', 'closed']);
});

test('a port cannot be sent through itself, cloned, or made', () => {
	assert.deepEqual(run(`
		const { port1, port2 } = new MessageChannel(), out = [];
		for (const f of [() => port1.postMessage(1, [port1]), () => structuredClone(port1), () => port1.postMessage(1, [port2, port2]), () => new MessagePort(), () => port1.postMessage(() => {}), () => port1.postMessage(1, [{}]), () => port1.postMessage()])
			try { f(); out.push('went'); } catch (e) { out.push(e.name); }
		return out;`), ['DataCloneError', 'DataCloneError', 'DataCloneError', 'TypeError', 'DataCloneError', 'DataCloneError', 'TypeError']);
});

test('a message of a request that is over is not delivered to the next one', () => {
	const i = new Instance();
	i.load(`const { port1, port2 } = new MessageChannel(); const seen = [];
		port2.onmessage = (e) => seen.push(e.data);
		addEventListener('fetch', (event) => { port1.postMessage(event.request.url); event.respondWith(new Response(seen.join())); });`);
	const first = i.request({ url: 'http://example.com/1' });
	assert.equal(bodyText(first), '');
	i.runTimers();
	const second = i.request({ url: 'http://example.com/2' });
	assert.equal(bodyText(second), '');
});

test('a channel of top level takes messages of requests only: nobody would pay for others', () => {
	const i = new Instance();
	i.load(`const { port1, port2 } = new MessageChannel(); let refused, seen = 'nothing';
		port2.onmessage = (e) => (seen = e.data);
		try { port1.postMessage('top'); } catch (e) { refused = e.message; }
		new MessageChannel().port1.close();
		addEventListener('fetch', (event) => { port1.postMessage('mine'); event.respondWith(new Promise((f) => setTimeout(() => f(new Response(refused + seen)), 1))) });`);
	i.runTimers();
	assert.equal(i.timers.size, 0);
	const r = i.request();
	i.runTimers();
	assert.match(bodyText(r), /postMessage cannot be called at top level.*mine$/);
});

test('streams are transferred: the old one is locked, the new one has the chunks, cloned', () => {
	assert.deepEqual(run(`
		const chunk = { n: 1 };
		const rs = new ReadableStream({ start(c) { c.enqueue(chunk); c.close(); } });
		const moved = structuredClone(rs, { transfer: [rs] });
		const r = moved.getReader(), got = (await r.read()).value;
		const out = [rs.locked, got.n, got === chunk, (await r.read()).done];
		const sink = [], ws = new WritableStream({ write(c) { sink.push(c); }, close() { sink.push('closed'); } });
		const w = structuredClone({ ws }, { transfer: [ws] }).ws.getWriter();
		await w.write('x');
		await w.close();
		out.push(ws.locked, sink);
		return out;`), [true, 1, false, true, true, ['x', 'closed']]);
	assert.deepEqual(run(`
		const ts = new TransformStream({ transform(c, k) { k.enqueue(c + '!'); } });
		const moved = structuredClone(ts, { transfer: [ts] });
		const w = moved.writable.getWriter();
		w.write('a'); w.close();
		const r = moved.readable.getReader();
		const out = [moved instanceof TransformStream, (await r.read()).value, (await r.read()).done, ts.readable.locked, ts.writable.locked];
		for (const f of [() => structuredClone(ts, { transfer: [ts] }), () => structuredClone(moved.readable, { transfer: [moved.readable] }), () => structuredClone(new ReadableStream())])
			try { f(); out.push('went'); } catch (e) { out.push(e.name); }
		return out;`), [true, 'a!', true, true, true, 'DataCloneError', 'DataCloneError', 'DataCloneError']);
});

test('views that follow their buffer follow the clone', () => {
	assert.deepEqual(run(`
		const b = new ArrayBuffer(16, { maxByteLength: 32 });
		const views = [new Uint8Array(b), new Uint8Array(b, 4), new Uint8Array(b, 4, 12), new Uint32Array(b), new DataView(b), new DataView(b, 0, 16), new Uint32Array(b, 8, 2), new Uint16Array(b, 0, 4)];
		views[0].forEach((_, i, a) => (a[i] = i));
		const c = structuredClone(views);
		c[0].buffer.resize(32);
		return [c.map((v) => v.byteLength).join(), c[0][15], views[0][15], b.byteLength];`), ['32,28,12,32,32,16,8,8', 15, 15, 16]);
});
