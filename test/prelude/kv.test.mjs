// EdgeKV and the members of env: what they ask the node, and what they make of its answers.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Instance, agreed } from './mock-er.mjs';

const { BODY_NONE, BODY_RELAY, BODY_STREAM, BODY_WHOLE, FETCH_DATA_KV, FETCH_PULL } = agreed.numbers;
const start = (body, options = {}) =>
	new Instance({ bindings: 'kv\nSESSIONS\nsessions\nkv\nusers\nusers\n', env: '{"NAME":"value"}', ...options })
		.load(`globalThis.done = []; globalThis.kv = new EdgeKV({ namespace: 'a' }); globalThis.__er_module = { default: { async fetch(request, env) { ${body} } } }`);
const asked = i => i.calls.filter(c => c[0] === 'fetch').map(([, fid, owner, method, target, block, options, flags, body]) => ({ fid, method, target, block, options, flags, body }));
const head = (i, fid, status, block = '', { body = false, length = -1 } = {}) => i.turn(1, () => i.hooks.subHead(fid, status, undefined, block, undefined, body, length));
const data = (i, fid, text, fin = true) => i.turn(1, () => i.hooks.bodyData(fid * 2 + 1, text === '' ? undefined : i.u8([...Buffer.from(text)]), fin));
const text = r => r.body;

test('get asks for the whole value at once, and gives text, JSON, bytes, undefined', () => {
	const i = start(`
		const all = [kv.get('k'), kv.get('é', { type: 'json' }), kv.get('b', 'arrayBuffer'), kv.get('none'), env.SESSIONS.get('none')]
		const [a, b, c, d, e] = await Promise.all(all)
		return new Response(JSON.stringify([a, b, [...new Uint8Array(c)], d === undefined, e]))`);
	const r = i.request();
	const list = asked(i);
	assert.deepEqual(list.map(a => a.target), ['a/k', 'a/é', 'a/b', 'a/none', 'sessions/none']);
	for (const a of list) assert.deepEqual([a.method, a.block, a.options, a.flags], ['GET', '', FETCH_DATA_KV | FETCH_PULL, BODY_NONE]);
	head(i, list[0].fid, 200, '', { body: true });
	data(i, list[0].fid, 'te', false);
	data(i, list[0].fid, 'xt');
	head(i, list[1].fid, 200, '', { body: true });
	data(i, list[1].fid, '{"a":1}');
	head(i, list[2].fid, 200, '', { body: true });
	data(i, list[2].fid, 'xy');
	head(i, list[3].fid, 404);
	head(i, list[4].fid, 404);
	assert.equal(text(r.response), '["text",{"a":1},[120,121],true,null]');
	assert.equal(i.calls.filter(c => c[0] === 'pull').length, 0);
});

test('a value that came with its head is there at once', () => {
	const i = start(`
		const [a, b, c, d, e] = await Promise.all([kv.get('t'), kv.get('j', 'json'), kv.get('b', 'arrayBuffer'), env.SESSIONS.getWithMetadata('m'), kv.get('broken', 'json').catch(e => e.name)])
		return new Response(JSON.stringify([a, b, [...new Uint8Array(c)], d.value, d.metadata, e]))`);
	const r = i.request();
	const [t, j, b, m, broken] = asked(i);
	i.headWith(1, t.fid, '\ufefft\u00e9xt', { gone: true });
	i.headWith(1, j.fid, '\ufeff{"a":1}', { gone: true });
	i.headWith(1, b.fid, 'xy', { gone: true });
	i.headWith(1, m.fid, '', { gone: true, block: 'metadata\n{"n":2}\n' });
	i.headWith(1, broken.fid, '{', { gone: true });
	assert.equal(text(r.response), '["t\u00e9xt",{"a":1},[120,121],"",{"n":2},"SyntaxError"]');
	assert.equal(i.told('pull').length + i.told('drain').length, 0);
});

test('a stream that is returned goes to the client unread', () => {
	const i = start(`return new Response(await kv.get('k', { type: 'stream' }), { headers: { 'content-type': 'image/png' } })`);
	const r = i.request();
	const [a] = asked(i);
	assert.equal(a.options, FETCH_DATA_KV);
	head(i, a.fid, 200, 'metadata\n{}\n', { body: true, length: 1000000 });
	assert.equal(r.response.flags & BODY_RELAY, BODY_RELAY);
	assert.equal(r.response.key, a.fid * 2 + 1);
	assert.doesNotMatch(r.response.block, /metadata/);
	assert.equal(i.calls.filter(c => c[0] === 'pull').length, 0);
});

