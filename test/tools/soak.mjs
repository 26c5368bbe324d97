// A real node under mixed work with idle gaps, for minutes: what only time brings out (the
// engine's own timers, threads that end and begin again, memory that is not given back). Fails
// when an instance dies that had no reason to, a request is answered wrongly, or memory or
// descriptors grow.
//
//   [ER=build/er] node test/tools/soak.mjs [SECONDS=180] [ROUTINES=4]
import { startNode } from '../e2e/lib/node.mjs'
import { sleep } from '../e2e/lib/raw.mjs'

const seconds = Number(process.argv[2] ?? 180)
const routines = Number(process.argv[3] ?? 4)
const MB = 1 << 20

const source = `
const text = new TextEncoder()
const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])
const kept = []
addEventListener('fetch', e => e.respondWith(answer(e.request)))
async function answer(request) {
	const { pathname } = new URL(request.url)
	if (pathname === '/read') {
		let n = 0
		for await (const chunk of request.body) n += chunk.length
		return new Response(String(n))
	}
	if (pathname === '/buffer') return new Response(String((await request.arrayBuffer()).byteLength))
	if (pathname === '/echo') return new Response(request.body)
	if (pathname === '/garbage') {
		for (let i = 0; i < 40; i++) {
			for (let k = 0; k < 16; k++) kept.push(new Uint8Array(65536))
			kept.splice(0, Math.max(0, kept.length - 200))
			await new Promise(r => setTimeout(r, 1))
		}
		await new Promise(r => setTimeout(r, Math.random() * 8000))
		kept.length = 0
		return new Response('garbage')
	}
	if (pathname === '/stream') {
		const { readable, writable } = new TransformStream()
		const w = writable.getWriter()
		;(async () => {
			for (let i = 0; i < 32; i++) await w.write(text.encode('x'.repeat(4096)))
			await w.close()
		})()
		return new Response(readable)
	}
	if (pathname === '/wasm') return new Response(String((await WebAssembly.instantiate(wasm)).instance instanceof WebAssembly.Instance))
	return new Response(request.method)
}`

const node = await startNode({
	routines: Object.fromEntries(Array.from({ length: routines }, (_, i) => [`soak${i}`, { source, limits: { cpuMs: 5000 } }])),
	config: { routineLimits: { cpuMs: 5000 } },
})
const until = Date.now() + seconds * 1000
const counts = {}
const faults = []
const big = Buffer.alloc(8 * MB, 'u')

function check(what, ok, res) {
	counts[what] = (counts[what] ?? 0) + 1
	if (!ok) faults.push(`${new Date().toISOString()} ${what}: ${res instanceof Error ? res.message : `${res.status} ${res.headers['er-error'] ?? ''} ${res.text.slice(0, 80)}`}`)
}

const jobs = {
	async hello(name) {
		const res = await node.get(name)
		check('hello', res.text === 'GET', res)
	},
	async upload(name) {
		const path = ['/read', '/buffer', '/echo'][Math.floor(Math.random() * 3)]
		const body = big.subarray(0, Math.floor(Math.random() * (path === '/echo' ? 2 : 8)) * MB + 1)
		const res = await node.get(name, path, { method: 'POST', body })
		check(`upload ${path}`, res.status === 200 && (path === '/echo' ? res.body.length === body.length : res.text === String(body.length)), res)
	},
	async stall(name) {
		const c = await node.connect({ timeout: 30000 })
		c.send(`POST /read HTTP/1.1\r\nhost: ${name}.localhost\r\ncontent-length: ${2 * MB}\r\n\r\n`).send(big.subarray(0, MB))
		await sleep(1000 + Math.random() * 8000)
		c.send(big.subarray(0, MB))
		const res = await c.response()
		check('stall', res.text === String(2 * MB), res)
		c.socket.destroy()
	},
	async leave(name) {
		const c = await node.connect()
		c.send(`POST /read HTTP/1.1\r\nhost: ${name}.localhost\r\ncontent-length: ${2 * MB}\r\n\r\n`).send(big.subarray(0, MB))
		await sleep(Math.random() * 100)
		c.socket.destroy()
		check('leave', true)
	},
	async garbage(name) {
		const res = await node.get(name, '/garbage', { timeout: 30000 })
		check('garbage', res.text === 'garbage', res)
	},
	async stream(name) {
		const res = await node.get(name, '/stream')
		check('stream', res.body.length === 32 * 4096, res)
	},
	async wasm(name) {
		const res = await node.get(name, '/wasm')
		check('wasm', res.text === 'true', res)
	},
	async gap() {
		await sleep(Math.random() * 15000) // long enough for the engine's threads to end
	},
}

async function client(name) {
	while (Date.now() < until) {
		const kinds = Object.keys(jobs)
		const kind = kinds[Math.floor(Math.random() * kinds.length)]
		await jobs[kind](name).catch(e => check(kind, false, e))
	}
}

const begin = node.holdings()
await Promise.all(Array.from({ length: routines * 2 }, (_, i) => client(`soak${i % routines}`)))
await sleep(3000)
const end = node.holdings()
const deaths = node.err.filter(line => /crashed|limit: /.test(line))
console.log(JSON.stringify({ counts, begin, end, faults: faults.length, deaths: deaths.length }))
faults.slice(0, 20).forEach(f => console.log(f))
deaths.slice(0, 20).forEach(d => console.log(d))
if (end.fds > begin.fds + 8) faults.push('descriptors')
await node.stop()
process.exit(faults.length || deaths.length ? 1 : 0)
