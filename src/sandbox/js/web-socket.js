/* global shared */
// WebSocket (WHATWG WebSockets), WebSocketPair (as Cloudflare Workers have it) and CloseEvent: the
// lazy script "sockets". Frames are C's (sandbox/socket.c); here are messages and events.
//
//    WebSocket ── End ◄─── peer ───► End ── WebSocket       a pair inside of the routine
//    WebSocket ── End ◄─── peer ───► End ── Wire            one whose other end is on the network
//
// What an end is told it takes to its peer. A peer with a wire puts it on the wire; else its
// WebSocket hears of it, once that is accepted. What comes on a wire is told by the end that has
// the wire, as if its own WebSocket had sent it. So `new Response(null, {status: 101, webSocket})`
// only gives a wire to one end of a pair, and a fetch or `new WebSocket` makes an end with a wire.
import * as er from './natives.js';
import { BODY_STREAM, LENGTH_UNKNOWN } from './contract.js';
import { apart, bareList, defineProperty, Err, TypeErr, isView, isArrayBuffer, lower, regexp, startsWith, strIndexOf, strSlice, symIterator, taBuffer, taLength, then, listOf, join, viewBytes } from './primordials.js';
import { INTERNAL, brand, constants, dictionary, domString, finish, isObject, need, usvString } from './webidl.js';
import { ErrorEvent, Event, EventTarget, attribute, dispatchOn, isHeard, listenersOf, trust } from './event.js';
import { DOMException } from './dom-exception.js';
import { clearTimer, queueTask, timerOf } from './timers.js';

const { MessageEvent, askSocket, blobBytes, copyBytes, hang, isBlob, makeBlob, parseHref, percentDecode, scopeNow, settle, unhang, wires } = shared.tools;

const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;
const NORMAL = 1000, GOING_AWAY = 1001, NO_STATUS = 1005, ABNORMAL = 1006;
const REASON_MAX = 123;
const CLOSE_MS = 10000; // for the peer's Close behind ours

class CloseEvent extends Event {
	#init;
	constructor(type, init = undefined) {
		need(arguments.length, 1, "'constructor' on 'CloseEvent'");
		super(type, init);
		init = dictionary(init, 'The options of CloseEvent');
		const { code, reason, wasClean } = init;
		this.#init = { code: code === undefined ? 0 : +code & 0xffff, reason: reason === undefined ? '' : usvString(reason), wasClean: !!wasClean };
	}
	get wasClean() {
		return this.#init.wasClean;
	}
	get code() {
		return this.#init.code;
	}
	get reason() {
		return this.#init.reason;
	}
}
finish(CloseEvent, 'CloseEvent', 1);

// ---- ends and wires ----

/** The bytes of one end go over the network. */
class Wire {
	constructor(key, scope, end, client, extensions) {
		this.key = key;
		this.scope = scope;
		this.end = end; // that has it
		this.client = client;
		this.extensions = extensions;
		this.open = false;
		this.timer = 0;
		this.prevEnder = null;
		this.nextEnder = null;
		wires.set(key, this);
		hang(scope, this);
	}
	/** From now on messages come. Before, the node holds what there is. */
	begin() {
		if (this.open || this.scope.over) return;
		this.open = er.socketOpen(this.key, /* owner */ this.scope.id, this.client, this.extensions);
		if (!this.open) this.closed(ABNORMAL, '', false);
	}
	send(data) {
		if (this.open && !er.socketSend(this.key, data) && this.end.peer.state === OPEN) this.fail('more than 16 MB wait for the peer to read');
	}
	close(code, reason) {
		if (!this.open) return;
		er.socketClose(this.key, code, reason);
		this.timer = timerOf(this.scope, () => this.fail(''), CLOSE_MS);
	}
	/** The peer is not waited for. */
	fail(why) {
		er.socketEnd(this.key);
		this.closed(ABNORMAL, why, false);
	}
	leave() {
		wires.delete(this.key);
		unhang(this.scope, this);
		if (this.timer !== 0) clearTimer(this.timer);
		this.timer = 0;
		this.end.wire = null;
	}
	data(data) {
		this.end.peer.message(data);
	}
	closed(code, reason, clean) {
		const { scope } = this, { peer } = this.end;
		this.leave();
		try {
			peer.over(clean ? code : ABNORMAL, clean ? reason : '', clean, clean ? '' : reason);
		} finally {
			if (!this.client) {
				scope.streaming = false;
				settle(scope);
			}
		}
	}
	/** The request is over, or the node wants it to be. */
	ended(kind) {
		const { peer } = this.end;
		er.socketClose(this.key, GOING_AWAY, '');
		er.socketEnd(this.key);
		this.leave();
		if (kind === 'over') peer.state = CLOSED;
		else peer.over(GOING_AWAY, '', false, '');
	}
}
apart(Wire);

