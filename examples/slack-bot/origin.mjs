// A stand-in for Slack, and for the service that the bot asks.
import http from "node:http";

let told = "";
const server = http.createServer(async (req, res) => {
	if (req.url === "/told") return res.end(told);
	if (req.method === "POST") {
		for await (const chunk of req) told += chunk;
		told += "\n";
	}
	res.end("ok");
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
