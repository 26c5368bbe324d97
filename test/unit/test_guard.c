/* The address guard: what a routine's fetch may connect to. */
#include "origin/origin.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool refuses(const char *text, const er_cidr *allow, size_t n_allow, const er_cidr *own, size_t n_own)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return er_guard_refuses((const struct sockaddr *)&v4, allow, n_allow, own, n_own);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return er_guard_refuses((const struct sockaddr *)&v6, allow, n_allow, own, n_own);
}

static er_cidr range(const char *text)
{
	er_cidr c;
	assert_true(er_cidr_parse(er_slice_cstr(text), &c));
	return c;
}

static bool refuses_port(const char *text, uint16_t port, const er_cidr *allow, size_t n_allow, const er_cidr *own, size_t n_own)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return er_guard_refuses((const struct sockaddr *)&v4, allow, n_allow, own, n_own);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return er_guard_refuses((const struct sockaddr *)&v6, allow, n_allow, own, n_own);
}

static er_cidr service(const char *text)
{
	er_cidr c;
	assert_true(er_cidr_parse_service(er_slice_cstr(text), &c));
	return c;
}

static void a_service_is_opened_by_its_port_and_no_other_one_there(void **state)
{
	(void)state;
	const er_cidr allow[] = {service("10.1.2.0/24:5432"), service("10.1.2.9"), service("[fd00::1]:80"),
	                         service("169.254.169.254:80"), service("127.0.0.1:8080")};
	static const struct {
		const char *address;
		uint16_t port;
		bool refused;
	} rows[] = {
	    {"10.1.2.3", 5432, false},       {"10.1.2.3", 80, true},        {"10.1.3.3", 5432, true},
	    {"10.1.2.9", 80, false},         {"::ffff:10.1.2.3", 80, true}, {"::ffff:10.1.2.3", 5432, false},
	    {"fd00::1", 80, false},          {"fd00::1", 81, true},         {"fd00::2", 80, true},
	    {"169.254.169.254", 80, false},  {"169.254.169.254", 81, true}, {"127.0.0.1", 8080, false},
	    {"127.0.0.1", 8081, true},       {"127.0.0.2", 8080, true},     {"::1", 8080, true},
	    {"64:ff9b::10.1.2.3", 80, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (refuses_port(rows[i].address, rows[i].port, allow, sizeof allow / sizeof *allow, NULL, 0) != rows[i].refused)
			fail_msg("%s port %u", rows[i].address, rows[i].port);
	/* A port opens no more than its range does: these only by name. */
	const er_cidr all = service("0.0.0.0/0:80");
	assert_true(refuses_port("127.0.0.1", 80, &all, 1, NULL, 0));
	assert_true(refuses_port("169.254.169.254", 80, &all, 1, NULL, 0));
	assert_false(refuses_port("10.9.9.9", 80, &all, 1, NULL, 0));
}

/* 9180 is the node's own admin address, on loopback. */
static void the_nodes_admin_address_is_opened_by_its_exact_name_alone(void **state)
{
	(void)state;
	const er_cidr own[] = {service("127.0.0.0/8:9180"), service("[::1]:9180"), service("10.0.0.7")};
	static const char *const too_wide[] = {"127.0.0.0/8", "127.0.0.1", "127.0.0.0/8:9180", "127.0.0.1:9181", "0.0.0.0/0:9180"};
	for (size_t i = 0; i < sizeof too_wide / sizeof *too_wide; i++) {
		er_cidr allow = service(too_wide[i]);
		if (!refuses_port("127.0.0.1", 9180, &allow, 1, own, 3))
			fail_msg("%s opens it", too_wide[i]);
	}
	const er_cidr loopback = service("127.0.0.0/8"), exact = service("127.0.0.1:9180"), ten = service("10.0.0.0/8");
	assert_false(refuses_port("127.0.0.1", 9181, &loopback, 1, own, 3));
	assert_false(refuses_port("127.0.0.1", 9180, &exact, 1, own, 3));
	assert_true(refuses_port("::ffff:127.0.0.1", 9180, &loopback, 1, own, 3));
	assert_true(refuses_port("::1", 9180, &exact, 1, own, 3));
	assert_true(refuses_port("10.0.0.7", 9180, &ten, 1, own, 3));
}

static void test_internal_addresses_are_out_of_reach(void **state)
{
	(void)state;
	static const char *const refused[] = {
	    "0.0.0.0",
	    "0.1.2.3",
	    "10.0.0.1",
	    "10.255.255.255",
	    "100.64.0.1",
	    "100.100.100.200",
	    "100.127.255.255",
	    "127.0.0.1",
	    "127.255.255.254",
	    "168.63.129.16",
	    "169.254.169.254",
	    "169.254.0.1",
	    "172.16.0.1",
	    "172.31.255.255",
	    "192.0.0.1",
	    "192.0.2.1",
	    "192.88.99.1",
	    "192.168.1.1",
	    "198.18.0.1",
	    "198.19.255.255",
	    "198.51.100.7",
	    "203.0.113.9",
	    "224.0.0.1",
	    "239.255.255.255",
	    "240.0.0.1",
	    "255.255.255.255",
	    "::",
	    "::1",
	    "::2",
	    "fe80::1",
	    "fec0::1",
	    "fc00::1",
	    "fd00:ec2::254",
	    "ff02::1",
	    "100::1",
	    "2001:db8::1",
	    "3fff::1",
	    "2001:2::1",
	    "2001:10::1",
	    "2001:20::1",
	    "5f00::1",
	    "4000::1",
	    "64:ff9b:1::1",
	    "8000::1",
	};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (!refuses(refused[i], NULL, 0, NULL, 0))
			fail_msg("%s is not refused", refused[i]);
}

static void test_other_spellings_of_internal_addresses_are_out_of_reach(void **state)
{
	(void)state;
	static const char *const refused[] = {
	    "::ffff:127.0.0.1",
	    "::ffff:10.0.0.1",
	    "::ffff:169.254.169.254", /* mapped */
	    "::127.0.0.1",
	    "::a00:1", /* compatible */
	    "64:ff9b::7f00:1",
	    "64:ff9b::a9fe:a9fe",
	    "64:ff9b::a00:1", /* NAT64 */
	    "2002:7f00:1::1",
	    "2002:a00:1::",
	    "2002:c0a8:101::1", /* 6to4 */
	    "2001:0:4136:e378:8000:63bf:80ff:fffe",
	    "2001::1", /* Teredo */
	    "2a00:1450::5efe:a00:1",
	    "2a00:1450::200:5efe:7f00:1", /* ISATAP */
	};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (!refuses(refused[i], NULL, 0, NULL, 0))
			fail_msg("%s is not refused", refused[i]);
}

static void test_the_internet_can_be_reached(void **state)
{
	(void)state;
	static const char *const fine[] = {
	    "1.1.1.1",        "8.8.8.8",          "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
	    "100.128.0.0",    "126.255.255.255",  "128.0.0.1",       "168.63.129.17",   "169.253.255.255",
	    "169.255.0.0",    "172.15.255.255",   "172.32.0.0",      "192.167.255.255", "192.169.0.0",
	    "198.17.255.255", "198.20.0.0",       "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::200e",
	    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2400:3200::1",
	};
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		if (refuses(fine[i], NULL, 0, NULL, 0))
			fail_msg("%s is refused", fine[i]);
}

static void test_loopback_and_metadata_open_only_by_ranges_of_their_own(void **state)
{
	(void)state;
	static const char *const shut[] = {
	    "127.0.0.1",        "0.0.0.0",         "::1",           "::",          "169.254.169.254", "fe80::1",
	    "::ffff:127.0.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"};
	er_cidr wide[] = {range("0.0.0.0/0"), range("::/0"), range("100.64.0.0/10"), range("169.254.0.0/15"), range("fd00::/8")};
	for (size_t i = 0; i < sizeof shut / sizeof *shut; i++) {
		er_cidr exact = range(shut[i]);
		if (!refuses(shut[i], wide, sizeof wide / sizeof *wide, NULL, 0))
			fail_msg("%s is opened by a range around it", shut[i]);
		assert_false(refuses(shut[i], &exact, 1, NULL, 0));
	}
	er_cidr parts[] = {range("127.0.0.0/24"), range("169.254.169.0/24")};
	assert_false(refuses("127.0.0.7", parts, 2, NULL, 0));
	assert_false(refuses("169.254.169.254", parts, 2, NULL, 0));
	assert_true(refuses("169.254.1.1", parts, 2, NULL, 0));
	assert_false(refuses("10.1.2.3", wide, 1, NULL, 0));
}

static void test_an_operator_can_allow_ranges(void **state)
{
	(void)state;
	er_cidr allow[] = {range("10.1.0.0/16"), range("fd00:1::/32"), range("127.0.0.0/8")};
	assert_false(refuses("10.1.2.3", allow, 3, NULL, 0));
	assert_false(refuses("::ffff:10.1.2.3", allow, 3, NULL, 0));
	assert_false(refuses("fd00:1::5", allow, 3, NULL, 0));
	assert_true(refuses("10.2.0.1", allow, 3, NULL, 0));
	assert_true(refuses("fd00:2::5", allow, 3, NULL, 0));
	assert_true(refuses("64:ff9b::a02:1", allow, 3, NULL, 0));
}

static void test_the_node_itself_stays_out_of_reach(void **state)
{
	(void)state;
	er_cidr allow[] = {range("10.0.0.0/8"), range("127.0.0.0/8")};
	er_cidr own[] = {range("10.0.0.5"), range("93.184.216.34"), range("127.0.0.1"), range("2a00:1450::7")};
	assert_true(refuses("10.0.0.5", allow, 2, own, 4));
	assert_true(refuses("93.184.216.34", allow, 2, own, 4));
	assert_true(refuses("2002:5db8:d822::1", allow, 2, own, 4));
	assert_true(refuses("2a00:1450::7", allow, 2, own, 4));
	assert_false(refuses("10.0.0.6", allow, 2, own, 4));
	assert_false(refuses("127.0.0.1", allow, 2, own, 4));
	assert_true(refuses("127.0.0.1", NULL, 0, own, 4));
}

static void test_only_ip_is_an_address(void **state)
{
	(void)state;
	struct sockaddr sa = {.sa_family = AF_UNIX};
	er_cidr all = range("::/0");
	assert_true(er_guard_refuses(&sa, &all, 1, NULL, 0));
	assert_true(er_guard_refuses(NULL, &all, 1, NULL, 0));
}

/* The list of the fetch standard, written down a second time. */
static void test_ports_of_other_protocols_are_refused(void **state)
{
	(void)state;
	static const char list[] = " 0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 "
	                           "113 115 117 119 123 135 137 "
	                           "139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 "
	                           "990 993 995 1719 1720 1723 "
	                           "2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080 ";
	unsigned n = 0;
	for (unsigned port = 0; port < 65536; port++) {
		char text[16];
		snprintf(text, sizeof text, " %u ", port);
		bool bad = strstr(list, text) != NULL;
		if (er_guard_refuses_port((uint16_t)port) != bad)
			fail_msg("port %u", port);
		n += bad;
	}
	assert_int_equal(n, 83);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_service_is_opened_by_its_port_and_no_other_one_there),
	    cmocka_unit_test(the_nodes_admin_address_is_opened_by_its_exact_name_alone),
	    cmocka_unit_test(test_internal_addresses_are_out_of_reach),
	    cmocka_unit_test(test_other_spellings_of_internal_addresses_are_out_of_reach),
	    cmocka_unit_test(test_the_internet_can_be_reached),
	    cmocka_unit_test(test_loopback_and_metadata_open_only_by_ranges_of_their_own),
	    cmocka_unit_test(test_an_operator_can_allow_ranges),
	    cmocka_unit_test(test_the_node_itself_stays_out_of_reach),
	    cmocka_unit_test(test_only_ip_is_an_address),
	    cmocka_unit_test(test_ports_of_other_protocols_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
