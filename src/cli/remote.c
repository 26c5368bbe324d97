/* What every command to a node shares (remote.h). An er_remote is on the stack of its command, zero
 * at first; the connection is made at the first call, and er_remote_close frees everything and
 * gives the exit status.
 *
 * Whatever fails is said once, where it happens: as a sentence on standard error, or with --json as
 * {"error": {...}} on standard output, and r->status is set. So a caller that is told false has
 * nothing left to say. A refusal of the API is shown as the API says it, with what to do next where
 * only this side can know that.
 *
 * Answers are the node's and may be anything: JSON that is not there, or of another type than
 * expected, shows as nothing. Their trees lie in the er_remote's arena, also when the answer is
 * finished. */
#include "cli/remote.h"

#include "cli/profile.h"
#include "cli/project.h"
#include "control/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { CALL_MS = 60000, PAGES_MAX = 100000, PAGE_MOST = 1000 };

/* ---- paths ---- */

/* All but the unreserved characters of RFC 3986 2.3. */
static void put_encoded(er_buf *b, er_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool plain = (er_lower(c) >= 'a' && er_lower(c) <= 'z') || (c >= '0' && c <= '9') || er_slice_find(ER_LIT("-._~"), c) < 4;
		if (plain)
			er_buf_putc(b, c);
		else
			er_buf_printf(b, "%%%02X", c);
	}
}

void er_remote_put_segment(er_buf *b, er_slice s)
{
	ER_ASSERT(b != NULL);
	bool dots = er_slice_eq(s, ER_LIT(".")) || er_slice_eq(s, ER_LIT(".."));
	for (size_t i = 0; dots && i < s.n; i++)
		er_buf_puts(b, "%2E");
	if (!dots)
		put_encoded(b, s);
}

