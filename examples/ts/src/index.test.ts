import { describe, expect, SELF, test } from "er:test";
import { escapeHtml } from "./greet";

describe("the page", () => {
	test("greets by name", async () => {
		const answer = await SELF.fetch("/?name=you");
		expect(answer.status).toBe(200);
		expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
		expect(await answer.text()).toContain("<h1>Hello, you!</h1>");
	});

	test("is not changed by what a name has in it", async () => {
		const answer = await SELF.fetch(`/?name=${encodeURIComponent("<script>")}`);
		expect(await answer.text()).not.toContain("<script>");
	});
});

test.each([
	["&", "&amp;"],
	['"', "&quot;"],
	["a", "a"],
])("%s is escaped as %s", (from, to) => {
	expect(escapeHtml(from)).toBe(to);
});
