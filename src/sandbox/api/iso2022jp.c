/* The states are those of the standard. A byte that a state refuses after an escape has begun is
 * read again by the state before, and so is what was read of the escape: `again` has at most two
 * bytes. */
#include "sandbox/api/iso2022jp.h"

#include "base/mem.h"

enum { END = -1, SHIFT_OUT = 0x0E, SHIFT_IN = 0x0F, ESC = 0x1B };

typedef struct run {
	er_iso2022jp *d;
	UConverter *euc_jp;
	uint16_t *at;
	bool bad;     /* something was malformed */
	int again[2]; /* to be read before what comes, the last one first */
	unsigned again_n;
} run;

static void put(run *r, uint16_t u)
{
	*r->at++ = u;
}

static void error(run *r)
{
	r->bad = true;
	put(r, 0xFFFD);
}

static void read_again(run *r, int byte)
{
	ER_ASSERT(r->again_n < 2);
	r->again[r->again_n++] = byte;
}

/* The character of a pair, from JIS X 0208, or 0. */
static uint16_t pair(run *r, uint8_t lead, uint8_t trail)
{
	const char bytes[] = {(char)(lead | 0x80), (char)(trail | 0x80)};
	const char *from = bytes;
	UChar units[4], *to = units;
	UErrorCode status = U_ZERO_ERROR;
	ucnv_toUnicode(r->euc_jp, &to, units + 4, &from, bytes + 2, NULL, true, &status);
	ucnv_resetToUnicode(r->euc_jp);
	return U_SUCCESS(status) && to == units + 1 && units[0] != 0xFFFD ? units[0] : 0;
}

/* ASCII, Roman, Katakana and the first of two bytes. */
static void character(run *r, int byte)
{
	er_iso2022jp *d = r->d;
	if (byte == END)
		return;
	if (byte == ESC) {
		d->state = ER_JP_ESCAPE_START;
		return;
	}
	d->escaped = false;
	bool printable = byte >= 0x21 && byte <= 0x7E;
	if (d->state == ER_JP_LEAD && printable) {
		d->lead = (uint8_t)byte;
		d->state = ER_JP_TRAIL;
	} else if (d->state == ER_JP_KATAKANA && byte >= 0x21 && byte <= 0x5F) {
		put(r, (uint16_t)(0xFF61 - 0x21 + byte));
	} else if (d->state == ER_JP_LEAD || d->state == ER_JP_KATAKANA || byte > 0x7F || byte == SHIFT_OUT || byte == SHIFT_IN) {
		error(r);
	} else if (d->state == ER_JP_ROMAN && (byte == 0x5C || byte == 0x7E)) {
		put(r, byte == 0x5C ? 0xA5 : 0x203E);
	} else {
		put(r, (uint16_t)byte);
	}
}

static void trail(run *r, int byte)
{
	er_iso2022jp *d = r->d;
	d->state = byte == ESC ? ER_JP_ESCAPE_START : ER_JP_LEAD;
	uint16_t u = byte >= 0x21 && byte <= 0x7E ? pair(r, d->lead, (uint8_t)byte) : 0;
	if (u != 0)
		put(r, u);
	else
		error(r);
}

static void escape_start(run *r, int byte)
{
	er_iso2022jp *d = r->d;
	if (byte == '$' || byte == '(') {
		d->lead = (uint8_t)byte;
		d->state = ER_JP_ESCAPE;
		return;
	}
	read_again(r, byte);
	d->escaped = false;
	d->state = d->output;
	error(r);
}

static int escaped_to(uint8_t lead, int byte)
{
	if (lead == '$')
		return byte == '@' || byte == 'B' ? ER_JP_LEAD : -1;
	return byte == 'B' ? ER_JP_ASCII : byte == 'J' ? ER_JP_ROMAN : byte == 'I' ? ER_JP_KATAKANA : -1;
}

static void escape(run *r, int byte)
{
	er_iso2022jp *d = r->d;
	int to = escaped_to(d->lead, byte);
	if (to < 0) {
		read_again(r, byte);
		read_again(r, d->lead);
		d->escaped = false;
		d->state = d->output;
		error(r);
		return;
	}
	d->state = d->output = (er_iso2022jp_state)to;
	if (d->escaped)
		error(r);
	d->escaped = true;
}

static void step(run *r, int byte)
{
	switch (r->d->state) {
	case ER_JP_TRAIL:
		trail(r, byte);
		return;
	case ER_JP_ESCAPE_START:
		escape_start(r, byte);
		return;
	case ER_JP_ESCAPE:
		escape(r, byte);
		return;
	default:
		character(r, byte);
	}
}

static void step_all(run *r, int byte)
{
	step(r, byte);
	while (r->again_n > 0)
		step(r, r->again[--r->again_n]);
}

bool er_iso2022jp_decode(er_iso2022jp *d, UConverter *euc_jp, er_slice s, bool flush, bool fatal, uint16_t *out, size_t *n)
{
	run r = {.d = d, .euc_jp = euc_jp, .at = out};
	for (size_t i = 0; i < s.n && !(fatal && r.bad); i++)
		step_all(&r, s.p[i]);
	if (flush && !(fatal && r.bad))
		step_all(&r, END);
	*n = (size_t)(r.at - out);
	ER_ASSERT(*n <= s.n + 3);
	if (flush || (fatal && r.bad))
		*d = (er_iso2022jp){0};
	return !(fatal && r.bad);
}
