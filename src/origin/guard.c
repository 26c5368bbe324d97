/* Which addresses and ports a subrequest may not reach. Pure: tables, and two questions that a
 * fetch asks through er_fetch_refuses before a connection is opened and again before a request goes
 * out on it.
 *
 * Every address is looked at as IPv6, IPv4 in its mapped form (base/cidr.h). */
#include "base/mem.h"
#include "origin/origin.h"

/* Offset by 96: what is left of the mapped prefix. */
#define V4(a, b, c, d, n) \
	{ \
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b), (c), (d)}}}, 96 + (n), 0 \
	}
#define V6(a, b, c, d, n) \
	{ \
		{{{(a), (b), (c), (d)}}}, (n), 0 \
	}

/* IANA's special-purpose registry for IPv4 (RFC 6890 and its successors), multicast, the reserved
 * class, and one cloud's metadata service that sits on a public address. */
static const er_cidr refused_v4[] = {
    V4(0, 0, 0, 0, 8),        /* this network */
    V4(10, 0, 0, 0, 8),       /* private */
    V4(100, 64, 0, 0, 10),    /* shared (CGNAT); metadata services, too */
    V4(127, 0, 0, 0, 8),      /* loopback */
    V4(168, 63, 129, 16, 32), /* a cloud's platform services */
    V4(169, 254, 0, 0, 16),   /* link-local: metadata services */
    V4(172, 16, 0, 0, 12),    /* private */
    V4(192, 0, 0, 0, 24),     /* protocol assignments */
    V4(192, 0, 2, 0, 24),     /* documentation */
    V4(192, 88, 99, 0, 24),   /* 6to4 relays */
    V4(192, 168, 0, 0, 16),   /* private */
    V4(198, 18, 0, 0, 15),    /* benchmarks */
    V4(198, 51, 100, 0, 24),  /* documentation */
    V4(203, 0, 113, 0, 24),   /* documentation */
    V4(224, 0, 0, 0, 4),      /* multicast */
    V4(240, 0, 0, 0, 4),      /* reserved, broadcast */
};

/* IPv6 is refused outside 2000::/3, the only block that is handed out; these are the special parts
 * inside it. */
static const er_cidr global_v6 = V6(0x20, 0, 0, 0, 3);
static const er_cidr refused_v6[] = {
    V6(0x20, 0x01, 0x00, 0x00, 23), /* protocol assignments: Teredo, ORCHID, benchmarks */
    V6(0x20, 0x01, 0x0d, 0xb8, 32), /* documentation */
    V6(0x3f, 0xff, 0x00, 0x00, 20), /* documentation */
};

static const er_cidr mapped_v4 = V4(0, 0, 0, 0, 0);
static const er_cidr nat64 = V6(0x00, 0x64, 0xff, 0x9b, 96);
static const er_cidr six_to_four = V6(0x20, 0x02, 0, 0, 16);
static const er_cidr teredo = V6(0x20, 0x01, 0, 0, 32);
static const er_cidr loopback_v4 = V4(127, 0, 0, 0, 8);
static const er_cidr loopback_v6 = {{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}, 128, 0};

/* A range opens these only if it lies inside of one: a range that merely reaches over them
 * ("0.0.0.0/0", "100.64.0.0/10") does not. The first four are the node's machine itself; at the
 * others clouds hand out a machine's credentials. */
static const er_cidr by_name_only[] = {
    V4(127, 0, 0, 0, 8),    V4(0, 0, 0, 0, 8),          {{{{[15] = 1}}}, 128, 0}, /* ::1 */
    {{{{0}}}, 128, 0},                                                            /* :: */
    V4(169, 254, 0, 0, 16), V4(100, 100, 100, 200, 32), V4(168, 63, 129, 16, 32),
    V4(192, 0, 0, 192, 32), V6(0xfe, 0x80, 0, 0, 10),   {{{{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54}}}, 128, 0},
};

static bool in_any(const er_cidr *list, size_t n, const struct in6_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (er_cidr_has(&list[i], a))
			return true;
	return false;
}

static struct in6_addr mapped(const uint8_t v4[4], uint8_t flip)
{
	struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	for (int i = 0; i < 4; i++)
		a.s6_addr[12 + i] = v4[i] ^ flip;
	return a;
}

/* The IPv4 address that a transition mechanism would deliver packets for `a` to: NAT64 (RFC 6052),
 * 6to4 (RFC 3056), Teredo (RFC 4380, kept inverted), ISATAP (RFC 5214). */
