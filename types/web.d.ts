// The web's interfaces, as the sandbox has them.

// ---- what others are made of ----

type BufferSource = ArrayBufferView | ArrayBuffer;
type BlobPart = BufferSource | Blob | string;
type BodyInit = string | BufferSource | ReadableStream | BufferStream | Blob | FormData | URLSearchParams;
type HeadersInit = Headers | Record<string, string> | Iterable<readonly [string, string]> | Iterable<string[]>;
type FormDataEntryValue = File | string;
type Transferable = ArrayBuffer | MessagePort | ReadableStream | WritableStream | TransformStream;

interface StructuredSerializeOptions {
	transfer?: Transferable[];
}

declare function structuredClone<T>(value: T, options?: StructuredSerializeOptions): T;
declare function atob(data: string): string;
declare function btoa(data: string): string;
declare function queueMicrotask(callback: () => void): void;
/** Tells of an error as if nobody had caught it. */
declare function reportError(error: unknown): void;
declare function setTimeout<A extends unknown[]>(callback: (...args: A) => void, ms?: number, ...args: A): number;
declare function setInterval<A extends unknown[]>(callback: (...args: A) => void, ms?: number, ...args: A): number;
declare function setImmediate<A extends unknown[]>(callback: (...args: A) => void, ...args: A): number;
declare function clearTimeout(id: number | null | undefined): void;
declare function clearInterval(id: number | null | undefined): void;
declare function clearImmediate(id: number | null | undefined): void;

declare var self: typeof globalThis;
declare var navigator: Navigator;
declare class Navigator {
	private constructor();
	readonly userAgent: string;
	readonly [Symbol.toStringTag]: string;
}

// ---- events ----

interface EventInit {
	bubbles?: boolean;
	cancelable?: boolean;
	composed?: boolean;
}
declare class Event {
	constructor(type: string, init?: EventInit);
	static readonly NONE: 0;
	static readonly CAPTURING_PHASE: 1;
	static readonly AT_TARGET: 2;
	static readonly BUBBLING_PHASE: 3;
	readonly NONE: 0;
	readonly CAPTURING_PHASE: 1;
	readonly AT_TARGET: 2;
	readonly BUBBLING_PHASE: 3;
	readonly type: string;
	readonly target: EventTarget | null;
	/** @deprecated */
	readonly srcElement: EventTarget | null;
	readonly currentTarget: EventTarget | null;
	composedPath(): EventTarget[];
	readonly eventPhase: number;
	stopPropagation(): void;
	/** @deprecated */
	cancelBubble: boolean;
	stopImmediatePropagation(): void;
	readonly bubbles: boolean;
	readonly cancelable: boolean;
	/** @deprecated */
	returnValue: boolean;
	preventDefault(): void;
	readonly defaultPrevented: boolean;
	readonly composed: boolean;
	readonly isTrusted: boolean;
	readonly timeStamp: number;
	/** @deprecated */
	initEvent(type: string, bubbles?: boolean, cancelable?: boolean): void;
	readonly [Symbol.toStringTag]: string;
}

type EventListener<E extends Event = Event> = (event: E) => unknown;
interface EventListenerObject<E extends Event = Event> {
	handleEvent(event: E): unknown;
}
type EventListenerOrEventListenerObject<E extends Event = Event> = EventListener<E> | EventListenerObject<E>;
interface EventListenerOptions {
	capture?: boolean;
}
interface AddEventListenerOptions extends EventListenerOptions {
	once?: boolean;
	passive?: boolean;
	signal?: AbortSignal;
}
declare class EventTarget {
	constructor();
	addEventListener<E extends Event = Event>(type: string, listener: EventListenerOrEventListenerObject<E> | null, options?: AddEventListenerOptions | boolean): void;
	removeEventListener<E extends Event = Event>(type: string, listener: EventListenerOrEventListenerObject<E> | null, options?: EventListenerOptions | boolean): void;
	dispatchEvent(event: Event): boolean;
	readonly [Symbol.toStringTag]: string;
}

interface CustomEventInit<T = any> extends EventInit {
	detail?: T;
}
declare class CustomEvent<T = any> extends Event {
	constructor(type: string, init?: CustomEventInit<T>);
	readonly detail: T;
	/** @deprecated */
	initCustomEvent(type: string, bubbles?: boolean, cancelable?: boolean, detail?: T): void;
}

interface ErrorEventInit extends EventInit {
	message?: string;
	filename?: string;
	lineno?: number;
	colno?: number;
	error?: unknown;
}
declare class ErrorEvent extends Event {
	constructor(type: string, init?: ErrorEventInit);
	readonly message: string;
	readonly filename: string;
	readonly lineno: number;
	readonly colno: number;
	readonly error: any;
}

interface PromiseRejectionEventInit extends EventInit {
	promise: Promise<any>;
	reason?: unknown;
}
declare class PromiseRejectionEvent extends Event {
	constructor(type: string, init: PromiseRejectionEventInit);
	readonly promise: Promise<any>;
	readonly reason: any;
}

