// fetch: the node makes the subrequest; here its options are checked and its answer becomes a Response.
import * as er from './natives.js';
import { Deferred, Err, TypeErr, quiet, rejected, resolved, startsWith } from './primordials.js';
import { IdMap } from './id-map.js';
import { need } from './webidl.js';
import { OVER, TOP, current, enterScope, hang, unhang } from './scope.js';
import { Request, fetchParts, isRequest, rawOfRequest, spendRequest } from './request.js';
import { nodeResponse } from './response.js';
import { NodeBody } from './node-body.js';
import { SPENT, isStreamRaw, nodeBodyOf, simplest, usable } from './body.js';
import { takeSource } from './streams-lazy.js';
import { isAborted, onAbort, reasonOf } from './abort.js';
import { abortError } from './dom-exception.js';
import { sendStream } from './writer.js';
import { isHttp } from './url.js';

const REDIRECT_MANUAL = 1, REDIRECT_ERROR = 2, CDN_PROXY = 4, SELF = 8;
const BODY_WHOLE = 1, BODY_STREAM = 2, BODY_RELAY = 4;

const subs = new IdMap(); // fid -> Sub that waits for its head, or whose body is being read
let lastFid = 0;
function newFid() {
	do lastFid = lastFid >= 0x3fffffff ? 1 : lastFid + 1;
	while (subs.has(lastFid));
	return lastFid;
}

class Sub {
	constructor(fid, scope, deferred, url) {
		this.fid = fid;
		this.url = url;
		this.scope = scope;
		this.deferred = deferred;
		this.body = null;
		this.offAbort = null;
		this.prevEnder = null;
		this.nextEnder = null;
	}
	aborted(reason) {
		if (this.deferred === null && this.body !== null) {
			if (this.body.state < 2) {
				er.fetchCancel(this.fid);
				this.body.fail(reason);
			}
			return;
		}
		er.fetchCancel(this.fid);
		this.reject(reason);
	}
	reject(e) {
		const d = this.deferred;
		if (d === null) return;
		this.deferred = null;
		this.close();
		d.reject(e);
	}
	close() {
		subs.delete(this.fid);
		unhang(this.scope, this);
		if (this.offAbort !== null) this.offAbort();
	}
	ended(kind) {
		const d = this.deferred;
		this.deferred = null;
		subs.delete(this.fid);
		if (d === null || kind === OVER) return; // nothing of a request that has ended runs on
		quiet(d.promise);
		d.reject(abortError(`The request is over (${kind}): its fetch was cancelled`));
	}
}

export function fetch(input, init = undefined) {
	try {
		need(arguments.length, 1, "'fetch'");
		return start(input, init);
	} catch (e) {
		return rejected(e);
	}
}
function start(input, init) {
	const scope = current;
	if (scope === TOP)
		throw new Err('fetch cannot be called at top level, only while a request is handled: move the call into the fetch handler');
	if (scope.over) throw new Err('fetch was called after the request was over: give its promise to waitUntil to keep the request alive');
	// The node's own request is sent as it is; everything else goes through the constructor, which copies and checks.
	const request = init === undefined && isRequest(input) ? input : new Request(input, init);
	const raw = rawOfRequest(request);
	usable(raw, 'Request');
	const parts = fetchParts(request);
	const { signal } = parts;
	if (signal !== null && isAborted(signal)) throw reasonOf(signal);
	const url = request.url;
	if (!isHttp(url)) {
		if (startsWith(url, 'data:')) return dataURL(url);
		throw new TypeErr(`fetch takes http and https URLs only: ${url}`);
	}
	scope.subrequests++;
	const { subrequests } = er.limits();
	if (subrequests > 0 && scope.subrequests > subrequests)
		throw new Err(`Too many subrequests: a request may make ${subrequests}`);

	const fid = newFid();
	const sub = new Sub(fid, scope, new Deferred(), url);
	const { promise } = sub.deferred;
	send(sub, request, raw, parts, url);
	subs.set(fid, sub);
	hang(scope, sub);
	if (signal !== null) sub.offAbort = onAbort(signal, (reason) => sub.aborted(reason));
	return promise;
}
function options(request, extra) {
	let o = request.redirect === 'manual' ? REDIRECT_MANUAL : request.redirect === 'error' ? REDIRECT_ERROR : 0;
	if (extra !== null) {
		if (extra.cdnProxy) o |= CDN_PROXY;
		if (extra.decompress === 'fallbackIdentity') o |= 1 << 4;
		else if (extra.decompress === 'manual') o |= 2 << 4;
	}
	return o;
}
function send(sub, request, raw, parts, url) {
	const { block } = parts;
	const o = options(request, parts.extra) | (parts.self ? SELF : 0);
	const { method } = request;
	const { fid, scope } = sub;
	if (raw === null) {
		er.fetch(fid, scope.id, method, url, block, o, 0, undefined);
		return;
	}
	const node = nodeBodyOf(raw);
	if (node !== undefined) {
		node.check();
		er.fetch(fid, scope.id, method, url, block, o, BODY_RELAY, node.key);
		if (isStreamRaw(raw)) takeSource(raw);
		else spendRequest(request, SPENT);
		node.handOff();
		return;
	}
	const body = simplest(raw);
	if (!isStreamRaw(body)) {
		er.fetch(fid, scope.id, method, url, block, o, BODY_WHOLE, body);
		if (!isStreamRaw(raw)) spendRequest(request, SPENT);
		return;
	}
	const reader = body.getReader();
	er.fetch(fid, scope.id, method, url, block, o, BODY_STREAM, fid * 2 + 1);
	upload(sub, reader);
}
async function upload(sub, reader) {
	const e = await sendStream(sub.fid * 2 + 1, sub.scope, reader);
	if (e !== undefined) sub.reject(e);
}
let fetchData = null;
export function dataThrough(fn) {
	fetchData = fn;
}
function dataURL(url) {
	const r = fetchData(url);
	if (r === undefined) throw new TypeErr('Invalid data: URL');
	return resolved(r);
}

/** hooks.subHead */
export function subHead(fid, status, reason, block, urls, hasBody, length) {
	const sub = subs.get(fid);
	if (sub === undefined) return;
	enterScope(sub.scope);
	const d = sub.deferred;
	if (d === null) return;
	sub.deferred = null;
	let body = null;
	if (hasBody) {
		body = new NodeBody(fid * 2 + 1, sub.scope, length, 'The body of the response');
		sub.body = body;
	}
	if (sub.offAbort === null || body === null) sub.close();
	else {
		// An abort must still reach the body; the entry goes with the request.
		subs.delete(fid);
	}
	d.resolve(nodeResponse(status, reason ?? 'OK', block, urls ?? sub.url, body));
}
/** hooks.subFail */
export function subFail(fid, kind, text) {
	const sub = subs.get(fid);
	if (sub === undefined) return;
	enterScope(sub.scope);
	const e = new TypeErr(text === '' ? `fetch failed: ${kind}` : `fetch failed: ${text}`);
	e.code = kind;
	sub.reject(e);
}
