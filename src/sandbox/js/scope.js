// The life of a request inside the engine. A Scope is made for each; one that is still alive when
// its turn is over is parked by number in `live`. Whoever holds something that must end with the
// request (timer, fetch, body) hangs it on the scope.
import * as er from './natives.js';
import { apart, Err } from './primordials.js';
import { IdMap } from './id-map.js';

export class Scope {
	constructor(id) {
		this.id = id;
		this.over = false; // C was told, or told us, that the request is over
		this.parked = false;
		this.answered = false; // a response, a pass or a failure has gone out
		this.streaming = false; // a body of ours is still being written
		this.passOn = false; // passThroughOnException
		this.waits = 0; // waitUntil promises not settled
		this.subrequests = 0;
		this.timers = 0; // how many
		this.ender = null; // the first of the objects with ended(kind) that hang on it, in order
		this.lastEnder = null;
		this.controller = null; // of request.signal
		this.info = undefined;
		this.cf = undefined;
		this.run = null; // of a scheduled event (scheduled.js)
		this.dispatchedTo = false; // the synchronous part of the event is done
	}
}
apart(Scope);

/** Top-level code: nothing of a request is there, what is made there belongs to everyone. */
export const TOP = new Scope(0);
TOP.parked = true;

/** How a request ends that was answered or has failed; every other kind is the node's word for why
 * it was cancelled. */
export const OVER = 'over';

export const live = new IdMap();
/** The scope whose turn it is; stays until the next turn, because microtasks run in between. */
export let current = TOP;
/** True during the synchronous part of a request's first turn: then `current` is certain to be who
 * is asking. */
export let dispatching = false;

export function open(id) {
	if (!current.parked && !current.over) {
		current.parked = true;
		live.set(current.id, current);
	}
	current = new Scope(id);
	dispatching = true;
	return current;
}
export function dispatched() {
	dispatching = false;
}
/** A turn for a request that is already known; undefined if it is over. */
export function enter(id) {
	if (current.id === id) return current;
	const s = id === 0 ? TOP : live.get(id);
	if (s !== undefined) enterScope(s);
	return s;
}
export function enterScope(s) {
	if (s === current) return;
	if (!current.parked && !current.over) {
		current.parked = true;
		live.set(current.id, current);
	}
	current = s;
}

export function eachScope(fn) {
	fn(TOP);
	if (current !== TOP) fn(current);
	live.each(fn);
}

/** `ender.nextEnder` and `ender.prevEnder` are ours. */
export function hang(s, ender) {
	const last = s.lastEnder;
	ender.prevEnder = last;
	if (last === null) s.ender = ender;
	else last.nextEnder = ender;
	s.lastEnder = ender;
}
/** Nothing happens if it does not hang there. */
export function unhang(s, ender) {
	const { prevEnder, nextEnder } = ender;
	if (prevEnder === null && s.ender !== ender) return;
	if (prevEnder === null) s.ender = nextEnder;
	else prevEnder.nextEnder = nextEnder;
	if (nextEnder === null) s.lastEnder = prevEnder;
	else nextEnder.prevEnder = prevEnder;
	ender.prevEnder = ender.nextEnder = null;
}

/** The request is over: C knows already (BODY_LAST, fail, cancel). Nothing of it may run on. */
export function close(s, kind) {
	if (s.over) return;
	s.over = true;
	if (s.parked) live.delete(s.id);
	for (let e = s.ender; e !== null; e = s.ender) {
		unhang(s, e);
		e.ended(kind);
	}
}
/** Ends the request if nothing holds it any more. */
export function settle(s) {
	if (s.over || !s.answered || s.streaming || s.waits > 0) return;
	close(s, OVER);
	er.done(s.id);
}

/** Throws if something of scope `s` is used where it does not belong. */
export function belongs(s, what) {
	if (s === current && !s.over) return;
	if (s === TOP) return;
	if (s.over) throw new Err(`${what} belongs to a request that is over; Request, Response and streams cannot be used outside their request`);
	if (dispatching) throw new Err(`${what} belongs to another request; Request, Response and streams cannot be used outside their request`);
}
