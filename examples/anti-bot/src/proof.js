// What goes to a browser and comes back: "END.NONCE.HMAC", good until END (Unix seconds) for one purpose and one client.
const encoder = new TextEncoder();
const hex = (bytes) => Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, "0")).join("");

const keyOf = (secret) => crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);

export async function seal(secret, purpose, who, seconds) {
	const head = `${Math.floor(Date.now() / 1000) + seconds}.${hex(crypto.getRandomValues(new Uint8Array(8)))}`;
	return `${head}.${hex(await crypto.subtle.sign("HMAC", await keyOf(secret), encoder.encode(`${purpose}\n${who}\n${head}`)))}`;
}

export async function open(secret, purpose, who, text) {
	const hit = /^((\d{1,12})\.[0-9a-f]{16})\.([0-9a-f]{64})$/.exec(text);
	if (hit === null || Number(hit[2]) * 1000 <= Date.now()) return false;
	const claimed = Uint8Array.from(hit[3].match(/../g), (pair) => parseInt(pair, 16));
	return crypto.subtle.verify("HMAC", await keyOf(secret), claimed, encoder.encode(`${purpose}\n${who}\n${hit[1]}`));
}

/** SHA-256 of salt and number begins with so many zero bits. */
export async function solved(salt, n, bits) {
	if (!/^\d{1,12}$/.test(n)) return false;
	const hash = new DataView(await crypto.subtle.digest("SHA-256", encoder.encode(`${salt}:${n}`)));
	return hash.getUint32(0) >>> (32 - bits) === 0;
}
