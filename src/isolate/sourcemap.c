/* Two halves: a decoder of maps, and a writer of stacks. The decoder turns "mappings" into one
 * sorted array with an index of lines, and refuses what is malformed or too large. The writer reads
 * the engine's stacks a line at a time, looks positions up, and writes them clean. Every input is
 * hostile: asserts are about the arrays that the decoder made, never about what came in.
 *
 * Most of a map is what nobody needs here ("sourcesContent", "names"): it is read over, so that
 * reading takes memory for the sources' names and the mappings alone. */
#include "isolate/sourcemap.h"

#include "base/base64.h"
#include "base/json_tree.h"
#include "base/mem.h"

enum {
	MAX_JSON = 32 * 1024 * 1024,
	MAX_SOURCES = 1 << 16,
	MAX_VALUES = MAX_SOURCES + 1000, /* of the tree: the sources, and what is around them */
	MAX_SOURCE_NAME = 512,
	MAX_MAPPINGS = 1 << 20,
	MAX_LINES = 1 << 20,
	MAX_COORD = 1 << 24,
	MAX_FRAMES = 50,
	MAX_RAW_FRAMES = 200, /* looked at, with those left out */
	MAX_FRAME_LINE = 4096,
	MAX_NAME = 128,
	MAX_STACK_TEXT = 500,
	MAX_TEXT_FRAMES = 200, /* of one console line */
};

_Static_assert((uint64_t)MAX_MAPPINGS < UINT32_MAX && (uint64_t)MAX_SOURCES < UINT32_MAX, "indices are 32 bits");

/* All from 0. */
typedef struct mapping {
	uint32_t column;   /* of the script */
	uint32_t source;   /* NO_SOURCE: from here on nothing is mapped */
	uint32_t line, at; /* of the source */
} mapping;
#define NO_SOURCE UINT32_MAX

struct er_sourcemap {
	er_slice *sources;
	size_t n_sources;
	mapping *v;
	size_t n, cap;
	uint32_t *lines; /* lines[i]: the first mapping of line i; lines[n_lines]: n */
	size_t n_lines, cap_lines;
};

void er_sourcemap_free(er_sourcemap *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n_sources; i++)
		er_free((void *)(uintptr_t)m->sources[i].p);
	ER_ASSERT(m->n <= m->cap && m->n_lines <= m->cap_lines);
	er_free(m->sources);
	er_free(m->v);
	er_free(m->lines);
	er_free(m);
}

/* ---- parsing ---- */

/* A base64 VLQ (ECMA-426 5.2): the lowest bit of the value is its sign. */
static bool vlq(er_slice *s, int64_t *out)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift <= 30; shift += 5) {
		int digit = s->n ? er_base64_digit(s->p[0]) : -1;
		if (digit < 0)
			return false;
		*s = er_slice_from(*s, 1);
		v |= (uint64_t)(digit & 31) << shift;
		if (!(digit & 32)) {
			*out = v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
			return true;
		}
	}
	return false;
}

static bool add_line(er_sourcemap *m)
{
	if (m->n_lines >= MAX_LINES)
		return false;
	if (m->n_lines + 1 >= m->cap_lines) {
		m->cap_lines = m->cap_lines ? m->cap_lines * 2 : 64;
		m->lines = er_realloc(m->lines, m->cap_lines * sizeof *m->lines);
	}
	ER_ASSERT(m->n_lines + 1 < m->cap_lines && m->n <= MAX_MAPPINGS);
	m->lines[m->n_lines++] = (uint32_t)m->n;
	return true;
}

static bool add_mapping(er_sourcemap *m, mapping at)
{
	if (m->n >= MAX_MAPPINGS)
		return false;
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 256;
		m->v = er_realloc(m->v, m->cap * sizeof *m->v);
	}
	ER_ASSERT(m->n < m->cap && (at.source == NO_SOURCE || at.source < m->n_sources));
	m->v[m->n++] = at;
	return true;
}

typedef struct decoder {
	int64_t column, source, line, at; /* running sums */
} decoder;

static bool in_range(int64_t v)
{
	return v >= 0 && v < MAX_COORD;
}