interface MessageEventInit<T = any> extends EventInit {
	data?: T;
	origin?: string;
	lastEventId?: string;
	source?: MessagePort | null;
	ports?: MessagePort[];
}
declare class MessageEvent<T = any> extends Event {
	constructor(type: string, init?: MessageEventInit<T>);
	readonly data: T;
	readonly origin: string;
	readonly lastEventId: string;
	readonly source: MessagePort | null;
	readonly ports: readonly MessagePort[];
	/** @deprecated */
	initMessageEvent(type: string, bubbles?: boolean, cancelable?: boolean, data?: T, origin?: string, lastEventId?: string, source?: MessagePort | null, ports?: Iterable<MessagePort>): void;
}
declare class MessagePort extends EventTarget {
	private constructor();
	postMessage(message: unknown, transfer?: Transferable[] | StructuredSerializeOptions): void;
	start(): void;
	close(): void;
	onmessage: ((this: MessagePort, event: MessageEvent) => unknown) | null;
	onmessageerror: ((this: MessagePort, event: MessageEvent) => unknown) | null;
	onclose: ((this: MessagePort, event: Event) => unknown) | null;
}
declare class MessageChannel {
	constructor();
	readonly port1: MessagePort;
	readonly port2: MessagePort;
	readonly [Symbol.toStringTag]: string;
}

interface CloseEventInit extends EventInit {
	wasClean?: boolean;
	code?: number;
	reason?: string;
}
declare class CloseEvent extends Event {
	constructor(type: string, init?: CloseEventInit);
	readonly wasClean: boolean;
	readonly code: number;
	readonly reason: string;
}
declare class WebSocket extends EventTarget {
	constructor(url: string | URL, protocols?: string | Iterable<string>);
	static readonly CONNECTING: 0;
	static readonly OPEN: 1;
	static readonly CLOSING: 2;
	static readonly CLOSED: 3;
	readonly CONNECTING: 0;
	readonly OPEN: 1;
	readonly CLOSING: 2;
	readonly CLOSED: 3;
	accept(): void;
	send(data: string | ArrayBuffer | ArrayBufferView | Blob): void;
	close(code?: number, reason?: string): void;
	readonly url: string;
	readonly readyState: number;
	readonly bufferedAmount: number;
	readonly protocol: string;
	readonly extensions: string;
	binaryType: "blob" | "arraybuffer";
	onopen: ((this: WebSocket, event: Event) => unknown) | null;
	onmessage: ((this: WebSocket, event: MessageEvent) => unknown) | null;
	onerror: ((this: WebSocket, event: Event) => unknown) | null;
	onclose: ((this: WebSocket, event: CloseEvent) => unknown) | null;
}
declare class WebSocketPair {
	constructor();
	[end: number]: WebSocket;
	readonly [Symbol.toStringTag]: string;
}

interface GlobalEventMap {
	fetch: FetchEvent;
	scheduled: ScheduledEvent;
	error: ErrorEvent;
	unhandledrejection: PromiseRejectionEvent;
	rejectionhandled: PromiseRejectionEvent;
}
declare function addEventListener<K extends keyof GlobalEventMap>(type: K, listener: EventListenerOrEventListenerObject<GlobalEventMap[K]>, options?: AddEventListenerOptions | boolean): void;
declare function addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void;
declare function removeEventListener<K extends keyof GlobalEventMap>(type: K, listener: EventListenerOrEventListenerObject<GlobalEventMap[K]>, options?: EventListenerOptions | boolean): void;
declare function removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: EventListenerOptions | boolean): void;
declare function dispatchEvent(event: Event): boolean;
declare var onerror: ((event: ErrorEvent) => unknown) | null;
declare var onunhandledrejection: ((event: PromiseRejectionEvent) => unknown) | null;
declare var onrejectionhandled: ((event: PromiseRejectionEvent) => unknown) | null;

declare class AbortController {
	constructor();
	readonly signal: AbortSignal;
	abort(reason?: unknown): void;
	readonly [Symbol.toStringTag]: string;
}
declare class AbortSignal extends EventTarget {
	private constructor();
	static abort(reason?: unknown): AbortSignal;
	static timeout(ms: number): AbortSignal;
	static any(signals: Iterable<AbortSignal>): AbortSignal;
	readonly aborted: boolean;
	readonly reason: any;
	throwIfAborted(): void;
	onabort: ((this: AbortSignal, event: Event) => unknown) | null;
}

