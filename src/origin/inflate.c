/* An er_inflate belongs to the fetch whose answer is gzip, from its head to its end. fetch.c
 * gives it the pieces that came and takes what it makes, a chunk at a time. It is between members
 * or in one (`in_member`); behind the last member there may be padding, and then nothing is read
 * any more. */
#include "origin/inflate.h"

#include "base/mem.h"

#include <zlib.h>

enum { PIECE = 32 * 1024, GZIP_ONLY = 16 };

struct er_inflate {
	z_stream z;
	bool in_member; /* bytes of a member were seen, its trailer not yet */
	bool any;       /* a whole member was seen */
	bool padding;   /* zeros after the last member: nothing more is read */
};

er_inflate *er_inflate_new(void)
{
	er_inflate *z = ER_NEW(er_inflate);
	ER_ASSERT(inflateInit2(&z->z, MAX_WBITS + GZIP_ONLY) == Z_OK);
	return z;
}

void er_inflate_free(er_inflate *z)
{
	if (z == NULL)
		return;
	inflateEnd(&z->z);
	er_free(z);
}

/* Between members: another one begins, or what is left is padding, which tar-like tools leave and
 * every reader ignores. */
static bool next_member(er_inflate *z, er_slice *in)
{
	ER_ASSERT(in->n > 0 && !z->in_member);
	if (z->padding || (z->any && in->p[0] == 0)) {
		z->padding = true;
		in->n = 0;
		return false;
	}
	if (z->any)
		ER_ASSERT(inflateReset(&z->z) == Z_OK);
	z->in_member = true;
	return true;
}

bool er_inflate_step(er_inflate *z, er_slice *in, er_piece *out)
{
	ER_ASSERT(in->n == 0 || in->p != NULL);
	*out = (er_piece){0};
	if (!z->in_member && (in->n == 0 || !next_member(z, in)))
		return true;
	er_chunk *c = er_chunk_new(PIECE);
	z->z.next_out = c->bytes;
	z->z.avail_out = PIECE;
	int rc = Z_OK;
	while (z->z.avail_out > 0) {
		uInt take = in->n > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)in->n;
		z->z.next_in = (Bytef *)(uintptr_t)in->p;
		z->z.avail_in = take;
		rc = inflate(&z->z, Z_NO_FLUSH);
		*in = er_slice_from(*in, take - z->z.avail_in);
		if (rc == Z_STREAM_END) {
			z->in_member = false;
			z->any = true;
			if (in->n == 0 || !next_member(z, in))
				break;
		} else if (rc != Z_OK || (in->n == 0 && z->z.avail_out > 0)) {
			break;
		}
	}
	ER_ASSERT(z->z.avail_out <= PIECE);
	size_t made = PIECE - z->z.avail_out;
	if (made > 0)
		*out = er_piece_take(c, made);
	else
		er_chunk_unref(c);
	/* Z_BUF_ERROR is "no progress", which is what the end of the input looks like. */
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

bool er_inflate_whole(const er_inflate *z)
{
	return !z->in_member;
}
