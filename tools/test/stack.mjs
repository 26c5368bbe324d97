// From places in the script that ran to places in the sources: frames of a stack, and the lines of
// code around one.
import path from "node:path";
import { decode, find } from "../globals.mjs";
import { LIBRARY } from "./build.mjs";

// name@routine.js:12:5
const ENGINE = /^(?:(.*)@)?(?:routine\.js|[^@\s]*\/routine\.js):(\d+):(\d+)$/;
// at name (src/file.ts:12:5), as the node tells
const MAPPED = /^\s*at (?:(.*) \()?(.+?):(\d+):(\d+)\)?$/;

export class Sources {
	constructor(root, map) {
		this.root = root;
		this.map = JSON.parse(map);
		this.lines = decode(this.map);
		this.library = path.relative(root, LIBRARY).split(path.sep).join("/");
	}
	/** [{ name, path, line, column }] of a stack, without the library's own frames; paths are
	 * relative to the project's folder. */
	frames(stack) {
		return stack.split("\n").map((line) => this.frame(line)).filter((f) => f !== undefined && !f.path.startsWith(this.library) && f.path !== "er-test-entry.js");
	}
	frame(text) {
		const mapped = MAPPED.exec(text);
		if (mapped) return { name: mapped[1] ?? "", path: mapped[2], line: Number(mapped[3]), column: Number(mapped[4]) };
		const raw = ENGINE.exec(text);
		if (!raw) return undefined;
		const found = find(this.lines, Number(raw[2]) - 1, Number(raw[3]) - 1);
		if (found === undefined) return undefined;
		return { name: /^(?:global code|module code|eval code|async)?$/.test(raw[1] ?? "") ? "" : raw[1], path: this.map.sources[found[1]], line: found[2] + 1, column: found[3] + 1 };
	}
	/** The text of a line of a source, or undefined. */
	text(file, line) {
		const i = this.map.sources.indexOf(file);
		return i < 0 ? undefined : this.map.sourcesContent[i]?.split("\n")[line - 1]?.replace(/\r$/, "");
	}
}

/** The lines around a place, the place with a caret below it. */
export function codeFrame(sources, { path: file, line, column }) {
	if (sources.text(file, line) === undefined) return [];
	const out = [], width = String(line + 1).length;
	for (let n = Math.max(1, line - 2); n <= line + 1; n++) {
		const text = sources.text(file, n);
		if (text === undefined || (n > line && text.trim() === "")) break;
		const shown = text.replace(/\t/g, "    ").slice(0, 160);
		out.push(`${n === line ? ">" : " "} ${String(n).padStart(width)} | ${shown}`);
		if (n !== line) continue;
		const at = text.slice(0, column - 1).replace(/\t/g, "    ").length;
		if (at < 160) out.push(`  ${" ".repeat(width)} | ${" ".repeat(at)}^`);
	}
	return out;
}
