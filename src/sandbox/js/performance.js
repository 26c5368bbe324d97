// performance (High Resolution Time). The clock stands still while code runs, so that code cannot
// time itself or its neighbours.
import * as er from './natives.js';
import { brand, finish, illegal, INTERNAL } from './webidl.js';
import { EventTarget } from './event.js';

let origin = null;
export class Performance extends EventTarget {
	#brand;
	constructor(token = undefined) {
		if (token !== INTERNAL) throw illegal('Performance');
		super();
	}
	now() {
		if (!(#brand in this)) throw brand('Performance', 'now');
		return er.perf();
	}
	get timeOrigin() {
		if (!(#brand in this)) throw brand('Performance', 'timeOrigin');
		if (origin === null) origin = er.now() - er.perf();
		return origin;
	}
	toJSON() {
		if (!(#brand in this)) throw brand('Performance', 'toJSON');
		return { timeOrigin: this.timeOrigin };
	}
}
finish(Performance, 'Performance', 0);
export const performance = new Performance(INTERNAL);
