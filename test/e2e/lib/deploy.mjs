// A node with a store, and what its control API is asked by these tests; and a load that notices
// every answer that should not be.
import net from 'node:net'
import path from 'node:path'
import fs from 'node:fs'
import { startNode, tempDir } from './node.mjs'
import { request } from './raw.mjs'

/** A routine that says its version: once from its global scope and once, later, from the
 * request's. */
export const says = (version, { wait = 0 } = {}) => `const VERSION = "${version}";
addEventListener("fetch", e => e.respondWith((async () => {
	const head = VERSION
	${wait ? `await new Promise(r => setTimeout(r, ${wait}))` : ''}
	return new Response(VERSION, { headers: { "x-version": head } })
})()))`

/** startNode with a data folder; `data` of an earlier node goes on where that one ended. */
export async function startStore({ data = path.join(tempDir('er-data-'), 'd'), args = [], ...options } = {}) {
	const node = await startNode({ ...options, args: ['--data', data, ...args] })
	node.data = data
	node.api = (method, target, body, more = {}) => api({ path: node.ready.socket }, method, target, body, more)
	node.ok = async (...args) => {
		const res = await node.api(...args)
		if (res.status >= 300) throw new Error(`${args[0]} ${args[1]}: ${res.status} ${res.text}`)
		return res.json
	}
	node.deploy = (name, code, more = {}) => node.ok('POST', `/v1/routines/${name}/deploy`, { code, environment: 'production', settings: { limits: { cpuMs: 300 } }, ...more })
	node.split = (name, versions, environment = 'production') => node.ok('PUT', `/v1/routines/${name}/environments/${environment}`, { versions })
	node.forget = () => fs.rmSync(path.dirname(data), { recursive: true, force: true })
	return node
}

/** {status, text, json}. `to` as for raw.connect. */
export async function api(to, method, target, body, more = {}) {
	const res = await request(to, target, { method, body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body), timeout: 60000, ...more })
	let json
	try {
		json = JSON.parse(res.text)
	} catch {}
	return { status: res.status, text: res.text, json, headers: res.headers }
}

/**
 * Asks on `connections` kept-alive connections, one request after the other on each, until stop().
 * Every answer must be 200 with the same version in header and body, and a connection must never
 * go back to an older one.
 * stop() → {n, answers: [[started, ended, version]], errors, perSecond}
 */
export function load(port, host, { connections = 32, target = '/' } = {}) {
	const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
	const answers = []
	const errors = []
	const began = performance.now()
	let stopped = false
	const one = () =>
		new Promise(resolve => {
			let newest = 0, rest = '', started = 0
			const socket = net.connect({ host: '127.0.0.1', port })
			const ask = () => {
				started = performance.now()
				socket.write(bytes)
			}
			const over = why => {
				if (why) errors.push(why)
				socket.destroy()
				resolve()
			}
			socket.setNoDelay(true)
			socket.on('connect', ask)
			socket.on('error', e => over(String(e)))
			socket.on('close', () => over(stopped ? undefined : 'the connection ended'))
			socket.on('data', d => {
				rest += d.toString('latin1')
				const end = rest.indexOf('\r\n\r\n')
				if (end < 0) return
				const length = Number(/^content-length: (\d+)/im.exec(rest)?.[1])
				if (!(length >= 0)) return over(`no length: ${rest.slice(0, 300)}`)
				if (rest.length < end + 4 + length) return
				const head = rest.slice(0, end), body = rest.slice(end + 4, end + 4 + length)
				rest = rest.slice(end + 4 + length)
				const ended = performance.now()
				if (!head.startsWith('HTTP/1.1 200 ')) return over(`${head} ${body}`)
				const version = Number(body)
				if (/^x-version: (.*)$/im.exec(head)?.[1] !== body) return over(`two versions in one answer: ${head} ${body}`)
				if (version < newest) return over(`version ${version} after ${newest} on one connection`)
				newest = version
				answers.push([started, ended, version])
				if (/^connection: close/im.test(head)) {
					// limits.requests of a connection: another one goes on
					socket.removeAllListeners('close')
					socket.destroy()
					resolve(stopped ? undefined : one())
				} else if (stopped) over()
				else ask()
			})
		})
	const all = Promise.all(Array.from({ length: connections }, one))
	return {
		answers,
		errors,
		async stop() {
			stopped = true
			await all
			const seconds = (performance.now() - began) / 1000
			return { n: answers.length, answers, errors, perSecond: Math.round(answers.length / seconds) }
		},
	}
}

/**
 * Deploys version after version, `every` ms apart, until stop(). Each has live[version] = [when
 * it may have gone live at the earliest, when it was acknowledged]. stop() → {live: Map, took:
 * [ms], failures}
 */
export function flips(node, name, { every = 200, first = 1, wait = 0 } = {}) {
	const live = new Map()
	const took = []
	const failures = []
	let stopped = false
	const loop = (async () => {
		for (let v = first; !stopped; v++) {
			const t = performance.now()
			const done = await node.deploy(name, says(v, { wait })).then(() => performance.now(), e => void failures.push(String(e)))
			if (done === undefined) break
			live.set(v, [t, done])
			took.push(done - t)
			await new Promise(r => setTimeout(r, Math.max(0, every - (performance.now() - t))))
		}
	})()
	return {
		live,
		async stop() {
			stopped = true
			await loop
			return { live, took, failures }
		},
	}
}

/** Answers of a version that was live at no moment between their request and their end. */
export function untimely(answers, live) {
	return answers.filter(([started, ended, v]) => !live.has(v) || ended < live.get(v)[0] || (live.has(v + 1) && started > live.get(v + 1)[1]))
}