/* One segment: 1, 4 or 5 numbers. Columns of a line must not go back, which keeps them sorted. */
static bool segment(er_sourcemap *m, decoder *d, er_slice *rest)
{
	int64_t delta[5];
	size_t n = 0;
	while (rest->n && rest->p[0] != ',' && rest->p[0] != ';') {
		if (n == 5 || !vlq(rest, &delta[n++]))
			return false;
	}
	if (n != 1 && n != 4 && n != 5)
		return false;
	d->column += delta[0];
	if (!in_range(d->column) || delta[0] < 0)
		return false;
	if (n == 1)
		return add_mapping(m, (mapping){.column = (uint32_t)d->column, .source = NO_SOURCE});
	d->source += delta[1];
	d->line += delta[2];
	d->at += delta[3];
	if (!in_range(d->source) || (size_t)d->source >= m->n_sources || !in_range(d->line) || !in_range(d->at))
		return false;
	return add_mapping(
	    m, (mapping){
	           .column = (uint32_t)d->column, .source = (uint32_t)d->source, .line = (uint32_t)d->line, .at = (uint32_t)d->at});
}

/* The "mappings" of a source map: `;` ends a line of the script, `,` a segment. False:
 * malformed. */
static bool decode(er_sourcemap *m, er_slice text)
{
	decoder d = {0};
	if (!add_line(m))
		return false;
	while (text.n) {
		uint8_t c = text.p[0];
		if (c == ';') {
			d.column = 0;
			if (!add_line(m))
				return false;
		}
		if (c == ';' || c == ',')
			text = er_slice_from(text, 1);
		else if (!segment(m, &d, &text))
			return false;
	}
	ER_ASSERT(m->n_lines > 0 && m->n_lines < m->cap_lines);
	m->lines[m->n_lines] = (uint32_t)m->n; /* add_line keeps room for it */
	return true;
}

static bool take_sources(er_sourcemap *m, const er_json *list, er_err *err)
{
	size_t n = er_json_count(list);
	if (!er_json_is(list, ER_JSON_ARRAY) || n > MAX_SOURCES)
		return er_fail(err, ER_ERR_INVALID, "source map: \"sources\" is no array of at most %d names", MAX_SOURCES);
	m->sources = er_zalloc((n + 1) * sizeof *m->sources);
	ER_JSON_EACH(v, list)
	{
		er_slice s = er_json_is(v, ER_JSON_STRING) ? v->text : ER_LIT("(unknown)");
		s = er_slice_head(s, MAX_SOURCE_NAME);
		ER_ASSERT(m->n_sources < n);
		m->sources[m->n_sources++] = er_slice_of(er_strdup_slice(s), s.n);
	}
	return true;
}

/* What the JSON says, into *m. */
static bool take(er_sourcemap *m, const er_json *root, er_err *err)
{
	const er_json *mappings = er_json_member(root, "mappings");
	uint64_t version;
	if (!er_json_whole(er_json_member(root, "version"), &version) || version != 3)
		return er_fail(err, ER_ERR_INVALID, "source map: \"version\" is not 3");
	if (er_json_member(root, "sections") != NULL)
		return er_fail(err, ER_ERR_INVALID, "source map: maps of sections are not taken");
	if (!er_json_is(mappings, ER_JSON_STRING))
		return er_fail(err, ER_ERR_INVALID, "source map: \"mappings\" is no string");
	return take_sources(m, er_json_member(root, "sources"), err) &&
	       (decode(m, mappings->text) ||
	        er_fail(err, ER_ERR_INVALID, "source map: \"mappings\" is malformed or has more than %d entries", MAX_MAPPINGS));
}

er_sourcemap *er_sourcemap_parse(er_slice json, er_err *err)
{
	static const er_slice wanted[] = {ER_LIT("version"), ER_LIT("sections"), ER_LIT("sources"), ER_LIT("mappings")};
	static const er_json_bounds bounds = {.values = MAX_VALUES, .only = wanted, .n_only = sizeof wanted / sizeof *wanted};
	if (json.n == 0 || json.n > MAX_JSON) {
		er_fail(err, ER_ERR_INVALID, "source map: empty or larger than %d MB", MAX_JSON >> 20);
		return NULL;
	}
	er_err why = {0};
	size_t at = 0;
	er_arena a;
	er_arena_init(&a);
	er_sourcemap *m = NULL;
	const er_json *root = er_json_read(&a, json, &bounds, &at, &why);
	if (root == NULL) {
		er_fail(err, ER_ERR_INVALID, "source map: line %u: %s", er_text_where(json, at).line, why.text);
	} else {
		m = ER_NEW(er_sourcemap);
		if (!take(m, root, err)) {
			er_sourcemap_free(m);
			m = NULL;
		}
	}
	er_arena_fini(&a);
	return m;
}

