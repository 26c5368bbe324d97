// The setting "nodejs": globalThis.Buffer, for code that looks it up there.
import { Buffer } from 'node:buffer';
Object.defineProperty(globalThis, 'Buffer', { value: Buffer, writable: true, enumerable: false, configurable: true });
