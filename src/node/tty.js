// node:tty: nothing is a terminal.
import { missing } from './internal/missing.js';

export const isatty = () => false;
export const ReadStream = missing('tty.ReadStream', 'a routine has no terminal'), WriteStream = missing('tty.WriteStream', 'a routine has no terminal; console.log() is shown by er tail');
export default { isatty, ReadStream, WriteStream };
