/* What is told of the node beside its requests, by /metrics, /health and its own start: what it is,
 * its queues, its configuration, its store. */
#include "gateway/node_internal.h"
#include "gateway/vitals.h"

#include <stdio.h>
#include <sys/stat.h>

void er_node_engine(const er_node *n, char *out, size_t cap, er_level *level)
{
	*level = ER_LEVEL_NONE;
	snprintf(out, cap, "%s", "");
	if (n->n == 0)
		return;
	const er_isolate_stats *s = er_worker_view(n->workers[0], n->stopping).isolate;
	*level = __atomic_load_n(&s->level, __ATOMIC_ACQUIRE);
	if (*level != ER_LEVEL_NONE)
		snprintf(out, cap, "%.63s", s->engine);
}

static er_slice engine_of(const er_node *n, char engine[static 64], er_level *level)
{
	er_node_engine(n, engine, 64, level);
	return er_slice_cstr(engine);
}

static void write_build(const er_node *n, er_buf *out)
{
	char engine[64];
	er_level level;
	er_slice name = engine_of(n, engine, &level);
	er_metric_family(out, "er_build_info", "gauge", "1; what runs here.");
	er_buf_puts(out, "er_build_info{version=\"" ER_VERSION "\",engine=");
	er_metric_label(out, name);
	er_buf_printf(out, ",level=\"%s\"} 1\n", er_level_name(level));
}

/* Connections that the kernel has accepted and no thread has taken yet, of all listening
 * sockets. */
static void write_queues(const er_node *n, er_buf *out)
{
	uint64_t waiting = 0, most = 0;
	for (size_t i = 0; i < n->n_listens && !n->stopping; i++)
		for (unsigned k = 0; k < n->listens[i].n; k++) {
			uint32_t w, m;
			if (!er_vitals_queue(n->listens[i].fds[k], &w, &m))
				continue;
			waiting += w;
			most += m;
		}
	er_metric_u64(out, "er_listen_queue", "gauge", "Connections that wait to be accepted.", waiting);
	er_metric_u64(out, "er_listen_queue_max", "gauge", "How many may wait.", most);
}

static void write_changes(const er_node *n, er_buf *out)
{
	er_metric_family(out, "er_config_reloads_total", "counter", "Times that node.jsonc was read again.");
	er_buf_printf(out, "er_config_reloads_total{result=\"ok\"} %llu\ner_config_reloads_total{result=\"failed\"} %llu\n",
	              (unsigned long long)n->reloads_ok, (unsigned long long)n->reloads_failed);
	er_metric_u64(out, "er_config_last_reload_successful", "gauge", "1: the last reading of node.jsonc is in force.",
	              n->last_reload_failed ? 0 : 1);
	er_metric_double(out, "er_config_last_reload_timestamp_seconds", "gauge", "When node.jsonc was last read.",
	                 (double)n->last_reload_us / 1e6);
	er_metric_u64(out, "er_config_activations_total", "counter",
	              "Changes that were put into force: reloads, and changes by the control API.", n->activations);
	er_metric_u64(out, "er_upgrades_failed_total", "counter", "Successors of this process that did not take over.",
	              n->upgrades_failed);
}

static void write_cache(const er_node *n, er_buf *out)
{
	if (n->cache == NULL)
		return;
	er_index_stats s = er_index_statistics(n->cache);
	er_metric_u64(out, "er_cache_objects", "gauge", "Stored answers.", s.objects);
	er_metric_u64(out, "er_cache_bytes", "gauge", "Memory of stored answers.", s.bytes);
	er_metric_u64(out, "er_cache_max_bytes", "gauge", "Memory that stored answers may have.", s.max_bytes);
	er_metric_u64(out, "er_cache_stored_total", "counter", "Answers that were stored.", s.stored);
	er_metric_u64(out, "er_cache_evicted_total", "counter", "Stored answers that made room for others.", s.evicted);
}

