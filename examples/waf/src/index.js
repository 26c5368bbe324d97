import rules from "./rules.json";

// Compiled once, when the instance starts.
const compiled = rules.map(({ name, where, pattern }) => ({ name, where, pattern: new RegExp(pattern, "is") }));

const MAX_BODY = 64 * 1024;
const READ = /^\s*(application\/(x-www-form-urlencoded|(\S+\+)?json)|text\/plain)\s*(;|$)/i;

export default {
	async fetch(request) {
		const url = new URL(request.url);
		const parts = {
			method: request.method,
			path: decode(url.pathname),
			query: decode(url.search.replaceAll("+", " ")),
			agent: request.headers.get("user-agent") ?? "",
		};
		// What is read is sent on from here; every other body goes through without being looked at.
		let onward = request;
		if (request.body && READ.test(request.headers.get("content-type") ?? "")) {
			if (request.headers.has("content-encoding")) return refuse(request, "a body in a coding", 415);
			const bytes = await readBytes(request, MAX_BODY);
			if (bytes === undefined) return refuse(request, "a body that is too large", 413);
			parts.body = decode(new TextDecoder().decode(bytes).replaceAll("+", " "));
			onward = new Request(request, { body: bytes });
		}
		const hit = compiled.find(({ where, pattern }) => parts[where] !== undefined && pattern.test(parts[where]));
		return hit ? refuse(request, hit.name, 403) : pass(onward);
	},
};

function refuse(request, rule, status) {
	console.warn("%s refused by rule %j", request.info.remote_addr, rule);
	return new Response("This request was refused.\n", { status, headers: { "x-waf-rule": rule } });
}

/** Undefined: there are more than `max`. */
async function readBytes(request, max) {
	const bytes = new Uint8Array(max);
	let used = 0;
	for await (const chunk of request.body) {
		if (used + chunk.byteLength > max) return undefined;
		bytes.set(chunk, used);
		used += chunk.byteLength;
	}
	return bytes.subarray(0, used);
}

/** Twice, as some applications do. Percent signs that encode nothing stay as they are. */
function decode(text) {
	return decodeOnce(decodeOnce(text));
}

function decodeOnce(text) {
	return text.replace(/(%[0-9a-f]{2})+/gi, (run) => {
		try {
			return decodeURIComponent(run);
		} catch {
			return run;
		}
	});
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
