#!/usr/bin/env node
// Makes a project of ours out of another one. Started by `er init --from DIR`; what it did is one
// line of JSON on standard output, which er shows.
//
//   node import.mjs --from DIR [--to FOLDER] [--name NAME]
//
// Without --to er.jsonc is written into DIR itself. The line: { ok, kind, config, name, folder,
// files, taken, changed, left, todo, errors }. Nothing of the project is run: configurations are
// read as text.

import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { configObject, importClassic, importSuccessor, isClassic, readServerlessDevs } from "./import/classic.mjs";
import { copyTree, lookInto } from "./import/copy.mjs";
import { literal } from "./import/literal.mjs";
import { nameOf, Report } from "./import/report.mjs";
import { importWorkers } from "./import/workers.mjs";

const LOOKED_FOR = "wrangler.toml, wrangler.json, wrangler.jsonc, esa.jsonc, esa.toml, config.js with jsConfig, .edgeroutine, edgeroutine.json, s.yaml, edge.js";

class Refused extends Error {}

async function toml(text) {
	const { parse } = await import("smol-toml");
	return parse(text);
}

// A file of the project: {name, text}, or undefined.
function read(dir, ...names) {
	for (const name of names) {
		const file = path.join(dir, name);
		if (fs.existsSync(file) && fs.statSync(file).isFile()) return { name, text: fs.readFileSync(file, "utf8") };
	}
	return undefined;
}

async function parse(file, how) {
	try {
		return await how(file.text);
	} catch (error) {
		if (error?.code === "ERR_MODULE_NOT_FOUND") throw new Refused('the reader of TOML files is not installed: run "npm ci" in the folder of er');
		throw new Refused(`${file.name}: ${String(error?.message ?? error).split("\n")[0]}`);
	}
}

