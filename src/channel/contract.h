/* What C and JavaScript agree on, each thing once: the natives and hooks, the numbers that go
 * between them, and those that both sides of a ring know. C makes its enums and tables of it, and
 * src/sandbox/js/contract.mjs the prelude's modules: one X(...) a line, numbers as sums, products,
 * shifts. test/prelude/contract.test.mjs holds the tests' mock and NATIVES.md to it. */
#ifndef ER_CHANNEL_CONTRACT_H
#define ER_CHANNEL_CONTRACT_H

#include "channel/contract_crypto.h"
#include "channel/contract_html.h"
/* ---- numbers: ER_name in C, name in JavaScript ---- */
#define ER_SIZE_TABLE(X) \
	X(FRAME_HEAD, 16) \
	X(FRAME_MAX, 128 * 1024)   /* payload: a head at its bounds, its URLs and an inline body */ \
	X(FRAME_DATA, 16 * 1024)   /* the most bytes in one BODY_DATA */ \
	X(CREDIT_START, 64 * 1024) /* of a body that a sandbox sends */ \
	/* what the prelude asks for of a node's body, and has not given to a reader yet */ \
	X(PULL_WINDOW, 64 * 1024) \
	X(INLINE_BODY, 8 * 1024) /* a complete body up to this size rides in the head's frame */ \
	/* bytes of the fields of one head that a routine sends: names, values and two for each */ \
	X(BLOCK_MAX, 64 * 1024) \
	X(BLOCK_FIELDS, 256)      /* how many fields */ \
	X(REASON_MAX, 1024)       /* bytes of a reason phrase */ \
	X(WISHES_MAX, 16 * 1024)  /* bytes of what a fetch says of the cache */ \
	X(CONSOLE_MAX, 16 * 1024) /* bytes of one line of the console */

/* What er.respond and er.fetch are told of a body. LAST: the request is over with this answer. */
#define ER_BODY_FLAG_TABLE(X) \
	X(BODY_NONE, 0) \
	X(BODY_WHOLE, 1) \
	X(BODY_STREAM, 2) \
	X(BODY_RELAY, 4) \
	/* with RELAY: the head is the one that came with that body, so the node may know it */ \
	X(BODY_KEPT, 32) \
	X(BODY_LAST, 64)

/* In place of a length. A native that takes no length but this one takes anything below 0 for
 * it. */
#define ER_BODY_STATE_TABLE(X) \
	X(LENGTH_UNKNOWN, -1) \
	X(LENGTH_NO_BODY, -2)

/* aux of FETCH */
#define ER_FETCH_TABLE(X) \
	X(FETCH_REDIRECT_MASK, 3) \
	X(FETCH_REDIRECT_FOLLOW, 0) \
	X(FETCH_REDIRECT_MANUAL, 1) \
	X(FETCH_REDIRECT_ERROR, 2) \
	X(FETCH_CDN_PROXY, 4) /* cdnProxy: true */ \
	/* fetch(event.request): the standard process of the request's own host */ \
	X(FETCH_SELF, 8) \
	X(FETCH_DECOMPRESS_SHIFT, 4) /* two bits: 0 decompress, and these */ \
	X(FETCH_DECOMPRESS_FALLBACK, 1 << 4) \
	X(FETCH_DECOMPRESS_MANUAL, 2 << 4) \
	/* the code gave a complete body, which a redirect may send again: C's own, the prelude does \
	   not say it */ \
	X(FETCH_WHOLE, 64) \
	X(FETCH_REQUEST, 128) /* the request itself, as it came: C's own, er.fetchRequest says it */ \
	X(FETCH_ANSWER, 256)  /* what it brings is its request's answer: C's own, er.answer says it */ \
	/* the sandbox reads the answer's body: its first PULL_WINDOW bytes come unasked */ \
	X(FETCH_PULL, 512) \
	/* the frame says what is wished of the cache: C's own, from the argument `wishes` */ \
	X(FETCH_WISHES, 1024) \
	X(FETCH_SAME_ORIGIN, 2048) /* mode: 'same-origin': no redirect leads to another origin */ \
	/* data on the node (http/data.h), and which: the URL is text of that kind, no URL to parse */ \
	X(FETCH_DATA_SHIFT, 12) \
	X(FETCH_DATA_KV, 1 << 12) \
	X(FETCH_DATA_CACHE, 2 << 12) \
	X(FETCH_DATA_ASSETS, 3 << 12) \
	X(FETCH_SERVICE, 7 << 12) /* another routine; the string of FETCH_WISHES is its binding */ \
	X(FETCH_DATA_MASK, 7 << 12) \
	/* Upgrade: websocket; what answers with 101 has a body for each direction */ \
	X(FETCH_UPGRADE, 1 << 15)

