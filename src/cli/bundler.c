/* The bundler child: node with tools/bundle.mjs (bundler.h).
 *
 * Life of an er_bundler: er_bundler_start spawns the child and reads lines from it; each line is
 * one build, made into an er_bundle and given to on_bundle. The child ends by itself after one
 * build, or watches and goes on. When it has ended (`exited`) and its output is read to the end
 * (`eof`), on_end is called once, in whatever order the two came; a child that said nothing, or
 * that was to watch, gets a last bundle that says so.
 *
 * er_bundler_close may come at any time, also from on_bundle: from then on no callback comes. The
 * child's input is closed and it is told to end; if it has not ended in PATIENCE_MS it is killed.
 * The process handle stays until it is reaped. The object is freed when the last of its four
 * handles has closed.
 *
 * What the child says is ours but built from strangers' sources: numbers and texts are taken as
 * they are and bounded, nothing is trusted to be there. */
#include "cli/bundler.h"

#include "base/json_tree.h"
#include "cli/share.h"

#include <signal.h>
#include <stdio.h>

enum { MAGIC = 0x42554e44, LINE_MAX_BYTES = 256 * 1024 * 1024, DIAGS_MAX = 100, NOTES_MAX = 10 };
enum { PATIENCE_MS = 1000 }; /* how long a child that was told to end may take */

/* From er_bundler_start until the loop has closed process, pipes and timer. */
struct er_bundler {
	uint32_t magic;
	er_bundler_options options;
	er_limits limits;
	er_buf prefix;
	uv_process_t process;
	uv_pipe_t in, out;
	uv_timer_t patience;
	er_buf line;
	size_t scanned; /* bytes of `line` that hold no newline */
	unsigned handles;
	bool closed, said, exited, eof;
	int64_t status;
	int signal;
};

/* Pieces that somebody took are empty here. */
void er_bundle_free(er_bundle *b)
{
	if (b == NULL)
		return;
	er_piece_drop(&b->code);
	er_piece_drop(&b->map);
	er_arena_fini(&b->arena);
	er_free(b);
}

/* ---- reading a result ---- */

/* A copy: the line that it came in is parsed and gone before the bundle is used. */
static er_slice text_of(er_arena *a, const er_json *object, const char *key)
{
	er_slice text = er_json_str(object, key);
	return text.n > 0 ? er_arena_copy(a, text) : (er_slice){NULL, 0};
}

/* Paths come relative to the project's folder and go out relative to the current one. */
static er_slice path_of(er_arena *a, er_slice prefix, const er_json *m)
{
	er_slice path = text_of(a, m, "path");
	return path.n && path.p[0] != '/' ? er_arena_printf(a, "%.*s%.*s", ER_FMT(prefix), ER_FMT(path)) : path;
}

/* A mistake or a warning, with its notes. */
static er_diag diag_of(er_arena *a, er_slice prefix, const er_json *m, bool warning)
{
	er_diag d = {.warning = warning,
	             .path = path_of(a, prefix, m),
	             .line = (unsigned)er_json_u64(m, "line"),
	             .column = (unsigned)er_json_u64(m, "column"),
	             .length = (unsigned)er_json_u64(m, "length"),
	             .text = text_of(a, m, "text"),
	             .line_text = text_of(a, m, "lineText")};
	const er_json *notes = er_json_member(m, "notes");
	if (er_json_first(notes, ER_JSON_ARRAY) == NULL)
		return d;
	er_diag *v = er_arena_zalloc(a, NOTES_MAX * sizeof *v);
	size_t n = 0;
	ER_JSON_EACH(note, notes)
	{
		if (n == NOTES_MAX)
			break;
		v[n++] = (er_diag){.path = path_of(a, prefix, note),
		                   .line = (unsigned)er_json_u64(note, "line"),
		                   .column = (unsigned)er_json_u64(note, "column"),
		                   .length = (unsigned)er_json_u64(note, "length"),
		                   .text = text_of(a, note, "text"),
		                   .line_text = text_of(a, note, "lineText")};
	}
	d.notes = v;
	d.n_notes = n;
	return d;
}

static er_bundle *bundle_new(void)
{
	er_bundle *b = ER_NEW(er_bundle);
	er_arena_init(&b->arena);
	b->diags = er_arena_zalloc(&b->arena, (2 * DIAGS_MAX + 1) * sizeof *b->diags);
	return b;
}

/* Errors and warnings share one array, which has room for DIAGS_MAX of each, and one more
 * (check_size). */
