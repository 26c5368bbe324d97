// Workers-style projects: wrangler.toml, wrangler.json, wrangler.jsonc.

import { nameOf, routesOf, takeName } from "./report.mjs";

// What has no counterpart, and why. A name that stands nowhere here is told as unknown.
const LEFT = {
	durable_objects: "there are no objects that live in one place of the world; keep state in a service of yours and fetch() it",
	migrations: "they belong to durable objects",
	r2_buckets: "there are no buckets; fetch() an object store by its HTTP API",
	d1_databases: "there is no SQL database on the edge; fetch() a service in front of yours",
	queues: "there are no queues; ctx.waitUntil(fetch(...)) hands work on after the answer",
	assets: "copy the folder beside er.jsonc and name it in \"assets\" there",
	site: "copy the folder beside er.jsonc and name it in \"assets\" there",
	workflows: "there are no workflows", pipelines: "there are no pipelines", ai: "there are no models on the node; fetch() a service",
	vectorize: "there is no vector database; fetch() a service", hyperdrive: "there is no connection pool for databases", browser: "there is no browser",
	analytics_engine_datasets: "there is no such store; the node's metrics and er tail show requests", dispatch_namespaces: "there are no routines of routines",
	mtls_certificates: "client certificates of subrequests are the operator's", send_email: "mail is not sent; fetch() a service", email: "mail is not received",
	version_metadata: "a routine does not see its version", tail_consumers: "er tail and er logs show console output and exceptions", logpush: "er tail --json can be piped anywhere",
	secrets_store_secrets: "secrets are set with er secret put", unsafe: "it is not known here", placement: "a routine runs on the node that took the request",
	define: "put constants into \"vars\", or into a module", alias: "use \"paths\" of tsconfig.json",
	no_bundle: "a routine is always one script; modules are bundled", find_additional_modules: "everything that is imported is bundled", base_dir: "everything that is imported is bundled",
	text_blobs: "import the file: it becomes a string", data_blobs: "import the file: it becomes bytes", wasm_modules: "import the file: it becomes a WebAssembly.Module",
	compatibility_flags: "there are no flags, other than the settings of \"compat\"", python_modules: "routines are JavaScript",
	containers: "there are no containers", observability: "er tail, er logs and /metrics are always there",
};
// Of no meaning for what runs.
const SILENT = ["$schema", "account_id", "zone_id", "workers_dev", "preview_urls", "dev", "send_metrics", "keep_vars", "upload_source_maps", "usage_model", "minify", "tsconfig", "first_party_worker", "jsx_factory", "jsx_fragment", "type", "legacy_env", "preserve_file_names", "keep_names", "cloudchamber", "compliance_region"];
const LOADED = /\.(?:txt|html?|md|css|svg|xml|csv|sql|graphql|gql|bin|png|jpe?g|gif|webp|ico|woff2?|pdf|wasm|m?[jt]sx?|cjs|json)$/i;

const list = (v) => (v === undefined || v === null ? [] : [v].flat());

function takeRoutes(c, report, label) {
	const out = [];
	for (const r of [...list(c.route), ...list(c.routes)]) {
		const pattern = typeof r === "string" ? r : r?.pattern;
		if (typeof pattern !== "string") report.leave(`${label}routes`, "a rule without a pattern");
		else out.push(...routesOf(pattern, report, `${label}route`, r.custom_domain === true));
	}
	return [...new Set(out)];
}

function takeKv(c, config, report, label) {
	for (const one of list(c.kv_namespaces)) {
		const name = nameOf(one?.binding);
		if (!name || !/^[A-Za-z_]\w{0,63}$/.test(one.binding)) continue;
		config.kv = { ...config.kv, [one.binding]: name };
		report.change(`${label}kv_namespaces.${one.binding}`, `"kv": { "${one.binding}": "${name}" }`, "namespaces have names here; the data itself stays where it is");
		report.do(`er kv namespace add ${name}`);
		report.do(`bring the data: write it as lines {"key": ..., "value": ...} and er kv import ${name} FILE`);
	}
}

