/* "tls" of a site's origin: certificates and a key as PEM. Each is tried as it will be used
 * (origin/tls.h), so that what is wrong is said to whoever says it.
 *
 * The key is a secret, and so has a way of its own: it is taken out of a site's JSON before that is
 * stored, logged or shown (er_site_take_key), and put back before it is read (er_site_with_key).
 * In a file that people write, a text may be the name of another file (er_site_take_files). */
#include "control/site.h"

#include "base/json_tree.h"
#include "base/mem.h"
#include "control/members.h"

#include <stdio.h>

enum { PATH_MAX_ = 2000 };

typedef struct tls_raw {
	er_slice ca, certificate, key;
	bool verify;
} tls_raw;

static const char *const names[] = {[ER_TLS_CA] = "ca", [ER_TLS_CERTIFICATE] = "certificate", [ER_TLS_KEY] = "key"};

/* False: what the text of this part says. */
static bool wrong_part(er_slice at, const er_json *v, er_tls_part part, const char *why, er_problem *problem)
{
	er_path path = er_path_member(at, er_slice_cstr(names[part]));
	const er_json *member = er_json_get(v, er_slice_cstr(names[part]));
	er_refuse_field(problem, er_slice_cstr(path.text), part == ER_TLS_KEY ? "a private key in PEM" : "certificates in PEM",
	                "\"%s\": %s", path.text, why);
	return er_refuse_at(problem, member != NULL ? member : v);
}

/* Somebody will look for a way round. */
static bool refuse_unverified(const er_json *v, er_slice at, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("verify"));
	er_refuse_field(problem, er_slice_cstr(path.text), "true",
	                "\"%s\": certificates are always verified. To believe a server whose certificate no authority has signed, "
	                "name that certificate as \"ca\"",
	                path.text);
	return er_refuse_at(problem, er_json_get(v, ER_LIT("verify")));
}

bool er_site_read_tls(const er_json *v, er_slice at, er_group_spec *out, er_problem *problem)
{
	static const er_member members[] = {
	    ER_MEMBER(tls_raw, "ca", ca, ER_MEMBER_STRING, false, 1, ER_TLS_CA_MAX),
	    ER_MEMBER(tls_raw, "certificate", certificate, ER_MEMBER_STRING, false, 1, ER_TLS_CERTIFICATE_MAX),
	    ER_MEMBER(tls_raw, "key", key, ER_MEMBER_STRING, false, 1, ER_TLS_KEY_MAX),
	    ER_MEMBER(tls_raw, "verify", verify, ER_MEMBER_BOOL, false, 0, 0)};
	er_path path = er_path_member(at, ER_LIT("tls"));
	er_slice here = er_slice_cstr(path.text);
	tls_raw raw = {.verify = true};
	er_tls_part wrong;
	er_err err = {0};
	if (!ER_MEMBERS_READ(v, here, members, &raw, problem))
		return false;
	if (!raw.verify)
		return refuse_unverified(v, here, problem);
	out->tls = (er_tls_pem){.ca = raw.ca, .certificate = raw.certificate, .key = raw.key};
	er_tls *tls = er_tls_new(&out->tls, &wrong, &err);
	er_tls_unref(tls);
	return tls != NULL || wrong_part(here, v, wrong, err.text, problem);
}

/* ---- time ---- */

bool er_site_expired(const er_site_settings *s, int64_t now_s, er_problem *problem)
{
	er_tls_part part;
	er_err err = {0};
	er_tls *tls = s->origin.tls.ca.n > 0 || s->origin.tls.certificate.n > 0 ? er_tls_new(&s->origin.tls, &part, NULL) : NULL;
	bool over = tls != NULL && er_tls_expired(tls, now_s, &part, &err);
	er_tls_unref(tls);
	if (over) {
		er_path path = er_path_member(ER_LIT("origin.tls"), er_slice_cstr(names[part]));
		er_refuse_field(problem, er_slice_cstr(path.text), "certificates that have not expired", "\"%s\": %s", path.text,
		                err.text);
	}
	return over;
}

/* ---- the key's own way ---- */

static const er_json *tls_of(const er_json *site)
{
	const er_json *origin = er_json_member(site, "origin"), *tls = origin != NULL ? er_json_member(origin, "tls") : NULL;
	return er_json_is(tls, ER_JSON_OBJECT) ? tls : NULL;
}

/* The site with another "tls" in its origin. */
static const er_json *with_tls(er_arena *a, const er_json *site, const er_json *tls)
{
	const er_json *origin = er_json_with(a, er_json_member(site, "origin"), ER_LIT("tls"), tls);
	return er_json_with(a, site, ER_LIT("origin"), origin);
}

static const er_json *string_like(er_arena *a, const er_json *like, er_slice text)
{
	er_json *v = er_arena_zalloc(a, sizeof *v);
	*v = (er_json){.type = ER_JSON_STRING, .text = text, .at = like->at, .end = like->end, .key_at = like->key_at};
	return v;
}

const er_json *er_site_take_key(er_arena *a, const er_json *site, er_slice *key)
{
	const er_json *tls = tls_of(site), *it = tls != NULL ? er_json_member(tls, "key") : NULL;
	*key = (er_slice){0};
	if (it == NULL)
		return site;
	*key = er_json_as_str(it);
	return with_tls(a, site, er_json_with(a, tls, ER_LIT("key"), NULL));
}

const er_json *er_site_with_key(er_arena *a, const er_json *site, er_slice key)
{
	const er_json *tls = tls_of(site);
	if (key.n == 0 || tls == NULL || er_json_member(tls, "certificate") == NULL || er_json_member(tls, "key") != NULL)
		return site;
	return with_tls(a, site, er_json_with(a, tls, ER_LIT("key"), string_like(a, tls, key)));
}

/* ---- files ---- */

const er_json *er_site_take_files(er_arena *a, const er_json *site, const er_site_file *file, er_problem *problem)
{
	const er_json *tls = tls_of(site);
	for (size_t i = 0; tls != NULL && i < sizeof names / sizeof *names; i++) {
		const er_json *it = er_json_member(tls, names[i]);
		er_slice text = er_json_as_str(it), found;
		if (text.n == 0 || er_slice_find(text, '\n') < text.n || er_slice_starts(text, ER_LIT("-----BEGIN ")))
			continue;
		char why[200] = "a path is expected, or the text itself";
		if (text.n > PATH_MAX_ || er_slice_find(text, 0) < text.n || !file->read(file->ctx, a, text, &found, why, sizeof why)) {
			er_refuse_field(problem, ER_LIT("origin.tls"), "a file of PEM", "\"origin.tls.%s\": %.*s: %s", names[i],
			                ER_FMT(er_slice_head(text, 200)), why);
			(void)er_refuse_at(problem, it);
			return NULL;
		}
		tls = er_json_with(a, tls, er_slice_cstr(names[i]), string_like(a, it, found));
	}
	return tls != NULL && tls != tls_of(site) ? with_tls(a, site, tls) : site;
}
