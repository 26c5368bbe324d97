// What a routine's settings say of the generation that its code is of.
import * as er from './natives.js';
import { COMPAT_CLASSIC } from './contract.js';

/** Is the code of the first generation? */
export const isClassic = () => (er.limits().compat & COMPAT_CLASSIC) !== 0;
