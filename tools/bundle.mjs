#!/usr/bin/env node
// Bundles a routine into the one classic script that the engine takes. Started by `er build`, `er
// check` and `er dev`; it writes no file: every result is one line of JSON on standard output.
//
//   node bundle.mjs --root DIR --entry FILE [--minify none|default|full] [--nodejs]
//   [--globals] [--watch]
//
// The line: { ok, code, map, bytes, ms, files, inputs: [{path, bytes}], parts: the same by
// packages, errors: [...], warnings: [...] }, a message being { path, line, column, length, text,
// lineText, notes } with line and column from 1, column and length in code points. With --globals a
// result has what its code uses and does not define: globals: [{ name, and a message }]
// (globals.mjs). With --nodejs the names Buffer and process stand for Node's (node-modules.mjs).
// With --watch there is a line after every change that changes the result, and the process ends
// when its standard input closes, so that it never outlives `er dev`.
//
// The script: `this.__er_module = (() => { ... })()`, the module's exports. The prelude takes
// __er_module.default, or the listeners that the script added. The engine has no import(): dynamic
// imports are inlined, and what cannot be is refused here.

import { realpathSync, statSync, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { evaluations, freeNames } from "./globals.mjs";
import { nodeModules, nodeSettings, shownPath, wanted } from "./node-modules.mjs";

const TEXT = [".txt", ".html", ".htm", ".md", ".css", ".svg", ".xml", ".csv", ".sql", ".graphql", ".gql"];
const BYTES = [".bin", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".woff", ".woff2", ".pdf"];
// esbuild declares a variable for the exports; the prelude wants a property that it can delete.
// Both heads have the same length, so the map's columns hold.
const EXPORTS = "__er_exports";
const HEAD = /^("use strict";\s*)?var __er_exports/;
const PROPERTY = "$1this.__er_module";
const ENV_MODULES = /^(alibaba|cloudflare):workers$/;

function options(argv) {
	const o = { minify: "default", watch: false };
	for (let i = 0; i < argv.length; i++) {
		if (argv[i] === "--watch") o.watch = true;
		else if (argv[i] === "--globals") o.globals = true;
		else if (argv[i] === "--nodejs") o.nodejs = true;
		else if (["--root", "--entry", "--minify"].includes(argv[i]) && i + 1 < argv.length) o[argv[i].slice(2)] = argv[++i];
		else throw new Error(`unknown argument ${argv[i]}`);
	}
	if (!o.root || !o.entry) throw new Error("--root and --entry are needed");
	return o;
}

function emit(result) {
	process.stdout.write(JSON.stringify(result) + "\n");
}

// esbuild counts columns in bytes of UTF-8; people and editors count characters.
function characters(lineText, bytes) {
	return [...Buffer.from(lineText).subarray(0, bytes).toString()].length;
}

function place(of) {
	const location = computed.restore(of);
	if (!location) return {};
	const start = characters(location.lineText, location.column);
	const end = characters(location.lineText, location.column + location.length);
	const file = location.file.replace(/^[a-z-]+:(?!\/\/)/, "");
	return { path: file, line: location.line, column: start + 1, length: Math.max(1, end - start), lineText: location.lineText };
}

function rephrase(text) {
	if (/^Top-level await/.test(text))
		return "top-level await is not possible: top-level code ends before the first request; await inside the handler, or keep the promise in a variable and await that";
	if (/^Using direct eval/.test(text)) return "eval is switched off on the edge: this call will throw";
	if (/^"import.meta" is not available/.test(text)) return "import.meta is empty here: a routine is one script without an address of its own";
	if (/^This "import" expression will not be bundled/.test(text))
		return "import() of a computed name cannot be bundled and is rejected when it runs: everything a routine runs is in its one script; name the module literally";
	const missing = /^Could not resolve "((?:@[^"/]+\/)?[^"/.][^"/]*)?[^"]*"/.exec(text);
	if (missing) return text.replace(/^Could not resolve/, "could not find") + (missing[1] && !/[:?#*]/.test(missing[1]) ? `; if it is a package: npm install ${missing[1]}` : "");
	return text.replace(/^Cannot /, "cannot ").replace(/^Expected /, "expected ").replace(/^Unexpected /, "unexpected ")
		.replace(/^No loader is configured for "([^"]*)" files: (.*)$/, `"$1" files cannot be imported; JavaScript, TypeScript, JSON, WebAssembly, text (${TEXT.join(" ")}) and bytes (${BYTES.join(" ")}) can`);
}

function message(m) {
	const notes = m.notes
		.filter((n) => !/mark the path .* as external|esbuild\.github\.io|output format|plugin|bundle for node|--platform|conditions/i.test(n.text))
		.map((n) => ({ text: n.text, ...place(n.location) }));
	return { text: rephrase(m.text), ...place(m.location), notes };
}

// env: the variables and secrets that the node gives to this version.
const envModule = {
	name: "env",
	setup(build) {
		build.onResolve({ filter: ENV_MODULES }, (args) => ({ path: args.path, namespace: "er-env" }));
		build.onLoad({ filter: /.*/, namespace: "er-env" }, () => ({
			contents: "export const env = globalThis.__er_env ?? {};\nexport default { env };\n",
			loader: "js",
		}));
	},
};

// import module from "./m.wasm" gives a compiled WebAssembly.Module; instantiate it with new
// WebAssembly.Instance(module, imports).
const wasm = {
	name: "wasm",
	setup(build) {
		build.onResolve({ filter: /\.wasm(\?module)?$/ }, async (args) => {
			if (args.pluginData === wasm) return undefined;
			const found = await build.resolve(args.path.replace(/\?module$/, ""), { kind: args.kind, importer: args.importer, resolveDir: args.resolveDir, pluginData: wasm });
			return found.errors.length ? { errors: found.errors } : { path: found.path, namespace: "wasm" };
		});
		build.onLoad({ filter: /.*/, namespace: "wasm" }, async (args) => {
			const bytes = await readFile(args.path);
			if (bytes.length < 8 || bytes.readUInt32LE(0) !== 0x6d736100) return { errors: [{ text: "this is no WebAssembly module (it must begin with \\0asm)" }] };
			return {
				contents: `const text = ${JSON.stringify(bytes.toString("base64"))};\n` +
					"const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));\n" +
					"export default new WebAssembly.Module(bytes);\n",
				loader: "js",
				watchFiles: [args.path],
			};
		});
	},
};

// Sources are named relative to the project's folder: what stacks show is what the author can open.
// sourceRoot makes the same true for a debugger that reads dist/NAME.js.map.
function readableMap(text, root, out) {
	const map = JSON.parse(text);
	map.sources = map.sources.map((source) => {
		if (/^[a-z-]+:/.test(source)) return source.replace(/^wasm:/, "");
		const absolute = path.resolve(path.dirname(out), source);
		return shownPath(absolute) ?? path.relative(root, absolute).split(path.sep).join("/");
	});
	map.sourcesContent = map.sourcesContent.map((content) => computed.original.get(content) ?? content);
	map.sourceRoot = "../";
	return map;
}

// Modules are strict, classic scripts are not: the bundle is what its entry is. The directive takes
// a line of its own, which the map's mappings count with one semicolon.
function strict(code, map, meta) {
	if (meta.inputs[meta.entry]?.format !== "esm" || code.startsWith('"use strict"')) return code;
	map.mappings = ";" + map.mappings;
	return '"use strict";\n' + code;
}

// import("./pages/" + name + ".js") bundles every file that fits. Where none does, or one that
// cannot be bundled, it is as with any other computed name: a warning, and rejected when it
// runs. esbuild fails then, so the build is made again, with what it imports put so that esbuild
// leaves it alone.
class Computed {
	constructor() {
		this.left = new Map(); // file: what to leave alone there, [{ line, column, length }]
		this.original = new Map(); // lines and whole texts, by what became of them
	}
	plugin(build) {
		build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: "file" }, async (args) => {
			if (!this.left.has(args.path)) return undefined;
			const text = await readFile(args.path, "utf8");
			const contents = text.split("\n").map((line) => this.change(line, this.left.get(args.path))).join("\n");
			this.original.set(contents, text);
			return { contents, loader: /\.([cm]?)([jt]s)(x?)$/.exec(args.path).slice(2).join("") };
		});
	}
	change(line, places) {
		let bytes = Buffer.from(line);
		for (const place of places.filter((p) => p.line === line.replace(/\r$/, "")).sort((a, b) => b.column - a.column)) {
			const end = place.column + place.length;
			bytes = Buffer.concat([bytes.subarray(0, place.column), Buffer.from("["), bytes.subarray(place.column, end), Buffer.from("][0]"), bytes.subarray(end)]);
		}
		const changed = bytes.toString();
		if (changed !== line) this.original.set(changed.replace(/\r$/, ""), line.replace(/\r$/, ""));
		return changed;
	}
	// True: another build can do better.
	take(errors, root) {
		let more = false;
		for (const { text, location } of errors) {
			if (!location || !/^(Could not resolve import\(|No loader is configured for )/.test(text)) continue;
			const bytes = Buffer.from(location.lineText), { column, length } = location;
			const argument = bytes.subarray(column, column + length).toString();
			if (!/\bimport\s*\(\s*$/.test(bytes.subarray(0, column).toString()) || /^(["'`])(?:(?!\1|\$\{).)*\1$/.test(argument)) continue;
			const file = path.resolve(root, location.file), places = this.left.get(file) ?? [];
			if (places.some((p) => p.line === location.lineText && p.column === column)) continue;
			this.left.set(file, [...places, { line: location.lineText, column, length }]);
			more = true;
		}
		return more;
	}
	restore(location) {
		return location && { ...location, lineText: this.original.get(location.lineText) ?? location.lineText };
	}
}
const computed = new Computed();

const QUIET = 15; // milliseconds without a change before a save counts as whole
const QUIET_FAILED = 50; // what does not build may be half of a save
const QUIET_EMPTY = 200; // nearly always a save between truncating and writing
const PATIENCE = 1000; // a file that never rests is taken as it is

// Saves are noticed at once through the folders of everything that was read or asked for, also when
// the build failed; esbuild's own watching (by polling, a second or two) is the net beneath.
// Editors write in steps (truncate, write; or move away, write anew), so a result counts only when
// what it was made from has been quiet, and is still what was read.
class Saves {
	constructor(rebuild) {
		this.rebuild = rebuild;
		this.folders = new Map();
		this.timer = undefined;
		this.builds = 0;
		this.read = new Map(); // file: its stamp before this build read it
		this.changed = 0; // when anything last changed
		this.waiting = 0; // since when a result was held back
	}
	plugin(build) {
		build.onStart(() => {
			this.builds++;
			this.read.clear();
		});
		build.onLoad({ filter: /.*/ }, (args) => {
			if (path.isAbsolute(args.path)) {
				this.read.set(args.path, this.stamp(args.path));
				this.follow(path.dirname(args.path));
			}
			return undefined;
		});
		build.onResolve({ filter: /^\.\.?\// }, (args) => {
			this.follow(path.dirname(path.resolve(args.resolveDir, args.path)));
			return undefined;
		});
	}
	stamp(file) {
		try {
			const { mtimeMs, size, ino } = statSync(file);
			if (mtimeMs <= Date.now()) this.changed = Math.max(this.changed, mtimeMs);
			return `${mtimeMs} ${size} ${ino}`;
		} catch {
			return "";
		}
	}
	follow(folder) {
		if (this.folders.has(folder) || folder.includes(`${path.sep}node_modules${path.sep}`) || this.folders.size >= 256) return;
		try {
			const watcher = watch(folder, { persistent: false }, () => {
				this.changed = Date.now();
				this.soon();
			});
			watcher.on("error", () => this.folders.delete(folder));
			this.folders.set(folder, watcher);
		} catch {
			// No such folder, or the system's watches are used up: polling does it.
		}
	}
	soon() {
		clearTimeout(this.timer);
		this.timer = setTimeout(async () => {
			const before = this.builds;
			await this.rebuild();
			// It was the end of a build that ran already, and may have read too early.
			if (this.builds === before) await this.rebuild();
		}, QUIET);
	}
	// False: the result was made from something half-written, and another build follows.
	async settled(failed) {
		this.waiting ||= Date.now();
		if (Date.now() - this.waiting < PATIENCE) {
			const empty = [...this.read.values()].some((stamp) => stamp === "" || stamp.split(" ")[1] === "0");
			const quiet = empty ? QUIET_EMPTY : failed ? QUIET_FAILED : QUIET;
			for (;;) {
				if ([...this.read].some(([file, was]) => this.stamp(file) !== was)) {
					this.soon();
					return false;
				}
				const left = this.changed + quiet - Date.now();
				if (left <= 0) break;
				const before = this.changed;
				await new Promise((resolve) => setTimeout(resolve, Math.min(left, QUIET)));
				if (failed && this.changed !== before) {
					this.soon();
					return false;
				}
			}
		}
		this.waiting = 0;
		return true;
	}
}

function settings(o, root, out, needs = new Set()) {
	const full = o.minify === "full";
	const node = nodeSettings(o.nodejs, needs);
	return {
		absWorkingDir: root,
		entryPoints: [path.resolve(root, o.entry)],
		outfile: out,
		bundle: true,
		write: false,
		format: "iife",
		globalName: EXPORTS,
		// As other platforms of this kind do: "browser" of package.json counts, as a file and as a
		// map; without an "exports", an import takes "browser", "module", "main", a require of what
		// has both of the latter "main" (esbuild's own rule, so mainFields is not set). "import",
		// "require" and "default" are esbuild's: which of them holds is the caller's way of asking.
		platform: "browser",
		conditions: ["edge-routine", "workerd", "worker", "browser", "module"],
		target: ["es2024"],
		charset: "utf8",
		legalComments: "none",
		minifyWhitespace: o.minify !== "none",
		minifySyntax: o.minify !== "none",
		minifyIdentifiers: full,
		keepNames: full,
		sourcemap: "external",
		sourcesContent: true,
		metafile: true,
		logLevel: "silent",
		logLimit: 0,
		logOverride: { "unsupported-dynamic-import": "warning", "unsupported-require-call": "warning" },
		define: { "process.env.NODE_ENV": '"production"', global: "globalThis", ...node.define },
		inject: node.inject,
		supported: node.supported,
		loader: Object.fromEntries([...TEXT.map((e) => [e, "text"]), ...BYTES.map((e) => [e, "binary"])]),
		plugins: [envModule, wasm, nodeModules, { name: "computed", setup: (build) => computed.plugin(build) }],
	};
}

// What a script is made of: packages as wholes, and the project's own files.
function partsOf(inputs) {
	const parts = new Map();
	for (const { path: file, bytes } of inputs) {
		const dependency = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
		const name = dependency ? `the package ${dependency}` : file.startsWith("node:") ? "modules of Node.js" : file;
		parts.set(name, (parts.get(name) ?? 0) + bytes);
	}
	return [...parts].map(([name, bytes]) => ({ path: name, bytes })).sort((a, b) => b.bytes - a.bytes);
}

// An author can do little about what a package does: of the same thing in one file of it the first
// place is enough.
function oncePerPackageFile() {
	const seen = new Set();
	return ({ path: file, text }) => {
		if (!/(?:^|\/)node_modules\//.test(file ?? "")) return true;
		const known = seen.has(`${file}\n${text}`);
		seen.add(`${file}\n${text}`);
		return !known;
	};
}

function success(result, o, root, out) {
	const js = result.outputFiles.find((f) => f.path.endsWith(".js"));
	const map = result.outputFiles.find((f) => f.path.endsWith(".map"));
	const output = Object.values(result.metafile.outputs).find((m) => m.entryPoint);
	const sources = readableMap(map.text, root, out);
	const code = strict(js.text.replace(HEAD, PROPERTY), sources, { inputs: result.metafile.inputs, entry: output?.entryPoint });
	const inputs = Object.entries(output?.inputs ?? {})
		.map(([name, input]) => ({ path: shownPath(path.resolve(root, name)) ?? name.replace(/^(wasm|er-env):/, ""), bytes: input.bytesInOutput }))
		.sort((a, b) => b.bytes - a.bytes);
	return {
		ok: true,
		code,
		map: JSON.stringify(sources),
		bytes: Buffer.byteLength(code),
		inputs: inputs.slice(0, 10),
		parts: partsOf(inputs).slice(0, 5),
		files: inputs.length,
		errors: [],
		warnings: [...result.warnings.map(message).filter(oncePerPackageFile()), ...noHandler(code, result.metafile.inputs, output)],
	};
}

// A module that exports no default, or a script, in which nothing is ever listened for. CommonJS
// may do anything.
function noHandler(code, inputs, output) {
	const format = inputs[output?.entryPoint]?.format;
	if (!output || format === "cjs" || /addEventListener|onfetch|\bdefault: ?\(\) ?=>/.test(code)) return [];
	return [{ text: "there is no handler: use export default { fetch(request, env, ctx) { ... } } or addEventListener(\"fetch\", ...)", path: output.entryPoint, notes: [] }];
}

async function main() {
	const o = options(process.argv.slice(2));
	let esbuild;
	try {
		esbuild = await import("esbuild");
	} catch {
		emit({ ok: false, errors: [{ text: `the bundler esbuild is not installed beside ${path.dirname(fileURLToPath(import.meta.url))}: run "npm ci" in the folder above`, notes: [] }], warnings: [] });
		process.exitCode = 1;
		return;
	}
	const root = path.resolve(o.root);
	const out = path.join(root, "dist", "routine.js");
	let began = 0;
	let last = "";
	let again = false;
	const report = {
		name: "report",
		setup(build) {
			build.onStart(() => {
				began = performance.now();
			});
			build.onEnd(async (result) => {
				const ms = Math.round(performance.now() - began);
				const failed = result.errors.length > 0;
				again = failed && computed.take(result.errors, root);
				if (again) return void (o.watch && setTimeout(() => context.rebuild().catch(() => {})));
				again = !failed && anew(wanted(result, o.nodejs));
				if (again) return void (o.watch && setTimeout(() => open().then(() => context.watch())));
				if (o.watch && !(await saves.settled(failed))) return;
				const outcome = failed ? { ok: false, errors: result.errors.map(message), warnings: result.warnings.map(message) } : success(result, o, root, out);
				if (outcome.ok) outcome.warnings.push(...await evaluations(esbuild, outcome.code, JSON.parse(outcome.map)));
				if (o.globals && outcome.ok) outcome.globals = await freeNames(esbuild, outcome.code, JSON.parse(outcome.map));
				const text = JSON.stringify(outcome);
				if (text === last) return;
				last = text;
				emit({ ...outcome, ms });
				process.exitCode = failed ? 1 : 0;
			});
		},
	};
	let context, needs = new Set(), turns = 0;
	const saves = new Saves(() => context.rebuild().catch(() => {}));
	// What a build turned out to need is an option of the next one. A build that needs something
	// only because it has it ends the changes after a few turns.
	const anew = (now) => {
		if ((now.size === needs.size && [...now].every((one) => needs.has(one))) || ++turns > 3) {
			turns = 0;
			return false;
		}
		needs = now;
		return true;
	};
	const open = async () => {
		const config = settings(o, root, out, needs);
		config.plugins.push(report);
		if (o.watch) config.plugins.unshift({ name: "saves", setup: (build) => saves.plugin(build) });
		await context?.dispose();
		context = await esbuild.context(config);
	};
	await open();
	if (!o.watch) {
		for (let first = true; first || again; first = false) {
			if (!first) await open();
			await context.rebuild().catch(() => {});
		}
		await context.dispose();
		return;
	}
	const quit = () => {
		setTimeout(() => process.exit(0), 500);
		context.dispose().finally(() => process.exit(0));
	};
	process.stdin.on("end", quit).on("error", quit).resume();
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, signal === "SIGINT" ? () => {} : quit);
	process.stdout.on("error", () => process.exit(0));
	await context.watch();
}

// For er test, which bundles many scripts in one process (test/build.mjs).
export { computed, message, settings, success };

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
	try {
		await main();
	} catch (error) {
		emit({ ok: false, errors: [{ text: String(error?.message ?? error), notes: [] }], warnings: [] });
		process.exitCode = 1;
	}
