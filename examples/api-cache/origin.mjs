// A stand-in for an API that counts what it is asked, since every question costs something.
import http from "node:http";

let asked = 0;
const server = http.createServer((req, res) => {
	const key = req.headers["x-api-key"] === "change-me";
	res.writeHead(key ? 200 : 401, { "content-type": "application/json" });
	res.end(key ? `{"degrees":21,"question":${++asked}}\n` : "{}\n");
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
