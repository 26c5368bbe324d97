// Stand-ins: functions that remember their calls (mock.fn, mock.spyOn), answers in place of the
// network (mock.fetch), and clocks that a test moves (mock.timers). Each is undone at the end of
// what it was made in: a test, a describe, or the file.
import { beforeTestEnds } from "./scope.js";

// ---- functions ----

const all = new Set();
let order = 0;

export function fn(implementation) {
	const once = [];
	let name = implementation?.name || "fn";
	let current = implementation;
	const mock = { calls: [], results: [], contexts: [], instances: [], invocationCallOrder: [] };
	const called = function (...args) {
		mock.calls.push(args);
		mock.contexts.push(this);
		mock.instances.push(this);
		mock.invocationCallOrder.push(++order);
		const result = { type: "incomplete", value: undefined };
		mock.results.push(result);
		const run = once.length > 0 ? once.shift() : current;
		try {
			result.value = run === undefined ? undefined : new.target ? Reflect.construct(run, args, new.target) : Reflect.apply(run, this, args);
			result.type = "return";
			return result.value;
		} catch (error) {
			result.type = "throw";
			result.value = error;
			throw error;
		}
	};
	const is = (make) => (value) => {
		current = make(value);
		return called;
	};
	const isOnce = (make) => (value) => {
		once.push(make(value));
		return called;
	};
	const ways = {
		Implementation: (f) => f,
		ReturnValue: (value) => () => value,
		ResolvedValue: (value) => async () => value,
		RejectedValue: (error) => async () => {
			throw error;
		},
	};
	for (const [way, make] of Object.entries(ways)) {
		called[`mock${way}`] = is(make);
		called[`mock${way}Once`] = isOnce(make);
	}
	Object.assign(called, {
		mock,
		getMockName: () => name,
		mockName(text) {
			name = text;
			return called;
		},
		mockClear() {
			for (const list of Object.values(mock)) list.length = 0;
			return called;
		},
		mockReset() {
			called.mockClear();
			once.length = 0;
			current = implementation;
			return called;
		},
		mockRestore: () => called.mockReset(),
	});
	Object.defineProperty(mock, "lastCall", { get: () => mock.calls.at(-1) });
	all.add(called);
	return called;
}

export function spyOn(object, key, access) {
	const descriptor = Object.getOwnPropertyDescriptor(object, key);
	let from = object, found = descriptor;
	while (found === undefined && from !== null) {
		from = Object.getPrototypeOf(from);
		found = from === null ? undefined : Object.getOwnPropertyDescriptor(from, key);
	}
	if (found === undefined) throw new TypeError(`mock.spyOn: there is no ${String(key)}`);
	const part = access ?? (typeof found.get === "function" && typeof found.value !== "function" && typeof object[key] !== "function" ? "get" : "value");
	const original = part === "value" ? object[key] : found[part];
	if (typeof original !== "function") throw new TypeError(`mock.spyOn: ${String(key)} is no function`);
	if (part === "value" && original.mock !== undefined) return original;
	const spy = fn(original).mockName(String(key));
	Object.defineProperty(object, key, part === "value" ? { value: spy, writable: true, configurable: true, enumerable: found.enumerable } : { ...found, [part]: spy, configurable: true });
	const restore = () => {
		if (descriptor === undefined) delete object[key];
		else Object.defineProperty(object, key, descriptor);
	};
	spy.mockRestore = () => {
		spy.mockReset();
		restore();
		return spy;
	};
	beforeTestEnds(restore);
	return spy;
}

// ---- the network ----

const network = globalThis.fetch;
const answers = []; // the last one that fits answers
let refused = []; // of this test: what nothing answered

function patternText(pattern) {
	if (typeof pattern === "string") return pattern;
	if (pattern instanceof RegExp) return String(pattern);
	if (typeof pattern === "function") return pattern.name || "a function";
	if (pattern instanceof URL) return pattern.href;
	return `${pattern?.method ?? ""} ${patternText(pattern?.url ?? "")}`.trim();
}

