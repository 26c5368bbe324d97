// expect(value).toBe(...): matchers, their opposites (.not), promises (.resolves, .rejects), and
// asymmetric matchers (expect.any(String)).
import { contains, equals, part } from "./equal.js";
import { brief, show } from "./show.js";

/** What a matcher throws. `expected` and `actual` are texts, whose diff the report shows. */
export class AssertionError extends Error {
	constructor(message, { expected, actual } = {}) {
		super(message);
		this.name = "AssertionError";
		if (expected !== undefined && actual !== undefined) {
			this.expected = expected;
			this.actual = actual;
		}
	}
}

let counted = 0;
let wanted; // { assertions } of expect.assertions, or { some: true }
export function beginCounting() {
	counted = 0;
	wanted = undefined;
}
export function checkCounting() {
	if (wanted?.assertions !== undefined && wanted.assertions !== counted) throw new AssertionError(`${wanted.assertions} assertion${wanted.assertions === 1 ? "" : "s"} were announced by expect.assertions, ${counted} were made`);
	if (wanted?.some && counted === 0) throw new AssertionError("expect.hasAssertions was called, and no assertion was made");
}

// ---- asymmetric matchers ----

class Asymmetric {
	#test;
	#text;
	constructor(text, test) {
		this.#text = text;
		this.#test = test;
	}
	asymmetricMatch(value) {
		return this.#test(value);
	}
	toString() {
		return this.#text;
	}
}
const anyOf = (type) => {
	const primitives = new Map([[String, "string"], [Number, "number"], [Boolean, "boolean"], [BigInt, "bigint"], [Symbol, "symbol"], [Function, "function"]]);
	if (typeof type !== "function") throw new TypeError("expect.any: a constructor is expected, as String or URL");
	return (value) => (type === Object ? value !== null && typeof value === "object" : typeof value === primitives.get(type) || (value !== null && typeof value !== "undefined" && value instanceof type));
};
const textHas = (text) => (value) => typeof value === "string" && value.includes(text);
const textFits = (pattern) => (value) => typeof value === "string" && new RegExp(pattern).test(value);
const arrayHas = (items) => (value) => Array.isArray(value) && items.every((item) => value.some((v) => equals(v, item)));
const objectHas = (object) => (value) => value !== null && typeof value === "object" && contains(value, object);
const closeTo = (number, digits) => (value) => typeof value === "number" && isClose(value, number, digits);
const isClose = (a, b, digits = 2) => Object.is(a, b) || Math.abs(a - b) < 10 ** -digits / 2;

const asymmetric = {
	anything: () => new Asymmetric("anything()", (value) => value !== null && value !== undefined),
	any: (type) => new Asymmetric(`any(${type?.name})`, anyOf(type)),
	stringContaining: (text) => new Asymmetric(`stringContaining(${brief(text)})`, textHas(text)),
	stringMatching: (pattern) => new Asymmetric(`stringMatching(${brief(pattern)})`, textFits(pattern)),
	arrayContaining: (items) => new Asymmetric(`arrayContaining(${brief(items)})`, arrayHas(items)),
	objectContaining: (object) => new Asymmetric(`objectContaining(${brief(object)})`, objectHas(object)),
	closeTo: (number, digits) => new Asymmetric(`closeTo(${number})`, closeTo(number, digits)),
};
const opposite = {};
for (const name of ["stringContaining", "stringMatching", "arrayContaining", "objectContaining", "closeTo"])
	opposite[name] = (...args) => {
		const matcher = asymmetric[name](...args);
		return new Asymmetric(`not.${matcher}`, (value) => !matcher.asymmetricMatch(value));
	};

// ---- matchers ----

// Each returns { pass, message: what is expected of the value, in words, and for a diff expected and
// actual }. `message` stands behind "expected VALUE " or "expected VALUE not ".
const said = (pass, message, diff) => ({ pass, message, ...diff });
const diffOf = (expected, actual) => ({ expected: show(expected), actual: show(actual) });
const calls = (value, matcher) => {
	if (typeof value !== "function" || value.mock === undefined) throw new TypeError(`${matcher}: a mock function is expected (mock.fn, mock.spyOn), not ${brief(value)}`);
	return value.mock.calls;
};
const callList = (list) => (list.length === 0 ? "it was not called" : `it was called with ${list.slice(0, 5).map((args) => brief(args)).join(", ")}${list.length > 5 ? ", ..." : ""}`);

function at(value, path) {
	const keys = Array.isArray(path) ? path : String(path).split(/[.[\]]+/).filter(Boolean);
	for (const key of keys) {
		if (value === null || value === undefined || !(key in Object(value))) return { found: false };
		value = value[key];
	}
	return { found: true, value };
}

