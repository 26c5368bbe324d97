// The fetch event and everything that leads from a request to its answer. This is the path that
// every request takes: the plain cases are recognised first and cost one object and one call into
// the engine.
import * as er from './natives.js';
import { BODY_KEPT, BODY_LAST, BODY_NONE, BODY_RELAY, BODY_STREAM, BODY_WHOLE, COMPAT_ENV_LAST } from './contract.js';
import { bareList, Err, RangeErr, TypeErr, defineProperty, freeze, isPromise, jsonParse, strSplit, toWellFormed } from './primordials.js';
import { INTERNAL, brand, dictionary, finish, illegal, isObject, need } from './webidl.js';
import { Event } from './event.js';
import { OVER, close, dispatched, open, settle } from './scope.js';
import { infoOf } from './client.js';
import { nodeRequest } from './request.js';
import { Response, TEXT_BLOCK, isFetched, isResponse, rawOfResponse, reasonText, responseBlock, spendResponse, statusOf } from './response.js';
import { SPENT, isStreamRaw, lengthOf, nodeBodyOf, simplest, usable } from './body.js';
import { takeSource } from './streams-lazy.js';
import { NodeBody } from './node-body.js';
import { sockets } from './sockets-lazy.js';
import { answersThrough, answersWith } from './fetch.js';
import { abortError, DOMException } from './dom-exception.js';
import { signalAbort } from './abort.js';
import { sendStream } from './writer.js';
import { namespaceOf } from './kv.js';
import { routineOf, staticFiles } from './assets.js';
import { reportException } from './report.js';
import { runScheduled, scheduledEvent, waitsThrough } from './scheduled.js';

// ---- what the routine registered ----

export const fetchListeners = bareList(); // of the global, in order
export const scheduledListeners = bareList();
let moduleExport = null;
let envLast = false;
let hasBypass = false;

let env_ = null;
export function routineEnv() {
	if (env_ === null) {
		const text = er.env();
		const made = text ? jsonParse(text) : {};
		bind(made, strSplit(er.bindings(), '\n'));
		env_ = freeze(made);
	}
	return env_;
}

/** Members of env that are no variables: made at the first touch. */
function bind(env, lines) {
	for (let i = 0; i + 2 < lines.length; i += 3) {
		const name = lines[i + 1], target = lines[i + 2];
		let it = null;
		const make = lines[i] === 'kv' ? () => namespaceOf(target) : lines[i] === 'service' ? () => routineOf(name) : staticFiles;
		defineProperty(env, name, { get: () => (it ??= make()), enumerable: true, configurable: true });
	}
}

// The default export, or what a CommonJS module exports: any object or function that has a handler,
// its own or an inherited one. Every property of a router that is a Proxy is a function: so fetch
// decides, and bypass counts only where there is no fetch.
function take(d) {
	if (!isObject(d)) return false;
	const hasFetch = typeof d.fetch === 'function';
	hasBypass = !hasFetch && typeof d.bypass === 'function';
	if (!hasFetch && !hasBypass && typeof d.scheduled !== 'function') return false;
	moduleExport = d;
	return true;
}

/** hooks.loaded */
export function loaded() {
	const m = globalThis.__er_module;
	delete globalThis.__er_module;
	envLast = (er.limits().compat & COMPAT_ENV_LAST) !== 0;
	if (isObject(m) && !take(m.default)) take(m);
	if (moduleExport === null && fetchListeners.length === 0 && scheduledListeners.length === 0)
		throw new TypeErr('The routine has no handler: use addEventListener("fetch", ...) or export default { fetch(request, env, ctx) { ... } }');
}

// ---- the event and the context ----

let scopeOf;
let askedOf;

