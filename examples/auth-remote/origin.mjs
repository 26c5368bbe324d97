// A stand-in for your authentication service (/auth) and for your origin (everything else).
import http from "node:http";

const users = { "token-of-ann": "ann" };

const server = http.createServer(async (req, res) => {
	if (req.url !== "/auth") return res.end(`a film for ${req.headers["x-user"]}\n`);
	let body = "";
	for await (const chunk of req) body += chunk;
	const user = users[JSON.parse(body).token];
	res.writeHead(user ? 200 : 403, { "content-type": "application/json" });
	res.end(JSON.stringify(user ? { user, seconds: 60 } : {}));
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
