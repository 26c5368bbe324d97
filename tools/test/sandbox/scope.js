// What is to be undone at the end of what runs now: a test, or the hooks of a describe.

let current = null; // a list of functions; null: the file's top level, which nothing undoes

export function beforeTestEnds(undo) {
	current?.push(undo);
}
/** Runs with this list, and gives back the one before. */
export function enterScope(list) {
	const before = current;
	current = list;
	return before;
}
export function undo(list) {
	while (list.length > 0) list.pop()();
}
