// The streams script is loaded at the first touch of a stream global. Until then the stream of a
// body is a LazyStream: it looks like a ReadableStream, and becomes one in place when somebody does
// more with it than pass it on. A body that is only passed on (`new Response(r.body, r)`, `fetch(u,
// {body: request.body})`) therefore costs neither the script nor the bytes.
import * as er from './natives.js';
import { bareList, apart, U8, WeakRefCtor, apply, defineProperty, deref, getOwnPropertyDescriptor, setPrototypeOf, symAsyncIterator, symTag, taLength, u8Slice } from './primordials.js';
import { isObject } from './webidl.js';
import './dom-exception.js';
import { NodeBody } from './node-body.js';
import { current, eachScope, hang, unhang } from './scope.js';

/** What web-streams-polyfill keeps in a stream. */
const SLOTS = ['_state', '_reader', '_storedError', '_disturbed', '_readableStreamController'];

let exports_ = null;
let prepared = null; // the script has run, and nobody has touched a stream global yet
export const loaded = () => exports_ !== null;

/** A LazyStream that was made before the script was loaded: the script knows its own streams
 * only, hence it becomes one then. It hangs on its request, so that one that nobody reads is not
 * kept for ever. */
class Waiting {
	constructor(scope, stream) {
		this.scope = scope;
		this.stream = stream;
		this.prevEnder = null;
		this.nextEnder = null;
		hang(scope, this);
	}
	ended() {
		forget(this.stream);
	}
}
apart(Waiting);

const tools = {}; // what the streams script needs of the prelude; filled in by main
export function streamsNeed(more) {
	for (const k in more) tools[k] = more[k];
}
/** For a sandbox that rests before it has code: runs the script and what a first stream runs, so
 * that no request pays for it. */
export function prepareStreams() {
	if (prepared !== null || exports_ !== null) return;
	prepared = er.lazy('streams')(tools);
	readOne('bytes');
	readOne(undefined);
}
function readOne(type) {
	new prepared.ReadableStream({
		type,
		pull(c) {
			c.enqueue(new U8(1));
			c.close();
			c.byobRequest?.respond(0);
		},
	}).getReader().read();
}
export function streams() {
	if (exports_ !== null) return exports_;
	exports_ = prepared ?? er.lazy('streams')(tools);
	setPrototypeOf(LazyStream.prototype, exports_.ReadableStream.prototype);
	const waiting = bareList();
	eachScope((s) => {
		for (let e = s.ender; e !== null; e = e.nextEnder) if (e instanceof Waiting) waiting[waiting.length] = e.stream;
	});
	for (let i = 0; i < waiting.length; i++) become(waiting[i]);
	return exports_;
}

// (stream) -> NodeBody | string | bytes while nothing has been taken of it, else undefined
export let sourceOf;
export let takeSource; // the same, and the stream is locked and disturbed from now on
export let become;
let forget; // it waits for the script no longer
let real; // it is a stream of the script's, or has become one

export class LazyStream {
	#source; // undefined: spent natively or become a real stream
	#spent = false;
	#real = false;
	#waiting = null;
	constructor(source) {
		this.#source = source;
		if (exports_ !== null) become(this);
		else this.#waiting = new Waiting(source instanceof NodeBody ? source.scope : current, this);
	}
	get locked() {
		return this.#spent;
	}
	static {
		real = (s) => (#real in s ? s.#real : getOwnPropertyDescriptor(s, '_state') !== undefined);
		forget = (s) => {
			const w = #waiting in s ? s.#waiting : null;
			if (w === null) return;
			s.#waiting = null;
			unhang(w.scope, w);
		};
		sourceOf = (s) => (#source in s && !s.#spent && !isTouched(s) ? s.#source : undefined);
		takeSource = (s) => {
			const source = sourceOf(s);
			if (source === undefined) return undefined;
			s.#spent = true;
			s.#source = undefined;
			forget(s);
			if (real(s)) lockSpent(s);
			return source;
		};
		become = (s) => {
			forget(s);
			if (real(s)) return s;
			const { ReadableStream } = streams();
			if (real(s)) return s; // loading made it one
			const source = s.#spent ? '' : s.#source;
			const r = new ReadableStream(underlying(source));
			const controller = r._readableStreamController;
			setPrototypeOf(s, ReadableStream.prototype);
			for (let i = 0; i < SLOTS.length; i++) defineProperty(s, SLOTS[i], { value: r[SLOTS[i]], writable: true, configurable: true, enumerable: false });
			controller._controlledReadableByteStream = s;
			s.#real = true;
			if (s.#spent) lockSpent(s);
			return s;
		};
	}
}
const isTouched = (s) => real(s) && (s._disturbed || s._reader !== undefined || s._state !== 'readable');
function lockSpent(s) {
	s.getReader();
	s._disturbed = true;
}
for (const name of ['cancel', 'getReader', 'pipeThrough', 'pipeTo', 'tee', 'values'])
	defineProperty(LazyStream.prototype, name, {
		value: { [name](...args) {
			const s = become(this);
			return apply(exports_.ReadableStream.prototype[name], s, args);
		} }[name],
		writable: true, configurable: true, enumerable: true,
	});
defineProperty(LazyStream.prototype, symAsyncIterator, { value: LazyStream.prototype.values, writable: true, configurable: true });
defineProperty(LazyStream.prototype, symTag, { value: 'ReadableStream', configurable: true });
defineProperty(LazyStream.prototype, 'constructor', { get: () => streams().ReadableStream, configurable: true });
defineProperty(LazyStream.prototype, 'locked', { enumerable: true });

/** Breaks a stream that somebody still has: a flow that waits for bytes must not keep its stream,
 * whose end it is that nobody has it any more. So nothing here but the weak reference is kept. */
const breaker = (controller) => (error) => deref(controller)?.error(error);
/** The underlying byte source over what a body is made of. */
function underlying(source) {
	if (source instanceof NodeBody)
		return {
			type: 'bytes',
			start(c) {
				source.flow.failing = breaker(new WeakRefCtor(c));
			},
			async pull(c) {
				source.hold();
				const chunk = await source.next();
				if (chunk === null) {
					c.close();
					c.byobRequest?.respond(0);
				} else c.enqueue(chunk);
			},
			cancel() {
				source.cancel();
			},
		};
	return {
		type: 'bytes',
		pull(c) {
			const bytes = typeof source === 'string' ? er.utf8Encode(source) : source;
			if (taLength(bytes) > 0) c.enqueue(u8Slice(bytes));
			c.close();
			c.byobRequest?.respond(0);
		},
	};
}

/** A promise of the next {done, value} of a stream's reader. Nothing that a routine has put into
 * Object.prototype belongs to it, as a `then` there would belong to what read() gives. */
export const nextChunk = (reader) => exports_.nextChunk(reader);
export function isStream(v) {
	if (!isObject(v)) return false;
	if (v instanceof LazyStream) return true;
	return exports_ !== null && v instanceof exports_.ReadableStream && getOwnPropertyDescriptor(v, '_readableStreamController') !== undefined;
}
export function isDisturbed(s) {
	if (real(s)) return s._disturbed;
	return s.locked; // a LazyStream that was spent
}
export function isLocked(s) {
	return real(s) ? s._reader !== undefined : s.locked;
}
