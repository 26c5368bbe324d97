// Reads the value of a JavaScript object literal without running anything: JSON, with comments,
// trailing commas, bare keys, single quotes and templates without ${}. A configuration that
// computes something is refused with its line.

export class LiteralError extends Error {}

class Reader {
	constructor(text) {
		this.text = text;
		this.at = 0;
	}
	fail(what) {
		const line = this.text.slice(0, this.at).split("\n").length;
		throw new LiteralError(`line ${line}: ${what}`);
	}
	blank() {
		for (;;) {
			const m = /^(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)/.exec(this.text.slice(this.at));
			if (!m) return;
			this.at += m[0].length;
		}
	}
	take(token) {
		this.blank();
		if (!this.text.startsWith(token, this.at)) return false;
		this.at += token.length;
		return true;
	}
	string(quote) {
		const escapes = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f", v: "\v", 0: "\0", "\n": "" };
		let out = "";
		for (this.at++; this.text[this.at] !== quote; this.at++) {
			const c = this.text[this.at];
			if (c === undefined || (c === "\n" && quote !== "`")) this.fail("a string is not closed");
			if (c === "$" && quote === "`" && this.text[this.at + 1] === "{") this.fail("a template with ${...} is computed, not written down");
			if (c !== "\\") {
				out += c;
				continue;
			}
			const e = this.text[++this.at];
			const hex = /^(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2}))/.exec(this.text.slice(this.at, this.at + 9));
			if (hex) {
				out += String.fromCodePoint(parseInt(hex[1] ?? hex[2] ?? hex[3], 16));
				this.at += hex[0].length - 1;
			} else out += e in escapes ? escapes[e] : e;
		}
		this.at++;
		return out;
	}
	list(close, one) {
		while (!this.take(close)) {
			one();
			if (!this.take(",")) {
				if (this.take(close)) return;
				this.fail(`"," or "${close}" is expected`);
			}
		}
	}
	object() {
		const out = {};
		this.list("}", () => {
			this.blank();
			const bare = /^[A-Za-z_$][\w$]*|^\d+/.exec(this.text.slice(this.at));
			const c = this.text[this.at];
			let key;
			if (c === '"' || c === "'") key = this.string(c);
			else if (bare) {
				key = bare[0];
				this.at += key.length;
			} else this.fail("a name is expected");
			if (!this.take(":")) this.fail('":" is expected');
			Object.defineProperty(out, key, { value: this.value(), enumerable: true, configurable: true, writable: true });
		});
		return out;
	}
	value() {
		this.blank();
		const c = this.text[this.at];
		if (this.take("{")) return this.object();
		if (this.take("[")) {
			const out = [];
			this.list("]", () => out.push(this.value()));
			return out;
		}
		if (c === '"' || c === "'" || c === "`") return this.string(c);
		const word = /^(?:true|false|null|undefined)\b|^[-+]?(?:0x[0-9a-fA-F]+|\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)/.exec(this.text.slice(this.at));
		if (!word) this.fail("a value that is written down is expected, nothing that is computed");
		this.at += word[0].length;
		const words = { true: true, false: false, null: null, undefined: undefined };
		return word[0] in words ? words[word[0]] : Number(word[0].replaceAll("_", ""));
	}
}

/** The value at an offset of the text. */
export function literalAt(text, at = 0) {
	const reader = new Reader(text);
	reader.at = at;
	return reader.value();
}

/** A whole text that is one value: JSON, JSONC, JSON5. */
export function literal(text) {
	const reader = new Reader(text.replace(/^\ufeff/, ""));
	const value = reader.value();
	reader.blank();
	if (reader.at < reader.text.length) reader.fail("there is something behind the value");
	return value;
}
