// node:net: addresses can be told apart; there are no sockets.
import { missing } from './internal/missing.js';

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const strictV4 = (text) => V4.test(text) && text.split('.').every((part) => part === String(Number(part)));
function v6(text) {
	const zone = text.indexOf('%');
	if (zone >= 0) {
		if (!/^[0-9a-zA-Z\-.:]{1,}$/.test(text.slice(zone + 1))) return false;
		text = text.slice(0, zone);
	}
	const halves = text.split('::');
	if (halves.length > 2 || !/^[0-9A-Fa-f:.]+$/.test(text)) return false;
	const count = (half, last) => {
		if (half === '') return 0;
		const parts = half.split(':');
		let n = 0;
		for (let i = 0; i < parts.length; i++) {
			if (last && i === parts.length - 1 && parts[i].includes('.')) {
				if (!strictV4(parts[i])) return NaN;
				n += 2;
			} else if (/^[0-9A-Fa-f]{1,4}$/.test(parts[i])) n++;
			else return NaN;
		}
		return n;
	};
	if (halves.length === 1) return count(text, true) === 8;
	return count(halves[0], false) + count(halves[1], true) <= 7;
}
export const isIPv4 = (input) => strictV4(`${input}`);
export const isIPv6 = (input) => v6(`${input}`);
export const isIP = (input) => (isIPv4(input) ? 4 : isIPv6(input) ? 6 : 0);
const none = (name) => missing(`net.${name}`, 'use fetch(); raw sockets do not exist');
export const connect = none('connect'), createConnection = none('createConnection'), createServer = none('createServer'), Socket = none('Socket'), Server = none('Server'), BlockList = none('BlockList'), SocketAddress = none('SocketAddress'), Stream = Socket;
export const getDefaultAutoSelectFamily = () => true, setDefaultAutoSelectFamily = () => {}, getDefaultAutoSelectFamilyAttemptTimeout = () => 250, setDefaultAutoSelectFamilyAttemptTimeout = () => {};
export default { isIP, isIPv4, isIPv6, connect, createConnection, createServer, Socket, Server, BlockList, SocketAddress, Stream, getDefaultAutoSelectFamily, setDefaultAutoSelectFamily, getDefaultAutoSelectFamilyAttemptTimeout, setDefaultAutoSelectFamilyAttemptTimeout };
