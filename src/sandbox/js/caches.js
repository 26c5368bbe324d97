/* global shared */
// Cache and CacheStorage (Service Workers 5.4, 5.5), and the first generation's `cache`: the lazy
// script "caches". Everything lies in the node (cache/own.h): a response that is put goes there by
// its body's shortest way, and one that is matched stays there until somebody reads it. Each
// question is a subrequest.
//
// A cache is a store in the node, known by a word. `caches.open(name)` finds the word of a name in
// the store "names", and makes one if there is none: who deletes a name takes the word away, and
// with it the way to all that was in the cache.
import * as er from './natives.js';
import {
	TypeErr, apply, charCode, fromCharCode, isArray, join, jsonParse, lower, padStart, parseInt_, quiet, regexp, resolved, rejected, startsWith, strIndexOf, strSlice, strSplit, then, trim, uncurry,
} from './primordials.js';
import { INTERNAL, brand, dictionary, domString, finish, illegal, isObject, need } from './webidl.js';
import { DOMException } from './dom-exception.js';

const {
	CACHE, READS, SPENT, Request, Response, ask, fetch, fetchParts, isRequest, isResponse, isStreamRaw, keptURLs, methodOfRequest, networkError, rawOfResponse, reasonText, responseBlock,
	spendResponse, statusOf, storedResponse, urlOfRequest, usable,
} = shared.tools;
const ignore = uncurry(Response.prototype.ignore);

// ---- requests ----

/** RequestInfo as a key: { url, method, block }. */
function keyOf(input) {
	if (!isRequest(input)) input = new Request(input);
	const href = urlOfRequest(input), hash = strIndexOf(href, '#');
	const url = hash < 0 ? href : strSlice(href, 0, hash);
	return { url, method: methodOfRequest(input), block: fetchParts(input).block, request: input };
}
const isHttp = (url) => startsWith(url, 'http:') || startsWith(url, 'https:');
const withoutSearch = (url) => {
	const at = strIndexOf(url, '?');
	return at < 0 ? url : strSlice(url, 0, at);
};
const optionsOf = (o) => {
	const d = dictionary(o, 'The options of a cache');
	return { search: !!d.ignoreSearch, method: !!d.ignoreMethod, vary: !!d.ignoreVary };
};
/** Is the question about what the node finds by a key alone? */
const byKey = (o) => !o.search && !o.vary;

// ---- questions to the node ----

const missed = (status, block) => status === 404 && er.fieldsGet(block, 'er-miss') !== null;
const put = (what, store, url, block, raw) => ask(what, CACHE, 'PUT', `${store}\n${url}`, block, raw, () => undefined);
function find(what, store, url, block) {
	return ask(what, CACHE, 'GET', `${store}\n${url}`, block, null, (status, head, body, reason) => {
		if (missed(status, head)) return undefined;
		const kept = er.fieldsGet(head, KEPT);
		if (kept === null) return storedResponse(status, reason ?? 'OK', head, null, body);
		if (kept === NO_RESPONSE) return networkError();
		return storedResponse(status, reason ?? 'OK', er.fieldsDelete(head, KEPT), join(strSplit(kept, ' '), '\n'), body);
	});
}
/** What the node keeps of a response beside its message: its URLs, with a blank between; or that it
 * was none, Response.error(). */
const KEPT = 'er-kept', NO_RESPONSE = 'error';
const remove = (what, store, url, block) => ask(what, CACHE, 'DELETE', `${store}\n${url}`, block, null, (status, head) => !missed(status, head));
/** Of a body that comes with its head. */
async function textOf(body) {
	return er.utf8Decode(await body.bytes(), false, true);
}
/** What of a store is in the node's memory: [{ url, fields }]. */
function list(what, store) {
	return then(ask(what, CACHE | READS, 'LIST', `${store}\nhttp://all.invalid/`, '', null, (status, block, body) => textOf(body)), jsonParse);
}
/** The text of what is stored; undefined: nothing is. */
function word(what, store, url) {
	return ask(what, CACHE | READS, 'GET', `${store}\n${url}`, '', null, (status, block, body) =>
		missed(status, block) ? undefined : textOf(body));
}

const blockOf = (fields) => {
	let block = '';
	for (const name in fields) block += `${name}\n${fields[name]}\n`;
	return block;
};
/** Entries of a store that a request may mean, by its URL. */
async function among(what, store, key, options) {
	const all = await list(what, store);
	if (key === null) return all;
	const found = [];
	const url = options.search ? withoutSearch(key.url) : key.url;
	for (let i = 0; i < all.length; i++) if ((options.search ? withoutSearch(all[i].url) : all[i].url) === url) found[found.length] = all[i];
	return found;
}
/** The request by which an entry is found again: who looks at Vary asks with fields of its own. */
const fieldsFor = (entry, key, options) => (key === null || options.vary ? blockOf(entry.fields) : key.block);
const reads = (key, options) => key === null || key.method === 'GET' || options.method;

