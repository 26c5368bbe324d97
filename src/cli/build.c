/* er build: bundles a routine into dist/NAME.js and dist/NAME.js.map, the two files that a node
 * takes. The project is loaded and built by the desk (desk.h), which has said what is wrong when it
 * gives no bundle; here the files are written, each whole or not at all. */
#include "cli/args.h"
#include "cli/show.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/file.h"
#include "cli/term.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whole or not at all: written under another name, then renamed. */
static bool write_file(const char *path, er_slice bytes, er_err *err)
{
	char *temp = er_printf("%s.%ld.tmp", path, (long)getpid());
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = er_write_close(fd, bytes) && rename(temp, path) == 0;
	if (!ok) {
		er_fail_errno(err, ER_ERR_IO, "cannot write %s", path);
		(void)unlink(temp);
	}
	er_free(temp);
	return ok;
}

/* The code first: a map without its code is no harm, and the other way round stacks show the
 * script's lines. */
static bool write_bundle(const er_project *p, const er_bundle *b, er_err *err)
{
	ER_ASSERT(b->ok && p->root != NULL && p->name.n > 0);
	char *dist = er_printf("%s/dist", p->root);
	char *code = er_printf("%s/%.*s.js", dist, ER_FMT(p->name)), *map = er_printf("%s.map", code);
	bool ok = mkdir(dist, 0755) == 0 || errno == EEXIST || er_fail_errno(err, ER_ERR_IO, "cannot make the folder %s", dist);
	ok = ok && write_file(code, er_piece_slice(b->code), err) && write_file(map, er_piece_slice(b->map), err);
	er_free(dist);
	er_free(code);
	er_free(map);
	return ok;
}

/* What was built, for a person or as JSON. Paths are relative to the project's folder. */
static void report_json(const er_project *p, const er_bundle *b)
{
	er_out o = {0};
	er_buf file = {0};
	er_out_open(&o, NULL, '{');
	er_out_bool(&o, "ok", true);
	er_out_str(&o, "name", p->name);
	er_out_cstr(&o, "root", p->root);
	er_buf_printf(&file, "dist/%.*s.js.map", ER_FMT(p->name));
	er_out_str(&o, "file", er_slice_head(er_buf_slice(&file), er_buf_len(&file) - 4));
	er_out_str(&o, "map", er_buf_slice(&file));
	er_out_u64(&o, "bytes", b->bytes);
	er_out_u64(&o, "limit_bytes", p->limits.code_n);
	er_out_open(&o, "inputs", '[');
	for (size_t i = 0; i < b->n_inputs; i++) {
		er_out_open(&o, NULL, '{');
		er_out_str(&o, "path", b->inputs[i].path);
		er_out_u64(&o, "bytes", b->inputs[i].bytes);
		er_out_close(&o, '}');
	}
	er_out_close(&o, ']');
	er_caret_json_list(&o, "errors", NULL, 0, false);
	er_caret_json_list(&o, "warnings", b->diags, b->n_diags, true);
	er_show_json(&o);
	er_buf_fini(&file);
}

static void report(const er_project *p, const er_bundle *b)
{
	er_buf out = {0};
	bool colour = er_term_colour(STDOUT_FILENO);
	er_term_put(&out, colour, ER_GREEN, ER_LIT("built "));
	er_buf_printf(&out, "dist/%.*s.js  ", ER_FMT(p->name));
	er_term_put_size(&out, b->bytes);
	er_buf_printf(&out, " of %.0f KB, %llu file%s, %llu ms\n", (double)p->limits.code_n / 1024, (unsigned long long)b->files,
	              b->files == 1 ? "" : "s", (unsigned long long)b->ms);
	er_term_flush(STDOUT_FILENO, &out);
	er_buf_fini(&out);
}

int er_cmd_build(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	bool json = false, full = false, none = false;
	const char *entry = NULL;
	const er_option options[] = {
	    {"json", 0, NULL, "the result as one JSON object on standard output", &json, NULL},
	    {"minify", 'm', NULL, "shorten names too (stacks still show the sources' names)", &full, NULL},
	    {"no-minify", 0, NULL, "leave the script readable", &none, NULL},
	};
	const er_command cmd = {
	    .usage = "er build [ENTRY] [options]",
	    .about = "Bundles a routine (JavaScript, TypeScript, JSON, text, WebAssembly) into dist/NAME.js and dist/NAME.js.map.\n"
	             "ENTRY is a source file or a folder; without it the project (er.jsonc) here or in a folder above is built.",
	    .details = "Exit status: 0 built, 1 there are errors (each with file, line, column), 2 wrong usage.\n",
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &entry);
	if (rc >= 0)
		return rc;
	er_project p;
	er_err err;
	rc = ER_EXIT_FAILED;
	er_bundle *b = er_desk_build(&p, entry, none ? ER_MINIFY_NONE : full ? ER_MINIFY_FULL : ER_MINIFY_DEFAULT, false, json);
	if (b != NULL && p.main == NULL) {
		er_diag d = {
		    .text = ER_LIT("there is nothing to build: the project has no \"main\", and its static files are taken as they are")};
		er_desk_show_failure(&d, 1, json);
	} else if (b != NULL && write_bundle(&p, b, &err)) {
		json ? report_json(&p, b) : report(&p, b);
		rc = ER_EXIT_OK;
	} else if (b != NULL) {
		er_diag d = {.text = er_slice_cstr(err.text)};
		er_desk_show_failure(&d, 1, json);
	}
	er_bundle_free(b);
	er_project_free(&p);
	return rc;
}
