// Examples that decide who comes in: what they let through, and what attackers try.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { withExample } from './lib/examples.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'

let origin
let auth = (_, res) => res.writeHead(500).end()
before(async () => {
	origin = await startOrigin(async (req, res) => {
		const body = await bodyOf(req)
		if (req.url === '/auth') return auth(JSON.parse(body), res)
		res.writeHead(200, { 'content-type': 'text/plain', server: 'secret/1.0', 'x-powered-by': 'magic' })
		res.end(`origin ${req.method} ${req.url} ${body}`)
	})
})
after(() => origin.close())

const last = () => origin.requests.at(-1)
const asked = () => origin.requests.length
const example = (name, run, options = {}) => withExample(name, { origin: origin.url, ...options }, run)

test('auth lets only valid tokens through, and keeps them from the origin', () =>
	example('auth', async dev => {
		const before = asked()
		for (const authorization of [undefined, 'Bearer', 'Bearer ', 'Bearer wrong', 'Basic s3cret', 'Bearer s3cre', 'Bearer s3crett', 'Bearer s3cret,other', 'Bearer ,']) {
			const res = await dev.get('/members', { headers: authorization ? { authorization } : {} })
			assert.equal(res.status, 401, authorization)
			assert.match(res.headers['www-authenticate'], /^Bearer/)
		}
		assert.equal(asked(), before)
		const res = await dev.get('/members?a=1', { headers: { authorization: 'Bearer s3cret', 'x-other': 'stays' } })
		assert.equal(res.text, 'origin GET /members?a=1 ')
		assert.equal(last().headers.authorization, undefined)
		assert.equal(last().headers['x-other'], 'stays')
		assert.equal((await dev.get('/members', { method: 'POST', body: 'data', headers: { authorization: 'bearer other' } })).text, 'origin POST /members data')
	}, { replace: [['"change-me"', '"s3cret, other,"']] }))

test('auth-remote asks the service once, fails closed, and takes no word of the client for the user', () =>
	example('auth-remote', async dev => {
		const get = (token, headers = {}, target = '/film') => dev.get(target, { headers: { authorization: `Bearer ${token}`, ...headers } })
		const questions = []
		auth = (question, res) => {
			questions.push(question)
			const user = { good: 'ann', short: 'bob', odd: 'x\r\ny: z', long: 'u'.repeat(300) }[question.token]
			if (question.token === 'broken') return res.writeHead(500).end()
			if (question.token === 'html') return res.writeHead(200).end('<html>')
			if (question.token === 'moved') return res.writeHead(302, { location: '/auth' }).end()
			if (question.token === 'silent') return undefined
			res.writeHead(user ? 200 : 403).end(JSON.stringify({ user, seconds: question.token === 'good' ? 60 : 0 }))
		}
		for (const authorization of ['', 'Bearer', 'Basic good', `Bearer ${'x'.repeat(5000)}`]) assert.equal((await dev.get('/film', { headers: { authorization } })).status, 401)
		assert.equal(questions.length, 0)

		assert.equal((await get('good', { 'x-user': 'root' })).status, 200)
		assert.equal(last().headers['x-user'], 'ann')
		assert.equal(last().headers.authorization, undefined)
		assert.deepEqual({ ...questions[0], host: '' }, { token: 'good', method: 'GET', host: '', path: '/film', client: '127.0.0.1' })
		await get('good')
		assert.equal(questions.length, 1, 'its word holds for a minute')
		await get('good', {}, '/other')
		assert.equal(questions.length, 2, 'for this path only')
		await get('short')
		await get('short')
		assert.equal(questions.length, 4, 'no word on how long: asked again')

		const before = origin.requests.filter(r => r.url !== '/auth').length
		assert.equal((await get('unknown')).status, 403)
		for (const token of ['broken', 'html', 'moved', 'odd', 'long', 'silent']) {
			const res = await get(token)
			assert.deepEqual([res.status, res.headers['retry-after']], [503, '5'], token)
		}
		assert.equal(origin.requests.filter(r => r.url !== '/auth').length, before)
	}, { replace: [['http://127.0.0.1:3000', origin.url], ['"AUTH_TIMEOUT_MS": 2000', '"AUTH_TIMEOUT_MS": 1000']] }))

