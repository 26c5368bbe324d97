// A bucket of tokens for each client and rule: it holds `burst`, and gets `perSecond` more every second.
const MAX_BUCKETS = 20000;
const buckets = new Map(); // the one that was used least recently is first

export default {
	async fetch(request, env) {
		// An origin may take "//login" for "/login".
		const pathname = new URL(request.url).pathname.replace(/\/{2,}/g, "/");
		const rule = env.RULES.find((r) => pathname.startsWith(r.path));
		if (rule === undefined) return pass(request);

		// A key that nobody knows is no way to an empty bucket.
		const key = request.headers.get("x-api-key") ?? "";
		const factor = Object.hasOwn(env.CUSTOMERS, key) ? env.CUSTOMERS[key] : undefined;
		const who = factor === undefined ? network(request.info.remote_addr) : `key ${key}`;
		const limit = { burst: rule.burst * (factor ?? 1), perSecond: rule.perSecond * (factor ?? 1) };

		const { left, wait } = take(`${rule.path} ${who}`, limit);
		const fields = { "ratelimit-limit": String(limit.burst), "ratelimit-remaining": String(left), "ratelimit-reset": String(wait) };
		if (wait > 0) {
			console.warn("%s is over the limit of %s", who, rule.path);
			return new Response("too many requests\n", { status: 429, headers: { ...fields, "retry-after": String(wait), "cache-control": "no-store" } });
		}
		const answer = await pass(request);
		const out = new Response(answer.body, answer);
		for (const [name, value] of Object.entries(fields)) out.headers.set(name, value);
		return out;
	},
};

/** Takes one token. wait: seconds until there is one; 0: it was there. */
function take(name, { burst, perSecond }) {
	const now = Date.now();
	const bucket = buckets.get(name) ?? { tokens: burst, at: now };
	buckets.delete(name);
	if (buckets.size >= MAX_BUCKETS) buckets.delete(buckets.keys().next().value);
	buckets.set(name, bucket);
	bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
	bucket.at = now;
	if (bucket.tokens < 1) return { left: 0, wait: Math.ceil((1 - bucket.tokens) / perSecond) };
	bucket.tokens -= 1;
	return { left: Math.floor(bucket.tokens), wait: 0 };
}

/** One client of IPv6 has a whole /64. */
function network(address) {
	if (!address.includes(":") || address.startsWith("::ffff:")) return address;
	const [front, back] = address.split("::");
	const groups = front === "" ? [] : front.split(":");
	const behind = back === undefined || back === "" ? [] : back.split(":");
	if (back !== undefined) while (groups.length + behind.length < 8) groups.push("0");
	return `${[...groups, ...behind].slice(0, 4).join(":")}::/64`;
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
