import { env } from "alibaba:workers";
import { greet } from "./greet";
import page from "./page.html";

export default {
	async fetch(request) {
		const url = new URL(request.url);
		const name = url.searchParams.get("name") ?? "world";
		const body = page.replace("{{greeting}}", greet(env.GREETING, name));
		return new Response(body, { headers: { "content-type": "text/html; charset=utf-8" } });
	},
} satisfies ExportedHandler<Env>;
