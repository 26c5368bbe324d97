/* A sandbox that is not one: speaks the channel's protocol by itself, well or badly, to try the
 * node against what a compromised sandbox could do. Started by the spawner in er-sandbox's place
 * (ER_SANDBOX). The routine's variables say what to do: {"mode": "...", "seed": "..."}.
 *
 *   echo        answers every request (also the bare speed of gateway and ring)
 *   random      random bytes instead of frames
 *   frames      well-formed heads with random types, ids, flags, lengths and payloads
 *   mutate      a right answer with a few bits flipped
 *   indices     garbage in the ring's shared indices
 *   flood       console lines without end
 *   silent      never answers
 *   spin        burns CPU without a word
 *   liar        burns CPU and says all the time that it used none
 *   hoard       takes 256 MB of memory without a word, whatever the limit
 *   deaf        makes the node talk and never reads
 *   overdraw    sends more of a body than it has credit for
 *   twice       answers every request twice
 *   fetches     subrequests without end, for requests that exist and that do not
 *   clones      copies of its upload, of copies, and of what is not there, which it reads, relays
 *               and ends in any order
 *   greedy      one subrequest more than it has credit for
 *   ready       says READY once more when it runs a routine
 *   drain       asks for its upload to be drained, and never answers
 *   reload      says LOADED once more, with an exception that is none
 *   exit        ends in the middle of a request
 */
#include "base/buf.h"
#include "base/mem.h"
#include "channel/frame.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FD_MEM = 3, FD_WAKE_ME = 4, FD_WAKE_NODE = 5 };

typedef struct fake {
	er_channel ch;
	char mode[32], url[64];
	uint64_t seed;
	uint32_t fetch, live_subs;
} fake;

static uint32_t rnd(fake *k)
{
	k->seed ^= k->seed << 13;
	k->seed ^= k->seed >> 7;
	k->seed ^= k->seed << 17;
	return (uint32_t)(k->seed >> 16);
}

static void wake_node(void)
{
	uint64_t one = 1;
	(void)!write(FD_WAKE_NODE, &one, sizeof one);
}

static void publish(fake *k)
{
	if (er_ring_publish(&k->ch.out))
		wake_node();
}

static void nap(int ms)
{
	struct pollfd p = {.fd = FD_WAKE_ME, .events = POLLIN};
	poll(&p, 1, ms);
	uint64_t n;
	if (p.revents & POLLIN)
		(void)!read(FD_WAKE_ME, &n, sizeof n);
}

/* Waits for room, a bounded while: the node may have given up on us. */
static void put(fake *k, er_frame f, er_slice payload)
{
	f.n = (uint32_t)payload.n;
	uint8_t *p;
	for (int i = 0; (p = er_frame_write(&k->ch.out, &f)) == NULL; i++) {
		publish(k);
		if (i > 5000)
			_exit(0);
		nap(2);
	}
	er_copy(p, payload.p, payload.n);
}

static void strings(er_buf *b, const char *const *v, size_t n)
{
	er_buf_init(b);
	for (size_t i = 0; i < n; i++) {
		er_buf_put_le32(b, (uint32_t)strlen(v[i]));
		er_buf_put_cstr(b, v[i]);
	}
}

static void answer(fake *k, uint32_t id, uint8_t flags, const char *body)
{
	er_buf b;
	strings(&b, (const char *const[]){"OK", "content-type\ntext/plain\n"}, 2);
	if (flags & ER_FF_STREAM)
		er_buf_puts(&b, "\xff\xff\xff\xff\xff\xff\xff\xff"); /* no length */
	er_buf_put_cstr(&b, body);
	put(k, (er_frame){.type = ER_FRAME_RESPONSE, .flags = flags, .aux = 200, .id = id, .arg = 7}, er_buf_slice(&b));
	er_buf_fini(&b);
}

static void random_frames(fake *k, uint32_t id)
{
	uint8_t bytes[4096];
	for (int i = 0; i < 200; i++) {
		size_t n = rnd(k) % (rnd(k) % 8 ? 64 : sizeof bytes);
		for (size_t j = 0; j < n; j++)
			bytes[j] = (uint8_t)(rnd(k) % 4 ? rnd(k) % 12 : rnd(k));
		er_frame f = {.type = (uint8_t)(1 + rnd(k) % (ER_FRAME_COUNT_ - 1)),
		              .flags = (uint8_t)rnd(k),
		              .aux = (uint16_t)(rnd(k) % 2 ? 200 : rnd(k)),
		              .id = rnd(k) % 3 ? id : rnd(k) % 5,
		              .arg = rnd(k) % 3 ? id : rnd(k)};
		put(k, f, er_slice_of(bytes, n));
	}
}