declare class DOMException extends Error {
	constructor(message?: string, name?: string);
	readonly name: string;
	readonly message: string;
	readonly code: number;
	readonly [Symbol.toStringTag]: string;
	static readonly INDEX_SIZE_ERR: 1;
	readonly INDEX_SIZE_ERR: 1;
	static readonly DOMSTRING_SIZE_ERR: 2;
	readonly DOMSTRING_SIZE_ERR: 2;
	static readonly HIERARCHY_REQUEST_ERR: 3;
	readonly HIERARCHY_REQUEST_ERR: 3;
	static readonly WRONG_DOCUMENT_ERR: 4;
	readonly WRONG_DOCUMENT_ERR: 4;
	static readonly INVALID_CHARACTER_ERR: 5;
	readonly INVALID_CHARACTER_ERR: 5;
	static readonly NO_DATA_ALLOWED_ERR: 6;
	readonly NO_DATA_ALLOWED_ERR: 6;
	static readonly NO_MODIFICATION_ALLOWED_ERR: 7;
	readonly NO_MODIFICATION_ALLOWED_ERR: 7;
	static readonly NOT_FOUND_ERR: 8;
	readonly NOT_FOUND_ERR: 8;
	static readonly NOT_SUPPORTED_ERR: 9;
	readonly NOT_SUPPORTED_ERR: 9;
	static readonly INUSE_ATTRIBUTE_ERR: 10;
	readonly INUSE_ATTRIBUTE_ERR: 10;
	static readonly INVALID_STATE_ERR: 11;
	readonly INVALID_STATE_ERR: 11;
	static readonly SYNTAX_ERR: 12;
	readonly SYNTAX_ERR: 12;
	static readonly INVALID_MODIFICATION_ERR: 13;
	readonly INVALID_MODIFICATION_ERR: 13;
	static readonly NAMESPACE_ERR: 14;
	readonly NAMESPACE_ERR: 14;
	static readonly INVALID_ACCESS_ERR: 15;
	readonly INVALID_ACCESS_ERR: 15;
	static readonly VALIDATION_ERR: 16;
	readonly VALIDATION_ERR: 16;
	static readonly TYPE_MISMATCH_ERR: 17;
	readonly TYPE_MISMATCH_ERR: 17;
	static readonly SECURITY_ERR: 18;
	readonly SECURITY_ERR: 18;
	static readonly NETWORK_ERR: 19;
	readonly NETWORK_ERR: 19;
	static readonly ABORT_ERR: 20;
	readonly ABORT_ERR: 20;
	static readonly URL_MISMATCH_ERR: 21;
	readonly URL_MISMATCH_ERR: 21;
	static readonly QUOTA_EXCEEDED_ERR: 22;
	readonly QUOTA_EXCEEDED_ERR: 22;
	static readonly TIMEOUT_ERR: 23;
	readonly TIMEOUT_ERR: 23;
	static readonly INVALID_NODE_TYPE_ERR: 24;
	readonly INVALID_NODE_TYPE_ERR: 24;
	static readonly DATA_CLONE_ERR: 25;
	readonly DATA_CLONE_ERR: 25;
}

// ---- bytes and text ----

interface BlobPropertyBag {
	type?: string;
	endings?: "transparent" | "native";
}
declare class Blob {
	constructor(parts?: Iterable<BlobPart>, options?: BlobPropertyBag);
	readonly size: number;
	readonly type: string;
	slice(start?: number, end?: number, type?: string): Blob;
	arrayBuffer(): Promise<ArrayBuffer>;
	bytes(): Promise<Uint8Array<ArrayBuffer>>;
	text(): Promise<string>;
	stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
	readonly [Symbol.toStringTag]: string;
}
interface FilePropertyBag extends BlobPropertyBag {
	lastModified?: number;
}
declare class File extends Blob {
	constructor(parts: Iterable<BlobPart>, name: string, options?: FilePropertyBag);
	readonly name: string;
	readonly lastModified: number;
	readonly webkitRelativePath: string;
}

declare class TextEncoder {
	constructor();
	readonly encoding: "utf-8";
	encode(text?: string): Uint8Array<ArrayBuffer>;
	encodeInto(text: string, into: Uint8Array): { read: number; written: number };
	readonly [Symbol.toStringTag]: string;
}
interface TextDecoderOptions {
	fatal?: boolean;
	ignoreBOM?: boolean;
}
declare class TextDecoder {
	constructor(label?: string, options?: TextDecoderOptions);
	readonly encoding: string;
	readonly fatal: boolean;
	readonly ignoreBOM: boolean;
	decode(bytes?: BufferSource, options?: { stream?: boolean }): string;
	readonly [Symbol.toStringTag]: string;
}

// ---- URL ----

declare class URL {
	constructor(url: string | URL, base?: string | URL);
	static canParse(url: string | URL, base?: string | URL): boolean;
	static parse(url: string | URL, base?: string | URL): URL | null;
	static createObjectURL(blob: Blob): string;
	static revokeObjectURL(url: string): void;
	href: string;
	readonly origin: string;
	protocol: string;
	username: string;
	password: string;
	host: string;
	hostname: string;
	port: string;
	pathname: string;
	search: string;
	readonly searchParams: URLSearchParams;
	hash: string;
	toString(): string;
	toJSON(): string;
	readonly [Symbol.toStringTag]: string;
}
declare class URLSearchParams {
	constructor(init?: string | URLSearchParams | FormData | Record<string, string> | Iterable<readonly [string, string]> | Iterable<string[]>);
	readonly size: number;
	append(name: string, value: string): void;
	delete(name: string, value?: string): void;
	get(name: string): string | null;
	getAll(name: string): string[];
	has(name: string, value?: string): boolean;
	set(name: string, value: string): void;
	sort(): void;
	entries(): IterableIterator<[string, string]>;
	keys(): IterableIterator<string>;
	values(): IterableIterator<string>;
	forEach(callback: (value: string, name: string, params: URLSearchParams) => void, thisArg?: unknown): void;
	toString(): string;
	[Symbol.iterator](): IterableIterator<[string, string]>;
	readonly [Symbol.toStringTag]: string;
}

