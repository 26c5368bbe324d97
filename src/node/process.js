// node:process. What there is of a process: its environment (the variables of er.jsonc), nextTick,
// clocks, a name and a version. What would change a machine says that there is none.
import { EventEmitter } from './events.js';
import { ERR_FEATURE_UNAVAILABLE, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE } from './internal/errors.js';
import { validateFunction } from './internal/validators.js';

const given = globalThis.__er_env ?? {};
const text = (value) => (typeof value === 'string' ? value : typeof value === 'object' && value !== null ? undefined : String(value));
const values = {};
for (const name of Object.keys(given)) {
	// what is no text (a KV namespace, JSON) has no place among the variables of a process
	const value = typeof given[name] === 'object' && given[name] !== null && Object.getPrototypeOf(given[name]) === Object.prototype ? JSON.stringify(given[name]) : text(given[name]);
	if (value !== undefined && typeof given[name] !== 'function') values[name] = value;
}
values.NODE_ENV ??= 'production';
export const env = new Proxy(values, {
	set(target, name, value) {
		if (typeof name === 'symbol' || typeof value === 'symbol') throw new TypeError('Cannot convert a Symbol value to a string');
		target[name] = `${value}`;
		return true;
	},
	defineProperty(target, name, descriptor) {
		return Reflect.defineProperty(target, name, 'value' in descriptor ? { ...descriptor, value: `${descriptor.value}` } : descriptor);
	},
});

const queue = [];
let running = false;
function drain() {
	running = false;
	for (let i = 0; i < queue.length; i++) {
		const { fn, args } = queue[i];
		try {
			fn(...args);
		} catch (e) {
			queue.splice(0, i + 1);
			if (queue.length > 0) schedule();
			throw e;
		}
	}
	queue.length = 0;
}
function schedule() {
	running = true;
	queueMicrotask(drain);
}
let bound = (fn) => fn;
/** node:async_hooks has what runs later run in the context of now. */
export const bindWith = (bind) => void (bound = bind);
export function nextTick(fn, ...args) {
	validateFunction(fn, 'callback');
	queue.push({ fn: bound(fn), args });
	if (!running) schedule();
}

