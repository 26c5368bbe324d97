// The peers and how each of them does a scenario in its own idiom. A peer's start(scenario, {port,
// origin}) resolves with {child, port, host, target} or undefined where it cannot do that scenario.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { denoData, isAssets, isData, miniflare, page, redis, startErAssets, startErData } from './data.mjs'
import { here, root, temp, file, freePort, freePorts, start, up, which, SERVER_CORE } from './lib.mjs'

const modules = path.join(here, 'node_modules')
const binaries = {
	deno: `${modules}/@deno/linux-x64-glibc/deno`,
	bun: `${modules}/@oven/bun-linux-x64/bin/bun`,
	workerd: `${modules}/@cloudflare/workerd-linux-64/bin/workerd`,
}

export function install() {
	if (Object.values(binaries).every(b => fs.existsSync(b)) && miniflare.exists() && fs.existsSync(`${modules}/ioredis`) && fs.existsSync(`${modules}/ws`)) return
	console.error('installing deno, bun, workerd, miniflare, ioredis and ws into bench/node_modules')
	// the packages' programs are in the packages: no install script is needed
	execFileSync('npm', ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] })
	for (const b of Object.values(binaries)) if (fs.existsSync(b)) fs.chmodSync(b, 0o755)
}

export const GET = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'
const app = (name, origin) => fs.readFileSync(path.join(here, 'app', `${name}.js`), 'utf8').replaceAll('"ORIGIN"', JSON.stringify(origin ?? ''))

// ---- the body of the JSON scenario: an order of 24 lines, 2 KB
export const order = JSON.stringify({
	id: 'o-20931', customer: 'c-771', currency: 'EUR',
	lines: Array.from({ length: 24 }, (_, i) => ({ sku: `sku-${1000 + i}`, title: `article number ${i} of the order`, quantity: 1 + (i % 5), cents: 199 + i * 37 })),
})

// ---- runtimes
const wrappers = {
	deno: port => `\nDeno.serve({ port: ${port}, hostname: "127.0.0.1", onListen() {} }, handle)\n`,
	bun: port => `\nBun.serve({ port: ${port}, hostname: "127.0.0.1", fetch: handle })\n`,
	workerd: () => `\nexport default { fetch: handle }\n`,
}

const runtime = (name, args) => ({
	name,
	exists: () => fs.existsSync(binaries[name]),
	async start(scenario, { origin } = {}) {
		if (isCache(scenario) || isAssets(scenario) || (isData(scenario) && name !== 'deno')) return undefined
		return this.run(isData(scenario) ? denoData(scenario) : app(scenario, origin))
	},
	async run(source, wrap = wrappers[name]) {
		const port = await freePort()
		const script = file(`${name}-${port}.mjs`, source + wrap(port))
		const child = start([binaries[name], ...args(script, port)], { env: { DENO_NO_UPDATE_CHECK: '1' } })
		return { child, port }
	},
})
/** A script that declares handle(request), in Deno, Bun or workerd; `wrap(port)` gives other last
 * lines than those that have it answer requests. */
export const startRuntime = (name, source, wrap) => ({ deno, bun, workerd })[name].run(source, wrap)

const deno = runtime('deno', script => ['run', '--quiet', '--no-lock', '--allow-net', '--allow-read', '--allow-write', '--unstable-kv', script])
const bun = runtime('bun', script => ['run', script])
const workerd = runtime('workerd', (script, port) => [
	'serve',
	file(`workerd-${port}.capnp`, `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true)))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const main :Workerd.Worker = (modules = [(name = "worker", esModule = embed "${path.basename(script)}")], compatibilityDate = "2025-01-01");
`),
])

/** n copies of the hello worker in one workerd process, a port each. */
export async function workerdMany(n) {
	const script = file('workerd-many.mjs', app('hello') + wrappers.workerd())
	const ports = await freePorts(n)
	const sockets = ports.map((p, i) => `(name = "s${i}", address = "127.0.0.1:${p}", http = (), service = "w${i}")`)
	const services = ports.map((_, i) => `(name = "w${i}", worker = .main)`)
	const config = file('workerd-many.capnp', `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [${services.join(', ')}], sockets = [${sockets.join(', ')}]);
const main :Workerd.Worker = (modules = [(name = "worker", esModule = embed "${path.basename(script)}")], compatibilityDate = "2025-01-01");
`)
	return { child: start([binaries.workerd, 'serve', config]), ports }
}

