/* Inside the data room: what the files of the KV's handler share (kv.c has the picture). */
#ifndef ER_DATA_KV_INSIDE_H
#define ER_DATA_KV_INSIDE_H

#include "data/kv_work.h"
#include "http/exchange.h"

enum { ER_KV_PLACE_MAGIC = 0x4b56504c };

struct er_kv_place {
	uint32_t magic;
	er_kv_work *work;
	er_kv_counts *counts; /* NULL: nothing is counted */
	er_port *port;
	er_list readings; /* kv_get.c: answers under way */
	er_list lists;    /* kv_list.c: the same */
	er_list shares;   /* of them, of a routine each */
	uint64_t unread;  /* bytes of lists that are not in their bodies yet */
	unsigned jobs;    /* on the threads */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* What is asked for, taken apart; lives as long as the exchange. */
typedef struct er_kv_ask {
	er_slice name; /* of the namespace */
	int64_t ns;
	er_slice key;
} er_kv_ask;

/* kv_answer.c */
/* With the sentence, which the routine gets. */
void er_kv_refuse(er_exchange *x, const er_err *err);
/* A value, or 404. */
void er_kv_answer(er_exchange *x, const er_hot_value *v);
/* The same head, with the body that x->res has already. */
void er_kv_answer_head(er_exchange *x, const er_hot_value *v);
bool er_kv_alive(const er_hot_value *v);
/* A field that is a number. False: *err. Not there: *out is 0. */
ER_MUST_CHECK bool er_kv_number(const er_exchange *x, er_slice name, uint64_t *out, er_err *err);
/* A job of this place, which is counted until er_kv_back. */
er_kv_job *er_kv_job_of(er_kv_place *p, er_kv_job_kind kind, const er_kv_ask *ask, void (*done)(er_kv_job *j), void *owner);
void er_kv_send(er_kv_place *p, er_kv_job *j);
/* Of a question that is one job: j->owner is a reference of x until the job is back, or NULL when x
 * was cancelled meanwhile. */
void er_kv_ask_once(er_kv_place *p, er_exchange *x, er_kv_job *j);
/* The first thing that `done` does. */
void er_kv_back(er_kv_place *p);
/* It closes, and nothing is left. */
void er_kv_settle(er_kv_place *p);

/* Handlers of a method each; x has no on_cancel yet. */
void er_kv_get_one(er_kv_place *p, er_exchange *x, const er_kv_ask *ask);
void er_kv_get_many(er_kv_place *p, er_exchange *x, const er_kv_ask *ask);
void er_kv_put_one(er_kv_place *p, er_exchange *x, const er_kv_ask *ask);
void er_kv_delete_one(er_kv_place *p, er_exchange *x, const er_kv_ask *ask);
void er_kv_list_some(er_kv_place *p, er_exchange *x, const er_kv_ask *ask);
/* Answers under way end: their clients are gone. */
void er_kv_end_readings(er_kv_place *p);
void er_kv_end_lists(er_kv_place *p);

#endif
