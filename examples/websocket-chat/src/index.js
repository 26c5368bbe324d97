// A chat: every message of one client goes to all clients of its room, which the path names. A room
// is that of one thread of one node: see "WebSockets" in docs/routines.md.
const rooms = new Map();

const enter = (name, socket) => {
	const room = rooms.get(name) ?? new Set();
	rooms.set(name, room.add(socket));
	return room;
};
const leave = (name, socket) => {
	const room = rooms.get(name);
	room?.delete(socket);
	if (room?.size === 0) rooms.delete(name);
};

const LONGEST = 1000;

export default {
	fetch(request) {
		if (request.headers.get("upgrade") !== "websocket")
			return new Response("this is a chat: come with a WebSocket\n", { status: 426 });
		const { pathname } = new URL(request.url);
		const [client, server] = Object.values(new WebSocketPair());
		server.accept();
		const room = enter(pathname, server);
		server.addEventListener("message", ({ data }) => {
			if (typeof data !== "string" || data.length > LONGEST) server.close(1008, "text of 1000 characters at most");
			else for (const other of room) other.send(data);
		});
		server.addEventListener("close", () => leave(pathname, server));
		return new Response(null, { status: 101, webSocket: client });
	},
};