function takeCrons(c, config, report, label) {
	const crons = list(c.triggers?.crons).filter((one) => typeof one === "string");
	const taken = crons.filter((one) => !/[LW#?]/.test(one.replace(/[A-Z]{3}/gi, "")));
	for (const one of crons) if (!taken.includes(one)) report.leave(`${label}triggers.crons ${one}`, "L, W, # and ? are not understood here");
	if (taken.length === 0) return;
	config.crons = taken;
	report.take(`${label}triggers.crons`, `"crons": ${JSON.stringify(taken)}`);
}

function takeServices(c, config, report, label) {
	for (const one of list(c.services)) {
		const name = nameOf(one?.service);
		if (!name || !/^[A-Za-z_]\w{0,63}$/.test(one.binding ?? "")) {
			report.leave(`${label}services.${one?.binding}`, "a service has a binding and the name of a routine");
			continue;
		}
		config.services = { ...config.services, [one.binding]: name };
		if (one.entrypoint) report.leave(`${label}services.${one.binding}.entrypoint`, "a routine has one entry, and fetch() asks it; there are no calls of methods");
		report.take(`${label}services.${one.binding}`, `"services": { "${one.binding}": "${name}" }`);
	}
}

function takeVars(vars, config, report, label) {
	if (!vars || typeof vars !== "object") return;
	for (const [name, value] of Object.entries(vars)) {
		if (!/^[A-Za-z_]\w{0,127}$/.test(name)) {
			report.leave(`${label}vars.${name}`, "a variable's name has letters, digits and _");
			continue;
		}
		config.vars = { ...config.vars, [name]: value };
		report.take(`${label}vars.${name}`, `"vars": { "${name}": ... }`);
		if (/secret|token|password|api_?key|private/i.test(name)) report.do(`${name} looks like a secret: take it out of er.jsonc and er secret put ${name}`);
	}
}

function takeLimits(c, config, report) {
	if (!c.limits || typeof c.limits !== "object") return;
	for (const [key, value] of Object.entries(c.limits)) {
		const n = Number(value);
		if (key === "cpu_ms" && n >= 1) {
			const ms = Math.min(Math.trunc(n), 60000);
			config.limits = { ...config.limits, cpuMs: ms };
			report.take(`limits.cpu_ms ${value}`, `"limits": { "cpuMs": ${ms} }`);
			if (ms > 1000) report.do(`a node allows 1000 ms of CPU a request unless its operator says more (routineLimits.cpuMs); the project asks for ${ms}`);
		} else if (key === "subrequests" && n >= 0) {
			config.limits = { ...config.limits, subrequests: Math.min(Math.trunc(n), 10000) };
			report.take(`limits.subrequests ${value}`, `"limits": { "subrequests": ${config.limits.subrequests} }`);
		} else report.leave(`limits.${key}`, "there is no such limit");
	}
}

function takeRules(c, report) {
	for (const rule of list(c.rules)) {
		const globs = list(rule?.globs);
		const other = globs.filter((g) => !LOADED.test(String(g)));
		if (other.length === 0) report.take(`rules ${rule?.type ?? ""} ${globs.join(" ")}`.trim(), "what an import gives is known by the file's ending");
		else report.leave(`rules ${rule?.type ?? ""} ${other.join(" ")}`.trim(), "files with this ending cannot be imported; docs/routines.md lists those that can");
	}
}

// [env.NAME]: staging and production are environments here as well; what is a version's there is
// set for the environment here.
function takeEnvironment(name, e, config, routes, report) {
	const label = `env.${name}.`;
	if (name !== "staging" && name !== "production") {
		report.leave(`env.${name}`, "there are two environments, production and staging; deploy it under a name of its own: er deploy --name NAME");
		return;
	}
	const rules = takeRoutes(e, report, label);
	if (rules.length) routes[name] = rules;
	for (const [key, value] of Object.entries(e.vars ?? {})) {
		const text = typeof value === "string" ? value : JSON.stringify(value);
		const quoted = `'${text.replaceAll("'", "'\\''")}'`;
		report.change(`${label}vars.${key}`, `er env set ${key} ${quoted}${typeof value === "string" ? "" : " --parse"} --env ${name}`, "variables of one environment are on the node");
		report.do(`er env set ${key} ${quoted}${typeof value === "string" ? "" : " --parse"} --env ${name}`);
	}
	takeKv(e, config, report, label);
	for (const key of Object.keys(e)) {
		if (["vars", "route", "routes", "kv_namespaces", ...SILENT].includes(key)) continue;
		if (key === "name") report.leave(`${label}name`, "an environment runs the same routine; its host says which environment is meant");
		else report.leave(`${label}${key}`, LEFT[key] ?? "settings other than variables and routes are the same in both environments");
	}
}

export function importWorkers(c, report, folderName) {
	const config = {};
	takeName(config, c.name ?? folderName, c.name ? "name" : "the folder's name", report);
	const main = c.main ?? c.build?.upload?.main ?? c.site?.["entry-point"];
	if (main) {
		config.main = String(main).replace(/^\.\//, "");
		report.take("main", `"main": "${config.main}"`);
	}
	if (c.compatibility_date) report.leave(`compatibility_date ${c.compatibility_date}`, "there are no dates: what the platform does is what its documents say");
	const { compatibility_flags: flags, node_compat: polyfills, ...others } = c;
	const [nodejs, left] = [true, false].map((is) => list(flags).filter((flag) => /^nodejs_(compat|als)/.test(String(flag)) === is));
	if (nodejs.length > 0 || polyfills === true) {
		config.compat = { ...config.compat, nodejs: true };
		report.take(polyfills === true ? "node_compat" : `compatibility_flags ${nodejs.join(" ")}`, '"compat": { "nodejs": true }');
	}
	c = left.length > 0 ? { ...others, compatibility_flags: left } : others;
	takeVars(c.vars, config, report, "");
	const top = takeRoutes(c, report, "");
	const routes = {};
	if (top.length) routes.production = top;
	takeKv(c, config, report, "");
	takeServices(c, config, report, "");
	takeCrons(c, config, report, "");
	takeLimits(c, config, report);
	takeRules(c, report);
	if (c.build?.command) report.do(`run "${c.build.command}" before er deploy if main is made by it; TypeScript and packages need no build of their own here`);
	for (const [name, e] of Object.entries(c.env ?? {})) if (e && typeof e === "object") takeEnvironment(name, e, config, routes, report);
	if (Object.keys(routes).length) config.routes = routes;
	const known = ["name", "main", "compatibility_date", "vars", "route", "routes", "kv_namespaces", "services", "triggers", "limits", "rules", "env", "build", ...SILENT];
	for (const key of Object.keys(c)) {
		if (known.includes(key)) continue;
		report.leave(key, LEFT[key] ?? "it is not known here");
	}
	return config;
}
