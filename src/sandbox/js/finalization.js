// FinalizationRegistry whose callbacks are paid for. The engine calls them when it is nobody's
// turn; here that call only takes note of what is to be done, and the routine's callback runs in a
// turn of the background.
import { TypeErr, apply, construct, defineProperty, getOwnPropertyDescriptor, ownKeys } from './primordials.js';
import { later } from './timers.js';

if (typeof FinalizationRegistry === 'function') {
	const Native = FinalizationRegistry;
	const FinalizationRegistry_ = function FinalizationRegistry(cleanupCallback) {
		if (!new.target) throw new TypeErr('calling FinalizationRegistry constructor without new is invalid');
		if (typeof cleanupCallback !== 'function') throw new TypeErr('FinalizationRegistry requires a callable cleanup callback');
		const call = (held) => apply(cleanupCallback, undefined, [held]);
		return construct(Native, [(held) => later(call, held)], new.target);
	};
	const keys = ownKeys(Native);
	for (let i = 0; i < keys.length; i++) defineProperty(FinalizationRegistry_, keys[i], getOwnPropertyDescriptor(Native, keys[i]));
	const constructor = getOwnPropertyDescriptor(Native.prototype, 'constructor');
	constructor.value = FinalizationRegistry_;
	defineProperty(Native.prototype, 'constructor', constructor);
	const global = getOwnPropertyDescriptor(globalThis, 'FinalizationRegistry');
	global.value = FinalizationRegistry_;
	defineProperty(globalThis, 'FinalizationRegistry', global);
}
