/* The one handler of all data: a look into a small table, and on. */
#include "http/data.h"

#include "base/mem.h"
#include "http/exchange.h"

static const struct {
	er_slice word;
	const char *meaning;
} names[ER_DATA_KINDS_N] = {[ER_DATA_NONE] = {.word = ER_LIT("none"), .meaning = "nothing"},
#define X(name, text, says) [ER_DATA_##name] = {.word = ER_LIT(text), .meaning = says},
                            ER_DATA_KINDS(X)
#undef X
};

er_slice er_data_word(er_data_kind kind)
{
	ER_ASSERT(kind < ER_DATA_KINDS_N);
	return names[kind].word;
}

void er_data_serve(er_data_place *p, er_data_kind kind, er_handler handler)
{
	ER_ASSERT(kind > ER_DATA_NONE && kind < ER_DATA_KINDS_N && handler.handle != NULL && p->kinds[kind].handle == NULL);
	p->kinds[kind] = handler;
}

static void handle(void *self, er_exchange *x)
{
	er_data_place *p = self;
	er_data_kind kind = x->data.kind;
	ER_ASSERT(kind > ER_DATA_NONE && kind < ER_DATA_KINDS_N);
	if (p->kinds[kind].handle != NULL) {
		er_exchange_pass(x, &p->kinds[kind]);
		return;
	}
	er_exchange_fail(x, 501, ER_ERR_UNAVAILABLE, names[kind].meaning, "this node has no %s", names[kind].meaning);
	er_exchange_answer(x);
}

er_handler er_data_handler(er_data_place *p)
{
	return (er_handler){.name = "data", .handle = handle, .self = p};
}
