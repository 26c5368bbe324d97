/* A body that is a sequence: the text before a part, the part, the text before the next one, and so
 * on to the closing line. All texts are written once, into one chunk; of the parts nothing is
 * copied. A part is read when the one before it is over, so the answer holds one reader at a time,
 * however many parts it has.
 *
 * It is the source of the body that it gives, and the sink of the part that it reads. Their
 * callbacks take notes, and `act` acts. It ends with the closing line, with a part that fails or is
 * shorter than it should be, or with the cancel. */
#include "cache/parts.h"

#include "base/act.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/siphash.h"

#include <pthread.h>
#include <stdio.h>

enum { MAGIC = 0x50415254 };

typedef struct parts {
	uint32_t magic;
	er_act act;
	er_content *c; /* own reference */
	er_port *port;
	uint64_t begin; /* where it begins */
	er_ranges ranges;
	er_piece text;                   /* all of it: own reference */
	size_t ends[ER_RANGES_MOST + 1]; /* where in it the text before this part ends */
	uint32_t at;                     /* the part that is read, or comes next */
	bool said;                       /* its text is written */
	er_body *part;                   /* it: own reference, or NULL */
	uint64_t left;                   /* bytes of it */
	er_body *out;                    /* own reference */
	bool full, over;                 /* over: nobody wants the rest */
} parts;

/* ---- text ---- */

static er_siphash_key secret;

static void choose_secret(void)
{
	secret = er_siphash_key_new();
}

static uint64_t hash_of(uint64_t number, uint64_t half)
{
	const uint64_t of[] = {number, half};
	return er_siphash(&secret, er_slice_of(of, sizeof of));
}

er_boundary er_boundary_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static uint64_t last;
	pthread_once(&once, choose_secret);
	uint64_t number = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
	er_boundary b;
	char text[ER_PARTS_BOUNDARY + 1];
	snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)hash_of(number, 0), (unsigned long long)hash_of(number, 1));
	er_copy(b.text, text, sizeof b.text);
	return b;
}

static void put_boundary(er_buf *to, const er_boundary *b, bool first)
{
	if (!first) /* it ends the part before (RFC 2046 5.1.1) */
		er_buf_puts(to, "\r\n");
	er_buf_puts(to, "--");
	er_buf_put(to, er_slice_of(b->text, sizeof b->text));
}

/* The text of all parts; fills p->ends. */
static void write_text(parts *p, const er_parts_of *of, const er_boundary *b)
{
	er_buf to;
	er_buf_init(&to);
	for (uint32_t i = 0; i < p->ranges.n; i++) {
		er_range r = p->ranges.v[i];
		put_boundary(&to, b, i == 0);
		if (of->type != NULL) {
			er_buf_puts(&to, "\r\nContent-Type: ");
			er_buf_put(&to, *of->type);
		}
		er_buf_printf(&to, "\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n", (unsigned long long)r.from,
		              (unsigned long long)(r.from + r.n - 1), (unsigned long long)of->length);
		p->ends[i] = er_buf_len(&to);
	}
	put_boundary(&to, b, false);
	er_buf_puts(&to, "--\r\n");
	p->ends[p->ranges.n] = er_buf_len(&to);
	p->text = er_piece_copy(er_buf_slice(&to));
	er_buf_fini(&to);
}

static uint64_t total(const parts *p)
{
	uint64_t n = p->text.n;
	for (uint32_t i = 0; i < p->ranges.n; i++)
		n += p->ranges.v[i].n;
	return n;
}

/* ---- the sequence ---- */

static void act(parts *p);

static void on_readable(void *ctx)
{
	act(ctx);
}

static const er_body_sink_ops sink_ops = {.readable = on_readable};

static void let_go_of_part(parts *p, bool cancel)
{
	er_body *part = p->part;
	if (part == NULL)
		return;
	p->part = NULL;
	er_body_sink(part, NULL, NULL);
	if (cancel)
		er_body_cancel(part, ER_ERR_CANCELLED);
	er_body_unref(part);
}

