// er:test, for files that `er test` runs.

declare module "er:test" {
	// ---- tests ----

	type TestFunction = (context: { name: string }) => unknown;
	interface TestOptions {
		/** Milliseconds. */
		timeout?: number;
	}
	interface Named {
		(name: string, fn?: TestFunction, options?: number | TestOptions): void;
		(name: string, options: TestOptions, fn: TestFunction): void;
	}
	interface Each {
		<T extends readonly unknown[]>(rows: Iterable<readonly [...T]>): (name: string, fn: (...row: T) => unknown, options?: number | TestOptions) => void;
		<T>(rows: Iterable<T>): (name: string, fn: (row: T) => unknown, options?: number | TestOptions) => void;
	}
	interface Mode extends Named {
		each: Each;
	}
	interface DescribeApi extends Mode {
		skip: Mode;
		only: Mode;
		todo: Mode;
		skipIf(condition: unknown): Mode;
		runIf(condition: unknown): Mode;
	}
	interface TestApi extends DescribeApi {
		/** Passes if the function throws. */
		fails: Named;
	}
	export const test: TestApi;
	export const it: TestApi;
	export const describe: DescribeApi;
	type Hook = (fn: () => unknown, timeout?: number) => void;
	export const beforeAll: Hook;
	export const beforeEach: Hook;
	export const afterEach: Hook;
	export const afterAll: Hook;

	// ---- expectations ----

	export class AssertionError extends Error {
		constructor(message: string, diff?: { expected?: string; actual?: string });
		readonly expected?: string;
		readonly actual?: string;
	}
	interface Asymmetric {
		asymmetricMatch(value: unknown): boolean;
	}
	/** R: void, or a promise behind .resolves and .rejects. */
	interface Matchers<R = void> {
		toBe(value: unknown): R;
		toEqual(value: unknown): R;
		toStrictEqual(value: unknown): R;
		toMatchObject(value: object): R;
		toBeTruthy(): R;
		toBeFalsy(): R;
		toBeNull(): R;
		toBeUndefined(): R;
		toBeDefined(): R;
		toBeNaN(): R;
		toBeInstanceOf(type: abstract new (...args: any[]) => unknown): R;
		toBeTypeOf(type: "string" | "number" | "bigint" | "boolean" | "symbol" | "undefined" | "object" | "function"): R;
		toBeOneOf(values: Iterable<unknown>): R;
		toBeGreaterThan(value: number | bigint): R;
		toBeGreaterThanOrEqual(value: number | bigint): R;
		toBeLessThan(value: number | bigint): R;
		toBeLessThanOrEqual(value: number | bigint): R;
		toBeCloseTo(value: number, digits?: number): R;
		toContain(item: unknown): R;
		toContainEqual(item: unknown): R;
		toHaveLength(length: number): R;
		toHaveProperty(path: string | (string | number)[], value?: unknown): R;
		toMatch(pattern: string | RegExp): R;
		toSatisfy(test: (value: any) => unknown): R;
		toThrow(error?: string | RegExp | Error | Asymmetric | (abstract new (...args: any[]) => unknown)): R;
		toThrowError(error?: string | RegExp | Error | Asymmetric | (abstract new (...args: any[]) => unknown)): R;
		toHaveBeenCalled(): R;
		toHaveBeenCalledTimes(times: number): R;
		toHaveBeenCalledWith(...args: unknown[]): R;
		toHaveBeenLastCalledWith(...args: unknown[]): R;
		toHaveBeenNthCalledWith(n: number, ...args: unknown[]): R;
		toHaveReturned(): R;
		toHaveReturnedWith(value: unknown): R;
	}
	interface Negatable<R> extends Matchers<R> {
		not: Matchers<R>;
	}
	interface Expectation extends Negatable<void> {
		resolves: Negatable<Promise<void>>;
		rejects: Negatable<Promise<void>>;
	}
	interface Expect {
		(value: unknown): Expectation;
		anything(): any;
		any(type: abstract new (...args: any[]) => unknown): any;
		any(type: (...args: any[]) => unknown): any;
		stringContaining(text: string): any;
		stringMatching(pattern: string | RegExp): any;
		arrayContaining(items: unknown[]): any;
		objectContaining(object: object): any;
		closeTo(value: number, digits?: number): any;
		not: {
			stringContaining(text: string): any;
			stringMatching(pattern: string | RegExp): any;
			arrayContaining(items: unknown[]): any;
			objectContaining(object: object): any;
			closeTo(value: number, digits?: number): any;
		};
		assertions(n: number): void;
		hasAssertions(): void;
		fail(message?: string): never;
		/** Matchers of one's own; for their types, add to the interface Matchers of this module. */
		extend(matchers: Record<string, (this: { equals(a: unknown, b: unknown, strict?: boolean): boolean }, value: any, ...args: any[]) => { pass: boolean; message?: string | (() => string) }>): void;
	}
	export const expect: Expect;

