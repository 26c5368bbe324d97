// Adds and removes fields both ways; the body is not looked at.
async function handle(request) {
	const headers = new Headers(request.headers);
	headers.delete("host");
	headers.delete("cookie");
	headers.set("x-edge", "1");
	const url = new URL(request.url);
	const answer = await fetch("ORIGIN" + url.pathname + url.search, { headers });
	const out = new Headers(answer.headers);
	out.delete("server");
	out.delete("etag");
	out.set("x-edge", "1");
	return new Response(answer.body, { status: answer.status, headers: out });
}
