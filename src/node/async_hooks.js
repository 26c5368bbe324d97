// node:async_hooks: AsyncLocalStorage and AsyncResource. The engine has no hook at an `await`,
// so `er build` writes async functions as generators over promises wherever this module is
// imported (tools/bundle.mjs), and then every continuation goes through Promise.prototype.then,
// which carries the context here. Timers, queueMicrotask, nextTick and the sources of streams
// carry it too.
import { ERR_ASYNC_TYPE, ERR_INVALID_ARG_TYPE, ERR_INVALID_ASYNC_ID } from './internal/errors.js';
import { validateFunction, validateString } from './internal/validators.js';
import { bindWith } from './process.js';
import { EventEmitterAsyncResource } from './events.js';

/** What every storage has now: an immutable Map, or null. */
let frame = null, depth = 0;
const within = (context, fn, self, args) => {
	const before = frame;
	frame = context;
	depth++;
	try {
		return Reflect.apply(fn, self, args);
	} finally {
		frame = before;
		depth--;
	}
};
/** A function that runs in the context of now. */
function bound(fn) {
	if (typeof fn !== 'function' || frame === null) return fn;
	const context = frame;
	return function (...args) {
		return within(context, fn, this, args);
	};
}

// ---- where a continuation is left for later ----

const { then: nativeThen, finally: nativeFinally } = Promise.prototype;
/** In the context of now also if that is none: a promise is resolved in any other one. */
function continued(fn) {
	if (typeof fn !== 'function') return fn;
	const context = frame;
	return (value) => within(context, fn, undefined, [value]);
}
function then(onFulfilled, onRejected) {
	return Reflect.apply(nativeThen, this, [continued(onFulfilled), continued(onRejected)]);
}
const hide = (target, name, value) => Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });
hide(Promise.prototype, 'then', then);
hide(Promise.prototype, 'finally', function (fn) {
	return Reflect.apply(nativeFinally, this, [bound(fn)]);
});
/** The engine calls the `then` of what is no promise of its own in a job of its own. */
const nativeResolve = Promise.resolve;
hide(Promise, 'resolve', function (value) {
	if (frame !== null && value !== null && (typeof value === 'object' || typeof value === 'function') && !(value instanceof Promise)) {
		const { then: theirs } = value;
		if (typeof theirs === 'function') {
			const context = frame;
			return new this((resolve, reject) => {
				Reflect.apply(nativeThen, Reflect.apply(nativeResolve, Promise, []), [() => {
					try {
						within(context, theirs, value, [resolve, reject]);
					} catch (e) {
						reject(e);
					}
				}]);
			});
		}
	}
	return Reflect.apply(nativeResolve, this, [value]);
});
for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']) {
	const native = globalThis[name];
	const wrapped = { [name]: (fn, ...args) => native(bound(fn), ...args) }[name];
	Object.defineProperty(globalThis, name, { ...Object.getOwnPropertyDescriptor(globalThis, name), value: wrapped });
}
bindWith(bound);
/** The methods of a stream's source or sink run in the context in which the stream was made. */
for (const [name, count] of [['ReadableStream', 1], ['WritableStream', 1], ['TransformStream', 1]]) {
	const Native = globalThis[name];
	const held = (source) => {
		if (frame === null || source === null || typeof source !== 'object') return source;
		const context = frame;
		return new Proxy(source, {
			get(target, key) {
				const value = Reflect.get(target, key, target);
				return typeof value === 'function' ? (...args) => within(frame ?? context, value, target, args) : value;
			},
		});
	};
	hide(globalThis, name, new Proxy(Native, { construct: (target, args, newTarget) => Reflect.construct(target, args.length >= count ? [held(args[0]), ...args.slice(1)] : args, newTarget === globalThis[name] ? target : newTarget) }));
}

// ---- AsyncLocalStorage ----

