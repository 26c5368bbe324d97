export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		const name = url.searchParams.get("name") ?? "world";
		console.log("greeting %s on %s", name, url.pathname);
		return new Response(`${env.GREETING}, ${name}, from the edge!\n`, {
			headers: { "content-type": "text/plain; charset=utf-8" },
		});
	},
};
