// node:path. Pure functions of strings. A routine has no working directory: resolve() and
// relative() take "/" for it (win32: "C:\").
import { validateObject, validateString } from './internal/validators.js';

const cwd = () => '/';

/** Resolves "." and "..". */
function normalizeParts(path, above, separator, isSeparator) {
	const out = [];
	let part = '', dots = 0;
	const flush = () => {
		if (part === '..') {
			if (out.length > dots) out.pop();
			else if (above) {
				out.push('..');
				dots++;
			}
		} else if (part !== '' && part !== '.') out.push(part);
		part = '';
	};
	for (const c of path) {
		if (isSeparator(c)) flush();
		else part += c;
	}
	flush();
	return out.join(separator);
}
const isSlash = (c) => c === '/';
const isEither = (c) => c === '/' || c === '\\';
const isLetter = (c) => c !== undefined && /^[A-Za-z]$/.test(c);

function baseOf(path, suffix, start, separator) {
	if (suffix !== undefined) validateString(suffix, 'suffix');
	validateString(path, 'path');
	let end = path.length;
	while (end > start && separator(path[end - 1])) end--;
	let begin = end;
	while (begin > start && !separator(path[begin - 1])) begin--;
	const base = path.slice(begin, end);
	if (suffix === undefined || suffix.length === 0 || suffix.length > path.length) return base;
	if (suffix === path) return '';
	return base !== suffix && base.endsWith(suffix) ? base.slice(0, -suffix.length) : base;
}
function extOf(base) {
	const dot = base.lastIndexOf('.');
	if (dot <= 0 || base === '..') return '';
	return base.slice(dot);
}
function formatted(separator, parts) {
	validateObject(parts, 'pathObject');
	const dir = parts.dir || parts.root;
	const base = parts.base || `${parts.name || ''}${parts.ext ? `${parts.ext[0] === '.' ? '' : '.'}${parts.ext}` : ''}`;
	if (!dir) return base;
	return dir === parts.root ? `${dir}${base}` : `${dir}${separator}${base}`;
}

export const posix = {
	resolve(...paths) {
		let resolved = '', absolute = false;
		for (let i = paths.length - 1; i >= -1 && !absolute; i--) {
			const path = i >= 0 ? paths[i] : cwd();
			if (i >= 0) validateString(path, `paths[${i}]`);
			if (path.length === 0) continue;
			resolved = `${path}/${resolved}`;
			absolute = path[0] === '/';
		}
		const text = normalizeParts(resolved, !absolute, '/', isSlash);
		return absolute ? `/${text}` : text || '.';
	},
	normalize(path) {
		validateString(path, 'path');
		if (path.length === 0) return '.';
		const absolute = path[0] === '/', trailing = path.endsWith('/');
		let text = normalizeParts(path, !absolute, '/', isSlash);
		if (text.length === 0) {
			if (absolute) return '/';
			return trailing ? './' : '.';
		}
		if (trailing) text += '/';
		return absolute ? `/${text}` : text;
	},
	isAbsolute(path) {
		validateString(path, 'path');
		return path[0] === '/';
	},
	join(...paths) {
		let joined;
		for (const path of paths) {
			validateString(path, 'path');
			if (path.length > 0) joined = joined === undefined ? path : `${joined}/${path}`;
		}
		return joined === undefined ? '.' : posix.normalize(joined);
	},
	relative(from, to) {
		validateString(from, 'from');
		validateString(to, 'to');
		if (from === to) return '';
		from = posix.resolve(from);
		to = posix.resolve(to);
		if (from === to) return '';
		const a = from.split('/').filter(Boolean), b = to.split('/').filter(Boolean);
		let same = 0;
		while (same < a.length && same < b.length && a[same] === b[same]) same++;
		return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
	},
	toNamespacedPath: (path) => path,
	dirname(path) {
		validateString(path, 'path');
		if (path.length === 0) return '.';
		const rooted = path[0] === '/';
		let end = path.length;
		while (end > 1 && path[end - 1] === '/') end--;
		const at = path.lastIndexOf('/', end - 1);
		if (at === -1 || (at === 0 && end === 1)) return rooted ? '/' : '.';
		if (at === 0) return '/';
		let stop = at;
		// "//a" keeps both
		if (rooted && at === 1) return '//';
		return path.slice(0, stop);
	},
	basename: (path, suffix) => baseOf(path, suffix, 0, isSlash),
	extname(path) {
		validateString(path, 'path');
		return extOf(baseOf(path, undefined, 0, isSlash));
	},
	format: formatted.bind(null, '/'),
	parse(path) {
		validateString(path, 'path');
		const parts = { root: '', dir: '', base: '', ext: '', name: '' };
		if (path.length === 0) return parts;
		const absolute = path[0] === '/';
		if (absolute) parts.root = '/';
		parts.base = baseOf(path, undefined, absolute ? 1 : 0, isSlash);
		parts.ext = extOf(parts.base);
		parts.name = parts.ext ? parts.base.slice(0, -parts.ext.length) : parts.base;
		let end = path.length;
		while (end > 1 && path[end - 1] === '/') end--;
		const at = path.lastIndexOf('/', end - 1);
		if (at > 0) parts.dir = path.slice(0, at);
		else if (absolute) parts.dir = '/';
		return parts;
	},
	sep: '/',
	delimiter: ':',
};

