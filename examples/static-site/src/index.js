// Files answer by themselves. This is asked for /api/ and /members/, and for what is no file.
export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		if (url.pathname === "/api/time") return Response.json({ now: new Date().toISOString() }, { headers: { "cache-control": "no-store" } });
		if (url.pathname.startsWith("/members/")) return member(request, env);
		return env.ASSETS.fetch(request); // the page for what is not there
	},
};

/** Files that not everybody may have: the routine looks first, and the file passes by it unread. */
async function member(request, env) {
	const cookie = /(?:^|;\s*)member=([^;]*)/.exec(request.headers.get("cookie") ?? "")?.[1] ?? "";
	if (!same(cookie, env.MEMBERS_TOKEN)) return new Response("For members only.\n", { status: 403, headers: { "cache-control": "no-store" } });
	const file = await env.ASSETS.fetch(request);
	const out = new Response(file.body, file);
	out.headers.set("cache-control", "private, no-store");
	return out;
}

// Takes the same time wherever the first difference is.
function same(a, b) {
	const encoder = new TextEncoder();
	const [x, y] = [encoder.encode(a), encoder.encode(b)];
	return x.length === y.length && crypto.subtle.timingSafeEqual(x, y);
}
