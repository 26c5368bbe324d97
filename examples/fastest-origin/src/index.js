// In the form of the first generation.
import { env } from "alibaba:workers";

addEventListener("fetch", (event) => event.respondWith(handle(event.request)));

async function handle(request) {
	const url = new URL(request.url);
	if (request.method !== "GET" && request.method !== "HEAD") {
		try {
			return await fetch(env.ORIGINS[0] + url.pathname + url.search, { method: request.method, headers: request.headers, body: request.body, redirect: "manual" });
		} catch (error) {
			console.error("%s does not answer: %s", env.ORIGINS[0], error.message);
			return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
		}
	}
	const runners = env.ORIGINS.map((origin) => ({ origin, controller: new AbortController() }));
	const late = setTimeout(() => runners.forEach((r) => r.controller.abort(new Error(`no answer within ${env.TIMEOUT_MS} ms`))), env.TIMEOUT_MS);
	try {
		// The first good head wins; its body is still to come, so only the others are cancelled.
		const { winner, answer } = await Promise.any(runners.map((runner) => run(runner, request, url)));
		for (const runner of runners) if (runner !== winner) runner.controller.abort(new Error("another one was faster"));
		const out = new Response(answer.body, answer);
		out.headers.set("x-origin", winner.origin);
		return out;
	} catch (failures) {
		console.error("no origin answered: %s", failures.errors.map((e) => e.message).join("; "));
		return new Response("No origin answered.\n", { status: 502, headers: { "cache-control": "no-store" } });
	} finally {
		clearTimeout(late);
	}
}

/** A server's failure is no victory. */
async function run(runner, request, url) {
	const answer = await fetch(runner.origin + url.pathname + url.search, {
		method: request.method,
		headers: request.headers,
		redirect: "manual",
		signal: runner.controller.signal,
	});
	if (answer.status < 500) return { winner: runner, answer };
	await answer.body?.cancel();
	throw new Error(`${runner.origin} answered ${answer.status}`);
}
