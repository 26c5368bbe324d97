import { AutoRouter, cors, error, json, withParams } from 'itty-router'

const { preflight, corsify } = cors()
const router = AutoRouter({ before: [preflight], finally: [corsify] })
router.get('/a/:x', ({ x }) => ({ x })).get('/e', () => error(418, 'teapot')).get('/j', () => json([1])).post('/b', async (request) => ({ got: await request.json() })).all('/p/:one/:two?', withParams, ({ params }) => params)
export default { ...router }
export const requests = [['/a/1'], ['/e'], ['/j'], ['/b', { method: 'POST', body: '{"k":1}' }], ['/p/q/r'], ['/p/q'], ['/none']]
