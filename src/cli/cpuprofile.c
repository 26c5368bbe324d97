/* Adding up a profile (cpuprofile.h). Node 0 is the root; "(program)" and "(idle)" are nodes like
 * others, made when first needed. A node is found by its parent and its place, in one table.
 *
 * Samples of one call are sorted by time, as the engine gives them; the stretches that ran are,
 * too. Both are walked together: where a stretch ends and the next one begins more than IDLE_US
 * later, a sample of "(idle)" is put between. The engine tells of stretches only while a debugger
 * is on; else a gap of GAP_US between two samples is idle time. */
#include "cli/cpuprofile.h"

#include "base/map.h"
#include "base/mem.h"
#include "isolate/sourcemap.h"

#include <stdio.h>

enum {
	NODES_MAX = 20000,
	SAMPLES_MAX = 4 * 1024 * 1024,
	RUNS_MAX = 100000,
	DEPTH_MAX = 256,
	NAME_MAX_ = 256,
	URL_MAX = 1024,
	IDLE_US = 1000,
	GAP_US = 50000,
	EVERY_US = 1000, /* how often the engine samples, if nothing else is known */
};

typedef struct node {
	char *name, *url, *script;
	uint32_t line, column, hits;
	uint32_t first, next; /* children; 0: none */
} node;

typedef struct sample {
	uint32_t leaf, delta;
} sample;

typedef struct run {
	uint64_t from, to; /* microseconds */
} run;

struct er_cpuprofile {
	node *nodes;
	sample *samples;
	run *runs;
	size_t n_nodes, cap_nodes, n_samples, cap_samples, n_runs, cap_runs;
	er_map *known; /* parent and place, as text: the node */
	char *url;     /* of the script with a map */
	er_sourcemap *map;
	er_slice folder; /* that sources are named from, with its slash */
	unsigned generation;
	uint64_t offset; /* what the engine's clock lacks, microseconds */
	uint64_t begin, last;
	uint64_t since; /* samples that are still to come are of later */
	uint64_t idle;  /* samples of it */
	bool begun;
};

/* Room for one more. */
static void *grown(void *v, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return v;
	*cap = *cap > 0 ? *cap * 2 : 64;
	return er_realloc(v, *cap * size);
}

/* ---- nodes ---- */

/* Where a frame is, as the profile says it. */
typedef struct place {
	er_slice name, script, url, base; /* base: before a url that is a source's */
	uint32_t line, column;            /* from 0 */
} place;

/* The node of that place below `parent`; the parent itself when there are too many. */
static uint32_t child(er_cpuprofile *p, uint32_t parent, const place *at)
{
	er_buf key = {0};
	er_slice name = er_slice_head(at->name, NAME_MAX_);
	er_buf_printf(&key, "%u %u %u ", parent, at->line, at->column);
	er_buf_put(&key, at->script);
	er_buf_putc(&key, ' ');
	er_buf_put(&key, er_slice_head(at->url, URL_MAX));
	er_buf_putc(&key, ' ');
	er_buf_put(&key, name);
	/* the value is the index, which is never 0 */
	uintptr_t found = (uintptr_t)er_map_get(p->known, er_buf_slice(&key));
	if (found == 0 && p->n_nodes < NODES_MAX) {
		p->nodes = grown(p->nodes, p->n_nodes, &p->cap_nodes, sizeof *p->nodes);
		found = p->n_nodes++;
		p->nodes[found] = (node){.name = er_strdup_slice(name),
		                         .url = er_printf("%.*s%.*s", ER_FMT(at->base), ER_FMT(er_slice_head(at->url, URL_MAX))),
		                         .script = er_strdup_slice(at->script),
		                         .line = at->line,
		                         .column = at->column,
		                         .next = p->nodes[parent].first};
		p->nodes[parent].first = (uint32_t)found;
		(void)er_map_set(p->known, er_buf_slice(&key), (void *)found);
	}
	er_buf_fini(&key);
	return found != 0 ? (uint32_t)found : parent;
}

static uint32_t named(er_cpuprofile *p, const char *name)
{
	return child(p, 0, &(place){.name = er_slice_cstr(name), .script = ER_LIT("0")});
}

static uint32_t position(const er_json *f, const char *name)
{
	uint64_t n = er_json_u64(f, name);
	return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 1;
}

/* Where that place of the script is in the sources. */
static bool mapped(const er_cpuprofile *p, er_slice url, uint32_t line, uint32_t column, er_source_pos *out)
{
	return p->map != NULL && er_slice_eq(url, er_slice_cstr(p->url)) && er_sourcemap_find(p->map, line, column, out);
}

/* A frame is named by where its function begins. The wrapper of a bundle is nobody's, and runs the
 * top-level code of many files: there it is where the frame stands that counts. */
