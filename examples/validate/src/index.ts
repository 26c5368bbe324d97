import { Validator, type Schema } from "@cfworker/json-schema";
import api from "./api.json";

type Part = "path" | "query" | "body";
interface Operation {
	method: string;
	path: string[];
	schemas: Partial<Record<Part, Schema>>;
	validators: Partial<Record<Part, Validator>>;
}

const MAX_BODY = 32 * 1024;

// Made once, when the instance starts.
const operations: Operation[] = Object.entries(api as Record<string, Partial<Record<Part, Schema>>>).map(([rule, schemas]) => {
	const [method, path] = rule.split(" ");
	const validators = Object.fromEntries(Object.entries(schemas).map(([part, schema]) => [part, new Validator(schema, "2020-12", false)]));
	return { method, path: path.split("/"), schemas, validators };
});

export default {
	async fetch(request: Request): Promise<Response> {
		const url = new URL(request.url);
		const parts = url.pathname.split("/");
		const here = operations.filter((o) => o.path.length === parts.length && o.path.every((p, i) => (p.startsWith("{") ? parts[i] !== "" : p === parts[i])));
		if (here.length === 0) return problem(404, "There is no such operation.");
		const operation = here.find((o) => o.method === request.method);
		if (operation === undefined) return problem(405, "This method is not allowed here.", [], { allow: here.map((o) => o.method).join(", ") });

		const errors: string[] = [];
		const check = (part: Part, value: unknown) => {
			const result = operation.validators[part]?.validate(value);
			// The last one of a place is the most precise one.
			if (result && !result.valid) for (const e of result.errors) if (!/properties|items/.test(e.keyword) || e.keyword === "additionalProperties") errors.push(`${part}${e.instanceLocation.slice(1)}: ${e.error}`);
		};
		const variables = operation.path.flatMap((p, i) => (p.startsWith("{") ? [[p.slice(1, -1), parts[i]]] : []));
		check("path", typed(variables, operation.schemas.path));
		check("query", typed([...url.searchParams], operation.schemas.query));

		if (operation.schemas.body === undefined) return errors.length > 0 ? invalid(errors) : pass(request);

		if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) return problem(415, "The body must be application/json.");
		const bytes = await readBytes(request, MAX_BODY);
		if (bytes === undefined) return problem(413, `The body must have at most ${MAX_BODY} bytes.`);
		try {
			check("body", JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
		} catch {
			return problem(400, "The body is not JSON.");
		}
		if (errors.length > 0) return invalid(errors);
		// The body was read, so it is sent on from here: the very bytes that were checked.
		return pass(new Request(request, { body: bytes }));
	},
};

/** What comes as text gets the type that the schema names; a name that comes twice is a list. */
function typed(entries: string[][], schema: Schema | undefined): Record<string, unknown> {
	const out: Record<string, unknown> = Object.create(null);
	for (const [name, text] of entries) {
		const { type } = (Object.hasOwn(schema?.properties ?? {}, name) ? schema!.properties![name] : {}) as Schema;
		const list = type === "array";
		const value = (type === "integer" || type === "number") && /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : type === "boolean" && /^(true|false)$/.test(text) ? text === "true" : text;
		if (list || name in out) out[name] = [...(name in out ? [out[name]].flat() : []), value];
		else out[name] = value;
	}
	return out;
}

/** Undefined: there are more than `max`. */
async function readBytes(request: Request, max: number): Promise<Uint8Array | undefined> {
	const bytes = new Uint8Array(max);
	let used = 0;
	if (request.body === null) return bytes.subarray(0, 0);
	for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
		if (used + chunk.byteLength > max) return undefined;
		bytes.set(chunk, used);
		used += chunk.byteLength;
	}
	return bytes.subarray(0, used);
}

const invalid = (errors: string[]) => problem(400, "The request does not fit the API.", [...new Set(errors)].slice(0, 20));

/** RFC 9457. */
function problem(status: number, title: string, errors: string[] = [], headers: Record<string, string> = {}): Response {
	const body = { title, status, ...(errors.length > 0 && { errors }) };
	return new Response(`${JSON.stringify(body)}\n`, { status, headers: { ...headers, "content-type": "application/problem+json", "cache-control": "no-store" } });
}

/** The cache or the origin; 502 if it does not answer. */
async function pass(request: Request): Promise<Response> {
	try {
		return await fetch(request);
	} catch (error) {
		console.error("the origin does not answer: %s", (error as Error).message);
		return new Response("The origin does not answer.\n", { status: 502, headers: { "cache-control": "no-store" } });
	}
}
