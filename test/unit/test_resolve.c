/* Names to addresses: the cache, its times and bounds, and name servers that are silent, slow,
 * wrong or hostile. */
#include "origin/resolve.h"

#include "name_server.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MANY = 900 };

static uv_loop_t loop;
static er_resolver *resolver;
static name_server ns;
static er_resolve_payer payer, other, node;
static bool closed;
static unsigned order[2000], n_order;

typedef struct question {
	er_resolve q;
	bool over;
	unsigned number;
} question;

static void on_done(er_resolve *q)
{
	question *me = ER_CONTAINER(q, question, q);
	assert_false(me->over);
	me->over = true;
	if (n_order < 2000)
		order[n_order++] = me->number;
}

static void stop_waiting(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void run_until(const bool *flag, unsigned ms)
{
	bool late = false;
	uv_timer_t timer;
	uv_timer_init(&loop, &timer);
	timer.data = &late;
	uv_timer_start(&timer, stop_waiting, ms, 0);
	while (!late && !(flag != NULL && *flag))
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	if (flag != NULL && !*flag)
		fail_msg("nothing happened for %u ms", ms);
}

static void ask_for(question *me, er_resolve_payer *of, const char *name)
{
	*me = (question){.number = me->number};
	me->over = er_resolve_start(resolver, &me->q, of, er_slice_cstr(name), on_done);
}

static question *look_up(const char *name)
{
	static question me;
	er_addresses_unref(me.q.found);
	ask_for(&me, &payer, name);
	run_until(&me.over, 12000);
	return &me;
}

static void assert_address(const er_resolve *q, unsigned i, const char *text)
{
	char is[INET6_ADDRSTRLEN] = "";
	if (q->found == NULL)
		fail_msg("%.*s: %s", ER_FMT(q->name), q->text);
	assert_true(i < q->found->n);
	const er_address *a = &q->found->v[i];
	inet_ntop(a->sa.sa_family, a->sa.sa_family == AF_INET ? (const void *)&a->v4.sin_addr : &a->v6.sin6_addr, is, sizeof is);
	assert_string_equal(is, text);
}

static void assert_fails(const char *name, const char *text)
{
	question *me = look_up(name);
	if (me->q.found != NULL || strstr(me->q.text, text) == NULL)
		fail_msg("%s: %s, not %s", name, me->q.found != NULL ? "found" : me->q.text, text);
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static int setup(void **state)
{
	(void)state;
	er_err err = {0};
	uv_loop_init(&loop);
	ns_start(&ns, &loop);
	resolver = er_resolver_new(&loop, ns.servers, &err);
	assert_non_null(resolver);
	er_resolve_payer_init(&payer, false);
	er_resolve_payer_init(&other, false);
	er_resolve_payer_init(&node, true);
	n_order = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	look_up("127.0.0.1");
	er_addresses_unref(look_up("nothing that is a name")->q.found);
	closed = false;
	er_resolve_payer_fini(resolver, &payer);
	er_resolve_payer_fini(resolver, &other);
	er_resolve_payer_fini(resolver, &node);
	er_resolver_close(resolver, on_closed, &closed);
	run_until(&closed, 1000);
	ns_stop(&ns);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

/* ---- what names are ---- */

static void test_a_name_has_its_addresses(void **state)
{
	(void)state;
	assert_address(&look_up("www.example")->q, 0, "93.184.216.1");
	assert_address(&look_up("WWW.Example")->q, 0, "93.184.216.1");
	assert_int_equal(ns.asked, 1); /* names have no case */
	assert_address(&look_up("v6.example")->q, 0, "2a00:1450::1");
	assert_int_equal(look_up("both.example")->q.found->n, 2);
	assert_address(&look_up("a_b-c.example")->q, 0, "93.184.216.1");
}

static void test_addresses_and_localhost_are_asked_of_nobody(void **state)
{
	(void)state;
	assert_address(&look_up("192.0.2.7")->q, 0, "192.0.2.7");
	assert_address(&look_up("[2001:db8::7]")->q, 0, "2001:db8::7");
	static const char *const names[] = {"localhost", "LOCALHOST", "shop.localhost", "a.b.localhost", "localhost."};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_address(&look_up(names[i])->q, 0, "127.0.0.1");
		assert_address(&look_up(names[i])->q, 1, "::1");
	}
	assert_int_equal(ns.asked + ns.asked_v6, 0);
}

static void test_what_cannot_be_a_name_is_asked_of_nobody(void **state)
{
	(void)state;
	char longest[300];
	memset(longest, 'a', sizeof longest);
	for (size_t i = 60; i < sizeof longest; i += 60)
		longest[i] = '.';
	longest[254] = '\0';
	assert_fails(longest, "cannot be a name");
	assert_fails("", "cannot be a name");
	assert_fails("a b.example", "cannot be a name");
	assert_fails("a\\.example", "cannot be a name");
	assert_fails("[::1", "");
	assert_fails("a..example", "cannot be a name");
	longest[100] = '\0';
	memset(longest, 'a', 100);
	assert_fails(longest, "cannot be a name"); /* a label of a hundred */
	assert_fails("secret.ONION", ".onion are not looked up");
	assert_int_equal(ns.asked, 0);
}

static void test_a_name_is_asked_as_it_is(void **state)
{
	(void)state;
	(void)look_up("nx"); /* no search domain makes another name of it */
	assert_int_equal(ns.asked, 1);
}

/* ---- what name servers do ---- */

static void test_failures_say_what_they_are(void **state)
{
	(void)state;
	assert_fails("nx.example", "no such name");
	assert_fails("empty.example", "no address");
	assert_fails("servfail.example", "fail");
	assert_fails("silent.example", "in time");
}

static void test_answers_to_something_else_are_no_answers(void **state)
{
	(void)state;
	static const char *const names[] = {"wrongid.example", "wrongname.example"};
	for (size_t i = 0; i < 2; i++)
		assert_fails(names[i], "in time");
	static const char *const broken[] = {"garbage.example", "brief.example"};
	for (size_t i = 0; i < 2; i++)
		assert_null(look_up(broken[i])->q.found);
	assert_address(&look_up("www.example")->q, 0, "93.184.216.1"); /* and it goes on */
}

static void test_a_silent_name_server_is_given_up_in_time(void **state)
{
	(void)state;
	question me = {0};
	ask_for(&me, &payer, "silent.example");
	run_until(&me.over, ER_DNS_LIMIT_MS + 3000);
	assert_null(me.q.found);
}

static void test_a_cut_answer_is_asked_for_by_tcp(void **state)
{
	(void)state;
	if (!ns.has_tcp)
		skip();
	assert_address(&look_up("cut.example")->q, 0, "93.184.216.1");
	assert_true(ns.asked_tcp > 0);
}

static void test_very_many_addresses_are_not_all_kept(void **state)
{
	(void)state;
	assert_int_equal(look_up("many.example")->q.found->n, ER_DNS_ADDRESSES_MAX);
}

static void test_a_family_that_is_not_answered_keeps_nobody_waiting(void **state)
{
	(void)state;
	question me = {0};
	ask_for(&me, &payer, "only4.example");
	run_until(&me.over, 1000);
	assert_address(&me.q, 0, "93.184.216.1");
	er_addresses_unref(me.q.found);
	/* but it is counted until it is over */
	assert_int_equal(er_resolver_stat(resolver).under_way, 1);
}

/* ---- the cache ---- */

static void test_a_name_is_looked_up_once_for_all_who_ask(void **state)
{
	(void)state;
	static question all[50];
	for (unsigned i = 0; i < 50; i++)
		ask_for(&all[i], i % 2 ? &payer : &other, "slow.example");
	for (unsigned i = 0; i < 50; i++) {
		run_until(&all[i].over, 2000);
		assert_address(&all[i].q, 0, "93.184.216.1");
		er_addresses_unref(all[i].q.found);
	}
	assert_int_equal(ns.asked, 1);
	assert_true(look_up("slow.example")->over);
	assert_int_equal(ns.asked, 1);
}

static void test_an_answer_is_good_for_its_time(void **state)
{
	(void)state;
	look_up("short.example"); /* a time of 0 is a second here */
	question me = {0};
	ask_for(&me, &payer, "short.example");
	assert_true(me.over);
	er_addresses_unref(me.q.found);
	run_until(NULL, 1100);
	unsigned before = ns.asked;
	look_up("short.example");
	assert_int_equal(ns.asked, before + 1);
	look_up("long.example");
	run_until(NULL, 1100);
	before = ns.asked;
	look_up("long.example");
	assert_int_equal(ns.asked, before);
}

static void test_a_name_in_use_is_looked_up_before_its_time_is_over(void **state)
{
	(void)state;
	look_up("short.example");
	run_until(NULL, 920);
	question me = {0};
	ask_for(&me, &payer, "short.example");
	assert_true(me.over); /* nobody waits */
	er_addresses_unref(me.q.found);
	run_until(NULL, 300);
	assert_int_equal(ns.asked, 2);
}

static void test_a_name_that_does_not_exist_is_not_asked_for_again_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		assert_fails("nx.example", "no such name");
	assert_int_equal(ns.asked, 1);
}

static bool is_asked_for(const char *name)
{
	unsigned before = ns.asked;
	er_addresses *found = look_up(name)->q.found;
	assert_null(found);
	return ns.asked > before;
}

static void test_a_name_without_an_address_is_asked_for_again_when_its_zone_says(void **state)
{
	(void)state;
	static const char *const soon[] = {"nx.zone1.example", "empty.zone1.example"}, *const late[] = {"nx.zone600.example",
	                                                                                                "empty.zone600.example"};
	for (int i = 0; i < 2; i++)
		assert_true(is_asked_for(soon[i]) && is_asked_for(late[i]));
	run_until(NULL, 1200);
	for (int i = 0; i < 2; i++)
		assert_true(is_asked_for(soon[i]) && !is_asked_for(late[i]));
	run_until(NULL, 5200); /* longer than what is taken where the zone says nothing */
	for (int i = 0; i < 2; i++)
		assert_false(is_asked_for(late[i]));
}

static void test_a_dead_name_server_leaves_what_is_known(void **state)
{
	(void)state;
	look_up("www.example");
	look_up("short.example");
	ns.silent = true;
	run_until(NULL, 1100);
	assert_address(&look_up("www.example")->q, 0, "93.184.216.1");
	/* its time is over, and nobody can tell a better one */
	assert_address(&look_up("short.example")->q, 0, "93.184.216.1");
	question me = {0};
	ask_for(&me, &payer, "short.example");
	assert_true(me.over);
	er_addresses_unref(me.q.found);
}

static void test_the_cache_is_bounded(void **state)
{
	(void)state;
	char name[32];
	for (int i = 0; i < 4200; i++) {
		snprintf(name, sizeof name, "n%d.example", i);
		look_up(name);
		if (i % 100 == 0)
			look_up("www.example"); /* in use all the time */
	}
	assert_int_equal(er_resolver_stat(resolver).cached, 4096);
	unsigned before = ns.asked;
	look_up("www.example");
	assert_int_equal(ns.asked, before);
}

/* ---- shares and turns ---- */

static void cancel_all(question *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!v[i].over)
			er_resolve_cancel(resolver, &v[i].q);
}