class End {
	constructor(url) {
		this.url = url;
		this.socket = null;
		this.peer = null;
		this.wire = null;
		this.node = null; // the NodeBody of a fetch's 101, until it is accepted or passed on
		this.state = OPEN;
		this.accepted = false;
		this.given = false; // to a Response
		this.strict = false; // made by the standard's constructor
		this.protocol = '';
		this.extensions = '';
		this.waiting = bareList(); // what has come before anybody hears it
		this.lost = 0; // bytes that were given to send() when nothing could be sent any more
	}
	/** What its peer says. */
	take(what) {
		if (this.wire !== null) this.out(what);
		else if (this.accepted) queueTask(deliver, { end: this, what });
		else this.waiting[this.waiting.length] = what;
	}
	out({ data, code, reason }) {
		if (data !== undefined) this.wire.send(data);
		else this.wire.close(code === NO_STATUS ? 0 : code, reason);
	}
	/** It has a wire now: what has waited goes out, as soon as the other end is accepted. */
	attach(wire) {
		this.wire = wire;
		if (this.peer.accepted) this.begin();
	}
	begin() {
		this.wire.begin();
		const { waiting } = this;
		this.waiting = bareList();
		for (let i = 0; i < waiting.length && this.wire !== null; i++) this.out(waiting[i]);
	}
	accept() {
		this.accepted = true;
		const { peer } = this;
		if (peer.wire !== null) peer.begin();
		const { waiting } = this;
		this.waiting = bareList();
		for (let i = 0; i < waiting.length; i++) this.take(waiting[i]);
	}
	/** A message for its WebSocket. */
	message(data) {
		if (this.state === CLOSED || !isHeard(this.socket, 'message')) return;
		if (typeof data !== 'string') data = typeOf(this.socket) === 'blob' ? makeBlob(data, '') : taBuffer(data);
		dispatchOn(this.socket, new MessageEvent(INTERNAL, data, origin(this)));
	}
	over(code, reason, wasClean, why) {
		if (this.state === CLOSED) return;
		this.state = CLOSED;
		if (why !== '') {
			const message = `WebSocket: ${why}`;
			dispatchOn(this.socket, trust(new ErrorEvent('error', { message, error: new Err(message) })));
		}
		dispatchOn(this.socket, trust(new CloseEvent('close', { code, reason, wasClean })));
	}
}
apart(End);
/** The origin of the server that a message comes from. */
function origin(end) {
	if (!end.strict) return '';
	const { url } = end, { from, host, path } = placesOf(url);
	return strSlice(url, 0, from) + strSlice(url, host, path);
}
/** Where in a parsed URL its authority begins, behind the scheme; its host, behind the user;
 * and its path. */
function placesOf(url) {
	const from = strIndexOf(url, '/') + 2, path = strIndexOf(url, '/', from), at = strIndexOf(url, '@', from);
	return { from, host: at < 0 || at > path ? from : at + 1, path };
}
/** A task: something that the other end of a pair has said. */
function deliver({ end, what }) {
	const { data, code, reason } = what;
	if (data !== undefined) return end.message(data);
	const first = end.state === OPEN;
	end.over(code, reason, true, '');
	// An answer to a Close says its code back.
	if (first) queueTask(deliver, { end: end.peer, what });
}
function pairOf(one, two) {
	one.peer = two;
	two.peer = one;
}

