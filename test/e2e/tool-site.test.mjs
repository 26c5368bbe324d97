// er site, er cache and er purge as a person types them: what they say, and what they end with.
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { project } from './lib/desk.mjs'
import { startOrigin } from './lib/origin.mjs'
import * as raw from './lib/raw.mjs'
import { startPlane } from './lib/tool.mjs'

let plane, origin
before(async () => {
	origin = await startOrigin((req, res) => {
		if (req.url === '/text') return res.setHeader('content-type', 'text/css').setHeader('cache-control', 'max-age=600').end('p { margin: 0 }\n'.repeat(1000))
		if (req.url === '/mine') return res.setHeader('cache-control', 'private').end('mine')
		res.setHeader('cache-control', 'max-age=600').setHeader('vary', 'accept-language').setHeader('cache-tag', 'a, b').end('page')
	})
	plane = await startPlane({ routineAddresses: ['127.0.0.0/8'] })
})
after(async () => {
	await plane?.stop()
	await origin?.close()
})

const get = target => raw.request(plane.node.port, target, { host: 'shop.example', headers: { 'accept-language': 'de' } })

test('a site is added, shown with its servers, explained and removed', async () => {
	assert.match((await plane.er(['site', 'add', 'shop.example', '--origin', origin.url])).out, /the site shop\.example is in force/)
	assert.equal((await get('/a')).status, 502, 'a private address without a consent')
	assert.equal((await plane.er(['site', 'add', 'shop.example', '--origin', origin.url, '--private'])).code, 0)
	for (const target of ['/a', '/a', '/mine']) assert.equal((await get(target)).status, 200)
	assert.match((await plane.er(['site', 'show', 'shop.example'])).out, /server +http:..127\.0\.0\.1:\d+, weight 1: up; asked \d times, \d failed/)
	const explained = (await plane.er(['cache', 'explain', 'http://shop.example/a'])).out
	assert.match(explained, /stored: status 200, 4 B, 1 hits; fresh: \d s old, \d+ s left\n +the origin says max-age=600\n +for requests with accept-language: de\n +it has 2 tags/)
	assert.match((await plane.er(['cache', 'explain', 'http://shop.example/mine'])).out, /not stored lately: the response says private/)
	assert.match((await plane.er(['cache'])).out, /requests +\d+: .* answered from the store[\s\S]*not stored:\n +1 +the response says private[\s\S]*most used:\n +1 hits +4 B +shop\.example\/a/)
	assert.deepEqual(JSON.parse((await plane.er(['purge', 'shop.example/a', '--tag', 'a,zz', '--json'])).out).purged, 3)
	assert.match((await plane.er(['cache', 'explain', 'http://shop.example/a'])).out, /not stored: nobody asked/)
	assert.match((await plane.er(['site', 'rm', 'shop.example', '--yes'])).out, /removed the site/)
	assert.match((await plane.er(['site', 'test', 'shop.example/a'])).out, /no site has the host of http:..shop\.example.a: 404/)
	assert.match((await plane.er(['site', 'test', 'shop.example/a%2f..%2fb'])).out, /refuses .* with status 400/)
})

test('er cache shows how often the store answers, site by site', async () => {
	for (const name of ['one', 'two']) assert.equal((await plane.er(['site', 'add', `${name}.example`, '--origin', origin.url, '--private'])).code, 0)
	for (const host of ['one.example', 'one.example', 'one.example', 'one.example', 'two.example']) assert.equal((await raw.request(plane.node.port, '/a', { host })).status, 200)
	assert.match((await plane.er(['cache'])).out, /\nby site:\n[\s\S]* 75\.0 % hits +4 requests +one\.example\n[\s\S]* 0\.0 % hits +1 requests +two\.example\n/)
	const { sites } = JSON.parse((await plane.er(['cache', '--json'])).out)
	assert.deepEqual(sites.filter(s => /^(one|two)/.test(s.name)).map(s => [s.name, s.requests.hits, s.requests.misses, s.hit_ratio]), [['one.example', 3, 1, 0.75], ['two.example', 0, 1, 0]])
	for (const name of ['one', 'two']) assert.equal((await plane.er(['site', 'rm', `${name}.example`, '--yes'])).code, 0)
})

