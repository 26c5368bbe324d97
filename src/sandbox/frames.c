/* What the node says. Each frame either becomes a turn (a hook of the prelude is called, charged to
 * the request that the frame is about) or changes what C keeps. A frame about something that is
 * over comes late, and is dropped: the node cannot know yet.
 *
 * Trust: the node is the trusted side, so a frame that makes no sense is a broken invariant and
 * ends the process. What JavaScript does inside a turn is not trusted: after each hook the request
 * may be over, the subrequest gone, so nothing is used after a hook that was looked up before it
 * and may have gone. */
#include "sandbox/frames.h"

#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/engine.h"
#include "sandbox/sandbox.h"

#include <stdio.h>

static void call(er_request *owner, er_hook hook, size_t argc, const er_value argv[])
{
	er_turn_begin(owner, er_sb.limits.cpu_us);
	er_engine_call(hook, argc, argv);
	er_turn_end();
}

void er_frames_ready(void)
{
	er_slice version = er_slice_cstr(er_engine_version());
	er_frame f = {.type = ER_FRAME_READY, .aux = (uint16_t)er_sb.lock.spawned, .n = (uint32_t)(4 + version.n)};
	er_writer w = {er_out_begin(&f, NULL)};
	er_put_string(&w, version);
	er_out_end();
	er_out_flush();
}

/* ---- code ---- */
static void send_loaded(er_value error)
{
	ER_ASSERT(er_sb.turn.active && er_turn_owner()->id == 0);
	er_frame f = {.type = ER_FRAME_LOADED, .arg = er_turn_cpu_us(&er_sb.requests.background)};
	if (error == NULL) {
		er_out_frame(&f, (er_slice){0});
		return;
	}
	er_report rep;
	er_report_of(&rep, error);
	f.aux = (uint16_t)rep.kind;
	f.n = er_report_n(&rep);
	er_writer w = {er_out_begin(&f, NULL)};
	er_report_put(&rep, &w);
	er_out_end();
	er_report_fini(&rep);
}

/* All code is here: runs the script, and tells the node how it ended. Top-level code is the
 * background's, with an account of its own. */
static void evaluate(void)
{
	er_request *background = &er_sb.requests.background;
	ER_ASSERT(!er_sb.loaded && er_sb.requests.live == 0);
	er_buf_putc(&er_sb.code_url, 0);
	er_value exc = NULL;
	er_inspect_wait();
	er_turn_begin(background, er_sb.limits.load_cpu_us);
	(void)er_engine_eval(er_buf_slice(&er_sb.code), (const char *)er_buf_slice(&er_sb.code_url).p, &exc);
	er_engine_microtasks();
	er_turn_end();
	er_buf_fini(&er_sb.code);
	er_buf_init(&er_sb.code);
	er_turn_begin(background, er_sb.limits.load_cpu_us);
	if (exc == NULL)
		exc = er_engine_loaded();
	send_loaded(exc);
	/* what was thrown may have getters, and the turn pays for what they leave behind */
	er_engine_microtasks();
	er_turn_end();
	er_sb.loaded = exc == NULL; /* from here on what nobody owns is the background's */
	background->cpu_ns = 0;     /* what its timers and promises use later is another account */
}

static void set_limits(void)
{
	const er_load_limits *l = &er_sb.limits;
	er_value o = er_engine_get(ER_GIVEN_limits);
	if (er_js_is_undefined(o)) {
		o = er_js_object();
		er_engine_set(ER_GIVEN_limits, o);
	}
#define X(name) er_js_set(o, #name, er_js_number(l->name));
	ER_LIMIT_TABLE(X)
#undef X
}

