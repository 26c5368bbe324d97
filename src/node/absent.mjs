// Modules of Node.js that the edge has not at all: their members can be imported, and each says
// what to use instead when it is called. Read by tools/bundle.mjs, which writes the module.
const FETCH = 'use fetch(); raw sockets do not exist';
export const ABSENT = {
	child_process: ['a routine cannot start processes', 'ChildProcess exec execFile execFileSync execSync fork spawn spawnSync'],
	cluster: ['the node starts as many instances as it needs', 'Worker fork disconnect setupPrimary setupMaster', { isWorker: false, isMaster: true, isPrimary: true, workers: {}, settings: {} }],
	dgram: [FETCH, 'createSocket Socket'],
	dns: ['use fetch(); the node resolves names', 'lookup lookupService Resolver getServers setServers resolve resolve4 resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs resolvePtr resolveSoa resolveSrv resolveTxt reverse setDefaultResultOrder getDefaultResultOrder', { promises: {}, ADDRCONFIG: 32, ALL: 16, V4MAPPED: 8 }],
	'dns/promises': ['use fetch(); the node resolves names', 'lookup lookupService Resolver getServers setServers resolve resolve4 resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs resolvePtr resolveSoa resolveSrv resolveTxt reverse setDefaultResultOrder getDefaultResultOrder'],
	domain: ['catch errors where they are thrown', 'Domain createDomain create'],
	http2: ['use fetch()', 'connect createServer createSecureServer getDefaultSettings getPackedSettings getUnpackedSettings performServerHandshake Http2ServerRequest Http2ServerResponse', { constants: {} }],
	inspector: ['use er dev', 'open close url waitForDebugger Session', { console: {} }],
	'inspector/promises': ['use er dev', 'open close url waitForDebugger Session'],
	readline: ['a routine has no terminal; split text with TextDecoderStream', 'Interface clearLine clearScreenDown createInterface cursorTo emitKeypressEvents moveCursor', { promises: {} }],
	'readline/promises': ['a routine has no terminal', 'Interface Readline createInterface'],
	repl: ['a routine has no terminal', 'start REPLServer Recoverable'],
	test: ['tests run where the code is written', 'test describe it suite before after beforeEach afterEach run skip todo only mock'],
	tls: [FETCH, 'convertALPNProtocols checkServerIdentity createSecureContext SecureContext TLSSocket Server createServer connect getCiphers', { rootCertificates: [], DEFAULT_MIN_VERSION: 'TLSv1.2', DEFAULT_MAX_VERSION: 'TLSv1.3', DEFAULT_ECDH_CURVE: 'auto' }],
	trace_events: ['use er tail', 'createTracing getEnabledCategories'],
	v8: ['use structuredClone() and JSON', 'getHeapSnapshot getHeapStatistics getHeapSpaceStatistics getHeapCodeStatistics setFlagsFromString Serializer Deserializer DefaultSerializer DefaultDeserializer deserialize serialize writeHeapSnapshot'],
	vm: ['code cannot be made of strings: what runs is what was deployed', 'Script createContext runInContext runInNewContext runInThisContext compileFunction measureMemory', { constants: {} }],
	wasi: ['use WebAssembly', 'WASI'],
};
