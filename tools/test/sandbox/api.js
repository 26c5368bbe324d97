// er:test: what a test file imports.
export { expect, AssertionError } from "./expect.js";
export { mock } from "./mock.js";
export { SELF, env } from "./routine.js";
export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "./tree.js";
