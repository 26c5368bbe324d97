import assert from 'node:assert/strict';
import test from 'node:test';
import { Instance, bodyText, run } from './mock-er.mjs';

const TEXT = 'content-type\ntext/plain;charset=UTF-8\n';

test('a listener that answers with a string response sends it in one call and is over with it', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(new Response('hello')))`);
	const r = i.request();
	assert.deepEqual(i.calls, [['respond', 1, 200, '', TEXT, 'hello', 65, 0]]);
	assert.ok(r.over);
});
test('a module that returns a promise of a response answers', () => {
	const i = new Instance().load(`globalThis.__er_module = { default: { async fetch(request, env, ctx) { return new Response(env.NAME, { status: 201, headers: { 'X-A': 'b' } }) } } }`);
	i.env = '{}';
	const r = i.request();
	assert.equal(r.response.status, 201);
});
test('env is parsed, frozen and the second argument; with the compat flag the third', () => {
	const code = (a) => `globalThis.__er_module = { default: { fetch(${a}) { return new Response(env.NAME + Object.isFrozen(env) + typeof ctx.waitUntil + (globalThis.__er_env === env)) } } }`;
	let i = new Instance({ env: '{"NAME":"x"}' }).load(code('request, env, ctx'));
	assert.equal(bodyText(i.request()), 'xtruefunctiontrue');
	i = new Instance({ env: '{"NAME":"x"}', compat: 1 }).load(code('request, ctx, env'));
	assert.equal(bodyText(i.request()), 'xtruefunctiontrue');
});
test('a handler that resolves to a string answers with it', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(Promise.resolve('plain')))`);
	const r = i.request();
	assert.equal(r.response.body, 'plain');
	assert.equal(r.response.block, TEXT);
	assert.ok(r.over);
});
test('a plain object of headers becomes the block, with the content type a string implies', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(new Response('x', { headers: { 'X-One': ' 1 ', 'x-two': '2' } })))`);
	assert.equal(i.request().response.block, 'x-one\n1\nx-two\n2\ncontent-type\ntext/plain;charset=UTF-8\n'.replace('x-one', 'x-one'));
});
test("an answer's fields are its own, whatever a getter among them makes meanwhile, and each is read once", () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => {
		let n = 0;
		new Response('', { headers: { a: '1', b: '2' } });
		e.respondWith(new Response(null, { headers: { a: '1', get b() { new Response('', { headers: { a: '9', b: '2' } }); n++; return '2' }, c: true, get d() { return n } } }));
	})`);
	assert.equal(i.request().response.block, 'a\n1\nb\n2\nc\ntrue\nd\n1\n');
});
test('listeners form a chain: the first that answers ends it, none passes the request on', () => {
	const i = new Instance().load(`
		addEventListener('fetch', (e) => { if (e.request.url.endsWith('/a')) e.respondWith(new Response('a')) });
		addEventListener('fetch', { handleEvent(e) { if (e.request.url.endsWith('/b')) e.respondWith(new Response('b')) } });`);
	assert.equal(bodyText(i.request({ url: 'http://example.com/a' })), 'a');
	assert.equal(bodyText(i.request({ url: 'http://example.com/b' })), 'b');
	const r = i.request({ url: 'http://example.com/c' });
	assert.ok(r.passed && r.over && !r.response);
});
test('an exception fails the request; with passThroughOnException it passes and is still reported', () => {
	let i = new Instance().load(`addEventListener('fetch', (e) => { throw new TypeError('no') })`);
	let r = i.request();
	assert.equal(r.failed.message, 'no');
	i = new Instance().load(`addEventListener('fetch', (e) => { e.passThroughOnException(); e.respondWith(Promise.reject(new Error('later'))) })`);
	r = i.request();
	assert.ok(r.passed && r.over && !r.failed);
	assert.deepEqual(i.told('exception')[0].slice(1, 4), [1, 'Error', 'later']);
});
test('a handler that answers with nothing fails with an error that says so', () => {
	const i = new Instance().load(`globalThis.__er_module = { fetch() {} }`);
	assert.match(i.request().failed.message, /must return a Response .*not undefined/);
});
test('a routine without a handler is refused when it is loaded', () => {
	assert.throws(() => new Instance().load('1'), /no handler/);
});
test('waitUntil keeps the request alive after the answer, also from within itself', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => {
		e.waitUntil(new Promise((f) => setTimeout(f, 10)).then(() => { e.waitUntil(new Promise((f) => setTimeout(f, 10)).then(() => console.log('end'))) }));
		e.respondWith(new Response('x'));
	})`);
	const r = i.request();
	assert.equal(r.response.flags, 1);
	assert.ok(!r.over);
	i.runTimers();
	assert.deepEqual(i.told('log').map((c) => c[2]), ['end']);
	assert.ok(r.over);
});
test('what is not covered by waitUntil ends with the answer: its timers do not fire', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => { setTimeout(() => console.log('late'), 5); e.respondWith(new Response('x')) })`);
	assert.ok(i.request().over);
	i.runTimers();
	assert.deepEqual(i.told('log'), []);
});
test('bypass decides without a body: true passes, false refuses with its status', () => {
	const i = new Instance().load(`globalThis.__er_module = { default: { bypass(request) { return new ResponseBypass(request.url.endsWith('/ok'), { status: 451 }) } } }`);
	assert.ok(i.request({ url: 'http://a/ok' }).passed);
	assert.equal(i.request({ url: 'http://a/no' }).response.status, 451);
});
test('a router that is a Proxy, whose every property is a function, answers by its fetch', () => {
	const router = `const routes = [];
		const router = new Proxy({ routes, fetch(request) { for (const [path, handler] of routes) if (request.url.endsWith(path)) return handler(request) } },
			{ get: (target, name) => (name in target ? target[name] : (path, handler) => { routes.push([path, handler]); return router }) });
		router.get('/hi', () => new Response('hi there'));`;
	for (const exported of ['{ default: router }', '{ default: router, other: 1 }', 'router', '{ default: Object.assign(() => new Response("no"), { fetch: router.fetch }) }']) {
		const i = new Instance().load(`${router} globalThis.__er_module = ${exported};`);
		assert.equal(bodyText(i.request({ url: 'http://a/hi' })), 'hi there', exported);
	}
});
test('fetch decides and bypass beside it is not asked, whatever the handler stands on', () => {
	const handler = `bypass() { throw new Error('asked') } fetch() { return new Response('from ' + this.constructor.name) }`;
	for (const exported of [`new (class Own { ${handler} })`, `new (class Own extends (class { ${handler} }) {})`, `Object.create({ constructor: { name: 'Own' }, ${handler.replace('} fetch', '}, fetch')} })`]) {
		const i = new Instance().load(`globalThis.__er_module = { default: ${exported} };`);
		assert.equal(bodyText(i.request()), 'from Own', exported);
	}
});
test('bypass that gives something else than a decision fails the request in words', () => {
	const i = new Instance().load(`globalThis.__er_module = { default: { bypass() { return new Response('x') } } }`);
	assert.match(i.request().failed.message, /bypass must return a ResponseBypass/);
});
test('request.info and event.info have what the node knows of the client', () => {
	assert.deepEqual(run(`return [request.info.remote_addr, event.info.scheme, Object.isFrozen(request.info)]`), ['192.0.2.1', 'http', true]);
});
test('what the node says of a place is there by both names, and nothing else is', () => {
	const info = 'remote_addr\n192.0.2.1\nscheme\nhttp\nhttpProtocol\n\ncountry\nCN\ncountryName\nChina\ncountryLocal\n中国\nregionCode\nJS\nasn\n4134\nasOrganization\nChinanet\nisp\nChina Telecom\n';
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(Response.json([e.info, e.request.cf, new Request(e.request).cf === e.request.cf, new Request('http://a/').cf === undefined, Object.isFrozen(e.request.cf)])))`);
	assert.deepEqual(JSON.parse(bodyText(i.request({ info }))), [
		{ remote_addr: '192.0.2.1', scheme: 'http', ip_country: '中国', ip_country_id: 'CN', ip_country_en: 'China', ip_region_id: 'CN-JS', ip_isp: 'China Telecom', ip_isp_id: '4134', ip_isp_en: 'China Telecom' },
		{ country: 'CN', regionCode: 'JS', asn: 4134, asOrganization: 'Chinanet' }, true, true, true,
	]);
});
test('request.info of a request that is over says so', () => {
	const i = new Instance().load(`let kept; addEventListener('fetch', (e) => { try { e.respondWith(new Response(kept ? kept.info.scheme : 'x')) } catch (x) { e.respondWith(new Response(x.message)) } kept ??= e.request })`);
	i.request();
	assert.match(bodyText(i.request()), /belongs to a request that is over/);
});
test('detector_device tells phones, tablets, desks, televisions and programs apart', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith(new Response(String(e.info.detector_device))))`);
	for (const [expected, ...agents] of [
		['mobile', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1', 'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36', 'Mozilla/5.0 (Android 14; Mobile; rv:126.0) Gecko/126.0 Firefox/126.0', 'Dalvik/2.1.0 (Linux; U; Android 13; CUBOT P80)', 'Opera/9.80 (J2ME/MIDP; Opera Mini/9.80; U; en) Presto/2.5.25', 'Mozilla/5.0 (Linux; Android 9; CUBOT) Mobile'],
		['tablet', 'Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) Mobile/15E148', 'Mozilla/5.0 (Linux; Android 13; SM-X710) AppleWebKit/537.36 Chrome/125.0.0.0 Safari/537.36', 'Mozilla/5.0 (Android 14; Tablet; rv:126.0) Gecko/126.0 Firefox/126.0', 'Mozilla/5.0 (Linux; U; en-us; KFTT) Kindle Fire'],
		['desktop', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/125.0.0.0 Safari/537.36', 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.4 Safari/605.1.15', 'Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0', 'Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Tablet PC 2.0)', 'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/125'],
		['tv', 'Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) SamsungBrowser/4.0 TV Safari/538.1', 'Mozilla/5.0 (Web0S; Linux/SmartTV) Chrome/87', 'Mozilla/5.0 (Linux; Android 9; AFTMM) Silk/98', 'Roku/DVP-9.10', 'Mozilla/5.0 (Linux; Android 12; BRAVIA 4K)'],
		['bot', 'Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'curl/8.5.0', 'Mozilla/5.0 (compatible; Baiduspider/2.0)', 'python-requests/2.31', 'Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/125', 'facebookexternalhit/1.1', 'Twitterbot'],
		['undefined', '', 'x', 'robotics', 'y'.repeat(600) + 'googlebot'],
	]) for (const agent of agents) assert.equal(bodyText(i.request({ headers: `user-agent\n${agent}\n` })), expected, agent);
	assert.equal(bodyText(i.request()), 'undefined');
});
test('a client that leaves aborts request.signal and the request is over', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => { e.request.signal.addEventListener('abort', () => console.log(e.request.signal.reason.name)); e.respondWith(new Promise(() => {})) })`);
	i.request();
	i.turn(1, () => i.hooks.cancel(1, 'client-gone'));
	assert.deepEqual(i.told('log')[0], ['log', 1, 'AbortError']);
});
test('a request kept by a global and read by another request gives a clear error', () => {
	const i = new Instance().load(`let kept; addEventListener('fetch', (e) => { if (!kept) { kept = e.request; e.respondWith(new Response('x')) } else e.respondWith(kept.text().then(() => new Response('bad'), (x) => new Response(x.message))) })`);
	i.request({ method: 'POST', body: Buffer.from('q'), inline: true });
	assert.match(bodyText(i.request()), /cannot be used outside their request/);
});
test('ten thousand requests leave nothing behind in the tables', () => {
	const i = new Instance().load(`addEventListener('fetch', (e) => e.respondWith((async () => { await 1; return new Response('x') })()))`);
	for (let n = 0; n < 10000; n++) assert.ok(i.request().over);
});
