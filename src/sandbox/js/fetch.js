// fetch: the node makes the subrequest; here its options are checked and its answer becomes
// a Response.
import * as er from './natives.js';
import {
	BODY_NONE, BODY_RELAY, BODY_STREAM, BODY_WHOLE, FETCH_CDN_PROXY, FETCH_DECOMPRESS_FALLBACK, FETCH_DECOMPRESS_MANUAL, FETCH_REDIRECT_ERROR,
	FETCH_PULL, FETCH_SERVICE, FETCH_REDIRECT_FOLLOW, FETCH_REDIRECT_MANUAL, FETCH_SAME_ORIGIN, FETCH_SELF, FETCH_UPGRADE, FETCHED_BODY,
} from './contract.js';
import { apart, Deferred, Err, TypeErr, lower, quiet, rejected, resolved, startsWith, strIndexOf } from './primordials.js';
import { isClassic } from './compat.js';
import { newFid, subs } from './sub-ids.js';
import { need } from './webidl.js';
import { OVER, TOP, current, enterScope, hang, settle, unhang } from './scope.js';
import { Request, fetchParts, hasNoBody, hostOfURL, isRequest, isUntouched, methodOfRequest, saysCacheOnly, rawOfRequest, requestWishing, spendRequest, urlOfRequest } from './request.js';
import { nodeResponse, spendResponse } from './response.js';
import { GONE, NodeBody, isOpen } from './node-body.js';
import { SPENT, isStreamRaw, lengthOf, nodeBodyOf, simplest, usable } from './body.js';
import { takeSource } from './streams-lazy.js';
import { isAborted, onAbort, reasonOf } from './abort.js';
import { abortError } from './dom-exception.js';
import { sendStream } from './writer.js';
import { isHttp } from './url.js';
import { wishesOf } from './wishes.js';
import { intact } from './integrity.js';

class Sub {
	constructor(fid, scope, deferred, url) {
		this.fid = fid;
		this.url = url; // or the Request that knows it
		this.scope = scope;
		this.deferred = deferred;
		this.body = null; // its Flow
		this.manual = false; // the code wants the bytes as they come
		this.offAbort = null;
		this.unsent = null; // the reader of its body, until the node has room for it
		this.wishes = undefined; // of the cache, as wishes.js has them
		this.site = false; // it goes to the standard process, so that the cache says what it did
		this.answers = false; // what it brings is the answer of its request
		// (status, block, body, reason) -> what its promise becomes; null: a Response
		this.take = null;
		this.what = ''; // with take: what was called
		this.service = null; // the binding whose routine answers
		this.pulled = false; // FETCH_PULL: its body comes unasked
		this.prevEnder = null;
		this.nextEnder = null;
	}
	aborted(reason) {
		if (this.deferred === null && this.body !== null) {
			if (isOpen(this.body)) {
				er.fetchCancel(this.fid);
				this.body.fail(reason);
			} else this.body.taker?.sourceAborted(reason);
			this.body.failCopies(reason);
			return;
		}
		er.fetchCancel(this.fid);
		this.reject(reason);
	}
	/** The answer whose body it sends on was aborted. */
	sourceAborted(reason) {
		if (this.deferred !== null) this.aborted(reason);
	}
	reject(e) {
		const d = this.deferred;
		if (d === null) return;
		this.deferred = null;
		this.close();
		if (this.answers) {
			quiet(d.promise);
			answerer.failed(this.scope, e);
		}
		d.reject(e);
		this.dropUnsent(e);
	}
	/** It will not begin any more: its body is let go unread. */
	dropUnsent(reason) {
		const reader = this.unsent;
		if (reader === null) return;
		this.unsent = null;
		try {
			quiet(reader.cancel(reason));
		} catch {
			// the reader was released by somebody who got hold of it
		}
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
		if (this.offAbort !== null) this.offAbort(); // the signal may live on
		if (d === null || kind === OVER) return; // nothing of a request that has ended runs on
		quiet(d.promise);
		const error = abortError(`The request is over (${kind}): its fetch was cancelled`);
		if (this.answers) answerer.failed(this.scope, error);
		d.reject(error);
		this.dropUnsent(error);
	}
}
apart(Sub);

