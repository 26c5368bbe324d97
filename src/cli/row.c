/* The life of a call, made and ended by er_row_run: its words and options are read into
 * er_row_call; then the row's checks, which may end it with a sentence (numbers, the routine that
 * is meant, the yes); then its request, or the function in its place. The answer is shown as the
 * row says: a list by its columns, a sentence, or a function. Whatever ends it early has said why
 * to the er_remote, whose status er_row_run returns. */
#include "cli/row.h"

#include "base/mem.h"
#include "cli/prompt.h"

enum { SHARED_OPTIONS = 4, ASKED_MAX = 63 };

/* ---- values ---- */

/* ER_ROW_OPTIONS: the row has none of that name. */
static size_t option_at(const er_row *row, er_slice name)
{
	ER_ASSERT(name.n > 0);
	size_t i = 0;
	while (i < ER_ROW_OPTIONS && !er_slice_eq(name, er_slice_cstr(row->options[i].name)))
		i++;
	return i;
}

const char *er_row_value(const er_row_call *c, er_slice key)
{
	if (key.n == 1 && key.p[0] >= '0' && key.p[0] <= '9')
		return c->words[key.p[0] - '0'];
	if (er_slice_eq(key, ER_LIT("routine")))
		return c->routine;
	size_t i = option_at(c->row, key);
	return i < ER_ROW_OPTIONS ? c->texts[i] : NULL;
}

bool er_row_flag(const er_row_call *c, er_slice name)
{
	size_t i = option_at(c->row, name);
	return i < ER_ROW_OPTIONS && c->flags[i];
}

static void put_asked(er_buf *b, er_slice s)
{
	er_buf_put(b, er_slice_head(s, ASKED_MAX));
}

