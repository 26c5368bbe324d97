export const BOUNDS = [100, 250, 500, 1000, 2500, 5000, 10000]; // milliseconds
const MAX_PAGES = 12;
const KEEP_SECONDS = 7 * 24 * 3600;

/**
 * What has come and is not written yet. Many instances and nodes write at the same time, so no record is ever changed: each
 * batch is a record of its own, and who reads adds them up. The figures are in the record's metadata, which a list gives
 * without reading the values.
 */
export class Batch {
	#kv;
	#views = 0;
	#times = new Array(BOUNDS.length + 1).fill(0);
	#pages = new Map();
	#taken = 0; // until then somebody has taken it on to write

	constructor(kv) {
		this.#kv = kv;
	}

	add({ page, ms }) {
		this.#views++;
		if (ms !== null) this.#times[BOUNDS.findIndex((bound) => ms <= bound) + (ms > BOUNDS.at(-1) ? BOUNDS.length + 1 : 0)]++;
		const name = page.length <= 48 ? page : `${page.slice(0, 47)}…`;
		const known = this.#pages.has(name) || this.#pages.size < MAX_PAGES ? name : "(others)";
		this.#pages.set(known, (this.#pages.get(known) ?? 0) + 1);
	}

	idle() {
		return Date.now() >= this.#taken;
	}

	/** Goes on while more comes in. */
	async write(wait) {
		try {
			do {
				this.#taken = Date.now() + wait + 10_000;
				await new Promise((resolve) => setTimeout(resolve, wait));
				await this.#put();
			} while (this.#views > 0);
		} finally {
			this.#taken = 0;
		}
	}

	async #put() {
		const metadata = { n: this.#views, t: this.#times, p: Object.fromEntries(this.#pages) };
		this.#views = 0;
		this.#times = new Array(BOUNDS.length + 1).fill(0);
		this.#pages = new Map();
		const minute = new Date().toISOString().slice(0, 16); // 2026-01-31T12:05
		try {
			await this.#kv.put(`${minute}/${crypto.randomUUID()}`, "", { metadata, expirationTtl: KEEP_SECONDS });
		} catch (error) {
			console.error("%d views are lost: %s", metadata.n, error.message);
		}
	}
}
