/* What er check warns of by itself. Each of the three questions is asked once, after the bundle is
 * built, and answers with diagnostics in the project's arena.
 *
 * Globals: the bundler lists the free names of the bundle. Which of them exist is nobody's list: a
 * routine that prints those that are missing runs in a real sandbox of the project's profile, and
 * its console is the answer. A sandbox that cannot be had means no warning. Limits: each limit of
 * er.jsonc beside the maximum of a node without settings, with its place in the file. Budget: what
 * the trial of the code used of the CPU for top-level code. Which parts took it is measured in one
 * more run, by the engine's sampling profiler (no clock runs in a sandbox that the code itself
 * could be asked with); where that gives too few samples, the biggest parts of the script are
 * named. */
#include "cli/check_warn.h"

#include "base/jsonc.h"
#include "model/limits.h"

#include <stdlib.h>

enum { NEAR_PERCENT = 50, FILE_MOST = 256 * 1024, SAMPLES_LEAST = 20, FILES_MOST = 4096 };

/* ---- globals ---- */

/* A routine that prints which of the names are not there, in the sandbox that this routine gets. */
static er_piece question(const er_bundle *b)
{
	er_buf code = {0};
	er_buf_puts(&code, "addEventListener('fetch', () => {});\nconsole.log([");
	for (size_t i = 0; i < b->n_globals; i++) {
		er_buf_put_json(&code, b->globals[i].name);
		er_buf_putc(&code, ',');
	}
	er_buf_puts(&code, "].filter((name) => !(name in globalThis)).join(' '));\n");
	er_piece piece = er_piece_copy(er_buf_slice(&code));
	er_buf_fini(&code);
	return piece;
}

static bool says(er_slice text, er_slice name)
{
	er_slice line, word;
	while (er_slice_split(&text, '\n', &line))
		while (er_slice_split(&line, ' ', &word))
			if (er_slice_eq(word, name))
				return true;
	return false;
}

size_t er_check_globals(er_project *p, const er_bundle *b, er_diag *out)
{
	er_project plain = *p; /* borrowed: with limits of its own, and never freed */
	er_probe probe;
	er_err err;
	size_t n = 0;
	if (b->n_globals == 0)
		return 0;
	plain.limits = ER_LIMITS_DEFAULT;
	er_routine *r = er_project_routine(&plain, question(b), (er_piece){0}, ER_LIT("globals"), NULL, 0);
	bool ok = er_probe_run(&p->arena, r, &probe, &err) && probe.loaded;
	er_routine_unref(r);
	for (size_t i = 0; ok && i < b->n_globals; i++)
		if (says(probe.console, b->globals[i].name))
			out[n++] = b->globals[i].diag;
	ER_ASSERT(n <= b->n_globals);
	return n;
}

/* ---- limits ---- */

/* Where the value of limits.NAME stands in er.jsonc; nowhere in particular if that cannot be
 * told. */
static er_diag at_limit(er_project *p, er_slice name, er_slice text)
{
	ER_ASSERT(p->file != NULL && p->file_abs != NULL);
	er_diag d = {.warning = true, .path = er_slice_cstr(p->file), .text = text};
	er_slice file;
	er_err err;
	size_t at;
	if (!er_project_read(&p->arena, p->file_abs, FILE_MOST, &file, &err))
		return d;
	const er_json *root = er_jsonc_parse(&p->arena, file, &at, &err);
	const er_json *limits = root != NULL ? er_json_get(root, ER_LIT("limits")) : NULL;
	const er_json *v = limits != NULL ? er_json_get(limits, name) : NULL;
	if (v == NULL)
		return d;
	er_text_pos from = er_text_where(file, v->at), to = er_text_where(file, v->end);
	d.line = from.line;
	d.column = from.column;
	d.length = to.column > from.column ? to.column - from.column : 1;
	d.line_text = from.line_text;
	return d;
}

size_t er_check_limits(er_project *p, er_diag *out)
{
	const er_limits node = ER_LIMITS_NODE;
	size_t n = 0, n_rows;
	const er_limit *rows = er_limits_rows(&n_rows);
	for (size_t i = 0; p->file != NULL && i < n_rows; i++) {
		unsigned asked = (unsigned)er_limit_get(&rows[i], &p->limits), most = (unsigned)er_limit_get(&rows[i], &node);
		if (asked > most)
			out[n++] = at_limit(p, rows[i].name,
			                    er_arena_printf(&p->arena,
			                                    "limits.%.*s is %u, and a node allows at most %u unless its operator raised it "
			                                    "(routineLimits of its node.jsonc): a default node refuses this routine",
			                                    ER_FMT(rows[i].name), asked, most));
	}
	ER_ASSERT(n <= ER_CHECK_LIMITS);
	return n;
}

