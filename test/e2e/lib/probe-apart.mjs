// probe() on a thread of its own: what the test does meanwhile (reading a flood of log lines, a
// body without end) is not measured with it.
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { once } from 'node:events'
import { probe } from './stats.mjs'

/** → {start(...arguments of probe), stop() → a promise of what probe's gives, end()}; one probe
 * at a time. */
export function probeApart() {
	const worker = new Worker(new URL(import.meta.url))
	return {
		start(...args) {
			worker.postMessage(args)
		},
		async stop() {
			worker.postMessage('stop')
			return (await once(worker, 'message'))[0]
		},
		end: () => worker.terminate(),
	}
}

if (!isMainThread) {
	let running
	parentPort.on('message', async what => {
		if (what === 'stop') parentPort.postMessage(await running.stop())
		else running = probe(...what)
	})
}
