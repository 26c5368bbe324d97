/* er prefetch: fills the node's cache with URLs before clients ask for them.
 *
 * The URLs are collected first (prefetch_list.h), and go to the node in parts, each a job there;
 * two jobs at a time, so that the node never waits for the next part. A job is asked how far it is
 * until it is over. Its figures are those of its last answer. Ctrl-C cancels the jobs and waits
 * until they have ended; again, it ends this program at once. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/prefetch_list.h"
#include "cli/row.h"
#include "control/prefetch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	JOBS = 2,
	PART_URLS = 1000,
	PART_BYTES = 2 << 20,
	LOOK_LEAST_MS = 20,
	LOOK_MOST_MS = 500,
	LINE_US = 10000000, /* a line of progress where there is no terminal */
	TOLD = 200,
};

/* What a job says of itself, or all together. */
typedef struct figures {
	uint64_t hits, stored, not_stored, failed, bytes;
} figures;

typedef struct job {
	er_slice path; /* "/v1/prefetch/JOB"; empty: there is none */
	figures now;
} job;

/* A URL that was not stored. */
typedef struct told {
	er_slice url, result, reason, text;
	uint64_t status;
} told;

typedef struct run {
	er_row_call *call;
	er_remote *remote;
	er_urls urls;
	size_t next; /* of urls */
	job jobs[JOBS];
	figures over; /* of jobs that are */
	er_out ids;   /* of all jobs, elements of a list */
	told told[TOLD];
	size_t n_told;
	uint64_t untold;
	bool cancelled;
	er_progress progress;
	uint64_t line_us;
	unsigned look_ms;
	uint64_t parallel; /* 0: as the node does */
} run;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- fields ---- */

