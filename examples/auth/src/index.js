// Requests with a valid token go on down the standard CDN process (cache, then origin) without it; others get 401.
export default {
	async fetch(request, env) {
		const [scheme, token = ""] = (request.headers.get("authorization") ?? "").split(" ");
		if (scheme.toLowerCase() !== "bearer" || !known(env.TOKENS, token)) {
			console.warn("refused %s %s for %s", request.method, new URL(request.url).pathname, request.info.remote_addr);
			return new Response("a token is needed\n", { status: 401, headers: { "www-authenticate": 'Bearer realm="edge"' } });
		}
		const onward = new Request(request);
		onward.headers.delete("authorization");
		return pass(onward);
	},
};

// Looks at all of them, so that the time does not tell which one it was.
function known(tokens, token) {
	let hit = false;
	for (const valid of tokens.split(",")) hit = same(valid.trim(), token) || hit;
	return hit && token !== "";
}

// Takes the same time wherever the first difference is.
function same(a, b) {
	const encoder = new TextEncoder();
	const [x, y] = [encoder.encode(a), encoder.encode(b)];
	return x.length === y.length && crypto.subtle.timingSafeEqual(x, y);
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