/** Whether what was thrown is what toThrow was given. */
function thrownFits(error, wanted) {
	const message = error !== null && typeof error === "object" && "message" in error ? String(error.message) : String(error);
	if (wanted === undefined) return true;
	if (typeof wanted === "string") return message.includes(wanted);
	if (wanted instanceof RegExp) return wanted.test(message);
	if (typeof wanted === "function") return error instanceof wanted;
	if (typeof wanted?.asymmetricMatch === "function") return wanted.asymmetricMatch(error);
	return message === String(wanted?.message);
}
const thrownText = (wanted) => (wanted === undefined ? "" : typeof wanted === "function" ? ` ${wanted.name}` : ` ${brief(wanted)}`);

const number = (value, other, name) => {
	for (const v of [value, other]) if (typeof v !== "number" && typeof v !== "bigint") throw new TypeError(`${name}: numbers are compared, not ${brief(v)}`);
};

export const matchers = {
	toBe(value, other) {
		const like = !Object.is(value, other) && equals(value, other) && typeof value === "object" ? " (they are equal, but not the same object: toEqual)" : "";
		return said(Object.is(value, other), `to be ${brief(other)}${like}`, diffOf(other, value));
	},
	toEqual: (value, other) => said(equals(value, other), `to equal ${brief(other)}`, diffOf(other, value)),
	toStrictEqual(value, other) {
		const like = equals(value, other) ? " (toEqual would pass: undefined members or types differ)" : "";
		return said(equals(value, other, true), `to equal strictly ${brief(other)}${like}`, diffOf(other, value));
	},
	toMatchObject: (value, other) => said(value !== null && typeof value === "object" && contains(value, other), `to match the object ${brief(other)}`, diffOf(other, part(value, other))),
	toBeTruthy: (value) => said(Boolean(value), "to be truthy"),
	toBeFalsy: (value) => said(!value, "to be falsy"),
	toBeNull: (value) => said(value === null, "to be null"),
	toBeUndefined: (value) => said(value === undefined, "to be undefined"),
	toBeDefined: (value) => said(value !== undefined, "to be defined"),
	toBeNaN: (value) => said(Number.isNaN(value), "to be NaN"),
	toBeInstanceOf: (value, type) => said(value instanceof type, `to be an instance of ${type.name}`),
	toBeTypeOf: (value, type) => said(typeof value === type, `to be of type ${type}`),
	toBeOneOf: (value, list) => said([...list].some((v) => equals(value, v)), `to be one of ${brief(list)}`),
	toBeGreaterThan: (value, other) => (number(value, other, "toBeGreaterThan"), said(value > other, `to be greater than ${other}`)),
	toBeGreaterThanOrEqual: (value, other) => (number(value, other, "toBeGreaterThanOrEqual"), said(value >= other, `to be ${other} or greater`)),
	toBeLessThan: (value, other) => (number(value, other, "toBeLessThan"), said(value < other, `to be less than ${other}`)),
	toBeLessThanOrEqual: (value, other) => (number(value, other, "toBeLessThanOrEqual"), said(value <= other, `to be ${other} or less`)),
	toBeCloseTo: (value, other, digits) => (number(value, other, "toBeCloseTo"), said(isClose(value, other, digits), `to be close to ${other} (${digits ?? 2} digits)`)),
	toContain(value, item) {
		if (typeof value === "string") return said(value.includes(item), `to contain ${brief(item)}`);
		if (typeof value?.[Symbol.iterator] !== "function") throw new TypeError(`toContain: a string or a list is expected, not ${brief(value)}`);
		return said([...value].includes(item), `to contain ${brief(item)}`);
	},
	toContainEqual: (value, item) => said([...value].some((v) => equals(v, item)), `to contain what equals ${brief(item)}`),
	toHaveLength(value, length) {
		return said(value?.length === length, `to have the length ${length}, and it has ${brief(value?.length)}`);
	},
	toHaveProperty(value, path, ...other) {
		const { found, value: is } = at(value, path);
		const name = Array.isArray(path) ? path.join(".") : path;
		if (other.length === 0) return said(found, `to have the property ${name}`);
		return said(found && equals(is, other[0]), `to have the property ${name} with ${brief(other[0])}`, found ? diffOf(other[0], is) : {});
	},
	toMatch(value, pattern) {
		if (typeof value !== "string") throw new TypeError(`toMatch: a string is expected, not ${brief(value)}`);
		return said(typeof pattern === "string" ? value.includes(pattern) : pattern.test(value), `to match ${brief(pattern)}`);
	},
	toSatisfy: (value, test) => said(Boolean(test(value)), `to satisfy ${test.name || "the function"}`),
	toThrow(value, other, { promised } = {}) {
		let thrown;
		if (promised !== undefined) thrown = { error: promised.error };
		else if (typeof value !== "function") throw new TypeError(`toThrow: a function is expected, not ${brief(value)}; of a promise: await expect(promise).rejects.toThrow(...)`);
		else
			try {
				value();
			} catch (error) {
				thrown = { error };
			}
		const about = thrown === undefined ? "it threw nothing" : `it threw ${brief(thrown.error)}`;
		return said(thrown !== undefined && thrownFits(thrown.error, other), `to throw${thrownText(other)}, and ${about}`);
	},
	toHaveBeenCalled: (value) => said(calls(value, "toHaveBeenCalled").length > 0, "to have been called"),
	toHaveBeenCalledTimes: (value, times) => said(calls(value, "toHaveBeenCalledTimes").length === times, `to have been called ${times} times, and it was called ${value.mock.calls.length} times`),
	toHaveBeenCalledWith: (value, ...args) => said(calls(value, "toHaveBeenCalledWith").some((call) => equals(call, args)), `to have been called with ${brief(args)}; ${callList(value.mock.calls)}`),
	toHaveBeenLastCalledWith: (value, ...args) => said(equals(calls(value, "toHaveBeenLastCalledWith").at(-1), args), `to have been called with ${brief(args)} last; ${callList(value.mock.calls)}`, value.mock.calls.length > 0 ? diffOf(args, value.mock.calls.at(-1)) : {}),
	toHaveBeenNthCalledWith: (value, n, ...args) => said(equals(calls(value, "toHaveBeenNthCalledWith")[n - 1], args), `to have been called with ${brief(args)} as call ${n}; ${callList(value.mock.calls)}`),
	toHaveReturned: (value) => said(calls(value, "toHaveReturned") && value.mock.results.some((r) => r.type === "return"), "to have returned"),
	toHaveReturnedWith: (value, other) => said(calls(value, "toHaveReturnedWith") && value.mock.results.some((r) => r.type === "return" && equals(r.value, other)), `to have returned ${brief(other)}`),
};
matchers.toThrowError = matchers.toThrow;