interface URLPatternInit {
	protocol?: string;
	username?: string;
	password?: string;
	hostname?: string;
	port?: string;
	pathname?: string;
	search?: string;
	hash?: string;
	baseURL?: string;
}
type URLPatternInput = string | URL | URLPatternInit;
interface URLPatternOptions {
	ignoreCase?: boolean;
}
interface URLPatternComponentResult {
	input: string;
	groups: Record<string, string | undefined>;
}
interface URLPatternResult {
	inputs: URLPatternInput[];
	protocol: URLPatternComponentResult;
	username: URLPatternComponentResult;
	password: URLPatternComponentResult;
	hostname: URLPatternComponentResult;
	port: URLPatternComponentResult;
	pathname: URLPatternComponentResult;
	search: URLPatternComponentResult;
	hash: URLPatternComponentResult;
}
declare class URLPattern {
	constructor(input: URLPatternInput, base: string | URL, options?: URLPatternOptions);
	constructor(input?: URLPatternInput, options?: URLPatternOptions);
	readonly protocol: string;
	readonly username: string;
	readonly password: string;
	readonly hostname: string;
	readonly port: string;
	readonly pathname: string;
	readonly search: string;
	readonly hash: string;
	readonly hasRegExpGroups: boolean;
	test(input?: URLPatternInput, base?: string | URL): boolean;
	exec(input?: URLPatternInput, base?: string | URL): URLPatternResult | null;
	readonly [Symbol.toStringTag]: string;
}

// ---- fetch ----

declare class Headers {
	constructor(init?: HeadersInit);
	append(name: string, value: string): void;
	delete(name: string): void;
	get(name: string): string | null;
	getSetCookie(): string[];
	has(name: string): boolean;
	set(name: string, value: string): void;
	entries(): IterableIterator<[string, string]>;
	keys(): IterableIterator<string>;
	values(): IterableIterator<string>;
	forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void;
	[Symbol.iterator](): IterableIterator<[string, string]>;
	readonly [Symbol.toStringTag]: string;
}
declare class FormData {
	constructor();
	append(name: string, value: string): void;
	append(name: string, value: Blob, filename?: string): void;
	delete(name: string): void;
	get(name: string): FormDataEntryValue | null;
	getAll(name: string): FormDataEntryValue[];
	has(name: string): boolean;
	set(name: string, value: string): void;
	set(name: string, value: Blob, filename?: string): void;
	entries(): IterableIterator<[string, FormDataEntryValue]>;
	keys(): IterableIterator<string>;
	values(): IterableIterator<FormDataEntryValue>;
	forEach(callback: (value: FormDataEntryValue, name: string, form: FormData) => void, thisArg?: unknown): void;
	[Symbol.iterator](): IterableIterator<[string, FormDataEntryValue]>;
	readonly [Symbol.toStringTag]: string;
}

/** What requests and responses have in common. */
interface Body {
	readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
	readonly bodyUsed: boolean;
	text(): Promise<string>;
	json<T = any>(): Promise<T>;
	arrayBuffer(): Promise<ArrayBuffer>;
	bytes(): Promise<Uint8Array<ArrayBuffer>>;
	blob(): Promise<Blob>;
	formData(): Promise<FormData>;
	/** Lets the node read the body to its end and drop it. */
	ignore(): Promise<void>;
}

type RequestInfo = Request | string | URL;
type RequestRedirect = "follow" | "manual" | "error";
/** See also edge.d.ts: `er`, `cf`, `cdnProxy`, `decompress`. */
interface RequestInit {
	method?: string;
	headers?: HeadersInit;
	body?: BodyInit | null;
	redirect?: RequestRedirect;
	signal?: AbortSignal | null;
	/** Needed for a body that is a stream made by JavaScript. */
	duplex?: "half";
	integrity?: string;
	mode?: "cors" | "no-cors" | "same-origin";
	/** These say nothing here: there is no browser. */
	credentials?: "omit" | "same-origin" | "include";
	cache?: "default" | "no-store" | "reload" | "no-cache" | "force-cache" | "only-if-cached";
	keepalive?: boolean;
	referrer?: string;
	referrerPolicy?: string;
	priority?: "high" | "low" | "auto";
	window?: null;
}
declare class Request {
	constructor(input: RequestInfo, init?: RequestInit);
	readonly method: string;
	readonly url: string;
	readonly headers: Headers;
	readonly destination: string;
	readonly referrer: string;
	readonly referrerPolicy: string;
	readonly mode: string;
	readonly credentials: string;
	readonly cache: string;
	readonly redirect: RequestRedirect;
	readonly integrity: string;
	readonly keepalive: boolean;
	readonly isReloadNavigation: boolean;
	readonly isHistoryNavigation: boolean;
	readonly duplex: "half";
	readonly signal: AbortSignal;
	/** What the node knows of the client; undefined of a request that the code has made. */
	readonly info: EdgeInfo;
	/** The same by the names that code from elsewhere uses. */
	readonly cf: EdgePlace | undefined;
	clone(): Request;
	readonly [Symbol.toStringTag]: string;
}
interface Request extends Body {}

interface ResponseInit {
	status?: number;
	statusText?: string;
	headers?: HeadersInit;
	webSocket?: WebSocket | null;
}
declare class Response {
	readonly webSocket: WebSocket | null;
	constructor(body?: BodyInit | null, init?: ResponseInit | Response);
	static error(): Response;
	static redirect(url: string | URL, status?: 301 | 302 | 303 | 307 | 308): Response;
	static json(data: unknown, init?: ResponseInit): Response;
	readonly type: string;
	readonly url: string;
	/** Every URL of the chain of redirects. */
	readonly urlList: string[];
	readonly redirected: boolean;
	readonly status: number;
	readonly ok: boolean;
	readonly statusText: string;
	readonly headers: Headers;
	/** What the node's cache did; undefined if it was not asked. */
	readonly info: ResponseInfo | undefined;
	clone(): Response;
	readonly [Symbol.toStringTag]: string;
}
interface Response extends Body {}

