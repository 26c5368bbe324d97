/* Data on the node that a routine asks for: what is asked, who asks, and the handler that answers.
 *
 * A question for data is an exchange as any other. It enters its chain at ER_AT_DATA, where one
 * handler (er_data_handler) hands it to the handler of its kind. What method, target, fields and
 * body mean is that kind's business; scheme is the kind's word, authority is empty, and target is
 * what the routine said, byte by byte: nobody has looked at it. An answer that fails
 * (er_exchange_fail) becomes an exception in the routine, with the sentence as its message.
 *
 * A new kind takes a row here, one in ER_FETCH_TABLE (channel/contract.h), and a handler that the
 * gateway gives to er_data_serve. */
#ifndef ER_HTTP_DATA_H
#define ER_HTTP_DATA_H

#include "base/slice.h"
#include "http/chain.h"

/* name, word, what a person calls it. From 1 on in this order: the numbers go over the channel. */
#define ER_DATA_KINDS(X) \
	X(KV, "kv", "key-value store") \
	X(CACHE, "cache", "cache of its own for routines") \
	X(ASSETS, "assets", "files of the version")

typedef enum er_data_kind {
	ER_DATA_NONE, /* of an exchange that asks for no data */
#define X(name, word, meaning) ER_DATA_##name,
	ER_DATA_KINDS(X)
#undef X
	    ER_DATA_KINDS_N
} er_data_kind;

/* A member of a version's env that stands for data: its name there, and what it stands for. */
typedef struct er_data_binding {
	er_slice name, target;
} er_data_binding;

/* Who asks for data of which kind. What it points to is good until the exchange is answered or
 * cancelled; a handler that needs it longer copies it. */
typedef struct er_data_ask {
	er_data_kind kind;
	uint8_t environment; /* of the routine, as its owner counts them */
	er_slice routine;    /* its name */
	uint64_t born;       /* with the name: which routine (er_cache_wishes) */
	er_slice version;
	const er_data_binding *namespaces; /* of the key-value store, that the version opens */
	size_t n_namespaces;
	/* the handler's: what it counts the question in (data/kv_stats.h), and as what;
	 * NULL: nothing */
	struct er_kv_stats *counts;
	uint8_t method;
} er_data_ask;

/* The handlers of a chain's data, by kind. All zero: no kind has one. The owner of the chain owns
 * it. */
typedef struct er_data_place {
	er_handler kinds[ER_DATA_KINDS_N];
} er_data_place;

/* "kv". */
er_slice er_data_word(er_data_kind kind);
/* Once for each kind, before exchanges come. */
void er_data_serve(er_data_place *p, er_data_kind kind, er_handler handler);
/* For ER_AT_DATA of a chain. Answers by itself (501) what no kind's handler is there for. */
er_handler er_data_handler(er_data_place *p);

#endif
