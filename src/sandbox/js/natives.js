/* global er */
import { exception as tell, log as say, utf8Encode as encode } from './contract-natives.js';
import { toWellFormed } from './primordials.js';
// The engine's natives as plain variables: looking one up on `er` at every call would cost more
// than the call.
export * from './contract-natives.js';
// Strings that leave the engine are made well-formed here: JavaScriptCore's own conversion to UTF-8
// stops at a lone surrogate.
export const utf8Encode = (s) => encode(toWellFormed(s));
export const log = (level, text) => say(level, toWellFormed(text));
export const exception = (id, name, message, stack, fatal) => tell(id, /* name */ toWellFormed(name), /* message */ toWellFormed(message), /* stack */ toWellFormed(stack), fatal);
export const urlParts = er.urlParts;
/** Filled after the script of the routine arrived, hence not captured. */
export const limits = () => er.limits;
export const env = () => er.env;
export const bindings = () => er.bindings;
