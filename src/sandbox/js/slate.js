// Short answers leave without a call into C, which costs more than all the rest of them: they are written on a slate, memory that C
// looks at when the turn ends (NATIVES.md). It holds one answer; a second one of the same turn, or a longer one, goes by er.respond.
import * as er from './natives.js';

const words = er.slateWords; // id (0: the slate is empty), status, flags, lengths of reason, block and body
const bytes = er.slateBytes; // the three, each at its place
const BLOCK_MAX = 300; // of at least three characters a field: never more than 100 fields
const REASON_AT = 304, REASON_MAX = 64;
const BODY_AT = 368;
const BODY_MAX = 600; // beyond it the engine's own copying is faster

// The engine turns s.charCodeAt(i) into one instruction, but not a call of the captured function. So the method is called as
// such, if the routine has left it as it was.
const proto = String.prototype;
const { charCodeAt } = proto;

/** Writes s at `at`; the OR of all its characters. */
function put(s, n, at) {
	let all = 0;
	for (let i = 0; i < n; i++) {
		const c = s.charCodeAt(i);
		all |= c;
		bytes[at + i] = c;
	}
	return all;
}

let written = ''; // the block that is still there from the last answer

/** False: not for the slate. `body`: a string or undefined. */
export function answerBySlate(id, status, reason, block, body, flags) {
	if (words === undefined || words[0] !== 0 || proto.charCodeAt !== charCodeAt) return false;
	const r = reason.length, b = block.length, n = body === undefined ? 0 : body.length;
	if (r > REASON_MAX || b > BLOCK_MAX || n > BODY_MAX) return false;
	// Reason and block are bytes by now, as Latin-1; what is above that is for er.respond to refuse. A body is UTF-8.
	if (block !== written) {
		written = '';
		if (put(block, b, 0) > 255) return false;
		written = block;
	}
	if ((r > 0 && put(reason, r, REASON_AT) > 255) || (n > 0 && put(body, n, BODY_AT) > 127)) return false;
	words[1] = status;
	words[2] = flags;
	words[3] = r;
	words[4] = b;
	words[5] = n;
	words[0] = id;
	return true;
}
