/* Replays requests on the cache of a node, with its handler, its index and, if asked for, a file,
 * but without sockets: which part of them it answers without the origin, beside LRU and S3-FIFO as
 * they are described (test/unit/cache_model.h).
 *
 *   cache-trace FILE|PLAN... [--part PERCENT] [--size BYTES] [--scale N]
 *               [--objects N] [--requests N] [--drift N] [--disk PATH] [--memory PERCENT] [--json]
 *
 * FILE is a trace: lines of time, number and bytes, or numbers of 32 bits, the highest byte first;
 * through xz if its name ends so. PLAN is zipf, scans or drift. --part: of the bytes that all
 * objects cost, the cache has so many (10). --size: of objects whose trace says none (16384).
 * --scale: objects are so many times as large as the trace says. --objects, --requests: of a plan
 * (100000, 1000000). --drift: of the plan of that name, requests between two changes (100). --disk:
 * a file of that name holds all but --memory percent (10) of the cache. */
#include "cache/cache.h"
#include "cache/task.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"

#include "../unit/cache_model.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DISK_BACKLOG = 16, ANSWER_US = 30 * 1000 * 1000 };

static void fail(const char *what, const char *more)
{
	fprintf(stderr, "cache-trace: %s%s\n", what, more);
	exit(1);
}

/* ---- traces ---- */

typedef struct options {
	const char *names[16], *disk;
	unsigned n;
	double part, memory;
	uint64_t size, scale, objects, requests, drift;
	bool json;
} options;

/* Numbers of a trace are any; here they go from 0 on. */
typedef struct numbers {
	uint64_t *key;
	uint32_t *value;
	size_t slots, n;
} numbers;

static size_t number_slot(const numbers *m, uint64_t key)
{
	uint64_t random = key;
	size_t i = model_random(&random) & (m->slots - 1);
	while (m->key[i] != 0 && m->key[i] != key)
		i = (i + 1) & (m->slots - 1);
	return i;
}

static uint32_t number_of(numbers *m, trace *t, uint64_t id, uint64_t size)
{
	if (m->n * 2 >= m->slots) {
		numbers more = {.slots = m->slots > 0 ? m->slots * 2 : 1024, .n = m->n};
		more.key = er_zalloc(more.slots * sizeof *more.key);
		more.value = er_zalloc(more.slots * sizeof *more.value);
		for (size_t i = 0; i < m->slots; i++)
			if (m->key[i] != 0) {
				size_t at = number_slot(&more, m->key[i]);
				more.key[at] = m->key[i];
				more.value[at] = m->value[i];
			}
		er_free(m->key);
		er_free(m->value);
		*m = more;
	}
	size_t at = number_slot(m, id + 1);
	if (m->key[at] == 0) {
		m->key[at] = id + 1;
		m->value[at] = trace_object(t, size);
		m->n++;
	}
	return m->value[at];
}

/* "TIME NUMBER BYTES" */
static void read_lines(trace *t, numbers *m, er_slice text, uint64_t scale)
{
	er_slice line;
	while (er_slice_split(&text, '\n', &line)) {
		er_slice word;
		uint64_t v[3] = {0};
		for (unsigned i = 0; i < 3; i++)
			if (!er_slice_split(&line, ' ', &word) || !er_slice_u64(er_slice_trim(word), &v[i]))
				fail("no line of time, number and bytes in the trace", "");
		trace_add(t, number_of(m, t, v[1], v[2] * scale));
	}
}

static void read_numbers(trace *t, numbers *m, er_slice bytes, uint64_t size)
{
	for (size_t i = 0; i + 4 <= bytes.n; i += 4) {
		const uint8_t *p = (const uint8_t *)bytes.p + i;
		trace_add(t, number_of(m, t, (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3], size));
	}
}

