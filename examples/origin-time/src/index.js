// In the form of the first generation.
import { env } from "alibaba:workers";

const BOUNDS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000]; // milliseconds
const histogram = { counts: new Array(BOUNDS.length + 1).fill(0), sum: 0, failed: 0, stored: 0 };

addEventListener("fetch", (event) => {
	const url = new URL(event.request.url);
	event.respondWith(url.pathname === "/.origin-time" ? figures(event.request) : handle(event.request, url));
});

async function handle(request, url) {
	const began = performance.now();
	let answer;
	try {
		answer = await fetch(request);
	} catch (error) {
		histogram.failed++;
		console.error("%s %s: no answer after %d ms: %s", request.method, url.pathname, Math.round(performance.now() - began), error.message);
		return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
	}
	const ms = performance.now() - began;
	const out = new Response(answer.body, answer);
	if (answer.info.cache.hit) {
		histogram.stored++;
		out.headers.append("server-timing", "cache;desc=hit");
		return out;
	}
	histogram.counts[BOUNDS.findIndex((bound) => ms <= bound) + (ms > BOUNDS.at(-1) ? BOUNDS.length + 1 : 0)]++;
	histogram.sum += ms;
	// A browser's developer tools show it beside the request.
	out.headers.append("server-timing", `origin;dur=${ms.toFixed(1)}`);
	if (ms >= env.SLOW_MS) console.warn("%s %s: the origin took %d ms for status %d", request.method, url.pathname, Math.round(ms), answer.status);
	return out;
}

/** In the text form of Prometheus, of this instance. */
function figures(request) {
	if (!same(request.headers.get("authorization") ?? "", `Bearer ${env.METRICS_TOKEN}`))
		return new Response("a token is needed\n", { status: 401, headers: { "www-authenticate": 'Bearer realm="metrics"' } });
	let below = 0;
	const lines = ["# TYPE origin_ms histogram"];
	histogram.counts.forEach((count, i) => {
		below += count;
		lines.push(`origin_ms_bucket{le="${BOUNDS[i] ?? "+Inf"}"} ${below}`);
	});
	lines.push(`origin_ms_sum ${histogram.sum.toFixed(3)}`, `origin_ms_count ${below}`);
	lines.push("# TYPE origin_failed_total counter", `origin_failed_total ${histogram.failed}`);
	lines.push("# TYPE from_cache_total counter", `from_cache_total ${histogram.stored}`);
	return new Response(`${lines.join("\n")}\n`, { headers: { "content-type": "text/plain; version=0.0.4", "cache-control": "no-store" } });
}

// Takes the same time wherever the first difference is.
function same(a, b) {
	const encoder = new TextEncoder();
	const [x, y] = [encoder.encode(a), encoder.encode(b)];
	return x.length === y.length && crypto.subtle.timingSafeEqual(x, y);
}
