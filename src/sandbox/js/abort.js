// AbortController and AbortSignal (WHATWG DOM 3). Algorithms are plain functions; an aborted signal
// runs them once, before its event.
import { TypeErr, WeakRefCtor, apart, bareList, deref, listOf, newSet, splice } from './primordials.js';
import { INTERNAL, brand, finish, illegal, isObject, need } from './webidl.js';
import { Event, EventTarget, attribute, dispatchOn, isHeard, listenersOf, signalsAre, trust } from './event.js';
import { DOMException, abortError } from './dom-exception.js';
import { setTimer } from './timers.js';

const MAX_SAFE = Number.MAX_SAFE_INTEGER;

export let isSignal;
export let newSignal;
export let anyOf; // (signals) -> a new signal that aborts when one of them does
export let signalAbort; // (signal, reason)
export let onAbort; // (signal, algorithm) -> a function that takes it back
export let reasonOf;
export let isAborted;
let hears;

/** How a signal knows one that follows it: weakly, as long as nobody would notice that the other is
 * gone. A signal may live as long as the instance, and those that follow it are of requests. */
class Follower {
	constructor(signal) {
		this.weak = new WeakRefCtor(signal);
		this.held = null; // the signal, while somebody hears of its abort
	}
	signal() {
		return this.held ?? deref(this.weak);
	}
}
apart(Follower);

export class AbortSignal extends EventTarget {
	#aborted = false;
	#reason;
	#algorithms = null;
	#handler = null;
	#sources = null;

	constructor(token = undefined) {
		if (token !== INTERNAL) throw illegal('AbortSignal');
		super();
	}
	static abort(reason = undefined) {
		const s = new AbortSignal(INTERNAL);
		s.#aborted = true;
		s.#reason = reason === undefined ? abortError() : reason;
		return s;
	}
	static timeout(milliseconds) {
		need(arguments.length, 1, "'timeout' on 'AbortSignal'");
		const ms = +milliseconds;
		if (!(ms >= 0 && ms <= MAX_SAFE)) throw new TypeErr('The milliseconds of AbortSignal.timeout must be a number from 0');
		const s = new AbortSignal(INTERNAL);
		setTimer(() => signalAbort(s, new DOMException('The operation timed out.', 'TimeoutError')), ms, false);
		return s;
	}
	static any(signals) {
		need(arguments.length, 1, "'any' on 'AbortSignal'");
		const list = listOf(signals);
		for (let i = 0; i < list.length; i++) if (!isSignal(list[i])) throw new TypeErr('AbortSignal.any takes AbortSignals only');
		return anyOf(list);
	}
	static #any(list) {
		const s = new AbortSignal(INTERNAL);
		for (let i = 0; i < list.length; i++)
			if (list[i].#aborted) {
				s.#aborted = true;
				s.#reason = list[i].#reason;
				return s;
			}
		s.#sources = bareList();
		s.#follower = new Follower(s);
		const seen = newSet();
		const follow = (src) => {
			if (seen.has(src)) return;
			seen.add(src);
			if (src.#sources !== null) {
				for (let i = 0; i < src.#sources.length; i++) follow(src.#sources[i]);
				return;
			}
			s.#sources[s.#sources.length] = src;
			AbortSignal.#follow(src, s.#follower);
		};
		for (let i = 0; i < list.length; i++) follow(list[i]);
		return s;
	}
	#followers = null;
	#tidyAt = 16; // so many followers, and those that are gone are let go of
	#follower = null; // of a signal with sources: how they know it
	static #follow(src, follower) {
		if (src.#followers === null) src.#followers = bareList();
		const list = src.#followers;
		list[list.length] = follower;
		if (list.length < src.#tidyAt) return;
		let n = 0;
		for (let i = 0; i < list.length; i++) if (list[i].signal() !== undefined) list[n++] = list[i];
		list.length = n;
		src.#tidyAt = n < 8 ? 16 : 2 * n;
	}
	/** Somebody hears of its abort, or nobody does any more. */
	static #heard(s) {
		if (s.#follower !== null) s.#follower.held = isHeard(s, 'abort') || (s.#algorithms !== null && s.#algorithms.length > 0) ? s : null;
	}

	get aborted() {
		return this.#aborted;
	}
	get reason() {
		return this.#reason;
	}
	throwIfAborted() {
		if (this.#aborted) throw this.#reason;
	}
	get onabort() {
		return this.#handler === null ? null : this.#handler.get();
	}
	set onabort(fn) {
		if (this.#handler === null) this.#handler = attribute(listenersOf(this), 'abort');
		this.#handler.set(fn);
		AbortSignal.#heard(this);
	}

	#run() {
		const list = this.#algorithms;
		this.#algorithms = null;
		if (list !== null) for (let i = 0; i < list.length; i++) list[i](this.#reason);
		dispatchOn(this, trust(new Event('abort')));
	}
	static {
		isSignal = (s) => isObject(s) && #aborted in s;
		newSignal = () => new AbortSignal(INTERNAL);
		anyOf = (list) => AbortSignal.#any(list);
		reasonOf = (s) => s.#reason;
		isAborted = (s) => s.#aborted;
		hears = (s) => AbortSignal.#heard(s);
		onAbort = (s, fn) => {
			if (s.#algorithms === null) s.#algorithms = bareList();
			const list = s.#algorithms;
			list[list.length] = fn;
			AbortSignal.#heard(s);
			return () => {
				if (s.#algorithms === null) return;
				for (let i = 0; i < list.length; i++)
					if (list[i] === fn) {
						splice(list, i, 1);
						AbortSignal.#heard(s);
						return;
					}
			};
		};
		signalAbort = (s, reason) => {
			if (s.#aborted) return;
			s.#aborted = true;
			s.#reason = reason === undefined ? abortError() : reason;
			const hit = bareList(), followers = s.#followers;
			hit[0] = s;
			s.#followers = null;
			for (let i = 0; followers !== null && i < followers.length; i++) {
				const d = followers[i].signal();
				if (d === undefined || d.#aborted) continue;
				d.#aborted = true;
				d.#reason = s.#reason;
				hit[hit.length] = d;
			}
			for (let i = 0; i < hit.length; i++) hit[i].#run();
		};
	}
}
signalsAre(isSignal, onAbort, hears);
finish(AbortSignal, 'AbortSignal', 0);

export class AbortController {
	#signal = newSignal();
	get signal() {
		return this.#signal;
	}
	abort(reason = undefined) {
		if (!(#signal in this)) throw brand('AbortController', 'abort');
		signalAbort(this.#signal, reason);
	}
}
finish(AbortController, 'AbortController');
