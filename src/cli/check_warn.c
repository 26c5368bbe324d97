/* What er check warns of by itself. Each of the three questions is asked once, after the bundle is
 * built, and answers with diagnostics in the project's arena.
 *
 * Globals: the bundler lists the free names of the bundle. Which of them exist is nobody's list: a
 * routine that prints those that are missing runs in a real sandbox of the project's profile, and
 * its console is the answer. A sandbox that cannot be had means no warning. Limits: each limit of
 * er.jsonc beside the maximum of a node without settings, with its place in the file. Budget: what
 * the trial of the code used of the CPU for top-level code, with the biggest parts of the script
 * (no clock runs in a sandbox that could tell which of them took the time). */
#include "cli/check_warn.h"

#include "base/jsonc.h"
#include "model/limits.h"

enum { NEAR_PERCENT = 50, FILE_MOST = 256 * 1024 };

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

bool er_check_budget(er_project *p, const er_bundle *b, const er_probe *probe, er_diag *out)
{
	uint64_t limit = p->limits.load_cpu_us;
	ER_ASSERT(p->main != NULL && out != NULL);
	if (!probe->loaded || probe->cpu_us * 100 <= limit * NEAR_PERCENT)
		return false;
	er_diag *notes = er_arena_zalloc(&p->arena, (b->n_parts + 1) * sizeof *notes);
	size_t n = 0;
	notes[n++] = (er_diag){.text = ER_LIT("every instance runs all of the script when it starts; most of it is")};
	for (size_t i = 0; i < b->n_parts; i++)
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
