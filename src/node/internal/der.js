// As much of ASN.1 (DER) and PEM as keys are written in.
import { Buffer } from '../buffer.js';

/** { tag, body, all, next } of what begins at `at`. */
export function read(bytes, at = 0) {
	const tag = bytes[at];
	let length = bytes[at + 1], start = at + 2;
	if (length > 0x84 || length === 0x80) throw new TypeError('no DER');
	if (length > 0x80) {
		const n = length - 0x80;
		length = 0;
		for (let i = 0; i < n; i++) length = length * 256 + bytes[start + i];
		start += n;
	}
	if (!(start + length <= bytes.length)) throw new TypeError('no DER');
	return { tag, body: bytes.subarray(start, start + length), all: bytes.subarray(at, start + length), next: start + length };
}
/** What is in a sequence. */
export function parts(body) {
	const out = [];
	for (let at = 0; at < body.length; ) {
		const one = read(body, at);
		out.push(one);
		at = one.next;
	}
	return out;
}
export function write(tag, ...bodies) {
	const body = Buffer.concat(bodies);
	const n = body.length;
	const head = n < 0x80 ? [tag, n] : n < 0x100 ? [tag, 0x81, n] : n < 0x10000 ? [tag, 0x82, n >> 8, n & 255] : [tag, 0x83, n >> 16, (n >> 8) & 255, n & 255];
	return Buffer.concat([Buffer.from(head), body]);
}
export const SEQUENCE = 0x30, INTEGER = 2, BITS = 3, OCTETS = 4, OID = 6;
export const oid = (hex) => write(OID, Buffer.from(hex, 'hex'));
const unsigned = (bytes) => {
	let at = 0;
	while (at < bytes.length - 1 && bytes[at] === 0) at++;
	bytes = bytes.subarray(at);
	return bytes[0] & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
};
export const integer = (bytes) => write(INTEGER, unsigned(bytes));

/** r || s → SEQUENCE of two integers, and back: so many bytes each. */
export const signatureToDer = (raw) => write(SEQUENCE, integer(raw.subarray(0, raw.length / 2)), integer(raw.subarray(raw.length / 2)));
export function signatureFromDer(der, size) {
	const out = Buffer.alloc(2 * size);
	const pair = parts(read(der).body);
	pair.forEach(({ body }, i) => {
		let at = 0;
		while (at < body.length - 1 && body[at] === 0) at++;
		const digits = body.subarray(at);
		if (i > 1 || digits.length > size) throw new TypeError('no signature');
		out.set(digits, (i + 1) * size - digits.length);
	});
	return out;
}

/** { label, der } of the first block. */
export function fromPem(text) {
	const found = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/.exec(text);
	if (!found) return undefined;
	return { label: found[1], der: Buffer.from(found[2].replace(/^[\s\S]*?\n\r?\n/, (head) => (head.includes(':') ? '' : head)), 'base64'), encrypted: /ENCRYPTED/.test(found[0]) };
}
export const toPem = (label, der) => `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64').replace(/(.{64})(?=.)/g, '$1\n')}\n-----END ${label}-----\n`;
