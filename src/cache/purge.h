/* What was purged: the one table of a node that says of a stored response whether it may still be
 * used. A purge names a scope (everything, a site, a host, a URL, what begins so, a tag) and takes
 * the next number of one sequence; a response has the number that was next when its request left. A
 * response is purged if a scope of it has a higher number. So a purge costs the same whatever it
 * matches, nothing has to be found, and neither a fill that was under way nor a copy elsewhere can
 * bring a purged response back.
 *
 * Any thread. A look costs one comparison as long as nothing was purged since the last look at the
 * same response. */
#ifndef ER_CACHE_PURGE_H
#define ER_CACHE_PURGE_H

#include "base/arena.h"
#include "base/err.h"
#include "http/fields.h"

typedef struct er_purges er_purges;

#define ER_PURGE_KINDS(X) \
	X(ALL, "everything") \
	X(SITE, "site") \
	X(HOST, "host") \
	X(URL, "url") \
	X(PREFIX, "prefix") \
	X(TAG, "tag")

typedef enum er_purge_kind {
#define X(name, text) ER_PURGE_##name,
	ER_PURGE_KINDS(X)
#undef X
	    ER_PURGE_KINDS_N
} er_purge_kind;

/* "everything", "site" ... */
const char *er_purge_kind_name(er_purge_kind kind);
ER_MUST_CHECK bool er_purge_kind_parse(er_slice text, er_purge_kind *out);

enum {
	ER_PURGE_TAGS = 1000,      /* that one response may have */
	ER_PURGE_TAG_MAX = 1024,   /* bytes of one */
	ER_PURGE_VALUE_MAX = 8192, /* bytes of a URL */
};

typedef struct er_purge {
	er_purge_kind kind;
	bool soft; /* what it matches is stale, and not gone */
	/* HOST: a host, without a port; URL, PREFIX: authority and target, or how they begin, in the
	 * spelling of requests; TAG: a tag, or empty: every tag; SITE: its name */
	er_slice value;
	/* HOST, URL, PREFIX, TAG: only of what is stored for this site, which pays if there are too
	 * many of them; empty: of all */
	er_slice site;
} er_purge;

/* Of a response: what purges it is matched with. */
typedef struct er_scopes {
	er_slice where; /* authority and target */
	uint64_t site, host, url;
	uint32_t n_tags;
	const uint64_t *tags;
} er_scopes;

/* `last`: the highest number that was ever given. `most`: scopes that it holds; 0: as many as are
 * right for a node. */
er_purges *er_purges_new(uint64_t last, size_t most);
void er_purges_free(er_purges *p);
/* Numbers go on behind this one: it is of an earlier run. */
void er_purges_continue(er_purges *p, uint64_t last);
/* The next number: of a question to the origin that leaves now, or of a purge. */
uint64_t er_purges_next(er_purges *p);
/* From now on nothing that is older than `number` and that it matches is used. */
void er_purges_add(er_purges *p, const er_purge *what, uint64_t number);
/* An unsafe request to the URL went well (RFC 9111 4.4): as a hard purge of it at one site, but in
 * a table of its own, which clients cannot fill (voids.h), and which a start forgets
 * (er_purges_forgotten). For sites whose keys have parts; `where` as in scopes. */
void er_purges_void(er_purges *p, uint64_t site, er_slice where, uint64_t number);
/* Responses of this number are of an earlier run, and what was void then nobody knows. */
bool er_purges_forgotten(const er_purges *p, uint64_t number);
/* It holds so many scopes, in all or of one site, that some should go. If whoever owns the stores
 * can have them look at everything (er_index_settle), er_purges_forget lets those go that match
 * nothing any more. Else er_purges_coarser says which purges could stand for many. */
bool er_purges_crowded(const er_purges *p);

/* A purge that takes the place of many: of a host, of a TAG without a value, of a site, or of
 * everything. */
typedef struct er_purge_coarse {
	er_purge what;       /* not `soft`: its numbers say it; texts in the arena */
	uint64_t hard, soft; /* the highest of those that it stands for; 0: none */
} er_purge_coarse;

/* What should stand for others so that it is not crowded any more: the hosts and sites with the
 * most scopes; everything up to some time ago only if very many have few each. It may be crowded
 * yet after that: then there is more of them. The number of them,
 * 256 at most; 0: it is not crowded. Costs as much as the table is long, which it is not again for
 * as many purges as it stands for. */
size_t er_purges_coarser(er_purges *p, er_arena *a, er_purge_coarse **out);
/* They take the place of what they cover, if that has no higher number. */
void er_purges_coarsen(er_purges *p, const er_purge_coarse *v, size_t n);
/* The number of the last question or purge. */
uint64_t er_purges_last(const er_purges *p);
/* Nothing is stored any more that a purge of up to this number matches. */
void er_purges_forget(er_purges *p, uint64_t upto);
size_t er_purges_count(const er_purges *p);

/* `where`: authority and target of the request; must live as long as the scopes. Tags are those of
 * Cache-Tag (comma between) and Surrogate-Key (blank between); in the arena. */
er_scopes er_scopes_of(er_arena *a, er_slice where, uint64_t site, const er_fields *response);
/* A copy of the other's tags, in the arena: of a response that was renewed without a
 * word of them. */
void er_scopes_copy_tags(er_arena *a, er_scopes *to, const er_scopes *from);
/* The response has these tags, too, at most ER_WISHED_TAGS: comma between, as in Cache-Tag. False:
 * it has more than are kept then, and nothing was added. */
ER_MUST_CHECK bool er_scopes_add_tags(er_arena *a, er_scopes *s, er_slice tags);
/* Names tags, which are the cache's business and nobody's behind it. */
bool er_scopes_field(er_slice name);
/* As a site is known in scopes. */
uint64_t er_scopes_site(er_slice name);
/* A response with these fields has no more tags than are kept, so that none of its purges is
 * missed. */
ER_MUST_CHECK bool er_scopes_all(const er_fields *response);

typedef enum er_purged { ER_PURGED_NOT, ER_PURGED_SOFT, ER_PURGED_HARD } er_purged;

/* When a response was last looked at: zeros at first. */
typedef struct er_purge_look {
	uint64_t at; /* atomic */
	bool soft;   /* atomic */
} er_purge_look;

/* Whether the response of that number is purged; keeps what it found in *look. */
er_purged er_purges_look(er_purges *p, const er_scopes *scopes, uint64_t number, er_purge_look *look);
/* The same of a question whose response is not there: one of its tags may have been purged. */
bool er_purges_outdated(er_purges *p, const er_scopes *scopes, uint64_t number);

#endif
