// Where clients are: request.info and request.cf, of databases that the operator names.
import test from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { project, run, startDev } from './lib/desk.mjs'
import { berlin, encode, mmdb, telekom, Uint } from './lib/mmdb.mjs'
import { startNode, tempDir, writeConfig } from './lib/node.mjs'
import { request, until } from './lib/raw.mjs'

const routine = `addEventListener("fetch", e => e.respondWith(Response.json({ info: e.info, cf: e.request.cf, same: e.request.info === e.info, copy: new Request(e.request).cf.country ?? null })))`
const paris = { country: { iso_code: 'FR', names: { en: 'France' } }, city: { names: { en: 'Paris' } } }
const networks = { '203.0.113.0/24': berlin, '127.0.0.3/32': paris, '10.1.0.0/16': { country: { iso_code: 'XA', names: { en: 'Our office' } } }, '2001:db8::/32': berlin, '198.51.100.7/32': { country: { iso_code: 'US', names: { en: 'United States' } }, subdivisions: [{ iso_code: 'CA', names: { en: 'California' } }], location: { latitude: 37.7749, longitude: -122.4194, metro_code: new Uint(807, 5) } } }

/** A file with these bytes, put in place as geoipupdate does. */
function put(file, content) {
	fs.writeFileSync(`${file}.new`, content)
	fs.renameSync(`${file}.new`, file)
}
async function startWhere({ geo = {}, files = { 'city.mmdb': mmdb(networks) }, config = {}, ...more } = {}) {
	const dir = tempDir('er-geo-')
	for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(dir, name), content)
	const database = Object.keys(files).map(name => path.join(dir, name))
	const node = await startNode({ routines: { where: routine }, config: { trustedProxies: ['127.0.0.1'], geo: { database: database.length === 1 ? database[0] : database, ...geo }, ...config }, ...more })
	return Object.assign(node, { files: database })
}
async function ask(node, client, { from = '127.0.0.1', headers = {} } = {}) {
	const res = await request({ host: '127.0.0.1', port: node.port, localAddress: from }, '/', { host: 'where.localhost', headers: { ...(client ? { 'X-Forwarded-For': client } : {}), ...headers } })
	assert.equal(res.status, 200, res.text)
	return JSON.parse(res.text)
}
async function reload(node, change = {}) {
	writeConfig(node.configFile, { ...JSON.parse(fs.readFileSync(node.configFile, 'utf8')), ...change })
	node.signal('SIGHUP')
}
const country = async (node, client, more) => (await ask(node, client, more)).info.ip_country_id ?? null

