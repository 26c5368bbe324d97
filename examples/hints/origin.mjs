// A stand-in for a site whose parts name each other, and which takes 150 ms for each of them.
import http from "node:http";

const files = {
	"/": ["text/html", '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/app.js"></script><h1>Shop</h1>'],
	"/shop.css": ["text/css", "h1 { color: teal }"],
	"/app.js": ["text/javascript", 'import "./start.js";'],
	"/start.js": ["text/javascript", 'const css = document.createElement("link"); css.rel = "stylesheet"; css.href = "/shop.css"; document.head.append(css); const data = await (await fetch("/data.json")).json(); document.body.append(data.name);'],
	"/data.json": ["application/json", '{"name":"kettle"}'],
	"/product/7": ["text/html", "<h1>Kettle</h1>"],
};

const server = http.createServer((req, res) => {
	const [type, body] = files[req.url] ?? ["text/plain", ""];
	setTimeout(() => res.writeHead(body ? 200 : 404, { "content-type": type, "cache-control": "max-age=60" }).end(body), 150);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
