/* One question with all hashes, each once; then batches, of which each is durable when it is
 * answered. So a deploy that was broken off begins where it was. */
#include "cli/upload.h"

#include "base/hex.h"
#include "base/map.h"
#include "cli/show.h"

enum { BATCH_BYTES = 8 << 20, BATCH_FILES = 1000, BATCH_MS = 120000 };

typedef struct sending {
	er_remote *remote;
	const char *routine;
	const er_folder *folder;
	er_map *missing; /* by hash: the file that has it */
	er_buf body;
	size_t n; /* files in it */
	er_upload sent;
	er_progress progress;
} sending;

static void put_hash(er_out *o, const char *key, const er_hash *hash)
{
	er_out_hex(o, key, er_hash_slice(hash));
}

/* Every hash once. */
static void put_question(er_out *o, const er_folder *f)
{
	er_map *seen = er_map_new();
	er_out_open(o, NULL, '{');
	er_out_open(o, "hashes", '[');
	for (size_t i = 0; i < f->n; i++)
		if (er_map_set(seen, er_hash_slice(&f->files[i].hash), &f->files[i]) == NULL)
			put_hash(o, NULL, &f->files[i].hash);
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_map_free(seen);
}

static void note_missing(sending *s, const er_json *answer)
{
	er_map *wanted = er_map_new();
	ER_JSON_EACH(one, er_json_member(answer, "missing"))
	{
		er_hash hash;
		if (er_hash_parse(er_json_as_str(one), &hash))
			(void)er_map_set(wanted, er_hash_slice(&hash), s);
	}
	for (size_t i = 0; i < s->folder->n; i++) {
		er_slice hash = er_hash_slice(&s->folder->files[i].hash);
		if (er_map_get(wanted, hash) != NULL)
			(void)er_map_set(s->missing, hash, &s->folder->files[i]);
	}
	er_map_free(wanted);
}

static bool ask(sending *s)
{
	er_out body = {0};
	er_answer a = {0};
	put_question(&body, s->folder);
	bool ok = er_remote_call(s->remote, "POST", er_remote_path(&s->remote->arena, "/v1/routines/{}/assets/missing", s->routine),
	                         er_buf_slice(&body.b), &a);
	if (ok)
		note_missing(s, a.json);
	er_out_fini(&body);
	er_answer_fini(&a);
	return ok;
}

/* What is in the body so far. */
static bool flush(sending *s)
{
	er_answer a = {0};
	if (s->n == 0)
		return true;
	er_ask call = {.method = "POST",
	               .path = er_remote_path(&s->remote->arena, "/v1/routines/{}/assets", s->routine),
	               .body = er_buf_slice(&s->body),
	               .content_type = "application/octet-stream",
	               .timeout_ms = BATCH_MS};
	bool ok = er_remote_send(s->remote, &call, &a);
	er_answer_fini(&a);
	er_buf_clear(&s->body);
	s->n = 0;
	if (ok)
		er_progress_to(&s->progress, s->sent.bytes, s->sent.files);
	return ok;
}

static bool add(sending *s, const er_assets_file *file)
{
	er_err err = {0};
	char hex[2 * ER_SHA256 + 1];
	if (s->n > 0 && (er_buf_len(&s->body) + file->bytes > BATCH_BYTES || s->n == BATCH_FILES) && !flush(s))
		return false;
	er_hex(er_hash_slice(&file->hash), hex);
	er_buf_printf(&s->body, "%s %u\n", hex, file->bytes);
	if (!er_folder_file(s->folder, file, er_buf_reserve(&s->body, file->bytes + 1), &err)) {
		er_remote_fail_err(s->remote, &err);
		return false;
	}
	er_buf_wrote(&s->body, file->bytes);
	s->n++;
	s->sent.files++;
	s->sent.bytes += file->bytes;
	return true;
}

/* In the order of their paths. */
static bool send_all(sending *s)
{
	uint64_t total = 0;
	for (size_t i = 0; i < s->folder->n; i++)
		if (er_map_get(s->missing, er_hash_slice(&s->folder->files[i].hash)) == &s->folder->files[i])
			total += s->folder->files[i].bytes;
	er_progress_init(&s->progress, "sending files", total);
	bool ok = true;
	for (size_t i = 0; ok && i < s->folder->n; i++)
		if (er_map_get(s->missing, er_hash_slice(&s->folder->files[i].hash)) == &s->folder->files[i])
			ok = add(s, &s->folder->files[i]);
	ok = ok && flush(s);
	er_progress_end(&s->progress);
	return ok;
}

bool er_upload_files(er_remote *r, const char *routine, const er_folder *f, er_upload *out)
{
	sending s = {.remote = r, .routine = routine, .folder = f, .missing = er_map_new()};
	bool ok = ask(&s) && send_all(&s);
	*out = s.sent;
	er_map_free(s.missing);
	er_buf_fini(&s.body);
	return ok;
}

void er_upload_put(er_out *o, const char *key, const er_folder *f)
{
	er_out_open(o, key, '[');
	for (size_t i = 0; i < f->n; i++) {
		er_out_open(o, NULL, '{');
		er_out_str(o, "path", f->files[i].path);
		put_hash(o, "sha256", &f->files[i].hash);
		er_out_u64(o, "bytes", f->files[i].bytes);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
}
