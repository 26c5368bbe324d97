// A body that lies in the node: a request's upload or a subrequest's answer. Until JavaScript reads
// it, it is two numbers here and no byte of it has entered the engine; it can then be handed on
// whole (relay, drain). Once reading began it is pulled through a window.
import * as er from './natives.js';
import { PULL_WINDOW } from './contract.js';
import { bareList, apart, Deferred, Err, TypeErr, U8, concatBytes, newMap, quiet, regexp, rejected, resolved, shift, taLength } from './primordials.js';
import { IdMap } from './id-map.js';
import { OVER, belongs, hang, unhang } from './scope.js';

const IDLE = 0, READING = 1, ENDED = 2, FAILED = 3;
export const GONE = 4;
/** The node may still send something of it. */
export const isOpen = (flow) => flow.state === IDLE || flow.state === READING;

/** Codings that leave no text; what else calls itself one ("utf-8") has been seen on plain text. */
const CODED = regexp(/(^|[,\t ])(br|zstd|deflate|x-gzip|gzip|x-compress|compress)($|[,\t ])/i);

const flows = new IdMap(); // key -> Flow that is being read, or is of a copy

/**
 * What the prelude itself keeps of a body: its state, and what has come of it. It does not know
 * the NodeBody, which is what messages and streams of the routine have: once nobody has that any
 * more, nobody can read on, and C ends the body (er.hold). A promise that somebody waits for
 * holds both.
 */
class Flow {
	constructor(key, scope, what) {
		this.key = key;
		this.scope = scope;
		this.what = what;
		this.state = IDLE;
		this.error = null;
		this.begun = false; // somebody has begun to read it
		this.chunks = null; // received, not yet given to a reader
		this.waiter = null; // Deferred of next()
		this.failing = null; // (error): the stream over it hears of a failure at once
		this.owed = 0; // given to the reader since the last pull
		this.copies = null; // the next one of what was copied from it: a list
		this.taker = undefined; // the Sub that sends it on, as a whole
		this.listed = false; // in `flows`, and hung on its request
		this.prevEnder = null;
		this.nextEnder = null;
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
		flows.set(this.key, this);
		hang(this.scope, this);
	}
	unlist() {
		if (!this.listed) return;
		this.listed = false;
		flows.delete(this.key);
		unhang(this.scope, this);
	}
	leave(state) {
		this.unlist();
		this.state = state;
		this.chunks = null;
	}
	took(n) {
		if (this.state !== READING) return;
		this.owed += n;
		if (this.owed >= PULL_WINDOW / 2) {
			er.pull(this.key, this.owed);
			this.owed = 0;
		}
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
		} else if (this.failing !== null) this.failing(error);
	}
	/** The request is over. */
	ended(kind) {
		if (kind === OVER) this.waiter = this.failing = null; // nothing runs on
		this.fail(new Err(`${this.what} can no longer be read: its request is over`));
	}
}
apart(Flow);

