// WebSockets that are open, by the key of their bodies, and the lazy script "sockets" that made
// them (web-socket.js).
import { IdMap } from './id-map.js';
import { enterScope } from './scope.js';

export const wires = new IdMap(); // key -> Wire

let make = null;
let made = null;
export function socketsThrough(fn) {
	make = fn;
}
/** What the script has made. */
export const sockets = () => (made ??= make());

/** hooks.socketData */
export function socketData(key, data) {
	const wire = wires.get(key);
	if (wire === undefined) return;
	enterScope(wire.scope);
	wire.data(data);
}
/** hooks.socketClosed */
export function socketClosed(key, code, reason, clean) {
	const wire = wires.get(key);
	if (wire === undefined) return;
	enterScope(wire.scope);
	wire.closed(code, reason, clean);
}
