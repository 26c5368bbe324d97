// node:module: what there is to import is decided when the routine is built.
import { missing } from './internal/missing.js';

export const builtinModules = ['assert', 'assert/strict', 'async_hooks', 'buffer', 'console', 'constants', 'crypto', 'diagnostics_channel', 'events', 'fs', 'fs/promises', 'http', 'https', 'module', 'net', 'os', 'path', 'path/posix', 'path/win32', 'perf_hooks', 'process', 'punycode', 'querystring', 'stream', 'stream/consumers', 'stream/promises', 'stream/web', 'string_decoder', 'sys', 'timers', 'timers/promises', 'tty', 'url', 'util', 'util/types', 'worker_threads', 'zlib'];
export const isBuiltin = (name) => builtinModules.includes(`${name}`.replace(/^node:/, ''));
const instead = 'everything a routine runs is in its one script; import it by name';
/** `require` itself may be made; it finds nothing when it runs. */
export const createRequire = () => Object.assign(missing('module.createRequire()()', instead), { resolve: missing('require.resolve', instead), cache: {}, main: undefined });
export const Module = Object.assign(missing('module.Module', instead), { builtinModules, isBuiltin, createRequire });
export const register = missing('module.register', instead), syncBuiltinESMExports = () => {}, findSourceMap = () => undefined, SourceMap = missing('module.SourceMap', instead);
Module.Module = Module;
export default Module;
