/* er node backup: a running node copies its store into a folder of its machine. er node restore: a
 * new data folder from that, without a node: this process opens the store itself, which it does
 * nowhere else, and only after the restore is whole. The key of the secrets is in no backup and
 * comes by itself. */
#include "cli/row.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKUP_MS = 3600000, KEY_MAX = 4096 };

/* ---- backup ---- */

/* The node makes the folder: a relative path means the same to it only if it is on this machine. */
static const char *absolute(er_remote *r, const char *dir)
{
	ER_ASSERT(dir != NULL && r->client != NULL);
	char cwd[PATH_MAX];
	if (dir[0] == '/')
		return dir;
	if (!er_target_local(&r->target)) {
		er_remote_fail(r, ER_EXIT_USAGE, "invalid", "the folder is on the node's machine: give its absolute path there");
		return NULL;
	}
	if (getcwd(cwd, sizeof cwd) == NULL) {
		er_remote_fail(r, ER_EXIT_FAILED, "io", strerror(errno));
		return NULL;
	}
	return er_arena_cstr(&r->arena, er_arena_printf(&r->arena, "%s/%s", cwd, dir));
}

/* The node writes the copy itself, so the folder is one on its machine; a relative one begins where
 * the command stands. */
static void backup(er_row_call *c)
{
	ER_ASSERT(c->words[0] != NULL);
	er_answer a;
	er_remote *r = &c->remote;
	const char *full = er_remote_connect(r) ? absolute(r, c->words[0]) : NULL;
	if (full == NULL)
		return;
	er_out body = {0};
	er_out_open(&body, NULL, '{');
	er_out_cstr(&body, "dir", full);
	er_out_close(&body, '}');
	er_ask ask = {.method = "POST",
	              .path = ER_LIT("/v1/backup"),
	              .body = er_buf_slice(&body.b),
	              .content_type = "application/json",
	              .timeout_ms = BACKUP_MS};
	if (er_remote_send(r, &ask, &a)) {
		if (r->json)
			er_remote_print(&a);
		else
			er_show_printf(
			    "backup of change %llu in %.*s\nThe key of the secrets is not in it: keep a copy of the data folder's file "
			    "\"key\" elsewhere.\n",
			    (unsigned long long)er_json_u64(a.json, "sequence"), ER_FMT(er_json_str(a.json, "dir")));
	}
	er_answer_fini(&a);
	er_out_fini(&body);
}

const er_row er_row_node_backup = {
    .usage = "er node backup DIR [options]",
    .about = "Copies everything that is deployed on a node, with its KV data, into a folder DIR of the node's machine, which "
             "must not be there yet.\n"
             "The node goes on serving and taking deployments meanwhile. The key of the secrets is not copied.",
    .words = {1, 1},
    .run = backup,
};

/* ---- restore ---- */

/* Made anew and private; on the disk before the folder is used. */
static bool write_key(const char *to, er_slice bytes, er_err *err)
{
	ER_ASSERT(bytes.n <= KEY_MAX);
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_IO, "cannot make %s", to);
	bool ok = write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n && fsync(fd) == 0;
	if (!ok)
		er_fail_errno(err, ER_ERR_IO, "cannot write %s", to);
	return close(fd) == 0 && ok;
}

/* The store reads it when a secret is needed first, and says then if it is another one. */
static bool copy_key(er_arena *a, const char *from, const char *dir, er_err *err)
{
	uint8_t bytes[KEY_MAX];
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_IO, "cannot read %s", from);
	ssize_t n = read(fd, bytes, sizeof bytes);
	close(fd);
	if (n < 0)
		return er_fail_errno(err, ER_ERR_IO, "cannot read %s", from);
	bool ok = write_key(er_arena_cstr(a, er_arena_printf(a, "%s/key", dir)), er_slice_of(bytes, (size_t)n), err);
	explicit_bzero(bytes, sizeof bytes);
	return ok;
}

/* Opens what was restored as a node would, and counts. */
static bool look_at(er_arena *a, const char *dir, uint64_t *sequence, size_t *routines, size_t *deployed, er_err *err)
{
	er_slice *names;
	er_deployment_row *rows;
	er_store *s = er_store_open(&(er_store_options){.dir = dir}, err);
	if (s == NULL)
		return false;
	*sequence = er_store_sequence(s);
	bool ok = er_store_routines(s, a, &names, routines, err) && er_store_current(s, a, (er_slice){0}, &rows, deployed, err);
	er_store_close(s);
	return ok;
}

/* Into a folder that no node uses; no node is asked. `key`: a file to be put beside it, or NULL. */
static int restore(const char *const words[2], const char *key, bool json)
{
	ER_ASSERT(words[0] != NULL && words[1] != NULL);
	er_err err = {0};
	er_arena a;
	uint64_t sequence = 0;
	size_t routines = 0, deployed = 0;
	er_arena_init(&a);
	bool ok = er_store_restore(words[0], words[1], &err) && (key == NULL || copy_key(&a, key, words[1], &err)) &&
	          look_at(&a, words[1], &sequence, &routines, &deployed, &err);
	er_buf b = {0};
	if (!ok) {
		er_show_error(json, er_err_name(err.kind), er_slice_cstr(err.text), NULL);
	} else if (json) {
		er_out o = {0};
		er_out_open(&o, NULL, '{');
		er_out_cstr(&o, "dir", words[1]);
		er_out_u64(&o, "sequence", sequence);
		er_out_u64(&o, "routines", routines);
		er_out_u64(&o, "deployed", deployed);
		er_show_json(&o);
	} else {
		er_buf_printf(&b, "restored %s: change %llu, %zu routine%s, %zu deployment%s in force\n", words[1],
		              (unsigned long long)sequence, routines, routines == 1 ? "" : "s", deployed, deployed == 1 ? "" : "s");
		if (key == NULL)
			er_buf_printf(&b, "If there are secrets, put the old node's key to %s/key before the node starts.\n", words[1]);
	}
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
	er_arena_fini(&a);
	return ok ? ER_EXIT_OK : ER_EXIT_FAILED;
}

int er_cmd_node_restore(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	const char *words[2] = {NULL, NULL}, *key = NULL;
	bool json = false;
	const er_option options[] = {
	    {"key", 0, "FILE", "the key of the secrets, copied to DIR/key", NULL, &key},
	    {"json", 0, NULL, "the result as one JSON object on standard output", &json, NULL},
	};
	const er_command cmd = {.usage = "er node restore BACKUP DIR [--key FILE] [--json]",
	                        .about = "Makes the data folder DIR out of what `er node backup` wrote. DIR must be missing or "
	                                 "empty: no node uses it yet. Both databases are\n"
	                                 "checked to the last byte of code first. Then: er node --data DIR.",
	                        .details = "Exit status: 0 done, 1 failed (nothing is left in DIR), 2 called wrongly.\n",
	                        .options = options,
	                        .n_options = sizeof options / sizeof *options,
	                        .max_words = 2,
	                        .least_words = 2};
	int rc = er_args_parse(&cmd, argc, argv, words);
	return rc >= 0 ? rc : restore(words, key, json);
}
