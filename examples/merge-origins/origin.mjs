// A stand-in for three services.
import http from "node:http";

const answers = {
	"/catalogue/7": { id: 7, name: "kettle", price: 29 },
	"/stock/7": { left: 3 },
	"/reviews/7": [{ stars: 5, text: "boils water" }],
};

const server = http.createServer((req, res) => {
	res.writeHead(answers[req.url] ? 200 : 404, { "content-type": "application/json" });
	res.end(JSON.stringify(answers[req.url] ?? {}));
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
