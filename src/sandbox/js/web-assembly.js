// WebAssembly without shared memories. memory.atomic.wait on one would stop the thread for ever at no cost of CPU, and there is nobody to wake it.
// The engine has no switch for that, so C looks at a module's bytes before the engine does; nothing of the routine's runs in between.
// `new WebAssembly.Memory({shared: true})` is refused at the engine's start (engine.c), so that a module cannot import one either.
//
// What the engine finishes on other threads it hands over outside any request's turn. What follows from that - the start function, and whatever
// the routine does with the result - runs in a turn of the request that asked, which pays for it.
import { PromiseCtor, construct, copyBytes, defineProperty, getOwnPropertyDescriptor, hasInstance, isView, ownKeys, rejected, then } from './primordials.js';
import { wasmShared } from './natives.js';
import { TOP, current } from './scope.js';
import { deliver } from './timers.js';

if (typeof WebAssembly === 'object') {
	const W = WebAssembly;
	const { Module: Native, Instance, compile, instantiate, validate, CompileError } = W;
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
	const follow = (scope, promise, fn) =>
		new PromiseCtor((resolve, reject) => {
			const run = (value) => {
				try {
					resolve(fn(value));
				} catch (e) {
					reject(e);
				}
			};
			then(promise, (value) => deliver(scope, () => run(value)), (e) => deliver(scope, () => reject(e)));
		});
	const functions = {
		compile(source) {
			if (refused(source)) return rejected(refusal());
			return current === TOP ? compile(source) : follow(current, compile(source), (module) => module);
		},
		instantiate(source, imports = undefined) {
			if (refused(source)) return rejected(refusal());
			if (current === TOP) return instantiate(source, imports);
			// Of a module nothing is left to do elsewhere: at once, in the turn of whoever asks.
			if (hasInstance(Native, source))
				return new PromiseCtor((resolve) => {
					resolve(new Instance(source, imports));
				});
			return follow(current, compile(source), (module) => ({ module, instance: new Instance(module, imports) }));
		},
		validate(source) {
			return !refused(source) && validate(source);
		},
	};
	for (const name in functions) put(W, name, functions[name]);
}
