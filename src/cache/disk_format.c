/* Structures are written as they lie in memory: their members are aligned without holes, which the
 * assertions below hold on to. A checksum covers all bytes of its structure before it. */
#include "cache/disk_format.h"

#include "base/mem.h"
#include "cache/disk_sum.h"

#define LABEL_MAGIC 0x31454843414352ffULL   /* and "RCACHE1" */
#define SEGMENT_MAGIC 0x544e454d474553ffULL /* and "SEGMENT" */
#define SEAL_MAGIC 0x2e2e4c4145532effULL    /* and ".SEAL.." */
#define SEQUENCE_MOST (UINT64_MAX / 2)      /* no disk lives so long */
enum { VERSION = 1, RECORD_MAGIC = 0x44434552 };

static_assert(sizeof(er_disk_label) == 64 && sizeof(er_disk_segment) == 32 && sizeof(er_disk_record) == 64, "no holes");
static_assert(sizeof(er_disk_line) == 24 && sizeof(er_disk_seal) == 48, "no holes");
static_assert(ER_DISK_BLOCK % ER_DISK_UNIT == 0 && ER_DISK_SEGMENT_MOST / ER_DISK_UNIT < 1 << 24, "a line has 24 bits for units");

er_disk_hash er_disk_hash_of(const er_disk_secret *secret, er_slice bytes)
{
	return (er_disk_hash){er_siphash(&secret->first, bytes), er_siphash(&secret->second, bytes)};
}

er_disk_hash er_disk_hash_part(const er_disk_secret *secret, er_disk_hash head, uint64_t id, uint64_t n)
{
	const uint64_t all[] = {head.a, head.b, id, n};
	return er_disk_hash_of(secret, er_slice_of(all, sizeof all));
}

/* ---- writing ---- */

void er_disk_put_label(uint8_t to[static ER_DISK_BLOCK], uint32_t segment_bytes, uint64_t file_id, const er_disk_secret *secret)
{
	er_disk_label l = {
	    .magic = LABEL_MAGIC, .version = VERSION, .segment_bytes = segment_bytes, .file_id = file_id, .secret = *secret};
	l.checksum = er_disk_sum(&l, offsetof(er_disk_label, checksum));
	memset(to, 0, ER_DISK_BLOCK);
	memcpy(to, &l, sizeof l);
}

void er_disk_put_segment(uint8_t to[static ER_DISK_BLOCK], uint64_t file_id, uint64_t sequence)
{
	er_disk_segment s = {.magic = SEGMENT_MAGIC, .file_id = file_id, .sequence = sequence};
	s.checksum = er_disk_sum(&s, offsetof(er_disk_segment, checksum));
	memset(to, 0, ER_DISK_BLOCK);
	memcpy(to, &s, sizeof s);
}

void er_disk_put_record(uint8_t to[static sizeof(er_disk_record)], er_disk_kind kind, er_disk_hash hash, uint64_t sequence,
                        uint64_t number, er_slice payload)
{
	ER_ASSERT(kind >= ER_DISK_HEAD && kind < ER_DISK_KINDS_END && payload.n <= ER_DISK_PAYLOAD);
	er_disk_record r = {.magic = RECORD_MAGIC,
	                    .kind = kind,
	                    .hash = hash,
	                    .sequence = sequence,
	                    .number = number,
	                    .length = (uint32_t)payload.n,
	                    .payload = er_disk_sum(payload.p, payload.n)};
	r.checksum = er_disk_sum(&r, offsetof(er_disk_record, checksum));
	memcpy(to, &r, sizeof r);
}

void er_disk_put_seal(uint8_t to[static sizeof(er_disk_seal)], uint64_t sequence, uint64_t number, uint32_t lines_at,
                      const er_disk_line *lines, uint32_t n_lines)
{
	er_disk_seal s = {.magic = SEAL_MAGIC,
	                  .sequence = sequence,
	                  .lines_at = lines_at,
	                  .n_lines = n_lines,
	                  .number = number,
	                  .lines = er_disk_sum(lines, n_lines * sizeof *lines)};
	s.checksum = er_disk_sum(&s, offsetof(er_disk_seal, checksum));
	memcpy(to, &s, sizeof s);
}

