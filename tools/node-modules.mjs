// Node's own modules for the bundler (bundle.mjs): what of them an edge can have stands in
// src/node, each is part of a bundle only where something imports it, and what a bundle does not
// use of it is left out as of any other module. Third-party parts come from npm
// (readable-stream, node-inspect-extracted, punycode), beside esbuild.
//
// An import gets the module's names; a require gets what Node's require gives, which is the
// default export: `require("events")` is the class.
//
// The setting "nodejs" of er.jsonc makes Buffer and process exist for code that does not import
// them, and only where code speaks of them: as names by `inject`, as members of the global
// (`globalThis.Buffer`) by a second build that puts them there.
//
// Where a bundle has node:async_hooks, async functions are written as generators over promises,
// also by a second build: src/node/async_hooks.js says why.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
// installed, or in the source tree
const FOLDER = [path.join(HERE, "node"), path.join(HERE, "..", "src", "node")].find((folder) => existsSync(path.join(folder, "buffer.js")));
const { ABSENT } = await import(path.join(FOLDER, "absent.mjs"));
const BUILTINS = new Set(builtinModules.filter((name) => !name.startsWith("_")).map((name) => name.split("/")[0]));
const SPACE = "node";
// What a module is called, where its file has another name.
const SAME = { sys: "util", constants: "constants" };
const fileOf = (name) => `${(SAME[name] ?? name).replace("/", "_")}.js`;
const has = (name) => existsSync(path.join(FOLDER, fileOf(name)));
const RUNTIME = path.join(HERE, "node_modules"), TREE = path.join(HERE, "..", "node_modules");

// Of what stands here, these have members that throw.
const SAID = new Map([...["fs", "fs/promises"].map((name) => [name, "a routine has no files; import text, JSON or bytes, and they become part of the bundle"]), ...["http", "https"].map((name) => [name, "use fetch()"]), ["net", "use fetch(); raw sockets do not exist"]]);

const OURS = ["node-inspect-extracted", "punycode", "readable-stream"];

const identifier = (name) => /^[A-Za-z_$][\w$]*$/.test(name);
function absentModule(name) {
	const [instead, names, values = {}] = ABSENT[name];
	const all = names.split(" ");
	return `import { missing } from "./internal/missing.js";\n` +
		all.map((one) => `export const ${one} = /* @__PURE__ */ missing(${JSON.stringify(`${name}.${one}`)}, ${JSON.stringify(instead)});\n`).join("") +
		Object.entries(values).map(([key, value]) => `export const ${key} = ${JSON.stringify(value)};\n`).join("") +
		`export default { ${[...all, ...Object.keys(values)].filter(identifier).join(", ")} };\n`;
}

