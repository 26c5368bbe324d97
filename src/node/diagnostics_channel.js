// node:diagnostics_channel.
import { ERR_INVALID_ARG_TYPE } from './internal/errors.js';
import { validateFunction } from './internal/validators.js';

const channels = new Map();
export class Channel {
	#subscribers = [];
	#stores = new Map();
	constructor(name) {
		this.name = name;
	}
	get hasSubscribers() {
		return this.#subscribers.length > 0 || this.#stores.size > 0;
	}
	subscribe(fn) {
		validateFunction(fn, 'subscription');
		this.#subscribers = [...this.#subscribers, fn];
	}
	unsubscribe(fn) {
		const at = this.#subscribers.indexOf(fn);
		if (at < 0) return false;
		this.#subscribers = this.#subscribers.toSpliced(at, 1);
		return true;
	}
	bindStore(store, transform) {
		this.#stores.set(store, transform);
	}
	unbindStore(store) {
		return this.#stores.delete(store);
	}
	publish(message) {
		for (const fn of this.#subscribers) {
			try {
				fn(message, this.name);
			} catch (e) {
				queueMicrotask(() => {
					throw e;
				});
			}
		}
	}
	runStores(message, fn, self, ...args) {
		let run = () => {
			this.publish(message);
			return Reflect.apply(fn, self, args);
		};
		for (const [store, transform] of this.#stores) {
			const inner = run;
			run = () => store.run(transform ? transform(message) : message, inner);
		}
		return run();
	}
}
export function channel(name) {
	if (typeof name !== 'string' && typeof name !== 'symbol') throw new ERR_INVALID_ARG_TYPE('channel', ['string', 'symbol'], name);
	if (!channels.has(name)) channels.set(name, new Channel(name));
	return channels.get(name);
}
export const subscribe = (name, fn) => channel(name).subscribe(fn), unsubscribe = (name, fn) => channel(name).unsubscribe(fn), hasSubscribers = (name) => channels.get(name)?.hasSubscribers ?? false;
const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
export class TracingChannel {
	constructor(given) {
		for (const event of EVENTS) this[event] = typeof given === 'string' ? channel(`tracing:${given}:${event}`) : given[event];
	}
	get hasSubscribers() {
		return EVENTS.some((event) => this[event]?.hasSubscribers);
	}
	subscribe(handlers) {
		for (const event of EVENTS) if (handlers[event]) this[event]?.subscribe(handlers[event]);
	}
	unsubscribe(handlers) {
		let all = true;
		for (const event of EVENTS) if (handlers[event] && !this[event]?.unsubscribe(handlers[event])) all = false;
		return all;
	}
	/** What `work` gives, between the events start and end. */
	#started(context, work) {
		return this.start.runStores(context, () => {
			try {
				return work();
			} catch (e) {
				context.error = e;
				this.error.publish(context);
				throw e;
			} finally {
				this.end.publish(context);
			}
		});
	}
	traceSync(fn, context = {}, self = undefined, ...args) {
		return this.#started(context, () => (context.result = Reflect.apply(fn, self, args)));
	}
	tracePromise(fn, context = {}, self = undefined, ...args) {
		const settle = (key) => (value) => {
			context[key] = value;
			if (key === 'error') this.error.publish(context);
			this.asyncStart.publish(context);
			this.asyncEnd.publish(context);
			if (key === 'error') throw value;
			return value;
		};
		return this.#started(context, () => Promise.resolve(Reflect.apply(fn, self, args)).then(settle('result'), settle('error')));
	}
	traceCallback(fn, position = -1, context = {}, self = undefined, ...args) {
		const at = position < 0 ? args.length + position : position, callback = args[at];
		validateFunction(callback, 'callback');
		args[at] = (...results) => {
			if (results[0]) {
				context.error = results[0];
				this.error.publish(context);
			} else context.result = results[1];
			return this.asyncStart.runStores(context, () => {
				try {
					return Reflect.apply(callback, undefined, results);
				} finally {
					this.asyncEnd.publish(context);
				}
			});
		};
		return this.#started(context, () => Reflect.apply(fn, self, args));
	}
}
export const tracingChannel = (given) => new TracingChannel(given);
export default { channel, subscribe, unsubscribe, hasSubscribers, tracingChannel, Channel };
