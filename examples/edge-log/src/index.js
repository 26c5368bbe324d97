// In the form of the first generation. Records wait in memory and go to the collector in batches, behind the answers.
import { env } from "alibaba:workers";

const MAX_WAITING = 2000; // while the collector is down
const TIMEOUT_MS = 5000;
const waiting = [];
let dropped = 0;
let taken = 0; // until then some request has taken it on to send what is there

addEventListener("fetch", (event) => event.respondWith(handle(event)));

async function handle(event) {
	const { request } = event;
	const began = Date.now();
	let status = 502;
	let cache = "";
	try {
		const answer = await fetch(request);
		status = answer.status;
		cache = answer.headers.get("cache-status") ?? "";
		return answer;
	} catch (error) {
		console.error("the origin failed: %s", error.message);
		return new Response("The origin does not answer.\n", { status });
	} finally {
		note({
			time: new Date(began).toISOString(),
			client: request.info.remote_addr,
			method: request.method,
			host: new URL(request.url).host,
			path: new URL(request.url).pathname, // without the query, which may hold secrets
			agent: (request.headers.get("user-agent") ?? "").slice(0, 200),
			status,
			ms: Date.now() - began,
			cache,
		});
		if (began >= taken) event.waitUntil(ship());
	}
}

function note(record) {
	if (waiting.length < MAX_WAITING) waiting.push(record);
	else dropped++;
}

/** Waits until there is a batch or some time has passed, sends it, and goes on while there is more. */
async function ship() {
	try {
		for (let batches = 0; batches === 0 || (waiting.length > 0 && batches < 10); batches++) {
			taken = Date.now() + env.WAIT_MS + TIMEOUT_MS + 1000;
			for (let waited = 0; waited < env.WAIT_MS && waiting.length < env.BATCH; waited += 50) await new Promise((resolve) => setTimeout(resolve, 50));
			await send(waiting.slice(0, env.BATCH), dropped);
		}
	} catch (error) {
		console.error("the collector failed: %s", error.message); // the next request tries again
	} finally {
		taken = 0;
	}
}

async function send(records, lost) {
	const lines = records.map((record) => JSON.stringify(record));
	if (lost > 0) lines.push(JSON.stringify({ time: new Date().toISOString(), dropped: lost }));
	const answer = await fetch(env.COLLECTOR, {
		method: "POST",
		headers: { "content-type": "application/x-ndjson" },
		body: `${lines.join("\n")}\n`,
		signal: AbortSignal.timeout(TIMEOUT_MS),
	});
	await answer.body?.cancel();
	if (!answer.ok) throw new Error(`it answered ${answer.status}`);
	waiting.splice(0, records.length);
	dropped -= lost;
}
