// What a case gave, as text that is the same with Node and on the edge: values by their kinds and
// members, errors by name, code and message.
export function shown(value, depth = 0) {
	if (value === null || typeof value === 'boolean' || typeof value === 'undefined') return String(value)
	if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
	if (typeof value === 'bigint') return `${value}n`
	if (typeof value === 'string') return JSON.stringify(value)
	if (typeof value === 'symbol') return value.toString()
	if (typeof value === 'function') return 'function'
	if (depth > 6) return '...'
	if (value instanceof Error) return `${value.name}/${value.code}: ${value.message}`
	if (ArrayBuffer.isView(value)) return `${value.constructor.name}[${Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}]`
	if (Array.isArray(value)) return `[${Array.from(value, (v) => shown(v, depth + 1)).join(', ')}]`
	if (value instanceof Map || value instanceof Set) return `${value.constructor.name}${shown([...value], depth + 1)}`
	if (value instanceof Date) return `Date ${value.getTime()}`
	if (value instanceof RegExp) return String(value)
	const keys = Object.keys(value)
	return `{${keys.map((k) => `${k}: ${shown(value[k], depth + 1)}`).join(', ')}}`
}
/** cases: { name: () => value }. → { name: text } */
export async function record(cases) {
	const out = {}
	for (const [name, run] of Object.entries(cases)) {
		try {
			out[name] = shown(await run())
		} catch (error) {
			out[name] = `throws ${shown(error)}`
		}
	}
	return out
}
/** Cases of many expressions, each named by what it is: list('f', [[1], [2]], f) */
export function list(prefix, inputs, fn) {
	return Object.fromEntries(inputs.map((args, i) => [`${prefix} ${i}`, () => fn(...args)]))
}
