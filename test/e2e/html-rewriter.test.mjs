// HTMLRewriter and HTMLStream in a real sandbox: what a handler sees and changes, and what a page
// or a handler that means no good comes to.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import http from 'node:http'
import zlib from 'node:zlib'
import { startNode } from './lib/node.mjs'
import { Gone } from './lib/raw.mjs'

const PAGE = `<!DOCTYPE html><html><head><title>A &amp; B</title><script>if (a < b) document.write('<p>no</p>')</script></head>
<body class="main dark"><!-- one --><h1 id=top>Größe</h1><ul><li>1<li class="x">2</li></ul><p>some <b>bold</b> text</p><img src=/a.png alt=""><svg><a/><![CDATA[<p>]]></svg></body></html>\n`

/** Every case is a function of the routine: (request, page as a stream of pieces) → Response. */
const cases = {
	untouched: (request, page) => new HTMLRewriter().on('a[href], p:not(.x) b', {}).on('li:nth-child(2)', { element() {} }).onDocument({ text() {}, comments() {} }).transform(new Response(page())),
	everything: (request, page) =>
		new HTMLRewriter()
			.on('h1#top', { element(e) { e.setAttribute('class', 'a "b"').removeAttribute('id').before('<hr>', { html: true }).after('<after>').prepend('P ').append(' E') } })
			.on('li.x', { element(e) { e.replace('<li>3</li>', { html: true }) } })
			.on('b', { element(e) { e.removeAndKeepContent() } })
			.on('script', { element(e) { e.remove() } })
			.on('title', { element(e) { e.setInnerContent('<new>') } })
			.on('img', { element(e) { e.tagName = 'amp-img'; e.setAttribute('src', 'https://cdn/?a=1&b=2'); e.append('nothing') } })
			.onDocument({ comments(c) { c.text = c.text.toUpperCase() }, end(e) { e.append('<!-- end -->', { html: true }) } })
			.transform(new Response(page())),
	seen: async (request, page) => {
		const seen = []
		const out = new HTMLRewriter()
			.on('body *', { element(e) { seen.push(`${e.tagName} ${[...e.attributes].map(([n, v]) => `${n}=${v}`).join(' ')} ${e.namespaceURI.slice(-5)}`) } })
			.on('p', { text(t) { seen.push(`"${t.text}"${t.lastInTextNode ? '.' : ''}`) } })
			.on('img', { element(e) { seen.push(e.getAttribute('SRC'), e.getAttribute('none'), e.hasAttribute('alt'), e.removed) } })
			.onDocument({ doctype(d) { seen.push(`${d.name} ${d.publicId} ${d.systemId}`) }, comments(c) { seen.push(c.text) } })
			.transform(new Response(page()))
		await out.text()
		return Response.json(seen)
	},
	asynchronous: (request, page) => {
		const later = v => new Promise(r => setTimeout(() => r(v), 2))
		return new HTMLRewriter()
			.on('b', { async element(e) { e.setAttribute('n', await later(1)); e.onEndTag(async tag => tag.before(await later('!'))) }, async text(t) { if (await later(t.lastInTextNode)) t.after('*') } })
			.onDocument({ async doctype() { await later() }, async comments(c) { c.text = await later(' later ') }, async end(e) { e.append(await later('END')) } })
			.transform(new Response(page()))
	},
	text: (request, page) => {
		let all = ''
		return new HTMLRewriter().on('h1', { text(t) { all += t.text; if (t.lastInTextNode) t.replace(all.toUpperCase()); else t.remove() } }).transform(new Response(page()))
	},
	stream: (request, page) =>
		new Response(new HTMLStream(page(), [
			['h1', { element: e => e.before('<hr>', { html: true }) }],
			[null, { docend: e => e.append('bye'), doctype() {}, comments: c => c.remove() }],
		]), { headers: { 'content-type': 'text/html' } }),
	endtags: (request, page) =>
		new HTMLRewriter().on('b, p', { element(e) { const name = e.tagName; e.onEndTag(t => { t.before(`[${name} ${t.name}]`) }); e.onEndTag(t => { if (name === 'b') t.name = 'i'; else t.after('<br>', { html: true }) }) } })
			.on('img', { element(e) { try { e.onEndTag(() => {}) } catch (x) { e.after(x.name) } } })
			.transform(new Response(page())),
	throws: (request, page) => {
		const cancelled = []
		const source = new ReadableStream({ pull(c) { c.enqueue(new TextEncoder().encode('<p>x</p>')) }, cancel(r) { cancelled.push(r.message) } })
		return new HTMLRewriter().on('p:nth-child(3)', { element() { throw new RangeError('mine') } }).transform(new Response(source)).text().catch(e => new Response(`${e.name} ${e.message} ${cancelled}`))
	},
	rejects: (request, page) => new HTMLRewriter().on('p', { async element() { await null; throw new RangeError('mine') } }).transform(new Response(page())).text().catch(e => new Response(`${e.name} ${e.message}`)),
	cut: (request, page) => {
		// without waiting: the head has gone when the handler throws
		const source = new ReadableStream({ async pull(c) { c.enqueue(new TextEncoder().encode('<p>x</p>')); await new Promise(r => setTimeout(r, 5)) } })
		return new HTMLRewriter().on('p:nth-child(20)', { element() { throw new Error('late') } }).transform(new Response(source))
	},
	kept: async (request, page) => {
		const kept = {}
		const keep = name => v => { kept[name] = v }
		await new HTMLRewriter().on('p', { element(e) { keep('element')(e); kept.attributes = e.attributes; e.onEndTag(keep('endTag')) }, text: keep('text') }).onDocument({ comments: keep('comment'), doctype: keep('doctype'), end: keep('end') }).transform(new Response(page())).text()
		const uses = { element: v => v.setAttribute('a', 'b'), attributes: v => v.next(), endTag: v => v.before('x'), text: v => v.text, comment: v => { v.text = 'x' }, doctype: v => v.name, end: v => v.append('x') }
		return Response.json(Object.entries(uses).map(([name, use]) => { try { use(kept[name]); return `${name} works` } catch (e) { return `${name} ${e.name} ${/after its handler/.test(e.message)}` } }))
	},
	refused: () => Response.json(['a + b', 'a:hover', 'a::before', '', '[a=', 'svg|a', ':nth-child(2 of p)'].map(s => { try { new HTMLRewriter().on(s, {}); return `${s} works` } catch (e) { return `${e.name}: ${e.message}` } })),
	odd: (request, page) => {
		const e = { get html() { return 1 } }
		return new HTMLRewriter().on('b', { element(el) {
			el.before({ toString: () => { el.setAttribute('x', '1'); return '<u>' } }, e)
			for (const f of [() => el.setAttribute('a b', 1), () => { el.tagName = '1' }, () => el.before(Symbol()), () => el.before('x', 1), () => el.setAttribute('x'), () => el.getAttribute()])
				try { f(); el.after('!') } catch (x) { el.after(x.name === 'TypeError' ? '.' : x.name) }
			return el
		} }).transform(new Response(page()))
	},
	huge: async request => {
		const piece = new TextEncoder().encode('x'.repeat(65536))
		let n = 0
		const source = start => new ReadableStream({ pull(c) { c.enqueue(n++ === 0 ? new TextEncoder().encode(start) : piece) } })
		const said = []
		for (const start of ['<a b="', '<!--', '<?']) {
			n = 0
			said.push(await new HTMLRewriter().on('*', { element() {} }).transform(new Response(source(start))).text().catch(e => `${e.name} ${/1 MB/.test(e.message)} ${n < 30}`))
		}
		return Response.json(said)
	},
	deep: async () => {
		const opens = new TextEncoder().encode('<i>'.repeat(1000))
		let n = 0
		const source = new ReadableStream({ pull(c) { n++; c.enqueue(opens) } })
		return new Response(await new HTMLRewriter().on('b', { element() {} }).transform(new Response(source)).text().catch(e => `${e.name} ${/deeply/.test(e.message)} ${n < 30}`))
	},
	back: async (request, page) => {
		// nothing is read ahead, and a reader that leaves stops it
		let pulled = 0, cancelled
		const source = new ReadableStream({ pull(c) { pulled++; c.enqueue(new TextEncoder().encode('<p>x</p>'.repeat(1000))) }, cancel(r) { cancelled = r } }, { highWaterMark: 0 })
		const reader = new HTMLRewriter().on('p', { element(e) { e.remove() }, text() {} }).on('p:nth-child(1)', { element(e) { e.after('y') } }).transform(new Response(source)).body.getReader()
		await new Promise(r => setTimeout(r, 5))
		const before = pulled
		await reader.read()
		await reader.cancel('enough')
		await new Promise(r => setTimeout(r, 5))
		return Response.json([before, pulled, cancelled])
	},
	early: async (request, page) => {
		// what was there before a handler that waits comes without waiting for it
		let go
		const held = new Promise(r => { go = r })
		const reader = new HTMLRewriter().on('b', { element: () => held }).transform(new Response(page())).body.getReader()
		let text = new TextDecoder().decode((await reader.read()).value)
		const first = text.endsWith('<p>some ')
		go()
		for (let r; !(r = await reader.read()).done;) text += new TextDecoder().decode(r.value)
		return Response.json([first, text])
	},
	origin: async request => {
		const res = await fetch(request.headers.get('x-origin') + new URL(request.url).search, { headers: { 'accept-encoding': request.headers.get('x-accept') ?? 'gzip' }, decompress: request.headers.get('x-decompress') ?? 'decompress' })
		return new HTMLRewriter().on('h1', { element(e) { e.after('ü') }, text(t) { if (t.text) t.after(` ${[...t.text].length}`) } }).transform(res)
	},
	byob: async (request, page) => {
		const reader = new HTMLStream(page(), [['p', { element: e => e.remove() }]]).getReader({ mode: 'byob' })
		let text = ''
		const decoder = new TextDecoder()
		for (let r; !(r = await reader.read(new Uint8Array(7))).done;) text += decoder.decode(r.value, { stream: true })
		return new Response(text)
	},
	buffer: () => new Response(new HTMLStream(new BufferStream('<p>x</p>'), [['p', { text: t => t.after('y') }]])),
	left: async () => {
		// each keeps the beginning of a large tag in C, and little in JavaScript
		const piece = new TextEncoder().encode('<p><a b="' + 'x'.repeat(400000))
		for (let i = 0; i < 1000; i++) {
			let given = false
			const source = new ReadableStream({ pull(c) { if (given) return new Promise(() => {}); given = true; c.enqueue(piece) } })
			const reader = new HTMLStream(source, [['p', { element: e => { e.append('end') } }]]).getReader()
			await reader.read()
			reader.read()
			await new Promise(r => setTimeout(r, 0))
		}
		return new Response('ok')
	},
	many: async request => {
		const page = '<ul>' + '<li><a href="/x">y</a></li>'.repeat(3000) + '</ul>'
		let n = 0
		const out = await new HTMLRewriter().on('a', { element(e) { n++; e.setAttribute('href', '/' + n) } }).transform(new Response(page)).text()
		return Response.json([n, out.includes('<a href="/3000">y</a>'), out.length])
	},
	rules: () => {
		const r = new HTMLRewriter()
		for (let i = 0; i < 300; i++) r.on('p', { element(e) { e.before('x') } })
		try { return r.transform(new Response('<p>')) } catch (e) { return new Response(`${e.name}: ${e.message}`) }
	},
}
const routine = `const cases = { ${Object.entries(cases).map(([name, f]) => `${name}: ${f}`).join(',\n')} }
const PAGE = ${JSON.stringify(PAGE)}
addEventListener('fetch', e => e.respondWith((async () => {
	const url = new URL(e.request.url), cut = Number(url.searchParams.get('cut') ?? 100000)
	const page = () => {
		const bytes = new TextEncoder().encode(PAGE)
		let at = 0
		return new ReadableStream({ pull(c) { if (at >= bytes.length) c.close(); else { c.enqueue(bytes.slice(at, at + cut)); at += cut } } })
	}
	return cases[url.pathname.slice(1)](e.request, page)
})()))`

