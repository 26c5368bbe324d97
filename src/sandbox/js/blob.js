// Blob and File (W3C File API), in memory. Bytes of a Blob are never changed, so slices share them.
import * as er from './natives.js';
import {
	bareList, TypeErr, abSlice, concatBytes, copyBytes, isArrayBuffer, isView, lower, regexp, replaceAllOf, resolved, rejected, symIterator, taBuffer, taByteLength, taByteOffset,
	taLength, u8Subarray, join, strSplit, walk,
} from './primordials.js';
import { INTERNAL, brand, dictionary, domString, finish, isObject, need, toInteger, usvString } from './webidl.js';
import { LazyStream } from './streams-lazy.js';

const EMPTY = new Uint8Array(0);
const NOT_TYPE = regexp(/[^\x20-\x7e]/);
const normalType = (t) => (NOT_TYPE.exec(t) === null ? lower(t) : '');

export let isBlob;
export let isFile;
export let blobBytes;
export let blobType;
export let makeBlob;
export let makeFile;

export class Blob {
	#bytes = EMPTY;
	#type = '';
	constructor(parts = undefined, options = undefined, type = '') {
		if (parts === INTERNAL) {
			this.#bytes = options;
			this.#type = type;
			return;
		}
		// Everything is converted, in order, before any bytes are taken: converting may run code.
		const list = parts === undefined ? [] : partsOf(parts);
		options = dictionary(options, 'The options of a Blob');
		const { endings: given = 'transparent' } = options;
		const endings = domString(given);
		if (endings !== 'transparent' && endings !== 'native') throw new TypeErr(`The option 'endings' of a Blob cannot be '${endings}'`);
		const { type: wanted = '' } = options;
		this.#type = normalType(domString(wanted));
		const chunks = bareList();
		let total = 0;
		for (let i = 0; i < list.length; i++) {
			const part = list[i];
			const b = typeof part === 'string' ? er.utf8Encode(endings === 'native' ? unix(part) : part) : isBlob(part) ? part.#bytes : copyBytes(part);
			chunks[i] = b;
			total += taLength(b);
		}
		if (chunks.length > 0) this.#bytes = concatBytes(chunks, total);
	}
	get size() {
		return taLength(this.#bytes);
	}
	get type() {
		return this.#type;
	}
	slice(start = 0, end = undefined, contentType = '') {
		if (!isBlob(this)) throw brand('Blob', 'slice');
		const n = taLength(this.#bytes);
		const at = (v) => (v < 0 ? (n + v > 0 ? n + v : 0) : v < n ? v : n);
		const from = at(toInteger(start));
		const to = end === undefined ? n : at(toInteger(end));
		return new Blob(INTERNAL, u8Subarray(this.#bytes, from, to > from ? to : from), normalType(domString(contentType)));
	}
	arrayBuffer() {
		if (!isBlob(this)) return rejected(brand('Blob', 'arrayBuffer'));
		const b = this.#bytes;
		return resolved(abSlice(taBuffer(b), taByteOffset(b), taByteOffset(b) + taByteLength(b)));
	}
	bytes() {
		if (!isBlob(this)) return rejected(brand('Blob', 'bytes'));
		return resolved(copyBytes(this.#bytes));
	}
	text() {
		if (!isBlob(this)) return rejected(brand('Blob', 'text'));
		return resolved(er.utf8Decode(this.#bytes, false, false));
	}
	stream() {
		if (!isBlob(this)) throw brand('Blob', 'stream');
		return new LazyStream(this.#bytes);
	}
	static {
		isBlob = (b) => isObject(b) && #bytes in b;
		blobBytes = (b) => b.#bytes;
		blobType = (b) => b.#type;
		makeBlob = (bytes, type) => new Blob(INTERNAL, bytes, type);
	}
}
/** A sequence of strings, Blobs and buffers. */
function partsOf(parts) {
	if (!isObject(parts)) throw new TypeErr('The parts of a Blob must be an array');
	const begin = parts[symIterator];
	if (typeof begin !== 'function') throw new TypeErr('The parts of a Blob must be iterable');
	const out = bareList();
	walk(parts, begin, (part) => {
		out[out.length] = isBlob(part) || isView(part) || isArrayBuffer(part) ? part : usvString(part);
	});
	return out;
}
const unix = (s) => join(strSplit(replaceAllOf(s, '\r\n', '\n'), '\r'), '\n');
finish(Blob, 'Blob', 0);

export class File extends Blob {
	#name;
	#modified;
	constructor(parts, name, options = undefined) {
		if (parts === INTERNAL) {
			super(INTERNAL, options.bytes, options.type);
			this.#name = name;
			this.#modified = options.modified;
			return;
		}
		need(arguments.length, 2, "'constructor' on 'File'");
		if (!isObject(parts)) throw new TypeErr('The parts of a File must be an array');
		super(parts, options);
		this.#name = usvString(name);
		const m = options === undefined || options === null ? undefined : options.lastModified;
		this.#modified = m === undefined ? er.now() : toInteger(m);
	}
	get name() {
		return this.#name;
	}
	get lastModified() {
		return this.#modified;
	}
	get webkitRelativePath() {
		return '';
	}
	static {
		isFile = (f) => isObject(f) && #name in f;
		makeFile = (bytes, type, name, modified = er.now()) => new File(INTERNAL, name, { bytes, type, modified });
	}
}
finish(File, 'File', 2);
