/* How a session says something to either side (cdp_inside.h), and keeps what it has asked. The
 * lowest layer of the translation: cdp_commands.c and cdp.c stand on it. */
#include "cli/cdp_inside.h"

#include <stdio.h>

/* ---- saying ---- */

er_out er_cdp_open(void)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	return o;
}

/* {"id":ID,"KEY":{...}} */
static void answer(er_cdp *c, er_slice id, const char *key, er_out *object)
{
	er_out_close(object, '}');
	er_out o = er_cdp_open();
	er_out_json(&o, "id", id);
	er_out_json(&o, key, er_buf_slice(&object->b));
	er_out_close(&o, '}');
	c->ports.to_client(c->ports.ctx, er_buf_slice(&o.b));
	er_out_fini(&o);
	er_out_fini(object);
}

void er_cdp_reply(er_cdp *c, er_slice id, er_out *result)
{
	answer(c, id, "result", result);
}

void er_cdp_reply_empty(er_cdp *c, er_slice id)
{
	er_out o = er_cdp_open();
	er_cdp_reply(c, id, &o);
}

void er_cdp_refuse_text(er_cdp *c, er_slice id, int code, er_slice why)
{
	er_out o = er_cdp_open();
	char number[16];
	int n = snprintf(number, sizeof number, "%d", code);
	er_out_json(&o, "code", er_slice_of(number, (size_t)n));
	er_out_str(&o, "message", why);
	answer(c, id, "error", &o);
}

void er_cdp_refuse(er_cdp *c, er_slice id, int code, const char *why)
{
	er_cdp_refuse_text(c, id, code, er_slice_cstr(why));
}

void er_cdp_event(er_cdp *c, const char *method, er_out *params)
{
	er_out_close(params, '}');
	er_out o = er_cdp_open();
	er_out_cstr(&o, "method", method);
	er_out_json(&o, "params", er_buf_slice(&params->b));
	er_out_close(&o, '}');
	c->ports.to_client(c->ports.ctx, er_buf_slice(&o.b));
	er_out_fini(&o);
	er_out_fini(params);
}

er_cdp_asked *er_cdp_ask(er_cdp *c, er_cdp_kind kind, er_slice client, const char *method, er_out *params)
{
	if (params != NULL)
		er_out_close(params, '}');
	er_cdp_asked *a = NULL;
	if (c->n_asked < ER_CDP_ASKED) {
		a = ER_NEW(er_cdp_asked);
		*a = (er_cdp_asked){.id = ++c->next_id, .kind = kind, .client = client.n > 0 ? er_strdup_slice(client) : NULL};
		er_list_push(&c->asked, &a->link);
		c->n_asked++;
		er_out o = er_cdp_open();
		er_out_u64(&o, "id", a->id);
		er_out_cstr(&o, "method", method);
		if (params != NULL)
			er_out_json(&o, "params", er_buf_slice(&params->b));
		er_out_close(&o, '}');
		c->ports.to_engine(c->ports.ctx, er_buf_slice(&o.b));
		er_out_fini(&o);
	} else if (client.n > 0) {
		er_cdp_refuse(c, client, -32000, "too many commands are open");
	}
	if (params != NULL)
		er_out_fini(params);
	return a;
}

void er_cdp_forget_asked(er_cdp *c, er_cdp_asked *a)
{
	er_list_remove(&a->link);
	c->n_asked--;
	c->kept -= a->then_n;
	er_free(a->client);
	er_free(a->then);
	er_free(a);
}

void er_cdp_resumed(er_cdp *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	er_out o = er_cdp_open();
	er_cdp_event(c, "Debugger.resumed", &o);
}

const er_cdp_script *er_cdp_find_script(const er_cdp *c, er_slice id)
{
	for (size_t i = c->n_scripts; i-- > 0;)
		if (er_slice_eq(er_slice_cstr(c->scripts[i].id), id))
			return &c->scripts[i];
	return NULL;
}

void er_cdp_forget_scripts(er_cdp *c)
{
	for (size_t i = 0; i < c->n_scripts; i++) {
		er_free(c->scripts[i].id);
		er_free(c->scripts[i].url);
	}
	c->n_scripts = 0;
}

void er_cdp_forget_profile(er_cdp *c)
{
	er_free(c->profile_for);
	c->profile_for = NULL;
	er_cpuprofile_free(c->profile);
	c->profile = NULL;
}