export const nodeModules = {
	name: "node-modules",
	setup(build) {
		const own = (file) => ({ path: file, namespace: SPACE, sideEffects: false });
		build.onResolve({ filter: /^(node:)?[a-z_0-9]+(\/[a-z_0-9/]+)?$|^(process|string_decoder)\/$|^abort-controller$/ }, async (args) => {
			if (args.pluginData === nodeModules) return undefined;
			const bare = args.path.replace(/^node:/, "").replace(/\/$/, "");
			const streams = /[\\/]node_modules[\\/]readable-stream[\\/]/.test(args.importer);
			if (bare === "abort-controller" || args.path.endsWith("/")) {
				if (!streams) return undefined;
				return own(bare === "abort-controller" ? "internal/abort-controller.js" : `${fileOf(bare)}?require`);
			}
			if (!args.path.startsWith("node:") && !BUILTINS.has(bare.split("/")[0])) return undefined;
			const here = has(bare), absent = Object.hasOwn(ABSENT, bare);
			if (!streams && args.namespace !== SPACE) {
				const found = await build.resolve(args.path, { kind: args.kind, importer: args.importer, resolveDir: args.resolveDir, pluginData: nodeModules });
				const package_ = new RegExp(`[\\\\/]node_modules[\\\\/]${bare.split("/")[0]}[\\\\/]`).test(found.path ?? "");
				// a "browser" map, an alias, or a package of the name of what is not here
				if (found.errors.length === 0 && found.path && !found.external && (!package_ || !here)) return undefined;
			}
			if (!here && !absent) return { errors: [{ text: `"${args.path}" is part of Node.js, not of the edge, and nothing stands in for it` }] };
			// An author hears at once what a package may import and never use.
			const warnings = !SAID.has(bare) && !absent || /[\\/]node_modules[\\/]/.test(args.importer) || args.namespace !== "file" ? []
				: [{ text: `"${args.path}" is part of Node.js, not of the edge: ${SAID.get(bare) ?? ABSENT[bare][0]}; it can be imported, and what it exports throws when it is called` }];
			const file = here ? fileOf(bare) : `${bare.replace("/", "_")}?absent`;
			return { ...own(["require-call", "require-resolve"].includes(args.kind) ? `${file}${here ? "?" : "&"}require` : file), warnings };
		});
		build.onResolve({ filter: /^\.\.?\//, namespace: SPACE }, (args) => own(path.posix.join(path.posix.dirname(args.importer.replace(/\?.*/, "")), args.path)));
		build.onLoad({ filter: /.*/, namespace: SPACE }, async (args) => {
			const [file, how = ""] = args.path.split("?");
			if (how.endsWith("require")) return { contents: `module.exports = require("./${file}${how.startsWith("absent") ? "?absent" : ""}").default;\n`, loader: "js", resolveDir: FOLDER };
			if (how === "absent") return { contents: absentModule(file.replace("_", "/").replace(/^child\/process/, "child_process").replace(/^trace\/events/, "trace_events")), loader: "js", resolveDir: FOLDER };
			return { contents: await readFile(path.join(FOLDER, file), "utf8"), loader: "js", resolveDir: FOLDER };
		});
	},
};

// ---- what a finished build asks of the next one ----

const GLOBAL_FORM = (name) => new RegExp(`\\b(?:globalThis|self|window)\\s*(?:\\??\\.\\s*${name}\\b|(?:\\?\\.)?\\[\\s*["'\`]${name}["'\`]\\s*\\])`);
/** The set of these that a result needs: "async", "Buffer", "process". */
export function wanted(result, nodejs) {
	const output = Object.values(result.metafile.outputs).find((m) => m.entryPoint);
	const needs = new Set();
	if (output?.inputs[`${SPACE}:async_hooks.js`]?.bytesInOutput > 0) needs.add("async");
	if (nodejs) {
		const code = result.outputFiles.find((f) => f.path.endsWith(".js")).text;
		for (const name of ["Buffer", "process"]) if (GLOBAL_FORM(name).test(code)) needs.add(name);
	}
	return needs;
}
/** esbuild's options for that. */
export function nodeSettings(nodejs, needs) {
	const inject = [];
	if (nodejs) {
		inject.push(path.join(FOLDER, "internal", "names.js"));
		for (const name of ["Buffer", "process"]) if (needs.has(name)) inject.push(path.join(FOLDER, "internal", `put-${name.toLowerCase()}.js`));
	}
	const define = nodejs ? { __dirname: '"/"', __filename: '"/index.js"' } : {};
	const supported = needs.has("async") ? { "async-await": false, "async-generator": false, "for-await": false } : {};
	return { inject, define, supported };
}
/** A path of ours, as people are shown it: not where it happens to lie. */
export function shownPath(absolute) {
	for (const folder of [RUNTIME, TREE]) if (OURS.some((name) => absolute.startsWith(path.join(folder, name) + path.sep))) return `node:${absolute.slice(folder.length + 1).split(path.sep).join("/")}`;
	if (absolute.startsWith(FOLDER + path.sep)) return `node:${absolute.slice(FOLDER.length + 1)}`;
	return undefined;
}
