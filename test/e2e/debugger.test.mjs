// The debugger of er dev as a client of the Chrome DevTools protocol meets it; and that only er dev
// has it.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { skip, withDevtools } from './lib/chromium.mjs'
import { project, run, startDev, write } from './lib/desk.mjs'
import { Devtools, ask, generatedOf, knock } from './lib/devtools.mjs'
import { startNode } from './lib/node.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

const sleepy = { timeout: 120000 }
const source = `type Item = { price: number; count: number };
export function total(items: Item[]): number {
	let sum = 0;
	for (const item of items) {
		sum += item.price * item.count;
	}
	return sum;
}
export default {
	async fetch(request: Request): Promise<Response> {
		const path = new URL(request.url).pathname;
		if (path === "/throw") throw new TypeError("thrown here");
		const most = Number(new URL(request.url).search.slice(1) || 3e7);
		if (path === "/busy") { let n = 0; for (let i = 0; i < most; i++) n += i % 7; return new Response("busy " + n); }
		const items = [{ price: 2, count: 3 }, { price: 5, count: 1 }];
		const sum = total(items);
		console.log("the sum", { sum });
		return new Response("sum " + sum);
	},
};
`
const files = { 'er.jsonc': '{ "name": "shop", "main": "src/index.ts", "limits": { "responseMs": 1500 } }', 'src/index.ts': source }