// ---- the interfaces ----

const TOKEN = regexp(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/);
const syntax = (text) => new DOMException(text, 'SyntaxError');

/** What the standard makes of the constructor's first argument: { url, ask, user }. */
function urlsOf(input) {
	const given = usvString(input);
	let url = parseHref(given);
	if (url === undefined) throw syntax(`Invalid URL: ${given}. A WebSocket needs an absolute URL`);
	if (startsWith(url, 'http:')) url = `ws:${strSlice(url, 5)}`;
	else if (startsWith(url, 'https:')) url = `wss:${strSlice(url, 6)}`;
	if (!startsWith(url, 'ws:') && !startsWith(url, 'wss:')) throw syntax(`The URL of a WebSocket begins with ws: or wss:, not as ${given}`);
	if (strIndexOf(url, '#') >= 0) throw syntax(`The URL of a WebSocket has no fragment: ${given}`);
	const { from, host } = placesOf(url);
	return { url, ask: `${startsWith(url, 'ws:') ? 'http' : 'https'}://${strSlice(url, host)}`, user: host === from ? '' : strSlice(url, from, host - 1) };
}
/** "user:password" of a URL as a field of the handshake. */
function basic(user) {
	const bytes = percentDecode(strIndexOf(user, ':') < 0 ? `${user}:` : user);
	return `authorization\nBasic ${er.btoa(er.latin1(bytes))}\n`;
}
function protocolsOf(v) {
	const list = isObject(v) && v[symIterator] !== undefined ? listOf(v) : [v];
	const seen = { __proto__: null };
	for (let i = 0; i < list.length; i++) {
		const name = (list[i] = domString(list[i]));
		if (TOKEN.exec(name) === null) throw syntax(`'${name}' is no name of a subprotocol`);
		if (seen[lower(name)]) throw syntax(`The subprotocol '${name}' is named twice`);
		seen[lower(name)] = true;
	}
	return list;
}
/** The head of a 101: what both have agreed on. Throws if that is not what was offered. */
function agree(end, block, offered) {
	const protocol = er.fieldsGet(block, 'sec-websocket-protocol'), extensions = er.fieldsGet(block, 'sec-websocket-extensions') ?? '';
	if (offered !== null) {
		let known = protocol === null;
		for (let i = 0; i < offered.length; i++) known = known || offered[i] === protocol;
		if (!known) throw new Err(`the server has chosen the subprotocol '${protocol}', which was not offered`);
		if (offered.length > 0 && protocol === null) throw new Err('the server has chosen none of the subprotocols');
		if (!er.socketAgreed(extensions)) throw new Err(`the server has chosen extensions that were not offered: ${extensions}`);
	}
	end.protocol = protocol ?? '';
	end.extensions = extensions;
}
const OFFER = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover';

