// node build.mjs OUTDIR: bundles the prelude and the lazy scripts, each one script whose value is a
// function (NATIVES.md). Names are kept: they are in stacks and in `constructor.name`.
import { mkdirSync, writeFileSync } from 'node:fs';
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

/** entry → OUTDIR/name.js; `parameter` is the free variable of the bundle, `value` what the
 * function returns. */
async function bundle(entry, name, parameter, value) {
	const result = await build({
		entryPoints: [join(here, entry)],
		bundle: true,
		write: false,
		format: 'iife',
		globalName: '__out',
		platform: 'neutral',
		plugins: [contract],
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

await bundle('main.js', 'prelude', 'er', '__out.hooks');
await bundle('streams.js', 'streams', 'tools', '__out.default(tools)');
