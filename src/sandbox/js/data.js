// Data on the node: the one way in which kv.js, and every other kind, asks for it. A question is a
// subrequest (its body relayed, streamed, cancelled and counted as any other) whose answer becomes
// what the kind makes of it, and no Response by itself.
import { FETCH_DATA_ASSETS, FETCH_DATA_CACHE, FETCH_DATA_KV, FETCH_PULL } from './contract.js';
import { rejected } from './primordials.js';
import { askNode } from './fetch.js';

export const KV = FETCH_DATA_KV;
export const CACHE = FETCH_DATA_CACHE;
export const ASSETS = FETCH_DATA_ASSETS;
/** With a kind: all of the body will be read, so the node sends it at once. */
export const READS = FETCH_PULL;

/**
 * `what`: what was called, for the sentence of an error. `target`: what that kind calls a thing,
 * any well-formed string. `block`: fields, as "name\nvalue\n" each, a character a byte. `raw`: the
 * body, as body.js has it (null, string, Uint8Array, NodeBody, stream), not used yet. A promise of
 * what `take(status, block, body, reason)` returns; body is a NodeBody or null. It rejects with
 * the node's sentence if the question failed.
 */
export function ask(what, kind, method, target, block, raw, take) {
	try {
		return askNode(what, kind, method, target, block, raw, take);
	} catch (e) {
		return rejected(e);
	}
}
