/* The table of inherited descriptors, and its three sources: ER_UPGRADE (read), LISTEN_FDS (read),
 * and er_inherited_add (to be given). An item is a kind, a name and its descriptors; taking an item
 * moves its descriptors out and leaves the item empty. What was read is owned, and what nobody took
 * is closed with the table; what was added is borrowed.
 *
 * The two variables are text from outside: a mistake in them is a sentence and the node does not
 * start. Read once, in main, before any thread; the tables to give are made on the control
 * thread. */
#include "gateway/inherit.h"

#include "base/mem.h"
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, FDS_MAX = 4096, ITEMS_MAX = 4096 };

/* Descriptors of one kind and name. n 0: taken. */
typedef struct item {
	char *kind, *name;
	int *fds;
	unsigned n;
} item;

struct er_inherited {
	item *items;
	size_t n;
	bool owns;
};

/* ---- the table ---- */

er_inherited *er_inherited_new(void)
{
	return ER_NEW(er_inherited);
}

static void drop(item *it, bool close_fds)
{
	for (unsigned i = 0; close_fds && i < it->n; i++)
		close(it->fds[i]);
	er_free(it->kind);
	er_free(it->name);
	er_free(it->fds);
	*it = (item){0};
}

void er_inherited_free(er_inherited *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		drop(&t->items[i], t->owns);
	er_free(t->items);
	er_free(t);
}

static item *push(er_inherited *t, er_slice kind, er_slice name)
{
	t->items = er_realloc(t->items, (t->n + 1) * sizeof *t->items);
	item *it = &t->items[t->n++];
	*it = (item){.kind = er_strdup_slice(kind), .name = er_strdup_slice(name)};
	return it;
}

static void push_fd(item *it, int fd)
{
	ER_ASSERT(fd >= 0);
	it->fds = er_realloc(it->fds, (it->n + 1) * sizeof *it->fds);
	it->fds[it->n++] = fd;
}

void er_inherited_add(er_inherited *t, const char *kind, const char *name, const int *fds, unsigned n)
{
	ER_ASSERT(!t->owns && n > 0);
	item *it = push(t, er_slice_cstr(kind), er_slice_cstr(name));
	for (unsigned i = 0; i < n; i++)
		push_fd(it, fds[i]);
}

/* ---- finding ---- */

static bool same_text(const char *a, const char *b)
{
	return er_slice_eq(er_slice_cstr(a), er_slice_cstr(b));
}

/* The same address and port, however they are spelled. Port 0 is no address yet. */
static bool same_address(const char *a, const char *b)
{
	struct sockaddr_storage sa = {0}, sb = {0};
	if (!er_listen_parse(er_slice_cstr(a), &sa, NULL) || !er_listen_parse(er_slice_cstr(b), &sb, NULL))
		return false;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&sa;
	bool bound = sa.ss_family == AF_INET ? v4->sin_port != 0 : v6->sin6_port != 0;
	return bound && memcmp(&sa, &sb, sizeof sa) == 0;
}

static bool fits(const item *it, const char *kind, const char *name)
{
	ER_ASSERT(kind != NULL && name != NULL && (it->n == 0) == (it->fds == NULL));
	bool any = same_text(it->kind, "any");
	if (it->n == 0 || (!any && !same_text(it->kind, kind)))
		return false;
	return same_text(it->name, name) || same_address(it->name, name);
}

unsigned er_inherited_take(er_inherited *t, const char *kind, const char *name, int **fds)
{
	for (size_t i = 0; t != NULL && i < t->n; i++) {
		item *it = &t->items[i];
		if (!fits(it, kind, name))
			continue;
		unsigned n = it->n;
		ER_ASSERT(n > 0 && it->fds != NULL);
		*fds = it->fds;
		it->fds = NULL;
		it->n = 0;
		return n;
	}
	return 0;
}

bool er_inherited_has(const er_inherited *t, const char *kind, const char *name)
{
	for (size_t i = 0; t != NULL && i < t->n; i++)
		if (t->items[i].n > 0 && fits(&t->items[i], kind, name))
			return true;
	return false;
}

int er_inherited_take_one(er_inherited *t, const char *kind, const char *name)
{
	int *fds = NULL;
	unsigned n = er_inherited_take(t, kind, name, &fds);
	int fd = n > 0 ? fds[0] : -1;
	for (unsigned i = 1; i < n; i++)
		close(fds[i]);
	er_free(fds);
	return fd;
}

bool er_inherited_left(const er_inherited *t, er_buf *out)
{
	bool any = false;
	for (size_t i = 0; i < t->n; i++) {
		if (t->items[i].n == 0)
			continue;
		er_buf_put_cstr(out, any ? ", " : "");
		er_buf_put_cstr(out, t->items[i].name);
		any = true;
	}
	return any;
}

/* ---- ER_UPGRADE ---- */

unsigned er_inherited_count(const er_inherited *t)
{
	unsigned n = 0;
	for (size_t i = 0; i < t->n; i++)
		n += t->items[i].n;
	return n;
}

