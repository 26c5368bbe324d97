/* Static files on their way to the node. The tool asks which files it must send, sends them in
 * batches, and then deploys a version whose manifest names all of them (deploy.c). What was sent is
 * durable when it is answered, and goes again by itself if no version comes to name it.
 *
 * A batch is a sequence of files, each behind a line of its hash and its length:
 *
 *     <64 hexadecimal digits> <bytes>\n<the bytes> */
#include "control/assets.h"

#include "base/mem.h"
#include "control/internal.h"
#include "store/asset.h"

enum { LINE_BYTES = 2 * ER_SHA256 + 1 + 10 };

/* ---- which are missing ---- */

static bool read_hashes(er_call *call, const er_json *array, er_hash **out, size_t *n)
{
	if (!er_members_strings(array, ER_LIT("hashes"), 2 * (uint64_t)ER_SHA256, 2 * (uint64_t)ER_SHA256, &call->problem))
		return false;
	*n = 0;
	*out = er_arena_alloc(call->arena, (ER_ASSETS_FILES + 1) * sizeof **out);
	for (const er_json *v = array->first; v != NULL; v = v->next, ++*n) {
		ER_ASSERT(*n < ER_ASSETS_FILES);
		er_path path = er_path_element(ER_LIT("hashes"), *n);
		if (!er_hash_parse(v->text, &(*out)[*n]))
			return er_members_refuse(&call->problem, &path, v, "a SHA-256, 64 hexadecimal digits");
	}
	return true;
}

static bool ask(er_call *call, const er_hash *hashes, const uint32_t *lengths, size_t n, bool *missing)
{
	er_err err = {0};
	return er_asset_missing(call->control->o.store, call->routine, hashes, lengths, n, missing, &err) ||
	       er_refuse_err(&call->problem, &err);
}

