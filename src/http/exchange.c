#include "http/exchange.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAGIC = 0x45584348, SPARES = 128 };

/* Used ones with their first arena block, for the next subrequest of this thread. Not under a sanitizer, which would not see them used too late. */
static _Thread_local er_exchange *spares;
static _Thread_local unsigned spares_n;

static er_exchange *take_spare(void)
{
	er_exchange *x = spares;
	if (x == NULL)
		return NULL;
	spares = x->spare;
	spares_n--;
	er_arena arena = x->arena;
	*x = (er_exchange){.arena = arena};
	return x;
}

static bool give_spare(er_exchange *x)
{
	if (ER_SANITIZED || spares_n >= SPARES)
		return false;
	er_arena_reset(&x->arena);
	x->spare = spares;
	spares = x;
	spares_n++;
	return true;
}

void er_exchange_trim(void)
{
	for (er_exchange *x; (x = take_spare()) != NULL; er_free(x))
		er_arena_fini(&x->arena);
}

er_exchange *er_exchange_new(void)
{
	er_exchange *x = take_spare();
	if (x == NULL)
		x = ER_NEW(er_exchange);
	x->magic = MAGIC;
	x->refs = 1;
	return x;
}

er_exchange *er_exchange_ref(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	x->refs++;
	return x;
}

static void drop_bodies(er_exchange *x)
{
	er_body_unref(x->req.body);
	er_body_unref(x->res.body);
	x->req.body = x->res.body = NULL;
}

void er_exchange_unref(er_exchange *x)
{
	if (x == NULL)
		return;
	ER_CHECK(x, MAGIC);
	if (--x->refs > 0)
		return;
	drop_bodies(x);
	x->magic = 0;
	if (give_spare(x))
		return;
	er_arena_fini(&x->arena);
	er_free(x);
}

bool er_exchange_reset(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	if (x->refs != 1)
		return false;
	drop_bodies(x);
	er_arena_reset(&x->arena);
	er_arena arena = x->arena;
	*x = (er_exchange){.magic = MAGIC, .refs = 1, .arena = arena};
	return true;
}

void er_exchange_start(er_exchange *x, const er_handler *h)
{
	ER_CHECK(x, MAGIC);
	h->handle(h->self, x);
}

void er_exchange_answer(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	if (x->cancelled) {
		/* Nobody will read it: its source must learn that. */
		if (x->res.body != NULL)
			er_body_cancel(x->res.body, ER_ERR_CANCELLED);
		return;
	}
	ER_ASSERT(!x->answered);
	x->answered = true;
	x->on_cancel = NULL;
	x->on_answer(x->asker, x);
}

void er_exchange_cancel(er_exchange *x, er_err_kind reason)
{
	ER_CHECK(x, MAGIC);
	if (x->cancelled)
		return;
	x->cancelled = true;
	er_exchange_ref(x);
	if (x->req.body != NULL)
		er_body_cancel(x->req.body, reason);
	if (x->answered) {
		if (x->res.body != NULL)
			er_body_cancel(x->res.body, reason);
	} else if (x->on_cancel != NULL) {
		void (*on_cancel)(void *, er_exchange *, er_err_kind) = x->on_cancel;
		x->on_cancel = NULL;
		on_cancel(x->handler_ctx, x, reason);
	}
	er_exchange_unref(x);
}

void er_exchange_fail(er_exchange *x, int status, er_err_kind kind, const char *detail, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text - 1, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof text - 1 ? (size_t)n : sizeof text - 2;
	text[len++] = '\n';

	er_body_unref(x->res.body);
	x->res = (er_response){.status = status, .error = kind};
	x->res.error_text = er_arena_copy(&x->arena, er_slice_of(text, len - 1));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("content-type"), ER_LIT("text/plain;charset=UTF-8"));
	er_slice header = detail ? er_arena_printf(&x->arena, "%s; %s", er_err_name(kind), detail) : er_slice_cstr(er_err_name(kind));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("er-error"), header);
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("cache-control"), ER_LIT("no-store"));
	x->res.body = er_body_of(er_piece_copy(er_slice_of(text, len)));
}