static void flood(question *v, unsigned n, er_resolve_payer *of, const char *pattern)
{
	static char names[2 * MANY][32];
	static unsigned used;
	for (unsigned i = 0; i < n; i++) {
		char *name = names[used++ % (2 * MANY)];
		snprintf(name, sizeof names[0], pattern, i);
		v[i].number = i;
		ask_for(&v[i], of, name);
	}
}

static void test_one_routines_silent_names_leave_room_for_others(void **state)
{
	(void)state;
	static question all[MANY];
	flood(all, MANY, &payer, "silent.n%u.example");
	assert_true(er_resolver_stat(resolver).under_way <= 64);
	assert_int_equal(er_resolver_stat(resolver).waiting, MANY - er_resolver_stat(resolver).under_way);
	question me = {0}, its = {0};
	ask_for(&me, &other, "www.example");
	ask_for(&its, &node, "origin.example");
	run_until(&me.over, 1000);
	run_until(&its.over, 1000);
	assert_address(&me.q, 0, "93.184.216.1");
	assert_address(&its.q, 0, "93.184.216.1");
	er_addresses_unref(me.q.found);
	er_addresses_unref(its.q.found);
	cancel_all(all, MANY);
	assert_int_equal(er_resolver_stat(resolver).waiting, 0);
}

