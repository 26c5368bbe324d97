import { Marked } from "marked";
import { escape } from "./template";

interface Heading {
	depth: number;
	text: string;
	id: string;
}

/** Markdown as HTML. Its author may write text, and neither tags nor links that run anything. */
export function markdown(text: string): { html: string; headings: Heading[] } {
	const headings: Heading[] = [];
	const used = new Map<string, number>();
	const marked = new Marked({ gfm: true });
	marked.use({
		renderer: {
			html: ({ text }) => escape(text),
			heading({ tokens, depth }) {
				const plain = this.parser.parseInline(tokens, this.parser.textRenderer);
				const base = plain.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "part";
				const n = used.get(base) ?? 0;
				used.set(base, n + 1);
				const id = n === 0 ? base : `${base}-${n}`;
				headings.push({ depth, text: plain, id });
				return `<h${depth} id="${escape(id)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
			},
			link({ href, title, tokens }) {
				const inside = this.parser.parseInline(tokens);
				return safe(href) ? `<a href="${escape(href)}"${title ? ` title="${escape(title)}"` : ""}>${inside}</a>` : inside;
			},
			image({ href, title, text }) {
				return safe(href) ? `<img src="${escape(href)}" alt="${escape(text)}"${title ? ` title="${escape(title)}"` : ""}>` : escape(text);
			},
		},
	});
	return { html: marked.parse(text, { async: false }), headings };
}

function safe(href: string): boolean {
	try {
		return ["http:", "https:", "mailto:"].includes(new URL(href, "https://here.example/").protocol);
	} catch {
		return false;
	}
}