static void add_diags(er_bundle *b, er_slice prefix, const er_json *list, bool warning)
{
	size_t most = b->n_diags + DIAGS_MAX;
	ER_JSON_EACH(one, list)
	{
		if (b->n_diags == most)
			return;
		ER_ASSERT(b->n_diags < 2 * DIAGS_MAX);
		b->diags[b->n_diags++] = diag_of(&b->arena, prefix, one, warning);
	}
}

/* Free names of the code, with the place where each is used first. */
static void add_globals(er_bundle *b, er_slice prefix, const er_json *list)
{
	size_t n = er_json_count(list);
	b->globals = n ? er_arena_zalloc(&b->arena, n * sizeof *b->globals) : NULL;
	ER_JSON_EACH(one, list)
	{
		b->globals[b->n_globals++] =
		    (struct er_bundle_global){text_of(&b->arena, one, "name"), diag_of(&b->arena, prefix, one, true)};
	}
}

/* A routine at or over the limit is refused here as the node would refuse it, with what takes the
 * room. */
static void check_size(er_bundle *b, uint32_t limit)
{
	if (b->bytes < limit)
		return;
	er_diag *notes = er_arena_zalloc(&b->arena, (b->n_inputs + 2) * sizeof *notes);
	size_t n = 0;
	for (size_t i = 0; i < b->n_inputs && i < 5; i++)
		notes[n++] = (er_diag){
		    .text = er_arena_printf(&b->arena, "%8.1f KB  %.*s", (double)b->inputs[i].bytes / 1024, ER_FMT(b->inputs[i].path))};
	notes[n++] =
	    (er_diag){.text = ER_LIT("fetch big data when it is needed, drop a dependency, or raise limits.codeBytes in er.jsonc "
	                             "(the node's operator must allow it)")};
	ER_ASSERT(n <= b->n_inputs + 2 && b->n_diags <= 2 * DIAGS_MAX);
	b->ok = false;
	b->diags[b->n_diags++] = (er_diag){
	    .text = er_arena_printf(&b->arena, "the bundle has %llu bytes; a routine must stay below %u. The biggest inputs:",
	                            (unsigned long long)b->bytes, limit),
	    .notes = notes,
	    .n_notes = n};
}

/* A build that did not come to be: one error, without a place. */
static er_bundle *bundle_failed(er_slice why)
{
	er_bundle *b = bundle_new();
	b->diags[b->n_diags++] = (er_diag){.text = er_arena_copy(&b->arena, why)};
	return b;
}

/* Code and map outlive the bundle, so they are pieces of their own and not in its arena. */
static er_piece piece_of(const er_json *object, const char *key)
{
	return er_piece_copy(er_json_str(object, key));
}

static size_t take_inputs(er_bundle *b, const er_json *list, struct er_bundle_input *out, size_t room)
{
	size_t n = 0;
	ER_JSON_EACH(input, list)
	{
		if (n == room)
			break;
		out[n++] = (struct er_bundle_input){text_of(&b->arena, input, "path"), er_json_u64(input, "bytes")};
	}
	return n;
}

static void take_result(er_bundle *b, const er_json *root, er_slice prefix, const er_limits *limits)
{
	b->ok = er_json_true(root, "ok");
	b->ms = er_json_u64(root, "ms");
	b->bytes = er_json_u64(root, "bytes");
	b->files = er_json_u64(root, "files");
	add_diags(b, prefix, er_json_member(root, "errors"), false);
	add_diags(b, prefix, er_json_member(root, "warnings"), true);
	b->n_inputs = take_inputs(b, er_json_member(root, "inputs"), b->inputs, ER_BUNDLE_INPUTS);
	b->n_parts = take_inputs(b, er_json_member(root, "parts"), b->parts, ER_BUNDLE_PARTS);
	add_globals(b, prefix, er_json_member(root, "globals"));
	if (!b->ok)
		return;
	b->code = piece_of(root, "code");
	b->map = piece_of(root, "map");
	check_size(b, limits->code_n);
}

/* One line of the child. */
static er_bundle *bundle_of(er_slice line, er_slice prefix, const er_limits *limits)
{
	er_arena a;
	er_arena_init(&a);
	const er_json *root = er_json_answer(&a, line);
	er_bundle *b = root != NULL ? bundle_new() : bundle_failed(ER_LIT("the bundler said something that is no JSON"));
	if (root != NULL)
		take_result(b, root, prefix, limits);
	er_arena_fini(&a);
	return b;
}

/* ---- the child ---- */

static void on_handle_closed(uv_handle_t *h)
{
	er_bundler *bd = h->data;
	ER_CHECK(bd, MAGIC);
	ER_ASSERT(bd->closed && bd->handles > 0);
	if (--bd->handles > 0)
		return;
	er_buf_fini(&bd->line);
	er_buf_fini(&bd->prefix);
	bd->magic = 0;
	er_free(bd);
}

