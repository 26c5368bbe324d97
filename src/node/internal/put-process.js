// The setting "nodejs": globalThis.process, for code that looks it up there.
import process from 'node:process';
Object.defineProperty(globalThis, 'process', { value: process, writable: true, enumerable: false, configurable: true });
