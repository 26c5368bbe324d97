/* The namespaces of the KV, in memory, sorted by name: control.db has them, and the KV's rows carry
 * only their numbers.
 *
 * The list is read at the start and again by every change that makes or ends a namespace, in the
 * transaction of that change; er_store_apply puts it in place when that is committed. Readers on
 * any thread look a name up under the read lock and leave with a number. A number is never given
 * twice, so who still has that of a namespace which was deleted meanwhile reads and writes rows
 * that nobody sees, and the sweep takes them.
 *
 * Ownership: er_namespaces_read gives the list to its caller, er_namespaces_swap exchanges it with
 * the store's, er_namespaces_fini frees either. */
#include "base/buf.h"
#include "store/room.h"

#include <stdlib.h>

bool er_namespaces_read(er_db *db, er_namespaces *out, er_err *err)
{
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(db, "SELECT name, id FROM namespace ORDER BY name");
	while (er_query_row(&q)) {
		er_namespace ns = {.id = er_col_int(&q, 1)};
		er_slice name = er_slice_head(er_col_bytes(&q, 0), ER_NAME_MAX);
		er_copy(ns.name, name.p, name.n);
		er_buf_put(&rows, er_slice_of(&ns, sizeof ns));
	}
	ER_ASSERT(er_buf_len(&rows) % sizeof *out->all == 0);
	out->n = er_buf_len(&rows) / sizeof *out->all;
	/* the buffer's memory, from its start; er_free takes it */
	out->all = (er_namespace *)(void *)rows.p;
	return er_query_end(&q, err);
}

void er_namespaces_swap(er_store *s, er_namespaces *with)
{
	ER_ASSERT(with->n == 0 || with->all != NULL);
	pthread_rwlock_wrlock(&s->names_lock);
	er_namespaces old = s->names;
	s->names = *with;
	pthread_rwlock_unlock(&s->names_lock);
	*with = old;
}

void er_namespaces_fini(er_namespaces *n)
{
	er_free(n->all);
	*n = (er_namespaces){0};
}

/* As "ORDER BY name" sorts: bytes, and the shorter one first. */
static int by_name(const void *name, const void *ns)
{
	const er_slice *a = name;
	er_slice b = er_slice_cstr(((const er_namespace *)ns)->name);
	size_t n = a->n < b.n ? a->n : b.n;
	int order = n > 0 ? memcmp(a->p, b.p, n) : 0;
	return order != 0 ? order : (a->n > b.n) - (a->n < b.n);
}

bool er_namespace_find(er_store *s, er_slice name, int64_t *id, er_err *err)
{
	const er_namespace *hit = NULL;
	ER_ASSERT(id != NULL);
	pthread_rwlock_rdlock(&s->names_lock);
	if (name.n > 0 && s->names.n > 0)
		hit = bsearch(&name, s->names.all, s->names.n, sizeof *s->names.all, by_name);
	*id = hit != NULL ? hit->id : 0;
	pthread_rwlock_unlock(&s->names_lock);
	return hit != NULL || er_fail(err, ER_ERR_NO_ROUTE, "there is no KV namespace \"%.*s\": make it first (er kv namespace add)",
	                              ER_FMT(er_slice_head(name, 80)));
}

er_namespaces er_namespaces_copy(er_store *s)
{
	pthread_rwlock_rdlock(&s->names_lock);
	er_namespaces copy = {.n = s->names.n};
	copy.all = er_alloc(copy.n * sizeof *copy.all);
	er_copy(copy.all, s->names.all, copy.n * sizeof *copy.all);
	pthread_rwlock_unlock(&s->names_lock);
	return copy;
}
