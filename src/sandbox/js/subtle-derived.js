// How many bits of a secret are given out.
import { U8, taByteLength, taLength, u8Fill } from './primordials.js';
import { operation } from './subtle-key.js';

/** The first bits of what two keys agreed on; null: all of them. Bits beyond the last whole byte
 * are its first ones, the others 0. */
export function firstBits(secret, bits) {
	if (bits === null) return secret;
	if (bits > taByteLength(secret) * 8) throw operation('The secret has fewer bits');
	// No slice: that asks the secret for its constructor, and a routine's getter would see it.
	const out = new U8((bits + 7) >> 3);
	for (let i = 0; i < taLength(out); i++) out[i] = secret[i];
	u8Fill(secret, 0);
	if (bits % 8 !== 0) out[taLength(out) - 1] &= 0xff00 >> bits % 8;
	return out;
}
