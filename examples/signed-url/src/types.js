// The three types of signed URLs. Each reader gives { file, until, hash, text, clean }: the path that is signed, the time in
// milliseconds when it ends, the MD5 that the URL claims, what is hashed with a key, and the URL without the signature.
// Undefined: the URL has no signature of the type.

/** /FILE?auth_key=TIMESTAMP-RAND-UID-HASH; the hash is of "FILE-TIMESTAMP-RAND-UID-KEY". */
export function readA(url, { seconds }) {
	const keys = url.searchParams.getAll("auth_key");
	const hit = keys.length === 1 ? /^(\d{1,12})-([0-9a-zA-Z]{1,64})-([0-9a-zA-Z]{1,64})-([0-9a-fA-F]{32})$/.exec(keys[0]) : null;
	if (hit === null) return undefined;
	const [, timestamp, random, uid, hash] = hit;
	const file = url.pathname;
	return { file, until: (Number(timestamp) + seconds) * 1000, hash, text: (key) => `${file}-${timestamp}-${random}-${uid}-${key}`, clean: without(url, file, ["auth_key"]) };
}

/** /YYYYMMDDHHMM/HASH/FILE; the hash is of "KEY YYYYMMDDHHMM FILE" without the blanks. */
export function readB(url, { seconds, utcOffset = 8 }) {
	const hit = /^\/(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)\/([0-9a-fA-F]{32})(\/.*)$/.exec(url.pathname);
	if (hit === null) return undefined;
	const [year, month, day, hour, minute] = hit.slice(1, 6).map(Number);
	const [hash, file] = hit.slice(6);
	const stamp = hit.slice(1, 6).join("");
	const signed = Date.UTC(year, month - 1, day, hour - utcOffset, minute);
	return { file, until: signed + seconds * 1000, hash, text: (key) => `${key}${stamp}${file}`, clean: without(url, file, []) };
}

/** /HASH/TIMESTAMP/FILE or /FILE?KEY1=HASH&KEY2=TIMESTAMP; the timestamp is hexadecimal, the hash is of "KEY FILE TIMESTAMP". */
export function readC(url, { seconds }) {
	const inPath = /^\/([0-9a-fA-F]{32})\/([0-9a-fA-F]{1,10})(\/.*)$/.exec(url.pathname);
	const [one, two] = [url.searchParams.getAll("KEY1"), url.searchParams.getAll("KEY2")];
	if (inPath === null && !(one.length === 1 && two.length === 1 && /^[0-9a-fA-F]{1,10}$/.test(two[0]))) return undefined;
	const [hash, timestamp, file] = inPath ? inPath.slice(1) : [one[0], two[0], url.pathname];
	const until = (parseInt(timestamp, 16) + seconds) * 1000;
	return { file, until, hash, text: (key) => `${key}${file}${timestamp}`, clean: without(url, file, inPath ? [] : ["KEY1", "KEY2"]) };
}

/** The other parameters stay as they were written. */
function without(url, file, names) {
	const left = url.search.slice(1).split("&").filter((part) => part !== "" && !names.includes(part.split("=")[0]));
	return url.origin + file + (left.length > 0 ? `?${left.join("&")}` : "");
}
