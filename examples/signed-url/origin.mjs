// A stand-in for your origin, which knows nothing of signatures.
import http from "node:http";

const server = http.createServer((req, res) => {
	res.writeHead(200, { "content-type": "text/plain", "cache-control": "max-age=60" });
	res.end(`the film ${req.url}\n`);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