static void mutated(fake *k, uint32_t id)
{
	er_buf b;
	strings(&b, (const char *const[]){"OK", "content-type\ntext/plain\nx-a\nb\n"}, 2);
	er_buf_puts(&b, "hello");
	for (uint32_t n = 1 + rnd(k) % 4; n > 0; n--)
		b.p[b.start + rnd(k) % er_buf_len(&b)] ^= (uint8_t)(1U << rnd(k) % 8);
	uint8_t flags = (uint8_t)(ER_FF_DONE | (rnd(k) % 2 ? ER_FF_INLINE : rnd(k) % 2 ? ER_FF_RELAY : ER_FF_STREAM));
	put(k, (er_frame){.type = ER_FRAME_RESPONSE, .flags = flags, .aux = (uint16_t)(rnd(k) % 4 ? 200 : rnd(k) % 1000), .id = id},
	    er_buf_slice(&b));
	er_buf_fini(&b);
}

/* Slowly enough for the node to look, which it does ten times a second. */
static void hoard(void)
{
	enum { STEP = 4 << 20, STEPS = 64 };
	for (int i = 0; i < STEPS; i++) {
		uint8_t *p = er_alloc(STEP);
		for (size_t at = 0; at < STEP; at += 4096)
			p[at] = 1;
		nap(20);
	}
	for (;;)
		nap(1000);
}

static void garbage_indices(fake *k)
{
	er_channel_control *c = k->ch.control;
	for (int i = 0; i < 1000; i++) {
		atomic_store(&c->to_node.tail, rnd(k) % 2 ? rnd(k) : (uint64_t)rnd(k) << 32);
		atomic_store(&c->to_sandbox.head, rnd(k) % 2 ? rnd(k) : ~(uint64_t)rnd(k));
		wake_node();
	}
}

static void fetches(fake *k, uint32_t id)
{
	for (int i = 0; i < 300; i++) {
		er_buf b;
		const char *url = rnd(k) % 3 ? "http://127.0.0.1:1/x" : rnd(k) % 2 ? "http://[::1]/" : "nonsense\n\r";
		strings(&b, (const char *const[]){"GET", url, "x-a\nb\nhost\nevil\n"}, 3);
		er_frame f = {.type = ER_FRAME_FETCH,
		              .flags = (uint8_t)rnd(k),
		              .aux = (uint16_t)(rnd(k) % 512),
		              .id = ++k->fetch,
		              .arg = rnd(k) % 4 ? id : rnd(k)};
		put(k, f, er_buf_slice(&b));
		er_buf_fini(&b);
		if (rnd(k) % 2)
			put(k,
			    (er_frame){.type = rnd(k) % 2 ? ER_FRAME_PULL : ER_FRAME_FETCH_CANCEL,
			               .flags = ER_FF_SUB,
			               .id = k->fetch,
			               .arg = 100000},
			    (er_slice){0});
		if (rnd(k) % 60 == 0) {
			const uint32_t of[2] = {rnd(k) % 4 ? k->fetch : rnd(k), 1};
			put(k,
			    (er_frame){
			        .type = ER_FRAME_RESPONSE, .flags = ER_FF_RELAY | ER_FF_KEPT, .aux = 200, .id = rnd(k) % 4 ? id : rnd(k)},
			    er_slice_of(of, rnd(k) % 10 ? sizeof of : rnd(k) % 8));
		}
	}
	answer(k, id, ER_FF_INLINE | ER_FF_DONE, "fetched");
}

/* Like an honest one as far as the node ends it for the opposite: numbers are its own, and what it
 * has begun to read it does not copy. Now and then it does. */
