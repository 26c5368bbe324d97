/* inspect_wire.h. Reading trusts no length: the sandbox wrote it. */
#include "cli/inspect_wire.h"

enum { HEAD = 5, LITTLE_ENDIAN_FLAG = 1, NUMBER = 8 };

void er_wire_put_note(er_buf *out, er_inspect_kind kind)
{
	er_buf_put_le32(out, (uint32_t)kind << 24);
}

void er_wire_put(er_buf *out, const char *name, uint64_t target, const er_slice *text)
{
	er_buf b = {0};
	er_slice word = er_slice_cstr(name);
	size_t n = word.n + 1 + NUMBER + (text != NULL ? text->n + 1 : 0);
	ER_ASSERT(n <= ER_WIRE_MESSAGE_MAX);
	for (int shift = 24; shift >= 0; shift -= 8)
		er_buf_putc(&b, (uint8_t)(n >> shift));
	er_buf_putc(&b, LITTLE_ENDIAN_FLAG);
	er_buf_put(&b, word);
	er_buf_putc(&b, 0);
	er_buf_put_le64(&b, target);
	if (text != NULL) {
		er_buf_put(&b, *text);
		er_buf_putc(&b, 0);
	}
	while (er_buf_len(&b) > 0) {
		er_slice part = er_slice_head(er_buf_slice(&b), ER_INSPECT_RECORD_MAX);
		er_buf_put_le32(out, (uint32_t)ER_INSPECT_DATA << 24 | (uint32_t)part.n);
		er_buf_put(out, part);
		er_buf_consume(&b, part.n);
	}
	er_buf_fini(&b);
}

er_wire_status er_wire_read(er_slice in, er_wire_message *m, size_t *whole)
{
	if (in.n < HEAD)
		return ER_WIRE_WAIT;
	size_t n = (size_t)in.p[0] << 24 | (size_t)in.p[1] << 16 | (size_t)in.p[2] << 8 | in.p[3];
	if (n > ER_WIRE_MESSAGE_MAX || in.p[4] != LITTLE_ENDIAN_FLAG)
		return ER_WIRE_BROKEN;
	if (in.n < HEAD + n)
		return ER_WIRE_WAIT;
	er_slice rest = er_slice_head(er_slice_from(in, HEAD), n);
	size_t name = er_slice_find(rest, 0);
	if (name == rest.n)
		return ER_WIRE_BROKEN;
	*m = (er_wire_message){.name = er_slice_head(rest, name)};
	*whole = HEAD + n;
	rest = er_slice_from(rest, name + 1);
	if (rest.n >= NUMBER)
		memcpy(&m->target, rest.p, NUMBER);
	rest = er_slice_from(rest, NUMBER);
	m->text = er_slice_head(rest, er_slice_find(rest, 0));
	return ER_WIRE_OK;
}
