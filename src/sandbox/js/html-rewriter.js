/* global shared */
// HTMLRewriter, and HTMLStream of the first generation: the lazy script "html". Both are the same:
// a page is a Run, which reads a stream, gives its bytes to a rewriter of C (er.htmlRun), and is
// pulled by whoever reads what comes out. The rewriter stands still when a handler wants to see
// something; an object for it lives until the handler, or its promise, is done.
//
//   pull ─► er.htmlRun ─► bytes: a chunk for the reader
//                      ─► a number: handler(new Element | Text | ...), await, and on
//                      ─► undefined: the next chunk of the page
import * as er from './natives.js';
import {
	HTML_AFTER, HTML_APPEND, HTML_ATTR, HTML_ATTR_NAME, HTML_ATTR_VALUE, HTML_BEFORE, HTML_IS_LAST, HTML_IS_REMOVED, HTML_NAME, HTML_NAMESPACE, HTML_PREPEND, HTML_PUBLIC_ID,
	HTML_REMOVE, HTML_RENAME, HTML_REPLACE, HTML_SEE_COMMENT, HTML_SEE_DOCTYPE, HTML_SEE_ELEMENT, HTML_SEE_END, HTML_SEE_END_TAG, HTML_SEE_NEXT, HTML_SEE_TEXT, HTML_SET_INNER,
	HTML_SET_TEXT, HTML_SYSTEM_ID, HTML_TEXT_OF, HTML_UNWRAP,
} from './contract.js';
import {
	TypeErr, U8, apart, apply, bareList, defineProperty, getOwnPropertyDescriptor, isArrayBuffer, isPromise, isView, listOf, lower, newMap, quiet, regexp, resolved, strSlice, strSplit, taLength, then, trim, u8Subarray, uncurry,
	viewBytes,
} from './primordials.js';
import { INTERNAL, brand, callback, dictionary, domString, finish, illegal, isObject, iteratorClass, need, usvString } from './webidl.js';

const { BufferStream, Headers, Response, isBufferStream, isResponse, isStream, nextChunk, rawOfResponse, reasonText, statusOf, streams, usable } = shared.tools;
const headersDelete = uncurry(Headers.prototype.delete), headersGet = uncurry(Headers.prototype.get), headersSet = uncurry(Headers.prototype.set);
const readableOf = uncurry(getOwnPropertyDescriptor(BufferStream.prototype, 'readable').get);
const bodyOf = uncurry(getOwnPropertyDescriptor(Response.prototype, 'body').get), headersOf = uncurry(getOwnPropertyDescriptor(Response.prototype, 'headers').get);

/** Bytes that the rewriter gets in one go. */
const PIECE = 64 * 1024;
const TICKS = 4;
const NOTHING = new U8(0);

// ---- what handlers get ----

