import rules from "./rules.json";

// Compiled once, when the instance starts.
const compiled = rules.map(({ name, where, pattern }) => ({ name, where, pattern: new RegExp(pattern, "i") }));

const MAX_BODY = 64 * 1024;

export default {
	async fetch(request) {
		const url = new URL(request.url);
		const parts = {
			method: request.method,
			path: decode(url.pathname),
			query: decode(url.search.replaceAll("+", " ")),
			agent: request.headers.get("user-agent") ?? "",
		};
		// Forms are read, so they are sent on from here; every other body goes through without being looked at.
		let onward = request;
		if (request.body && (request.headers.get("content-type") ?? "").startsWith("application/x-www-form-urlencoded")) {
			const text = await request.text();
			if (text.length > MAX_BODY) return refuse(request, "a form that is too large", 413);
			parts.form = decode(text.replaceAll("+", " "));
			onward = new Request(request.url, { method: request.method, headers: request.headers, body: text });
		}
		const hit = compiled.find(({ where, pattern }) => parts[where] !== undefined && pattern.test(parts[where]));
		return hit ? refuse(request, hit.name, 403) : fetch(onward);
	},
};

function refuse(request, rule, status) {
	console.warn("%s refused by rule %j", request.info.remote_addr, rule);
	return new Response("This request was refused.\n", { status, headers: { "x-waf-rule": rule } });
}

/** Percent signs that encode nothing stay as they are. */
function decode(text) {
	return text.replace(/(%[0-9a-f]{2})+/gi, (run) => {
		try {
			return decodeURIComponent(run);
		} catch {
			return run;
		}
	});
}
