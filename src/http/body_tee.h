/* One body for several readers: each branch of a tee gives all bytes of the source, which lie in
 * memory once.
 *
 * A tee reads its source while some branch has little left, so a fast reader runs ahead of a slow
 * one. What the slow one has not read yet is kept, and its policy says what happens when that is
 * too much. A branch counts as slow by the bytes that wait in it, with ER_BODY_PIECE_COST for
 * each piece.
 *
 * Branches are ordinary bodies: read, relayed, cancelled, let go like any other. A branch that was
 * cancelled, or whose last reference is gone, does not hold up the others; when all of them are,
 * the source is cancelled. The source's end or error reaches every branch, behind the bytes before
 * it. A branch has the source's length, and is as untouched as the source was.
 *
 * The tee frees itself with its last branch. One thread: the source's. Whatever a reader calls in
 * the middle of a callback, of any of the branches, is allowed. */
#ifndef ER_HTTP_BODY_TEE_H
#define ER_HTTP_BODY_TEE_H

#include "http/body.h"

typedef enum er_tee_policy {
	ER_TEE_WAIT, /* at its limit the others wait for it */
	ER_TEE_DROP, /* at its limit it fails with ER_ERR_BEHIND, and the others go on */
	/* like WAIT while another branch is one of WAIT, that is, whoever may be ahead can wait; else
	 * it has no limit but the budget's */
	ER_TEE_EITHER,
	ER_TEE_POLICY_COUNT_,
} er_tee_policy;

enum { ER_TEE_BRANCH_COST = 8 * 1024 }; /* what a branch counts in a budget by being there */

/* What many tees may hold together: bytes that lie in memory once are counted once. When it is
 * overdrawn, those that would wait wait earlier, and of the others the slowest is dropped first.
 * Counted; tees keep it as long as they need it. */
typedef struct er_tee_budget er_tee_budget;
er_tee_budget *er_tee_budget_new(size_t most);
er_tee_budget *er_tee_budget_ref(er_tee_budget *budget);
void er_tee_budget_unref(er_tee_budget *budget);
/* From now on it may be so much. */
void er_tee_budget_most(er_tee_budget *budget, size_t most);
/* There is no room for one more branch. */
bool er_tee_budget_full(const er_tee_budget *budget);
size_t er_tee_budget_held(const er_tee_budget *budget);

/* Two branches in place of `source`, whose reference is taken, and whose sink must not be attached.
 * Each of out[] is one reference. A source that is a branch itself stays what it is, as out[0], and
 * its tee gets one branch more, which begins where that one is. */
void er_body_tee(er_body *source, size_t limit, er_tee_policy policy, er_body *out[2]);
/* The same, within a budget (NULL: none). The budget of a tee is that of its first call. */
void er_body_tee_within(er_tee_budget *budget, er_body *source, size_t limit, er_tee_policy policy, er_body *out[2]);

/* Is it a branch of a tee? */
bool er_body_is_branch(const er_body *b);
/* Another limit and policy for a branch from now on. Nothing happens to a body that is none. */
void er_body_tee_policy(er_body *b, size_t limit, er_tee_policy policy);

#endif