const RunScope = Symbol.dispose ?? Symbol.for('nodejs.dispose');
export class AsyncLocalStorage {
	#default;
	#name;
	#on = true;
	constructor(options = {}) {
		this.#default = options?.defaultValue;
		this.#name = options?.name === undefined ? '' : `${options.name}`;
	}
	static bind(fn) {
		validateFunction(fn, 'fn');
		return AsyncResource.bind(fn);
	}
	static snapshot() {
		const context = frame;
		return (fn, ...args) => within(context, fn, undefined, args);
	}
	get name() {
		return this.#name;
	}
	disable() {
		this.#on = false;
		if (frame?.has(this)) {
			const next = new Map(frame);
			next.delete(this);
			frame = next;
		}
	}
	enterWith(store) {
		this.#on = true;
		frame = new Map(frame ?? []).set(this, store);
		// Until this run of code is over: what the sandbox calls next is of another request.
		if (depth === 0) Reflect.apply(nativeThen, Reflect.apply(nativeResolve, Promise, []), [() => void (frame = null)]);
	}
	run(store, fn, ...args) {
		if (this.#on && frame?.has(this) && Object.is(store, frame.get(this))) return Reflect.apply(fn, null, args);
		this.#on = true;
		return within(new Map(frame ?? []).set(this, store), fn, null, args);
	}
	exit(fn, ...args) {
		const next = new Map(frame ?? []);
		next.delete(this);
		return within(next, fn, null, args);
	}
	getStore() {
		if (this.#on && frame?.has(this)) return frame.get(this);
		return this.#default;
	}
	withScope(store) {
		const before = frame;
		this.enterWith(store);
		return { [RunScope]: () => void (frame = before) };
	}
}

// ---- AsyncResource, and what is known of executions ----

let ids = 1, execution = 1, trigger = 0;
const topLevel = {};
let current = topLevel;
export class AsyncResource {
	#context = frame;
	#id = ++ids;
	#trigger;
	#type;
	constructor(type, options = {}) {
		validateString(type, 'type');
		if (type.length === 0) throw new ERR_ASYNC_TYPE(type);
		const given = typeof options === 'number' ? options : options?.triggerAsyncId;
		if (given !== undefined && (!Number.isSafeInteger(given) || given < -1)) throw new ERR_INVALID_ASYNC_ID('triggerAsyncId', given);
		this.#type = type;
		this.#trigger = given ?? execution;
	}
	runInAsyncScope(fn, self, ...args) {
		const before = [execution, trigger, current];
		[execution, trigger, current] = [this.#id, this.#trigger, this];
		try {
			return within(this.#context, fn, self, args);
		} finally {
			[execution, trigger, current] = before;
		}
	}
	emitDestroy() {
		return this;
	}
	asyncId() {
		return this.#id;
	}
	triggerAsyncId() {
		return this.#trigger;
	}
	type() {
		return this.#type;
	}
	bind(fn, self = undefined) {
		validateFunction(fn, 'fn');
		const resource = this;
		const made = self === undefined
			? function (...args) {
				return resource.runInAsyncScope(fn, this, ...args);
			}
			: (...args) => resource.runInAsyncScope(fn, self, ...args);
		return Object.defineProperties(made, { length: { configurable: true, enumerable: false, value: fn.length, writable: false } });
	}
	static bind(fn, type, self) {
		return new AsyncResource(type || fn.name || 'bound-anonymous-fn').bind(fn, self);
	}
}
EventEmitterAsyncResource.AsyncResource = AsyncResource;
export const executionAsyncId = () => execution;
export const triggerAsyncId = () => trigger;
export const executionAsyncResource = () => current;
export const asyncWrapProviders = Object.freeze({ __proto__: null, NONE: 0 });
/** Its callbacks are never called: nothing tells of promises and handles being made. */
export function createHook(callbacks) {
	for (const name of ['init', 'before', 'after', 'destroy', 'promiseResolve'])
		if (callbacks?.[name] !== undefined && typeof callbacks[name] !== 'function') throw new ERR_INVALID_ARG_TYPE(`hook.${name}`, 'Function', callbacks[name]);
	return {
		enable() {
			return this;
		},
		disable() {
			return this;
		},
	};
}
export default { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId, triggerAsyncId, executionAsyncResource, asyncWrapProviders };
