/* Reading Forwarded and X-Forwarded-*, from the right.
 *
 * All lines of a field are one list (RFC 9110 5.3). Its elements are cut off from the end, also
 * where values are quoted: so what a stranger wrote further left, as a quote that is never closed,
 * changes nothing of what a proxy appended. Only then is an element read, from left to right and
 * strictly. Everything is bounded by the fields themselves and ER_FORWARDED_MAX. Called by
 * http/identity.c when a request comes in; keeps nothing. */
#include "http/forwarded.h"

#include "base/mem.h"

/* ---- elements from the right ---- */

/* Where the reader is in the lines of one field. */
typedef struct list {
	const er_fields *fields;
	er_slice name;
	uint32_t line;  /* this line and those before it are still to come */
	er_slice rest;  /* of the line at hand */
	bool open;      /* a line is at hand */
	bool quoted;    /* commas between quotes part nothing */
	unsigned taken; /* elements so far */
} list;

static list list_of(const er_fields *fields, er_slice name, bool quoted)
{
	return (list){.fields = fields, .name = name, .line = fields->n, .quoted = quoted};
}

/* A backslash before it that is not itself behind one: part of a quoted string (RFC 9110 5.6.4). */
static bool escaped(er_slice s, size_t at)
{
	size_t n = 0;
	while (n < at && s.p[at - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

/* Cuts the last element off. */
static er_slice last_of(list *l)
{
	er_slice s = l->rest;
	size_t from = s.n;
	bool inside = false;
	for (; from > 0; from--) {
		uint8_t c = s.p[from - 1];
		if (c == ',' && !inside)
			break;
		if (l->quoted && c == '"' && !escaped(s, from - 1))
			inside = !inside;
	}
	l->open = from > 0;
	l->rest = er_slice_head(s, from > 0 ? from - 1 : 0);
	return er_slice_trim(er_slice_from(s, from));
}

static bool open_line(list *l)
{
	while (!l->open && l->line > 0) {
		const er_field *f = &l->fields->v[--l->line];
		if (!er_slice_ieq(f->name, l->name))
			continue;
		l->rest = f->value;
		l->open = true;
	}
	return l->open;
}

/* The next element to the left that is not empty (RFC 9110 5.6.1.2). False: there is none, or so
 * many were taken already. */
static bool next(list *l, er_slice *element)
{
	while (l->taken < ER_FORWARDED_MAX && open_line(l)) {
		l->taken++;
		*element = last_of(l);
		if (element->n > 0)
			return true;
	}
	return false;
}

/* ---- addresses ---- */

/* RFC 7239 6: a number, or an obfuscated one ("_" and token characters). */
static bool is_port(er_slice text)
{
	uint64_t port = 0;
	if (text.n > 1 && text.p[0] == '_')
		return er_field_name_ok(text);
	return text.n <= 5 && er_slice_u64(text, &port) && port <= 65535;
}

static bool is_address(er_slice text, struct in6_addr *out)
{
	er_cidr range;
	if (er_slice_find(text, '/') < text.n || !er_cidr_parse(text, &range))
		return false;
	*out = range.addr;
	return true;
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80"; and "2001:db8::1", which only
 * X-Forwarded-For has (`bare`). */
static bool read_node(er_slice text, bool bare, struct in6_addr *out)
{
	if (text.n > 0 && text.p[0] == '[') {
		size_t close = er_slice_find(text, ']');
		if (close == text.n)
			return false;
		er_slice host = er_slice_of(text.p + 1, close - 1), rest = er_slice_from(text, close + 1);
		return er_slice_find(host, ':') < host.n && is_address(host, out) &&
		       (rest.n == 0 || (rest.p[0] == ':' && is_port(er_slice_from(rest, 1))));
	}
	size_t colon = er_slice_find(text, ':');
	if (colon == text.n)
		return is_address(text, out);
	er_slice behind = er_slice_from(text, colon + 1);
	if (er_slice_find(behind, ':') < behind.n)
		return bare && is_address(text, out);
	return is_port(behind) && is_address(er_slice_head(text, colon), out);
}

static er_slice read_scheme(er_slice text)
{
	if (er_slice_ieq(text, ER_LIT("https")))
		return ER_LIT("https");
	return er_slice_ieq(text, ER_LIT("http")) ? ER_LIT("http") : (er_slice){0};
}

/* ---- Forwarded ---- */

/* The parameters of an element that say something here. */
typedef struct element {
	er_slice node, proto; /* without quotes */
	bool has_node, has_proto;
} element;

/* A quoted string off the front, without its quotes; one with a backslash is no value of ours, and
 * stays as it is. */
static bool take_quoted(er_slice *rest, er_slice *value)
{
	for (size_t i = 1; i < rest->n; i++) {
		if (rest->p[i] != '"' || escaped(*rest, i))
			continue;
		*value = er_slice_of(rest->p + 1, i - 1);
		*rest = er_slice_from(*rest, i + 1);
		return true;
	}
	return false;
}

static bool take_value(er_slice *rest, er_slice *value)
{
	if (rest->n > 0 && rest->p[0] == '"')
		return take_quoted(rest, value);
	size_t end = er_slice_find(*rest, ';');
	*value = er_slice_trim(er_slice_head(*rest, end));
	*rest = er_slice_from(*rest, end);
	return er_field_name_ok(*value);
}

static bool note(bool *has_it, er_slice *to, er_slice value)
{
	if (*has_it)
		return false;
	*has_it = true;
	*to = value;
	return true;
}

/* One of name=value, and the ";" behind it. */
static bool take_pair(er_slice *rest, element *out)
{
	size_t equals = er_slice_find(*rest, '=');
	er_slice name = er_slice_head(*rest, equals), value;
	if (equals == rest->n || !er_field_name_ok(name))
		return false;
	*rest = er_slice_from(*rest, equals + 1);
	if (!take_value(rest, &value))
		return false;
	*rest = er_slice_trim(*rest);
	if (rest->n > 0 && rest->p[0] != ';')
		return false;
	*rest = er_slice_trim(er_slice_from(*rest, rest->n > 0));
	if (er_slice_ieq(name, ER_LIT("for")))
		return note(&out->has_node, &out->node, value);
	return !er_slice_ieq(name, ER_LIT("proto")) || note(&out->has_proto, &out->proto, value);
}

/* RFC 7239 4: forwarded-element = [ pair ] *( ";" [ pair ] ). False: it is none, and says
 * nothing. */
static bool read_element(er_slice text, element *out)
{
	*out = (element){0};
	while (text.n > 0) {
		if (text.p[0] == ';') {
			text = er_slice_trim(er_slice_from(text, 1));
			continue;
		}
		if (!take_pair(&text, out))
			return false;
	}
	return true;
}

/* ---- the whole ---- */

/* Adds one who is known by who is to the right of it. True: it is a trusted proxy, and who is to
 * its left counts as well. */
static bool add(er_forwarded *out, const struct in6_addr *node, const er_cidr *trusted, size_t n_trusted)
{
	ER_ASSERT(out->n < ER_FORWARDED_MAX);
	out->way[out->n++] = *node;
	return er_cidr_any(trusted, n_trusted, node);
}

static void read_forwarded(const er_fields *fields, const er_cidr *trusted, size_t n_trusted, er_forwarded *out)
{
	list l = list_of(fields, ER_LIT("forwarded"), true);
	struct in6_addr node;
	element e;
	for (er_slice text; next(&l, &text) && read_element(text, &e);) {
		/* The word of the trusted proxy that is nearest to the client: it saw that request. */
		er_slice scheme = read_scheme(e.proto);
		if (scheme.n > 0)
			out->scheme = scheme;
		if (!e.has_node || !read_node(e.node, false, &node) || !add(out, &node, trusted, n_trusted))
			return;
	}
}

static void read_x_forwarded(const er_fields *fields, const er_cidr *trusted, size_t n_trusted, er_forwarded *out)
{
	list l = list_of(fields, ER_LIT("x-forwarded-for"), false);
	list proto = list_of(fields, ER_LIT("x-forwarded-proto"), false);
	struct in6_addr node;
	er_slice text;
	while (next(&l, &text) && read_node(text, true, &node) && add(out, &node, trusted, n_trusted))
		;
	/* It has no place in the way: the peer's own word counts. */
	if (next(&proto, &text))
		out->scheme = read_scheme(text);
}

static bool same_client(const er_forwarded *a, const er_forwarded *b)
{
	if (a->n == 0 || b->n == 0)
		return a->n == b->n;
	return IN6_ARE_ADDR_EQUAL(&a->way[a->n - 1], &b->way[b->n - 1]);
}

/* What both kinds of fields say, or the one that says something. */
static er_slice agreed(er_slice a, er_slice b)
{
	if (a.n == 0 || b.n == 0)
		return a.n == 0 ? b : a;
	return er_slice_eq(a, b) ? a : (er_slice){0};
}

void er_forwarded_read(const er_fields *fields, const er_cidr *trusted, size_t n_trusted, er_forwarded *out)
{
	ER_ASSERT(n_trusted > 0);
	er_forwarded usual = {0}, standard = {0};
	read_x_forwarded(fields, trusted, n_trusted, &usual);
	read_forwarded(fields, trusted, n_trusted, &standard);
	bool is_standard = er_fields_get(fields, ER_LIT("forwarded")) != NULL;
	bool is_usual = er_fields_get(fields, ER_LIT("x-forwarded-for")) != NULL;
	*out = (er_forwarded){0};
	if (is_standard && is_usual && !same_client(&standard, &usual))
		return;
	*out = is_standard && !is_usual ? standard : usual;
	out->scheme = agreed(usual.scheme, standard.scheme);
}
