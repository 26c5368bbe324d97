// node:fs: an empty file system that cannot be written. What looks for a file hears that there is
// none (ENOENT), in Node's way and with the remedy; what would write hears that it cannot (EROFS).
import { ERRNO } from './internal/errno.js';
import { validateFunction } from './internal/validators.js';

const REMEDY = 'a routine has no files: import text, JSON or bytes, and they become part of the bundle; data that changes belongs into KV (env)';
function failure(code, syscall, path) {
	const [errno, text] = ERRNO[code];
	const named = path === undefined ? '' : ` '${path}'`;
	const error = new Error(`${code}: ${text}, ${syscall}${named} (${REMEDY})`);
	return Object.assign(error, { errno, code, syscall }, path === undefined ? {} : { path: String(path) });
}
const SYSCALLS = { readFile: 'open', createReadStream: 'open', readdir: 'scandir', opendir: 'opendir', exists: 'access', cp: 'lstat', openAsBlob: 'open', watch: 'watch', watchFile: 'stat', statfs: 'statfs' };
const READS = ['access', 'copyFile', 'cp', 'lstat', 'open', 'opendir', 'readdir', 'readFile', 'readlink', 'realpath', 'stat', 'statfs', 'rm', 'rmdir', 'unlink', 'rename', 'truncate', 'chmod', 'chown', 'lchown', 'lchmod', 'utimes', 'lutimes', 'link', 'watch', 'openAsBlob'];
const WRITES = ['appendFile', 'mkdir', 'mkdtemp', 'symlink', 'writeFile'];
const DESCRIPTORS = ['close', 'fchmod', 'fchown', 'fdatasync', 'fstat', 'fsync', 'ftruncate', 'futimes', 'read', 'readv', 'write', 'writev'];
const fs = {}, promises = {};
const define = (name, code, hasPath) => {
	const fails = (path) => failure(code, SYSCALLS[name] ?? (code === 'EROFS' && /File$/.test(name) ? 'open' : name), hasPath ? path : undefined);
	fs[name] = (path, ...rest) => {
		const callback = rest.at(-1);
		validateFunction(callback, 'cb');
		queueMicrotask(() => callback(fails(path)));
	};
	fs[`${name}Sync`] = (path) => {
		throw fails(path);
	};
	if (hasPath) promises[name] = async (path) => {
		throw fails(path);
	};
};
for (const name of READS) define(name, 'ENOENT', true);
for (const name of WRITES) define(name, 'EROFS', true);
for (const name of DESCRIPTORS) define(name, 'EBADF', false);
delete fs.watchSync;
delete fs.openAsBlobSync;
fs.openAsBlob = promises.openAsBlob;
delete promises.openAsBlob;
for (const name of ['statSync', 'lstatSync']) {
	const thrown = fs[name];
	fs[name] = (path, options) => {
		if (options?.throwIfNoEntry === false) return undefined;
		return thrown(path);
	};
}
for (const name of ['realpath', 'realpathSync']) fs[name].native = fs[name];
fs.existsSync = () => false;
fs.exists = (path, callback) => {
	validateFunction(callback, 'cb');
	queueMicrotask(() => callback(false));
};
fs.watch = fs.watchFile = (path) => {
	throw failure('ENOENT', 'watch', path);
};
fs.unwatchFile = () => {};
for (const [name, code] of [['createReadStream', 'ENOENT'], ['createWriteStream', 'EROFS']]) fs[name] = (path) => {
	throw failure(code, 'open', path);
};
const inert = (name) => ({ [name]: function () { throw failure('ENOENT', name); } })[name];
for (const name of ['Dir', 'Dirent', 'Stats', 'ReadStream', 'WriteStream', 'FileReadStream', 'FileWriteStream']) fs[name] = inert(name);
fs.constants = promises.constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, COPYFILE_EXCL: 1, COPYFILE_FICLONE: 2, COPYFILE_FICLONE_FORCE: 4, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024, S_IFMT: 61440, S_IFREG: 32768, S_IFDIR: 16384, S_IFLNK: 40960 };
Object.assign(fs, { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 });
fs.promises = promises;
export { promises };
export default fs;
export const {
	access, accessSync, copyFile, copyFileSync, cp, cpSync, lstat, lstatSync, open, openSync, opendir, opendirSync, readdir, readdirSync, readFile,
	readFileSync, readlink, readlinkSync, realpath, realpathSync, stat, statSync, statfs, statfsSync, rm, rmSync, rmdir, rmdirSync, unlink, unlinkSync,
	rename, renameSync, truncate, truncateSync, chmod, chmodSync, chown, chownSync, lchown, lchownSync, lchmod, lchmodSync, utimes, utimesSync, lutimes,
	lutimesSync, link, linkSync, watch, openAsBlob, appendFile, appendFileSync, mkdir, mkdirSync, mkdtemp, mkdtempSync, symlink, symlinkSync, writeFile,
	writeFileSync, close, closeSync, fchmod, fchmodSync, fchown, fchownSync, fdatasync, fdatasyncSync, fstat, fstatSync, fsync, fsyncSync, ftruncate,
	ftruncateSync, futimes, futimesSync, read, readSync, readv, readvSync, write, writeSync, writev, writevSync, existsSync, exists, watchFile,
	unwatchFile, createReadStream, createWriteStream, Dir, Dirent, Stats, ReadStream, WriteStream, FileReadStream, FileWriteStream, constants, F_OK, R_OK,
	W_OK, X_OK,
} = fs;
