// In the form of the first generation: what no rule takes gets no answer here, and goes on to cache and origin.
import rules from "./rules.json";

// Exact paths are found at once, however many there are; the others are tried in their order.
const exact = new Map();
const others = [];
for (const rule of rules) {
	const ready = { status: 302, query: true, ...rule, until: rule.until ? Date.parse(rule.until) : Infinity };
	if (rule.from !== undefined && !rule.from.endsWith("*")) exact.set(rule.from, [...(exact.get(rule.from) ?? []), ready]);
	else if (rule.from !== undefined) others.push({ ...ready, prefix: rule.from.slice(0, -1) });
	else others.push({ ...ready, pattern: new RegExp(rule.pattern) });
}

addEventListener("fetch", (event) => {
	const { request } = event;
	const url = new URL(request.url);
	for (const rule of [...(exact.get(url.pathname) ?? []), ...others]) {
		const path = applies(rule, request, url) ? targetOf(rule, url.pathname) : undefined;
		if (path === undefined) continue;
		const location = locationOf(rule, path, url);
		if (location.href === url.href) continue; // it would lead to itself
		event.respondWith(answer(request, rule, location));
		return;
	}
});

function applies(rule, request, url) {
	if (rule.host !== undefined && rule.host !== url.hostname) return false;
	if (Date.now() >= rule.until) return false;
	return rule.language === undefined || prefers(request.headers.get("accept-language") ?? "", rule.language);
}

/** Is it the language that the visitor likes best? */
function prefers(header, language) {
	let best = { weight: 0, name: "" };
	for (const part of header.split(",")) {
		const [name, ...parameters] = part.trim().toLowerCase().split(";");
		const q = parameters.map((p) => p.trim()).find((p) => p.startsWith("q="));
		const weight = q === undefined ? 1 : Number(q.slice(2)) || 0;
		if (weight > best.weight) best = { weight, name };
	}
	return best.name === language || best.name.startsWith(`${language}-`);
}

/** Undefined: the rule is not about this path. */
function targetOf(rule, path) {
	if (rule.prefix !== undefined) return path.startsWith(rule.prefix) ? rule.to.replace("*", () => path.slice(rule.prefix.length)) : undefined;
	if (rule.pattern === undefined) return rule.to;
	const hit = rule.pattern.exec(path);
	return hit ? rule.to.replace(/\$(\d)/g, (_, n) => encodeURIComponent(hit[n] ?? "")) : undefined;
}

/** Another host is named by a rule and never by the visitor: "//evil.example" in a path stays a path. */
function locationOf(rule, to, url) {
	const named = /^https?:\/\/[^/]+/.exec(rule.to);
	const location = new URL(named ? named[0] : url.origin);
	const [path, query = ""] = (named ? to.slice(named[0].length) : to).split("?");
	location.pathname = path;
	location.search = query !== "" || rule.query === false ? query : url.search;
	return location;
}

function answer(request, rule, location) {
	// 301 and 302 make a GET of a POST; 308 and 307 keep it.
	const safe = request.method === "GET" || request.method === "HEAD";
	const status = safe ? rule.status : ({ 301: 308, 302: 307 }[rule.status] ?? rule.status);
	const headers = { location: location.href, "cache-control": rule.status === 301 ? "max-age=3600" : "no-store" };
	if (rule.language !== undefined) headers.vary = "accept-language";
	return new Response(null, { status, headers });
}
