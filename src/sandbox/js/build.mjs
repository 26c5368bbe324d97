// node build.mjs OUTDIR: bundles the prelude and the lazy scripts, each one script whose value is a
// function (NATIVES.md). Names are kept: they are in stacks and in `constructor.name`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { contractModules } from './contract.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) {
	console.error('usage: node build.mjs OUTDIR');
	process.exit(2);
}
mkdirSync(out, { recursive: true });

// contract.js and contract-natives.js stand in no folder: they are made of channel/contract.h.
const modules = contractModules();
const contract = {
	name: 'contract',
	setup({ onResolve, onLoad }) {
		onResolve({ filter: /^\.\/contract(-natives)?\.js$/ }, ({ path }) => ({ path: path.slice(2), namespace: 'contract', sideEffects: path.includes('natives') }));
		onLoad({ filter: /./, namespace: 'contract' }, ({ path }) => ({ contents: modules[path] }));
	},
};

// What a lazy script shares with the prelude, so that it has the prelude's own: built-ins as they
// were before any routine code, INTERNAL, DOMException. The prelude hands it over when it loads the
// script (`shared()`), whose imports of these modules are members of that. The script leaves what
// it has made in `shared.made`: what the bundler would write for exports looks built-ins up.
const SHARED = ['primordials', 'webidl', 'natives', 'dom-exception', 'event', 'timers', 'structured-clone'];
async function exportsOf(name) {
	const { metafile } = await build({ entryPoints: [join(here, `${name}.js`)], bundle: true, write: false, format: 'esm', metafile: true, plugins: [contract], external: ['./shared.js'], logLevel: 'error', outdir: out });
	return Object.values(metafile.outputs)[0].exports.sort();
}
const names = Object.fromEntries(await Promise.all(SHARED.map(async (name) => [name, await exportsOf(name)])));
const within = (name) => `{ ${names[name].join(', ')} }`;
/** For the prelude: './shared.js'. */
const sharing = {
	name: 'sharing',
	setup({ onResolve, onLoad }) {
		onResolve({ filter: /^\.\/shared\.js$/ }, () => ({ path: 'shared', namespace: 'sharing', sideEffects: false }));
		onLoad({ filter: /./, namespace: 'sharing' }, () => ({
			contents: `${SHARED.map((name) => `import ${within(name)} from './${name}.js';`).join('\n')}
				export const shared = () => ({ __proto__: null, ${SHARED.map((name) => `'${name}': ${within(name)}`).join(', ')} });`,
			resolveDir: here,
		}));
	},
};
/** For a lazy script. */
const shared = {
	name: 'shared',
	setup({ onResolve, onLoad }) {
		onResolve({ filter: new RegExp(`^\\./(${SHARED.join('|')})\\.js$`) }, ({ path }) => ({ path: path.slice(2, -3), namespace: 'shared' }));
		onLoad({ filter: /./, namespace: 'shared' }, ({ path }) => ({ contents: `export const ${within(path)} = shared['${path}'];` }));
	},
};

/** Where the polyfill of streams does something else than the standard: what stands there once, and
 * what is to stand there. */
const MENDED = [
	// pipeTo: a chunk that is enqueued while pipeTo waits for one is written in a microtask
	['_chunkSteps(t){this._state._currentWrite=f(Yt(this._state._writer,t),void 0,e),this._resolvePromise(!1)}', '_chunkSteps(t){this._state._currentWrite=f(f(c(void 0),()=>Yt(this._state._writer,t)),void 0,e),this._resolvePromise(!1)}'],
];
const mended = {
	name: 'mended',
	setup({ onLoad }) {
		onLoad({ filter: /web-streams-polyfill/ }, ({ path }) => {
			let contents = readFileSync(path, 'utf8');
			for (const [wrong, right] of MENDED) {
				if (contents.split(wrong).length !== 2) throw new Error(`${path} is not the version that is mended here`);
				contents = contents.replace(wrong, () => right);
			}
			return { contents };
		});
	},
};

/** entry → OUTDIR/name.js; `parameter` is the free variable of the bundle, `value` what the
 * function returns. */
async function bundle(entry, name, parameter, value, plugins) {
	const result = await build({
		entryPoints: [join(here, entry)],
		bundle: true,
		write: false,
		format: 'iife',
		globalName: '__out',
		platform: 'neutral',
		plugins: [contract, ...plugins],
		mainFields: ['module', 'main'],
		target: 'es2023',
		minifyWhitespace: true,
		minifySyntax: true,
		minifyIdentifiers: false,
		legalComments: 'none',
		logLevel: 'warning',
	});
	const text = result.outputFiles[0].text.replace(/^"use strict";/, '').trimEnd();
	writeFileSync(join(out, `${name}.js`), `(function(${parameter}){"use strict";${text}\nreturn ${value}})\n`);
}

await bundle('main.js', 'prelude', 'er', '__out.hooks', [sharing]);
await bundle('streams.js', 'streams', 'tools', '__out.default(tools)', [mended]);
await bundle('subtle.js', 'subtle', 'shared', 'shared.made', [shared]);
await bundle('message-channel.js', 'messages', 'shared', 'shared.made', [shared]);
await bundle('caches.js', 'caches', 'shared', 'shared.made', [shared]);
await bundle('url-pattern.js', 'patterns', 'shared', 'shared.made', [shared]);
await bundle('node.js', 'node', 'shared', 'shared.made', [shared]);
await bundle('web-socket.js', 'sockets', 'shared', 'shared.made', [shared]);
await bundle('html-rewriter.js', 'html', 'shared', 'shared.made', [shared]);
