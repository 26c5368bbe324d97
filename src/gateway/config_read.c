/* Reading node.jsonc: where a mistake stands, members of objects, lists of addresses, and the files
 * that the configuration names. What the settings mean is in config_routine.c and config_node.c,
 * which stand on this. Objects are read by the one reader of objects (control/members.h). */
#include "gateway/config_read.h"

#include "base/mem.h"
#include "control/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RANGES = 256 };

/* ---- saying where ---- */

/* "file:line:column: field: text"; `field` may be empty. */
bool er_config_wrong_at(er_config_reader *r, size_t at, const char *text)
{
	er_text_pos pos = er_text_where(r->text, at);
	return er_fail(r->err, ER_ERR_INVALID, "%s:%u:%u: %s", r->shown, pos.line, pos.column, text);
}

bool er_config_wrong(er_config_reader *r, const er_json *v, const char *fmt, ...)
{
	char text[500];
	va_list ap;
	int n = v->key.n > 0 ? snprintf(text, sizeof text, "\"%.*s\": ", ER_FMT(er_slice_head(v->key, 64))) : 0;
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
	va_end(ap);
	return er_config_wrong_at(r, v->at, text);
}

bool er_config_refused(er_config_reader *r, const er_problem *problem)
{
	return er_config_wrong_at(r, problem->at, problem->message);
}

/* ---- values ---- */

bool er_config_members(er_config_reader *r, const er_json *v, er_slice at, const er_member *members, size_t n, void *into)
{
	er_problem problem = {0};
	if (v->type != ER_JSON_OBJECT)
		return er_config_wrong(r, v, "an object is expected, not %s", er_json_type_name(v->type));
	return er_members_read(v, at, members, n, into, &problem) || er_config_refused(r, &problem);
}

bool er_config_read_limits(er_config_reader *r, const er_json *v, const er_limit *rows, size_t n, void *out)
{
	er_problem problem = {0};
	return er_settings_limits(v, v->key, rows, n, out, &problem) || er_config_refused(r, &problem);
}

bool er_config_read_ranges(er_config_reader *r, const er_json *v, bool services, er_cidr **out, size_t *n)
{
	size_t members = 0;
	if (v->type != ER_JSON_ARRAY)
		return er_config_wrong(r, v, "an array of addresses is expected (\"10.0.0.0/8\", \"::1\")");
	for (const er_json *m = v->first; m != NULL; m = m->next)
		members++;
	if (members > MAX_RANGES)
		return er_config_wrong(r, v, "more than %d addresses", MAX_RANGES);
	er_free(*out);
	*n = 0;
	*out = er_alloc(members * sizeof **out);
	bool (*parse)(er_slice text, er_cidr * out) = services ? er_cidr_parse_service : er_cidr_parse;
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (m->type != ER_JSON_STRING || !parse(m->text, &(*out)[(*n)++]))
			return er_config_wrong(r, m, "an address or a range is expected (\"10.0.0.0/8\", \"::1\"%s)",
			                       services ? ", or with a port \"10.1.2.3:5432\", \"[::1]:80\"" : "");
	return true;
}

/* ---- files ---- */

const char *er_config_path(er_config_reader *r, er_slice path)
{
	if (path.n > 0 && path.p[0] == '/')
		return er_arena_cstr(&r->arena, path);
	return er_arena_cstr(&r->arena, er_arena_printf(&r->arena, "%.*s%.*s", ER_FMT(r->folder), ER_FMT(path)));
}

bool er_config_file(er_config_reader *r, const char *path, size_t most, er_slice *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool ok = fd >= 0 && fstat(fd, &st) == 0;
	if (ok && !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		ok = false;
	}
	if (ok && (uint64_t)st.st_size > most) {
		errno = EFBIG;
		ok = false;
	}
	if (ok) {
		uint8_t *p = er_arena_alloc(&r->arena, (size_t)st.st_size + 1);
		size_t n = 0;
		ssize_t got;
		while (n < (size_t)st.st_size && (got = read(fd, p + n, (size_t)st.st_size - n)) > 0)
			n += (size_t)got;
		ER_ASSERT(n <= (size_t)st.st_size && n <= most);
		*out = er_slice_of(p, n);
	}
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return ok;
}
