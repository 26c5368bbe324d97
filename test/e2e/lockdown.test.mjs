// What stands between native code in a sandbox and the machine. From outside, with the real engine:
// what every thread of a live sandbox may do, what it holds, what it sees; and that each forbidden
// thing ends the sandbox while the node and its neighbours go on.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { startNode, er, sanitized, tempDir } from './lib/node.mjs'
import * as raw from './lib/raw.mjs'
import * as proc from './lib/proc.mjs'

const sandbox = process.env.ER_SANDBOX ?? path.join(path.dirname(er), 'er-sandbox')
const driver = process.env.ER_LOCKDOWN_DRIVER ?? path.join(path.dirname(er), 'test/lockdown-driver')
const noDriver = fs.existsSync(driver) ? false : `${driver} was not built`
const root = process.getuid() === 0
const ordinary = 65534

const source = `addEventListener('fetch', e => {
	const attack = new URL(e.request.url).searchParams.get('attack')
	if (attack) globalThis.__er_attack(attack)
	e.respondWith(new Response('alive'))
})`

// The classes that must be denied first, then their relatives and what else an attacker would try.
const attacks = [
	'socket', 'open', 'execve', 'ptrace', 'mount', 'clone', 'io_uring_setup', 'bpf', 'userfaultfd', 'perf_event_open', 'keyctl', 'memfd_create',
	'process_vm_readv', 'mmap-file', 'mmap-exec', 'mprotect-exec', 'unshare', 'setns', 'kill', 'sendmsg', 'i386', 'thread',
]
// A sanitizer needs these calls itself.
const sanitizerNeeds = /^(open|mmap-|mprotect-)/

const drive = (...args) => {
	const { status, stdout, stderr } = spawnSync(driver, [sandbox, ...args], { encoding: 'utf8', timeout: 60000 })
	return { status, out: stdout + stderr }
}

const read = file => fs.readFileSync(file, 'utf8')

function checkThreads(pid) {
	const tids = proc.threads(pid)
	assert.ok(tids.length >= 1)
	for (const tid of tids) {
		const s = Object.fromEntries(read(`/proc/${pid}/task/${tid}/status`).split('\n').filter(Boolean).map(l => l.split(/:\s*/)))
		assert.equal(s.Seccomp, '2', `thread ${s.Name} is filtered`)
		assert.equal(s.NoNewPrivs, '1')
		for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) assert.equal(s[set], '0000000000000000', `${set} of thread ${s.Name}`)
		if (root) assert.equal(s.CapBnd, '0000000000000000', `CapBnd of thread ${s.Name}`)
	}
}

function checkDescriptors(pid) {
	const allowed = [
		...(sanitized ? [] : [[2, /^\/dev\/null$/]]),
		[0, /^\/dev\/null$/],
		[1, /^\/dev\/null$/],
	]
	for (const { fd, target } of proc.fds(pid)) {
		const rule = allowed.find(([n]) => n === fd)
		if (rule) assert.match(target, rule[1], `descriptor ${fd}`)
		else if (fd === 2) continue
		else assert.match(target, /^(anon_inode:\[event(fd|poll)\]|\/dev\/urandom|\/(proc\/self|\d+)\/statm)$/, `descriptor ${fd}`)
	}
}

function checkEnvironment(pid) {
	for (const one of read(`/proc/${pid}/environ`).split('\0').filter(Boolean))
		assert.match(one, /^(JSC_\w+=\w+|GIGACAGE_ENABLED=0|LC_ALL=C\.UTF-8|TZ=UTC|ASAN_OPTIONS=.*)$/)
	assert.deepEqual(proc.cmdline(pid)[0], 'er-sandbox')
}

function checkPlace(pid) {
	for (const ns of ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'])
		assert.notEqual(fs.readlinkSync(`/proc/${pid}/ns/${ns}`), fs.readlinkSync(`/proc/self/ns/${ns}`), `namespace ${ns}`)
	const list = dir => fs.readdirSync(`/proc/${pid}/root${dir}`).sort()
	assert.deepEqual(list('/'), ['dev', 'proc'])
	assert.deepEqual(list('/dev'), ['urandom'])
	assert.deepEqual(list('/proc'), ['self'])
	assert.deepEqual(list('/proc/self'), ['maps', 'statm'])
	assert.match(read(`/proc/${pid}/mountinfo`), / \/ \/ ro,nosuid,nodev,noexec/)
	assert.match(read(`/proc/${pid}/status`), /^NSpid:\s+\d+\s+1$/m)
	// Interfaces: loopback, and that is down.
	assert.deepEqual(read(`/proc/${pid}/net/dev`).split('\n').slice(2).filter(Boolean).map(l => l.trim().split(':')[0]), ['lo'])
	assert.equal(read(`/proc/${pid}/net/route`).trim().split('\n').length, 1, 'no route')
}

/** The engine's compilers must not hold up a gateway: they lower their own priority. One that began
 * while its sandbox had a small share is as low as that was (19), and cannot raise itself. */
function checkHelpers(pid) {
	for (const tid of fs.readdirSync(`/proc/${pid}/task`).filter(t => t !== String(pid)))
		assert.ok(['12', '19'].includes(read(`/proc/${pid}/task/${tid}/stat`).replace(/^.*\) /, '').split(' ')[16]), `thread ${tid}'s niceness`)
}

