export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		const path = url.pathname.startsWith("/api/") ? url.pathname.slice(4) : "";
		if (!Object.hasOwn(env.PATHS, path)) return json({ error: "no such page" }, 404);
		if (request.method !== "GET" && request.method !== "HEAD") return json({ error: "method not allowed" }, 405, { allow: "GET, HEAD" });

		// One spelling for one question: known parameters, in one order, and nothing that a tracker added.
		const { parameters, seconds } = env.PATHS[path];
		const query = new URLSearchParams();
		for (const name of parameters) {
			const values = url.searchParams.getAll(name);
			if (values.length > 1 || values[0]?.length > 100) return json({ error: `${name}: one value of at most 100 characters is expected` }, 400);
			if (values.length === 1) query.set(name, values[0].trim().toLowerCase());
		}
		const question = `${path}?${query}`;
		let answer;
		try {
			answer = await fetch(env.API + question, {
				headers: { accept: "application/json", "x-api-key": env.API_KEY },
				redirect: "error", // the key goes to the API and nowhere else
				signal: AbortSignal.timeout(env.TIMEOUT_MS),
				er: { cacheKey: question, cacheTtlByStatus: { "200-299": seconds, 404: 10, "400-403": -1, "405-599": -1 }, cacheTags: ["api"] },
			});
		} catch (error) {
			console.error("%s: %s", question, error.message);
			return json({ error: "the API does not answer" }, error.name === "TimeoutError" ? 504 : 502);
		}
		if (answer.status !== 404 && !answer.ok) {
			await answer.body?.cancel();
			console.error("%s: the API answered %d", question, answer.status);
			return json({ error: "the API does not answer" }, 502);
		}
		// What an API says of itself in its head is not for the client.
		const { hit, ttl } = answer.info.cache;
		return new Response(answer.body, {
			status: answer.status,
			headers: {
				"content-type": answer.headers.get("content-type") ?? "application/json",
				"cache-control": `public, max-age=${Math.max(0, Math.min(ttl ?? 0, 30))}`,
				"x-answer": hit ? "stored" : "new",
			},
		});
	},
};

function json(value, status, headers = {}) {
	return new Response(`${JSON.stringify(value)}\n`, { status, headers: { ...headers, "content-type": "application/json", "cache-control": "no-store" } });
}
