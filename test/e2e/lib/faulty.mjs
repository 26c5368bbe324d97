// Faults below a node: its disk is slow, fails or is full, or its clock is wrong, as the test says
// at any time. A library that is preloaded (test/tools/faulty.c) reads them from a file of words.
import fs from 'node:fs'
import path from 'node:path'
import { er, sanitized } from './node.mjs'

const WORDS = ['clockS', 'readMs', 'readErrno', 'writeMs', 'writeErrno', 'room', 'reads']

export const library = path.join(path.dirname(er), 'test/faulty.so')
/** A sanitizer wants to be the first library of its program. */
export const skip = sanitized ? 'not with a sanitizer' : fs.existsSync(library) ? false : `${library} is not built`

/** {env, set({readMs, ...}), clear(), reads}: `env` is for startNode; files in DIR/disk
 * are meant. */
export function faults(dir) {
	const file = path.join(dir, 'faults')
	fs.writeFileSync(file, Buffer.alloc(8 * WORDS.length))
	const fd = fs.openSync(file, 'r+')
	const set = what => {
		for (const [name, value] of Object.entries(what)) {
			const word = Buffer.alloc(8)
			word.writeBigInt64LE(BigInt(value))
			fs.writeSync(fd, word, 0, 8, 8 * WORDS.indexOf(name))
		}
	}
	return {
		env: { LD_PRELOAD: library, ER_FAULTS: file, ER_FAULTS_UNDER: path.join(dir, 'disk') },
		set,
		clear: () => set(Object.fromEntries(WORDS.slice(0, -1).map(name => [name, 0]))),
		/** Reads that were slowed down, or failed. */
		get reads() {
			const word = Buffer.alloc(8)
			fs.readSync(fd, word, 0, 8, 8 * WORDS.indexOf('reads'))
			return Number(word.readBigInt64LE())
		},
		end: () => fs.closeSync(fd),
	}
}
