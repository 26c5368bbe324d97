/* Nothing here keeps anything: a host is asked about once a request, against the list that er dev
 * was started with. What is written as an address is compared as an address, so that "127.1.2.3"
 * and every form of ::1 are loopback; all else is compared as text. No name is looked up. */
#include "gateway/own_host.h"

#include "base/cidr.h"
#include "http/authority.h"

/* A host that is an address: "10.0.0.1" or "[::1]". */
static bool address_of(er_slice host, er_cidr *out)
{
	bool ipv6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (!ipv6 && er_slice_find(host, ':') < host.n)
		return false;
	return er_slice_find(host, '/') == host.n && er_cidr_parse(ipv6 ? er_slice_of(host.p + 1, host.n - 2) : host, out);
}

static bool loopback(er_slice host)
{
	er_cidr own, four, six;
	bool ok = er_cidr_parse(ER_LIT("127.0.0.0/8"), &four) && er_cidr_parse(ER_LIT("::1"), &six);
	return ok && address_of(host, &own) && (er_cidr_has(&four, &own.addr) || er_cidr_has(&six, &own.addr));
}

static bool listed(er_slice entry, er_slice host)
{
	er_cidr one, own;
	if (er_slice_eq(entry, ER_LIT("*")) || er_slice_eq(entry, host))
		return true;
	if (er_slice_starts(entry, ER_LIT("*."))) {
		er_slice below = er_slice_from(entry, 1);
		return host.n > below.n && er_slice_ends(host, below);
	}
	if (!address_of(entry, &one) || !address_of(host, &own))
		return false;
	bool any = er_slice_eq(entry, ER_LIT("0.0.0.0")) || er_slice_eq(entry, ER_LIT("[::]"));
	return any || er_cidr_has(&one, &own.addr);
}

bool er_own_host(er_slice host, er_slice list)
{
	er_slice entry;
	/* The same host with the root's dot at its end. */
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n == 0 || er_host_local(host) || loopback(host))
		return true;
	while (er_slice_split(&list, ',', &entry))
		if (entry.n > 0 && listed(entry, host))
			return true;
	return false;
}
