// In the form of the first generation. Slack waits three seconds, so what takes longer is said later.
import { env } from "alibaba:workers";
import { verify } from "./verify.js";

const MAX_BODY = 64 * 1024;
const MAX_SEEN = 1000;
const seen = new Set(); // events that were taken, the oldest first: Slack repeats what it believes lost

addEventListener("fetch", (event) => event.respondWith(handle(event)));

async function handle(event) {
	const { request } = event;
	if (request.method !== "POST") return new Response("POST is expected\n", { status: 405, headers: { allow: "POST" } });
	if (Number(request.headers.get("content-length") ?? Infinity) > MAX_BODY) return new Response("the body is too large\n", { status: 413 });
	const text = await request.text();
	const refusal = await verify(request.headers, text, env.SIGNING_SECRET);
	if (refusal !== undefined) {
		console.warn("%s refused: %s", request.info.remote_addr, refusal);
		return new Response(`${refusal}\n`, { status: 401 });
	}
	const { pathname } = new URL(request.url);
	if (pathname === "/command") return command(event, new URLSearchParams(text));
	if (pathname === "/events") return events(event, text);
	return new Response("no such hook\n", { status: 404 });
}

// ---- slash commands

function command(event, form) {
	const say = (text) => Response.json({ response_type: "ephemeral", text });
	if (form.get("command") !== "/status") return say("I know only /status.");
	const name = form.get("text")?.trim() ?? "";
	if (!Object.hasOwn(env.SERVICES, name)) return say(`I know these services: ${Object.keys(env.SERVICES).join(", ")}`);
	const to = form.get("response_url") ?? "";
	// Only Slack is told; a stolen secret must not make this routine call anybody.
	if (!to.startsWith(env.REPLIES_TO)) return say("I do not know where to answer.");
	event.waitUntil(statusOf(name).then((text) => post(to, { response_type: "in_channel", text })));
	return say(`I am asking ${name}.`);
}

async function statusOf(name) {
	const began = Date.now();
	try {
		const answer = await fetch(env.SERVICES[name], { signal: AbortSignal.timeout(5000) });
		await answer.body?.cancel();
		return `${name} answers ${answer.status} in ${Date.now() - began} ms`;
	} catch (error) {
		return `${name} does not answer: ${error.name}`;
	}
}

// ---- events

function events(event, text) {
	let body;
	try {
		body = JSON.parse(text);
	} catch {
		return new Response("the body is not JSON\n", { status: 400 });
	}
	if (body.type === "url_verification") return new Response(String(body.challenge));
	const mention = body.type === "event_callback" && body.event?.type === "app_mention" ? body.event : undefined;
	// A bot that answers itself never stops.
	if (mention === undefined || mention.bot_id !== undefined || seen.has(body.event_id)) return new Response("");
	if (seen.size >= MAX_SEEN) seen.delete(seen.values().next().value);
	seen.add(body.event_id);
	const reply = `Hello <@${mention.user}>, ask me with \`/status\`.`;
	event.waitUntil(post(`${env.SLACK_API}/chat.postMessage`, { channel: mention.channel, thread_ts: mention.ts, text: reply }, { authorization: `Bearer ${env.BOT_TOKEN}` }));
	return new Response("");
}

async function post(url, message, headers = {}) {
	try {
		const answer = await fetch(url, {
			method: "POST",
			headers: { "content-type": "application/json; charset=utf-8", ...headers },
			body: JSON.stringify(message),
			signal: AbortSignal.timeout(5000),
		});
		// Slack's API says in the body whether it worked; a response_url says "ok".
		const said = await answer.text();
		if (!answer.ok || /"ok":\s*false/.test(said)) throw new Error(`${answer.status} ${said.slice(0, 200)}`);
	} catch (error) {
		console.error("Slack was not told: %s", error.message);
	}
}
