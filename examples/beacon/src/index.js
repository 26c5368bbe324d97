import script from "./beacon.txt";
import { Batch } from "./batch.js";
import { figures } from "./figures.js";
import { page } from "./page.js";

const kv = new EdgeKV({ namespace: "beacon" });
const batch = new Batch(kv);
const MAX_BODY = 2048;
const GIF = Uint8Array.from(atob("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), (c) => c.charCodeAt(0));

export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url);
		const site = request.headers.get("origin");
		const cors = env.SITES.includes(site) ? { "access-control-allow-origin": site, vary: "origin" } : {};
		switch (`${request.method} ${url.pathname}`) {
			case "GET /beacon.js":
				return new Response(script, { headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "public, max-age=3600" } });
			case "GET /beacon.gif": // for pages without scripts
				note({ page: refererOf(request, env), ms: null }, env, ctx);
				return new Response(GIF, { headers: { "content-type": "image/gif", "cache-control": "no-store" } });
			case "POST /beacon": {
				if (cors.vary === undefined) return new Response("this site may not send beacons\n", { status: 403 });
				const seen = await read(request, site);
				if (seen === undefined) return new Response("a page and a time are expected\n", { status: 400, headers: cors });
				note(seen, env, ctx);
				return new Response(null, { status: 204, headers: cors });
			}
			case "GET /":
				if (!allowed(request, env.PASSWORD)) return new Response("a password is needed\n", { status: 401, headers: { "www-authenticate": 'Basic realm="figures"' } });
				return page(await figures(kv, Date.now()));
			default:
				return new Response("no such page\n", { status: 404 });
		}
	},
};

function note(seen, env, ctx) {
	if (seen.page === undefined) return;
	batch.add(seen);
	// One request after the other takes it on to write what has come together.
	if (batch.idle()) ctx.waitUntil(batch.write(env.WAIT_MS));
}

/** What a page says of itself; a page can say only that it is one of its own site. */
async function read(request, site) {
	if (!(Number(request.headers.get("content-length") ?? Infinity) <= MAX_BODY)) return undefined;
	try {
		const { page, ms } = JSON.parse(await request.text());
		const url = new URL(page);
		if (url.origin !== site || !(ms === null || (Number.isFinite(ms) && ms >= 0 && ms < 600_000))) return undefined;
		return { page: url.pathname, ms };
	} catch {
		return undefined;
	}
}

function refererOf(request, env) {
	try {
		const url = new URL(request.headers.get("referer") ?? "");
		return env.SITES.includes(url.origin) ? url.pathname : undefined;
	} catch {
		return undefined;
	}
}

function allowed(request, password) {
	const [, coded] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
	let given = "";
	try {
		given = atob(coded ?? "");
	} catch {}
	const encoder = new TextEncoder();
	const [x, y] = [encoder.encode(given.slice(given.indexOf(":") + 1)), encoder.encode(password)];
	return x.length === y.length && crypto.subtle.timingSafeEqual(x, y);
}
