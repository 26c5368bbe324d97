// A stand-in for your origin, which thinks for a while.
import http from "node:http";

const server = http.createServer((req, res) => {
	setTimeout(() => {
		res.writeHead(200, { "content-type": "text/plain", "cache-control": "max-age=60" });
		res.end("well thought\n");
	}, 30);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
