/* What is in force is a set: immutable, with a number. er_geo holds the newest one, and every set
 * that a view may still hold: a view only ever counts down, and memory is given back by the thread
 * that renews. A view compares the number of its set with the newest number, one atomic read, and
 * takes the lock only when they differ. */
#include "geo/geo.h"

#include "base/buf.h"
#include "base/cidr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "geo/database.h"
#include "geo/place.h"

#include <pthread.h>

enum { MAGIC = 0x47454f47, VIEW_MAGIC = 0x47454f56, REMEMBERED = 256 };

typedef struct slot {
	char *path;
	er_geo_database *database; /* a reference; NULL: nothing could be read yet */
	er_geo_file tried;         /* the file as it was when it was last read, or could not be */
	char *fault;               /* why the file as it was then is not in force; NULL: it is */
} slot;

typedef struct set {
	er_list link;    /* er_geo.old */
	uint32_t users;  /* views; atomic */
	uint64_t number; /* never 0 */
	er_geo_spec spec;
	slot slots[ER_GEO_DATABASES];
} set;

struct er_geo {
	uint32_t magic;
	pthread_mutex_t lock; /* of all that follows but for `number` */
	er_geo_spec wanted;
	/* how often er_geo_want was called, and up to which call it is in force */
	uint64_t wishes, served;
	set *now;        /* the newest */
	er_list old;     /* sets that a view may have */
	uint64_t number; /* of the newest; atomic */
	uint64_t failures;
};

/* ---- what is wanted ---- */

static char *again(const char *s)
{
	return s != NULL ? er_strdup_cstr(s) : NULL;
}

void er_geo_spec_copy(er_geo_spec *to, const er_geo_spec *from)
{
	ER_ASSERT(from->n <= ER_GEO_DATABASES);
	*to = (er_geo_spec){
	    .n = from->n, .language = again(from->language), .colo = again(from->colo), .pretended = again(from->pretended)};
	for (size_t i = 0; i < from->n; i++)
		to->paths[i] = again(from->paths[i]);
}

void er_geo_spec_free(er_geo_spec *s)
{
	for (size_t i = 0; i < s->n; i++)
		er_free(s->paths[i]);
	er_free(s->language);
	er_free(s->colo);
	er_free(s->pretended);
	*s = (er_geo_spec){0};
}

static void free_set(set *s)
{
	for (size_t i = 0; i < s->spec.n; i++) {
		er_geo_database_unref(s->slots[i].database);
		er_free(s->slots[i].path);
		er_free(s->slots[i].fault);
	}
	er_geo_spec_free(&s->spec);
	er_free(s);
}

er_geo *er_geo_new(void)
{
	er_geo *g = ER_NEW(er_geo);
	*g = (er_geo){.magic = MAGIC, .number = 1};
	pthread_mutex_init(&g->lock, NULL);
	er_list_init(&g->old);
	g->now = ER_NEW(set);
	*g->now = (set){.number = 1};
	return g;
}

/* Sets that no view has any more. */
static void sweep(er_geo *g)
{
	er_list gone, *l, *next;
	er_list_init(&gone);
	pthread_mutex_lock(&g->lock);
	for (l = g->old.next; l != &g->old; l = next) {
		next = l->next;
		if (__atomic_load_n(&ER_CONTAINER(l, set, link)->users, __ATOMIC_ACQUIRE) > 0)
			continue;
		er_list_remove(l);
		er_list_push(&gone, l);
	}
	pthread_mutex_unlock(&g->lock);
	while ((l = er_list_pop(&gone)) != NULL)
		free_set(ER_CONTAINER(l, set, link));
}

void er_geo_free(er_geo *g)
{
	ER_CHECK(g, MAGIC);
	sweep(g);
	ER_ASSERT(er_list_empty(&g->old) && g->now->users == 0);
	free_set(g->now);
	er_geo_spec_free(&g->wanted);
	pthread_mutex_destroy(&g->lock);
	g->magic = 0;
	er_free(g);
}

