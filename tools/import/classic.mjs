// Projects of EdgeRoutine's own tools: the first generation's command line (edge.js, config.js with
// jsConfig), its successor (esa.jsonc, esa.toml), and Serverless Devs (s.yaml with the component
// edgeroutine).

import { literalAt } from "./literal.mjs";
import { routesOf, takeName } from "./report.mjs";

const KEYS = "access keys are not copied. If the project's folder was ever shared, make them invalid there";

/** The object of `var config = {...}; module.exports = config`, `module.exports = {...}` or `export
 * default {...}`; undefined: there is none. */
export function configObject(text) {
	const m = /(?:module\.exports\s*=|export\s+default|(?:var|let|const)\s+config\s*=)\s*(?=\{)/.exec(text);
	return m ? literalAt(text, m.index + m[0].length) : undefined;
}

/** Is it the first generation's? */
export const isClassic = (config) => config !== null && typeof config === "object" && ("jsConfig" in config || "jsSession" in config || "accessKeyID" in config || "domain" in config);

function jsConfig(js, config, report) {
	if (js.path) {
		config.main = String(js.path).replace(/^\[?\.\//, "");
		report.take("jsConfig.path", `"main": "${config.main}"`);
	}
	if (js.pos === "foot") report.leave('jsConfig.pos "foot"', "a routine comes before the standard process; one that is to see the answer calls fetch(request) and changes what comes");
	else if (js.pos) report.take(`jsConfig.pos "${js.pos}"`, "a routine comes before the standard process");
	if (js.jsmode === "bypass") {
		report.leave('jsConfig.jsmode "bypass"', "there is no such switch; the code says it");
		report.do("write the decision as export default { bypass(request) { return new ResponseBypass(true) } }: the body then never touches the routine");
	} else if (js.jsmode) report.take(`jsConfig.jsmode "${js.jsmode}"`, "requests go to the routine");
	if (js.jsttl) {
		const seconds = Math.min(Math.max(Math.trunc(Number(js.jsttl)) || 1800, 1), 86400);
		config.limits = { ...config.limits, idleSeconds: seconds };
		report.take(`jsConfig.jsttl ${js.jsttl}`, `"limits": { "idleSeconds": ${seconds} }`);
	}
}

export function importClassic(source, report, folderName) {
	const config = { main: "edge.js" };
	const c = source.config ?? {};
	takeName(config, c.name ?? folderName, c.name ? "name" : "the folder's name", report);
	if (typeof c.path === "string" && !c.jsConfig) jsConfig({ path: c.path }, config, report);
	if (c.jsConfig && typeof c.jsConfig === "object") jsConfig(c.jsConfig, config, report);
	const domains = [c.domain].flat().filter(Boolean);
	const routes = domains.flatMap((d) => routesOf(d, report, "domain", true));
	if (routes.length) config.routes = routes;
	config.compat = { classic: true };
	report.change("fetch() gave redirects back, headers of answers could be changed, GET could have a body, streams held what was written", '"compat": { "classic": true }', "so that the code finds what it was written for");
	if (c.jsSession) report.leave("jsSession", "event.info has what the node knows of a client: remote_addr and scheme always, where it is if the operator named a database (geo in node.jsonc)");
	if (c.accessKeyID || c.accessKeySecret) report.leave("accessKeyID, accessKeySecret", KEYS);
	for (const key of ["apiVersion", "endpoint", "buildTime"]) if (c[key]) report.leave(key, "it says where the old service is");
	if (c.envConf) specs(c.envConf, config, report);
	report.do("er login URL, then er deploy --env staging (was: build) and er publish (was: publish); er tail is the debugger's console");
	return config;
}

// "50ms" of an environment: the CPU specification that was booked.
function specs(envConf, config, report) {
	for (const [env, value] of Object.entries(envConf)) {
		const ms = /^(\d+)\s*ms$/.exec(String(value))?.[1];
		if (!ms) report.leave(`envConf.${env}`, `"${value}" is no CPU time`);
		else if (env === "production") {
			config.limits = { ...config.limits, cpuMs: Number(ms) };
			report.take(`envConf.production ${value}`, `"limits": { "cpuMs": ${ms} }`);
		} else report.leave(`envConf.${env} ${value}`, "limits belong to a version here, not to an environment");
	}
}

export function importSuccessor(c, report, folderName) {
	const config = {};
	takeName(config, c.name ?? folderName, c.name ? "name" : "the folder's name", report);
	if (c.entry) {
		config.main = String(c.entry).replace(/^\.\//, "");
		report.take("entry", `"main": "${config.main}"`);
	}
	config.compat = { envLast: true };
	report.change("fetch(request, context, env)", '"compat": { "envLast": true }', "the order of the arguments there");
	if (c.description) report.change("description", `er deploy --message "${String(c.description).replaceAll('"', "'")}"`, "it belongs to a version here");
	if (c.assets) report.leave("assets", "copy the folder beside er.jsonc and name it in \"assets\" there");
	if (c.installCommand) report.do(`run "${c.installCommand}" in the new folder`);
	if (c.buildCommand) report.do(`run "${c.buildCommand}" before er deploy if the entry is made by it; TypeScript and packages need no build of their own here`);
	const known = ["name", "entry", "description", "assets", "installCommand", "buildCommand", "dev", "endpoint", "$schema"];
	for (const key of Object.keys(c)) if (!known.includes(key)) report.leave(key, "it is not known here");
	return config;
}

/** The few lines of s.yaml that matter, or undefined if it is not about EdgeRoutine. */
export function readServerlessDevs(text) {
	if (!/^\s*component:\s*['"]?(?:[\w./-]*\/)?edgeroutine['"]?\s*(#.*)?$/m.test(text)) return undefined;
	const scalar = (key) => new RegExp(`^\\s*${key}:\\s*['"]?([^'"#\\n]*?)['"]?\\s*(?:#.*)?$`, "m").exec(text)?.[1] || undefined;
	const conf = /^(\s*)envConf:\s*\n((?:\1\s+\S.*\n?)*)/m.exec(text)?.[2] ?? "";
	const envConf = Object.fromEntries([...conf.matchAll(/^\s*(\w+):\s*['"]?([^'"#\n]*?)['"]?\s*(?:#.*)?$/gm)].map((m) => [m[1], m[2]]));
	return { name: scalar("erName"), path: scalar("code"), ...(Object.keys(envConf).length ? { envConf } : {}) };
}
