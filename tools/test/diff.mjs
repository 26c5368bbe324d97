// The difference of two texts, line by line: what was expected (-), and what there is (+).

const CONTEXT = 3, MOST = 2000, SHOWN = 120;

function common(a, b) {
	const n = a.length, m = b.length, rows = new Uint32Array((n + 1) * (m + 1));
	for (let i = n - 1; i >= 0; i--)
		for (let j = m - 1; j >= 0; j--)
			rows[i * (m + 1) + j] = a[i] === b[j] ? rows[(i + 1) * (m + 1) + j + 1] + 1 : Math.max(rows[(i + 1) * (m + 1) + j], rows[i * (m + 1) + j + 1]);
	return (i, j) => rows[i * (m + 1) + j];
}

function edits(a, b) {
	const out = [];
	let begin = 0, ends = 0;
	while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin++;
	while (ends < a.length - begin && ends < b.length - begin && a[a.length - 1 - ends] === b[b.length - 1 - ends]) ends++;
	for (const line of a.slice(0, begin)) out.push([" ", line]);
	const left = a.slice(begin, a.length - ends), right = b.slice(begin, b.length - ends);
	if (left.length * right.length > MOST * MOST) {
		out.push(...left.map((line) => ["-", line]), ...right.map((line) => ["+", line]));
	} else {
		const length = common(left, right);
		let i = 0, j = 0;
		while (i < left.length || j < right.length)
			if (i < left.length && j < right.length && left[i] === right[j]) out.push([" ", left[i++], j++]);
			else if (i < left.length && (j === right.length || length(i + 1, j) >= length(i, j + 1))) out.push(["-", left[i++]]);
			else out.push(["+", right[j++]]);
	}
	for (const line of a.slice(a.length - ends)) out.push([" ", line]);
	return out;
}

/** Lines that begin with "- ", "+ " or two blanks; equal lines far from a difference
 * are left out. */
export function diff(expected, actual) {
	const list = edits(expected.split("\n"), actual.split("\n"));
	const near = list.map((_, i) => list.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(([kind]) => kind !== " "));
	const out = [];
	list.forEach(([kind, line], i) => {
		if (near[i]) out.push(`${kind} ${line.slice(0, 400)}`);
		else if (near[i - 1] || (i === 0 && list.length > 0)) out.push("  ...");
	});
	return out.length > SHOWN ? [...out.slice(0, SHOWN), `  ... ${out.length - SHOWN} lines more`] : out;
}