test('put takes every kind of value, and says expiry and metadata', () => {
	const i = start(`
		await kv.put('s', 'text', { expirationTtl: 60, metadata: { 'ä': '\\x7f' } })
		await kv.put('b', new Uint8Array([1, 2, 3]).subarray(1), { expiration: 2000000000 })
		await kv.put('r', new Response('from a response'))
		await kv.put('n', new Response(null))
		await kv.put('u', request.body)
		return new Response(String(await env.users.put('x', 'y')))`);
	const r = i.request({ method: 'POST', body: 5 });
	const step = (k, value, block, flags) => {
		const a = asked(i)[k];
		assert.equal(a.method, 'PUT');
		assert.equal(a.options, FETCH_DATA_KV);
		assert.equal(a.block, block);
		assert.equal(a.flags, flags);
		assert.deepEqual(typeof a.body === 'object' ? [...a.body] : a.body, value);
		head(i, a.fid, 200);
	};
	step(0, 'text', `expiration-ttl\n60\nmetadata\n{"${Buffer.from('ä').toString('latin1')}":"\\u007f"}\n`, BODY_WHOLE);
	step(1, [2, 3], 'expiration\n2000000000\n', BODY_WHOLE);
	step(2, 'from a response', '', BODY_WHOLE);
	step(3, '', '', BODY_WHOLE);
	step(4, 2, '', BODY_RELAY); // the upload goes from the client to the store
	step(5, 'y', '', BODY_WHOLE);
	assert.equal(text(r.response), 'undefined');
});

test('delete says whether there was something; the one of env says nothing', () => {
	const i = start(`return new Response(String([await kv.delete('k'), await kv.delete('k'), await env.users.delete('k')]))`);
	const r = i.request();
	for (const [k, status] of [200, 404, 200].entries()) head(i, asked(i)[k].fid, status);
	assert.equal(text(r.response), 'true,false,');
});

test('getWithMetadata and list give what others give', () => {
	const i = start(`
		const one = await env.SESSIONS.getWithMetadata('k', 'text')
		const none = await kv.getWithMetadata('k')
		const list = await kv.list({ prefix: 'u/', limit: 2, cursor: '6b' })
		return Response.json([one, none, list])`);
	const r = i.request();
	head(i, asked(i)[0].fid, 200, 'expiration\n5\nmetadata\n{"a":"\\u00e4"}\n', { body: true });
	data(i, asked(i)[0].fid, 'v');
	head(i, asked(i)[1].fid, 404);
	const list = asked(i)[2];
	assert.deepEqual([list.method, list.target, list.block], ['LIST', 'a/u/', 'limit\n2\ncursor\n6b\n']);
	head(i, list.fid, 200, '', { body: true });
	data(i, list.fid, '{"keys":[{"name":"u/1","metadata":{"m":1}}],"list_complete":false,"cursor":"aa"}');
	assert.deepEqual(JSON.parse(text(r.response)), [
		{ value: 'v', metadata: { a: 'ä' }, cacheStatus: null },
		{ value: null, metadata: null, cacheStatus: null },
		{ keys: [{ name: 'u/1', metadata: { m: 1 } }], list_complete: false, cursor: 'aa', cacheStatus: null },
	]);
});

test('an array of keys is one question, and a Map its answer', () => {
	const i = start(`
		const m = await env.SESSIONS.get(['a', 'b', 'c'], 'json')
		return Response.json([m instanceof Map, Object.keys(m), [...m]])`);
	const r = i.request();
	const [a] = asked(i);
	assert.deepEqual([a.method, a.target, a.body], ['MANY', 'sessions/', '["a","b","c"]']);
	const value = (v, m = '') => {
		const b = Buffer.alloc(16);
		b.writeUInt32LE(v === undefined ? 0 : 1);
		b.writeUInt32LE(m.length, 4);
		b.writeUInt32LE(v?.length ?? 0, 8);
		return Buffer.concat([b, Buffer.from(m), Buffer.from(v ?? '')]).toString('latin1');
	};
	head(i, a.fid, 200, '', { body: true });
	i.turn(1, () => i.hooks.bodyData(a.fid * 2 + 1, i.u8([...Buffer.from(value('[1]', '{"m":2}') + value() + value('"x"'), 'latin1')]), true));
	assert.deepEqual(JSON.parse(text(r.response)), [true, [], [['a', [1]], ['b', null], ['c', 'x']]]);
});

