/* The one rule for re-entrancy: callbacks take notes, and one function of each object acts on them.
 *
 * An object whose work calls others (a body, an asker, a library) can be called back in the middle
 * of that work. Then the callback only changes what the object remembers, and calls the object's
 * acting function. That function has this shape:
 *
 *    if (!er_act_begin(&o->act))
 *        return;                        the same function is on the stack already: it sees the note in its next round
 *    do {
 *        ... one round over everything that is noted ...
 *    } while (er_act_again(&o->act));
 *    er_act_end(&o->act);
 *
 * A round may end the object. Its owner keeps the memory until the function has returned, and the
 * loop stops there. A function whose rounds look at everything anyway until nothing is left may do
 * without er_act_again. */
#ifndef ER_BASE_ACT_H
#define ER_BASE_ACT_H

#include "base/mem.h"

typedef struct er_act {
	bool acting; /* the function is on the stack */
	bool noted;  /* something was noted since its round began */
} er_act;

/* True: the caller acts, and must come to er_act_end. False: a caller further up the stack acts,
 * and has one round more. */
static inline bool er_act_begin(er_act *a)
{
	if (a->acting) {
		a->noted = true;
		return false;
	}
	*a = (er_act){.acting = true};
	return true;
}

/* Nobody acts until er_act_end, which is the caller's if this is true. False: somebody acts
 * already, and has no round more for it. */
static inline bool er_act_guard(er_act *a)
{
	if (a->acting)
		return false;
	*a = (er_act){.acting = true};
	return true;
}

/* In a round: one more is needed. */
static inline void er_act_note(er_act *a)
{
	a->noted = true;
}

/* One more round? */
static inline bool er_act_again(er_act *a)
{
	ER_ASSERT(a->acting);
	bool noted = a->noted;
	a->noted = false;
	return noted;
}

/* Over, whatever was noted since. */
static inline void er_act_end(er_act *a)
{
	ER_ASSERT(a->acting);
	*a = (er_act){0};
}

#endif