static uint32_t frame(er_cpuprofile *p, uint32_t parent, const er_json *f)
{
	er_slice url = er_json_str(f, "url"), id = er_slice_head(er_json_str(f, "sourceID"), 64);
	uint32_t line = position(f, "line"), column = position(f, "column");
	char script[96];
	int n = p->generation > 0 ? snprintf(script, sizeof script, "%u:%.*s", p->generation, ER_FMT(id)) : 0;
	place at = {.name = er_json_str(f, "name"),
	            .script = n > 0 && id.n > 0 ? er_slice_of(script, (size_t)n) : ER_LIT("0"),
	            .url = url,
	            .line = line - 1,
	            .column = column - 1};
	const er_json *here = er_json_member(f, "expressionLocation");
	er_source_pos pos;
	if (mapped(p, url, line, column, &pos)) {
		at.url = pos.source;
		at.base = p->folder;
		at.line = pos.line - 1;
		at.column = pos.column - 1;
	} else if (here != NULL && mapped(p, url, position(here, "line"), position(here, "column"), &pos)) {
		at.name = ER_LIT("(top level)");
		at.url = pos.source;
		at.base = p->folder;
		at.line = at.column = 0;
	}
	return child(p, parent, &at);
}

/* The engine's stacks begin with the innermost frame. Those of the prelude count for whoever called
 * it. */
static uint32_t leaf_of(er_cpuprofile *p, const er_json *frames)
{
	const er_json *list[DEPTH_MAX];
	size_t n = 0;
	ER_JSON_EACH(f, frames)
	{
		if (n < DEPTH_MAX && !er_slice_starts(er_json_str(f, "url"), ER_LIT("er:")))
			list[n++] = f;
	}
	if (n == 0)
		return named(p, "(program)");
	uint32_t at = 0;
	while (n > 0)
		at = frame(p, at, list[--n]);
	return at;
}

/* ---- time ---- */

static uint64_t at_us(const er_cpuprofile *p, double seconds)
{
	uint64_t us = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e6 + 0.5) : 0;
	return us + p->offset;
}

static void add_sample(er_cpuprofile *p, uint32_t leaf, uint64_t at)
{
	if (p->n_samples == SAMPLES_MAX)
		return;
	if (!p->begun)
		p->begin = p->last = at;
	p->begun = true;
	uint64_t delta = at > p->last ? at - p->last : 0;
	p->samples = grown(p->samples, p->n_samples, &p->cap_samples, sizeof *p->samples);
	p->samples[p->n_samples++] = (sample){.leaf = leaf, .delta = delta < UINT32_MAX ? (uint32_t)delta : UINT32_MAX};
	p->last = p->last + delta;
	p->nodes[leaf].hits++;
}

/* The stretches that were over before `at`, from the i-th on: what was idle between them. */
static size_t rest(er_cpuprofile *p, size_t i, uint64_t at)
{
	for (; i < p->n_runs && p->runs[i].to < at; i++) {
		uint64_t next = i + 1 < p->n_runs && p->runs[i + 1].from < at ? p->runs[i + 1].from : at;
		if (p->begun && next > p->runs[i].to + IDLE_US) {
			add_sample(p, named(p, "(idle)"), p->runs[i].to);
			p->idle++;
		}
	}
	return i;
}

void er_cpuprofile_clock(er_cpuprofile *p, double engine, uint64_t us)
{
	p->offset = 0;
	uint64_t at = at_us(p, engine);
	p->offset = us > at ? us - at : 0;
	p->since = us > at ? us : at;
	p->n_runs = 0;
}

void er_cpuprofile_ran(er_cpuprofile *p, double from, double to)
{
	if (p->n_runs == RUNS_MAX || !(to >= from))
		return;
	p->runs = grown(p->runs, p->n_runs, &p->cap_runs, sizeof *p->runs);
	p->runs[p->n_runs++] = (run){.from = at_us(p, from), .to = at_us(p, to)};
}

static double stamp(const er_json *trace)
{
	return er_json_as_double(er_json_member(trace, "timestamp"), 0);
}

/* How far samples are from each other, by those that have a time. */
static uint64_t usual_step(const er_json *traces)
{
	double last = 0, sum = 0;
	unsigned n = 0;
	ER_JSON_EACH(trace, traces)
	{
		double at = stamp(trace), step = at - last;
		if (last > 0 && step > 0 && step < (double)GAP_US / 1e6) {
			sum += step;
			n++;
		}
		last = at;
	}
	return n >= 8 ? (uint64_t)(sum / n * 1e6) + 1 : EVERY_US;
}

/* The step of a row of samples without a time, of which this is the first: the usual one, or less,
 * when they would reach beyond what comes next. */
static uint64_t row_step(const er_cpuprofile *p, const er_json *trace, uint64_t from, uint64_t usual, double end)
{
	uint64_t n = 0;
	for (; trace != NULL && !(stamp(trace) > 0); trace = trace->next)
		n++;
	uint64_t to = at_us(p, trace != NULL ? stamp(trace) : end), most = to > from ? (to - from) / (n + 1) : 0;
	return usual < most ? usual : most;
}

static void add_gap(er_cpuprofile *p, uint64_t at, uint64_t usual)
{
	if (!p->begun || at <= p->last + GAP_US)
		return;
	uint32_t idle = named(p, "(idle)");
	if (p->n_samples > 0 && p->samples[p->n_samples - 1].leaf == idle)
		return;
	add_sample(p, idle, p->last + usual);
	p->idle++;
}

