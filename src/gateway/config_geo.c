/* "geo": {"database": FILE or [FILE, ...], "language": "zh-CN", "colo": "FRA"}: where clients are.
 * The databases are read by the node, and not with its configuration: what is wrong with one of
 * them is no reason to serve nobody. */
#include "gateway/config_read.h"

#include "base/mem.h"

#include <string.h>

enum { MAX_PATH = 4096, MAX_COLO = 32 };

typedef struct geo_raw {
	const er_json *database;
	er_slice language, colo;
} geo_raw;

static bool add_database(er_config_reader *r, const er_json *v)
{
	er_geo_spec *g = &r->config->geo;
	if (v->type != ER_JSON_STRING || v->text.n == 0 || v->text.n > MAX_PATH || memchr(v->text.p, 0, v->text.n) != NULL)
		return er_config_wrong(r, v,
		                       "the path of a database in MaxMind's format is expected (\"/var/lib/GeoIP/GeoLite2-City.mmdb\")");
	if (g->n == ER_GEO_DATABASES)
		return er_config_wrong(r, v, "more than %d databases", ER_GEO_DATABASES);
	const char *path = er_config_path(r, v->text);
	for (size_t i = 0; i < g->n; i++)
		if (er_slice_eq(er_slice_cstr(g->paths[i]), er_slice_cstr(path)))
			return er_config_wrong(r, v, "another path is expected: this file is named twice");
	g->paths[g->n++] = er_strdup_cstr(path);
	return true;
}

static bool take_databases(er_config_reader *r, const er_json *v)
{
	if (v->type == ER_JSON_STRING)
		return add_database(r, v);
	if (v->type != ER_JSON_ARRAY)
		return er_config_wrong(r, v, "a path, or an array of paths, is expected, not %s", er_json_type_name(v->type));
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (!add_database(r, m))
			return false;
	return true;
}

/* "de", "pt-BR". */
static bool language_ok(er_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(er_lower(s.p[i]) >= 'a' && er_lower(s.p[i]) <= 'z') && s.p[i] != '-')
			return false;
	return true;
}

/* A word that can stand in a header and a URL. */
static bool colo_ok(er_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return true;
}

bool er_config_read_geo(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {ER_MEMBER(geo_raw, "database", database, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(geo_raw, "language", language, ER_MEMBER_STRING, false, 2, 12),
	                                    ER_MEMBER(geo_raw, "colo", colo, ER_MEMBER_STRING, false, 1, MAX_COLO)};
	geo_raw raw = {0};
	er_geo_spec *g = &r->config->geo;
	if (!er_config_members(r, v, ER_LIT("geo"), members, sizeof members / sizeof *members, &raw))
		return false;
	if (!language_ok(raw.language))
		return er_config_wrong(r, er_json_get(v, ER_LIT("language")),
		                       "a language of the database is expected (\"en\", \"zh-CN\")");
	if (!colo_ok(raw.colo))
		return er_config_wrong(r, er_json_get(v, ER_LIT("colo")), "a word in ASCII is expected (\"FRA\")");
	if (raw.language.n > 0)
		g->language = er_strdup_slice(raw.language);
	if (raw.colo.n > 0)
		g->colo = er_strdup_slice(raw.colo);
	return raw.database == NULL || take_databases(r, raw.database);
}
