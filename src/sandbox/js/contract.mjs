// Reads channel/contract.h and what it includes, and makes of it the modules that the prelude
// imports. Strict: a line that it does not understand ends the build.
import { readFileSync } from 'node:fs';

const HEADERS = ['contract_crypto.h', 'contract_html.h', 'contract.h'].map((name) => new URL(`../../channel/${name}`, import.meta.url));

/** Every `#define ER_<name>_TABLE(X)`, as name → lists of what stands between the parentheses of
 * each X(...). */
export function tables(text) {
	const found = new Map();
	for (const [, name, body] of text.matchAll(/^#define ER_(\w+)_TABLES?\(X\)((?:.*\\\n)*.*)$/gm)) {
		const rest = body.replaceAll('\\\n', '\n').replace(/\/\*[^]*?\*\//g, ' ');
		const entries = [];
		const left = rest.replace(/\bX\((\w+)(?:,\s*(\([^()]*\)|[^",()]+))?\)|\bER_(\w+)_TABLE\(X\)/g, (_, entry, value, table) => {
			if (table === undefined) entries.push([entry, value?.trim()]);
			else entries.push(...found.get(table));
			return '';
		});
		if (left.trim() !== '') throw new Error(`contract.h: cannot read '${left.trim()}' in ER_${name}_TABLE`);
		found.set(name, entries);
	}
	return found;
}

function number(text) {
	if (!/^-?\d+( (\*|\+|<<) \d+)*$/.test(text)) throw new Error(`contract.h: '${text}' is no number`);
	return new Function(`return ${text}`)();
}
function signature([name, text]) {
	const args = /^\((.*)\)$/.exec(text)?.[1].split(', ').filter((arg) => arg !== '');
	if (!args?.every((arg) => /^\w+$/.test(arg)) || new Set(args).size !== args.length) throw new Error(`contract.h: '${text}' are no arguments`);
	return [name, args];
}
function once(entries) {
	const made = Object.fromEntries(entries);
	if (Object.keys(made).length !== entries.length) throw new Error(`contract.h: a name stands twice among ${Object.keys(made)}`);
	return made;
}

/** { numbers: name → value; natives, hooks: name → names of the arguments; given, limits,
 * held: names } */
export function contract(text = HEADERS.map((header) => readFileSync(header, 'utf8')).join('')) {
	const all = tables(text);
	const of = (name) => all.get(name) ?? [];
	return {
		numbers: once(of('NUMBER').map(([name, value]) => [name, number(value)])),
		natives: once(of('NATIVE').map(signature)),
		hooks: once(of('HOOK').map(signature)),
		given: Object.keys(once(of('GIVEN'))),
		limits: Object.keys(once(of('LIMIT'))),
		held: Object.keys(once(of('HELD'))),
	};
}

/** The text of contract.js (the numbers) and of contract-natives.js (the members of `er` that are
 * functions, as variables). */
export function contractModules() {
	const { numbers, natives } = contract();
	return {
		'contract.js': Object.entries(numbers).map(([name, value]) => `export const ${name} = ${value};\n`).join(''),
		'contract-natives.js': `export const { ${Object.keys(natives).join(', ')} } = er;\n`,
	};
}
