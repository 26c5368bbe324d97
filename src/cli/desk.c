/* What the desk's commands share (desk.h): a project is loaded and built once, and what is wrong
 * with it is shown at its place, as text on standard error or as one JSON object on standard
 * output. */
#include "cli/desk.h"
#include "cli/show.h"

#include "base/mem.h"
#include "cli/term.h"

#include <unistd.h>

void er_desk_show(const er_diag *diags, size_t n)
{
	ER_ASSERT(n == 0 || diags != NULL);
	er_buf b = {0};
	bool colour = er_term_colour(STDERR_FILENO);
	for (size_t i = 0; i < n; i++)
		er_caret_put(&b, colour, &diags[i]);
	er_term_flush(STDERR_FILENO, &b);
	er_buf_fini(&b);
}

/* Scripts read one member for any failure, of the desk or of a node. */
void er_desk_json_error(er_out *o, const er_diag *diags, size_t n)
{
	ER_ASSERT(o != NULL && (n == 0 || diags != NULL));
	size_t i = 0;
	while (i < n && diags[i].warning)
		i++;
	if (i == n)
		return;
	er_out_open(o, "error", '{');
	er_out_cstr(o, "code", "failed");
	er_out_str(o, "message", diags[i].text);
	er_out_close(o, '}');
}

void er_desk_show_failure(const er_diag *diags, size_t n, bool json)
{
	ER_ASSERT(n == 0 || diags != NULL);
	if (!json) {
		er_desk_show(diags, n);
		return;
	}
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_bool(&o, "ok", false);
	er_desk_json_error(&o, diags, n);
	er_caret_json_list(&o, "errors", diags, n, false);
	er_caret_json_list(&o, "warnings", diags, n, true);
	er_show_json(&o);
}

er_bundle *er_desk_build(er_project *p, const char *where, er_minify minify, bool globals, bool json)
{
	er_diag diag;
	if (!er_project_load(p, where, &diag)) {
		er_desk_show_failure(&diag, 1, json);
		return NULL;
	}
	ER_ASSERT(p->root != NULL);
	if (p->main == NULL)
		return er_bundle_none();
	er_bundle *b = er_bundler_once(p, minify, globals);
	if (!b->ok) {
		er_desk_show_failure(b->diags, b->n_diags, json);
		er_bundle_free(b);
		return NULL;
	}
	if (!json)
		er_desk_show(b->diags, b->n_diags);
	return b;
}