declare function fetch(input: RequestInfo, init?: RequestInit): Promise<Response>;

// ---- streams ----

interface QueuingStrategy<T = any> {
	highWaterMark?: number;
	size?: (chunk: T) => number;
}
interface QueuingStrategyInit {
	highWaterMark: number;
}
declare class ByteLengthQueuingStrategy {
	constructor(init: QueuingStrategyInit);
	readonly highWaterMark: number;
	readonly size: (chunk: ArrayBufferView | ArrayBuffer) => number;
	readonly [Symbol.toStringTag]: string;
}
declare class CountQueuingStrategy {
	constructor(init: QueuingStrategyInit);
	readonly highWaterMark: number;
	readonly size: (chunk: any) => 1;
	readonly [Symbol.toStringTag]: string;
}
interface StreamPipeOptions {
	preventClose?: boolean;
	preventAbort?: boolean;
	preventCancel?: boolean;
	signal?: AbortSignal;
}
interface ReadableWritablePair<R = any, W = any> {
	readable: ReadableStream<R>;
	writable: WritableStream<W>;
}
interface UnderlyingDefaultSource<R = any> {
	type?: undefined;
	start?(controller: ReadableStreamDefaultController<R>): unknown;
	pull?(controller: ReadableStreamDefaultController<R>): void | PromiseLike<void>;
	cancel?(reason?: any): void | PromiseLike<void>;
}
interface UnderlyingByteSource {
	type: "bytes";
	autoAllocateChunkSize?: number;
	start?(controller: ReadableByteStreamController): unknown;
	pull?(controller: ReadableByteStreamController): void | PromiseLike<void>;
	cancel?(reason?: any): void | PromiseLike<void>;
}
type ReadableStreamReadResult<T> = { done: false; value: T } | { done: true; value: T | undefined };
declare class ReadableStream<R = any> {
	constructor(source: UnderlyingByteSource, strategy?: { highWaterMark?: number });
	constructor(source?: UnderlyingDefaultSource<R>, strategy?: QueuingStrategy<R>);
	static from<T>(values: Iterable<T> | AsyncIterable<T>): ReadableStream<T>;
	readonly locked: boolean;
	cancel(reason?: any): Promise<void>;
	getReader(): ReadableStreamDefaultReader<R>;
	getReader(options: { mode: "byob" }): ReadableStreamBYOBReader;
	getReader(options: { mode?: undefined }): ReadableStreamDefaultReader<R>;
	pipeThrough<T>(pair: ReadableWritablePair<T, R>, options?: StreamPipeOptions): ReadableStream<T>;
	pipeTo(target: WritableStream<R>, options?: StreamPipeOptions): Promise<void>;
	tee(): [ReadableStream<R>, ReadableStream<R>];
	values(options?: { preventCancel?: boolean }): AsyncIterableIterator<R>;
	[Symbol.asyncIterator](options?: { preventCancel?: boolean }): AsyncIterableIterator<R>;
	readonly [Symbol.toStringTag]: string;
}
declare class ReadableStreamDefaultReader<R = any> {
	constructor(stream: ReadableStream<R>);
	readonly closed: Promise<void>;
	cancel(reason?: any): Promise<void>;
	read(): Promise<ReadableStreamReadResult<R>>;
	releaseLock(): void;
	readonly [Symbol.toStringTag]: string;
}
declare class ReadableStreamBYOBReader {
	constructor(stream: ReadableStream);
	readonly closed: Promise<void>;
	cancel(reason?: any): Promise<void>;
	read<T extends ArrayBufferView>(view: T, options?: { min?: number }): Promise<ReadableStreamReadResult<T>>;
	releaseLock(): void;
	readonly [Symbol.toStringTag]: string;
}
declare class ReadableStreamBYOBRequest {
	private constructor();
	readonly view: ArrayBufferView | null;
	respond(bytesWritten: number): void;
	respondWithNewView(view: ArrayBufferView): void;
	readonly [Symbol.toStringTag]: string;
}
declare class ReadableStreamDefaultController<R = any> {
	private constructor();
	readonly desiredSize: number | null;
	close(): void;
	enqueue(chunk?: R): void;
	error(reason?: any): void;
	readonly [Symbol.toStringTag]: string;
}
declare class ReadableByteStreamController {
	private constructor();
	readonly byobRequest: ReadableStreamBYOBRequest | null;
	readonly desiredSize: number | null;
	close(): void;
	enqueue(chunk: ArrayBufferView): void;
	error(reason?: any): void;
	readonly [Symbol.toStringTag]: string;
}
interface UnderlyingSink<W = any> {
	type?: undefined;
	start?(controller: WritableStreamDefaultController): unknown;
	write?(chunk: W, controller: WritableStreamDefaultController): void | PromiseLike<void>;
	close?(): void | PromiseLike<void>;
	abort?(reason?: any): void | PromiseLike<void>;
}
declare class WritableStream<W = any> {
	constructor(sink?: UnderlyingSink<W>, strategy?: QueuingStrategy<W>);
	readonly locked: boolean;
	abort(reason?: any): Promise<void>;
	close(): Promise<void>;
	getWriter(): WritableStreamDefaultWriter<W>;
	readonly [Symbol.toStringTag]: string;
}
declare class WritableStreamDefaultWriter<W = any> {
	constructor(stream: WritableStream<W>);
	readonly closed: Promise<void>;
	readonly desiredSize: number | null;
	readonly ready: Promise<void>;
	abort(reason?: any): Promise<void>;
	close(): Promise<void>;
	releaseLock(): void;
	write(chunk?: W): Promise<void>;
	readonly [Symbol.toStringTag]: string;
}
declare class WritableStreamDefaultController {
	private constructor();
	readonly signal: AbortSignal;
	error(reason?: any): void;
	readonly [Symbol.toStringTag]: string;
}
interface Transformer<I = any, O = any> {
	readableType?: undefined;
	writableType?: undefined;
	start?(controller: TransformStreamDefaultController<O>): unknown;
	transform?(chunk: I, controller: TransformStreamDefaultController<O>): void | PromiseLike<void>;
	flush?(controller: TransformStreamDefaultController<O>): void | PromiseLike<void>;
	cancel?(reason?: any): void | PromiseLike<void>;
}
declare class TransformStream<I = any, O = any> {
	constructor(transformer?: Transformer<I, O>, writableStrategy?: QueuingStrategy<I>, readableStrategy?: QueuingStrategy<O>);
	readonly readable: ReadableStream<O>;
	readonly writable: WritableStream<I>;
	readonly [Symbol.toStringTag]: string;
}
declare class TransformStreamDefaultController<O = any> {
	private constructor();
	readonly desiredSize: number | null;
	enqueue(chunk?: O): void;
	error(reason?: any): void;
	terminate(): void;
	readonly [Symbol.toStringTag]: string;
}
declare class TextEncoderStream {
	constructor();
	readonly encoding: "utf-8";
	readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
	readonly writable: WritableStream<string>;
	readonly [Symbol.toStringTag]: string;
}
declare class TextDecoderStream {
	constructor(label?: string, options?: TextDecoderOptions);
	readonly encoding: string;
	readonly fatal: boolean;
	readonly ignoreBOM: boolean;
	readonly readable: ReadableStream<string>;
	readonly writable: WritableStream<BufferSource>;
	readonly [Symbol.toStringTag]: string;
}
/** `brotli` and `zstd` go beyond the standard. */
type CompressionFormat = "gzip" | "deflate" | "deflate-raw" | "brotli" | "zstd";
declare class CompressionStream {
	constructor(format: CompressionFormat);
	readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
	readonly writable: WritableStream<BufferSource>;
	readonly [Symbol.toStringTag]: string;
}
declare class DecompressionStream {
	constructor(format: CompressionFormat);
	readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
	readonly writable: WritableStream<BufferSource>;
	readonly [Symbol.toStringTag]: string;
}

