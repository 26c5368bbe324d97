// In the form of the first generation.
import { env } from "alibaba:workers";

const MAX_KNOWN = 10000;
const MAX_SECONDS = 300; // the service may not let us trust its answer for longer
const known = new Map(); // token and path: { user, until }, the oldest first

addEventListener("fetch", (event) => event.respondWith(handle(event.request)));

async function handle(request) {
	const [scheme, token = ""] = (request.headers.get("authorization") ?? "").split(" ");
	if (scheme.toLowerCase() !== "bearer" || token === "" || token.length > 4096) return refuse(401, "a token is needed");

	const url = new URL(request.url);
	let user;
	try {
		user = await userOf(token, request, url);
	} catch (error) {
		// Nobody comes in because the service is down.
		console.error("the authentication service failed: %s", error.message);
		return refuse(503, "try again later", { "retry-after": "5" });
	}
	if (user === undefined) return refuse(403, "this token does not open this page");

	const onward = new Request(request);
	onward.headers.delete("authorization");
	onward.headers.set("x-user", user); // in place of what the client may have sent
	return pass(onward);
}

/** Undefined: the service says no. Throws if it says nothing. */
async function userOf(token, request, url) {
	const key = `${token} ${request.method} ${url.host}${url.pathname}`;
	const hit = known.get(key);
	if (hit !== undefined && hit.until > Date.now()) return hit.user;

	const answer = await fetch(env.AUTH_URL, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ token, method: request.method, host: url.host, path: url.pathname, client: request.info.remote_addr }),
		redirect: "error",
		signal: AbortSignal.timeout(env.AUTH_TIMEOUT_MS),
	});
	if (answer.status === 401 || answer.status === 403) return undefined;
	if (answer.status !== 200) throw new Error(`it answered ${answer.status}`);
	const { user, seconds = 0 } = await answer.json();
	if (typeof user !== "string" || !/^[\x21-\x7e]{1,256}$/.test(user)) throw new Error("it named no user");
	if (seconds > 0) remember(key, { user, until: Date.now() + Math.min(seconds, MAX_SECONDS) * 1000 });
	return user;
}

function remember(key, value) {
	known.delete(key);
	if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value);
	known.set(key, value);
}

function refuse(status, text, headers = {}) {
	if (status === 401) headers["www-authenticate"] = 'Bearer realm="edge"';
	return new Response(`${text}\n`, { status, headers: { "cache-control": "no-store", ...headers } });
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
