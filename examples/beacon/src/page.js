import { BOUNDS } from "./batch.js";

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => text.replace(/[&<>"']/g, (c) => ENTITIES[c]);

export function page({ minutes, times, pages, more }) {
	const total = minutes.reduce((sum, [, n]) => sum + n, 0);
	const body = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="10">
<title>${total} views</title>
<style>body { font: 16px sans-serif; margin: 2em } rect { fill: teal } text { font-size: 11px } td { padding: 0 1em 0 0 }</style>
<h1>${total} views in the last hour${more ? " and more" : ""}</h1>
${bars(minutes.map(([minute, n]) => [minute.slice(11), n]), 10)}
<h2>Time to load</h2>
${bars(times.map((n, i) => [BOUNDS[i] === undefined ? "slower" : `${BOUNDS[i]} ms`, n]), 1)}
<h2>Pages</h2>
<table>
${pages.map(([name, n]) => `<tr><td>${n}<td>${escape(name)}`).join("\n")}
</table>
</html>
`;
	return new Response(body, {
		headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'" },
	});
}

/** An SVG of bars; every `step`th has its name below. */
function bars(values, step) {
	const width = 720;
	const height = 160;
	const most = Math.max(1, ...values.map(([, n]) => n));
	const each = width / values.length;
	const parts = values.map(([name, n], i) => {
		const h = Math.round((n / most) * height);
		const bar = `<rect x="${(i * each + 1).toFixed(1)}" y="${height - h}" width="${(each - 2).toFixed(1)}" height="${h}"><title>${name}: ${n}</title></rect>`;
		return i % step === 0 ? `${bar}<text x="${(i * each).toFixed(1)}" y="${height + 14}">${name}</text>` : bar;
	});
	return `<svg width="${width}" height="${height + 20}" role="img">${parts.join("")}<text x="0" y="10">${most}</text></svg>`;
}
