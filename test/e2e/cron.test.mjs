// What routines do by the clock: on a node, over its death, by hand, and at the desk.
import test from 'node:test'
import assert from 'node:assert/strict'
import { startStore } from './lib/deploy.mjs'
import { project, startDev } from './lib/desk.mjs'
import { tool } from './lib/tool.mjs'
import * as raw from './lib/raw.mjs'

const MINUTE = 60000
const sleep = ms => new Promise(r => setTimeout(r, ms))
const module = body => `globalThis.__er_module = { default: { ${body} } }`
const job = module(`async scheduled(event, env, ctx) {
	console.log('job ' + event.cron + ' ' + event.scheduledTime)
	ctx.waitUntil(new Promise(r => setTimeout(r, 20)).then(() => console.log('later')))
	if (event.cron === '0 0 1 1 *') throw new Error('not today')
	if (event.cron === '0 1 1 1 *') for (;;);
}, fetch() { return new Response('no job') }`)
const crons = ['* * * * *', '0 0 1 1 *', '0 1 1 1 *']
const ending = (t, node) =>
	t.after(async () => {
		await node().stop()
		node().forget()
		assert.doesNotMatch(node().log, /AddressSanitizer|runtime error|internal error/)
	})
const history = async node => (await node.ok('GET', '/v1/routines/job/crons/history')).items

