import { Refused, sources, type Notice, type Source } from "./sources";

type Env = Record<string, string>;

const MAX_BODY = 1024 * 1024;
const MAX_SEEN = 5000;
const TRIES = 3;
const seen = new Set<string>(); // deliveries that were passed on, the oldest first

export default {
	async fetch(request: Request, env: Env, ctx: { waitUntil(work: Promise<unknown>): void }): Promise<Response> {
		const source = sources[new URL(request.url).pathname.slice(1)] as Source | undefined;
		if (source === undefined) return new Response("no such hook\n", { status: 404 });
		if (request.method !== "POST") return new Response("POST is expected\n", { status: 405, headers: { allow: "POST" } });
		const body = await readBytes(request, MAX_BODY);
		if (body === undefined) return new Response("the body is too large\n", { status: 413 });

		let delivery: string;
		let notice: Notice | undefined;
		try {
			delivery = await source.verify(request.headers, body, env); // before anything of the body is believed
			notice = source.read(request.headers, JSON.parse(new TextDecoder().decode(body)));
		} catch (error) {
			if (error instanceof Refused) {
				console.warn("%s: %s, from %s", source.name, error.message, (request as Request & { info: { remote_addr: string } }).info.remote_addr);
				return new Response(`${error.message}\n`, { status: 401 });
			}
			return new Response("the body is not what this hook expects\n", { status: 400 });
		}
		if (notice === undefined) return new Response("nothing to tell\n", { status: 202 });
		if (seen.has(delivery)) return new Response("seen already\n", { status: 202 });
		remember(delivery);
		// The sender waits some seconds at most; the answer does not wait for the notice.
		ctx.waitUntil(notify(notice, env.NOTIFY_URL, delivery));
		return new Response("accepted\n", { status: 202 });
	},
};

function remember(delivery: string) {
	if (seen.size >= MAX_SEEN) seen.delete(seen.values().next().value!);
	seen.add(delivery);
}

async function notify(notice: Notice, to: string, delivery: string) {
	for (let n = 1; ; n++) {
		try {
			const answer = await fetch(to, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(notice), signal: AbortSignal.timeout(5000) });
			await answer.body?.cancel();
			if (answer.ok) return;
			throw new Error(`status ${answer.status}`);
		} catch (error) {
			if (n === TRIES) {
				console.error("the notice of %s was given up after %d tries: %s", delivery, n, (error as Error).message);
				seen.delete(delivery); // the sender may deliver it again
				return;
			}
			await new Promise((resolve) => setTimeout(resolve, 100 * 4 ** n));
		}
	}
}

/** Undefined: there are more than `max`. */
async function readBytes(request: Request, max: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
	const chunks: Uint8Array[] = [];
	let size = 0;
	for await (const chunk of (request.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
		size += chunk.byteLength;
		if (size > max) return undefined;
		chunks.push(chunk);
	}
	const bytes = new Uint8Array(size);
	let at = 0;
	for (const chunk of chunks) {
		bytes.set(chunk, at);
		at += chunk.byteLength;
	}
	return bytes;
}
