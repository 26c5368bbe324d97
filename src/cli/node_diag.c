/* What is wrong with a node's configuration, shown at its place, and what is allowed but probably
 * not meant (node_diag.h).
 *
 * The configuration's reader says a mistake as one text, "path:line:column: what". Here the place
 * is taken out of it again and the line is read from the file. The other half asks the machine: may
 * the files be written, does it have the addresses, how many descriptors are there. Nothing is
 * opened for writing, and an address is only bound to a port that the system chooses. */
#include "cli/node_diag.h"

#include "base/clock.h"
#include "cli/project.h"
#include "gateway/files.h"
#include "geo/database.h"
#include "net/listen.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, RULES_COMPARED = 2000, OLD_S = 180 * 86400 /* of a database of places */ };

/* ---- a mistake at its place ---- */

/* "12:" off the front. */
static bool take_number(er_slice *s, unsigned *out)
{
	uint64_t v;
	size_t colon = er_slice_find(*s, ':');
	if (colon == s->n || !er_slice_u64(er_slice_head(*s, colon), &v) || v == 0 || v > 1000000000)
		return false;
	*out = (unsigned)v;
	*s = er_slice_from(*s, colon + 1);
	return true;
}

/* The first ":line:column: " of the text: a path may have colons itself. */
static bool place_of(er_slice text, er_slice *path, unsigned *line, unsigned *column, er_slice *rest)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != ':')
			continue;
		er_slice after = er_slice_from(text, i + 1);
		if (take_number(&after, line) && take_number(&after, column) && after.n > 0 && after.p[0] == ' ') {
			*path = er_slice_head(text, i);
			*rest = er_slice_from(after, 1);
			return true;
		}
	}
	return false;
}

/* How many code points the value or the name there has. */
static unsigned length_of(er_slice line, unsigned column)
{
	ER_ASSERT(column > 0);
	size_t at = 0;
	for (unsigned c = 1; c < column && at < line.n; c++)
		do
			at++;
		while (at < line.n && (line.p[at] & 0xc0) == 0x80);
	bool quoted = at < line.n && line.p[at] == '"';
	unsigned n = 0;
	for (size_t i = at; i < line.n; i++) {
		uint8_t c = line.p[i];
		if (quoted ? (i > at && c == '"' && line.p[i - 1] != '\\') : (c == ',' || c == ' ' || c == '}' || c == ']' || c == '\t'))
			return n + quoted;
		n += (c & 0xc0) != 0x80;
	}
	return n;
}

er_diag er_node_diag(er_arena *a, const char *file, const char *text)
{
	ER_ASSERT(file != NULL && text != NULL);
	er_diag d = {0};
	er_slice whole = er_arena_copy(a, er_slice_cstr(text)), content, one;
	er_err err;
	if (!place_of(whole, &d.path, &d.line, &d.column, &d.text)) {
		d = (er_diag){.path = er_slice_cstr(file), .text = whole};
		return d;
	}
	d.length = 1;
	if (!er_project_read(a, er_arena_cstr(a, d.path), FILE_MAX, &content, &err))
		return d;
	for (unsigned i = 1; er_slice_split(&content, '\n', &one); i++)
		if (i == d.line) {
			d.line_text = er_slice_head(one, er_slice_find(one, '\r'));
			break;
		}
	unsigned n = length_of(d.line_text, d.column);
	d.length = n > 0 ? n : 1;
	return d;
}

/* ---- what is probably not meant ---- */