static void test_many_routines_silent_names_leave_the_nodes_own_alone(void **state)
{
	(void)state;
	enum { ROUTINES = 40, EACH = 20 };
	static question all[ROUTINES][EACH];
	static er_resolve_payer of[ROUTINES];
	for (unsigned i = 0; i < ROUTINES; i++) {
		er_resolve_payer_init(&of[i], false);
		char pattern[40];
		snprintf(pattern, sizeof pattern, "silent.r%u-n%%u.example", i);
		flood(all[i], EACH, &of[i], pattern);
	}
	assert_true(er_resolver_stat(resolver).under_way <= 224);
	/* the kernel keeps no more questions for the server than it has had until now */
	run_until(NULL, 100);
	question its = {0};
	ask_for(&its, &node, "origin.example");
	run_until(&its.over, 1000);
	assert_address(&its.q, 0, "93.184.216.1");
	er_addresses_unref(its.q.found);
	for (unsigned i = 0; i < ROUTINES; i++) {
		cancel_all(all[i], EACH);
		er_resolve_payer_fini(resolver, &of[i]);
	}
}

static void test_who_waits_is_served_in_order(void **state)
{
	(void)state;
	static question all[300];
	flood(all, 300, &payer, "slow.n%u.example");
	for (unsigned i = 0; i < 300; i++) {
		run_until(&all[i].over, 5000);
		er_addresses_unref(all[i].q.found);
	}
	/* those that began at once may end in any order among themselves */
	for (unsigned i = 65; i < 300; i++)
		assert_true(order[i] >= i - 64);
}

