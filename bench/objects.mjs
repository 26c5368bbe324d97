// Very many small objects in the cache of a real node with a file: memory of the index, the restart
// to the first hit, and what a purge of a tag costs however many objects have it. A section of
// README.md has figures.
//
//   node bench/objects.mjs [--objects N] [--bytes N] [--tagged N] [--file MB] [--memory MB]
//                          [--dir DIR]
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { er, tempDir } from '../test/e2e/lib/node.mjs'
import { startStore } from '../test/e2e/lib/deploy.mjs'
import { startRawOrigin } from '../test/e2e/lib/origin.mjs'
import * as raw from '../test/e2e/lib/raw.mjs'
import { median } from './lib.mjs'

const args = process.argv.slice(2)
const option = (name, otherwise) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : otherwise)
const number = (name, otherwise) => Number(option(name, otherwise))
const objects = number('objects', 1000000), bytes = number('bytes', 500), tagged = number('tagged', 100000)
const file = number('file', 4000), memory = number('memory', 64), PURGES = 21
const dir = option('dir', tempDir('er-objects-'))
const MB = 1 << 20
const say = (what, text) => console.log(`${what.padEnd(46)} ${text}`)
const at = (values, part) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]
const ms = values => `least ${Math.min(...values).toFixed(2)} ms, median ${median(values).toFixed(2)} ms, p90 ${at(values, 0.9).toFixed(2)} ms`

const body = 'x'.repeat(bytes - 1) + '~'
const tagOf = i => (i < 10 ? 'few' : i < tagged + 10 ? 'many' : `group-${i % 1000}`)

/** Each line of a request is a page /N; only what is asked is counted. */
const origin = await startRawOrigin(socket => {
	let rest = ''
	socket.on('data', data => {
		rest += data
		let out = '', end
		while ((end = rest.indexOf('\r\n\r\n')) >= 0) {
			const i = Number(/^GET \/(\d+)/.exec(rest)[1])
			rest = rest.slice(end + 4)
			origin.asked = (origin.asked ?? 0) + 1
			out += `HTTP/1.1 200 OK\r\ncache-control: max-age=86400\r\ncontent-type: text/plain\r\ncache-tag: ${tagOf(i)}\r\ncontent-length: ${bytes}\r\n\r\n${body}`
		}
		socket.write(out)
	})
})

const config = { origin: origin.url, threads: 1, accessLog: undefined, limits: { requests: 0 }, cache: { memoryMb: memory, disk: [{ path: path.join(dir, 'file'), sizeMb: file }] } }

/** All pages of the list, by so many connections. How many were answered by the cache. */
async function askAll(node, list, connections = 32) {
	let next = 0, hits = 0
	await Promise.all(Array.from({ length: connections }, () => new Promise((resolve, reject) => {
		const socket = net.connect(node.port, '127.0.0.1')
		let got = ''
		const ask = () => {
			if (next === list.length) return socket.end(), resolve()
			socket.write(`GET /${list[next++]} HTTP/1.1\r\nhost: shop.example\r\n\r\n`)
		}
		socket.on('connect', ask).on('error', reject)
		socket.on('data', data => {
			got += data
			if (!got.endsWith('~')) return
			if (!got.startsWith('HTTP/1.1 200')) return reject(new Error(got.slice(0, 200)))
			hits += /\r\ncache-status: [^\r]*; hit/i.test(got)
			got = ''
			ask()
		})
	})))
	return hits
}

/** CPU time that the thread which opens the file has had, in ms. */
function opened(node) {
	for (const id of fs.readdirSync(`/proc/${node.pid}/task`)) {
		const stat = fs.readFileSync(`/proc/${node.pid}/task/${id}/stat`, 'utf8')
		const [, , user, kernel] = /\(er-disk-writer\)(?: \S+){11}( (\d+)) (\d+)/.exec(stat) ?? []
		if (user) return 10 * (Number(user) + Number(kernel))
	}
	return 0
}

