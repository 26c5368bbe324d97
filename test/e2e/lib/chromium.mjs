// A real browser, where there is one: Debian's chromium without a window.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { track } from './desk.mjs'
import { tempDir } from './node.mjs'

const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(file => fs.existsSync(file))
/** For a test's `skip`. */
export const skip = program ? false : 'no chromium here'

/** Opens the page and stays there until `done()` has come true; `agent`: its user agent. */
export async function browse(url, done, { agent } = {}) {
	const dir = tempDir('er-chromium-')
	const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', `--user-data-dir=${dir}`]
	const child = track(spawn(program, [...args, ...(agent ? [`--user-agent=${agent}`] : []), url], { stdio: 'ignore', detached: true }))
	const over = new Promise(resolve => child.on('exit', resolve))
	try {
		await done()
	} finally {
		// with its renderers and whatever else it started
		try {
			process.kill(-child.pid, 'SIGKILL')
		} catch {}
		await over
		fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
	}
}
