// Between Node's streams and the web's.
import { AbortError, ERR_INVALID_ARG_TYPE } from './errors.js';
import { Buffer } from '../buffer.js';

const bytes = (chunk) => (Buffer.isBuffer(chunk) ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);

export function fromReadable(Readable, stream, options = {}) {
	if (!(stream instanceof ReadableStream)) throw new ERR_INVALID_ARG_TYPE('readableStream', 'ReadableStream', stream);
	const reader = stream.getReader();
	let over = false;
	const made = new Readable({
		objectMode: options.objectMode ?? false, highWaterMark: options.highWaterMark, encoding: options.encoding, signal: options.signal,
		read() {
			reader.read().then(
				({ done, value }) => {
					if (done) {
						over = true;
						made.push(null);
					} else made.push(!made.readableObjectMode && value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value);
				},
				(error) => {
					over = true;
					made.destroy(error);
				});
		},
		destroy(error, callback) {
			if (over) return callback(error);
			over = true;
			return reader.cancel(error ?? undefined).then(() => callback(error), () => callback(error));
		},
	});
	return made;
}
export function fromWritable(Writable, stream, options = {}) {
	if (!(stream instanceof WritableStream)) throw new ERR_INVALID_ARG_TYPE('writableStream', 'WritableStream', stream);
	const writer = stream.getWriter();
	let over = false;
	writer.closed.then(() => void (over = true), (error) => {
		over = true;
		made.destroy(error);
	});
	const made = new Writable({
		objectMode: options.objectMode ?? false, highWaterMark: options.highWaterMark, decodeStrings: options.decodeStrings, signal: options.signal,
		write(chunk, encoding, callback) {
			writer.ready.then(() => writer.write(made.writableObjectMode ? chunk : bytes(chunk))).then(() => callback(), callback);
		},
		final(callback) {
			writer.close().then(() => callback(), callback);
		},
		destroy(error, callback) {
			if (over) return callback(error);
			over = true;
			return (error == null ? writer.close() : writer.abort(error)).then(() => callback(error), () => callback(error));
		},
	});
	return made;
}
export function toReadable(stream, options = {}) {
	if (typeof stream?.on !== 'function') throw new ERR_INVALID_ARG_TYPE('streamReadable', 'stream.Readable', stream);
	const objects = stream.readableObjectMode;
	let over = false;
	const strategy = options.strategy ?? (objects ? new CountQueuingStrategy({ highWaterMark: stream.readableHighWaterMark ?? 16 }) : new ByteLengthQueuingStrategy({ highWaterMark: stream.readableHighWaterMark ?? 65536 }));
	stream.pause();
	return new ReadableStream({
		start(controller) {
			stream.on('data', (chunk) => {
				if (over) return;
				controller.enqueue(objects ? chunk : bytes(chunk));
				if (controller.desiredSize <= 0) stream.pause();
			});
			const finish = (error) => {
				if (over) return;
				over = true;
				if (error) controller.error(error);
				else controller.close();
			};
			stream.on('end', () => finish());
			stream.on('error', finish);
			stream.on('close', () => finish(stream.readableEnded ? undefined : new AbortError()));
			stream.pause();
		},
		pull() {
			stream.resume();
		},
		cancel(reason) {
			over = true;
			stream.destroy(reason instanceof Error ? reason : undefined);
		},
	}, strategy);
}
export function toWritable(stream) {
	if (typeof stream?.write !== 'function') throw new ERR_INVALID_ARG_TYPE('streamWritable', 'stream.Writable', stream);
	return new WritableStream({
		start(controller) {
			stream.on('error', (error) => controller.error(error));
			stream.on('close', () => {
				if (!stream.writableFinished) controller.error(new AbortError());
			});
		},
		write(chunk) {
			if (stream.write(chunk)) return undefined;
			return new Promise((resolve, reject) => {
				stream.once('drain', resolve);
				stream.once('error', reject);
			});
		},
		close() {
			return new Promise((resolve, reject) => {
				stream.once('error', reject);
				stream.end(() => resolve());
			});
		},
		abort(reason) {
			stream.destroy(reason instanceof Error ? reason : undefined);
		},
	}, stream.writableObjectMode ? undefined : new CountQueuingStrategy({ highWaterMark: 1 }));
}
