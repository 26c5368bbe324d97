/* One HTTP client for everything that talks to a node (client.h), on libcurl's easy interface.
 *
 * An er_client has one handle, which keeps its connection for the next call; everything else of a
 * call is set anew. While er_client_call runs, `call` and `reply` are set, and libcurl's callbacks
 * find in them what to do; afterwards they are NULL. Bytes of a 2xx answer go to on_data if the
 * caller has one, else into the reply's body, which is bounded. The token is in a field that is
 * wiped when the call is over, and goes to the target alone: redirects are not followed.
 *
 * Failures are told in words that say what to do next; an answer of any status is an answer. */
#include "cli/client.h"

#include "base/clock.h"
#include "http/url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAGIC = 0x434c4e54, CONNECT_MS = 5000, SILENCE_S = 45, BODY_MAX = 256 * 1024 * 1024, METADATA_MAX = 16 * 1024 };

/* One easy handle, used for one call after the other. `reply` and what follows are of the call
 * under way. */
struct er_client {
	uint32_t magic;
	const er_target *target;
	CURL *easy;
	char why[CURL_ERROR_SIZE];
	/* of the call that runs */
	const er_ask *call;
	er_reply *reply;
	er_slice unsent;
	uint64_t began;
	bool too_large;
};

/* ---- where a node is ---- */

/* Bytes of 0x80 and beyond are a name's: the URL parser decides about them. */
static bool host_ok(er_slice s)
{
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7f || er_slice_find(ER_LIT("/?#@\\\"'<>"), s.p[i]) < 9)
			return false;
	return true;
}

/* A name beyond ASCII in the form that name servers know ("xn--..."), which messages and the
 * profile then show. NULL: there is no such name. */
static char *ascii_url(er_slice scheme, er_slice host)
{
	char *text = er_printf("%.*s://%.*s/", ER_FMT(scheme), ER_FMT(host)), *out = NULL;
	er_url u;
	if (er_url_parse(&u, er_slice_cstr(text), NULL)) {
		er_slice ascii = er_url_get(&u, ER_URL_HOST);
		if (er_slice_ascii(ascii))
			out = er_printf("%.*s://%.*s", ER_FMT(scheme), ER_FMT(ascii));
		er_url_fini(&u);
	}
	er_free(text);
	return out;
}

/* A bare name that is a socket here; a host is never called so by accident of somebody else. */
static bool is_socket_of_ours(er_slice where)
{
	struct stat st;
	char *path = er_strdup_slice(where);
	bool is = where.n > 0 && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0);
	er_free(path);
	return is;
}

/* data/admin.sock as well as ./data/admin.sock, and admin.sock if it is there; HOST:PORT/ is
 * none. */
static bool looks_like_path(er_slice where)
{
	if (is_socket_of_ours(where))
		return true;
	if (er_slice_starts(where, ER_LIT("/")) || er_slice_starts(where, ER_LIT(".")))
		return true;
	while (er_slice_ends(where, ER_LIT("/")))
		where.n--;
	return where.n > 0 && memchr(where.p, '/', where.n) != NULL && memmem(where.p, where.n, "://", 3) == NULL;
}

bool er_target_parse(er_target *t, er_slice where, er_err *err)
{
	ER_ASSERT(where.n == 0 || where.p != NULL);
	*t = (er_target){0};
	bool named = er_slice_starts(where, ER_LIT("unix:"));
	if (named || looks_like_path(where)) {
		er_slice path = er_slice_from(where, named ? 5 : 0);
		if (path.n == 0 || path.n >= sizeof((struct sockaddr_un *)NULL)->sun_path || memchr(path.p, 0, path.n))
			return er_fail(err, ER_ERR_INVALID, "\"%.*s\": the path of a unix socket is expected (at most 107 bytes)",
			               ER_FMT(where));
		t->socket = er_strdup_slice(path);
		t->url = er_strdup_cstr("http://localhost");
		return true;
	}
	er_slice scheme = ER_LIT("http"), rest = where;
	const uint8_t *mark = memmem(where.p, where.n, "://", 3);
	if (mark) {
		scheme = er_slice_head(where, (size_t)(mark - where.p));
		rest = er_slice_from(where, scheme.n + 3);
	}
	while (er_slice_ends(rest, ER_LIT("/")))
		rest.n--;
	if ((er_slice_eq(scheme, ER_LIT("http")) || er_slice_eq(scheme, ER_LIT("https"))) && host_ok(rest))
		t->url = er_slice_ascii(rest) ? er_printf("%.*s://%.*s", ER_FMT(scheme), ER_FMT(rest)) : ascii_url(scheme, rest);
	if (t->url == NULL)
		return er_fail(err, ER_ERR_INVALID,
		               "\"%.*s\": a node is http(s)://HOST[:PORT], HOST:PORT, or the path of its unix socket "
		               "(/var/lib/edgeroutine/admin.sock)",
		               ER_FMT(where));
	return true;
}

