// Types of what the edge adds to the web platform.

declare module "alibaba:workers" {
	/** The "vars" of er.jsonc and, on a node, the routine's secrets. */
	export const env: Record<string, string>;
}

declare module "*.html" {
	const text: string;
	export default text;
}

declare module "*.txt" {
	const text: string;
	export default text;
}

declare module "*.wasm" {
	const module: WebAssembly.Module;
	export default module;
}

interface EdgeInfo {
	readonly remote_addr: string;
	readonly scheme: "http" | "https";
	readonly [name: string]: string | undefined;
}

/** The same by Cloudflare's names. What is not known is missing. */
interface EdgePlace {
	readonly country?: string;
	readonly region?: string;
	readonly regionCode?: string;
	readonly city?: string;
	readonly asn?: number;
	readonly [name: string]: string | number | undefined;
}

interface Request {
	/** What the node knows about the client. */
	readonly info: EdgeInfo;
	/** Undefined of a request that the code has made. */
	readonly cf?: EdgePlace;
}

interface EdgeContext {
	/** Keeps the request's work going after the response was returned. */
	waitUntil(work: Promise<unknown>): void;
	/** On an exception before the answer: the standard CDN process answers. */
	passThroughOnException(): void;
}

type HTMLContentOptions = { html?: boolean };
interface HTMLEdits {
	readonly removed: boolean;
	before(content: string, options?: HTMLContentOptions): this;
	after(content: string, options?: HTMLContentOptions): this;
	replace(content: string, options?: HTMLContentOptions): this;
	remove(): this;
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
}
interface HTMLRewriterEnd {
	append(content: string, options?: HTMLContentOptions): this;
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
	on(selector: string, handlers: HTMLElementHandlers): this;
	onDocument(handlers: HTMLDocumentHandlers): this;
	transform(response: Response): Response;
}
/** The same for any stream of bytes, as the first generation spells it. */
declare class HTMLStream extends ReadableStream<Uint8Array> {
	constructor(readable: ReadableStream<Uint8Array>, handlers: Iterable<[selector: string, handlers: HTMLElementHandlers] | [selector: null, handlers: HTMLDocumentHandlers]>);
}
