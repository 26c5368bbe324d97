const SECURITY = {
	"strict-transport-security": "max-age=31536000",
	"x-content-type-options": "nosniff",
	"referrer-policy": "strict-origin-when-cross-origin",
};
const REVEALING = ["server", "x-powered-by", "x-aspnet-version"];

export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		const target = new URL(url.pathname + url.search, env.UPSTREAM);
		const headers = new Headers(request.headers);
		headers.set("x-forwarded-for", request.info.remote_addr);
		headers.set("x-forwarded-proto", request.info.scheme);

		let answer;
		try {
			answer = await fetch(target, { method: request.method, headers, body: request.body, redirect: "manual" });
		} catch (error) {
			console.error("%s does not answer: %s", env.UPSTREAM, error.message);
			return new Response("The service does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
		}

		// A Response around the same body: the node connects it to the client.
		const out = new Response(answer.body, answer);
		for (const name of REVEALING) out.headers.delete(name);
		for (const [name, value] of Object.entries(SECURITY)) out.headers.set(name, value);
		return out;
	},
};