/* A token, or a line that has one: overwritten before its memory goes back. */
static void wipe(char *s)
{
	if (s)
		explicit_bzero(s, er_slice_cstr(s).n);
	er_free(s);
}

void er_target_fini(er_target *t)
{
	er_free(t->url);
	er_free(t->socket);
	wipe(t->token);
	er_free(t->ca);
	er_free(t->profile);
	*t = (er_target){0};
}

const char *er_target_shown(const er_target *t)
{
	ER_ASSERT(t->url != NULL);
	return t->socket ? t->socket : t->url;
}

bool er_target_local(const er_target *t)
{
	ER_ASSERT(t->url != NULL);
	if (t->socket)
		return true;
	er_slice s = er_slice_cstr(t->url);
	s = er_slice_from(s, er_slice_find(s, ':') + 3);
	return er_slice_starts(s, ER_LIT("127.")) || er_slice_starts(s, ER_LIT("[::1]")) ||
	       er_slice_starts(s, ER_LIT("localhost:")) || er_slice_eq(s, ER_LIT("localhost"));
}

void er_reply_fini(er_reply *r)
{
	er_buf_fini(&r->body);
	er_free(r->metadata);
	*r = (er_reply){0};
}

/* ---- libcurl's side ---- */

/* A number other than what came ends the call. */
static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	er_client *c = ctx;
	ER_CHECK(c, MAGIC);
	er_slice bytes = er_slice_of(p, size * n);
	ER_ASSERT(c->call != NULL && c->reply != NULL);
	long status = 0;
	(void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->call->on_data && status >= 200 && status < 300) {
		if (c->call->on_data(c->call->ctx, bytes))
			return bytes.n;
		c->reply->stopped = true;
		return 0;
	}
	if (er_buf_len(&c->reply->body) + bytes.n > BODY_MAX) {
		c->too_large = true;
		return 0;
	}
	er_buf_put(&c->reply->body, bytes);
	return bytes.n;
}

/* Into a buffer of the reply, cut if it is longer. */
static void take_text(char *to, size_t cap, er_slice s)
{
	ER_ASSERT(cap > 0);
	s = er_slice_head(s, cap - 1);
	er_copy(to, s.p, s.n);
	to[s.n] = 0;
}

/* One line of the head, its end included; the status line comes here as well and is none of these
 * fields. */
