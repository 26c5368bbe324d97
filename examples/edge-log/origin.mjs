// A stand-in for your origin, and for a collector of logs (/collect) that prints what it gets.
import http from "node:http";

let collected = "";
const server = http.createServer(async (req, res) => {
	if (req.url === "/collected") return res.end(collected);
	if (req.url === "/collect") for await (const chunk of req) collected += chunk;
	res.end(req.url === "/collect" ? "" : "a page\n");
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