bool er_sourcemap_find(const er_sourcemap *m, uint32_t line, uint32_t column, er_source_pos *out)
{
	if (line == 0 || line > m->n_lines || column == 0)
		return false;
	/* The last mapping of the line at or before the column. */
	size_t first = m->lines[line - 1], low = first, high = m->lines[line];
	ER_ASSERT(first <= high && high <= m->n);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (m->v[mid].column <= column - 1)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == first || m->v[low - 1].source == NO_SOURCE)
		return false;
	const mapping *hit = &m->v[low - 1];
	ER_ASSERT(low <= m->n && hit->source < m->n_sources && hit->column <= column - 1);
	*out = (er_source_pos){m->sources[hit->source], hit->line + 1, hit->at + 1};
	return true;
}

bool er_sourcemap_back(const er_sourcemap *m, er_slice source, uint32_t line, uint32_t column, er_source_pos *out)
{
	for (size_t i = 0; i < m->n_lines; i++)
		for (size_t k = m->lines[i]; k < m->lines[i + 1]; k++) {
			const mapping *v = &m->v[k];
			if (v->source != NO_SOURCE && v->line + 1 == line && v->at + 1 == column &&
			    er_slice_eq(m->sources[v->source], source)) {
				*out = (er_source_pos){.line = (uint32_t)i + 1, .column = v->column + 1};
				return true;
			}
		}
	return false;
}

/* ---- stacks ---- */

bool er_stack_place(er_slice frame, er_slice *name, er_slice *path, uint64_t *line, uint64_t *column)
{
	static const er_slice at = ER_LIT("at ");
	frame = er_slice_trim(frame);
	if (!er_slice_starts(frame, at))
		return false;
	frame = er_slice_from(frame, at.n);
	*name = (er_slice){NULL, 0};
	if (frame.n > 0 && frame.p[frame.n - 1] == ')') {
		size_t open = er_slice_find(frame, '(');
		if (open == frame.n)
			return false;
		*name = er_slice_trim(er_slice_head(frame, open));
		frame = er_slice_head(er_slice_from(frame, open + 1), frame.n - open - 2);
	}
	er_slice parts[2]; /* column, line */
	for (size_t i = 0; i < 2; i++) {
		size_t end = frame.n;
		while (end > 0 && frame.p[end - 1] != ':')
			end--;
		if (end == 0)
			return false;
		parts[i] = er_slice_from(frame, end);
		frame = er_slice_head(frame, end - 1);
	}
	*path = frame;
	return frame.n > 0 && er_slice_u64(parts[0], column) && er_slice_u64(parts[1], line) && *line > 0;
}

typedef struct frame {
	er_slice name, url;
	uint32_t line, column; /* 0: not known */
} frame;

