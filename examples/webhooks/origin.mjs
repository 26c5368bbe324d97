// A stand-in for the service that is told of events.
import http from "node:http";

let told = "";
const server = http.createServer(async (req, res) => {
	if (req.url === "/told") return res.end(told);
	for await (const chunk of req) told += chunk;
	told += "\n";
	res.end();
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