let node, origin, originURL
before(async () => {
	origin = http.createServer((req, res) => {
		const { searchParams } = new URL(req.url, 'http://x')
		const body = Buffer.from(searchParams.get('body'), 'base64')
		const fields = { 'content-type': searchParams.get('type') ?? 'text/html' }
		const packed = { gzip: zlib.gzipSync, br: zlib.brotliCompressSync, deflate: zlib.deflateSync }[searchParams.get('coding')]
		if (packed) fields['content-encoding'] = searchParams.get('coding')
		else if (searchParams.has('coding')) fields['content-encoding'] = searchParams.get('coding')
		const bytes = packed ? packed(body) : body
		res.writeHead(200, { ...fields, 'content-length': bytes.length, etag: '"1"' }).end(bytes)
	})
	await new Promise(r => origin.listen(0, '127.0.0.1', r))
	originURL = `http://127.0.0.1:${origin.address().port}/`
	node = await startNode({ routines: { html: { source: routine, allowAddresses: ['127.0.0.0/8'], limits: { cpuMs: 5000 } }, small: { source: routine, limits: { cpuMs: 5000, memoryMb: 128 } } }, config: { routineLimits: { cpuMs: 5000 } } })
})
after(async () => {
	await node.stop()
	origin.close()
})
const ask = async (name, options) => {
	const res = await node.get('html', `/${name}`, options)
	assert.equal(res.status, 200, `${res.status} ${res.headers['er-error']} ${res.text}`)
	return res
}

