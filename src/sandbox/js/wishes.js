// What the code wishes of the cache with a fetch: the members of `er`, and the same under `cf`, as
// the lines that the node reads (isolate/wish.h), which checks all of it again.
import * as er from './natives.js';
import { TypeErr, charCode, isArray, isFinite, join, keys, regexp, strIndexOf, trunc } from './primordials.js';
import { domString, isObject, usvString } from './webidl.js';

const STATUSES = regexp(/^([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?$/);
const SECONDS_MAX = 0x7fffffff;
const KEY_MAX = 4096;
const TAGS_MAX = 100;
const TAG_MAX = 1024;
const TTLS_MAX = 32;

/** Neither control characters nor nothing: `what` is what the text is called. */
function plain(text, what, max) {
	for (let i = 0; i < text.length; i++) {
		const c = charCode(text, i);
		if (c < 32 || c === 127) throw new TypeErr(`${what} has a control character`);
	}
	if (text === '') throw new TypeErr(`${what} is empty`);
	if (er.utf8Length(text) > max) throw new TypeErr(`${what} has more than ${max} bytes`);
	return text;
}
function seconds(v, what) {
	const n = +v;
	if (!isFinite(n)) throw new TypeErr(`${what} must be a number of seconds, not ${domString(v)}`);
	const whole = trunc(n);
	return whole < 0 ? -1 : whole > SECONDS_MAX ? SECONDS_MAX : whole;
}
function byStatus(lines, v) {
	if (!isObject(v)) throw new TypeErr("'cacheTtlByStatus' must be an object, as { '200-299': 86400, '404': 1 }");
	const names = keys(v);
	if (names.length > TTLS_MAX) throw new TypeErr(`'cacheTtlByStatus' has more than ${TTLS_MAX} members`);
	for (let i = 0; i < names.length; i++) {
		const m = STATUSES.exec(names[i]);
		const least = m === null ? 0 : m[1], most = m === null ? 0 : m[2] ?? m[1];
		if (m === null || least > most) throw new TypeErr(`'cacheTtlByStatus' has statuses as '404' or '200-299', not '${names[i]}'`);
		lines[lines.length] = `status\n${least}-${most}=${seconds(v[names[i]], `'cacheTtlByStatus' of '${names[i]}'`)}\n`;
	}
}
function tagsOf(lines, v) {
	if (!isArray(v)) throw new TypeErr("'cacheTags' must be an array of strings");
	if (v.length > TAGS_MAX) throw new TypeErr(`'cacheTags' has more than ${TAGS_MAX} tags`);
	for (let i = 0; i < v.length; i++) {
		const tag = plain(usvString(v[i]), 'A tag', TAG_MAX);
		if (strIndexOf(tag, ',') >= 0) throw new TypeErr(`A tag cannot have a comma: '${tag}'`);
		lines[lines.length] = `tag\n${tag}\n`;
	}
}

/** `own` (er) goes over `other` (cf), each undefined or null or an object. The lines; undefined:
 * nothing is wished. */
export function wishesOf(own, other) {
	if (own !== undefined && own !== null && !isObject(own)) throw new TypeErr("The option 'er' must be an object");
	if (other !== undefined && other !== null && !isObject(other)) throw new TypeErr("The option 'cf' must be an object");
	const get = (name) => own?.[name] ?? other?.[name];
	const lines = [];
	const key = get('cacheKey'), ttl = get('cacheTtl'), statuses = get('cacheTtlByStatus'), tags = get('cacheTags'), host = get('resolveOverride');
	if (key !== undefined) lines[lines.length] = `key\n${plain(usvString(key), "'cacheKey'", KEY_MAX)}\n`;
	if (ttl !== undefined) lines[lines.length] = `ttl\n${seconds(ttl, "'cacheTtl'")}\n`;
	if (statuses !== undefined) byStatus(lines, statuses);
	if (tags !== undefined) tagsOf(lines, tags);
	if (get('cacheEverything')) lines[lines.length] = 'everything\n1\n';
	if (host !== undefined) lines[lines.length] = `resolve\n${plain(usvString(host), "'resolveOverride'", 260)}\n`;
	return lines.length === 0 ? undefined : join(lines, '');
}
