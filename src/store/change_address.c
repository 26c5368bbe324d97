/* The changes that allow a routine private addresses, or take that back. Called by apply.c, within
 * its transaction.
 *
 * A range is stored as er_cidr_text spells it, and the caller has to bring it so: then a range has
 * one row, and taking it away needs no comparing. Here nothing is known of what the node itself
 * allows (routineAddresses); that is asked by the API before, and again when an address is used. */
#include "base/cidr.h"
#include "store/apply.h"

static bool range_check(er_apply *a, const er_change *c)
{
	er_cidr range;
	char text[ER_CIDR_TEXT];
	return (er_cidr_parse_service(c->name, &range) && er_slice_eq(er_cidr_text(&range, text), c->name)) ||
	       er_fail(a->err, ER_ERR_INVALID, "\"%.*s\" is no range of addresses", ER_FMT(er_slice_head(c->name, 80)));
}

/* The one that is added does not count: it may be there already. */
static bool room_for_it(er_apply *a, const er_change *c)
{
	er_query q = er_query_of(a->db, "SELECT count(*) FROM address WHERE routine = ?1 AND range <> ?2");
	er_bind_text(&q, c->routine);
	er_bind_text(&q, c->name);
	int64_t n = er_query_row(&q) ? er_col_int(&q, 0) : 0;
	if (!er_query_end(&q, a->err))
		return false;
	return n < ER_ADDRESSES_MAX ||
	       er_fail(a->err, ER_ERR_TOO_LARGE,
	               "\"%.*s\" is allowed %lld ranges of addresses, the most: take some away first, or allow one "
	               "that covers several",
	               ER_FMT(c->routine), (long long)n);
}

static bool log_range(er_apply *a, const er_change *c)
{
	er_out data = er_log_begin();
	er_out_str(&data, "address", c->name);
	return er_apply_log(a, c, &data);
}

bool er_apply_address_allow(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_ADDRESS_ALLOW);
	if (!range_check(a, c) || !er_apply_known(a, c->routine) || !room_for_it(a, c))
		return false;
	er_query q =
	    er_query_of(a->db, "INSERT INTO address(routine, range, at_ms, actor) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING");
	er_bind_text(&q, c->routine);
	er_bind_text(&q, c->name);
	er_bind_int(&q, a->now_ms);
	er_bind_text(&q, c->actor);
	if (!er_query_run(&q, a->err))
		return false;
	/* it is allowed already: that is all that was asked for */
	return er_db_changes(a->db) == 0 || log_range(a, c);
}

bool er_apply_address_deny(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_ADDRESS_DENY);
	if (!range_check(a, c) || !er_apply_known(a, c->routine))
		return false;
	er_query q = er_query_of(a->db, "DELETE FROM address WHERE routine = ?1 AND range = ?2");
	er_bind_text(&q, c->routine);
	er_bind_text(&q, c->name);
	if (!er_query_run(&q, a->err))
		return false;
	if (er_db_changes(a->db) == 0)
		return er_fail(a->err, ER_ERR_NO_ROUTE, "\"%.*s\" is not allowed %.*s", ER_FMT(c->routine), ER_FMT(c->name));
	return log_range(a, c);
}
