// WebSockets side by side: node bench/sockets.mjs [--rounds N] [--seconds N] [--only er,node,...]
// [--idle N]
//
// Echo of 64 bytes and of 64 KB: 64 connections, each with one message under way (sockets.c), in
// er, Deno, Bun, workerd, and Node with npm's `ws`. Servers on core 0, load on core 1; they take
// turns, and figures are medians of the rounds. Behind it the private memory of a socket that says
// nothing, of N (10,000) through one routine, in the gateway and in its sandbox. Prints Markdown
// tables and keeps them in build/bench-sockets.json.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { GET, install, builds, startEr, startRuntime } from './peers.mjs'
import { LOAD_CORE, compiled, cpuOf, cpuPerRequest, file, freePort, here, median, privateMemory, root, sleep, start, stop, up } from './lib.mjs'
import * as proc from '../test/e2e/lib/proc.mjs'

const args = process.argv.slice(2)
const option = (name, otherwise) => {
	const at = args.indexOf(`--${name}`)
	return at < 0 ? otherwise : args.splice(at, 2)[1]
}
const rounds = Number(option('rounds', 5))
const seconds = Number(option('seconds', 3))
const idle = Number(option('idle', 10000))
const only = option('only', '').split(',').filter(Boolean)
const SIZES = [64, 65536]
const CONNECTIONS = 64

const pair = `const handle = () => {
	const { 0: client, 1: server } = new WebSocketPair()
	server.accept()
	server.addEventListener("message", ({ data }) => server.send(data))
	return new Response(null, { status: 101, webSocket: client })
}
`
const limits = { sockets: Math.max(idle, CONNECTIONS), cpuMs: 1000, messageBytes: 1 << 20 }
const startEdge = async program => ({ ...(await startEr({ echo: { source: `${pair}addEventListener("fetch", event => event.respondWith(handle()))`, routes: ['*'], limits } }, { limits: { requests: 0, perAddress: 0 } }, program)), host: 'echo.localhost' })
const servers = [
	...builds.map(b => ({ name: b.name, start: () => startEdge(b.program) })),
	{ name: 'Deno', start: () => startRuntime('deno', 'const handle = (request) => {\n\tif (request.headers.get("upgrade") !== "websocket") return new Response("")\n\tconst { socket, response } = Deno.upgradeWebSocket(request)\n\tsocket.binaryType = "arraybuffer"\n\tsocket.onmessage = ({ data }) => socket.send(data)\n\treturn response\n}\n') },
	{ name: 'Bun', start: () => startRuntime('bun', '', port => `Bun.serve({ port: ${port}, hostname: "127.0.0.1", fetch: (request, server) => server.upgrade(request) ? undefined : new Response(""), websocket: { message: (socket, data) => { socket.send(data) } } })\n`) },
	{ name: 'workerd', start: () => startRuntime('workerd', pair) },
	{
		name: 'Node + ws',
		async start() {
			const port = await freePort()
			const script = file(`ws-${port}.mjs`, `import { createRequire } from "node:module"
const { WebSocketServer } = createRequire(${JSON.stringify(path.join(here, 'run.mjs'))})("ws")
new WebSocketServer({ port: ${port}, host: "127.0.0.1" }).on("connection", socket => socket.on("message", (data, binary) => socket.send(data, { binary })))
`)
			return { child: start([process.execPath, script]), port }
		},
	},
].filter(s => !only.length || only.includes(s.name))

const program = compiled('sockets')
const load = (s, bytes, count) => spawn('taskset', ['-c', LOAD_CORE, program, String(s.port), s.host ?? 'localhost', '/', String(bytes), String(seconds), String(count)], { stdio: ['pipe', 'pipe', 'inherit'] })
function said(child) {
	return new Promise((resolve, reject) => {
		let text = ''
		child.stdout.on('data', d => {
			text += d
			if (text.endsWith('}\n')) resolve(JSON.parse(text))
		})
		child.on('exit', code => code !== 0 && reject(new Error(`er-sockets ended with ${code}`)))
	})
}

async function echo() {
	const figures = {}
	const up1 = await Promise.all(servers.map(async s => ({ ...s, ...(await s.start()) })))
	for (const s of up1) await up(s.child, s.port, GET)
	for (let round = 0; round < rounds; round++)
		for (const bytes of SIZES)
			for (const s of up1) {
				const before = cpuOf(s.child)
				const { messages } = await said(load(s, bytes, CONNECTIONS))
				// the half second of warm-up costs CPU time, too, and counts in neither
				const cpu = cpuPerRequest(before, cpuOf(s.child), messages * ((seconds + 0.5) / seconds))
				const of = ((figures[bytes] ??= {})[s.name] ??= { rate: [], cpu: [] })
				of.rate.push(messages / seconds)
				of.cpu.push(cpu.all)
			}
	for (const s of up1) await stop(s.child)
	return figures
}

async function memory() {
	const s = await startEdge(builds[0].program)
	await up(s.child, s.port, GET.replace('localhost', s.host))
	const first = load(s, 0, 1)
	await said(first)
	const boxes = () => proc.descendants(s.child.pid).filter(pid => proc.cmdline(pid)[0]?.includes('er-sandbox'))
	const read = () => {
		const sandbox = boxes().reduce((n, pid) => n + proc.memory(pid).dirty, 0)
		return { sandbox, node: privateMemory(s.child.pid) - sandbox }
	}
	await sleep(500)
	const before = read()
	const all = load(s, 0, idle - 1)
	const { open } = await said(all)
	await sleep(500)
	const after = read()
	for (const child of [all, first]) child.stdin.end()
	await stop(s.child)
	return { open, node: (after.node - before.node) / open, sandbox: (after.sandbox - before.sandbox) / open }
}

install()
const figures = await echo()
const names = servers.map(s => s.name)
console.log(`| messages/s (CPU us) | ${names.join(' | ')} |\n|---|${names.map(() => '--:|').join('')}`)
for (const bytes of SIZES) console.log(`| echo of ${bytes === 64 ? '64 bytes' : '64 KB'} | ${names.map(n => `${Math.round(median(figures[bytes][n].rate)).toLocaleString('en').replaceAll(',', ' ')} (${median(figures[bytes][n].cpu).toFixed(1)})`).join(' | ')} |`)
const held = idle > 1 && names.includes('er') ? await memory() : undefined
if (held) console.log(`\n${held.open} idle sockets: ${Math.round(held.node)} bytes each in the node, ${Math.round(held.sandbox)} in the sandbox`)
fs.mkdirSync(path.join(root, 'build'), { recursive: true })
fs.writeFileSync(path.join(root, 'build/bench-sockets.json'), JSON.stringify({ figures, held }, undefined, '\t'))
