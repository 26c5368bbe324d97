/* A payload begins with numbers of a fixed size, and its texts follow in the order of the numbers
 * that measure them. A cursor reads: what is beyond the end makes it fail for good, and is asked
 * once. */
#include "cache/disk_head.h"

#include "base/mem.h"
#include "http/directives.h"

/* FORM << er_coding: there is a coded form. */
enum { HEURISTIC = 1, NO_CACHE = 2, STRICT = 4, FORM = 8, MISSING = UINT32_MAX };
enum { CORRECTION_S = 10 }; /* of a clock, backwards */

typedef struct numbers {
	uint32_t status, flags;
	uint32_t key, reason;           /* bytes */
	uint32_t n_fields, n_selecting; /* pairs */
	uint64_t id, length;
	int64_t age, lifetime, while_revalidate, if_error;
	int64_t came, counted; /* counted: when the age was that */
	uint64_t site, n_tags;
} numbers;
static_assert(sizeof(numbers) == 24 + 8 * 10, "no holes");

typedef struct fork_numbers {
	uint64_t branch;
	uint32_t key, n;
} fork_numbers;
static_assert(sizeof(fork_numbers) == 16, "no holes");

/* ---- writing ---- */

static void put_pair(er_buf *to, er_slice name, er_slice value, bool missing)
{
	er_buf_put_le32(to, (uint32_t)name.n);
	er_buf_put_le32(to, missing ? (uint32_t)MISSING : (uint32_t)value.n);
	er_buf_put(to, name);
	if (!missing)
		er_buf_put(to, value);
}

static bool has_form(const er_disk_form *forms, er_coding c)
{
	return forms != NULL && forms[c].length > 0;
}

static void put_forms(er_buf *to, const er_disk_form *forms)
{
	for (er_coding c = 0; c < ER_CODINGS; c++) {
		if (!has_form(forms, c))
			continue;
		er_buf_put_le64(to, forms[c].id);
		er_buf_put_le64(to, forms[c].length);
		if (forms[c].id == 0)
			er_buf_put(to, forms[c].bytes);
	}
}

bool er_disk_head_put(er_buf *to, const er_stored *s, uint64_t id, uint64_t length, er_slice body, const er_disk_form *forms,
                      uint64_t now_us, int64_t now)
{
	ER_ASSERT(id != 0 || (length == body.n && body.n <= ER_DISK_INLINE));
	size_t from = er_buf_len(to);
	const er_freshness *f = &s->fresh;
	numbers n = {.status = (uint32_t)s->status,
	             .flags = (f->heuristic ? HEURISTIC : 0) | (f->no_cache ? NO_CACHE : 0) | (f->strict ? STRICT : 0),
	             .key = (uint32_t)s->key.n,
	             .reason = (uint32_t)s->reason.n,
	             .n_fields = s->fields.n,
	             .n_selecting = s->variant.n,
	             .id = id,
	             .length = length,
	             .age = er_stored_age(s, now_us),
	             .lifetime = f->lifetime,
	             .while_revalidate = f->while_revalidate,
	             .if_error = f->if_error,
	             .came = s->came,
	             .counted = now,
	             .site = s->scopes.site,
	             .n_tags = s->scopes.n_tags};
	for (er_coding c = 0; c < ER_CODINGS; c++)
		n.flags |= has_form(forms, c) ? (uint32_t)FORM << c : 0;
	er_buf_put(to, er_slice_of(&n, sizeof n));
	er_buf_put(to, s->key);
	er_buf_put(to, s->reason);
	er_buf_put(to, er_slice_of(s->scopes.tags, s->scopes.n_tags * sizeof *s->scopes.tags));
	for (uint32_t i = 0; i < s->fields.n; i++)
		put_pair(to, s->fields.v[i].name, s->fields.v[i].value, false);
	for (uint32_t i = 0; i < s->variant.n; i++)
		put_pair(to, s->variant.v[i].name, s->variant.v[i].value, s->variant.v[i].value.p == NULL);
	if (id == 0)
		er_buf_put(to, body);
	put_forms(to, forms);
	return er_buf_len(to) - from <= ER_DISK_PAYLOAD && s->fields.n <= ER_DISK_FIELDS;
}

void er_disk_fork_put(er_buf *to, er_slice key, const er_variant *names, uint64_t branch)
{
	fork_numbers n = {.branch = branch, .key = (uint32_t)key.n, .n = names->n};
	er_buf_put(to, er_slice_of(&n, sizeof n));
	er_buf_put(to, key);
	for (uint32_t i = 0; i < names->n; i++)
		put_pair(to, names->v[i].name, (er_slice){0}, true);
}

/* ---- reading ---- */

typedef struct cursor {
	er_slice left;
	bool bad;
} cursor;

static er_slice take(cursor *c, size_t n)
{
	if (c->bad || n > c->left.n) {
		c->bad = true;
		return (er_slice){0};
	}
	er_slice s = er_slice_head(c->left, n);
	c->left = er_slice_from(c->left, n);
	return s;
}

/* Leaves `to` as it is where nothing is left. */
static void take_into(cursor *c, void *to, size_t n)
{
	er_slice s = take(c, n);
	if (!c->bad)
		er_copy(to, s.p, n);
}

static uint32_t take_u32(cursor *c)
{
	uint32_t v = 0;
	take_into(c, &v, sizeof v);
	return v;
}

static uint64_t take_u64(cursor *c)
{
	uint64_t v = 0;
	take_into(c, &v, sizeof v);
	return v;
}

