const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** What comes from a request goes into HTML only escaped. */
export function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (c) => ENTITIES[c]);
}

export function greet(greeting: string, name: string): string {
	return `${escapeHtml(greeting)}, ${escapeHtml(name)}!`;
}
