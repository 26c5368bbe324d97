// env.ASSETS: what it asks the node, and what it makes of its answers.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Instance, agreed } from './mock-er.mjs';

const { BODY_NONE, FETCH_DATA_ASSETS } = agreed.numbers;
const start = body =>
	new Instance({ bindings: 'assets\nASSETS\n\n' }).load(`globalThis.__er_module = { default: { async fetch(request, env) { ${body} } } }`);
const asked = i => i.calls.filter(c => c[0] === 'fetch').map(([, fid, owner, method, target, block, options, flags]) => ({ fid, method, target, block, options, flags }));
const head = (i, fid, status, block = '', { body = false, length = -1 } = {}) => i.turn(1, () => i.hooks.subHead(fid, status, undefined, block, undefined, body, length));

test('a file is asked for by path and query, with the fields of the request and no body', () => {
	const i = start(`return env.ASSETS.fetch(new Request('https://any.example/a%20b/c?d=e#f', { headers: { 'if-none-match': '"x"' } }))`);
	const r = i.request();
	const [a] = asked(i);
	assert.deepEqual([a.method, a.target, a.block, a.options, a.flags], ['GET', '/a%20b/c?d=e', 'if-none-match\n"x"\n', FETCH_DATA_ASSETS, BODY_NONE]);
	head(i, a.fid, 304, 'etag\n"x"\n');
	assert.equal(r.response.status, 304);
	assert.equal(i.lazyLoaded.length, 0);
});

test('what comes is a Response like any, also a 404, and its method and target are those of the call', () => {
	const i = start(`
		const r = await env.ASSETS.fetch('https://x.example', { method: 'HEAD' });
		return new Response([r instanceof Response, r.status, r.ok, r.headers.get('x-a'), r.url, env.ASSETS === env.ASSETS, Object.keys(env)].join())`);
	const r = i.request();
	const [a] = asked(i);
	assert.deepEqual([a.method, a.target], ['HEAD', '/']);
	head(i, a.fid, 404, 'x-a\n1\n');
	assert.equal(r.response.body, 'true,404,false,1,https://x.example/,true,ASSETS');
});

test('what cannot be asked rejects: no URL, another this, a request that was aborted', () => {
	const i = start(`
		const why = [];
		const wait = p => p.then(() => why.push('no'), e => why.push(e.name));
		await wait(env.ASSETS.fetch());
		await wait(env.ASSETS.fetch('/relative'));
		await wait(env.ASSETS.fetch.call({}, 'https://x.example'));
		await wait(env.ASSETS.fetch('https://x.example', { signal: AbortSignal.abort() }));
		try { new env.ASSETS.constructor() } catch (e) { why.push(e.name) }
		return new Response(why.join())`);
	const r = i.request();
	assert.equal(r.response.body, 'TypeError,TypeError,TypeError,AbortError,TypeError');
	assert.equal(asked(i).length, 0);
});