/** Throws if no subrequest can be made now. `what` is what was called. */
function mayAsk(what) {
	const scope = current;
	if (scope === TOP)
		throw new Err(`${what} cannot be called at top level, only while a request is handled: move the call into the fetch handler`);
	if (scope.over) throw new Err(`${what} was called after the request was over: give its promise to waitUntil to keep the request alive`);
	return scope;
}
export function fetch(input, init = undefined) {
	try {
		need(arguments.length, 1, "'fetch'");
		return start(input, init);
	} catch (e) {
		return rejected(e);
	}
}
/** env.SERVICE.fetch: another routine answers, as it would answer a client. May throw. */
export function fetchOf(service, input, init) {
	const scope = mayAsk(`env.${service}.fetch`);
	if (init === undefined && !scope.answered && isUntouched(input, scope)) return asItCame(input, scope, undefined, service);
	return ask(scope, init === undefined && isRequest(input) ? input : new Request(input, init), service);
}
function start(input, init) {
	const scope = mayAsk('fetch');
	if (init === undefined) {
		if (!scope.answered && isUntouched(input, scope)) return asItCame(input, scope, undefined, null);
	} else if (isRequest(input) && saysCacheOnly(init)) {
		// Reading the members may run code that touches the request: they come first.
		const wishes = wishesOf(init.er, init.cf);
		if (!scope.answered && isUntouched(input, scope)) return asItCame(input, scope, wishes, null);
		return ask(scope, wishes === undefined ? input : requestWishing(input, wishes), null);
	}
	// The node's own request is sent as it is; everything else goes through the constructor, which
	// copies and checks.
	return ask(scope, init === undefined && isRequest(input) ? input : new Request(input, init), null);
}
/** `service`: the binding whose routine answers, or null. */
function ask(scope, request, service) {
	let raw = rawOfRequest(request);
	usable(raw, 'Request');
	const parts = fetchParts(request);
	const { signal } = parts;
	if (signal !== null && isAborted(signal)) {
		useUp(request, raw, reasonOf(signal));
		throw reasonOf(signal);
	}
	const url = urlOfRequest(request);
	if (!isHttp(url)) {
		if (service === null && startsWith(url, 'data:')) {
			const response = dataURL(url, methodOfRequest(request));
			return parts.integrity === '' ? response : intact(response, parts.integrity);
		}
		throw new TypeErr(`fetch takes http and https URLs only: ${url}`);
	}
	let block = parts.hosted ? withoutHost(parts, url) : parts.block;
	count(scope);
	if (raw !== null && hasNoBody(methodOfRequest(request)) && !parts.came && isClassic()) {
		// HTTP knows no meaning of it, and servers refuse it (RFC 9110 9.3.1).
		useUp(request, raw, undefined);
		raw = null;
		block = er.fieldsDelete(block, 'content-length');
	}
	const fid = newFid();
	const sub = new Sub(fid, scope, new Deferred(), url);
	sub.service = service;
	const { promise } = sub.deferred;
	if (service === null) send(sub, request, raw, parts, block, url);
	else sendRaw(sub, methodOfRequest(request), url, block, FETCH_SERVICE | (asksUpgrade(block) ? FETCH_UPGRADE : 0), service, raw, request);
	subs.set(fid, sub);
	hang(scope, sub);
	if (signal !== null) sub.offAbort = onAbort(signal, (reason) => sub.aborted(reason));
	const { integrity } = parts;
	if (integrity !== '') return intact(promise, integrity);
	last = sub;
	return promise;
}
/** The body of a request that is not sent. */
function useUp(request, raw, reason) {
	if (raw === null) return;
	if (isStreamRaw(raw)) quiet(raw.cancel(reason));
	else {
		if (raw instanceof NodeBody) raw.cancel();
		spendRequest(request, SPENT);
	}
}
let last = null; // the fetch that began last, while its turn goes on
function count(scope) {
	scope.subrequests++;
	const { subrequests } = er.limits();
	if (subrequests > 0 && scope.subrequests > subrequests)
		throw new Err(`Too many subrequests: a request may make ${subrequests}`);
}
/** fetch(event.request): the node has the request, and gets no word of it back. */
function asItCame(request, scope, wishes, service) {
	count(scope);
	const fid = newFid();
	const sub = new Sub(fid, scope, new Deferred(), request);
	sub.site = service === null;
	sub.wishes = wishes;
	const { promise } = sub.deferred;
	sub.service = service;
	const said =
		service === null
			? er.fetchRequest(fid, /* owner */ scope.id, /* options */ FETCH_REDIRECT_MANUAL | FETCH_SELF, wishes)
			: er.fetchRequest(fid, /* owner */ scope.id, /* options */ FETCH_SERVICE, /* wishes */ service);
	if ((said & FETCHED_BODY) !== 0) spendRequest(request, SPENT);
	subs.set(fid, sub);
	hang(scope, sub);
	last = sub;
	return promise;
}
function options({ redirect, extra }) {
	let o = redirect === 'manual' ? FETCH_REDIRECT_MANUAL : redirect === 'error' ? FETCH_REDIRECT_ERROR : FETCH_REDIRECT_FOLLOW;
	if (extra !== null) {
		if (extra.mode === 'same-origin') o |= FETCH_SAME_ORIGIN;
		if (extra.cdnProxy) o |= FETCH_CDN_PROXY;
		if (extra.decompress === 'fallbackIdentity') o |= FETCH_DECOMPRESS_FALLBACK;
		else if (extra.decompress === 'manual') o |= FETCH_DECOMPRESS_MANUAL;
	}
	return o;
}
/** Host is the URL's, and the node writes it. Another one is for the standard process alone:
 * elsewhere it would not be the host that is asked. */
