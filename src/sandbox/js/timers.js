// Timers (HTML 8.6). The engine holds the clock: it names a timer by number and calls back in a
// turn of the request that set it.
import * as er from './natives.js';
import { TIMER_NEXT_TURN } from './contract.js';
import { apart, Err, TypeErr, apply, arraySlice, newMap } from './primordials.js';
import { IdMap } from './id-map.js';
import { domString, need } from './webidl.js';
import { TOP, current, enterScope, hang, unhang } from './scope.js';

const timers = new IdMap(); // tid -> Timer or Background

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
apart(Timer);

export function setTimer(fn, ms, repeat, args = undefined) {
	const s = current;
	if (s === TOP)
		throw new Err('Timers cannot be set at top level, only while a request is handled: move the call into the fetch handler');
	if (s.over) return 0; // nothing of a request that is over runs on
	const cap = er.limits().timers;
	if (cap > 0 && s.timers >= cap) throw new Err(`Too many timers: a request may have at most ${cap} at a time`);
	const n = +ms;
	const tid = er.timerSet(n > 0 ? (n > 2147483647 ? 1 : n - (n % 1)) : 0, repeat, s.id);
	timers.set(tid, new Timer(tid, s, fn, args, repeat));
	return tid;
}

/** A timer of the prelude's own, for a request whose turn it need not be. */
export function timerOf(scope, fn, ms) {
	if (scope.over) return 0;
	const tid = er.timerSet(ms, false, scope.id);
	timers.set(tid, new Timer(tid, scope, fn, undefined, false));
	return tid;
}

/** What is to be done for no request, in order: in turns of the background, one after another, as
 * far as its share of the time goes. */
class Background {
	constructor() {
		this.first = null;
		this.last = null;
		this.tid = 0;
	}
	add(fn, value) {
		const item = { fn, value, next: null };
		if (this.first === null) this.first = item;
		else this.last.next = item;
		this.last = item;
		if (this.tid === 0) this.arm();
	}
	arm() {
		this.tid = er.timerSet(TIMER_NEXT_TURN, false, 0);
		timers.set(this.tid, this);
	}
	due() {
		timers.delete(this.tid);
		this.tid = 0;
		enterScope(TOP);
		try {
			do {
				const { fn, value } = this.first;
				this.first = this.first.next;
				fn(value);
			} while (this.first !== null && er.mayGoOn());
		} finally {
			if (this.first !== null) this.arm();
		}
	}
}
apart(Background);
const background = new Background();
/** Calls `fn(value)` in a turn of the background. */
export function later(fn, value) {
	background.add(fn, value);
}

/** What is to be done for a request, one a turn, in order. It hangs on the request and ends with
 * it. */
class Tasks {
	constructor(scope) {
		this.scope = scope;
		this.first = null;
		this.last = null;
		this.tid = 0;
		this.prevEnder = null;
		this.nextEnder = null;
		hang(scope, this);
	}
	append(fn, value) {
		const item = { fn, value, next: null };
		if (this.first === null) this.first = item;
		else this.last.next = item;
		this.last = item;
		if (this.tid === 0) this.arm();
	}
	arm() {
		this.tid = er.timerSet(TIMER_NEXT_TURN, false, this.scope.id);
		timers.set(this.tid, this);
	}
	due() {
		timers.delete(this.tid);
		this.tid = 0;
		enterScope(this.scope);
		const { fn, value } = this.first;
		this.first = this.first.next;
		if (this.first !== null) this.arm();
		fn(value);
	}
	ended() {
		if (this.tid !== 0) timers.delete(this.tid);
		this.first = null;
		tasks.delete(this.scope);
	}
}
apart(Tasks);
const tasks = newMap(); // scope -> Tasks
/** Throws where there is no request that tasks could be charged to. */
export function mayQueue(what) {
	if (current === TOP) throw new Err(`${what} cannot be called at top level, only while a request is handled: move the call into the fetch handler`);
}
/** Calls `fn(value)` in a later turn of the request whose turn it is; never, if that is over, or if
 * there is none. */
export function queueTask(fn, value) {
	const s = current;
	if (s === TOP || s.over) return;
	let list = tasks.get(s);
	if (list === undefined) tasks.set(s, (list = new Tasks(s)));
	list.append(fn, value);
}
export function clearTimer(tid) {
	const t = timers.get(tid);
	if (!(t instanceof Timer)) return; // the background's is not the routine's to stop
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
