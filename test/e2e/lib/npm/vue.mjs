import { computed, createSSRApp, defineComponent, h, ref } from 'vue'
import { renderToString, renderToWebStream } from 'vue/server-renderer'

const Child = defineComponent({ props: ['n'], setup: (props, { slots }) => () => h('span', { class: ['a', { b: true }] }, [props.n, slots.default?.()]) })
const App = defineComponent({
	async setup() {
		const n = ref(await Promise.resolve(2)), twice = computed(() => n.value * 2)
		return () => h('div', { id: 'app', style: { color: 'red' } }, ['<&>', h(Child, { n: twice.value }, () => 'slot'), [1, 2].map((i) => h('i', { key: i }, i))])
	},
})
export default { fetch: async (request) => new Response(new URL(request.url).pathname === '/stream' ? renderToWebStream(createSSRApp(App)) : await renderToString(createSSRApp(App))) }
export const requests = [['/'], ['/stream']]