async function matchAll(what, store, key, options, most) {
	if (!reads(key, options)) return [];
	if (key !== null && byKey(options)) {
		const one = await find(what, store, key.url, key.block);
		return one === undefined ? [] : [one];
	}
	const entries = await among(what, store, key, options);
	const found = [];
	for (let i = 0; i < entries.length && found.length < most; i++) {
		const one = await find(what, store, entries[i].url, fieldsFor(entries[i], key, options));
		if (one !== undefined) found[found.length] = one;
	}
	return found;
}
function match(what, store, key, options) {
	if (!reads(key, options)) return resolved(undefined);
	if (byKey(options)) return find(what, store, key.url, key.block);
	return then(matchAll(what, store, key, options, 1), (found) => found[0]);
}
async function removeAll(what, store, key, options) {
	if (!reads(key, options)) return false;
	if (byKey(options)) return remove(what, store, key.url, key.block);
	const entries = await among(what, store, key, options);
	let any = false;
	for (let i = 0; i < entries.length; i++) if (await remove(what, store, entries[i].url, fieldsFor(entries[i], key, options))) any = true;
	return any;
}

// ---- put ----

function mayBePut(key) {
	if (!isHttp(key.url)) throw new TypeErr(`A cache takes http and https URLs only: ${key.url}`);
	if (key.method !== 'GET') throw new TypeErr(`A cache takes answers to GET only, and not to ${key.method}`);
	return key;
}
function varied(block, key) {
	const vary = er.fieldsGet(block, 'vary');
	if (vary === null) return '';
	const names = strSplit(vary, ',');
	let asked = '';
	for (let i = 0; i < names.length; i++) {
		const name = lower(trim(names[i]));
		if (name === '*') throw new TypeErr("A response with 'Vary: *' cannot be put into a cache: it varies on everything");
		const value = er.fieldsGet(key.block, name);
		if (value !== null) asked += `er-ask-${name}\n${value}\n`;
	}
	return asked;
}
const tooMuch = (e) => {
	throw e.code === 'too-large' ? new DOMException(e.message, 'QuotaExceededError') : e;
};
function putInto(what, store, input, response) {
	const key = mayBePut(keyOf(input));
	if (!isResponse(response)) throw new TypeErr('What is put into a cache must be a Response');
	const status = statusOf(response);
	if (status === 0) return put(what, store, key.url, `er-status\n200\n${KEPT}\n${NO_RESPONSE}\n`, null);
	if (status === 206) throw new TypeErr('A response of status 206 is a part: it cannot be put into a cache');
	const block = responseBlock(response);
	const asked = varied(block, key);
	const raw = rawOfResponse(response);
	usable(raw, 'Response');
	const urls = keptURLs(response);
	const kept = urls === null ? '' : `${KEPT}\n${join(strSplit(urls, '\n'), ' ')}\n`;
	const head = `er-status\n${status}\ner-reason\n${reasonText(response)}\n${kept}${asked}`;
	const done = put(what, store, key.url, head + block, raw);
	if (raw !== null && !isStreamRaw(raw)) spendResponse(response, SPENT);
	return then(done, undefined, tooMuch);
}
async function fetched(input) {
	const key = mayBePut(keyOf(input));
	const response = await fetch(key.request);
	if (!response.ok || response.status === 206) throw new TypeErr(`The answer of ${key.url} has the status ${response.status}: it is not added to the cache`);
	varied(responseBlock(response), key);
	return response;
}
/** Would the one take the place of the other? */
function isSame(one, other, response) {
	if (one.url !== other.url) return false;
	const vary = er.fieldsGet(responseBlock(response), 'vary');
	const names = vary === null ? [] : strSplit(vary, ',');
	for (let i = 0; i < names.length; i++) {
		const name = lower(trim(names[i]));
		if (er.fieldsGet(one.block, name) !== er.fieldsGet(other.block, name)) return false;
	}
	return true;
}
const twice = (key) => new DOMException(`${key.url} is to be added twice`, 'InvalidStateError');
async function addInto(what, store, inputs) {
	const keys = [];
	for (let i = 0; i < inputs.length; i++) {
		keys[i] = mayBePut(keyOf(inputs[i]));
		for (let k = 0; k < i; k++) if (keys[i].url === keys[k].url && keys[i].block === keys[k].block) throw twice(keys[i]);
	}
	const under = [];
	for (let i = 0; i < keys.length; i++) under[i] = quiet(fetched(keys[i].request));
	const responses = [];
	for (let i = 0; i < keys.length; i++) responses[i] = await under[i];
	for (let i = 0; i < keys.length; i++)
		for (let k = 0; k < i; k++) if (isSame(keys[i], keys[k], responses[i])) throw twice(keys[i]);
	for (let i = 0; i < keys.length; i++) await putInto(what, store, keys[i].url === urlOfRequest(keys[i].request) ? keys[i].request : keys[i].url, responses[i]);
}
/** What a method gives: a promise, also of what it throws. */
const promised = (f) => {
	try {
		return resolved(f());
	} catch (e) {
		return rejected(e);
	}
};

