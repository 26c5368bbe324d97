// Request (WHATWG Fetch 5.4). One that came from the node is a number: method, URL, fields and body
// are fetched when asked for.
import * as er from './natives.js';
import { isClassic } from './compat.js';
import { COMPAT_REDIRECT_MANUAL, LENGTH_NO_BODY } from './contract.js';
import { TypeErr, arrayIncludes, freeze, getPrototypeOf, keys, ownKeys, regexp, strIndexOf, strSlice, upper } from './primordials.js';
import { INTERNAL, brand, domString, finish, isObject, need, usvString } from './webidl.js';
import {
	GUARD_IMMUTABLE, GUARD_REQUEST, blockHosted, blockOf, fillHeaders, headersFromBlock, headersGet, headersHas, headersOpen, headersPut, isHeaders, nodeFieldsThrough,
	requestBlock,
} from './headers.js';
import { SPENT, extract, extractedType, isLazy, isStreamRaw, lengthIs, lengthOf, mixBody, simplest, teeRaw, usable } from './body.js';
import { NodeBody } from './node-body.js';
import { streams } from './streams-lazy.js';
import { hrefOf, isURL, namesUser, parseHref, parsedNamesUser } from './url.js';
import { AbortController, anyOf, isSignal, newSignal } from './abort.js';
import { belongs } from './scope.js';
import { cfOf, infoOf } from './client.js';
import { wishesOf } from './wishes.js';

const TOKEN = regexp(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/);
const REDIRECTS = ['follow', 'manual', 'error'];
const DECOMPRESS = ['decompress', 'fallbackIdentity', 'manual'];

function methodOf(m) {
	m = domString(m);
	if (m === 'GET' || m === 'POST' || m === 'HEAD' || m === 'PUT' || m === 'DELETE' || m === 'OPTIONS') return m;
	if (m === '' || TOKEN.exec(m) !== null) throw new TypeErr(`Invalid method: ${m}`);
	const u = upper(m);
	if (u === 'CONNECT' || u === 'TRACE' || u === 'TRACK') throw new TypeErr(`The method ${m} is not allowed`);
	return u === 'GET' || u === 'POST' || u === 'HEAD' || u === 'PUT' || u === 'DELETE' || u === 'OPTIONS' ? u : m;
}
function oneOf(v, allowed, what) {
	v = domString(v);
	if (!arrayIncludes(allowed, v)) throw new TypeErr(`${what} cannot be '${v}'`);
	return v;
}
/** request.signal of a node's request: aborts when the client leaves or the time is up. */
function signalOf(scope) {
	if (scope.controller === null) scope.controller = new AbortController();
	return scope.controller.signal;
}

export let isRequest;
export let nodeRequest; // (scope)
export let rawOfRequest;
export let spendRequest;
// What a Request is, whatever a subclass or a changed prototype answers for it.
export let methodOfRequest;
export let urlOfRequest;
export let headersOfRequest;
// (input, wishes) -> a Request made from it that wishes this of the cache
export let requestWishing;
export let isUntouched; // (value, scope) -> it is the request of that scope, as it came
export let fetchParts; // (request) -> what fetch needs

const BODY = 'The body of the request';
export const hasNoBody = (method) => method === 'GET' || method === 'HEAD';
/** Options that say no more than method, headers and body, as nearly all do. A getter's place among
 * others can be seen, hence plain objects only. */
function usual(o) {
	if (!er.isPlain(o)) return false;
	const ks = keys(o);
	for (let i = 0; i < ks.length; i++) if (ks[i] !== 'method' && ks[i] !== 'headers' && ks[i] !== 'body') return false;
	return ownKeys(o).length === ks.length && getPrototypeOf(o) === ObjectPrototype;
}
/** Options that say nothing but what is wished of the cache. */
export function saysCacheOnly(o) {
	if (!er.isPlain(o)) return false;
	const ks = keys(o);
	for (let i = 0; i < ks.length; i++) if (ks[i] !== 'er' && ks[i] !== 'cf') return false;
	return ownKeys(o).length === ks.length && getPrototypeOf(o) === ObjectPrototype;
}
const ObjectPrototype = Object.prototype;

const UNASKED = freeze({}); // the body of a node's request before anybody looked

export class Request {
	#scope = null; // of the node's request it is, or was made from
	#node = false; // it is the node's request itself: what is not set below is asked for
	#method = null;
	#url = null;
	#headers = null;
	#block = null;
	#hosted = false; // Host may be in #block
	#fromNode = false; // its fields are those of the node's request: their Host can be read
	#raw = null;
	#signal = null;
	#parent = null; // the signal that #signal follows once somebody asks for it
	#redirect = null;
	#extra = null; // { cdnProxy, wishes, decompress, cache, ... }: rarely given

