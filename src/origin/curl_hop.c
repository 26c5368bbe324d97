/* One request by libcurl: its options, its callbacks, its end. */
#include "base/mem.h"
#include "origin/curl.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>

enum { BUFFER = 64 * 1024, SPARES = 32, UP_PIECES = 8, UP_BYTES = 64 * 1024 };

/* ---- callbacks: notes only ---- */

static size_t on_write(char *p, size_t size, size_t count, void *hop)
{
	er_curl_hop *h = hop;
	er_curl_queue(h);
	if (er_fetch_full(h->f)) {
		h->write_paused = true;
		h->f->stalled = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	h->news = true;
	er_fetch_push(h->f, er_piece_copy(er_slice_of(p, size * count)));
	return size * count;
}

/* "HTTP/1.1 200 OK" */
static bool status_line(er_fetch *f, er_slice line)
{
	er_slice rest = er_slice_from(line, er_slice_find(line, ' ') + 1);
	uint64_t status;
	if (!er_slice_u64(er_slice_head(rest, 3), &status) || rest.n < 3 || (rest.n > 3 && rest.p[3] != ' ')) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s did not answer in HTTP", ER_FMT(f->authority));
		return false;
	}
	return er_fetch_status(f, (unsigned)status, er_slice_trim(er_slice_from(rest, 4)));
}

static size_t on_header(char *p, size_t size, size_t count, void *hop)
{
	er_curl_hop *h = hop;
	er_fetch *f = h->f;
	er_slice line = er_slice_of(p, size * count);
	if (f->head_ready) /* trailers are dropped */
		return line.n;
	size_t all = line.n;
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	if (line.n == 0) {
		f->head_ready = h->news = f->status >= 200;
		er_curl_queue(h);
		return all;
	}
	if (er_slice_starts(line, ER_LIT("HTTP/")) && er_slice_find(line, ' ') < er_slice_find(line, ':'))
		return status_line(f, line) ? all : 0;
	/* A line without a colon leaves the name as the whole line, with its spaces: refused like any bad name. So is a folded one. */
	size_t colon = er_slice_find(line, ':');
	return er_fetch_field(f, er_slice_head(line, colon), er_slice_trim(er_slice_from(line, colon + 1))) ? all : 0;
}

static size_t on_read(char *to, size_t size, size_t count, void *hop)
{
	er_curl_hop *h = hop;
	size_t room = size * count;
	if (h->up_at < h->up_n) {
		er_piece *piece = &h->up[h->up_at];
		size_t n = piece->n < room ? piece->n : room;
		er_copy(to, piece->p, n);
		piece->p += n;
		piece->n -= n;
		if (piece->n == 0) {
			er_piece_drop(piece);
			h->up_at++;
		}
		return n;
	}
	if (h->upload_end)
		return 0;
	h->read_paused = h->want_upload = true;
	er_curl_queue(h);
	return CURL_READFUNC_PAUSE;
}

static curl_socket_t on_open(void *hop, curlsocktype purpose, struct curl_sockaddr *a)
{
	er_curl_hop *h = hop;
	if (purpose != CURLSOCKTYPE_IPCXN || er_fetch_refuses(h->f, &a->addr))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Before a request goes out, also on a connection that was used before. */
static int on_before_request(void *hop, char *peer, char *local, int peer_port, int local_port)
{
	(void)local, (void)local_port;
	er_curl_hop *h = hop;
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)peer_port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)peer_port)};
	const void *sa = NULL;
	size_t n = 0;
	if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1) {
		sa = &v4;
		n = sizeof v4;
	} else if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1) {
		sa = &v6;
		n = sizeof v6;
	}
	if (sa == NULL || er_fetch_refuses(h->f, sa))
		return CURL_PREREQFUNC_ABORT;
	h->f->connected = true;
	h->f->moved_ms = uv_now(h->m->o->loop);
	er_plain_learn(h->f, sa, n);
	return CURL_PREREQFUNC_OK;
}

/* Loading a machine's certificates takes milliseconds: once a thread, not once a connection. */
static CURLcode on_ssl(CURL *easy, void *ctx, void *hop)
{
	(void)easy;
	er_curl_hop *h = hop;
	er_origin *o = h->m->o;
	if (o->ca_store == NULL) {
		X509_STORE *store = X509_STORE_new();
		bool ok = store != NULL &&
		          (o->ca_file != NULL ? X509_STORE_load_file(store, o->ca_file) : X509_STORE_set_default_paths(store)) == 1;
		if (!ok) {
			X509_STORE_free(store);
			er_fetch_ended(h->f, ER_ERR_TLS, "the certificates of authorities cannot be loaded");
			return CURLE_SSL_CACERT_BADFILE;
		}
		o->ca_store = store;
	}
	SSL_CTX_set1_cert_store(ctx, o->ca_store);
	return CURLE_OK;
}

