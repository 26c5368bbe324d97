// The `integrity` of a fetch (Subresource Integrity 3.3): the answer is read whole, and one of the
// digests is its own, or the fetch fails.
import * as er from './natives.js';
import { HASH_SHA256, HASH_SHA384, HASH_SHA512 } from './contract.js';
import { TypeErr, arrayIncludes, arrayIndexOf, lower, regexp, replaceAllOf, strSplit } from './primordials.js';
import { rawBytes } from './body.js';
import { rawOfResponse, spendResponse } from './response.js';

const METADATA = regexp(/^(sha256|sha384|sha512)-([A-Za-z0-9+/_-]+={0,2})(\?[!-~]*)?$/i);
const SPACE = regexp(/[\t\n\f\r ]/);
const HASHES = ['sha256', 'sha384', 'sha512'];
const NUMBERS = [HASH_SHA256, HASH_SHA384, HASH_SHA512];

/** The strongest digests that are given: { strength, values }; undefined: there is none. */
function strongest(text) {
	let best = -1, values = [];
	let word = '';
	for (let i = 0; i <= text.length; i++) {
		const end = i === text.length || SPACE.exec(text[i]) !== null;
		if (!end) {
			word += text[i];
			continue;
		}
		const m = METADATA.exec(word);
		word = '';
		if (m === null) continue;
		const strength = arrayIndexOf(HASHES, lower(m[1]));
		if (strength < best) continue;
		if (strength > best) values = [];
		best = strength;
		values[values.length] = replaceAllOf(replaceAllOf(replaceAllOf(m[2], '-', '+'), '_', '/'), '=', '');
	}
	return best < 0 ? undefined : { strength: best, values };
}
/** The promise of a fetch, held to its integrity. */
export async function intact(promise, integrity) {
	const wanted = strongest(integrity);
	const response = await promise;
	if (wanted === undefined) return response;
	const raw = rawOfResponse(response);
	const bytes = await rawBytes(raw);
	const digest = er.btoa(er.latin1(er.digest(NUMBERS[wanted.strength], bytes)));
	if (!arrayIncludes(wanted.values, replaceAllOf(digest, '=', ''))) throw new TypeErr(`fetch failed: the answer is not the one of its integrity: its ${HASHES[wanted.strength]} is ${digest}`);
	if (raw !== null) spendResponse(response, bytes);
	return response;
}
