// util.parseArgs: the options of a command line. There is none on the edge, so `args` is
// to be given.
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_PARSE_ARGS_INVALID_OPTION_VALUE, ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL, ERR_PARSE_ARGS_UNKNOWN_OPTION } from './errors.js';
import { validateArray, validateBoolean, validateObject, validateOneOf, validateString } from './validators.js';

function checked(config) {
	validateArray(config.args, 'args');
	validateBoolean(config.strict, 'strict');
	validateBoolean(config.allowPositionals, 'allowPositionals');
	validateBoolean(config.tokens, 'tokens');
	validateObject(config.options, 'options');
	for (const [name, option] of Object.entries(config.options)) {
		validateObject(option, `options.${name}`);
		validateOneOf(option.type, `options.${name}.type`, ['string', 'boolean']);
		if (Object.hasOwn(option, 'short')) {
			validateString(option.short, `options.${name}.short`);
			if (option.short.length !== 1) throw new ERR_INVALID_ARG_VALUE(`options.${name}.short`, option.short, 'must be a single character');
		}
		if (Object.hasOwn(option, 'multiple')) validateBoolean(option.multiple, `options.${name}.multiple`);
		if (option.default !== undefined) {
			for (const value of option.multiple ? option.default : [option.default])
				if (typeof value !== option.type) throw new ERR_INVALID_ARG_TYPE(`options.${name}.default`, option.type, value);
		}
	}
}
/** Each argument's kind, as `tokens` tells them. */
function tokensOf(args, options) {
	const tokens = [];
	const long = (short) => Object.entries(options).find(([, option]) => option.short === short)?.[0] ?? short;
	const isString = (name) => options[name]?.type === 'string';
	const queue = args.map((text, index) => ({ text, index }));
	let grouped = 0;
	while (queue.length > 0) {
		const { text, index } = queue.shift();
		const next = () => queue[0]?.text;
		const inGroup = grouped > 0 ? (grouped--, true) : false;
		if (text === '--' && !inGroup) {
			tokens.push({ kind: 'option-terminator', index });
			for (const rest of queue.splice(0)) tokens.push({ kind: 'positional', index: rest.index, value: rest.text });
		} else if (/^-[^-]$/.test(text)) {
			const name = long(text[1]);
			const takes = isString(name) && next() !== undefined && grouped === 0;
			tokens.push({ kind: 'option', name, rawName: text, index, value: takes ? queue.shift().text : undefined, inlineValue: takes ? false : undefined });
		} else if (/^-[^-]./.test(text) && !isString(long(text[1]))) {
			const parts = [];
			for (let i = 1; i < text.length; i++) {
				if (isString(long(text[i])) && i < text.length - 1) {
					parts.push(`-${text.slice(i)}`);
					break;
				}
				parts.push(`-${text[i]}`);
			}
			queue.unshift(...parts.map((part) => ({ text: part, index })));
			grouped = parts.length - 1;
		} else if (/^-[^-]./.test(text)) {
			const name = long(text[1]);
			tokens.push({ kind: 'option', name, rawName: `-${text[1]}`, index, value: text.slice(2), inlineValue: true });
		} else if (/^--[^=]+=/.test(text)) {
			const at = text.indexOf('=');
			tokens.push({ kind: 'option', name: text.slice(2, at), rawName: text.slice(0, at), index, value: text.slice(at + 1), inlineValue: true });
		} else if (/^--./.test(text)) {
			const name = text.slice(2);
			const takes = isString(name) && next() !== undefined;
			tokens.push({ kind: 'option', name, rawName: text, index, value: takes ? queue.shift().text : undefined, inlineValue: takes ? false : undefined });
		} else tokens.push({ kind: 'positional', index, value: text });
	}
	return tokens;
}
function check(token, { options, allowPositionals, allowNegative }) {
	let { name } = token;
	if (allowNegative && !Object.hasOwn(options, name) && name.startsWith('no-') && options[name.slice(3)]?.type === 'boolean') return;
	if (!Object.hasOwn(options, name)) throw new ERR_PARSE_ARGS_UNKNOWN_OPTION(token.rawName, allowPositionals);
	const { short, type } = options[name];
	const shown = `${short ? `-${short}, ` : ''}--${name}`;
	if (type === 'string' && typeof token.value !== 'string') throw new ERR_PARSE_ARGS_INVALID_OPTION_VALUE(`Option '${shown} <value>' argument missing`);
	if (type === 'boolean' && token.value != null) throw new ERR_PARSE_ARGS_INVALID_OPTION_VALUE(`Option '${shown}' does not take an argument`);
	if (token.inlineValue === false && token.value.length > 1 && token.value.startsWith('-')) {
		const how = token.rawName.startsWith('--') ? `'${token.rawName}=-XYZ'` : `'--${name}=-XYZ' or '${token.rawName}-XYZ'`;
		throw new ERR_PARSE_ARGS_INVALID_OPTION_VALUE(`Option '${token.rawName}' argument is ambiguous.\nDid you forget to specify the option argument for '${token.rawName}'?\nTo specify an option argument starting with a dash use ${how}.`);
	}
}
export function parseArgs(given = {}) {
	const strict = given.strict ?? true;
	const config = { args: given.args ?? [], strict, allowPositionals: given.allowPositionals ?? !strict, tokens: given.tokens ?? false, options: given.options ?? { __proto__: null }, allowNegative: given.allowNegative ?? false };
	checked(config);
	const { options } = config;
	const result = { values: { __proto__: null }, positionals: [] };
	const tokens = tokensOf(config.args, options);
	if (config.tokens) result.tokens = tokens;
	for (const token of tokens) {
		if (token.kind === 'option') {
			if (strict) check(token, config);
			let { name } = token, value = token.value ?? true;
			if (config.allowNegative && token.value === undefined && name.startsWith('no-') && !Object.hasOwn(options, name) && options[name.slice(3)]?.type !== 'string') {
				name = name.slice(3);
				value = false;
			}
			if (name === '__proto__') continue;
			if (options[name]?.multiple) (result.values[name] ??= []).push(value);
			else result.values[name] = value;
		} else if (token.kind === 'positional') {
			if (!config.allowPositionals) throw new ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL(token.value);
			result.positionals.push(token.value);
		}
	}
	for (const [name, option] of Object.entries(options)) if (option.default !== undefined && result.values[name] === undefined) result.values[name] = option.default;
	return result;
}
