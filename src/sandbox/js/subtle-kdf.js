// HKDF and PBKDF2 (Web Crypto 32 and 33).
import * as er from './natives.js';
import { register } from './subtle-algorithms.js';
import { done, makeKey, onlyUsages, operation, secretOf, syntax, unsupported } from './subtle-key.js';
import { algorithmIdentifier, bufferSource, unsignedLong } from './subtle-webidl.js';

const USED = ['deriveKey', 'deriveBits'];
const importKey = (name) => (p, format, keyData, extractable, usages) => {
	if (format !== 'raw') throw unsupported(`${name} keys have no format '${format}'`);
	onlyUsages(usages, USED, name);
	if (extractable) throw syntax(`${name} keys cannot be extractable`);
	return makeKey(secretOf(keyData), 'secret', { name }, false, usages);
};
function bytesFor(bits) {
	if (bits === null || bits % 8 !== 0) throw operation('The length must be a multiple of 8');
	return bits / 8;
}
const FAILED = 'There are no such bits';

register('HKDF', {
	importKey: { run: importKey('HKDF') },
	'get key length': { run: () => null },
	deriveBits: {
		shape: [['hash', algorithmIdentifier, true], ['info', bufferSource, true], ['salt', bufferSource, true]],
		run: (p, key, bits) => done(er.hkdf(/* hash */ p.hash.number, /* key */ key.handle, /* salt */ p.salt, /* info */ p.info, /* length */ bytesFor(bits)), FAILED),
	},
});
register('PBKDF2', {
	importKey: { run: importKey('PBKDF2') },
	'get key length': { run: () => null },
	deriveBits: {
		shape: [['hash', algorithmIdentifier, true], ['iterations', unsignedLong, true], ['salt', bufferSource, true]],
		// the standard declares `salt` first: what a getter of the hash does to it comes too late
		order: [['salt', bufferSource], ['hash', algorithmIdentifier]],
		run(p, key, bits) {
			const length = bytesFor(bits);
			if (length === 0 || p.iterations === 0) throw operation('There must be bits, and an iteration');
			return done(er.pbkdf2(/* hash */ p.hash.number, /* key */ key.handle, /* salt */ p.salt, /* iterations */ p.iterations, /* length */ length), FAILED);
		},
	},
});
