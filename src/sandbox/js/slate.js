// Short answers leave without a call into C, which costs more than all the rest of them: they are written on a slate, memory that C
// looks at when the turn ends (NATIVES.md). It holds one answer; a second one of the same turn, or a longer one, goes by er.respond.
import * as er from './natives.js';

const words = er.slateWords; // id (0: the slate is empty), status, flags, lengths of reason, block and body, key
const bytes = er.slateBytes; // the three, each at its place
const BLOCK_MAX = 600, LINES_MAX = 200; // two lines a field; more than 100 fields are for er.respond to refuse
const REASON_AT = 600, REASON_MAX = 64;
const BODY_AT = 664;
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

/** Reason and block are bytes by now, as Latin-1; what is above that is for er.respond to refuse. */
function putBlock(block, n) {
	if (block === written) return true;
	written = '';
	let all = 0, lines = 0;
	for (let i = 0; i < n; i++) {
		const c = block.charCodeAt(i);
		if (c === 10) lines++;
		all |= c;
		bytes[i] = c;
	}
	if (all > 255 || lines > LINES_MAX) return false;
	written = block;
	return true;
}

/** False: not for the slate. `body`: a string or undefined; `key`: of the body to relay, if the flags say so. */
export function answerBySlate(id, status, reason, block, body, flags, key) {
	if (words === undefined || words[0] !== 0 || proto.charCodeAt !== charCodeAt) return false;
	const r = reason.length, b = block.length, n = body === undefined ? 0 : body.length;
	if (r > REASON_MAX || b > BLOCK_MAX || n > BODY_MAX) return false;
	// A body is sent as UTF-8.
	if (!putBlock(block, b) || (r > 0 && put(reason, r, REASON_AT) > 255) || (n > 0 && put(body, n, BODY_AT) > 127)) return false;
	words[1] = status;
	words[2] = flags;
	words[3] = r;
	words[4] = b;
	words[5] = n;
	words[6] = key;
	words[0] = id;
	return true;
}