/* The file, or what xz makes of it. */
static void read_file(const char *path, er_buf *out)
{
	size_t length = strlen(path);
	int ends[2], status = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
	pid_t xz = -1;
	if (fd < 0)
		fail("there is no trace that can be read: ", path);
	if (length > 3 && strcmp(path + length - 3, ".xz") == 0) {
		posix_spawn_file_actions_t files;
		char *argv[] = {"xz", "-dc", NULL};
		if (pipe2(ends, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&files) != 0 ||
		    posix_spawn_file_actions_adddup2(&files, fd, 0) != 0 || posix_spawn_file_actions_adddup2(&files, ends[1], 1) != 0 ||
		    posix_spawnp(&xz, "xz", &files, NULL, argv, environ) != 0)
			fail("cannot start xz for ", path);
		posix_spawn_file_actions_destroy(&files);
		close(ends[1]);
		close(fd);
		fd = ends[0];
	}
	for (ssize_t got; (got = read(fd, er_buf_reserve(out, 1 << 16), 1 << 16)) > 0;)
		er_buf_wrote(out, (size_t)got);
	close(fd);
	if (xz > 0 && (waitpid(xz, &status, 0) != xz || status != 0))
		fail("cannot unpack ", path);
}

static trace read_trace(const char *path, const options *o)
{
	trace t = {0};
	numbers m = {0};
	er_buf all = {0};
	read_file(path, &all);
	er_slice bytes = er_buf_slice(&all);
	if (bytes.n > 0 && bytes.p[0] >= '0' && bytes.p[0] <= '9')
		read_lines(&t, &m, bytes, o->scale);
	else
		read_numbers(&t, &m, bytes, o->size * o->scale);
	if (t.n == 0)
		fail("no requests in ", path);
	er_buf_fini(&all);
	er_free(m.key);
	er_free(m.value);
	return t;
}

static trace trace_of(const char *name, const options *o)
{
	trace_plan p = {.objects = (uint32_t)o->objects, .requests = o->requests, .skew = 0.9, .seed = 1};
	if (strcmp(name, "scans") == 0) {
		p.scan_every = o->objects / 5;
		p.scan = o->objects / 20;
	} else if (strcmp(name, "drift") == 0) {
		p.drift = o->drift;
	} else if (strcmp(name, "zipf") != 0) {
		return read_trace(name, o);
	}
	return trace_make(&p);
}

/* ---- a cache ---- */

typedef struct world {
	uv_loop_t loop;
	er_index *index;
	er_disk *disk;
	er_cache *cache;
	er_cache_place place;
	er_chain chain;
	er_piece body; /* what the origin has; as long as the largest object */
	uint64_t size; /* of what is asked for */
	uint64_t asked;
	bool closed;
} world;

typedef struct client {
	er_asker asker;
	er_exchange *x;
	uint64_t got;
	bool ended;
} client;

static void origin(void *self, er_exchange *x)
{
	world *w = self;
	w->asked++;
	x->res.status = 200;
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("cache-control"), ER_LIT("max-age=86400"));
	x->res.body = er_body_of(er_piece_sub(w->body, 0, w->size));
	er_exchange_answer(x);
}

