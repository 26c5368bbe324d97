/* The distance between two words is Damerau's: letters to change, add or drop, where two neighbours
 * in the wrong order count once. Three rows of the table are enough, on the stack, because words
 * are at most MAX_WORD bytes. The words that are compared come from tables and from what a person
 * typed, so they are few and short. No memory is kept. */
#include "base/nearest.h"

#include "base/mem.h"

enum { MAX_WORD = 64 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Levenshtein's, where two neighbours in the wrong order count once. */
static unsigned distance(er_slice a, er_slice b)
{
	ER_ASSERT(a.n <= MAX_WORD && b.n <= MAX_WORD);
	unsigned rows[3][MAX_WORD + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];
	for (unsigned k = 0; k <= b.n; k++)
		above[k] = k;
	for (unsigned i = 1; i <= a.n; i++) {
		row[0] = i;
		for (unsigned k = 1; k <= b.n; k++) {
			unsigned differs = er_lower(a.p[i - 1]) != er_lower(b.p[k - 1]);
			row[k] = least(least(above[k] + 1, row[k - 1] + 1), above[k - 1] + differs);
			if (i > 1 && k > 1 && er_lower(a.p[i - 1]) == er_lower(b.p[k - 2]) && er_lower(a.p[i - 2]) == er_lower(b.p[k - 1]))
				row[k] = least(row[k], before[k - 2] + 1);
		}
		unsigned *spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b.n];
}

er_slice er_nearest(er_slice word, const er_slice *known, size_t n)
{
	er_slice best = {0};
	unsigned best_distance = MAX_WORD;
	if (word.n == 0 || word.n > MAX_WORD)
		return best;
	for (size_t i = 0; i < n; i++) {
		if (known[i].n > MAX_WORD)
			continue;
		size_t longer = word.n > known[i].n ? word.n : known[i].n;
		unsigned d = distance(word, known[i]);
		if (d < best_distance && d <= (longer + 2) / 3) {
			best = known[i];
			best_distance = d;
		}
	}
	return best;
}
