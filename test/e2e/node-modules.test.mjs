// Node's modules on the edge, with Node as the oracle: the cases of lib/node run here and in a
// routine, and must give the same: values, errors, codes and messages.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { project, run, startDev } from './lib/desk.mjs'
import { record } from './lib/node/record.mjs'
import { root } from './lib/node.mjs'

const lib = path.join(root, 'test/e2e/lib/node')
const rooms = fs.readdirSync(lib).filter(name => name.endsWith('.mjs') && name !== 'record.mjs').map(name => name.slice(0, -4))

// Where the edge is known to differ, and why. A case that is no different any more must go.
const known = {
	buffer: { 'from arraybuffer 4': "the engine's own words" },
	crypto: { 'keys wrong 3': 'what is no DER at all' },
	paths: {
		'posix 19': 'Node splits ".." of "/.." into a name and an extension',
		'url bad 5': "the engine's own words",
		...Object.fromEntries([1, 4, 14, 15, 16, 17, 19, 20, 21, 24, 26].map(i => [`win32 ${i}`, 'the working directory of a routine is /'])),
	},
	streams: { 'push null in objects': 'readable-stream is of another version than this Node', 'bad chunk': 'likewise' },
	utils: {
		...Object.fromEntries(Array.from({ length: 13 }, (_, i) => [`inspect ${520 + i}`, 'nothing tells the state of a promise'])),
		'inspect 537': 'the built-ins of another engine', 'inspect 550': 'likewise', 'inspect 888': 'likewise', 'inspect 901': 'likewise', 'inspect 805': 'Node 20 and its package are wrong in different ways',
		...Object.fromEntries([...Array.from({ length: 13 }, (_, i) => `inspect ${312 + i}`), 'types 24'].map(key => [key, 'async functions are written anew where node:async_hooks is imported'])),
		styleText: 'Node 20 asks a stream whether it has colours',
	},
}

test("what Node's modules do, they do on the edge", async () => {
	const main = `import { record } from '${lib}/record.mjs'
${rooms.map(name => `import { cases as ${name} } from '${lib}/${name}.mjs'`).join('\n')}
const rooms = { ${rooms.join(', ')} }
export default { async fetch(request) { return Response.json(await record(rooms[new URL(request.url).pathname.slice(1)])) } }`
	const dir = project({ 'er.jsonc': JSON.stringify({ name: 'nodes', main: 'index.js', compat: { nodejs: true }, limits: { cpuMs: 30000, loadCpuMs: 10000, codeBytes: 4000000 } }), 'index.js': main })
	const dev = await startDev([], { cwd: dir })
	process.noDeprecation = true
	for (const name of rooms) {
		const { cases } = await import(path.join(lib, `${name}.mjs`))
		const expected = await record(cases)
		const answer = await dev.get(`/${name}`)
		assert.equal(answer.status, 200, answer.text)
		const got = JSON.parse(answer.text)
		const differ = Object.keys(expected).filter(key => expected[key] !== got[key])
		for (const key of differ) if (!(key in (known[name] ?? {}))) assert.equal(got[key], expected[key], `${name}: ${key}`)
		assert.deepEqual(Object.keys(known[name] ?? {}).filter(key => !differ.includes(key)), [], `${name}: what is known to differ and does not`)
	}
	assert.equal(await dev.stop(), 0)
})

