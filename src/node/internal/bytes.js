// Bytes and text: base64 and Latin-1, by the engine or the sandbox where they can.

const CHUNK = 8192;
/** A character a byte. */
export function latin1Of(u8) {
	if (u8.length <= CHUNK) return String.fromCharCode.apply(null, u8);
	let text = '';
	for (let at = 0; at < u8.length; at += CHUNK) text += String.fromCharCode.apply(null, u8.subarray(at, at + CHUNK));
	return text;
}
export function toBase64(u8, url) {
	if (u8.toBase64 !== undefined) return url ? u8.toBase64({ alphabet: 'base64url', omitPadding: true }) : u8.toBase64();
	const text = btoa(latin1Of(u8));
	return url ? text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '') : text;
}

const VALUES = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++) VALUES['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.charCodeAt(i)] = i;
VALUES[45] = 62;
VALUES[95] = 63;
const CLEAN = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** As Node reads it: both alphabets, whatever else is there is skipped, and "=" ends it. */
export function fromBase64(text) {
	if (Uint8Array.fromBase64 !== undefined && CLEAN.test(text)) return Uint8Array.fromBase64(text);
	const out = new Uint8Array((text.length * 3) >>> 2);
	let n = 0, bits = 0, held = 0;
	for (let i = 0; i < text.length; i++) {
		const c = text.charCodeAt(i);
		if (c === 61) break;
		const value = c < 256 ? VALUES[c] : -1;
		if (value < 0) continue;
		bits = (bits << 6) | value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[n++] = (bits >> held) & 255;
		}
	}
	return out.subarray(0, n);
}
