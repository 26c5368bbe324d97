// node:worker_threads: there is the main thread.
import { missing } from './internal/missing.js';

export const isMainThread = true, parentPort = null, workerData = null, threadId = 0, resourceLimits = {}, SHARE_ENV = Symbol.for('nodejs.worker_threads.SHARE_ENV');
export const { MessageChannel, MessagePort } = globalThis;
export const Worker = missing('worker_threads.Worker', 'a routine is one thread'), BroadcastChannel = missing('worker_threads.BroadcastChannel', 'instances share nothing');
const data = new Map();
export const setEnvironmentData = (key, value) => void (value === undefined ? data.delete(key) : data.set(key, value)), getEnvironmentData = (key) => data.get(key);
export const markAsUntransferable = () => {}, isMarkedAsUntransferable = () => false, moveMessagePortToContext = missing('worker_threads.moveMessagePortToContext', 'a routine is one thread'), receiveMessageOnPort = missing('worker_threads.receiveMessageOnPort', 'listen for messages');
export default { isMainThread, parentPort, workerData, threadId, resourceLimits, SHARE_ENV, MessageChannel, MessagePort, Worker, BroadcastChannel, setEnvironmentData, getEnvironmentData, markAsUntransferable, isMarkedAsUntransferable, moveMessagePortToContext, receiveMessageOnPort };
