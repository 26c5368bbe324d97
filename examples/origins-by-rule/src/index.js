export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		const rule = env.RULES.find((r) => fits(r, request, url));
		if (rule === undefined) return pass(request); // cache, then the site's own origin

		// A body can be sent once; and what is not safe to repeat is not repeated.
		const again = request.method === "GET" || request.method === "HEAD";
		const targets = again ? rule.to : rule.to.slice(0, 1);
		for (const [i, target] of targets.entries()) {
			const last = i === targets.length - 1;
			try {
				const answer = await ask(target, rule, request, url, env.TIMEOUT_MS);
				if (last || ![502, 503, 504].includes(answer.status)) return marked(answer, rule);
				await answer.body?.cancel();
				console.warn("%s answered %d; the next one is asked", target, answer.status);
			} catch (error) {
				console.warn("%s failed: %s", target, error.message);
			}
		}
		return new Response("No origin answered.\n", { status: 502, headers: { "x-rule": rule.name, "cache-control": "no-store" } });
	},
};

function fits(rule, request, url) {
	if (rule.method !== undefined && rule.method !== request.method) return false;
	if (rule.path !== undefined && !url.pathname.startsWith(rule.path)) return false;
	if (rule.cookie === undefined) return true;
	return (request.headers.get("cookie") ?? "").split(";").some((part) => part.trim() === rule.cookie);
}

async function ask(target, rule, request, url, timeout) {
	const path = rule.strip && url.pathname.startsWith(rule.strip) ? url.pathname.slice(rule.strip.length) : url.pathname;
	const headers = new Headers(request.headers);
	headers.set("x-forwarded-for", request.info.remote_addr);
	headers.set("x-forwarded-host", url.host);
	headers.set("x-forwarded-proto", request.info.scheme);
	// Only the head must come in time; a long body may take as long as it takes.
	const patience = new AbortController();
	const timer = setTimeout(() => patience.abort(new Error(`no answer within ${timeout} ms`)), timeout);
	try {
		return await fetch(target + path + url.search, { method: request.method, headers, body: request.body, redirect: "manual", signal: patience.signal });
	} finally {
		clearTimeout(timer);
	}
}

function marked(answer, rule) {
	const out = new Response(answer.body, answer);
	out.headers.set("x-rule", rule.name);
	return out;
}

/** The cache or the origin; 502 if it does not answer. */
async function pass(request) {
	try {
		return await fetch(request);
	} catch (error) {
		console.error("the origin does not answer: %s", error.message);
		return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
	}
}
