// What the edge has beside the web's interfaces.

// ---- handlers ----

/** The default export of a routine: `export default { ... } satisfies ExportedHandler<Env>`. */
interface ExportedHandler<E = unknown> {
	/** Answers a request. With "compat": { "envLast": true } the last two arguments change places. */
	fetch?(request: Request, env: E, ctx: ExecutionContext): Response | string | Promise<Response | string>;
	/** Only decides whether a request goes on; asked if there is no fetch. */
	bypass?(request: Request, env: E, ctx: ExecutionContext): ResponseBypass | Promise<ResponseBypass>;
	/** It is a time of "crons" in er.jsonc. Over when the promise and all of waitUntil are. */
	scheduled?(event: ScheduledEvent, env: E, ctx: ExecutionContext): unknown;
}
interface ScheduledEvent extends Event {
	/** The expression, as it is written. */
	readonly cron: string;
	/** Milliseconds since 1970. */
	readonly scheduledTime: number;
	waitUntil(promise: PromiseLike<unknown> | unknown): void;
	/** A run is never tried again. */
	noRetry(): void;
}
declare class ExecutionContext {
	private constructor();
	/** Keeps the request's work going after the response was returned. */
	waitUntil(promise: PromiseLike<unknown> | unknown): void;
	/** On an exception before the answer, the standard CDN process answers. */
	passThroughOnException(): void;
	readonly [Symbol.toStringTag]: string;
}
declare class FetchEvent extends Event {
	private constructor();
	readonly request: Request;
	/** What the node knows of the client. */
	readonly info: EdgeInfo;
	readonly env: Record<string, any>;
	respondWith(response: Response | string | PromiseLike<Response | string>): void;
	waitUntil(promise: PromiseLike<unknown> | unknown): void;
	passThroughOnException(): void;
}
declare class ResponseBypass {
	/** `true`: the request goes on; `false`: it is refused with the status, or 403. */
	constructor(allow: boolean, options?: { status?: number });
	readonly allow: boolean;
	readonly status: number;
	readonly [Symbol.toStringTag]: string;
}

// ---- what is known of the client ----

/** What is not known is not there. */
interface EdgeInfo {
	readonly remote_addr: string;
	readonly scheme: "http" | "https";
	/** A guess from User-Agent. */
	readonly detector_device?: "mobile" | "tablet" | "desktop" | "tv" | "bot";
	/** Names in the operator's language, if the database has them. */
	readonly ip_country?: string;
	readonly ip_country_id?: string;
	readonly ip_country_en?: string;
	readonly ip_region?: string;
	readonly ip_region_id?: string;
	readonly ip_region_en?: string;
	readonly ip_city?: string;
	readonly ip_city_id?: string;
	readonly ip_city_en?: string;
	readonly ip_isp?: string;
	readonly ip_isp_id?: string;
	readonly ip_isp_en?: string;
}
/** What is not known is not there. */
interface EdgePlace {
	readonly colo?: string;
	readonly country?: string;
	readonly isEUCountry?: "1";
	readonly city?: string;
	readonly continent?: string;
	readonly latitude?: string;
	readonly longitude?: string;
	readonly postalCode?: string;
	readonly metroCode?: string;
	readonly region?: string;
	readonly regionCode?: string;
	readonly timezone?: string;
	readonly asn?: number;
	readonly asOrganization?: string;
	readonly httpProtocol?: string;
}

// ---- fetch and the cache ----

/** What the code wishes of the cache. */
interface CacheWishes {
	/** Seconds; 0: validated each time, -1: not stored. */
	cacheTtl?: number;
	/** `{ "200-299": 86400, "404": 10 }`; goes over cacheTtl. */
	cacheTtlByStatus?: Record<string, number>;
	cacheEverything?: boolean;
	/** A text that stands for the URL in the store. */
	cacheKey?: string;
	cacheTags?: string[];
	/** A host that is asked in place of the URL's. */
	resolveOverride?: string;
}
interface RequestInit {
	er?: CacheWishes;
	/** The same, as code from elsewhere has it. */
	cf?: CacheWishes;
	/** The request goes through the standard CDN process of a host that this node serves. */
	cdnProxy?: boolean;
	/** What becomes of content codings. */
	decompress?: "decompress" | "manual" | "fallbackIdentity";
}
interface ResponseInfo {
	readonly cache: ResponseCacheInfo;
}
interface ResponseCacheInfo {
	readonly hit: boolean;
	readonly stored: boolean;
	readonly collapsed: boolean;
	readonly age: number;
	/** Negative when the answer is stale; null if it is not stored. */
	readonly ttl: number | null;
	readonly forwarded: string | null;
	readonly why: string | null;
	readonly key: string;
}

