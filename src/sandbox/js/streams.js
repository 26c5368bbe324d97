// The lazy script "streams": WHATWG Streams (npm web-streams-polyfill) and the text transform
// streams. Called once with what it needs.
import {
	ByteLengthQueuingStrategy, CountQueuingStrategy, ReadableByteStreamController, ReadableStream, ReadableStreamBYOBReader, ReadableStreamBYOBRequest,
	ReadableStreamDefaultController, ReadableStreamDefaultReader, TransformStream, TransformStreamDefaultController, WritableStream,
	WritableStreamDefaultController, WritableStreamDefaultWriter,
} from 'web-streams-polyfill';
import { compressionStreams } from './compression-streams.js';

export default function (tools) {
	const { TextDecoder, TextEncoder, lengthIs } = tools;
	const { CompressionStream, DecompressionStream } = compressionStreams(tools);
	const surface = (ctor, name) => {
		for (const key of Object.getOwnPropertyNames(ctor.prototype)) if (key !== 'constructor') Object.defineProperty(ctor.prototype, key, { enumerable: true });
		Object.defineProperty(ctor.prototype, Symbol.toStringTag, { value: name, configurable: true });
		return ctor;
	};

	class TextEncoderStream {
		#transform;
		constructor() {
			const encoder = new TextEncoder();
			let high = ''; // a lead surrogate whose partner may come with the next chunk
			this.#transform = new TransformStream({
				transform(chunk, controller) {
					let text = high + String(chunk);
					high = '';
					const last = text.charCodeAt(text.length - 1);
					if (last >= 0xd800 && last <= 0xdbff) {
						high = text[text.length - 1];
						text = text.slice(0, -1);
					}
					if (text !== '') controller.enqueue(encoder.encode(text));
				},
				flush(controller) {
					if (high !== '') controller.enqueue(new Uint8Array([0xef, 0xbf, 0xbd]));
				},
			});
		}
		get encoding() {
			this.#transform;
			return 'utf-8';
		}
		get readable() {
			return this.#transform.readable;
		}
		get writable() {
			return this.#transform.writable;
		}
	}
	class TextDecoderStream {
		#transform;
		#decoder;
		constructor(label = 'utf-8', options = undefined) {
			const decoder = new TextDecoder(label, options);
			this.#decoder = decoder;
			this.#transform = new TransformStream({
				transform(chunk, controller) {
					const text = decoder.decode(chunk === undefined ? null : chunk, { stream: true });
					if (text !== '') controller.enqueue(text);
				},
				flush(controller) {
					const text = decoder.decode();
					if (text !== '') controller.enqueue(text);
				},
			});
		}
		get encoding() {
			return this.#decoder.encoding;
		}
		get fatal() {
			return this.#decoder.fatal;
		}
		get ignoreBOM() {
			return this.#decoder.ignoreBOM;
		}
		get readable() {
			return this.#transform.readable;
		}
		get writable() {
			return this.#transform.writable;
		}
	}

	// ---- reading for the prelude: by read requests, as the standards of bodies say, and not by
	// promises of objects that routine code can get hold of ----

	const PULL = Object.getOwnPropertySymbols(ReadableStreamDefaultController.prototype).find((s) => s.description === '[[PullSteps]]');
	const nextChunk = (reader) => {
		const stream = reader._ownerReadableStream;
		if (stream === undefined || PULL === undefined) return reader.read();
		return new Promise((resolve, reject) => {
			const give = (done, value) => resolve({ __proto__: null, done, value });
			stream._disturbed = true;
			if (stream._state === 'closed') give(true, undefined);
			else if (stream._state === 'errored') reject(stream._storedError);
			else stream._readableStreamController[PULL]({ _chunkSteps: (value) => give(false, value), _closeSteps: () => give(true, undefined), _errorSteps: reject });
		});
	};

	// ---- transfer (Streams 8.2): both sides are in this instance, so the new stream reads or
	// writes the old one; chunks are cloned, as if they had gone through a port ----

	const copy = (chunk) => tools.cloneAndMove(chunk, []).out;
	const movedReadable = (stream) => {
		const reader = stream.getReader();
		return new ReadableStream(
			{
				async pull(controller) {
					const { done, value } = await reader.read();
					if (done) return controller.close();
					try {
						controller.enqueue(copy(value));
					} catch (e) {
						reader.cancel(e).catch(() => {});
						throw e;
					}
				},
				cancel: (reason) => reader.cancel(copy(reason)),
			},
			{ highWaterMark: 0 },
		);
	};
	const movedWritable = (stream) => {
		const writer = stream.getWriter();
		let gone = false;
		const sink = new WritableStream({
			start(controller) {
				writer.closed.catch((e) => gone || controller.error(e));
			},
			async write(chunk) {
				await writer.ready;
				try {
					chunk = copy(chunk);
				} catch (e) {
					writer.abort(e).catch(() => {});
					throw e;
				}
				await writer.write(chunk);
			},
			close: () => writer.close(),
			abort(reason) {
				gone = true;
				return writer.abort(copy(reason));
			},
		});
		return sink;
	};
	const isWritable = (v) => typeof v === 'object' && v !== null && v instanceof WritableStream && Object.hasOwn(v, '_writableStreamController');
	const isTransform = (v) => typeof v === 'object' && v !== null && v instanceof TransformStream && Object.hasOwn(v, '_transformStreamController');
	tools.transferable({ is: isWritable, why: (s) => (s.locked ? 'A locked stream cannot be transferred' : undefined), move: movedWritable });
	tools.transferable({
		is: isTransform,
		why: (s) => (s.readable.locked || s.writable.locked ? 'A stream one of whose sides is locked cannot be transferred' : undefined),
		move(stream) {
			const moved = Object.create(TransformStream.prototype);
			moved._readable = movedReadable(stream.readable);
			moved._writable = movedWritable(stream.writable);
			moved._transformStreamController = stream._transformStreamController;
			return moved;
		},
	});
	tools.uncloneable(isWritable);
	tools.uncloneable(isTransform);

	const bytesOf = (chunk) => {
		if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
		throw new TypeError('A chunk of this stream must be an ArrayBuffer or a view of one');
	};
	/** A chunk is what it holds; one that is no bytes and no text counts as one. */
	const sizeOf = (chunk) => (typeof chunk === 'string' ? chunk.length : ArrayBuffer.isView(chunk) || chunk instanceof ArrayBuffer ? chunk.byteLength : 1);
	/** TransformStream of the first generation, whose code may await what is written before anybody
	 * has the readable side: that holds up to `most` bytes. */
	const holding = (most) => {
		class Holding extends TransformStream {
			constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
				super(transformer, writableStrategy, readableStrategy ?? { highWaterMark: most, size: sizeOf });
			}
		}
		Object.defineProperty(Holding, 'name', { value: 'TransformStream', configurable: true });
		Object.defineProperty(Holding, 'length', { value: 0, configurable: true });
		return Holding;
	};
	const OURS = {};
	class IdentityTransformStream extends TransformStream {
		constructor(token = undefined, transformer = undefined) {
			super(token === OURS ? transformer : { transform: (chunk, controller) => controller.enqueue(bytesOf(chunk)) });
		}
	}
	/** What completes the stream is held back until it is closed: who has all the bytes has seen
	 * the whole, so one byte too many can still break it. */
	function fixed(total) {
		let left = total;
		let last = null;
		return {
			transform(chunk, controller) {
				const bytes = bytesOf(chunk);
				if (bytes.length > left) throw new TypeError(`A FixedLengthStream of ${total} bytes was given more`);
				if (bytes.length === 0) return;
				left -= bytes.length;
				if (left === 0) last = bytes.slice();
				else controller.enqueue(bytes);
			},
			flush(controller) {
				if (left > 0) throw new TypeError(`A FixedLengthStream of ${total} bytes was closed ${left} short`);
				if (last !== null) controller.enqueue(last);
			},
		};
	}
	class FixedLengthStream extends IdentityTransformStream {
		constructor(length) {
			const total = typeof length === 'bigint' ? Number(length) : +length;
			if (!Number.isSafeInteger(total) || total < 0) throw new TypeError('The length of a FixedLengthStream must be a number of bytes');
			super(OURS, fixed(total));
			lengthIs(this.readable, total);
		}
	}
	Object.defineProperty(IdentityTransformStream, 'length', { value: 0, configurable: true });
	Object.defineProperty(TextDecoderStream, 'length', { value: 0, configurable: true });
	// The asynchronous iterator of a stream inherits from the language's own.
	const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);
	const iterator = Object.getPrototypeOf(new ReadableStream().values());
	Object.setPrototypeOf(iterator, AsyncIteratorPrototype);
	delete iterator[Symbol.asyncIterator];

	return {
		movedReadable, nextChunk, holding,
		CompressionStream: surface(CompressionStream, 'CompressionStream'), DecompressionStream: surface(DecompressionStream, 'DecompressionStream'),
		ByteLengthQueuingStrategy, CountQueuingStrategy, ReadableByteStreamController, ReadableStream, ReadableStreamBYOBReader, ReadableStreamBYOBRequest,
		ReadableStreamDefaultController, ReadableStreamDefaultReader, TransformStream, TransformStreamDefaultController, WritableStream,
		WritableStreamDefaultController, WritableStreamDefaultWriter,
		TextEncoderStream: surface(TextEncoderStream, 'TextEncoderStream'), TextDecoderStream: surface(TextDecoderStream, 'TextDecoderStream'),
		FixedLengthStream: surface(FixedLengthStream, 'FixedLengthStream'), IdentityTransformStream: surface(IdentityTransformStream, 'IdentityTransformStream'),
	};
}
