// node:path/posix.
import { posix } from './path.js';
export const { resolve, normalize, isAbsolute, join, relative, toNamespacedPath, dirname, basename, extname, format, parse, sep, delimiter, win32 } = posix;
export { posix };
export default posix;