test('what cannot be is refused before the node is asked', () => {
	const calls = [
		["kv.get()", /1 argument required/], ["kv.get(5)", /a key is a string/], ["kv.get('')", /empty/], ["kv.get('é'.repeat(257))", /514 bytes/],
		["kv.get('k', { type: 'blob' })", /the type is/], ["kv.get('k', 5)", /must be an object/], ["kv.put('k')", /2 arguments required/], ["kv.put('k', 5)", /a value is a string/],
		["kv.put('k', {})", /a value is/], ["kv.put('k', null)", /a value is/], ["kv.put('k', 'v', { expirationTtl: 0 })", /1 or more/], ["kv.put('k', 'v', { expirationTtl: 1.5 })", /whole number/],
		["kv.put('k', 'v', { expiration: 'soon' })", /whole number/], ["kv.put('k', 'v', { metadata: 'x'.repeat(1023) })", /1025 bytes/], ["kv.put('k', 'v', { metadata: () => {} })", /no JSON/],
		["kv.put('k', 'v', { metadata: 1n })", /./], ["kv.list({ limit: 0 })", /1 to 1000/], ["kv.list({ limit: 1001 })", /1 to 1000/], ["kv.list({ prefix: 5 })", /a string/], ["kv.list({ cursor: 'a\\n' })", /the list before/],
		["kv.get([])", /1 to 100/], ["kv.get(Array(101).fill('k'))", /1 to 100/], ["kv.get(['k'], 'stream')", /'text' or 'json'/], ["kv.get(['k', 5])", /a key is/],
		["kv.get.call({}, 'k')", /Illegal invocation/], ["new EdgeKV()", /must be an object with a `namespace`/], ["new EdgeKV({ namespace: 'A/b' })", /a to z/],
		["new env.users.constructor()", /Illegal constructor/],
		["(async () => { const r = new Response('x'); await r.text(); await kv.put('k', r) })()", /already been used/],
		["(async () => { const r = new Response('x').body; r.getReader(); await kv.put('k', r) })()", /locked/],
	];
	const i = start(`
		const out = []
		for (const f of [${calls.map(([c]) => `() => ${c}`)}]) try { await f(); out.push('went through') } catch (e) { out.push(e.name + ': ' + e.message) }
		return Response.json(out)`);
	const r = i.request();
	const out = JSON.parse(text(r.response));
	calls.forEach(([call, why], k) => assert.match(out[k], why, call) || assert.doesNotMatch(out[k], /went through/, call));
	assert.equal(asked(i).length, 0);
});

test('what the node refuses rejects with its sentence, and so does a value that breaks off', () => {
	const i = start(`
		const out = []
		for (let k = 0; k < 2; k++) try { await kv.get('k') } catch (e) { out.push([e.name, e.message, e.code]) }
		return Response.json(out)`);
	const r = i.request();
	i.turn(1, () => i.hooks.subFail(asked(i)[0].fid, 'no-route', 'there is no KV namespace "a"'));
	head(i, asked(i)[1].fid, 200, '', { body: true });
	i.turn(1, () => i.hooks.bodyFail(asked(i)[1].fid * 2 + 1, 'io'));
	const [a, b] = JSON.parse(text(r.response));
	assert.deepEqual(a, ['Error', `'get' on 'EdgeKV' failed: there is no KV namespace "a"`, 'no-route']);
	assert.match(b[1], /broke off: io/);
});

test('the store counts as subrequests, and is refused at top level', () => {
	const i = start(`
		const out = []
		for (let k = 0; k < 3; k++) try { kv.get('k').catch(e => out.push(e.message)) } catch (e) { out.push('threw') }
		await null
		await null
		return Response.json(out)`, { subrequests: 2 });
	const r = i.request();
	assert.equal(asked(i).length, 2);
	assert.match(text(r.response), /Too many subrequests/);
	const top = new Instance().load(`
		globalThis.error = ''
		new EdgeKV({ namespace: 'a' }).get('k').catch(e => { globalThis.error = e.message })
		addEventListener('fetch', e => e.respondWith(new Response(globalThis.error)))`);
	assert.match(text(top.request().response), /'get' on 'EdgeKV' cannot be called at top level/);
});

test('env has the variables and the namespaces, each the same object every time', () => {
	const i = start(`return Response.json([env.NAME, env.users === env.users, Object.keys(env), Object.isFrozen(env), String(env.SESSIONS), 'EdgeKV' in globalThis, EdgeKV.length])`);
	assert.equal(text(i.request().response), '["value",true,["NAME","SESSIONS","users"],true,"[object KVNamespace]",true,1]');
});
