// A routine that does to its key-value store what a request says, and tells what came of it.

/** The script: POST / with JSON [[object, method, ...arguments], ...] answers with JSON, one
 * {ok: result} or {error: [name, message]} each. Objects are members of env, or "kv:NAME" for an
 * EdgeKV of that namespace. Further paths hand bytes through. */
export const script = `
const open = (env, name) => (name.startsWith('kv:') ? new EdgeKV({ namespace: name.slice(3) }) : env[name])
const shown = async v => {
	if (v === undefined) return { undefined: true }
	if (v instanceof ArrayBuffer) return { bytes: [...new Uint8Array(v)] }
	if (v instanceof ReadableStream) return { stream: await new Response(v).text() }
	if (v instanceof Map) return { map: [...v] }
	if (v && v.value instanceof ReadableStream) return { ...v, value: await new Response(v.value).text() }
	return v
}
const given = {
	bytes: () => new Uint8Array([0, 255, 10]), view: () => new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4), data: () => new DataView(new Uint8Array([7, 8]).buffer),
	buffer: () => new Uint8Array([1, 2]).buffer, response: () => new Response('from a response'), empty: () => new Response(null),
	stream: () => new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('a ')); c.enqueue(new TextEncoder().encode('stream')); c.close() } }),
	broken: () => new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(10)); c.error(new Error('broke')) } }),
	detached: () => { const b = new ArrayBuffer(8); structuredClone(b, { transfer: [b] }); return b }, detachedView: () => { const v = new Uint8Array(8); structuredClone(v.buffer, { transfer: [v.buffer] }); return v },
	used: async () => { const r = new Response('x'); await r.text(); return r }, locked: () => { const s = new Response('x').body; s.getReader(); return s },
	undefined: () => undefined, null: () => null, number: () => 5, object: () => ({}), symbol: () => Symbol('s'), circle: () => { const o = {}; o.o = o; return { metadata: o } },
	long: () => 'x'.repeat(300000), nan: () => ({ expirationTtl: NaN }), function: () => () => {},
}
const argument = v => (typeof v === 'string' && v.startsWith('$') ? given[v.slice(1)]() : v)
export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url)
		const kv = new EdgeKV({ namespace: url.searchParams.get('ns') ?? 'a' })
		const key = url.searchParams.get('key') ?? 'k'
		if (url.pathname === '/put') return (await kv.put(key, request.body ?? ''), new Response('stored'))
		if (url.pathname === '/put-response') return (await kv.put(key, new Response(request.body)), new Response('stored'))
		if (url.pathname === '/put-text') return (await kv.put(key, await request.text()), new Response('stored'))
		if (url.pathname === '/get') {
			const stream = await kv.get(key, { type: 'stream' })
			return stream === undefined ? new Response('none', { status: 404 }) : new Response(stream)
		}
		if (url.pathname === '/text') return new Response((await kv.get(key)) ?? 'none')
		if (url.pathname === '/late') {
			ctx.waitUntil((async () => { await kv.put(key, 'late') })())
			return new Response('soon')
		}
		const out = []
		for (const [object, method, ...args] of await request.json()) {
			try {
				const values = []
				for (const a of args) values.push(await argument(a))
				out.push({ ok: await shown(await open(env, object)[method](...values)) })
			} catch (e) {
				out.push({ error: [e.name, e.message] })
			}
		}
		return Response.json(out)
	},
}
`.replace('export default', 'globalThis.__er_module =').replace(/__er_module = \{/, '__er_module = { default: {').trimEnd() + '}\n'

/** Does them in one request; throws if the request fails. */
export async function ops(node, routine, list) {
	const res = await node.get(routine, '/', { method: 'POST', body: JSON.stringify(list), timeout: 60000 })
	if (res.status !== 200) throw new Error(`${res.status} ${res.headers['er-error']}: ${res.text}`)
	return JSON.parse(res.text)
}
/** One of them: its result; throws its error. */
export async function op(node, routine, ...one) {
	const [{ ok, error }] = await ops(node, routine, [one])
	if (error) throw Object.assign(new Error(error[1]), { name: error[0] })
	return ok
}
