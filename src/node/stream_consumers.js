// node:stream/consumers.
import { Buffer } from './buffer.js';

export async function text(stream) {
	const decoder = new TextDecoder();
	let out = '';
	for await (const chunk of stream) out += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
	return out + decoder.decode();
}
export async function blob(stream) {
	const parts = [];
	for await (const chunk of stream) parts.push(chunk);
	return new Blob(parts);
}
export async function arrayBuffer(stream) {
	return (await blob(stream)).arrayBuffer();
}
export async function buffer(stream) {
	return Buffer.from(await arrayBuffer(stream));
}
export async function json(stream) {
	return JSON.parse(await text(stream));
}
export default { arrayBuffer, blob, buffer, text, json };
