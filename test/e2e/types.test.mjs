// The types package has what a routine finds in a sandbox, all of it and nothing else: a routine
// walks its globals, and TypeScript tells what the package says.
import { before, test } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { project, run, startDev, write } from './lib/desk.mjs'
import { root } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'

const folder = path.join(root, 'types')

// ---- the sandbox ----

// Classes as { members, statics }, other objects as { members }; symbols of the language as
// "[Symbol.iterator]", what an implementation keeps under symbols of its own is left out.
const walker = `const known = new Map(Object.getOwnPropertyNames(Symbol).filter((k) => typeof Symbol[k] === "symbol").map((k) => [Symbol[k], "[Symbol." + k + "]"]));
const names = (o) => Reflect.ownKeys(o).map((k) => (typeof k === "symbol" ? known.get(k) : k)).filter((k) => k !== undefined && k !== "constructor");
const chain = (o) => { const out = new Set(); for (; o !== null && o !== Object.prototype && o !== Function.prototype; o = Object.getPrototypeOf(o)) for (const k of names(o)) out.add(k); return [...out]; };
const native = Object.getOwnPropertyNames(globalThis);
const about = (v) => {
	if (typeof v === "function") return { kind: "function", members: v.prototype ? chain(v.prototype) : [], own: v.prototype ? names(v.prototype) : [], statics: chain(v).filter((k) => !["length", "name", "prototype", "arguments", "caller"].includes(k)) };
	if (v !== null && typeof v === "object") return { kind: "object", members: chain(v) };
	return { kind: typeof v };
};
async function pieces() {
	const found = {}, take = (name) => (v) => void (found[name] ??= about(v));
	const rewriter = new HTMLRewriter().on("p", { element(e) { take("HTMLRewriterElement")(e); e.onEndTag(take("HTMLRewriterEndTag")); }, text: take("HTMLRewriterText"), comments: take("HTMLRewriterComment") })
		.onDocument({ doctype: take("HTMLRewriterDoctype"), end: take("HTMLRewriterEnd") });
	await rewriter.transform(new Response("<!doctype html><p>a<!-- b --></p>")).text();
	return found;
}
export default {
	async fetch(request, env, ctx) {
		const globals = {};
		for (const name of native) if (name !== "globalThis" && name !== "self" && !name.startsWith("__er")) globals[name] = about(globalThis[name]);
		for (const name of Object.getOwnPropertyNames(WebAssembly)) globals["WebAssembly." + name] = about(WebAssembly[name]);
		const cached = await fetch("http://127.0.0.1:" + env.PORT + "/x", { er: { cacheTtl: 60 } });
		await cached.text();
		const objects = { ...(await pieces()), KVNamespace: about(env.notes), Fetcher: about(env.ASSETS), URLPatternResult: about(new URLPattern({}).exec({})), URLPatternComponentResult: about(new URLPattern({}).exec({}).hash), ResponseInfo: about(cached.info), ResponseCacheInfo: about(cached.info.cache), EdgeInfo: about(request.info), EdgePlace: about(request.cf) };
		return Response.json({ globals, objects });
	},
};
`

// ---- TypeScript ----

const options = { target: ts.ScriptTarget.ES2024, lib: ['lib.es2024.d.ts'], types: [], strict: true, noEmit: true, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }
let program, checker, source, sandbox
const ours = symbol => (symbol.declarations ?? []).some(d => d.getSourceFile().fileName.startsWith(folder))
const nameOf = symbol => /^__@(\w+)@\d+$/.exec(symbol.escapedName) ? `[Symbol.${/^__@(\w+)@/.exec(symbol.escapedName)[1]}]` : symbol.name
const properties = type => new Map(checker.getPropertiesOfType(type).map(p => [nameOf(p), p]))
const globalValue = name => checker.resolveName(name, source, ts.SymbolFlags.Value, false)
const globalType = name => checker.resolveName(name, source, ts.SymbolFlags.Type, false)
const typeOf = symbol => checker.getTypeOfSymbolAtLocation(symbol, source)

