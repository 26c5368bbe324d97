import { buildSchema, execute, getOperationAST, GraphQLError, NoSchemaIntrospectionCustomRule, parse, specifiedRules, validate, type DocumentNode } from "graphql";
import { costRule } from "./cost";
import text from "./schema.graphql";
import { Services, type Env } from "./services";

const schema = buildSchema(text);
const MAX_QUERY = 8192;
const MAX_COST = 500;
const MAX_DEPTH = 6;
const MAX_PARSED = 100;
const parsed = new Map<string, DocumentNode>(); // valid queries, the oldest first

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		if (new URL(request.url).pathname !== "/graphql") return answer({ errors: [{ message: "no such page" }] }, 404);
		let question: Question;
		try {
			question = await read(request);
		} catch (error) {
			if (error instanceof Mistake) return answer({ errors: [{ message: error.message }] }, error.status, error.headers);
			throw error;
		}
		const document = check(question.query);
		if (Array.isArray(document)) return answer({ errors: document.map((e) => e.toJSON()) }, 400);
		const operation = getOperationAST(document, question.operationName ?? null);
		if (operation == null) return answer({ errors: [{ message: "operationName must name one of the operations" }] }, 400);
		if (operation.operation !== "query") return answer({ errors: [{ message: "the schema is not configured for changes" }] }, 400);

		const services = new Services(env);
		const result = await execute({
			schema,
			document,
			rootValue: services.root(),
			variableValues: question.variables,
			operationName: question.operationName,
		});
		// What went wrong behind the API is for the log and not for the client.
		const errors = result.errors?.map((error) => {
			if (error.originalError === undefined || error.originalError instanceof GraphQLError) return error.toJSON();
			console.error("%s: %s", error.path?.join("."), error.originalError.message);
			return { message: "a service does not answer", path: error.path };
		});
		const good = errors === undefined;
		return answer({ ...(errors && { errors }), data: result.data }, 200, { "cache-control": good && request.method === "GET" ? "public, max-age=10" : "no-store" });
	},
};

interface Question {
	query: string;
	variables?: Record<string, unknown>;
	operationName?: string;
}

class Mistake extends Error {
	constructor(message: string, readonly status = 400, readonly headers: Record<string, string> = {}) {
		super(message);
	}
}

/** GET ?query=...&variables=... or POST of JSON. */
async function read(request: Request): Promise<Question> {
	let value: any;
	try {
		if (request.method === "GET") {
			const { query, variables, operationName } = Object.fromEntries(new URL(request.url).searchParams);
			value = { query, operationName, variables: variables === undefined ? undefined : JSON.parse(variables) };
		} else if (request.method === "POST") {
			// A form of another site cannot send this type.
			if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) throw new Mistake("the body must be application/json", 415);
			if (Number(request.headers.get("content-length") ?? Infinity) > 2 * MAX_QUERY) throw new Mistake("the body is too large", 413);
			value = await request.json();
		} else throw new Mistake("GET or POST is expected", 405, { allow: "GET, POST" });
	} catch (error) {
		throw error instanceof Mistake ? error : new Mistake("this is not JSON");
	}
	const { query, variables, operationName } = value ?? {};
	if (typeof query !== "string" || query.length > MAX_QUERY) throw new Mistake(`query: a text of at most ${MAX_QUERY} characters is expected`);
	if (variables != null && (typeof variables !== "object" || Array.isArray(variables))) throw new Mistake("variables: an object is expected");
	if (operationName != null && typeof operationName !== "string") throw new Mistake("operationName: a text is expected");
	return { query, variables: variables ?? undefined, operationName: operationName ?? undefined };
}

function check(query: string): DocumentNode | readonly GraphQLError[] {
	const known = parsed.get(query);
	if (known !== undefined) return known;
	let document: DocumentNode;
	try {
		document = parse(query, { maxTokens: 1000, noLocation: true });
	} catch (error) {
		return [error as GraphQLError];
	}
	// First what is cheap to say: a query that is too large is not looked at any closer.
	for (const rules of [[costRule(MAX_COST, MAX_DEPTH)], [...specifiedRules, NoSchemaIntrospectionCustomRule]]) {
		const errors = validate(schema, document, rules, { maxErrors: 5 });
		if (errors.length > 0) return errors;
	}
	if (parsed.size >= MAX_PARSED) parsed.delete(parsed.keys().next().value!);
	parsed.set(query, document);
	return document;
}

function answer(body: unknown, status: number, headers: Record<string, string> = {}): Response {
	return new Response(`${JSON.stringify(body)}\n`, { status, headers: { "cache-control": "no-store", ...headers, "content-type": "application/json" } });
}
