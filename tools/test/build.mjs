// Bundles a file of tests with the routine that it tests, and with the library that runs it, into
// one script: the way of er build, so that a test finds what the routine will find.
import path from "node:path";
import { computed, message, settings, success } from "../bundle.mjs";
import { wanted } from "../node-modules.mjs";

export const LIBRARY = path.join(import.meta.dirname, "sandbox");

const library = {
	name: "er-test",
	setup(build) {
		build.onResolve({ filter: /^er:test$/ }, () => ({ path: path.join(LIBRARY, "api.js") }));
	},
};

const imported = (file) => JSON.stringify(file);
// In this order: the stand-ins, the routine with its top-level code, the tests.
function entry(project, file) {
	const lines = [`import ${imported(path.join(LIBRARY, "setup.js"))};`];
	if (project.main) lines.push(`import * as routine from ${imported(path.resolve(project.root, project.main))};`);
	lines.push(
		`import ${imported(file)};`,
		`import harness, { isRunning } from ${imported(path.join(LIBRARY, "harness.js"))};`,
		`import { takeRoutine } from ${imported(path.join(LIBRARY, "routine.js"))};`,
		`takeRoutine(${project.main ? "routine" : "undefined"}, isRunning);`,
		"export default harness;",
	);
	return lines.join("\n");
}

/** { ok, code, map, errors, warnings, inputs }: inputs are the files that it was made of, absolute;
 * of a build that failed, as far as they are known. */
export async function bundle(esbuild, project, file) {
	const { root } = project;
	const out = path.join(root, "dist", "routine.js");
	const read = new Set([file]);
	const inputs = {
		name: "inputs",
		setup(build) {
			build.onLoad({ filter: /.*/, namespace: "file" }, (args) => void read.add(args.path));
		},
	};
	const configure = (needs) => {
		const config = settings({ minify: "none", entry: file, nodejs: project.nodejs }, root, out, needs);
		delete config.entryPoints;
		config.stdin = { contents: entry(project, file), resolveDir: root, sourcefile: "er-test-entry.js", loader: "js" };
		config.plugins.unshift(inputs, library);
		config.sourcemap = "external";
		return config;
	};
	let config = configure(), needs = new Set();
	for (;;) {
		try {
			const result = await esbuild.build(config);
			const now = wanted(result, project.nodejs);
			if ([...now].some((one) => !needs.has(one))) {
				config = configure(needs = new Set([...needs, ...now]));
				continue;
			}
			return { ...success(result, {}, root, out), inputs: [...read] };
		} catch (error) {
			if (!Array.isArray(error.errors)) throw error;
			if (computed.take(error.errors, root)) continue;
			return { ok: false, errors: error.errors.map(message), warnings: error.warnings.map(message), inputs: [...read] };
		}
	}
}
