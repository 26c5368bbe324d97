// Examples that believe only what is signed: forged, replayed, stolen and late signatures.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { browse, skip } from './lib/chromium.mjs'
import { withExample } from './lib/examples.mjs'
import { startOrigin, bodyOf } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'
import { sign } from '../../examples/signed-url/sign.mjs'

let origin, told = [], answers = []
before(async () => {
	origin = await startOrigin(async (req, res) => {
		const body = (await bodyOf(req)).toString()
		if (req.method === 'POST' && body.startsWith('{')) {
			told.push({ url: req.url, body: JSON.parse(body), headers: req.headers })
			return res.writeHead(answers.shift() ?? 200).end('{"ok":true}')
		}
		res.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'max-age=60' })
		res.end(`origin ${req.method} ${req.url} ${body}`)
	})
})
after(() => origin.close())

const now = () => Math.floor(Date.now() / 1000)
const hmac = (secret, text) => crypto.createHmac('sha256', secret).update(text).digest('hex')
const example = (name, run, options = {}) => {
	told = []
	answers = []
	return withExample(name, { origin: origin.url, ...options }, run)
}

test('signed-url takes signatures of all three types, and stores a film once for all links', () =>
	example('signed-url', async dev => {
		const link = (...args) => {
			const { pathname, search } = new URL(sign(...args))
			return pathname + search
		}
		const at = target => `http://localhost${target}`
		const before = origin.requests.length
		for (const type of ['A', 'B', 'C'])
			for (const key of ['change-me', 'the-key-before']) {
				const res = await dev.get(link(type, at(`/${type.toLowerCase()}/film%20one.mp4`), key))
				assert.equal(res.text, `origin GET /${type.toLowerCase()}/film%20one.mp4 `, type)
			}
		assert.equal(origin.requests.length - before, 3, 'the other links are answered by the cache')
		assert.equal((await dev.get(link('A', at('/a/film?start=10&b=%2F')))).text, 'origin GET /a/film?start=10&b=%2F ')
		const md5 = text => crypto.createHash('md5').update(text).digest('hex')
		const stamp = now().toString(16)
		assert.equal((await dev.get(`/c/film?KEY1=${md5(`change-me/c/film${stamp}`)}&KEY2=${stamp}&x=1`)).text, 'origin GET /c/film?x=1 ')
		assert.equal((await dev.get('/free')).text, 'origin GET /free ')

		const asked = origin.requests.length
		const good = link('A', at('/a/film'))
		for (const target of [
			'/a/film', '//a/film', '/x/../a/film', '/a/./film', '/c/film', '/b/film',
			link('A', at('/a/film'), 'another-key'), link('B', at('/b/film'), ''), link('C', at('/c/film'), 'another-key'),
			link('A', at('/a/film'), 'change-me', now() - 1801), link('B', at('/b/film'), 'change-me', now() - 1900), link('C', at('/c/film'), 'change-me', now() - 1801),
			good.replace('/a/film', '/a/other'), good.replace(/=(\d+)/, (_, t) => `=${Number(t) + 3600}`), good.replace(/-0-/, '-1-'),
			`${good}&auth_key=x`, good.slice(0, -1), `${good.slice(0, -1)}g`, good.replace(/[0-9a-f]{32}$/, '0'.repeat(32)),
			'/a/film?auth_key=', `/c/film?KEY1=${'0'.repeat(32)}&KEY2=`, `/c/film?KEY1=${'0'.repeat(32)}&KEY2=zz`,
			link('B', at('/b/film')).replace('/b/film', '//b/film2'),
		]) {
			const res = await dev.get(target)
			assert.equal(res.status, 403, target)
		}
		assert.equal(origin.requests.length, asked)
	}))

