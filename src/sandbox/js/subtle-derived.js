// How many bits of a secret are given out.
import { taByteLength, taLength, u8Slice } from './primordials.js';
import { operation } from './subtle-key.js';

/** The first bits of what two keys agreed on; null: all of them. Bits beyond the last whole byte
 * are its first ones, the others 0. */
export function firstBits(secret, bits) {
	if (bits === null) return secret;
	if (bits > taByteLength(secret) * 8) throw operation('The secret has fewer bits');
	const out = u8Slice(secret, 0, (bits + 7) >> 3);
	if (bits % 8 !== 0) out[taLength(out) - 1] &= 0xff00 >> bits % 8;
	return out;
}
