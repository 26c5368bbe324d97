import { marked } from 'marked'
import QRCode from 'qrcode'
import Handlebars from 'handlebars/runtime.js'
import { parseHTML } from 'linkedom'
import { gunzipSync, gzipSync, strFromU8, strToU8, unzipSync, zipSync } from 'fflate'
import precompiled from './precompiled.mjs'

Handlebars.registerHelper('loud', (text) => String(text).toUpperCase())
const template = Handlebars.template(precompiled)
export default {
	async fetch(request) {
		const { pathname } = new URL(request.url)
		if (pathname === '/marked') return new Response(marked.parse('# Hi *there*\n\n- a\n- [b](c "d")\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```js\nlet a = "<b>"\n```\n'))
		if (pathname === '/qr') return new Response(await QRCode.toString('https://er.example/?q=é', { type: 'svg' }))
		if (pathname === '/handlebars') return new Response(template({ who: '<ada>', list: [1, 2], on: true }))
		if (pathname === '/linkedom') {
			const { document } = parseHTML('<!doctype html><div id=a class="x y"><p>one<p>two</div>')
			document.querySelector('#a').append(Object.assign(document.createElement('b'), { textContent: '<3' }))
			document.querySelectorAll('p')[1].classList.add('z')
			return new Response(document.toString())
		}
		const zipped = zipSync({ 'a.txt': strToU8('hello '.repeat(20)) })
		return new Response(strFromU8(gunzipSync(gzipSync(strToU8('packed')))) + strFromU8(unzipSync(zipped)['a.txt']))
	},
}
export const requests = [['/marked'], ['/qr'], ['/handlebars'], ['/linkedom'], ['/fflate']]