void er_geo_want(er_geo *g, const er_geo_spec *spec)
{
	ER_CHECK(g, MAGIC);
	pthread_mutex_lock(&g->lock);
	er_geo_spec_free(&g->wanted);
	er_geo_spec_copy(&g->wanted, spec);
	g->wishes++;
	pthread_mutex_unlock(&g->lock);
}

/* ---- renewal ---- */

static const slot *slot_of(const set *s, const char *path)
{
	for (size_t i = 0; i < s->spec.n; i++)
		if (er_slice_eq(er_slice_cstr(s->slots[i].path), er_slice_cstr(path)))
			return &s->slots[i];
	return NULL;
}

static bool is_current(const slot *s)
{
	er_geo_file now = er_geo_file_of(s->path);
	return er_geo_file_same(&now, &s->tried);
}

/* Every file is what it was when it was read. */
static bool all_current(const set *s)
{
	for (size_t i = 0; i < s->spec.n; i++)
		if (!is_current(&s->slots[i]))
			return false;
	return true;
}

/* The file is as it was: nothing is read, and nothing is said again. */
static void keep(slot *s, const slot *before)
{
	s->tried = before->tried;
	s->database = before->database != NULL ? er_geo_database_ref(before->database) : NULL;
	s->fault = again(before->fault);
}

/* False: it could not be. */
static bool read_slot(slot *s, const slot *before)
{
	er_err err = {0};
	s->tried = er_geo_file_of(s->path);
	s->database = er_geo_database_open(s->path, &err);
	if (s->database != NULL) {
		s->tried = *er_geo_database_file(s->database);
		er_slice type = er_geo_database_type(s->database);
		er_log(ER_LOG_INFO, "geo", "%s is in force: %.*s, %llu bytes", s->path, ER_FMT(type), (unsigned long long)s->tried.bytes);
		return true;
	}
	bool kept = before != NULL && before->database != NULL;
	if (kept)
		s->database = er_geo_database_ref(before->database);
	s->fault = er_strdup_cstr(err.text);
	er_log(ER_LOG_ERROR, "geo", "%s. %s", err.text,
	       kept ? "The database that was read before stays in force" : "Routines find nothing of it");
	return false;
}

/* The set that `spec`, which is taken, and the files as they are now make. */
static set *make(const set *before, er_geo_spec *spec, uint64_t *failures)
{
	set *s = ER_NEW(set);
	*s = (set){.number = before->number + 1, .spec = *spec};
	*spec = (er_geo_spec){0};
	for (size_t i = 0; i < s->spec.n; i++) {
		const slot *was = slot_of(before, s->spec.paths[i]);
		s->slots[i].path = er_strdup_cstr(s->spec.paths[i]);
		if (was != NULL && is_current(was))
			keep(&s->slots[i], was);
		else if (!read_slot(&s->slots[i], was))
			(*failures)++;
	}
	return s;
}

void er_geo_renew(er_geo *g)
{
	er_geo_spec spec;
	uint64_t failures = 0;
	ER_CHECK(g, MAGIC);
	sweep(g);
	pthread_mutex_lock(&g->lock);
	uint64_t wishes = g->wishes;
	bool other = wishes != g->served;
	set *before = g->now; /* only this thread changes it */
	er_geo_spec_copy(&spec, &g->wanted);
	pthread_mutex_unlock(&g->lock);
	if (!other && all_current(before)) {
		er_geo_spec_free(&spec);
		return;
	}
	set *s = make(before, &spec, &failures);
	pthread_mutex_lock(&g->lock);
	g->now = s;
	g->served = wishes;
	g->failures += failures;
	er_list_push(&g->old, &before->link);
	__atomic_store_n(&g->number, s->number, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&g->lock);
	sweep(g);
}

/* ---- what is told of it ---- */

void er_geo_states(er_geo *g, void (*each)(void *ctx, const er_geo_state *state), void *ctx)
{
	ER_CHECK(g, MAGIC);
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < g->now->spec.n; i++) {
		const slot *s = &g->now->slots[i];
		er_geo_state state = {.path = er_slice_cstr(s->path), .fault = er_slice_cstr(s->fault)};
		if (s->database != NULL) {
			state.type = er_geo_database_type(s->database);
			state.built_s = er_geo_database_built(s->database);
			state.bytes = er_geo_database_file(s->database)->bytes;
		}
		each(ctx, &state);
	}
	pthread_mutex_unlock(&g->lock);
}

