// JSON Schema, as much of it as docs/schema uses, and no more: a keyword that is not known throws,
// so that none is believed without being checked.
import { isDeepStrictEqual } from 'node:util'

const notes = new Set(['$schema', '$id', '$defs', 'title', 'description', 'default', 'examples'])

const typeOf = v => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v === 'number' ? (Number.isInteger(v) ? 'integer' : 'number') : typeof v)

/** What is wrong with `value`, as texts; empty: nothing. */
export function mistakes(schema, value, root = schema, at = '$') {
	const out = []
	const type = typeOf(value)
	const check = (ok, what) => ok || out.push(`${at}: ${what}`)
	for (const [key, want] of Object.entries(schema)) {
		if (notes.has(key)) continue
		switch (key) {
			case '$ref':
				out.push(...mistakes(resolve(want, root), value, root, at))
				break
			case 'type':
				check(type === want || (want === 'number' && type === 'integer'), `${want} expected, not ${type}`)
				break
			case 'enum':
				check(want.some(w => isDeepStrictEqual(w, value)), `one of ${JSON.stringify(want)} expected`)
				break
			case 'anyOf':
				check(want.some(w => mistakes(w, value, root, at).length === 0), 'none of the alternatives')
				break
			case 'minimum':
				check(typeof value !== 'number' || value >= want, `at least ${want}`)
				break
			case 'maximum':
				check(typeof value !== 'number' || value <= want, `at most ${want}`)
				break
			case 'minLength':
				check(typeof value !== 'string' || [...value].length >= want, `at least ${want} characters`)
				break
			case 'maxLength':
				check(typeof value !== 'string' || [...value].length <= want, `at most ${want} characters`)
				break
			case 'pattern':
				check(typeof value !== 'string' || new RegExp(want, 'u').test(value), `does not match ${want}`)
				break
			case 'items':
				if (type === 'array') value.forEach((v, i) => out.push(...mistakes(want, v, root, `${at}[${i}]`)))
				break
			case 'minItems':
				check(type !== 'array' || value.length >= want, `at least ${want} items`)
				break
			case 'maxItems':
				check(type !== 'array' || value.length <= want, `at most ${want} items`)
				break
			case 'minProperties':
				check(type !== 'object' || Object.keys(value).length >= want, `at least ${want} members`)
				break
			case 'maxProperties':
				check(type !== 'object' || Object.keys(value).length <= want, `at most ${want} members`)
				break
			case 'required':
				if (type === 'object') for (const k of want) check(k in value, `${k} is missing`)
				break
			case 'properties':
				if (type === 'object') for (const [k, s] of Object.entries(want)) if (k in value) out.push(...mistakes(s, value[k], root, `${at}.${k}`))
				break
			case 'additionalProperties':
				for (const k of type === 'object' ? Object.keys(value) : []) {
					if (k in (schema.properties ?? {})) continue
					if (want === false) check(false, `${k} is not known`)
					else out.push(...mistakes(want, value[k], root, `${at}.${k}`))
				}
				break
			case 'propertyNames':
				if (type === 'object') for (const k of Object.keys(value)) out.push(...mistakes(want, k, root, `${at}: the name ${k}`))
				break
			default:
				throw new Error(`${at}: the keyword ${key} is not understood here`)
		}
	}
	return out
}

export function resolve(ref, root) {
	const m = /^#\/\$defs\/(\w+)$/.exec(ref)
	if (!m || !root.$defs[m[1]]) throw new Error(`no ${ref}`)
	return root.$defs[m[1]]
}

/** JSON with comments and trailing commas. */
export function jsonc(text) {
	const plain = text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, m => (m[0] === '"' ? m : ''))
	return JSON.parse(plain.replace(/"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g, m => (m[0] === '"' ? m : '')))
}
