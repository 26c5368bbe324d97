export interface Notice {
	source: string;
	event: string;
	project: string;
	branch?: string;
	author?: string;
	status?: string;
	link?: string;
}

export interface Source {
	name: string;
	/** The name of this delivery; throws Refused if the sender does not have the secret. */
	verify(headers: Headers, body: Uint8Array<ArrayBuffer>, env: Record<string, string>): Promise<string>;
	/** Undefined: nothing to tell. Throws what it wants if the body is not as expected. */
	read(headers: Headers, body: any): Notice | undefined;
}

export class Refused extends Error {}

const FRESH_SECONDS = 300;
const encoder = new TextEncoder();
const branchOf = (ref: string) => ref.replace(/^refs\/(heads|tags)\//, "");

const github: Source = {
	name: "github",
	/** X-Hub-Signature-256: sha256=HMAC of the body. */
	async verify(headers, body, env) {
		await checkHmac(env.GITHUB_SECRET, headers.get("x-hub-signature-256"), body);
		// The delivery's name is not signed, so a replay under another name is known by its body.
		return `github ${hex(await crypto.subtle.digest("SHA-256", body))}`;
	},
	read(headers, body) {
		const event = headers.get("x-github-event");
		const common = { source: "github", project: String(body.repository.full_name), author: body.sender?.login };
		if (event === "push") return { ...common, event, branch: branchOf(body.ref), link: body.compare };
		if (event === "pull_request") return { ...common, event, status: body.action, branch: body.pull_request.head.ref, link: body.pull_request.html_url };
		if (event === "workflow_run" && body.action === "completed")
			return { ...common, event, status: body.workflow_run.conclusion, branch: body.workflow_run.head_branch, link: body.workflow_run.html_url };
		return undefined; // ping, and what nobody wants to hear
	},
};

const gitlab: Source = {
	name: "gitlab",
	/** X-Gitlab-Token is the secret itself. */
	async verify(headers, body, env) {
		const token = encoder.encode(headers.get("x-gitlab-token") ?? "");
		const right = encoder.encode(env.GITLAB_TOKEN);
		if (token.length !== right.length || !crypto.subtle.timingSafeEqual(token, right)) throw new Refused("wrong token");
		return `gitlab ${headers.get("x-gitlab-event-uuid") ?? hex(await crypto.subtle.digest("SHA-256", body))}`;
	},
	read(_headers, body) {
		const common = { source: "gitlab", project: String(body.project.path_with_namespace) };
		if (body.object_kind === "push") return { ...common, event: "push", branch: branchOf(body.ref), author: body.user_username, link: `${body.project.web_url}/-/commit/${body.after}` };
		const about = body.object_attributes;
		if (body.object_kind === "merge_request") return { ...common, event: "merge_request", status: about.action, branch: about.source_branch, author: body.user?.username, link: about.url };
		if (body.object_kind === "pipeline") return { ...common, event: "pipeline", status: about.status, branch: about.ref, author: body.user?.username, link: about.url };
		return undefined;
	},
};

const jenkins: Source = {
	name: "jenkins",
	/** X-Jenkins-Signature: sha256=HMAC of "TIMESTAMP.BODY"; a step of the pipeline makes it (README.md). */
	async verify(headers, body, env) {
		const stamp = headers.get("x-jenkins-timestamp") ?? "";
		if (!/^\d{1,12}$/.test(stamp) || Math.abs(Date.now() / 1000 - Number(stamp)) > FRESH_SECONDS) throw new Refused("too old, or from the future");
		await checkHmac(env.JENKINS_SECRET, headers.get("x-jenkins-signature"), body, encoder.encode(`${stamp}.`));
		return `jenkins ${headers.get("x-jenkins-signature")}`;
	},
	read(_headers, body) {
		return { source: "jenkins", event: "build", project: String(body.job), status: String(body.result), branch: body.branch, link: body.url };
	},
};

export const sources: Record<string, Source> = Object.assign(Object.create(null), { github, gitlab, jenkins });

async function checkHmac(secret: string, header: string | null, body: Uint8Array<ArrayBuffer>, before = new Uint8Array(0)) {
	const claimed = /^sha256=([0-9a-f]{64})$/.exec(header ?? "")?.[1];
	if (claimed === undefined) throw new Refused("no signature");
	const key = await crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
	const signed = new Uint8Array(before.length + body.length);
	signed.set(before);
	signed.set(body, before.length);
	const signature = Uint8Array.from(claimed.match(/../g)!, (pair) => parseInt(pair, 16));
	// Compares in a time that does not depend on what is wrong.
	if (!(await crypto.subtle.verify("HMAC", key, signature, signed))) throw new Refused("wrong signature");
}

function hex(bytes: ArrayBuffer): string {
	return Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, "0")).join("");
}
