/* A pattern stays the text that it is; what must hold of it is checked once, and matching then
 * walks text and path together. */
#include "assets/rule.h"

static bool is_letter(uint8_t c)
{
	c = er_lower(c);
	return c >= 'a' && c <= 'z';
}

static bool is_name(uint8_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

/* The name of the placeholder that the text begins with; empty: it begins with none. */
static er_slice placeholder(er_slice text)
{
	size_t n = 1;
	if (text.n < 2 || text.p[0] != ':' || !is_letter(text.p[1]))
		return (er_slice){0};
	while (n < text.n && is_name(text.p[n]))
		n++;
	return er_slice_of(text.p + 1, n - 1);
}

/* ---- patterns ---- */

static bool controls(er_slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= 0x20 || text.p[i] == 0x7f)
			return true;
	return false;
}

/* Placeholders are whole segments, and there is one star. */
static bool path_ok(er_slice path, const char **why)
{
	size_t stars = 0, names = 0;
	for (size_t i = 0; i < path.n; i++) {
		er_slice name = placeholder(er_slice_from(path, i));
		if (path.p[i] == '*' && ++stars > 1) {
			*why = "one * is all that it may have";
			return false;
		}
		if (name.n == 0)
			continue;
		size_t end = i + 1 + name.n;
		*why = "a placeholder is a whole part between slashes";
		if (stars > 0 || path.p[i - 1] != '/' || (end < path.n && path.p[end] != '/')) {
			if (stars > 0)
				*why = "a placeholder stands before the *";
			return false;
		}
		if (++names > ER_RULE_PLACEHOLDERS) {
			*why = "8 placeholders are all that it may have";
			return false;
		}
		i = end - 1;
	}
	return true;
}

static size_t literal_of(er_slice path)
{
	size_t i = 0;
	while (i < path.n && path.p[i] != '*' && placeholder(er_slice_from(path, i)).n == 0)
		i++;
	return i;
}

bool er_rule_read(er_slice text, bool hosts, er_rule_pattern *out, const char **why)
{
	*out = (er_rule_pattern){0};
	*why = hosts ? "a path begins with /, a URL with https:// or http://" : "a path begins with /";
	for (size_t i = 0; hosts && i < 2; i++) {
		er_slice scheme = i > 0 ? ER_LIT("http") : ER_LIT("https");
		if (!er_slice_starts(text, scheme) || !er_slice_starts(er_slice_from(text, scheme.n), ER_LIT("://")))
			continue;
		out->scheme = scheme;
		text = er_slice_from(text, scheme.n + 3);
		out->host = er_slice_head(text, er_slice_find(text, '/'));
		text = er_slice_from(text, out->host.n);
		if (out->host.n == 0)
			return false;
		if (text.n == 0)
			text = ER_LIT("/");
	}
	if (text.n == 0 || text.p[0] != '/')
		return false;
	*why = "it has a control character or a space";
	if (controls(text) || controls(out->host))
		return false;
	out->path = text;
	out->literal = literal_of(text);
	out->plain = out->literal == text.n && out->host.n == 0;
	return path_ok(text, why);
}

static void take(er_rule_found *out, er_slice name, er_slice value)
{
	if (out->n < sizeof out->v / sizeof *out->v) {
		out->v[out->n].name = name;
		out->v[out->n++].value = value;
	}
}

static bool match_host(er_slice pattern, er_slice host, er_rule_found *out)
{
	er_slice name = placeholder(pattern);
	if (pattern.n == 0)
		return true;
	if (pattern.p[0] == '*')
		return er_slice_ends(host, er_slice_from(pattern, 1)) && host.n > pattern.n - 1;
	if (name.n == 0)
		return er_slice_ieq(pattern, host);
	er_slice label = er_slice_head(host, er_slice_find(host, '.'));
	if (label.n == 0 || !er_slice_ieq(er_slice_from(host, label.n), er_slice_from(pattern, name.n + 1)))
		return false;
	take(out, name, label);
	return true;
}