const push = { ref: 'refs/heads/main', compare: 'https://github.example/c', repository: { full_name: 'shop/web' }, sender: { login: 'ann' } }
const webhook = (source, body, headers) => [`/${source}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers }]
const fromGithub = (body, secret = 'github-secret', event = 'push') => webhook('github', body, { 'x-github-event': event, 'x-hub-signature-256': `sha256=${hmac(secret, JSON.stringify(body))}` })

test('webhooks passes on what GitHub, GitLab and Jenkins signed, once, and nothing else', () =>
	example('webhooks', async dev => {
		const post = async (...args) => (await dev.get(...args)).status
		assert.equal(await post(...fromGithub(push)), 202)
		await raw.until(() => told.length === 1, { what: 'the notice' })
		assert.deepEqual(told[0].body, { source: 'github', project: 'shop/web', author: 'ann', event: 'push', branch: 'main', link: 'https://github.example/c' })
		assert.match((await dev.get(...fromGithub(push))).text, /seen already/)
		assert.match((await dev.get(...fromGithub({ zen: 'x', repository: { full_name: 'a/b' } }, undefined, 'ping'))).text, /nothing to tell/)

		const pipeline = { object_kind: 'pipeline', project: { path_with_namespace: 'shop/api' }, object_attributes: { status: 'failed', ref: 'main' } }
		assert.equal(await post(...webhook('gitlab', pipeline, { 'x-gitlab-token': 'gitlab-token' })), 202)
		const build = JSON.stringify({ job: 'shop', result: 'SUCCESS' })
		const fromJenkins = (t, secret = 'jenkins-secret', body = build, signed = `${t}.${build}`) => webhook('jenkins', body, { 'x-jenkins-timestamp': String(t), 'x-jenkins-signature': `sha256=${hmac(secret, signed)}` })
		assert.equal(await post(...fromJenkins(now())), 202)
		await raw.until(() => told.length === 3, { what: 'all notices' })
		assert.deepEqual(told.slice(1).map(t => [t.body.source, t.body.project, t.body.status]).sort(), [['gitlab', 'shop/api', 'failed'], ['jenkins', 'shop', 'SUCCESS']])

		const other = { ...push, ref: 'refs/heads/evil' }
		const [target, signed] = fromGithub(other)
		for (const [status, ...args] of [
			[401, ...fromGithub(other, 'guess')],
			[401, target, { ...signed, body: JSON.stringify({ ...other, ref: 'x' }) }],
			[401, target, { ...signed, headers: { ...signed.headers, 'x-hub-signature-256': '' } }],
			[401, target, { ...signed, headers: { 'x-github-event': 'push', 'x-hub-signature': `sha1=${crypto.createHmac('sha1', 'github-secret').update(signed.body).digest('hex')}` } }],
			[401, target, { ...signed, headers: { ...signed.headers, 'x-hub-signature-256': signed.headers['x-hub-signature-256'].slice(0, -2) } }],
			[401, '/gitlab', signed],
			[401, ...webhook('gitlab', pipeline, { 'x-gitlab-token': 'gitlab-toke' })],
			[401, ...webhook('gitlab', pipeline, { 'x-gitlab-token': '' })],
			[401, ...fromJenkins(now() - 301)],
			[401, ...fromJenkins(now() + 330)], // it is later when it comes
			[401, ...fromJenkins(now(), undefined, build, `${now() - 1}.${build}`)],
			[401, ...webhook('jenkins', build, { 'x-jenkins-signature': `sha256=${hmac('jenkins-secret', build)}` })],
			[400, ...fromGithub([1])],
			[400, ...webhook('gitlab', '{"half":', { 'x-gitlab-token': 'gitlab-token' })],
			[404, ...webhook('__proto__', '{}', {})],
			[404, ...webhook('toString', '{}', {})],
			[405, '/github', {}],
			[413, ...webhook('github', 'x'.repeat(1024 * 1024 + 1), {})],
		]) assert.equal(await post(...args), status, JSON.stringify(args).slice(0, 200))
		await raw.sleep(100)
		assert.equal(told.length, 3)

		// The service is down for a moment, and then for longer: the sender may come again.
		answers = [500, 500]
		assert.equal(await post(...fromGithub(other)), 202)
		await raw.until(() => told.length === 6, { what: 'the third try' })
		answers = [500, 500, 500]
		const late = { ...push, ref: 'refs/heads/late' }
		assert.equal(await post(...fromGithub(late)), 202)
		await dev.event('console', e => /given up after 3 tries/.test(JSON.stringify(e)))
		assert.match((await dev.get(...fromGithub(late))).text, /accepted/)
	}, { replace: [['http://127.0.0.1:3000', origin.url]] }))

test('slack-bot believes only what Slack signed in the last minutes, and answers nobody twice', () =>
	example('slack-bot', async dev => {
		const ask = (target, body, { time = now(), secret = 'change-me', signed = body, ...more } = {}) =>
			dev.get(target, { method: 'POST', body, headers: { 'x-slack-request-timestamp': String(time), 'x-slack-signature': `v0=${hmac(secret, `v0:${time}:${signed}`)}`, ...more } })
		const form = new URLSearchParams({ command: '/status', text: 'shop', response_url: `${origin.url}/reply` }).toString()
		assert.equal(JSON.parse((await ask('/command', form)).text).text, 'I am asking shop.')
		await raw.until(() => told.length === 1, { what: 'the reply' })
		assert.match(told[0].body.text, /^shop answers 200 in \d+ ms$/)
		assert.match((await ask('/command', form.replace('text=shop', 'text=toString'))).text, /I know these services: shop, blog/)
		for (const [options, why] of [
			[{ secret: 'guess' }, 'wrong signature'],
			[{ time: now() - 301 }, 'too old'],
			[{ time: now() + 301 }, 'too old'],
			[{ signed: `${form}&x=1` }, 'wrong signature'],
			[{ 'x-slack-request-timestamp': String(now() - 10) }, 'wrong signature'],
			[{ 'x-slack-signature': 'v0=' }, 'no signature'],
			[{ 'x-slack-signature': `v1=${'0'.repeat(64)}` }, 'no signature'],
			[{ 'x-slack-request-timestamp': 'now' }, 'no signature'],
		]) {
			const res = await ask('/command', form, options)
			assert.equal(res.status, 401)
			assert.match(res.text, new RegExp(why))
		}
		const elsewhere = new URLSearchParams({ command: '/status', text: 'shop', response_url: 'http://169.254.169.254/' }).toString()
		assert.match((await ask('/command', elsewhere)).text, /do not know where to answer/)

		assert.equal((await ask('/events', JSON.stringify({ type: 'url_verification', challenge: 'c-1' }))).text, 'c-1')
		const mention = JSON.stringify({ type: 'event_callback', event_id: 'Ev1', event: { type: 'app_mention', user: 'U1', channel: 'C1', ts: '1.2' } })
		for (let i = 0; i < 3; i++) assert.equal((await ask('/events', mention, { 'x-slack-retry-num': String(i) })).status, 200)
		assert.equal((await ask('/events', mention.replace('Ev1', 'Ev2').replace('"user"', '"bot_id":"B1","user"'))).status, 200)
		await raw.until(() => told.length === 2, { what: 'the greeting' })
		assert.deepEqual([told[1].url, told[1].headers.authorization, told[1].body], ['/slack/api/chat.postMessage', 'Bearer xoxb-change-me', { channel: 'C1', thread_ts: '1.2', text: 'Hello <@U1>, ask me with `/status`.' }])
		await raw.sleep(100)
		assert.equal(told.length, 2)
		assert.equal((await ask('/events', '{"half"')).status, 400)
		assert.equal((await ask('/command', 'x'.repeat(70000))).status, 413)
		assert.equal((await dev.get('/command')).status, 405)
	}, { replace: [['http://127.0.0.1:3000', origin.url]] }))

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36'

test('anti-bot gives a pass for work, to the one who did it, and traps scanners', () =>
	example('anti-bot', async dev => {
		const get = (target, headers = {}, more = {}) => dev.get(target, { headers: { 'user-agent': CHROME, accept: 'text/html', ...headers }, ...more })
		const before = origin.requests.length
		for (const agent of ['', 'sqlmap/1.7', 'python-requests/2', 'curl/8']) assert.equal((await get('/', { 'user-agent': agent, accept: '*/*' })).status, 403, agent)
		const page = await get('/shop')
		assert.equal(page.status, 403)
		const salt = /salt = "([^"]+)"/.exec(page.text)[1]
		const bits = Number(/Number\("(\d+)"\)/.exec(page.text)[1])
		const right = n => crypto.createHash('sha256').update(`${salt}:${n}`).digest().readUInt32BE(0) >>> (32 - bits) === 0
		let n = 0
		while (!right(n)) n++
		const answer = (form, headers) => get('/.challenge', headers, { method: 'POST', body: new URLSearchParams({ salt, n, ...form }).toString() })
		let wrong = 0
		while (right(wrong)) wrong++
		const late = `${now() - 1}.${'0'.repeat(16)}`
		for (const [form, headers] of [
			[{ n: wrong }],
			[{ n: `${n} ` }],
			[{ n: '' }],
			[{ salt: salt.replace(/^\d+/, t => Number(t) + 1000) }],
			[{ salt: '' }],
			[{ salt: `${late}.${hmac('change-me', `challenge\n127.0.0.1\n${CHROME}\n${late}`)}` }],
			[{}, { 'user-agent': `${CHROME} other` }],
			[{ x: 'x'.repeat(1000) }],
		]) assert.equal((await answer(form, headers)).status, 403, JSON.stringify([form, headers]))
		const solvedIt = await answer({})
		assert.equal(solvedIt.status, 204)
		const cookie = solvedIt.headers['set-cookie'].split(';')[0]
		assert.match(solvedIt.headers['set-cookie'], /HttpOnly; SameSite=Lax/)
		assert.equal((await answer({})).status, 403, 'used once')
		assert.equal(origin.requests.length, before)
		assert.equal((await get('/shop', { cookie: `a=b; ${cookie}` })).text, 'origin GET /shop ')
		// A pass of another agent, a forged one, one that ends later, a challenge in its place.
		for (const [forged, agent = CHROME] of [[cookie, `${CHROME} x`], [cookie.replace(/.$/, last => (last === '0' ? '1' : '0'))], [cookie.replace(/=\d+/, t => `=${Number(t.slice(1)) + 9999}`)], [`edge-pass=${salt}`], ['edge-pass=']])
			assert.equal((await get('/shop', { cookie: forged, 'user-agent': agent })).status, 403, forged)
		assert.equal((await get('/', { 'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1)', accept: '*/*' })).status, 403, 'a name is no proof')
		assert.equal((await get('/robots.txt')).status, 200)
		assert.equal((await get('/robots.txt.bak')).status, 403)
		assert.equal((await get('/.env', { cookie })).status, 403)
		assert.equal((await get('/shop', { cookie })).status, 403, 'trapped')
	}))

test('anti-bot lets a real browser in', { skip }, () =>
	example('anti-bot', async dev => {
		const came = () => origin.requests.some(r => r.url === '/for-browsers' && /edge-pass=/.test(r.headers.cookie))
		await browse(`http://127.0.0.1:${dev.port}/for-browsers`, () => raw.until(came, { timeout: 60000, what: 'the browser' }), { agent: CHROME })
	}))
