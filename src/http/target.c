/* Three questions about a path, each with a quick look that nearly every path passes:
 *
 *   er_target_normal     a request's target in the one spelling: the URL parser resolves dots, then
 *                        encodings are made uniform
 *   er_target_pattern    the same for the path of a rule
 *   er_target_readings   how else servers may read a path that is in that spelling
 *
 * Only a path that has an encoding, a "\", a segment that begins with a dot, or a byte that must be
 * encoded is written anew, into the arena. */
#include "http/target.h"

#include "base/mem.h"
#include "http/url_record.h"

enum { ESCAPE = 3 };

static bool unreserved(uint8_t c)
{
	uint8_t l = er_lower(c);
	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* The byte that an encoding at `at` stands for; -1: there is none. */
static int escaped(er_slice s, size_t at)
{
	ER_ASSERT(at < s.n);
	if (s.n - at < ESCAPE || s.p[at] != '%')
		return -1;
	int high = er_hex_digit(s.p[at + 1]), low = er_hex_digit(s.p[at + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The slow parts look only at what may be in another spelling: an encoding, a "\", a segment that
 * begins with a dot. */
static bool path_plain(er_slice path)
{
	ER_ASSERT(path.n == 0 || path.p[0] == '/'); /* so that every "." has a byte before it */
	if (er_url_unencoded(path, ER_URL_SET_PATH) < path.n)
		return false;
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '%' || path.p[i] == '\\' || (path.p[i] == '.' && path.p[i - 1] == '/'))
			return false;
	return true;
}

/* For matching, the encoding of what may stand raw in a path is the same as that. A "*" is kept
 * encoded, for a rule cannot hold it raw. */
static bool may_be_raw(uint8_t c)
{
	er_slice one = er_slice_of(&c, 1);
	return c != '%' && c != '/' && c != '\\' && c != '*' && er_url_unencoded(one, ER_URL_SET_PATH) == 1;
}

/* RFC 3986 6.2.2: escapes of unreserved characters are undone, the others get upper-case digits,
 * and a "%" without digits becomes an escape itself. */
static er_slice normal_escapes(er_arena *a, er_slice path)
{
	static const char hex[] = "0123456789ABCDEF";
	if (er_slice_find(path, '%') == path.n)
		return path;
	uint8_t *out = er_arena_alloc(a, path.n * ESCAPE);
	size_t n = 0;
	for (size_t i = 0; i < path.n; i++) {
		int c = escaped(path, i);
		if (path.p[i] != '%') {
			out[n++] = path.p[i];
			continue;
		}
		if (c >= 0)
			i += ESCAPE - 1;
		else
			c = '%';
		if (unreserved((uint8_t)c)) {
			out[n++] = (uint8_t)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = (uint8_t)hex[c >> 4];
		out[n++] = (uint8_t)hex[c & 15];
	}
	ER_ASSERT(n <= path.n * ESCAPE);
	return er_slice_of(out, n);
}

static er_slice normal_path(er_arena *a, er_slice path)
{
	return normal_escapes(a, er_url_path_add(a, ER_LIT("http"), (er_slice){0}, er_slice_from(path, 1)));
}

/* How many bytes of the path are a "/" at `at`, also one that is encoded, or a "\" that is; 0: none
 * is there. */
static size_t slash_at(er_slice path, size_t at)
{
	if (path.p[at] == '/')
		return 1;
	int c = escaped(path, at);
	return c == '/' || c == '\\' ? ESCAPE : 0;
}

/* Up to the next such slash. */
static size_t part_length(er_slice path)
{
	size_t n = 0;
	while (n < path.n && slash_at(path, n) == 0)
		n++;
	return n;
}

static bool only_dots(er_slice part)
{
	size_t n = er_slice_find(part, ';');
	for (size_t i = 0; i + ESCAPE <= n; i++)
		if (escaped(part, i) == ';')
			n = i;
	return (n == 1 || n == 2) && part.p[0] == '.' && part.p[n - 1] == '.';
}

/* Dots that stand in the open are resolved by now. */
static bool hides_dots(er_slice path)
{
	while (path.n > 0) {
		size_t n = part_length(path);
		if (only_dots(er_slice_head(path, n)))
			return true;
		path = er_slice_from(path, n < path.n ? n + slash_at(path, n) : n);
	}
	return false;
}

static bool holds_nul(er_slice path)
{
	return memmem(path.p, path.n, "%00", ESCAPE) != NULL;
}

bool er_target_normal(er_arena *a, er_slice target, er_slice *out, const char **why)
{
	size_t n = er_slice_find(target, '?');
	er_slice path = er_slice_head(target, n), query = er_slice_from(target, n);
	bool plain = path_plain(path), plain_query = er_url_unencoded(query, ER_URL_SET_SPECIAL_QUERY) == query.n;
	*out = target;
	if (plain && plain_query)
		return true;
	if (!plain) {
		path = normal_path(a, path);
		if (hides_dots(path)) {
			*why = "the path hides a \"..\" or \".\" behind an encoded slash or a \";\"";
			return false;
		}
		if (holds_nul(path)) {
			*why = "the path holds an encoded NUL";
			return false;
		}
	}
	*out = er_url_join(a, path, er_url_encode(a, query, ER_URL_SET_SPECIAL_QUERY));
	return true;
}

/* ---- rules ---- */

/* The path with one character for every encoding that stands for one that may be raw, and the "*"
 * encoded. */
static void put_raw(er_buf *out, er_slice path)
{
	for (size_t i = 0; i < path.n; i++) {
		int c = escaped(path, i);
		if (c >= 0 && may_be_raw((uint8_t)c)) {
			er_buf_putc(out, (uint8_t)c);
			i += ESCAPE - 1;
		} else if (path.p[i] == '*') {
			er_buf_puts(out, "%2A");
		} else {
			er_buf_putc(out, path.p[i]);
		}
	}
}

static er_slice pattern_path(er_arena *a, er_slice path, bool prefix)
{
	if (!prefix)
		return normal_path(a, path);
	/* The last segment may go on, so "." and ".." in it mean nothing yet: only what stands before
	 * it is resolved. The path's first slash ends the loop. */
	size_t whole = path.n;
	while (path.p[whole - 1] != '/' && path.p[whole - 1] != '\\')
		whole--;
	er_slice first = normal_path(a, er_slice_head(path, whole));
	er_slice last = er_url_encode(a, er_slice_from(path, whole), ER_URL_SET_PATH);
	return er_url_join(a, first, normal_escapes(a, last));
}

er_slice er_target_pattern(er_arena *a, er_slice path, bool prefix)
{
	if (path_plain(path))
		return path;
	er_buf raw;
	er_buf_init(&raw);
	put_raw(&raw, pattern_path(a, path, prefix));
	er_slice out = er_arena_copy(a, er_buf_slice(&raw));
	er_buf_fini(&raw);
	return out;
}

/* ---- readings ---- */

static bool has_readings(er_slice path)
{
	for (size_t i = 0; i < path.n; i++) {
		uint8_t c = path.p[i];
		if (c == '%' || c == ';' || c == '*' || (c == '/' && i > 0 && path.p[i - 1] == '/'))
			return true;
	}
	return false;
}

/* One slash for several in a row. */
static void put_slash(er_buf *out, size_t from)
{
	er_slice so_far = er_slice_from(er_buf_slice(out), from);
	if (so_far.n == 0 || so_far.p[so_far.n - 1] != '/')
		er_buf_putc(out, '/');
}

/* From the reading that lies at the front of the buffer. With `loose` also encoded slashes are
 * slashes, and parameters of segments are gone. */
static void put_merged(er_buf *out, size_t n, bool loose)
{
	size_t from = er_buf_len(out);
	bool in_parameter = false;
	for (size_t i = 0; i < n;) {
		er_slice path = er_slice_head(er_buf_slice(out), n);
		size_t slash = loose ? slash_at(path, i) : path.p[i] == '/';
		if (slash > 0) {
			put_slash(out, from);
			in_parameter = false;
			i += slash;
			continue;
		}
		in_parameter = in_parameter || (loose && path.p[i] == ';');
		if (!in_parameter)
			er_buf_putc(out, path.p[i]);
		i++;
	}
}

size_t er_target_readings(er_slice path, er_buf *room, er_slice out[ER_TARGET_READINGS])
{
	if (!has_readings(path))
		return 0;
	put_raw(room, path);
	size_t first = er_buf_len(room);
	put_merged(room, first, false);
	size_t second = er_buf_len(room);
	put_merged(room, first, true);
	/* Slices at last: while the readings were written the buffer could move. */
	er_slice all = er_buf_slice(room);
	ER_ASSERT(first <= second && second <= all.n);
	out[0] = er_slice_head(all, first);
	out[1] = er_slice_of(all.p + first, second - first);
	out[2] = er_slice_from(all, second);
	return ER_TARGET_READINGS;
}
