// The files of tests of a project, and those of them that the command line names.
import { readdirSync, statSync } from "node:fs";
import path from "node:path";

const TEST = /\.test\.(?:[cm]?[jt]s|[jt]sx)$/;
const LEFT = new Set(["node_modules", "dist", "data"]);
const DEPTH = 16, MOST = 5000;

function walk(folder, depth, out) {
	let entries = [];
	try {
		entries = readdirSync(folder, { withFileTypes: true });
	} catch {
		return;
	}
	for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
		if (out.length >= MOST) return;
		const full = path.join(folder, entry.name);
		if (entry.isDirectory() && !entry.name.startsWith(".") && !LEFT.has(entry.name) && depth < DEPTH) walk(full, depth + 1, out);
		else if (entry.isFile() && TEST.test(entry.name)) out.push(full);
	}
}

/** Absolute paths. Throws for a word that names nothing. */
export function findTests(root, words) {
	const all = [];
	walk(root, 0, all);
	if (words.length === 0) return all;
	const chosen = new Set();
	for (const word of words) {
		const full = path.resolve(word);
		let found;
		try {
			const stat = statSync(full);
			found = stat.isDirectory() ? all.filter((file) => file.startsWith(full + path.sep) || full === root) : stat.isFile() ? [full] : undefined;
		} catch {
			found = undefined;
		}
		found ??= all.filter((file) => path.relative(root, file).split(path.sep).join("/").includes(word));
		if (found.length === 0) throw new Error(`no file of tests is or has "${word}" in its path`);
		for (const file of found) chosen.add(file);
	}
	return [...chosen];
}
