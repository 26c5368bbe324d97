// WebAssembly without shared memories. memory.atomic.wait on one would stop the thread for ever at no cost of CPU, and there is nobody to wake it.
// The engine has no switch for that, so C looks at a module's bytes before the engine does; nothing of the routine's runs in between.
// `new WebAssembly.Memory({shared: true})` is refused at the engine's start (engine.c), so that a module cannot import one either.
import { construct, copyBytes, defineProperty, getOwnPropertyDescriptor, isView, ownKeys, rejected } from './primordials.js';
import { wasmShared } from './natives.js';

if (typeof WebAssembly === 'object') {
	const W = WebAssembly;
	const { Module: Native, compile, instantiate, validate, CompileError } = W;
	const refusal = () => new CompileError('shared WebAssembly memories are not available');
	/** What is not bytes (a Module, or nonsense) is the engine's. A DataView is not bytes to the engine's C API. */
	const refused = (source) => wasmShared(source) ?? (isView(source) ? wasmShared(copyBytes(source)) : false);
	const put = (target, name, value) => {
		const d = getOwnPropertyDescriptor(target, name);
		d.value = value;
		defineProperty(target, name, d);
	};
	const Module = function Module(source) {
		if (!new.target) throw new TypeError('calling WebAssembly.Module constructor without new is invalid');
		if (refused(source)) throw refusal();
		return construct(Native, [source], new.target);
	};
	const keys = ownKeys(Native);
	for (let i = 0; i < keys.length; i++) defineProperty(Module, keys[i], getOwnPropertyDescriptor(Native, keys[i]));
	put(Native.prototype, 'constructor', Module);
	put(W, 'Module', Module);
	const functions = {
		compile(source) {
			return refused(source) ? rejected(refusal()) : compile(source);
		},
		instantiate(source, imports = undefined) {
			return refused(source) ? rejected(refusal()) : instantiate(source, imports);
		},
		validate(source) {
			return !refused(source) && validate(source);
		},
	};
	for (const name in functions) put(W, name, functions[name]);
}
