// The scheduled event: the routine runs because it is time, and not because somebody asks. It is
// over when its handler is, and all that was left to waitUntil; how that went is its answer. The
// class is made with the first event.
import * as er from './natives.js';
import { BODY_LAST, BODY_NONE } from './contract.js';
import { TypeErr, apart, strSplit } from './primordials.js';
import { INTERNAL, brand, finish, illegal, need } from './webidl.js';
import { Event } from './event.js';
import { close, OVER } from './scope.js';
import { reportException } from './report.js';

let waitThrough = null;
/** `fn(scope, promise)`: waitUntil. */
export function waitsThrough(fn) {
	waitThrough = fn;
}

let made = null;
function make() {
	class ScheduledEvent extends Event {
		#scope;
		#cron = '';
		#time = 0;
		constructor(token = undefined, scope = undefined) {
			if (token !== INTERNAL) throw illegal('ScheduledEvent');
			super(INTERNAL, 'scheduled');
			this.#scope = scope;
			const list = strSplit(er.reqInfo(scope.id), '\n');
			for (let i = 0; i + 1 < list.length; i += 2) {
				if (list[i] === 'cron') this.#cron = list[i + 1];
				else if (list[i] === 'scheduledTime') this.#time = +list[i + 1];
			}
		}
		get cron() {
			return this.#cron;
		}
		get scheduledTime() {
			return this.#time;
		}
		waitUntil(promise) {
			if (!(#scope in this)) throw brand('ScheduledEvent', 'waitUntil');
			need(arguments.length, 1, "'waitUntil' on 'ScheduledEvent'");
			waitThrough(this.#scope, promise);
		}
		/** A run is never tried again, so there is nothing to forbid. */
		noRetry() {
			if (!(#scope in this)) throw brand('ScheduledEvent', 'noRetry');
		}
	}
	finish(ScheduledEvent, 'ScheduledEvent', 1);
	return ScheduledEvent;
}
export const scheduledEvent = (scope) => new (made ??= make())(INTERNAL, scope);

/** What a scope has as its `run`, until it is over. */
class Run {
	constructor() {
		this.handled = false; // the handler has ended
		this.failed = false;
		this.error = undefined; // the first one
	}
	fails(scope, e) {
		if (this.failed) {
			reportException(scope.id, e, false);
			return;
		}
		this.failed = true;
		this.error = e;
	}
	/** Ends it if nothing of it is still going on. */
	look(scope) {
		if (!this.handled || scope.waits > 0 || scope.over) return;
		scope.answered = true;
		close(scope, OVER);
		if (this.failed) er.fail(scope.id, this.error);
		else er.respond(scope.id, /* status */ 204, /* reason */ '', /* block */ '', /* body */ undefined, /* flags */ BODY_NONE | BODY_LAST, /* number */ 0);
	}
}
apart(Run);
/** `handler()`: all that the routine does when it is time. */
export async function runScheduled(scope, handler) {
	const run = (scope.run = new Run());
	try {
		if (handler === null) throw new TypeErr('The routine has no handler of the scheduled event: export default { scheduled(event, env, ctx) { ... } }, or addEventListener("scheduled", ...)');
		await handler();
	} catch (e) {
		run.fails(scope, e);
	}
	run.handled = true;
	run.look(scope);
}