const some = (from, upto, n) => Array.from({ length: n }, (_, i) => from + Math.floor(((upto - from) / n) * i))
const written = node => raw.until(async () => (await node.metric('er_cache_disk_waiting')) === 0, { what: 'the end of all writes', timeout: 60000 })

let node = await startStore({ config })
const data = node.data
try {
	const empty = node.holdings().anonymous
	const began = performance.now()
	await askAll(node, Array.from({ length: objects }, (_, i) => i))
	await written(node)
	const seconds = (performance.now() - began) / 1000
	const records = await node.metric('er_cache_disk_records'), index = await node.metric('er_cache_disk_index_bytes')
	say('objects that were asked for', `${objects} of ${bytes} bytes, ${(objects / seconds).toFixed(0)} a second`)
	say('records in the file', `${records} (${((100 * records) / objects).toFixed(2)} %), ${((await node.metric('er_cache_disk_written_bytes_total')) / MB).toFixed(0)} MB written`)
	say('index', `${(index / MB).toFixed(1)} MB, ${(index / records).toFixed(2)} bytes an object`)
	say('memory of the node, beside an empty one', `${(node.holdings().anonymous / MB).toFixed(1)} MB and ${(empty / MB).toFixed(1)} MB; its memory store may have ${memory} MB`)

	const firsts = [], ready = [], cpu = []
	let next = objects
	for (let round = 0; round < 5; round++) {
		await (round % 2 ? node.stop() : (node.signal('SIGKILL'), node.exited))
		const from = performance.now()
		node = await startStore({ config, data })
		ready.push(performance.now() - from)
		// Each a page that was not asked for before: what missed is in memory at the next try.
		while ((await askAll(node, [--next], 1)) === 0) if (next < objects / 2) throw new Error('no hit')
		firsts.push(performance.now() - from)
		cpu.push(opened(node))
	}
	say('start of the process to its ready line', ready.map(t => `${t.toFixed(0)} ms`).join(', '))
	say('start of the process to the first hit', `${firsts.map(t => `${t.toFixed(0)} ms`).join(', ')} (after a kill and an end in turn)`)
	say('CPU time of opening the file', cpu.map(t => `${t} ms`).join(', '))
	const asked = origin.asked, list = some(tagged + 10, objects - 10, 20000)
	const hits = await askAll(node, list)
	say('of a sample, from the file', `${((100 * hits) / list.length).toFixed(2)} % hits, ${origin.asked - asked} questions to the origin`)

	// Each purge is of all objects with the tag: they have not been asked for since.
	const timed = async what => {
		const took = []
		for (let i = 0; i < PURGES; i++) {
			const from = performance.now()
			await what()
			took.push(performance.now() - from)
		}
		return took
	}
	const tool = tag => spawnSync(er, ['purge', '--tag', tag], { env: { PATH: process.env.PATH, HOME: dir, ER_NODE: node.ready.socket }, encoding: 'utf8' })
	for (const [tag, n] of [['few', 10], ['many', tagged], ['few', 10], ['many', tagged]]) {
		await askAll(node, some(tag === 'few' ? 0 : 10, tag === 'few' ? 10 : tagged + 10, Math.min(n, 20000)))
		say(`POST /v1/purge of a tag of ${n}`, ms(await timed(() => node.ok('POST', '/v1/purge', { tags: [tag] }))))
		say(`er purge --tag of a tag of ${n}`, ms(await timed(() => {
			const done = tool(tag)
			if (done.status !== 0) throw new Error(done.stderr)
		})))
	}
	const left = await askAll(node, some(10, tagged + 10, 20000)), others = await askAll(node, some(tagged + 10, objects, 20000))
	say('hits afterwards', `${left} of 20000 with the tag, ${others} of 20000 others`)
} finally {
	node.kill()
	await origin.close()
	node.forget()
	fs.rmSync(dir, { recursive: true, force: true })
}
