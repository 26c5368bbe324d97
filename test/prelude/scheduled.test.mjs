// The scheduled event: what the handler gets, when it is over, and what became of it.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Instance } from './mock-er.mjs';

const INFO = 'remote_addr\n\nscheme\nhttp\nhttpProtocol\n\ncron\n*/5 1 * * *\nscheduledTime\n1700000100000\n';
const module = body => new Instance({ env: '{"NAME":"value"}' }).load(`globalThis.__er_module = { default: { ${body} } }`);

test('a module gets the event, env and ctx, and is over when it has returned', () => {
	const i = module(`scheduled(event, env, ctx) { console.log([event.type, event.cron, event.scheduledTime, env.NAME, event.constructor.name, typeof ctx.waitUntil].join()); event.noRetry() }`);
	const r = i.scheduled({ info: INFO });
	assert.match(i.told('log')[0][2], /^scheduled,\*\/5 1 \* \* \*,1700000100000,value,ScheduledEvent,function$/);
	assert.equal(r.response.status, 204);
	assert.equal(r.over, true);
});

test('a classic routine listens, also several times', () => {
	const i = new Instance().load(`addEventListener('scheduled', e => e.waitUntil(Promise.resolve().then(() => console.log('one ' + e.cron)))); addEventListener('scheduled', { handleEvent() { console.log('two') } })`);
	const r = i.scheduled({ info: INFO });
	assert.deepEqual(i.told('log').map(l => l[2]), ['two', 'one */5 1 * * *']);
	assert.equal(r.response.status, 204);
});

test('it waits for all that was left to waitUntil, and fails with the first that fails', () => {
	const i = module(`async scheduled(event, env, ctx) { ctx.waitUntil(new Promise((_, no) => setTimeout(() => no(new Error('late')), 50))); ctx.waitUntil(new Promise(r => setTimeout(r, 100))) }`);
	const r = i.scheduled({ info: INFO });
	assert.equal(r.over, false);
	i.runTimers(1);
	assert.equal(r.over, false);
	i.runTimers(1);
	assert.equal(r.failed.message, 'late');
	assert.equal(r.over, true);
});

test('what the handler throws is how it failed, and so is that there is none', () => {
	const thrown = module(`scheduled() { throw new RangeError('no') }`).scheduled({ info: INFO });
	assert.equal(thrown.failed.message, 'no');
	const none = module(`fetch() { return new Response('x') }`).scheduled({ info: INFO });
	assert.match(none.failed.message, /no handler of the scheduled event/);
	const i = module(`scheduled() {}`);
	assert.match(i.request().failed.message, /answers no requests/);
});
