// A stand-in for an origin of video, whose parts take their time.
import http from "node:http";

const server = http.createServer((req, res) => {
	if (req.url === "/film.m3u8") {
		res.writeHead(200, { "content-type": "application/vnd.apple.mpegurl", "cache-control": "max-age=2" });
		return res.end(`#EXTM3U\n${[1, 2, 3, 4, 5, 6].map((n) => `#EXTINF:6,\npart-${n}.ts\n`).join("")}#EXT-X-ENDLIST\n`);
	}
	setTimeout(() => res.writeHead(200, { "content-type": "video/mp2t", "cache-control": "max-age=3600" }).end("x".repeat(100_000)), 200);
});
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