test('a routine reads where its client is, by both names', async () => {
	const node = await startWhere({ geo: { colo: 'FRA', language: 'zh-CN' }, files: { 'city.mmdb': mmdb(networks), 'asn.mmdb': mmdb({ '203.0.113.0/25': telekom }, { type: 'Test-ASN', version: 4 }) } })
	try {
		const { info, cf, same, copy } = await ask(node, '203.0.113.5', { headers: { 'user-agent': 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148' } })
		assert.deepEqual(info, {
			remote_addr: '203.0.113.5', scheme: 'http', detector_device: 'mobile', ip_country: '德国', ip_country_id: 'DE', ip_country_en: 'Germany', ip_region: '柏林州', ip_region_id: 'DE-BE', ip_region_en: 'State of Berlin',
			ip_city: '柏林', ip_city_id: '2950159', ip_city_en: 'Berlin', ip_isp: 'Deutsche Telekom AG', ip_isp_id: '3320', ip_isp_en: 'Deutsche Telekom AG',
		})
		assert.deepEqual(cf, {
			colo: 'FRA', country: 'DE', isEUCountry: '1', city: 'Berlin', continent: 'EU', latitude: '52.52437', longitude: '13.41053', postalCode: '10178', region: 'State of Berlin', regionCode: 'BE',
			timezone: 'Europe/Berlin', asn: 3320, asOrganization: 'Deutsche Telekom AG', httpProtocol: 'HTTP/1.1',
		})
		assert.deepEqual([same, copy], [true, 'DE'])
		assert.deepEqual((await ask(node, '198.51.100.7')).cf, { colo: 'FRA', country: 'US', latitude: '37.77490', longitude: '-122.41940', metroCode: '807', region: 'California', regionCode: 'CA', httpProtocol: 'HTTP/1.1' })
	} finally { await node.stop() }
})

test('IPv4, IPv6, mapped and private addresses are looked up as they are', async () => {
	const node = await startWhere()
	try {
		for (const [client, expected] of [['203.0.113.255', 'DE'], ['203.0.114.0', null], ['[2001:db8:7::1]', 'DE'], ['[2001:db9::1]', null], ['[::ffff:203.0.113.9]', 'DE'], ['10.1.2.3', 'XA'], ['10.2.0.1', null], ['192.168.1.1', null]])
			assert.equal(await country(node, client), expected, client)
	} finally { await node.stop() }
})

test('only a trusted proxy says whose place it is', async () => {
	const node = await startWhere()
	try {
		assert.equal(await country(node, '203.0.113.5', { from: '127.0.0.3' }), 'FR')
		assert.equal(await country(node, '127.0.0.3'), 'FR')
		const said = await ask(node, undefined, { headers: { 'CF-IPCountry': 'US', 'X-Geo-Country': 'US' } })
		assert.deepEqual([said.info.ip_country_id, said.cf], [undefined, { httpProtocol: 'HTTP/1.1' }])
	} finally { await node.stop() }
})

test('without a database nothing is made up', async () => {
	const node = await startNode({ routines: { where: routine } })
	try {
		assert.deepEqual(await ask(node), { info: { remote_addr: '127.0.0.1', scheme: 'http' }, cf: { httpProtocol: 'HTTP/1.1' }, same: true, copy: null })
	} finally { await node.stop() }
})

test('a new file is in force while requests go on, a broken one leaves the old one', async () => {
	const node = await startWhere({ config: { admin: '127.0.0.1:0' } })
	const [file] = node.files
	const seen = re => node.err.filter(l => re.test(l)).length
	try {
		assert.equal(await country(node, '203.0.113.5'), 'DE')
		put(file, mmdb({ '203.0.113.0/24': paris }))
		await reload(node)
		await until(async () => (await country(node, '203.0.113.5')) === 'FR', { what: 'the new file' })
		const good = mmdb(networks)
		for (const [what, content] of [['cut', good.subarray(0, good.length - 40)], ['empty', ''], ['text', 'not a database\n'.repeat(100)], ['no tree', Buffer.concat([Buffer.alloc(40), good.subarray(good.lastIndexOf('MaxMind.com') - 3)])]]) {
			const before = seen(/stays in force/)
			put(file, content)
			await reload(node)
			await until(() => seen(/stays in force/) > before, { what: `the log, of a file that is ${what}` })
			assert.equal(await country(node, '203.0.113.5'), 'FR', what)
		}
		// the same broken file is not spoken of again
		const before = seen(/stays in force/), reloads = seen(/reloaded/)
		await reload(node)
		await until(() => seen(/reloaded/) > reloads)
		const health = JSON.parse((await request({ host: '127.0.0.1', port: node.adminPort }, '/health', {})).text)
		assert.equal(health.geo[0].type, 'Test-City')
		assert.match(health.geo[0].fault, /MaxMind/)
		assert.ok(health.geo[0].age_s >= 3600)
		const metrics = (await request({ host: '127.0.0.1', port: node.adminPort }, '/metrics', {})).text
		assert.match(metrics, /^er_geo_current\{database=".*city\.mmdb"\} 0$/m)
		assert.match(metrics, /^er_geo_failures_total 4$/m)
		assert.match(metrics, /^er_geo_built_timestamp_seconds\{database=".*city\.mmdb",type="Test-City"\} \d+$/m)
		assert.equal(seen(/stays in force/), before)
		put(file, mmdb({ '203.0.113.0/24': berlin }))
		await reload(node)
		await until(async () => (await country(node, '203.0.113.5')) === 'DE', { what: 'the good file' })
	} finally { await node.stop() }
})

test('a file that is cut or written over in place harms nobody', async () => {
	const node = await startWhere()
	const [file] = node.files
	try {
		assert.equal(await country(node, '203.0.113.5'), 'DE')
		fs.truncateSync(file, 10)
		for (const client of ['203.0.113.6', '[2001:db8::9]', '10.1.0.1']) assert.notEqual(await country(node, client), null)
		fs.writeFileSync(file, Buffer.alloc(5000, 0xff))
		assert.equal(await country(node, '203.0.113.77'), 'DE')
	} finally { await node.stop() }
})

test('a node serves without the file that it is told of, and with it as soon as it is there', async () => {
	const node = await startWhere({ files: { 'city.mmdb': '' } })
	try {
		assert.equal(await country(node, '203.0.113.5'), null)
		assert.ok(node.err.some(l => /Routines find nothing of it/.test(l)))
		put(node.files[0], mmdb(networks))
		await reload(node)
		await until(async () => (await country(node, '203.0.113.5')) === 'DE', { what: 'the file' })
		await reload(node, { geo: undefined })
		await until(async () => (await country(node, '203.0.113.5')) === null, { what: 'no database' })
	} finally { await node.stop() }
})

test('a hostile file ends neither the node nor its answers', async () => {
	const nested = depth => Buffer.concat([...Array(depth).fill(Buffer.of(0x01, 0x04)), encode('x')])
	const pointer = Buffer.of(0x20, 0) // to the data's first byte: itself
	for (const [what, content] of [
		['deep', mmdb({ '203.0.113.0/24': { a: nested(2_000_000), country: { iso_code: 'DE' } } })],
		['deep metadata', mmdb(networks, { metadata: { a: nested(60_000) } })],
		['a pointer to itself', mmdb({ '203.0.113.0/24': pointer })],
		['a map without end', mmdb({ '203.0.113.0/24': Buffer.of(0xff, 0xff, 0xff, 0xff) })],
		['lines', mmdb({ '203.0.113.0/24': { country: { iso_code: 'DE\nremote_addr\n6.6.6.6' }, city: { names: { en: 'x'.repeat(100000) } } } })],
		['not UTF-8', mmdb({ '203.0.113.0/24': { country: { iso_code: Buffer.from([0x42, 0xff, 0xfe]) } } })],
		['numbers', mmdb({ '203.0.113.0/24': { location: { latitude: NaN, longitude: 1e300 } } })],
	]) {
		const node = await startWhere({ files: { 'city.mmdb': content } })
		try {
			const { info, cf } = await ask(node, '203.0.113.5')
			assert.deepEqual([info, cf], [{ remote_addr: '203.0.113.5', scheme: 'http' }, { httpProtocol: 'HTTP/1.1' }], what)
		} finally { await node.stop() } // and it ends well
	}
})

test('er node check says what is wrong with a database, and what to do', async () => {
	const dir = tempDir('er-geo-check-'), file = path.join(dir, 'node.jsonc')
	const check = async geo => {
		fs.writeFileSync(file, JSON.stringify({ geo }))
		const { code, out, err } = await run(['node', 'check', '--config', file], { cwd: dir })
		return { code, said: out + err }
	}
	const good = mmdb(networks)
	fs.writeFileSync(path.join(dir, 'good.mmdb'), good)
	fs.writeFileSync(path.join(dir, 'cut.mmdb'), good.subarray(0, good.length - 30))
	fs.writeFileSync(path.join(dir, 'old.mmdb'), mmdb(networks, { built: 1500000000 }))
	let it = await check({ database: 'good.mmdb' })
	assert.equal(it.code, 0, it.said)
	assert.match(it.said, /^ {2}geo +\S*good\.mmdb$/m)
	it = await check({ database: ['good.mmdb', 'cut.mmdb'] })
	assert.equal(it.code, 0, 'the node starts')
	assert.match(it.said, /cut\.mmdb: is no database in MaxMind's format, or is cut off; take a new copy.*serves without it/)
	it = await check({ database: 'none.mmdb' })
	assert.equal(it.code, 0)
	assert.match(it.said, /none\.mmdb: No such file.*serves without it/)
	it = await check({ database: 'old.mmdb' })
	assert.equal(it.code, 0)
	assert.match(it.said, /was made \d+ days ago/)
	for (const [geo, mistake] of [[{ database: 5 }, /a path, or an array of paths/], [{ database: ['good.mmdb', 'good.mmdb'] }, /named twice/], [{ language: 'x/y' }, /a language/], [{ colo: 'a b' }, /a word in ASCII/], [{ databse: 'x' }, /database/]]) {
		it = await check(geo)
		assert.equal(it.code, 1)
		assert.match(it.said, mistake)
	}
})

test('er dev has a place for its clients: of a database, of an address, or pretended', async () => {
	const dir = project({ 'er.jsonc': '{ "name": "where", "main": "index.js" }', 'index.js': routine, 'city.mmdb': mmdb(networks) })
	const where = async args => {
		const dev = await startDev(args, { cwd: dir })
		const { info, cf } = JSON.parse((await dev.get('/', { headers: { 'X-Forwarded-For': '198.51.100.7' } })).text)
		assert.equal(await dev.stop(), 0)
		return [info.remote_addr, info.ip_country_id, cf.city]
	}
	assert.deepEqual(await where(['--geo', 'city.mmdb', '--client', '203.0.113.5']), ['203.0.113.5', 'DE', 'Berlin'])
	assert.deepEqual(await where(['--place', 'country=FR,city=Paris']), ['127.0.0.1', 'FR', 'Paris'])
	for (const [args, mistake] of [[['--geo', 'index.js'], /MaxMind/], [['--place', 'land=DE'], /no field of a place/], [['--place', 'country='], /country has no value/], [['--client', '10.0.0.0/8'], /an address is expected/]]) {
		const { code, out, err } = await run(['dev', ...args], { cwd: dir })
		assert.equal(code, 2, out + err)
		assert.match(out + err, mistake)
	}
})
