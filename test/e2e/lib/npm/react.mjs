import { Suspense, createContext, createElement as h, use, useContext, useId, useMemo } from 'react'
import { renderToReadableStream } from 'react-dom/server'

const Who = createContext('nobody')
const later = (value) => new Promise((resolve) => setTimeout(() => resolve(value), 2))
const Slow = ({ promise }) => h('b', null, use(promise))
function Page({ promise }) {
	const who = useContext(Who), id = useId(), list = useMemo(() => [1, 2, 3], [])
	return h('html', null, h('head', null, h('title', null, `for ${who}`)), h('body', { className: 'x', style: { color: 'red', marginTop: 3 } }, h('label', { htmlFor: id }, '<&>'), h('ul', null, list.map((n) => h('li', { key: n }, n))), h(Suspense, { fallback: h('i', null, 'wait') }, h(Slow, { promise }))))
}
export default {
	async fetch(request) {
		const whole = new URL(request.url).pathname === '/whole';
		const stream = await renderToReadableStream(h(Who.Provider, { value: 'ada' }, h(Page, { promise: later('late') })), { bootstrapScripts: ['/app.js'], onError() {} })
		if (whole) await stream.allReady
		return new Response(stream, { headers: { 'content-type': 'text/html' } })
	},
}
export const requests = [['/'], ['/whole']]
