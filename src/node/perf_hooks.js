// node:perf_hooks. The clock stands still while code runs.
import { missing } from './internal/missing.js';

export const { performance, Performance } = globalThis;
const none = (name) => missing(`perf_hooks.${name}`, 'a routine is measured by the node (er tail, metrics)');
/** It observes nothing: nothing is recorded. */
export class PerformanceObserver {
	static supportedEntryTypes = [];
	observe() {}
	disconnect() {}
	takeRecords() {
		return [];
	}
}
export const monitorEventLoopDelay = none('monitorEventLoopDelay'), createHistogram = none('createHistogram'), PerformanceEntry = none('PerformanceEntry'), PerformanceMark = none('PerformanceMark'), PerformanceMeasure = none('PerformanceMeasure');
export const constants = {};
export default { performance, Performance, PerformanceObserver, PerformanceEntry, PerformanceMark, PerformanceMeasure, monitorEventLoopDelay, createHistogram, constants };
