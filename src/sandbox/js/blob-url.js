// URL.createObjectURL would make names for bytes that outlive their request; a routine has no use
// for them and gets told so.
import { TypeErr } from './primordials.js';
import { DOMException } from './dom-exception.js';
import { isBlob } from './blob.js';

export function createObjectURL(object) {
	if (!isBlob(object)) throw new TypeErr("The argument of 'createObjectURL' must be a Blob");
	throw new DOMException('Object URLs are not supported here: pass the Blob itself', 'NotSupportedError');
}
export function revokeObjectURL() {}