let runOf; // (piece, its class, member) -> its Run; throws if its handler is done
let over; // (piece): its handler is done
class Piece {
	#run;
	#name;
	constructor(token, run, name) {
		if (token !== INTERNAL) throw illegal(name);
		this.#run = run;
		this.#name = name;
	}
	static {
		runOf = (piece, name, member) => {
			if (!isObject(piece) || !(#run in piece) || piece.#name !== name) throw brand(name, member);
			if (piece.#run === null) throw new TypeErr(`${name}.${member} was used after its handler was done: what a handler gets lives until it returns, or its promise settles`);
			return piece.#run;
		};
		over = (piece) => {
			piece.#run = null;
		};
	}
}
const handleOf = (piece, name, member) => runOf(piece, name, member).handle;
function contentOf(value, member) {
	if (isStream(value) || isResponse(value)) throw new TypeErr(`The content of ${member} must be a string`);
	return usvString(value);
}
const isMarkup = (options) => !!dictionary(options, 'The options').html;

/** Members that insert, replace or remove; each gives the object itself. */
const INSERTS = { before: HTML_BEFORE, after: HTML_AFTER, prepend: HTML_PREPEND, append: HTML_APPEND, replace: HTML_REPLACE, setInnerContent: HTML_SET_INNER };
const REMOVES = { remove: HTML_REMOVE, removeAndKeepContent: HTML_UNWRAP };
function editing(ctor, name, members) {
	for (let i = 0; i < members.length; i++) {
		const member = members[i];
		const what = INSERTS[member] ?? REMOVES[member];
		const methods = {
			insert(content, options = undefined) {
				need(arguments.length, 1, `'${member}' on '${name}'`);
				const text = contentOf(content, member), html = isMarkup(options);
				er.htmlEdit(/* handle */ handleOf(this, name, member), what, /* content */ text, html);
				return this;
			},
			remove() {
				er.htmlEdit(/* handle */ handleOf(this, name, member), what, /* content */ '', /* html */ false);
				return this;
			},
		};
		const method = REMOVES[member] === undefined ? methods.insert : methods.remove;
		defineProperty(method, 'name', { value: member, configurable: true });
		defineProperty(ctor.prototype, member, { value: method, writable: true, enumerable: true, configurable: true });
	}
	finish(ctor, name, 0);
}

class Element extends Piece {
	constructor(token = undefined, run = null) {
		super(token, run, 'Element');
	}
	get tagName() {
		return er.htmlGet(handleOf(this, 'Element', 'tagName'), HTML_NAME, 0);
	}
	set tagName(name) {
		const content = usvString(name);
		er.htmlEdit(/* handle */ handleOf(this, 'Element', 'tagName'), /* what */ HTML_RENAME, content, /* html */ true);
	}
	get namespaceURI() {
		return er.htmlGet(handleOf(this, 'Element', 'namespaceURI'), HTML_NAMESPACE, 0);
	}
	get removed() {
		return er.htmlGet(handleOf(this, 'Element', 'removed'), HTML_IS_REMOVED, 0);
	}
	get attributes() {
		handleOf(this, 'Element', 'attributes');
		return new Attributes(this, 'entry');
	}
	getAttribute(name) {
		need(arguments.length, 1, "'getAttribute' on 'Element'");
		const which = usvString(name);
		return er.htmlGet(handleOf(this, 'Element', 'getAttribute'), HTML_ATTR, which);
	}
	hasAttribute(name) {
		need(arguments.length, 1, "'hasAttribute' on 'Element'");
		const which = usvString(name);
		return er.htmlGet(handleOf(this, 'Element', 'hasAttribute'), HTML_ATTR, which) !== null;
	}
	setAttribute(name, value) {
		need(arguments.length, 2, "'setAttribute' on 'Element'");
		const which = usvString(name), text = usvString(value);
		er.htmlAttr(handleOf(this, 'Element', 'setAttribute'), which, text);
		return this;
	}
	removeAttribute(name) {
		need(arguments.length, 1, "'removeAttribute' on 'Element'");
		const which = usvString(name);
		er.htmlAttr(handleOf(this, 'Element', 'removeAttribute'), which, undefined);
		return this;
	}
	onEndTag(handler) {
		need(arguments.length, 1, "'onEndTag' on 'Element'");
		callback(handler, 'The handler of an end tag');
		const run = runOf(this, 'Element', 'onEndTag');
		const number = er.htmlEndTag(run.handle);
		const list = run.ends.get(number) ?? bareList();
		list[list.length] = handler;
		run.ends.set(number, list);
	}
}
editing(Element, 'Element', ['before', 'after', 'prepend', 'append', 'replace', 'setInnerContent', 'remove', 'removeAndKeepContent']);
const Attributes = iteratorClass('Attributes', (element, at) => {
	const handle = handleOf(element, 'Element', 'attributes');
	const name = er.htmlGet(handle, HTML_ATTR_NAME, at);
	return name === null ? undefined : [name, er.htmlGet(handle, HTML_ATTR_VALUE, at)];
});

class EndTag extends Piece {
	constructor(token = undefined, run = null) {
		super(token, run, 'EndTag');
	}
	get name() {
		return er.htmlGet(handleOf(this, 'EndTag', 'name'), HTML_NAME, 0);
	}
	set name(name) {
		const content = usvString(name);
		er.htmlEdit(/* handle */ handleOf(this, 'EndTag', 'name'), /* what */ HTML_RENAME, content, /* html */ true);
	}
}
editing(EndTag, 'EndTag', ['before', 'after', 'remove']);

class Text extends Piece {
	constructor(token = undefined, run = null) {
		super(token, run, 'Text');
	}
	get text() {
		return er.htmlGet(handleOf(this, 'Text', 'text'), HTML_TEXT_OF, 0);
	}
	get lastInTextNode() {
		return er.htmlGet(handleOf(this, 'Text', 'lastInTextNode'), HTML_IS_LAST, 0);
	}
	get removed() {
		return er.htmlGet(handleOf(this, 'Text', 'removed'), HTML_IS_REMOVED, 0);
	}
}
editing(Text, 'Text', ['before', 'after', 'replace', 'remove']);

class Comment extends Piece {
	constructor(token = undefined, run = null) {
		super(token, run, 'Comment');
	}
	get text() {
		return er.htmlGet(handleOf(this, 'Comment', 'text'), HTML_TEXT_OF, 0);
	}
	set text(text) {
		const content = usvString(text);
		er.htmlEdit(/* handle */ handleOf(this, 'Comment', 'text'), /* what */ HTML_SET_TEXT, content, /* html */ true);
	}
	get removed() {
		return er.htmlGet(handleOf(this, 'Comment', 'removed'), HTML_IS_REMOVED, 0);
	}
}
editing(Comment, 'Comment', ['before', 'after', 'replace', 'remove']);

class Doctype extends Piece {
	constructor(token = undefined, run = null) {
		super(token, run, 'Doctype');
	}
	get name() {
		return er.htmlGet(handleOf(this, 'Doctype', 'name'), HTML_NAME, 0);
	}
	get publicId() {
		return er.htmlGet(handleOf(this, 'Doctype', 'publicId'), HTML_PUBLIC_ID, 0);
	}
	get systemId() {
		return er.htmlGet(handleOf(this, 'Doctype', 'systemId'), HTML_SYSTEM_ID, 0);
	}
}
finish(Doctype, 'Doctype', 0);

class DocumentEnd extends Piece {
	constructor(token = undefined, run = null) {
		super(token, run, 'DocumentEnd');
	}
}
editing(DocumentEnd, 'DocumentEnd', ['append']);

// ---- rules ----

/** What of an object of handlers sees what. `docend` is the first generation's word for `end`. */
const OF_ELEMENTS = { element: HTML_SEE_ELEMENT, comments: HTML_SEE_COMMENT, text: HTML_SEE_TEXT };
const OF_DOCUMENT = { doctype: HTML_SEE_DOCTYPE, comments: HTML_SEE_COMMENT, text: HTML_SEE_TEXT, end: HTML_SEE_END, docend: HTML_SEE_END };
const CLASSES = { __proto__: null, [HTML_SEE_ELEMENT]: Element, [HTML_SEE_COMMENT]: Comment, [HTML_SEE_TEXT]: Text, [HTML_SEE_DOCTYPE]: Doctype, [HTML_SEE_END]: DocumentEnd };

/** selector null: of the document. The members of the handlers are read here, once. */
function ruleOf(selector, handlers) {
	if (selector !== null) selector = usvString(selector);
	if (!isObject(handlers)) throw new TypeErr('The handlers must be an object');
	const rule = { selector, handlers, sees: 0, calls: { __proto__: null } };
	const members = selector === null ? OF_DOCUMENT : OF_ELEMENTS;
	for (const name in members) {
		const handler = handlers[name];
		if (handler === undefined || handler === null) continue;
		rule.calls[members[name]] = callback(handler, `The handler '${name}'`);
		rule.sees |= members[name];
	}
	return rule;
}
function begin(handle, { selector, sees }) {
	const wrong = er.htmlOn(handle, selector ?? undefined, sees);
	if (wrong === undefined) return;
	throw new TypeErr(selector === null ? `Too many handlers: ${wrong}` : `The selector '${selector}' cannot be used: ${wrong}`);
}
/** Throws now what would be thrown when a page begins. */
function checked(rules) {
	const handle = er.htmlNew(/* sniffs */ false);
	try {
		for (let i = 0; i < rules.length; i++) begin(handle, rules[i]);
	} finally {
		er.htmlFree(handle);
	}
}

// ---- a page on its way ----

class Run {
	/** sniffs: nobody has said what encoding the page has. */
	constructor(rules, sniffs) {
		this.rules = rules;
		this.handle = er.htmlNew(sniffs);
		for (let i = 0; i < rules.length; i++) begin(this.handle, rules[i]);
		this.ends = newMap(); // number of an end tag -> its handlers
		this.reader = null;
		this.decoder = undefined; // of a page that is not UTF-8
		this.rest = NOTHING; // of the last chunk, not yet given
		this.ended = false; // there is no more to read
		this.told = false; // and the rewriter knows
		this.early = false; // the reader has got something while a handler took its time
		this.over = false;
	}
	/** The stream of what comes out. */
	source() {
		return {
			type: 'bytes',
			pull: (controller) => this.pull(controller),
			cancel: (reason) => this.cancel(reason),
		};
	}
	async pull(controller) {
		try {
			while (!this.over) {
				const got = this.step();
				if (typeof got === 'number') {
					const wait = this.event(got, controller);
					if (wait !== undefined) await wait;
					if (this.early) {
						this.early = false;
						return;
					}
				} else if (got !== undefined) return controller.enqueue(got);
				else if (this.told) return this.close(controller);
				else if (taLength(this.rest) === 0) await this.more();
			}
		} catch (e) {
			if (this.over) return;
			this.stop();
			quiet(this.reader.cancel(e));
			throw e;
		}
	}
	/** The rewriter goes on, with the next bytes if it has asked for some. */
	step() {
		const got = er.htmlRun(this.handle, undefined, false);
		if (got !== undefined || this.told) return got;
		const n = taLength(this.rest);
		if (n === 0 && !this.ended) return undefined;
		const piece = n > PIECE ? u8Subarray(this.rest, 0, PIECE) : this.rest;
		this.rest = n > PIECE ? u8Subarray(this.rest, PIECE) : NOTHING;
		this.told = this.ended && n <= PIECE;
		return er.htmlRun(this.handle, piece, this.told);
	}
	/** The next chunk of the page, as UTF-8. */
	async more() {
		const { done, value } = await nextChunk(this.reader);
		if (this.over) return;
		if (!done && !isView(value) && !isArrayBuffer(value)) throw new TypeErr('A chunk of HTML must be bytes: a Uint8Array');
		this.ended = done;
		const bytes = done ? NOTHING : viewBytes(value);
		this.rest = this.decoder === undefined ? bytes : er.utf8Encode(er.decode(this.decoder, bytes, done));
	}
	/** Calls who wants to see something; a promise if that takes time. */
	event(got, controller) {
		const kind = got % HTML_SEE_NEXT, number = (got - kind) / HTML_SEE_NEXT;
		if (kind !== HTML_SEE_END_TAG) {
			const { handlers, calls } = this.rules[number];
			return this.call(calls[kind], handlers, new CLASSES[kind](INTERNAL, this), controller);
		}
		const list = this.ends.get(number);
		this.ends.delete(number);
		return this.endTag(list, 0, controller);
	}
	endTag(list, from, controller) {
		for (let i = from; i < list.length && !this.over; i++) {
			const wait = this.call(list[i], undefined, new EndTag(INTERNAL, this), controller);
			if (wait !== undefined) return then(wait, () => this.endTag(list, i + 1, controller));
		}
		return undefined;
	}
	call(handler, self, piece, controller) {
		let promise;
		try {
			const given = apply(handler, self, [piece]);
			if (isPromise(given)) promise = given;
		} finally {
			if (promise === undefined) over(piece);
		}
		return promise === undefined ? undefined : this.wait(promise, piece, controller);
	}
	/** A reader does not wait for what was there before a handler that really waits: a promise that
	 * is settled within some microtasks is no reason to cut the page into small pieces. */
	async wait(promise, piece, controller) {
		let settled = false;
		const done = then(resolved(promise), () => {
			settled = true;
		});
		try {
			quiet(done);
			for (let i = 0; i < TICKS && !settled; i++) await undefined;
			const before = settled || this.over ? undefined : er.htmlTake(this.handle);
			if (before !== undefined) {
				this.early = true;
				controller.enqueue(before);
			}
			await done;
		} finally {
			over(piece);
		}
	}
	close(controller) {
		this.stop();
		controller.close();
		controller.byobRequest?.respond(0);
	}
	stop() {
		this.over = true;
		this.rest = NOTHING;
		er.htmlFree(this.handle);
		if (this.decoder !== undefined) er.decoderFree(this.decoder);
	}
	cancel(reason) {
		if (this.over) return undefined;
		this.stop();
		return this.reader.cancel(reason);
	}
}
apart(Run);

// ---- HTMLRewriter ----

const CHARSET = regexp(/;[\t ]*charset[\t ]*=[\t ]*("?)([^\t ;"]+)/i);
const HTML = regexp(/^[\t ]*text\/html/i);
/** Does nobody say what encoding a page of HTML has? */
function isUnsaid(headers) {
	const type = headersGet(headers, 'content-type');
	return type === null || (HTML.exec(type) !== null && CHARSET.exec(type) === null);
}
/** What is to be decoded as it says, and is UTF-8 from then on; undefined: it is UTF-8. */
function decoderOf(headers) {
	const type = headersGet(headers, 'content-type');
	const m = type === null ? null : CHARSET.exec(type);
	const name = m === null ? undefined : er.decoderName(m[2]);
	if (name === undefined || name === 'utf-8') return undefined;
	const decoder = er.decoderNew(m[2], false, false);
	if (decoder === 0) return undefined;
	headersSet(headers, 'content-type', `${strSlice(type, 0, m.index)}; charset=utf-8`);
	return decoder;
}
const CODINGS = { __proto__: null, gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate', br: 'brotli', zstd: 'zstd' };
/** The body without the content codings that the fields say it has. */
function plain(body, headers) {
	const said = headersGet(headers, 'content-encoding');
	if (said === null) return body;
	const list = strSplit(said, ',');
	for (let i = list.length - 1; i >= 0; i--) {
		const coding = lower(trim(list[i]));
		if (coding === '' || coding === 'identity') continue;
		if (CODINGS[coding] === undefined) throw new TypeErr(`The content-encoding '${coding}' of the Response cannot be undone`);
		body = body.pipeThrough(new (streams().DecompressionStream)(CODINGS[coding]));
	}
	headersDelete(headers, 'content-encoding');
	return body;
}

class HTMLRewriter {
	#rules = bareList();
	#add(rule) {
		const rules = this.#rules;
		checked([rule]);
		rules[rules.length] = rule;
		return this;
	}
	on(selector, handlers) {
		if (!(isObject(this) && #rules in this)) throw brand('HTMLRewriter', 'on');
		need(arguments.length, 2, "'on' on 'HTMLRewriter'");
		return this.#add(ruleOf(domString(selector), handlers));
	}
	onDocument(handlers) {
		if (!(isObject(this) && #rules in this)) throw brand('HTMLRewriter', 'onDocument');
		need(arguments.length, 1, "'onDocument' on 'HTMLRewriter'");
		return this.#add(ruleOf(null, handlers));
	}
	transform(response) {
		if (!(isObject(this) && #rules in this)) throw brand('HTMLRewriter', 'transform');
		need(arguments.length, 1, "'transform' on 'HTMLRewriter'");
		if (!isResponse(response)) throw new TypeErr('HTMLRewriter transforms a Response');
		usable(rawOfResponse(response), 'Response');
		const headers = new Headers(headersOf(response));
		const init = { status: statusOf(response), statusText: reasonText(response), headers };
		let body = bodyOf(response);
		if (body === null) return new Response(null, init);
		const { ReadableStream } = streams();
		const run = new Run(copyOf(this.#rules), isUnsaid(headers));
		body = plain(body, headers);
		run.decoder = decoderOf(headers);
		headersDelete(headers, 'content-length');
		run.reader = body.getReader();
		return new Response(new ReadableStream(run.source(), { highWaterMark: 0 }), init);
	}
}
const copyOf = (rules) => {
	const copy = bareList();
	for (let i = 0; i < rules.length; i++) copy[i] = rules[i];
	return copy;
};
finish(HTMLRewriter, 'HTMLRewriter', 0);

// ---- HTMLStream ----

/** [[selector | null, handlers], ...] */
function rulesOf(list) {
	if (!isObject(list)) throw new TypeErr('HTMLStream takes a list of [selector, handlers]');
	const pairs = listOf(list), rules = bareList();
	for (let i = 0; i < pairs.length; i++) {
		if (!isObject(pairs[i])) throw new TypeErr('HTMLStream takes a list of [selector, handlers]');
		const pair = listOf(pairs[i]);
		rules[i] = ruleOf(pair[0] === null || pair[0] === undefined ? null : domString(pair[0]), pair[1]);
	}
	return rules;
}
function htmlStream() {
	const { ReadableStream } = streams();
	class HTMLStream extends ReadableStream {
		constructor(readable, handlers) {
			need(arguments.length, 2, "'HTMLStream'");
			const from = isBufferStream(readable) ? readableOf(readable) : readable;
			if (!isStream(from)) throw new TypeErr('HTMLStream reads a ReadableStream');
			const run = new Run(rulesOf(handlers), true);
			super(run.source(), { highWaterMark: 0 });
			run.reader = from.getReader();
		}
	}
	return finish(HTMLStream, 'HTMLStream', 2);
}

shared.made = { HTMLRewriter, htmlStream };
