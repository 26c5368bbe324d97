// A stand-in for two services, the second of which takes its time.
import http from "node:http";

const server = http.createServer((req, res) => {
	res.setHeader("content-type", "application/json");
	if (req.url === "/product/7") return res.end(JSON.stringify({ name: "Kettle", price: 29, about: "Boils water." }));
	if (req.url === "/reviews/7") return setTimeout(() => res.end(JSON.stringify([{ by: "Ann", stars: 5, text: "Hot & fast" }])), 300);
	res.writeHead(404).end("{}");
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
