// Before anything else of a test file's script: what the routine's own top-level code must find.
import { fetchMocked } from "./mock.js";
import "./routine.js";

globalThis.fetch = function fetch(input, init) {
	return fetchMocked(input, init);
};
