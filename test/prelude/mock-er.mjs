// The engine's side of src/sandbox/NATIVES.md in JavaScript: enough to run the built prelude under
// Node in a realm of its own, drive its hooks, and see every call it makes. Not a copy of the
// engine: where the engine checks, this one only records. Held to channel/contract.h: it has what
// stands there and no more, and no call may have another number of arguments.
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, randomBytes, randomFillSync, randomUUID, timingSafeEqual } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import zlib from 'node:zlib';
import vm from 'node:vm';
import { contract } from '../../src/sandbox/js/contract.mjs';

/** What the engine knows by its kind of cell, whatever its prototype. */
const kinds = ['Proxy', 'Date', 'RegExp', 'Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'NativeError', 'BoxedPrimitive', 'AnyArrayBuffer', 'ArgumentsObject', 'GeneratorObject'];
const isBuiltin = (o) =>
	Array.isArray(o) || typeof o === 'function' || ArrayBuffer.isView(o) || Object.prototype.toString.call(o) === '[object WeakRef]' || kinds.some((kind) => types[`is${kind}`](o));

const out = mkdtempSync(join(tmpdir(), 'er-prelude-'));
execFileSync(process.execPath, [fileURLToPath(new URL('../../src/sandbox/js/build.mjs', import.meta.url)), out], { stdio: 'inherit' });
const scripts = {};
export const sources = Object.fromEntries(readdirSync(out).map((file) => [basename(file, '.js'), readFileSync(join(out, file), 'utf8')]));
rmSync(out, { recursive: true });
for (const name in sources) scripts[name] = new vm.Script(sources[name], { filename: name === 'prelude' ? 'er:prelude' : `er:${name}` });

const fieldsOf = block => {
	const lines = block.split('\n');
	return Array.from({ length: lines.length >> 1 }, (_, i) => [lines[2 * i], lines[2 * i + 1]]);
};
const blockOf = fields => fields.map(([name, value]) => `${name}\n${value}\n`).join('');

const CODERS = {
	gzip: [zlib.gzipSync, zlib.gunzipSync], deflate: [zlib.deflateSync, zlib.inflateSync], 'deflate-raw': [zlib.deflateRawSync, zlib.inflateRawSync],
	brotli: [zlib.brotliCompressSync, zlib.brotliDecompressSync],
};

export const agreed = contract();
const { AS_JWK, BODY_LAST, FETCHED_BODY, HTML_SEE_ELEMENT, LENGTH_NO_BODY, LENGTH_UNKNOWN } = agreed.numbers;
const HASHES = ['sha1', 'sha256', 'sha384', 'sha512', 'md5'];

/** What is wrong with `natives` by the contract: names that lack, names that are too many. */
export function unlike(natives, { natives: wanted, given } = agreed) {
	const names = [...Object.keys(wanted), ...given];
	return [...names.filter((name) => !(name in natives)).map((name) => `lacks ${name}`), ...Object.keys(natives).filter((name) => !names.includes(name)).map((name) => `has ${name}`)];
}
/** Calls of the prelude that gave a native another number of arguments than the contract says. The
 * process fails for them: the prelude may have caught what was thrown. */
export const breaches = [];
process.on('exit', () => {
	for (const breach of breaches) console.error(breach);
	if (breaches.length > 0) process.exitCode = 1;
});
export function counted(name, fn, wanted = agreed.natives[name]) {
	return (...args) => {
		if (args.length !== wanted.length) {
			breaches.push(`er.${name} was called with ${args.length} arguments; it takes (${wanted.join(', ')})`);
			throw new TypeError(breaches.at(-1));
		}
		return fn(...args);
	};
}

/** A fresh instance: `tell` is the log of what the prelude told the engine. */
export class Instance {
	constructor({ compat = 0, memoryKb = 128 * 1024, env = '{}', bindings = '', subrequests = 32, timers = 1000 } = {}) {
		// Only what ECMAScript has: no Node global may mask one of ours.
		this.context = vm.createContext(Object.create(null), { microtaskMode: 'afterEvaluate' });
		this.calls = [];
		this.requests = new Map();
		this.ownerId = 0;
		this.bare = false; // what the engine says of promises: Node cannot see who waits for one
		this.handled = new Set(); // what the engine says of promises, likewise
		this.lastTimer = 0;
		this.timers = new Map();
		this.limits = { memory_kb: memoryKb, subrequests, timers, compat };
		this.clock = 0;
		const er = this.natives(env, bindings);
		this.er = er;
		this.lazyLoaded = [];
		const inContext = (source) => vm.runInContext(source, this.context);
		inContext('delete globalThis.console; delete globalThis.WebAssembly; delete globalThis.SharedArrayBuffer');
		this.hooks = scripts.prelude.runInContext(this.context)(er);
		this.parse = vm.runInContext('JSON.parse', this.context);
		this.pump = vm.runInContext('(f => f())', this.context);
	}
	/** A turn: run `f`, then all microtasks of the realm. */
	turn(owner, f) {
		this.ownerId = owner;
		this.context.__turn = f;
		let result;
		try {
			result = vm.runInContext('__turn()', this.context);
		} finally {
			delete this.context.__turn;
		}
		this.ownerId = 0;
		return result;
	}
	/** Top-level code, as the engine runs it. */
	load(code) {
		try {
			vm.runInContext(code, this.context, { filename: 'routine.js' });
		} catch (e) {
			this.turn(0, () => this.hooks.uncaught(e, true));
			throw e;
		}
		this.turn(0, () => this.hooks.loaded());
		return this;
	}
	/** A request comes in. Returns its record: `response`, `body` (what was written),
	 * `over`, ... */
	request({ method = 'GET', url = 'http://example.com/', headers = '', body = null, inline = false, info = 'remote_addr\n192.0.2.1\nscheme\nhttp\n' } = {}) {
		const id = this.requests.size + 1;
		const r = { id, method, url, headers, info, body, inline, pulled: 0, sent: 0, calls: [], chunks: [], subs: [], over: false };
		this.requests.set(id, r);
		this.turn(id, () => this.hooks.request(id));
		return r;
	}
	/** It is time. A record as of `request`. */
	scheduled({ info }) {
		const id = this.requests.size + 1;
		const r = { id, method: 'SCHEDULED', url: 'http://routine/', headers: '', info, body: null, inline: false, pulled: 0, sent: 0, calls: [], chunks: [], subs: [], over: false };
		this.requests.set(id, r);
		this.turn(id, () => this.hooks.scheduled(id));
		return r;
	}
	timerDue(tid) {
		const t = this.timers.get(tid);
		if (!t) return false;
		if (!t.repeat) this.timers.delete(tid);
		this.turn(t.owner, () => this.hooks.timer(tid));
		return true;
	}
	/** Runs timers in order of time until none is left (repeating ones at most `max` times). */
	runTimers(max = 100) {
		for (let i = 0; i < max && this.timers.size > 0; i++) {
			const [tid, t] = [...this.timers].sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
			this.clock = Math.max(this.clock, t.at);
			t.at = this.clock + Math.max(1, t.ms);
			this.timerDue(tid);
		}
	}
	of(id) {
		return this.requests.get(id);
	}
	log(...call) {
		this.calls.push(call);
	}
	told(name) {
		return this.calls.filter((c) => c[0] === name);
	}
	u8(bytes) {
		this.context.__n = bytes.length;
		const u = vm.runInContext('new Uint8Array(__n)', this.context);
		// not the realm's own `set`: a routine may have broken that
		Uint8Array.prototype.set.call(u, bytes);
		return u;
	}

	/** The head of a subrequest's answer, with all of its body. `gone`: the node has
	 * let go of it. */
	headWith(owner, fid, body, { status = 200, block = '', gone = false } = {}) {
		const bytes = new Uint8Array(Buffer.from(body));
		this.came = { fid, bytes, gone };
		this.turn(owner, () => this.hooks.subHead(fid, status, undefined, block, undefined, true, bytes.length, true));
		this.came = undefined;
	}
	tookInline(fid) {
		const { came } = this;
		if (came === undefined || came.fid !== fid) return undefined;
		this.came = undefined;
		if (!came.gone) this.log('drain', fid * 2 + 1);
		return came.bytes;
	}

	natives(env, bindings) {
		const self = this;
		const parts = vm.runInContext('new Uint32Array(8)', this.context);
		const decoders = new Map();
		let lastDecoder = 0;
		const finish = (href) => {
			const u = new URL(href);
			const ABSENT = 0xffffffff;
			const protocolEnd = u.protocol.length;
			const slashes = href.startsWith('//', protocolEnd);
			let at = protocolEnd + (slashes ? 2 : 0);
			let usernameEnd = at;
			let hostStart = at;
			if (u.username || u.password) {
				usernameEnd = at + u.username.length;
				hostStart = usernameEnd + (u.password ? 1 + u.password.length : 0);
			}
			if (!slashes) usernameEnd = hostStart = protocolEnd;
			const hostEnd = hostStart + (href[hostStart] === '@' ? 1 : 0) + u.hostname.length;
			const port = u.port === '' ? ABSENT : +u.port;
			let pathStart = hostEnd + (u.port === '' ? 0 : 1 + u.port.length);
			if (!href.startsWith(u.pathname, pathStart)) pathStart = href.indexOf(u.pathname, pathStart);
			const hash = href.indexOf('#');
			const q = href.indexOf('?');
			Uint32Array.prototype.set.call(parts, [protocolEnd, usernameEnd, hostStart, hostEnd, port, pathStart, q >= 0 && (hash < 0 || q < hash) ? q : ABSENT, hash < 0 ? ABSENT : hash]);
			return href;
		};
		const bytesOf = (b) => (ArrayBuffer.isView(b) ? new Uint8Array(b.buffer, b.byteOffset, b.byteLength) : new Uint8Array(b));
		const record = (name) => (...args) => self.log(name, ...args);
		const natives = {
			owner: () => self.ownerId,
			reqMethod: (id) => self.of(id).method,
			reqUrl: (id) => self.of(id).url,
			reqBlock: (id) => self.of(id).headers,
			reqInfo: (id) => self.of(id).info,
			reqBody: (id) => (self.of(id).body === null ? LENGTH_NO_BODY : self.of(id).inline ? self.of(id).body.length : LENGTH_UNKNOWN),
			reqInline: (id) => (self.of(id).inline ? self.u8(self.of(id).body) : undefined),
			reqInlineText: (id) => (self.of(id).inline ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(self.of(id).body) : undefined),
			reqInlineJSON: (id) => {
				try {
					return self.of(id).inline ? self.parse(new TextDecoder().decode(self.of(id).body)) : undefined;
				} catch {
					return undefined;
				}
			},
			subInline: (fid) => {
				const bytes = self.tookInline(fid);
				return bytes === undefined ? undefined : self.u8(bytes);
			},
			subInlineText: (fid) => {
				const bytes = self.tookInline(fid);
				return bytes === undefined ? undefined : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
			},
			isPlain: (o) => !isBuiltin(o),
			respond(id, status, reason, block, body, flags, key) {
				if (self.refusal) throw new RangeError(self.refusal); // the head is too large
				self.log('respond', id, status, reason, block, body, flags, key);
				const r = self.of(id);
				if (r.response || r.over) throw new Error(`respond twice for ${id}`);
				r.response = { status, reason, block, body, flags, key };
				if (flags & BODY_LAST) self.end(r);
			},
			answer(id, fid, promise) {
				self.log('answer', id, fid);
				return self.bare;
			},
			isBare: (promise) => self.bare,
			isHandled: (promise) => self.handled.has(promise),
			watchTurns: record('watchTurns'),
			// The same answer as `respond` would give; noted as such.
			pass(id) {
				self.log('pass', id);
				self.of(id).passed = true;
			},
			done(id) {
				self.log('done', id);
				const r = self.of(id);
				if (r.over) throw new Error(`done twice for ${id}`);
				self.end(r);
			},
			fail(id, error) {
				self.log('fail', id, error);
				const r = self.of(id);
				r.failed = error;
				self.end(r);
			},
			pull(key, n) {
				self.log('pull', key, n);
			},
			drain: record('drain'),
			bodyCancel: record('bodyCancel'),
			hold: () => ({}),
			clone: record('clone'),
			write(key, bytes) {
				const copy = Buffer.from(bytesOf(bytes));
				self.log('write', key, copy);
			},
			end: record('end'),
			abort: record('abort'),
			fetch(fid, owner, method, url, block, options, wishes, bodyFlags, body) {
				self.log('fetch', fid, owner, method, url, block, options, bodyFlags, body, ...(wishes === undefined ? [] : [wishes]));
			},
			fetchRequest(fid, owner, options, wishes) {
				self.log('fetchRequest', fid, owner, options, ...(wishes === undefined ? [] : [wishes]));
				return self.of(owner).body === null ? 0 : FETCHED_BODY;
			},
			fetchCancel: record('fetchCancel'),
			socketAccept: () => '',
			socketAgreed: () => true,
			socketOpen(...args) {
				self.log('socketOpen', ...args);
				return true;
			},
			socketSend(...args) {
				self.log('socketSend', ...args);
				return true;
			},
			socketWaiting: () => 0,
			socketClose: record('socketClose'),
			socketEnd: record('socketEnd'),
			get limits() {
				return self.limits;
			},
			get bindings() {
				return bindings;
			},
			get env() {
				return env;
			},
			now: () => 1700000000000 + self.clock,
			perf: () => self.clock,
			timerSet(ms, repeat, owner) {
				const tid = ++self.lastTimer;
				self.timers.set(tid, { ms, repeat, owner, at: self.clock + ms });
				self.log('timerSet', ms, repeat);
				return tid;
			},
			timerClear(tid) {
				self.timers.delete(tid);
				self.log('timerClear', tid);
			},
			utf8Encode: (s) => self.u8(Buffer.from(s.toWellFormed(), 'utf8')),
			utf8Length: (s) => Buffer.byteLength(s, 'utf8'),
			utf8EncodeInto(s, u8) {
				const r = new TextEncoder().encodeInto(s, u8);
				return r.read * 2 ** 32 + r.written;
			},
			utf8Decode(b, fatal, ignoreBOM) {
				try {
					return new TextDecoder('utf-8', { fatal, ignoreBOM }).decode(bytesOf(b));
				} catch {
					return undefined;
				}
			},
			latin1: (b) => Buffer.from(bytesOf(b)).toString('latin1'),
			decoderNew(label, fatal, ignoreBOM) {
				decoders.set(++lastDecoder, new TextDecoder(label, { fatal, ignoreBOM }));
				return lastDecoder;
			},
			decoderName(label) {
				try {
					return new TextDecoder(label).encoding;
				} catch {
					return undefined;
				}
			},
			decode(h, b, flush) {
				try {
					return decoders.get(h).decode(bytesOf(b), { stream: !flush });
				} catch {
					return undefined;
				}
			},
			decoderFree: (h) => decoders.delete(h),
			// At once, in pieces of 64 KB.
			coderNew(format, decode) {
				const run = CODERS[format]?.[decode ? 1 : 0];
				if (run === undefined) return 0;
				const input = [];
				let out = null;
				return {
					code(bytes, finish) {
						if (out === null && !finish) return void input.push(Buffer.from(bytes));
						out ??= run(Buffer.concat(input));
						const piece = out.subarray(0, 65536);
						out = out.subarray(65536);
						return piece.length > 0 ? self.u8(piece) : undefined;
					},
				};
			},
			code: (handle, bytes, finish) => handle.code(bytes, finish),
			coderFree: record('coderFree'),
			// Bytes go through as they are; of each piece the first handler sees an element.
			htmlNew: () => ({ sees: [], seen: true, bytes: undefined }),
			htmlOn(handle, selector, sees) {
				if (selector === '+') return 'no';
				handle.sees.push(sees);
				return undefined;
			},
			htmlRun(handle, bytes) {
				if (bytes !== undefined) Object.assign(handle, { bytes, seen: handle.sees.length === 0 || bytes.length === 0 });
				if (!handle.seen) {
					handle.seen = true;
					return HTML_SEE_ELEMENT;
				}
				const out = handle.bytes;
				handle.bytes = undefined;
				return out?.length > 0 ? self.u8(out) : undefined;
			},
			htmlTake: () => undefined,
			htmlGet: () => 'name',
			htmlEdit: record('htmlEdit'),
			htmlAttr: record('htmlAttr'),
			htmlEndTag: () => 1,
			htmlFree: record('htmlFree'),
			btoa(s) {
				try {
					return btoa(s);
				} catch {
					return undefined;
				}
			},
			atob(s) {
				try {
					return atob(s);
				} catch {
					return undefined;
				}
			},
			fieldsGet(block, name) {
				const all = fieldsOf(block).filter(([n]) => n === name);
				return all.length === 0 ? null : all.map(([, v]) => v).join(name === 'cookie' ? '; ' : ', ');
			},
			fieldsSet(block, name, value) {
				const all = fieldsOf(block), at = all.findIndex(([n]) => n === name);
				if (at < 0) return `${block}${name}\n${value}\n`;
				all[at] = [name, value];
				return blockOf(all.filter(([n], i) => i <= at || n !== name));
			},
			fieldsDelete: (block, name) => blockOf(fieldsOf(block).filter(([n]) => n !== name)),
			urlParse(input, base) {
				try {
					return finish(new URL(input, base).href);
				} catch {
					return undefined;
				}
			},
			urlParts: parts,
			urlSet(href, part, value) {
				try {
					const u = new URL(href);
					u[part] = value;
					return finish(u.href);
				} catch {
					return undefined;
				}
			},
			urlOrigin: (href) => new URL(href).origin,
			domainToASCII: (s) => s,
			randomFill: (u8) => randomFillSync(u8),
			randomUUID: () => randomUUID(),
			// Of Web Crypto, what needs no more than bytes; the rest is tested with the engine
			// (test/e2e/crypto.test.mjs).
			digest: (hash, bytes) => self.u8(createHash(HASHES[hash]).update(bytesOf(bytes)).digest()),
			equal: (one, other) => timingSafeEqual(bytesOf(one), bytesOf(other)),
			keyGenerate: (kind, bits) => ({ secret: randomBytes(bits / 8) }),
			keyRead: (kind, form, isPrivate, source) => ({ secret: form === AS_JWK ? Buffer.from(source, 'base64url') : Buffer.from(bytesOf(source)) }),
			keyWrite: (key, form) => (form === AS_JWK ? key.secret.toString('base64url') : self.u8(key.secret)),
			keyBits: (key) => key.secret.length * 8,
			mac: (hash, key, bytes) => self.u8(createHmac(HASHES[hash], key.secret).update(bytesOf(bytes)).digest()),
			macVerify: (hash, key, bytes, mac) => createHmac(HASHES[hash], key.secret).update(bytesOf(bytes)).digest().equals(bytesOf(mac)),
			...Object.fromEntries(['keyPublic', 'keyExponent', 'encrypt', 'decrypt', 'sign', 'verify', 'rsaEncrypt', 'rsaDecrypt', 'agree', 'hkdf', 'pbkdf2', 'hashNew', 'hashUpdate', 'hashFinal', 'hashCopy', 'scrypt', 'cipherNew', 'cipherRun', 'cipherFinal', 'cipherTag', 'cipherPadding'].map((name) => [name, record(name)])),
			log: record('log'),
			exception: record('exception'),
			lazy(name) {
				self.lazyLoaded.push(name);
				return scripts[name].runInContext(self.context);
			},
			mayGoOn: () => true,
			wasmShared: () => false, // there is no WebAssembly in this realm
			compileBegin() {},
			compileEnd() {},
		};
		const wrong = unlike(natives);
		if (wrong.length > 0) throw new Error(`the mock is not what channel/contract.h says: ${wrong.join(', ')}`);
		for (const name of Object.keys(agreed.natives)) natives[name] = counted(name, natives[name]);
		return natives;
	}
	end(r) {
		r.over = true;
		for (const [tid, t] of this.timers) if (t.owner === r.id) this.timers.delete(tid);
	}
}

/** Text of a complete body as the engine would send it. */
export const bodyText = (r) => (r.response.body === undefined ? '' : typeof r.response.body === 'string' ? r.response.body : Buffer.from(r.response.body).toString('utf8'));
/** A request with one async function as its handler: resolves what it returned (JSON), or throws
 * what it threw. */
export function run(code, options = {}, instanceOptions = {}) {
	const i = new Instance(instanceOptions);
	i.load(`addEventListener('fetch', (event) => event.respondWith((async () => { const { request } = event; ${code} })().then((v) => new Response(JSON.stringify(v === undefined ? null : v)))))`);
	const r = i.request(options);
	i.runTimers();
	if (r.failed) {
		const e = new Error(`${r.failed.name}: ${r.failed.message}\n${r.failed.stack}`);
		throw e;
	}
	if (!r.response) throw new Error(`no answer; told: ${JSON.stringify(i.calls.map((c) => c[0]))}`);
	return JSON.parse(bodyText(r));
}