static const char *agent_of(const char *device)
{
	static const struct {
		const char *device, *agent;
	} agents[] = {{"desktop", "Mozilla/5.0 (X11; Linux x86_64) EdgeRoutine-Prefetch"},
	              {"mobile", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile EdgeRoutine-Prefetch"},
	              {"tablet", "Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) EdgeRoutine-Prefetch"}};
	for (size_t i = 0; i < sizeof agents / sizeof *agents; i++)
		if (er_slice_eq(er_slice_cstr(agents[i].device), er_slice_cstr(device)))
			return agents[i].agent;
	return NULL;
}

/* "name: value", a line each. The API says what is wrong with a name or a value. */
static bool put_headers(er_row_call *c, er_out *body)
{
	er_slice rest = er_slice_cstr(er_row_value(c, ER_LIT("header"))), line;
	const char *device = er_row_value(c, ER_LIT("device"));
	if (device != NULL && agent_of(device) == NULL)
		return er_row_refuse(c, "--device: desktop, mobile or tablet is expected");
	er_out_open(body, "headers", '{');
	while (er_slice_split(&rest, '\n', &line)) {
		size_t colon = er_slice_find(line, ':');
		if (er_slice_trim(line).n == 0)
			continue;
		if (colon == line.n || colon == 0 || !er_utf8_valid(line))
			return er_row_refuse(c, "--header: \"name: value\" is expected; several on lines of their own");
		er_slice name = er_slice_trim(er_slice_head(line, colon));
		if (!er_field_name_ok(name))
			return er_row_refuse(c, "--header: a name of a field has letters, digits and hyphens");
		er_out_str(body, er_arena_cstr(&c->remote.arena, name), er_slice_trim(er_slice_from(line, colon + 1)));
	}
	if (device != NULL)
		er_out_cstr(body, "user-agent", agent_of(device));
	er_out_close(body, '}');
	return true;
}

/* ---- figures ---- */

static void add(figures *to, const figures *f)
{
	to->hits += f->hits;
	to->stored += f->stored;
	to->not_stored += f->not_stored;
	to->failed += f->failed;
	to->bytes += f->bytes;
}

static figures sum_of(const run *x)
{
	figures sum = x->over;
	for (int i = 0; i < JOBS; i++)
		add(&sum, &x->jobs[i].now);
	return sum;
}

static void show_progress(run *x)
{
	figures f = sum_of(x);
	uint64_t done = f.hits + f.stored + f.not_stored + f.failed, now = er_clock_mono_us();
	char line[200];
	ER_ASSERT(x->urls.n > 0);
	(void)snprintf(line, sizeof line, "%llu of %zu URLs, %llu %%: %llu stored, %llu already, %llu not stored, %llu failed",
	               (unsigned long long)done, x->urls.n, (unsigned long long)(done * 100 / x->urls.n),
	               (unsigned long long)f.stored, (unsigned long long)f.hits, (unsigned long long)f.not_stored,
	               (unsigned long long)f.failed);
	const er_slice text = er_slice_cstr(line);
	er_progress_say(&x->progress, text);
	if (x->progress.on || x->remote->json || now - x->line_us < LINE_US)
		return;
	x->line_us = now;
	er_show_note(ER_PLAIN, "", text);
}

static void tell(run *x, told t)
{
	er_arena *a = &x->urls.arena;
	if (x->n_told == TOLD) {
		x->untold++;
		return;
	}
	x->told[x->n_told++] = (told){.url = er_arena_copy(a, t.url),
	                              .result = er_arena_copy(a, t.result),
	                              .reason = er_arena_copy(a, t.reason),
	                              .text = er_arena_copy(a, t.text),
	                              .status = t.status};
}

/* ---- jobs ---- */

/* False: it was said why. */
static bool start(run *x, job *j)
{
	er_out body = {0};
	er_answer a = {0};
	size_t bytes = 0, from = x->next;
	er_out_open(&body, NULL, '{');
	bool ok = put_headers(x->call, &body);
	er_out_cstr(&body, "environment", x->urls.env);
	er_out_bool(&body, "refresh", er_row_flag(x->call, ER_LIT("refresh")));
	if (x->parallel > 0)
		er_out_u64(&body, "parallel", x->parallel);
	er_out_open(&body, "urls", '[');
	for (; x->next < x->urls.n && x->next - from < PART_URLS && bytes < PART_BYTES; x->next++) {
		er_out_str(&body, NULL, x->urls.v[x->next]);
		bytes += x->urls.v[x->next].n;
	}
	er_out_close(&body, ']');
	er_out_close(&body, '}');
	ok = ok && er_remote_call(x->remote, "POST", ER_LIT("/v1/prefetch"), er_buf_slice(&body.b), &a);
	if (ok) {
		er_slice id = er_json_str(a.json, "job");
		*j = (job){.path = er_arena_printf(&x->urls.arena, "/v1/prefetch/%.*s", ER_FMT(id))};
		er_out_str(&x->ids, NULL, id);
		x->look_ms = LOOK_LEAST_MS;
	}
	er_answer_fini(&a);
	er_out_fini(&body);
	return ok;
}

static void read_figures(job *j, const er_json *says)
{
	j->now = (figures){.hits = er_json_u64(says, "hits"),
	                   .stored = er_json_u64(says, "stored"),
	                   .not_stored = er_json_u64(says, "not_stored"),
	                   .failed = er_json_u64(says, "failed"),
	                   .bytes = er_json_u64(says, "stored_bytes")};
}

static void end(run *x, job *j, const er_json *says)
{
	ER_JSON_EACH(one, er_json_member(says, "urls"))
	tell(x, (told){.url = er_json_str(one, "url"),
	               .result = er_json_str(one, "result"),
	               .reason = er_json_str(one, "reason"),
	               .text = er_json_str(one, "text"),
	               .status = er_json_u64(one, "status")});
	x->untold += er_json_u64(says, "urls_left_out");
	add(&x->over, &j->now);
	*j = (job){.path = {0}};
}

/* How far it is. False: nobody knows any more, which was said. */
static bool look(run *x, job *j)
{
	er_arena scratch = {0};
	int status;
	const er_json *says = er_remote_try(x->remote, &scratch, j->path, &status);
	if (says != NULL) {
		read_figures(j, says);
		if (er_json_str(says, "over").n > 0)
			end(x, j, says);
	}
	er_arena_fini(&scratch);
	if (says != NULL)
		return true;
	/* Once more, with words: the node may be away, or have been started anew. */
	er_answer a = {0};
	er_progress_end(&x->progress);
	bool ok = er_remote_get(x->remote, j->path, &a);
	er_answer_fini(&a);
	return ok;
}

static bool cancel(run *x, const job *j)
{
	er_answer a = {0};
	er_progress_end(&x->progress);
	bool ok = er_remote_call(x->remote, "DELETE", j->path, (er_slice){0}, &a);
	er_answer_fini(&a);
	return ok;
}

/* A signal ends it. */
static void pause_ms(unsigned ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	(void)nanosleep(&t, NULL);
}

/* One round: what was asked to end is ended, what may begin begins, and each is looked at. False:
 * it was said why. */
static bool step(run *x)
{
	bool ok = true, cancels = interrupted && !x->cancelled;
	x->cancelled = x->cancelled || interrupted;
	for (int i = 0; ok && i < JOBS; i++) {
		job *j = &x->jobs[i];
		if (j->path.n == 0 && !x->cancelled && x->next < x->urls.n)
			ok = start(x, j);
		else if (j->path.n > 0)
			ok = (!cancels || cancel(x, j)) && look(x, j);
	}
	return ok;
}

static bool is_over(const run *x)
{
	for (int i = 0; i < JOBS; i++)
		if (x->jobs[i].path.n > 0)
			return false;
	return x->cancelled || x->next == x->urls.n;
}

/* False: it was said why. */
static bool go(run *x)
{
	er_progress_init(&x->progress, "prefetching", 0);
	x->line_us = er_clock_mono_us();
	bool ok = true;
	while (ok && !is_over(x)) {
		ok = step(x);
		show_progress(x);
		if (ok && !is_over(x))
			pause_ms(x->look_ms);
		x->look_ms = x->look_ms * 3 / 2 < LOOK_MOST_MS ? x->look_ms * 3 / 2 : LOOK_MOST_MS;
	}
	er_progress_end(&x->progress);
	return ok;
}

/* ---- the end ---- */

/* What the collecting found to be no URL stands with what the node says. */
static void tell_wrong(run *x)
{
	const er_urls *l = &x->urls;
	for (uint64_t i = 0; i < l->n_wrong && i < ER_URLS_WRONG; i++)
		tell(x, (told){.url = l->wrong[i], .result = ER_LIT("failed"), .reason = ER_LIT("no-url"), .text = l->why[i]});
	x->over.failed += l->n_wrong;
	x->untold += l->n_wrong > ER_URLS_WRONG ? l->n_wrong - ER_URLS_WRONG : 0;
}

static void show_json(run *x)
{
	const figures *f = &x->over;
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "state", x->cancelled ? "cancelled" : "done");
	er_out_u64(&o, "total", x->urls.n + x->urls.n_wrong);
	er_out_u64(&o, "hits", f->hits);
	er_out_u64(&o, "stored", f->stored);
	er_out_u64(&o, "not_stored", f->not_stored);
	er_out_u64(&o, "failed", f->failed);
	er_out_u64(&o, "stored_bytes", f->bytes);
	er_out_u64(&o, "twice", x->urls.twice);
	er_out_u64(&o, "sitemaps", x->urls.sitemaps);
	er_out_u64(&o, "other_hosts", x->urls.others);
	er_out_json(&o, "jobs", er_buf_slice(&x->ids.b));
	er_out_open(&o, "urls", '[');
	for (size_t i = 0; i < x->n_told; i++) {
		er_out_open(&o, NULL, '{');
		er_out_str(&o, "url", x->told[i].url);
		er_out_str(&o, "result", x->told[i].result);
		if (x->told[i].status != 0)
			er_out_u64(&o, "status", x->told[i].status);
		er_out_str(&o, "reason", x->told[i].reason);
		er_out_str(&o, "text", x->told[i].text);
		er_out_close(&o, '}');
	}
	er_out_close(&o, ']');
	er_out_u64(&o, "urls_left_out", x->untold);
	er_show_json(&o);
}