// ---- the interfaces ----

class Cache {
	#store;
	constructor(token = undefined, store = undefined) {
		if (token !== INTERNAL) throw illegal('Cache');
		this.#store = store;
	}
	static #of(self, member) {
		if (!isObject(self) || !(#store in self)) throw brand('Cache', member);
		return self.#store;
	}
	match(request, options = undefined) {
		return promised(() => {
			const store = Cache.#of(this, 'match');
			need(arguments.length, 1, "'match' on 'Cache'");
			return match('Cache.match', store, keyOf(request), optionsOf(options));
		});
	}
	matchAll(request = undefined, options = undefined) {
		return promised(() => matchAll('Cache.matchAll', Cache.#of(this, 'matchAll'), request === undefined ? null : keyOf(request), optionsOf(options), 0x7fffffff));
	}
	add(request) {
		return promised(() => {
			const store = Cache.#of(this, 'add');
			need(arguments.length, 1, "'add' on 'Cache'");
			return addInto('Cache.add', store, [request]);
		});
	}
	addAll(requests) {
		return promised(() => {
			const store = Cache.#of(this, 'addAll');
			need(arguments.length, 1, "'addAll' on 'Cache'");
			if (!isArray(requests)) throw new TypeErr("The argument of 'addAll' must be an array");
			return addInto('Cache.addAll', store, requests);
		});
	}
	put(request, response) {
		return promised(() => {
			const store = Cache.#of(this, 'put');
			need(arguments.length, 2, "'put' on 'Cache'");
			return putInto('Cache.put', store, request, response);
		});
	}
	delete(request, options = undefined) {
		return promised(() => {
			const store = Cache.#of(this, 'delete');
			need(arguments.length, 1, "'delete' on 'Cache'");
			return removeAll('Cache.delete', store, keyOf(request), optionsOf(options));
		});
	}
	keys(request = undefined, options = undefined) {
		return promised(async () => {
			const store = Cache.#of(this, 'keys'), o = optionsOf(options), key = request === undefined ? null : keyOf(request);
			if (!reads(key, o)) return [];
			const entries = await among('Cache.keys', store, key, o);
			const found = [];
			for (let i = 0; i < entries.length; i++) {
				// who looks at Vary is asked by what was stored
				if (key !== null && !o.vary && !(await find('Cache.keys', store, entries[i].url, key.block))) continue;
				found[found.length] = new Request(entries[i].url, { headers: entries[i].fields });
			}
			return found;
		});
	}
}
finish(Cache, 'Cache', 0);

const NAMES = 'names';
/** Any string as the path of a URL, and back. */
function urlOfName(name) {
	let path = '';
	for (let i = 0; i < name.length; i++) path += padStart(apply(Number_toString, charCode(name, i), [16]), 4, '0');
	return `http://name.invalid/${path}`;
}
const Number_toString = Number.prototype.toString;
function nameOfURL(url) {
	let name = '';
	for (let i = strIndexOf(url, '/', 8) + 1; i < url.length; i += 4) name += fromCharCode(parseInt_(strSlice(url, i, i + 4), 16));
	return name;
}
async function namesOf(what) {
	const all = await list(what, NAMES);
	const names = [];
	for (let i = 0; i < all.length; i++) names[i] = nameOfURL(all[i].url);
	return names;
}
async function storeOf(what, name) {
	const url = urlOfName(name);
	const known = await word(what, NAMES, url);
	if (known !== undefined) return known;
	const fresh = `n.${er.randomUUID()}`;
	await put(what, NAMES, url, 'er-status\n200\ner-absent\n1\n', fresh);
	// another request may have made one meanwhile
	return (await word(what, NAMES, url)) ?? fresh;
}

class CacheStorage {
	#brand;
	#default = null;
	constructor(token = undefined) {
		if (token !== INTERNAL) throw illegal('CacheStorage');
	}
	static #check(self, member) {
		if (!isObject(self) || !(#brand in self)) throw brand('CacheStorage', member);
	}
	get default() {
		CacheStorage.#check(this, 'default');
		return (this.#default ??= new Cache(INTERNAL, 'default'));
	}
	open(cacheName) {
		return promised(async () => {
			CacheStorage.#check(this, 'open');
			need(arguments.length, 1, "'open' on 'CacheStorage'");
			return new Cache(INTERNAL, await storeOf('caches.open', domString(cacheName)));
		});
	}
	has(cacheName) {
		return promised(async () => {
			CacheStorage.#check(this, 'has');
			need(arguments.length, 1, "'has' on 'CacheStorage'");
			return (await word('caches.has', NAMES, urlOfName(domString(cacheName)))) !== undefined;
		});
	}
	delete(cacheName) {
		return promised(() => {
			CacheStorage.#check(this, 'delete');
			need(arguments.length, 1, "'delete' on 'CacheStorage'");
			return remove('caches.delete', NAMES, urlOfName(domString(cacheName)), '');
		});
	}
	keys() {
		return promised(async () => {
			CacheStorage.#check(this, 'keys');
			return namesOf('caches.keys');
		});
	}
	match(request, options = undefined) {
		return promised(async () => {
			CacheStorage.#check(this, 'match');
			need(arguments.length, 1, "'match' on 'CacheStorage'");
			const key = keyOf(request), o = optionsOf(options), name = dictionary(options, 'The options of a cache').cacheName;
			const names = name === undefined ? await namesOf('caches.match') : [domString(name)];
			for (let i = 0; i < names.length; i++) {
				const store = await word('caches.match', NAMES, urlOfName(names[i]));
				const found = store === undefined ? undefined : await match('caches.match', store, key, o);
				if (found !== undefined) return found;
			}
			return undefined;
		});
	}
}
finish(CacheStorage, 'CacheStorage', 0);

// ---- the cache of the site ----

const SCOPES = { url: 'url', urls: 'url', prefix: 'prefix', prefixes: 'prefix', host: 'host', hosts: 'host', tag: 'tag', tags: 'tag' };
/** What is to be purged, as fields for the node. */
function scopesOf(what) {
	if (!isObject(what)) throw new TypeErr("The argument of 'purge' must be an object, as { tags: ['products'] }");
	let block = what.soft ? 'soft\n1\n' : '';
	for (const name in SCOPES) {
		const given = what[name];
		if (given === undefined) continue;
		const values = isArray(given) ? given : [given];
		for (let i = 0; i < values.length; i++) {
			const text = `${isObject(values[i]) ? values[i] : domString(values[i])}`;
			if (text === '' || ODD.exec(text) !== null) throw new TypeErr(`What is purged by '${name}' is printable ASCII: ${text}`);
			block += `${SCOPES[name]}\n${text}\n`;
		}
	}
	if (what.everything) block += 'everything\n1\n';
	if (block === '' || block === 'soft\n1\n') throw new TypeErr("What is to be purged? 'urls', 'prefixes', 'hosts', 'tags' or 'everything' says it");
	return block;
}
const ODD = regexp(/[^\x20-\x7e]/);
/** Asks for it as a client would, and lets the node drop the body. */
async function prefetch(input, init) {
	const options = dictionary(init, "The options of 'prefetch'");
	const response = await fetch(input, { ...options, cdnProxy: true });
	const info = response.info.cache;
	await ignore(response);
	return { status: response.status, hit: info.hit, stored: info.stored || info.hit, why: info.why };
}

/** `cache` of the first generation: the store of `caches.default`; and what a routine does with the
 * cache of its site. */
class EdgeCache {
	#brand;
	static #check(self, member) {
		if (!isObject(self) || !(#brand in self)) throw brand('cache', member);
	}
	put(request, response) {
		return promised(() => {
			EdgeCache.#check(this, 'put');
			need(arguments.length, 2, "'put' on 'cache'");
			return putInto('cache.put', 'default', request, response);
		});
	}
	get(request) {
		return promised(() => {
			EdgeCache.#check(this, 'get');
			need(arguments.length, 1, "'get' on 'cache'");
			return match('cache.get', 'default', keyOf(request), { search: false, method: false, vary: false });
		});
	}
	delete(request) {
		return promised(() => {
			EdgeCache.#check(this, 'delete');
			need(arguments.length, 1, "'delete' on 'cache'");
			return removeAll('cache.delete', 'default', keyOf(request), { search: false, method: false, vary: false });
		});
	}
	purge(what) {
		return promised(() => {
			EdgeCache.#check(this, 'purge');
			need(arguments.length, 1, "'purge' on 'cache'");
			return ask('cache.purge', CACHE, 'PURGE', '', scopesOf(what), null, (status, head) => ({ purged: +er.fieldsGet(head, 'er-purged') }));
		});
	}
	prefetch(request, options = undefined) {
		return promised(() => {
			EdgeCache.#check(this, 'prefetch');
			need(arguments.length, 1, "'prefetch' on 'cache'");
			return prefetch(request, options);
		});
	}
}
finish(EdgeCache, 'EdgeCache', 0);

shared.made = { Cache, CacheStorage, caches: new CacheStorage(INTERNAL), cache: new EdgeCache() };