test('waf refuses what its rules name in any spelling, and passes on the rest unchanged', () =>
	example('waf', async dev => {
		const before = asked()
		const form = (body, type = 'application/x-www-form-urlencoded', more = {}) => ({ method: 'POST', body, headers: { 'content-type': type, ...more } })
		for (const [target, rule, options, status = 403] of [
			['/?id=1%20UNION%20SELECT%20x', 'sql-in-query'],
			['/?id=1%2520union%2520select%2520x', 'sql-in-query'],
			['/?id=1/**/UNION/**/SELECT/**/x', 'sql-in-query'],
			['/?id=1+UNION%0ASELECT+x', 'sql-in-query'],
			["/?id='+or+1=1--", 'sql-in-query'],
			['/?q=%3Cscript%3E', 'script-in-query'],
			['/?q=%3C%73cript%3E', 'script-in-query'],
			['/.git/config', 'hidden-file'],
			['/%2egit/config', 'hidden-file'],
			['/a%252e%252e/../%252e%252e/etc', 'traversal'],
			['/', 'method', { method: 'PROPFIND' }],
			['/', 'scanner', { headers: { 'user-agent': 'sqlmap/1.7' } }],
			['/', 'sql-in-body', form('a=1+or+1=1')],
			['/', 'sql-in-body', form('a=1+or+1=1', 'APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8')],
			['/', 'sql-in-body', form('{"a":"1 union select 2"}', 'application/json')],
			['/', 'script-in-body', form('{"a":"<script>"}', 'application/vnd.api+json')],
			['/', 'a body that is too large', form(`a=${'x'.repeat(70000)}`), 413],
			['/', 'a body in a coding', form('x', undefined, { 'content-encoding': 'gzip' }), 415],
		]) {
			const res = await dev.get(target, options)
			assert.deepEqual([res.status, res.headers['x-waf-rule']], [status, rule], target)
		}
		assert.equal(asked(), before)
		assert.equal((await dev.get('/?id=1%')).text, 'origin GET /?id=1% ')
		assert.equal((await dev.get('/f', form('name=union+station'))).text, 'origin POST /f name=union+station')
		assert.equal((await dev.get('/f', form('name=%FC'))).text, 'origin POST /f name=%FC')
		assert.equal((await dev.get('/upload', { method: 'POST', body: 'raw or 1=1' })).text, 'origin POST /upload raw or 1=1')
	}))

test('throttle stops a burst over the limit, and no made-up key gets around it', () =>
	example('throttle', async dev => {
		const statuses = async (n, headers) => (await Promise.all(Array.from({ length: n }, () => dev.get('/login', { headers })))).map(r => r.status)
		const count = (list, status) => list.filter(s => s === status).length
		const before = asked()
		const first = await statuses(30)
		assert.deepEqual([count(first, 200), count(first, 429)], [5, 25])
		assert.equal(asked() - before, 5, 'the origin saw no more')
		const refused = await dev.get('/login')
		assert.equal(refused.headers['ratelimit-remaining'], '0')
		assert.ok(Number(refused.headers['retry-after']) >= 1 && Number(refused.headers['retry-after']) <= 10)
		for (const key of ['made-up', '', 'toString', '__proto__']) assert.deepEqual(await statuses(1, { 'x-api-key': key }), [429], key)
		assert.deepEqual(await statuses(1, { 'x-forwarded-for': '10.9.8.7' }), [429])
		assert.equal((await dev.get('//login')).status, 429, 'in another spelling')
		// A customer has a bucket of its own, five times as large.
		assert.equal(count(await statuses(30, { 'x-api-key': 'key-of-shop' }), 200), 25)
		// Another rule has other buckets.
		const other = await dev.get('/page')
		assert.deepEqual([other.status, other.headers['ratelimit-limit'], other.headers['ratelimit-remaining']], [200, '20', '19'])
	}))

test('throttle lets a client in again when its bucket has a token', () =>
	example('throttle', async dev => {
		const take = async () => (await dev.get('/login')).status
		assert.deepEqual([await take(), await take()], [200, 429])
		await raw.until(async () => (await take()) === 200, { every: 50, what: 'a token' })
	}, { replace: [['"burst": 5, "perSecond": 0.1', '"burst": 1, "perSecond": 0.5']] }))

