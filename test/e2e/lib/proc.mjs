// What /proc says about a process: for tests that count descriptors, processes and memory. All of
// it is synchronous and throws nothing for a process that is gone (zero or empty instead).
import fs from 'node:fs'

const read = path => {
	try {
		return fs.readFileSync(path, 'utf8')
	} catch {
		return ''
	}
}

/** Is it there and not a zombie? */
export function alive(pid) {
	const state = /^State:\s+(\w)/m.exec(read(`/proc/${pid}/status`))?.[1]
	return state !== undefined && state !== 'Z' && state !== 'X'
}

export const status = pid =>
	Object.fromEntries(
		read(`/proc/${pid}/status`)
			.split('\n')
			.filter(Boolean)
			.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
	)

/** Name of the program, or "". */
export const comm = pid => read(`/proc/${pid}/comm`).trim()
export const cmdline = pid => read(`/proc/${pid}/cmdline`).split('\0').filter(Boolean)

/** Direct children. */
export function children(pid) {
	const out = []
	let tasks = []
	try {
		tasks = fs.readdirSync(`/proc/${pid}/task`)
	} catch {}
	for (const tid of tasks) for (const c of read(`/proc/${pid}/task/${tid}/children`).split(' ')) if (c) out.push(Number(c))
	return out
}

/** Everything below it, without itself. */
export function descendants(pid) {
	const out = []
	for (const c of children(pid)) out.push(c, ...descendants(c))
	return out
}

/** The sandboxes of a node: descendants that run er-sandbox, each once (a namespace's outer process
 * counts as the same sandbox only if it execs too). */
export const sandboxes = pid => descendants(pid).filter(p => alive(p) && cmdline(p)[0]?.includes('er-sandbox'))

/** Descriptors: [{fd, target}]. */
export function fds(pid) {
	try {
		return fs.readdirSync(`/proc/${pid}/fd`).map(fd => {
			let target = ''
			try {
				target = fs.readlinkSync(`/proc/${pid}/fd/${fd}`)
			} catch {}
			return { fd: Number(fd), target }
		})
	} catch {
		return []
	}
}

export const threads = pid => {
	try {
		return fs.readdirSync(`/proc/${pid}/task`).map(Number)
	} catch {
		return []
	}
}

/** Milliseconds that threads whose names match were ready and had no CPU. */
export const waited = (pid, re) =>
	threads(pid)
		.filter(tid => re.test(read(`/proc/${pid}/task/${tid}/comm`)))
		.reduce((sum, tid) => sum + Number(read(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[1] ?? 0) / 1e6, 0)

/** Bytes: {rss, anonymous, private, dirty (private and written to), pss}. */
export function memory(pid) {
	const text = read(`/proc/${pid}/smaps_rollup`)
	const kb = name => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)
	return { rss: kb('Rss') * 1024, anonymous: kb('Anonymous') * 1024, private: (kb('Private_Dirty') + kb('Private_Clean')) * 1024, pss: kb('Pss') * 1024, dirty: kb('Private_Dirty') * 1024 }
}

/** CPU time in ms of all threads, by mode (10 ms steps): {user, kernel}. */
export function cpuModes(pid) {
	const stat = read(`/proc/${pid}/stat`)
	const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
	return rest.length > 12 ? { user: Number(rest[11]) * 10, kernel: Number(rest[12]) * 10 } : { user: 0, kernel: 0 }
}

/** CPU time in ms, user and kernel, of all threads (10 ms steps). */
export function cpu(pid) {
	const { user, kernel } = cpuModes(pid)
	return user + kernel
}
