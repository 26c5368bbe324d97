// The Makefile's two ways to a running er. make run: what ends make ends the node. make install:
// what is installed is whole. It runs as another user, from another place, with the source tree
// out of sight.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { track } from './lib/desk.mjs'
import { root, sanitized, tempDir } from './lib/node.mjs'
import * as proc from './lib/proc.mjs'
import * as raw from './lib/raw.mjs'

const skip = sanitized && 'the release build is installed, and tested as such'
const asRoot = process.getuid() === 0

for (const [signal, who, code] of [['SIGINT', 'make alone', 'SIGINT'], ['SIGTERM', 'make alone', 'SIGTERM'], ['SIGHUP', 'make alone', 'SIGHUP'], ['SIGKILL', 'make alone', 'SIGKILL'], ['SIGINT', 'the whole group, as Ctrl-C at a terminal does,', 'SIGINT'], ['SIGTERM', 'the whole group', 'SIGTERM']])
	test(`${signal} to ${who} ends make run without a word of make's and with nothing left behind`, { skip }, async () => {
		// As from a person's shell, also where a make runs the tests.
		const { MAKEFLAGS, MAKELEVEL, MFLAGS, ...env } = process.env
		const child = track(spawn('make', ['-C', root, 'run', 'PORT=0'], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }))
		let out = ''
		for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', d => (out += d))
		const exited = new Promise(resolve => child.on('exit', (c, s) => resolve(s ?? c)))
		try {
			await raw.until(() => /^ready /m.test(out), { timeout: 60000, what: 'ready' })
			const below = proc.descendants(child.pid)
			assert.ok(below.length >= 4, `${below}`)
			process.kill(who === 'make alone' ? child.pid : -child.pid, signal)
			assert.equal(await Promise.race([exited, raw.sleep(10000).then(() => `still running: ${out}`)]), code)
			await raw.until(() => !below.some(proc.alive), { timeout: 10000, what: 'the end of all its processes' })
			assert.match(out, /\nending\n(Terminated\n)?$/)
		} finally {
			try {
				process.kill(-child.pid, 'SIGKILL')
			} catch {}
		}
	})

/** make install into a staging folder, by somebody whose umask lets nobody read anything. Returns
 * the prefix inside it. */
function install(prefix) {
	const stage = tempDir('er-stage-')
	fs.chmodSync(stage, 0o755)
	const args = ['-C', root, 'install', `DESTDIR=${stage}`, ...(prefix ? [`PREFIX=${prefix}`] : [])]
	const { status, stdout, stderr } = spawnSync('sh', ['-c', 'umask 077; exec make "$@"', 'sh', ...args], { encoding: 'utf8' })
	assert.equal(status, 0, stdout + stderr)
	return { stage, at: path.join(stage, prefix ?? '/usr/local'), said: stdout }
}

/** Runs a shell script as nobody, where nothing is mounted in place of the source tree; `$1` and
 * the following are `words`. */
function elsewhere(cwd, script, words) {
	const user = asRoot ? 'exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i HOME="$PWD" PATH="$PATH" "$@"' : 'exec env -i HOME="$PWD" PATH="$PATH" "$@"'
	const hide = `set -eu; hidden=$1; shift; cwd=$1; shift; mount -t tmpfs none "$hidden"; cd "$cwd"; ${user}`
	return spawnSync('unshare', [...(asRoot ? [] : ['--user', '--map-root-user']), '--mount', 'sh', '-c', hide, 'sh', root, cwd, 'sh', '-euc', script, 'sh', ...words], { encoding: 'utf8', timeout: 120000 })
}

test('what make install put in its place makes, checks, builds, imports and runs a routine for another user, without the source tree', { skip }, () => {
	const { stage, at } = install('/opt/edge')
	const home = tempDir('er-nobody-')
	fs.mkdirSync(path.join(home, 'old'))
	fs.writeFileSync(path.join(home, 'old/wrangler.toml'), 'name = "old-shop"\nmain = "index.js"\n')
	fs.writeFileSync(path.join(home, 'old/index.js'), 'export default { fetch: () => new Response("old") }\n')
	if (asRoot) execFileSync('chown', ['-R', '65534:65534', home])
	// By a link, as /usr/local/bin often has them.
	fs.symlinkSync(path.join(at, 'bin/er'), path.join(stage, 'er'))
	const script = `
		"$1" init greeter; cd greeter; "$1" check; "$1" build; test -s dist/greeter.js; cd ..
		"$1" init --from old; cd old-shop; "$1" check; cd ..
		"$1" init typed --template ts; cd typed; "$1" test; test -s .er/types/index.d.ts
		"$1" dev --port 0 >../dev.log 2>&1 & dev=$!
		for i in $(seq 200); do grep -q '^ready' ../dev.log && break; kill -0 $dev; sleep 0.1; done
		port=$(sed -n 's/^ready http:..127.0.0.1:\\([0-9]*\\).*/\\1/p' ../dev.log)
		node -e 'fetch("http://127.0.0.1:" + process.argv[1]).then(async r => console.log("answered", r.status, (await r.text()).length > 0))' $port
		kill -INT $dev; wait $dev; cat ../dev.log`
	for (const er of [path.join(at, 'bin/er'), path.join(stage, 'er')]) {
		const { status, stdout, stderr } = elsewhere(home, script, [er])
		assert.equal(status, 0, stdout + stderr)
		assert.match(stdout, /created greeter[\s\S]*ok greeter: [\s\S]*built dist\/greeter\.js[\s\S]*imported into old-shop[\s\S]*ok old-shop[\s\S]*5 passed in 1 file[\s\S]*answered 200 true\n/)
		for (const name of ['greeter', 'old-shop', 'typed']) fs.rmSync(path.join(home, name), { recursive: true })
	}
	for (const dir of [stage, home]) fs.rmSync(dir, { recursive: true })
})

