// node --expose-internals tools/prelude-lint.mjs [FOLDER]: holds the prelude to captured built-ins
// (primordials.js).
//
// A routine may change every built-in: Array.prototype.push, Array.prototype[Symbol.iterator], the
// global Uint8Array. What the prelude does once routine code has run, that is in any function, must
// therefore not look one up. Refused there:
//   method    a call of x.name(...) where some built-in's prototype has a method of that name,
//             unless x is known to have its own
//   getter    a read of x.name where some built-in's prototype has a getter of that name, unless it
//             is one of an object of ours. Not `length`:
//             of strings, arrays and functions it is their own, and which x is a typed array cannot be seen here
//   global    a global variable, other than those that cannot be changed
//   iterator  for-of, yield*, spread into a call or an array, an array as a pattern: they ask for
//             Symbol.iterator
//   setter    this.name = ... in a class that does not declare the field and is not set apart
//             (primordials.js): a routine's setter on Object.prototype would be called, and would
//             be given the object
//   native    a call of a native (./natives.js) with another number of arguments than
//             channel/contract.h says; and, where those are more than three, an argument that does
//             not say which it is: a variable or a member of that name, or anything behind a
//             comment /* name
// What is known: namespaces of imports, what newMap, newSet, newWeakMap and regexp made (their
// methods are their own), objects of classes that routines do not see, and what KNOWN below says
// with its reason. The parser is the one that Node carries.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contract } from '../src/sandbox/js/contract.mjs';

let parse;
try {
	({ parse } = createRequire(import.meta.url)('internal/deps/acorn/acorn/dist/acorn'));
} catch {
	console.error('prelude-lint: run me with node --expose-internals');
	process.exit(2);
}

/** Files that are not held: file → why. */
const POLYFILL = 'the polyfill in the same script looks everything up when it runs: who changes a built-in breaks his own streams';
const FREE = { 'streams.js': POLYFILL, 'compression-streams.js': POLYFILL };
/** file → receiver or place as it is written → why nothing is looked up there that a routine could
 * have changed. Each must be needed. */
const KNOWN = {
	'abort.js': { 'this.#handler': 'what attribute() made: its get and set are its own' },
	'event.js': { listeners: 'a newMap: what listenersOf gives' },
	'message-channel.js': { "this.#handler('message')": 'what attribute() made', "this.#handler('messageerror')": 'likewise', "this.#handler('close')": 'likewise' },
	'natives.js': { er: 'the parameter of the bundle' },
	'streams-lazy.js': { source: 'a NodeBody' },
	'web-socket.js': { wires: 'an IdMap', "this.#handler('open')": 'what attribute() made', "this.#handler('message')": 'likewise', "this.#handler('error')": 'likewise', "this.#handler('close')": 'likewise' },
	'structured-clone.js': { moved: 'a newMap' },
	'url-pattern.js': { 'protocol.expression': 'made by regexp', 'components[name].expression': 'made by regexp' },
};

/** What of primordials.js makes objects whose methods are their own, and which. */
const MAKERS = {
	newMap: ['get', 'set', 'has', 'delete', 'clear', 'forEach'],
	newSet: ['add', 'has', 'delete', 'clear', 'forEach'],
	newWeakMap: ['get', 'set', 'has', 'delete'],
	regexp: ['exec'],
};
const NATIVES = contract().natives;
/** So many arguments need no names. */
const UNNAMED = 3;
// globalThis is only handed on
const FIXED = new Set(['undefined', 'NaN', 'Infinity', 'globalThis', 'arguments']);

const { methods, getters } = (() => {
	const methods = new Set();
	const getters = new Set();
	const generator = Object.getPrototypeOf(function* () {}).prototype, asyncGenerator = Object.getPrototypeOf(async function* () {}).prototype;
	const prototypes = [
		...Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z]/.test(name) && /\[native code\]/.test(Object.getOwnPropertyDescriptor(globalThis, name).value)).map((name) => globalThis[name].prototype),
		Object.getPrototypeOf(Uint8Array.prototype), generator, asyncGenerator, Object.getPrototypeOf(generator), Object.getPrototypeOf(asyncGenerator),
		Object.getPrototypeOf([][Symbol.iterator]()), Object.getPrototypeOf(new Map()[Symbol.iterator]()),
	];
	for (const prototype of prototypes)
		for (const [name, d] of Object.entries(Object.getOwnPropertyDescriptors(prototype ?? {}))) {
			if (name === 'constructor') continue;
			if (typeof d.value === 'function') methods.add(name);
			else if (d.get) getters.add(name);
		}
	getters.delete('length');
	return { methods, getters };
})();

