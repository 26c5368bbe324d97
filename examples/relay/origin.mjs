// A stand-in for your service.
import http from "node:http";

const server = http.createServer((req, res) => {
	res.writeHead(200, { "content-type": "text/plain", server: "secret/1.0" });
	res.end(`asked by ${req.headers["x-forwarded-for"]}\n`);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