test('an installed er that lacks its sandbox or its bundler says which part is missing and where it was looked for', { skip }, () => {
	const { stage, at } = install('/opt/edge')
	const dir = tempDir('er-part-')
	fs.writeFileSync(path.join(dir, 'a.js'), 'export default { fetch() { return new Response("a") } }\n')
	for (const part of ['er-sandbox', 'bundle.mjs', 'examples']) {
		fs.renameSync(path.join(at, 'lib/edgeroutine', part), path.join(stage, part))
		const { status, stderr } = spawnSync(path.join(at, 'bin/er'), part === 'examples' ? ['init', 'x'] : ['check', 'a.js'], { cwd: dir, env: { PATH: process.env.PATH }, encoding: 'utf8' })
		assert.equal(status, 1, part)
		assert.match(stderr, new RegExp(`${part}.* is neither in .*/opt/edge/bin/ nor in \\.\\./lib/edgeroutine .*not installed whole`))
		fs.renameSync(path.join(stage, part), path.join(at, 'lib/edgeroutine', part))
	}
	for (const d of [stage, dir]) fs.rmSync(d, { recursive: true })
})

test('unit, manual pages, completion, licence and documents are at their standard places, and the unit names the prefix', { skip }, () => {
	for (const prefix of ['/usr', undefined]) {
		const { stage, at } = install(prefix)
		const read = name => fs.readFileSync(path.join(at, name), 'utf8')
		const unit = read('lib/systemd/system/edgeroutine.service')
		assert.match(unit, new RegExp(`^ExecStart=${prefix ?? '/usr/local'}/bin/er node --config /etc/edgeroutine/node.jsonc `, 'm'))
		assert.match(unit, new RegExp(`^ExecReload=${prefix ?? '/usr/local'}/bin/er node check `, 'm'))
		assert.doesNotMatch(unit, /@PREFIX@|er-stage/)
		assert.match(read('share/man/man1/er.1'), /^\.TH ER 1 [\s\S]*er deploy[\s\S]*\\fB\\-\\-canary\\fR \\fIPERCENT\\fR\n/m)
		assert.match(read('share/man/man8/er.8'), /^\.TH ER 8 /)
		assert.match(read('share/zsh/site-functions/_er'), /^#compdef er\n/)
		assert.match(read('share/fish/vendor_completions.d/er.fish'), /complete -c er /)
		const words = execFileSync('bash', ['-c', 'source "$1"; COMP_WORDS=(er de); COMP_CWORD=1; _er; echo "${COMPREPLY[@]}"', 'bash', path.join(at, 'share/bash-completion/completions/er')], { encoding: 'utf8' })
		assert.match(words, /deploy/)
		assert.match(read('share/doc/edgeroutine/LICENSE'), /Apache License/)
		// Links of the documents lead to documents.
		for (const name of ['README.md', 'docs/tool.md', 'docs/operators.md'])
			for (const [, to] of read(`share/doc/edgeroutine/${name}`).matchAll(/\]\(([a-z./-]+\.md)\)/g)) assert.ok(fs.existsSync(path.join(at, 'share/doc/edgeroutine', path.dirname(name), to)), to)
		for (const file of ['lib/sysusers.d/edgeroutine.conf', 'lib/systemd/system/edgeroutine.socket', 'lib/edgeroutine/node_modules/esbuild/LICENSE.md']) assert.ok(fs.existsSync(path.join(at, file)), file)
		const shut = execFileSync('find', [stage, '!', '-type', 'l', '!', '-perm', '-o+r'], { encoding: 'utf8' })
		assert.equal(shut, '', 'others can read it')
		fs.rmSync(stage, { recursive: true })
	}
})
