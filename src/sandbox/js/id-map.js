// A map from the numbers the node and the engine give (greater than 0) to objects of ours. The
// engine's Map makes a new table every few changes where entries come and go: with 32 of them in it
// that is 0.7 KB of garbage for each that comes and goes, and every request, subrequest and timer
// does. Here nothing is made until it grows: open addressing, linear probing, no tombstones.
import { apart, bareList } from './primordials.js';

const SMALLEST = 64;

export class IdMap {
	constructor() {
		this.n = 0;
		this.room(SMALLEST);
	}
	room(size) {
		this.mask = size - 1;
		this.ids = bareList();
		this.values = bareList();
		for (let i = 0; i < size; i++) {
			this.ids[i] = 0;
			this.values[i] = undefined;
		}
	}
	/** Where `id` is, or the free place it would take: ids are given in order, so their low bits
	 * are as good as any hash. */
	at(id) {
		const { ids, mask } = this;
		let i = id & mask;
		while (ids[i] !== id && ids[i] !== 0) i = (i + 1) & mask;
		return i;
	}
	get(id) {
		return this.values[this.at(id)];
	}
	has(id) {
		return this.values[this.at(id)] !== undefined;
	}
	set(id, value) {
		const i = this.at(id);
		this.values[i] = value;
		if (this.ids[i] === id) return;
		this.ids[i] = id;
		if (++this.n * 2 > this.mask) this.grow();
	}
	/** Calls `fn` with each value there is now; `fn` may set and delete. */
	each(fn) {
		const { values } = this;
		const all = bareList();
		for (let i = 0; i < values.length; i++) if (values[i] !== undefined) all[all.length] = values[i];
		for (let i = 0; i < all.length; i++) fn(all[i]);
	}
	grow() {
		const { ids, values, mask } = this;
		this.room((mask + 1) * 2);
		for (let i = 0; i <= mask; i++)
			if (ids[i] !== 0) {
				const to = this.at(ids[i]);
				this.ids[to] = ids[i];
				this.values[to] = values[i];
			}
	}
	delete(id) {
		const { ids, values, mask } = this;
		let gap = this.at(id);
		if (id === 0 || ids[gap] !== id) return;
		this.n--;
		// What comes after the gap and was pushed past it moves into it, so that a search may end
		// at the first free place.
		for (let i = (gap + 1) & mask; ids[i] !== 0; i = (i + 1) & mask) {
			if (((i - (ids[i] & mask)) & mask) < ((i - gap) & mask)) continue;
			ids[gap] = ids[i];
			values[gap] = values[i];
			gap = i;
		}
		ids[gap] = 0;
		values[gap] = undefined;
	}
}
apart(IdMap);