/** A value: of a namespace, with the namespace's name before it. */
function valueOf(name) {
	const [outer, inner] = name.split('.')
	const symbol = globalValue(outer)
	return inner === undefined || symbol === undefined ? symbol : checker.getExportsOfModule(symbol).find(s => s.name === inner)
}
function instanceOf(symbol) {
	const type = typeOf(symbol)
	const prototype = type.getProperty('prototype')
	return prototype === undefined ? undefined : typeOf(prototype)
}

before(async () => {
	program = ts.createProgram([path.join(folder, 'index.d.ts')], options)
	checker = program.getTypeChecker()
	source = program.getSourceFile(path.join(folder, 'web.d.ts'))
	const cwd = project({ 'er.jsonc': '{ "name": "walk", "vars": { "PORT": 1 }, "kv": ["notes"], "assets": "public", "limits": { "cpuMs": 5000, "loadCpuMs": 5000 } }', 'src/index.js': walker, 'public/x': 'x' })
	const dev = await startDev(['--place', 'country=DE,city=Berlin'], { cwd })
	write(cwd, { '.dev.vars': `PORT=${dev.port}\n` })
	let answer
	// With the port, which is known only now.
	await raw.until(async () => (answer = await dev.get('/walk')).status === 200, { timeout: 20000, what: 'the globals' })
	sandbox = JSON.parse(answer.text)
	assert.equal(await dev.stop(), 0)
})

test('the package needs no library of browsers, and has no mistake', () => {
	const wrong = ts.getPreEmitDiagnostics(program).map(d => `${d.file?.fileName}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`)
	assert.deepEqual(wrong, [])
	assert.ok(!program.getSourceFiles().some(f => /lib\.(dom|webworker)/.test(f.fileName)))
})

// Members of this implementation of streams and of classes, and what every error has of the engine:
// nobody's contract.
const UNTYPED = /^(WritableStreamDefaultController\.abortReason|WebAssembly\.\[Symbol\.toStringTag\]|static \S+\.(\[Symbol\.hasInstance\]|stackTraceLimit|captureStackTrace|isError))$/

test('every global of the sandbox, and every member of its interfaces, is in the types', () => {
	const missing = []
	for (const [name, is] of Object.entries(sandbox.globals)) {
		const symbol = valueOf(name)
		if (symbol === undefined) {
			missing.push(name)
			continue
		}
		if (!ours(symbol)) continue // of the language itself: the next test
		const instance = is.kind === 'function' ? instanceOf(symbol) : typeOf(symbol)
		if (instance !== undefined && is.kind !== 'undefined') {
			const has = properties(instance)
			for (const member of is.own ?? is.members ?? []) if (!has.has(member)) missing.push(`${name}.${member}`)
		}
		const statics = is.kind === 'function' ? properties(typeOf(symbol)) : new Map()
		for (const member of is.statics ?? []) if (!statics.has(member) && !checker.getSignaturesOfType(typeOf(symbol), ts.SignatureKind.Call).length) missing.push(`static ${name}.${member}`)
	}
	for (const [name, is] of Object.entries(sandbox.objects)) {
		const symbol = globalType(name)
		assert.ok(symbol, name)
		const has = properties(checker.getDeclaredTypeOfSymbol(symbol))
		for (const member of is.members) if (!has.has(member)) missing.push(`${name}.${member}`)
	}
	assert.deepEqual(missing.filter(name => !UNTYPED.test(name)), [])
})

