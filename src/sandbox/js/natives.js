/* global er */
// The engine's natives as plain variables: looking one up on `er` at every call would cost more than the call.
export const {
	owner, reqMethod, reqUrl, reqBlock, reqInfo, reqBody, reqInline, reqInlineText, respond, respondText, pass, done, fail,
	pull, drain, bodyCancel, write, end, abort, fetch, fetchCancel, now, perf, timerSet, timerClear,
	utf8Encode, utf8Length, utf8EncodeInto, utf8Decode, latin1, decoderNew, decoderName, decode, decoderFree, btoa, atob,
	urlParse, urlSet, urlOrigin, domainToASCII, randomFill, randomUUID, log, exception, lazy,
} = er;
export const urlParts = er.urlParts;
/** Filled after the script of the routine arrived, hence not captured. */
export const limits = () => er.limits;
export const env = () => er.env;