static void clones(fake *k, uint32_t id)
{
	enum { COPIES = 3000 };
	uint32_t first = k->fetch + 1;
	bool rude = rnd(k) % 3 == 0;
	for (uint32_t i = 0; i < COPIES; i++) {
		uint32_t of[2] = {id, 0};
		if (i > 0 && rnd(k) % 2) {
			of[0] = rnd(k) % 50 ? k->fetch : rnd(k);
			of[1] = rnd(k) % 50 ? 1 : rnd(k);
		}
		put(k, (er_frame){.type = ER_FRAME_CLONE, .flags = (uint8_t)rnd(k), .id = ++k->fetch, .arg = rnd(k) % 50 ? id : rnd(k)},
		    er_slice_of(of, rude && rnd(k) % COPIES == 0 ? rnd(k) % 8 : sizeof of));
	}
	for (uint32_t i = 0; i < COPIES; i++) {
		static const uint8_t types[] = {ER_FRAME_PULL,  ER_FRAME_PULL,        ER_FRAME_PULL,
		                                ER_FRAME_DRAIN, ER_FRAME_BODY_CANCEL, ER_FRAME_FETCH_CANCEL};
		er_frame f = {
		    .type = types[rnd(k) % sizeof types], .flags = ER_FF_SUB, .id = first + rnd(k) % COPIES, .arg = 1 + rnd(k) % 100000};
		put(k, f, (er_slice){0});
		if (rude && rnd(k) % COPIES == 0)
			put(k, (er_frame){.type = ER_FRAME_CLONE, .id = ++k->fetch, .arg = id}, er_slice_of((const uint32_t[]){first, 1}, 8));
	}
	er_buf b;
	strings(&b, (const char *const[]){"OK", ""}, 2);
	er_buf_put_le32(&b, rnd(k) % 2 ? id : first + rnd(k) % COPIES);
	er_buf_put_le32(&b, rnd(k) % 2);
	put(k, (er_frame){.type = ER_FRAME_RESPONSE, .flags = ER_FF_RELAY, .aux = 200, .id = id}, er_buf_slice(&b));
	er_buf_fini(&b);
	put(k, (er_frame){.type = ER_FRAME_DONE, .id = id}, (er_slice){0});
}

/* To an origin that never answers: {"url": "..."}. */
static void greedy(fake *k, uint32_t id)
{
	er_buf b;
	strings(&b, (const char *const[]){"GET", k->url, ""}, 3);
	for (uint32_t i = 0; i <= k->live_subs; i++)
		put(k, (er_frame){.type = ER_FRAME_FETCH, .id = ++k->fetch, .arg = id}, er_buf_slice(&b));
	er_buf_fini(&b);
}

static void spin(fake *k, uint32_t id, bool talk)
{
	for (;;) {
		for (volatile int i = 0; i < 20000000; i++)
			;
		if (talk) {
			put(k, (er_frame){.type = ER_FRAME_METER, .id = id, .arg = 0}, (er_slice){0});
			publish(k);
		}
	}
}

static void flood(fake *k, uint32_t id)
{
	for (int i = 0; i < 200000; i++)
		put(k, (er_frame){.type = ER_FRAME_LOG, .id = id, .aux = 1}, ER_LIT("a line of nothing in particular"));
	answer(k, id, ER_FF_INLINE | ER_FF_DONE, "flooded");
}

static void deaf(fake *k, uint32_t id)
{
	answer(k, id, ER_FF_STREAM, "");
	for (;;) {
		put(k, (er_frame){.type = ER_FRAME_FETCH, .id = ++k->fetch, .arg = id}, ER_LIT("\3\0\0\0GET\1\0\0\0x\0\0\0\0"));
		publish(k);
	}
}

