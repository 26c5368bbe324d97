import path from 'node:path'
import qs from 'node:querystring'
import url from 'node:url'
import punycode from 'node:punycode'
import net from 'node:net'
import { list } from './record.mjs'

const posix = ['', '.', '..', '/', '//', '///', 'a', '/a', 'a/', '/a/', 'a/b', '/a/b', '/a/b/', '//a', '//a//b//', './a', '../a', 'a/..', 'a/../..', '/..', '/../a', 'a/./b/../c', '.a', '.a.b', 'a.', 'a.b', 'a.b.', '..a', 'a..b', '/a/.b', '/a/b.c.d', 'a/b.c/', '...', '/a.b/..', 'foo/bar\\baz', ' ', 'a b/c d', './', '../', './..', 'file.ext/', 'file//', '//../a']
const win = ['', 'C:', 'C:\\', 'c:/', 'C:a', 'C:\\a\\b', 'C:\\a\\..\\b', '\\', '\\\\', '\\a', '\\\\server\\share', '\\\\server\\share\\', '\\\\server\\share\\a\\b', '//server/share/x', 'a\\b', 'a/b', '..\\a', 'C:..\\a', 'C:\\..\\..', '.', '..', 'a.b\\c.d', 'C:\\a.b', '\\\\a', 'c:.', 'C:\\path\\dir\\index.html', 'a\\..\\..\\b', 'x:\\y\\z\\']
const urls = ['', '/', 'http://a', 'http://a/', 'http://a:80/b?c=d&e=f#g', 'HTTP://User:Pass@EXAMPLE.com:8080/p/a/t/h?query=string#hash', '//a/b', '/a?b', 'a/b', '?x', '#y', 'mailto:a@b.c', 'javascript:alert(1)', 'file:///etc/passwd', 'file://host/x', 'http://[::1]:80/x', 'http://a.b/c d', ' http://a/ ', 'http:\\\\a\\b?c\\d', 'http://a@b@c/', 'http://a/%20?%20', 'x:y', 'x:/y', 'http://münchen.de/ü', 'http://a?b', 'http://a#b', 'http://a/b#c?d', 'ws://a', 'data:text/plain,hi', 'http://user:@a/', 'http://:80/', 'http://a:/', 'a:b@c.d', "http://a/'\"<>`{}|\\^", 'http://a.com/?a=1&a=2', 'http://a/\tb\n', 'coap:u:p@::1:61616/.well-known/r?n=T#c', 'git+ssh://git@h.c/x', 'http://a.b/p;a=b;x?y', '/?a=%', '//a', 'xmpp:user@host.com', 'http://x.y.com+a/b/c', 'HtTp://x.y.cOm;a/b/c?d=e#f', 'http://x...y...#p', 'http://_jabber._tcp.g.com:80/t', 'dot.test://foo/bar', 'tel:+1-816', './/g', 'http://a/b?c#d?e#f']
const bases = ['http://a/b/c/d;p?q', 'http://a', '/one/two/three', 'mailto:l@d.f', 'file:///C:/D/F', 'http://u:p@h.c/x/y', '', 'a/b', 'http://a/b/c/d']
const rels = ['g', './g', 'g/', '/g', '//g', '?y', 'g?y', '#s', 'g#s', '', '.', './', '..', '../', '../g', '../..', '../../', '../../g', '../../../g', '../../../../g', '/./g', '/../g', 'g.', '..g', './../g', './g/.', 'g/./h', 'g/../h', 'http:g', 'http://x/y', 'mailto:x@y', '#', '?', 'https:x', 'file:/x', 'javascript:x', '//h/p', '/p?q#r']
const queries = ['', 'a=b', 'a=b&c=d', 'a=b&a=c&a=d', 'a', 'a=', '=b', '&', '&&a=b&', 'a=b=c', 'a+b=c+d', 'a%20b=c%20d', 'a=%', 'a=%zz', 'a=%C3%A9', 'a=%E9', '__proto__=1', 'a[]=1', 'a;b=c', 'hasOwnProperty=x', 'a=b&&c', '%=%', 'a=+', 'a=%2B']
const field = (u) => ({ protocol: u.protocol, slashes: u.slashes, auth: u.auth, host: u.host, port: u.port, hostname: u.hostname, hash: u.hash, search: u.search, query: u.query, pathname: u.pathname, path: u.path, href: u.href })
export const cases = {
	...list('posix', posix.map((p) => [p]), (p) => [path.posix.normalize(p), path.posix.dirname(p), path.posix.basename(p), path.posix.extname(p), path.posix.isAbsolute(p), path.posix.parse(p), path.posix.format(path.posix.parse(p)), path.posix.join(p, '..', 'x'), path.posix.join('/x', p), path.posix.resolve('/base', p), path.posix.relative('/a/b/c', path.posix.resolve('/', p))]),
	...list('win32', win.map((p) => [p]), (p) => [path.win32.normalize(p), path.win32.dirname(p), path.win32.basename(p), path.win32.extname(p), path.win32.isAbsolute(p), path.win32.parse(p), path.win32.format(path.win32.parse(p)), path.win32.join(p, '..', 'x'), path.win32.join('C:\\x', p), path.win32.resolve('C:\\base', p), path.win32.relative('C:\\a\\b', path.win32.resolve('C:\\', p)), path.win32.toNamespacedPath(p)]),
	...list('basename', [['a.b', '.b'], ['.b', '.b'], ['a.b', 'a.b'], ['aa.b', 'a.b'], ['/x/a.b/', '.b'], ['a', ''], ['a', 5]], (...a) => path.basename(...a)),
	...list('format', [[{}], [{ dir: '/a', base: 'b' }], [{ root: '/', base: 'b' }], [{ root: '/', dir: '/', base: 'b' }], [{ name: 'a', ext: '.b' }], [{ name: 'a', ext: 'b' }], [{ dir: 'x', name: 'y' }], [null], ['x']], (o) => path.format(o)),
	...list('bad', [[5], [null], [undefined], [{}]], (v) => path.join(v)),
	...list('bad', [[5]], (v) => path.resolve('a', v)),
	...list('join', [[], ['a', 'b', '..', 'c'], ['', ''], ['/', '..'], ['a', '/b'], ['//a', 'b'], ['', '/a']].map((x) => [x]), (x) => [path.posix.join(...x), path.win32.join(...x)]),
	...list('resolve', [[['/a', 'b', '/c', './d']], [['/a', '..', '..']], [['/a/b/', '../c']]], (x) => path.posix.resolve(...x)),
	...list('relative', [['/a/b/c', '/a/b/d'], ['/a', '/a'], ['/a', '/a/b/c'], ['/a/b/c', '/a'], ['/', '/x'], ['/x', '/'], ['/foo/bar', '/foo/barbaz'], ['', '']], (a, b) => path.posix.relative(a, b)),
	...list('win relative', [['C:\\a\\b', 'D:\\x'], ['C:\\A\\b', 'c:\\a\\C'], ['\\\\s\\h\\a', '\\\\s\\h\\b']], (a, b) => path.win32.relative(a, b)),
	...list('url', urls.map((u) => [u]), (u) => field(url.parse(u))),
	...list('url with query', urls.slice(0, 10).map((u) => [u]), (u) => field(url.parse(u, true))),
	...list('url of slashes', urls.map((u) => [u]), (u) => field(url.parse(u, false, true))),
	...list('url bad', [[5], [undefined], [null], ['http://a b/'], ['http://a<b/'], ['http://%zz@a/']], (u) => url.parse(u).href),
	...list('url resolve', bases.flatMap((b) => rels.map((r) => [b, r])), (b, r) => url.resolve(b, r)),
	...list('url format', [[{ protocol: 'http', host: 'a.b', pathname: 'c' }], [{ protocol: 'http:', hostname: 'a', port: 80, pathname: '/x', search: 'y', hash: 'z' }], [{ hostname: '::1', protocol: 'http' }], [{ query: { a: [1, 2], b: 'c d' } }], [{ pathname: '/a?b#c' }], [{ auth: 'a:b@c', host: 'h', protocol: 'ftp' }], ['http://a/b c'], [{ protocol: 'mailto', pathname: 'a@b' }], [{ slashes: true, host: 'x' }], [{ protocol: 'file', pathname: '/x' }], [5], [null], [{}]], (o) => url.format(o)),
	...list('url format URL', [[{}], [{ auth: false }], [{ fragment: false, search: false }], [{ unicode: true }]], (o) => url.format(new URL('http://u:p@xn--mnchen-3ya.de:81/a?b#c'), o)),
	...list('file urls', [['file:///a/b%20c'], ['file:///a%2fb'], ['file://host/a'], ['http://a'], [5], ['x']], (u) => url.fileURLToPath(u)),
	...list('paths to urls', [['/a b/c#d?e'], ['/a/'], ['/ü%']], (p) => url.pathToFileURL(p).href),
	'http options': () => { const o = url.urlToHttpOptions(new URL('http://a%20:b@[::1]:8080/p?q#h')); return [o.protocol, o.hostname, o.hash, o.search, o.pathname, o.path, o.href, o.port, o.auth] },
	...list('domains', [['münchen.de'], ['xn--mnchen-3ya.de'], ['a b'], ['EXAMPLE.com']], (d) => [url.domainToASCII(d), url.domainToUnicode(d)]),
	...list('qs parse', queries.map((q) => [q]), (q) => ({ ...qs.parse(q) })),
	...list('qs parse how', [['a:b;c:d', ';', ':'], ['a=1&b=2&c=3', null, null, { maxKeys: 2 }], ['a=%20', null, null, { decodeURIComponent: (s) => `<${s}>` }], ['a==b', '&', '=='], [5], [undefined]], (...a) => ({ ...qs.parse(...a) })),
	...list('qs stringify', [[{ a: 'b', c: ['d', 'e'] }], [{ a: undefined, b: null, c: 5, d: true, e: {}, f: NaN, g: 10n, h: Infinity }], [{ 'a b': 'c&d' }], [{ a: [] }], [{ a: '€' }], ['x'], [null], [undefined], [{ a: 'b' }, ';', ':'], [{ a: 'b c' }, null, null, { encodeURIComponent: (s) => `<${s}>` }], [{ a: '\ud800' }], [[1, 2]]], (...a) => qs.stringify(...a)),
	...list('qs escape', [['a b'], ['é'], ["!'()*"], [5], [{}], [undefined]], (s) => qs.escape(s)),
	...list('qs unescape', [['a%20b'], ['%'], ['%zz%41'], ['a+b']], (s) => qs.unescape(s)),
	unescapeBuffer: () => [qs.unescapeBuffer('a%20b%zz%4'), qs.encode === qs.stringify, qs.decode === qs.parse],
	punycode: () => [punycode.encode('mañana'), punycode.decode('maana-pta'), punycode.toASCII('mañana.com'), punycode.toUnicode('xn--maana-pta.com'), punycode.ucs2.decode('😀')],
	...list('ip', [['1.2.3.4'], ['1.2.3'], ['256.1.1.1'], ['::1'], ['fe80::1%eth0'], ['::ffff:1.2.3.4'], ['1::2::3'], [''], ['01.2.3.4'], ['1:2:3:4:5:6:7:8'], ['1:2:3:4:5:6:7::'], ['g::1'], [5]], (a) => [net.isIP(a), net.isIPv4(a), net.isIPv6(a)]),
}
