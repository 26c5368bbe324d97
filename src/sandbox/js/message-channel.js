/* global shared */
// MessageChannel, MessagePort and MessageEvent (HTML 9.3, 9.4), the lazy script "messages". Both
// ends of a channel are in this instance, so a message is cloned when it is posted and lies there
// until its turn.
//
//   postMessage ─► the other end's core: waiting ─ start() ─► a task of the sender's request ─► event
//
// A port is what JavaScript holds of a core. A transferred port becomes a new one over the same
// core, with what waits there; the old one is detached. A message is delivered in a turn of the
// request that posted it, and is gone when that request is over.
import { bareList, apart, TypeErr, freeze, listOf, symIterator } from './primordials.js';
import { INTERNAL, brand, dictionary, domString, finish, illegal, isObject, need, usvString } from './webidl.js';
import { Event, EventTarget, attribute, dispatchOn, listenersOf, trust } from './event.js';
import { DOMException } from './dom-exception.js';
import { mayQueue, queueTask } from './timers.js';
import { cloneAndMove, transferable, uncloneable } from './structured-clone.js';

const NONE = freeze([]);
class MessageEvent extends Event {
	#data;
	#origin;
	#lastEventId;
	#source;
	#ports;
	constructor(type, init = undefined, from = '') {
		if (type === INTERNAL) { // a message of a WebSocket: `init` is its data
			super(INTERNAL, 'message');
			this.#data = init;
			this.#origin = from;
			this.#lastEventId = '';
			this.#source = null;
			this.#ports = NONE;
			return;
		}
		need(arguments.length, 1, "'constructor' on 'MessageEvent'");
		super(type, init);
		init = dictionary(init, 'The options of MessageEvent');
		const { data, lastEventId, origin, ports, source } = init;
		this.#data = data === undefined ? null : data;
		this.#lastEventId = lastEventId === undefined ? '' : domString(lastEventId);
		this.#origin = origin === undefined ? '' : usvString(origin);
		this.#ports = portsOf(ports === undefined ? [] : ports);
		this.#source = sourceOf(source);
	}
	get data() {
		return this.#data;
	}
	get origin() {
		return this.#origin;
	}
	get lastEventId() {
		return this.#lastEventId;
	}
	get source() {
		return this.#source;
	}
	get ports() {
		return this.#ports;
	}
	initMessageEvent(type, bubbles = false, cancelable = false, data = null, origin = '', lastEventId = '', source = null, ports = []) {
		need(arguments.length, 1, "'initMessageEvent' on 'MessageEvent'");
		if (!(#data in this)) throw brand('MessageEvent', 'initMessageEvent');
		origin = usvString(origin);
		lastEventId = domString(lastEventId);
		source = sourceOf(source);
		ports = portsOf(ports);
		this.initEvent(type, bubbles, cancelable);
		if (this.eventPhase !== 0) return;
		this.#data = data;
		this.#origin = origin;
		this.#lastEventId = lastEventId;
		this.#source = source;
		this.#ports = ports;
	}
}
finish(MessageEvent, 'MessageEvent', 1);
function portsOf(list) {
	if (!isObject(list)) throw new TypeErr("The ports of a MessageEvent must be a sequence");
	const ports = listOf(list);
	for (let i = 0; i < ports.length; i++) if (!isPort(ports[i])) throw new TypeErr('The ports of a MessageEvent must be MessagePorts');
	return freeze(ports);
}
function sourceOf(source) {
	if (source === undefined || source === null) return null;
	if (!isPort(source)) throw new TypeErr('The source of a MessageEvent must be a MessagePort');
	return source;
}

/** One end of a channel. */
class Core {
	constructor() {
		this.peer = null; // null: the channel is closed
		this.port = null; // who hears of its messages
		this.enabled = false;
		this.waiting = bareList(); // messages that came before start()
	}
	take(message) {
		if (this.enabled) queueTask(deliver, { core: this, message });
		else this.waiting[this.waiting.length] = message;
	}
	start() {
		this.enabled = true;
		const { waiting } = this;
		this.waiting = bareList();
		for (let i = 0; i < waiting.length; i++) this.take(waiting[i]);
	}
}
apart(Core);
/** The port may have been transferred since: then the message waits at the new one. */
function deliver({ core, message }) {
	if (!core.enabled) return core.take(message);
	const { out, ports } = message;
	dispatchOn(core.port, trust(new MessageEvent('message', { data: out, ports })));
}
function tellClosed(core) {
	dispatchOn(core.port, trust(new Event('close')));
}

let isPort, coreOf, detachPort, newPort;
class MessagePort extends EventTarget {
	#core; // null: transferred or closed
	#handlers = { __proto__: null };
	constructor(token = undefined, core = undefined) {
		if (token !== INTERNAL) throw illegal('MessagePort');
		super();
		this.#core = core;
		core.port = this;
	}
	postMessage(message, transfer = undefined) {
		need(arguments.length, 1, "'postMessage' on 'MessagePort'");
		mayQueue('postMessage');
		const list = transferOf(transfer), core = this.#core, target = core === null ? null : core.peer;
		let doomed = target === null;
		for (let i = 0; i < list.length; i++) {
			if (list[i] === this) throw new DOMException('A port cannot be sent through itself', 'DataCloneError');
			if (isPort(list[i]) && coreOf(list[i]) === target) doomed = true;
		}
		const { out, moved } = cloneAndMove(message, list);
		if (doomed) return;
		const ports = [];
		for (let i = 0; i < moved.length; i++) if (isPort(moved[i])) ports[ports.length] = moved[i];
		target.take({ out, ports });
	}
	start() {
		if (!(#core in this)) throw brand('MessagePort', 'start');
		if (this.#core !== null && !this.#core.enabled) this.#core.start();
	}
	close() {
		if (!(#core in this)) throw brand('MessagePort', 'close');
		const core = this.#core;
		if (core === null) return;
		this.#core = null;
		const { peer } = core;
		if (peer === null) return;
		core.peer = peer.peer = null;
		queueTask(tellClosed, peer);
	}
	#handler(type) {
		return (this.#handlers[type] ??= attribute(listenersOf(this), type));
	}
	get onmessage() {
		return this.#handler('message').get();
	}
	set onmessage(fn) {
		this.#handler('message').set(fn);
		this.start();
	}
	get onmessageerror() {
		return this.#handler('messageerror').get();
	}
	set onmessageerror(fn) {
		this.#handler('messageerror').set(fn);
	}
	get onclose() {
		return this.#handler('close').get();
	}
	set onclose(fn) {
		this.#handler('close').set(fn);
	}
	static {
		isPort = (v) => isObject(v) && #core in v;
		coreOf = (port) => port.#core;
		newPort = (core) => new MessagePort(INTERNAL, core);
		detachPort = (port) => {
			const core = port.#core;
			port.#core = null;
			return core;
		};
	}
}
finish(MessagePort, 'MessagePort', 0);

/** The second argument of postMessage: a list, or an object with one. */
function transferOf(v) {
	if (v === undefined || v === null) return [];
	if (!isObject(v)) throw new TypeErr("The second argument of 'postMessage' must be a list or an object");
	if (v[symIterator] !== undefined && v[symIterator] !== null) return listOf(v);
	const { transfer } = v;
	return transfer === undefined ? [] : listOf(transfer);
}

transferable({
	is: isPort,
	why: (port) => (coreOf(port) === null ? 'A MessagePort of the transfer list is closed or was transferred already' : undefined),
	move(port) {
		const core = detachPort(port);
		core.enabled = false;
		return newPort(core);
	},
});
uncloneable(isPort);

class MessageChannel {
	#port1;
	#port2;
	constructor() {
		const one = new Core(), two = new Core();
		one.peer = two;
		two.peer = one;
		this.#port1 = newPort(one);
		this.#port2 = newPort(two);
	}
	get port1() {
		return this.#port1;
	}
	get port2() {
		return this.#port2;
	}
}
finish(MessageChannel, 'MessageChannel', 0);

shared.made = { MessageChannel, MessageEvent, MessagePort };