static size_t on_field(char *p, size_t size, size_t n, void *ctx)
{
	er_client *c = ctx;
	ER_CHECK(c, MAGIC);
	er_slice line = er_slice_of(p, size * n);
	ER_ASSERT(c->reply != NULL);
	if (c->reply->head_us == 0)
		c->reply->head_us = er_clock_mono_us() - c->began;
	size_t colon = er_slice_find(line, ':');
	er_slice name = er_slice_head(line, colon), value = er_slice_from(line, colon + 1);
	while (value.n && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
		value.n--;
	value = er_slice_trim(value);
	if (er_slice_ieq(name, ER_LIT("content-type")))
		take_text(c->reply->type, sizeof c->reply->type, er_slice_head(value, er_slice_find(value, ';')));
	else if (er_slice_ieq(name, ER_LIT("er-error")))
		take_text(c->reply->error, sizeof c->reply->error, value);
	else if (er_slice_ieq(name, ER_LIT("retry-after")))
		(void)er_slice_u64(value, &c->reply->retry_after_s);
	else if (er_slice_ieq(name, ER_LIT("er-expiration")))
		(void)er_slice_u64(value, &c->reply->expires_s);
	else if (er_slice_ieq(name, ER_LIT("er-metadata")) && c->reply->metadata == NULL && value.n <= METADATA_MAX)
		c->reply->metadata = er_strdup_slice(value);
	return line.n;
}

/* libcurl asks for the next part of the body. */
static size_t on_upload(char *to, size_t size, size_t n, void *ctx)
{
	er_client *c = ctx;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->call != NULL && c->reply != NULL);
	er_slice part = er_slice_head(c->unsent, size * n);
	er_copy(to, part.p, part.n);
	c->unsent = er_slice_from(c->unsent, part.n);
	if (c->unsent.n == 0 && c->reply->sent_us == 0)
		c->reply->sent_us = er_clock_mono_us() - c->began;
	return part.n;
}

/* Called several times a second, also while nothing moves: that is what lets a tail be stopped. */
static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	er_client *c = ctx;
	ER_CHECK(c, MAGIC);
	(void)dltotal, (void)dlnow, (void)ultotal;
	ER_ASSERT(c->call != NULL);
	if (c->call->on_sent && ulnow > 0)
		c->call->on_sent(c->call->ctx, (uint64_t)ulnow);
	if (c->call->stop && c->call->stop(c->call->ctx)) {
		c->reply->stopped = true;
		return 1;
	}
	return 0;
}

er_client *er_client_new(const er_target *target, er_err *err)
{
	ER_ASSERT(target != NULL && target->url != NULL);
	er_client *c = ER_NEW(er_client);
	*c = (er_client){.magic = MAGIC, .target = target, .easy = curl_easy_init()};
	if (c->easy == NULL) {
		er_fail(err, ER_ERR_SYSTEM, "libcurl cannot be started");
		er_free(c);
		return NULL;
	}
	return c;
}

void er_client_free(er_client *c)
{
	if (c == NULL)
		return;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->call == NULL); /* not from within a call */
	curl_easy_cleanup(c->easy);
	c->magic = 0;
	er_free(c);
}

static struct curl_slist *add_field(struct curl_slist *list, const char *name, const char *value)
{
	char *line = er_printf("%s: %s", name, value);
	struct curl_slist *longer = curl_slist_append(list, line);
	ER_ASSERT(longer != NULL);
	wipe(line);
	return longer;
}

/* The fields of a request; the caller frees the list. The token's copy is overwritten at once. */
static struct curl_slist *fields_of(const er_client *c, const er_ask *call)
{
	struct curl_slist *list = add_field(NULL, "accept", "application/json, application/x-ndjson, */*");
	list = add_field(list, "expect", ""); /* never waits for 100 Continue */
	if (c->target->token) {
		char *value = er_printf("Bearer %s", c->target->token);
		list = add_field(list, "authorization", value);
		wipe(value);
	}
	if (call->content_type)
		list = add_field(list, "content-type", call->content_type);
	if (call->metadata)
		list = add_field(list, "er-metadata", call->metadata);
	if (call->host)
		list = add_field(list, "host", call->host);
	return list;
}

/* What is the same for every call to this target. */
static void set_transport(er_client *c, const er_ask *call)
{
	CURL *e = c->easy;
	const er_target *t = c->target;
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "er/" ER_VERSION);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	if (call->timeout_ms) {
		curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	} else {
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	}
	if (t->socket)
		curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, t->socket);
	/* A proxy of the environment is for elsewhere. */
	if (er_target_local(t))
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (t->ca)
		curl_easy_setopt(e, CURLOPT_CAINFO, t->ca);
}

/* What belongs to this one call. With a body it is an upload, whose method is set again, since
 * UPLOAD makes it PUT. */
