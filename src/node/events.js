// node:events.
import { AbortError, ERR_INVALID_ARG_TYPE, ERR_INVALID_THIS, ERR_UNHANDLED_ERROR, inspected } from './internal/errors.js';
import { asNamed } from './internal/named.js';
import { validateAbortSignal, validateBoolean, validateFunction, validateInteger, validateNumber, validateObject, validateString } from './internal/validators.js';

const kCapture = Symbol('kCapture');
export const errorMonitor = Symbol('events.errorMonitor');
export const captureRejectionSymbol = Symbol.for('nodejs.rejection');
const kMaxEventTargetListeners = Symbol('events.maxEventTargetListeners');
let defaultMax = 10;

export function EventEmitter(options) {
	EventEmitter.init.call(this, options);
}
EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;
EventEmitter.init = function (options) {
	if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
		this._events = { __proto__: null };
		this._eventsCount = 0;
	}
	this._maxListeners = this._maxListeners || undefined;
	if (options?.captureRejections) {
		validateBoolean(options.captureRejections, 'options.captureRejections');
		this[kCapture] = true;
	} else this[kCapture] = EventEmitter.prototype[kCapture];
};
Object.defineProperty(EventEmitter.prototype, kCapture, { value: false, writable: true, enumerable: false });

const limitOf = (emitter) => emitter._maxListeners ?? defaultMax;
function checkListener(listener) {
	validateFunction(listener, 'listener');
}

/** What happens to the promise that a listener returned. */
function watch(emitter, promise, type, args) {
	if (!emitter[kCapture]) return;
	try {
		const { then } = promise;
		if (typeof then === 'function') then.call(promise, undefined, (error) => queueMicrotask(() => rejected(emitter, error, type, args)));
	} catch (error) {
		emitter.emit('error', error);
	}
}
function rejected(emitter, error, type, args) {
	if (typeof emitter[captureRejectionSymbol] === 'function') emitter[captureRejectionSymbol](error, type, ...args);
	else {
		const before = emitter[kCapture];
		try {
			emitter[kCapture] = false;
			emitter.emit('error', error);
		} finally {
			emitter[kCapture] = before;
		}
	}
}

EventEmitter.prototype.setMaxListeners = function setMaxListeners(n) {
	validateNumber(n, 'setMaxListeners', 0);
	this._maxListeners = n;
	return this;
};
EventEmitter.prototype.getMaxListeners = function getMaxListeners() {
	return limitOf(this);
};
EventEmitter.prototype.emit = function emit(type, ...args) {
	const events = this._events;
	if (type === 'error') {
		if (events !== undefined && events[errorMonitor] !== undefined) this.emit(errorMonitor, ...args);
		if (events === undefined || events.error === undefined) {
			const [error] = args;
			if (error instanceof Error) throw error;
			const unhandled = new ERR_UNHANDLED_ERROR(inspected(error));
			unhandled.context = error;
			throw unhandled;
		}
	}
	const handler = events?.[type];
	if (handler === undefined) return false;
	if (typeof handler === 'function') {
		const result = handler.apply(this, args);
		if (result !== undefined && result !== null) watch(this, result, type, args);
		return true;
	}
	for (const listener of handler.slice()) {
		const result = listener.apply(this, args);
		if (result !== undefined && result !== null) watch(this, result, type, args);
	}
	return true;
};