const escaped = (text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
/** A text is a whole URL, in which * is anything; without * and without a query, any query fits. */
function textFits(pattern) {
	let text = pattern, method;
	const withMethod = /^([A-Z]+) +(\S.*)$/.exec(text);
	if (withMethod) [, method, text] = withMethod;
	if (!text.includes("*")) text = new URL(text).href;
	const query = text.includes("?") || text.includes("*") ? "" : "(?:\\?.*)?";
	const test = new RegExp(`^${text.split("*").map(escaped).join(".*")}${query}$`);
	return (request) => (method === undefined || request.method === method) && test.test(request.url.replace(/#.*$/, ""));
}
function fits(pattern) {
	if (typeof pattern === "string") {
		if (!/^([A-Z]+ +)?(https?:\/\/|\*)/.test(pattern)) throw new TypeError(`mock.fetch: "${pattern}" is no URL: it begins with http://, https:// or *, and may have a method before it`);
		return textFits(pattern);
	}
	if (pattern instanceof URL) return textFits(pattern.href);
	if (pattern instanceof RegExp) return (request) => new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).test(request.url);
	if (typeof URLPattern === "function" && pattern instanceof URLPattern) return (request) => pattern.test(request.url);
	if (typeof pattern === "function") return pattern;
	if (pattern !== null && typeof pattern === "object" && pattern.url !== undefined) {
		const test = fits(pattern.url);
		return (request) => (pattern.method === undefined || request.method === pattern.method.toUpperCase()) && test(request);
	}
	throw new TypeError("mock.fetch: the pattern is a URL with or without *, a RegExp, a URLPattern, { method, url } or a function");
}

/** What the mock says, as a response of its own for each call. */
async function responseOf(answer, request) {
	const given = typeof answer === "function" ? await answer(request) : answer;
	if (given instanceof Error) throw given;
	if (given instanceof Response) return typeof answer === "function" ? given : given.clone();
	if (given === undefined || given === null) return new Response(null);
	if (typeof given === "string" || given instanceof ArrayBuffer || ArrayBuffer.isView(given) || given instanceof ReadableStream || given instanceof Blob) return new Response(given);
	return Response.json(given);
}

class FetchMock {
	constructor(pattern, answer, through) {
		this.pattern = patternText(pattern);
		this.calls = [];
		this.fits = fits(pattern);
		this.answer = answer;
		this.through = through;
		this.left = Infinity;
	}
	/** It answers so many times; then another one does, or none. */
	times(n) {
		this.left = n;
		return this;
	}
	once() {
		return this.times(1);
	}
	get called() {
		return this.calls.length > 0;
	}
	remove() {
		const i = answers.indexOf(this);
		if (i >= 0) answers.splice(i, 1);
	}
}

function add(pattern, answer, through) {
	const made = new FetchMock(pattern, answer, through);
	answers.push(made);
	beforeTestEnds(() => made.remove());
	return made;
}
export function mockFetch(pattern, answer) {
	if (arguments.length < 2) throw new TypeError("mock.fetch(pattern, answer): the answer is a Response, a text, an object for JSON, an Error, or a function of the request");
	return add(pattern, answer, false);
}
/** These go to the network. */
export function allowFetch(pattern) {
	return add(pattern, undefined, true);
}

function refuse(request) {
	const asked = `${request.method} ${request.url}`;
	refused.push(asked);
	const there = answers.length === 0 ? "there is none" : `there ${answers.length === 1 ? "is" : "are"} ${answers.map((a) => a.pattern).slice(-10).join(", ")}`;
	throw new TypeError(`no mock answers ${asked} (${there}): mock.fetch(${JSON.stringify(request.url)}, answer) gives an answer, mock.allowFetch(${JSON.stringify(request.url)}) lets it go to the network`);
}
/** A routine of "services" in er.jsonc: `binding` is the member of env. */
export function mockService(binding, answer) {
	if (typeof binding?.fetch !== "function") throw new TypeError("mock.service(env.NAME, answer): the first argument is a member of env that has a fetch");
	const made = new FetchMock("*", answer, false);
	const own = Object.getOwnPropertyDescriptor(binding, "fetch");
	const before = binding.fetch;
	const called = async (input, init) => {
		const request = new Request(input, init);
		return made.left > 0 ? answered(made, request) : Reflect.apply(before, binding, [request]);
	};
	Object.defineProperty(binding, "fetch", { value: called, writable: true, configurable: true });
	made.remove = () => {
		if (own === undefined) delete binding.fetch;
		else Object.defineProperty(binding, "fetch", own);
	};
	beforeTestEnds(() => made.remove());
	return made;
}
const guarded = new Set();
/** Other routines do not run in a test: without a mock.service, a call of one says so. */
export function guardServices(env) {
	for (const name of Object.keys(env)) {
		const binding = env[name];
		if (name === "ASSETS" || binding?.constructor?.name !== "Fetcher" || guarded.has(binding)) continue;
		guarded.add(binding);
		const fetch = async (input, init) => {
			const request = new Request(input, init);
			refused.push(`env.${name}: ${request.method} ${request.url}`);
			throw new TypeError(`no mock answers for the routine behind env.${name}: mock.service(env.${name}, answer) gives an answer`);
		};
		Object.defineProperty(binding, "fetch", { value: fetch, writable: true, configurable: true });
	}
}
async function answered(found, request) {
	found.left--;
	request.signal?.throwIfAborted();
	// The body is there for the mock's function and for whoever looks at the call.
	const body = request.body === null ? undefined : await request.clone().text();
	found.calls.push({ url: request.url, method: request.method, headers: new Headers(request.headers), body });
	return responseOf(found.answer, request);
}
export async function fetchMocked(input, init) {
	const request = new Request(input, init);
	if (/^(data|blob):/.test(request.url)) return network(input, init);
	const found = answers.findLast((a) => a.left > 0 && a.fits(request));
	if (found === undefined) refuse(request);
	if (found.through) {
		found.left--;
		found.calls.push({ url: request.url, method: request.method, headers: new Headers(request.headers) });
		return network(input, init);
	}
	const response = await answered(found, request);
	Object.defineProperty(response, "url", { value: request.url.replace(/#.*$/, ""), configurable: true });
	const { redirect } = request;
	if ([301, 302, 303, 307, 308].includes(response.status) && response.headers.has("location") && redirect !== "manual") return follow(request, response, redirect, init);
	return response;
}
/** As the Fetch standard says, as far as tests see it. */
async function follow(request, response, redirect, init) {
	if (redirect === "error") throw new TypeError(`${request.url} redirects, and redirect is "error"`);
	const hops = init?.erHops ?? 0;
	if (hops >= 20) throw new TypeError("more than 20 redirects");
	const target = new URL(response.headers.get("location"), request.url);
	const { status } = response;
	const get = status === 303 ? !["GET", "HEAD"].includes(request.method) : status <= 302 && request.method === "POST";
	const headers = new Headers(request.headers);
	if (new URL(request.url).origin !== target.origin) for (const name of ["authorization", "cookie"]) headers.delete(name);
	if (get) for (const name of ["content-type", "content-encoding", "content-language", "content-location"]) headers.delete(name);
	const next = { method: get ? "GET" : request.method, headers, redirect, signal: request.signal, erHops: hops + 1 };
	if (!get && request.body !== null) next.body = await request.clone().text();
	const answer = await fetchMocked(target.href, next);
	Object.defineProperty(answer, "redirected", { value: true, configurable: true });
	return answer;
}
/** A WebSocket of the code's own goes where mock.allowFetch lets it go. */
export function guardSockets(Real) {
	return new Proxy(Real, {
		construct(target, args, newTarget) {
			const url = new URL(args[0]);
			const request = { method: "GET", url: url.href.replace(/^ws/, "http") };
			if (answers.findLast((a) => a.left > 0 && a.through && a.fits(request)) === undefined) {
				refused.push(`WebSocket ${url.href}`);
				throw new TypeError(`no WebSocket goes to the network from a test: mock.allowFetch(${JSON.stringify(request.url)}) lets ${url.href} go there`);
			}
			return Reflect.construct(target, args, newTarget);
		},
	});
}
export const beginFetches = () => (refused = []);
export const refusedFetches = () => refused;

// ---- clocks ----

const real = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, Date, now: performance.now.bind(performance) };
export const realSetTimeout = setTimeout, realClearTimeout = clearTimeout;
let clock = null;

class Clock {
	constructor(now) {
		this.now = now;
		this.began = now;
		this.next = 1;
		this.timers = new Map();
	}
	add(callback, ms, every, args) {
		const id = this.next++;
		const delay = Math.max(0, Number(ms) || 0);
		this.timers.set(id, { id, at: this.now + delay, callback, args, every: every ? Math.max(1, delay) : 0 });
		return id;
	}
	first(until) {
		let found;
		for (const timer of this.timers.values()) if (timer.at <= until && (found === undefined || timer.at < found.at || (timer.at === found.at && timer.id < found.id))) found = timer;
		return found;
	}
	run(timer) {
		this.now = Math.max(this.now, timer.at);
		if (timer.every > 0) timer.at = this.now + timer.every;
		else this.timers.delete(timer.id);
		timer.callback(...timer.args);
	}
}
// Promises that a timer has settled are looked at before the next one runs.
const settled = () => new Promise((resolve) => real.setTimeout(resolve, 0));

function fakeDate() {
	return class Date extends real.Date {
		constructor(...args) {
			if (args.length === 0) super(clock.now);
			else super(...args);
		}
		static now() {
			return clock.now;
		}
	};
}

export const timers = {
	enable({ now = real.Date.now() } = {}) {
		if (clock !== null) throw new Error("mock.timers: they are enabled already");
		clock = new Clock(Number(new real.Date(now)));
		const own = clock;
		globalThis.setTimeout = (callback, ms, ...args) => own.add(callback, ms, false, args);
		globalThis.setInterval = (callback, ms, ...args) => own.add(callback, ms, true, args);
		globalThis.setImmediate = (callback, ...args) => own.add(callback, 0, false, args);
		for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) globalThis[name] = (id) => void own.timers.delete(id);
		globalThis.Date = fakeDate();
		performance.now = () => own.now - own.began;
		beforeTestEnds(() => timers.reset());
	},
	/** Time passes; what was due meanwhile has run. */
	async tick(ms) {
		if (clock === null) throw new Error("mock.timers.tick: mock.timers.enable() comes first");
		const until = clock.now + ms;
		await settled();
		for (let timer; clock !== null && (timer = clock.first(until)) !== undefined; await settled()) clock.run(timer);
		if (clock !== null) clock.now = until;
	},
	/** Until no timer is left; intervals are ended by who made them. */
	async runAll(most = 1000) {
		if (clock === null) throw new Error("mock.timers.runAll: mock.timers.enable() comes first");
		await settled();
		for (let timer, n = 0; clock !== null && (timer = clock.first(Infinity)) !== undefined; await settled()) {
			if (++n > most) throw new Error(`mock.timers.runAll: after ${most} timers there are still more; is it an interval? Then use mock.timers.tick(ms)`);
			clock.run(timer);
		}
	},
	setTime(now) {
		if (clock === null) throw new Error("mock.timers.setTime: mock.timers.enable() comes first");
		clock.now = Number(new real.Date(now));
	},
	get pending() {
		return clock === null ? 0 : clock.timers.size;
	},
	reset() {
		if (clock === null) return;
		clock = null;
		for (const name of ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"]) globalThis[name] = real[name];
		globalThis.Date = real.Date;
		performance.now = real.now;
	},
};

export const mock = {
	fn,
	spyOn,
	fetch: mockFetch,
	allowFetch,
	service: mockService,
	timers,
	clearAll() {
		for (const one of all) one.mockClear();
	},
	resetAll() {
		for (const one of all) one.mockReset();
	},
	restoreAll() {
		for (const one of all) one.mockRestore();
	},
};