/* ---- the start-up budget ---- */

/* What a file is called in such a list: its package as a whole, or by its name. */
static er_slice part_of(er_arena *a, er_slice url)
{
	static const er_slice modules = ER_LIT("node_modules/");
	er_slice rest = {NULL, 0};
	for (size_t i = 0; i < url.n; i++)
		if (er_slice_starts(er_slice_from(url, i), modules))
			rest = er_slice_from(url, i + modules.n);
	if (rest.n > 0) {
		size_t end = er_slice_find(rest, '/');
		if (rest.p[0] == '@' && end < rest.n)
			end += 1 + er_slice_find(er_slice_from(rest, end + 1), '/');
		return er_arena_printf(a, "the package %.*s", ER_FMT(er_slice_head(rest, end)));
	}
	if (er_slice_eq(url, ER_LIT("routine.js")))
		return ER_LIT("what the bundler added");
	return er_slice_starts(url, ER_LIT("node:")) ? ER_LIT("modules of Node.js") : url;
}

/* The biggest first. */
static int by_samples(const void *a, const void *b)
{
	uint64_t x = ((const er_cpuprofile_file *)a)->samples, y = ((const er_cpuprofile_file *)b)->samples;
	return x < y ? 1 : x > y ? -1 : 0;
}

/* Files become parts: each part once. How many there are. */
static size_t parts_of(er_arena *a, er_cpuprofile_file *files, size_t n)
{
	size_t parts = 0;
	for (size_t i = 0; i < n; i++) {
		er_slice name = part_of(a, files[i].url);
		size_t k = 0;
		while (k < parts && !er_slice_eq(files[k].url, name))
			k++;
		uint64_t samples = files[i].samples + (k < parts ? files[k].samples : 0);
		files[k] = (er_cpuprofile_file){.url = name, .samples = samples};
		parts += k == parts ? 1 : 0;
	}
	qsort(files, parts, sizeof *files, by_samples);
	return parts;
}

/* Which parts took the time. 0: too little is known. */
static size_t by_time(er_project *p, er_routine *r, er_diag *notes)
{
	er_cpuprofile *profile = er_cpuprofile_new();
	er_cpuprofile_file *files = er_arena_zalloc(&p->arena, FILES_MOST * sizeof *files);
	size_t n = er_probe_sample(&p->arena, r, profile) ? er_cpuprofile_files(profile, files, FILES_MOST) : 0, said = 0;
	uint64_t all = 0;
	for (size_t i = 0; i < n; i++)
		all += files[i].samples;
	n = all >= SAMPLES_LEAST ? parts_of(&p->arena, files, n) : 0;
	for (size_t i = 0; i < n && i < ER_BUNDLE_PARTS; i++) {
		unsigned percent = (unsigned)((files[i].samples * 100 + all / 2) / all);
		if (percent > 0)
			notes[said++] = (er_diag){.text = er_arena_printf(&p->arena, "%8u %%   %.*s", percent, ER_FMT(files[i].url))};
	}
	er_cpuprofile_free(profile);
	return said;
}

bool er_check_budget(er_project *p, const er_bundle *b, er_routine *r, const er_probe *probe, er_diag *out)
{
	uint64_t limit = p->limits.load_cpu_us;
	ER_ASSERT(p->main != NULL && out != NULL);
	if (!probe->loaded || probe->cpu_us * 100 <= limit * NEAR_PERCENT)
		return false;
	er_diag *notes = er_arena_zalloc(&p->arena, (ER_BUNDLE_PARTS + 1) * sizeof *notes);
	size_t timed = by_time(p, r, notes + 1), n = timed + 1;
	notes[0] = (er_diag){.text = timed > 0 ? ER_LIT("every instance runs all of the script when it starts; of its time went to")
	                                       : ER_LIT("every instance runs all of the script when it starts; most of it is")};
	for (size_t i = 0; timed == 0 && i < b->n_parts; i++)
		notes[n++] = (er_diag){
		    .text = er_arena_printf(&p->arena, "%8.1f KB  %.*s", (double)b->parts[i].bytes / 1024, ER_FMT(b->parts[i].path))};
	*out = (er_diag){.warning = true,
	                 .path = er_arena_printf(&p->arena, "%.*s%s", ER_FMT(p->prefix), p->main),
	                 .text = er_arena_printf(
	                     &p->arena,
	                     "top-level code took %.1f ms CPU of its %.0f ms (limits.loadCpuMs): on a slower or busier machine "
	                     "it is killed; move work into the handler, leave a package out, or raise the limit",
	                     (double)probe->cpu_us / 1000, (double)limit / 1000),
	                 .notes = notes,
	                 .n_notes = n};
	return true;
}
