import { encode, type QrCodeGenerateResult } from "uqr";
import { png } from "./png";

const LEVELS = ["L", "M", "Q", "H"] as const;
const MAX_BYTES = 1200;

export default {
	fetch(request: Request): Response {
		const url = new URL(request.url);
		const format = /^\/qr\.(svg|png)$/.exec(url.pathname)?.[1];
		if (format === undefined) return refuse("Ask for /qr.svg?text=... or /qr.png?text=...", 404);
		if (request.method !== "GET" && request.method !== "HEAD") return refuse("GET is expected.", 405, { allow: "GET, HEAD" });
		const text = url.searchParams.get("text") ?? "";
		const level = url.searchParams.get("level") ?? "M";
		const scale = Number(url.searchParams.get("scale") ?? 8);
		if (text === "" || new TextEncoder().encode(text).length > MAX_BYTES) return refuse(`text: 1 to ${MAX_BYTES} bytes are expected.`);
		if (!LEVELS.includes(level as (typeof LEVELS)[number])) return refuse("level: L, M, Q or H is expected.");
		if (!Number.isInteger(scale) || scale < 1 || scale > 20) return refuse("scale: 1 to 20 pixels are expected.");

		const code = encode(text, { ecc: level as (typeof LEVELS)[number], border: 4 });
		const [body, type] = format === "svg" ? [svg(code, scale), "image/svg+xml"] : [png(code.data, scale), "image/png"];
		// The same text is always the same picture.
		return new Response(body, { headers: { "content-type": type, "cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff" } });
	},
};

/** One path of all dark cells; nothing of the text gets into it. */
function svg({ data, size }: QrCodeGenerateResult, scale: number): string {
	const cells = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])));
	return `<svg xmlns="http://www.w3.org/2000/svg" width="${size * scale}" height="${size * scale}" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${cells.join("")}"/></svg>\n`;
}

function refuse(text: string, status = 400, headers: Record<string, string> = {}): Response {
	return new Response(`${text}\n`, { status, headers: { ...headers, "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" } });
}