// ---- caches ----

interface CacheQueryOptions {
	ignoreMethod?: boolean;
	ignoreSearch?: boolean;
	ignoreVary?: boolean;
}
declare class Cache {
	private constructor();
	match(request: RequestInfo, options?: CacheQueryOptions): Promise<Response | undefined>;
	matchAll(request?: RequestInfo, options?: CacheQueryOptions): Promise<readonly Response[]>;
	add(request: RequestInfo): Promise<void>;
	addAll(requests: Iterable<RequestInfo>): Promise<void>;
	put(request: RequestInfo, response: Response): Promise<void>;
	delete(request: RequestInfo, options?: CacheQueryOptions): Promise<boolean>;
	keys(request?: RequestInfo, options?: CacheQueryOptions): Promise<readonly Request[]>;
	readonly [Symbol.toStringTag]: string;
}
declare class CacheStorage {
	private constructor();
	/** The routine's own cache, which costs no subrequest to open. */
	readonly default: Cache;
	open(name: string): Promise<Cache>;
	has(name: string): Promise<boolean>;
	delete(name: string): Promise<boolean>;
	keys(): Promise<string[]>;
	match(request: RequestInfo, options?: CacheQueryOptions & { cacheName?: string }): Promise<Response | undefined>;
	readonly [Symbol.toStringTag]: string;
}
declare var caches: CacheStorage;

// ---- crypto ----

