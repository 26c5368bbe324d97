// Authorities and certificates, made by openssl in a folder of the test's own, and servers that
// have them.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import path from 'node:path'
import { tempDir } from './node.mjs'

const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] })

/** makeCerts(t) → {dir, ca(name), leaf(name, {by, names, ends, authority}),
 * selfSigned(name, names)}; each gives {cert, key} as PEM and {certFile, keyFile}. Gone with the
 * test. */
export function makeCerts(t) {
	const dir = tempDir('er-certs-')
	t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
	const file = (name, kind) => path.join(dir, `${name}.${kind}.pem`)
	const made = name => ({
		name,
		certFile: file(name, 'cert'),
		keyFile: file(name, 'key'),
		cert: fs.readFileSync(file(name, 'cert'), 'utf8'),
		key: fs.readFileSync(file(name, 'key'), 'utf8'),
	})
	const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
	const alt = names => names.map(n => (/^[0-9.]+$/.test(n) ? `IP:${n}` : `DNS:${n}`)).join(',')
	return {
		dir,
		ca(name) {
			openssl('req', '-x509', ...curve, '-days', '30', '-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', file(name, 'key'), '-out', file(name, 'cert'))
			return made(name)
		},
		selfSigned(name, names) {
			openssl('req', '-x509', ...curve, '-days', '30', '-subj', `/CN=${name}`, '-addext', `subjectAltName=${alt(names)}`, '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', file(name, 'key'), '-out', file(name, 'cert'))
			return made(name)
		},
		/** `ends`: "YYYYMMDDHHMMSSZ"; `authority`: it may sign others. */
		leaf(name, { by, names = [], ends, authority = false }) {
			openssl('req', '-new', ...curve, '-subj', `/CN=${name}`, '-keyout', file(name, 'key'), '-out', file(name, 'csr'))
			fs.writeFileSync(file(name, 'ext'), `basicConstraints=CA:${authority ? 'TRUE' : 'FALSE'}\n${names.length ? `subjectAltName=${alt(names)}\n` : ''}`)
			if (ends === undefined) {
				openssl('x509', '-req', '-in', file(name, 'csr'), '-CA', by.certFile, '-CAkey', by.keyFile, '-CAcreateserial', '-days', '30', '-extfile', file(name, 'ext'), '-out', file(name, 'cert'))
			} else {
				// `openssl x509` makes no certificate that is over already; `openssl ca` does.
				const conf = file(name, 'conf')
				fs.writeFileSync(path.join(dir, `${name}.index`), '')
				fs.writeFileSync(conf, `[ca]\ndefault_ca=d\n[d]\ndatabase=${path.join(dir, `${name}.index`)}\nrand_serial=yes\nnew_certs_dir=${dir}\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n`)
				openssl('ca', '-batch', '-config', conf, '-in', file(name, 'csr'), '-cert', by.certFile, '-keyfile', by.keyFile, '-startdate', '20200101000000Z', '-enddate', ends, '-extfile', file(name, 'ext'), '-notext', '-out', file(name, 'cert'))
			}
			return made(name)
		},
	}
}

/** An https server of 127.0.0.1 that says its name, the name that it was asked by (SNI), and who
 * asks. {port, url, connections, requests, close()} */
export function startTls(t, name, { cert, key }, options = {}, handler) {
	const seen = { connections: 0, requests: [] }
	const make = options.http2 ? http2.createSecureServer : https.createServer
	const server = make({ cert, key, keepAliveTimeout: 60000, ...options }, (req, res) => {
		const client = req.socket.getPeerCertificate?.()?.subject?.CN ?? '-'
		seen.requests.push({ url: req.url, headers: req.headers, client, sni: req.socket.servername, version: req.httpVersion })
		if (handler) return handler(req, res)
		res.end(`${name} ${req.socket.servername || '-'} ${client}`)
	})
	server.on('secureConnection', () => seen.connections++)
	server.on('tlsClientError', () => {})
	server.on('sessionError', () => {})
	server.on('clientError', (_, s) => s.destroy())
	const sockets = new Set()
	server.on('connection', s => sockets.add(s.on('close', () => sockets.delete(s)).on('error', () => {})))
	return new Promise(resolve =>
		server.listen(0, '127.0.0.1', () => {
			const close = () => new Promise(done => (server.close(() => done()), sockets.forEach(s => s.destroy())))
			t.after(close)
			resolve(Object.assign(seen, { port: server.address().port, url: `https://127.0.0.1:${server.address().port}`, close, drop: () => sockets.forEach(s => s.destroy()) }))
		}),
	)
}
