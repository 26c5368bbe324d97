// Templates: {{name}} is escaped, {{{name}}} is not, {{#name}}...{{/name}} is repeated for a list, or there if the value is
// true; {{^name}}...{{/name}} is there if it is not. Inside of a list the item's own names come first.

type Values = { [name: string]: unknown };

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escape(text: string): string {
	return text.replace(/[&<>"']/g, (c) => ENTITIES[c]);
}

export function render(template: string, values: Values): string {
	return template.replace(/\{\{([#^])(\w+)\}\}([\s\S]*?)\{\{\/\2\}\}|\{\{\{(\w+)\}\}\}|\{\{(\w+)\}\}/g, (_, kind, section, inside, raw, name) => {
		if (raw !== undefined) return String(values[raw] ?? "");
		if (name !== undefined) return escape(String(values[name] ?? ""));
		const value = values[section];
		const list = Array.isArray(value) ? value : value ? [{}] : [];
		if (kind === "^") return list.length === 0 ? render(inside, values) : "";
		return list.map((item) => render(inside, { ...values, ...item })).join("");
	});
}
