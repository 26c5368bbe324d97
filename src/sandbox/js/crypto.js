// crypto: random values. The bytes come from the kernel.
import * as er from './natives.js';
import { TypeErr, isView, taByteLength, taTag, viewBytes } from './primordials.js';
import { INTERNAL, brand, finish, illegal, need } from './webidl.js';
import { DOMException } from './dom-exception.js';

const INTEGERS = { Int8Array: 1, Uint8Array: 1, Uint8ClampedArray: 1, Int16Array: 1, Uint16Array: 1, Int32Array: 1, Uint32Array: 1, BigInt64Array: 1, BigUint64Array: 1 };
Object.setPrototypeOf(INTEGERS, null);

export class Crypto {
	#brand;
	constructor(token = undefined) {
		if (token !== INTERNAL) throw illegal('Crypto');
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
