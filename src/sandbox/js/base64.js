// atob and btoa (HTML 8.3).
import * as er from './natives.js';
import { domString, need } from './webidl.js';
import { DOMException } from './dom-exception.js';

export function atob(data) {
	need(arguments.length, 1, "'atob'");
	const out = er.atob(domString(data));
	if (out === undefined) throw new DOMException('The string to be decoded is not correctly encoded', 'InvalidCharacterError');
	return out;
}
export function btoa(data) {
	need(arguments.length, 1, "'btoa'");
	const out = er.btoa(domString(data));
	if (out === undefined) throw new DOMException('The string to be encoded contains characters outside of the Latin1 range', 'InvalidCharacterError');
	return out;
}