// ---- Node in its own idiom: node:http, as its users write it
const nodeApps = {
	hello: `(req, res) => { res.writeHead(200, { "content-type": "text/plain", "content-length": 14 }); res.end("Hello, world!\\n") }`,
	json: `(req, res) => {
	const parts = []
	req.on("data", d => parts.push(d))
	req.on("end", () => {
		const order = JSON.parse(Buffer.concat(parts).toString())
		let total = 0
		const lines = order.lines.map(line => {
			const amount = line.quantity * line.cents
			total += amount
			return { sku: line.sku, title: line.title.toUpperCase(), quantity: line.quantity, amount }
		})
		const body = Buffer.from(JSON.stringify({ order: order.id, customer: order.customer, currency: order.currency, total, lines }))
		res.writeHead(200, { "content-type": "application/json", "content-length": body.length })
		res.end(body)
	})
}`,
	relay: `(req, res) => {
	const { host, cookie, connection, ...headers } = req.headers
	headers["x-edge"] = "1"
	http.get(ORIGIN + req.url, { agent, headers }, answer => {
		const { server, etag, connection, ...out } = answer.headers
		out["x-edge"] = "1"
		res.writeHead(answer.statusCode, out)
		answer.pipe(res)
	})
}`,
}
const node = {
	name: 'node',
	exists: () => true,
	async start(scenario, { origin } = {}) {
		if (!nodeApps[scenario]) return undefined
		const port = await freePort()
		const script = file(`node-${scenario}-${port}.mjs`, `import http from "node:http"
const ORIGIN = ${JSON.stringify(origin ?? '')}
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 })
http.createServer(${nodeApps[scenario]}).listen(${port}, "127.0.0.1")
`)
		return { child: start([process.execPath, script]), port }
	},
}

// ---- nginx: by itself, with njs, with Lua
const nginxMain = (load, http) => `
${load}
worker_processes 1;
worker_rlimit_nofile 65536;
daemon off;
error_log stderr error;
pid PIDFILE;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path ${temp}/nginx-body; proxy_temp_path ${temp}/nginx-proxy; fastcgi_temp_path ${temp}/nginx-f; uwsgi_temp_path ${temp}/nginx-u; scgi_temp_path ${temp}/nginx-s;
	keepalive_requests 100000000;
	client_body_buffer_size 64k;
	default_type text/plain;
	${http}
}
`
async function nginx(load, http, { core = SERVER_CORE, port } = {}) {
	port ??= await freePort()
	const conf = file(`nginx-${port}.conf`, nginxMain(load, http(port)).replace('PIDFILE', `${temp}/nginx-${port}.pid`))
	return { child: start([which('nginx'), '-p', temp, '-c', conf], { core }), port }
}
const upstream = origin => `upstream origin { server ${origin.replace('http://', '')}; keepalive 128; keepalive_requests 100000000; }`
const pass = `proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Cookie ""; proxy_set_header X-Edge 1;`
const modulesDir = '/usr/lib/nginx/modules'
const module = name => (fs.existsSync(`${modulesDir}/${name}`) ? `load_module ${modulesDir}/${name};` : '')

/** The origin of the relay scenario (10 KB) and of the cache's: a page from nginx, on the load's
 * core; `pages`: the same under all names. */
export async function startOrigin(core, bytes = 10 * 1024, pages = false) {
	const body = file(`origin-${bytes}/index.html`, 'edge '.repeat(Math.ceil(bytes / 5)).slice(0, bytes))
	const s = await nginx('', port => `server { listen 127.0.0.1:${port} backlog=4096; root ${path.dirname(body)};${pages ? ' rewrite ^ /index.html;' : ''} open_file_cache max=10; sendfile on; tcp_nopush on; add_header Cache-Control max-age=3600; }`, { core })
	await up(s.child, s.port, GET)
	return { ...s, url: `http://127.0.0.1:${s.port}` }
}