test('nothing is in the types that the sandbox does not have', () => {
	const absent = []
	const compare = (name, type, members) => {
		for (const [member, symbol] of properties(type)) if (member !== 'prototype' && ours(symbol) && !members.includes(member)) absent.push(`${name}.${member}`)
	}
	for (const symbol of checker.getSymbolsInScope(source, ts.SymbolFlags.Value)) {
		if (!ours(symbol) || symbol.name.startsWith('"') || symbol.name === 'self') continue
		const is = sandbox.globals[symbol.name]
		if (is === undefined) {
			absent.push(symbol.name)
			continue
		}
		if (is.kind === 'function' && instanceOf(symbol)) {
			compare(symbol.name, instanceOf(symbol), is.members)
			compare(`static ${symbol.name}`, typeOf(symbol), is.statics)
		} else if (is.kind === 'object' && symbol.name !== 'WebAssembly' && !symbol.name.startsWith('on')) {
			compare(symbol.name, typeOf(symbol), is.members)
		}
	}
	for (const symbol of checker.getExportsOfModule(globalValue('WebAssembly')).filter(s => s.flags & ts.SymbolFlags.Value)) {
		const is = sandbox.globals[`WebAssembly.${symbol.name}`]
		if (is === undefined) absent.push(`WebAssembly.${symbol.name}`)
		else if (is.kind === 'function' && instanceOf(symbol)) {
			compare(`WebAssembly.${symbol.name}`, instanceOf(symbol), is.members)
			compare(`static WebAssembly.${symbol.name}`, typeOf(symbol), is.statics)
		}
	}
	// Of EdgeInfo and EdgePlace every member may be missing.
	for (const [name, is] of Object.entries(sandbox.objects)) if (!/^Edge/.test(name)) compare(name, checker.getDeclaredTypeOfSymbol(globalType(name)), is.members)
	assert.deepEqual(absent, [])
})

// Of objects and not of their classes; what every object has; and what no library can be without.
const OF_OBJECTS = /^(Object|Function)\.|\.(stack|cause|errors|lastIndex|valueOf)$|^Iterator\.(next|return|throw)$|^SharedArrayBuffer$/

test('the libraries of the language that the package asks for have nothing that the engine does not have', () => {
	const absent = []
	for (const symbol of checker.getSymbolsInScope(source, ts.SymbolFlags.Value)) {
		if (ours(symbol) || symbol.name.startsWith('"') || ['globalThis', 'undefined', 'arguments', 'require', 'module', 'exports'].includes(symbol.name)) continue
		const is = sandbox.globals[symbol.name]
		if (is === undefined) {
			absent.push(symbol.name)
			continue
		}
		const instance = is.kind === 'function' && instanceOf(symbol)
		if (instance) for (const member of properties(instance).keys()) if (!is.members.includes(member) && !member.startsWith('_')) absent.push(`${symbol.name}.${member}`)
		if (is.kind === 'function') for (const member of properties(typeOf(symbol)).keys()) if (member !== 'prototype' && !is.statics.includes(member)) absent.push(`static ${symbol.name}.${member}`)
	}
	assert.deepEqual(absent.filter(name => !OF_OBJECTS.test(name)), [])
})

test('er:test has what its types say, and its types say all of it', async () => {
	const cwd = project({
		'er.jsonc': '{}',
		'index.js': 'export default { fetch: () => new Response("") }',
		'a.test.js': `import * as api from "er:test";
const { expect, mock, SELF, test, describe } = api;
const own = (o) => Object.getOwnPropertyNames(o).filter((k) => !["length", "name", "prototype", "arguments", "caller", "constructor"].includes(k));
test("names", () => {
	const each = mock.fetch("https://a.example/", "");
	console.log(JSON.stringify({ exports: Object.keys(api), Expect: own(expect), Matchers: own(expect(1)).filter((k) => !["not", "resolves", "rejects"].includes(k)), MockApi: own(mock), Timers: own(mock.timers),
		Mock: own(mock.fn()), MockState: own(mock.fn().mock), Routine: own(Object.getPrototypeOf(SELF)), TestApi: own(test), DescribeApi: own(describe), FetchMock: [...own(Object.getPrototypeOf(each)), ...own(each)].filter((k) => !["fits", "answer", "through", "left"].includes(k)) }));
});`,
	})
	const { out } = await run(['test', '--json'], { cwd })
	const said = JSON.parse(JSON.parse(out).files[0].tests[0].console[0].text)
	const module = checker.getAmbientModules().find(m => m.name === '"er:test"')
	const exported = checker.getExportsOfModule(module)
	assert.deepEqual(said.exports.sort(), exported.filter(s => s.flags & ts.SymbolFlags.Value).map(s => s.name).sort())
	delete said.exports
	const file = program.getSourceFile(path.join(folder, 'test.d.ts'))
	const scope = file.statements.find(ts.isModuleDeclaration).body
	for (const [name, members] of Object.entries(said)) {
		const type = checker.getDeclaredTypeOfSymbol(checker.resolveName(name, scope, ts.SymbolFlags.Type, false))
		assert.deepEqual(members.sort(), [...properties(type).keys()].sort(), name)
	}
})