test('validate passes on what fits the schemas and says all that is wrong with the rest', () =>
	example('validate', async dev => {
		const before = asked()
		const order = (body, type = 'application/json') => ['/orders', { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': type } }]
		const good = { email: 'ann@shop.example', items: [{ id: 1, count: 2 }] }
		for (const [status, target, options, wrong] of [
			[400, '/items', {}, /category/],
			[400, '/items?category=weapons', {}, /query\/category/],
			[400, '/items?category=books&page=0', {}, /query\/page/],
			[400, '/items?category=books&page=1e9', {}, /query\/page/],
			[400, '/items?category=books&page=1%27%20OR%201=1', {}, /query\/page/],
			[400, '/items?category=books&category=music', {}, /query\/category/],
			[400, '/items?category=books&admin=1', {}, /admin/],
			[400, '/items?category=books&__proto__=1', {}, /__proto__/],
			[400, '/items?category=books&tag=1&tag=2&tag=3&tag=4&tag=5&tag=6', {}, /query\/tag/],
			[400, '/items/seven', {}, /path\/id/],
			[404, '/nowhere', {}],
			[405, '/orders', {}],
			[415, ...order(good, 'text/plain')],
			[400, ...order('{"email":'), /not JSON/],
			[400, ...order({ ...good, email: 'nobody' }), /body\/email/],
			[400, ...order({ ...good, items: [] }), /body\/items/],
			[400, ...order({ ...good, items: [{ id: 1, count: 100 }] }), /body\/items\/0\/count/],
			[400, ...order({ ...good, price: 0 }), /price/],
			[400, ...order(JSON.stringify(good).replace('{', '{"__proto__":{"admin":true},')), /__proto__/],
			[400, ...order('null'), /body/],
			[413, ...order({ ...good, email: 'x'.repeat(40000) })],
		]) {
			const res = await dev.get(target, options)
			assert.equal(res.status, status, `${target} ${JSON.stringify(options)}: ${res.text}`)
			assert.equal(res.headers['content-type'], 'application/problem+json')
			assert.equal(JSON.parse(res.text).status, status)
			if (wrong) assert.match(res.text, wrong)
		}
		assert.equal((await dev.get('/orders')).headers.allow, 'POST')
		assert.equal(asked(), before)
		assert.equal((await dev.get('/items?category=books&page=2&tag=a&tag=b')).text, 'origin GET /items?category=books&page=2&tag=a&tag=b ')
		assert.equal((await dev.get('/items/7')).status, 200)
		assert.equal((await dev.get(...order(good))).text, `origin POST /orders ${JSON.stringify(good)}`)
		const two = JSON.parse((await dev.get('/items?page=x&admin=1')).text).errors
		assert.equal(new Set(two.map(e => /category|page|admin/.exec(e)?.[0])).size, 3, `all three mistakes: ${two}`)
	}))

test('ab-test puts a visitor into a variant once', () =>
	example('ab-test', async dev => {
		const first = await dev.get('/page')
		const variant = /^variant=([ab]);/.exec(first.headers['set-cookie'])[1]
		assert.equal(last().headers['x-variant'], variant)
		assert.equal(first.text, 'origin GET /page ')
		const second = await dev.get('/page', { headers: { cookie: 'x=1; variant=b' } })
		assert.equal(second.headers['set-cookie'], undefined)
		assert.equal(last().headers['x-variant'], 'b')
		assert.match((await dev.get('/page', { headers: { cookie: 'variant=toString' } })).headers['set-cookie'], /^variant=[ab];/)
	}))

test('redirects follow the rules, and lead nobody to a host that a visitor named', () =>
	example('redirects', async dev => {
		const here = `http://localhost`
		for (const [target, status, location, headers = {}, method = 'GET'] of [
			['/old-shop/shoes?colour=red', 301, `${here}/shop/shoes?colour=red`],
			['/old-shop/shoes', 308, `${here}/shop/shoes`, {}, 'POST'],
			['/old-shop//evil.example/x', 301, `${here}/shop//evil.example/x`],
			['/summer-sale?from=mail', 302, `${here}/sale/summer?from=mail`],
			['/summer-sale', 307, `${here}/sale/summer`, {}, 'PUT'],
			['/help?x=1', 302, 'https://support.example.com/'],
			['/article/12/a-title', 301, `${here}/read?id=12`],
			['/', 302, `${here}/de/`, { 'accept-language': 'en;q=0.5, de-AT' }],
		]) {
			const res = await dev.get(target, { method, headers })
			assert.deepEqual([res.status, res.headers.location], [status, location], target)
		}
		const main = await dev.get('//evil.example/?a', { headers: {}, host: 'example.com' })
		assert.deepEqual([main.status, main.headers.location], [301, 'https://www.example.com//evil.example/?a'])
		for (const [target, headers] of [['/', { 'accept-language': 'en, de;q=0.9' }], ['/article/twelve', {}], ['/shop/shoes', {}], ['/', { 'accept-language': ';;q=,,' }]]) {
			assert.equal((await dev.get(target, { headers })).text, `origin GET ${target} `)
		}
	}, { args: ['--allow-host', 'example.com'] }))