const EVERYTHING = PAGE.replace(/<script>.*<\/script>/, '').replace('A &amp; B', '&lt;new&gt;').replace('<!-- one -->', '<!-- ONE -->')
	.replace('<h1 id=top>Größe</h1>', '<hr><h1 class="a &quot;b&quot;">P Größe E</h1>&lt;after&gt;').replace('<li class="x">2</li>', '<li>3</li>').replace('<b>bold</b>', 'bold')
	.replace('<img src=/a.png alt="">', '<amp-img src="https://cdn/?a=1&b=2" alt="">') + '<!-- end -->'
const SAME = {
	untouched: PAGE,
	everything: EVERYTHING,
	asynchronous: PAGE.replace('<!-- one -->', '<!-- later -->').replace('<b>bold</b>', '<b n="1">bold*!</b>') + 'END',
	text: PAGE.replace('Größe', 'GRÖSSE'),
	stream: PAGE.replace('<h1', '<hr><h1').replace('<!-- one -->', '') + 'bye',
	endtags: PAGE.replace('bold</b>', 'bold[b b]</i>').replace('text</p>', 'text[p p]</p><br>').replace('alt="">', 'alt="">TypeError'),
	byob: PAGE.replace(/<p>some.*text<\/p>/, ''),
}
for (const [name, wanted] of Object.entries(SAME))
	test(`${name}: a page becomes the same wherever it was cut`, async () => {
		for (const cut of [100000, 1, 2, 3, 7, 64]) {
			const { text } = await ask(`${name}?cut=${cut}`)
			assert.equal(text, wanted, `cut ${cut}`)
		}
	})
