/* What libcurl is told to ask: URL, target, method and fields, as the fetch has them, byte for
 * byte. Whatever libcurl would add or change by itself is switched off here. */
#include "base/mem.h"
#include "origin/curl.h"

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

/* The fields as the fetch has them, and none that libcurl would add. */
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
	if (f->host.n > 0) {
		er_buf_clear(&h->text);
		er_buf_puts(&h->text, "Host: ");
		er_buf_put(&h->text, f->host);
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

/* libcurl knows methods by what it does for them: a GET, a HEAD, an upload. Any other name is
 * written in the place of one of these. */
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

/* URL, target and where to connect. The URL decides which connection fits; what is asked for on it
 * is the target, byte for byte. */
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
	if (f->wishes.connect_to != NULL) {
		er_buf_clear(&h->text);
		er_buf_puts(&h->text, "::");
		er_buf_put_cstr(&h->text, f->wishes.connect_to);
		h->connect_to = curl_slist_append(NULL, text_of(h));
	}
	curl_easy_setopt(h->easy, CURLOPT_CONNECT_TO, h->connect_to);
	er_curl_name_set(h);
	curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)f->wishes.connect_ms);
}

void er_curl_request(er_curl_hop *h)
{
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	ER_ASSERT(h->headers == NULL && h->connect_to == NULL && !h->added);
	set_target(h);
	set_method(h);
	set_headers(h);
}
