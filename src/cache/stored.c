/* A head in one arena. What a renewal changes makes a new head over the same content, so that
 * readers of the old one go on undisturbed. */
#include "cache/stored.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/key.h"

enum { MAGIC = 0x53544f52, HEAD_COST = 512, FIELD_COST = 64, PARTIAL = 206 };

/* Not a stored response's: written anew for each answer, or for this cache alone. */
static bool not_kept(er_slice name)
{
	return er_field_hop_by_hop(name) || er_slice_ieq(name, ER_LIT("age")) || er_slice_ieq(name, ER_LIT("content-length")) ||
	       er_scopes_field(name);
}

/* Fields of a 304 that say something of the message and not of what is stored (RFC 9111 3.2). */
static bool not_renewed(er_slice name)
{
	return not_kept(name) || er_slice_ieq(name, ER_LIT("content-encoding")) || er_slice_ieq(name, ER_LIT("content-type")) ||
	       er_slice_ieq(name, ER_LIT("content-range")) || er_slice_ieq(name, ER_LIT("set-cookie"));
}

static size_t rounded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* What the head takes in the arena: it is kept for long, so its block is cut to measure. */
static size_t room_for(er_slice key, er_slice reason, const er_fields *fields, const er_variant *variant)
{
	size_t n = rounded(key.n) + rounded(reason.n) + fields->n * sizeof(er_field);
	for (uint32_t i = 0; i < fields->n; i++)
		n += rounded(fields->v[i].name.n) + rounded(fields->v[i].value.n);
	for (uint32_t i = 0; i < variant->n; i++)
		n += rounded(variant->v[i].name.n) + rounded(variant->v[i].value.n);
	return n;
}

static er_field copy(er_arena *a, er_field f)
{
	/* A missing value of a variant has no address. */
	return (er_field){er_arena_copy(a, f.name), f.value.p != NULL ? er_arena_copy(a, f.value) : (er_slice){0}};
}

/* A head with these fields, all of them. */
static er_stored *make(er_slice key, uint64_t hash, int status, er_slice reason, const er_fields *fields,
                       const er_variant *variant, er_content *content)
{
	er_stored *s = ER_NEW(er_stored);
	*s = (er_stored){.magic = MAGIC, .refs = 1, .hash = hash, .status = status};
	er_list_init(&s->queue);
	er_list_init(&s->owned);
	er_arena *a = &s->arena;
	er_arena_expect(a, room_for(key, reason, fields, variant));
	s->key = er_arena_copy(a, key);
	s->reason = er_arena_copy(a, reason);
	s->fields = (er_fields){.v = er_arena_alloc(a, fields->n * sizeof(er_field)), .cap = fields->n};
	for (uint32_t i = 0; i < fields->n; i++)
		er_fields_add(&s->fields, a, er_arena_copy(a, fields->v[i].name), er_arena_copy(a, fields->v[i].value));
	s->variant.n = variant->n;
	for (uint32_t i = 0; i < variant->n; i++)
		s->variant.v[i] = copy(a, variant->v[i]);
	s->content = er_content_ref(content);
	s->codable = er_codable_of(status, &s->fields);
	s->forms = (uint8_t)er_content_forms(content);
	if (status == PARTIAL && !er_range_said(&s->fields, &s->piece, &s->whole))
		s->whole = 0; /* covers nothing */
	s->came_us = er_clock_mono_us();
	s->came = er_clock_wall_s();
	return s;
}

er_stored *er_stored_new(er_slice key, uint64_t hash, const er_fields *request, int status, er_slice reason,
                         const er_fields *response, const er_fields *said, const er_freshness *fresh, er_content *content,
                         int64_t promised, const er_cache_rules *rules)
{
	er_arena scratch = {0};
	er_fields kept = {0};
	er_variant variant;
	er_stored *s = NULL;
	for (uint32_t i = 0; i < response->n; i++)
		if (!not_kept(response->v[i].name) && !er_rules_hides(rules, response->v[i].name))
			er_fields_add(&kept, &scratch, response->v[i].name, response->v[i].value);
	if (er_variant_of(&scratch, said, request, &variant) &&
	    (status != PARTIAL || er_variant_add(&scratch, ER_LIT("range"), request, &variant))) {
		s = make(key, hash, status, reason, &kept, &variant, content);
		s->fresh = *fresh;
		s->promised = promised;
		s->scopes = er_scopes_of(&s->arena, er_key_where(s->key), 0, response);
	}
	er_arena_fini(&scratch);
	return s;
}

