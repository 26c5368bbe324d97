import { markdown } from "./markdown";
import layout from "./page.html";
import { render } from "./template";

const MAX_BYTES = 256 * 1024;

export default {
	async fetch(request: Request, env: { SITE: string }): Promise<Response> {
		const answer = await pass(request);
		// Only Markdown is made into a page; everything else of the site passes by unread.
		const type = answer.headers.get("content-type") ?? "";
		if (!answer.ok || answer.body === null || !/^text\/markdown\s*(;|$)/i.test(type)) return answer;

		const text = await read(answer, MAX_BYTES);
		if (text === undefined) return new Response("The article is too large.\n", { status: 502 });
		const { html, headings } = markdown(text);
		const title = headings[0]?.text ?? new URL(request.url).pathname;
		const contents = headings.filter((h) => h.depth === 2);
		const page = render(layout, { site: env.SITE, title, html, contents, hasContents: contents.length > 1, path: new URL(request.url).pathname });

		const out = new Response(page, answer);
		out.headers.set("content-type", "text/html; charset=utf-8");
		out.headers.set("content-security-policy", "default-src 'self'; script-src 'none'");
		// The page changes with the article and with this code, which the origin's validators know nothing of.
		for (const name of ["etag", "last-modified", "content-length", "accept-ranges"]) out.headers.delete(name);
		return out;
	},
};

/** Undefined: it is longer. */
async function read(answer: Response, max: number): Promise<string | undefined> {
	const decoder = new TextDecoder();
	let text = "";
	let bytes = 0;
	for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
		bytes += chunk.byteLength;
		if (bytes > max) return undefined;
		text += decoder.decode(chunk, { stream: true });
	}
	return text + decoder.decode();
}

/** The cache or the origin; 502 if it does not answer. */
async function pass(request: Request): Promise<Response> {
	try {
		return await fetch(request);
	} catch (error) {
		console.error("the origin does not answer: %s", (error as Error).message);
		return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
	}
}
