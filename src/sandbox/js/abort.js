// AbortController and AbortSignal (WHATWG DOM 3). Algorithms are plain functions; an aborted signal
// runs them once, before its event.
import { TypeErr, listOf, newSet, splice } from './primordials.js';
import { INTERNAL, brand, finish, illegal, isObject, need } from './webidl.js';
import { Event, EventTarget, attribute, dispatchOn, listenersOf, signalsAre, trust } from './event.js';
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
		s.#sources = [];
		const seen = newSet();
		const follow = (src) => {
			if (seen.has(src)) return;
			seen.add(src);
			if (src.#sources !== null) {
				for (let i = 0; i < src.#sources.length; i++) follow(src.#sources[i]);
				return;
			}
			s.#sources[s.#sources.length] = src;
			if (src.#dependents === null) src.#dependents = [];
			src.#dependents[src.#dependents.length] = s;
		};
		for (let i = 0; i < list.length; i++) follow(list[i]);
		return s;
	}
	#dependents = null;

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
		onAbort = (s, fn) => {
			if (s.#algorithms === null) s.#algorithms = [];
			const list = s.#algorithms;
			list[list.length] = fn;
			return () => {
				if (s.#algorithms === null) return;
				for (let i = 0; i < list.length; i++)
					if (list[i] === fn) {
						splice(list, i, 1);
						return;
					}
			};
		};
		signalAbort = (s, reason) => {
			if (s.#aborted) return;
			s.#aborted = true;
			s.#reason = reason === undefined ? abortError() : reason;
			const hit = [s];
			if (s.#dependents !== null)
				for (let i = 0; i < s.#dependents.length; i++) {
					const d = s.#dependents[i];
					if (d.#aborted) continue;
					d.#aborted = true;
					d.#reason = s.#reason;
					hit[hit.length] = d;
				}
			s.#dependents = null;
			for (let i = 0; i < hit.length; i++) hit[i].#run();
		};
	}
}
signalsAre(isSignal, onAbort);
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
