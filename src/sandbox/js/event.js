// Event, EventTarget and the small events of the global (WHATWG DOM 2). There is no tree: a path
// has one target.
import { bareList, TypeErr, apply, defineProperty, getOwnPropertyDescriptor, hasInstance, newMap, splice } from './primordials.js';
import { INTERNAL, brand, constants, dictionary, domString, finish, isObject, need } from './webidl.js';
import { DOMException } from './dom-exception.js';
import * as er from './natives.js';

const CANCELABLE = 1, BUBBLES = 2, COMPOSED = 4, PREVENTED = 8, STOP = 16, STOP_NOW = 32, DISPATCHING = 64, PASSIVE = 128, TRUSTED = 256, READY = 512;

export let dispatch; // (target, this value, event) -> false if prevented
export let isEvent;
export let trust;

export class Event {
	#type;
	#flags;
	#target = null;
	#phase = 0;
	#time = 0;
	constructor(type, init = undefined) {
		if (type === INTERNAL) {
			this.#type = init;
			this.#flags = TRUSTED | READY;
			return;
		}
		need(arguments.length, 1, "'constructor' on 'Event'");
		this.#type = domString(type);
		this.#flags = READY;
		this.#time = er.perf();
		defineProperty(this, 'isTrusted', TRUSTED_ATTRIBUTE);
		if (init !== undefined) {
			init = dictionary(init, 'The options of an event');
			if (init.bubbles) this.#flags |= BUBBLES;
			if (init.cancelable) this.#flags |= CANCELABLE;
			if (init.composed) this.#flags |= COMPOSED;
		}
	}
	get type() {
		return this.#type;
	}
	get target() {
		return this.#target;
	}
	get srcElement() {
		return this.#target;
	}
	get currentTarget() {
		return this.#phase === 0 ? null : this.#target;
	}
	composedPath() {
		return this.#phase === 0 ? [] : [this.#target];
	}
	get eventPhase() {
		return this.#phase;
	}
	stopPropagation() {
		this.#flags |= STOP;
	}
	get cancelBubble() {
		return (this.#flags & STOP) !== 0;
	}
	set cancelBubble(v) {
		if (v) this.#flags |= STOP;
	}
	stopImmediatePropagation() {
		this.#flags |= STOP | STOP_NOW;
	}
	get bubbles() {
		return (this.#flags & BUBBLES) !== 0;
	}
	get cancelable() {
		return (this.#flags & CANCELABLE) !== 0;
	}
	get returnValue() {
		return (this.#flags & PREVENTED) === 0;
	}
	set returnValue(v) {
		if (!v) this.preventDefault();
	}
	preventDefault() {
		if (this.#flags & CANCELABLE && !(this.#flags & PASSIVE)) this.#flags |= PREVENTED;
	}
	get defaultPrevented() {
		return (this.#flags & PREVENTED) !== 0;
	}
	get composed() {
		return (this.#flags & COMPOSED) !== 0;
	}
	get isTrusted() {
		return (this.#flags & TRUSTED) !== 0;
	}
	get timeStamp() {
		return this.#time;
	}
	initEvent(type, bubbles = false, cancelable = false) {
		need(arguments.length, 1, "'initEvent' on 'Event'");
		if (this.#flags & DISPATCHING) return;
		this.#type = domString(type);
		this.#flags = READY | (bubbles ? BUBBLES : 0) | (cancelable ? CANCELABLE : 0);
	}
	static {
		isEvent = (e) => isObject(e) && #type in e;
		trust = (e) => {
			e.#flags |= TRUSTED;
			return e;
		};
		dispatch = (listeners, self, event) => {
			event.#flags |= DISPATCHING;
			event.#target = self;
			event.#phase = 2;
			const list = listeners === undefined ? undefined : listeners.get(event.#type);
			if (list !== undefined) {
				const snapshot = copy(list);
				for (let i = 0; i < snapshot.length && !(event.#flags & STOP_NOW); i++) {
					const l = snapshot[i];
					if (l.removed) continue;
					if (l.once) removeListener(listeners, event.#type, l);
					if (l.passive) event.#flags |= PASSIVE;
					try {
						invoke(l.callback, self, event, l.handler);
					} catch (e) {
						report(e);
					}
					event.#flags &= ~PASSIVE;
				}
			}
			event.#flags &= ~(DISPATCHING | STOP | STOP_NOW);
			event.#phase = 0;
			return (event.#flags & PREVENTED) === 0;
		};
	}
	static ready(e) {
		return (e.#flags & (READY | DISPATCHING)) === READY;
	}
}
const ready = Event.ready;
delete Event.ready;
finish(Event, 'Event', 1);
// Unforgeable: each event has its own, but for the fetch event, which nobody asks for it.
const TRUSTED_ATTRIBUTE = { get: getOwnPropertyDescriptor(Event.prototype, 'isTrusted').get, set: undefined, enumerable: true, configurable: false };
constants(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });

let report = () => {};
export function reportThrough(fn) {
	report = fn;
}
function copy(list) {
	const out = bareList();
	for (let i = 0; i < list.length; i++) out[i] = list[i];
	return out;
}
function invoke(fn, self, event, handler) {
	if (typeof fn === 'function') {
		const r = apply(fn, self, [event]);
		if (handler && r === false) event.preventDefault();
		return;
	}
	const { handleEvent } = fn;
	if (typeof handleEvent !== 'function') throw new TypeErr('handleEvent of an event listener is not a function');
	apply(handleEvent, fn, [event]);
}
function removeListener(listeners, type, l) {
	const list = listeners.get(type);
	for (let i = 0; i < list.length; i++)
		if (list[i] === l) {
			splice(list, i, 1);
			break;
		}
	l.removed = true;
}

export function addListener(listeners, target, type, fn, options) {
	type = domString(type);
	const o = isObject(options) ? options : { capture: !!options };
	const capture = !!o.capture, once = !!o.once, passive = !!o.passive;
	const signal = o.signal;
	if (signal !== undefined && !isSignal(signal)) throw new TypeErr("The option 'signal' of addEventListener must be an AbortSignal");
	if (fn === null || fn === undefined) return;
	if (!isObject(fn)) throw new TypeErr('An event listener must be a function or an object with handleEvent');
	if (signal !== undefined && signal.aborted) return;
	let list = listeners.get(type);
	if (list === undefined) listeners.set(type, (list = bareList()));
	for (let i = 0; i < list.length; i++) if (list[i].callback === fn && list[i].capture === capture) return;
	const l = { callback: fn, capture, once, passive, removed: false, handler: false };
	list[list.length] = l;
	if (isSignal(target)) hears(target);
	if (signal !== undefined) onAbort(signal, () => l.removed || removeListener(listeners, type, l));
}
export function dropListener(listeners, target, type, fn, options) {
	const capture = isObject(options) ? !!options.capture : !!options;
	const list = listeners.get(domString(type));
	if (list === undefined) return;
	for (let i = 0; i < list.length; i++)
		if (list[i].callback === fn && list[i].capture === capture) {
			list[i].removed = true;
			splice(list, i, 1);
			if (isSignal(target)) hears(target);
			return;
		}
}
let isSignal = () => false;
let onAbort = () => {};
let hears = () => {};
export function signalsAre(is_, on, hears_) {
	isSignal = is_;
	onAbort = on;
	hears = hears_;
}

/** An `onfoo` attribute: one listener whose place in the order is that of its first setting. */
export function attribute(listeners, type) {
	let l = null;
	return {
		get: () => (l === null ? null : l.callback),
		set: (fn) => {
			if (!isObject(fn)) {
				if (l !== null) removeListener(listeners, type, l);
				l = null;
			} else if (l !== null) l.callback = fn;
			else {
				l = { callback: fn, capture: false, once: false, passive: false, removed: false, handler: true };
				let list = listeners.get(type);
				if (list === undefined) listeners.set(type, (list = bareList()));
				list[list.length] = l;
			}
		},
	};
}

export let listenersOf;
export let isHeard; // (target, type) -> it has a listener
export let dispatchOn; // (target, event)
export class EventTarget {
	#listeners;
	constructor() {
		this.#listeners = undefined;
	}
	addEventListener(type, callback, options = undefined) {
		need(arguments.length, 2, "'addEventListener' on 'EventTarget'");
		if (this === globalThis) return globalTarget.listen(type, callback, options);
		addListener(listenersOf(this, 'addEventListener'), this, type, callback, options);
	}
	removeEventListener(type, callback, options = undefined) {
		need(arguments.length, 2, "'removeEventListener' on 'EventTarget'");
		if (this === globalThis) return globalTarget.forget(type, callback, options);
		dropListener(listenersOf(this, 'removeEventListener'), this, type, callback, options);
	}
	dispatchEvent(event) {
		need(arguments.length, 1, "'dispatchEvent' on 'EventTarget'");
		if (this === globalThis) return globalTarget.send(event);
		return dispatchFrom(listenersOf(this, 'dispatchEvent'), this, event);
	}
	static {
		listenersOf = (t, member) => {
			if (!isObject(t) || !(#listeners in t)) throw brand('EventTarget', member);
			if (t.#listeners === undefined) t.#listeners = newMap();
			return t.#listeners;
		};
		isHeard = (t, type) => {
			const list = t.#listeners === undefined ? undefined : t.#listeners.get(type);
			return list !== undefined && list.length > 0;
		};
		dispatchOn = (t, event) => dispatch(t.#listeners, t, event);
	}
}
finish(EventTarget, 'EventTarget', 0);
const HAS_INSTANCE = Symbol.hasInstance;
let globalTarget; // { listen, forget, send }
/** The global is an EventTarget. The engine's global object can have no other prototype than it
 * has: so the class says it, and knows the global's methods. */
export function globalIs(target) {
	globalTarget = target;
	const is = {
		[HAS_INSTANCE](v) {
			return (v === globalThis && this === EventTarget) || hasInstance(this, v);
		},
	}[HAS_INSTANCE];
	defineProperty(EventTarget, HAS_INSTANCE, { value: is, configurable: true });
}

export function dispatchFrom(listeners, self, event) {
	if (!isEvent(event)) throw new TypeErr("The argument of 'dispatchEvent' must be an Event");
	if (!ready(event)) throw new DOMException('The event is already being dispatched', 'InvalidStateError');
	return dispatch(listeners, self, event);
}

export class CustomEvent extends Event {
	#detail = null;
	constructor(type, init = undefined) {
		super(type, init);
		if (init !== undefined && init !== null && init.detail !== undefined) this.#detail = init.detail;
	}
	get detail() {
		return this.#detail;
	}
	initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
		this.initEvent(type, bubbles, cancelable);
		this.#detail = detail;
	}
}
finish(CustomEvent, 'CustomEvent', 1);

export class ErrorEvent extends Event {
	#init;
	constructor(type, init = undefined) {
		super(type, init);
		init = dictionary(init, 'The options of ErrorEvent');
		this.#init = {
			message: init.message === undefined ? '' : domString(init.message),
			filename: init.filename === undefined ? '' : domString(init.filename),
			lineno: init.lineno >>> 0,
			colno: init.colno >>> 0,
			error: init.error,
		};
	}
	get message() {
		return this.#init.message;
	}
	get filename() {
		return this.#init.filename;
	}
	get lineno() {
		return this.#init.lineno;
	}
	get colno() {
		return this.#init.colno;
	}
	get error() {
		return this.#init.error;
	}
}
finish(ErrorEvent, 'ErrorEvent', 1);

export class PromiseRejectionEvent extends Event {
	#promise;
	#reason;
	constructor(type, init) {
		need(arguments.length, 2, "'constructor' on 'PromiseRejectionEvent'");
		super(type, init);
		if (!isObject(init) || !isObject(init.promise)) throw new TypeErr("PromiseRejectionEvent needs the option 'promise'");
		this.#promise = init.promise;
		this.#reason = init.reason;
	}
	get promise() {
		return this.#promise;
	}
	get reason() {
		return this.#reason;
	}
}
finish(PromiseRejectionEvent, 'PromiseRejectionEvent', 2);