interface PurgeScopes {
	urls?: string | string[];
	url?: string | string[];
	prefixes?: string | string[];
	prefix?: string | string[];
	hosts?: string | string[];
	host?: string | string[];
	tags?: string | string[];
	tag?: string | string[];
	everything?: boolean;
	/** What is purged may be used while it is validated. */
	soft?: boolean;
}
interface PrefetchResult {
	status: number;
	hit: boolean;
	stored: boolean;
	why: string | null;
}
interface EdgeCache {
	put(request: RequestInfo, response: Response): Promise<void>;
	get(request: RequestInfo): Promise<Response | undefined>;
	delete(request: RequestInfo): Promise<boolean>;
	/** Purges of the site of the request. */
	purge(what: PurgeScopes): Promise<{ purged: number }>;
	/** Lets the node fetch and store a URL. */
	prefetch(request: RequestInfo, options?: RequestInit): Promise<PrefetchResult>;
	readonly [Symbol.toStringTag]: string;
}
declare var cache: EdgeCache;

// ---- the key-value store ----

type KVValue = string | ArrayBuffer | ArrayBufferView | ReadableStream | BufferStream | Response;
type KVType = "text" | "json" | "arrayBuffer" | "stream";
interface KVPutOptions {
	/** Seconds since 1970. */
	expiration?: number;
	/** Seconds from now; goes over expiration. */
	expirationTtl?: number;
	/** At most 1024 bytes as JSON. */
	metadata?: unknown;
}
interface KVGetOptions<T extends KVType> {
	type?: T;
	/** No effect here. */
	cacheTtl?: number;
}
interface KVListOptions {
	prefix?: string | null;
	limit?: number | null;
	cursor?: string | null;
}
interface KVListKey<M = unknown> {
	name: string;
	expiration?: number;
	metadata?: M;
}
interface KVListResult<M = unknown> {
	keys: KVListKey<M>[];
	list_complete: boolean;
	cursor?: string;
	cacheStatus: null;
}
interface KVWithMetadata<V, M = unknown> {
	value: V | null;
	metadata: M | null;
	cacheStatus: null;
}
/** `None`: what stands for a key without a value. */
interface KVReader<None> {
	get(key: string, options?: "text" | KVGetOptions<"text">): Promise<string | None>;
	get<T = any>(key: string, options: "json" | KVGetOptions<"json">): Promise<T | None>;
	get(key: string, options: "arrayBuffer" | KVGetOptions<"arrayBuffer">): Promise<ArrayBuffer | None>;
	get(key: string, options: "stream" | KVGetOptions<"stream">): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | None>;
	get(keys: string[], options?: "text" | KVGetOptions<"text">): Promise<Map<string, string | null>>;
	get<T = any>(keys: string[], options: "json" | KVGetOptions<"json">): Promise<Map<string, T | null>>;
	getWithMetadata<M = any>(key: string, options?: "text" | KVGetOptions<"text">): Promise<KVWithMetadata<string, M>>;
	getWithMetadata<T = any, M = any>(key: string, options: "json" | KVGetOptions<"json">): Promise<KVWithMetadata<T, M>>;
	getWithMetadata<M = any>(key: string, options: "arrayBuffer" | KVGetOptions<"arrayBuffer">): Promise<KVWithMetadata<ArrayBuffer, M>>;
	getWithMetadata<M = any>(key: string, options: "stream" | KVGetOptions<"stream">): Promise<KVWithMetadata<ReadableStream<Uint8Array<ArrayBuffer>>, M>>;
	getWithMetadata<M = any>(keys: string[], options?: "text" | KVGetOptions<"text">): Promise<Map<string, KVWithMetadata<string, M>>>;
	getWithMetadata<T = any, M = any>(keys: string[], options: "json" | KVGetOptions<"json">): Promise<Map<string, KVWithMetadata<T, M>>>;
	put(key: string, value: KVValue, options?: KVPutOptions): Promise<void>;
	list<M = any>(options?: KVListOptions): Promise<KVListResult<M>>;
	readonly [Symbol.toStringTag]: string;
}
/** A member of env, of a namespace that "kv" in er.jsonc names. */
interface KVNamespace extends KVReader<null> {
	delete(key: string): Promise<void>;
}
/** The same as the first generation has it. */
declare class EdgeKV {
	constructor(options: { namespace: string } | { namespaceId: string });
	/** Whether there was a value. */
	delete(key: string): Promise<boolean>;
}
interface EdgeKV extends KVReader<undefined> {}

