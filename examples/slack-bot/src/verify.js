const FRESH_SECONDS = 300;
const encoder = new TextEncoder();

/** Signature v0: HMAC-SHA256 of "v0:TIMESTAMP:BODY". Undefined: it is right; else what is wrong. */
export async function verify(headers, body, secret) {
	const stamp = headers.get("x-slack-request-timestamp") ?? "";
	const claimed = /^v0=([0-9a-f]{64})$/.exec(headers.get("x-slack-signature") ?? "")?.[1];
	if (claimed === undefined || !/^\d{1,12}$/.test(stamp)) return "no signature";
	if (Math.abs(Date.now() / 1000 - Number(stamp)) > FRESH_SECONDS) return "too old, or from the future";
	const key = await crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
	const signature = Uint8Array.from(claimed.match(/../g), (pair) => parseInt(pair, 16));
	// Compares in a time that does not depend on what is wrong.
	return (await crypto.subtle.verify("HMAC", key, signature, encoder.encode(`v0:${stamp}:${body}`))) ? undefined : "wrong signature";
}