/* ---- the handle ---- */

static void set_constant_options(er_curl_hop *h)
{
	CURL *e = h->easy;
	curl_easy_setopt(e, CURLOPT_PRIVATE, h);
	curl_easy_setopt(e, CURLOPT_SHARE, h->m->share);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, h);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)BUFFER);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(e, CURLOPT_READDATA, h);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, h);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_before_request);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, h);
}

static er_curl_hop *hop_new(er_curl_multi *m)
{
	er_list *l = er_list_pop(&m->spare);
	if (l != NULL) {
		m->spares--;
		return ER_CONTAINER(l, er_curl_hop, link);
	}
	er_curl_hop *h = ER_NEW(er_curl_hop);
	er_list_init(&h->link);
	h->m = m;
	h->easy = curl_easy_init();
	ER_ASSERT(h->easy != NULL);
	set_constant_options(h);
	return h;
}

void er_curl_hop_free(er_curl_hop *h)
{
	curl_easy_cleanup(h->easy);
	er_buf_fini(&h->text);
	er_free(h->up);
	er_free(h);
}

/* Ends what h does, and keeps it for the next one. */
static void release(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	ER_ASSERT(!m->in_curl);
	er_list_remove(&h->link);
	long connects = 0;
	curl_easy_getinfo(h->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (h->added) {
		m->in_curl = true;
		curl_multi_remove_handle(m->multi, h->easy);
		m->in_curl = false;
	}
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->connect_to);
	while (h->up_at < h->up_n)
		er_piece_drop(&h->up[h->up_at++]);
	h->up_at = h->up_n = 0;
	h->headers = h->connect_to = NULL;
	h->f->hop = NULL;
	h->f = NULL;
	h->added = h->done = h->write_paused = h->read_paused = h->want_upload = h->upload_end = h->news = false;
	h->error[0] = '\0';
	/* libcurl (7.88) tries again when a server closed the idle connection that it just took, at most five times, but counts them over the
	 * whole life of a handle. Such a retry makes a connection; a handle that made none has its count untouched. */
	if (m->spares < SPARES && connects == 0) {
		m->spares++;
		er_list_push(&m->spare, &h->link);
	} else {
		er_curl_hop_free(h);
	}
}

/* ---- the request ---- */

static const char *text_of(er_curl_hop *h)
{
	er_buf_putc(&h->text, '\0');
	return (const char *)h->text.p + h->text.start;
}

static void add_header(er_curl_hop *h, const char *line)
{
	struct curl_slist *list = curl_slist_append(h->headers, line);
	ER_ASSERT(list != NULL);
	h->headers = list;
}

static void set_headers(er_curl_hop *h)
{
	er_fetch *f = h->f;
	for (uint32_t i = 0; i < f->fields.n; i++) {
		er_buf_clear(&h->text);
		er_buf_put(&h->text, f->fields.v[i].name);
		/* libcurl's spelling of an empty value. */
		if (f->fields.v[i].value.n == 0) {
			er_buf_putc(&h->text, ';');
		} else {
			er_buf_puts(&h->text, ": ");
			er_buf_put(&h->text, f->fields.v[i].value);
		}
		add_header(h, text_of(h));
	}
	/* What libcurl would add by itself. */
	if (er_fields_get(&f->fields, ER_LIT("accept")) == NULL)
		add_header(h, "Accept:");
	add_header(h, "Expect:");
	if (f->length_zero)
		add_header(h, "Content-Length: 0");
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
}

static void set_method(er_curl_hop *h)
{
	er_fetch *f = h->f;
	CURL *e = h->easy;
	curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL);
	if (f->is_head) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
		return;
	}
	if (f->upload != NULL) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)f->upload_length);
	} else if (er_slice_eq(f->method, ER_LIT("GET"))) {
		return;
	}
	er_buf_clear(&h->text);
	er_buf_put(&h->text, f->method);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, text_of(h));
}

static void set_target(er_curl_hop *h)
{
	er_fetch *f = h->f;
	er_buf_clear(&h->text);
	er_buf_put(&h->text, f->scheme);
	er_buf_puts(&h->text, "://");
	er_buf_put(&h->text, f->authority);
	er_buf_putc(&h->text, '/');
	curl_easy_setopt(h->easy, CURLOPT_URL, text_of(h));
	/* The same bytes that the caller has, whatever libcurl thinks of them. */
	er_buf_clear(&h->text);
	er_buf_put(&h->text, f->target);
	curl_easy_setopt(h->easy, CURLOPT_REQUEST_TARGET, text_of(h));
	if (f->opt.connect_to != NULL) {
		er_buf_clear(&h->text);
		er_buf_puts(&h->text, "::");
		er_buf_put_cstr(&h->text, f->opt.connect_to);
		h->connect_to = curl_slist_append(NULL, text_of(h));
	}
	curl_easy_setopt(h->easy, CURLOPT_CONNECT_TO, h->connect_to);
	curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)f->opt.connect_ms);
}

