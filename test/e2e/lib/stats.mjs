// Load and latency, measured from outside.
import { connect, bytesOf, sleep } from './raw.mjs'

export function percentile(values, p) {
	if (!values.length) return NaN
	const sorted = Float64Array.from(values).sort()
	return sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)]
}

/**
 * Asks again and again on one kept-alive connection, `every` ms apart, until stop() is called.
 * stop() → {latencies (ms), statuses: Map, errors: [..], p50, p99, n}. A connection that breaks is
 * opened again and counted.
 */
export function probe(port, host, target = '/', { every = 2, timeout = 20000 } = {}) {
	const latencies = []
	const statuses = new Map()
	const errors = []
	let stopped = false
	const loop = (async () => {
		let c
		while (!stopped) {
			const t = performance.now()
			try {
				c ??= await connect(port, { timeout })
				c.send(bytesOf(target, { host }))
				const res = await c.response()
				latencies.push(performance.now() - t)
				statuses.set(res.status, (statuses.get(res.status) ?? 0) + 1)
				if (/close/i.test(res.headers.connection ?? '')) {
					c.close()
					c = undefined
				}
			} catch (e) {
				errors.push(String(e.message ?? e))
				c?.close()
				c = undefined
				await sleep(5)
			}
			await sleep(every)
		}
		c?.close()
	})()
	return {
		latencies,
		async stop() {
			stopped = true
			await loop
			return { latencies, statuses, errors, n: latencies.length, p50: percentile(latencies, 50), p99: percentile(latencies, 99), max: Math.max(...latencies) }
		},
	}
}
