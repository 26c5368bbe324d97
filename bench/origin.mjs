// What a cache costs its origin, side by side with nginx and Varnish: many clients that ask for one
// page nobody has (how often the origin is asked, and when the last client has it), and a body of
// 100 MB that may not be stored (how fast it passes, and the most memory it takes, for a client
// that reads as it comes and for one that rests). Servers on core 0, origin and clients on core 1.
//
//   node bench/origin.mjs [--rounds N] [--clients N] [--mb N] [--only er,nginx,Varnish]
import http from 'node:http'
import { median, privateMemory, sleep, stop, up } from './lib.mjs'
import { GET, peers } from './peers.mjs'

const args = process.argv.slice(2)
const option = (name, otherwise) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : otherwise)
const rounds = Number(option('rounds', 5)), clients = Number(option('clients', 100)), mb = Number(option('mb', 100))
const only = option('only', '').split(',').filter(Boolean)
const ORIGIN_MS = 100, MB = 1 << 20
const piece = Buffer.alloc(64 * 1024, 'edge ')

const asked = new Map()
const origin = http.createServer((req, res) => {
	asked.set(req.url, (asked.get(req.url) ?? 0) + 1)
	if (req.url.startsWith('/body')) {
		res.writeHead(200, { 'cache-control': 'no-store', 'content-length': mb * MB })
		let left = mb * MB
		const more = () => {
			while (left > 0) {
				const n = Math.min(left, piece.length)
				left -= n
				if (!res.write(n === piece.length ? piece : piece.subarray(0, n))) return res.once('drain', more)
			}
			res.end()
		}
		return more()
	}
	setTimeout(() => res.writeHead(200, { 'cache-control': 'max-age=3600', 'content-length': 10240 }).end(piece.subarray(0, 10240)), req.url === '/' ? 0 : ORIGIN_MS)
})
await new Promise(resolve => origin.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${origin.address().port}`

/** Resolves with the bytes of the answer; `rest` ms after the first of them nothing is read. */
const get = (port, target, { rest = 0 } = {}) =>
	new Promise((resolve, reject) => {
		const req = http.get({ port, host: '127.0.0.1', path: target, agent: false, headers: { host: 'localhost' } }, res => {
			let n = 0
			res.on('data', d => {
				if (n === 0 && rest) {
					res.pause()
					setTimeout(() => res.resume(), rest)
				}
				n += d.length
			})
			res.on('end', () => resolve(n))
			res.on('error', reject)
		})
		req.on('error', reject)
	})

async function coldKey(s, round) {
	const target = `/cold-${s.name}-${round}`
	const began = performance.now()
	const got = await Promise.all(Array.from({ length: clients }, () => get(s.port, target)))
	const ms = performance.now() - began
	if (got.some(n => n !== 10240)) throw new Error(`${s.name}: an answer was cut`)
	return { ms, asked: asked.get(target) }
}

async function body(s, round, rest) {
	const target = `/body-${s.name}-${round}-${rest}`
	const before = privateMemory(s.child.pid)
	let most = before, over = false
	const watch = (async () => {
		while (!over) {
			most = Math.max(most, privateMemory(s.child.pid))
			await sleep(20)
		}
	})()
	const began = performance.now()
	const n = await get(s.port, target, { rest })
	const ms = performance.now() - began
	over = true
	await watch
	if (n !== mb * MB) throw new Error(`${s.name}: ${n} bytes of the long body came`)
	return { rate: (mb * 1000) / (ms - rest), grown: (most - before) / MB }
}

const servers = []
for (const peer of peers) {
	if (!['er', 'er before', 'nginx', 'Varnish'].includes(peer.name) || (only.length && !only.includes(peer.name)) || !peer.exists()) continue
	const s = { name: peer.name, ...(await peer.start('cache-cold', { origin: url })) }
	await up(s.child, s.port, GET)
	servers.push(s)
}
const rows = new Map(servers.map(s => [s.name, { cold: [], quick: [], resting: [] }]))
for (let r = 0; r < rounds; r++)
	for (const s of servers) {
		const row = rows.get(s.name)
		row.cold.push(await coldKey(s, r))
		row.quick.push(await body(s, r, 0))
		row.resting.push(await body(s, r, 1000))
	}
for (const s of servers) await stop(s.child)
origin.closeAllConnections()
origin.close()

const of = (list, member) => list.map(x => x[member])
console.log(`
| medians of ${rounds} rounds | ${servers.map(s => s.name).join(' | ')} |
|---|${servers.map(() => '--:').join('|')}|
| questions to the origin, ${clients} clients at once, one page that nobody has (most) | ${servers.map(s => Math.max(...of(rows.get(s.name).cold, 'asked'))).join(' | ')} |
| the last of them has it after, ms (the origin takes ${ORIGIN_MS}) | ${servers.map(s => Math.round(median(of(rows.get(s.name).cold, 'ms')))).join(' | ')} |
| ${mb} MB that may not be stored, MB/s | ${servers.map(s => Math.round(median(of(rows.get(s.name).quick, 'rate')))).join(' | ')} |
| memory that it takes, MB (most) | ${servers.map(s => Math.max(...of(rows.get(s.name).quick, 'grown')).toFixed(1)).join(' | ')} |
| the same for a client that rests for a second | ${servers.map(s => Math.max(...of(rows.get(s.name).resting, 'grown')).toFixed(1)).join(' | ')} |
`)
