// node:https.
import { Agent as HttpAgent } from './http.js';
import { missing } from './internal/missing.js';

export class Agent extends HttpAgent {
	protocol = 'https:';
}
const none = (name) => missing(`https.${name}`, 'use fetch(); a routine answers through its fetch handler');
export const globalAgent = new Agent({ keepAlive: true });
export const request = none('request'), get = none('get'), createServer = none('createServer'), Server = none('Server');
export default { Agent, globalAgent, request, get, createServer, Server };
