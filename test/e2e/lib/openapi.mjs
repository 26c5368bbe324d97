// Answers of the control API against docs/openapi.json: so much of JSON Schema as the
// description uses.
import fs from 'node:fs'
import path from 'node:path'
import { root } from './node.mjs'

export const description = JSON.parse(fs.readFileSync(path.join(root, 'docs/openapi.json'), 'utf8'))

const resolve = s => (s?.$ref ? s.$ref.slice(2).split('/').reduce((at, part) => at[part], description) : s)
const typeOf = v => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v)

/** undefined, or what does not fit. */
function misfit(schema, v, at = '') {
	schema = resolve(schema)
	if (schema.anyOf) {
		const all = schema.anyOf.map(s => misfit(s, v, at))
		return all.includes(undefined) ? undefined : all[0]
	}
	const type = typeOf(v)
	if (schema.type && !(schema.type === type || (schema.type === 'integer' && Number.isInteger(v)))) return `${at}: ${schema.type} expected, not ${type}`
	if (schema.enum && !schema.enum.includes(v)) return `${at}: ${JSON.stringify(v)} is none of ${schema.enum}`
	if (v < schema.minimum || v > schema.maximum || v?.length < schema.minLength || v?.length > schema.maxLength) return `${at}: out of bounds`
	if (type === 'array') for (const [i, e] of v.entries()) if (schema.items) { const m = misfit(schema.items, e, `${at}[${i}]`); if (m) return m }
	if (type !== 'object') return undefined
	for (const name of schema.required ?? []) if (!(name in v)) return `${at}.${name} is missing`
	for (const [name, e] of Object.entries(v)) {
		const s = schema.properties?.[name] ?? schema.additionalProperties
		if (s === false) return `${at}.${name} is not described`
		const m = s && typeof s === 'object' ? misfit(s, e, `${at}.${name}`) : undefined
		if (m) return m
	}
}

/** Throws when an answer {status, headers, text} is not what is described for this method
 * and target. */
export function check(method, target, { status, headers, text }) {
	const segments = target.split('?')[0].split('/')
	const entry = Object.entries(description.paths).find(([p, ops]) => {
		const pattern = p.split('/')
		return ops[method.toLowerCase()] && pattern.length === segments.length && pattern.every((s, i) => s === segments[i] || s.startsWith('{'))
	})
	if (!entry) {
		if (status >= 400) return
		throw new Error(`${method} ${target} answers ${status} and is not described`)
	}
	const { responses } = entry[1][method.toLowerCase()]
	const response = resolve(responses[status] ?? (status >= 400 ? responses.default : undefined))
	if (!response) throw new Error(`${method} ${target} answers ${status}, which is not described`)
	const type = [headers['content-type']].flat()[0]
	if (!(type in response.content)) throw new Error(`${method} ${target} answers ${type}, which is not described`)
	const { schema } = response.content[type]
	if (!schema) return
	for (const line of type === 'application/x-ndjson' ? text.split('\n').filter(Boolean) : [text]) {
		const wrong = misfit(schema, JSON.parse(line))
		if (wrong) throw new Error(`${method} ${target}: ${wrong}: ${line.slice(0, 500)}`)
	}
}