/* `missing`: a value may be missing, which has no address then. */
static er_field take_pair(cursor *c, bool missing)
{
	uint32_t name = take_u32(c), value = take_u32(c);
	er_field f = {.name = take(c, name)};
	if (value != MISSING)
		f.value = take(c, value);
	else if (!missing)
		c->bad = true;
	return f;
}

static void take_fields(cursor *c, uint32_t n, er_arena *a, er_fields *out)
{
	*out = (er_fields){0};
	for (uint32_t i = 0; i < n && !c->bad; i++) {
		er_field f = take_pair(c, false);
		if (!c->bad && er_field_name_ok(f.name) && er_field_value_ok(f.value))
			er_fields_add(out, a, f.name, f.value);
		else
			c->bad = true;
	}
}

static void take_variant(cursor *c, uint32_t n, er_variant *out)
{
	out->n = 0;
	if (n > ER_VARY_FIELDS)
		c->bad = true;
	for (uint32_t i = 0; i < n && !c->bad; i++)
		out->v[out->n++] = take_pair(c, true);
}

/* Into the arena, where they lie as numbers do. */
static void take_tags(cursor *c, uint32_t n, er_arena *a, er_disk_head *out)
{
	er_slice bytes = take(c, n * sizeof *out->tags);
	if (c->bad)
		return;
	uint64_t *tags = er_arena_alloc(a, bytes.n);
	er_copy(tags, bytes.p, bytes.n);
	out->tags = tags;
	out->n_tags = n;
}

static void take_forms(cursor *c, uint32_t flags, er_disk_form *out)
{
	for (er_coding i = 0; i < ER_CODINGS && !c->bad; i++) {
		if ((flags & (uint32_t)FORM << i) == 0)
			continue;
		er_disk_form *f = &out[i];
		f->id = take_u64(c);
		f->length = take_u64(c);
		if (f->length == 0 || f->length > INT64_MAX || (f->id == 0 && f->length > ER_DISK_INLINE))
			c->bad = true;
		else if (f->id == 0)
			f->bytes = take(c, f->length);
	}
}

static bool seconds_ok(int64_t s)
{
	return s >= 0 && s <= ER_CACHE_SECONDS_MAX;
}

static bool sound(const numbers *n)
{
	return n->status >= 200 && n->status <= 599 && n->n_fields <= ER_DISK_FIELDS && seconds_ok(n->lifetime) &&
	       seconds_ok(n->while_revalidate) && seconds_ok(n->if_error) && n->age >= 0 && n->length <= INT64_MAX &&
	       (n->id != 0 || n->length <= ER_DISK_INLINE) && n->n_tags <= ER_PURGE_TAGS;
}

/* A clock that was set back by more than a correction does not tell how much time has passed: the
 * response is older than any may be, and is validated. Else it would be as fresh as when it was
 * written until the clock is where it was. */
static int64_t age_now(const numbers *n, int64_t now)
{
	int64_t passed, age, most = 2 * (int64_t)ER_CACHE_SECONDS_MAX;
	if (__builtin_sub_overflow(now, n->counted, &passed) || passed < -CORRECTION_S)
		return most;
	if (__builtin_add_overflow(n->age, passed > 0 ? passed : 0, &age) || age > most)
		age = most;
	return age;
}

bool er_disk_head_get(er_slice payload, int64_t now, er_arena *a, er_disk_head *out)
{
	numbers n;
	cursor c = {.left = payload};
	er_slice fixed = take(&c, sizeof n);
	if (c.bad)
		return false;
	memcpy(&n, fixed.p, sizeof n);
	if (!sound(&n))
		return false;
	*out = (er_disk_head){.status = (int)n.status, .came = n.came, .id = n.id, .length = n.length, .site = n.site};
	out->fresh = (er_freshness){.age = age_now(&n, now),
	                            .lifetime = n.lifetime,
	                            .heuristic = (n.flags & HEURISTIC) != 0,
	                            .no_cache = (n.flags & NO_CACHE) != 0,
	                            .strict = (n.flags & STRICT) != 0,
	                            .while_revalidate = n.while_revalidate,
	                            .if_error = n.if_error};
	out->key = take(&c, n.key);
	out->reason = take(&c, n.reason);
	take_tags(&c, (uint32_t)n.n_tags, a, out);
	take_fields(&c, n.n_fields, a, &out->fields);
	take_variant(&c, n.n_selecting, &out->variant);
	if (n.id == 0)
		out->body = take(&c, n.length);
	take_forms(&c, n.flags, out->forms);
	return !c.bad && c.left.n == 0 && out->key.n > 0 && er_field_value_ok(out->reason);
}

bool er_disk_fork_get(er_slice payload, er_disk_fork *out)
{
	fork_numbers n;
	cursor c = {.left = payload};
	er_slice fixed = take(&c, sizeof n);
	if (c.bad)
		return false;
	memcpy(&n, fixed.p, sizeof n);
	*out = (er_disk_fork){.branch = n.branch, .key = take(&c, n.key)};
	take_variant(&c, n.n, &out->names);
	return !c.bad && c.left.n == 0 && out->key.n > 0 && out->names.n > 0;
}

er_disk_hash er_disk_hash_variant(const er_disk_secret *secret, er_disk_hash key, uint64_t branch, const er_variant *v)
{
	er_buf b;
	er_buf_init(&b);
	er_buf_put(&b, er_slice_of(&key, sizeof key));
	er_buf_put_le64(&b, branch);
	for (uint32_t i = 0; i < v->n; i++)
		put_pair(&b, v->v[i].name, v->v[i].value, v->v[i].value.p == NULL);
	er_disk_hash hash = er_disk_hash_of(secret, er_buf_slice(&b));
	er_buf_fini(&b);
	return hash;
}
