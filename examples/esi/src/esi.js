// Edge Side Includes 1.0, as far as sites use it: include with src, alt and onerror, remove, comment, and <!--esi ... -->. The
// page streams: text goes on as it comes, and the fragments of what has come are asked for at the same time.

const TAG = /<esi:include\b([^>]*?)\/?>(?:\s*<\/esi:include>)?|<esi:remove>|<esi:comment\b[^>]*>|<!--esi\b|<\/esi:[a-z]+>/i;
// What may be the beginning of a tag at the end of what has come; longer ones are taken for text.
const OPEN_TAG = /<(?:!(?:-(?:-(?:e(?:s(?:i)?)?)?)?)?|\/?(?:e(?:s(?:i(?::[^>]{0,2000})?)?)?)?)?$/i;
const MAX_DEPTH = 3;
const MAX_FRAGMENT = 256 * 1024;

/** A TransformStream from text with ESI to text without. context.left: how many more fragments the page may ask for. */
export function assemble(context, depth) {
	let rest = "";
	let removing = false; // inside of <esi:remove>
	let opened = 0; // how many <!--esi wait for their -->

	const parse = (text, end) => {
		const pieces = [];
		rest += text;
		for (;;) {
			if (removing) {
				const close = /<\/esi:remove>/i.exec(rest);
				if (close === null) {
					rest = end ? "" : rest.slice(-13);
					return pieces;
				}
				rest = rest.slice(close.index + close[0].length);
				removing = false;
			}
			const hit = TAG.exec(rest);
			const close = opened > 0 ? rest.indexOf("-->") : -1;
			if (close >= 0 && (hit === null || close < hit.index)) {
				pieces.push(rest.slice(0, close));
				rest = rest.slice(close + 3);
				opened--;
				continue;
			}
			if (hit === null) {
				const keep = end ? 0 : Math.max(OPEN_TAG.exec(rest)?.[0].length ?? 0, opened > 0 ? /-{0,2}$/.exec(rest)[0].length : 0);
				pieces.push(rest.slice(0, rest.length - keep));
				rest = rest.slice(rest.length - keep);
				return pieces;
			}
			pieces.push(rest.slice(0, hit.index));
			rest = rest.slice(hit.index + hit[0].length);
			const tag = hit[0].toLowerCase();
			if (tag.startsWith("<esi:include")) pieces.push(include(context, attributes(hit[1]), depth));
			else if (tag === "<esi:remove>") removing = true;
			else if (tag === "<!--esi") opened++;
		}
	};
	const write = async (pieces, controller) => {
		for (const piece of pieces) {
			const text = await piece;
			if (text !== "") controller.enqueue(text);
		}
	};
	return new TransformStream({
		transform: (text, controller) => write(parse(text, false), controller),
		flush: (controller) => write(parse("", true), controller),
	});
}

function attributes(text) {
	const out = {};
	for (const [, name, , double, single] of text.matchAll(/([a-z]+)\s*=\s*("([^"]*)"|'([^']*)')/gi)) out[name.toLowerCase()] = (double ?? single).replaceAll("&amp;", "&");
	return out;
}

/** A fragment's text; what cannot be had is empty, and the page goes on. */
async function include(context, { src, alt, onerror }, depth) {
	for (const url of [src, alt]) {
		if (url === undefined) continue;
		try {
			return await fragment(context, url, depth);
		} catch (error) {
			console.warn("the fragment %s is missing: %s", url, error.message);
		}
	}
	return onerror === "continue" ? "" : "<!-- a fragment is missing -->";
}

async function fragment(context, src, depth) {
	const { request, env } = context;
	if (depth >= MAX_DEPTH) throw new Error(`fragments in fragments, more than ${MAX_DEPTH} deep`);
	if (context.left <= 0) throw new Error("the page has too many fragments");
	context.left--;
	const url = new URL(src, request.url);
	const own = url.host === new URL(request.url).host;
	// A page that quotes its visitors must not make the edge fetch what they like.
	if (!own && !env.FRAGMENTS_FROM.includes(url.origin)) throw new Error(`${url.origin} is not among FRAGMENTS_FROM`);
	const headers = { accept: "text/html" };
	const cookie = request.headers.get("cookie");
	if (own && cookie !== null) headers.cookie = cookie;
	// The own host's fragments come from the cache where they can, each with a lifetime of its own.
	const answer = await fetch(url, { headers, cdnProxy: own, signal: AbortSignal.timeout(env.TIMEOUT_MS) });
	if (!answer.ok) throw new Error(`status ${answer.status}`);
	if (answer.body === null) return "";
	let stream = answer.body.pipeThrough(new TextDecoderStream());
	if ((answer.headers.get("surrogate-control") ?? "").includes("ESI/1.0")) stream = stream.pipeThrough(assemble(context, depth + 1));
	let text = "";
	for await (const part of stream) {
		text += part;
		if (text.length > MAX_FRAGMENT) throw new Error(`more than ${MAX_FRAGMENT} characters`);
	}
	return text;
}