static void test_too_many_who_wait_are_refused_and_told_what_to_do(void **state)
{
	(void)state;
	static question all[1200];
	static char names[1200][32];
	unsigned refused = 0;
	for (unsigned i = 0; i < 1200; i++) {
		snprintf(names[i], sizeof names[i], "silent.x%u.example", i);
		ask_for(&all[i], &payer, names[i]);
		if (all[i].over) {
			assert_non_null(strstr(all[i].q.text, "wait for answers"));
			refused++;
		}
	}
	assert_true(refused > 0 && er_resolver_stat(resolver).waiting <= 1024);
	cancel_all(all, 1200);
}

static void test_leaving_while_waiting_is_harmless(void **state)
{
	(void)state;
	static question all[200];
	flood(all, 200, &payer, "slow.l%u.example");
	for (unsigned i = 0; i < 200; i += 2)
		er_resolve_cancel(resolver, &all[i].q);
	for (unsigned i = 1; i < 200; i += 2) {
		run_until(&all[i].over, 5000);
		er_addresses_unref(all[i].q.found);
		assert_false(all[i - 1].over);
	}
}

static void test_other_name_servers_answer_what_is_under_way(void **state)
{
	(void)state;
	static name_server second;
	ns_start(&second, &loop);
	ns.silent = true;
	question me = {0};
	ask_for(&me, &payer, "www.example");
	run_until(NULL, 50);
	assert_false(me.over);
	er_resolver_servers(resolver, second.servers);
	run_until(&me.over, 1000);
	assert_address(&me.q, 0, "93.184.216.1");
	er_addresses_unref(me.q.found);
	ns_stop(&second);
}

static void test_closing_in_the_middle_leaves_nothing(void **state)
{
	(void)state;
	question me = {0};
	ask_for(&me, &payer, "silent.example");
	run_until(NULL, 20);
	er_resolve_cancel(resolver, &me.q); /* teardown closes while the name server is still asked */
}

static void test_lists_of_name_servers(void **state)
{
	(void)state;
	er_err err;
	static const char *const good[] = {"192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1", "192.0.2.1,192.0.2.2"};
	static const char *const bad[] = {"", "ns.example", "192.0.2.1:x", "nonsense:53", "192.0.2.1:70000"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!er_dns_servers_ok(er_slice_cstr(good[i]), &err))
			fail_msg("%s: %s", good[i], err.text);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_dns_servers_ok(er_slice_cstr(bad[i]), &err))
			fail_msg("%s", bad[i]);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_a_name_has_its_addresses),
	    T(test_addresses_and_localhost_are_asked_of_nobody),
	    T(test_what_cannot_be_a_name_is_asked_of_nobody),
	    T(test_a_name_is_asked_as_it_is),
	    T(test_failures_say_what_they_are),
	    T(test_answers_to_something_else_are_no_answers),
	    T(test_a_silent_name_server_is_given_up_in_time),
	    T(test_a_cut_answer_is_asked_for_by_tcp),
	    T(test_very_many_addresses_are_not_all_kept),
	    T(test_a_family_that_is_not_answered_keeps_nobody_waiting),
	    T(test_a_name_is_looked_up_once_for_all_who_ask),
	    T(test_an_answer_is_good_for_its_time),
	    T(test_a_name_in_use_is_looked_up_before_its_time_is_over),
	    T(test_a_name_that_does_not_exist_is_not_asked_for_again_at_once),
	    T(test_a_name_without_an_address_is_asked_for_again_when_its_zone_says),
	    T(test_a_dead_name_server_leaves_what_is_known),
	    T(test_the_cache_is_bounded),
	    T(test_one_routines_silent_names_leave_room_for_others),
	    T(test_many_routines_silent_names_leave_the_nodes_own_alone),
	    T(test_who_waits_is_served_in_order),
	    T(test_too_many_who_wait_are_refused_and_told_what_to_do),
	    T(test_leaving_while_waiting_is_harmless),
	    T(test_other_name_servers_answer_what_is_under_way),
	    T(test_closing_in_the_middle_leaves_nothing),
	    T(test_lists_of_name_servers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