const isNode = (v) => v !== null && typeof v === 'object' && typeof v.type === 'string';
function* children(node) {
	for (const key in node) {
		const v = node[key];
		if (Array.isArray(v)) for (const item of v) { if (isNode(item)) yield [item, key]; }
		else if (isNode(v)) yield [v, key];
	}
}
function walk(node, visit, parents = []) {
	visit(node, parents);
	for (const [child] of children(node)) walk(child, visit, [...parents, node]);
}
const isFunction = (node) => /Function/.test(node.type);
/** What runs only when somebody calls: bodies of functions, and fields of objects that are
 * made then. */
const isLate = (parents) => parents.some((p, i) => isFunction(p) || (p.type === 'PropertyDefinition' && !p.static && parents[i + 1] !== p.key));
const nameOf = (node) => (node.type === 'PrivateIdentifier' ? `#${node.name}` : node.type === 'Identifier' ? node.name : node.type === 'Literal' ? String(node.value) : undefined);
const isNothing = (node) => node === null || node === undefined || (node.type === 'Literal' && node.value === null) || (node.type === 'Identifier' && node.name === 'undefined');

class File {
	constructor(path) {
		this.name = basename(path);
		this.text = readFileSync(path, 'utf8');
		this.ast = parse(this.text, { ecmaVersion: 'latest', sourceType: 'module', locations: true });
		// node → variables → what each is given; undefined among them: nobody knows
		this.scopes = new Map();
		this.members = new Map(); // member → the same
		this.imports = new Map(); // variable → name there
		this.namespaces = new Set();
		// variable → name of a native, or null: all of them are its members
		this.natives = new Map();
		this.classes = new Map(); // name → members
		this.published = new Set();
		this.apart = new Set();
		this.parents = new Map();
		walk(this.ast, (node, parents) => {
			this.parents.set(node, parents);
			this.collect(node, parents);
		});
		walk(this.ast, (node, parents) => {
			if (node.type === 'AssignmentExpression' && node.left.type === 'Identifier') this.find(node.left.name, parents)?.push(node.operator === '=' ? node.right : undefined);
		});
	}
	give(map, name, value) {
		if (!map.has(name)) map.set(name, []);
		map.get(name).push(value);
	}
	declare(scope, pattern, value) {
		if (pattern.type === 'Identifier') {
			if (!this.scopes.has(scope)) this.scopes.set(scope, new Map());
			this.give(this.scopes.get(scope), pattern.name, value);
		} else if (pattern.type === 'AssignmentPattern') this.declare(scope, pattern.left, undefined);
		else if (pattern.type === 'RestElement') this.declare(scope, pattern.argument, undefined);
		else if (pattern.type === 'ObjectPattern') for (const p of pattern.properties) this.declare(scope, p.type === 'RestElement' ? p : p.value, undefined);
		else if (pattern.type === 'ArrayPattern') for (const e of pattern.elements) if (e) this.declare(scope, e, undefined);
	}
	/** What the variable is given that this name means there; undefined: it is a global. */
	find(name, parents) {
		for (const scope of [...parents].reverse()) if (this.scopes.get(scope)?.has(name)) return this.scopes.get(scope).get(name);
		return undefined;
	}
	top(name) {
		return this.scopes.get(this.ast)?.get(name);
	}
	collect(node, parents) {
		const parent = parents.at(-1);
		const around = parents.findLast((p) => isFunction(p) || /^(Program|BlockStatement|StaticBlock|SwitchStatement|For(In|Of)?Statement)$/.test(p.type));
		if (node.type === 'VariableDeclarator') {
			const loop = parents.at(-2)?.type;
			this.declare(around, node.id, loop === 'ForOfStatement' || loop === 'ForInStatement' ? undefined : (node.init ?? null));
		}
		if (isFunction(node)) {
			if (node.id) this.declare(node.type === 'FunctionDeclaration' ? around : node, node.id, undefined);
			for (const p of node.params) this.declare(node, p, undefined);
		}
		if (node.type === 'CatchClause' && node.param) this.declare(node, node.param, undefined);
		if (node.type === 'ClassDeclaration' || node.type === 'ClassExpression') {
			if (node.id) this.declare(node.type === 'ClassDeclaration' ? around : node, node.id, undefined);
			if (node.id) this.classes.set(node.id.name, new Set(node.body.body.map((m) => (m.key ? nameOf(m.key) : undefined))));
		}
		if (node.type === 'ImportDeclaration')
			for (const s of node.specifiers) {
				this.declare(this.ast, s.local, undefined);
				if (/^\.\/(contract-)?natives\.js$/.test(node.source.value)) this.natives.set(s.local.name, s.type === 'ImportNamespaceSpecifier' ? null : nameOf(s.imported ?? s.local));
				if (s.type === 'ImportNamespaceSpecifier') this.namespaces.add(s.local.name);
				else this.imports.set(s.local.name, nameOf(s.imported ?? s.local));
			}
		if (node.type === 'AssignmentExpression') {
			if (node.left.type === 'MemberExpression' && !node.left.computed) this.give(this.members, nameOf(node.left.property), node.right);
		}
		if (node.type === 'PropertyDefinition') this.give(this.members, nameOf(node.key), node.value);
		if (node.type === 'Property' && parent.type === 'ObjectExpression' && !node.computed) this.give(this.members, nameOf(node.key), node.value);
		if (node.type === 'CallExpression' && node.callee.name === 'finish' && node.arguments[0]?.type === 'Identifier') this.published.add(node.arguments[0].name);
		if (node.type === 'CallExpression' && node.callee.name === 'apart' && node.arguments[0]?.type === 'Identifier') this.apart.add(node.arguments[0].name);
	}
}