test('a time comes once, at its minute, whether the node is up or comes back; and by hand at any time', { timeout: 180000 }, async t => {
	if (MINUTE - (Date.now() % MINUTE) < 15000) await sleep(MINUTE - (Date.now() % MINUTE) + 500)
	let up = await startStore({ config: { threads: 1 } })
	ending(t, () => up)
	let down = await startStore({ config: { threads: 1 } })
	ending(t, () => down)
	for (const node of [up, down]) await node.deploy('job', job, { settings: { crons, limits: { cpuMs: 100 } } })
	const boundary = Math.ceil(Date.now() / MINUTE) * MINUTE
	await up.deploy('job', job, { settings: { crons: ['* * * * *'] }, environment: 'staging' })
	await raw.until(async () => (await down.ok('GET', '/v1/crons')).items.length === 3, { what: 'the times of the node' })
	process.kill(down.pid, 'SIGKILL')
	await down.exited

	// By hand: the outcome, what it said, and what is wrong.
	const cli = args => tool(args, { cwd: up.dir, env: { ER_NODE: `${up.data}/admin.sock` } })
	const listed = await cli(['cron', 'list', '--json'])
	assert.deepEqual(JSON.parse(listed.out).items.map(i => i.cron), crons)
	assert.equal(JSON.parse(listed.out).items[1].next.slice(4), '-01-01T00:00:00.000Z')
	const ran = await cli(['cron', 'run', 'job'])
	assert.equal(ran.code, 0, ran.out + ran.err)
	assert.match(ran.out, /^job \* \* \* \* \* \d+\nlater\nok {2}\("\* \* \* \* \*", \d+ us CPU/)
	const failed = await cli(['cron', 'run', 'job', '0 0 1 1 *'])
	assert.equal(failed.code, 1)
	assert.match(failed.out, /not today[^]*failed: The routine threw an exception/)
	const busy = await up.api('POST', '/v1/routines/job/crons/run', { cron: '0 1 1 1 *' })
	assert.equal(busy.json.outcome, 'failed')
	assert.match(busy.json.error, /limits\.cpuMs/)
	assert.equal((await up.api('POST', '/v1/routines/job/crons/run', { cron: '5 5 5 5 *' })).status, 404)
	assert.equal((await up.api('POST', '/v1/routines/nobody/crons/run', {})).status, 404)
	assert.deepEqual((await history(up)).map(r => [r.cron, r.outcome, r.manual]), [['0 1 1 1 *', 'failed', true], ['0 0 1 1 *', 'failed', true], ['* * * * *', 'ok', true]])
	for (const [wrong, at] of [['* * * *', /day of the week is missing/], ['61 * * * *', /minute is a number from 0 to 59/]]) {
		const res = await up.api('POST', '/v1/routines/job/deploy', { code: job, environment: 'production', settings: { crons: [wrong] } })
		assert.equal(res.status, 400)
		assert.match(res.text, at)
		assert.match(res.text, /"field":"settings\.crons\[0\]"/)
	}

	// The minute.
	await sleep(boundary - Date.now() + 100)
	const byClock = async node => (await history(node)).filter(r => !r.manual)
	await raw.until(async () => (await byClock(up))[0]?.outcome === 'ok', { what: 'the run of the minute' })
	const [run] = await byClock(up)
	assert.equal(Date.parse(run.scheduled), boundary)
	assert.ok(Date.parse(run.at) - boundary < 5000 && Date.parse(run.at) >= boundary, run.at)
	const said = (await up.api('GET', '/v1/logs?routine=job&kinds=console')).text
	assert.match(said, new RegExp(`job \\* \\* \\* \\* \\* ${boundary}`))
	assert.doesNotMatch(said, /staging/)

	// Who was away at the minute does it late, once; and whoever is killed then does not
	// do it again.
	down = await startStore({ data: down.data, config: { threads: 1 } })
	await raw.until(async () => (await byClock(down))[0]?.outcome === 'ok', { what: 'the run that comes late' })
	for (const which of ['up', 'down']) {
		const node = which === 'up' ? up : down
		process.kill(node.pid, 'SIGKILL')
		await node.exited
		const again = await startStore({ data: node.data, config: { threads: 1 } })
		if (which === 'up') up = again
		else down = again
	}
	await raw.until(async () => (await up.ok('GET', '/v1/crons')).items.length === 3 && (await down.ok('GET', '/v1/crons')).items.length === 3, { what: 'the times of the nodes' })
	await sleep(1500)
	for (const node of [up, down]) {
		const runs = (await byClock(node)).filter(r => Date.parse(r.scheduled) === boundary)
		assert.deepEqual(runs.map(r => [r.cron, r.outcome]), [['* * * * *', 'ok']])
	}
	const metrics = await up.metrics()
	assert.ok(metrics.has('er_cron_runs_total{outcome="ok"}'))
	// Another deployment has other times; a routine that is gone has none, and no history.
	await up.deploy('job', job, { settings: { crons: ['0 2 1 1 *'] } })
	assert.deepEqual((await up.ok('GET', '/v1/routines/job/crons')).items.map(i => i.cron), ['0 2 1 1 *'])
	await up.ok('DELETE', '/v1/routines/job')
	assert.deepEqual((await up.ok('GET', '/v1/crons')).items, [])
})

test('a run that still goes on is not run beside itself, and ends with the node', { timeout: 60000 }, async t => {
	const node = await startStore({ config: { threads: 1, limits: { drainMs: 300 } } })
	ending(t, () => node)
	await node.deploy('slow', module(`scheduled() { console.log('begun'); return new Promise(r => setTimeout(r, 60000)) }`), { settings: { crons: ['0 0 1 1 *'] } })
	const waiting = node.api('POST', '/v1/routines/slow/crons/run', {}).catch(() => undefined)
	await raw.until(async () => (await node.api('GET', '/v1/logs?routine=slow&kinds=console')).text.includes('begun'), { what: 'the run' })
	assert.equal((await node.ok('GET', '/v1/routines/slow/crons/history')).items[0].outcome, 'running')
	process.kill(node.pid, 'SIGTERM')
	await node.exited
	await waiting
})

test('at the desk a time comes, too: by its URL, with what went wrong', async t => {
	const dir = project({
		'er.jsonc': '{ "name": "desk", "main": "index.js", "crons": ["*/5 * * * *"] }',
		'index.js': `export default { scheduled(event) { console.log('time ' + event.cron); if (event.cron.startsWith('1')) throw new Error('no') }, fetch() { return new Response('page') } }`,
	})
	const dev = await startDev([], { cwd: dir })
	t.after(() => dev.stop())
	assert.equal((await dev.get('/__scheduled')).status, 204)
	assert.equal((await dev.get('/__scheduled?cron=1+*+*+*+%2A')).status, 599)
	assert.equal((await dev.get('/')).text, 'page')
	for (const line of ['time */5 * * * *', 'time 1 * * * *']) await dev.event('console', e => e.text.includes(line))
})
