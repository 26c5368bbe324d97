// In the form of the first generation, with its global `cache`: answers to POST, which no HTTP cache keeps.
import { env } from "alibaba:workers";

const MAX_QUESTION = 8192;
const MAX_ANSWER = 1024 * 1024;

addEventListener("fetch", (event) => event.respondWith(handle(event)));

async function handle(event) {
	const { request } = event;
	if (new URL(request.url).pathname !== "/search") return json({ error: "no such page" }, 404);
	if (request.method !== "POST") return json({ error: "method not allowed" }, 405, { allow: "POST" });
	if (!(Number(request.headers.get("content-length") ?? Infinity) <= MAX_QUESTION)) return json({ error: `at most ${MAX_QUESTION} bytes are expected` }, 413);
	let question;
	try {
		question = canonical(await request.json());
	} catch {
		return json({ error: "JSON is expected" }, 400);
	}

	// The key is made of the question, so nobody can name the place of another one's answer.
	const name = await digest(question);
	const key = `https://search.example/${name}`;
	const oldKey = `https://search.example/old/${name}`;
	const kept = await cache.get(key);
	if (kept !== undefined) return marked(kept, "stored");
	try {
		const text = await ask(question);
		const keep = (seconds) => new Response(text, { headers: { "content-type": "application/json", "cache-control": `max-age=${seconds}`, "cache-tag": "search" } });
		event.waitUntil(Promise.all([cache.put(key, keep(env.SECONDS)), cache.put(oldKey, keep(env.OLD_SECONDS))]).catch((error) => console.error("not kept: %s", error.message)));
		return marked(keep(0), "new");
	} catch (error) {
		console.error("the search failed: %s", error.message);
		const old = await cache.get(oldKey);
		return old !== undefined ? marked(old, "old") : json({ error: "the search does not answer" }, 502);
	}
}

/** Without the client's cookies and tokens: what is kept is for all. */
async function ask(question) {
	const answer = await fetch(env.SEARCH_URL, {
		method: "POST",
		headers: { "content-type": "application/json", accept: "application/json" },
		body: question,
		redirect: "error",
		signal: AbortSignal.timeout(env.TIMEOUT_MS),
	});
	if (!answer.ok) throw new Error(`status ${answer.status}`);
	const decoder = new TextDecoder();
	let text = "";
	for await (const chunk of answer.body ?? []) {
		text += decoder.decode(chunk, { stream: true });
		if (text.length > MAX_ANSWER) throw new Error(`more than ${MAX_ANSWER} characters`);
	}
	text += decoder.decode();
	JSON.parse(text); // half an answer is no answer
	return text;
}

/** The same text for the same question, whatever the order of its members. */
function canonical(value) {
	if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
	if (value === null || typeof value !== "object") return JSON.stringify(value);
	const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
	return `{${members.join(",")}}`;
}

async function digest(text) {
	const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
	return Array.from(new Uint8Array(hash), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** The body goes from the cache to the client without entering the sandbox. */
function marked(answer, how) {
	return new Response(answer.body, { headers: { "content-type": "application/json", "cache-control": "no-store", "x-answer": how } });
}

function json(value, status, headers = {}) {
	return new Response(`${JSON.stringify(value)}\n`, { status, headers: { ...headers, "content-type": "application/json", "cache-control": "no-store" } });
}
