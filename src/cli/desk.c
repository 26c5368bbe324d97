#include "cli/desk.h"

#include "cli/term.h"

#include <unistd.h>

void er_desk_show(const er_diag *diags, size_t n)
{
	er_buf b = {0};
	bool colour = er_term_colour(STDERR_FILENO);
	for (size_t i = 0; i < n; i++)
		er_caret_put(&b, colour, &diags[i]);
	er_term_flush(STDERR_FILENO, &b);
	er_buf_fini(&b);
}

void er_desk_show_failure(const er_diag *diags, size_t n, bool json)
{
	if (!json) {
		er_desk_show(diags, n);
		return;
	}
	er_buf b = {0};
	er_buf_puts(&b, "{\"ok\":false,\"errors\":");
	er_caret_put_json_list(&b, diags, n, false);
	er_buf_puts(&b, ",\"warnings\":");
	er_caret_put_json_list(&b, diags, n, true);
	er_buf_puts(&b, "}\n");
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

er_bundle *er_desk_build(er_project *p, const char *where, er_minify minify, bool json)
{
	er_diag diag;
	if (!er_project_load(p, where, &diag)) {
		er_desk_show_failure(&diag, 1, json);
		return NULL;
	}
	er_bundle *b = er_bundler_once(p, minify);
	if (!b->ok) {
		er_desk_show_failure(b->diags, b->n_diags, json);
		er_bundle_free(b);
		return NULL;
	}
	if (!json)
		er_desk_show(b->diags, b->n_diags);
	return b;
}