static void set_call(er_client *c, const er_ask *call)
{
	CURL *e = c->easy;
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_field);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, c);
	if (call->content_type) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
		curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body.n);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, on_upload);
		curl_easy_setopt(e, CURLOPT_READDATA, c);
		curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
	}
}

/* ---- failures in words ---- */

/* Of the three usual reasons: no node, somebody else's socket, nobody at the address. */
static bool cannot_connect(const er_client *c, er_err *err)
{
	const er_target *t = c->target;
	long number = 0;
	(void)curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &number);
	if (t->socket && access(t->socket, F_OK) != 0)
		return er_fail(err, ER_ERR_CONNECT, "there is no node at %s: %s. Is it running? er node --data DIR makes DIR/admin.sock",
		               t->socket, strerror(errno));
	if (number == EACCES || (t->socket && access(t->socket, W_OK) != 0 && errno == EACCES))
		return er_fail(
		    err, ER_ERR_CONNECT,
		    "%s belongs to another user. Run this as that user (sudo), or ask its operator for a token (er token add) and "
		    "log in to the node's address: er login http://HOST:PORT",
		    er_target_shown(t));
	return er_fail(err, ER_ERR_CONNECT, "nobody answers at %s (%s). Is the node running, and is this its admin address?",
	               er_target_shown(t), number ? strerror((int)number) : c->why);
}

/* In words, by what libcurl says. Where a call may have been done although its answer is lost, the
 * sentence says so. */
static bool failed(const er_client *c, CURLcode rc, er_err *err)
{
	const char *where = er_target_shown(c->target);
	const char *why = c->why[0] ? c->why : curl_easy_strerror(rc);
	switch (rc) {
	case CURLE_COULDNT_CONNECT:
		return cannot_connect(c, err);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return er_fail(err, ER_ERR_DNS, "%s: the name is not known (%s)", where, why);
	case CURLE_OPERATION_TIMEDOUT:
		return er_fail(err, ER_ERR_TIMEOUT,
		               "%s did not answer in time (%s). What was asked for may have happened: er status shows it", where, why);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return er_fail(err, ER_ERR_TLS,
		               "%s: no TLS connection that can be trusted (%s). If its certificate is your own: er login URL --ca FILE",
		               where, why);
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return er_fail(err, ER_ERR_IO,
		               "%s broke the connection off (%s). What was asked for may have happened: er status shows it", where, why);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
		return er_fail(err, ER_ERR_PROTOCOL, "%s does not speak HTTP (%s)", where, why);
	default:
		return er_fail(err, ER_ERR_IO, "%s: %s", where, why);
	}
}

bool er_client_call(er_client *c, const er_ask *call, er_reply *reply, er_err *err)
{
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->call == NULL && call->method != NULL && call->path.n > 0 && call->path.p[0] == '/');
	ER_ASSERT(call->content_type != NULL || call->body.n == 0);
	*reply = (er_reply){0};
	c->call = call;
	c->reply = reply;
	c->unsent = call->body;
	c->too_large = false;
	c->why[0] = 0;
	curl_easy_reset(c->easy);
	set_transport(c, call);
	set_call(c, call);
	char *url = er_printf("%s%.*s", c->target->url, ER_FMT(call->path));
	curl_easy_setopt(c->easy, CURLOPT_URL, url);
	struct curl_slist *fields = fields_of(c, call);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, fields);
	c->began = er_clock_mono_us();
	CURLcode rc = curl_easy_perform(c->easy);
	reply->total_us = er_clock_mono_us() - c->began;
	long status = 0;
	(void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	reply->status = (int)status;
	curl_slist_free_all(fields);
	er_free(url);
	c->call = NULL;
	c->reply = NULL;
	if (rc == CURLE_OK || reply->stopped)
		return true;
	/* An answer that came before the upload's end, as to one that is too large, is an answer. */
	if (rc == CURLE_SEND_ERROR && status >= 400 && er_buf_len(&reply->body) > 0)
		return true;
	if (c->too_large)
		return er_fail(err, ER_ERR_TOO_LARGE, "%s answers more than %d MB", er_target_shown(c->target), BODY_MAX / 1024 / 1024);
	return failed(c, rc, err);
}