/** { device, absolute, length of the root } of a path of Windows. */
function rootOf(path) {
	const n = path.length;
	if (n === 0) return { device: '', absolute: false, end: 0 };
	if (isEither(path[0])) {
		if (n > 1 && isEither(path[1])) {
			const unc = /^[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)/.exec(path);
			if (unc) return { device: `\\\\${unc[1]}\\${unc[2]}`, absolute: true, end: unc[0].length, unc: true, whole: unc[0].length === n };
		}
		return { device: '', absolute: true, end: 1 };
	}
	if (n > 1 && isLetter(path[0]) && path[1] === ':') {
		const absolute = n > 2 && isEither(path[2]);
		return { device: path.slice(0, 2), absolute, end: absolute ? 3 : 2 };
	}
	return { device: '', absolute: false, end: 0 };
}
export const win32 = {
	resolve(...paths) {
		let device = '', tail = '', absolute = false;
		for (let i = paths.length - 1; i >= -1; i--) {
			let path;
			if (i >= 0) {
				path = paths[i];
				validateString(path, `paths[${i}]`);
				if (path.length === 0) continue;
			} else path = device.length === 0 ? cwd() : `${device}\\`;
			const root = rootOf(path);
			if (root.device.length > 0) {
				if (device.length > 0) {
					if (root.device.toLowerCase() !== device.toLowerCase()) continue;
				} else device = root.device;
			}
			if (absolute) {
				if (device.length > 0) break;
			} else {
				tail = `${path.slice(root.end)}\\${tail}`;
				absolute = root.absolute;
				if (absolute && device.length > 0) break;
			}
		}
		tail = normalizeParts(tail, !absolute, '\\', isEither);
		return absolute ? `${device}\\${tail}` : `${device}${tail}` || '.';
	},
	normalize(path) {
		validateString(path, 'path');
		const n = path.length;
		if (n === 0) return '.';
		if (n === 1) return path[0] === '/' ? '\\' : path;
		const { device, absolute, end, whole } = rootOf(path);
		if (whole) return `${device}\\`;
		let tail = end < n ? normalizeParts(path.slice(end), !absolute, '\\', isEither) : '';
		if (tail.length === 0 && !absolute) tail = '.';
		if (tail.length > 0 && isEither(path[n - 1])) tail += '\\';
		return absolute ? `${device}\\${tail}` : `${device}${tail}`;
	},
	isAbsolute(path) {
		validateString(path, 'path');
		return path.length > 0 && (isEither(path[0]) || (path.length > 2 && isLetter(path[0]) && path[1] === ':' && isEither(path[2])));
	},
	join(...paths) {
		let joined, first;
		for (const path of paths) {
			validateString(path, 'path');
			if (path.length === 0) continue;
			if (joined === undefined) joined = first = path;
			else joined += `\\${path}`;
		}
		if (joined === undefined) return '.';
		// slashes at the front name a share only if the first part says so itself
		if (!/^[\\/]{2}[^\\/]/.test(first) || /^[\\/]{2,}$/.test(first)) joined = joined.replace(/^[\\/]{2,}/, '\\');
		return win32.normalize(joined);
	},
	relative(from, to) {
		validateString(from, 'from');
		validateString(to, 'to');
		if (from === to) return '';
		const source = win32.resolve(from), target = win32.resolve(to);
		if (source.toLowerCase() === target.toLowerCase()) return '';
		const a = source.split('\\').filter(Boolean), b = target.split('\\').filter(Boolean);
		let same = 0;
		while (same < a.length && same < b.length && a[same].toLowerCase() === b[same].toLowerCase()) same++;
		if (same === 0) return target;
		return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('\\');
	},
	toNamespacedPath(path) {
		if (typeof path !== 'string' || path.length === 0) return path;
		const resolved = win32.resolve(path);
		if (resolved.length <= 2) return path;
		if (resolved.startsWith('\\\\')) return /^[?.]/.test(resolved[2]) ? resolved : `\\\\?\\UNC\\${resolved.slice(2)}`;
		return isLetter(resolved[0]) && resolved[1] === ':' && resolved[2] === '\\' ? `\\\\?\\${resolved}` : resolved;
	},
	dirname(path) {
		validateString(path, 'path');
		const n = path.length;
		if (n === 0) return '.';
		const root = rootOf(path);
		if (n === 1) return isEither(path[0]) ? path : '.';
		if (root.whole) return path;
		let start = root.end;
		if (root.unc) start = root.end + 1;
		let end = n;
		while (end > start && isEither(path[end - 1])) end--;
		while (end > start && !isEither(path[end - 1])) end--;
		if (end === start) return start > 0 ? path.slice(0, start) : '.';
		return path.slice(0, end - 1);
	},
	basename: (path, suffix) => {
		if (suffix !== undefined) validateString(suffix, 'suffix');
		validateString(path, 'path');
		return baseOf(path, suffix, path.length >= 2 && isLetter(path[0]) && path[1] === ':' ? 2 : 0, isEither);
	},
	extname(path) {
		validateString(path, 'path');
		return extOf(win32.basename(path));
	},
	format: formatted.bind(null, '\\'),
	parse(path) {
		validateString(path, 'path');
		const parts = { root: '', dir: '', base: '', ext: '', name: '' };
		if (path.length === 0) return parts;
		const root = rootOf(path);
		let end = root.end;
		if (root.unc && !root.whole) end++;
		parts.root = path.slice(0, end);
		if (root.whole) {
			parts.dir = parts.root;
			return parts;
		}
		parts.base = baseOf(path, undefined, end, isEither);
		parts.ext = extOf(parts.base);
		parts.name = parts.ext ? parts.base.slice(0, -parts.ext.length) : parts.base;
		let stop = path.length;
		while (stop > end && isEither(path[stop - 1])) stop--;
		while (stop > end && !isEither(path[stop - 1])) stop--;
		parts.dir = stop > end ? path.slice(0, stop - 1) : parts.root;
		return parts;
	},
	sep: '\\',
	delimiter: ';',
};
posix.win32 = win32.win32 = win32;
posix.posix = win32.posix = posix;
posix._makeLong = posix.toNamespacedPath;
win32._makeLong = win32.toNamespacedPath;
export const { resolve, normalize, isAbsolute, join, relative, toNamespacedPath, dirname, basename, extname, format, parse, sep, delimiter } = posix;
export default posix;