/* The template with its values, each written by `put`. */
static er_slice expand(er_row_call *c, const char *template, void (*put)(er_buf *b, er_slice s))
{
	er_buf b = {0};
	ER_ASSERT(template != NULL);
	for (er_slice rest = er_slice_cstr(template); rest.n > 0;) {
		size_t open = er_slice_find(rest, '{'), close = er_slice_find(rest, '}');
		er_buf_put(&b, er_slice_head(rest, open));
		if (open < close)
			put(&b, er_slice_cstr(er_row_value(c, er_slice_from(er_slice_head(rest, close), open + 1))));
		rest = er_slice_from(rest, close + 1);
	}
	er_slice s = er_arena_copy(&c->remote.arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

/* ---- before the call ---- */

bool er_row_number(er_row_call *c, er_slice name, uint64_t *out)
{
	size_t i = option_at(c->row, name);
	ER_ASSERT(i < ER_ROW_OPTIONS && c->row->options[i].most > 0 && c->texts[i] != NULL);
	const er_row_option *o = &c->row->options[i];
	const char *what = er_arena_cstr(&c->remote.arena, er_arena_printf(&c->remote.arena, "--%s", o->name));
	return er_remote_number(&c->remote, what, c->texts[i], o->least, o->most, out);
}

static bool version(er_row_call *c, const char *text, uint64_t *out)
{
	return er_remote_number(&c->remote, "VERSION", text, 1, UINT32_MAX, out);
}

/* Numbers that are there in every call. */
static bool check_numbers(er_row_call *c)
{
	uint64_t n;
	if (c->row->version && !version(c, c->words[0], &n))
		return false;
	for (const er_row_option *o = c->row->options; o < c->row->options + ER_ROW_OPTIONS; o++)
		if (o->preset && o->most && !er_row_number(c, er_slice_cstr(o->name), &n))
			return false;
	return true;
}

/* The environment's full word, and the routine. False: said. */
static bool find_meant(er_row_call *c)
{
	const er_row *row = c->row;
	size_t env = option_at(row, ER_LIT("env"));
	if (env < ER_ROW_OPTIONS && (c->texts[env] = er_remote_env(&c->remote, c->texts[env])) == NULL)
		return false;
	if (row->routine)
		c->routine = er_remote_routine(&c->remote, er_row_value(c, er_slice_cstr(row->routine)));
	return row->routine == NULL || c->routine;
}

/* True: yes, or there is nothing to ask. */
static bool ask(er_row_call *c)
{
	er_err err = {0};
	if (c->row->question == NULL || er_row_flag(c, ER_LIT("yes")) ||
	    er_prompt_yes(er_arena_cstr(&c->remote.arena, expand(c, c->row->question, put_asked)), &err))
		return true;
	er_remote_fail_err(&c->remote, &err);
	return false;
}

/* ---- body ---- */

void er_row_list(er_out *body, const char *key, er_slice text)
{
	er_slice part;
	er_out_open(body, key, '[');
	while (er_slice_split(&text, ',', &part))
		er_out_str(body, NULL, er_slice_trim(part));
	er_out_close(body, ']');
}

bool er_row_refuse(er_row_call *c, const char *text)
{
	er_remote_fail(&c->remote, ER_EXIT_USAGE, "invalid", text);
	return false;
}

/* False: it was said why. */
static bool add_field(er_row_call *c, er_out *body, const er_row_field *f)
{
	uint64_t n = 0;
	ER_ASSERT(f->key != NULL && f->from != NULL);
	er_slice from = er_slice_cstr(f->from), text = er_slice_cstr(er_row_value(c, from));
	if (text.p == NULL)
		return true;
	if ((f->kind == ER_ROW_NUMBER && !er_row_number(c, from, &n)) ||
	    (f->kind == ER_ROW_VERSION && !version(c, er_row_value(c, from), &n)))
		return false;
	if (!er_utf8_valid(text))
		return c->row->not_utf8 == NULL || er_row_refuse(c, c->row->not_utf8);
	if (f->kind == ER_ROW_TEXT)
		er_out_str(body, f->key, text);
	else if (f->kind == ER_ROW_LIST)
		er_row_list(body, f->key, text);
	else
		er_out_u64(body, f->key, n);
	return true;
}

/* Nothing is written for a call that has none. False: it was said why. */
static bool make_body(er_row_call *c, er_out *body)
{
	const er_row *row = c->row;
	if (row->make_body == NULL && row->body[0].key == NULL)
		return true;
	er_out_open(body, NULL, '{');
	bool ok = row->make_body == NULL || row->make_body(c, body);
	for (size_t i = 0; ok && row->make_body == NULL && i < ER_ROW_FIELDS && row->body[i].key; i++)
		ok = add_field(c, body, &row->body[i]);
	er_out_close(body, '}');
	return ok;
}

/* ---- call and answer ---- */

/* All of it, or as much as --limit says. */
static bool fetch_list(er_row_call *c, er_slice path, er_answer *a)
{
	uint64_t most = 0;
	if (!c->row->paged)
		return er_remote_list(&c->remote, path, 0, a);
	if (er_row_value(c, ER_LIT("limit")) && !er_row_number(c, ER_LIT("limit"), &most))
		return false;
	return er_remote_pages(&c->remote, path, most, a);
}

static void list(er_row_call *c, er_slice path)
{
	ER_ASSERT(c->row->empty != NULL && c->row->columns[0].head != NULL);
	er_answer a = {0};
	bool ok = fetch_list(c, path, &a);
	bool filtered = c->row->unmatched && er_row_value(c, er_slice_cstr(c->row->query));
	er_remote_show_list(&c->remote, &a, ok, c->row->columns, filtered ? c->row->unmatched : c->row->empty);
}

static void say(er_slice sentence)
{
	er_show_printf("%.*s\n", ER_FMT(sentence));
}

/* A call that is no list: --json gets the answer as it came, a person the row's sentence or
 * function. */
static void change(er_row_call *c, const char *method, er_slice path, er_slice body)
{
	const er_row *row = c->row;
	ER_ASSERT(row->show != NULL || row->said != NULL);
	er_answer a = {0};
	if (er_remote_call(&c->remote, method, path, body, &a)) {
		if (c->remote.json)
			er_remote_done(&a);
		else if (row->show)
			row->show(c, a.json);
		else
			say(expand(c, row->said, er_buf_put));
		er_remote_warnings(&c->remote, a.json);
	}
	er_answer_fini(&a);
}

/* The one request that the row is about. */
static void request(er_row_call *c)
{
	const er_row *row = c->row;
	er_out body = {0};
	ER_ASSERT(row->request != NULL);
	if (make_body(c, &body)) {
		er_slice path = expand(c, row->request, er_remote_put_segment), method = {NULL, 0};
		(void)er_slice_split(&path, ' ', &method);
		if (row->query)
			path = er_remote_query(&c->remote.arena, path, row->query, er_row_value(c, er_slice_cstr(row->query)));
		if (row->empty)
			list(c, path);
		else
			change(c, er_arena_cstr(&c->remote.arena, method), path, er_buf_slice(&body.b));
	}
	er_out_fini(&body);
}

int er_row_run(const er_row *row, int argc, char **argv)
{
	ER_ASSERT((row->run != NULL) != (row->request != NULL) && row->words[0] <= row->words[1] && row->words[1] <= ER_ROW_WORDS);
	er_row_call c = {.row = row, .remote = {.call_ms = row->wait_ms}};
	const er_option shared[SHARED_OPTIONS] = {ER_REMOTE_OPTIONS(&c.remote)};
	er_option options[ER_ROW_OPTIONS + SHARED_OPTIONS];
	size_t n = 0;
	for (; n < ER_ROW_OPTIONS && row->options[n].name; n++) {
		const er_row_option *o = &row->options[n];
		c.texts[n] = o->preset;
		options[n] = (er_option){o->name, o->letter, o->value, o->help, &c.flags[n], &c.texts[n]};
	}
	er_copy(options + n, shared, sizeof shared);
	const er_command cmd = {
	    .usage = row->usage,
	    .about = row->about,
	    .details = row->details ? row->details : ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = n + SHARED_OPTIONS,
	    .max_words = row->words[1],
	    .least_words = row->words[0],
	};
	int rc = er_args_parse(&cmd, argc, argv, c.words);
	if (rc >= 0)
		return rc;
	if (check_numbers(&c) && find_meant(&c) && ask(&c))
		(row->run ? row->run : request)(&c);
	return er_remote_close(&c.remote);
}
