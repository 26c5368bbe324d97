import { readA, readB, readC } from "./types.js";

const readers = { A: readA, B: readB, C: readC };

export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		for (const rule of env.RULES) {
			const signed = readers[rule.type](url, rule);
			// Types B and C have the file's own path behind the signature.
			if (!plain(signed?.file ?? url.pathname).startsWith(rule.path)) continue;
			if (signed === undefined) return refuse(request, "no signature");
			if (!(Date.now() < signed.until)) return refuse(request, "expired");
			if (!(await genuine(signed, env.KEYS))) return refuse(request, "wrong signature");
			return pass(request, signed.clean);
		}
		return pass(request, request.url);
	},
};

/** An origin may take "//a/film" and "/a%2ffilm" for "/a/film". */
function plain(path) {
	return path.replace(/%2f|%5c/gi, "/").replace(/\/{2,}/g, "/");
}

/** The cache and the origin see the file's own URL, so every signature finds the same stored answer. 502 if nobody answers. */
async function pass(request, clean) {
	try {
		return await fetch(clean, { cdnProxy: true, method: request.method, headers: request.headers, body: request.body, redirect: "manual", decompress: "manual" });
	} catch (error) {
		console.error("the origin does not answer: %s", error.message);
		return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
	}
}

async function genuine({ hash, text }, keys) {
	if (!/^[0-9a-f]{32}$/i.test(hash)) return false;
	const claimed = Uint8Array.from(hash.match(/../g), (pair) => parseInt(pair, 16));
	let hit = false;
	for (const key of keys.split(",")) {
		const right = await crypto.subtle.digest("MD5", new TextEncoder().encode(text(key.trim())));
		hit = crypto.subtle.timingSafeEqual(claimed, right) || hit;
	}
	return hit;
}

function refuse(request, why) {
	console.warn("%s refused for %s: %s", new URL(request.url).pathname, request.info.remote_addr, why);
	return new Response("This link is not valid, or not any more.\n", { status: 403, headers: { "cache-control": "no-store" } });
}
