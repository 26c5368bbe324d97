/* The API's family of private addresses that a routine of the store may reach. The operator says in
 * node.jsonc which ones may be allowed at all (routineAddresses); an administrator allows them to a
 * routine. No setting of a version does, so whoever may only deploy cannot.
 *
 * What is allowed to a routine stays stored when the operator takes the range away; it is then not
 * in force, which the list says, and the gateway asks again when it makes a configuration
 * (stored.c). */
#include "base/mem.h"
#include "control/internal.h"

/* The one of the path. False: call->problem. */
static bool routine_there(er_call *call)
{
	ER_ASSERT(call->routine.n > 0);
	return er_world_find(call->control->world, call->routine) != NULL ||
	       er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "there is no routine \"%.*s\" yet: upload a version first (er deploy)",
	                 ER_FMT(call->routine));
}

static bool node_allows(const er_control *c, const er_cidr *range)
{
	ER_ASSERT(c->o.n_addresses == 0 || c->o.addresses != NULL);
	for (size_t i = 0; i < c->o.n_addresses; i++)
		if (er_cidr_within(range, &c->o.addresses[i]))
			return true;
	return false;
}

/* "10.0.0.0/8, fd00::/8" */
static er_slice node_ranges(er_call *call)
{
	const er_control *c = call->control;
	er_buf b = {0};
	char text[ER_CIDR_TEXT];
	for (size_t i = 0; i < c->o.n_addresses && er_buf_len(&b) < 300; i++) {
		er_buf_put_cstr(&b, i > 0 ? ", " : "");
		er_buf_put(&b, er_cidr_text(&c->o.addresses[i], text));
	}
	er_slice s = er_buf_len(&b) > 0 ? er_arena_copy(call->arena, er_buf_slice(&b)) : ER_LIT("none");
	er_buf_fini(&b);
	return s;
}

void er_api_addresses(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	er_address_row *rows = NULL;
	size_t n = 0;
	er_err err = {0};
	er_out *o = &call->out;
	er_cidr range;
	bool ok = routine_there(call);
	if (ok && !er_store_addresses(call->control->o.store, call->arena, call->routine, &rows, &n, &err))
		ok = er_refuse_err(&call->problem, &err);
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(o, NULL, '{');
		er_out_str(o, "address", rows[i].range);
		er_out_bool(o, "in_force", er_cidr_parse_service(rows[i].range, &range) && node_allows(call->control, &range));
		er_out_time(o, "at", rows[i].at_ms);
		er_out_str(o, "by", rows[i].actor);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* The range in its one spelling. */
static bool read_range(er_call *call, er_slice said, er_cidr *range, er_slice *text)
{
	if (!er_cidr_parse_service(said, range))
		return er_refuse_field(&call->problem, ER_LIT("address"),
		                       "an address or a range, with a port or without, as 10.1.2.3:5432, 10.0.0.0/8 or [fd00::1]:80",
		                       "\"address\": an address or a range is expected, with a port or without, as 10.1.2.3:5432, "
		                       "10.0.0.0/8 or [fd00::1]:80");
	*text = er_cidr_text(range, er_arena_alloc(call->arena, ER_CIDR_TEXT));
	return true;
}

/* Answers and ends the call: when what runs has the new list, or with what is wrong. */
static void apply(er_call *call, er_change_kind kind, er_slice range)
{
	ER_ASSERT(kind == ER_CHANGE_ADDRESS_ALLOW || kind == ER_CHANGE_ADDRESS_DENY);
	er_change change = er_call_change(call, kind);
	change.name = range;
	if (!er_call_apply_one(call, &change))
		return;
	er_call_activate(call, 200);
}

typedef struct address_body {
	er_slice address;
} address_body;

void er_api_address_allow(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(address_body, "address", address, ER_MEMBER_STRING, true, 1, 60)};
	address_body body = {0};
	er_cidr range;
	er_slice text = {0};
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN && call->json != NULL);
	bool ok = er_call_members(call, members, &body) && read_range(call, body.address, &range, &text) && routine_there(call);
	if (ok && !node_allows(call->control, &range))
		ok =
		    er_refuse_field(&call->problem, ER_LIT("address"), "within routineAddresses of the node's node.jsonc",
		                    "this node lets no deployed routine reach %.*s: its operator names the private addresses that may be "
		                    "allowed in \"routineAddresses\" of node.jsonc (now: %.*s), and reloads it",
		                    ER_FMT(text), ER_FMT(node_ranges(call)));
	if (ok)
		apply(call, ER_CHANGE_ADDRESS_ALLOW, text);
	else
		er_call_refuse(call);
}

void er_api_address_deny(er_call *call)
{
	er_cidr range;
	er_slice said = {0}, text = {0};
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN);
	if (er_call_query(call, ER_LIT("address"), &said) && read_range(call, said, &range, &text) && routine_there(call))
		apply(call, ER_CHANGE_ADDRESS_DENY, text);
	else
		er_call_refuse(call);
}