const none = (what, instead) => () => {
	throw new ERR_FEATURE_UNAVAILABLE(`process.${what}`, instead);
};
export const version = 'v20.18.0', versions = { node: '20.18.0' };
export const title = 'er', arch = 'x64', platform = 'linux', pid = 1, ppid = 0, execPath = '/usr/bin/er', execArgv = [], exitCode = undefined, argv = ['er', '/index.js'], argv0 = 'er';
export const release = { name: 'node' }, config = { target_defaults: {}, variables: {} }, features = { inspector: false, debug: false, uv: false, ipv6: true, tls_alpn: true, tls_sni: true, tls_ocsp: false, tls: true };
export const cwd = () => '/';
export const chdir = none('chdir()', 'a routine has no files');
export const exit = none('exit()', 'return a Response, or throw');
export const abort = none('abort()', 'return a Response, or throw');
export const kill = none('kill()', 'a routine is alone');
export const binding = none('binding()', 'there is nothing of Node.js below');
export const dlopen = none('dlopen()', 'native code cannot be loaded; use WebAssembly');
export const umask = () => 0o22;
export const uptime = () => performance.now() / 1000;
export function hrtime(before) {
	const now = performance.now();
	let seconds = Math.floor(now / 1000), nanos = Math.round((now % 1000) * 1e6);
	if (before !== undefined) {
		if (!Array.isArray(before)) throw new ERR_INVALID_ARG_TYPE('time', 'Array', before);
		if (before.length !== 2) throw new ERR_OUT_OF_RANGE('time', 2, before.length);
		seconds -= before[0];
		nanos -= before[1];
		if (nanos < 0) {
			seconds--;
			nanos += 1e9;
		}
	}
	return [seconds, nanos];
}
hrtime.bigint = () => BigInt(Math.round(performance.now() * 1e6));
export const memoryUsage = Object.assign(() => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }), { rss: () => 0 });
export const cpuUsage = () => ({ user: 0, system: 0 });
export const resourceUsage = () => ({ userCPUTime: 0, systemCPUTime: 0, maxRSS: 0 });
export const getuid = () => 0, geteuid = () => 0, getgid = () => 0, getegid = () => 0, getgroups = () => [0];
export const emitWarning = (warning, options, code) => {
	const type = warning?.name ?? (typeof options === 'string' ? options : options?.type) ?? 'Warning';
	const shown = typeof options === 'object' ? options?.code : code;
	console.warn(`${shown ? `[${shown}] ` : ''}${type}: ${warning?.message ?? warning}`);
};
/** A stream that writes whole lines to the console. */
function output(fd, say) {
	let line = '';
	const stream = new EventEmitter();
	return Object.assign(stream, {
		fd, isTTY: false, writable: true, columns: undefined, _isStdio: true,
		write(chunk, encoding, callback) {
			line += typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
			const end = line.lastIndexOf('\n');
			if (end >= 0) {
				say(line.slice(0, end));
				line = line.slice(end + 1);
			}
			const done = typeof encoding === 'function' ? encoding : callback;
			if (done) queueMicrotask(() => done());
			return true;
		},
		end(chunk) {
			if (chunk !== undefined) this.write(`${chunk}\n`);
			return this;
		},
		getColorDepth: () => 1, hasColors: () => false, cork() {}, uncork() {}, destroy: () => stream,
	});
}
export const stdout = output(1, (line) => console.log(line)), stderr = output(2, (line) => console.error(line));
export const stdin = Object.assign(new EventEmitter(), { fd: 0, isTTY: false, readable: false, read: () => null, pause() { return this; }, resume() { return this; }, setEncoding() { return this; } });
export const report = {}, allowedNodeEnvironmentFlags = new Set(), noDeprecation = false, moduleLoadList = [], debugPort = 0, domain = null;
export const getBuiltinModule = () => undefined;
export const setUncaughtExceptionCaptureCallback = () => {}, hasUncaughtExceptionCaptureCallback = () => false, setSourceMapsEnabled = () => {};
export const getActiveResourcesInfo = () => [], constrainedMemory = () => 0, availableMemory = () => 0;

const process = Object.create(Object.create(EventEmitter.prototype, { constructor: { value: function process() {}, writable: true, configurable: true } }));
Object.assign(process, {
	env, nextTick, version, versions, title, arch, platform, pid, ppid, execPath, execArgv, exitCode, argv, argv0, release, config, features, cwd, chdir, exit, abort, kill, binding, dlopen, umask, uptime, hrtime, memoryUsage,
	cpuUsage, resourceUsage, getuid, geteuid, getgid, getegid, getgroups, emitWarning, stdout, stderr, stdin, report, allowedNodeEnvironmentFlags, noDeprecation, moduleLoadList, debugPort, domain, getBuiltinModule,
	setUncaughtExceptionCaptureCallback, hasUncaughtExceptionCaptureCallback, setSourceMapsEnabled, getActiveResourcesInfo, constrainedMemory, availableMemory, reallyExit: exit, assert: undefined,
});
delete process.assert;
Object.defineProperty(process, Symbol.toStringTag, { value: 'process', configurable: true });
EventEmitter.call(process);
// what the process would tell of are the global's own events
export const on = process.on.bind(process), once = process.once.bind(process), off = process.off.bind(process), addListener = on, removeListener = off, removeAllListeners = process.removeAllListeners.bind(process);
export const emit = process.emit.bind(process), listeners = process.listeners.bind(process), listenerCount = process.listenerCount.bind(process), prependListener = process.prependListener.bind(process), prependOnceListener = process.prependOnceListener.bind(process);
export default process;
