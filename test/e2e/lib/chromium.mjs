// A real browser, where there is one: Debian's chromium without a window.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { track } from './desk.mjs'
import { Devtools } from './devtools.mjs'
import { tempDir } from './node.mjs'
import * as raw from './raw.mjs'

const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(file => fs.existsSync(file))
/** For a test's `skip`. */
export const skip = program ? false : 'no chromium here'

/** Starts it with these arguments more, and ends it when `done(child)` has come true. */
async function running(more, stdio, done) {
	const dir = tempDir('er-chromium-')
	const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', `--user-data-dir=${dir}`]
	const child = track(spawn(program, [...args, ...more], { stdio, detached: true }))
	const over = new Promise(resolve => child.on('exit', resolve))
	try {
		await done(child)
	} finally {
		// with its renderers and whatever else it started
		try {
			process.kill(-child.pid, 'SIGKILL')
		} catch {}
		await over
		fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
	}
}

/** Opens the page and stays there until `done()` has come true; `agent`: its user agent. */
export const browse = (url, done, { agent } = {}) => running([...(agent ? [`--user-agent=${agent}`] : []), url], 'ignore', done)

/** Opens the page, one of the browser's own, and calls `done(evaluate)`: evaluate(expression) is
 * the value of what was evaluated there, awaited. */
export const withDevtools = (url, done) =>
	running(['--remote-debugging-port=0', 'about:blank'], ['ignore', 'ignore', 'pipe'], async child => {
		let said = ''
		child.stderr.setEncoding('utf8').on('data', d => (said += d))
		const [, browser] = await raw.until(() => /DevTools listening on (ws:\S+)/.exec(said), { timeout: 60000, what: 'the browser' })
		const b = await new Devtools().connect(browser)
		const { targetId } = await b.send('Target.createTarget', { url })
		const p = await new Devtools().connect(`ws://${new URL(browser).host}/devtools/page/${targetId}`)
		await done(async expression => {
			const { result, exceptionDetails } = await p.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
			if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
			return result.value
		})
		p.close()
		b.close()
	})