function withoutHost({ block, self, extra }, url) {
	const said = er.fieldsGet(block, 'host');
	if (said === null || self || extra?.cdnProxy) return block;
	const host = hostOfURL(url);
	const port = startsWith(url, 'https:') ? ':443' : ':80';
	if (lower(said) !== host && lower(said) !== host + port)
		throw new TypeErr(
			`The header Host of a subrequest is the host of its URL (${host}) and cannot be '${said}': put the host into the URL. Only a request to the origin of this node, as fetch(event.request) makes it, takes another Host`,
		);
	return er.fieldsDelete(block, 'host');
}
/** A WebSocket is asked for as in a handshake: by the header Upgrade. */
function asksUpgrade(block) {
	if (strIndexOf(block, 'upgrade\n') < 0) return false;
	const said = er.fieldsGet(block, 'upgrade');
	return said !== null && lower(said) === 'websocket';
}
function send(sub, request, raw, parts, block, url) {
	sub.manual = parts.extra?.decompress === 'manual';
	sub.wishes = parts.extra?.wishes;
	sub.site = parts.self || parts.extra?.cdnProxy === true || sub.wishes !== undefined;
	const o = options(parts) | (parts.self ? FETCH_SELF : 0) | (asksUpgrade(block) ? FETCH_UPGRADE : 0);
	sendRaw(sub, methodOfRequest(request), url, block, o, sub.wishes, raw, request);
}
/** `request`: what is used up with its body, or null. */
function sendRaw(sub, method, url, block, o, wishes, raw, request) {
	const { fid, scope } = sub;
	if (raw === null) {
		er.fetch(fid, /* owner */ scope.id, method, url, block, /* options */ o, wishes, /* flags */ BODY_NONE, /* body */ undefined);
		return;
	}
	const node = nodeBodyOf(raw);
	if (node !== undefined) {
		node.check();
		er.fetch(fid, /* owner */ scope.id, method, url, block, /* options */ o, wishes, /* flags */ BODY_RELAY, /* body */ node.key);
		if (isStreamRaw(raw)) takeSource(raw);
		else if (request !== null) spendRequest(request, SPENT);
		node.handOff();
		node.flow.taker = sub;
		return;
	}
	const body = simplest(raw);
	if (!isStreamRaw(body)) {
		er.fetch(fid, /* owner */ scope.id, method, url, block, /* options */ o, wishes, /* flags */ BODY_WHOLE, body);
		if (!isStreamRaw(raw) && request !== null) spendRequest(request, SPENT);
		return;
	}
	const length = lengthOf(body);
	const reader = body.getReader();
	if (er.fetch(fid, /* owner */ scope.id, method, url, block, /* options */ o, wishes, /* flags */ BODY_STREAM, /* body */ length) === true) sub.unsent = reader;
	else upload(sub, reader);
}
async function upload(sub, reader) {
	const e = await sendStream(sub.fid * 2 + 1, sub.scope, reader, true);
	if (e !== undefined) sub.reject(e);
}
/** hooks.subBegun: one that waited for its turn has been asked for */
export function subBegun(fid) {
	const sub = subs.get(fid);
	if (sub === undefined || sub.unsent === null) return;
	enterScope(sub.scope);
	const reader = sub.unsent;
	sub.unsent = null;
	upload(sub, reader);
}
/** A question for data on the node (data.js), which counts as a subrequest. `options`:
 * FETCH_DATA_*, and FETCH_PULL if `take` reads the body. */
