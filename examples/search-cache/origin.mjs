// A stand-in for a search service that counts what it is asked.
import http from "node:http";

let asked = 0;
const server = http.createServer((req, res) => {
	res.writeHead(200, { "content-type": "application/json" });
	res.end(`{"found":["kettle"],"question":${++asked}}\n`);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