async function debugged(args = ['--inspect=0'], own = files) {
	const dir = project(own)
	const dev = await startDev(args, { cwd: dir })
	const note = await dev.event('note', e => /a debugger can attach/.test(e.text))
	return { dev, dir, port: Number(/:(\d+)\//.exec(note.text)[1]), address: /ws:\/\/(\S+)/.exec(note.text)[1] }
}

const mapOf = script => JSON.parse(Buffer.from(/base64,(.*)$/.exec(script.sourceMapURL)[1], 'base64'))

test('a breakpoint in the TypeScript stops there; locals are seen and evaluated, steps taken, and the request answers', sleepy, async () => {
	const { dev, dir, port } = await debugged()
	const d = await Devtools.attach(port)
	await d.send('Runtime.enable')
	await d.send('Debugger.enable')
	assert.equal((await dev.get('/')).text, 'sum 11')
	const script = await d.event('Debugger.scriptParsed', { accept: s => s.url === `file://${dir}/.er/routine.js` })
	const map = mapOf(script)
	const [lineNumber, columnNumber] = generatedOf(map, 'src/index.ts', 4)
	const set = await d.send('Debugger.setBreakpointByUrl', { lineNumber, columnNumber, url: script.url })
	assert.equal(set.locations.length, 1)

	const from = d.events.length
	const request = dev.get('/', { timeout: 60000 })
	const stood = await d.event('Debugger.paused', { from })
	assert.deepEqual(stood.hitBreakpoints, [set.breakpointId])
	assert.deepEqual(stood.callFrames.slice(0, 2).map(f => f.functionName), ['total', 'fetch'])
	const [top] = stood.callFrames
	assert.equal(top.location.lineNumber, lineNumber)
	// longer than a request may take: no time passes while it stands
	await raw.sleep(2500)
	const evaluated = await d.send('Debugger.evaluateOnCallFrame', { callFrameId: top.callFrameId, expression: 'sum + item.price', returnByValue: true })
	assert.equal(evaluated.result.value, 2)
	const thrown = await d.send('Debugger.evaluateOnCallFrame', { callFrameId: top.callFrameId, expression: 'nothing.of.this' })
	assert.match(thrown.exceptionDetails.exception.description, /^ReferenceError/)
	const local = top.scopeChain.find(s => s.type === 'local')
	const members = (await d.send('Runtime.getProperties', { objectId: local.object.objectId, ownProperties: true })).result
	const items = members.find(p => p.name === 'items')
	assert.equal(items.value.description, 'Array(2)')
	const second = (await d.send('Runtime.getProperties', { objectId: items.value.objectId, ownProperties: true, generatePreview: true })).result.find(p => p.name === '1')
	assert.deepEqual(second.value.preview.properties.map(p => `${p.name} ${p.value}`), ['price 5', 'count 1'])

	let at = d.events.length
	await d.send('Debugger.stepOver')
	const stepped = await d.event('Debugger.paused', { from: at })
	assert.ok(d.events.slice(at).some(e => e.method === 'Debugger.resumed'))
	assert.equal(stepped.callFrames[0].functionName, 'total')
	await d.send('Debugger.removeBreakpoint', { breakpointId: set.breakpointId })
	at = d.events.length
	await d.send('Debugger.stepOut')
	const out = await d.event('Debugger.paused', { from: at })
	assert.equal(out.callFrames[0].functionName, 'fetch')
	await d.send('Debugger.resume')
	assert.equal((await request).text, 'sum 11')
	const line = await d.event('Runtime.consoleAPICalled', { from })
	assert.deepEqual(line.args.map(a => a.value ?? a.preview.properties[0].value), ['the sum', '11'])
	await dev.event('console', e => /the sum/.test(e.text))
	const { scriptSource } = await d.send('Debugger.getScriptSource', { scriptId: script.scriptId })
	assert.match(scriptSource, /function total\(items\)/)
	d.close()
	await dev.stop()
})

// What VS Code's adapter (js-debug) says when it attaches by a launch.json as in
// docs/debugging.md, in its order; its own files are no part of this test.
test('VS Code finds its breakpoints, also at the top level, and after a save that moved them', sleepy, async () => {
	const own = source.replace('export default', 'const top = [1, 2].map(n => n * 2);\nexport default')
	const { dev, dir, port } = await debugged(['--inspect-brk=0'], { ...files, 'src/index.ts': own })
	assert.equal(JSON.parse((await ask(port, '/json/list')).text)[0].type, 'node')
	const d = await Devtools.attach(port)
	for (const [method, params] of [
		['NodeWorker.enable', { waitForDebuggerOnStart: true }], ['Runtime.enable'], ['Debugger.enable'],
		['Debugger.setBlackboxPatterns', { patterns: [] }], ['Runtime.enable'], ['Profiler.enable'], ['Debugger.enable'],
		['Debugger.setAsyncCallStackDepth', { maxDepth: 32 }], ['Debugger.setPauseOnExceptions', { state: 'uncaught' }],
		['Debugger.setBlackboxPatterns', { patterns: ['^(node:)?internal\\/'] }],
		['Debugger.setInstrumentationBreakpoint', { instrumentation: 'beforeScriptWithSourceMapExecution' }],
	]) await d.send(method, params)
	const byPath = await d.send('Debugger.setBreakpointByUrl', { urlRegex: `file:\\/\\/${dir}\\/src\\/index\\.ts($|\\?)`, lineNumber: 8, columnNumber: 0 })
	assert.deepEqual(byPath.locations, [])
	await d.send('Runtime.runIfWaitingForDebugger')

	/** The next sandbox stands before its script: the source's lines are to stop there. */
	const begin = async (from, lines) => {
		const { reason, data, callFrames } = await d.event('Debugger.paused', { from })
		assert.equal(reason, 'instrumentation')
		assert.equal(callFrames[0].location.scriptId, data.scriptId)
		const map = mapOf(data)
		assert.deepEqual(map.sources.map(s => new URL((map.sourceRoot ?? '') + s, data.url).href), [`file://${dir}/src/index.ts`])
		const ids = []
		for (const line of lines) {
			const [lineNumber, columnNumber] = generatedOf(map, 'src/index.ts', line)
			const set = await d.send('Debugger.setBreakpointByUrl', { url: data.url, lineNumber, columnNumber })
			assert.equal(set.locations.length, 1)
			ids.push(set.breakpointId)
		}
		return ids
	}
	/** Goes on to the next stop. */
	const next = async () => {
		const from = d.events.length
		await d.send('Debugger.resume')
		return d.event('Debugger.paused', { from })
	}

	const request = dev.get('/', { timeout: 60000 })
	const [top, inLoop] = await begin(0, [8, 4])
	assert.deepEqual((await next()).hitBreakpoints, [top])
	const stood = await next()
	assert.deepEqual(stood.hitBreakpoints, [inLoop])
	const { callFrameId, scopeChain } = stood.callFrames[0]
	const evaluate = (expression, more) => d.send('Debugger.evaluateOnCallFrame', { callFrameId, expression, ...more })
	// what a variable view, a hover and an edit of a value ask for
	const { objectId } = (await evaluate('items', { objectGroup: 'g' })).result
	assert.deepEqual((await d.send('Runtime.getProperties', { objectId, accessorPropertiesOnly: true, ownProperties: false, generatePreview: true })).result.filter(p => !p.get && !p.set), [])
	assert.deepEqual((await d.send('Runtime.getProperties', { objectId, ownProperties: true, nonIndexedPropertiesOnly: true })).result.map(p => p.name), ['length'])
	const called = await d.send('Runtime.callFunctionOn', { objectId, functionDeclaration: 'function (...a) { return a.map(i => this[i].price) }', arguments: [{ value: 1 }, { value: 0 }], returnByValue: true })
	assert.deepEqual(called.result.value, [5, 2])
	assert.match((await evaluate('sum', { throwOnSideEffect: true })).exceptionDetails.exception.description, /^EvalError/)
	await d.send('Debugger.setVariableValue', { callFrameId, scopeNumber: scopeChain.length - 1, variableName: 'sum', newValue: { value: 100 } })
	await assert.rejects(d.send('Debugger.setVariableValue', { callFrameId, scopeNumber: 0, variableName: 'items', newValue: { objectId } }), /evaluate an assignment/)
	assert.equal((await evaluate('sum')).result.value, 100)
	await d.send('Runtime.releaseObject', { objectId })
	await d.send('Runtime.releaseObjectGroup', { objectGroup: 'g' })
	for (const id of [top, inLoop, byPath.breakpointId]) await d.send('Debugger.removeBreakpoint', { breakpointId: id })
	await d.send('Debugger.resume')
	assert.equal((await request).text, 'sum 111')

	// two lines more before everything: who sets its breakpoints anew, before the new code
	// runs, stops where it should
	const built = dev.events.length
	write(dir, { 'src/index.ts': '// one\n// two\n' + own })
	await dev.event('build', e => e.ok, { from: built })
	let from = d.events.length
	const again = dev.get('/', { timeout: 60000 })
	await begin(from, [6])
	const moved = await next()
	assert.equal(moved.callFrames[0].functionName, 'total')
	// a new version while the old one stands: that one goes on as soon as the new one has the
	// debugger
	const rebuilt = dev.events.length
	write(dir, { 'src/index.ts': 'export default { fetch: () => new Response("other") };\n' })
	await dev.event('build', e => e.ok, { from: rebuilt })
	from = d.events.length
	const other = dev.get('/', { timeout: 60000 })
	assert.equal((await again).text, 'sum 11')
	await d.event('Debugger.resumed', { from })
	await begin(from, [])
	await d.send('Debugger.removeBreakpoint', { breakpointId: 'er:beginning' })
	await d.send('Debugger.resume')
	assert.equal((await other).text, 'other')
	d.close()
	await dev.stop()
})

test("Chromium's own DevTools set a breakpoint in the TypeScript, stand there and go on", { ...sleepy, skip }, async () => {
	const { dev, dir, address } = await debugged()
	await withDevtools(`devtools://devtools/bundled/js_app.html?ws=${address}`, async evaluate => {
		// the front end's own modules, as its panels use them
		const inside = body => evaluate(`(async () => {
			const load = name => import('devtools://devtools/bundled/' + name)
			const until = async f => { for (;;) { const v = f(); if (v) return v; await new Promise(r => setTimeout(r, 20)) } }
			const { TargetManager, DebuggerModel } = await load('core/sdk/sdk.js')
			const { WorkspaceImpl } = (await load('models/workspace/workspace.js')).Workspace
			const { BreakpointManager } = (await load('models/breakpoints/breakpoints.js')).BreakpointManager
			const made = () => { try { return BreakpointManager.instance() } catch {} } // the front end has begun
			const manager = await until(made)
			const model = () => TargetManager.TargetManager.instance().models(DebuggerModel.DebuggerModel)[0]
			${body}
		})()`)
		assert.equal((await dev.get('/')).text, 'sum 11')
		const url = await inside(`const file = await until(() => WorkspaceImpl.instance().uiSourceCodes().find(u => u.url().endsWith('/src/index.ts')))
			await manager.setBreakpoint(file, 4, undefined, '', true, false, 'USER_ACTION')
			await until(() => manager.allBreakpointLocations().length > 0 && manager.allBreakpointLocations()[0].breakpoint.getIsRemoved?.() !== true)
			await manager.allBreakpointLocations()[0].breakpoint.refreshInDebugger()
			return file.url()`)
		assert.equal(url, `file://${dir}/src/index.ts`)
		const request = dev.get('/', { timeout: 60000 })
		const [line, names, value] = await inside(`const paused = await until(() => model()?.debuggerPausedDetails())
			const frame = paused.callFrames[0]
			const place = await (await load('models/bindings/bindings.js')).DebuggerWorkspaceBinding.DebuggerWorkspaceBinding.instance().rawLocationToUILocation(frame.location())
			const { object } = await frame.evaluate({ expression: 'sum + item.price', returnByValue: true })
			return [place.lineNumber, paused.callFrames.map(f => f.functionName), object.value]`)
		assert.deepEqual([line, names.slice(0, 2), value], [4, ['total', 'fetch'], 2])
		await inside(`for (const l of manager.allBreakpointLocations()) await l.breakpoint.remove(false)
			model().resume()`)
		assert.equal((await request).text, 'sum 11')
	})
	await dev.stop()
})

test('a session survives a save: its breakpoints hold in the new code, also at the top level', sleepy, async () => {
	const { dev, dir, port } = await debugged()
	const d = await Devtools.attach(port)
	await d.send('Runtime.enable')
	await d.send('Debugger.enable')
	const url = `file://${dir}/.er/routine.js`
	assert.equal((await dev.get('/')).text, 'sum 11')
	await d.send('Debugger.setPauseOnExceptions', { state: 'uncaught' })
	write(dir, { 'src/index.ts': 'const top: number = 41;\ndebugger;\nexport default { fetch: () => new Response("top " + (top + 1)) };\n' })
	await dev.event('build', e => e.ok, { from: dev.events.findIndex(e => e.event === 'ready') })
	const request = dev.get('/', { timeout: 60000 })
	const stood = await d.event('Debugger.paused')
	assert.equal(stood.callFrames[0].url, url)
	const { result } = await d.send('Debugger.evaluateOnCallFrame', { callFrameId: stood.callFrames[0].callFrameId, expression: 'top' })
	assert.equal(result.value, 41)
	await d.send('Debugger.resume')
	assert.equal((await request).text, 'top 42')
	// a sandbox that goes while it is asked: who asked is told at once
	const edited = dev.events.length
	const asked = d.send('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true }).catch(e => e.message)
	write(dir, { 'src/index.ts': 'export default { fetch: () => new Response("last") };\n' })
	await dev.event('build', e => e.ok, { from: edited })
	assert.match(String(await asked), /sandbox that was asked is gone/)
	assert.equal((await dev.get('/')).text, 'last')
	// objects of the sandbox before are known as gone
	await assert.rejects(d.send('Runtime.getProperties', { objectId: '0:{"injectedScriptId":1,"id":1}' }), /sandbox that is gone/)
	d.close()
	await dev.stop()
})

test('code that runs is evaluated in, profiled, and has no limit of CPU time; what it throws is told', sleepy, async () => {
	const { dev, port } = await debugged(undefined, { ...files, 'er.jsonc': '{ "name": "shop", "main": "src/index.ts" }' })
	// without a debugger the limits hold
	assert.equal((await dev.get('/busy')).status, 599)
	const d = await Devtools.attach(port)
	await d.send('Runtime.enable')
	await d.send('Debugger.enable')
	await d.send('Profiler.enable')
	assert.equal((await dev.get('/')).text, 'sum 11')
	assert.equal((await d.send('Runtime.evaluate', { expression: 'Promise.resolve(6 * 7)', awaitPromise: true, returnByValue: true })).result.value, 42)
	assert.equal((await d.send('Runtime.evaluate', { expression: '10n ** 20n' })).result.unserializableValue, '100000000000000000000n')
	// a breakpoint met while something is evaluated stops nothing
	assert.equal((await d.send('Runtime.evaluate', { expression: 'debugger; 7' })).result.value, 7)
	assert.equal((await d.send('Runtime.callFunctionOn', { functionDeclaration: 'function (n) { return typeof this.fetch + n }', executionContextId: 1, arguments: [{ value: 1 }] })).result.value, 'function1')
	await d.send('Profiler.start')
	assert.match((await dev.get('/busy', { timeout: 60000 })).text, /^busy /)
	const { profile } = await d.send('Profiler.stop')
	assert.ok(profile.nodes.some(n => n.callFrame.functionName === 'fetch'), JSON.stringify(profile.nodes).slice(0, 500))
	assert.ok(profile.samples.length > 5 && profile.samples.length === profile.timeDeltas.length)
	assert.equal((await dev.get('/throw')).status, 599)
	const { exceptionDetails } = await d.event('Runtime.exceptionThrown')
	assert.match(exceptionDetails.exception.description, /^TypeError: thrown here\n {4}at fetch \(src\/index\.ts:12:\d+\)/)
	const script = await d.event('Debugger.scriptParsed', { accept: s => s.scriptId === exceptionDetails.scriptId })
	const [{ functionName, lineNumber, columnNumber }] = exceptionDetails.stackTrace.callFrames
	const thrower = (await d.send('Debugger.getScriptSource', { scriptId: script.scriptId })).scriptSource.split('\n')[lineNumber]
	assert.deepEqual([functionName, exceptionDetails.lineNumber], ['fetch', lineNumber])
	assert.match(thrower.slice(columnNumber), /^(new )?TypeError\("thrown here"\)|^throw /)
	await assert.rejects(d.send('Page.navigate'), /wasn't found/)
	d.close()
	await dev.stop()
})

test('er dev --cpu-profile writes what Chrome and VS Code open: whose time it was, in the sources, over a save', sleepy, async () => {
	const own = { 'er.jsonc': '{ "name": "shop", "main": "src/index.ts" }', 'src/index.ts': source }
	const dir = project(own)
	const file = `${dir}/a.cpuprofile`
	const dev = await startDev(['--cpu-profile', file], { cwd: dir })
	const busy = async () => assert.match((await dev.get('/busy?1e8', { timeout: 60000 })).text, /^busy /)
	await busy()
	write(dir, { 'src/index.ts': '// a line more\n' + source })
	await dev.event('build', e => e.ok, { from: dev.events.findIndex(e => e.event === 'ready') })
	await busy()
	assert.equal(await dev.stop(), 0)
	assert.ok(dev.events.some(e => e.event === 'note' && e.text.includes(file) && /\d+ samples/.test(e.text)))
	const { nodes, samples, timeDeltas, startTime, endTime } = JSON.parse(fs.readFileSync(file))
	const found = nodes.filter(n => n.callFrame.functionName === 'fetch' && n.callFrame.url === `file://${dir}/src/index.ts` && n.hitCount > 0)
	assert.deepEqual([...new Set(found.map(n => n.callFrame.lineNumber))].sort((a, b) => a - b), [9, 10], JSON.stringify(nodes).slice(0, 2000))
	assert.ok(samples.length > 10 && samples.length === timeDeltas.length && samples.every(id => nodes.some(n => n.id === id)))
	assert.equal(timeDeltas.reduce((a, b) => a + b), endTime - startTime)
	assert.equal((await run(['dev', '--cpu-profile', `${dir}/none/a`], { cwd: dir })).code, 1)
	assert.equal((await run(['dev', '--cpu-profile', file, '--inspect'], { cwd: dir })).code, 2)
})

test('a debugger that leaves lets the code go on; the next one may come', sleepy, async () => {
	const { dev, port } = await debugged(undefined, { ...files, 'er.jsonc': '{ "name": "shop", "main": "src/index.ts" }' })
	for (let i = 0; i < 2; i++) {
		assert.equal((await dev.get('/')).text, 'sum 11')
		const d = await Devtools.attach(port)
		await d.send('Runtime.enable')
		// of the session before nothing is left, whenever its end came
		await d.send('Profiler.start')
		assert.equal((await d.send('Profiler.stop')).profile.nodes[0].callFrame.functionName, '(root)')
		await d.send('Debugger.enable')
		await d.send('Debugger.pause')
		const request = dev.get('/', { timeout: 60000 })
		await d.event('Debugger.paused')
		d.close()
		assert.equal((await request).text, 'sum 11')
		// what comes next has its limits again; what was compiled meanwhile is fast
		const seen = []
		await raw.until(async () => seen.push((await dev.get('/busy?1e9', { timeout: 60000 })).headers['er-error']) && /^cpu/.test(seen.at(-1)), { what: `the limit; there was ${seen}` })
	}
	await dev.stop()
})

test('with --inspect-brk the code waits for a debugger that lets it run', sleepy, async () => {
	const { dev, port } = await debugged(['--inspect-brk=0'])
	const request = dev.get('/', { timeout: 60000 })
	await raw.sleep(300)
	const d = await Devtools.attach(port)
	await d.send('Debugger.enable')
	await d.send('Debugger.setBreakpointByUrl', { lineNumber: 1, urlRegex: 'routine\\.js$' })
	await d.send('Runtime.runIfWaitingForDebugger')
	await d.event('Debugger.paused')
	await d.send('Debugger.resume')
	assert.equal((await request).text, 'sum 11')
	d.close()
	await dev.stop()
})

test('strangers do not get in: other hosts, web pages, guessed paths, a second debugger', sleepy, async () => {
	const { dev, port, address } = await debugged()
	const path = address.slice(address.indexOf('/'))
	assert.equal((await ask(port, '/json/list', { Host: 'evil.example' })).status, 403)
	assert.equal((await ask(port, '/json/list', { Host: `localhost.evil.example:${port}` })).status, 403)
	assert.equal(await knock(port, path, { Host: 'evil.example' }), 403)
	for (const Origin of ['http://evil.example', 'https://evil.example', 'null', 'file://']) assert.equal(await knock(port, path, { Origin }), 403)
	assert.equal(await knock(port, '/' + '0'.repeat(32)), 404)
	assert.equal((await ask(port, path)).status, 426)
	assert.equal(JSON.parse((await ask(port, '/json/version', { Host: `localhost:${port}` })).text)['Protocol-Version'], '1.3')
	assert.ok(JSON.parse((await ask(port, '/json')).text)[0].devtoolsFrontendUrl.endsWith(`ws=${address}`))
	const d = await Devtools.attach(port)
	assert.equal(await knock(port, path), 409)
	// nonsense on the wire ends its connection and nothing else; so do half a request, and a
	// thousand of them
	const c = await raw.connect(port)
	c.send('\x16\x03\x01\x02\x00\x01\x00\r\n\r\n')
	const held = Array.from({ length: 1000 }, () => net.connect(port, '127.0.0.1').on('error', () => {}).on('connect', function () { this.write('GET /json/list HTTP/1.1\r\nHost: loc') }))
	const door = () => fs.readdirSync(`/proc/${dev.pid}/fd`).length
	await raw.until(() => held.every(s => s.connecting === false), { what: 'a thousand connections' })
	await raw.until(() => door() < 200, { what: `their end; there were ${door()}` })
	for (const s of held) s.destroy()
	await raw.until(async () => (await ask(port, '/json/version')).status === 200, { what: 'the door' })
	assert.equal((await dev.get('/')).text, 'sum 11')
	c.close()
	// the session: frames that say what is no command are passed over, and one that is too
	// large ends it
	assert.deepEqual(await d.send('Debugger.enable'), { debuggerId: 'er' })
	for (const bytes of [[0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x22], [0x82, 0x81, 0, 0, 0, 0, 7], [0x89, 0x80, 0, 0, 0, 0]]) d.write(Buffer.from(bytes))
	assert.deepEqual(await d.send('Debugger.enable'), { debuggerId: 'er' })
	d.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x7b]))
	await raw.until(() => d.ended, { what: 'the end of the session' })
	// half a frame holds nothing up for the next one, once it is gone
	const half = await Devtools.attach(port)
	half.write(Buffer.from([0x81, 0xfe, 0x10]))
	half.close()
	await raw.until(async () => (await knock(port, path)) === 101, { what: 'the next session' })
	assert.equal((await dev.get('/')).text, 'sum 11')
	await dev.stop()
})

test('a sandbox of a node has no debugger: no socket, no flag, and no way to ask for one', sleepy, async () => {
	const node = await startNode({ routines: { plain: 'addEventListener("fetch", e => e.respondWith(new Response("ok")))' } })
	assert.equal((await node.get('plain')).text, 'ok')
	const sandboxes = proc.sandboxes(node.pid)
	assert.ok(sandboxes.length > 0)
	for (const pid of sandboxes) {
		assert.doesNotMatch(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /inspect/)
		assert.deepEqual(fs.readdirSync(`/proc/${pid}/fd`).filter(fd => /^socket:/.test(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))), [])
	}
	await node.stop()
	const refused = await run(['node', '--inspect'])
	assert.equal(refused.code, 2)
	const dir = project({ 'node.jsonc': '{ "listen": ["127.0.0.1:0"], "inspect": true }' })
	assert.equal((await run(['node', '--config', `${dir}/node.jsonc`])).code !== 0, true)
})