class Lint {
	constructor(folder, { known = KNOWN, free = FREE } = {}) {
		this.known = known;
		this.files = new Map();
		for (const name of readdirSync(folder)) if (name.endsWith('.js') && !(name in free)) this.files.set(name, new File(join(folder, name)));
		this.found = [];
		this.used = new Set();
		for (const file of this.files.values()) walk(file.ast, (node, parents) => this.look(file, node, parents));
		for (const name in known) for (const place in known[name]) if (!this.used.has(`${name} ${place}`)) this.found.push(`${name}: nothing needs '${place}' in the list of what is known`);
	}
	/** The member `name` of what this expression gives is its own, or of a class that routines
	 * do not see. */
	owns(file, node, name, seen = new Set()) {
		if (isNothing(node)) return true;
		if (node.type === 'AssignmentExpression') return this.owns(file, node.right, name, seen);
		if (node.type === 'CallExpression') return node.callee.type === 'Identifier' && MAKERS[node.callee.name]?.includes(name) === true;
		if (node.type === 'NewExpression') return this.hidden(file, node.callee, name);
		if (node.type === 'ObjectExpression') return node.properties.some((p) => p.key && nameOf(p.key) === name);
		if (node.type === 'ConditionalExpression') return this.owns(file, node.consequent, name, seen) && this.owns(file, node.alternate, name, seen);
		if (node.type === 'Identifier') return this.variable(file, node, name, seen);
		if (node.type === 'MemberExpression' && !node.computed) return this.all(file, file.members.get(nameOf(node.property)), name, seen);
		return false;
	}
	variable(file, node, name, seen) {
		const given = file.find(node.name, file.parents.get(node));
		const there = given === file.top(node.name) ? file.imports.get(node.name) : undefined;
		if (given === file.top(node.name) && file.namespaces.has(node.name)) return true;
		if (there === undefined) return this.all(file, given, name, seen);
		return [...this.files.values()].some((f) => f !== file && !f.imports.has(there) && this.all(f, f.top(there), name, seen));
	}
	/** `given`: what a variable or member is given. */
	all(file, given, name, seen) {
		if (given === undefined || !given.some((v) => !isNothing(v))) return false;
		if (seen.has(given)) return true;
		seen.add(given);
		return given.every((v) => v === null || (v !== undefined && this.owns(file, v, name, seen)));
	}
	hidden(file, callee, name) {
		if (callee.type !== 'Identifier') return false;
		const wanted = file.imports.get(callee.name) ?? callee.name;
		return [...this.files.values()].some((f) => f.classes.get(wanted)?.has(name) && !f.published.has(wanted));
	}
	/** The native that is called there; undefined: none. */
	native(file, callee) {
		const name = callee.type === 'Identifier' ? callee.name : callee.type === 'MemberExpression' && callee.object.type === 'Identifier' && !callee.computed ? callee.object.name : undefined;
		const native = file.natives.get(name);
		if (native === undefined || (native === null) !== (callee.type === 'MemberExpression')) return undefined;
		return NATIVES[native ?? nameOf(callee.property)];
	}
	call(file, node) {
		const wanted = this.native(file, node.callee);
		if (wanted === undefined) return;
		const given = node.arguments;
		if (given.length !== wanted.length || given.some((v) => v.type === 'SpreadElement')) this.refuse(file, node, node, 'native', `takes (${wanted.join(', ')})`);
		else if (wanted.length > UNNAMED)
			for (const [i, v] of given.entries()) {
				const says = v.type === 'Identifier' ? v.name : v.type === 'MemberExpression' && !v.computed ? nameOf(v.property) : undefined;
				if (says !== wanted[i] && !file.text.slice(0, v.start).trimEnd().endsWith(`/* ${wanted[i]} */`)) this.refuse(file, v, v, 'native', `is '${wanted[i]}' and does not say so`);
			}
	}
	look(file, node, parents) {
		if (node.type === 'CallExpression') this.call(file, node);
		if (node.type === 'AssignmentExpression') this.assignment(file, node, parents);
		if (!isLate(parents)) return;
		const parent = parents.at(-1);
		if (node.type === 'MemberExpression' && (node.computed ? node.property.type === 'Literal' : node.property.type === 'Identifier')) this.member(file, node, parents);
		if (node.type === 'Identifier') this.global(file, node, parents);
		if (node.type === 'ForOfStatement') this.refuse(file, node, node.right, 'iterator', 'for-of');
		if (node.type === 'SpreadElement' && parent.type !== 'ObjectExpression') this.refuse(file, node, node.argument, 'iterator', 'spread');
		if (node.type === 'YieldExpression' && node.delegate) this.refuse(file, node, node.argument, 'iterator', 'yield*');
		if (node.type === 'ArrayPattern') this.refuse(file, node, node, 'iterator', 'pattern');
	}
	member(file, node, parents) {
		const name = nameOf(node.property);
		const parent = parents.at(-1);
		const called = parent.type === 'CallExpression' && parent.callee === node;
		if (called ? !methods.has(name) : !getters.has(name)) return;
		if (!called && parent.type === 'AssignmentExpression' && parent.left === node) return;
		if (node.object.type === 'Super') return;
		if (node.object.type === 'ThisExpression') {
			const around = parents.findLast((p) => p.type === 'ClassDeclaration');
			if (file.classes.get(around?.id.name)?.has(name) && !file.published.has(around.id.name)) return;
		}
		if (this.owns(file, node.object, name)) return;
		this.refuse(file, node, node.object, called ? 'method' : 'getter', name);
	}
	assignment(file, node, parents) {
		const { left } = node;
		if (left.type !== 'MemberExpression' || left.object.type !== 'ThisExpression' || left.property.type === 'PrivateIdentifier') return;
		const around = parents.findLast((p) => p.type === 'ClassDeclaration' || p.type === 'ClassExpression');
		const name = left.computed ? undefined : nameOf(left.property);
		if (file.apart.has(around?.id?.name) || around?.body.body.some((m) => m.key && !m.static && !m.computed && nameOf(m.key) === name)) return;
		this.refuse(file, node, left, 'setter', name ?? 'computed');
	}
	global(file, node, parents) {
		const parent = parents.at(-1);
		if (file.find(node.name, parents) !== undefined || FIXED.has(node.name)) return;
		if (parent.type === 'MemberExpression' && parent.property === node && !parent.computed) return;
		if (/^(Property|PropertyDefinition|MethodDefinition)$/.test(parent.type) && parent.key === node && !parent.computed) return;
		if (/^(Labeled|Break|Continue)Statement$|^MetaProperty$/.test(parent.type)) return;
		this.refuse(file, node, node, 'global', node.name);
	}
	refuse(file, node, receiver, rule, what) {
		const written = file.text.slice(receiver.start, receiver.end);
		if (this.known[file.name]?.[written] !== undefined) {
			this.used.add(`${file.name} ${written}`);
			return;
		}
		const { line, column } = node.loc.start;
		this.found.push(`${file.name}:${line}:${column + 1}: ${rule} ${what}: ${file.text.slice(node.start, node.end).split('\n')[0].slice(0, 80)}`);
	}
}

const own = fileURLToPath(new URL('../src/sandbox/js', import.meta.url));
const folder = process.argv[2] ?? own;
const { found, files } = new Lint(folder, folder === own ? {} : { known: {}, free: {} });
for (const line of found) console.log(line);
console.log(`prelude: ${files.size} files, ${found.length} mistakes`);
process.exitCode = found.length > 0 ? 1 : 0;