test('handlers see elements with their attributes and namespaces, text, comments and the doctype', async () => {
	assert.deepEqual(JSON.parse((await ask('seen')).text), [
		'html null null', ' one ', 'h1 id=top xhtml', 'ul  xhtml', 'li  xhtml', 'li class=x xhtml', 'p  xhtml', '"some ".', 'b  xhtml', '"bold".', '" text".', 'img src=/a.png alt= xhtml',
		'/a.png', null, true, false, 'svg  0/svg', 'a  0/svg',
	])
})
test('a handler that throws or rejects fails whoever reads the page, and the page is let go', async () => {
	assert.equal((await ask('throws')).text, 'RangeError mine mine')
	assert.equal((await ask('rejects')).text, 'RangeError mine')
	await assert.rejects(node.get('html', '/cut'), Gone)
})
test('what a handler was given throws a clear error after it', async () => {
	assert.deepEqual(JSON.parse((await ask('kept')).text), ['element', 'attributes', 'endTag', 'text', 'comment', 'doctype', 'end'].map(n => `${n} TypeError true`))
})
test('selectors that are not supported are TypeErrors that say why', async () => {
	for (const line of JSON.parse((await ask('refused')).text)) assert.match(line, /^TypeError: The selector '.*' cannot be used: .*(support|missing|so)/)
})
test('arguments that run code, and those that cannot be', async () => {
	assert.equal((await ask('odd')).text, PAGE.replace('<b>bold</b>', '<u><b x="1">bold</b>......'))
})
test('a tag, a comment or a depth without end fails, and does not fill the memory', async () => {
	assert.deepEqual(JSON.parse((await ask('huge')).text), ['RangeError true true', 'RangeError true true', 'RangeError true true'])
	assert.equal((await ask('deep')).text, 'RangeError true true')
})
test('nothing is read ahead of the reader, and a reader that leaves stops the page', async () => {
	assert.deepEqual(JSON.parse((await ask('back')).text), [0, 1, 'enough'])
})
test('what comes before an element whose handler waits does not wait', async () => {
	const [first, text] = JSON.parse((await ask('early')).text)
	assert.equal(first, true)
	assert.equal(text, PAGE)
})
test('thousands of elements are changed in one request', async () => {
	const [n, last] = JSON.parse((await ask('many')).text)
	assert.deepEqual([n, last], [3000, true])
})
test('a BufferStream of the first generation is a page, too', async () => {
	assert.equal((await ask('buffer')).text, '<p>xy</p>')
})
test('pages that nobody reads any more are collected', async () => {
	const res = await node.get('small', '/left')
	assert.equal(res.status, 200, res.headers['er-error'])
})
test('more than 256 handlers are refused', async () => {
	assert.match((await ask('rules')).text, /^TypeError: .*256/)
})
const fromOrigin = (body, fields = {}, { type, coding } = {}) => {
	const query = new URLSearchParams({ body: Buffer.from(body).toString('base64'), ...(type && { type }), ...(coding && { coding }) })
	return ask(`origin?${query}`, { headers: { 'x-origin': originURL, ...fields } })
}
test('a transformed answer has no content-length and no content-encoding that is not its own', async () => {
	for (const [coding, how] of [[undefined], ['gzip'], ['gzip', 'manual'], ['br'], ['deflate', 'manual'], ['identity']]) {
		const res = await fromOrigin('<h1>é</h1>', { 'x-accept': 'gzip, br, deflate', ...(how && { 'x-decompress': how }) }, { coding, type: 'text/html; charset=UTF-8' })
		assert.equal(res.text, '<h1>é 1</h1>ü', `${coding} ${how}`)
		assert.equal(res.headers['content-length'] === undefined || Number(res.headers['content-length']) === res.body.length, true)
		assert.ok([undefined, 'identity'].includes(res.headers['content-encoding']), `${coding}: ${res.headers['content-encoding']}`)
		assert.equal(res.headers.etag, '"1"')
	}
	const res = await node.get('html', `/origin?${new URLSearchParams({ body: '', coding: 'compress' })}`, { headers: { 'x-origin': originURL } })
	assert.equal(res.status, 599)
})
test('a page that names its charset only by a meta is read so, and stays in it', async () => {
	const of = (head, text, more = '') => Buffer.concat([Buffer.from(`${head}<h1>`), Buffer.from(text, 'hex'), Buffer.from(`</h1>${more}`)])
	for (const [head, text, typed, end] of [
		['<meta charset=iso-8859-1>', 'e980', '2032', 'fc'],
		['<meta http-equiv=content-type content="text/html; charset=Shift_JIS">', '93fa967b', '2032', Buffer.from('&#252;').toString('hex')],
		['<meta charset=utf-8>', 'c3a9', '2031', 'c3bc'],
		['<p>', 'c3a9', '2031', 'c3bc'],
	])
		for (const more of ['', '<p>x'.repeat(500)]) {
			const res = await fromOrigin(of(head, text, more), {}, { type: 'text/html' })
			assert.equal(res.headers['content-type'], 'text/html')
			assert.equal(res.body.toString('hex'), Buffer.concat([of(head, text + typed), Buffer.from(end, 'hex'), Buffer.from(more)]).toString('hex'), head)
		}
	const said = await fromOrigin(of('<meta charset=shift_jis>', 'c3a9'), {}, { type: 'text/html; charset=utf-8' })
	assert.equal(said.text, '<meta charset=shift_jis><h1>é 1</h1>ü')
})
test('a page of another charset is read as what it says, and becomes UTF-8', async () => {
	for (const [charset, bytes] of [['iso-8859-1', Buffer.from('<h1>\xe9\x80</h1>', 'latin1')], ['GBK', Buffer.from('3c68313ed6d0ce c43c2f68313e'.replaceAll(' ', ''), 'hex')], ['utf-16le', Buffer.from('\ufeff<h1>é€</h1>', 'utf16le')], ['"Shift_JIS"', Buffer.from('3c68313e93fa967b3c2f68313e', 'hex')]]) {
		const res = await fromOrigin(bytes, {}, { type: `text/html;charset=${charset}` })
		assert.equal(res.headers['content-type'], 'text/html; charset=utf-8')
		assert.match(res.text, /^<h1>.{2} 2<\/h1>ü$/u, charset)
	}
	const unknown = await fromOrigin('<h1>é</h1>', {}, { type: 'text/html; charset=none-such' })
	assert.equal(unknown.text, '<h1>é 1</h1>ü')
	assert.equal(unknown.headers['content-type'], 'text/html; charset=none-such')
})