void er_cpuprofile_samples(er_cpuprofile *p, const er_json *samples, double end)
{
	const er_json *traces = er_json_member(samples, "stackTraces");
	uint64_t usual = usual_step(traces), step = 0, at = p->since;
	bool stretches = p->n_runs > 0, row = false;
	size_t next = 0;
	ER_JSON_EACH(trace, traces)
	{
		bool timed = stamp(trace) > 0;
		if (!timed && !row)
			step = row_step(p, trace, at, usual, end);
		row = !timed;
		at = timed ? at_us(p, stamp(trace)) : at + step;
		if (stretches)
			next = rest(p, next, at);
		else
			add_gap(p, at, usual);
		add_sample(p, leaf_of(p, er_json_member(trace, "stackFrames")), at);
	}
	(void)rest(p, next, UINT64_MAX);
	p->n_runs = 0;
	p->since = at_us(p, end);
}

/* ---- what it is asked ---- */

uint64_t er_cpuprofile_count(const er_cpuprofile *p)
{
	return p->n_samples - p->idle;
}

static void put_node(const er_cpuprofile *p, er_out *o, uint32_t i)
{
	const node *v = &p->nodes[i];
	er_out_open(o, NULL, '{');
	er_out_u64(o, "id", i + 1);
	er_out_open(o, "callFrame", '{');
	er_out_cstr(o, "functionName", v->name);
	er_out_cstr(o, "scriptId", v->script);
	er_out_cstr(o, "url", v->url);
	er_out_u64(o, "lineNumber", v->line);
	er_out_u64(o, "columnNumber", v->column);
	er_out_close(o, '}');
	er_out_u64(o, "hitCount", v->hits);
	er_out_open(o, "children", '[');
	for (uint32_t c = v->first; c != 0; c = p->nodes[c].next)
		er_out_u64(o, NULL, c + 1);
	er_out_close(o, ']');
	er_out_close(o, '}');
}

void er_cpuprofile_put(const er_cpuprofile *p, er_out *o)
{
	er_out_open(o, "nodes", '[');
	for (uint32_t i = 0; i < p->n_nodes; i++)
		put_node(p, o, i);
	er_out_close(o, ']');
	er_out_open(o, "samples", '[');
	for (size_t i = 0; i < p->n_samples; i++)
		er_out_u64(o, NULL, p->samples[i].leaf + 1);
	er_out_close(o, ']');
	er_out_open(o, "timeDeltas", '[');
	for (size_t i = 0; i < p->n_samples; i++)
		er_out_u64(o, NULL, p->samples[i].delta);
	er_out_close(o, ']');
	er_out_u64(o, "startTime", p->begin);
	er_out_u64(o, "endTime", p->last);
}

size_t er_cpuprofile_files(const er_cpuprofile *p, er_cpuprofile_file *out, size_t most)
{
	er_map *seen = er_map_new(); /* url: its index and one */
	size_t n = 0;
	for (size_t i = 1; i < p->n_nodes; i++) {
		er_slice url = er_slice_cstr(p->nodes[i].url);
		if (p->nodes[i].hits == 0 || url.n == 0)
			continue;
		uintptr_t at = (uintptr_t)er_map_get(seen, url);
		if (at == 0 && n < most) {
			out[n++] = (er_cpuprofile_file){.url = url};
			at = n;
			(void)er_map_set(seen, url, (void *)at);
		}
		if (at > 0)
			out[at - 1].samples += p->nodes[i].hits;
	}
	er_map_free(seen);
	return n;
}

/* ---- its life ---- */

void er_cpuprofile_generation(er_cpuprofile *p, unsigned generation)
{
	p->generation = generation;
}

/* Up to the slash before the last part. */
static er_slice above(er_slice path)
{
	if (path.n > 0)
		path.n--;
	while (path.n > 0 && path.p[path.n - 1] != '/')
		path.n--;
	return path;
}

void er_cpuprofile_script(er_cpuprofile *p, er_slice url, er_slice map)
{
	er_err err;
	er_free(p->url);
	er_sourcemap_free(p->map);
	p->url = er_strdup_slice(url);
	p->map = map.n > 0 ? er_sourcemap_parse(map, &err) : NULL;
	p->folder = above(above(er_slice_cstr(p->url)));
}

er_cpuprofile *er_cpuprofile_new(void)
{
	er_cpuprofile *p = ER_NEW(er_cpuprofile);
	*p = (er_cpuprofile){.known = er_map_new()};
	p->nodes = grown(NULL, 0, &p->cap_nodes, sizeof *p->nodes);
	p->nodes[p->n_nodes++] = (node){.name = er_strdup_cstr("(root)"), .url = er_strdup_cstr(""), .script = er_strdup_cstr("0")};
	return p;
}

void er_cpuprofile_free(er_cpuprofile *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_nodes; i++) {
		er_free(p->nodes[i].name);
		er_free(p->nodes[i].url);
		er_free(p->nodes[i].script);
	}
	er_free(p->nodes);
	er_free(p->samples);
	er_free(p->runs);
	er_free(p->url);
	er_sourcemap_free(p->map);
	er_map_free(p->known);
	er_free(p);
}
