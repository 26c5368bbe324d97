// A body that lies in the node: a request's upload or a subrequest's answer. Until JavaScript reads it, it is two numbers here and no
// byte of it has entered the engine; it can then be handed on whole (relay, drain). Once reading began it is pulled through a window.
import * as er from './natives.js';
import { Deferred, Err, TypeErr, concatBytes, newMap, quiet, rejected, resolved, shift, taLength } from './primordials.js';
import { IdMap } from './id-map.js';
import { OVER, belongs, hang, unhang } from './scope.js';

export const WINDOW = 64 * 1024; // bytes asked for and not yet given to a reader

const IDLE = 0, READING = 1, ENDED = 2, FAILED = 3, GONE = 4;

const bodies = new IdMap(); // key -> NodeBody that is being read

export class NodeBody {
	constructor(key, scope, length, what) {
		this.key = key;
		this.scope = scope;
		this.length = length; // -1: unknown
		this.what = what;
		this.state = IDLE;
		this.error = null;
		this.chunks = null; // received, not yet given to a reader
		this.waiter = null; // Deferred of next()
		this.owed = 0; // given to the reader since the last pull
		this.inline = key % 2 === 0; // may have come with the head
		this.prevEnder = null;
		this.nextEnder = null;
	}
	/** Nothing has been taken of it: it can be relayed. */
	get untouched() {
		return this.state === IDLE;
	}
	check() {
		belongs(this.scope, this.what);
	}
	/** Hands the whole of it to somebody else in the node; returns its key. */
	handOff() {
		this.check();
		this.state = GONE;
		return this.key;
	}
	drain() {
		if (this.state === IDLE || this.state === READING) {
			er.drain(this.key);
			this.leave(GONE);
		}
	}
	cancel() {
		if (this.state === IDLE || this.state === READING) {
			if (!this.scope.over) er.bodyCancel(this.key);
			this.leave(ENDED);
		}
	}
	leave(state) {
		if (this.state === READING) {
			bodies.delete(this.key);
			unhang(this.scope, this);
		}
		this.state = state;
		this.chunks = null;
	}
	begin() {
		this.check();
		this.state = READING;
		this.chunks = [];
		if (this.inline) {
			const all = er.reqInline(this.key / 2);
			if (all !== undefined) {
				if (taLength(all) > 0) this.chunks[0] = all;
				this.state = ENDED;
				return;
			}
		}
		bodies.set(this.key, this);
		hang(this.scope, this);
		er.pull(this.key, WINDOW);
	}
	/** A promise of the next chunk, or of null at the end. One reader at a time. */
	next() {
		if (this.state === IDLE) {
			try {
				this.begin();
			} catch (e) {
				return rejected(e);
			}
		}
		if (this.chunks !== null && this.chunks.length > 0) {
			const chunk = shift(this.chunks);
			this.took(taLength(chunk));
			return resolved(chunk);
		}
		if (this.state === FAILED) return rejected(this.error);
		if (this.state !== READING) return resolved(null);
		this.waiter = new Deferred();
		return this.waiter.promise;
	}
	took(n) {
		if (this.state !== READING) return;
		this.owed += n;
		if (this.owed >= WINDOW / 2) {
			er.pull(this.key, this.owed);
			this.owed = 0;
		}
	}
	/** A promise of all of it. */
	async bytes() {
		const list = [];
		let total = 0;
		for (;;) {
			const chunk = await this.next();
			if (chunk === null) break;
			list[list.length] = chunk;
			total += taLength(chunk);
		}
		return list.length === 0 ? new Uint8Array(0) : concatBytes(list, total);
	}
	/** The text of all of it if it came with the head, else undefined. */
	inlineText() {
		if (!this.inline || this.state !== IDLE) return undefined;
		this.check();
		const text = er.reqInlineText(this.key / 2);
		if (text !== undefined) this.state = GONE;
		return text;
	}

	data(chunk, fin) {
		if (this.state !== READING) return;
		if (chunk !== undefined && taLength(chunk) > 0) {
			if (this.waiter !== null) {
				const w = this.waiter;
				this.waiter = null;
				w.resolve(chunk);
				if (!fin) this.took(taLength(chunk));
			} else this.chunks[this.chunks.length] = chunk;
		}
		if (fin) {
			bodies.delete(this.key);
			unhang(this.scope, this);
			this.state = ENDED;
			if (this.waiter !== null) {
				const w = this.waiter;
				this.waiter = null;
				w.resolve(null);
			}
		}
	}
	fail(error) {
		if (this.state === READING) {
			bodies.delete(this.key);
			unhang(this.scope, this);
		} else if (this.state !== IDLE) return;
		this.state = FAILED;
		this.error = error;
		this.chunks = null;
		if (this.waiter !== null) {
			const w = this.waiter;
			this.waiter = null;
			quiet(w.promise);
			w.reject(error);
		}
	}
	/** The request is over. */
	ended(kind) {
		if (kind === OVER) this.waiter = null; // nothing runs on
		this.fail(new Err(`${this.what} can no longer be read: its request is over`));
	}
}

const REASONS = newMap();
REASONS.set('client-gone', 'the client went away');
REASONS.set('timeout', 'the time was up');

export function bodyData(key, chunk, fin) {
	const b = bodies.get(key);
	if (b !== undefined) b.data(chunk, fin);
}
export function bodyFail(key, kind) {
	const b = bodies.get(key);
	if (b !== undefined) b.fail(new TypeErr(`${b.what} broke off: ${REASONS.get(kind) ?? kind}`));
}
/** For the scope switch of a turn. */
export const bodyScope = (key) => {
	const b = bodies.get(key);
	return b === undefined ? undefined : b.scope;
};
