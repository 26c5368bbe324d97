// A member of a module of Node.js that the edge has not: it can be imported, tested for and
// extended, and says what to use instead when it is called.
import { ERR_FEATURE_UNAVAILABLE } from './errors.js';

export function missing(name, instead) {
	const fn = function () {
		throw new ERR_FEATURE_UNAVAILABLE(name, instead);
	};
	Object.defineProperty(fn, 'name', { value: name.slice(name.lastIndexOf('.') + 1) });
	return fn;
}
