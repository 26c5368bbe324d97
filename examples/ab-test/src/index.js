const COOKIE = "variant";

export default {
	async fetch(request, env) {
		const known = cookie(request, COOKIE);
		const variant = Object.hasOwn(env.VARIANTS, known) ? known : draw(env.VARIANTS);
		const onward = new Request(request);
		onward.headers.set("x-variant", variant);
		const answer = await pass(onward);
		if (variant === known) return answer;
		// The body is relayed by the node; only the head is changed here.
		const marked = new Response(answer.body, answer);
		marked.headers.append("set-cookie", `${COOKIE}=${variant}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax`);
		return marked;
	},
};

function cookie(request, name) {
	for (const part of (request.headers.get("cookie") ?? "").split(";")) {
		const [key, value] = part.trim().split("=");
		if (key === name) return value;
	}
	return "";
}

function draw(variants) {
	const [random] = crypto.getRandomValues(new Uint32Array(1));
	let left = (random / 2 ** 32) * 100;
	for (const [name, share] of Object.entries(variants)) {
		left -= share;
		if (left < 0) return name;
	}
	return Object.keys(variants)[0];
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
