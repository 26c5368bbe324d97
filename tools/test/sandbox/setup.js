// Before anything else of a test file's script: what the routine's own top-level code must find.
import { fetchMocked, guardSockets } from "./mock.js";
import "./routine.js";

globalThis.fetch = function fetch(input, init) {
	return fetchMocked(input, init);
};
if (typeof globalThis.WebSocket === "function") globalThis.WebSocket = guardSockets(globalThis.WebSocket);
