// A stand-in for an origin with articles in Markdown.
import http from "node:http";

const server = http.createServer((req, res) => {
	res.writeHead(200, { "content-type": "text/markdown; charset=utf-8", "cache-control": "max-age=60" });
	res.end("# Kettles\n\nHow to boil *water*.\n\n## Filling\n\nUp to the line.\n\n## Boiling\n\n<script>alert(1)</script>\n");
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
