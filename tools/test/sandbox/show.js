// How a value is shown in the report of a failure: with every member on a line of its own, in an
// order that two equal values share, so that a diff of two texts is a diff of the values.

const DEPTH = 12, MEMBERS = 400, TEXT = 64 * 1024;

const isPlainName = /^[A-Za-z_$][\w$]*$/;
const keyText = (key) => (typeof key === "symbol" ? `[${String(key)}]` : isPlainName.test(key) ? key : JSON.stringify(key));

export function className(value) {
	const proto = Object.getPrototypeOf(value);
	if (proto === null) return "[Object: null prototype]";
	const name = value.constructor?.name;
	return typeof name === "string" ? name : "Object";
}

function primitive(value) {
	if (typeof value === "string") return JSON.stringify(value);
	if (typeof value === "bigint") return `${value}n`;
	if (Object.is(value, -0)) return "-0";
	return String(value);
}

class Writer {
	constructor() {
		this.seen = [];
		this.length = 0;
	}
	list(head, open, items, close, indent) {
		const label = head === "" ? open : `${head} ${open}`;
		if (items.length === 0) return label + close;
		return `${label}\n${items.map((item) => `${indent}  ${item},`).join("\n")}\n${indent}${close}`;
	}
	members(value, keys, indent) {
		const more = keys.length > MEMBERS ? [`... ${keys.length - MEMBERS} more`] : [];
		return [...keys.slice(0, MEMBERS).map((key) => `${keyText(key)}: ${this.value(value[key], `${indent}  `)}`), ...more];
	}
	value(value, indent) {
		if (value === null || (typeof value !== "object" && typeof value !== "function")) return primitive(value);
		if (typeof value.asymmetricMatch === "function" && typeof value.toString === "function") return String(value);
		if (this.seen.includes(value)) return "[Circular]";
		if (this.seen.length >= DEPTH || this.length > TEXT) return `[${className(value)}]`;
		this.seen.push(value);
		try {
			const text = this.object(value, indent);
			this.length += text.length;
			return text;
		} catch {
			return "[an object that cannot be shown]";
		} finally {
			this.seen.pop();
		}
	}
	object(value, indent) {
		const inner = `${indent}  `;
		const name = className(value);
		if (typeof value === "function") return value.mock ? `[mock ${value.getMockName()}]` : `[${/^class\b/.test(Function.prototype.toString.call(value)) ? "class" : "function"} ${value.name || "(anonymous)"}]`;
		if (Array.isArray(value)) return this.list(name === "Array" ? "" : name, "[", Array.from({ length: Math.min(value.length, MEMBERS) }, (_, i) => (i in value ? this.value(value[i], inner) : "<empty>")), "]", indent);
		if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Date(invalid)" : `Date(${value.toISOString()})`;
		if (value instanceof RegExp) return String(value);
		if (value instanceof Error) return this.error(value, name, indent);
		if (value instanceof Map) return this.list(name, "{", [...value].map(([k, v]) => `${this.value(k, inner)} => ${this.value(v, inner)}`), "}", indent);
		if (value instanceof Set) return this.list(name, "{", [...value].map((v) => this.value(v, inner)), "}", indent);
		if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return `${name}(${value.length}) [${[...value.subarray(0, MEMBERS)].map(primitive).join(", ")}${value.length > MEMBERS ? ", ..." : ""}]`;
		if (value instanceof ArrayBuffer) return `ArrayBuffer(${value.byteLength}) [${[...new Uint8Array(value).subarray(0, MEMBERS)].join(", ")}]`;
		if (value instanceof URL) return `URL(${value.href})`;
		if (value instanceof Headers || value instanceof URLSearchParams || value instanceof FormData) return this.list(name, "{", [...value].map(([k, v]) => `${JSON.stringify(k)}: ${this.value(v, inner)}`), "}", indent);
		if (value instanceof Response) return this.list(name, "{", [`status: ${value.status}`, `url: ${JSON.stringify(value.url)}`, `headers: ${this.value(value.headers, inner)}`], "}", indent);
		if (value instanceof Request) return this.list(name, "{", [`method: ${JSON.stringify(value.method)}`, `url: ${JSON.stringify(value.url)}`, `headers: ${this.value(value.headers, inner)}`], "}", indent);
		if (value instanceof Promise) return "Promise {}";
		if (value instanceof String || value instanceof Number || value instanceof Boolean) return `[${name}: ${primitive(value.valueOf())}]`;
		const keys = [...Object.keys(value).sort(), ...Object.getOwnPropertySymbols(value).filter((s) => Object.prototype.propertyIsEnumerable.call(value, s))];
		return this.list(name === "Object" ? "" : name, "{", this.members(value, keys, indent), "}", indent);
	}
	error(value, name, indent) {
		const keys = Object.keys(value).filter((key) => !["line", "column", "sourceURL", "stack", "message"].includes(key)).sort();
		const items = this.members(value, keys, indent);
		if (value.cause !== undefined) items.push(`cause: ${this.value(value.cause, `${indent}  `)}`);
		const head = `[${name === value.name || !value.name ? name : `${name} ${value.name}`}: ${value.message}]`;
		return items.length === 0 ? head : this.list(head, "{", items, "}", indent);
	}
}

export function show(value) {
	return new Writer().value(value, "");
}

/** In a line of a message. */
export function brief(value, most = 120) {
	const text = show(value).replace(/\n\s*/g, " ").replace(/, ([\]}])/g, " $1");
	return text.length > most ? `${text.slice(0, most - 3)}...` : text;
}