/* A process group of its own has its helpers in it. */
static void kill_child(const er_bundler *bd, int sig)
{
	pid_t pid = bd->process.pid;
	if (pid > 1)
		(void)kill(bd->options.watch ? -pid : pid, sig);
}

/* It was told to end and did not: the loop must not wait for it for ever. */
static void on_impatient(uv_timer_t *t)
{
	er_bundler *bd = t->data;
	ER_CHECK(bd, MAGIC);
	if (!bd->exited)
		kill_child(bd, SIGKILL);
}

/* The child is reaped: its handle may close. */
static void close_process(er_bundler *bd)
{
	ER_ASSERT(bd->closed && bd->exited);
	uv_close((uv_handle_t *)&bd->process, on_handle_closed);
	uv_close((uv_handle_t *)&bd->patience, on_handle_closed);
}

void er_bundler_close(er_bundler *bd)
{
	ER_CHECK(bd, MAGIC);
	if (bd->closed)
		return;
	bd->closed = true;
	uv_close((uv_handle_t *)&bd->in, on_handle_closed);
	uv_close((uv_handle_t *)&bd->out, on_handle_closed);
	if (bd->exited) {
		close_process(bd);
		return;
	}
	/* The process handle stays until the child has ended, so that it is reaped. */
	(void)uv_process_kill(&bd->process, SIGTERM);
	(void)uv_timer_start(&bd->patience, on_impatient, PATIENCE_MS, 0);
}

/* on_bundle may close the bundler. */
static void give(er_bundler *bd, er_bundle *b)
{
	ER_ASSERT(!bd->closed && b != NULL);
	bd->said = true;
	bd->options.on_bundle(bd->options.ctx, b);
}

/* The child is gone and all that it said is read. */
static void maybe_end(er_bundler *bd)
{
	if (!bd->exited || !bd->eof || bd->closed)
		return;
	if (!bd->said || bd->options.watch) {
		char text[128];
		int n = bd->signal ? snprintf(text, sizeof text, "the bundler was killed by signal %d", bd->signal)
		                   : snprintf(text, sizeof text, "the bundler ended with status %lld", (long long)bd->status);
		give(bd, bundle_failed(er_slice_of(text, (size_t)n)));
	}
	if (!bd->closed)
		bd->options.on_end(bd->options.ctx);
}

static void on_child_exit(uv_process_t *process, int64_t status, int sig)
{
	er_bundler *bd = process->data;
	ER_CHECK(bd, MAGIC);
	ER_ASSERT(!bd->exited);
	bd->exited = true;
	bd->status = status;
	bd->signal = sig;
	/* Its helper, if it could not end that itself. */
	if (bd->options.watch)
		kill_child(bd, SIGKILL);
	if (bd->closed)
		close_process(bd);
	maybe_end(bd);
}

/* Straight into the buffer of the line, at its end. */
static void on_child_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	er_bundler *bd = h->data;
	*buf = uv_buf_init((char *)er_buf_reserve(&bd->line, suggested), (unsigned)suggested);
}

/* Lines that are whole become bundles; what is left waits for more. on_bundle may close the bundler
 * between two lines, so that is asked anew each time. */
static void on_child_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	er_bundler *bd = s->data;
	ER_CHECK(bd, MAGIC);
	(void)buf;
	if (n < 0) {
		bd->eof = true;
		(void)uv_read_stop(s);
		maybe_end(bd);
		return;
	}
	er_buf_wrote(&bd->line, (size_t)n);
	ER_ASSERT(bd->scanned <= er_buf_len(&bd->line));
	while (!bd->closed) {
		er_slice all = er_buf_slice(&bd->line);
		size_t end = bd->scanned + er_slice_find(er_slice_from(all, bd->scanned), '\n');
		if (end >= all.n) {
			bd->scanned = all.n;
			break;
		}
		er_bundle *b = bundle_of(er_slice_head(all, end), er_buf_slice(&bd->prefix), &bd->limits);
		er_buf_consume(&bd->line, end + 1);
		bd->scanned = 0;
		give(bd, b);
	}
	if (er_buf_len(&bd->line) > LINE_MAX_BYTES && !bd->closed) {
		er_buf_clear(&bd->line);
		bd->scanned = 0;
		give(bd, bundle_failed(ER_LIT("the bundle is far too large")));
		if (!bd->exited && !bd->closed)
			kill_child(bd, SIGKILL);
	}
}