static void show_told(run *x)
{
	static const char *const heads[] = {"RESULT", "URL", "WHY"};
	er_table t;
	if (x->n_told == 0)
		return;
	er_table_init(&t, &x->urls.arena, heads, 3);
	for (size_t i = 0; i < x->n_told; i++) {
		er_table_add_styled(&t, ER_YELLOW, x->told[i].result);
		er_table_add(&t, x->told[i].url);
		er_table_add(&t, x->told[i].text);
	}
	er_table_print(&t, "");
	if (x->untold > 0)
		er_show_printf("and %llu more\n", (unsigned long long)x->untold);
}

static void show(run *x)
{
	const figures *f = &x->over;
	size_t all = x->urls.n + x->urls.n_wrong;
	if (x->urls.others > 0)
		er_show_note(ER_PLAIN, "note: ",
		             er_arena_printf(&x->urls.arena, "%llu URLs of other hosts than their sitemap's were left out",
		                             (unsigned long long)x->urls.others));
	er_show_printf("%s %zu URL%s: %llu stored now, %.*s; %llu stored already; %llu not stored; %llu failed\n",
	               x->cancelled ? "cancelled before all was done:" : "prefetched", all, all == 1 ? "" : "s",
	               (unsigned long long)f->stored, ER_FMT(er_show_size(&x->urls.arena, f->bytes)), (unsigned long long)f->hits,
	               (unsigned long long)f->not_stored, (unsigned long long)f->failed);
	show_told(x);
}

