// node:timers/promises.
import { AbortError } from './internal/errors.js';
import { validateAbortSignal, validateBoolean, validateNumber, validateObject } from './internal/validators.js';

const start = (...args) => globalThis.setTimeout(...args), repeat = (...args) => globalThis.setInterval(...args), soon = (...args) => globalThis.setImmediate(...args);
const { clearTimeout: stop, clearInterval: stopRepeat, clearImmediate: stopSoon } = globalThis;
function promised(set, clear, value, options) {
	validateObject(options, 'options');
	const { signal, ref = true } = options;
	validateAbortSignal(signal, 'options.signal');
	validateBoolean(ref, 'options.ref');
	if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
	return new Promise((resolve, reject) => {
		const aborted = () => {
			clear(id);
			reject(new AbortError(undefined, { cause: signal.reason }));
		};
		const id = set(() => {
			signal?.removeEventListener('abort', aborted);
			resolve(value);
		});
		signal?.addEventListener('abort', aborted, { once: true });
	});
}
export async function setTimeout(delay, value, options = {}) {
	if (delay !== undefined) validateNumber(delay, 'delay');
	return promised((fn) => start(fn, delay), stop, value, options);
}
export async function setImmediate(value, options = {}) {
	return promised((fn) => soon(fn), stopSoon, value, options);
}
export async function* setInterval(delay, value, options = {}) {
	validateObject(options, 'options');
	const { signal } = options;
	validateAbortSignal(signal, 'options.signal');
	if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
	let due = 0, wake;
	const id = repeat(() => {
		due++;
		wake?.();
	}, delay);
	const aborted = () => wake?.();
	signal?.addEventListener('abort', aborted, { once: true });
	try {
		while (!signal?.aborted) {
			if (due === 0) await new Promise((resolve) => (wake = resolve));
			for (; due > 0; due--) yield value;
		}
		throw new AbortError(undefined, { cause: signal.reason });
	} finally {
		stopRepeat(id);
		signal?.removeEventListener('abort', aborted);
	}
}
export const scheduler = {
	wait: (delay, options) => setTimeout(delay, undefined, options),
	yield: () => setImmediate(),
};
export default { setTimeout, setImmediate, setInterval, scheduler };