type KeyUsage = "encrypt" | "decrypt" | "sign" | "verify" | "deriveKey" | "deriveBits" | "wrapKey" | "unwrapKey";
type KeyType = "public" | "private" | "secret";
type KeyFormat = "raw" | "spki" | "pkcs8" | "jwk";
type HashName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
type HashAlgorithmIdentifier = HashName | { name: HashName } | (string & {});
type NamedCurve = "P-256" | "P-384" | "P-521" | (string & {});
interface Algorithm {
	name: string;
}
type AlgorithmIdentifier = Algorithm | string;
interface KeyAlgorithm {
	name: string;
}
interface AesKeyAlgorithm extends KeyAlgorithm {
	length: number;
}
interface HmacKeyAlgorithm extends KeyAlgorithm {
	hash: KeyAlgorithm;
	length: number;
}
interface RsaHashedKeyAlgorithm extends KeyAlgorithm {
	modulusLength: number;
	publicExponent: Uint8Array<ArrayBuffer>;
	hash: KeyAlgorithm;
}
interface EcKeyAlgorithm extends KeyAlgorithm {
	namedCurve: string;
}
interface AesGcmParams extends Algorithm {
	iv: BufferSource;
	additionalData?: BufferSource;
	tagLength?: number;
}
interface AesCbcParams extends Algorithm {
	iv: BufferSource;
}
interface AesCtrParams extends Algorithm {
	counter: BufferSource;
	length: number;
}
interface RsaOaepParams extends Algorithm {
	label?: BufferSource;
}
interface RsaPssParams extends Algorithm {
	saltLength: number;
}
interface EcdsaParams extends Algorithm {
	hash: HashAlgorithmIdentifier;
}
interface Ed448Params extends Algorithm {
	context?: BufferSource;
}
interface EcdhKeyDeriveParams extends Algorithm {
	public: CryptoKey;
}
interface HkdfParams extends Algorithm {
	hash: HashAlgorithmIdentifier;
	salt: BufferSource;
	info: BufferSource;
}
interface Pbkdf2Params extends Algorithm {
	hash: HashAlgorithmIdentifier;
	salt: BufferSource;
	iterations: number;
}
interface AesKeyGenParams extends Algorithm {
	length: number;
}
interface HmacKeyGenParams extends Algorithm {
	hash: HashAlgorithmIdentifier;
	length?: number;
}
interface RsaHashedKeyGenParams extends Algorithm {
	hash: HashAlgorithmIdentifier;
	modulusLength: number;
	publicExponent: Uint8Array;
}
interface EcKeyGenParams extends Algorithm {
	namedCurve: NamedCurve;
}
interface HmacImportParams extends Algorithm {
	hash: HashAlgorithmIdentifier;
	length?: number;
}
interface RsaHashedImportParams extends Algorithm {
	hash: HashAlgorithmIdentifier;
}
interface EcKeyImportParams extends Algorithm {
	namedCurve: NamedCurve;
}
interface RsaOtherPrimesInfo {
	r?: string;
	d?: string;
	t?: string;
}
interface JsonWebKey {
	kty?: string;
	use?: string;
	key_ops?: string[];
	alg?: string;
	ext?: boolean;
	crv?: string;
	x?: string;
	y?: string;
	d?: string;
	n?: string;
	e?: string;
	p?: string;
	q?: string;
	dp?: string;
	dq?: string;
	qi?: string;
	oth?: RsaOtherPrimesInfo[];
	k?: string;
}
interface CryptoKeyPair {
	publicKey: CryptoKey;
	privateKey: CryptoKey;
}
declare class CryptoKey {
	private constructor();
	readonly type: KeyType;
	readonly extractable: boolean;
	readonly algorithm: KeyAlgorithm | AesKeyAlgorithm | HmacKeyAlgorithm | RsaHashedKeyAlgorithm | EcKeyAlgorithm;
	readonly usages: KeyUsage[];
	readonly [Symbol.toStringTag]: string;
}
type EncryptParams = RsaOaepParams | AesCtrParams | AesCbcParams | AesGcmParams;
type SignParams = AlgorithmIdentifier | RsaPssParams | EcdsaParams | Ed448Params;
type DeriveParams = EcdhKeyDeriveParams | HkdfParams | Pbkdf2Params;
type KeyGenParams = AlgorithmIdentifier | AesKeyGenParams | HmacKeyGenParams | RsaHashedKeyGenParams | EcKeyGenParams;
type KeyImportParams = AlgorithmIdentifier | HmacImportParams | RsaHashedImportParams | EcKeyImportParams;
declare class SubtleCrypto {
	private constructor();
	encrypt(algorithm: AlgorithmIdentifier | EncryptParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
	decrypt(algorithm: AlgorithmIdentifier | EncryptParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
	sign(algorithm: SignParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
	verify(algorithm: SignParams, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean>;
	/** Also "MD5", for signed URLs of older systems. */
	digest(algorithm: HashAlgorithmIdentifier | "MD5" | { name: "MD5" }, data: BufferSource): Promise<ArrayBuffer>;
	generateKey(algorithm: RsaHashedKeyGenParams | EcKeyGenParams | "Ed25519" | "Ed448" | "X25519" | "X448", extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKeyPair>;
	generateKey(algorithm: AesKeyGenParams | HmacKeyGenParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	generateKey(algorithm: KeyGenParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey | CryptoKeyPair>;
	deriveKey(algorithm: DeriveParams, base: CryptoKey, derived: AlgorithmIdentifier | AesKeyGenParams | HmacKeyGenParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	deriveBits(algorithm: DeriveParams, base: CryptoKey, length?: number | null): Promise<ArrayBuffer>;
	importKey(format: "jwk", key: JsonWebKey, algorithm: KeyImportParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	importKey(format: "raw" | "spki" | "pkcs8", key: BufferSource, algorithm: KeyImportParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
	exportKey(format: "raw" | "spki" | "pkcs8", key: CryptoKey): Promise<ArrayBuffer>;
	wrapKey(format: KeyFormat, key: CryptoKey, wrapping: CryptoKey, algorithm: AlgorithmIdentifier | EncryptParams): Promise<ArrayBuffer>;
	unwrapKey(format: KeyFormat, wrapped: BufferSource, unwrapping: CryptoKey, algorithm: AlgorithmIdentifier | EncryptParams, unwrapped: KeyImportParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	/** Compares two buffers of one length in a time that does not say where they differ. */
	timingSafeEqual(a: BufferSource, b: BufferSource): boolean;
	readonly [Symbol.toStringTag]: string;
}
declare class Crypto {
	private constructor();
	readonly subtle: SubtleCrypto;
	getRandomValues<T extends ArrayBufferView>(array: T): T;
	randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
	readonly [Symbol.toStringTag]: string;
}
declare var crypto: Crypto;

// ---- time and console ----

/** The clock stands still while code runs, and moves on with the next event. */
declare class Performance extends EventTarget {
	private constructor();
	now(): number;
	readonly timeOrigin: number;
	toJSON(): { timeOrigin: number };
}
declare var performance: Performance;

interface Console {
	assert(condition?: unknown, ...data: unknown[]): void;
	/** An error's level, as the first generation had it. */
	alert(...data: unknown[]): void;
	clear(): void;
	debug(...data: unknown[]): void;
	error(...data: unknown[]): void;
	info(...data: unknown[]): void;
	log(...data: unknown[]): void;
	table(data?: unknown, columns?: string[]): void;
	trace(...data: unknown[]): void;
	warn(...data: unknown[]): void;
	dir(item?: unknown, options?: unknown): void;
	dirxml(...data: unknown[]): void;
	count(label?: string): void;
	countReset(label?: string): void;
	group(...data: unknown[]): void;
	groupCollapsed(...data: unknown[]): void;
	groupEnd(): void;
	time(label?: string): void;
	timeLog(label?: string, ...data: unknown[]): void;
	timeEnd(label?: string): void;
	readonly [Symbol.toStringTag]: string;
}
declare var console: Console;

// ---- WebAssembly ----

/** Not in the profile "hardened". */
declare namespace WebAssembly {
	type ImportExportKind = "function" | "global" | "memory" | "table" | "tag";
	type TableKind = "anyfunc" | "externref" | (string & {});
	type ValueType = "anyfunc" | "externref" | "f32" | "f64" | "i32" | "i64" | "v128" | (string & {});
	type ImportValue = Function | Global | Memory | Table | Tag | number | bigint;
	type Imports = Record<string, Record<string, ImportValue>>;
	type Exports = Record<string, any>;
	interface WebAssemblyInstantiatedSource {
		instance: Instance;
		module: Module;
	}
	interface GlobalDescriptor<T extends ValueType = ValueType> {
		value: T;
		mutable?: boolean;
	}
	interface MemoryDescriptor {
		initial: number;
		maximum?: number;
		shared?: boolean;
	}
	interface TableDescriptor {
		element: TableKind;
		initial: number;
		maximum?: number;
	}
	interface ModuleExportDescriptor {
		kind: ImportExportKind;
		name: string;
	}
	interface ModuleImportDescriptor extends ModuleExportDescriptor {
		module: string;
	}
	class CompileError extends Error {}
	class LinkError extends Error {}
	class RuntimeError extends Error {}
	class Exception {
		constructor(tag: Tag, payload: unknown[], options?: { traceStack?: boolean });
		is(tag: Tag): boolean;
		getArg(tag: Tag, index: number): any;
		readonly [Symbol.toStringTag]: string;
	}
	class Global {
		constructor(descriptor: GlobalDescriptor, value?: any);
		value: any;
		valueOf(): any;
		type(): GlobalDescriptor;
		readonly [Symbol.toStringTag]: string;
	}
	class Instance {
		constructor(module: Module, imports?: Imports);
		readonly exports: Exports;
		readonly [Symbol.toStringTag]: string;
	}
	class Memory {
		constructor(descriptor: MemoryDescriptor);
		readonly buffer: ArrayBuffer;
		grow(pages: number): number;
		type(): { minimum: number; maximum?: number; shared: boolean };
		readonly [Symbol.toStringTag]: string;
	}
	class Module {
		constructor(bytes: BufferSource);
		static customSections(module: Module, name: string): ArrayBuffer[];
		static exports(module: Module): ModuleExportDescriptor[];
		static imports(module: Module): ModuleImportDescriptor[];
		readonly [Symbol.toStringTag]: string;
	}
	class Table {
		constructor(descriptor: TableDescriptor, value?: any);
		readonly length: number;
		get(index: number): any;
		grow(by: number, value?: any): number;
		set(index: number, value?: any): void;
		type(): { element: TableKind; minimum: number; maximum?: number };
		readonly [Symbol.toStringTag]: string;
	}
	class Tag {
		constructor(descriptor: { parameters: ValueType[] });
		type(): { parameters: ValueType[] };
		readonly [Symbol.toStringTag]: string;
	}
	const JSTag: Tag;
	function compile(bytes: BufferSource): Promise<Module>;
	function instantiate(bytes: BufferSource, imports?: Imports): Promise<WebAssemblyInstantiatedSource>;
	function instantiate(module: Module, imports?: Imports): Promise<Instance>;
	function validate(bytes: BufferSource): boolean;
}
