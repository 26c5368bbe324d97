// node:url: the web's URL, and Node's older parse, format and resolve.
import punycode from 'punycode/';
import * as querystring from './querystring.js';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_FILE_URL_HOST, ERR_INVALID_FILE_URL_PATH, ERR_INVALID_URL_SCHEME, coded } from './internal/errors.js';
import { asNamed } from './internal/named.js';
import { validateObject, validateString } from './internal/validators.js';
import { resolve as resolvePath } from './path.js';

export const URL = globalThis.URL, URLSearchParams = globalThis.URLSearchParams;

const HOSTLESS = new Set(['javascript', 'javascript:']);
const SLASHED = new Set(['http', 'https', 'ftp', 'gopher', 'file', 'ws', 'wss'].flatMap((name) => [name, `${name}:`]));
const FORBIDDEN = /[\0\t\n\r #%/:<>?@[\\\]^|]/, FORBIDDEN_IPV6 = /[\0\t\n\r #%/<>?@\\^|]/;
const ESCAPES = Object.fromEntries([..."\t\n\r \"'<>\\^`{|}"].map((c) => [c, `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`]));

function invalid(input) {
	const error = coded(new TypeError('Invalid URL'), 'ERR_INVALID_URL');
	error.input = input;
	return error;
}
export function domainToASCII(domain) {
	if (domain === undefined) throw new ERR_INVALID_ARG_TYPE('domain', 'string', domain);
	try {
		const { hostname } = new URL(`ws://${domain}`);
		return hostname;
	} catch {
		return '';
	}
}
export function domainToUnicode(domain) {
	return punycode.toUnicode(domainToASCII(domain));
}

export function Url() {
	this.protocol = null;
	this.slashes = null;
	this.auth = null;
	this.host = null;
	this.port = null;
	this.hostname = null;
	this.hash = null;
	this.search = null;
	this.query = null;
	this.pathname = null;
	this.path = null;
	this.href = null;
}
asNamed('Url', Url);
export function parse(url, parseQueryString = false, slashesDenoteHost = false) {
	if (url instanceof Url) return url;
	const made = new Url();
	made.parse(url, parseQueryString, slashesDenoteHost);
	return made;
}
/** Without white space around; backslashes before the query are slashes. */
function tidy(url) {
	const text = url.replace(/^[\s\ufeff]+|[\s\ufeff]+$/g, '');
	const end = text.search(/[?#]/);
	return end < 0 ? text.replaceAll('\\', '/') : text.slice(0, end).replaceAll('\\', '/') + text.slice(end);
}
/** Where the host ends, and who stands before it: up to the last @. */
function splitHost(rest) {
	let at = -1, stop = -1;
	for (let i = 0; i < rest.length; i++) {
		const c = rest[i];
		if (c === '#' || c === '/' || c === '?') {
			if (stop === -1) stop = i;
			break;
		}
		if (c === '@') {
			at = i;
			stop = -1;
		} else if (stop === -1 && (c in ESCAPES || c === '%' || c === ';')) stop = i;
	}
	return { auth: at === -1 ? null : rest.slice(0, at), host: rest.slice(at + 1, stop === -1 ? rest.length : stop), rest: stop === -1 ? '' : rest.slice(stop) };
}
Url.prototype.parse = function (url, parseQueryString, slashesDenoteHost) {
	validateString(url, 'url');
	let rest = tidy(url);
	if (!slashesDenoteHost && !rest.includes('#') && !/\s/.test(rest)) {
		const simple = /^(\/\/?(?!\/)[^?\s]*)(\?[^\s]*)?$/.exec(rest);
		if (simple && !url.includes('@')) {
			this.path = rest;
			this.href = rest;
			this.pathname = simple[1];
			if (simple[2]) {
				this.search = simple[2];
				this.query = parseQueryString ? querystring.parse(simple[2].slice(1)) : simple[2].slice(1);
			} else if (parseQueryString) {
				this.search = null;
				this.query = { __proto__: null };
			}
			return this;
		}
	}
	const proto = /^[a-z0-9.+-]+:/i.exec(rest)?.[0];
	const lower = proto?.toLowerCase();
	if (proto) {
		this.protocol = lower;
		rest = rest.slice(proto.length);
	}
	let slashes = false;
	if (slashesDenoteHost || proto || /^\/\/[^@/]+@[^@/]+/.test(rest)) {
		slashes = rest.startsWith('//');
		if (slashes && !(lower && HOSTLESS.has(lower))) {
			rest = rest.slice(2);
			this.slashes = true;
		}
	}
	if (!HOSTLESS.has(lower) && (slashes || (proto && !SLASHED.has(proto)))) rest = takeHost(this, rest, url);
	if (!HOSTLESS.has(lower)) rest = rest.replace(/[\t\n\r "'<>\\^`{|}]/g, (c) => ESCAPES[c]);
	const hash = rest.indexOf('#');
	if (hash >= 0) {
		this.hash = rest.slice(hash);
		rest = rest.slice(0, hash);
	}
	const question = rest.indexOf('?');
	if (question >= 0) {
		this.search = rest.slice(question);
		this.query = rest.slice(question + 1);
		rest = rest.slice(0, question);
		if (parseQueryString) this.query = querystring.parse(this.query);
	} else if (parseQueryString) {
		this.search = null;
		this.query = { __proto__: null };
	}
	if (rest.length > 0) this.pathname = rest;
	if (SLASHED.has(lower) && this.hostname && !this.pathname) this.pathname = '/';
	if (this.pathname || this.search) this.path = (this.pathname || '') + (this.search || '');
	this.href = this.format();
	return this;
};
function takeHost(self, text, url) {
	let { auth, host, rest } = splitHost(text);
	if (auth !== null) {
		self.auth = decodeURIComponent(auth);
	}
	const port = /:[0-9]*$/.exec(host)?.[0];
	if (port) {
		if (port !== ':') self.port = port.slice(1);
		host = host.slice(0, -port.length);
	}
	const ipv6 = host.startsWith('[') && host.endsWith(']');
	let name = host;
	if (!ipv6) {
		const end = name.search(/[/\\#?:]/);
		if (end >= 0) {
			rest = `/${name.slice(end)}${rest}`;
			name = name.slice(0, end);
		}
	}
	name = name.length > 255 ? '' : name.toLowerCase();
	if (name !== '') {
		if (ipv6) {
			if (FORBIDDEN_IPV6.test(name)) throw invalid(url);
		} else {
			if (/[^\x00-\x7f]/.test(name)) name = domainToASCII(name);
			if (name === '' || FORBIDDEN.test(name)) throw invalid(url);
		}
	}
	self.host = name + (self.port ? `:${self.port}` : '');
	self.hostname = ipv6 ? name.slice(1, -1) : name;
	if (ipv6 && rest[0] !== '/') rest = `/${rest}`;
	return rest;
}

export function format(urlObject, options) {
	if (typeof urlObject === 'string') urlObject = parse(urlObject);
	else if (typeof urlObject !== 'object' || urlObject === null) throw new ERR_INVALID_ARG_TYPE('urlObject', ['Object', 'string'], urlObject);
	else if (urlObject instanceof URL) return formatURL(urlObject, options);
	return Url.prototype.format.call(urlObject);
}
function formatURL(url, options) {
	let fragment = true, unicode = false, search = true, auth = true;
	if (options) {
		validateObject(options, 'options');
		if (options.fragment != null) fragment = Boolean(options.fragment);
		if (options.unicode != null) unicode = Boolean(options.unicode);
		if (options.search != null) search = Boolean(options.search);
		if (options.auth != null) auth = Boolean(options.auth);
	}
	const host = unicode ? punycode.toUnicode(url.hostname) + (url.port ? `:${url.port}` : '') : url.host;
	const who = auth && (url.username || url.password) ? `${url.username}${url.password ? `:${url.password}` : ''}@` : '';
	const slashes = url.href.slice(url.protocol.length).startsWith('//') ? '//' : '';
	return `${url.protocol}${slashes}${who}${host}${url.pathname}${search ? url.search : ''}${fragment ? url.hash : ''}`;
}
Url.prototype.format = function () {
	let auth = this.auth || '', protocol = this.protocol || '', pathname = this.pathname || '', hash = this.hash || '', host = '', query = '';
	if (auth) auth = `${encodeURIComponent(auth).replace(/%3A/i, ':')}@`;
	if (this.host) host = auth + this.host;
	else if (this.hostname) {
		host = auth + (this.hostname.includes(':') && !/^\[.*\]$/.test(this.hostname) ? `[${this.hostname}]` : this.hostname);
		if (this.port) host += `:${this.port}`;
	}
	if (this.query !== null && typeof this.query === 'object') query = querystring.stringify(this.query);
	let search = this.search || (query && `?${query}`) || '';
	if (protocol && !protocol.endsWith(':')) protocol += ':';
	pathname = pathname.replaceAll('#', '%23').replaceAll('?', '%3F');
	if (this.slashes || SLASHED.has(protocol)) {
		if (this.slashes || host) {
			if (pathname && pathname[0] !== '/') pathname = `/${pathname}`;
			host = `//${host}`;
		} else if (protocol.startsWith('file')) host = '//';
	}
	search = search.replaceAll('#', '%23');
	if (hash && hash[0] !== '#') hash = `#${hash}`;
	if (search && search[0] !== '?') search = `?${search}`;
	return protocol + host + pathname + search + hash;
};

export function resolve(source, relative) {
	return parse(source, false, true).resolve(relative);
}
export function resolveObject(source, relative) {
	return source ? parse(source, false, true).resolveObject(relative) : relative;
}
Url.prototype.resolve = function (relative) {
	return this.resolveObject(parse(relative, false, true)).format();
};
Url.prototype.resolveObject = function (relative) {
	if (typeof relative === 'string') relative = parse(relative, false, true);
	const result = new Url();
	for (const key of Object.keys(this)) result[key] = this[key];
	result.hash = relative.hash;
	const finished = () => {
		result.href = result.format();
		return result;
	};
	const paths = () => {
		if (result.pathname !== null || result.search !== null) result.path = (result.pathname || '') + (result.search || '');
	};
	if (relative.href === '') return finished();
	if (relative.slashes && !relative.protocol) {
		for (const key of Object.keys(relative)) if (key !== 'protocol') result[key] = relative[key];
		if (SLASHED.has(result.protocol) && result.hostname && !result.pathname) result.path = result.pathname = '/';
		return finished();
	}
	if (relative.protocol && relative.protocol !== result.protocol) {
		if (!SLASHED.has(relative.protocol)) {
			for (const key of Object.keys(relative)) result[key] = relative[key];
			return finished();
		}
		result.protocol = relative.protocol;
		if (!relative.host && !/^file:?$/.test(relative.protocol) && !HOSTLESS.has(relative.protocol)) {
			const parts = (relative.pathname || '').split('/');
			while (parts.length && !(relative.host = parts.shift()));
			relative.host ||= '';
			relative.hostname ||= '';
			if (parts[0] !== '') parts.unshift('');
			if (parts.length < 2) parts.unshift('');
			result.pathname = parts.join('/');
		} else result.pathname = relative.pathname;
		result.search = relative.search;
		result.query = relative.query;
		result.host = relative.host || '';
		result.auth = relative.auth;
		result.hostname = relative.hostname || relative.host;
		result.port = relative.port;
		if (result.pathname || result.search) result.path = (result.pathname || '') + (result.search || '');
		result.slashes ||= relative.slashes;
		return finished();
	}
	const sourceAbsolute = result.pathname?.[0] === '/';
	const relativeAbsolute = Boolean(relative.host || relative.pathname?.[0] === '/');
	let mustEnd = relativeAbsolute || sourceAbsolute || (result.host && relative.pathname);
	const removeDots = mustEnd;
	let source = (result.pathname && result.pathname.split('/')) || [];
	const parts = (relative.pathname && relative.pathname.split('/')) || [];
	const noSlashes = result.protocol && !SLASHED.has(result.protocol);
	// a host without slashes ("mailto:a@b") is the first part of the path
	if (noSlashes) {
		result.hostname = '';
		result.port = null;
		if (result.host) {
			if (source[0] === '') source[0] = result.host;
			else source.unshift(result.host);
		}
		result.host = '';
		if (relative.protocol) {
			relative.hostname = null;
			relative.port = null;
			result.auth = null;
			if (relative.host) {
				if (parts[0] === '') parts[0] = relative.host;
				else parts.unshift(relative.host);
			}
			relative.host = null;
		}
		mustEnd = mustEnd && (parts[0] === '' || source[0] === '');
	}
	if (relativeAbsolute) {
		if (relative.host || relative.host === '') {
			if (result.host !== relative.host) result.auth = null;
			result.host = relative.host;
			result.port = relative.port;
		}
		if (relative.hostname || relative.hostname === '') {
			if (result.hostname !== relative.hostname) result.auth = null;
			result.hostname = relative.hostname;
		}
		result.search = relative.search;
		result.query = relative.query;
		source = parts;
	} else if (parts.length) {
		source.pop();
		source = source.concat(parts);
		result.search = relative.search;
		result.query = relative.query;
	} else if (relative.search !== null && relative.search !== undefined) {
		if (noSlashes) {
			result.hostname = result.host = source.shift();
			splitAuth(result);
		}
		result.search = relative.search;
		result.query = relative.query;
		paths();
		return finished();
	}
	if (!source.length) {
		result.pathname = null;
		result.path = result.search ? `/${result.search}` : null;
		return finished();
	}
	let last = source.at(-1);
	const trailing = ((result.host || relative.host || source.length > 1) && (last === '.' || last === '..')) || last === '';
	let up = 0;
	for (let i = source.length - 1; i >= 0; i--) {
		last = source[i];
		if (last === '.') source.splice(i, 1);
		else if (last === '..') {
			source.splice(i, 1);
			up++;
		} else if (up) {
			source.splice(i, 1);
			up--;
		}
	}
	if (!mustEnd && !removeDots) while (up--) source.unshift('..');
	if (mustEnd && source[0] !== '' && (!source[0] || source[0][0] !== '/')) source.unshift('');
	if (trailing && !source.join('/').endsWith('/')) source.push('');
	const absolute = source[0] === '' || (source[0] && source[0][0] === '/');
	if (noSlashes) {
		result.hostname = result.host = absolute ? '' : source.length ? source.shift() : '';
		splitAuth(result);
	}
	mustEnd ||= result.host && source.length;
	if (mustEnd && !absolute) source.unshift('');
	if (!source.length) {
		result.pathname = null;
		result.path = null;
	} else result.pathname = source.join('/');
	paths();
	result.auth = relative.auth || result.auth;
	result.slashes ||= relative.slashes;
	return finished();
};
function splitAuth(result) {
	const [auth, host] = result.host && result.host.indexOf('@') > 0 ? result.host.split('@') : [];
	if (auth) {
		result.auth = auth;
		result.host = result.hostname = host;
	}
}
Url.prototype.parseHost = function () {
	let { host } = this;
	const port = /:[0-9]*$/.exec(host)?.[0];
	if (port) {
		if (port !== ':') this.port = port.slice(1);
		host = host.slice(0, -port.length);
	}
	if (host) this.hostname = host;
};

export function fileURLToPath(path, options = undefined) {
	if (typeof path === 'string') {
		if (!URL.canParse(path)) throw invalid(path);
		path = new URL(path);
	}
	else if (!(path instanceof URL)) throw new ERR_INVALID_ARG_TYPE('path', ['string', 'URL'], path);
	if (path.protocol !== 'file:') throw new ERR_INVALID_URL_SCHEME('file');
	if (options?.windows) {
		if (/%2f|%5c/i.test(path.pathname)) throw new ERR_INVALID_FILE_URL_PATH('must not include encoded \\ or / characters');
		const name = decodeURIComponent(path.pathname.replaceAll('/', '\\'));
		if (path.hostname !== '') return `\\\\${domainToUnicode(path.hostname)}${name}`;
		if (!/^\\[A-Za-z]:/.test(name)) throw new ERR_INVALID_FILE_URL_PATH('must be absolute');
		return name.slice(1);
	}
	if (path.hostname !== '') throw new ERR_INVALID_FILE_URL_HOST('linux');
	if (/%2f/i.test(path.pathname)) throw new ERR_INVALID_FILE_URL_PATH('must not include encoded / characters');
	return decodeURIComponent(path.pathname);
}
export function pathToFileURL(path) {
	validateString(path, 'path');
	let resolved = resolvePath(path);
	if (path.endsWith('/') && !resolved.endsWith('/')) resolved += '/';
	resolved = resolved.replace(/[%\\\n\r\t?#]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
	return new URL(`file://${resolved}`);
}
export function urlToHttpOptions(url) {
	const { hostname, pathname, port, username, password, search } = url;
	const options = {
		__proto__: null, ...url, protocol: url.protocol, hostname: hostname && hostname[0] === '[' ? hostname.slice(1, -1) : hostname, hash: url.hash, search, pathname,
		path: `${pathname || ''}${search || ''}`, href: url.href,
	};
	if (port !== '') options.port = Number(port);
	if (username || password) options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
	return options;
}
export default { Url, parse, resolve, resolveObject, format, URL, URLSearchParams, domainToASCII, domainToUnicode, pathToFileURL, fileURLToPath, urlToHttpOptions };
