/* What the desk's commands share (desk.h): a project is loaded and built once, and what is wrong
 * with it is shown at its place, as text on standard error or as one JSON object on standard
 * output. */
#include "cli/desk.h"

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
void er_desk_put_error(er_buf *b, const er_diag *diags, size_t n)
{
	ER_ASSERT(b != NULL && (n == 0 || diags != NULL));
	size_t i = 0;
	while (i < n && diags[i].warning)
		i++;
	if (i == n)
		return;
	er_buf_puts(b, ",\"error\":{\"code\":\"failed\",\"message\":");
	er_buf_put_json(b, diags[i].text);
	er_buf_putc(b, '}');
}

void er_desk_show_failure(const er_diag *diags, size_t n, bool json)
{
	ER_ASSERT(n == 0 || diags != NULL);
	if (!json) {
		er_desk_show(diags, n);
		return;
	}
	er_buf b = {0};
	er_buf_puts(&b, "{\"ok\":false");
	er_desk_put_error(&b, diags, n);
	er_buf_puts(&b, ",\"errors\":");
	er_caret_put_json_list(&b, diags, n, false);
	er_buf_puts(&b, ",\"warnings\":");
	er_caret_put_json_list(&b, diags, n, true);
	er_buf_puts(&b, "}\n");
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

er_bundle *er_desk_build(er_project *p, const char *where, er_minify minify, bool globals, bool json)
{
	er_diag diag;
	if (!er_project_load(p, where, &diag)) {
		er_desk_show_failure(&diag, 1, json);
		return NULL;
	}
	ER_ASSERT(p->main != NULL && p->root != NULL);
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
