import page from "./challenge.html";
import { open, seal, solved } from "./proof.js";

const BAD_AGENTS = /sqlmap|nikto|masscan|python-requests|scrapy|go-http-client|libwww-perl|headlesschrome/i;
const TRAPPED_MS = 600_000;
const CHALLENGE_SECONDS = 120;
const MAX_KEPT = 10000;
const trapped = new Map(); // address: until when
const spent = new Map(); // solved challenges: until when they would have been good

export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		const agent = request.headers.get("user-agent") ?? "";
		const client = request.info.remote_addr;
		if (env.OPEN.some((path) => (path.endsWith("/") ? url.pathname.startsWith(path) : url.pathname === path))) return onward(request);

		if ((trapped.get(client) ?? 0) > Date.now()) return refuse(request, "went into a trap");
		if (env.TRAPS.includes(url.pathname)) {
			keep(trapped, client, Date.now() + TRAPPED_MS);
			return refuse(request, "goes into a trap");
		}
		if (env.GOOD_BOTS.some((bot) => agent.includes(bot.agent) && bot.addresses.some((a) => client.startsWith(a)))) return onward(request);
		if (agent === "" || BAD_AGENTS.test(agent)) return refuse(request, "has no agent, or a bad one");

		// Pass and challenge are good for this address and agent only.
		const who = `${client}\n${agent}`;
		if (url.pathname === "/.challenge" && request.method === "POST") return check(request, env, who);
		const pass = /(?:^|;\s*)edge-pass=([^;]*)/.exec(request.headers.get("cookie") ?? "")?.[1];
		if (pass !== undefined && (await open(env.SECRET, "pass", who, pass))) return onward(request);
		return challenge(request, env, who);
	},
};

/** A browser gets a page that solves the challenge and comes back; everything else is refused. */
async function challenge(request, env, who) {
	if (request.method !== "GET" || !(request.headers.get("accept") ?? "").includes("text/html")) return refuse(request, "has no pass");
	const salt = await seal(env.SECRET, "challenge", who, CHALLENGE_SECONDS);
	const body = page.replace("{{salt}}", salt).replace("{{bits}}", String(env.BITS));
	return new Response(body, { status: 403, headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "content-security-policy": "frame-ancestors 'none'" } });
}

async function check(request, env, who) {
	if (Number(request.headers.get("content-length") ?? Infinity) > 500) return refuse(request, "sends too much");
	const form = new URLSearchParams(await request.text());
	const salt = form.get("salt") ?? "";
	if (!(await open(env.SECRET, "challenge", who, salt))) return refuse(request, "solved another challenge");
	if (spent.has(salt)) return refuse(request, "solved it before");
	if (!(await solved(salt, form.get("n") ?? "", env.BITS))) return refuse(request, "did not solve it");
	keep(spent, salt, Date.now() + CHALLENGE_SECONDS * 1000);
	const pass = await seal(env.SECRET, "pass", who, env.PASS_SECONDS);
	const cookie = `edge-pass=${pass}; Path=/; Max-Age=${env.PASS_SECONDS}; HttpOnly; SameSite=Lax${request.info.scheme === "https" ? "; Secure" : ""}`;
	return new Response(null, { status: 204, headers: { "set-cookie": cookie, "cache-control": "no-store" } });
}

function refuse(request, why) {
	console.warn("%s %s", request.info.remote_addr, why);
	return new Response("This request was refused.\n", { status: 403, headers: { "cache-control": "no-store" } });
}

function keep(map, key, until) {
	map.delete(key);
	if (map.size >= MAX_KEPT) map.delete(map.keys().next().value);
	map.set(key, until);
}

/** The cache or the origin; 502 if it does not answer. */
async function onward(request) {
	try {
		return await fetch(request);
	} catch (error) {
		console.error("the origin does not answer: %s", error.message);
		return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
	}
}
