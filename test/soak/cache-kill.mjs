// The long form of the tests that kill a node while it fills its cache file, and while it purges:
// `make soak`, or `node test/soak/cache-kill.mjs 1000 [filling|purging]`. Ends with status 1 at the
// first wrong byte.
import { killWhileFilling } from '../e2e/lib/cache-kill.mjs'
import { killWhilePurging } from '../e2e/lib/cache-mixed.mjs'

const rounds = Number(process.argv[2] ?? 1000)
const only = process.argv[3]
for (const [name, kill] of Object.entries({ filling: killWhileFilling, purging: killWhilePurging })) {
	if (only !== undefined && only !== name) continue
	const seen = await kill({
		rounds,
		onRound: (n, { answers, hits }) => (n + 1) % 50 === 0 && console.log(`${name}: ${n + 1} kills, ${answers} answers, ${hits} from the cache`),
	})
	console.log(`${name}: ${rounds} kills, ${JSON.stringify(seen)}: no wrong byte`)
}