static void put(er_node_warnings *w, bool warning, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void put(er_node_warnings *w, bool warning, const char *fmt, ...)
{
	char text[512];
	ER_ASSERT(w->n <= ER_NODE_WARNINGS_MAX);
	va_list ap;
	if (w->n == ER_NODE_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	w->v[w->n++] =
	    (er_diag){.warning = warning, .path = er_slice_cstr(w->file), .text = er_arena_copy(w->arena, er_slice_cstr(text))};
}

/* Each rule with those before it; of very many only the first ones, since it is the square of
 * them. */
static void warn_of_rules(er_node_warnings *w, const er_config *c)
{
	const er_env_tables *s = &c->env[ER_ENV_PRODUCTION];
	for (size_t i = 1; i < s->n_rules && i < RULES_COMPARED; i++)
		for (size_t k = 0; k < i; k++) {
			const er_rule *before = &s->rules[k], *rule = &s->rules[i];
			if (before->target == rule->target || !er_pattern_covers(&before->route->part, &rule->route->part))
				continue;
			put(w, true, "route \"%.*s\" (%.*s) is never reached: \"%.*s\" (%.*s) before it takes everything",
			    ER_FMT(rule->route->pattern), ER_FMT(c->deployments[rule->target]->name), ER_FMT(before->route->pattern),
			    ER_FMT(c->deployments[before->target]->name));
			break;
		}
}

static bool has_rule(const er_env_tables *s, uint32_t target)
{
	for (size_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].target == target)
			return true;
	return false;
}

static void warn_of_routines(er_node_warnings *w, const er_config *c)
{
	for (size_t i = 0; i < c->n_deployments; i++) {
		const er_deployment *d = c->deployments[i];
		if (d->env == ER_ENV_PRODUCTION && !has_rule(&c->env[ER_ENV_PRODUCTION], (uint32_t)i))
			put(w, true, "routine %.*s has no route: clients reach it only as %.*s.localhost", ER_FMT(d->name), ER_FMT(d->name));
	}
	if (c->n_deployments == 0 && c->origin == NULL && c->n_sites == 0 && c->data == NULL)
		put(w, true, "there is no routine, no site, no origin and no data folder: every request is answered with 404");
}

/* An address that clients cannot come to, because this machine does not have it now. */
static void warn_of_address(er_node_warnings *w, const char *address)
{
	ER_ASSERT(address != NULL);
	struct sockaddr_storage sa = {0};
	if (!er_listen_parse(er_slice_cstr(address), &sa, NULL))
		return;
	if (sa.ss_family == AF_INET)
		((struct sockaddr_in *)(void *)&sa)->sin_port = 0;
	else
		((struct sockaddr_in6 *)(void *)&sa)->sin6_port = 0;
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sa.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) != 0)
		put(w, true, "%s: this machine does not have that address now (%s)", address, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool is_loopback(const char *address)
{
	struct sockaddr_storage sa = {0};
	if (!er_listen_parse(er_slice_cstr(address), &sa, NULL))
		return false;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&sa;
	return sa.ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* Who may say whose connection or request it is. */
static void warn_of_fronts(er_node_warnings *w, const er_config *c)
{
	for (size_t i = 0; i < c->n_trusted; i++)
		if (c->trusted[i].bits == 0 || (c->trusted[i].bits == 96 && IN6_IS_ADDR_V4MAPPED(&c->trusted[i].addr)))
			put(w, true, "trustedProxies has every address: every client may say that it is another one");
	for (size_t i = 0; i < c->n_listen; i++)
		if (c->listen[i].prefaced && c->n_trusted == 0 && !is_loopback(c->listen[i].address))
			put(w, true,
			    "listen %s: proxyProtocol without trustedProxies believes whoever connects; name the front, or keep others away "
			    "from that address",
			    c->listen[i].address);
}

/* The admin address has no TLS of its own, and /metrics asks nobody. */
static void warn_of_addresses(er_node_warnings *w, const er_config *c)
{
	for (size_t i = 0; i < c->n_listen; i++)
		warn_of_address(w, c->listen[i].address);
	if (c->admin == NULL)
		return;
	warn_of_address(w, c->admin);
	if (!is_loopback(c->admin))
		put(w, true,
		    "admin %s is not on this machine alone: /health and /metrics need no token, and tokens travel in the clear; keep "
		    "clients away "
		    "from it",
		    c->admin);
}

/* The folder that a file would be made in. */
static void need_folder(er_node_warnings *w, const char *what, const char *path)
{
	ER_ASSERT(what != NULL && path != NULL);
	char *folder = er_arena_cstr(w->arena, er_slice_cstr(path));
	char *slash = strrchr(folder, '/');
	if (slash == folder)
		slash[1] = '\0';
	else if (slash != NULL)
		*slash = '\0';
	else
		folder = er_arena_cstr(w->arena, ER_LIT("."));
	if (access(folder, W_OK | X_OK) != 0)
		put(w, false, "%s: the folder %s cannot be written to: %s", what, folder, strerror(errno));
}

/* The node starts without these, so they are warnings. */
static void check_disks(er_node_warnings *w, const er_config *c)
{
	struct stat st;
	if (c->n_cache_disks > 0 && c->origin == NULL)
		put(w, true, "cache.disk is of no use: there is no origin whose answers it would store");
	for (size_t i = 0; i < c->n_cache_disks; i++) {
		const char *path = c->cache_disks[i].path;
		if (stat(path, &st) == 0 && (!S_ISREG(st.st_mode) || access(path, R_OK | W_OK) != 0))
			put(w, true, "cache.disk: %s is no file that can be written to: the node serves without it", path);
	}
}

/* The node starts without a database that it cannot read, so these are warnings. */
static void check_geo(er_node_warnings *w, const er_config *c)
{
	for (size_t i = 0; i < c->geo.n; i++) {
		er_err err = {0};
		er_geo_database *d = er_geo_database_open(c->geo.paths[i], &err);
		if (d == NULL) {
			put(w, true, "geo.database: %s; the node serves without it", err.text);
			continue;
		}
		uint64_t built = er_geo_database_built(d), now = er_clock_wall_us() / 1000000;
		if (built + OLD_S < now)
			put(w, true, "geo.database: %s was made %llu days ago; addresses have moved since", c->geo.paths[i],
			    (unsigned long long)((now - built) / 86400));
		er_geo_database_unref(d);
	}
}

/* The only errors here: without these files the node would not start. */
static void check_files(er_node_warnings *w, const er_config *c)
{
	struct stat st;
	if (c->access_log != NULL && c->access_log[0] != '-') {
		if (stat(c->access_log, &st) != 0)
			need_folder(w, "accessLog", c->access_log);
		else if (S_ISDIR(st.st_mode) || access(c->access_log, W_OK) != 0)
			put(w, false, "accessLog: %s cannot be written to", c->access_log);
	}
	check_disks(w, c);
	if (c->data == NULL)
		return;
	if (stat(c->data, &st) != 0)
		need_folder(w, "data", c->data);
	else if (!S_ISDIR(st.st_mode) || access(c->data, R_OK | W_OK | X_OK) != 0)
		put(w, false, "data: %s is no folder that can be written to", c->data);
}

/* Levels and descriptors. */
static void check_machine(er_node_warnings *w, const er_config *c)
{
	struct rlimit most;
	if (c->min_level < ER_LEVEL_FULL)
		put(w, true, "sandbox.minLevel is \"%s\": the node starts even where sandboxes are locked down less than they could be",
		    er_level_name(c->min_level));
	if (getrlimit(RLIMIT_NOFILE, &most) != 0)
		return;
	er_files files = er_files_plan(c, most.rlim_max);
	/* What the defaults ask for fits hardly anywhere, and the node says at its start what there
	 * is. */
	if (c->limits.connections > most.rlim_max)
		put(w, true,
		    "limits.connections is %u, but a process may open %llu files here (ulimit -Hn; LimitNOFILE= of systemd): there can "
		    "be "
		    "%u connections of clients, %u to servers, and %u sandboxes a thread",
		    c->limits.connections, (unsigned long long)most.rlim_max, files.clients, files.servers, files.instances);
}

void er_node_warn(er_node_warnings *w, const er_config *c)
{
	ER_ASSERT(w->arena != NULL && w->file != NULL && c != NULL);
	check_files(w, c);
	check_geo(w, c);
	warn_of_addresses(w, c);
	warn_of_fronts(w, c);
	check_machine(w, c);
	warn_of_routines(w, c);
	warn_of_rules(w, c);
}
