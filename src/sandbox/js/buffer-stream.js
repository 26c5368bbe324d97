// BufferStream, classic EdgeRoutine's readable over a string or bytes.
import { isArrayBuffer, isView, copyBytes } from './primordials.js';
import { brand, finish, isObject, need, usvString } from './webidl.js';
import { LazyStream, takeSource } from './streams-lazy.js';

export let isBufferStream;
export let takeBufferStream;

export class BufferStream {
	#stream;
	constructor(data) {
		need(arguments.length, 1, "'constructor' on 'BufferStream'");
		this.#stream = new LazyStream(isView(data) || isArrayBuffer(data) ? copyBytes(data) : usvString(data));
	}
	get readable() {
		return BufferStream.#of(this, 'readable');
	}
	get locked() {
		return BufferStream.#of(this, 'locked').locked;
	}
	getReader(options = undefined) {
		return BufferStream.#of(this, 'getReader').getReader(options);
	}
	pipeTo(destination, options = undefined) {
		return BufferStream.#of(this, 'pipeTo').pipeTo(destination, options);
	}
	pipeThrough(transform, options = undefined) {
		return BufferStream.#of(this, 'pipeThrough').pipeThrough(transform, options);
	}
	cancel(reason = undefined) {
		return BufferStream.#of(this, 'cancel').cancel(reason);
	}
	static #of(s, member) {
		if (!isObject(s) || !(#stream in s)) throw brand('BufferStream', member);
		return s.#stream;
	}
	static {
		isBufferStream = (s) => isObject(s) && #stream in s;
		takeBufferStream = (s) => takeSource(s.#stream) ?? s.#stream;
	}
}
finish(BufferStream, 'BufferStream', 1);
