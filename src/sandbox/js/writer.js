// Sends a stream of the routine's own: to the client, or as the upload of a subrequest. Within the
// credit the node has given, never more.
import * as er from './natives.js';
import { CREDIT_START, FRAME_DATA } from './contract.js';
import { apart, Deferred, TypeErr, isArrayBuffer, isView, quiet, taLength, taTag, toStr, u8Subarray, viewBytes } from './primordials.js';
import { IdMap } from './id-map.js';
import { hang, unhang } from './scope.js';
import { nextChunk } from './streams-lazy.js';

const writers = new IdMap(); // key -> Writer

class Writer {
	constructor(key, scope, reader) {
		this.key = key;
		this.scope = scope;
		this.reader = reader;
		this.credit = CREDIT_START;
		this.waiter = null;
		this.stopped = false;
		this.prevEnder = null;
		this.nextEnder = null;
	}
	wake() {
		if (this.waiter === null) return;
		const w = this.waiter;
		this.waiter = null;
		w.resolve();
	}
	/** Nobody reads any more: the routine's stream is cancelled. */
	stop(kind) {
		if (this.stopped) return;
		this.stopped = true;
		writers.delete(this.key);
		unhang(this.scope, this);
		try {
			quiet(this.reader.cancel(new TypeErr(`The body is no longer wanted: ${kind}`)));
		} catch {
			// the reader was released by somebody who got hold of it
		}
		this.wake();
	}
	ended(kind) {
		this.stop(kind);
	}
}
apart(Writer);

export function credit(key, n) {
	const w = writers.get(key);
	if (w === undefined) return;
	w.credit += n;
	w.wake();
}
export function bodyCancelled(key, kind) {
	const w = writers.get(key);
	if (w !== undefined) w.stop(kind);
}
export const writerScope = (key) => {
	const w = writers.get(key);
	return w === undefined ? undefined : w.scope;
};

/** Writes all of `reader` as the body `key`; resolves to undefined at its end, or to the error that
 * broke it off (which has been told to the node). strict: an upload, whose chunks are Uint8Arrays;
 * those of an answer may be any bytes. */
export async function sendStream(key, scope, reader, strict = false) {
	const w = new Writer(key, scope, reader);
	writers.set(key, w);
	hang(scope, w);
	try {
		for (;;) {
			const { done, value } = await nextChunk(reader);
			if (w.stopped) return undefined;
			if (done) break;
			if (strict ? !isView(value) || taTag(value) !== 'Uint8Array' : !isView(value) && !isArrayBuffer(value)) throw new TypeErr('A chunk of a body stream must be a Uint8Array');
			const bytes = viewBytes(value);
			const n = taLength(bytes);
			for (let at = 0; at < n; ) {
				if (w.credit <= 0) {
					w.waiter = new Deferred();
					await w.waiter.promise;
					if (w.stopped) return undefined;
					continue;
				}
				let step = n - at < FRAME_DATA ? n - at : FRAME_DATA;
				if (step > w.credit) step = w.credit;
				w.credit -= step;
				er.write(key, at === 0 && step === n ? bytes : u8Subarray(bytes, at, at + step));
				at += step;
			}
		}
		er.end(key);
		return undefined;
	} catch (e) {
		if (w.stopped) return undefined;
		er.abort(key, toText(e));
		try {
			quiet(reader.cancel(e));
		} catch {
			// see stop
		}
		return e === undefined ? new TypeErr('The body stream failed') : e;
	} finally {
		if (!w.stopped) {
			w.stopped = true;
			writers.delete(key);
			unhang(scope, w);
		}
	}
}
function toText(e) {
	try {
		return toStr(e);
	} catch {
		return 'error';
	}
}