/* ---- reading ---- */

bool er_disk_is_label(er_slice bytes)
{
	uint64_t magic = 0;
	if (bytes.n >= sizeof magic)
		memcpy(&magic, bytes.p, sizeof magic);
	return magic == LABEL_MAGIC;
}

bool er_disk_get_label(er_slice bytes, er_disk_label *out, const char **why)
{
	er_disk_label l;
	*why = "it is no cache file";
	if (bytes.n < sizeof l)
		return false;
	memcpy(&l, bytes.p, sizeof l);
	if (l.magic != LABEL_MAGIC)
		return false;
	*why = "it has another version of the format";
	if (l.version != VERSION)
		return false;
	*why = "its label is damaged";
	if (l.checksum != er_disk_sum(&l, offsetof(er_disk_label, checksum)) || l.segment_bytes < ER_DISK_SEGMENT_LEAST ||
	    l.segment_bytes > ER_DISK_SEGMENT_MOST || l.segment_bytes % ER_DISK_BLOCK != 0)
		return false;
	*out = l;
	return true;
}

bool er_disk_get_segment(er_slice bytes, uint64_t file_id, er_disk_segment *out)
{
	er_disk_segment s;
	if (bytes.n < sizeof s)
		return false;
	memcpy(&s, bytes.p, sizeof s);
	if (s.magic != SEGMENT_MAGIC || s.checksum != er_disk_sum(&s, offsetof(er_disk_segment, checksum)) || s.file_id != file_id ||
	    s.sequence == 0 || s.sequence > SEQUENCE_MOST)
		return false;
	*out = s;
	return true;
}

bool er_disk_get_record(er_slice bytes, uint64_t most, er_disk_record *out)
{
	er_disk_record r;
	if (bytes.n < sizeof r)
		return false;
	memcpy(&r, bytes.p, sizeof r);
	if (r.magic != RECORD_MAGIC || r.checksum != er_disk_sum(&r, offsetof(er_disk_record, checksum)))
		return false;
	if (r.kind < ER_DISK_HEAD || r.kind >= ER_DISK_KINDS_END || r.length > ER_DISK_PAYLOAD ||
	    (uint64_t)er_disk_units(r.length) * ER_DISK_UNIT > most)
		return false;
	*out = r;
	return true;
}

bool er_disk_payload_ok(const er_disk_record *r, er_slice bytes)
{
	return bytes.n == r->length && r->payload == er_disk_sum(bytes.p, bytes.n);
}

bool er_disk_get_seal(er_slice bytes, uint64_t sequence, uint32_t segment_bytes, er_disk_seal *out)
{
	er_disk_seal s;
	if (bytes.n < sizeof s)
		return false;
	memcpy(&s, bytes.p + bytes.n - sizeof s, sizeof s);
	if (s.magic != SEAL_MAGIC || s.checksum != er_disk_sum(&s, offsetof(er_disk_seal, checksum)) || s.sequence != sequence)
		return false;
	uint64_t lines = (uint64_t)s.n_lines * sizeof(er_disk_line), at = (uint64_t)s.lines_at * ER_DISK_UNIT;
	if (at < ER_DISK_BLOCK || at + lines + sizeof s > segment_bytes)
		return false;
	*out = s;
	return true;
}

bool er_disk_lines_ok(const er_disk_seal *seal, er_slice bytes)
{
	return bytes.n == seal->n_lines * sizeof(er_disk_line) && seal->lines == er_disk_sum(bytes.p, bytes.n);
}

bool er_disk_line_ok(const er_disk_line *line, uint32_t segment_bytes)
{
	uint64_t at = (uint64_t)line->at * ER_DISK_UNIT, n = (uint64_t)er_disk_line_units(line) * ER_DISK_UNIT;
	return er_disk_line_kind(line) >= ER_DISK_HEAD && er_disk_line_kind(line) < ER_DISK_KINDS_END && n > 0 &&
	       n <= (uint64_t)er_disk_units(ER_DISK_PAYLOAD) * ER_DISK_UNIT && at >= ER_DISK_BLOCK && at + n <= segment_bytes;
}
