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
 * expected, shows as nothing. */
#include "cli/remote.h"

#include "cli/profile.h"
#include "cli/project.h"
#include "control/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
static er_slice why_forbidden(const json_t *error)
{
	er_slice role = er_slice_cstr(er_json_str(error, "role"));
	if (json_is_true(json_object_get(error, "confined")))
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
	const char *code = er_json_str(json_object_get(a->json, "error"), "code");
	switch (a->reply.status) {
	case 401:
		return r->target.token
		           ? er_arena_printf(arena, "the token is not (or no longer) valid: er login %s takes a new one",
		                             er_target_shown(&r->target))
		           : er_arena_printf(arena, "this node wants a token: er login %s, or ER_TOKEN", er_target_shown(&r->target));
	case 403:
		return why_forbidden(json_object_get(a->json, "error"));
	case 429:
		return a->reply.retry_after_s
		           ? er_arena_printf(arena, "too many attempts; again in %llu s", (unsigned long long)a->reply.retry_after_s)
		           : ER_LIT("too many attempts; again in a minute");
	case 503:
		return ER_LIT("try again in a moment; er status shows how the node is");
	default:
		return er_slice_eq(er_slice_cstr(code), ER_LIT("quota"))
		           ? ER_LIT("er versions prune deletes old versions that no environment runs")
		           : (er_slice){NULL, 0};
	}
}

/* The API's sentence, with its field and what was expected where it does not say them itself. */
static void put_error(er_buf *b, const json_t *error)
{
	const char *field = er_json_str(error, "field"), *expected = er_json_str(error, "expected"),
	           *stack = er_json_str(error, "stack");
	er_slice message = er_slice_cstr(er_json_str(error, "message"));
	if (*field && memmem(message.p, message.n, field, er_slice_cstr(field).n) == NULL)
		er_buf_printf(b, "%s: ", field);
	er_buf_put(b, message);
	/* Many messages say themselves what is expected, in words of their own. */
	if (*expected && memmem(message.p, message.n, " expected", 9) == NULL &&
	    memmem(message.p, message.n, expected, er_slice_cstr(expected).n) == NULL)
		er_buf_printf(b, "; expected: %s", expected);
	if (*stack)
		er_buf_printf(b, "\n%s", stack);
	while (er_buf_len(b) && b->p[b->end - 1] == '\n')
		b->end--;
}

void er_remote_refused(er_remote *r, const er_answer *a)
{
	ER_ASSERT(r->target.url != NULL);
	const json_t *error = json_object_get(a->json, "error");
	int status = status_of(a->reply.status);
	if (!json_is_object(error)) {
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
	json_decref(a->json);
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
	if (er_slice_ieq(er_slice_cstr(out->reply.type), ER_LIT("application/json"))) {
		er_slice body = er_buf_slice(&out->reply.body);
		json_error_t why;
		out->json = json_loadb((const char *)body.p, body.n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
	}
	if (out->reply.status >= 200 && out->reply.status < 300)
		return true;
	er_remote_refused(r, out);
	return false;
}

bool er_remote_call(er_remote *r, const char *method, er_slice path, const json_t *body, er_answer *out)
{
	ER_ASSERT(method != NULL && path.n > 0);
	char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	ER_ASSERT(body == NULL || text != NULL);
	er_ask call = {.method = method,
	               .path = path,
	               .body = er_slice_cstr(text),
	               .content_type = text ? "application/json" : NULL,
	               .timeout_ms = r->call_ms ? r->call_ms : CALL_MS};
	bool ok = er_remote_send(r, &call, out);
	/* It may have been a secret. */
	if (text)
		explicit_bzero(text, call.body.n);
	free(text);
	if (ok && out->json == NULL && out->reply.status != 204 && er_buf_len(&out->reply.body) > 0) {
		er_remote_refused(r, out);
		return false;
	}
	return ok;
}

bool er_remote_get(er_remote *r, er_slice path, er_answer *out)
{
	return er_remote_call(r, "GET", path, NULL, out);
}

json_t *er_remote_try(er_remote *r, er_slice path, int *status)
{
	er_err err = {0};
	er_reply reply = {0};
	json_t *json = NULL;
	*status = 0;
	/* As er_remote_connect, but without a word. */
	if (r->client == NULL) {
		er_target_fini(&r->target);
		if (er_target_find(&r->target, r->node, r->profile, &err))
			r->client = er_client_new(&r->target, &err);
	}
	if (r->client && er_client_call(r->client, &(er_ask){.method = "GET", .path = path, .timeout_ms = CALL_MS}, &reply, &err)) {
		er_slice body = er_buf_slice(&reply.body);
		json_error_t why;
		*status = reply.status;
		json = reply.status == 200 ? json_loadb((const char *)body.p, body.n, JSON_ALLOW_NUL, &why) : NULL;
	}
	er_reply_fini(&reply);
	return json;
}

/* Moves what the page has to the end of the list; false: that is all. */
static bool take_page(json_t *items, const json_t *page, uint64_t most)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(page, "items"), i, one)
	{
		if (most && json_array_size(items) >= most)
			return false;
		(void)json_array_append(items, one);
	}
	return !(most && json_array_size(items) >= most);
}

/* "next" is a text or a number; NULL: that was the last page. */
static const char *cursor_of(er_arena *a, const json_t *next)
{
	if (json_is_integer(next))
		return er_arena_cstr(a, er_arena_printf(a, "%lld", (long long)json_integer_value(next)));
	return json_string_value(next);
}

void er_remote_set_items(er_answer *out, json_t *items)
{
	ER_ASSERT(json_is_array(items));
	(void)json_object_set_new(out->json, "items", items);
	(void)json_object_del(out->json, "next");
	char *text = json_dumps(out->json, JSON_COMPACT);
	er_buf_clear(&out->reply.body);
	er_buf_put_cstr(&out->reply.body, text);
	free(text);
}

bool er_remote_list(er_remote *r, er_slice path, uint64_t most, er_answer *out)
{
	json_t *items = json_array();
	er_slice next = path;
	bool more = true;
	for (unsigned pages = 0; more && pages < PAGES_MAX; pages++) {
		if (pages > 0)
			er_answer_fini(out);
		if (!er_remote_get(r, next, out)) {
			json_decref(items);
			return false;
		}
		more = take_page(items, out->json, most);
		const char *cursor = cursor_of(&r->arena, json_object_get(out->json, "next"));
		more = more && cursor && *cursor;
		next = more ? er_remote_query(&r->arena, path, "cursor", cursor) : next;
	}
	er_remote_set_items(out, items);
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

void er_remote_warnings(const er_remote *r, const json_t *answer)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(answer, "warnings"), i, one)
	{
		const char *text = json_is_string(one) ? json_string_value(one) : er_json_str(one, "message");
		if (!r->json)
			er_show_note(ER_YELLOW, "warning: ", er_slice_cstr(text));
	}
}

void er_remote_done(const er_answer *a)
{
	if (er_buf_len(&a->reply.body))
		er_remote_print(a);
	else
		er_show_print(ER_LIT("{\"ok\":true}\n"));
}

void er_remote_change(er_remote *r, const char *method, er_slice path, const json_t *body, const char *fmt, ...)
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
		er_column_print(columns, &r->arena, json_object_get(a->json, "items"), empty);
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