const allowedUid = pid => Number(proc.status(pid).Uid.split(/\s+/)[0])

for (const profile of ['standard', 'hardened']) {
	test(`every sandbox of a node is locked down, with code in it too (${profile})`, { timeout: 60000 }, async () => {
		const node = await startNode({
			routines: { a: { source, profile }, b: { source, profile } },
			config: { threads: 2, sandbox: { pool: 2, poolHardened: 1 } },
		})
		try {
			assert.equal((await node.get('a')).text, 'alive')
			assert.equal((await node.get('b')).text, 'alive')
			// What is only being started is not locked down yet: wait for the filter.
			const pids = await raw.until(() => {
				const all = proc.sandboxes(node.pid)
				return all.length >= 2 && all.every(p => proc.status(p).Seccomp === '2') && all
			}, { what: 'sandboxes' })
			for (const pid of pids) {
				checkThreads(pid)
				checkHelpers(pid)
				assert.match(read(`/proc/${pid}/limits`), /^Max core file size\s+0\s+0/m)
				if (!root) continue // the process is non-dumpable: only root may look further
				checkDescriptors(pid)
				checkEnvironment(pid)
				checkPlace(pid)
				assert.ok(allowedUid(pid) >= 1900000000, 'a user id of its own')
				assert.equal(proc.status(pid).Groups, '')
			}
			if (root) assert.equal(new Set(pids.map(allowedUid)).size, pids.length, 'no two sandboxes share a user id')
			if (root && profile === 'hardened' && !sanitized)
				for (const pid of pids.filter(p => read(`/proc/${p}/environ`).includes('JSC_useJIT=0')))
					assert.doesNotMatch(read(`/proc/${pid}/maps`), / rwx/, 'nothing is writable and executable')
		} finally {
			await node.stop()
		}
	})
}

test('each forbidden system call kills the sandbox that tried, and nobody else', { timeout: 180000 }, async () => {
	const tried = attacks.filter(a => !(sanitized && sanitizerNeeds.test(a)))
	const routines = { neighbour: source }
	for (const a of tried) routines[a.replace(/_/g, '-').toLowerCase()] = source
	const node = await startNode({ routines, env: { ER_ATTACK_HOOKS: '1' } })
	try {
		assert.equal((await node.get('neighbour')).text, 'alive')
		const neighbour = proc.sandboxes(node.pid)
		for (const a of tried) {
			const name = a.replace(/_/g, '-').toLowerCase()
			assert.equal((await node.get(name)).text, 'alive', `${a}: before`)
			const res = await node.get(name, `/?attack=${a}`, { timeout: 20000 })
			assert.ok(res.status >= 500, `${a} is answered with ${res.status}`)
			assert.match(res.headers['er-error'] ?? '', /^crash/, a)
			assert.equal((await node.get('neighbour')).text, 'alive', `${a}: the neighbour`)
			assert.equal((await node.get(name)).text, 'alive', `${a}: replaced`)
		}
		assert.equal(node.child.exitCode, null)
		assert.ok(neighbour.some(proc.alive), 'the neighbour kept its process')
	} finally {
		await node.stop()
	}
})

test('without the test hook a routine has no way to it', { timeout: 60000 }, async () => {
	const node = await startNode({ routines: { a: `addEventListener('fetch', e => e.respondWith(new Response(typeof __er_attack)))` } })
	try {
		assert.equal((await node.get('a')).text, 'undefined')
	} finally {
		await node.stop()
	}
})

