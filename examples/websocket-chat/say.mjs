// node say.mjs URL TEXT: two clients come to a room, one says the text, and what the other hears is
// printed. Node's own HTTP client is enough for that.
import { randomBytes } from 'node:crypto'
import http from 'node:http'

const [url, text] = process.argv.slice(2)

const join = () =>
	new Promise((resolve, reject) => {
		const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64') }
		http.get(url, { headers }, res => reject(new Error(`no WebSocket: ${res.statusCode}`)))
			.on('upgrade', (res, socket) => resolve(socket))
			.on('error', reject)
	})

/** A short text message, with the mask that a client's have. */
function say(socket, message) {
	const data = Buffer.from(message)
	const mask = randomBytes(4)
	data.forEach((byte, i) => (data[i] = byte ^ mask[i % 4]))
	socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | data.length]), mask, data]))
}

const listener = await join()
listener.once('data', frame => {
	console.log(frame.subarray(2, 2 + frame[1]).toString())
	process.exit(0)
})
say(await join(), text)
