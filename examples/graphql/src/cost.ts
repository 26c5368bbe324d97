import { GraphQLError, type FieldNode, type SelectionSetNode, type ValidationContext } from "graphql";

/** What a query may ask for: every field counts once for each object that it may be asked of. Fragments count where they are used. */
export function costRule(maxCost: number, maxDepth: number) {
	return (context: ValidationContext) => ({
		Document() {
			let left = maxCost;
			const spend = (n: number) => {
				left -= n;
				if (left < 0) throw new TooMuch(`the query asks for more than ${maxCost} values`);
			};
			const walk = (set: SelectionSetNode | undefined, times: number, depth: number, inside: readonly string[]) => {
				if (set === undefined) return;
				if (depth > maxDepth) throw new TooMuch(`the query is nested deeper than ${maxDepth}`);
				for (const selection of set.selections) {
					if (selection.kind === "FragmentSpread") {
						const name = selection.name.value;
						spend(1);
						// A fragment in itself is another rule's business.
						if (!inside.includes(name)) walk(context.getFragment(name)?.selectionSet, times, depth, [...inside, name]);
					} else if (selection.kind === "InlineFragment") walk(selection.selectionSet, times, depth, inside);
					else {
						spend(times);
						walk(selection.selectionSet, times * many(selection), depth + 1, inside);
					}
				}
			};
			try {
				for (const d of context.getDocument().definitions) if (d.kind === "OperationDefinition") walk(d.selectionSet, 1, 1, []);
			} catch (error) {
				if (!(error instanceof TooMuch)) throw error;
				context.reportError(new GraphQLError(error.message));
			}
		},
	});
}

class TooMuch extends Error {}

/** How many objects a list may have: what `first` says; a variable may say the most. */
function many(field: FieldNode): number {
	if (field.name.value !== "products" && field.name.value !== "reviews") return 1;
	const first = field.arguments?.find((a) => a.name.value === "first");
	if (first === undefined) return field.name.value === "products" ? 10 : 5;
	return first.value.kind === "IntValue" ? Math.min(50, Math.max(1, Number(first.value.value))) : 50;
}