void er_inherited_list(const er_inherited *t, int *fds)
{
	ER_ASSERT(!t->owns && (t->n == 0 || fds != NULL));
	for (size_t i = 0; i < t->n; i++)
		for (unsigned k = 0; k < t->items[i].n; k++)
			*fds++ = t->items[i].fds[k];
}

void er_inherited_text(const er_inherited *t, unsigned first, er_buf *out)
{
	ER_ASSERT(!t->owns && first >= FIRST_FD);
	er_buf_puts(out, "1\n");
	for (size_t i = 0; i < t->n; i++) {
		const item *it = &t->items[i];
		er_buf_put_cstr(out, it->kind);
		for (unsigned k = 0; k < it->n; k++)
			er_buf_printf(out, "%c%u", k > 0 ? ',' : ' ', first++);
		er_buf_printf(out, " %s\n", it->name);
	}
}

static bool is_open(uint64_t fd)
{
	return fd >= FIRST_FD && fd < INT32_MAX && fcntl((int)fd, F_GETFD) >= 0;
}

static void keep_from_children(int fd)
{
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* "KIND FD[,FD...] NAME" */
static bool read_line(er_inherited *t, er_slice line)
{
	size_t a = er_slice_find(line, ' ');
	er_slice kind = er_slice_head(line, a), rest = er_slice_from(line, a + 1);
	size_t b = er_slice_find(rest, ' ');
	er_slice numbers = er_slice_head(rest, b), number;
	if (kind.n == 0 || b == rest.n || t->n == ITEMS_MAX)
		return false;
	item *it = push(t, kind, er_slice_from(rest, b + 1));
	while (er_slice_split(&numbers, ',', &number)) {
		uint64_t fd;
		if (!er_slice_u64(number, &fd) || !is_open(fd) || it->n == FDS_MAX)
			return false;
		keep_from_children((int)fd);
		push_fd(it, (int)fd);
	}
	return it->n > 0;
}

static bool read_upgrade(er_inherited *t, const char *text, er_err *err)
{
	er_slice rest = er_slice_cstr(text), line;
	bool ok = er_slice_split(&rest, '\n', &line) && er_slice_eq(line, ER_LIT("1"));
	while (ok && er_slice_split(&rest, '\n', &line))
		ok = read_line(t, line);
	return ok || er_fail(err, ER_ERR_INVALID,
	                     "ER_UPGRADE is not what a node gives to its successor: it is set by the node alone, and should not be "
	                     "in the environment otherwise");
}

/* ---- LISTEN_FDS (sd_listen_fds(3)) ---- */

/* What the socket is bound to, as configuration would spell it. */
static bool name_of(int fd, char *out, size_t cap)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	} name = {.un = {0}};
	socklen_t n = sizeof name;
	int listening = 0;
	socklen_t listening_n = sizeof listening;
	char host[INET6_ADDRSTRLEN] = "";
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_n) != 0 || !listening ||
	    getsockname(fd, &name.any, &n) != 0)
		return false;
	switch (name.any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &name.v4.sin_addr, host, sizeof host);
		snprintf(out, cap, "%s:%u", host, ntohs(name.v4.sin_port));
		return true;
	case AF_INET6:
		inet_ntop(AF_INET6, &name.v6.sin6_addr, host, sizeof host);
		snprintf(out, cap, "[%s]:%u", host, ntohs(name.v6.sin6_port));
		return true;
	case AF_UNIX:
		snprintf(out, cap, "%s", name.un.sun_path);
		return name.un.sun_path[0] == '/';
	default:
		return false;
	}
}

/* Descriptors from 3 on, if they are meant for this process. */
static bool read_listen_fds(er_inherited *t, const char *pid, const char *count, er_err *err)
{
	uint64_t whose, n;
	if (!er_slice_u64(er_slice_cstr(pid), &whose) || whose != (uint64_t)getpid())
		return true; /* meant for somebody else */
	if (!er_slice_u64(er_slice_cstr(count), &n) || n > FDS_MAX)
		return er_fail(err, ER_ERR_INVALID, "LISTEN_FDS: a number is expected, not \"%s\"", count);
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)n; fd++) {
		char name[sizeof(struct sockaddr_un) + 64];
		if (!is_open((uint64_t)fd) || !name_of(fd, name, sizeof name))
			return er_fail(err, ER_ERR_INVALID,
			               "LISTEN_FDS: descriptor %d is no socket that listens (ListenStream= of the socket unit is what is "
			               "expected)",
			               fd);
		keep_from_children(fd);
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		push_fd(push(t, ER_LIT("any"), er_slice_cstr(name)), fd);
	}
	return true;
}

er_inherited *er_inherited_read(er_err *err)
{
	er_inherited *t = er_inherited_new();
	t->owns = true;
	const char *upgrade = getenv("ER_UPGRADE"), *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	bool ok = upgrade == NULL || read_upgrade(t, upgrade, err);
	if (ok && pid != NULL && count != NULL)
		ok = read_listen_fds(t, pid, count, err);
	unsetenv("ER_UPGRADE");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (ok)
		return t;
	er_inherited_free(t);
	return NULL;
}
