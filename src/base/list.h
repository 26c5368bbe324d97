/* Intrusive doubly linked list: the link is a member of the element, so that joining and leaving
 * never allocate. A head is an er_list whose neighbours are itself when empty. */
#ifndef ER_BASE_LIST_H
#define ER_BASE_LIST_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct er_list {
	struct er_list *prev;
	struct er_list *next;
} er_list;

/* The struct that contains this link. */
#define ER_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void er_list_init(er_list *l)
{
	l->prev = l->next = l;
}
static inline bool er_list_empty(const er_list *l)
{
	return l->next == l;
}
/* Adds at the end. */
static inline void er_list_push(er_list *head, er_list *item)
{
	ER_ASSERT(head->prev->next == head);
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}
/* Leaves whatever list it is in; harmless on one that is in none (after init). */
static inline void er_list_remove(er_list *item)
{
	ER_ASSERT(item->prev->next == item && item->next->prev == item);
	item->prev->next = item->next;
	item->next->prev = item->prev;
	er_list_init(item);
}
/* The first link, taken off; NULL when empty. */
static inline er_list *er_list_pop(er_list *head)
{
	er_list *item = head->next;
	if (item == head)
		return NULL;
	er_list_remove(item);
	return item;
}
/* Everything in `from` goes to the end of `to`, in its order. */
static inline void er_list_take(er_list *to, er_list *from)
{
	for (er_list *item; (item = er_list_pop(from)) != NULL;)
		er_list_push(to, item);
}
/* Safe against removal of `it` in the body. */
#define ER_LIST_EACH(it, head) \
	for (er_list *it = (head)->next, *it##_next_ = it->next; it != (head); it = it##_next_, it##_next_ = it->next)

#endif