test('a node that is killed leaves no sandbox and no spawner behind', { timeout: 60000 }, async () => {
	const node = await startNode({ routines: { a: source }, config: { sandbox: { pool: 3 } } })
	const below = proc.descendants(node.pid)
	try {
		assert.equal((await node.get('a')).text, 'alive')
		below.push(...proc.descendants(node.pid))
		assert.ok(below.length >= 2)
		process.kill(node.pid, 'SIGKILL')
		await raw.until(() => !below.some(proc.alive), { timeout: 5000, what: 'the end of all processes' })
	} finally {
		node.kill()
	}
})

// A user namespace that may have no further ones: what an operator meets on a machine that
// forbids them.
const confined = ['-Ur', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh']
const noConfinement = spawnSync('unshare', [...confined, 'true']).status === 0 ? false : 'this machine has no user namespaces to take away'

/** What such a node says until it is ready or has ended, and its exit status. */
async function confinedNode(sandboxConfig) {
	const dir = tempDir()
	fs.writeFileSync(path.join(dir, 'a.js'), source)
	const config = { listen: ['127.0.0.1:0'], threads: 1, sandbox: sandboxConfig, routines: [{ name: 'a', main: 'a.js' }] }
	fs.writeFileSync(path.join(dir, 'node.jsonc'), JSON.stringify(config))
	const child = spawn('unshare', [...confined, er, 'node', '--config', path.join(dir, 'node.jsonc')])
	let out = ''
	for (const stream of [child.stdout, child.stderr]) stream.on('data', d => (out += d))
	const closed = new Promise(resolve => child.on('close', resolve))
	await raw.until(() => child.exitCode !== null || /^ready on /m.test(out), { timeout: 40000, what: 'a node that is ready or has ended' }).catch(() => {})
	child.kill('SIGINT')
	const status = await closed
	fs.rmSync(dir, { recursive: true })
	return { status, out }
}

test('a node refuses to run below its least level, and says what to enable', { skip: noConfinement, timeout: 60000 }, async () => {
	const { status, out } = await confinedNode({})
	assert.equal(status, 1, out)
	assert.match(out, /level "no-userns" only: cannot create namespaces: .*user\.max_user_namespaces/)
	assert.match(out, /"full" is the least allowed|sandbox\.minLevel is "full"/)
})

test('a node that was told to accept less says which level it runs at', { skip: noConfinement, timeout: 60000 }, async () => {
	const { out } = await confinedNode({ minLevel: 'no-userns' })
	assert.match(out, /level "?no-userns"?/)
	assert.doesNotMatch(out, /least allowed|^error/m)
})

test('a node with nothing but an origin says what its sandboxes would be like, and serves the origin where they would not do', { timeout: 60000 }, async () => {
	const good = await startNode({ config: { origin: 'http://127.0.0.1:9', routines: [] } })
	try {
		assert.equal(good.ready.routines, 0)
		assert.equal(good.ready.level, good.ready.min_level, 'the level is known when the node is ready')
		assert.notEqual(good.ready.engine, '')
	} finally {
		await good.stop()
	}
	if (noConfinement) return
	const dir = tempDir()
	const child = spawn('unshare', [...confined, er, 'node', '--origin', 'http://127.0.0.1:9', '--listen', '127.0.0.1:0', '--threads', '1'], { cwd: dir })
	let out = ''
	for (const stream of [child.stdout, child.stderr]) stream.on('data', d => (out += d))
	try {
		await raw.until(() => /^ready on /m.test(out), { timeout: 40000, what: 'a node that is ready' })
		// The answer and the log come by two pipes, in any order.
		for (const said of [/no routine runs here.*; none could: sandboxes reach only level no-userns/, /no routine can run on this node, which has none now/])
			await raw.until(() => said.test(out), { what: `${said}` }).catch(e => assert.fail(`${e.message}; there was ${out}`))
		assert.doesNotMatch(out, /level none/)
	} finally {
		child.kill('SIGKILL')
		await new Promise(resolve => child.on('close', resolve))
		fs.rmSync(dir, { recursive: true })
	}
})

// What the engine does on its own account must not trip over the filter: this is what a routine
// would lose. What fills memory comes last: the engine's allocator takes blocks of up to 64 MB, and
// with more than half of the limit in use the next block is refused, whatever it is for.
const workload = `
const t = (name, f) => { try { f() } catch (e) { console.log('FAILED ' + name + ': ' + e) } }
t('time zones', () => Intl.supportedValuesOf('timeZone').forEach(z => new Date(1e12).toLocaleString('en', { timeZone: z })))
t('languages', () => ['de', 'ar', 'he', 'th', 'ja', 'fa'].forEach(l => {
	new Intl.DateTimeFormat(l, { dateStyle: 'full', timeStyle: 'full', calendar: 'islamic' }).format(0)
	new Intl.NumberFormat(l, { style: 'currency', currency: 'EUR' }).format(3)
	new Intl.DisplayNames(l, { type: 'region' }).of('DE')
	new Intl.Collator(l).compare('a', 'b')
	;[...new Intl.Segmenter(l, { granularity: 'word' }).segment('one two')]
}))
t('dates', () => new Date(2024, 5, 1).toString() + new Date().getTimezoneOffset() + Date.parse('2024-02-28T00:00:00+02:00'))
t('random', () => Math.random())
t('optimizing compiler', () => { const f = x => x * 2 + 1; let s = 0; for (let i = 0; i < 5e6; i++) s = f(i) | 0 })
if (typeof WebAssembly === 'object') {
	const bytes = new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,5,3,1,0,1,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11])
	t('WebAssembly', () => { const i = new WebAssembly.Instance(new WebAssembly.Module(bytes)); let s = 0; for (let k = 0; k < 1e6; k++) s = i.exports.add(s, k) })
	t('WebAssembly memory', () => new WebAssembly.Memory({ initial: 10 }).grow(100))
	if (EXPECT_HARDENED) console.log('FAILED: WebAssembly in the hardened profile')
}
t('collector', () => { let keep = []; for (let i = 0; i < 1e6; i++) { keep[i % 1e4] = { a: [i] } } })
t('buffers', () => { const b = []; for (let i = 0; i < 20; i++) b.push(new Uint8Array(1 << 20).fill(i)) })
t('recursion', () => { const r = n => n ? r(n - 1) + 1 : 0; try { r(1e6) } catch (e) { if (!(e instanceof RangeError)) throw e } })
t('strings', () => 'x'.repeat(1e6).replace(/x/g, 'yy').split('').length)
console.log('all done')
addEventListener('fetch', e => e.respondWith(new Response('')))
`

const combinations = []
for (const level of ['full', 'no-userns', 'seccomp-only'])
	for (const profile of ['standard', 'hardened']) for (const user of root ? [0, ordinary] : [0]) combinations.push({ level, profile, user })

for (const { level, profile, user } of combinations) {
	const who = user || !root ? 'an ordinary user' : 'root'
	const args = [`level=${level}`, `profile=${profile}`, ...(user ? [`user=${user}`] : [])]
	// An ordinary user must at least reach the program.
	const reachable = !user || spawnSync('setpriv', ['--reuid', String(user), '--clear-groups', 'test', '-x', sandbox]).status === 0
	const skip = noDriver || (reachable ? false : 'the sandbox program cannot be reached by an ordinary user')

	test(`the engine works behind the filter: ${level}, ${profile}, as ${who}`, { skip, timeout: 90000 }, () => {
		const dir = tempDir()
		fs.chmodSync(dir, 0o755)
		const file = path.join(dir, 'workload.js')
		fs.writeFileSync(file, workload.replace('EXPECT_HARDENED', profile === 'hardened'))
		const { status, out } = drive(...args, `script=${file}`)
		fs.rmSync(dir, { recursive: true })
		assert.equal(status, 0, out)
		assert.match(out, new RegExp(`level ${level}$`, 'm'), 'reports the level it reached')
		assert.match(out, /all done/, out)
		assert.doesNotMatch(out, /FAILED|AddressSanitizer/, out)
	})

	test(`forbidden calls kill: ${level}, ${profile}, as ${who}`, { skip, timeout: 120000 }, () => {
		const names = drive('list').out.trim().split('\n')
		assert.ok(names.length > 50)
		const special = { exit: /exit 7/, segv: /exit 86|signal 11/, illegal: /exit 86|signal 4/, abort: /exit 86|signal (6|11)/, stack: /exit 86|signal 11/ }
		// A kernel without that convention kills by itself, before any filter is asked.
		if (drive('i386').out.trim() === 'no') special.i386 = /exit 86|signal 11/
		// All of them at the full level; elsewhere the filter is the same: the classes that
		// must kill.
		const tried = (level === 'full' && !user ? names : attacks).filter(a => !(sanitized && !/^(socket|execve|ptrace|mount|clone|io_uring|bpf|thread)/.test(a)))
		for (const a of tried) {
			const { status, out } = drive(...args, `attack=${a}`)
			// Raising the limit is refused; lowering it is what LOAD does.
			if (a === 'memory-limit') assert.equal(status, 3, `${a}: ${out}`)
			else assert.match(out, special[a] ?? /^ended: signal 31$/m, `${a}: ${out}`)
		}
	})
}
