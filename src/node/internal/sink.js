// What a hash, a signature or a cipher is beside itself: something to write to, that can be piped
// to and from. Without node:stream, which is large.
import { EventEmitter } from '../events.js';

export class Sink extends EventEmitter {
	writable = true;
	readable = true;
	#out = [];
	#over = false;
	/** What comes out of a chunk, and at the end: bytes or undefined. */
	take() {}
	finish() {}
	write(chunk, encoding, callback) {
		if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
		try {
			this.#give(this.take(chunk, encoding));
			callback?.();
		} catch (e) {
			if (callback) callback(e);
			else this.emit('error', e);
		}
		return true;
	}
	end(chunk, encoding, callback) {
		if (typeof chunk === 'function') [chunk, callback] = [undefined, chunk];
		else if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
		if (chunk !== undefined && chunk !== null) this.write(chunk, encoding);
		this.writable = false;
		try {
			this.#give(this.finish());
		} catch (e) {
			this.emit('error', e);
			return this;
		}
		this.#over = true;
		queueMicrotask(() => {
			this.emit('finish');
			callback?.();
			this.emit('readable');
			if (this.listenerCount('data') > 0) this.#flow();
			this.emit('end');
			this.emit('close');
		});
		return this;
	}
	#give(bytes) {
		if (bytes === undefined || bytes.length === 0) return;
		this.#out.push(bytes);
		if (this.listenerCount('data') > 0) this.#flow();
	}
	#flow() {
		for (const bytes of this.#out.splice(0)) this.emit('data', this.encoding ? bytes.toString(this.encoding) : bytes);
	}
	setEncoding(encoding) {
		this.encoding = encoding;
		return this;
	}
	read() {
		const [bytes] = this.#out.splice(0, 1);
		return bytes === undefined ? null : this.encoding ? bytes.toString(this.encoding) : bytes;
	}
	pipe(to) {
		this.on('data', (bytes) => to.write(bytes));
		this.on('end', () => to.end?.());
		this.#flow();
		return to;
	}
	async *[Symbol.asyncIterator]() {
		while (!this.#over) await new Promise((resolve) => this.once('readable', resolve));
		for (let bytes = this.read(); bytes !== null; bytes = this.read()) yield bytes;
	}
	pause() {
		return this;
	}
	resume() {
		return this;
	}
	destroy() {
		return this;
	}
}