bool er_rule_match(const er_rule_pattern *p, er_slice scheme, er_slice host, er_slice path, er_rule_found *out)
{
	er_slice pattern = p->path;
	out->n = 0;
	if (path.n < p->literal || memcmp(pattern.p, path.p, p->literal) != 0)
		return false;
	if ((p->scheme.n > 0 && !er_slice_eq(p->scheme, scheme)) || !match_host(p->host, host, out))
		return false;
	pattern = er_slice_from(pattern, p->literal);
	path = er_slice_from(path, p->literal);
	while (pattern.n > 0) {
		er_slice name = placeholder(pattern);
		if (pattern.p[0] == '*') {
			er_slice end = er_slice_from(pattern, 1);
			if (!er_slice_ends(path, end))
				return false;
			take(out, ER_LIT("splat"), er_slice_head(path, path.n - end.n));
			return true;
		}
		if (name.n > 0) {
			er_slice part = er_slice_head(path, er_slice_find(path, '/'));
			if (part.n == 0)
				return false;
			take(out, name, part);
			pattern = er_slice_from(pattern, name.n + 1);
			path = er_slice_from(path, part.n);
		} else if (path.n == 0 || path.p[0] != pattern.p[0]) {
			return false;
		} else {
			pattern = er_slice_from(pattern, 1);
			path = er_slice_from(path, 1);
		}
	}
	return path.n == 0;
}

/* ---- texts ---- */

static bool has(const er_rule_pattern *p, er_slice name)
{
	if (er_slice_eq(name, ER_LIT("splat")) && er_slice_find(p->path, '*') < p->path.n)
		return true;
	if (er_slice_eq(placeholder(p->host), name))
		return true;
	for (size_t i = 0; i < p->path.n; i++)
		if (er_slice_eq(placeholder(er_slice_from(p->path, i)), name))
			return true;
	return false;
}

bool er_rule_knows(const er_rule_pattern *p, er_slice text, er_slice *missing)
{
	for (size_t i = 0; i < text.n; i++) {
		*missing = placeholder(er_slice_from(text, i));
		if (missing->n > 0 && !has(p, *missing))
			return false;
	}
	return true;
}

/* RFC 3986 3.3: pchar and "/" as they are. */
static bool stands(uint8_t c)
{
	return is_name(c) || (c != 0 && strchr("-.~!$&'()*+,;=:@/", c) != NULL);
}

void er_rule_encode(er_buf *to, er_slice path)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < path.n; i++) {
		uint8_t c = path.p[i];
		if (stands(c)) {
			er_buf_putc(to, c);
			continue;
		}
		er_buf_putc(to, '%');
		er_buf_putc(to, (uint8_t)digits[c >> 4]);
		er_buf_putc(to, (uint8_t)digits[c & 15]);
	}
}

static const er_slice *value_of(const er_rule_found *found, er_slice name)
{
	for (size_t i = 0; i < found->n; i++)
		if (er_slice_eq(found->v[i].name, name))
			return &found->v[i].value;
	return NULL;
}

bool er_rule_fill(er_buf *to, er_slice text, const er_rule_found *found)
{
	for (size_t i = 0; i < text.n; i++) {
		if (er_buf_len(to) > ER_RULE_FILLED)
			return false;
		er_slice name = placeholder(er_slice_from(text, i));
		const er_slice *value = name.n > 0 ? value_of(found, name) : NULL;
		if (value == NULL) {
			er_buf_putc(to, text.p[i]);
			continue;
		}
		er_rule_encode(to, er_slice_head(*value, ER_RULE_FILLED + 1));
		i += name.n;
	}
	return er_buf_len(to) <= ER_RULE_FILLED;
}

/* ---- lines ---- */

bool er_rule_line(er_slice *rest, unsigned *number, er_slice *line)
{
	while (er_slice_split(rest, '\n', line)) {
		++*number;
		if (line->n > 0 && line->p[line->n - 1] == '\r')
			line->n--;
		*line = er_slice_trim(*line);
		if (line->n > 0 && line->p[0] != '#')
			return true;
	}
	return false;
}