	// ---- the routine ----

	interface Routine {
		/** What the routine answers; an exception of the routine rejects the promise. */
		fetch(input: RequestInfo, init?: RequestInit): Promise<Response>;
		/** Runs the routine's scheduled handler to its end. */
		scheduled(options?: { cron?: string; scheduledTime?: number | Date | string }): Promise<void>;
		/** Waits for what was given to waitUntil; a promise that was rejected rejects it. */
		settled(): Promise<void>;
		/** The same routine with other variables, or for a client of another place. */
		with(options: { env?: Record<string, unknown>; info?: Partial<EdgeInfo>; cf?: Partial<EdgePlace> }): Routine;
	}
	export const SELF: Routine;
	export const env: Env;

	// ---- stand-ins ----

	interface MockResult<T> {
		type: "return" | "throw" | "incomplete";
		value: T;
	}
	interface MockState<A extends unknown[], R> {
		calls: A[];
		results: MockResult<R>[];
		contexts: unknown[];
		instances: unknown[];
		invocationCallOrder: number[];
		readonly lastCall: A | undefined;
	}
	interface Mock<A extends unknown[] = any[], R = any> {
		(...args: A): R;
		new (...args: A): R;
		mock: MockState<A, R>;
		mockImplementation(fn: (...args: A) => R): this;
		mockImplementationOnce(fn: (...args: A) => R): this;
		mockReturnValue(value: R): this;
		mockReturnValueOnce(value: R): this;
		mockResolvedValue(value: Awaited<R>): this;
		mockResolvedValueOnce(value: Awaited<R>): this;
		mockRejectedValue(error: unknown): this;
		mockRejectedValueOnce(error: unknown): this;
		mockName(name: string): this;
		getMockName(): string;
		mockClear(): this;
		mockReset(): this;
		mockRestore(): this;
	}
	type FetchPattern = string | URL | RegExp | URLPattern | ((request: Request) => unknown) | { method?: string; url: string | URL | RegExp | URLPattern };
	interface FetchCall {
		url: string;
		method: string;
		headers: Headers;
		body?: string;
	}
	interface FetchMock {
		readonly calls: FetchCall[];
		readonly called: boolean;
		readonly pattern: string;
		/** It answers so many times; then another one does, or none. */
		times(n: number): this;
		once(): this;
		remove(): void;
	}
	interface Timers {
		/** Stops the clock until the test ends. */
		enable(options?: { now?: number | string | Date }): void;
		/** Time passes; what was due meanwhile has run. */
		tick(ms: number): Promise<void>;
		runAll(most?: number): Promise<void>;
		setTime(now: number | string | Date): void;
		readonly pending: number;
		reset(): void;
	}
	interface MockApi {
		fn<A extends unknown[] = any[], R = any>(implementation?: (...args: A) => R): Mock<A, R>;
		spyOn<T extends object, K extends keyof T>(object: T, key: K, access?: "get" | "set"): T[K] extends (...args: infer A) => infer R ? Mock<A, R> : Mock;
		/** Answers requests that fit: with a Response, a text or bytes, JSON of any other value, an Error,
		 * or what a function of the request returns of these. */
		fetch(pattern: FetchPattern, answer: unknown | ((request: Request) => unknown)): FetchMock;
		/** Lets requests that fit go to the network. */
		allowFetch(pattern: FetchPattern): FetchMock;
		/** Answers in the place of another routine, a member of env that "services" in er.jsonc names. */
		service(binding: Fetcher, answer: unknown | ((request: Request) => unknown)): FetchMock;
		timers: Timers;
		clearAll(): void;
		resetAll(): void;
		restoreAll(): void;
	}
	export const mock: MockApi;
}
