// Response (WHATWG Fetch 5.5). The plain case, `new Response("text")`, is a status, a constant
// block and the string: no Headers are made until somebody asks for them.
import * as er from './natives.js';
import { RangeErr, TypeErr, freeze, jsonStringify, regexp, startsWith, strIndexOf, strLastIndexOf, strSlice, strSplit, toWellFormed, trim } from './primordials.js';
import { isClassic } from './compat.js';
import { INTERNAL, brand, domString, finish, isObject, need, usvString } from './webidl.js';
import {
	GUARD_IMMUTABLE, GUARD_MESSAGE, blockOf, blockOfHeaders, fillHeaders, headersFromBlock, headersHas, headersPut, isHeaders,
} from './headers.js';
import { SPENT, TEXT_TYPE, extract, extractedType, mixBody, teeRaw } from './body.js';
import { NodeBody } from './node-body.js';
import { sockets } from './sockets-lazy.js';
import { parseHref } from './url.js';

export const TEXT_BLOCK = `content-type\n${TEXT_TYPE}\n`;
const BAD_REASON = regexp(/[^\t\x20-\x7e\x80-\xff]/);
const nullBody = (status) => status === 204 || status === 205 || status === 304 || status === 101 || status === 103;

export let isResponse;
export let rawOfResponse;
export let spendResponse; // (response, raw) -> its body from now on
export let statusOf;
export let reasonText;
export let responseBlock;
// (response) -> status, reason and fields are still those of a fetch: with classic, code may have
// changed the fields in place
export let isFetched;
export let networkError;
export let keptURLs; // (response) -> newline-separated, or null
export let storedResponse; // (status, reason, block, urlList or null, nodeBody)
export let nodeResponse; // (status, reason, block, urlList, nodeBody, wishes or null)

export class Response {
	#status = 200;
	#reason = '';
	#raw = null;
	#block = '';
	#headers = null;
	#type = 'default';
	#urls = null; // newline-separated
	#kept = false; // the node knows its head
	#site = null; // it came from the standard process, and this was wished of the cache
	#info = null;

	constructor(body = null, init = undefined) {
		if (body === INTERNAL) return;
		if (init === undefined) {
			// A string, and nothing else: the shape of most answers.
			if (typeof body === 'string') {
				this.#raw = toWellFormed(body);
				this.#block = TEXT_BLOCK;
				return;
			}
			if (body === null || body === undefined) return;
			this.#raw = extract(body);
			if (extractedType !== null) this.#block = 'content-type\n' + extractedType + '\n';
			return;
		}
		this.#init(init);
		let type = null;
		if (body !== null && body !== undefined) {
			this.#raw = extract(body);
			type = extractedType;
			if (nullBody(this.#status)) throw new TypeErr(`A response of status ${this.#status} cannot have a body`);
		}
		this.#fields(init, type);
	}
	#init(init) {
		if (!isObject(init)) {
			if (init === null) return;
			throw new TypeErr('The options of a Response must be an object');
		}
		const { status, statusText, webSocket } = init;
		if (webSocket !== undefined && webSocket !== null) {
			if (status !== 101) throw new RangeErr("A Response with the option 'webSocket' has the status 101");
			sockets().give(webSocket);
			this.#raw = webSocket;
			this.#status = 101;
		} else if (status !== undefined) {
			const s = +status;
			if (!(s >= 200 && s <= 599) || s % 1 !== 0) throw new RangeErr(`The status of a Response must be from 200 to 599, not ${domString(status)}`);
			this.#status = s;
		}
		if (statusText !== undefined && statusText !== '') {
			const t = domString(statusText);
			if (BAD_REASON.exec(t) !== null) throw new TypeErr('The statusText of a Response has characters that are not allowed');
			this.#reason = t;
		}
	}
	#fields(init, type) {
		const given = init === null ? undefined : init.headers;
		if (given === undefined) {
			if (type !== null) this.#block = 'content-type\n' + type + '\n';
			return;
		}
		if (isHeaders(given)) {
			// Another message's fields: their block is a string that can be shared.
			let block = blockOfHeaders(given);
			if (type !== null && !headersHas(given, 'content-type')) block += 'content-type\n' + type + '\n';
			this.#block = block;
			return;
		}
		if (isObject(given) && given[Symbol_iterator] === undefined) {
			const block = blockOf(given, type, false);
			if (block !== undefined) {
				this.#block = block;
				return;
			}
		}
		const h = headersFromBlock('', GUARD_MESSAGE);
		fillHeaders(h, given);
		if (type !== null && !headersHas(h, 'content-type')) headersPut(h, 'content-type', type);
		this.#headers = h;
	}

