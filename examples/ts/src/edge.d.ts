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

interface Request {
	/** What the node knows about the client. */
	readonly info: EdgeInfo;
}

interface EdgeContext {
	/** Keeps the request's work going after the response was returned. */
	waitUntil(work: Promise<unknown>): void;
	/** On an exception before the answer: the standard CDN process answers. */
	passThroughOnException(): void;
}
