/* What goes wrong in JavaScript, told to the node: exceptions (reported or fatal), console lines,
 * and the end of a request that failed. A report is three strings, cut to their bounds, so that one
 * frame holds it. What was thrown may be anything, with getters of the routine's own: only the
 * prelude's describe hook looks into it, inside the turn that pays for it. A request says at most
 * LOGS_MAX lines; when the node does not read fast enough console lines are dropped before anything
 * else. */
#include "sandbox/api/api.h"

#include "sandbox/death.h"

#include <stdlib.h>
#include <stdio.h>

enum { NAME_MAX_N = 256, MESSAGE_MAX_N = 8 * 1024, STACK_MAX_N = 16 * 1024, LOGS_MAX = 1000, LOG_OVERFLOW = 1 << 20 };

static_assert(NAME_MAX_N + MESSAGE_MAX_N + STACK_MAX_N + 3 * 4 <= ER_FRAME_MAX, "a report is one frame");

/* Cuts at most n bytes off so that no UTF-8 sequence is broken. */
static void cut(er_text *t, size_t max)
{
	if (t->n <= max)
		return;
	t->n = max;
	while (t->n && (t->p[t->n] & 0xC0) == 0x80)
		t->n--;
	ER_ASSERT(t->n <= max);
}

static void text_of(er_text *t, er_value v, size_t max)
{
	er_value exc = NULL;
	if (er_js_is_undefined(v) || !er_js_utf8(v, t, &exc)) {
		t->p = t->room;
		t->n = 0;
	}
	cut(t, max);
}

/* Syntax errors have no stack, but say where. */
static void place_of(er_text *stack, er_value error)
{
	double line = er_js_to_number(er_js_get(error, "line")), column = er_js_to_number(er_js_get(error, "column"));
	er_text url;
	text_of(&url, er_js_get(error, "sourceURL"), 512);
	if (line >= 1) {
		int n = snprintf((char *)stack->room, sizeof stack->room, "@%.*s:%.0f:%.0f", ER_FMT(er_text_slice(&url)), line,
		                 column >= 0 ? column : 0);
		stack->n = n > 0 && (size_t)n < sizeof stack->room ? (size_t)n : 0;
	}
	er_text_fini(&url);
}

static bool text_is(const er_text *t, er_slice s)
{
	return er_slice_eq(er_text_slice(t), s);
}

void er_report_of(er_report *rep, er_value error)
{
	er_value told = er_engine_describe(error);
	if (told == NULL) /* no memory or no stack is left for that: what the engine itself has */
		told = error;
	text_of(&rep->name, er_js_get(told, "name"), NAME_MAX_N);
	text_of(&rep->message, er_js_get(told, "message"), MESSAGE_MAX_N);
	text_of(&rep->stack, er_js_get(told, "stack"), STACK_MAX_N);
	if (rep->stack.n == 0 && rep->stack.p == rep->stack.room)
		place_of(&rep->stack, error);
	bool oom =
	    text_is(&rep->message, ER_LIT("Out of memory")) && (er_death_refused() > er_sb.turn.refused || er_death_at_limit());
	rep->kind = oom ? ER_ERR_MEMORY : er_sb.hung ? ER_ERR_HUNG : ER_ERR_EXCEPTION;
}

void er_report_fini(er_report *rep)
{
	er_text_fini(&rep->name);
	er_text_fini(&rep->message);
	er_text_fini(&rep->stack);
}

uint32_t er_report_n(const er_report *rep)
{
	return (uint32_t)(12 + rep->name.n + rep->message.n + rep->stack.n);
}

void er_report_put(const er_report *rep, er_writer *w)
{
	er_put_string(w, er_text_slice(&rep->name));
	er_put_string(w, er_text_slice(&rep->message));
	er_put_string(w, er_text_slice(&rep->stack));
}

void er_report_send(uint32_t id, const er_report *rep, bool fatal)
{
	er_request *r = er_request_find(id);
	if (!fatal && (r == NULL || r->logs_n++ >= LOGS_MAX || er_out_overflow(&er_sb.out) > LOG_OVERFLOW))
		return;
	er_frame f = {.type = ER_FRAME_EXCEPTION,
	              .id = id,
	              .aux = (uint16_t)rep->kind,
	              .flags = fatal ? ER_FF_FATAL : 0,
	              .arg = r != NULL ? er_turn_cpu_us(r) : 0,
	              .n = er_report_n(rep)};
	ER_ASSERT(f.n <= ER_FRAME_MAX && (rep->kind == ER_ERR_MEMORY || rep->kind == ER_ERR_EXCEPTION || rep->kind == ER_ERR_HUNG));
	uint8_t *head;
	er_writer w = {er_out_begin(&f, &head)};
	if (fatal && r != NULL)
		er_turn_patch(head, r);
	er_report_put(rep, &w);
	er_out_end();
	if (fatal && rep->kind == ER_ERR_MEMORY)
		er_die(ER_ERR_MEMORY, id, er_turn_cpu_us(er_turn_owner()), 0);
}

ER_NATIVE(log)
{
	er_request *owner = er_turn_owner();
	if (er_out_overflow(&er_sb.out) > LOG_OVERFLOW)
		return er_js_undefined();
	if (owner->logs_n >= LOGS_MAX) {
		if (owner->logs_n++ == LOGS_MAX) {
			er_frame last = {.type = ER_FRAME_LOG, .id = owner->id, .aux = ER_CONSOLE_WARN};
			er_slice text = ER_LIT("(truncated: more than 1000 lines of one request)");
			last.n = (uint32_t)text.n;
			er_out_frame(&last, text);
		}
		return er_js_undefined();
	}
	owner->logs_n++;
	er_text t;
	if (!er_js_utf8(a->text, &t, exception))
		return NULL;
	cut(&t, ER_CONSOLE_MAX);
	uint32_t level = er_js_to_u32(a->level);
	er_frame f = {.type = ER_FRAME_LOG,
	              .id = owner->id,
	              .aux = (uint16_t)(level <= ER_CONSOLE_ERROR ? level : ER_CONSOLE_LOG),
	              .n = (uint32_t)t.n};
	er_out_frame(&f, er_text_slice(&t));
	er_text_fini(&t);
	return er_js_undefined();
}

ER_NATIVE(exception)
{
	er_report rep;
	text_of(&rep.name, a->name, NAME_MAX_N);
	text_of(&rep.message, a->message, MESSAGE_MAX_N);
	text_of(&rep.stack, a->stack, STACK_MAX_N);
	bool oom = text_is(&rep.message, ER_LIT("Out of memory")) && er_death_refused() > er_sb.turn.refused;
	rep.kind = oom ? ER_ERR_MEMORY : ER_ERR_EXCEPTION;
	er_report_send(er_js_to_u32(a->id), &rep, er_js_to_bool(a->fatal));
	er_report_fini(&rep);
	return er_js_undefined();
}

ER_NATIVE(fail)
{
	er_request *r = er_request_find(er_js_to_u32(a->id));
	if (r == NULL || r->id == 0 || r->over)
		return er_js_undefined();
	er_report rep;
	er_report_of(&rep, a->error);
	er_report_send(r->id, &rep, true);
	er_report_fini(&rep);
	er_request_tell_done(r);
	er_request_over(r);
	return er_js_undefined();
}