export function askNode(what, options, method, target, block, raw, take) {
	const scope = mayAsk(what);
	count(scope);
	const fid = newFid();
	const sub = new Sub(fid, scope, new Deferred(), '');
	const { promise } = sub.deferred;
	sub.take = take;
	sub.what = what;
	sub.pulled = (options & FETCH_PULL) !== 0;
	sendRaw(sub, method, target, block, options, undefined, raw, null);
	subs.set(fid, sub);
	hang(scope, sub);
	return promise;
}
/** The handshake of a WebSocket. `take` as of askNode; a redirect is a failure. */
export function askSocket(url, block, take) {
	const scope = mayAsk('new WebSocket');
	count(scope);
	const fid = newFid();
	const sub = new Sub(fid, scope, new Deferred(), '');
	const { promise } = sub.deferred;
	sub.take = take;
	sub.what = 'The connection';
	sendRaw(sub, 'GET', url, block, FETCH_REDIRECT_ERROR | FETCH_UPGRADE, undefined, null, null);
	subs.set(fid, sub);
	hang(scope, sub);
	return promise;
}
let fetchData = null;
export function dataThrough(fn) {
	fetchData = fn;
}
function dataURL(url, method) {
	const r = fetchData(url, method);
	if (r === undefined) throw new TypeErr('Invalid data: URL');
	return resolved(r);
}

// ---- a fetch whose promise is the answer ----

let answerer = null; // { answered(scope, response), failed(scope, error) }
export function answersThrough(a) {
	answerer = a;
}
/** `promise` is what the handler gave for an answer. True if it is the promise of a fetch for which
 * nobody else waits: then nobody waits for it here, and the node may answer with what comes. */
export function answersWith(scope, promise) {
	const sub = last;
	last = null;
	if (sub === null || sub.scope !== scope || sub.deferred === null || sub.deferred.promise !== promise || sub.offAbort !== null) return false;
	sub.answers = er.answer(scope.id, sub.fid, promise);
	return sub.answers;
}
/** hooks.subAnswered: the request has its answer. True if somebody wants to see it. */
export function subAnswered(fid) {
	const sub = subs.get(fid);
	if (sub === undefined || sub.deferred === null) return false;
	const { scope } = sub;
	enterScope(scope);
	scope.answered = true;
	if (!er.isBare(sub.deferred.promise)) return true;
	sub.deferred = null;
	sub.close();
	settle(scope);
	return false;
}

/** hooks.subHead */
export function subHead(fid, status, reason, block, urls, hasBody, length, here) {
	const sub = subs.get(fid);
	if (sub === undefined) return;
	enterScope(sub.scope);
	const d = sub.deferred;
	if (d === null) return;
	sub.deferred = null;
	let body = null;
	if (hasBody) {
		body = new NodeBody(fid * 2 + 1, sub.scope, length, 'The body of the response');
		if (sub.take !== null) {
			if (sub.pulled && here !== true) body.expect();
		} else if (!sub.manual) body.block = block;
		body.inline = here === true;
		sub.body = body.flow;
	}
	if (sub.offAbort === null || body === null) sub.close();
	else {
		// An abort must still reach the body; the entry goes with the request.
		subs.delete(fid);
	}
	if (sub.take !== null) {
		try {
			d.resolve(sub.take(status, block, body, reason));
		} catch (e) {
			d.reject(e);
		}
		return;
	}
	const url = typeof sub.url === 'string' ? sub.url : urlOfRequest(sub.url);
	const response = nodeResponse(status, reason ?? 'OK', block, urls ?? url, body, sub.site ? sub.wishes ?? '' : null);
	// Who gave the promise for an answer was the first to wait for it.
	if (sub.answers) {
		if (sub.scope.answered) taken(sub.scope, response, body);
		else answerer.answered(sub.scope, response);
	}
	d.resolve(response);
}
/** The node has sent it on already. */
function taken(scope, response, body) {
	if (body !== null) {
		body.flow.leave(GONE);
		spendResponse(response, SPENT);
	}
	settle(scope);
}
/** hooks.subFail */
export function subFail(fid, kind, text) {
	const sub = subs.get(fid);
	if (sub === undefined) return;
	enterScope(sub.scope);
	const why = text === '' ? kind : text;
	const what = sub.service !== null ? `env.${sub.service}.fetch` : sub.what;
	const e = what !== '' ? new Err(`${what} failed: ${why}`) : new TypeErr(`fetch failed: ${why}`);
	e.code = kind;
	sub.reject(e);
}