static void client_read(void *ctx)
{
	client *c = ctx;
	er_piece piece;
	while (!c->ended)
		switch (er_body_read(c->x->res.body, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			c->got += piece.n;
			er_piece_drop(&piece);
			break;
		case ER_BODY_END:
			c->ended = true;
			break;
		case ER_BODY_ERROR:
			fail("an answer broke off", "");
		}
}

static const er_body_sink_ops client_ops = {.readable = client_read};

static void client_answered(er_asker *asker, er_exchange *x)
{
	client *c = ER_CONTAINER(asker, client, asker);
	if (x->res.body == NULL) {
		c->ended = true;
		return;
	}
	er_body_sink(x->res.body, &client_ops, c);
	client_read(c);
}

static void client_broken(er_asker *asker, er_exchange *x)
{
	(void)asker, (void)x;
	fail("a request was not answered", "");
}

/* False: the origin was asked. */
static bool get(world *w, uint32_t id, uint64_t size)
{
	uint64_t asked = w->asked, until = er_clock_mono_us() + ANSWER_US;
	client c = {.asker = {.answered = client_answered, .broken = client_broken}};
	er_exchange *x = c.x = er_exchange_new();
	w->size = size;
	x->asker = &c.asker;
	x->req.method = ER_LIT("GET");
	x->req.scheme = ER_LIT("http");
	x->req.authority = x->req.host = ER_LIT("a.example");
	x->req.target = er_arena_printf(&x->arena, "/objects/%010u", id);
	er_exchange_enter(x, &w->chain, ER_AT_CACHE);
	while (!c.ended) {
		uv_run(&w->loop, UV_RUN_ONCE);
		if (er_clock_mono_us() > until)
			fail("an answer takes too long", "");
	}
	if (c.got != size)
		fail("an answer has the wrong length", "");
	if (x->res.body != NULL)
		er_body_sink(x->res.body, NULL, NULL);
	er_exchange_unref(x);
	return w->asked == asked;
}

static void pause_for(const world *w)
{
	/* A replay is faster than clients are: the file keeps up, as it does behind clients. */
	while (w->disk != NULL && er_disk_statistics(w->disk).all.waiting > DISK_BACKLOG)
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void world_open(world *w, uint64_t memory, const char *path, uint64_t bytes, uint64_t largest)
{
	*w = (world){.index = er_index_new(memory)};
	uv_loop_init(&w->loop);
	er_purges_continue(er_index_purge_table(w->index), er_clock_wall_us());
	w->cache = er_cache_new(&w->loop, w->index);
	w->body = er_piece_take(er_chunk_new(largest), largest);
	memset(w->body.chunk->bytes, 'x', largest);
	if (path != NULL) {
		(void)!unlink(path);
		w->disk = er_disk_new(&(er_volume_options){.io = &er_disk_files, .path = path, .bytes = bytes}, 1);
		while (!er_disk_ready(w->disk))
			nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
		if (er_disk_statistics(w->disk).failed > 0)
			fail("cannot use ", path);
		er_cache_use_disk(w->cache, w->disk);
		er_cache_join(w->index, w->disk);
	}
	w->place = (er_cache_place){.cache = w->cache, .chain = &w->chain, .scope = 1};
	er_chain_add(&w->chain, ER_AT_CACHE, er_cache_handler(&w->place));
	er_chain_add(&w->chain, ER_AT_STANDARD, (er_handler){.name = "origin", .handle = origin, .self = w});
}

static void on_closed(void *ctx)
{
	((world *)ctx)->closed = true;
}

static void world_close(world *w, const char *path)
{
	er_cache_close(w->cache, on_closed, w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	uv_loop_close(&w->loop);
	er_index_free(w->index);
	er_disk_free(w->disk);
	if (path != NULL)
		(void)!unlink(path);
	er_piece_drop(&w->body);
	er_exchange_trim();
}

/* What a stored response costs beside its body. */
static uint64_t head_cost(void)
{
	world w;
	world_open(&w, 1 << 20, NULL, 0, 1);
	(void)!get(&w, 1, 1);
	uint64_t cost = er_index_statistics(w.index).bytes - 1;
	world_close(&w, NULL);
	return cost;
}

/* ---- a run ---- */

typedef struct result {
	const char *name;
	misses m;
} result;

static misses replay(const trace *t, uint64_t capacity, uint64_t largest, const options *o, double *us)
{
	world w;
	misses m = {0};
	uint64_t memory = o->disk != NULL ? (uint64_t)((double)capacity * o->memory / 100) : capacity;
	if (o->disk != NULL && capacity - memory < ER_VOLUME_LEAST)
		fail("a file has 64 MiB at least: take a larger trace, or --scale", "");
	world_open(&w, memory, o->disk, capacity - memory, largest);
	clock_t from = clock();
	for (size_t i = 0; i < t->n; i++) {
		uint32_t id = t->id[i];
		if (!get(&w, id, t->size[id])) {
			m.objects++;
			m.bytes += t->size[id];
		}
		pause_for(&w);
	}
	*us = (double)(clock() - from) * 1e6 / CLOCKS_PER_SEC / (double)t->n;
	world_close(&w, o->disk);
	return m;
}

static void say(const char *name, const trace *t, uint64_t capacity, const result *r, size_t n, double us, bool json)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < t->n; i++)
		bytes += t->size[t->id[i]];
	if (json) {
		printf("{\"trace\": \"%s\", \"requests\": %zu, \"objects\": %u, \"cache_bytes\": %llu, \"us\": %.2f", name, t->n,
		       t->objects, (unsigned long long)capacity, us);
		for (size_t i = 0; i < n; i++)
			printf(", \"%s\": {\"objects\": %.5f, \"bytes\": %.5f}", r[i].name, (double)r[i].m.objects / (double)t->n,
			       (double)r[i].m.bytes / (double)bytes);
		printf("}\n");
		return;
	}
	printf("%s: %zu requests of %u objects, a cache of %.1f MB; %.1f us of CPU a request\n", name, t->n, t->objects,
	       (double)capacity / 1e6, us);
	for (size_t i = 0; i < n; i++)
		printf("  %-24s misses %6.2f %% of the requests, %6.2f %% of the bytes\n", r[i].name,
		       100 * (double)r[i].m.objects / (double)t->n, 100 * (double)r[i].m.bytes / (double)bytes);
	fflush(stdout);
}

static void run(const char *path, const options *o)
{
	trace t = trace_of(path, o);
	uint64_t head = head_cost(), largest = 1;
	uint64_t capacity = (uint64_t)((double)trace_bytes(&t, head) * o->part / 100);
	for (uint32_t i = 0; i < t.objects; i++)
		largest = t.size[i] > largest ? t.size[i] : largest;
	const char *slash = strrchr(path, '/');
	double us;
	result r[] = {{"LRU", model_lru(&t, capacity, head)},
	              {"S3-FIFO, threshold 2", model_s3fifo(&t, capacity, head, 2)},
	              {"S3-FIFO, threshold 1", model_s3fifo(&t, capacity, head, 1)},
	              {o->disk != NULL ? "er, memory and disk" : "er", {0}}};
	r[3].m = replay(&t, capacity, largest, o, &us);
	say(slash != NULL ? slash + 1 : path, &t, capacity, r, sizeof r / sizeof *r, us, o->json);
	trace_fini(&t);
}

static double number(const char *name, const char *text)
{
	char *end;
	double v = text != NULL ? strtod(text, &end) : 0;
	if (text == NULL || *end != '\0' || v <= 0)
		fail("a number above 0 belongs behind ", name);
	return v;
}

int main(int argc, char **argv)
{
	options o = {.part = 10, .memory = 10, .size = 16384, .scale = 1, .objects = 100000, .requests = 1000000, .drift = 100};
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = argv[i + 1];
		if (strcmp(a, "--json") == 0) {
			o.json = true;
			continue;
		}
		if (a[0] != '-') {
			if (o.n == sizeof o.names / sizeof *o.names)
				fail("too many traces", "");
			o.names[o.n++] = a;
			continue;
		}
		i++;
		if (strcmp(a, "--disk") == 0 && v != NULL)
			o.disk = v;
		else if (strcmp(a, "--part") == 0)
			o.part = number(a, v);
		else if (strcmp(a, "--memory") == 0)
			o.memory = number(a, v);
		else if (strcmp(a, "--size") == 0)
			o.size = (uint64_t)number(a, v);
		else if (strcmp(a, "--scale") == 0)
			o.scale = (uint64_t)number(a, v);
		else if (strcmp(a, "--objects") == 0)
			o.objects = (uint64_t)number(a, v);
		else if (strcmp(a, "--drift") == 0)
			o.drift = (uint64_t)number(a, v);
		else if (strcmp(a, "--requests") == 0)
			o.requests = (uint64_t)number(a, v);
		else
			fail("unknown option ", a);
	}
	if (o.n == 0)
		fail("name a trace, or zipf, scans, drift", "");
	for (unsigned i = 0; i < o.n; i++)
		run(o.names[i], &o);
	return 0;
}
