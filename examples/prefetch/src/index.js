const MAX_PLAYLIST = 512 * 1024;
const AGAIN_MS = 60_000;
const MAX_KNOWN = 5000;
const playlists = new Map(); // part: the parts of the playlist that it is in
const known = new Map(); // URL: when it was fetched ahead, the oldest first

export default {
	async fetch(request, env, ctx) {
		const answer = await pass(request);
		const { pathname } = new URL(request.url);
		if (request.method !== "GET" || !answer.ok || answer.body === null) return answer;
		// The player gets the playlist at once, and the copy is read behind it.
		if (pathname.endsWith(".m3u8")) ctx.waitUntil(ahead(answer.clone(), request, env.AHEAD));
		else if (pathname.endsWith(".ts") || pathname.endsWith(".m4s")) ctx.waitUntil(following(request, env.AHEAD));
		return answer;
	},
};

/** Who plays one part wants the next ones. */
async function following(request, count) {
	const list = playlists.get(request.url);
	if (list !== undefined) await warm(list.slice(list.indexOf(request.url) + 1), request, count);
}

async function ahead(copy, request, count) {
	const text = await read(copy, MAX_PLAYLIST);
	if (text === undefined) return;
	const { origin } = new URL(request.url);
	const parts = [];
	for (const line of text.split(/\r?\n/)) {
		if (line === "" || line.startsWith("#")) continue;
		let url;
		try {
			url = new URL(line, request.url);
		} catch {
			continue;
		}
		if (url.origin === origin) parts.push(url.href); // another host's cache is not ours
	}
	for (const part of parts) remember(playlists, part, parts);
	await warm(parts, request, count);
}

/** Into the cache of this node; what is there already costs it nothing. */
async function warm(urls, request, count) {
	const now = Date.now();
	const wanted = urls.slice(0, count).filter((url) => !(known.get(url) > now - AGAIN_MS));
	await Promise.all(
		wanted.map(async (url) => {
			remember(known, url, now);
			try {
				// The bytes go into the cache and do not enter the sandbox.
				const { status } = await cache.prefetch(url, { headers: { "user-agent": request.headers.get("user-agent") ?? "" } });
				if (status !== 200) throw new Error(`status ${status}`);
			} catch (error) {
				known.delete(url);
				console.warn("%s was not fetched ahead: %s", url, error.message);
			}
		}),
	);
}

function remember(map, key, value) {
	map.delete(key);
	if (map.size >= MAX_KNOWN) map.delete(map.keys().next().value);
	map.set(key, value);
}

/** Undefined: it is longer. */
async function read(answer, max) {
	const decoder = new TextDecoder();
	let text = "";
	for await (const chunk of answer.body) {
		text += decoder.decode(chunk, { stream: true });
		if (text.length > max) return undefined;
	}
	return text + decoder.decode();
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
