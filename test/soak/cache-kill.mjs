// The long form of the test that kills a node while it fills its cache file: `make soak`, or `node
// test/soak/cache-kill.mjs 1000`. Ends with status 1 at the first wrong byte.
import { killWhileFilling } from '../e2e/lib/cache-kill.mjs'

const rounds = Number(process.argv[2] ?? 1000)
const seen = await killWhileFilling({
	rounds,
	onRound: (n, pages) => (n + 1) % 50 === 0 && console.log(`${n + 1} kills, ${pages.answers} answers, ${pages.hits} from the cache`),
})
console.log(`${rounds} kills, ${JSON.stringify(seen)}: no wrong byte`)
