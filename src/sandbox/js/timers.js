// Timers (HTML 8.6). The engine holds the clock: it names a timer by number and calls back in a turn of the request that set it.
import * as er from './natives.js';
import { Err, TypeErr, apply, arraySlice } from './primordials.js';
import { IdMap } from './id-map.js';
import { domString, need } from './webidl.js';
import { TOP, current, enterScope, hang, someScope, unhang } from './scope.js';

const timers = new IdMap(); // tid -> Timer or Delivery

class Timer {
	constructor(tid, scope, fn, args, repeat) {
		this.tid = tid;
		this.scope = scope;
		this.fn = fn;
		this.args = args;
		this.repeat = repeat;
		this.prevEnder = null;
		this.nextEnder = null;
		hang(scope, this);
		scope.timers++;
	}
	forget() {
		unhang(this.scope, this);
		this.ended();
	}
	ended() {
		timers.delete(this.tid);
		this.scope.timers--;
	}
	due() {
		if (!this.repeat) this.forget();
		enterScope(this.scope);
		if (this.args === undefined) apply(this.fn, globalThis, []);
		else apply(this.fn, globalThis, this.args);
	}
}

export function setTimer(fn, ms, repeat, args = undefined) {
	const s = current;
	if (s === TOP)
		throw new Err('Timers cannot be set at top level, only while a request is handled: move the call into the fetch handler');
	if (s.over) return 0; // nothing of a request that is over runs on
	const cap = er.limits().timers;
	if (cap > 0 && s.timers >= cap) throw new Err(`Too many timers: a request may have at most ${cap} at a time`);
	const n = +ms;
	const tid = er.timerSet(n > 0 ? (n > 2147483647 ? 1 : n - (n % 1)) : 0, repeat);
	timers.set(tid, new Timer(tid, s, fn, args, repeat));
	return tid;
}
/** What the engine handed over when it was nobody's turn, on its way to a turn of the request that asked for it. It always arrives: others may wait for it, too. */
class Delivery {
	constructor(scope, fn) {
		this.scope = scope;
		this.fn = fn;
		this.prevEnder = null;
		this.nextEnder = null;
		if (!scope.over) hang(scope, this);
		this.arm(scope.over ? 0 : scope.id);
	}
	arm(id) {
		this.tid = er.timerSet(-1, false, id);
		timers.set(this.tid, this);
	}
	/** The engine has dropped the timer with the request: the background's it is then. */
	ended() {
		timers.delete(this.tid);
		this.arm(0);
	}
	due() {
		timers.delete(this.tid);
		const s = this.scope.over ? someScope() : this.scope;
		if (!this.scope.over) unhang(this.scope, this);
		if (s !== undefined) enterScope(s);
		this.fn();
	}
}
/** Calls `fn` in a turn of its own: of that request, or if it is over, of none. */
export function deliver(scope, fn) {
	new Delivery(scope, fn);
}
export function clearTimer(tid) {
	const t = timers.get(tid);
	if (!(t instanceof Timer)) return; // a delivery is not the routine's to stop
	t.forget();
	er.timerClear(tid);
}

/** hooks.timer */
export function timer(tid) {
	const t = timers.get(tid);
	if (t !== undefined) t.due();
}

function handler(fn, what) {
	if (typeof fn === 'function') return fn;
	if (typeof fn === 'string') throw new TypeErr(`${what} does not run strings of code: give a function`);
	domString(fn);
	throw new TypeErr(`The first argument of ${what} must be a function`);
}
export function setTimeout(callback, delay = 0) {
	need(arguments.length, 1, "'setTimeout'");
	return setTimer(handler(callback, 'setTimeout'), delay, false, arguments.length > 2 ? arraySlice(arguments, 2) : undefined);
}
export function setInterval(callback, delay = 0) {
	need(arguments.length, 1, "'setInterval'");
	return setTimer(handler(callback, 'setInterval'), delay, true, arguments.length > 2 ? arraySlice(arguments, 2) : undefined);
}
export function setImmediate(callback) {
	need(arguments.length, 1, "'setImmediate'");
	return setTimer(handler(callback, 'setImmediate'), 0, false, arguments.length > 1 ? arraySlice(arguments, 1) : undefined);
}
export function clearTimeout(id = 0) {
	clearTimer(+id);
}
export function clearInterval(id = 0) {
	clearTimer(+id);
}
export function clearImmediate(id = 0) {
	clearTimer(+id);
}
