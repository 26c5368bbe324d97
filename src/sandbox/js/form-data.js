// FormData (XHR 4), its multipart form (RFC 7578) and back.
import * as er from './natives.js';
import {
	bareList, TypeErr, U8, apply, concatBytes, includes, lower, regexp, replaceAllOf, startsWith, strIndexOf, strSlice, symIterator, taLength, trim,
	u8Slice, u8Subarray,
} from './primordials.js';
import { brand, callback, finish, isObject, iteratorClass, need, usvString } from './webidl.js';
import { blobBytes, blobType, isBlob, isFile, makeFile } from './blob.js';
import { parseForm } from './url-search-params.js';

export let isFormData;
let listOfForm;
const FormDataIterator = iteratorClass('FormData', (f, at) => {
	const list = listOfForm(f);
	return at * 2 < list.length ? [list[at * 2], list[at * 2 + 1]] : undefined;
});

function entry(value, filename, hasName) {
	if (!isBlob(value)) return usvString(value);
	if (isFile(value) && !hasName) return value;
	return makeFile(blobBytes(value), blobType(value), hasName ? usvString(filename) : 'blob', isFile(value) ? value.lastModified : undefined);
}

export class FormData {
	#list = bareList();
	constructor(form = undefined) {
		if (form !== undefined) throw new TypeErr('There are no form elements here: FormData takes no argument');
	}
	append(name, value, filename = undefined) {
		const list = FormData.#of(this, 'append');
		need(arguments.length, 2, "'append' on 'FormData'");
		if (arguments.length > 2 && !isBlob(value)) throw new TypeErr("A file name can be given to 'append' with a Blob only");
		name = usvString(name);
		value = entry(value, filename, filename !== undefined);
		list[list.length] = name;
		list[list.length] = value;
	}
	delete(name) {
		const list = FormData.#of(this, 'delete');
		need(arguments.length, 1, "'delete' on 'FormData'");
		name = usvString(name);
		let to = 0;
		for (let i = 0; i < list.length; i += 2) {
			if (list[i] === name) continue;
			list[to] = list[i];
			list[to + 1] = list[i + 1];
			to += 2;
		}
		list.length = to;
	}
	get(name) {
		const list = FormData.#of(this, 'get');
		need(arguments.length, 1, "'get' on 'FormData'");
		name = usvString(name);
		for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
		return null;
	}
	getAll(name) {
		const list = FormData.#of(this, 'getAll');
		need(arguments.length, 1, "'getAll' on 'FormData'");
		name = usvString(name);
		const out = [];
		for (let i = 0; i < list.length; i += 2) if (list[i] === name) out[out.length] = list[i + 1];
		return out;
	}
	has(name) {
		const list = FormData.#of(this, 'has');
		need(arguments.length, 1, "'has' on 'FormData'");
		name = usvString(name);
		for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
		return false;
	}
	set(name, value, filename = undefined) {
		const list = FormData.#of(this, 'set');
		need(arguments.length, 2, "'set' on 'FormData'");
		if (arguments.length > 2 && !isBlob(value)) throw new TypeErr("A file name can be given to 'set' with a Blob only");
		name = usvString(name);
		value = entry(value, filename, filename !== undefined);
		let to = 0;
		let done = false;
		for (let i = 0; i < list.length; i += 2) {
			if (list[i] === name && done) continue;
			list[to] = list[i];
			list[to + 1] = list[i] === name ? value : list[i + 1];
			if (list[i] === name) done = true;
			to += 2;
		}
		list.length = to;
		if (!done) {
			list[to] = name;
			list[to + 1] = value;
		}
	}
	entries() {
		FormData.#of(this, 'entries');
		return new FormDataIterator(this, 'entry');
	}
	keys() {
		FormData.#of(this, 'keys');
		return new FormDataIterator(this, 'key');
	}
	values() {
		FormData.#of(this, 'values');
		return new FormDataIterator(this, 'value');
	}
	forEach(callbackFn, thisArg = undefined) {
		const list = FormData.#of(this, 'forEach');
		need(arguments.length, 1, "'forEach' on 'FormData'");
		callback(callbackFn, "The callback of 'forEach'");
		for (let i = 0; i < list.length; i += 2) apply(callbackFn, thisArg, [list[i + 1], list[i], this]);
	}
	static #of(f, member) {
		if (!isObject(f) || !(#list in f)) throw brand('FormData', member);
		return f.#list;
	}
	static {
		isFormData = (f) => isObject(f) && #list in f;
		listOfForm = (f) => f.#list;
		Object.defineProperty(FormData.prototype, symIterator, { value: FormData.prototype.entries, writable: true, configurable: true });
	}
}
finish(FormData, 'FormData', 0);

const crlf = (s) => replaceAllOf(replaceAllOf(replaceAllOf(s, '\r\n', '\n'), '\r', '\n'), '\n', '\r\n');
const escape = (s) => replaceAllOf(replaceAllOf(replaceAllOf(s, '\n', '%0A'), '\r', '%0D'), '"', '%22');

export function encodeFormData(form) {
	const boundary = '----er-' + replaceAllOf(er.randomUUID(), '-', '');
	const chunks = bareList();
	let total = 0;
	const put = (b) => {
		chunks[chunks.length] = b;
		total += taLength(b);
	};
	const list = listOfForm(form);
	for (let i = 0; i < list.length; i += 2) {
		const value = list[i + 1];
		let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escape(crlf(list[i]))}"`;
		if (typeof value === 'string') put(er.utf8Encode(`${head}\r\n\r\n${crlf(value)}\r\n`));
		else {
			head += `; filename="${escape(value.name)}"\r\nContent-Type: ${blobType(value) || 'application/octet-stream'}\r\n\r\n`;
			put(er.utf8Encode(head));
			put(blobBytes(value));
			put(er.utf8Encode('\r\n'));
		}
	}
	put(er.utf8Encode(`--${boundary}--\r\n`));
	return { bytes: concatBytes(chunks, total), type: `multipart/form-data; boundary=${boundary}` };
}