/* LOAD: environment and limits. The memory limit is set before a byte of the code is here. */
static void on_load(er_slice payload)
{
	er_reader r = {.rest = payload};
	(void)er_get_string(&r); /* name and version are for people; the sandbox has no use for them */
	(void)er_get_string(&r);
	er_slice url = er_get_string(&r), env = er_get_string(&r);
	er_load_limits *l = &er_sb.limits;
	uint32_t *const words[] = {&l->cpu_us, &l->load_cpu_us, &l->memory_kb, &l->subrequests, &l->timers,
	                           &l->code_n, &l->compat,      &l->live_subs, &l->message_n};
	static_assert(sizeof words / sizeof *words == sizeof(er_load_limits) / sizeof(uint32_t), "every limit is read");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		*words[i] = er_get_u32(&r);
	ER_ASSERT(!r.bad && er_sb.code_url.p == NULL);
	er_sb.requests.sub_credit = l->live_subs;
	er_slice bindings = r.rest.n > 0 ? er_get_string(&r) : (er_slice){0};
	ER_ASSERT(!r.bad);
	er_engine_set(ER_GIVEN_env, er_js_from_utf8(env));
	er_engine_set(ER_GIVEN_bindings, er_js_from_utf8(bindings));
	set_limits();
	er_err err;
	if (!er_lockdown_memory(l->memory_kb, &err)) {
		fprintf(stderr, "er-sandbox: %s\n", err.text);
		er_panic(__FILE__, __LINE__, "no memory limit");
	}
	er_buf_put(&er_sb.code_url, url);
	er_buf_reserve(&er_sb.code, l->code_n);
}

static void on_code(const er_frame *f, er_slice payload)
{
	ER_ASSERT(er_sb.code_url.p != NULL && !er_sb.loaded);
	ER_ASSERT(er_buf_len(&er_sb.code) + payload.n <= er_sb.limits.code_n);
	er_buf_put(&er_sb.code, payload);
	if (f->flags & ER_FF_FIN)
		evaluate();
}

/* ---- requests ---- */
static void on_request(const er_frame *f, er_slice payload)
{
	if (!er_sb.loaded)
		return; /* it was under way when the node learnt that the script failed */
	er_request *r = er_request_new(f, payload);
	ER_ASSERT(r != NULL && r->id == f->id && !r->over);
	er_value id = er_js_number(f->id);
	er_turn_begin(r, er_sb.limits.cpu_us);
	if (f->aux == 1)
		er_engine_call(ER_HOOK(scheduled, .id = id));
	else
		er_engine_call(ER_HOOK(request, .id = id));
	if (!r->over)
		er_request_keep(r);
	er_turn_end();
}

/* CANCEL: the request's signal aborts, and then it is over, whatever its code still does. */
static void on_cancel(const er_frame *f)
{
	er_request *r = er_request_find(f->id);
	if (r == NULL || r->id == 0 || r->over)
		return;
	er_turn_begin(r, er_sb.limits.cpu_us);
	er_send *s = er_send_find(r->id, false);
	if (s != NULL)
		er_send_drop(s); /* tells DONE if it drained */
	if (!r->over) {
		er_value kind = er_js_ascii(er_err_name((er_err_kind)f->aux));
		er_engine_call(ER_HOOK(cancel, .id = er_js_number(r->id), .kind = kind));
		er_request_tell_done(r);
		er_request_over(r);
	}
	er_turn_end();
}

/* ---- bodies ---- */
/* Who owns the body that the frame names; NULL: that is over, the frame comes late. */
static er_request *body_owner(const er_frame *f)
{
	if (f->flags & ER_FF_SUB) {
		er_sub *s = er_sub_find(f->id);
		return s != NULL ? er_sub_owner(s) : NULL;
	}
	er_request *r = f->id ? er_request_find(f->id) : NULL;
	return r != NULL && !r->over && !r->draining ? r : NULL;
}

static void down_over(const er_frame *f)
{
	er_body_down_over(f->id, (f->flags & ER_FF_SUB) != 0);
}

