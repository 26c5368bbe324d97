// What an import did, for people and scripts: `taken` as it was, `changed` into something of ours,
// `left` with the reason, and what is `todo` by hand.

export class Report {
	constructor() {
		this.taken = [];
		this.changed = [];
		this.left = [];
		this.todo = [];
	}
	take(what, as) {
		this.taken.push({ what, as });
	}
	change(what, to, why) {
		this.changed.push({ what, to, ...(why ? { why } : {}) });
	}
	leave(what, why) {
		this.left.push({ what, why });
	}
	do(text) {
		if (!this.todo.includes(text)) this.todo.push(text);
	}
}

/** [a-z0-9-], at most 63, no hyphen at either end; undefined if nothing is left of it. */
export function nameOf(text) {
	const name = String(text ?? "").toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 63).replace(/^-+|-+$/g, "");
	return name || undefined;
}

export function takeName(config, wanted, from, report) {
	const name = nameOf(wanted);
	if (!name) return;
	config.name = name;
	if (name === wanted) report.take(from, `"name": "${name}"`);
	else report.change(from, `"name": "${name}"`, "a name has a to z, 0 to 9 and -, because it becomes part of a host name");
}

/** The patterns of ours that take what a pattern of theirs took. `whole`: a host without a path is
 * all of it. */
export function routesOf(pattern, report, what, whole = false) {
	const bare = String(pattern).trim().replace(/^[a-z*]+:\/\//i, "");
	const [, host, path] = /^([^/]*)(\/.*)?$/.exec(bare) ?? [];
	if (!host) {
		report.leave(`${what} "${pattern}"`, "it has no host");
		return [];
	}
	const star = host.lastIndexOf("*");
	const inner = path?.slice(0, -1).includes("*");
	if (star > 0 || inner || /[?#]/.test(path ?? "")) {
		report.leave(`${what} "${pattern}"`, "a star stands only at the front of the host and at the end of the path here, and there is no query: write the rules that you need by hand");
		return [];
	}
	const rest = path ?? (whole ? "/*" : "/");
	// "*example.com" is the domain and what is below it.
	const hosts = star < 0 || host === "*" || host.startsWith("*.") ? [host] : [host.slice(1), `*.${host.slice(1)}`];
	const out = hosts.map((h) => `${h}${rest}`);
	if (out.length === 1 && out[0] === pattern) report.take(`${what} "${pattern}"`, `"routes": "${out[0]}"`);
	else report.change(`${what} "${pattern}"`, `"routes": ${out.map((o) => `"${o}"`).join(", ")}`);
	return out;
}
