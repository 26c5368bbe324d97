// node:constants: what os, fs and crypto call constants.
import fs from './fs.js';
import { constants as os } from './os.js';
export default { ...os.errno, ...os.signals, ...fs.constants };
