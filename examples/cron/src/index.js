// Counts by the clock and keeps the figures; requests read them.
async function add(env, name) {
	const count = Number((await env.reports.get(name)) ?? 0) + 1;
	await env.reports.put(name, String(count));
	console.log(`${name}: ${count}`);
}

export default {
	async scheduled(event, env, ctx) {
		if (event.cron === "0 3 * * MON") await env.reports.delete("runs");
		ctx.waitUntil(add(env, event.cron === "0 3 * * MON" ? "weeks" : "runs"));
	},
	async fetch(request, env) {
		return Response.json({ runs: Number((await env.reports.get("runs")) ?? 0), weeks: Number((await env.reports.get("weeks")) ?? 0) });
	},
};