	static error() {
		return networkError();
	}
	static redirect(url, status = 302) {
		need(arguments.length, 1, "'redirect' on 'Response'");
		const href = parseHref(usvString(url));
		if (href === undefined) throw new TypeErr(`Invalid URL: ${url}. Response.redirect needs an absolute URL`);
		const s = +status;
		if (s !== 301 && s !== 302 && s !== 303 && s !== 307 && s !== 308) throw new RangeErr(`${s} is not a redirect status`);
		const r = new Response(INTERNAL);
		r.#status = s;
		r.#headers = headersFromBlock('location\n' + href + '\n', GUARD_IMMUTABLE);
		return r;
	}
	static json(data, init = undefined) {
		need(arguments.length, 1, "'json' on 'Response'");
		const text = jsonStringify(data);
		if (text === undefined) throw new TypeErr('The data cannot be made JSON of');
		const r = new Response(INTERNAL);
		if (init !== undefined) {
			r.#init(init);
			if (nullBody(r.#status)) throw new TypeErr(`A response of status ${r.#status} cannot have a body`);
			r.#fields(init, 'application/json');
		} else r.#block = 'content-type\napplication/json\n';
		r.#raw = text;
		return r;
	}

	get type() {
		return this.#type;
	}
	get url() {
		if (this.#urls === null) return '';
		const list = strSplit(this.#urls, '\n');
		const last = list[list.length - 1];
		const hash = strIndexOf(last, "#");
		return hash < 0 ? last : strSlice(last, 0, hash);
	}
	get urlList() {
		return freeze(this.#urls === null ? [] : strSplit(this.#urls, '\n'));
	}
	get redirected() {
		return this.#urls !== null && strIndexOf(this.#urls, "\n") >= 0;
	}
	get status() {
		return this.#status;
	}
	get ok() {
		return this.#status >= 200 && this.#status <= 299;
	}
	get statusText() {
		return this.#reason;
	}
	get headers() {
		if (this.#headers === null) this.#headers = headersFromBlock(this.#block, this.#kept && !isClassic() ? GUARD_IMMUTABLE : GUARD_MESSAGE);
		return this.#headers;
	}
	/** Of an answer of the standard process: what the cache did. */
	get info() {
		if (this.#site === null) return undefined;
		if (this.#info === null) {
			const key = startsWith(this.#site, 'key\n') ? strSplit(this.#site, '\n')[1] : this.url;
			this.#info = freeze({ cache: cacheInfo(this.#headers === null ? this.#block : blockOfHeaders(this.#headers), key) });
		}
		return this.#info;
	}
	/** Of a 101: this end of the WebSocket. */
	get webSocket() {
		const raw = this.#raw;
		if (this.#status !== 101 || raw === SPENT) return null;
		if (raw instanceof NodeBody) this.#raw = sockets().fromNode(raw, responseBlock(this));
		return this.#raw;
	}
	clone() {
		if (!isResponse(this)) throw brand('Response', 'clone');
		if (this.#status === 101) throw new TypeErr('A Response with a WebSocket cannot be cloned');
		const { mine, theirs } = teeRaw(this.#raw, 'Response');
		const r = new Response(INTERNAL);
		r.#status = this.#status;
		r.#reason = this.#reason;
		r.#type = this.#type;
		r.#urls = this.#urls;
		r.#kept = isFetched(this);
		r.#site = this.#site;
		r.#block = this.#headers === null ? this.#block : blockOfHeaders(this.#headers);
		if (this.#type === 'error') r.#headers = headersFromBlock('', GUARD_IMMUTABLE);
		this.#raw = mine;
		r.#raw = theirs;
		return r;
	}
	static {
		isFetched = (r) => r.#kept && (r.#headers === null || blockOfHeaders(r.#headers) === r.#block);
		keptURLs = (r) => r.#urls;
		networkError = () => {
			const r = new Response(INTERNAL);
			r.#status = 0;
			r.#type = 'error';
			r.#headers = headersFromBlock('', GUARD_IMMUTABLE);
			return r;
		};
		storedResponse = (status, reason, block, urls, body) => {
			const r = nodeResponse(status, reason, block, urls, body, null);
			if (urls === null) r.#type = 'default';
			return r;
		};
		isResponse = (r) => typeof r === 'object' && r !== null && #status in r;
		rawOfResponse = (r) => r.#raw;
		spendResponse = (r, raw) => {
			r.#raw = raw;
		};
		statusOf = (r) => r.#status;
		reasonText = (r) => r.#reason;
		responseBlock = (r) => (r.#headers === null ? r.#block : blockOfHeaders(r.#headers));
		nodeResponse = (status, reason, block, urls, body, site) => {
			const r = new Response(INTERNAL);
			r.#status = status;
			r.#reason = reason;
			r.#block = block;
			r.#urls = urls;
			r.#kept = true;
			r.#raw = body;
			r.#type = 'basic';
			r.#site = site;
			return r;
		};
		mixBody(Response, {
			name: 'Response',
			raw: (r, member) => {
				if (!isResponse(r)) throw brand('Response', member);
				return r.#status === 101 ? null : r.#raw;
			},
			put: (r, raw) => {
				r.#raw = raw;
			},
			type: (r) => er.fieldsGet(responseBlock(r), 'content-type'),
		});
	}
}
/** The last member of Cache-Status (RFC 9211) is the node's own: who is nearer to the client comes
 * behind. */
function cacheInfo(block, key) {
	const said = er.fieldsGet(block, 'cache-status'), age = er.fieldsGet(block, 'age');
	const info = { hit: false, age: age === null ? 0 : +age, ttl: null, key, stored: false, collapsed: false, forwarded: null, why: null };
	const parts = said === null ? [] : strSplit(strSlice(said, strLastIndexOf(said, ',') + 1), ';');
	for (let i = 1; i < parts.length; i++) {
		const pair = strSplit(trim(parts[i]), '=');
		const name = pair[0], value = pair[1];
		if (name === 'hit' || name === 'stored' || name === 'collapsed') info[name] = true;
		else if (name === 'ttl') info.ttl = +value;
		else if (name === 'fwd') info.forwarded = value;
		else if (name === 'detail') info.why = value;
	}
	return freeze(info);
}
const Symbol_iterator = Symbol.iterator;
finish(Response, 'Response', 0);
