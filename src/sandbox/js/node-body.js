// A body that lies in the node: a request's upload or a subrequest's answer. Until JavaScript reads it, it is two numbers here and no
// byte of it has entered the engine; it can then be handed on whole (relay, drain). Once reading began it is pulled through a window.
import * as er from './natives.js';
import { PULL_WINDOW } from './contract.js';
import { Deferred, Err, TypeErr, U8, concatBytes, newMap, quiet, regexp, rejected, resolved, shift, taLength } from './primordials.js';
import { IdMap } from './id-map.js';
import { OVER, belongs, hang, unhang } from './scope.js';

const IDLE = 0, READING = 1, ENDED = 2, FAILED = 3, GONE = 4;
/** The node may still send something of it. */
export const isOpen = (body) => body.state === IDLE || body.state === READING;

/** Codings that leave no text; what else calls itself one ("utf-8") has been seen on plain text. */
const CODED = regexp(/(^|[,\t ])(br|zstd|deflate|x-gzip|gzip|x-compress|compress)($|[,\t ])/i);

const bodies = new IdMap(); // key -> NodeBody that is being read, or is a copy

export class NodeBody {
	constructor(key, scope, length, what) {
		this.key = key;
		this.scope = scope;
		this.length = length; // or LENGTH_UNKNOWN
		this.what = what;
		this.state = IDLE;
		this.error = null;
		this.chunks = null; // received, not yet given to a reader
		this.waiter = null; // Deferred of next()
		this.owed = 0; // given to the reader since the last pull
		this.inline = key % 2 === 0; // may have come with the head
		this.listed = false; // in `bodies`, and hung on its request
		this.copies = null; // the next one of what was copied from it: a list
		this.block = null; // of an answer: the fields that came with it, unless its coding is what the code asked for
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
	/** Throws if no text can be made of it: the node has not undone its content coding. */
	plain(member) {
		const coding = this.block === null ? null : er.fieldsGet(this.block, 'content-encoding');
		if (coding === null || CODED.exec(coding) === null) return;
		throw new TypeErr(
			`The body is coded with ${coding}, which ${member}() cannot read: send the request with "accept-encoding: identity", or pass the body on as it is`,
		);
	}
	/** Hands the whole of it to somebody else in the node; returns its key. */
	handOff() {
		this.check();
		this.leave(GONE);
		return this.key;
	}
	/** A second one of the same bytes, which stay in the node until one of the two is read: `fid` is its number. Nothing of this one was read. */
	copy(fid) {
		const c = new NodeBody(fid * 2 + 1, this.scope, this.length, this.what);
		er.clone(fid, this.scope.id, this.key);
		c.block = this.block;
		c.copies = this.copies;
		this.copies = c;
		c.list(); // the node may say that there can be no copy
		return c;
	}
	/** What was aborted was the source of all of them. */
	failCopies(reason) {
		for (let c = this.copies; c !== null; c = c.copies) {
			if (!isOpen(c)) continue;
			er.bodyCancel(c.key);
			c.fail(reason);
		}
	}
	list() {
		if (this.listed) return;
		this.listed = true;
		bodies.set(this.key, this);
		hang(this.scope, this);
	}
	unlist() {
		if (!this.listed) return;
		this.listed = false;
		bodies.delete(this.key);
		unhang(this.scope, this);
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
		this.unlist();
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
		this.list();
		er.pull(this.key, PULL_WINDOW);
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
		if (this.owed >= PULL_WINDOW / 2) {
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
		return list.length === 0 ? new U8(0) : concatBytes(list, total);
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
			this.unlist();
			this.state = ENDED;
			if (this.waiter !== null) {
				const w = this.waiter;
				this.waiter = null;
				w.resolve(null);
			}
		}
	}
	fail(error) {
		if (!isOpen(this)) return;
		this.unlist();
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
REASONS.set('behind', 'it is a copy, and the copies that nobody has read yet take more memory than a routine has for them; read both at the same time, or let go of one with cancel()');

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