export class FetchEvent extends Event {
	#scope = null;
	#request = null;
	#response = undefined; // what respondWith was given
	#asked = false;
	constructor(type, init = undefined) {
		if (type === INTERNAL) {
			super(INTERNAL, 'fetch');
			this.#scope = init;
			return;
		}
		throw illegal('FetchEvent');
	}
	get request() {
		if (this.#request === null) this.#request = nodeRequest(this.#scope);
		return this.#request;
	}
	get info() {
		return infoOf(this.#scope);
	}
	get env() {
		return routineEnv();
	}
	respondWith(response) {
		if (!(#asked in this)) throw brand('FetchEvent', 'respondWith');
		need(arguments.length, 1, "'respondWith' on 'FetchEvent'");
		if (this.#asked) throw new DOMException('respondWith was called already', 'InvalidStateError');
		if (this.#scope.dispatchedTo) throw new DOMException('respondWith must be called while the event is handled, not later: give it a promise', 'InvalidStateError');
		this.#asked = true;
		this.#response = response;
	}
	waitUntil(promise) {
		if (!(#asked in this)) throw brand('FetchEvent', 'waitUntil');
		need(arguments.length, 1, "'waitUntil' on 'FetchEvent'");
		waitUntil(this.#scope, promise);
	}
	passThroughOnException() {
		if (!(#asked in this)) throw brand('FetchEvent', 'passThroughOnException');
		this.#scope.passOn = true;
	}
	static {
		askedOf = (e) => e.#asked;
		scopeOf = (e) => e.#response;
	}
}
finish(FetchEvent, 'FetchEvent', 1);

export class ExecutionContext {
	#scope;
	constructor(token = undefined, scope = undefined) {
		if (token !== INTERNAL) throw illegal('ExecutionContext');
		this.#scope = scope;
	}
	waitUntil(promise) {
		if (!(#scope in this)) throw brand('ExecutionContext', 'waitUntil');
		need(arguments.length, 1, "'waitUntil' on 'ExecutionContext'");
		waitUntil(this.#scope, promise);
	}
	passThroughOnException() {
		if (!(#scope in this)) throw brand('ExecutionContext', 'passThroughOnException');
		this.#scope.passOn = true;
	}
}
finish(ExecutionContext, 'ExecutionContext', 0);

export class ResponseBypass {
	#allow;
	#status;
	constructor(allow, options = undefined) {
		need(arguments.length, 1, "'constructor' on 'ResponseBypass'");
		this.#allow = !!allow;
		const status = dictionary(options, 'The options of ResponseBypass').status;
		this.#status = status === undefined ? 403 : +status;
		if (!(this.#status >= 200 && this.#status <= 599) || this.#status % 1 !== 0) throw new RangeErr('The status of a ResponseBypass must be from 200 to 599');
	}
	get allow() {
		return this.#allow;
	}
	get status() {
		return this.#status;
	}
	static {
		bypassOf = (r) => (isObject(r) && #allow in r ? { allow: r.#allow, status: r.#status } : undefined);
	}
}
var bypassOf;
finish(ResponseBypass, 'ResponseBypass', 1);

function waitUntil(scope, promise) {
	if (scope.over) throw new DOMException('waitUntil was called after the request was over', 'InvalidStateError');
	scope.waits++;
	awaitIt(scope, promise);
}
async function awaitIt(scope, promise) {
	try {
		await promise;
	} catch (e) {
		if (scope.run !== null && !scope.over) scope.run.fails(scope, e);
		else if (!scope.over) reportException(scope.id, e, false);
	}
	scope.waits--;
	if (scope.run !== null) scope.run.look(scope);
	else settle(scope);
}
waitsThrough(waitUntil);

// ---- answering ----

function answer(s, response) {
	if (s.answered) return;
	if (!isResponse(response)) {
		if (typeof response === 'string') {
			response = toWellFormed(response);
			send(s, 200, '', TEXT_BLOCK, response, BODY_WHOLE, 0);
			return;
		}
		throw new TypeErr(`The handler must return a Response (or a string), not ${describe(response)}`);
	}
	const status = statusOf(response);
	if (status === 0) throw new TypeErr('The handler returned a network error (Response.error())');
	const raw = rawOfResponse(response);
	if (typeof raw === 'string' || raw === null) {
		const flags = raw === null ? BODY_NONE : BODY_WHOLE;
		const block = responseBlock(response);
		if (raw !== null) spendResponse(response, SPENT);
		send(s, status, reasonText(response), block, raw === null ? undefined : raw, flags, 0);
		return;
	}
	answerBody(s, response, status, raw);
}
/** Throws if the head cannot be sent: then nothing was answered. */
function send(s, status, reason, block, body, flags, key) {
	if (s.waits > 0) {
		er.respond(s.id, status, reason, block, body, flags, /* number */ key);
		s.answered = true;
		return;
	}
	er.respond(s.id, status, reason, block, body, /* flags */ flags | BODY_LAST, /* number */ key);
	s.answered = true;
	s.over = true;
	if (s.parked || s.ender !== null) finishClosed(s);
}
function finishClosed(s) {
	s.over = false;
	close(s, OVER);
}
/** 101: the connection is a WebSocket from now on. */
function answerSocket(s, response, raw) {
	if (er.fieldsGet(er.reqBlock(s.id), 'upgrade') === null)
		throw new TypeErr("The handler returned a Response of status 101, but the client did not ask for a WebSocket: look at the header 'upgrade' first");
	if (raw === SPENT) throw new TypeErr('The WebSocket of the Response has already been used');
	const reason = reasonText(response), block = responseBlock(response);
	const node = raw instanceof NodeBody ? raw : sockets().unread(raw);
	if (node === null) sockets().answer(s, reason, block, raw);
	else {
		node.check();
		send(s, 101, reason, block, undefined, BODY_RELAY, node.handOff());
	}
	spendResponse(response, SPENT);
}
function answerBody(s, response, status, raw) {
	if (status === 101) {
		answerSocket(s, response, raw);
		return;
	}
	usable(raw, 'Response');
	const reason = reasonText(response);
	const block = responseBlock(response);
	const node = nodeBodyOf(raw);
	if (node !== undefined) {
		node.check();
		if (isStreamRaw(raw)) takeSource(raw);
		else spendResponse(response, SPENT);
		const key = node.handOff();
		send(s, status, reason, block, undefined, isFetched(response) ? BODY_RELAY | BODY_KEPT : BODY_RELAY, key);
		return;
	}
	const body = simplest(raw);
	if (!isStreamRaw(body)) {
		if (!isStreamRaw(raw)) spendResponse(response, SPENT);
		if (typeof body !== 'string' && !ArrayBuffer_isView(body)) throw new TypeErr('The body of the Response has already been used');
		send(s, status, reason, block, body, BODY_WHOLE, 0);
		return;
	}
	const length = lengthOf(body);
	const reader = body.getReader();
	er.respond(s.id, status, reason, block, /* body */ undefined, /* flags */ BODY_STREAM, /* number */ length);
	s.answered = true;
	s.streaming = true;
	stream(s, reader);
}
const ArrayBuffer_isView = ArrayBuffer.isView;
async function stream(s, reader) {
	const e = await sendStream(s.id * 2, s, reader);
	s.streaming = false;
	if (e !== undefined && !s.over) reportException(s.id, e, false);
	settle(s);
}
function describe(v) {
	if (v === undefined) return 'undefined';
	if (v === null) return 'null';
	if (typeof v !== 'object') return `a ${typeof v}`;
	return 'another object';
}

function failed(s, e) {
	if (s.over) {
		reportException(s.id, e, false);
		return;
	}
	if (s.answered) {
		reportException(s.id, e, false);
		settle(s);
		return;
	}
	s.answered = true;
	if (s.passOn) {
		reportException(s.id, e, false);
		er.pass(s.id);
		settle(s);
		return;
	}
	close(s, OVER);
	er.fail(s.id, e);
}
async function answerLater(s, promise) {
	try {
		const response = await promise;
		if (s.over) return;
		answer(s, response);
	} catch (e) {
		failed(s, e);
	}
}
function conclude(s, r) {
	if (isResponse(r) || typeof r === 'string') answer(s, r);
	else if (isPromise(r)) {
		if (!answersWith(s, r)) answerLater(s, r);
	}
	else answer(s, r); // throws: not a response
}
answersThrough({
	answered(s, response) {
		if (s.over) return;
		try {
			answer(s, response);
		} catch (e) {
			failed(s, e);
		}
	},
	failed,
});
function passOn(s) {
	s.answered = true;
	er.pass(s.id);
	settle(s);
}

/** hooks.request: one call for each request. */
export function request(id) {
	const s = open(id);
	try {
		if (moduleExport !== null) callModule(s);
		else callListeners(s);
	} catch (e) {
		failed(s, e);
	}
	dispatched();
}
/** hooks.scheduled: it is time. */
export function scheduled(id) {
	const s = open(id);
	runScheduled(s, scheduledHandler(s));
	dispatched();
}
function scheduledHandler(s) {
	if (moduleExport !== null) {
		if (typeof moduleExport.scheduled !== 'function') return null;
		const ctx = new ExecutionContext(INTERNAL, s);
		return () => (envLast ? moduleExport.scheduled(scheduledEvent(s), ctx, routineEnv()) : moduleExport.scheduled(scheduledEvent(s), routineEnv(), ctx));
	}
	if (scheduledListeners.length === 0) return null;
	return () => {
		const event = scheduledEvent(s);
		for (let i = 0; i < scheduledListeners.length; i++) {
			const l = scheduledListeners[i];
			if (typeof l === 'function') l(event);
			else l.handleEvent(event);
		}
	};
}
function callModule(s) {
	const req = nodeRequest(s);
	const ctx = new ExecutionContext(INTERNAL, s);
	if (hasBypass) {
		callBypass(s, req, ctx);
		return;
	}
	callFetch(s, req, ctx);
}
function callFetch(s, req, ctx) {
	const env = routineEnv();
	if (typeof moduleExport.fetch !== 'function') throw new TypeErr('The routine answers no requests: it has a scheduled handler and no fetch handler');
	conclude(s, envLast ? moduleExport.fetch(req, ctx, env) : moduleExport.fetch(req, env, ctx));
}
function callBypass(s, req, ctx) {
	const env = routineEnv();
	const r = envLast ? moduleExport.bypass(req, ctx, env) : moduleExport.bypass(req, env, ctx);
	if (isPromise(r)) bypassLater(s, req, ctx, r);
	else bypassed(s, req, ctx, r);
}
async function bypassLater(s, req, ctx, promise) {
	try {
		const r = await promise;
		if (!s.over) bypassed(s, req, ctx, r);
	} catch (e) {
		failed(s, e);
	}
}
function bypassed(s, req, ctx, r) {
	const decision = bypassOf(r);
	if (decision !== undefined) {
		if (decision.allow) passOn(s);
		else answer(s, new Response(null, { status: decision.status }));
		return;
	}
	throw new TypeErr(`bypass must return a ResponseBypass, not ${describe(r)}`);
}
function callListeners(s) {
	const event = new FetchEvent(INTERNAL, s);
	const n = fetchListeners.length;
	for (let i = 0; i < n; i++) {
		const l = fetchListeners[i];
		try {
			if (typeof l === 'function') l(event);
			else l.handleEvent(event);
		} catch (e) {
			if (!askedOf(event)) throw e;
			reportException(s.id, e, false);
		}
		if (askedOf(event)) break;
	}
	s.dispatchedTo = true;
	if (askedOf(event)) conclude(s, scopeOf(event));
	else passOn(s);
}

/** hooks.hung: no timer, no subrequest and no body that anybody reads is under way, for this
 * request or for another one of the instance. So its promises stay as they are. */
export function hung(s) {
	if (!s.answered)
		failed(s, new Err('The handler can never answer: it waits for a promise that nothing under way can settle (no timer, fetch, read or other request)'));
	if (s.over || s.streaming || s.waits === 0) return;
	reportException(s.id, new Err('A promise given to waitUntil can never settle: nothing under way can do that (no timer, fetch, read or other request)'), false);
	close(s, OVER);
	er.done(s.id);
}

/** hooks.cancel: the client left, or the time is up. */
export function cancel(s, kind) {
	if (s.controller !== null)
		signalAbort(s.controller.signal, abortError(kind === 'timeout' ? 'The time for this request is up' : 'The client closed the connection'));
	close(s, kind);
}
