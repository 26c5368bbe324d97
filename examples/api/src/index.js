import { BadRequest, json, readJson, router } from "./http.js";

// Kept in the memory of one instance: gone when it ends, and not shared between nodes. Data that must last belongs into a service.
const notes = new Map();

const MAX_NOTES = 100;

const route = router({
	"GET /notes": () => json([...notes.values()]),

	"POST /notes": async (request) => {
		const { text } = await readJson(request, 8192);
		if (typeof text !== "string" || text.length === 0 || text.length > 1000) throw new BadRequest("text: 1 to 1000 characters expected");
		if (notes.size >= MAX_NOTES) return json({ error: "there is no room for more notes" }, 507);
		const note = { id: crypto.randomUUID(), text };
		notes.set(note.id, note);
		return json(note, 201, { location: `/notes/${note.id}` });
	},

	"GET /notes/:id": (request, { id }) => (notes.has(id) ? json(notes.get(id)) : json({ error: "no such note" }, 404)),

	"DELETE /notes/:id": (request, { id }) => (notes.delete(id) ? new Response(null, { status: 204 }) : json({ error: "no such note" }, 404)),
});

export default {
	async fetch(request) {
		try {
			return await route(request);
		} catch (error) {
			if (error instanceof BadRequest) return json({ error: error.message }, 400);
			throw error; // a mistake of ours: the node logs it with its stack and answers 599
		}
	},
};
