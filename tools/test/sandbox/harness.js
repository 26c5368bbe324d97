// The handler of a sandbox that runs a file of tests: it says what tests there are, and runs one a
// request.
import { guardServices } from "./mock.js";
import { beginRequest } from "./routine.js";
import { isRunning, listTests, runTest } from "./tree.js";

export { isRunning };
export const PREFIX = "/.er-test/";

export default {
	async fetch(request, a, b) {
		const envLast = a instanceof ExecutionContext;
		const env = envLast ? b : a;
		const what = new URL(request.url).pathname.slice(PREFIX.length);
		if (what === "list") return Response.json(listTests());
		const { id, timeout_ms, last } = await request.json();
		guardServices(env);
		beginRequest(request, env, envLast);
		return Response.json(await runTest(id, timeout_ms, last));
	},
};
