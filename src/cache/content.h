/* The bytes of a stored body, while they come and after: one writer, readers on any thread. Bytes
 * lie in memory once; readers share the pieces. Counted (atomic). */
#ifndef ER_CACHE_CONTENT_H
#define ER_CACHE_CONTENT_H

#include "cache/port.h"
#include "http/accept_encoding.h"
#include "http/body.h"

typedef struct er_content er_content;

/* Empty, and being written. One reference, the writer's. */
er_content *er_content_new(void);
er_content *er_content_ref(er_content *c);
void er_content_unref(er_content *c);

/* Bytes that lie elsewhere, all of them: the content is whole, and has no memory. */
typedef struct er_content_behind {
	/* as er_content_read; NULL: they are not there any more */
	er_body *(*read)(void *ctx, er_port *port, uint64_t from, uint64_t n, int64_t length);
	/* as er_content_there */
	bool (*there)(void *ctx, uint64_t from, uint64_t n);
	/* as er_content_fetch; the bytes are inside of the content */
	bool (*fetch)(void *ctx, uint64_t from, uint8_t *to, size_t n);
	void (*free)(void *ctx);
} er_content_behind;
/* One reference. `ctx` is freed with the content. `mark`: er_content_mark. */
er_content *er_content_new_behind(const er_content_behind *ops, void *ctx, uint64_t length, uint64_t mark);

/* ---- the writer ---- */
/* Takes the piece. */
void er_content_write(er_content *c, er_piece piece);
/* The same of bytes that another content has in memory, whole and with nothing passed by: the
 * memory is shared as far as that wastes none. */
void er_content_write_part(er_content *c, er_content *from, uint64_t at, uint64_t n);
/* All bytes are there; or, with a reason, no more will come and readers find an error. Once. */
void er_content_end(er_content *c, er_err_kind why);
/* From now on bytes are kept only until all readers have them. */
void er_content_pass_by(er_content *c);
/* Bytes that the slowest reader has not got yet; of a content that passes by. `wait` is told when
 * that is less than half of `most`, if it is more than `most` now. */
ER_MUST_CHECK bool er_content_full(er_content *c, size_t most, er_wait *wait);
/* Readers that more than `most` bytes are left for fail with ER_ERR_BEHIND, if another
 * one keeps up. */
void er_content_cut(er_content *c, size_t most);
/* `wait`, of er_content_full, waits no more. */
void er_content_wait_over(er_content *c, er_wait *wait);
/* Into how many pieces of memory it is cut; for tests. */
size_t er_content_pieces(er_content *c);
/* How many readers there are now. */
unsigned er_content_readers(const er_content *c);

/* ---- everybody ---- */
/* Bytes so far. */
uint64_t er_content_length(const er_content *c);
/* All bytes are there. */
bool er_content_whole(const er_content *c);
/* The same, and none of them has passed by: it may be stored elsewhere. */
bool er_content_kept(er_content *c);
/* Of them and of all coded forms, in memory. */
uint64_t er_content_memory(const er_content *c);
bool er_content_is_behind(const er_content *c);
/* Under which id the disk store has it, too; 0: it has not. From any thread. */
uint64_t er_content_mark(const er_content *c);
void er_content_set_mark(er_content *c, uint64_t mark);
/* Copies n bytes from `from` on, which are there, of a content in memory that passes nothing by. */
void er_content_copy(er_content *c, uint64_t from, uint8_t *to, size_t n);
/* The same of any content that is kept (er_content_kept), on a thread that may wait for a disk.
 * False: they are not there any more. */
ER_MUST_CHECK bool er_content_fetch(er_content *c, uint64_t from, uint8_t *to, size_t n);
/* These bytes of a whole content are there, and count as used: who reads them soon will have
 * them. */
ER_MUST_CHECK bool er_content_there(er_content *c, uint64_t from, uint64_t n);

/* ---- coded forms: the same bytes in a content coding ----
 * A whole content may have one for each coding, made once and kept with it; it has none itself.
 * From any thread. */
/* One reference; NULL: there is none. */
er_content *er_content_form(er_content *c, er_coding coding);
/* Which there are: bits by er_coding. */
unsigned er_content_forms(const er_content *c);
/* Nobody has made it or makes it now; a guess for whoever may begin it. Takes no lock. */
bool er_content_form_none(const er_content *c, er_coding coding);
/* The caller makes it, and says by er_content_form_end what has become of it. False: there is one,
 * somebody else makes one, or none is worth its bytes. */
ER_MUST_CHECK bool er_content_form_begin(er_content *c, er_coding coding);
typedef enum er_form_end {
	ER_FORM_MADE,      /* `form` is it: a reference is taken */
	ER_FORM_WORTHLESS, /* none is worth its bytes, now and later */
	ER_FORM_NOT_NOW,   /* it was not made */
} er_form_end;
void er_content_form_end(er_content *c, er_coding coding, er_form_end how, er_content *form);
/* Its bytes are not there any more. Another one may be made. */
void er_content_form_lost(er_content *c, er_coding coding, const er_content *form);

/* A body of `n` bytes from `from` on, which may be bytes that come later; n = UINT64_MAX: to the
 * end, however far that is. If a content ends before the last of n bytes, its reader fails.
 * `length` is what the message says of it, or ER_BODY_UNKNOWN. The thread is the port's. One
 * reference. NULL: the content is broken, or has passed by. */
er_body *er_content_read(er_content *c, er_port *port, uint64_t from, uint64_t n, int64_t length);

#endif