static void write_compressor(const er_node *n, er_buf *out)
{
	if (n->compressor == NULL)
		return;
	er_compressor_stats s = er_compressor_statistics(n->compressor);
	er_metric_family(out, "er_cache_compressions_total", "counter", "Stored answers that were compressed, by the coding.");
	for (er_coding c = 0; c < ER_CODINGS; c++)
		er_buf_printf(out, "er_cache_compressions_total{coding=\"%.*s\"} %llu\n", ER_FMT(er_coding_name(c)),
		              (unsigned long long)s.made[c]);
	er_metric_u64(out, "er_cache_compression_in_bytes_total", "counter", "Bytes that were compressed.", s.bytes_in);
	er_metric_u64(out, "er_cache_compression_out_bytes_total", "counter", "Bytes that these became.", s.bytes_out);
	er_metric_u64(out, "er_cache_compressions_worthless_total", "counter",
	              "Compressed answers that were not kept, since they are hardly shorter.", s.worthless);
	er_metric_u64(out, "er_cache_compressions_skipped_total", "counter", "Compressions that were not begun: too many waited.",
	              s.skipped);
	er_metric_u64(out, "er_cache_compressions_waiting", "gauge", "Answers that wait to be compressed.", s.waiting);
}

static void write_files(const er_node *n, er_buf *out)
{
	if (n->assets == NULL)
		return;
	er_assets_memory_stats s = er_assets_memory_statistics(n->assets);
	er_metric_u64(out, "er_files_memory_files", "gauge", "Static files in memory.", s.files);
	er_metric_u64(out, "er_files_memory_bytes", "gauge", "Memory of static files.", s.bytes);
	er_metric_u64(out, "er_files_memory_max_bytes", "gauge", "Memory that static files may have.", s.max_bytes);
	er_metric_family(out, "er_files_memory_requests_total", "counter", "Static files that were asked for.");
	er_buf_printf(out,
	              "er_files_memory_requests_total{result=\"hit\"} %llu\ner_files_memory_requests_total{result=\"miss\"} %llu\n",
	              (unsigned long long)s.hits, (unsigned long long)s.misses);
	er_metric_u64(out, "er_files_memory_evicted_total", "counter", "Static files that made room for others.", s.evicted);
}

static void write_disk(const er_node *n, er_buf *out)
{
	if (n->disk == NULL || er_disk_files_in_use(n->disk) == 0)
		return;
	er_disk_stats s = er_disk_statistics(n->disk);
	const er_volume_stats *v = &s.all;
	er_metric_u64(out, "er_cache_disk_files", "gauge", "Files of the cache.", s.files);
	er_metric_u64(out, "er_cache_disk_files_failed", "gauge", "Of these, files that are out of service.", s.failed);
	er_metric_u64(out, "er_cache_disk_max_bytes", "gauge", "Size of the files.", v->bytes);
	er_metric_u64(out, "er_cache_disk_records", "gauge", "Stored answers on disk, and parts of long ones.", v->records);
	er_metric_u64(out, "er_cache_disk_waiting", "gauge", "Answers that are to be written, and purges that are to be noted.",
	              v->waiting);
	er_metric_u64(out, "er_cache_disk_index_bytes", "gauge", "Memory of the files' index.", v->index_bytes);
	er_metric_family(out, "er_cache_disk_requests_total", "counter", "What memory had not got and the disk was asked for.");
	er_buf_printf(out, "er_cache_disk_requests_total{result=\"hit\"} %llu\ner_cache_disk_requests_total{result=\"miss\"} %llu\n",
	              (unsigned long long)s.found, (unsigned long long)s.missed);
	er_metric_u64(out, "er_cache_disk_read_bytes_total", "counter", "Bytes that were read.", v->read_bytes);
	er_metric_u64(out, "er_cache_disk_written_bytes_total", "counter", "Bytes that were written.", v->written_bytes);
	er_metric_u64(out, "er_cache_disk_skipped_total", "counter",
	              "Answers, and parts of them, that the disk was too slow to take.", v->skipped);
	er_metric_u64(out, "er_cache_disk_refused_total", "counter", "Reads that were not begun, since the disk was too slow.",
	              v->refused);
	er_metric_u64(out, "er_cache_disk_damaged_total", "counter", "Records that were not what was written.", v->damaged);
	er_metric_u64(out, "er_cache_disk_errors_total", "counter", "Reads and writes that failed.", v->errors);
	er_metric_u64(out, "er_cache_disk_reclaimed_total", "counter", "Segments that were written over.", v->segments_reclaimed);
	er_metric_u64(out, "er_cache_disk_kept_total", "counter", "Records that were copied from these, since they were used.",
	              v->reinserted);
}