function judge(name, value, args, not, options, from) {
	counted++;
	const matcher = matchers[name];
	const result = options === undefined ? matcher(value, ...args) : matcher(value, ...args, ...(args.length === 0 ? [undefined] : []), options);
	if (result.pass !== not) return;
	const subject = name === "toThrow" || name === "toThrowError" ? (options === undefined ? "the function" : "the promise") : brief(value);
	const error = new AssertionError(`expected ${subject} ${not ? "not " : ""}${result.message}`, not ? {} : result);
	if (from !== undefined) error.stack = from;
	throw error;
}

function methods(value, not) {
	const out = {};
	for (const name of Object.keys(matchers)) out[name] = (...args) => judge(name, value, args, not);
	return out;
}

// What happens after an await has no frame of the caller: the stack is taken when it is called.
function promised(promise, not, rejects) {
	const out = {};
	for (const name of Object.keys(matchers))
		out[name] = async (...args) => {
			const from = new Error().stack;
			const wrong = (text) => Object.assign(new AssertionError(text), { stack: from });
			if (typeof promise === "function" && rejects) promise = promise();
			if (typeof promise?.then !== "function") throw wrong(`expected a promise, not ${brief(promise)}`);
			let value;
			try {
				value = await promise;
			} catch (error) {
				if (!rejects) throw wrong(`expected the promise to be fulfilled, and it was rejected with ${brief(error)}`);
				return judge(name, error, args, not, name.startsWith("toThrow") ? { promised: { error } } : undefined, from);
			}
			if (rejects) throw wrong(`expected the promise to be rejected, and it was fulfilled with ${brief(value)}`);
			return judge(name, value, args, not, undefined, from);
		};
	return out;
}

export function expect(value) {
	return {
		...methods(value, false),
		get not() {
			return methods(value, true);
		},
		get resolves() {
			return { ...promised(value, false, false), not: promised(value, true, false) };
		},
		get rejects() {
			return { ...promised(value, false, true), not: promised(value, true, true) };
		},
	};
}
Object.assign(expect, asymmetric, {
	not: opposite,
	assertions(n) {
		wanted = { assertions: n };
	},
	hasAssertions() {
		wanted = { some: true };
	},
	fail(message = "expect.fail was called") {
		throw new AssertionError(message);
	},
	extend(more) {
		for (const [name, matcher] of Object.entries(more))
			matchers[name] = (value, ...args) => {
				const result = matcher.call({ equals }, value, ...args);
				const text = typeof result.message === "function" ? result.message() : result.message;
				return said(Boolean(result.pass), `to pass ${name}${text === undefined ? "" : `: ${text}`}`);
			};
	},
});
