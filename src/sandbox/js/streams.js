// The lazy script "streams": WHATWG Streams (npm web-streams-polyfill) and the text transform streams. Called once with what it needs.
import {
	ByteLengthQueuingStrategy, CountQueuingStrategy, ReadableByteStreamController, ReadableStream, ReadableStreamBYOBReader, ReadableStreamBYOBRequest,
	ReadableStreamDefaultController, ReadableStreamDefaultReader, TransformStream, TransformStreamDefaultController, WritableStream,
	WritableStreamDefaultController, WritableStreamDefaultWriter,
} from 'web-streams-polyfill';

export default function (tools) {
	const { TextDecoder, TextEncoder } = tools;
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
	Object.defineProperty(TextDecoderStream, 'length', { value: 0, configurable: true });
	// The asynchronous iterator of a stream inherits from the language's own.
	const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);
	const iterator = Object.getPrototypeOf(new ReadableStream().values());
	Object.setPrototypeOf(iterator, AsyncIteratorPrototype);
	delete iterator[Symbol.asyncIterator];

	return {
		ByteLengthQueuingStrategy, CountQueuingStrategy, ReadableByteStreamController, ReadableStream, ReadableStreamBYOBReader, ReadableStreamBYOBRequest,
		ReadableStreamDefaultController, ReadableStreamDefaultReader, TransformStream, TransformStreamDefaultController, WritableStream,
		WritableStreamDefaultController, WritableStreamDefaultWriter,
		TextEncoderStream: surface(TextEncoderStream, 'TextEncoderStream'), TextDecoderStream: surface(TextDecoderStream, 'TextDecoderStream'),
	};
}
