import axios from 'axios'
import { AwsClient, AwsV4Signer } from 'aws4fetch'
import * as openid from 'openid-client'
import Stripe from 'stripe'

const stripe = new Stripe('sk_test_x', { httpClient: Stripe.createFetchHttpClient(), maxNetworkRetries: 0 })
const aws = new AwsClient({ accessKeyId: 'AKID', secretAccessKey: 'secret', region: 'eu-west-1', service: 's3' })
export default {
	async fetch(request) {
		const { pathname, searchParams } = new URL(request.url), origin = searchParams.get('origin')
		if (pathname === '/axios') {
			const api = axios.create({ baseURL: origin, adapter: 'fetch', headers: { 'x-a': 'b' }, timeout: 5000 })
			const { data, status } = await api.post('/echo', { n: 1 }, { params: { q: 'a b', l: [1, 2] } }), text = await api.get('/text', { responseType: 'arraybuffer' })
			const failed = await api.get('/status/404').catch((e) => [e.name, e.code, e.message, e.response.status, axios.isAxiosError(e)])
			const validated = await api.get('/status/500', { validateStatus: () => true }), form = await api.postForm('/echo', { a: 'b' })
			return Response.json([status, data, text.data.byteLength, failed, validated.status, /multipart\/form-data/.test(form.data.type)])
		}
		if (pathname === '/aws') {
			const signed = await new AwsV4Signer({ accessKeyId: 'AKID', secretAccessKey: 'secret', url: 'https://b.s3.amazonaws.com/k?x=1', datetime: '20240101T000000Z', region: 'eu-west-1', service: 's3' }).sign()
			const put = await aws.sign('https://b.s3.eu-west-1.amazonaws.com/key', { method: 'PUT', body: 'x', headers: { 'content-type': 'text/plain' }, aws: { datetime: '20240101T000000Z' } })
			return Response.json([signed.headers.get('authorization'), signed.url.href, put.headers.get('authorization')])
		}
		if (pathname === '/openid') {
			const config = await openid.discovery(new URL(origin), 'client', 'secret', undefined, { execute: [openid.allowInsecureRequests] })
			const challenge = await openid.calculatePKCECodeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')
			const url = openid.buildAuthorizationUrl(config, { redirect_uri: 'https://a/cb', scope: 'openid', code_challenge: challenge, code_challenge_method: 'S256', state: 's' })
			const tokens = await openid.clientCredentialsGrant(config, { scope: 'x' })
			return Response.json([config.serverMetadata().token_endpoint.replace(origin, ''), challenge, url.search, tokens.access_token, openid.randomPKCECodeVerifier().length])
		}
		const payload = JSON.stringify({ id: 'evt_1', object: 'event', type: 'charge.succeeded' }), secret = 'whsec_x'
		const header = await stripe.webhooks.generateTestHeaderStringAsync({ payload, secret, timestamp: 1700000000 })
		const event = await stripe.webhooks.constructEventAsync(payload, header, secret, 1e12)
		const bad = await stripe.webhooks.constructEventAsync(`${payload} `, header, secret, 1e12).catch((e) => e.type)
		const own = new Stripe('sk_test_x', { httpClient: Stripe.createFetchHttpClient(), host: new URL(origin).hostname, port: new URL(origin).port, protocol: 'http', maxNetworkRetries: 0 })
		const customer = await own.customers.create({ email: 'a@b.c', metadata: { k: 'v' } })
		return Response.json([header, event.type, bad, customer])
	},
}
export const requests = [['/axios'], ['/aws'], ['/openid'], ['/stripe']]
