// node:console: the console, which is global.
import { missing } from './internal/missing.js';

export const { log, warn, dir, time, timeEnd, timeLog, trace, assert, clear, count, countReset, group, groupEnd, groupCollapsed, table, debug, info, dirxml, error } = globalThis.console;
export const Console = missing('console.Console', 'the console is global, and er tail shows it');
export default Object.assign(Object.create(globalThis.console), { Console });
