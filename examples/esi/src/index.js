import { assemble } from "./esi.js";

export default {
	async fetch(request, env) {
		const onward = new Request(request);
		onward.headers.set("surrogate-capability", 'er="ESI/1.0"');
		const answer = await pass(onward);
		// Only what asks for it is looked at; everything else passes by unread.
		const control = answer.headers.get("surrogate-control") ?? "";
		if (answer.body === null || !control.includes("ESI/1.0")) return answer;

		const context = { request, env, left: 16 };
		const out = new Response(answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(assemble(context, 0)).pipeThrough(new TextEncoderStream()), answer);
		out.headers.delete("surrogate-control");
		for (const name of ["content-length", "etag", "last-modified", "accept-ranges"]) out.headers.delete(name); // they were the template's
		out.headers.set("cache-control", "no-store"); // the parts have lifetimes of their own, and are stored apart
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
