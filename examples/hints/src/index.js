import hints from "./hints.json";

// The header of each page, made once.
const links = new Map(
	Object.entries(hints).map(([path, { preload = [], prefetch = [] }]) => [
		path,
		[
			...preload.map(({ href, as, module }) => (module ? `<${href}>; rel=modulepreload` : `<${href}>; rel=preload; as=${as}${as === "fetch" || as === "font" ? "; crossorigin" : ""}`)),
			...prefetch.map((href) => `<${href}>; rel=prefetch`),
		].join(", "),
	]),
);

export default {
	async fetch(request) {
		const answer = await pass(request);
		const link = links.get(new URL(request.url).pathname);
		if (link === undefined || answer.status !== 200 || !(answer.headers.get("content-type") ?? "").startsWith("text/html")) return answer;
		// Only the head is changed; the page passes by unread.
		const out = new Response(answer.body, answer);
		out.headers.append("link", link);
		return out;
	},
};

/** The cache or the origin; 502 if it does not answer. */
async function pass(request) {
	try {
		return await fetch(request);
	} catch (error) {
		console.error("the origin does not answer: %s", error.message);
		return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
	}
}