const nginxPlain = {
	name: 'nginx',
	exists: () => !!which('nginx'),
	start(scenario, { origin } = {}) {
		if (scenario === 'hello') return nginx('', port => `server { listen 127.0.0.1:${port} backlog=4096; location / { return 200 "Hello, world!\\n"; } }`)
		if (isAssets(scenario)) {
			const root = path.dirname(page(scenario))
			return nginx('', port => `server { listen 127.0.0.1:${port} backlog=4096; root ${root}; open_file_cache max=100 inactive=1h; open_file_cache_valid 1h; sendfile on; tcp_nopush on; }`).then(s => ({ ...s, target: '/page.txt' }))
		}
		if (isCache(scenario))
			return nginx('', port => `${upstream(origin)} proxy_cache_path ${temp}/nginx-cache-${port} keys_zone=c${port}:10m max_size=2g; sendfile on; tcp_nopush on;${isDisk(scenario) ? ' open_file_cache max=15000 inactive=1h; add_header X-Cache $upstream_cache_status;' : ''}
	server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache c${port};${scenario === 'cache-cold' ? ' proxy_cache_lock on;' : ''} } }`)
		if (scenario === 'relay')
			return nginx('', port => `${upstream(origin)} server { listen 127.0.0.1:${port} backlog=4096; location / { ${pass} proxy_hide_header ETag; add_header X-Edge 1; } }`)
		return undefined
	},
}

/** Hits of many pages that lie in the cache's files: disk-1k, disk-32k, disk-1m. */
export const isDisk = scenario => scenario.startsWith('disk-')
/** The same, and hits of one page that the cache has: cache-1k, cache-32k, cache-1m. */
export const isCache = scenario => /^cache-(\d|miss|cold)/.test(scenario) || isDisk(scenario)

const varnish = {
	name: 'Varnish',
	exists: () => !!which('varnishd'),
	async start(scenario, { origin } = {}) {
		if (!isCache(scenario)) return undefined
		const port = await freePort()
		const folder = path.join(temp, `varnish-${port}`)
		const storage = isDisk(scenario) ? `file,${folder}-file,2g` : 'malloc,1g'
		return { child: start([which('varnishd'), '-F', '-a', `127.0.0.1:${port}`, '-b', origin.replace('http://', ''), '-s', storage, '-n', folder]), port }
	},
}

const njs = {
	name: 'nginx + njs',
	exists: () => !!which('nginx') && !!module('ngx_http_js_module.so'),
	start(scenario, { origin } = {}) {
		if (!nodeApps[scenario]) return undefined
		const script = file(`njs-${scenario}.js`, `
function hello(r) { r.headersOut["Content-Type"] = "text/plain"; r.return(200, "Hello, world!\\n") }
function json(r) {
	const order = JSON.parse(r.requestText)
	let total = 0
	const lines = order.lines.map(line => {
		const amount = line.quantity * line.cents
		total += amount
		return { sku: line.sku, title: line.title.toUpperCase(), quantity: line.quantity, amount }
	})
	r.headersOut["Content-Type"] = "application/json"
	r.return(200, JSON.stringify({ order: order.id, customer: order.customer, currency: order.currency, total, lines }))
}
function relay(r) { delete r.headersOut["ETag"]; r.headersOut["X-Edge"] = "1" }
export default { hello, json, relay }
`)
		const does = scenario === 'relay' ? `${pass} js_header_filter app.relay;` : `js_content app.${scenario};`
		return nginx(module('ngx_http_js_module.so'), port => `js_import app from ${script}; ${scenario === 'relay' ? upstream(origin) : ''}
	server { listen 127.0.0.1:${port} backlog=4096; location / { ${does} } }`)
	},
}

const lua = {
	name: 'nginx + Lua',
	exists: () => !!which('nginx') && !!module('ngx_http_lua_module.so'),
	start(scenario, { origin } = {}) {
		if (!nodeApps[scenario]) return undefined
		const does = {
			hello: `content_by_lua_block { ngx.header["Content-Type"] = "text/plain"; ngx.header["Content-Length"] = 14; ngx.print("Hello, world!\\n") }`,
			json: `content_by_lua_block {
				local cjson = require "cjson"
				ngx.req.read_body()
				local order = cjson.decode(ngx.req.get_body_data())
				local total, lines = 0, {}
				for i, line in ipairs(order.lines) do
					local amount = line.quantity * line.cents
					total = total + amount
					lines[i] = { sku = line.sku, title = string.upper(line.title), quantity = line.quantity, amount = amount }
				end
				local body = cjson.encode({ order = order.id, customer = order.customer, currency = order.currency, total = total, lines = lines })
				ngx.header["Content-Type"] = "application/json"
				ngx.header["Content-Length"] = #body
				ngx.print(body)
			}`,
			relay: `${pass} header_filter_by_lua_block { ngx.header["ETag"] = nil; ngx.header["X-Edge"] = "1" }`,
		}[scenario]
		if (scenario === 'json' && !fs.existsSync('/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so')) return undefined
		// Debian's module without lua-resty-core: it says so at start and works
		const load = module('ndk_http_module.so') + module('ngx_http_lua_module.so')
		return nginx(load, port => `${hasResty ? '' : 'lua_load_resty_core off;'} ${scenario === 'relay' ? upstream(origin) : ''}
	server { listen 127.0.0.1:${port} backlog=4096; location / { ${does} } }`)
	},
}
const hasResty = fs.existsSync('/usr/share/lua/5.1/resty/core.lua')

