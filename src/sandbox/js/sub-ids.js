// The numbers of subrequests, and of copies of bodies, which the node names in the same way.
import { IdMap } from './id-map.js';

export const subs = new IdMap(); // fid -> Sub that waits for its head, or whose body is being read
let lastFid = 0;
export function newFid() {
	do lastFid = lastFid >= 0x3fffffff ? 1 : lastFid + 1;
	while (subs.has(lastFid));
	return lastFid;
}