/* ---- the store ---- */

/* A database and its write-ahead log; what is not there has no bytes. */
static uint64_t size_of(const er_node *n, const char *name)
{
	static const char *const ends[] = {"", "-wal"};
	uint64_t sum = 0;
	ER_ASSERT(n->file->data != NULL);
	for (int i = 0; i < 2; i++) {
		struct stat st;
		char *path = er_printf("%s/%s%s", n->file->data, name, ends[i]);
		if (stat(path, &st) == 0)
			sum += (uint64_t)st.st_size;
		er_free(path);
	}
	return sum;
}

static void count_deployments(const er_node *n, uint64_t in_force[ER_ENV_COUNT_], uint64_t *newest)
{
	for (size_t i = 0; i < n->config->n_deployments; i++) {
		const er_deployment *d = n->config->deployments[i];
		ER_ASSERT((unsigned)d->env < ER_ENV_COUNT_);
		in_force[d->env]++;
		/* Ids are given one after the other and never again. */
		if (d->id > *newest)
			*newest = d->id;
	}
}

static void write_store(const er_node *n, er_buf *out)
{
	uint64_t in_force[ER_ENV_COUNT_] = {0}, newest = 0;
	count_deployments(n, in_force, &newest);
	er_metric_family(out, "er_routines", "gauge", "Routines that an environment serves, those of node.jsonc included.");
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_buf_printf(out, "er_routines{environment=\"%s\"} %llu\n", er_env_name(e), (unsigned long long)in_force[e]);
	if (n->store == NULL)
		return;
	er_metric_u64(out, "er_deployments_total", "counter", "Deployments since the data folder was made, by the newest in force.",
	              newest);
	er_metric_u64(out, "er_store_sequence", "gauge", "Number of the last change in the change log.", er_store_sequence(n->store));
	er_metric_family(out, "er_store_bytes", "gauge", "Size of the databases on disk, with what is not folded in yet.");
	er_buf_printf(out, "er_store_bytes{database=\"control\"} %llu\ner_store_bytes{database=\"kv\"} %llu\n",
	              (unsigned long long)size_of(n, "control.db"), (unsigned long long)size_of(n, "kv.db"));
}

void er_node_write_metrics(const er_node *n, er_buf *out)
{
	ER_CHECK(n, NODE_MAGIC);
	write_build(n, out);
	write_changes(n, out);
	write_queues(n, out);
	write_cache(n, out);
	write_compressor(n, out);
	write_files(n, out);
	write_disk(n, out);
	write_store(n, out);
	er_node_write_geo_metrics(n, out);
	er_node_write_cron_metrics(n, out);
	er_vitals_write(out, n->started_us);
}

/* ---- health ---- */

void er_node_write_state(const er_node *n, er_out *out)
{
	er_vitals v;
	ER_CHECK(n, NODE_MAGIC);
	er_vitals_read(&v);
	er_out_u64(out, "started_s", n->started_us / 1000000);
	er_out_fixed(out, "cpu_s", v.cpu_s, 3);
	er_out_u64(out, "resident_bytes", v.resident);
	er_out_u64(out, "fds", v.fds);
	er_out_cstr(out, "last_reload", n->last_reload_failed ? "failed" : "ok");
	er_out_u64(out, "last_reload_s", n->last_reload_us / 1000000);
	er_node_write_geo_state(n, out);
	if (n->store == NULL)
		return;
	er_out_u64(out, "sequence", er_store_sequence(n->store));
	er_out_u64(out, "store_bytes", size_of(n, "control.db") + size_of(n, "kv.db"));
}

/* ---- what befell it ---- */

void er_node_reloaded(er_node *n, bool ok)
{
	ER_CHECK(n, NODE_MAGIC);
	n->last_reload_us = er_clock_wall_us();
	n->last_reload_failed = !ok;
	if (ok)
		n->reloads_ok++;
	else
		n->reloads_failed++;
}

void er_node_upgrade_failed(er_node *n)
{
	n->upgrades_failed++;
}