/* What er.fetchRequest returns. */
#define ER_FETCHED_TABLE(X) \
	X(FETCHED_WAITS, 1) /* as of er.fetch */ \
	X(FETCHED_BODY, 2)  /* the request's body went along */

#define ER_COMPAT_TABLE(X) \
	X(COMPAT_ENV_LAST, 1)        /* fetch(request, ctx, env) instead of (request, env, ctx) */ \
	X(COMPAT_REDIRECT_MANUAL, 2) /* fetch's default redirect mode is manual */ \
	/* fetch as the first generation had it: its redirects, and no coding but gzip; headers of what \
	   it brings that can be changed; bodies of GET and HEAD; a TransformStream that holds what \
	   nobody reads yet */ \
	X(COMPAT_CLASSIC, 4) \
	/* Buffer and process are there: the bundler's business (tools/node-modules.mjs) */ \
	X(COMPAT_NODEJS, 8)

#define ER_CONSOLE_TABLE(X) \
	X(CONSOLE_DEBUG, 0) \
	X(CONSOLE_LOG, 1) \
	X(CONSOLE_INFO, 2) \
	X(CONSOLE_WARN, 3) \
	X(CONSOLE_ERROR, 4)

/* In place of a timer's milliseconds: in the next turn, not counted against the limit. */
#define ER_TIMER_TABLE(X) X(TIMER_NEXT_TURN, -1)

#define ER_NUMBER_TABLES(X) \
	ER_SIZE_TABLE(X) \
	ER_BODY_FLAG_TABLE(X) \
	ER_BODY_STATE_TABLE(X) \
	ER_FETCH_TABLE(X) \
	ER_FETCHED_TABLE(X) \
	ER_COMPAT_TABLE(X) \
	ER_CONSOLE_TABLE(X) \
	ER_TIMER_TABLE(X) \
	ER_HASH_TABLE(X) \
	ER_KEY_TABLE(X) \
	ER_KEY_FORM_TABLE(X) \
	ER_CIPHER_TABLE(X) \
	ER_SIGNATURE_TABLE(X) \
	ER_HTML_SEE_TABLE(X) \
	ER_HTML_DO_TABLE(X) \
	ER_HTML_GET_TABLE(X)
enum {
#define X(name, value) ER_##name = (value),
	ER_NUMBER_TABLES(X)
#undef X
};

