#include "channel/frame.h"

#include "base/mem.h"

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
	return type < ER_FRAME_COUNT_ ? names[type] : "unknown";
}

const char *er_level_name(er_level level)
{
	switch (level) {
	case ER_LEVEL_FULL:
		return "full";
	case ER_LEVEL_NO_USERNS:
		return "no-userns";
	case ER_LEVEL_SECCOMP_ONLY:
		return "seccomp-only";
	case ER_LEVEL_NONE:
	default:
		return "none";
	}
}

uint8_t *er_frame_write(er_ring *out, const er_frame *f)
{
	ER_ASSERT(f->n <= ER_FRAME_MAX);
	size_t whole = ER_FRAME_HEAD + padded(f->n);
	uint8_t *p = er_ring_reserve(out, whole);
	if (p == NULL)
		return NULL;
	memcpy(p, f, ER_FRAME_HEAD);
	if (padded(f->n) != f->n)
		memset(p + whole - 8, 0, 8);
	er_ring_commit(out, whole);
	return p + ER_FRAME_HEAD;
}

er_frame_status er_frame_read(er_slice bytes, er_frame *f, er_slice *payload, size_t *whole)
{
	if (bytes.n == 0)
		return ER_FRAME_WAIT;
	if (bytes.n < ER_FRAME_HEAD)
		return ER_FRAME_BROKEN;
	memcpy(f, bytes.p, ER_FRAME_HEAD);
	if (f->n > ER_FRAME_MAX || f->type == ER_FRAME_NONE || f->type >= ER_FRAME_COUNT_)
		return ER_FRAME_BROKEN;
	*whole = ER_FRAME_HEAD + padded(f->n);
	if (*whole > bytes.n)
		return ER_FRAME_BROKEN;
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

er_slice er_get_bytes(er_reader *r, size_t n)
{
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
