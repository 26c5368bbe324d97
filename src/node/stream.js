// node:stream: Node's own streams, as the package readable-stream brings them, with the bridges to
// the web's streams that it leaves to Node.
import legacy from 'readable-stream';
import { fromReadable, fromWritable, toReadable, toWritable } from './internal/web-streams.js';

const { Readable: R, Writable: W, Duplex: D } = legacy;
R.fromWeb = (stream, options) => fromReadable(R, stream, options);
R.toWeb = (stream, options) => toReadable(stream, options);
W.fromWeb = (stream, options) => fromWritable(W, stream, options);
W.toWeb = (stream) => toWritable(stream);
D.toWeb = (stream) => ({ readable: toReadable(stream), writable: toWritable(stream) });
D.fromWeb = (pair, options) => D.from({ readable: fromReadable(R, pair.readable, options), writable: fromWritable(W, pair.writable, options) });

let bytesMark = 65536, objectsMark = 16;
export const getDefaultHighWaterMark = (objectMode) => (objectMode ? objectsMark : bytesMark);
export function setDefaultHighWaterMark(objectMode, value) {
	if (objectMode) objectsMark = value;
	else bytesMark = value;
}
export function duplexPair(options) {
	const make = () => new D({
		...options,
		read() {
			const callback = this.waiting;
			this.waiting = undefined;
			callback?.();
		},
		write(chunk, encoding, callback) {
			if (chunk.length === 0) return queueMicrotask(callback);
			this.other.push(chunk);
			this.other.waiting = callback;
			return undefined;
		},
		final(callback) {
			this.other.on('end', callback);
			this.other.push(null);
		},
	});
	const a = make(), b = make();
	a.other = b;
	b.other = a;
	return [a, b];
}
const Stream = legacy.Stream ?? legacy;
Object.assign(Stream, { getDefaultHighWaterMark, setDefaultHighWaterMark, duplexPair });
export const { Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished, addAbortSignal, destroy, compose, promises, isDisturbed, isErrored, isReadable, isWritable, isDestroyed, _isUint8Array, _isArrayBufferView, _uint8ArrayToBuffer } = Stream;
export { Stream };
export default Stream;
