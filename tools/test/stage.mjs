// The node that a file of tests runs on: `er test --stage`, its events, and requests to it.
import { spawn } from "node:child_process";
import http from "node:http";

const GRACE = 3000; // a node that does not end by itself

export class Stage {
	constructor(er, root, files, timeout) {
		this.events = [];
		this.listeners = new Set();
		this.err = "";
		this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		this.child = spawn(er, ["test", "--stage", root, files.code, files.map, files.data, String(timeout)], { stdio: ["pipe", "pipe", "pipe"] });
		this.child.stdin.on("error", () => {});
		let rest = "";
		this.child.stdout.setEncoding("utf8").on("data", (text) => {
			const lines = (rest + text).split("\n");
			rest = lines.pop();
			for (const line of lines) this.take(line);
		});
		this.child.stderr.setEncoding("utf8").on("data", (text) => (this.err = (this.err + text).slice(-8192)));
		this.exited = new Promise((resolve) => {
			this.child.on("error", (error) => {
				this.err += error.message;
				resolve(-1);
			});
			this.child.on("close", (code, signal) => resolve(signal ?? code));
		});
		this.gone = false;
		this.exited.then(() => {
			this.gone = true;
			for (const listener of this.listeners) listener(undefined);
		});
	}
	take(line) {
		let event;
		try {
			event = JSON.parse(line);
		} catch {
			return;
		}
		this.events.push(event);
		for (const listener of this.listeners) listener(event);
	}
	/** The first event that is accepted, of those that come and those that came after `from`;
	 * undefined: none came in that time. */
	event(accept, ms, from = 0) {
		const there = this.events.slice(from).find(accept);
		if (there !== undefined || this.gone) return Promise.resolve(there);
		return new Promise((resolve) => {
			const done = (event) => {
				clearTimeout(timer);
				this.listeners.delete(listener);
				resolve(event);
			};
			const timer = setTimeout(done, ms);
			const listener = (event) => {
				if (event === undefined || accept(event)) done(event);
			};
			this.listeners.add(listener);
		});
	}
	/** Its address; throws with what it said if it does not start. */
	async ready() {
		const event = await this.event((e) => e.event === "ready" || e.event === "build" || e.error !== undefined, 60000);
		if (event?.event === "ready") return (this.url = event.url);
		const said = event?.errors?.[0]?.text ?? event?.error?.message ?? this.err.trim();
		throw new Error(`the node for the tests did not start: ${said || "it said nothing"}`);
	}
	/** { status, error, text }; `error` is what er-error says. Throws if there is no
	 * answer in time. */
	request(path, body, ms) {
		return new Promise((resolve, reject) => {
			const text = JSON.stringify(body ?? {});
			const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
			const req = http.request(this.url + path, { method: "POST", headers, agent: this.agent, timeout: ms }, (res) => {
				let answer = "";
				res.setEncoding("utf8").on("data", (d) => (answer += d)).on("error", reject);
				res.on("end", () => resolve({ status: res.statusCode, error: res.headers["er-error"] ?? "", text: answer }));
			});
			req.on("timeout", () => req.destroy(new Error(`no answer within ${ms} ms`))).on("error", reject);
			req.end(text);
		});
	}
	async stop() {
		this.agent.destroy();
		this.child.stdin.end();
		const timer = setTimeout(() => this.child.kill("SIGKILL"), GRACE);
		await this.exited;
		clearTimeout(timer);
	}
	/** For who cannot wait. */
	kill() {
		this.child.kill("SIGKILL");
	}
}
