/** The client's mistake; its message is shown to the client. */
export class BadRequest extends Error {}

export function json(value, status = 200, headers = {}) {
	return new Response(JSON.stringify(value) + "\n", { status, headers: { ...headers, "content-type": "application/json" } });
}

/** The body as JSON, if it is at most `max` characters. */
export async function readJson(request, max) {
	if (Number(request.headers.get("content-length") ?? 0) > max) throw new BadRequest("the body is too large");
	const text = await request.text();
	if (text.length > max) throw new BadRequest("the body is too large");
	let value;
	try {
		value = JSON.parse(text);
	} catch {
		throw new BadRequest("the body is not JSON");
	}
	if (value === null || typeof value !== "object") throw new BadRequest("an object is expected");
	return value;
}

/** { "GET /things/:id": handler(request, { id }) }: 404 for unknown paths, 405 for unknown methods of known ones. */
export function router(table) {
	const rules = Object.entries(table).map(([rule, handler]) => {
		const [method, path] = rule.split(" ");
		return { method, parts: path.split("/"), handler };
	});
	return async (request) => {
		const parts = new URL(request.url).pathname.split("/");
		const allowed = [];
		for (const { method, parts: wanted, handler } of rules) {
			if (wanted.length !== parts.length || !wanted.every((w, i) => (w.startsWith(":") ? parts[i] !== "" : w === parts[i]))) continue;
			if (method !== request.method) {
				allowed.push(method);
				continue;
			}
			const params = {};
			wanted.forEach((w, i) => {
				if (w.startsWith(":")) params[w.slice(1)] = parts[i];
			});
			return handler(request, params);
		}
		if (allowed.length > 0) return json({ error: "method not allowed" }, 405, { allow: allowed.join(", ") });
		return json({ error: "not found" }, 404);
	};
}