/* A weak tag that is stored: a 304 that has the same tag as a strong one was compared weakly, and
 * says nothing of each byte. */
static bool is_weak_tag(er_field f)
{
	return er_slice_ieq(f.name, ER_LIT("etag")) && er_slice_starts(f.value, ER_LIT("W/"));
}

/* The fields of both, as slices of theirs. */
static er_fields merge(er_arena *a, const er_fields *old, const er_fields *update)
{
	er_fields all = {0};
	bool weak = false;
	for (uint32_t i = 0; i < old->n; i++) {
		er_field f = old->v[i];
		weak = weak || is_weak_tag(f);
		if (not_renewed(f.name) || is_weak_tag(f) || er_fields_get(update, f.name) == NULL)
			er_fields_add(&all, a, f.name, f.value);
	}
	for (uint32_t i = 0; i < update->n; i++)
		if (!not_renewed(update->v[i].name) && !(weak && er_slice_ieq(update->v[i].name, ER_LIT("etag"))))
			er_fields_add(&all, a, update->v[i].name, update->v[i].value);
	return all;
}

er_stored *er_stored_renew(const er_stored *old, const er_fields *request, const er_fields *update, int64_t asked, int64_t came,
                           const er_cache_law *law)
{
	er_arena scratch = {0};
	er_variant variant;
	er_stored *s = NULL;
	er_fields said = merge(&scratch, &old->fields, update);
	if (er_variant_of(&scratch, er_law_said(law, &scratch, old->status, &said), request, &variant)) {
		s = make(old->key, old->hash, old->status, old->reason, &said, &variant, old->content);
		s->promised = old->promised;
		/* The new head as the origin said it: with Age, which is not kept. */
		for (uint32_t i = 0; i < update->n; i++)
			if (not_kept(update->v[i].name))
				er_fields_add(&said, &scratch, update->v[i].name, update->v[i].value);
		s->fresh = er_freshness_of(s->status, er_law_said(law, &scratch, s->status, &said), asked, came);
		er_rules_stale(law != NULL ? law->rules : NULL, &s->fresh);
		s->scopes = er_scopes_of(&s->arena, er_key_where(s->key), 0, update);
		if (s->scopes.n_tags == 0)
			er_scopes_copy_tags(&s->arena, &s->scopes, &old->scopes);
	}
	er_arena_fini(&scratch);
	return s;
}

void er_stored_asked(er_stored *s, uint64_t site, uint64_t number)
{
	ER_CHECK(s, MAGIC);
	ER_ASSERT(!s->listed);
	s->scopes.site = site;
	s->number = number;
}

er_stored *er_stored_restore(er_slice key, uint64_t hash, int status, er_slice reason, const er_fields *fields,
                             const er_variant *variant, const er_freshness *fresh, er_content *content)
{
	er_stored *s = make(key, hash, status, reason, fields, variant, content);
	s->kept_on_disk = true;
	s->fresh = *fresh;
	s->promised = (int64_t)er_content_length(content);
	s->scopes = er_scopes_of(&s->arena, er_key_where(s->key), 0, NULL);
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

bool er_stored_purged(const er_stored *s)
{
	return __atomic_load_n(&s->purged, __ATOMIC_ACQUIRE);
}

int64_t er_stored_age(const er_stored *s, uint64_t now_us)
{
	return s->fresh.age + (now_us > s->came_us ? (int64_t)((now_us - s->came_us) / 1000000) : 0);
}

int64_t er_stored_age_used(const er_stored *s, uint64_t now_us)
{
	int64_t age = er_stored_age(s, now_us);
	return __atomic_load_n(&s->look.soft, __ATOMIC_RELAXED) && age < s->fresh.lifetime ? s->fresh.lifetime : age;
}

size_t er_stored_cost(const er_stored *s)
{
	size_t n = sizeof *s + HEAD_COST + s->key.n + s->scopes.n_tags * sizeof *s->scopes.tags;
	for (uint32_t i = 0; i < s->fields.n; i++)
		n += FIELD_COST + s->fields.v[i].name.n + s->fields.v[i].value.n;
	for (uint32_t i = 0; i < s->variant.n; i++) /* written by clients */
		n += s->variant.v[i].name.n + s->variant.v[i].value.n;
	uint64_t length = er_content_memory(s->content);
	if (s->promised > 0 && length < (uint64_t)s->promised && !er_content_whole(s->content))
		length = (uint64_t)s->promised;
	return n + (size_t)length;
}
