/* Frames: heads, and the cursor that reads a payload.
 *
 * Writing is er_frame_write for both programs: it reserves, writes head and padding, commits, and
 * gives the place of the payload, which the caller fills before the next publish (er_writer).
 * Reading is er_frame_read on what er_ring_peek shows: the head is copied out, the payload stays
 * where it is until the caller releases it. The node, which reads what a sandbox may still be
 * changing, takes each number once (er_get_u32) and copies a string before it looks into it; the
 * sandbox reads the node's frames in place.
 *
 * Trust line. er_frame_read, er_get_* and the names are fed with what the other side wrote: they
 * refuse (ER_FRAME_BROKEN, `bad`, a word for "unknown"), and never assert it. er_frame_write is
 * called by our own code only, so a payload that is too long is a mistake of ours.
 *
 * No state and no memory of its own; the layout is held by the assertions below. */
#include "channel/frame.h"

#include "base/mem.h"

#include <stddef.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers go onto the wire as they lie in memory");
static_assert(offsetof(er_frame, n) == 0 && offsetof(er_frame, type) == 4 && offsetof(er_frame, flags) == 5 &&
                  offsetof(er_frame, aux) == 6 && offsetof(er_frame, id) == 8 && offsetof(er_frame, arg) == 12,
              "the head is copied whole, so its members lie where the other program expects them");
static_assert(ER_FRAME_COUNT_ - 1 <= UINT8_MAX, "a frame's type is a byte");
static_assert(ER_FF_FIN + ER_FF_SUB + ER_FF_BODY + ER_FF_INLINE + ER_FF_STREAM + ER_FF_RELAY + ER_FF_DONE + ER_FF_FATAL == 0xff,
              "eight flags, a bit each, in one byte");
static_assert(ER_FRAME_HEAD % 8 == 0 && ER_FRAME_MAX % 8 == 0, "frames begin at multiples of eight");
static_assert(ER_FRAME_HEAD + ER_FRAME_MAX <= ER_RING_SIZE,
              "the largest frame fits an empty ring, or its writer would wait for ever");
static_assert(ER_FRAME_DATA <= ER_FRAME_MAX && ER_FRAME_DATA <= ER_CREDIT_START, "one BODY_DATA needs no second credit");
static_assert(ER_BLOCK_MAX + ER_REASON_MAX + ER_INLINE_BODY + 3 * 4 + 8 <= ER_FRAME_MAX,
              "a RESPONSE at all its bounds is one frame");
static_assert(ER_CONSOLE_MAX <= ER_FRAME_MAX, "a line of the console is one frame");
static_assert(sizeof(er_load_limits) == 9 * sizeof(uint32_t), "LOAD says the limits as nine numbers");
static_assert((ER_BODY_WHOLE & ER_BODY_STREAM) == 0 && (ER_BODY_RELAY & (ER_BODY_WHOLE | ER_BODY_STREAM)) == 0 &&
                  (ER_BODY_LAST & (ER_BODY_WHOLE | ER_BODY_STREAM | ER_BODY_RELAY)) == 0,
              "what JavaScript says of a body is a bit each");
static_assert((ER_FETCH_REDIRECT_MASK & (ER_FETCH_CDN_PROXY | ER_FETCH_SELF)) == 0 &&
                  (3 << ER_FETCH_DECOMPRESS_SHIFT &
                   (ER_FETCH_REDIRECT_MASK | ER_FETCH_CDN_PROXY | ER_FETCH_SELF | ER_FETCH_WHOLE)) == 0,
              "the parts of a FETCH's aux do not overlap");

/* Payloads are padded, so that every head lies at a multiple of eight. */
static size_t padded(uint32_t n)
{
	return ((size_t)n + 7) & ~(size_t)7;
}

const char *er_frame_name(unsigned type)
{
	static const char *const names[] = {"none",
#define X(name) #name,
	                                    ER_FRAME_TABLE(X)
#undef X
	};
	static_assert(sizeof names / sizeof *names == ER_FRAME_COUNT_, "a name for each type");
	return type < ER_FRAME_COUNT_ ? names[type] : "unknown";
}

const char *er_budget_name(uint32_t budget)
{
	static const char *const names[] = {
#define X(name, word) word,
	    ER_BUDGET_TABLE(X)
#undef X
	};
	static_assert(sizeof names / sizeof *names == ER_BUDGET_COUNT_, "a word for each budget");
	return names[budget < ER_BUDGET_COUNT_ ? budget : ER_BUDGET_REQUEST];
}

uint8_t *er_frame_write(er_ring *out, const er_frame *f)
{
	ER_ASSERT(f->n <= ER_FRAME_MAX);
	ER_ASSERT(f->type > ER_FRAME_NONE && f->type < ER_FRAME_COUNT_);
	size_t whole = ER_FRAME_HEAD + padded(f->n);
	uint8_t *p = er_ring_reserve(out, whole);
	if (p == NULL)
		return NULL;
	ER_ASSERT((uintptr_t)p % 8 == 0);
	memcpy(p, f, ER_FRAME_HEAD);
	/* The last word holds the padding; the payload's own bytes in it are written over by
	 * the caller. */
	if (padded(f->n) != f->n)
		memset(p + whole - 8, 0, 8);
	er_ring_commit(out, whole);
	return p + ER_FRAME_HEAD;
}

er_frame_status er_frame_read(er_slice bytes, er_frame *f, er_slice *payload, size_t *whole)
{
	if (bytes.n == 0)
		return ER_FRAME_WAIT;
	/* A publish shows whole frames, so part of one is a breach and no reason to wait. */
	if (bytes.n < ER_FRAME_HEAD)
		return ER_FRAME_BROKEN;
	/* The copy is what is checked and what is used: the head in the ring may change meanwhile. */
	memcpy(f, bytes.p, ER_FRAME_HEAD);
	if (f->n > ER_FRAME_MAX || f->type == ER_FRAME_NONE || f->type >= ER_FRAME_COUNT_)
		return ER_FRAME_BROKEN;
	*whole = ER_FRAME_HEAD + padded(f->n);
	if (*whole > bytes.n)
		return ER_FRAME_BROKEN;
	ER_ASSERT(ER_FRAME_HEAD + (size_t)f->n <= *whole);
	*payload = er_slice_of(bytes.p + ER_FRAME_HEAD, f->n);
	return ER_FRAME_OK;
}

uint32_t er_get_u32(er_reader *r)
{
	uint32_t v = 0;
	er_slice s = er_get_bytes(r, 4);
	if (s.n == 4)
		memcpy(&v, s.p, 4);
	__asm__("" : "+r"(v)); /* read once: whoever else sees this memory may write to it now */
	return v;
}

uint64_t er_get_u64(er_reader *r)
{
	uint32_t low = er_get_u32(r), high = er_get_u32(r);
	return (uint64_t)high << 32 | low;
}

er_slice er_get_bytes(er_reader *r, size_t n)
{
	ER_ASSERT(r->rest.n == 0 || r->rest.p != NULL);
	if (r->bad || n > r->rest.n) {
		r->bad = true;
		return (er_slice){(const uint8_t *)"", 0};
	}
	er_slice s = er_slice_head(r->rest, n);
	r->rest = er_slice_from(r->rest, n);
	return s;
}

er_slice er_get_string(er_reader *r)
{
	uint32_t n = er_get_u32(r);
	return er_get_bytes(r, n);
}
