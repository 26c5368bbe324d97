// CompressionStream and DecompressionStream over a mock coder: the way of chunks, demand, errors.
import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from './mock-er.mjs';

test('what is compressed and decompressed is what it was, in each format', () => {
	const lengths = run(`
		const out = [];
		for (const format of ['gzip', 'deflate', 'deflate-raw', 'brotli']) {
			const data = new TextEncoder().encode('some text '.repeat(20000));
			const stream = new Blob([data]).stream().pipeThrough(new CompressionStream(format)).pipeThrough(new DecompressionStream(format));
			out.push((await new Response(stream).text()) === 'some text '.repeat(20000));
		}
		return out;`);
	assert.deepEqual(lengths, [true, true, true, true]);
});

test('a reader that has gone tells the writer', () => {
	assert.equal(run(`
		const cs = new CompressionStream('gzip'), w = cs.writable.getWriter();
		const waiting = w.write(new Uint8Array(10)).then(() => 'written', (e) => e.message);
		await cs.readable.cancel(new Error('gone'));
		return await waiting + ' ' + await w.closed.catch((e) => e.message);`), 'gone gone');
});

test('a writer that aborts tells the reader', () => {
	assert.equal(run(`
		const cs = new CompressionStream('gzip'), r = cs.readable.getReader();
		const waiting = r.read().catch((e) => e.message);
		await cs.writable.abort(new Error('no more'));
		return waiting;`), 'no more');
});

test('bad data and chunks that are no bytes fail both sides', () => {
	assert.deepEqual(run(`
		const out = [];
		for (const chunk of ['text', 7, null, new Uint8Array([1, 2, 3])]) {
			const ds = new DecompressionStream('gzip'), w = ds.writable.getWriter(), r = ds.readable.getReader();
			w.write(chunk).catch(() => {});
			w.close().catch(() => {});
			out.push(await r.read().then(() => 'read', () => 'failed'));
			out.push(await w.closed.then(() => 'closed', () => 'failed'));
		}
		return out;`), ['failed', 'failed', 'failed', 'failed', 'failed', 'failed', 'failed', 'failed']);
});

test('a chunk waits until somebody reads, and one piece comes for each read', () => {
	assert.deepEqual(run(`
		const packed = new Uint8Array(await new Response(new Blob([new Uint8Array(300000)]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer());
		const ds = new DecompressionStream('gzip'), w = ds.writable.getWriter(), r = ds.readable.getReader();
		let done = false;
		w.write(packed).then(() => (done = true));
		await new Promise((resolve) => setTimeout(resolve, 1));
		const before = done;
		w.close();
		const sizes = [];
		for (let part; !(part = await r.read()).done; ) sizes.push(part.value.length);
		return [before, sizes];`), [false, [65536, 65536, 65536, 65536, 37856]]);
});

test('a format that is not known is a TypeError', () => {
	assert.deepEqual(run(`
		const out = [];
		for (const C of [CompressionStream, DecompressionStream]) for (const f of ['GZIP', 'zip', undefined]) try { new C(f); out.push('made'); } catch (e) { out.push(e.name); }
		return out;`), Array(6).fill('TypeError'));
});
