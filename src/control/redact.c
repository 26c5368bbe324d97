/* Hiding secrets in what a routine says. The values of an environment's secrets are kept in one
 * buffer, longest first, for as long as the world keeps them (er_world_env.secrets), and are wiped
 * when they go. Every text that leaves by a tail or the logs is searched for each of them: that is
 * many passes over a short text, and nothing is spent for a routine without secrets. */
#include "control/redact.h"

#include "base/buf.h"
#include "base/jsonc.h"

#include <stdlib.h>

enum { VALUES_MAX = 40000 };

struct er_secrets {
	er_slice *v; /* longest first: one secret may be part of another */
	size_t n;
	er_buf text;
};

static int by_length(const void *a, const void *b)
{
	const er_slice *left = a, *right = b;
	return (left->n < right->n) - (left->n > right->n);
}

void er_secrets_wipe(const er_json *env)
{
	for (const er_json *m = env->first; m != NULL; m = m->next)
		if (m->type == ER_JSON_STRING && m->text.n > 0)
			explicit_bzero((void *)(uintptr_t)m->text.p, m->text.n);
}

/* Two passes: the buffer is as large as it has to be before the first value is in it. */
static void take_values(er_secrets *s, const er_json *env, const er_setting_row *rows, size_t n)
{
	ER_ASSERT(s->n == 0 && s->v == NULL);
	size_t total = 0;
	for (size_t i = 0; i < n; i++) {
		const er_json *m = rows[i].secret ? er_json_get(env, rows[i].name) : NULL;
		if (m != NULL && m->type == ER_JSON_STRING && m->text.n >= ER_REDACT_LEAST)
			total += m->text.n;
	}
	/* Once, so that nothing moves and no copy stays behind. */
	er_buf_reserve(&s->text, total + 1);
	s->v = er_alloc((n + 1) * sizeof *s->v);
	for (size_t i = 0; i < n; i++) {
		const er_json *m = rows[i].secret ? er_json_get(env, rows[i].name) : NULL;
		if (m == NULL || m->type != ER_JSON_STRING || m->text.n < ER_REDACT_LEAST)
			continue;
		s->v[s->n++] = er_slice_of(s->text.p + s->text.end, m->text.n);
		er_buf_put(&s->text, m->text);
	}
	ER_ASSERT(s->n <= n && er_buf_len(&s->text) == total);
	qsort(s->v, s->n, sizeof *s->v, by_length);
}

er_secrets *er_secrets_read(er_store *store, er_slice routine, er_env env, er_err *err)
{
	ER_ASSERT(store != NULL && (unsigned)env < ER_ENV_COUNT_);
	er_secrets *s = ER_NEW(er_secrets);
	er_arena a;
	er_setting_row *rows;
	size_t n = 0, secrets = 0, at;
	er_piece piece = {0};
	er_arena_init(&a);
	if (er_store_settings(store, &a, routine, env, &rows, &n, err))
		for (size_t i = 0; i < n; i++)
			secrets += rows[i].secret;
	if (secrets > 0 && er_store_env(store, routine, env, &piece, err)) {
		const er_json *v = er_json_parse(&a, er_piece_slice(piece), VALUES_MAX, &at, err);
		if (v != NULL) {
			take_values(s, v, rows, n);
			er_secrets_wipe(v);
		}
		er_piece_drop(&piece);
	}
	er_arena_fini(&a);
	return s;
}

void er_secrets_free(er_secrets *s)
{
	if (s == NULL)
		return;
	if (s->text.p != NULL)
		explicit_bzero(s->text.p, s->text.cap);
	er_buf_fini(&s->text);
	er_free(s->v);
	er_free(s);
}

bool er_secrets_none(const er_secrets *s)
{
	return s->n == 0;
}

/* The one that begins first; of two that begin at the same place the longer one, which comes first
 * in the list. */
static const er_slice *first_secret(const er_secrets *s, er_slice text, size_t *at)
{
	const er_slice *found = NULL;
	*at = text.n;
	for (size_t i = 0; i < s->n; i++) {
		const uint8_t *hit = text.n >= s->v[i].n ? memmem(text.p, text.n, s->v[i].p, s->v[i].n) : NULL;
		if (hit != NULL && (size_t)(hit - text.p) < *at) {
			*at = (size_t)(hit - text.p);
			found = &s->v[i];
		}
	}
	return found;
}

er_slice er_secrets_hide(const er_secrets *s, er_arena *a, er_slice text)
{
	size_t at;
	const er_slice *hit = s->n > 0 ? first_secret(s, text, &at) : NULL;
	if (hit == NULL)
		return text;
	ER_ASSERT(hit->n >= ER_REDACT_LEAST);
	er_buf b = {0};
	for (; hit != NULL; hit = first_secret(s, text, &at)) {
		er_buf_put(&b, er_slice_head(text, at));
		er_buf_puts(&b, "***");
		text = er_slice_from(text, at + hit->n);
	}
	er_buf_put(&b, text);
	er_slice out = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return out;
}
