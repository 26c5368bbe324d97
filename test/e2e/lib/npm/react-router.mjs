import { createElement as h } from 'react'
import { renderToReadableStream } from 'react-dom/server'
import { Link, Outlet, StaticRouterProvider, createStaticHandler, createStaticRouter, redirect, useLoaderData } from 'react-router'

const Layout = () => h('main', null, h(Link, { to: '/item/2' }, 'two'), h(Outlet))
const Item = () => h('h1', null, `item ${useLoaderData().id}`)
const routes = [{ path: '/', Component: Layout, children: [{ index: true, element: h('p', null, 'home') }, { path: 'item/:id', loader: ({ params }) => ({ id: params.id }), Component: Item }, { path: 'old', loader: () => redirect('/item/1') }, { path: 'bad', loader: () => { throw new Response('bad', { status: 400 }) }, element: null, ErrorBoundary: () => h('p', null, 'caught') }] }]
const { query, dataRoutes } = createStaticHandler(routes)
export default {
	async fetch(request) {
		const context = await query(request)
		if (context instanceof Response) return context
		const stream = await renderToReadableStream(h(StaticRouterProvider, { router: createStaticRouter(dataRoutes, context), context, nonce: 'n' }))
		await stream.allReady
		return new Response(stream, { status: context.statusCode, headers: { 'content-type': 'text/html' } })
	},
}
export const requests = [['/'], ['/item/7'], ['/old'], ['/bad'], ['/none']]
