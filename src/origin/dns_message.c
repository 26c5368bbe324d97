/* A message is read once from its front: header, questions, answers, authorities. Names are skipped
 * and never followed, so that a pointer in one cannot lead backwards. Whatever does not fit ends
 * the reading. */
#include "origin/dns_message.h"

#include "base/mem.h"

enum {
	HEADER = 12,       /* RFC 1035 4.1.1 */
	QUESTION_TAIL = 4, /* type and class, 4.1.2 */
	RECORD_TAIL = 10,  /* type, class, time and length of the data, 4.1.3 */
	TYPE_SOA = 6,
	CLASS_IN = 1,
	SOA_LEAST = 2 + 20,     /* two empty names and five numbers, 3.3.13 */
	TTL_MAX_S = 0x7fffffff, /* RFC 2181 8: with the highest bit set it means 0 */
};

static uint32_t number(const uint8_t *p, unsigned n)
{
	ER_ASSERT(n <= sizeof(uint32_t));
	uint32_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static bool skip(er_slice *rest, size_t n)
{
	if (rest->n < n)
		return false;
	*rest = er_slice_from(*rest, n);
	return true;
}

/* 3.1 and 4.1.4: labels up to an empty one, or to a pointer. */
static bool skip_name(er_slice *rest)
{
	while (rest->n > 0) {
		uint8_t length = rest->p[0];
		if (length == 0)
			return skip(rest, 1);
		if (length >= 0xc0)
			return skip(rest, 2);
		if (length > 63 || !skip(rest, 1U + length))
			return false;
	}
	return false;
}

typedef struct record {
	uint32_t type, class, ttl_s;
	er_slice data;
} record;

static bool next_record(er_slice *rest, record *r)
{
	if (!skip_name(rest) || rest->n < RECORD_TAIL)
		return false;
	const uint8_t *p = rest->p;
	*r = (record){.type = number(p, 2), .class = number(p + 2, 2), .ttl_s = number(p + 4, 4)};
	size_t n = number(p + 8, 2);
	*rest = er_slice_from(*rest, RECORD_TAIL);
	r->data = er_slice_head(*rest, n);
	return skip(rest, n);
}

bool er_dns_negative_ttl(er_slice message, uint32_t *ttl_s)
{
	er_slice rest = message;
	record r;
	if (!skip(&rest, HEADER))
		return false;
	unsigned questions = number(message.p + 4, 2), answers = number(message.p + 6, 2), authorities = number(message.p + 8, 2);
	for (unsigned i = 0; i < questions; i++)
		if (!skip_name(&rest) || !skip(&rest, QUESTION_TAIL))
			return false;
	for (unsigned i = 0; i < answers; i++)
		if (!next_record(&rest, &r))
			return false;
	for (unsigned i = 0; i < authorities && next_record(&rest, &r); i++) {
		if (r.type != TYPE_SOA || r.class != CLASS_IN || r.data.n < SOA_LEAST)
			continue;
		uint32_t minimum = number(r.data.p + r.data.n - 4, 4);
		*ttl_s = r.ttl_s < minimum ? r.ttl_s : minimum;
		*ttl_s = *ttl_s > TTL_MAX_S ? 0 : *ttl_s;
		return true;
	}
	return false;
}