void er_api_assets_missing(er_call *call)
{
	typedef struct body {
		const er_json *hashes;
	} body;
	static const er_member members[] = {ER_MEMBER(body, "hashes", hashes, ER_MEMBER_ARRAY, true, 0, ER_ASSETS_FILES)};
	body b = {0};
	er_hash *hashes = NULL;
	size_t n = 0;
	bool ok = er_call_members(call, members, &b) && read_hashes(call, b.hashes, &hashes, &n);
	bool *missing = er_arena_zalloc(call->arena, n + 1);
	if (!ok || !er_control_may_change(call->control, &call->problem) || !ask(call, hashes, NULL, n, missing)) {
		er_call_refuse(call);
		return;
	}
	er_out *o = &call->out;
	er_out_open(o, NULL, '{');
	er_out_open(o, "missing", '[');
	for (size_t i = 0; i < n; i++)
		if (missing[i])
			er_out_hex(o, NULL, er_hash_slice(&hashes[i]));
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* ---- files ---- */

/* The next file of a batch. */
static bool read_file(er_call *call, er_slice *rest, er_asset *out)
{
	uint64_t n;
	er_slice line = er_slice_head(*rest, er_slice_find(er_slice_head(*rest, LINE_BYTES), '\n'));
	size_t space = er_slice_find(line, ' ');
	if (!er_hash_parse(er_slice_head(line, space), &out->hash) || !er_slice_u64(er_slice_from(line, space + 1), &n))
		return er_refuse_field(&call->problem, ER_LIT(""), "a SHA-256, a length and a newline before the bytes of each file",
		                       "the body is no sequence of files: before each stands a line with its SHA-256 and its length");
	*rest = er_slice_from(*rest, line.n + 1);
	if (n > rest->n)
		return er_refuse_field(&call->problem, ER_LIT(""), "as many bytes as the line before a file says",
		                       "the body ends within the file %.*s", ER_FMT(er_slice_head(line, space)));
	out->bytes = er_slice_head(*rest, (size_t)n);
	*rest = er_slice_from(*rest, (size_t)n);
	return true;
}

static bool read_batch(er_call *call, er_asset **out, size_t *n)
{
	er_buf list = {0};
	bool ok = true;
	for (er_slice rest = er_buf_slice(&call->body); ok && rest.n > 0;) {
		er_asset a;
		ok = read_file(call, &rest, &a);
		if (ok)
			er_buf_put(&list, er_slice_of(&a, sizeof a));
		if (er_buf_len(&list) > ER_ASSETS_FILES * sizeof a)
			ok = er_refuse(&call->problem, ER_PROBLEM_TOO_LARGE, "%d files are the most of one request", ER_ASSETS_FILES);
	}
	*n = er_buf_len(&list) / sizeof **out;
	if (ok && *n == 0)
		ok = er_refuse_field(&call->problem, ER_LIT(""), "files, a line with SHA-256 and length before each",
		                     "the body holds no file");
	*out = er_arena_alloc(call->arena, er_buf_len(&list) + 1);
	er_copy(*out, list.p, er_buf_len(&list));
	er_buf_fini(&list);
	return ok;
}

void er_api_assets_put(er_call *call)
{
	er_asset *files;
	size_t n;
	uint64_t bytes = 0;
	er_err err = {0};
	bool ok = er_control_may_change(call->control, &call->problem) && read_batch(call, &files, &n);
	if (ok && !er_asset_put(call->control->o.store, call->routine, files, n, &err))
		ok = er_refuse_err(&call->problem, &err);
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	for (size_t i = 0; i < n; i++)
		bytes += files[i].bytes.n;
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "stored", n);
	er_out_u64(&call->out, "bytes", bytes);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* ---- the manifest of a version ---- */

typedef struct entry {
	er_slice path, sha256;
	uint32_t bytes;
} entry;

static bool read_entry(er_call *call, const er_json *v, size_t i, er_assets_file *out)
{
	static const er_member members[] = {ER_MEMBER(entry, "path", path, ER_MEMBER_STRING, true, 1, ER_ASSETS_PATH),
	                                    ER_MEMBER(entry, "sha256", sha256, ER_MEMBER_STRING, true, 2 * ER_SHA256, 2 * ER_SHA256),
	                                    ER_MEMBER(entry, "bytes", bytes, ER_MEMBER_NUMBER, true, 0, ER_ASSETS_FILE_BYTES)};
	entry e = {0};
	er_path at = er_path_element(ER_LIT("assets"), i);
	if (!ER_MEMBERS_READ(v, er_slice_cstr(at.text), members, &e, &call->problem))
		return false;
	*out = (er_assets_file){.path = e.path, .bytes = e.bytes};
	if (er_hash_parse(e.sha256, &out->hash))
		return true;
	at = er_path_member(er_slice_cstr(at.text), ER_LIT("sha256"));
	return er_members_refuse(&call->problem, &at, er_json_get(v, ER_LIT("sha256")), "a SHA-256, 64 hexadecimal digits");
}

/* They are there: nobody deploys what was never sent. */
static bool all_there(er_call *call, const er_assets_file *files, size_t n)
{
	er_hash *hashes = er_arena_alloc(call->arena, (n + 1) * sizeof *hashes);
	bool *missing = er_arena_zalloc(call->arena, n + 1);
	size_t count = 0, first = 0;
	uint32_t *lengths = er_arena_alloc(call->arena, (n + 1) * sizeof *lengths);
	for (size_t i = 0; i < n; i++) {
		hashes[i] = files[i].hash;
		lengths[i] = files[i].bytes;
	}
	if (!ask(call, hashes, lengths, n, missing))
		return false;
	for (size_t i = n; i-- > 0;)
		if (missing[i]) {
			count++;
			first = i;
		}
	return count == 0 ||
	       er_refuse(&call->problem, ER_PROBLEM_CONFLICT,
	                 "%zu of the files are not on the node, %.*s among them: POST assets/missing says which; send them "
	                 "before the version",
	                 count, ER_FMT(er_slice_head(files[first].path, 200)));
}

static bool read_rules_file(er_call *call, const er_assets_file *files, size_t n, er_slice path, size_t most, er_slice *out)
{
	er_err err = {0};
	*out = (er_slice){0};
	for (size_t i = 0; i < n; i++) {
		if (!er_slice_eq(files[i].path, path))
			continue;
		if (files[i].bytes > most)
			return er_refuse(&call->problem, ER_PROBLEM_TOO_LARGE, "%.*s has %u bytes; it may have %zu", ER_FMT(path),
			                 files[i].bytes, most);
		uint8_t *to = er_arena_alloc(call->arena, files[i].bytes + 1);
		*out = er_slice_of(to, files[i].bytes);
		return er_asset_read(call->control->o.store, call->routine, &files[i].hash, files[i].bytes, 0, to, files[i].bytes,
		                     &err) ||
		       er_refuse_err(&call->problem, &err);
	}
	return true;
}

static bool rules_ok(er_call *call, const er_assets_file *files, size_t n)
{
	er_slice headers, redirects;
	er_headers h;
	er_redirects r = {0};
	er_err err = {0};
	if (!read_rules_file(call, files, n, ER_LIT("/_headers"), ER_HEADERS_FILE, &headers) ||
	    !read_rules_file(call, files, n, ER_LIT("/_redirects"), ER_REDIRECTS_FILE, &redirects))
		return false;
	bool ok = er_headers_read(call->arena, headers, &h, &err) && er_redirects_read(call->arena, redirects, &r, &err);
	er_redirects_fini(&r);
	return ok || er_refuse_field(&call->problem, ER_LIT("assets"), "files whose rules can be read", "%s", err.text);
}

bool er_assets_take(er_call *call, const er_json *array, er_version_data *out)
{
	er_err err = {0};
	er_buf text = {0};
	size_t n = 0;
	er_assets_file *files = er_arena_zalloc(call->arena, (ER_ASSETS_FILES + 1) * sizeof *files);
	for (const er_json *v = array->first; v != NULL; v = v->next, n++) {
		ER_ASSERT(n < ER_ASSETS_FILES);
		if (!read_entry(call, v, n, &files[n]))
			return false;
	}
	if (!er_assets_manifest_make(files, n, &err)) {
		(void)er_refuse_field(&call->problem, ER_LIT("assets"), "files that can be served", "%s", err.text);
		if (err.kind == ER_ERR_TOO_LARGE)
			call->problem.code = ER_PROBLEM_TOO_LARGE;
		return false;
	}
	if (!all_there(call, files, n) || !rules_ok(call, files, n))
		return false;
	er_assets_manifest_write(&text, files, n);
	out->assets = er_arena_copy(call->arena, er_buf_slice(&text));
	er_buf_fini(&text);
	out->assets_files = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		out->assets_bytes += files[i].bytes;
	return true;
}