let endOf, isSocket, typeOf;
class WebSocket extends EventTarget {
	#end;
	#type = 'arraybuffer';
	#handlers = { __proto__: null };
	constructor(url, protocols = []) {
		if (url === INTERNAL) {
			super();
			this.#end = protocols;
			protocols.socket = this;
			return;
		}
		need(arguments.length, 1, "'constructor' on 'WebSocket'");
		const urls = urlsOf(url), list = protocolsOf(protocols);
		super();
		const end = (this.#end = new End(urls.url));
		end.socket = this;
		end.strict = true;
		end.state = CONNECTING;
		this.#type = 'blob';
		connect(end, urls, list);
	}
	/** Of a WebSocketPair or of a fetch: from now on this end is heard. */
	accept() {
		const end = ofSocket(this, 'accept');
		if (end.strict) throw new TypeErr('A WebSocket that was made with new is accepted already');
		if (end.given) throw new TypeErr('This WebSocket was given to a Response: the other one of its pair is to be accepted');
		if (end.accepted) throw new TypeErr('This WebSocket was accepted already');
		if (end.node !== null) wireUp(end);
		end.accept();
	}
	send(data) {
		const end = ofSocket(this, 'send');
		need(arguments.length, 1, "'send' on 'WebSocket'");
		if (isBlob(data)) data = blobBytes(data);
		// C copies at once
		else if (isArrayBuffer(data) || isView(data)) data = end.peer?.wire?.open ? viewBytes(data) : copyBytes(data);
		else data = usvString(data);
		if (end.state === CONNECTING) throw new DOMException('The WebSocket is still connecting: send in the listener of its open event', 'InvalidStateError');
		if (!end.accepted) throw new TypeErr('accept() has to be called on this WebSocket before send()');
		if (end.state === OPEN) end.peer.take({ data });
		else end.lost += typeof data === 'string' ? er.utf8Length(data) : taLength(data);
	}
	close(code = undefined, reason = undefined) {
		const end = ofSocket(this, 'close');
		const n = code === undefined ? NO_STATUS : closeCode(code, end.strict);
		const text = reason === undefined ? '' : usvString(reason);
		if (taLength(er.utf8Encode(text)) > REASON_MAX) throw syntax(`The reason of a Close has ${REASON_MAX} bytes at most`);
		if (end.state >= CLOSING) return;
		if (end.state === CONNECTING) {
			end.state = CLOSING; // and fails once it is connected, or is not
			return;
		}
		end.state = CLOSING;
		end.peer.take({ data: undefined, code: n === NO_STATUS && text !== '' ? NORMAL : n, reason: text });
	}
	get url() {
		return ofSocket(this, 'url').url;
	}
	get readyState() {
		return ofSocket(this, 'readyState').state;
	}
	get bufferedAmount() {
		const end = ofSocket(this, 'bufferedAmount');
		return end.lost + (end.peer !== null && end.peer.wire !== null ? er.socketWaiting(end.peer.wire.key) : 0);
	}
	get protocol() {
		return ofSocket(this, 'protocol').protocol;
	}
	get extensions() {
		return ofSocket(this, 'extensions').extensions;
	}
	get binaryType() {
		ofSocket(this, 'binaryType');
		return this.#type;
	}
	set binaryType(v) {
		ofSocket(this, 'binaryType');
		v = domString(v);
		if (v === 'blob' || v === 'arraybuffer') this.#type = v;
	}
	#handler(type) {
		ofSocket(this, `on${type}`);
		return (this.#handlers[type] ??= attribute(listenersOf(this), type));
	}
	get onopen() {
		return this.#handler('open').get();
	}
	set onopen(fn) {
		this.#handler('open').set(fn);
	}
	get onmessage() {
		return this.#handler('message').get();
	}
	set onmessage(fn) {
		this.#handler('message').set(fn);
	}
	get onerror() {
		return this.#handler('error').get();
	}
	set onerror(fn) {
		this.#handler('error').set(fn);
	}
	get onclose() {
		return this.#handler('close').get();
	}
	set onclose(fn) {
		this.#handler('close').set(fn);
	}
	static {
		isSocket = (v) => isObject(v) && #end in v;
		endOf = (socket) => socket.#end;
		typeOf = (socket) => socket.#type;
	}
}
finish(WebSocket, 'WebSocket', 1);
constants(WebSocket, { CONNECTING, OPEN, CLOSING, CLOSED });

function ofSocket(socket, member) {
	if (!isSocket(socket)) throw brand('WebSocket', member);
	return endOf(socket);
}
/** What may be said in a Close: by the standard's own sockets only what is the code's, by the
 * others everything that RFC 6455 7.4 has for it. */
function closeCode(code, strict) {
	code = +code;
	code = code >= 0 && code <= 65535 ? code - (code % 1) : 0;
	const ok = code === NORMAL || (code >= 3000 && code <= 4999) || (!strict && code > NORMAL && code <= 1014 && code !== 1004 && code !== NO_STATUS && code !== ABNORMAL);
	if (!ok) throw new DOMException(strict ? 'The code of a Close is 1000, or from 3000 to 4999' : 'The code of a Close is one that may be sent (RFC 6455 7.4), or from 3000 to 4999', 'InvalidAccessError');
	return code;
}

class WebSocketPair {
	constructor() {
		const one = new End(''), two = new End('');
		pairOf(one, two);
		define(this, 0, one);
		define(this, 1, two);
	}
}
finish(WebSocketPair, 'WebSocketPair', 0);
function define(pair, i, end) {
	defineProperty(pair, i, { value: new WebSocket(INTERNAL, end), enumerable: true, writable: true, configurable: true });
}

// ---- a client's ends ----

function connect(end, { ask, user }, list) {
	const scope = scopeNow();
	const block = `sec-websocket-extensions\n${OFFER}\n${list.length > 0 ? `sec-websocket-protocol\n${join(list, ', ')}\n` : ''}${user !== '' ? basic(user) : ''}`;
	const opened = askSocket(ask, block, (status, head, body) => {
		if (status !== 101) {
			if (body !== null) body.cancel();
			throw new Err(`the server answered with status ${status}`);
		}
		if (end.state === CLOSING) {
			body.cancel();
			throw new Err('closed before the connection was there');
		}
		try {
			agree(end, head, list);
		} catch (e) {
			body.cancel();
			throw e;
		}
		end.node = body;
		wireUp(end);
		end.state = OPEN;
		end.accept();
	});
	then(
		opened,
		() => {
			if (end.state === OPEN) dispatchOn(end.socket, trust(new Event('open')));
		},
		(e) => {
			if (!scope.over) end.over(ABNORMAL, '', false, `${e.message}`);
		},
	);
}
/** The end of a 101 that a fetch has brought gets its wire. */
function wireUp(end) {
	const { node } = end;
	node.check();
	const other = new End('');
	pairOf(end, other);
	const key = node.handOff();
	end.node = null;
	other.wire = new Wire(key, node.scope, other, true, end.extensions);
}
/** Response.webSocket of a fetch. */
function fromNode(body, block) {
	const end = new End('');
	end.node = body;
	agree(end, block, null);
	return new WebSocket(INTERNAL, end);
}

// ---- a server's ends ----

/** May be given to a Response. */
function give(socket) {
	if (!isSocket(socket)) throw new TypeErr("The option 'webSocket' of a Response must be a WebSocket of a WebSocketPair, or one that a fetch has brought");
	const end = endOf(socket);
	if (end.strict || end.accepted) throw new TypeErr('A WebSocket that was accepted cannot be given to a Response: give the other one of its pair');
	if (end.given) throw new TypeErr('This WebSocket was given to a Response already');
	end.given = true;
}
/** The body of a socket that a fetch has brought and nobody has accepted: the node passes it on. */
const unread = (socket) => endOf(socket).node;

/** The answer to request `s`: from now on `socket` is what the client has. */
function answer(s, reason, block, socket) {
	const end = endOf(socket), { peer } = end;
	const offered = er.fieldsGet(er.reqBlock(s.id), 'sec-websocket-extensions');
	const extensions = offered === null ? '' : er.socketAccept(offered);
	block = er.fieldsDelete(block, 'sec-websocket-extensions');
	if (extensions !== '') block += `sec-websocket-extensions\n${extensions}\n`;
	er.respond(s.id, /* status */ 101, reason, block, /* body */ undefined, /* flags */ BODY_STREAM, /* number */ LENGTH_UNKNOWN);
	s.answered = true;
	s.streaming = true;
	peer.protocol = end.protocol = er.fieldsGet(block, 'sec-websocket-protocol') ?? '';
	peer.extensions = end.extensions = extensions;
	end.attach(new Wire(s.id * 2, s, end, false, extensions));
}

shared.made = { CloseEvent, WebSocket, WebSocketPair, answer, fromNode, give, isSocket, unread };