// ---- er: the real node, gateway and sandbox together on the servers' core
export const erProgram = process.env.ER ?? path.join(root, 'build/er')
/** This build and, where ER_BEFORE names one, another to compare with in the same run. */
export const builds = [{ name: 'er', program: erProgram }, ...(process.env.ER_BEFORE ? [{ name: 'er before', program: process.env.ER_BEFORE }] : [])]
export const wrapEr = source => `${source}\naddEventListener("fetch", (event) => event.respondWith(handle(event.request)))\n`

/** routines: {name: {source, ...members of the configuration}} */
export async function startEr(routines, config = {}, program = erProgram) {
	const port = await freePort()
	const admin = await freePort()
	const dir = path.join(temp, `er-${port}`)
	fs.mkdirSync(dir, { recursive: true })
	const list = Object.entries(routines).map(([name, { source, ...rest }]) => {
		fs.writeFileSync(path.join(dir, `${name}.js`), source)
		return { name, main: `${name}.js`, ...rest }
	})
	const conf = path.join(dir, 'node.jsonc')
	fs.writeFileSync(conf, JSON.stringify({ listen: [`127.0.0.1:${port}`], admin: `127.0.0.1:${admin}`, threads: 1, routines: list, ...config }))
	const env = process.env.ER_SANDBOX ? { ER_SANDBOX: process.env.ER_SANDBOX } : {}
	return { child: start([program, 'node', '--config', conf], { env }), port, admin }
}

/** A routine that hands its request to another one, and the answer on unread. */
const startService = async program => {
	const source = 'addEventListener("fetch", event => event.respondWith(event.env.HELLO.fetch(event.request)))'
	return { ...(await startEr({ front: { source, routes: ['*'], services: { HELLO: 'hello' } }, hello: { source: helloEr } }, { limits: { requests: 0 } }, program)), host: 'front.localhost' }
}

const edgeroutine = ({ name, program }) => ({
	name,
	exists: () => fs.existsSync(program),
	async start(scenario, { origin } = {}) {
		// memory has room for a few pages: nearly all hits come from the file
		const cache = isDisk(scenario) ? { cache: { memoryMb: 1, disk: [{ path: path.join(temp, `er-cache-${await freePort()}`), sizeMb: 2048 }] } } : {}
		if (isCache(scenario)) return startEr({}, { origin, limits: { requests: 0 }, ...cache }, program)
		if (isData(scenario)) return startErData(startEr, wrapEr, scenario, program)
		if (isAssets(scenario)) return startErAssets(startEr, scenario, program)
		if (scenario === 'service') return startService(program)
		const s = await startEr({ [scenario]: { source: wrapEr(app(scenario, origin)), routes: ['*'], allowAddresses: ['127.0.0.0/8'] } }, { limits: { requests: 0 } }, program)
		return { ...s, host: `${scenario}.localhost` }
	},
})
export const HELLO = 'er hello'
export const helloEr = wrapEr(app('hello'))

/** A routine in front of the cache that hands the answer on unread. */
const behindRoutine = {
	name: 'er, a routine in front',
	exists: () => fs.existsSync(erProgram),
	start(scenario, { origin } = {}) {
		if (!isCache(scenario) || isDisk(scenario)) return undefined
		const source = 'addEventListener("fetch", event => event.respondWith(fetch(event.request)))'
		return startEr({ front: { source, routes: ['*'] } }, { origin, limits: { requests: 0 } })
	},
}

/** What the scenarios of data, and `service`, are compared with: a routine that asks nobody. */
const helloOfData = {
	name: HELLO,
	exists: () => fs.existsSync(erProgram),
	async start(scenario) {
		if (!isData(scenario) && scenario !== 'service') return undefined
		return { ...(await startEr({ hello: { source: helloEr, routes: ['*'] } }, { limits: { requests: 0 } })), host: 'hello.localhost' }
	},
}

export const peers = [...builds.map(edgeroutine), helloOfData, behindRoutine, nginxPlain, varnish, njs, lua, deno, bun, node, workerd, miniflare, redis]
