/* Ranges of IP addresses. IPv4 is kept as ::ffff:a.b.c.d, so that one comparison serves both. */
#ifndef ER_BASE_CIDR_H
#define ER_BASE_CIDR_H

#include "base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>

typedef struct er_cidr {
	struct in6_addr addr;
	uint8_t bits;  /* of the 128 */
	uint16_t port; /* of a service there; 0: every port */
} er_cidr;

/* "10.0.0.0/8", "fd00::/8", "127.0.0.1". */
bool er_cidr_parse(er_slice text, er_cidr *out);
/* The same, and with a port: "10.1.2.3:5432", "10.0.0.0/8:80", "[fd00::1]:80", "[fd00::/8]:80". */
bool er_cidr_parse_service(er_slice text, er_cidr *out);
/* Whatever the port is. */
bool er_cidr_has(const er_cidr *range, const struct in6_addr *addr);
/* Is it in one of them? */
bool er_cidr_any(const er_cidr *ranges, size_t n, const struct in6_addr *addr);
/* Is all of `range`, with its port, in `outer`? */
bool er_cidr_within(const er_cidr *range, const er_cidr *outer);
/* The one spelling of a range: without bits behind its prefix, "/32" and "/128" left out. */
enum { ER_CIDR_TEXT = 64 };
er_slice er_cidr_text(const er_cidr *range, char text[ER_CIDR_TEXT]);
/* "127.0.0.1" of four bytes, without printf: it is asked for at every request. `text` gets no
 * NUL. */
er_slice er_ipv4_text(const uint8_t bytes[4], char text[15]);
/* IPv4 becomes its mapped form; false for other families. */
bool er_cidr_of_sockaddr(const struct sockaddr *sa, struct in6_addr *out);
/* The other way round, with port 0; a mapped address becomes IPv4. */
void er_cidr_to_sockaddr(const struct in6_addr *addr, struct sockaddr_storage *out);

#endif
