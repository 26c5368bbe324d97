// What routine code finds on globalThis.
import * as er from './natives.js';
import { isClassic } from './compat.js';
import { TypeErr, apart, apply, bareList, defineProperty, newMap, copyBytes, splice, then, resolved, isArray } from './primordials.js';
import { brand, callback, domString, finish, illegal, INTERNAL, isObject, need } from './webidl.js';
import {
	CustomEvent, ErrorEvent, Event, EventTarget, PromiseRejectionEvent, addListener, attribute, dispatch, dispatchFrom, dropListener, globalIs, reportThrough, trust,
} from './event.js';
import { AbortController, AbortSignal, isSignal } from './abort.js';
import { DOMException } from './dom-exception.js';
import { Headers, isHeaders } from './headers.js';
import { Request, fetchParts, isRequest, methodOfRequest, urlOfRequest } from './request.js';
import { Response, isResponse, keptURLs, networkError, rawOfResponse, reasonText, responseBlock, spendResponse, statusOf, storedResponse } from './response.js';
import { ExecutionContext, FetchEvent, ResponseBypass, fetchListeners, routineEnv, scheduledListeners } from './fetch-event.js';
import { percentDecode } from './data-url.js';
import { askSocket, fetch } from './fetch.js';
import { SPENT, isStreamRaw, lengthIs, usable } from './body.js';
import { CACHE, READS, ask } from './data.js';
import { URL, isURL, parseHref } from './url.js';
import { URLSearchParams, isParams } from './url-search-params.js';
import { TextDecoder, TextEncoder, utf16ToString, utf8ToString } from './text.js';
import { Blob, File, blobBytes, isBlob, isFile, makeBlob } from './blob.js';
import { FormData, isFormData } from './form-data.js';
import { BufferStream, isBufferStream } from './buffer-stream.js';
import { atob, btoa } from './base64.js';
import { cloneAndMove, structuredClone, transferable, uncloneable } from './structured-clone.js';
import { Performance, performance } from './performance.js';
import { Crypto, crypto, keySlots, subtle } from './crypto.js';
import { console } from './console.js';
import { edgeKV } from './kv.js';
import { inspect, show } from './inspect.js';
import { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from './timers.js';
import { become, isLocked, isStream, nextChunk, streams, streamsNeed } from './streams-lazy.js';
import { shared } from './shared.js';
import { headLine, placeOf, reportException, showThrown } from './report.js';
import { current, hang, settle, unhang } from './scope.js';
import { sockets, socketsThrough, wires } from './sockets-lazy.js';

const STREAMS = [
	'ByteLengthQueuingStrategy', 'CountQueuingStrategy', 'ReadableByteStreamController', 'ReadableStream', 'ReadableStreamBYOBReader', 'ReadableStreamBYOBRequest',
	'ReadableStreamDefaultController', 'ReadableStreamDefaultReader', 'TransformStream', 'TransformStreamDefaultController', 'WritableStream',
	'WritableStreamDefaultController', 'WritableStreamDefaultWriter', 'TextEncoderStream', 'TextDecoderStream', 'FixedLengthStream', 'IdentityTransformStream', 'CompressionStream', 'DecompressionStream',
];

// ---- the global as an event target ----

const listeners = newMap();
function addEventListener(type, listener, options = undefined) {
	need(arguments.length, 2, "'addEventListener'");
	const name = domString(type);
	if (name === 'fetch' || name === 'scheduled') {
		if (!isObject(listener)) throw new TypeErr(`The listener of the ${name} event must be a function`);
		if (current.id !== 0) throw new TypeErr(`A ${name} listener must be added at top level, when the routine starts`);
		const list = name === 'fetch' ? fetchListeners : scheduledListeners;
		for (let i = 0; i < list.length; i++) if (list[i] === listener) return;
		list[list.length] = listener;
		return;
	}
	addListener(listeners, globalThis, type, listener, options);
}
function removeEventListener(type, listener, options = undefined) {
	need(arguments.length, 2, "'removeEventListener'");
	dropListener(listeners, globalThis, type, listener, options);
}
function dispatchEvent(event) {
	need(arguments.length, 1, "'dispatchEvent'");
	return dispatchFrom(listeners, globalThis, event);
}
globalIs({ listen: addEventListener, forget: removeEventListener, send: dispatchEvent });
const has = (type) => {
	const list = listeners.get(type);
	return list !== undefined && list.length > 0;
};

let reporting = false;
/** An exception that nobody caught: the global's error event, then the log. */
export function reportUncaught(e, fatal) {
	if (!reporting && has('error')) {
		reporting = true;
		try {
			const place = placeOf(e);
			const event = trust(new ErrorEvent('error', { cancelable: true, message: headLine(e), error: e, ...place }));
			if (!dispatch(listeners, globalThis, event) && !fatal) return;
		} finally {
			reporting = false;
		}
	}
	reportException(er.owner(), e, fatal);
}
/** Rejected promises that nobody handled, while somebody wants to hear that they are handled after
 * all. */
const outstanding = bareList();
const OUTSTANDING_MAX = 100;
/** One of them. It hangs on its request and is forgotten with it. */
class Outstanding {
	constructor(promise, reason, scope) {
		this.promise = promise;
		this.reason = reason;
		this.scope = scope;
		this.prevEnder = null;
		this.nextEnder = null;
		hang(scope, this);
		outstanding[outstanding.length] = this;
	}
	ended() {
		for (let i = 0; i < outstanding.length; i++)
			if (outstanding[i] === this) {
				splice(outstanding, i, 1);
				return;
			}
	}
}
apart(Outstanding);
/** hooks.turnOver */
export function turnOver() {
	for (let i = 0; i < outstanding.length; ) {
		const one = outstanding[i], { promise, reason } = one;
		if (!er.isHandled(promise)) {
			i++;
			continue;
		}
		splice(outstanding, i, 1);
		unhang(one.scope, one);
		dispatch(listeners, globalThis, trust(new PromiseRejectionEvent('rejectionhandled', { promise, reason })));
	}
	if (outstanding.length === 0) er.watchTurns(false);
}
export function rejection(promise, reason) {
	if (has('rejectionhandled') && outstanding.length < OUTSTANDING_MAX && !current.over) {
		new Outstanding(promise, reason, current);
		er.watchTurns(true);
	}
	if (has('unhandledrejection')) {
		const event = trust(new PromiseRejectionEvent('unhandledrejection', { cancelable: true, promise, reason }));
		if (!dispatch(listeners, globalThis, event)) return;
	}
	reportException(er.owner(), reason, false);
}
reportThrough((e) => reportUncaught(e, false));

function reportError(error) {
	need(arguments.length, 1, "'reportError'");
	reportUncaught(error, false);
}
function queueMicrotask(fn) {
	need(arguments.length, 1, "'queueMicrotask'");
	callback(fn, "The argument of 'queueMicrotask'");
	then(resolved(), () => {
		try {
			apply(fn, undefined, []);
		} catch (e) {
			reportUncaught(e, false);
		}
	});
}

class Navigator {
	#brand;
	constructor(token = undefined) {
		if (token !== INTERNAL) throw illegal('Navigator');
	}
	get userAgent() {
		if (!(#brand in this)) throw brand('Navigator', 'userAgent');
		return 'EdgeRoutine';
	}
}
finish(Navigator, 'Navigator', 0);

// ---- installing ----

const hidden = (name, value) => defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
const shown = (name, value) => defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
/** Made at the first touch; a plain property from then on. */
function lazily(name, make) {
	defineProperty(globalThis, name, {
		get: () => {
			const value = make();
			hidden(name, value);
			return value;
		},
		set: (value) => hidden(name, value),
		enumerable: false,
		configurable: true,
	});
}

const interfaces = {
	AbortController, AbortSignal, Blob, BufferStream, Crypto, CustomEvent, DOMException, ErrorEvent, Event, EventTarget, ExecutionContext, FetchEvent, File,
	FormData, Headers, Navigator, Performance, PromiseRejectionEvent, Request, Response, ResponseBypass, TextDecoder, TextEncoder, URL, URLSearchParams,
};
for (const name in interfaces) hidden(name, interfaces[name]);
const functions = {
	addEventListener, removeEventListener, dispatchEvent, atob, btoa, clearImmediate, clearInterval, clearTimeout, fetch, queueMicrotask, reportError,
	setImmediate, setInterval, setTimeout, structuredClone, utf8ToString, utf16ToString,
};
for (const name in functions) {
	// the bundler may have renamed it
	defineProperty(functions[name], 'name', { value: name, configurable: true });
	shown(name, functions[name]);
}
for (let i = 0; i < STREAMS.length; i++) lazily(STREAMS[i], () => (STREAMS[i] === 'TransformStream' ? transformStream() : streams()[STREAMS[i]]));
/** What a classic TransformStream may hold is a part of the routine's memory, as it is of copies
 * of bodies. */
function transformStream() {
	return isClassic() ? streams().holding(er.limits().memory_kb * 128) : streams().TransformStream;
}
lazily('CryptoKey', () => subtle().CryptoKey);
lazily('SubtleCrypto', () => subtle().SubtleCrypto);
let messages_ = null;
const messages = () => (messages_ ??= er.lazy('messages')(shared()));
for (const name of ['MessageChannel', 'MessageEvent', 'MessagePort']) lazily(name, () => messages()[name]);
let caches_ = null;
const cachesScript = () => {
	if (caches_ === null) {
		const handed = shared();
		handed.tools = {
			CACHE, READS, SPENT, Request, Response, ask, fetch, fetchParts, isRequest, isResponse, isStreamRaw, keptURLs, methodOfRequest, networkError, rawOfResponse, reasonText,
			responseBlock, spendResponse, statusOf, storedResponse, urlOfRequest, usable,
		};
		caches_ = er.lazy('caches')(handed);
	}
	return caches_;
};
for (const name of ['Cache', 'CacheStorage', 'cache', 'caches']) lazily(name, () => cachesScript()[name]);
let html_ = null;
const htmlScript = () => {
	if (html_ === null) {
		const handed = shared();
		handed.tools = { BufferStream, Headers, Response, isBufferStream, isResponse, isStream, nextChunk, rawOfResponse, reasonText, statusOf, streams, usable };
		html_ = er.lazy('html')(handed);
	}
	return html_;
};
lazily('HTMLRewriter', () => htmlScript().HTMLRewriter);
lazily('HTMLStream', () => htmlScript().htmlStream());
socketsThrough(() => {
	const handed = shared();
	handed.tools = {
		MessageEvent: messages().MessageEvent, askSocket, blobBytes, copyBytes, hang, isBlob, makeBlob, parseHref, percentDecode, settle, unhang, wires,
		scopeNow: () => current,
	};
	return er.lazy('sockets')(handed);
});
for (const name of ['CloseEvent', 'WebSocket', 'WebSocketPair']) lazily(name, () => sockets()[name]);
lazily('URLPattern', () => er.lazy('patterns')(shared()));
lazily('EdgeKV', edgeKV);
// For the modules of src/node, which are part of bundles.
lazily('__er_node', () => er.lazy('node')(shared()));
hidden('console', console);
shown('crypto', crypto);
shown('performance', performance);
shown('navigator', new Navigator(INTERNAL));
shown('self', globalThis);
for (const type of ['error', 'unhandledrejection', 'rejectionhandled']) {
	const a = attribute(listeners, type);
	defineProperty(globalThis, `on${type}`, { get: a.get, set: a.set, enumerable: true, configurable: true });
}
defineProperty(globalThis, '__er_env', { get: routineEnv, enumerable: false, configurable: true });

// ---- what the rest of the prelude asks of these classes ----

for (const test of [isRequest, isResponse, isHeaders, isURL, isParams, isFormData, isSignal, isStream]) uncloneable(test);
showThrown((v) =>
	isResponse(v)
		? `a Response with status ${statusOf(v)}: a handler must return its Response, one that is thrown does not reach the client`
		: inspect(v));
transferable({ is: isStream, why: (s) => (isLocked(s) ? 'A locked stream cannot be transferred' : undefined), move: (s) => streams().movedReadable(become(s)) });
streamsNeed({ TextEncoder, TextDecoder, lengthIs, cloneAndMove, transferable, uncloneable, coderNew: er.coderNew, code: er.code, coderFree: er.coderFree });

const headersEach = Headers.prototype.forEach;
const paramsEach = URLSearchParams.prototype.forEach;
const formEach = FormData.prototype.forEach;
const pairs = (v) => {
	const o = { __proto__: null };
	const put = (value, name) => {
		if (o[name] === undefined) o[name] = value;
		else if (isArray(o[name])) o[name][o[name].length] = value;
		else o[name] = [o[name], value];
	};
	apply(isHeaders(v) ? headersEach : isParams(v) ? paramsEach : formEach, v, [put]);
	return o;
};
const fields = (v, names) => {
	const o = { __proto__: null };
	for (let i = 0; i < names.length; i++) o[names[i]] = v[names[i]];
	return o;
};
show(isHeaders, (v) => ({ name: 'Headers', fields: pairs(v) }));
show(isParams, (v) => ({ name: 'URLSearchParams', fields: pairs(v) }));
show(isFormData, (v) => ({ name: 'FormData', fields: pairs(v) }));
show(isURL, (v) => ({ name: 'URL', fields: fields(v, ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) }));
show(isRequest, (v) => ({ name: 'Request', fields: fields(v, ['method', 'url', 'headers', 'redirect', 'bodyUsed']) }));
show(isResponse, (v) => ({ name: 'Response', fields: fields(v, ['status', 'statusText', 'headers', 'url', 'redirected', 'ok', 'type', 'bodyUsed']) }));
show(isFile, (v) => ({ name: 'File', fields: fields(v, ['name', 'size', 'type', 'lastModified']) }));
show(isBlob, (v) => ({ name: 'Blob', fields: fields(v, ['size', 'type']) }));
show(isSignal, (v) => ({ name: 'AbortSignal', fields: fields(v, ['aborted']) }));
show((v) => keySlots(v) !== undefined, (v) => ({ name: 'CryptoKey', fields: fields(v, ['type', 'extractable', 'algorithm', 'usages']) }));
show(isStream, (v) => ({ name: 'ReadableStream', fields: fields(v, ['locked']) }));
show((v) => v instanceof FetchEvent, (v) => ({ name: 'FetchEvent', fields: fields(v, ['type', 'request', 'info']) }));
show((v) => v instanceof Event, (v) => ({ name: v.constructor?.name ?? 'Event', fields: fields(v, ['type', 'defaultPrevented', 'cancelable', 'timeStamp']) }));
