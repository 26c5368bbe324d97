/* What the bytes of a cache file mean. Pure: bytes in, values out; what is read is hostile until
 * its checksum says otherwise, and bounded even then.
 *
 *   file      label (4 KiB), then segments, all of one size
 *   segment   header (4 KiB), records one behind the other, lines, and at the very end the seal.
 *             Without a seal it was not full when the node ended, and its records are walked
 *   record    header (64 bytes), payload; begins at a unit (512 bytes)
 *   line      of a sealed segment: what the header of a record says, so that a start need not
 *             read records
 *
 * Numbers are in the machine's byte order; a file from a machine of the other one has
 * another magic.
 *
 * Kinds of records: a HEAD is a stored response and, up to 64 KiB, its body; a PART is 128 KiB of a
 * longer body; a FORK says that the answers of a key vary, and on what, so that their heads lie
 * under other hashes; a GONE says that what was under its hash before is no more. */
#ifndef ER_CACHE_DISK_FORMAT_H
#define ER_CACHE_DISK_FORMAT_H

#include "base/err.h"
#include "base/siphash.h"
#include "base/slice.h"

enum {
	ER_DISK_UNIT = 512,
	ER_DISK_BLOCK = 4096,         /* of the label, and of a segment's header */
	ER_DISK_INLINE = 64 * 1024,   /* a body up to so much lies in its head */
	ER_DISK_PART = 128 * 1024,    /* of a longer one; the last part is shorter */
	ER_DISK_PAYLOAD = 512 * 1024, /* of a record, at most */
	ER_DISK_SEGMENT_LEAST = 4 << 20,
	ER_DISK_SEGMENT_MOST = 16 << 20,
};

/* Where something is looked up: 128 bits that nobody can foresee who does not know the file's
 * secret. */
typedef struct er_disk_hash {
	uint64_t a, b;
} er_disk_hash;

static inline bool er_disk_hash_eq(er_disk_hash x, er_disk_hash y)
{
	return x.a == y.a && x.b == y.b;
}

typedef struct er_disk_secret {
	er_siphash_key first, second;
} er_disk_secret;

typedef enum er_disk_kind { ER_DISK_HEAD = 1, ER_DISK_PART_OF, ER_DISK_FORK, ER_DISK_GONE, ER_DISK_KINDS_END } er_disk_kind;

typedef struct er_disk_label {
	uint64_t magic;
	uint32_t version, segment_bytes;
	uint64_t file_id;
	er_disk_secret secret;
	uint64_t checksum;
} er_disk_label;

typedef struct er_disk_segment {
	uint64_t magic;
	uint64_t file_id;
	uint64_t sequence; /* of segments, from 1: which one was begun later */
	uint64_t checksum;
} er_disk_segment;

typedef struct er_disk_record {
	uint32_t magic;
	uint32_t kind; /* er_disk_kind */
	er_disk_hash hash;
	uint64_t sequence; /* of the segment: tells it from what was here before */
	uint64_t number;   /* HEAD: what purges compare (er_stored) */
	uint32_t length;   /* of the payload */
	uint32_t zero;
	uint64_t payload; /* its checksum */
	uint64_t checksum;
} er_disk_record;

typedef struct er_disk_line {
	er_disk_hash hash;
	uint32_t at;   /* in units, from the segment's beginning */
	uint32_t what; /* kind << 24 | units */
} er_disk_line;

typedef struct er_disk_seal {
	uint64_t magic;
	uint64_t sequence;
	uint32_t lines_at, n_lines; /* lines_at: in units */
	uint64_t number;            /* the highest of its heads */
	uint64_t lines;             /* their checksum */
	uint64_t checksum;
} er_disk_seal;

/* ---- hashes ---- */

er_disk_hash er_disk_hash_of(const er_disk_secret *secret, er_slice bytes);
/* Of the n-th part of the body `id`, of the response under `head`. */
er_disk_hash er_disk_hash_part(const er_disk_secret *secret, er_disk_hash head, uint64_t id, uint64_t n);

/* ---- writing ---- */

void er_disk_put_label(uint8_t to[static ER_DISK_BLOCK], uint32_t segment_bytes, uint64_t file_id, const er_disk_secret *secret);
void er_disk_put_segment(uint8_t to[static ER_DISK_BLOCK], uint64_t file_id, uint64_t sequence);
/* The header alone. */
void er_disk_put_record(uint8_t to[static sizeof(er_disk_record)], er_disk_kind kind, er_disk_hash hash, uint64_t sequence,
                        uint64_t number, er_slice payload);
/* The last bytes of a segment. */
void er_disk_put_seal(uint8_t to[static sizeof(er_disk_seal)], uint64_t sequence, uint64_t number, uint32_t lines_at,
                      const er_disk_line *lines, uint32_t n_lines);

/* ---- reading ---- */

/* False: it is none, or one of another version; `why` (for a person) says which. */
ER_MUST_CHECK bool er_disk_get_label(er_slice bytes, er_disk_label *out, const char **why);
/* It begins as a label does, of whatever version. */
bool er_disk_is_label(er_slice bytes);
ER_MUST_CHECK bool er_disk_get_segment(er_slice bytes, uint64_t file_id, er_disk_segment *out);
/* The header, which fits into `most` bytes with its payload. */
ER_MUST_CHECK bool er_disk_get_record(er_slice bytes, uint64_t most, er_disk_record *out);
/* Of a record whose header was read: the payload is what was written. `bytes`: all of it. */
ER_MUST_CHECK bool er_disk_payload_ok(const er_disk_record *r, er_slice bytes);
/* `bytes`: the last of the segment. */
ER_MUST_CHECK bool er_disk_get_seal(er_slice bytes, uint64_t sequence, uint32_t segment_bytes, er_disk_seal *out);
ER_MUST_CHECK bool er_disk_lines_ok(const er_disk_seal *seal, er_slice bytes);
/* A line that names a record inside of the segment. */
ER_MUST_CHECK bool er_disk_line_ok(const er_disk_line *line, uint32_t segment_bytes);

static inline uint32_t er_disk_line_units(const er_disk_line *line)
{
	return line->what & 0xffffff;
}
static inline er_disk_kind er_disk_line_kind(const er_disk_line *line)
{
	return (er_disk_kind)(line->what >> 24);
}
/* What a record with such a payload takes, in units. */
static inline uint32_t er_disk_units(size_t payload)
{
	return (uint32_t)((sizeof(er_disk_record) + payload + ER_DISK_UNIT - 1) / ER_DISK_UNIT);
}

#endif