/** What the compiler says of a project, by its own tsconfig.json. */
function compile(cwd) {
	const { config } = ts.readConfigFile(path.join(cwd, 'tsconfig.json'), ts.sys.readFile)
	const parsed = ts.parseJsonConfigFileContent(config, ts.sys, cwd)
	const made = ts.createProgram(parsed.fileNames, parsed.options)
	return [...parsed.errors, ...ts.getPreEmitDiagnostics(made)].map(d => `${path.relative(cwd, d.file?.fileName ?? cwd)}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`)
}

test('er init --template ts makes a project that the compiler takes, strictly, and whose tests pass', async () => {
	const dir = project({})
	assert.equal((await run(['init', 'typed', '--template', 'ts'], { cwd: dir })).code, 0)
	const cwd = path.join(dir, 'typed')
	assert.deepEqual(compile(cwd), [])
	const { code, out } = await run(['test'], { cwd })
	assert.equal(code, 0, out)
	assert.match(out, /5 passed in 1 file/)
	// what the sandbox does not have is a mistake, and so is what env does not have
	write(cwd, { 'src/wrong.ts': 'export const title = document.title;\nexport default { fetch(request, env) { return new Response(env.MISSING); } } satisfies ExportedHandler<Env>;\nnew Response("x", { status: "200" });\n' })
	const wrong = compile(cwd)
	assert.equal(wrong.length, 3, wrong.join('\n'))
	for (const [i, of] of [/'document'/, /'MISSING'/, /'string' is not assignable to type 'number'/].entries()) assert.match(wrong[i], of)
})

test('er types says of env what er.jsonc and .dev.vars say, without a value', async () => {
	const cwd = project({
		'er.jsonc': '{ "name": "env", "vars": { "TEXT": "hidden", "N": 1, "ON": true, "NOTHING": null, "LIST": ["a"], "MIXED": [1, "a"], "DEEP": { "a-b": { "c": 1 }, "none": {} }, "TOKEN": 5 }, "kv": { "NOTES": "notes" }, "services": { "AUTH": "auth" }, "assets": "public" }',
		'.dev.vars': 'TOKEN=also-hidden\nMORE=x\n', 'src/index.ts': 'export default { fetch: (request, env) => new Response(env.DEEP["a-b"].c.toFixed() + env.LIST[0].length) } satisfies ExportedHandler<Env>;', 'public/x': 'x',
		'tsconfig.json': '{ "compilerOptions": { "target": "ES2024", "module": "ESNext", "moduleResolution": "Bundler", "lib": ["ES2024"], "types": [], "strict": true, "noEmit": true }, "include": ["src", "er-env.d.ts", ".er/types"] }',
	})
	const { code, out } = await run(['types'], { cwd })
	assert.deepEqual([code, out], [0, 'wrote er-env.d.ts, the type of env, and .er/types\n'])
	const text = fs.readFileSync(path.join(cwd, 'er-env.d.ts'), 'utf8')
	assert.equal(text.replace(/^[^]*?interface/, 'interface'), `interface Env {
	TEXT: string;
	N: number;
	ON: boolean;
	NOTHING: null;
	LIST: string[];
	MIXED: any[];
	DEEP: {
		"a-b": {
			c: number;
		};
		none: Record<string, unknown>;
	};
	TOKEN: string;
	MORE: string;
	NOTES: KVNamespace;
	AUTH: Fetcher;
	ASSETS: Fetcher;
}
`)
	assert.doesNotMatch(text, /hidden/)
	assert.deepEqual(compile(cwd), [])
	assert.equal(fs.readFileSync(path.join(cwd, '.er/.gitignore'), 'utf8'), '*\n')
	assert.deepEqual(JSON.parse((await run(['types', '--json'], { cwd })).out), { ok: true, env: 'er-env.d.ts', types: '.er/types' })
})