uint64_t er_geo_failures(er_geo *g)
{
	pthread_mutex_lock(&g->lock);
	uint64_t n = g->failures;
	pthread_mutex_unlock(&g->lock);
	return n;
}

/* ---- views ---- */

/* What was found for an address. */
typedef struct memory {
	struct in6_addr address;
	uint64_t number; /* of the set that it was found in; 0: nothing is here */
	er_buf lines;
} memory;

struct er_geo_view {
	uint32_t magic;
	er_geo *geo;
	set *set;
	memory found[REMEMBERED]; /* by a hash of the address: the last one stays */
};

er_geo_view *er_geo_view_new(er_geo *g)
{
	ER_CHECK(g, MAGIC);
	er_geo_view *v = er_zalloc(sizeof *v);
	v->magic = VIEW_MAGIC;
	v->geo = g;
	return v;
}

static void let_go(er_geo_view *v)
{
	if (v->set != NULL)
		__atomic_sub_fetch(&v->set->users, 1, __ATOMIC_RELEASE);
	v->set = NULL;
}

void er_geo_view_free(er_geo_view *v)
{
	if (v == NULL)
		return;
	ER_CHECK(v, VIEW_MAGIC);
	let_go(v);
	for (size_t i = 0; i < REMEMBERED; i++)
		er_buf_fini(&v->found[i].lines);
	v->magic = 0;
	er_free(v);
}

static const set *newest(er_geo_view *v)
{
	if (v->set != NULL && v->set->number == __atomic_load_n(&v->geo->number, __ATOMIC_ACQUIRE))
		return v->set;
	let_go(v);
	pthread_mutex_lock(&v->geo->lock);
	v->set = v->geo->now;
	__atomic_add_fetch(&v->set->users, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&v->geo->lock);
	return v->set;
}

static size_t place_of(const struct in6_addr *address)
{
	uint64_t half[2];
	memcpy(half, address, sizeof half);
	uint64_t h = (half[0] ^ half[1] * 0x9e3779b97f4a7c15U) * 0xff51afd7ed558ccdU;
	return (size_t)(h >> 32) % REMEMBERED;
}

static void look_up(const set *s, const struct in6_addr *address, er_buf *out)
{
	struct sockaddr_storage sa;
	er_geo_place place = {0};
	size_t record;
	if (s->spec.pretended != NULL) {
		er_buf_put_cstr(out, s->spec.pretended);
		return;
	}
	er_cidr_to_sockaddr(address, &sa); /* a mapped one becomes IPv4 */
	for (size_t i = 0; i < s->spec.n; i++) {
		const er_geo_database *d = s->slots[i].database;
		if (d != NULL && er_geo_database_find(d, (const struct sockaddr *)&sa, &record))
			er_geo_place_read(&place, er_geo_database_data(d), record, s->spec.language != NULL ? s->spec.language : "en");
	}
	place.v[ER_PLACE_COLO] = er_slice_cstr(s->spec.colo);
	er_geo_place_write(&place, out);
}

er_slice er_geo_look(er_geo_view *v, const struct sockaddr *address)
{
	struct in6_addr key;
	ER_CHECK(v, VIEW_MAGIC);
	const set *s = newest(v);
	if ((s->spec.n == 0 && s->spec.colo == NULL && s->spec.pretended == NULL) || !er_cidr_of_sockaddr(address, &key))
		return (er_slice){0};
	memory *m = &v->found[place_of(&key)];
	if (m->number == s->number && memcmp(&m->address, &key, sizeof key) == 0)
		return er_buf_slice(&m->lines);
	er_buf_clear(&m->lines);
	look_up(s, &key, &m->lines);
	m->address = key;
	m->number = s->number;
	return er_buf_slice(&m->lines);
}
