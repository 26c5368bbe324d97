// Normalizing an algorithm (Web Crypto 18.4): which one is meant, and its parameters, each read
// once and in order, then buffers copied and hashes normalized.
import { create, lower, upper } from './primordials.js';
import { isObject } from './webidl.js';
import { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512 } from './contract.js';
import { unsupported } from './subtle-key.js';
import { algorithmIdentifier, bigInteger, bufferSource, copyOf, members, text } from './subtle-webidl.js';

const registered = { __proto__: null }; // name, and in upper case → algorithm
/** The algorithm of a name in any case; letters beyond ASCII are never equal to one of ASCII. */
function find(name) {
	const known = registered[name] ?? registered[upper(name)];
	return known !== undefined && (registered[name] !== undefined || lower(name) === lower(known.name)) ? known : undefined;
}

/** An algorithm: its name, and for each operation that it has {shape, order?, run}. `shape`: the
 * members of the operation's dictionary (subtle-webidl.js); `order`: those members, as the standard
 * declares them, if a buffer stands before a hash there. */
export function register(name, operations) {
	const algorithm = create(null);
	for (const key in operations) algorithm[key] = operations[key];
	algorithm.name = name;
	registered[upper(name)] = registered[name] = algorithm;
}

const NAME = [['name', text, true]];
const NONE = [];
/** → {name, algorithm, operation, and the dictionary's members}. `other`: an operation that does if
 * the algorithm does not have the first. */
export function normalize(alg, op, other = op) {
	const given = isObject(alg);
	const name = given ? members({ __proto__: null }, alg, NAME, 'An algorithm').name : alg;
	const algorithm = find(name);
	const operation = algorithm === undefined ? undefined : (algorithm[op] ?? algorithm[other]);
	if (operation === undefined) throw unsupported(`'${name}' is no algorithm that can be used for ${op}`);
	const out = { __proto__: null, name: algorithm.name, algorithm, operation };
	const shape = operation.shape ?? NONE;
	if (shape.length === 0) return out;
	members(out, given ? alg : create(null), shape, algorithm.name);
	const order = operation.order ?? shape;
	for (let i = 0; i < order.length; i++) {
		const key = order[i][0], convert = order[i][1], value = out[key];
		if (value === undefined) continue;
		if (convert === bufferSource || convert === bigInteger) out[key] = copyOf(value);
		else if (convert === algorithmIdentifier) out[key] = normalizeHash(value);
	}
	return out;
}
function normalizeHash(value) {
	const hash = normalize(value, 'digest').algorithm;
	if (hash.number === HASH_MD5) throw unsupported('MD5 is for digest alone');
	return hash;
}

// Hashes: `bytes` of the result, `block` in bits, and how JOSE calls what is made with them.
register('SHA-1', { digest: {}, number: HASH_SHA1, bytes: 20, block: 512, jose: '1' });
register('SHA-256', { digest: {}, number: HASH_SHA256, bytes: 32, block: 512, jose: '256' });
register('SHA-384', { digest: {}, number: HASH_SHA384, bytes: 48, block: 1024, jose: '384' });
register('SHA-512', { digest: {}, number: HASH_SHA512, bytes: 64, block: 1024, jose: '512' });
register('MD5', { digest: {}, number: HASH_MD5, bytes: 16, block: 512, jose: '' });
/** A hash by its own name. */
export const hashOf = (name) => registered[name];
