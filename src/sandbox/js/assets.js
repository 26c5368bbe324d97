// Members of env that have a `fetch`: ASSETS, the static files of the routine's own version, and
// services, which are other routines of the node. A question is a subrequest; the files answer as
// they would answer a client (assets/assets.h), and a routine in a sandbox of its own. The response
// stays in the node until somebody reads it. The class is made when somebody touches a member.
import { rejected, strIndexOf, strSlice } from './primordials.js';
import { INTERNAL, brand, finish, illegal, isObject, need } from './webidl.js';
import { ASSETS, ask } from './data.js';
import { fetchOf } from './fetch.js';
import { Request, fetchParts, isRequest } from './request.js';
import { storedResponse } from './response.js';
import { abortError } from './dom-exception.js';

const WHAT = "'fetch' on 'Fetcher'";

/** Path and query: the files are those of the version, whatever the host. */
function targetOf(url) {
	const begin = strIndexOf(url, '/', strIndexOf(url, '://') + 3);
	const end = strIndexOf(url, '#');
	return strSlice(url, begin, end < 0 ? undefined : end);
}
function fileOf(input, init) {
	const request = isRequest(input) && init === undefined ? input : new Request(input, init);
	const { block, signal } = fetchParts(request);
	if (signal !== null && signal.aborted) throw signal.reason ?? abortError();
	const { url } = request;
	return ask('env.ASSETS.fetch', ASSETS, request.method, targetOf(url), block, null, (status, head, body, reason) =>
		storedResponse(status, reason ?? '', head, url, body));
}

let made = null;
function make() {
	class Fetcher {
		#service; // the name of the binding; null: the files
		constructor(token = undefined, service = null) {
			if (token !== INTERNAL) throw illegal('Fetcher');
			this.#service = service;
		}
		fetch(input, init = undefined) {
			try {
				if (!isObject(this) || !(#service in this)) throw brand('Fetcher', 'fetch');
				need(arguments.length, 1, WHAT);
				return this.#service === null ? fileOf(input, init) : fetchOf(this.#service, input, init);
			} catch (e) {
				return rejected(e);
			}
		}
	}
	finish(Fetcher, 'Fetcher', 0);
	return Fetcher;
}
const fetcher = (service) => new (made ??= make())(INTERNAL, service);
export const staticFiles = () => fetcher(null);
export const routineOf = (name) => fetcher(name);
