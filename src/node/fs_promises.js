// node:fs/promises.
import { promises } from './fs.js';
export const {
	access, copyFile, cp, lstat, open, opendir, readdir, readFile, readlink, realpath, stat, statfs, rm, rmdir, unlink, rename, truncate, chmod, chown, lchown, lchmod, utimes, lutimes, link, watch, appendFile, mkdir, mkdtemp, symlink, writeFile, constants,
} = promises;
export default promises;