/** A member of env: ASSETS, the static files of the routine's own version, or another routine of the
 * node that "services" in er.jsonc names. */
interface Fetcher {
	fetch(input: RequestInfo, init?: RequestInit): Promise<Response>;
	readonly [Symbol.toStringTag]: string;
}

// ---- HTML ----

interface HTMLContentOptions {
	/** The content is markup; otherwise it is text and is escaped. */
	html?: boolean;
}
interface HTMLEdits {
	readonly removed: boolean;
	before(content: string, options?: HTMLContentOptions): this;
	after(content: string, options?: HTMLContentOptions): this;
	replace(content: string, options?: HTMLContentOptions): this;
	remove(): this;
	readonly [Symbol.toStringTag]: string;
}
interface HTMLRewriterElement extends HTMLEdits {
	tagName: string;
	readonly namespaceURI: string;
	readonly attributes: IterableIterator<[name: string, value: string]>;
	getAttribute(name: string): string | null;
	hasAttribute(name: string): boolean;
	setAttribute(name: string, value: string): this;
	removeAttribute(name: string): this;
	prepend(content: string, options?: HTMLContentOptions): this;
	append(content: string, options?: HTMLContentOptions): this;
	setInnerContent(content: string, options?: HTMLContentOptions): this;
	removeAndKeepContent(): this;
	onEndTag(handler: (tag: HTMLRewriterEndTag) => unknown): void;
}
interface HTMLRewriterEndTag {
	name: string;
	before(content: string, options?: HTMLContentOptions): this;
	after(content: string, options?: HTMLContentOptions): this;
	remove(): this;
	readonly [Symbol.toStringTag]: string;
}
interface HTMLRewriterText extends HTMLEdits {
	readonly text: string;
	readonly lastInTextNode: boolean;
}
interface HTMLRewriterComment extends HTMLEdits {
	text: string;
}
interface HTMLRewriterDoctype {
	readonly name: string | null;
	readonly publicId: string | null;
	readonly systemId: string | null;
	readonly [Symbol.toStringTag]: string;
}
interface HTMLRewriterEnd {
	append(content: string, options?: HTMLContentOptions): this;
	readonly [Symbol.toStringTag]: string;
}
interface HTMLElementHandlers {
	element?(element: HTMLRewriterElement): unknown;
	comments?(comment: HTMLRewriterComment): unknown;
	text?(text: HTMLRewriterText): unknown;
}
interface HTMLDocumentHandlers {
	doctype?(doctype: HTMLRewriterDoctype): unknown;
	comments?(comment: HTMLRewriterComment): unknown;
	text?(text: HTMLRewriterText): unknown;
	end?(end: HTMLRewriterEnd): unknown;
	docend?(end: HTMLRewriterEnd): unknown;
}
/** Changes a page while it goes through. */
declare class HTMLRewriter {
	constructor();
	on(selector: string, handlers: HTMLElementHandlers): this;
	onDocument(handlers: HTMLDocumentHandlers): this;
	transform(response: Response): Response;
	readonly [Symbol.toStringTag]: string;
}
/** The same for any stream of bytes, as the first generation spells it. */
declare class HTMLStream extends ReadableStream<Uint8Array<ArrayBuffer>> {
	constructor(readable: ReadableStream | BufferStream, handlers: Iterable<[selector: string, handlers: HTMLElementHandlers] | [selector: null, handlers: HTMLDocumentHandlers]>);
}

// ---- streams of the edge ----

/** Passes on exactly as many bytes as it was made for, and so has a content-length. */
declare class FixedLengthStream extends IdentityTransformStream {
	constructor(length: number | bigint);
}
/** Passes bytes on. */
declare class IdentityTransformStream extends TransformStream<ArrayBuffer | ArrayBufferView, Uint8Array<ArrayBuffer>> {
	constructor();
}
/** Bytes or a text as a readable, as the first generation has it. */
declare class BufferStream {
	constructor(data: string | BufferSource);
	readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
	readonly locked: boolean;
	getReader(): ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
	pipeTo(target: WritableStream<Uint8Array<ArrayBuffer>>, options?: StreamPipeOptions): Promise<void>;
	pipeThrough<T>(pair: ReadableWritablePair<T, Uint8Array<ArrayBuffer>>, options?: StreamPipeOptions): ReadableStream<T>;
	cancel(reason?: any): Promise<void>;
	readonly [Symbol.toStringTag]: string;
}
declare function utf8ToString(bytes: BufferSource): string;
declare function utf16ToString(bytes: BufferSource): string;