/** What kind of project that is: {kind, file, leaveOut, convert(report, folderName)}. */
async function detect(dir) {
	const successor = read(dir, "esa.jsonc", "esa.json", "esa.toml");
	if (successor) {
		const c = await parse(successor, successor.name.endsWith(".toml") ? toml : literal);
		return { kind: "edgeroutine-successor", file: successor.name, leaveOut: [successor.name], convert: (r, n) => importSuccessor(c, r, n) };
	}
	const wrangler = read(dir, "wrangler.json", "wrangler.jsonc", "wrangler.toml");
	if (wrangler) {
		const c = await parse(wrangler, wrangler.name.endsWith(".toml") ? toml : literal);
		if (c === null || typeof c !== "object" || Array.isArray(c)) throw new Refused(`${wrangler.name}: an object is expected`);
		return { kind: "workers", file: wrangler.name, leaveOut: [wrangler.name], convert: (r, n) => importWorkers(c, r, n) };
	}
	for (const name of ["config.js", ".edgeroutine", "edgeroutine.json", ".edgeroutine.json", "edgeroutine.config.js"]) {
		const file = read(dir, name);
		const c = file && (await parse(file, (text) => (name.endsWith(".js") ? configObject(text) : literal(text))));
		// Any config.js may be somebody else's; a file of that name is the routine's.
		if (c && typeof c === "object" && (name !== "config.js" || isClassic(c)))
			return { kind: "edgeroutine-classic", file: name, leaveOut: [name], convert: (r, n) => importClassic({ config: c }, r, n) };
	}
	const yaml = read(dir, "s.yaml", "s.yml");
	const devs = yaml && readServerlessDevs(yaml.text);
	if (devs) return { kind: "edgeroutine-classic", file: yaml.name, leaveOut: [yaml.name], convert: (r, n) => importClassic({ config: devs }, r, n) };
	const edge = read(dir, "edge.js");
	if (edge && /addEventListener\s*\(\s*['"]fetch['"]/.test(edge.text))
		return { kind: "edgeroutine-classic", file: "edge.js", leaveOut: [], convert: (r, n) => importClassic({}, r, n) };
	throw new Refused(`there is nothing to import in ${dir}: none of ${LOOKED_FOR} (with a fetch listener) is there`);
}

function options(argv) {
	const o = {};
	for (let i = 0; i < argv.length; i++) {
		if (!["--from", "--to", "--name"].includes(argv[i]) || i + 1 >= argv.length) throw new Refused(`unknown argument ${argv[i]}`);
		o[argv[i].slice(2)] = argv[++i];
	}
	if (!o.from) throw new Refused("--from is needed");
	return o;
}

function writeConfig(file, config, kind) {
	const order = ["name", "main", "routes", "kv", "services", "crons", "vars", "limits", "compat"];
	const sorted = Object.fromEntries(order.filter((k) => config[k] !== undefined).map((k) => [k, config[k]]));
	fs.writeFileSync(file, `// Made by er init --from, from ${kind}. docs/routines.md says what can stand here.\n${JSON.stringify(sorted, null, "\t")}\n`, { flag: "wx" });
}

// The entry must be there for er to read er.jsonc at all.
function checkMain(config, dir, files, report) {
	const here = (name) => name !== undefined && files.includes(path.posix.normalize(name));
	if (here(config.main)) return;
	const other = ["src/index.ts", "src/index.js", "index.ts", "index.js", "edge.js", "src/worker.ts", "src/worker.js"].find(here);
	if (config.main === undefined && other) {
		config.main = other;
		report.take("the entry", `"main": "${other}"`);
	} else {
		const missing = config.main;
		delete config.main;
		if (other) config.main = other;
		report.do(missing ? `"main" was ${missing}, which is not among the sources (is it made by a build?): ${other ? `er.jsonc names ${other}, check that` : 'name the entry in er.jsonc: "main"'}` : 'name the entry in er.jsonc: "main"');
	}
}

async function main() {
	const o = options(process.argv.slice(2));
	const from = path.resolve(o.from);
	if (!fs.existsSync(from) || !fs.statSync(from).isDirectory()) throw new Refused(`${o.from} is no folder`);
	const found = await detect(from);
	const report = new Report();
	const config = found.convert(report, o.name ?? path.basename(from));
	if (o.name) config.name = o.name;
	config.name ??= nameOf(path.basename(from)) ?? "routine";
	const to = o.to === undefined ? from : path.resolve(o.to === "" ? config.name : o.to);
	const inPlace = to === from;
	if (inPlace ? fs.existsSync(path.join(to, "er.jsonc")) : fs.existsSync(to)) throw new Refused(`${inPlace ? path.join(o.from, "er.jsonc") : path.relative(process.cwd(), to) || to} is there already; nothing was touched`);
	if (!inPlace && (to + path.sep).startsWith(from + path.sep)) throw new Refused("the new folder would be inside of the old one; go to another folder, or import in place: cd DIR && er init --from .");
	const sources = copyTree(from, undefined, found.leaveOut);
	checkMain(config, from, sources.files, report);
	try {
		if (!inPlace) {
			fs.mkdirSync(to, { recursive: true });
			copyTree(from, to, found.leaveOut);
		}
		writeConfig(path.join(to, "er.jsonc"), config, found.file);
	} catch (error) {
		if (!inPlace) fs.rmSync(to, { recursive: true, force: true });
		throw error;
	}
	for (const name of sources.secrets) {
		report.leave(name, "it may hold secrets, so it was not copied");
		report.do(`er secret bulk ${path.join(o.from, name)} sets what is in ${name}`);
	}
	for (const one of lookInto(from, sources.files)) report.leave(`${one.what} (${one.at.join(", ")})`, one.why);
	if (sources.files.includes("package.json")) report.do("npm install in the new folder, if the code imports packages");
	report.do("er check says whether a node would take it, er dev runs it here");
	const folder = path.relative(process.cwd(), to) || ".";
	return { ok: true, kind: found.kind, config: found.file, name: config.name, folder, files: inPlace ? 0 : sources.files.length, taken: report.taken, changed: report.changed, left: report.left, todo: report.todo, errors: [] };
}

try {
	process.stdout.write(`${JSON.stringify(await main())}\n`);
} catch (error) {
	process.stdout.write(`${JSON.stringify({ ok: false, errors: [{ text: String(error?.message ?? error) }], warnings: [] })}\n`);
	process.exitCode = 1;
}
