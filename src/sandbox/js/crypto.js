// crypto: random values, whose bytes come from the kernel; the rest is the lazy script "subtle".
import * as er from './natives.js';
import { TypeErr, isView, taByteLength, taTag, viewBytes } from './primordials.js';
import { INTERNAL, brand, finish, illegal, need } from './webidl.js';
import { DOMException } from './dom-exception.js';
import { shared } from './shared.js';

const INTEGERS = { Int8Array: 1, Uint8Array: 1, Uint8ClampedArray: 1, Int16Array: 1, Uint16Array: 1, Int32Array: 1, Uint32Array: 1, BigInt64Array: 1, BigUint64Array: 1 };
Object.setPrototypeOf(INTEGERS, null);

let subtle_ = null;
/** SubtleCrypto, CryptoKey, their one instance, and what the prelude asks of them; loaded at the
 * first touch. */
export const subtle = () => (subtle_ ??= er.lazy('subtle')(shared()));
/** The slots of a CryptoKey; undefined if it is none. */
export const keySlots = (v) => (subtle_ === null ? undefined : subtle_.slotsOf(v));

export class Crypto {
	#brand;
	constructor(token = undefined) {
		if (token !== INTERNAL) throw illegal('Crypto');
	}
	get subtle() {
		if (!(#brand in this)) throw brand('Crypto', 'subtle');
		return subtle().subtle;
	}
	getRandomValues(array) {
		if (!(#brand in this)) throw brand('Crypto', 'getRandomValues');
		need(arguments.length, 1, "'getRandomValues' on 'Crypto'");
		if (!isView(array)) throw new TypeErr("The argument of 'getRandomValues' must be a typed array");
		const tag = taTag(array);
		if (INTEGERS[tag] !== 1) throw new DOMException(`getRandomValues fills typed arrays of integers, not ${tag ?? 'a DataView'}`, 'TypeMismatchError');
		if (taByteLength(array) > 65536) throw new DOMException('getRandomValues gives at most 65536 bytes at a time', 'QuotaExceededError');
		if (taByteLength(array) > 0) er.randomFill(viewBytes(array));
		return array;
	}
	randomUUID() {
		if (!(#brand in this)) throw brand('Crypto', 'randomUUID');
		return er.randomUUID();
	}
}
finish(Crypto, 'Crypto', 0);
export const crypto = new Crypto(INTERNAL);
