import { h } from 'preact'
import { useState } from 'preact/hooks'
import { renderToString } from 'preact-render-to-string'
import { renderToReadableStream } from 'preact-render-to-string/stream'

const App = ({ n }) => { const [x] = useState(n + 1); return h('div', { class: 'a', 'data-n': n }, '<', x, h('ul', null, [1, 2].map((i) => h('li', { key: i }, i)))) }
export default { fetch: (request) => new Response(new URL(request.url).pathname === '/stream' ? renderToReadableStream(h(App, { n: 1 })) : renderToString(h(App, { n: 1 }))) }
export const requests = [['/'], ['/stream']]
