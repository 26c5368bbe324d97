// node:timers: the sandbox's timers, in Node's objects. They belong to the request that sets them;
// nothing waits for them, so ref() and unref() only remember what was said.
import { asNamed } from './internal/named.js';
import { validateFunction } from './internal/validators.js';
import promises from './timers_promises.js';

const kCustom = Symbol.for('nodejs.util.promisify.custom');
// looked up when it is called: node:async_hooks puts its own there
const start = (...args) => globalThis.setTimeout(...args), repeat = (...args) => globalThis.setInterval(...args), soon = (...args) => globalThis.setImmediate(...args);
const { clearTimeout: stop, clearImmediate: stopSoon } = globalThis;
const delayOf = (ms) => ((ms *= 1) >= 1 && ms <= 2147483647 ? Math.trunc(ms) : 1);

export class Timeout {
	#id;
	#ref = true;
	constructor(callback, ms, args, repeats) {
		this._idleTimeout = delayOf(ms);
		this._onTimeout = callback;
		this._timerArgs = args.length > 0 ? args : undefined;
		this._repeat = repeats ? this._idleTimeout : null;
		this._destroyed = false;
		this.#start();
	}
	#start() {
		const run = () => {
			if (this._repeat === null) {
				this._destroyed = true;
				byNumber.delete(this.#id);
			}
			this._onTimeout(...(this._timerArgs ?? []));
		};
		this.#id = this._repeat === null ? start(run, this._idleTimeout) : repeat(run, this._idleTimeout);
		if (typeof this.#id === 'number') byNumber.set(this.#id, new WeakRef(this));
	}
	ref() {
		this.#ref = true;
		return this;
	}
	unref() {
		this.#ref = false;
		return this;
	}
	hasRef() {
		return this.#ref;
	}
	refresh() {
		stop(this.#id);
		byNumber.delete(this.#id);
		this._destroyed = false;
		this.#start();
		return this;
	}
	close() {
		this._destroyed = true;
		stop(this.#id);
		byNumber.delete(this.#id);
		return this;
	}
	[Symbol.toPrimitive]() {
		return this.#id;
	}
	[Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
		this.close();
	}
}
/** Timers that code may clear by their number. */
const byNumber = new Map();
export class Immediate {
	#id;
	#ref = true;
	constructor(callback, args) {
		this._onImmediate = callback;
		this._argv = args.length > 0 ? args : undefined;
		this._destroyed = false;
		this.#id = soon(() => {
			this._destroyed = true;
			callback(...args);
		});
	}
	ref() {
		this.#ref = true;
		return this;
	}
	unref() {
		this.#ref = false;
		return this;
	}
	hasRef() {
		return this.#ref;
	}
	close() {
		this._destroyed = true;
		stopSoon(this.#id);
	}
	[Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
		this.close();
	}
}
export function setTimeout(callback, ms, ...args) {
	validateFunction(callback, 'callback');
	return new Timeout(callback, ms, args, false);
}
export function setInterval(callback, ms, ...args) {
	validateFunction(callback, 'callback');
	return new Timeout(callback, ms, args, true);
}
export function setImmediate(callback, ...args) {
	validateFunction(callback, 'callback');
	return new Immediate(callback, args);
}
export function clearTimeout(timer) {
	if (timer instanceof Timeout) timer.close();
	else if (typeof timer === 'number' || typeof timer === 'string') {
		byNumber.get(+timer)?.deref()?.close();
		stop(+timer);
	}
}
export const clearInterval = clearTimeout;
export function clearImmediate(timer) {
	if (timer instanceof Immediate) timer.close();
	else if (typeof timer === 'number') stopSoon(timer);
}
asNamed('Timeout', Timeout);
asNamed('Immediate', Immediate);
const promised = (set) => (ms, value) => new Promise((resolve) => set((v) => resolve(v), ms, value));
Object.defineProperty(setTimeout, kCustom, { enumerable: true, get: () => promised(setTimeout) });
Object.defineProperty(setImmediate, kCustom, { enumerable: true, get: () => (value) => new Promise((resolve) => setImmediate(resolve, value)) });
export const active = () => {}, unenroll = (timer) => clearTimeout(timer), enroll = () => {};
export { promises };
export default { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, promises, active, unenroll, enroll, _unrefActive: active };
