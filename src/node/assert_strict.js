// node:assert/strict.
import { strict } from './assert.js';
export { AssertionError, ok, strictEqual as equal, notStrictEqual as notEqual, deepStrictEqual as deepEqual, notDeepStrictEqual as notDeepEqual, deepStrictEqual, notDeepStrictEqual, strictEqual, notStrictEqual, fail, ifError, throws, rejects, doesNotThrow, doesNotReject, match, doesNotMatch, strict } from './assert.js';
export default strict;