test('a bundle that uses nothing of Node.js has nothing of it, and one that does has what it uses', async () => {
	const size = async (source, compat) => {
		const dir = project({ 'er.jsonc': JSON.stringify({ name: 'size', main: 'index.js', compat }), 'index.js': source })
		const { code, out, err } = await run(['build', '--json'], { cwd: dir })
		assert.equal(code, 0, err + out)
		return { ...JSON.parse(out), text: fs.readFileSync(path.join(dir, 'dist/size.js'), 'utf8') }
	}
	const plain = 'export default { async fetch(request) { return new Response(await request.text()) } }'
	const without = await size(plain), flagged = await size(plain, { nodejs: true }), asked = await size(plain.replace('await request', 'typeof process + await request'))
	assert.equal(flagged.text, without.text)
	assert.doesNotMatch(asked.text, /nextTick/)
	// one function of path brings no Buffer, and a Buffer no inspect
	const join = await size(`import { join } from "node:path"; ${plain.replace('await request.text()', 'join("a", "b")')}`)
	assert.ok(join.bytes < 14000, JSON.stringify(join.inputs))
	const buffer = await size(plain.replace('await request.text()', 'Buffer.from("a").toString("hex")'), { nodejs: true })
	assert.ok(buffer.bytes > 5000 && buffer.bytes < 60000, String(buffer.bytes))
	assert.ok(buffer.inputs.some(input => input.path === 'node:buffer.js'))
	assert.ok(!buffer.inputs.some(input => input.path.includes('inspect')))
	// async functions stay what they are, unless AsyncLocalStorage needs them otherwise
	assert.match(without.text, /async fetch/)
	const storage = await size(`import { AsyncLocalStorage } from "node:async_hooks"; const als = new AsyncLocalStorage(); ${plain.replace('await request.text()', 'await als.run("in", async () => { await null; return als.getStore() })')}`)
	assert.doesNotMatch(storage.text, /\basync (?:function|\(|\w+\s*(?:\(|=>))/)
	assert.match(storage.text, /yield/)
})

test('Buffer and process are there as names and as members of the global where "nodejs" is set, and only there', async () => {
	const source = `const had = typeof globalThis.Buffer;
export default { fetch(request, env) { return Response.json([had, typeof Buffer, typeof process, typeof globalThis["process"], globalThis.Buffer === undefined ? 0 : globalThis.Buffer.from("é").length, typeof process === "undefined" ? 0 : process.env.WHO, typeof __dirname]) } }`
	const answers = []
	for (const nodejs of [true, false]) {
		const dir = project({ 'er.jsonc': JSON.stringify({ name: 'names', main: 'index.js', compat: { nodejs }, vars: { WHO: 'you' } }), 'index.js': source })
		const dev = await startDev([], { cwd: dir })
		answers.push(JSON.parse((await dev.get()).text))
		assert.equal(await dev.stop(), 0)
	}
	assert.deepEqual(answers, [['function', 'function', 'object', 'object', 2, 'you', 'string'], ['undefined', 'undefined', 'undefined', 'undefined', 0, 0, 'undefined']])
})

test('code that is made of strings is a warning with the package and its place, and an EvalError when it runs', async () => {
	const dir = project({
		'er.jsonc': '{ "name": "made", "main": "index.js" }',
		'index.js': 'import compile from "compiler";\nexport default { fetch() { try { return new Response(compile("return 1")()) } catch (e) { return new Response(`${e.name}: ${e.message}`) } } };\n',
		'node_modules/compiler/package.json': '{ "name": "compiler", "version": "1.0.0", "main": "lib/index.js" }',
		'node_modules/compiler/lib/index.js': 'const root = globalThis || Function("return this")();\n// a new Function("x") in a comment, or "new Function(a)" in a text, is nothing\nmodule.exports = function (text) {\n\treturn new Function(text + "");\n};\nmodule.exports.root = root; module.exports.text = "new Function(a)";\n',
	})
	const { code, err } = await run(['build'], { cwd: dir })
	assert.equal(code, 0, err)
	assert.match(err, /^node_modules\/compiler\/lib\/index\.js:4:\d+: warning: the package "compiler" makes code of a string \(new Function\), which is switched off on the edge: this call throws an EvalError/m)
	assert.equal(err.match(/warning/g).length, 1)
	const dev = await startDev([], { cwd: dir })
	assert.match((await dev.get()).text, /^EvalError: code from strings is not allowed: eval and new Function are off/)
	assert.equal(await dev.stop(), 0)
})

test('what node:crypto stands on is refused when it is used wrongly, and the routine goes on', async () => {
	const source = `const er = globalThis.__er_node;
const tried = (fn) => { try { const v = fn(); return v === undefined ? "undefined" : typeof v } catch (e) { return e.name } };
export default { fetch() {
	const h = er.hashNew("sha256"), key = new Uint8Array(16), c = er.cipherNew("aes-128-gcm", true, key, new Uint8Array(12), 16), spent = er.hashNew("md5");
	er.hashFinal(spent);
	er.cipherFinal(c);
	return Response.json([
		() => er.hashNew("../x"), () => er.hashNew({}), () => er.hashUpdate({}, key), () => er.hashUpdate(c, key), () => er.hashUpdate(h, "text"), () => er.hashUpdate(h), () => er.hashFinal(spent), () => er.hashCopy(spent), () => er.hashFinal(null),
		() => er.cipherNew("aes-128-gcm", true, new Uint8Array(15), new Uint8Array(12), 16), () => er.cipherNew("aes-128-gcm", true, key, new Uint8Array(0), 16), () => er.cipherNew("aes-128-gcm", true, key, new Uint8Array(5000), 16), () => er.cipherNew("aes-128-ocb", true, key, new Uint8Array(12), 99), () => er.cipherNew("aes-128-ocb", true, key, new Uint8Array(99), 16), () => er.cipherNew("rot13", true, key, key, 16),
		() => er.cipherRun(c, key, false), () => er.cipherRun(h, key, false), () => er.cipherFinal(c), () => er.cipherTag(c, 99), () => er.cipherTag(c, -1), () => er.cipherTag(er.cipherNew("aes-128-cbc", true, key, key, 0), 16), () => er.cipherPadding(c, true),
		() => er.scrypt(key, key, 3, 1, 1, 1e9, 16), () => er.scrypt(key, key, 4294967295, 4294967295, 4294967295, 4294967295, 16), () => er.scrypt(key, key, 16, 1, 1, 1e6, 4294967295), () => er.scrypt("a", key, 16, 1, 1, 1e6, 1), () => { "use strict"; er.hashNew = 1 }, () => er.hashUpdate(er.hashCopy(h), key),
	].map(tried)) } }`
	const dir = project({ 'er.jsonc': '{ "name": "misuse", "main": "index.js", "limits": { "cpuMs": 1000 } }', 'index.js': source })
	const dev = await startDev([], { cwd: dir })
	const answer = await dev.get()
	assert.deepEqual(JSON.parse(answer.text), [
		'undefined', 'undefined', 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError',
		'RangeError', 'RangeError', 'RangeError', 'RangeError', 'RangeError', 'undefined',
		'undefined', 'TypeError', 'undefined', 'undefined', 'undefined', 'undefined', 'boolean',
		'undefined', 'undefined', 'RangeError', 'TypeError', 'TypeError', 'boolean',
	])
	assert.equal((await dev.get()).status, 200)
	assert.equal(await dev.stop(), 0)
})

test('a store that a request enters is not there for the next request', async () => {
	const source = `import { AsyncLocalStorage } from "node:async_hooks";
const als = new AsyncLocalStorage();
export default { async fetch(request) {
	const before = als.getStore();
	als.enterWith(request.url);
	await new Promise((resolve) => setTimeout(resolve, 1));
	return Response.json([before ?? null, als.getStore() === request.url]);
} }`
	const dev = await startDev([], { cwd: project({ 'er.jsonc': '{ "name": "enter", "main": "index.js" }', 'index.js': source }) })
	for (let i = 0; i < 3; i++) assert.deepEqual(JSON.parse((await dev.get(`/${i}`)).text), [null, true])
	assert.equal(await dev.stop(), 0)
})
