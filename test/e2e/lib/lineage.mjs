// A node and the processes that took over from it: each says a ready line on the same
// standard output.
import * as proc from './proc.mjs'
import { sleep, until } from './raw.mjs'

/** Ready lines of all generations, oldest first. */
export const generations = node => node.out.filter(l => l.startsWith('{"event":"ready"')).map(l => JSON.parse(l))

/** The process that serves now. */
export const current = node => generations(node).at(-1).pid

/** Sends USR2 to the present process and waits until another one is ready and the old one knows
 * it. → the new ready line. */
export async function upgrade(node, { timeout = 20000, gone = true } = {}) {
	const n = generations(node).length
	const old = current(node)
	process.kill(old, 'SIGUSR2')
	await until(() => generations(node).length > n, { timeout, what: `a successor of ${old}; ${node.err.slice(-5).join('\n')}` })
	if (gone) await until(() => !proc.alive(old), { timeout: 40000, every: 50, what: `the end of ${old}` })
	return generations(node).at(-1)
}

/** A failed upgrade: the log line that says why. */
export async function refusedUpgrade(node, options) {
	const lines = () => node.err.filter(l => /not upgraded/.test(l))
	const n = lines().length
	process.kill(current(node), 'SIGUSR2')
	await until(() => lines().length > n, { timeout: 20000, what: 'a refusal', ...options })
	return lines().at(-1)
}

/** Ends the present generation in good order; nothing of it may be left. */
export async function end(node, { timeout = 20000 } = {}) {
	const pid = current(node)
	const below = proc.descendants(pid)
	try {
		if (proc.alive(pid)) process.kill(pid, 'SIGTERM')
		await until(() => !proc.alive(pid), { timeout, what: `the end of ${pid}` })
		await until(() => !below.some(proc.alive), { timeout: 5000, what: 'the end of all its processes' })
	} finally {
		for (const { pid: one } of generations(node)) if (/^er(-|$)/.test(proc.comm(one))) process.kill(one, 'SIGKILL')
		await sleep(20)
		node.kill()
	}
}