	constructor(input, init = undefined) {
		if (input === INTERNAL) {
			this.#scope = init;
			return;
		}
		need(arguments.length, 1, "'constructor' on 'Request'");
		const from = isRequest(input) ? input : null;
		if (from === null) this.#url = urlOf(input);
		if (init !== undefined && init !== null && !isObject(init)) throw new TypeErr('The options of a Request must be an object');
		const o = init ?? { __proto__: null };
		if (o.window !== undefined && o.window !== null) throw new TypeErr("The option 'window' of a Request can only be null");
		if (from !== null) this.#copy(from);
		else {
			this.#method = 'GET';
			this.#redirect = (er.limits().compat & COMPAT_REDIRECT_MANUAL) !== 0 ? 'manual' : 'follow';
			this.#block = '';
		}
		let half = false;
		if (init !== undefined) {
			if (usual(o)) {
				if (o.method !== undefined) this.#method = methodOf(o.method);
			} else half = this.#options(o);
			this.#fields(from, o);
		}
		if (init !== undefined || from !== null) this.#body(from, o, half);
		if (this.#extra !== null) this.#agree();
	}
	/** What two options together do not allow. */
	#agree() {
		const { mode } = this.#extra;
		if (mode === 'no-cors' && this.#method !== 'GET' && this.#method !== 'HEAD' && this.#method !== 'POST')
			throw new TypeErr(`A request with mode 'no-cors' cannot have the method ${this.#method}`);
	}
	#copy(from) {
		this.#scope = from.#scope;
		this.#url = urlOfRequest(from);
		this.#method = methodOfRequest(from);
		this.#redirect = from.#redirect ?? 'manual';
		this.#extra = from.#extra;
		const headers = headersOfRequest(from);
		this.#block = requestBlock(headers);
		this.#hosted = headersOpen(headers);
		this.#fromNode = from.#node || from.#fromNode;
		this.#parent = from.#node ? signalOf(from.#scope) : from.#signal ?? from.#parent;
	}
	/** True if the option 'duplex' is given. */
	#options(o) {
		if (o.method !== undefined) this.#method = methodOf(o.method);
		if (o.redirect !== undefined) this.#redirect = oneOf(o.redirect, REDIRECTS, "The option 'redirect'");
		if (o.signal !== undefined) {
			if (o.signal !== null && !isSignal(o.signal)) throw new TypeErr("The option 'signal' must be an AbortSignal");
			this.#parent = o.signal;
		}
		const extra = { __proto__: null, ...this.#extra };
		let changed = this.#extra !== null;
		const note = (name, value) => {
			extra[name] = value;
			changed = true;
		};
		if (o.cdnProxy !== undefined) note('cdnProxy', !!o.cdnProxy);
		const own = o.er, other = o.cf;
		if (own !== undefined || other !== undefined) note('wishes', wishesOf(own, other));
		if (o.decompress !== undefined) note('decompress', oneOf(o.decompress, DECOMPRESS, "The option 'decompress'"));
		for (let i = 0; i < IGNORED.length; i++) {
			const { name, allowed } = IGNORED[i];
			if (o[name] !== undefined) note(name, allowed === null ? domString(o[name]) : oneOf(o[name], allowed, `The option '${name}'`));
		}
		if (o.keepalive !== undefined) note('keepalive', !!o.keepalive);
		if (o.mode === 'navigate') throw new TypeErr("The option 'mode' cannot be 'navigate'");
		const { duplex } = o;
		if (duplex !== undefined) oneOf(duplex, ['half'], "The option 'duplex'");
		if (o.referrer !== undefined) {
			const r = usvString(o.referrer);
			if (r !== '' && r !== 'about:client') {
				const href = parseHref(r);
				if (href === undefined) throw new TypeErr(`Invalid URL: ${r}`);
				note('referrer', href);
			}
		}
		if (extra.cache === 'only-if-cached' && extra.mode !== 'same-origin') throw new TypeErr("The option 'cache' cannot be 'only-if-cached' without mode 'same-origin'");
		if (changed) this.#extra = extra;
		return duplex !== undefined;
	}
	#fields(from, o) {
		const given = o.headers;
		if (given === undefined) return;
		this.#fromNode = false;
		if (isHeaders(given)) {
			this.#block = requestBlock(given);
			this.#hosted = headersOpen(given);
			return;
		}
		if (isObject(given) && given[Symbol_iterator] === undefined) {
			const block = blockOf(given, null, true);
			if (block !== undefined) {
				this.#block = block;
				this.#hosted = blockHosted;
				return;
			}
		}
		this.#headers = headersFromBlock('', GUARD_REQUEST);
		fillHeaders(this.#headers, given);
	}
	/** What only JavaScript knows the bytes of goes out while the answer may come already: that is
	 * to be asked for. */
	#streams(half) {
		if (this.#extra?.keepalive) throw new TypeErr("A request with 'keepalive' cannot have a stream for its body");
		if (half || isLazy(this.#raw) || isClassic()) return;
		throw new TypeErr("A request whose body is a stream needs the option duplex: 'half'");
	}
	#body(from, o, half) {
		const init = o.body;
		// The first generation took a body for any method; fetch does not send one (fetch.js).
		const bodyless = hasNoBody(this.#method) && !isClassic();
		if (init !== undefined && init !== null) {
			if (bodyless) throw new TypeErr(`A request with method ${this.#method} cannot have a body`);
			this.#raw = extract(init);
			if (isStreamRaw(this.#raw)) this.#streams(half);
			if (extractedType !== null && !headersHas(headersOfRequest(this), 'content-type')) headersPut(headersOfRequest(this), 'content-type', extractedType);
			return;
		}
		if (from === null || init === null) return;
		const raw = rawOfRequest(from);
		if (raw === null) return;
		if (from.#node && hasNoBody(this.#method) && from.#method === this.#method) return;
		if (bodyless) throw new TypeErr(`A request with method ${this.#method} cannot have a body`);
		usable(raw, 'Request');
		// The old request's body moves over; the old one counts as used, and keeps its stream
		// object if it had one.
		if (!isStreamRaw(raw)) {
			this.#raw = raw;
			from.#raw = SPENT;
			return;
		}
		const body = simplest(raw);
		this.#raw = body === raw ? lengthIs(raw.pipeThrough(new (streams().TransformStream)()), lengthOf(raw)) : body;
	}

	get method() {
		return methodOfRequest(this);
	}
	get url() {
		return urlOfRequest(this);
	}
	get headers() {
		return headersOfRequest(this);
	}
	get destination() {
		return Request.#ours(this, 'destination', '');
	}
	get referrer() {
		return this.#extra?.referrer ?? 'about:client';
	}
	get referrerPolicy() {
		return this.#extra?.referrerPolicy ?? '';
	}
	get mode() {
		return this.#extra?.mode ?? 'cors';
	}
	get credentials() {
		return this.#extra?.credentials ?? 'same-origin';
	}
	get cache() {
		return this.#extra?.cache ?? 'default';
	}
	get redirect() {
		// A client's own request is passed on as it is: redirects are the client's to follow.
		return this.#redirect ?? 'manual';
	}
	get integrity() {
		return this.#extra?.integrity ?? '';
	}
	get keepalive() {
		return this.#extra?.keepalive ?? false;
	}
	get isReloadNavigation() {
		return Request.#ours(this, 'isReloadNavigation', false);
	}
	get isHistoryNavigation() {
		return Request.#ours(this, 'isHistoryNavigation', false);
	}
	get duplex() {
		return Request.#ours(this, 'duplex', 'half');
	}
	get signal() {
		if (this.#signal === null) this.#signal = this.#node ? signalOf(this.#scope) : this.#parent === null ? newSignal() : anyOf([this.#parent]);
		return this.#signal;
	}
	get info() {
		return this.#scope === null ? undefined : infoOf(this.#scope);
	}
	get cf() {
		return this.#scope === null ? undefined : cfOf(this.#scope);
	}
	clone() {
		if (!isRequest(this)) throw brand('Request', 'clone');
		const { mine, theirs } = teeRaw(rawOfRequest(this), 'Request');
		const r = new Request(INTERNAL, null);
		r.#copy(this);
		this.#raw = mine;
		r.#raw = theirs;
		return r;
	}

	static #ours(r, member, value) {
		if (!isRequest(r)) throw brand('Request', member);
		return value;
	}
	static #id(r) {
		const s = r.#scope;
		if (s.over) throw new TypeErr('This Request belongs to a request that is over; Request, Response and streams cannot be used outside their request');
		return s.id;
	}
	static {
		methodOfRequest = (r) => (r.#method ??= er.reqMethod(Request.#id(r)));
		urlOfRequest = (r) => (r.#url ??= er.reqUrl(Request.#id(r)));
		headersOfRequest = (r) => {
			if (r.#headers === null) {
				const block = r.#block;
				r.#headers =
					block === null
						? headersFromBlock(er.reqBlock(Request.#id(r)), isClassic() ? GUARD_REQUEST : GUARD_IMMUTABLE, r)
						: headersFromBlock(block, GUARD_REQUEST, r.#fromNode ? r : null, r.#hosted);
			}
			return r.#headers;
		};
		isRequest = (r) => typeof r === 'object' && r !== null && #scope in r;
		nodeRequest = (scope) => {
			const r = new Request(INTERNAL, scope);
			r.#node = true;
			r.#raw = UNASKED;
			return r;
		};
		rawOfRequest = (r) => {
			if (r.#raw === UNASKED) {
				const n = er.reqBody(Request.#id(r));
				r.#raw = n === LENGTH_NO_BODY ? null : new NodeBody(r.#scope.id * 2, r.#scope, n, BODY);
			}
			return r.#raw;
		};
		// With classic, code may have changed the fields in place.
		const isChanged = (r) => r.#headers !== null && isClassic() && requestBlock(r.#headers) !== er.reqBlock(Request.#id(r));
		isUntouched = (r, scope) =>
			isRequest(r) && r.#node && r.#scope === scope && (r.#raw === UNASKED || r.#raw === null) && !isChanged(r);
		requestWishing = (input, wishes) => {
			const r = new Request(input);
			r.#extra = { __proto__: null, ...r.#extra, wishes };
			return r;
		};
		spendRequest = (r, raw) => {
			r.#raw = raw;
		};
		nodeFieldsThrough((r, name) => {
			if (name === 'host') return hostOfURL(r.#url === null ? er.reqUrl(Request.#id(r)) : r.#url);
			if (name !== 'content-length') return null;
			const n = r.#node ? er.reqBody(Request.#id(r)) : r.#raw === null ? LENGTH_NO_BODY : lengthOf(r.#raw);
			return n < 0 ? null : `${n}`;
		});
		fetchParts = (r) => ({
			self: r.#scope !== null,
			came: r.#node,
			block: r.#headers !== null ? requestBlock(r.#headers) : r.#block !== null ? r.#block : requestBlock(headersOfRequest(r)),
			redirect: r.#redirect ?? 'manual',
			integrity: r.#extra?.integrity ?? '',
			hosted: r.#headers !== null ? headersOpen(r.#headers) : r.#hosted,
			signal: r.#node ? null : r.#signal ?? r.#parent,
			extra: r.#extra,
		});
		mixBody(Request, {
			name: 'Request',
			raw: (r, member) => {
				if (!isRequest(r)) throw brand('Request', member);
				return rawOfRequest(r);
			},
			put: (r, raw) => {
				r.#raw = raw;
			},
			// Nobody has looked at it, and it came with the head: no body need be made of it.
			whole: (r, read) => {
				if (!isRequest(r) || r.#raw !== UNASKED) return undefined;
				belongs(r.#scope, BODY);
				const v = read(Request.#id(r));
				if (v !== undefined) r.#raw = SPENT;
				return v;
			},
			type: (r) => headersGet(headersOfRequest(r), 'content-type'),
		});
	}
}
/** host[:port] of an http or https URL as the parser writes it, without credentials. */
export function hostOfURL(url) {
	const at = strIndexOf(url, '//') + 2;
	const end = strIndexOf(url, '/', at);
	return end < 0 ? strSlice(url, at) : strSlice(url, at, end);
}
const Symbol_iterator = Symbol.iterator;
const IGNORED = [
	{ name: 'referrerPolicy', allowed: ['', 'no-referrer', 'no-referrer-when-downgrade', 'same-origin', 'origin', 'strict-origin', 'origin-when-cross-origin', 'strict-origin-when-cross-origin', 'unsafe-url'] },
	{ name: 'mode', allowed: ['same-origin', 'no-cors', 'cors', 'navigate', 'websocket'] },
	{ name: 'credentials', allowed: ['omit', 'same-origin', 'include'] },
	{ name: 'cache', allowed: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'] },
	{ name: 'priority', allowed: ['high', 'low', 'auto'] },
	{ name: 'integrity', allowed: null },
];
function urlOf(input) {
	const parsed = isURL(input);
	const href = parsed ? hrefOf(input) : parseHref(usvString(input));
	if (href === undefined) throw new TypeErr(`Invalid URL: ${input}. A request needs an absolute URL`);
	if (parsed ? namesUser(input) : parsedNamesUser()) throw new TypeErr(`The URL of a request cannot hold credentials: ${input}`);
	return href;
}
finish(Request, 'Request', 1);