/* ---- er: what the prelude calls, with exactly these arguments (src/sandbox/NATIVES.md) ---- */
#define ER_NATIVE_TABLE(X) \
	/* api/request.c */ \
	X(owner, ()) \
	X(reqMethod, (id)) \
	X(reqUrl, (id)) \
	X(reqBlock, (id)) \
	X(reqInfo, (id)) \
	X(reqBody, (id)) \
	X(reqInline, (id)) \
	X(reqInlineText, (id)) \
	X(reqInlineJSON, (id)) \
	X(respond, (id, status, reason, block, body, flags, number)) \
	X(answer, (id, fid, promise)) \
	X(isBare, (promise)) \
	X(isHandled, (promise)) \
	X(watchTurns, (on)) \
	X(pass, (id)) \
	X(done, (id)) \
	/* api/body.c */ \
	X(pull, (key, n)) \
	X(drain, (key)) \
	X(bodyCancel, (key)) \
	X(hold, (key)) \
	X(clone, (fid, owner, key)) \
	X(subInline, (fid)) \
	X(subInlineText, (fid)) \
	X(write, (key, bytes)) \
	X(end, (key)) \
	X(abort, (key, text)) \
	/* api/fetch.c */ \
	X(fetch, (fid, owner, method, url, block, options, wishes, flags, body)) \
	X(fetchRequest, (fid, owner, options, wishes)) \
	X(fetchCancel, (fid)) \
	/* api/socket.c */ \
	X(socketAccept, (offer)) \
	X(socketAgreed, (answer)) \
	X(socketOpen, (key, owner, client, extensions)) \
	X(socketSend, (key, data)) \
	X(socketWaiting, (key)) \
	X(socketClose, (key, code, reason)) \
	X(socketEnd, (key)) \
	/* api/text.c */ \
	X(utf8Encode, (string)) \
	X(utf8Length, (string)) \
	X(utf8EncodeInto, (string, u8)) \
	X(utf8Decode, (bytes, fatal, ignoreBOM)) \
	X(latin1, (bytes)) \
	X(btoa, (string)) \
	X(atob, (string)) \
	/* api/decode.c */ \
	X(decoderNew, (label, fatal, ignoreBOM)) \
	X(decoderName, (label)) \
	X(decode, (handle, bytes, flush)) \
	X(decoderFree, (handle)) \
	/* api/coder.c */ \
	X(coderNew, (format, decode)) \
	X(code, (handle, bytes, finish)) \
	X(coderFree, (handle)) \
	/* api/html.c */ \
	X(htmlNew, (sniffs)) \
	X(htmlOn, (handle, selector, sees)) \
	X(htmlRun, (handle, bytes, last)) \
	X(htmlTake, (handle)) \
	X(htmlGet, (handle, what, which)) \
	X(htmlEdit, (handle, what, content, html)) \
	X(htmlAttr, (handle, name, value)) \
	X(htmlEndTag, (handle)) \
	X(htmlFree, (handle)) \
	/* api/url.c */ \
	X(urlParse, (input, base)) \
	X(urlSet, (href, part, value)) \
	X(urlOrigin, (href)) \
	X(domainToASCII, (string)) \
	/* api/fields.c */ \
	X(fieldsGet, (block, name)) \
	X(fieldsSet, (block, name, value)) \
	X(fieldsDelete, (block, name)) \
	/* api/misc.c */ \
	X(now, ()) \
	X(perf, ()) \
	X(timerSet, (ms, repeat, id)) \
	X(timerClear, (tid)) \
	X(mayGoOn, ()) \
	X(randomFill, (u8)) \
	X(randomUUID, ()) \
	X(lazy, (name)) \
	X(isPlain, (value)) \
	/* api/report.c */ \
	X(log, (level, text)) \
	X(exception, (id, name, message, stack, fatal)) \
	X(fail, (id, error)) \
	/* api/wasm.c */ \
	X(wasmShared, (source)) \
	X(compileBegin, ()) \
	X(compileEnd, ()) \
	ER_CRYPTO_NATIVE_TABLE(X)

/* Members of `er` that are values: urlParts from the start, the others once LOAD has come. */
#define ER_GIVEN_TABLE(X) \
	X(urlParts) \
	X(limits) \
	X(env) \
	X(bindings)

/* Members of er.limits: of er_load_limits what the prelude must know. */
#define ER_LIMIT_TABLE(X) \
	X(memory_kb) \
	X(subrequests) \
	X(timers) \
	X(compat)

/* ---- what C holds for JavaScript, and ends by itself: src/sandbox/held.h ---- */
#define ER_HELD_TABLE(X) \
	X(timer)   /* by its number; with its request */ \
	X(sub)     /* a subrequest or a body's copy, by its number; with its request or its reader */ \
	X(upload)  /* a request's, that is being read; likewise */ \
	X(send)    /* a complete body on its way out; with its request or subrequest */ \
	X(socket)  /* a WebSocket, by the key of its bodies; with its request */ \
	X(decoder) /* of text; with its object */ \
	X(coder)   /* of compressed data; with its object */ \
	X(key)     /* of Web Crypto; with its object */ \
	X(html)    /* a rewriter of HTML; with its object */ \
	X(hash)    /* of node:crypto; with its object */ \
	X(cipher)  /* of node:crypto; with its object */

/* ---- hooks: what C calls ---- */
#define ER_HOOK_TABLE(X) \
	X(request, (id)) \
	X(scheduled, (id)) \
	X(loaded, ()) \
	X(bodyData, (key, bytes, fin)) \
	X(bodyFail, (key, kind)) \
	X(credit, (key, n)) \
	X(bodyCancel, (key, kind)) \
	X(subHead, (fid, status, reason, block, urls, hasBody, length, here)) \
	X(subAnswered, (fid)) \
	X(subFail, (fid, kind, text)) \
	X(subBegun, (fid)) \
	X(socketData, (key, data)) \
	X(socketClosed, (key, code, reason, clean)) \
	X(cancel, (id, kind)) \
	X(hung, (id)) \
	X(timer, (tid)) \
	X(warm, ()) \
	X(describe, (error)) \
	X(rejection, (promise, reason)) \
	X(turnOver, ()) \
	X(uncaught, (error, fatal))

#endif
