// Modules that the bundler knows.

/** The routine's variables, secrets, key-value namespaces and files. `er types` says in
 * er-env.d.ts which there are. */
interface Env {}

declare module "alibaba:workers" {
	export const env: Env;
}
declare module "cloudflare:workers" {
	export const env: Env;
}

declare module "*.txt" {
	const text: string;
	export default text;
}
declare module "*.html" {
	const text: string;
	export default text;
}
declare module "*.htm" {
	const text: string;
	export default text;
}
declare module "*.md" {
	const text: string;
	export default text;
}
declare module "*.css" {
	const text: string;
	export default text;
}
declare module "*.svg" {
	const text: string;
	export default text;
}
declare module "*.xml" {
	const text: string;
	export default text;
}
declare module "*.csv" {
	const text: string;
	export default text;
}
declare module "*.sql" {
	const text: string;
	export default text;
}
declare module "*.graphql" {
	const text: string;
	export default text;
}
declare module "*.gql" {
	const text: string;
	export default text;
}
declare module "*.bin" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.png" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.jpg" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.jpeg" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.gif" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.webp" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.ico" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.woff" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.woff2" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
declare module "*.pdf" {
	const bytes: Uint8Array<ArrayBuffer>;
	export default bytes;
}
// Node's own modules, as far as they are there (docs/routines.md): their types are those of the
// package @types/node, which needs "skipLibCheck": true beside this one. Without it they are any.
declare module "node:*";

declare module "*.wasm" {
	const module: WebAssembly.Module;
	export default module;
}
