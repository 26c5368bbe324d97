// The shop asks the routine "auth" who the client is. The answer decides, and what it says of the
// client goes into the page.
export default {
	async fetch(request, env) {
		const said = await env.AUTH.fetch("https://auth/who", { headers: { authorization: request.headers.get("authorization") ?? "" } });
		// A refusal is passed on as it is: its body does not enter this sandbox.
		if (said.status !== 200) return said;
		const { name } = await said.json();
		return new Response(`Welcome, ${name}!\n`);
	},
};
