/* Fair turns: whoever waits stands in the line of its owner, in order, and the lines take turns. So
 * an owner with a thousand that wait costs another owner one turn, and not a thousand. Joining and
 * leaving never allocate. */
#ifndef ER_BASE_TURNS_H
#define ER_BASE_TURNS_H

#include "base/list.h"

typedef struct er_turns {
	er_list lines; /* those with somebody in them; whose turn comes next is first */
	unsigned waiting;
} er_turns;

typedef struct er_turns_line {
	er_list link;  /* in er_turns.lines, while somebody waits */
	er_list items; /* in order */
	unsigned n;
} er_turns_line;

void er_turns_init(er_turns *t);
void er_turns_line_init(er_turns_line *line);
/* At the end of the line. */
void er_turns_join(er_turns *t, er_turns_line *line, er_list *item);
/* From anywhere in the line that it stands in. */
void er_turns_leave(er_turns *t, er_turns_line *line, er_list *item);
/* Takes the first of the next line that `may` agrees to; NULL: none. That line's next turn comes
 * after all others'. */
er_list *er_turns_take(er_turns *t, bool (*may)(void *ctx, er_turns_line *line), void *ctx);
/* What `may` is asked about: the first of a line. */
static inline er_list *er_turns_first(er_turns_line *line)
{
	return line->items.next;
}

/* How much of `room` one owner may have while `used` of it is: half of what is free, but `least` in
 * any case and `most` at most. So whoever comes first never has all of it, and k owners who want
 * everything have 1/(k + 2) each. */
unsigned er_turns_share(unsigned room, unsigned used, unsigned least, unsigned most);

#endif
