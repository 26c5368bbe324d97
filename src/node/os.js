// node:os. A routine does not see its machine: these are the same everywhere.
import { ERRNO } from './internal/errno.js';

export const EOL = '\n', devNull = '/dev/null';
export const arch = () => 'x64', machine = () => 'x86_64', platform = () => 'linux', type = () => 'Linux', release = () => '', version = () => '', hostname = () => 'localhost', homedir = () => '/', tmpdir = () => '/tmp', endianness = () => 'LE';
export const cpus = () => [], loadavg = () => [0, 0, 0], networkInterfaces = () => ({}), freemem = () => 0, totalmem = () => 0, uptime = () => 0, availableParallelism = () => 1, getPriority = () => 0, setPriority = () => {};
export const userInfo = () => ({ uid: 0, gid: 0, username: 'routine', homedir: '/', shell: null });
export const constants = { UV_UDP_REUSEADDR: 4, dlopen: {}, errno: Object.fromEntries(Object.entries(ERRNO).map(([name, [number]]) => [name, -number])), signals: {}, priority: {} };
for (const fn of [arch, machine, platform, type, release, version, hostname, homedir, tmpdir, endianness, uptime, freemem, totalmem, availableParallelism]) fn[Symbol.toPrimitive] = () => fn();
export default { EOL, devNull, arch, machine, platform, type, release, version, hostname, homedir, tmpdir, endianness, cpus, loadavg, networkInterfaces, freemem, totalmem, uptime, availableParallelism, getPriority, setPriority, userInfo, constants };
