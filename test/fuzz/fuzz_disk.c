/* What a disk may say when it lies: payloads as if their checksum was right, and structures with
 * one. The first byte chooses what the rest is read as. Whatever is taken must be within its
 * bounds, and be the same when it is written and read again. */
#include "cache/disk_head.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { NOW = 784111777, SEGMENT = ER_DISK_SEGMENT_LEAST };

static const er_disk_secret secret = {{1, 2}, {3, 4}};

static void check_inside(er_slice s, er_slice all)
{
	ER_ASSERT(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

static void check_head(er_slice in)
{
	er_arena a = {0};
	er_disk_head h, again;
	if (er_disk_head_get(in, NOW, &a, &h)) {
		ER_ASSERT(h.status >= 200 && h.status <= 599 && h.fresh.age >= 0 && h.fresh.lifetime >= 0);
		ER_ASSERT(h.fields.n <= ER_DISK_FIELDS && h.variant.n <= ER_VARY_FIELDS && h.key.n > 0);
		ER_ASSERT(h.id != 0 || h.body.n == h.length);
		check_inside(h.key, in);
		check_inside(h.reason, in);
		check_inside(h.body, in);
		for (er_coding i = 0; i < ER_CODINGS; i++) {
			ER_ASSERT(h.forms[i].id != 0 || h.forms[i].bytes.n == h.forms[i].length);
			check_inside(h.forms[i].bytes, in);
		}
		er_content *c = er_content_new();
		er_stored *s = er_stored_restore(h.key, 1, h.status, h.reason, &h.fields, &h.variant, &h.fresh, c);
		er_stored_asked(s, h.site, 1);
		ER_ASSERT(h.n_tags <= ER_PURGE_TAGS);
		er_scopes_copy_tags(&s->arena, &s->scopes, &(er_scopes){.tags = h.tags, .n_tags = h.n_tags});
		er_buf b;
		er_buf_init(&b);
		if (er_disk_head_put(&b, s, h.id, h.length, h.body, h.forms, s->came_us, NOW)) {
			ER_ASSERT(er_disk_head_get(er_buf_slice(&b), NOW, &a, &again));
			ER_ASSERT(again.fresh.age == h.fresh.age && again.length == h.length && again.id == h.id);
			ER_ASSERT(again.site == h.site && again.n_tags == h.n_tags);
			for (uint32_t i = 0; i < h.n_tags; i++)
				ER_ASSERT(again.tags[i] == h.tags[i]);
			for (er_coding i = 0; i < ER_CODINGS; i++)
				ER_ASSERT(again.forms[i].id == h.forms[i].id && again.forms[i].length == h.forms[i].length &&
				          er_slice_eq(again.forms[i].bytes, h.forms[i].bytes));
			ER_ASSERT(er_variant_same(&again.variant, &h.variant) && er_slice_eq(again.body, h.body));
		}
		er_buf_fini(&b);
		er_content_end(c, ER_ERR_OK);
		er_content_unref(c);
		er_stored_unref(s);
	}
	er_arena_fini(&a);
}

static void check_fork(er_slice in)
{
	er_disk_fork f;
	if (!er_disk_fork_get(in, &f))
		return;
	ER_ASSERT(f.names.n > 0 && f.names.n <= ER_VARY_FIELDS);
	check_inside(f.key, in);
	(void)er_disk_hash_variant(&secret, (er_disk_hash){1, 2}, f.branch, &f.names);
}

static void check_structures(er_slice in)
{
	er_disk_label label;
	er_disk_segment segment;
	er_disk_record record;
	er_disk_seal seal;
	er_disk_line line;
	const char *why;
	if (er_disk_get_label(in, &label, &why))
		ER_ASSERT(label.segment_bytes >= ER_DISK_SEGMENT_LEAST && label.segment_bytes <= ER_DISK_SEGMENT_MOST);
	else
		ER_ASSERT(why != NULL);
	(void)!er_disk_get_segment(in, 7, &segment);
	if (er_disk_get_record(in, in.n, &record)) {
		ER_ASSERT(record.length <= ER_DISK_PAYLOAD && (uint64_t)er_disk_units(record.length) * ER_DISK_UNIT <= in.n);
		(void)!er_disk_payload_ok(&record, er_slice_head(er_slice_from(in, sizeof record), record.length));
	}
	if (er_disk_get_seal(in, 9, SEGMENT, &seal))
		ER_ASSERT((uint64_t)seal.lines_at * ER_DISK_UNIT + seal.n_lines * sizeof line <= SEGMENT);
	if (in.n >= sizeof line) {
		memcpy(&line, in.p, sizeof line);
		if (er_disk_line_ok(&line, SEGMENT))
			ER_ASSERT((uint64_t)(line.at + er_disk_line_units(&line)) * ER_DISK_UNIT <= SEGMENT);
	}
}

/* A structure that was written, with one byte of the input changed in it. */
static void check_written(er_slice in)
{
	uint8_t bytes[ER_DISK_BLOCK] = {0};
	er_disk_record r;
	if (in.n < 4)
		return;
	er_slice payload = er_slice_head(er_slice_from(in, 4), ER_DISK_UNIT);
	er_disk_put_record(bytes, ER_DISK_HEAD, (er_disk_hash){in.p[0], in.p[1]}, in.p[2], in.p[3], payload);
	er_copy(bytes + sizeof r, payload.p, payload.n);
	size_t at = ((size_t)in.p[0] << 8 | in.p[1]) % (sizeof r + payload.n);
	bytes[at] ^= in.p[2];
	bool ok = er_disk_get_record(er_slice_of(bytes, sizeof bytes), sizeof bytes, &r) &&
	          er_disk_payload_ok(&r, er_slice_of(bytes + sizeof r, r.length));
	ER_ASSERT(ok == (in.p[2] == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 64 * 1024)
		return 0;
	er_slice in = er_slice_of(data + 1, n - 1);
	switch (data[0] % 4) {
	case 0:
		check_head(in);
		break;
	case 1:
		check_fork(in);
		break;
	case 2:
		check_structures(in);
		break;
	default:
		check_written(in);
		break;
	}
	return 0;
}