/* The child writes its errors to our standard error by itself. */
static bool spawn(er_bundler *bd, uv_loop_t *loop, const char *script, er_err *err)
{
	static const char *const minify[] = {"default", "none", "full"};
	_Static_assert(sizeof minify / sizeof *minify == ER_MINIFY_FULL + 1, "every degree has its word");
	ER_ASSERT((unsigned)bd->options.minify < sizeof minify / sizeof *minify);
	const er_project *p = bd->options.project;
	const char *args[11] = {"node", script, "--root", p->root, "--entry", p->main, "--minify", minify[bd->options.minify]};
	size_t n = 8;
	if (p->compat & ER_COMPAT_NODEJS)
		args[n++] = "--nodejs";
	if (bd->options.watch || bd->options.globals)
		args[n++] = bd->options.watch ? "--watch" : "--globals";
	ER_ASSERT(n < sizeof args / sizeof *args && args[n] == NULL);
	uv_stdio_container_t stdio[3] = {
	    {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&bd->in},
	    {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&bd->out},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	};
	/* A watching child has a process group of its own: a Ctrl-C at the terminal is for this
	 * process, which then closes the child's input. */
	uv_process_options_t options = {.file = "node",
	                                .args = (char **)(uintptr_t)args,
	                                .stdio = stdio,
	                                .stdio_count = 3,
	                                .exit_cb = on_child_exit,
	                                .flags = bd->options.watch ? UV_PROCESS_DETACHED : 0};
	int rc = uv_spawn(loop, &bd->process, &options);
	if (rc == UV_ENOENT)
		return er_fail(err, ER_ERR_UNAVAILABLE,
		               "node is not installed or not in PATH; the bundler needs it (apt-get install nodejs)");
	if (rc < 0)
		return er_fail(err, ER_ERR_SYSTEM, "cannot start the bundler: %s", uv_strerror(rc));
	return true;
}

er_bundler *er_bundler_start(uv_loop_t *loop, const er_bundler_options *options, er_err *err)
{
	ER_ASSERT(options->project != NULL && options->on_bundle != NULL && options->on_end != NULL);
	er_buf script = {0};
	if (!er_share_find("bundle.mjs", &script, err)) {
		er_buf_fini(&script);
		return NULL;
	}
	er_bundler *bd = ER_NEW(er_bundler);
	bd->magic = MAGIC;
	bd->options = *options;
	bd->limits = options->project->limits;
	er_buf_put(&bd->prefix, options->project->prefix);
	bd->handles = 4; /* in, out, process, patience */
	(void)uv_timer_init(loop, &bd->patience);
	(void)uv_pipe_init(loop, &bd->in, 0);
	(void)uv_pipe_init(loop, &bd->out, 0);
	bd->in.data = bd->out.data = bd->process.data = bd->patience.data = bd;
	bool ok = spawn(bd, loop, (const char *)er_buf_slice(&script).p, err);
	bd->options.project = NULL; /* it was borrowed for the start alone */
	er_buf_fini(&script);
	if (!ok) {
		bd->exited = true;
		er_bundler_close(bd);
		return NULL;
	}
	int rc = uv_read_start((uv_stream_t *)&bd->out, on_child_alloc, on_child_read);
	ER_ASSERT(rc == 0);
	return bd;
}

/* ---- once ---- */

typedef struct once {
	er_bundle *bundle;
} once;

/* The last one counts: a child that ends badly says so after its build. */
static void once_bundle(void *ctx, er_bundle *b)
{
	once *o = ctx;
	er_bundle_free(o->bundle);
	o->bundle = b;
}

static void once_end(void *ctx)
{
	(void)ctx; /* the loop runs dry */
}

er_bundle *er_bundle_none(void)
{
	er_bundle *b = ER_NEW(er_bundle);
	er_arena_init(&b->arena);
	b->ok = true;
	return b;
}

er_bundle *er_bundler_once(const er_project *project, er_minify minify, bool globals)
{
	once o = {0};
	er_err err;
	uv_loop_t loop;
	int rc = uv_loop_init(&loop);
	ER_ASSERT(rc == 0);
	er_bundler *bd = er_bundler_start(
	    &loop,
	    &(er_bundler_options){
	        .project = project, .minify = minify, .globals = globals, .on_bundle = once_bundle, .on_end = once_end, .ctx = &o},
	    &err);
	if (bd == NULL) {
		o.bundle = bundle_failed(er_slice_cstr(err.text));
	} else {
		while ((!bd->exited || !bd->eof) && uv_run(&loop, UV_RUN_ONCE))
			;
		er_bundler_close(bd);
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	rc = uv_loop_close(&loop);
	ER_ASSERT(rc == 0);
	ER_ASSERT(o.bundle != NULL); /* a child that says nothing is told of in a bundle as well */
	return o.bundle;
}
