// WebAssembly without shared memories. memory.atomic.wait on one would stop the thread for ever at
// no cost of CPU, and there is nobody to wake it. The engine has no switch for that, so C looks at
// a module's bytes before the engine does; nothing of the routine's runs in between. `new
// WebAssembly.Memory({shared: true})` is refused at the engine's start (engine.c), so that a module
// cannot import one either.
//
// The engine compiles modules on a thread of its own. Whoever asks waits for it here, also where
// the result is a promise: so the turn that asks pays for the compilers, and for the start function
// and whatever follows, and nothing of the routine runs when it is nobody's turn.
import { TypeErr, construct, copyBytes, defineProperty, getOwnPropertyDescriptor, hasInstance, isView, ownKeys, rejected, resolved } from './primordials.js';
import { compileBegin, compileEnd, wasmShared } from './natives.js';

if (typeof WebAssembly === 'object') {
	const W = WebAssembly;
	const { Module: NativeModule, Instance: NativeInstance, validate, CompileError } = W;
	const refusal = () => new CompileError('shared WebAssembly memories are not available');
	/** What is not bytes (a Module, or nonsense) is the engine's. A DataView is not bytes to the
	 * engine's C API. */
	const refused = (source) => wasmShared(source) ?? (isView(source) ? wasmShared(copyBytes(source)) : false);
	const put = (target, name, value) => {
		const d = getOwnPropertyDescriptor(target, name);
		d.value = value;
		defineProperty(target, name, d);
	};
	const compiled = (make) => {
		compileBegin();
		try {
			return make();
		} finally {
			compileEnd();
		}
	};
	const moduleOf = (source, target) => {
		if (refused(source)) throw refusal();
		return compiled(() => construct(NativeModule, [source], target));
	};
	const instanceOf = (module, imports, target) => compiled(() => construct(NativeInstance, [module, imports], target));
	const promised = (make) => {
		try {
			return resolved(make());
		} catch (e) {
			return rejected(e);
		}
	};
	/** The engine's constructor behind one of ours, with the same prototype and the same
	 * properties. */
	const replace = (name, native, ours) => {
		const keys = ownKeys(native);
		for (let i = 0; i < keys.length; i++) defineProperty(ours, keys[i], getOwnPropertyDescriptor(native, keys[i]));
		put(native.prototype, 'constructor', ours);
		put(W, name, ours);
	};
	replace('Module', NativeModule, function Module(source) {
		if (!new.target) throw new TypeErr('calling WebAssembly.Module constructor without new is invalid');
		return moduleOf(source, new.target);
	});
	replace('Instance', NativeInstance, function Instance(module, imports = undefined) {
		if (!new.target) throw new TypeErr('calling WebAssembly.Instance constructor without new is invalid');
		return instanceOf(module, imports, new.target);
	});
	const functions = {
		compile(source) {
			return promised(() => moduleOf(source, NativeModule));
		},
		instantiate(source, imports = undefined) {
			return promised(() => {
				if (hasInstance(NativeModule, source)) return instanceOf(source, imports, NativeInstance);
				const module = moduleOf(source, NativeModule);
				return { module, instance: instanceOf(module, imports, NativeInstance) };
			});
		},
		validate(source) {
			return !refused(source) && compiled(() => validate(source));
		},
	};
	for (const name in functions) put(W, name, functions[name]);
}
