// data: URLs for fetch (WHATWG Fetch 6).
import * as er from './natives.js';
import { U8, charCode, regexp, strIndexOf, strSlice, taLength, trim, u8Subarray } from './primordials.js';
import { dataThrough } from './fetch.js';
import { nodeResponse } from './response.js';

const hex = (c) => (c >= 48 && c <= 57 ? c - 48 : c >= 65 && c <= 70 ? c - 55 : c >= 97 && c <= 102 ? c - 87 : -1);
/** The bytes that a percent-encoded text stands for (URL Standard 1.3). */
export function percentDecode(s) {
	const from = er.utf8Encode(s);
	const n = taLength(from);
	const to = new U8(n);
	let k = 0;
	for (let i = 0; i < n; i++) {
		const a = from[i] === 37 && i + 2 < n ? hex(from[i + 1]) : -1;
		const b = a < 0 ? -1 : hex(from[i + 2]);
		if (b >= 0) {
			to[k++] = a * 16 + b;
			i += 2;
		} else to[k++] = from[i];
	}
	return u8Subarray(to, 0, k);
}
const BASE64 = regexp(/; *base64$/i);
const TYPE = regexp(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+[\t ]*(;|$)/);

dataThrough((url, method) => {
	const hash = strIndexOf(url, '#');
	const body = strSlice(url, 5, hash < 0 ? url.length : hash);
	const comma = strIndexOf(body, ',');
	if (comma < 0) return undefined;
	let type = trim(strSlice(body, 0, comma));
	let bytes = percentDecode(strSlice(body, comma + 1));
	if (BASE64.exec(type) !== null) {
		const decoded = er.atob(er.latin1(bytes));
		if (decoded === undefined) return undefined;
		bytes = new U8(decoded.length);
		for (let i = 0; i < decoded.length; i++) bytes[i] = charCode(decoded, i);
		type = trim(strSlice(type, 0, BASE64.exec(type).index));
	}
	if (type[0] === ';') type = `text/plain${type}`;
	if (TYPE.exec(type) === null) type = 'text/plain;charset=US-ASCII';
	return nodeResponse(200, 'OK', `content-type\n${type}\n`, url, method === 'HEAD' ? null : bytes, null);
});