test('a site is compressed as it is told, and what is compressed is shown', async () => {
	const accepts = { host: 'shop.example', headers: { 'accept-encoding': 'br, zstd, gzip' } }
	const text = () => raw.request(plane.node.port, '/text', accepts)
	assert.equal((await plane.er(['site', 'add', 'shop.example', '--origin', origin.url, '--private', '--compress', 'off'])).code, 0)
	for (let i = 0; i < 3; i++) assert.equal((await text()).headers['content-encoding'], undefined)
	assert.equal((await plane.er(['site', 'add', 'shop.example', '--origin', origin.url, '--private', '--compress', 'zstd,gzip'])).code, 0)
	const res = await raw.until(async () => (await text()).headers['content-encoding'], { what: 'a compressed answer' })
	assert.equal(res, 'zstd')
	assert.match((await plane.er(['cache', 'explain', 'http://shop.example/text'])).out, /stored: status 200, 15\.\d KB.*\n +the origin says max-age=600\n +compressed, too: zstd \d+ B\n/)
	assert.match((await plane.er(['cache'])).out, /\ncompressed +1 times: 15\.\d KB became \d+ B\n/)
	await plane.er(['purge', 'shop.example/text'])
	const fresh = await text()
	assert.match(fresh.headers['cache-status'], /uri-miss/, 'a purge is of all codings')
	assert.equal(fresh.headers['content-encoding'], undefined)
	const wrong = await plane.er(['site', 'add', 'shop.example', '--origin', origin.url, '--compress', 'deflate'])
	assert.equal(wrong.code, 1)
	assert.match(wrong.err, /"br", "zstd" or "gzip"/)
	assert.match((await plane.er(['site', 'add', 'x', '--origin', origin.url, '--no-cache', '--compress', 'off'])).err, /--no-cache stores nothing/)
	await plane.er(['site', 'rm', 'shop.example', '--yes'])
})

test('the whole of a site comes from a file or a pipe', async () => {
	const dir = project({ 'site.jsonc': `{ "hosts": ["full.example"], // a comment\n"cache": false, "origin": { "servers": [{ "url": "http://a.example", "weight": 5 }, "http://b.example"], "retries": 3 } }` })
	assert.equal((await plane.er(['site', 'add', 'full', '--settings', path.join(dir, 'site.jsonc')])).code, 0)
	const shown = JSON.parse((await plane.er(['site', 'show', 'full', '--json'])).out)
	assert.deepEqual([shown.cache, shown.servers.map(s => s.weight), shown.settings.origin.retries], [false, [5, 1], 3])
	await plane.er(['site', 'rm', 'full', '--yes'])
	fs.writeFileSync(path.join(dir, 'bad.jsonc'), '{ "hosts": }')
	const bad = await plane.er(['site', 'add', 'full', '--settings', path.join(dir, 'bad.jsonc')])
	assert.equal(bad.code, 2)
	assert.match(bad.err, /bad\.jsonc: /)
})

test('what is called wrongly, or is not there, has its own status', async () => {
	for (const [code, message, ...args] of [
		[2, /either --origin URL,... or --settings FILE/, 'site', 'add', 'x'],
		[2, /either --origin/, 'site', 'add', 'x', '--origin', 'http://a.example', '--settings', 'x'],
		[2, /what is to be purged/, 'purge'],
		[2, /what is to be purged/, 'purge', '--soft'],
		[1, /"ftp:..x" is not an origin/, 'site', 'add', 'x', '--origin', 'ftp://x'],
		[1, /is no name of a site/, 'site', 'add', 'X_', '--origin', 'http://a.example'],
		[1, /a URL, as https:/, 'purge', '://'],
		[5, /there is no site "gone"/, 'site', 'show', 'gone'],
		[5, /there is no site "gone"/, 'site', 'rm', 'gone', '--yes'],
	]) {
		const r = await plane.er(args)
		assert.match(r.err, message, args.join(' '))
		assert.equal(r.code, code, args.join(' '))
	}
})