static void start(er_fetch *f)
{
	er_curl_multi *m = er_curl_multi_of(f->pool);
	er_curl_hop *h = hop_new(m);
	h->f = f;
	f->hop = h;
	set_target(h);
	set_method(h);
	set_headers(h);
	/* Added by the drain, which may be the one that we are called from. */
	er_curl_queue(h);
	er_curl_drain(m);
}

static void unpause(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	m->in_curl = true;
	curl_easy_pause(h->easy, (h->write_paused ? CURLPAUSE_RECV : 0) | (h->read_paused ? CURLPAUSE_SEND : 0));
	m->in_curl = false;
	er_curl_drain_soon(m);
}

static void resume(er_fetch *f)
{
	er_curl_hop *h = f->hop;
	if (!h->write_paused || h->done)
		return;
	h->write_paused = false;
	unpause(h);
}

static void upload(er_fetch *f)
{
	er_curl_hop *h = f->hop;
	if (!h->want_upload)
		return;
	er_curl_queue(h);
	er_curl_drain(h->m);
}

static void stop(er_fetch *f)
{
	if (f->hop != NULL)
		release(f->hop);
}

/* Takes more of the upload. The source may do anything meanwhile: h is ours only as long as f->hop says so. */
static void refill(er_curl_hop *h, er_fetch *f)
{
	if (h->up == NULL)
		h->up = er_alloc(UP_PIECES * sizeof *h->up);
	h->up_at = h->up_n = 0;
	size_t bytes = 0;
	while (f->hop == h && h->up_n < UP_PIECES && bytes < UP_BYTES) {
		er_piece piece;
		er_body_status s = er_fetch_upload(f, 0, &piece);
		if (f->hop != h) {
			if (s == ER_BODY_PIECE)
				er_piece_drop(&piece);
			return;
		}
		if (s == ER_BODY_PIECE) {
			bytes += piece.n;
			h->up[h->up_n++] = piece;
			continue;
		}
		h->upload_end = s == ER_BODY_END;
		break;
	}
	if (f->hop != h || (h->up_n == 0 && !h->upload_end))
		return;
	h->want_upload = h->read_paused = false;
	unpause(h);
}

/* ---- the end ---- */

static er_err_kind kind_of(const er_fetch *f, CURLcode code)
{
	if (f->refused && !f->tried)
		return ER_ERR_REFUSED_ADDRESS;
	switch (code) {
	case CURLE_OK:
		return ER_ERR_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
		return ER_ERR_DNS;
	case CURLE_COULDNT_CONNECT:
		return ER_ERR_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return ER_ERR_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return ER_ERR_TLS;
	default:
		return ER_ERR_RESPONSE;
	}
}

static void note_end(er_curl_hop *h)
{
	er_fetch *f = h->f;
	er_err_kind kind = kind_of(f, h->result);
	if (h->result == CURLE_OK && f->head_ready)
		er_fetch_ended(f, ER_ERR_OK, " ");
	else if (h->result == CURLE_OK)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s closed the connection without an answer", ER_FMT(f->authority));
	else if (kind == ER_ERR_REFUSED_ADDRESS)
		er_fetch_ended(f, kind, "%.*s has an address that subrequests may not reach", ER_FMT(f->authority));
	else
		er_fetch_ended(f, kind, "%.*s: %s", ER_FMT(f->authority), h->error[0] ? h->error : curl_easy_strerror(h->result));
}

void er_curl_service(er_curl_hop *h)
{
	er_fetch *f = er_fetch_ref(h->f);
	er_curl_multi *m = h->m;
	if (!h->added && !h->done) {
		h->added = true;
		m->in_curl = true;
		CURLMcode rc = curl_multi_add_handle(m->multi, h->easy);
		m->in_curl = false;
		ER_ASSERT(rc == CURLM_OK);
	}
	if (h->done) {
		note_end(h);
		release(h);
	} else if (h->read_paused && h->news) {
		/* An answer before the end of the upload: libcurl (7.88) may mean to send no more, but waits for ever if sending was paused just then.
		 * If it does want more, it asks again. */
		h->read_paused = h->news = false;
		unpause(h);
	} else if (h->want_upload) {
		refill(h, f);
	}
	er_fetch_advance(f);
	er_fetch_unref(f);
}

const er_transport er_transport_curl = {.name = "curl", .start = start, .resume = resume, .upload = upload, .stop = stop};
