import { renderToReadableStream } from "react-dom/server.edge";
import { Page, type Product, type Review } from "./page";

interface Env {
	PRODUCT_URL: string;
	REVIEWS_URL: string;
	TIMEOUT_MS: number;
}

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		const id = /^\/product\/(\d{1,12})$/.exec(new URL(request.url).pathname)?.[1];
		if (id === undefined) return text("There is no such page.", 404);
		if (request.method !== "GET" && request.method !== "HEAD") return text("GET is expected.", 405, { allow: "GET, HEAD" });

		// Both are asked now. The page waits for the product; its reviews may come when the page is half on its way.
		const reviews = json<Review[]>(env.REVIEWS_URL + id, env.TIMEOUT_MS).catch((error) => {
			console.warn("the reviews of %s are missing: %s", id, error.message);
			return [];
		});
		let product: Product;
		try {
			product = await json<Product>(env.PRODUCT_URL + id, env.TIMEOUT_MS);
		} catch (error) {
			if (error instanceof NotFound) return text("There is no such product.", 404);
			console.error("the product %s is missing: %s", id, (error as Error).message);
			return text("The shop does not answer.", 502);
		}

		const nonce = crypto.randomUUID();
		const stream = await renderToReadableStream(<Page product={product} reviews={reviews} />, {
			nonce,
			signal: request.signal, // a client that leaves ends the rendering
			onError: (error: unknown) => console.error("rendering failed: %s", (error as Error).message),
		});
		return new Response(stream, {
			headers: {
				"content-type": "text/html; charset=utf-8",
				"cache-control": "no-store",
				// React's own scripts, which put late parts in their places, have the nonce; nothing else runs.
				"content-security-policy": `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'unsafe-inline'; base-uri 'none'`,
			},
		});
	},
};

class NotFound extends Error {}

async function json<T>(url: string, timeout: number): Promise<T> {
	const answer = await fetch(url, { signal: AbortSignal.timeout(timeout) });
	if (answer.status === 404) throw new NotFound("404");
	if (!answer.ok) throw new Error(`status ${answer.status}`);
	return answer.json() as Promise<T>;
}

function text(body: string, status: number, headers: Record<string, string> = {}): Response {
	return new Response(`${body}\n`, { status, headers: { ...headers, "content-type": "text/plain; charset=utf-8" } });
}
