import { BOUNDS } from "./batch.js";

const MAX_LISTS = 20; // of 1000 records each; below the limit of subrequests

/** The last hour: { minutes: [[time, views]], times, pages, more }. */
export async function figures(kv, now) {
	const minutes = new Map();
	for (let t = now - 59 * 60_000; t <= now; t += 60_000) minutes.set(new Date(t).toISOString().slice(0, 16), 0);
	const times = new Array(BOUNDS.length + 1).fill(0);
	const pages = new Map();
	let lists = 0;
	let more = false;
	// The hour of now, and the one before it.
	for (const prefix of new Set([...minutes.keys()].map((minute) => minute.slice(0, 13)))) {
		for (let cursor; ; ) {
			if (++lists > MAX_LISTS) {
				more = true;
				break;
			}
			const answer = await kv.list({ prefix, limit: 1000, cursor });
			for (const { name, metadata } of answer.keys) {
				const minute = name.slice(0, 16);
				if (!minutes.has(minute) || !metadata) continue;
				minutes.set(minute, minutes.get(minute) + metadata.n);
				metadata.t.forEach((n, i) => (times[i] += n));
				for (const [page, n] of Object.entries(metadata.p)) pages.set(page, (pages.get(page) ?? 0) + n);
			}
			if (answer.list_complete) break;
			cursor = answer.cursor;
		}
	}
	return { minutes: [...minutes], times, pages: [...pages].sort((a, b) => b[1] - a[1]).slice(0, 10), more };
}
