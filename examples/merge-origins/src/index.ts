interface Env {
	PRODUCT_URL: string;
	STOCK_URL: string;
	REVIEWS_URL: string;
	TIMEOUT_MS: number;
}

const MAX_BYTES = 256 * 1024;

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		const id = /^\/products\/(\d{1,12})$/.exec(new URL(request.url).pathname)?.[1];
		if (id === undefined) return json({ error: "no such page" }, 404);
		if (request.method !== "GET" && request.method !== "HEAD") return json({ error: "method not allowed" }, 405, { allow: "GET, HEAD" });

		// All three are asked at once. Without the product there is no page; without the others there is.
		const part = (url: string) => read(url.replace("{id}", id), env.TIMEOUT_MS);
		const [product, stock, reviews] = await Promise.allSettled([part(env.PRODUCT_URL), part(env.STOCK_URL), part(env.REVIEWS_URL)]);
		if (product.status === "rejected") return product.reason instanceof NotFound ? json({ error: "no such product" }, 404) : json({ error: "the catalogue does not answer" }, 502);

		const missing: string[] = [];
		const optional = (name: string, result: PromiseSettledResult<unknown>) => {
			if (result.status === "fulfilled") return result.value;
			console.warn("%s of product %s is missing: %s", name, id, result.reason.message);
			missing.push(name);
			return null;
		};
		const page = { ...(product.value as object), stock: optional("stock", stock), reviews: optional("reviews", reviews), missing };
		// A page with holes is for this client only.
		return json(page, 200, { "cache-control": missing.length > 0 ? "no-store" : "public, max-age=30" });
	},
};

class NotFound extends Error {}

/** JSON of at most MAX_BYTES, within the time; else it throws. */
async function read(url: string, timeout: number): Promise<unknown> {
	const answer = await fetch(url, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(timeout) });
	if (answer.status === 404) throw new NotFound("404");
	if (!answer.ok || answer.body === null) throw new Error(`status ${answer.status}`);
	const decoder = new TextDecoder();
	let text = "";
	let bytes = 0;
	for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
		bytes += chunk.byteLength;
		if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
		text += decoder.decode(chunk, { stream: true });
	}
	return JSON.parse(text + decoder.decode());
}

function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
	return new Response(`${JSON.stringify(value)}\n`, { status, headers: { ...headers, "content-type": "application/json" } });
}