export class NodeBody {
	constructor(key, scope, length, what) {
		this.key = key;
		this.scope = scope;
		this.length = length; // or LENGTH_UNKNOWN
		this.flow = new Flow(key, scope, what);
		this.inline = key % 2 === 0; // may have come with the head; of an answer, fetch.js says so
		this.held = undefined; // what er.hold gave
		// of an answer: the fields that came with it, unless its coding is what the code asked for
		this.block = null;
	}
	/** Nothing has been taken of it: it can be relayed. */
	get untouched() {
		return this.flow.state === IDLE;
	}
	get used() {
		const { state, begun } = this.flow;
		return state !== IDLE && (state !== FAILED || begun);
	}
	get failed() {
		return this.flow.state === FAILED;
	}
	check() {
		belongs(this.scope, this.flow.what);
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
		this.flow.leave(GONE);
		return this.key;
	}
	/** A second one of the same bytes, which stay in the node until one of the two is read: `fid`
	 * is its number. Nothing of this one was read. */
	copy(fid) {
		const c = new NodeBody(fid * 2 + 1, this.scope, this.length, this.flow.what);
		er.clone(fid, this.scope.id, this.key);
		c.block = this.block;
		c.flow.copies = this.flow.copies;
		this.flow.copies = c.flow;
		c.flow.list(); // the node may say that there can be no copy
		c.hold();
		return c;
	}
	/** From now on the body ends when nobody has this object any more. Needed where one can stop
	 * reading without a word: a stream, a copy. */
	hold() {
		if (this.held === undefined && isOpen(this.flow) && !this.scope.over) this.held = er.hold(this.key);
	}
	drain() {
		if (isOpen(this.flow)) {
			er.drain(this.key);
			this.flow.leave(GONE);
		}
	}
	cancel() {
		if (isOpen(this.flow)) {
			if (!this.scope.over) er.bodyCancel(this.key);
			this.flow.leave(ENDED);
		}
	}
	/** The node sends the first PULL_WINDOW bytes unasked. */
	expect() {
		this.flow.state = READING;
		this.flow.begun = true;
		this.flow.chunks = bareList();
		this.flow.list();
	}
	begin() {
		this.check();
		const { flow } = this;
		flow.state = READING;
		flow.begun = true;
		flow.chunks = bareList();
		if (this.inline) {
			const all = this.key % 2 === 0 ? er.reqInline(this.key / 2) : er.subInline((this.key - 1) / 2);
			if (all !== undefined) {
				if (taLength(all) > 0) flow.chunks[0] = all;
				flow.state = ENDED;
				return;
			}
		}
		flow.list();
		er.pull(this.key, PULL_WINDOW);
	}
	/** A promise of the next chunk, or of null at the end. One reader at a time. */
	next() {
		const { flow } = this;
		if (flow.state === IDLE) {
			try {
				this.begin();
			} catch (e) {
				return rejected(e);
			}
		}
		if (flow.chunks !== null && flow.chunks.length > 0) {
			const chunk = shift(flow.chunks);
			flow.took(taLength(chunk));
			return resolved(chunk);
		}
		if (flow.state === FAILED) return rejected(flow.error);
		if (flow.state !== READING) return resolved(null);
		flow.waiter = new Deferred();
		return flow.waiter.promise;
	}
	/** A promise of all of it. */
	bytes() {
		const { flow } = this;
		if (!this.inline || flow.state !== IDLE) return this.rest();
		try {
			this.begin();
		} catch (e) {
			return rejected(e);
		}
		if (flow.state !== ENDED) return this.rest();
		const { chunks } = flow;
		flow.chunks = null;
		return resolved(chunks.length > 0 ? chunks[0] : new U8(0));
	}
	async rest() {
		const list = bareList();
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
		if (!this.inline || this.flow.state !== IDLE) return undefined;
		this.check();
		const text = this.key % 2 === 0 ? er.reqInlineText(this.key / 2) : er.subInlineText((this.key - 1) / 2);
		if (text !== undefined) this.flow.state = GONE;
		return text;
	}
}
apart(NodeBody);

const REASONS = newMap();
REASONS.set('client-gone', 'the client went away');
REASONS.set('timeout', 'the time was up');
REASONS.set('behind', 'it is a copy, and the copies that nobody has read yet take more memory than a routine has for them; read both at the same time, or let go of one with cancel()');

export function bodyData(key, chunk, fin) {
	const b = flows.get(key);
	if (b !== undefined) b.data(chunk, fin);
}
export function bodyFail(key, kind) {
	const b = flows.get(key);
	if (b !== undefined) b.fail(new TypeErr(`${b.what} broke off: ${REASONS.get(kind) ?? kind}`));
}
/** For the scope switch of a turn. */
export const bodyScope = (key) => {
	const b = flows.get(key);
	return b === undefined ? undefined : b.scope;
};