const BOUNDARY = regexp(/;[\t ]*boundary=(?:"([^"]+)"|([^\s;"]+))/i);
export function parseFormData(bytes, type) {
	const form = new FormData();
	const essence = type === null ? '' : lower(trim(includes(type, ';') ? strSlice(type, 0, strIndexOf(type, ';')) : type));
	if (essence === 'application/x-www-form-urlencoded') {
		const flat = parseForm(er.utf8Decode(bytes, false, true));
		const list = listOfForm(form);
		for (let i = 0; i < flat.length; i++) list[i] = flat[i];
		return form;
	}
	if (essence !== 'multipart/form-data')
		throw new TypeErr(`The body is not a form: its content-type is ${type === null ? 'missing' : `'${type}'`}, not multipart/form-data or application/x-www-form-urlencoded`);
	const m = BOUNDARY.exec(type);
	if (m === null) throw new TypeErr('The content-type multipart/form-data has no boundary');
	multipart(bytes, m[1] ?? m[2], listOfForm(form));
	return form;
}

const NAME = regexp(/;[\t ]*name="([^"]*)"/i);
const FILENAME = regexp(/;[\t ]*filename="([^"]*)"/i);
const DISPOSITION = regexp(/^content-disposition:[\t ]*form-data[\t ]*(;.*)$/im);
const CONTENT_TYPE = regexp(/^content-type:[\t ]*(.*?)[\t ]*$/im);
const unescape = (s) => replaceAllOf(replaceAllOf(replaceAllOf(s, '%0A', '\n'), '%0D', '\r'), '%22', '"');

/** Positions are found in a Latin-1 view of the bytes: searching a string is native. */
function multipart(bytes, boundary, list) {
	const text = er.latin1(bytes);
	const bad = (why) => new TypeErr(`The multipart body is malformed: ${why}`);
	const dash = `--${boundary}`;
	let at;
	if (startsWith(text, dash)) at = dash.length;
	else {
		const first = strIndexOf(text, `\r\n${dash}`);
		if (first < 0) throw bad('its boundary does not occur');
		at = first + 2 + dash.length;
	}
	for (;;) {
		if (text[at] === '-' && text[at + 1] === '-') return;
		while (text[at] === ' ' || text[at] === '\t') at++;
		if (text[at] !== '\r' || text[at + 1] !== '\n') throw bad('a boundary line does not end');
		at += 2;
		const headEnd = text[at] === '\r' && text[at + 1] === '\n' ? at - 2 : strIndexOf(text, '\r\n\r\n', at);
		if (headEnd < 0) throw bad('the head of a part does not end');
		const start = headEnd + 4;
		const end = strIndexOf(text, `\r\n${dash}`, headEnd + 2);
		if (end < 0) throw bad('a part does not end');
		const head = er.utf8Decode(u8Subarray(bytes, at, headEnd < at ? at : headEnd), false, true);
		const d = DISPOSITION.exec(head);
		const name = d === null ? null : NAME.exec(d[1]);
		if (name === null) throw bad('a part has no name');
		const body = end < start ? new U8(0) : u8Slice(bytes, start, end);
		const file = FILENAME.exec(d[1]);
		list[list.length] = unescape(name[1]);
		if (file === null) list[list.length] = er.utf8Decode(body, false, false);
		else {
			const t = CONTENT_TYPE.exec(head);
			list[list.length] = makeFile(body, t === null ? 'text/plain' : lower(t[1]), unescape(file[1]));
		}
		at = end + 2 + dash.length;
	}
}
