import * as z from 'zod'
import * as v from 'valibot'
import validate from './validator.mjs'
import { customAlphabet, nanoid } from 'nanoid'
import { NIL, parse, stringify, v1, v3, v4, v5, v7, validate as isUuid, version } from 'uuid'

const User = z.object({ name: z.string().min(2), age: z.coerce.number().int().positive(), email: z.email().optional(), tags: z.array(z.enum(['a', 'b'])).default([]), at: z.iso.date().optional() }).strict()
const Vser = v.object({ name: v.pipe(v.string(), v.minLength(2)), age: v.pipe(v.number(), v.integer()), when: v.optional(v.pipe(v.string(), v.isoDate())) })
const inputs = [{ name: 'Ada', age: '36' }, { name: 'A', age: -1, email: 'x' }, { name: 'Ada', age: 36, tags: ['c'], more: 1 }, null, { name: 'Ada', age: 36, email: 'a@b.co', tags: ['a'], at: '2024-02-30' }]
const issues = (result) => (result.success ? result.data ?? result.output : (result.error?.issues ?? result.issues).map((i) => [i.code ?? i.type, i.message, (i.path ?? []).map((p) => p?.key ?? p)]))
export default {
	fetch(request) {
		const { pathname } = new URL(request.url)
		if (pathname === '/zod') return Response.json(inputs.map((i) => issues(User.safeParse(i))))
		if (pathname === '/valibot') return Response.json(inputs.map((i) => issues(v.safeParse(Vser, i))))
		if (pathname === '/ajv') return Response.json(inputs.map((i) => [validate(i), validate.errors]))
		if (pathname === '/nanoid') return Response.json([nanoid().length, nanoid(5).length, /^[ab]{9}$/.test(customAlphabet('ab', 9)()), new Set(Array.from({ length: 50 }, () => nanoid())).size])
		return Response.json([v5('hello', v5.DNS), v3('hello', v3.URL), isUuid(v4()), [v1(), v4(), v7()].map(version), NIL, stringify(parse('6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b'))])
	},
}
export const requests = [['/zod'], ['/valibot'], ['/ajv'], ['/nanoid'], ['/uuid']]
