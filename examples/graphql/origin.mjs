// A stand-in for two services with plain JSON.
import http from "node:http";

const products = [{ id: 7, name: "Kettle", price: 29 }, { id: 8, name: "Teapot", price: 35 }];
const reviews = { 7: [{ stars: 5, text: "boils water", author: "Ann" }] };

const server = http.createServer((req, res) => {
	const url = new URL(req.url, "http://origin");
	const one = /^\/products\/(\d+)$/.exec(url.pathname);
	let answer;
	if (one) answer = products.find((p) => String(p.id) === one[1]);
	else if (url.pathname === "/products") answer = products.filter((p) => p.name.includes(url.searchParams.get("search")));
	else if (url.pathname === "/reviews") answer = reviews[url.searchParams.get("product")] ?? [];
	res.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
	res.end(JSON.stringify(answer ?? null));
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
