// util.MIMEType: media types, as the MIME Sniffing standard parses them.
import { coded } from './errors.js';

const NOT_TOKEN = /[^!#$%&'*+\-.^_`|~A-Za-z0-9]/, NOT_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const bad = (what, text, at) => coded(new TypeError(`The MIME syntax for a ${what} in "${text}" is invalid${at >= 0 ? ` at ${at}` : ''}`), 'ERR_INVALID_MIME_SYNTAX');
const token = (what, value) => {
	const at = value.search(NOT_TOKEN);
	if (value.length === 0 || at >= 0) throw bad(what, value, at);
	return value;
};
const trimmed = (text) => text.replace(/[\r\n\t ]+$/, '');

export class MIMEParams {
	#data = new Map();
	delete(name) {
		this.#data.delete(name);
	}
	get(name) {
		return this.#data.get(name) ?? null;
	}
	has(name) {
		return this.#data.has(name);
	}
	set(name, value) {
		name = `${name}`;
		value = `${value}`;
		token('parameter name', name);
		const at = value.search(NOT_VALUE);
		if (at >= 0) throw bad('parameter value', value, at);
		this.#data.set(name, value);
	}
	*entries() {
		yield* this.#data.entries();
	}
	*keys() {
		yield* this.#data.keys();
	}
	*values() {
		yield* this.#data.values();
	}
	[Symbol.iterator]() {
		return this.entries();
	}
	toString() {
		return [...this.#data].map(([name, value]) => `${name}=${value.length === 0 || NOT_TOKEN.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : value}`).join(';');
	}
	toJSON() {
		return this.toString();
	}
	static parse(text, into) {
		for (let at = 0; at < text.length; ) {
			at += /^[\r\n\t ]*/.exec(text.slice(at))[0].length;
			const name = /^[^;=]*/.exec(text.slice(at))[0];
			at += name.length;
			let value = '';
			if (text[at] === '=') {
				at++;
				if (text[at] === '"') {
					for (at++; at < text.length && text[at] !== '"'; at++) {
						if (text[at] === '\\' && at + 1 < text.length) at++;
						value += text[at];
					}
					at++;
					at += /^[^;]*/.exec(text.slice(at))[0].length;
				} else {
					const raw = /^[^;]*/.exec(text.slice(at))[0];
					at += raw.length;
					value = trimmed(raw);
					if (value === '') {
						at++;
						continue;
					}
				}
				const key = name.toLowerCase();
				if (key !== '' && !NOT_TOKEN.test(key) && !NOT_VALUE.test(value) && !into.has(key)) into.set(key, value);
			}
			at++;
		}
	}
}
export class MIMEType {
	#type;
	#subtype;
	#params = new MIMEParams();
	constructor(input) {
		const text = `${input}`.replace(/^[\r\n\t ]+/, '');
		const slash = text.indexOf('/');
		const type = trimmed(slash < 0 ? text : text.slice(0, slash));
		if (slash < 0 || type === '' || NOT_TOKEN.test(type)) throw bad('type', input, slash < 0 ? -1 : type.search(NOT_TOKEN));
		const end = text.indexOf(';', slash);
		const subtype = trimmed(end < 0 ? text.slice(slash + 1) : text.slice(slash + 1, end));
		if (subtype === '' || NOT_TOKEN.test(subtype)) throw bad('subtype', input, subtype.search(NOT_TOKEN));
		this.#type = type.toLowerCase();
		this.#subtype = subtype.toLowerCase();
		if (end >= 0) MIMEParams.parse(text.slice(end + 1), this.#params);
	}
	get type() {
		return this.#type;
	}
	set type(value) {
		this.#type = token('type', `${value}`).toLowerCase();
	}
	get subtype() {
		return this.#subtype;
	}
	set subtype(value) {
		this.#subtype = token('subtype', `${value}`).toLowerCase();
	}
	get essence() {
		return `${this.#type}/${this.#subtype}`;
	}
	get params() {
		return this.#params;
	}
	toString() {
		const params = this.#params.toString();
		return params === '' ? this.essence : `${this.essence};${params}`;
	}
	toJSON() {
		return this.toString();
	}
}
