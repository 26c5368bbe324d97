/* Time, timers, randomness, lazily loaded parts of the prelude. Clocks show the beginning of the
 * turn (freeze.h, turn.h); what a timer does is said in timer.c; a part of the prelude is loaded
 * once and is not charged to the request that happens to need it first. */
#include "sandbox/api/api.h"

#include "sandbox/embed.h"
#include "sandbox/freeze.h"
#include "sandbox/turn.h"

#include <stdio.h>
#include <sys/random.h>

enum { PERF_STEP_NS = 100 * 1000, LAZY_NAME_MAX = 64 };
static_assert(1000 * 1000 / PERF_STEP_NS == 10, "er.perf counts tenths of a millisecond");

ER_NATIVE(now)
{
	uint64_t ms = er_freeze_now_ns() / 1000000U;
	return er_js_number((double)ms);
}

ER_NATIVE(perf)
{
	uint64_t steps = (er_turn_now_ns() - er_sb.began_ns) / PERF_STEP_NS;
	return er_js_number((double)steps / 10);
}

/* Of a request that is over nobody has it. ER_TIMER_NEXT_TURN, or anything below 0: as soon as may
 * be, whatever the limit. */
ER_NATIVE(timerSet)
{
	er_request *owner = er_request_find(er_js_to_u32(a->id));
	if (owner == NULL || owner->over)
		owner = er_request_find(0);
	uint64_t tid = er_timer_set(owner, er_js_to_number(a->ms), er_js_to_bool(a->repeat));
	if (tid == 0)
		return er_js_throw(exception, "RangeError", "too many timers");
	return er_js_number((double)tid);
}

ER_NATIVE(timerClear)
{
	er_timer_clear(er_js_to_u64(a->tid));
	return er_js_undefined();
}

ER_NATIVE(mayGoOn)
{
	return er_js_bool(er_turn_background_may_go_on());
}

static bool fill(uint8_t *p, size_t n)
{
	while (n) {
		ssize_t got = getrandom(p, n, 0);
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

ER_NATIVE(randomFill)
{
	er_slice s;
	if (!er_js_bytes(a->u8, &s))
		return er_js_throw(exception, "TypeError", "randomFill: a typed array");
	if (!fill((uint8_t *)(uintptr_t)s.p, s.n))
		return er_js_throw(exception, "Error", "no randomness");
	return a->u8;
}

ER_NATIVE(randomUUID)
{
	uint8_t b[16];
	char out[37];
	if (!fill(b, sizeof b))
		return er_js_throw(exception, "Error", "no randomness");
	b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
	snprintf(out, sizeof out, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
	         b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return er_js_ascii(out);
}

/* Evaluates a script of the prelude that is not loaded at the start. The time that takes is given
 * to the request (er_turn_gift): it did not ask for it. */
ER_NATIVE(lazy)
{
	er_text name;
	if (!er_js_utf8(a->name, &name, exception))
		return NULL;
	char cname[LAZY_NAME_MAX], url[LAZY_NAME_MAX + 8];
	snprintf(cname, sizeof cname, "%.*s", ER_FMT(er_text_slice(&name)));
	er_text_fini(&name);
	er_slice script;
	if (!er_embed_find(cname, &script))
		return er_js_throw(exception, "Error", "no such part of the prelude");
	snprintf(url, sizeof url, "er:%s", cname);
	er_turn_gift gift = er_turn_gift_begin();
	er_value exports = er_engine_eval_builtin(script, url, exception);
	er_turn_gift_end(gift);
	return exports;
}

ER_NATIVE(isPlain)
{
	return er_js_bool(er_js_is_plain(a->value));
}