/* Bytes that were pulled, as a Uint8Array for JavaScript. Without memory for it the body fails. */
static void on_body_data(const er_frame *f, er_slice payload)
{
	if (er_socket_data(f, payload))
		return;
	er_request *owner = body_owner(f);
	if (owner == NULL)
		return;
	bool fin = (f->flags & ER_FF_FIN) != 0;
	er_asked_came(f->id, (f->flags & ER_FF_SUB) != 0, f->n);
	er_turn_begin(owner, er_sb.limits.cpu_us);
	er_value exc = NULL;
	er_value bytes = payload.n ? er_js_u8_copy(payload, &exc) : er_js_undefined();
	er_value key = er_key_value(f->id, (f->flags & ER_FF_SUB) != 0);
	if (fin)
		down_over(f);
	if (bytes != NULL)
		er_engine_call(ER_HOOK(bodyData, .key = key, .bytes = bytes, .fin = er_js_bool(fin)));
	else
		er_engine_call(ER_HOOK(bodyFail, .key = key, .kind = er_js_ascii(er_err_name(ER_ERR_MEMORY))));
	er_turn_end();
}

static er_value word(const er_frame *f)
{
	return er_js_ascii(er_err_name((er_err_kind)f->aux));
}

static void on_body_fail(const er_frame *f)
{
	if (er_socket_lost(f))
		return;
	er_request *owner = body_owner(f);
	if (owner == NULL)
		return;
	call(owner, ER_HOOK(bodyFail, .key = er_key_value(f->id, (f->flags & ER_FF_SUB) != 0), .kind = word(f)));
	down_over(f);
}

static void on_credit(const er_frame *f)
{
	if (er_socket_credit(f))
		return;
	bool sub = (f->flags & ER_FF_SUB) != 0;
	er_send *s = er_send_find(f->id, sub);
	if (s != NULL) {
		s->credit += f->arg;
		er_send_pump(s);
		return;
	}
	er_request *owner = body_owner(f);
	if (owner == NULL)
		return;
	call(owner, ER_HOOK(credit, .key = er_key_value(f->id, sub), .n = er_js_number(f->arg)));
}

static void on_body_cancel(const er_frame *f)
{
	if (er_socket_unheard(f))
		return;
	bool sub = (f->flags & ER_FF_SUB) != 0;
	er_send *send = er_send_find(f->id, sub);
	if (send != NULL) {
		er_send_drop(send);
		return;
	}
	er_request *owner = body_owner(f);
	if (owner == NULL)
		return;
	call(owner, ER_HOOK(bodyCancel, .key = er_key_value(f->id, sub), .kind = word(f)));
	er_body_up_over(f->id, sub);
}

/* ---- subrequests ---- */
/* What most answers have need not become strings: the usual reason, and the one URL that the fetch
 * knows itself. */
static void tell_head(const er_frame *f, er_slice reason, er_slice block, er_slice urls)
{
	bool here = er_sb.came.fid != 0;
	bool usual = f->aux == 200 && er_slice_eq(reason, ER_LIT("OK")), one = er_slice_find(urls, '\n') == urls.n;
	er_engine_call(
	    ER_HOOK(subHead, .fid = er_js_number(f->id), .status = er_js_number(f->aux),
	            .reason = usual ? er_js_undefined() : er_js_latin1(reason), .block = er_js_latin1(block),
	            .urls = one ? er_js_undefined() : er_js_from_utf8(urls), .hasBody = er_js_bool((f->flags & ER_FF_BODY) != 0),
	            .length = er_js_number(f->arg == ER_LEN_UNKNOWN ? ER_LENGTH_UNKNOWN : (double)f->arg), .here = er_js_bool(here)));
}

static void on_sub_head(const er_frame *f, er_slice payload)
{
	er_sub *s = er_sub_find(f->id);
	if (s == NULL)
		return;
	er_reader r = {.rest = payload};
	er_slice reason = er_get_string(&r), block = er_get_string(&r), urls = er_get_string(&r);
	ER_ASSERT(!r.bad);
	bool body = (f->flags & ER_FF_BODY) != 0, gone = (f->flags & ER_FF_FIN) != 0;
	s->headed = true;
	er_request *owner = er_sub_owner(s);
	ER_ASSERT(owner != NULL && !er_sub_waits(s)); /* the node was asked for it */
	s->kept = (f->flags & ER_FF_KEPT) != 0;
	if (!body || gone)
		er_body_down_over(f->id, true);
	/* The request has its answer. Mostly nobody looks at it here. */
	if (f->flags & ER_FF_DONE) {
		er_body_down_over(f->id, true);
		er_turn_begin(owner, er_sb.limits.cpu_us);
		if (er_engine_ask(ER_HOOK(subAnswered, .fid = er_js_number(f->id))))
			tell_head(f, reason, block, urls);
		er_turn_end();
		return;
	}
	/* Its bytes lie in the ring, as long as this frame is at its front. */
	if (f->flags & ER_FF_INLINE)
		er_sb.came = (er_came){.fid = f->id, .gone = gone, .bytes = r.rest};
	er_turn_begin(owner, er_sb.limits.cpu_us);
	tell_head(f, reason, block, urls);
	er_turn_end();
	er_sb.came = (er_came){0};
}

