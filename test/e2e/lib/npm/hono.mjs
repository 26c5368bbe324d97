import { Hono } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { jwt, sign } from 'hono/jwt'
import { logger } from 'hono/logger'
import { streamSSE } from 'hono/streaming'
import { html } from 'hono/html'
import { getCookie, setCookie } from 'hono/cookie'
import { validator } from 'hono/validator'

const app = new Hono()
app.use('*', logger(() => {}))
app.use('/etag/*', etag())
app.use('/jwt/*', jwt({ secret: 'it is very secret', alg: 'HS256' }))
app.use('/basic/*', basicAuth({ username: 'ada', password: 'love' }))
app.use('/cors/*', cors({ origin: 'https://a.example' }))
app.get('/etag/x', (c) => c.text('tagged'))
app.get('/jwt/me', (c) => c.json(c.get('jwtPayload')))
app.get('/token', async (c) => c.text(await sign({ sub: 'ada', n: 1 }, 'it is very secret', 'HS256')))
app.get('/basic/x', (c) => c.text('in'))
app.get('/cors/x', (c) => c.text('shared'))
app.get('/sse', (c) => streamSSE(c, async (stream) => { for (let id = 0; id < 3; id++) await stream.writeSSE({ data: `n ${id}`, event: 'tick', id: String(id) }) }))
app.get('/html', (c) => c.html(html`<p>${'<b>'}</p>`))
app.get('/cookie', (c) => { setCookie(c, 'seen', '1', { path: '/', httpOnly: true }); return c.json(getCookie(c)) })
app.post('/form', validator('form', (v) => ({ name: String(v.name) })), (c) => c.json(c.req.valid('form')))
app.get('/user/:id{[0-9]+}', (c) => c.text(c.req.param('id')))
app.notFound((c) => c.text('nowhere', 404))
app.onError((e, c) => c.text(e.message, e.status ?? 500))
export default app

export const requests = [
	['/etag/x'], ['/etag/x', { headers: { 'if-none-match': '"2f6ac6c6b4f1f8ddc7a3d4f4e6cc27c8e21cf3d8"' } }], ['/jwt/me'], ['/jwt/me', { headers: { authorization: 'Bearer x.y.z' } }], ['/token'], ['/basic/x'], ['/basic/x', { headers: { authorization: `Basic ${btoa('ada:love')}` } }],
	['/cors/x', { headers: { origin: 'https://a.example' } }], ['/cors/x', { method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' } }], ['/sse'], ['/html'], ['/cookie', { headers: { cookie: 'a=1; b=two' } }],
	['/form', { method: 'POST', body: 'name=ada', headers: { 'content-type': 'application/x-www-form-urlencoded' } }], ['/user/12'], ['/user/x'], ['/none'],
]