function add(emitter, type, listener, first) {
	checkListener(listener);
	let events = emitter._events;
	if (events === undefined) {
		events = emitter._events = { __proto__: null };
		emitter._eventsCount = 0;
	} else if (events.newListener !== undefined) {
		// before it is there: a listener of 'newListener' must not see itself
		emitter.emit('newListener', type, listener.listener ?? listener);
		events = emitter._events;
	}
	const existing = events[type];
	if (existing === undefined) {
		events[type] = listener;
		emitter._eventsCount++;
		return emitter;
	}
	const list = typeof existing === 'function' ? (events[type] = first ? [listener, existing] : [existing, listener]) : existing;
	if (list === existing) first ? list.unshift(listener) : list.push(listener);
	const most = limitOf(emitter);
	if (most > 0 && list.length > most && !list.warned) {
		list.warned = true;
		const name = emitter.constructor?.name ?? 'EventEmitter';
		console.warn(`MaxListenersExceededWarning: Possible EventEmitter memory leak detected. ${list.length} ${String(type)} listeners added to [${name}]. MaxListeners is ${most}. Use emitter.setMaxListeners() to increase limit`);
	}
	return emitter;
}
EventEmitter.prototype.addListener = function addListener(type, listener) {
	return add(this, type, listener, false);
};
EventEmitter.prototype.on = EventEmitter.prototype.addListener;
EventEmitter.prototype.prependListener = function prependListener(type, listener) {
	return add(this, type, listener, true);
};
function onceWrapper(target, type, listener) {
	const state = { fired: false };
	const wrapped = function (...args) {
		if (state.fired) return undefined;
		target.removeListener(type, wrapped);
		state.fired = true;
		return listener.apply(target, args);
	};
	Object.defineProperty(wrapped, 'name', { value: 'bound onceWrapper' });
	wrapped.listener = listener;
	return wrapped;
}
EventEmitter.prototype.once = function once_(type, listener) {
	checkListener(listener);
	this.on(type, onceWrapper(this, type, listener));
	return this;
};
EventEmitter.prototype.prependOnceListener = function prependOnceListener(type, listener) {
	checkListener(listener);
	this.prependListener(type, onceWrapper(this, type, listener));
	return this;
};
EventEmitter.prototype.removeListener = function removeListener(type, listener) {
	checkListener(listener);
	const events = this._events;
	const list = events?.[type];
	if (list === undefined) return this;
	if (list === listener || list.listener === listener) {
		if (--this._eventsCount === 0) this._events = { __proto__: null };
		else delete events[type];
		if (events.removeListener) this.emit('removeListener', type, list.listener || listener);
	} else if (typeof list !== 'function') {
		const at = list.findLastIndex((one) => one === listener || one.listener === listener);
		if (at < 0) return this;
		list.splice(at, 1);
		if (list.length === 1) events[type] = list[0];
		if (events.removeListener !== undefined) this.emit('removeListener', type, listener);
	}
	return this;
};
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;
EventEmitter.prototype.removeAllListeners = function removeAllListeners(type) {
	const events = this._events;
	if (events === undefined) return this;
	if (events.removeListener === undefined) {
		if (arguments.length === 0) {
			this._events = { __proto__: null };
			this._eventsCount = 0;
		} else if (events[type] !== undefined) {
			if (--this._eventsCount === 0) this._events = { __proto__: null };
			else delete events[type];
		}
		return this;
	}
	if (arguments.length === 0) {
		for (const key of Reflect.ownKeys(events)) if (key !== 'removeListener') this.removeAllListeners(key);
		this.removeAllListeners('removeListener');
		this._events = { __proto__: null };
		this._eventsCount = 0;
		return this;
	}
	const listeners = events[type];
	if (typeof listeners === 'function') this.removeListener(type, listeners);
	else if (listeners !== undefined) for (let i = listeners.length - 1; i >= 0; i--) this.removeListener(type, listeners[i]);
	return this;
};
function listed(emitter, type, unwrap) {
	const list = emitter._events?.[type];
	if (list === undefined) return [];
	if (typeof list === 'function') return [unwrap ? (list.listener ?? list) : list];
	return unwrap ? list.map((one) => one.listener ?? one) : list.slice();
}
EventEmitter.prototype.listeners = function listeners(type) {
	return listed(this, type, true);
};
EventEmitter.prototype.rawListeners = function rawListeners(type) {
	return listed(this, type, false);
};
function countOf(type, listener) {
	const list = this._events?.[type];
	if (list === undefined) return 0;
	const all = typeof list === 'function' ? [list] : list;
	return listener == null ? all.length : all.filter((one) => one === listener || one.listener === listener).length;
}
EventEmitter.prototype.listenerCount = function listenerCount(type, listener) {
	return countOf.call(this, type, listener);
};
EventEmitter.prototype.eventNames = function eventNames() {
	return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : [];
};

// ---- beside the class ----

