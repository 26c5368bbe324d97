// The whole site is in the script: no origin, no cache, no data on the node.
import about from "./site/about.html";
import index from "./site/index.html";
import lost from "./site/404.html";
import logo from "./site/logo.svg";
import style from "./site/style.css";

const PAGE = "public, max-age=60";
const FOR_EVER = "public, max-age=31536000, immutable"; // its address has a version: /style.css?v=1
const files = new Map([
	["/", file(index, "text/html; charset=utf-8", PAGE)],
	["/about", file(about, "text/html; charset=utf-8", PAGE)],
	["/style.css", file(style, "text/css; charset=utf-8", FOR_EVER)],
	["/logo.svg", file(logo, "image/svg+xml", FOR_EVER)],
]);
const SECURITY = {
	"content-security-policy": "default-src 'self'",
	"referrer-policy": "strict-origin-when-cross-origin",
	"strict-transport-security": "max-age=31536000",
	"x-content-type-options": "nosniff",
};

export default {
	async fetch(request) {
		if (request.method !== "GET" && request.method !== "HEAD") return new Response("GET is expected\n", { status: 405, headers: { allow: "GET, HEAD" } });
		const { pathname } = new URL(request.url);
		const found = files.get(pathname);
		if (found === undefined) {
			// One address for each page: /about/ and /about.html lead to /about.
			const plain = pathname.replace(/(\/index)?\.html$|\/+$/, "") || "/";
			if (files.has(plain)) return new Response(null, { status: 308, headers: { location: plain, ...SECURITY } });
			return new Response(lost, { status: 404, headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", ...SECURITY } });
		}
		const etag = await (found.etag ??= etagOf(found.bytes)); // once for each instance
		const headers = { "content-type": found.type, "cache-control": found.cache, etag, ...SECURITY };
		if (matches(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
		return new Response(found.bytes, { headers });
	},
};

function file(content, type, cache) {
	return { bytes: typeof content === "string" ? new TextEncoder().encode(content) : content, type, cache, etag: undefined };
}

async function etagOf(bytes) {
	const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).subarray(0, 12);
	return `"${btoa(String.fromCharCode(...hash))}"`;
}

function matches(header, etag) {
	return header !== null && header.split(",").some((part) => part.trim() === "*" || part.trim().replace(/^W\//, "") === etag);
}
