/* Lines that take turns. A line is in the list of lines exactly while somebody stands in it, so
 * taking costs nothing for owners that want nothing. er_turns_take asks the lines in order whether
 * theirs may go; the line that it took from goes to the end of the list, a line that may not stays
 * where it is and keeps its turn. `waiting` is the sum of all lines.
 *
 * Memory belongs to those who wait: links are part of their objects, and er_turns_leave must come
 * before such an object goes. One thread. Used for places among connections and for look-ups of
 * names (origin). */
#include "base/turns.h"

#include "base/mem.h"

void er_turns_init(er_turns *t)
{
	er_list_init(&t->lines);
	t->waiting = 0;
}

void er_turns_line_init(er_turns_line *line)
{
	er_list_init(&line->link);
	er_list_init(&line->items);
	line->n = 0;
}

void er_turns_join(er_turns *t, er_turns_line *line, er_list *item)
{
	ER_ASSERT(er_list_empty(&line->link) == (line->n == 0) && er_list_empty(&line->items) == (line->n == 0));
	er_list_push(&line->items, item);
	if (line->n++ == 0)
		er_list_push(&t->lines, &line->link);
	t->waiting++;
}

void er_turns_leave(er_turns *t, er_turns_line *line, er_list *item)
{
	ER_ASSERT(line->n > 0 && t->waiting >= line->n);
	ER_ASSERT(!er_list_empty(item) && !er_list_empty(&line->link));
	er_list_remove(item);
	if (--line->n == 0)
		er_list_remove(&line->link);
	t->waiting--;
}

er_list *er_turns_take(er_turns *t, bool (*may)(void *ctx, er_turns_line *line), void *ctx)
{
	ER_LIST_EACH(l, &t->lines)
	{
		er_turns_line *line = ER_CONTAINER(l, er_turns_line, link);
		if (!may(ctx, line))
			continue;
		ER_ASSERT(line->n > 0);
		er_list *item = er_turns_first(line);
		er_turns_leave(t, line, item);
		if (line->n > 0) {
			er_list_remove(&line->link);
			er_list_push(&t->lines, &line->link);
		}
		return item;
	}
	return NULL;
}

unsigned er_turns_share(unsigned room, unsigned used, unsigned least, unsigned most)
{
	ER_ASSERT(least <= most);
	unsigned half = used < room ? (room - used) / 2 : 0;
	return half < least ? least : half > most ? most : half;
}
