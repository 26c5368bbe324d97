// Knows tokens, and nobody but other routines need ask it: it has no route.
export default {
	fetch(request, env) {
		const token = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
		if (token !== undefined && Object.hasOwn(env.TOKENS, token)) return Response.json({ name: env.TOKENS[token] });
		return new Response("Who are you?\n", { status: 401, headers: { "www-authenticate": "Bearer" } });
	},
};