static bool embedded(const struct in6_addr *a, struct in6_addr *v4)
{
	static const uint8_t isatap[] = {0x00, 0x5e, 0xfe};
	const uint8_t *p = a->s6_addr;
	if (er_cidr_has(&nat64, a))
		*v4 = mapped(p + 12, 0);
	else if (er_cidr_has(&six_to_four, a))
		*v4 = mapped(p + 2, 0);
	else if (er_cidr_has(&teredo, a))
		*v4 = mapped(p + 12, 0xff);
	else if ((p[8] & 0xfd) == 0 && memcmp(p + 9, isatap, sizeof isatap) == 0)
		*v4 = mapped(p + 12, 0);
	else
		return false;
	return true;
}

static bool special(const struct in6_addr *a)
{
	if (er_cidr_has(&mapped_v4, a))
		return in_any(refused_v4, sizeof refused_v4 / sizeof *refused_v4, a);
	if (er_cidr_has(&nat64, a)) /* as good as the address inside, which is looked at by itself */
		return false;
	return !er_cidr_has(&global_v6, a) || in_any(refused_v6, sizeof refused_v6 / sizeof *refused_v6, a);
}

static bool loopback(const struct in6_addr *a)
{
	return er_cidr_has(&loopback_v4, a) || er_cidr_has(&loopback_v6, a);
}

static uint16_t port_of(const struct sockaddr *sa)
{
	return ntohs(sa->sa_family == AF_INET ? ((const struct sockaddr_in *)(const void *)sa)->sin_port
	                                      : ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
}

/* `precisely`: only what names this address and this port alone counts. */
static bool allowed(const er_cidr *allow, size_t n_allow, const struct in6_addr *a, uint16_t port, bool precisely)
{
	const er_cidr *least = NULL;
	for (size_t i = 0; n_allow > 0 && i < sizeof by_name_only / sizeof *by_name_only; i++)
		if (er_cidr_has(&by_name_only[i], a))
			least = &by_name_only[i];
	for (size_t i = 0; i < n_allow; i++)
		if (er_cidr_has(&allow[i], a) && (allow[i].port == port || (allow[i].port == 0 && !precisely)) &&
		    (!precisely || allow[i].bits == 128) && (least == NULL || er_cidr_within(&allow[i], least)))
			return true;
	return false;
}

/* What the node itself serves there is no service of a routine's, however much of loopback is
 * allowed. */
static bool is_own_service(const er_cidr *own, size_t n_own, const struct in6_addr *a, uint16_t port)
{
	for (size_t i = 0; i < n_own; i++)
		if (own[i].port != 0 && own[i].port == port && er_cidr_has(&own[i], a))
			return true;
	return false;
}

bool er_guard_refuses(const struct sockaddr *sa, const er_cidr *allow, size_t n_allow, const er_cidr *own, size_t n_own)
{
	ER_ASSERT((allow != NULL || n_allow == 0) && (own != NULL || n_own == 0));
	struct in6_addr a, inner;
	if (sa == NULL || !er_cidr_of_sockaddr(sa, &a))
		return true;
	bool has_inner = embedded(&a, &inner);
	const uint16_t port = port_of(sa);
	if (is_own_service(own, n_own, &a, port))
		return !allowed(allow, n_allow, &a, port, true);
	/* An operator who allows 10.0.0.0/8 does not mean the node's own address in it; one who allows
	 * loopback can mean nothing else. */
	if (!loopback(&a) && (in_any(own, n_own, &a) || (has_inner && in_any(own, n_own, &inner))))
		return true;
	if (allowed(allow, n_allow, &a, port, false))
		return false;
	return special(&a) || (has_inner && special(&inner));
}

/* https://fetch.spec.whatwg.org/#port-blocking, in order: what listens there does not speak HTTP,
 * and might obey what a request's lines say. */
static const uint16_t bad_ports[] = {
    0,   1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,   25,   37,   42,   43,   53,   69,   77,   79,
    87,  95,   101,  102,  103,  104,  109,  110,  111,  113,  115,  117,  119,  123,  135,  137,  139,  143,  161,  179,  389,
    427, 465,  512,  513,  514,  515,  526,  530,  531,  532,  540,  548,  554,  556,  563,  587,  601,  636,  989,  990,  993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080};

bool er_guard_refuses_port(uint16_t port)
{
	enum { N = sizeof bad_ports / sizeof *bad_ports };
	if (port > bad_ports[N - 1])
		return false;
	for (size_t i = 0; i < N && bad_ports[i] <= port; i++)
		if (bad_ports[i] == port)
			return true;
	return false;
}