static void request(fake *k, uint32_t id)
{
	const char *m = k->mode;
	uint8_t block[16384] = {0};
	if (strcmp(m, "random") == 0) {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = (uint8_t)rnd(k);
		uint8_t *p = er_ring_reserve(&k->ch.out, sizeof block);
		er_copy(p, block, p ? sizeof block : 0);
		er_ring_commit(&k->ch.out, p ? sizeof block : 0);
	} else if (strcmp(m, "frames") == 0) {
		random_frames(k, id);
	} else if (strcmp(m, "mutate") == 0) {
		mutated(k, id);
	} else if (strcmp(m, "indices") == 0) {
		garbage_indices(k);
	} else if (strcmp(m, "flood") == 0) {
		flood(k, id);
	} else if (strcmp(m, "spin") == 0 || strcmp(m, "liar") == 0) {
		spin(k, id, m[0] == 'l');
	} else if (strcmp(m, "deaf") == 0) {
		deaf(k, id);
	} else if (strcmp(m, "overdraw") == 0) {
		answer(k, id, ER_FF_STREAM, "");
		for (int i = 0; i < 100; i++)
			put(k, (er_frame){.type = ER_FRAME_BODY_DATA, .id = id}, er_slice_of(block, sizeof block));
	} else if (strcmp(m, "twice") == 0) {
		answer(k, id, ER_FF_INLINE, "once");
		answer(k, id, ER_FF_INLINE | ER_FF_DONE, "twice");
	} else if (strcmp(m, "fetches") == 0) {
		fetches(k, id);
	} else if (strcmp(m, "clones") == 0) {
		clones(k, id);
	} else if (strcmp(m, "greedy") == 0) {
		greedy(k, id);
	} else if (strcmp(m, "ready") == 0) {
		put(k, (er_frame){.type = ER_FRAME_READY, .aux = ER_LEVEL_FULL}, ER_LIT("\4\0\0\0fake"));
	} else if (strcmp(m, "drain") == 0) {
		put(k, (er_frame){.type = ER_FRAME_DRAIN, .id = id}, (er_slice){0});
	} else if (strcmp(m, "reload") == 0) {
		put(k, (er_frame){.type = ER_FRAME_LOADED, .aux = ER_ERR_EXCEPTION}, ER_LIT("nonsense"));
	} else if (strcmp(m, "exit") == 0) {
		_exit(3);
	} else if (strcmp(m, "hoard") == 0) {
		hoard();
	} else if (strcmp(m, "silent") != 0) {
		answer(k, id, ER_FF_INLINE | ER_FF_DONE, "hello");
	}
}

/* The value of "key" in a flat JSON object, as far as this program needs it. */
static void value_of(er_slice json, const char *key, char *out, size_t n)
{
	char want[32];
	snprintf(want, sizeof want, "\"%s\"", key);
	char *text = er_strdup_slice(json);
	char *at = strstr(text, want);
	at = at ? strchr(at + strlen(want), ':') : NULL;
	at = at ? strchr(at, '"') : NULL;
	out[0] = '\0';
	for (size_t i = 0; at != NULL && at[i + 1] != '\0' && at[i + 1] != '"' && i + 1 < n; i++) {
		out[i] = at[i + 1];
		out[i + 1] = '\0';
	}
	er_free(text);
}

static void handle(fake *k, const er_frame *f, er_slice payload)
{
	er_reader r = {.rest = payload};
	char seed[32];
	switch (f->type) {
	case ER_FRAME_LOAD:
		for (int i = 0; i < 3; i++)
			(void)er_get_string(&r);
		er_slice env = er_get_string(&r);
		er_load_limits limits = {0};
		er_copy(&limits, er_get_bytes(&r, sizeof limits).p, sizeof limits);
		k->live_subs = limits.live_subs;
		value_of(env, "mode", k->mode, sizeof k->mode);
		value_of(env, "url", k->url, sizeof k->url);
		value_of(env, "seed", seed, sizeof seed);
		k->seed = strtoull(seed, NULL, 10) * 0x9e3779b97f4a7c15ULL + 88172645463325252ULL;
		break;
	case ER_FRAME_CODE:
		if (f->flags & ER_FF_FIN)
			put(k, (er_frame){.type = ER_FRAME_LOADED, .arg = 100}, (er_slice){0});
		break;
	case ER_FRAME_REQUEST:
		request(k, f->id);
		break;
	case ER_FRAME_CANCEL:
		put(k, (er_frame){.type = ER_FRAME_DONE, .id = f->id}, (er_slice){0});
		break;
	case ER_FRAME_CLOSE:
		_exit(0);
	default:
		break;
	}
}

int main(void)
{
	fake k = {.seed = 1};
	er_err err;
	if (!er_channel_map(&k.ch, FD_MEM, false, &err))
		return 1;
	er_buf b;
	strings(&b, (const char *const[]){"fake"}, 1);
	put(&k, (er_frame){.type = ER_FRAME_READY, .aux = ER_LEVEL_FULL}, er_buf_slice(&b));
	er_buf_fini(&b);
	publish(&k);
	for (;;) {
		er_slice all = er_ring_peek(&k.ch.in);
		size_t used = 0;
		er_frame f;
		er_slice payload;
		size_t whole;
		while (er_frame_read(er_slice_from(all, used), &f, &payload, &whole) == ER_FRAME_OK) {
			handle(&k, &f, payload);
			used += whole;
		}
		if (er_ring_release(&k.ch.in, used))
			wake_node();
		publish(&k);
		if (used == 0 && er_ring_sleep(&k.ch.in))
			nap(-1);
	}
}
