// Signs a URL, as your own pages would: node sign.mjs TYPE URL [KEY [TIME]]. TIME: when it is signed, in Unix seconds.
import crypto from "node:crypto";
import process from "node:process";

const md5 = (text) => crypto.createHash("md5").update(text).digest("hex");

export function sign(type, href, key = "change-me", time = Math.floor(Date.now() / 1000)) {
	const url = new URL(href);
	const file = url.pathname;
	if (type === "A") {
		const random = crypto.randomBytes(8).toString("hex");
		url.searchParams.set("auth_key", `${time}-${random}-0-${md5(`${file}-${time}-${random}-0-${key}`)}`);
	} else if (type === "B") {
		const stamp = new Date((time + 8 * 3600) * 1000).toISOString().replace(/\D/g, "").slice(0, 12);
		url.pathname = `/${stamp}/${md5(key + stamp + file)}${file}`;
	} else if (type === "C") {
		const stamp = time.toString(16);
		url.pathname = `/${md5(key + file + stamp)}/${stamp}${file}`;
	} else throw new Error("TYPE is A, B or C");
	return url.href;
}

if (import.meta.url === `file://${process.argv[1]}`) {
	const [type, href, key, time] = process.argv.slice(2);
	console.log(sign(type, href, key, time && Number(time)));
}