static void free_parts(parts *p)
{
	er_body *out = p->out;
	let_go_of_part(p, true);
	er_content_unref(p->c);
	er_piece_drop(&p->text);
	p->magic = 0;
	er_free(p);
	er_body_source(out, NULL, NULL);
	er_body_unref(out);
}

/* Begins to read the part p->at. False: its bytes are not there any more. */
static bool open_part(parts *p)
{
	er_range r = p->ranges.v[p->at];
	p->part = er_content_read(p->c, p->port, r.from - p->begin, r.n, (int64_t)r.n);
	if (p->part == NULL)
		return false;
	p->left = r.n;
	er_body_sink(p->part, &sink_ops, p);
	return true;
}

static void write_piece(parts *p, er_piece piece)
{
	if (!er_body_write(p->out, piece))
		p->full = true;
}

static void say(parts *p)
{
	size_t from = p->at > 0 ? p->ends[p->at - 1] : 0;
	p->said = true;
	write_piece(p, er_piece_sub(p->text, from, p->ends[p->at] - from));
}

typedef enum went { ON, WAITS, ENDED } went;

/* One piece of the part, or its end. */
static went read_part(parts *p, er_err_kind *why)
{
	er_piece piece;
	switch (er_body_read(p->part, 0, &piece)) {
	case ER_BODY_WAIT:
		return WAITS;
	case ER_BODY_PIECE:
		ER_ASSERT(piece.n <= p->left);
		p->left -= piece.n;
		write_piece(p, piece);
		return ON;
	case ER_BODY_END:
		let_go_of_part(p, false);
		p->at++;
		p->said = false;
		*why = p->left > 0 ? ER_ERR_IO : ER_ERR_OK;
		return p->left > 0 ? ENDED : ON;
	case ER_BODY_ERROR:
	default:
		*why = er_body_error(p->part);
		return ENDED;
	}
}

static went step(parts *p, er_err_kind *why)
{
	if (p->over) {
		*why = ER_ERR_CANCELLED;
		return ENDED;
	}
	if (p->full)
		return WAITS;
	if (!p->said) {
		say(p);
		return ON;
	}
	if (p->at == p->ranges.n)
		return ENDED;
	if (p->part == NULL && !open_part(p)) {
		*why = ER_ERR_IO;
		return ENDED;
	}
	return read_part(p, why);
}

static void act(parts *p)
{
	ER_CHECK(p, MAGIC);
	er_err_kind why = ER_ERR_OK;
	went now;
	if (!er_act_begin(&p->act))
		return;
	do {
		while ((now = step(p, &why)) == ON) {
		}
	} while (now != ENDED && er_act_again(&p->act));
	if (now == ENDED && !p->over)
		er_body_end(p->out, why);
	er_act_end(&p->act);
	if (now == ENDED)
		free_parts(p);
}

static void on_resume(void *ctx)
{
	parts *p = ctx;
	ER_CHECK(p, MAGIC);
	p->full = false;
	act(p);
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	parts *p = ctx;
	ER_CHECK(p, MAGIC);
	p->over = true;
	act(p);
}

static const er_body_source_ops source_ops = {.resume = on_resume, .cancel = on_cancel};

er_body *er_parts_read(const er_parts_of *of, er_port *port, const er_ranges *ranges, const er_boundary *boundary)
{
	er_content *c = of->content;
	ER_ASSERT(ranges->n > 0 && er_content_whole(c));
	for (uint32_t i = 0; i < ranges->n; i++)
		if (!er_content_there(c, ranges->v[i].from - of->begin, ranges->v[i].n))
			return NULL;
	parts *p = ER_NEW(parts);
	*p = (parts){.magic = MAGIC, .c = er_content_ref(c), .port = port, .begin = of->begin, .ranges = *ranges};
	write_text(p, of, boundary);
	p->out = er_body_new((int64_t)total(p));
	er_body *out = er_body_ref(p->out);
	er_body_source(out, &source_ops, p);
	act(p);
	return out;
}
