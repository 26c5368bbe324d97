/* Readings of the process and the machine, from /proc and getrusage, when /metrics or /health is
 * asked; a figure that cannot be read is 0, since nobody can do anything about it. Below: how a
 * metric is written that has no labels. No state. */
#include "gateway/vitals.h"

#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NETSTAT_MAX = 16384 };

static size_t read_whole(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got;
	while (fd >= 0 && n < cap && (got = read(fd, out + n, cap - n)) > 0)
		n += (size_t)got;
	if (fd >= 0)
		close(fd);
	ER_ASSERT(n <= cap);
	return n;
}

static uint64_t count_fds(void)
{
	struct stat st;
	uint64_t n = 0;
	/* Linux 6.2 and newer say it without a walk. */
	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	DIR *d = opendir("/proc/self/fd");
	if (d == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", "..", and the walk itself */
}

/* Column `name` of the TcpExt lines: names on one, values on the next. */
static uint64_t tcp_counter(er_slice text, er_slice name)
{
	er_slice names, values, a, b;
	uint64_t v = 0;
	while (er_slice_split(&text, '\n', &names) && er_slice_split(&text, '\n', &values))
		while (er_slice_starts(names, ER_LIT("TcpExt:")) && er_slice_split(&names, ' ', &a) && er_slice_split(&values, ' ', &b))
			if (er_slice_eq(a, name) && er_slice_u64(b, &v))
				return v;
	return 0;
}

static uint64_t overflows(void)
{
	char text[NETSTAT_MAX];
	size_t n = read_whole("/proc/self/net/netstat", text, sizeof text);
	return tcp_counter(er_slice_of(text, n), ER_LIT("ListenOverflows"));
}

void er_vitals_read(er_vitals *v)
{
	char text[128];
	struct rusage usage;
	struct rlimit files;
	*v = (er_vitals){.fds = count_fds(), .overflows = overflows()};
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		v->cpu_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
		           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		v->fds_max = files.rlim_cur;
	er_slice rest = er_slice_of(text, read_whole("/proc/self/statm", text, sizeof text)), size, resident;
	uint64_t pages = (uint64_t)sysconf(_SC_PAGESIZE);
	if (er_slice_split(&rest, ' ', &size) && er_slice_split(&rest, ' ', &resident) && er_slice_u64(size, &v->virtual_size) &&
	    er_slice_u64(resident, &v->resident)) {
		v->virtual_size *= pages;
		v->resident *= pages;
	}
}

bool er_vitals_queue(int fd, uint32_t *waiting, uint32_t *most)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof info;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
		return false;
	/* Of a listening socket these two mean the queue. */
	*waiting = info.tcpi_unacked;
	*most = info.tcpi_sacked;
	return true;
}

/* ---- writing ---- */

void er_metric_family(er_buf *out, const char *name, const char *type, const char *help)
{
	ER_ASSERT(name != NULL && type != NULL && help != NULL);
	er_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void er_metric_u64(er_buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
	er_metric_family(out, name, type, help);
	er_buf_printf(out, "%s %llu\n", name, (unsigned long long)v);
}

void er_metric_double(er_buf *out, const char *name, const char *type, const char *help, double v)
{
	er_metric_family(out, name, type, help);
	er_buf_printf(out, "%s %.3f\n", name, v);
}

void er_metric_label(er_buf *out, er_slice value)
{
	er_buf_putc(out, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\n') {
			er_buf_puts(out, "\\n");
			continue;
		}
		if (value.p[i] == '"' || value.p[i] == '\\')
			er_buf_putc(out, '\\');
		er_buf_putc(out, value.p[i]);
	}
	er_buf_putc(out, '"');
}

void er_vitals_write(er_buf *out, uint64_t started_wall_us)
{
	er_vitals v;
	er_vitals_read(&v);
	ER_ASSERT(v.cpu_s >= 0);
	er_metric_double(out, "process_start_time_seconds", "gauge", "When this process began, since 1970.",
	                 (double)started_wall_us / 1e6);
	er_metric_double(out, "process_cpu_seconds_total", "counter", "CPU time of the node itself, without its sandboxes.", v.cpu_s);
	er_metric_u64(out, "process_resident_memory_bytes", "gauge", "Resident memory of the node itself.", v.resident);
	er_metric_u64(out, "process_virtual_memory_bytes", "gauge", "Address space of the node itself.", v.virtual_size);
	er_metric_u64(out, "process_open_fds", "gauge", "Open descriptors of the node itself.", v.fds);
	er_metric_u64(out, "process_max_fds", "gauge", "Descriptors that it may have.", v.fds_max);
	er_metric_u64(out, "er_listen_overflows_total", "counter",
	              "Connections that found a listening queue full, of all programs in this network namespace.", v.overflows);
}
