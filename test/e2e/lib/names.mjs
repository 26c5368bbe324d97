// A name server on a port of 127.0.0.1, by UDP: the first label of a name says what it does. Asked
// for IPv6 it says that there is none.
//   silent          no answer
//   nx              there is no such name
//   servfail        the name server cannot tell
//   private         127.0.0.1, as a rebinding attacker would say
//   late            an answer after 300 ms
//   slow            the same after 3 s
//   flips           what `flips` of the server says now, for one second
//   anything else   `address`
import dgram from 'node:dgram'

/** {server: "127.0.0.1:port", asked: {name: questions for IPv4}, silent: whatever is
 * asked, flips: an address, close()} */
export function startNames({ address = '127.0.0.1' } = {}) {
	const socket = dgram.createSocket('udp4')
	const asked = {}
	const self = { asked, silent: false, flips: address, close: () => socket.close() }
	socket.on('message', (query, from) => {
		const labels = []
		let at = 12
		while (query[at]) {
			labels.push(query.toString('latin1', at + 1, at + 1 + query[at]).toLowerCase())
			at += 1 + query[at]
		}
		const name = labels.join('.')
		const v4 = query.readUInt16BE(at + 1) === 1
		if (v4) asked[name] = (asked[name] ?? 0) + 1
		if (self.silent || labels[0] === 'silent') return
		const head = Buffer.alloc(12)
		query.copy(head, 0, 0, 2)
		head.writeUInt16BE({ nx: 0x8183, servfail: 0x8182 }[labels[0]] ?? 0x8180, 2)
		head.writeUInt16BE(1, 4)
		const parts = [head, query.subarray(12, at + 5)]
		if (v4 && labels[0] !== 'nx' && labels[0] !== 'servfail') {
			head.writeUInt16BE(1, 6)
			const says = { private: '127.0.0.1', flips: self.flips }[labels[0]] ?? address
			const seconds = labels[0] === 'flips' ? 1 : 60
			parts.push(Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, seconds, 0, 4, ...says.split('.').map(Number)]))
		}
		const send = () => socket.send(Buffer.concat(parts), from.port, from.address)
		if (labels[0] === 'late' || labels[0] === 'slow') setTimeout(send, labels[0] === 'slow' ? 3000 : 300)
		else send()
	})
	return new Promise(resolve =>
		socket.bind(0, '127.0.0.1', () => resolve(Object.assign(self, { server: `127.0.0.1:${socket.address().port}` }))),
	)
}
