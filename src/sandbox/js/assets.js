// env.ASSETS: the static files of the routine's own version. A question is a subrequest that the
// node answers from the files as it would answer a client (assets/assets.h); its response stays
// there until somebody reads it. The class is made when somebody touches the member.
import { rejected, strIndexOf, strSlice } from './primordials.js';
import { INTERNAL, brand, finish, illegal, isObject, need } from './webidl.js';
import { ASSETS, ask } from './data.js';
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
function answer(input, init) {
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
		#files = true;
		constructor(token = undefined) {
			if (token !== INTERNAL) throw illegal('Fetcher');
		}
		fetch(input, init = undefined) {
			try {
				if (!isObject(this) || !(#files in this)) throw brand('Fetcher', 'fetch');
				need(arguments.length, 1, WHAT);
				return answer(input, init);
			} catch (e) {
				return rejected(e);
			}
		}
	}
	finish(Fetcher, 'Fetcher', 0);
	return Fetcher;
}
export const staticFiles = () => new (made ??= make())(INTERNAL);
