// SELF: the routine, called as a client calls it. The routine's own module runs in this sandbox,
// with the tests; what it answers is its own Response.
import { realClearTimeout, realSetTimeout } from "./mock.js";

const listeners = { fetch: [], scheduled: [] };
let exported;
let testing = () => false; // tells whether a test runs

const addListener = globalThis.addEventListener;
globalThis.addEventListener = function addEventListener(type, listener, options) {
	const list = listeners[String(type)];
	if (list !== undefined) list.push(typeof listener === "function" ? listener : listener.handleEvent.bind(listener));
	else addListener(type, listener, options);
};

const isObject = (v) => (typeof v === "object" && v !== null) || typeof v === "function";
const handles = (v) => isObject(v) && ["fetch", "bypass", "scheduled"].some((name) => typeof v[name] === "function");
/** What the routine's module exports; a CommonJS one may export the handler itself. */
export function takeRoutine(module, running) {
	exported = handles(module?.default) ? module.default : handles(module) ? module : undefined;
	testing = running;
}

let request = null; // the harness's own, of the test that runs
let realEnv = {};
let envLast = false;
const waits = new Set(); // promises that were given to waitUntil
const failed = []; // what they were rejected with

export function beginRequest(of, env, last) {
	request = of;
	realEnv = env;
	envLast = last;
	waits.clear();
	failed.length = 0;
}
/** Everything that waitUntil was given has ended; what failed is told as the node tells it. */
export async function settle(ms) {
	let timer;
	const late = new Promise((resolve) => (timer = realSetTimeout(resolve, ms, true)));
	while (waits.size > 0) if (await Promise.race([Promise.allSettled([...waits]), late]) === true) break;
	realClearTimeout(timer);
}

function waitUntil(promise) {
	const waited = Promise.resolve(promise).catch((error) => {
		failed.push(error);
		console.error(error);
	});
	waits.add(waited);
	waited.then(() => waits.delete(waited));
}
function contextOf(state) {
	return Object.create(ExecutionContext.prototype, {
		waitUntil: { value: waitUntil, enumerable: true },
		passThroughOnException: { value: () => void (state.passOn = true), enumerable: true },
	});
}
const own = (value) => ({ value, enumerable: true });

/** The request, with what the node would know of its client. */
function requestOf(input, init, options) {
	const made = new Request(typeof input === "string" && input.startsWith("/") ? new URL(input, "http://localhost/") : input, init);
	const info = { remote_addr: request.info.remote_addr, scheme: new URL(made.url).protocol.slice(0, -1), ...options.info };
	Object.defineProperty(made, "info", { value: Object.freeze(info), configurable: true });
	Object.defineProperty(made, "cf", { value: Object.freeze({ httpProtocol: "HTTP/1.1", ...options.cf }), configurable: true });
	return made;
}
const envOf = (options) => (options.env === undefined ? realEnv : Object.freeze(Object.defineProperties({}, { ...Object.getOwnPropertyDescriptors(realEnv), ...Object.getOwnPropertyDescriptors(options.env) })));

async function answered(given) {
	const response = await given;
	if (typeof response === "string") return new Response(response);
	if (response instanceof Response) return response;
	throw new TypeError(`The handler must return a Response (or a string), not ${response === null ? "null" : typeof response}`);
}

async function byListeners(made, env, ctx, state) {
	for (const listener of listeners.fetch) {
		const event = Object.create(FetchEvent.prototype, {
			type: own("fetch"), request: own(made), info: own(made.info), env: own(env), waitUntil: own(ctx.waitUntil), passThroughOnException: own(ctx.passThroughOnException),
			respondWith: own((response) => {
				if (state.asked) throw new DOMException("respondWith was called already", "InvalidStateError");
				state.asked = true;
				state.response = response;
			}),
		});
		listener(event);
		if (state.asked) return answered(state.response);
	}
	return globalThis.fetch(made);
}
async function byBypass(made, env, ctx) {
	const decision = await (envLast ? exported.bypass(made, ctx, env) : exported.bypass(made, env, ctx));
	if (!(decision instanceof ResponseBypass)) throw new TypeError("bypass must return a ResponseBypass");
	return decision.allow ? globalThis.fetch(made) : new Response(null, { status: decision.status });
}
function call(made, env, ctx, state) {
	if (typeof exported?.fetch === "function") return answered(envLast ? exported.fetch(made, ctx, env) : exported.fetch(made, env, ctx));
	if (typeof exported?.bypass === "function") return byBypass(made, env, ctx);
	if (listeners.fetch.length > 0) return byListeners(made, env, ctx, state);
	throw new TypeError("SELF.fetch: the routine has no handler of requests");
}

class Routine {
	#options;
	constructor(options) {
		this.#options = options;
	}
	/** The same routine, with other variables, or for a client of another place: { env, info, cf }. */
	with(options) {
		return new Routine({ ...this.#options, ...options });
	}
	async fetch(input, init) {
		if (!testing()) throw new Error("SELF.fetch: it works within tests and hooks only");
		const state = { passOn: false, asked: false, response: undefined };
		const made = requestOf(input, init, this.#options);
		try {
			return await call(made, envOf(this.#options), contextOf(state), state);
		} catch (error) {
			if (!state.passOn) throw error;
			console.error(error);
			return globalThis.fetch(made);
		}
	}
	/** The routine's scheduled handler; the promise ends with the handler and its waitUntil. */
	async scheduled({ cron = "* * * * *", scheduledTime = Date.now() } = {}) {
		if (!testing()) throw new Error("SELF.scheduled: it works within tests and hooks only");
		const event = { type: "scheduled", cron, scheduledTime: Number(new Date(scheduledTime)), waitUntil, noRetry() {} };
		const env = envOf(this.#options), ctx = contextOf({});
		if (typeof exported?.scheduled === "function") await (envLast ? exported.scheduled(event, ctx, env) : exported.scheduled(event, env, ctx));
		else if (listeners.scheduled.length > 0) for (const listener of listeners.scheduled) await listener(event);
		else throw new TypeError("SELF.scheduled: the routine has no scheduled handler");
		await this.settled();
	}
	/** Everything that was given to waitUntil has ended; the first that was rejected rejects this. */
	async settled() {
		while (waits.size > 0) await Promise.all(waits);
		if (failed.length > 0) throw failed.shift();
	}
}
export const SELF = new Routine({});
/** The real env of the test that runs, whichever it is. */
export const env = new Proxy({}, {
	get: (target, key) => realEnv[key],
	has: (target, key) => key in realEnv,
	ownKeys: () => Reflect.ownKeys(realEnv),
	getOwnPropertyDescriptor: (target, key) => (key in realEnv ? { value: realEnv[key], enumerable: true, configurable: true } : undefined),
});
