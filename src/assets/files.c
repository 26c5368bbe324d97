/* Made without a look at the disk; the table is made whole by one thread, under the lock, and then
 * published by one pointer. It stays until the version goes. */
#include "assets/files.h"

enum { MAGIC = 0x41535354 };

er_assets *er_assets_new(er_assets_source *source, er_slice routine, const er_hash *manifest, bool alone,
                         const er_assets_settings *settings)
{
	er_assets *s = ER_NEW(er_assets);
	*s = (er_assets){.magic = MAGIC, .refs = 1, .source = source, .hash = *manifest, .alone = alone, .settings = *settings};
	er_arena_init(&s->arena);
	pthread_mutex_init(&s->lock, NULL);
	s->routine = er_arena_copy(&s->arena, routine);
	s->settings.directory = er_arena_copy(&s->arena, settings->directory);
	s->settings.patterns = er_arena_alloc(&s->arena, (settings->n_patterns + 1) * sizeof *s->settings.patterns);
	for (size_t i = 0; i < settings->n_patterns; i++)
		s->settings.patterns[i] = er_arena_copy(&s->arena, settings->patterns[i]);
	return s;
}

er_assets *er_assets_ref(er_assets *s)
{
	ER_CHECK(s, MAGIC);
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

static void free_table(er_assets_table *t)
{
	if (t == NULL)
		return;
	er_assets_manifest_fini(&t->manifest);
	er_redirects_fini(&t->redirects);
	er_piece_drop(&t->text);
	er_piece_drop(&t->headers_text);
	er_piece_drop(&t->redirects_text);
	er_arena_fini(&t->arena);
	er_free(t);
}

void er_assets_unref(er_assets *s)
{
	if (s == NULL)
		return;
	ER_CHECK(s, MAGIC);
	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free_table(s->table);
	er_arena_fini(&s->arena);
	pthread_mutex_destroy(&s->lock);
	s->magic = 0;
	er_free(s);
}

/* ---- reading ---- */

/* A file of rules; *out stays empty if there is none. */
static bool read_rules(er_assets *s, const er_assets_table *t, er_slice path, size_t most, er_piece *out, er_err *err)
{
	const er_assets_file *f = er_assets_manifest_find(&t->manifest, path);
	if (f == NULL || f->bytes == 0)
		return true;
	if (f->bytes > most)
		return er_fail(err, ER_ERR_TOO_LARGE, "%.*s has %u bytes; it may have %zu", ER_FMT(path), f->bytes, most);
	er_chunk *chunk = er_chunk_new(f->bytes);
	*out = er_piece_take(chunk, f->bytes);
	return s->source->read(s->source->ctx, s->routine, f, 0, chunk->bytes, f->bytes, err);
}

static bool fill(er_assets *s, er_assets_table *t, er_err *err)
{
	return s->source->manifest(s->source->ctx, s->routine, &s->hash, &t->text, err) &&
	       er_assets_manifest_read(&t->arena, er_piece_slice(t->text), &t->manifest, err) &&
	       read_rules(s, t, ER_LIT("/_headers"), ER_HEADERS_FILE, &t->headers_text, err) &&
	       read_rules(s, t, ER_LIT("/_redirects"), ER_REDIRECTS_FILE, &t->redirects_text, err) &&
	       er_headers_read(&t->arena, er_piece_slice(t->headers_text), &t->headers, err) &&
	       er_redirects_read(&t->arena, er_piece_slice(t->redirects_text), &t->redirects, err);
}

bool er_assets_load(er_assets *s, er_err *err)
{
	ER_CHECK(s, MAGIC);
	bool ok = true;
	pthread_mutex_lock(&s->lock);
	if (s->table == NULL) {
		er_assets_table *t = ER_NEW(er_assets_table);
		er_arena_init(&t->arena);
		ok = fill(s, t, err);
		if (ok)
			__atomic_store_n(&s->table, t, __ATOMIC_RELEASE);
		else
			free_table(t);
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/* ---- which first ---- */

bool er_assets_pattern_ok(er_slice pattern)
{
	er_slice path = er_slice_starts(pattern, ER_LIT("!")) ? er_slice_from(pattern, 1) : pattern;
	size_t stars = 0;
	for (size_t i = 0; i < path.n; i++)
		stars += path.p[i] == '*';
	return path.n > 0 && path.p[0] == '/' && stars <= 1;
}

static bool matches(er_slice pattern, er_slice path)
{
	size_t star = er_slice_find(pattern, '*');
	er_slice end = er_slice_from(pattern, star + 1);
	if (star == pattern.n)
		return er_slice_eq(pattern, path);
	return path.n >= star + end.n && er_slice_starts(path, er_slice_head(pattern, star)) && er_slice_ends(path, end);
}

bool er_assets_routine_first(const er_assets_settings *s, er_slice path)
{
	bool first = s->routine_first;
	for (size_t i = 0; i < s->n_patterns; i++) {
		bool not = s->patterns[i].p[0] == '!';
		if (!matches(er_slice_from(s->patterns[i], not ), path))
			continue;
		if (not )
			return false;
		first = true;
	}
	return first;
}
