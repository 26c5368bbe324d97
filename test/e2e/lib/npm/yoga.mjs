import { createSchema, createYoga } from 'graphql-yoga'

const schema = createSchema({
	typeDefs: 'type Query { hello(name: String = "world"): String!, list(n: Int!): [Int!]! } type Mutation { add(a: Int!, b: Int!): Int! }',
	resolvers: { Query: { hello: (_, { name }) => `Hello, ${name}!`, list: (_, { n }) => Array.from({ length: n }, (_, i) => i) }, Mutation: { add: async (_, { a, b }) => a + b } },
})
const yoga = createYoga({ schema, logging: false, graphiql: false, fetchAPI: { Request, Response, fetch, Headers, ReadableStream, TextEncoder, TextDecoder, URL, URLSearchParams, FormData, Blob, File, crypto, TransformStream, WritableStream } })
const post = (query, variables) => ['/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }) }]
export default { fetch: (request, env, ctx) => yoga.fetch(request, env, ctx) }
export const requests = [post('{ hello }'), post('query($n: String) { hello(name: $n) list(n: 3) }', { n: 'Ada' }), post('mutation { add(a: 1, b: 2) }'), post('{ nope }'), post('{'), ['/graphql?query=%7Bhello%7D'], ['/none']]
