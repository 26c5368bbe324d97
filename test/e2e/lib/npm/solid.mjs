import { For, Show, createComponent, createMemo, createSignal } from 'solid-js'
import { escape, renderToString, ssr } from 'solid-js/web'

function App() {
	const [n] = createSignal(3), twice = createMemo(() => n() * 2)
	return ssr(['<div>', '<ul>', '</ul>', '</div>'], escape(`<${twice()}>`), createComponent(For, { each: [1, 2], children: (i) => ssr(['<li>', '</li>'], escape(i)) }), createComponent(Show, { when: n() > 2, children: 'more' }))
}
export default { fetch: () => new Response(renderToString(() => createComponent(App, {}))) }
export const requests = [['/']]
