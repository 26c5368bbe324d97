// WebAssembly without shared memories. memory.atomic.wait on one would stop the thread for ever at no cost of CPU, and there is nobody to wake it.
// The engine has no switch for that, so modules are looked at before it sees them. `new WebAssembly.Memory({shared: true})` is refused at the
// engine's start, so that a module cannot import one either.
import { construct, copyBytes, defineProperty, getOwnPropertyDescriptor, isArrayBuffer, isView, ownKeys, rejected, taLength } from './primordials.js';

const MEMORY_SECTION = 5;
const SHARED = 2;

/** Does a module declare a shared memory? What is malformed is left to the engine to refuse. */
function declaresShared(bytes) {
	const n = taLength(bytes);
	let at = 8; // magic and version
	const leb = (bits) => {
		let value = 0;
		for (let shift = 0; at < n && shift < bits; shift += 7) {
			const byte = bytes[at++];
			value += (byte & 0x7f) * 2 ** shift;
			if (byte < 0x80) return value;
		}
		return NaN;
	};
	while (at < n) {
		const id = bytes[at++];
		const size = leb(32);
		const end = at + size;
		if (!(end <= n)) return false;
		if (id === MEMORY_SECTION) {
			for (let left = leb(32); left > 0 && at < end; left--) {
				const flags = bytes[at];
				if (flags & SHARED) return true;
				leb(32);
				leb(64);
				if (flags & 1) leb(64);
			}
		}
		at = end;
	}
	return false;
}

if (typeof WebAssembly === 'object') {
	const W = WebAssembly;
	const { Module: Native, compile, instantiate, validate, CompileError } = W;
	const refusal = () => new CompileError('shared WebAssembly memories are not available');
	/** A copy, which nobody can change between our look and the engine's; what is not bytes is the engine's to refuse. */
	const own = (source) => (isView(source) || isArrayBuffer(source) ? copyBytes(source) : null);
	const put = (target, name, value) => {
		const d = getOwnPropertyDescriptor(target, name);
		d.value = value;
		defineProperty(target, name, d);
	};
	const asynchronous = (native, source, imports) => {
		let bytes;
		try {
			bytes = own(source);
		} catch (e) {
			return rejected(e);
		}
		if (bytes === null) return native(source, imports);
		return declaresShared(bytes) ? rejected(refusal()) : native(bytes, imports);
	};
	const Module = function Module(source) {
		if (!new.target) throw new TypeError('calling WebAssembly.Module constructor without new is invalid');
		const bytes = own(source);
		if (bytes !== null && declaresShared(bytes)) throw refusal();
		return construct(Native, [bytes ?? source], new.target);
	};
	const keys = ownKeys(Native);
	for (let i = 0; i < keys.length; i++) defineProperty(Module, keys[i], getOwnPropertyDescriptor(Native, keys[i]));
	put(Native.prototype, 'constructor', Module);
	put(W, 'Module', Module);
	const functions = {
		compile(source) {
			return asynchronous(compile, source);
		},
		instantiate(source, imports = undefined) {
			return asynchronous(instantiate, source, imports);
		},
		validate(source) {
			const bytes = own(source);
			return bytes !== null ? validate(bytes) && !declaresShared(bytes) : validate(source);
		},
	};
	for (const name in functions) put(W, name, functions[name]);
}