static bool collect(run *x)
{
	er_row_call *c = x->call;
	if (er_row_value(c, ER_LIT("parallel")) != NULL && !er_row_number(c, ER_LIT("parallel"), &x->parallel))
		return false;
	bool sitemap = er_row_flag(c, ER_LIT("sitemap"));
	for (size_t i = 0; i < ER_ROW_WORDS && c->words[i] != NULL; i++)
		if (!er_urls_add_word(&x->urls, c->words[i], sitemap))
			return false;
	if (x->urls.n + x->urls.n_wrong == 0)
		er_remote_fail(x->remote, ER_EXIT_FAILED, "empty", "there is no URL in it: a URL a line is expected, or a sitemap");
	return x->urls.n + x->urls.n_wrong > 0;
}

static void prefetch(er_row_call *c)
{
	run *x = er_zalloc(sizeof *x);
	x->call = c;
	x->remote = &c->remote;
	er_urls_init(&x->urls, &c->remote, er_row_value(c, ER_LIT("env")));
	er_out_open(&x->ids, NULL, '[');
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, before_int, before_term;
	if (er_remote_connect(x->remote) && collect(x)) {
		(void)sigaction(SIGINT, &sa, &before_int);
		(void)sigaction(SIGTERM, &sa, &before_term);
		bool ok = go(x);
		(void)sigaction(SIGINT, &before_int, NULL);
		(void)sigaction(SIGTERM, &before_term, NULL);
		tell_wrong(x);
		er_out_close(&x->ids, ']');
		if (ok && x->remote->json)
			show_json(x);
		else if (ok)
			show(x);
		if (ok && x->cancelled)
			x->remote->status = ER_EXIT_FAILED;
		else if (ok && x->over.not_stored + x->over.failed > 0)
			x->remote->status = ER_EXIT_NOT_ALL;
	}
	er_out_fini(&x->ids);
	er_urls_fini(&x->urls);
	er_free(x);
}

const er_row er_row_prefetch = {
    .usage = "er prefetch URL... | FILE | - [--sitemap] [--refresh] [options]",
    .about = "Has the node store answers before clients ask for them: URLs of its sites (with their scheme; a path alone is of "
             "the host "
             "before), a file of them (a URL a line, # begins a comment; - is standard input), or with --sitemap what a sitemap "
             "names: "
             "a URL of one, or a file; XML, text, gzip, or an index of sitemaps. What is fresh is not asked for again.",
    .details = "A URL is asked for as a browser asks. If answers vary, --header and --device say for whom; once for each. Of a "
               "sitemap only URLs of its own host are taken. Ctrl-C cancels what is not done.\n"
               "Exit status: 0 all of it is stored, 8 some of it is not (the table says why), 1 failed or cancelled, 2 called "
               "wrongly, 3 node not reachable, 4 refused (token, role), 5 not found.\n",
    .words = {1, ER_ROW_WORDS},
    .options = {{.name = "sitemap", .help = "the words are sitemaps"},
                {.name = "refresh", .help = "have the origin validate what is fresh as well"},
                {.name = "header", .value = "FIELD", .help = "\"name: value\" of the requests; several on lines of their own"},
                {.name = "device", .value = "D", .help = "ask as a desktop, mobile or tablet"},
                {.name = "parallel",
                 .value = "N",
                 .help = "so many at a time of one site, 1 to 16; 4 if it is not given",
                 .least = 1,
                 .most = ER_PREFETCH_AT_ONCE},
                {ER_ROW_ENV}},
    .run = prefetch,
};