static void on_sub_fail(const er_frame *f, er_slice payload)
{
	er_sub *s = er_sub_find(f->id);
	if (s == NULL)
		return;
	er_request *owner = er_sub_owner(s);
	er_held_end(&s->held);
	call(owner, ER_HOOK(subFail, .fid = er_js_number(f->id), .kind = word(f), .text = er_js_from_utf8(payload)));
}

/* Those that waited begin, as far as the credit goes. A body of the routine's own is not read
 * before. */
static void on_sub_credit(const er_frame *f)
{
	er_sb.requests.sub_credit += f->arg;
	er_frame fetch;
	for (er_sub *s; (s = er_sub_next(&fetch)) != NULL;) {
		er_send *send = er_send_find(s->fid, true);
		ER_ASSERT(!er_sub_waits(s) && er_sub_owner(s) != NULL);
		if (send != NULL) {
			send->credit = ER_CREDIT_START;
			er_send_pump(send);
		} else if (fetch.flags & ER_FF_STREAM) {
			call(er_sub_owner(s), ER_HOOK(subBegun, .fid = er_js_number(s->fid)));
		}
	}
}

/* ---- what the collector has found ---- */
unsigned er_frames_lost(void)
{
	unsigned n = 0;
	for (er_held *h; (h = er_held_next_lost()) != NULL; n++) {
		er_request *owner = h->owner;
		ER_ASSERT(owner != NULL && !owner->over);
		er_value key = er_js_number((double)er_held_tell_lost(h)), kind = er_js_ascii(er_err_name(ER_ERR_CANCELLED));
		call(owner, ER_HOOK(bodyFail, .key = key, .kind = kind));
	}
	return n;
}

/* ---- what nothing can wake ---- */
unsigned er_frames_hung(void)
{
	er_request *r = er_request_next_hung();
	if (r == NULL)
		return 0;
	er_turn_begin(r, er_sb.limits.cpu_us);
	er_sb.hung = true;
	er_engine_call(ER_HOOK(hung, .id = er_js_number(r->id)));
	er_sb.hung = false;
	er_turn_end();
	return 1;
}

void er_frames_handle(const er_frame *f, er_slice payload)
{
	ER_ASSERT(f->n == payload.n && !er_sb.turn.active);
	switch ((er_frame_type)f->type) {
	case ER_FRAME_REQUEST:
		on_request(f, payload);
		break;
	case ER_FRAME_LOAD:
		on_load(payload);
		break;
	case ER_FRAME_CODE:
		on_code(f, payload);
		break;
	case ER_FRAME_BODY_DATA:
		on_body_data(f, payload);
		break;
	case ER_FRAME_BODY_FAIL:
		on_body_fail(f);
		break;
	case ER_FRAME_CREDIT:
		on_credit(f);
		break;
	case ER_FRAME_BODY_CANCEL:
		on_body_cancel(f);
		break;
	case ER_FRAME_SUB_HEAD:
		on_sub_head(f, payload);
		break;
	case ER_FRAME_SUB_FAIL:
		on_sub_fail(f, payload);
		break;
	case ER_FRAME_SUB_CREDIT:
		on_sub_credit(f);
		break;
	case ER_FRAME_CANCEL:
		on_cancel(f);
		break;
	case ER_FRAME_CLOSE:
		er_sb.closing = true;
		break;
	default:
		er_panic(__FILE__, __LINE__, "the node does not send this frame");
	}
}