er_slice er_remote_path(er_arena *a, const char *fmt, ...)
{
	va_list ap;
	ER_ASSERT(fmt[0] == '/');
	er_buf b = {0};
	va_start(ap, fmt);
	for (er_slice rest = er_slice_cstr(fmt); rest.n > 0; rest = er_slice_from(rest, 1)) {
		if (er_slice_starts(rest, ER_LIT("{}"))) {
			er_remote_put_segment(&b, er_slice_cstr(va_arg(ap, const char *)));
			rest = er_slice_from(rest, 1);
		} else {
			er_buf_putc(&b, rest.p[0]);
		}
	}
	va_end(ap);
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

er_slice er_remote_query(er_arena *a, er_slice path, const char *name, const char *value)
{
	ER_ASSERT(name != NULL && path.n > 0);
	if (value == NULL)
		return path;
	er_buf b = {0};
	er_buf_put(&b, path);
	er_buf_putc(&b, er_slice_find(path, '?') < path.n ? '&' : '?');
	er_buf_put_cstr(&b, name);
	er_buf_putc(&b, '=');
	put_encoded(&b, er_slice_cstr(value));
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

/* ---- failures ---- */

void er_remote_fail(er_remote *r, int status, const char *code, const char *text)
{
	ER_ASSERT(status != ER_EXIT_OK && code != NULL && text != NULL);
	r->status = status;
	er_show_error(r->json, code, er_slice_cstr(text), NULL);
}

void er_remote_fail_err(er_remote *r, const er_err *err)
{
	ER_ASSERT(err->kind != ER_ERR_OK);
	switch (err->kind) {
	case ER_ERR_CONNECT:
	case ER_ERR_DNS:
	case ER_ERR_TLS:
	case ER_ERR_TIMEOUT:
		er_remote_fail(r, ER_EXIT_UNREACHABLE, err->kind == ER_ERR_TIMEOUT ? "timeout" : "unreachable", err->text);
		break;
	case ER_ERR_NO_ROUTE:
		er_remote_fail(r, ER_EXIT_NOT_FOUND, "not-found", err->text);
		break;
	case ER_ERR_INVALID:
		er_remote_fail(r, ER_EXIT_USAGE, "invalid", err->text);
		break;
	default:
		er_remote_fail(r, ER_EXIT_FAILED, er_err_name(err->kind), err->text);
	}
}

/* Of the command, for a refusal with that status of HTTP. */
static int status_of(int http)
{
	return http == 401 || http == 403 || http == 429 ? ER_EXIT_REFUSED : http == 404 ? ER_EXIT_NOT_FOUND : ER_EXIT_FAILED;
}

/* What helps is another token, of the right kind: the refusal says whether it is the role or the
 * routines of this one. */
static er_slice why_forbidden(const er_json *error)
{
	er_slice role = er_json_str(error, "role");
	if (er_json_true(error, "confined"))
		return ER_LIT(
		    "er whoami shows which routines it is for; an administrator makes a token for others: er token add NAME --role "
		    "deploy --routines ROUTINE");
	if (er_slice_eq(role, ER_LIT("admin")))
		return ER_LIT(
		    "an administrator has to do this: whoever may open the node's socket, or a token of the role admin (er token add "
		    "NAME --role admin)");
	return role.n > 0 ? ER_LIT("an administrator makes a token of that role: er token add NAME --role deploy") : (er_slice){0};
}

/* What to do next, where the API's own sentence cannot know it. */
static er_slice advice(const er_remote *r, const er_answer *a, er_arena *arena)
{
	const er_json *error = er_json_member(a->json, "error");
	switch (a->reply.status) {
	case 401:
		return r->target.token
		           ? er_arena_printf(arena, "the token is not (or no longer) valid: er login %s takes a new one",
		                             er_target_shown(&r->target))
		           : er_arena_printf(arena, "this node wants a token: er login %s, or ER_TOKEN", er_target_shown(&r->target));
	case 403:
		return why_forbidden(error);
	case 429:
		return a->reply.retry_after_s
		           ? er_arena_printf(arena, "too many attempts; again in %llu s", (unsigned long long)a->reply.retry_after_s)
		           : ER_LIT("too many attempts; again in a minute");
	case 503:
		return ER_LIT("try again in a moment; er status shows how the node is");
	default:
		return er_slice_eq(er_json_str(error, "code"), ER_LIT("quota"))
		           ? ER_LIT("er versions prune deletes old versions that no environment runs")
		           : (er_slice){NULL, 0};
	}
}

static bool says(er_slice message, er_slice what)
{
	return message.n >= what.n && memmem(message.p, message.n, what.p, what.n) != NULL;
}

/* The API's sentence, with its field and what was expected where it does not say them itself. */
static void put_error(er_buf *b, const er_json *error)
{
	er_slice field = er_json_str(error, "field"), expected = er_json_str(error, "expected"), stack = er_json_str(error, "stack"),
	         message = er_json_str(error, "message");
	if (field.n > 0 && !says(message, field))
		er_buf_printf(b, "%.*s: ", ER_FMT(field));
	er_buf_put(b, message);
	/* Many messages say themselves what is expected, in words of their own. */
	if (expected.n > 0 && !says(message, ER_LIT(" expected")) && !says(message, expected))
		er_buf_printf(b, "; expected: %.*s", ER_FMT(expected));
	if (stack.n > 0)
		er_buf_printf(b, "\n%.*s", ER_FMT(stack));
	while (er_buf_len(b) && b->p[b->end - 1] == '\n')
		b->end--;
}

void er_remote_refused(er_remote *r, const er_answer *a)
{
	ER_ASSERT(r->target.url != NULL);
	const er_json *error = er_json_member(a->json, "error");
	int status = status_of(a->reply.status);
	if (!er_json_is(error, ER_JSON_OBJECT)) {
		char text[512];
		(void)snprintf(
		    text, sizeof text,
		    "%s answered %d%s%s, and not as a node's admin API does. Is this the admin address (and not the one of clients)?",
		    er_target_shown(&r->target), a->reply.status, a->reply.type[0] ? " with " : "", a->reply.type);
		er_remote_fail(r, status, "not-a-node", text);
		return;
	}
	r->status = status;
	if (r->json) {
		er_remote_print(a);
		return;
	}
	er_buf b = {0};
	put_error(&b, error);
	er_show_note(ER_RED, "error: ", er_buf_slice(&b));
	er_slice next = advice(r, a, &r->arena);
	if (next.n)
		er_show_note(ER_DIM, "", next);
	er_buf_fini(&b);
}

/* ---- calls ---- */

void er_answer_fini(er_answer *a)
{
	er_reply_fini(&a->reply);
	*a = (er_answer){0};
}

bool er_remote_connect(er_remote *r)
{
	er_err err = {0};
	uint64_t seconds = 0;
	if (r->client)
		return true;
	if (r->timeout && !er_remote_number(r, "--timeout", r->timeout, 1, 86400, &seconds))
		return false;
	r->wait_ms = (unsigned)seconds * 1000;
	if (er_target_find(&r->target, r->node, r->profile, &err))
		r->client = er_client_new(&r->target, &err);
	ER_ASSERT(r->client == NULL || r->target.url != NULL);
	if (r->client == NULL) {
		er_remote_fail_err(r, &err);
		er_target_fini(&r->target);
	}
	return r->client != NULL;
}

bool er_remote_send(er_remote *r, const er_ask *call, er_answer *out)
{
	er_err err = {0};
	ER_ASSERT(call->method != NULL && out != NULL);
	*out = (er_answer){0};
	if (!er_remote_connect(r))
		return false;
	er_ask mine = *call;
	if (r->wait_ms && mine.timeout_ms)
		mine.timeout_ms = r->wait_ms;
	if (!er_client_call(r->client, &mine, &out->reply, &err)) {
		er_remote_fail_err(r, &err);
		return false;
	}
	if (er_slice_ieq(er_slice_cstr(out->reply.type), ER_LIT("application/json")))
		out->json = er_json_answer(&r->arena, er_buf_slice(&out->reply.body));
	if (out->reply.status >= 200 && out->reply.status < 300)
		return true;
	er_remote_refused(r, out);
	return false;
}

bool er_remote_call(er_remote *r, const char *method, er_slice path, er_slice body, er_answer *out)
{
	ER_ASSERT(method != NULL && path.n > 0);
	er_ask call = {.method = method,
	               .path = path,
	               .body = body,
	               .content_type = body.n > 0 ? "application/json" : NULL,
	               .timeout_ms = r->call_ms ? r->call_ms : CALL_MS};
	bool ok = er_remote_send(r, &call, out);
	if (ok && out->json == NULL && out->reply.status != 204 && er_buf_len(&out->reply.body) > 0) {
		er_remote_refused(r, out);
		return false;
	}
	return ok;
}

bool er_remote_get(er_remote *r, er_slice path, er_answer *out)
{
	return er_remote_call(r, "GET", path, (er_slice){0}, out);
}

const er_json *er_remote_try(er_remote *r, er_arena *a, er_slice path, int *status)
{
	er_err err = {0};
	er_reply reply = {0};
	const er_json *json = NULL;
	*status = 0;
	/* As er_remote_connect, but without a word. */
	if (r->client == NULL) {
		er_target_fini(&r->target);
		if (er_target_find(&r->target, r->node, r->profile, &err))
			r->client = er_client_new(&r->target, &err);
	}
	if (r->client && er_client_call(r->client, &(er_ask){.method = "GET", .path = path, .timeout_ms = CALL_MS}, &reply, &err)) {
		*status = reply.status;
		json = reply.status == 200 ? er_json_answer(a, er_buf_slice(&reply.body)) : NULL;
	}
	er_reply_fini(&reply);
	return json;
}

/* Adds what the page has to the list; false: that is all. */
static bool take_page(er_arena *a, er_json_list *items, const er_json *page, uint64_t most)
{
	ER_JSON_EACH(one, er_json_member(page, "items"))
	{
		if (most && items->n >= most)
			return false;
		er_json_add(a, items, one);
	}
	return !(most && items->n >= most);
}

/* "next" is a text or a number; NULL: that was the last page. */
static const char *cursor_of(er_arena *a, const er_json *next)
{
	bool there = er_json_is(next, ER_JSON_NUMBER) || er_json_is(next, ER_JSON_STRING);
	return there && next->text.n > 0 ? er_arena_cstr(a, next->text) : NULL;
}

void er_remote_set_items(er_remote *r, er_answer *out, er_json_list *items)
{
	out->json = er_json_with(&r->arena, out->json, ER_LIT("items"), er_json_list_value(&r->arena, items));
	out->json = er_json_with(&r->arena, out->json, ER_LIT("next"), NULL);
	er_buf_clear(&out->reply.body);
	er_json_write(&out->reply.body, out->json);
}

bool er_remote_list(er_remote *r, er_slice path, uint64_t most, er_answer *out)
{
	er_json_list items = {0};
	er_slice next = path;
	bool more = true;
	for (unsigned pages = 0; more && pages < PAGES_MAX; pages++) {
		if (pages > 0)
			er_answer_fini(out);
		if (!er_remote_get(r, next, out))
			return false;
		more = take_page(&r->arena, &items, out->json, most);
		const char *cursor = cursor_of(&r->arena, er_json_member(out->json, "next"));
		more = more && cursor != NULL;
		next = more ? er_remote_query(&r->arena, path, "cursor", cursor) : next;
	}
	er_remote_set_items(r, out, &items);
	return true;
}

bool er_remote_pages(er_remote *r, er_slice path, uint64_t most, er_answer *out)
{
	ER_ASSERT(path.n > 0);
	uint64_t page = most && most < PAGE_MOST ? most : PAGE_MOST;
	char *limit = er_arena_cstr(&r->arena, er_arena_printf(&r->arena, "%llu", (unsigned long long)page));
	return er_remote_list(r, er_remote_query(&r->arena, path, "limit", limit), most, out);
}

void er_remote_print(const er_answer *a)
{
	er_buf b = {0};
	er_buf_put(&b, er_buf_slice(&a->reply.body));
	if (er_buf_len(&b) && b.p[b.end - 1] != '\n')
		er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

void er_remote_warnings(const er_remote *r, const er_json *answer)
{
	ER_JSON_EACH(one, er_json_member(answer, "warnings"))
	{
		er_slice text = er_json_is(one, ER_JSON_STRING) ? one->text : er_json_str(one, "message");
		if (!r->json)
			er_show_note(ER_YELLOW, "warning: ", text);
	}
}

void er_remote_done(const er_answer *a)
{
	if (er_buf_len(&a->reply.body))
		er_remote_print(a);
	else
		er_show_print(ER_LIT("{\"ok\":true}\n"));
}

void er_remote_change(er_remote *r, const char *method, er_slice path, er_slice body, const char *fmt, ...)
{
	ER_ASSERT(method != NULL && fmt != NULL);
	er_answer a = {0};
	if (er_remote_call(r, method, path, body, &a)) {
		va_list ap;
		va_start(ap, fmt);
		if (r->json)
			er_remote_done(&a);
		else
			er_show_vprintf(fmt, ap);
		va_end(ap);
		er_remote_warnings(r, a.json);
	}
	er_answer_fini(&a);
}

/* ---- what is meant ---- */

const char *er_remote_routine(er_remote *r, const char *name)
{
	if (name && !er_name_ok(er_slice_cstr(name))) {
		er_slice text = er_arena_printf(&r->arena, "\"%s\" cannot be a routine's name: a to z, 0 to 9 and -, at most 63", name);
		er_remote_fail(r, ER_EXIT_USAGE, "invalid", er_arena_cstr(&r->arena, text));
		return NULL;
	}
	if (name)
		return name;
	er_project p;
	er_diag diag;
	bool ok = er_project_load(&p, NULL, &diag);
	const char *found = ok && p.file ? er_arena_cstr(&r->arena, p.name) : NULL;
	if (!ok && p.file && r->json) {
		er_slice place = diag.line ? er_arena_printf(&r->arena, "%.*s:%u:%u: ", ER_FMT(diag.path), diag.line, diag.column)
		                           : er_arena_printf(&r->arena, "%.*s%s", ER_FMT(diag.path), diag.path.n ? ": " : "");
		er_slice text = er_arena_printf(&r->arena, "%.*s%.*s", ER_FMT(place), ER_FMT(diag.text));
		er_remote_fail(r, ER_EXIT_FAILED, "invalid", er_arena_cstr(&r->arena, text));
	} else if (!ok && p.file) {
		er_buf b = {0};
		er_caret_put(&b, er_term_colour(STDERR_FILENO), &diag);
		er_term_flush(STDERR_FILENO, &b);
		er_buf_fini(&b);
		r->status = ER_EXIT_FAILED;
	} else if (found == NULL) {
		er_remote_fail(r, ER_EXIT_USAGE, "invalid",
		               "which routine? Name it (--name NAME), or call this in the folder of its er.jsonc");
	}
	er_project_free(&p);
	return found;
}

const char *er_remote_env(er_remote *r, const char *name)
{
	static const struct {
		const char *word, *env;
	} words[] = {{"production", "production"}, {"prod", "production"}, {"staging", "staging"}, {"stage", "staging"}};
	if (name == NULL)
		return "production";
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (er_slice_eq(er_slice_cstr(name), er_slice_cstr(words[i].word)))
			return words[i].env;
	er_slice text = er_arena_printf(&r->arena, "--env: \"%s\" is no environment; there are production and staging", name);
	er_remote_fail(r, ER_EXIT_USAGE, "invalid", er_arena_cstr(&r->arena, text));
	return NULL;
}

bool er_remote_number(er_remote *r, const char *what, const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	ER_ASSERT(what != NULL && text != NULL && least <= most);
	if (er_slice_u64(er_slice_cstr(text), out) && *out >= least && *out <= most)
		return true;
	er_slice s = er_arena_printf(&r->arena, "%s: a whole number from %llu to %llu is expected, not \"%s\"", what,
	                             (unsigned long long)least, (unsigned long long)most, text);
	er_remote_fail(r, ER_EXIT_USAGE, "invalid", er_arena_cstr(&r->arena, s));
	return false;
}

void er_remote_show_list(er_remote *r, er_answer *a, bool ok, const er_column *columns, const char *empty)
{
	if (ok && r->json) {
		er_remote_print(a);
	} else if (ok) {
		er_column_print(columns, &r->arena, er_json_member(a->json, "items"), empty);
	}
	er_answer_fini(a);
}

int er_remote_close(er_remote *r)
{
	er_client_free(r->client);
	er_target_fini(&r->target);
	er_arena_fini(&r->arena);
	return r->status;
}
