// A stand-in for all of the origins; the first API is down.
import http from "node:http";

const server = http.createServer((req, res) => {
	const name = req.url.split("/")[1];
	if (name === "api-one") return res.writeHead(503).end("down\n");
	res.end(`${["beta", "api-two", "uploads"].includes(name) ? name : "the site"} answers ${req.url}\n`);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