const isTarget = (value) => typeof value?.addEventListener === 'function';
function listen(emitter, name, listener, { once: one = false } = {}) {
	if (typeof emitter.on === 'function') one ? emitter.once(name, listener) : emitter.on(name, listener);
	else if (isTarget(emitter)) emitter.addEventListener(name, listener, { once: one });
	else throw new ERR_INVALID_ARG_TYPE('emitter', 'EventEmitter', emitter);
}
function unlisten(emitter, name, listener) {
	if (typeof emitter.removeListener === 'function') emitter.removeListener(name, listener);
	else if (isTarget(emitter)) emitter.removeEventListener(name, listener);
	else throw new ERR_INVALID_ARG_TYPE('emitter', 'EventEmitter', emitter);
}
export async function once(emitter, name, options = {}) {
	validateObject(options, 'options');
	const { signal } = options;
	validateAbortSignal(signal, 'options.signal');
	if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
	return new Promise((resolve, reject) => {
		const failed = (error) => {
			emitter.removeListener(name, came);
			signal?.removeEventListener('abort', aborted);
			reject(error);
		};
		const came = (...args) => {
			if (typeof emitter.removeListener === 'function') emitter.removeListener('error', failed);
			signal?.removeEventListener('abort', aborted);
			resolve(args);
		};
		const aborted = () => {
			unlisten(emitter, name, came);
			if (name !== 'error' && typeof emitter.removeListener === 'function') emitter.removeListener('error', failed);
			reject(new AbortError(undefined, { cause: signal.reason }));
		};
		listen(emitter, name, came, { once: true });
		if (name !== 'error' && typeof emitter.once === 'function') emitter.once('error', failed);
		signal?.addEventListener('abort', aborted, { once: true });
	});
}
// Where async functions are written as generators (node:async_hooks), there is none to be asked.
const generated = Object.getPrototypeOf(async function* () {}).prototype;
const asyncIterators = generated === undefined ? Object.prototype : Object.getPrototypeOf(generated);
export function on(emitter, event, options = {}) {
	validateObject(options, 'options');
	const { signal } = options;
	validateAbortSignal(signal, 'options.signal');
	if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
	const high = options.highWaterMark ?? options.highWatermark ?? Number.MAX_SAFE_INTEGER, low = options.lowWaterMark ?? options.lowWatermark ?? 1;
	validateInteger(high, 'options.highWaterMark', 1);
	validateInteger(low, 'options.lowWaterMark', 1);
	const events = [], waiting = [];
	let error = null, finished = false, paused = false;
	const came = (...args) => {
		if (waiting.length > 0) return waiting.shift().resolve({ value: args, done: false });
		events.push(args);
		if (!paused && events.length > high && typeof emitter.pause === 'function') {
			paused = true;
			emitter.pause();
		}
		return undefined;
	};
	const failed = (e) => {
		if (waiting.length === 0) error = e;
		else waiting.shift().reject(e);
		close();
	};
	const aborted = () => failed(new AbortError(undefined, { cause: signal.reason }));
	const close = () => {
		unlisten(emitter, event, came);
		if (event !== 'error' && typeof emitter.removeListener === 'function') emitter.removeListener('error', failed);
		for (const name of options.close ?? []) unlisten(emitter, name, close);
		signal?.removeEventListener('abort', aborted);
		finished = true;
		for (const one of waiting.splice(0)) one.resolve({ value: undefined, done: true });
		return Promise.resolve({ value: undefined, done: true });
	};
	listen(emitter, event, came);
	if (event !== 'error' && typeof emitter.on === 'function') emitter.on('error', failed);
	for (const name of options.close ?? []) listen(emitter, name, close);
	signal?.addEventListener('abort', aborted, { once: true });
	return {
		__proto__: asyncIterators,
		next() {
			if (events.length > 0) {
				const value = events.shift();
				if (paused && events.length < low) {
					paused = false;
					emitter.resume();
				}
				return Promise.resolve({ value, done: false });
			}
			if (error) {
				const e = error;
				error = null;
				return Promise.reject(e);
			}
			if (finished) return close();
			return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
		},
		return: close,
		throw(e) {
			if (!e || !(e instanceof Error)) throw new ERR_INVALID_ARG_TYPE('EventEmitter.AsyncIterator', 'Error', e);
			failed(e);
		},
		[Symbol.asyncIterator]() {
			return this;
		},
	};
}
export function listenerCount(emitter, type) {
	return typeof emitter.listenerCount === 'function' ? emitter.listenerCount(type) : countOf.call(emitter, type);
}
export function getEventListeners(emitter, type) {
	if (typeof emitter?.listeners === 'function') return emitter.listeners(type);
	if (emitter instanceof EventTarget) return []; // an EventTarget does not say who listens
	throw new ERR_INVALID_ARG_TYPE('emitter', ['EventEmitter', 'EventTarget'], emitter);
}
export function getMaxListeners(emitter) {
	if (typeof emitter?.getMaxListeners === 'function') return limitOf(emitter);
	if (emitter instanceof EventTarget) return emitter[kMaxEventTargetListeners] ?? defaultMax;
	throw new ERR_INVALID_ARG_TYPE('emitter', ['EventEmitter', 'EventTarget'], emitter);
}
export function setMaxListeners(n = defaultMax, ...targets) {
	validateNumber(n, 'setMaxListeners', 0);
	if (targets.length === 0) defaultMax = n;
	for (const target of targets) {
		if (target instanceof EventTarget) Object.defineProperty(target, kMaxEventTargetListeners, { value: n, writable: true, configurable: true });
		else if (typeof target?.setMaxListeners === 'function') target.setMaxListeners(n);
		else throw new ERR_INVALID_ARG_TYPE('eventTargets', ['EventEmitter', 'EventTarget'], target);
	}
}
export function addAbortListener(signal, listener) {
	if (signal === undefined) throw new ERR_INVALID_ARG_TYPE('signal', 'AbortSignal', signal);
	validateAbortSignal(signal, 'signal');
	validateFunction(listener, 'listener');
	let remove = () => {};
	if (signal.aborted) queueMicrotask(() => listener());
	else {
		signal.addEventListener('abort', listener, { once: true });
		remove = () => signal.removeEventListener('abort', listener);
	}
	return { __proto__: null, [Symbol.dispose ?? Symbol.for('nodejs.dispose')]: remove };
}
export const usingDomains = false;
/** An emitter whose listeners run as an asynchronous resource: node:async_hooks makes it. */
export class EventEmitterAsyncResource extends EventEmitter {
	#resource;
	constructor(options = undefined) {
		if (typeof options === 'string') options = { name: options };
		super(options);
		const name = options?.name ?? new.target.name;
		validateString(name, 'options.name');
		const Resource = EventEmitterAsyncResource.AsyncResource;
		this.#resource = Resource ? new Resource(name, options) : undefined;
	}
	#own() {
		if (!(#resource in this)) throw new ERR_INVALID_THIS('EventEmitterAsyncResource');
		return this.#resource;
	}
	emit(event, ...args) {
		const resource = this.#own();
		return resource ? resource.runInAsyncScope(super.emit, this, event, ...args) : super.emit(event, ...args);
	}
	emitDestroy() {
		this.#own()?.emitDestroy();
	}
	get asyncId() {
		return this.#own()?.asyncId() ?? 0;
	}
	get triggerAsyncId() {
		return this.#own()?.triggerAsyncId() ?? 0;
	}
	get asyncResource() {
		return this.#own();
	}
}
export const defaultMaxListeners = 10;
export const captureRejections = false;
asNamed('EventEmitter', EventEmitter);
Object.defineProperties(EventEmitter, {
	captureRejections: {
		enumerable: true,
		get: () => EventEmitter.prototype[kCapture],
		set(value) {
			validateBoolean(value, 'EventEmitter.captureRejections');
			EventEmitter.prototype[kCapture] = value;
		},
	},
	defaultMaxListeners: {
		enumerable: true,
		get: () => defaultMax,
		set(n) {
			validateNumber(n, 'defaultMaxListeners', 0);
			defaultMax = n;
		},
	},
	kMaxEventTargetDefaultListeners: { value: kMaxEventTargetListeners },
});
Object.assign(EventEmitter, { once, on, getEventListeners, getMaxListeners, EventEmitter, usingDomains, captureRejectionSymbol, errorMonitor, addAbortListener, setMaxListeners, listenerCount, EventEmitterAsyncResource, init: EventEmitter.init });
export default EventEmitter;
