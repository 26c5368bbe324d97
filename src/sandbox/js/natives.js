/* global er */
import { toWellFormed } from './primordials.js';
// The engine's natives as plain variables: looking one up on `er` at every call would cost more than the call.
export const {
	owner, reqMethod, reqUrl, reqBlock, reqInfo, reqBody, reqInline, reqInlineText, reqInlineJSON, respond, pass, done, fail,
	pull, drain, bodyCancel, write, end, abort, fetch, fetchCancel, now, perf, timerSet, timerClear,
	utf8Length, utf8EncodeInto, utf8Decode, latin1, decoderNew, decoderName, decode, decoderFree, btoa, atob,
	urlParse, urlSet, urlOrigin, fieldsGet, fieldsSet, fieldsDelete, domainToASCII, randomFill, randomUUID, lazy, wasmShared, isPlain,
} = er;
// Strings that leave the engine are made well-formed here: JavaScriptCore's own conversion to UTF-8 stops at a lone surrogate.
const { utf8Encode: encode, log: say, exception: tell } = er;
export const utf8Encode = (s) => encode(toWellFormed(s));
export const log = (level, text) => say(level, toWellFormed(text));
export const exception = (id, name, message, stack, fatal) => tell(id, toWellFormed(name), toWellFormed(message), toWellFormed(stack), fatal);
export const urlParts = er.urlParts;
/** Filled after the script of the routine arrived, hence not captured. */
export const limits = () => er.limits;
export const env = () => er.env;
