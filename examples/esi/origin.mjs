// A stand-in for an origin whose page has parts of different lifetimes.
import http from "node:http";

const page = `<h1>Shop</h1>
<esi:include src="/fragment/basket" onerror="continue"/>
<esi:include src="/fragment/broken" alt="/fragment/news"/>
<esi:remove><p>without an edge</p></esi:remove>
<esi:comment text="for the authors"/><p>the end</p>
`;

const server = http.createServer((req, res) => {
	const esi = (req.headers["surrogate-capability"] ?? "").includes("ESI/1.0");
	if (req.url === "/") return res.writeHead(200, { "content-type": "text/html", "cache-control": "max-age=300", ...(esi && { "surrogate-control": 'content="ESI/1.0"' }) }).end(page);
	if (req.url === "/fragment/basket") return res.writeHead(200, { "cache-control": "no-store" }).end("<p>basket: 2 things</p>");
	if (req.url === "/fragment/news") return res.writeHead(200, { "cache-control": "max-age=5" }).end("<p>news of the day</p>");
	res.writeHead(500).end();
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
