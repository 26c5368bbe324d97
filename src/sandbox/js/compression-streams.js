// CompressionStream and DecompressionStream (WHATWG Compression), of the lazy script "streams".
// The coders are the engine's (er.code), which makes 64 KB at most in one go. A chunk that is
// written waits, as in a TransformStream, until a reader wants something; what it becomes comes out
// piece by piece, as the reader asks. So a few bytes that stand for gigabytes cost what is read of
// them. Each stream is a readable and a writable side over one coder:
//
//   write(chunk) ─► input ─► pump(), while somebody wants ─► ahead ─► enqueue
//   close ─► the coder's end, at once: what is left in it is small
import { ReadableStream, WritableStream } from 'web-streams-polyfill';

const EMPTY = new Uint8Array(0);

class Pair {
	constructor(handle, tools) {
		this.handle = handle;
		this.tools = tools;
		this.input = undefined; // the chunk that is being worked on
		this.mine = false; // it is a copy: its writer cannot change it
		this.ahead = undefined; // a piece made and not wanted yet
		this.wanted = false;
		this.over = false;
		this.written = undefined; // {resolve, reject} of the write
		this.readable = new ReadableStream(
			{
				start: (c) => {
					this.reading = c;
				},
				pull: () => {
					this.wanted = true;
					this.pump();
				},
				cancel: (reason) => this.end(() => this.writing.error(reason), reason),
			},
			{ highWaterMark: 0 },
		);
		this.writable = new WritableStream({
			start: (c) => {
				this.writing = c;
			},
			write: (chunk) => this.write(chunk),
			close: () => this.close(),
			abort: (reason) => this.end(() => this.reading.error(reason), reason),
		});
	}
	write(chunk) {
		let bytes;
		try {
			bytes = bytesOf(chunk);
		} catch (e) {
			this.fail(e);
			throw e;
		}
		return new Promise((resolve, reject) => {
			this.written = { resolve, reject };
			this.input = bytes;
			this.mine = false;
			this.pump();
		});
	}
	/** One piece for each time that somebody wants one. Who gets it may do anything at once, also
	 * cancel or come back here: what is left is put away before. */
	pump() {
		while (this.wanted && this.input !== undefined && !this.over) {
			const { piece, error } = this.next();
			const more = this.ahead !== undefined;
			if (more && !this.mine) {
				this.input = this.input.slice();
				this.mine = true;
			}
			if (!more) this.input = undefined;
			if (piece !== undefined) {
				this.wanted = false;
				this.reading.enqueue(piece);
			}
			if (error !== undefined) this.fail(error.value);
			else if (!more) this.taken();
		}
	}
	/** The next piece of the input, and into `ahead` the one behind it: without one the input is
	 * used up. */
	next() {
		let piece = this.ahead, error;
		this.ahead = undefined;
		try {
			piece ??= this.tools.code(this.handle, this.input, false);
			if (piece !== undefined) this.ahead = this.tools.code(this.handle, this.input, false);
		} catch (e) {
			error = { value: e };
		}
		return { piece, error };
	}
	taken() {
		const { written } = this;
		this.written = undefined;
		written?.resolve();
	}
	close() {
		try {
			for (let piece; !this.over && (piece = this.tools.code(this.handle, EMPTY, true)) !== undefined; ) this.reading.enqueue(piece);
		} catch (e) {
			this.fail(e);
			throw e;
		}
		if (this.over) return;
		this.over = true;
		this.tools.coderFree(this.handle);
		this.reading.close();
	}
	fail(e) {
		this.end(() => {
			this.reading.error(e);
			this.writing.error(e);
		}, e);
	}
	/** Ends it once; `tell` says so to the other side. */
	end(tell, reason) {
		if (this.over) return;
		this.over = true;
		this.input = this.ahead = undefined;
		this.tools.coderFree(this.handle);
		const { written } = this;
		this.written = undefined;
		tell();
		written?.reject(reason);
	}
}
function bytesOf(chunk) {
	if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
	if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
	throw new TypeError('A chunk of this stream must be an ArrayBuffer or a view of one');
}

export function compressionStreams(tools) {
	const pairFor = (format, decode, name) => {
		const text = `${format}`;
		const handle = tools.coderNew(text, decode);
		if (handle === 0) throw new TypeError(`The format '${text}' of ${name} is not known; there are gzip, deflate, deflate-raw, brotli and zstd`);
		return new Pair(handle, tools);
	};
	class CompressionStream {
		#pair;
		constructor(format) {
			if (arguments.length < 1) throw new TypeError('CompressionStream needs a format');
			this.#pair = pairFor(format, false, 'CompressionStream');
		}
		get readable() {
			return this.#pair.readable;
		}
		get writable() {
			return this.#pair.writable;
		}
	}
	class DecompressionStream {
		#pair;
		constructor(format) {
			if (arguments.length < 1) throw new TypeError('DecompressionStream needs a format');
			this.#pair = pairFor(format, true, 'DecompressionStream');
		}
		get readable() {
			return this.#pair.readable;
		}
		get writable() {
			return this.#pair.writable;
		}
	}
	return { CompressionStream, DecompressionStream };
}
