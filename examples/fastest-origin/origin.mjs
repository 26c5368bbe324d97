// A stand-in for two origins with the same content, one of them slow.
import http from "node:http";

const server = http.createServer((req, res) => {
	const answer = () => res.end("the content\n");
	if (!req.url.startsWith("/slow")) return answer();
	const timer = setTimeout(answer, 3000);
	res.on("close", () => clearTimeout(timer));
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
