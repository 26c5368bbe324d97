// Copies a project's sources, and looks into them for what will not run here.

import fs from "node:fs";
import path from "node:path";

const FILES_MAX = 5000;
const BYTES_MAX = 64 * 1024 * 1024;
const SKIP = new Set(["node_modules", ".git", ".hg", ".svn", ".wrangler", ".er", "dist", "coverage", ".DS_Store", ".mf", ".dev", ".idea", ".vscode"]);
// They hold secrets: told about, never copied.
const SECRET = /^(?:\.env|\.dev\.vars)(?:\..*)?$/;

/** Copies `from` to `to` (or, with `to` undefined, only looks): {files, secrets, skipped}. Links
 * that leave the project are not followed. */
export function copyTree(from, to, leaveOut) {
	const out = { files: [], secrets: [], skipped: [] };
	let bytes = 0;
	const walk = (relative) => {
		for (const entry of fs.readdirSync(path.join(from, relative), { withFileTypes: true })) {
			const name = path.posix.join(relative, entry.name);
			if (SKIP.has(entry.name) || leaveOut.includes(name)) {
				out.skipped.push(name);
			} else if (SECRET.test(entry.name)) {
				out.secrets.push(name);
			} else if (entry.isDirectory()) {
				walk(name);
			} else if (entry.isFile()) {
				bytes += fs.statSync(path.join(from, name)).size;
				if (out.files.push(name) > FILES_MAX || bytes > BYTES_MAX)
					throw new Error(`${from} has more than ${FILES_MAX} files or ${BYTES_MAX / 1024 / 1024} MB beside node_modules and dist; is it the project's own folder?`);
			} else {
				out.skipped.push(name);
			}
		}
	};
	walk("");
	if (!to) return out;
	for (const name of out.files) {
		fs.mkdirSync(path.dirname(path.join(to, name)), { recursive: true });
		fs.copyFileSync(path.join(from, name), path.join(to, name), fs.constants.COPYFILE_EXCL);
	}
	return out;
}

const FINDINGS = [
	[/\brequest\.cf\b/, "request.cf", "it says where a client is if the node's operator named a database (geo in node.jsonc); fields of TLS and of bots are not there"],
	[/\bextends\s+DurableObject\b/, "a durable object", "there are no objects that live in one place of the world"],
	[/\b(?:async\s+)?queue\s*\(\s*batch/, "queue()", "there are no queues"],
	[/["']cloudflare:(?!workers["'])[a-z-]+["']/, "a cloudflare: module", "only { env } of cloudflare:workers is there"],
	[/["']node:(?:fs|net|tls|dgram|dns|http2?|https|child_process|cluster|vm|worker_threads)(?:\/[a-z]+)?["']/, "a module of Node.js", "it can be imported, and what it exports says what to use instead when it is called (docs/npm.md)"],
];

/** [{what, why, at: ["src/index.js:3", ...]}] for sources that say what cannot run here. */
export function lookInto(root, files) {
	const found = new Map();
	for (const name of files) {
		if (!/\.(?:m?[jt]sx?|cjs)$/.test(name) || /\.d\.ts$|(?:^|\/)(?:test|tests|__tests__)\/|\.(?:test|spec)\./.test(name)) continue;
		fs.readFileSync(path.join(root, name), "utf8").split("\n").forEach((line, i) => {
			for (const [re, what, why] of FINDINGS) {
				if (!re.test(line) || /^\s*(?:\/\/|\*)/.test(line)) continue;
				const one = found.get(what) ?? { what, why, at: [] };
				if (one.at.length < 3) one.at.push(`${name}:${i + 1}`);
				found.set(what, one);
			}
		});
	}
	return [...found.values()];
}
