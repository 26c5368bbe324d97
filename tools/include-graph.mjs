// Who may include whom (docs/architecture.md). A room includes itself and what stands below it,
// never upwards:
//
//   base ← model ← http ← {net, channel, cache, origin} ← isolate ← control ← gateway ← cli
//   cache ← assets ← control
//   base, model ← store ← control; http, store, cache ← data ← gateway
//   base ← geo ← gateway
//   sandbox stands alone on base, model, http, channel. cli is also the front of the node (er
//   node, er dev).
//
// Only src/sandbox may include the JavaScript engine's headers. Circles between headers are
// refused as well.
import fs from 'node:fs'
import path from 'node:path'

const below = {
	base: [],
	geo: ['base'],
	model: ['base'],
	http: ['base', 'model'],
	net: ['base'],
	channel: ['base', 'model', 'http'],
	cache: ['base', 'model', 'http'],
	assets: ['base', 'model', 'http', 'cache'],
	origin: ['base', 'model', 'http'],
	data: ['base', 'model', 'http', 'store', 'cache'],
	isolate: ['base', 'model', 'http', 'channel', 'cache', 'origin'],
	store: ['base', 'model'],
	control: ['base', 'model', 'http', 'channel', 'cache', 'assets', 'origin', 'store', 'isolate'],
	gateway: ['base', 'model', 'geo', 'http', 'net', 'channel', 'cache', 'data', 'assets', 'origin', 'isolate', 'store', 'control'],
	sandbox: ['base', 'model', 'http', 'channel'],
	cli: ['base', 'model', 'geo', 'http', 'net', 'channel', 'assets', 'origin', 'isolate', 'gateway', 'control', 'store'],
}

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..')
const src = path.join(root, 'src')
const mistakes = []
const edges = new Map()

function* files(dir) {
	for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
		const p = path.join(dir, e.name)
		if (e.isDirectory()) yield* files(p)
		else if (/\.[ch]$/.test(e.name)) yield p
	}
}

let count = 0
for (const file of files(src)) {
	const rel = path.relative(src, file)
	const room = rel.split('/')[0]
	count++
	if (!below[room]) {
		mistakes.push(`src/${rel}: the room ${room}/ is not in the list of tools/include-graph.mjs`)
		continue
	}
	const targets = []
	fs.readFileSync(file, 'utf8').split('\n').forEach((line, i) => {
		const engine = /^\s*#\s*include\s+<(JavaScriptCore|jsc)\//.test(line)
		if (engine && room !== 'sandbox') mistakes.push(`src/${rel}:${i + 1}: only src/sandbox may include the engine`)
		const m = /^\s*#\s*include\s+"([^"]+)"/.exec(line)
		if (!m) return
		let target = m[1]
		if (!fs.existsSync(path.join(src, target))) {
			const beside = path.join(path.dirname(rel), target)
			if (fs.existsSync(path.join(src, beside))) mistakes.push(`src/${rel}:${i + 1}: write "${beside}", the path from src/`)
			return // generated
		}
		target = path.normalize(target)
		targets.push(target)
		const to = target.split('/')[0]
		if (to !== room && !below[room].includes(to)) mistakes.push(`src/${rel}:${i + 1}: ${room} may not include ${target}`)
	})
	edges.set(rel, targets)
}

// circles, by depth-first search
const state = new Map()
function visit(file, trail) {
	if (state.get(file) === 'done') return
	if (state.get(file) === 'open') {
		mistakes.push(`a circle of includes: ${[...trail.slice(trail.indexOf(file)), file].join(' → ')}`)
		return
	}
	state.set(file, 'open')
	for (const t of edges.get(file) ?? []) visit(t, [...trail, file])
	state.set(file, 'done')
}
for (const file of edges.keys()) visit(file, [])

for (const m of mistakes) console.error(m)
console.log(`include graph: ${count} files, ${mistakes.length} mistakes`)
process.exit(mistakes.length ? 1 : 0)
