// What a routine can do to hurt its node: name, code of the handler (`e` is the event), and how
// it must end.
//   status   what the client may see; er-error must begin with one of `errors`
//   cut      the head is out already: the body must break off (or the status be as above)
//   limits   of the routine; memory bombs get CPU enough to reach the memory limit first
//   top      the whole script, instead of a handler
//   floorMs  its client, which reads tens of megabytes a second, is the test itself and takes a
//            core from everybody
const cpu = { status: [599], errors: ['cpu'] }
// A bomb may die in the engine (an exception the script sees), by the kernel's limit, or of its CPU
// time: all three are its own end.
const bomb = { status: [599], errors: ['memory', 'exception', 'cpu', 'crash'], limits: { cpuMs: 1000 } }
const exception = { status: [599], errors: ['exception'] }

export const attacks = {
	// ---- CPU
	'endless loop': { code: 'for (;;) {}', ...cpu },
	'endless loop in a microtask': { code: 'e.respondWith(Promise.resolve().then(() => { for (;;) {} }))', ...cpu },
	'endless loop that catches what it can': { code: 'for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } }', ...cpu },
	'endless microtask chain': { code: 'const p = () => Promise.resolve().then(p); e.respondWith(p())', ...cpu },
	'endless loop in a timer': { code: 'e.respondWith(new Promise(() => setTimeout(() => { for (;;) {} }, 5)))', ...cpu },
	'endless loop after the answer': { code: 'e.respondWith(new Response("ok")); e.waitUntil(new Promise(r => setTimeout(r, 5)).then(() => { for (;;) {} }))', status: [200, 599], errors: ['cpu'] },
	'endless loop in a getter of the response': { code: 'e.respondWith(new Response("x", { get status() { for (;;) {} } }))', ...cpu },
	'endless generator into an iterating built-in': { code: 'Array.from((function* () { for (;;) yield 1 })())', ...bomb },
	'backtracking regular expression': { code: 'for (;;) /^(a|aa)+$/.test("a".repeat(45) + "b")', status: [599], errors: ['cpu', 'exception'] },
	'backtracking replace': { code: '"a".repeat(40000).replace(/(a+)+b/g, "")', ...cpu },
	'native string search': { code: 'const s = "ab".repeat(2 ** 22); for (;;) s.indexOf("a".repeat(4096) + "b")', ...cpu },
	'native big integers': { code: 'const a = (1n << 500000n) - 1n; for (;;) (a * a) % (a - 2n)', ...cpu },
	'native sort': { code: 'const a = []; for (let i = 0; i < 1e6; i++) a.push((i * 7919) % 1e6); for (;;) a.sort()', status: [599], errors: ['cpu', 'memory', 'exception', 'crash'] },
	'JSON of a huge string': { code: 'const s = JSON.stringify("\\u0001".repeat(2 ** 22)); for (;;) JSON.parse(s)', ...bomb, limits: {} },
	'Atomics.wait': { code: 'const m = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }); Atomics.wait(new Int32Array(m.buffer), 0, 0)', ...exception },
	'memory.atomic.wait in WebAssembly': {
		// (module (memory 1 1 shared) (func (export "w") (result i32) (memory.atomic.wait32
		// (i32.const 0) (i32.const 0) (i64.const -1))))
		code: 'new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,5,4,1,3,1,1,7,5,1,1,119,0,0,10,14,1,12,0,65,0,65,0,66,127,254,1,2,0,11]))).exports.w()',
		...exception,
	},
	'a shared memory by a descriptor that changes its mind': { code: 'let n = 0; const m = new WebAssembly.Memory({ initial: 1, maximum: 1, get shared() { return n++ > 0 } }); if (m.buffer instanceof ArrayBuffer) throw new Error("not shared")', ...exception },
	'endless WebAssembly loop': {
		// (module (func (export "f") (loop (br 0))))
		code: 'new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11]))).exports.f()',
		...cpu,
	},
	'endless loop when an object is finalized': { code: 'globalThis.r ??= new FinalizationRegistry(() => { for (;;) {} }); for (let i = 0; i < 1000; i++) r.register({ i }, i); const a = []; for (let i = 0; i < 20000; i++) a.push([i]); e.respondWith(new Promise(f => setTimeout(f, 3000)).then(() => new Response("ok")))', status: [200, 599], errors: ['cpu'], limits: { cpuMs: 200 } },
	'endless WebAssembly start function at top level': {
		// (module (func $f (loop (br 0))) (start $f))
		top: 'WebAssembly.instantiate(new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,8,1,0,10,9,1,7,0,3,64,12,0,11,11])); addEventListener("fetch", e => e.respondWith(new Response("x")))',
		...cpu,
	},
	'endless chain of compilations after the answer': { code: 'const b = new Uint8Array([0,97,115,109,1,0,0,0]); const again = () => WebAssembly.compile(b).then(again); again(); e.respondWith(new Response("ok"))', ...cpu },
	// ---- memory
	'object bomb': { code: 'const a = []; for (;;) a.push({ x: [1, 2, 3], y: {} })', ...bomb },
	'string bomb': { code: 'const a = []; for (let i = 0; ; i++) a.push((i + "x").repeat(1e5).replaceAll("x", "yy"))', ...bomb },
	'string doubling': { code: 'let s = "x"; for (;;) s += s', ...bomb },
	'Map bomb': { code: 'const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })', ...bomb },
	'ArrayBuffer bomb': { code: 'const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1))', ...bomb },
	'ArrayBuffer bomb that is not touched': { code: 'const a = []; for (;;) a.push(new ArrayBuffer(1 << 28))', ...bomb },
	'Array.fill bomb': { code: 'const a = []; for (;;) a.push(new Array(1e6).fill(1.5))', ...bomb },
	'WebAssembly memory bomb': { code: 'const a = []; for (;;) { const m = new WebAssembly.Memory({ initial: 256 }); new Uint8Array(m.buffer).fill(1); a.push(m) }', ...bomb },
	'WebAssembly memory growth': { code: 'const m = new WebAssembly.Memory({ initial: 1 }); for (;;) { m.grow(64); new Uint8Array(m.buffer).fill(1) }', ...bomb },
	'closure bomb': { code: 'let f = () => 0; for (;;) { const g = f; f = () => g }', ...bomb },
	'memory kept over requests': { code: 'globalThis.kept ??= []; for (let i = 0; i < 40; i++) kept.push(new Uint8Array(1 << 20).fill(1)); e.respondWith(new Response("ok"))', ...bomb, status: [200, 599], times: 6 },
	'deep recursion': { code: 'const f = () => f() + 1; f()', ...exception, errors: ['exception', 'cpu'] },
	'deep recursion through natives': { code: 'const f = () => [1].map(f); f()', status: [599], errors: ['exception', 'cpu'] },
	'deeply nested JSON': { code: 'JSON.parse("[".repeat(5e6))', status: [599], errors: ['exception', 'memory', 'cpu', 'crash'] },
	// ---- storms
	'promise storm': { code: 'for (;;) new Promise(r => r()).then(() => {})', ...bomb, limits: {} },
	'timer storm': { code: 'for (;;) setTimeout(() => {}, 1e6)', ...exception },
	'timers that make timers': { code: 'const f = () => { setTimeout(f, 0); setTimeout(f, 0) }; f(); e.respondWith(new Promise(() => {}))', status: [504, 599], errors: ['timeout', 'cpu', 'exception'], limits: { responseMs: 1500 } },
	'interval that never ends': { code: 'setInterval(() => {}, 0); e.respondWith(new Promise(() => {}))', status: [504, 599], errors: ['timeout', 'cpu'], limits: { responseMs: 1500 } },
	'console flood': { code: 'for (;;) console.log("flood ".repeat(100))', ...cpu },
	'console flood of large objects': { code: 'const o = {}; for (let i = 0; i < 1000; i++) o["key" + i] = "v".repeat(100); for (;;) console.log(o)', ...cpu },
	'unhandled rejections without end': { code: 'for (;;) Promise.reject(new Error("nobody"))', ...bomb, limits: {} },
	'subrequest storm': { code: 'e.respondWith(Promise.all(Array.from({ length: 5000 }, () => fetch("http://127.0.0.1:9/")))) ', ...exception, errors: ['exception', 'subrequests', 'cpu'] },
	// ---- answers
	'a response of a million header fields': { code: 'const h = new Headers(); for (let i = 0; i < 1e6; i++) h.append("x-" + i, "y"); e.respondWith(new Response("x", { headers: h }))', status: [599], errors: ['exception', 'too-large', 'cpu', 'memory'] },
	'a response head of a megabyte': { code: 'e.respondWith(new Response("x", { headers: { "x-big": "y".repeat(1 << 20) } }))', status: [599], errors: ['exception', 'too-large'] },
	'a response body that never ends': { code: 'e.respondWith(new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)) } })))', cut: true, status: [599], errors: ['cpu', 'timeout', 'memory'], limits: { responseMs: 1500 }, floorMs: 4 },
	'a response body that trickles for ever': { code: 'e.respondWith(new Response(new ReadableStream({ async pull(c) { await new Promise(r => setTimeout(r, 20)); c.enqueue(new Uint8Array(1)) } })))', cut: true, status: [504], errors: ['timeout'], limits: { responseMs: 700 } },
	'a body enqueued without end': { code: 'e.respondWith(new Response(new ReadableStream({ start(c) { for (;;) c.enqueue(new Uint8Array(65536)) } })))', ...bomb },
	'a handler that never answers': { code: 'e.respondWith(new Promise(() => {}))', status: [504, 599], errors: ['hung'], limits: { responseMs: 700 } },
	'a handler that throws': { code: 'throw new Error("no")', ...exception },
	'a handler that answers nonsense': { code: 'e.respondWith({ status: 200 })', ...exception },
	'a getter that throws inside the response': { code: 'e.respondWith(new Response("x", { get headers() { throw 1 } }))', ...exception },
	// ---- top-level code
	'throwing at top level': { top: 'throw new Error("top")', ...exception },
	'endless loop at top level': { top: 'for (;;) {}', ...cpu },
	// A fast machine makes more garbage in the 400 ms of the default than the routine has memory.
	'endless microtask chain at top level': { top: 'const p = () => Promise.resolve().then(p); p(); addEventListener("fetch", e => e.respondWith(new Response("x")))', ...cpu, limits: { loadCpuMs: 100 } },
	'memory bomb at top level': { top: 'const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1))', ...bomb, limits: { loadCpuMs: 1000 } },
	'no listener at all': { top: '1 + 1', ...exception },
	'a script that does not parse': { top: 'addEventListener("fetch", e => {', ...exception },
	// ---- native code (the tests' hook)
	'native crash: segmentation fault': { code: '__er_attack("segv")', status: [599], errors: ['crash', 'memory'] },
	'native crash: illegal instruction': { code: '__er_attack("illegal")', status: [599], errors: ['crash', 'memory'] },
	'native crash: abort': { code: '__er_attack("abort")', status: [599], errors: ['crash', 'memory'] },
	'native exit': { code: '__er_attack("exit")', status: [599], errors: ['crash'] },
}

export const idOf = name => name.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 60)

/** The routine: /ok answers in peace, everything else attacks. */
export const routineOf = a => ({
	source: a.top ?? `addEventListener("fetch", e => {\n\tif (new URL(e.request.url).pathname === "/ok") return e.respondWith(new Response("ok"))\n\t${a.code}\n})`,
	limits: a.limits ?? {},
})

export const neighbour = 'addEventListener("fetch", e => e.respondWith(new Response("quiet neighbour")))'
