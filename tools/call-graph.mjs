// Circles of calls between the files of one room: a.c calls into b.c, and b.c, perhaps through
// others, calls back into a.c. Within a room calls go one way, so that a file can be read with only
// those below it in mind; what goes upwards is a callback, a pointer, which the object files do not
// show as a reference.
//
//   node tools/call-graph.mjs            1: there is a circle among the object files of build/
//   node tools/call-graph.mjs --print    also prints the functions of its edges
//
// An edge is a function er_* that one object file refers to and another one of the same room
// defines (nm). Data does not count: a table of functions is how a lower file reaches an upper one
// on purpose.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..')
const build = path.resolve(process.env.ER_BUILD ?? path.join(root, 'build'))

function* objects(dir) {
	for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
		const p = path.join(dir, e.name)
		if (e.isDirectory()) yield* objects(p)
		else if (e.name.endsWith('.c.o')) yield p
	}
}

/* room → file (without .c, from the room) → {defines, needs} */
const rooms = new Map()
for (const object of objects(path.join(build, 'src'))) {
	const rel = path.relative(path.join(build, 'src'), object)
	const room = rel.split(path.sep)[0]
	const file = rel.slice(rel.indexOf('.dir' + path.sep) + 5, -4)
	// of an older tree, or generated
	if (!fs.existsSync(path.join(root, 'src', room, `${file}.c`))) continue
	const files = rooms.get(room) ?? rooms.set(room, new Map()).get(room)
	const it = files.get(file) ?? files.set(file, { defines: new Set(), needs: new Set() }).get(file)
	for (const line of execFileSync('nm', ['-P', '-g', object], { encoding: 'utf8' }).split('\n')) {
		const [symbol, type] = line.split(' ')
		if (!symbol) continue
		if (!symbol.startsWith('er_')) continue
		if (type === 'U') it.needs.add(symbol)
		else if (type === 'T') it.defines.add(symbol)
	}
}
if (rooms.size === 0) {
	console.error(`no object files in ${build}/src: build first`)
	process.exit(1)
}

/* file → file → [symbols] */
function edgesOf(files) {
	const owner = new Map()
	for (const [file, { defines }] of files) for (const s of defines) owner.set(s, file)
	const edges = new Map()
	for (const [file, { needs }] of files) {
		const to = new Map()
		for (const s of needs) {
			const other = owner.get(s)
			if (other !== undefined && other !== file) to.set(other, [...(to.get(other) ?? []), s])
		}
		edges.set(file, to)
	}
	return edges
}

/* Tarjan: the strongly connected components of more than one file. */
function circlesOf(edges) {
	const index = new Map(), low = new Map(), stack = [], found = []
	function visit(v) {
		index.set(v, index.size)
		low.set(v, index.get(v))
		stack.push(v)
		for (const w of edges.get(v).keys()) {
			if (!index.has(w)) {
				visit(w)
				low.set(v, Math.min(low.get(v), low.get(w)))
			} else if (stack.includes(w)) {
				low.set(v, Math.min(low.get(v), index.get(w)))
			}
		}
		if (low.get(v) !== index.get(v)) return
		const circle = stack.splice(stack.indexOf(v))
		if (circle.length > 1) found.push(circle.sort())
	}
	for (const v of edges.keys()) if (!index.has(v)) visit(v)
	return found
}

let circles = 0
for (const [room, files] of [...rooms].sort()) {
	const edges = edgesOf(files)
	for (const circle of circlesOf(edges).sort()) {
		circles++
		console.error(`src/${room}: a circle of calls: ${circle.join(' ')}`)
		if (!process.argv.includes('--print')) continue
		for (const a of circle)
			for (const [b, symbols] of edges.get(a)) if (circle.includes(b)) console.log(`    ${a} → ${b}: ${symbols.join(' ')}`)
	}
}
console.log(`call graph: ${rooms.size} rooms, ${circles} circles`)
process.exit(circles ? 1 : 0)
