// Services: what a call of another routine asks the node, and what it makes of its answer.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Instance, agreed } from './mock-er.mjs';

const { BODY_NONE, BODY_WHOLE, FETCH_SERVICE } = agreed.numbers;
const start = body =>
	new Instance({ bindings: 'service\nAUTH\nauth\nassets\nASSETS\n\n' }).load(`globalThis.__er_module = { default: { fetch(request, env) { ${body} } } }`);
const asked = i => i.calls.filter(c => c[0] === 'fetch').map(([, fid, owner, method, url, block, options, flags, body, service]) => ({ fid, method, url, block, options, flags, body, service }));
const head = (i, fid, status, block = '') => i.turn(1, () => i.hooks.subHead(fid, status, undefined, block, undefined, false, -1));

test('the request that came in goes on as it came, and nothing of it is made into values', () => {
	const i = start('return env.AUTH.fetch(request)');
	const r = i.request();
	const call = i.calls.find(c => c[0] === 'fetchRequest');
	assert.deepEqual(call.slice(3), [FETCH_SERVICE, 'AUTH']);
	head(i, call[1], 204);
	assert.equal(r.response.status, 204);
	assert.equal(asked(i).length, 0);
});

test('a request of its own says method, URL, fields and body, and adds none', () => {
	const i = start(`return env.AUTH.fetch('https://any.example/check?x=1', { method: 'POST', body: 'hi', headers: { 'x-a': '1' } }).then(a => new Response([a.status, a.url, a instanceof Response].join()))`);
	const r = i.request();
	const [a] = asked(i);
	assert.deepEqual([a.method, a.url, a.options, a.flags, a.service], ['POST', 'https://any.example/check?x=1', FETCH_SERVICE, BODY_WHOLE, 'AUTH']);
	assert.equal(a.block, 'x-a\n1\ncontent-type\ntext/plain;charset=UTF-8\n');
	head(i, a.fid, 401);
	assert.equal(r.response.body, '401,https://any.example/check?x=1,true');
});

test('a failure says which member of env was called, and its kind is the code', () => {
	const i = start(`return env.AUTH.fetch('https://any.example').catch(e => new Response([e.name, e.message, e.code].join()))`);
	const r = i.request();
	const [a] = asked(i);
	assert.equal(a.flags, BODY_NONE);
	i.turn(1, () => i.hooks.subFail(a.fid, 'cpu', 'the routine auth: too slow'));
	assert.equal(r.response.body, 'Error,env.AUTH.fetch failed: the routine auth: too slow,cpu');
});

test('it is no other kind of fetch: no data URL, not at top level, not with another this', () => {
	const i = start(`
		const why = [];
		const wait = p => p.then(() => why.push('no'), e => why.push(e.name));
		return (async () => {
			await wait(env.AUTH.fetch('data:,x'));
			await wait(env.AUTH.fetch());
			await wait(env.AUTH.fetch.call({}, 'https://x.example'));
			why.push(env.AUTH === env.AUTH, env.AUTH !== env.ASSETS, env.AUTH.constructor === env.ASSETS.constructor);
			return new Response(why.join());
		})()`);
	const r = i.request();
	assert.equal(r.response.body, 'TypeError,TypeError,TypeError,true,true,true');
	assert.equal(asked(i).length, 0);
});
