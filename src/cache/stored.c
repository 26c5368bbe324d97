/* A head in one arena. What a renewal changes makes a new head over the same content, so that
 * readers of the old one go on undisturbed. */
#include "cache/stored.h"

#include "base/clock.h"
#include "base/mem.h"

enum { MAGIC = 0x53544f52, HEAD_COST = 512, FIELD_COST = 64 };

/* Not a stored response's: written anew for each answer, or for this cache alone. */
static bool not_kept(er_slice name)
{
	return er_field_hop_by_hop(name) || er_slice_ieq(name, ER_LIT("age")) || er_slice_ieq(name, ER_LIT("content-length"));
}

/* Fields of a 304 that say something of the message and not of what is stored (RFC 9111 3.2). */
static bool not_renewed(er_slice name)
{
	return not_kept(name) || er_slice_ieq(name, ER_LIT("content-encoding")) || er_slice_ieq(name, ER_LIT("content-type")) ||
	       er_slice_ieq(name, ER_LIT("content-range")) || er_slice_ieq(name, ER_LIT("set-cookie"));
}

static void keep(er_stored *s, er_field f)
{
	er_fields_add(&s->fields, &s->arena, er_arena_copy(&s->arena, f.name), er_arena_copy(&s->arena, f.value));
}

static er_stored *make(er_slice key, uint64_t hash, int status, er_slice reason, er_content *content)
{
	er_stored *s = ER_NEW(er_stored);
	*s = (er_stored){.magic = MAGIC, .refs = 1, .hash = hash, .status = status};
	er_list_init(&s->queue);
	s->key = er_arena_copy(&s->arena, key);
	s->reason = er_arena_copy(&s->arena, reason);
	s->content = er_content_ref(content);
	s->came_us = er_clock_mono_us();
	s->came = (int64_t)(er_clock_wall_us() / 1000000);
	return s;
}

er_stored *er_stored_new(er_slice key, uint64_t hash, const er_fields *request, int status, er_slice reason,
                         const er_fields *response, const er_freshness *fresh, er_content *content, int64_t promised)
{
	er_stored *s = make(key, hash, status, reason, content);
	s->fresh = *fresh;
	s->promised = promised;
	for (uint32_t i = 0; i < response->n; i++)
		if (!not_kept(response->v[i].name))
			keep(s, response->v[i]);
	if (er_variant_of(&s->arena, response, request, &s->variant))
		return s;
	er_stored_unref(s);
	return NULL;
}

er_stored *er_stored_renew(const er_stored *old, const er_fields *request, const er_fields *update, int64_t asked, int64_t came)
{
	er_stored *s = make(old->key, old->hash, old->status, old->reason, old->content);
	s->promised = old->promised;
	for (uint32_t i = 0; i < old->fields.n; i++) {
		er_field f = old->fields.v[i];
		if (not_renewed(f.name) || er_fields_get(update, f.name) == NULL)
			keep(s, f);
	}
	for (uint32_t i = 0; i < update->n; i++)
		if (!not_renewed(update->v[i].name))
			keep(s, update->v[i]);
	/* The new head as the origin said it: with Age, which is not kept. */
	er_arena scratch = {0};
	er_fields said = {0};
	for (uint32_t i = 0; i < s->fields.n; i++)
		er_fields_add(&said, &scratch, s->fields.v[i].name, s->fields.v[i].value);
	for (uint32_t i = 0; i < update->n; i++)
		if (not_kept(update->v[i].name))
			er_fields_add(&said, &scratch, update->v[i].name, update->v[i].value);
	s->fresh = er_freshness_of(s->status, &said, asked, came);
	er_arena_fini(&scratch);
	if (!er_variant_of(&s->arena, &s->fields, request, &s->variant)) {
		er_stored_unref(s);
		return NULL;
	}
	return s;
}

er_stored *er_stored_ref(er_stored *s)
{
	ER_CHECK(s, MAGIC);
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void er_stored_unref(er_stored *s)
{
	if (s == NULL)
		return;
	ER_CHECK(s, MAGIC);
	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	ER_ASSERT(!s->listed);
	er_content_unref(s->content);
	er_arena_fini(&s->arena);
	s->magic = 0;
	er_free(s);
}

int64_t er_stored_age(const er_stored *s, uint64_t now_us)
{
	return s->fresh.age + (now_us > s->came_us ? (int64_t)((now_us - s->came_us) / 1000000) : 0);
}

size_t er_stored_cost(const er_stored *s)
{
	size_t n = sizeof *s + HEAD_COST + s->key.n;
	for (uint32_t i = 0; i < s->fields.n; i++)
		n += FIELD_COST + s->fields.v[i].name.n + s->fields.v[i].value.n;
	uint64_t have = er_content_length(s->content);
	bool more = s->promised > 0 && (uint64_t)s->promised > have && !er_content_whole(s->content);
	return n + (size_t)(more ? (uint64_t)s->promised : have);
}
