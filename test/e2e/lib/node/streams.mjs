import stream, { Readable, Writable, Transform, PassThrough, Duplex, pipeline, finished } from 'node:stream'
import * as promises from 'node:stream/promises'
import consumers from 'node:stream/consumers'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'

const collect = async (s) => { const out = []; for await (const c of s) out.push(c); return out }
const upper = () => new Transform({ transform(c, e, cb) { cb(null, c.toString().toUpperCase()) } })
const als = new AsyncLocalStorage(), other = new AsyncLocalStorage()
const wait = (ms = 1) => new Promise((r) => setTimeout(r, ms))
export const cases = {
	from: () => collect(Readable.from(['a', 'b'])),
	'from bytes': () => collect(Readable.from(Buffer.from('ab'))),
	read: () => collect(new Readable({ read() { this.push('x'); this.push(null) } })),
	encoding: () => collect(Readable.from([Buffer.from([0xe2]), Buffer.from([0x82, 0xac])], { objectMode: false, encoding: 'utf8' })),
	transform: async () => (await collect(Readable.from(['a', 'b']).pipe(upper()))).map(String),
	'pipeline callback': () => new Promise((r) => { const out = []; pipeline(Readable.from(['a', 'b']), upper(), new Writable({ write(c, e, cb) { out.push(String(c)); cb() } }), (e) => r([e, out])) }),
	'pipeline promise': async () => { const out = []; await promises.pipeline(Readable.from(['a']), async function* (s) { for await (const c of s) yield c + '!' }, new Writable({ objectMode: true, write(c, e, cb) { out.push(c); cb() } })); return out },
	'pipeline error': () => promises.pipeline(Readable.from(['a']), new Transform({ transform(c, e, cb) { cb(new Error('broken')) } }), new PassThrough()),
	finished: () => new Promise((r) => { const s = new PassThrough(); finished(s, (e) => r(e)); s.resume(); s.end('x') }),
	'finished of a destroyed one': () => new Promise((r) => { const s = new PassThrough(); finished(s, (e) => r(e)); s.destroy() }),
	destroy: () => new Promise((r) => { const s = new Readable({ read() {} }), out = []; s.on('error', (e) => out.push(e.message)); s.on('close', () => r([...out, s.destroyed])); s.destroy(new Error('gone')) }),
	'write after end': () => new Promise((r) => { const s = new PassThrough(); s.on('error', r); s.end(); s.write('x') }),
	'high water': () => { const s = new Writable({ highWaterMark: 3, write(c, e, cb) { setTimeout(cb, 1) } }); return [s.write('ab'), s.write('c'), s.writableLength, s.writableHighWaterMark, s.writableNeedDrain] },
	'object mode': () => collect(Readable.from([{ a: 1 }, 2, [3]])),
	'push null in objects': () => new Promise((r) => { const s = new Readable({ read() {} }); s.on('error', r); s.push({}) }),
	duplex: async () => { const d = new Duplex({ read() { this.push('r'); this.push(null) }, write(c, e, cb) { cb() } }); d.end('w'); return (await collect(d)).map(String) },
	operators: () => Readable.from([1, 2, 3, 4]).filter((x) => x % 2).map((x) => x * 10).toArray(),
	consumers: async () => [await consumers.text(Readable.from(['a', 'b'])), await consumers.json(Readable.from(['{"a"', ':1}'])), await consumers.buffer(Readable.from([Buffer.from('x')]))],
	'to web': async () => new Response(Readable.toWeb(Readable.from(['a', 'b'], { objectMode: false }))).text(),
	'from web': async () => (await collect(Readable.fromWeb(new Response('hello').body))).map(String).join(''),
	'writable to web': async () => { const out = [], w = Writable.toWeb(new Writable({ write(c, e, cb) { out.push(String(c)); cb() } })).getWriter(); await w.write('x'); await w.close(); return out },
	events: () => new Promise((r) => { const out = [], s = new PassThrough(); for (const n of ['data', 'end', 'finish', 'close', 'pause', 'resume', 'prefinish']) s.on(n, (...a) => out.push(n, ...a.map(String))); s.on('close', () => r(out)); s.write('a'); s.end('b') }),
	statics: () => [typeof stream, stream.Stream === stream, typeof stream.Readable.from, typeof stream.promises.pipeline, Readable.prototype instanceof stream, new PassThrough() instanceof Readable, new PassThrough() instanceof Writable],
	'bad chunk': () => new PassThrough().write(5),
	'null chunk': () => new PassThrough().write(null),
	cork: () => { const out = [], s = new Writable({ writev(cs, cb) { out.push(cs.length); cb() } }); s.cork(); s.write('a'); s.write('b'); s.uncork(); return out },
	compose: () => collect(stream.compose(async function* (s) { for await (const c of s) yield String(c) + 1 }).end('x')),
	// async_hooks
	'als run': () => als.run(1, () => als.getStore()),
	'als outside': () => als.getStore(),
	'als await': () => als.run('a', async () => { await null; await wait(); return als.getStore() }),
	'als await of values': () => als.run('a', async () => { const out = []; for (const v of [1, Promise.resolve(2), { then(r) { r(als.getStore()) } }]) out.push(await v, als.getStore()); return out }),
	'als nested': () => als.run(1, async () => { const inner = als.run(2, async () => { await wait(2); return als.getStore() }); await wait(); return [als.getStore(), await inner, als.getStore()] }),
	'als interleaved': async () => { const one = (n) => als.run(n, async () => { const out = []; for (let i = 0; i < 5; i++) { await wait(i % 3); out.push(als.getStore()) } return out.every((v) => v === n) }); return Promise.all([1, 2, 3, 4, 5].map(one)) },
	'als then': () => als.run(1, () => Promise.resolve().then(() => als.getStore()).finally(() => {})),
	'als made outside': async () => { let go; const p = new Promise((r) => (go = r)); const got = als.run('in', () => p.then(() => als.getStore())); als.run('else', () => go()); return got },
	'als timers': () => als.run(7, () => new Promise((r) => setTimeout(() => setImmediate(() => queueMicrotask(() => process.nextTick(() => r(als.getStore()))))))),
	'als interval': () => als.run(7, () => new Promise((r) => { const t = setInterval(() => { clearInterval(t); r(als.getStore()) }, 1) })),
	'als generators': () => als.run(7, async () => { async function* g() { await wait(); yield als.getStore(); await null; yield als.getStore() } const out = []; for await (const v of g()) { await wait(); out.push(v, als.getStore()) } return out }),
	'als exit': () => als.run(1, () => [als.exit(() => als.getStore()), als.getStore()]),
	'als enterWith': () => als.run(0, async () => { als.enterWith('e'); await wait(); return als.getStore() }),
	'als disable': () => als.run(1, () => { als.disable(); return als.getStore() }),
	'als two': () => als.run(1, () => other.run(2, async () => { await wait(); return [als.getStore(), other.getStore()] })),
	'als snapshot': () => { const s = als.run(5, () => AsyncLocalStorage.snapshot()); return als.run(6, () => [s(() => als.getStore()), als.getStore()]) },
	'als bind': () => { const f = als.run(5, () => AsyncLocalStorage.bind((x) => [x, als.getStore()])); return als.run(6, () => f(1)) },
	'als throws': () => { try { als.run(1, () => { throw new Error('x') }) } catch (e) { return [e.message, als.getStore()] } },
	'als rejects': () => als.run(1, async () => { try { await Promise.reject(new Error('x')) } catch { return als.getStore() } }),
	'als all': () => als.run(1, async () => { await Promise.all([wait(), wait(2)]); await Promise.race([wait(), wait(3)]); await Promise.allSettled([wait()]); return als.getStore() }),
	'als methods': () => als.run(1, async () => { class A { async m(...a) { await null; return [als.getStore(), a.length, this instanceof A, arguments.length] } static async s() { await null; return super.toString === Function.prototype.toString } } return [await new A().m(1, 2), await A.s()] }),
	'als emitters': () => als.run(1, async () => { const s = new PassThrough(); const p = new Promise((r) => s.on('data', () => r(als.getStore()))); s.end('x'); return p }),
	resource: () => { const r = als.run(1, () => new AsyncResource('R')); return als.run(2, () => [r.runInAsyncScope((a) => [a, als.getStore()], null, 9), typeof r.asyncId(), als.getStore()]) },
	'resource bad': () => new AsyncResource(5),
	'resource bind': () => { const f = als.run(1, () => AsyncResource.bind(() => als.getStore())); return f() },
	diagnostics: () => { const out = [], c = diagnostics.channel('x'); const f = (m, n) => out.push(m, n); c.subscribe(f); c.publish(1); return [out, c.hasSubscribers, c.unsubscribe(f), c.hasSubscribers] },
	// timers
	timeout: () => new Promise((r) => { const t = timers.setTimeout((...a) => r([a, t.hasRef(), t.unref() === t, t.ref() === t, typeof t[Symbol.toPrimitive]()]), 1, 'a', 'b') }),
	'timeout bad': () => timers.setTimeout('x'),
	'timeout cleared': async () => { let n = 0; const t = timers.setTimeout(() => n++, 1); timers.clearTimeout(t); const u = timers.setTimeout(() => n++, 1); timers.clearTimeout(+u); await wait(5); return n },
	interval: () => new Promise((r) => { let n = 0; const t = timers.setInterval(() => { if (++n === 3) { timers.clearInterval(t); r(n) } }, 1) }),
	immediate: () => new Promise((r) => timers.setImmediate(r, 5)),
	refresh: () => new Promise((r) => { const t = timers.setTimeout(() => r(t.refresh() === t), 1); setTimeout(() => timers.clearTimeout(t), 3) }),
	'promised timers': async () => [await timersPromises.setTimeout(1, 'v'), await timersPromises.setImmediate('i'), await timersPromises.scheduler.wait(1)],
	'promised abort': () => timersPromises.setTimeout(1000, 0, { signal: AbortSignal.abort() }),
	'promised interval': async () => { let n = 0; for await (const v of timersPromises.setInterval(1, 'x')) if (++n === 2) return [v, n] },
	'promised bad': () => timersPromises.setTimeout('x'),
}