/* Cuts ":digits" off the end. */
static bool cut_number(er_slice *s, uint32_t *out)
{
	size_t i = s->n;
	while (i > 0 && s->p[i - 1] >= '0' && s->p[i - 1] <= '9')
		i--;
	uint64_t v;
	if (i == s->n || i == 0 || s->p[i - 1] != ':' || !er_slice_u64(er_slice_from(*s, i), &v) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	*s = er_slice_head(*s, i - 1);
	return true;
}

/* "fn@url:1:2", "@url:1:2", "fn@[native code]", "url:1:2" (a global frame without a name). */
static frame frame_of(er_slice text)
{
	frame f = {0};
	size_t at = text.n;
	while (at > 0 && text.p[at - 1] != '@')
		at--;
	if (at > 0)
		f.name = er_slice_head(text, at - 1);
	f.url = er_slice_from(text, at);
	uint32_t last;
	er_slice url = f.url;
	if (cut_number(&url, &last)) {
		if (cut_number(&url, &f.line))
			f.column = last;
		else
			f.line = last;
		f.url = url;
	}
	static const er_slice async = ER_LIT("async ");
	if (er_slice_starts(f.name, async))
		f.name = er_slice_from(f.name, async.n);
	return f;
}

/* Text of strangers: no control characters, not too long, cut between characters. */
static void put_clean(er_buf *out, er_slice s, size_t most)
{
	bool cut = s.n > most;
	if (cut) {
		while (most > 0 && (s.p[most] & 0xc0) == 0x80)
			most--;
		s.n = most;
	}
	for (size_t i = 0; i < s.n; i++)
		er_buf_putc(out, s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
	if (cut)
		er_buf_puts(out, "...");
}

/* "fn (src/a.ts:1:2)", or the place alone. */
static void put_place(er_buf *out, er_slice name, const er_source_pos *at)
{
	bool named = name.n && !er_slice_eq(name, ER_LIT("global code")) && !er_slice_eq(name, ER_LIT("module code"));
	if (named) {
		put_clean(out, name, MAX_NAME);
		er_buf_puts(out, " (");
	}
	put_clean(out, at->source, MAX_NAME * 2);
	if (at->line)
		er_buf_printf(out, ":%u", at->line);
	if (at->line && at->column)
		er_buf_printf(out, ":%u", at->column);
	if (named)
		er_buf_putc(out, ')');
}

/* Where the frame is to people. False: nobody wants to see it. */
static bool place_of(const er_sourcemap *m, er_slice source_url, const frame *f, bool first, er_source_pos *at)
{
	if (er_slice_starts(f->url, ER_LIT("er:")) || er_slice_starts(f->name, ER_LIT("er:")))
		return false;
	*at = (er_source_pos){f->url, f->line, f->column};
	if (m != NULL && er_slice_eq(f->url, source_url)) {
		/* A bundle is one function that global code calls: the call itself is nothing that the
		 * author wrote. */
		if (!first && er_slice_eq(f->name, ER_LIT("global code")))
			return false;
		/* What is not mapped is the bundle's own wrapping, if it has no name: the author
		 * never wrote it. */
		if (!er_sourcemap_find(m, f->line, f->column, at) && (f->name.n == 0 || er_slice_eq(f->name, ER_LIT("global code"))))
			return false;
	}
	if (f->line == 0 && er_slice_eq(f->url, ER_LIT("[native code]"))) {
		*at = (er_source_pos){.source = ER_LIT("native")};
		return f->name.n != 0;
	}
	return true;
}

void er_sourcemap_stack(const er_sourcemap *m, er_slice source_url, er_slice jsc_stack, er_buf *out)
{
	er_slice text;
	unsigned written = 0; /* of this part of the stack */
	for (unsigned looked = 0; er_slice_split(&jsc_stack, '\n', &text); looked++) {
		if (written == MAX_FRAMES || looked == MAX_RAW_FRAMES) {
			er_buf_puts(out, "    ...\n");
			return;
		}
		if (text.n > 0 && text.p[0] == ER_STACK_TEXT) {
			er_buf_puts(out, "  ");
			put_clean(out, er_slice_from(text, 1), MAX_STACK_TEXT);
			er_buf_putc(out, '\n');
			written = 0;
			continue;
		}
		text = er_slice_head(er_slice_trim(text), MAX_FRAME_LINE);
		if (text.n == 0)
			continue;
		frame f = frame_of(text);
		er_source_pos at;
		if (!place_of(m, source_url, &f, written == 0, &at))
			continue;
		er_buf_puts(out, "    at ");
		put_place(out, f.name, &at);
		er_buf_putc(out, '\n');
		written++;
	}
}

/* ---- stacks inside of other text ---- */

typedef struct rewriting {
	const er_sourcemap *m;
	er_slice source_url;
	er_buf *out;
	unsigned frames; /* rewritten so far */
	bool in_stack;   /* the line before was a frame */
} rewriting;

static bool name_byte(uint8_t c)
{
	return c > 0x20 && c != 0x7f && c != '"' && c != '\'' && c != '`' && c != '(' && c != ')' && c != '\\' && c != ',';
}

/* What stands before the "@" of a frame: an identifier, or the engine's words for code
 * without one. */
static bool name_ok(er_slice name)
{
	if (er_slice_eq(name, ER_LIT("global code")) || er_slice_eq(name, ER_LIT("module code")))
		return true;
	for (size_t i = 0; i < name.n; i++)
		if (!name_byte(name.p[i]))
			return false;
	return true;
}

/* A line that is a frame and nothing else: perhaps indented, with "at " before it and " {" behind
 * it, as the console prints errors. */
static bool frame_line(const rewriting *w, er_slice line, er_slice *indent, frame *f, bool *brace)
{
	size_t n = 0;
	while (n < line.n && line.p[n] == ' ')
		n++;
	*indent = er_slice_head(line, n);
	er_slice rest = er_slice_from(line, n);
	static const er_slice at = ER_LIT("at "), open = ER_LIT(" {");
	bool marked = er_slice_starts(rest, at);
	if (marked)
		rest = er_slice_from(rest, at.n);
	*brace = rest.n > open.n && er_slice_eq(er_slice_from(rest, rest.n - open.n), open);
	if (*brace)
		rest = er_slice_head(rest, rest.n - open.n);
	if (rest.n > MAX_FRAME_LINE || er_slice_find(rest, '@') == rest.n)
		return false;
	*f = frame_of(rest);
	if (!name_ok(f->name))
		return false;
	if (n == 0)
		*indent = ER_LIT("    ");
	if (er_slice_eq(f->url, w->source_url))
		return f->line > 0;
	if (er_slice_starts(f->url, ER_LIT("er:")))
		return f->line > 0;
	return w->in_stack && er_slice_eq(f->url, ER_LIT("[native code]"));
}

/* How long "URL:line:column" at the beginning of `s` is; 0: there is none. */
static size_t position_at(const rewriting *w, er_slice s, frame *f)
{
	if (!er_slice_starts(s, w->source_url))
		return 0;
	size_t i = w->source_url.n;
	uint32_t *const numbers[] = {&f->line, &f->column};
	for (size_t k = 0; k < 2; k++) {
		size_t from = i + 1;
		if (i >= s.n || s.p[i] != ':')
			return 0;
		for (i = from; i < s.n && i < from + 9 && s.p[i] >= '0' && s.p[i] <= '9';)
			i++;
		uint64_t v;
		if (!er_slice_u64(er_slice_head(er_slice_from(s, from), i - from), &v))
			return 0;
		*numbers[k] = (uint32_t)v;
	}
	f->url = w->source_url;
	return i;
}

/* "fn@URL:1:2" and "URL:1:2" wherever they stand in a line. */
static void put_line(rewriting *w, er_slice line)
{
	size_t done = 0;
	for (size_t i = 0; i + w->source_url.n < line.n && w->frames < MAX_TEXT_FRAMES; i++) {
		frame f = {0};
		er_source_pos at;
		size_t n = line.p[i] == w->source_url.p[0] ? position_at(w, er_slice_from(line, i), &f) : 0;
		/* not the end of a longer name */
		bool apart = i == 0 || !name_byte(line.p[i - 1]) || line.p[i - 1] == '@';
		if (n == 0 || !apart)
			continue;
		size_t from = i > done && line.p[i - 1] == '@' ? i - 1 : i;
		size_t name = from;
		while (from < i && name > done && name_byte(line.p[name - 1]))
			name--;
		/* As JSON has it: a "\n" before the name. */
		if (from < i && name > done && line.p[name - 1] == '\\' && name < from && line.p[name] == 'n')
			name++;
		f.name = er_slice_of(line.p + name, from - name);
		if (w->m == NULL || !er_sourcemap_find(w->m, f.line, f.column, &at))
			at = (er_source_pos){f.url, f.line, f.column};
		er_buf_put(w->out, er_slice_of(line.p + done, name - done));
		put_place(w->out, f.name, &at);
		w->frames++;
		ER_ASSERT(name >= done && i + n <= line.n);
		done = i + n;
		i = done - 1;
	}
	er_buf_put(w->out, er_slice_from(line, done));
}

bool er_sourcemap_text_wants(er_slice source_url, er_slice text)
{
	if (source_url.n == 0)
		return false;
	for (er_slice rest = text;;) {
		size_t at = er_slice_find(rest, source_url.p[0]);
		if (at + source_url.n >= rest.n)
			return false;
		rest = er_slice_from(rest, at);
		if (er_slice_starts(rest, source_url) && rest.p[source_url.n] == ':')
			return true;
		rest = er_slice_from(rest, 1);
	}
}

void er_sourcemap_text(const er_sourcemap *m, er_slice source_url, er_slice text, er_buf *out)
{
	rewriting w = {.m = m, .source_url = source_url, .out = out};
	er_slice line;
	bool first = true;
	for (; er_slice_split(&text, '\n', &line);) {
		er_slice indent;
		frame f;
		bool brace = false;
		bool is_frame = w.frames < MAX_TEXT_FRAMES && frame_line(&w, line, &indent, &f, &brace);
		er_source_pos at;
		bool shown = is_frame && place_of(m, source_url, &f, !w.in_stack, &at);
		if (!is_frame || shown) {
			if (!first)
				er_buf_putc(out, '\n');
			first = false;
		}
		if (shown) {
			er_buf_put(out, indent);
			er_buf_puts(out, "at ");
			put_place(out, f.name, &at);
			w.frames++;
		} else if (!is_frame) {
			put_line(&w, line);
		}
		if (brace && is_frame)
			er_buf_puts(out, " {");
		w.in_stack = is_frame && !brace;
	}
}
